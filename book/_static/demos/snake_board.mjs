// Pictures of Snake in the colours of the page, light or dark.
import { Event } from "./snake_engine.mjs";

const LONGEST_SIDE = 960; // pixels of the canvas; the style sheet scales it to the page
const DIRECTION = [[0, -1], [1, 0], [0, 1], [-1, 0]];

/** Give the canvas the shape of the board. */
export function fit(canvas, game) {
  const cell = Math.floor(LONGEST_SIDE / Math.max(game.width, game.height));
  [canvas.width, canvas.height] = [game.width * cell, game.height * cell];
}

function palette(element) {
  const style = getComputedStyle(element);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  return Object.fromEntries(
    ["paper", "line", "ink", "ink-soft", "ember", "moss", "sky"].map((name) => [name, colour(name)]),
  );
}

/** Between two colours written as #rrggbb: share 0 is the first, 1 the second. */
function mix(first, second, share) {
  const channel = (colour, i) => parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16);
  const mixed = [0, 1, 2].map((i) => channel(first, i) * (1 - share) + channel(second, i) * share);
  return `rgb(${mixed.map(Math.round)})`;
}

/** The board. `yours`: whether a person steers, which has its own colour. */
export function paintBoard(canvas, game, yours) {
  const context = canvas.getContext("2d");
  const colours = palette(canvas);
  const cell = canvas.width / game.width;
  const at = (number) => [(number % game.width) * cell, Math.floor(number / game.width) * cell];
  context.fillStyle = colours.paper;
  context.fillRect(0, 0, canvas.width, canvas.height);
  paintGrid(context, game, cell, colours.line);
  if (game.food >= 0) {
    const [x, y] = at(game.food);
    context.fillStyle = colours.ember;
    context.beginPath();
    context.arc(x + cell / 2, y + cell / 2, 0.36 * cell, 0, 7);
    context.fill();
  }
  const dead = game.event === Event.HIT_WALL || game.event === Event.HIT_SELF;
  const base = dead ? colours["ink-soft"] : yours ? colours.sky : colours.moss;
  paintBody(context, game, cell, at, (i) => mix(base, colours.paper, (0.6 * i) / game.body.length));
  paintHead(context, game, cell, at, mix(base, colours.ink, 0.35), colours.paper);
}

function paintGrid(context, game, cell, colour) {
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = 1; x < game.width; x++) {
    context.moveTo(x * cell, 0);
    context.lineTo(x * cell, game.height * cell);
  }
  for (let y = 1; y < game.height; y++) {
    context.moveTo(0, y * cell);
    context.lineTo(game.width * cell, y * cell);
  }
  context.stroke();
}

/** Tail first and ever stronger towards the head; cells that follow each other are joined. */
function paintBody(context, game, cell, at, colour) {
  const gap = Math.max(1, cell / 12);
  for (let i = game.body.length - 1; i >= 0; i--) {
    const [x, y] = at(game.body[i]);
    const [px, py] = at(game.body[Math.max(0, i - 1)]);
    context.fillStyle = colour(i);
    context.fillRect(
      Math.min(x, px) + gap,
      Math.min(y, py) + gap,
      Math.abs(x - px) + cell - 2 * gap,
      Math.abs(y - py) + cell - 2 * gap,
    );
  }
}

function paintHead(context, game, cell, at, colour, eyes) {
  const [x, y] = at(game.head);
  const gap = Math.max(1, cell / 12);
  context.fillStyle = colour;
  context.fillRect(x + gap, y + gap, cell - 2 * gap, cell - 2 * gap);
  const [dx, dy] = DIRECTION[game.heading];
  context.fillStyle = eyes;
  for (const side of [-1, 1]) {
    context.beginPath();
    context.arc(
      x + (0.5 + 0.18 * dx - 0.22 * side * dy) * cell,
      y + (0.5 + 0.18 * dy + 0.22 * side * dx) * cell,
      cell / 10, 0, 7,
    );
    context.fill();
  }
}

/** What an agent with a head view sees: itself in the middle, looking up. */
export function paintView(canvas, view) {
  const colours = palette(canvas);
  const size = view.length / 3;
  const side = Math.sqrt(size);
  const context = canvas.getContext("2d");
  const cell = canvas.width / side;
  for (let at = 0; at < size; at++) {
    const food = view[2 * size + at] > 0;
    context.fillStyle = food ? colours.ember : mix(colours.paper, colours.ink, (0.8 * view[at]) / 255);
    context.fillRect((at % side) * cell, Math.floor(at / side) * cell, cell, cell);
  }
  context.fillStyle = colours.moss;
  context.fillRect(((side - 1) / 2) * cell, ((side - 1) / 2) * cell, cell, cell);
}
