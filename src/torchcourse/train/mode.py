"""The mode of a model: put into eval mode for a while, and then back exactly as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def in_eval_mode(model: nn.Module) -> Iterator[None]:
    """The model in eval mode; afterwards, also after an error, every module in the mode it was in.

    `model.train()` at the end would wake a part that was frozen on purpose, such as the BatchNorm
    layers of a network under fine-tuning.
    """
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
