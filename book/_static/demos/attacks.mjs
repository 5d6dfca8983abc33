// Fool a network in the page: FGSM and PGD on the reader's own drawing or picture, step by step.
import { startDemo } from "./runtime.mjs";
import { anywhere, attack, listVictims, loadVictim } from "./attacks_perturb.mjs";
import { paintChange, paintPicture } from "./attacks_show.mjs";
import { Pad } from "./digits_pad.mjs";
import { decode, fetchExample, offerFiles } from "./digits_picture.mjs";
import { loadReader } from "./digits_reader.mjs";
import { loadSquares } from "./pets_picture.mjs";
import { percent } from "./words.mjs";

const SHEET = { width: 320, height: 320, pen: 22 };
const INVITATIONS = {
  digits: "Write a digit, or take one of the examples.",
  pets: "Load a picture, or take one of the examples.",
};

startDemo("attacks", async (root) => {
  const demo = new Demo(root, await listVictims());
  await demo.choose();
  return root.querySelector("[name=victim]:checked");
});

const frame = () => new Promise(requestAnimationFrame);

class Demo {
  constructor(root, victims) {
    Object.assign(this, { root, victims, loaded: new Map(), pictures: {} });
    this.find = (name) => root.querySelector(`[data-${name}]`);
    this.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.pad = new Pad(this.find("pad"), () => this.drawn());
    this.pad.lay(SHEET);
    this.listen();
  }

  listen() {
    const on = (name, event, act) => this.find(name).addEventListener(event, act);
    on("undo", "click", () => this.pad.undo());
    on("clear", "click", () => this.pad.clear());
    on("again", "click", () => this.run());
    offerFiles(this.root, (file) => this.load(file, file.name), (text) => this.say(text));
    for (const button of this.root.querySelectorAll("[data-example]")) {
      button.querySelector("img").src = addressOf(button);
      button.addEventListener("click", () => this.loadExample(button));
    }
    for (const choice of this.root.querySelectorAll("[name=victim]"))
      choice.addEventListener("change", () => this.choose());
    for (const control of this.root.querySelectorAll(".demo-controls :is(input, select)"))
      control.addEventListener("input", () => this.run());
  }

  // ---- what is attacked

  get name() {
    return this.root.querySelector("[name=victim]:checked").value;
  }

  /** Both networks for digits take the same drawing. */
  get kind() {
    return this.victims[this.name].shape[0] === 1 ? "digits" : "pets";
  }

  get picture() {
    return this.pictures[this.kind] ?? null;
  }

  /** Another network: loaded once, with what it needs to take pictures in. */
  async choose() {
    const { name, kind, root } = this;
    this.stop();
    root.dataset.kind = kind;
    try {
      if (!this.loaded.has(name)) {
        this.say("Loading …");
        const victim = await loadVictim(this.victims[name]);
        if (kind === "digits") this.reader ??= await loadReader(["page", "small", "sign"]);
        else this.squares ??= await loadSquares();
        this.loaded.set(name, victim);
      }
    } catch (error) {
      if (!root.dataset.ready) throw error; // the start button says it
      return this.say(error.message);
    }
    if (name !== this.name) return; // the reader chose on meanwhile
    this.victim = this.loaded.get(name);
    if (this.offered !== kind) this.offer();
    this.offered = kind;
    if (this.picture) return this.run();
    await this.loadExample(root.querySelector(`[data-example][data-for=${kind}]`));
  }

  /** The sliders' ranges, the classes to aim at and the rows of the table, for this network. */
  offer() {
    const { classes, eps } = this.victim;
    const slider = this.root.querySelector("[name=eps]");
    Object.assign(slider, { max: eps.most, value: eps.start });
    const aims = classes.map((name, n) => new Option(name, n));
    this.root.querySelector("[name=aim]").replaceChildren(new Option("anything else", ""), ...aims);
    this.find("rows").replaceChildren(...classes.map(makeRow));
  }

  async loadExample(button) {
    try {
      await this.load(await fetchExample(addressOf(button)), "The example");
    } catch (error) {
      this.say(error.message);
    }
  }

  async load(blob, name) {
    this.stop();
    try {
      if (this.kind === "digits") return this.pad.show(await decode(blob, name, this.reader.constants));
      this.pictures.pets = (await this.squares.take(blob, name)).pixels;
      this.run();
    } catch (error) {
      this.say(error.message);
    }
  }

  /** A stroke was made or taken back: what the network sees of it is attacked next. */
  async drawn() {
    this.stop();
    const { empty } = this.pad;
    this.pictures.digits = empty ? null : await this.reader.sign(this.pad.pixels());
    this.blank = !empty && !this.pictures.digits;
    this.run();
  }

  // ---- the attack

  settings() {
    const value = (name) => Number(this.root.querySelector(`[name=${name}]`).value);
    const checked = (name) => this.root.querySelector(`[name=${name}]`).checked;
    const aim = this.root.querySelector("[name=aim]").value;
    const { per } = this.victim.eps;
    const eps = value("eps") / per;
    const many = this.root.querySelector("[name=method]:checked").value === "pgd";
    const steps = many ? value("steps") : 1;
    return {
      eps,
      steps,
      stepSize: many ? Math.min(1, (value("reach") * eps) / steps) : eps,
      random: many && checked("random"),
      aim: aim === "" ? null : Number(aim),
      targeted: aim !== "",
      many,
    };
  }

