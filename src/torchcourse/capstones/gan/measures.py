"""Is it right, is it varied, is it new? Measures of generated digits.

The **judge** is the network of capstone 1. It was trained on real digits alone, and no generator
ever saw it. Pictures go to it through its own door, `prepare_batch`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from torchcourse.capstones.digits import load_model
from torchcourse.capstones.digits.preprocess import prepare_batch
from torchcourse.capstones.digits.training import count_errors, train
from torchcourse.capstones.gan.model import Generator
from torchcourse.capstones.gan.sampling import generate

PART = 500  # pictures in a piece of the work


class Look(NamedTuple):
    """What the judge makes of N pictures.

    Attributes:
        answers: (N,) int64, 0 to 9.
        features: (N, 96): how strongly each channel of its last convolution answered, on average
            over the picture.
    """

    answers: Tensor
    features: Tensor


@torch.no_grad()
def look(pictures: Tensor) -> Look:
    """Let the judge look at (N, 1, 28, 28), uint8 or in [0, 1]."""
    judge, answers, features = load_model(), [], []
    for part in pictures.split(PART):
        maps = judge.features((prepare_batch(part) - judge.mean) / judge.std)  # (B, 96, 3, 3)
        answers.append(judge.classifier(maps).argmax(1))
        features.append(maps.mean(dim=(2, 3)))
    return Look(torch.cat(answers), torch.cat(features))


def agreement(pictures: Tensor, labels: Tensor) -> float:
    """Conditional accuracy: the share of pictures (N, 1, 28, 28) read as `labels` (N,)."""
    return (look(pictures).answers == labels).float().mean().item()


def judge_accuracy(model: Generator | None = None, each: int = 100, seed: int = 1) -> float:
    """Conditional accuracy of a generator.

    Args:
        model: None is the recorded generator.
        each: pictures of each class.
        seed: of their noise.
    """
    labels = torch.arange(10).repeat_interleave(each)  # (N,)
    return agreement(generate(labels, seed, model=model), labels)


def frechet_distance(one: Tensor, other: Tensor) -> float:
    """How far two clouds of features are apart, both taken for Gaussian.

    ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½), the squared Wasserstein-2 distance of the Gaussians.
    Heusel et al., `GANs trained by a two time-scale update rule
    <https://arxiv.org/abs/1706.08500>`_, equation 6; there in Inception's features.

    Args:
        one: (N, D), more rows than columns.
        other: (M, D).

    Raises:
        ValueError: different widths, or too few rows to know a covariance.
    """
    if one.ndim != 2 or one.shape[1] != other.shape[1]:
        raise ValueError(f"expected (N, D) and (M, D), got {(*one.shape,)} and {(*other.shape,)}")
    if min(len(one), len(other)) <= one.shape[1]:
        raise ValueError(
            f"{min(len(one), len(other))} rows cannot tell a covariance of {one.shape[1]} features;"
            " take more pictures"
        )
    one, other = one.double(), other.double()  # float32 loses the small eigenvalues
    first, second = (torch.atleast_2d(cloud.T.cov()) for cloud in (one, other))  # (D, D)
    root = _root(first)
    both = torch.linalg.eigvalsh(root @ second @ root).clamp(min=0).sqrt().sum()
    gap = (one.mean(0) - other.mean(0)).square().sum()
    return (gap + first.trace() + second.trace() - 2 * both).item()


def _root(matrix: Tensor) -> Tensor:
    """The symmetric square root of a covariance (D, D)."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T


def diversity(pictures: Tensor, labels: Tensor, each: int = 100) -> Tensor:
    """Mean distance between two different pictures of one class, for each class: (10,).

    Distances are lengths of pixel differences, all pixels in [0, 1]; 0 is one picture again and
    again. The first `each` pictures of a class are compared, all with all.
    """
    means = []
    for label in range(10):
        chosen = _in_unit_range(pictures[labels == label][:each]).flatten(1)  # (K, 784)
        means.append(torch.pdist(chosen).mean())
    return torch.stack(means)


def nearest(pictures: Tensor, album: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest picture of an album for each picture.

    Args:
        pictures: (N, 1, 28, 28).
        album: (M, 1, 28, 28), for example the training part.

    Returns:
        distances (N,), as in `diversity`, and rows of the album (N,).
    """
    flat = _in_unit_range(pictures).flatten(1)  # (N, 784)
    best, rows = torch.full((len(flat),), torch.inf), torch.zeros(len(flat), dtype=torch.long)
    for start in range(0, len(album), 10 * PART):  # all at once would not fit into memory
        part = _in_unit_range(album[start : start + 10 * PART]).flatten(1)  # (K, 784)
        distances, found = torch.cdist(flat, part).min(1)  # (N,)
        closer = distances < best
        best[closer], rows[closer] = distances[closer], found[closer] + start
    return best, rows


def taught(
    pictures: Tensor, labels: Tensor, test: Tensor, test_labels: Tensor, epochs: int, seed: int = 0
) -> float:
    """Train capstone 1's network on pictures (N, …) alone; its accuracy on `test` (M, …)."""
    size = max(16, min(128, len(labels) * epochs // 1000))  # the average needs about 1,000 steps
    student, _ = train(prepare_batch(pictures), labels, epochs=epochs, seed=seed, batch_size=size)
    return 1 - count_errors(student, prepare_batch(test), test_labels) / len(test_labels)


def _in_unit_range(pictures: Tensor) -> Tensor:
    return pictures if pictures.is_floating_point() else pictures / 255
