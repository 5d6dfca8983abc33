// Connected ink, lines, reading order: a translation of torchcourse/capstones/digits/segment.py,
// compared with it by the tests. It counts, compares and sorts; nothing here is learned.
//
// Ink is { values: Float32Array, width, height }, 0 on paper and 1 on ink, row by row.
// A box is [left, top, width, height]. A piece or a line is { box, ink, … }.

/** Python's round: halves go to the even neighbour. */
export function round(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

const blank = (width, height) => ({ values: new Float32Array(width * height), width, height });
const right = ({ box }) => box[0] + box[2];
const bottom = ({ box }) => box[1] + box[3];
const middle = ({ box }) => box[1] + box[3] / 2;
const byLeft = (a, b) => a.box[0] - b.box[0];

/** Connected components from left to right, without specks. */
export function findPieces(ink, constants) {
  const found = components(ink, Math.fround(constants.inked));
  if (!found.length) return [];
  const height = digitHeight(found.map(({ box, area }) => [box[3], area]));
  return found
    .filter(({ area }) => !(area < constants.speck * height ** 2))
    .map(({ box, pixels }) => ({ box, ink: cutOut(ink, box, pixels) }))
    .sort(byLeft);
}

/** All groups of pixels above a level that touch, also at a corner; from top to bottom. */
function components({ values, width, height }, level) {
  const seen = new Uint8Array(values.length);
  const found = [];
  for (let start = 0; start < values.length; start++) {
    if (seen[start] || !(values[start] > level)) continue;
    const pixels = [start];
    seen[start] = 1;
    let [left, top, last, low] = [width, height, 0, 0];
    for (let next = 0; next < pixels.length; next++) {
      const x = pixels[next] % width;
      const y = (pixels[next] - x) / width;
      left = Math.min(left, x);
      last = Math.max(last, x);
      top = Math.min(top, y);
      low = Math.max(low, y);
      for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++)
        for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
          const at = v * width + u;
          if (seen[at] || !(values[at] > level)) continue;
          seen[at] = 1;
          pixels.push(at);
        }
    }
    found.push({ box: [left, top, last - left + 1, low - top + 1], area: pixels.length, pixels });
  }
  return found;
}

function cutOut(ink, [left, top, width, height], pixels) {
  const cut = blank(width, height);
  for (const at of pixels) {
    const x = at % ink.width;
    cut.values[((at - x) / ink.width - top) * width + x - left] = ink.values[at];
  }
  return cut;
}

/** The height of the median pixel among [height, number of pixels] pairs. */
export function digitHeight(sizes) {
  const sorted = [...sizes].sort((a, b) => a[0] - b[0]);
  const half = sorted.reduce((sum, [, area]) => sum + area, 0) / 2;
  let sum = 0;
  return sorted.find(([, area]) => (sum += area) >= half)[0];
}

/** Height of a typical digit among pieces. */
export const typicalHeight = (pieces) => digitHeight(pieces.map(({ box }) => [box[3], box[2] * box[3]]));

/** Lines from top to bottom; each tall piece joins the line whose last pieces it stands beside. */
export function findLines(ink, constants) {
  const pieces = findPieces(ink, constants);
  if (!pieces.length) return [];
  const height = typicalHeight(pieces);
  let lines = [];
  for (const piece of pieces.filter(({ box }) => box[3] >= height / 2)) {
    const best = largest(lines, (line) => beside(line, piece));
    if (best && beside(best, piece) >= constants.overlap) best.push(piece);
    else lines.push([piece]);
  }
  lines = joinLonely(lines, constants.overlap);
  for (const piece of pieces) if (piece.box[3] < height / 2) joinNearest(lines, piece, height);
  const mean = (line) => line.reduce((sum, piece) => sum + middle(piece), 0) / line.length;
  return lines
    .map((line) => [mean(line), line])
    .sort((a, b) => a[0] - b[0])
    .map(([, line]) => joinPieces(line.sort(byLeft)));
}

/** The first item with the largest score. */
function largest(items, score) {
  let [best, most] = [undefined, -Infinity];
  for (const item of items) {
    const value = score(item);
    if (value > most) [best, most] = [item, value];
  }
  return best;
}

/** How well a piece continues a line: the last three count, for a broken digit has halves. */
const beside = (line, piece) => Math.max(...line.slice(-3).map((last) => shared(last, piece)));

/** The part of the lower one's height that both cover. */
function shared(a, b) {
  const both = Math.min(bottom(a), bottom(b)) - Math.max(a.box[1], b.box[1]);
  return both / Math.min(a.box[3], b.box[3]);
}

