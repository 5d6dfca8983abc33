"""Checkers of chapter 5's lab 2: blocks, frozen layers, parameter groups, attention, two looks."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torchcourse.checks.compare import kind
from torchcourse.checks.core import Attempt, Slip, exercise

WITHOUT_A_NAME = "Compare the layers you made with the docstring, one by one."


def _bare(got: object) -> object:
    """A tensor without its graph, to be shown; anything else as it is."""
    return got.detach() if isinstance(got, Tensor) else got


def _made(attempt: Attempt, *args: object) -> nn.Module:
    """The learner's module, with large weights: small ones would hide a missing ReLU."""
    module = attempt(*args)
    if not isinstance(module, nn.Module) or "_modules" not in vars(module):
        attempt.stop(
            f"Calling your class gives {kind(module)}, not a finished module.",
            "Inherit from `nn.Module`, and call `super().__init__()` first.",
        )
    with torch.no_grad():
        for p in module.parameters():
            if p.ndim > 1:
                p.copy_(torch.randn(p.shape, generator=attempt.random) / p[0].numel() ** 0.5)
    return module


def _convolutions(module: nn.Module) -> dict[tuple[int, ...], nn.Conv2d]:
    """The module's convolutions by the shape of their weight."""
    return {tuple(m.weight.shape): m for m in module.modules() if isinstance(m, nn.Conv2d)}


def _stop_without_layers(attempt: Attempt, module: nn.Module) -> None:
    if not any(True for _ in module.parameters()):
        attempt.stop(
            "Your module has no parameters: its layers are made in `forward`, or kept in a plain "
            "list, where no optimizer finds them.",
            "Make each layer in `__init__` and give it to `self`.",
        )


@exercise(
    "Four branches look at the same input through windows of four sizes and are put side by side "
    "along the channels; 1×1 convolutions make the wide windows affordable.",
    takes=type,
)
def Inception(attempt: Attempt) -> None:
    """Inception(in_channels, one, three, five, pooled): four branches, side by side."""
    widths = (2, (4, 5), (6, 7), 8)
    block = _made(attempt, 3, *widths)
    _stop_without_layers(attempt, block)
    convs = _inception_convs(attempt, block, 3, *widths)
    x = torch.randn(2, 3, 6, 5, generator=attempt.random)
    right = _branches(convs, x)
    order = "The branches are in another order than asked for."
    no_relu = "The last ReLU is missing: negative numbers come out of a branch."
    attempt.expect(
        _bare(attempt.run(block, x)),
        torch.cat(right, 1),
        Slip(
            torch.cat(_branches(convs, x, between=False), 1),
            "There is no ReLU between a 1×1 convolution and the one behind it: two linear maps in "
            "a row are one.",
            "ReLU after each of the six convolutions.",
        ),
        Slip(
            torch.cat(_branches(convs, x, after=False), 1),
            no_relu,
            "ReLU after each of the six convolutions.",
        ),
        Slip(
            torch.cat(_branches(convs, x, between=False, after=False), 1),
            "There is no ReLU at all, so the block is one linear map.",
            "ReLU after each of the six convolutions.",
        ),
        Slip(
            torch.cat(_branches(convs, x, pool=_average), 1),
            "The fourth branch averages its window.",
            "`nn.MaxPool2d(3, stride=1, padding=1)`.",
        ),
        Slip(
            torch.cat(_branches(convs, x, pool=None), 1),
            "The fourth branch does not pool: it is a second 1×1 branch.",
            "`nn.MaxPool2d(3, stride=1, padding=1)` before its 1×1 convolution.",
        ),
        Slip(
            torch.cat([*right[:3], _max(F.relu(convs["pooled"](x)))], 1),
            "The fourth branch pools after its convolution.",
            "First the pooling, then the 1×1 convolution.",
        ),
        Slip(torch.cat(right[::-1], 1), order, "1×1, 3×3, 5×5, pooling."),
        Slip(
            right,
            "You returned the four branches, not one tensor.",
            "`torch.cat(branches, dim=1)`: along the channels.",
        ),
        case="an input (2, 3, 6, 5) and the widths 2, (4, 5), (6, 7), 8",
    )
    for shape, case in (((1, 2, 9, 9), "a batch of one"), ((3, 2, 3, 1), "a map of 3×1")):
        block = _made(attempt, 2, 1, (3, 4), (5, 6), 7)
        convs = _inception_convs(attempt, block, 2, 1, (3, 4), (5, 6), 7)
        x = torch.randn(shape, generator=attempt.random)
        attempt.expect(_bare(attempt.run(block, x)), torch.cat(_branches(convs, x), 1), case=case)


