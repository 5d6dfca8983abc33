"""Checkers of chapter 1's labs."""

from __future__ import annotations

import torch

from torchcourse.checks.core import Attempt, Slip, exercise


@exercise(
    "A mean over real tokens has two halves: a sum that skips padding, and a count that does too. "
    "A mask shaped (B, T, 1) broadcasts over all D features at once."
)
def masked_mean(attempt: Attempt) -> None:
    """masked_mean(x, mask): (B, T, D) float, (B, T) bool → (B, D)."""
    x = torch.tensor(
        [[[1.0, 10.0], [3.0, 20.0], [90.0, 90.0]], [[5.0, 50.0], [70.0, 70.0], [80.0, 80.0]]]
    )
    mask = torch.tensor([[True, True, False], [True, False, False]])
    want = torch.tensor([[2.0, 15.0], [5.0, 50.0]])
    attempt.expect(
        attempt(x, mask),
        want,
        Slip(
            x.mean(1),
            "You averaged over all T positions, padding included.",
            "Use the mask: it says which tokens are real.",
        ),
        Slip(
            torch.tensor([[4.0, 30.0], [5.0, 50.0]]) / 3,
            "You left padding out of the sum, but divided by T, padding included.",
            "Divide each row by the number of its own real tokens, `mask.sum(dim=1)`.",
        ),
        Slip(
            torch.tensor([[90.0, 90.0], [75.0, 75.0]]),
            "You averaged the padding and left the real tokens out: the mask is upside down.",
            "True marks a real token, so the weight of a token is `mask`, not `~mask`.",
        ),
        Slip(
            torch.tensor([3.0, 80.0 / 3]),
            "You averaged all real tokens of the whole batch together: the rows are mixed.",
            "`x[mask]` forgets which row a token came from. Weight with the mask and sum over "
            "`dim=1` instead.",
        ),
        Slip(
            want[:, None],
            "The values are right, but the axis of length 1 is still there: (B, 1, D).",
            "`keepdim=True` helps while you divide, not in what you return.",
        ),
        Slip(
            torch.tensor([[4.0, 30.0], [5.0, 50.0]]),
            "You added the real tokens up, but did not divide by their number.",
            "Divide by `mask.sum(dim=1)`, shaped so that it broadcasts against (B, D).",
        ),
    )
    for batch, tokens, features in ((3, 5, 2), (1, 4, 7), (6, 6, 3)):
        x, mask, want = _sentences(attempt, batch, tokens, features)
        case = "a batch of one" if batch == 1 else "padding in the middle of the sentences"
        lengths = mask.sum(1)
        leading = torch.stack([row[:n].mean(0) for row, n in zip(x, lengths, strict=True)])
        attempt.expect(
            attempt(x, mask),
            want,
            Slip(
                leading,
                "You took the first tokens of each row, as if padding always came last.",
                "Use the mask at each position, not only its sum.",
            ),
            Slip(
                want.squeeze(0),
                "With a batch of one, the batch axis disappeared.",
                "A bare `squeeze()` removes every axis of length 1: name the one you mean.",
            ),
            case=case,
        )
    attempt.expect_gradient(x, mask)


def _sentences(attempt: Attempt, batch: int, tokens: int, features: int):
    """Random sentences built from their means: real tokens scatter around them and cancel out."""
    mean = torch.randn(batch, features, generator=attempt.random)
    x = 50 + 50 * torch.rand(batch, tokens, features, generator=attempt.random)  # padding: large
    mask = torch.rand(batch, tokens, generator=attempt.random) < 0.6
    mask[:, -1] = True  # so that no row is without a real token
    for row in range(batch):
        real = mask[row].nonzero().flatten()
        scatter = torch.randn(len(real), features, generator=attempt.random)
        x[row, real] = mean[row] + scatter - scatter.mean(0)
    return x, mask, mean
