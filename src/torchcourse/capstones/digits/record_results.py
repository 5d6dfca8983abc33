"""The recorder's stages that look at the test part, and the one that writes the record."""

from __future__ import annotations

import csv
import json
import platform
import statistics
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from torchcourse.data import digits as digit_data

from . import symbols
from .measure import CONDITIONS, MAIN_CONDITIONS, measure_numbers, measure_sums, share
from .model import DigitNet
from .pages import Glyphs
from .preprocess import prepare_batch
from .record_files import (
    SEEDS,
    as_shipped,
    chosen,
    half_weights,
    load_digit,
    load_mnist,
    load_reader,
    runs,
    training_part,
)
from .training import VALIDATION, count_errors, predict

PAGES, FEWER_PAGES, SUMS = 1_000, 200, 500  # measured per condition
PAGE_SEED = 2_024
HARDEST = 24  # mistakes listed in metrics.json
WEIGHTS = Path(__file__).parents[2] / "weights" / "cap1_digits"


def record_numbers(work: Path) -> None:
    """Read pages of numbers composed from test digits."""
    best, reader_name = chosen(runs(work))
    model, reader = as_shipped(load_digit(work, best)), as_shipped(load_reader(work, reader_name))
    data = load_mnist(train=False)
    glyphs = Glyphs(data.images, data.labels)
    counts = dict.fromkeys(CONDITIONS, FEWER_PAGES) | dict.fromkeys(MAIN_CONDITIONS, PAGES)
    measured = {
        condition: measure_numbers(model, reader, glyphs, condition, count, PAGE_SEED)
        for condition, count in counts.items()
    }
    write_json(work / "numbers.json", {"networks": [best, reader_name], "measured": measured})


def record_sums(work: Path) -> None:
    """Read sums composed from test digits, with drawn and, if at hand, with real symbols."""
    found = runs(work)
    best, _ = chosen(found)
    model, data = as_shipped(load_digit(work, best)), load_mnist(train=False)
    supplies = {"drawn symbols": None}
    real = symbols.load_symbols(train=False)
    if real:
        supplies["real symbols"] = real
    measured = {}
    for name in ("reader_drawn", "reader_real"):
        if name in found:
            reader = as_shipped(load_reader(work, name))
            measured[f"{name}, trained on {found[name]['symbols']} symbols"] = {
                supply: measure_sums(
                    model, reader, Glyphs(data.images, data.labels, images), SUMS, PAGE_SEED
                )
                for supply, images in supplies.items()
            }
    write_json(work / "sums.json", {"networks": [best], "measured": measured})


def record_test(work: Path) -> None:
    """Recognise every digit of the test part, one by one: all seeds, and what needs no network."""
    found = runs(work)
    best, _ = chosen(found)
    seeds = [seed for seed in SEEDS if f"digit_{seed}" in found]
    data = load_mnist(train=False)
    images, labels = prepare_batch(data.images), data.labels
    minute = found.get("minute")
    measured = {
        "digit": _digit_results(work, found, seeds, images, labels),
        "hardest_mistakes": hardest_mistakes(as_shipped(load_digit(work, best)), images, labels),
        "minute": minute and _minute_results(work, minute, images, labels),
    }
    write_json(work / "test.json", {"networks": [best], "measured": measured})


def finish(work: Path) -> None:
    """Put together what the stages measured, and write it down beside the weights.

    Stages that have not run are left out of the record (None), so that it says what was reached.
    """
    found = runs(work)
    if "test" not in found or "reader_drawn" not in found:
        raise SystemExit("run the stages 'digit', 'again', 'reader' and 'test' first")
    best, reader_name = chosen(found)
    test, numbers, sums = (_measured(found, stage, best) for stage in ("test", "numbers", "sums"))
    quick = found.pop("quick", None)
    model, reader = load_digit(work, best), load_reader(work, reader_name)
    metrics = {
        "about": "Recorded full run of capstone 1, handwritten digits.",
        "written_by": "python -m torchcourse.capstones.digits.record",
        "data": _describe_data(),
        "versions": versions(),
        "parameters": {"digit network": _count(model), "line reader": _count(reader)},
        "shipped": {"digit_seed": found[best]["seed"], "reader": reader_name, "dtype": "float16"},
        **test,
        "quick": quick and {key: value for key, value in quick.items() if key != "history"},
        "numbers": numbers,
        "sums": sums,
        "runs": {
            name: {key: value for key, value in run.items() if key != "history"}
            for name, run in found.items()
        },
    }
    WEIGHTS.mkdir(parents=True, exist_ok=True)
    save_file(half_weights(model), WEIGHTS / "model.safetensors")
    save_file(half_weights(reader), WEIGHTS / "reader.safetensors")
    write_json(WEIGHTS / "metrics.json", metrics)
    write_history(found, WEIGHTS / "history.csv")


