"""Checkers of chapter 3's lab 2: the training loop."""

from __future__ import annotations

import itertools
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from torchcourse.checks.compare import agrees, kind
from torchcourse.checks.core import Attempt, Slip, exercise
from torchcourse.train import History


def _item(dataset: object, index: int) -> object:
    return dataset[index]


@exercise(
    "A Dataset keeps bytes and prepares a sample only when it is asked for: so each epoch sees "
    "freshly augmented pictures, and the memory holds a quarter of what floats would take.",
    takes=type,
)
def PictureSet(attempt: Attempt) -> None:
    """PictureSet(images, labels, transform=None): (N, 1, H, W) uint8, (N,) → samples."""
    images = torch.tensor([[[[0, 255]]], [[[51, 102]]], [[[255, 0]]]], dtype=torch.uint8)
    labels, before = torch.tensor([7, 0, 4]), images.clone()
    dataset = attempt(images, labels)
    attempt.expect(
        attempt.run(len, dataset, may_change=True),
        3,
        Slip(
            6,
            "Your length counts pixels, not pictures.",
            "A sample is one picture: `len(images)` is the size of the first dimension.",
        ),
        name="len(dataset)",
    )
    image = torch.tensor([[[0.2, 0.4]]])
    attempt.expect(
        attempt.run(_item, dataset, 1, may_change=True),
        (image, 0),
        Slip(
            (image[None], 0),
            "Your sample has a batch dimension of its own.",
            "`images[index]` is one picture; a slice keeps the dimension. Batches are the "
            "loader's job.",
        ),
        Slip(
            (before[1], 0),
            "Your sample still holds bytes from 0 to 255.",
            "Make them floats, then bring them to 0 … 1.",
        ),
        Slip(
            (before[1].float(), 0),
            "Your floats still run from 0 to 255.",
            "Divide by 255, the largest value a byte can have.",
        ),
        Slip(
            (torch.tensor([[[0.5, 1.0]]]), 0),
            "You divided by the picture's own maximum, so a pale picture looks like a strong one.",
            "The same number for all pictures: 255.",
        ),
        Slip(
            (image, torch.tensor(0)),
            "The label is a tensor, and a plain int is asked for.",
            "`.item()` takes the number out. The loader makes a tensor of all labels of a batch.",
        ),
        name="dataset[1]",
    )
    _check_transform(attempt, images, labels)
    seen = attempt.run(lambda d: sum(1 for _ in itertools.islice(d, 9)), dataset, may_change=True)
    attempt.expect(
        seen,
        3,
        Slip(
            9,
            "A `for` over your data set never ends: beyond the last sample it must raise "
            "IndexError.",
            "Index the tensor itself, without `%`; it raises the right error by itself.",
        ),
        name="the number of samples a `for` loop meets",
    )
    if not torch.equal(images, before):
        attempt.stop(
            "The samples are right, but the stored pictures have changed.",
            "Compute a new tensor in `__getitem__`; write nothing into the old one.",
        )
    for count in (5, 1):
        pictures = torch.randint(256, (count, 1, 4, 7), generator=attempt.random).byte()
        dataset = attempt(pictures, torch.arange(count))
        kept = [v for v in getattr(dataset, "__dict__", {}).values() if isinstance(v, Tensor)]
        if any(v.is_floating_point() and v.numel() >= pictures.numel() for v in kept):
            attempt.stop(
                "You keep all pictures as floats, which takes four times the memory of bytes.",
                "Keep the bytes as they came; make floats of one picture in `__getitem__`.",
            )
        want = (pictures[count - 1].double() / 255).float()
        attempt.expect(
            attempt.run(_item, dataset, count - 1, may_change=True),
            (want, count - 1),
            case=f"{count} picture(s) of 4×7",
        )


def _check_transform(attempt: Attempt, images: Tensor, labels: Tensor) -> None:
    """The transform gets a ready float picture, anew at each access."""
    got: list[Tensor] = []

    def brighten(image: Tensor) -> Tensor:
        got.append(image)
        return image + len(got)

    dataset = attempt(images, labels, brighten)
    if got:
        attempt.stop(
            "You ran the transform when the data set was built: every epoch would see the same "
            '"random" pictures.',
            "Keep the function, and call it in `__getitem__`.",
        )
    plain = torch.tensor([[[0.0, 1.0]]])
    first = attempt.run(_item, dataset, 0, may_change=True)
    if got and not (isinstance(got[0], Tensor) and got[0].dtype == torch.float32):
        attempt.stop(
            "Your transform gets the raw bytes, before they are floats from 0 to 1.",
            "First the float picture, then the transform.",
            gave=got[0],
        )
    attempt.expect(
        first,
        (plain + 1, 7),
        Slip((plain, 7), "Your samples ignore the transform.", "Apply it if it is not None."),
        case="a transform that adds 1 at the first call, 2 at the second",
    )
    attempt.expect(
        attempt.run(_item, dataset, 0, may_change=True),
        (plain + 2, 7),
        Slip(
            (plain + 1, 7),
            "The same sample came twice: you keep what the transform returned.",
            "Keep the bytes, and transform at each access.",
        ),
        case="the same index asked for again",
    )


