"""Cut a page into lines and signs: connected components, reading order, touching digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from .pages import Box
from .preprocess import centre, crop

INKED = 0.35  # ink above this belongs to a stroke
SPECK = 0.006  # a piece smaller than this share of (digit height)² is dirt, not a dot
OVERLAP = 0.4  # neighbours in a line share at least this part of the lower one's height
NARROWEST = 0.12  # of its height: no digit is narrower
# Width by height of digits: below this is common, above it rarer with every SPREAD.
USUAL, SPREAD = 0.9, 0.25
WIDEST = 1.5  # a part wider than this is not even tried
CUT_PENALTY = 0.7  # in units of log-probability: do not cut what can be read whole
SURE = 0.95  # a sign of usual width that is read with this probability is left whole


@dataclass
class Piece:
    """Connected ink: its box and its pixels."""

    box: Box
    ink: np.ndarray  # (height, width) float32, other pieces blanked

    @property
    def middle(self) -> float:
        return self.box[1] + self.box[3] / 2


@dataclass
class Line:
    """One written line: its box on the page and its ink, other lines blanked."""

    box: Box
    ink: np.ndarray  # (height, width) float32
    pieces: list[Piece]  # from left to right


def find_pieces(ink: np.ndarray) -> list[Piece]:
    """Connected components of an ink map (H, W), from left to right, without specks."""
    mask = (ink > INKED).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count == 1:  # label 0 is the paper
        return []
    height = digit_height(stats[1:, cv2.CC_STAT_HEIGHT], stats[1:, cv2.CC_STAT_AREA])
    pieces = []
    for label in range(1, count):
        x, y, w, h, area = stats[label]
        if area < SPECK * height**2:
            continue
        here = (slice(y, y + h), slice(x, x + w))
        pieces.append(Piece((int(x), int(y), int(w), int(h)), ink[here] * (labels[here] == label)))
    return sorted(pieces, key=lambda piece: piece.box[0])


def digit_height(heights: np.ndarray, areas: np.ndarray) -> float:
    """Height of a typical digit: the median pixel's, so that many specks cannot pull it down."""
    order = np.argsort(heights)
    total = np.cumsum(areas[order])
    return float(heights[order][np.searchsorted(total, total[-1] / 2)])


def find_lines(ink: np.ndarray) -> list[Line]:
    """Group the pieces of a page (H, W) into lines, from top to bottom.

    Each tall piece joins the line whose last pieces it stands beside, so lines may climb or fall.
    Low ones (dots, minus signs) join the nearest line afterwards.
    """
    pieces = find_pieces(ink)
    if not pieces:
        return []
    height = digit_height(
        np.array([piece.box[3] for piece in pieces]),
        np.array([piece.box[2] * piece.box[3] for piece in pieces]),
    )
    tall = [piece for piece in pieces if piece.box[3] >= height / 2]
    lines: list[list[Piece]] = []
    for piece in tall:
        best = max(lines, key=lambda line: _beside(line, piece), default=None)
        if best is None or _beside(best, piece) < OVERLAP:
            lines.append([piece])
        else:
            best.append(piece)
    lines = _join_lonely(lines)
    for piece in pieces:
        if piece.box[3] < height / 2:
            _join_nearest(lines, piece, height)
    lines.sort(key=lambda line: float(np.mean([piece.middle for piece in line])))
    return [_make_line(sorted(line, key=lambda piece: piece.box[0])) for line in lines]


def _beside(line: list[Piece], piece: Piece) -> float:
    """How well a piece continues a line: the last three count, for a broken digit has halves."""
    return max(_shared(last, piece) for last in line[-3:])


def _shared(a: Piece, b: Piece) -> float:
    """The part of the lower one's height that both cover."""
    top, bottom = max(a.box[1], b.box[1]), min(a.box[1] + a.box[3], b.box[1] + b.box[3])
    return (bottom - top) / min(a.box[3], b.box[3])


