// Handwriting in the page: draw a digit, a number or a sum, or load a picture, and see it read.
import { startDemo } from "./runtime.mjs";
import { loadReader } from "./digits_reader.mjs";
import { Pad } from "./digits_pad.mjs";
import { decode, fetchExample, offerFiles } from "./digits_picture.mjs";
import { formatValue } from "./digits_sums.mjs";
import { percent } from "./words.mjs";

const NARROW = 520; // CSS pixels: a phone gets a higher sheet, to write as large as on a desk
// Sheets in pixels, wide and narrow, and the pen that writes on them: parentheses want a thin one.
const SHEETS = {
  digit: [{ width: 320, height: 320, pen: 22 }, { width: 320, height: 320, pen: 22 }],
  number: [{ width: 600, height: 280, pen: 10 }, { width: 400, height: 400, pen: 9 }],
  sum: [{ width: 600, height: 200, pen: 9 }, { width: 440, height: 240, pen: 8 }],
};
const INVITATIONS = {
  digit: "Write one digit, as large as you like.",
  number: "Write a number; a new line starts another.",
  sum: "Write a sum with + − × ÷ and parentheses.",
};

startDemo("digits", async (root) => {
  const demo = new Demo(root, await loadReader());
  demo.choose();
  return demo.pad.canvas;
});

class Demo {
  constructor(root, reader) {
    Object.assign(this, { root, reader });
    this.find = (name) => root.querySelector(`[data-${name}]`);
    this.pad = new Pad(this.find("pad"), () => this.answer());
    this.listen();
  }

  get mode() {
    return this.root.querySelector("[name=mode]:checked").value;
  }

  listen() {
    const on = (name, event, act) => this.find(name).addEventListener(event, act);
    for (const choice of this.root.querySelectorAll("[name=mode]"))
      choice.addEventListener("change", () => this.choose());
    on("undo", "click", () => this.pad.undo());
    on("clear", "click", () => this.pad.clear());
    offerFiles(this.root, (file) => this.load(file, file.name), (text) => this.say(text));
    for (const button of this.root.querySelectorAll("[data-example]")) {
      const address = new URL(`digits_example_${button.dataset.example}.png`, import.meta.url);
      button.querySelector("img").src = address;
      button.addEventListener("click", () => this.loadExample(address, button.dataset.mode));
    }
  }

  /** Another kind of answer: to the same picture, or on an empty sheet. */
  choose() {
    const { mode, pad } = this;
    this.root.dataset.mode = mode;
    const narrow = this.root.clientWidth < NARROW;
    const sheet = SHEETS[mode][Number(narrow)];
    if (pad.picture) {
      pad.sheet = sheet;
      pad.mark([]);
    } else pad.lay(sheet);
    this.answer();
  }

  async loadExample(address, mode) {
    this.root.querySelector(`[name=mode][value=${mode}]`).checked = true;
    this.choose();
    try {
      await this.load(await fetchExample(address), "The example");
    } catch (error) {
      this.say(error.message);
    }
  }

  async load(blob, name) {
    this.say("Reading …"); // a large photograph takes about a second
    try {
      this.pad.show(await decode(blob, name, this.reader.constants));
    } catch (error) {
      this.say(error.message);
    }
  }

  /** Read what is on the sheet; strokes made meanwhile are read afterwards, all at once. */
  async answer() {
    if (this.reading) return void (this.again = true);
    this.reading = true;
    do {
      this.again = false;
      try {
        await this.read(this.mode);
      } catch (error) {
        this.say(`The reading failed: ${error.message}`);
      }
    } while (this.again);
    this.reading = false;
  }

  async read(mode) {
    if (this.pad.empty) {
      this.show("", [], INVITATIONS[mode]);
      return this.showDigit(null);
    }
    const start = performance.now();
    const pixels = this.pad.pixels();
    const read = { digit: "classify", number: "readNumber", sum: "readExpression" }[mode];
    const result = await this.reader[read](pixels);
    const took = ` Read in ${Math.max(1, Math.round(performance.now() - start))} ms.`;
    if (this.again || mode !== this.mode) return; // already out of date
    if (!(mode === "digit" ? result : result.text)) {
      this.show("", [], "No ink was found: nothing stands out from the paper.");
      return this.showDigit(null);
    }
    if (mode === "digit") this.tellDigit(result, took);
    else this.tellSigns(mode, result, took);
  }

  tellDigit(result, took) {
    const { digit, probabilities } = result;
    const second = probabilities.indexOf(Math.max(...probabilities.filter((_, n) => n !== digit)));
    const runnerUp = probabilities[second] >= 0.005 ? `; next comes ${second} with ${percent(probabilities[second])}` : "";
    this.show(`${digit}`, [], `It reads ${digit} with ${percent(probabilities[digit])}${runnerUp}.${took}`);
    this.showDigit(result);
  }

  tellSigns(mode, { text, signs, value, problem }, took) {
    const spoken = text.replaceAll("\n", ", then ");
    const least = signs.reduce((a, b) => (b.confidence < a.confidence ? b : a));
    const doubt = ` Least sure: ${least.text} with ${percent(least.confidence)}.`;
    if (mode === "number") return this.show(text, signs, `It reads ${spoken}.${doubt}${took}`);
    if (value === null) return this.show(text, signs, `It reads ${spoken}, which has no value: ${problem}.${doubt}${took}`);
    const exact = `${text} = ${formatValue(value)}`;
    const about = value.bottom === 1n ? "" : ` ≈ ${(Number(value.top) / Number(value.bottom)).toPrecision(4)}`;
    this.show(exact + about, signs, `It reads ${exact}${about}.${doubt}${took}`);
  }

  /** The answer in large, boxes on the sheet, each sign with its probability, and words for all. */
  show(answer, signs, words) {
    this.find("answer").textContent = answer;
    this.pad.mark(signs);
    this.find("signs").replaceChildren(
      ...signs.map(({ text, confidence }) => {
        const item = document.createElement("li");
        item.append(Object.assign(document.createElement("b"), { textContent: text }), ` ${percent(confidence, "<", ">")}`);
        return item;
      }),
    );
    this.say(words);
  }

  /** Ten bars, and the 28 × 28 pixels that the network was shown. */
  showDigit(result) {
    this.root.querySelectorAll("[data-bars] tbody tr").forEach((row, n) => {
      const share = result?.probabilities[n] ?? 0;
      row.cells[1].textContent = result ? percent(share, "<", ">") : "";
      row.cells[2].style.setProperty("--share", `${100 * share}%`);
      row.toggleAttribute("data-chosen", result?.digit === n);
    });
    const canvas = this.find("seen");
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(canvas.width, canvas.height);
    result?.sign.forEach((ink, n) => pixels.data.set([255, 255, 255, Math.round(255 * ink)], 4 * n));
    context.putImageData(pixels, 0, 0);
  }

  say(text) {
    this.find("words").textContent = text;
  }
}
