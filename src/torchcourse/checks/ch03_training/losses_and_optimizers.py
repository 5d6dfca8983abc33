"""Checkers of chapter 3's lab 1: losses and optimizers."""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torchcourse.checks.compare import agrees, has_values, kind
from torchcourse.checks.core import Attempt, Slip, exercise


@exercise(
    "log-sum-exp minus the true logit, weighted, over the sum of the weights that occurred. It is "
    "safe for logits of any size, and gives rare classes a voice."
)
def weighted_cross_entropy(attempt: Attempt) -> None:
    """weighted_cross_entropy(logits, labels, weight): (B, K), (B,), (K,) → ()."""
    odds = torch.tensor([[1.0, 1.0, 2.0], [6.0, 1.0, 1.0]])  # p = 1/4 1/4 1/2 and 3/4 1/8 1/8
    labels, weight = torch.tensor([2, 0]), torch.tensor([1.0, 1.0, 3.0])
    half, quarter = math.log(2), math.log(4 / 3)  # the two losses
    total = 3 * half + quarter
    attempt.expect(
        attempt(odds.log(), labels, weight),
        torch.tensor(total / 4),
        Slip(
            torch.tensor((half + quarter) / 2),
            "The weights have no effect: that is the plain mean.",
            "Multiply each loss by the weight of its label, `weight[labels]`.",
        ),
        Slip(
            torch.tensor(total / 2),
            "You divided by the number of examples.",
            "Divide by the sum of the weights of these examples, here 3 + 1. Then equal weights "
            "change nothing.",
        ),
        Slip(
            torch.tensor(total / 5),
            "You divided by the sum of all class weights, whether the class occurred or not.",
            "Only the weights of the labels in the batch count: `weight[labels].sum()`.",
        ),
        Slip(
            torch.tensor(total),
            "You added up the weighted losses and did not divide.",
            "Divide by the sum of the weights that occurred.",
        ),
        Slip(
            torch.tensor(-total / 4),
            "The sign is wrong: a good prediction must cost little, and every loss is ≥ 0.",
            "The loss is log-sum-exp minus the true logit, not the other way round.",
        ),
        Slip(
            torch.tensor([3 * half, quarter]),
            "You returned one weighted loss for each example.",
            "Make one number of them: sum, and divide by the sum of their weights.",
        ),
        Slip(
            F.cross_entropy(odds.log().softmax(1), labels, weight),
            "A softmax was taken twice: the loss already contains one.",
            "Give the logits themselves to log-softmax, `logsumexp` or `F.cross_entropy`.",
        ),
        Slip(
            torch.tensor((half + quarter) / 2 * 5 / 3),
            "You weighted by position in the batch or on average, not by label.",
            "`weight[labels]` looks up one weight for each example, (B,).",
        ),
    )
    _survives_large_logits(attempt)
    for rows, classes in ((7, 4), (1, 3), (6, 2), (3, 9)):
        logits = 3 * torch.randn(rows, classes, generator=attempt.random)
        labels = torch.randint(classes, (rows,), generator=attempt.random)
        weight = 0.5 + torch.rand(classes, generator=attempt.random)
        attempt.expect(
            attempt(logits, labels, weight),
            F.cross_entropy(logits, labels, weight),
            case="a batch of one" if rows == 1 else f"{rows} examples and {classes} classes",
        )
    attempt.expect_gradient(logits, labels, weight)
    attempt.expect_no_loop()


def _survives_large_logits(attempt: Attempt) -> None:
    """Stop unless logits of ±1000 give their finite loss."""
    logits = torch.tensor([[1000.0, 0.0, -1000.0], [0.0, 0.0, 1000.0]])  # losses 1000 and 0
    got = attempt(logits, torch.tensor([1, 2]), torch.tensor([1.0, 1.0, 3.0]))
    case = "logits of ±1000"
    is_number = isinstance(got, Tensor) and got.numel() == 1 and has_values(got)
    if is_number and got.dtype == torch.float32 and 1 < got < 50:
        attempt.stop(
            "You put a small number into the logarithm, or cut the probability off. The loss of a "
            "sure mistake is then capped, and its gradient is zero. (Seen with " + case + ".)",
            "No cap is needed: use `logsumexp` or `log_softmax` on the logits.",
            expected=torch.tensor(250.0),
            gave=got,
        )
    why = "For large logits the exponentials overflow, or a probability rounds to 0."
    step = "Never build the probabilities: `torch.logsumexp` and `log_softmax` avoid them."
    spoilt = (Slip(torch.tensor(v), why, step) for v in (torch.nan, torch.inf))
    attempt.expect(got, torch.tensor(250.0), *spoilt, case=case)


