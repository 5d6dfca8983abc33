"""A film in a page: described, stoppable, and still for those who ask for less motion."""

import base64
import io
import re

import pytest
from PIL import Image

from torchcourse.capstones.snake.baselines import FoodChaser
from torchcourse.capstones.snake.engine import Snake
from torchcourse.capstones.snake.film import Film, film_game
from torchcourse.capstones.snake.page import film_html


def film_of(path):
    film = Film(path)
    film_game(film, Snake(6, 4), FoodChaser(), max_steps=5)
    return film


def test_film_moves_and_its_last_picture_does_not(tmp_path):
    film = film_of(tmp_path / "game.gif")
    page = film_html(film, 'A "greedy" snake & its food.')
    assert 'alt="A &quot;greedy&quot; snake &amp; its food."' in page
    assert re.search(r"<source [^>]*prefers-reduced-motion: reduce", page)
    assert "<details open" in page
    images = {
        kind: Image.open(io.BytesIO(base64.b64decode(data)))
        for kind, data in re.findall(r"data:image/(\w+);base64,([\w+/=]+)", page)
    }
    assert images["gif"].n_frames == len(film.frames) == 6
    assert list(images["png"].getdata()) == list(film.frames[-1].getdata())


def test_only_gif_films_are_shown(tmp_path):
    film = film_of(tmp_path / "game.gif")
    film.path = tmp_path / "game.mp4"
    with pytest.raises(ValueError, match=r"\.gif"):
        film_html(film, "A game.")
