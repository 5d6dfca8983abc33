"""LeNet: convolution and pooling by turns, then dense layers.

LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition"
(1998). The original has sigmoids and average pooling, and no batch norm.
"""

from __future__ import annotations

from torch import nn

from .parts import check_sizes, conv, dense, named

__all__ = ["lenet"]

GRID = 5  # side of the last maps; the original's, on its 32×32 pictures without padding


def lenet(in_channels: int = 1, num_classes: int = 10, width: int = 6) -> nn.Sequential:
    """LeNet-5 with ReLU, max-pooling and batch norm.

    Args:
        in_channels: of the pictures, 1 grey or 3 colour.
        num_classes: how many logits.
        width: channels of the first convolution; all other layers grow in proportion.

    Shape: (B, in_channels, H, W), H and W at least 8 -> (B, num_classes) logits.

    Raises:
        ValueError: an argument is no whole number from 1.
    """
    check_sizes(in_channels=in_channels, num_classes=num_classes, width=width)
    second, hidden, last = 16 * width // 6, 20 * width, 14 * width
    return named(
        block1=nn.Sequential(conv(in_channels, width, 5), nn.MaxPool2d(2)),
        # On 28×28 a plain max-pool of 2; on other sizes its windows are fitted to the grid.
        block2=nn.Sequential(
            nn.Conv2d(width, second, 5, bias=False),
            nn.BatchNorm2d(second),
            nn.ReLU(inplace=True),
            nn.AdaptiveMaxPool2d(GRID),
        ),
        head=nn.Sequential(
            nn.Flatten(),
            dense(second * GRID * GRID, hidden),
            dense(hidden, last),
            nn.Linear(last, num_classes),
        ),
    )
