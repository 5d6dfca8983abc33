"""Train the line reader: strips from generated pages, their augmentation, the CTC loss."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from .ctc import ALPHABET, BLANK, LineReader, decode, encode, make_strip, stack_strips
from .expressions import random_expression
from .pages import Glyphs, Style, make_page, random_digits, write_ink
from .preprocess import ink_map
from .segment import find_lines
from .training import EMA_DECAY, mixed_precision

BATCH_SIZE = 64
MAX_LR = 4e-3
RESTART_LR = 2e-3  # the top when training goes on
WEIGHT_DECAY = 0.02
CLIP = 2.0  # CTC's first gradients, while everything is still blank, are huge


def random_text(rng: np.random.Generator) -> str:
    """Something to read: a number, a sum, or signs in any order."""
    kind = rng.random()
    if kind < 0.5:
        return random_digits(int(rng.integers(1, 9)), rng)
    if kind < 0.9:
        return random_expression(rng, max_tokens=9)
    # Without these the network would learn grammar and read "3+" as "34".
    return "".join(rng.choice(list(ALPHABET), size=rng.integers(1, 9)))


def make_strips(
    count: int, glyphs: Glyphs, style: Style, seed: int, photographed: float = 1.0
) -> tuple[list[Tensor], list[str]]:
    """Write `count` one-line pages and prepare them as at reading time.

    Args:
        count: how many pages.
        glyphs: where their signs come from.
        style: how they are written.
        seed: the same seed gives the same strips.
        photographed: the share of pages that are photographed and freed of light and grain. The
            others keep their ink as it was written, which takes a fifth of the time.

    Returns:
        strips (1, 24, W) uint8, ink is 255, and their texts. Pages on which not exactly one line
        is found are left out: reading them is the task of `find_lines`.
    """
    rng = np.random.default_rng(seed)
    strips, texts = [], []
    for _ in tqdm(range(count), "pages", disable=None):
        text = random_text(rng)
        make_ink = _photographed_ink if rng.random() < photographed else _plain_ink
        lines = find_lines(make_ink(text, glyphs, style, rng))
        if len(lines) == 1:
            strips.append((make_strip(lines[0])[0] * 255).round().byte())
            texts.append(text)
    return strips, texts


def _photographed_ink(
    text: str, glyphs: Glyphs, style: Style, rng: np.random.Generator
) -> np.ndarray:
    page = make_page([text], glyphs, style, rng)
    grey = torch.from_numpy(page.picture).float()[None, None] / 255
    return ink_map(grey)[0, 0].numpy()


def _plain_ink(text: str, glyphs: Glyphs, style: Style, rng: np.random.Generator) -> np.ndarray:
    ink, _ = write_ink([text], glyphs, style, rng)
    # What ink_map does to a photograph: grain is averaged out, and the ink is stretched.
    return np.clip(cv2.blur(ink, (3, 3)) * rng.uniform(1.0, 1.3), 0, 1)


def augment_strips(strips: Tensor, generator: torch.Generator) -> Tensor:
    """Stretch, slant, shift and thicken each strip (B, 1, 24, W) a little."""
    n, _, height, width = strips.shape
    u = torch.rand(6, n, generator=generator) * 2 - 1  # each row (B,) in [-1, 1]
    zero = torch.zeros(n)
    slant = 0.2 * u[0] * height / width  # the grid's unit is half a side
    theta = torch.stack(
        [
            torch.stack([1 + 0.06 * u[1], slant, 0.06 * u[1]], 1),  # the left end stays in place
            torch.stack([zero, 1 + 0.10 * u[2], 0.06 * u[3]], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, list(strips.shape), align_corners=False)
    # The writing wobbles: rows and columns move by up to a pixel, smoothly along the line.
    knots = torch.randn(n, 2, 3, max(3, width // 16), generator=generator)
    bend = F.interpolate(knots, (height, width), mode="bicubic", align_corners=True)
    grid = grid + 0.9 * torch.tensor([2 / width, 2 / height]) * bend.permute(0, 2, 3, 1)
    moved = F.grid_sample(strips, grid, mode="bilinear", align_corners=False)
    thick = F.max_pool2d(moved, 3, stride=1, padding=1)
    thin = -F.max_pool2d(-moved, 3, stride=1, padding=1)
    amount = (0.4 * u[4])[:, None, None, None]
    return moved + amount.abs() * (torch.where(amount > 0, thick, thin) - moved)


def batches(
    strips: list[Tensor], texts: list[str], generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor, list[str]]]:
    """One epoch in random order; strips of like width stand together to save padding."""
    order = torch.randperm(len(strips), generator=generator).tolist()
    chunk = BATCH_SIZE * 32
    for first in range(0, len(order), chunk):
        group = sorted(order[first : first + chunk], key=lambda i: strips[i].shape[-1])
        parts = [group[i : i + BATCH_SIZE] for i in range(0, len(group), BATCH_SIZE)]
        for k in torch.randperm(len(parts), generator=generator).tolist():
            batch, steps = stack_strips([strips[i] for i in parts[k]])
            yield batch.float() / 255, steps, [texts[i] for i in parts[k]]


def train_reader(
    strips: list[Tensor],
    texts: list[str],
    *,
    epochs: int,
    seed: int,
    device: torch.device | str = "cpu",
    start: LineReader | None = None,
    evaluate: Callable[[nn.Module], dict] | None = None,
) -> tuple[LineReader, list[dict]]:
    """Train a :class:`LineReader`; `start` continues from given weights at a lower rate.

    Returns:
        the reader with averaged weights in eval mode, and one dictionary per epoch.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = (start or LineReader()).to(device, memory_format=torch.channels_last)
    rate = MAX_LR if start is None else RESTART_LR
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=WEIGHT_DECAY)
    steps_per_epoch = sum(
        -(-min(BATCH_SIZE * 32, len(strips) - i) // BATCH_SIZE)
        for i in range(0, len(strips), BATCH_SIZE * 32)
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=epochs * steps_per_epoch, pct_start=0.2
    )
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY), use_buffers=True)
    history, began = [], time.perf_counter()
    for epoch in range(epochs):
        model.train()
        losses = []
        rows = batches(strips, texts, generator)
        for batch, steps, written in tqdm(
            rows, f"epoch {epoch + 1}", total=steps_per_epoch, leave=False, disable=None
        ):
            ink = augment_strips(batch, generator)
            ink = ink.to(device, memory_format=torch.channels_last)
            with mixed_precision(device):
                logits = model(ink)  # (B, T, 17)
            loss = ctc_loss(logits.float(), steps, written)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            schedule.step()
            average.update_parameters(model)
            losses.append(loss.detach())
        row = {
            "epoch": epoch + 1,
            "loss": torch.stack(losses).mean().item(),
            "seconds": time.perf_counter() - began,
        }
        average.eval()
        history.append(row | (evaluate(average.module) if evaluate else {}))
    return average.module.eval(), history


