"""What the recorder's stages share: the data, and the files they leave for each other."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from torchcourse.data import digits as digit_data

from .ctc import LineReader
from .model import DigitNet
from .preprocess import prepare_batch
from .training import VALIDATION, split

SEEDS = (0, 1, 2)
Network = TypeVar("Network", bound=nn.Module)


class Clock:
    """Time since it was made.

    Processor time stands beside wall time, so that other work on the machine does not count.
    """

    def __init__(self) -> None:
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def times(self) -> dict[str, float]:
        return {
            "wall_seconds": round(time.perf_counter() - self.wall, 1),
            "processor_seconds": round(time.process_time() - self.processor, 1),
        }


def load_mnist(train: bool) -> digit_data.Digits:
    """MNIST, or a sentence that says how to get it: no record is made on other digits."""
    data = digit_data.load(train=train)
    if data.source != "MNIST":
        raise SystemExit(
            "the record is made on MNIST, which was not found; "
            "set TORCHCOURSE_DATA to its folder or TORCHCOURSE_PRESET=full to download it"
        )
    return data


def training_part() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Prepared training images, labels, and the indices to train on and to validate with."""
    data = load_mnist(train=True)
    return prepare_batch(data.images), data.labels, *split(data.labels, VALIDATION)


def keep(
    model: nn.Module,
    history: list[dict],
    name: str,
    work: Path,
    clock: Clock,
    device: torch.device,
    **more: object,
) -> None:
    """Leave the weights and what is known about the run in `work`."""
    weights = {key: tensor.cpu().contiguous() for key, tensor in model.state_dict().items()}
    save_file(weights, work / f"{name}.safetensors")
    result = more | {
        **clock.times(),
        "device": str(device),
        "threads": torch.get_num_threads(),
        "history": history,
    }
    (work / f"{name}.json").write_text(json.dumps(result, indent=1))


def runs(work: Path) -> dict[str, dict]:
    """What the stages that have run left behind."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(work.glob("*.json"))}


def load_digit(work: Path, name: str) -> DigitNet:
    """A digit network as it was kept."""
    return _load(DigitNet(), work / f"{name}.safetensors")


def load_reader(work: Path, name: str) -> LineReader:
    """A line reader as it was kept."""
    return _load(LineReader(), work / f"{name}.safetensors")


def _load(model: nn.Module, path: Path) -> nn.Module:
    model.load_state_dict(load_file(path))
    return model.eval()


def half_weights(model: nn.Module) -> dict[str, Tensor]:
    """The weights as they are shipped: in 16 bits, which halves the files."""
    return {
        key: tensor.half() if tensor.is_floating_point() else tensor
        for key, tensor in model.state_dict().items()
    }


def as_shipped(model: Network) -> Network:
    """The same network with its weights rounded as in the shipped file."""
    model.load_state_dict(half_weights(model))
    return model


def chosen(found: dict) -> tuple[str, str]:
    """Digit network and reader to ship: chosen by the validation part, never by the test part."""
    names = [f"digit_{seed}" for seed in SEEDS if f"digit_{seed}" in found]
    best = max(names, key=lambda name: found[name]["history"][-1]["validation_accuracy"])
    return best, "reader_real" if "reader_real" in found else "reader_drawn"
