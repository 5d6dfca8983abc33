"""The CIFAR-10 recipe: what each of its parts promises, and that a run can be taken up again."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from torchcourse.vision import cifar, cifar_training
from torchcourse.vision.cifar_training import Recipe

SMALL = Recipe(epochs=3, batch_size=16, widths=(4, 8, 8), mixed=False, lookahead_every=2)


def stripes(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (N, 3, 20, 20) uint8 of vertical (0) or horizontal (1) stripes, with noise."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    wave = (torch.arange(20) // 2 % 2 * 120.0).expand(count, 3, 20, 20)
    wave = torch.where(labels.view(-1, 1, 1, 1) == 1, wave.transpose(2, 3), wave)
    noise = torch.randint(0, 100, (count, 3, 20, 20), generator=random)
    return (wave + noise).to(torch.uint8), labels


def test_whitened_patches_are_white():
    base = torch.randn(20, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    x = nn.functional.avg_pool2d(base, 3, 1, 1) + 0.05 * base  # neighbours alike
    filters = cifar.whitening_filters(x, eps=0.0)
    answers = nn.functional.conv2d(x, filters).transpose(0, 1).flatten(1)  # (12, places)
    moments = answers @ answers.T / answers.shape[1]
    torch.testing.assert_close(moments, torch.eye(12), atol=2e-3, rtol=0)
    size = filters.flatten(1).norm(dim=1)
    assert (size[1:] >= size[:-1] - 1e-4).all()  # strongest direction first, divided by most


def test_patches_are_all_windows():
    x = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
    rows = cifar.patches(x)
    assert rows.shape == (2 * 3 * 4, 12)
    torch.testing.assert_close(rows[5], x[0, :, 1:3, 1:3].flatten())


def test_first_layer_stays_and_new_convolutions_hand_on():
    model = cifar.CifarNet((4, 8, 8)).fit_to(stripes(32)[0])
    assert not model.whiten.weight.requires_grad
    torch.testing.assert_close(model.whiten.weight[:12], -model.whiten.weight[12:])
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(model.groups[1].conv1(x)[:, :4], x)
    assert model.double()(torch.rand(2, 3, 32, 32).double()).shape == (2, 10)


def test_rate_and_decay_are_decoupled():
    """A batch half as large makes steps half as long; momentum is divided out as in the paper."""
    plain = cifar_training.sgd_settings(Recipe())
    assert plain["lr"] == pytest.approx(11.5 / (1 + 1 / 0.15))
    half = cifar_training.sgd_settings(Recipe(batch_size=512))
    assert half["lr"] == pytest.approx(plain["lr"] / 2)
    heavy = cifar_training.sgd_settings(Recipe(momentum=0.5))
    assert heavy["lr"] * 3 == pytest.approx(plain["lr"] * (1 + 1 / 0.15))
    doubled = cifar_training.sgd_settings(Recipe(lr=23.0))
    for lr, decay in (("lr", "weight_decay"), ("bias_lr", "bias_weight_decay")):
        assert doubled[lr] == pytest.approx(2 * plain[lr])
        # What a step takes off a weight does not depend on the rate.
        assert doubled[lr] * doubled[decay] == pytest.approx(plain[lr] * plain[decay])


def test_groups_hold_each_parameter_once():
    model = cifar.CifarNet((4, 8, 8))
    shifts, others = cifar_training.make_optimizer(model, Recipe()).param_groups
    assert shifts["lr"] == pytest.approx(64 * others["lr"])
    assert shifts["lr"] * shifts["weight_decay"] == pytest.approx(
        others["lr"] * others["weight_decay"]
    )
    ids = [id(p) for group in (shifts, others) for p in group["params"]]
    assert sorted(ids) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    assert len(shifts["params"]) == 6


def test_triangle():
    share = [cifar_training.lr_share(step, 100, Recipe()) for step in range(101)]
    assert share[0] == pytest.approx(0.2) and share[23] == 1 and share[100] == pytest.approx(0.07)
    assert all(a < b for a, b in pairwise(share[:24]))


def test_alternating_flip_shows_both_sides():
    x, random = stripes(8)[0], torch.Generator().manual_seed(0)
    recipe, mirrored = replace(SMALL, translate=0), torch.tensor([True, False] * 4)
    first, second, third = (
        cifar_training.augment(x, mirrored, epoch, recipe, random) for epoch in range(3)
    )
    torch.testing.assert_close(first.flip(3), second)
    torch.testing.assert_close(first, third)
    torch.testing.assert_close(second[0], x[0].float() / 255)


def test_shift_moves_by_whole_pixels():
    x = torch.rand(50, 3, 7, 6)
    moved = cifar_training.shift(x, 2, torch.Generator().manual_seed(0))
    padded = nn.functional.pad(x, (2, 2, 2, 2), mode="reflect")
    seen = set()
    for one, around in zip(moved, padded, strict=True):
        places = [
            (i, j)
            for i in range(5)
            for j in range(5)
            if torch.equal(one, around[:, i : i + 7, j : j + 6])
        ]
        assert len(places) == 1
        seen.update(places)
    assert len(seen) > 15
    assert moved.is_contiguous(memory_format=torch.channels_last)


def test_views_are_a_mean():
    x = torch.rand(2, 3, 8, 8)
    for level, count in ((0, 1), (1, 2), (2, 6)):
        found = cifar_training.views(x, level)
        assert len(found) == count and sum(w for w, _ in found) == pytest.approx(1)
        assert all(view.shape == x.shape for _, view in found)


def test_lookahead():
    layer = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(layer.weight)
    ahead = cifar_training.Lookahead(layer)
    nn.init.ones_(layer.weight)
    ahead.update(layer, 0.75)
    assert layer.weight.item() == pytest.approx(0.25)
    nn.init.ones_(layer.weight)
    ahead.update(layer, 1.0)
    assert layer.weight.item() == pytest.approx(0.25)  # the slow weights are the result


def test_learns_and_answers_the_same_twice():
    x, y = stripes(128)
    model, history = cifar_training.train(x, y, replace(SMALL, epochs=6), seed=0)
    assert len(history) == 6 and history[-1]["train_loss"] < history[0]["train_loss"]
    new_x, new_y = stripes(64, seed=1)
    logits = cifar_training.predict(model, new_x)
    assert (logits.argmax(1) == new_y).float().mean() > 0.9
    torch.testing.assert_close(logits, cifar_training.predict(model, new_x), rtol=0, atol=0)


def test_interrupted_run_ends_as_the_uninterrupted_one(tmp_path):
    x, y = stripes(64)
    whole, history = cifar_training.train(x, y, replace(SMALL, epochs=2.5), seed=3)
    run = cifar_training._Run(x, y, replace(SMALL, epochs=2.5), 3, "cpu")
    run.epoch()
    run.save(tmp_path / "run.pt")
    again, rows = cifar_training.train(
        x, y, replace(SMALL, epochs=2.5), seed=3, keep=tmp_path / "run.pt"
    )
    assert [row["train_loss"] for row in rows] == [row["train_loss"] for row in history]
    assert rows[-1]["steps"] == 10
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=0)


def test_too_few_pictures():
    x, y = stripes(8)
    with pytest.raises(ValueError, match="fewer than one batch"):
        cifar_training.train(x, y, SMALL, seed=0)
