"""Pictures changed a little, so that a network answers something else.

The model takes pixels in [0, 1]: its normalisation is its first layer. Otherwise ε would be
measured in other units for every channel, and the limits of a picture would not be 0 and 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torchcourse.train.mode import in_eval_mode


def fgsm(model: nn.Module, x: Tensor, y: Tensor, eps: float, targeted: bool = False) -> Tensor:
    """Fast gradient sign method: one step of length ε that raises the loss of ``y``.

    Goodfellow et al., `Explaining and Harnessing Adversarial Examples
    <https://arxiv.org/abs/1412.6572>`_, section 4.

    Args:
        model: from pixels in [0, 1] to logits (N, C). It is asked in eval mode, and left in the
            mode, and with the gradients, that it had.
        x: pictures, (N, ...) float in [0, 1]; they stay as they are.
        y: their labels, (N,) int64; the labels wanted instead if ``targeted``.
        eps: the largest change of a pixel, 0 to 1.
        targeted: lower the loss of ``y`` instead.

    Returns:
        Pictures of the same shape in [0, 1], no pixel further than ε from ``x``.

    Raises:
        ValueError, TypeError: what was wrong with an argument, and what was expected.
    """
    _check(x, y, eps)
    with in_eval_mode(model):
        gradient = _gradient(model, x, y)
    direction = -1 if targeted else 1
    return (x + direction * eps * gradient.sign()).clamp(0, 1).detach()


def pgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    eps: float,
    steps: int = 10,
    step_size: float | None = None,
    restarts: int = 1,
    targeted: bool = False,
    random_start: bool = True,
) -> Tensor:
    """Projected gradient descent: many small FGSM steps, never further than ε from the picture.

    Madry et al., `Towards Deep Learning Models Resistant to Adversarial Attacks
    <https://arxiv.org/abs/1706.06083>`_, section 2.1.

    Args:
        model: as for :func:`fgsm`.
        x: pictures, (N, ...) float in [0, 1].
        y: their labels, (N,) int64; the labels wanted instead if ``targeted``.
        eps: the largest change of a pixel, 0 to 1.
        steps: number of steps, at least 1.
        step_size: length of a step; by default 2.5 ε / steps, which reaches the border of the
            ε-box from every start (the same paper's rule).
        restarts: how often to start; of each picture's attempts the one that fools the model is
            kept, otherwise the one with the largest (targeted: smallest) loss.
        targeted: lower the loss of ``y`` instead.
        random_start: start somewhere in the ε-box (drawn from PyTorch's global generator), not at
            the picture itself, where a network may be flat. Needed for more than one restart.

    Returns:
        Pictures of the same shape in [0, 1], no pixel further than ε from ``x``.

    Raises:
        ValueError, TypeError: what was wrong with an argument, and what was expected.
    """
    _check(x, y, eps)
    step_size = 2.5 * eps / max(steps, 1) if step_size is None else step_size
    _check_steps(steps, step_size, restarts, random_start)
    with in_eval_mode(model):
        best = _climb(model, x, y, eps, steps, step_size, targeted, random_start)
        if restarts == 1:
            return best  # nothing to compare with: spare the forward pass
        reached = _success(model, best, y, targeted)  # (N,)
        for _ in range(restarts - 1):
            other = _climb(model, x, y, eps, steps, step_size, targeted, random_start)
            success = _success(model, other, y, targeted)
            better = success > reached
            best[better], reached = other[better], torch.maximum(reached, success)
    return best


def _climb(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    eps: float,
    steps: int,
    step_size: float,
    targeted: bool,
    random_start: bool,
) -> Tensor:
    """One attempt of PGD."""
    adversarial = x.detach().clone()
    if random_start:
        adversarial = (x + torch.empty_like(x).uniform_(-eps, eps)).clamp(0, 1)
    for _ in range(steps):
        gradient = _gradient(model, adversarial, y)
        adversarial = adversarial + (-step_size if targeted else step_size) * gradient.sign()
        change = (adversarial - x).clamp(-eps, eps)  # back into the ε-box around the picture
        adversarial = (x + change).clamp(0, 1).detach()  # and into what a picture can be
    return adversarial


def _gradient(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Gradient of each picture's cross-entropy with respect to its own pixels, like ``x``."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        logits = _logits(model, x, y)
        # The sum, not the mean: no picture's gradient depends on how many others came along.
        loss = F.cross_entropy(logits, y, reduction="sum")
        gradient = None
        if loss.requires_grad:
            (gradient,) = torch.autograd.grad(loss, x, allow_unused=True)
    if gradient is None:
        raise ValueError(
            "No gradient comes from the model's logits back to the pixels. Does the model detach "
            "its input, round it, or run under no_grad?"
        )
    return gradient


@torch.no_grad()
def _success(model: nn.Module, x: Tensor, y: Tensor, targeted: bool) -> Tensor:
    """How well each attempt went, (N,): its loss, and infinite once the model is fooled."""
    logits = _logits(model, x, y)
    loss = F.cross_entropy(logits, y, reduction="none")  # (N,)
    hits = logits.argmax(dim=1) == y
    return (-loss if targeted else loss).masked_fill(hits if targeted else ~hits, torch.inf)


def _logits(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    logits = model(x)
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(x):
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"The model must return logits of shape ({len(x)}, C), and gave {got}.")
    if len(y) and int(y.max()) >= logits.shape[1]:
        raise ValueError(
            f"Label {int(y.max())} is out of range: the model knows the classes 0 to "
            f"{logits.shape[1] - 1}."
        )
    return logits


def _check(x: Tensor, y: Tensor, eps: float) -> None:
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim < 2:
        raise TypeError(
            "x must be a batch of pictures, a floating point tensor (N, ...) with values in "
            "[0, 1]; divide bytes by 255."
        )
    if x.numel() and not bool(((x >= 0) & (x <= 1)).all()):  # NaN is neither
        raise ValueError(
            f"Pixels must lie in [0, 1] and go from {float(x.min()):.3g} to {float(x.max()):.3g}. "
            "Attack the picture, not its normalised form: make normalisation the model's first "
            "layer."
        )
    if not isinstance(y, Tensor) or y.dtype != torch.int64 or y.shape != x.shape[:1]:
        got = f"{y.dtype} {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
        raise TypeError(f"y must be labels, int64 of shape ({len(x)},), and is {got}.")
    if len(y) and int(y.min()) < 0:
        raise ValueError(f"Labels start at 0, and y contains {int(y.min())}.")
    if not 0 <= eps <= 1:
        raise ValueError(
            f"eps is a change of pixels in [0, 1], and is {eps}. Did you mean {eps} / 255?"
        )


def _check_steps(steps: int, step_size: float, restarts: int, random_start: bool) -> None:
    if steps < 1 or restarts < 1:
        raise ValueError(f"steps and restarts are at least 1, and are {steps} and {restarts}.")
    if not 0 <= step_size <= 1:
        raise ValueError(f"step_size is a change of pixels in [0, 1], and is {step_size}.")
    if restarts > 1 and not random_start:
        raise ValueError("Without random_start every restart would be the same: use restarts=1.")
