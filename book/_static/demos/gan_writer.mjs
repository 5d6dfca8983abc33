// The generator of capstone 4, and the network of capstone 1 that reads what it wrote.
import { loadReader } from "./digits_reader.mjs";
import { loadModel, loadRuntime } from "./runtime.mjs";

export const SIDE = 28; // pixels
const PIXELS = SIDE * SIDE;
const JUDGE = ["small", "sign", "digit"]; // the reader's graphs that a small picture needs

/** A writer with its models; rejects with a sentence a reader can act on. */
export async function loadWriter() {
  const response = await fetch(new URL("gan.json", import.meta.url));
  if (!response.ok) throw new Error(`The file gan.json is missing on this site (HTTP ${response.status}).`);
  const [ort, about, generator, reader] = await Promise.all([
    loadRuntime(),
    response.json(),
    loadModel("gan.onnx"),
    loadReader(JUDGE),
  ]);
  return new Writer(ort, about, generator, reader);
}

/** about: { latent, classes, directions }, as torchcourse/capstones/gan/export.py writes it. */
export class Writer {
  constructor(ort, about, generator, reader) {
    Object.assign(this, { ort, about, generator, reader });
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

  /** The digit that the reader sees in each picture, prepared like any other; null without ink. */
  async read(pictures) {
    const found = [];
    for (const picture of pictures) {
      const data = new Uint8ClampedArray(4 * PIXELS).fill(255);
      picture.forEach((ink, n) => data.fill(Math.round(255 * ink), 4 * n, 4 * n + 3));
      found.push((await this.reader.classify({ data, width: SIDE, height: SIDE }))?.digit ?? null);
    }
    return found;
  }
}
