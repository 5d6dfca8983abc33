"""Checkers of capstone 1's lab 1: one digit."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torchcourse.checks.core import Attempt, Slip, exercise


@exercise(
    "Ink covers less than paper, so the median is paper. Each image is asked on its own: a batch "
    "may mix black on white with white on black."
)
def bright_ink(attempt: Attempt) -> None:
    """bright_ink(images): (B, 1, H, W) in [0, 1] → the same, ink bright in every image."""
    light = torch.tensor([[0.2, 0.2, 1.0], [0.2, 0.2, 0.2], [0.1, 0.9, 0.2]])
    dark = torch.tensor([[0.9, 0.9, 0.9], [0.1, 0.9, 0.8], [0.2, 0.9, 0.9]])
    images = torch.stack([light, dark])[:, None]  # (2, 1, 3, 3)
    want = torch.stack([light, 1 - dark])[:, None]
    attempt.expect(
        attempt(images),
        want,
        Slip(
            1 - images,
            "You inverted every image, the one with bright ink as well.",
            "Decide for each image whether its paper is bright.",
        ),
        Slip(
            images.clone(),
            "Nothing was inverted: the second image still has dark ink.",
            "`1 - image` turns dark ink into bright ink where the paper is bright.",
        ),
        Slip(
            1 - want,
            "You inverted the wrong ones: now all ink is dark.",
            "Invert an image if its *paper* is bright, that is, if its median is above 0.5.",
        ),
        Slip(
            255 - images,
            "You inverted as if pixels reached up to 255.",
            "These images are in [0, 1], so the inverse of x is 1 - x.",
        ),
        Slip(
            (want > 0.5).float(),
            "You made every pixel 0 or 1: the soft edges of the strokes are lost.",
            "Only exchange dark and bright; keep the values in between.",
        ),
        Slip(
            want[:, 0],
            "The values are right, but the channel axis is gone.",
            "Return (B, 1, H, W), as it came in.",
        ),
        case="one image of each kind",
    )
    # Bold ink: the mean lies on the other side of 0.5, the median does not.
    bold = torch.full((1, 1, 3, 5), 0.4)
    bold[0, 0, :, 1:3] = 1.0
    attempt.expect(
        attempt(bold),
        bold,
        Slip(
            1 - bold,
            "You asked the mean: bold ink pulls it over 0.5, and the image was turned by mistake.",
            "The median of the pixels is always paper, as long as ink covers less than half.",
        ),
        case="bold, bright ink on grey paper",
    )
    for batch, height, width in ((5, 6, 9), (1, 7, 4), (6, 5, 5)):
        want = _bright(attempt, batch, height, width)
        dark = torch.arange(batch) % 3 != 1
        images = torch.where(dark[:, None, None, None], 1 - want, want)
        attempt.expect(
            attempt(images),
            want,
            Slip(
                1 - images,
                "You decided once for the whole batch.",
                "Take the median over the pixels of each image: `images.flatten(1)`, `dim=1`.",
            ),
            Slip(
                images.clone(),
                "You decided once for the whole batch, and left it as it was.",
                "Take the median over the pixels of each image: `images.flatten(1)`, `dim=1`.",
            ),
            case="a batch of one" if batch == 1 else "a mixed batch",
        )


def _bright(attempt: Attempt, batch: int, height: int, width: int) -> Tensor:
    """Dark paper with grain, and bright ink on a quarter of it."""
    images = 0.05 + 0.3 * torch.rand(batch, 1, height, width, generator=attempt.random)
    ink = torch.rand(batch, height * width, generator=attempt.random).argsort(1)
    ink = (ink < height * width // 4).reshape(batch, 1, height, width)
    return torch.where(ink, 0.7 + 0.3 * images, images)


@exercise(
    "The centre of mass is a weighted mean of positions: ink times position, divided by all ink. "
    "A grey pixel counts as much as it holds ink, and a faint speck hardly moves it."
)
def centre_of_mass(attempt: Attempt) -> None:
    """centre_of_mass(ink): (B, 1, H, W) ≥ 0 → (B, 2) float, row and column."""
    ink = torch.tensor([[0.0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 3]])[None, None]  # (1, 1, 3, 4)
    want = torch.tensor([[1.5, 2.75]])
    attempt.expect(
        attempt(ink),
        want,
        Slip(
            want.flip(1),
            "Row and column are exchanged: you return (x, y).",
            "Rows first, as in every tensor: (y, x).",
        ),
        Slip(
            torch.tensor([[1.0, 2.5]]),
            "You took the middle of the ink's box, or counted pixels without their weight.",
            "Weight each position with its ink: the pixel with 3 counts three times.",
        ),
        Slip(
            torch.tensor([[1.0, 1.5]]),
            "You returned the middle of the image, wherever the ink is.",
            "Weight the positions with the ink before you average them.",
        ),
        Slip(
            torch.tensor([[2.5, 3.75]]),
            "You counted rows and columns from 1.",
            "`torch.arange(H)` begins at 0, as indices do.",
        ),
        Slip(
            torch.tensor([[6.0, 11.0]]),
            "You added up ink times position, but did not divide by the ink.",
            "Divide by `ink.sum()` of each image.",
        ),
        Slip(
            torch.tensor([[6.0, 11.0]]) / 12,
            "You divided by the number of pixels, not by the amount of ink.",
            "The weights are the ink, so divide by their sum.",
        ),
        Slip(
            want[0],
            "The values are right, but the batch axis is missing: (2,) instead of (1, 2).",
            "Return one row for each image, also for a batch of one.",
        ),
    )
    for batch, height, width in ((4, 9, 12), (1, 8, 5), (5, 7, 7)):
        ink, want = _balanced(attempt, batch, height, width)
        attempt.expect(
            attempt(ink),
            want,
            Slip(
                want.mean(0, keepdim=True).expand(batch, 2),
                "Every image got the same centre: the whole batch was averaged.",
                "Sum over height and width only, and keep the batch axis.",
            ),
            case="a batch of one" if batch == 1 else f"{height} × {width} pixels",
        )


def _balanced(attempt: Attempt, batch: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Ink that is symmetric about a point, so that this point is its centre: (B, 1, H, W)."""
    ink, centres = torch.zeros(batch, 1, height, width), []
    for image in ink:
        rows = int(torch.randint(2, height, (), generator=attempt.random))
        columns = int(torch.randint(2, width, (), generator=attempt.random))
        top = int(torch.randint(height - rows + 1, (), generator=attempt.random))
        left = int(torch.randint(width - columns + 1, (), generator=attempt.random))
        patch = torch.rand(rows, columns, generator=attempt.random)
        image[0, top : top + rows, left : left + columns] = (patch + patch.flip(0, 1)) / 2
        centres.append([top + (rows - 1) / 2, left + (columns - 1) / 2])
    # All images get the same amount of ink, or a mean over the batch would be a weighted one.
    return ink / ink.sum((1, 2, 3), keepdim=True), torch.tensor(centres)


