"""Checkers of chapter 3's lab 3: speed."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.data import Dataset

from torchcourse.checks.compare import agrees
from torchcourse.checks.core import Attempt, Slip, exercise


class _Device:
    """A make-believe GPU with a clock of its own, so that timing it gives exact numbers.

    `work` takes the caller 1 ms to hand over and the device so long as `durations` says;
    `synchronize` waits for all of it.
    """

    def __init__(self, durations: list[float], left_over: float = 0.0) -> None:
        self.durations, self.pending, self.now = durations, left_over, 0.0
        self.calls = self.looks = 0

    def work(self) -> None:
        self.now += 1.0
        self.pending += self.durations[self.calls % len(self.durations)]
        self.calls += 1

    def synchronize(self) -> None:
        self.now += self.pending
        self.pending = 0.0

    def clock(self) -> float:
        self.looks += 1
        return self.now / 1000  # seconds, as time.perf_counter


@exercise(
    "Warm-up, wait, look, run, wait, look, and the median: now a number means something. "
    "torch.utils.benchmark does the same."
)
def median_ms(attempt: Attempt) -> None:
    """median_ms(function, runs, warm_up, synchronize, clock) → milliseconds, a float."""
    device = _Device([900.0, 500.0, 10.0, 14.0, 11.0, 300.0, 13.0])
    got = attempt(device.work, 5, 2, device.synchronize, device.clock)
    attempt.expect(
        got,
        14.0,  # each run takes 1 ms more than the device: 11, 15, 12, 301, 14
        Slip(0.014, "Your answer is in seconds.", "The clock counts seconds: multiply by 1000."),
        Slip(
            1.0,
            "You timed how long the work takes to hand over, not how long it takes.",
            "Wait for the device after the call, before you look at the clock again.",
        ),
        Slip(
            70.6 if device.looks < 10 else torch.nan,
            "You timed all runs together and divided: that is a mean, and one hiccup moves it.",
            "Look at the clock before and after each run, and take the median.",
        ),
        Slip(
            70.6,
            "You took the mean: one hiccup of 300 ms moved it far from a usual run.",
            "Sort the times and take the middle one; `statistics.median` does.",
        ),
        Slip(
            11.0,
            "You took the fastest run. That is the luckiest one, not a usual one.",
            "Take the median of the times.",
        ),
        Slip(
            15.0 if device.looks > 10 else torch.nan,
            "The warm-up runs are among the times you took the median of.",
            "Call the function `warm_up` times first, with no clock running.",
        ),
        Slip(
            15.0,
            "The first run pays for the warm-up, which was still going on when you looked.",
            "Wait for the device before you look at the clock the first time, too.",
        ),
        case="a GPU whose runs take 10, 14, 11, 300 and 13 ms, and 1 ms to hand over",
    )
    if device.calls != 7:
        attempt.stop(
            f"You called the function {device.calls} times, not warm_up + runs = 7 times.",
            "Loop over `range(warm_up)`, then over `range(runs)`.",
        )
    device = _Device([10.0], left_over=400.0)
    attempt.expect(
        attempt(device.work, 1, 0, device.synchronize, device.clock),
        11.0,
        Slip(
            411.0,
            "The first run pays for work that was still going on before it.",
            "Wait for the device before you look at the clock the first time, too.",
        ),
        case="a GPU that is still busy with something else",
    )
    device = _Device([10.0, 20.0, 40.0, 80.0])
    attempt.expect(
        attempt(device.work, 4, 0, device.synchronize, device.clock),
        31.0,
        Slip(
            41.0,
            "With an even number of runs you took the upper one of the two in the middle.",
            "The median is their mean; `statistics.median` looks after that.",
        ),
        Slip(
            21.0,
            "With an even number of runs you took the lower one of the two in the middle.",
            "The median is their mean; `torch.median` gives the lower, `statistics.median` is "
            "right.",
        ),
        case="an even number of runs",
    )


class _Source(Dataset):
    """Five pictures that are slow to read: it counts how often each one is."""

    def __init__(self) -> None:
        self.reads = [0] * 5

    def __len__(self) -> int:
        return 5

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        if not 0 <= row < 5:
            raise IndexError(row)
        self.reads[row] += 1
        return self.image(row), 10 + row

    @staticmethod
    def image(row: int) -> torch.Tensor:
        return torch.arange(6.0).reshape(1, 2, 3) + 100 * row


@exercise(
    "What is not random is read once; what is random runs at every access, on a copy. That is a "
    "cache that leaves the augmentation alive.",
    takes=type,
)
def CachedDataset(attempt: Attempt) -> None:
    """CachedDataset(source, transform=None): items of source, read once, transformed each time."""
    source = _Source()
    data = attempt(source, None)
    attempt.expect(attempt.run(lambda: len(data)), 5, name="the length")
    for row in (3, 1, 3):
        attempt.expect(
            attempt.run(lambda row=row: data[row]),
            (_Source.image(row), 10 + row),
            Slip(
                _Source.image(row),
                "The label is lost: you gave back the image alone.",
                "An item is a pair, image and label, as in the source.",
            ),
            case=f"item {row}, without a transform",
        )
    if max(source.reads) > 1:
        attempt.stop(
            f"Items of the source were read {max(source.reads)} times. Each reading is slow, "
            "which is why they should be kept.",
            "Keep what you have read, in a list or a dictionary, and look there first.",
        )
    plain = attempt(_Source())
    attempt.expect(
        attempt.run(lambda: plain[2]), (_Source.image(2), 12), case="no transform given at all"
    )
    _stays_random(attempt)
    _survives_writing(attempt)


def _stays_random(attempt: Attempt) -> None:
    """Stop if two looks at an item are the same although the transform is random."""
    source, seen = _Source(), []

    def brighter(image: torch.Tensor) -> torch.Tensor:
        seen.append(image)
        return image + len(seen)

    data = attempt(source, brighter)
    looks = [attempt.run(lambda: data[4]) for _ in range(3)]
    images = [look[0] if isinstance(look, (tuple, list)) and look else look for look in looks]
    if not seen:
        attempt.stop(
            "Your data set never calls the transform.",
            "Apply it to the image before you return it.",
        )
    if agrees(images[0], images[1]) and agrees(images[1], images[2]):
        attempt.stop(
            "Three looks at one item gave the same picture: what you keep is already transformed, "
            "so the augmentation is frozen.",
            "Keep the item as it came from the source, and transform it at each access.",
        )
    if any(not agrees(image, _Source.image(4)) for image in seen if image.max() > 400):
        attempt.stop(
            "The transform got a picture that was transformed before: changes add up.",
            "Do not write the transformed picture back into what you keep.",
        )
    if max(source.reads) > 1:
        attempt.stop(
            "With a transform, items of the source are read again and again.",
            "Keep what you have read; only the transform runs anew.",
        )


def _survives_writing(attempt: Attempt) -> None:
    """Stop if a transform that works in place changes what is kept."""
    data = attempt(_Source(), lambda image: image.mul_(2))
    for _ in range(2):
        attempt.expect(
            attempt.run(lambda: data[1]),
            (2 * _Source.image(1), 11),
            Slip(
                (4 * _Source.image(1), 11),
                "A transform that works in place changed what you keep: at the second look the "
                "picture is doubled twice.",
                "Hand the transform a copy: `image.clone()`.",
            ),
            case="a transform that works in place",
        )


@exercise(
    "Each part weighted by its share, one clearing, one step: a batch that does not fit into "
    "memory, without changing the mathematics."
)
def accumulate_step(attempt: Attempt) -> None:
    """accumulate_step(model, loss_fn, optimizer, x, y, size): one step in parts; → mean loss."""
    x = torch.tensor([[1.0], [2.0], [3.0]])
    model, loss, events = _one_weight(attempt, x, stale=None)
    attempt.expect(
        model.weight.detach(),
        torch.tensor([[0.72]]),  # gradient 2/3 · (1 + 4 + 9) = 28/3, times 0.03
        Slip(
            torch.tensor([[0.54]]),
            "You took `size` for the number of rows in each part; the last part has fewer.",
            "The share of a part is `len(part) / len(x)`.",
        ),
        Slip(
            torch.tensor([[0.31]]),
            "The gradients of the parts are added as if each were the whole batch: the step is "
            "too long.",
            "Multiply each part's loss by its share, len(part) / len(x), before `backward`.",
        ),
        Slip(
            torch.tensor([[0.655]]),
            "You divided by the number of parts. The last part is smaller, and weighs too much.",
            "Weight each part's loss by its share of the images, len(part) / len(x).",
        ),
        *(
            Slip(
                torch.tensor([[weight]]),
                "You stepped after each part: small batches in disguise, not a large one.",
                "Let gradients add up over all parts; call `optimizer.step()` once, at the end.",
            )
            for weight in (0.738, 0.391, 0.241, 0.63, 0.64, 0.637, 0.638)
        ),
        *(
            Slip(
                torch.tensor([[weight]]),
                "Only the last part counts: you cleared the gradients before each part.",
                "Call `optimizer.zero_grad()` once, before the first part.",
            )
            for weight in (0.82, 0.46, 0.73)
        ),
        Slip(
            torch.tensor([[1.0]]),
            "The weights did not move.",
            "`backward()` only collects; `optimizer.step()` uses what was collected.",
        ),
        name="the weight after the step",
        case="w = 1, x = 1, 2, 3, parts of 2",
    )
    if max(count for kind_, count in events if kind_ == "forward") > 2:
        attempt.stop(
            "You sent the whole batch through the model at once. If it had fitted into memory, "
            "nobody would have asked.",
            "Cut x and y into parts of `size`: `x.split(size)`.",
        )
    order = [kind_ for kind_, _ in events]
    if order[:2] == ["forward", "forward"]:
        attempt.stop(
            "You went forward through all parts before the first backward: all graphs lie in "
            "memory together, and nothing is saved.",
            "Call `backward()` for each part, right after its loss.",
        )
    attempt.expect(
        loss,
        14 / 3,
        Slip(
            5.75,
            "The loss you return is the mean of the parts' means; the small part weighs too much.",
            "Add up `share * loss` of all parts.",
        ),
        Slip(9.0, "You returned the loss of the last part.", "Add up `share * loss` of all parts."),
        Slip(
            3.0,
            "You returned the loss of the last part, weighted.",
            "Add up `share * loss` of all parts.",
        ),
        name="the mean loss",
    )
    model, _, _ = _one_weight(attempt, x, stale=100.0)
    attempt.expect(
        model.weight.detach(),
        torch.tensor([[0.72]]),
        Slip(
            torch.tensor([[-2.28]]),
            "Gradients of an earlier step were still there, and counted once more.",
            "`optimizer.zero_grad()` before the first part.",
        ),
        name="the weight after the step",
        case="gradients left over from before",
    )
    _matches_large_batch(attempt)


def _one_weight(
    attempt: Attempt, x: torch.Tensor, stale: float | None
) -> tuple[nn.Linear, object, list[tuple[str, int]]]:
    """One step of a model with a single weight; what it did, in order."""
    model, events = nn.Linear(1, 1, bias=False), []
    nn.init.ones_(model.weight)
    if stale is not None:
        model.weight.grad = torch.full_like(model.weight, stale)
    model.register_forward_pre_hook(lambda m, args: events.append(("forward", len(args[0]))))
    model.weight.register_hook(lambda grad: events.append(("backward", 0)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03)
    loss = attempt.run(
        attempt.answer, model, nn.MSELoss(), optimizer, x, torch.zeros(3, 1), 2, may_change=True
    )
    if loss is None or loss is ...:
        moved = not torch.equal(model.weight.detach(), torch.ones(1, 1))
        if moved:
            attempt.stop("You do not return the mean loss.", "End with `return`, and a number.")
        attempt.expect(loss, 14 / 3)
    return model, loss, events


def _matches_large_batch(attempt: Attempt) -> None:
    """A network of two layers and ten classes, against one step with the whole batch."""
    x = torch.randn(10, 6, generator=attempt.random)
    y = torch.randint(0, 4, (10,), generator=attempt.random)
    for size, case in ((4, "10 images in parts of 4"), (10, "one part"), (99, "a size above all")):
        models = []
        for _ in range(2):
            torch.manual_seed(0)
            models.append(nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4)))
        mine, whole = models
        optimizers = [torch.optim.SGD(model.parameters(), lr=0.5) for model in models]
        loss_fn = nn.CrossEntropyLoss()
        loss = attempt.run(
            attempt.answer, mine, loss_fn, optimizers[0], x, y, size, may_change=True
        )
        true = loss_fn(whole(x), y)
        true.backward()
        optimizers[1].step()
        attempt.expect(loss, true.item(), case=case, name="the mean loss")
        attempt.expect(
            [p.detach() for p in mine.parameters()],
            [p.detach() for p in whole.parameters()],
            case=case,
            name="the list of parameters",
        )


@exercise(
    "Shares, not places: every image counts once, wherever it was, and a rank without images "
    "counts nothing."
)
def average_gradients(attempt: Attempt) -> None:
    """average_gradients(gradients, counts): (R, P), (R,) int → gradient of the whole batch (P,)."""
    gradients, counts = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([3, 1])
    attempt.expect(
        attempt(gradients, counts),
        torch.tensor([1.5, 2.5]),
        Slip(
            torch.tensor([2.0, 3.0]),
            "You took the plain mean: the rank with one image counts as much as the one with "
            "three.",
            "Multiply each rank's gradient by its number of images, and divide by all images.",
        ),
        Slip(
            torch.tensor([3.0, 1.5]),
            "The counts lie along the wrong dimension: they weighted parameters, not ranks. On a "
            "square table nothing complains.",
            "One count for each row: give `counts` the shape (R, 1).",
        ),
        Slip(
            torch.tensor([6.0, 10.0]),
            "You added up and did not divide.",
            "Divide by the number of all images.",
        ),
        Slip(
            torch.tensor([3.0, 5.0]),
            "You divided by the number of ranks, not by the number of images.",
            "Divide by `counts.sum()`.",
        ),
        Slip(
            torch.tensor([4.0, 6.0]),
            "You added the ranks' gradients; each is a mean already.",
            "Weight them by their share of the images.",
        ),
        case="3 images on rank 0, 1 image on rank 1",
    )
    per_image = torch.randn(12, 5, generator=attempt.random)
    sizes = [6, 1, 5]
    attempt.expect(
        attempt(torch.stack([p.mean(0) for p in per_image.split(sizes)]), torch.tensor(sizes)),
        per_image.mean(0),
        case="three ranks, five parameters",
    )
    attempt.expect(
        attempt(torch.tensor([[2.0, 3.0, 4.0]]), torch.tensor([7])),
        torch.tensor([2.0, 3.0, 4.0]),
        case="a single rank",
    )
    empty = torch.tensor([[1.0, 2.0, 3.0], [torch.nan] * 3])
    got = attempt(empty, torch.tensor([2, 0]))
    if isinstance(got, torch.Tensor) and got.is_floating_point() and bool(got.isnan().any()):
        attempt.stop(
            "A rank without images has the mean of nothing, NaN, and your average passes it on: "
            "0 · NaN is NaN.",
            "Leave out ranks whose count is 0 before you multiply.",
            expected=empty[0],
            gave=got,
        )
    attempt.expect(got, empty[0], case="a rank without images")


@exercise(
    "One coin for each image, drawn at once, and `torch.where` to use them: a batch augmented "
    "without a loop and without uniformity."
)
def flip_batch(attempt: Attempt) -> None:
    """flip_batch(images, probability): (B, C, H, W) → each image mirrored or not, by its coin."""
    images = torch.arange(48, dtype=torch.uint8).reshape(4, 2, 2, 3)
    attempt.expect(
        attempt(images.clone(), 1.0),
        images.flip(-1),
        Slip(
            images.flip(-2),
            "The images stand on their heads: you flipped the rows.",
            "The last dimension is the width; `flip(-1)` exchanges left and right.",
        ),
        Slip(
            images.flip(0),
            "You reversed the order of the images, not the images.",
            "The last dimension is the width; `flip(-1)` exchanges left and right.",
        ),
        Slip(
            images,
            "With probability 1 no image was mirrored.",
            "`torch.rand(B) < probability` is True with that probability.",
        ),
        case="probability 1",
    )
    attempt.expect(
        attempt(images.clone(), 0.0),
        images,
        Slip(
            images.flip(-1),
            "With probability 0 every image was mirrored.",
            "Give the images themselves where the coin says no.",
        ),
        case="probability 0",
    )
    _fair_coins(attempt)
    one = torch.rand(1, 3, 4, 5, generator=attempt.random)
    attempt.expect(attempt(one.clone(), 1.0), one.flip(-1), case="a batch of one, floats")
    attempt.expect_no_loop()


def _fair_coins(attempt: Attempt) -> None:
    """Stop unless each image has its own coin, of the right probability."""
    images = torch.rand(400, 1, 3, 5, generator=attempt.random)
    got = attempt(images.clone(), 0.25)
    if not isinstance(got, torch.Tensor) or got.shape != images.shape:
        attempt.expect(got, images, case="400 images")
    same = (got == images).flatten(1).all(1)
    mirrored = (got == images.flip(-1)).flatten(1).all(1)
    if not bool((same | mirrored).all()):
        attempt.stop(
            "Some images are neither themselves nor their mirror image: rows or channels of one "
            "image had coins of their own.",
            "One coin an image: draw (B,) numbers and give them the shape (B, 1, 1, 1).",
        )
    share = mirrored.float().mean().item()
    if share in (0.0, 1.0):
        attempt.stop(
            "All 400 images got the same coin: mirrored all, or none.",
            "Draw as many numbers as there are images: `torch.rand(len(images))`.",
        )
    if not 0.15 < share < 0.35:
        attempt.stop(
            f"With probability 0.25, {share:.0%} of 400 images were mirrored.",
            "A uniform number is *below* p with probability p.",
        )
