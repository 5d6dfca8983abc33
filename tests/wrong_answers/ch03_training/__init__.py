"""Answers to the exercises of chapter 3's labs, one module a lab."""

from wrong_answers.ch03_training.losses_and_optimizers import (
    Adam,
    decay_groups,
    digit_loss,
    train_on_batches,
    two_layer_gradients,
    weighted_cross_entropy,
)
from wrong_answers.ch03_training.speed import (
    CachedDataset,
    accumulate_step,
    average_gradients,
    flip_batch,
    median_ms,
)

__all__ = [
    "Adam",
    "CachedDataset",
    "accumulate_step",
    "average_gradients",
    "decay_groups",
    "digit_loss",
    "flip_batch",
    "median_ms",
    "train_on_batches",
    "two_layer_gradients",
    "weighted_cross_entropy",
]