@exercise(
    "Padding is added on both sides, the window must fit, and what is left over is dropped: that "
    "is all of ⌊(n + 2p − k) / s⌋ + 1, for convolution and pooling alike."
)
def output_size(attempt: Attempt) -> None:
    """output_size(size, layers): int, list of (kernel, stride, padding) → int."""
    got = attempt(28, [(5, 1, 2), (2, 2, 0), (5, 1, 0)])
    if type(got) is float and got == 10:
        attempt.stop(
            "The value is right, but it is a float: sizes are whole numbers.",
            "Divide with `//`, which rounds down and stays an integer.",
            expected=10,
            gave=got,
        )
    attempt.expect(
        got,
        10,
        Slip(
            9,
            "You added the padding once; it is added on both sides.",
            "n + 2p: left and right, or top and bottom.",
        ),
        Slip(
            7,
            "One is missing in each layer: a window as wide as the image fits once, not 0 times.",
            "Add 1 after the division.",
        ),
        Slip(
            28,
            "You looked at the first layer only.",
            "The output of each layer is the input of the next: go through all of `layers`.",
        ),
        Slip(
            24,
            "You gave every layer the size of the picture.",
            "The output of each layer is the input of the next.",
        ),
        Slip(
            16,
            "You took the kernel off nowhere: a convolution without padding shrinks the image.",
            "Subtract the kernel: (n + 2p − k) / s, rounded down, plus 1.",
        ),
        case="three layers of a network for digits",
    )
    attempt.expect(
        attempt(7, [(2, 2, 0)]),
        3,
        Slip(
            4,
            "You rounded up: pooling 7 pixels in twos leaves the last one out.",
            "Round down, `//`; only `ceil_mode=True` would round up.",
        ),
        Slip(
            3.5,
            "You did not round: there is no half pixel.",
            "Round down with `//`.",
        ),
        case="7 pixels, pooled in twos",
    )
    attempt.expect(attempt(13, []), 13, case="no layer at all")
    for _ in range(12):
        size, layers = 60, []
        for _ in range(3):
            kernel = int(torch.randint(1, 5, (), generator=attempt.random))
            stride = int(torch.randint(1, 4, (), generator=attempt.random))
            padding = int(torch.randint(0, kernel // 2 + 1, (), generator=attempt.random))
            layers.append((kernel, stride, padding))
        want = _asked_of_torch(size, layers)
        attempt.expect(attempt(size, list(layers)), want, case=f"layers {layers}")


def _asked_of_torch(size: int, layers: list[tuple[int, int, int]]) -> int:
    """The side after real convolutions, of tensors without memory."""
    image = torch.empty(1, 1, size, size, device="meta")
    for kernel, stride, padding in layers:
        weight = torch.empty(1, 1, kernel, kernel, device="meta")
        image = F.conv2d(image, weight, stride=stride, padding=padding)
    return image.shape[-1]


class _Known(nn.Module):
    """A network whose answers are known: x (B, 2) holds the answer in eval and in train mode."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        answer = x[:, 1 if self.training else 0].long()
        return self.scale * (F.one_hot(answer, 5).float() - 2.0)  # (B, 5), negative: no softmax


def _batches(right: list[int], sizes: list[int]) -> list[tuple[Tensor, Tensor]]:
    """Batches in which so many answers are right; in train mode every answer is wrong."""
    rows = []
    for hits, size in zip(right, sizes, strict=True):
        labels = torch.arange(size) % 5
        answers = torch.where(torch.arange(size) < hits, labels, (labels + 1) % 5)
        rows.append((torch.stack([answers, (labels + 2) % 5], 1).float(), labels))
    return rows


@exercise(
    "Count right answers, count all answers, divide once: then no batch weighs more than its "
    "images. And measuring leaves the network in the mode it came in."
)
def accuracy(attempt: Attempt) -> None:
    """accuracy(model, loader): network, batches of (inputs, labels) → float in [0, 1]."""
    model = _Known().eval()
    loader = _batches([4, 1], [4, 2])  # 5 of 6; batch means 1 and 0.5
    _expect_share(attempt, model, loader, 5 / 6, 0.75, "two batches, the last one smaller")
    model = _Known().train()
    got = attempt(model, loader)
    attempt.expect(
        got,
        5 / 6,
        Slip(
            0.0,
            "You measured in training mode: dropout and batch statistics were still on.",
            "Call `model.eval()` first, and put the old mode back at the end.",
        ),
        case="a network that comes in training mode",
    )
    if not model.training:
        attempt.stop(
            "The accuracy is right, but the network came in training mode and left in eval mode.",
            "Remember `model.training` before, and call `model.train(was_training)` after.",
        )
    for right, sizes in (([3, 0, 1], [7, 7, 3]), ([1], [1]), ([0, 2], [5, 4])):
        want = sum(right) / sum(sizes)
        means = sum(r / s for r, s in zip(right, sizes, strict=True)) / len(sizes)
        loader = _batches(right, sizes)
        _expect_share(attempt, _Known().eval(), loader, want, means, f"batches of {sizes} images")


def _expect_share(
    attempt: Attempt, model: nn.Module, loader: list, want: float, means: float, case: str
) -> None:
    last_x, last_y = loader[-1]
    last = (last_x[:, 0] == last_y).float().mean().item()
    attempt.expect(
        attempt(model, loader),
        want,
        Slip(
            means,
            "You averaged the accuracies of the batches, so images of the small last batch weigh "
            "more than others.",
            "Add up right answers and images over all batches, and divide at the end.",
        ),
        Slip(
            100 * want,
            "The value is right, but in percent: 0 to 1 is asked for.",
            "Leave out the factor 100; `f'{share:.1%}'` prints percent.",
        ),
        Slip(
            torch.tensor(want),
            "The value is right, but it is a tensor.",
            "`.item()` takes the number out, once, at the end.",
        ),
        Slip(
            last,
            "Only the last batch was counted.",
            "Start the counters at 0 before the loop, and add in each round.",
        ),
        Slip(
            round(want * sum(len(y) for _, y in loader)),
            "You returned the number of right answers, not their share.",
            "Divide by the number of all images.",
        ),
        Slip(
            want * sum(len(y) for _, y in loader) / len(loader),
            "You divided by the number of batches.",
            "Divide by the number of images, `len(labels)` summed over the batches.",
        ),
        Slip(
            1 - want,
            "That is the share of mistakes.",
            "Count where the answer *equals* the label.",
        ),
        case=case,
    )


@exercise(
    "One number for each pair of label and answer, label times C plus answer, and the counting is "
    "done by `bincount`. Rows are labels; the diagonal over everything is the accuracy."
)
def confusion_matrix(attempt: Attempt) -> None:
    """confusion_matrix(labels, answers, num_classes): (N,), (N,) → (C, C) int64."""
    labels, answers = torch.tensor([0, 0, 1, 1, 1, 2]), torch.tensor([0, 2, 1, 1, 0, 2])
    want = torch.tensor([[1, 0, 1, 0], [1, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    attempt.expect(
        attempt(labels, answers, 4),
        want,
        Slip(
            want.T,
            "Rows and columns are exchanged: rows are labels, columns are answers.",
            "Entry [i, j] counts label i with answer j.",
        ),
        Slip(
            want.clamp(max=1),
            "Every pair was counted once at most: `m[labels, answers] += 1` writes, it does not "
            "add up, when a pair comes twice.",
            "Use `bincount`, or `index_put_` with `accumulate=True`.",
        ),
        Slip(
            want[:3, :3],
            "A class that does not occur in these labels has no row and no column.",
            "The table is `num_classes` × `num_classes` whatever occurs: think of `minlength`.",
        ),
        Slip(
            want.float(),
            "The counts are right, but floating: counts are whole numbers.",
            "Return int64, as `bincount` gives it.",
        ),
        Slip(
            want.diagonal(),
            "You counted the right answers of each class only.",
            "Each pair of label and answer has a cell of its own, also the wrong ones.",
        ),
        Slip(
            torch.diag(want.diagonal()),
            "Only right answers were counted: everything off the diagonal is 0.",
            "Mistakes are pairs, too.",
        ),
        Slip(
            want.float() / want.sum(1, keepdim=True).clamp(min=1),
            "You divided each row by its sum. Counts are asked for.",
            "Leave the division to whoever draws the table.",
        ),
        Slip(
            want.flatten(),
            "The counts are right, but they lie in one row of C · C.",
            "`.reshape(num_classes, num_classes)` at the end.",
        ),
    )
    for size, classes in ((60, 5), (1, 3), (40, 10)):
        want = torch.zeros(classes, classes, dtype=torch.long)
        cells = torch.randint(classes * classes, (size,), generator=attempt.random)
        pairs = []
        for cell in cells.tolist():
            want[cell // classes, cell % classes] += 1
            pairs.append((cell // classes, cell % classes))
        labels, answers = torch.tensor(pairs).T
        case = "a single image" if size == 1 else f"{classes} classes"
        attempt.expect(attempt(labels.clone(), answers.clone(), classes), want, case=case)