def _inception_convs(attempt, block, c, one, three, five, pooled) -> dict[str, nn.Conv2d]:
    wanted = {
        "one": (one, c, 1, 1),
        "reduce3": (three[0], c, 1, 1),
        "three": (three[1], three[0], 3, 3),
        "reduce5": (five[0], c, 1, 1),
        "five": (five[1], five[0], 5, 5),
        "pooled": (pooled, c, 1, 1),
    }
    found = _convolutions(block)
    for size, width in ((3, three[1]), (5, five[1])):
        if (width, c, size, size) in found:
            attempt.stop(
                f"Your {size}×{size} convolution works on all {c} channels of the input. That is "
                "what the 1×1 convolution before it is there to avoid.",
                "Reduce the channels first: 1×1, ReLU, then the wide window.",
            )
    for shape in wanted.values():
        if shape not in found:
            attempt.stop(
                f"There is no {shape[2]}×{shape[3]} convolution from {shape[1]} to {shape[0]} "
                f"channels in your block.",
                WITHOUT_A_NAME,
            )
    return {name: found[shape] for name, shape in wanted.items()}


def _max(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, stride=1, padding=1)


def _average(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1)


@torch.no_grad()
def _branches(convs, x, between=True, after=True, pool=_max) -> tuple[Tensor, ...]:
    """What the four branches make of x with these convolutions, or with one thing left out."""
    inner = F.relu if between else (lambda t: t)
    outer = F.relu if after else (lambda t: t)
    weights = {name: (conv.weight, conv.bias) for name, conv in convs.items()}
    three = F.conv2d(inner(F.conv2d(x, *weights["reduce3"])), *weights["three"], padding=1)
    five = F.conv2d(inner(F.conv2d(x, *weights["reduce5"])), *weights["five"], padding=2)
    pooled = F.conv2d(x if pool is None else pool(x), *weights["pooled"])
    return tuple(outer(t) for t in (F.conv2d(x, *weights["one"]), three, five, pooled))


@exercise(
    "The block learns a correction, and the input goes around it untouched; only where the shape "
    "changes does a 1×1 projection bring it into the new one.",
    takes=type,
)
def ResidualBlock(attempt: Attempt) -> None:
    """ResidualBlock(in_channels, out_channels, stride): ReLU(F(x) + shortcut(x))."""
    _check_identity(attempt)
    for sizes, case in (((3, 5, 2), "3 → 5 channels, stride 2"), ((3, 5, 1), "3 → 5 channels")):
        _check_projection(attempt, sizes, case)
    block = _made(attempt, 4, 4, 2)
    if (4, 4, 1, 1) not in _convolutions(block):
        attempt.stop(
            "With stride 2 the map shrinks, so the input no longer fits, even with 4 channels in "
            "and 4 out; and your block has no projection there.",
            "Project if the channels differ *or* the stride is not 1.",
        )
    got = attempt.run(block, torch.randn(1, 4, 7, 6, generator=attempt.random))
    attempt.expect(
        tuple(got.shape) if isinstance(got, Tensor) else got,
        (1, 4, 4, 3),
        case="4 → 4 channels, stride 2, a map of 7×6",
        name="the shape",
    )


