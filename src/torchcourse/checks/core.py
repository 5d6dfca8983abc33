"""What every exercise shares: run the learner's code safely, compare, answer with a card."""

from __future__ import annotations

import ast
import importlib
import inspect
import linecache
import pkgutil
import sysconfig
import textwrap
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from torchcourse.checks import sandbox
from torchcourse.checks.card import (
    ABSENT,
    BROKEN,
    NOT_YET,
    PASSED,
    TO_DO,
    Card,
    NotYet,
    as_text,
)
from torchcourse.checks.compare import agrees, difference, kind

SECONDS = 3.0  # for all the learner's code in one check, so that a card comes within five seconds

# Python's library, installed packages, and this package: no place where a learner errs.
NOT_THE_LEARNERS = (
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
    str(Path(__file__).parents[1]),
)

# PyTorch loads a large part of itself at the first optimizer or `torch.func` call. That may take
# longer than a check allows, and an import stopped halfway stays broken for the whole session.
# So it happens here, before any clock runs.
torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)


@dataclass(frozen=True)
class Slip:
    """A known misconception: the value it leads to, its name, and one step that leads out."""

    value: object
    why: str
    next_step: str


class _Stop(Exception):
    """Ends a check with a card."""

    def __init__(self, card: Card) -> None:
        self.card = card


