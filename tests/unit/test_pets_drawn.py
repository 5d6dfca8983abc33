"""The drawn animals: repeatable, balanced, too hard for a linear model, and learnable."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import nn

from torchcourse.capstones.pets import drawn


@pytest.fixture(scope="module")
def parts():
    """Training and test pictures, (N, 3, 40, 40) in [0, 1], with labels."""
    made = drawn.load(900, first_seed=0, size=40), drawn.load(300, first_seed=100_000, size=40)
    return [(images / 255, labels) for images, labels in made]


def test_a_picture_is_repeatable_and_no_other():
    one, again, other = (np.asarray(drawn.draw(0, seed)) for seed in (5, 5, 6))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert not np.array_equal(one, np.asarray(drawn.draw(1, 5)))
    assert one.shape == (96, 96, 3) and one.dtype == np.uint8


def test_load_continues_where_another_began():
    images, labels = drawn.load(6, first_seed=10, size=32)
    assert images.shape == (6, 3, 32, 32) and images.dtype == torch.uint8
    assert labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert torch.equal(images[2:], drawn.load(4, first_seed=12, size=32)[0])
    assert drawn.load(0)[0].shape == (0, 3, 96, 96)


def test_bad_arguments_are_told():
    with pytest.raises(ValueError, match="0 \\(cat\\) or 1 \\(dog\\), not 2"):
        drawn.draw(2, 0)
    with pytest.raises(ValueError, match="at least 16 pixels, not 8"):
        drawn.draw(0, 0, size=8)


def test_average_pictures_look_alike(parts):
    images, labels = parts[0]
    cat, dog = (images[labels == label].mean(dim=(0, 2, 3)) for label in (0, 1))
    assert (cat - dog).abs().max() < 0.03


def test_a_linear_model_hardly_beats_chance(parts):
    (x, y), (x_test, y_test) = parts
    model = LogisticRegression(C=0.01, max_iter=300).fit(x.flatten(1).numpy(), y)
    assert model.score(x_test.flatten(1).numpy(), y_test) < 0.66


@pytest.mark.slow
def test_a_small_convolutional_network_learns_it(parts):
    (x, y), (x_test, y_test) = parts
    torch.manual_seed(0)
    blocks, channels = [], 3
    for width in (16, 32, 64):
        blocks += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
        blocks += [nn.ReLU(), nn.MaxPool2d(2)]
        channels = width
    network = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 2))
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=12 * 38)
    for _ in range(12):
        for rows in torch.randperm(len(x)).split(24):
            loss = F.cross_entropy(network(x[rows] - 0.5), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network.eval()
    with torch.no_grad():
        assert (network(x_test - 0.5).argmax(1) == y_test).float().mean() > 0.85