@exercise(
    "Logits go into the loss as they are, labels as numbers. A second softmax raises no error; "
    "it only puts a floor under the loss and slows everything down."
)
def digit_loss(attempt: Attempt) -> None:
    """digit_loss(model, images, labels): images (B, C, H, W) uint8, labels (B,) → ()."""
    model = _reader()
    images = torch.tensor([[255, 0, 0, 0], [0, 255, 0, 0]], dtype=torch.uint8).view(2, 1, 2, 2)
    labels = torch.tensor([0, 2])
    logits = torch.tensor([[8.0, 0.0, 0.0], [0.0, 8.0, 0.0]])
    one = math.log(math.exp(8) + 2)  # the losses are `one - 8` and `one`
    got = attempt(model, images, labels)
    attempt.expect(
        _bare(got),
        torch.tensor(one - 4),
        Slip(
            F.cross_entropy(logits.softmax(1), labels),
            "Softmax is taken twice, once by you and once inside the loss: the sure and right "
            "first answer still costs 0.55.",
            "Give the logits to `F.cross_entropy` as they are.",
        ),
        Slip(
            torch.tensor(1020.0),
            "The model was trained on pixels from 0 to 1, and you fed it 0 to 255.",
            "Divide by 255, once the images are floats.",
        ),
        Slip(
            torch.tensor(2 * one - 8),
            "You added up the losses of the batch; the mean is asked for.",
            "The default, `reduction='mean'`, is right here.",
        ),
        Slip(
            torch.tensor([one - 8, one]),
            "You returned a loss for each image; one number is asked for.",
            "Take the mean over the batch.",
        ),
        Slip(
            torch.tensor(-4.0),
            "`nll_loss` expects log-probabilities, and got logits.",
            "`F.cross_entropy` contains the log-softmax that is missing.",
        ),
        Slip(
            F.cross_entropy(logits.softmax(0), labels),
            "A softmax over the batch (`dim=0`) mixes the images with each other.",
            "No softmax at all is needed before the loss.",
        ),
    )
    _reaches_the_model(attempt, got, model)
    for count, top in ((5, 3), (4, 2), (1, 1)):
        model = _reader()
        images = torch.randint(256, (count, 1, 2, 2), generator=attempt.random).to(torch.uint8)
        labels = torch.randint(top, (count,), generator=attempt.random)
        with torch.no_grad():
            want = F.cross_entropy(model(images.float() / 255), labels)
        case = f"{count} image(s)" + (" and no label 2 among them" if top < 3 else "")
        attempt.expect(_bare(attempt(model, images, labels)), want, case=case)


