"""The recorder of the lesson "CIFAR-10", in miniature: every stage, twice, and what it writes."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
import torch

from torchcourse.data.images import Images
from torchcourse.vision import record_cifar
from torchcourse.vision.cifar_training import Recipe

TINY = Recipe(epochs=1, batch_size=16, widths=(4, 4, 4), mixed=False)


def fake(name: str, train: bool = True) -> Images:
    """Forty pictures to learn from, twenty for the test, one class as bright as the next."""
    count = 40 if train else 20
    random = torch.Generator().manual_seed(int(train))
    images = torch.randint(0, 256, (count, 3, 32, 32), generator=random, dtype=torch.uint8)
    return Images(images, torch.arange(count) % 10, [str(i) for i in range(10)], "made up")


@pytest.fixture
def recorder(monkeypatch, tmp_path):
    monkeypatch.setattr(record_cifar.image_data, "load", fake)
    monkeypatch.setattr(record_cifar, "HELD_OUT", 8)
    monkeypatch.setattr(record_cifar, "QUICK", TINY)
    monkeypatch.setattr(record_cifar, "FULL", replace(TINY, epochs=2))
    monkeypatch.setattr(record_cifar, "RECIPES", {"quick": TINY, "full": replace(TINY, epochs=2)})
    monkeypatch.setattr(record_cifar, "WEIGHTS", tmp_path / "weights")

    def run(*arguments: str) -> None:
        command = ["record_cifar", *arguments, "--work", str(tmp_path / "work")]
        monkeypatch.setattr("sys.argv", command)
        record_cifar.main()

    return run


def test_record_grows_with_what_is_done(recorder, tmp_path):
    with pytest.raises(SystemExit, match=r"not done yet: linear, quick_0"):
        recorder("finish")
    recorder("quick", "--seed", "0")
    recorder("linear")
    recorder("finish")
    folder = tmp_path / "weights" / "ch05_cifar10"
    written = folder / "metrics.json"
    first = json.loads(written.read_text("utf-8"))
    assert first["runs"].keys() == {"quick"} and first["runs"]["quick"]["seed"] == [0]
    recorder()
    record = json.loads(written.read_text("utf-8"))
    assert record["runs"]["quick"]["seed"] == [0, 1, 2]
    assert record["runs"]["quick"]["pictures"] == 32 and record["runs"]["full"]["pictures"] == 40
    for run in record["runs"].values():
        score = run["test"]["six views"]
        assert score["count"] == 20 and score["hits"] == round(20 * score["share"])
        assert torch.tensor(run["confusion"]).sum() == 20
        assert torch.tensor(run["confusion"]).diag().sum() == score["hits"]
    assert record["data"]["sha256"] == first["data"]["sha256"]
    rows = (folder / "history.csv").read_text("utf-8").splitlines()
    assert len(rows) == 1 + 3 + 2  # three quick runs of one epoch, a full one of two
    recorder("finish", "--record", "ch05_cifar10_jpeg")  # another copy, a record of its own
    other = folder.with_name("ch05_cifar10_jpeg") / "metrics.json"
    assert json.loads(other.read_text("utf-8"))["runs"] == record["runs"]


def test_record_says_which_copy_of_the_pictures_it_was():
    images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    images[1, 0] = 255  # red: half of the pixels 1, half 0
    images[:, 1] = 51
    assert record_cifar._channels(images) == {"mean": [0.5, 0.2, 0.0], "std": [0.5, 0.0, 0.0]}


def shipped(name: str) -> dict:
    return json.loads((record_cifar.WEIGHTS / name / "metrics.json").read_text("utf-8"))


@pytest.mark.parametrize("name", record_cifar.RECORDS)
def test_shipped_record_is_of_the_recipes_in_the_code(name):
    record = shipped(name)
    assert record["data"]["train"] == 50_000 and record["data"]["test"] == 10_000
    for kind, run in record["runs"].items():
        assert run["recipe"] == asdict(record_cifar.RECIPES[kind]) | {
            "widths": list(record_cifar.RECIPES[kind].widths)
        }
        assert torch.tensor(run["confusion"]).sum(1).tolist() == [1000] * 10
    quick = record["runs"]["quick"]
    assert min(quick["processor_seconds"]) < 6 * 60  # three minutes on two cores
    assert quick["test"]["one look"]["mean"] >= 0.7 > record["baselines"]["linear on pixels"]
    rows = (record_cifar.WEIGHTS / name / "history.csv").read_text("utf-8").splitlines()[1:]
    assert {row.split(",")[0] for row in rows} >= {"quick_0"}


def test_recorded_run_on_the_original_pictures_reaches_what_the_paper_promises():
    original, jpeg = map(shipped, record_cifar.RECORDS)
    # mean and spread as everybody publishes them: to eight digits, these are the original pixels
    assert original["data"]["mean"] == [0.49139968, 0.48215841, 0.44653091]
    assert original["data"]["std"] == [0.24703223, 0.24348513, 0.26158784]
    assert jpeg["data"]["std"] != original["data"]["std"]
    best, other = (one["runs"]["full"]["test"]["six views"] for one in (original, jpeg))
    assert best["share"] >= 0.94
    assert best["interval"][0] > other["interval"][1]  # recompression costs more than luck does