def _check_identity(attempt: Attempt) -> None:
    block = _made(attempt, 4, 4, 1)
    _stop_without_layers(attempt, block)
    if (4, 4, 1, 1) in _convolutions(block):
        attempt.stop(
            "Your block has a projection although the input fits as it is (4 → 4 channels, stride "
            "1). Then nothing goes around untouched.",
            "`nn.Identity()` unless the channels differ or the stride is not 1.",
        )
    x = torch.randn(3, 4, 6, 5, generator=attempt.random)
    first, second = _by_order(attempt, block, x)
    before = _norm(F.conv2d(x, first, padding=1))
    inner = F.relu(before)
    body = _norm(F.conv2d(inner, second, padding=1))
    after = "ReLU(F(x) + x)."
    attempt.expect(
        _bare(attempt.run(block.train(), x)),
        F.relu(body + x),
        Slip(
            F.relu(body) + x,
            "The last ReLU comes before the addition, so the block can only ever add, never "
            "take away.",
            after,
        ),
        Slip(body + x, "There is no ReLU after the addition.", after),
        Slip(
            F.relu(body),
            "The input is not added: that is a plain block.",
            "Keep x, compute F(x) under another name, and add the two.",
        ),
        Slip(
            F.relu(body + inner),
            "You added what came out of the first half, not the input: `x` was overwritten.",
            "Give F(x) another name; the addition needs the x that came in.",
        ),
        Slip(
            F.relu(_norm(F.conv2d(before, second, padding=1)) + x),
            "There is no ReLU between the two convolutions, so together they are one linear map.",
            "Convolution, norm, ReLU, convolution, norm.",
        ),
        Slip(
            F.relu(F.conv2d(inner, second, padding=1) + x),
            "The second convolution has no batch norm behind it.",
            "Convolution, norm, ReLU, convolution, norm; then the addition.",
        ),
        Slip(
            F.relu(_norm(F.conv2d(inner, second, padding=1) + x)),
            "You normalised the sum, so the input does not come through as it is.",
            "Norm first, addition last.",
        ),
        case="4 → 4 channels, train mode",
    )


def _by_order(attempt: Attempt, block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """The weights of the two 3×3 convolutions, in the order in which they run."""
    seen: list[nn.Conv2d] = []
    layers = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    hooks = [m.register_forward_hook(lambda m, *_: seen.append(m)) for m in layers]
    result = attempt.run(block, x)
    for hook in hooks:
        hook.remove()
    if result is None or result is ...:
        attempt.expect(result, x)
    if [tuple(m.weight.shape) for m in seen] != [(4, 4, 3, 3)] * 2 or seen[0] is seen[1]:
        shapes = ", ".join(f"{m.out_channels}×{m.in_channels}×{m.kernel_size}" for m in seen)
        attempt.stop(
            "A block of 4 → 4 channels runs two 3×3 convolutions of its own, 4 → 4 each. Yours "
            f"ran {shapes or 'none'}.",
            WITHOUT_A_NAME,
        )
    return seen[0].weight.detach(), seen[1].weight.detach()


def _norm(x: Tensor) -> Tensor:
    """What a new batch norm does in train mode. A bias before it would cancel."""
    return F.batch_norm(x, None, None, training=True)


def _check_projection(attempt: Attempt, sizes: tuple[int, int, int], case: str) -> None:
    block, (c, out, stride) = _made(attempt, *sizes), sizes
    found = _convolutions(block)
    for shape in ((out, c, 3, 3), (out, out, 3, 3), (out, c, 1, 1)):
        if shape not in found:
            attempt.stop(
                f"There is no {shape[2]}×{shape[2]} convolution from {shape[1]} to {shape[0]} "
                f"channels in your block ({case}).",
                WITHOUT_A_NAME,
            )
    x = torch.randn(2, c, 7, 6, generator=attempt.random)
    weights = {shape: conv.weight.detach() for shape, conv in found.items()}
    inner = F.relu(_norm(F.conv2d(x, weights[out, c, 3, 3], stride=stride, padding=1)))
    body = _norm(F.conv2d(inner, weights[out, out, 3, 3], padding=1))
    around = F.conv2d(x, weights[out, c, 1, 1], stride=stride)
    attempt.expect(
        _bare(attempt.run(block.train(), x)),
        F.relu(body + _norm(around)),
        Slip(
            F.relu(body + around),
            "The projection has no batch norm of its own, so its scale and F's do not match.",
            "1×1 convolution with the stride, then batch norm.",
        ),
        case=case,
    )


def _small_network(attempt: Attempt) -> nn.Sequential:
    """A body of two depths, and a head; names as in `state_dict()`."""
    inner = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4))
    body = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), inner)
    head = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(4 * 16, 5))
    model = nn.Sequential()
    model.add_module("body", body)
    model.add_module("head", head)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=attempt.random))
    return model


