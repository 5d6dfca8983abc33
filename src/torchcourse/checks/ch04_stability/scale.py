"""Checkers of chapter 4's lab 2: one scale for inputs, hidden values and steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from torchcourse.checks.calls import forbid
from torchcourse.checks.compare import kind
from torchcourse.checks.core import Attempt, Slip, exercise


@exercise(
    "Statistics come from the training rows and travel with the model; a column that never "
    "changes must not divide by zero."
)
def zscore(attempt: Attempt) -> None:
    """zscore(train, other): (N, D), (M, D) → both z-scored, a tuple."""
    train = torch.tensor([[1.0, 10.0], [3.0, 30.0]])
    other = torch.tensor([[5.0, 20.0], [2.0, 0.0]])
    want = torch.tensor([[-1.0, -1.0], [1.0, 1.0]]), torch.tensor([[3.0, 0.0], [0.0, -2.0]])
    both = torch.cat([train, other])
    attempt.expect(
        attempt(train, other),
        want,
        Slip(
            (_z(train, both), _z(other, both)),
            "The statistics were taken over both parts, so the other rows leak into training.",
            "Mean and standard deviation come from `train` alone.",
        ),
        Slip(
            (want[0], _z(other, other)),
            "The other rows were z-scored with their own statistics: 5 and 2 then look like 1 "
            "and -1, whatever they are.",
            "Apply the mean and the standard deviation of `train` to both.",
        ),
        Slip(
            (_z(train, train, correction=1), _z(other, train, correction=1)),
            "The standard deviation divides by N - 1. Here it is the one over N.",
            "`std(dim=0, correction=0)`.",
        ),
        Slip(
            (_z(train, train, dim=None), _z(other, train, dim=None)),
            "One mean for the whole table: the large column still rules.",
            "Each column has its own scale: reduce over the rows, `dim=0`.",
        ),
        Slip(
            (_z(train, train, dim=1), _z(other, other, dim=1)),
            "You normalised within each row, so quality is mixed with square feet.",
            "Reduce over the rows, `dim=0`, and keep the columns apart.",
        ),
        Slip(
            tuple((part - train.mean(0)) / train.var(0, correction=0) for part in (train, other)),
            "You divided by the variance.",
            "Divide by its root, the standard deviation, so that the result has no unit.",
        ),
        Slip(
            tuple(part - train.mean(0) for part in (train, other)),
            "The columns are centred, but still have their old spread.",
            "Divide by the standard deviation as well.",
        ),
        Slip(
            want[0],
            "You returned the training part only.",
            "Return both, as a tuple: `return train_z, other_z`.",
        ),
    )
    _survives_a_constant_column(attempt)
    for rows, more, columns in ((7, 3, 4), (5, 1, 1), (20, 6, 3)):
        train = 3 + 2 * torch.randn(rows, columns, generator=attempt.random)
        other = torch.randn(more, columns, generator=attempt.random)
        case = "one other row" if more == 1 else f"{rows} and {more} rows"
        attempt.expect(attempt(train, other), (_z(train, train), _z(other, train)), case=case)


def _z(part: Tensor, source: Tensor, dim: int | None = 0, correction: int = 0) -> Tensor:
    """`part` z-scored with the statistics of `source`."""
    std, mean = torch.std_mean(source, dim=dim, correction=correction, keepdim=True)
    return (part - mean) / std


def _survives_a_constant_column(attempt: Attempt) -> None:
    train, other = torch.tensor([[4.0, 1.0], [4.0, 3.0]]), torch.tensor([[6.0, 2.0]])
    why = "A column that never changes has the standard deviation 0, and you divided by it."
    step = "Replace a standard deviation of 0 by 1, for instance with `torch.where`."
    centred = torch.tensor([[0.0, -1.0], [0.0, 1.0]])
    attempt.expect(
        attempt(train, other),
        (centred, torch.tensor([[2.0, 0.0]])),
        Slip((_z(train, train), _z(other, train)), why, step),
        Slip(
            (centred, torch.tensor([[0.0, 0.0]])),
            "The column that never changed became 0 in the other rows too, so a new value is lost.",
            "Divide it by 1 instead of throwing it away.",
        ),
        case="a column that is 4 in every training row",
    )


@exercise(
    "In train mode the batch is the yardstick and the memory moves a tenth; in eval mode only the "
    "memory counts. It stores the variance over N - 1, and divides by the one over N.",
    takes=type,
)
def BatchNorm(attempt: Attempt) -> None:
    """BatchNorm(channels): a module (B, C, H, W) → (B, C, H, W), equal to nn.BatchNorm2d."""
    _has_its_tensors(attempt, _new_norm(attempt, 3))
    x = torch.arange(12.0).view(3, 2, 1, 2) ** 1.5  # (B, C, H, W)
    layer = _new_norm(attempt, 2)
    attempt.expect(
        _run_norm(attempt, layer, x),
        nn.BatchNorm2d(2)(x).detach(),
        Slip(
            _standard(x, (0, 2, 3), correction=1),
            "You divided by the spread over N - 1. That one is for the memory.",
            "The output uses `var(..., correction=0)`.",
        ),
        Slip(
            _standard(x, (0,)),
            "The mean was taken over the batch only, so each pixel has its own.",
            "A channel shares one mean: reduce over batch, rows and columns, `(0, 2, 3)`.",
        ),
        Slip(
            _standard(x, (2, 3)),
            "Each picture was normalised by itself; that is instance norm.",
            "Batch norm reaches across the batch: reduce over `(0, 2, 3)`.",
        ),
        Slip(
            _standard(x, (1, 2, 3)),
            "The channels of a picture share a mean; that is layer norm.",
            "Keep the channels apart: reduce over `(0, 2, 3)`.",
        ),
        *(
            Slip(
                value,
                "In train mode, too, you used the running statistics.",
                "While `self.training` is true, mean and variance come from the batch.",
            )
            for value in (x / math.sqrt(1 + 1e-5), _by_memory_after(x))
        ),
        case="train mode",
        name="the output",
    )
    _remembers(attempt, layer, x)
    _sleeps_in_eval(attempt)
    faint = x / 10_000  # a variance far below eps
    attempt.expect(
        _run_norm(attempt, _new_norm(attempt, 2), faint),
        nn.BatchNorm2d(2)(faint).detach(),
        *_slips_of_eps(faint, (0, 2, 3), faint.shape),
        case="a channel that hardly varies",
        name="the output",
    )
    _uses_its_weights(attempt)
    for shape in ((4, 3, 5, 6), (2, 1, 3, 1), (1, 4, 2, 3)):
        x = 2 + torch.randn(shape, generator=attempt.random)
        got = _run_norm(attempt, _new_norm(attempt, shape[1]), x)
        attempt.expect(got, nn.BatchNorm2d(shape[1])(x).detach(), case=f"an input of {shape}")
    _lets_gradients_through(attempt)


NAMES = ("weight", "bias", "running_mean", "running_var")


def _new_norm(attempt: Attempt, channels: int) -> nn.Module:
    layer = attempt(channels)
    if layer is None or layer is ...:
        attempt.expect(layer, torch.zeros(1))
    if not isinstance(layer, nn.Module) or not hasattr(layer, "_parameters"):
        attempt.stop(
            f"Calling your class gives {kind(layer)}, not a module.",
            "Inherit from `nn.Module`, and call `super().__init__()` first.",
        )
    return layer


def _has_its_tensors(attempt: Attempt, layer: nn.Module) -> None:
    state = layer.state_dict()
    missing = [name for name in NAMES if name not in state]
    if missing:
        attempt.stop(
            f"`{missing[0]}` is not in the layer's `state_dict()`, so it would not be saved.",
            "`nn.Parameter` for weight and bias; `self.register_buffer(name, tensor)` for the "
            "running statistics.",
        )
    learnt = dict(layer.named_parameters())
    wrong = [name for name in NAMES if (name in learnt) != (name in NAMES[:2])]
    if wrong:
        attempt.stop(
            f"`{wrong[0]}` is {'a parameter' if wrong[0] in learnt else 'no parameter'}. The "
            "optimizer changes weight and bias, and nothing but those.",
            "Weight and bias are parameters, the running statistics buffers.",
        )
    starts = (torch.ones(3), torch.zeros(3), torch.zeros(3), torch.ones(3))
    for name, start in zip(NAMES, starts, strict=True):
        attempt.expect(state[name], start, name=f"`{name}` of a new layer with 3 channels")


def _run_norm(attempt: Attempt, layer: nn.Module, x: Tensor) -> object:
    got = attempt.run(layer, x)
    return got.detach() if isinstance(got, Tensor) else got


def _standard(x: Tensor, axes: tuple[int, ...], correction: int = 0) -> Tensor:
    var, mean = torch.var_mean(x, dim=axes, correction=correction, keepdim=True)
    return (x - mean) / (var + 1e-5).sqrt()


def _slips_of_eps(x: Tensor, axes: tuple[int, ...], shape: torch.Size) -> Iterator[Slip]:
    """What eps in the wrong place, or nowhere, makes of x; only a small variance shows it."""
    var, mean = torch.var_mean(x, dim=axes, correction=0, keepdim=True)
    values = (x - mean) / (var.sqrt() + 1e-5), (x - mean) / var.sqrt()
    whys = "You added eps behind the root, to the standard deviation.", "`eps` is missing."
    for value, why in zip(values, whys, strict=True):
        yield Slip(value.reshape(shape), why, "Add it to the variance: `(var + eps).sqrt()`.")


def _by_memory_after(x: Tensor) -> Tensor:
    """x scaled by a new layer's running statistics, which have already seen x."""
    layer = nn.BatchNorm2d(x.shape[1])
    layer(x)
    return layer.eval()(x).detach()


