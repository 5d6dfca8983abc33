"""Answers to the exercises of chapter 1's lab 2: linear algebra and least squares."""

from __future__ import annotations

import math

import torch

from wrong_answers import right, wrong


class quadratic_forms:
    @wrong("with every other")
    def all_pairs(x, A):
        return x @ A @ x.T

    @wrong("only the diagonal of A")
    def ignores_mixed_terms(x, A):
        return torch.einsum("bi,ii,bi->b", x, A, x)

    @wrong("squared the entries first")
    def squares_first(x, A):
        return ((x**2) @ A).sum(1)

    @wrong("squared length of A x")
    def length_of_image(x, A):
        return (x @ A.T).square().sum(1)

    @wrong("added up the whole batch")
    def sums_the_batch(x, A):
        return torch.einsum("bi,ij,bj->", x, A, x)

    @wrong("stopped half-way")
    def forgets_the_second_x(x, A):
        return x @ A.T

    @wrong("an axis of length 1 is left")
    def keeps_the_axis(x, A):
        return (x @ A * x).sum(1, keepdim=True)

    @wrong("single vector, the batch axis disappeared")
    def squeezes(x, A):
        return (x[:, None, :] @ A @ x[:, :, None]).squeeze()

    @wrong("a Python loop")
    def loops(x, A):
        return torch.stack([row @ A @ row for row in x])

    @wrong("no gradient can flow back")
    def leaves_autograd(x, A):
        return (x @ A * x).sum(1).detach()

    @wrong("You summed over the batch")
    def sums_over_the_batch(x, A):
        return (x @ A * x).sum(dim=0)

    @wrong("not added up")
    def adds_nothing_up(x, A):
        return x @ A * x

    @right
    def by_einsum(x, A):
        return torch.einsum("bi,ij,bj->b", x, A, x)

    @right
    def by_sum(x, A):
        return (x @ A * x).sum(dim=1)

    @right
    def by_batched_matmul(x, A):
        return (x[:, None, :] @ A @ x[:, :, None])[:, 0, 0]

    @right
    def by_diagonal(x, A):  # wasteful, but right
        return (x @ A @ x.T).diagonal()


class power_iteration:
    @wrong("length of A v as the eigenvalue")
    def takes_the_length(A, start, steps):
        v = start
        for _ in range(steps):
            w = A @ v
            value = w.norm()
            v = w / value
        return value, v

    @wrong("never gets back to length 1")
    def never_scales(A, start, steps):
        v = start
        for _ in range(steps):
            v = A @ v
        return v @ A @ v, v

    @wrong("does not have length 1")
    def scales_only_the_value(A, start, steps):
        v = start
        for _ in range(steps):
            v = A @ v
        return (v @ A @ v) / (v @ v), v

    @wrong("largest entry or by the sum")
    def scales_by_the_largest(A, start, steps):
        v = start
        for _ in range(steps):
            v = A @ v
            v = v / v.abs().max()
        return (v @ A @ v) / (v @ v), v

    @wrong("exact eigenvector")
    def calls_eigh(A, start, steps):
        values, vectors = torch.linalg.eigh(A)
        best = values.abs().argmax()
        v = vectors[:, best]
        return values[best], v * (v @ start).sign()

    @wrong("before its last step")
    def one_step_too_few(A, start, steps):
        v = start / start.norm()
        for _ in range(steps - 1):
            v = A @ v
            v = v / v.norm()
        return v @ A @ v, v

    @wrong("one step too many")
    def one_step_too_many(A, start, steps):
        v = start
        for _ in range(steps + 1):
            v = A @ v
            v = v / v.norm()
        return v @ A @ v, v

    @wrong("exchanged")
    def vector_first(A, start, steps):
        v = start
        for _ in range(steps):
            v = A @ v
            v = v / v.norm()
        return v, v @ A @ v

    @wrong("lost its sign")
    def drops_the_sign(A, start, steps):
        v = start
        for _ in range(steps):
            v = A @ v
            v = v / v.norm()
        return (v @ A @ v).abs(), v

    @wrong("changed its input")
    def scales_in_place(A, start, steps):
        start /= start.norm()
        v = start
        for _ in range(steps):
            v = A @ v
            v = v / v.norm()
        return v @ A @ v, v

    @right
    def by_loop(A, start, steps):
        v = start
        for _ in range(steps):
            v = A @ v
            v = v / v.norm()
        return v @ (A @ v), v

    @right
    def by_quotient(A, start, steps):
        v = start[:, None]
        for _ in range(steps):
            v = torch.nn.functional.normalize(A @ v, dim=0)
        return ((v.T @ A @ v) / (v.T @ v))[0, 0], v[:, 0]