@exercise(
    "Frozen means `requires_grad` is False for every parameter, at any depth. The flag belongs to "
    "tensors: on a module it is only a name that nobody reads."
)
def set_frozen(attempt: Attempt) -> None:
    """set_frozen(module, frozen) → how many numbers in it still learn."""
    model = _small_network(attempt)
    body = model.body
    got = attempt.run(attempt.answer, body, True, may_change=True)
    _expect_flags(attempt, body, [False] * 7)
    attempt.expect(
        got,
        0,
        Slip(
            200,
            "That is the size of the body, frozen or not.",
            "Count only parameters that still require a gradient.",
        ),
        case="a body that was just frozen",
        name="the count",
    )
    if not all(p.requires_grad for p in model.head.parameters()):
        attempt.stop("You froze the head as well.", "Touch only the module you were given.")
    next(iter(body.parameters())).requires_grad_(True)
    got = attempt.run(attempt.answer, body, False, may_change=True)
    flags = [p.requires_grad for p in body.parameters()]
    if not any(flags[1:]):
        attempt.stop(
            "Thawing does not work: with `frozen=False` the parameters stay frozen.",
            "`requires_grad` is the opposite of `frozen`.",
        )
    _expect_flags(attempt, body, [True] * 7)
    attempt.expect(
        got,
        200,
        Slip(
            7,
            "You counted tensors, not the numbers in them.",
            "`p.numel()` numbers are in the parameter p.",
        ),
        Slip(
            180,
            "Biases and norm layers learn as well, and are missing in your count.",
            "Every parameter counts, whatever its name and shape.",
        ),
        case="a body that was just thawed",
        name="the count",
    )


def _expect_flags(attempt: Attempt, module: nn.Module, want: list[bool]) -> None:
    """`requires_grad` of the parameters, in order, with what gives a wrong pattern."""
    named = dict(module.named_parameters())
    flags = [p.requires_grad for p in named.values()]
    if flags == want:
        return
    shallow = [("." not in name.removesuffix(".weight").removesuffix(".bias")) for name in named]
    kernels = [p.ndim > 1 for p in named.values()]
    changed = [flag == goal for flag, goal in zip(flags, want, strict=True)]
    reasons = {
        "Nothing changed. `module.requires_grad = …` only gives the module a new attribute, which "
        "no one reads.": not any(changed),
        "Only the kernels changed; biases and norm layers go on learning.": changed == kernels,
        "Only the layers at the top changed; those in a module within the module were not "
        "found.": changed == shallow,
    }
    why = next((why for why, applies in reasons.items() if applies), "Not every parameter changed.")
    attempt.stop(
        why,
        "Go through `module.parameters()`, which goes all the way down, and set each one's flag.",
        expected=want,
        gave=flags,
    )


@exercise(
    "A frozen BatchNorm has two things to keep still: its parameters by `requires_grad`, its "
    "running statistics by `eval()`. The second is undone by every `model.train()`."
)
def train_mode(attempt: Attempt) -> None:
    """train_mode(model) → model, training, but for batch norms whose weight is frozen."""
    model = _small_network(attempt)
    model.head.add_module("norm", nn.BatchNorm1d(5))
    model.body.add_module("line", nn.BatchNorm1d(3))  # frozen, and another kind
    for p in model.body.parameters():
        p.requires_grad_(False)
    model.eval()
    got = attempt.run(attempt.answer, model, may_change=True)
    if got is None or got is ...:
        attempt.expect(got, "the model")
    if got is not model:
        attempt.stop(
            f"You returned {kind(got)}, not the model itself.",
            "As `model.train()` does, change the mode in place and return the same model.",
        )
    modes = {name: m.training for name, m in model.named_modules()}
    frozen = {"body.1", "body.3.1", "body.line"}
    _explain_modes(attempt, modes, frozen)
    running = model.body[1].running_mean.clone()
    attempt.run(model.body[:4], torch.randn(2, 1, 4, 4, generator=attempt.random), may_change=True)
    if not torch.equal(running, model.body[1].running_mean):
        attempt.stop("The frozen running statistics still move.", "`layer.eval()` stops them.")


