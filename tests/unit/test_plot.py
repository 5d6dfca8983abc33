"""Image grids and explorers: what they show, live and in the built page, and what they refuse."""

from __future__ import annotations

import base64
import io
import json
import re

import matplotlib.pyplot as plt
import pytest
import torch
from bs4 import BeautifulSoup
from PIL import Image

from torchcourse import plot


@pytest.fixture(autouse=True)
def close_figures():
    plot.use_style()
    yield
    plt.close("all")


@pytest.fixture
def shown(monkeypatch):
    """What is displayed, instead of displaying it."""
    seen = []
    monkeypatch.setattr(plot, "display", seen.append)
    return seen


def bar(height: float, colour: str = "blue"):
    figure, axis = plt.subplots(figsize=(2, 1))
    axis.bar([0], [height], color=plot.COLORS[colour])
    axis.set_ylim(0, 10)
    return figure


class TestShowImages:
    def test_each_image_gets_a_cell_and_spare_cells_stay_empty(self):
        figure = plot.show_images(torch.rand(5, 3, 8, 6), columns=3)
        assert len(figure.axes) == 6
        assert [len(axis.images) for axis in figure.axes] == [1, 1, 1, 1, 1, 0]
        assert figure.axes[0].images[0].get_array().shape == (8, 6, 3)

    def test_integers_and_floats_of_the_same_picture_look_the_same(self):
        grey = torch.arange(0, 256, 17, dtype=torch.uint8).reshape(1, 4, 4)
        colours = []
        for image in (grey, grey.long(), grey / 255):
            drawn = plot.show_images([image]).axes[0].images[0]
            colours.append(drawn.to_rgba(drawn.get_array()))
        assert abs(colours[0] - colours[1]).max() == 0
        assert abs(colours[0] - colours[2]).max() < 1 / 255

    @pytest.mark.parametrize("shape", [(2, 8, 8), (8,), (3, 1, 8, 8)])
    def test_what_is_no_image_is_refused_with_its_shape(self, shape):
        with pytest.raises(ValueError, match=re.escape(str(shape))):
            plot.show_images([torch.rand(shape)])

    def test_titles_must_be_as_many_as_images(self):
        with pytest.raises(ValueError, match="2 images need as many titles, got 1"):
            plot.show_images(torch.rand(2, 4, 4), titles=["one"])

    def test_no_images_is_an_error(self):
        with pytest.raises(ValueError, match="no images"):
            plot.show_images([])


class TestExplorerInThePage:
    @pytest.fixture(autouse=True)
    def static(self, monkeypatch):
        monkeypatch.setenv("TORCHCOURSE_STATIC", "1")

    def test_every_combination_is_drawn_in_the_order_of_the_sliders(self, shown):
        calls = []

        def draw(height, colour):
            calls.append((height, colour))
            return bar(height, colour)

        plot.explore(draw, alt="A bar.", height=[1.0, 9.0], colour=["blue", "orange", "green"])
        soup = BeautifulSoup(shown[0].data, "html.parser")
        data = json.loads(soup.script.string)
        assert calls == [(h, c) for h in (1.0, 9.0) for c in ("blue", "orange", "green")]
        assert data["words"] == [["1", "9"], ["blue", "orange", "green"]]
        assert len(set(data["frames"])) == 6
        # The frame shown first is that of the sliders' positions: height 9, orange.
        assert [slider["value"] for slider in soup.find_all("input")] == ["1", "1"]
        assert soup.img["src"] == data["frames"][4]
        assert soup.img["alt"] == "A bar."

    def test_frames_are_pictures_of_one_size(self, shown):
        plot.explore(bar, alt="A bar.", height=[1, 5, 9])
        data = json.loads(BeautifulSoup(shown[0].data, "html.parser").script.string)
        pictures = [
            Image.open(io.BytesIO(base64.b64decode(frame.split(",")[1])))
            for frame in data["frames"]
        ]
        assert {picture.format for picture in pictures} == {"WEBP"}
        assert len({picture.size for picture in pictures}) == 1

    def test_no_figure_is_left_open(self, shown):
        before = plt.get_fignums()
        plot.explore(bar, alt="A bar.", height=[1, 9])
        assert plt.get_fignums() == before


class TestExplorerInANotebook:
    def test_moving_a_slider_draws_again(self, shown, monkeypatch):
        monkeypatch.delenv("TORCHCOURSE_STATIC", raising=False)
        plot.explore(bar, alt="A bar.", height=[1, 5, 9])
        slider, picture = shown[0].children
        before = picture.value
        slider.value = 9
        assert picture.value != before
        assert 'alt="A bar."' in picture.value


def test_too_many_frames_are_refused_before_any_is_drawn(shown):
    def never(**values):
        raise AssertionError("drew a frame")

    with pytest.raises(ValueError, match="64 combinations are more than 60"):
        plot.explore(never, alt="x", a=range(8), b=range(8))
    with pytest.raises(ValueError, match=r"without any: \['b'\]"):
        plot.explore(never, alt="x", a=[1], b=[])


def test_a_drawing_that_returns_nothing_is_named(shown, monkeypatch):
    monkeypatch.setenv("TORCHCOURSE_STATIC", "1")
    with pytest.raises(TypeError, match="must return the figure"):
        plot.explore(lambda height: None, alt="x", height=[1])


@pytest.mark.parametrize("ground", ["#fbf7f0", "#1a1614"])
def test_ink_is_readable_on_the_light_and_the_dark_page(ground):
    """WCAG asks for a contrast of 3 : 1 of graphics and large text; lines and labels have more."""

    def luminance(colour: str) -> float:
        channels = torch.tensor(plt.matplotlib.colors.to_rgb(colour))
        linear = torch.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return (linear @ torch.tensor([0.2126, 0.7152, 0.0722])).item()

    inks = [plt.rcParams[key] for key in ("text.color", "axes.labelcolor", "xtick.color")]
    for ink in inks:
        bright, dark = sorted((luminance(ink), luminance(ground)), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) > 3.8
