// What the agent sees and what its three actions are worth to it, in numbers and in words.
import { ACTIONS, DIRECTIONS, Event } from "./snake_engine.mjs";
import { paintView } from "./snake_board.mjs";

const WORST = -1; // the reward of dying, where the bars begin
const YES = "✓";
const NO = "–";

/** The table below the board. */
export class Mind {
  constructor(root) {
    this.table = root.querySelector("[data-mind]");
    this.seen = root.querySelector("[data-seen]");
    this.picture = root.querySelector("[data-view]");
  }

  reset(observation) {
    this.observation = observation;
    this.highest = 0; // the longest bar so far
    this.table.dataset.observation = observation;
    this.picture.hidden = observation !== "view";
    this.seen.hidden = observation === "features"; // its table says it all
  }

  /** seen, values, best: as from Rival.look. After the end of a game nothing is chosen. */
  show({ seen, values, best }, over) {
    this.highest = Math.max(this.highest, ...values);
    const rows = this.table.tBodies[0].rows;
    ACTIONS.forEach((_, action) => {
      const row = rows[action];
      row.toggleAttribute("data-chosen", action === best && !over);
      if (this.observation === "features") this.showFeatures(row, seen, action);
      const worth = row.querySelector("[data-worth]");
      const share = (values[action] - WORST) / (this.highest - WORST);
      worth.style.setProperty("--share", `${Math.round(100 * Math.min(1, Math.max(0, share)))}%`);
      worth.textContent = number(values[action]);
    });
    if (this.observation === "view") paintView(this.picture, seen);
    if (this.observation === "classic") this.seen.textContent = `It sees: ${classicWords(seen)}.`;
    if (this.observation === "view") this.seen.textContent = "It sees the board from its head, looking up:";
  }

  showFeatures(row, seen, action) {
    const [safe, nearer, room, tail] = [0, 3, 6, 9].map((first) => seen[first + action]);
    const texts = { safe: safe ? YES : NO, nearer: nearer ? YES : NO, room: `${Math.round(100 * room)} %`, tail: tail ? YES : NO };
    for (const [name, text] of Object.entries(texts)) row.querySelector(`[data-${name}]`).textContent = text;
  }
}

function number(value) {
  return value.toFixed(2).replace("-", "−");
}

function classicWords(seen) {
  const named = (first) => DIRECTIONS.filter((_, i) => seen[first + i]).join(" and ") || "nowhere";
  return `food ${named(0)}; danger ${named(4)}; heading ${named(8)}`;
}

/** The position in words, for those who play by ear. */
export function position(game, { values, best }) {
  const dx = (game.food % game.width) - (game.head % game.width);
  const dy = Math.floor(game.food / game.width) - Math.floor(game.head / game.width);
  const parts = [[dy, "down", "up"], [dx, "right", "left"]]
    .filter(([cells]) => cells)
    .map(([cells, plus, minus]) => `${Math.abs(cells)} ${cells > 0 ? plus : minus}`);
  const safe = DIRECTIONS.filter((_, direction) => game.safe(direction)).join(", ") || "none";
  const ate = game.event === Event.ATE ? "It ate. " : "";
  const worth = ACTIONS.map((action, i) => `${action} ${number(values[i])}`).join(", ");
  return `${ate}Score ${game.score}, heading ${DIRECTIONS[game.heading]}. Food: ${parts.join(" and ")}. `
    + `Safe ways: ${safe}. The agent would go ${ACTIONS[best]}; worth to it: ${worth}.`;
}
