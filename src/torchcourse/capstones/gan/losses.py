"""The three formulas of a WGAN-GP."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Scorer = Callable[[Tensor, Tensor], Tensor]


def gradient_penalty(
    critic: Scorer,
    real: Tensor,
    fake: Tensor,
    labels: Tensor,
    generator: torch.Generator | None = None,
) -> Tensor:
    """How far the critic's slope is from 1, between real and generated pictures.

    Gulrajani et al., `Improved Training of Wasserstein GANs <https://arxiv.org/abs/1704.00028>`_,
    section 4: on the line between a real and a generated picture, the norm of the gradient with
    respect to the whole picture should be 1.

    Args:
        critic: (pictures (B, ...), labels (B,)) → scores (B,). A picture's score must not depend
            on the others of its batch.
        real: pictures (B, ...).
        fake: generated pictures of the same shape; no gradient flows back to them.
        labels: (B,), of both.
        generator: of the shares in which the two are mixed; None is PyTorch's global one.

    Returns:
        The mean of (‖gradient‖ − 1)², a scalar through which gradients reach the critic.

    Raises:
        ValueError: pictures of different shapes.
    """
    if real.shape != fake.shape:
        raise ValueError(
            f"real and fake must have the same shape to be mixed, not {tuple(real.shape)} and "
            f"{tuple(fake.shape)}."
        )
    shape = len(real), *[1] * (real.ndim - 1)  # one share a picture
    where = real.device if generator is None else generator.device
    share = torch.rand(shape, device=where, generator=generator).to(real.device)
    mixed = (share * real + (1 - share) * fake).detach().requires_grad_()  # (B, ...)
    scores = critic(mixed, labels)  # (B,)
    (gradient,) = torch.autograd.grad(scores.sum(), mixed, create_graph=True)  # (B, ...)
    norm = gradient.flatten(1).norm(dim=1)  # (B,): over all channels, rows and columns
    return (norm - 1).square().mean()


def critic_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Minus the critic's estimate of the Wasserstein distance: (B,), (B,) → a scalar."""
    return fake_scores.mean() - real_scores.mean()


def generator_loss(fake_scores: Tensor) -> Tensor:
    """Low where the critic is taken in: (B,) → a scalar."""
    return -fake_scores.mean()
