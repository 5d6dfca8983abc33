"""The reviews of this capstone: cleaned, no text twice, split by what they say."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from torchcourse.data.reviews import Reviews, clean, same_text, without_duplicates

from .tokens import WordPiece

TEST, VALIDATION = 10, 9  # percent of all; the second is a tenth of the rest


class Parts(NamedTuple):
    """Three sets of reviews, cleaned, that share no text.

    Attributes:
        train, validation, test: as they are named.
    """

    train: Reviews
    validation: Reviews
    test: Reviews


class Encoded(NamedTuple):
    """Reviews as numbers.

    Attributes:
        rows: N lists of token numbers.
        labels: (N,) int64, 1 = praise, 0 = blame.
    """

    rows: list[list[int]]
    labels: Tensor


def prepare(reviews: Reviews) -> Parts:
    """Clean reviews, drop duplicates, split."""
    return split(cleaned(without_duplicates(reviews)))


def cleaned(reviews: Reviews) -> Reviews:
    """The same reviews with `clean` texts."""
    return reviews._replace(texts=[clean(text) for text in reviews.texts])


def split(reviews: Reviews) -> Parts:
    """Split by a hash of what each text says.

    So the same text always falls into the same part: on another machine, after more reviews have
    been added, and also if it stands there twice.
    """
    digests = [hashlib.sha256(same_text(text).encode()).hexdigest() for text in reviews.texts]
    percent = torch.tensor([int(digest, 16) % 100 for digest in digests], dtype=torch.long)
    held = percent < TEST + VALIDATION
    parts = (~held, held & (percent >= TEST), percent < TEST)
    return Parts(*(reviews.take(part.nonzero().flatten().tolist()) for part in parts))


def encode(words: WordPiece, reviews: Reviews, max_tokens: int) -> Encoded:
    """Reviews as numbers, cut to so many tokens."""
    return Encoded(words.encode(reviews.texts, max_tokens), reviews.labels)


def batches_by_length(
    lengths: Sequence[int], tokens: int, generator: torch.Generator | None = None
) -> list[list[int]]:
    """Places of the texts, in batches of texts about equally long, so that little is padding.

    Args:
        lengths: of the texts, in tokens.
        tokens: a batch holds at most so many, padding included (but at least one text).
        generator: makes the batches and their order random; None leaves them sorted.

    >>> batches_by_length([5, 1, 4, 1], tokens=8)
    [[1, 3], [2], [0]]
    """
    keys = torch.tensor(lengths, dtype=torch.float)
    if generator is not None:  # neighbours in length, not always the same ones
        keys *= 1 + 0.2 * torch.rand(len(keys), generator=generator)
    batches: list[list[int]] = []
    longest = 0
    for place in keys.argsort(stable=True).tolist():
        longest = max(longest, lengths[place])
        if not batches or (len(batches[-1]) + 1) * longest > tokens:
            batches.append([])
            longest = lengths[place]
        batches[-1].append(place)
    if generator is not None:
        order = torch.randperm(len(batches), generator=generator).tolist()
        batches = [batches[i] for i in order]
    return batches
