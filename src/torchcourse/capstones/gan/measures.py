"""Is it right, is it varied, is it new? Measures of generated digits, by a judge they never met."""

from __future__ import annotations

import torch
from torch import Tensor

from torchcourse.capstones.digits import load_model
from torchcourse.capstones.digits.training import predict
from torchcourse.capstones.gan.model import Generator
from torchcourse.capstones.gan.sampling import generate


def judge_accuracy(model: Generator | None = None, each: int = 100, seed: int = 1) -> float:
    """Share of generated digits that capstone 1's network reads as what they should be.

    Args:
        model: None is the recorded generator.
        each: pictures of each class.
        seed: of their noise.
    """
    labels = torch.arange(10).repeat_interleave(each)  # (N,)
    return agreement(generate(labels, seed, model=model), labels)


def agreement(pictures: Tensor, labels: Tensor) -> float:
    """Share of pictures (N, 1, 28, 28) that capstone 1's network reads as `labels` (N,)."""
    return (predict(load_model(), pictures).argmax(1) == labels).float().mean().item()
