"""Checkers of chapter 2's lab 1: layers."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torchcourse.checks.calls import forbid
from torchcourse.checks.compare import kind
from torchcourse.checks.core import Attempt, Slip, exercise

Layers = list[tuple[Tensor, Tensor]]  # (weight (out, in), bias (out,)) of each layer


@exercise(
    "The logarithm of softmax is a score minus log-sum-exp. With the largest score of each row "
    "taken out first, no exponential can overflow, and no logarithm meets a 0."
)
def log_softmax(attempt: Attempt) -> None:
    """log_softmax(logits): (B, C) float → (B, C)."""
    logits = torch.tensor([[0.0, math.log(3)], [math.log(4), 0.0]])
    want = torch.tensor([[0.25, 0.75], [0.8, 0.2]]).log()
    sums, largest = torch.tensor([4.0, 5.0]), torch.tensor([[math.log(3)], [math.log(4)]])
    attempt.expect(
        attempt(logits),
        want,
        Slip(
            want.exp(),
            "These are the probabilities: the logarithm is missing.",
            "log softmax is the score minus log-sum-exp, without any division.",
        ),
        Slip(
            sums.log(),
            "You returned log-sum-exp itself, one number for each row.",
            "Subtract it from each score of its row.",
        ),
        Slip(
            -want,
            "The sign is turned round: logarithms of probabilities are at most 0.",
            "Score minus log-sum-exp, in this order.",
        ),
        Slip(
            logits.log_softmax(0),
            "You made each column add up to 1: over the batch, not over the classes.",
            "The classes are the last axis: `dim=-1`.",
        ),
        Slip(
            logits - sums.log(),
            "The sums, (B,), lined up with C: row 0's sum was subtracted from column 0 of every "
            "row. It ran only because B and C are both 2 here.",
            "Keep the axis: `keepdim=True` gives (B, 1).",
        ),
        Slip(
            logits - sums[:, None],
            "You subtracted the sum of the exponentials: its logarithm is missing.",
            "First exponentials, then the sum, then the logarithm.",
        ),
        Slip(
            want + largest,
            "You took the largest score out and never put it back.",
            "log-sum-exp is the maximum plus the logarithm of the remaining sum.",
        ),
        Slip(
            want / math.log(2),
            "Your logarithm has base 2.",
            "`log` is the natural one; `log2` and `log10` are others.",
        ),
    )
    attempt.expect(
        attempt(logits + 1000),
        want,
        Slip(
            torch.full((2, 2), torch.nan),
            "e¹⁰⁰⁰ is `inf`, and `inf / inf` is NaN.",
            "Subtract the largest score of each row before you take any exponential.",
        ),
        Slip(
            torch.full((2, 2), -torch.inf),
            "e¹⁰⁰⁰ is `inf`, so log-sum-exp became infinite.",
            "Subtract the largest score of each row first, and add it again at the end.",
        ),
        case="scores around 1,000",
    )
    uneven = logits + torch.tensor([[0.0], [1000.0]])
    got = attempt(uneven)
    if isinstance(got, Tensor) and got.shape == want.shape and got.isinf().any():
        attempt.stop(
            "You took the same maximum out of every row, so a row of small scores became all 0.",
            "Each row has its own: `amax(dim=-1, keepdim=True)`.",
            expected=want,
            gave=got,
        )
    attempt.expect(got, want, case="one row around 0 and one around 1,000")
    far = torch.tensor([[0.0, 200.0]])
    got = attempt(far)
    if isinstance(got, Tensor) and got.shape == far.shape and got[0, 0] > -100:
        attempt.stop(
            "A small number inside the logarithm hides the truth: e⁻²⁰⁰ is not that large.",
            "Never form the probability. Subtract log-sum-exp from the score.",
            expected=torch.tensor([[-200.0, 0.0]]),
            gave=got,
        )
    attempt.expect(
        got,
        torch.tensor([[-200.0, 0.0]]),
        Slip(
            torch.tensor([[-torch.inf, 0.0]]),
            "The probability e⁻²⁰⁰ was rounded to 0, and its logarithm is -inf.",
            "Never form the probability. Subtract log-sum-exp from the score.",
        ),
        case="scores 0 and 200",
    )
    for batch, classes in ((5, 3), (1, 7), (4, 4)):
        x = 3 * torch.randn(batch, classes, generator=attempt.random)
        attempt.expect(attempt(x), F.log_softmax(x, dim=1), case=f"{batch} rows, {classes} classes")
    attempt.expect_gradient(x)
    forbid(
        attempt,
        {"log_softmax", "logsumexp", "cross_entropy"},
        x,
        why="The values are right, but `{name}` computed them.",
        next_step="Write it from `amax`, `exp`, `sum` and `log`: that is the exercise.",
    )


@exercise(
    "A layer, log softmax of its scores, minus the entry of the true class, and steps downhill: "
    "that is softmax regression. Every classifier ends in such a layer."
)
def softmax_regression(attempt: Attempt) -> None:
    """softmax_regression(x, labels, num_classes, lr, steps): → weight (C, D), bias (C,)."""
    x, labels = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0])
    weight = torch.tensor([[1.0, 2.0], [-0.5, -1.0], [-0.5, -1.0]])
    bias = torch.tensor([2.0, -1.0, -1.0])
    _check_start(attempt, attempt(x, labels, 3, 3.0, 0))
    _check_softmax_once(attempt, attempt(x, labels, 3, 3.0, 2), x, labels)
    attempt.expect(
        attempt(x, labels, 3, 3.0, 1),
        (weight, bias),
        Slip(
            (2 * weight, 2 * bias),
            "You summed the losses over the batch; the exercise asks for their mean.",
            "With a sum, the right learning rate would depend on the number of examples.",
        ),
        Slip(
            (-weight, -bias),
            "Your step goes uphill: the true class became less likely.",
            "The loss is *minus* the log-probability of the true class; step against its gradient.",
        ),
        Slip(
            (weight, torch.zeros(3)),
            "The bias never moved.",
            "It is a parameter as well: give it a gradient and a step.",
        ),
        Slip(
            (weight.T, bias),
            "Your weight has shape (D, C); `nn.Linear` keeps it as (C, D).",
            "Scores are `x @ weight.T + bias`.",
        ),
        Slip(
            (torch.zeros(3, 2), torch.zeros(3)),
            "Nothing moved: weight and bias are still zero after a step.",
            "Change them in place under `torch.no_grad()`, or by an optimizer.",
        ),
        Slip(
            (weight / 3, bias / 3),
            "The loss is averaged over B · C numbers, not over the B examples.",
            "Pick the true class's entry of each row first; then take the mean of B numbers.",
        ),
        name="(weight, bias) after one step from zero",
    )
    generator = attempt.random
    for rows, features, classes, steps in ((6, 3, 4, 5), (1, 2, 3, 2), (8, 4, 2, 12), (3, 2, 2, 0)):
        x = torch.randn(rows, features, generator=generator)
        labels = torch.randint(classes, (rows,), generator=generator)
        given = (x, labels, classes, 0.5, steps)
        want = _by_formula(*given)  # before the learner's code can change its input
        got = attempt(*given)
        attempt.expect(
            got,
            want,
            Slip(
                _keeping_gradients(*given),
                "From the second step on, the gradients of earlier steps are still inside.",
                "`backward()` adds to `.grad`: clear it in every step.",
            ),
            Slip(
                _by_formula(*given, shared=True),
                "Each row was judged by the labels of all rows: `log_p[:, labels]` is (B, B).",
                "`log_p.gather(1, labels[:, None])` takes one entry of each row.",
            ),
            Slip(
                _by_formula(x, labels, classes, 0.5, min(steps, 1)),
                "Only the first step counts: the loss is not computed anew from the new weights.",
                "Compute scores and loss inside the loop.",
            ),
            case=f"{rows} examples, {classes} classes, {steps} steps",
            name="(weight, bias)",
        )
    if any(part.requires_grad for part in got):
        attempt.stop(
            "The values are right, but weight or bias still asks for gradients.",
            "Return them with `.detach()`: whoever uses them wants numbers.",
        )
    x, labels = torch.tensor([[1000.0, 0.0], [0.0, 1000.0]]), torch.tensor([0, 1])
    want = (torch.tensor([[250.0, -250.0], [-250.0, 250.0]]), torch.zeros(2))
    got = attempt(x, labels, 2, 1.0, 4)
    if isinstance(got, tuple) and any(isinstance(t, Tensor) and t.isnan().any() for t in got):
        attempt.stop(
            "With large inputs the exponentials overflow, and everything becomes NaN.",
            "Use your `log_softmax` of exercise 1.",
            expected=want,
            gave=got,
        )
    attempt.expect(got, want, case="inputs of 1,000", name="(weight, bias)")


def _check_start(attempt: Attempt, got: object) -> None:
    """Without a step, nothing but zeros may come back: `nn.Linear` begins elsewhere."""
    parts = got if isinstance(got, tuple) else ()
    if any(isinstance(part, Tensor) and part.any() for part in parts):
        attempt.stop(
            "Asked for 0 steps, you return numbers other than 0: you begin with random numbers, "
            "as `nn.Linear` does, or take a step too many.",
            "Begin with `torch.zeros`; or set a layer's parameters to zero first.",
            gave=got,
        )


def _check_softmax_once(attempt: Attempt, got: object, x: Tensor, labels: Tensor) -> None:
    """After two steps; the first one, from zero, looks like a mean over B · C numbers."""
    layer = nn.Linear(2, 3)
    nn.init.zeros_(layer.weight), nn.init.zeros_(layer.bias)
    for _ in range(2):
        loss = F.cross_entropy(layer(x).softmax(1), labels)
        slopes = torch.autograd.grad(loss, list(layer.parameters()))
        with torch.no_grad():
            for parameter, slope in zip(layer.parameters(), slopes, strict=True):
                parameter -= 3.0 * slope
    parts = got if isinstance(got, tuple) and len(got) == 2 else ()
    same = [
        isinstance(part, Tensor)
        and part.shape == wrong.shape
        and torch.allclose(part.double(), wrong.double(), atol=1e-4)
        for part, wrong in zip(parts, layer.parameters(), strict=False)
    ]
    if same == [True, True]:
        attempt.stop(
            "Softmax was applied twice: once by you, once by the loss.",
            "Give the loss the scores as they come out of the layer.",
            gave=got,
        )


def _by_formula(
    x: Tensor, labels: Tensor, classes: int, lr: float, steps: int, shared: bool = False
):
    """The path of descent from zero: the gradient of the scores is (p - one-hot) / B.

    `shared` plants a slip: every row is judged by the labels of all rows.
    """
    inputs, truth = x.double().numpy(), np.eye(classes)[labels.numpy()]
    if shared:
        truth = np.broadcast_to(truth.mean(0), truth.shape)
    weight, bias = np.zeros((classes, inputs.shape[1])), np.zeros(classes)
    for _ in range(steps):
        scores = inputs @ weight.T + bias
        p = np.exp(scores - scores.max(1, keepdims=True))
        slope = (p / p.sum(1, keepdims=True) - truth) / len(inputs)  # (B, C)
        weight, bias = weight - lr * slope.T @ inputs, bias - lr * slope.sum(0)
    return torch.tensor(weight, dtype=torch.float32), torch.tensor(bias, dtype=torch.float32)


def _keeping_gradients(x: Tensor, labels: Tensor, classes: int, lr: float, steps: int):
    """The same path with a planted slip: the gradients are never cleared."""
    layer = nn.Linear(x.shape[1], classes)
    nn.init.zeros_(layer.weight), nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(layer.parameters(), lr=lr)
    for _ in range(steps):
        F.cross_entropy(layer(x), labels).backward()
        optimizer.step()
    return layer.weight.detach(), layer.bias.detach()


@exercise(
    "A deep network is one line, repeated: multiply, add the bias, bend. Only the last layer must "
    "not bend, because its scores may be negative."
)
def mlp_forward(attempt: Attempt) -> None:
    """mlp_forward(x, layers): (B, D) and a list of (weight (out, in), bias (out,)) → (B, out)."""
    x = torch.tensor([[1.0, 2.0], [3.0, 1.0]])
    first = (torch.tensor([[1.0, -1.0], [2.0, 0.0]]), torch.tensor([0.0, -3.0]))
    second = (torch.tensor([[1.0, -2.0]]), torch.tensor([1.0]))
    layers, want = [first, second], torch.tensor([[1.0], [-3.0]])
    attempt.expect(
        attempt(x, layers),
        want,
        Slip(
            torch.tensor([[2.0], [-3.0]]),
            "There is no activation between the layers, so the network is a single linear map.",
            "ReLU after each layer but the last: `.clamp(min=0)` or `torch.relu`.",
        ),
        Slip(
            torch.tensor([[1.0], [0.0]]),
            "You put a ReLU behind the last layer as well, so no score can be negative.",
            "The last layer's output is returned as it is.",
        ),
        Slip(
            torch.tensor([[6.0], [6.0]]),
            "The weight of the hidden layer was not transposed. It ran because it is square.",
            "Weights are (out, in): `x @ weight.T`.",
        ),
        Slip(
            torch.tensor([[3.0], [-3.0]]),
            "You applied ReLU before adding the bias.",
            "First the whole layer, `x @ weight.T + bias`, then ReLU.",
        ),
        Slip(
            torch.tensor([[-4.0], [-10.0]]),
            "The biases were left out.",
            "Each layer is `x @ weight.T + bias`.",
        ),
        Slip(
            want[:, 0],
            "The values are right, but the output axis of length 1 disappeared.",
            "Return (B, out), even if out is 1.",
        ),
        Slip(
            want.sigmoid(),
            "You turned the last scores into probabilities; networks return logits.",
            "Return the last layer's output as it is.",
        ),
    )
    for batch, sizes in ((4, (3, 5, 2, 6)), (1, (4, 3, 3, 2)), (3, (2, 5)), (2, (3, 8, 8, 8, 1))):
        x = torch.randn(batch, sizes[0], generator=attempt.random)
        layers = _random_layers(attempt, sizes)
        bends = len(sizes) - 2
        want = _run(x, layers, [True] * bends)  # before the learner's code can change x
        case = "a single layer" if bends == 0 else f"{bends + 1} layers and a batch of {batch}"
        attempt.expect(
            attempt(x, layers),
            want,
            Slip(
                _run(x, layers, [True] + [False] * (bends - 1)) if bends > 1 else want,
                "Only the first layer is followed by an activation.",
                "Let the loop apply ReLU after every layer but the last.",
            ),
            Slip(
                _run(x.relu(), layers, [True] * bends),
                "You applied ReLU to the input as well: negative inputs got lost.",
                "The first layer gets x as it is; ReLU comes after a layer.",
            ),
            case=case,
        )
    attempt.expect_gradient(x, layers)


def _random_layers(attempt: Attempt, sizes: tuple[int, ...]) -> Layers:
    draw = attempt.random
    return [
        (torch.randn(n_out, n_in, generator=draw), torch.randn(n_out, generator=draw))
        for n_in, n_out in pairwise(sizes)
    ]


def _run(x: Tensor, layers: Layers, bends: list[bool]) -> Tensor:
    """PyTorch's own layers with these weights; `bends`: is there a ReLU after layer k?"""
    chain = nn.Sequential()
    for (weight, bias), bend in zip(layers, [*bends, False], strict=True):
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        layer.load_state_dict({"weight": weight, "bias": bias})
        chain.append(layer).append(nn.ReLU() if bend else nn.Identity())
    return chain(x).detach()


