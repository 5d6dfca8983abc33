"""Random affine and elastic changes for whole batches: what other hands might have written."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

ANGLE = 9.0  # degrees; from about 25 on, 6 and 9 or 1 and 7 begin to mix
SCALE = 0.10
SHEAR = 0.12
SHIFT = 1.5  # pixels: the preprocessing centres the digit, so only its errors need covering
ELASTIC = 0.7  # pixels
KNOTS = 5  # the displacement is smooth: random at 5 × 5 knots, cubic between them
WEIGHT = 0.25  # how much of a thicker or thinner stroke is mixed in at most


def augment(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Distort each image of a batch by its own random amount.

    Args:
        images: (N, 1, H, W) float in ``[0, 1]``, ink is bright.
        generator: where the randomness comes from (CPU); the global one if None.

    Returns:
        (N, 1, H, W) float in ``[0, 1]``.

    Affine and elastic distortion follow Simard, Steinkraus and Platt, "Best practices for
    convolutional neural networks applied to visual document analysis" (2003).
    """
    n, _, height, width = images.shape
    theta = _random_affine(n, height, width, generator)  # (N, 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)  # (N, H, W, 2)
    knots = torch.randn(n, 2, KNOTS, KNOTS, generator=generator)
    bend = F.interpolate(knots, (height, width), mode="bicubic", align_corners=True)
    pixels = torch.tensor([2 / width, 2 / height])  # one pixel in units of the grid
    grid = grid + ELASTIC * pixels * bend.permute(0, 2, 3, 1)
    moved = F.grid_sample(images, grid.to(images), mode="bilinear", align_corners=False)
    return _vary_weight(moved, generator)


def _random_affine(n: int, height: int, width: int, generator: torch.Generator | None) -> Tensor:
    angle, shear, zoom_x, zoom_y, shift_x, shift_y = (
        torch.rand(6, n, generator=generator) * 2 - 1
    )  # each (N,) in [-1, 1]
    angle, shear = angle * ANGLE * math.pi / 180, shear * SHEAR
    zoom_x, zoom_y = 1 + SCALE * zoom_x, 1 + SCALE * zoom_y
    cos, sin = angle.cos(), angle.sin()
    rows = [
        torch.stack([zoom_x * cos, zoom_y * (shear * cos - sin), shift_x * 2 * SHIFT / width], 1),
        torch.stack([zoom_x * sin, zoom_y * (shear * sin + cos), shift_y * 2 * SHIFT / height], 1),
    ]
    return torch.stack(rows, 1)


def _vary_weight(images: Tensor, generator: torch.Generator | None) -> Tensor:
    """Thicken or thin the strokes: pens differ more than hands do."""
    amount = (torch.rand(len(images), 1, 1, 1, generator=generator) * 2 - 1) * WEIGHT
    amount = amount.to(images)
    thick = F.max_pool2d(images, 3, stride=1, padding=1)
    thin = -F.max_pool2d(-images, 3, stride=1, padding=1)
    target = torch.where(amount > 0, thick, thin)
    return images + amount.abs() * (target - images)
