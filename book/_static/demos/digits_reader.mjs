// Reads digits, numbers and sums in pixels: torchcourse/capstones/digits/reading.py in the page.
// Every graph is exported from the Python code; JavaScript hands their results on.
import { loadModel, loadRuntime } from "./runtime.mjs";
import { readBoth } from "./digits_lattice.mjs";
import { crop, extent, findLines, round } from "./digits_segment.mjs";
import { SumError, evaluate } from "./digits_sums.mjs";

const GRAPHS = ["page", "small", "sign", "digit", "line"];
const BARRED = 1e4; // taken from a logit, it leaves no probability

/** A reader with its models, or with some of them; rejects with a sentence a reader can act on. */
export async function loadReader(graphs = GRAPHS) {
  const response = await fetch(new URL("digits.json", import.meta.url));
  if (!response.ok) throw new Error(`The file digits.json is missing on this site (HTTP ${response.status}).`);
  const [ort, constants, ...sessions] = await Promise.all([
    loadRuntime(),
    response.json(),
    ...graphs.map((name) => loadModel(`digits_${name}.onnx`)),
  ]);
  return new Reader(ort, constants, Object.fromEntries(graphs.map((name, n) => [name, sessions[n]])));
}

/** A picture is { data, width, height } as a canvas gives it: red, green, blue, alpha bytes. */
export class Reader {
  constructor(ort, constants, graphs) {
    Object.assign(this, { ort, constants, graphs });
  }

  tensor(values, ...dims) {
    return new this.ort.Tensor(values instanceof Uint8Array ? "uint8" : "float32", values, dims);
  }

  /** The numbers 0 to size - 1, as graphs are told a size. */
  counted(size) {
    return new this.ort.Tensor("int64", BigInt64Array.from({ length: size }, (_, n) => BigInt(n)), [size]);
  }

  /** 0 on paper, 1 on ink: { values, width, height }. */
  async ink({ data, width, height }) {
    const graph = Math.min(width, height) > this.constants.smallSide ? "page" : "small";
    const pixels = this.tensor(new Uint8Array(data.buffer, data.byteOffset, data.length), height, width, 4);
    const { ink } = await this.graphs[graph].run({ pixels });
    return { values: ink.data, width, height };
  }

  /** A picture of one digit as the network sees it: 28 × 28 values; null without ink. */
  async sign(picture) {
    const ink = await this.ink(picture);
    return extent(ink, 0) && this.centred(ink);
  }

  /** One digit: { digit, probabilities, sign }; null without ink. */
  async classify(picture) {
    const sign = await this.sign(picture);
    if (!sign) return null;
    const [row] = await this.digitRows([sign]);
    const probabilities = row.map(Math.exp);
    return { digit: row.indexOf(Math.max(...row)), probabilities, sign };
  }

  /** A number on every line: { text, signs: [{ text, box, confidence }], lines }. */
  async readNumber(picture) {
    return this.read(await this.ink(picture), this.constants.digits);
  }

  /** The same for a sum, and its value, or a problem: why there is none. */
  async readExpression(picture) {
    const reading = await this.read(await this.ink(picture), this.constants.alphabet);
    if (reading.text.includes("\n"))
      return { ...reading, value: null, problem: "there is more than one line; write one sum on one line" };
    try {
      return { ...reading, value: evaluate(reading.text), problem: "" };
    } catch (error) {
      if (error instanceof SumError) return { ...reading, value: null, problem: error.message };
      throw error;
    }
  }

  async read(ink, allowed) {
    const [texts, signs, lines] = [[], [], []];
    for (const line of findLines(ink, this.constants)) {
      const { rows, scale } = await this.lineRows(line, allowed);
      const alone = decode(rows);
      if (!alone.length) continue;
      const classify = async (pieces) => {
        const prepared = [];
        for (const piece of pieces) prepared.push(await this.centred(piece.ink));
        return this.digitRows(prepared);
      };
      const found = await readBoth(line, rows, scale, alone, classify, allowed, this.constants);
      texts.push(found.map(({ text }) => text).join(""));
      signs.push(...found);
      lines.push(line.box);
    }
    return { text: texts.join("\n"), signs, lines };
  }

  /** The line reader's log-probabilities, the blank and each allowed sign, step by step. */
  async lineRows({ box, ink, pieces }, allowed) {
    const { inkHeight, maxWidth, margin, alphabet } = this.constants;
    const { width, height } = ink;
    // A line of minus signs alone is no tall line: its width tells the size of the writing.
    const widest = Math.max(...pieces.map((piece) => piece.box[2]));
    const tallness = height * 4 > widest ? height : widest;
    const wanted = Math.min(inkHeight / tallness, (maxWidth - 2 * margin) / width);
    const size = [height, width].map((side) => Math.max(1, round(side * wanted)));
    const barred = [0, ...[...alphabet].map((sign) => (allowed.includes(sign) ? 0 : BARRED))];
    const { log_probabilities: result } = await this.graphs.line.run({
      ink: this.tensor(ink.values, height, width),
      rows: this.counted(size[0]),
      columns: this.counted(size[1]),
      barred: this.tensor(Float32Array.from(barred), barred.length),
    });
    const columns = barred.flatMap((value, n) => (value ? [] : [n]));
    const rows = rowsOf(result).map((row) => columns.map((n) => row[n]));
    return { rows, scale: size[1] / width };
  }

  /** What the digit network sees of a sign: 28 × 28 values. */
  async centred(ink) {
    const [left, top, last, low] = extent(ink, 0);
    const cut = crop(ink, left, top, last + 1, low + 1);
    const scale = Math.min(1, this.constants.signSide / Math.max(cut.width, cut.height));
    const size = [cut.height, cut.width].map((side) => Math.max(1, round(side * scale)));
    const { sign } = await this.graphs.sign.run({
      ink: this.tensor(cut.values, cut.height, cut.width),
      rows: this.counted(size[0]),
      columns: this.counted(size[1]),
    });
    return sign.data;
  }

  /** Ten log-probabilities for each sign. */
  async digitRows(signs) {
    const side = Math.sqrt(signs[0].length);
    const values = new Float32Array(signs.length * side * side);
    signs.forEach((sign, n) => values.set(sign, n * side * side));
    const feeds = { signs: this.tensor(values, signs.length, side, side) };
    return rowsOf((await this.graphs.digit.run(feeds)).log_probabilities);
  }
}

function rowsOf({ data, dims: [count, width] }) {
  return Array.from({ length: count }, (_, n) => Array.from(data.subarray(n * width, (n + 1) * width)));
}

/** CTC's best path: repetitions count once, blanks (column 0) go. [{ start, stop }, …] */
function decode(rows) {
  const path = rows.map((row) => row.indexOf(Math.max(...row)));
  const signs = [];
  for (let start = 0, step = 1; step <= path.length; step++) {
    if (path[step] === path[start]) continue;
    if (path[start] > 0) signs.push({ column: path[start], start, stop: step });
    start = step;
  }
  return signs;
}
