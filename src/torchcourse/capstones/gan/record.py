"""Record the runs of the capstone: train, measure, test once, write the weights.

    python -m torchcourse.capstones.gan.record train --run main_0     one run (or more)
    python -m torchcourse.capstones.gan.record train                  all of them, one by one
    python -m torchcourse.capstones.gan.record lag                    does the critic keep up?
    python -m torchcourse.capstones.gan.record precision              does the leash hold?
    python -m torchcourse.capstones.gan.record ablation               measure the short runs
    python -m torchcourse.capstones.gan.record fashion                measure the clothes
    python -m torchcourse.capstones.gan.record main                   the long run, on the test part
    python -m torchcourse.capstones.gan.record taught                 its pupil, on the test part
    python -m torchcourse.capstones.gan.record seeds                  the other seeds' long runs
    python -m torchcourse.capstones.gan.record finish                 write weights/cap4_gan

Runs leave their results in ``--work`` and go on from their checkpoint if they are interrupted.
They may run side by side; together they take about 80 minutes of processor time. MNIST must be
there (see `torchcourse.data.digits.load`), and Fashion-MNIST for the runs of that name.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from torchcourse.capstones.digits.training import VALIDATION, split
from torchcourse.capstones.gan import record_results as results
from torchcourse.capstones.gan.measures import judge_accuracy
from torchcourse.capstones.gan.sampling import save_generator
from torchcourse.capstones.gan.training import FULL, QUICK, Trainer
from torchcourse.data import images
from torchcourse.recording import Clock, load_mnist, write_json

WORK = Path("runs") / "cap4_gan"
KEPT = "kept.pt"  # a finished run's checkpoint
# bfloat16 is faster, but too coarse for the second part: see the stage "precision".
MAIN, MAIN_2 = replace(FULL[0], mixed=True), FULL[1]
SEEDS = (0, 1, 2)
SMALL = replace(QUICK, steps=400, width=8, batch=32)
ABLATION = {
    "penalty": SMALL,
    "spectral": replace(SMALL, penalty=0.0, spectral=True),
    "both": replace(SMALL, spectral=True),
    "none": replace(SMALL, penalty=0.0),
}
AFTER = {f"main_{s}_2": f"main_{s}" for s in SEEDS}  # it begins with the networks of that run
FINISHED = tuple(AFTER)
CHOSEN, FASHION = FINISHED[0], "fashion_0"  # the first seed is shipped, however it turns out
RUNS = (
    {f"main_{s}": replace(MAIN, seed=s) for s in SEEDS}
    | {f"main_{s}_2": replace(MAIN_2, seed=s) for s in SEEDS}
    | {f"{name}_{s}": replace(run, seed=s) for s in SEEDS for name, run in ABLATION.items()}
    | {FASHION: replace(QUICK, steps=600)}
)


STAGES = ("train", "lag", "precision", "ablation", "fashion", "main", "taught", "seeds", "finish")


def training_part(run: str) -> tuple[Tensor, Tensor, str]:
    """Pictures (N, 1, 28, 28) uint8 and labels (N,) a run is trained on, and what they are."""
    if run.startswith("fashion"):
        data = images.load("fashion_mnist", cut=0.2)  # a fifth stays for the test
        return data.images, data.labels, f"Fashion-MNIST, {data.source}"
    data = load_mnist(train=True)
    rows, _ = split(data.labels, VALIDATION)  # the same cut as for the judge
    return data.images[rows], data.labels[rows], data.source


def train(run: str, work: Path) -> None:
    """One run; leaves ``<run>.safetensors`` and ``<run>.json``."""
    if (work / f"{run}.json").exists():
        return
    pictures, labels, source = training_part(run)
    trainer, clock = Trainer(pictures, labels, RUNS[run]), Clock()

    def report(trainer: Trainer) -> None:
        row = trainer.history[-1]
        if not run.startswith("fashion"):
            row["judge"] = judge_accuracy(trainer.average.module, each=30)
        print(run, row, flush=True)

    if run in AFTER:
        before = Trainer(pictures, labels, RUNS[AFTER[run]])
        before.load(work / AFTER[run] / KEPT)
        trainer.take_over(before)
    trainer.run(work / run, report, progress=False)
    (work / run / "last.pt").rename(work / run / KEPT)
    save_generator(trainer.average.module, work / f"{run}.safetensors")
    result = {
        "config": asdict(trainer.config),
        "data": source,
        "pictures": len(labels),
        "seconds": round(sum(row["seconds"] for row in trainer.history), 1),
        **clock.times(),
        "device": str(trainer.device),
        "threads": torch.get_num_threads(),
        "history": trainer.history,
    }
    write_json(work / f"{run}.json", result)


def measure(stage: str, work: Path) -> None:
    """One of the stages behind training."""
    if stage == "main":
        results.measure_main(CHOSEN, training_part(CHOSEN)[0], work)
    elif stage == "taught":
        results.measure_taught(CHOSEN, work)
    elif stage in ("lag", "precision"):
        pictures, labels, _ = training_part(AFTER[CHOSEN])
        trainer = Trainer(pictures, labels, MAIN)
        trainer.load(work / AFTER[CHOSEN] / KEPT)
        if stage == "lag":
            results.measure_lag(trainer, work)
        else:
            results.measure_precision(trainer, RUNS[CHOSEN], work)
    elif stage == "seeds":
        results.measure_seeds(FINISHED, work)
    elif stage == "ablation":
        results.measure_ablation(list(ABLATION), SEEDS, work)
    elif stage == "fashion":
        results.measure_fashion(FASHION, work)
    else:
        results.finish(CHOSEN, FASHION, work)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--run", choices=RUNS, nargs="+", default=[*RUNS], help="of 'train'")
    parser.add_argument("--work", type=Path, default=WORK)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.stage == "train":
        for run in args.run:
            train(run, args.work)
    else:
        measure(args.stage, args.work)


if __name__ == "__main__":
    main()
