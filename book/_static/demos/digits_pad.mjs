// A sheet of paper: strokes by mouse, finger, pen or arrow keys, or a picture; and marks on top.

const STEP = 12; // pixels of the sheet that an arrow key moves the pen
const SHARP = 1400; // pixels of the canvas's longer side: labels stay crisp on small pictures
const UNSURE = 0.8;
const PLATE = 19; // CSS pixels of the plate with a sign's reading

/** The strokes as black ink on white paper, as a photograph would show them. */
export function rasterise(strokes, { width, height, pen }) {
  const context = makeCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.fillStyle = context.strokeStyle = "#000";
  for (const stroke of strokes) trace(context, stroke, pen);
  return context.getImageData(0, 0, width, height);
}

export function makeCanvas(width, height) {
  return Object.assign(document.createElement("canvas"), { width, height });
}

/** One stroke of [x, y] points with a round pen; curves run through the middles between points. */
function trace(context, stroke, pen) {
  const [[x, y], ...rest] = stroke;
  if (!rest.length) {
    context.beginPath();
    context.arc(x, y, 0.95 * pen, 0, 7); // a dot comes out heavier than a line
    context.fill();
    return;
  }
  Object.assign(context, { lineWidth: pen, lineCap: "round", lineJoin: "round" });
  context.beginPath();
  context.moveTo(x, y);
  rest.forEach(([u, v], n) => {
    const [p, q] = rest[n + 1] ?? [u, v];
    context.quadraticCurveTo(u, v, (u + p) / 2, (v + q) / 2);
  });
  context.stroke();
}

/** Calls `changed()` when a stroke is done, taken back, or a picture is laid down. */
export class Pad {
  constructor(canvas, changed) {
    Object.assign(this, { canvas, changed, strokes: [], picture: null, marks: [], cursor: null });
    const on = (event, act) => canvas.addEventListener(event, act);
    on("pointerdown", (event) => this.press(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.release(event));
    on("pointercancel", (event) => this.release(event));
    on("keydown", (event) => this.key(event));
    on("blur", () => this.lift());
    // Repaint when the reader switches between light and dark.
    new MutationObserver(() => this.paint()).observe(document.documentElement, {
      attributeFilter: ["data-theme"],
    });
  }

  /** An empty sheet of this size. */
  lay(sheet) {
    Object.assign(this, { sheet, strokes: [], picture: null, marks: [], cursor: null, pointer: null });
    this.fit(sheet);
  }

  /** A picture, on a canvas of its own. */
  show(picture) {
    Object.assign(this, { strokes: [], picture, marks: [], cursor: null, pointer: null });
    this.fit(picture);
    this.changed();
  }

  fit({ width, height }) {
    const scale = Math.max(1, SHARP / Math.max(width, height));
    [this.canvas.width, this.canvas.height] = [width * scale, height * scale].map(Math.round);
    this.paint();
  }

  get empty() {
    return !this.picture && !this.strokes.length;
  }

  /** What is on it: { data, width, height }. */
  pixels() {
    if (!this.picture) return rasterise(this.strokes, this.sheet);
    const { width, height } = this.picture;
    return this.picture.getContext("2d").getImageData(0, 0, width, height);
  }

  undo() {
    if (this.picture) return this.clear();
    this.strokes.pop();
    this.cursor = null;
    this.redrawn();
  }

  clear() {
    this.lay(this.sheet);
    this.redrawn();
  }

  redrawn() {
    this.marks = [];
    this.paint();
    this.changed();
  }

  /** Boxes with a text above each: [{ text, box, confidence }]. */
  mark(marks) {
    this.marks = marks;
    this.paint();
  }

  // ---- pens

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * this.sheet.width,
      ((event.clientY - box.top) / box.height) * this.sheet.height,
    ];
  }

  press(event) {
    if (event.button || this.pointer != null) return; // one finger writes, the others rest
    if (this.picture) this.lay(this.sheet);
    this.lift();
    this.pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.begin(this.at(event));
  }

  move(event) {
    if (event.pointerId !== this.pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) this.stroke.push(this.at(one));
    this.paint();
  }

  release(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    this.redrawn();
  }

  begin(point) {
    this.stroke = [point];
    this.strokes.push(this.stroke);
    this.marks = [];
    this.paint();
  }

  /** Arrow keys move a pen, space puts it down and lifts it. */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { width, height } = this.sheet;
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
    if (event.key === "Backspace") this.undo();
    else if (event.key === " ") {
      if (this.picture) this.lay(this.sheet);
      if (this.cursor?.down) this.lift();
      else {
        this.cursor = { point: this.cursor?.point ?? [width / 2, height / 2], down: true };
        this.begin(this.cursor.point);
      }
    } else if (dx !== undefined && !this.picture) {
      this.cursor ??= { point: [width / 2, height / 2], down: false };
      const [x, y] = this.cursor.point;
      this.cursor.point = [
        Math.max(0, Math.min(width, x + dx * STEP)),
        Math.max(0, Math.min(height, y + dy * STEP)),
      ];
      if (this.cursor.down) this.stroke.push(this.cursor.point);
      this.paint();
    } else return;
    event.preventDefault();
  }

  lift() {
    if (!this.cursor?.down) return;
    this.cursor.down = false;
    this.redrawn();
  }

  // ---- paint

  paint() {
    const { canvas, sheet, picture } = this;
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const context = canvas.getContext("2d");
    const scale = canvas.width / (picture ?? sheet).width;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.imageSmoothingEnabled = scale < 4; // small pictures show their pixels
    if (picture) context.drawImage(picture, 0, 0);
    context.fillStyle = context.strokeStyle = colour("ink");
    for (const stroke of this.strokes) trace(context, stroke, sheet.pen);
    context.setTransform(1, 0, 0, 1, 0, 0);
    for (const mark of this.marks) paintMark(context, mark, scale, colour);
    if (this.cursor) paintCursor(context, this.cursor, scale, colour("sky"));
  }
}

