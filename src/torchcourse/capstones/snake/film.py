"""Films of games: GIF with Pillow, MP4 if imageio-ffmpeg is installed. No display needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from torchcourse.capstones.snake.drawing import CELL, picture
from torchcourse.capstones.snake.engine import Snake, turn
from torchcourse.capstones.snake.observe import snapshot_of
from torchcourse.capstones.snake.playing import Policy

HOLD = 12  # the last picture stays for this many frames: one wants to see how it ended
SLOWEST, FASTEST = 1, 50  # frames a second; GIF counts in hundredths of a second


class Film:
    """Collects pictures and writes them as one file.

    Args:
        path: ends in .gif or .mp4.
        fps: frames a second, 1 … 50.
    """

    def __init__(self, path: Path, fps: int = 12) -> None:
        self.path, self.fps = Path(path), fps
        self.frames: list[Image.Image] = []
        if not SLOWEST <= fps <= FASTEST:
            raise ValueError(f"fps is {fps}; expected {SLOWEST} … {FASTEST} frames a second.")
        if self.path.suffix not in (".gif", ".mp4"):
            raise ValueError(f"{path}: a film is a .gif or .mp4 file; change the ending.")
        if self.path.suffix == ".mp4":
            _ffmpeg()  # better to hear now than after the game that something is missing

    def add(self, frame: Image.Image) -> None:
        self.frames.append(frame)

    def save(self) -> Path:
        """Write the file and return its path."""
        if not self.frames:
            raise ValueError("There is nothing to save yet: no picture was added.")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.suffix == ".gif":
            self._save_gif()
        else:
            self._save_mp4()
        return self.path

    def _save_gif(self) -> None:
        # One palette for all frames: few colours occur, and none may flicker.
        palette = self.frames[len(self.frames) // 2].quantize(64)
        frames = [f.quantize(palette=palette, dither=Image.Dither.NONE) for f in self.frames]
        durations = [1000 // self.fps] * len(frames)
        durations[-1] *= HOLD
        frames[0].save(
            self.path, save_all=True, append_images=frames[1:], duration=durations, loop=0
        )

    def _save_mp4(self) -> None:
        size = tuple(side - side % 2 for side in self.frames[0].size)  # H.264 wants even sides
        writer = _ffmpeg().write_frames(
            str(self.path), size, fps=self.fps, macro_block_size=2, ffmpeg_log_level="error"
        )
        writer.send(None)  # starts the generator
        for frame in self.frames + [self.frames[-1]] * HOLD:
            writer.send(np.ascontiguousarray(frame.crop((0, 0, *size))))
        writer.close()


def _ffmpeg():
    try:
        import imageio_ffmpeg
    except ImportError:
        raise RuntimeError(
            "MP4 needs the package imageio-ffmpeg, which is not installed. "
            "Install it (pip install imageio-ffmpeg) or choose a file ending in .gif."
        ) from None
    return imageio_ffmpeg


def choose(player: Policy, game: Snake) -> int:
    """The direction (0 up, 1 right, 2 down, 3 left) in which the player wants to go."""
    return int(turn(game.heading, int(player(snapshot_of(game))[0])))


def film_game(
    film: Film, game: Snake, player: Policy, max_steps: int = 2_000, cell: int = CELL
) -> int:
    """Let the player finish this game (or ``max_steps``) in front of the camera; returns the score.

    A game without food for width·height steps is stopped, as in ``playing``.
    """
    film.add(picture(game, cell))
    for _ in range(max_steps):
        game.step(choose(player, game))
        film.add(picture(game, cell))
        if game.over or game.hunger >= game.width * game.height:
            break
    return game.score
