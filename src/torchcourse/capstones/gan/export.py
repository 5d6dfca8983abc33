"""The generator for the live demo: as ONNX, with mixtures of classes, and directions of a hand.

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
from torchcourse.export import to_onnx

SAMPLES = 2000  # pictures from which the directions are estimated: enough for 64 unknowns
BATCH = 100
PROPERTIES = ("slant", "weight", "width")


class Mixture(nn.Module):
    """An embedding that is asked with shares instead of labels: (B, K) → (B, D).

    With a share of 1 for one class it answers what the embedding answers for that label.
    """

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        self.weight = embedding.weight

    def forward(self, shares: Tensor) -> Tensor:
        return shares @ self.weight


class Writer(nn.Module):
    """Noise (B, latent) and shares of the classes (B, K) to pictures (B, 28, 28) in [0, 1].

    A generator's own code, with each of its embeddings replaced by a `Mixture`.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = copy.deepcopy(generator).eval().requires_grad_(False)
        for norm in self.generator.norms:
            norm.scale_and_shift = Mixture(norm.scale_and_shift)

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


def find_directions(writer: Writer) -> Tensor:
    """Unit vectors of the noise along which slant, weight and width grow: (3, latent).

    Each property is fitted as a linear function of the noise, by least squares, within each
    class. The three are then made orthogonal, each keeping what the ones before it leave.
    """
    latent, classes = writer.generator.latent, writer.generator.num_classes
    noise = torch.randn(SAMPLES, latent, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(SAMPLES) % classes
    shares = torch.eye(classes)[labels]  # (SAMPLES, K)
    with torch.no_grad():
        parts = zip(noise.split(BATCH), shares.split(BATCH), strict=True)
        measured = torch.cat([measure(writer(*part)) for part in parts])  # (SAMPLES, 3)
    # The shares as further unknowns: each class has a mean of its own.
    fitted = torch.linalg.lstsq(torch.hstack([noise, shares]), measured).solution[:latent]
    directions, triangle = torch.linalg.qr(fitted)  # (latent, 3), (3, 3)
    return (directions * triangle.diagonal().sign()).T  # QR may turn a sign; turn it back


def export(folder: Path, generator: Generator | None = None) -> None:
    """Write ``gan.onnx`` and ``gan.json``: sizes, and the directions of the sliders.

    Args:
        folder: to write to.
        generator: None takes the recorded one.
    """
    if generator is None:
        from torchcourse.capstones.gan import load_generator

        generator = load_generator()
    writer = Writer(generator)
    latent, classes = generator.latent, generator.num_classes
    random = torch.Generator().manual_seed(1)
    examples = 2  # one would be taken for a fixed size
    to_onnx(
        writer,
        (
            torch.randn(examples, latent, generator=random),
            torch.rand(examples, classes, generator=random).softmax(1),
        ),
        folder / "gan.onnx",
        input_names=["noise", "shares"],
        output_names=["pictures"],
        dynamic_shapes=({0: torch.export.Dim("pictures")}, {0: torch.export.Dim("pictures")}),
    )
    directions = find_directions(writer)
    about = {
        "latent": latent,
        "classes": classes,
        "directions": {
            name: [round(value, 6) for value in direction.tolist()]
            for name, direction in zip(PROPERTIES, directions, strict=True)
        },
    }
    (folder / "gan.json").write_text(json.dumps(about) + "\n")
