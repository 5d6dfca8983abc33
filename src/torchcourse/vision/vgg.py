"""VGG: nothing but 3×3 convolutions, in blocks that halve the picture and double the channels.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition"
(2014), https://arxiv.org/abs/1409.1556.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import nn

from .parts import check_sizes, conv, dense, named

__all__ = ["vgg", "vgg_block"]

DROPOUT = 0.5
GRID = 2  # side of the last maps after four blocks, for pictures of 28×28 and of 32×32


def vgg_block(in_channels: int, out_channels: int, convolutions: int) -> nn.Sequential:
    """Some 3×3 convolutions, then a pool: (B, in_channels, H, W) -> (B, out_channels, H/2, W/2).

    An odd side is rounded up, so that no border is lost.
    """
    channels = [in_channels] + [out_channels] * convolutions
    layers = [conv(a, b, 3) for a, b in itertools.pairwise(channels)]
    return nn.Sequential(*layers, nn.MaxPool2d(2, ceil_mode=True))


def vgg(
    in_channels: int = 1,
    num_classes: int = 10,
    width: int = 24,
    blocks: Sequence[int] = (1, 1, 2, 2),
) -> nn.Sequential:
    """A VGG for small pictures: by default the first four of VGG-11's five blocks.

    Args:
        in_channels: of the pictures, 1 grey or 3 colour.
        num_classes: how many logits.
        width: channels of the first block; each block has twice those of the one before.
        blocks: how many convolutions each block has.

    Shape: (B, in_channels, H, W) -> (B, num_classes) logits.

    Raises:
        ValueError: an argument, or an entry of `blocks`, is no whole number from 1.
    """
    check_sizes(in_channels=in_channels, num_classes=num_classes, width=width, blocks=len(blocks))
    check_sizes(**{f"blocks[{i}]": count for i, count in enumerate(blocks)})
    parts, channels = {}, in_channels
    for i, count in enumerate(blocks):
        parts[f"block{i + 1}"] = vgg_block(channels, width * 2**i, count)
        channels = width * 2**i
    hidden = 10 * width
    head = nn.Sequential(
        nn.AdaptiveAvgPool2d(GRID),  # changes nothing with four blocks at 28×28 and 32×32
        nn.Flatten(),
        dense(channels * GRID * GRID, hidden, DROPOUT),
        dense(hidden, hidden, DROPOUT),
        nn.Linear(hidden, num_classes),
    )
    return named(**parts, head=head)
