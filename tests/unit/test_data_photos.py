"""The photographs are there without a network, in the size one asks for."""

from __future__ import annotations

import warnings

import pytest
import torch

from torchcourse.data import photos


@pytest.mark.parametrize("name", photos.NAMES)
def test_a_photograph_is_a_colour_image_of_bytes(name):
    photo = photos.load(name)
    assert photo.shape == (3, 427, 640)
    assert photo.dtype == torch.uint8
    assert photo.is_contiguous()
    assert photo.min() < 20
    assert photo.max() > 235


def test_channels_are_red_green_blue():
    """The sky over the pagoda is blue, the dahlia in the middle of its picture is orange."""
    sky = photos.load("china")[:, :80, 300:].float().mean(dim=(1, 2))
    assert sky[2] > sky[0]
    dahlia = photos.load("flower")[:, 150:280, 330:460].float().mean(dim=(1, 2))
    assert dahlia[0] > dahlia[1] > dahlia[2]


@pytest.mark.parametrize(
    ("size", "shape"),
    [(64, (3, 64, 96)), ((30, 50), (3, 30, 50)), ([5, 4], (3, 5, 4)), (427, (3, 427, 640))],
)
def test_sizes(size, shape):
    assert photos.load("china", size).shape == shape


def test_a_smaller_photograph_shows_the_same():
    whole, small = photos.load("flower"), photos.load("flower", 40)
    difference = whole.float().mean(dim=(1, 2)) - small.float().mean(dim=(1, 2))
    assert difference.abs().max() < 1


def test_each_call_gives_a_tensor_of_its_own():
    first = photos.load("china")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch warns about arrays that must not be written to
        first.zero_()
        assert photos.load("china").max() > 0


@pytest.mark.parametrize("name", ["China", "cat", "china.jpg", "", None, 3])
def test_another_name_is_answered_with_the_list(name):
    with pytest.raises(ValueError, match="choose one of china, flower"):
        photos.load(name)


@pytest.mark.parametrize("size", [0, -3, (0, 5), (5, -1)])
def test_a_size_that_is_not_positive_is_refused(size):
    with pytest.raises(ValueError, match="positive"):
        photos.load("china", size)


@pytest.mark.parametrize("size", [2.5, "64", (1, 2, 3), (64.0, 64), True, (True, 4)])
def test_a_size_of_another_kind_is_refused(size):
    with pytest.raises(TypeError, match=r"integer or \(height, width\)"):
        photos.load("china", size)
