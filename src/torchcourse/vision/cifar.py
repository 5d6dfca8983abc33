"""A network for pictures of 32×32 pixels that is taught in minutes, after K. Jordan's airbench94.

Paper: https://arxiv.org/abs/2404.00498. The lesson "CIFAR-10" builds and explains every part; how
it is trained stands in `torchcourse.vision.cifar_training`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["WIDTHS", "CifarNet", "ConvGroup", "patches", "whitening_filters"]

WIDTHS = (64, 256, 256)  # channels after each of the three groups
PATCH = 2  # pixels: side of the patches that are whitened
WHITENING_PICTURES = 5_000  # enough for a matrix of 12×12 numbers
NORM_MOMENTUM = 0.4  # of the running statistics; PyTorch's 0.1 is too slow for 500 steps
NORM_EPS = 1e-12
LOGIT_SCALE = 1 / 9  # so that the first logits are small beside what the label asks for


def patches(images: Tensor, size: int = PATCH) -> Tensor:
    """Every patch of every image, one row each.

    Args:
        images: (N, C, H, W) float.
        size: side of a patch in pixels.

    Returns:
        (N · (H - size + 1) · (W - size + 1), C · size · size) float.
    """
    columns = F.unfold(images, size)  # (N, C·size·size, places)
    return columns.transpose(1, 2).reshape(-1, columns.shape[1])


def whitening_filters(images: Tensor, size: int = PATCH, eps: float = 5e-4) -> Tensor:
    """Filters whose answers on these images are uncorrelated and about equally strong.

    They are the eigenvectors of the patches' second moments, each divided by the square root of
    its eigenvalue, the strongest direction first.

    Args:
        images: (N, C, H, W) float, normalised as the network will see them.
        size: side of a patch in pixels.
        eps: added to the eigenvalues, so that directions of mere noise are not blown up.

    Returns:
        (C · size · size, C, size, size): as many filters as a patch has numbers.
    """
    rows = patches(images, size)  # (P, D)
    moments = rows.T @ rows / len(rows)  # (D, D)
    eigenvalues, eigenvectors = torch.linalg.eigh(moments)  # ascending
    filters = (eigenvectors / (eigenvalues + eps).sqrt()).T.flip(0)  # a row each, strongest first
    return filters.reshape(-1, images.shape[1], size, size)


class ConvGroup(nn.Module):
    """Convolution, pooling to half the side, convolution: a third of the network."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = _dirac_conv(in_channels, out_channels)
        self.norm1 = _batch_norm(out_channels)
        self.conv2 = _dirac_conv(out_channels, out_channels)
        self.norm2 = _batch_norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:  # (B, in, H, W)
        x = F.max_pool2d(self.conv1(x), 2)  # (B, out, H / 2, W / 2)
        x = F.gelu(self.norm1(x))
        return F.gelu(self.norm2(self.conv2(x)))


class CifarNet(nn.Module):
    """Whitening, three groups, the largest value of each channel, one linear layer.

    Args:
        widths: channels after each group.
        in_channels: of the pictures.
        num_classes: number of logits.

    Input (B, in_channels, H, W) float in ``[0, 1]``, H and W at least 17. Output (B, num_classes)
    logits. Call `fit_to` with training pictures before training: it sets the normalisation and
    the whitening filters, which stay as they are from then on.
    """

    def __init__(
        self, widths: tuple[int, ...] = WIDTHS, in_channels: int = 3, num_classes: int = 10
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, in_channels, 1, 1))
        self.register_buffer("std", torch.ones(1, in_channels, 1, 1))
        whitened = 2 * in_channels * PATCH**2  # each filter and its negative
        self.whiten = nn.Conv2d(in_channels, whitened, PATCH)
        self.whiten.weight.requires_grad_(False)
        nn.init.zeros_(self.whiten.bias)
        channels = (whitened, *widths)
        self.groups = nn.Sequential(*map(ConvGroup, channels[:-1], channels[1:]))
        self.head = nn.Linear(widths[-1], num_classes, bias=False)

    @torch.no_grad()
    def fit_to(self, images: Tensor) -> CifarNet:
        """Set mean, spread and whitening from *training* pictures (N, C, H, W) uint8."""
        pixels = images.float() / 255
        self.mean.copy_(pixels.mean((0, 2, 3), keepdim=True))
        self.std.copy_(pixels.std((0, 2, 3), keepdim=True))
        first = (pixels[:WHITENING_PICTURES] - self.mean) / self.std
        filters = whitening_filters(first)
        self.whiten.weight.copy_(torch.cat([filters, -filters]))
        return self

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        x = (x - self.mean) / self.std
        x = F.gelu(self.whiten(x))  # (B, 24, H - 1, W - 1)
        x = self.groups(x)  # (B, widths[-1], 3, 3) for 32×32 pixels
        x = x.amax((2, 3))  # (B, widths[-1])
        return self.head(x) * LOGIT_SCALE  # (B, num_classes)


def _dirac_conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A 3×3 convolution whose first channels hand on what comes in, as a skip connection would."""
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(conv.weight[:in_channels])
    return conv


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    """BatchNorm with a trained shift and no trained scale."""
    norm = nn.BatchNorm2d(channels, eps=NORM_EPS, momentum=NORM_MOMENTUM)
    norm.weight.requires_grad_(False)
    return norm