def _join_lonely(lines: list[list[Piece]]) -> list[list[Piece]]:
    """A tall piece left alone joins the line it stands in: the upper half of a broken digit
    shares no rows with the lower half, but with the next digit."""
    joined: list[list[Piece]] = []
    for line in sorted(lines, key=len, reverse=True):
        piece = line[0]
        around = [
            (_aside(piece, near), _shared(near, piece), other) for other in joined for near in other
        ]
        _, shared, other = min(around, key=lambda row: row[0], default=(np.inf, 0.0, None))
        if len(line) == 1 and shared >= OVERLAP:
            other.append(piece)
        else:
            joined.append(line)
    return joined


def _aside(a: Piece, b: Piece) -> float:
    """Empty columns between two pieces; infinite if one stands above the other."""
    gap = max(a.box[0] - b.box[0] - b.box[2], b.box[0] - a.box[0] - a.box[2])
    return gap if gap >= 0 else np.inf


def _join_nearest(lines: list[list[Piece]], piece: Piece, height: float) -> None:
    """Add a low piece to the line whose tall neighbour stands beside it; else it is its own."""

    def distance(line: list[Piece]) -> float:
        x = piece.box[0] + piece.box[2] / 2
        near = min(line, key=lambda other: abs(other.box[0] + other.box[2] / 2 - x))
        return abs(near.middle - piece.middle)

    best = min(lines, key=distance, default=None)
    if best is not None and distance(best) <= height:
        best.append(piece)
    elif best is None or piece.box[2] > height / 2:
        lines.append([piece])  # a minus sign may stand alone; a lonely dot is dirt


def _make_line(pieces: list[Piece]) -> Line:
    left = min(p.box[0] for p in pieces)
    top = min(p.box[1] for p in pieces)
    right = max(p.box[0] + p.box[2] for p in pieces)
    bottom = max(p.box[1] + p.box[3] for p in pieces)
    ink = np.zeros((bottom - top, right - left), np.float32)
    for piece in pieces:
        x, y, w, h = piece.box
        area = ink[y - top : y - top + h, x - left : x - left + w]
        np.maximum(area, piece.ink, out=area)
    return Line((left, top, right - left, bottom - top), ink, pieces)


def join_pieces(pieces: list[Piece]) -> Piece:
    """One piece with the ink of all."""
    joined = _make_line(pieces)
    return Piece(joined.box, joined.ink)


def line_height(line: Line) -> float:
    """Height of a typical digit of the line in pixels."""
    return digit_height(
        np.array([piece.box[3] for piece in line.pieces]),
        np.array([piece.box[2] * piece.box[3] for piece in line.pieces]),
    )


def merge_pieces(line: Line) -> list[Piece]:
    """Join pieces that stand above each other and belong to one sign (a broken 5, the dots of ÷).

    Only low pieces are joined: two full digits may well reach over each other when slanted.
    """
    signs: list[Piece] = []
    for piece in line.pieces:
        x, _, w, h = piece.box
        joined = False
        for i, sign in enumerate(signs):
            overlap = min(x + w, sign.box[0] + sign.box[2]) - max(x, sign.box[0])
            low = min(h, sign.box[3]) < 0.6 * line.box[3]
            if low and overlap >= 0.5 * min(w, sign.box[2]):
                signs[i], joined = join_pieces([sign, piece]), True
                break
        if not joined:
            signs.append(piece)
    return signs


