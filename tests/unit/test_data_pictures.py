"""A reader's own picture is opened the same way whatever it comes as, or refused with a reason."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from torchcourse.data.pictures import PictureError, open_picture

GREY = np.add.outer(np.arange(20) * 8, np.arange(30) * 3).astype(np.uint8)  # (20, 30)
RGB = np.stack([GREY, 255 - GREY, GREY // 2], axis=2)  # (20, 30, 3)


def as_file(image: Image.Image, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, **options)
    return stream.getvalue()


FORMS = {
    "8 bit": (GREY, Image.fromarray(GREY)),
    "16-bit PNG": (GREY, as_file(Image.fromarray(GREY.astype(np.uint16) * 257), format="PNG")),
    "32-bit integers": (GREY, Image.fromarray(GREY.astype(np.int32) * 257)),
    "floats to 1": (GREY, Image.fromarray(GREY.astype(np.float32) / 255)),
    "floats to 255": (GREY, as_file(Image.fromarray(GREY.astype(np.float32)), format="TIFF")),
    "black and white": (np.where(GREY > 99, 255, 0), Image.fromarray(GREY > 99)),
    "RGB": (RGB, as_file(Image.fromarray(RGB), format="PNG")),
    "opaque RGBA": (RGB, Image.fromarray(RGB).convert("RGBA")),
    "palette": (GREY, Image.fromarray(GREY).convert("P")),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_pixels(name):
    expected, form = FORMS[name]
    found = open_picture(form)
    assert found.mode == "RGB" and found.size == (30, 20)
    expected = expected if expected.ndim == 3 else np.stack([expected] * 3, axis=2)
    assert np.array_equal(np.asarray(found), expected)


def test_a_path_as_text_or_path(tmp_path):
    path = tmp_path / "ramp.bmp"
    Image.fromarray(RGB).save(path)
    assert np.array_equal(np.asarray(open_picture(path)), RGB)
    assert np.array_equal(np.asarray(open_picture(str(path))), RGB)


def test_transparent_pixels_show_the_paper():
    pixels = np.zeros((4, 6, 4), np.uint8)
    pixels[1, 2] = (255, 0, 0, 255)
    pixels[2, 2] = (255, 0, 0, 51)  # a fifth
    white = np.asarray(open_picture(Image.fromarray(pixels)))
    assert white[0, 0].tolist() == [255, 255, 255] and white[1, 2].tolist() == [255, 0, 0]
    assert white[2, 2].tolist() == [255, 204, 204]
    blue = np.asarray(open_picture(Image.fromarray(pixels), background=(0, 0, 255)))
    assert blue[0, 0].tolist() == [0, 0, 255] and blue[1, 2].tolist() == [255, 0, 0]


def test_a_transparent_colour_of_a_palette_is_paper():
    image = Image.new("P", (5, 4), 0)
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.putpixel((1, 1), 1)
    found = open_picture(as_file(image, format="GIF", transparency=0))
    assert found.getpixel((0, 0)) == (255, 255, 255) and found.getpixel((1, 1)) == (200, 0, 0)


@pytest.mark.parametrize(("orientation", "turns"), [(3, 2), (6, -1), (8, 1)])
def test_it_is_turned_as_the_camera_says(orientation, turns):
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = open_picture(as_file(Image.fromarray(RGB), format="PNG", exif=exif))
    assert np.array_equal(np.asarray(found), np.rot90(RGB, turns))


def test_the_callers_image_stays_as_it_is():
    image = Image.fromarray(GREY)
    open_picture(image).paste((1, 2, 3), (0, 0, 5, 5))
    assert image.mode == "L" and np.array_equal(np.asarray(image), GREY)
    image = Image.fromarray(RGB)
    open_picture(image).paste((1, 2, 3), (0, 0, 5, 5))
    assert np.array_equal(np.asarray(image), RGB)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("no/such/file.png", "there is no picture at"),
        (b"this is no picture", "these bytes cannot be read as a picture"),
        (b"", "cannot be read as a picture"),
        (42, "cannot open a int"),
        (None, "cannot open a NoneType"),
        (GREY, "cannot open a ndarray"),
        (Image.new("L", (0, 5)), "no pixels: its size is 0 × 5"),
        (Image.fromarray(np.full((3, 3), np.nan, np.float32)), "NaN"),
        (as_file(Image.fromarray(RGB), format="PNG")[:60], "cannot be read|damaged"),
        (as_file(Image.new("1", (8_000, 8_000)), format="PNG"), "8000 × 8000 pixels; at most"),
    ],
    ids=["gone", "text", "nothing", "int", "None", "array", "empty", "NaN", "cut short", "huge"],
)
def test_what_is_no_picture_is_refused_with_the_reason(source, message):
    with pytest.raises(PictureError, match=message):
        open_picture(source)


def test_a_folder_and_a_text_file_are_named(tmp_path):
    text = tmp_path / "notes.jpg"
    text.write_text("buy milk")
    with pytest.raises(PictureError, match=r"notes\.jpg cannot be read as a picture"):
        open_picture(text)
    with pytest.raises(PictureError, match="there is no picture at"):
        open_picture(tmp_path)
