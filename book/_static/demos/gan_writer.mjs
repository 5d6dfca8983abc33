// The generator of capstone 4, and the network of capstone 1 that reads what it wrote.
import { loadModel, loadRuntime } from "./runtime.mjs";

export const SIDE = 28; // pixels
const PIXELS = SIDE * SIDE;

/** A writer with its models; rejects with a sentence a reader can act on. */
export async function loadWriter() {
  const response = await fetch(new URL("gan.json", import.meta.url));
  if (!response.ok) throw new Error(`The file gan.json is missing on this site (HTTP ${response.status}).`);
  const [ort, about, generator, judge] = await Promise.all([
    loadRuntime(),
    response.json(),
    loadModel("gan.onnx"),
    loadModel("digits_digit.onnx"),
  ]);
  return new Writer(ort, about, generator, judge);
}

/** about: { latent, classes, directions }, as torchcourse/capstones/gan/export.py writes it. */
export class Writer {
  constructor(ort, about, generator, judge) {
    Object.assign(this, { ort, about, generator, judge });
  }

  /** Rows of equal length as a tensor (rows, …dims). */
  tensor(rows, ...dims) {
    const values = new Float32Array(rows.length * rows[0].length);
    rows.forEach((row, n) => values.set(row, n * row.length));
    return new this.ort.Tensor("float32", values, [rows.length, ...dims]);
  }

  /** Pictures of 28 × 28 pixels in 0 … 1, row by row. shares: of the classes, for each picture. */
  async write(noises, shares) {
    const { latent, classes } = this.about;
    const feeds = { noise: this.tensor(noises, latent), shares: this.tensor(shares, classes) };
    const { pictures } = await this.generator.run(feeds);
    return noises.map((_, n) => pictures.data.subarray(n * PIXELS, (n + 1) * PIXELS));
  }

  /** The digit that the reader sees in each picture. */
  async read(pictures) {
    const { log_probabilities: found } = await this.judge.run({ signs: this.tensor(pictures, SIDE, SIDE) });
    return pictures.map((_, n) => {
      const row = found.data.subarray(10 * n, 10 * n + 10);
      return row.indexOf(Math.max(...row));
    });
  }
}
