// The sheet: where each sign goes, how it is painted, and what can be measured on it.
import { SIDE } from "./gan_writer.mjs";

const SCALE = 8; // pixels of the canvas for one of a picture; the style sheet scales it to the page
const ADVANCE = 20; // from one sign to the next: pictures of 28 pixels have empty margins
const GAP = 12;

/** Rows of at most `columns` signs, broken at gaps where that is possible. */
export function rowsOf(text, columns) {
  const words = text.split(/\D+/).filter(Boolean);
  const pieces = words.flatMap((word) => word.match(new RegExp(`.{1,${columns}}`, "g")));
  return pieces.reduce((rows, piece) => {
    const last = rows[rows.length - 1];
    const fits = last !== undefined && last.length + 1 + piece.length <= columns;
    return fits ? [...rows.slice(0, -1), `${last} ${piece}`] : [...rows, piece];
  }, []);
}

/** Give the canvas the size of these rows, and return the left upper corner of each digit. */
export function lay(canvas, rows) {
  const places = [];
  let widest = 0;
  rows.forEach((row, line) => {
    let x = 0;
    for (const sign of row) {
      if (sign !== " ") places.push({ x, y: line * SIDE });
      x += sign === " " ? GAP : ADVANCE;
    }
    widest = Math.max(widest, x);
  });
  const size = [(widest + SIDE - ADVANCE) * SCALE, Math.max(1, rows.length) * SIDE * SCALE];
  if (canvas.width !== size[0]) canvas.width = size[0]; // setting it clears the canvas
  if (canvas.height !== size[1]) canvas.height = size[1];
  return places;
}

const stamp = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });

/** Pictures in the ink of the page; `doubtful` tells which of them get a line below. */
export function paint(canvas, places, pictures, doubtful) {
  const context = canvas.getContext("2d");
  const colour = (name) => getComputedStyle(canvas).getPropertyValue(name).trim();
  context.globalCompositeOperation = "source-over";
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  const small = stamp.getContext("2d");
  const pixels = small.createImageData(SIDE, SIDE);
  pictures.forEach((picture, n) => {
    picture.forEach((ink, pixel) => (pixels.data[4 * pixel + 3] = Math.round(255 * ink)));
    small.putImageData(pixels, 0, 0);
    context.drawImage(stamp, places[n].x * SCALE, places[n].y * SCALE, SIDE * SCALE, SIDE * SCALE);
  });
  context.globalCompositeOperation = "source-in"; // all that is painted becomes ink
  context.fillStyle = colour("--demo-ink");
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.globalCompositeOperation = "source-over";
  context.fillStyle = colour("--demo-accent");
  places.forEach(({ x, y }, n) => {
    if (doubtful[n]) context.fillRect((x + 5) * SCALE, (y + 26) * SCALE, 18 * SCALE, SCALE);
  });
}

/** Slant, weight and width of a picture; `measure` of torchcourse/capstones/gan/export.py. */
export function measure(picture) {
  let [ink, x, y, xx, xy, yy] = [0, 0, 0, 0, 0, 0];
  const each = (act) => picture.forEach((value, n) => act(value, n % SIDE, Math.floor(n / SIDE)));
  each((value, column, row) => {
    ink += value;
    x += value * column;
    y += value * row;
  });
  const whole = Math.max(ink, 1e-6);
  each((value, column, row) => {
    const [right, down] = [column - x / whole, row - y / whole];
    xx += (value * right * right) / whole;
    xy += (value * right * down) / whole;
    yy += (value * down * down) / whole;
  });
  yy = Math.max(yy, 1e-6);
  return { slant: -xy / yy, weight: ink / SIDE ** 2, width: Math.sqrt(Math.max(0, xx - xy ** 2 / yy)) };
}
