"""The scalar autograd of lesson "Autograd": backpropagation on single numbers.

The lesson builds this class piece by piece; it is kept here for the labs that extend it.
"""

from __future__ import annotations

import math


class Value:
    """A number that remembers how it was made.

    Args:
        data: the number.
        sources: pairs ``(Value, local slope)``: what it was made from, and how strongly it
            reacts to each. Empty for an input.

    `grad` is filled by `backward` and accumulates, as in PyTorch.
    """

    def __init__(self, data: float, sources: tuple[tuple[Value, float], ...] = ()) -> None:
        self.data = data
        self.sources = sources
        self.grad = 0.0

    def __repr__(self) -> str:
        return f"Value({self.data:.4g}, grad={self.grad:.4g})"

    def __add__(self, other: Value | float) -> Value:
        other = wrap(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other: Value | float) -> Value:
        other = wrap(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    def __pow__(self, n: float) -> Value:
        return Value(self.data**n, ((self, n * self.data ** (n - 1)),))

    def exp(self) -> Value:
        result = math.exp(self.data)
        return Value(result, ((self, result),))

    def log(self) -> Value:
        return Value(math.log(self.data), ((self, 1 / self.data),))

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Value:
        return self * -1

    def __sub__(self, other: Value | float) -> Value:
        return self + -wrap(other)

    def __rsub__(self, other: float) -> Value:
        return wrap(other) - self

    def __truediv__(self, other: Value | float) -> Value:
        return self * wrap(other) ** -1

    def __rtruediv__(self, other: float) -> Value:
        return wrap(other) / self

    def backward(self) -> None:
        """Add d self / d value to ``grad`` of every value `self` was made from."""
        values = sources_first(self)
        slopes = dict.fromkeys(values, 0.0)
        slopes[self] = 1.0
        for value in reversed(values):
            value.grad += slopes[value]
            for source, local_slope in value.sources:
                slopes[source] += local_slope * slopes[value]


def wrap(other: Value | float) -> Value:
    """`other` itself if it is a Value, else a new input that holds it."""
    return other if isinstance(other, Value) else Value(other)


def sources_first(root: Value) -> list[Value]:
    """Every value `root` depends on, each after its own sources, `root` last."""
    ordered, seen = [], set()

    def visit(value: Value) -> None:
        if value not in seen:
            seen.add(value)
            for source, _ in value.sources:
                visit(source)
            ordered.append(value)

    visit(root)
    return ordered
