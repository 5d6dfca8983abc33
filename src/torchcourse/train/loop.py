"""The training loop: an epoch of training, an evaluation, and `fit`, which repeats the two."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from tqdm.auto import tqdm

from torchcourse.runtime import is_static_build
from torchcourse.train.checkpoint import (
    Stateful,
    load_checkpoint,
    loader_generators,
    save_checkpoint,
)
from torchcourse.train.history import History
from torchcourse.train.mode import in_eval_mode

Metric = Callable[[Tensor, Tensor], Tensor]
Batches = Iterable[tuple[Tensor, Tensor]]


def correct(logits: Tensor, targets: Tensor) -> Tensor:
    """Which predictions are right: (B, num_classes), (B,) int64 → (B,) bool.

    The metric for accuracy: ``metrics={"accuracy": correct}``.
    """
    return logits.argmax(dim=1) == targets


class SampleMean:
    """Means over samples, so that a short last batch weighs no more than its samples do."""

    def __init__(self, metrics: Mapping[str, Metric] | None = None) -> None:
        self.metrics = metrics or {}
        self.sums, self.count = defaultdict(float), 0

    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch: its mean loss, (), and what the metrics say of each of its B samples."""
        self.count += len(targets)
        self.sums["loss"] += loss.detach() * len(targets)  # stays on the device: no waiting
        for name, metric in self.metrics.items():
            values = metric(outputs.detach(), targets)  # (B,)
            if values.shape != (len(targets),):
                raise ValueError(
                    f"metric {name!r} must give one value per sample, shape ({len(targets)},), "
                    f"not {tuple(values.shape)}; leave the averaging to the loop"
                )
            self.sums[name] += values.sum()

    def result(self) -> dict[str, float]:
        """The means as plain numbers."""
        if self.count == 0:
            raise ValueError(
                "the loader gave no batch; is its data set empty, or smaller than one batch with "
                "drop_last=True?"
            )
        return {name: float(total) / self.count for name, total in self.sums.items()}


def train_one_epoch(
    model: nn.Module,
    loader: Batches,
    *,
    optimizer: torch.optim.Optimizer,
    loss_fn: Metric,
    metrics: Mapping[str, Metric] | None = None,
    scheduler: LRScheduler | None = None,
    device: torch.device | str | None = None,
    title: str = "train",
    progress: bool = False,
) -> dict[str, float]:
    """Show the model every training batch once, one optimizer step each.

    Args:
        model: put into train mode, and left in it.
        loader: gives pairs (inputs, targets), the first dimension of both being the batch's.
        optimizer: of the model's parameters.
        loss_fn: (outputs, targets) → the mean loss of the batch, ().
        metrics: name → (outputs, targets) → one value per sample, (B,).
        scheduler: stepped after each batch, as `OneCycleLR` wants it.
        device: where batches are moved to; None means where the model is.
        title: stands before the progress bar.
        progress: show a bar.

    Returns:
        means over samples: "loss" and the metrics, as the model was at each step.
    """
    device = device_of(model) if device is None else device
    model.train()  # here, not before the first epoch: `evaluate` has switched it off since
    mean = SampleMean(metrics)
    for inputs, targets in tqdm(loader, title, leave=False, disable=not progress):
        inputs, targets = inputs.to(device), targets.to(device)
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = loss_fn(outputs, targets)
        loss.backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        mean.add(loss, outputs, targets)
    return mean.result()


@torch.no_grad()
def evaluate(
    model: nn.Module,
    loader: Batches,
    *,
    loss_fn: Metric,
    metrics: Mapping[str, Metric] | None = None,
    device: torch.device | str | None = None,
) -> dict[str, float]:
    """Measure the model on every batch of a loader, in eval mode; it comes back in its own mode.

    Args:
        model: any module.
        loader: gives pairs (inputs, targets); it should neither shuffle nor augment.
        loss_fn: (outputs, targets) → the mean loss of the batch, ().
        metrics: name → (outputs, targets) → one value per sample, (B,).
        device: where batches are moved to; None means where the model is.

    Returns:
        means over samples: "loss" and the metrics. Independent of the batch size but for rounding.

    Raises:
        ValueError: the loader is empty, or a metric gives anything but one value per sample.
    """
    device = device_of(model) if device is None else device
    mean = SampleMean(metrics)
    with in_eval_mode(model):
        for inputs, targets in loader:
            inputs, targets = inputs.to(device), targets.to(device)
            outputs = model(inputs)
            mean.add(loss_fn(outputs, targets), outputs, targets)
    return mean.result()


