"""Checkers of chapter 5's lab 1: kernels, fields and blocks."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torchcourse.checks.ch05_vision.learning import expect_learning
from torchcourse.checks.compare import kind
from torchcourse.checks.core import Attempt, Slip, exercise

SOBEL = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])


def _slope(image: Tensor, kernel: Tensor, mode: str | None) -> Tensor:
    """(H, W) → (H, W), or (H - 2, W - 2) without a border mode; for slips only."""
    image = image[None, None]
    image = image if mode is None else F.pad(image, [1] * 4, mode=mode)
    return F.conv2d(image, kernel[None, None])[0, 0]


def _strength(image: Tensor, kernel: Tensor = SOBEL, mode: str | None = "reflect") -> Tensor:
    return torch.hypot(_slope(image, kernel, mode), _slope(image, kernel.T, mode))


@exercise(
    "Two kernels, one turned against the other, and the length of the pair of slopes. With a "
    "mirrored border it equals OpenCV's Sobel in every pixel."
)
def sobel(attempt: Attempt) -> None:
    """sobel(image): (H, W) float → (H, W), the strength of the edge at each pixel."""
    image = torch.tensor([[0.0, 0, 1, 3], [0, 2, 1, 0], [4, 0, 0, 1], [1, 0, 5, 0]])
    x, y = (_slope(image, k, "reflect") for k in (SOBEL, SOBEL.T))
    prewitt = torch.tensor([[-1.0, 0, 1]] * 3)
    once = "Slide over a picture that has one mirrored pixel around it, so that the size stays."
    attempt.expect(
        attempt(image.clone()),  # a copy: a picture changed in place must not spoil the answer
        _by_opencv(image),
        Slip(
            _strength(image, mode=None),
            "The border is missing: without padding, a 3×3 kernel loses a pixel on each side.",
            once,
        ),
        Slip(
            _strength(image, mode="constant"),
            "At the border your kernel saw zeros, a black frame, and took it for an edge.",
            "`F.pad(x, [1] * 4, mode='reflect')` mirrors the picture; it needs a batch axis.",
        ),
        Slip(
            _strength(image, mode="replicate"),
            "At the border you repeat the last pixel; asked for is the mirror c b | a b c.",
            "`mode='reflect'`.",
        ),
        Slip(x, "That is the slope to the right only.", "Level edges need the kernel turned."),
        Slip(
            x.abs(), "That is the slope to the right only.", "Level edges need the kernel turned."
        ),
        Slip(y, "That is the slope down only.", "Upright edges need the other kernel, too."),
        Slip(
            torch.maximum(x.abs(), y.abs()),
            "You took the larger of the two slopes; a slanted edge is stronger than either.",
            "The length of (x, y) is the root of the sum of squares.",
        ),
        Slip(
            x.abs() + y.abs(),
            "You added the sizes of the slopes: a slanted edge then counts too much.",
            "The length of (x, y) is the root of the sum of squares.",
        ),
        Slip(x + y, "You added the slopes with their signs: edges cancel.", "√(x² + y²)."),
        Slip(x**2 + y**2, "The root is missing.", "√(x² + y²): `torch.hypot` does it."),
        Slip(
            _strength(image, prewitt),
            "Your kernel takes the three rows alike (that one is Prewitt's).",
            "In Sobel's kernel the middle row counts twice.",
        ),
        Slip(
            torch.hypot(x.clamp(min=0), y.clamp(min=0)),
            "Slopes below 0 were cut off: edges from bright to dark are lost.",
            "Keep the signs until you square.",
        ),
        Slip(
            _by_opencv(image)[None, None],
            "The values are right, but batch and channel axes are left over.",
            "Take them off again: `[0, 0]`.",
        ),
        case="a picture of 4 × 4",
        picture=True,
    )
    for height, width in ((5, 9), (2, 2), (7, 3)):
        image = torch.randn(height, width, generator=attempt.random)
        got = attempt(image.clone())
        attempt.expect(got, _by_opencv(image), case=f"random pixels, {height} × {width}")
    attempt.expect_gradient(image)


def _by_opencv(image: Tensor) -> Tensor:
    across, down = (cv2.Sobel(image.numpy(), cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    return torch.from_numpy(np.hypot(across, down))


@exercise(
    "Each layer adds (kernel - 1) jumps, and the jump is the product of all strides before it. "
    "So early strides are what makes a network see far."
)
def receptive_field(attempt: Attempt) -> None:
    """receptive_field(layers): [(kernel size, stride), …] → pixels, an int."""
    first = "First field += (kernel - 1) · jump, then jump *= stride."
    own_stride = (
        "You multiplied by a layer's own stride first. Its windows are as wide as before; the "
        "stride only says how far apart they are."
    )
    got = attempt([(5, 2)])
    if isinstance(got, float):
        attempt.stop("You return a float: it is a number of pixels.", "Stay with whole numbers.")
    attempt.expect(
        got,
        5,
        Slip(1, "The last layer is left out.", "Loop over all pairs, the last one, too."),
        Slip(
            4,
            "You started at 0; but without any layer a place sees one pixel, itself.",
            "Start with a field of 1.",
        ),
        Slip(2, "That is the jump, the distance of neighbours.", "Return the field."),
        Slip(9, own_stride, first),
        Slip(6, "A layer of 5 adds 4 pixels to the one seen already.", "kernel - 1, not kernel."),
        case="a single layer, 5×5 with stride 2",
    )
    attempt.expect(
        attempt([(5, 1), (2, 2), (5, 1), (2, 2)]),
        16,
        Slip(
            11,
            "The strides have no effect: behind a pool of 2, one step of a kernel is 2 pixels.",
            "Keep the jump, the product of the strides so far, and add (kernel - 1) · jump.",
        ),
        Slip(19, own_stride, first),
        Slip(14, "You added the kernels themselves.", "Each layer adds kernel - 1, times jump."),
        Slip(28, "That is the rule for walking backwards, used forwards.", first),
        Slip(
            15,
            "Your jump is the stride of the layer before alone; but strides multiply.",
            "jump *= stride.",
        ),
        case="LeNet: 5×5, pool 2, 5×5, pool 2",
    )
    attempt.expect(
        attempt([(3, 2), (3, 2), (3, 2)]),
        15,
        Slip(
            19,
            "The jump grows by addition in your code. Strides multiply: 2, 4, 8.",
            "jump *= stride.",
        ),
        Slip(
            13,
            "The jump grows by addition in your code. Strides multiply: 2, 4, 8.",
            "jump *= stride.",
        ),
        case="three 3×3 layers of stride 2",
    )
    attempt.expect(attempt([]), 1, case="no layer at all")
    for _ in range(6):
        count = int(torch.randint(1, 5, (), generator=attempt.random))
        numbers = torch.randint(1, 4, (count, 2), generator=attempt.random).tolist()
        layers = [(kernel + stride - 1, stride) for kernel, stride in numbers]  # no gaps
        attempt.expect(attempt(list(layers)), _seen(layers), case=f"the layers {layers}")


def _seen(layers: list[tuple[int, int]]) -> int:
    """How many pixels the first output depends on: those with a slope."""
    line = torch.ones(1, 1, 1500, dtype=torch.double, requires_grad=True)
    values = line
    for kernel, stride in layers:
        values = F.conv1d(values, torch.ones(1, 1, kernel, dtype=torch.double), stride=stride)
    values[0, 0, 0].backward()
    return int((line.grad != 0).sum())


@exercise(
    "Kernel², times the channels in, times the channels out, plus a bias per channel out. So two "
    "3×3 cost 18/25 of one 5×5, and see as much."
)
def stack_parameters(attempt: Attempt) -> None:
    """stack_parameters(channels, kernel_size, bias=True): → int."""
    got = attempt([2, 3, 5], 3)
    if isinstance(got, float):
        attempt.stop("You return a float: parameters are counted.", "Stay with whole numbers.")
    attempt.expect(
        got,
        197,  # 9 · 2 · 3 + 3 + 9 · 3 · 5 + 5
        Slip(189, "The biases are missing.", "Each output channel has one."),
        Slip(
            194,
            "You counted a bias for each channel going in.",
            "Each *output* channel has one, whatever goes in.",
        ),
        Slip(
            191,
            "One bias per layer is too few.",
            "Each output channel has one.",
        ),
        Slip(
            71,
            "The kernel counts once in your sum; it has as many rows as columns.",
            "kernel_size² weights for each pair of channels.",
        ),
        Slip(
            80,
            "Each output channel has a kernel for *each* input channel.",
            "kernel_size² · channels in · channels out, plus the biases.",
        ),
        Slip(
            217,
            "You took the first entry for a layer's output, too: that is the picture.",
            "[2, 3, 5] are two layers, 2 → 3 and 3 → 5: `itertools.pairwise(channels)`.",
        ),
        Slip(57, "Only the first layer is counted.", "Go on to the last pair of channels."),
        Slip(140, "Only the last layer is counted.", "Add up over all pairs of channels."),
        case="channels 2 → 3 → 5 with 3×3 kernels",
    )
    attempt.expect(
        attempt([2, 3, 5], 3, bias=False),
        189,
        Slip(197, "`bias=False` has no effect.", "Count the biases only if `bias` is True."),
        case="the same without biases",
    )
    for channels, size in (([1, 6], 5), ([8, 8, 8, 8], 1), ([3, 64, 128], 3), ([7], 3)):
        for bias in (True, False):
            layers = [
                nn.Conv2d(a, b, size, bias=bias, device="meta")
                for a, b in itertools.pairwise(channels)
            ]
            want = sum(p.numel() for layer in layers for p in layer.parameters())
            attempt.expect(attempt(channels, size, bias), want, case=f"channels {channels}")


def _block(attempt: Attempt, *args: int) -> nn.Module:
    """What the learner's function or class builds, if it is a module."""
    block = attempt(*args)
    if not isinstance(block, nn.Module):
        is_class = isinstance(attempt.answer, type)
        attempt.stop(
            f"`{attempt.exercise.name}{args}` gave {kind(block)}, not a module.",
            "Inherit from `nn.Module`." if is_class else "Return `nn.Sequential(*layers)`.",
            gave=block,
        )
    return block


