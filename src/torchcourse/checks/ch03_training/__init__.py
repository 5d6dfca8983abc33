"""Checkers of chapter 3's labs, one module a lab."""

from torchcourse.checks.ch03_training.loop import (
    Checkpoint,
    PictureSet,
    accuracy,
    early_stop,
    make_loaders,
    train_and_validate,
)
from torchcourse.checks.ch03_training.losses_and_optimizers import (
    Adam,
    decay_groups,
    digit_loss,
    train_on_batches,
    two_layer_gradients,
    weighted_cross_entropy,
)
from torchcourse.checks.ch03_training.speed import (
    CachedDataset,
    accumulate_step,
    average_gradients,
    flip_batch,
    median_ms,
)
