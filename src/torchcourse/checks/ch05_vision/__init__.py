"""Checkers of chapter 5's labs, one module a lab."""

from torchcourse.checks.ch05_vision.residuals_and_fine_tuning import (
    Inception,
    ResidualBlock,
    SqueezeExcite,
    flip_predict,
    parameter_groups,
    set_frozen,
    train_mode,
)

__all__ = [
    "Inception",
    "ResidualBlock",
    "SqueezeExcite",
    "flip_predict",
    "parameter_groups",
    "set_frozen",
    "train_mode",
]
