"""The recorder runs a lesson up to its measurement, and the shipped records are what they say."""

from __future__ import annotations

import json

import nbformat
import numpy as np
import pytest

from tools.notebooks import ROOT
from tools.record_lesson import TAG, measure, target
from torchcourse.data import houses

LESSONS = (
    "ch04_stability/04_normalization",
    "ch04_stability/06_house_prices",
    "ch05_vision/02_lenet_alexnet",
    "ch05_vision/03_vgg_nin",
)


@pytest.fixture
def lesson(tmp_path):
    def write(source: str, tags: list[str]):
        cell = nbformat.v4.new_code_cell(source, metadata={"tags": tags})
        after = nbformat.v4.new_code_cell("raise RuntimeError('behind the measurement')")
        path = tmp_path / "lesson.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[cell, after]), path)
        return path

    return write


def test_it_takes_what_the_tagged_cell_measured_in_the_full_preset(lesson):
    source = (
        "from torchcourse.runtime import preset\n"
        "measured = {'data': {'name': 'x', 'sha256': 'y'}, 'preset': preset()}"
    )
    assert measure(lesson(source, [TAG]), threads=1)["preset"] == "full"


def test_a_run_on_made_up_data_is_not_recorded(lesson):
    source = "measured = {'data': {'name': 'generated town', 'sha256': None}}"
    with pytest.raises(SystemExit, match="generated town, no data set with a hash"):
        measure(lesson(source, [TAG]), threads=1)


def test_a_lesson_without_a_measurement_is_refused(lesson):
    with pytest.raises(SystemExit, match="nothing to record"):
        measure(lesson("pass", []), threads=1)


@pytest.mark.parametrize("name", LESSONS)
def test_a_shipped_record_says_where_it_comes_from(name):
    path = ROOT / f"lessons/{name}.ipynb"
    assert any(TAG in cell.metadata.get("tags", []) for cell in nbformat.read(path, 4).cells)
    record = json.loads(target(path).read_text("utf-8"))
    assert len(record["seeds"]) >= 3
    assert len(record["data"]["sha256"]) == 64
    assert record["written_by"].endswith(f"{name}.ipynb")
    assert {"torch", "numpy", "python"} <= set(record["versions"])


def test_the_record_of_house_prices_adds_up_and_meets_its_target():
    record = json.loads(target(ROOT / "lessons/ch04_stability/06_house_prices.ipynb").read_text())
    assert record["data"]["sha256"] == houses.AMES.files[0].sha256
    for result in record["log_rmse"].values():
        errors = np.array(result["by_seed_and_fold"])
        assert errors.shape == (len(record["seeds"]), record["folds"])
        assert abs(errors.mean() - result["mean"]) < 1e-3
    assert record["log_rmse"]["network"]["mean"] <= 0.135 < record["log_rmse"]["mean"]["mean"]
