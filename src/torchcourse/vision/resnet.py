"""ResNet: every block adds a correction to what it was given.

He, Zhang, Ren and Sun, "Deep residual learning for image recognition" (2015),
https://arxiv.org/abs/1512.03385, and "Identity mappings in deep residual networks" (2016),
https://arxiv.org/abs/1603.05027, for the order norm, ReLU, convolution.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from .parts import check_sizes, conv, named

__all__ = ["PreActivation", "Residual", "resnet"]


def shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """The way around a block: the identity where shapes allow it, else a 1×1 projection."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
    )


class Residual(nn.Module):
    """Two 3×3 convolutions, and the input added to what comes out: ReLU(F(x) + x).

    Args:
        in_channels: of the input.
        out_channels: of the output.
        stride: of the first convolution, 1 or 2.

    Shape: (B, in_channels, H, W) -> (B, out_channels, ⌈H/stride⌉, ⌈W/stride⌉).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        check_sizes(in_channels=in_channels, out_channels=out_channels, stride=stride)
        self.body = nn.Sequential(
            conv(in_channels, out_channels, 3, stride),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),  # its ReLU comes after the addition
        )
        self.shortcut = shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


class PreActivation(nn.Module):
    """The same with norm and ReLU before each convolution: nothing stands on the way around.

    Arguments and shape as `Residual`; a network of these needs a last norm and ReLU of its own.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        check_sizes(in_channels=in_channels, out_channels=out_channels, stride=stride)
        self.norm = nn.BatchNorm2d(in_channels)
        self.body = nn.Sequential(
            conv(in_channels, out_channels, 3, stride),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        )
        same = stride == 1 and in_channels == out_channels
        self.shortcut = (
            nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        activated = F.relu(self.norm(x))
        # A projection wants the normed input; the identity must stay untouched.
        around = x if isinstance(self.shortcut, nn.Identity) else self.shortcut(activated)
        return self.body(activated) + around


def resnet(
    in_channels: int = 1,
    num_classes: int = 10,
    width: int = 32,
    blocks: Sequence[int] = (2, 2, 2),
    block: type[nn.Module] = Residual,
) -> nn.Sequential:
    """A ResNet for small pictures: a stem, stages of residual blocks, a global average.

    By default ResNet-14: one convolution, six blocks of two, one linear layer.

    Args:
        in_channels: of the pictures, 1 grey or 3 colour.
        num_classes: how many logits.
        width: channels of the stem and the first stage; each stage has twice those before.
        blocks: how many blocks each stage has.
        block: what the stages are made of, called as `Residual` is.

    Shape: (B, in_channels, H, W) -> (B, num_classes) logits.

    Raises:
        ValueError: an argument, or an entry of `blocks`, is no whole number from 1.
    """
    check_sizes(in_channels=in_channels, num_classes=num_classes, width=width, blocks=len(blocks))
    check_sizes(**{f"blocks[{i}]": count for i, count in enumerate(blocks)})
    stem = nn.Sequential(conv(in_channels, width, 3), nn.MaxPool2d(3, 2, padding=1))
    parts, channels = {"stem": stem}, width
    for i, count in enumerate(blocks):
        layers = []
        for j in range(count):
            layers.append(block(channels, width * 2**i, 2 if j == 0 and i > 0 else 1))
            channels = width * 2**i
        parts[f"stage{i + 1}"] = nn.Sequential(*layers)
    last = [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)] if block is PreActivation else []
    head = nn.Sequential(
        *last, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)
    )
    return named(**parts, head=head)