class Attempt:
    """One learner's answer under examination. A checker calls it and states what it expects.

    `attempt.random` is a seeded generator for test data, so that each check is deterministic.
    """

    def __init__(self, exercise: Exercise, answer: object) -> None:
        self.exercise, self.answer = exercise, answer
        self.random = torch.Generator().manual_seed(0)
        self._deadline = time.monotonic() + SECONDS
        self._called = ""
        self._changed: Card | None = None

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Run the learner's function or class on these arguments; see `run`."""
        return self.run(self.answer, *args, **kwargs)

    def run(
        self, function: Callable, *args: object, may_change: bool = False, **kwargs: object
    ) -> object:
        """Run any callable that contains learner's code; every mishap becomes a card.

        Arguments must come back as they were, a module in the mode it was in, unless
        `may_change`. That is reported at the very end: a wrong value says more.
        """
        inputs = [*args, *kwargs.values()]
        before = [_snapshot(value) for value in inputs]
        self._called = _as_call(self.exercise.name, function, args, kwargs)
        try:
            seconds = max(self._deadline - time.monotonic(), 0.05)
            result = sandbox.call(lambda: function(*args, **kwargs), seconds)
        except KeyboardInterrupt:
            raise
        except sandbox.OutOfTime as late:
            left_behind = f" {late}" if str(late) == sandbox.LEFT_BEHIND else ""
            self.stop(
                f"Your code was still running after {SECONDS:g} seconds, so it was stopped."
                + left_behind,
                "Look for a loop whose end is never reached, a `sleep`, or an `input()`.",
            )
        except SystemExit:
            self.stop("Your code calls `exit`, which would end Python.", "Use `return` instead.")
        except BaseException as error:
            self._stop_on_error(error)
        if not may_change and self._changed is None:
            self._changed = self._change(inputs, before)
        return result

    def expect(
        self,
        got: object,
        want: object,
        *slips: Slip,
        case: str = "",
        name: str = "the result",
        picture: bool = False,
    ) -> None:
        """Stop with a card unless `got` agrees with `want` in type, dtype, exact shape and value.

        Args:
            got: what the learner's code gave.
            want: the right value, which no code of the learner has touched.
            slips: what known misconceptions give for this case; looked at first, in order.
            case: what is special about it, in a few words, such as "a batch of one".
            name: what `got` is, when it is only a part of the answer.
            picture: show both sides as images.
        """
        if agrees(got, want):
            return
        if got is None or got is ...:
            self._stop_unfinished()
        found = next(((s.why, s.next_step) for s in slips if agrees(got, s.value)), None)
        why, next_step = found or difference(got, want, name)
        why = why[0].upper() + why[1:]
        why += "" if why.endswith((".", "?", "!")) else "."
        if case:
            why += f" (Seen with {case}.)"
        self.stop(why, next_step, expected=want, gave=got, picture=picture)

    def expect_gradient(self, *args: object, wrt: int = 0) -> None:
        """Stop unless a gradient flows from the result back to the argument number `wrt`."""
        args = tuple(a.detach().clone() if isinstance(a, Tensor) else a for a in args)
        source: Tensor = args[wrt].requires_grad_()
        result = self(*args)
        if not (isinstance(result, Tensor) and result.requires_grad):
            self.stop(
                "The values are right, but no gradient can flow back through your function.",
                "Stay with tensors: `.item()`, `.numpy()`, `.detach()`, `torch.tensor(...)` and "
                "writing into a new tensor of numbers cut the graph.",
            )
        self.run(result.sum().backward, may_change=True)
        if source.grad is None:
            self.stop(
                "Your result does not depend on its input as far as autograd can see.",
                "Compute with the argument itself, not with a copy made by `.data` or `.detach()`.",
            )

    def expect_no_loop(self) -> None:
        """Stop if the source of the learner's function holds a Python loop."""
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(self.answer)))
        except (OSError, TypeError, SyntaxError):
            return  # no source to be had (typed into a plain prompt): the values must do
        loops = (ast.For, ast.While, ast.ListComp, ast.GeneratorExp, ast.DictComp, ast.SetComp)
        if any(isinstance(node, loops) for node in ast.walk(tree)):
            self.stop(
                "The values are right, but a Python loop computes them.",
                "One tensor expression does it for the whole batch at once; see the hints.",
            )

    def stop(self, headline: str, next_step: str = "", **sides: object) -> NoReturn:
        """End the check with a "not yet" card; `sides` are fields of Card."""
        raise _Stop(self._card(NOT_YET, headline, next_step, **sides))

    def finish(self) -> Card:
        """The card of an attempt nothing stopped."""
        return self._changed or Card(self.exercise.name, PASSED, self.exercise.learnt)

    def _card(self, state: str, headline: str, next_step: str, **sides: object) -> Card:
        called = self._called
        return Card(self.exercise.name, state, headline, next_step, called=called, **sides)

    def _stop_unfinished(self) -> NoReturn:
        raise _Stop(
            self._card(
                TO_DO,
                "This exercise is still to do: it gives back nothing so far.",
                "Write your code where the exercise says so, and end it with `return`.",
            )
        )

    def _stop_on_error(self, error: BaseException) -> NoReturn:
        if isinstance(error, NotImplementedError) and not str(error):
            self._stop_unfinished()
        if self._changed is not None:  # the likelier cause: an input spoilt by an earlier call
            raise _Stop(self._changed)
        where = _learners_line(error)
        self.stop(
            f"Your code stopped with an error{where}",
            "Read the last line of the message first. Then print the shapes just before that line.",
            error=f"{type(error).__name__}: {_message(error)}"[:1000],
        )

    def _change(self, inputs: list[object], before: list[object]) -> Card | None:
        for number, (value, old) in enumerate(zip(inputs, before, strict=True)):
            if old is ABSENT or agrees(_snapshot(value), old):
                continue
            which = "model" if isinstance(value, nn.Module) else f"argument number {number + 1}"
            return self._card(
                NOT_YET,
                f"The result is right, but your code changed its input ({which}). "
                "The caller still needs it as it was.",
                "Avoid methods that end in `_`, `x[...] = ...` and `x += ...` on an argument; "
                "put a module back into the mode (`train`/`eval`) it came in.",
                expected=old,
                gave=_snapshot(value),
            )
        return None