def _layers(A, count):
    U, S, Vh = torch.linalg.svd(A, full_matrices=False)
    return (U[:, :count] * S[:count]) @ Vh[:count]


def _reached(A, share, power=2):
    """Whether the first 1, 2, … layers reach the share."""
    strength = torch.linalg.svdvals(A) ** power
    return strength.cumsum(0) >= share * strength.sum() * (1 - 1e-6)


class low_rank:
    @wrong("One layer is missing")
    def one_too_few(A, share):
        return _layers(A, int(_reached(A, share).int().argmax()))

    @wrong("One layer too many")
    def one_too_many(A, share):
        return _layers(A, int(_reached(A, share).int().argmax()) + 2)

    @wrong("singular values themselves")
    def adds_without_squares(A, share):
        return _layers(A, int(_reached(A, share, power=1).int().argmax()) + 1)

    @wrong("of the number of layers")
    def share_of_the_count(A, share):
        return _layers(A, math.ceil(share * min(A.shape)))

    @wrong("S is missing")
    def forgets_the_weights(A, share):
        count = int(_reached(A, share).int().argmax()) + 1
        U, _, Vh = torch.linalg.svd(A, full_matrices=False)
        return U[:, :count] @ Vh[:count]

    @wrong("kept the weak layers")
    def drops_the_strong(A, share):
        return A - _layers(A, int(_reached(A, share).int().argmax()) + 1)

    @wrong("columns of Vh")
    def takes_vh_for_v(A, share):
        count = int(_reached(A, share).int().argmax()) + 1
        U, S, Vh = torch.linalg.svd(A, full_matrices=False)
        return (U[:, :count] * S[:count]) @ Vh[:, :count].T

    @wrong("Rows and columns are exchanged")
    def transposed(A, share):
        return _layers(A, int(_reached(A, share).int().argmax()) + 1).T

    @wrong("a single layer is left")
    def argmax_of_nothing(A, share):
        strength = torch.linalg.svdvals(A).square()
        reached = strength.cumsum(0) / strength.sum() > share
        return _layers(A, int(reached.int().argmax()) + 1)

    @right
    def by_counting(A, share):
        return _layers(A, int((~_reached(A, share)).sum()) + 1)

    @right
    def by_searchsorted(A, share):
        U, S, Vh = torch.linalg.svd(A, full_matrices=False)
        kept = S.square().cumsum(0)
        count = int(torch.searchsorted(kept, share * kept[-1])) + 1
        return U[:, :count] @ torch.diag(S[:count]) @ Vh[:count]

    @right
    def by_loop(A, share):
        U, S, Vh = torch.linalg.svd(A)
        result = torch.zeros_like(A)
        for k in range(len(S)):
            result = result + S[k] * torch.outer(U[:, k], Vh[k])
            if result.square().sum() >= share * A.square().sum() * (1 - 1e-9):
                break
        return result


def _with_ones(X):
    return torch.cat([X, torch.ones(len(X), 1, dtype=X.dtype)], dim=1)


class fit_linear:
    @wrong("through the origin")
    def no_ones(X, y):
        return torch.linalg.lstsq(X, y[:, None]).solution[:, 0], torch.zeros((), dtype=X.dtype)

    @wrong("are exchanged")
    def ones_in_front(X, y):
        ones = torch.ones(len(X), 1, dtype=X.dtype)
        theta = torch.linalg.lstsq(torch.cat([ones, X], 1), y[:, None]).solution[:, 0]
        return theta[:-1], theta[-1]

    @wrong("in one tensor")
    def not_split(X, y):
        return torch.linalg.lstsq(_with_ones(X), y[:, None]).solution[:, 0]

    @wrong("still a column")
    def left_as_a_column(X, y):
        theta = torch.linalg.lstsq(_with_ones(X), y[:, None]).solution
        return theta[:-1], theta[-1]

    @wrong("has shape (1,)")
    def slices_the_intercept(X, y):
        theta = torch.linalg.lstsq(_with_ones(X), y[:, None]).solution[:, 0]
        return theta[:-1], theta[-1:]

    @wrong("but not the mean of X")
    def centres_only_y(X, y):
        weights = torch.linalg.lstsq(X, (y - y.mean())[:, None]).solution[:, 0]
        return weights, y.mean()

    @wrong("mean of y as the intercept")
    def intercept_is_the_mean(X, y):
        theta = torch.linalg.lstsq(_with_ones(X), y[:, None]).solution[:, 0]
        return theta[:-1], y.mean()

    @right
    def by_lstsq(X, y):
        theta = torch.linalg.lstsq(_with_ones(X), y[:, None]).solution[:, 0]
        return theta[:-1], theta[-1]

    @right
    def by_centring(X, y):
        weights = torch.linalg.lstsq(X - X.mean(0), (y - y.mean())[:, None]).solution[:, 0]
        return weights, y.mean() - X.mean(0) @ weights

    @right
    def by_normal_equations(X, y):
        ones = _with_ones(X)
        theta = torch.linalg.solve(ones.T @ ones, ones.T @ y)
        return theta[:-1], theta[-1]


