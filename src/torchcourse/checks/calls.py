"""Which of PyTorch's functions a learner's code calls, for exercises that ask to write one."""

from __future__ import annotations

from collections.abc import Callable

from torch.overrides import TorchFunctionMode

from torchcourse.checks.core import Attempt


class _CallLog(TorchFunctionMode):
    """Notes the name of every PyTorch function called while it is active (in this thread)."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_function__(self, func: Callable, types, args=(), kwargs=None):
        self.names.add(getattr(func, "__name__", ""))
        return func(*args, **(kwargs or {}))


def forbid(attempt: Attempt, names: set[str], *args: object, why: str, next_step: str) -> None:
    """Run the learner's function, and stop if it calls PyTorch functions of these names.

    Args:
        attempt: the attempt whose function is run.
        names: as PyTorch calls them, such as ``{"conv2d"}``; a layer calls the function inside.
        *args: what the learner's function is run on.
        why: what the card says; ``{name}`` stands for the function found.
        next_step: what to do instead.
    """
    with _CallLog() as log:
        attempt(*args)
    for name in sorted(names & log.names):
        attempt.stop(why.format(name=name), next_step)
