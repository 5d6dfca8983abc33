"""Image data sets of the lessons behind one function: digits, Fashion-MNIST, CIFAR-10.

Digits are always there. The other two are used as you have them: the official files, pictures in
class folders, or those in a zip, below `torchcourse.runtime.data_dir()`::

    FashionMNIST/raw/train-images-idx3-ubyte.gz, …   cifar-10-batches-py/data_batch_1, …
    fashion_mnist/*-images-idx3-ubyte.gz, …          cifar10/cifar-10-python.tar.gz
    fashion_mnist/{train,test}/<class>/*.png         cifar10/{train,test}/<class>/*.jpg
    fashion_mnist/*.zip                              cifar10/*.zip
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torchvision.datasets import CIFAR10
from torchvision.datasets.utils import check_integrity

from torchcourse import runtime
from torchcourse.data import digits
from torchcourse.data.cifar_batches import read_batch
from torchcourse.data.class_folders import ClassFolders
from torchcourse.data.download import CorruptFileError, DownloadError
from torchcourse.data.fileset import FileSet, Found, RemoteFile
from torchcourse.data.idx import read_idx

__all__ = ["CIFAR", "FASHION", "NAMES", "Images", "load"]

# Sizes and SHA-256 as https://github.com/tensorflow/datasets and Keras list them; the MD5 that
# torchvision lists belong to the same files.
FASHION = FileSet(
    title="Fashion-MNIST",
    folder="FashionMNIST/raw",
    mirrors=(
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    files=(
        RemoteFile(
            "train-images-idx3-ubyte.gz",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            26_421_880,
        ),
        RemoteFile(
            "train-labels-idx1-ubyte.gz",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            29_515,
        ),
        RemoteFile(
            "t10k-images-idx3-ubyte.gz",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            4_422_102,
        ),
        RemoteFile(
            "t10k-labels-idx1-ubyte.gz",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            5_148,
        ),
    ),
)
CIFAR = FileSet(
    title="CIFAR-10",
    folder="cifar10",
    mirrors=("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"),
    files=(
        RemoteFile(
            "cifar-10-python.tar.gz",
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            170_498_071,
        ),
    ),
)
NAMES = ("digits", "fashion_mnist", "cifar10")
BATCHES = CIFAR10.base_folder  # "cifar-10-batches-py"
FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
CIFAR_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
IDX_IMAGES, IDX_LABELS = "-images-idx3-ubyte", "-labels-idx1-ubyte"
SPLIT_SEED = 0  # of `cut`; never change it, or a recorded test part becomes another one

Pair = tuple[torch.Tensor, torch.Tensor]


class Images(NamedTuple):
    """Images with their labels.

    Attributes:
        images: (N, C, H, W) uint8, 0 to 255; C is 1 (grey) or 3 (red, green, blue).
        labels: (N,) int64, 0 to len(classes) - 1.
        classes: the name of each label.
        source: what they are, for a caption or a record.
    """

    images: torch.Tensor
    labels: torch.Tensor
    classes: list[str]
    source: str


@dataclass(frozen=True)
class _Found:
    """A data set as it was found: what it is, which parts it has, and how to read one."""

    source: str
    parts: tuple[str, ...]
    read: Callable[[str], Pair]


def load(
    name: str, train: bool = True, download: bool | None = None, cut: float | None = None
) -> Images:
    """The training or the test part of an image data set; prints which images they are.

    Args:
        name: ``"digits"`` (1×28×28, see `torchcourse.data.digits`), ``"fashion_mnist"``
            (1×28×28) or ``"cifar10"`` (3×32×32). Each has ten classes.
        train: True for the training part, False for the test part.
        download: True asks for the official files even if a copy in another form is there; None
            downloads only with ``TORCHCOURSE_PRESET=full`` and only if nothing is there.
            Fashion-MNIST takes 31 MB, CIFAR-10 170 MB.
        cut: some copies are samples of the training part without any test part. With
            ``cut=0.2``, a fifth of each class of such a sample, chosen once and for all by a
            fixed seed, is kept out of the training part and serves as the test part; `source`
            then says so, because scores on it cannot be compared with published ones. Where
            there is a test part, `cut` changes nothing.

    Raises:
        DownloadError: the set or its test part is not there; the message says where it was
            looked for and what to do.
        CorruptFileError: a file is damaged, or is not the official one although it is named so.
            Nothing of it is used, and nothing is deleted.
        ValueError: there is no data set of this name, or `cut` is not between 0 and 1.

    Images from class folders are ordered by class: shuffle them. Sources:
    https://github.com/zalandoresearch/fashion-mnist (MIT licence) and
    https://www.cs.toronto.edu/~kriz/cifar.html
    """
    if name not in NAMES:
        raise ValueError(f"there is no data set {name!r}; choose one of {', '.join(NAMES)}")
    if cut is not None and not 0 < cut < 1:
        raise ValueError(f"cut must be a share between 0 and 1, such as 0.2, got {cut!r}")
    if name == "digits":
        found = digits.load(train, download)
        return Images(found.images, found.labels, [str(i) for i in range(10)], found.source)
    title, find, classes = {
        "fashion_mnist": ("Fashion-MNIST", _find_fashion, FASHION_CLASSES),
        "cifar10": ("CIFAR-10", _find_cifar, CIFAR_CLASSES),
    }[name]
    (images, labels), source = _part(find(download), "train" if train else "test", cut)
    print(f"{title}: {len(labels):,} {'training' if train else 'test'} images, {source}.")
    return Images(images, labels, list(classes), source)


def _part(found: _Found, part: str, cut: float | None) -> tuple[Pair, str]:
    """One part of what was found, cut from the training part if need be, and its name."""
    if part in found.parts and (cut is None or "test" in found.parts):
        source = found.source
        if part == "train" and "test" not in found.parts:
            source += " without a test part"
        return found.read(part), source
    if part == "train" and "train" not in found.parts:
        raise DownloadError(f"{found.source} holds no training part, only a test part")
    if cut is None:
        raise DownloadError(
            f"{found.source} holds training images only, no test part. Cut one off for both "
            "parts with load(…, cut=0.2), or fetch the official files with load(…, download=True)"
        )
    images, labels = found.read("train")
    rows = _cut_rows(labels, cut, part)
    return (images[rows], labels[rows]), f"{found.source}, {cut:g} of it cut off as test part"


def _cut_rows(labels: torch.Tensor, cut: float, part: str) -> torch.Tensor:
    """Rows of the training or of the cut-off part, the same share of each class, ascending."""
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    kept, cut_off = [], []
    for label in labels.unique():
        rows = (labels == label).nonzero().squeeze(1)  # (n,) rows of this class
        rows = rows[torch.randperm(len(rows), generator=generator)]
        count = round(cut * len(rows))
        cut_off.append(rows[:count])
        kept.append(rows[count:])
    return torch.cat(kept if part == "train" else cut_off).sort().values


def _missing(files: FileSet, found: Found, others: str) -> DownloadError:
    why = found.why_not.rstrip(".")
    return DownloadError(
        f"{files.title} is not, or not wholly, in {runtime.data_dir()}. {why}. "
        f"If you have it, set TORCHCOURSE_DATA to a folder with {others}"
    )


# Fashion-MNIST


def _find_fashion(download: bool | None) -> _Found:
    folders = [FASHION.folder, "fashion_mnist"]
    for folder in folders:
        official = [runtime.data_dir() / folder / file.name for file in FASHION.files]
        if any(path.exists() for path in official):
            return _official_fashion(replace(FASHION, folder=folder), download)
    if download is not True:
        for folder in folders:
            if found := _idx_pairs(runtime.data_dir() / folder):
                return found
        if found := _folders("fashion_mnist", FASHION_CLASSES, (1, 28, 28)):
            return found
    return _official_fashion(FASHION, download)


def _official_fashion(files: FileSet, download: bool | None) -> _Found:
    found = files.find(download)
    if found.paths is None:
        raise _missing(files, found, "FashionMNIST/raw/, or with fashion_mnist/train/<class>/")
    prefixes = {"train": "train", "test": "t10k"}

    def read(part: str) -> Pair:
        names = (f"{prefixes[part]}{kind}.gz" for kind in (IDX_IMAGES, IDX_LABELS))
        return _read_pair(*(found.paths[name] for name in names))

    return _Found("the official files", tuple(prefixes), read)


def _idx_pairs(folder: Path) -> _Found | None:
    """IDX files of another name, such as a sample somebody made: nothing is known about them."""
    parts: dict[str, tuple[Path, Path]] = {}
    for images in sorted(folder.glob(f"*{IDX_IMAGES}*")) if folder.is_dir() else ():
        labels = images.with_name(images.name.replace(IDX_IMAGES, IDX_LABELS))
        prefix, _, rest = images.name.partition(IDX_IMAGES)
        if rest not in ("", ".gz"):
            continue
        if not labels.exists():
            raise CorruptFileError(f"{images} is there without its labels, {labels.name}")
        part = "test" if prefix in ("t10k", "test") else "train"
        if part in parts:
            raise CorruptFileError(
                f"{folder} holds two sets of {part} images, {parts[part][0].name} and "
                f"{images.name}: move one of them away"
            )
        parts[part] = (images, labels)
    if not parts:
        return None
    first = next(iter(parts.values()))[0]
    return _Found(first.name, tuple(parts), lambda part: _read_pair(*parts[part]))


def _read_pair(images_path: Path, labels_path: Path) -> Pair:
    """Images (N, 1, 28, 28) uint8 and labels (N,) int64 of two IDX files that fit together."""
    with _as_corrupt(images_path):
        images, labels = read_idx(images_path), read_idx(labels_path).long()
        if images.ndim != 3 or images.shape[1:] != (28, 28):
            raise ValueError(f"{images_path} holds {tuple(images.shape)}, not (N, 28, 28)")
        _check_labels(images, labels, labels_path, len(FASHION_CLASSES))
    return images.unsqueeze(1), labels  # (N, 28, 28) -> (N, 1, 28, 28)


def _check_labels(images: torch.Tensor, labels: torch.Tensor, path: Path, classes: int) -> None:
    if labels.shape != images.shape[:1]:
        raise ValueError(
            f"{path} holds labels of shape {tuple(labels.shape)} for {len(images)} images"
        )
    if len(labels) == 0:
        raise ValueError(f"{path} holds no labels at all")
    if labels.max() >= classes:
        raise ValueError(f"{path} holds the label {labels.max()}, not only 0 to {classes - 1}")


# CIFAR-10


def _find_cifar(download: bool | None) -> _Found:
    for folder in (".", CIFAR.folder):  # where torchvision's root may have been
        batches = runtime.data_dir() / folder / BATCHES
        if batches.is_dir():
            return _batches_folder(batches)
        archive = runtime.data_dir() / folder / CIFAR.files[0].name
        if archive.exists():
            return _official_cifar(replace(CIFAR, folder=folder), download)
    if download is not True and (found := _folders("cifar10", CIFAR_CLASSES, (3, 32, 32))):
        return found
    return _official_cifar(CIFAR, download)


def _batches(part: str) -> list[tuple[str, str]]:
    """Name and MD5 of each batch of a part, from torchvision's list."""
    return CIFAR10.train_list if part == "train" else CIFAR10.test_list


