"""The recipe: honest splits, ten different hands, averaged weights, modes left alone."""

import pytest
import torch

from torchcourse.capstones.digits.augment import augment
from torchcourse.capstones.digits.model import DigitNet
from torchcourse.capstones.digits.reader_training import train_reader
from torchcourse.capstones.digits.strips import augment_strips
from torchcourse.capstones.digits.training import count_errors, predict, split, train


def test_the_split_is_disjoint_complete_and_fair_to_classes():
    labels = torch.randint(0, 10, (3000,), generator=torch.Generator().manual_seed(1))
    training, held = split(labels, 500)
    assert len(held) == 500
    assert sorted(torch.cat([training, held]).tolist()) == list(range(3000))
    share = torch.bincount(labels[held], minlength=10) / torch.bincount(labels, minlength=10)
    assert (share - 500 / 3000).abs().max() < 0.01
    assert torch.equal(held, split(labels, 500)[1])
    assert not torch.equal(held.sort().values, split(labels, 500, seed=1)[1].sort().values)
    for wrong in (0, 3000):
        with pytest.raises(ValueError, match="from 1 to 2999"):
            split(labels, wrong)


def test_augmentation_varies_every_image_a_little():
    image = torch.zeros(1, 1, 28, 28)
    image[..., 6:22, 12:16] = 1
    batch = augment(image.expand(50, -1, -1, -1), torch.Generator().manual_seed(0))
    assert batch.shape == (50, 1, 28, 28) and batch.min() >= 0 and batch.max() <= 1
    assert len({b.numpy().tobytes() for b in batch}) == 50
    mass = batch.sum((1, 2, 3)) / image.sum()
    assert mass.min() > 0.5 and mass.max() < 1.9  # no digit vanishes or floods the image
    again = augment(image.expand(50, -1, -1, -1), torch.Generator().manual_seed(0))
    assert torch.equal(batch, again)


def test_strips_are_augmented_but_keep_their_shape():
    strips = torch.rand(4, 1, 24, 80).round()
    changed = augment_strips(strips, torch.Generator().manual_seed(0))
    assert changed.shape == strips.shape and changed.min() >= 0 and changed.max() <= 1
    assert (changed - strips).abs().mean() > 0.01


def test_the_network_is_small_and_gives_logits():
    model = DigitNet().eval()
    assert sum(p.numel() for p in model.parameters()) <= 250_000
    logits = model(torch.rand(3, 1, 28, 28))
    assert logits.shape == (3, 10)
    assert (logits < 0).any() and not torch.allclose(logits.sum(1), torch.ones(3))


def test_predict_leaves_the_mode_as_it_was():
    model = DigitNet()
    images = torch.rand(5, 1, 28, 28)
    for mode in (True, False):
        model.train(mode)
        first, second = predict(model, images), predict(model, images)
        assert model.training is mode
        assert torch.equal(first, second)  # no dropout, no batch statistics


def test_training_learns_and_is_repeatable():
    labels = torch.arange(64) % 2
    images = torch.zeros(64, 1, 28, 28)
    images[labels == 0, :, 4:24, 12:16] = 1  # upright against level strokes
    images[labels == 1, :, 12:16, 4:24] = 1
    runs = [train(images, labels, epochs=40, seed=0, batch_size=32) for _ in range(2)]
    (model, history), (twin, _) = runs
    assert [row["epoch"] for row in history] == list(range(1, 41))
    assert history[-1]["loss"] < history[0]["loss"] / 2
    assert not model.training
    assert count_errors(model, images, labels) == 0
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.state_dict().values(), twin.state_dict().values(), strict=True)
    )


def test_an_interrupted_reader_goes_on_with_the_strips_of_its_epoch(tmp_path):
    """The same weights, bit for bit, as of a run that nobody stopped."""
    asked = []

    def make(epoch: int) -> tuple[list[torch.Tensor], list[str]]:
        asked.append(epoch)
        generator = torch.Generator().manual_seed(epoch)
        strips = torch.randint(0, 256, (8, 1, 24, 40), generator=generator, dtype=torch.uint8)
        return list(strips), ["7"] * 8

    def die(_: torch.nn.Module) -> dict:
        if len(asked) == 2:
            raise KeyboardInterrupt
        return {}

    keep = tmp_path / "reader.checkpoint"
    with pytest.raises(KeyboardInterrupt):
        train_reader(make, 8, epochs=3, seed=0, evaluate=die, keep=keep)
    model, history = train_reader(make, 8, epochs=3, seed=0, keep=keep)
    assert asked == [0, 1, 1, 2]
    assert [row["epoch"] for row in history] == [1, 2, 3]
    whole, _ = train_reader(make, 8, epochs=3, seed=0)
    for name, weights in whole.state_dict().items():
        assert torch.equal(weights, model.state_dict()[name]), name
