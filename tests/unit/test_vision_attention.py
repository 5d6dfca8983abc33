"""Attention modules: shapes, and what each one's weights may depend on."""

from __future__ import annotations

import pytest
import torch

from torchcourse.vision.attention import CBAM, SCSA, ChannelGate, SpatialGate, SqueezeExcite

MODULES = {
    "SE": lambda channels: SqueezeExcite(channels, reduction=4),
    "CBAM": lambda channels: CBAM(channels, reduction=4),
    "SCSA": lambda channels: SCSA(channels, window=2),
}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def shuffled_places(x: torch.Tensor) -> torch.Tensor:
    """The same values in each channel, elsewhere; one permutation for all channels."""
    order = torch.randperm(x[0, 0].numel())
    return x.flatten(2)[:, :, order].view_as(x)


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("shape", [(2, 8, 6, 5), (1, 16, 2, 9)])
def test_shape_stays_and_nothing_grows(name, shape):
    x = torch.randn(shape, requires_grad=True)
    y = MODULES[name](shape[1])(x)
    assert y.shape == x.shape
    assert (y.abs() <= x.abs()).all() and (y * x >= 0).all()  # weights in (0, 1)
    y.sum().backward()
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("name", MODULES)
def test_examples_do_not_see_each_other(name):
    module, x = MODULES[name](8), torch.randn(3, 8, 6, 6)
    torch.testing.assert_close(module(x)[1:2], module(x[1:2]))


def test_se_depends_on_the_channel_means_only():
    module, x = SqueezeExcite(8, 4), torch.randn(2, 8, 5, 5)
    weights = module.weights(x)
    assert weights.shape == (2, 8, 1, 1) and ((weights > 0) & (weights < 1)).all()
    noise = torch.randn_like(x)
    same_means = x + noise - noise.mean((2, 3), keepdim=True)
    torch.testing.assert_close(module.weights(same_means), weights)
    other_means = x.clone()
    other_means[:, 3] += 1
    assert not torch.allclose(module.weights(other_means), weights)


def test_cbam_channel_gate_sees_means_and_maxima():
    gate, x = ChannelGate(8, 2), torch.rand(2, 8, 4, 4)
    torch.testing.assert_close(gate.weights(shuffled_places(x)), gate.weights(x))
    peak = x.clone()  # the same mean, another maximum
    peak[:, 0, 0, 0] += 5
    peak[:, 0] -= (peak[:, 0] - x[:, 0]).mean((1, 2), keepdim=True)
    assert not torch.allclose(gate.weights(peak), gate.weights(x))


def test_cbam_spatial_gate_sees_mean_and_maximum_over_the_channels():
    gate, x = SpatialGate(3), torch.randn(2, 6, 5, 7)
    weights = gate.weights(x)
    assert weights.shape == (2, 1, 5, 7)
    torch.testing.assert_close(gate.weights(x[:, torch.randperm(6)]), weights)
    both = torch.stack([x.mean(1), x.max(1).values], 1)
    by_hand = torch.sigmoid(torch.conv2d(both, gate.conv.weight, padding=1))
    torch.testing.assert_close(weights, by_hand)
    moved = gate.weights(x.roll(1, dims=3))[..., 2:-1]  # it knows where: the map moves along
    torch.testing.assert_close(moved, weights[..., 1:-2])


def test_scsa_spatial_weights_come_from_profiles_of_their_own_group():
    module, x = SCSA(8, window=2), torch.randn(2, 8, 6, 4)
    rows, columns = module.spatial_weights(x)
    assert rows.shape == (2, 8, 6, 1) and columns.shape == (2, 8, 1, 4)
    mixed_columns = x[..., torch.randperm(4)]
    torch.testing.assert_close(module.spatial_weights(mixed_columns)[0], rows)
    other = x.clone()
    other[:, :2] += torch.randn(2, 2, 6, 4)  # only the first quarter of the channels changes
    new_rows, new_columns = module.spatial_weights(other)
    torch.testing.assert_close(new_rows[:, 2:], rows[:, 2:])
    torch.testing.assert_close(new_columns[:, 2:], columns[:, 2:])
    assert not torch.allclose(new_rows[:, :2], rows[:, :2])


def test_scsa_shares_its_convolutions_between_rows_and_columns():
    module, x = SCSA(8, window=2), torch.randn(2, 8, 6, 6)
    rows, _ = module.spatial_weights(x)
    torch.testing.assert_close(module.spatial_weights(x.transpose(2, 3))[1].transpose(2, 3), rows)
    assert [conv.kernel_size for conv in module.convs] == [(3,), (5,), (7,), (9,)]


def test_scsa_channel_weights_use_every_channel():
    module, x = SCSA(8, window=2), torch.randn(1, 8, 4, 4, requires_grad=True)
    weights = module.channel_weights(x)
    assert weights.shape == (1, 8, 1, 1) and ((weights > 0) & (weights < 1)).all()
    gradient = torch.autograd.grad(weights[0, 0, 0, 0], x)[0]
    assert (gradient.abs().sum((0, 2, 3)) > 0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SqueezeExcite(8, 16), "cannot be reduced"),
        (lambda: SpatialGate(4), "odd"),
        (lambda: SCSA(10), "multiple of 4"),
        (lambda: SCSA(8, kernels=(3, 5, 7)), "odd numbers"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
