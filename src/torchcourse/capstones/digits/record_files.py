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
    names = [f"digit_{seed}" for seed in SEEDS if f"digit_{seed}" in found]
    best = max(names, key=lambda name: found[name]["history"][-1]["validation_accuracy"])
    return best, "reader_real" if "reader_real" in found else "reader_drawn"
