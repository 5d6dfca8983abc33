"""What the recorded run left: the defended digit network, and its figures."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path

from safetensors.torch import load_file

from torchcourse.capstones.digits.model import DigitNet

FOLDER = Path(__file__).parents[2] / "weights" / "cap6_attacks"


@lru_cache(maxsize=1)
def load_defended() -> DigitNet:
    """The digit network of capstone 1 after adversarial training, in eval mode, on the CPU."""
    model = DigitNet()
    with as_file(files("torchcourse") / "weights" / "cap6_attacks" / "model.safetensors") as path:
        model.load_state_dict(load_file(path))
    return model.eval()


def metrics() -> dict:
    """The record: accuracies with intervals, clean and attacked, of all networks and seeds."""
    path = files("torchcourse") / "weights" / "cap6_attacks" / "metrics.json"
    return json.loads(path.read_text("utf-8"))
