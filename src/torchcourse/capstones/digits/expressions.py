"""Arithmetic on text: tokens, a parser with precedence, exact fractions. Never `eval`.

sum      :=  product (("+" | "−") product)*
product  :=  factor (("×" | "÷") factor)*
factor   :=  "−" factor | number | "(" sum ")"
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

# What people type or what fonts hold, and the sign it stands for.
SAME_SIGN = str.maketrans({"-": "−", "*": "×", "·": "×", "x": "×", "/": "÷", ":": "÷", "–": "−"})
MAX_DEPTH = 50  # parentheses within parentheses; more would overflow Python's stack
MAX_DIGITS = 1_000  # of one number


class ExpressionError(ValueError):
    """The text is no sum, or it has no value; the message says why and where."""


def evaluate(text: str) -> Fraction:
    """The exact value of an expression.

    Args:
        text: digits and ``+ − × ÷ ( )``; also ``- * /`` and spaces.

    Raises:
        ExpressionError: for nonsense and for division by zero.

    >>> evaluate("12÷(4−1)×2")
    Fraction(8, 1)
    """
    tokens = tokenize(text)
    if not tokens:
        raise ExpressionError("there is nothing to calculate")
    parser = _Parser(tokens)
    value = parser.sum(0)
    if parser.peek() is not None:
        raise ExpressionError(f"{parser.peek()!r} does not fit after {parser.before()!r}")
    return value


def tokenize(text: str) -> list[str]:
    """Cut a text into numbers and signs: ``"12+3"`` to ``["12", "+", "3"]``."""
    tokens: list[str] = []
    digit_before = False
    for sign in text.translate(SAME_SIGN):
        is_digit = sign in "0123456789"
        if is_digit and digit_before:
            tokens[-1] += sign
            if len(tokens[-1]) > MAX_DIGITS:
                raise ExpressionError(f"a number has more than {MAX_DIGITS} digits")
        elif is_digit or sign in "+−×÷()":
            tokens.append(sign)
        elif not sign.isspace():
            raise ExpressionError(f"{sign!r} is neither a digit nor one of + − × ÷ ( )")
        digit_before = is_digit
    return tokens


def format_value(value: Fraction) -> str:
    """A fraction as people write it: ``"8"``, or ``"7/3"``."""
    return str(value).replace("-", "−")


class _Parser:
    """Recursive descent: one method for each line of the grammar above."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.position = tokens, 0

    def peek(self) -> str | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def before(self) -> str:
        return self.tokens[self.position - 1]

    def take(self) -> str | None:
        token = self.peek()
        self.position += token is not None
        return token

    def sum(self, depth: int) -> Fraction:
        value = self.product(depth)
        while self.peek() in ("+", "−"):
            if self.take() == "+":
                value += self.product(depth)
            else:
                value -= self.product(depth)
        return value

    def product(self, depth: int) -> Fraction:
        value = self.factor(depth)
        while self.peek() in ("×", "÷"):
            if self.take() == "×":
                value *= self.factor(depth)
                continue
            divisor = self.factor(depth)
            if divisor == 0:
                raise ExpressionError("division by zero has no value")
            value /= divisor
        return value

    def factor(self, depth: int) -> Fraction:
        if depth > MAX_DEPTH:
            raise ExpressionError(f"more than {MAX_DEPTH} signs deep in parentheses")
        token = self.take()
        if token is None:
            raise ExpressionError(f"a number is missing after {self.tokens[-1]!r}")
        if token == "−":
            return -self.factor(depth + 1)
        if token == "(":
            value = self.sum(depth + 1)
            if self.take() != ")":
                raise ExpressionError("a parenthesis is opened but not closed")
            return value
        if token.isdigit():
            return Fraction(int(token))
        raise ExpressionError(f"a number was expected where {token!r} stands")


def random_expression(rng: np.random.Generator, max_tokens: int = 8) -> str:
    """A well-formed expression of 3 to `max_tokens` tokens; a number counts as one token.

    Its value may be undefined (division by zero).
    """
    if max_tokens < 3:
        raise ValueError(f"an expression has at least 3 tokens, got max_tokens={max_tokens}")
    tokens = [_number(rng)]
    goal = int(rng.integers(3, max_tokens + 1))
    while len(tokens) + 2 <= goal:
        tokens += [str(rng.choice(list("+−×÷"))), _number(rng)]
    if len(tokens) + 2 <= max_tokens and rng.random() < 0.7:
        tokens = _parenthesise(tokens, rng)
    elif len(tokens) + 1 <= max_tokens and rng.random() < 0.1:
        tokens = ["−", *tokens]
    return "".join(tokens)


def _number(rng: np.random.Generator) -> str:
    """One or two digits, no leading zero."""
    return str(rng.integers(0, 10) if rng.random() < 0.6 else rng.integers(10, 100))


def _parenthesise(tokens: list[str], rng: np.random.Generator) -> list[str]:
    """Put parentheses around a part of at least two numbers, not around all of it."""
    numbers = [i for i, token in enumerate(tokens) if token.isdigit()]
    pairs = [(a, b) for a in numbers for b in numbers if a < b and (a, b) != (0, len(tokens) - 1)]
    if not pairs:
        return tokens
    a, b = pairs[rng.integers(len(pairs))]
    return [*tokens[:a], "(", *tokens[a : b + 1], ")", *tokens[b + 1 :]]
