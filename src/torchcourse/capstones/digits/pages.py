"""Make pages of handwritten numbers and sums whose text is known.

A page is composed from single digits: of the test part for measuring, of the training part for
training, never mixed. The style says how hard the page is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from torch import Tensor

from .strokes import SYMBOLS, draw_symbol

Box = tuple[int, int, int, int]  # left, top, width, height in pixels


@dataclass(frozen=True)
class Style:
    """How a page is written and photographed. Ranges are (smallest, largest), lengths in pixels
    of a digit 20 pixels high."""

    gap: tuple[float, float] = (3, 9)  # empty columns between neighbours
    touching: float = 0.0  # probability that a digit is pushed against the one before
    slant: tuple[float, float] = (0.0, 0.0)  # sideways per height, either direction
    turn: float = 4.0  # degrees, largest, of each sign
    slope: float = 0.0  # degrees, largest, of the line
    size: tuple[float, float] = (0.85, 1.15)
    weight: tuple[float, float] = (-0.4, 0.6)  # pixels added to the stroke
    zoom: tuple[float, float] = (1.0, 2.2)  # pixels of the picture per pixel of the digit
    shadow: float = 0.0  # share of the light a shadow takes at most
    noise: tuple[float, float] = (0.0, 0.01)  # standard deviation, of black to white
    contrast: tuple[float, float] = (0.55, 0.95)
    inverted: float = 0.0  # probability of light ink on dark paper


STYLES = {
    "clean": Style(),
    "touching": Style(touching=0.6, gap=(1, 5)),
    "slanted": Style(slant=(0.25, 0.55), gap=(2, 7), turn=8, slope=3),
    "uneven light and noise": Style(shadow=0.6, noise=(0.03, 0.07), contrast=(0.45, 0.8)),
    "inverted ink": Style(inverted=1.0),
    "thin and thick pens": Style(weight=(-1.0, 2.0)),
}
# Training sees everything at once, a little wider than what is measured.
TRAINING = Style(
    gap=(0, 10),
    touching=0.4,
    slant=(0.0, 0.55),
    turn=8,
    slope=3,
    size=(0.75, 1.2),
    weight=(-1.0, 1.6),
    shadow=0.5,
    noise=(0.0, 0.06),
    contrast=(0.4, 0.95),
    inverted=0.3,
)
# What most people write, a little wider than "clean" and with some touching.
TIDY = Style(
    gap=(1, 10),
    touching=0.15,
    slant=(0.0, 0.15),
    turn=5,
    size=(0.8, 1.2),
    weight=(-0.6, 0.9),
    shadow=0.3,
    noise=(0.0, 0.04),
    contrast=(0.4, 0.95),
)


@dataclass(frozen=True)
class Page:
    """A picture and what is written on it."""

    picture: np.ndarray  # (H, W) uint8
    lines: tuple[str, ...]  # from top to bottom
    boxes: tuple[tuple[Box, ...], ...]  # of every sign, as the lines go

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class Glyphs:
    """A supply of handwritten signs.

    Args:
        images: (N, 1, 28, 28) uint8 digits, ink is bright.
        labels: (N,) integers 0 to 9.
        symbols: images of symbols, e.g. ``{"+": (M, 28, 28) uint8}``; what is missing is drawn by
            the stroke generator.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, symbols: dict[str, np.ndarray] | None = None
    ) -> None:
        pixels, classes = images[:, 0].numpy(), labels.numpy()
        self._digits = {str(d): pixels[classes == d] for d in range(10)}
        self._symbols = symbols or {}

    def draw(self, sign: str, rng: np.random.Generator) -> np.ndarray:
        """One sign, (28, 28) float32 in ``[0, 1]``, 1 is ink."""
        supply = self._digits.get(sign)
        if supply is None:
            supply = self._symbols.get(sign)
        if supply is not None and len(supply):
            return supply[rng.integers(len(supply))].astype(np.float32) / 255
        if sign in SYMBOLS:
            return draw_symbol(sign, rng)
        raise ValueError(f"no image of {sign!r}; a page holds digits and {' '.join(SYMBOLS)}")


