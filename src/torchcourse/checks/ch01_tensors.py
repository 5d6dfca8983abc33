"""Checkers of chapter 1's labs."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

from torchcourse.checks.compare import has_values, kind
from torchcourse.checks.core import Attempt, Slip, exercise
from torchcourse.scalar import Value


@exercise(
    "A mean over real tokens has two halves: a sum that skips padding, and a count that does too. "
    "A mask shaped (B, T, 1) broadcasts over all D features at once."
)
def masked_mean(attempt: Attempt) -> None:
    """masked_mean(x, mask): (B, T, D) float, (B, T) bool → (B, D)."""
    x = torch.tensor(
        [
            [[1.0, 10.0], [3.0, 20.0], [90.0, 90.0], [90.0, 90.0]],
            [[5.0, 50.0], [70.0, 70.0], [80.0, 80.0], [75.0, 75.0]],
        ]
    )
    mask = torch.tensor([[True, True, False, False], [True, False, False, False]])
    total = torch.tensor([[4.0, 30.0], [5.0, 50.0]])
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
            total / 4,
            "You left padding out of the sum, but divided by T, padding included.",
            "Divide each row by the number of its own real tokens, `mask.sum(dim=1)`.",
        ),
        Slip(
            total / 3,
            "You divided every row by the number of real tokens in the whole batch.",
            "`mask.sum()` counts all rows together; `mask.sum(dim=1)` counts each on its own.",
        ),
        Slip(
            total / torch.tensor([2.0, 1.0]),
            "The counts, (B,), lined up with D: the count of row 0 divided column 0 of every row. "
            "It ran only because B and D are both 2 here.",
            "Keep the axis: `mask.sum(dim=1, keepdim=True)` has shape (B, 1).",
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
            total,
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


@exercise(
    "Comparing a column of labels, (B, 1), with a row of classes, (C,), asks B × C questions at "
    "once. That is the step from a loop to a broadcast."
)
def one_hot(attempt: Attempt) -> None:
    """one_hot(labels, num_classes): (B,) int64 → (B, C) float32."""
    labels = torch.tensor([2, 0, 1])
    want = torch.tensor([[0.0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]])
    attempt.expect(
        attempt(labels, 4),
        want,
        Slip(
            want.bool(),
            "The positions are right, but you return True and False.",
            "Networks compute with floating numbers: `.float()` turns True into 1.0.",
        ),
        Slip(
            want.long(),
            "The positions are right, but you return whole numbers (int64).",
            "`.float()` makes them floating; `F.one_hot` needs it too.",
        ),
        Slip(
            want.T,
            "Rows and columns are exchanged: you return (C, B).",
            "Each row belongs to one label, so the labels form the column: `labels[:, None]`.",
        ),
        Slip(
            want[:, :3],
            "You made as many columns as there are different labels, and ignored `num_classes`.",
            "A batch need not contain every class; count the columns with `num_classes`.",
        ),
        Slip(
            F.pad(want[:, 1:], (0, 1)),
            "Your classes count from 1, but labels count from 0.",
            "`torch.arange(num_classes)` starts at 0.",
        ),
        Slip(
            want.roll(-1, 1),
            "Each 1 stands one column too far to the left: labels count from 0 already.",
            "Use the labels as they are, without subtracting 1.",
        ),
        Slip(
            torch.ones(3, 4),
            "Every entry is 1: `out[labels] = 1` takes the labels for rows and fills whole rows.",
            "A place has two coordinates: row i, and column labels[i].",
        ),
        Slip(
            1 - want,
            "Ones and zeros are exchanged: the 1 marks the class, not the rest.",
            "Ask `==`, not `!=`.",
        ),
    )
    for batch, classes in ((5, 3), (4, 4), (1, 6)):
        labels = torch.randint(classes, (batch,), generator=attempt.random)
        want = F.one_hot(labels, classes).float()
        attempt.expect(
            attempt(labels, classes),
            want,
            Slip(
                (labels == labels.new_tensor(range(batch))).float(),
                "With as many labels as classes you compared them one to one: (B,) with (C,).",
                "Give the labels an axis of their own, (B, 1), so that each meets every class.",
            ),
            Slip(
                want.squeeze(0),
                "With a single label, the batch axis disappeared.",
                "One label still makes a batch: the shape is (1, C). Which line drops an axis?",
            ),
            case="a single label" if batch == 1 else f"{batch} labels and {classes} classes",
        )
    attempt.expect_no_loop()


@exercise(
    "`view` splits axes and `permute` brings them into a new order; only `reshape` at the end "
    "moves numbers in memory. Vision Transformers cut their patches in just this way."
)
def to_tiles(attempt: Attempt) -> None:
    """to_tiles(image, size): (C, H, W) → (N, C, size, size), tiles row by row."""
    image = torch.arange(24.0).view(1, 4, 6)
    corners = torch.tensor([0.0, 2, 4, 12, 14, 16]).view(6, 1, 1, 1)
    want = corners + torch.tensor([[0.0, 1], [6, 7]])
    attempt.expect(
        attempt(image, 2),
        want,
        Slip(
            torch.arange(24.0).view(6, 1, 2, 2),
            "You cut the row of numbers in memory into equal pieces, so each tile mixes places "
            "that are not neighbours in the picture.",
            "First split H into (rows, size) and W into (columns, size); then permute.",
        ),
        Slip(
            want.view(2, 3, 1, 2, 2).transpose(0, 1).reshape(6, 1, 2, 2),
            "The tiles are right, but they come column by column.",
            "The first axis after `permute` changes slowest: put the rows of tiles there.",
        ),
        Slip(
            want.transpose(2, 3),
            "Each tile lies on its side: its rows and columns are exchanged.",
            "The last two axes must be (size within H, size within W), in this order.",
        ),
        Slip(
            want.view(2, 3, 1, 2, 2),
            "The tiles are right, but still arranged in a grid: (rows, columns, C, size, size).",
            "Merge the first two axes with `reshape`.",
        ),
        Slip(
            want.permute(0, 2, 3, 1),
            "The channels come last: (N, size, size, C).",
            "PyTorch's order is (N, C, H, W): permute the channels in front of the two sizes.",
        ),
        picture=True,
    )
    for channels, rows, columns, size in ((3, 2, 4, 3), (3, 1, 1, 5), (2, 3, 2, 1)):
        want = torch.rand(rows * columns, channels, size, size, generator=attempt.random)
        strips = [torch.cat(tuple(strip), 2) for strip in want.split(columns)]
        image = torch.cat(strips, 1)  # (C, H, W), put together from the tiles
        attempt.expect(
            attempt(image, size),
            want,
            Slip(
                image.view(channels, rows, size, columns, size)
                .transpose(2, 3)
                .reshape(-1, channels, size, size),
                "With several channels, the tiles mix colours: you merged C with the grid.",
                "Bring C behind the rows and columns of tiles before you merge those two.",
            ),
            case=f"{channels} channels and {rows} × {columns} tiles",
            picture=True,
        )
    lying = image.transpose(1, 2).contiguous().transpose(1, 2)
    attempt.expect(attempt(lying, size), want, case="an image that is not contiguous")


@exercise(
    "Two new axes, (N, 1, D) against (1, M, D), compare everything with everything. The price is "
    "memory: N · M · D numbers exist for a moment."
)
def pairwise_distances(attempt: Attempt) -> None:
    """pairwise_distances(a, b): (N, D), (M, D) → (N, M) Euclidean distances."""
    a = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    b = torch.tensor([[0.0, 0.0], [6.0, 8.0], [6.0, 0.0]])
    want = torch.tensor([[0.0, 10.0, 6.0], [5.0, 5.0, 5.0]])
    added = torch.tensor([[0.0, -14.0, -6.0], [7.0, -7.0, 1.0]])
    attempt.expect(
        attempt(a, b),
        want,
        Slip(
            want**2,
            "These are squared distances: the square root is missing.",
            "Take `.sqrt()` after the sum.",
        ),
        Slip(
            torch.tensor([[0.0, 14.0, 6.0], [7.0, 7.0, 7.0]]),
            "You added absolute differences: that is the way along the streets, not the straight "
            "line.",
            "Square the differences, add, then take the root.",
        ),
        Slip(
            added,
            "You added the differences as they are, so those of opposite sign cancel.",
            "Square each difference before you add.",
        ),
        Slip(
            added.abs(),
            "You added first and squared afterwards: by then, opposite signs have cancelled.",
            "Square each difference, add the squares, then take the root.",
        ),
        Slip(
            torch.tensor([[0.0, 100.0, 36.0], [25.0, 75.0, 43.0]]).sqrt(),
            "The mixed term counts twice: |a - b|² = |a|² + |b|² - 2 a·b.",
            "Put the 2 in front of the products.",
        ),
        Slip(
            torch.tensor(211.0).sqrt(),
            "One number is left: `norm()` without `dim` adds up all pairs and all coordinates.",
            "Only the coordinates should disappear: `dim=-1`.",
        ),
        Slip(
            want / 2**0.5,
            "You averaged over D, so the distances shrink as D grows.",
            "Use `sum`, not `mean`, over the last axis.",
        ),
        Slip(
            want.T,
            "Rows and columns are exchanged: you return (M, N).",
            "Row i belongs to the i-th point of `a`: give `a` the shape (N, 1, D).",
        ),
        Slip(
            want[..., None],
            "The axis you summed over is still there, with length 1.",
            "Leave out `keepdim=True`.",
        ),
        Slip(
            want.diagonal(),
            "You compared the points one to one, not each with every other.",
            "(N, 1, D) minus (1, M, D) gives (N, M, D).",
        ),
    )
    for n, m, d in ((4, 4, 3), (5, 2, 6), (1, 3, 2), (3, 1, 1)):
        a = torch.randn(n, d, generator=attempt.random)
        b = torch.randn(m, d, generator=attempt.random)
        want = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
        attempt.expect(
            attempt(a, b),
            want,
            Slip(
                (a - b).pow(2).sum(-1).sqrt() if n == m else a,
                "With as many points in `a` as in `b` you compared them one to one.",
                "Each point of `a` must meet every point of `b`: give both a new axis of length 1.",
            ),
            Slip(
                want.squeeze(),
                "With a single point, one of the two axes disappeared.",
                "Name the axis you sum over, `dim=-1`, and drop no other.",
            ),
            case=f"{n} points against {m} in {d} dimension(s)",
        )
    attempt.expect_no_loop()


@exercise(
    "A reduction without `keepdim=True` leaves a shape that may still fit, along the wrong axis. "
    "Such a bug runs, and only shapes that all differ bring it to light."
)
def even_contrast(attempt: Attempt) -> None:
    """even_contrast(images): (B, C, H, W) float → same shape, each image mean 0 and std 1."""
    z = torch.tensor([-1.5, -0.5, 0.5, 1.5]) / (5 / 3) ** 0.5  # mean 0, and std 1 as torch.std
    want = torch.stack([z, -z]).view(2, 1, 2, 2)
    scale = torch.tensor([2.0, 10.0]).view(2, 1, 1, 1)
    images = want * scale + torch.tensor([3.0, 40.0]).view(2, 1, 1, 1)
    mean, std = torch.tensor([3.0, 40.0]), torch.tensor([2.0, 10.0])
    attempt.expect(
        attempt(images),
        want,
        Slip(
            (images - mean) / std,
            "The numbers of image 0 were used for column 0 of every image: (B,) lined up with W.",
            "Let the mean keep its axes, (B, 1, 1, 1), with `keepdim=True`.",
        ),
        Slip(
            (images - images.mean()) / images.std(),
            "You took one mean and one standard deviation for the whole batch.",
            "Reduce over all axes but the first: `dim=(1, 2, 3)`.",
        ),
        Slip(
            (images - images.mean(0)) / images.std(0),
            "You compared each pixel with the same pixel of the other images.",
            "`dim=0` makes the batch disappear. Which axes should disappear instead?",
        ),
        Slip(
            want * (4 / 3) ** 0.5,
            "Your standard deviation divides by the number of pixels, `torch.std` by one less.",
            "Use `.std(...)` as it is, without `correction=0` or `unbiased=False`.",
        ),
        Slip(
            want * scale,
            "You moved each mean to 0, but the contrast is as uneven as before.",
            "Divide by the standard deviation of each image as well.",
        ),
        Slip(
            images - torch.tensor([1.5, 4.0]).view(2, 1, 1, 1),
            "You subtracted mean / std: division comes before subtraction.",
            "Put parentheses around the difference.",
        ),
        Slip(
            torch.stack([z - z[0], z[-1] - z]).view(2, 1, 2, 2) / (z[-1] - z[0]),
            "You stretched each image from 0 to 1; mean 0 and standard deviation 1 are asked for.",
            "Subtract the mean and divide by the standard deviation.",
        ),
        Slip(
            want / scale,
            "You divided by the variance, which is the standard deviation squared.",
            "Use `.std(...)` or the root of `.var(...)`.",
        ),
    )
    for shape in ((3, 2, 4, 5), (1, 3, 2, 6), (5, 1, 5, 5)):
        numbers = np.random.default_rng(0).normal(size=shape)
        axes = (1, 2, 3)
        centred = numbers - numbers.mean(axes, keepdims=True)
        unit = centred / np.sqrt((centred**2).sum(axes, keepdims=True) / (centred[0].size - 1))
        want = torch.tensor(unit, dtype=torch.float32)
        shift = torch.arange(1.0, shape[0] + 1).view(-1, 1, 1, 1)
        images = want * shift + 5 * shift
        attempt.expect(
            attempt(images),
            want,
            Slip(
                (images - images.mean((2, 3), keepdim=True)) / images.std((2, 3), keepdim=True),
                "You treated each colour channel on its own, which changes the colours.",
                "One mean for each image: the channels go into it too, `dim=(1, 2, 3)`.",
            ),
            case=f"images of shape {shape}",
        )
    attempt.expect(
        attempt(want / 4 + 0.5),
        want,
        Slip(
            want / 4,
            "Its standard deviation is 0.25, and your lower limit for the divisor is above that.",
            "The limit shall only keep 0 away: something tiny such as 1e-6.",
        ),
        case="pictures whose values lie around 0.5",
    )
    flat = torch.full((2, 1, 3, 4), 7.0)
    attempt.expect(
        attempt(flat),
        torch.zeros(2, 1, 3, 4),
        Slip(
            torch.full((2, 1, 3, 4), torch.nan),
            "An image of a single grey has standard deviation 0, and 0/0 is NaN.",
            "Keep the divisor away from 0, for example with `.clamp(min=1e-6)`.",
        ),
        case="an image that is grey all over",
    )


# Lab 2: linear algebra and least squares ----------------------------------------------------


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


@exercise(
    "One `backward()` gives the slope at every point: the sum couples the points, but y[i] reacts "
    "to x[i] alone. And you left the caller's tensor as it was."
)
def slopes(attempt: Attempt) -> None:
    """slopes(f, x): an elementwise function, (N,) → its slope at each point, (N,)."""
    asked = []

    def square(t: torch.Tensor) -> torch.Tensor:
        asked.append(t.requires_grad)
        return t**2

    x = torch.tensor([1.0, 2.0, -3.0])
    got = attempt(square, x)
    if len(asked) > 1 and not any(asked):
        attempt.stop(
            "You nudged x and divided. The result is close at best, and float32 eats its digits.",
            "Let autograd do it: mark a copy of x, compute f of it, and go backward.",
            expected=2 * x,
            gave=got,
        )
    attempt.expect(
        got,
        torch.tensor([2.0, 4.0, -6.0]),
        Slip(
            torch.tensor([1.0, 4.0, 9.0]),
            "You returned f(x) itself, not its slope.",
            "The slope arrives in `.grad` of what you marked.",
        ),
        Slip(
            torch.tensor([2.0, 4.0, -6.0]) / 3,
            "Each slope is divided by N: you went backward from the mean.",
            "`sum()` leaves each slope as it is; `mean()` scales it by 1/N.",
        ),
        Slip(
            torch.tensor(0.0),
            "You added the slopes up: one number came back, not one for each point.",
            "Return the whole `.grad`; it has the shape of x.",
        ),
        Slip(
            (torch.tensor([2.0, 4.0, -6.0]),),
            "`torch.autograd.grad` answers with a tuple, even for a single input.",
            "Take its first entry, `[0]`.",
        ),
        Slip(
            x,
            "You returned the marked points themselves, not their slopes.",
            "After `backward()` the slopes lie in `.grad` of the marked copy.",
        ),
    )
    _leaves_no_mark(attempt, got, x, "x")
    for f, slope, x in (
        (torch.sin, torch.cos, torch.randn(7, generator=attempt.random)),
        (lambda t: t**3 - 2 * t, lambda t: 3 * t**2 - 2, torch.tensor([1.5])),
        (torch.exp, torch.exp, torch.randn(5, generator=attempt.random).double()),
    ):
        attempt.expect(
            attempt(f, x), slope(x), case="a single point" if len(x) == 1 else "other functions"
        )
    attempt.expect_no_loop()


def _leaves_no_mark(attempt: Attempt, result: torch.Tensor, given: torch.Tensor, name: str) -> None:
    """Stop if the result hangs on a graph, or the caller's tensor now asks for gradients."""
    if given.requires_grad or given.grad is not None:
        attempt.stop(
            f"The values are right, but your code marked the caller's {name}: it now asks for "
            "gradients, wherever it is used next.",
            f"Work on a copy: `{name}.detach().clone().requires_grad_()`.",
        )
    if result.grad_fn is not None:
        attempt.stop(
            "The values are right, but the result still hangs on a graph "
            f"(grad_fn is {type(result.grad_fn).__name__}), which keeps all of it in memory.",
            "Record only what must be differentiated: no `create_graph`, and updates under "
            "`torch.no_grad()`.",
        )
    if result.requires_grad:
        attempt.stop(
            "The values are right, but the result still asks for gradients itself.",
            "Return it with `.detach()`: whoever uses it wants numbers, not a parameter.",
        )


