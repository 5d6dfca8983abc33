"""Answers to the exercises of chapter 3's labs, one module a lab."""

from wrong_answers.ch03_training.loop import (
    Checkpoint,
    PictureSet,
    accuracy,
    early_stop,
    make_loaders,
    train_and_validate,
)
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
    "Checkpoint",
    "PictureSet",
    "accumulate_step",
    "accuracy",
    "average_gradients",
    "decay_groups",
    "digit_loss",
    "early_stop",
    "flip_batch",
    "make_loaders",
    "median_ms",
    "train_and_validate",
    "train_on_batches",
    "two_layer_gradients",
    "weighted_cross_entropy",
]