/** A box, dashed where the network is unsure, and what it read on a small plate above. */
function paintMark(context, { text, box, confidence }, scale, colour) {
  const [x, y, width, height] = box.map((side) => side * scale);
  const tone = colour(confidence < UNSURE ? "plum" : "ember");
  const unit = context.canvas.width / context.canvas.clientWidth; // a CSS pixel, on any screen
  const [pad, size] = [3 * unit, PLATE * unit];
  Object.assign(context, { lineWidth: pad / 2, strokeStyle: tone, fillStyle: tone });
  context.setLineDash(confidence < UNSURE ? [2 * pad, 2 * pad] : []);
  context.strokeRect(x - pad, y - pad, width + 2 * pad, height + 2 * pad);
  context.setLineDash([]);
  const top = y - pad - size < 0 ? Math.min(y + height + pad, context.canvas.height - size) : y - pad - size;
  context.fillRect(x - pad, top, size, size);
  Object.assign(context, { fillStyle: colour("on-ember"), textAlign: "center", textBaseline: "middle" });
  context.font = `600 ${0.85 * size}px sans-serif`;
  context.fillText(text, x - pad + size / 2, top + 0.54 * size);
}

function paintCursor(context, { point, down }, scale, colour) {
  const [x, y] = point.map((side) => side * scale);
  const arm = context.canvas.width / 60;
  Object.assign(context, { lineWidth: arm / 5, strokeStyle: colour, fillStyle: colour });
  context.beginPath();
  context.moveTo(x - arm, y);
  context.lineTo(x + arm, y);
  context.moveTo(x, y - arm);
  context.lineTo(x, y + arm);
  context.stroke();
  if (!down) return;
  context.beginPath();
  context.arc(x, y, arm / 2, 0, 7);
  context.fill();
}
