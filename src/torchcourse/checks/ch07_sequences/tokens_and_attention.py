"""Checkers of chapter 7's lab 1: tokens and attention."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score
from torch import Tensor

from torchcourse.checks.calls import forbid
from torchcourse.checks.core import Attempt, Slip, exercise


@exercise(
    "Padded numbers and their mask travel together from here to the last layer. The mask is what "
    "keeps a text's score the same, whoever shares its batch."
)
def pad_batch(attempt: Attempt) -> None:
    """pad_batch(rows, pad): list of lists of int, int → (B, T) int64 and (B, T) bool."""
    ids = torch.tensor([[5, 8, 2], [4, 1, 1], [9, 3, 1]])
    real = torch.tensor([[True, True, True], [True, False, False], [True, True, False]])
    zeros = ids.masked_fill(~real, 0)
    left = torch.tensor([[5, 8, 2], [1, 1, 4], [1, 9, 3]]), real.flip(1)
    filled = "The short rows are filled with 0, not with `pad`.", "Fill with the number given."
    attempt.expect(
        attempt([[5, 8, 2], [4], [9, 3]], 1),
        (ids, real),
        Slip((zeros, real), *filled),
        Slip((zeros, torch.ones_like(real)), *filled),
        Slip(
            (ids, torch.ones_like(real)),
            "The mask calls every place real. Did you compare with 0? The filling is `pad`.",
            "`ids != pad`.",
        ),
        Slip(
            (ids, ~real),
            "The mask is upside down: it marks the padding.",
            "Here True means a real token.",
        ),
        Slip(
            (ids, real.long()),
            "The mask holds 0 and 1, not False and True. `~` would then turn them into -1 and -2.",
            "A comparison gives a bool tensor, such as `places < lengths`.",
        ),
        Slip(
            left,
            "The padding stands on the left, so a token's place depends on its neighbours.",
            "Fill behind the tokens.",
        ),
        Slip(
            (torch.tensor([[5], [4], [9]]), torch.ones(3, 1, dtype=torch.bool)),
            "The rows are cut to the shortest, so most tokens are lost.",
            "T is the length of the longest row.",
        ),
        Slip(
            (ids.T, real.T),
            "The result is (T, B): time first.",
            "`pad_sequence(..., batch_first=True)` gives (B, T).",
        ),
        Slip(
            (ids.float(), real),
            "The numbers are floats, and `nn.Embedding` takes integers.",
            "Let `torch.tensor` see Python integers; it makes int64 of them.",
        ),
        Slip(
            (ids[[0, 2, 1]], real[[0, 2, 1]]),
            "The rows are sorted by length, so they no longer line up with their labels.",
            "Leave the rows in their order.",
        ),
        Slip((real, ids), "The two are swapped.", "First the numbers, then the mask."),
        Slip(ids, "You returned the numbers without the mask.", "`return ids, mask`."),
        case="rows of 3, 1 and 2 tokens, pad = 1",
        name="(ids, mask)",
    )
    for lengths, pad in (((2, 6, 1, 4), 0), ((3, 1), 99), ((0, 2), 5)):
        longest = max(lengths)
        mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
        numbers = torch.randint(10, 99, mask.shape, generator=attempt.random)
        rows = [row[:n].tolist() for row, n in zip(numbers, lengths, strict=True)]
        case = "an empty text" if 0 in lengths else f"{len(rows)} rows, pad = {pad}"
        attempt.expect(attempt(rows, pad), (numbers.where(mask, pad), mask), case=case)


@exercise(
    "Padding must stay out of a maximum as well: a 0 that nobody wrote beats every negative value. "
    "And an empty text needs an answer, too."
)
def masked_pool(attempt: Attempt) -> None:
    """masked_pool(x, mask): (B, T, D) float, (B, T) bool → (B, 2 D), mean then maximum."""
    x = torch.tensor([[[1.0, -4], [3, -2], [9, 9], [9, 9]], [[-5, 2], [7, 7], [8, 8], [9, 9]]])
    mask = torch.tensor([[True, True, False, False], [True, False, False, False]])
    mean, top = torch.tensor([[2.0, -3.0], [-5.0, 2.0]]), torch.tensor([[3.0, -2.0], [-5.0, 2.0]])
    zero_wins = torch.tensor([[3.0, 0.0], [0.0, 2.0]])
    sums = torch.tensor([[4.0, -6.0], [-5.0, 2.0]])
    both = torch.cat([mean, top], dim=1)
    attempt.expect(
        attempt(x, mask),
        both,
        Slip(
            torch.cat([x.mean(1), x.amax(1)], dim=1),
            "Mean and maximum run over all T places, padding included.",
            "Use the mask for both.",
        ),
        Slip(
            torch.cat([mean, zero_wins], dim=1),
            "In the maximum, padding counts as 0, and 0 beats every negative value.",
            "Fill padded places with `-torch.inf` before you take the maximum.",
        ),
        Slip(
            torch.cat([mean, x.amax(1)], dim=1),
            "The mean is right, but the maximum still sees the padding.",
            "Fill padded places with `-torch.inf` before you take it.",
        ),
        *(
            Slip(
                torch.cat([sums / divisor, half], dim=1),
                why,
                "Divide by the number of real tokens of each text.",
            )
            for divisor, why in (
                (4, "The sum leaves padding out, but you divided by T, padding included."),
                (3, "You divided by the number of tokens in the whole batch."),
                (1, "The first half is the sum of the real tokens, not their mean."),
            )
            for half in (top, zero_wins)
        ),
        Slip(
            torch.tensor([[9.0, 9.0, 9.0, 9.0], [8.0, 8.0, 9.0, 9.0]]),
            "The mask is upside down: you pooled the padding.",
            "Here True means a real token.",
        ),
        Slip(
            torch.cat([top, mean], dim=1),
            "The two halves are swapped.",
            "First the mean, then the maximum.",
        ),
        Slip(
            torch.stack([mean, top], dim=1),
            "Mean and maximum lie on an axis of their own: (B, 2, D).",
            "`torch.cat([...], dim=1)` puts them side by side.",
        ),
        Slip(mean, "Only the mean is there.", "Return mean and maximum side by side."),
        case="texts of two tokens and of one",
    )
    _pools_an_empty_text(attempt)
    for batch, tokens, dim in ((4, 5, 3), (1, 3, 2), (3, 3, 6)):
        x = torch.randn(batch, tokens, dim, generator=attempt.random) - 1
        mask = torch.rand(batch, tokens, generator=attempt.random) < 0.6
        mask[:, 0] = True
        texts = [row[keep] for row, keep in zip(x, mask, strict=True)]
        want = torch.stack([torch.cat([one.mean(0), one.max(0).values]) for one in texts])
        starts = [row[: len(text)] for row, text in zip(x, texts, strict=True)]
        counted = torch.stack([torch.cat([one.mean(0), one.max(0).values]) for one in starts])
        slip = Slip(
            counted,
            "You took the first n places of each text. A mask may have gaps.",
            "Use the mask itself, place by place.",
        )
        attempt.expect(attempt(x, mask), want, slip, case=f"(B, T, D) = {(batch, tokens, dim)}")
    attempt.expect_gradient(x, mask)
    _learns_beside_an_empty_text(attempt)


def _pools_an_empty_text(attempt: Attempt) -> None:
    x, mask = torch.full((2, 2, 1), 6.0), torch.tensor([[True, False], [False, False]])
    nan, low, least = math.nan, -math.inf, torch.finfo(torch.float32).min
    zero_by_zero = (
        "A text without any token gives 0/0 in the mean, or minus infinity as its maximum."
    )
    filler = "The maximum of a text without any token is the number you filled in."
    halves = [((nan, top), zero_by_zero) for top in (low, 0.0, nan, 6.0, least, -1e9)]
    halves += [((0.0, low), zero_by_zero), *(((0.0, top), filler) for top in (least, -1e9, -1e4))]
    step = "Divide by at least 1 (`clamp(min=1)`), and put 0 where a row of the mask is all False."
    attempt.expect(
        attempt(x, mask),
        torch.tensor([[6.0, 6.0], [0.0, 0.0]]),
        *(Slip(torch.tensor([[6.0, 6.0], list(half)]), why, step) for half, why in halves),
        Slip(
            torch.tensor([[6.0, 6.0]]),
            "The empty text has disappeared, so the scores no longer line up with the texts.",
            "Give back a row of zeros for it.",
        ),
        case="a text without a single token",
    )


def _learns_beside_an_empty_text(attempt: Attempt) -> None:
    """Stop if 0/0 was repaired only after the division: its gradient is NaN."""
    x = torch.ones(2, 2, 3, requires_grad=True)
    result = attempt(x, torch.tensor([[True, False], [False, False]]))
    attempt.run(result.sum().backward, may_change=True)
    if not x.grad.isfinite().all():
        attempt.stop(
            "The values are right, but with an empty text in the batch the gradient is NaN, and "
            "one step of the optimizer makes NaN of the whole model.",
            "Repair what you divide by (`clamp(min=1)`), not the quotient: on the way back, 0 "
            "times NaN is NaN.",
            expected=torch.zeros(2, 3),
            gave=x.grad[1],
        )


@exercise(
    "One formula: compare, scale, mask, softmax over the keys, mix the values. The whole "
    "Transformer stands on these lines."
)
def attend(attempt: Attempt) -> None:
    """attend(q, k, v, mask): (..., T, D), (..., S, D), (..., S, D), bool or None → (..., T, D)."""
    q = torch.tensor([[[1.0, 0.0, 2.0, -1.0], [0.0, 3.0, 1.0, 0.0]]])  # (B, T, D)
    k = torch.tensor([[[2.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 2.0], [1.0, 1.0, 1.0, 0.0]]])
    v = torch.tensor([[[4.0, 0.0, 1.0, 2.0], [8.0, 2.0, 0.0, 1.0], [0.0, 6.0, 3.0, 5.0]]])
    scores = q @ k.mT
    attempt.expect(
        attempt(q, k, v, None),
        F.scaled_dot_product_attention(q, k, v),
        Slip(
            scores.softmax(-1) @ v,
            "The scores are not scaled: in wide layers the softmax will pick one place by chance.",
            "Divide by the root of D.",
        ),
        Slip(
            (scores / 4).softmax(-1) @ v,
            "You divided by D, not by its root.",
            "`math.sqrt(q.shape[-1])`.",
        ),
        Slip(
            (scores / math.sqrt(3)).softmax(-1) @ v,
            "You divided by the root of the number of keys.",
            "D is the length of a vector: the last axis of q.",
        ),
        Slip(
            (scores / math.sqrt(2)).softmax(-1) @ v,
            "You divided by the root of the number of queries.",
            "D is the length of a vector: `q.shape[-1]`, however many axes stand in front.",
        ),
        Slip(
            (scores * 2).softmax(-1) @ v,
            "You multiplied by the root of D.",
            "Divide by it: large scores make the softmax hard.",
        ),
        Slip(
            (scores / 2).softmax(-2) @ v,
            "The softmax runs over the queries, so the weights of one query do not add up to 1.",
            "`softmax(dim=-1)`: over the keys.",
        ),
        Slip(
            (scores / 2) @ v,
            "The softmax is missing.",
            "Scores become weights by a softmax over the keys.",
        ),
        Slip(
            (scores / 2).softmax(-1),
            "You returned the weights.",
            "Mix the values with them: weights @ v.",
        ),
        Slip(
            (F.scaled_dot_product_attention(q, k, v), (scores / 2).softmax(-1)),
            "You returned the weights as well. The lesson did, to draw them.",
            "Here only the result is asked for.",
        ),
        case="two queries, three keys, no mask",
    )
    _attends_under_a_mask(attempt, q, k, v, scores / 2)
    _attends_with_large_scores(attempt)
    for shape, keys in (((2, 3, 4, 6), 5), ((1, 1, 5), 2), ((3, 2, 7, 1), 7)):
        shapes = (shape, (*shape[:-2], keys, shape[-1]), (*shape[:-2], keys, shape[-1]))
        q, k, v = (torch.randn(one, generator=attempt.random) for one in shapes)
        mask = torch.rand(*shape[:-1], keys, generator=attempt.random) < 0.6
        mask[..., 0] = True  # every query may look somewhere
        want = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        over_queries = (q @ k.mT / math.sqrt(shape[-1])).masked_fill(~mask, -torch.inf).softmax(-2)
        slip = Slip(
            over_queries @ v,
            "The softmax runs over the queries: with heads in front, 2 is not the last axis.",
            "`softmax(dim=-1)`: over the keys, however many axes there are.",
        )
        case = f"q of shape {shape}, {keys} keys"
        attempt.expect(attempt(q, k, v, mask), want, slip, case=case)
    _attends_with_one_mask_for_all(attempt)
    for position in range(3):
        attempt.expect_gradient(q, k, v, mask, wrt=position)
    forbid(
        attempt,
        {"scaled_dot_product_attention", "multi_head_attention_forward"},
        *(q, k, v, mask),
        why="The result is right, but it comes from PyTorch's `{name}`.",
        next_step="Write the formula with `@`, a division, `masked_fill` and `softmax`.",
    )


def _attends_under_a_mask(attempt: Attempt, q: Tensor, k: Tensor, v: Tensor, s: Tensor) -> None:
    mask = torch.tensor([[[True, True, False], [False, True, True]]])  # (B, T, S)
    attempt.expect(
        attempt(q, k, v, mask),
        F.scaled_dot_product_attention(q, k, v, attn_mask=mask),
        Slip(
            s.softmax(-1) @ v,
            "The mask has no effect.",
            "`scores.masked_fill(~mask, -torch.inf)`, and mind that it returns a new tensor.",
        ),
        Slip(
            s.masked_fill(mask, -torch.inf).softmax(-1) @ v,
            "The mask is upside down: you looked exactly where you may not.",
            "True means that the query may look, so fill where it is False.",
        ),
        Slip(
            (s.softmax(-1) * mask) @ v,
            "You masked after the softmax, so the weights no longer add up to 1.",
            "Mask the scores, before the softmax.",
        ),
        Slip(
            s.masked_fill(~mask, 0.0).softmax(-1) @ v,
            "Hidden places get the score 0, which is a score like others: they keep a weight.",
            "Only minus infinity becomes a weight of exactly 0.",
        ),
        case="a mask that hides one key from each query",
    )


def _attends_with_large_scores(attempt: Attempt) -> None:
    """Scores of 1000 and -1000; the large one is hidden."""
    q, k = torch.tensor([[[100.0, 0, 0, 0]]]), torch.tensor([[[20.0, 0, 0, 0], [-20.0, 0, 0, 0]]])
    v, mask = torch.tensor([[[1.0, 2, 3, 4], [5, 6, 7, 8]]]), torch.tensor([[[False, True]]])
    attempt.expect(
        attempt(q, k, v, mask),
        v[:, 1:].clone(),
        Slip(
            v[:, :1].clone(),
            "A hidden key gets the weight: the number you put at hidden places is larger than the "
            "scores of the others.",
            "Only `-torch.inf` is smaller than every score.",
        ),
        Slip(
            torch.full((1, 1, 4), math.nan),
            "With large scores your weights are NaN: `exp(1000)` is infinite, and a hidden key "
            "that took all the weight leaves 0/0.",
            "Mask the scores, then let `softmax` do the rest: it subtracts the largest first.",
        ),
        case="scores of 1000 and -1000, the first hidden",
    )


def _attends_with_one_mask_for_all(attempt: Attempt) -> None:
    """A mask of (B, 1, 1, S) for scores of (B, H, T, S)."""
    q, k, v = (torch.randn(2, 3, 4, 5, generator=attempt.random) for _ in range(3))
    mask = torch.tensor([[True, True, True, False], [True, False, False, False]])[:, None, None]
    want = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    case = "a mask of shape (2, 1, 1, 4), which broadcasts to all heads and queries"
    attempt.expect(attempt(q, k, v, mask), want, case=case)


@exercise(
    "Two questions, joined by `and`: is there a token at all, and has it been said already? "
    "Padding hides keys, so it lies along the last axis."
)
def may_look(attempt: Attempt) -> None:
    """may_look(real, causal): (B, T) bool, bool → (B, 1, T, T) bool."""
    real = torch.tensor([[True, True, True], [True, True, False]])
    keys, queries = real[:, None, None, :].expand(2, 1, 3, 3), real[:, None, :, None]
    past = torch.ones(3, 3, dtype=torch.bool).tril()
    attempt.expect(
        attempt(real, False),
        keys.clone(),
        Slip(
            queries.expand(2, 1, 3, 3).clone(),
            "Padding hides whole rows: those are the queries. Real tokens still look at padding.",
            "Keys lie along the last axis: `real[:, None, None, :]`.",
        ),
        Slip(
            keys & queries,
            "You also forbade padded queries to look anywhere: their softmax becomes 0/0.",
            "Hide padding as a key only; what a padded query finds is thrown away later.",
        ),
        Slip(
            keys & past,
            "The future is hidden although `causal` is False.",
            "Join with the triangle only if `causal`.",
        ),
        Slip(~keys, "The mask is upside down.", "Here True means *may look*."),
        Slip(
            keys | torch.eye(3, dtype=torch.bool),
            "A padded place may look at itself. Nobody looks at padding.",
            "Hide the whole column.",
        ),
        Slip(
            real[:, None, None, :],
            "The shape is (B, 1, 1, T). It broadcasts, but (B, 1, T, T) is asked for.",
            "`.expand(B, 1, T, T)`.",
        ),
        Slip(
            keys[:, 0].clone(),
            "The axis for the heads is missing: (B, T, T) meets (B, H, T, T) the wrong way.",
            "Keep an axis of length 1 behind B.",
        ),
        case="causal = False",
    )
    strictly = past.tril(-1)
    attempt.expect(
        attempt(real, True),
        keys & past,
        Slip(keys.clone(), "`causal` has no effect.", "Join with a lower triangle."),
        Slip(
            keys & past.T,
            "Each place sees itself and the future; the past is hidden.",
            "Row t, the query, sees columns 0 to t: that is `tril`.",
        ),
        Slip(
            keys & ~past,
            "You kept what the triangle was meant to hide: each place sees only the future.",
            "`tril()` says what may be seen. `triu(1)` says what may not.",
        ),
        Slip(
            keys & past & queries,
            "With `causal`, padded queries see nothing at all: their softmax becomes 0/0.",
            "Hide padding as a key only.",
        ),
        Slip(
            keys & strictly,
            "No place sees itself, so the first one sees nothing, and its softmax is 0/0.",
            "Keep the diagonal.",
        ),
        Slip(
            keys | past,
            "One reason is enough for you, so padding and future can be seen.",
            "Both must allow it: `&`.",
        ),
        Slip(
            past.expand(2, 1, 3, 3).clone(),
            "With `causal`, the padding is forgotten.",
            "Both must allow it: `&`.",
        ),
        case="causal = True",
    )
    for batch, length in ((3, 5), (1, 1), (1, 4)):
        real = torch.rand(batch, length, generator=attempt.random) < 0.7
        for causal in (False, True):
            flags = [
                [[[flag and (s <= t or not causal) for s, flag in enumerate(row)]
                  for t in range(length)]] for row in real.tolist()
            ]  # fmt: skip
            case = f"B = {batch}, T = {length}, causal = {causal}"
            attempt.expect(attempt(real, causal), torch.tensor(flags), case=case)


@exercise(
    "Each pair of columns is a clock hand, from fast to slow. Together they write down the place, "
    "without anything to learn and without a last row."
)
def sinusoidal_positions(attempt: Attempt) -> None:
    """sinusoidal_positions(length, dim): int, even int → (length, dim) float32."""
    want = _waves(3, 4)
    attempt.expect(
        attempt(3, 4),
        want,
        Slip(
            want[:, [0, 2, 1, 3]],
            "All sines stand before all cosines; here they take turns.",
            "Columns 2i and 2i + 1: `stack` them on a new last axis, then `flatten(1)`.",
        ),
        Slip(
            want[:, [1, 0, 3, 2]],
            "Sine and cosine are swapped.",
            "Even columns are sines, so row 0 begins 0, 1, 0, 1.",
        ),
        Slip(
            _waves(4, 4)[1:],
            "The first row is place 1; places count from 0.",
            "`torch.arange(length)`.",
        ),
        Slip(
            _waves(3, 4, lambda column, dim: (column // 2) / dim),
            "The exponent is i / D, so all waves are too fast.",
            "It is 2i / D, with i = 0, 1, …: `torch.arange(0, dim, 2) / dim` has it.",
        ),
        Slip(
            _waves(3, 4, lambda column, dim: column / dim),
            "Sine and cosine of a pair have different wavelengths.",
            "Both columns of a pair share the exponent 2i / D.",
        ),
        Slip(
            _waves(3, 4, lambda column, dim: 2 * column / dim),
            "You took i for the number of the column. It is the number of the pair: columns 2i "
            "and 2i + 1 share it.",
            "`torch.arange(0, dim, 2) / dim` holds 2i / D, once for each pair.",
        ),
        Slip(
            _waves(3, 4, lambda column, dim: 2 * (column - column % 2) / dim),
            "The exponent is 4i / D: `torch.arange(0, dim, 2)` already counts 2i.",
            "`torch.arange(0, dim, 2) / dim`.",
        ),
        Slip(
            _waves(3, 4, lambda column, dim: (column % 2 - column) / dim),
            "You multiplied by the power of 10000, so the waves get shorter and shorter.",
            "Divide the place by it.",
        ),
        Slip(
            want.T.contiguous(),
            "The result is (D, T).",
            "One row for each place, one column for each dimension.",
        ),
        case="length 3, dim 4",
    )
    for length, dim in ((1, 2), (7, 6), (40, 16), (5, 32)):
        attempt.expect(attempt(length, dim), _waves(length, dim), case=f"{length} × {dim}")


def _waves(
    length: int, dim: int, exponent: Callable[[int, int], float] = lambda c, d: (c - c % 2) / d
) -> Tensor:
    """Number by number; sin(x + a quarter turn) is cos(x)."""
    return torch.tensor(
        [
            [math.sin(p / 10_000 ** exponent(c, dim) + (c % 2) * math.pi / 2) for c in range(dim)]
            for p in range(length)
        ]
    )


@exercise(
    "A head is a slice of D, and it keeps its tokens apart: first cut the last axis, then move the "
    "heads forward."
)
def split_heads(attempt: Attempt) -> None:
    """split_heads(x, heads): (B, T, D), int → (B, H, T, D / H)."""
    x = torch.arange(24.0).view(2, 3, 4)
    attempt.expect(
        attempt(x, 2),
        torch.stack(x.chunk(2, dim=-1), dim=1),
        Slip(
            x.view(2, 2, 3, 2),
            "The shape is right, but tokens and heads are mixed up: head 0 holds half of all "
            "tokens instead of half of each.",
            "`view` may only cut the axis D. Then `transpose` the heads forward.",
        ),
        Slip(
            x.view(2, 3, 2, 2),
            "The heads still stand behind the tokens: (B, T, H, D / H).",
            "`transpose(1, 2)`.",
        ),
        Slip(
            x.view(2, 3, 2, 2).permute(0, 3, 1, 2),
            "Head 0 takes every second number. It is meant to take the first D / H of them.",
            "Cut D into (H, D / H), in this order.",
        ),
        Slip(
            x.view(2, 3, 2, 2).permute(2, 0, 1, 3),
            "The heads stand before the batch: (H, B, T, D / H).",
            "The batch stays first.",
        ),
        case="x of shape (2, 3, 4), two heads",
    )
    for (batch, tokens, dim), heads in (((2, 5, 12), 3), ((1, 4, 6), 6), ((3, 2, 5), 1)):
        x = torch.randn(batch, tokens, dim, generator=attempt.random)
        want = torch.stack(x.chunk(heads, dim=-1), dim=1)
        attempt.expect(attempt(x, heads), want, case=f"D = {dim}, {heads} heads")
    attempt.expect_gradient(x, 1)


@exercise(
    "Merging is splitting backwards, step by step: heads behind the tokens first, and only then "
    "side by side."
)
def merge_heads(attempt: Attempt) -> None:
    """merge_heads(x): (B, H, T, D / H) → (B, T, D)."""
    x = torch.arange(24.0).view(2, 2, 3, 2)
    attempt.expect(
        attempt(x),
        torch.cat([x[:, 0], x[:, 1]], dim=-1),
        Slip(
            x.reshape(2, 3, 4),
            "The shape is right, but each row holds parts of two tokens of one head.",
            "Bring the heads behind the tokens before you flatten.",
        ),
        Slip(
            x.permute(0, 2, 3, 1).reshape(2, 3, 4),
            "The numbers of the heads take turns. A head's numbers belong side by side.",
            "The axes before flattening are (B, T, H, D / H).",
        ),
        Slip(
            x.transpose(1, 2),
            "The heads are at the right place, but not merged yet: (B, T, H, D / H).",
            "`.flatten(2)`, or `.reshape(B, T, D)`.",
        ),
        Slip(
            x.mean(1),
            "You averaged the heads, so what each has found is lost.",
            "Put them side by side.",
        ),
        Slip(
            x.sum(1),
            "You added the heads up, so what each has found is lost.",
            "Put them side by side.",
        ),
        Slip(
            x.reshape(2, 6, 2),
            "The heads stand one after the other in time: (B, H T, D / H).",
            "They belong side by side, along the last axis.",
        ),
        case="two heads, three tokens",
    )
    for shape in ((2, 3, 5, 4), (1, 6, 4, 1), (3, 1, 2, 5)):
        x = torch.randn(shape, generator=attempt.random)
        want = torch.cat(list(x.unbind(1)), dim=-1)
        attempt.expect(attempt(x), want, case=f"an input of {shape}")
    attempt.expect_gradient(x)


@exercise(
    "WordPiece is greedy: the longest piece first, never looking back. That is why one missing "
    "piece makes a whole word unknown."
)
def wordpiece(attempt: Attempt) -> None:
    """wordpiece(word, vocabulary): str, set of str → list of str."""
    pieces = {"t", "to", "tok", "en", "s", "##o", "##k", "##e", "##n", "##s", "##en", "##ens"}
    attempt.expect(
        attempt("tokens", pieces),
        ["tok", "##ens"],
        Slip(
            ["t", "##o", "##k", "##e", "##n", "##s"],
            "You take the shortest piece that fits.",
            "Try the whole rest first, and shorten it from the right.",
        ),
        Slip(
            ["tok", "en", "s"],
            "Pieces inside the word are looked up without ##, as if they began a word.",
            "From the second piece on, look up `'##' + part`.",
        ),
        Slip(
            ["tok", "ens"],
            "The pieces are right, but the ## is lost, so `tok ens` could be two words.",
            "Give back the pieces as they stand in the vocabulary.",
        ),
        Slip(
            ["tok", "##en", "##s"],
            "The last piece could be longer: ##ens is in the vocabulary.",
            "Let the end run from the end of the word, not from one before.",
        ),
        case="the word tokens",
    )
    attempt.expect(
        attempt("tokenx", pieces),
        ["[UNK]"],
        Slip(
            ["tok", "##en", "[UNK]"],
            "Only the rest is marked as unknown. In WordPiece the whole word is.",
            "As soon as nothing fits, return `['[UNK]']` alone.",
        ),
        Slip(
            ["tok", "##en"],
            "The rest that fits nothing is dropped without a trace.",
            "As soon as nothing fits, return `['[UNK]']` alone.",
        ),
        Slip([], "An unknown word disappears.", "Return `['[UNK]']`."),
        case="the word tokenx, whose x is unknown",
    )
    attempt.expect(
        attempt("kens", pieces),
        ["[UNK]"],
        Slip(
            ["##k", "##ens"],
            "A piece with ## was used at the beginning of a word.",
            "The first piece is looked up without ##.",
        ),
        case="the word kens: no piece begins with k",
    )
    attempt.expect(
        attempt("tot", pieces),
        ["[UNK]"],
        Slip(
            ["to", "##t"],
            "A piece that begins words was used inside one: ##t is not in the vocabulary.",
            "From the second piece on, look up `'##' + part` and nothing else.",
        ),
        case="the word tot, and no piece ##t",
    )
    attempt.expect(
        attempt("unhappy", {"un", "unhap", "##happy"}),
        ["[UNK]"],
        Slip(
            ["un", "##happy"],
            "You gave a piece back when the rest did not fit. WordPiece never looks back.",
            "Take the longest piece, here unhap, and stay with it.",
        ),
        case="the word unhappy and the pieces un, unhap, ##happy",
    )
    film = {"剧", "剧情", "##情", "##不", "##拖", "##沓", "##拖沓", "##不拖"}
    for word, want in (
        ("剧情不拖沓", ["剧情", "##不拖", "##沓"]),
        ("剧", ["剧"]),
        ("拖沓", ["[UNK]"]),
    ):
        attempt.expect(attempt(word, film), want, case=f"the word {word}")
    if len(pieces) != 12:
        attempt.stop(
            "Your code changed the vocabulary, so the next word is cut by another one.",
            "Only look pieces up; [UNK] is an answer, not a piece.",
        )


@exercise(
    "Macro-F1 gives every class one vote, however rare it is. A model that never names a rare "
    "class pays for it here, and hardly in accuracy."
)
def macro_f1(attempt: Attempt) -> None:
    """macro_f1(predicted, labels, num_classes): (N,), (N,) int64, int → float."""
    labels = torch.tensor([0, 0, 0, 0, 0, 1, 1, 2])
    predicted = torch.tensor([0, 0, 0, 0, 1, 1, 0, 0])
    f1, precision, recall = [8 / 11, 1 / 2, 0.0], (4 / 6 + 1 / 2) / 3, (4 / 5 + 1 / 2) / 3
    want = sum(f1) / 3
    attempt.expect(
        attempt(predicted, labels, 3),
        want,
        Slip(
            torch.tensor(want), "The value is right, but it is a tensor.", "`.item()` takes it out."
        ),
        Slip(
            5 / 8,
            "That is accuracy: counted over all texts, F1 is nothing else.",
            "One F1 for each class, then their plain mean.",
        ),
        Slip(
            (5 * f1[0] + 2 * f1[1]) / 8,
            "The classes are weighted by their size, so the rare ones hardly count.",
            "A plain mean: one vote for each class.",
        ),
        Slip(
            (4 / 7 + 1 / 3) / 3,
            "You divided TP by TP + FP + FN: that is the intersection over the union.",
            "F1 counts the hits twice, above and below: 2 TP / (2 TP + FP + FN).",
        ),
        Slip(
            ((4 / 6 + 4 / 5) / 2 + 1 / 2) / 3,
            "For each class you took the plain mean of precision and recall.",
            "F1 is their harmonic mean, 2 TP / (2 TP + FP + FN).",
        ),
        Slip(
            f1[1],
            "That is the F1 of class 1 alone.",
            "One F1 for each of the classes, then their mean.",
        ),
        Slip(
            sum(f1) / 2,
            "The class that was never right drops out, instead of counting as 0.",
            "A class without a true positive has F1 = 0. Divide by `num_classes`.",
        ),
        Slip(
            recall, "That is the mean recall.", "F1 also counts what was wrongly put into a class."
        ),
        Slip(precision, "That is the mean precision.", "F1 also counts what a class has missed."),
        Slip(
            2 * precision * recall / (precision + recall),
            "You combined mean precision and mean recall.",
            "First one F1 for each class, then the mean.",
        ),
        case="three classes of 5, 2 and 1 texts",
    )
    attempt.expect(
        attempt(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 0, 1, 1]), 4),
        (2 / 3 + 4 / 5) / 4,
        Slip(
            (2 / 3 + 4 / 5 + 2) / 4,
            "Classes that do not occur count as 1.",
            "0/0 counts as 0 here: a class nobody has seen proves nothing.",
        ),
        Slip(
            (2 / 3 + 4 / 5) / 2,
            "Classes that do not occur are left out, so the mean is not over all `num_classes`.",
            "Count them as 0, and divide by `num_classes`.",
        ),
        case="four classes, of which two do not occur",
    )
    for size, classes in ((30, 4), (7, 2), (1, 2), (12, 5)):
        labels = torch.randint(classes, (size,), generator=attempt.random)
        predicted = torch.randint(classes, (size,), generator=attempt.random)
        names = list(range(classes))
        want = f1_score(labels, predicted, labels=names, average="macro", zero_division=0)
        case = f"{size} texts, {classes} classes"
        attempt.expect(attempt(predicted, labels, classes), float(want), case=case)


TEXTS = ["好看", "无聊", " 好看", "一般", "无聊", "一般", "太长", "精彩", "很  好", "很 好"]
TEXTS += ["一般 ", "难看", "难看\n", "很好", "很\t好", "催泪"]
LABELS = [1, 0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1]
KEPT = [0, 1, 6, 7, 8, 13, 15]  # the first of each text, without 一般 and 难看: praise and blame


@exercise(
    "Duplicates go first, then comes the split. The other way round, the test asks questions whose "
    "answers were learnt by heart."
)
def split_without_duplicates(attempt: Attempt) -> None:
    """split_without_duplicates(texts, labels, test_share, seed) → places to train on, to test."""
    train, test = _places(attempt, TEXTS, LABELS, 0.4, 0)
    _shares_nothing(attempt, train, test)
    attempt.expect(
        sorted(train + test),
        KEPT,
        Slip(
            sorted([*KEPT, 3, 11]),
            "A text stays although its two labels contradict each other: whichever is kept is a "
            "guess.",
            "Leave out every text that occurs with both labels.",
        ),
        Slip(
            sorted([*KEPT, 10]),
            "一般, thrown out for its two labels, came back with its third copy, at place 10.",
            "Remember what was thrown out, or decide when all texts have been seen.",
        ),
        Slip(
            sorted([*KEPT, 11]),
            "Places 11 and 12 differ only in spaces and have both labels, and one of them stays.",
            "Compare labels for the same form of the text as you compare texts.",
        ),
        Slip(
            [place for place in KEPT if place != 13],
            "You took away all spaces, so 很 好 and 很好 became one text.",
            'Compare `" ".join(text.split())`: one space stays where there were some.',
        ),
        Slip(
            [2, 4, 6, 7, 13, 14, 15],
            "Of each text you kept the last, not the first.",
            "Keep a place only if its text has not been seen before.",
        ),
        Slip(
            [6, 7, 13, 15],
            "Every text that occurs twice was thrown away altogether.",
            "Keep the first of its kind.",
        ),
        name="all places of both parts, sorted",
        case="seven different texts that can be kept",
    )
    _has_its_size(attempt, test, 3, 7, 0.4)
    texts = [f"text {number}" for number in range(40)]
    labels = [number % 2 for number in range(40)]
    before = _global_state()
    parts = [_places(attempt, texts, labels, 0.26, seed) for seed in (0, 0, 1)]
    for train, test in parts:
        _has_its_size(attempt, test, 10, 40, 0.26)
        attempt.expect(sorted(train + test), list(range(40)), name="all places, sorted")
    _is_drawn(attempt, [frozenset(test) for _, test in parts])
    if _global_state() != before:
        attempt.stop(
            "Your split sets the seed of the whole program, so whatever is drawn after it (initial "
            "weights, dropout) depends on this function, too.",
            "Make a generator of its own: `torch.Generator().manual_seed(seed)`.",
        )


def _global_state() -> tuple:
    """Where the random numbers of Python, NumPy and PyTorch stand."""
    numpy_state = np.random.get_state()  # noqa: NPY002
    numbers = torch.get_rng_state().numpy().tobytes()
    return random.getstate(), numpy_state[1].tobytes(), numpy_state[2], numbers


def _places(
    attempt: Attempt, texts: list[str], labels: list[int], share: float, seed: int
) -> tuple[list[int], list[int]]:
    """What the learner's function gives, if it is two lists of places."""
    got = attempt(texts, labels, share, seed)
    attempt.expect(None, 0) if got is None or got is ... else None
    parts = list(got) if isinstance(got, (tuple, list)) and len(got) == 2 else [None]
    if not all(_is_places(part, len(texts)) for part in parts):
        attempt.stop(
            "The answer is not a pair of lists of places, such as `([0, 2], [1])`.",
            "Return two lists of Python integers, each a place in `texts`.",
            gave=got,
        )
    return parts[0], parts[1]


