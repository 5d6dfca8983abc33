"""A small training run that can be killed at a chosen moment; test_train.py starts it.

    python killable_run.py FOLDER CHAIN [CHAIN …]

A chain is one or more moments, "sample:37+rename:2". In a folder of its own, a process trains and
is killed at the first moment with SIGKILL, a second one goes on and is killed at the second, and
a last one ends the run; its weights go to `final.pt`. The processes are forked, so that PyTorch
is imported once. Prints one line per start: chain, moment, the signal that ended it (0: none).

Moments: "sample:N" when the N-th sample is read, "save:N" with half of the bytes of the N-th save
written, "fsync:N" before they are safe, "rename:N" before the file gets its name. A chain that
begins with "workers+" loads its samples in a worker process.
"""

from __future__ import annotations

import io
import os
import random
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from torchcourse.runtime import seed_everything
from torchcourse.train import checkpoint, correct, fit

EPOCHS, SAMPLES, BATCH = 4, 26, 8  # the last batch of an epoch is smaller


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Noisy(Dataset):
    """Blobs, with noise from three of the generators that a resumed run must put back."""

    def __init__(self, die_at: int | None = None) -> None:
        generator = torch.Generator().manual_seed(7)
        self.inputs = torch.randn(SAMPLES, 6, generator=generator)
        self.targets = (self.inputs[:, 0] > 0).long()
        self.asked, self.die_at = 0, die_at

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        self.asked += 1
        if self.asked == self.die_at:
            die()
        noise = random.random() + np.random.rand() + torch.rand(6)  # noqa: NPY002
        return self.inputs[index] + 0.1 * noise, self.targets[index]


def build(die_at: int | None = None, workers: int = 0) -> dict:
    """The arguments of a run with everything that has a state."""
    seed_everything(0)
    model = nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    loader = DataLoader(
        Noisy(die_at),
        batch_size=BATCH,
        shuffle=True,
        generator=torch.Generator().manual_seed(3),
        num_workers=workers,
    )
    return {
        "model": model,
        "train_loader": loader,
        "validation_loader": DataLoader(Noisy(), batch_size=BATCH),
        "epochs": EPOCHS,
        "optimizer": optimizer,
        "loss_fn": nn.CrossEntropyLoss(),
        "metrics": {"accuracy": correct},
        "scheduler": torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=4 * EPOCHS),
        "scheduler_every": "batch",
        "progress": False,
    }


real_save = torch.save


def half_written(content: object, path: Path) -> None:
    """A `torch.save` that is killed when half of the bytes are out."""
    buffer = io.BytesIO()
    real_save(content, buffer)
    path.write_bytes(buffer.getvalue()[: buffer.tell() // 2])
    die()


STEPS_OF_A_SAVE = {"save": (torch, "save"), "fsync": (os, "fsync"), "rename": (os, "replace")}


def plant(step: str, call: int) -> None:
    """Die at the given call of a step of saving: half of the bytes, before fsync, before rename."""
    owner, name = STEPS_OF_A_SAVE[step]
    real, calls = getattr(owner, name), 0

    def planted(*args: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call:
            half_written(*args) if step == "save" else die()
        return real(*args)

    setattr(owner, name, planted)


def run(folder: Path, moment: str) -> None:
    """Train up to a moment, or to the end."""
    step, _, number = moment.partition(":")
    if step in STEPS_OF_A_SAVE:
        plant(step, int(number))
    workers = 1 if folder.name.startswith("workers") else 0
    arguments = build(die_at=int(number) if step == "sample" else None, workers=workers)
    history = fit(**arguments, folder=folder)
    assert len(history) == EPOCHS
    checkpoint.write_whole(folder / "final.pt", arguments["model"].state_dict())


def main(root: Path, chains: list[str]) -> None:
    torch.set_num_threads(1)
    build()  # loads what PyTorch loads late, once for all the forks
    for chain in chains:
        folder = root / chain
        for moment in [*chain.removeprefix("workers+").split("+"), "never"]:
            child = os.fork()
            if child == 0:
                run(folder, moment)
                os._exit(0)
            _, status = os.waitpid(child, 0)
            print(chain, moment, -os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
