"""Pen strokes of digits and symbols, as a hand might draw them on the demo's sheet."""

from __future__ import annotations

import numpy as np

Stroke = list[list[float]]  # [x, y] points

# Strokes of each sign: x from 0 to 1 across, y from 0 at the top of a digit to 1 at its foot.
PATHS = {
    "0": [[(0.5, 0), (0.1, 0.25), (0.1, 0.75), (0.5, 1), (0.9, 0.7), (0.85, 0.25), (0.45, 0)]],
    "1": [[(0.5, 0), (0.48, 0.5), (0.5, 1)]],
    "2": [
        [(0.1, 0.25), (0.3, 0.02), (0.7, 0.02), (0.85, 0.3), (0.55, 0.65), (0.1, 1)],
        [(0.1, 1), (0.95, 0.98)],
    ],
    "3": [
        [(0.1, 0.1), (0.5, 0), (0.85, 0.2), (0.4, 0.47)],
        [(0.4, 0.47), (0.9, 0.68), (0.6, 1), (0.1, 0.92)],
    ],
    "4": [[(0.5, 0), (0.05, 0.65)], [(0.05, 0.65), (0.95, 0.65)], [(0.7, 0.35), (0.7, 1)]],
    "5": [
        [(0.85, 0), (0.2, 0)],
        [(0.2, 0), (0.15, 0.45)],
        [(0.15, 0.45), (0.6, 0.38), (0.9, 0.7), (0.6, 1), (0.1, 0.95)],
    ],
    "6": [[(0.7, 0), (0.25, 0.35), (0.1, 0.7), (0.4, 1), (0.85, 0.8), (0.7, 0.55), (0.15, 0.7)]],
    "7": [[(0.1, 0.02), (0.9, 0)], [(0.9, 0), (0.4, 1)]],
    "8": [
        [(0.8, 0.15), (0.45, 0), (0.2, 0.22), (0.75, 0.65), (0.6, 1), (0.2, 0.85), (0.7, 0.35)],
        [(0.7, 0.35), (0.8, 0.15)],
    ],
    "9": [
        [(0.8, 0.2), (0.4, 0), (0.12, 0.3), (0.5, 0.5), (0.8, 0.2)],
        [(0.8, 0.2), (0.75, 0.6), (0.6, 1)],
    ],
    "+": [[(0, 0.5), (1, 0.5)], [(0.5, 0.15), (0.5, 0.85)]],
    "−": [[(0, 0.5), (1, 0.5)]],
    "×": [[(0.1, 0.2), (0.9, 0.8)], [(0.9, 0.2), (0.1, 0.8)]],
    "÷": [[(0, 0.5), (1, 0.5)], [(0.5, 0.2)], [(0.5, 0.8)]],
    "(": [[(0.8, -0.1), (0.4, 0.5), (0.8, 1.1)]],
    ")": [[(0.2, -0.1), (0.6, 0.5), (0.2, 1.1)]],
}
WIDTHS = dict.fromkeys("()1", 0.4) | dict.fromkeys("+−×÷", 0.5)  # of the height; digits 0.6


def write(
    text: str,
    left: float,
    top: float,
    height: float,
    rng: np.random.Generator | None = None,
    gap: float = 0.3,
) -> list[Stroke]:
    """The strokes of one line; with a generator, of a hand that is not quite steady."""
    strokes, x = [], left
    slant = rng.normal(0, 0.12) if rng else 0.0
    for sign in text:
        width = WIDTHS.get(sign, 0.6) * height
        for path in PATHS[sign]:
            points = np.array(path, float)
            if rng:
                points += rng.normal(0, 0.03, points.shape)
            points = _curve(points)
            columns = x + points[:, 0] * width + (0.5 - points[:, 1]) * slant * height
            rows = top + points[:, 1] * height
            strokes.append(np.stack([columns, rows], 1).round(2).tolist())
        x += width + gap * height
    return strokes


def _curve(points: np.ndarray, steps: int = 8) -> np.ndarray:
    """Points along a smooth line through all of `points` (Catmull and Rom, 1974)."""
    if len(points) == 1:
        return points
    ends = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    parts = [
        b + ((c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3) / 2
        for a, b, c, d in zip(ends, ends[1:], ends[2:], ends[3:], strict=False)
    ]
    return np.vstack([*parts, points[-1:]])