def _reader() -> nn.Sequential:
    """A model of (B, 1, 2, 2) pixels whose three logits are eight times the first three pixels."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    with torch.no_grad():
        model[1].weight.copy_(8 * torch.eye(3, 4))
        model[1].bias.zero_()
    return model


def _bare(got: object) -> object:
    """A tensor without its graph; anything else as it is."""
    return got.detach() if isinstance(got, Tensor) else got


def _reaches_the_model(attempt: Attempt, loss: Tensor, model: nn.Sequential) -> None:
    if loss.grad_fn is None:
        attempt.stop(
            "The value is right, but no gradient can flow from it: the model would never learn.",
            "Keep the loss a tensor of the graph: no `no_grad`, no `.item()`, no `.detach()`.",
        )
    attempt.run(loss.backward, may_change=True)
    if model[1].weight.grad is None:
        attempt.stop(
            "The value is right, but its gradient does not reach the weights of the model.",
            "Something between the model and the loss is detached or copied.",
        )


Batches = Sequence[tuple[Tensor, Tensor]]


@exercise(
    "Clear, forward, backward, step, and note a number. Clearing comes before `backward`, "
    "because nobody knows what the last user of the model has left in `.grad`."
)
def train_on_batches(attempt: Attempt) -> None:
    """train_on_batches(model, optimizer, batches): → the loss of each batch, as floats."""
    batches = _batches(attempt, (4, 3, 5))
    weight = torch.randn(3, 2, generator=attempt.random)
    got, weights = _trained(attempt, weight, batches)
    first, *_ = _descent(weight, batches[:1])
    attempt.expect(
        weights,
        _descent(weight, batches)[0],
        Slip(
            _descent(weight, batches, keep=1.0)[0],
            "The gradients pile up: each step still contains those of all batches before.",
            "`backward()` adds to `.grad`. Call `optimizer.zero_grad()` for every batch.",
        ),
        Slip(
            weight,
            "The weights have not moved at all.",
            "Either `optimizer.step()` is missing, or the gradient is cleared between `backward()` "
            "and `step()`.",
        ),
        Slip(
            _descent(weight, batches[:-1])[0],
            "One step is missing at the end: you step before `backward()`, with the gradient of "
            "the batch before.",
            "The order is clear, backward, step.",
        ),
        Slip(
            first,
            "Only the first batch was used.",
            "Mind the indentation of `return`: it belongs behind the loop.",
        ),
        Slip(
            _one_sum(weight, batches),
            "You went backward once, from the sum of all losses.",
            "Step after every batch: the next loss is to come from the changed weights.",
        ),
        name="the weight after three batches",
    )
    _losses_are_numbers(attempt, got, weight, batches)
    _copes_with_the_past(attempt, weight, batches)
    for keep, sizes in ((0.9, (2, 3, 4, 1)), (0.0, (1,)), (0.0, ())):
        batches = _batches(attempt, sizes)
        got, weights = _trained(attempt, weight, batches, momentum=keep)
        want, losses = _descent(weight, batches, keep)
        case = "an optimizer with momentum" if keep else f"{len(sizes)} batch(es)"
        attempt.expect((weights, got), (want, losses), case=case, name="(weight, losses)")


def _batches(attempt: Attempt, sizes: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
    """Batches of two features and three classes."""
    return [
        (
            torch.randn(size, 2, generator=attempt.random),
            torch.randint(3, (size,), generator=attempt.random),
        )
        for size in sizes
    ]


def _trained(
    attempt: Attempt, weight: Tensor, batches: Batches, momentum: float = 0.0, left: float = 0.0
) -> tuple[object, Tensor]:
    """What the learner's function returns, and the weight it leads to, (3, 2)."""
    model = nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        model.weight.copy_(weight)
    if left:
        model.weight.grad = torch.full_like(weight, left)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=momentum)
    copies = [(x.clone(), y.clone()) for x, y in batches]
    got = attempt.run(attempt.answer, model, optimizer, copies, may_change=True)
    if got is None or got is ...:
        attempt.expect(got, [0.0])  # still to do
    return got, model.weight.detach().clone()


def _descent(
    weight: Tensor, batches: Batches, keep: float = 0.0, left: float = 0.0, after: bool = False
) -> tuple[Tensor, list[float]]:
    """Softmax regression by formula: probability minus truth, and a pile that keeps a share."""
    pile, losses = torch.full_like(weight, left), []
    for x, y in batches:
        gradient = _gradient(weight, x, y)
        losses.append(F.cross_entropy(x @ weight.T, y).item())
        pile = keep * pile + gradient
        weight = weight - 0.5 * pile
        if after:
            losses[-1] = F.cross_entropy(x @ weight.T, y).item()
    return weight, losses


