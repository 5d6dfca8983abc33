"""The training recipe of the review reader: every choice with its reason."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from torchcourse.capstones.digits.training import mixed_precision
from torchcourse.train.checkpoint import load_checkpoint, save_checkpoint
from torchcourse.train.mode import in_eval_mode

from .data import Encoded, batches_by_length
from .model import Config, TransformerClassifier, pad
from .tokens import MASK, PAD


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults are those of the recorded run."""

    epochs: int = 2
    batch_tokens: int = 4_096  # padding included; about 90 reviews
    max_lr: float = 2e-3
    warm_up: float = 0.1  # share of the steps in which the rate rises from 0
    weight_decay: float = 0.05  # not for embeddings, norms and biases
    pair_decay: float = 1.0  # of the tables of pairs and triples: what is rare fades again
    eps: float = 1e-6  # Adam's; with the usual 1e-8 a rare row leaps at its first small gradient
    label_smoothing: float = 0.1
    word_dropout: float = 0.2  # share of tokens that training hides behind [MASK]
    average_over: float = 0.05  # share of all steps that the running average of weights covers
    gaps: float = 0.2  # share of tokens hidden when they are to be guessed


def learning_rate(step: int, steps: int, recipe: Recipe) -> float:
    """Factor in [0, 1] of `max_lr`: straight up, then down along half a cosine."""
    rising = max(1, round(recipe.warm_up * steps))
    if step < rising:
        return (step + 1) / rising
    return (1 + cos(pi * (step - rising) / max(1, steps - rising))) / 2


def train(
    data: Encoded,
    config: Config,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    evaluate: Callable[[TransformerClassifier], dict] | None = None,
    keep: Path | None = None,
    objective: str = "labels",
    start: dict[str, Tensor] | None = None,
) -> tuple[TransformerClassifier, list[dict]]:
    """Train a `TransformerClassifier`.

    Args:
        data: training reviews, none longer than `config.max_tokens`.
        config: shape of the network.
        recipe: how.
        seed: of the initial weights, the order, and all dropout.
        device: where to train.
        evaluate: called after every epoch with the averaged network; what it returns is kept in
            the history.
        keep: a file for checkpoints, written after every epoch. If it is there, its run goes on
            where it stopped, with the random numbers it had.
        objective: "labels", or "gaps" to guess hidden tokens, which needs no labels.
        start: weights to begin with, such as those of a network that guessed gaps.

    Returns:
        the network with averaged weights, in eval mode, and one dictionary for each epoch.

    Raises:
        ValueError: no reviews, or another objective.
    """
    if objective not in OBJECTIVES:
        raise ValueError(f"objective is one of {', '.join(OBJECTIVES)}, not {objective!r}")
    run = OBJECTIVES[objective](data, config, recipe, seed, device, start)
    if keep is not None:
        run.history = load_checkpoint(keep, run.parts(), [run.generator])
    for epoch in range(len(run.history), recipe.epochs):
        started = time.process_time()
        row = {"epoch": epoch + 1, "loss": run.epoch()}
        row["processor_seconds"] = round(time.process_time() - started, 2)
        if evaluate:
            row |= evaluate(run.average.module.eval())
        run.history.append(row)
        if keep is not None:
            save_checkpoint(keep, run.parts(), [run.generator], run.history)
    return run.average.module.eval(), run.history


