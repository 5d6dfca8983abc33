"""Answers to the exercises of capstone 1's lab 1: one digit."""

from __future__ import annotations

import math

import torch

from wrong_answers import right, wrong


class bright_ink:
    @wrong("inverted every image")
    def always(images):
        return 1 - images

    @wrong("Nothing was inverted")
    def never(images):
        return images.clone()

    @wrong("inverted the wrong ones")
    def the_other_way(images):
        dark = images.flatten(1).median(dim=1).values < 0.5
        return torch.where(dark[:, None, None, None], 1 - images, images)

    @wrong("reached up to 255")
    def as_bytes(images):
        return 255 - images

    @wrong("soft edges of the strokes are lost")
    def binary(images):
        light = images.flatten(1).median(dim=1).values > 0.5
        return (torch.where(light[:, None, None, None], 1 - images, images) > 0.5).float()

    @wrong("channel axis is gone")
    def squeezed(images):
        light = images.flatten(1).median(dim=1).values > 0.5
        return torch.where(light[:, None, None, None], 1 - images, images).squeeze(1)

    @wrong("You asked the mean")
    def by_mean(images):
        light = images.mean(dim=(1, 2, 3), keepdim=True) > 0.5
        return torch.where(light, 1 - images, images)

    @wrong("changed its input")
    def in_place(images):
        for image in images:
            if image.median() > 0.5:
                image.mul_(-1).add_(1)
        return images

    @right
    def by_median(images):
        light = images.flatten(1).median(dim=1).values > 0.5
        return torch.where(light[:, None, None, None], 1 - images, images)

    @right
    def by_share_of_bright_pixels(images):
        light = (images > 0.5).float().mean(dim=(1, 2, 3), keepdim=True) > 0.5
        return images + light * (1 - 2 * images)

    @right
    def one_by_one(images):
        return torch.stack([1 - x if x.median() > 0.5 else x for x in images])


def _mass(ink):
    total = ink.sum((1, 2, 3))
    y = (ink.sum((1, 3)) * torch.arange(ink.shape[2])).sum(1) / total
    x = (ink.sum((1, 2)) * torch.arange(ink.shape[3])).sum(1) / total
    return y, x


class centre_of_mass:
    @wrong("Row and column are exchanged")
    def x_first(ink):
        y, x = _mass(ink)
        return torch.stack([x, y], 1)

    @wrong("middle of the ink's box")
    def by_box(ink):
        return torch.stack(_mass((ink > 0).float()), 1)

    @wrong("middle of the image")
    def by_size(ink):
        middle = torch.tensor([(ink.shape[2] - 1) / 2, (ink.shape[3] - 1) / 2])
        return middle.expand(len(ink), 2).clone()

    @wrong("counted rows and columns from 1")
    def from_one(ink):
        return torch.stack(_mass(ink), 1) + 1

    @wrong("did not divide by the ink")
    def only_sums(ink):
        return torch.stack(_mass(ink), 1) * ink.sum((1, 2, 3))[:, None]

    @wrong("number of pixels")
    def by_pixels(ink):
        area = ink.shape[2] * ink.shape[3]
        return torch.stack(_mass(ink), 1) * ink.sum((1, 2, 3))[:, None] / area

    @wrong("batch axis is missing")
    def without_batch(ink):
        return torch.stack(_mass(ink), 1).squeeze(0)

    @wrong("the whole batch was averaged")
    def pooled(ink):
        return torch.stack(_mass(ink), 1).mean(0, keepdim=True).expand(len(ink), 2)

    @right
    def by_profiles(ink):
        return torch.stack(_mass(ink), dim=1)

    @right
    def by_einsum(ink):
        y = torch.arange(ink.shape[2], dtype=ink.dtype)
        x = torch.arange(ink.shape[3], dtype=ink.dtype)
        total = torch.einsum("bchw->b", ink)
        rows = torch.einsum("bchw,h->b", ink, y) / total
        columns = torch.einsum("bchw,w->b", ink, x) / total
        return torch.stack([rows, columns], dim=1)

    @right
    def by_grid(ink):
        y, x = torch.meshgrid(torch.arange(ink.shape[2]), torch.arange(ink.shape[3]), indexing="ij")
        grid = torch.stack([y, x]).float()
        return torch.stack([(image * grid).sum((1, 2)) / image.sum() for image in ink])


class output_size:
    @wrong("added the padding once")
    def half_padding(size, layers):
        for kernel, stride, padding in layers:
            size = (size + padding - kernel) // stride + 1
        return size

    @wrong("One is missing in each layer")
    def without_one(size, layers):
        for kernel, stride, padding in layers:
            size = (size + 2 * padding - kernel) // stride
        return size

    @wrong("first layer only")
    def returns_early(size, layers):
        for kernel, stride, padding in layers:
            return (size + 2 * padding - kernel) // stride + 1

    @wrong("every layer the size of the picture")
    def forgets_to_go_on(size, layers):
        result = size
        for kernel, stride, padding in layers:
            result = (size + 2 * padding - kernel) // stride + 1
        return result

    @wrong("took the kernel off nowhere")
    def only_strides(size, layers):
        for _, stride, padding in layers:
            size = (size + 2 * padding) // stride
        return size

    @wrong("it is a float")
    def true_division(size, layers):
        for kernel, stride, padding in layers:
            size = float(math.floor((size + 2 * padding - kernel) / stride) + 1)
        return size

    @wrong("rounded up")
    def by_ceil(size, layers):
        for kernel, stride, padding in layers:
            size = math.ceil((size + 2 * padding - kernel) / stride) + 1
        return size

    @wrong("did not round")
    def no_rounding(size, layers):
        for kernel, stride, padding in layers:
            size = (size + 2 * padding - kernel) / stride + 1
        return int(size) if size == int(size) else size

    @right
    def by_formula(size, layers):
        for kernel, stride, padding in layers:
            size = (size + 2 * padding - kernel) // stride + 1
        return size

    @right
    def by_counting(size, layers):
        for kernel, stride, padding in layers:
            size = len(range(0, size + 2 * padding - kernel + 1, stride))
        return size

    @right
    def by_running(size, layers):
        x = torch.zeros(1, 1, size)
        for kernel, stride, padding in layers:
            x = torch.nn.functional.conv1d(
                x, torch.zeros(1, 1, kernel), stride=stride, padding=padding
            )
        return x.shape[-1]