def _remembers(attempt: Attempt, layer: nn.Module, x: Tensor) -> None:
    """After one batch, a tenth of the way from 0 and 1 to the batch's statistics."""
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=1)
    want = torch.stack([0.1 * mean, 0.9 + 0.1 * var])
    got = torch.stack([layer.running_mean.detach(), layer.running_var.detach()])
    biased = x.var((0, 2, 3), correction=0)
    attempt.expect(
        got,
        want,
        Slip(
            torch.tensor([[0.0, 0.0], [1.0, 1.0]]),
            "The running statistics have not moved.",
            "In train mode: running ← 0.9 · running + 0.1 · batch. Assigning to a local name does "
            "not change the buffer.",
        ),
        Slip(
            torch.stack([0.9 * mean, 0.1 + 0.9 * var]),
            "The weights are the wrong way round: one batch replaces nearly the whole memory.",
            "`momentum` is the share of the *new* value: 0.9 · running + 0.1 · batch.",
        ),
        Slip(
            torch.stack([0.1 * mean, 0.9 + 0.1 * biased]),
            "The running variance was fed with the variance over N.",
            "The memory estimates the spread of all data, so it takes the one over N - 1.",
        ),
        Slip(
            torch.stack([mean, var]),
            "The memory holds the last batch only.",
            "Mix: 0.9 · running + 0.1 · batch.",
        ),
        Slip(
            torch.stack([0.1 * mean, 0.9 + 0.1 * var.sqrt()]),
            "The running variance holds standard deviations.",
            "Feed it with the variance; the root is taken when it is used.",
        ),
        name="running mean (first row) and variance after one batch",
    )
    _keeps_no_graph(attempt, layer)


