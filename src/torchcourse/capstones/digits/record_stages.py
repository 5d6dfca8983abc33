"""The recorder's stages that train. The test part stays closed to all of them."""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path
from unittest import mock

import torch
from torch import nn

from torchcourse.data import digits as digit_data
from torchcourse.recording import Clock, keep, load_mnist, share, write_json
from torchcourse.runtime import get_device

from . import symbols
from .ctc import LineReader
from .model import DigitNet
from .pages import TRAINING, Glyphs
from .preprocess import prepare_batch
from .reader_training import make_strips, read_strips, train_reader
from .record_files import load_digit, load_reader, training_part
from .training import VALIDATION, count_errors, split, train

FIRST_EPOCHS, AGAIN_EPOCHS, AGAIN_SEED = 14, 8, 1_000
MINUTE_EPOCHS = 2
QUICK_SEEDS, QUICK_EPOCHS, QUICK_BATCH = (0, 1, 2), 30, 64
READER_SEED = 0
READER_STRIPS, READER_EPOCHS = 16_000, 8
REAL_STRIPS, REAL_EPOCHS = 12_000, 3  # of each kind; where real symbols are at hand
REAL_PHOTOGRAPHED = 0.25


def record_digit(seed: int, work: Path) -> None:
    """Train the digit network: the learning rate rises and falls once."""
    _train_digit(f"first_{seed}", seed, FIRST_EPOCHS, work)


def record_again(seed: int, work: Path) -> None:
    """Let the learning rate rise and fall a second time, from where the first ended.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017).
    """
    _train_digit(f"digit_{seed}", seed, AGAIN_EPOCHS, work, load_digit(work, f"first_{seed}"))


def _train_digit(
    name: str, seed: int, epochs: int, work: Path, start: DigitNet | None = None
) -> None:
    images, labels, training, held = training_part()

    def evaluate(model: nn.Module) -> dict:
        errors = count_errors(model, images[held], labels[held])
        return {"validation_accuracy": 1 - errors / len(held)}

    clock, device = Clock(), get_device()
    model, history = train(
        images[training],
        labels[training],
        epochs=epochs,
        # Another seed, or the second time would see the distortions of the first again.
        seed=seed if start is None else seed + AGAIN_SEED,
        device=device,
        start=start,
        evaluate=evaluate,
    )
    keep(model, history, name, work, clock, device, seed=seed, epochs=epochs)


def record_minute(work: Path) -> None:
    """What two epochs give: less than a minute of two cores' time."""
    images, labels, training, _ = training_part()
    clock, cpu = Clock(), torch.device("cpu")
    model, history = train(images[training], labels[training], epochs=MINUTE_EPOCHS, seed=0)
    keep(model, history, "minute", work, clock, cpu, seed=0, epochs=MINUTE_EPOCHS)


def record_quick(work: Path) -> None:
    """The quick preset: scikit-learn's digits, held out by the forms they were written on."""
    # An empty data folder, so that the bundled digits are taken though MNIST is at hand.
    with (
        tempfile.TemporaryDirectory() as empty,
        mock.patch.dict(os.environ, {"TORCHCOURSE_DATA": empty}),
    ):
        data, held = (digit_data.load(train=part, download=False) for part in (True, False))
    images, held_images = prepare_batch(data.images), prepare_batch(held.images)
    count, seeds = len(held.labels), {}
    for seed in QUICK_SEEDS:
        clock = Clock()
        model, _ = train(
            images, data.labels, epochs=QUICK_EPOCHS, seed=seed, batch_size=QUICK_BATCH
        )
        used = clock.times()["processor_seconds"]
        errors = count_errors(model, held_images, held.labels)
        seeds[str(seed)] = share(count - errors, count) | {"processor_seconds": used}
    result = {
        "data": held.source,
        "training_images": len(data.labels),
        "epochs": QUICK_EPOCHS,
        "batch_size": QUICK_BATCH,
        "held_out_accuracy_by_seed": seeds,
        "mean": round(statistics.mean(row["share"] for row in seeds.values()), 5),
        "std": round(statistics.stdev(row["share"] for row in seeds.values()), 5),
    }
    write_json(work / "quick.json", {"history": []} | result)


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
    digits, held_digits = ((data.images[i], data.labels[i]) for i in (training, held))
    held_strips, held_texts = make_strips(400, Glyphs(*held_digits), TRAINING, seed=10_001)

    def evaluate(model: nn.Module) -> dict:
        read = read_strips(model, held_strips)
        right = sum(a == b for a, b in zip(read, held_texts, strict=True))
        return {"validation_exact": right / len(read)}

    clock, device = Clock(), get_device()
    strips, texts = [], []
    for number, real in enumerate(supplies):
        # Another seed for every set, or the second stage would see the pages of the first again.
        seed = READER_SEED + 100 * epochs + number
        more = make_strips(strips_each, Glyphs(*digits, real), TRAINING, seed, photographed)
        strips, texts = strips + more[0], texts + more[1]
    model, history = train_reader(
        strips,
        texts,
        epochs=epochs,
        seed=READER_SEED,
        device=device,
        start=start,
        evaluate=evaluate,
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
