"""Read IDX files, the format of MNIST and its relatives.

torchvision's own reader is no public function, takes no ``.gz`` and answers a damaged header with
a bare assertion, so here is a short one. Format: two zero bytes, one byte for the type (8 =
unsigned byte), one for the number of dimensions, each dimension as a big-endian 32-bit integer,
then the values (the page of the data set's authors is gone; the same text stands at
https://www.fon.hum.uva.nl/praat/manual/IDX_file_format.html).
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch

__all__ = ["read_idx"]

UNSIGNED_BYTE = 8


def read_idx(path: str | Path) -> torch.Tensor:
    """Read a plain or ``.gz`` IDX file of unsigned bytes.

    Returns:
        uint8 tensor of the shape the header names, e.g. (60000, 28, 28) or (60000,).

    Raises:
        ValueError: the file is no such IDX file, or is cut short; the message says where.
        OSError: it cannot be read.
    """
    path = Path(path)
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            content = file.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is a damaged .gz file: {error}") from error
    if len(content) < 4 or content[:2] != b"\0\0":
        raise ValueError(f"{path} is no IDX file: it begins with {content[:4].hex(' ')!r}")
    kind, dimensions = content[2], content[3]
    if kind != UNSIGNED_BYTE:
        raise ValueError(f"{path} has IDX type {kind:#04x}; only {UNSIGNED_BYTE:#04x} (bytes)")
    header = 4 + 4 * dimensions
    if dimensions == 0 or len(content) < header:
        raise ValueError(f"{path} has a damaged IDX header of {len(content)} bytes")
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    if len(content) - header != math.prod(shape):
        raise ValueError(
            f"{path} names the shape {shape}, that is {math.prod(shape):,} bytes, "
            f"but holds {len(content) - header:,}"
        )
    values = np.frombuffer(content, np.uint8, offset=header).reshape(shape)
    return torch.from_numpy(values.copy())  # a copy, since `content` cannot be written to