def _explain_modes(attempt: Attempt, modes: dict[str, bool], frozen: set[str]) -> None:
    want = {name: name not in frozen for name in modes}
    if modes == want:
        return
    norms = frozen | {"head.norm"}
    reasons = {
        "`model.train()` alone wakes the frozen norm layers, and their statistics drift away from "
        "what the body was trained with.": all(modes.values()),
        "The whole model is in eval mode: dropout sleeps, and new norm layers never learn their "
        "statistics.": not any(modes.values()),
        "You put every batch norm into eval mode, also the new one in the head, which has still "
        "to learn.": modes == {name: name not in norms for name in modes},
        "A `BatchNorm1d` stayed awake; there is more than one kind.": modes
        == {name: name not in frozen - {"body.line"} for name in modes},
        "A frozen norm layer inside a module of the body stayed awake.": modes
        == {name: name not in frozen - {"body.3.1"} for name in modes},
        "You put the whole frozen body into eval mode. That is more than asked for, and would "
        "silence a dropout there.": not modes["body.0"] and modes["head.1"],
    }
    why = next((why for why, applies in reasons.items() if applies), "Some modes are wrong.")
    attempt.stop(
        why,
        "First `model.train()`, then `eval()` for each batch norm among `model.modules()` whose "
        "weight does not require a gradient.",
        expected={name: mode for name, mode in want.items() if name},
        gave={name: mode for name, mode in modes.items() if name},
    )


@exercise(
    "Two groups, each parameter in exactly one: old layers take small steps, the new head large "
    "ones, and what is frozen is in neither."
)
def parameter_groups(attempt: Attempt) -> None:
    """parameter_groups(model, head, body_lr, head_lr) → two dictionaries for an optimizer."""
    model = _small_network(attempt)
    model.body[0].weight.requires_grad_(False)
    names = {id(p): name for name, p in model.named_parameters()}
    body = sorted(n for n in names.values() if n.startswith("body") and n != "body.0.weight")
    head = ["head.2.bias", "head.2.weight"]
    got = attempt.run(attempt.answer, model, model.head, 0.001, 0.1, may_change=True)
    attempt.expect(
        _readable(attempt, got, names),
        [(body, 0.001), (head, 0.1)],
        Slip(
            [(sorted([*body, *head]), 0.001), (head, 0.1)],
            "The head is in both groups, and an optimizer refuses that.",
            "Leave out of the body whatever belongs to the head; compare with `is`, or by `id`.",
        ),
        Slip(
            [(sorted([*body, "body.0.weight"]), 0.001), (head, 0.1)],
            "The frozen kernel is in a group. It would get weight decay and momentum for nothing, "
            "and thawing it would look as if it had been trained.",
            "Keep parameters with `requires_grad` only.",
        ),
        Slip(
            [(body, 0.1), (head, 0.001)],
            "The rates are the wrong way round: the trained body would be torn up, the new head "
            "would hardly learn.",
            "`body_lr` for the body, `head_lr` for the head.",
        ),
        Slip(
            [(head, 0.1), (body, 0.001)],
            "The groups are in another order than asked for.",
            "The body first, then the head.",
        ),
        Slip(
            [(sorted([*body, *head]), 0.001)],
            "There is one group only, so one rate for all.",
            "A list of two dictionaries, each with `params` and `lr`.",
        ),
        Slip(
            [([n for n in body if n.endswith("weight")], 0.001), ([head[1]], 0.1)],
            "Biases are in no group, so they would stay as they are for ever.",
            "Every parameter that requires a gradient belongs to one of the groups.",
        ),
        case="a body with one frozen kernel, and a head",
        name="names and rate of each group",
    )
    attempt.run(lambda: torch.optim.SGD(got, lr=0.5), may_change=True)


