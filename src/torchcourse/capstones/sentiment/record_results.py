"""The last stage of the recorder: from what the others left to the record that is shipped."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from torchcourse.recording import spread, versions, write_history, write_json

from . import measure
from .data import Parts
from .model import read_model
from .training import Recipe

WEIGHTS = Path(__file__).parents[2] / "weights" / "cap3_sentiment"
# Words whose number in the training texts page 3 wants to know.
COUNTED = ("错", "不错", "好", "不好", "慢", "不慢", "拖沓", "一点也不拖沓", "但是")
SHIPPED = 0  # the seed whose network is shipped: fixed beforehand, not the best one


def finish(work: Path, parts: Parts, log: list[str]) -> None:
    """Write the record from the stages that are done; those that are not stand there as None."""
    seeds = [_read(path) for path in sorted(work.glob("seed_*.json"))]
    runs = {run: _read(work / f"run_{run}.json") for seed in seeds for run in seed["runs"]}
    counted = _read(work / "baselines.json")
    if counted is None or not seeds or seeds[0]["seed"] != SHIPPED:
        raise SystemExit(f"run the stages 'baselines' and 'seed --number {SHIPPED}' first")
    answers = {name: torch.tensor(given) for name, given in counted["answers"].items()}
    networks = [torch.tensor(seed["answers"]) for seed in seeds]
    labels = parts.test.labels
    metrics = {
        "about": "Recorded full run of capstone 3, sentiment of Chinese reviews.",
        "written_by": "python -m torchcourse.capstones.sentiment.record",
        "data": _data(parts),
        "versions": versions("scikit-learn", "tokenizers"),
        "baselines": {name: measure.scores(given, labels) for name, given in answers.items()},
        "transformer": _seeds(seeds, networks, labels),
        "against_tfidf": [measure.mcnemar(one, answers["TF-IDF"], labels) for one in networks],
        "by_domain": {
            "TF-IDF": measure.by_domain(answers["TF-IDF"], labels, parts.test.domains),
            "Transformer": measure.by_domain(networks[0], labels, parts.test.domains),
        },
        "confusion": torch.bincount(2 * labels + networks[0], minlength=4).view(2, 2).tolist(),
        "cleaning": counted["cleaning"],
        "leak": counted["leak"],
        "transfer": _read(work / "transfer.json"),
        "looks": _read(work / "looks.json"),
        "occurrences": {
            word: sum(text.count(word) for text in parts.train.texts) for word in COUNTED
        },
        "log": [line for line in (_read(work / f"{name}.json") for name in log) if line],
        "pretraining": _read(work / "gaps.json"),
        "recipe": asdict(Recipe()),
        "config": asdict(read_model(work / f"seed_{SHIPPED}.safetensors").config),
        "shipped": {"seed": SHIPPED, "dtype": "float16"},
        "run": _run(runs),
    }
    WEIGHTS.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(work / f"seed_{SHIPPED}.safetensors", WEIGHTS / "model.safetensors")
    shutil.copyfile(work / "vocab.txt", WEIGHTS / "vocab.txt")
    write_json(WEIGHTS / "metrics.json", metrics)
    write_history({f"run {number}": run for number, run in runs.items()}, WEIGHTS / "history.csv")


def _read(path: Path) -> dict | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _data(parts: Parts) -> dict:
    """What was learnt from and asked; the hash is of all texts, cleaned, in order."""
    everything = "\n".join(text for part in parts for text in part.texts)
    counts = {name: len(part.texts) for name, part in parts._asdict().items()}
    praise = {name: int(part.labels.sum()) for name, part in parts._asdict().items()}
    return {
        "source": parts.train.source,
        "texts": counts,
        "praise": praise,
        "sha256": hashlib.sha256(everything.encode()).hexdigest(),
    }


def _seeds(seeds: list[dict], networks: list[Tensor], labels: Tensor) -> dict:
    found = [
        {"seed": seed["seed"], **measure.scores(one, labels)}
        for seed, one in zip(seeds, networks, strict=True)
    ]
    return {
        "parameters": seeds[0]["parameters"],
        "validation": [seed["validation"] for seed in seeds],
        "seeds": found,
        **spread([one["share"] for one in found]),
        "macro_f1": spread([one["macro_f1"] for one in found])["mean"],
    }


def _run(runs: dict[int, dict]) -> dict:
    return {
        "device": runs[0]["device"],
        "threads": runs[0]["threads"],
        "precision": "bfloat16 in training where the processor has it, float32 in evaluation",
        "validation": {number: run["validation"]["share"] for number, run in runs.items()},
        "processor_seconds": {number: run["processor_seconds"] for number, run in runs.items()},
        "wall_seconds": {number: run["wall_seconds"] for number, run in runs.items()},
    }
