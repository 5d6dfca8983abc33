"""Record the lesson "CIFAR-10": the whole recipe once, and what a laptop does in minutes.

    python -m torchcourse.vision.record_cifar               everything that is not done yet
    python -m torchcourse.vision.record_cifar full          the recorded run, one seed
    python -m torchcourse.vision.record_cifar quick --seed 1
    python -m torchcourse.vision.record_cifar linear        the baseline: one layer on the pixels
    python -m torchcourse.vision.record_cifar finish

The stages leave their results in ``--work``; one that was interrupted goes on after its last whole
epoch. ``full`` takes about three quarters of an hour of one core with bfloat16 instructions,
``quick`` about four minutes of any. ``finish`` opens the test part and writes
`weights/ch05_cifar10/metrics.json` and `history.csv` from the runs that are done. The same
pictures recompressed as JPEG are another data set: their runs have a ``--work`` of their own, and
their record, ``--record ch05_cifar10_jpeg``, stands beside.

The recorded run learns from all 50,000 training pictures: its recipe was fixed in advance, so
nothing had to be chosen. The quick one leaves 5,000 pictures out, on which readers may choose.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from torchcourse.data import images as image_data
from torchcourse.recording import (
    data_hash,
    save_weights,
    share,
    spread,
    versions,
    write_history,
    write_json,
)
from torchcourse.runtime import get_device

from .cifar import CifarNet
from .cifar_training import QUICK, Recipe, predict, train

WEIGHTS = Path(__file__).parents[1] / "weights"
RECORDS = ("ch05_cifar10", "ch05_cifar10_jpeg")  # folders of it
DEFAULT_WORK = Path("runs/ch05_cifar10")
SEED = 0  # of the recorded run and of the held-out part
QUICK_SEEDS = (0, 1, 2)
HELD_OUT = 5_000
# The paper needs 9.9 epochs for 94.0 % as the mean of many runs; this is one run, with some room.
FULL = replace(Recipe(), epochs=12.9)
LINEAR_EPOCHS, LINEAR_LR, LINEAR_BATCH = 10, 0.01, 500
LEVELS = {"one look": 0, "with its mirror image": 1, "six views": 2}
STAGES = {"quick": [f"quick_{seed}" for seed in QUICK_SEEDS], "full": ["full"]}
RECIPES = {"quick": QUICK, "full": FULL}


def record_full(work: Path, seed: int) -> None:
    data = image_data.load("cifar10")
    _record("full", data.images, data.labels, FULL, seed, work)


def record_quick(work: Path, seed: int) -> None:
    """Train on 45,000 pictures; the others tell how it went."""
    data = image_data.load("cifar10")
    kept, held = _split(len(data.labels))

    def held_out(model: nn.Module) -> dict:
        logits = predict(model, data.images[held], level=1)
        return {"held_out": (logits.argmax(1) == data.labels[held]).double().mean().item()}

    images, labels = data.images[kept], data.labels[kept]
    _record(f"quick_{seed}", images, labels, QUICK, seed, work, held_out)


def _record(name, images, labels, recipe, seed, work, evaluate=lambda model: {}) -> None:
    model, history = train(
        images, labels, recipe, seed=seed, device=get_device(), keep=work / f"{name}.checkpoint"
    )
    weights = {key: tensor.cpu().contiguous() for key, tensor in model.state_dict().items()}
    save_weights(work / f"{name}.safetensors", weights)
    result = {"seed": seed, "pictures": len(labels), **evaluate(model), **_times(history)}
    write_json(work / f"{name}.json", result | {"history": history})


def _times(history: list[dict]) -> dict:
    """Time of all epochs together: a run that was interrupted counts as one."""
    sums = {key: sum(row[key] for row in history) for key in ("wall_seconds", "processor_seconds")}
    return {key: round(value) for key, value in sums.items()} | {
        "device": str(get_device()),
        "threads": torch.get_num_threads(),
    }


def record_linear(work: Path, seed: int) -> None:
    """The baseline: one linear layer on the normalised pixels."""
    data = image_data.load("cifar10")
    torch.manual_seed(seed)
    pixels = data.images.float() / 255
    mean, std = pixels.mean((0, 2, 3), keepdim=True), pixels.std((0, 2, 3), keepdim=True)
    x = ((pixels - mean) / std).flatten(1)  # (N, 3072)
    layer = nn.Linear(x.shape[1], 10)
    optimizer = torch.optim.SGD(layer.parameters(), lr=LINEAR_LR)
    for epoch in range(LINEAR_EPOCHS):
        for index in torch.randperm(len(x)).split(LINEAR_BATCH):
            loss = F.cross_entropy(layer(x[index]), data.labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        optimizer.param_groups[0]["lr"] = LINEAR_LR * (1 - (epoch + 1) / LINEAR_EPOCHS)
    save_weights(work / "linear.safetensors", {**layer.state_dict(), "mean": mean, "std": std})
    write_json(work / "linear.json", {"seed": seed, "epochs": LINEAR_EPOCHS, "history": []})


def _split(count: int) -> tuple[Tensor, Tensor]:
    """Rows of the quick run's training part and of what is held out, always the same."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(SEED))
    return order[HELD_OUT:], order[:HELD_OUT]


