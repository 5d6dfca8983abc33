"""The IDX reader reads what it should and names what is wrong with the rest."""

from __future__ import annotations

import gzip
import struct

import pytest
import torch

from torchcourse.data.idx import read_idx


def header(*shape: int, kind: int = 8) -> bytes:
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, kind, len(shape), *shape)


@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 2, 3), (0, 28, 28)])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_plain_and_packed_files_of_any_shape(tmp_path, shape, suffix):
    values = torch.arange(torch.Size(shape).numel(), dtype=torch.uint8).reshape(shape)
    content = header(*shape) + values.numpy().tobytes()
    path = tmp_path / f"x{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    assert torch.equal(read_idx(path), values)
    assert read_idx(path).dtype == torch.uint8


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no IDX file"),
        (b"\0\0\x08", "no IDX file"),
        (b"<html>404</html>", "no IDX file"),
        (header(2, kind=0x0D) + bytes(8), "type 0x0d"),
        (header(), "damaged IDX header"),
        (header(60000, 28, 28)[:10], "damaged IDX header"),
        (header(2, 3) + bytes(5), "6 bytes, but holds 5"),
        (header(2, 3) + bytes(7), "6 bytes, but holds 7"),
        (header(2**32 - 1, 2**32 - 1), "but holds 0"),
    ],
)
def test_a_damaged_file_is_a_clear_error(tmp_path, content, words):
    path = tmp_path / "digits-ubyte"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("damage", ["cut", "not gzip", "flipped"])
def test_a_damaged_gz_is_a_clear_error(tmp_path, damage):
    packed = bytearray(gzip.compress(header(50, 50) + bytes(range(250)) * 10))
    if damage == "flipped":
        packed[len(packed) // 2] ^= 0xFF
    path = tmp_path / "digits.gz"
    path.write_bytes({"cut": packed[:-9], "not gzip": b"nonsense", "flipped": packed}[damage])
    with pytest.raises(ValueError, match=r"digits\.gz is a damaged \.gz file"):
        read_idx(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")
