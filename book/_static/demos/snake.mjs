// Snake in the page: watch an agent trained with PyTorch, take over, try to beat it.
import { startDemo } from "./runtime.mjs";
import { DIRECTIONS, Event, turn } from "./snake_engine.mjs";
import { fit, paintBoard } from "./snake_board.mjs";
import { ending, listRivals, loadRival } from "./snake_rival.mjs";
import { Mind, position } from "./snake_mind.mjs";

const SPEEDS = [1, 2, 4, 7, 12, 20, 35, 60, 120]; // moves a second
const MOST_PER_FRAME = 10; // a page that was hidden does not catch up
const BETWEEN_GAMES = 1500; // ms
const QUIET = 4000; // ms between two announcements while the agent plays: it eats fast
const SWIPE = 24; // CSS pixels
const KEYS = { ArrowUp: 0, ArrowRight: 1, ArrowDown: 2, ArrowLeft: 3 };

startDemo("snake", async (root) => {
  const demo = new Demo(root, await listRivals());
  await demo.choose();
  demo.listen();
  return demo.canvas;
});

const frame = () => new Promise(requestAnimationFrame);

/**
 * paused: the reader wants it to stand still. waiting: a game of the reader's own that the first
 * turn will start. who: "agent" or "you" steers. mark: the agent's score from the same start.
 */
class Demo {
  constructor(root, rivals) {
    const level = { agent: SPEEDS.indexOf(12), you: SPEEDS.indexOf(7) };
    Object.assign(this, { root, rivals, level, spoken: -Infinity, moving: Promise.resolve() });
    this.find = (name) => root.querySelector(`[data-${name}]`);
    this.canvas = this.find("board");
    this.mind = new Mind(root);
    this.paused = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.select = root.querySelector("[name=rival]");
    for (const option of [...this.select.options])
      if (!rivals.some(({ name }) => name === option.value)) option.remove();
    this.speed = root.querySelector("[name=speed]");
    this.speed.max = SPEEDS.length - 1;
    root.toggleAttribute("data-touch", navigator.maxTouchPoints > 0); // larger buttons to steer
  }

  get still() {
    return this.paused || this.waiting || this.over;
  }

  // ---- what the reader does

