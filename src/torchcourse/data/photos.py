"""The two photographs that scikit-learn ships: a Chinese pagoda above a lake, and a dahlia."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

__all__ = ["NAMES", "load"]

NAMES = ("china", "flower")


def load(name: str = "china", size: int | tuple[int, int] | None = None) -> torch.Tensor:
    """A colour photograph as a tensor, without any download.

    Args:
        name: ``"china"`` (a pagoda above a lake) or ``"flower"`` (an orange dahlia).
        size: None for the original 427×640; an integer scales the shorter side to so many
            pixels and keeps the proportions; (height, width) gives exactly that.

    Returns:
        (3, H, W) uint8, channels red, green, blue, each 0 to 255.

    Raises:
        ValueError: another name, or a size that is not positive.
        TypeError: a size that is no integer or pair of integers.

    Source: scikit-learn, which names the photographers in the README beside the files; both
    photographs are CC BY 2.0: https://www.flickr.com/photos/danielbuechele/6061409035/ and
    https://www.flickr.com/photos/vultilion/6056698931/
    """
    if name not in NAMES:
        raise ValueError(f"there is no photograph {name!r}; choose one of {', '.join(NAMES)}")
    pixels = load_sample_image(f"{name}.jpg")  # (H, W, 3) uint8
    if size is not None:
        height, width = _height_and_width(size, *pixels.shape[:2])
        picture = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
        pixels = np.asarray(picture)
    # (H, W, C) -> (C, H, W), and a copy: scikit-learn's array must not be written to.
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)).copy())


def _height_and_width(size: int | tuple[int, int], height: int, width: int) -> tuple[int, int]:
    """The wanted (height, width) of a picture that now has `height` and `width`."""
    if type(size) is int:  # not isinstance: True is no size
        factor = size / min(height, width)
        wanted = (round(height * factor), round(width * factor))
    elif isinstance(size, (tuple, list)) and [type(side) for side in size] == [int, int]:
        wanted = (size[0], size[1])
    else:
        raise TypeError(f"size must be an integer or (height, width), got {size!r}")
    if min(wanted) < 1:
        raise ValueError(f"size must be positive, got {size!r}")
    return wanted
