"""GoogLeNet: several kernel sizes side by side in every block.

Szegedy et al., "Going deeper with convolutions" (2014), https://arxiv.org/abs/1409.4842. Without
the two auxiliary classifiers: batch norm brings gradients deep enough.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .parts import check_sizes, conv, named

__all__ = ["Inception", "googlenet"]

#: Shares of a block's output in 32nds, as in the paper's first block, "3a", of 256 channels.
ONE, THREE_REDUCED, THREE, FIVE_REDUCED, FIVE, POOLED = 8, 12, 16, 2, 4, 4
STAGES = ((2, 2), (4, 3), (8, 2))  # (channels in widths, blocks); a pool before each stage


class Inception(nn.Module):
    """Four branches that see the same input; their outputs stand side by side.

    A 1×1 convolution; a 1×1 that reduces, then 3×3; a 1×1 that reduces, then 5×5; a 3×3 pool,
    then 1×1. A quarter of the output, one half, one eighth and one eighth.

    Args:
        in_channels: of the input.
        out_channels: of all four branches together, a multiple of 16.

    Shape: (B, in_channels, H, W) -> (B, out_channels, H, W).

    Raises:
        ValueError: out_channels is no multiple of 16.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        check_sizes(in_channels=in_channels, out_channels=out_channels)
        if out_channels % 16:
            raise ValueError(f"out_channels must be a multiple of 16, got {out_channels}")
        one, three_reduced, three, five_reduced, five, pooled = (
            share * out_channels // 32
            for share in (ONE, THREE_REDUCED, THREE, FIVE_REDUCED, FIVE, POOLED)
        )
        self.branches = nn.ModuleList(
            [
                conv(in_channels, one, 1),
                nn.Sequential(conv(in_channels, three_reduced, 1), conv(three_reduced, three, 3)),
                nn.Sequential(conv(in_channels, five_reduced, 1), conv(five_reduced, five, 5)),
                nn.Sequential(nn.MaxPool2d(3, 1, padding=1), conv(in_channels, pooled, 1)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def googlenet(
    in_channels: int = 1,
    num_classes: int = 10,
    width: int = 32,
    stages: Sequence[tuple[int, int]] = STAGES,
) -> nn.Sequential:
    """GoogLeNet for small pictures: a stem, seven Inception blocks, a global average.

    Args:
        in_channels: of the pictures, 1 grey or 3 colour.
        num_classes: how many logits.
        width: channels of the stem, a multiple of 8; the stages have 2, 4 and 8 times as many.
        stages: for each stage its channels in widths, and its number of blocks.

    Shape: (B, in_channels, H, W) -> (B, num_classes) logits.

    Raises:
        ValueError: an argument is no whole number from 1, or the width no multiple of 8.
    """
    check_sizes(in_channels=in_channels, num_classes=num_classes, width=width)
    if width % 8:
        raise ValueError(f"width must be a multiple of 8, got {width}")
    parts, channels = {"stem": conv(in_channels, width, 3)}, width
    for i, (factor, blocks) in enumerate(stages):
        layers = [nn.MaxPool2d(3, 2, padding=1)]
        for _ in range(blocks):
            layers.append(Inception(channels, factor * width))
            channels = factor * width
        parts[f"stage{i + 1}"] = nn.Sequential(*layers)
    head = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(channels, num_classes)
    )
    return named(**parts, head=head)
