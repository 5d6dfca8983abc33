"""How often a network is still right after an attack."""

from __future__ import annotations

from torch import Tensor, nn

from torchcourse.capstones.digits.training import predict

from .perturb import pgd

PART = 250  # pictures attacked at once


def still_right(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    eps: float,
    steps: int = 20,
    restarts: int = 3,
    step_size: float | None = None,
) -> Tensor:
    """Which pictures keep their label under PGD from every one of several random starts.

    A picture counts as robust only if no attempt succeeds. What has fallen is not attacked again:
    the same verdict as ``pgd(…, restarts=restarts)`` for a fraction of the time.

    Args:
        model: from pixels in ``[0, 1]`` to logits (N, C).
        x: pictures, (N, ...) float in ``[0, 1]``.
        y: their true labels, (N,) int64.
        eps: the largest change of a pixel, 0 to 1.
        steps: of each attempt.
        restarts: how many attempts.
        step_size: as for `torchcourse.capstones.attacks.pgd`.

    Returns:
        (N,) bool. Its mean is the robust accuracy, an upper bound: a better attack may lower it.
    """
    right = predict(model, x).argmax(dim=1) == y  # (N,)
    for _ in range(restarts):
        for rows in right.nonzero().squeeze(1).split(PART):
            adversarial = pgd(model, x[rows], y[rows], eps, steps, step_size)
            right[rows] = predict(model, adversarial).argmax(dim=1) == y[rows]
    return right
