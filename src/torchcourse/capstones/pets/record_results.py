"""The last stage of the recorder: from what the others left to the record that is shipped."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from torchcourse.recording import (
    save_weights,
    share,
    spread,
    versions,
    write_history,
    write_json,
)

from .model import CLASSES
from .record_data import FOLDS, Photographs, load_photographs
from .training import Recipe

WEIGHTS = Path(__file__).parents[2] / "weights" / "cap2_pets"
SHIPPED = 0  # the fold whose network is shipped: fixed beforehand, not the best one
HARDEST = 12  # mistakes listed
COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.5, 0.3)
BINS = 5  # of the confidence, from one half to one


def finish(work: Path, recipe: Recipe, log: list[str]) -> None:
    """Write `metrics.json`, `history.csv` and the weights from the stages that are done."""
    folds = [_read(work / f"fold_{i}.json") for i in range(FOLDS)]
    folds = [fold for fold in folds if fold]
    if not folds or folds[0]["fold"] != SHIPPED:
        raise SystemExit(f"fold {SHIPPED} is not done; run: record fold --number {SHIPPED}")
    data = load_photographs()
    rows = torch.tensor([row for fold in folds for row in fold["rows"]])
    logits = torch.tensor([one for fold in folds for one in fold["logits"]])  # (N, 2)
    lines = [_read(work / f"log_{i}.json") for i in range(len(log))]
    metrics = {
        "data": _data(data),
        "cross_validation": _cross_validation(folds, data),
        "shipped": {"fold": SHIPPED, **_scores(folds[0], data)},
        "baselines": {
            "always the commoner class": float(data.labels.bincount().max() / len(data.labels)),
            "linear on pixels": statistics.mean(fold["linear"] for fold in folds),
        },
        "confusion": _confusion(logits, data.labels[rows]),
        "confidence": _confidence(logits, data.labels[rows]),
        "surest_mistakes": _mistakes(logits, rows, data),
        "log": [line | spread(line["shares"]) for line in lines if line],
        "drawn": _drawn(_read(work / "drawn.json")),
        "recipe": asdict(recipe),
        "run": _run(folds),
    }
    _ship(work / f"fold_{SHIPPED}.safetensors", "model")
    if metrics["drawn"]:
        _ship(work / "drawn.safetensors", "drawn")
    write_json(WEIGHTS / "metrics.json", metrics)
    write_history({str(fold["fold"]): fold for fold in folds}, WEIGHTS / "history.csv")


def _ship(weights: Path, name: str) -> None:
    save_weights(WEIGHTS / f"{name}.safetensors", load_file(weights))


def _read(path: Path) -> dict | None:
    return json.loads(path.read_text()) if path.exists() else None


def _data(data: Photographs) -> dict:
    dogs = int(data.labels.sum())
    return {
        "pictures": len(data.labels),
        "cats": len(data.labels) - dogs,
        "dogs": dogs,
        "left_out": f"{data.near_copies} that look like another one",
        "sha256": data.sha256,
        "folds": FOLDS,
    }


def _scores(fold: dict, data: Photographs) -> dict:
    answers = torch.tensor(fold["logits"]).argmax(1)
    hits = int((answers == data.labels[torch.tensor(fold["rows"])]).sum())
    return share(hits, len(answers))


def _cross_validation(folds: list[dict], data: Photographs) -> dict:
    scores = [{"fold": fold["fold"], **_scores(fold, data)} for fold in folds]
    shares = [score["share"] for score in scores]
    pooled = share(sum(s["hits"] for s in scores), sum(s["count"] for s in scores))
    return {
        "folds": scores,
        "done": len(folds),
        **spread(shares),
        "pooled": pooled,
        "twice_the_same": all(fold["twice_the_same"] for fold in folds),
    }


def _confusion(logits: Tensor, labels: Tensor) -> list[list[int]]:
    """Rows: true class, columns: answer."""
    return torch.bincount(2 * labels + logits.argmax(1), minlength=4).view(2, 2).tolist()


def _confidence(logits: Tensor, labels: Tensor) -> dict:
    """How often the network is right when it is how sure; all on pictures it never saw."""
    sure, answers = logits.softmax(1).max(1)
    right = (answers == labels).double()
    order = sure.argsort(descending=True)
    coverage = []
    for covered in COVERAGES:
        chosen = order[: max(1, round(covered * len(order)))]
        least = float(sure[chosen[-1]])
        coverage.append(
            {"answered": covered, "at_least": round(least, 4)}
            | {"share": round(float(right[chosen].mean()), 5)}
        )
    bins = ((sure - 0.5) * 2 * BINS).long().clamp(0, BINS - 1)
    calibration = [
        {
            "confidence": round(float(sure[bins == k].double().mean()), 4),
            "share": round(float(right[bins == k].mean()), 4),
            "count": int((bins == k).sum()),
        }
        for k in range(BINS)
        if (bins == k).any()
    ]
    return {"coverage": coverage, "calibration": calibration}


def _mistakes(logits: Tensor, rows: Tensor, data: Photographs) -> list[dict]:
    sure, answers = logits.softmax(1).max(1)
    wrong = answers != data.labels[rows]
    worst = (sure * wrong).argsort(descending=True)[: min(HARDEST, int(wrong.sum()))]
    return [
        {
            "picture": data.names[int(rows[i])],
            "label": CLASSES[int(data.labels[rows[i]])],
            "answer": CLASSES[int(answers[i])],
            "probability": round(float(sure[i]), 4),
        }
        for i in worst
    ]


def _drawn(found: dict | None) -> dict | None:
    return found and found | share(found["hits"], found["count"])


def _run(folds: list[dict]) -> dict:
    return {
        "seed": folds[0]["seed"],
        "device": folds[0]["device"],
        "precision": "bfloat16 in training where the processor has it, float32 in evaluation",
        "processor_seconds": round(sum(fold["processor_seconds"] for fold in folds), 1),
        "versions": versions(),
    }
