"""The record of the GAN: what it claims, and that the shipped weights bear it out."""

from __future__ import annotations

import csv
import json
from importlib.resources import files

import pytest
import torch
from safetensors.torch import load_file

from torchcourse.capstones.gan import generate, load_generator
from torchcourse.capstones.gan.measures import diversity, judge_accuracy

WEIGHTS = files("torchcourse") / "weights" / "cap4_gan"
JUDGE, TAUGHT = 0.98, 0.96  # what the capstone promises


@pytest.fixture(scope="module")
def metrics() -> dict:
    return json.loads((WEIGHTS / "metrics.json").read_text(encoding="utf-8"))


def test_record_says_how_it_was_made(metrics):
    assert all(len(digest) == 64 for digest in metrics["data"]["MNIST"].values())
    assert {"python", "torch", "numpy", "processor"} <= metrics["versions"].keys()
    shipped = metrics["runs"][metrics["shipped"]["run"]]
    assert shipped["data"] == "MNIST" and shipped["pictures"] == 55_000
    for run in metrics["runs"].values():
        assert run["config"]["seed"] >= 0 and run["processor_seconds"] > 0 and run["device"]
    parameters = sum(p.numel() for p in load_generator().parameters())
    assert metrics["parameters"]["generator"] == parameters


def test_recorded_bounds(metrics):
    main = metrics["main"]
    assert main["judge"]["count"] == 10_000 and main["judge"]["share"] >= JUDGE
    assert metrics["taught"]["share"] >= TAUGHT and metrics["taught"]["count"] == 10_000
    assert main["judge_on_real"]["share"] > 0.99  # the judge is worth asking
    assert main["frechet"]["generated"] > main["frechet"]["real"] > 0
    ratio = sum(main["diversity"]["generated"]) / sum(main["diversity"]["real"])
    assert 0.8 < ratio < 1.2
    near = main["nearest"]  # no copies: as far from the training part as new real digits
    assert near["generated"]["mean"] > 0.85 * near["real"]["mean"]
    assert near["generated"]["closest"] > 0.5


def test_every_seed_reaches_what_the_first_one_does(metrics):
    seeds = metrics["seeds"]
    assert len(seeds["runs"]) >= 3
    assert seeds["judge"]["mean"] >= JUDGE and seeds["taught"]["mean"] >= TAUGHT
    for run, row in seeds["runs"].items():
        assert metrics["runs"][run]["config"]["mixed"] is False and row["judge"] > JUDGE - 0.01


def test_the_leash_holds_in_float32_only(metrics):
    coarse, fine = (metrics["precision"][name] for name in ("bfloat16", "float32"))
    assert coarse["penalties"][-1] > 10 * fine["penalties"][-1]
    assert abs(coarse["mean_score"]) > 100 * abs(fine["mean_score"])


def test_ablation_is_complete_and_says_what_the_page_says(metrics):
    ablation = metrics["ablation"]
    assert set(ablation) == {"penalty", "spectral", "both", "none"}
    assert all(len(result["judge"]) >= 3 for result in ablation.values())
    mean = {name: result["mean"] for name, result in ablation.items()}
    assert mean["none"] > mean["penalty"] > max(mean["spectral"], mean["both"]) > 0.15


def test_history_belongs_to_the_runs(metrics):
    with (WEIGHTS / "history.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["run"] for row in rows} == set(metrics["runs"])
    for name, run in metrics["runs"].items():
        assert max(int(row["step"]) for row in rows if row["run"] == name) == run["config"]["steps"]


def test_shipped_weights_reach_what_was_recorded(metrics):
    expected = metrics["main"]["judge"]["share"]
    measured = judge_accuracy(each=50, seed=77)  # 500 pictures, of a seed nobody chose
    assert measured > expected - 4 * (expected * (1 - expected) / 500) ** 0.5 - 0.01
    labels = torch.arange(10).repeat_interleave(50)
    varied = diversity(generate(labels, seed=78), labels, each=50)
    torch.testing.assert_close(
        varied, torch.tensor(metrics["main"]["diversity"]["generated"]), rtol=0.15, atol=0
    )


def test_weights_are_small_and_half():
    for name, width in (("model", 24), ("fashion", 12)):
        weights = load_file(str(WEIGHTS / f"{name}.safetensors"))
        floating = {value.dtype for value in weights.values() if value.is_floating_point()}
        assert floating == {torch.float16} and weights["to_picture.weight"].shape[1] == width
    clothes = load_generator(WEIGHTS / "fashion.safetensors")
    pictures = generate(range(10), model=clothes)
    assert pictures.shape == (10, 1, 28, 28) and pictures.std() > 0.1
