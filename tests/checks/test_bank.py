"""Every exercise of every chapter, against its bank of answers and against hostile input.

Exercises and banks are found, not listed: whoever adds an exercise gets all of this for nothing.
"""

from __future__ import annotations

import importlib
import inspect
import time
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from wrong_answers import answers

from torchcourse.checks.card import BROKEN, NOT_YET, PASSED, TO_DO
from torchcourse.checks.core import chapters, exercises

# A warning while a card is drawn would go to stderr, and nbgrader gives such a cell no points.
pytestmark = pytest.mark.filterwarnings("error")
LIMIT = 5.0  # seconds a check may take, whatever it is given
EXERCISES = {f"{one.chapter}.{one.name}": one for one in exercises()}


MODULES = sorted({one.module for one in EXERCISES.values()})


def answers_to(module):
    """The bank's module at the same place as the checkers' module, such as ch01_tensors.tensors."""
    return importlib.import_module(f"wrong_answers.{module}")


def bank(exercise):
    return answers(getattr(answers_to(exercise.module), exercise.name, type("none", (), {})))


def review(exercise, answer):
    """A card that came in time, could be shown both ways, and left the checker whole."""
    started = time.monotonic()
    card = exercise.review(answer)
    assert time.monotonic() - started < LIMIT
    assert card.state != BROKEN, card.headline
    for shown in (repr(card), card._repr_html_()):
        assert "torchcourse/checks" not in shown and "Traceback" not in shown
    return card


CASES = [(key, name) for key, one in EXERCISES.items() for name in bank(one)]


def test_exercises_are_found():
    assert "ch01_tensors" in chapters() and "ch01_tensors.masked_mean" in EXERCISES


@pytest.mark.parametrize("key", EXERCISES)
def test_bank_is_large_enough(key):
    hints = [answer.hint for answer in bank(EXERCISES[key]).values()]
    assert sum(hint is not None for hint in hints) >= 4, f"{key}: fewer than 4 wrong answers"
    assert sum(hint is None for hint in hints) >= 2, f"{key}: fewer than 2 right answers"


@pytest.mark.parametrize("module", MODULES)
def test_bank_holds_no_orphans(module):
    classes = {
        name: value for name, value in vars(answers_to(module)).items() if inspect.isclass(value)
    }
    banks = {name for name, value in classes.items() if answers(value)}
    assert banks == {one.name for one in EXERCISES.values() if one.module == module}


@pytest.mark.parametrize(("key", "name"), CASES)
def test_answer(key, name):
    exercise = EXERCISES[key]
    answer = bank(exercise)[name]
    card = review(exercise, answer.value)
    if answer.hint is None:
        assert card.state == PASSED, repr(card)
        assert card.headline == exercise.learnt
    else:
        assert card.state == NOT_YET, repr(card)
        assert answer.hint in card.headline, repr(card)
        assert card.next_step


@pytest.mark.parametrize("key", EXERCISES)
def test_each_wrong_answer_has_its_own_hint(key):
    exercise = EXERCISES[key]
    seen = {}
    for name, answer in bank(exercise).items():
        if answer.hint is not None:
            headline = review(exercise, answer.value).headline
            assert headline not in seen, f"{key}: {name} and {seen[headline]} get the same hint"
            seen[headline] = name


@pytest.mark.parametrize("key", EXERCISES)
def test_checks_are_deterministic_and_leave_no_trace(key):
    """The same card twice, whatever the global state; and that state as it was."""
    exercise = EXERCISES[key]
    for answer in bank(exercise).values():
        cards = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
            filters = list(warnings.filters)
            with torch.no_grad():
                cards.append(repr(review(exercise, answer.value)))
                assert not torch.is_grad_enabled()
            assert torch.equal(torch.get_rng_state(), before[0])
            assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
            assert list(warnings.filters) == filters
        assert cards[0] == cards[1]


VALUES = {
    "nothing": None,
    "dots": ...,
    "a number": 3,
    "a text": "banana",
    "a list": [1, [2, None]],
    "an array": np.zeros(3),
    "a scalar tensor": torch.tensor(1.0),
    "an empty tensor": torch.empty(0),
    "a wrong shape": torch.zeros(2, 3, 5, 7),
    "a wrong dtype": torch.zeros(2, 3, dtype=torch.complex64),
    "a sparse tensor": torch.eye(3).to_sparse(),
    "a meta tensor": torch.empty(2, 3, device="meta"),
    "nan": torch.full((2, 3), torch.nan),
    "a type": int,
    "a module": nn.Linear(2, 3),
    "an unfinished module": nn.Module(),
}


class Hostile:
    """An object that objects to being looked at."""

    def __repr__(self):
        raise RuntimeError("no")

    __str__ = __eq__ = __len__ = __iter__ = __bool__ = __float__ = __call__ = __repr__
    __hash__ = None


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("key", EXERCISES)
def test_hostile_value(key, name):
    """As the answer itself, and as what the answer gives back."""
    exercise = EXERCISES[key]
    value = VALUES[name]
    card = review(exercise, value)
    assert not card.passed
    if value is None or value is ...:
        assert card.state == TO_DO
    assert not review(exercise, lambda *args, **kwargs: value).passed


@pytest.mark.parametrize("key", EXERCISES)
def test_hostile_object(key):
    assert not review(EXERCISES[key], Hostile()).passed
    assert not review(EXERCISES[key], lambda *args, **kwargs: Hostile()).passed
    assert not review(EXERCISES[key], lambda *args, **kwargs: [Hostile()]).passed
