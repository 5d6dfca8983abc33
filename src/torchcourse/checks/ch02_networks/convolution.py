"""Checkers of chapter 2's lab 2: convolution."""

from __future__ import annotations

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from torchcourse.checks.calls import forbid
from torchcourse.checks.core import Attempt, Slip, exercise

SLIDING = {"conv1d", "conv2d", "conv3d", "conv_transpose2d", "max_pool2d", "avg_pool2d"}


@exercise(
    "Count the places of a window that covers dilation · (kernel - 1) + 1 pixels of the padded "
    "axis. The division rounds down: pixels at the far edge may never be looked at."
)
def output_size(attempt: Attempt) -> None:
    """output_size(size, kernel_size, stride=1, padding=0, dilation=1): → int."""
    got = attempt(10, 3)
    if isinstance(got, float):
        attempt.stop(
            "You return a float. A picture has a whole number of pixels.",
            "Divide with `//`, which rounds down and stays an integer.",
            expected=8,
            gave=got,
        )
    attempt.expect(
        got,
        8,
        Slip(
            7,
            "One place is missing: a window of 3 fits into 3 pixels once, not 0 times.",
            "The places are the free steps *plus one*.",
        ),
        Slip(
            10,
            "The size did not change, as if there were padding; here there is none.",
            "Without padding the window loses kernel - 1 places.",
        ),
        case="10 pixels, kernel 3",
    )
    attempt.expect(
        attempt(11, 3, stride=2),
        5,
        Slip(
            4,
            "You added the one before dividing by the stride.",
            "First divide the free steps by the stride, then add one.",
        ),
        Slip(9, "The stride has no effect.", "Divide the free steps by it."),
        case="11 pixels, kernel 3, stride 2",
    )
    attempt.expect(
        attempt(10, 3, stride=2),
        4,
        Slip(
            5,
            "You rounded up: the last window would hang over the edge.",
            "`//` rounds down.",
        ),
        case="10 pixels, kernel 3, stride 2",
    )
    attempt.expect(
        attempt(10, 3, padding=2),
        12,
        Slip(
            10,
            "You counted the padding once; it is added on both sides.",
            "The axis is size + 2 · padding long.",
        ),
        Slip(8, "The padding has no effect.", "The axis is size + 2 · padding long."),
        case="10 pixels, kernel 3, padding 2",
    )
    attempt.expect(
        attempt(10, 3, dilation=3),
        4,
        Slip(
            2,
            "You took dilation · kernel for the reach; the last number has no gap behind it.",
            "The window covers dilation · (kernel - 1) + 1 pixels.",
        ),
        Slip(
            8,
            "The dilation has no effect.",
            "The window covers dilation · (kernel - 1) + 1 pixels.",
        ),
        case="10 pixels, kernel 3, dilation 3",
    )
    for size, kernel, stride, padding, dilation in product(
        (9, 28), (1, 4, 5), (1, 2, 3), (0, 3), (1, 2)
    ):
        image, window = torch.zeros(1, 1, size, device="meta"), torch.zeros(1, 1, kernel)
        out = F.conv1d(image, window.to("meta"), None, stride, padding, dilation)
        attempt.expect(
            attempt(size, kernel, stride, padding, dilation),
            out.shape[-1],
            case="other settings, all at once",
        )


@exercise(
    "Two loops over places, one product of a window with the kernel, one sum. Everything that "
    "convolutional networks do rests on this."
)
def correlate(attempt: Attempt) -> None:
    """correlate(image, kernel): (H, W), (h, w) → (H - h + 1, W - w + 1)."""
    image = torch.tensor([[1.0, 2, 0, 1], [0, 3, 1, 2], [4, 0, 2, 1]])
    kernel = torch.tensor([[1.0, 2], [0, -1]])
    want = torch.tensor([[2.0, 1, 0], [6, 3, 4]])
    windows = image.unfold(0, 2, 1).unfold(1, 2, 1)  # (2, 3, 2, 2)
    attempt.expect(
        attempt(image, kernel),
        want,
        Slip(
            (windows * kernel.flip(0, 1)).sum((2, 3)),
            "You flipped the kernel. Mathematicians do; networks do not.",
            "Multiply window and kernel as they stand.",
        ),
        Slip(
            (windows @ kernel).sum((2, 3)),
            "You used the matrix product `@` between window and kernel.",
            "Element by element: `*`, then the sum.",
        ),
        Slip(
            want / 4,
            "You took the mean of the products; a convolution adds them up.",
            "Use `.sum()`.",
        ),
        Slip(
            (windows * kernel).amax((2, 3)),
            "You took the largest product of each window, not their sum.",
            "Use `.sum()`.",
        ),
        Slip(
            want[:-1, :-1],
            "The last row and column of places are missing.",
            "There are H - h + 1 places in a column: `range` leaves out its end.",
        ),
        Slip(
            F.pad(want, (0, 1, 0, 1)),
            "You made the result as large as the image; at its edge the window does not fit.",
            "The result has shape (H - h + 1, W - w + 1).",
        ),
        Slip(
            want[None, None],
            "The values are right, but there are four axes.",
            "Image and kernel are plain (H, W) here, and so is the result.",
        ),
        Slip(
            want.T,
            "Rows and columns are exchanged.",
            "The first index of the result counts the rows of the image.",
        ),
        picture=True,
    )
    for height, width, h, w in ((5, 7, 3, 2), (4, 4, 1, 1), (3, 6, 3, 6), (6, 5, 2, 4)):
        image = torch.randn(height, width, generator=attempt.random)
        kernel = torch.randn(h, w, generator=attempt.random)
        want = F.conv2d(image[None, None], kernel[None, None])[0, 0]
        attempt.expect(
            attempt(image, kernel),
            want,
            case=f"an image {height} × {width} and a kernel {h} × {w}",
            picture=True,
        )
    attempt.expect_gradient(image, kernel, wrt=1)
    forbid(
        attempt,
        SLIDING,
        image,
        kernel,
        why="The values are right, but PyTorch's `{name}` did the sliding.",
        next_step="Write the two loops yourself: that is the exercise.",
    )