def _is_places(part: object, count: int) -> bool:
    return isinstance(part, list) and all(type(i) is int and 0 <= i < count for i in part)


def _shares_nothing(attempt: Attempt, train: Sequence[int], test: Sequence[int]) -> None:
    """Stop if a text stands twice, in two parts or in one."""
    for form, why, next_step in (
        (str, "", "Drop what stands there twice *before* you split."),
        (
            lambda text: " ".join(filter(None, text.split(" "))),
            " Only their spaces differ.",
            'Compare `" ".join(text.split())`.',
        ),
        (
            lambda text: " ".join(text.split()),
            " They differ only where one has a tab or a line end.",
            "`text.split()` without an argument splits at tabs and line ends, too.",
        ),
    ):
        first, second = ([form(TEXTS[i]) for i in part] for part in (train, test))
        shared = sorted({*first} & {*second})
        if shared:
            attempt.stop(f"{shared[0]!r} stands in both parts: that is a leak.{why}", next_step)
        if len({*first}) < len(first) or len({*second}) < len(second):
            attempt.stop(f"A text stands twice in one part, so it counts twice.{why}", next_step)


def _has_its_size(attempt: Attempt, test: list, want: int, kept: int, share: float) -> None:
    attempt.expect(
        len(test),
        want,
        Slip(
            kept - want,
            "The two parts are swapped.",
            "Training places first, test places second.",
        ),
        Slip(
            math.floor(share * kept),
            "The size is cut off, not rounded: `int(2.8)` is 2.",
            "`round(test_share * kept)`.",
        ),
        Slip(
            math.ceil(share * kept),
            "The size is rounded up, not to the nearest number.",
            "`round(test_share * kept)`.",
        ),
        Slip(
            round(share * len(TEXTS)),
            "The test part is a share of all texts, duplicates included.",
            "Take the share of what is left after dropping duplicates.",
        ),
        name="the number of test texts",
        case=f"{kept} texts to split, a share of {share}",
    )


def _is_drawn(attempt: Attempt, tests: list[frozenset[int]]) -> None:
    """Stop unless equal seeds draw equally, and different ones differently."""
    if tests[0] != tests[1]:
        attempt.stop(
            "The same seed gives another split the second time, so no result can be repeated.",
            "Make a new generator from the seed: `torch.Generator().manual_seed(seed)`.",
        )
    if tests[0] == tests[2]:
        attempt.stop(
            "Another seed gives the same test part: it is not drawn at random. Files are often "
            "sorted by label.",
            "Shuffle the places with a generator of that seed, then cut.",
        )