class _Run:
    """Everything that changes while a network is trained."""

    def __init__(
        self,
        data: Encoded,
        config: Config,
        recipe: Recipe,
        seed: int,
        device: torch.device | str,
        start: dict[str, Tensor] | None,
    ) -> None:
        if not data.rows:
            raise ValueError("there is no review to learn from")
        torch.manual_seed(seed)
        self.data, self.recipe, self.device = data, recipe, device
        self.generator = torch.Generator().manual_seed(seed)
        self.lengths = [max(1, len(row)) for row in data.rows]
        self.model = TransformerClassifier(config).to(device)
        if start is not None:
            self.model.load_state_dict(start)
        self.optimizer = make_optimizer(self.model, recipe)
        # Batches are drawn anew each epoch, and their number differs by one or two: a plan for
        # somewhat more steps than there will be would not end at 0, so each epoch gets as many.
        self.steps = recipe.epochs * len(batches_by_length(self.lengths, recipe.batch_tokens))
        decay = max(0.0, 1 - 1 / max(1.0, recipe.average_over * self.steps))
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(decay))
        self.history: list[dict] = []

    def epoch(self) -> float:
        """Every review once; the mean loss of the batches."""
        self.model.train()
        losses = []
        batches = batches_by_length(self.lengths, self.recipe.batch_tokens, self.generator)
        for number, places in enumerate(batches):
            progress = (len(self.history) + number / len(batches)) / self.recipe.epochs
            factor = learning_rate(int(progress * self.steps), self.steps, self.recipe)
            for group in self.optimizer.param_groups:
                group["lr"] = factor * self.recipe.max_lr
            losses.append(self.step(places))
        return torch.stack(losses).mean().item()

    def step(self, places: list[int]) -> Tensor:
        """One batch; its loss."""
        loss = self.loss(places)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.average.update_parameters(self.model)
        return loss.detach()

    def loss(self, places: list[int]) -> Tensor:
        """Of the labels of these reviews."""
        tokens = pad([self.data.rows[i] for i in places])  # (B, T)
        tokens = hide(tokens, self.recipe.word_dropout, self.generator).to(self.device)
        labels = self.data.labels[places].to(self.device)
        with mixed_precision(self.device):
            logits = self.model(tokens)  # (B, 2)
        smoothing = self.recipe.label_smoothing
        return F.cross_entropy(logits.float(), labels, label_smoothing=smoothing)

    def parts(self) -> dict:
        """What a checkpoint holds, by the names of `save_checkpoint`."""
        return {"model": self.model, "average": self.average, "optimizer": self.optimizer}


class _GapRun(_Run):
    """The same with another aim: to guess tokens that are hidden (Devlin et al., "BERT", 2018)."""

    def loss(self, places: list[int]) -> Tensor:
        """Of the tokens hidden in these reviews; the vectors of tokens serve as their classes."""
        tokens = pad([self.data.rows[i] for i in places])  # (B, T)
        hidden = hide(tokens, self.recipe.gaps, self.generator)
        gaps = hidden != tokens  # (B, T)
        if not gaps.any():
            gaps[:, 0] = True  # a batch of few tokens: an easy guess instead of none
        tokens, hidden, gaps = (x.to(self.device) for x in (tokens, hidden, gaps))
        with mixed_precision(self.device):
            x = self.model.encode(self.model.embed(hidden), self.model.real(hidden))
            logits = x[gaps] @ self.model.token.weight.T  # (gaps, vocabulary)
        return F.cross_entropy(logits.float(), tokens[gaps])


OBJECTIVES: dict[str, type[_Run]] = {"labels": _Run, "gaps": _GapRun}


def make_optimizer(model: torch.nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW that lets matrices of linear layers decay, and tables of pairs much more.

    A rare token's vector gets a gradient once in a while and would decay all the time, so the
    other embeddings do not. For a pair that is as it should be: seen once, it is hardly evidence,
    and an unpenalised vector would learn that one review by heart.
    """
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)}
    linear, pairs, others = [], [], []
    for name, parameter in model.named_parameters():
        if name.startswith(("pair.", "triple.")):
            pairs.append(parameter)
        elif parameter.ndim == 2 and id(parameter) not in embeddings:
            linear.append(parameter)
        else:
            others.append(parameter)
    groups = [
        {"params": linear, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
        {"params": pairs, "weight_decay": recipe.pair_decay},
    ]
    return torch.optim.AdamW(groups, lr=recipe.max_lr, eps=recipe.eps)


def hide(tokens: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """A copy of tokens (B, T) in which so many of the real ones are `MASK`."""
    chosen = torch.rand(tokens.shape, generator=generator) < share
    return tokens.masked_fill(chosen & (tokens != PAD), MASK)


@torch.no_grad()
def predict(
    model: TransformerClassifier, rows: list[list[int]], batch_tokens: int = 16_384
) -> Tensor:
    """Logits (N, 2), on the CPU, of N texts as token numbers, computed in 32 bits.

    The model is left in the mode it came in.
    """
    device = next(model.parameters()).device
    logits = torch.zeros(len(rows), 2)
    with in_eval_mode(model):
        for places in batches_by_length([max(1, len(row)) for row in rows], batch_tokens):
            logits[places] = model(pad([rows[i] for i in places]).to(device)).float().cpu()
    return logits