@torch.no_grad()
def _count(model, loader):
    hits = sum(int((model(x).argmax(1) == y).sum()) for x, y in loader)
    return hits, sum(len(y) for _, y in loader)


def _evaluated(model, loader):
    was = model.training
    model.eval()
    hits, count = _count(model, loader)
    model.train(was)
    return hits, count


class accuracy:
    @wrong("averaged the accuracies of the batches")
    @torch.no_grad()
    def mean_of_means(model, loader):
        model.eval()
        shares = [(model(x).argmax(1) == y).float().mean().item() for x, y in loader]
        return sum(shares) / len(shares)

    @wrong("in percent")
    def percent(model, loader):
        hits, count = _evaluated(model, loader)
        return 100 * hits / count

    @wrong("it is a tensor")
    def as_tensor(model, loader):
        hits, count = _evaluated(model, loader)
        return torch.tensor(hits / count)

    @wrong("Only the last batch")
    def resets_in_the_loop(model, loader):
        for batch in loader:
            hits, count = _evaluated(model, [batch])
        return hits / count

    @wrong("number of right answers, not their share")
    def no_division(model, loader):
        return _evaluated(model, loader)[0]

    @wrong("divided by the number of batches")
    def by_batches(model, loader):
        return _evaluated(model, loader)[0] / len(loader)

    @wrong("share of mistakes")
    def of_mistakes(model, loader):
        hits, count = _evaluated(model, loader)
        return 1 - hits / count

    @wrong("measured in training mode")
    def without_eval(model, loader):
        hits, count = _count(model, loader)
        return hits / count

    @wrong("left in eval mode")
    def stays_in_eval(model, loader):
        model.eval()
        hits, count = _count(model, loader)
        return hits / count

    @right
    def counted(model, loader):
        hits, count = _evaluated(model, loader)
        return hits / count

    @right
    @torch.no_grad()
    def concatenated(model, loader):
        was = model.training
        model.eval()
        right = torch.cat([model(x).argmax(1) == y for x, y in loader])
        model.train(was)
        return right.double().mean().item()


class confusion_matrix:
    @wrong("Rows and columns are exchanged")
    def answers_first(labels, answers, num_classes):
        return torch.bincount(answers * num_classes + labels, minlength=num_classes**2).reshape(
            num_classes, num_classes
        )

    @wrong("it does not add up")
    def writes_once(labels, answers, num_classes):
        matrix = torch.zeros(num_classes, num_classes, dtype=torch.long)
        matrix[labels, answers] += 1
        return matrix

    @wrong("has no row and no column")
    def only_what_occurs(labels, answers, num_classes):
        n = int(max(labels.max(), answers.max())) + 1
        return torch.bincount(labels * n + answers, minlength=n * n).reshape(n, n)

    @wrong("floating")
    def as_float(labels, answers, num_classes):
        matrix = torch.zeros(num_classes, num_classes)
        one = torch.ones(len(labels))
        return matrix.index_put_((labels, answers), one, accumulate=True)

    @wrong("right answers of each class only")
    def diagonal(labels, answers, num_classes):
        return torch.bincount(labels[labels == answers], minlength=num_classes)

    @wrong("everything off the diagonal is 0")
    def diagonal_matrix(labels, answers, num_classes):
        return torch.diag(torch.bincount(labels[labels == answers], minlength=num_classes))

    @wrong("divided each row by its sum")
    def normalised(labels, answers, num_classes):
        counts = torch.bincount(labels * num_classes + answers, minlength=num_classes**2)
        counts = counts.reshape(num_classes, num_classes).float()
        return counts / counts.sum(1, keepdim=True).clamp(min=1)

    @wrong("in one row of C")
    def flat(labels, answers, num_classes):
        return torch.bincount(labels * num_classes + answers, minlength=num_classes**2)

    @right
    def by_bincount(labels, answers, num_classes):
        counts = torch.bincount(labels * num_classes + answers, minlength=num_classes**2)
        return counts.reshape(num_classes, num_classes)

    @right
    def by_loop(labels, answers, num_classes):
        matrix = torch.zeros(num_classes, num_classes, dtype=torch.long)
        for label, answer in zip(labels, answers, strict=True):
            matrix[label, answer] += 1
        return matrix

    @right
    def by_one_hot(labels, answers, num_classes):
        one_hot = torch.nn.functional.one_hot
        return one_hot(labels, num_classes).T @ one_hot(answers, num_classes)
