"""From any picture to probabilities, and to a map of where the evidence lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from torchcourse.data.pictures import PictureError, open_picture
from torchcourse.train.mode import in_eval_mode

from .model import CLASSES, SIZE, load_model

#: A path, the bytes of a file, a PIL image, or pixels (H, W), (H, W, 3) or (H, W, 4).
Picture = str | Path | bytes | Image.Image | np.ndarray


def prepare(image: Picture, size: int = SIZE) -> Tensor:
    """A picture as the network wants it: (1, 3, size, size) float in ``[0, 1]``, RGB.

    Args:
        image: a path, the bytes of a file, a PIL image or an array of any size, mode and EXIF
            rotation. Arrays are uint8, or float in ``[0, 1]``; grey (H, W), RGB (H, W, 3) or
            RGBA (H, W, 4).
        size: side in pixels.

    The whole picture is scaled to a square, as the photographs of the training were: nothing is
    cut off, and there is nothing random in it.

    Raises:
        PictureError: if it cannot be used; the message says why.
    """
    if isinstance(image, np.ndarray):
        image = _from_array(image)
    upright = open_picture(image).resize((size, size), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(upright))  # (size, size, 3) uint8
    return pixels.permute(2, 0, 1)[None].float() / 255


@torch.no_grad()
def classify(image: Picture, model: nn.Module | None = None) -> dict[str, float]:
    """The probabilities of "cat" and "dog", which add up to 1.

    Args:
        image: as for `prepare`.
        model: another network than the recorded one; used in eval mode, left in its own.

    The network has no third answer: a chair, too, gets two probabilities that add up to 1. See
    the lesson "Classify your own" for what a confidence can and cannot tell.

    Raises:
        PictureError: if the picture cannot be used.

    >>> classify("my_cat.jpg")  # doctest: +SKIP
    {'cat': 0.98, 'dog': 0.02}
    """
    model = load_model() if model is None else model
    device = next(model.parameters()).device
    prepared = prepare(image, getattr(model, "size", SIZE)).to(device)
    logits = mirrored_logits(model, prepared)  # (1, 2)
    return dict(zip(CLASSES, logits.softmax(1)[0].tolist(), strict=True))


@torch.no_grad()
def mirrored_logits(model: nn.Module, images: Tensor) -> Tensor:
    """Logits (B, 2) of images (B, 3, H, W): the mean over each picture and its mirror image.

    A mirrored cat is a cat: two looks at it are better than one, and nothing in them is random.
    The model works in eval mode and is left in the mode it came in.
    """
    with in_eval_mode(model):
        return (model(images) + model(images.flip(3))) / 2


@torch.no_grad()
def activation_map(
    image: Picture | Tensor, model: nn.Module | None = None, side: int | None = None
) -> Tensor:
    """Which places speak for a dog (above 0) and which for a cat (below 0).

    The network's end is an average over places and a linear layer, and these two may change
    places: the difference of the logits is the average of this map, plus the difference of the
    biases. Zhou et al., "Learning deep features for discriminative localization" (2016).

    Args:
        image: as for `prepare`, or prepared: (1, 3, H, W) float in ``[0, 1]``.
        model: another network with `features` and `head`; used in eval mode, left in its own.
        side: scale the map up to so many pixels a side; None leaves the network's own h × w.

    Returns:
        (h, w) or (side, side) float: logit of "dog" minus logit of "cat", place by place,
        without the bias.
    """
    model = load_model() if model is None else model
    size = getattr(model, "size", SIZE)
    prepared = image if isinstance(image, Tensor) else prepare(image, size)
    with in_eval_mode(model):
        maps = model.features(prepared.to(next(model.parameters()).device))  # (1, C, h, w)
    towards_dog = model.head.weight[1] - model.head.weight[0]  # (C,)
    places = torch.einsum("c,bchw->bhw", towards_dog, maps).cpu()  # (1, h, w)
    if side is not None:
        places = F.interpolate(places[None], (side, side), mode="bilinear", align_corners=False)[0]
    return places[0]


def _from_array(pixels: np.ndarray) -> Image.Image:
    shape, kind = pixels.shape, pixels.dtype
    if pixels.ndim == 3 and shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim != 2 and not (pixels.ndim == 3 and shape[2] in (3, 4)):
        raise PictureError(
            f"an array of shape {shape} is no picture; expected (H, W), (H, W, 3) or (H, W, 4). "
            "A tensor (3, H, W) needs .permute(1, 2, 0) first"
        )
    if pixels.size == 0:
        raise PictureError(f"the picture has no pixels: its shape is {shape}")
    if np.issubdtype(kind, np.floating):
        if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
            raise PictureError(
                "float pixels must lie in [0, 1]; divide by 255, or give uint8 from 0 to 255"
            )
        pixels = (pixels * 255).round().astype(np.uint8)
    elif kind == np.bool_:
        pixels = pixels.astype(np.uint8) * 255
    elif kind != np.uint8:
        raise PictureError(f"pixels of type {kind} are not supported; give uint8 or float")
    return Image.fromarray(np.ascontiguousarray(pixels))
