"""Attention modules for convolutional networks: SE, CBAM and SCSA, from their papers.

All three take (B, C, H, W) and return the same shape: the input, with each value multiplied by
weights between 0 and 1 that were computed from the input itself. They differ in what the weights
may depend on.

SE    Hu et al., https://arxiv.org/abs/1709.01507
CBAM  Woo et al., https://arxiv.org/abs/1807.06521
SCSA  Si et al., https://arxiv.org/abs/2407.05128
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CBAM", "SCSA", "ChannelGate", "SpatialGate", "SqueezeExcite"]

GROUPS = 4  # SCSA's: as many as it has kernel sizes


class SqueezeExcite(nn.Module):
    """One weight per channel, from the means of all channels.

    Args:
        channels: C of the input.
        reduction: how many times narrower the middle of the two layers is.

    Raises:
        ValueError: fewer channels than `reduction`.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.layers = _bottleneck(channels, reduction)

    def weights(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, 1, 1), each in (0, 1)."""
        means = x.mean((2, 3))  # (B, C): squeeze
        return torch.sigmoid(self.layers(means))[:, :, None, None]  # excite

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weights(x)


class ChannelGate(nn.Module):
    """CBAM's first half: like SE, but it looks at the largest values as well as at the means.

    Args:
        channels: C of the input.
        reduction: how many times narrower the middle of the two layers is.

    Raises:
        ValueError: fewer channels than `reduction`.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.layers = _bottleneck(channels, reduction)  # shared by both

    def weights(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, 1, 1), each in (0, 1)."""
        both = self.layers(x.mean((2, 3))) + self.layers(x.amax((2, 3)))  # (B, C)
        return torch.sigmoid(both)[:, :, None, None]

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weights(x)


class SpatialGate(nn.Module):
    """CBAM's second half: one weight per place, from the mean and the maximum over the channels.

    Args:
        kernel_size: of the only convolution; odd.

    Raises:
        ValueError: an even kernel size, which would change the size of the map.
    """

    def __init__(self, kernel_size: int = 7) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, such as 7, got {kernel_size}")
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def weights(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, 1, H, W), each in (0, 1)."""
        both = torch.stack([x.mean(1), x.amax(1)], dim=1)  # (B, 2, H, W)
        return torch.sigmoid(self.conv(both))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weights(x)


class CBAM(nn.Module):
    """First which channels, then which places.

    Args:
        channels: C of the input.
        reduction: of the channel gate.
        kernel_size: of the spatial gate.
    """

    def __init__(self, channels: int, reduction: int = 16, kernel_size: int = 7) -> None:
        super().__init__()
        self.channel = ChannelGate(channels, reduction)
        self.spatial = SpatialGate(kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.spatial(self.channel(x))


class SCSA(nn.Module):
    """First which rows and columns, per channel; then which channels, by self-attention.

    The spatial half averages the map over its columns, and over its rows, and sends a quarter of
    the channels through a convolution of width 3, the next through one of 5, 7 and 9: several
    sizes of neighbourhood. Rows and columns share these convolutions. The channel half compares
    every channel with every other on a coarse map, one head, as the second version of the paper
    has it.

    Args:
        channels: C of the input, a multiple of 4.
        window: side of the squares that the coarse map averages; it must fit into the map.
        kernels: four odd widths.

    Raises:
        ValueError: channels that are no multiple of 4, or other kernels than four odd ones.
    """

    def __init__(
        self, channels: int, window: int = 7, kernels: tuple[int, ...] = (3, 5, 7, 9)
    ) -> None:
        super().__init__()
        if channels % GROUPS:
            raise ValueError(f"channels must be a multiple of {GROUPS}, got {channels}")
        if len(kernels) != GROUPS or not all(kernel % 2 for kernel in kernels):
            raise ValueError(f"kernels must be {GROUPS} odd numbers, got {kernels}")
        self.window, width = window, channels // GROUPS
        self.convs = nn.ModuleList(
            nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width) for kernel in kernels
        )
        # A group for each kernel size: what one size sees stays out of the others' statistics.
        self.norm_rows = nn.GroupNorm(GROUPS, channels)
        self.norm_columns = nn.GroupNorm(GROUPS, channels)
        self.norm = nn.GroupNorm(1, channels)
        # 1×1 and one group per channel: each channel's query, key and value is itself, scaled.
        self.query, self.key, self.value = (
            nn.Conv2d(channels, channels, 1, bias=False, groups=channels) for _ in range(3)
        )

    def spatial_weights(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) → weights of rows (B, C, H, 1) and of columns (B, C, 1, W), in (0, 1)."""
        rows = torch.sigmoid(self.norm_rows(self._mixed(x.mean(3))))  # (B, C, H)
        columns = torch.sigmoid(self.norm_columns(self._mixed(x.mean(2))))  # (B, C, W)
        return rows.unsqueeze(3), columns.unsqueeze(2)

    def _mixed(self, profile: Tensor) -> Tensor:
        """(B, C, L) → (B, C, L): a convolution along it, of another width for each quarter."""
        parts = profile.chunk(GROUPS, dim=1)
        return torch.cat([c(part) for c, part in zip(self.convs, parts, strict=True)], dim=1)

    def channel_weights(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, 1, 1), each in (0, 1)."""
        coarse = self.norm(F.avg_pool2d(x, self.window))  # (B, C, H / window, W / window)
        q, k, v = (part(coarse).flatten(2) for part in (self.query, self.key, self.value))
        scores = q @ k.transpose(1, 2) / x.shape[1] ** 0.5  # (B, C, C): channel by channel
        mixed = scores.softmax(dim=2) @ v  # (B, C, places)
        return torch.sigmoid(mixed.mean(2))[:, :, None, None]

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = self.spatial_weights(x)
        x = x * rows * columns
        return x * self.channel_weights(x)


def _bottleneck(channels: int, reduction: int) -> nn.Sequential:
    if reduction < 1 or channels // reduction < 1:
        raise ValueError(
            f"{channels} channels cannot be reduced {reduction} times; choose a reduction from 1 "
            f"to {channels}"
        )
    middle = channels // reduction
    return nn.Sequential(
        nn.Linear(channels, middle, bias=False), nn.ReLU(), nn.Linear(middle, channels, bias=False)
    )
