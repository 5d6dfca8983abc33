"""Networks to attack in the live demo: logits, and the gradient of the loss down to the pixels.

The graph holds the network's forward and backward pass. The few lines around it (step, project,
clamp) are written again in ``book/_static/demos/attacks_perturb.mjs``; the tests run both on the
same pictures and compare them with :mod:`torchcourse.capstones.attacks.perturb`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from torchcourse.capstones import digits, pets
from torchcourse.capstones.attacks.recorded import load_defended
from torchcourse.capstones.digits.preprocess import SIZE as DIGIT_SIZE
from torchcourse.data.digits import load_bundled
from torchcourse.export import to_onnx


@dataclass(frozen=True)
class Victim:
    """A network that the demo offers.

    Attributes:
        load: gives the network, from pixels (N, C, H, W) in [0, 1] to logits (N, K).
        classes: the names of the K classes.
        shape: C, H, W of its pictures.
        eps: the change of a pixel that the demo starts with, and the largest it offers, in units
            of 1 / `per`.
        per: 100 for hundredths, 255 for the steps of a picture's bytes.
    """

    load: Callable[[], nn.Module]
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    eps: tuple[int, int]
    per: int


# One pen stroke changes a pixel by 1; in a photograph, a few of 255 steps can hardly be seen.
DRAWINGS = {"classes": tuple("0123456789"), "shape": (1, DIGIT_SIZE, DIGIT_SIZE)}
VICTIMS = {
    "digits": Victim(digits.load_model, **DRAWINGS, eps=(15, 50), per=100),
    "defended": Victim(load_defended, **DRAWINGS, eps=(15, 50), per=100),
    "pets": Victim(pets.load_model, pets.CLASSES, (3, pets.SIZE, pets.SIZE), eps=(4, 32), per=255),
}
EXAMPLES = (3, 4, 7)  # digits to try without a pen
UNDOUBTED = 0.9


class InputGradient(nn.Module):
    """A classifier that also says how its loss changes with every pixel."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (1, K), and the gradient of the cross-entropy, shaped like the image.

        Args:
            image: (1, C, H, W) in [0, 1].
            label: (1, K), 1 at the label and 0 elsewhere.
        """

        def loss(pixels: Tensor) -> tuple[Tensor, Tensor]:
            logits = self.model(pixels)
            return -(label * logits.log_softmax(1)).sum(), logits

        gradient, logits = torch.func.grad(loss, has_aux=True)(image)
        return logits, gradient


def export_gradient(model: nn.Module, shape: tuple[int, int, int], path: Path) -> None:
    """Write the graph of `InputGradient` for pictures of `shape` (C, H, W)."""
    image = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = model.eval()(image)  # (1, K)
    # The least likely class: a gradient near 0 would put nothing to the test.
    label = F.one_hot(logits.argmin(1), logits.shape[1]).float()
    to_onnx(
        InputGradient(model),
        (image, label),
        path,
        input_names=["image", "label"],
        output_names=["logits", "gradient"],
        tolerance=1e-4,
    )


def make_example(digit: int) -> Image.Image:
    """The first handwritten one, of those that ship with the course, that is read without doubt."""
    data = load_bundled(train=False)
    for picture in data.images[data.labels == digit]:
        example = Image.fromarray(picture[0].numpy())
        if digits.classify(example).probabilities[digit] > UNDOUBTED:
            return example
    raise RuntimeError(f"no {digit} of the bundled digits is read with {UNDOUBTED:.0%}")


def export(folder: Path) -> None:
    """Write ``attacks_<name>.onnx`` for every victim, ``attacks.json`` about them, and examples."""
    about = {}
    for name, victim in VICTIMS.items():
        file = f"attacks_{name}.onnx"
        export_gradient(victim.load(), victim.shape, folder / file)
        start, most = victim.eps
        about[name] = {
            "file": file,
            "classes": victim.classes,
            "shape": victim.shape,
            "eps": {"start": start, "most": most, "per": victim.per},
        }
    (folder / "attacks.json").write_text(json.dumps(about) + "\n")
    for digit in EXAMPLES:
        make_example(digit).save(folder / f"attacks_example_{digit}.png")
