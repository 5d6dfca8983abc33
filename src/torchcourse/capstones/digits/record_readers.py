"""The recorder's stages that train the line reader. The test part stays closed to them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from torchcourse.recording import Clock, keep, load_mnist
from torchcourse.runtime import get_device

from . import symbols
from .ctc import LineReader
from .pages import TIDY, TRAINING, Glyphs
from .reader_training import LONG_EMA_DECAY, read_strips, train_reader
from .record_files import load_reader
from .strips import make_strips
from .strokes import draw_symbols
from .training import VALIDATION, mixed_precision, split

READER_SEED = 0
READER_STRIPS, READER_EPOCHS = 16_000, 8
REAL_STRIPS, REAL_EPOCHS = 12_000, 3  # of each kind; where real symbols are at hand
REAL_PHOTOGRAPHED = 0.25
FRESH_STRIPS, FRESH_EPOCHS, FRESH_SEED = 30_000, 12, 50_000
FRESH_PHOTOGRAPHED = 0.1
TIDY_SHARE = 0.4
DRAWN_SYMBOLS = 1_000  # of each kind, drawn once: drawing them takes longer than writing a strip


def record_reader(work: Path) -> None:
    """Train the line reader on digits and drawn symbols."""
    _train_reader(work, "reader_drawn", [None], READER_STRIPS, READER_EPOCHS)


def record_symbols(work: Path) -> None:
    """Go on with fresh strips, half of them with real symbols."""
    real = symbols.load_symbols(train=True)
    if real is None:
        raise SystemExit(f"{symbols.ARCHIVE} is not in the data folder; leave this stage out")
    start = load_reader(work, "reader_drawn")
    # The other half keeps the reader used to drawn symbols and to parentheses.
    _train_reader(
        work, "reader_real", [real, None], REAL_STRIPS, REAL_EPOCHS, start, REAL_PHOTOGRAPHED
    )


def record_fresh(work: Path) -> None:
    """Go on with strips that are seen once: new ones for every epoch.

    An interrupted run goes on from its checkpoint, ``reader_fresh.checkpoint``.
    """
    data = load_mnist(train=True)
    training, held = split(data.labels, VALIDATION)
    drawn = draw_symbols(DRAWN_SYMBOLS, np.random.default_rng(FRESH_SEED))
    supplies = [drawn]
    real = symbols.load_symbols(train=True)
    if real is not None:
        supplies.append(drawn | real)  # parentheses are drawn here too
    glyphs = [Glyphs(data.images[training], data.labels[training], supply) for supply in supplies]
    count = FRESH_STRIPS // len(glyphs)
    tidy = round(TIDY_SHARE * count)

    def make(epoch: int) -> tuple[list[Tensor], list[str]]:
        strips, texts = [], []
        for k, (supply, (style, part)) in enumerate(
            itertools.product(glyphs, [(TRAINING, count - tidy), (TIDY, tidy)])
        ):
            seed = FRESH_SEED + 10 * epoch + k
            more = make_strips(part, supply, style, seed, FRESH_PHOTOGRAPHED)
            strips, texts = strips + more[0], texts + more[1]
        return strips, texts

    name = "reader_real" if real is not None else "reader_drawn"
    clock, device, keep_at = Clock(), get_device(), work / "reader_fresh.checkpoint"
    model, history = train_reader(
        make,
        count * len(glyphs),
        epochs=FRESH_EPOCHS,
        seed=FRESH_SEED,
        device=device,
        start=load_reader(work, name),
        evaluate=_validator(data.images[held], data.labels[held], real),
        decay=LONG_EMA_DECAY,
        keep=keep_at,
    )
    keep(
        model,
        history,
        "reader_fresh",
        work,
        clock,
        device,
        seed=FRESH_SEED,
        epochs=FRESH_EPOCHS,
        start=name,
        strips=f"{count * len(glyphs)} new ones for every epoch",
        symbols="real and drawn" if real is not None else "drawn",
        precision=_precision(device),
    )
    keep_at.unlink()


def _validator(images: Tensor, labels: Tensor, real: dict | None) -> Callable[[nn.Module], dict]:
    """Exact strings on held digits, as hard as in training and as tidy as most writing is."""
    glyphs = Glyphs(images, labels, real)
    kinds = {"validation_exact": TRAINING, "validation_tidy": TIDY}
    held = {name: make_strips(500, glyphs, style, 10_001) for name, style in kinds.items()}

    def evaluate(model: nn.Module) -> dict:
        found = {}
        for name, (strips, texts) in held.items():
            read = read_strips(model, strips)
            found[name] = sum(a == b for a, b in zip(read, texts, strict=True)) / len(read)
        return found

    return evaluate


def _precision(device: torch.device) -> str:
    return "bfloat16 autocast" if mixed_precision(device)._enabled else "float32"


def _train_reader(
    work: Path,
    name: str,
    supplies: list[dict | None],
    strips_each: int,
    epochs: int,
    start: LineReader | None = None,
    photographed: float = 1.0,
) -> None:
    data = load_mnist(train=True)
    training, held = split(data.labels, VALIDATION)
    digits = data.images[training], data.labels[training]
    clock, device = Clock(), get_device()
    strips, texts = [], []
    for number, real in enumerate(supplies):
        # Another seed for every set, or the second stage would see the pages of the first again.
        seed = READER_SEED + 100 * epochs + number
        more = make_strips(strips_each, Glyphs(*digits, real), TRAINING, seed, photographed)
        strips, texts = strips + more[0], texts + more[1]
    model, history = train_reader(
        lambda _: (strips, texts),
        len(strips),
        epochs=epochs,
        seed=READER_SEED,
        device=device,
        start=start,
        evaluate=_validator(data.images[held], data.labels[held], None),
    )
    keep(
        model,
        history,
        name,
        work,
        clock,
        device,
        seed=READER_SEED,
        epochs=epochs,
        strips=len(strips),
        symbols="real and drawn" if any(supplies) else "drawn",
    )
