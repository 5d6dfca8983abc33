"""The recorder's stages that train digit networks. The test part stays closed to them."""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path
from unittest import mock

import torch
from torch import nn

from torchcourse.data import digits as digit_data
from torchcourse.recording import Clock, keep, share, write_json
from torchcourse.runtime import get_device

from .model import DigitNet
from .preprocess import prepare_batch
from .record_files import load_digit, training_part
from .training import count_errors, train

FIRST_EPOCHS, AGAIN_EPOCHS, AGAIN_SEED = 14, 8, 1_000
MINUTE_EPOCHS = 2
QUICK_SEEDS, QUICK_EPOCHS, QUICK_BATCH = (0, 1, 2), 30, 64


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
