// The agent in the page: sees as in Python, thinks with the Q-network exported from PyTorch.
import { OBSERVERS, Event, Snake, turn } from "./snake_engine.mjs";
import { loadModel, loadRuntime } from "./runtime.mjs";

const BREATH = 50; // moves after which a game played unseen lets the page answer

/** Who can play: [{ name, observation, board: [width, height] }, …]. */
export async function listRivals() {
  const response = await fetch(new URL("snake_players.json", import.meta.url));
  if (!response.ok) throw new Error(`The list of agents is missing on this site (HTTP ${response.status}).`);
  return response.json();
}

export async function loadRival(about) {
  const ort = await loadRuntime();
  return new Rival(about, ort, await loadModel(`snake_${about.name}.onnx`));
}

export class Rival {
  constructor(about, ort, session) {
    Object.assign(this, about, { ort, session, observe: OBSERVERS[about.observation] });
    this.patience = about.board[0] * about.board[1]; // moves without food: then it goes in circles
    this.played = new Map(); // game number → its score there
  }

  begin(number) {
    return new Snake(...this.board, number);
  }

  /** What it sees of a game, what the three actions are worth to it, and the best of them. */
  async look(game) {
    const seen = this.observe(game);
    const values = await this.values(seen, 1);
    return { seen, values, best: values.indexOf(Math.max(...values)) };
  }

  /** Q-values of several observations, laid end to end: 3 numbers for each. */
  async values(seen, count) {
    const side = Math.sqrt(seen.length / count / 3);
    const shape = this.observation === "view" ? [3, side, side] : [seen.length / count];
    const type = seen instanceof Uint8Array ? "uint8" : "float32";
    const observation = new this.ort.Tensor(type, seen, [count, ...shape]);
    return (await this.session.run({ observation })).q_values.data;
  }

  /** The score it reaches in a game, played to the end unseen. */
  async scoreOf(number) {
    if (!this.played.has(number)) {
      const game = this.begin(number);
      for (let moves = 1; !game.over && game.hunger < this.patience; moves++) {
        game.step(turn(game.heading, (await this.look(game)).best));
        if (moves % BREATH === 0) await new Promise((resolve) => setTimeout(resolve));
      }
      this.played.set(number, game.score);
    }
    return this.played.get(number);
  }
}

/** How a game ended, as the end of a sentence. */
export function ending(game) {
  return {
    [Event.HIT_WALL]: "hit the wall",
    [Event.HIT_SELF]: "ran into the snake's own body",
    [Event.WON]: "filled the whole board",
  }[game.event] ?? "went in circles and found no food";
}
