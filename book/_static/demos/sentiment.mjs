// Praise or blame: the score of a review and what each token speaks for, while it is typed.
import { startDemo } from "./runtime.mjs";
import { loadReader } from "./sentiment_reader.mjs";
import { listWeights, shade, tell } from "./sentiment_show.mjs";
import { percent } from "./words.mjs";

const PAUSE = 700; // ms without a key after which the answer is said: not once for every letter
const MANY = 32; // tokens: to hide each of more takes longer than a tenth of a second

startDemo("sentiment", async (root) => {
  const demo = new Demo(root, await loadReader());
  demo.listen();
  await demo.try(root.querySelector("[data-example]"));
  return demo.field;
});

class Demo {
  constructor(root, reader) {
    Object.assign(this, { root, reader, done: Promise.resolve(), trouble: "" });
    this.find = (name) => root.querySelector(`[data-${name}]`);
    this.field = root.querySelector("[name=review]");
    this.examples = [...root.querySelectorAll("[data-example]")];
  }

  get method() {
    return this.root.querySelector("[name=method]:checked").value;
  }

  listen() {
    // An input method composes 好 from the letters "hao", which are no review yet.
    this.field.addEventListener("input", ({ isComposing }) => isComposing || this.read(PAUSE));
    this.field.addEventListener("compositionend", () => this.read(PAUSE));
    for (const radio of this.root.querySelectorAll("[name=method]"))
      radio.addEventListener("change", () => this.read());
    for (const button of this.examples) button.addEventListener("click", () => this.try(button));
    this.find("clear").addEventListener("click", () => {
      this.field.value = "";
      this.field.focus();
      this.read();
    });
    this.find("list").addEventListener("toggle", () => this.list());
  }

  try(button) {
    this.field.value = textOf(button);
    // On a phone the examples lie below the answer that they ask for.
    if (this.field.getBoundingClientRect().top < 0) this.root.scrollIntoView();
    return this.read();
  }

  /** Read what stands in the field, once the network is free; of several texts the last counts. */
  read(pause = 0) {
    const started = performance.now();
    const mine = (this.latest = Symbol("text"));
    const wanted = () => mine === this.latest;
    clearTimeout(this.silence);
    this.done = this.done
      .then(() => wanted() && this.look(wanted, started, pause))
      .catch((error) => wanted() && this.fail(error));
    return this.done;
  }

  async look(wanted, started, pause) {
    const text = this.field.value;
    const taken = this.reader.take(text);
    const known = this.reader.knows(taken.row);
    const praise = await this.reader.score(taken.row);
    if (!wanted()) return;
    this.showScore(taken, praise);
    this.showMeaning(text);
    if (known && taken.row.length > MANY && this.method === "occlusion") {
      this.paint({ taken, weights: await this.reader.sketch(taken.row) });
      this.find("pace").textContent = "Hiding each token …";
    }
    // No opinion, no reasons: of unknown tokens alone there is nothing to say.
    const weights = known ? await this.reader.explain(taken.row, this.method, wanted) : [];
    if (!weights || !wanted()) return; // somebody typed on
    this.paint({ taken, weights });
    this.find("pace").textContent = `Score and shades took ${Math.ceil(performance.now() - started)}\u00a0ms.`;
    const words = [this.trouble, ...tell({ text, taken, praise, weights, known, about: this.reader.about })];
    this.trouble = "";
    this.silence = setTimeout(() => this.find("words").replaceChildren(...words), pause);
  }

  showScore(taken, praise) {
    const shares = [1 - praise, praise]; // as CLASSES
    this.root.querySelectorAll("[data-bars] tbody tr").forEach((row, n) => {
      row.cells[1].textContent = taken.row.length ? percent(shares[n], "<", ">") : "–";
      row.cells[2].style.setProperty("--share", `${taken.row.length ? 100 * shares[n] : 0}%`);
      row.toggleAttribute("data-chosen", shares[n] > 0.5);
    });
  }

  /** What an example means in English, as long as it stands there unchanged. */
  showMeaning(text) {
    const example = this.examples.find((button) => textOf(button) === text);
    this.find("meaning").textContent = example ? `“${example.lastElementChild.textContent}”` : "";
  }

  paint(seen) {
    this.seen = seen;
    const { pieces, signs, all } = seen.taken;
    this.find("shaded").replaceChildren(...shade(signs, pieces, seen.weights, all, this.reader.about));
    this.list();
  }

  list() {
    if (!this.seen || !this.find("list").open) return;
    const { taken, weights } = this.seen;
    this.find("weights").replaceChildren(...listWeights(taken.signs, taken.pieces, weights));
  }

  /** If the gradient's graph did not come, say so and go back to what needs none. */
  fail(error) {
    if (this.method !== "gradient") {
      this.find("words").textContent = error.message;
      return;
    }
    this.root.querySelector("[name=method][value=occlusion]").checked = true;
    this.trouble = `${error.message} Choose it again to retry; until then each token is hidden instead. `;
    this.read();
  }
}

function textOf(button) {
  return button.querySelector("[lang=zh]").textContent;
}
