"""Open a reader's own picture, whatever it comes as, or say clearly why that cannot be done.

from torchcourse.data.pictures import open_picture

image = open_picture("holiday.jpg")   # a PIL image: upright, RGB, 8 bit a channel
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

__all__ = ["MAX_PIXELS", "PictureError", "check_size", "load_image", "open_picture"]

#: Where a picture may come from: a path, the bytes of an image file, or a PIL image.
Source = str | os.PathLike | bytes | Image.Image

MAX_PIXELS = 60_000_000  # a 60-megapixel photograph; more is a mistake or an attack on memory
DEEP = 65535.0  # white in 16 bits, the only range Pillow's integer pictures can have


class PictureError(ValueError):
    """The picture cannot be used: missing, corrupt, empty, too large or of an odd shape."""


def open_picture(source: Source, background: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """Open a picture as RGB, upright, in whatever format, mode, depth or rotation it is stored.

    Args:
        source: a path, the bytes of an image file, or a PIL image (which stays as it is).
        background: red, green, blue, 0 to 255 each, of the paper under transparent pixels;
            white by default, because that is what a browser shows.

    Returns:
        PIL image of mode ``"RGB"``. Grey and black-and-white pictures get three equal
        channels, 16-bit and floating ones (0 to 1, or 0 to 255) are brought to 8 bit, and the
        camera's EXIF rotation is carried out. Of an animation it is the first frame.

    Raises:
        PictureError: if it cannot be read as a picture; the message says why.
    """
    image = load_image(source)
    if image.mode == "F" or image.mode == "I" or image.mode.startswith("I;16"):
        return _to_8_bit(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        over = image.convert("RGBA")
        paper = Image.new("RGBA", over.size, (*background, 255))
        return Image.alpha_composite(paper, over).convert("RGB")
    return image.convert("RGB")


def load_image(source: Source) -> Image.Image:
    """Read all of a picture and turn it upright, in the mode in which it is stored.

    Raises:
        PictureError: it is missing, damaged, no picture, empty, or has too many pixels.
    """
    if isinstance(source, Image.Image):
        image = source
        check_size(image.height, image.width)
    elif isinstance(source, (str, os.PathLike, bytes)):
        image = _read(source)
    else:
        raise PictureError(
            f"cannot open a {type(source).__name__} as a picture; "
            "give a path, the bytes of a file or a PIL image"
        )
    return ImageOps.exif_transpose(image)


def check_size(height: int, width: int) -> None:
    """Raise PictureError for a picture without pixels, or with more than `MAX_PIXELS`."""
    if height * width == 0:
        raise PictureError(f"the picture has no pixels: its size is {width} × {height}")
    if height * width > MAX_PIXELS:
        raise PictureError(
            f"the picture has {width} × {height} pixels; at most {MAX_PIXELS:,} are read. "
            "Shrink it first"
        )


def _read(source: str | os.PathLike | bytes) -> Image.Image:
    if isinstance(source, bytes):
        name, file = "these bytes", io.BytesIO(source)
    else:
        name = file = Path(source).expanduser()
        if not file.is_file():
            raise PictureError(f"there is no picture at {file}; check the path")
    try:
        image = Image.open(file)
        check_size(image.height, image.width)
        image.load()  # Pillow reads lazily: a truncated file fails only here
    except PictureError:
        raise
    except UnidentifiedImageError as error:  # Pillow's words would name an address in memory
        raise PictureError(f"{name} cannot be read as a picture: no known image format") from error
    except (Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise PictureError(f"{name} cannot be read as a picture: {error}") from error
    except ValueError as error:
        raise PictureError(f"{name} is a damaged picture: {error}") from error
    return image


def _to_8_bit(image: Image.Image) -> Image.Image:
    """A picture of one 16-bit or floating channel as mode "L".

    Pillow's own ``convert("L")`` cuts such values off at 255, which leaves a white rectangle.
    """
    values = np.asarray(image, dtype=np.float32)  # (H, W)
    if not np.isfinite(values).all():
        raise PictureError("the picture holds NaN or infinite values")
    white = DEEP if image.mode != "F" else 1.0 if values.max() <= 1 else 255.0
    return Image.fromarray((values / white * 255).round().clip(0, 255).astype(np.uint8))
