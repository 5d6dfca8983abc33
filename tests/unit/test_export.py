"""ONNX files appear complete and equal to PyTorch, or not at all."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from torchcourse import export, surfaces


def run(path, **feeds):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


@pytest.mark.parametrize("count", [1, 7])
def test_the_exported_gradient_is_autograds_for_any_number_of_points(tmp_path, count):
    surfaces.export(tmp_path)
    points = torch.randn(count, 2, generator=torch.Generator().manual_seed(0))
    for name, surface in surfaces.SURFACES.items():
        leaf = points.clone().requires_grad_()
        loss = surface(leaf)
        loss.sum().backward()
        found_loss, moved, velocity = run(
            tmp_path / f"descent_{name}.onnx",
            points=points.numpy(),
            velocity=np.zeros((count, 2), np.float32),
            lr=np.array([0.1], np.float32),
            momentum=np.array([0.0], np.float32),
        )
        np.testing.assert_allclose(found_loss, loss.detach(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(velocity, leaf.grad, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(moved, points - 0.1 * leaf.grad, rtol=1e-5, atol=1e-6)


class Doubler(nn.Module):
    def forward(self, x):
        return 2 * x


def test_a_file_that_differs_from_pytorch_is_not_kept(tmp_path, monkeypatch):
    target = tmp_path / "model.onnx"
    target.write_bytes(b"the last good one")
    exact = onnxruntime.InferenceSession

    class Wrong(exact):
        def run(self, *arguments):
            return [value + 1e-3 for value in super().run(*arguments)]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Wrong)
    with pytest.raises(RuntimeError, match=r"Doubler: output 0.*nothing was written"):
        export.to_onnx(
            Doubler(), (torch.ones(1, 2),), target, input_names=["x"], output_names=["y"]
        )
    assert target.read_bytes() == b"the last good one"
    assert list(tmp_path.iterdir()) == [target]