def fit(
    model: nn.Module,
    train_loader: Batches,
    validation_loader: Batches | None = None,
    *,
    epochs: int,
    optimizer: torch.optim.Optimizer,
    loss_fn: Metric,
    metrics: Mapping[str, Metric] | None = None,
    scheduler: LRScheduler | None = None,
    scheduler_every: Literal["epoch", "batch"] = "epoch",
    device: torch.device | str | None = None,
    folder: str | Path | None = None,
    patience: int | None = None,
    monitor: str | None = None,
    mode: Literal["min", "max"] = "min",
    writer: object | None = None,
    progress: bool | None = None,
) -> History:
    """Train until `epochs` are done or nothing improves, and go on where a killed run stopped.

    With a `folder`, `best.pt` and `last.pt` are written after each epoch, whole or not at all. If
    `last.pt` is there, its run goes on: an epoch that was cut short is done again from its start
    with the random numbers it had, so on one machine the weights end bit-identical to those of an
    uninterrupted run (on a GPU if its kernels are deterministic). Build model, optimizer,
    scheduler and loaders anew, just as for the first start; random numbers drawn from generators
    hidden elsewhere are not put back.

    Args:
        model: afterwards it holds the weights of the last epoch; `load_weights` gets the best.
        train_loader: gives pairs (inputs, targets), the first dimension being the batch's.
        validation_loader: likewise, neither shuffled nor augmented; None to do without.
        epochs: how many in all, those of an earlier start included.
        optimizer: of the model's parameters. When resuming, its saved learning rate counts.
        loss_fn: (outputs, targets) → the mean loss of the batch, ().
        metrics: name → (outputs, targets) → one value per sample, (B,).
        scheduler: any of `torch.optim.lr_scheduler`; a plateau scheduler is shown `monitor`.
        scheduler_every: when it is stepped: after each "epoch" or each "batch" (`OneCycleLR`).
        device: the model and the batches are moved there; None means where the model is.
        folder: for checkpoints, made if missing; one run each. None keeps nothing.
        patience: stop after this many epochs in a row without a better `monitor`.
        monitor: a column of the history; None means ``validation_loss``, or ``train_loss`` if
            there is no validation.
        mode: "min" if a lower `monitor` is better, "max" if a higher one is.
        writer: a TensorBoard `SummaryWriter`, or anything with its `add_scalars`, `add_scalar`
            and `flush`.
        progress: show a bar for each epoch; None means yes, but not on the built site.

    Returns:
        the history of all epochs, those before a restart included.

    Raises:
        ValueError: for an argument out of its range, or an optimizer of another model.
        torchcourse.train.CheckpointError: `last.pt` is damaged or of another run. It is left in
            place, and nothing has been loaded or trained.
        RuntimeError: another process is training in this folder.
    """
    monitor = monitor or ("train_loss" if validation_loader is None else "validation_loss")
    _check_arguments(model, optimizer, epochs, patience, scheduler_every, mode)
    _check_monitor(monitor, metrics, validation_loader)
    _warn_of_persistent_workers(train_loader, folder)
    device = device_of(model) if device is None else torch.device(device)
    model.to(device)
    progress = not is_static_build() if progress is None else progress
    parts = {"model": model, "optimizer": optimizer}
    parts |= {} if scheduler is None else {"scheduler": scheduler}
    generators = loader_generators(train_loader, validation_loader)
    history = History([], monitor, mode)
    measured = {"loss_fn": loss_fn, "metrics": metrics, "device": device}

    with _own_folder(folder) as folder:
        if folder is not None:
            history.rows = load_checkpoint(folder / "last.pt", parts, generators)
        while len(history) < epochs and not history.stalled(patience):
            epoch, started = len(history) + 1, time.perf_counter()
            row = {"epoch": epoch, "lr": optimizer.param_groups[0]["lr"]}
            means = train_one_epoch(
                model,
                train_loader,
                optimizer=optimizer,
                scheduler=scheduler if scheduler_every == "batch" else None,
                title=f"epoch {epoch}/{epochs}",
                progress=progress,
                **measured,
            )
            row |= named("train", means) | {"seconds": time.perf_counter() - started}
            if validation_loader is not None:
                row |= named("validation", evaluate(model, validation_loader, **measured))
            history.rows.append(row)
            if scheduler is not None and scheduler_every == "epoch":
                _step(scheduler, row[monitor])
            if writer is not None:
                write_scalars(writer, row)
            if folder is not None:
                save_epoch(folder, parts, generators, history)
    return history


