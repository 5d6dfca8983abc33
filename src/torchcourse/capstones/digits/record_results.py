"""The recorder's stages that look at the test part, and the one that writes the record."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from torchcourse.data import digits as digit_data
from torchcourse.recording import (
    as_shipped,
    half_weights,
    load_mnist,
    runs,
    save_weights,
    share,
    spread,
    versions,
    without_history,
    write_history,
    write_json,
)

from . import symbols
from .measure import CONDITIONS, MAIN_CONDITIONS, measure_numbers, measure_sums
from .model import DigitNet
from .pages import Glyphs
from .preprocess import prepare_batch
from .record_files import (
    READERS,
    chosen,
    digit_names,
    last_accuracy,
    load_digit,
    load_reader,
    training_part,
)
from .training import VALIDATION, count_errors, predict

PAGES, FEWER_PAGES, SUMS = 1_000, 200, 500  # measured per condition
PAGE_SEED = 2_026
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
    for name in READERS:
        if name in found:
            reader = as_shipped(load_reader(work, name))
            fresh = ", fresh strips" if name == "reader_fresh" else ""
            measured[f"{name}, trained on {found[name]['symbols']} symbols{fresh}"] = {
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
    data = load_mnist(train=False)
    images, labels = prepare_batch(data.images), data.labels
    minute = found.get("minute")
    measured = {
        "digit": _digit_results(work, found, images, labels),
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
        "versions": versions("opencv-python-headless"),
        "parameters": {"digit network": _count(model), "line reader": _count(reader)},
        "shipped": {"digit_seed": found[best]["seed"], "reader": reader_name, "dtype": "float16"},
        **test,
        "quick": quick and without_history(quick),
        "numbers": numbers,
        "sums": sums,
        "runs": {name: without_history(run) for name, run in found.items()},
    }
    save_weights(WEIGHTS / "model.safetensors", half_weights(model))
    save_weights(WEIGHTS / "reader.safetensors", half_weights(reader))
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


def _digit_results(work: Path, found: dict, images: Tensor, labels: Tensor) -> dict:
    """Test accuracy of every seed beside what no learning gives."""
    seeds, accuracies = {}, []
    for name in digit_names(found):
        errors = count_errors(as_shipped(load_digit(work, name)), images, labels)
        accuracies.append(1 - errors / len(labels))
        validation, seed = last_accuracy(found[name]), str(found[name]["seed"])
        seeds[seed] = share(len(labels) - errors, len(labels)) | {"validation": validation}
    return {
        "test_accuracy_by_seed": seeds,
        **spread(accuracies),
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


def _count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())
