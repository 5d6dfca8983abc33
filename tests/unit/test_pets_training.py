"""The recipe of capstone 2: augmentation, resuming, the record's folds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from torchcourse.capstones.pets import drawn
from torchcourse.capstones.pets.augment import augment, mix
from torchcourse.capstones.pets.record_data import FOLDS, Photographs
from torchcourse.capstones.pets.training import Recipe, predict, resize, statistics, train

TINY = Recipe(sizes=((24, 2), (32, 2)), batch_size=8, widths=(4, 4, 4, 4), blocks=(1, 1, 1, 1))


@pytest.fixture(scope="module")
def pictures():
    return drawn.load(24, first_seed=70_000, size=40)


def test_augmentation_is_random_repeatable_and_keeps_the_range(pictures):
    images, _ = pictures
    before = images.clone()
    one, again, other = (augment(images, 32, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert one.shape == (24, 3, 32, 32) and one.min() >= 0 and one.max() <= 1
    assert torch.equal(images, before)
    changed = (one - resize(images, 32)).abs().mean((1, 2, 3))
    assert (changed > 0.01).all()  # each picture, by its own amount
    assert changed.unique().numel() > 20


def test_mixed_targets_are_the_shares_that_can_be_seen():
    images = torch.stack([torch.zeros(3, 20, 20), torch.ones(3, 20, 20)])
    labels = torch.tensor([0, 1])
    for seed in range(5):
        mixed, targets = mix(images, labels, 2, torch.Generator().manual_seed(seed))
        assert torch.allclose(mixed.mean((1, 2, 3)), targets[:, 1], atol=1e-6)
        assert torch.allclose(targets.sum(1), torch.ones(2))


def test_statistics_come_from_the_given_pictures_alone():
    images = torch.tensor([0, 255]).view(1, 1, 1, 2).expand(5, 3, 4, 2).to(torch.uint8)
    mean, std = statistics(images)
    assert mean == pytest.approx([0.5] * 3) and std == pytest.approx([0.506] * 3, abs=1e-2)
    assert statistics(images, "none") == ([0.0] * 3, [1.0] * 3)
    with pytest.raises(ValueError, match="ImageNet"):
        statistics(images, "imagenet")


def test_an_interrupted_run_ends_with_the_same_weights(pictures, tmp_path):
    images, labels = pictures
    whole, _ = train(images, labels, TINY, seed=3)
    keep = tmp_path / "run.checkpoint"

    def die(model):
        if (tmp_path / "died").exists():
            return {}
        if keep.exists():
            (tmp_path / "died").touch()
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        train(images, labels, TINY, seed=3, evaluate=die, every=1, keep=keep)
    resumed, history = train(images, labels, TINY, seed=3, evaluate=die, every=1, keep=keep)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_evaluating_twice_gives_the_same(pictures):
    images, labels = pictures
    model, _ = train(images, labels, TINY, seed=0)
    first, second = predict(model, images, 32), predict(model, images, 32)
    assert torch.equal(first, second) and first.shape == (24, 2)
    part = predict(model, images[:5], 32)
    assert torch.allclose(part, first[:5], atol=1e-5)  # neighbours play no part


def test_too_few_pictures_are_told(pictures):
    images, labels = pictures
    with pytest.raises(ValueError, match="24 pictures are fewer than one batch of 32"):
        train(images, labels, replace(TINY, batch_size=32), seed=0)


def test_folds_hold_every_picture_out_once_and_choices_see_none_of_fold_0():
    labels = torch.arange(101) % 2
    data = Photographs(torch.zeros(101, 3, 2, 2, dtype=torch.uint8), labels, [""] * 101, 0)
    held = torch.cat([data.fold(number)[1] for number in range(FOLDS)])
    assert sorted(held.tolist()) == list(range(101))
    for number in range(FOLDS):
        training, out = data.fold(number)
        assert not set(training.tolist()) & set(out.tolist())
        assert 0.4 < labels[out].float().mean() < 0.6
    inner = torch.cat(data.inner())
    assert not set(inner.tolist()) & set(data.fold(0)[1].tolist())
