"""Checkers of chapter 1's lab 1: tensors."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from torchcourse.checks.core import Attempt, Slip, exercise


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
