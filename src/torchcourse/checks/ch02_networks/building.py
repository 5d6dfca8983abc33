"""Checkers of chapter 2's lab 3: building networks from parts."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torchcourse.checks.calls import forbid
from torchcourse.checks.compare import has_values, kind
from torchcourse.checks.core import Attempt, Slip, exercise


@exercise(
    "Pooling is windows and a maximum: two `unfold`s, one `amax`. And you padded with what never "
    "wins, minus infinity, so maps with negative values are right as well."
)
def max_pool(attempt: Attempt) -> None:
    """max_pool(x, window, stride, padding): (B, C, H, W) → (B, C, H', W')."""
    rows = [[1, 0, 2, 1, 0], [4, 3, 0, 5, 2], [0, 1, 6, 0, 1], [7, 2, 1, 0, 3], [0, 0, 2, 9, 1]]
    x = torch.tensor(rows).float()[None, None]  # (1, 1, 5, 5)
    windows = x.unfold(2, 3, 2).unfold(3, 3, 2)  # (1, 1, 2, 2, 3, 3)
    attempt.expect(
        attempt(x, 3, 2, 0),
        torch.tensor([[[[6.0, 6.0], [7.0, 9.0]]]]),
        Slip(
            F.avg_pool2d(x, 3, 2),
            "You averaged each window; its maximum is asked for.",
            "`amax` over the two dimensions of the window.",
        ),
        Slip(
            F.max_pool2d(x, 3, 3),
            "Your windows do not overlap: they advance by the window size, not by the stride.",
            "The last argument of `unfold` is the step.",
        ),
        Slip(
            F.max_pool2d(x, 3, 1),
            "Your windows advance by 1, whatever the stride.",
            "The last argument of `unfold` is the step.",
        ),
        Slip(
            F.max_pool2d(x, 2, 3),
            "Window and stride are swapped.",
            "`x.unfold(dimension, size, step)`: first how large, then how far to the next.",
        ),
        Slip(
            windows.amax(-1),
            "One dimension of the window is still there: the rows of each window were not joined.",
            "Give `amax` both window dimensions: `dim=(-2, -1)`.",
        ),
        Slip(
            windows.amax(-1).amax(-1, keepdim=True)[..., None],
            "The values are right, but two dimensions of size 1 are left over.",
            "Leave `keepdim` out: the window dimensions should disappear.",
        ),
    )
    x = torch.tensor([[[[-5.0, -2.0], [-3.0, -4.0]]]])  # (1, 1, 2, 2)
    attempt.expect(
        attempt(x, 2, 2, 1),
        x,
        Slip(
            torch.zeros(1, 1, 2, 2),
            "You padded with zeros, and a zero beats every negative number.",
            "Pad with what never wins: `F.pad(x, …, value=-torch.inf)`.",
        ),
        Slip(
            F.max_pool2d(x, 2),
            "The padding is missing.",
            "`F.pad(x, (left, right, top, bottom), value=…)` before you cut windows.",
        ),
        Slip(
            F.max_pool2d(F.pad(x, (1, 1), value=-torch.inf), 2, 2),
            "You padded left and right only.",
            "`F.pad` takes four numbers here: left, right, top, bottom.",
        ),
        case="negative values and padding 1",
    )
    x = torch.tensor([[[[1.0, 2.0]], [[8.0, 9.0]]]])  # (1, 2, 1, 2)
    attempt.expect(
        attempt(x, 1, 1, 0),
        x,
        Slip(
            x.amax(1, keepdim=True),
            "You took the maximum over the channels, too; each channel is pooled by itself.",
            "Only the two window dimensions disappear.",
        ),
        case="two channels",
    )
    for shape, window, stride, padding in (
        ((3, 2, 7, 5), 3, 2, 1),
        ((1, 1, 4, 6), 2, 3, 0),
        ((2, 3, 5, 8), 4, 1, 2),
        ((4, 1, 3, 3), 3, 1, 0),
    ):
        x = torch.randn(shape, generator=attempt.random)
        attempt.expect(
            attempt(x, window, stride, padding),
            F.max_pool2d(x, window, stride, padding),
            case=f"shape {shape}, window {window}, stride {stride}, padding {padding}",
        )
    attempt.expect_gradient(torch.randn(2, 3, 5, 4, generator=attempt.random), 2, 2, 1)
    forbid(
        attempt,
        {"max_pool2d", "_max_pool2d", "adaptive_max_pool2d", "max_pool2d_with_indices"},
        torch.zeros(1, 1, 4, 4),
        2,
        2,
        0,
        why="The values are right, but PyTorch's own `{name}` computes them.",
        next_step="Cut the windows yourself: `unfold` twice, then `amax`.",
    )
    attempt.expect_no_loop()


@exercise(
    "Product rule for x times a gate, chain rule for the gate: tanh of softplus. And large numbers "
    "stay finite, because no exponential of yours overflows."
)
def mish(attempt: Attempt) -> None:
    """mish(x): (N,) → x·tanh(softplus(x)) and its slope, (N,) each."""
    x = torch.tensor([-1.0, 0.0, 0.5, 2.0])
    value, slope = _mish(x)
    gate, squash = torch.tanh(F.softplus(x)), torch.sigmoid(x)
    got = attempt(x)
    if isinstance(got, Tensor) and got.shape == x.shape:
        attempt.stop(
            "One tensor came back; the value and the slope are asked for.",
            "`return value, slope`",
        )
    if not (isinstance(got, tuple) and len(got) == 2):
        attempt.expect(got, (value, slope), name="(value, slope)")
    attempt.expect(
        got[0],
        value,
        Slip(
            x * squash,
            "Your value is SiLU: x times sigmoid. Mish gates with tanh(softplus(x)).",
            "softplus(x) = ln(1 + eˣ); `F.softplus` computes it.",
        ),
        Slip(
            x * torch.tanh(x),
            "You squashed x itself; tanh is taken of softplus(x).",
            "First softplus, then tanh, then times x.",
        ),
        Slip(gate, "The factor x is missing: this is the gate alone.", "Multiply by x."),
        Slip(
            torch.tanh(x) * F.softplus(x),
            "You multiplied softplus(x) by tanh(x). The tanh is taken of softplus.",
            "x · tanh(softplus(x)): nested, not side by side.",
        ),
        Slip(slope, "The slope came first; the value is asked for first.", "Swap the two."),
        name="the value",
    )
    _judge_slope(attempt, got[1], slope, gate, squash, x)
    _check_large(attempt)
    for size in (1, 7):
        x = torch.randn(size, generator=attempt.random).double()
        case = f"{size} number(s) in float64"
        attempt.expect(attempt(x), _mish(x), name="(value, slope)", case=case)
    forbid(
        attempt,
        {"mish", "backward", "grad"},
        torch.ones(2),
        why="The values are right, but PyTorch's own `{name}` computed them.",
        next_step="Write the value from tanh and softplus, and the slope with the product rule.",
    )


def _mish(x: Tensor) -> tuple[Tensor, Tensor]:
    """PyTorch's own value, and autograd's slope."""
    marked = x.detach().clone().requires_grad_()
    value = F.mish(marked)
    (slope,) = torch.autograd.grad(value.sum(), marked)
    return value.detach(), slope


def _judge_slope(
    attempt: Attempt, got: object, slope: Tensor, gate: Tensor, squash: Tensor, x: Tensor
) -> None:
    """Known wrong derivatives, once the value is right."""
    bent = 1 - gate**2
    first, second = (
        "the first half of the product rule is",
        "the second half of the product rule is",
    )
    attempt.expect(
        got,
        slope,
        Slip(
            gate,
            f"Your slope treats the gate as a constant: {second} missing.",
            "(x · g)' = g + x · g'.",
        ),
        Slip(
            x * bent * squash,
            f"Your slope treats the factor x as a constant: {first} missing.",
            "(x · g)' = g + x · g'.",
        ),
        Slip(
            gate + x * bent,
            "The inner derivative is missing: tanh is taken of softplus(x), not of x.",
            "Chain rule: multiply by the slope of softplus, which is sigmoid(x).",
        ),
        Slip(
            gate + x * squash,
            "The derivative of tanh is missing from your chain.",
            "tanh'(s) = 1 - tanh²(s), times the slope of softplus.",
        ),
        Slip(
            gate + bent * squash,
            "The factor x is missing in front of the gate's derivative.",
            "(x · g)' = g + x · g'.",
        ),
        Slip(
            slope.sum(),
            "You added the slopes up; one for each number is asked for.",
            "Every step works on each element by itself; no sum is needed.",
        ),
        *(
            Slip(
                got,
                "Your slope is close, but not equal. Did you nudge x and divide?",
                "Derive the formula: product rule, then chain rule.",
            )
            for _ in range(_is_nudged(got, slope))
        ),
        name="the slope",
    )


def _is_nudged(got: object, slope: Tensor) -> bool:
    """Near the slope everywhere, as a difference quotient is."""
    plain = isinstance(got, Tensor) and has_values(got)
    if not plain or (got.shape, got.dtype) != (slope.shape, slope.dtype):
        return False
    return bool(((got.detach() - slope).abs() < 0.02).all())


def _check_large(attempt: Attempt) -> None:
    """Numbers whose exponential no float can hold."""
    x = torch.tensor([-200.0, 200.0])
    got = attempt(x)
    want = torch.tensor([0.0, 200.0]), torch.tensor([0.0, 1.0])
    for part in got if isinstance(got, tuple) else ():
        if isinstance(part, Tensor) and has_values(part) and not part.isfinite().all():
            attempt.stop(
                "At x = 200 your result is not finite: e²⁰⁰ is larger than float32 can hold, and "
                "∞/∞ or 0·∞ is NaN.",
                "`F.softplus` and `torch.sigmoid` are built not to overflow.",
                expected=want,
                gave=got,
            )
    attempt.expect(got, want, case="x = -200 and 200", name="(value, slope)")


@exercise(
    "Each picture is flattened by itself: `flatten(1)` keeps the batch, for one picture as for "
    "many. And a head of the wrong size is refused at once, instead of cutting pictures to fit."
)
def class_scores(attempt: Attempt) -> None:
    """class_scores(maps, head): (B, C, H, W), nn.Linear(C·H·W, K) → (B, K)."""
    head = _linear([[1.0, 10.0, 100.0, 1000.0, 0.0, 0.0, 0.0, 0.0], [0.0] * 4 + [1.0] * 4], [0, 5])
    maps = torch.arange(1.0, 17.0).reshape(2, 2, 2, 2)  # (B, C, H, W)
    lone = attempt(maps[:1], head)
    if isinstance(lone, Tensor) and lone.shape == (2,):
        attempt.stop(
            "One picture came back without its batch dimension: your flattening swallowed it.",
            "`torch.flatten(x)` starts at dimension 0; start at dimension 1.",
            expected=torch.tensor([[4321.0, 31.0]]),
            gave=lone,
        )
    attempt.expect(
        attempt(maps, head),
        torch.tensor([[4321.0, 31.0], [4321.0 + 8 * 1111, 31.0 + 32]]),
        Slip(
            head(maps.permute(0, 2, 3, 1).flatten(1)).detach(),
            "The numbers of each picture stand in another order: channels last.",
            "Flatten the picture as it is stored, `(C, H, W)`: no permute is needed.",
        ),
        Slip(
            head(maps.mT.flatten(1)).detach(),
            "Height and width are swapped before flattening.",
            "Flatten the picture as it is stored; no transpose is needed.",
        ),
        Slip(
            head(maps.mean(0).flatten()[None]).detach(),
            "You averaged the pictures of the batch into one.",
            "The batch dimension is never reduced.",
        ),
        Slip(
            head(maps[:1].flatten(1)).detach(),
            "Only the first picture was scored.",
            "All B pictures go through the head at once.",
        ),
        Slip(
            head(maps.transpose(0, 1).flatten(1)).detach(),
            "Batch and channels are mixed: each row holds parts of both pictures.",
            "Dimension 0 is the batch; leave it where it is.",
        ),
        case="a batch of two",
    )
    attempt.expect(lone, torch.tensor([[4321.0, 31.0]]), case="a batch of one")
    _refuses_wrong_head(attempt)
    for shape, classes in (((3, 4, 5, 2), 7), ((1, 2, 1, 3), 1), ((5, 1, 4, 4), 3)):
        maps = torch.randn(shape, generator=attempt.random)
        size = math.prod(shape[1:])
        head = _linear(torch.randn(classes, size, generator=attempt.random), [0.5] * classes)
        want = torch.einsum("bchw,kchw->bk", maps, head.weight.detach().view(-1, *shape[1:])) + 0.5
        attempt.expect(_plain(attempt(maps, head)), want, case=f"maps of shape {shape}")
    head = _linear(torch.ones(2, 12), [0, 0])
    attempt.expect_gradient(torch.randn(2, 3, 2, 2, generator=attempt.random), head)


def _plain(value: object) -> object:
    return value.detach() if isinstance(value, Tensor) else value


def _linear(weight: list | Tensor, bias: list) -> nn.Linear:
    """A linear layer with these numbers."""
    weight = torch.as_tensor(weight)
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(torch.as_tensor(bias).float())
    return layer


def _refuses_wrong_head(attempt: Attempt) -> None:
    """A head for half as many features must not get two rows out of each picture."""
    small = _linear(torch.ones(3, 4), [0, 0, 0])
    maps = torch.ones(2, 2, 2, 2)  # 8 features each

    def tried(maps: Tensor, small: nn.Linear) -> object:
        try:
            return attempt.answer(maps, small)
        except Exception:
            return "refused"

    got = attempt.run(tried, maps, small)
    if not isinstance(got, str):
        attempt.stop(
            "A head for 4 features got pictures of 8, and your code did not object. "
            "`reshape(-1, in_features)` makes two rows of every picture; only the loss would "
            "notice, or nobody.",
            "Fix the number of rows, not of columns: `flatten(1)` or `reshape(len(maps), -1)`.",
            gave=got,
        )


@exercise(
    "Two linear layers without an activation are one: the weight is the product, second times "
    "first, and the first bias travels through the second weight."
)
def merge_linear(attempt: Attempt) -> None:
    """merge_linear(first, second): two nn.Linear → one nn.Linear that does the same."""
    first = _linear([[1.0, 2.0], [0.0, 1.0]], [10, 20])
    second = _linear([[1.0, 0.0], [3.0, 1.0]], [100, 200])
    got = attempt(first, second)
    if not isinstance(got, nn.Linear):
        attempt.stop(
            f"The answer is {kind(got)}, not a single `nn.Linear`.",
            "Create `nn.Linear(in_features, out_features)` and copy weight and bias into it.",
        )
    if got.bias is None:
        attempt.stop(
            "The merged layer has no bias, but the two layers have.",
            "It needs one: the second weight times the first bias, plus the second bias.",
        )
    attempt.expect(
        got.weight.detach(),
        torch.tensor([[1.0, 2.0], [3.0, 7.0]]),
        Slip(
            torch.tensor([[7.0, 2.0], [3.0, 1.0]]),
            "The weights are multiplied in the wrong order: the first layer acts first, so it "
            "stands on the right.",
            "`second.weight @ first.weight`",
        ),
        Slip(
            torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
            "You multiplied the weights element by element.",
            "Use the matrix product, `@`.",
        ),
        Slip(
            torch.tensor([[1.0, 3.0], [2.0, 7.0]]),
            "Your weight is transposed: `nn.Linear` holds a row for each output.",
            "`second.weight @ first.weight` has the right form, (out, in).",
        ),
        Slip(
            torch.tensor([[2.0, 2.0], [3.0, 2.0]]),
            "You added the weights. Layers in a row multiply.",
            "y = W₂(W₁x + b₁) + b₂: multiply out on paper.",
        ),
        name="the merged weight",
    )
    attempt.expect(
        got.bias.detach(),
        torch.tensor([110.0, 250.0]),
        Slip(
            torch.tensor([110.0, 220.0]),
            "You added the two biases. The first one passes through the second layer's weight.",
            "y = W₂(W₁x + b₁) + b₂ = W₂W₁x + (W₂b₁ + b₂).",
        ),
        Slip(
            torch.tensor([100.0, 200.0]),
            "The first bias is lost.",
            "It arrives in the second layer as an input: W₂b₁.",
        ),
        Slip(
            torch.tensor([10.0, 50.0]),
            "The second bias is lost.",
            "Add it at the end: W₂b₁ + b₂.",
        ),
        Slip(
            torch.tensor([170.0, 220.0]),
            "The first bias went through the transposed second weight.",
            "`second.weight @ first.bias`; or let the second layer do it: `second(first.bias)`.",
        ),
        name="the merged bias",
    )
    changed = first(torch.eye(2)).sum().item() != 64 or second(torch.eye(2)).sum().item() != 605
    if changed:
        attempt.stop(
            "The result is right, but you changed one of the two layers on the way.",
            "Create a new `nn.Linear` and copy the product into it.",
        )
    _check_merged(attempt, got, first, second)


def _check_merged(attempt: Attempt, got: nn.Linear, first: nn.Linear, second: nn.Linear) -> None:
    """A layer of its own, sizes that differ, and layers without bias."""
    if not all(isinstance(p, nn.Parameter) and p.requires_grad for p in (got.weight, got.bias)):
        attempt.stop(
            "Weight and bias of the merged layer cannot be trained.",
            "Copy the numbers into its own parameters, under `torch.no_grad()`, with `copy_`.",
        )
    shared = {p.data_ptr() for layer in (first, second) for p in layer.parameters()}
    if {got.weight.data_ptr(), got.bias.data_ptr()} & shared:
        attempt.stop(
            "The merged layer shares memory with one you were given: training changes both.",
            "Create a new `nn.Linear` and copy the numbers into it.",
        )
    for sizes, biases in (
        ((3, 5, 2), (True, True)),
        ((4, 1, 3), (False, True)),
        ((2, 6, 1), (False, False)),
    ):
        pair = [nn.Linear(sizes[i], sizes[i + 1], bias=biases[i]).double() for i in range(2)]
        merged = attempt(*pair)
        case = f"sizes {sizes[0]} → {sizes[1]} → {sizes[2]}"
        case += "" if all(biases) else ", a layer without bias, float64"
        if not isinstance(merged, nn.Linear):
            attempt.stop(f"The answer is {kind(merged)}, not an `nn.Linear`. (Seen with {case}.)")
        x = torch.randn(4, sizes[0], generator=attempt.random).double()
        with torch.no_grad():
            want = pair[1](pair[0](x))
            got_scores = attempt.run(merged, x)
        attempt.expect(_plain(got_scores), want, case=case, name="what the merged layer computes")


# What each layer of cifar_net is, what it makes of two pictures (channels and size, or features),
# and its parameters, for ten classes.
CIFAR_LAYERS = (
    (nn.Conv2d, (2, 16, 32, 32), 1_216),
    (nn.ReLU, (2, 16, 32, 32), 0),
    (nn.MaxPool2d, (2, 16, 16, 16), 0),
    (nn.Conv2d, (2, 32, 16, 16), 4_640),
    (nn.ReLU, (2, 32, 16, 16), 0),
    (nn.MaxPool2d, (2, 32, 8, 8), 0),
    (nn.Conv2d, (2, 64, 4, 4), 18_496),
    (nn.ReLU, (2, 64, 4, 4), 0),
    (nn.Flatten, (2, 1024), 0),
    (nn.Linear, (2, 64), 65_600),
    (nn.ReLU, (2, 64), 0),
    (nn.Linear, (2, 10), 650),
)


@exercise(
    "You read a network off its table: parameters tell the kernel, shapes tell padding and stride. "
    "Activations between, logits at the end, 90,602 parameters."
)
def cifar_net(attempt: Attempt) -> None:
    """cifar_net(num_classes): → an nn.Sequential from (B, 3, 32, 32) to logits (B, K)."""
    net = attempt(10)
    if not isinstance(net, nn.Sequential):
        attempt.stop(
            f"The answer is {kind(net)}, not an `nn.Sequential`.",
            "`return nn.Sequential(layer, layer, …)`, or unpack a list into it with `*`.",
        )
    _check_kinds(attempt, net)
    x = torch.randn(2, 3, 32, 32, generator=attempt.random)
    for number, layer in enumerate(net, start=1):
        if number > len(CIFAR_LAYERS):
            break
        x = attempt.run(layer, x, may_change=True)
        _check_layer(attempt, number, layer, x)
    if len(net) != len(CIFAR_LAYERS):
        attempt.stop(
            f"Your network has {len(net)} layers, the table has {len(CIFAR_LAYERS)}.",
            "`print(net)` beside the table, line by line.",
        )
    other = attempt(7)
    scores = (
        attempt.run(other, torch.zeros(1, 3, 32, 32)) if isinstance(other, nn.Module) else other
    )
    if not (isinstance(scores, Tensor) and scores.shape == (1, 7)):
        attempt.stop(
            "Asked for 7 classes, your network does not give 7 scores.",
            "Use `num_classes` in the last layer.",
            gave=scores,
        )


def _check_kinds(attempt: Attempt, net: nn.Sequential) -> None:
    """Mistakes in the choice of layers."""
    activations = (nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh)
    if not any(isinstance(module, activations) for module in net.modules()):
        attempt.stop(
            "There is no activation in your network. Between its poolings it is one linear map, "
            "however many layers it has.",
            "A ReLU after each layer with weights, except the last.",
        )
    if isinstance(net[-1], (nn.Softmax, nn.LogSoftmax, nn.Sigmoid)):
        attempt.stop(
            f"Your network ends in {type(net[-1]).__name__}; logits are asked for.",
            "The loss applies softmax itself; applied twice, it learns slowly.",
        )
    if isinstance(net[-1], nn.ReLU):
        attempt.stop(
            "Your network ends in a ReLU, so no score can ever be negative.",
            "The last layer gives logits: leave its activation out.",
        )


def _check_layer(attempt: Attempt, number: int, layer: nn.Module, made: object) -> None:
    """One line of the table: shape, then kind, then parameters."""
    wanted_kind, shape, parameters = CIFAR_LAYERS[number - 1]
    name = f"Layer {number} ({type(layer).__name__})"
    got = tuple(made.shape) if isinstance(made, Tensor) else kind(made)
    if isinstance(layer, nn.Flatten) and got != shape and len(got) == 1:
        attempt.stop(
            f"The batch was flattened, too: layer {number} makes {got} of two pictures.",
            "`nn.Flatten()` starts at dimension 1 by itself.",
        )
    if isinstance(layer, nn.Conv2d) and got != shape and got[1:2] == shape[1:2]:
        attempt.stop(
            f"{name} gives {got}, the table says {shape}. The channels are right; padding or "
            "stride is not.",
            "Output size: ⌊(H + 2p - k)/s⌋ + 1. Padding (k - 1)/2 keeps the size at stride 1.",
        )
    if got != shape:
        attempt.stop(
            f"{name} gives {got}, the table says {shape}.",
            "Work down the table; everything before this layer agrees with it.",
        )
    if not isinstance(layer, wanted_kind):
        attempt.stop(
            f"{name} has the right shape, but the table says {wanted_kind.__name__}.",
            "Averages, other activations and other kernels are fine networks, but not this one.",
        )
    count = sum(p.numel() for p in layer.parameters())
    if count != parameters and getattr(layer, "bias", True) is None:
        attempt.stop(
            f"{name} has {count:,} parameters, not {parameters:,}: its bias is switched off.",
            "Leave `bias=False` out.",
        )
    if count != parameters:
        attempt.stop(
            f"{name} has {count:,} parameters, not {parameters:,}.",
            "A convolution has in · k · k · out + out. Solve the table's number for k.",
        )


class _Vgg(nn.Module):
    """VGG's three children in miniature: features, avgpool, and a classifier of seven layers."""

    def __init__(self, width: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.avgpool = nn.AdaptiveAvgPool2d(2)
        self.classifier = nn.Sequential(
            nn.Linear(width * 4, hidden),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(hidden, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


@exercise(
    "Freeze first, then replace: the new layer asks for gradients by itself, and everything "
    "pretrained stays bit for bit what it was."
)
def new_head(attempt: Attempt) -> None:
    """new_head(model, num_classes): changes a VGG in place and returns it."""
    for width, hidden, classes, wanted in ((4, 6, 12, 5), (3, 9, 5, 2), (2, 4, 3, 3)):
        torch.manual_seed(0)
        model = _Vgg(width, hidden, classes)
        old_head = model.classifier[6]
        before = {name: value.clone() for name, value in model.state_dict().items()}
        got = attempt(model, wanted, may_change=True)
        if got is None:
            attempt.expect(got, "a model")  # says that nothing came back
        if got is not model:
            attempt.stop(
                f"What came back is {kind(got)}, not the model that was given.",
                "Change the given model in place, and return it.",
            )
        _check_head(attempt, model, old_head, hidden, wanted)
        _check_frozen(attempt, model)
        _check_body(attempt, model, before)
        _check_one_step(attempt, model, wanted)


def _check_head(
    attempt: Attempt, model: nn.Module, old: nn.Linear, hidden: int, wanted: int
) -> None:
    """The last layer of the classifier is new and fits."""
    classifier = getattr(model, "classifier", None)
    if not isinstance(classifier, nn.Sequential) or len(classifier) < 7:
        attempt.stop(
            "The whole classifier is gone; only its last layer should be replaced. The two hidden "
            "layers hold most of what VGG16 has learnt to combine.",
            "Assign to one item: `model.classifier[6] = …`.",
        )
    if len(classifier) > 7:
        attempt.stop(
            "You appended a layer behind the old head: everything is squeezed through the old "
            "classes first.",
            "Replace the last layer: `model.classifier[6] = …`.",
        )
    head = classifier[6]
    if set(dict(model.named_children())) != {"features", "avgpool", "classifier"}:
        attempt.stop(
            "A new child stands beside `classifier`, and `forward` never calls it. Registered is "
            "not the same as called.",
            "Assign the new layer to `model.classifier[6]`.",
        )
    if head is old:
        attempt.stop(
            "The old head is still there"
            + (
                ": `out_features` is only what is printed, the weight kept its rows."
                if old.out_features != old.weight.shape[0]
                else "."
            ),
            "Create a new `nn.Linear` and assign it to `model.classifier[6]`.",
        )
    if not isinstance(head, nn.Linear):
        attempt.stop(f"The new head is {kind(head)}, not an `nn.Linear`.", "`nn.Linear(in, out)`")
    if head.in_features != hidden:
        attempt.stop(
            f"The new head wants {head.in_features} inputs, but {hidden} arrive.",
            "Ask the old head: `model.classifier[6].in_features`. Not every VGG is as wide.",
        )
    if head.weight.shape[0] != wanted:
        attempt.stop(
            f"The new head gives {head.weight.shape[0]} scores, {wanted} are asked for.",
            "Use `num_classes`.",
        )


def _check_frozen(attempt: Attempt, model: nn.Module) -> None:
    """Exactly the head's weight and bias ask for gradients."""
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    if trained == ["classifier.6.weight", "classifier.6.bias"]:
        return
    if not trained:
        attempt.stop(
            "Nothing trains: the new head is frozen, too.",
            "Freeze first, then create the head; or give it `requires_grad_(True)` afterwards.",
        )
    if len(trained) == len(list(model.parameters())):
        why = "Nothing is frozen: every parameter still asks for gradients."
        if "requires_grad" in vars(model):
            why = "`model.requires_grad = False` freezes nothing: it is an attribute nobody reads."
        attempt.stop(why, "The method does it: `model.requires_grad_(False)`, with underscore.")
    if any(name.startswith("features") for name in trained):
        attempt.stop(
            "Part of `features` is not frozen.",
            "Freeze the whole model at once: `model.requires_grad_(False)`.",
        )
    if any(name.startswith(("classifier.0", "classifier.3")) for name in trained):
        attempt.stop(
            "The hidden layers of the classifier still train; only the new head should.",
            "Freeze the whole model, not only `features`.",
        )
    attempt.stop(
        f"Of the head, only {', '.join(trained)} trains; weight and bias both should.",
        "A fresh `nn.Linear` has both, and both ask for gradients.",
    )


def _check_body(attempt: Attempt, model: nn.Module, before: dict[str, Tensor]) -> None:
    """Nothing but the head holds other numbers than before."""
    for name, value in model.state_dict().items():
        if name.startswith("classifier.6."):
            continue
        if name not in before or not torch.equal(value, before[name]):
            attempt.stop(
                f"The pretrained numbers in {name} have changed.",
                "Touch nothing but the last layer: the rest is what you wanted to keep.",
            )


def _check_one_step(attempt: Attempt, model: nn.Module, wanted: int) -> None:
    """A step of training moves the head, and the head alone."""
    x = torch.randn(3, 3, 6, 8, generator=attempt.random)
    scores = attempt.run(model, x, may_change=True)
    if not (isinstance(scores, Tensor) and scores.shape == (3, wanted)):
        attempt.stop(f"The model does not give {wanted} scores for each picture.", gave=scores)
    if not scores.requires_grad:
        attempt.stop(
            "No gradient reaches the head: the scores hang on no graph.",
            "Leave `forward` alone; freezing is done on parameters.",
        )
