"""Answers to the exercises of capstone 2, cats and dogs."""

from __future__ import annotations

import hashlib

import torch
import torch.nn.functional as F
from torchvision.transforms.v2 import functional as transforms

from wrong_answers import right, wrong


def _remainder(file: bytes) -> int:
    return int(hashlib.sha256(file).hexdigest(), 16) % 100


def _first_of_each(files: list[bytes]) -> list[int]:
    return [row for row, file in enumerate(files) if file not in files[:row]]


class split_by_content:
    @wrong("Copies are still there")
    def keeps_copies(files, percent):
        rows = range(len(files))
        test = [row for row in rows if _remainder(files[row]) < percent]
        return [row for row in rows if row not in test], test

    @wrong("parts are exchanged")
    def exchanges(files, percent):
        rows = _first_of_each(files)
        test = [row for row in rows if _remainder(files[row]) < percent]
        return test, [row for row in rows if row not in test]

    @wrong("exactly `percent`")
    def takes_one_more(files, percent):
        rows = _first_of_each(files)
        test = [row for row in rows if _remainder(files[row]) <= percent]
        return [row for row in rows if row not in test], test

    @wrong("salted")
    def by_pythons_hash(files, percent):
        rows = _first_of_each(files)
        test = [row for row in rows if hash(files[row]) % 100 < percent]
        return [row for row in rows if row not in test], test

    @wrong("cut by place")
    def by_place(files, percent):
        rows = _first_of_each(files)
        cut = len(rows) - len(rows) * percent // 100
        return rows[:cut], rows[cut:]

    @wrong("last of each content")
    def keeps_the_last(files, percent):
        rows = sorted({file: row for row, file in enumerate(files)}.values())
        test = [row for row in rows if _remainder(files[row]) < percent]
        return [row for row in rows if row not in test], test

    @right
    def with_a_set(files, percent):
        seen, parts = set(), ([], [])
        for row, file in enumerate(files):
            digest = hashlib.sha256(file).digest()
            if digest not in seen:
                seen.add(digest)
                parts[int.from_bytes(digest, "big") % 100 < percent].append(row)
        return parts

    @right
    def with_lists(files, percent):
        rows = _first_of_each(files)
        test = [row for row in rows if _remainder(files[row]) < percent]
        return [row for row in rows if row not in test], test


class channel_statistics:
    @wrong("all pictures")
    def leaks(images, train):
        pixels = images / 255
        return pixels.mean((0, 2, 3)), pixels.std((0, 2, 3))

    @wrong("grey values from 0 to 255")
    def forgets_255(images, train):
        pixels = images[train].float()
        return pixels.mean((0, 2, 3)), pixels.std((0, 2, 3))

    @wrong("variance")
    def gives_the_variance(images, train):
        pixels = images[train] / 255
        return pixels.mean((0, 2, 3)), pixels.var((0, 2, 3))

    @wrong("spreads within pictures")
    def averages_spreads(images, train):
        pixels = images[train] / 255
        return pixels.mean((0, 2, 3)), pixels.std((2, 3)).mean(0)

    @wrong("spread of the pictures' means")
    def spreads_means(images, train):
        pixels = images[train] / 255
        return pixels.mean((0, 2, 3)), pixels.mean((2, 3)).std(0)

    @wrong("one less")
    def divides_by_n(images, train):
        pixels = images[train] / 255
        return pixels.mean((0, 2, 3)), pixels.std((0, 2, 3), correction=0)

    @wrong("One number for all channels")
    def mixes_channels(images, train):
        pixels = images[train] / 255
        return pixels.mean(), pixels.std()

    @right
    def over_three_dimensions(images, train):
        pixels = images[train] / 255
        return pixels.mean((0, 2, 3)), pixels.std((0, 2, 3))

    @right
    def by_flattening(images, train):
        pixels = images[train].permute(1, 0, 2, 3).flatten(1).float().div(255)
        return pixels.mean(1), pixels.var(1).sqrt()