def _gradient(weight: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Of the mean cross-entropy of x @ weight.T: (K, D)."""
    return ((x @ weight.T).softmax(1) - F.one_hot(y, len(weight))).T @ x / len(x)


def _one_sum(weight: Tensor, batches: Batches) -> Tensor:
    return weight - 0.5 * sum(_gradient(weight, x, y) for x, y in batches)


def _losses_are_numbers(attempt: Attempt, got: object, weight: Tensor, batches: Batches) -> None:
    if isinstance(got, list) and any(isinstance(loss, Tensor) for loss in got):
        attempt.stop(
            "The weights are right, but your losses are tensors. Each keeps its graph alive, so "
            "memory grows with every batch.",
            "`loss.item()` takes the number and lets the graph go.",
        )
    want = _descent(weight, batches)[1]
    attempt.expect(
        got,
        want,
        Slip(
            _descent(weight, batches, after=True)[1],
            "The losses are those after each step; note the one you went backward from.",
            "Do not compute the loss again after `step()`: it doubles the work.",
        ),
        Slip(
            sum(want) / 3,
            "You returned the mean of the losses; the list of them is asked for.",
            "Append each to a list.",
        ),
        name="the list of losses",
    )


def _copes_with_the_past(attempt: Attempt, weight: Tensor, batches: Batches) -> None:
    """A gradient left behind by somebody else must not enter the first step."""
    _, found = _trained(attempt, weight, batches, left=1.0)
    first_only = _descent(weight, batches[:1], keep=1.0, left=1.0)[0]
    attempt.expect(
        found,
        _descent(weight, batches)[0],
        Slip(
            _descent(first_only, batches[1:])[0],
            "You clear after each step, so the first step still contained a gradient that "
            "somebody else had left in the model.",
            "Clear before `backward()`, not after `step()`.",
        ),
        case="a model that comes with old gradients",
        name="the weight",
    )


@exercise(
    "Every step back multiplies by one local slope: 2(error)/N, then W2, then 1 - tanh². Weights "
    "get (slope of the output)ᵀ times their input, biases the sum over the batch."
)
def two_layer_gradients(attempt: Attempt) -> None:
    """two_layer_gradients(X, Y, W1, b1, W2, b2): → (dW1, db1, dW2, db2) of mean((Ŷ - Y)²)."""
    arguments = _small_network(attempt, (3, 2, 4, 2))
    want = _by_autograd(*arguments)
    _expect_gradients(attempt, arguments, want, *_slips(arguments, want))
    for sizes in ((5, 3, 2, 4), (1, 2, 3, 1), (4, 1, 1, 2)):
        arguments = _small_network(attempt, sizes)
        case = "a batch of one" if sizes[0] == 1 else f"B, D, H, K = {', '.join(map(str, sizes))}"
        _expect_gradients(attempt, arguments, _by_autograd(*arguments), case=case)
    _expect_by_hand(attempt)


NAMES = ("dW1", "db1", "dW2", "db2")


def _small_network(attempt: Attempt, sizes: tuple[int, int, int, int]) -> tuple[Tensor, ...]:
    """X, Y, W1, b1, W2, b2 for B examples, D inputs, H hidden and K outputs."""
    b, d, h, k = sizes
    shapes = ((b, d), (b, k), (h, d), (h,), (k, h), (k,))
    return tuple(torch.randn(shape, generator=attempt.random) for shape in shapes)


def _by_autograd(
    X: Tensor, Y: Tensor, *weights: Tensor, squash: Callable[[Tensor], Tensor] = torch.tanh
) -> tuple[Tensor, ...]:
    """PyTorch's own answer; another `squash` gives that of a misconception."""
    W1, b1, W2, b2 = weights = tuple(w.clone().requires_grad_() for w in weights)
    loss = (F.linear(squash(F.linear(X, W1, b1)), W2, b2) - Y).square().mean()
    return torch.autograd.grad(loss, weights)


def _with_slope_of(wrong: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """tanh on the way forward, but with the slope of another function on the way back."""
    return lambda z: wrong(z) + (torch.tanh(z) - wrong(z)).detach()


def _with_tanh_twice(z: Tensor) -> Tensor:
    """tanh on the way forward, with the slope 1 - tanh(H)² on the way back."""
    h = torch.tanh(z).detach()
    return h + (z - z.detach()) * (1 - torch.tanh(h).square())


def _slips(arguments: tuple[Tensor, ...], want: tuple[Tensor, ...]) -> list[Slip]:
    count, outputs = arguments[1].shape
    unsquashed = _by_autograd(*arguments, squash=_with_slope_of(lambda z: z))
    of_input = _by_autograd(*arguments, squash=_with_slope_of(lambda z: z - z**3 / 3))
    of_result = _by_autograd(*arguments, squash=_with_tanh_twice)
    no_square = _by_autograd(*arguments, squash=_with_slope_of(lambda z: z - _log_cosh(z)))

    def scaled(factor: float) -> tuple[Tensor, ...]:
        return tuple(factor * part for part in want)

    mean_bias = (want[0], want[1] / count, want[2], want[3] / count)
    return [
        Slip(
            unsquashed,
            "The slope of tanh is missing in the first layer; the second is right.",
            "On the way back through tanh, multiply by 1 - H².",
        ),
        Slip(
            of_input,
            "You took 1 - Z². The slope of tanh is 1 minus the square of its *result*.",
            "Use H = tanh(Z), which you have from the way forward.",
        ),
        Slip(
            of_result,
            "You took tanh of H, which already is tanh(Z).",
            "With H = tanh(Z) the slope is 1 - H², without another tanh.",
        ),
        Slip(
            no_square,
            "The square is missing in the slope of tanh, 1 - H².",
            "Square H before you subtract it from 1.",
        ),
        Slip(
            scaled(0.5),
            "All gradients are half of what they should be: the 2 of the square is missing.",
            "The slope of e² is 2e.",
        ),
        Slip(
            scaled(count * outputs),
            "You have the gradients of the sum; the loss is the mean over all entries of Y.",
            "Divide once, at the start of the way back, by `Y.numel()`.",
        ),
        Slip(
            scaled(outputs),
            "You divided by the batch size only, but the mean runs over all B·K entries of Y.",
            "Divide by `Y.numel()`.",
        ),
        Slip(
            scaled(-1.0),
            "Every sign is wrong: the error is prediction minus target.",
            "Turn the difference round.",
        ),
        Slip(
            mean_bias,
            "The weights are right, but the biases got the mean over the batch.",
            "The 1/N is already in the slope: *sum* over the batch for biases.",
        ),
    ]


def _log_cosh(z: Tensor) -> Tensor:
    """Its slope is tanh."""
    return z.cosh().log()


def _expect_gradients(
    attempt: Attempt,
    arguments: tuple[Tensor, ...],
    want: tuple[Tensor, ...],
    *slips: Slip,
    case: str = "",
) -> None:
    got = attempt(*arguments)
    if isinstance(got, list) and len(got) == 4:
        got = tuple(got)
    attempt.expect(got, want, *slips, case=case, name=f"({', '.join(NAMES)})")


def _expect_by_hand(attempt: Attempt) -> None:
    """Stop if the learner's source asks autograd for its derivatives."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(attempt.answer)))
    except (OSError, TypeError, SyntaxError):
        return  # no source to be had (typed into a plain prompt): the values must do
    names = {getattr(node, "attr", getattr(node, "id", "")) for node in ast.walk(tree)}
    if names & {"backward", "grad", "vjp", "jacrev", "jacfwd", "jacobian"}:
        attempt.stop(
            "The values are right, but autograd has worked them out.",
            "Write the four gradients as products of tensors; compare with autograd on your own.",
        )


@exercise(
    "Adam is a memory of two means for each parameter and one division. Yours equals PyTorch's, "
    "on any list of parameters.",
    takes=type,
)
def Adam(attempt: Attempt) -> None:
    """Adam(params, lr, betas, eps), with step() and zero_grad()."""
    _first_step(attempt)
    _second_step(attempt)
    _tiny_gradient(attempt)
    _whole_model(attempt)
    _unused_and_cleared(attempt)


class _One:
    """A learner's optimizer over a single parameter (1,)."""

    def __init__(self, attempt: Attempt, start: float, lr: float = 0.1) -> None:
        self.attempt = attempt
        self.parameter = nn.Parameter(torch.tensor([start]))
        self.optimizer = _made(attempt, [self.parameter], lr=lr)

    def step(self, gradient: float) -> Tensor:
        """Where the parameter is after a step with this gradient, (1,)."""
        self.parameter.grad = torch.tensor([gradient])
        self.attempt.run(self.optimizer.step, may_change=True)
        return self.parameter.detach().clone()


def _made(attempt: Attempt, params: object, **options: object) -> object:
    """The learner's optimizer, once it has the two methods."""
    optimizer = attempt.run(attempt.answer, params, may_change=True, **options)
    missing = [name for name in ("step", "zero_grad") if not _has(optimizer, name)]
    if missing:
        attempt.stop(
            f"Your class has no method {missing[0]!r}, which every optimizer needs.",
            "Write `def step(self):` and `def zero_grad(self):` inside the class.",
        )
    return optimizer


def _has(value: object, method: str) -> bool:
    try:
        return callable(getattr(value, method, None))
    except Exception:  # an object that objects to being asked
        return False


def _slipped(values: dict[float, tuple[str, str]]) -> list[Slip]:
    return [Slip(torch.tensor([value]), *words) for value, words in values.items()]


def _first_step(attempt: Attempt) -> None:
    """From 5 with gradient 2 and lr 0.1: m̂ = 2, ŝ = 4, so the step is 0.1."""
    one = _One(attempt, 5.0)
    values = {
        5.0: (
            "`step()` leaves the model's parameter where it was.",
            "Change the parameter itself, in place, under `torch.no_grad()`: `p -= …`. "
            "`p = p - …` makes a new tensor that no model knows.",
        ),
        5 - 0.1 * 0.2 / math.sqrt(0.004): (
            "The bias correction is missing: the first step is three times too long.",
            "Both means start at 0. Divide them by 1 - β₁ᵗ and 1 - β₂ᵗ.",
        ),
        5 - 0.1 * 2 / math.sqrt(0.004): (
            "You corrected the mean of the gradients, but not that of their squares.",
            "Divide s by 1 - β₂ᵗ as well.",
        ),
        5 - 0.1 * 0.2 / 2: (
            "You corrected the mean of the squares, but not that of the gradients.",
            "Divide m by 1 - β₁ᵗ as well.",
        ),
        5 - 0.1 * 2 / 4: (
            "You divided by ŝ itself; its root has the unit of a gradient.",
            "Divide by the square root of ŝ.",
        ),
        5.1: ("The step goes uphill.", "Subtract it: the gradient points up."),
        5 - 0.1 * 2: (
            "That is plain descent: lr times the gradient.",
            "Adam divides by the root of the mean square; its first step is lr long.",
        ),
        torch.nan: (
            "The first step gives NaN: with t = 0 the corrections 1 - βᵗ are zero.",
            "Count the step first: t is 1 in the first step.",
        ),
    }
    attempt.expect(
        one.step(2.0),
        torch.tensor([4.9]),
        *_slipped(values),
        name="the parameter after one step",
        case="start 5, gradient 2, lr 0.1",
    )


def _second_step(attempt: Attempt) -> None:
    one = _One(attempt, 5.0)
    one.step(2.0)
    m, s = 0.9 * 0.2 + 0.1 * -4, 0.999 * 0.004 + 0.001 * 16

    def after(t_m: int, t_s: int) -> float:
        return 4.9 - 0.1 * (m / (1 - 0.9**t_m)) / math.sqrt(s / (1 - 0.999**t_s))

    m_hat, s_hat = 0.9 * 2 + 0.1 * -4, 0.999 * 4 + 0.001 * 16  # if corrected means were kept
    corrected = 4.9 - 0.1 * (m_hat / (1 - 0.9**2)) / math.sqrt(s_hat / (1 - 0.999**2))
    values = {
        after(1, 1): (
            "In the second step, t is still 1: the corrections never fade.",
            "Raise t by one in each `step()`.",
        ),
        5.0: (
            "Your optimizer forgets: the second step looks only at the second gradient.",
            "Keep m and s for each parameter between steps, in `self`.",
        ),
        corrected: (
            "You stored the corrected means. The correction is for the step only.",
            "Keep m and s as they are, and correct copies of them.",
        ),
    }
    attempt.expect(
        one.step(-4.0),
        torch.tensor([after(2, 2)]),
        *_slipped(values),
        name="the parameter after two steps",
        case="gradients 2 and -4",
    )


def _tiny_gradient(attempt: Attempt) -> None:
    """A gradient of 1e-7 beside eps = 1e-8."""
    values = {
        -0.1 * 1e-7 / math.sqrt(1e-14 + 1e-8): (
            "`eps` stands inside the root, where it weighs far more.",
            "Take the root first, then add eps.",
        ),
        -0.1: (
            "`eps` is missing: where gradients are 0, you would divide 0 by 0.",
            "Add eps to the root of ŝ.",
        ),
        -0.1 * 1e-7 / (1e-7 + 1e-8 / math.sqrt(0.001)): (
            "You add `eps` before the correction of s, which makes it 32 times as large.",
            "Correct s, take the root, and add eps last.",
        ),
    }
    attempt.expect(
        _One(attempt, 0.0).step(1e-7),
        torch.tensor([-0.1 / 1.1]),
        *_slipped(values),
        name="the parameter",
        case="a gradient of 1e-7",
    )


def _whole_model(attempt: Attempt) -> None:
    """Several parameters, from a generator, with other options, against torch.optim.Adam."""
    for shapes, options in (
        (((2,), (2,), (3, 4)), {"lr": 0.05}),
        (((1,), (4, 1)), {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-3}),
    ):
        start = [torch.randn(shape, generator=attempt.random) for shape in shapes]
        mine, theirs = ([nn.Parameter(p.clone()) for p in start] for _ in range(2))
        optimizer = _made(attempt, (p for p in mine), **options)  # as model.parameters() gives
        oracle = torch.optim.Adam(theirs, **options)
        for number in range(4):
            gradients = [torch.randn(shape, generator=attempt.random) for shape in shapes]
            for p, q, gradient in zip(mine, theirs, gradients, strict=True):
                p.grad, q.grad = gradient.clone(), gradient.clone()
            attempt.run(optimizer.step, may_change=True)
            oracle.step()
            found, want = ([p.detach() for p in params] for params in (mine, theirs))
            if agrees(found, start):
                attempt.stop(
                    "Nothing moves any more: `model.parameters()` is a generator, and a generator "
                    "can be walked through only once.",
                    "Keep a list: `self.params = list(params)`.",
                )
            case = f"{len(shapes)} parameters, step {number + 1}, {options}"
            slips = [_counted_per_parameter(start, gradients, **options)] if number == 0 else []
            attempt.expect(found, want, *slips, case=case, name="the list of parameters")
            start = [p.clone() for p in found]


def _counted_per_parameter(
    start: list[Tensor],
    gradients: list[Tensor],
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> Slip:
    """Where the first step ends if t grows with each parameter: 1 for the first, 2 for the next."""
    ends = []
    for t, (p, g) in enumerate(zip(start, gradients, strict=True), start=1):
        share_m, share_s = ((1 - beta) / (1 - beta**t) for beta in betas)
        ends.append(p - lr * g * share_m / ((g**2 * share_s).sqrt() + eps))
    return Slip(
        ends,
        "You raise t for each parameter, so the second one believes to be in step 2.",
        "Raise t once in each `step()`, before the loop over the parameters.",
    )


def _unused_and_cleared(attempt: Attempt) -> None:
    used, unused = (nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = _made(attempt, [used, unused], lr=0.1)
    used.grad = torch.ones(2)
    attempt.run(optimizer.step, may_change=True)
    attempt.expect(
        [used.detach(), unused.detach()],
        [torch.full((2,), 0.9), torch.ones(2)],
        case="a parameter whose gradient is None",
        name="the list of parameters",
    )
    attempt.run(optimizer.zero_grad, may_change=True)
    if used.grad is not None and bool(used.grad.any()):
        attempt.stop(
            "After `zero_grad()` the old gradient is still there.",
            "Set `p.grad = None` for every parameter.",
            expected=None,
            gave=used.grad,
        )
    if not (used.requires_grad and used.is_leaf):
        attempt.stop(
            "After your step the parameter is no parameter any more: it asks for no gradient, or "
            "hangs on a graph.",
            "Change it in place under `torch.no_grad()`.",
        )


@exercise(
    "Groups are lists of parameters with their own options. Decay is for what multiplies; biases "
    "and the scales of normalisation layers stay free, and frozen weights stay out."
)
def decay_groups(attempt: Attempt) -> None:
    """decay_groups(model, decay): → two groups, matrices with decay, vectors without."""
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    _check_groups(attempt, model, 0.1, "Linear, LayerNorm, Linear")
    model[0].requires_grad_(False)
    _check_groups(attempt, model, 0.05, "a frozen first layer")
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.LazyLinear(5))
    model(torch.zeros(2, 1, 4, 4))
    _check_groups(attempt, model, 0.01, "a convolution and BatchNorm")
    shared = nn.Linear(4, 4)
    _check_groups(attempt, nn.Sequential(shared, nn.ReLU(), shared), 0.01, "a layer used twice")


def _check_groups(attempt: Attempt, model: nn.Module, decay: float, case: str) -> None:
    groups = attempt(model, decay)
    groups = _two_groups(attempt, groups)
    found = [_names(attempt, model, group["params"]) for group in groups]
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    want = [
        [name for name, p in trained.items() if p.ndim > 1],
        [name for name, p in trained.items() if p.ndim <= 1],
    ]
    by_name = [[n for n in trained if n.endswith("weight")], [n for n in trained if "bias" in n]]
    kernels = [name for name, p in trained.items() if p.ndim > 2]
    only_matrices = [[n for n in want[0] if n not in kernels], want[1] + kernels]
    _check_members(attempt, [*found[0], *found[1]], set(trained), case)
    attempt.expect(
        [sorted(part) for part in found],
        [sorted(part) for part in want],
        Slip(
            [sorted(part) for part in by_name],
            "The scale of a normalisation layer is called `weight` too, and now decays.",
            "Look at the number of dimensions: matrices and kernels have two or more.",
        ),
        Slip(
            [sorted(part) for part in only_matrices] if kernels else None,
            "The kernel of a convolution has four dimensions, and you let it go without decay.",
            "Ask for two dimensions *or more*: `p.ndim >= 2`.",
        ),
        Slip(
            [sorted(part) for part in want[::-1]],
            "The groups are in the wrong order: the first is the one with decay.",
            "Matrices and kernels first, vectors second.",
        ),
        case=case,
        name="the names in the two groups",
    )
    attempt.expect(
        [group["weight_decay"] for group in groups],
        [decay, 0.0],
        Slip(
            [decay, decay],
            "Both groups have the same decay.",
            "The second group gets `weight_decay` 0.0.",
        ),
        Slip([0.0, decay], "The decay is on the wrong group.", "Matrices decay, vectors do not."),
        case=case,
        name="the list of both weight decays",
    )
    attempt.run(torch.optim.AdamW, groups, lr=1e-3, may_change=True)


def _check_members(attempt: Attempt, found: list[str], trained: set[str], case: str) -> None:
    """Stop for a parameter that is missing, frozen, or listed twice."""
    if missing := sorted(trained - set(found)):
        attempt.stop(
            f"`{missing[0]}` is in no group and would never be trained. (Seen with {case}.)",
            "Every parameter that is trained belongs to one of the two groups.",
        )
    if frozen := sorted(set(found) - trained):
        attempt.stop(
            f"`{frozen[0]}` is frozen, and still in a group. (Seen with {case}.)",
            "Leave out every parameter whose `requires_grad` is False.",
        )
    if len(found) != len(set(found)):
        attempt.stop(
            f"A parameter is listed twice, so it would be updated twice. (Seen with {case}.)",
            "`model.named_parameters()` gives each parameter once, however often it is used.",
        )


def _two_groups(attempt: Attempt, groups: object) -> list[dict]:
    """The groups, once they are two dictionaries with both entries; the tensors as lists."""
    if groups is None or groups is ...:
        attempt.expect(groups, [{}, {}])
    whole = isinstance(groups, (list, tuple)) and len(groups) == 2
    if not whole or not all(isinstance(group, dict) for group in groups):
        attempt.stop(
            f"You returned {kind(groups)}, not a list of two dictionaries.",
            'A group is `{"params": [...], "weight_decay": ...}`.',
        )
    for group in groups:
        lacking = [key for key in ("params", "weight_decay") if key not in group]
        if lacking:
            attempt.stop(
                f"A group has no entry {lacking[0]!r}, so the optimizer's default would apply. "
                "For AdamW that is a decay of 0.01.",
                "Give both groups `params` and `weight_decay`, the second with 0.0.",
            )
        if not isinstance(group["params"], (list, tuple)):
            attempt.stop(
                f"The entry 'params' is {kind(group['params'])}, not a list.",
                "Collect the parameters themselves in a list.",
            )
    return list(groups)


def _names(attempt: Attempt, model: nn.Module, params: Sequence[object]) -> list[str]:
    """The names of the given parameters of the model."""
    names = {id(p): name for name, p in model.named_parameters()}
    if any(id(p) not in names for p in params):
        attempt.stop(
            "A group holds something that is no parameter of the model: a name, a pair of name "
            "and parameter, or a copy.",
            "Put the parameter itself into the list; training must change the model's own.",
        )
    return [names[id(p)] for p in params]