@exercise(
    "What is learnt is a parameter; what merely follows the data is a buffer. Both travel with "
    "the model, and `self.training` says which of its two lives the layer is leading.",
    takes=type,
)
def MovingCentre(attempt: Attempt) -> None:
    """MovingCentre(features, momentum): a layer (B, D) → (B, D) with `shift` and `mean`."""
    layer = attempt(2, 0.25)
    if not isinstance(layer, nn.Module):
        attempt.stop(
            f"An instance of your class is {kind(layer)}, not an `nn.Module`.",
            "Write `class MovingCentre(nn.Module):` and begin with `super().__init__()`.",
        )
    _check_registered(attempt, layer)
    x = torch.tensor([[4.0, 0.0], [8.0, 8.0]])  # its mean is (6, 4)
    attempt.run(layer.train)
    moved = attempt.run(layer, x, may_change=False)
    mean = torch.tensor([1.5, 1.0])  # a quarter of the way from 0
    attempt.expect(
        moved,
        x - mean,
        Slip(
            x - torch.tensor([6.0, 4.0]),
            "You subtracted the mean of this batch, not the moving mean.",
            "First move `mean` a part of the way towards the batch, then subtract `mean`.",
        ),
        Slip(
            x - torch.tensor([4.5, 3.0]),
            "The moving mean went three quarters of the way: momentum is the share of the *new*.",
            "mean ← (1 - momentum) · mean + momentum · batch mean.",
        ),
        Slip(
            x,
            "You subtracted the mean of before this batch; it moves first.",
            "Update `mean`, then subtract it.",
        ),
        Slip(
            x - x.mean(1, keepdim=True) / 4,
            "You averaged over the features; the mean is over the batch.",
            "`x.mean(dim=0)` has shape (D,).",
        ),
        Slip(
            x - x.mean() / 4,
            "You averaged over the whole batch into a single number; each feature has its own.",
            "`x.mean(dim=0)` has shape (D,); `x.mean()` mixes all features.",
        ),
        case="a first batch in training mode, momentum 0.25",
    )
    _check_registered(attempt, layer)
    attempt.expect(layer.mean, mean, case="the first batch", name="the buffer `mean`")
    _check_evaluation(attempt, layer, mean)
    _check_learning(attempt)


