"""Handwritten digits: MNIST if it is there or wanted, else the real digits scikit-learn ships.

Both keep one contract, so a lesson runs unchanged on either: bright ink on black, 28×28, the
digit drawn about 20 pixels high with its centre of mass in the middle.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits

from torchcourse.data.fileset import FileSet, RemoteFile
from torchcourse.data.idx import read_idx

__all__ = ["MNIST", "Digits", "load", "load_bundled"]

MNIST = FileSet(
    title="MNIST",
    folder="MNIST/raw",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    files=(
        RemoteFile(
            "train-images-idx3-ubyte.gz",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            9_912_422,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        RemoteFile(
            "train-labels-idx1-ubyte.gz",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            28_881,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        RemoteFile(
            "t10k-images-idx3-ubyte.gz",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            1_648_877,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        RemoteFile(
            "t10k-labels-idx1-ubyte.gz",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            4_542,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
)

SIDE = 28  # pixels of an MNIST image
DIGIT = 20  # pixels of the box MNIST's authors scaled each digit into
MAX_INK = 16  # scikit-learn's scans count the inked points of 4×4 blocks
# The 8×8 scans know no sharp edge; this steepens the blurred one until the pixels spread as in
# MNIST (a standard deviation of 0.31 of the range; 0.29 without).
CONTRAST = 1.25
# The rows stand in the order of collection: the labels repeat the same sequence every 130 rows or
# so, one filled-in form after the other. A form begins at this row, so the test digits come from
# other forms than the training digits, each class alike. (In MNIST, too, nobody wrote for both
# parts.) A random split would mix the writers and make the test easier than real life.
FIRST_TEST_ROW = 1415


class Digits(NamedTuple):
    """Images with their labels.

    Attributes:
        images: (N, 1, 28, 28) uint8, 0 = paper (black), 255 = ink (white).
        labels: (N,) int64, 0 to 9.
        source: what they are, for a caption or a record.
    """

    images: torch.Tensor
    labels: torch.Tensor
    source: str


def load(train: bool = True, download: bool | None = None) -> Digits:
    """Handwritten digits, the training or the test part; prints which ones they are.

    MNIST is used if its four files are in ``MNIST/raw`` of `runtime.data_dir()` (plain or
    ``.gz``), or can be downloaded. Otherwise come the 1,797 digits that scikit-learn ships, scans
    of 8×8 enlarged to the same format.

    Args:
        train: True for the training part, False for the test part. They share no image.
        download: whether missing files of MNIST (11.6 MB) may be downloaded; None means only
            with ``TORCHCOURSE_PRESET=full``. If that fails, the bundled digits are used.

    Raises:
        torchcourse.data.CorruptFileError: a file of MNIST on the disk is damaged. It is named,
            and neither used nor deleted.

    Sources: https://github.com/cvdfoundation/mnist and
    https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits
    """
    found = MNIST.find(download)
    part = "training" if train else "test"
    if found.paths:
        prefix = "train" if train else "t10k"
        images = read_idx(found.paths[f"{prefix}-images-idx3-ubyte.gz"]).unsqueeze(1)
        labels = read_idx(found.paths[f"{prefix}-labels-idx1-ubyte.gz"]).long()
        digits = Digits(images, labels, "MNIST")
        print(f"Digits: MNIST, {len(labels):,} {part} images.")
        return digits
    digits = load_bundled(train)
    print(f"Digits: {len(digits.labels):,} {part} images from scikit-learn. {found.why_not}.")
    return digits


def load_bundled(train: bool = True) -> Digits:
    """The digits that scikit-learn ships, whatever else is there: the same on every machine."""
    images, labels = _bundled()
    rows = slice(None, FIRST_TEST_ROW) if train else slice(FIRST_TEST_ROW, None)
    return Digits(images[rows].clone(), labels[rows].clone(), "scikit-learn digits")


@lru_cache(maxsize=1)
def _bundled() -> tuple[torch.Tensor, torch.Tensor]:
    """All of scikit-learn's digits in MNIST's format: (1797, 1, 28, 28) uint8, (1797,) int64."""
    scans = load_digits()
    images = np.stack([_like_mnist(scan) for scan in scans.images])
    labels = torch.from_numpy(scans.target.astype(np.int64))
    return torch.from_numpy(images).unsqueeze(1), labels


def _like_mnist(scan: np.ndarray) -> np.ndarray:
    """One scan, (8, 8) with 0 to 16 inked points, as MNIST would show it: (28, 28) uint8."""
    ink = np.rint(scan * (255 / MAX_INK)).astype(np.uint8)
    # Pillow resizes bytes with integers only, so every machine gets the same picture.
    box = np.asarray(Image.fromarray(ink).resize((DIGIT, DIGIT), Image.Resampling.BICUBIC))
    box = np.clip((box - 127.5) * CONTRAST + 127.5, 0, 255).astype(np.uint8)
    image = np.zeros((SIDE, SIDE), np.uint8)
    top, left = (_offset(box.sum(axis=axis, dtype=np.int64)) for axis in (1, 0))
    image[top : top + DIGIT, left : left + DIGIT] = box
    return image


def _offset(profile: np.ndarray) -> int:
    """Where a box with this ink per row (or column) begins, to centre its mass in the image."""
    centre = float(profile @ np.arange(DIGIT)) / float(profile.sum())
    return int(np.clip(round((SIDE - 1) / 2 - centre), 0, SIDE - DIGIT))