  stop() {
    this.wanted = false;
    this.stale = true;
  }

  /** Attack anew; what changes meanwhile stops the attack under way and starts the next. */
  async run() {
    this.wanted = this.stale = true;
    if (this.running || this.victim !== this.loaded.get(this.name)) return;
    this.running = true;
    try {
      while (this.wanted) {
        this.wanted = this.stale = false;
        await this.attackOnce();
      }
    } catch (error) {
      this.say(`The attack failed: ${error.message}`);
    } finally {
      this.running = false;
    }
  }

  async attackOnce() {
    const { victim, picture } = this;
    const settings = this.settings();
    this.showSettings(settings);
    if (!picture) return this.showNothing();
    const start = performance.now();
    const before = (await victim.ask(picture, 0)).probabilities;
    const clean = argmax(before);
    const label = settings.aim ?? clean;
    if (this.stale) return;
    const from = settings.random ? anywhere(picture, settings.eps) : picture;
    let last;
    for await (last of attack(victim, picture, label, { ...settings, start: from })) {
      if (this.stale) return;
      // The start would flash by; and who wants no motion sees the end alone.
      if (last.step < (this.still ? settings.steps : 1)) continue;
      this.show(picture, last, before, settings);
      await frame();
    }
    this.tell(before, last, settings, (performance.now() - start) / 1000);
  }

  // ---- what the reader sees and hears

  showSettings({ eps, stepSize, steps, many }) {
    const amount = (size) => amountOf(size, this.victim.eps.per);
    const words = { eps: amount(eps), steps: `${steps}`, reach: amount(stepSize) };
    for (const [name, text] of Object.entries(words)) {
      const slider = this.root.querySelector(`[name=${name}]`);
      slider.setAttribute("aria-valuetext", text);
      slider.nextElementSibling.textContent = text;
    }
    for (const name of ["steps", "reach", "random"]) this.root.querySelector(`[name=${name}]`).disabled = !many;
  }

  show(picture, { step, picture: attacked, probabilities }, before, { eps, steps }) {
    const { shape } = this.victim;
    paintPicture(this.find("before"), picture, shape);
    paintChange(this.find("change"), picture, attacked, shape, eps);
    paintPicture(this.find("after"), attacked, shape);
    const [was, is] = [argmax(before), argmax(probabilities)];
    this.find("magnified").textContent = eps ? `× ${+(1 / (2 * eps)).toPrecision(2)}` : "";
    this.find("was").textContent = this.reading(before);
    this.find("is").textContent = this.reading(probabilities);
    this.find("is").toggleAttribute("data-fooled", was !== is);
    this.find("pace").textContent = `step ${step} of ${steps}`;
    [...this.find("rows").rows].forEach((row, n) => {
      row.cells[1].textContent = percent(before[n], "<", ">");
      row.cells[2].textContent = percent(probabilities[n], "<", ">");
      row.cells[3].style.setProperty("--share", `${100 * probabilities[n]}%`);
      row.toggleAttribute("data-chosen", n === is);
    });
  }

  reading(probabilities) {
    const most = argmax(probabilities);
    return `${this.victim.classes[most]}, ${percent(probabilities[most], "<", ">")}`;
  }

  showNothing() {
    for (const name of ["before", "change", "after"]) this.find(name).width += 0; // wipes it
    for (const name of ["was", "is", "magnified", "pace"]) this.find(name).textContent = "";
    this.find("rows").replaceChildren(...this.victim.classes.map(makeRow));
    this.say(this.blank ? "No ink was found: nothing stands out from the paper." : INVITATIONS[this.kind]);
  }

  tell(before, { probabilities }, { eps, steps, aim }, seconds) {
    const { classes } = this.victim;
    const [was, is] = [argmax(before), argmax(probabilities)];
    this.find("pace").textContent = `${plural(steps, "step")}, ${Math.round((steps + 1) / seconds)} a second`;
    this.say(
      `Before: ${classes[was]} with ${percent(before[was])}. ` +
        `After ${plural(steps, "step")}, no pixel changed by more than ${amountOf(eps, this.victim.eps.per)}: ` +
        `${classes[is]} with ${percent(probabilities[is])}. ${verdict(aim, was, is, classes)}`,
    );
  }

  say(text) {
    this.find("words").textContent = text;
  }
}

function verdict(aim, was, is, classes) {
  if (aim === null) return was === is ? "Not fooled." : "Fooled.";
  if (aim === was) return "It said so before: this aim only makes it surer.";
  return is === aim ? "That is what the attack aimed at." : `The attack aims at ${classes[aim]} and has not got there.`;
}

function addressOf(button) {
  return new URL(`${button.dataset.example}.png`, import.meta.url);
}

function makeRow(name) {
  const row = document.createElement("tr");
  const head = Object.assign(document.createElement("th"), { scope: "row", textContent: name });
  row.append(head, ...[0, 1, 2].map(() => document.createElement("td")));
  return row;
}

function argmax(values) {
  return values.indexOf(Math.max(...values));
}

function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

/** A change of pixels in the unit of its data: hundredths, or steps of 255 grey values. */
function amountOf(size, per) {
  return per === 255 ? `${+(size * per).toFixed(2)}/255` : size.toFixed(3).replace(/0$/, "");
}
