"""What all recorders share: intervals, rounded weights, files that are whole."""

from __future__ import annotations

import csv
import json

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from torchcourse import recording
from torchcourse.recording import share, wilson


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (10, 10), (97, 100), (1, 3)])
def test_wilson_intervals(hits, count):
    low, high = wilson(hits, count)
    assert 0 <= low <= hits / count <= high <= 1 and low < high
    # Its ends are the shares from which the observed one is 1.96 standard errors away.
    for end in (low, high):
        if 0 < end < 1:
            distance = abs(hits / count - end)
            assert distance == pytest.approx(1.959964 * (end * (1 - end) / count) ** 0.5, rel=1e-5)
    assert share(hits, count)["share"] == pytest.approx(hits / count, abs=1e-5)
    with pytest.raises(ValueError):
        wilson(count + 1, count)


def test_one_seed_has_no_spread():
    assert recording.spread([0.5, 0.7]) == {"mean": 0.6, "std": pytest.approx(0.14142)}
    assert recording.spread([0.5]) == {"mean": 0.5, "std": None}


def test_what_is_measured_is_what_is_shipped(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    recording.save_weights(tmp_path / "model.safetensors", recording.half_weights(model))
    recording.as_shipped(model)
    shipped = load_file(tmp_path / "model.safetensors")
    assert shipped["0.weight"].dtype == torch.float16
    assert shipped["1.num_batches_tracked"].dtype == torch.int64  # no fraction to round
    for name, value in model.state_dict().items():
        assert torch.equal(value, shipped[name].to(value.dtype))


def test_runs_with_different_columns_share_a_history(tmp_path):
    found = {
        "one": {"history": [{"epoch": 1, "loss": 0.123456789}]},
        "other": {"history": [{"epoch": 1, "accuracy": 0.5}, {"epoch": 2, "accuracy": 0.75}]},
    }
    recording.write_history(found, tmp_path / "history.csv")
    rows = list(csv.DictReader((tmp_path / "history.csv").open(encoding="utf-8")))
    assert [row["run"] for row in rows] == ["one", "other", "other"]
    assert rows[0] == {"run": "one", "epoch": "1", "loss": "0.12346", "accuracy": ""}


def test_a_record_that_fails_leaves_the_old_one(tmp_path):
    recording.write_json(tmp_path / "a.json", {"写": 1})
    with pytest.raises(TypeError):
        recording.write_json(tmp_path / "a.json", {"tensor": torch.zeros(1)})
    assert recording.runs(tmp_path) == {"a": {"写": 1}}
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == {"写": 1}