def _batches_folder(folder: Path) -> _Found:
    def contents(part: str) -> Iterator[tuple[str, bytes]]:
        for name, md5 in _batches(part):
            if not check_integrity(folder / name, md5):
                state = "damaged" if (folder / name).exists() else "missing"
                raise CorruptFileError(
                    f"{folder / name} is {state}: CIFAR-10's file of this name has MD5 {md5}. "
                    "Unpack cifar-10-python.tar.gz again"
                )
            yield name, (folder / name).read_bytes()

    return _Found(f"the official files ({BATCHES})", ("train", "test"), _joined(contents))


def _official_cifar(files: FileSet, download: bool | None) -> _Found:
    found = files.find(download)
    if found.paths is None:
        raise _missing(files, found, f"{BATCHES}/, or with cifar10/train/<class>/ (or zipped)")
    path = found.paths[files.files[0].name]

    def contents(part: str) -> Iterator[tuple[str, bytes]]:
        # Read in place: nothing is unpacked, so no name in the archive can reach the disk.
        with _as_corrupt(path), tarfile.open(path) as archive:
            for name, _ in _batches(part):
                file = archive.extractfile(f"{BATCHES}/{name}")
                if file is None:
                    raise ValueError(f"{path} holds no file {name}")
                yield name, file.read()

    return _Found("the official archive", ("train", "test"), _joined(contents))