class predict_linear:
    @wrong("no intercept")
    def as_the_colleague(X, y, X_new):
        return X_new @ torch.linalg.inv(X.T @ X) @ X.T @ y

    @wrong("left it out of the predictions")
    def drops_the_intercept(X, y, X_new):
        theta = torch.linalg.lstsq(_with_ones(X), y[:, None]).solution[:, 0]
        return X_new @ theta[:-1]

    @wrong("rows you fitted")
    def predicts_the_old_rows(X, y, X_new):
        return _with_ones(X) @ torch.linalg.lstsq(_with_ones(X), y[:, None]).solution[:, 0]

    @wrong("by their own mean")
    def centres_the_new_rows(X, y, X_new):
        weights = torch.linalg.lstsq(X - X.mean(0), (y - y.mean())[:, None]).solution[:, 0]
        return (X_new - X_new.mean(0)) @ weights + y.mean()

    @wrong("as a column, (M, 1)")
    def left_as_a_column(X, y, X_new):
        return _with_ones(X_new) @ torch.linalg.lstsq(_with_ones(X), y[:, None]).solution

    @wrong("@ ones.T @ y  # an inverse")
    def inverts(X, y, X_new):
        ones = _with_ones(X)
        theta = torch.linalg.inv(ones.T @ ones) @ ones.T @ y  # an inverse
        return _with_ones(X_new) @ theta

    @wrong("solve(ones.T @ ones")
    def solves_the_normal_equations(X, y, X_new):
        ones = _with_ones(X)
        return _with_ones(X_new) @ torch.linalg.solve(ones.T @ ones, ones.T @ y)

    @wrong("single new row, the axis disappeared")
    def squeezes(X, y, X_new):
        return (_with_ones(X_new) @ torch.linalg.pinv(_with_ones(X)) @ y[:, None]).squeeze()

    @wrong("These are the weights")
    def returns_the_weights(X, y, X_new):
        return torch.linalg.pinv(_with_ones(X)) @ y

    @right
    def by_lstsq(X, y, X_new):
        return _with_ones(X_new) @ torch.linalg.lstsq(_with_ones(X), y[:, None]).solution[:, 0]

    @right
    def by_pinv(X, y, X_new):
        return _with_ones(X_new) @ (torch.linalg.pinv(_with_ones(X)) @ y)

    @right
    def by_centring(X, y, X_new):
        weights = torch.linalg.pinv(X - X.mean(0)) @ (y - y.mean())
        return (X_new - X.mean(0)) @ weights + y.mean()


class fragile_system:
    @wrong("only makes everything small")
    def small_determinant():
        return 1e-3 * torch.eye(2), torch.tensor([1.0, 1.0]), torch.tensor([1.0, 1.01])

    @wrong("A is singular")
    def parallel_lines():
        A = torch.tensor([[1.0, 1.0], [2.0, 2.0]])
        return A, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.01])

    @wrong("b moves by")
    def pushes_too_hard():
        return torch.eye(2), torch.tensor([1.0, 1.0]), torch.tensor([3.0, 1.0])

    @wrong("b moves by 0.000%")
    def does_not_push():
        A = torch.tensor([[1.0, 1.0], [1.0, 1.001]])
        return A, torch.tensor([2.0, 2.0]), torch.tensor([2.0, 2.0])

    @wrong("in which A is strong")
    def pushes_the_wrong_way():
        A = torch.tensor([[1.0, 1.0], [1.0, 1.001]])
        return A, torch.tensor([2.0, 2.001]), torch.tensor([2.01, 2.011])

    @wrong("cannot enlarge")
    def sturdy():
        A = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
        return A, torch.tensor([8.0, 7.0]), torch.tensor([8.01, 7.0])

    @wrong("larger than 10")
    def huge_entries():
        return torch.diag(torch.tensor([1e4, 1.0])), torch.ones(2), torch.tensor([1.0, 1.005])

    @right
    def almost_parallel():
        A = torch.tensor([[1.0, 1.0], [1.0, 1.001]])
        return A, torch.tensor([2.0, 2.0]), torch.tensor([2.0, 2.01])

    @right
    def one_weak_axis():
        A = torch.diag(torch.tensor([1.0, 1e-3]))
        return A, torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.009])
