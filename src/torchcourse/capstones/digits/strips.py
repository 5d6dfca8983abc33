"""Strips for the line reader: from generated pages, and distorted anew each time they are shown."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm

from .ctc import ALPHABET, make_strip
from .expressions import random_expression
from .pages import Glyphs, Style, make_page, random_digits, write_ink
from .preprocess import ink_map
from .segment import find_lines

GRAIN = 0.15  # standard deviation that a photograph leaves on the ink at most, before smoothing


def random_text(rng: np.random.Generator) -> str:
    """Something to read: a number, a sum, or signs in any order."""
    kind = rng.random()
    if kind < 0.5:
        return random_digits(int(rng.integers(1, 9)), rng)
    if kind < 0.9:
        return random_expression(rng, max_tokens=9)
    # Without these the network would learn grammar and read "3+" as "34".
    return "".join(rng.choice(list(ALPHABET), size=rng.integers(1, 9)))


def make_strips(
    count: int, glyphs: Glyphs, style: Style, seed: int, photographed: float = 1.0
) -> tuple[list[Tensor], list[str]]:
    """Write `count` one-line pages and prepare them as at reading time.

    Args:
        count: how many pages.
        glyphs: where their signs come from.
        style: how they are written.
        seed: the same seed gives the same strips.
        photographed: the share of pages that are photographed and freed of light and grain. The
            others keep their ink as it was written, which takes a fifth of the time.

    Returns:
        strips (1, 24, W) uint8, ink is 255, and their texts. Pages on which not exactly one line
        is found are left out: reading them is the task of `find_lines`.
    """
    rng = np.random.default_rng(seed)
    strips, texts = [], []
    for _ in tqdm(range(count), "pages", disable=None):
        text = random_text(rng)
        make_ink = _photographed_ink if rng.random() < photographed else _plain_ink
        lines = find_lines(make_ink(text, glyphs, style, rng))
        if len(lines) == 1:
            strips.append((make_strip(lines[0])[0] * 255).round().byte())
            texts.append(text)
    return strips, texts


def _photographed_ink(
    text: str, glyphs: Glyphs, style: Style, rng: np.random.Generator
) -> np.ndarray:
    page = make_page([text], glyphs, style, rng)
    grey = torch.from_numpy(page.picture).float()[None, None] / 255
    return ink_map(grey)[0, 0].numpy()


def _plain_ink(text: str, glyphs: Glyphs, style: Style, rng: np.random.Generator) -> np.ndarray:
    ink, _ = write_ink([text], glyphs, style, rng)
    # What ink_map does to a photograph: grain is averaged out, and the ink is stretched.
    grain = rng.standard_normal(ink.shape, np.float32) * rng.uniform(0, GRAIN)
    return np.clip(cv2.blur(ink + grain, (3, 3)) * rng.uniform(1.0, 1.3), 0, 1)


def augment_strips(strips: Tensor, generator: torch.Generator) -> Tensor:
    """Stretch, slant, shift and thicken each strip (B, 1, 24, W) a little."""
    n, _, height, width = strips.shape
    u = torch.rand(6, n, generator=generator) * 2 - 1  # each row (B,) in [-1, 1]
    zero = torch.zeros(n)
    slant = 0.2 * u[0] * height / width  # the grid's unit is half a side
    theta = torch.stack(
        [
            torch.stack([1 + 0.06 * u[1], slant, 0.06 * u[1]], 1),  # the left end stays in place
            torch.stack([zero, 1 + 0.10 * u[2], 0.06 * u[3]], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, list(strips.shape), align_corners=False)
    # The writing wobbles: rows and columns move by up to a pixel, smoothly along the line.
    knots = torch.randn(n, 2, 3, max(3, width // 16), generator=generator)
    bend = F.interpolate(knots, (height, width), mode="bicubic", align_corners=True)
    grid = grid + 0.9 * torch.tensor([2 / width, 2 / height]) * bend.permute(0, 2, 3, 1)
    moved = F.grid_sample(strips, grid, mode="bilinear", align_corners=False)
    thick = F.max_pool2d(moved, 3, stride=1, padding=1)
    thin = -F.max_pool2d(-moved, 3, stride=1, padding=1)
    amount = (0.4 * u[4])[:, None, None, None]
    return moved + amount.abs() * (torch.where(amount > 0, thick, thin) - moved)
