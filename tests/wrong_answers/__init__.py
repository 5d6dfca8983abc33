"""The bank of answers: modules where the checkers have theirs, a class per exercise.

    class masked_mean:
        @wrong("padding included")       # part of the hint this misconception must get
        def divides_by_t(x, mask):
            return x.mean(1)

        @right
        def with_einsum(x, mask): ...

For an exercise that takes a plain value or a class, write `wrong("hint")(value)` and
`right(value)` as attributes. Each exercise needs at least four wrong and two right answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """An answer, and the part of a hint it must get; no hint means that it is right."""

    value: object
    hint: str | None


def wrong(hint: str) -> Callable[[object], Answer]:
    return lambda value: Answer(value, hint)


def right(value: object) -> Answer:
    return Answer(value, None)


def answers(bank: type) -> dict[str, Answer]:
    """The answers of one exercise, by name."""
    return {name: value for name, value in vars(bank).items() if isinstance(value, Answer)}
