"""Checkers of chapter 1's lab 3: gradients."""

from __future__ import annotations

import math

import torch

from torchcourse.checks.compare import has_values, kind
from torchcourse.checks.core import Attempt, Slip, exercise
from torchcourse.scalar import Value


@exercise(
    "One `backward()` gives the slope at every point: the sum couples the points, but y[i] reacts "
    "to x[i] alone. And you left the caller's tensor as it was."
)
def slopes(attempt: Attempt) -> None:
    """slopes(f, x): an elementwise function, (N,) → its slope at each point, (N,)."""
    asked = []

    def square(t: torch.Tensor) -> torch.Tensor:
        asked.append(t.requires_grad)
        return t**2

    x = torch.tensor([1.0, 2.0, -3.0])
    got = attempt(square, x)
    if len(asked) > 1 and not any(asked):
        attempt.stop(
            "You nudged x and divided. The result is close at best, and float32 eats its digits.",
            "Let autograd do it: mark a copy of x, compute f of it, and go backward.",
            expected=2 * x,
            gave=got,
        )
    attempt.expect(
        got,
        torch.tensor([2.0, 4.0, -6.0]),
        Slip(
            torch.tensor([1.0, 4.0, 9.0]),
            "You returned f(x) itself, not its slope.",
            "The slope arrives in `.grad` of what you marked.",
        ),
        Slip(
            torch.tensor([2.0, 4.0, -6.0]) / 3,
            "Each slope is divided by N: you went backward from the mean.",
            "`sum()` leaves each slope as it is; `mean()` scales it by 1/N.",
        ),
        Slip(
            torch.tensor(0.0),
            "You added the slopes up: one number came back, not one for each point.",
            "Return the whole `.grad`; it has the shape of x.",
        ),
        Slip(
            (torch.tensor([2.0, 4.0, -6.0]),),
            "`torch.autograd.grad` answers with a tuple, even for a single input.",
            "Take its first entry, `[0]`.",
        ),
        Slip(
            x,
            "You returned the marked points themselves, not their slopes.",
            "After `backward()` the slopes lie in `.grad` of the marked copy.",
        ),
    )
    _leaves_no_mark(attempt, got, x, "x")
    for f, slope, x in (
        (torch.sin, torch.cos, torch.randn(7, generator=attempt.random)),
        (lambda t: t**3 - 2 * t, lambda t: 3 * t**2 - 2, torch.tensor([1.5])),
        (torch.exp, torch.exp, torch.randn(5, generator=attempt.random).double()),
    ):
        attempt.expect(
            attempt(f, x), slope(x), case="a single point" if len(x) == 1 else "other functions"
        )
    attempt.expect_no_loop()


def _leaves_no_mark(attempt: Attempt, result: torch.Tensor, given: torch.Tensor, name: str) -> None:
    """Stop if the result hangs on a graph, or the caller's tensor now asks for gradients."""
    if given.requires_grad or given.grad is not None:
        attempt.stop(
            f"The values are right, but your code marked the caller's {name}: it now asks for "
            "gradients, wherever it is used next.",
            f"Work on a copy: `{name}.detach().clone().requires_grad_()`.",
        )
    if result.grad_fn is not None:
        attempt.stop(
            "The values are right, but the result still hangs on a graph "
            f"(grad_fn is {type(result.grad_fn).__name__}), which keeps all of it in memory.",
            "Record only what must be differentiated: no `create_graph`, and updates under "
            "`torch.no_grad()`.",
        )
    if result.requires_grad:
        attempt.stop(
            "The values are right, but the result still asks for gradients itself.",
            "Return it with `.detach()`: whoever uses it wants numbers, not a parameter.",
        )