@exercise(
    "A new operation needs two things: its number, and its local slope. tanh' = 1 - tanh² comes "
    "from the result, which is why frameworks keep results for the way back."
)
def tanh(attempt: Attempt) -> None:
    """tanh(x): a torchcourse.scalar.Value → a Value that remembers x."""
    x, t = Value(0.5), math.tanh(0.5)
    result = _value(attempt, attempt(x))
    if x.data != 0.5 or x.grad != 0:
        attempt.stop(
            "Your function changed x on the way forward. Slopes arrive later, in `backward`.",
            "Write nothing into x: put the local slope beside x, into the sources of the result.",
        )
    attempt.expect(
        result.data,
        t,
        Slip(math.tan(0.5), "You took `tan`, not `tanh`.", "`math.tanh` is the hyperbolic one."),
        name="the number in `.data`",
    )
    _check_sources(attempt, result)
    attempt.run(result.backward, may_change=True)
    attempt.expect(
        x.grad,
        1 - t**2,
        Slip(
            1 - 0.5**2,
            "You squared the input. The rule is 1 - tanh(x)², with the result squared.",
            "Name the result first, then use it twice.",
        ),
        Slip(
            t,
            "The local slope you stored is tanh(x) itself. That works for exp, not here.",
            "How fast does tanh rise at 0.5? The rule is 1 - tanh(x)².",
        ),
        Slip(
            1.0,
            "You stored the slope 1, as if tanh passed changes on unweakened.",
            "That is only so at 0; elsewhere it is 1 - tanh(x)².",
        ),
        Slip(1 - t, "The square is missing: the rule is 1 - tanh(x)².", "Square the result."),
        name="the slope that arrives at x",
    )
    _check_neuron(attempt)
    for large in (1000.0, -1000.0):
        x = Value(large)
        result = _value(attempt, attempt(x))
        attempt.run(result.backward, may_change=True)
        attempt.expect((result.data, x.grad), (math.copysign(1.0, large), 0.0), case=f"x = {large}")


