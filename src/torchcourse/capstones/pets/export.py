"""The network for cats and dogs in the live demo, with the map of where it sees them.

Scaling a picture to the network's square is written again in JavaScript, in
``book/_static/demos/pets_picture.mjs``: a photograph's pixels would be many times as much work for
ONNX as the network itself. It does what Pillow does, byte for byte; the tests compare.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from PIL import Image
from torch import Tensor, nn

from torchcourse.data.pictures import MAX_PIXELS
from torchcourse.export import to_onnx

from . import drawn
from .inference import activation_map, classify, mirrored_logits, prepare
from .model import CLASSES, SIZE, load_model

MAX_CANVAS = 12_000_000  # pixels; phones' browsers refuse a canvas of 17 million
EXAMPLES = {"cat_1": 0, "dog_1": 1, "cat_2": 0, "dog_2": 1}  # names and labels
EXAMPLE_SIDE = 240  # pixels
MOST_TRIES = 200


class PetReader(nn.Module):
    """Prepared pictures to what the demo shows."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (1, 2), as `classify` takes them, and the activation map (h, w).

        Args:
            image: (1, 3, H, W) in [0, 1].
        """
        return mirrored_logits(self.model, image), activation_map(image, self.model)


def export(folder: Path) -> None:
    """Write ``pets.onnx``, ``pets.json`` and the pictures to try."""
    folder.mkdir(parents=True, exist_ok=True)
    to_onnx(
        PetReader(load_model()),
        (prepare(make_example("cat_1")),),
        folder / "pets.onnx",
        input_names=["image"],
        output_names=["logits", "map"],
        tolerance=1e-4,
    )
    about = {
        "size": SIZE,
        "classes": CLASSES,
        "readablePixels": MAX_PIXELS,
        "maxPixels": MAX_CANVAS,
    }
    (folder / "pets.json").write_text(json.dumps(about) + "\n")
    for name in EXAMPLES:
        make_example(name).save(folder / f"pets_example_{name}.png")


@cache
def make_example(name: str) -> Image.Image:
    """A drawn animal: of those the network gets right, the first by seed, or the second."""
    label, wanted = EXAMPLES[name], int(name[-1])
    for seed in range(MOST_TRIES):
        picture = drawn.draw(label, seed, EXAMPLE_SIDE)
        wanted -= classify(picture)[CLASSES[label]] > 0.5
        if wanted == 0:
            return picture
    raise RuntimeError(f"of {MOST_TRIES} drawings too few were recognised for {name!r}")