@exercise(
    "A new operation needs two things: its number, and its local slope. tanh' = 1 - tanh² comes "
    "from the result, which is why frameworks keep results for the way back."
)
def tanh(attempt: Attempt) -> None:
    """tanh(x): a torchcourse.scalar.Value → a Value that remembers x."""
    x, t = Value(0.5), math.tanh(0.5)
    result = _value(attempt, attempt(x))
    if x.data != 0.5 or x.grad != 0:
        attempt.stop(
            "Your function changed x on the way forward. Slopes arrive later, in `backward`.",
            "Write nothing into x: put the local slope beside x, into the sources of the result.",
        )
    attempt.expect(
        result.data,
        t,
        Slip(math.tan(0.5), "You took `tan`, not `tanh`.", "`math.tanh` is the hyperbolic one."),
        name="the number in `.data`",
    )
    _check_sources(attempt, result)
    attempt.run(result.backward, may_change=True)
    attempt.expect(
        x.grad,
        1 - t**2,
        Slip(
            1 - 0.5**2,
            "You squared the input. The rule is 1 - tanh(x)², with the result squared.",
            "Name the result first, then use it twice.",
        ),
        Slip(
            t,
            "The local slope you stored is tanh(x) itself. That works for exp, not here.",
            "How fast does tanh rise at 0.5? The rule is 1 - tanh(x)².",
        ),
        Slip(
            1.0,
            "You stored the slope 1, as if tanh passed changes on unweakened.",
            "That is only so at 0; elsewhere it is 1 - tanh(x)².",
        ),
        Slip(1 - t, "The square is missing: the rule is 1 - tanh(x)².", "Square the result."),
        name="the slope that arrives at x",
    )
    _check_neuron(attempt)
    for large in (1000.0, -1000.0):
        x = Value(large)
        result = _value(attempt, attempt(x))
        attempt.run(result.backward, may_change=True)
        attempt.expect((result.data, x.grad), (math.copysign(1.0, large), 0.0), case=f"x = {large}")


def _value(attempt: Attempt, result: object) -> Value:
    """The result, once it is a Value."""
    if result is None or result is ...:
        attempt.expect(result, 0.0)
    if not isinstance(result, Value):
        attempt.stop(
            f"You returned {kind(result)}, not a Value: the graph ends here.",
            "Return `Value(number, sources)`, as the other operations do.",
        )
    return result


def _check_sources(attempt: Attempt, result: Value) -> None:
    """Stop unless the sources are pairs of a Value and a number, at least one."""
    sources = result.sources
    if not isinstance(sources, (tuple, list)) or not all(
        isinstance(pair, (tuple, list))
        and len(pair) == 2
        and isinstance(pair[0], Value)
        and isinstance(pair[1], (int, float))
        for pair in sources
    ):
        attempt.stop(
            "The sources are not pairs of a Value and a number.",
            "A single pair needs a comma behind it: `((x, slope),)`.",
        )
    if not sources:
        attempt.stop(
            "The number is right, but the result remembers no source: no slope can reach x.",
            "`Value` takes the sources as its second argument.",
        )


def _check_neuron(attempt: Attempt) -> None:
    """tanh inside a larger expression, against PyTorch."""
    numbers = [0.7, -1.2, 0.4]
    mine = [Value(number) for number in numbers]
    theirs = [torch.tensor(n, dtype=torch.float64, requires_grad=True) for n in numbers]
    x, w, b = mine
    out = _value(attempt, attempt(w * x + b))
    out = out * x + _value(attempt, attempt(out)) * 3
    attempt.run(out.backward, may_change=True)
    x, w, b = theirs
    truth = torch.tanh(w * x + b)
    (truth * x + torch.tanh(truth) * 3).backward()
    attempt.expect(
        [value.grad for value in mine],
        [tensor.grad.item() for tensor in theirs],
        case="a neuron, tanh(w·x + b), used twice",
        name="the list of slopes",
    )


