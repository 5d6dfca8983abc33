"""Record the full run of the capstone: train, evaluate once on the test part, write the weights.

    python -m torchcourse.capstones.digits.record                    everything
    python -m torchcourse.capstones.digits.record digit --seed 1     one stage of it
    python -m torchcourse.capstones.digits.record reader
    python -m torchcourse.capstones.digits.record symbols            where they are at hand
    python -m torchcourse.capstones.digits.record minute
    python -m torchcourse.capstones.digits.record quick
    python -m torchcourse.capstones.digits.record pages
    python -m torchcourse.capstones.digits.record finish

The stages leave their results in ``--work``; those that train may run side by side, about an hour
of processor time together. Only ``pages`` and ``finish`` look at the test part. The last writes
`weights/cap1_digits/{model,reader}.safetensors`, `metrics.json` and `history.csv`.
MNIST must be there: see `torchcourse.data.digits.load`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from torchcourse.data import digits as digit_data
from torchcourse.runtime import get_device

from . import symbols
from .ctc import LineReader
from .measure import CONDITIONS, MAIN_CONDITIONS, measure_numbers, measure_sums, share
from .model import DigitNet
from .pages import TRAINING, Glyphs
from .preprocess import prepare_batch
from .reader_training import make_strips, read_strips, train_reader
from .training import VALIDATION, count_errors, predict, split, train

SEEDS = (0, 1, 2)
FIRST_EPOCHS, AGAIN_EPOCHS, AGAIN_SEED = 14, 8, 1_000
MINUTE_EPOCHS = 2
QUICK_SEEDS, QUICK_EPOCHS, QUICK_BATCH = (0, 1, 2), 30, 64
READER_SEED = 0
READER_STRIPS, READER_EPOCHS = 16_000, 8
REAL_STRIPS, REAL_EPOCHS = 24_000, 6  # of each kind; where real symbols are at hand
REAL_PHOTOGRAPHED = 0.25
PAGES, FEWER_PAGES, SUMS = 1_000, 200, 500  # measured per condition
PAGE_SEED = 2_024
HARDEST = 24  # mistakes listed in metrics.json
STAGES = ("digit", "again", "minute", "quick", "reader", "symbols", "pages", "finish")
DEFAULT_WORK = Path("runs/cap1_digits")
WEIGHTS = Path(__file__).parents[2] / "weights" / "cap1_digits"


def record_digit(seed: int, work: Path) -> None:
    """Train the digit network once; the test part stays closed."""
    _train_digit(f"first_{seed}", seed, FIRST_EPOCHS, work)


def record_again(seed: int, work: Path) -> None:
    """Let the learning rate rise and fall a second time, from where the first ended.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017).
    """
    _train_digit(f"digit_{seed}", seed, AGAIN_EPOCHS, work, _load_digit(work, f"first_{seed}"))


def _train_digit(
    name: str, seed: int, epochs: int, work: Path, start: DigitNet | None = None
) -> None:
    images, labels, training, held = _training_part()

    def evaluate(model: nn.Module) -> dict:
        errors = count_errors(model, images[held], labels[held])
        return {"validation_accuracy": 1 - errors / len(held)}

    clock, device = Clock(), get_device()
    model, history = train(
        images[training],
        labels[training],
        epochs=epochs,
        # Another seed, or the second time would see the distortions of the first again.
        seed=seed if start is None else seed + AGAIN_SEED,
        device=device,
        start=start,
        evaluate=evaluate,
    )
    _keep(model, history, name, work, clock, device, seed=seed, epochs=epochs)


def record_minute(work: Path) -> None:
    """What two epochs give: less than a minute of two cores' time."""
    images, labels, training, _ = _training_part()
    clock = Clock()
    model, history = train(images[training], labels[training], epochs=MINUTE_EPOCHS, seed=0)
    _keep(
        model,
        history,
        "minute",
        work,
        clock,
        torch.device("cpu"),
        seed=0,
        epochs=MINUTE_EPOCHS,
    )