def _readable(attempt: Attempt, got: object, names: dict[int, str]) -> object:
    """Each group as (names of its parameters, rate), for a card."""
    if not isinstance(got, (list, tuple)) or not all(isinstance(one, dict) for one in got):
        return got
    found = []
    for group in got:
        missing = {"params", "lr"} - group.keys()
        if missing:
            attempt.stop(f"A group has no `{min(missing)}`.", "Keys of a group: `params` and `lr`.")
        params = attempt.run(list, group["params"], may_change=True)
        group["params"] = params  # a generator can be walked through only once
        found.append((sorted(names.get(id(p), kind(p)) for p in params), group["lr"]))
    return found


@exercise(
    "Squeeze: one mean per channel. Excite: two small layers turn the means into one weight per "
    "channel between 0 and 1. Nothing else of the picture has a say.",
    takes=type,
)
def SqueezeExcite(attempt: Attempt) -> None:
    """SqueezeExcite(channels, reduction): (B, C, H, W) → the same, channels weighed."""
    module = _made(attempt, 6, 3)
    _stop_without_layers(attempt, module)
    narrow, wide = _two_weights(attempt, module, 6, 2)
    narrow[0].abs_()  # its ReLU lets something through: the mean of each channel is near 1 …
    narrow[1].abs_().neg_()  # … and this one nothing, so that a missing ReLU shows
    x = 1 + torch.randn(3, 6, 4, 5, generator=attempt.random)
    means = x.mean((2, 3))
    hidden = F.relu(means @ narrow.T)
    scores = hidden @ wide.T
    weights = torch.sigmoid(scores)[:, :, None, None]

    def gate(values: Tensor) -> Tensor:
        return torch.sigmoid(F.relu(values @ narrow.T) @ wide.T)[:, :, None, None]

    attempt.expect(
        _bare(attempt.run(module, x)),
        x * weights,
        Slip(
            x * scores[:, :, None, None],
            "There is no sigmoid: weights may be negative, or larger than 1.",
            "A sigmoid at the end brings each weight between 0 and 1.",
        ),
        Slip(
            x * torch.sigmoid(means @ narrow.T @ wide.T)[:, :, None, None],
            "There is no ReLU between the two layers, so they are one linear map of low rank.",
            "Linear, ReLU, linear, sigmoid.",
        ),
        Slip(
            x * scores.softmax(1)[:, :, None, None],
            "A softmax makes the channels compete: the weights add up to 1. SE lets several "
            "channels stay fully open.",
            "A sigmoid, for each channel by itself.",
        ),
        Slip(
            x * gate(x.amax((2, 3))),
            "You squeezed by the maximum.",
            "The mean over height and width, `x.mean((2, 3))`.",
        ),
        Slip(
            x * gate(x.sum((2, 3))),
            "You squeezed by the sum, so a larger map would get other weights.",
            "The mean over height and width, `x.mean((2, 3))`.",
        ),
        Slip(
            x * gate(x.mean((0, 2, 3))[None]),
            "The mean runs over the batch as well, so each picture's weights depend on its "
            "neighbours.",
            "Average over height and width only.",
        ),
        Slip(weights, "You return the weights alone.", "Multiply the input by them."),
        Slip(
            weights.squeeze((2, 3)),
            "You return the weights alone, as a table.",
            "Make them (B, C, 1, 1), and multiply the input by them.",
        ),
        Slip(x + weights, "You added the weights.", "Multiply: a weight near 0 closes a channel."),
        case="6 channels, reduction 3",
    )
    for channels, reduction, shape in ((8, 2, (1, 8, 3, 7)), (5, 5, (4, 5, 1, 1))):
        module = _made(attempt, channels, reduction)
        narrow, wide = _two_weights(attempt, module, channels, channels // reduction)
        x = torch.randn(shape, generator=attempt.random)
        want = x * torch.sigmoid(F.relu(x.mean((2, 3)) @ narrow.T) @ wide.T)[:, :, None, None]
        attempt.expect(_bare(attempt.run(module, x)), want, case=f"an input of {shape}")


def _two_weights(
    attempt: Attempt, module: nn.Module, channels: int, middle: int
) -> tuple[Tensor, Tensor]:
    """The weights (middle, C) and (C, middle), of linear layers or of 1×1 convolutions."""
    shapes = [tuple(p.shape) for p in module.parameters()]
    flat = {tuple(p.shape[:2]): p.detach().flatten(1) for p in module.parameters() if p.ndim > 1}
    if any(len(shape) == 1 for shape in shapes):
        attempt.stop("Your layers have biases; here they have none.", "`bias=False`, twice.")
    if (channels, channels) in flat and middle != channels:
        attempt.stop(
            f"Your layer is {channels}×{channels}: the bottleneck is missing.",
            "C → C // reduction → C.",
        )
    wanted = {(middle, channels), (channels, middle)}
    if set(flat) != wanted or len(shapes) != 2:
        attempt.stop(
            f"Two layers are asked for, {channels} → {middle} and {middle} → {channels}; the "
            f"weights of yours have the shapes {shapes}.",
            "C → C // reduction → C, without biases.",
        )
    return flat[middle, channels], flat[channels, middle]


class _Judge(nn.Module):
    """A network that is sensitive to mirroring, to its mode, and to what it saw before."""

    def __init__(self, random: torch.Generator) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout(0.5), nn.Flatten())
        self.head = nn.Linear(2 * 3 * 4, 3)
        with torch.no_grad():
            self.head.weight.copy_(torch.randn(3, 24, generator=random))
            self.body[0].running_mean.copy_(torch.tensor([0.5, -0.5]))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


