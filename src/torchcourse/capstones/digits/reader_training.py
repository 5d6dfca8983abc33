"""Train the line reader: the loop, with strips made anew if wanted, and the CTC loss."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from torchcourse.train.checkpoint import load_checkpoint, save_checkpoint

from .ctc import ALPHABET, BLANK, LineReader, decode, encode, stack_strips
from .strips import augment_strips
from .training import EMA_DECAY, mixed_precision

Strips = tuple[list[Tensor], list[str]]  # (1, 24, W) uint8 each, and what is written in it

BATCH_SIZE = 64
MAX_LR = 4e-3
RESTART_LR = 2e-3  # the top when training goes on
WEIGHT_DECAY = 0.02
LONG_EMA_DECAY = 0.999  # of a long run: averages the weights over about the last 1,000 steps
CLIP = 2.0  # CTC's first gradients, while everything is still blank, are huge


def batches(
    strips: list[Tensor], texts: list[str], generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor, list[str]]]:
    """One epoch in random order; strips of like width stand together to save padding."""
    order = torch.randperm(len(strips), generator=generator).tolist()
    chunk = BATCH_SIZE * 32
    for first in range(0, len(order), chunk):
        group = sorted(order[first : first + chunk], key=lambda i: strips[i].shape[-1])
        parts = [group[i : i + BATCH_SIZE] for i in range(0, len(group), BATCH_SIZE)]
        for k in torch.randperm(len(parts), generator=generator).tolist():
            batch, steps = stack_strips([strips[i] for i in parts[k]])
            yield batch.float() / 255, steps, [texts[i] for i in parts[k]]


def train_reader(
    make: Callable[[int], Strips],
    count: int,
    *,
    epochs: int,
    seed: int,
    device: torch.device | str = "cpu",
    start: LineReader | None = None,
    evaluate: Callable[[nn.Module], dict] | None = None,
    decay: float = EMA_DECAY,
    keep: Path | None = None,
) -> tuple[LineReader, list[dict]]:
    """Train a :class:`LineReader`; `start` continues from given weights at a lower rate.

    Args:
        make: the strips of an epoch from its number, 0 first; the same again, or fresh ones.
        count: how many strips it gives at most.
        epochs: the learning rate rises and falls once over this many.
        seed: of the initial weights, the order and the distortion.
        device: where to train.
        start: a trained reader to go on from; it is changed in place.
        evaluate: called after each epoch with the averaged network; what it returns is kept.
        decay: of the running average of the weights.
        keep: a file for checkpoints, written after each epoch. If it is there, its run goes on.

    Returns:
        the reader with averaged weights in eval mode, and one dictionary per epoch.
    """
    run = _Run(count, epochs, seed, device, start, decay)
    if keep is not None:
        run.history = load_checkpoint(keep, run.parts(), [run.generator])
    while len(run.history) < epochs:
        row = run.epoch(*make(len(run.history)))
        run.average.eval()
        run.history.append(row | (evaluate(run.average.module) if evaluate else {}))
        if keep is not None:
            save_checkpoint(keep, run.parts(), [run.generator], run.history)
    return run.average.module.eval(), run.history


class _Run:
    """One training run: everything that a checkpoint has to hold."""

    def __init__(
        self,
        count: int,
        epochs: int,
        seed: int,
        device: torch.device | str,
        start: LineReader | None,
        decay: float,
    ) -> None:
        torch.manual_seed(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.device, self.history = device, []
        self.model = (start or LineReader()).to(device, memory_format=torch.channels_last)
        rate = MAX_LR if start is None else RESTART_LR
        parameters = self.model.parameters()
        self.optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=WEIGHT_DECAY)
        self.steps_per_epoch = sum(
            -(-min(BATCH_SIZE * 32, count - i) // BATCH_SIZE)
            for i in range(0, count, BATCH_SIZE * 32)
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, rate, total_steps=epochs * self.steps_per_epoch, pct_start=0.2
        )
        self.average = AveragedModel(
            self.model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True
        )

    def epoch(self, strips: list[Tensor], texts: list[str]) -> dict:
        """All strips once: the row of the history."""
        began, losses = time.perf_counter(), []
        self.model.train()
        rows = batches(strips, texts, self.generator)
        title, total = f"epoch {len(self.history) + 1}", self.steps_per_epoch
        for batch, steps, written in tqdm(rows, title, total=total, leave=False, disable=None):
            losses.append(self.step(augment_strips(batch, self.generator), steps, written))
        before = self.history[-1]["seconds"] if self.history else 0.0
        return {
            "epoch": len(self.history) + 1,
            "loss": torch.stack(losses).mean().item(),
            "seconds": before + time.perf_counter() - began,
        }

    def step(self, ink: Tensor, steps: Tensor, texts: list[str]) -> Tensor:
        """One batch; its loss."""
        with mixed_precision(self.device):
            logits = self.model(ink.to(self.device, memory_format=torch.channels_last))
        loss = ctc_loss(logits.float(), steps, texts)  # logits: (B, T, 17)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        self.schedule.step()
        self.average.update_parameters(self.model)
        return loss.detach()

    def parts(self) -> dict:
        """What a checkpoint holds, by the names of `save_checkpoint`."""
        return {
            "model": self.model,
            "average": self.average,
            "optimizer": self.optimizer,
            "scheduler": self.schedule,
        }


def ctc_loss(logits: Tensor, steps: Tensor, texts: list[str]) -> Tensor:
    """Minus the log-probability of all alignments that read as `texts`, mean over the batch.

    Args:
        logits: (B, T, num_classes).
        steps: (B,) how many of the T steps belong to each strip; the rest is padding.
        texts: what stands in each strip.
    """
    log_probabilities = logits.log_softmax(-1).transpose(0, 1)  # (T, B, num_classes)
    targets = [encode(text) for text in texts]
    return F.ctc_loss(
        log_probabilities,
        torch.cat(targets).to(logits.device),
        steps,
        torch.tensor([len(target) for target in targets]),
        blank=BLANK,
        zero_infinity=True,  # a strip too narrow for its text gives no gradient instead of inf
    )


@torch.no_grad()
def read_strips(model: nn.Module, strips: list[Tensor], allowed: str = ALPHABET) -> list[str]:
    """The text of each strip (1, 24, W) uint8 or float."""
    device = next(model.parameters()).device
    order = sorted(range(len(strips)), key=lambda i: strips[i].shape[-1])
    texts = [""] * len(strips)
    for first in range(0, len(order), 64):
        part = order[first : first + 64]
        batch, steps = stack_strips([strips[i] for i in part])
        batch = batch.float() / 255 if batch.dtype == torch.uint8 else batch
        logits = model(batch.to(device)).float().cpu()
        for i, row, count in zip(part, logits, steps.tolist(), strict=True):
            texts[i] = "".join(sign.text for sign in decode(row[:count], allowed))
    return texts
