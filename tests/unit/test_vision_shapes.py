"""Shape tables and receptive fields, against what the formula and a pencil say."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from torchcourse.vision.shapes import receptive_field, shape_table


@pytest.mark.parametrize(
    ("layers", "field"),
    [
        ([nn.Conv2d(1, 2, 3)], (3, 3)),
        ([nn.Conv2d(1, 2, (3, 5))], (3, 5)),
        ([nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3)], (5, 5)),
        ([nn.Conv2d(1, 2, 3, stride=2), nn.Conv2d(2, 2, 3)], (7, 7)),
        ([nn.Conv2d(1, 2, 3, dilation=2), nn.BatchNorm2d(2), nn.MaxPool2d(2)], (6, 6)),
        ([nn.Conv2d(1, 2, 1), nn.AvgPool2d(3, stride=2), nn.Conv2d(2, 1, 3)], (7, 7)),
        ([nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()], (20, 24)),
    ],
)
def test_field_is_what_the_formula_gives(layers, field):
    assert receptive_field(nn.Sequential(*layers), (1, 20, 24)) == field


def test_field_of_branches_is_that_of_the_widest():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.five = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 5, padding=2)

        def forward(self, x):
            return torch.cat([self.one(x), self.five(x)], dim=1)

    assert receptive_field(Branches(), (1, 15, 15)) == (5, 5)


def test_table_says_shapes_and_parameters_and_leaves_the_model_alone():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rows = shape_table(model, (1, 8, 8))
    assert [row.shape for row in rows] == [(4, 6, 6), (4, 3, 3), (36,), (3,)]
    assert [row.parameters for row in rows] == [40, 0, 0, 111]
    assert [row.field for row in rows] == [(3, 3), (4, 4), (8, 8), (8, 8)]
    assert "4 × 6 × 6" in str(rows[0])
    assert model.training and model[0].weight.dtype == torch.float32
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_layer_that_stands_in_the_chain_twice_has_two_rows():
    pool = nn.MaxPool2d(2)
    rows = shape_table(nn.Sequential(pool, nn.Conv2d(1, 1, 3), pool), (1, 16, 16))
    assert [row.shape for row in rows] == [(1, 8, 8), (1, 6, 6), (1, 3, 3)]


def test_a_network_that_is_no_chain_has_no_table():
    with pytest.raises(TypeError, match=r"needs an nn\.Sequential, got Linear"):
        shape_table(nn.Linear(2, 2), (1, 2, 2))
