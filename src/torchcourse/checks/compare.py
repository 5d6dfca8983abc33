"""Compare what a learner gives with what was expected. Nothing here broadcasts, nothing raises."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from numbers import Number

import numpy as np
import torch
from torch import Tensor

RTOL, ATOL = 1e-4, 1e-5


def has_values(tensor: Tensor) -> bool:
    """False for sparse and meta tensors, which hold no plain grid of numbers."""
    return tensor.layout == torch.strided and not tensor.is_meta


def is_close(got: Tensor, want: Tensor) -> Tensor:
    """Element by element, for two tensors of one shape: (…) bool."""
    got, want = got.detach().cpu(), want.detach().cpu()
    if got.dtype != want.dtype:
        return torch.zeros(got.shape, dtype=torch.bool)
    if got.is_floating_point() or got.is_complex():
        return torch.isclose(got, want, RTOL, ATOL, equal_nan=True)
    return got == want


def agrees(got: object, want: object) -> bool:
    """The same kind of thing, the same shape, dtype and (within tolerance) values."""
    return difference(got, want) is None


def difference(got: object, want: object, name: str = "the result") -> tuple[str, str] | None:
    """The first thing that differs, as (what is wrong, what to do next), or None.

    Looks at type, dtype and exact shape before any value. `want` may be a tensor, an array, a
    number, a bool, a string, or a list or tuple of these.
    """
    if isinstance(want, Tensor):
        return _tensors(got, want, name)
    if isinstance(want, np.ndarray):
        if not isinstance(got, np.ndarray):
            return _other_kind(got, "a NumPy array", name)
        return _tensors(torch.as_tensor(got), torch.as_tensor(want), name)
    if isinstance(want, (list, tuple)):
        return _sequences(got, want, name)
    if isinstance(want, (bool, str)):
        if not isinstance(got, type(want)):
            return _other_kind(got, f"a {type(want).__name__}", name)
        return None if got == want else _other_value(name)
    return _numbers(got, want, name)


def _tensors(got: object, want: Tensor, name: str) -> tuple[str, str] | None:
    if not isinstance(got, Tensor):
        return _other_kind(got, "a tensor", name)
    if not has_values(got) and has_values(want):
        return _other_kind(got, "a plain, dense tensor", name)
    if got.dtype != want.dtype:
        return (
            f"{name} has dtype {got.dtype}, but {want.dtype} is asked for",
            "Look at the dtype of each value that goes in, and where the two are mixed.",
        )
    if got.shape != want.shape:
        return (
            f"{name} has shape {tuple(got.shape)}, but {tuple(want.shape)} is asked for",
            "Write the shape behind each line as a comment, and find the first that surprises you.",
        )
    if got.device.type != want.device.type:
        return (
            f"{name} is on {got.device}, but its inputs are on {want.device}",
            "Create new tensors on the device of the input, for example with `device=x.device`.",
        )
    if got.is_floating_point() and got.isnan().any() and not want.isnan().any():
        return (
            f"{name} contains NaN (not a number)",
            "Look for 0/0, the root or logarithm of a negative number, or 0 · inf.",
        )
    if bool(is_close(got, want).all()):
        return None
    return _other_value(name)


def _sequences(got: object, want: Sequence, name: str) -> tuple[str, str] | None:
    if not isinstance(got, type(want)):
        return _other_kind(got, f"a {type(want).__name__} of {len(want)}", name)
    if len(got) != len(want):
        return (
            f"{name} has {len(got)} parts, but {len(want)} are asked for",
            "Compare what you return with the docstring of the exercise.",
        )
    for position, (one, other) in enumerate(zip(got, want, strict=True)):
        found = difference(one, other, f"part {position} of {name}")
        if found is not None:
            return found
    return None


def _numbers(got: object, want: Number, name: str) -> tuple[str, str] | None:
    if isinstance(got, Tensor):
        return _other_kind(got, "a plain Python number", name)
    if isinstance(got, bool) or not isinstance(got, (int, float, complex, Fraction)):
        return _other_kind(got, f"a number ({type(want).__name__})", name)
    if got != got and want == want:
        return f"{name} is NaN (not a number)", "Look for a division by zero."
    close = np.isclose(got, want, RTOL, ATOL) if isinstance(want, float) else got == want
    return None if close else _other_value(name)


def _other_kind(got: object, wanted: str, name: str) -> tuple[str, str]:
    if got is None:
        return f"{name} is None, not {wanted}", "Does each path through your code end in `return`?"
    hint = (
        "`.item()` takes the number out of a tensor."
        if isinstance(got, Tensor)
        else ("Compare what you return with the docstring of the exercise.")
    )
    return f"{name} is {kind(got)}, not {wanted}", hint


def _other_value(name: str) -> tuple[str, str]:
    return (
        f"{name} has the right type and shape, but not the right values",
        "Work through this small case on paper, and print each step of your code beside it.",
    )


def kind(value: object) -> str:
    """What sort of thing a value is, in words that never run the value's own code."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeio' else 'a'} {name}"
