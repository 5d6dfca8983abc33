"""What a network does to the shape of a picture, and how much of it each place sees."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["Row", "receptive_field", "shape_table"]


class Row(NamedTuple):
    """One child of a network in its shape table.

    Attributes:
        name: what the network calls it, such as ``"0"`` or ``"features"``.
        kind: its class, such as ``"Conv2d"``.
        shape: of its output, without the batch: (C, H, W), or (D,) behind a flatten.
        parameters: how many numbers it learns.
        field: (height, width) in pixels of the input that reach the middle of its output.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    field: tuple[int, int]

    def __str__(self) -> str:
        shape = " × ".join(map(str, self.shape))
        field = " × ".join(map(str, self.field))
        return f"{self.name:12s}{self.kind:20s}{shape:>15s}{self.parameters:12,d}{field:>10s}"


def shape_table(model: nn.Sequential, size: tuple[int, int, int]) -> list[Row]:
    """One `Row` for each child of a chain; the model stays as it is.

    Args:
        model: its children run one after the other; each may be a network of its own.
        size: (C, H, W) of one picture.

    Raises:
        TypeError: the model is no ``nn.Sequential``, so the order of its children says nothing.
    """
    if not isinstance(model, nn.Sequential):
        raise TypeError(f"a shape table needs an nn.Sequential, got {type(model).__name__}")
    rows, values = [], _poisoned(size)
    with torch.no_grad():
        # Not named_children: it leaves out a layer that stands in the chain twice.
        for name, layer in _twin(model)._modules.items():
            values = tuple(layer(batch) for batch in values)
            shape = tuple(values[0].shape[1:])
            parameters = sum(p.numel() for p in layer.parameters())
            rows.append(Row(name, type(layer).__name__, shape, parameters, _reached(*values)))
    return rows


def receptive_field(model: nn.Module, size: tuple[int, int, int]) -> tuple[int, int]:
    """(height, width): how many rows and columns of the input reach the middle of the output.

    It is measured, not computed, so it holds for branches, skips and dilation as well: a row of
    the picture is filled with NaN, and whatever the row reaches becomes NaN. Behind a padded edge,
    in the middle of a small picture, it is cut off at the picture's border.

    Args:
        model: from (B, C, H, W) to (B, C', H', W') or (B, D); it stays as it is.
        size: (C, H, W) of one picture, large enough for the field.
    """
    with torch.no_grad():
        twin = _twin(model)
        return _reached(*(twin(batch) for batch in _poisoned(size)))


def _twin(model: nn.Module) -> nn.Module:
    """A copy in eval mode (no example mixes with another) and in double precision.

    In single precision some processors convolve by Winograd's method, whose sums mix pixels that
    a kernel keeps apart; a NaN would spread.
    """
    return copy.deepcopy(model).cpu().double().eval()


def _poisoned(size: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Pictures of zeros, the i-th with NaN in row i: (H, C, H, W); and by columns: (W, C, H, W)."""
    channels, height, width = size
    rows = torch.zeros(height, channels, height, width, dtype=torch.double)
    columns = torch.zeros(width, channels, height, width, dtype=torch.double)
    for i in range(height):
        rows[i, :, i] = torch.nan
    for i in range(width):
        columns[i, :, :, i] = torch.nan
    return rows, columns


def _reached(rows: Tensor, columns: Tensor) -> tuple[int, int]:
    """How many poisoned rows and columns have come through to the middle of the output."""
    return _count(rows), _count(columns)


def _count(values: Tensor) -> int:
    if values.ndim == 4:
        height, width = values.shape[2:]
        values = values[:, :, height // 2, width // 2]  # (N, C, H, W) -> (N, C)
    return int(values.isnan().any(dim=1).sum())
