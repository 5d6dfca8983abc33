"""Which explanation to trust: hide what it calls important, and see whether the answer falls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from torchcourse.train.mode import in_eval_mode

from .inference import METHODS, margin
from .model import TransformerClassifier
from .tokens import MASK, WordPiece
from .training import predict

RANDOM = "random"  # the baseline: an explanation that knows nothing


def deletion_curve(
    model: TransformerClassifier,
    rows: Sequence[list[int]],
    method: str,
    most: int = 6,
    seed: int = 0,
) -> Tensor:
    """How far the network's answer falls while its most important tokens are hidden.

    A faithful explanation names first what the answer hangs on, so its curve falls fastest.

    Args:
        model: the network.
        rows: texts as token numbers, none empty.
        method: one of `METHODS`, or "random".
        most: how many tokens are hidden in the end, the most important first. Weights that speak
            *for* the answer count as important; attention has no sign and is taken as it is.
        seed: of the random order.

    Returns:
        (most + 1,) mean over the texts of the margin for the answer given at first, in logits,
        after 0, 1, … hidden tokens.

    Raises:
        ValueError: another method, or an empty text.
    """
    if method not in METHODS and method != RANDOM:
        raise ValueError(f"method is {', '.join(METHODS)} or {RANDOM}, not {method!r}")
    if not rows or not all(rows):
        raise ValueError("the test needs texts, and each at least one token")
    with in_eval_mode(model):
        answers = margin(predict(model, list(rows))).sign()  # (N,) 1 for praise, -1 for blame
        orders = _orders(model, rows, method, answers.tolist(), seed)
        curve = []
        for count in range(most + 1):
            hidden = [_hidden(row, order[:count]) for row, order in zip(rows, orders, strict=True)]
            curve.append((margin(predict(model, hidden)) * answers).mean())
    return torch.stack(curve)


def _orders(
    model: TransformerClassifier,
    rows: Sequence[list[int]],
    method: str,
    answers: Sequence[float],
    seed: int,
) -> list[list[int]]:
    """For each text its places, the most important first."""
    generator = torch.Generator().manual_seed(seed)
    orders = []
    for row, answer in zip(rows, answers, strict=True):
        if method == RANDOM:
            weights = torch.rand(len(row), generator=generator)
        else:
            sign = 1.0 if method == "attention" else answer
            weights = METHODS[method](model, row) * sign
        orders.append(weights.argsort(descending=True).tolist())
    return orders


def _hidden(row: list[int], places: Sequence[int]) -> list[int]:
    chosen = set(places)
    return [MASK if place in chosen else number for place, number in enumerate(row)]


def keywords(
    model: TransformerClassifier,
    words: WordPiece,
    rows: Sequence[list[int]],
    count: int = 20,
    at_least: int = 5,
) -> dict[str, list[tuple[str, float]]]:
    """The tokens that speak most clearly for each class, by their mean weight under occlusion.

    Args:
        model: the network.
        words: its tokenizer.
        rows: texts as token numbers.
        count: how many tokens for each class.
        at_least: in how many places a token must stand: one place may be luck.

    Returns:
        for "praise" and for "blame" (token, weight), strongest first; weights are above 0.
    """
    found: defaultdict[int, list[float]] = defaultdict(list)
    with in_eval_mode(model):
        for row in filter(None, rows):
            for number, weight in zip(row, METHODS["occlusion"](model, row).tolist(), strict=True):
                found[number].append(weight)
    means = {
        words.vocabulary[number]: sum(weights) / len(weights)
        for number, weights in found.items()
        if len(weights) >= at_least
    }
    ranked = sorted(means.items(), key=lambda item: item[1])
    return {
        "praise": [(token, weight) for token, weight in ranked[::-1][:count] if weight > 0],
        "blame": [(token, -weight) for token, weight in ranked[:count] if weight < 0],
    }
