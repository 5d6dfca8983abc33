"""Whatever a picture comes as, it is read the same way or refused with a clear word."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from torchcourse.capstones.digits.pictures import PictureError, read_grey, shrink


@pytest.fixture
def grey() -> np.ndarray:
    """A ramp (20, 30) uint8 whose corners all differ."""
    return np.add.outer(np.arange(20) * 8, np.arange(30) * 3).astype(np.uint8)


def as_file(image: Image.Image, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, **options)
    return stream.getvalue()


def test_all_forms_of_one_picture_agree(grey, tmp_path):
    expected = torch.from_numpy(grey).float() / 255
    path = tmp_path / "ramp.png"
    Image.fromarray(grey).save(path)
    rgb = np.repeat(grey[:, :, None], 3, axis=2)
    forms = {
        "path": path,
        "text path": str(path),
        "bytes": path.read_bytes(),
        "PIL": Image.fromarray(grey),
        "array": grey,
        "tensor": torch.from_numpy(grey),
        "channel first": torch.from_numpy(grey)[None],
        "batch of one": torch.from_numpy(grey)[None, None],
        "RGB": rgb,
        "RGB, channels first": rgb.transpose(2, 0, 1),
        "opaque RGBA": Image.fromarray(rgb).convert("RGBA"),
        "grey and alpha": Image.fromarray(grey).convert("LA"),
        "float 0 to 1": grey / 255,
        "float 0 to 255": grey.astype(np.float64),
        "int64": grey.astype(np.int64),
        "16 bit": grey.astype(np.uint16) * 257,
        "16-bit PNG": as_file(Image.fromarray(grey.astype(np.uint16) * 257), format="PNG"),
    }
    for name, form in forms.items():
        found = read_grey(form)
        assert found.shape == (20, 30) and found.dtype == torch.float32, name
        assert torch.allclose(found, expected, atol=3e-3), name


def test_boolean_and_palette_pictures():
    ink = np.zeros((6, 9), bool)
    ink[2:4, 3:5] = True
    assert torch.equal(read_grey(ink), torch.from_numpy(ink).float())
    assert torch.equal(read_grey(Image.fromarray(ink)), torch.from_numpy(ink).float())
    palette = Image.fromarray((ink * 255).astype(np.uint8)).convert("P")
    assert torch.equal(read_grey(palette), torch.from_numpy(ink).float())


@pytest.mark.parametrize("ink", [0, 255])
def test_transparent_paper_never_swallows_the_ink(ink):
    pixels = np.zeros((10, 10, 4), np.uint8)
    pixels[..., :3] = ink
    pixels[3:7, 4:6, 3] = 255
    grey = read_grey(pixels)
    assert abs(grey[4, 4] - grey[0, 0]) == 1


def test_photographs_are_turned_as_the_camera_says(grey):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by 90° clockwise
    turned = read_grey(as_file(Image.fromarray(grey), format="PNG", exif=exif))
    assert torch.equal(turned, read_grey(np.rot90(grey, -1).copy()))


def test_shrinking_averages_and_never_enlarges():
    board = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(50, 50)
    assert torch.allclose(shrink(board, 0.5), torch.full((50, 50), 0.5))
    assert shrink(board, 2.0) is board
    assert shrink(torch.ones(1, 500), 0.01).shape == (1, 5)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        ("no/such/file.png", "there is no picture at"),
        (b"this is no picture", "cannot be read as a picture"),
        (b"", "cannot be read as a picture"),
        (42, "cannot read a int"),
        (None, "cannot read a NoneType"),
        (np.zeros((0, 5)), "no pixels"),
        (np.zeros(28), "shape"),
        (np.zeros((2, 3, 28, 28)), "shape"),
        (np.zeros((28, 28, 7)), "shape"),
        (np.full((28, 28), np.nan), "NaN"),
        (np.full((28, 28), -1.0), "expected 0 to 1"),
        (np.full((28, 28), 300.0), "expected 0 to 1"),
        (np.full((28, 28), 70_000), "expected 0 to 1"),
        (np.zeros((28, 28), complex), "complex128"),
        (np.full((28, 28), "ink"), "expected numbers"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_reason(picture, message):
    with pytest.raises(PictureError, match=message):
        read_grey(picture)


def test_a_truncated_file_and_a_folder_are_refused(grey, tmp_path):
    whole = as_file(Image.fromarray(grey), format="PNG")
    with pytest.raises(PictureError):
        read_grey(whole[: len(whole) // 2])
    with pytest.raises(PictureError, match="there is no picture at"):
        read_grey(tmp_path)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_unpacked():
    large = as_file(Image.new("1", (8_000, 8_000)), format="PNG")
    with pytest.raises(PictureError, match=r"8000 × 8000 pixels; at most"):
        read_grey(large)
    bomb = as_file(Image.new("1", (20_000, 20_000)), format="PNG")
    with pytest.raises(PictureError, match="400000000 pixels"):  # Pillow's own guard
        read_grey(bomb)
