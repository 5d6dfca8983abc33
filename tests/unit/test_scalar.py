"""The scalar autograd agrees with PyTorch, and with the class the lesson builds."""

import math
import random
from pathlib import Path

import nbformat
import pytest
import torch

from torchcourse import scalar

LESSON = Path(__file__).resolve().parents[2] / "lessons/ch01_tensors/06_autograd.ipynb"


def lesson_class() -> type:
    """`Value` as the cells of the lesson build it."""
    cells = nbformat.read(LESSON, as_version=4).cells
    pieces = [c.source for c in cells if "value-class" in c.metadata.get("tags", [])]
    scope: dict = {}
    exec("\n".join(pieces), scope)
    return scope["Value"]


def random_expression(inputs: list, choose: random.Random):
    """A result of twelve random operations; works on Values and on tensors."""
    pool = list(inputs)
    for _ in range(12):
        a, b = choose.choice(pool), choose.choice(pool)
        pool.append(
            choose.choice(
                [
                    lambda a=a, b=b: a + b,
                    lambda a=a, b=b: 2 - a * b,
                    lambda a=a, b=b: a / (b**2 + 1),
                    lambda a=a, b=b: (a - b) * 0.5 + 1,
                    lambda a=a, b=b: 3 / (1 + (a**2 + 1).log()) - b,
                    lambda a=a, b=b: ((a**2 + 1) ** -1).exp() + -b,
                ]
            )()
        )
    return pool[-1] * pool[-2] + pool[-3]


@pytest.mark.parametrize("build", [lambda: scalar.Value, lesson_class], ids=["package", "lesson"])
@pytest.mark.parametrize("seed", range(20))
def test_matches_pytorch(build, seed):
    value = build()
    numbers = [random.Random(seed).uniform(-2, 2) for _ in range(3)]
    mine = [value(number) for number in numbers]
    theirs = [torch.tensor(n, dtype=torch.float64, requires_grad=True) for n in numbers]
    result = random_expression(mine, random.Random(seed))
    truth = random_expression(theirs, random.Random(seed))
    result.backward()
    truth.backward()
    assert math.isclose(result.data, truth.item(), rel_tol=1e-9)
    for m, t in zip(mine, theirs, strict=True):
        expected = 0.0 if t.grad is None else t.grad.item()
        assert math.isclose(m.grad, expected, rel_tol=1e-8, abs_tol=1e-10)


def test_gradients_accumulate_over_two_backwards():
    x = scalar.Value(3.0)
    (x * x).backward()
    (x * x).backward()
    assert x.grad == 12


def test_a_diamond_is_walked_once():
    x = value = scalar.Value(1.0)
    for _ in range(60):  # 2**60 ways: a walk over every single way would never end
        value = value + value
    value.backward()
    assert x.grad == 2.0**60


def test_lesson_keeps_its_word_of_sixty_lines():
    cells = nbformat.read(LESSON, as_version=4).cells
    code = "\n".join(c.source for c in cells if "value-class" in c.metadata.get("tags", []))
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 60