@exercise(
    "Clear, forward, backward, update without recording, note the number and not its graph: with "
    "these five you can read every training loop."
)
def fit_by_descent(attempt: Attempt) -> None:
    """fit_by_descent(x, y, lr, steps): (N,), (N,) → theta (2,) and a list of `steps` losses."""
    x, y = torch.ones(2), torch.full((2,), 2.0)
    theta, losses = got = _theta_and_losses(attempt, attempt(x, y, 0.1, 2))
    attempt.expect(
        (theta.detach(), [loss.item() if _is_tensor(loss) else loss for loss in losses]),
        (torch.tensor([0.64, 0.64]), [4.0, 1.44]),
        Slip(
            (torch.tensor([1.04, 1.04]), [4.0, 1.44]),
            "The second step is too long: it still contains the gradient of the first.",
            "`backward()` adds to `.grad`. Clear it before each `backward()`.",
        ),
        Slip(
            (torch.tensor([-0.96, -0.96]), [4.0, 7.84]),
            "Your loss rises: the step goes uphill.",
            "The gradient points up, so subtract it.",
        ),
        Slip(
            (torch.tensor([0.96, 0.96]), [8.0, 0.32]),
            "You summed the squared errors; the exercise asks for their mean.",
            "With a sum, the right learning rate would depend on the number of points.",
        ),
        Slip(
            (torch.tensor([0.64, 0.64]), [1.44, 0.5184]),
            "The losses are those after each step; the first should be the loss at (0, 0).",
            "Note the loss you went backward from.",
        ),
        Slip(
            (torch.tensor([0.4, 0.4]), [4.0, 4.0]),
            "Theta never moves on after its first step.",
            "Is the loss computed anew, from the changed theta, in every step?",
        ),
        name="(theta, losses) after two steps",
    )
    if any(_is_tensor(loss) for loss in got[1]):
        attempt.stop(
            "The values are right, but your losses are tensors. Each keeps its whole graph alive, "
            "so the memory grows with every step.",
            "`loss.item()` takes the number and lets the graph go.",
        )
    _leaves_no_mark(attempt, theta, x, "x")
    for count, steps in ((7, 25), (1, 4), (3, 0)):
        x = torch.randn(count, generator=attempt.random)
        y = 3 * x - 1 + torch.randn(count, generator=attempt.random)
        path = _closed_form_path(x, y, 0.1, steps)  # (steps + 1, 2)
        errors = path[:-1, :1] * x + path[:-1, 1:] - y  # (steps, N)
        attempt.expect(
            attempt(x, y, 0.1, steps),
            (path[-1], errors.square().mean(dim=1).tolist()),
            case=f"{count} point(s) and {steps} steps",
        )