class accuracy:
    @wrong("mean of the batches' accuracies")
    def averages_means(batches):
        shares = [(x.argmax(1) == y).float().mean() for x, y in batches]
        return (sum(shares) / len(shares)).item()

    @wrong("every batch as full")
    def counts_full_batches(batches):
        hits = sum((x.argmax(1) == y).sum().item() for x, y in batches)
        return hits / (len(batches) * len(batches[0][1]))

    @wrong("last batch alone")
    def overwrites(batches):
        for x, y in batches:
            share = (x.argmax(1) == y).float().mean().item()
        return share

    @wrong("how many are right")
    def does_not_divide(batches):
        return float(sum((x.argmax(1) == y).sum().item() for x, y in batches))

    @wrong("share of mistakes")
    def counts_mistakes(batches):
        wrongs = sum((x.argmax(1) != y).sum().item() for x, y in batches)
        return wrongs / sum(len(y) for _, y in batches)

    @wrong("first batch alone")
    def returns_in_the_loop(batches):
        for x, y in batches:
            return (x.argmax(1) == y).float().mean().item()

    @wrong("per cent")
    def in_per_cent(batches):
        hits = sum((x.argmax(1) == y).sum().item() for x, y in batches)
        return 100 * hits / sum(len(y) for _, y in batches)

    @right
    def by_counting(batches):
        hits = sum((x.argmax(1) == y).sum().item() for x, y in batches)
        return hits / sum(len(y) for _, y in batches)

    @right
    def all_at_once(batches):
        logits = torch.cat([x for x, _ in batches])
        labels = torch.cat([y for _, y in batches])
        return (logits.argmax(1) == labels).double().mean().item()


def _scale(image, size, mode="bilinear", antialias=True):
    return F.interpolate(image[None].float() / 255, (size, size), mode=mode, antialias=antialias)


class evaluation_input:
    @wrong("something random")
    def jitters(image, size):
        return _scale(image, size) * (0.9 + 0.1 * torch.rand(1))

    @wrong("wants a batch")
    def forgets_the_batch(image, size):
        return _scale(image, size)[0]

    @wrong("from 0 to 255")
    def forgets_255(image, size):
        return 255 * _scale(image, size)

    @wrong("one single pixel")
    def nearest(image, size):
        return _scale(image, size, "nearest", antialias=False)

    @wrong("passed over")
    def without_antialias(image, size):
        return _scale(image, size, antialias=False)

    @wrong("mirrored")
    def mirrors(image, size):
        return _scale(image, size).flip(3)

    @wrong("rounded to whole numbers")
    def rounds(image, size):
        return (255 * _scale(image, size)).round() / 255

    @wrong("cut out the middle")
    def crops(image, size):
        top, left = (image.shape[1] - size) // 2, (image.shape[2] - size) // 2
        return image[None, :, top : top + size, left : left + size] / 255

    @right
    def by_interpolate(image, size):
        return _scale(image, size)

    @right
    def by_torchvision(image, size):
        return transforms.resize(image[None] / 255, [size, size], antialias=True)


class activation_map:
    @wrong("class 0 for every picture")
    def always_class_0(maps, weight, classes):
        return torch.einsum("c,bchw->bhw", weight[0], maps)

    @wrong("class of the first picture")
    def class_of_the_first(maps, weight, classes):
        return torch.einsum("c,bchw->bhw", weight[classes[0]], maps)

    @wrong("mean of the maps")
    def mean_of_maps(maps, weight, classes):
        return maps.mean(1)

    @wrong("without weights")
    def sum_of_maps(maps, weight, classes):
        return maps.sum(1)

    @wrong("speaks *against*")
    def keeps_only_for(maps, weight, classes):
        return torch.einsum("bc,bchw->bhw", weight[classes], maps).relu()

    @wrong("averaged over the channels")
    def averages_channels(maps, weight, classes):
        return (weight[classes][:, :, None, None] * maps).mean(1)

    @wrong("logit itself")
    def averages_places(maps, weight, classes):
        return torch.einsum("bc,bchw->bhw", weight[classes], maps).mean((1, 2))

    @wrong("signs are gone")
    def takes_sizes(maps, weight, classes):
        return torch.einsum("bc,bchw->bhw", weight[classes], maps).abs()

    @wrong("Python loop")
    def loops(maps, weight, classes):
        return torch.stack(
            [torch.einsum("c,chw->hw", weight[k], m) for k, m in zip(classes, maps, strict=True)]
        )

    @right
    def by_einsum(maps, weight, classes):
        return torch.einsum("bc,bchw->bhw", weight[classes], maps)

    @right
    def by_product_and_sum(maps, weight, classes):
        return (weight[classes][:, :, None, None] * maps).sum(1)


