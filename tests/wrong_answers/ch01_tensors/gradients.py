"""Answers to the exercises of chapter 1's lab 3: gradients."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from torchcourse.scalar import Value
from wrong_answers import right, wrong


class slopes:
    @wrong("You nudged x and divided")
    def nudges(f, x):
        return (f(x + 1e-3) - f(x)) / 1e-3

    @wrong("You returned f(x) itself")
    def returns_the_value(f, x):
        return f(x)

    @wrong("divided by N")
    def goes_backward_from_the_mean(f, x):
        t = x.clone().requires_grad_()
        f(t).mean().backward()
        return t.grad

    @wrong("added the slopes up")
    def adds_up(f, x):
        t = x.clone().requires_grad_()
        f(t).sum().backward()
        return t.grad.sum()

    @wrong("Your code stopped with an error")
    def goes_backward_from_a_vector(f, x):
        t = x.clone().requires_grad_()
        f(t).backward()
        return t.grad

    @wrong("marked the caller's x")
    def marks_the_input(f, x):
        x.requires_grad_()
        return torch.autograd.grad(f(x).sum(), x)[0]

    @wrong("still hangs on a graph")
    def creates_a_graph(f, x):
        t = x.clone().requires_grad_()
        return torch.autograd.grad(f(t).sum(), t, create_graph=True)[0]

    @wrong("a Python loop computes them")
    def loops(f, x):
        out = []
        for point in x:
            t = point.clone().requires_grad_()
            f(t).backward()
            out.append(t.grad)
        return torch.stack(out)

    @wrong("torch.float32 is asked for")
    def builds_double(f, x):
        t = x.double().requires_grad_()
        return torch.autograd.grad(f(t).sum(), t)[0]

    @wrong("answers with a tuple")
    def returns_the_tuple(f, x):
        t = x.clone().requires_grad_()
        return torch.autograd.grad(f(t).sum(), t)

    @wrong("marked points themselves")
    def returns_the_points(f, x):
        t = x.clone().requires_grad_()
        f(t).sum().backward()
        return t

    @right
    def by_backward(f, x):
        t = x.detach().clone().requires_grad_()
        f(t).sum().backward()
        return t.grad

    @right
    def with_a_vector_of_ones(f, x):
        t = x.clone().requires_grad_()
        y = f(t)
        return torch.autograd.grad(y, t, torch.ones_like(y))[0]

    @right
    def by_vmap(f, x):
        return torch.func.vmap(torch.func.grad(f))(x)

    @right
    def by_jvp(f, x):
        return torch.func.jvp(f, (x,), (torch.ones_like(x),))[1]


class tanh:
    @wrong("not a Value: the graph ends here")
    def returns_a_float(x):
        return math.tanh(x.data)

    @wrong("remembers no source")
    def forgets_the_source(x):
        return Value(math.tanh(x.data))

    @wrong("not pairs of a Value and a number")
    def forgets_a_comma(x):
        t = math.tanh(x.data)
        return Value(t, (x, 1 - t**2))

    @wrong("You squared the input")
    def squares_the_input(x):
        return Value(math.tanh(x.data), ((x, 1 - x.data**2),))

    @wrong("tanh(x) itself")
    def copies_exp(x):
        t = math.tanh(x.data)
        return Value(t, ((x, t),))

    @wrong("the slope 1")
    def passes_on_unweakened(x):
        return Value(math.tanh(x.data), ((x, 1.0),))

    @wrong("The square is missing")
    def forgets_the_square(x):
        t = math.tanh(x.data)
        return Value(t, ((x, 1 - t),))

    @wrong("You took `tan`")
    def takes_tan(x):
        return Value(math.tan(x.data), ((x, 1 + math.tan(x.data) ** 2),))

    @wrong("changed x on the way forward")
    def writes_the_slope_at_once(x):
        t = math.tanh(x.data)
        x.grad += 1 - t**2
        return Value(t, ((x, 1 - t**2),))

    @wrong("Your code stopped with an error")
    def overflows(x):
        e = (2 * x).exp()
        return (e - 1) / (e + 1)

    @right
    def by_rule(x):
        t = math.tanh(x.data)
        return Value(t, ((x, 1 - t * t),))

    @right
    def by_a_safe_exponential(x):
        e = math.exp(-2 * abs(x.data))
        t = math.copysign((1 - e) / (1 + e), x.data)
        return Value(t, [(x, 4 * e / (1 + e) ** 2)])

    @right
    def by_autograd(x):
        t = torch.tensor(x.data, dtype=torch.float64, requires_grad=True)
        y = t.tanh()
        y.backward()
        return Value(y.item(), ((x, t.grad.item()),))


class fit_by_descent:
    @wrong("it still contains the gradient of the first")
    def never_clears(x, y, lr, steps):
        theta, losses = torch.zeros(2, requires_grad=True), []
        for _ in range(steps):
            loss = (theta[0] * x + theta[1] - y).square().mean()
            loss.backward()
            with torch.no_grad():
                theta -= lr * theta.grad
            losses.append(loss.item())
        return theta.detach(), losses

    @wrong("Your code stopped with an error")
    def updates_inside_the_graph(x, y, lr, steps):
        theta, losses = torch.zeros(2, requires_grad=True), []
        for _ in range(steps):
            theta.grad = None
            loss = (theta[0] * x + theta[1] - y).square().mean()
            loss.backward()
            theta -= lr * theta.grad
            losses.append(loss.item())
        return theta.detach(), losses

    @wrong("goes uphill")
    def ascends(x, y, lr, steps):
        return _line(x, y, -lr, steps)

    @wrong("You summed the squared errors")
    def sums(x, y, lr, steps):
        theta, losses = _line(x, y, lr * len(x), steps)
        return theta, [loss * len(x) for loss in losses]

    @wrong("those after each step")
    def notes_the_loss_too_late(x, y, lr, steps):
        losses = _line(x, y, lr, steps + 1)[1]
        return _line(x, y, lr, steps)[0], losses[1:]

    @wrong("Theta never moves on")
    def computes_the_gradient_once(x, y, lr, steps):
        theta, losses = _line(x, y, lr, min(steps, 1))
        return theta, losses * steps

    @wrong("your losses are tensors")
    def keeps_every_graph(x, y, lr, steps):
        theta, losses = torch.zeros(2, requires_grad=True), []
        for _ in range(steps):
            theta.grad = None
            loss = (theta[0] * x + theta[1] - y).square().mean()
            loss.backward()
            with torch.no_grad():
                theta -= lr * theta.grad
            losses.append(loss)
        return theta.detach(), losses

    @wrong("still asks for gradients itself")
    def returns_the_leaf(x, y, lr, steps):
        theta, losses = _line(x, y, lr, steps)
        return theta.requires_grad_(), losses

    @wrong("still hangs on a graph")
    def records_the_updates(x, y, lr, steps):
        theta, losses = torch.zeros(2, requires_grad=True), []
        for _ in range(steps):
            loss = (theta[0] * x + theta[1] - y).square().mean()
            (gradient,) = torch.autograd.grad(loss, theta, retain_graph=True)
            theta = theta - lr * gradient
            losses.append(loss.item())
        return theta, losses

    @wrong("losses")
    def returns_the_last_loss_only(x, y, lr, steps):
        theta, losses = _line(x, y, lr, steps)
        return theta, losses[-1]

    @right
    def with_an_optimizer(x, y, lr, steps):
        theta, losses = torch.zeros(2, requires_grad=True), []
        optimizer = torch.optim.SGD([theta], lr=lr)
        for _ in range(steps):
            loss = F.mse_loss(theta[0] * x + theta[1], y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return theta.detach(), losses

    @right
    def with_autograd_grad(x, y, lr, steps):
        theta, losses = torch.zeros(2), []
        for _ in range(steps):
            theta.requires_grad_()
            loss = (theta[0] * x + theta[1] - y).square().mean()
            (gradient,) = torch.autograd.grad(loss, theta)
            theta = theta.detach() - lr * gradient
            losses.append(float(loss))
        return theta, losses

    @right
    def by_hand(x, y, lr, steps):
        return _line(x, y, lr, steps)


def _line(x, y, lr, steps):
    """Descent with a gradient by hand."""
    theta, losses = torch.zeros(2), []
    for _ in range(steps):
        error = theta[0] * x + theta[1] - y
        losses.append(error.square().mean().item())
        theta = theta - lr * 2 * torch.stack([(error * x).mean(), error.mean()])
    return theta, losses


class descend:
    @wrong("One step too many")
    def looks_after_the_step(f, start, lr, tolerance, max_steps):
        point, steps = start.clone(), 0
        while steps < max_steps:
            gradient = torch.func.grad(f)(point)
            point, steps = point - lr * gradient, steps + 1
            if gradient.norm() < tolerance:
                break
        return point, steps

    @wrong("you counted four steps")
    def counts_looks(f, start, lr, tolerance, max_steps):
        point, steps = _descend(f, start, lr, tolerance, max_steps)
        return point, steps + 1

    @wrong("where f fell below the tolerance")
    def watches_the_height(f, start, lr, tolerance, max_steps):
        point, steps = start.clone(), 0
        while steps < max_steps and f(point) >= tolerance:
            point, steps = point - lr * torch.func.grad(f)(point), steps + 1
        return point, steps

    @wrong("a slope of -6 is smaller than 1")
    def forgets_the_sign(f, start, lr, tolerance, max_steps):
        return _descend(f, start, lr, tolerance, max_steps, size=lambda g: g.sum())

    @wrong("each single slope is small")
    def looks_at_single_slopes(f, start, lr, tolerance, max_steps):
        return _descend(f, start, lr, tolerance, max_steps, size=lambda g: g.abs().max())

    @wrong("You compared the squared length")
    def forgets_the_root(f, start, lr, tolerance, max_steps):
        return _descend(f, start, lr, tolerance, max_steps, size=lambda g: g.square().sum())

    @wrong("although max_steps is 2")
    def ignores_max_steps(f, start, lr, tolerance, max_steps):
        return _descend(f, start, lr, tolerance, 10_000)

    @wrong("marked the caller's start")
    def marks_the_start(f, start, lr, tolerance, max_steps):
        start.requires_grad_()
        return _descend(f, start.detach(), lr, tolerance, max_steps)

    @wrong("your code changed its input")
    def walks_on_the_start_itself(f, start, lr, tolerance, max_steps):
        point, steps = _descend(f, start, lr, tolerance, max_steps)
        return start.copy_(point), steps

    @wrong("uphill")
    def walks_uphill(f, start, lr, tolerance, max_steps):
        return _descend(f, start, -lr, tolerance, max_steps)

    @wrong("gradients of earlier steps")
    def lets_slopes_pile_up(f, start, lr, tolerance, max_steps):
        point = start.clone().requires_grad_()
        for steps in range(max_steps):
            f(point).backward()
            if point.grad.norm() < tolerance:
                return point.detach(), steps
            with torch.no_grad():
                point -= lr * point.grad
        return point.detach(), max_steps

    @wrong("You took two steps and counted one")
    def counts_by_the_loop_variable(f, start, lr, tolerance, max_steps):
        point = start.clone().requires_grad_()
        for steps in range(max_steps):  # noqa: B007 (that is the mistake)
            (gradient,) = torch.autograd.grad(f(point), point)
            if gradient.norm() < tolerance:
                break
            with torch.no_grad():
                point -= lr * gradient
        return point.detach(), steps

    @right
    def by_autograd(f, start, lr, tolerance, max_steps):
        point = start.detach().clone().requires_grad_()
        for step in range(max_steps + 1):
            (gradient,) = torch.autograd.grad(f(point), point)
            if step == max_steps or gradient.norm() < tolerance:
                break
            with torch.no_grad():
                point -= lr * gradient
        return point.detach(), step

    @right
    def with_an_optimizer(f, start, lr, tolerance, max_steps):
        point, steps = start.clone().requires_grad_(), 0
        optimizer = torch.optim.SGD([point], lr=lr)
        while steps < max_steps:
            optimizer.zero_grad()
            f(point).backward()
            if torch.linalg.vector_norm(point.grad) < tolerance:
                break
            optimizer.step()
            steps += 1
        return point.detach(), steps

    @right
    def functional(f, start, lr, tolerance, max_steps):
        return _descend(f, start, lr, tolerance, max_steps)


def _descend(f, start, lr, tolerance, max_steps, size=torch.linalg.vector_norm):
    """Descent that stops by `size` of the gradient."""
    point, steps = start.clone(), 0
    while steps < max_steps:
        gradient = torch.func.grad(f)(point)
        if size(gradient) < tolerance:
            break
        point, steps = point - lr * gradient, steps + 1
    return point, steps


class full_gradient:
    @wrong("You averaged the batches")
    def averages_batches(batch_loss, theta, num_rows, batch_size):
        gradients, _ = _batches(batch_loss, theta, num_rows, batch_size)
        return gradients.mean(0)

    @wrong("The last, smaller batch is missing")
    def drops_the_last(batch_loss, theta, num_rows, batch_size):
        whole = num_rows // batch_size * batch_size
        gradients, _ = _batches(batch_loss, theta, whole, batch_size)
        return gradients.mean(0)

    @wrong("did not weight them")
    def adds_batches(batch_loss, theta, num_rows, batch_size):
        gradients, _ = _batches(batch_loss, theta, num_rows, batch_size)
        return gradients.sum(0)

    @wrong("gradient of the sum")
    def forgets_to_divide(batch_loss, theta, num_rows, batch_size):
        gradients, sizes = _batches(batch_loss, theta, num_rows, batch_size)
        return sizes @ gradients

    @wrong("Only the last batch is left")
    def replaces(batch_loss, theta, num_rows, batch_size):
        gradients, _ = _batches(batch_loss, theta, num_rows, batch_size)
        return gradients[-1]

    @wrong("every batch with `batch_size`")
    def weights_alike(batch_loss, theta, num_rows, batch_size):
        gradients, _ = _batches(batch_loss, theta, num_rows, batch_size)
        return gradients.sum(0) * batch_size / num_rows

    @wrong("rows at once")
    def takes_all_rows(batch_loss, theta, num_rows, batch_size):
        gradients, _ = _batches(batch_loss, theta, num_rows, num_rows)
        return gradients[0]

    @wrong("marked the caller's theta")
    def marks_theta(batch_loss, theta, num_rows, batch_size):
        theta.requires_grad_()
        for rows in torch.arange(num_rows).split(batch_size):
            (batch_loss(theta, rows) * len(rows) / num_rows).backward()
        return theta.grad

    @right
    def by_accumulation(batch_loss, theta, num_rows, batch_size):
        leaf = theta.clone().requires_grad_()
        for rows in torch.arange(num_rows).split(batch_size):
            (batch_loss(leaf, rows) * len(rows) / num_rows).backward()
        return leaf.grad

    @right
    def by_weights(batch_loss, theta, num_rows, batch_size):
        gradients, sizes = _batches(batch_loss, theta, num_rows, batch_size)
        return sizes @ gradients / sizes.sum()

    @right
    def with_slices(batch_loss, theta, num_rows, batch_size):
        total = torch.zeros_like(theta)
        for first in range(0, num_rows, batch_size):
            last = min(first + batch_size, num_rows)
            gradient = torch.func.grad(batch_loss)(theta, slice(first, last))
            total += gradient * (last - first)
        return total / num_rows


def _batches(batch_loss, theta, num_rows, batch_size):
    """The gradient of each batch, (n, D), and its number of rows, (n,)."""
    batches = torch.arange(num_rows).split(batch_size)
    gradients = [torch.func.grad(batch_loss)(theta, rows) for rows in batches]
    return torch.stack(gradients), torch.tensor([float(len(rows)) for rows in batches])


class largest_lr:
    @wrong("The 2 of the square is missing")
    def forgets_the_two(X):
        return 2 / torch.linalg.eigvalsh(X.T @ X / len(X))[-1].item()

    @wrong("the sum of the squared errors")
    def forgets_the_mean(X):
        return 2 / torch.linalg.eigvalsh(2 * X.T @ X)[-1].item()

    @wrong("XᵀX alone")
    def forgets_both(X):
        return 2 / torch.linalg.eigvalsh(X.T @ X)[-1].item()

    @wrong("You returned 1/L")
    def stays_safe(X):
        return len(X) / (2 * torch.linalg.matrix_norm(X, 2).item() ** 2)

    @wrong("the smallest curvature")
    def takes_the_smallest(X):
        return 2 / torch.linalg.eigvalsh(2 * X.T @ X / len(X))[0].item()

    @wrong("must be squared")
    def forgets_to_square(X):
        return len(X) / torch.linalg.svdvals(X)[0].item()

    @wrong("You took the trace")
    def takes_the_trace(X):
        return 2 / (2 * X.T @ X / len(X)).trace().item()

    @wrong("the curvature L itself")
    def returns_the_curvature(X):
        return torch.linalg.eigvalsh(2 * X.T @ X / len(X))[-1].item()

    @wrong("along the axes only")
    def takes_the_largest_entry(X):
        return 2 / (2 * X.T @ X / len(X)).diagonal().max().item()

    @wrong("not a plain Python number")
    def returns_a_tensor(X):
        return 2 / torch.linalg.eigvalsh(2 * X.T @ X / len(X))[-1]

    @right
    def by_eigenvalues(X):
        return 2 / torch.linalg.eigvalsh(2 * X.T @ X / len(X))[-1].item()

    @right
    def by_singular_values(X):
        return len(X) / torch.linalg.svdvals(X)[0].item() ** 2

    @right
    def by_the_hessian(X):
        def loss(theta):
            return (X @ theta).square().mean()

        hessian = torch.autograd.functional.hessian(loss, torch.zeros(X.shape[1]))
        return 2 / torch.linalg.matrix_norm(hessian, 2).item()