def _keeps_no_graph(attempt: Attempt, layer: nn.Module) -> None:
    if layer.running_mean.requires_grad or layer.running_var.requires_grad:
        attempt.stop(
            "The running statistics carry a graph, which grows with every batch until the memory "
            "is full.",
            "Update them under `torch.no_grad()`.",
        )


def _sleeps_in_eval(attempt: Attempt) -> None:
    """In eval mode the memory is used and left alone."""
    layer = _new_norm(attempt, 2)
    with torch.no_grad():
        layer.running_mean.copy_(torch.tensor([1.0, -2.0]))
        layer.running_var.copy_(torch.tensor([4.0, 9.0]))
    layer.eval()
    x = torch.tensor([[3.0, 1.0], [5.0, 4.0]]).view(2, 2, 1, 1)  # (B, C, 1, 1)
    attempt.expect(
        _run_norm(attempt, layer, x),
        (
            (x.view(2, 2) - torch.tensor([1.0, -2.0])) / torch.tensor([4.0, 9.0]).add(1e-5).sqrt()
        ).view(2, 2, 1, 1),
        Slip(
            _standard(x, (0, 2, 3)),
            "In eval mode you still used the statistics of the batch, so an answer depends on its "
            "neighbours.",
            "If not `self.training`, use `running_mean` and `running_var`.",
        ),
        case="eval mode",
        name="the output",
    )
    attempt.expect(
        torch.stack([layer.running_mean.detach(), layer.running_var.detach()]),
        torch.tensor([[1.0, -2.0], [4.0, 9.0]]),
        Slip(
            torch.stack(
                [
                    0.9 * torch.tensor([1.0, -2.0]) + 0.1 * x.mean((0, 2, 3)),
                    0.9 * torch.tensor([4.0, 9.0]) + 0.1 * x.var((0, 2, 3)),
                ]
            ),
            "The running statistics moved in eval mode: test data leaks into the model.",
            "Update them only if `self.training`.",
        ),
        case="eval mode",
        name="the memory",
    )