def record_quick(work: Path) -> None:
    """The quick preset: scikit-learn's digits, held out by the forms they were written on."""
    # An empty data folder, so that the bundled digits are taken though MNIST is at hand.
    with (
        tempfile.TemporaryDirectory() as empty,
        mock.patch.dict(os.environ, {"TORCHCOURSE_DATA": empty}),
    ):
        data, held = (digit_data.load(train=part, download=False) for part in (True, False))
    images, held_images = prepare_batch(data.images), prepare_batch(held.images)
    count, seeds = len(held.labels), {}
    for seed in QUICK_SEEDS:
        clock = Clock()
        model, _ = train(
            images, data.labels, epochs=QUICK_EPOCHS, seed=seed, batch_size=QUICK_BATCH
        )
        used = clock.times()["processor_seconds"]
        errors = count_errors(model, held_images, held.labels)
        seeds[str(seed)] = share(count - errors, count) | {"processor_seconds": used}
    result = {
        "data": held.source,
        "training_images": len(data.labels),
        "epochs": QUICK_EPOCHS,
        "batch_size": QUICK_BATCH,
        "held_out_accuracy_by_seed": seeds,
        "mean": round(statistics.mean(row["share"] for row in seeds.values()), 5),
        "std": round(statistics.stdev(row["share"] for row in seeds.values()), 5),
    }
    (work / "quick.json").write_text(json.dumps({"history": []} | result, indent=1))


def record_reader(work: Path) -> None:
    """Train the line reader on digits and drawn symbols; the test part stays closed."""
    _train_reader(work, "reader_drawn", [None], READER_STRIPS, READER_EPOCHS)


def record_symbols(work: Path) -> None:
    """Go on with fresh strips, half of them with real symbols."""
    real = symbols.load_symbols(train=True)
    if real is None:
        raise SystemExit(f"{symbols.ARCHIVE} is not in the data folder; leave this stage out")
    start = _load_reader(work, "reader_drawn")
    # The other half keeps the reader used to drawn symbols and to parentheses.
    _train_reader(
        work, "reader_real", [real, None], REAL_STRIPS, REAL_EPOCHS, start, REAL_PHOTOGRAPHED
    )


def _train_reader(
    work: Path,
    name: str,
    supplies: list[dict | None],
    strips_each: int,
    epochs: int,
    start: LineReader | None = None,
    photographed: float = 1.0,
) -> None:
    data = _load_mnist(train=True)
    training, held = split(data.labels, VALIDATION)
    digits, held_digits = ((data.images[i], data.labels[i]) for i in (training, held))
    held_strips, held_texts = make_strips(400, Glyphs(*held_digits), TRAINING, seed=10_001)

    def evaluate(model: nn.Module) -> dict:
        read = read_strips(model, held_strips)
        right = sum(a == b for a, b in zip(read, held_texts, strict=True))
        return {"validation_exact": right / len(read)}

    clock, device = Clock(), get_device()
    strips, texts = [], []
    for number, real in enumerate(supplies):
        # Another seed for every set, or the second stage would see the pages of the first again.
        seed = READER_SEED + 100 * epochs + number
        more = make_strips(strips_each, Glyphs(*digits, real), TRAINING, seed, photographed)
        strips, texts = strips + more[0], texts + more[1]
    model, history = train_reader(
        strips,
        texts,
        epochs=epochs,
        seed=READER_SEED,
        device=device,
        start=start,
        evaluate=evaluate,
    )
    _keep(
        model,
        history,
        name,
        work,
        clock,
        device,
        seed=READER_SEED,
        epochs=epochs,
        strips=len(strips),
        symbols="real and drawn" if any(supplies) else "drawn",
    )


def record_pages(work: Path) -> None:
    """Read pages and sums composed from test digits; takes a quarter of an hour."""
    runs = _runs(work)
    best, reader_name = _shipped(runs)
    model, reader = _load_digit(work, best), _load_reader(work, reader_name)
    data = _load_mnist(train=False)
    glyphs = Glyphs(data.images, data.labels)
    page_counts = dict.fromkeys(CONDITIONS, FEWER_PAGES) | dict.fromkeys(MAIN_CONDITIONS, PAGES)
    measured = {
        "numbers": {
            condition: measure_numbers(model, reader, glyphs, condition, count, PAGE_SEED)
            for condition, count in page_counts.items()
        },
        "sums": _sum_results(work, runs, data),
    }
    (work / "measured.json").write_text(json.dumps(measured, indent=1, ensure_ascii=False))


