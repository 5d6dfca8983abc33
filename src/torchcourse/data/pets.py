"""Cats and dogs: photographs where you have them, drawn animals where you have not.

Photographs are looked for below `torchcourse.runtime.data_dir()`, in any of these forms::

    cats_dogs/…/{cat,cats,Cat}/*.jpg, …/{dog,…}/*   class folders, at any depth
    cats_dogs/*.zip, kagglecatsanddogs_*.zip       the same in a zip, such as Microsoft's
    oxford-iiit-pet/                               as torchvision.datasets.OxfordIIITPet keeps it

and nothing in them is trusted: the public archive holds empty files, files that are no pictures,
and copies.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.datasets import OxfordIIITPet
from tqdm import tqdm

from torchcourse import runtime
from torchcourse.capstones.pets import drawn
from torchcourse.capstones.pets.drawn import CLASSES
from torchcourse.data.download import CorruptFileError, DownloadError
from torchcourse.data.pictures import PictureError, open_picture

__all__ = ["CLASSES", "Pets", "load", "read_folder"]

FOLDER = "cats_dogs"
MICROSOFT = "kagglecatsanddogs_*.zip"
OXFORD = "oxford-iiit-pet"
SUFFIXES = (".jpg", ".jpeg", ".png")
DRAWN = 1_200  # pictures; drawing them takes seconds
BAR_FROM = 5_000  # pictures; fewer are read before a bar could be
HOW_TO_GET = (
    "Photographs: put class folders into cats_dogs/ below {folder}, or Microsoft's zip "
    "(https://www.microsoft.com/en-us/download/details.aspx?id=54765), or call "
    "load(photographs=True, download=True) for the 7,349 of Oxford-IIIT Pet (800 MB)"
)


class Pets(NamedTuple):
    """Pictures of cats and dogs.

    Attributes:
        images: (N, 3, size, size) uint8.
        labels: (N,) int64, 0 cat, 1 dog.
        names: of each picture: its path below the folder, or "drawn/<number>".
        source: what they are, for a caption or a record.
    """

    images: Tensor
    labels: Tensor
    names: list[str]
    source: str


class _Entry(NamedTuple):
    name: str
    label: int
    read: Callable[[], bytes]


def load(
    photographs: bool | None = None,
    size: int = 100,
    count: int = DRAWN,
    download: bool | None = None,
) -> Pets:
    """Cats and dogs; prints one line that says which.

    Args:
        photographs: True for photographs, False for drawn animals; None takes photographs with
            ``TORCHCOURSE_PRESET=full`` if there are any, else drawn ones.
        size: side of the pictures in pixels. Whole photographs are scaled to it, without regard
            to their shape: an animal is never cut, only squeezed.
        count: how many to draw; all photographs are always taken.
        download: True fetches Oxford-IIIT Pet if there are no photographs; None does so with
            ``TORCHCOURSE_PRESET=full``.

    Raises:
        DownloadError: photographs were asked for, and there are none.
        CorruptFileError: what is there holds no usable picture of one of the classes.
    """
    full = runtime.preset() == "full"
    if photographs or (photographs is None and full):
        pets = _photographs(size, full if download is None else download)
        if pets is not None:
            print(f"Cats and dogs: {len(pets.labels):,} photographs, {pets.source}.")
            return pets
        if photographs:
            advice = HOW_TO_GET.format(folder=runtime.data_dir())
            raise DownloadError(f"There are no photographs of cats and dogs. {advice}.")
    images, labels = drawn.load(count, size=size)
    print(f"Cats and dogs: {count:,} DRAWN animals, no photographs.")
    return Pets(images, labels, [f"drawn/{i}" for i in range(count)], "drawn animals")


def read_folder(path: str | Path, size: int = 100) -> Pets:
    """Read a folder or a zip of class folders; copies count once, unreadable files are left out.

    Args:
        path: in it, at any depth, folders named cat or dog (or cats, Dog, …). A zip is read in
            place: nothing is unpacked.
        size: side of the pictures in pixels.

    Returns:
        The pictures, ordered by name. How many files were left out is printed.

    Raises:
        CorruptFileError: a damaged zip, or no usable picture of one of the classes.
    """
    path = Path(path)
    if path.is_dir():
        return _decode(_in_folder(path), size, path.name, path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _decode(_in_zip(archive), size, path.name, path)
    except (zipfile.BadZipFile, OSError) as error:
        raise CorruptFileError(
            f"{path} cannot be read as a folder or a zip ({error}). Fetch it again"
        ) from error


def _photographs(size: int, download: bool) -> Pets | None:
    root = runtime.data_dir()
    places = [root / FOLDER, *sorted((root / FOLDER).glob("*.zip")), *sorted(root.glob(MICROSOFT))]
    for place in places:
        if place.is_file() or (place.is_dir() and any(_in_folder(place))):
            return read_folder(place, size)
    if (root / OXFORD).is_dir() or download:
        return _oxford(root, size, download)
    return None


def _oxford(root: Path, size: int, download: bool) -> Pets:
    """Both parts of Oxford-IIIT Pet, https://www.robots.ox.ac.uk/~vgg/data/pets/ (CC BY-SA 4.0)."""
    try:
        parts = [
            OxfordIIITPet(root, split, target_types="binary-category", download=download)
            for split in ("trainval", "test")
        ]
    except (RuntimeError, OSError) as error:
        raise DownloadError(
            f"Oxford-IIIT Pet is not to be had: {error}. Try again with a connection, "
            "or take drawn animals: load(photographs=False)"
        ) from error
    entries = [
        _Entry(Path(file).name, label, Path(file).read_bytes)
        for part in parts
        # torchvision's own lists of paths and of 0 (cat) and 1 (dog).
        for file, label in zip(part._images, part._bin_labels, strict=True)
    ]
    return _decode(entries, size, "Oxford-IIIT Pet", root / OXFORD)