def _check_registered(attempt: Attempt, layer: nn.Module) -> None:
    """Stop unless `shift` is the only parameter and `mean` the only buffer, both (2,)."""
    parameters, buffers = dict(layer.named_parameters()), dict(layer.named_buffers())
    if "mean" in parameters:
        attempt.stop(
            "`mean` is a parameter, so an optimizer would train it.",
            '`self.register_buffer("mean", torch.zeros(features))`.',
        )
    if "mean" not in buffers:
        attempt.stop(
            "`mean` is no buffer: it would neither move to a GPU nor be saved.",
            '`self.register_buffer("mean", torch.zeros(features))`.',
        )
    if "shift" in buffers:
        attempt.stop(
            "`shift` is a buffer, so no optimizer would train it.",
            "`self.shift = nn.Parameter(torch.zeros(features))`.",
        )
    if "shift" not in parameters:
        attempt.stop(
            "`shift` is no parameter: the optimizer would not find it.",
            "`self.shift = nn.Parameter(torch.zeros(features))`.",
        )
    if "mean" not in layer.state_dict():
        attempt.stop(
            "`mean` is a buffer, but it is not saved with the model.",
            "Leave out `persistent=False`.",
        )
    if extra := sorted((set(parameters) | set(buffers)) - {"shift", "mean"}):
        attempt.stop(
            f"The layer holds more than it needs: {', '.join(extra)}.",
            "One parameter, `shift`, and one buffer, `mean`, are enough.",
        )
    for name in ("shift", "mean"):
        tensor = getattr(layer, name)
        attempt.expect(
            torch.zeros(tensor.shape, dtype=tensor.dtype), torch.zeros(2), name=f"`{name}`"
        )


