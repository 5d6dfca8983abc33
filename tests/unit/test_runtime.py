"""Seeds, preset and folders."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from torchcourse import runtime


def numbers() -> tuple:
    """One draw from each generator the course uses."""
    return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002


def test_the_same_seed_gives_the_same_numbers_everywhere():
    runtime.seed_everything(3)
    first = numbers()
    runtime.seed_everything(3)
    assert numbers() == first
    runtime.seed_everything(4)
    assert all(a != b for a, b in zip(numbers(), first, strict=True))


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "1", None, True])
def test_a_seed_no_generator_takes_is_refused(seed):
    with pytest.raises(ValueError, match="seed must be an integer"):
        runtime.seed_everything(seed)


@pytest.mark.parametrize(
    ("value", "preset"), [(None, "quick"), ("", "quick"), ("FULL ", "full"), ("quick", "quick")]
)
def test_preset_comes_from_the_environment(monkeypatch, value, preset):
    monkeypatch.delenv("TORCHCOURSE_PRESET", raising=False)
    if value is not None:
        monkeypatch.setenv("TORCHCOURSE_PRESET", value)
    assert runtime.preset() == preset


def test_an_unknown_preset_says_which_there_are(monkeypatch):
    monkeypatch.setenv("TORCHCOURSE_PRESET", "fast")
    with pytest.raises(ValueError, match=r"'fast'.*'quick'.*'full'"):
        runtime.preset()


def test_data_folder_is_chosen_by_the_user_and_not_created(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHCOURSE_DATA", str(tmp_path / "sets"))
    assert runtime.data_dir() == tmp_path / "sets"
    assert not (tmp_path / "sets").exists()
    monkeypatch.setenv("TORCHCOURSE_DATA", "~/sets")
    assert runtime.data_dir() == Path.home() / "sets"
    monkeypatch.delenv("TORCHCOURSE_DATA")
    assert "torchcourse" in str(runtime.data_dir())


def test_device_is_one_this_machine_has():
    device = runtime.get_device()
    assert torch.ones(2, device=device).sum().item() == 2