def _kernels(attempt: Attempt, block: nn.Module, want: list[tuple], hints: dict) -> list[nn.Conv2d]:
    """The block's convolutions, if their weights have the shapes asked for."""
    found = [module for module in block.modules() if isinstance(module, nn.Conv2d)]
    if not found:
        attempt.stop(
            "There is no convolution in your module. Layers in a plain Python list are hidden: "
            "no optimizer finds them.",
            "Put the layers into `nn.Sequential` or `nn.ModuleList`.",
        )
    shapes = [tuple(layer.weight.shape) for layer in found]
    if shapes != want:
        why, next_step = hints.get(
            tuple(shapes),
            (
                f"The kernels have shapes {shapes}, and should have {want}.",
                "A weight is (channels out, channels in, kernel, kernel).",
            ),
        )
        attempt.stop(why, next_step, expected=str(want), gave=str(shapes))
    learnt = sum(p.numel() for p in block.parameters())
    if learnt != sum(p.numel() for layer in found for p in layer.parameters()):
        attempt.stop(
            "There are parameters besides those of the convolutions.",
            "Convolutions, ReLU and pooling only.",
        )
    return found


def _chain(layers: list[nn.Conv2d], x: Tensor, bent: set[int]) -> Tensor:
    """The layers one after another, with a ReLU behind those numbered in `bent`."""
    for number, layer in enumerate(layers):
        padding = layer.weight.shape[-1] // 2
        x = F.conv2d(x, layer.weight, layer.bias, padding=padding)
        x = x.relu() if number in bent else x
    return x


