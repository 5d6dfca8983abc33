"""Checkers of chapter 5's lab 2: blocks, frozen layers, parameter groups, attention, two looks."""

from __future__ import annotations

import copy
import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torchcourse.checks.ch05_vision.learning import expect_learning
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
        _bare(attempt.run(block, x.clone())),
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
        *(
            Slip(torch.cat(shuffled, 1), order, "1×1, 3×3, 5×5, pooling.")
            for shuffled in list(itertools.permutations(right))[1:]
        ),
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
        want = torch.cat(_branches(convs, x), 1)
        attempt.expect(_bare(attempt.run(block, x)), want, case=case)
        expect_learning(attempt, block, x)


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
    if any(found[shape].bias is None for shape in wanted.values()):
        attempt.stop(
            "Your convolutions have no bias. Without a batch norm behind them nothing else brings "
            "one.",
            "Leave `bias=False` away.",
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
        _bare(attempt.run(block.train(), x.clone())),
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
    _expect_norms(attempt, block, 2)
    expect_learning(attempt, block, x)


def _expect_norms(attempt: Attempt, block: nn.Module, want: int) -> None:
    """In train mode a norm used twice gives the right numbers; its statistics are a mixture."""
    found = sum(isinstance(m, nn.BatchNorm2d) for m in block.modules())
    if found < want:
        attempt.stop(
            f"{want} batch norms of their own are needed here, and there are {found}. In train "
            "mode one norm used twice gives the right numbers; but it mixes the running "
            "statistics of two places, and fails in eval mode.",
            "A new `nn.BatchNorm2d` behind each convolution.",
            expected=want,
            gave=found,
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
    late = F.relu(_norm(F.conv2d(x, weights[out, c, 3, 3], padding=1)))
    late = _norm(F.conv2d(late, weights[out, out, 3, 3], stride=stride, padding=1))
    attempt.expect(
        _bare(attempt.run(block.train(), x.clone())),
        F.relu(body + _norm(around)),
        Slip(
            F.relu(late + _norm(around)),
            "The second convolution has the stride; so the first works on four times the places.",
            "The stride belongs to the first 3×3 convolution, and to the projection.",
        ),
        Slip(
            F.relu(body + F.relu(_norm(around))),
            "There is a ReLU on the way around: what is negative there is lost.",
            "Projection: 1×1 convolution and batch norm, nothing else.",
        ),
        Slip(
            F.relu(body + around),
            "The projection has no batch norm of its own, so its scale and F's do not match.",
            "1×1 convolution with the stride, then batch norm.",
        ),
        case=case,
    )
    _expect_norms(attempt, block, 3)
    expect_learning(attempt, block, x)


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
    body[1].eval()  # a mode of its own, which is not to be touched
    got = attempt.run(attempt.answer, body, True, may_change=True)
    _expect_flags(attempt, body, [False] * 7)
    modes = [m.training for m in body.modules() if m is not body[1]]
    if not all(modes) or body[1].training:
        attempt.stop(
            "You changed the mode (`train`/`eval`) as well. Freezing is about parameters; the "
            "mode is another switch, and exercise 4 is about it.",
            "Set the flags, and leave the modes as they are.",
        )
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
    on_a_module = any("requires_grad" in vars(m) for m in module.modules())
    reasons = {
        "Nothing changed. `module.requires_grad = …` only gives the module a new attribute, which "
        "no one reads.": not any(changed) and on_a_module,
        "Nothing changed: each parameter's flag is as it was. It must be False for what is frozen "
        "and True for what learns.": not any(changed),
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
    learning = [p.requires_grad for p in model.head.parameters()]
    if not all(learning) or any(p.requires_grad for p in model.body.parameters()):
        attempt.stop(
            "You froze or thawed parameters; here only modes are to change.",
            "`m.eval()` for the norms, and leave every `requires_grad` as it is.",
        )
    running = model.body[1].running_mean.clone()
    attempt.run(model.body[:4], torch.randn(2, 1, 4, 4, generator=attempt.random), may_change=True)
    if not torch.equal(running, model.body[1].running_mean):
        attempt.stop("The frozen running statistics still move.", "`layer.eval()` stops them.")
    _check_that_weights_decide(attempt, model)


def _check_that_weights_decide(attempt: Attempt, model: nn.Sequential) -> None:
    """The other way round: a norm of the body learns again, and the head's is frozen."""
    model.body[3].requires_grad_(True)
    model.head.norm.requires_grad_(False)
    attempt.run(attempt.answer, model.eval(), may_change=True)
    modes = {name: m.training for name, m in model.named_modules()}
    want = {name: name not in {"body.1", "body.line", "head.norm"} for name in modes}
    if modes != want:
        attempt.stop(
            "With another part of the model frozen, the wrong norms sleep: your choice goes by "
            "the name or the place of a layer.",
            "Ask each batch norm whether its `weight` requires a gradient.",
            expected={name: mode for name, mode in want.items() if name},
            gave={name: mode for name, mode in modes.items() if name},
        )


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
    _check_another_model(attempt)


def _check_another_model(attempt: Attempt) -> None:
    """No names to go by, equal values in body and head, one bias of the head frozen."""
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
    model[1].load_state_dict(model[0].state_dict())
    model[1].bias.requires_grad_(False)
    names = {id(p): name for name, p in model.named_parameters()}
    body = ["0.bias", "0.weight", "3.bias", "3.weight"]
    got = attempt.run(attempt.answer, model, model[1], 0.02, 0.3, may_change=True)
    found = _readable(attempt, got, names)
    by_value = "You compare the numbers in parameters; equal numbers are not the same parameter."
    attempt.expect(
        found,
        [(body, 0.02), (["1.weight"], 0.3)],
        Slip(
            [(body, 0.02), (["1.bias", "1.weight"], 0.3)],
            "A frozen parameter of the head is in its group.",
            "Keep parameters with `requires_grad` only, in *both* groups.",
        ),
        *(
            Slip([(body[2:], 0.02), (head, 0.3)], by_value, "Compare with `is`, or by `id`.")
            for head in (["0.bias", "0.weight", "1.weight"], ["0.weight", "1.weight"])
        ),
        Slip(
            [(["0.bias", *body[2:]], 0.02), (["0.weight", "1.weight"], 0.3)],
            by_value,
            "Compare with `is`, or by `id`.",
        ),
        Slip(
            [(sorted([*body, "1.weight"]), 0.02), ([], 0.3)],
            "You look for the head by its name; here it has none.",
            "Ask `head.parameters()` which parameters are the head's.",
        ),
        Slip(
            [(body, 0.001), (["1.weight"], 0.1)],
            "The rates are typed in.",
            "Use the arguments `body_lr` and `head_lr`.",
        ),
        case="another model, whose head is `model[1]`; one of its parameters is frozen",
        name="names and rate of each group",
    )


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
        _bare(attempt.run(module, x.clone())),
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
        expect_learning(attempt, module, x)
    _expect_gradient_through_squeeze(attempt, module, narrow, wide)


def _expect_gradient_through_squeeze(
    attempt: Attempt, module: nn.Module, narrow: Tensor, wide: Tensor
) -> None:
    """The layers before the module learn through its means as well as through its product."""
    x = torch.randn(2, 5, 3, 4, generator=attempt.random).requires_grad_()
    weights = torch.sigmoid(F.relu(x.mean((2, 3)) @ narrow.T) @ wide.T)[:, :, None, None]
    (slope,) = torch.autograd.grad((x * weights).sum(), x)
    attempt.run(attempt.run(module, x).sum().backward, may_change=True)
    attempt.expect(
        x.grad,
        slope,
        Slip(
            weights.detach().expand(x.shape).contiguous(),
            "The values are right, but the means are cut out of the graph, so the layers before "
            "this module learn nothing from its weights.",
            "Stay with tensors from the input to the result.",
        ),
        name="the gradient with respect to the input",
    )


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
        self.awake, self.graph = False, False  # in any look so far

    def forward(self, x: Tensor) -> Tensor:
        self.awake |= self.body[1].training
        self.graph |= torch.is_grad_enabled()
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
    if model.awake:
        attempt.stop(
            "You asked the network in train mode: its dropout throws away half of the numbers at "
            "random, so no two answers are alike.",
            "`model.eval()` before the first look, and the old modes again after the second.",
        )
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
                once + twin(x.flip(2)),
                "Two things at once: the pictures are turned upside down, since `flip(-2)` swaps "
                "the rows, and the answers are added.",
                "Left and right are the last dimension, `flip(-1)`; then the mean of the two.",
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
    if got.requires_grad or model.graph:
        attempt.stop(
            "The right numbers, with a graph behind them that takes memory for nothing."
            if got.requires_grad
            else "The right numbers, but both looks built a graph that was thrown away afterwards.",
            "`with torch.no_grad():` around both looks.",
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
