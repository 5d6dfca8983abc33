"""The readers of digits for the live demo: preprocessing and networks as ONNX, examples, constants.

All arithmetic on pixels is exported from the code that trains and measures: grey values, the ink
map, scaling, centring, both networks. What only counts, compares and sorts (connected pieces,
lines, CTC's collapse, the parser) is written in JavaScript, in
``book/_static/demos/digits_*.mjs``, and compared with Python on the same pictures by the tests.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from torchcourse.capstones.digits import ctc, lattice, pictures, preprocess, segment
from torchcourse.capstones.digits.pages import STYLES, Glyphs, Page, Style, make_page
from torchcourse.capstones.digits.reading import (
    DIGITS,
    load_model,
    load_reader,
    read_expression,
    read_number,
)
from torchcourse.data.digits import load_bundled
from torchcourse.data.pictures import MAX_PIXELS
from torchcourse.export import to_onnx

# What the JavaScript needs to know of the Python code, by the names it uses.
CONSTANTS = {
    "alphabet": ctc.ALPHABET,
    "digits": DIGITS,
    "smallSide": 2 * preprocess.SIZE,
    "maxPixels": preprocess.MAX_PIXELS,
    "readablePixels": MAX_PIXELS,
    "signSide": preprocess.BOX * preprocess.OVERSAMPLE,
    "inked": segment.INKED,
    "speck": segment.SPECK,
    "overlap": segment.OVERLAP,
    "narrowest": segment.NARROWEST,
    "usual": segment.USUAL,
    "widest": segment.WIDEST,
    "inkHeight": ctc.INK_HEIGHT,
    "margin": ctc.MARGIN,
    "stride": ctc.STRIDE,
    "maxWidth": ctc.MAX_WIDTH,
    "mostAtoms": lattice.MOST_ATOMS,
    "readerNames": lattice.READER_NAMES,
    "noDigit": lattice.NO_DIGIT,
}
# Pictures to try without a pen: what is written, in which style, and what has to read it.
EXAMPLES = {
    "number": (["31415", "92653"], STYLES["uneven light and noise"], read_number),
    "slanted": (["2718281828"], STYLES["slanted"], read_number),
    "sum": (["12×(7−4)"], Style(inverted=1.0, slope=2, zoom=(2.0, 2.2)), read_expression),
}
MOST_TRIES = 200
DYNAMIC = torch.export.Dim.DYNAMIC


class PageInk(nn.Module):
    """Pixels (H, W, 4) uint8 of a decoded picture, red, green, blue, alpha → its ink map (H, W).

    A graph holds one branch of `preprocess.ink_map`: that for pages, or, traced with a picture of
    at most 56 pixels, that for the small pictures of data sets.
    """

    def forward(self, pixels: Tensor) -> Tensor:
        grey = pictures.to_grey(pixels.float() / 255)
        return preprocess.ink_map(grey[None, None])[0, 0]


class CentredSign(nn.Module):
    """Ink (H, W) cut to its bounding box → the digit network's input (28, 28).

    `rows` and `columns` count from 0 to the size that `preprocess.crop` would shrink the ink to:
    a graph takes sizes from the shapes of its inputs.
    """

    def forward(self, ink: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        return preprocess.centre(_resize(ink, rows, columns)[None, None])[0, 0]


class SignReader(nn.Module):
    """Prepared signs (N, 28, 28) → log-probabilities of 0 to 9, (N, 10)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, signs: Tensor) -> Tensor:
        return self.model(signs[:, None]).log_softmax(1)


class StripReader(nn.Module):
    """Ink (H, W) of a line → log-probabilities (T, 17) of the blank and every sign.

    `rows` and `columns` count from 0 to the size that `ctc.make_strip` would scale the line to.
    `barred` (17,) is 0 for classes that may occur, and a large number for others.
    """

    def __init__(self, reader: nn.Module) -> None:
        super().__init__()
        self.reader = reader

    def forward(self, ink: Tensor, rows: Tensor, columns: Tensor, barred: Tensor) -> Tensor:
        height, width = rows.shape[0], columns.shape[0]
        top = (ctc.HEIGHT - height) // 2
        right = ctc.MARGIN + width % 2
        strip = F.pad(
            _resize(ink, rows, columns), (ctc.MARGIN, right, top, ctc.HEIGHT - height - top)
        )
        return (self.reader(strip[None, None])[0] - barred).log_softmax(1)