@exercise(
    "Each output channel has a kernel as deep as the input, and adds up over all of it. Padding "
    "comes first, the stride decides where windows begin, the bias comes once."
)
def conv2d(attempt: Attempt) -> None:
    """conv2d(images, weight, bias, stride=1, padding=0): (N, C, H, W) → (N, O, H', W')."""
    images = torch.tensor([1.0, 10.0]).view(1, 2, 1, 1).expand(1, 2, 3, 3).clone()
    weight = torch.tensor([1.0, 0.2]).view(1, 2, 1, 1).expand(1, 2, 2, 2).clone()
    want = torch.full((1, 1, 2, 2), 12.5)  # 4 · (1 · 1) + 4 · (10 · 0.2) + 0.5
    attempt.expect(
        attempt(images, weight, torch.tensor([0.5])),
        want,
        Slip(want - 0.5, "The bias is missing.", "Add `bias` to each output channel."),
        Slip(
            want + 0.5,
            "The bias was added once for each input channel.",
            "Add up over all channels first, then add the bias once.",
        ),
        Slip(
            want + 3.5,
            "The bias was added to each of the eight products' places.",
            "Sum first; add the bias once.",
        ),
        Slip(
            want - 8,
            "Only the first input channel was used.",
            "The sum runs over channels, rows and columns of the window.",
        ),
        Slip(
            want - 6,
            "You averaged over the input channels; a convolution adds them up.",
            "Sum over channels, rows and columns.",
        ),
        Slip(
            torch.cat([want - 8, want - 4], dim=1),
            "Each input channel gave an output of its own: the sum over channels is missing.",
            "One output channel adds up all input channels.",
        ),
        Slip(
            want[0],
            "With a batch of one, the batch axis disappeared.",
            "The result is always (N, C_out, H', W').",
        ),
        case="two channels, full of 1 and of 10",
    )
    for n, c, o, h, w, kernel, stride, padding in (
        (2, 3, 4, 6, 8, (3, 2), 1, 0),
        (2, 2, 3, 7, 9, (3, 3), 2, 0),
        (2, 2, 3, 5, 4, (3, 3), 1, 2),
        (1, 3, 2, 8, 7, (2, 3), 3, 1),
    ):
        images = torch.randn(n, c, h, w, generator=attempt.random)
        weight = torch.randn(o, c, *kernel, generator=attempt.random)
        bias = torch.randn(o, generator=attempt.random)
        want = F.conv2d(images, weight, bias, stride, padding)
        slips = list(_conv_slips(images, weight, bias, stride, padding))
        attempt.expect(
            attempt(images, weight, bias, stride, padding),
            want,
            *slips,
            case=f"{n} images, {c} → {o} channels, stride {stride}, padding {padding}",
        )
    attempt.expect_gradient(images, weight, bias, wrt=1)
    forbid(
        attempt,
        SLIDING,
        images,
        weight,
        bias,
        why="The values are right, but PyTorch's own `{name}` computed them.",
        next_step="Slide the window yourself: that is the exercise.",
    )


