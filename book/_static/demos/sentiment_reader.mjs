// torchcourse.capstones.sentiment in the page: score and explain, by the same networks.
import { loadModel, loadRuntime } from "./runtime.mjs";
import { WordPiece, clean, kept } from "./sentiment_tokens.mjs";

const SLICE = 1024; // tokens that go through the network before the page may do something else

export async function loadReader() {
  const [ort, session, response] = await Promise.all([
    loadRuntime(),
    loadModel("sentiment.onnx"),
    fetch(new URL("sentiment.json", import.meta.url)),
  ]);
  if (!response.ok) throw new Error(`The file sentiment.json is missing on this site (HTTP ${response.status}).`);
  return new Reader(ort, session, await response.json());
}

export class Reader {
  constructor(ort, session, about) {
    Object.assign(this, { ort, session, about });
    this.words = new WordPiece(about.vocabulary, about.unknown);
  }

  /**
   * A text as the network sees it: { signs, pieces, all, row }. Signs are the cleaned text's code
   * points, pieces what is read of its `all` tokens, row their numbers.
   */
  take(text) {
    const signs = [...clean(text)];
    const all = this.words.pieces(signs);
    const pieces = kept(all, this.about.maxTokens);
    return { signs, pieces, all: all.length, row: pieces.map((piece) => piece.number) };
  }

  /** Whether there is a token that the network knows. */
  knows(row) {
    return row.some((number) => number !== this.about.unknown);
  }

  /** The probability of praise. */
  async score(row) {
    if (!this.knows(row)) return this.about.undecided;
    const [margin] = await this.margins([row]);
    return 1 / (1 + Math.exp(-margin));
  }

  /**
   * What each token speaks for, above 0 for praise: by "occlusion" or "gradient". Null if
   * `wanted()` turned false before it was done.
   */
  explain(row, method, wanted = () => true) {
    if (!row.length) return Promise.resolve([]);
    return method === "gradient" ? this.gradient(row) : this.occlusion(row, wanted);
  }

  /** How much the margin falls when each token is hidden. */
  async occlusion(row, wanted) {
    const rows = [row, ...row.map((_, hidden) => row.map((number, place) => (place === hidden ? this.about.mask : number)))];
    const many = Math.max(1, Math.floor(SLICE / row.length));
    const margins = [];
    for (let from = 0; from < rows.length; from += many) {
      if (from) await new Promise((resolve) => setTimeout(resolve)); // a key may have been pressed
      if (!wanted()) return null;
      margins.push(...(await this.margins(rows.slice(from, from + many))));
    }
    return margins.slice(1).map((margin) => margins[0] - margin);
  }

  /** The gradient of the margin by each token's vector, times that vector. */
  async gradient(row) {
    const { maxTokens, pad } = this.about; // this graph takes rows of one length; padding weighs nothing
    const padded = Array.from({ length: maxTokens }, (_, place) => row[place] ?? pad);
    const { weights } = await (await this.backward()).run({ tokens: this.tensor([padded]) });
    return [...weights.data.subarray(0, row.length)];
  }

  /** Weights by the gradient if its graph is there; if not, none yet, and it is fetched. */
  async sketch(row) {
    if (this.there) return this.gradient(row);
    this.backward().catch(() => {}); // without it a long text stands unshaded a moment longer
    return [];
  }

  /** The graph that holds the backward pass, fetched when it is first needed. */
  backward() {
    this.second ??= loadModel("sentiment_gradient.onnx").then(
      (session) => {
        this.there = true;
        return session;
      },
      (error) => {
        this.second = null; // so that the next choice tries again
        throw error;
      },
    );
    return this.second;
  }

  /** Praise minus blame, of rows that are equally long. */
  async margins(rows) {
    const { logits } = await this.session.run({ tokens: this.tensor(rows) });
    return rows.map((_, n) => logits.data[2 * n + 1] - logits.data[2 * n]);
  }

  tensor(rows) {
    const numbers = BigInt64Array.from(rows.flat(), BigInt);
    return new this.ort.Tensor("int64", numbers, [rows.length, rows[0].length]);
  }
}