def named(part: str, means: Mapping[str, float]) -> dict[str, float]:
    """Columns of the history: {"loss": 0.1} of "train" → {"train_loss": 0.1}."""
    return {f"{part}_{name}": value for name, value in means.items()}


def save_epoch(
    folder: Path,
    parts: Mapping[str, Stateful],
    generators: list[torch.Generator],
    history: History,
) -> None:
    """Write `last.pt`, and before it `best.pt` if this epoch was the best so far.

    In this order: dying between the two, the run does the epoch again and writes both. The other
    way round, `last.pt` would count a best epoch as saved that never was.
    """
    if history.best_epoch == len(history):
        save_checkpoint(folder / "best.pt", parts, generators, history.rows)
    save_checkpoint(folder / "last.pt", parts, generators, history.rows)


def _step(scheduler: LRScheduler, value: float) -> None:
    """One step of a scheduler; one that waits for a plateau is shown the value it watches."""
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(value)
    else:
        scheduler.step()


def write_scalars(writer: object, row: Mapping[str, float]) -> None:
    """A row of the history for TensorBoard: one chart per quantity, one curve per data set."""
    charts = defaultdict(dict)
    for column, value in row.items():
        part, _, name = column.partition("_")
        if part in ("train", "validation"):
            charts[name][part] = value
    for name, curves in charts.items():
        writer.add_scalars(name, curves, row["epoch"])
    writer.add_scalar("lr", row["lr"], row["epoch"])
    writer.flush()  # a killed process loses what it has not yet written


def device_of(model: nn.Module) -> torch.device:
    """Where a model's parameters are; the CPU if it has none."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


@contextlib.contextmanager
def _own_folder(folder: str | Path | None) -> Iterator[Path | None]:
    """Make the folder and hold it for this process: two runs in one would mix their files."""
    if folder is None:
        yield None
        return
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "run.lock", timeout=0)  # a killed process loses it by itself
    try:
        lock.acquire()
    except Timeout as error:
        raise RuntimeError(
            f"another process is training in {folder}; wait for it, or choose another folder"
        ) from error
    try:
        yield folder
    finally:
        lock.release()


def _check_arguments(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    epochs: int,
    patience: int | None,
    scheduler_every: str,
    mode: str,
) -> None:
    for name, value in (("epochs", epochs), ("patience", patience)):
        if value is None and name == "patience":
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be an integer from 1, got {value!r}")
    for name, value, allowed in (
        ("scheduler_every", scheduler_every, ("epoch", "batch")),
        ("mode", mode, ("min", "max")),
    ):
        if value not in allowed:
            raise ValueError(f"{name} must be {' or '.join(map(repr, allowed))}, got {value!r}")
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not any(id(p) in held for p in model.parameters()):
        raise ValueError(
            "the optimizer holds no parameter of this model, so the model would learn nothing; "
            "build it with model.parameters(), after the model"
        )


def _check_monitor(
    monitor: str, metrics: Mapping[str, Metric] | None, validation_loader: object
) -> None:
    parts = ["train"] if validation_loader is None else ["train", "validation"]
    columns = [f"{part}_{name}" for part in parts for name in ("loss", *(metrics or {}))]
    if monitor not in columns:
        raise ValueError(f"monitor must be one of {', '.join(columns)}; got {monitor!r}")


def _warn_of_persistent_workers(loader: object, folder: object) -> None:
    if folder is not None and getattr(loader, "persistent_workers", False):
        warnings.warn(
            "persistent workers keep random numbers of their own from epoch to epoch, which no "
            "checkpoint holds: a resumed run may augment differently. For bit-identical weights "
            "build the loader with persistent_workers=False",
            stacklevel=3,
        )
