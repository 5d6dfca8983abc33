"""Where and how the course runs: seeds, device, preset, folders."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import torch
from platformdirs import user_cache_dir

PRESETS = ("quick", "full")


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's global random generators.

    Args:
        seed: an integer in ``[0, 2**32)`` (NumPy accepts no other).

    Raises:
        ValueError: if `seed` is not such an integer.

    Loaders with workers need a seeded ``torch.Generator`` besides, see lesson
    "Datasets and loaders" and https://docs.pytorch.org/docs/stable/notes/randomness.html.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be an integer from 0 to 2**32 - 1, got {seed!r}")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries of the course still read the global state
    torch.manual_seed(seed)  # covers every GPU as well


def get_device() -> torch.device:
    """The best device of this machine: CUDA, then Apple's MPS, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def preset() -> str:
    """The size of a run: ``"quick"`` (default) or ``"full"``, from ``$TORCHCOURSE_PRESET``.

    Raises:
        ValueError: if the variable holds anything else.
    """
    value = os.environ.get("TORCHCOURSE_PRESET", "quick").strip().lower() or "quick"
    if value not in PRESETS:
        raise ValueError(
            f"TORCHCOURSE_PRESET is {value!r}; set it to 'quick' (bundled data, two minutes at "
            "most) or 'full' (the real data set), or unset it"
        )
    return value


def data_dir() -> Path:
    """The folder data sets are looked for and downloaded to.

    ``$TORCHCOURSE_DATA`` if set, else the user's cache folder. It is not created here.
    """
    chosen = os.environ.get("TORCHCOURSE_DATA")
    if chosen:
        return Path(chosen).expanduser()
    return cache_dir() / "data"


def cache_dir() -> Path:
    """The user's cache folder for this course: whatever lies there can be made or fetched again.

    It is not created here.
    """
    return Path(user_cache_dir("torchcourse"))


def is_static_build() -> bool:
    """True while the site is built: its pages have no kernel behind them."""
    return os.environ.get("TORCHCOURSE_STATIC") == "1"
