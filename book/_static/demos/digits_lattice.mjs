// Two witnesses for one line, the line reader and the digit network, heard together: a translation
// of torchcourse/capstones/digits/lattice.py, compared with it by the tests.
import { cutCandidates, cutPiece, joinPieces, mergePieces, profile, round, typicalHeight } from "./digits_segment.mjs";

/**
 * Read a line with both networks.
 *
 * heard: rows of log-probabilities of the line reader, the blank first, then the signs of
 * `allowed`. signs: what the reader reads alone, with { start, stop }. classify: pieces → rows of
 * ten log-probabilities. Returns [{ text, box, confidence }, …] from left to right.
 */
export async function readBoth(line, heard, scale, signs, classify, allowed, constants) {
  const atoms = findAtoms(line, scale, signs, constants);
  const spans = findSpans(atoms, typicalHeight(line.pieces), constants);
  const pieces = spans.map(([i, j]) => joinPieces(atoms.slice(i, j)));
  const seen = await classify(pieces);
  const steps = stepsOf(atoms, line, scale, heard.length, constants);
  const isDigit = [...allowed].map((sign) => /[0-9]/.test(sign));
  const said = spans.map(([i, j], n) => ({
    heard: oneSign(heard.slice(steps[i], steps[j]), allowed.length),
    seen: [...allowed].map((sign, k) => (isDigit[k] ? seen[n][Number(sign)] : constants.noDigit)),
  }));
  const weigh = ({ heard, seen }, weight) => heard.map((value, k) => weight * value + seen[k]);
  const scores = said.map((both) => weigh(both, 1));
  const best = scores.map((row) => Math.max(...row));
  const alone = standsAlone(atoms, spans);
  return bestChain(spans, best, atoms.length).map((n) => {
    let row = scores[n];
    // A digit with no cut beside it is named once more: there the digit network sees it whole.
    if (alone[n] && isDigit[row.indexOf(best[n])])
      row = weigh(said[n], constants.readerNames).map((value, k) => (isDigit[k] ? value : -Infinity));
    const top = Math.max(...row);
    return {
      text: allowed[row.indexOf(top)],
      box: pieces[n].box,
      confidence: 1 / row.reduce((sum, score) => sum + Math.exp(score - top), 0),
    };
  });
}

/** Which spans have no cut at either end. */
function standsAlone(atoms, spans) {
  const isCut = (n) => {
    if (n === 0 || n === atoms.length) return false;
    const [a, b] = [atoms[n - 1].box, atoms[n].box];
    return a[0] + a[2] === b[0];
  };
  return spans.map(([i, j]) => !isCut(i) && !isCut(j));
}

/** Pieces of ink from left to right, none of which holds more than one sign if possible. */
function findAtoms(line, scale, signs, constants) {
  const centres = signs.map(
    ({ start, stop }) => (((start + stop) / 2) * constants.stride - constants.margin) / scale,
  );
  const height = typicalHeight(line.pieces);
  const atoms = [];
  for (const piece of mergePieces(line)) {
    const [left, width] = [piece.box[0] - line.box[0], piece.box[2]];
    const inside = centres.map((c) => c - left).filter((c) => c >= 0 && c < width);
    const cuts = inside.slice(1).map((c, n) => thinnest(piece.ink, inside[n], c));
    if (width > constants.usual * height) cuts.push(...cutCandidates(piece.ink, height, constants));
    const edges = [0, ...[...new Set(cuts)].sort((a, b) => a - b), width];
    for (let n = 1; n < edges.length; n++) {
      if (edges[n] <= edges[n - 1]) continue;
      const part = cutPiece(piece, edges[n - 1], edges[n], constants);
      if (part) atoms.push(part);
    }
  }
  return atoms.sort((a, b) => a.box[0] + a.box[2] / 2 - (b.box[0] + b.box[2] / 2));
}

/** The column with least ink in the middle between two signs' centres. */
function thinnest(ink, left, right) {
  const quarter = (right - left) / 4;
  const start = Math.trunc(left + quarter);
  const sums = profile(ink).slice(start, Math.max(start + 1, Math.trunc(right - quarter) + 1));
  return start + sums.indexOf(Math.min(...sums));
}

/** Runs of atoms, as [first, one after the last], that are no wider than a sign can be. */
function findSpans(atoms, height, { mostAtoms, widest }) {
  const spans = [];
  for (let i = 0; i < atoms.length; i++)
    for (let j = i + 1; j <= Math.min(i + mostAtoms, atoms.length); j++) {
      const boxes = atoms.slice(i, j).map(({ box }) => box);
      const width = Math.max(...boxes.map(([x, , w]) => x + w)) - Math.min(...boxes.map(([x]) => x));
      if (j === i + 1 || width <= widest * height) spans.push([i, j]);
    }
  return spans;
}

/** The reader's step at which each atom begins, and the number of steps. */
function stepsOf(atoms, line, scale, count, { margin, stride }) {
  const steps = [0];
  for (let n = 1; n < atoms.length; n++) {
    const [a, b] = [atoms[n - 1].box, atoms[n].box];
    const gap = (a[0] + a[2] + b[0]) / 2;
    const step = round((margin + (gap - line.box[0]) * scale) / stride);
    steps.push(Math.max(steps[n - 1], Math.min(count, Math.max(0, step))));
  }
  return [...steps, count];
}

/** Log of the sum over all ways to emit each class once: blanks, the class, blanks again. */
function oneSign(rows, count) {
  let before = 0;
  const within = Array(count).fill(-Infinity);
  const after = Array(count).fill(-Infinity);
  for (const [blank, ...sign] of rows) {
    for (let k = 0; k < count; k++) {
      after[k] = logAddExp(after[k], within[k]) + blank;
      within[k] = logAddExp(within[k], before) + sign[k];
    }
    before += blank;
  }
  return after.map((value, k) => Math.max(-50, logAddExp(within[k], value))); // never impossible
}

function logAddExp(a, b) {
  const high = Math.max(a, b);
  return high === -Infinity ? high : high + Math.log1p(Math.exp(-Math.abs(a - b)));
}

/** Indices of the spans that cover all atoms one after the other with the highest sum. */
function bestChain(spans, scores, count) {
  const best = [{ sum: 0, chain: [] }];
  for (let n = 1; n <= count; n++) best.push({ sum: -Infinity, chain: [] });
  const order = [...spans.keys()].sort((a, b) => spans[a][1] - spans[b][1]);
  for (const n of order) {
    const [i, j] = spans[n];
    const sum = best[i].sum + scores[n];
    if (sum > best[j].sum) best[j] = { sum, chain: [...best[i].chain, n] };
  }
  return best[count].chain;
}
