"""Network in network: a small dense network at every pixel, and no dense layer at the end.

Lin, Chen and Yan, "Network in network" (2013), https://arxiv.org/abs/1312.4400.
"""

from __future__ import annotations

from torch import nn

from .parts import check_sizes, conv, named

__all__ = ["nin", "nin_block"]

DROPOUT = 0.5


def nin_block(in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    """A convolution and two 1×1 ones: (B, in_channels, H, W) -> (B, out_channels, H, W)."""
    return nn.Sequential(
        conv(in_channels, out_channels, kernel_size),
        conv(out_channels, out_channels, 1),
        conv(out_channels, out_channels, 1),
    )


def nin(in_channels: int = 1, num_classes: int = 10, width: int = 24) -> nn.Sequential:
    """NiN for small pictures: four blocks, and a global average of one map per class.

    Args:
        in_channels: of the pictures, 1 grey or 3 colour.
        num_classes: how many logits.
        width: channels of the first block; the next two have 8/3 and 4 times as many.

    Shape: (B, in_channels, H, W), H and W at least 1 -> (B, num_classes) logits.

    Raises:
        ValueError: an argument is no whole number from 1.
    """
    check_sizes(in_channels=in_channels, num_classes=num_classes, width=width)
    second, third = 8 * width // 3, 4 * width
    return named(
        block1=nn.Sequential(nin_block(in_channels, width, 5), nn.MaxPool2d(3, 2, padding=1)),
        block2=nn.Sequential(nin_block(width, second, 5), nn.MaxPool2d(3, 2, padding=1)),
        block3=nn.Sequential(nin_block(second, third, 3), nn.MaxPool2d(3, 2, padding=1)),
        block4=nn.Sequential(
            nn.Dropout(DROPOUT),
            conv(third, third, 3),
            conv(third, third, 1),
            nn.Conv2d(third, num_classes, 1),  # bare: a ReLU would forbid negative logits
        ),
        head=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    )
