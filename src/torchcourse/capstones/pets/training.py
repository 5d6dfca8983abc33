"""The training recipe of the pets network: every choice with its reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from torchcourse.capstones.digits.training import mixed_precision
from torchcourse.train.checkpoint import load_checkpoint, save_checkpoint

from .augment import augment, mix
from .inference import mirrored_logits
from .model import BLOCKS, CLASSES, SIZE, WIDTHS, PetNet

NORMALISATIONS = {
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    # The customary constants, https://docs.pytorch.org/vision/stable/models.html
    "ImageNet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "data set": None,  # measured on the training pictures
}


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults are those of the recorded run."""

    # (side in pixels, epochs): most is learnt from small pictures, at two fifths of the cost;
    # the last epochs get used to what the network will be asked about.
    sizes: tuple[tuple[int, int], ...] = ((48, 56), (64, 28), (SIZE, 12))
    batch_size: int = 32  # small: 1,760 pictures should give many steps
    max_lr: float = 1e-3  # the top of the one-cycle schedule; 3e-3 learnt nothing until it fell
    weight_decay: float = 0.05
    label_smoothing: float = 0.05
    average_over: float = 0.05  # share of all steps that the running average of weights covers
    augmented: bool = True
    mixed: float = 0.0  # share of batches with CutMix
    drop_path: float = 0.05
    dropout: float = 0.1
    normalisation: str = "data set"
    widths: tuple[int, ...] = WIDTHS
    blocks: tuple[int, ...] = BLOCKS

    @property
    def plan(self) -> list[int]:
        """The side of the pictures, epoch by epoch."""
        return [size for size, epochs in self.sizes for _ in range(epochs)]


def train(
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    evaluate: Callable[[nn.Module], dict] | None = None,
    every: int = 10,
    keep: Path | None = None,
) -> tuple[PetNet, list[dict]]:
    """Train a `PetNet`.

    Args:
        images: (N, 3, H, W) uint8. Mean and spread, too, come from these and no others.
        labels: (N,) int64, 0 cat, 1 dog.
        recipe: how.
        seed: of the initial weights, the order and the augmentation.
        device: where to train.
        evaluate: called every so many epochs and at the end, with the averaged network; what it
            returns is kept in the history.
        every: how often.
        keep: a file for checkpoints. If it is there, its run goes on where it stopped, with the
            random numbers it had.

    Returns:
        the network with averaged weights, in eval mode, and one dictionary for each epoch.

    Raises:
        ValueError: fewer pictures than one batch, or a normalisation that does not exist.
    """
    run = _Run(images, labels, recipe, seed, device)
    if keep is not None:
        run.history = load_checkpoint(keep, run.parts(), [run.generator])
    for epoch in range(len(run.history), len(recipe.plan)):
        started = time.process_time()
        loss = run.epoch(recipe.plan[epoch])
        row = {"epoch": epoch + 1, "size": recipe.plan[epoch], "loss": loss}
        row["processor_seconds"] = round(time.process_time() - started, 2)
        if evaluate and ((epoch + 1) % every == 0 or epoch + 1 == len(recipe.plan)):
            row |= evaluate(run.average.module.eval())
        run.history.append(row)
        if keep is not None and ((epoch + 1) % every == 0):
            save_checkpoint(keep, run.parts(), [run.generator], run.history)
    return run.average.module.eval(), run.history


class _Run:
    """Everything that changes while a network is trained."""

    def __init__(
        self, images: Tensor, labels: Tensor, recipe: Recipe, seed: int, device: torch.device | str
    ) -> None:
        steps = len(recipe.plan) * (len(labels) // recipe.batch_size)
        if steps == 0:
            raise ValueError(
                f"{len(labels)} pictures are fewer than one batch of {recipe.batch_size}; "
                "give more pictures, or a recipe with a smaller batch_size"
            )
        torch.manual_seed(seed)
        self.images, self.labels, self.recipe, self.device = images, labels, recipe, device
        self.generator = torch.Generator().manual_seed(seed)
        model = PetNet(
            *statistics(images, recipe.normalisation),
            recipe.widths,
            recipe.blocks,
            recipe.drop_path,
            recipe.dropout,
        )
        self.model = model.to(device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=recipe.max_lr, weight_decay=recipe.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, recipe.max_lr, total_steps=steps, pct_start=0.15
        )
        decay = max(0.0, 1 - 1 / (recipe.average_over * steps))
        self.average = AveragedModel(
            model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True
        )
        self.history: list[dict] = []

    def epoch(self, size: int) -> float:
        """Every picture once; the mean loss."""
        self.model.train()
        losses = []
        for index in batches(len(self.labels), self.recipe.batch_size, self.generator):
            x, targets = self._prepare(self.images[index], self.labels[index], size)
            x = x.to(self.device, memory_format=torch.channels_last)  # (B, 3, size, size)
            with mixed_precision(self.device):
                logits = self.model(x)  # (B, 2)
            loss = F.cross_entropy(
                logits.float(),
                targets.to(self.device),
                label_smoothing=self.recipe.label_smoothing,
            )
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            self.average.update_parameters(self.model)
            losses.append(loss.detach())
        return torch.stack(losses).mean().item()

    def _prepare(self, images: Tensor, labels: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, size, size) float and targets (B, 2)."""
        targets = F.one_hot(labels, len(CLASSES)).float()
        if not self.recipe.augmented:
            return resize(images, size), targets
        x = augment(images, size, self.generator)
        if torch.rand((), generator=self.generator) < self.recipe.mixed:
            return mix(x, labels, len(CLASSES), self.generator)
        return x, targets

    def parts(self) -> dict:
        """What a checkpoint holds, by the names of `save_checkpoint`."""
        return {
            "model": self.model,
            "average": self.average,
            "optimizer": self.optimizer,
            "scheduler": self.schedule,
        }


def batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Indices of one epoch in random order; a last small batch is dropped (BatchNorm)."""
    yield from torch.randperm(count, generator=generator).split(size)[: count // size]


def statistics(images: Tensor, kind: str = "data set") -> tuple[list[float], list[float]]:
    """Mean and standard deviation of red, green and blue, by which the network normalises.

    Args:
        images: the *training* pictures, (N, 3, H, W) uint8.
        kind: "data set" measures them; "ImageNet" and "none" give constants.

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in NORMALISATIONS:
        raise ValueError(f"normalisation is one of {', '.join(NORMALISATIONS)}, not {kind!r}")
    if NORMALISATIONS[kind] is not None:
        mean, std = NORMALISATIONS[kind]
        return list(mean), list(std)
    pixels = images.float() / 255
    return pixels.mean((0, 2, 3)).tolist(), pixels.std((0, 2, 3)).tolist()


def resize(images: Tensor, size: int) -> Tensor:
    """(N, 3, H, W) uint8 to (N, 3, size, size) float in ``[0, 1]``: nothing random, for tests."""
    floats = images.float() / 255
    scaled = F.interpolate(floats, (size, size), mode="bilinear", antialias=True)
    return scaled.clamp(0, 1)


@torch.no_grad()
def predict(
    model: nn.Module, images: Tensor, size: int = SIZE, device: torch.device | str = "cpu"
) -> Tensor:
    """Logits (N, 2), on the CPU, of images (N, 3, H, W) uint8: picture and mirror image.

    Run it twice, and you get the same numbers. The model is left in the mode it came in.
    """
    parts = [resize(part, size).to(device) for part in images.split(200)]
    return torch.cat([mirrored_logits(model, part).float().cpu() for part in parts])
