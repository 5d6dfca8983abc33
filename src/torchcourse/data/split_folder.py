"""Split a folder of pictures, one sub-folder a class, into train, validation and test lists.

    python -m torchcourse.data.split_folder photographs lists --seed 0

The source is only read. What is written are three CSV files of paths and labels, and a report of
every picture that was left out, and why.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from torchcourse.files import written_whole

__all__ = ["PARTS", "Finding", "Listed", "Split", "SplitError", "read_list", "split_folder"]

PARTS = ("train", "validation", "test")
# Of 64 bits. Among 2,199 photographs of cats and dogs the closest two strangers differ in 10; a
# picture stored again as JPEG, made smaller or brighter differs from itself in 6 at the most.
NEAR = 8


class SplitError(ValueError):
    """The folder cannot be split; the message says what was wrong, expected, and what to do."""


@dataclass(frozen=True, order=True)
class Listed:
    """A picture that is used: its path relative to the source, its class."""

    path: str
    label: str


@dataclass(frozen=True, order=True)
class Finding:
    """A file that is not used, or is odd, and why."""

    path: str
    reason: str


@dataclass
class Split:
    """What `split_folder` made.

    Attributes:
        parts: the pictures of "train", "validation" and "test", sorted by path.
        excluded: files left out, with the reason.
        noted: files used although something is odd about them, such as a wrong extension.
        classes: names of the classes, sorted; a label's number is its place here.
    """

    parts: dict[str, list[Listed]]
    excluded: list[Finding]
    noted: list[Finding]
    classes: list[str]

    def __str__(self) -> str:
        sizes = ", ".join(f"{name} {len(rows)}" for name, rows in self.parts.items())
        reasons = Counter(one.reason.split(":")[0] for one in self.excluded)
        why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        return f"{sizes}; left out {len(self.excluded)}" + (f": {why}" if why else "")


@dataclass
class _Picture:
    path: str
    label: str
    digest: str  # of the file
    fingerprint: np.ndarray  # (64,) bool, alike for pictures that look alike
    pixels: int
    notes: list[str] = field(default_factory=list)


def split_folder(
    source: str | Path,
    into: str | Path | None = None,
    fractions: Sequence[float] = (0.7, 0.15, 0.15),
    seed: int = 0,
    near: int | None = NEAR,
    progress: bool = True,
) -> Split:
    """Check every file, drop duplicates, and divide the rest within each class.

    The same pictures, fractions and seed give the same split, whatever the files' names, dates
    and order. Copies are found by the hash of the file, and pictures that look alike (stored
    again, resized, brightened) by a perceptual hash: a picture in two parts would be a question
    whose answer has been learnt by heart. Of copies the largest is kept; copies that stand in
    different classes are all left out, because at least one label is wrong.

    Args:
        source: the folder; each sub-folder is a class, pictures may lie at any depth below it.
        into: folder for ``train.csv``, ``validation.csv``, ``test.csv`` (path, label) and
            ``report.json``; None writes nothing.
        fractions: shares of train, validation and test, adding up to 1.
        seed: of the shuffle, at least 0.
        near: pictures whose 64-bit perceptual hashes differ in at most so many bits count as
            the same; None compares files only.
        progress: show a bar.

    Returns:
        The split. Files that are empty, truncated, no picture or animated are in ``excluded``.

    Raises:
        SplitError: no such folder, no classes, a class with too few pictures for its parts, bad
            fractions, or ``into`` holds the lists of another split.
    """
    source = Path(source)
    _check(source, into, fractions, seed, near)
    pictures, excluded = _read_all(source, progress)
    kept, copies = _without_copies(pictures, near)
    excluded += copies
    classes = sorted({path.name for path in _class_folders(source)})
    split = Split(
        parts=_divide(kept, classes, fractions, seed, excluded),
        excluded=sorted(excluded),
        noted=sorted(Finding(one.path, note) for one in kept for note in one.notes),
        classes=classes,
    )
    if into is not None:
        settings = {"seed": seed, "fractions": list(fractions), "near": near}
        _write(split, Path(into), settings)
    return split


def read_list(path: str | Path) -> list[Listed]:
    """The pictures of one part, as `split_folder` wrote them.

    Raises:
        SplitError: no such file, or it is not such a list.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SplitError(f"Cannot read {path}: {error}. Make it with split_folder.") from error
    if not rows or rows[0] != ["path", "label"] or any(len(row) != 2 for row in rows):
        raise SplitError(f"{path} is not a list of path,label as split_folder writes it.")
    return [Listed(*row) for row in rows[1:]]


