"""Record the runs of the capstone: train, measure, test once, write the weights.

    python -m torchcourse.capstones.gan.record train --run main_0     one run
    python -m torchcourse.capstones.gan.record train                  all of them, one by one
    python -m torchcourse.capstones.gan.record measure                every generator, by the judge
    python -m torchcourse.capstones.gan.record test                   the test part, once
    python -m torchcourse.capstones.gan.record finish                 write weights/cap4_gan

Runs leave their results in ``--work`` and go on from their checkpoint if they are interrupted.
They may run side by side; together they take about an hour of processor time. MNIST must be there
(see `torchcourse.data.digits.load`), and Fashion-MNIST for the runs of that name.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from torchcourse.capstones.digits.record_files import load_mnist
from torchcourse.capstones.digits.training import VALIDATION, split
from torchcourse.capstones.gan.measures import judge_accuracy
from torchcourse.capstones.gan.sampling import save_generator
from torchcourse.capstones.gan.training import QUICK, Config, Trainer
from torchcourse.data import images

WORK = Path("runs") / "cap4_gan"
MAIN = Config(
    steps=7000,
    lr_generator=2e-3,
    lr_critic=2e-3,
    penalty=3.0,
    spectral=False,
    averaging=0.995,
    mixed=True,
    report_every=250,
)
SEEDS = (0, 1, 2)
SMALL = replace(QUICK, steps=700, report_every=100, mixed=True)
ABLATION = {
    "penalty": SMALL,
    "spectral": replace(SMALL, penalty=0.0, spectral=True),
    "both": replace(SMALL, spectral=True),
    "none": replace(SMALL, penalty=0.0),
}
RUNS = (
    {"main_0": MAIN}
    | {f"{name}_{s}": replace(run, seed=s) for s in SEEDS for name, run in ABLATION.items()}
    | {"fashion_0": replace(SMALL, steps=1500)}
)


def training_part(run: str) -> tuple[Tensor, Tensor, str]:
    """Pictures (N, 1, 28, 28) uint8 and labels (N,) a run is trained on, and what they are."""
    if run.startswith("fashion"):
        data = images.load("fashion_mnist")
        return data.images, data.labels, f"Fashion-MNIST, {data.source}"
    data = load_mnist(train=True)
    rows, _ = split(data.labels, VALIDATION)  # the same cut as for the judge
    return data.images[rows], data.labels[rows], data.source


def train(run: str, work: Path) -> None:
    """One run; leaves ``<run>.safetensors`` and ``<run>.json``."""
    if (work / f"{run}.json").exists():
        return
    pictures, labels, source = training_part(run)
    trainer, started = Trainer(pictures, labels, RUNS[run]), time.process_time()

    def report(trainer: Trainer) -> None:
        row = trainer.history[-1]
        if not run.startswith("fashion"):
            row["judge"] = judge_accuracy(trainer.average.module, each=50)
        print(run, row, flush=True)

    trainer.run(work / run, report, progress=False)
    save_generator(trainer.average.module, work / f"{run}.safetensors")
    result = {
        "config": asdict(trainer.config),
        "data": source,
        "pictures": len(labels),
        "seconds": round(sum(row["seconds"] for row in trainer.history), 1),
        "processor_seconds": round(time.process_time() - started, 1),
        "threads": torch.get_num_threads(),
        "history": trainer.history,
    }
    (work / f"{run}.json").write_text(json.dumps(result, indent=1))
    (work / run / "last.pt").unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stage", choices=["train"])
    parser.add_argument("--run", choices=RUNS, help="of 'train'; else all")
    parser.add_argument("--work", type=Path, default=WORK)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    for run in RUNS if args.run is None else [args.run]:
        train(run, args.work)


if __name__ == "__main__":
    main()