def make_page(lines: Sequence[str], glyphs: Glyphs, style: Style, rng: np.random.Generator) -> Page:
    """Write `lines` below each other and photograph the page.

    Args:
        lines: what to write; digits and ``+ − × ÷ ( )``.
        glyphs: where the signs come from.
        style: one of `STYLES`, or your own.
        rng: seeded, the same page comes out again.
    """
    ink, boxes = write_ink(lines, glyphs, style, rng)
    return Page(_photograph(ink, style, rng), tuple(lines), tuple(map(tuple, boxes)))


def write_ink(
    lines: Sequence[str], glyphs: Glyphs, style: Style, rng: np.random.Generator
) -> tuple[np.ndarray, list[list[Box]]]:
    """The ink (H, W) in ``[0, 1]`` of a page that nobody has photographed yet, and its boxes."""
    zoom = rng.uniform(*style.zoom)
    # One hand writes a page: slant, pen and size hardly change within it.
    slant = rng.uniform(*style.slant) * rng.choice([-1, 1])
    hand = replace(style, slant=(slant, slant))
    weight = rng.uniform(*style.weight)
    written = [_write_line(line, glyphs, hand, weight, zoom, rng) for line in lines]
    return _stack(written, zoom, rng)


def random_digits(length: int, rng: np.random.Generator) -> str:
    """A string of `length` digits, each equally likely."""
    return "".join(map(str, rng.integers(0, 10, size=length)))


def _write_line(
    line: str,
    glyphs: Glyphs,
    style: Style,
    weight: float,
    zoom: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, list[Box]]:
    """Ink (H, W) of one line and the boxes of its signs."""
    height = round(44 * zoom)
    canvas = np.zeros((height, round((len(line) + 2) * 40 * zoom)), np.float32)
    boxes, end = [], round(8 * zoom)
    for sign in line:
        image = _deform(glyphs.draw(sign, rng), sign, style, weight, zoom, rng)
        glyph, y = _cut(image)
        # Digits stand on the line's middle whatever their height; symbols keep their own place.
        middle = height / 2 - glyph.shape[0] / 2
        y = middle if sign.isdigit() else y + (height - image.shape[0]) / 2
        y = int(np.clip(y + rng.normal(0, 0.8) * zoom, 0, height - glyph.shape[0]))
        x = _place(canvas, glyph, y, end, style, zoom, rng) if boxes else end
        box = (x, y, glyph.shape[1], glyph.shape[0])
        area = canvas[y : y + box[3], x : x + box[2]]
        np.maximum(area, glyph, out=area)
        boxes.append(box)
        end = max(end, x + box[2])
    return _slope(canvas[:, : end + round(8 * zoom)], boxes, style, rng)


