"""Handwritten-looking symbols + − × ÷ ( ), drawn as wobbling pen strokes.

No data set of symbols ships with the course, so the course draws its own. Each symbol is a list
of strokes, each stroke a curve given by three points; every drawing moves the points, turns and
stretches the symbol and picks another pen.
"""

from __future__ import annotations

import numpy as np

SIZE = 28  # pixels a side, like a digit of MNIST, so that both can stand in one line
SYMBOLS = "+−×÷()"

# Start, middle and end of each stroke; x to the right, y down, one unit is half a digit's height.
# A dot is a stroke that hardly moves.
STROKES: dict[str, list[list[tuple[float, float]]]] = {
    "+": [[(-0.62, 0), (0, 0), (0.62, 0)], [(0, -0.62), (0, 0), (0, 0.62)]],
    "−": [[(-0.62, 0), (0, 0), (0.62, 0)]],
    "×": [[(-0.5, -0.5), (0, 0), (0.5, 0.5)], [(0.5, -0.5), (0, 0), (-0.5, 0.5)]],
    "÷": [
        [(-0.62, 0), (0, 0), (0.62, 0)],
        [(-0.03, -0.46), (0, -0.46), (0.03, -0.46)],
        [(-0.03, 0.46), (0, 0.46), (0.03, 0.46)],
    ],
    "(": [[(0.22, -1.1), (-0.42, 0), (0.22, 1.1)]],
    ")": [[(-0.22, -1.1), (0.42, 0), (-0.22, 1.1)]],
}


def draw_symbol(symbol: str, rng: np.random.Generator) -> np.ndarray:
    """Draw one symbol, different each time.

    Args:
        symbol: one of ``+ − × ÷ ( )``. The minus is U+2212, not a hyphen.
        rng: where the variation comes from.

    Returns:
        (28, 28) float32 in ``[0, 1]``, 1 is ink.
    """
    if symbol not in STROKES:
        raise ValueError(f"cannot draw {symbol!r}; known symbols are {' '.join(SYMBOLS)}")
    size = SIZE * 0.36 * rng.uniform(0.75, 1.2)  # pixels per unit
    stretch = rng.uniform(0.8, 1.25, size=2)
    turn = np.deg2rad(rng.normal(0, 4))
    shift = rng.normal(0, 0.8, size=2)
    width = rng.uniform(1.7, 3.6)
    ink = np.zeros((SIZE, SIZE), np.float32)
    for stroke in STROKES[symbol]:
        points = np.array(stroke) * stretch + rng.normal(0, 0.055, size=(3, 2))
        points = points * size @ rotation(turn) + SIZE / 2 + shift
        radius = width / 2 * rng.uniform(0.85, 1.15)
        if symbol == "÷" and np.ptp(points, axis=0).max() < size / 3:
            radius *= rng.uniform(1.0, 1.4)  # dots come out heavier than lines
        ink = np.maximum(ink, draw_curve(points, radius))
    return ink


def draw_symbols(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """`count` drawings (28, 28) uint8 of every symbol, as `pages.Glyphs` takes them."""
    return {
        symbol: (np.stack([draw_symbol(symbol, rng) for _ in range(count)]) * 255)
        .round()
        .astype(np.uint8)
        for symbol in SYMBOLS
    }


def rotation(angle: float) -> np.ndarray:
    """The 2 × 2 matrix that turns row vectors by `angle` radians."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def draw_curve(points: np.ndarray, radius: float) -> np.ndarray:
    """Ink of a round pen that follows the quadratic Bézier curve through three points.

    Args:
        points: (3, 2) x and y in pixels: start, where the curve passes at its middle, end.
        radius: of the pen in pixels.

    Returns:
        (28, 28) float32: how much of each pixel is covered, from its distance to the curve.
    """
    start, middle, end = points
    control = 2 * middle - (start + end) / 2  # so that the curve passes through `middle`
    t = np.linspace(0, 1, 24)[:, None]
    path = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end  # (24, 2)
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    distance = np.hypot(x[..., None] - path[:, 0], y[..., None] - path[:, 1]).min(-1)
    return np.clip(radius + 0.5 - distance, 0, 1).astype(np.float32)
