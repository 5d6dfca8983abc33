"""Adversarial training: every batch is attacked first, and the network learns from what came out.

Madry et al., `Towards Deep Learning Models Resistant to Adversarial Attacks
<https://arxiv.org/abs/1706.06083>`_. One attack step from a random start is enough, and four times
as fast as their seven: Wong, Rice and Kolter, `Fast is better than free
<https://arxiv.org/abs/2001.03994>`_.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from torchcourse.capstones.digits.training import batches, mixed_precision

from .perturb import pgd

BATCH_SIZE = 128
MAX_LR = 0.2  # of SGD, the top of the one-cycle schedule
MOMENTUM, WEIGHT_DECAY = 0.9, 5e-4  # as in the second paper
ONE_STEP = 1.25  # length of a single attack step in ε; from 2 on the defence collapses there


def train(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    seed: int,
    eps: float = 0.0,
    steps: int = 1,
    max_lr: float = MAX_LR,
    batch_size: int = BATCH_SIZE,
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    evaluate: Callable[[nn.Module], dict] | None = None,
    device: torch.device | str = "cpu",
) -> list[dict]:
    """Train a network on pictures as an attacker would hand them over.

    Args:
        model: from pixels in ``[0, 1]`` to logits (B, C); it is trained in place and left in eval
            mode.
        images: (N, C, H, W), uint8 or float in ``[0, 1]``.
        labels: (N,) int64.
        epochs: the learning rate rises and falls once over this many passes.
        seed: of the order, the augmentation and the attack's random starts.
        eps: the attack's largest change of a pixel; 0 trains on the pictures as they are.
        steps: of the attack. One is a step of 1.25 ε, more are steps of 2.5 ε / steps.
        max_lr: the top of the schedule.
        batch_size: pictures per step.
        augment: (batch, generator) to a changed batch of the same shape, before the attack.
        evaluate: called after each epoch; what it returns is kept.
        device: where to train.

    Returns:
        one dictionary per epoch: ``epoch``, mean ``loss`` on the attacked pictures, ``seconds``.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = model.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(), max_lr, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True
    )
    batch_size = min(batch_size, len(labels))
    total = epochs * (len(labels) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr, total_steps=total, cycle_momentum=False
    )
    step_size = (ONE_STEP if steps == 1 else 2.5 / steps) * eps
    history, spent = [], 0.0
    for epoch in range(epochs):
        begun, losses = time.perf_counter(), []
        model.train()
        order = list(batches(len(labels), batch_size, generator))
        for index in tqdm(order, f"epoch {epoch + 1}", leave=False, disable=None):
            x = as_pixels(images[index])  # (B, C, H, W)
            x = x if augment is None else augment(x, generator)
            x = x.to(device, memory_format=torch.channels_last)
            y = labels[index].to(device)
            with mixed_precision(device):
                if eps > 0:
                    x = pgd(model, x, y, eps, steps=steps, step_size=step_size)
                logits = model(x)
            loss = F.cross_entropy(logits.float(), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.detach())
        spent += time.perf_counter() - begun
        row = {"epoch": epoch + 1, "loss": torch.stack(losses).mean().item(), "seconds": spent}
        model.eval()
        history.append(row | (evaluate(model) if evaluate else {}))
    return history


def as_pixels(images: Tensor) -> Tensor:
    """Pictures in bytes as float in ``[0, 1]``; float pictures as they are."""
    return images if images.is_floating_point() else images.float() / 255


def flip_and_shift(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the pictures, and move the batch by up to two pixels.

    Args:
        images: (B, C, H, W).
        generator: where the randomness comes from (CPU).

    Returns:
        the same shape; what moves in at the border is the mirrored picture.
    """
    flipped = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
    images = torch.where(flipped, images.flip(3), images)
    height, width = images.shape[2:]
    top, left = torch.randint(0, 5, (2,), generator=generator).tolist()
    padded = F.pad(images, (2, 2, 2, 2), mode="reflect")  # (B, C, H + 4, W + 4)
    return padded[:, :, top : top + height, left : left + width]
