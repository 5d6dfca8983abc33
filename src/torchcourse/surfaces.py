"""Loss surfaces over two parameters, and gradient descent on them, for the live demo."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from torchcourse.export import to_onnx


def bowl(points: Tensor) -> Tensor:
    """x² + y²: equally steep everywhere around. ``(N, 2)`` to ``(N,)``."""
    return (points**2).sum(dim=1)


def ravine(points: Tensor) -> Tensor:
    """0.1 x² + 2 y²: twenty times steeper across than along. ``(N, 2)`` to ``(N,)``."""
    return 0.1 * points[:, 0] ** 2 + 2 * points[:, 1] ** 2


def two_valleys(points: Tensor) -> Tensor:
    """(x² - 1)² + 0.3 x + y²: a deep valley left, a shallow one right. ``(N, 2)`` to ``(N,)``."""
    x, y = points[:, 0], points[:, 1]
    return (x**2 - 1) ** 2 + 0.3 * x + y**2


SURFACES = {"bowl": bowl, "ravine": ravine, "two_valleys": two_valleys}


class Descent(nn.Module):
    """One step of SGD with momentum, the gradient taken by autograd.

    Inputs: points and velocity ``(N, 2)``, lr and momentum ``(1,)``.
    Returns the loss at the points ``(N,)``, the next points and the next velocity ``(N, 2)``,
    with the update of ``torch.optim.SGD``: v ← momentum · v + ∇L, p ← p - lr · v.
    """

    def __init__(self, surface: str) -> None:
        super().__init__()
        self.surface = SURFACES[surface]

    def forward(
        self, points: Tensor, velocity: Tensor, lr: Tensor, momentum: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        # Points do not influence each other, so the gradient of the sum holds each one's own.
        gradient = torch.func.grad(lambda p: self.surface(p).sum())(points)
        velocity = momentum * velocity + gradient
        return self.surface(points), points - lr * velocity, velocity


def export(folder: Path) -> None:
    """Write one ONNX file for each surface: ``descent_<surface>.onnx``."""
    example = (torch.randn(3, 2), torch.randn(3, 2), torch.tensor([0.1]), torch.tensor([0.9]))
    many = {0: torch.export.Dim("points")}
    for name in SURFACES:
        to_onnx(
            Descent(name),
            example,
            folder / f"descent_{name}.onnx",
            input_names=["points", "velocity", "lr", "momentum"],
            output_names=["loss", "next_points", "next_velocity"],
            dynamic_shapes=(many, many, None, None),
        )
