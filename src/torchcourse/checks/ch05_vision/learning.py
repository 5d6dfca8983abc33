"""Does a module learn? What the checkers of both labs ask of every block."""

from __future__ import annotations

from torch import Tensor, nn

from torchcourse.checks.core import Attempt


def expect_learning(attempt: Attempt, module: nn.Module, x: Tensor) -> None:
    """Stop unless a gradient reaches every parameter of the learner's module.

    Call it after the values agree: right numbers that nothing can learn from look alike.

    Args:
        attempt: the attempt that made the module.
        module: any module with parameters.
        x: a batch that the module takes.
    """
    result = attempt.run(module, x.clone())
    if not (isinstance(result, Tensor) and result.requires_grad):
        attempt.stop(
            "The values are right, but the graph is cut: no layer of yours could ever learn.",
            "Stay with tensors: `.detach()`, `.data`, `.numpy()`, `.item()`, `torch.tensor(...)` "
            "and `torch.no_grad()` cut the way back to the weights.",
        )
    attempt.run(result.square().sum().backward, may_change=True)
    silent = [name for name, p in module.named_parameters() if p.grad is None]
    if silent:
        attempt.stop(
            f"The values are right, but no gradient reaches `{'`, `'.join(silent)}`.",
            "Either the graph is cut on the way there (`.detach()`, `.data`, `.tolist()`, "
            "`torch.no_grad()`), or a layer is made and never used.",
            expected="a gradient for each parameter",
            gave=f"none for {', '.join(silent)}",
        )