def _is_tensor(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.numel() == 1 and has_values(value)


def _theta_and_losses(attempt: Attempt, got: object) -> tuple[torch.Tensor, list]:
    """The pair, once it is a tensor and a list; otherwise a card says what it is."""
    pair = isinstance(got, tuple) and len(got) == 2
    if not (pair and isinstance(got[0], torch.Tensor) and isinstance(got[1], list)):
        attempt.expect(got, (torch.tensor([0.64, 0.64]), [4.0, 1.44]), name="(theta, losses)")
    return got


def _closed_form_path(x: torch.Tensor, y: torch.Tensor, lr: float, steps: int) -> torch.Tensor:
    """Where descent on the mean squared error of a line stands after 0 … steps steps."""
    X = torch.stack([x, torch.ones_like(x)], 1).double()  # (N, 2)
    best = torch.linalg.pinv(X) @ y.double()  # (2,) any lowest point: differences cancel out
    keep = torch.eye(2).double() - lr * 2 * X.T @ X / len(x)  # (2, 2) a step's share that stays
    powers = [torch.linalg.matrix_power(keep, k) for k in range(steps + 1)]
    return torch.stack([best - power @ best for power in powers]).float()


@exercise(
    "You stop where the ground is flat, not where it is low: the height of the valley floor is "
    "unknown, its slope is not. And a second limit ends walks that never get there."
)
def descend(attempt: Attempt) -> None:
    """descend(f, start, lr, tolerance, max_steps): → the point (D,) and the steps taken."""

    def valley(p: torch.Tensor) -> torch.Tensor:
        return (p - 3).square().sum()

    start = torch.zeros(1)
    got = attempt(valley, start, 0.25, 1.0, 100)  # slopes -6, -3, -1.5, -0.75
    attempt.expect(
        got,
        (torch.tensor([2.625]), 3),
        Slip(
            (torch.tensor([2.8125]), 4),
            "One step too many: at 2.625 the slope is already below the tolerance.",
            "Look at the slope first, and step only if it is still steep.",
        ),
        Slip(
            (torch.tensor([2.625]), 4),
            "The point is right, but you counted four steps. It moved three times.",
            "Count when you move, not when you look.",
        ),
        Slip(
            (torch.tensor([2.25]), 2),
            "You stopped where f fell below the tolerance. A valley floor may lie at any height.",
            "Compare the slope with the tolerance, not the value.",
        ),
        Slip(
            (torch.tensor([0.0]), 0),
            "You stopped at once: a slope of -6 is smaller than 1, but steep.",
            "Compare the length of the gradient, which has no sign.",
        ),
        Slip(
            (torch.tensor([3 - 3 * 1.5**100]), 100),
            "You walk uphill, further with every step.",
            "The gradient points up, so subtract it.",
        ),
        Slip(
            _uncleared_walk(),
            "Your steps still contain the gradients of earlier steps.",
            "`backward()` adds to `.grad`: clear it first, or use `torch.autograd.grad`.",
        ),
        name="(point, steps)",
    )
    _leaves_no_mark(attempt, got[0], start, "start")
    attempt.expect(
        attempt(valley, torch.zeros(1), 0.25, 1.0, 2),
        (torch.tensor([2.25]), 2),
        Slip(
            (torch.tensor([2.625]), 3),
            "You took a third step although max_steps is 2.",
            "Whichever limit comes first ends the walk.",
        ),
        Slip(
            (torch.tensor([2.25]), 1),
            "You took two steps and counted one: the last value of `range(max_steps)` is one less.",
            "Where the loop runs out, return max_steps itself.",
        ),
        case="max_steps = 2",
    )
    for point, tolerance, why, next_step in (
        (
            [0.9, 0.9],
            1.0,
            "You stopped because each single slope is small. Together they are not: the length of "
            "(0.9, 0.9) is 1.27.",
            "`.norm()` gives the length of the whole gradient.",
        ),
        (
            [0.6, 0.0],
            0.5,
            "You compared the squared length with the tolerance: 0.36 instead of 0.6.",
            "Take the root, or `.norm()`.",
        ),
    ):
        start = torch.tensor(point)
        attempt.expect(
            attempt(lambda p: p.square().sum() / 2, start.clone(), 0.5, tolerance, 9),
            (start / 2, 1),
            Slip((start, 0), why, next_step),
            case="two parameters",
        )
    for size in (3, 1, 6):
        _check_walk(attempt, size)


def _uncleared_walk() -> tuple[torch.Tensor, int]:
    """Where (p - 3)² leads from 0 with rate 0.25 and tolerance 1 if slopes pile up."""
    point, pile, steps = 0.0, -6.0, 0
    while abs(pile) >= 1:
        point, steps = point - 0.25 * pile, steps + 1
        pile += 2 * (point - 3)
    return torch.tensor([point]), steps


def _check_walk(attempt: Attempt, size: int) -> None:
    """A random bowl, whose whole path is known: each coordinate shrinks by its own factor."""
    curvature = 0.5 + torch.rand(size, generator=attempt.random)  # (D,)
    goal = torch.randn(size, generator=attempt.random)  # (D,)
    start = goal + 1 + torch.rand(size, generator=attempt.random)  # (D,)
    steps = torch.arange(200)[:, None]  # (200, 1)
    path = goal + (1 - 0.3 * curvature) ** steps * (start - goal)  # (200, D)
    flat = (curvature * (path - goal)).norm(dim=1) < 1e-2  # (200,)
    count = int(flat.float().argmax())
    attempt.expect(
        attempt(lambda p: (curvature * (p - goal) ** 2).sum() / 2 + 7, start, 0.3, 1e-2, 200),
        (path[count], count),
        case=f"{size} parameter(s), and a valley floor at height 7",
    )


@exercise(
    "Batches of different size must not count alike. Weighted by their rows, many small backward "
    "passes give exactly the gradient of all rows at once, with the memory of one batch."
)
def full_gradient(attempt: Attempt) -> None:
    """full_gradient(batch_loss, theta, num_rows, batch_size): → the gradient (D,) of all rows."""
    loss = _RowsLoss(torch.ones(3, 1), torch.tensor([0.0, 3.0, 6.0]))
    theta = torch.tensor([1.0])  # single gradients 2, -4, -10
    got = attempt(loss, theta, 3, 2)
    attempt.expect(
        got,
        torch.tensor([-4.0]),
        Slip(
            torch.tensor([-5.5]),
            "You averaged the batches. The last one has a single row, and counted as much as two.",
            "Weight each batch by its number of rows.",
        ),
        Slip(
            torch.tensor([-1.0]),
            "The last, smaller batch is missing: row 2 was never looked at.",
            "`torch.arange(num_rows).split(batch_size)` keeps the rest.",
        ),
        Slip(
            torch.tensor([-11.0]),
            "You added up the gradients of the batches, and did not weight them.",
            "A mean over all rows: each batch counts with its share, rows / num_rows.",
        ),
        Slip(
            torch.tensor([-12.0]),
            "You have the gradient of the sum; the mean over all rows is asked for.",
            "Divide by `num_rows` at the end.",
        ),
        Slip(
            torch.tensor([-10.0]),
            "Only the last batch is left: each one replaced the one before.",
            "Add to what you have, as `.grad` itself does.",
        ),
        Slip(
            torch.tensor([-22 / 3]),
            "You weighted every batch with `batch_size`, but the last one has fewer rows.",
            "Use `len(rows)` of the batch at hand.",
        ),
    )
    if max(map(len, loss.asked)) > 2:
        attempt.stop(
            f"The value is right, but you asked for {max(map(len, loss.asked))} rows at once. Only "
            "batch_size = 2 of them fit into memory.",
            "Cut the rows into batches, and go backward for each.",
        )
    _leaves_no_mark(attempt, got, theta, "theta")
    for rows, batch_size, size in ((7, 3, 4), (8, 4, 2), (5, 9, 3), (4, 1, 1)):
        X = torch.randn(rows, size, generator=attempt.random)
        y, theta = (torch.randn(n, generator=attempt.random) for n in (rows, size))
        attempt.expect(
            attempt(_RowsLoss(X, y), theta, rows, batch_size),
            2 * X.T @ (X @ theta - y) / rows,
            case=f"{rows} rows in batches of {batch_size}",
        )


class _RowsLoss:
    """The mean squared error over chosen rows; remembers which rows it was asked for."""

    def __init__(self, X: torch.Tensor, y: torch.Tensor) -> None:
        self.X, self.y, self.asked = X, y, []

    def __call__(self, theta: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        chosen = torch.arange(len(self.y))[rows].reshape(-1)  # slices and lists are fine, too
        self.asked.append(chosen.tolist())
        return (self.X[chosen] @ theta - self.y[chosen]).square().mean()


@exercise(
    "The steepest direction sets the bound, 2 divided by the largest curvature. You can know it "
    "before the first step, and no amount of patience replaces it."
)
def largest_lr(attempt: Attempt) -> None:
    """largest_lr(X): (N, D) → 2/L for the loss mean((X θ - y)²), a number."""
    X = torch.tensor([[1.0, 0.0], [0.0, 3.0], [0.0, 0.0]])  # curvatures 2/3 and 6
    attempt.expect(
        attempt(X),
        1 / 3,
        Slip(
            2 / 3,
            "The 2 of the square is missing: the second derivative of e² is 2, not 1.",
            "The Hessian is 2 XᵀX / N.",
        ),
        Slip(
            1 / 9,
            "You took the sum of the squared errors; with their mean, curvatures are divided by N.",
            "The Hessian is 2 XᵀX / N.",
        ),
        Slip(
            2 / 9,
            "You took the eigenvalue of XᵀX alone: both the factor 2 and the 1/N are missing.",
            "Differentiate the mean of (Xθ - y)² twice on paper.",
        ),
        Slip(
            1 / 6,
            "You returned 1/L. That is a good choice, but the walk arrives up to 2/L.",
            "For which η is |1 - ηL| < 1?",
        ),
        Slip(
            3.0,
            "You took the smallest curvature. In the steepest direction this step leaps out.",
            "Every direction must shrink, so the largest curvature decides.",
        ),
        Slip(
            1.0,
            "Singular values of X must be squared to become eigenvalues of XᵀX.",
            "Largest eigenvalue = (largest singular value)².",
        ),
        Slip(
            0.3,
            "You took the trace, the sum of all curvatures: on the safe side, but not the bound.",
            "Only the largest eigenvalue decides.",
        ),
        Slip(
            6.0,
            "You returned the curvature L itself.",
            "The bound is 2 divided by it.",
        ),
    )
    attempt.expect(
        attempt(torch.tensor([[2.0, 1.0], [1.0, 2.0]])),  # curvatures 1 and 9, along diagonals
        2 / 9,
        Slip(
            2 / 5,
            "You looked along the axes only. Here the steepest direction runs between them.",
            "The largest curvature is the largest eigenvalue, not the largest diagonal entry.",
        ),
        case="two features that rise together",
    )
    for rows, size in ((9, 4), (5, 1), (3, 6)):
        left = torch.linalg.qr(torch.randn(rows, rows, generator=attempt.random)).Q
        right = torch.linalg.qr(torch.randn(size, size, generator=attempt.random)).Q
        scales = 1 + torch.arange(min(rows, size)).float()  # (K,), the largest is K
        count = len(scales)
        X = (left[:, :count] * scales) @ right[:, :count].T  # (N, D)
        attempt.expect(attempt(X), rows / count**2, case=f"X of shape {(rows, size)}")
