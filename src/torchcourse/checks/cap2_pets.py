"""Checkers of the lab of capstone 2, cats and dogs."""

from __future__ import annotations

import hashlib
import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torchcourse.checks.compare import agrees, has_values
from torchcourse.checks.core import Attempt, Slip, exercise


def _file(remainder: int, number: int) -> bytes:
    """A file whose SHA-256, divided by 100, leaves `remainder`: built from the answer."""
    tries = (f"picture {number}, {i}".encode() for i in itertools.count())
    return next(t for t in tries if int(hashlib.sha256(t).hexdigest(), 16) % 100 == remainder)


@exercise(
    "What a file holds decides its part, not its name or place: a copy can never stand on the "
    "other side, and tomorrow's files do not move today's."
)
def split_by_content(attempt: Attempt) -> None:
    """split_by_content(files, percent): list of bytes, int → (train rows, test rows)."""
    five, seventy, nineteen, twenty, last = (
        _file(remainder, number) for number, remainder in enumerate((5, 70, 19, 20, 99))
    )
    files = [five, seventy, five, nineteen, twenty, seventy, last]
    many = [f"picture {number}".encode() for number in range(60)]
    salted = [hash(file) % 100 < 20 for file in many]
    by_salt = tuple([row for row in range(60) if salted[row] == part] for part in (False, True))
    if agrees(attempt(list(many), 20), by_salt):
        attempt.stop(
            "Python's `hash` of bytes is salted: it gives other numbers each time Python starts, "
            "so the test part of today is in the training part of tomorrow.",
            "`hashlib.sha256(file).hexdigest()` is the same everywhere and always.",
        )
    attempt.expect(
        attempt(list(files), 20),
        ([1, 4, 6], [0, 3]),
        Slip(
            ([1, 4, 5, 6], [0, 2, 3]),
            "Copies are still there. They do not leak, but a picture that stands twice counts "
            "twice in every score.",
            "Remember the contents you have seen, and keep the first of each.",
        ),
        Slip(
            ([0, 3], [1, 4, 6]),
            "The two parts are exchanged: the small one is the test part.",
            "Return the training rows first.",
        ),
        Slip(
            ([1, 6], [0, 3, 4]),
            "A remainder of exactly `percent` went to the test part: that are `percent` + 1 of "
            "100 remainders.",
            "Remainders run from 0 to 99; `percent` of them are below `percent`.",
        ),
        Slip(
            ([4, 5, 6], [2, 3]),
            "You kept the last of each content; asked for is the first.",
            "Skip a content that you have met before.",
        ),
        Slip(
            ([0, 1, 3, 4], [6]),
            "You cut by place: the last fifth is the test part, whatever the files hold.",
            "Decide for each file from its SHA-256 alone.",
        ),
        case="seven files, two of them copies",
    )
    # Reversed: last, seventy, twenty, nineteen, five, seventy, five.
    case = "the same files in reverse order"
    attempt.expect(attempt(files[::-1], 20), ([0, 1, 2], [3, 4]), case=case)
    attempt.expect(attempt([], 20), ([], []), case="no files at all")
    attempt.expect(attempt([nineteen], 0), ([0], []), case="a test part of 0 %")


