"""The graph of the review reader answers as PyTorch does, for any number of texts and tokens."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from torchcourse.capstones.sentiment.export import export_reader
from torchcourse.capstones.sentiment.inference import gradient_times_input, occlusion
from torchcourse.capstones.sentiment.model import Config, TransformerClassifier, pad
from torchcourse.capstones.sentiment.tokens import MASK, PAD, SPECIAL, WordPiece
from torchcourse.recording import as_shipped

LETTERS = [chr(ord("一") + i) for i in range(80)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A small network of random weights, and the folder it was exported to."""
    torch.manual_seed(0)
    words = WordPiece([*SPECIAL, *LETTERS])
    model = TransformerClassifier(Config(len(words), 16, 2, 2, 24, 32, 31, 4)).eval()
    as_shipped(model)  # in 16 bits, as its tables are in the graph
    folder = tmp_path_factory.mktemp("demo")
    export_reader(model, words, folder)
    return model, folder


def run(folder, rows):
    session = onnxruntime.InferenceSession(folder / "sentiment.onnx")
    return session.run(["logits"], {"tokens": pad(rows).numpy()})[0]


@torch.no_grad()
def test_logits_are_pytorchs(exported):
    model, folder = exported
    for rows in ([[5]], [[3, 4, 5], [6]], [[*range(3, 35)]] * 5, [[]]):
        np.testing.assert_allclose(run(folder, rows), model(pad(rows)), rtol=1e-4, atol=1e-5)


def test_occlusion_needs_no_more_than_the_graph(exported):
    model, folder = exported
    row = [5, 9, 7, 9]
    logits = run(folder, [row, *([*row[:i], MASK, *row[i + 1 :]] for i in range(4))])
    margins = logits[:, 1] - logits[:, 0]
    np.testing.assert_allclose(margins[0] - margins[1:], occlusion(model, row), atol=1e-4)


def test_weights_by_the_gradient_do_not_mind_padding(exported):
    model, folder = exported
    session = onnxruntime.InferenceSession(folder / "sentiment_gradient.onnx")
    for row in ([7], [5, 9, 7, 9], [1, 2, 3], [*range(3, 35)]):
        padded = np.array([row + [PAD] * (32 - len(row))])
        (weights,) = session.run(["weights"], {"tokens": padded})[0]
        expected = gradient_times_input(model, row).numpy()
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(weights[: len(row)], expected, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(weights[len(row) :], 0, atol=1e-6)


def test_the_page_gets_what_it_must_know(exported):
    _, folder = exported
    about = json.loads((folder / "sentiment.json").read_text("utf-8"))
    assert about["vocabulary"] == [*SPECIAL, *LETTERS] and about["maxTokens"] == 32
    special = [about["vocabulary"][about[name]] for name in ("pad", "unknown", "mask")]
    assert special == list(SPECIAL) and about["classes"] == ["blame", "praise"]


def test_tables_travel_in_16_bits(exported, tmp_path):
    model, _ = exported
    small, large = (replace(model.config, buckets=n) for n in (31, 10_031))
    sizes = []
    for config in (small, large):
        export_reader(
            TransformerClassifier(config).eval(), WordPiece([*SPECIAL, *LETTERS]), tmp_path
        )
        sizes.append((tmp_path / "sentiment.onnx").stat().st_size)
    added = 2 * 10_000 * model.config.pair_width  # numbers in two tables
    assert 2 * added <= sizes[1] - sizes[0] < 2.1 * added
