"""Small pictures sorted into class folders, on the disk or inside a zip, as one tensor.

    train/airplane/0001.jpg, …, test/truck/1000.jpg

Opening 50,000 files takes much longer than reading one, so what was decoded is kept in the cache
folder: written under another name first, so that it is there whole or not at all, and under a
name that changes with the files it was made from.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tqdm import tqdm

from torchcourse import runtime
from torchcourse.data.download import CorruptFileError
from torchcourse.files import written_whole

__all__ = ["ClassFolders"]

PARTS = ("train", "test")
SUFFIXES = (".jpg", ".jpeg", ".png")
MAX_BYTES = 1_000_000  # of one picture's file; those of 32×32 pixels have 1,000 to 3,000
BAR_FROM = 5_000  # pictures; fewer are decoded before a bar could be read


class _Picture(NamedTuple):
    """One picture's place: its name below the folder, its class, and what changes with it."""

    name: str
    label: int
    stamp: str


class _Store(Protocol):
    """Where the pictures lie: `names` with stamps, and the bytes of each."""

    def names(self) -> Iterator[tuple[str, str]]: ...

    def read(self, name: str) -> bytes: ...


@dataclass(frozen=True)
class _Folder:
    path: Path

    def names(self) -> Iterator[tuple[str, str]]:
        for folder, below, files in os.walk(self.path):
            below.sort()
            place = Path(folder).relative_to(self.path).as_posix()
            for name in sorted(files):
                if name.lower().endswith(SUFFIXES):
                    facts = os.stat(os.path.join(folder, name))
                    yield f"{place}/{name}", f"{facts.st_size} {facts.st_mtime_ns}"

    def read(self, name: str) -> bytes:
        with open(self.path / name, "rb") as file:
            return file.read(MAX_BYTES + 1)


@dataclass(frozen=True)
class _Zip:
    """A zip file, read in place: nothing is ever unpacked to the disk."""

    path: Path
    file: zipfile.ZipFile

    def names(self) -> Iterator[tuple[str, str]]:
        seen = set()
        for entry in sorted(self.file.infolist(), key=lambda entry: entry.filename):
            name = entry.filename
            unsafe = name.startswith("/") or "\\" in name or ":" in name
            if unsafe or ".." in name.split("/") or name in seen:
                raise CorruptFileError(
                    f"{self.path} holds {name!r}, a name that leaves its folder or stands twice. "
                    "No data set is packed like that: do not use this file"
                )
            seen.add(name)
            if name.lower().endswith(SUFFIXES):
                yield name, f"{entry.file_size} {entry.CRC}"

    def read(self, name: str) -> bytes:
        with self.file.open(name) as file:
            return file.read(MAX_BYTES + 1)


