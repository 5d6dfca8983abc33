// The rules of Snake, and what its agents see: torchcourse/capstones/snake/{engine,observe}.py
// in JavaScript. Same seed and same moves, same game: tests/site/test_demo_snake.py replays
// more than a thousand of Python's games here and compares every step.
//
// A cell is the number y·width + x; y grows downwards. No cell is -1.
import { Random32 } from "./random32.mjs";

export { Random32 };
export const DIRECTIONS = ["up", "right", "down", "left"]; // clockwise: +1 is a right turn
const MOVES = [[0, -1], [1, 0], [0, 1], [-1, 0]];
export const ACTIONS = ["left", "straight on", "right"]; // what an agent chooses from
export const Event = { MOVED: 0, ATE: 1, HIT_WALL: 2, HIT_SELF: 3, WON: 4 };
const START_LENGTH = 3;
const SMALLEST_SIDE = 4;

/** The direction after a relative action (0 left, 1 straight on, 2 right). */
export function turn(heading, action) {
  return (heading + action + 3) % 4;
}

/** One game. `body` holds cells, head first. */
export class Snake {
  constructor(width, height, seed) {
    if (Math.min(width, height) < SMALLEST_SIDE)
      throw new RangeError(`The board is ${width}×${height} cells; each side needs at least ${SMALLEST_SIDE}.`);
    Object.assign(this, { width, height, random: new Random32(seed) });
    const head = Math.floor(height / 2) * width + Math.floor(width / 2);
    this.body = Array.from({ length: START_LENGTH }, (_, i) => head - i);
    this.heading = 1;
    this.hunger = 0; // steps since the last meal
    this.event = Event.MOVED;
    this.food = this.placeFood();
  }

  get head() {
    return this.body[0];
  }

  get score() {
    return this.body.length - START_LENGTH;
  }

  get over() {
    return this.event >= Event.HIT_WALL;
  }

  /** The cell beside another one, or -1 off the board. */
  beside(cell, direction) {
    const x = (cell % this.width) + MOVES[direction][0];
    const y = Math.floor(cell / this.width) + MOVES[direction][1];
    return x < 0 || y < 0 || x >= this.width || y >= this.height ? -1 : y * this.width + x;
  }

  /** Move one cell; turning back means straight on. A snake that dies stays where it was. */
  step(direction) {
    if (this.over) throw new Error("This game is over. Start a new one.");
    if (direction !== (this.heading + 2) % 4) this.heading = direction;
    this.hunger += 1;
    this.event = this.advance();
    return this.event;
  }

  advance() {
    const target = this.beside(this.head, this.heading);
    if (target < 0) return Event.HIT_WALL;
    if (!this.safe(this.heading)) return Event.HIT_SELF;
    this.body.unshift(target);
    if (target !== this.food) {
      this.body.pop();
      return Event.MOVED;
    }
    this.hunger = 0;
    this.food = this.placeFood();
    return this.food < 0 ? Event.WON : Event.ATE;
  }

  placeFood() {
    const left = this.timeLeft();
    const free = [...left.keys()].filter((cell) => left[cell] === 0);
    return free.length ? free[this.random.below(free.length)] : -1;
  }

  /** Whether a step that way goes well. The tail leaves its cell in that very step: it is free. */
  safe(direction) {
    const cell = this.beside(this.head, direction);
    const at = this.body.indexOf(cell);
    return cell >= 0 && (at < 0 || at === this.body.length - 1);
  }

  /** For each cell, for how many steps the snake will still lie there: 0 free, 1 the tail. */
  timeLeft() {
    const left = new Int32Array(this.width * this.height);
    this.body.forEach((cell, i) => (left[cell] = this.body.length - i));
    return left;
  }
}

/**
 * MoveFeatures: four questions about each of the moves left, straight on, right, (12,).
 * Is it safe? Nearer to the food? Which share of the free cells can be reached? And the tail?
 */
export function moveFeatures(game) {
  const left = game.timeLeft();
  const { region, size } = freeRegions(game, left);
  const free = left.reduce((count, time) => count + (time <= 1), 0); // the tail's cell is free
  const tail = region[game.body[game.body.length - 1]];
  const now = distance(game, game.head);
  const features = new Float32Array(12);
  for (let action = 0; action < 3; action++) {
    const direction = turn(game.heading, action);
    if (!game.safe(direction)) continue; // deadly: all four are 0
    const cell = game.beside(game.head, direction);
    features[action] = 1;
    features[3 + action] = distance(game, cell) < now;
    features[6 + action] = size[region[cell]] / free;
    features[9 + action] = region[cell] === tail;
  }
  return features;
}

function distance({ food, width }, cell) {
  return Math.abs((cell % width) - (food % width))
    + Math.abs(Math.floor(cell / width) - Math.floor(food / width));
}

/** The connected free cells: the number of each cell's region (0: snake), the size of each. */
function freeRegions(game, left) {
  const region = new Int32Array(left.length);
  const size = [0];
  for (let start = 0; start < left.length; start++) {
    if (left[start] > 1 || region[start]) continue;
    const name = size.push(0) - 1;
    const found = [start];
    region[start] = name;
    while (found.length) {
      const cell = found.pop();
      size[name] += 1;
      for (let direction = 0; direction < 4; direction++) {
        const next = game.beside(cell, direction);
        if (next < 0 || left[next] > 1 || region[next]) continue;
        region[next] = name;
        found.push(next);
      }
    }
  }
  return { region, size };
}

/**
 * ClassicFeatures: for up, right, down, left: is the food on that side? would a step that way be
 * deadly? is the snake heading that way? (12,)
 */
export function classicFeatures(game) {
  const dx = (game.food % game.width) - (game.head % game.width);
  const dy = Math.floor(game.food / game.width) - Math.floor(game.head / game.width);
  const features = new Float32Array(12);
  features.set([dy < 0, dx > 0, dy > 0, dx < 0]);
  for (let direction = 0; direction < 4; direction++) {
    features[4 + direction] = !game.safe(direction);
    features[8 + direction] = direction === game.heading;
  }
  return features;
}

/**
 * HeadView: the board seen from the head, looking up; planes deadly, stays, food, (3, V, V) with
 * V = 2·max(width, height) - 1 and values 0 … 255. Beyond the board lies wall.
 */
export function headView(game) {
  const far = Math.max(game.width, game.height) - 1;
  const side = 2 * far + 1;
  const view = new Uint8Array(3 * side * side);
  const left = game.timeLeft();
  const cells = left.length;
  const [up, right] = [MOVES[game.heading], MOVES[turn(game.heading, 2)]];
  const [hx, hy] = [game.head % game.width, Math.floor(game.head / game.width)];
  for (let row = 0; row < side; row++)
    for (let column = 0; column < side; column++) {
      const [ahead, across] = [far - row, column - far];
      const x = hx + ahead * up[0] + across * right[0];
      const y = hy + ahead * up[1] + across * right[1];
      const inside = x >= 0 && x < game.width && y >= 0 && y < game.height;
      const cell = inside ? y * game.width + x : -1;
      const at = row * side + column;
      view[at] = !inside || left[cell] > 1 ? 255 : 0;
      view[side * side + at] = inside ? Math.ceil((left[cell] * 255) / cells) : 255;
      view[2 * side * side + at] = inside && cell === game.food ? 255 : 0;
    }
  return view;
}

/** Observers by the names of Python's observe.OBSERVATIONS. */
export const OBSERVERS = { features: moveFeatures, classic: classicFeatures, view: headView };
