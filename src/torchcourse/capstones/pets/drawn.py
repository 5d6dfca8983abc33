"""Drawn cats and dogs, for those without photographs: the bundled stand-in of capstone 2.

Every animal has its own colours, size, place, tilt, fur pattern and background, drawn from the same
distribution for both classes: no average picture tells them apart. What does is how a face is
built: a cat has upright, pointed ears, a short muzzle and whiskers; a dog has ears that hang, or
stand and are rounder, and a long muzzle with a large nose, sometimes a tongue.
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

CLASSES = ("cat", "dog")
FINER = 3  # drawn this much larger, then shrunk: smooth edges
Colour = tuple[int, int, int]
Point = tuple[float, float]


def draw(label: int, seed: int, size: int = 96) -> Image.Image:
    """One picture.

    Args:
        label: 0 for a cat, 1 for a dog.
        seed: of everything random in the picture, at least 0.
        size: side in pixels, at least 16.

    Returns:
        A square RGB picture; the same arguments give the same picture.

    Raises:
        ValueError: another label, or a size below 16.
    """
    if label not in (0, 1):
        raise ValueError(f"label is 0 (cat) or 1 (dog), not {label!r}.")
    if size < 16:
        raise ValueError(f"size is at least 16 pixels, not {size}.")
    random = np.random.default_rng([seed, label])
    return _Scene(random, size).finish(label)


def load(count: int, first_seed: int = 0, size: int = 96) -> tuple[Tensor, Tensor]:
    """Many pictures, cats and dogs in turn.

    Args:
        count: how many.
        first_seed: picture i is drawn with seed first_seed + i; ranges that do not overlap give
            sets that share no picture.
        size: side in pixels.

    Returns:
        images (N, 3, size, size) uint8, labels (N,) int64.
    """
    labels = torch.arange(count) % 2
    drawn = [np.asarray(draw(int(y), first_seed + i, size)) for i, y in enumerate(labels)]
    stacked = np.stack(drawn) if drawn else np.empty((0, size, size, 3), np.uint8)  # (N, H, W, C)
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).contiguous(), labels


@dataclass
class _Face:
    """Where the head is, in pixels of the large canvas, and its colours."""

    centre: Point
    radius: float
    tilt: float  # radians
    squash: float  # height over width
    fur: Colour
    second: Colour

    def at(self, x: float, y: float) -> Point:
        """From the head's own coordinates (radius 1, y downwards) to the canvas."""
        x, y = x * self.radius, y * self.radius * self.squash
        cos, sin = math.cos(self.tilt), math.sin(self.tilt)
        return self.centre[0] + cos * x - sin * y, self.centre[1] + sin * x + cos * y


