"""Answers to the exercises of chapter 1's labs, one module a lab."""

from wrong_answers.ch01_tensors.gradients import (
    descend,
    fit_by_descent,
    full_gradient,
    largest_lr,
    slopes,
    tanh,
)
from wrong_answers.ch01_tensors.linear_algebra import (
    fit_linear,
    fragile_system,
    low_rank,
    power_iteration,
    predict_linear,
    quadratic_forms,
)
from wrong_answers.ch01_tensors.tensors import (
    even_contrast,
    masked_mean,
    one_hot,
    pairwise_distances,
    to_tiles,
)

__all__ = [
    "descend",
    "even_contrast",
    "fit_by_descent",
    "fit_linear",
    "fragile_system",
    "full_gradient",
    "largest_lr",
    "low_rank",
    "masked_mean",
    "one_hot",
    "pairwise_distances",
    "power_iteration",
    "predict_linear",
    "quadratic_forms",
    "slopes",
    "tanh",
    "to_tiles",
]