@exercise(
    "Two looks, one answer: the mean of the logits for the picture and for its mirror image, in "
    "eval mode and without a graph, and the model left as it came."
)
def flip_predict(attempt: Attempt) -> None:
    """flip_predict(model, images): (N, C, H, W) → logits (N, K)."""
    model = _Judge(attempt.random)
    model.body.train()
    model.body[0].eval()  # a mode of its own: to be put back exactly
    twin = copy.deepcopy(model).eval()
    x = torch.randn(5, 2, 3, 4, generator=attempt.random)
    got = attempt(model, x)
    with torch.no_grad():
        once, mirrored = twin(x), twin(x.flip(3))
        want = (once + mirrored) / 2
        attempt.expect(
            _bare(got),
            want,
            Slip(once, "There is one look only.", "Ask again with `images.flip(-1)`."),
            Slip(
                mirrored,
                "Only the mirror image was asked.",
                "The mean of both answers.",
            ),
            Slip(
                once + mirrored,
                "The answers are added, so a confidence computed from them would be too high.",
                "Take the mean of the two.",
            ),
            Slip(
                (once + twin(x.flip(2))) / 2,
                "You turned the pictures upside down: `flip(2)`, or `flip(-2)`, swaps the rows.",
                "Left and right are the last dimension: `flip(-1)`.",
            ),
            Slip(
                (once + twin(x.flip(1))) / 2,
                "You reversed the channels, as red and blue.",
                "The width is the last dimension: `flip(-1)`.",
            ),
            Slip(
                (once + twin(x.flip(0))) / 2,
                "You turned the batch round, not the pictures.",
                "The width is the last dimension: `flip(-1)`.",
            ),
            Slip(
                want.argmax(1),
                "Those are classes, not logits.",
                "Return the mean itself; the caller takes the argmax.",
            ),
            Slip(
                (once.softmax(1) + mirrored.softmax(1)) / 2,
                "Those are probabilities; logits are asked for.",
                "No softmax: take the mean of what the model returns.",
            ),
            case="a network with dropout in train mode",
        )
    if got.requires_grad:
        attempt.stop(
            "The right numbers, with a graph behind them that takes memory for nothing.",
            "`with torch.no_grad():`.",
        )
    if not torch.equal(model.body[0].running_mean, twin.body[0].running_mean):
        attempt.stop(
            "The running statistics of the batch norm moved: test pictures leak into the model.",
            "Put the model into eval mode before the first look.",
        )
    x = torch.randn(1, 2, 3, 4, generator=attempt.random)
    with torch.no_grad():
        want = (twin(x) + twin(x.flip(3))) / 2
    attempt.expect(_bare(attempt(model, x)), want, case="a batch of one")