def _answer(attempt: Attempt, block: nn.Module, x: Tensor) -> object:
    """The block's answer without its graph."""
    with torch.no_grad():
        return attempt.run(block, x)


@exercise(
    "3×3 and ReLU as often as you like, one pool: the whole of VGG is five of these. The size is "
    "halved by the pool alone."
)
def vgg_block(attempt: Attempt) -> None:
    """vgg_block(in_channels, out_channels, convolutions) → a module, (B, C, H, W) → halved."""
    block = _block(attempt, 2, 4, 2)
    hints = {
        ((4, 2, 3, 3),): (
            "There is one convolution of its own. If you wrote `[layer] * n`, the same layer "
            "stands there n times and shares its weights.",
            "Make a new `nn.Conv2d` in each turn of the loop.",
        ),
        ((4, 2, 3, 3), (4, 2, 3, 3)): (
            "Both convolutions expect the channels of the picture. The second gets what the first "
            "gave, 4 channels.",
            "After the first layer, in_channels becomes out_channels.",
        ),
        ((2, 2, 3, 3), (4, 2, 3, 3)): (
            "The number of channels grows in the last convolution; VGG grows in the first.",
            "in → out, then out → out.",
        ),
        ((4, 2, 3, 3), (4, 4, 3, 3), (4, 4, 3, 3)): (
            "That is one convolution too many: the first one counts, too.",
            "`convolutions` of them altogether.",
        ),
    }
    layers = _kernels(attempt, block, [(4, 2, 3, 3), (4, 4, 3, 3)], hints)
    if any(layer.bias is None for layer in layers):
        attempt.stop(
            "Your convolutions have no bias. Without a batch norm behind them nothing else brings "
            "one.",
            "Leave `bias=False` away.",
        )
    x = torch.randn(3, 2, 8, 12, generator=attempt.random)
    got = _answer(attempt, block, x)
    with torch.no_grad():
        full, linear, half = (_chain(layers, x, bent) for bent in ({0, 1}, set(), {0}))
        late, pools = _chain(layers, x, {1}), F.max_pool2d
        slips = (
            Slip(full, "The pool is missing.", "`nn.MaxPool2d(2)` at the end."),
            Slip(
                pools(linear, 2),
                "There is no ReLU: then the two convolutions are one 5×5, and a worse one.",
                "A ReLU after each convolution.",
            ),
            Slip(
                pools(late, 2),
                "The ReLU between the convolutions is missing, so they act as a single one.",
                "A ReLU after *each* convolution.",
            ),
            Slip(
                pools(half, 2),
                "The ReLU after the last convolution is missing.",
                "A ReLU after *each* convolution.",
            ),
            Slip(F.avg_pool2d(full, 2), "You took the mean of each window.", "`nn.MaxPool2d(2)`."),
            Slip(
                pools(full, 3, 2, 1),
                "Your pool's windows overlap, as in AlexNet.",
                "`nn.MaxPool2d(2)`: windows of 2×2, side by side.",
            ),
            Slip(
                pools(
                    F.conv2d(
                        pools(_chain(layers[:1], x, {0}), 2),
                        layers[1].weight,
                        layers[1].bias,
                        padding=1,
                    ).relu(),
                    2,
                ),
                "There is a pool after every convolution: the picture shrinks to a quarter.",
                "One pool, after the loop.",
            ),
        )
        attempt.expect(got, pools(full, 2), *slips, case="a batch (3, 2, 8, 12)")
    for count in (1, 3):
        block = _block(attempt, 3, 5, count)
        want = [(5, 3, 3, 3)] + [(5, 5, 3, 3)] * (count - 1)
        layers = _kernels(attempt, block, want, {})
        x = torch.randn(1, 3, 6, 4, generator=attempt.random)
        with torch.no_grad():
            wanted = F.max_pool2d(_chain(layers, x, set(range(count))), 2)
        attempt.expect(_answer(attempt, block, x), wanted, case=f"{count} convolution(s)")
        expect_learning(attempt, block, x)


