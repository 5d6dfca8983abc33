"""AlexNet: deeper, wider, with ReLU and dropout.

Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural
networks" (2012). Its pictures were 224×224 and its first stride 4; small pictures want stride 1.
"""

from __future__ import annotations

from torch import nn

from .parts import check_sizes, conv, dense, named

__all__ = ["alexnet"]

DROPOUT = 0.5
GRID = 4  # side of the last maps, for pictures of 28×28 and of 32×32


def alexnet(in_channels: int = 1, num_classes: int = 10, width: int = 24) -> nn.Sequential:
    """AlexNet for small pictures: five convolutions, three overlapping pools, two dense layers.

    Args:
        in_channels: of the pictures, 1 grey or 3 colour.
        num_classes: how many logits.
        width: channels of the first convolution; the others keep the proportions of the
            original, 96 : 256 : 384 : 384 : 256.

    Shape: (B, in_channels, H, W), H and W at least 8 -> (B, num_classes) logits.

    Raises:
        ValueError: an argument is no whole number from 1.
    """
    check_sizes(in_channels=in_channels, num_classes=num_classes, width=width)
    second, third, hidden = 8 * width // 3, 4 * width, 20 * width
    return named(
        block1=nn.Sequential(conv(in_channels, width, 5), nn.MaxPool2d(3, 2, padding=1)),
        block2=nn.Sequential(conv(width, second, 5), nn.MaxPool2d(3, 2, padding=1)),
        block3=nn.Sequential(
            conv(second, third, 3),
            conv(third, third, 3),
            conv(third, second, 3),
            nn.MaxPool2d(3, 2, padding=1),
            nn.AdaptiveAvgPool2d(GRID),  # changes nothing at 28×28 and 32×32
        ),
        head=nn.Sequential(
            nn.Flatten(),
            dense(second * GRID * GRID, hidden, DROPOUT),
            dense(hidden, hidden, DROPOUT),
            nn.Linear(hidden, num_classes),
        ),
    )