def finish(work: Path) -> None:
    """Open the test part, once, and write everything down.

    Stages that have not run are left out of the record (None), so that it says what was reached.
    """
    runs = _runs(work)
    seeds = [seed for seed in SEEDS if f"digit_{seed}" in runs]
    if not seeds or "reader_drawn" not in runs:
        raise SystemExit("run the stages 'digit' and 'reader' first")
    quick, minute, measured = runs.pop("quick", None), runs.get("minute"), runs.pop("measured", {})
    best, reader_name = _shipped(runs)
    model, reader = _load_digit(work, best), _load_reader(work, reader_name)
    data = _load_mnist(train=False)
    images, labels = prepare_batch(data.images), data.labels
    metrics = {
        "about": "Recorded full run of capstone 1, handwritten digits.",
        "written_by": "python -m torchcourse.capstones.digits.record",
        "data": _describe_data(),
        "versions": _versions(),
        "parameters": {
            "digit network": _count(model),
            "line reader": _count(reader),
        },
        "digit": _digit_results(work, runs, seeds, images, labels),
        "shipped": {"digit_seed": best, "reader": reader_name},
        "hardest_mistakes": hardest_mistakes(model, images, labels),
        "minute": minute and _minute_results(work, minute, images, labels),
        "quick": quick and {key: value for key, value in quick.items() if key != "history"},
    }
    metrics |= measured
    metrics["runs"] = {
        name: {key: value for key, value in run.items() if key != "history"}
        for name, run in runs.items()
    }
    WEIGHTS.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(work / f"digit_{best}.safetensors", WEIGHTS / "model.safetensors")
    shutil.copyfile(work / f"{reader_name}.safetensors", WEIGHTS / "reader.safetensors")
    (WEIGHTS / "metrics.json").write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n")
    _write_history(runs, WEIGHTS / "history.csv")


def _runs(work: Path) -> dict[str, dict]:
    """What the stages that have run left behind."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(work.glob("*.json"))}


def _shipped(runs: dict) -> tuple[int, str]:
    """Seed and reader to ship: chosen by the validation part, never by the test part."""
    seeds = [seed for seed in SEEDS if f"digit_{seed}" in runs]
    best = max(seeds, key=lambda s: runs[f"digit_{s}"]["history"][-1]["validation_accuracy"])
    return best, "reader_real" if "reader_real" in runs else "reader_drawn"


def hardest_mistakes(model: DigitNet, images: torch.Tensor, labels: torch.Tensor) -> list[dict]:
    """The wrong answers the network was surest of: index in the test part, label, answer."""
    probability, answer = predict(model, images).softmax(1).max(1)
    wrong = (answer != labels).nonzero()[:, 0]
    order = wrong[probability[wrong].argsort(descending=True)][:HARDEST]
    return [
        {
            "index": int(i),
            "label": int(labels[i]),
            "answer": int(answer[i]),
            "probability": round(float(probability[i]), 4),
        }
        for i in order
    ]


def _load_mnist(train: bool) -> digit_data.Digits:
    data = digit_data.load(train=train)
    if data.source != "MNIST":
        raise SystemExit(
            "the record is made on MNIST, which was not found; "
            "set TORCHCOURSE_DATA to its folder or TORCHCOURSE_PRESET=full to download it"
        )
    return data


def _training_part() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Prepared training images, labels, and the indices to train on and to validate with."""
    data = _load_mnist(train=True)
    return prepare_batch(data.images), data.labels, *split(data.labels, VALIDATION)


class Clock:
    """Time since it was made.

    Processor time stands beside wall time, so that other work on the machine does not count.
    """

    def __init__(self) -> None:
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def times(self) -> dict[str, float]:
        return {
            "wall_seconds": round(time.perf_counter() - self.wall, 1),
            "processor_seconds": round(time.process_time() - self.processor, 1),
        }


def _keep(
    model: nn.Module,
    history: list[dict],
    name: str,
    work: Path,
    clock: Clock,
    device: torch.device,
    **more: object,
) -> None:
    weights = {key: tensor.cpu().contiguous() for key, tensor in model.state_dict().items()}
    save_file(weights, work / f"{name}.safetensors")
    result = more | {
        **clock.times(),
        "device": str(device),
        "threads": torch.get_num_threads(),
        "history": history,
    }
    (work / f"{name}.json").write_text(json.dumps(result, indent=1))


def _load_digit(work: Path, seed: int | str) -> DigitNet:
    name = f"digit_{seed}" if isinstance(seed, int) else seed
    model = DigitNet()
    model.load_state_dict(load_file(work / f"{name}.safetensors"))
    return model.eval()


