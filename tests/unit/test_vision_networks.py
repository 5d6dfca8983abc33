"""The six networks: shapes, sizes, costs, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from torchcourse.vision.comparison import Batches, Recipe, augment, train
from torchcourse.vision.googlenet import Inception
from torchcourse.vision.measure import (
    activation_bytes,
    confusion_matrix,
    count_flops,
    count_parameters,
    expected_calibration_error,
    reliability,
)
from torchcourse.vision.networks import NETWORKS
from torchcourse.vision.resnet import PreActivation, Residual, resnet

SLIM = {"LeNet": 6, "AlexNet": 6, "NiN": 6, "VGG": 6, "GoogLeNet": 8, "ResNet": 8}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(1, 28, 28), (3, 32, 32)])
def test_both_sizes_of_pictures_give_logits_and_gradients_everywhere(name, size):
    model = NETWORKS[name](in_channels=size[0], num_classes=7, width=SLIM[name])
    logits = model(torch.randn(4, *size))
    assert logits.shape == (4, 7) and logits.dtype == torch.float32
    logits.logsumexp(dim=1).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert model.eval()(torch.randn(1, *size)).shape == (1, 7)
    assert (logits < 0).any(), "a ReLU at the end would cut off negative logits"


def test_parameters_are_those_the_lessons_print():
    counted = {name: count_parameters(build()) for name, build in NETWORKS.items()}
    assert counted == {
        **{"LeNet": 61_728, "AlexNet": 960_914, "NiN": 216_690},
        **{"VGG": 878_770, "GoogLeNet": 478_762, "ResNet": 696_042},
    }


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("argument", ["in_channels", "num_classes", "width"])
@pytest.mark.parametrize("value", [0, -8, 8.0, True, None])
def test_sizes_that_make_no_sense_are_named(name, argument, value):
    with pytest.raises(ValueError, match=f"{argument} must be a whole number from 1"):
        NETWORKS[name](**{argument: value})


def test_widths_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="multiple of 16, got 24"):
        Inception(16, 24)
    with pytest.raises(ValueError, match="multiple of 8, got 12"):
        NETWORKS["GoogLeNet"](width=12)
    with pytest.raises(ValueError, match=r"blocks\[1\] must be a whole number from 1, got 0"):
        resnet(blocks=(1, 0))


@pytest.mark.parametrize("block", [Residual, PreActivation])
def test_a_silent_body_leaves_the_identity_and_only_changing_shapes_project(block):
    same, changing = block(8, 8), block(8, 16, 2)
    x = torch.rand(2, 8, 9, 9)
    nn.init.zeros_(same.body[-1].weight)
    assert torch.equal(same.eval()(x), x)
    assert changing(x).shape == (2, 16, 5, 5)
    assert count_parameters(same.shortcut) == 0 < count_parameters(changing.shortcut)
    assert resnet(1, 10, 8, (1, 1, 1), block)(torch.randn(2, 1, 28, 28)).shape == (2, 10)


def test_costs_of_a_layer_counted_by_hand():
    layer, x = nn.Conv2d(3, 5, 3, padding=1, bias=False), torch.randn(2, 3, 6, 7)
    model = nn.Sequential(layer, nn.ReLU())
    assert count_parameters(model) == 3 * 5 * 9
    assert count_flops(model, x) == 2 * 2 * 3 * 5 * 9 * 6 * 7
    assert activation_bytes(model, x) == 4 * 2 * (3 + 5) * 6 * 7
    assert model.training
    layer.weight.requires_grad_(False)
    assert count_parameters(model) == 0


def test_calibration_by_hand_and_at_its_borders():
    # Confidence e/(1 + e) = 0.731 twice, once right: a gap of 0.231 in the one full bin.
    logits, labels = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1])
    assert expected_calibration_error(logits, labels) == pytest.approx(0.23106, abs=1e-5)
    assert reliability(logits, labels).count.tolist() == [0] * 7 + [2, 0, 0]
    certain = torch.tensor([[1e4, 0.0]])  # confidence exactly 1
    assert expected_calibration_error(certain, torch.tensor([0])) == 0
    with pytest.raises(ValueError, match="got 0 answers"):
        reliability(logits[:0], labels[:0])


def test_confusion_has_true_classes_in_rows():
    matrix = confusion_matrix(torch.tensor([1, 1, 2]), torch.tensor([0, 1, 0]), 3)
    assert matrix.tolist() == [[0, 1, 1], [0, 1, 0], [0, 0, 0]]


def test_augmentation_mirrors_and_moves_whole_pictures():
    pictures = torch.zeros(64, 1, 9, 9)
    pictures[:, :, 4, 3] = 1
    changed = augment(pictures, torch.Generator().manual_seed(0))
    assert changed.shape == pictures.shape and torch.equal(changed.sum((1, 2, 3)), torch.ones(64))
    rows, columns = changed[:, 0].flatten(1).argmax(1) // 9, changed[:, 0].flatten(1).argmax(1) % 9
    assert set(rows.tolist()) == {2, 3, 4, 5, 6}
    assert set(columns.tolist()) == {1, 2, 3, 4, 5, 6, 7}  # 3 or, mirrored, 5; give or take 2


def test_a_recorded_run_goes_on_where_it_stopped(tmp_path):
    torch.manual_seed(0)
    images = torch.randint(256, (24, 1, 8, 8), dtype=torch.uint8)
    labels = torch.arange(24) % 2
    recipe = Recipe(epochs=3, batch_size=8)

    def run(folder=None):
        torch.manual_seed(1)
        model = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, 2))
        return train(model, images, labels, recipe, seed=0, folder=folder)

    class Killed(Exception):
        pass

    whole, rows, _ = run()
    steps = iter(range(100))
    original = Batches.__iter__

    def dying(self):
        for batch in original(self):
            if next(steps) == 4:  # in the second epoch
                raise Killed
            yield batch

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Batches, "__iter__", dying)
        run(tmp_path)
    resumed, again, loader = run(tmp_path)
    assert len(loader.processor_seconds) == 2  # the first epoch was not done twice
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [r["train_loss"] for r in rows] == [r["train_loss"] for r in again]
    with pytest.raises(ValueError, match="fewer than one batch"):
        Batches(images, labels, Recipe(batch_size=25), 0)
