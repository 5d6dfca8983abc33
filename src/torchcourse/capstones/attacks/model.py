"""A small residual network for photographs of 32 × 32 pixels, normalisation inside."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = (32, 96, 192)


class Residual(nn.Module):
    """Two 3 × 3 convolutions beside a shortcut (He et al. 2015, https://arxiv.org/abs/1512.03385).

    Args:
        in_channels, out_channels: of the feature maps.
        stride: 2 halves height and width.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.first = _conv(in_channels, out_channels, 3, stride, 1)
        self.second = _conv(out_channels, out_channels, 3, 1, 1)
        same = stride == 1 and in_channels == out_channels
        self.shortcut = nn.Identity() if same else _conv(in_channels, out_channels, 1, stride, 0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, H / stride, W / stride)."""
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class PhotoNet(nn.Module):
    """Seven convolutions deep, 0.7 million parameters: small enough to defend on a processor.

    Args:
        num_classes: how many logits come out.
        mean, std: of the training pixels in ``[0, 1]``, one per colour. They are buffers: the
            network takes plain pixels, so that ε means the same for every colour.
    """

    def __init__(
        self,
        num_classes: int = 10,
        mean: tuple[float, float, float] = (0.49, 0.48, 0.45),
        std: tuple[float, float, float] = (0.25, 0.24, 0.26),
    ) -> None:
        super().__init__()
        a, b, c = CHANNELS
        self.features = nn.Sequential(
            # Stride 2 at once: most of the work would be done on the largest maps.
            _conv(3, a, 4, 2, 1),  # (B, 32, 16, 16)
            nn.ReLU(),
            Residual(a, a),  # (B, 32, 16, 16)
            Residual(a, b, stride=2),  # (B, 96, 8, 8)
            Residual(b, c, stride=2),  # (B, 192, 4, 4)
        )
        self.classifier = nn.Linear(c, num_classes)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (B, num_classes) of pictures (B, 3, 32, 32) in ``[0, 1]``."""
        maps = self.features((pixels - self.mean) / self.std)  # (B, 192, 4, 4)
        return self.classifier(maps.mean(dim=(2, 3)))


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int, pad: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, pad, bias=False),
        nn.BatchNorm2d(out_channels),
    )
