"""The record of the six architectures: its figures lie where the lesson says they lie."""

from __future__ import annotations

import csv
import json

import pytest
import torch

from torchcourse.vision.comparison import RECIPES
from torchcourse.vision.networks import NETWORKS
from torchcourse.vision.record import OLDER, WEIGHTS, measure


@pytest.fixture(scope="module")
def record() -> dict:
    return json.loads((WEIGHTS / "metrics.json").read_text("utf-8"))


def results(record: dict, recipe: str = "modern") -> dict[str, dict]:
    found = {name: row.get(recipe) for name, row in record["networks"].items()}
    return {name: row for name, row in found.items() if row}


def test_every_network_learnt_far_more_than_the_baseline(record):
    baseline = record["baseline"]["nearest mean picture"]["share"]
    assert list(results(record)) == list(NETWORKS) == list(OLDER["accuracy"])
    for row in results(record).values():
        assert row["accuracy"]["mean"] > baseline + 0.1
        assert 0 <= row["ece"]["mean"] < 0.2
        assert row["processor_seconds"]["mean"] > 0


def test_the_recipe_is_worth_something_on_the_same_pictures(record):
    plain = results(record, "plain")
    assert "ResNet" in plain
    for name, row in plain.items():
        assert results(record)[name]["accuracy"]["mean"] > row["accuracy"]["mean"]


def test_no_figure_stands_on_more_seeds_than_were_run(record):
    for recipe in RECIPES:
        for row in results(record, recipe).values():
            assert len(row["seeds"]) == len(set(row["seeds"])) == len(row["by_seed"]) > 0
            assert (row["accuracy"]["std"] is None) == (len(row["seeds"]) == 1)
            for seed in row["by_seed"]:
                confusion = torch.tensor(seed["confusion"])
                assert confusion.sum() == seed["count"] == record["data"]["test"]
                assert confusion.trace() == seed["hits"]
                assert sum(bin_["count"] for bin_ in seed["reliability"]) == seed["count"]


def test_the_history_holds_every_epoch_of_every_run(record):
    with (WEIGHTS / "history.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for recipe, settings in record["recipes"].items():
        for name, result in results(record, recipe).items():
            for seed in result["seeds"]:
                epochs = [int(r["epoch"]) for r in rows if r["run"] == f"{name}_{recipe}_{seed}"]
                assert epochs == list(range(1, settings["epochs"] + 1))


def test_the_record_says_what_it_was_made_with(record):
    assert set(record["data"]["sha256"]) == {"training part", "test part"}
    assert {"python", "torch", "numpy", "processor"} <= set(record["run"]["versions"])
    assert record["recipes"].keys() == RECIPES.keys()


def test_measures_agree_with_each_other():
    logits = torch.tensor([[4.0, 0.0], [0.0, 4.0], [4.0, 0.0]])
    found = measure(logits, torch.tensor([0, 1, 1]), 2)
    assert found["hits"] == 2 and found["confusion"] == [[1, 0], [1, 1]]
    assert found["ece"] == pytest.approx(0.98201 - 2 / 3, abs=1e-4)