def _value(attempt: Attempt, result: object) -> Value:
    """The result, once it is a Value."""
    if result is None or result is ...:
        attempt.expect(result, 0.0)
    if not isinstance(result, Value):
        attempt.stop(
            f"You returned {kind(result)}, not a Value: the graph ends here.",
            "Return `Value(number, sources)`, as the other operations do.",
        )
    return result


def _check_sources(attempt: Attempt, result: Value) -> None:
    """Stop unless the sources are pairs of a Value and a number, at least one."""
    sources = result.sources
    if not isinstance(sources, (tuple, list)) or not all(
        isinstance(pair, (tuple, list))
        and len(pair) == 2
        and isinstance(pair[0], Value)
        and isinstance(pair[1], (int, float))
        for pair in sources
    ):
        attempt.stop(
            "The sources are not pairs of a Value and a number.",
            "A single pair needs a comma behind it: `((x, slope),)`.",
        )
    if not sources:
        attempt.stop(
            "The number is right, but the result remembers no source: no slope can reach x.",
            "`Value` takes the sources as its second argument.",
        )


def _check_neuron(attempt: Attempt) -> None:
    """tanh inside a larger expression, against PyTorch."""
    numbers = [0.7, -1.2, 0.4]
    mine = [Value(number) for number in numbers]
    theirs = [torch.tensor(n, dtype=torch.float64, requires_grad=True) for n in numbers]
    x, w, b = mine
    out = _value(attempt, attempt(w * x + b))
    out = out * x + _value(attempt, attempt(out)) * 3
    attempt.run(out.backward, may_change=True)
    x, w, b = theirs
    truth = torch.tanh(w * x + b)
    (truth * x + torch.tanh(truth) * 3).backward()
    attempt.expect(
        [value.grad for value in mine],
        [tensor.grad.item() for tensor in theirs],
        case="a neuron, tanh(w·x + b), used twice",
        name="the list of slopes",
    )