def _resize(ink: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Scale (H, W) to as many rows and columns as are counted: averages, or interpolates."""
    return _weights(ink.shape[0], rows) @ ink @ _weights(ink.shape[1], columns).T


def _weights(length: int, counted: Tensor) -> Tensor:
    size = counted.shape[0]
    averages, between = pictures.averaging(length, size), pictures.enlarging(length, size)
    return torch.where(counted[-1] < length, averages, between)


def export(folder: Path) -> None:
    """Write the graphs ``digits_<name>.onnx``, ``digits.json`` and the example pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    # Traced and compared on real ink: on noise, nothing in these graphs would be put to the test.
    page = make_example("number")
    ink, _ = preprocess.read_ink(page.picture)
    line = segment.find_lines(ink.numpy())[0]
    signs = torch.cat([segment.centre_piece(piece)[0] for piece in line.pieces])
    strip, _ = ctc.make_strip(line)  # (1, 24, W)
    small = load_bundled(train=False).images[0, 0].numpy()
    any_class = torch.zeros(1 + len(ctc.ALPHABET))

    def write(name: str, module: nn.Module, output: str, **inputs: tuple[Tensor, int]) -> None:
        """Each input: an example, and how many of its first axes may have any length."""
        to_onnx(
            module,
            tuple(example for example, _ in inputs.values()),
            folder / f"digits_{name}.onnx",
            input_names=list(inputs),
            output_names=[output],
            dynamic_shapes=tuple({axis: DYNAMIC for axis in range(n)} for _, n in inputs.values()),
            tolerance=1e-4,
        )

    # Enlarged, so that nothing inside has length 1, which a trace would take for a fixed size.
    large = np.kron(page.picture, np.ones((3, 3), np.uint8))
    write("page", PageInk(), "ink", pixels=(to_pixels(large), 2))
    write("small", PageInk(), "ink", pixels=(to_pixels(small), 2))
    write(
        "sign",
        CentredSign(),
        "sign",
        ink=(torch.from_numpy(line.pieces[0].ink), 2),
        rows=(torch.arange(20), 1),
        columns=(torch.arange(12), 1),
    )
    write("digit", SignReader(load_model()), "log_probabilities", signs=(signs, 1))
    write(
        "line",
        StripReader(load_reader()),
        "log_probabilities",
        ink=(torch.from_numpy(line.ink), 2),
        rows=(torch.arange(ctc.INK_HEIGHT), 1),
        columns=(torch.arange(strip.shape[-1] - 2 * ctc.MARGIN), 1),
        barred=(any_class, 0),
    )
    (folder / "digits.json").write_text(json.dumps(CONSTANTS, ensure_ascii=False) + "\n")
    for name in EXAMPLES:
        Image.fromarray(make_example(name).picture).save(folder / f"digits_example_{name}.png")


def to_pixels(picture: np.ndarray) -> Tensor:
    """Grey (H, W) uint8 as a browser decodes it: (H, W, 4), red, green, blue, alpha."""
    return torch.from_numpy(np.dstack([picture] * 3 + [np.full_like(picture, 255)]))


@cache
def make_example(name: str) -> Page:
    """One of `EXAMPLES`, written with the digits that ship with the course.

    The first page, by seed, that the recorded networks read right: an example shows what the
    demo can do. What it cannot do, readers find out with their own handwriting.
    """
    lines, style, read = EXAMPLES[name]
    held_out = load_bundled(train=False)
    glyphs = Glyphs(held_out.images, held_out.labels)
    for seed in range(MOST_TRIES):
        page = make_page(lines, glyphs, style, np.random.default_rng(seed))
        if read(page.picture).text == page.text:
            return page
    raise RuntimeError(f"none of {MOST_TRIES} pages for the example {name!r} was read right")
