"""Checkers of chapter 4's labs, one module a lab."""

from torchcourse.checks.ch04_stability.scale import (
    BatchNorm,
    cross_validate,
    group_norm,
    log_rmse,
    pick_rate,
    warmup_cosine,
    zscore,
)
from torchcourse.checks.ch04_stability.signals import (
    Dropout,
    clip_by_norm_,
    dead_share,
    deviations,
    fit_until_best,
    kaiming_,
    l2_penalty,
)

__all__ = [
    "BatchNorm",
    "Dropout",
    "clip_by_norm_",
    "cross_validate",
    "dead_share",
    "deviations",
    "fit_until_best",
    "group_norm",
    "kaiming_",
    "l2_penalty",
    "log_rmse",
    "pick_rate",
    "warmup_cosine",
    "zscore",
]