@exercise(
    "Clear, forward, backward, update without recording, note the number and not its graph: with "
    "these five you can read every training loop."
)
def fit_by_descent(attempt: Attempt) -> None:
    """fit_by_descent(x, y, lr, steps): (N,), (N,) → theta (2,) and a list of `steps` losses."""
    x, y = torch.ones(2), torch.full((2,), 2.0)
    theta, losses = got = _theta_and_losses(attempt, attempt(x, y, 0.1, 2))
    attempt.expect(
        (theta.detach(), [loss.item() if _is_tensor(loss) else loss for loss in losses]),
        (torch.tensor([0.64, 0.64]), [4.0, 1.44]),
        Slip(
            (torch.tensor([1.04, 1.04]), [4.0, 1.44]),
            "The second step is too long: it still contains the gradient of the first.",
            "`backward()` adds to `.grad`. Clear it before each `backward()`.",
        ),
        Slip(
            (torch.tensor([-0.96, -0.96]), [4.0, 7.84]),
            "Your loss rises: the step goes uphill.",
            "The gradient points up, so subtract it.",
        ),
        Slip(
            (torch.tensor([0.96, 0.96]), [8.0, 0.32]),
            "You summed the squared errors; the exercise asks for their mean.",
            "With a sum, the right learning rate would depend on the number of points.",
        ),
        Slip(
            (torch.tensor([0.64, 0.64]), [1.44, 0.5184]),
            "The losses are those after each step; the first should be the loss at (0, 0).",
            "Note the loss you went backward from.",
        ),
        Slip(
            (torch.tensor([0.4, 0.4]), [4.0, 4.0]),
            "Theta never moves on after its first step.",
            "Is the loss computed anew, from the changed theta, in every step?",
        ),
        name="(theta, losses) after two steps",
    )
    if any(_is_tensor(loss) for loss in got[1]):
        attempt.stop(
            "The values are right, but your losses are tensors. Each keeps its whole graph alive, "
            "so the memory grows with every step.",
            "`loss.item()` takes the number and lets the graph go.",
        )
    _leaves_no_mark(attempt, theta, x, "x")
    for count, steps in ((7, 25), (1, 4), (3, 0)):
        x = torch.randn(count, generator=attempt.random)
        y = 3 * x - 1 + torch.randn(count, generator=attempt.random)
        path = _closed_form_path(x, y, 0.1, steps)  # (steps + 1, 2)
        errors = path[:-1, :1] * x + path[:-1, 1:] - y  # (steps, N)
        attempt.expect(
            attempt(x, y, 0.1, steps),
            (path[-1], errors.square().mean(dim=1).tolist()),
            case=f"{count} point(s) and {steps} steps",
        )


