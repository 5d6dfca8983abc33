"""Answers to the exercises of chapter 1's lab 1: tensors."""

from __future__ import annotations

import torch
import torch.nn.functional as F

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
