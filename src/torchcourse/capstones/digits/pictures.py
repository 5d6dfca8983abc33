"""Read a picture, whatever it comes as, into one grey map in ``[0, 1]``."""

from __future__ import annotations

import os

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from torchcourse.data.pictures import PictureError, check_size, load_image

#: A path, a PIL image, or an array (NumPy or torch) of shape (H, W), (H, W, C) or (C, H, W).
Picture = str | os.PathLike | bytes | Image.Image | np.ndarray | Tensor

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow's and OpenCV's grey conversion


class NoInkError(PictureError):
    """The picture can be read, but nothing is written on it."""


def read_grey(image: Picture) -> Tensor:
    """Read `image` as grey values.

    Args:
        image: a path, the bytes of an image file, a PIL image, or an array of any integer,
            boolean or floating type. Grey, grey + alpha, RGB or RGBA. Floating arrays whose
            maximum is at most 1 are taken as ``[0, 1]``, others as ``[0, 255]``.

    Returns:
        (H, W) float32 in ``[0, 1]``, 0 is black. Rotated as the camera's EXIF tag asks.

    Raises:
        PictureError: if it cannot be read as a picture; the message says why.
    """
    if isinstance(image, (str, os.PathLike, bytes, Image.Image)):
        grey = _from_pil(load_image(image))
    elif isinstance(image, (np.ndarray, Tensor)):
        grey = _from_array(image)
    else:
        raise PictureError(
            f"cannot read a {type(image).__name__} as a picture; "
            "give a path, a PIL image or an array of pixels"
        )
    return grey


def shrink(grey: Tensor, scale: float) -> Tensor:
    """Shrink (H, W) to `scale` times its size by averaging areas; never enlarge."""
    height, width = grey.shape
    if scale >= 1:
        return grey
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return F.adaptive_avg_pool2d(grey[None, None], size)[0, 0]


def averaging(length: int, size: int) -> Tensor:
    """(size, length) weights that shrink an axis by averaging, as `shrink` does: rows @ grey."""
    first = torch.arange(size)[:, None]
    at = torch.arange(length)
    covered = (at >= first * length // size) & (at < ((first + 1) * length + size - 1) // size)
    return covered.float() / covered.sum(1, keepdim=True)


def enlarging(length: int, size: int) -> Tensor:
    """(size, length) weights that enlarge an axis, as bilinear `F.interpolate` does."""
    place = (torch.arange(size) + 0.5) * length / size - 0.5
    return (1 - (place.clamp(0, length - 1)[:, None] - torch.arange(length)).abs()).clamp(min=0)


def _from_pil(image: Image.Image) -> Tensor:
    if image.mode in ("LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode in ("P", "CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        image = image.convert("RGB")
    if image.mode == "I" or image.mode.startswith("I;16"):
        # Pillow keeps 16-bit PNG files as integers without a range: 0 to 65535 is the only one.
        return _check_finite(torch.from_numpy(np.array(image, dtype=np.float32)) / 65535.0)
    return _from_array(np.array(image))


def _from_array(array: np.ndarray | Tensor) -> Tensor:
    if isinstance(array, Tensor):
        array = array.detach().cpu().numpy()
    array = _channels_last(array)
    check_size(array.shape[0], array.shape[1])
    return _check_finite(to_grey(torch.from_numpy(np.ascontiguousarray(_to_unit(array)))))


def to_grey(values: Tensor) -> Tensor:
    """Grey, grey + alpha, RGB or RGBA values (H, W, C) to grey (H, W), all in ``[0, 1]``."""
    channels = values.shape[-1]
    colours = values[..., :3] if channels >= 3 else values[..., :1]
    grey = colours @ torch.tensor(LUMA) if channels >= 3 else colours[..., 0]
    return _flatten(grey, values[..., -1]) if channels in (2, 4) else grey


def _channels_last(array: np.ndarray) -> np.ndarray:
    """(H, W), (H, W, C) or (C, H, W), with leading axes of length 1, to (H, W, C)."""
    shape = array.shape
    while array.ndim > 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 2:
        return array[:, :, None]
    if array.ndim == 3 and array.shape[2] in (1, 2, 3, 4):
        return array
    if array.ndim == 3 and array.shape[0] in (1, 2, 3, 4):
        return array.transpose(1, 2, 0)
    raise PictureError(
        f"an array of shape {tuple(shape)} is no picture; "
        "expected (H, W), (H, W, C) or (C, H, W) with 1 to 4 channels"
    )


def _to_unit(array: np.ndarray) -> np.ndarray:
    """Map an array of any real type to float32 in [0, 1]."""
    if array.dtype == bool:
        return array.astype(np.float32)
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all():
            raise PictureError("the picture holds NaN or infinite values")
        top = 1.0 if array.size == 0 or array.max() <= 1 else 255.0
    elif np.issubdtype(array.dtype, np.integer):
        # int64 arrays usually hold bytes that somebody computed with.
        wide = array.dtype.itemsize > 1 and array.size and array.max() > 255
        top = 65535.0 if wide else 255.0
    else:
        raise PictureError(f"an array of type {array.dtype} is no picture; expected numbers")
    unit = array.astype(np.float32) / top
    if unit.size and (unit.min() < 0 or unit.max() > 1):
        raise PictureError(
            f"pixel values run from {array.min()} to {array.max()}; "
            "expected 0 to 1 (floating), 0 to 255 or 0 to 65535"
        )
    return unit


def _flatten(grey: Tensor, alpha: Tensor) -> Tensor:
    """Lay a transparent picture on paper that its ink stands out from."""
    ink_is_light = (grey * alpha).sum() > 0.5 * alpha.sum()
    paper = torch.where(ink_is_light, 0.0, 1.0)
    return grey * alpha + paper * (1 - alpha)


def _check_finite(grey: Tensor) -> Tensor:
    if not torch.isfinite(grey).all():
        raise PictureError("the picture holds NaN or infinite values")
    return grey.clamp(0, 1)