def _is_tensor(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.numel() == 1 and has_values(value)


def _theta_and_losses(attempt: Attempt, got: object) -> tuple[torch.Tensor, list]:
    """The pair, once it is a tensor and a list; otherwise a card says what it is."""
    pair = isinstance(got, tuple) and len(got) == 2
    if not (pair and isinstance(got[0], torch.Tensor) and isinstance(got[1], list)):
        attempt.expect(got, (torch.tensor([0.64, 0.64]), [4.0, 1.44]), name="(theta, losses)")
    return got


def _closed_form_path(x: torch.Tensor, y: torch.Tensor, lr: float, steps: int) -> torch.Tensor:
    """Where descent on the mean squared error of a line stands after 0 … steps steps."""
    X = torch.stack([x, torch.ones_like(x)], 1).double()  # (N, 2)
    best = torch.linalg.pinv(X) @ y.double()  # (2,) any lowest point: differences cancel out
    keep = torch.eye(2).double() - lr * 2 * X.T @ X / len(x)  # (2, 2) a step's share that stays
    powers = [torch.linalg.matrix_power(keep, k) for k in range(steps + 1)]
    return torch.stack([best - power @ best for power in powers]).float()


@exercise(
    "You stop where the ground is flat, not where it is low: the height of the valley floor is "
    "unknown, its slope is not. And a second limit ends walks that never get there."
)
def descend(attempt: Attempt) -> None:
    """descend(f, start, lr, tolerance, max_steps): → the point (D,) and the steps taken."""

    def valley(p: torch.Tensor) -> torch.Tensor:
        return (p - 3).square().sum()

    start = torch.zeros(1)
    got = attempt(valley, start, 0.25, 1.0, 100)  # slopes -6, -3, -1.5, -0.75
    attempt.expect(
        got,
        (torch.tensor([2.625]), 3),
        Slip(
            (torch.tensor([2.8125]), 4),
            "One step too many: at 2.625 the slope is already below the tolerance.",
            "Look at the slope first, and step only if it is still steep.",
        ),
        Slip(
            (torch.tensor([2.625]), 4),
            "The point is right, but you counted four steps. It moved three times.",
            "Count when you move, not when you look.",
        ),
        Slip(
            (torch.tensor([2.25]), 2),
            "You stopped where f fell below the tolerance. A valley floor may lie at any height.",
            "Compare the slope with the tolerance, not the value.",
        ),
        Slip(
            (torch.tensor([0.0]), 0),
            "You stopped at once: a slope of -6 is smaller than 1, but steep.",
            "Compare the length of the gradient, which has no sign.",
        ),
        Slip(
            (torch.tensor([3 - 3 * 1.5**100]), 100),
            "You walk uphill, further with every step.",
            "The gradient points up, so subtract it.",
        ),
        Slip(
            _uncleared_walk(),
            "Your steps still contain the gradients of earlier steps.",
            "`backward()` adds to `.grad`: clear it first, or use `torch.autograd.grad`.",
        ),
        name="(point, steps)",
    )
    _leaves_no_mark(attempt, got[0], start, "start")
    attempt.expect(
        attempt(valley, torch.zeros(1), 0.25, 1.0, 2),
        (torch.tensor([2.25]), 2),
        Slip(
            (torch.tensor([2.625]), 3),
            "You took a third step although max_steps is 2.",
            "Whichever limit comes first ends the walk.",
        ),
        Slip(
            (torch.tensor([2.25]), 1),
            "You took two steps and counted one: the last value of `range(max_steps)` is one less.",
            "Where the loop runs out, return max_steps itself.",
        ),
        case="max_steps = 2",
    )
    for point, tolerance, why, next_step in (
        (
            [0.9, 0.9],
            1.0,
            "You stopped because each single slope is small. Together they are not: the length of "
            "(0.9, 0.9) is 1.27.",
            "`.norm()` gives the length of the whole gradient.",
        ),
        (
            [0.6, 0.0],
            0.5,
            "You compared the squared length with the tolerance: 0.36 instead of 0.6.",
            "Take the root, or `.norm()`.",
        ),
    ):
        start = torch.tensor(point)
        attempt.expect(
            attempt(lambda p: p.square().sum() / 2, start.clone(), 0.5, tolerance, 9),
            (start / 2, 1),
            Slip((start, 0), why, next_step),
            case="two parameters",
        )
    for size in (3, 1, 6):
        _check_walk(attempt, size)


def _uncleared_walk() -> tuple[torch.Tensor, int]:
    """Where (p - 3)² leads from 0 with rate 0.25 and tolerance 1 if slopes pile up."""
    point, pile, steps = 0.0, -6.0, 0
    while abs(pile) >= 1:
        point, steps = point - 0.25 * pile, steps + 1
        pile += 2 * (point - 3)
    return torch.tensor([point]), steps


def _check_walk(attempt: Attempt, size: int) -> None:
    """A random bowl, whose whole path is known: each coordinate shrinks by its own factor."""
    curvature = 0.5 + torch.rand(size, generator=attempt.random)  # (D,)
    goal = torch.randn(size, generator=attempt.random)  # (D,)
    start = goal + 1 + torch.rand(size, generator=attempt.random)  # (D,)
    steps = torch.arange(200)[:, None]  # (200, 1)
    path = goal + (1 - 0.3 * curvature) ** steps * (start - goal)  # (200, D)
    flat = (curvature * (path - goal)).norm(dim=1) < 1e-2  # (200,)
    count = int(flat.float().argmax())
    attempt.expect(
        attempt(lambda p: (curvature * (p - goal) ** 2).sum() / 2 + 7, start, 0.3, 1e-2, 200),
        (path[count], count),
        case=f"{size} parameter(s), and a valley floor at height 7",
    )


@exercise(
    "Batches of different size must not count alike. Weighted by their rows, many small backward "
    "passes give exactly the gradient of all rows at once, with the memory of one batch."
)
def full_gradient(attempt: Attempt) -> None:
    """full_gradient(batch_loss, theta, num_rows, batch_size): → the gradient (D,) of all rows."""
    loss = _RowsLoss(torch.ones(3, 1), torch.tensor([0.0, 3.0, 6.0]))
    theta = torch.tensor([1.0])  # single gradients 2, -4, -10
    got = attempt(loss, theta, 3, 2)
    attempt.expect(
        got,
        torch.tensor([-4.0]),
        Slip(
            torch.tensor([-5.5]),
            "You averaged the batches. The last one has a single row, and counted as much as two.",
            "Weight each batch by its number of rows.",
        ),
        Slip(
            torch.tensor([-1.0]),
            "The last, smaller batch is missing: row 2 was never looked at.",
            "`torch.arange(num_rows).split(batch_size)` keeps the rest.",
        ),
        Slip(
            torch.tensor([-11.0]),
            "You added up the gradients of the batches, and did not weight them.",
            "A mean over all rows: each batch counts with its share, rows / num_rows.",
        ),
        Slip(
            torch.tensor([-12.0]),
            "You have the gradient of the sum; the mean over all rows is asked for.",
            "Divide by `num_rows` at the end.",
        ),
        Slip(
            torch.tensor([-10.0]),
            "Only the last batch is left: each one replaced the one before.",
            "Add to what you have, as `.grad` itself does.",
        ),
        Slip(
            torch.tensor([-22 / 3]),
            "You weighted every batch with `batch_size`, but the last one has fewer rows.",
            "Use `len(rows)` of the batch at hand.",
        ),
    )
    if max(map(len, loss.asked)) > 2:
        attempt.stop(
            f"The value is right, but you asked for {max(map(len, loss.asked))} rows at once. Only "
            "batch_size = 2 of them fit into memory.",
            "Cut the rows into batches, and go backward for each.",
        )
    _leaves_no_mark(attempt, got, theta, "theta")
    for rows, batch_size, size in ((7, 3, 4), (8, 4, 2), (5, 9, 3), (4, 1, 1)):
        X = torch.randn(rows, size, generator=attempt.random)
        y, theta = (torch.randn(n, generator=attempt.random) for n in (rows, size))
        attempt.expect(
            attempt(_RowsLoss(X, y), theta, rows, batch_size),
            2 * X.T @ (X @ theta - y) / rows,
            case=f"{rows} rows in batches of {batch_size}",
        )


class _RowsLoss:
    """The mean squared error over chosen rows; remembers which rows it was asked for."""

    def __init__(self, X: torch.Tensor, y: torch.Tensor) -> None:
        self.X, self.y, self.asked = X, y, []

    def __call__(self, theta: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        chosen = torch.arange(len(self.y))[rows].reshape(-1)  # slices and lists are fine, too
        self.asked.append(chosen.tolist())
        return (self.X[chosen] @ theta - self.y[chosen]).square().mean()


@exercise(
    "The steepest direction sets the bound, 2 divided by the largest curvature. You can know it "
    "before the first step, and no amount of patience replaces it."
)
def largest_lr(attempt: Attempt) -> None:
    """largest_lr(X): (N, D) → 2/L for the loss mean((X θ - y)²), a number."""
    X = torch.tensor([[1.0, 0.0], [0.0, 3.0], [0.0, 0.0]])  # curvatures 2/3 and 6
    attempt.expect(
        attempt(X),
        1 / 3,
        Slip(
            2 / 3,
            "The 2 of the square is missing: the second derivative of e² is 2, not 1.",
            "The Hessian is 2 XᵀX / N.",
        ),
        Slip(
            1 / 9,
            "You took the sum of the squared errors; with their mean, curvatures are divided by N.",
            "The Hessian is 2 XᵀX / N.",
        ),
        Slip(
            2 / 9,
            "You took the eigenvalue of XᵀX alone: both the factor 2 and the 1/N are missing.",
            "Differentiate the mean of (Xθ - y)² twice on paper.",
        ),
        Slip(
            1 / 6,
            "You returned 1/L. That is a good choice, but the walk arrives up to 2/L.",
            "For which η is |1 - ηL| < 1?",
        ),
        Slip(
            3.0,
            "You took the smallest curvature. In the steepest direction this step leaps out.",
            "Every direction must shrink, so the largest curvature decides.",
        ),
        Slip(
            1.0,
            "Singular values of X must be squared to become eigenvalues of XᵀX.",
            "Largest eigenvalue = (largest singular value)².",
        ),
        Slip(
            0.3,
            "You took the trace, the sum of all curvatures: on the safe side, but not the bound.",
            "Only the largest eigenvalue decides.",
        ),
        Slip(
            6.0,
            "You returned the curvature L itself.",
            "The bound is 2 divided by it.",
        ),
    )
    attempt.expect(
        attempt(torch.tensor([[2.0, 1.0], [1.0, 2.0]])),  # curvatures 1 and 9, along diagonals
        2 / 9,
        Slip(
            2 / 5,
            "You looked along the axes only. Here the steepest direction runs between them.",
            "The largest curvature is the largest eigenvalue, not the largest diagonal entry.",
        ),
        case="two features that rise together",
    )
    for rows, size in ((9, 4), (5, 1), (3, 6)):
        left = torch.linalg.qr(torch.randn(rows, rows, generator=attempt.random)).Q
        right = torch.linalg.qr(torch.randn(size, size, generator=attempt.random)).Q
        scales = 1 + torch.arange(min(rows, size)).float()  # (K,), the largest is K
        count = len(scales)
        X = (left[:, :count] * scales) @ right[:, :count].T  # (N, D)
        attempt.expect(attempt(X), rows / count**2, case=f"X of shape {(rows, size)}")
