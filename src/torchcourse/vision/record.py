"""Record the comparison of six architectures on Fashion-MNIST.

    python -m torchcourse.vision.record                         everything that is not done yet
    python -m torchcourse.vision.record run --network LeNet --recipe modern --seed 0
    python -m torchcourse.vision.record finish

Each run leaves its result in ``--work``, and one that was interrupted goes on where it stopped; so
several may run side by side. ``finish`` writes `weights/ch05_architectures/metrics.json` and
`history.csv` from the runs that are done, and says in them how many seeds those are. Fashion-MNIST
must be there: see `torchcourse.data.images.load`. From a copy without a test part, a fifth of each
class is cut off as one.

No run has looked at the test part before its end, and nothing was chosen by it: what had to be
chosen was chosen by a validation part of the training pictures.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torchcourse import recording
from torchcourse.capstones.digits.training import mixed_precision, predict, split
from torchcourse.data import images

from .comparison import RECIPES, normalise, train
from .measure import confusion_matrix, cost, expected_calibration_error, reliability
from .networks import NETWORKS

SEEDS = (0, 1, 2)
CUT = 0.2  # of a copy without a test part
VALIDATION = 0.1  # of the training pictures
BINS = 10  # of the confidence
WEIGHTS = Path(__file__).parents[1] / "weights" / "ch05_architectures"
# The figures this course set out to beat; quoted, not measured here.
OLDER = {
    "about": "trained on all 60,000 pictures, asked about the official 10,000 test pictures",
    "accuracy": {
        **{"LeNet": 0.831, "AlexNet": 0.832, "NiN": 0.921},
        **{"VGG": 0.915, "GoogLeNet": 0.930, "ResNet": 0.901},
    },
}
DEFAULT_WORK = Path("runs/ch05_architectures")


@lru_cache(maxsize=1)
def load() -> tuple[images.Images, images.Images]:
    """The training and the test part."""
    return (
        images.load("fashion_mnist", train=True, cut=CUT),
        images.load("fashion_mnist", train=False, cut=CUT),
    )


def record_run(network: str, recipe: str, seed: int, work: Path) -> None:
    """Train one network, then ask it about the test part, once."""
    data, test = load()
    training, held = split(data.labels, round(VALIDATION * len(data.labels)))
    torch.manual_seed(seed)
    model, history, loader = train(
        NETWORKS[network](in_channels=data.images.shape[1], num_classes=len(data.classes)),
        data.images[training],
        data.labels[training],
        RECIPES[recipe],
        seed=seed,
        validation=(data.images[held], data.labels[held]),
        folder=work / name_of(network, recipe, seed),
    )
    times = loader.processor_seconds  # a resumed run has measured its last epochs only
    logits = predict(model, normalise(test.images, loader.mean, loader.std))
    result = {
        "network": network,
        "recipe": recipe,
        "seed": seed,
        "test": measure(logits, test.labels, len(data.classes)),
        "processor_seconds": round(sum(times) / len(times) * len(history), 1) if times else None,
        "epochs_timed": len(times),
        "history": [_row(row) for row in history],
    }
    recording.write_json(work / f"{name_of(network, recipe, seed)}.json", result)


def name_of(network: str, recipe: str, seed: int) -> str:
    return f"{network}_{recipe}_{seed}"


def measure(logits: Tensor, labels: Tensor, classes: int) -> dict:
    """Accuracy, loss, calibration and confusion of logits (N, classes)."""
    answers = logits.argmax(dim=1)
    table = reliability(logits, labels, BINS)
    return {
        **recording.share(int((answers == labels).sum()), len(labels)),
        "loss": round(F.cross_entropy(logits, labels).item(), 5),
        "ece": round(expected_calibration_error(logits, labels, BINS), 5),
        "reliability": [
            {"confidence": round(c, 4), "share": round(a, 4), "count": int(n)}
            for c, a, n in zip(*(column.tolist() for column in table), strict=True)
            if n
        ],
        "confusion": confusion_matrix(answers, labels, classes).tolist(),
    }


def _row(row: dict) -> dict:
    """A row of the history without wall time, which says more about the machine's other work."""
    return {key: round(value, 5) for key, value in row.items() if key != "seconds"}