def _joined(contents: Callable[[str], Iterator[tuple[str, bytes]]]) -> Callable[[str], Pair]:
    def read(part: str) -> Pair:
        try:
            pairs = [read_batch(content, name) for name, content in contents(part)]
        except ValueError as error:
            raise CorruptFileError(f"{error}. Fetch the data set again") from error
        return torch.cat([images for images, _ in pairs]), torch.cat([lab for _, lab in pairs])

    return read


# Class folders of either


def _folders(name: str, classes: tuple[str, ...], shape: tuple[int, int, int]) -> _Found | None:
    """Class folders in ``data_dir()/name``, or in the one zip there."""
    folder = runtime.data_dir() / name
    if not folder.is_dir():
        return None
    zips = sorted(folder.glob("*.zip"))
    for path in (folder, *zips[:1]):
        found = ClassFolders(path, classes, shape)
        if found.parts:
            if path != folder and len(zips) > 1:
                names = ", ".join(zip.name for zip in zips)
                raise CorruptFileError(f"{folder} holds several zips ({names}): keep only one")
            source = "class folders" if path == folder else f"class folders in {path.name}"
            return _Found(source, found.parts, found.load)
    return None


@contextmanager
def _as_corrupt(path: Path) -> Iterator[None]:
    """Turn a reader's error into a CorruptFileError that names the file and says what to do."""
    try:
        yield
    except (ValueError, KeyError, tarfile.TarError, EOFError) as error:
        what = str(error).rstrip(".")
        what = what if str(path) in what else f"{path}: {what}"
        raise CorruptFileError(f"{what}. Replace that file") from error
