"""The graph of the pets demo answers as `classify` does, and its examples are what they seem."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from torchcourse.capstones import pets
from torchcourse.capstones.pets import drawn
from torchcourse.capstones.pets.export import EXAMPLES, export, make_example

PAGE = Path(__file__).parents[2] / "book" / "demos" / "pets.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demos")
    export(path)
    return path


def test_logits_and_map_are_those_of_python(folder: Path) -> None:
    session = onnxruntime.InferenceSession(folder / "pets.onnx")
    for seed in range(6):
        picture = drawn.draw(seed % 2, 300 + seed, 130)
        feeds = {"image": pets.prepare(picture).numpy()}
        logits, places = session.run(["logits", "map"], feeds)
        cat, dog = logits[0]
        assert pets.classify(picture)["dog"] == pytest.approx(1 / (1 + np.exp(cat - dog)), abs=1e-4)
        expected = pets.activation_map(picture).numpy()
        np.testing.assert_allclose(places, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_examples_are_recognised_and_the_page_knows_them(folder: Path) -> None:
    pictures = []
    for name, label in EXAMPLES.items():
        file = folder / f"pets_example_{name}.png"
        assert pets.classify(file)[pets.CLASSES[label]] > 0.5
        assert np.array_equal(np.asarray(Image.open(file)), np.asarray(make_example(name)))
        pictures.append(file.read_bytes())
    assert len(set(pictures)) == len(EXAMPLES)
    offered = re.findall(r'data-example="pets_example_(\w+)"', PAGE.read_text(encoding="utf-8"))
    assert set(offered) == set(EXAMPLES)


def test_the_page_is_told_the_networks_size(folder: Path) -> None:
    about = json.loads((folder / "pets.json").read_text())
    assert about["size"] == pets.SIZE and about["classes"] == list(pets.CLASSES)