def _conv_slips(images: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int):
    """What known slips give for these arguments."""
    if stride > 1:
        yield Slip(
            F.conv2d(images, weight, bias, 1, padding),
            "The stride has no effect.",
            "The window of output (i, j) begins at row i · stride, column j · stride.",
        )
        crowded = F.conv2d(images, weight, bias, 1, padding)
        rows, columns = F.conv2d(images, weight, bias, stride, padding).shape[2:]
        yield Slip(
            crowded[:, :, :rows, :columns],
            "The size is right, but the windows begin at each pixel: the stride is missing there.",
            "The window of output (i, j) begins at row i · stride, column j · stride.",
        )
    if padding:
        yield Slip(
            F.conv2d(images, weight, bias, stride),
            "The padding has no effect.",
            "Add a margin of zeros first: `F.pad(images, [padding] * 4)`.",
        )
        left_top = F.pad(images, (padding, 0, padding, 0))
        right_bottom = F.pad(images, (0, padding, 0, padding))
        for one_sided in (left_top, right_bottom):
            yield Slip(
                F.conv2d(one_sided, weight, bias, stride),
                "The margin is on one side only.",
                "`F.pad` takes left, right, top, bottom: four numbers.",
            )
        yield Slip(
            F.conv2d(F.pad(images, (padding, padding)), weight, bias, stride),
            "The margin is left and right only, not above and below.",
            "`F.pad` takes left, right, top, bottom: four numbers.",
        )
        yield Slip(
            F.conv2d(F.pad(images, [padding] * 4, value=1.0), weight, bias, stride),
            "The margin is filled with ones; it should be zeros.",
            "`F.pad` fills with zeros by default.",
        )
        edge = F.pad(images, [padding] * 4, mode="replicate")
        yield Slip(
            F.conv2d(edge, weight, bias, stride),
            "The margin repeats the edge of the picture; it should be zeros.",
            "`F.pad` fills with zeros by default.",
        )


@exercise(
    "A feature map is a grey picture of its own. So channels become the batch, each is brought to "
    "0 … 1 by itself, and nobody mistakes three of them for red, green and blue."
)
def grey_tiles(attempt: Attempt) -> None:
    """grey_tiles(maps): (C, H, W) float → (C, 1, H, W), each channel from 0 to 1."""
    maps = torch.tensor([[[0.0, 2], [4, 8]], [[-1, -1], [1, 3]], [[5, 6], [5, 5]]])
    want = torch.tensor([[[0.0, 0.25], [0.5, 1]], [[0, 0], [0.5, 1]], [[0, 1], [0, 0]]])[:, None]
    largest = maps.amax((1, 2), keepdim=True)
    spread = (maps.max() - maps.min()).item()
    attempt.expect(
        attempt(maps),
        want,
        Slip(
            maps[:, None],
            "The shape is right, but the values are as before: negative ones would show black.",
            "Subtract each channel's minimum, and divide by its range.",
        ),
        Slip(
            maps[None],
            "The three channels became one picture, to be shown in false colours.",
            "The new axis comes second: (C, 1, H, W).",
        ),
        Slip(
            want[:, 0],
            "The values are right, but the channel axis of length 1 is missing.",
            "`unsqueeze(1)` makes (C, 1, H, W).",
        ),
        Slip(
            want.transpose(0, 1),
            "The values are right, but the axes say: one picture of C channels.",
            "The new axis comes second: (C, 1, H, W).",
        ),
        Slip(
            ((maps - maps.min()) / spread)[:, None],
            "You took one minimum and one range for all channels: weak ones stay flat.",
            "Each channel has its own: `amin(dim=(1, 2), keepdim=True)`.",
        ),
        Slip(
            (maps / largest)[:, None],
            "You divided by the maximum only, so the smallest value need not become 0.",
            "Subtract the minimum first.",
        ),
        Slip(
            ((maps - maps.amin((1, 2), keepdim=True)) / largest)[:, None],
            "You divided by the maximum of before the subtraction.",
            "Divide by the range, maximum minus minimum.",
        ),
        Slip(
            maps.clamp(0, 1)[:, None],
            "You cut at 0 and 1: whatever lies outside is lost.",
            "Stretch each channel instead of cutting.",
        ),
        Slip(
            maps.sigmoid()[:, None],
            "You squeezed the numbers with a sigmoid, which flattens strong ones.",
            "Subtract each channel's minimum, and divide by its range.",
        ),
        case="three channels of 2 × 2",
    )
    for channels, height, width in ((6, 3, 4), (1, 5, 2), (4, 4, 4)):
        maps = 3 * torch.randn(channels, height, width, generator=attempt.random)
        flat = maps.flatten(1)  # (C, H · W)
        low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
        want = ((flat - low) / (high - low)).view(channels, 1, height, width)
        folded = want.view(-1, 3, height, width) if channels == 6 else want
        attempt.expect(
            attempt(maps),
            want,
            Slip(
                folded,
                "You folded six channels into two colour pictures.",
                "Nothing makes these three maps red, green and blue: (C, 1, H, W).",
            ),
            case=f"{channels} channel(s) of {height} × {width}",
        )
    even = torch.full((2, 3, 3), 7.0)
    attempt.expect(
        attempt(even),
        torch.zeros(2, 1, 3, 3),
        Slip(
            torch.full((2, 1, 3, 3), torch.nan),
            "A channel of a single value has range 0, and 0/0 is NaN.",
            "Keep the divisor away from 0, for example with `.clamp(min=1e-8)`.",
        ),
        case="channels of a single value",
    )