def _deform(
    image: np.ndarray,
    sign: str,
    style: Style,
    weight: float,
    zoom: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Turn, slant, scale and thicken one sign; (28, 28) to (42 · zoom, 42 · zoom)."""
    scale = rng.uniform(*style.size) * zoom
    angle = np.deg2rad(rng.uniform(-style.turn, style.turn))
    # A slanted minus is still level: symbols lean less than digits.
    slant = style.slant[0] * (1.0 if sign.isdigit() else 0.3)
    matrix = np.array([[np.cos(angle), -np.sin(angle) - slant], [np.sin(angle), np.cos(angle)]])
    matrix = matrix * scale
    side = round(42 * zoom)
    offset = side / 2 - matrix @ np.array([13.5, 13.5])
    affine = np.column_stack([matrix, offset])
    moved = cv2.warpAffine(image, affine, (side, side), flags=cv2.INTER_LINEAR)
    radius = weight * zoom / 2
    if abs(radius) < 0.3:
        return moved
    size = 2 * int(np.ceil(abs(radius))) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    thick = cv2.dilate(moved, kernel) if radius > 0 else cv2.erode(moved, kernel)
    share = abs(radius) / np.ceil(abs(radius))  # the kernel comes in whole pixels only
    changed = moved + share * (thick - moved)
    return changed if changed.max() > 0.5 else moved  # a thin pen must not erase the sign


def _cut(image: np.ndarray) -> tuple[np.ndarray, int]:
    """Cut to the ink; also the row it began in."""
    rows, columns = np.nonzero(image.max(1) > 0.15)[0], np.nonzero(image.max(0) > 0.15)[0]
    if not len(rows):
        raise ValueError("a sign without ink cannot be written")
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], int(rows[0])


def _place(
    canvas: np.ndarray,
    glyph: np.ndarray,
    y: int,
    end: int,
    style: Style,
    zoom: float,
    rng: np.random.Generator,
) -> int:
    """The column where the next sign begins."""
    gap = rng.uniform(*style.gap) * zoom
    touches = rng.random() < style.touching
    if not touches and style.slant[0] == 0:
        return end + round(gap)
    # Distance between the two signs row by row: slanted signs reach under each other.
    near = max(0, end - round(40 * zoom))  # ink further to the left is never met
    before = canvas[y : y + glyph.shape[0], near:end] > 0.3
    right = np.where(before.any(1), end - 1 - before[:, ::-1].argmax(1), -10_000)
    inked = glyph > 0.3
    left = np.where(inked.any(1), inked.argmax(1), 10_000)
    for _ in range(2):  # a diagonal neighbour is a neighbour too
        around = np.concatenate([right[-1:], right, right[:1]])
        right = np.maximum(right, np.maximum(around[:-2], around[2:]))
    contact = int((right - left).max()) + 1  # here the two just meet
    lowest = end - round(0.5 * 20 * zoom)  # never further under the last sign than this
    if touches:
        return max(lowest, contact - round(rng.uniform(0, 1.5) * zoom))
    return max(lowest, contact + round(gap))


def _slope(
    canvas: np.ndarray, boxes: list[Box], style: Style, rng: np.random.Generator
) -> tuple[np.ndarray, list[Box]]:
    """Let the line climb or fall."""
    rise = np.tan(np.deg2rad(rng.uniform(-style.slope, style.slope)))
    height, width = canvas.shape
    extra = int(np.ceil(abs(rise) * width))
    if extra == 0:
        return canvas, boxes
    start = extra if rise < 0 else 0
    affine = np.array([[1, 0, 0], [rise, 1, start]], np.float32)
    moved = cv2.warpAffine(canvas, affine, (width, height + extra))
    return moved, [(x, round(y + start + rise * (x + w / 2)), w, h) for x, y, w, h in boxes]


def _stack(
    written: list[tuple[np.ndarray, list[Box]]], zoom: float, rng: np.random.Generator
) -> tuple[np.ndarray, list[list[Box]]]:
    """Put the lines below each other on a sheet with a margin."""
    margin = round(rng.uniform(4, 16) * zoom)
    indents = [margin + round(rng.uniform(0, 12) * zoom) for _ in written]
    width = max(i + ink.shape[1] for i, (ink, _) in zip(indents, written, strict=True)) + margin
    rows, boxes, top = [], [], margin
    for indent, (ink, line) in zip(indents, written, strict=True):
        row = np.zeros((ink.shape[0], width), np.float32)
        row[:, indent : indent + ink.shape[1]] = ink
        rows.append(row)
        boxes.append([(x + indent, y + top, w, h) for x, y, w, h in line])
        top += ink.shape[0]
    edge = np.zeros((margin, width), np.float32)
    return np.concatenate([edge, *rows, edge]), boxes


def _photograph(ink: np.ndarray, style: Style, rng: np.random.Generator) -> np.ndarray:
    """Ink (H, W) in [0, 1] to a grey picture (H, W) uint8 with light, shadow and grain."""
    white = rng.uniform(0.8, 1.0)
    contrast = min(rng.uniform(*style.contrast), white)
    page = white - contrast * ink
    if rng.random() < style.inverted:
        page = 1 - page
    page = page * _light(ink.shape, style.shadow, rng)
    page = page + rng.normal(0, rng.uniform(*style.noise), size=ink.shape)
    return (np.clip(page, 0, 1) * 255).round().astype(np.uint8)


def _light(shape: tuple[int, int], strength: float, rng: np.random.Generator) -> np.ndarray:
    """Light falling off to one side, and a shadow with a soft edge across the page."""
    if strength == 0:
        return np.ones(shape, np.float32)
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    direction = rng.uniform(0, 2 * np.pi, size=2)
    fall = (x * np.cos(direction[0]) + y * np.sin(direction[0]) + 1.5) / 3  # about 0 to 1
    edge = x * np.cos(direction[1]) + y * np.sin(direction[1]) - rng.uniform(-0.7, 0.7)
    softness = rng.uniform(0.05, 0.3)
    shade = 1 / (1 + np.exp(-edge / softness))
    depth = rng.uniform(0.4, 1.0) * strength
    return 1 - depth * (0.4 * fall + 0.6 * shade)
