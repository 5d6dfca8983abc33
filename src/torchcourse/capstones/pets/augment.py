"""Random changes for whole batches of pictures: other framings, other light, things in front.

One call works on the whole batch, each picture by its own amount: on a CPU that is many times
faster than a pipeline of transforms called picture by picture (lesson "Fast input").
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

AREA = (0.45, 1.0)  # share of the picture that a crop keeps; less, and the animal may be gone
STRETCH = 4 / 3  # the crop's sides differ by this factor at most
ANGLE = 15.0  # degrees
LIGHT = 0.35  # brightness, contrast and saturation change by up to this share
GREY = 0.1  # share of pictures that lose their colours
ERASED = 0.2  # share of pictures with a rectangle blotted out
ERASED_AREA = (0.05, 0.25)
GREY_OF = (0.299, 0.587, 0.114)  # how bright red, green and blue look (ITU-R BT.601)


def augment(images: Tensor, size: int, generator: torch.Generator | None = None) -> Tensor:
    """Crop, turn, mirror, relight and partly hide each picture. For training only.

    Args:
        images: (N, 3, H, W) uint8, or float in ``[0, 1]``.
        size: side of the result in pixels.
        generator: where the randomness comes from (CPU); the global one if None.

    Returns:
        (N, 3, size, size) float in ``[0, 1]``.
    """
    floats = images.float() / 255 if images.dtype == torch.uint8 else images
    theta = _random_crops(len(images), generator).to(floats)  # (N, 2, 3)
    grid = F.affine_grid(theta, [len(images), 3, size, size], align_corners=False)
    cropped = F.grid_sample(floats, grid, padding_mode="reflection", align_corners=False)
    return _hide(_relight(cropped, generator), generator)


def mix(
    images: Tensor, labels: Tensor, classes: int, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Give each picture a rectangle of another one, and its label the same share (CutMix).

    Args:
        images: (N, 3, H, W).
        labels: (N,) int64.
        classes: how many there are.
        generator: where the randomness comes from (CPU).

    Returns:
        images like those given, and targets (N, classes) whose rows add up to 1.

    Yun et al., "CutMix: regularization strategy to train strong classifiers" (2019).
    """
    height, width = images.shape[2:]
    partner = torch.randperm(len(images), generator=generator)
    share = torch.rand((), generator=generator).item()  # of the picture that is kept
    inside = _rectangles(
        torch.full((len(images),), 1 - share), height, width, generator, stretch=1
    ).to(images.device)
    mixed = torch.where(inside, images[partner], images)
    kept = 1 - inside.float().mean((1, 2, 3))[:, None]  # (N, 1)
    targets = F.one_hot(labels, classes).float()
    return mixed, kept * targets + (1 - kept) * targets[partner]


def _uniform(n: int, low: float, high: float, generator: torch.Generator | None) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=generator)


def _random_crops(n: int, generator: torch.Generator | None) -> Tensor:
    """Affine maps (N, 2, 3) from the result's coordinates, -1 to 1, to the picture's."""
    side = _uniform(n, *AREA, generator).sqrt()
    stretch = (_uniform(n, -1, 1, generator) * math.log(STRETCH) / 2).exp()
    wide, high = (side * stretch).clamp(max=1), (side / stretch).clamp(max=1)
    angle = _uniform(n, -ANGLE, ANGLE, generator) * math.pi / 180
    mirrored = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    right = _uniform(n, -1, 1, generator) * (1 - wide)  # the crop's centre
    down = _uniform(n, -1, 1, generator) * (1 - high)
    cos, sin = angle.cos(), angle.sin()
    rows = [
        torch.stack([mirrored * wide * cos, -high * sin, right], 1),
        torch.stack([mirrored * wide * sin, high * cos, down], 1),
    ]
    return torch.stack(rows, 1)


def _relight(images: Tensor, generator: torch.Generator | None) -> Tensor:
    """Brightness, contrast and saturation, as other cameras and hours would have given them."""
    n = len(images)
    factors = 1 + LIGHT * (2 * torch.rand(3, n, 1, 1, 1, generator=generator) - 1)
    brightness, contrast, saturation = factors.to(images)
    weights = torch.tensor(GREY_OF).view(3, 1, 1).to(images)
    images = images * brightness
    average = images.mean((1, 2, 3), keepdim=True)
    images = average + (images - average) * contrast
    colourless = (torch.rand(n, 1, 1, 1, generator=generator) < GREY).to(images.device)
    grey = (images * weights).sum(1, keepdim=True)
    return (grey + (images - grey) * saturation.masked_fill(colourless, 0)).clamp(0, 1)


def _hide(images: Tensor, generator: torch.Generator | None) -> Tensor:
    """Blot a rectangle out with one colour, so that no single part of an animal is relied on.

    Zhong et al., "Random erasing data augmentation" (2017).
    """
    n, _, height, width = images.shape
    area = _uniform(n, *ERASED_AREA, generator)
    area[torch.rand(n, generator=generator) >= ERASED] = 0
    inside = _rectangles(area, height, width, generator, stretch=2)
    colour = torch.rand(n, 3, 1, 1, generator=generator)
    return torch.where(inside.to(images.device), colour.to(images), images)


def _rectangles(
    area: Tensor, height: int, width: int, generator: torch.Generator | None, stretch: float
) -> Tensor:
    """Masks (N, 1, height, width) bool of rectangles that cover `area` (N,) of the whole."""
    n = len(area)
    ratio = (_uniform(n, -1, 1, generator) * math.log(stretch) / 2).exp()
    inside = torch.ones(n, 1, 1, 1, dtype=torch.bool)
    for size, share, shape in (
        (height, (area.sqrt() * ratio).clamp(max=1), (n, 1, height, 1)),
        (width, (area.sqrt() / ratio).clamp(max=1), (n, 1, 1, width)),
    ):
        length = (share * size).round()
        start = (torch.rand(n, generator=generator) * (size - length + 1)).floor()
        place = torch.arange(size)
        covered = (place >= start[:, None]) & (place < (start + length)[:, None])  # (N, size)
        inside = inside & covered.view(shape)
    return inside
