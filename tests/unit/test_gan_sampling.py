"""Drawing on demand: the same for the same seed, what was asked for, and clear words if it cannot.

The recorded generator draws; the judge is the network of capstone 1.
"""

from __future__ import annotations

import pytest
import torch

from torchcourse.capstones import gan
from torchcourse.capstones.gan.measures import agreement
from torchcourse.capstones.gan.model import Generator
from torchcourse.capstones.gan.sampling import draw, make_noise, slerp

# ---- what comes out ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels", [7, [7], (7, 7), torch.tensor([7]), torch.tensor(7, dtype=torch.uint8), range(7, 8)]
)
def test_labels_come_in_many_forms(labels):
    pictures = gan.generate(labels)
    assert pictures.shape[1:] == (1, 28, 28) and pictures.dtype == torch.float32
    assert pictures.min() >= 0 and pictures.max() <= 1 and not pictures.requires_grad
    torch.testing.assert_close(pictures[:1], gan.generate([7]))


def test_a_seed_is_a_picture():
    labels = [3, 1, 4, 1, 5]
    one, two, other = (gan.generate(labels, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(one, two)
    assert ((one - other).flatten(1).norm(dim=1) > 0.5).all()
    assert (one[1] - one[3]).norm() > 0.5  # the same label twice is not the same picture


def test_a_picture_does_not_depend_on_the_others():
    alone, first_of_many = gan.generate(3, seed=2), gan.generate([3, *range(10)] * 60, seed=2)
    torch.testing.assert_close(alone[0], first_of_many[0], atol=1e-5, rtol=0)


def test_drawing_leaves_mode_and_dice_alone():
    model = Generator(width=4).train()
    before = torch.random.get_rng_state()
    averages = model.norms[0].norm.running_mean.clone()
    gan.generate([1, 2, 3], model=model)
    assert model.training and torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(model.norms[0].norm.running_mean, averages)


# ---- the label is really used --------------------------------------------------------------------


def test_shuffled_labels_fail_the_judge():
    asked = torch.arange(10).repeat_interleave(20)
    shuffled = asked[torch.randperm(200, generator=torch.Generator().manual_seed(0))]
    assert agreement(gan.generate(asked, seed=3), asked) > 0.9
    assert agreement(gan.generate(shuffled, seed=3), asked) < 0.25


# ---- on the way ----------------------------------------------------------------------------------


def test_a_way_begins_and_ends_where_it_should():
    morph = gan.interpolate(3, 8, steps=5, seed=4)
    walk = gan.interpolate(3, 3, steps=5, seed=4, end_seed=9)
    assert morph.shape == walk.shape == (5, 1, 28, 28)
    close = {"atol": 1e-4, "rtol": 0}
    torch.testing.assert_close(morph[:1], gan.generate(3, seed=4), **close)
    torch.testing.assert_close(morph[-1:], gan.generate(8, seed=4), **close)
    torch.testing.assert_close(walk[-1:], gan.generate(3, seed=9), **close)
    steps = (walk[1:] - walk[:-1]).flatten(1).norm(dim=1)
    assert (steps > 1e-3).all()  # it moves at every step


def test_the_arc_keeps_its_length():
    start, end = torch.eye(2)[:1].expand(3, 2), torch.eye(2)[1:].expand(3, 2)
    arc = slerp(start, end, torch.tensor([[0.0], [0.5], [1.0]]))
    torch.testing.assert_close(arc, torch.tensor([[1, 0], [0.5**0.5, 0.5**0.5], [0, 1.0]]))
    torch.testing.assert_close(slerp(start, start, torch.full((3, 1), 0.3)), start)


def test_truncation_keeps_within_its_limit_and_the_order():
    whole, cut = make_noise(500, 0), make_noise(500, 0, truncation=0.5)
    assert cut.abs().max() <= 0.5 and whole.abs().max() > 2
    assert torch.equal(whole.flatten()[:200].argsort(), cut.flatten()[:200].argsort())
    torch.testing.assert_close(make_noise(5, 0, truncation=9.0), whole[:5], atol=1e-3, rtol=0)


def test_shares_of_one_class_are_its_label():
    model, noise = gan.load_generator(), make_noise(3, 0)
    labels = torch.tensor([2, 5, 9])
    torch.testing.assert_close(
        draw(model, noise, labels), draw(model, noise, torch.eye(10)[labels]), atol=1e-5, rtol=0
    )


# ---- clear words ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "error", "says"),
    [
        (10, ValueError, "0 to 9.*not 10"),
        ([3, -1], ValueError, "not -1"),
        ([], ValueError, "there are none"),
        ([[1, 2]], ValueError, r"shape \(1, 2\)"),
        (3.0, TypeError, r"float32; use labels\.long\(\)"),
        ([True, False], TypeError, "bool"),
        ("7", TypeError, "not '7'"),
        (None, TypeError, "not None"),
    ],
)
def test_bad_labels_are_told(labels, error, says):
    with pytest.raises(error, match=says):
        gan.generate(labels)


def test_other_bad_input_is_told():
    with pytest.raises(ValueError, match="truncation must be positive"):
        gan.generate(1, truncation=0)
    with pytest.raises(ValueError, match="from 2, to show both ends"):
        gan.interpolate(1, 2, steps=1)
    with pytest.raises(ValueError, match="not 12"):
        gan.interpolate(1, 12)


def test_files(tmp_path):
    model = Generator(num_classes=3, width=4, latent=8).eval()
    gan.save_generator(model, tmp_path / "mine.safetensors")
    again = gan.load_generator(tmp_path / "mine.safetensors")
    assert (again.num_classes, again.width, again.latent) == (3, 4, 8) and not again.training
    pictures = [gan.generate([0, 1, 2], model=network) for network in (model, again)]
    torch.testing.assert_close(*pictures, atol=2 / 255, rtol=0)
    with pytest.raises(FileNotFoundError, match="train a generator"):
        gan.load_generator(tmp_path / "none.safetensors")
    (tmp_path / "junk.safetensors").write_bytes(b"junk" * 20)
    with pytest.raises(ValueError, match="holds no generator"):
        gan.load_generator(tmp_path / "junk.safetensors")
