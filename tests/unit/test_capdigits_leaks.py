"""Leaks are counted right on parts whose leaks are known."""

import json

import numpy as np
import pytest

from torchcourse.capstones.digits.leaks import RECORD, count_leaks


@pytest.fixture
def drawings() -> list[np.ndarray]:
    """Ten drawings without any symmetry."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (8, 8), dtype=np.uint8) for _ in range(10)]


def test_clean_parts_have_no_leak(drawings):
    found = count_leaks({"train": drawings[:6], "val": drawings[6:8], "test": drawings[8:]})
    assert found["images"] == found["drawings"] == 10
    assert found["in_more_than_one_part"] == found["test_images_with_a_copy_in_training"] == 0


def test_copies_and_relatives_are_told_apart(drawings):
    mirrored, turned = drawings[0][:, ::-1], np.rot90(drawings[1])
    test = [mirrored, turned, drawings[2], drawings[9]]
    found = count_leaks({"train": drawings[:6], "val": [drawings[2]], "test": test})
    assert found["drawings"] == 7
    assert found["in_more_than_one_part"] == 1  # drawing 2, though it stands in three parts
    assert (found["test_images_with_a_copy_in_training"], found["test_images"]) == (3, 4)


def test_the_record_is_there():
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    assert 0 < record["in_more_than_one_part"] < record["test_images"] < record["images"]
    assert record["test_images_with_a_copy_in_training"] > record["test_images"] / 2