@exercise(
    "Mean and spread belong to the model: they are learnt from the training part, one number for "
    "each channel, over all pictures and places."
)
def channel_statistics(attempt: Attempt) -> None:
    """channel_statistics(images, train): (N, 3, H, W) uint8, (M,) int64 → (3,), (3,)."""
    images = torch.tensor([0, 51, 102, 255]).view(4, 1, 1, 1) * torch.tensor([1, 0, 1]).view(
        3, 1, 1
    )
    images = (images + torch.tensor([0, 51, 0]).view(3, 1, 1)).repeat(1, 1, 1, 2)
    images[:, 2, :, 0] = 0
    images = images.to(torch.uint8)  # (4, 3, 1, 2): the second channel is 51 everywhere
    train = torch.tensor([1, 2])
    red, blue = torch.tensor([0.2, 0.2, 0.4, 0.4]), torch.tensor([0.0, 0.2, 0.0, 0.4])
    want = (
        torch.tensor([0.3, 0.2, 0.15]),
        torch.stack([red.std(), torch.tensor(0.0), blue.std()]),
    )
    everything, chosen = images / 255, images[train] / 255
    alike = _spread(red, blue, 0)
    attempt.expect(
        attempt(images.clone(), train.clone()),
        want,
        Slip(
            _statistics(everything),
            "You used all pictures: the ones you will be tested on have had their say.",
            "Index with `train` first.",
        ),
        Slip(
            (255 * want[0], 255 * want[1]),
            "These are grey values from 0 to 255; the network sees pixels from 0 to 1.",
            "Divide by 255.",
        ),
        Slip(
            (want[0], want[1].square()),
            "The second is the variance.",
            "Normalising divides by its root, the standard deviation.",
        ),
        Slip(
            (want[0], chosen.std((2, 3)).mean(0)),
            "You averaged the spreads within pictures. What differs *between* pictures, dark and "
            "bright ones, is lost.",
            "One `std` over pictures and places together: dimensions 0, 2 and 3.",
        ),
        Slip(
            (want[0], chosen.mean((2, 3)).std(0)),
            "That is the spread of the pictures' means; what differs within a picture is lost.",
            "One `std` over pictures and places together: dimensions 0, 2 and 3.",
        ),
        Slip(
            (want[0], alike),
            "The spread divides by the number of pixels. Asked for is PyTorch's default, which "
            "divides by one less.",
            "`Tensor.std` without `correction=0`.",
        ),
        Slip(
            (chosen.mean(), chosen.std()),
            "One number for all channels: a warm and a cold light would look alike.",
            "Keep dimension 1, the channels.",
        ),
        case="four pictures of 1 × 2 pixels, of which two are for training",
    )
    for count, height, width in ((6, 5, 3), (3, 2, 7)):
        images = torch.randint(0, 256, (count, 3, height, width), generator=attempt.random)
        rows = torch.randperm(count, generator=attempt.random)[: count - 2]
        pixels = torch.stack([images[row] for row in rows.tolist()], 1).flatten(1) / 255  # (3, n)
        spread, middle = torch.std_mean(pixels, dim=1)
        case = f"{len(rows)} of {count} pictures of {height} × {width}"
        attempt.expect(attempt(images.to(torch.uint8), rows), (middle, spread), case=case)


