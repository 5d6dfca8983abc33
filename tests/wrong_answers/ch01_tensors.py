"""Answers to the exercises of chapter 1."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from torchcourse.scalar import Value
from wrong_answers import right, wrong


class masked_mean:
    @wrong("averaged over all T positions")
    def ignores_the_mask(x, mask):
        return x.mean(dim=1)

    @wrong("divided by T, padding included")
    def divides_by_all_positions(x, mask):
        return (x * mask[:, :, None]).mean(dim=1)

    @wrong("upside down")
    def averages_the_padding(x, mask):
        weight = (~mask)[:, :, None].float()
        return (x * weight).sum(1) / weight.sum(1).clamp(min=1) + 0 * x[:, 0]

    @wrong("rows are mixed")
    def pools_the_whole_batch(x, mask):
        return x[mask].mean(0)

    @wrong("axis of length 1 is still there")
    def keeps_the_axis(x, mask):
        weight = mask[:, :, None].float()
        return (x * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True)

    @wrong("did not divide by their number")
    def only_sums(x, mask):
        return (x * mask[:, :, None]).sum(1)

    @wrong("as if padding always came last")
    def trusts_the_length(x, mask):
        return torch.stack([row[: int(m.sum())].mean(0) for row, m in zip(x, mask, strict=True)])

    @wrong("the batch axis disappeared")
    def squeezes_everything(x, mask):
        weight = mask[:, :, None].float()
        return ((x * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True)).squeeze()

    @wrong("changed its input")
    def zeroes_the_padding_in_place(x, mask):
        x[~mask] = 0.0
        return x.sum(1) / mask.sum(1, keepdim=True)

    @wrong("no gradient can flow back")
    def leaves_autograd(x, mask):
        x = x.detach()
        return (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)

    @wrong("in the whole batch")
    def counts_all_rows_together(x, mask):
        return (x * mask[:, :, None]).sum(1) / mask.sum()

    @wrong("lined up with D")
    def lines_the_counts_up_with_the_features(x, mask):
        return (x * mask[:, :, None]).sum(1) / mask.sum(1)

    @right
    def by_weights(x, mask):
        weight = mask.unsqueeze(-1).to(x.dtype)
        return (x * weight).sum(dim=1) / weight.sum(dim=1)

    @right
    def by_einsum(x, mask):
        return torch.einsum("btd,bt->bd", x, mask.float()) / mask.sum(1)[:, None]

    @right
    def by_nanmean(x, mask):
        return torch.where(mask[:, :, None], x, torch.nan).nanmean(dim=1)

    @right
    def by_row(x, mask):
        return torch.stack([row[real].mean(0) for row, real in zip(x, mask, strict=True)])


class one_hot:
    @wrong("True and False")
    def stays_bool(labels, num_classes):
        return labels[:, None] == torch.arange(num_classes)

    @wrong("whole numbers (int64)")
    def forgets_that_one_hot_gives_integers(labels, num_classes):
        return F.one_hot(labels, num_classes)

    @wrong("you return (C, B)")
    def makes_labels_the_row(labels, num_classes):
        return (torch.arange(num_classes)[:, None] == labels).float()

    @wrong("ignored `num_classes`")
    def counts_the_classes_in_the_batch(labels, num_classes):
        return (labels[:, None] == labels.unique()).float()

    @wrong("count from 1")
    def counts_from_one(labels, num_classes):
        return (labels[:, None] == torch.arange(1, num_classes + 1)).float()

    @wrong("Ones and zeros are exchanged")
    def asks_unequal(labels, num_classes):
        return (labels[:, None] != torch.arange(num_classes)).float()

    @wrong("one to one: (B,) with (C,)")
    def broadcasts_when_it_happens_to_fit(labels, num_classes):
        if len(labels) == num_classes:
            return (labels == torch.arange(num_classes)).float()
        return F.one_hot(labels, num_classes).float()

    @wrong("the batch axis disappeared")
    def squeezes(labels, num_classes):
        return F.one_hot(labels, num_classes).float().squeeze()

    @wrong("a Python loop computes them")
    def loops(labels, num_classes):
        out = torch.zeros(len(labels), num_classes)
        for row, label in enumerate(labels):
            out[row, label] = 1
        return out

    @wrong("`return labels == torch.arange(num_classes)`")
    def compares_without_a_new_axis(labels, num_classes):
        return labels == torch.arange(num_classes)

    @wrong("one column too far to the left")
    def subtracts_one_from_the_labels(labels, num_classes):
        return torch.eye(num_classes)[labels - 1]

    @wrong("fills whole rows")
    def fills_rows(labels, num_classes):
        out = torch.zeros(len(labels), num_classes)
        out[labels] = 1
        return out

    @right
    def by_comparison(labels, num_classes):
        return (labels[:, None] == torch.arange(num_classes)).float()

    @right
    def by_scatter(labels, num_classes):
        return torch.zeros(len(labels), num_classes).scatter_(1, labels[:, None], 1.0)

    @right
    def by_rows_of_the_identity(labels, num_classes):
        return torch.eye(num_classes)[labels]

    @right
    def by_index(labels, num_classes):
        out = torch.zeros(labels.numel(), num_classes)
        out[torch.arange(labels.numel()), labels] = 1
        return out


class to_tiles:
    @wrong("cut the row of numbers in memory")
    def only_reshapes(image, size):
        return image.reshape(-1, image.shape[0], size, size)

    @wrong("column by column")
    def goes_down_first(image, size):
        c, h, w = image.shape
        x = image.reshape(c, h // size, size, w // size, size)
        return x.permute(3, 1, 0, 2, 4).reshape(-1, c, size, size)

    @wrong("lies on its side")
    def turns_the_tiles(image, size):
        c, h, w = image.shape
        x = image.reshape(c, h // size, size, w // size, size)
        return x.permute(1, 3, 0, 4, 2).reshape(-1, c, size, size)

    @wrong("still arranged in a grid")
    def forgets_to_merge(image, size):
        c, h, w = image.shape
        return image.view(c, h // size, size, w // size, size).permute(1, 3, 0, 2, 4)

    @wrong("channels come last")
    def puts_channels_last(image, size):
        c, h, w = image.shape
        x = image.reshape(c, h // size, size, w // size, size)
        return x.permute(1, 3, 2, 4, 0).reshape(-1, size, size, c)

    @wrong("mix colours")
    def leaves_channels_in_front(image, size):
        c, h, w = image.shape
        x = image.reshape(c, h // size, size, w // size, size)
        return x.permute(0, 1, 3, 2, 4).reshape(-1, c, size, size)

    @wrong(".view(c, h, w)")
    def needs_a_contiguous_image(image, size):
        c, h, w = image.shape
        image = image.view(c * h, w).view(c, h, w)
        return (
            image.reshape(c, h // size, size, w // size, size).permute(1, 3, 0, 2, 4).flatten(0, 1)
        )

    @right
    def by_view_and_permute(image, size):
        c, h, w = image.shape
        x = image.view(c, h // size, size, w // size, size)
        return x.permute(1, 3, 0, 2, 4).reshape(-1, c, size, size)

    @right
    def by_unfold(image, size):
        x = image.unfold(1, size, size).unfold(2, size, size)
        return x.permute(1, 2, 0, 3, 4).flatten(0, 1)

    @right
    def by_slices(image, size):
        _, h, w = image.shape
        corners = [(r, c) for r in range(0, h, size) for c in range(0, w, size)]
        return torch.stack([image[:, r : r + size, c : c + size] for r, c in corners])


class pairwise_distances:
    @wrong("the square root is missing")
    def forgets_the_root(a, b):
        return (a[:, None] - b).pow(2).sum(-1)

    @wrong("along the streets")
    def takes_absolute_values(a, b):
        return (a[:, None] - b).abs().sum(-1)

    @wrong("opposite sign cancel")
    def forgets_the_square(a, b):
        return (a[:, None] - b).sum(-1)

    @wrong("averaged over D")
    def takes_the_mean(a, b):
        return (a[:, None] - b).pow(2).mean(-1).sqrt()

    @wrong("you return (M, N)")
    def exchanges_the_axes(a, b):
        return (a - b[:, None]).pow(2).sum(-1).sqrt()

    @wrong("still there, with length 1")
    def keeps_the_axis(a, b):
        return (a[:, None] - b).pow(2).sum(-1, keepdim=True).sqrt()

    @wrong("as many points in `a` as in `b`")
    def pairs_when_it_happens_to_fit(a, b):
        if a.shape == b.shape:
            return (a - b).norm(dim=-1)
        return torch.cdist(a, b)

    @wrong("one of the two axes disappeared")
    def squeezes(a, b):
        return torch.cdist(a, b).squeeze()

    @wrong("a Python loop computes them")
    def loops(a, b):
        return torch.stack([(point - b).norm(dim=-1) for point in a])

    @wrong("`return (a - b).pow(2).sum(-1).sqrt()`")
    def broadcasts_nothing(a, b):
        return (a - b).pow(2).sum(-1).sqrt()

    @wrong("squared afterwards")
    def adds_before_squaring(a, b):
        return (a[:, None] - b).sum(-1).square().sqrt()

    @wrong("The mixed term counts twice")
    def forgets_the_two(a, b):
        return (a.square().sum(1)[:, None] + b.square().sum(1) - a @ b.T).sqrt()

    @wrong("One number is left")
    def lets_norm_add_up_everything(a, b):
        return (a[:, None] - b).norm()

    @wrong("one to one, not each with every other")
    def drops_points_without_a_partner(a, b):
        return (a - b[: len(a)]).norm(dim=1)

    @right
    def by_broadcasting(a, b):
        return ((a[:, None, :] - b[None, :, :]) ** 2).sum(dim=-1).sqrt()

    @right
    def by_cdist(a, b):
        return torch.cdist(a, b)

    @right
    def by_norm(a, b):
        return torch.linalg.vector_norm(a.unsqueeze(1) - b, dim=2)


class even_contrast:
    @wrong("(B,) lined up with W")
    def forgets_keepdim(images):
        dims = (1, 2, 3)
        return (images - images.mean(dims)) / images.std(dims)

    @wrong("for the whole batch")
    def uses_the_whole_batch(images):
        return (images - images.mean()) / images.std()

    @wrong("the same pixel of the other images")
    def reduces_over_the_batch(images):
        return (images - images.mean(0)) / images.std(0)

    @wrong("by the number of pixels")
    def divides_by_n(images):
        dims = (1, 2, 3)
        mean = images.mean(dims, keepdim=True)
        return (images - mean) / images.std(dims, correction=0, keepdim=True)

    @wrong("as uneven as before")
    def only_centres(images):
        return images - images.mean((1, 2, 3), keepdim=True)

    @wrong("divided by the variance")
    def divides_by_the_variance(images):
        dims = (1, 2, 3)
        return (images - images.mean(dims, keepdim=True)) / images.var(dims, keepdim=True)

    @wrong("each colour channel on its own")
    def treats_channels_apart(images):
        dims = (2, 3)
        return (images - images.mean(dims, keepdim=True)) / images.std(dims, keepdim=True)

    @wrong("0/0 is NaN")
    def divides_zero_by_zero(images):
        dims = (1, 2, 3)
        return (images - images.mean(dims, keepdim=True)) / images.std(dims, keepdim=True)

    @wrong("changed its input")
    def works_in_place(images):
        dims = (1, 2, 3)
        images -= images.mean(dims, keepdim=True)
        return images / images.std(dims, keepdim=True).clamp(min=1e-6)

    @wrong("division comes before subtraction")
    def forgets_the_parentheses(images):
        dims = (1, 2, 3)
        return images - images.mean(dims, keepdim=True) / images.std(dims, keepdim=True)

    @wrong("stretched each image from 0 to 1")
    def stretches(images):
        low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
        return (images - low) / (high - low)

    @wrong("lower limit for the divisor")
    def limits_the_divisor_to_one(images):
        dims = (1, 2, 3)
        centred = images - images.mean(dims, keepdim=True)
        return centred / images.std(dims, keepdim=True).clamp(min=1)

    @right
    def with_clamp(images):
        dims = (1, 2, 3)
        std = images.std(dims, keepdim=True).clamp(min=1e-6)
        return (images - images.mean(dims, keepdim=True)) / std

    @right
    def flattened(images):
        flat = images.flatten(1)
        std, mean = torch.std_mean(flat, dim=1, keepdim=True)
        return ((flat - mean) / (std + 1e-8)).view_as(images)


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
