"""Window, films and command line, without a screen."""

import sys

import numpy as np
import pytest
from PIL import Image

pygame = pytest.importorskip("pygame")

from torchcourse.capstones.snake import view  # noqa: E402
from torchcourse.capstones.snake.__main__ import board_size, main  # noqa: E402
from torchcourse.capstones.snake.baselines import CycleFollower, FoodChaser  # noqa: E402
from torchcourse.capstones.snake.drawing import COLOURS, picture  # noqa: E402
from torchcourse.capstones.snake.engine import DOWN, LEFT, RIGHT, UP, Event, Snake  # noqa: E402
from torchcourse.capstones.snake.film import Film, film_game  # noqa: E402
from torchcourse.capstones.snake.view import NoDisplayError, Window  # noqa: E402


@pytest.fixture
def unseen(monkeypatch):
    """No screen, and no waiting between two pictures."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    yield
    pygame.display.quit()


def press(window, *keys):
    for key in keys:
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))
    window.handle_events()


def test_keys_steer(unseen):
    game = Snake(8, 8)
    game.food = (0, 0)
    window = Window(game)
    press(window, pygame.K_UP, pygame.K_a)  # both are remembered: a U-turn in two steps
    window.advance()
    assert game.heading == UP
    window.advance()
    assert game.heading == LEFT
    press(window, pygame.K_RIGHT)  # back into the neck: ignored
    window.advance()
    assert game.heading == LEFT
    press(window, pygame.K_s)
    window.advance()
    assert game.heading == DOWN


def test_pause_speed_restart_and_escape(unseen):
    window = Window(Snake(8, 8), speed=7)
    press(window, pygame.K_SPACE)
    head = window.game.head
    window.advance()
    assert window.game.head == head
    assert "paused" in window.status()[0]
    press(window, pygame.K_SPACE, pygame.K_PLUS)
    assert window.speed == 12
    press(window, *[pygame.K_MINUS] * 20)
    assert window.speed == view.SPEEDS[0]
    press(window, *[pygame.K_KP_PLUS] * 20)
    assert window.speed == view.SPEEDS[-1]
    window.advance()
    assert window.game.head != head
    press(window, pygame.K_r)
    assert window.game.head == head
    press(window, pygame.K_ESCAPE)
    assert window.closed


def test_you_die_and_can_start_anew(unseen):
    window = Window(Snake(6, 6))
    window.game.food = (0, 0)
    for _ in range(6):
        window.advance()
    assert window.scores == [0]
    assert "hit the wall" in window.status()[0]
    window.advance()
    assert window.game.over  # you are given the time you want
    press(window, pygame.K_r)
    assert not window.game.over


def test_watching_goes_on_with_the_next_game(unseen):
    window = Window(Snake(4, 4), CycleFollower(4, 4), speed=120)
    scores = window.run(max_steps=300)
    assert scores[0] == 13
    assert not pygame.display.get_init()  # the window is closed


def test_watching_stops_a_snake_that_goes_in_circles(unseen):
    window = Window(Snake(8, 8), lambda snapshot: np.array([0]), patience=10)
    window.game.food = (0, 0)
    for _ in range(10):
        window.advance()
    assert window.finished
    assert "circles" in window.status()[0]


def test_the_close_button_closes(unseen):
    window = Window(Snake(6, 6))
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    window.run(max_steps=1)
    assert window.closed


def test_q_values_are_shown(unseen):
    import torch

    class Player:
        def q_values(self, snapshot):
            return torch.tensor([[0.25, -1.0, 0.5]])

        def __call__(self, snapshot):
            return np.array([1])

    window = Window(Snake(6, 6), Player())
    assert window.status()[1] == "Q  left +0.25   straight -1.00   right +0.50"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have a screen")
def test_without_a_screen_it_says_what_to_do(monkeypatch, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NoDisplayError, match="SDL_VIDEODRIVER=dummy"):
        Window(Snake())
    assert main(["play"]) == 1
    assert "record" in capsys.readouterr().err


def test_picture_shows_every_cell():
    game = Snake(6, 4)
    game.food = (5, 0)
    image = np.asarray(picture(game, 16))
    assert image.shape == (64, 96, 3)
    centres = image[8::16, 8::16]
    assert tuple(centres[0, 5]) == COLOURS["food"]
    assert tuple(centres[2, 3]) == COLOURS["head"]
    assert tuple(centres[0, 0]) == COLOURS["ground"]
    brightness = centres[2, :3].sum(1)
    assert (np.diff(brightness.astype(int)) > 0).all()  # the tail is darkest


def test_gif_has_a_frame_for_every_position(tmp_path):
    film = Film(tmp_path / "game.gif", fps=20)
    game = Snake(4, 4, seed=1)
    score = film_game(film, game, CycleFollower(4, 4))
    assert (score, game.event) == (13, Event.WON)
    film.save()
    with Image.open(film.path) as gif:
        assert gif.size == (64, 64)
        assert gif.n_frames == len(film.frames)
        gif.seek(1)
        assert gif.info["duration"] == 50
        got = np.asarray(gif.convert("RGB")).astype(int)
    expected = np.asarray(film.frames[1]).astype(int)
    assert abs(got - expected).max() < 40  # a palette of 64 colours


def test_films_end_with_circling_snakes_and_at_the_limit(tmp_path):
    game = Snake(6, 6)
    game.food = (0, 0)
    film = Film(tmp_path / "a.gif")
    film_game(film, game, lambda snapshot: np.array([0]))
    assert len(film.frames) == 37  # 36 steps without food and the start
    film = Film(tmp_path / "b.gif")
    film_game(film, Snake(6, 6), CycleFollower(6, 6), max_steps=5)
    assert len(film.frames) == 6


def test_wrong_films_are_named(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"\.gif or \.mp4"):
        Film(tmp_path / "game.avi")
    with pytest.raises(ValueError, match="fps is 0"):
        Film(tmp_path / "game.gif", fps=0)
    with pytest.raises(ValueError, match="nothing to save"):
        Film(tmp_path / "game.gif").save()
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)  # as if not installed
    with pytest.raises(RuntimeError, match="pip install imageio-ffmpeg"):
        Film(tmp_path / "game.mp4")


def test_mp4_is_written(tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    film = Film(tmp_path / "game.mp4")
    film_game(film, Snake(5, 6), FoodChaser(), cell=15)  # 75 pixels wide: odd
    assert film.save().stat().st_size > 1000


def test_command_line_records(tmp_path, capsys):
    out = tmp_path / "snake.gif"
    arguments = ["record", "--player", "cycle", "--board", "4x4", "--out", str(out)]
    assert main(arguments) == 0
    assert "Score 13" in capsys.readouterr().out
    assert out.exists()


def test_command_line_watches_and_saves(tmp_path, unseen, monkeypatch, capsys):
    def a_while(self, max_steps=None, run=Window.run):
        return run(self, max_steps=20)

    monkeypatch.setattr(Window, "run", a_while)
    out = tmp_path / "watched.gif"
    arguments = ["watch", "--player", "greedy", "--board", "5x5", "--speed", "120"]
    assert main([*arguments, "--save", str(out)]) == 0
    with Image.open(out) as gif:
        assert gif.n_frames > 1


def test_command_line_errors_are_one_line(capsys):
    assert main(["record", "--player", "cycle", "--board", "5x5"]) == 1
    assert "both sides are odd" in capsys.readouterr().err
    assert main(["record", "--player", "nobody"]) == 1
    assert "no player 'nobody'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["play", "--board", "ten"])
    assert "write it as 10x10" in capsys.readouterr().err


def test_board_size():
    assert board_size("12x8") == board_size("12×8") == (12, 8)


def test_right_is_the_first_heading():
    assert Snake().heading == RIGHT
