"""Two witnesses for one line: the line reader and the digit network, heard together.

The reader sees the whole line and seldom miscounts; the digit network sees each sign at full size
and seldom mistakes it. The line is cut into small atoms; every run of atoms may be one sign. Each
witness gives every such sign a log-probability, and dynamic programming finds the chain of signs
with the highest sum. Then every digit of the chain that stands alone, with no cut beside it, is
named once more: there the digit network sees it whole, and its word counts more.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from .ctc import ALPHABET, MARGIN, STRIDE, Sign
from .segment import (
    USUAL,
    WIDEST,
    Line,
    Piece,
    centre_piece,
    cut_candidates,
    cut_piece,
    join_pieces,
    line_height,
    merge_pieces,
)

MOST_ATOMS = 5  # of one sign
READER_NAMES = 0.5  # weight of the reader's word on a digit alone; chosen on validation pages
NO_DIGIT = -0.5  # what the digit network, which knows no symbols, is taken to say to a symbol


def read_both(
    line: Line,
    logits: Tensor,
    scale: float,
    signs: Sequence[Sign],
    classify: Callable[[Tensor], Tensor],
    allowed: str = ALPHABET,
) -> list[tuple[Piece, str, float]]:
    """Read a line with both networks.

    Args:
        line: one written line.
        logits: (T, 17) of the line reader.
        scale: pixels of the reader's strip per pixel of the page, see `make_strip`.
        signs: what the reader reads alone; where it sees two signs in connected ink, it is cut.
        classify: prepared digits (N, 1, 28, 28) to log-probabilities (N, 10).
        allowed: the signs that may occur.

    Returns:
        from left to right each sign's ink, text and probability.
    """
    atoms = find_atoms(line, scale, signs)
    spans = _spans(atoms, line_height(line))
    pieces = [join_pieces(atoms[i:j]) for i, j in spans]
    seen = classify(torch.cat([centre_piece(piece) for piece in pieces])).numpy()  # (S, 10)
    heard = _hear(logits, _steps(atoms, line, scale, len(logits)), spans, allowed)  # (S, allowed)
    seen = _by_sign(seen, allowed)
    # To find the chain, other weights than one for one read clean validation pages no better.
    chain = _best_chain(spans, (heard + seen).max(1), len(atoms))
    alone = _stands_alone(atoms, spans)
    names = [_name(heard[k], seen[k], allowed, bool(alone[k])) for k in chain]
    return [(pieces[k], sign, sure) for k, (sign, sure) in zip(chain, names, strict=True)]


def find_atoms(line: Line, scale: float, signs: Sequence[Sign]) -> list[Piece]:
    """Pieces of ink from left to right, none of which holds more than one sign if possible."""
    centres = [((s.start + s.stop) / 2 * STRIDE - MARGIN) / scale for s in signs]
    height = line_height(line)
    atoms = []
    for piece in merge_pieces(line):
        left, width = piece.box[0] - line.box[0], piece.box[2]
        inside = [c - left for c in centres if 0 <= c - left < width]
        cuts = {_thinnest(piece.ink, a, b) for a, b in itertools.pairwise(inside)}
        if width > USUAL * height:
            cuts |= set(cut_candidates(piece.ink, height))
        edges = [0, *sorted(cuts), width]
        parts = [cut_piece(piece, a, b) for a, b in itertools.pairwise(edges) if b > a]
        atoms += [part for part in parts if part is not None]
    return sorted(atoms, key=lambda atom: atom.box[0] + atom.box[2] / 2)


def _thinnest(ink: np.ndarray, left: float, right: float) -> int:
    """The column with least ink in the middle between two signs' centres."""
    quarter = (right - left) / 4
    start, stop = int(left + quarter), max(int(left + quarter) + 1, int(right - quarter) + 1)
    return start + int(ink[:, start:stop].sum(0).argmin())


