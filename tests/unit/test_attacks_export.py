"""The graphs of the attack demo hold autograd's gradient, and the page asks for what is there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torchcourse import export as onnx_export
from torchcourse.capstones import digits
from torchcourse.capstones.attacks import export
from torchcourse.capstones.digits.preprocess import prepare_batch
from torchcourse.capstones.pets import PetNet
from torchcourse.capstones.pets.export import EXAMPLES as PET_EXAMPLES
from torchcourse.data.digits import load_bundled

PAGE = Path(__file__).parents[2] / "book" / "demos" / "attacks.md"


def small_pet_net() -> nn.Module:
    """Strides, shortcuts, and blocks that do something; the weights are no matter."""
    torch.manual_seed(0)
    model = PetNet(widths=(4, 6, 8, 8), blocks=(1, 1, 1, 1)).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0.1, 0.3)
    return model


def digit_pictures() -> Tensor:
    return prepare_batch(load_bundled(train=False).images[:6])


CASES = {
    "pooling": (digits.load_model, digit_pictures),
    # From an even side, strides of 2 do not reach the last row and column.
    "strides": (small_pet_net, lambda: torch.rand(4, 3, 48, 48)),
}


@pytest.mark.parametrize("case", CASES)
def test_logits_and_gradient_are_pytorchs_for_every_label(case: str, tmp_path: Path) -> None:
    model, images = (make() for make in CASES[case])
    export.export_gradient(model, tuple(images.shape[1:]), tmp_path / "graph.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "graph.onnx")
    for n, image in enumerate(images):
        leaf = image[None].clone().requires_grad_()
        expected = model(leaf)
        label = torch.tensor([(3 * n) % expected.shape[1]])
        (gradient,) = torch.autograd.grad(F.cross_entropy(expected, label), leaf)
        assert gradient.abs().max() > 1e-4
        one_hot = F.one_hot(label, expected.shape[1]).float()
        feeds = {"image": image[None].numpy(), "label": one_hot.numpy()}
        logits, found = session.run(["logits", "gradient"], feeds)
        np.testing.assert_allclose(logits, expected.detach(), rtol=1e-4, atol=1e-4)
        # Where a maximum or a ReLU is a tie but for rounding, another pixel gets the gradient.
        off = np.abs(found - gradient.numpy()) > 1e-4 * float(gradient.abs().max())
        assert off.mean() < 0.01


def test_other_gradients_of_a_convolution_are_refused() -> None:
    class WeightGradient(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            images = torch.ones(1, 1, 4, 4)
            return torch.func.grad(lambda w: F.conv2d(images, w).sum())(weight)

    weight = torch.ones(1, 1, 3, 3)
    with pytest.raises(NotImplementedError, match="only gradients with respect to"):
        onnx_export.to_onnx(
            WeightGradient(), (weight,), Path("x"), input_names=["w"], output_names=["g"]
        )


def test_the_page_offers_what_is_exported() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r'name="victim" value="(\w+)"', text)) == set(export.VICTIMS)
    files = {f"attacks_example_{digit}" for digit in export.EXAMPLES}
    files |= {f"pets_example_{name}" for name in PET_EXAMPLES}
    assert set(re.findall(r'data-example="(\w+)"', text)) <= files
    for victim in export.VICTIMS.values():
        start, most = victim.eps
        assert 0 < start < most <= victim.per


@pytest.mark.parametrize("digit", export.EXAMPLES)
def test_examples_are_read_right(digit: int) -> None:
    assert digits.classify(export.make_example(digit)).digit == digit