@exercise(
    "A 1×1 convolution is a dense layer at every pixel. Two of them with ReLU make a small network "
    "that looks at what the kernel found."
)
def nin_block(attempt: Attempt) -> None:
    """nin_block(in_channels, out_channels, kernel_size) → a module, the size stays."""
    block = _block(attempt, 2, 4, 5)
    linears = [module for module in block.modules() if isinstance(module, nn.Linear)]
    if linears:
        attempt.stop(
            "`nn.Linear` works on the last axis, which is the width of the picture, not the "
            "channels.",
            "`nn.Conv2d(c, c, kernel_size=1)` is the dense layer over channels.",
        )
    wanted = [(4, 2, 5, 5), (4, 4, 1, 1), (4, 4, 1, 1)]
    hints = {
        (wanted[0], (4, 4, 5, 5), (4, 4, 5, 5)): (
            "All three kernels are large. Behind the first, each pixel is looked at by itself.",
            "kernel_size=1 for the second and third.",
        ),
        (wanted[0], (4, 4, 3, 3), (4, 4, 3, 3)): (
            "The second and third kernels are 3×3, as in VGG; here they look at one pixel.",
            "kernel_size=1 for the second and third.",
        ),
        ((4, 2, 5, 5), (4, 4, 1, 1)): (
            "There is one 1×1 of its own; the block has two. If the same layer stands there "
            "twice, both places share its weights.",
            "Kernel, 1×1, 1×1, each a new layer with a ReLU.",
        ),
        ((4, 2, 1, 1), (4, 4, 1, 1), (4, 4, 5, 5)): (
            "The large kernel comes last; it comes first, and the small network looks at it.",
            "Kernel, 1×1, 1×1, each with a ReLU.",
        ),
    }
    layers = _kernels(attempt, block, wanted, hints)
    x = torch.randn(3, 2, 7, 9, generator=attempt.random)
    got = _answer(attempt, block, x)
    if isinstance(got, Tensor) and got.shape == (3, 4, 11, 13):
        attempt.stop(
            "The picture has grown by 4: your 1×1 convolutions are padded, and a 1×1 needs no "
            "margin.",
            "padding = kernel_size // 2, which is 0 for a kernel of 1.",
        )
    if isinstance(got, Tensor) and got.shape == (3, 4, 3, 5):
        attempt.stop(
            "The picture has lost 4 pixels across and down.",
            "`padding=kernel_size // 2` in the first convolution keeps the size.",
        )
    with torch.no_grad():
        attempt.expect(
            got,
            _chain(layers, x, {0, 1, 2}),
            Slip(
                _chain(layers, x, set()),
                "There is no ReLU: then the three convolutions are one.",
                "A ReLU after each convolution.",
            ),
            Slip(
                _chain(layers, x, {0}),
                "No ReLU follows the 1×1 convolutions: two linear layers in a row are one.",
                "A ReLU after each of the three.",
            ),
            Slip(
                _chain(layers, x, {0, 1}),
                "The last ReLU is missing.",
                "A ReLU after each of the three.",
            ),
            Slip(
                _chain(layers, x, {0, 2}),
                "No ReLU stands between the two 1×1 convolutions: they are one.",
                "A ReLU after each of the three.",
            ),
            Slip(
                _chain(layers, x, {1, 2}),
                "No ReLU follows the large kernel: it and the first 1×1 are one convolution.",
                "A ReLU after each of the three.",
            ),
            Slip(
                _chain(layers, x, {2}),
                "There is one ReLU, at the end: the three convolutions in front of it are one.",
                "A ReLU after each of the three.",
            ),
            case="a batch (3, 2, 7, 9)",
        )
    for size in (1, 3):
        block = _block(attempt, 3, 6, size)
        layers = _kernels(attempt, block, [(6, 3, size, size), (6, 6, 1, 1), (6, 6, 1, 1)], {})
        x = torch.randn(1, 3, 4, 5, generator=attempt.random)
        with torch.no_grad():
            wanted = _chain(layers, x, {0, 1, 2})
        attempt.expect(_answer(attempt, block, x), wanted, case=f"kernel_size={size}")
        expect_learning(attempt, block, x)


