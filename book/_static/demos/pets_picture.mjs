// Any picture to the square of pixels that the network for cats and dogs takes: prepare() of
// torchcourse/capstones/pets/inference.py, byte for byte once the file is decoded.
import { decode } from "./digits_picture.mjs";

const BITS = 22; // of Pillow's fixed-point weights
const HALF = 2 ** (BITS - 1);

export async function loadSquares() {
  const response = await fetch(new URL("pets.json", import.meta.url));
  if (!response.ok) throw new Error(`The file pets.json is missing on this site (HTTP ${response.status}).`);
  return new Squares(await response.json());
}

export class Squares {
  constructor(about) {
    Object.assign(this, about);
  }

  /** A file: { picture, pixels }, a canvas to show and (3, size, size) values in 0 … 1. */
  async take(blob, name) {
    const picture = await decode(blob, name, this);
    const { width, height } = picture;
    const { data } = picture.getContext("2d").getImageData(0, 0, width, height);
    return { picture, pixels: planes(resize(onPaper(data), width, height, this.size), this.size) };
  }
}

/** Red, green, blue, alpha bytes, laid on white paper: red, green, blue. */
export function onPaper(data) {
  const opaque = new Uint8Array((data.length / 4) * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    const alpha = data[from + 3];
    for (let colour = 0; colour < 3; colour++)
      opaque[to++] = Math.round((data[from + colour] * alpha + 255 * (255 - alpha)) / 255);
  }
  return opaque;
}

/**
 * Pillow's Image.resize to size × size with BILINEAR: a triangle as wide as the pixels that go
 * into one, one direction after the other, rounded to bytes after either. (H, W, 3) → (size, size, 3).
 */
export function resize(pixels, width, height, size) {
  const across = (source, lines) => {
    const target = new Uint8Array(lines * size * 3);
    combine(source, target, weights(width, size), lines, { next: 3, line: 3 * width, out: 3, outLine: 3 * size });
    return target;
  };
  const down = (source, columns) => {
    const target = new Uint8Array(size * columns * 3);
    const row = 3 * columns;
    combine(source, target, weights(height, size), columns, { next: row, line: 3, out: row, outLine: 3 });
    return target;
  };
  // As Pillow 13 chooses; older ones always begin across. The order can change a byte by 1.
  const downFirst = height > Math.max(size, 2 * width - size);
  return downFirst ? across(down(pixels, width), size) : down(across(pixels, height), size);
}

/** For each place of the result where its sources begin, and their fixed-point weights. */
function weights(length, size) {
  const scale = length / size;
  const support = Math.max(1, scale);
  return Array.from({ length: size }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(length, Math.trunc(centre + support + 0.5));
    const shares = Array.from({ length: last - first }, (_, n) =>
      Math.max(0, 1 - Math.abs((n + first - centre + 0.5) * (1 / support))),
    );
    const sum = shares.reduce((a, b) => a + b, 0);
    return { first, shares: Int32Array.from(shares, (share) => Math.trunc(0.5 + (share / sum) * 2 ** BITS)) };
  });
}

/** Weighted sums along one axis: `next` steps along it in the source, `line` across it. */
function combine(source, target, places, lines, { next, line, out, outLine }) {
  for (let y = 0; y < lines; y++)
    places.forEach(({ first, shares }, place) => {
      for (let colour = 0; colour < 3; colour++) {
        let sum = HALF;
        let at = y * line + first * next + colour;
        for (let n = 0; n < shares.length; n++, at += next) sum += source[at] * shares[n];
        target[y * outLine + place * out + colour] = Math.min(255, sum >> BITS);
      }
    });
}

/** (size, size, 3) bytes to (3, size, size) values in 0 … 1. */
function planes(square, size) {
  const plane = size * size;
  return Float32Array.from({ length: 3 * plane }, (_, n) => square[3 * (n % plane) + Math.floor(n / plane)] / 255);
}
