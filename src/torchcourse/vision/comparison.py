"""How the networks of the comparison are trained: one recipe for all, each choice with its reason.

The loop is `torchcourse.train.fit`; what is added here are augmented batches, 16-bit arithmetic
and averaged weights.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from torchcourse.capstones.digits.training import batches, mixed_precision
from torchcourse.train import correct, fit

__all__ = ["RECIPES", "Averaged", "Batches", "Recipe", "augment", "train"]

SHIFT = 2  # pixels that a picture may be moved by, in each direction


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults are those of the recorded runs."""

    epochs: int = 12
    batch_size: int = 64  # small: 7,200 pictures should give many steps
    lr: float = 3e-3  # the top of the one-cycle schedule; the rate itself without one
    one_cycle: bool = True  # with AdamW; else plain descent at a constant rate
    weight_decay: float = 0.05
    label_smoothing: float = 0.05
    average_over: float = 0.06  # share of all steps that the running average of weights covers
    augmented: bool = True


#: What the comparison is made with, and how the older tutorials went about it.
RECIPES = {
    "modern": Recipe(),
    "plain": Recipe(
        epochs=10,
        batch_size=128,
        lr=0.05,
        one_cycle=False,
        weight_decay=0.0,
        label_smoothing=0.0,
        average_over=0.0,
        augmented=False,
    ),
}


def augment(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Mirror half of the pictures, and move each by up to `SHIFT` pixels; zeros come in.

    Args:
        images: (B, C, H, W) float, normalised.
        generator: where the randomness comes from (CPU); the global one if None.

    Returns:
        (B, C, H, W).
    """
    count, _, height, width = images.shape
    mirrored = torch.rand(count, generator=generator) < 0.5  # (B,)
    images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
    padded = F.pad(images, [SHIFT] * 4)  # (B, C, H + 2·SHIFT, W + 2·SHIFT)
    # All crops as views: (B, C, 2·SHIFT + 1, 2·SHIFT + 1, H, W); each picture picks one.
    crops = padded.unfold(2, height, 1).unfold(3, width, 1)
    down, right = torch.randint(2 * SHIFT + 1, (2, count), generator=generator)
    return crops[torch.arange(count), :, down, right]


class Batches:
    """An epoch of normalised, perhaps augmented batches each time it is iterated over.

    Args:
        images: (N, C, H, W) uint8.
        labels: (N,) int64.
        recipe: batch size, and whether to augment.
        seed: of order and augmentation.

    `fit` finds `generator` and saves it. `processor_seconds` holds what each epoch has taken, the
    steps of whoever iterates included.
    """

    def __init__(self, images: Tensor, labels: Tensor, recipe: Recipe, seed: int) -> None:
        if len(labels) < recipe.batch_size:
            raise ValueError(
                f"{len(labels)} pictures are fewer than one batch of {recipe.batch_size}; "
                "give more pictures, or a recipe with a smaller batch_size"
            )
        self.images, self.labels, self.recipe = images, labels, recipe
        self.mean, self.std = statistics(images)
        self.generator = torch.Generator().manual_seed(seed)
        self.processor_seconds: list[float] = []

    def __len__(self) -> int:
        return len(self.labels) // self.recipe.batch_size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        started = time.process_time()
        for rows in batches(len(self.labels), self.recipe.batch_size, self.generator):
            inputs = normalise(self.images[rows], self.mean, self.std)
            if self.recipe.augmented:
                inputs = augment(inputs, self.generator)
            yield inputs.contiguous(memory_format=torch.channels_last), self.labels[rows]
        self.processor_seconds.append(round(time.process_time() - started, 2))


def statistics(images: Tensor) -> tuple[float, float]:
    """Mean and standard deviation of training pictures (N, C, H, W) uint8, on a scale of 0 to 1."""
    pixels = images.float() / 255
    return pixels.mean().item(), pixels.std().item()


def normalise(images: Tensor, mean: float, std: float) -> Tensor:
    """Pictures uint8 as networks want them: float, about mean 0 and standard deviation 1."""
    return (images.float() / 255 - mean) / std


class Averaged(nn.Module):
    """A network that trains in 16 bits where that is fast, and answers with averaged weights.

    In train mode its answers are the network's, in eval mode those of the running average, in 32
    bits. Call `update` after each step.

    Args:
        model: the network, (B, C, H, W) -> (B, num_classes).
        decay: of the average, 0 up to 1; 0 follows the network at once.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__()
        self.model = model.to(memory_format=torch.channels_last)
        self.average = AveragedModel(
            self.model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True
        )

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self.average(x)
        with mixed_precision(x.device):
            return self.model(x).float()

    def update(self, *_: object) -> None:
        """Take the network's present weights into the average; fit to be an optimizer's hook."""
        self.average.update_parameters(self.model)


def train(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    *,
    seed: int,
    validation: tuple[Tensor, Tensor] | None = None,
    folder: Path | None = None,
) -> tuple[nn.Module, list[dict], Batches]:
    """Train a network on the CPU.

    Args:
        model: fresh, (B, C, H, W) -> (B, num_classes).
        images: (N, C, H, W) uint8. Mean and spread, too, come from these and no others.
        labels: (N,) int64.
        recipe: how.
        seed: of order, augmentation and dropout (the caller has made the weights).
        validation: images and labels to look at after each epoch, which changes nothing.
        folder: for checkpoints; a run that was killed goes on where it stopped.

    Returns:
        the averaged network in eval mode, one dictionary for each epoch, and the batches with
        the normalisation and the times of those epochs that this process has trained.
    """
    torch.manual_seed(seed)
    loader = Batches(images, labels, recipe, seed)
    steps = recipe.epochs * len(loader)
    decay = max(0.0, 1 - 1 / (recipe.average_over * steps)) if recipe.average_over else 0.0
    averaged = Averaged(model, decay)
    optimizer, scheduler = _optimizer(averaged.model, recipe, steps)
    optimizer.register_step_post_hook(averaged.update)
    held = None
    if validation is not None:
        prepared = normalise(validation[0], loader.mean, loader.std)
        held = list(zip(prepared.split(500), validation[1].split(500), strict=True))
    history = fit(
        averaged,
        loader,
        held,
        epochs=recipe.epochs,
        optimizer=optimizer,
        loss_fn=nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing),
        metrics={"accuracy": correct},
        scheduler=scheduler,
        scheduler_every="batch",
        folder=folder,
        progress=False,
    )
    return averaged.average.module.eval(), history.rows, loader


def _optimizer(model: nn.Module, recipe: Recipe, steps: int) -> tuple:
    if not recipe.one_cycle:
        return torch.optim.SGD(model.parameters(), lr=recipe.lr), None
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay
    )
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.lr, total_steps=steps, pct_start=0.2
    )