def _spans(atoms: list[Piece], height: float) -> list[tuple[int, int]]:
    """Runs of atoms, as (first, one after the last), that are no wider than a sign can be."""
    spans = []
    for i in range(len(atoms)):
        for j in range(i + 1, min(i + MOST_ATOMS, len(atoms)) + 1):
            left = min(atom.box[0] for atom in atoms[i:j])
            right = max(atom.box[0] + atom.box[2] for atom in atoms[i:j])
            if j == i + 1 or right - left <= WIDEST * height:
                spans.append((i, j))
    return spans


def _steps(atoms: list[Piece], line: Line, scale: float, count: int) -> np.ndarray:
    """The reader's step at which each atom begins, and the number of steps: (atoms + 1,)."""
    gaps = [(a.box[0] + a.box[2] + b.box[0]) / 2 for a, b in itertools.pairwise(atoms)]
    steps = (MARGIN + (np.array(gaps) - line.box[0]) * scale) / STRIDE
    edges = np.concatenate([[0], np.round(steps), [count]]).astype(int)
    return np.maximum.accumulate(edges.clip(0, count))


def _hear(
    logits: Tensor, steps: np.ndarray, spans: list[tuple[int, int]], allowed: str
) -> np.ndarray:
    """The reader's log-probability of exactly one sign in each span: (spans, allowed)."""
    classes = [0] + [ALPHABET.index(sign) + 1 for sign in allowed]
    log_p = logits[:, classes].log_softmax(1).double().numpy()
    return np.stack([_one_sign(log_p[steps[i] : steps[j]]) for i, j in spans])


def _one_sign(log_p: np.ndarray) -> np.ndarray:
    """Log of the sum over all ways to emit each class once: blanks, the class, blanks again.

    `log_p` is (steps, 1 + classes), the blank first; returns (classes,).
    """
    blank, sign = log_p[:, :1], log_p[:, 1:]
    before = 0.0
    within = np.full(sign.shape[1], -np.inf)
    after = np.full(sign.shape[1], -np.inf)
    for b, s in zip(blank, sign, strict=True):
        after = np.logaddexp(after, within) + b
        within = np.logaddexp(within, before) + s
        before = before + b[0]
    return np.logaddexp(within, after).clip(-50)  # too few steps: unlikely, not impossible


def _by_sign(seen: np.ndarray, allowed: str) -> np.ndarray:
    """Columns of the digit network's verdict (S, 10) in the order of `allowed`."""
    columns = [
        seen[:, int(sign)] if sign.isdigit() else np.full(len(seen), NO_DIGIT) for sign in allowed
    ]
    return np.stack(columns, 1)


def _stands_alone(atoms: list[Piece], spans: list[tuple[int, int]]) -> np.ndarray:
    """Which spans have no cut at either end: (spans,) bool."""
    cut = [a.box[0] + a.box[2] == b.box[0] for a, b in itertools.pairwise(atoms)]
    cut = [False, *cut, False]  # before each atom, and after the last
    return np.array([not cut[i] and not cut[j] for i, j in spans])


def _name(heard: np.ndarray, seen: np.ndarray, allowed: str, alone: bool) -> tuple[str, float]:
    """A sign and its probability, from what both witnesses say of one span, each (allowed,)."""
    score = heard + seen
    digits = np.array([sign.isdigit() for sign in allowed])
    if alone and digits[score.argmax()]:  # of symbols the digit network knows nothing
        score = np.where(digits, READER_NAMES * heard + seen, -np.inf)
    best = score.max()
    return allowed[score.argmax()], float(1 / np.exp(score - best).sum())


def _best_chain(spans: list[tuple[int, int]], score: np.ndarray, count: int) -> list[int]:
    """Indices of the spans that cover all atoms one after the other with the highest sum."""
    best: list[tuple[float, list[int]]] = [(0.0, [])] + [(-np.inf, [])] * count
    for k, (i, j) in sorted(enumerate(spans), key=lambda item: item[1][1]):
        if best[i][0] + score[k] > best[j][0]:
            best[j] = (best[i][0] + score[k], [*best[i][1], k])
    return best[-1][1]