@dataclass(frozen=True)
class ClassFolders:
    """Pictures of one size in folders named after their classes.

    Attributes:
        path: a folder or a ``.zip``. In it lie ``train/<class>/`` and perhaps ``test/<class>/``,
            or only ``<class>/``, which counts as training; a common folder around them is fine.
        classes: their names in the order of the labels. Folders may write them in any case,
            without punctuation, or as the number of the label.
        shape: (C, H, W) of each picture; C is 1 (grey) or 3 (colour).
    """

    path: Path
    classes: tuple[str, ...]
    shape: tuple[int, int, int]

    @cached_property
    def _pictures(self) -> dict[str, list[_Picture]]:
        """The pictures of each part that is there."""
        with self._open() as store:
            # Plain text, not Path: a set has 60,000 names, and this runs at each start.
            names = [(name.split("/"), name, stamp) for name, stamp in store.names()]
        names = [
            entry for entry in names if not any(s.startswith((".", "__MACOSX")) for s in entry[0])
        ]
        labels = {str(label): label for label in range(len(self.classes))}
        labels |= {_plain(name): label for label, name in enumerate(self.classes)}
        in_parts = [entry for entry in names if len(entry[0]) > 2 and entry[0][-3] in PARTS]
        found: dict[str, list[_Picture]] = {}
        for steps, name, stamp in in_parts or [e for e in names if len(e[0]) > 1]:
            label = labels.get(_plain(steps[-2]))
            if label is not None:
                part = steps[-3] if in_parts else "train"
                found.setdefault(part, []).append(_Picture(name, label, stamp))
            elif in_parts:
                raise CorruptFileError(
                    f"{self.path}: there is no class {steps[-2]!r} (of {name}); "
                    f"expected folders named {', '.join(self.classes)}"
                )
        return found

    @property
    def parts(self) -> tuple[str, ...]:
        """Which of "train" and "test" are there.

        Raises:
            CorruptFileError: it is a damaged or unsafe zip, or has a folder of another class.
        """
        return tuple(part for part in PARTS if part in self._pictures)

    def load(self, part: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Decode a part, or take it from the cache folder.

        Returns:
            images (N, C, H, W) uint8 and labels (N,) int64, ordered by class.

        Raises:
            CorruptFileError: a class has no picture, or a picture is damaged or of another size.
        """
        pictures = sorted(self._pictures[part], key=lambda picture: picture.label)
        there = {picture.label for picture in pictures}
        lacking = [name for label, name in enumerate(self.classes) if label not in there]
        if lacking:
            raise CorruptFileError(
                f"{self.path}: the {part} part has no picture of {', '.join(lacking)}. "
                "Perhaps it was unpacked or copied only in part"
            )
        lines = [f"{picture.name} {picture.stamp}\n" for picture in pictures]
        stamp = hashlib.sha256(f"{self.shape} {''.join(lines)}".encode()).hexdigest()
        kept = runtime.cache_dir() / "decoded" / f"{self.path.stem}-{part}-{stamp[:20]}.safetensors"
        tensors = _from_cache(kept)
        if tensors is None:
            tensors = self._decode(pictures, part)
            _to_cache(kept, *tensors)
        return tensors

    def _decode(self, pictures: list[_Picture], part: str) -> tuple[torch.Tensor, torch.Tensor]:
        channels, height, width = self.shape
        images = np.empty((len(pictures), height, width, channels), np.uint8)
        bar = tqdm(
            pictures,
            desc=f"decoding {self.path.name}, {part}",
            file=sys.stdout,  # stderr would show as an error in a notebook
            disable=len(pictures) < BAR_FROM,
            mininterval=1,
        )
        with self._open() as store:
            for place, picture in enumerate(bar):
                image = self._image(store, picture.name)
                images[place] = np.asarray(image).reshape(height, width, channels)
        labels = torch.tensor([picture.label for picture in pictures])
        # (N, H, W, C) -> (N, C, H, W)
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), labels

    def _image(self, store: _Store, name: str) -> Image.Image:
        """One picture, of the right size and number of channels."""
        channels, height, width = self.shape
        try:
            content = store.read(name)
            if len(content) > MAX_BYTES:
                raise ValueError(f"its file has more than {MAX_BYTES:,} bytes")
            image = Image.open(io.BytesIO(content), formats=("JPEG", "PNG"))
            if image.size != (width, height):  # known before anything large is decoded
                raise ValueError(f"it has {image.size} pixels, not {(width, height)}")
            return image.convert("L" if channels == 1 else "RGB")
        except (
            UnidentifiedImageError,
            Image.DecompressionBombError,
            zipfile.BadZipFile,
            zlib.error,
            OSError,
            SyntaxError,  # Pillow's word for a broken PNG
            ValueError,
            EOFError,
            RuntimeError,  # an encrypted zip
            NotImplementedError,
        ) as error:
            raise CorruptFileError(
                f"{self.path}: {name} is no usable picture ({error}). Replace or remove that file"
            ) from error

    @contextmanager
    def _open(self) -> Iterator[_Store]:
        if self.path.is_dir():
            yield _Folder(self.path)
            return
        try:
            file = zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, OSError) as error:
            raise CorruptFileError(
                f"{self.path} is a damaged zip ({error}). Fetch that file again"
            ) from error
        with file:
            yield _Zip(self.path, file)


@lru_cache(maxsize=1000)
def _plain(name: str) -> str:
    """A class's name without case and punctuation: "T-shirt/top" → "tshirttop"."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _hash(images: torch.Tensor, labels: torch.Tensor) -> str:
    return (
        hashlib.sha256(images.numpy().data).hexdigest() + hashlib.sha256(labels.numpy()).hexdigest()
    )


def _from_cache(path: Path) -> tuple[torch.Tensor, torch.Tensor] | None:
    """What was decoded earlier, or None if there is nothing or it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            images, labels = file.get_tensor("images"), file.get_tensor("labels")
            good = (file.metadata() or {}).get("sha256") == _hash(images, labels)
    except (OSError, SafetensorError):
        return None
    return (images, labels) if good else None


def _to_cache(path: Path, images: torch.Tensor, labels: torch.Tensor) -> None:
    """Keep what was decoded: whole, or not at all. A full disk costs only the next start."""
    metadata = {"sha256": _hash(images, labels)}
    try:
        with written_whole(path) as temporary:
            save_file({"images": images, "labels": labels}, temporary, metadata=metadata)
    except (OSError, SafetensorError) as error:
        print(f"The decoded pictures are not kept for next time: {error}")
