"""Games written down step by step, so that another implementation can be compared with ours.

    python -m torchcourse.capstones.snake.transcript --games 1000 --out games.json

The live demo's engine replays such a file and must agree in every step.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from torchcourse.capstones.snake.baselines import CycleFollower, FoodChaser
from torchcourse.capstones.snake.engine import Snake, turn
from torchcourse.capstones.snake.observe import Snapshot, snapshot_of

STEP = ("direction", "event", "head", "tail", "food", "length")  # cells are y·width + x, none -1


Player = Callable[[Snapshot], np.ndarray]  # answers with directions, not with turns


class Wanderer:
    """For testing: mostly towards food and safe, sometimes anything."""

    def __init__(self, seed: int, anything: float = 0.05) -> None:
        self.chaser, self.anything = FoodChaser(), anything
        self.generator = np.random.default_rng(seed)

    def __call__(self, snapshot: Snapshot) -> np.ndarray:
        sensible = turn(snapshot.heading, self.chaser(snapshot))
        wild = self.generator.integers(0, 4, len(sensible))
        return np.where(self.generator.random(len(sensible)) < self.anything, wild, sensible)


class Circler(CycleFollower):
    """The cycle follower, answering with directions."""

    def __call__(self, snapshot: Snapshot) -> np.ndarray:
        return self.direction[snapshot.head]


def transcript(seed: int, board: tuple[int, int], player: Player, max_steps: int) -> dict:
    """One game: width, height, seed, the first food, and a row of STEP for every step.

    Directions may be reversals; the engine has to ignore them.
    """
    width, height = board
    game = Snake(width, height, seed)

    def cell(xy: tuple[int, int] | None) -> int:
        return -1 if xy is None else xy[1] * width + xy[0]

    written = {"width": width, "height": height, "seed": seed, "food": cell(game.food), "steps": []}
    while not game.over and len(written["steps"]) < max_steps:
        direction = int(player(snapshot_of(game))[0])
        event = int(game.step(direction))
        row = (direction, event, cell(game.head), cell(game.body[-1]), cell(game.food))
        written["steps"].append([*row, len(game.body)])
    return written


def transcripts(games: int, seed: int, max_steps: int = 500) -> list[dict]:
    """Games on boards of many sizes, from 4×4 up, odd and even, square and not.

    Every twentieth is won: its player walks round a small board until the board is full.
    """
    generator = np.random.default_rng(seed)
    wanderer, written = Wanderer(seed), []
    for number in range(games):
        wins = number % 20 == 0
        width, height = generator.integers(2, 4, 2) * 2 if wins else generator.integers(4, 13, 2)
        board = (int(width), int(height))
        player = Circler(*board) if wins else wanderer
        written.append(transcript(seed * games + number, board, player, max_steps))
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--games", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    written = {"step": STEP, "games": transcripts(args.games, args.seed)}
    args.out.write_text(json.dumps(written, separators=(",", ":")))


if __name__ == "__main__":
    main()