class _Moody(nn.Module):
    """Answers with its input in eval mode, with the opposite in train mode; remembers how."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.recorded.append(torch.is_grad_enabled())
        return -x if self.training else x


def _scores(rights: list[bool]) -> TensorDataset:
    """Samples of three classes, (N, 3) logits and (N,) labels, right as given."""
    logits = torch.eye(3)[torch.arange(len(rights)) % 3]  # (N, 3)
    logits = logits + torch.tensor([0.0, 0.1, 0.2])  # no ties; -logits is never right either
    wrong = (logits.argmax(1) + 1) % 3  # not what the opposite gives
    wrong = torch.where(wrong == (-logits).argmax(1), (wrong + 1) % 3, wrong)
    return TensorDataset(logits, torch.where(torch.tensor(rights), logits.argmax(1), wrong))


@exercise(
    "Eval mode while measuring, no graph, samples counted and not batches, and the model handed "
    "back as it came: this number you may believe."
)
def accuracy(attempt: Attempt) -> None:
    """accuracy(model, loader): → the share of right answers, a float."""
    rights = [True] * 4 + [True, True, False, False] + [True, False]
    loader, model = DataLoader(_scores(rights), batch_size=4), _Moody()
    attempt.expect(
        attempt.run(attempt.answer, model, loader, may_change=True),
        0.7,
        Slip(
            0.0,
            "You measured in train mode: dropout would drop, and batch norm use its batch.",
            "`model.eval()` comes before the first batch.",
        ),
        Slip(
            2 / 3,
            "You averaged the batches' accuracies, 1, 0.5 and 0.5. The last batch has only two "
            "samples and counts as much as four.",
            "Add up right answers and samples, and divide once, at the end.",
        ),
        Slip(
            7 / 12,
            "You divided by batches times batch size, 12. There are only 10 samples.",
            "Count the targets that really came: `len(targets)`.",
        ),
        Slip(0.5, "That is the accuracy of the last batch.", "Sum over all batches."),
        Slip(70.0, "That is a percentage.", "Return the share, from 0 to 1."),
        Slip(
            torch.tensor(0.7),
            "The value is right, but it is a tensor.",
            "`.item()` takes the number out of it.",
        ),
        case="10 samples in batches of 4, 4 and 2, of which 4, 2 and 1 are right",
    )
    if not model.training:
        attempt.stop(
            "You left the model in eval mode: the next epoch would train without dropout.",
            "Remember `model.training` at the start, and put it back at the end.",
        )
    if any(model.recorded):
        attempt.stop(
            "The number is right, but every batch recorded a graph nobody needs.",
            "`torch.no_grad()` around the loop, or as a decorator.",
        )
    model.eval()
    attempt.run(attempt.answer, model, loader, may_change=True)
    if model.training:
        attempt.stop(
            "The model came in eval mode and went out in train mode.",
            "Not always `model.train()`: put back the mode it had.",
        )
    for count, size in ((7, 3), (1, 1), (6, 6)):
        rights = (torch.rand(count, generator=attempt.random) > 0.4).tolist()
        got = attempt.run(
            attempt.answer, _Moody(), DataLoader(_scores(rights), size), may_change=True
        )
        attempt.expect(got, sum(rights) / count, case=f"{count} sample(s), batches of {size}")


class _Watched(nn.Linear):
    """One weight, which starts at 0; remembers the mode of every pass."""

    def __init__(self) -> None:
        super().__init__(1, 1, bias=False)
        nn.init.zeros_(self.weight)
        self.modes: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.modes.append(self.training)
        return super().forward(x)


def _watched_run(attempt: Attempt, epochs: int, batches: int) -> tuple[object, _Watched, list]:
    """The learner's result, the model, and whom `validate` was called with."""
    model, guests = _Watched().eval(), []

    def validate(guest: nn.Module) -> float:
        guests.append(guest)
        guest.eval()
        return model.weight.item()

    loader = [(torch.ones(1, 1), torch.ones(1, 1)) for _ in range(batches)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.25)
    got = attempt.run(
        attempt.answer,
        *(model, loader, optimizer, nn.MSELoss(), epochs, validate),
        may_change=True,
    )
    return got, model, guests