def _looks(model, images, axis=3):
    was_training = model.training
    model.eval()
    with torch.no_grad():
        both = model(images), model(images.flip(axis))
    model.train(was_training)
    return both


class two_looks:
    @wrong("worked in train mode")
    def stays_in_its_mode(model, images):
        with torch.no_grad():
            return ((model(images) + model(images.flip(3))) / 2).softmax(1)

    @wrong("upside down")
    def turns_upside_down(model, images):
        a, b = _looks(model, images, axis=2)
        return ((a + b) / 2).softmax(1)

    @wrong("These are logits")
    def forgets_softmax(model, images):
        a, b = _looks(model, images)
        return (a + b) / 2

    @wrong("twice as large")
    def adds(model, images):
        a, b = _looks(model, images)
        return (a + b).softmax(1)

    @wrong("averaged probabilities")
    def averages_probabilities(model, images):
        a, b = _looks(model, images)
        return (a.softmax(1) + b.softmax(1)) / 2

    @wrong("one look")
    def looks_once(model, images):
        return _looks(model, images)[0].softmax(1)

    @wrong("changed its input")
    def leaves_eval_on(model, images):
        model.eval()
        with torch.no_grad():
            return ((model(images) + model(images.flip(3))) / 2).softmax(1)

    @wrong("backward pass")
    def keeps_the_record(model, images):
        was_training = model.training
        model.eval()
        logits = (model(images) + model(images.flip(3))) / 2
        model.train(was_training)
        return logits.softmax(1)

    @right
    def in_two_calls(model, images):
        a, b = _looks(model, images)
        return ((a + b) / 2).softmax(1)

    @right
    @torch.inference_mode()
    def in_one_call(model, images):
        was_training = model.training
        model.eval()
        logits = model(torch.cat([images, images.flip(-1)])).view(2, len(images), -1).mean(0)
        model.train(was_training)
        return logits.softmax(dim=-1)


def _count(labels, answers):
    return torch.bincount(2 * labels + answers, minlength=4).view(2, 2)


class confusion:
    @wrong("The threshold changes nothing")
    def takes_the_likelier(logits, labels, threshold):
        return _count(labels, logits.argmax(1))

    @wrong("compared a logit")
    def compares_logits(logits, labels, threshold):
        return _count(labels, (logits[:, 1] >= threshold).long())

    @wrong("probability of “cat”")
    def looks_at_cats(logits, labels, threshold):
        return _count(labels, (logits.softmax(1)[:, 0] >= threshold).long())

    @wrong("Rows and columns")
    def transposes(logits, labels, threshold):
        return _count(labels, (logits.softmax(1)[:, 1] >= threshold).long()).T

    @wrong("exchanged in the answers")
    def exchanges_answers(logits, labels, threshold):
        return _count(labels, (logits.softmax(1)[:, 1] < threshold).long())

    @wrong("has *reached* it")
    def is_strict(logits, labels, threshold):
        return _count(labels, (logits.softmax(1)[:, 1] > threshold).long())

    @wrong("These are shares")
    def divides(logits, labels, threshold):
        return _count(labels, (logits.softmax(1)[:, 1] >= threshold).long()) / len(labels)

    @right
    def by_bincount(logits, labels, threshold):
        return _count(labels, (logits.softmax(1)[:, 1] >= threshold).long())

    @right
    def by_masks(logits, labels, threshold):
        dog = (logits[:, 1] - logits[:, 0]).sigmoid() >= threshold
        rows = [[(~dog & (labels == k)).sum(), (dog & (labels == k)).sum()] for k in (0, 1)]
        return torch.tensor(rows)