def _uses_its_weights(attempt: Attempt) -> None:
    layer, oracle = _new_norm(attempt, 2), nn.BatchNorm2d(2)
    for one in (layer, oracle):
        with torch.no_grad():
            one.weight.copy_(torch.tensor([2.0, -1.0]))
            one.bias.copy_(torch.tensor([0.5, 3.0]))
    x = torch.randn(4, 2, 3, 2, generator=attempt.random)
    attempt.expect(
        _run_norm(attempt, layer, x),
        oracle(x).detach(),
        Slip(
            _standard(x, (0, 2, 3)),
            "Weight and bias are there, but they have no effect.",
            "The output is weight · x̂ + bias, a pair for each channel.",
        ),
        case="weights 2 and -1, biases 0.5 and 3",
        name="the output",
    )


def _lets_gradients_through(attempt: Attempt) -> None:
    layer, oracle = _new_norm(attempt, 2), nn.BatchNorm2d(2)
    x = torch.randn(3, 2, 2, 2, generator=attempt.random)
    pull = torch.randn(3, 2, 2, 2, generator=attempt.random)
    slopes = []
    for one in (layer, oracle):
        source = x.clone().requires_grad_()
        output = attempt.run(one, source, may_change=True)
        _keeps_no_graph(attempt, one)  # a hidden layer's input has a graph
        if not (isinstance(output, Tensor) and output.requires_grad):
            attempt.stop("No gradient can flow through the layer.", "Only the memory is detached.")
        attempt.run((output * pull).sum().backward, may_change=True)
        slopes.append(torch.zeros_like(x) if source.grad is None else source.grad)
    std = (x.var((0, 2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
    attempt.expect(
        slopes[0],
        slopes[1],
        Slip(
            pull / std,
            "The values are right, but no gradient flows through mean and variance: you computed "
            "them under `no_grad`, or detached them.",
            "In train mode the statistics are part of the graph. Only the memory is not.",
        ),
        name="the gradient with respect to the input",
    )


@exercise(
    "All norms are one formula; the axes make the difference. One group is layer norm, as many "
    "groups as channels instance norm, and none of them looks across the batch."
)
def group_norm(attempt: Attempt) -> None:
    """group_norm(x, groups, weight, bias): (B, C, H, W), int, (C,), (C,) → (B, C, H, W)."""
    x = torch.arange(16.0).view(2, 4, 1, 2) ** 1.5
    plain = torch.ones(4), torch.zeros(4)
    attempt.expect(
        attempt(x, 2, *plain),
        nn.functional.group_norm(x, 2),
        Slip(
            _standard(x, (0, 2, 3)),
            "Each channel was normalised over the batch: that is batch norm.",
            "An example never sees its neighbours here. Reshape to (B, G, C/G, H, W) first.",
        ),
        Slip(
            _standard(x, (1, 2, 3)),
            "All channels of an example share a mean, whatever the number of groups.",
            "Cut the channels into groups: `x.reshape(B, G, C // G, H, W)`.",
        ),
        Slip(
            _standard(x, (2, 3)),
            "Every channel was normalised by itself: that is instance norm.",
            "The channels of a group share their statistics: reduce over three axes.",
        ),
        Slip(
            _standard(x.reshape(2, 2, 2, 1, 2), (1, 3, 4)).reshape(x.shape),
            "Channels 0 and 2 share a group. Groups are neighbours: 0 and 1, then 2 and 3.",
            "`reshape(B, G, C // G, H, W)`, and reduce over all but the first two axes.",
        ),
        Slip(
            _standard(x.reshape(2, 2, 2, 1, 2), (0, 2, 3, 4)).reshape(x.shape),
            "The groups share their statistics across the batch.",
            "Keep the batch axis: reduce over (2, 3, 4) of (B, G, C/G, H, W).",
        ),
        Slip(
            _standard(x.reshape(2, 2, 2, 1, 2), (2, 3, 4), correction=1).reshape(x.shape),
            "You divided by the spread over N - 1.",
            "All norms divide by the variance over N, `correction=0`.",
        ),
        case="2 groups of 2 channels",
    )
    weight, bias = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([0.0, 1.0, 0.0, -1.0])
    attempt.expect(
        attempt(x, 2, weight, bias),
        nn.functional.group_norm(x, 2, weight, bias),
        Slip(
            nn.functional.group_norm(x, 2),
            "Weight and bias have no effect.",
            "Multiply by `weight` and add `bias`, one of each for every channel.",
        ),
        case="a weight and a bias for each channel",
    )
    faint = x / 10_000  # a variance far below eps
    attempt.expect(
        attempt(faint, 2, torch.ones(4), torch.zeros(4)),
        nn.functional.group_norm(faint, 2),
        *_slips_of_eps(faint.reshape(2, 2, 2, 1, 2), (2, 3, 4), x.shape),
        case="groups that hardly vary",
    )
    for shape, groups in (((3, 6, 4, 5), 3), ((1, 4, 2, 3), 1), ((2, 5, 3, 1), 5)):
        x = 1 + torch.randn(shape, generator=attempt.random)
        affine = [torch.randn(shape[1], generator=attempt.random) for _ in range(2)]
        want = nn.functional.group_norm(x, groups, *affine)
        attempt.expect(attempt(x, groups, *affine), want, case=f"{shape} in {groups} group(s)")
    attempt.expect_gradient(x, groups, *affine)
    forbid(
        attempt,
        {"group_norm", "batch_norm", "layer_norm", "instance_norm", "native_group_norm"},
        x,
        groups,
        *affine,
        why="You called PyTorch's own `{name}`. The exercise is to see what is inside.",
        next_step="`reshape`, mean, variance: a handful of lines.",
    )


@exercise(
    "Smooth, cut where it explodes, find the bottom, and stay well below it: the rate at which "
    "the loss is lowest is already about to ruin the run."
)
def pick_rate(attempt: Attempt) -> None:
    """pick_rate(rates, losses): (K,), (K,) → float."""
    rates = torch.tensor([0.001, 0.01, 0.1, 1.0, 10.0, 100.0])
    losses = torch.tensor([2.0, 1.0, 1.5, 0.9, 9.0, 20.0])
    # smoothed: 2, 1.8, 1.74, 1.572, 3.0576, … so the lowest is at 1.0
    attempt.expect(
        attempt(rates, losses),
        1.0 / 3,
        Slip(1.0, "That is the rate with the lowest loss; the next larger one ruins the run.",
             "Take a third of it."),
        Slip(torch.tensor(1.0) / 3, "The value is right, but it is a tensor.",
             "`.item()` makes it a plain number."),
        Slip(0.9 / 3, "You returned a loss; a rate is asked for.", "`argmin` gives the place."),
        Slip(100.0 / 3, "You took the largest rate.", "Look where the loss is lowest."),
        Slip(
            0.001 / 3,
            "The average starts at 0, so the first values are far too low.",
            "Start with the first loss itself.",
        ),
        case="a clean curve",
    )  # fmt: skip
    _smooths(attempt)
    _stops_at_an_explosion(attempt)
    for count in (30, 90):
        rates = torch.logspace(-4, 1, count)
        noise = 0.05 * torch.randn(count, generator=attempt.random)
        losses = 2 - torch.linspace(0, 1.2, count) + 4 * torch.linspace(0, 1, count) ** 9 + noise
        want = rates[_smoothed(losses).argmin()].item() / 3
        attempt.expect(attempt(rates, losses), want, case=f"a noisy curve of {count} steps")


def _smoothed(losses: Tensor) -> Tensor:
    """Exponential average that keeps 0.8 of the past, as one matrix product: (K,) → (K,)."""
    k = torch.arange(len(losses))
    share = 0.2 * 0.8 ** (k[:, None] - k).clamp(min=0)  # (K, K)
    share[:, 0] = 0.8**k
    return share.tril() @ losses


def _smooths(attempt: Attempt) -> None:
    rates = torch.tensor([0.001, 0.01, 0.1, 0.3, 1.0, 3.0])
    losses = torch.tensor([2.0, 0.5, 1.9, 1.6, 1.2, 5.0])  # one lucky batch at 0.01
    backwards = 0.2 * 2.0  # the past kept with the wrong share
    for value in losses[1:].tolist():
        backwards = 0.2 * backwards + 0.8 * value
    attempt.expect(
        attempt(rates, losses),
        1.0 / 3,
        Slip(
            0.01 / 3,
            "One lucky batch decided: the losses are not smoothed, or hardly.",
            "s ← 0.8 · s + 0.2 · loss, from the first loss on; then look for the lowest s.",
        ),
        case="one lucky batch",
    )


def _stops_at_an_explosion(attempt: Attempt) -> None:
    rates = torch.tensor([0.01, 0.1, 1.0, 4.0, 10.0, 30.0])
    for worst in (math.nan, math.inf):
        losses = torch.tensor([2.0, 1.0, 1.2, worst, 0.001, 0.001])
        attempt.expect(
            attempt(rates, losses),
            1.0 / 3,
            Slip(
                1.0,
                "After an explosion the rate is not divided by 3.",
                "The third belongs to every answer.",
            ),
            Slip(
                4.0 / 3,
                "You took the step that exploded: NaN counts as the smallest for `argmin`.",
                "Look only at the steps before the first loss that is not finite.",
            ),
            Slip(
                30.0 / 3,
                "You also looked behind the explosion. What comes there is no training any more.",
                "Cut both tensors at the first loss that is not finite.",
            ),
            case=f"a loss of {worst} on the way",
        )


@exercise(
    "A schedule is a plain function of the step. Warm-up guards the first steps, the cosine "
    "settles the last ones."
)
def warmup_cosine(attempt: Attempt) -> None:
    """warmup_cosine(step, total, warmup, peak, floor): → float."""
    steps, case = (0, 3, 4, 9, 24), (24, 4, 0.8, 0.2)  # at step 9 a quarter of the cosine is over
    quarter = 0.5 + 0.3 * math.sqrt(0.5)
    got = [attempt(step, *case) for step in steps]
    if any(one is None or one is ... for one in got):
        attempt.expect(None, 0.0)
    attempt.expect(
        got,
        [0.2, 0.8, 0.8, quarter, 0.2],
        Slip(
            [0.0, 0.6, 0.8, quarter, 0.2],
            "The first step has the rate 0, so its batch is wasted, and the peak comes late.",
            "Step 0 is the first of `warmup` steps: peak · (step + 1) / warmup.",
        ),
        _slip_of_a_formula(
            steps,
            lambda k: 0.2 + 0.3 * (1 + math.cos(math.pi * k / 24)),
            "The cosine already counts the steps of the warm-up, so the rate jumps behind it.",
            "Its progress is (step - warmup) / (total - warmup), from 0 to 1.",
        ),
        _slip_of_a_formula(
            steps,
            lambda k: 0.4 * (1 + math.cos(math.pi * (k - 4) / 20)),
            "The floor has no effect: the rate ends at 0.",
            "floor + (peak - floor) · (1 + cos) / 2.",
        ),
        _slip_of_a_formula(
            steps,
            lambda k: 0.2 + 0.4 * (1 + math.cos(math.pi * (k - 4) / 20)),
            "The floor was added on top: the peak is too high by the floor.",
            "The cosine moves between floor and peak: floor + (peak - floor) · …",
        ),
        _slip_of_a_formula(
            steps,
            lambda k: 0.2 + 0.6 * (1 + math.cos(math.pi * (k - 4) / 20)),
            "1 + cos runs from 2 to 0, so the rate starts at more than the peak.",
            "Halve it.",
        ),
        _slip_of_a_formula(
            steps,
            lambda k: 0.8 - 0.6 * (k - 4) / 20,
            "The rate comes down on a straight line.",
            "Half of (1 + cos(π · progress)) is the factor; it is flat at both ends.",
        ),
        case="24 steps, 4 of warm-up, peak 0.8, floor 0.2; steps 0, 3, 4, 9 and 24",
        name="the list of rates",
    )
    _stays_down(attempt)
    for total, warmup, peak, floor in ((100, 10, 1.0, 0.0), (37, 5, 3e-3, 1e-5), (9, 0, 0.1, 0.01)):
        for step in (0, warmup // 2, warmup, (total + warmup) // 3, total - 1, total):
            want = _schedule(step, total, warmup, peak, floor)
            got = attempt(step, total, warmup, peak, floor)
            attempt.expect(got, want, case=f"step {step} of {total}, {warmup} of warm-up")


def _slip_of_a_formula(
    steps: tuple[int, ...], after: Callable[[int], float], why: str, next_step: str
) -> Slip:
    """What a wrong formula for the time after the warm-up of the first case gives."""
    return Slip([0.2 * (k + 1) if k < 4 else after(k) for k in steps], why, next_step)


def _stays_down(attempt: Attempt) -> None:
    """Behind its end a cosine would rise again; a schedule must not."""
    attempt.expect(
        attempt(30, 24, 4, 0.8, 0.2),
        0.2,
        Slip(
            0.5 + 0.3 * math.cos(math.pi * 1.3),
            "Behind the last step the rate rises again, because the cosine does.",
            "From step `total` on, return the floor.",
        ),
        case="step 30 of 24",
    )


def _schedule(step: int, total: int, warmup: int, peak: float, floor: float) -> float:
    """The rate by the half-angle formula: (1 + cos a) / 2 = cos²(a / 2)."""
    if step < warmup:
        return peak * (step + 1) / warmup
    share = min((step - warmup) / (total - warmup), 1.0)
    return floor + (peak - floor) * math.cos(math.pi * share / 2) ** 2


@exercise(
    "Everything begins anew in each fold: statistics, model, training. Then every row is tested "
    "once, by a model that has never seen it."
)
def cross_validate(attempt: Attempt) -> None:
    """cross_validate(x, y, folds, new_model): (N, D), (N,), int → list of floats."""
    x = torch.tensor([[0.0], [2.0], [4.0], [6.0], [8.0], [16.0]])
    y = torch.tensor([1.0, 3.0, 2.0, 5.0, 4.0, 9.0])
    book = _Book()
    got = _fold(attempt, x, y, 3, book)
    _learns_in_each_fold(attempt, x, y, 3, book)
    want = [_rmse(book.guesses(i), y[2 * i : 2 * i + 2]) for i in range(3)]
    attempt.expect(
        got,
        want,
        Slip(
            sum(want) / 3,
            "You returned the mean; the list of the folds' errors is asked for.",
            "Append one number for each fold. The spread between folds is half of the message.",
        ),
        Slip(
            [e**2 for e in want],
            "Those are mean squared errors, without the root.",
            "RMSE is the root of the mean of the squares.",
        ),
        Slip(
            [torch.tensor(e) for e in want],
            "The errors are tensors, and plain numbers are asked for.",
            "`.item()`.",
        ),
        Slip(
            [float((book.guesses(i) - y[2 * i : 2 * i + 2]).abs().mean()) for i in range(3)],
            "Those are mean absolute errors.",
            "Square, average, take the root.",
        ),
        case="six rows in three folds",
        name="the list of errors",
    )
    for rows, columns, folds in ((7, 2, 3), (5, 1, 5), (11, 3, 2)):
        x = 4 + 3 * torch.randn(rows, columns, generator=attempt.random)
        y, book = torch.randn(rows, generator=attempt.random), _Book()
        got = _fold(attempt, x, y, folds, book)
        _learns_in_each_fold(attempt, x, y, folds, book)
        parts = torch.arange(rows).tensor_split(folds)
        want = [_rmse(book.guesses(i), y[part]) for i, part in enumerate(parts)]
        attempt.expect(got, want, case=f"{rows} rows in {folds} folds", name="the list of errors")


class _Book:
    """Makes models, and notes what each one is given."""

    def __init__(self) -> None:
        self.models: list[_Model] = []

    def new_model(self) -> _Model:
        self.models.append(_Model())
        return self.models[-1]

    def guesses(self, fold: int) -> Tensor:
        return self.models[fold].said[0]


class _Model:
    """Predicts the mean of its training targets plus a tenth of the first input."""

    def __init__(self) -> None:
        self.fitted: list[tuple[Tensor, Tensor]] = []
        self.asked: list[Tensor] = []
        self.said: list[Tensor] = []

    def fit(self, x: Tensor, y: Tensor) -> None:
        self.fitted.append((x.detach().clone(), y.detach().clone()))

    def predict(self, x: Tensor) -> Tensor:
        if not self.fitted:
            raise RuntimeError("this model has not been fitted yet: call fit(x, y) first")
        self.asked.append(x.detach().clone())
        self.said.append(self.fitted[-1][1].mean() + 0.1 * x[:, 0])
        return self.said[-1]


def _rmse(guess: Tensor, truth: Tensor) -> float:
    return float((guess - truth).square().mean().sqrt())


def _fold(attempt: Attempt, x: Tensor, y: Tensor, folds: int, book: _Book) -> object:
    return attempt.run(attempt.answer, x, y, folds, book.new_model)


def _learns_in_each_fold(attempt: Attempt, x: Tensor, y: Tensor, folds: int, book: _Book) -> None:
    """Stop unless each fold had a new model, was fitted on the rest, and was z-scored by it."""
    count = len(book.models)
    if not any(model.fitted for model in book.models):
        attempt.stop(
            "No model was ever fitted.",
            "In each fold: `model = new_model()`, `model.fit(...)`, `model.predict(...)`.",
        )
    if any(len(model.fitted) > 1 for model in book.models):
        attempt.stop(
            "One model was fitted in several folds: from the second fold on it is tested on rows "
            "it has learnt.",
            "Call `new_model()` inside the loop.",
        )
    if count != folds or any(len(m.fitted) * len(m.asked) != 1 for m in book.models):
        attempt.stop(
            f"For {folds} folds there should be {folds} models, each fitted once and asked once. "
            f"You made {count}.",
            "Every part of the rows is held out once.",
        )
    for model, held_out in zip(book.models, torch.arange(len(x)).tensor_split(folds), strict=True):
        rest = torch.ones(len(x), dtype=torch.bool)
        rest[held_out] = False
        attempt.expect(
            model.fitted[0][1],
            y[rest],
            Slip(
                y,
                "The model was fitted on all rows, those to be tested included.",
                "Leave the held-out rows out of `fit`.",
            ),
            Slip(
                y[held_out],
                "Fitted and tested are swapped: the model learnt from the small part.",
                "Fit on all parts but one, test on that one.",
            ),
            name="the targets of one `fit`",
        )
        _is_scaled_by_the_rest(attempt, model, x, rest)


def _is_scaled_by_the_rest(attempt: Attempt, model: _Model, x: Tensor, rest: Tensor) -> None:
    both = (model.fitted[0][0], model.asked[0])
    train, check = x[rest], x[~rest]
    attempt.expect(
        both,
        (_z(train, train), _z(check, train)),
        Slip(
            (_z(train, x), _z(check, x)),
            "The inputs were z-scored once, with the statistics of all rows. The held-out rows "
            "leak into the scale.",
            "Mean and standard deviation of the training rows, inside the loop.",
        ),
        Slip(
            (_z(train, train), _z(check, check)),
            "The held-out rows were z-scored with their own statistics.",
            "They get those of the training rows, as a new house would.",
        ),
        Slip((train, check), "The inputs were not z-scored.", "Scale them inside each fold."),
        Slip(
            (_z(train, train), check),
            "Only the training rows were z-scored; the held-out ones came raw.",
            "Both get the same treatment.",
        ),
        Slip(
            (_z(train, train), _z(train, train)),
            "The model was tested on its own training rows.",
            "Predict for the held-out rows.",
        ),
        name="(inputs of one `fit`, inputs of its `predict`)",
    )


@exercise(
    "The logarithm turns ratios into differences: 10 % too much costs the same for a hut and for "
    "a villa."
)
def log_rmse(attempt: Attempt) -> None:
    """log_rmse(predicted, price): dollars, (N,) each → ()."""
    price = torch.tensor([100.0, 200.0, 400.0])
    predicted = torch.tensor([200.0, 200.0, 100.0])  # factors 2, 1 and 1/4
    two = math.log(2)
    attempt.expect(
        attempt(predicted, price),
        torch.tensor(two * math.sqrt(5 / 3)),
        Slip(
            (predicted - price).square().mean().sqrt(),
            "That is the error in dollars, so villas count more than huts.",
            "Take the logarithm of both before you subtract.",
        ),
        Slip(
            (predicted - price).square().mean().sqrt().log(),
            "You took the logarithm of the error, not the error of the logarithms.",
            "`predicted.log() - price.log()` first.",
        ),
        Slip(
            torch.tensor(two**2 * 5 / 3),
            "The root is missing.",
            "RMSE is the root of the mean of the squares.",
        ),
        Slip(
            torch.tensor(two),
            "That is the mean absolute difference of the logarithms.",
            "Square, average, take the root.",
        ),
        Slip(
            torch.tensor(math.log10(2) * math.sqrt(5 / 3)),
            "You used the logarithm of base 10.",
            "`torch.log` is the natural one: then 0.1 means about 10 %.",
        ),
        Slip(
            torch.tensor(two * math.sqrt(5)),
            "You summed instead of averaging, so more houses make a larger error.",
            "`mean` under the root.",
        ),
    )
    _survives_silly_prices(attempt)
    for count in (6, 1, 40):
        price = torch.rand(count, generator=attempt.random) * 1e5 + 5e4
        error = 0.2 * torch.randn(count, generator=attempt.random)
        want = error.square().mean().sqrt()
        got = attempt(price * error.exp(), price)
        attempt.expect(got, want, case="a single house" if count == 1 else f"{count} houses")
    attempt.expect_gradient(price * error.exp(), price)


def _survives_silly_prices(attempt: Attempt) -> None:
    """A network may predict 0 or less; that must be bad, not NaN."""
    price, why = (
        torch.tensor([math.e, math.e]),
        "The logarithm of a price of 0 or less is no number.",
    )
    step = "`predicted.clamp(min=1)` before the logarithm."
    for silly in (-3.0, 0.0):
        attempt.expect(
            attempt(torch.tensor([math.e, silly]), price),
            torch.tensor(math.sqrt(0.5)),
            *(Slip(torch.tensor(value), why, step) for value in (math.nan, math.inf)),
            Slip(
                torch.tensor(0.0),
                "A silly prediction was left out, so it costs nothing.",
                "Raise it to 1 dollar, and let it count.",
            ),
            case=f"a predicted price of {silly:g}",
        )
