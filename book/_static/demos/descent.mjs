// Gradient descent in the page: PyTorch's step, exported to ONNX, on a surface you choose.
import { loadModel, loadRuntime, startDemo } from "./runtime.mjs";

const SPAN = { x: 3, y: 2 }; // the picture shows x in [-3, 3], y in [-2, 2]
const GRID = { columns: 120, rows: 80 };
const RUN_STEPS = 40;
const FAR = 1e3; // beyond this we call it diverged

startDemo("descent", async (root) => {
  const demo = new Descent(root, await loadRuntime());
  await demo.choose(root.querySelector("[name=surface]").value);
  return demo.canvas;
});

function say(root, text) {
  root.querySelector("[data-words]").textContent = text;
}

/** What one step takes and gives, also for tests: plain numbers in, plain numbers out. */
export async function step(ort, session, point, velocity, lr, momentum) {
  const tensor = (values, dims) => new ort.Tensor("float32", Float32Array.from(values), dims);
  const result = await session.run({
    points: tensor(point, [1, 2]),
    velocity: tensor(velocity, [1, 2]),
    lr: tensor([lr], [1]),
    momentum: tensor([momentum], [1]),
  });
  return {
    loss: result.loss.data[0],
    point: Array.from(result.next_points.data),
    velocity: Array.from(result.next_velocity.data),
  };
}

class Descent {
  constructor(root, ort) {
    Object.assign(this, { root, ort, start: [-2.4, 1.4], generation: 0 });
    this.canvas = root.querySelector("canvas");
    this.listen();
  }

  get(name) {
    return this.root.querySelector(`[name=${name}]`);
  }

  listen() {
    const on = (selector, event, act) =>
      this.root.querySelector(selector).addEventListener(event, act);
    on("[name=surface]", "change", (event) => this.choose(event.target.value));
    on("[data-step]", "click", () => this.walk(1));
    on("[data-run]", "click", () => this.walk(RUN_STEPS));
    on("[data-reset]", "click", () => this.reset());
    for (const name of ["lr", "momentum"]) on(`[name=${name}]`, "input", () => this.showSettings());
    this.canvas.addEventListener("pointerdown", (event) => {
      const box = this.canvas.getBoundingClientRect();
      const across = (event.clientX - box.left) / box.width;
      const down = (event.clientY - box.top) / box.height;
      this.place((2 * across - 1) * SPAN.x, (1 - 2 * down) * SPAN.y);
    });
    this.canvas.addEventListener("keydown", (event) => {
      const [x, y] = this.start;
      const moves = {
        ArrowLeft: [x - 0.2, y], ArrowRight: [x + 0.2, y], ArrowUp: [x, y + 0.2], ArrowDown: [x, y - 0.2],
      };
      if (moves[event.key]) this.place(...moves[event.key]);
      else if (event.key === "Enter") this.walk(RUN_STEPS);
      else if (event.key === " ") this.walk(1);
      else return;
      event.preventDefault();
    });
    // Repaint when the reader switches between light and dark.
    new MutationObserver(() => this.paint()).observe(document.documentElement, {
      attributeFilter: ["data-theme"],
    });
  }

  settings() {
    return { lr: 10 ** Number(this.get("lr").value), momentum: Number(this.get("momentum").value) };
  }

  showSettings() {
    const { lr, momentum } = this.settings();
    const words = { lr: lr.toPrecision(2), momentum: momentum.toFixed(2) };
    for (const [name, text] of Object.entries(words)) {
      this.get(name).setAttribute("aria-valuetext", text);
      this.get(name).nextElementSibling.textContent = text;
    }
  }