def split_sign(
    sign: Piece, height: float, classify: Callable[[Tensor], Tensor]
) -> list[tuple[Piece, int, float]]:
    """Cut touching digits apart where the parts can be read best.

    Every low point of the ink's profile may be a cut. Each part between two cuts gets the
    network's log-probability; the best chain of parts is found by dynamic programming.

    Args:
        sign: connected ink.
        height: of a typical digit in pixels.
        classify: (N, 1, 28, 28) to log-probabilities (N, 10).

    Returns:
        the parts from left to right, each with its digit and probability.
    """
    whole, digit = classify(centre_piece(sign)).max(1)
    if sign.box[2] <= USUAL * height and whole.exp() > SURE:
        return [(sign, int(digit), float(whole.exp()))]
    cuts = [0, *cut_candidates(sign.ink, height), sign.ink.shape[1]]
    spans = [
        (i, j)
        for j in range(1, len(cuts))
        for i in range(j)
        if cuts[j] - cuts[i] <= WIDEST * height or (i, j) == (0, len(cuts) - 1)
    ]
    parts = [cut_piece(sign, cuts[i], cuts[j]) for i, j in spans]
    usable = [k for k, part in enumerate(parts) if part is not None]
    best_log, best_digit = classify(torch.cat([centre_piece(parts[k]) for k in usable])).max(1)
    # best[j]: highest score of a chain of parts that ends at cut j, and how it got there.
    best: list[tuple[float, list[int]]] = [(0.0, [])] + [(-np.inf, [])] * (len(cuts) - 1)
    for n, k in enumerate(usable):
        i, j = spans[k]
        too_wide = max(0.0, parts[k].box[2] / height - USUAL) / SPREAD
        score = best_log[n].item() - CUT_PENALTY - too_wide**2 / 2
        if best[i][0] + score > best[j][0]:
            best[j] = (best[i][0] + score, [*best[i][1], n])
    chain = best[-1][1]
    return [(parts[usable[n]], int(best_digit[n]), float(best_log[n].exp())) for n in chain]


def centre_piece(piece: Piece) -> Tensor:
    """The network's input (1, 1, 28, 28) for one piece."""
    return centre(crop(torch.from_numpy(piece.ink))[None, None])


def cut_candidates(ink: np.ndarray, height: float) -> list[int]:
    """Columns where the ink is thin, `NARROWEST` apart, about three for each digit's width."""
    width = ink.shape[1]
    wanted = max(2, min(12, round(3 * width / height)))
    margin = max(2, round(NARROWEST * height))
    if width < 2 * margin + 1:
        return []
    profile = ink.sum(0)
    chosen: list[int] = []
    for column in np.argsort(profile[margin : width - margin], kind="stable") + margin:
        if all(abs(column - other) >= margin for other in chosen):
            chosen.append(int(column))
        if len(chosen) == wanted:
            break
    return sorted(chosen)


def cut_piece(sign: Piece, start: int, stop: int) -> Piece | None:
    """Columns start to stop of a piece; None if they hold no ink."""
    ink = sign.ink[:, start:stop]
    rows = np.nonzero(ink.max(1) > INKED)[0]
    if not len(rows):
        return None
    x, y, _, _ = sign.box
    ink = np.ascontiguousarray(ink[rows[0] : rows[-1] + 1])
    return Piece((x + start, y + int(rows[0]), stop - start, ink.shape[0]), ink)


def read_by_segments(
    ink: np.ndarray, classify: Callable[[Tensor], Tensor]
) -> list[list[tuple[Piece, int, float]]]:
    """Read an ink map (H, W) sign by sign: per line, per digit its piece, value, probability."""
    lines = []
    for line in find_lines(ink):
        height = line_height(line)
        signs = sorted(merge_pieces(line), key=lambda sign: sign.box[0])
        lines.append([part for sign in signs for part in split_sign(sign, height, classify)])
    return lines


def read_by_old_recipe(
    picture: np.ndarray, classify: Callable[[Tensor], Tensor]
) -> tuple[str, list[Box]]:
    """The recipe of many tutorials, as the baseline: threshold 127, contours sorted by x.

    Args:
        picture: (H, W) uint8, dark ink on light paper is assumed.
        classify: as for :func:`split_sign`; the same network, so that only the cutting differs.
    """
    _, mask = cv2.threshold(picture, 127, 255, cv2.THRESH_BINARY_INV)
    # OpenCV 3 returned three values, 2, 4 and 5 return two: the contours are the last but one.
    contours = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[-2]
    boxes = sorted(cv2.boundingRect(contour) for contour in contours)
    boxes = [box for box in boxes if box[2] * box[3] >= 30]
    if not boxes:
        return "", []
    crops = []
    for x, y, w, h in boxes:
        sign = torch.from_numpy(mask[y : y + h, x : x + w].astype(np.float32) / 255)
        crops.append(centre(crop(sign)[None, None]))
    digits = classify(torch.cat(crops)).argmax(1)
    return "".join(map(str, digits.tolist())), boxes
