"""Real handwritten + − × ÷, if their archive is at hand; the course draws its own otherwise.

The archive comes cut into train, val and test, but was enlarged by mirroring and turning before it
was cut: almost every test image has its mirror image in the training part. So the whole is cut
anew here, by drawings instead of images: all mirrored and turned copies of one drawing fall into
the same part.
"""

from __future__ import annotations

import hashlib
import io
import zipfile

import numpy as np
from PIL import Image

from torchcourse.runtime import data_dir

ARCHIVE = "handwritten_symbols/mdas_symbols_v1.zip"  # below the data folder
SHA256 = "c779edb082fbe932e02ba129d4a0f7eee5e539873f988b587284d46a947d8791"
# A dot and a slash are in the archive too; they look like a decimal point and a 1.
FOLDERS = {
    "addition_plus": "+",
    "subtraction_minus": "−",
    "multiplication_cross": "×",
    "division_obelus": "÷",
}
TEST_SHARE = 5  # every fifth drawing


def load_symbols(train: bool = True) -> dict[str, np.ndarray] | None:
    """Real symbols of the training or the test part.

    Returns:
        for each sign of ``+ − × ÷`` its images (N, 28, 28) uint8, ink is bright; None if the
        archive is not in the data folder (see `torchcourse.runtime.data_dir`). There are no
        parentheses in it.

    Raises:
        ValueError: if the archive is there but is not the one the record was made with.
    """
    path = data_dir() / ARCHIVE
    if not path.is_file():
        return None
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise ValueError(
            f"{path} is damaged or another edition: its SHA-256 is {found}, expected {SHA256}. "
            "Replace or remove the file"
        )
    images: dict[str, dict[bytes, np.ndarray]] = {sign: {} for sign in FOLDERS.values()}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in sorted(archive.namelist()):
            sign = FOLDERS.get(name.split("/")[-2]) if name.endswith(".png") else None
            if sign is None:
                continue
            image = np.array(Image.open(io.BytesIO(archive.read(name))).convert("L"))
            if in_test_part(image) != train:
                images[sign][image.tobytes()] = image  # exact copies count once
    return {sign: np.stack(list(unique.values())) for sign, unique in images.items()}


def in_test_part(image: np.ndarray) -> bool:
    """Whether the drawing, however mirrored or turned, belongs to the test part."""
    return int(drawing_hash(image), 16) % TEST_SHARE == 0


def drawing_hash(image: np.ndarray) -> str:
    """The same for an image and its seven mirrored and turned copies."""
    copies = [np.rot90(side, k) for side in (image, image[:, ::-1]) for k in range(4)]
    return hashlib.sha256(min(copy.tobytes() for copy in copies)).hexdigest()