  listen() {
    const click = (name, act) => this.find(name).addEventListener("click", act);
    click("pause", () => this.pause());
    click("step", () => this.single());
    click("hands", () => (this.who === "agent" ? this.takeOver() : this.giveBack()));
    click("race", () => this.race());
    click("next", () => this.begin(this.number + 1, "agent"));
    for (const button of this.root.querySelectorAll("[data-steer]"))
      button.addEventListener("click", () => this.steer(DIRECTIONS.indexOf(button.dataset.steer)));
    this.select.addEventListener("change", () => this.choose().catch((error) => this.say(error.message)));
    this.speed.addEventListener("input", () => {
      this.level[this.who] = Number(this.speed.value);
      this.showSpeed();
    });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.listenToSwipes();
    // Repaint when the reader switches between light and dark.
    new MutationObserver(() => this.paint()).observe(document.documentElement, {
      attributeFilter: ["data-theme"],
    });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in KEYS) this.steer(KEYS[event.key]);
    else if (event.key === " ") this.pause();
    else if (event.key === "Enter") this.single();
    else return;
    event.preventDefault();
  }

  /** One long swipe may turn several times. */
  listenToSwipes() {
    let from = null;
    this.canvas.addEventListener("pointerdown", (event) => (from = [event.clientX, event.clientY]));
    this.canvas.addEventListener("pointermove", (event) => {
      if (!from || !event.buttons) return;
      const [dx, dy] = [event.clientX - from[0], event.clientY - from[1]];
      if (Math.max(Math.abs(dx), Math.abs(dy)) < SWIPE) return;
      from = [event.clientX, event.clientY];
      this.steer(Math.abs(dx) > Math.abs(dy) ? (dx > 0 ? 1 : 3) : dy > 0 ? 2 : 0);
    });
  }

  /** A direction from the reader takes over if need be; while paused it makes one move. */
  steer(direction) {
    if (this.over) return;
    if (this.who === "agent") this.takeOver();
    this.wanted = [...this.wanted, direction].slice(-2); // two quick strokes make a U-turn
    this.waiting = false;
    if (this.paused) this.single();
    else this.play();
  }

  takeOver() {
    this.hand("you");
    this.canvas.focus({ preventScroll: true });
    if (this.paused) this.say("You steer. Paused: each arrow makes one move, space plays on.");
    else this.say("You steer now: arrow keys, buttons or swipes.");
  }

  giveBack() {
    this.waiting = false;
    this.hand("agent");
    this.say("The agent steers again.");
    this.play();
  }

  hand(who) {
    Object.assign(this, { who, wanted: [], fasting: 0 });
    this.canvas.style.touchAction = who === "you" ? "none" : "pan-y"; // swipes steer, or scroll
    this.showSpeed();
    this.paint();
  }

  pause() {
    if (this.over) return this.again();
    this.paused = !this.still;
    this.waiting = false;
    if (this.paused) {
      this.say("Paused. Space or Play goes on, Enter makes one move.");
      this.hear(position(this.game, this.view));
    } else this.say(this.who === "agent" ? "The agent plays on." : "You play on.");
    this.play();
  }

  /** One move, then stand still. */
  async single() {
    if (this.over) return this.again();
    Object.assign(this, { paused: true, waiting: false });
    await this.move();
    if (!this.over) this.hear(position(this.game, this.view));
    this.paint();
  }

  again() {
    if (this.who === "you") this.race();
    else this.begin(this.number + 1, "agent");
  }

  /** The same start for the reader, with the agent's score there as the mark to beat. */
  async race() {
    const { number, rival, game } = this;
    this.waiting = true;
    this.say("The agent plays this start, unseen …");
    const mark = await rival.scoreOf(number);
    if (game === this.game) await this.begin(number, "you", mark);
    this.canvas.focus({ preventScroll: true });
  }

  // ---- the game

  async choose() {
    const about = this.rivals.find(({ name }) => name === this.select.value);
    const rival = await loadRival(about);
    if (about.name !== this.select.value) return; // the reader has gone on choosing
    await this.begin(1, "agent", null, rival);
  }

  async begin(number, who, mark = null, rival = this.rival) {
    const game = rival.begin(number);
    const view = await rival.look(game);
    if (rival !== this.rival) {
      this.best = { agent: null, you: null };
      this.mind.reset(rival.observation);
    }
    // All at once, because the former game may still be moving.
    Object.assign(this, { rival, game, view, number, mark, moves: 0, over: false });
    this.steered = new Set();
    this.waiting = who === "you";
    fit(this.canvas, game);
    this.hand(who);
    if (who === "you")
      this.say(`Game ${number}: the agent makes ${mark} from this start. Your first turn starts it.`);
    else if (this.paused) this.say(`Game ${number}. Press Play or space to watch the agent.`);
    else this.say(`Game ${number}: the agent steers. An arrow key or a swipe takes over.`);
    this.play();
  }

  /** Let the agent look at the game as it is now, whoever steers. */
  async look() {
    const { game } = this;
    const view = await this.rival.look(game);
    if (game === this.game) this.view = view;
  }

  /** Moves at the chosen speed until something stops it. There is never more than one such loop. */
  async play() {
    this.paint();
    if (this.playing || this.still) return;
    this.playing = true;
    let due = await frame();
    while (!this.still) {
      const now = await frame();
      for (let made = 0; made < MOST_PER_FRAME && due <= now && !this.still; made++) {
        await this.move();
        due += 1000 / SPEEDS[this.level[this.who]];
      }
      due = Math.max(due, now);
      this.paint();
    }
    this.playing = false;
  }

  /** One move. They wait for each other: the agent has to see where the last one led. */
  move() {
    const { game } = this;
    this.moving = this.moving.then(() => (game === this.game && !this.over ? this.makeMove() : null));
    return this.moving;
  }

  async makeMove() {
    const { game, who, rival } = this;
    const direction = who === "agent"
      ? turn(game.heading, this.view.best)
      : this.wanted.shift() ?? game.heading;
    const event = game.step(direction);
    this.moves += 1;
    this.steered.add(who);
    this.fasting = event === Event.ATE || who === "you" ? 0 : this.fasting + 1;
    if (game.over || this.fasting >= rival.patience) return this.finish();
    await this.look();
    if (event === Event.ATE && game === this.game) this.sayScore();
  }

  finish() {
    this.over = true;
    const { game, number, mark, moves, steered } = this;
    const name = steered.size > 1 ? "the two of you" : this.who === "you" ? "you" : "the agent";
    const result = `Game ${number}: ${name} ${ending(game)} with score ${game.score} after ${moves} moves.`;
    this.say(result + (mark === null || steered.size > 1 ? "" : verdict(game.score, mark)));
    if (steered.size === 1) {
      this.best[this.who] = Math.max(this.best[this.who] ?? 0, game.score);
      if (this.who === "agent") this.rival.played.set(number, game.score);
    }
    this.paint();
    if (this.who === "agent") setTimeout(() => this.goOn(game), BETWEEN_GAMES);
  }

  /** The next game to watch, unless the reader has chosen something else meanwhile. */
  goOn(game) {
    if (game === this.game && !this.paused && !this.waiting) this.begin(this.number + 1, "agent");
  }

  // ---- what the reader sees and hears

  say(text) {
    this.spoken = performance.now();
    this.find("words").textContent = text;
  }

  /** What the picture and the table show already. */
  hear(text) {
    this.spoken = performance.now();
    this.find("heard").textContent = text;
  }

  /** The agent may eat many times a second; nobody wants to hear all of that. */
  sayScore() {
    if (this.who === "agent" && performance.now() - this.spoken < QUIET) return;
    this.hear(`Score ${this.game.score}.`);
  }

  showSpeed() {
    const level = this.level[this.who];
    this.speed.value = level;
    const text = `${SPEEDS[level]} ${SPEEDS[level] === 1 ? "move" : "moves"} a second`;
    this.speed.setAttribute("aria-valuetext", text);
    this.speed.nextElementSibling.textContent = `${SPEEDS[level]}/s`;
  }

  paint() {
    const { game, who, mark, over } = this;
    paintBoard(this.canvas, game, who === "you");
    this.mind.show(this.view, over);
    const goal = mark === null ? "" : ` · to beat: ${mark}`;
    const best = Object.entries(this.best).filter(([, score]) => score !== null);
    const scores = best.map(([name, score]) => `${name} ${score}`).join(", ");
    this.find("status").textContent =
      `Game ${this.number} · ${who === "you" ? "you" : "agent"} · score ${game.score}${goal} · move ${this.moves}`;
    this.find("best").textContent = scores && `Best so far: ${scores}`;
    this.find("pause").textContent = this.still && !over ? "Play" : over ? "Go on" : "Pause";
    this.find("hands").textContent = who === "you" ? "Hand back" : "Take over";
    this.find("hands").disabled = over;
  }
}

function verdict(score, mark) {
  if (score > mark) return ` You beat the agent, which made ${mark} from this start!`;
  if (score === mark) return ` A draw: the agent made ${mark} too.`;
  return ` The agent made ${mark} from this start.`;
}
