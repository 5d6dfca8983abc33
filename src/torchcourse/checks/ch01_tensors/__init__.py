"""Checkers of chapter 1's labs, one module a lab."""

from torchcourse.checks.ch01_tensors.gradients import (
    descend,
    fit_by_descent,
    full_gradient,
    largest_lr,
    slopes,
    tanh,
)
from torchcourse.checks.ch01_tensors.linear_algebra import (
    fit_linear,
    fragile_system,
    low_rank,
    power_iteration,
    predict_linear,
    quadratic_forms,
)
from torchcourse.checks.ch01_tensors.tensors import (
    even_contrast,
    masked_mean,
    one_hot,
    pairwise_distances,
    to_tiles,
)
