"""A reader of whole lines: no cutting, a network that slides along and CTC that aligns it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .model import conv
from .pages import Box
from .segment import Line
from .strokes import SYMBOLS

ALPHABET = "0123456789" + SYMBOLS
BLANK = 0  # class 0 says "nothing new here"; sign i of the alphabet is class i + 1
HEIGHT = 24  # pixels of a strip
INK_HEIGHT = 22  # of which the line's ink takes this many
MARGIN = 6  # empty columns at both ends, so that the first sign is seen whole
STRIDE = 2  # columns of the strip per step of the output
MAX_WIDTH = 2_048  # columns: about a hundred signs


class LineReader(nn.Module):
    """Strips of ink to one row of logits for every second column.

    Pooling halves the width only once, so that even a narrow 1 beside another gets two steps:
    CTC needs a blank between equal neighbours.
    """

    def __init__(self, num_classes: int = 1 + len(ALPHABET)) -> None:
        super().__init__()
        self.features = nn.Sequential(
            conv(1, 16, kernel_size=5),  # (B, 16, 24, W)
            nn.MaxPool2d(2),  # (B, 16, 12, W/2)
            conv(16, 40),
            conv(40, 40),
            nn.MaxPool2d((2, 1)),  # (B, 40, 6, W/2): height shrinks on, width stays
            conv(40, 56),
            conv(56, 56),
            nn.MaxPool2d((2, 1)),  # (B, 56, 3, W/2)
            nn.Conv2d(56, 128, (3, 1), bias=False),  # (B, 128, 1, W/2): a column becomes a vector
            nn.BatchNorm2d(128),
            nn.ReLU(),
            conv_along(128, 128, dilation=1),
            conv_along(128, 128, dilation=2),  # a step now sees 40 columns of the strip
        )
        self.classifier = nn.Conv2d(128, num_classes, 1)

    def forward(self, strips: Tensor) -> Tensor:
        """Logits (B, T, num_classes), T = W / 2, of strips (B, 1, 24, W) in ``[0, 1]``, W even."""
        logits = self.classifier(self.features(strips * 4 - 0.5))  # (B, num_classes, 1, T)
        return logits.squeeze(2).transpose(1, 2)


def conv_along(in_channels: int, out_channels: int, dilation: int) -> nn.Sequential:
    """A convolution along the line only: (B, C, 1, T) keeps its shape."""
    return nn.Sequential(
        nn.Conv2d(
            in_channels,
            out_channels,
            (1, 3),
            padding=(0, dilation),
            dilation=(1, dilation),
            bias=False,
        ),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


def make_strip(line: Line) -> tuple[Tensor, float]:
    """Scale a line's ink to the height the reader was trained on.

    Returns:
        the strip (1, 24, W) float32 in ``[0, 1]``, W even, and how many pixels of the strip a
        pixel of the page takes. Column c of the strip is at ``left + (c - MARGIN) / scale``.
    """
    height, width = line.ink.shape
    # A line of minus signs alone is no tall line: its width tells the size of the writing.
    widest = max(piece.box[2] for piece in line.pieces)
    tallness = height if height * 4 > widest else widest
    scale = min(INK_HEIGHT / tallness, (MAX_WIDTH - 2 * MARGIN) / width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    ink = torch.from_numpy(line.ink)[None, None]
    if scale < 1:
        ink = F.adaptive_avg_pool2d(ink, size)
    else:
        ink = F.interpolate(ink, size, mode="bilinear", align_corners=False)
    top = (HEIGHT - size[0]) // 2
    right = MARGIN + size[1] % 2
    return F.pad(ink[0], (MARGIN, right, top, HEIGHT - size[0] - top)), size[1] / width


def stack_strips(strips: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Pad strips (1, 24, W_i) on the right to one batch; also how many output steps are real."""
    width = max(strip.shape[-1] for strip in strips)
    batch = torch.stack([F.pad(strip, (0, width - strip.shape[-1])) for strip in strips])
    return batch, torch.tensor([strip.shape[-1] // STRIDE for strip in strips])


def encode(text: str) -> Tensor:
    """Class numbers of a text, as `F.ctc_loss` wants them."""
    return torch.tensor([ALPHABET.index(sign) + 1 for sign in text], dtype=torch.long)


def collapse(path: Sequence[int]) -> list[int]:
    """What CTC reads from one class per step: repetitions count once, then blanks go.

    >>> collapse([0, 7, 7, 0, 7, 3, 3, 0])
    [7, 7, 3]
    """
    changes = [c for before, c in zip([BLANK, *path], path, strict=False) if c != before]
    return [c for c in changes if c != BLANK]


@dataclass(frozen=True)
class Sign:
    """One sign read in a strip: what, how sure, and between which output steps."""

    text: str
    confidence: float  # highest probability among its steps, in [0, 1]
    start: int
    stop: int  # exclusive


def decode(logits: Tensor, allowed: str = ALPHABET) -> list[Sign]:
    """The best path through logits (T, num_classes), using only the `allowed` signs."""
    classes = [BLANK] + [i + 1 for i, sign in enumerate(ALPHABET) if sign in allowed]
    probabilities = logits[:, classes].softmax(1)  # (T, 1 + allowed)
    confidence, choice = probabilities.max(1)
    path = torch.tensor(classes)[choice].tolist()
    signs, start = [], 0
    for step in range(1, len(path) + 1):
        if step < len(path) and path[step] == path[start]:
            continue
        if path[start] != BLANK:
            best = float(confidence[start:step].max())
            signs.append(Sign(ALPHABET[path[start] - 1], best, start, step))
        start = step
    return signs


def sign_boxes(signs: Sequence[Sign], line: Line, scale: float) -> list[Box]:
    """Boxes on the page: cuts lie halfway between neighbours, then each hugs its ink."""
    centres = [((s.start + s.stop) / 2 * STRIDE - MARGIN) / scale for s in signs]
    width = line.box[2]
    cuts = [0.0, *[(a + b) / 2 for a, b in itertools.pairwise(centres)], float(width)]
    boxes = []
    for start, stop in itertools.pairwise(cuts):
        a = int(np.clip(round(start), 0, width - 1))
        b = int(np.clip(round(stop), a + 1, width))
        ink = line.ink[:, a:b] > 0.3
        columns, rows = np.nonzero(ink.any(0))[0], np.nonzero(ink.any(1))[0]
        if not len(columns):
            columns, rows = np.array([0, b - a - 1]), np.array([0, line.box[3] - 1])
        boxes.append(
            (
                line.box[0] + a + int(columns[0]),
                line.box[1] + int(rows[0]),
                int(columns[-1] - columns[0] + 1),
                int(rows[-1] - rows[0] + 1),
            )
        )
    return boxes
