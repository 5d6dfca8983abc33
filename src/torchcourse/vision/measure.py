"""What a network costs, and how far its answers can be trusted."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from torchcourse.train.mode import in_eval_mode

__all__ = [
    *("Reliability", "activation_bytes", "confusion_matrix", "cost"),
    *("count_flops", "count_parameters", "expected_calibration_error", "reliability"),
]


def count_parameters(model: nn.Module) -> int:
    """How many numbers training may change."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@torch.no_grad()
def count_flops(model: nn.Module, images: Tensor) -> int:
    """Floating-point operations of one forward pass, a multiply-add counted as two.

    PyTorch counts matrix products and convolutions; norms, ReLUs and pools are left out.

    Args:
        model: any module; it comes back in the mode it was in.
        images: a batch as the model takes it.
    """
    with in_eval_mode(model), FlopCounterMode(display=False) as counter:
        model(images)
    return counter.get_total_flops()


def activation_bytes(model: nn.Module, images: Tensor) -> int:
    """Bytes that a forward pass in train mode keeps for the backward pass, beside the weights.

    Running statistics move as in any forward pass in train mode, so hand over a model that is not
    needed any more, or a copy.

    Args:
        model: any module; it comes back in the mode it was in.
        images: a batch as the model takes it; the result grows in proportion to it.
    """
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}  # each storage once: several layers may need the same tensor

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    training = model.training
    model.train()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = model(images)  # kept until the sum is made, or storages would be used again
    total = sum(kept.values())
    del output
    model.train(training)
    return total


def cost(model: nn.Module, images: Tensor) -> dict[str, float]:
    """Parameters, and for one image of the batch the FLOPs and the bytes kept for training."""
    return {
        "parameters": count_parameters(model),
        "flops": count_flops(model, images) // len(images),
        "activation_bytes": activation_bytes(model, images) // len(images),
    }


def confusion_matrix(answers: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """How often each class (row) was given each answer (column).

    Args:
        answers: (N,) int64, 0 to num_classes - 1.
        labels: (N,) int64, likewise.
        num_classes: how many classes there are.

    Returns:
        (num_classes, num_classes) int64, adding up to N.
    """
    pairs = num_classes * labels + answers  # (N,)
    return torch.bincount(pairs, minlength=num_classes**2).view(num_classes, num_classes)


class Reliability(NamedTuple):
    """Answers sorted into bins by how sure the network was; empty bins hold NaN.

    Attributes:
        confidence: (bins,) mean probability of the answers in the bin.
        accuracy: (bins,) share of them that is right.
        count: (bins,) int64, how many there are.
    """

    confidence: Tensor
    accuracy: Tensor
    count: Tensor


def reliability(logits: Tensor, labels: Tensor, bins: int = 10) -> Reliability:
    """Confidence beside accuracy, bin by bin.

    Args:
        logits: (N, num_classes).
        labels: (N,) int64.
        bins: equal parts of the confidences from 0 to 1.

    Raises:
        ValueError: there is no answer, or no bin.
    """
    if len(labels) == 0 or bins < 1:
        raise ValueError(f"need answers and bins, got {len(labels)} answers and {bins} bins")
    sure, answers = logits.double().softmax(dim=1).max(dim=1)  # (N,), (N,)
    which = (sure * bins).long().clamp(max=bins - 1)  # a confidence of 1 belongs to the last bin
    count = torch.bincount(which, minlength=bins)
    right = (answers == labels).double()
    confidence = torch.bincount(which, weights=sure, minlength=bins) / count
    return Reliability(
        confidence, torch.bincount(which, weights=right, minlength=bins) / count, count
    )


def expected_calibration_error(logits: Tensor, labels: Tensor, bins: int = 10) -> float:
    """Mean gap between confidence and accuracy, each bin weighted by its share of the answers.

    0 means that of all answers given with 80 % confidence, 80 % are right, and so on. Guo et al.,
    "On calibration of modern neural networks" (2017), https://arxiv.org/abs/1706.04599.

    Args and errors as `reliability`.
    """
    table = reliability(logits, labels, bins)
    gaps = (table.confidence - table.accuracy).abs().nan_to_num()  # an empty bin weighs nothing
    return float((gaps * table.count).sum() / table.count.sum())
