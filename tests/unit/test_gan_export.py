"""The generator of the live demo, and the directions of its sliders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from torchcourse.capstones import gan
from torchcourse.capstones.gan.export import PROPERTIES, export, measure
from torchcourse.capstones.gan.model import Generator
from torchcourse.capstones.gan.sampling import draw, make_noise


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demos")
    export(path)
    return path


def test_any_number_of_pictures_and_mixtures_of_classes(folder: Path) -> None:
    session = onnxruntime.InferenceSession(folder / "gan.onnx")
    for count in (1, 7):
        noise = make_noise(count, seed=3)
        shares = make_noise(count, seed=4, latent=10).softmax(1)
        feeds = {"noise": noise.numpy(), "shares": shares.numpy()}
        (found,) = session.run(None, feeds)
        expected = draw(gan.load_generator(), noise, shares)[:, 0]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_another_generator_of_another_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = Generator(num_classes=3, width=4, latent=6).train()
    export(tmp_path, small)
    assert small.training
    about = json.loads((tmp_path / "gan.json").read_text())
    assert (about["latent"], about["classes"]) == (6, 3)
    session = onnxruntime.InferenceSession(tmp_path / "gan.onnx")
    assert [entry.shape[1:] for entry in session.get_inputs()] == [[6], [3]]


def bar(left: int, lean: int, thick: int) -> torch.Tensor:
    """A stroke of 20 rows: (28, 28)."""
    picture = torch.zeros(28, 28)
    for row in range(4, 24):
        start = left + lean * (14 - row)
        picture[row, start : start + thick] = 1
    return picture


def test_slant_weight_and_width_of_known_strokes() -> None:
    found = measure(torch.stack([bar(13, 0, 2), bar(13, 1, 2), bar(12, 0, 4)]))
    # Two columns spread by 1/2 around their middle, four by √(5/4); the slant changes neither.
    expected = [[0, 40 / 784, 0.5], [1, 40 / 784, 0.5], [0, 80 / 784, 1.25**0.5]]
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-4, rtol=1e-4)
    assert measure(torch.zeros(1, 28, 28)).isfinite().all()


def test_each_slider_does_what_its_name_says(folder: Path) -> None:
    """The measured property grows along its direction, in nearly every picture."""
    generator = gan.load_generator()
    about = json.loads((folder / "gan.json").read_text())
    directions = torch.tensor([about["directions"][name] for name in PROPERTIES])  # (3, latent)
    torch.testing.assert_close(directions @ directions.T, torch.eye(3), atol=1e-5, rtol=0)
    labels = torch.arange(10).repeat(10)
    noise = make_noise(100, seed=5)
    plain = noise - noise @ directions.T @ directions  # (100, latent): at 0 on each slider
    for place, name in enumerate(PROPERTIES):
        low, high = (
            measure(draw(generator, plain + step * directions[place], labels)[:, 0])[:, place]
            for step in (-2, 2)
        )
        assert (high > low).float().mean() > 0.8, name
