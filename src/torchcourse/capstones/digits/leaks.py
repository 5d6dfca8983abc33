"""Count the leaks in the archive of real symbols, as it was published.

    python -m torchcourse.capstones.digits.leaks      writes weights/cap1_digits/symbols.json

Why the course cuts the archive anew is told in `symbols`; the lesson on sums shows these numbers.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from torchcourse.runtime import data_dir

from .symbols import ARCHIVE, SHA256, drawing_hash

PARTS = ("train", "val", "test")
RECORD = Path(__file__).parents[2] / "weights" / "cap1_digits" / "symbols.json"


def count_leaks(parts: Mapping[str, Sequence[np.ndarray]]) -> dict[str, int]:
    """How far the parts of a data set are from being disjoint.

    Args:
        parts: images (H, W) of each part; "train" and "test" must be among them.

    Returns:
        images in all; different drawings, mirrored and turned copies counted once; images that
        stand in more than one part; images of the test part; how many of those have themselves or
        a mirrored or turned copy in the training part.
    """
    holders: dict[bytes, set[str]] = {}
    drawings = {name: [drawing_hash(image) for image in images] for name, images in parts.items()}
    for name, images in parts.items():
        for image in images:
            holders.setdefault(image.tobytes(), set()).add(name)
    known = set(drawings["train"])
    return {
        "images": sum(map(len, parts.values())),
        "drawings": len({drawing for part in drawings.values() for drawing in part}),
        "in_more_than_one_part": sum(len(names) > 1 for names in holders.values()),
        "test_images": len(drawings["test"]),
        "test_images_with_a_copy_in_training": sum(d in known for d in drawings["test"]),
    }


def read_parts(archive: zipfile.ZipFile) -> dict[str, list[np.ndarray]]:
    """All images of the archive by the part its makers put them into."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in PARTS}
    for name in sorted(archive.namelist()):
        if name.endswith(".png"):
            image = Image.open(io.BytesIO(archive.read(name))).convert("L")
            parts[name.split("/")[-3]].append(np.array(image))
    return parts


def main() -> None:
    path = data_dir() / ARCHIVE
    if not path.is_file():
        raise SystemExit(f"{ARCHIVE} is not in the data folder; set TORCHCOURSE_DATA to its place")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{path} is another edition: its SHA-256 is {found}, expected {SHA256}")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        counted = count_leaks(read_parts(archive))
    record = {"archive": path.name, "sha256": SHA256} | counted
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(counted, indent=1))


if __name__ == "__main__":
    main()
