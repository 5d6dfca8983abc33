"""What the six networks are made of, and how they refuse arguments that make no sense."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

__all__ = ["check_sizes", "conv", "dense", "named"]


def conv(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU; with stride 1 the size of the picture stays.

    All six networks use it, also those older than batch norm, so that a comparison compares their
    shapes and nothing else. The convolution needs no bias: batch norm takes it out again.

    Shape: (B, in_channels, H, W) -> (B, out_channels, ⌈H/stride⌉, ⌈W/stride⌉), odd kernels.
    """
    return nn.Sequential(
        nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False
        ),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def dense(in_features: int, out_features: int, dropout: float = 0.0) -> nn.Sequential:
    """Linear layer, ReLU and, if asked for, dropout: (B, in_features) -> (B, out_features)."""
    layers = [nn.Linear(in_features, out_features), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, *([nn.Dropout(dropout)] if dropout else []))


def named(**parts: nn.Module) -> nn.Sequential:
    """A Sequential whose parts have names, for tables of shapes and for `get_submodule`."""
    return nn.Sequential(OrderedDict(parts))


def check_sizes(**sizes: int) -> None:
    """Refuse anything but whole numbers from 1.

    Raises:
        ValueError: names the argument, and what came.
    """
    for name, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number from 1, got {value!r}")
