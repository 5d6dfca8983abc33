"""Record the full run of the capstone on photographs: cross-validation, log, weights.

    python -m torchcourse.capstones.pets.record                 everything that is not done yet
    python -m torchcourse.capstones.pets.record fold --number 3 one stage of it
    python -m torchcourse.capstones.pets.record log --number 0  one line of the log of iterations
    python -m torchcourse.capstones.pets.record drawn           the small network of the quick run
    python -m torchcourse.capstones.pets.record finish

The stages leave their results in ``--work`` and may run side by side; one that was interrupted
goes on where it stopped. About an hour of processor time together. ``finish`` writes
`weights/cap2_pets/{model,drawn}.safetensors`, `metrics.json` and `history.csv` from what is done,
and says in `metrics.json` which folds that are. Photographs must be there: see
`torchcourse.data.pets.load`.

No choice of the recipe has looked at a held-out fold: the log is measured on a part cut from the
training pictures of fold 0.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from torchcourse.recording import as_shipped, half_weights, save_weights, write_json
from torchcourse.runtime import get_device

from .drawn import load as load_drawn
from .model import DRAWN_BLOCKS, DRAWN_SIZE, DRAWN_WIDTHS
from .record_data import FOLDS, linear_baseline, load_photographs
from .record_results import finish
from .training import Recipe, predict, train

SEED = 0
EVERY = 10  # epochs between two looks at the held-out fold, which change nothing
LOG_SIZES = ((48, 6),)  # short runs: what helps early, not what the full recipe gains
LOG_SEEDS = (0, 1)
SHORT = replace(Recipe(), sizes=LOG_SIZES)
# name → what is different from the first line
LOG = {
    "as recorded, but short": SHORT,
    "no normalisation": replace(SHORT, normalisation="none"),
    "ImageNet's mean and spread": replace(SHORT, normalisation="ImageNet"),
    "no augmentation": replace(SHORT, augmented=False),
    "CutMix in every second batch": replace(SHORT, mixed=0.5),
    "half as deep": replace(SHORT, blocks=(1, 1, 1, 0)),
    "no dropout, stochastic depth, smoothing, decay": replace(
        SHORT, dropout=0.0, drop_path=0.0, label_smoothing=0.0, weight_decay=0.0
    ),
}
DRAWN_RECIPE = replace(
    Recipe(),
    sizes=((DRAWN_SIZE, 10),),
    max_lr=3e-3,
    widths=DRAWN_WIDTHS,
    blocks=DRAWN_BLOCKS,
)
DRAWN_TRAINING, DRAWN_TEST, DRAWN_TEST_SEED = 2_000, 1_000, 100_000
DEFAULT_WORK = Path("runs/cap2_pets")


def record_fold(fold: int, work: Path) -> None:
    """Train on four fifths, then answer for the fifth that was held out."""
    data = load_photographs()
    training, held = data.fold(fold)

    def evaluate(model: nn.Module) -> dict:
        logits = predict(model, data.images[held], device=get_device())
        return {"held_out_accuracy": _accuracy(logits, data.labels[held])}

    recipe = Recipe()
    model, history = train(
        data.images[training],
        data.labels[training],
        recipe,
        seed=SEED,
        device=get_device(),
        evaluate=evaluate,
        every=EVERY,
        keep=work / f"fold_{fold}.checkpoint",
    )
    as_shipped(model)  # what is measured is what is shipped
    logits = predict(model, data.images[held], device=get_device())
    again = predict(model, data.images[held], device=get_device())
    result = {
        "fold": fold,
        "seed": SEED,
        "rows": held.tolist(),
        "logits": logits.tolist(),
        "twice_the_same": bool(torch.equal(logits, again)),
        "linear": linear_baseline(data, training, held),
        "processor_seconds": sum(row["processor_seconds"] for row in history),
        "device": str(get_device()),
        "history": history,
    }
    _keep(model, result, f"fold_{fold}", work)


def record_log(line: int, work: Path) -> None:
    """One line of the log of iterations, on pictures cut from fold 0's training part."""
    data = load_photographs()
    training, inner = data.inner()
    name, recipe = list(LOG.items())[line]
    shares, seconds = [], 0.0
    for seed in LOG_SEEDS:
        model, history = train(data.images[training], data.labels[training], recipe, seed=seed)
        logits = predict(model, data.images[inner], recipe.plan[-1])
        shares.append(_accuracy(logits, data.labels[inner]))
        seconds += sum(row["processor_seconds"] for row in history)
    result = {"name": name, "shares": shares, "seeds": list(LOG_SEEDS), "count": len(inner)}
    result |= {"sizes": LOG_SIZES, "processor_seconds": round(seconds, 1)}
    write_json(work / f"log_{line}.json", result)


def record_drawn(work: Path) -> None:
    """The small network of the quick run, on drawn animals."""
    images, labels = load_drawn(DRAWN_TRAINING, size=DRAWN_SIZE)
    model, history = train(images, labels, DRAWN_RECIPE, seed=SEED)
    as_shipped(model)  # what is measured is what is shipped
    images, labels = load_drawn(DRAWN_TEST, DRAWN_TEST_SEED, DRAWN_SIZE)
    hits = int((predict(model, images, DRAWN_SIZE).argmax(1) == labels).sum())
    result = {"training": DRAWN_TRAINING, "hits": hits, "count": DRAWN_TEST, "size": DRAWN_SIZE}
    result |= {"processor_seconds": sum(row["processor_seconds"] for row in history)}
    _keep(model, result, "drawn", work)


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    return (logits.argmax(1) == labels).double().mean().item()


def _keep(model: nn.Module, result: dict, name: str, work: Path) -> None:
    save_weights(work / f"{name}.safetensors", half_weights(model))
    write_json(work / f"{name}.json", result)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stage", nargs="?", choices=["fold", "log", "drawn", "finish"])
    parser.add_argument("--number", type=int, help="of the fold or the line; else all")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    stages = [(f"fold_{i}", "fold", i, record_fold) for i in range(FOLDS)]
    stages += [(f"log_{i}", "log", i, record_log) for i in range(len(LOG))]
    for name, kind, number, stage in stages:
        wanted = args.stage in (None, kind) and args.number in (None, number)
        if wanted and not (work_file := args.work / f"{name}.json").exists():
            print(f"{name} → {work_file}", flush=True)
            stage(number, args.work)
    if args.stage in (None, "drawn") and not (args.work / "drawn.json").exists():
        record_drawn(args.work)
    if args.stage in (None, "finish"):
        finish(args.work, Recipe(), list(LOG))


if __name__ == "__main__":
    main()