class _Scene:
    def __init__(self, random: np.random.Generator, size: int) -> None:
        self.random, self.size, self.side = random, size, size * FINER
        self.image = self._background()
        self.pen = ImageDraw.Draw(self.image)

    def finish(self, label: int) -> Image.Image:
        face = self._face()
        self._body(face)
        (self._cat if label == 0 else self._dog)(face)
        for _ in range(self.random.integers(0, 3)):  # something in front, a blade or a bar
            self._clutter(self.random.uniform(0.02, 0.06))
        small = self.image.resize((self.size, self.size), Image.Resampling.BOX)
        return self._as_photographed(small)

    # ---- shared by both -----------------------------------------------------------------------

    def _u(self, low: float, high: float) -> float:
        return float(self.random.uniform(low, high))

    def _background(self) -> Image.Image:
        top, bottom = (np.array(self._colour(0.7), float) for _ in range(2))
        ramp = np.linspace(0, 1, self.side)[:, None, None]  # (S, 1, 1)
        canvas = np.broadcast_to(top + ramp * (bottom - top), (self.side, self.side, 3))
        image = Image.fromarray(canvas.astype(np.uint8))
        if self.random.random() < 0.5:
            image = image.transpose(Image.Transpose.ROTATE_90)
        self.pen, self.image = ImageDraw.Draw(image), image
        for _ in range(self.random.integers(2, 7)):
            self._clutter(self._u(0.08, 0.35))
        return image.filter(ImageFilter.GaussianBlur(self._u(0, 3) * FINER))

    def _clutter(self, width: float) -> None:
        x, y = self._u(0, self.side), self._u(0, self.side)
        across = width * self.side
        shape = self.random.integers(3)
        if shape == 0:
            self.pen.ellipse((x - across, y - across, x + across, y + across), self._colour(0.7))
        elif shape == 1:
            corners = [(x + self._u(-1, 1) * across, y + self._u(-1, 1) * across) for _ in range(3)]
            self.pen.polygon(corners, self._colour(0.7))
        else:
            end = (x + self._u(-1, 1) * self.side, y + self._u(-1, 1) * self.side)
            self.pen.line((x, y, *end), self._colour(0.7), width=max(1, int(across / 3)))

    def _colour(self, saturation: float) -> Colour:
        hue, value = self.random.random(), self._u(0.15, 1)
        rgb = colorsys.hsv_to_rgb(hue, self._u(0, saturation), value)
        return tuple(int(255 * part) for part in rgb)

    def _fur(self) -> Colour:
        """Black to white, by way of grey, brown and ginger: the same for both animals."""
        rgb = colorsys.hsv_to_rgb(self._u(0.03, 0.12), self._u(0, 0.7), self._u(0.1, 1))
        return tuple(int(255 * part) for part in rgb)

    def _face(self) -> _Face:
        radius = self._u(0.16, 0.28) * self.side
        centre = tuple(self._u(0.3, 0.7) * self.side for _ in range(2))
        tilt, squash = self._u(-0.5, 0.5), self._u(0.85, 1.15)
        return _Face(centre, radius, tilt, squash, self._fur(), self._fur())

    def _body(self, face: _Face) -> None:
        side = self._u(-1.2, 1.2)
        self._oval(face, side, 1.9, self._u(0.9, 1.6), self._u(1.0, 1.6), face.fur)

    def _head(self, face: _Face) -> None:
        self._oval(face, 0, 0, 1, 1, face.fur)
        pattern = self.random.integers(3)
        if pattern == 0:  # a patch over one eye
            self._oval(face, self._u(-0.5, 0.5), -0.3, 0.4, 0.4, face.second)
        elif pattern == 1:  # stripes on the forehead
            for x in (-0.3, 0, 0.3):
                self._line(face, [(x, -0.95), (x * 0.8, -0.5)], face.second, 0.08)

    def _eyes(self, face: _Face, height: float, apart: float, slit: bool) -> None:
        iris = self._colour(0.9)
        for side in (-1, 1):
            self._oval(face, side * apart, height, 0.2, 0.18, iris)
            self._oval(face, side * apart, height, 0.06 if slit else 0.12, 0.15, (15, 12, 12))
            self._oval(face, side * apart + 0.04, height - 0.06, 0.035, 0.035, (250, 250, 250))

    def _oval(
        self, face: _Face, x: float, y: float, wide: float, high: float, colour: Colour
    ) -> None:
        turn = np.linspace(0, 2 * math.pi, 40, endpoint=False)
        rim = [face.at(x + wide * math.cos(t), y + high * math.sin(t)) for t in turn]
        self.pen.polygon(rim, colour)

    def _polygon(self, face: _Face, corners: list[Point], colour: Colour) -> None:
        self.pen.polygon([face.at(*corner) for corner in corners], colour)

    def _line(self, face: _Face, points: list[Point], colour: Colour, width: float) -> None:
        drawn = max(1, int(width * face.radius))
        self.pen.line([face.at(*point) for point in points], colour, drawn, joint="curve")

    # ---- what tells them apart ----------------------------------------------------------------

    def _cat(self, face: _Face) -> None:
        height, lean = self._u(1.35, 1.7), self._u(0.55, 0.85)
        for side in (-1, 1):
            ear = [(side * 0.95, -0.3), (side * lean, -height), (side * 0.2, -0.9)]
            self._polygon(face, ear, face.fur)
            inner = [(0.75 * x, 0.8 * y - 0.1) for x, y in ear]
            self._polygon(face, inner, face.second)
        self._head(face)
        self._eyes(face, self._u(-0.2, 0), self._u(0.38, 0.5), self.random.random() < 0.6)
        self._oval(face, 0, 0.4, 0.32, 0.24, face.second)
        self._polygon(face, [(-0.1, 0.28), (0.1, 0.28), (0, 0.4)], (210, 120, 130))
        whisker = self._colour(0.1)
        for side in (-1, 1):
            for slope in (-0.15, 0.02, 0.2):
                end = (side * self._u(1.0, 1.5), 0.4 + slope)
                self._line(face, [(side * 0.25, 0.42), end], whisker, 0.03)

    def _dog(self, face: _Face) -> None:
        hanging = self.random.random() < 0.65
        ears = face.second if self.random.random() < 0.5 else face.fur
        if not hanging:
            for side in (-1, 1):  # upright like a cat's, but round at the top
                self._oval(face, side * 0.68, -0.95, 0.34, self._u(0.5, 0.75), ears)
        self._head(face)
        if hanging:
            drop = self._u(0.1, 0.5)
            for side in (-1, 1):
                self._oval(face, side * 0.98, drop, 0.28, self._u(0.6, 0.9), ears)
        self._eyes(face, self._u(-0.35, -0.15), self._u(0.35, 0.48), False)
        length = self._u(0.45, 0.65)
        self._oval(face, 0, 0.45, 0.42, length, face.second)
        if self.random.random() < 0.4:
            self._oval(face, 0, 0.5 + length, 0.15, 0.28, (220, 90, 100))  # a tongue
        self._oval(face, 0, 0.25, 0.2, 0.14, (25, 20, 20))
        self._line(face, [(0, 0.35), (0, 0.45 + 0.6 * length)], (60, 40, 40), 0.05)

    def _as_photographed(self, image: Image.Image) -> Image.Image:
        """Light and noise of a camera."""
        pixels = np.asarray(image, np.float32) / 255  # (H, W, C)
        pixels = pixels ** self._u(0.7, 1.4) * self._u(0.7, 1.15)
        pixels = pixels + self.random.normal(0, self._u(0.01, 0.05), pixels.shape)
        return Image.fromarray((255 * pixels.clip(0, 1)).round().astype(np.uint8))