@exercise(
    "`train()` belongs to the top of every epoch, because validation has switched it off since. "
    "The score hardly shows this bug; now your loop cannot have it."
)
def train_and_validate(attempt: Attempt) -> None:
    """train_and_validate(model, loader, optimizer, loss_fn, epochs, validate) → list of results."""
    got, model, guests = _watched_run(attempt, epochs=2, batches=2)
    attempt.expect(
        got,
        [0.75, 0.9375],  # the weight halves its distance to 1 with each of the 4 steps
        Slip(
            [0.0, 0.75],
            "You validate before the epoch's training.",
            "First all batches, then `validate(model)`.",
        ),
        Slip(
            [0.9375],
            "You validated once, after everything.",
            "`validate(model)` belongs into the loop over epochs, behind the loop over batches.",
        ),
        Slip(
            [0.5, 0.75, 0.875, 0.9375],
            "You validated after every batch.",
            "Move it out of the inner loop.",
        ),
        Slip(
            [1.25, 2.0625],
            "Your steps still contain the gradients of earlier steps.",
            "`optimizer.zero_grad()` before each `backward()`.",
        ),
        Slip(
            [1.25, 0.9375],
            "You clear the gradients once per epoch, so they pile up within it.",
            "`optimizer.zero_grad()` for every batch.",
        ),
        Slip(
            [0.0, 0.0],
            "The weights never change.",
            "Is there an `optimizer.step()` after `backward()`, for every batch?",
        ),
        Slip(
            0.9375,
            "You returned the last result alone.",
            "Collect one result per epoch in a list.",
        ),
        case="a weight that each step brings half way from 0 to 1, 2 batches, 2 epochs",
    )
    if not all(guest is model for guest in guests):
        attempt.stop(
            "`validate` was not called with the model you trained.", "Pass `model` itself."
        )
    _check_modes(attempt, model.modes)
    for epochs, batches in ((3, 1), (1, 3), (0, 2)):
        got, model, _ = _watched_run(attempt, epochs, batches)
        want = [1 - 0.5 ** (batches * epoch) for epoch in range(1, epochs + 1)]
        attempt.expect(got, want, case=f"{epochs} epoch(s) of {batches} batch(es)")
        _check_modes(attempt, model.modes)


def _check_modes(attempt: Attempt, modes: list[bool]) -> None:
    if modes and not modes[0]:
        attempt.stop(
            "You never switch the model to train mode: it came in eval mode and trained in it.",
            "`model.train()` before the batches.",
        )
    if not all(modes):
        attempt.stop(
            "From the second epoch on you train in eval mode: `validate` switched it, and nobody "
            "switched back.",
            "`model.train()` as the first line of every epoch, not before the loop.",
        )


TRAIN, HELD = 12, 5  # pictures in the training and in the validation part of the test


def _numbered(count: int) -> TensorDataset:
    """Pictures (N, 1, 1, 2) that show their own number, labels likewise."""
    numbers = torch.arange(count)
    return TensorDataset(numbers.float()[:, None, None, None].expand(-1, 1, 1, 2), numbers)


class _Epoch:
    """One pass over a loader: sizes of its batches, labels in order, how much was added."""

    def __init__(self, attempt: Attempt, loader: DataLoader, part: str) -> None:
        batches = attempt.run(list, loader, may_change=True)
        try:
            self.sizes = [len(labels) for _, labels in batches]
            self.labels = torch.cat([labels for _, labels in batches]).tolist()
            images = torch.cat([images for images, _ in batches])  # (N, 1, 1, 2)
            self.added = (images[:, 0, 0, 0] - torch.tensor(self.labels)).tolist()
        except (TypeError, ValueError, RuntimeError, IndexError, AttributeError):
            attempt.stop(
                f"The batches of the {part} loader are not pairs of pictures and labels.",
                "Each sample must stay a pair (image, label).",
            )