def finish(work: Path) -> None:
    """Put together what the runs left."""
    found = recording.runs(work)
    data, test = load()
    done = {
        recipe: [run for run in found.values() if run["recipe"] == recipe] for recipe in RECIPES
    }
    missing = [name for name in NETWORKS if name not in {r["network"] for r in done["modern"]}]
    if missing:
        raise SystemExit(f"no run of {', '.join(missing)} is done; start with: record run")
    training, held = split(data.labels, round(VALIDATION * len(data.labels)))
    metrics = {
        "about": "Six architectures of chapter 5 on the same pictures with the same recipe.",
        "written_by": "python -m torchcourse.vision.record",
        "data": {
            "name": "Fashion-MNIST",
            "source": data.source,
            "train": len(training),
            "validation": len(held),
            "test": len(test.labels),
            "sha256": {
                "training part": recording.data_hash(data.images, data.labels),
                "test part": recording.data_hash(test.images, test.labels),
            },
            "classes": data.classes,
        },
        "baseline": _baseline(data, test),
        "older_tutorials": OLDER,
        "recipes": {name: asdict(recipe) for name, recipe in RECIPES.items()},
        "networks": {name: _network(name, data, done) for name in NETWORKS},
        "run": {
            "device": "cpu",
            "threads": 1,
            "precision": precision(),
            "processor_seconds": round(sum(run["processor_seconds"] for run in found.values()), 1),
            "versions": recording.versions("torchvision"),
        },
    }
    recording.write_json(WEIGHTS / "metrics.json", metrics)
    recording.write_history(found, WEIGHTS / "history.csv")


def _network(name: str, data: images.Images, done: dict[str, list[dict]]) -> dict:
    """Costs of one network, and its results under each recipe."""
    model: nn.Module = NETWORKS[name](data.images.shape[1], len(data.classes))
    result = cost(model, torch.zeros(8, *data.images.shape[1:]))
    for recipe, runs in done.items():
        mine = sorted((run for run in runs if run["network"] == name), key=lambda r: r["seed"])
        if mine:
            result[recipe] = {
                "seeds": [run["seed"] for run in mine],
                "accuracy": recording.spread([run["test"]["share"] for run in mine]),
                "ece": recording.spread([run["test"]["ece"] for run in mine]),
                "validation": [run["history"][-1]["validation_accuracy"] for run in mine],
                "processor_seconds": recording.spread([r["processor_seconds"] for r in mine]),
                "by_seed": [run["test"] for run in mine],
            }
    return result


def precision() -> str:
    """What training computes with on this machine."""
    if mixed_precision("cpu")._enabled:
        return "bfloat16 autocast in training, float32 in validation and test"
    return "float32"


def _baseline(data: images.Images, test: images.Images) -> dict:
    """What needs no network: the class whose mean picture is nearest."""
    means = torch.stack(
        [data.images[data.labels == k].float().mean(0) for k in range(len(data.classes))]
    )
    nearest = torch.cdist(test.images.float().flatten(1), means.flatten(1)).argmin(1)
    return {
        "nearest mean picture": recording.share(
            int((nearest == test.labels).sum()), len(test.labels)
        )
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stage", nargs="?", choices=["run", "finish"])
    parser.add_argument("--network", choices=list(NETWORKS), help="else all")
    parser.add_argument("--recipe", choices=list(RECIPES), help="else both")
    parser.add_argument("--seed", type=int, choices=SEEDS, help="else all")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    wanted = [
        (network, recipe, seed)
        for seed in SEEDS
        for recipe in RECIPES
        for network in NETWORKS
        if args.network in (None, network)
        and args.recipe in (None, recipe)
        and args.seed in (None, seed)
    ]
    for network, recipe, seed in wanted if args.stage != "finish" else ():
        if not (args.work / f"{name_of(network, recipe, seed)}.json").exists():
            print(name_of(network, recipe, seed), flush=True)
            record_run(network, recipe, seed, args.work)
    if args.stage != "run":
        finish(args.work)


if __name__ == "__main__":
    main()