class Exercise:
    """A checker with a name. Calling it on an answer shows a card, and raises NotYet unless passed.

    Made by the decorator `exercise`.
    """

    def __init__(self, check: Callable[[Attempt], None], learnt: str, takes: type | None) -> None:
        self.check, self.learnt, self.takes = check, learnt, takes
        self.name = check.__name__
        self.module = check.__module__.removeprefix("torchcourse.checks.")  # ch01_tensors.tensors
        self.chapter = self.module.split(".")[0]
        self.__doc__ = check.__doc__

    def __call__(self, answer: object) -> None:
        card = self.review(answer)
        card.show()
        if not card.passed:
            raise NotYet(f"{self.name}: {card.state}. {card.headline}") from None

    def review(self, answer: object) -> Card:
        """The card for an answer, without showing it. Never raises (but lets Ctrl-C through)."""
        attempt = Attempt(self, answer)
        with sandbox.quarantine() as transcript:
            try:
                self._require_kind(attempt)
                self.check(attempt)
                card = attempt.finish()
            except _Stop as stop:
                card = stop.card
            except Exception as error:
                card = Card(
                    self.name,
                    BROKEN,
                    f"It stumbled over your answer: {type(error).__name__}: {error}",
                    "Compare what you return with the docstring. If that is as asked, please "
                    "report this as a bug of the course, with your code.",
                )
        return replace(card, printed=transcript.text[:300].rstrip())

    def _require_kind(self, attempt: Attempt) -> None:
        answer = attempt.answer
        if answer is None or answer is ...:
            attempt._stop_unfinished()
        if self.takes is None:
            return
        if self.takes is type and not isinstance(answer, type):
            attempt.stop(
                f"The check needs the class itself, and got {kind(answer)}.",
                f"Pass `{self.name}` without brackets behind it.",
                gave=answer,
            )
        if not callable(answer):
            attempt.stop(
                f"The check needs a function, and got {kind(answer)}.",
                "Pass the function itself, without brackets behind its name.",
                gave=answer,
            )


def exercise(
    learnt: str, *, takes: type | None = Callable
) -> Callable[[Callable[[Attempt], None]], Exercise]:
    """Turn `check(attempt)` into an Exercise.

    Args:
        learnt: what the card of a right answer says: what the learner now knows.
        takes: what the learner hands in: a function (default), `type` for a class, None for a
            plain value, which the checker finds in `attempt.answer`.
    """
    return lambda check: Exercise(check, learnt, takes)


def chapters() -> list[str]:
    """Names of the modules or packages in this package that hold exercises: ch01_tensors, …"""
    import torchcourse.checks as package

    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name for name in names if name.startswith(("ch0", "ch1", "cap")))


def exercises() -> Iterator[Exercise]:
    """Every exercise of every chapter."""
    for chapter in chapters():
        module = importlib.import_module(f"torchcourse.checks.{chapter}")
        yield from (value for value in vars(module).values() if isinstance(value, Exercise))


def _snapshot(value: object) -> object:
    """A copy to compare with later; ABSENT for what cannot be compared."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, nn.Module):
        return tuple(module.training for module in value.modules())
    if isinstance(value, (list, tuple)):
        copies = [_snapshot(part) for part in value]
        return ABSENT if any(copy is ABSENT for copy in copies) else type(value)(copies)
    return value if isinstance(value, (bool, int, float, str)) else ABSENT


def _as_call(name: str, function: Callable, args: tuple, kwargs: dict) -> str:
    """How to repeat a call: its arguments by name, small ones in full."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        bound = {f"argument {number + 1}": value for number, value in enumerate(args)} | kwargs
    if not bound:
        return ""
    given = []
    for argument, value in bound.items():
        text = as_text(value)
        if isinstance(value, Tensor) and value.numel() > 24:
            text = text.splitlines()[0]
        first, *rest = text.splitlines()
        given.append("\n".join([f"{argument}: {first}", *("  " + line for line in rest)]))
    return f"{name}({', '.join(bound)}) with\n" + "\n".join(given)


def _learners_line(error: BaseException) -> str:
    """Where in the learner's own file or cell it went wrong, as words."""
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.lineno and not frame.filename.startswith(NOT_THE_LEARNERS)
    ]
    if not own:
        return "."
    line = linecache.getline(own[-1].filename, own[-1].lineno).strip()
    return f" in line {own[-1].lineno}" + (f": `{line}`" if line else ".")


def _message(error: BaseException) -> str:
    try:
        return str(error) or "(no message)"
    except Exception:
        return "(a message that cannot be shown)"