# ---- reading -----------------------------------------------------------------------------------


def _in_folder(path: Path) -> Iterator[_Entry]:
    for file in sorted(path.rglob("*")):
        label = _label(file.relative_to(path).parts)
        if label is not None and file.is_file():
            yield _Entry(file.relative_to(path).as_posix(), label, file.read_bytes)


def _in_zip(archive: zipfile.ZipFile) -> Iterator[_Entry]:
    for name in sorted(archive.namelist()):
        label = _label(Path(name).parts)
        if label is not None:
            yield _Entry(name, label, lambda name=name: archive.read(name))


def _label(steps: tuple[str, ...]) -> int | None:
    """The class a file belongs to, by its folder's name; None for anything else."""
    hidden = any(step.startswith((".", "__MACOSX")) for step in steps)
    if len(steps) < 2 or hidden or not steps[-1].lower().endswith(SUFFIXES):
        return None
    folder = steps[-2].lower().removesuffix("s")
    return CLASSES.index(folder) if folder in CLASSES else None


def _decode(entries: Iterable[_Entry], size: int, source: str, path: Path) -> Pets:
    entries = list(entries)
    images, labels, names, seen = [], [], [], set()
    copies = unreadable = 0
    quiet = len(entries) < BAR_FROM
    for entry in tqdm(entries, f"reading {source}", file=sys.stdout, disable=quiet, mininterval=2):
        try:
            content = entry.read()
            digest = hashlib.sha256(content).digest()
            if digest in seen:
                copies += 1
                continue
            image = open_picture(content)
        except (PictureError, zipfile.BadZipFile, OSError):
            unreadable += 1
            continue
        seen.add(digest)
        images.append(np.asarray(image.resize((size, size), Image.Resampling.BILINEAR)))
        labels.append(entry.label)
        names.append(entry.name)
    if len(set(labels)) < len(CLASSES):
        raise CorruptFileError(
            f"{path} holds {labels.count(0)} usable pictures of cats and {labels.count(1)} of "
            "dogs; expected folders cats/ and dogs/ with pictures in both"
        )
    if copies or unreadable:
        print(f"{source}: left out {copies} copies and {unreadable} unreadable files.")
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()  # (N, 3, S, S)
    return Pets(stacked, torch.tensor(labels), names, source)