def ctc_loss(logits: Tensor, steps: Tensor, texts: list[str]) -> Tensor:
    """Minus the log-probability of all alignments that read as `texts`, mean over the batch.

    Args:
        logits: (B, T, num_classes).
        steps: (B,) how many of the T steps belong to each strip; the rest is padding.
        texts: what stands in each strip.
    """
    log_probabilities = logits.log_softmax(-1).transpose(0, 1)  # (T, B, num_classes)
    targets = [encode(text) for text in texts]
    return F.ctc_loss(
        log_probabilities,
        torch.cat(targets).to(logits.device),
        steps,
        torch.tensor([len(target) for target in targets]),
        blank=BLANK,
        zero_infinity=True,  # a strip too narrow for its text gives no gradient instead of inf
    )


@torch.no_grad()
def read_strips(model: nn.Module, strips: list[Tensor], allowed: str = ALPHABET) -> list[str]:
    """The text of each strip (1, 24, W) uint8 or float."""
    device = next(model.parameters()).device
    order = sorted(range(len(strips)), key=lambda i: strips[i].shape[-1])
    texts = [""] * len(strips)
    for first in range(0, len(order), 64):
        part = order[first : first + 64]
        batch, steps = stack_strips([strips[i] for i in part])
        batch = batch.float() / 255 if batch.dtype == torch.uint8 else batch
        logits = model(batch.to(device)).float().cpu()
        for i, row, count in zip(part, logits, steps.tolist(), strict=True):
            texts[i] = "".join(sign.text for sign in decode(row[:count], allowed))
    return texts
