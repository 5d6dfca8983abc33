"""Checkers of capstone 1's labs, one module a lab."""

from torchcourse.checks.cap1_digits.one_digit import (
    accuracy,
    bright_ink,
    centre_of_mass,
    confusion_matrix,
    output_size,
)
from torchcourse.checks.cap1_digits.pages_and_sums import (
    best_chain,
    collapse,
    ctc_probability,
    cut_column,
    evaluate_postfix,
    reading_order,
    to_postfix,
)
