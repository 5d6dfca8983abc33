"""The recorder of capstone 3, in small: every stage, on generated reviews that pass for real."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
import torch

from torchcourse.capstones.sentiment import record, record_results
from torchcourse.capstones.sentiment.model import read_model
from torchcourse.capstones.sentiment.tokens import WordPiece
from torchcourse.data import made_reviews
from torchcourse.data.reviews import Reviews

COUNT = 240


@pytest.fixture
def small(monkeypatch, tmp_path, only_this_machine):
    """A recorder that takes seconds, and its two folders."""
    texts, labels = zip(*made_reviews.make(COUNT), strict=True)
    kinds = ["films", "hotels"] * (COUNT // 2)
    # Praise and blame come in turn: two of a kind have both labels.
    kinds = [kinds[i // 2] for i in range(COUNT)]
    made = Reviews(list(texts), torch.tensor(labels), kinds, "files")
    monkeypatch.setattr(record.reviews, "load", lambda: made)
    real_train, called = record.train, []

    def train(data, config, recipe, **more):
        called.append(config)
        config = replace(config, width=8, heads=2, layers=min(1, config.layers), hidden=8)
        return real_train(data, config, replace(recipe, epochs=1), **more)

    monkeypatch.setattr(record, "train", train)
    monkeypatch.setattr(record, "FEW", 60)
    monkeypatch.setattr(record, "LOG", dict(list(record.LOG.items())[2:5]))
    monkeypatch.setitem(record.STAGES, "log", (record.record_log, range(3)))
    monkeypatch.setattr(record_results, "WEIGHTS", tmp_path / "weights")
    record.load_parts.cache_clear()
    yield tmp_path / "work", tmp_path / "weights", called
    record.load_parts.cache_clear()


def run(monkeypatch, work, *arguments):
    monkeypatch.setattr(sys, "argv", ["record", *arguments, "--work", str(work)])
    record.main()


def test_all_stages_make_a_record_that_quotes_no_review(small, monkeypatch):
    work, weights, called = small
    run(monkeypatch, work)
    metrics = json.loads((weights / "metrics.json").read_text("utf-8"))
    assert [one["seed"] for one in metrics["transformer"]["seeds"]] == [0, 1, 2]
    assert len(metrics["pretraining"]["loss"]) == 1
    held = metrics["data"]["texts"]["validation"]
    assert [one["count"] for one in metrics["transformer"]["validation"]] == [held] * 3
    assert len(metrics["against_tfidf"]) == 3 and len(metrics["log"]) == 3
    assert ["TF-IDF" in line for line in metrics["log"]] == [False, True, False]
    assert metrics["log"][1]["TF-IDF"]["count"] == held
    assert [line["texts"] for line in metrics["log"]] == [metrics["data"]["texts"]["train"], 60, 60]
    assert set(metrics["by_domain"]["TF-IDF"]) == {"films", "hotels"}
    assert set(metrics["transfer"]["measured"]) == {
        *("films → films", "films → hotels", "hotels → hotels", "hotels → films")
    }
    looks = metrics["looks"]
    assert set(looks["keywords"]) == {"praise", "blame"} and looks["texts"] == held
    assert set(looks["deletion"]) == {"occlusion", "gradient", "attention", "random"}
    assert sum(map(sum, metrics["confusion"])) == metrics["data"]["texts"]["test"]
    assert metrics["leak"] is None  # there is no such file
    assert not any("剧情" in line for line in (weights / "metrics.json").read_text().split("\n"))
    model, words = read_model(weights / "model.safetensors"), WordPiece.load(weights / "vocab.txt")
    assert model.config.vocabulary == len(words)
    assert (weights / "history.csv").read_text().count("\n") == 10  # a heading, nine runs

    trained = len(called)
    run(monkeypatch, work)  # everything is there: nothing is trained again
    assert len(called) == trained


def test_no_record_without_its_first_seed(small, monkeypatch):
    work, weights, _ = small
    with pytest.raises(SystemExit, match="'gaps' first"):
        run(monkeypatch, work, "run", "--number", "1")
    run(monkeypatch, work, "gaps")
    with pytest.raises(SystemExit, match="--number 3, 4, 5 first"):
        run(monkeypatch, work, "seed", "--number", "1")
    for number in ("3", "4", "5"):
        run(monkeypatch, work, "run", "--number", number)
    run(monkeypatch, work, "seed", "--number", "1")
    with pytest.raises(SystemExit, match="baselines"):
        run(monkeypatch, work, "finish")
    assert not weights.exists()


def test_generated_reviews_make_no_record(small, monkeypatch):
    made = record.reviews.load()._replace(source="generated film reviews")
    monkeypatch.setattr(record.reviews, "load", lambda: made)
    with pytest.raises(SystemExit, match="TORCHCOURSE_DATA"):
        record.load_parts()