def _loaders(attempt: Attempt, augment: Callable, seed: int = 0, size: int = 5) -> list[DataLoader]:
    got = attempt(_numbered(TRAIN), _numbered(HELD), augment, size, seed)
    if got is None or got is ...:
        attempt.expect(got, 0)
    is_pair = isinstance(got, (tuple, list)) and len(got) == 2
    if not (is_pair and all(isinstance(loader, DataLoader) for loader in got)):
        attempt.stop(
            f"You returned {kind(got)}, not a pair of DataLoaders.",
            "`return train_loader, validation_loader`",
        )
    return list(got)


@exercise(
    "Chance belongs to the training part alone: there it makes more of little, on the validation "
    "part it makes the score a lottery. And the order depends on one seed, nothing else."
)
def make_loaders(attempt: Attempt) -> None:
    """make_loaders(train_set, validation_set, augment, batch_size, seed) → two DataLoaders."""
    calls = []

    def augment(image: Tensor) -> Tensor:
        calls.append(image)
        return image + 100

    train_loader, validation_loader = _loaders(attempt, augment)
    if calls:
        attempt.stop(
            "You augmented while building the loaders: every epoch would see the same variants.",
            "Augment inside a Dataset's `__getitem__`, at each access.",
        )
    _check_validation(attempt, _Epoch(attempt, validation_loader, "validation"))
    epochs = [_Epoch(attempt, train_loader, "training") for _ in range(2)]
    _check_training(attempt, epochs)
    _check_seed(attempt, augment)


def _check_validation(attempt: Attempt, epoch: _Epoch) -> None:
    if any(epoch.added):
        attempt.stop(
            "The validation pictures are augmented: evaluating twice would give two results.",
            "Wrap the training set alone.",
        )
    if sorted(epoch.labels) != list(range(HELD)):
        attempt.stop(
            f"The validation loader gives {len(epoch.labels)} of {HELD} pictures.",
            "Without `drop_last`: every picture counts exactly once.",
        )
    if epoch.labels != list(range(HELD)):
        attempt.stop(
            "The validation loader shuffles. The score would not change, but you could no longer "
            "say which picture was wrong.",
            "`shuffle=False`, which is the default.",
        )


def _check_training(attempt: Attempt, epochs: list[_Epoch]) -> None:
    first, second = epochs
    if sorted(first.labels) != list(range(TRAIN)):
        attempt.stop(
            f"The training loader gives {len(set(first.labels))} of {TRAIN} pictures in an epoch.",
            "Every picture once: no `drop_last`, no sampling with replacement.",
        )
    if not all(added == 100 for added in first.added):
        attempt.stop(
            "The training pictures are not augmented, or more than once.",
            "Each training picture goes through `augment` exactly once when it is asked for.",
        )
    if first.sizes != [5, 5, 2]:
        attempt.stop(
            f"With batch_size=5, {TRAIN} pictures come in batches of {first.sizes}.",
            "Pass `batch_size` on to the loader.",
        )
    if first.labels == list(range(TRAIN)):
        attempt.stop("The training loader does not shuffle.", "`shuffle=True`")
    if first.labels == second.labels:
        attempt.stop(
            "Both epochs have the same order: you shuffled once, for good.",
            "Let the loader shuffle, with a generator that goes on from epoch to epoch.",
        )


def _check_seed(attempt: Attempt, augment: Callable) -> None:
    """The order follows the seed, whatever happens to the global generator."""

    def order(seed: int, draws: int, start: int) -> list[int]:
        torch.manual_seed(start)
        loader = _loaders(attempt, augment, seed)[0]
        torch.rand(draws)
        return _Epoch(attempt, loader, "training").labels

    if order(4, draws=0, start=1) != order(4, draws=0, start=2):
        attempt.stop(
            "The same seed gives two different orders.",
            "`generator=torch.Generator().manual_seed(seed)` belongs to the training loader.",
        )
    if order(4, draws=0, start=1) != order(4, draws=1, start=1):
        attempt.stop(
            "A single random number drawn elsewhere changes your order: you seeded the global "
            "generator.",
            "Give the loader a generator of its own.",
        )
    if order(4, draws=0, start=1) == order(5, draws=0, start=1):
        attempt.stop("Seeds 4 and 5 give the same order.", "Use the argument `seed`.")


class _Setting:
    """A small run with everything that has a memory: AdamW, dropout, a generator."""

    def __init__(self, seed: int, name: str = "out") -> None:
        torch.manual_seed(seed)
        self.model = nn.Sequential()
        self.model.add_module(name, nn.Linear(3, 2))
        self.model.add_module("drop", nn.Dropout(0.5))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.1)
        self.generator = torch.Generator().manual_seed(seed)

    def train(self, steps: int) -> None:
        for _ in range(steps):
            x = torch.rand(4, 3, generator=self.generator)
            self.optimizer.zero_grad()
            self.model(x).square().sum().backward()
            self.optimizer.step()

    def weights(self) -> list[Tensor]:
        return [value.clone() for value in self.model.state_dict().values()]

    def moments(self) -> list[Tensor]:
        state = self.optimizer.state_dict()["state"]
        return [value.clone() for part in state.values() for value in part.values()]


