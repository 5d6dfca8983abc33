"""Read CIFAR's "python version": pickled batches, without letting the pickle run anything.

Unpickling calls whatever the file names, so a pickle from elsewhere is a program. Here every name
but four is refused, and those four lead to stand-ins of ours that only remember what they are
given; neither NumPy nor the file decides what happens. Format:
https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

import io
import pickle

import numpy as np
import torch

__all__ = ["read_batch"]

SHAPE = (3, 32, 32)  # channels, height, width of each image
NUM_CLASSES = 10


class _Type:
    """Stands in for numpy.dtype: bytes are the only type a batch holds."""

    def __init__(self, name: object, *ignored: object) -> None:
        if name not in ("u1", b"u1"):
            raise ValueError(f"values of type {name!r}, not bytes")

    def __setstate__(self, state: object) -> None:
        pass  # the byte order, of which single bytes have none


class _Array:
    """Stands in for numpy.ndarray: keeps shape, order and bytes."""

    def __init__(self, *ignored: object) -> None:
        self.values: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, by_columns, content = state
        if not isinstance(kind, _Type):
            raise ValueError("an array without a type")
        if isinstance(content, str):  # Python 2 wrote bytes as text
            content = content.encode("latin1")
        values = np.frombuffer(content, np.uint8)
        self.values = values.reshape(shape, order="F" if by_columns else "C")


def _encoded(text: str, codec: str) -> bytes:
    """Stands in for _codecs.encode: how Python 3 writes bytes for Python 2."""
    return text.encode("latin1")


class _Reader(pickle.Unpickler):
    ALLOWED = {  # noqa: RUF012 - never changed
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy._core.multiarray", "_reconstruct"): _Array,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Type,
        ("_codecs", "encode"): _encoded,
    }

    def find_class(self, module: str, name: str) -> object:
        try:
            return self.ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, refused") from None


def read_batch(content: bytes, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The images and labels of one batch.

    Args:
        content: the bytes of a file such as ``data_batch_1``.
        name: what to call it in messages.

    Returns:
        images (N, 3, 32, 32) uint8 in red, green, blue, and labels (N,) int64 from 0 to 9.

    Raises:
        ValueError: the content is no such batch, is cut short, or asks for more than a batch may.
    """
    try:
        batch = _Reader(io.BytesIO(content), encoding="latin1").load()
        images, labels = batch["data"].values, batch["labels"]
    except Exception as error:  # a damaged pickle may raise nearly anything
        raise ValueError(
            f"{name} is no batch of CIFAR-10: {type(error).__name__}: {error}"
        ) from error
    width = np.prod(SHAPE)
    if images is None or images.ndim != 2 or images.shape[1] != width:
        found = None if images is None else images.shape
        raise ValueError(f"{name} holds an array of shape {found}, not (N, {width})")
    if not isinstance(labels, list) or len(labels) != len(images):
        count = len(labels) if isinstance(labels, list) else "no list of"
        raise ValueError(f"{name} holds {len(images)} images and {count} labels")
    if not all(type(label) is int and 0 <= label < NUM_CLASSES for label in labels):
        raise ValueError(f"{name} holds a label that is no class from 0 to {NUM_CLASSES - 1}")
    # (N, 3072) -> (N, 3, 32, 32), and a copy: the bytes of the file cannot be written to.
    return torch.from_numpy(images.reshape(-1, *SHAPE).copy()), torch.tensor(labels)
