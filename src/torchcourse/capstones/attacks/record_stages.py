"""The recorder's stages that train. The test part stays closed to all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from torchcourse.capstones.digits.model import DigitNet
from torchcourse.capstones.digits.preprocess import prepare_batch
from torchcourse.capstones.digits.training import count_errors, split
from torchcourse.data import images as image_data
from torchcourse.recording import Clock, keep, load_mnist
from torchcourse.runtime import get_device

from .defend import as_pixels, flip_and_shift, train
from .measure import still_right
from .model import PhotoNet

SEEDS = (0, 1, 2)
KINDS = ("plain", "defended")
FAMILIES = ("photo", "digit")
EPS = {"photo": 8 / 255, "digit": 0.2}  # that the defence is trained for
#: epochs, attack steps and rate of each kind of run
PHOTO_PLAIN = {"epochs": 2, "eps": 0.0}
PHOTO_DEFENDED = {"epochs": 5, "eps": EPS["photo"], "steps": 1}
DIGIT_PLAIN = {"epochs": 2, "eps": 0.0, "max_lr": 0.1}
DIGIT_DEFENDED = {"epochs": 2, "eps": EPS["digit"], "steps": 2, "max_lr": 0.1}
DIGITS = 15_000  # training digits of MNIST: more would hardly help, and each is attacked
VALIDATION = 1_000  # cut from the training part, each class in its share
WATCHED = 300  # of these are attacked after each epoch, to see a collapse of the defence
WATCH_STEPS = 10


def record_photo(kind: str, seed: int, work: Path) -> None:
    """Train the photo network on CIFAR-10, plain or defended."""
    recipe = PHOTO_PLAIN if kind == "plain" else PHOTO_DEFENDED
    data = image_data.load("cifar10", train=True)
    training, held = split(data.labels, VALIDATION)
    pixels = as_pixels(data.images[training])
    mean, std = (tuple(part.tolist()) for part in _statistics(pixels))
    clock, device = Clock(), get_device()
    torch.manual_seed(seed)
    model = PhotoNet(mean=mean, std=std)
    history = train(
        model,
        data.images[training],
        data.labels[training],
        seed=seed,
        augment=flip_and_shift,
        evaluate=_watch(as_pixels(data.images[held]), data.labels[held], EPS["photo"]),
        device=device,
        **recipe,
    )
    name = f"photo_{kind}_{seed}"
    keep(model, history, name, work, clock, device, seed=seed, source=data.source, **recipe)


def record_digit(kind: str, seed: int, work: Path) -> None:
    """Train the digit network of capstone 1 on MNIST, plain or defended."""
    recipe = DIGIT_PLAIN if kind == "plain" else DIGIT_DEFENDED
    data = load_mnist(train=True)
    images = prepare_batch(data.images)
    training, held = split(data.labels, VALIDATION)
    training = training[:DIGITS]
    clock, device = Clock(), get_device()
    torch.manual_seed(seed)
    model = DigitNet(mean=images[training].mean().item(), std=images[training].std().item())
    history = train(
        model,
        images[training],
        data.labels[training],
        seed=seed,
        evaluate=_watch(images[held], data.labels[held], EPS["digit"]),
        device=device,
        **recipe,
    )
    name = f"digit_{kind}_{seed}"
    keep(model, history, name, work, clock, device, seed=seed, source=data.source, **recipe)


def _statistics(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per colour, each (3,)."""
    return pixels.mean(dim=(0, 2, 3)), pixels.std(dim=(0, 2, 3))


def _watch(x: Tensor, y: Tensor, eps: float) -> Callable[[nn.Module], dict]:
    """After each epoch: accuracy on the validation part, clean and (on a part of it) attacked."""

    def evaluate(model: nn.Module) -> dict:
        robust = still_right(model, x[:WATCHED], y[:WATCHED], eps, WATCH_STEPS, restarts=1)
        row = {
            "validation_accuracy": 1 - count_errors(model, x, y) / len(y),
            "validation_robust": robust.float().mean().item(),
        }
        print(row, flush=True)
        return row

    return evaluate
