// A review to tokens, as Python does it: clean() of torchcourse/data/reviews.py, then WordPiece of
// torchcourse/capstones/sentiment/tokens.py. Texts are arrays of code points throughout: JavaScript
// counts 😂 as two, Python as one.

// What Python's str.split and \S call a space; JavaScript's \s has others.
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const LINKS = new RegExp(`https?://[a-z0-9_./?=&%#-]+|@[^${SPACE}]+`, "gu");
const CONTROLS = /\p{C}/gu;
const GAPS = new RegExp(`[${SPACE}]+`, "gu");
const RUNS = /(.)\1{3,}/gu;

/** A review as the network reads it; once more changes nothing. */
export function clean(text) {
  return text
    .normalize("NFKC")
    .toLowerCase()
    .normalize("NFKC")
    .replace(LINKS, " ")
    .replace(CONTROLS, " ")
    .replace(GAPS, " ")
    .replace(/^ | $/g, "")
    .replace(RUNS, "$1$1$1");
}

// BERT's Chinese characters; 0x2b920 for 0x2b820 is a slip of the library that Python uses.
const CHINESE = [
  [0x4e00, 0x9fff], [0x3400, 0x4dbf], [0x20000, 0x2a6df], [0x2a700, 0x2b73f], [0x2b740, 0x2b81f],
  [0x2b920, 0x2ceaf], [0xf900, 0xfaff], [0x2f800, 0x2fa1f],
];
const PUNCTUATION = /[!-/:-@[-`{-~]|\p{P}/u;
const LONGEST_WORD = 100; // characters; a longer one is unknown as a whole

export function isChinese(sign) {
  const code = sign.codePointAt(0);
  return CHINESE.some(([first, last]) => first <= code && code <= last);
}

export class WordPiece {
  /** vocabulary: the pieces in the order of their numbers; unknown: the number of what is none. */
  constructor(vocabulary, unknown) {
    this.unknown = unknown;
    this.numbers = new Map(vocabulary.map((piece, number) => [piece, number]));
  }

  /** The tokens of a cleaned text, as an array of code points: [{ number, start, end }]. */
  pieces(signs) {
    return wordsOf(signs).flatMap((word) => this.split(word));
  }

  /** Again and again the longest piece there is; where there is none, the whole word is unknown. */
  split(word) {
    const whole = { start: word[0].place, end: word.at(-1).place + 1 };
    if (word.length > LONGEST_WORD) return [{ number: this.unknown, ...whole }];
    const found = [];
    for (let from = 0; from < word.length; ) {
      let to = word.length;
      let number;
      for (; to > from; to--) {
        const piece = word.slice(from, to).map((one) => one.sign).join("");
        number = this.numbers.get(from ? `##${piece}` : piece);
        if (number !== undefined) break;
      }
      if (number === undefined) return [{ number: this.unknown, ...whole }];
      found.push({ number, start: word[from].place, end: word[to - 1].place + 1 });
      from = to;
    }
    return found;
  }
}

/** Words as arrays of { sign, place }: no accents, and Chinese and punctuation stand alone. */
function wordsOf(signs) {
  const words = [];
  let open = false; // whether the next letter continues the last word
  signs.forEach((sign, place) => {
    if (sign === " ") {
      open = false;
      return;
    }
    for (const part of sign.normalize("NFD")) {
      if (/\p{Mn}/u.test(part) || part === "\ufffd") continue;
      const alone = isChinese(sign) || PUNCTUATION.test(part);
      if (!open || alone) words.push([]);
      words.at(-1).push({ sign: part, place });
      open = !alone;
    }
  });
  return words;
}

/** Of a long list of tokens, the first and the last. */
export function kept(pieces, most) {
  if (pieces.length <= most) return pieces;
  const last = Math.floor(most / 2);
  return [...pieces.slice(0, most - last), ...pieces.slice(-last)];
}
