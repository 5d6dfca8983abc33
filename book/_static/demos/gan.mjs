// Handwriting by a GAN: write a number, change the hand, watch it wander, turn digits into others.
import { startDemo } from "./runtime.mjs";
import { Hand } from "./gan_hand.mjs";
import { lay, measure, paint, rowsOf } from "./gan_sheet.mjs";
import { loadWriter } from "./gan_writer.mjs";

const NARROW = 520; // CSS pixels
const COLUMNS = { narrow: 6, wide: 12 };
const SECONDS = 4; // from one hand to the next
const STEP = 0.25; // of that way, where the reader wants no motion
const LONGEST_FRAME = 0.1; // seconds: a page that was hidden does not catch up

startDemo("gan", async (root) => {
  const demo = new Demo(root, await loadWriter());
  await demo.begin(1);
  demo.listen();
  return demo.find("new");
});

const frame = () => new Promise(requestAnimationFrame);
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

class Demo {
  constructor(root, writer) {
    Object.assign(this, { root, writer, walking: false });
    this.find = (name) => root.querySelector(`[data-${name}]`);
    this.field = (name) => root.querySelector(`[name=${name}]`);
    this.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.styles = [...root.querySelectorAll("[data-style]")];
    if (this.still) this.find("walk").textContent = "One step";
  }

  // ---- what the reader does

  listen() {
    const click = (name, act) => this.find(name).addEventListener("click", act);
    click("new", () => this.begin(this.hand.number + 1));
    click("walk", () => (this.still ? this.stride() : this.walk()));
    click("reset", () => this.reset());
    this.root.addEventListener("input", ({ target }) => {
      if (this.styles.includes(target)) this.hand.move(target.name, Number(target.value));
      this.draw();
    });
    // Said when a slider is let go or a field is left, not on the way there.
    this.root.addEventListener("change", () => this.draw().then(() => this.tell()));
    // Repaint when the reader switches between light and dark, or turns the phone.
    const repaint = () => this.draw();
    new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    new ResizeObserver(repaint).observe(this.root);
  }

  /** A hand as it was drawn, its own slant, weight and width included. */
  async begin(number) {
    const { latent, directions } = this.writer.about;
    this.hand = new Hand(number, latent, directions);
    await this.draw();
    this.tell();
  }

  /** The hand as it was drawn, and every slider where it was at first. */
  reset() {
    for (const slider of this.root.querySelectorAll("[type=range]")) slider.value = slider.defaultValue;
    return this.begin(this.hand.number);
  }

  /** On through the hands until the reader stops it. */
  async walk() {
    this.walking = !this.walking;
    this.find("walk").textContent = this.walking ? "Stop" : "Walk";
    if (!this.walking) return this.draw().then(() => this.tell());
    this.say("The hand changes, little by little, into the next ones.");
    let last = performance.now();
    for (let now = await frame(); this.walking; now = await frame()) {
      this.hand.walk(Math.min(LONGEST_FRAME, Math.max(0, now - last) / 1000) / SECONDS);
      last = now;
      await this.draw();
    }
  }

  /** A quarter of the way to the next hand, at once. */
  async stride() {
    this.hand.walk(STEP);
    await this.draw();
    this.tell();
  }

  // ---- what is written

  value(name) {
    return Number(this.field(name).value);
  }

  /** For each digit the shares of the classes: a digit, or between a digit and what it turns into. */
  shares(digits) {
    const goals = this.field("goal").value.match(/\d/g) ?? digits;
    const share = this.value("morph");
    return digits.map((digit, n) => {
      const mixture = new Float32Array(this.writer.about.classes);
      mixture[digit] += 1 - share;
      mixture[goals[n % goals.length]] += share;
      return mixture;
    });
  }

  /** Write and read everything anew; what changes meanwhile is drawn afterwards, all at once. */
  draw() {
    this.wanted = true;
    this.drawing ??= this.drawAll()
      .catch((error) => this.say(`The writing failed: ${error.message}`))
      .finally(() => (this.drawing = null));
    return this.drawing;
  }

  async drawAll() {
    while (this.wanted) {
      this.wanted = false;
      const columns = this.root.clientWidth < NARROW ? COLUMNS.narrow : COLUMNS.wide;
      const rows = rowsOf(this.field("text").value, columns);
      const digits = rows.join("").match(/\d/g) ?? [];
      const start = performance.now();
      let pictures = [];
      if (digits.length) {
        const noises = this.hand.noises(digits.length, this.value("variety"), this.value("daring"));
        pictures = await this.writer.write(noises, this.shares(digits));
      }
      const pace = (1000 * digits.length) / (performance.now() - start);
      const read = digits.length ? await this.writer.read(pictures) : [];
      this.show(rows, digits, pictures, read, pace);
    }
  }

  // ---- what the reader sees and hears

  show(rows, digits, pictures, read, pace) {
    Object.assign(this, { rows, digits, pictures, read });
    const goals = this.shares(digits).map((shares) => shares.indexOf(Math.max(...shares)));
    this.right = read.map((digit, n) => digit === goals[n]);
    const sheet = this.find("sheet");
    paint(sheet, lay(sheet, rows), pictures, this.right.map((right) => !right));
    sheet.setAttribute("aria-label", digits.length ? `${rows.join(" ")} in handwriting.` : "An empty sheet.");
    const { number, way } = this.hand;
    this.find("status").textContent = way ? `between hand ${number} and hand ${number + 1}` : `hand ${number}`;
    this.find("pace").textContent = digits.length ? `${Math.round(pace)} pictures a second` : "";
    this.showValues();
  }

  showValues() {
    for (const slider of this.styles) slider.value = this.hand.coordinate(slider.name);
    for (const slider of this.root.querySelectorAll("[type=range]")) {
      const style = this.styles.includes(slider);
      const text = style ? this.hand.coordinate(slider.name).toFixed(1).replace("-", "−") : `${Math.round(100 * slider.value)} %`;
      slider.setAttribute("aria-valuetext", text);
      slider.nextElementSibling.textContent = text;
    }
  }

  say(text) {
    this.find("words").textContent = text;
  }

  tell() {
    const { digits, pictures, read, right, rows } = this;
    if (!digits.length) return this.say("Type at least one digit; everything else becomes a gap.");
    const measured = pictures.map(measure);
    const mean = (name) => measured.reduce((sum, values) => sum + values[name], 0) / measured.length;
    const degrees = Math.round((Math.atan(mean("slant")) * 180) / Math.PI);
    const lean = degrees ? `lean ${Math.abs(degrees)}° to the ${degrees > 0 ? "right" : "left"}` : "stand upright";
    const wrong = right.filter((one) => !one).length;
    const verdict = wrong ? `${plural(wrong, "digit")} not as meant, underlined` : "as meant";
    this.say(
      `Written ${this.hand.way ? "" : "in "}${this.find("status").textContent}: ${rows.join(" ")}. ` +
        `The reader of capstone 1 reads ${read.map((digit) => digit ?? "?").join("")}: ${verdict}. ` +
        `The strokes ${lean} and cover ${Math.round(100 * mean("weight"))} % of the paper.`,
    );
  }
}
