"""The training recipe of the digit network: every choice with its reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from torchcourse.train.mode import in_eval_mode

from .augment import augment
from .model import DigitNet

BATCH_SIZE = 128
MAX_LR = 6e-3  # the top of the one-cycle schedule; 1e-2 diverges now and then
RESTART_LR = 3e-3  # the top when training goes on: high enough to leave the valley it is in
WEIGHT_DECAY = 0.02
LABEL_SMOOTHING = 0.05  # a few labels of MNIST are wrong: do not force certainty about them
EMA_DECAY = 0.995  # averages the weights over about the last 200 steps
VALIDATION = 5_000  # images cut from the training part of MNIST


def split(labels: Tensor, validation: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Cut a validation part from the training part, each class in its share.

    Args:
        labels: (N,) int64.
        validation: how many examples to hold back, 0 < validation < N.
        seed: another seed, another cut.

    Returns:
        indices of the training and of the validation examples, both shuffled.
    """
    if not 0 < validation < len(labels):
        raise ValueError(f"validation must be from 1 to {len(labels) - 1}, got {validation}")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    # Taking every k-th example of the order sorted by class gives each class its share.
    by_class = order[labels[order].argsort(stable=True)]
    held = torch.linspace(0, len(labels) - 1, validation).round().long()
    mask = torch.zeros(len(labels), dtype=torch.bool)
    mask[by_class[held]] = True
    return order[~mask[order]], order[mask[order]]


def batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Indices of one epoch in random order; a last small batch is dropped (BatchNorm)."""
    yield from torch.randperm(count, generator=generator).split(size)[: count // size]


def train(
    images: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    seed: int,
    device: torch.device | str = "cpu",
    start: DigitNet | None = None,
    evaluate: Callable[[nn.Module], dict] | None = None,
    batch_size: int = BATCH_SIZE,
) -> tuple[DigitNet, list[dict]]:
    """Train a :class:`DigitNet` on prepared images.

    Args:
        images: (N, 1, 28, 28) float in ``[0, 1]``, as `prepare_batch` returns them.
        labels: (N,) int64.
        epochs: the learning rate rises and falls once over this many passes.
        seed: of the initial weights, the order and the augmentation.
        device: where to train.
        start: a trained network to go on from, at a lower rate; it is changed in place.
        evaluate: called after each epoch with the averaged network; what it returns is kept.
        batch_size: images per step; fewer for small data, so that there are enough steps.

    Returns:
        the network with averaged weights in eval mode, and one dictionary per epoch.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = start or DigitNet(mean=images.mean().item(), std=images.std().item())
    model = model.to(device, memory_format=torch.channels_last)
    rate = MAX_LR if start is None else RESTART_LR
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=WEIGHT_DECAY)
    batch_size = min(batch_size, len(labels))
    steps = epochs * (len(labels) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY), use_buffers=True)
    history, spent = [], 0.0
    for epoch in range(epochs):
        start, losses = time.perf_counter(), []
        model.train()
        order = list(batches(len(labels), batch_size, generator))
        for index in tqdm(order, f"epoch {epoch + 1}", leave=False, disable=None):
            ink = augment(images[index], generator).to(device, memory_format=torch.channels_last)
            with mixed_precision(device):
                logits = model(ink)  # (B, 10)
            loss = F.cross_entropy(
                logits.float(), labels[index].to(device), label_smoothing=LABEL_SMOOTHING
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(model)
            losses.append(loss.detach())
        spent += time.perf_counter() - start
        row = {"epoch": epoch + 1, "loss": torch.stack(losses).mean().item(), "seconds": spent}
        average.eval()
        history.append(row | (evaluate(average.module) if evaluate else {}))
    return average.module.eval(), history


def mixed_precision(device: torch.device | str) -> torch.autocast:
    """bfloat16 where the processor computes with it, else float32.

    On a CPU without such instructions autocast would be slower than none.
    """
    kind = torch.device(device).type
    if kind == "cpu":
        # A private name: where it is missing, nothing is lost but speed.
        fast = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    else:
        fast = kind == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(kind if fast else "cpu", torch.bfloat16, enabled=fast)


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, device: torch.device | str = "cpu") -> Tensor:
    """Logits (N, num_classes) on the CPU, computed in eval mode and in parts.

    The network is left in the mode it came in.
    """
    with in_eval_mode(model):
        return torch.cat([model(part.to(device)).float().cpu() for part in images.split(500)])


def count_errors(model: nn.Module, images: Tensor, labels: Tensor) -> int:
    """How many images get another label than theirs."""
    return int((predict(model, images).argmax(1) != labels).sum())
