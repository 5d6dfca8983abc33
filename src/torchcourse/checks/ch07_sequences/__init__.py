"""Checkers of chapter 7's labs, one module a lab."""

from torchcourse.checks.ch07_sequences.tokens_and_attention import (
    attend,
    macro_f1,
    masked_pool,
    may_look,
    merge_heads,
    pad_batch,
    sinusoidal_positions,
    split_heads,
    split_without_duplicates,
    wordpiece,
)

__all__ = [
    "attend",
    "macro_f1",
    "masked_pool",
    "may_look",
    "merge_heads",
    "pad_batch",
    "sinusoidal_positions",
    "split_heads",
    "split_without_duplicates",
    "wordpiece",
]
