"""The graphs of the live demo compute what the Python code computes, for any size."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from torchcourse.capstones.digits import ctc, pictures, preprocess, reading, segment
from torchcourse.capstones.digits.export import EXAMPLES, export, make_example, to_pixels

Run = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demos")
    export(path)
    return path


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """Run a graph by name: `run("page", pixels=…)`."""
    sessions = {
        path.stem.removeprefix("digits_"): onnxruntime.InferenceSession(path)
        for path in folder.glob("*.onnx")
    }

    def call(graph: str, **feeds: np.ndarray) -> np.ndarray:
        return sessions[graph].run(None, feeds)[0]

    return call


def written_page(height: int, width: int, inverted: bool = False) -> np.ndarray:
    """A page (H, W, 3) with strokes, a shadow and grain."""
    rng = np.random.default_rng(height * width)
    page = np.full((height, width), 0.9)
    for _ in range(6):
        y, x = rng.integers(0, height), rng.integers(0, width)
        page[y : y + max(2, height // 4), x : x + max(1, width // 50)] = 0.2
    page = (1 - page if inverted else page) * np.linspace(0.6, 1, width)
    page = page[..., None] + rng.normal(0, 0.01, (height, width, 3))
    return (page.clip(0, 1) * 255).round().astype(np.uint8)


def opaque(page: np.ndarray) -> np.ndarray:
    return np.dstack([page, np.full(page.shape[:2], 255, np.uint8)])


@pytest.mark.parametrize(
    "height, width",
    # Steps of 1, 2 and more pixels; upright, level, square; far longer than high.
    [(57, 57), (64, 700), (127, 90), (128, 300), (200, 200), (431, 307), (320, 641)],
)
@pytest.mark.parametrize("inverted", [False, True])
def test_the_ink_of_pages_of_any_size(run: Run, height: int, width: int, inverted: bool) -> None:
    page = written_page(height, width, inverted)
    expected, _ = preprocess.read_ink(page)
    assert expected.any()
    np.testing.assert_allclose(run("page", pixels=opaque(page)), expected, atol=2e-3)


@pytest.mark.parametrize("height, width", [(28, 28), (56, 400), (9, 13), (1, 1)])
def test_the_ink_of_small_pictures(run: Run, height: int, width: int) -> None:
    page = written_page(height, width)
    expected, _ = preprocess.read_ink(page)
    np.testing.assert_allclose(run("small", pixels=opaque(page)), expected, atol=2e-3)


@pytest.mark.parametrize("light", [0, 255])
def test_transparent_pictures_are_laid_on_paper(run: Run, light: int) -> None:
    """White ink on nothing needs dark paper, and black ink light paper."""
    ink = 255 - written_page(120, 150)[..., 0]
    page = np.dstack([np.full((120, 150, 3), light, np.uint8), ink])
    expected, _ = preprocess.read_ink(page)
    assert expected.any()
    np.testing.assert_allclose(run("page", pixels=page), expected, atol=2e-3)


def test_signs_are_scaled_and_centred_and_judged(run: Run) -> None:
    ink, _ = preprocess.read_ink(make_example("slanted").picture)
    pieces = segment.find_pieces(ink.numpy())
    large = F.interpolate(torch.from_numpy(pieces[0].ink)[None, None], scale_factor=5)
    for sign in [piece.ink for piece in pieces] + [large[0, 0].numpy()]:
        rows, columns = sign.any(1).nonzero()[0], sign.any(0).nonzero()[0]
        cut = sign[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        height, width = preprocess.crop(torch.from_numpy(sign)).shape
        found = run("sign", ink=cut, rows=np.arange(height), columns=np.arange(width))
        expected = preprocess.centre(preprocess.crop(torch.from_numpy(sign))[None, None])
        np.testing.assert_allclose(found, expected[0, 0], atol=1e-5)
        log_probabilities = run("digit", signs=found[None])
        expected = reading.log_probabilities()(expected)
        np.testing.assert_allclose(log_probabilities, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("zoom", [0.4, 1, 3])
def test_lines_are_heard_as_by_the_reader(run: Run, zoom: float) -> None:
    """Smaller and larger than the strips the reader knows, with signs that may not occur."""
    ink, _ = preprocess.read_ink(make_example("sum").picture)
    ink = F.interpolate(ink[None, None], scale_factor=zoom, mode="area")[0, 0]
    (line,) = segment.find_lines(ink.numpy())
    strip, scale = ctc.make_strip(line)  # (1, 24, W)
    height = round(line.ink.shape[0] * min(scale, ctc.INK_HEIGHT / line.ink.shape[0]))
    width = round(line.ink.shape[1] * scale)
    for allowed in (ctc.ALPHABET, reading.DIGITS):
        barred = np.array([0.0] + [1e4 * (sign not in allowed) for sign in ctc.ALPHABET])
        found = run(
            "line",
            ink=line.ink,
            rows=np.arange(height),
            columns=np.arange(width),
            barred=barred.astype(np.float32),
        )
        with torch.no_grad():
            logits = reading.load_reader()(strip[None])[0]
        open_classes = barred == 0
        expected = logits[:, open_classes].log_softmax(1)
        np.testing.assert_allclose(found[:, open_classes], expected, rtol=1e-3, atol=2e-3)
        assert (found[:, ~open_classes] < -1e3).all()


@pytest.mark.parametrize("length, size", [(7, 3), (100, 80), (5, 5), (3, 8), (1, 4), (9, 1)])
def test_weights_resize_as_pytorch_does(length: int, size: int) -> None:
    values = torch.rand(2, 1, length, generator=torch.Generator().manual_seed(0))
    averaged = F.adaptive_avg_pool1d(values, size)
    torch.testing.assert_close(values @ pictures.averaging(length, size).T, averaged)
    between = F.interpolate(values, size, mode="linear", align_corners=False)
    torch.testing.assert_close(values @ pictures.enlarging(length, size).T, between)


def test_examples_are_read_right_and_constants_written(folder: Path) -> None:
    for name, (lines, _, read) in EXAMPLES.items():
        file = folder / f"digits_example_{name}.png"
        assert read(file).text == "\n".join(lines)
        assert np.array_equal(np.array(Image.open(file)), make_example(name).picture)
    constants = json.loads((folder / "digits.json").read_text(encoding="utf-8"))
    assert constants["alphabet"] == ctc.ALPHABET and constants["inked"] == segment.INKED


def test_pixels_are_those_of_a_browser() -> None:
    picture = np.array([[0, 100], [200, 255]], np.uint8)
    pixels = to_pixels(picture)
    assert pixels.shape == (2, 2, 4) and (pixels[..., 3] == 255).all()
    assert (pixels[..., :3] == torch.from_numpy(picture)[..., None]).all()