  async choose(surface) {
    this.session = await loadModel(`descent_${surface}.onnx`);
    const points = new Float32Array(GRID.columns * GRID.rows * 2);
    for (let row = 0, at = 0; row < GRID.rows; row++)
      for (let column = 0; column < GRID.columns; column++) {
        points[at++] = ((2 * column) / (GRID.columns - 1) - 1) * SPAN.x;
        points[at++] = (1 - (2 * row) / (GRID.rows - 1)) * SPAN.y;
      }
    const dims = [GRID.columns * GRID.rows, 2];
    const tensor = (values, shape) => new this.ort.Tensor("float32", values, shape);
    const result = await this.session.run({
      points: tensor(points, dims),
      velocity: tensor(new Float32Array(points.length), dims),
      lr: tensor(Float32Array.of(0.1), [1]),
      momentum: tensor(Float32Array.of(0), [1]),
    });
    this.heights = result.loss.data;
    this.showSettings();
    this.reset();
  }

  place(x, y) {
    const clamp = (value, limit) => Math.max(-limit, Math.min(limit, value));
    this.start = [clamp(x, SPAN.x), clamp(y, SPAN.y)];
    this.reset();
  }

  reset() {
    this.generation++; // a walk under way stops
    this.path = [this.start];
    this.velocity = [0, 0];
    this.lost = false;
    this.paint();
    say(this.root, `The ball lies at ${words(this.start)}. Press Run, or set it elsewhere first.`);
  }

  async walk(steps) {
    const mine = ++this.generation;
    const slow = steps > 1 && !matchMedia("(prefers-reduced-motion: reduce)").matches;
    let loss = NaN;
    for (let count = 0; count < steps && !this.lost; count++) {
      const { lr, momentum } = this.settings();
      const point = this.path[this.path.length - 1];
      const next = await step(this.ort, this.session, point, this.velocity, lr, momentum);
      if (mine !== this.generation) return;
      loss = next.loss;
      this.velocity = next.velocity;
      this.path.push(next.point);
      this.lost = !next.point.every((value) => Math.abs(value) < FAR);
      this.paint();
      if (slow) await new Promise(requestAnimationFrame);
    }
    this.report(loss);
  }

  report(loss) {
    const steps = this.path.length - 1;
    if (this.lost) {
      say(this.root, `Diverged after ${steps} steps: every step overshot further than the one before. Lower the learning rate and reset.`);
    } else {
      const point = this.path[steps];
      say(this.root, `After ${steps} steps the ball is at ${words(point)}; the loss before the last step was ${loss.toPrecision(3)}.`);
    }
  }

  paint() {
    if (!this.heights) return;
    const { canvas } = this;
    const context = canvas.getContext("2d");
    const style = getComputedStyle(this.root);
    const [ink, ember] = ["--demo-ink", "--demo-accent"].map((name) => style.getPropertyValue(name).trim());
    const { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    this.paintBands(context, ink, width / GRID.columns, height / GRID.rows);
    const at = ([x, y]) => [((x / SPAN.x + 1) / 2) * width, ((1 - y / SPAN.y) / 2) * height];
    context.strokeStyle = context.fillStyle = ember;
    context.lineWidth = 3;
    context.beginPath();
    for (const point of this.path) context.lineTo(...at(point));
    context.stroke();
    this.path.forEach((point, index) => {
      context.beginPath();
      context.arc(...at(point), index === this.path.length - 1 ? 11 : 4, 0, 7);
      context.fill();
    });
  }

  /** Contour bands: the higher, the denser the ink; logarithmic, to show the valley floor. */
  paintBands(context, ink, cellWidth, cellHeight) {
    const low = Math.min(...this.heights);
    context.fillStyle = ink;
    this.heights.forEach((value, index) => {
      const band = Math.floor(3 * Math.log2(1 + 4 * (value - low)));
      context.globalAlpha = 0.03 + 0.022 * band + (band % 2 ? 0.05 : 0);
      const [column, row] = [index % GRID.columns, Math.floor(index / GRID.columns)];
      context.fillRect(column * cellWidth, row * cellHeight, cellWidth + 0.5, cellHeight + 0.5);
    });
    context.globalAlpha = 1;
  }
}

function words([x, y]) {
  return `x = ${x.toFixed(2)}, y = ${y.toFixed(2)}`;
}