@exercise(
    "Class maps and their means: no matter how large the picture, one logit per class, from "
    "channels · classes numbers. And nothing after it, so that logits may be negative."
)
def GlobalHead(attempt: Attempt) -> None:
    """GlobalHead(in_channels, num_classes): a module, (B, C, H, W) → (B, num_classes) logits."""
    head = _block(attempt, 3, 4)
    sizes = sorted(p.numel() for p in head.parameters())
    if sizes != [4, 12]:
        attempt.stop(
            f"The head has {sum(sizes)} parameters, and should have 16: a weight for each pair of "
            "channel and class, and a bias per class.",
            "One layer, `nn.Conv2d(in_channels, num_classes, kernel_size=1)`. The mean has none.",
        )
    bias, weight = sorted(head.parameters(), key=Tensor.numel)
    weight = weight.T if weight.shape == (3, 4) else weight  # from channels to classes, by `@`
    maps = torch.randn(5, 3, 4, 6, generator=attempt.random)
    with torch.no_grad():
        weight, bias = weight.reshape(4, 3), bias.reshape(4)
        classes = torch.einsum("bchw,kc->bkhw", maps, weight) + bias[:, None, None]
        want = classes.mean((2, 3))
        slips = (
            Slip(
                classes.amax((2, 3)),
                "You took the maximum of each map: one loud place decides.",
                "The mean over both places, dimensions 2 and 3.",
            ),
            Slip(
                classes.relu().mean((2, 3)),
                "A ReLU on the class maps: no logit can be negative any more.",
                "Nothing between the class maps and the mean.",
            ),
            Slip(want.relu(), "A ReLU on the logits: none can be negative.", "Leave it out."),
            Slip(
                classes.sum((2, 3)),
                "You added up the places: a larger picture then gives larger logits.",
                "Take the mean.",
            ),
            Slip(
                want[:, :, None, None],
                "The values are right, but two axes of length 1 are left over.",
                "Flatten: `(B, K, 1, 1)` → `(B, K)`.",
            ),
            Slip(
                want.softmax(1),
                "You return probabilities; models of this course return logits, and "
                "`F.cross_entropy` expects them.",
                "Leave the softmax out.",
            ),
            Slip(
                want.log_softmax(1),
                "You return log-probabilities, not logits.",
                "Leave the log-softmax out.",
            ),
            Slip(
                classes.flatten(1),
                "You flattened the class maps: each place became a logit of its own.",
                "Average over the places first.",
            ),
            Slip(
                classes.mean(3),
                "You averaged along one axis only.",
                "Both: `mean(dim=(2, 3))`.",
            ),
        )
        attempt.expect(_answer(attempt, head, maps), want, *slips, case="a batch (5, 3, 4, 6)")
        for count, height, width in ((1, 4, 6), (2, 9, 3), (3, 1, 1)):
            maps = torch.randn(count, 3, height, width, generator=attempt.random)
            want = torch.einsum("bchw,kc->bkhw", maps, weight).mean((2, 3)) + bias
            attempt.expect(
                _answer(attempt, head, maps),
                want,
                Slip(
                    want[0],
                    "A batch of one has lost its batch axis: `squeeze()` takes every axis of "
                    "length 1.",
                    "`flatten(1)`, or `mean(dim=(2, 3))`, which leaves two axes.",
                ),
                case=f"a batch ({count}, 3, {height}, {width})",
            )
    expect_learning(attempt, head, maps)