def finish(work: Path, record: str = RECORDS[0]) -> None:
    """Open the test part and write the record; of the runs, those that are done."""
    done = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(work.glob("*.json"))}
    missing = {"linear", STAGES["quick"][0]} - done.keys()
    if missing:
        raise SystemExit(f"not done yet: {', '.join(sorted(missing))}; run these stages first")
    ready = {kind: [n for n in names if n in done] for kind, names in STAGES.items()}
    training, test = image_data.load("cifar10"), image_data.load("cifar10", train=False)
    metrics = {
        "data": {
            "name": "CIFAR-10",
            "source": training.source,
            "train": len(training.labels),
            "test": len(test.labels),
            "classes": test.classes,
            "sha256": data_hash(training.images, training.labels),
            **_channels(training.images),
        },
        "runs": {
            kind: _scores([done[name] for name in ready[kind]], ready[kind], recipe, test, work)
            for kind, recipe in RECIPES.items()
            if ready[kind]
        },
        "baselines": {"one class for all": 0.1, "linear on pixels": _linear(test, work)},
        "precision": "bfloat16 where the recipe says mixed, the loss in float32",
        "written_by": "python -m torchcourse.vision.record_cifar",
        "versions": versions("torchvision"),
    }
    write_json(WEIGHTS / record / "metrics.json", metrics)
    curves = {name: run for name, run in done.items() if run["history"]}
    write_history(curves, WEIGHTS / record / "history.csv")


def _channels(images: Tensor) -> dict[str, list[float]]:
    """Mean and spread of each colour in [0, 1]: published numbers, by which a copy is known."""
    pixels = images.double() / 255  # (N, C, H, W)
    std, mean = torch.std_mean(pixels, dim=(0, 2, 3), correction=0)
    return {
        "mean": [round(m, 8) for m in mean.tolist()],
        "std": [round(s, 8) for s in std.tolist()],
    }


def _scores(
    runs: list[dict], names: list[str], recipe: Recipe, test: image_data.Images, work: Path
) -> dict:
    """Test scores of a recipe over its seeds, and the mistakes of the first of them."""
    answers = [_answers(recipe, work / f"{name}.safetensors", test.images) for name in names]
    hits = {
        level: [int((logits[level].argmax(1) == test.labels).sum()) for logits in answers]
        for level in LEVELS
    }
    confusion = torch.zeros(10, 10, dtype=torch.int64)  # rows: true classes
    predicted = answers[0]["six views"].argmax(1)
    confusion.index_put_((test.labels, predicted), torch.tensor(1), accumulate=True)
    count = len(test.labels)
    return {
        "test": {
            level: spread([one / count for one in found]) | share(found[0], count)
            for level, found in hits.items()
        },
        "confusion": confusion.tolist(),
        "held_out": [run["held_out"] for run in runs if "held_out" in run],
        "recipe": asdict(recipe),
        **{key: [run[key] for run in runs] for key in ("seed", "processor_seconds")},
        **{key: runs[0][key] for key in ("pictures", "threads", "device")},
    }


def _answers(recipe: Recipe, path: Path, images: Tensor) -> dict[str, Tensor]:
    """Logits (N, 10) for each level of looking."""
    model = CifarNet(recipe.widths)
    model.load_state_dict(load_file(path))
    model.to(get_device(), memory_format=torch.channels_last)
    found = {}
    for name, level in LEVELS.items():
        found[name] = predict(model, images, level, get_device(), recipe.mixed)
    return found


def _linear(test: image_data.Images, work: Path) -> float:
    weights = load_file(work / "linear.safetensors")
    x = ((test.images.float() / 255 - weights["mean"]) / weights["std"]).flatten(1)
    return _scored(F.linear(x, weights["weight"], weights["bias"]), test.labels)["share"]


def _scored(logits: Tensor, labels: Tensor) -> dict:
    return share(int((logits.argmax(1) == labels).sum()), len(labels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stage", nargs="?", choices=["full", "quick", "linear", "finish"])
    parser.add_argument("--seed", type=int, help="of the quick run; else all of them")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--record", choices=RECORDS, default=RECORDS[0], help="what to write")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    stages = [("linear", "linear", SEED, record_linear)]
    stages += [(f"quick_{seed}", "quick", seed, record_quick) for seed in QUICK_SEEDS]
    stages += [("full", "full", SEED, record_full)]
    for name, kind, seed, stage in stages:
        wanted = args.stage in (None, kind) and args.seed in (None, seed)
        if wanted and not (args.work / f"{name}.json").exists():
            print(f"{name} → {args.work / name}.json", flush=True)
            stage(args.work, seed)
    if args.stage in (None, "finish"):
        finish(args.work, args.record)


if __name__ == "__main__":
    main()
