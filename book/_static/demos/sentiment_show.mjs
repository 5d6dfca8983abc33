// What the reader of reviews found, as shaded text, as a list, and in words.
import { isChinese } from "./sentiment_tokens.mjs";
import { percent } from "./words.mjs";

const CLEAR = 0.3; // of the largest weight: what gets a line as well as a shade
const NAMED = 3; // tokens named for each side
const SURE = 0.75;
const PRAISE = "Praise";
const BLAME = "Blame";

/** The cleaned text as nodes, its tokens shaded by their weights; none for a text without opinion. */
export function shade(signs, pieces, weights, all, about) {
  const largest = Math.max(...weights.map(Math.abs), 0) || 1;
  const head = pieces.length - Math.floor(about.maxTokens / 2); // how many stand before the gap
  const nodes = [];
  let place = 0;
  pieces.forEach((piece, n) => {
    const gap = signs.slice(place, piece.start).join("");
    nodes.push(all > pieces.length && n === head ? skipped(all - pieces.length) : gap);
    nodes.push(token(nameOf(signs, piece), weights[n], largest, piece.number === about.unknown));
    place = piece.end;
  });
  return [...nodes, signs.slice(place).join("")];
}

function token(name, weight, largest, unknown) {
  const span = document.createElement("span");
  span.textContent = name;
  span.toggleAttribute("data-unknown", unknown);
  if (weight === undefined) return span;
  const share = Math.abs(weight) / largest;
  span.title = signed(weight);
  span.className = weight < 0 ? "blame" : "praise";
  span.style.setProperty("--share", share.toFixed(3));
  span.toggleAttribute("data-clear", share > CLEAR); // a line under every sign would say nothing
  return span;
}

function skipped(count) {
  const span = document.createElement("span");
  span.lang = "en";
  span.className = "skipped";
  span.textContent = ` … ${count} tokens not read … `;
  return span;
}

/** Every token with its weight, for those who do not see shades. */
export function listWeights(signs, pieces, weights) {
  return weights.map((weight, n) => {
    const item = document.createElement("li");
    item.append(chinese(nameOf(signs, pieces[n])), ` ${signed(weight)}`);
    return item;
  });
}

/** The answer in words: nodes and strings for the page. */
export function tell({ text, taken, praise, weights, known, about }) {
  if (!taken.row.length) return [nothing(text)];
  if (!known) return [noOpinion(taken.signs)];
  const best = Math.max(praise, 1 - praise);
  const doubt = best < SURE ? " It is not sure." : "";
  return [
    `${praise > 0.5 ? PRAISE : BLAME} with ${percent(best)}.${doubt}`,
    ...reasons(taken, weights),
    ...remarks(taken, about),
  ];
}

function nothing(text) {
  if (!text.trim()) return "Nothing to read yet. Type a review, or choose one below.";
  return "Nothing in this can be read: links, names after an @ and invisible signs are left out.";
}

function noOpinion(signs) {
  const so = "so it has no opinion: 50\u00a0% for either.";
  if (isEmoji(signs)) return `Only emoji, and too few of the network's reviews had them, ${so}`;
  if (!signs.some(isChinese)) return `No word of this stood in the Chinese reviews that the network learned from, ${so}`;
  return `The network knows none of these characters, ${so}`;
}

/** Which tokens speak most for either side. */
function reasons({ signs, pieces }, weights) {
  const largest = Math.max(...weights.map(Math.abs));
  const side = (name, sign) => {
    const strongest = pieces
      .map((piece, n) => ({ name: nameOf(signs, piece), weight: sign * weights[n] }))
      .filter(({ weight }) => weight > CLEAR * largest)
      .sort((a, b) => b.weight - a.weight);
    const names = [...new Set(strongest.map((one) => one.name))].slice(0, NAMED);
    if (!names.length) return [];
    return [` For ${name.toLowerCase()}: `, ...names.flatMap((one, n) => [n ? "”, “" : "“", chinese(one)]), "”."];
  };
  return [...side(PRAISE, 1), ...side(BLAME, -1)];
}

/** What a reader should know before trusting the answer. */
function remarks({ signs, row, all }, about) {
  const found = [];
  const strangers = row.filter((number) => number === about.unknown).length;
  if (all > row.length)
    found.push(` The text has ${all} tokens; only its first and its last ${about.maxTokens / 2} are read.`);
  if (strangers) found.push(` Tokens it does not know, dotted: ${strangers}.`);
  if (isEmoji(signs)) found.push(" These are only emoji: little to go by.");
  else if (!signs.some(isChinese)) found.push(" There is no Chinese in this, so do not trust the answer.");
  return found;
}

function isEmoji(signs) {
  const text = signs.join("");
  return /\p{Extended_Pictographic}|\p{Regional_Indicator}/u.test(text) && !/[\p{L}\p{N}]/u.test(text);
}

function nameOf(signs, piece) {
  return signs.slice(piece.start, piece.end).join("");
}

function chinese(text) {
  const span = document.createElement("span");
  span.lang = "zh";
  span.textContent = text;
  return span;
}

function signed(weight) {
  return `${weight < 0 ? "−" : "+"}${Math.abs(weight).toFixed(2)}`;
}