def _check_evaluation(attempt: Attempt, layer: nn.Module, mean: Tensor) -> None:
    """In evaluation mode the mean stays, and a single example is welcome."""
    attempt.run(layer.eval)
    x = torch.tensor([[5.0, -1.0]])
    got = attempt.run(layer, x)
    if not torch.equal(layer.mean, mean):
        attempt.stop(
            "In evaluation mode the moving mean still moves: the answer to one example then "
            "depends on those asked before.",
            "Update only `if self.training:`.",
        )
    attempt.expect(got, x - mean, case="evaluation mode, a batch of one")


def _check_learning(attempt: Attempt) -> None:
    """Several batches, a shift that is not 0, its gradient, and moving to another dtype."""
    layer, mean = attempt(3, 0.1), torch.zeros(3)
    shift = torch.tensor([1.0, -2.0, 3.0])
    with torch.no_grad():
        layer.shift.copy_(shift)
    for _ in range(3):
        x = 5 + torch.randn(4, 3, generator=attempt.random)
        mean = torch.lerp(mean, x.mean(0), 0.1)
        got = attempt.run(layer, x.requires_grad_())
        x = x.detach()
        if layer.mean.requires_grad:
            attempt.stop(
                "The moving mean hangs on the graph of every batch, so memory grows and grows.",
                "Update it under `torch.no_grad()`, or from `x.detach()`.",
            )
        attempt.expect(
            got,
            x - mean + shift,
            Slip(
                x - mean,
                "The learnt shift is not used.",
                "Add `self.shift` to what you return.",
            ),
            Slip(
                x - mean - shift,
                "The learnt shift is subtracted.",
                "Add `self.shift` to what you return.",
            ),
            case="three batches, and a shift that is not 0",
        )
    if not got.requires_grad:
        attempt.stop(
            "The values are right, but no gradient can reach `shift`, so it would never learn.",
            "Only the update of `mean` belongs under `torch.no_grad()`, not the whole `forward`.",
        )
    attempt.run(got.sum().backward, may_change=True)
    attempt.expect(layer.shift.grad, torch.full((3,), 4.0), name="the gradient of `shift`")
    attempt.run(layer.double)
    got = attempt.run(layer, x.double())
    attempt.expect(
        got,
        x.double() - torch.lerp(mean, x.mean(0), 0.1).double() + shift,
        case="a model moved to float64",
    )


