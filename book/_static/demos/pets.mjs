// Cats and dogs in the page: the reader's own picture, two probabilities, and where they come from.
import { loadModel, loadRuntime, startDemo } from "./runtime.mjs";
import { fetchExample, offerFiles } from "./digits_picture.mjs";
import { makeCanvas } from "./digits_pad.mjs";
import { loadSquares } from "./pets_picture.mjs";
import { percent } from "./words.mjs";

const LARGEST = 900; // pixels of the canvas's longer side
const SMALLEST = 480; // smaller pictures are shown larger, so that the map is smooth
const THIRDS = { rows: ["top", "", "bottom"], columns: ["left", "", "right"] };

startDemo("pets", async (root) => {
  const demo = new Demo(root, await loadPets());
  await demo.loadExample(root.querySelector("[data-example]"));
  return demo.find("load");
});

export async function loadPets() {
  const [ort, squares, session] = await Promise.all([loadRuntime(), loadSquares(), loadModel("pets.onnx")]);
  return new Pets(ort, squares, session);
}

/** torchcourse.capstones.pets in the page. */
export class Pets {
  constructor(ort, squares, session) {
    Object.assign(this, { ort, squares, session, classes: squares.classes });
  }

  /**
   * A file: { picture, pixels, probabilities, map }; the map holds `side` × `side` values, above 0
   * where a place speaks for a dog, below 0 for a cat.
   */
  async look(blob, name) {
    const { size } = this.squares;
    const { picture, pixels } = await this.squares.take(blob, name);
    const image = new this.ort.Tensor("float32", pixels, [1, 3, size, size]);
    const { logits, map } = await this.session.run({ image });
    const [cat, dog] = logits.data;
    const isDog = 1 / (1 + Math.exp(cat - dog));
    return { picture, pixels, probabilities: [1 - isDog, isDog], map: map.data, side: map.dims[1] };
  }
}

class Demo {
  constructor(root, pets) {
    Object.assign(this, { root, pets });
    this.find = (name) => root.querySelector(`[data-${name}]`);
    this.slider = root.querySelector("[name=opacity]");
    this.listen();
  }

  listen() {
    offerFiles(this.root, (file) => this.load(file, file.name), (text) => this.say(text));
    for (const button of this.root.querySelectorAll("[data-example]")) {
      button.querySelector("img").src = addressOf(button);
      button.addEventListener("click", () => this.loadExample(button));
    }
    this.slider.addEventListener("input", () => this.paint());
    new MutationObserver(() => this.paint()).observe(document.documentElement, {
      attributeFilter: ["data-theme"],
    });
  }

  async loadExample(button) {
    try {
      await this.load(await fetchExample(addressOf(button)), "The example");
    } catch (error) {
      this.say(error.message);
    }
  }

  async load(blob, name) {
    const mine = (this.latest = Symbol(name)); // of several pictures the last one counts
    this.say("Looking …");
    try {
      const seen = await this.pets.look(blob, name);
      if (mine !== this.latest) return;
      this.seen = seen;
      this.show();
    } catch (error) {
      if (mine === this.latest) this.say(error.message);
    }
  }

  show() {
    const { probabilities } = this.seen;
    const best = Number(probabilities[1] > probabilities[0]);
    this.root.querySelectorAll("[data-bars] tbody tr").forEach((row, n) => {
      row.cells[1].textContent = percent(probabilities[n], "<", ">");
      row.cells[2].style.setProperty("--share", `${100 * probabilities[n]}%`);
      row.toggleAttribute("data-chosen", n === best);
    });
    this.paint();
    const [name, other] = [this.pets.classes[best], this.pets.classes[1 - best]];
    const doubt = probabilities[best] < 0.75 ? " It is not sure." : "";
    this.say(
      `A ${name} with ${percent(probabilities[best])}, a ${other} with ${percent(probabilities[1 - best])}.${doubt} ` +
        `What speaks most for a ${name} lies ${whereabouts(this.seen, best)}.`,
    );
  }

  /** The picture, and over it the map in two colours, the stronger the denser. */
  paint() {
    const share = Number(this.slider.value);
    const text = `${Math.round(100 * share)}\u00a0%`;
    this.slider.setAttribute("aria-valuetext", text);
    this.slider.nextElementSibling.textContent = text;
    if (!this.seen) return;
    const { picture, map, side } = this.seen;
    const canvas = this.find("picture");
    const longer = Math.max(picture.width, picture.height);
    const scale = Math.min(LARGEST, Math.max(SMALLEST, longer)) / longer;
    canvas.width = Math.max(1, Math.round(picture.width * scale));
    canvas.height = Math.max(1, Math.round(picture.height * scale));
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    context.globalAlpha = share;
    context.drawImage(heat(map, side, canvas), 0, 0, canvas.width, canvas.height);
    context.globalAlpha = 1;
  }

  say(text) {
    this.find("words").textContent = text;
  }
}

/** The map on a canvas of its own size, in the colours of the page. */
function heat(map, side, canvas) {
  const style = getComputedStyle(canvas);
  const [dog, cat] = ["--heat-dog", "--heat-cat"].map((name) => style.getPropertyValue(name).trim().split(" ").map(Number));
  const strongest = Math.max(...map.map(Math.abs)) || 1;
  const small = makeCanvas(side, side);
  const context = small.getContext("2d");
  const pixels = context.createImageData(side, side);
  map.forEach((value, n) => pixels.data.set([...(value > 0 ? dog : cat), (255 * Math.abs(value)) / strongest], 4 * n));
  context.putImageData(pixels, 0, 0);
  return small;
}

/** In words, where a class has its strongest place. */
function whereabouts({ map, side }, best) {
  const towards = Array.from(map, (value) => (best ? value : -value));
  const at = towards.indexOf(Math.max(...towards));
  const third = (place) => Math.floor((3 * place) / side);
  const row = THIRDS.rows[third(Math.floor(at / side))];
  const column = THIRDS.columns[third(at % side)];
  if (!row && !column) return "in the middle";
  return `at the ${[row, column].filter(Boolean).join(" ")}`;
}

function addressOf(button) {
  return new URL(`${button.dataset.example}.png`, import.meta.url);
}