@exercise(
    "Weights, the optimizer's memory, every random generator and the epoch, written whole or not "
    "at all: a run that died goes on as if nothing had happened.",
    takes=type,
)
def Checkpoint(attempt: Attempt) -> None:
    """Checkpoint(model, optimizer, generator) with save(path, epoch) and load(path) → epoch."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "last.pt"
        run = _Setting(seed=1)
        run.train(3)
        checkpoint = attempt(run.model, run.optimizer, run.generator)
        attempt.run(lambda: checkpoint.save(path, 3), may_change=True)
        _check_file(attempt, path)
        saved = run.weights(), run.moments(), run.generator.get_state(), torch.get_rng_state()
        run.train(3)

        other = _Setting(seed=2)
        again = attempt(other.model, other.optimizer, other.generator)
        torch.manual_seed(99)
        epoch = attempt.run(lambda: again.load(path), may_change=True)
        _check_restored(attempt, other, saved, epoch)
        other.train(3)
        attempt.expect(other.weights(), run.weights(), case="three more steps after loading")
        _check_foreign(attempt, path)
        _check_death(attempt, checkpoint, path)


def _check_file(attempt: Attempt, path: Path) -> None:
    if not path.is_file():
        attempt.stop("`save` left no file at the path it was given.", "`torch.save(…, path)`")
    try:
        torch.load(path, weights_only=True)
    except Exception:
        attempt.stop(
            "Your file holds whole objects: `torch.load` with weights_only=True refuses it.",
            "Save the `state_dict()` of model and optimizer, tensors and numbers.",
        )


def _check_restored(attempt: Attempt, run: _Setting, saved: tuple, epoch: object) -> None:
    weights, moments, generator, random = saved
    for restored, why, next_step in (
        (
            agrees(run.weights(), weights),
            "After `load` the model does not have the saved weights.",
            "`load_state_dict` fills the model you were given.",
        ),
        (
            agrees(run.moments(), moments),
            "AdamW starts from nothing after `load`: its averages are not restored, and its next "
            "steps are far too bold.",
            "Save and load `optimizer.state_dict()` as well.",
        ),
        (
            torch.equal(run.generator.get_state(), generator),
            "The loader's generator is not where it was: the next epochs have another order.",
            "`generator.get_state()` when saving, `generator.set_state(…)` when loading.",
        ),
        (
            torch.equal(torch.get_rng_state(), random),
            "The global generator is not where it was: dropout draws other numbers.",
            "`torch.get_rng_state()` and `torch.set_rng_state(…)`, the latter last of all.",
        ),
        (
            epoch is not None,
            "Everything is restored, but `load` does not say which epoch it was.",
            "Save the epoch, too, and return it.",
        ),
    ):
        if not restored:
            attempt.stop(why, next_step)
    attempt.expect(epoch, 3, name="what load returns")


def _check_foreign(attempt: Attempt, path: Path) -> None:
    """A model with other names must be refused."""
    foreign = _Setting(seed=3, name="renamed")
    checkpoint = attempt(foreign.model, foreign.optimizer, foreign.generator)

    def refuses() -> bool:
        try:
            checkpoint.load(path)
        except Exception:
            return True
        return False

    if not attempt.run(refuses, may_change=True):
        attempt.stop(
            "`load` accepts the checkpoint of a model with other layer names, and fills nothing.",
            "Leave `load_state_dict` strict: its error is what protects you.",
        )


def _check_death(attempt: Attempt, checkpoint: object, path: Path) -> None:
    """`save` dies when half of the bytes are written; the old file must still be whole."""
    old, real = path.read_bytes(), torch.save

    def half(content: object, file: object, *args: object, **kwargs: object) -> None:
        if hasattr(file, "write"):
            file.write(b"half")
        else:
            Path(file).write_bytes(b"half")
        raise KeyboardInterrupt  # what no `except Exception` catches

    def dies() -> None:
        try:
            checkpoint.save(path, 4)
        except KeyboardInterrupt:
            return

    torch.save = half
    try:
        attempt.run(dies, may_change=True)
    finally:
        torch.save = real
    if not path.is_file() or path.read_bytes() != old:
        attempt.stop(
            "Your `save` died half way, and the old checkpoint is lost with it.",
            "Write to a temporary file beside it, then `os.replace(temporary, path)`.",
        )
    _check_gap(attempt, checkpoint, path)


def _check_gap(attempt: Attempt, checkpoint: object, path: Path) -> None:
    """At no moment between writing and renaming may the path be without a file."""
    present, real = [], {name: getattr(os, name) for name in ("replace", "rename")}

    def watched(name: str) -> Callable[..., None]:
        def move(*args: object, **kwargs: object) -> None:
            present.append(path.is_file())
            real[name](*args, **kwargs)

        return move

    for name in real:
        setattr(os, name, watched(name))
    try:
        attempt.run(lambda: checkpoint.save(path, 4), may_change=True)
    finally:
        for name, function in real.items():
            setattr(os, name, function)
    if not all(present):
        attempt.stop(
            "You remove the old checkpoint before the new one has its name: a process that dies "
            "in between leaves none.",
            "`os.replace(temporary, path)` takes the old file's place in one step.",
        )


@exercise(
    "Patience counts epochs since the best one, not rises in a row, and a tie is no progress. "
    "What comes after the stop was never trained, so it cannot be best."
)
def early_stop(attempt: Attempt) -> None:
    """early_stop(losses, patience) → (best_epoch, last_epoch), both counted from 1."""
    attempt.expect(
        attempt([0.9, 0.5, 0.6, 0.7, 0.4], 2),
        (2, 4),
        Slip(
            (5, 5),
            "You looked at losses behind the stop. After epoch 4 nobody trained any more.",
            "Go through the losses one by one, and return as soon as the patience is used up.",
        ),
        Slip(
            (2, 5),
            "You stop one epoch too late: after epochs 3 and 4, a patience of 2 is used up.",
            "Stop when epochs since the best reach `patience`, not when they exceed it.",
        ),
        Slip((2, 3), "You stop one epoch too early.", "Epoch 3 is the first without progress."),
        Slip(
            (5, 4),
            "Your best epoch comes after the stop: epoch 5 was never trained.",
            "Look for the best among the epochs up to the last one only.",
        ),
        Slip((1, 3), "You count epochs from 0.", "`enumerate(losses, start=1)`"),
        Slip((4, 2), "Best and last epoch are the wrong way round.", "Return (best, last)."),
        name="(best_epoch, last_epoch)",
    )
    for losses, patience, want, case, *slips in (
        (
            [0.9, 0.5, 0.6, 0.55, 0.58, 0.4],
            3,
            (2, 5),
            "losses that rise and fall above the best",
            Slip(
                (6, 6),
                "You compare with the epoch before, so a small fall resets the patience.",
                "Compare with the best so far.",
            ),
        ),
        (
            [0.9, 1.0, 0.5, 0.6, 0.4, 0.3],
            2,
            (6, 6),
            "losses that rise twice, with a new best in between",
            Slip(
                (3, 4),
                "You count all epochs without progress; a new best must start the count again.",
                "Epochs since the best one: `epoch - best_epoch`.",
            ),
        ),
        (
            [0.5, 0.5, 0.5, 0.5],
            2,
            (1, 3),
            "losses that stand still",
            Slip(
                (4, 4),
                "You take a tie for progress: a loss that stands still would train for ever.",
                "Better means smaller, `<` and not `<=`.",
            ),
        ),
        (
            [math.nan, 0.5, math.nan, math.nan],
            2,
            (2, 4),
            "NaN in the first epoch",
            Slip(
                (1, 3),
                "A NaN became your best loss, and nothing is ever smaller than NaN.",
                "Begin with infinity as the best loss so far.",
            ),
        ),
        ([3.0, 2.0, 1.0], 1, (3, 3), "steady progress"),
        ([1.0], 1, (1, 1), "a single epoch"),
    ):
        # A NaN is no longer equal to itself, so nobody can see whether the list was changed.
        got = attempt.run(attempt.answer, losses, patience, may_change=True)
        attempt.expect(got, want, *slips, case=case)
    for patience in (1, 2, 4):
        losses = torch.rand(12, generator=attempt.random).round(decimals=1).tolist()
        history = History()
        for loss in losses:
            history.rows.append({"validation_loss": loss})
            if history.stalled(patience):
                break
        attempt.expect(
            attempt(losses, patience),
            (history.best_epoch, len(history)),
            case=f"12 random losses and a patience of {patience}",
        )