def _statistics(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Of all pictures (N, 3, H, W), for the hint about the leak."""
    spread, middle = torch.std_mean(pixels.transpose(0, 1).flatten(1), dim=1)
    return middle, spread


def _spread(red: Tensor, blue: Tensor, correction: int) -> Tensor:
    return torch.stack([c.std(correction=correction) for c in (red, torch.zeros(4), blue)])


@exercise(
    "Count the right answers of all batches, divide once. A mean of batch means gives the few "
    "pictures of a short last batch too much weight."
)
def accuracy(attempt: Attempt) -> None:
    """accuracy(batches): list of (logits (B, K), labels (B,)) → float."""
    cat, dog = [2.0, -1.0], [0.5, 3.0]
    batches = [
        (torch.tensor([cat, dog, cat, dog]), torch.tensor([0, 1, 0, 0])),
        (torch.tensor([dog, dog, cat, cat]), torch.tensor([1, 1, 0, 1])),
        (torch.tensor([cat]), torch.tensor([0])),
    ]
    attempt.expect(
        attempt([(x.clone(), y.clone()) for x, y in batches]),
        7 / 9,
        Slip(
            2.5 / 3,
            "You took the mean of the batches' accuracies: the one picture of the last batch "
            "weighs as much as four others.",
            "Add up right answers and pictures, and divide at the end.",
        ),
        Slip(
            7 / 12,
            "You counted every batch as full; the last one is short.",
            "Use `len(labels)` of each batch.",
        ),
        Slip(
            1.0,
            "That is the last batch alone.",
            "Add up over the loop (`+=`), and divide after it.",
        ),
        Slip(7.0, "That is how many are right, not which share.", "Divide by all pictures."),
        Slip(2 / 9, "That is the share of mistakes.", "Count where the answer equals the label."),
        Slip(700 / 9, "That is in per cent.", "A share lies between 0 and 1."),
        Slip(
            0.75,
            "That is the first batch alone: the `return` stands in the loop.",
            "Return after the last batch.",
        ),
        case="batches of 4, 4 and 1",
    )
    for sizes in ((5, 2), (1,)):
        answers = [torch.randint(3, (n,), generator=attempt.random) for n in sizes]
        right = [torch.rand(n, generator=attempt.random) < 0.6 for n in sizes]
        batches = [
            (F.one_hot(a, 3).float() * 4 - 1, torch.where(r, a, (a + 1) % 3))
            for a, r in zip(answers, right, strict=True)
        ]
        hits = sum(sum(r.tolist()) for r in right)
        case = "a single picture" if sizes == (1,) else "batches of 5 and 2, three classes"
        attempt.expect(attempt(batches), hits / sum(sizes), case=case)


@exercise(
    "At test time a picture takes one fixed way: whole, scaled with antialiasing, from 0 to 1, as "
    "a batch of one. Measure twice and you get the same number."
)
def evaluation_input(attempt: Attempt) -> None:
    """evaluation_input(image, size): (3, H, W) uint8, int → (1, 3, size, size) float."""
    ramp = torch.tensor([[0, 51, 102, 255], [0, 51, 255, 51], [255, 0, 51, 102], [0, 102, 0, 204]])
    image = torch.stack([ramp, ramp.T, 255 - ramp]).to(torch.uint8)  # (3, 4, 4)
    first, second = attempt(image.clone(), 2), attempt(image.clone(), 2)
    if isinstance(first, Tensor) and has_values(first) and not agrees(second, first):
        attempt.stop(
            "The same picture gave two different results: something random is left on.",
            "No `rand`, no random crop and no random flip belong here. They are for training.",
        )
    want = _scaled(image, 2)
    attempt.expect(first, want, *_resize_slips(image, 2, want), case="4 × 4 pixels made 2 × 2")
    for height, width, size in ((9, 5, 4), (6, 11, 3), (5, 7, 8)):
        image = torch.randint(0, 256, (3, height, width), generator=attempt.random).to(torch.uint8)
        want = _scaled(image, size)
        case = f"{height} × {width} pixels made {size} × {size}"
        attempt.expect(attempt(image, size), want, *_resize_slips(image, size, want), case=case)


def _scaled(image: Tensor, size: int, **how: object) -> Tensor:
    how = {"mode": "bilinear", "antialias": True} | how
    return F.interpolate(image[None].float(), (size, size), **how) / 255


def _resize_slips(image: Tensor, size: int, want: Tensor) -> list[Slip]:
    batch = "The network wants a batch, and this is a single picture."
    slips = [
        Slip(want[0], batch, "Add an axis in front: `image[None]` or `.unsqueeze(0)`."),
        Slip(
            want * 255,
            "The pixels still run from 0 to 255; in training they ran from 0 to 1.",
            "Divide by 255.",
        ),
        Slip(
            _scaled(image, size, mode="nearest", antialias=False),
            "Each result is one single pixel of the picture: whiskers come and go with the size.",
            'Use `mode="bilinear"` with `antialias=True`.',
        ),
        Slip(
            _scaled(image, size, antialias=False),
            "Most pixels were passed over, or would be in a larger picture: bilinear without "
            "antialiasing looks at four neighbours only, however much the picture shrinks. (Is it "
            "a plain mean of each block, `area`? Halving makes the two equal; training used "
            "neither.)",
            "Give `antialias=True`, as the training pictures were made.",
        ),
        Slip(
            want.flip(3),
            "The picture is mirrored. That is an augmentation, for training.",
            "Leave out the flip.",
        ),
        Slip(
            (want * 255).round() / 255,
            "The pixels were rounded to whole numbers on the way.",
            "Make them floats before you scale.",
        ),
    ]
    height, width = image.shape[1:]
    if min(height, width) >= size:
        top, left = (height - size) // 2, (width - size) // 2
        slips.append(
            Slip(
                image[None, :, top : top + size, left : left + size].float() / 255,
                "You cut out the middle, so an animal at the edge is gone.",
                "Scale the whole picture to size × size.",
            )
        )
    return slips


@exercise(
    "Average and linear layer may change places: so every place has its own share in the logit, "
    "and the map is just the maps, weighted with the row of the class."
)
def activation_map(attempt: Attempt) -> None:
    """activation_map(maps, weight, classes): (B, C, h, w), (K, C), (B,) → (B, h, w)."""
    maps = torch.tensor(
        [[[[1.0, 0.0, 2.0]], [[3.0, 1.0, 0.0]]], [[[0.0, 4.0, 1.0]], [[1.0, 1.0, 2.0]]]]
    )
    weight = torch.tensor([[1.0, -2.0], [0.5, 3.0], [-1.0, 1.0]])  # three classes, two channels
    classes = torch.tensor([1, 2])
    want = torch.tensor([[[9.5, 3.0, 1.0]], [[1.0, -3.0, 1.0]]])
    attempt.expect(
        attempt(maps.clone(), weight.clone(), classes.clone()),
        want,
        Slip(
            torch.tensor([[[-5.0, -2.0, 2.0]], [[-2.0, 2.0, -3.0]]]),
            "You used the weights of class 0 for every picture.",
            "`weight[classes]` takes the right row for each.",
        ),
        Slip(
            torch.tensor([[[9.5, 3.0, 1.0]], [[3.0, 5.0, 6.5]]]),
            "The whole batch got the class of the first picture.",
            "`weight[classes]` is (B, C): one row for each picture.",
        ),
        Slip(
            maps.mean(1),
            "That is the mean of the maps: where much is going on, not what speaks for a class.",
            "Weigh the channels with the row of the class before you add them up.",
        ),
        Slip(
            maps.sum(1),
            "You added up the maps without weights: where much is going on, not what speaks for "
            "a class.",
            "Weigh the channels with the row of the class before you add them up.",
        ),
        Slip(
            want.relu(),
            "What speaks *against* the class is gone; the map no longer adds up to the logit.",
            "No `relu` at the end.",
        ),
        Slip(
            want / 2,
            "You averaged over the channels; the linear layer adds them up.",
            "Sum over the channels.",
        ),
        Slip(
            torch.tensor([4.5, -1 / 3]),
            "That is the logit itself: you averaged over the places.",
            "Leave out the average; the places are what you want to see.",
        ),
        Slip(
            want.abs(),
            "The signs are gone, and for and against look alike.",
            "No `abs`: the map may be negative.",
        ),
        case="two pictures with three places, three classes",
    )
    for batch, channels, height, width in ((4, 5, 3, 2), (1, 3, 2, 4)):
        maps = torch.rand(batch, channels, height, width, generator=attempt.random)
        weight = torch.randn(4, channels, generator=attempt.random)
        classes = torch.randint(4, (batch,), generator=attempt.random)
        # A 1 × 1 convolution is the linear layer at every place.
        every = F.conv2d(maps, weight[:, :, None, None])  # (B, K, h, w)
        want = torch.stack([every[row, k] for row, k in enumerate(classes.tolist())])
        case = "a batch of one" if batch == 1 else f"{batch} pictures of {height} × {width} places"
        attempt.expect(attempt(maps, weight, classes), want, case=case)
    attempt.expect_no_loop()


class _Judge(nn.Module):
    """A linear network that tells in its answer whether it was in train mode."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)  # (K, 3, H, W)

    def forward(self, images: Tensor) -> Tensor:
        logits = torch.einsum("bchw,kchw->bk", images, self.weight)
        return logits + 0.7 * torch.arange(len(self.weight)) if self.training else logits


@exercise(
    "A mirrored cat is a cat, so two looks may be averaged: in eval mode, without gradients, the "
    "caller's mode restored, and nothing random in it."
)
def two_looks(attempt: Attempt) -> None:
    """two_looks(model, images): …, (B, 3, H, W) → (B, K) probabilities."""
    for batch, classes, training in ((4, 2, True), (1, 3, False)):
        shape = (3, 4, 5)
        judge = _Judge(torch.randn(classes, *shape, generator=attempt.random)).train(training)
        images = torch.rand(batch, *shape, generator=attempt.random)
        with torch.no_grad():
            # Linear: the mean of two looks is one look at the mean of picture and mirror image.
            mirror, upside = images.flip(-1), images.flip(-2)
            weight = judge.weight.flatten(1)  # (K, C·H·W)

            def logits(pictures: Tensor, weight: Tensor = weight) -> Tensor:
                return pictures.flatten(1) @ weight.T

            both = logits((images + mirror) / 2)
            shifted = 0.7 * torch.arange(classes)
        got = attempt(judge, images)
        case = "a batch of one" if batch == 1 else "a model that came in train mode"
        attempt.expect(
            got.detach() if isinstance(got, Tensor) else got,
            both.softmax(1),
            Slip(
                (both + shifted).softmax(1),
                "The model worked in train mode: dropout and BatchNorm would make the answer "
                "depend on chance and on the other pictures.",
                "Call `model.eval()` first, and put the mode back afterwards.",
            ),
            Slip(
                logits((images + upside) / 2).softmax(1),
                "You turned the pictures upside down; hardly a cat was photographed like that.",
                "The width is the last axis: flip dimension 3.",
            ),
            Slip(
                both,
                "These are logits; asked for are probabilities.",
                "A `softmax` over the classes, after the mean.",
            ),
            Slip(
                (2 * both).softmax(1),
                "You added the two looks up. Logits twice as large make the network twice as sure.",
                "Take their mean.",
            ),
            Slip(
                (logits(images).softmax(1) + logits(mirror).softmax(1)) / 2,
                "You averaged probabilities; asked for is the mean of the logits, then softmax.",
                "Change the order of the two steps.",
            ),
            Slip(
                logits(images).softmax(1),
                "That is one look; the mirror image plays no part.",
                "Ask the model about `images.flip(3)` as well.",
            ),
            Slip(
                both.softmax(0),
                "The probabilities of a *picture* have to add up to 1, not those of a class.",
                "`softmax(dim=1)`.",
            ),
            case=case,
        )
        if got.requires_grad:
            attempt.stop(
                "The values are right, but they keep the record for a backward pass: memory for "
                "nothing.",
                "Put `@torch.no_grad()` above the function.",
            )


@exercise(
    "A threshold is a choice: moving it trades mistakes of one kind for mistakes of the other, "
    "and the four counts show both."
)
def confusion(attempt: Attempt) -> None:
    """confusion(logits, labels, threshold): (N, 2), (N,), float → (2, 2) int64."""
    share = torch.tensor([0.15, 0.6, 0.75, 0.8, 0.9, 0.25])  # probability of "dog"
    logits = torch.stack([(1 - share).log() + 3, share.log() + 3], 1)  # shifted: no matter
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    want = torch.tensor([[2, 1], [1, 2]])
    attempt.expect(
        attempt(logits.clone(), labels.clone(), 0.7),
        want,
        Slip(
            torch.tensor([[1, 2], [1, 2]]),
            "The threshold changes nothing: you took the likelier class, which is a threshold of "
            "one half.",
            "Compare the probability of “dog” with `threshold`.",
        ),
        Slip(
            torch.tensor([[0, 3], [0, 3]]),
            "You compared a logit with the threshold, or the sigmoid of one. Adding 3 to both "
            "logits changes no probability, but would change your answer.",
            "`softmax` first.",
        ),
        Slip(
            torch.tensor([[2, 1], [2, 1]]),
            "You compared the probability of “cat” with the threshold.",
            "“dog” is column 1.",
        ),
        Slip(
            torch.tensor([[1, 2], [2, 1]]),
            "“cat” and “dog” are exchanged in the answers: label 1 is the dog.",
            "The answer is 1 where “dog” reaches the threshold.",
        ),
        Slip(
            want / 6,
            "These are shares; asked for are counts.",
            "Do not divide.",
        ),
        case="six pictures and a threshold of 0.7",
    )
    lopsided = torch.tensor([0.2, 0.9, 0.95, 0.85])
    logits = torch.stack([(1 - lopsided).log(), lopsided.log()], 1)
    attempt.expect(
        attempt(logits, torch.tensor([1, 1, 0, 0]), 0.5),
        torch.tensor([[0, 2], [1, 1]]),
        Slip(
            torch.tensor([[0, 1], [2, 1]]),
            "Rows and columns are exchanged: you put the answer into the row.",
            "The row is the true class, the column the answer.",
        ),
        case="more cats taken for dogs than the other way round",
    )
    attempt.expect(
        attempt(torch.tensor([[1.5, 1.5], [0.0, 0.0]]), torch.tensor([1, 0]), 0.5),
        torch.tensor([[0, 1], [0, 1]]),
        Slip(
            torch.tensor([[1, 0], [1, 0]]),
            "A probability of exactly the threshold has *reached* it: the answer is “dog”.",
            "Use `>=`.",
        ),
        case="exactly one half",
    )
    for count in (30, 1):
        logits = torch.randn(count, 2, generator=attempt.random)
        labels = torch.randint(2, (count,), generator=attempt.random)
        # p(dog) = 0.8 where the logits differ by log 4.
        dogs = logits[:, 1] - logits[:, 0] >= torch.tensor(4.0).log()
        want = torch.zeros(2, 2, dtype=torch.long)
        for label, dog in zip(labels.tolist(), dogs.tolist(), strict=True):
            want[label, int(dog)] += 1
        case = "a single picture" if count == 1 else f"{count} pictures and a threshold of 0.8"
        attempt.expect(attempt(logits, labels, 0.8), want, case=case)
