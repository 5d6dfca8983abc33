// Sums written as text, worked out exactly: a translation of
// torchcourse/capstones/digits/expressions.py, compared with it by the tests. Never eval.

const MAX_DEPTH = 50; // parentheses within parentheses

export class SumError extends Error {}

/** The value of digits and + − × ÷ ( ) as { top, bottom }, BigInts in lowest terms, bottom > 0. */
export function evaluate(text) {
  const tokens = tokenize(text);
  if (!tokens.length) throw new SumError("there is nothing to calculate");
  const parser = new Parser(tokens);
  const value = parser.sum(0);
  if (parser.peek() !== undefined)
    throw new SumError(`'${parser.peek()}' does not fit after '${tokens[parser.position - 1]}'`);
  return value;
}

export function tokenize(text) {
  const tokens = text.match(/[0-9]+|[+−×÷()]|\S/gu) ?? [];
  const stranger = tokens.find((token) => !/^([0-9]+|[+−×÷()])$/u.test(token));
  if (stranger !== undefined)
    throw new SumError(`'${stranger}' is neither a digit nor one of + − × ÷ ( )`);
  return tokens;
}

/** As people write it: "8", "−7/3". */
export function formatValue({ top, bottom }) {
  return `${top}${bottom === 1n ? "" : `/${bottom}`}`.replace("-", "−");
}

function fraction(top, bottom = 1n) {
  let [a, b] = [top < 0n ? -top : top, bottom < 0n ? -bottom : bottom];
  while (b) [a, b] = [b, a % b];
  const divisor = bottom < 0n ? -a : a;
  return { top: top / divisor, bottom: bottom / divisor };
}

/** Recursive descent: sums of products of factors. */
class Parser {
  constructor(tokens) {
    Object.assign(this, { tokens, position: 0 });
  }

  peek() {
    return this.tokens[this.position];
  }

  take() {
    const token = this.peek();
    if (token !== undefined) this.position++;
    return token;
  }

  sum(depth) {
    let value = this.product(depth);
    while (this.peek() === "+" || this.peek() === "−") {
      const sign = this.take() === "+" ? 1n : -1n;
      const next = this.product(depth);
      value = fraction(value.top * next.bottom + sign * next.top * value.bottom, value.bottom * next.bottom);
    }
    return value;
  }

  product(depth) {
    let value = this.factor(depth);
    while (this.peek() === "×" || this.peek() === "÷") {
      const multiply = this.take() === "×";
      const next = this.factor(depth);
      if (!multiply && next.top === 0n) throw new SumError("division by zero has no value");
      const [top, bottom] = multiply ? [next.top, next.bottom] : [next.bottom, next.top];
      value = fraction(value.top * top, value.bottom * bottom);
    }
    return value;
  }

  factor(depth) {
    if (depth > MAX_DEPTH) throw new SumError(`more than ${MAX_DEPTH} signs deep in parentheses`);
    const token = this.take();
    if (token === undefined)
      throw new SumError(`a number is missing after '${this.tokens[this.tokens.length - 1]}'`);
    if (token === "−") {
      const { top, bottom } = this.factor(depth + 1);
      return { top: -top, bottom };
    }
    if (token === "(") {
      const value = this.sum(depth + 1);
      if (this.take() !== ")") throw new SumError("a parenthesis is opened but not closed");
      return value;
    }
    if (/^[0-9]+$/.test(token)) return fraction(BigInt(token));
    throw new SumError(`a number was expected where '${token}' stands`);
  }
}
