"""How good answers are: accuracy with its interval, macro-F1, and two models compared."""

from __future__ import annotations

from math import erfc, sqrt

import torch
from torch import Tensor

from torchcourse.recording import share


def macro_f1(answers: Tensor, labels: Tensor) -> float:
    """Mean over both classes of the harmonic mean of precision and recall.

    Args:
        answers: (N,) int64, 0 or 1.
        labels: (N,) int64, 0 or 1.

    Nine reviews in ten are praise? Then always saying so is 90 % accurate, with a macro-F1 of 47 %.
    """
    scores = []
    for kind in (0, 1):
        right = int(((answers == kind) & (labels == kind)).sum())
        both = int((answers == kind).sum() + (labels == kind).sum())
        scores.append(2 * right / both if both else 0.0)
    return sum(scores) / 2


def scores(answers: Tensor, labels: Tensor) -> dict:
    """Accuracy with its 95 % interval, and macro-F1, as `metrics.json` holds them."""
    hits = int((answers == labels).sum())
    return share(hits, len(labels)) | {"macro_f1": round(macro_f1(answers, labels), 5)}


def by_domain(answers: Tensor, labels: Tensor, domains: list[str]) -> dict[str, dict]:
    """`scores` of the reviews of each kind, the commonest kind first."""
    names = sorted(set(domains), key=lambda name: (-domains.count(name), name))
    places = {name: torch.tensor([domain == name for domain in domains]) for name in names}
    return {name: scores(answers[at], labels[at]) for name, at in places.items()}


def mcnemar(first: Tensor, second: Tensor, labels: Tensor) -> dict:
    """Is the first model better than the second, or was it luck? McNemar's test.

    Only reviews count that exactly one of the two gets right; if both are equally good, these
    fall to either side like a coin.

    Args:
        first: answers (N,) int64 of one model.
        second: those of the other.
        labels: (N,) int64.

    Returns:
        "first_only" and "second_only" (how many reviews only that one gets right) and
        "p", the chance of a difference as large if there were none (normal approximation).
    """
    one, other = first == labels, second == labels
    gained, lost = int((one & ~other).sum()), int((other & ~one).sum())
    count = gained + lost
    z = max(0, abs(gained - lost) - 1) / sqrt(count) if count else 0.0
    return {"first_only": gained, "second_only": lost, "p": round(erfc(z / sqrt(2)), 5)}


def answers_of(logits: Tensor) -> Tensor:
    """(N, 2) logits to (N,) answers."""
    return torch.as_tensor(logits).argmax(1)