def _load_reader(work: Path, name: str) -> LineReader:
    reader = LineReader()
    reader.load_state_dict(load_file(work / f"{name}.safetensors"))
    return reader.eval()


def _digit_results(
    work: Path, runs: dict, recorded: list[int], images: torch.Tensor, labels: torch.Tensor
) -> dict:
    """Test accuracy of every seed beside what no learning gives."""
    seeds, accuracies = {}, []
    for seed in recorded:
        errors = count_errors(_load_digit(work, seed), images, labels)
        accuracies.append(1 - errors / len(labels))
        validation = runs[f"digit_{seed}"]["history"][-1]["validation_accuracy"]
        seeds[str(seed)] = share(len(labels) - errors, len(labels)) | {"validation": validation}
    train_images, train_labels, training, _ = _training_part()
    means = torch.stack(
        [train_images[training][train_labels[training] == d].mean(0) for d in range(10)]
    )
    nearest = torch.cdist(images.flatten(1), means.flatten(1)).argmin(1)
    commonest = torch.bincount(train_labels[training]).argmax()
    return {
        "test_accuracy_by_seed": seeds,
        "mean": round(statistics.mean(accuracies), 5),
        "std": round(statistics.stdev(accuracies), 5) if len(accuracies) > 1 else None,
        "baselines": {
            "always the commonest digit": share(int((labels == commonest).sum()), len(labels)),
            "nearest mean image": share(int((nearest == labels).sum()), len(labels)),
        },
    }


def _minute_results(work: Path, run: dict, images: torch.Tensor, labels: torch.Tensor) -> dict:
    errors = count_errors(_load_digit(work, "minute"), images, labels)
    return {
        "test_accuracy": share(len(labels) - errors, len(labels)),
        "epochs": run["epochs"],
        "threads": run["threads"],
        "processor_seconds": run["processor_seconds"],
        "wall_seconds": round(run["history"][-1]["seconds"], 1),
    }


def _sum_results(work: Path, runs: dict, data: digit_data.Digits) -> dict:
    """Sums with drawn and, if at hand, with real symbols nobody trained on."""
    supplies = {"drawn symbols": None}
    real = symbols.load_symbols(train=False)
    if real:
        supplies["real symbols"] = real
    results = {}
    for name in ("reader_drawn", "reader_real"):
        if name in runs:
            reader = _load_reader(work, name)
            results[f"{name}, trained on {runs[name]['symbols']} symbols"] = {
                supply: measure_sums(
                    reader, Glyphs(data.images, data.labels, images), SUMS, PAGE_SEED
                )
                for supply, images in supplies.items()
            }
    return results


def _describe_data() -> dict:
    described = {
        "MNIST": {file.name: file.sha256 for file in digit_data.MNIST.files},
        "validation": f"{VALIDATION} images cut from the training part, by class, seed 0",
    }
    if symbols.load_symbols() is not None:
        described["handwritten_symbols"] = {Path(symbols.ARCHIVE).name: symbols.SHA256}
    return described


def _versions() -> dict:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "processor": torch.cpu.get_capabilities().get("cpu_name", platform.machine())
        if hasattr(torch.cpu, "get_capabilities")
        else platform.machine(),
    }


def _count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def _write_history(runs: dict, path: Path) -> None:
    """One row per run and epoch."""
    rows = [{"run": name} | row for name, run in runs.items() for row in run["history"]]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stage", nargs="?", choices=STAGES)
    parser.add_argument("--seed", type=int, default=0, help="of the stage 'digit'")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.stage in (None, "digit"):
        for seed in SEEDS if args.stage is None else [args.seed]:
            record_digit(seed, args.work)
    if args.stage in (None, "again"):
        for seed in SEEDS if args.stage is None else [args.seed]:
            record_again(seed, args.work)
    if args.stage in (None, "minute"):
        record_minute(args.work)
    if args.stage in (None, "quick"):
        record_quick(args.work)
    if args.stage in (None, "reader"):
        record_reader(args.work)
    if args.stage == "symbols" or (args.stage is None and symbols.load_symbols() is not None):
        record_symbols(args.work)
    if args.stage in (None, "pages"):
        record_pages(args.work)
    if args.stage in (None, "finish"):
        finish(args.work)


if __name__ == "__main__":
    main()
