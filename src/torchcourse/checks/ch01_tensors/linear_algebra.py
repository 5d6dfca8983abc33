"""Checkers of chapter 1's lab 2: linear algebra and least squares."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from torchcourse.checks.compare import has_values
from torchcourse.checks.core import Attempt, Slip, exercise


@exercise(
    "One equation, `bi,ij,bj->b`, does a whole batch: i and j are missing after the arrow, so "
    "they are summed; b stays on both sides, so the vectors never mix."
)
def quadratic_forms(attempt: Attempt) -> None:
    """quadratic_forms(x, A): (B, D), (D, D) → (B,), entry b is x[b]ᵀ A x[b]."""
    x = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    A = torch.tensor([[2.0, 1.0], [0.0, 3.0]])
    want = torch.tensor([16.0, 18.0])
    half_way = "You stopped half-way, at one vector of length D for each input."
    attempt.expect(
        attempt(x, A),
        want,
        Slip(
            torch.tensor([[16.0, -1.0], [6.0, 18.0]]),
            "You combined each vector with every other: (B, B). Only the diagonal is asked for.",
            "Let the same letter `b` stand on both vectors and in the result.",
        ),
        Slip(
            torch.tensor([14.0, 21.0]),
            "You used only the diagonal of A, so the mixed terms such as A₀₁·x₀·x₁ are missing.",
            "The two sides of A need two different letters: `ij`, not `ii`.",
        ),
        Slip(
            torch.tensor([15.0, 30.0]),
            "You squared the entries first: that gives Σ x_i² A_ij, not Σ x_i A_ij x_j.",
            "Use x twice, once for the rows of A and once for its columns.",
        ),
        Slip(
            torch.tensor([52.0, 34.0]),
            "This is the squared length of A x. There A counts twice, here x does.",
            "Take the dot product of A x with x itself.",
        ),
        Slip(
            torch.tensor([20.0, 14.0]),
            "You summed over the batch: one number for each of the D entries is left.",
            "One number for each vector is asked for: let D disappear, `dim=1`.",
        ),
        Slip(
            torch.tensor([[2.0, 14.0], [18.0, 0.0]]),
            "The terms are there, but not added up.",
            "Sum over D, `dim=1`.",
        ),
        Slip(
            torch.tensor(34.0),
            "You added up the whole batch: one number is left, and B are asked for.",
            "A letter missing after the arrow is summed. Which one must stay?",
        ),
        Slip(
            torch.tensor([[4.0, 6.0], [5.0, -3.0]]),
            half_way,
            "Multiply by x again, and sum over D.",
        ),
        Slip(
            torch.tensor([[2.0, 7.0], [6.0, 0.0]]), half_way, "Multiply by x again, and sum over D."
        ),
        Slip(
            want[:, None],
            "The values are right, but an axis of length 1 is left: (B, 1).",
            "Leave out `keepdim=True`, or drop the axis by name.",
        ),
    )
    for batch, size in ((5, 3), (4, 4), (1, 6)):
        x = torch.randn(batch, size, generator=attempt.random)
        A = torch.randn(size, size, generator=attempt.random)
        want = F.bilinear(x, x, A[None]).flatten()
        attempt.expect(
            attempt(x, A),
            want,
            Slip(
                want.sum(),
                "With a single vector, the batch axis disappeared.",
                "A bare `squeeze()` or `sum()` takes it along; name the axis you mean.",
            ),
            case="a single vector" if batch == 1 else f"{batch} vectors of length {size}",
        )
    attempt.expect_gradient(x, A)
    attempt.expect_no_loop()


@exercise(
    "Multiplying again and again makes the strongest direction win; scaling keeps the numbers "
    "finite; and v · A v gives the eigenvalue with its sign. Web search began with this loop."
)
def power_iteration(attempt: Attempt) -> None:
    """power_iteration(A, start, steps): (D, D) symmetric, (D,) → eigenvalue (), vector (D,)."""
    A, start = torch.tensor([[2.0, 1.0], [1.0, 2.0]]), torch.tensor([1.0, 0.0])
    vector = torch.tensor([2.0, 1.0]) / 5**0.5
    value = torch.tensor(2.8)
    flat = "You scaled by the largest entry or by the sum of the entries, not to length 1."
    euclid = "The length of v is the root of the sum of its squares, `v.norm()`."
    attempt.expect(
        attempt(A, start, 1),
        (value, vector),
        Slip(
            (torch.tensor(5**0.5), vector),
            "You took the length of A v as the eigenvalue. It is one step late, and can never be "
            "negative.",
            "Use the final vector: v · (A v).",
        ),
        Slip(
            (torch.tensor(14.0), torch.tensor([2.0, 1.0])),
            "Your vector never gets back to length 1. After a hundred steps it would overflow.",
            "Divide by the length inside the loop, after each multiplication.",
        ),
        Slip(
            (value, torch.tensor([2.0, 1.0])),
            "The eigenvalue is right, but the vector you return does not have length 1.",
            "Divide by the length inside the loop, after each multiplication.",
        ),
        *(
            Slip((number, torch.tensor([2.0, 1.0]) / by), flat, euclid)
            for by in (2.0, 3.0)
            for number in (value, torch.tensor(14.0) / by**2)
        ),
        Slip(
            (torch.tensor(3.0), torch.tensor([0.5, 0.5]).sqrt()),
            "That is the exact eigenvector, although only one step was asked for.",
            "Do not call `eigh` or loop until nothing changes: take `steps` steps from `start`.",
        ),
        Slip(
            (torch.tensor(2.0), start),
            "You returned the vector before its last step.",
            "With steps = 1, A must have been applied once. Look at the bounds of the loop.",
        ),
        Slip(
            (torch.tensor(122 / 41), torch.tensor([5.0, 4.0]) / 41**0.5),
            "You took one step too many.",
            "With steps = 1, A must have been applied exactly once to get the vector.",
        ),
        Slip(
            (vector, value),
            "The two results are exchanged.",
            "Return the eigenvalue first, then the vector.",
        ),
        case="a single step from (1, 0)",
    )
    for size, strongest, steps in ((4, 7.0, 60), (6, -5.0, 80), (3, 1000.0, 61), (1, -2.0, 3)):
        axes = torch.linalg.qr(torch.randn(size, size, generator=attempt.random).double()).Q
        values = torch.linspace(-0.5, 0.5, size).double() * strongest  # half as strong, and mixed
        values[0] = strongest
        A = ((axes * values) @ axes.T).float()
        start = (2 * axes[:, 0] + axes.sum(1)).float()  # leans towards the strongest
        vector = (axes[:, 0] * (1 if strongest > 0 else (-1) ** steps)).float()
        attempt.expect(
            attempt(A, start, steps),
            (torch.tensor(strongest), vector),
            Slip(
                (torch.tensor(abs(strongest)), vector),
                "The strongest eigenvalue is negative here, and you lost its sign.",
                "A length is never negative. v · (A v) keeps the sign.",
            ),
            case=f"a {size} × {size} matrix whose strongest eigenvalue is {strongest:g}",
        )


@exercise(
    "The share of the energy is counted in squares: one strong layer outweighs many weak ones. "
    "So a rank chosen from the data says how simple the data are."
)
def low_rank(attempt: Attempt) -> None:
    """low_rank(A, share): (m, n) → (m, n), the lowest rank that keeps `share` of Σ A²."""
    A = torch.zeros(5, 6)
    for row, (column, value) in enumerate(((2, 2.0), (5, -8.0), (0, 1.0), (1, 4.0), (3, -2.0))):
        A[row, column] = value  # so the singular values are 8, 4, 2, 2, 1
    want = A * (A.abs() >= 4)
    got = attempt(A, 0.85)
    if isinstance(got, torch.Tensor) and got.shape == (5, 5):
        attempt.stop(
            "The result has shape (5, 5), but (5, 6) is asked for: you took columns of Vh.",
            "Layer k is made of the column `U[:, k]` and the row `Vh[k]`.",
            expected=want,
            gave=got,
        )
    attempt.expect(
        got,
        want,
        Slip(
            A * (A.abs() >= 8),
            "One layer is missing: yours keep 64 of 89, which is less than a share of 0.85.",
            "If position k is the first that reaches the share, you need k + 1 layers.",
        ),
        Slip(
            want + A * (A.abs() == 2) * (torch.arange(5)[:, None] == 0),
            "One layer too many: two already keep 80 of 89, which is more than 0.85.",
            "Stop as soon as the share is reached.",
        ),
        Slip(
            want + A * (A.abs() == 2) * (torch.arange(5)[:, None] == 4),
            "One layer too many: two already keep 80 of 89, which is more than 0.85.",
            "Stop as soon as the share is reached.",
        ),
        Slip(
            A * (A.abs() >= 2),
            "You added up the singular values themselves: 14 of 17 is less than 0.85.",
            "Energy is counted in squares: 64 + 16 of 89.",
        ),
        Slip(
            A,
            "Everything is kept: you took 85 % of the number of layers, not of the energy.",
            "Ask how much the first layers keep, as a share of the sum of all squares.",
        ),
        Slip(
            want.sign(),
            "The directions are right, but all layers weigh the same: S is missing.",
            "Scale the columns of U by the singular values before you multiply by Vh.",
        ),
        Slip(
            A * ((A.abs() <= 2) & (A != 0)),
            "You kept the weak layers and dropped the strong ones.",
            "`svd` returns the singular values in descending order.",
        ),
        Slip(want.T, "Rows and columns are exchanged.", "Start from U, of shape (m, r)."),
    )
    for rows, columns, sigma, share, rank in (
        (7, 4, (9.0, 5.0, 3.0, 1.0), 0.95, 3),
        (4, 6, (2.0, 1.9, 1.8, 1.7), 0.5, 2),
        (3, 3, (5.0, 0.3, 0.2), 0.9, 1),
        (1, 5, (3.0,), 0.2, 1),
    ):
        left, right = _frame(attempt, rows, len(sigma)), _frame(attempt, columns, len(sigma))
        strength = torch.tensor(sigma, dtype=torch.float64)
        parts = (left * strength).T[:, :, None] * right.T[:, None, :]  # (layers, rows, columns)
        attempt.expect(
            attempt(parts.sum(0), share),
            parts[:rank].sum(0),
            case=f"singular values {', '.join(map('{:g}'.format, sigma))} and a share of {share}",
        )
    attempt.expect(
        attempt(A, 1.0),
        A,
        Slip(
            A * (A.abs() >= 8),
            "With a share of 1.0 a single layer is left: rounding kept every partial sum below 1, "
            "and `argmax` of nothing but False is 0.",
            "Count how many partial sums are still below the share, and clamp; or use "
            "`torch.searchsorted`.",
        ),
        case="a share of 1.0",
    )


def _frame(attempt: Attempt, size: int, count: int) -> torch.Tensor:
    """`count` random perpendicular columns of length 1: (size, count) float64."""
    return torch.linalg.qr(torch.randn(size, count, generator=attempt.random).double()).Q


@exercise(
    "A column of ones turns the intercept into one more weight, and `lstsq` finds all of them at "
    "once, without forming XᵀX."
)
def fit_linear(attempt: Attempt) -> None:
    """fit_linear(X, y): (N, D), (N,) → weights (D,), intercept ()."""
    X, y = torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([1.0, 0.0, 2.0, 5.0])
    weights, intercept = torch.tensor([1.4]), torch.tensor(-0.1)
    origin = torch.tensor([19 / 14])
    attempt.expect(
        attempt(X, y),
        (weights, intercept),
        *(
            Slip(
                (origin, nothing),
                "Your line is forced through the origin: the column of ones is missing.",
                "Append a column of ones to X; its weight is the intercept.",
            )
            for nothing in (torch.tensor(0.0), torch.zeros(1))
        ),
        Slip(
            (torch.tensor([-0.1]), torch.tensor(1.4)),
            "Weights and intercept are exchanged.",
            "The solution has the order of your columns. Where did you put the ones?",
        ),
        Slip(
            torch.tensor([1.4, -0.1]),
            "The numbers are right, but in one tensor.",
            "Return a pair: the weights of shape (D,), and the intercept of shape ().",
        ),
        *(
            Slip(
                (torch.tensor([[1.4]]), last),
                "The weights are still a column, as `lstsq` returns it.",
                "Take column 0 of the solution, `[:, 0]`, before you split it.",
            )
            for last in (torch.tensor([-0.1]), intercept)
        ),
        Slip(
            (weights, torch.tensor([-0.1])),
            "The intercept has shape (1,), but a single number of shape () is asked for.",
            "Index with a number, `[-1]`; a slice, `[-1:]`, keeps the axis.",
        ),
        Slip(
            (torch.tensor([0.5]), torch.tensor(2.0)),
            "You moved the mean of y to 0, but not the mean of X.",
            "Either centre both, or append a column of ones and centre nothing.",
        ),
        *(
            Slip(
                (slope, torch.tensor(2.0)),
                "You took the mean of y as the intercept. The line has that height at the mean of "
                "X, not at 0.",
                "Append a column of ones and let `lstsq` find the intercept.",
            )
            for slope in (weights, origin)
        ),
    )
    for count, size in ((30, 3), (12, 5), (9, 1), (4, 3)):
        X = 3 + torch.randn(count, size, generator=attempt.random).double()
        truth = torch.randn(size + 1, generator=attempt.random).double()
        noise = torch.randn(count, generator=attempt.random).double()
        plane = torch.linalg.qr(F.pad(X, (0, 1), value=1.0)).Q
        noise -= plane @ (plane.T @ noise)  # what no plane can explain moves no weight
        attempt.expect(
            attempt(X, X @ truth[:-1] + truth[-1] + noise),
            (truth[:-1], truth[-1]),
            case=f"{count} rows and {size} feature(s), in float64",
        )


@exercise(
    "Columns that depend on each other leave the weights open, but not the predictions. `lstsq` "
    "and `pinv` take the shortest weights; an inverse has nothing to offer."
)
def predict_linear(attempt: Attempt) -> None:
    """predict_linear(X, y, X_new): (N, D), (N,), (M, D) → (M,) least-squares predictions."""
    X, y = torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([1.0, 0.0, 2.0, 5.0])
    X_new = torch.tensor([[10.0], [-1.0]])
    want = torch.tensor([13.9, -1.5])
    attempt.expect(
        attempt(X, y, X_new),
        want,
        Slip(
            torch.tensor([190 / 14, -19 / 14]),
            "There is no intercept: your line is forced through the origin.",
            "Append a column of ones, to X and to X_new.",
        ),
        Slip(
            want + 0.1,
            "You fitted an intercept, and left it out of the predictions.",
            "X_new needs its column of ones, too.",
        ),
        Slip(
            torch.tensor([-0.1, 1.3, 2.7, 4.1]),
            "You predicted the rows you fitted, and not the new ones.",
            "Multiply X_new, not X, by the weights.",
        ),
        Slip(
            torch.tensor([9.7, -5.7]),
            "You centred the new rows by their own mean. A prediction for one row must not depend "
            "on the others.",
            "Use the mean of X, the rows you fitted, for both.",
        ),
        Slip(
            want[:, None],
            "The values are right, but as a column, (M, 1).",
            "For a column `lstsq` answers with a column: take it back with `[:, 0]`.",
        ),
        Slip(
            torch.tensor([1.4, -0.1]),
            "These are the weights and the intercept; the forecasts are asked for.",
            "Multiply X_new, with its column of ones, by them.",
        ),
    )
    features = torch.randn(8, 2, generator=attempt.random).double()
    plane = torch.randn(2, generator=attempt.random).double()
    new = torch.randn(3, 2, generator=attempt.random).double()
    celsius = torch.tensor([[0.0, 1.8]], dtype=torch.float64)
    for case, build in (
        ("a column that is zero everywhere", lambda x: F.pad(x, (0, 1))),
        ("a column that appears twice", lambda x: torch.cat([x, x[:, :1]], 1)),
        ("degrees Celsius beside Fahrenheit", lambda x: torch.cat([x, x @ celsius.T + 32], 1)),
    ):
        for rows in (new, new[:1]):
            want = rows @ plane + 4  # the truth lies on a plane, so no row is off
            attempt.expect(
                attempt(build(features), features @ plane + 4, build(rows)),
                want,
                Slip(
                    want.squeeze(),
                    "With a single new row, the axis disappeared.",
                    "A bare `squeeze()` removes every axis of length 1: name the one you mean.",
                ),
                case=case if len(rows) > 1 else "a single new row",
            )


@exercise(
    "You built a fragile system: b hardly moved, and x did. Not the determinant decides that but "
    "the condition number, and the direction of the push."
)
def fragile_system(attempt: Attempt) -> None:
    """fragile_system() → A (2, 2), b (2,), b_new (2,): b moves by ≤ 1 %, A⁻¹b by ≥ 100 %."""
    A, b, b_new = _system(attempt, attempt())
    if A.abs().max() > 10:
        attempt.stop("An entry of A is larger than 10.", "Keep them all between -10 and 10.")
    condition = torch.linalg.cond(A).item()
    if not condition < 1e12:
        attempt.stop(
            "A is singular, so there is no single solution that could move.",
            "The two rows may be almost parallel, but not quite.",
            gave=A,
        )
    change = ((b_new - b).norm() / b.norm()).item()
    if not 0 < change <= 0.01:
        attempt.stop(
            f"b moves by {change:.3%} of its length; more than 0 % and at most 1 % is asked for.",
            "Change b less, and A so that it hurts more."
            if change
            else "b and b_new must differ a little.",
        )
    x, x_new = torch.linalg.solve(A, torch.stack([b, b_new], 1)).T
    if (x_new - x).norm() < x.norm():
        _explain_sturdiness(attempt, A, condition, ((x_new - x).norm() / x.norm()).item())


def _explain_sturdiness(attempt: Attempt, A: torch.Tensor, condition: float, moved: float) -> None:
    """Stop with the reason why the solution moved too little."""
    if condition >= 100:
        attempt.stop(
            f"A is fragile enough (condition {condition:.0f}), but x moves by {moved:.1%} only: "
            "you pushed b in a direction in which A is strong.",
            "Try the push on paper: which change of b do almost parallel lines feel?",
        )
    if abs(torch.linalg.det(A).item()) < 0.01:
        attempt.stop(
            f"The determinant of A is small, but its condition number is {condition:.1f}: A only "
            "makes everything small, b and its change alike.",
            "Look for rows that point almost the same way.",
            gave=A,
        )
    attempt.stop(
        f"x moves by {moved:.1%} only: with a condition number of {condition:.1f}, A cannot "
        "enlarge 1 % to 100 %.",
        "You need a condition number of 100 or more: two rows that point almost the same way.",
        gave=A,
    )


def _system(attempt: Attempt, got: object) -> list[torch.Tensor]:
    """The three parts in float64, once their kind, shape and values allow it."""
    if not isinstance(got, (tuple, list)) or len(got) != 3:
        attempt.expect(got, (torch.zeros(2, 2), torch.zeros(2), torch.zeros(2)))
    for part, name, shape in zip(got, ("A", "b", "b_new"), ((2, 2), (2,), (2,)), strict=True):
        if not isinstance(part, torch.Tensor) or not has_values(part) or part.shape != shape:
            attempt.stop(f"{name} must be a tensor of shape {shape}.", gave=part)
        if not part.is_floating_point() or not part.isfinite().all():
            attempt.stop(f"{name} must hold finite floating numbers, such as 1.0.", gave=part)
    parts = [part.detach().cpu().double() for part in got]
    if parts[1].norm() == 0:
        attempt.stop("b is zero, so no change of it can be measured in per cent.", gave=got[1])
    return parts
