"""Checkers of chapter 2's labs, one module a lab."""

from torchcourse.checks.ch02_networks.convolution import (
    conv2d,
    correlate,
    grey_tiles,
    output_size,
)
from torchcourse.checks.ch02_networks.layers import (
    MovingCentre,
    deep_network,
    log_softmax,
    mlp_forward,
    softmax_regression,
)

__all__ = [
    "MovingCentre",
    "conv2d",
    "correlate",
    "deep_network",
    "grey_tiles",
    "log_softmax",
    "mlp_forward",
    "output_size",
    "softmax_regression",
]