# ---- reading -----------------------------------------------------------------------------------


def _class_folders(source: Path) -> list[Path]:
    return sorted(p for p in source.iterdir() if p.is_dir() and not p.name.startswith("."))


def _read_all(source: Path, progress: bool) -> tuple[list[_Picture], list[Finding]]:
    files = [
        (path, folder.name)
        for folder in _class_folders(source)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    ]
    pictures, excluded = [], []
    for path, label in tqdm(files, desc="Checking pictures", disable=not progress, unit=" files"):
        name = path.relative_to(source).as_posix()
        try:
            pictures.append(_read(path, name, label))
        except SplitError as error:
            excluded.append(Finding(name, str(error)))
    return pictures, excluded


def _read(path: Path, name: str, label: str) -> _Picture:
    """Decode a picture to its last pixel. Raises SplitError with the reason to leave it out."""
    import imagehash  # here, so that the package loads without it

    try:
        content = path.read_bytes()
    except OSError as error:
        raise SplitError(f"unreadable: {error.strerror}") from error
    if not content:
        raise SplitError("empty file")
    try:
        with Image.open(io.BytesIO(content)) as image:
            # MPO: a telephone's JPEG with its depth map or preview behind it.
            if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
                raise SplitError(f"animated: {image.n_frames} frames")
            notes = _oddities(image, path)
            image.load()
            fingerprint = imagehash.phash(image.convert("RGB")).hash.ravel()
    except UnidentifiedImageError as error:
        raise SplitError("not a picture") from error
    except Image.DecompressionBombError as error:
        raise SplitError(f"too large: {error}") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow's readers raise
        if isinstance(error, SplitError):
            raise
        raise SplitError(f"damaged: {error}") from error
    digest = hashlib.sha256(content).hexdigest()
    return _Picture(name, label, digest, fingerprint, image.width * image.height, notes)


def _oddities(image: Image.Image, path: Path) -> list[str]:
    """What a reader has to know, and most readers get wrong."""
    notes = []
    expected = Image.registered_extensions().get(path.suffix.lower())
    if expected != ("JPEG" if image.format == "MPO" else image.format):
        notes.append(f"wrong extension: {path.suffix or 'none'}, the file is {image.format}")
    if image.mode not in ("RGB", "L"):
        notes.append(f"not RGB: {image.mode}, convert it when you read it")
    if image.getexif().get(0x0112, 1) != 1:
        notes.append("rotated by EXIF: use ImageOps.exif_transpose when you read it")
    return notes


# ---- copies ------------------------------------------------------------------------------------


def _without_copies(
    pictures: list[_Picture], near: int | None
) -> tuple[list[_Picture], list[Finding]]:
    kept, excluded = [], []
    for group in _groups(pictures, near):
        group.sort(key=lambda one: (-one.pixels, one.digest, one.path))
        first, others = group[0], group[1:]
        if len({one.label for one in group}) > 1:
            labels = ", ".join(sorted({one.label for one in group}))
            excluded += [Finding(one.path, f"in several classes: {labels}") for one in group]
            continue
        kept.append(first)
        for one in others:
            how = "copy of" if one.digest == first.digest else "looks like"
            excluded.append(Finding(one.path, f"{how}: {first.path}"))
    return kept, excluded