/** A tall piece left alone joins the line it stands in, if it shares rows with the nearest. */
function joinLonely(lines, overlap) {
  const joined = [];
  for (const line of [...lines].sort((a, b) => b.length - a.length)) {
    const others = joined.flatMap((other) => other.map((piece) => [other, piece]));
    const near = largest(others, ([, piece]) => -aside(line[0], piece)) ?? others[0];
    if (line.length === 1 && near && shared(near[1], line[0]) >= overlap) near[0].push(line[0]);
    else joined.push(line);
  }
  return joined;
}

/** Empty columns between two pieces; infinite if one stands above the other. */
function aside(a, b) {
  const gap = Math.max(a.box[0] - right(b), b.box[0] - right(a));
  return gap >= 0 ? gap : Infinity;
}

function joinNearest(lines, piece, height) {
  const x = piece.box[0] + piece.box[2] / 2;
  const distance = (line) => {
    const near = largest(line, ({ box }) => -Math.abs(box[0] + box[2] / 2 - x));
    return Math.abs(middle(near) - middle(piece));
  };
  const best = largest(lines, (line) => -distance(line));
  if (best && distance(best) <= height) best.push(piece);
  else if (!best || piece.box[2] > height / 2) lines.push([piece]);
}

/** One box around all, with the ink of all. */
export function joinPieces(pieces) {
  const left = Math.min(...pieces.map(({ box }) => box[0]));
  const top = Math.min(...pieces.map(({ box }) => box[1]));
  const width = Math.max(...pieces.map(right)) - left;
  const height = Math.max(...pieces.map(bottom)) - top;
  const ink = blank(width, height);
  for (const { box, ink: own } of pieces)
    for (let y = 0; y < own.height; y++)
      for (let x = 0; x < own.width; x++) {
        const at = (box[1] - top + y) * width + box[0] - left + x;
        ink.values[at] = Math.max(ink.values[at], own.values[y * own.width + x]);
      }
  return { box: [left, top, width, height], ink, pieces };
}

/** Pieces of a line, those joined that stand above each other and belong to one sign. */
export function mergePieces(line) {
  const signs = [];
  for (const piece of line.pieces) {
    const [x, , width, height] = piece.box;
    const at = signs.findIndex(({ box }) => {
      const overlap = Math.min(x + width, box[0] + box[2]) - Math.max(x, box[0]);
      return Math.min(height, box[3]) < 0.6 * line.box[3] && overlap >= 0.5 * Math.min(width, box[2]);
    });
    if (at < 0) signs.push(piece);
    else signs[at] = joinPieces([signs[at], piece]);
  }
  return signs;
}

/** How much ink stands in every column; in single precision, as NumPy sums. */
export function profile({ values, width, height }) {
  const sums = new Float32Array(width);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) sums[x] += values[y * width + x];
  return sums;
}

/** Columns where the ink is thin, about three for each digit's width. */
export function cutCandidates(ink, height, { narrowest }) {
  const wanted = Math.max(2, Math.min(12, round((3 * ink.width) / height)));
  const margin = Math.max(2, round(narrowest * height));
  const sums = profile(ink);
  const columns = [...sums.keys()].slice(margin, ink.width - margin).sort((a, b) => sums[a] - sums[b]);
  const chosen = [];
  for (const column of columns) {
    if (chosen.length === wanted) break;
    if (chosen.every((other) => Math.abs(column - other) >= margin)) chosen.push(column);
  }
  return chosen.sort((a, b) => a - b);
}

/** Columns start to stop of a piece; null if they hold no ink. */
export function cutPiece({ box, ink }, start, stop, { inked }) {
  const part = crop(ink, start, 0, stop, ink.height);
  const found = extent(part, Math.fround(inked));
  if (!found) return null;
  const [, top, , low] = found;
  return {
    box: [box[0] + start, box[1] + top, stop - start, low + 1 - top],
    ink: crop(part, 0, top, part.width, low + 1),
  };
}

/** Columns start to stop and rows top to bottom of ink. */
export function crop(ink, start, top, stop, bottom) {
  const cut = blank(stop - start, bottom - top);
  for (let y = top; y < bottom; y++)
    cut.values.set(ink.values.subarray(y * ink.width + start, y * ink.width + stop), (y - top) * cut.width);
  return cut;
}

/** First column, first row, last column and last row with ink above a level; null without any. */
export function extent({ values, width, height }, level) {
  let [left, top, last, low] = [width, height, -1, -1];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      if (!(values[y * width + x] > level)) continue;
      left = Math.min(left, x);
      last = Math.max(last, x);
      top = Math.min(top, y);
      low = y;
    }
  return last < 0 ? null : [left, top, last, low];
}
