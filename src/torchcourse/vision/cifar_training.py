"""How `CifarNet` is trained: the recipe of airbench94, every choice with its reason.

The numbers are those of https://arxiv.org/abs/2404.00498 unless a comment says otherwise. Its code
sums the loss over the batch; here, as everywhere in this course, the loss is a mean, and the
learning rate is `batch_size` times as large: the steps are the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torchcourse.capstones.digits.training import mixed_precision
from torchcourse.train import checkpoint
from torchcourse.train.mode import in_eval_mode

from .cifar import WIDTHS, CifarNet

CHECKPOINT = "torchcourse cifar run 1"
PER = 1024  # pictures that `Recipe.lr` and `Recipe.weight_decay` are meant for
PREDICT_BATCH = 500


@dataclass(frozen=True)
class Recipe:
    """How to train."""

    epochs: float = 9.9
    batch_size: int = 1024
    lr: float = 11.5  # decoupled: per 1,024 pictures, whatever the momentum, see `sgd_settings`
    momentum: float = 0.85
    weight_decay: float = 0.0153  # decoupled from the learning rate as well
    bias_factor: float = 64.0  # learning rate of BatchNorm's shifts: they are few and small
    label_smoothing: float = 0.2
    whiten_bias_epochs: int = 3  # afterwards the first layer needs no gradient at all
    start: float = 0.2  # share of the highest learning rate in the first step
    end: float = 0.07  # … and in the last one
    peak: float = 0.23  # the highest comes after this share of all steps
    lookahead_every: int = 5  # steps; 0 leaves it out
    flip: str = "alternating"  # or "random" or "none"
    translate: int = 2  # pixels, in each direction
    widths: tuple[int, ...] = WIDTHS
    mixed: bool = True  # bfloat16 where the processor computes with it

    def steps(self, pictures: int) -> int:
        """Steps of a run; a last small batch of an epoch is left out."""
        return math.ceil(self.epochs * (pictures // self.batch_size))


# What two cores of a laptop do in about two minutes: narrower, fewer epochs, smaller batches (so
# more steps), no special arithmetic.
QUICK = Recipe(epochs=4, batch_size=512, widths=(24, 48, 96), mixed=False)


def sgd_settings(recipe: Recipe) -> dict[str, float]:
    """Learning rate and weight decay for `torch.optim.SGD` with a mean loss.

    The paper takes ``1 + 1 / (1 - m)`` as the factor by which Nesterov momentum m lengthens steps,
    and divides by it. (PyTorch's steps under a constant gradient grow to ``1 / (1 - m)``, one less.
    The recipe's rates were tuned with the paper's factor, so it is kept.)
    """
    gain = 1 + 1 / (1 - recipe.momentum)
    share = recipe.batch_size / PER
    lr = recipe.lr * share / gain
    decay = recipe.weight_decay * share / gain  # what each step takes off a weight, before gain
    bias_lr = lr * recipe.bias_factor
    return {
        "lr": lr,
        "weight_decay": decay / lr,  # SGD multiplies by the learning rate again
        "bias_lr": bias_lr,
        "bias_weight_decay": decay / bias_lr,
    }


def lr_share(step: int, steps: int, recipe: Recipe) -> float:
    """The triangle: up to 1 in a quarter of the run, then down in a straight line."""
    top = int(steps * recipe.peak)
    if step < top:
        return recipe.start + (1 - recipe.start) * step / top
    return 1 + (recipe.end - 1) * (step - top) / (steps - top)


class Lookahead:
    """Slow weights that follow the fast ones; every few steps the fast ones return to them.

    The slow ones weigh ``decay`` in the mean: hardly anything at first, three quarters at the end.
    """

    def __init__(self, model: nn.Module) -> None:
        self.slow = {k: v.clone() for k, v in model.state_dict().items() if v.is_floating_point()}

    @torch.no_grad()
    def update(self, model: nn.Module, decay: float) -> None:
        fast = model.state_dict()
        for name, slow in self.slow.items():
            slow.lerp_(fast[name], 1 - decay)
            fast[name].copy_(slow)


def train(
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    keep: Path | None = None,
) -> tuple[CifarNet, list[dict]]:
    """Train a `CifarNet`.

    Args:
        images: (N, C, H, W) uint8; mean, spread and whitening come from these and no others.
        labels: (N,) int64, from 0.
        recipe: how.
        seed: of the initial weights, the order and the augmentation.
        device: where to train.
        keep: a file for a checkpoint after each epoch. If it is there, its run goes on.

    Returns:
        the network in eval mode, and one dictionary per epoch.

    Raises:
        ValueError: fewer pictures than one batch.
        CheckpointError: `keep` is damaged or belongs to another network.
    """
    run = _Run(images, labels, recipe, seed, device)
    if keep is not None and keep.exists():
        run.load(keep)
    while run.step < run.steps:
        run.epoch()
        if keep is not None:
            run.save(keep)
    return run.model.eval(), run.history


class _Run:
    """Everything that changes while a network is trained."""

    def __init__(
        self, images: Tensor, labels: Tensor, recipe: Recipe, seed: int, device: torch.device | str
    ) -> None:
        self.steps, self.step = recipe.steps(len(labels)), 0
        if self.steps == 0:
            raise ValueError(
                f"{len(labels)} pictures are fewer than one batch of {recipe.batch_size}; "
                "give more pictures, or a recipe with a smaller batch_size"
            )
        torch.manual_seed(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.images, self.labels, self.recipe, self.device = images, labels, recipe, device
        model = CifarNet(recipe.widths, images.shape[1], int(labels.max()) + 1).fit_to(images)
        self.model = model.to(device, memory_format=torch.channels_last)
        self.optimizer = make_optimizer(self.model, recipe)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: lr_share(step, self.steps, recipe)
        )
        self.lookahead = Lookahead(self.model)
        self.mirrored = torch.rand(len(labels), generator=self.generator) < 0.5
        self.history: list[dict] = []

    def epoch(self) -> None:
        """Every picture once, or fewer at the very end; adds a row to the history."""
        self.model.train()
        number, started = len(self.history), (time.perf_counter(), time.process_time())
        self.model.whiten.bias.requires_grad_(number < self.recipe.whiten_bias_epochs)
        losses, hits, seen = [], 0, 0
        for index in self._batches():
            logits, loss = self._one_step(index, number)
            losses.append(loss.item())
            hits += int((logits.argmax(1).cpu() == self.labels[index]).sum())
            seen += len(index)
        self.history.append(
            {
                "epoch": number + 1,
                "steps": self.step,
                "train_loss": sum(losses) / len(losses),
                "train_accuracy": hits / seen,  # on augmented pictures, while learning
                "lr": self.schedule.get_last_lr()[0],
                "wall_seconds": round(time.perf_counter() - started[0], 1),
                "processor_seconds": round(time.process_time() - started[1], 1),
            }
        )

    def _batches(self) -> Iterator[Tensor]:
        size, count = self.recipe.batch_size, len(self.labels)
        order = torch.randperm(count, generator=self.generator)
        left = self.steps - self.step
        yield from order.split(size)[: min(count // size, left)]

    def _one_step(self, index: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        x = augment(
            self.images[index], self.mirrored[index], epoch, self.recipe, self.generator
        ).to(self.device)  # (B, C, H, W) in [0, 1]
        with mixed_precision(self.device) if self.recipe.mixed else nullcontext():
            logits = self.model(x)  # (B, K)
        logits = logits.float()  # the loss is always computed in 32 bits
        smoothing = self.recipe.label_smoothing
        loss = F.cross_entropy(
            logits, self.labels[index].to(self.device), label_smoothing=smoothing
        )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        if self.recipe.lookahead_every:
            self._look_ahead()
        return logits.detach(), loss.detach()

    def _look_ahead(self) -> None:
        if self.step == self.steps:
            self.lookahead.update(self.model, decay=1.0)  # the slow weights are the result
        elif self.step % self.recipe.lookahead_every == 0:
            self.lookahead.update(self.model, 0.95**5 * (self.step / self.steps) ** 3)

    def save(self, path: Path) -> None:
        state = {"format": CHECKPOINT, "step": self.step, "history": self.history}
        state |= {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        state |= {"schedule": self.schedule.state_dict(), "slow": self.lookahead.slow}
        state |= {"mirrored": self.mirrored, "generator": self.generator.get_state()}
        checkpoint.write_whole(path, state)

    def load(self, path: Path) -> None:
        state = checkpoint.read(path, CHECKPOINT)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.lookahead.slow = {k: v.to(self.device) for k, v in state["slow"].items()}
        self.mirrored, self.step = state["mirrored"], state["step"]
        self.history = state["history"]
        self.generator.set_state(state["generator"])


def make_optimizer(model: CifarNet, recipe: Recipe) -> torch.optim.SGD:
    """Nesterov SGD with two groups: BatchNorm's shifts, and everything else that learns."""
    settings = sgd_settings(recipe)
    shifts = [m.bias for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    known = {id(p) for p in shifts}
    others = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    groups = [
        {
            "params": shifts,
            "lr": settings["bias_lr"],
            "weight_decay": settings["bias_weight_decay"],
        },
        {"params": others, "lr": settings["lr"], "weight_decay": settings["weight_decay"]},
    ]
    return torch.optim.SGD(groups, momentum=recipe.momentum, nesterov=True)


def augment(
    images: Tensor, mirrored: Tensor, epoch: int, recipe: Recipe, generator: torch.Generator
) -> Tensor:
    """Mirror and shift a batch.

    Args:
        images: (B, C, H, W) uint8.
        mirrored: (B,) bool, drawn once for the whole run: which pictures the first epoch mirrors.
            With "alternating", the next epoch mirrors the others, and so on in turn: a picture is
            never seen twice the same way before it was seen the other way.
        epoch: from 0.
        recipe: `flip` and `translate` of it.
        generator: of what is drawn anew for each batch.

    Returns:
        (B, C, H, W) float in ``[0, 1]``, its memory laid out with the channels last.
    """
    x = images.float() / 255
    if recipe.flip == "random":
        mirrored = torch.rand(len(x), generator=generator) < 0.5
    elif recipe.flip == "alternating":
        mirrored = mirrored ^ (epoch % 2 == 1)
    if recipe.flip != "none":
        x = torch.where(mirrored.view(-1, 1, 1, 1), x.flip(-1), x)
    return shift(x, recipe.translate, generator)


def shift(x: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Each picture of (B, C, H, W) moved by up to `most` pixels; what is missing is mirrored in."""
    count, _, height, width = x.shape
    padded = F.pad(x, (most,) * 4, mode="reflect")  # (B, C, H + 2 most, W + 2 most)
    top, left = torch.randint(0, 2 * most + 1, (2, count, 1), generator=generator)  # (B, 1) each
    rows = (top + torch.arange(height)).unsqueeze(2)  # (B, H, 1)
    columns = (left + torch.arange(width)).unsqueeze(1)  # (B, 1, W)
    which = torch.arange(count).view(-1, 1, 1)
    moved = padded.permute(0, 2, 3, 1)[which, rows, columns]  # (B, H, W, C)
    return moved.permute(0, 3, 1, 2)  # (B, C, H, W), channels last in memory


def views(x: Tensor, level: int) -> list[tuple[float, Tensor]]:
    """What is asked at test time, each with its weight.

    Args:
        x: (B, C, H, W).
        level: 0 the picture alone; 1 and its mirror image; 2 and both shifted by one pixel, up
            and left or down and right.
    """
    if level == 0:
        return [(1.0, x)]
    both = [(0.5, x), (0.5, x.flip(-1))]
    if level == 1:
        return both
    padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
    height, width = x.shape[-2:]
    shifted = [padded[..., :height, :width], padded[..., 2:, 2:]]
    both = [(weight / 2, view) for weight, view in both]
    return both + [(0.125, v) for view in shifted for v in (view, view.flip(-1))]


@torch.no_grad()
def predict(
    model: nn.Module,
    images: Tensor,
    level: int = 2,
    device: torch.device | str = "cpu",
    mixed: bool = False,
) -> Tensor:
    """Logits (N, K) in 32 bits, on the CPU, of images (N, C, H, W) uint8; see `views`."""
    found = []
    with in_eval_mode(model), mixed_precision(device) if mixed else nullcontext():
        for part in images.split(PREDICT_BATCH):
            x = (part.float() / 255).to(device, memory_format=torch.channels_last)
            found.append(sum(w * model(view).float() for w, view in views(x, level)).cpu())
    return torch.cat(found)