def _groups(pictures: list[_Picture], near: int | None) -> Iterable[list[_Picture]]:
    """Pictures that are the same, directly or by way of others, together."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    digests = np.unique([one.digest for one in pictures], return_inverse=True)[1]
    bits = np.array([one.fingerprint for one in pictures], np.float32).reshape(len(pictures), -1)
    rows, columns = [], []
    for i in range(len(pictures)):  # a row at a time: all pairs at once would not fit in memory
        same = digests[i:] == digests[i]
        if near is not None:
            same |= np.abs(bits[i:] - bits[i]).sum(axis=1) <= near
        found = np.flatnonzero(same) + i
        rows += [i] * len(found)
        columns += found.tolist()
    links = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(pictures),) * 2)
    count, group = connected_components(links, directed=False)
    members: list[list[_Picture]] = [[] for _ in range(count)]
    for one, number in zip(pictures, group, strict=True):
        members[number].append(one)
    return members


# ---- dividing ----------------------------------------------------------------------------------


def _divide(
    pictures: list[_Picture],
    classes: list[str],
    fractions: Sequence[float],
    seed: int,
    excluded: list[Finding],
) -> dict[str, list[Listed]]:
    parts: dict[str, list[Listed]] = {name: [] for name in PARTS}
    for number, label in enumerate(classes):
        # By content, so that renaming files does not move them to another part.
        members = sorted((p for p in pictures if p.label == label), key=lambda one: one.digest)
        ends = np.round(np.cumsum(fractions) * len(members)).astype(int)
        sizes = np.diff(ends, prepend=0)
        if any(share > 0 and not size for share, size in zip(fractions, sizes, strict=True)):
            lost = sum(one.path.startswith(f"{label}/") for one in excluded)
            raise SplitError(
                f"Class {label!r} has {len(members)} usable pictures ({lost} left out), too few "
                f"for parts of {', '.join(f'{share:g}' for share in fractions)}. Add pictures, or "
                "choose other fractions."
            )
        order = np.random.default_rng([seed, number]).permutation(len(members))
        for name, rows in zip(PARTS, np.split(order, ends[:-1]), strict=True):
            parts[name] += [Listed(members[i].path, label) for i in rows]
    return {name: sorted(rows) for name, rows in parts.items()}


def _check(
    source: Path, into: str | Path | None, fractions: Sequence[float], seed: int, near: int | None
) -> None:
    if not source.is_dir():
        raise SplitError(f"{source} is not a folder. Give the folder with one sub-folder a class.")
    if len(_class_folders(source)) < 2:
        raise SplitError(
            f"{source} holds {len(_class_folders(source))} sub-folders; expected one for each of "
            "at least two classes, such as cats/ and dogs/."
        )
    if len(fractions) != 3 or min(fractions) < 0 or not np.isclose(sum(fractions), 1):
        raise SplitError(
            "fractions are three shares that add up to 1 (train, validation, test), not "
            f"{fractions}."
        )
    if seed < 0 or (near is not None and not 0 <= near < 32):
        raise SplitError(f"seed is at least 0, near 0 to 31 bits or None, not {seed} and {near}.")
    if into is not None and Path(into).resolve().is_relative_to(source.resolve()):
        raise SplitError(
            f"{into} lies inside the source, which is only read. Choose another place."
        )


# ---- writing -----------------------------------------------------------------------------------


def _write(split: Split, into: Path, settings: dict) -> None:
    """Each file whole or not at all; lists of another split are never overwritten."""
    files = {f"{name}.csv": _csv(rows) for name, rows in split.parts.items()}
    report = settings | {
        "classes": split.classes,
        "sizes": {name: len(rows) for name, rows in split.parts.items()},
        "excluded": [asdict(one) for one in split.excluded],
        "noted": [asdict(one) for one in split.noted],
    }
    files["report.json"] = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    into.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        there = into / name
        if there.exists() and there.read_bytes() != text.encode():
            raise SplitError(
                f"{there} holds another split. If nothing depends on it any more, delete the "
                "lists there; otherwise choose another folder."
            )
    for name, text in files.items():
        if not (into / name).exists():
            with written_whole(into / name) as temporary:
                temporary.write_bytes(text.encode())


def _csv(rows: list[Listed]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "label"])
    writer.writerows([one.path, one.label] for one in rows)
    return text.getvalue()


# ---- command -----------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns 0, or 2 after an error it has told."""
    parser = argparse.ArgumentParser(
        prog="python -m torchcourse.data.split_folder",
        description="Split a folder of pictures, one sub-folder a class, into three lists.",
    )
    parser.add_argument("source", help="folder with one sub-folder a class; it is only read")
    parser.add_argument("into", help="folder for train.csv, validation.csv, test.csv, report.json")
    parser.add_argument("--fractions", nargs=3, type=float, default=(0.7, 0.15, 0.15))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--near", type=int, default=NEAR, help="bits that may differ, 0 to 31")
    given = parser.parse_args(arguments)
    try:
        split = split_folder(given.source, given.into, given.fractions, given.seed, given.near)
    except SplitError as error:
        parser.exit(2, f"{error}\n")
    print(split)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
