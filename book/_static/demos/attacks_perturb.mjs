// FGSM and PGD: torchcourse/capstones/attacks/perturb.py in JavaScript. Numbers are rounded to
// float32 after every operation, as PyTorch's are; the gradient comes from PyTorch's own graph.
import { loadModel, loadRuntime } from "./runtime.mjs";

const f32 = Math.fround;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** All that can be attacked, by name: { classes, shape: [C, H, W], eps: { start, most } }. */
export async function listVictims() {
  const response = await fetch(new URL("attacks.json", import.meta.url));
  if (!response.ok) throw new Error(`The file attacks.json is missing on this site (HTTP ${response.status}).`);
  return response.json();
}

export async function loadVictim(about) {
  const [ort, session] = await Promise.all([loadRuntime(), loadModel(about.file)]);
  return new Victim(about, ort, session);
}

/** A network that gives away its gradient. Pictures are Float32Arrays of C·H·W values in 0 … 1. */
export class Victim {
  constructor(about, ort, session) {
    Object.assign(this, about, { ort, session });
  }

  /** The probability of each class, and how the loss of one of them changes with every pixel. */
  async ask(picture, label) {
    const wanted = Float32Array.from(this.classes, (_, n) => Number(n === label));
    const { logits, gradient } = await this.session.run({
      image: new this.ort.Tensor("float32", picture, [1, ...this.shape]),
      label: new this.ort.Tensor("float32", wanted, [1, wanted.length]),
    });
    return { probabilities: softmax(logits.data), gradient: gradient.data };
  }
}

function softmax(logits) {
  const most = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

/**
 * Projected gradient descent, one picture at a time: yields { step, picture, probabilities }, the
 * start as step 0. With one step of length `eps` from the picture itself it is FGSM.
 *
 * start: where to begin, no further than `eps` from the picture.
 */
export async function* attack(victim, picture, label, { eps, steps, stepSize, targeted, start = picture }) {
  const length = targeted ? -stepSize : stepSize;
  for (let step = 0, at = start; ; step++) {
    const { probabilities, gradient } = await victim.ask(at, label);
    yield { step, picture: at, probabilities };
    if (step === steps) return;
    at = move(picture, at, gradient, length, eps);
  }
}

/** One step along the gradient's signs, back into the ε-box, and into what a picture can be. */
export function move(picture, at, gradient, length, eps) {
  const [stride, reach] = [f32(length), f32(eps)];
  return at.map((value, n) => {
    const moved = f32(value + stride * Math.sign(gradient[n]));
    const change = clamp(f32(moved - picture[n]), -reach, reach);
    return clamp(f32(picture[n] + change), 0, 1);
  });
}

/** Somewhere in the ε-box; `draw` gives numbers from -1 to 1. */
export function anywhere(picture, eps, draw = () => 2 * Math.random() - 1) {
  return picture.map((value) => clamp(f32(value + f32(eps * draw())), 0, 1));
}