@exercise(
    "Depth without bends is a single layer. Now you can tell: a linear map satisfies "
    "f(x) + f(y) = f(x + y) + f(0), and a network that is worth its layers does not."
)
def deep_network(attempt: Attempt) -> None:
    """deep_network(sizes): [in, hidden, …, out] → an nn.Module with ReLU between its layers."""
    for sizes in ([2, 8, 8, 3], [5, 4, 1], [3, 6, 6, 6, 6, 2], [4, 2]):
        model = attempt(list(sizes))
        if not isinstance(model, nn.Module):
            if model is None or model is ...:
                attempt.expect(model, 0)
            attempt.stop(
                f"You returned {kind(model)}, not a module.",
                "`nn.Sequential(*layers)` makes a module of a list of layers.",
                gave=model,
            )
        x = 3 * torch.randn(16, sizes[0], generator=attempt.random)
        got = attempt.run(model, x)  # first of all: lazy layers get their weights here
        _check_bends(attempt, got, x, _layers_of(attempt, model, sizes))


def _layers_of(attempt: Attempt, model: nn.Module, sizes: list[int]) -> Layers:
    """The model's weights and biases in order; stop unless they are those of linear layers."""
    shapes = [tuple(p.shape) for p in model.parameters()]
    want = [shape for a, b in pairwise(sizes) for shape in ((b, a), (b,))]  # weight, bias
    if not shapes:
        attempt.stop(
            "Your module has no parameters at all: an optimizer would find nothing to train.",
            "A Python list hides layers. Use `nn.Sequential(*layers)` or `nn.ModuleList`.",
        )
    if shapes != want:
        few = len(shapes) < len(want)
        attempt.stop(
            f"For sizes {sizes} your module has {len(shapes)} parameters, of shapes {shapes}. "
            + ("Some layers are missing." if few else "Those of its linear layers are others."),
            "One `nn.Linear(n_in, n_out)` for each pair of neighbours in `sizes`.",
            expected=str(want),
            gave=str(shapes),
        )
    numbers = [p.detach() for p in model.parameters()]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _check_bends(attempt: Attempt, got: object, x: Tensor, layers: Layers) -> None:
    """Compare with the same weights and a ReLU after every layer but the last."""
    bends = len(layers) - 1
    want = _run(x, layers, [True] * bends)
    slips = [
        Slip(
            want.relu(),
            "There is a ReLU behind the last layer as well, so no output can be negative.",
            "Leave the last layer's scores as they are.",
        ),
        Slip(
            want.softmax(1),
            "There is a softmax behind the last layer; models return logits.",
            "Leave the last layer's scores as they are.",
        ),
    ]
    if bends:
        linear = _run(x, layers, [False] * bends)
        slips.append(
            Slip(
                linear,
                "There is no activation between the layers: all of them together are one "
                "linear map.",
                "Add `nn.ReLU()` after every layer but the last.",
            )
        )
        slips.append(
            Slip(
                linear.relu(),
                "The only ReLU stands at the end; between the layers there is none.",
                "Move it: after every layer but the last.",
            )
        )
    if bends > 1:
        slips.append(
            Slip(
                _run(x, layers, [True] + [False] * (bends - 1)),
                "Only the first layer is followed by a ReLU; the others melt into one.",
                "Add one in each round of the loop.",
            )
        )
    attempt.expect(got, want, *slips, case=f"{len(layers)} layers")
