"""The generator for the live demo: as ONNX, and the directions in which its handwriting changes.

The page draws its noise itself, by the seeded generator in ``book/_static/demos/gan_hand.mjs``;
the tests compare both the noise and the pictures with Python's.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path

import torch
from torch import Tensor, nn

from torchcourse.capstones.gan.model import Generator
from torchcourse.capstones.gan.sampling import draw, load_generator, make_noise
from torchcourse.export import to_onnx

SAMPLES = 1000  # pictures from which the directions are estimated: many for 64 + 10 unknowns
PROPERTIES = ("slant", "weight", "width")


class Writer(nn.Module):
    """Noise (B, latent) and shares of the classes (B, K) to pictures (B, 28, 28) in [0, 1]."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = copy.deepcopy(generator).eval()  # the caller's stays as it is

    def forward(self, noise: Tensor, shares: Tensor) -> Tensor:
        return self.generator(noise, shares)[:, 0]


def measure(pictures: Tensor) -> Tensor:
    """Slant, weight and width of what is written: (B, 28, 28) → (B, 3).

    The slant is how many pixels the strokes move to the right for each pixel upwards; the weight
    is the mean ink; the width is the spread of the ink sideways, in pixels, with the slant
    taken out.
    """
    ink = pictures / pictures.sum((1, 2), keepdim=True).clamp(min=1e-6)  # (B, H, W), sums to 1
    y, x = (torch.arange(size, dtype=ink.dtype) for size in ink.shape[1:])
    across, down = ink.sum(1), ink.sum(2)  # (B, W), (B, H)
    from_middle_x = x - (across @ x)[:, None]  # (B, W)
    from_middle_y = y - (down @ y)[:, None]  # (B, H)
    xx = (across * from_middle_x.square()).sum(1)
    yy = (down * from_middle_y.square()).sum(1).clamp(min=1e-6)
    xy = torch.einsum("bhw,bh,bw->b", ink, from_middle_y, from_middle_x)
    width = (xx - xy.square() / yy).clamp(min=0).sqrt()
    return torch.stack([-xy / yy, pictures.mean((1, 2)), width], dim=1)


def find_directions(generator: Generator) -> Tensor:
    """Unit vectors of the noise along which slant, weight and width grow: (3, latent).

    Each property is fitted as a linear function of the noise, by least squares, with a mean of
    its own for each class. The three are then made orthogonal, each keeping what the ones before
    it leave.
    """
    latent, classes = generator.latent, generator.num_classes
    noise = make_noise(SAMPLES, seed=0, latent=latent)  # (N, latent)
    shares = torch.eye(classes)[torch.arange(SAMPLES) % classes]  # (N, K)
    measured = measure(draw(generator, noise, shares)[:, 0])  # (N, 3)
    fitted = torch.linalg.lstsq(torch.hstack([noise, shares]), measured).solution[:latent]
    directions, triangle = torch.linalg.qr(fitted)  # (latent, 3), (3, 3)
    return (directions * triangle.diagonal().sign()).T  # QR may turn a sign; turn it back


def export(folder: Path, generator: Generator | None = None) -> None:
    """Write ``gan.onnx`` and ``gan.json``: sizes, and the directions of the sliders.

    Args:
        folder: to write to.
        generator: None takes the recorded one.
    """
    generator = load_generator() if generator is None else generator
    latent, classes = generator.latent, generator.num_classes
    count = torch.export.Dim("pictures")
    to_onnx(
        Writer(generator),
        # Two, because one would be taken for a fixed size; and between the classes.
        (make_noise(2, seed=1, latent=latent), torch.full((2, classes), 1 / classes)),
        folder / "gan.onnx",
        input_names=["noise", "shares"],
        output_names=["pictures"],
        dynamic_shapes=({0: count}, {0: count}),
    )
    directions = zip(PROPERTIES, find_directions(generator).tolist(), strict=True)
    about = {
        "latent": latent,
        "classes": classes,
        "directions": {name: [round(part, 6) for part in vector] for name, vector in directions},
    }
    (folder / "gan.json").write_text(json.dumps(about) + "\n")
