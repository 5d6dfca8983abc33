"""What the recorder's stages share: the data, and the files they leave for each other."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from torchcourse.recording import load_mnist

from .ctc import LineReader
from .model import DigitNet
from .preprocess import prepare_batch
from .training import VALIDATION, split

SEEDS = (0, 1, 2)
READERS = ("reader_drawn", "reader_real", "reader_fresh")  # each stage goes on from the last


def training_part() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Prepared training images, labels, and the indices to train on and to validate with."""
    data = load_mnist(train=True)
    return prepare_batch(data.images), data.labels, *split(data.labels, VALIDATION)


def load_digit(work: Path, name: str) -> DigitNet:
    """A digit network as it was kept."""
    return _load(DigitNet(), work / f"{name}.safetensors")


def load_reader(work: Path, name: str) -> LineReader:
    """A line reader as it was kept."""
    return _load(LineReader(), work / f"{name}.safetensors")


def _load(model: nn.Module, path: Path) -> nn.Module:
    model.load_state_dict(load_file(path))
    return model.eval()


def chosen(found: dict) -> tuple[str, str]:
    """Digit network and reader to ship: chosen by the validation part, never by the test part."""
    best = max(digit_names(found), key=lambda name: last_accuracy(found[name]))
    return best, next(name for name in READERS[::-1] if name in found)


def digit_names(found: dict) -> list[str]:
    """The digit networks that have been trained to the end."""
    return [f"digit_{seed}" for seed in SEEDS if f"digit_{seed}" in found]


def last_accuracy(run: dict) -> float:
    return run["history"][-1]["validation_accuracy"]
