"""Checkers of chapter 5's labs, one module a lab."""

from torchcourse.checks.ch05_vision.kernels_and_blocks import (
    GlobalHead,
    nin_block,
    receptive_field,
    sobel,
    stack_parameters,
    vgg_block,
)
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
    "GlobalHead",
    "Inception",
    "ResidualBlock",
    "SqueezeExcite",
    "flip_predict",
    "nin_block",
    "parameter_groups",
    "receptive_field",
    "set_frozen",
    "sobel",
    "stack_parameters",
    "train_mode",
    "vgg_block",
]