def hardest_mistakes(model: DigitNet, images: Tensor, labels: Tensor) -> list[dict]:
    """The wrong answers the network was surest of: index in the test part, label, answer."""
    probabilities = predict(model, images).softmax(1)
    probability, answer = probabilities.max(1)
    wrong = (answer != labels).nonzero()[:, 0]
    order = wrong[probability[wrong].argsort(descending=True)][:HARDEST]
    return [
        {
            "index": int(i),
            "label": int(labels[i]),
            "answer": int(answer[i]),
            "probability": round(float(probability[i]), 4),
            "probability_of_label": round(float(probabilities[i, labels[i]]), 4),
        }
        for i in order
    ]


def _measured(found: dict, stage: str, best: str) -> dict | None:
    """What a measuring stage left, if it used the networks that are shipped."""
    result = found.pop(stage, None)
    if result and result["networks"][0] != best:
        raise SystemExit(f"{best} is the best network now: run the stage {stage!r} again")
    return result and result["measured"]


def _digit_results(
    work: Path, found: dict, recorded: list[int], images: Tensor, labels: Tensor
) -> dict:
    """Test accuracy of every seed beside what no learning gives."""
    seeds, accuracies = {}, []
    for seed in recorded:
        name = f"digit_{seed}"
        errors = count_errors(as_shipped(load_digit(work, name)), images, labels)
        accuracies.append(1 - errors / len(labels))
        validation = found[name]["history"][-1]["validation_accuracy"]
        seeds[str(seed)] = share(len(labels) - errors, len(labels)) | {"validation": validation}
    return {
        "test_accuracy_by_seed": seeds,
        "mean": round(statistics.mean(accuracies), 5),
        "std": round(statistics.stdev(accuracies), 5) if len(accuracies) > 1 else None,
        "baselines": _baselines(images, labels),
    }


def _baselines(images: Tensor, labels: Tensor) -> dict:
    train_images, train_labels, training, _ = training_part()
    means = torch.stack(
        [train_images[training][train_labels[training] == d].mean(0) for d in range(10)]
    )
    nearest = torch.cdist(images.flatten(1), means.flatten(1)).argmin(1)
    commonest = torch.bincount(train_labels[training]).argmax()
    return {
        "always the commonest digit": share(int((labels == commonest).sum()), len(labels)),
        "nearest mean image": share(int((nearest == labels).sum()), len(labels)),
    }


def _minute_results(work: Path, run: dict, images: Tensor, labels: Tensor) -> dict:
    errors = count_errors(load_digit(work, "minute"), images, labels)
    return {
        "test_accuracy": share(len(labels) - errors, len(labels)),
        "epochs": run["epochs"],
        "threads": run["threads"],
        "processor_seconds": run["processor_seconds"],
        "wall_seconds": round(run["history"][-1]["seconds"], 1),
    }


def _describe_data() -> dict:
    described = {
        "MNIST": {file.name: file.sha256 for file in digit_data.MNIST.files},
        "validation": f"{VALIDATION} images cut from the training part, by class, seed 0",
        "pages": f"composed from test digits, seed {PAGE_SEED}",
    }
    if symbols.load_symbols() is not None:
        described["handwritten_symbols"] = {Path(symbols.ARCHIVE).name: symbols.SHA256}
    return described


def versions() -> dict:
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


def write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_history(found: dict, path: Path) -> None:
    """One row per run and epoch."""
    rows = [{"run": name} | row for name, run in found.items() for row in run["history"]]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )
