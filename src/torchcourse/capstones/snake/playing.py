"""Let a policy play many games and count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from torchcourse.capstones.snake.engine import Event, turn
from torchcourse.capstones.snake.observe import Snapshot
from torchcourse.capstones.snake.vector import VectorSnake

# A policy looks at B games and answers with B actions: 0 left, 1 straight on, 2 right.
Policy = Callable[[Snapshot], np.ndarray]


def game_seeds(games: int, seed: int) -> np.ndarray:
    """The seeds of games 0 … games - 1 that belong to ``seed``, (games,)."""
    if not 0 < games <= 1_000:
        raise ValueError(f"games is {games}; expected 1 … 1000 (each seed owns 1000 games).")
    return seed * 1_000 + np.arange(games)


@dataclass(frozen=True)
class Results:
    """How B games went, each array (B,).

    Attributes:
        scores: food eaten.
        steps: moves made.
        events: the last engine.Event; MOVED for a game that starved (truncated).
    """

    scores: np.ndarray
    steps: np.ndarray
    events: np.ndarray

    def endings(self) -> dict[str, int]:
        """How many games ended in which way."""
        ways = {
            "hit_wall": Event.HIT_WALL,
            "hit_self": Event.HIT_SELF,
            "starved": Event.MOVED,
            "won": Event.WON,
        }
        return {name: int((self.events == event).sum()) for name, event in ways.items()}


def play_results(
    games: int, seed: int, board: tuple[int, int], policy: Policy, patience: int | None = None
) -> Results:
    """Play whole games and say how each of them went.

    Args:
        games: how many, 1 … 1000.
        seed: which ones. Same seed, board and policy, same games.
        board: (width, height), each at least 4.
        policy: looks at a Snapshot of B games, returns B actions 0 … 2.
        patience: steps without food after which a game is stopped; None means width·height.
    """
    width, height = board
    patience = patience or width * height
    game = VectorSnake(games, width, height, game_seeds(games, seed))
    steps = np.zeros(games, np.int64)
    live = np.arange(games)
    directions = np.zeros(games, np.int64)
    while len(live):
        directions[live] = turn(game.heading[live], policy(game.snapshot(live)))
        stopped = game.hunger >= patience
        game.step(directions, ~stopped)
        steps[live] += 1
        live = np.flatnonzero(~game.over & (game.hunger < patience))
    return Results(game.score.copy(), steps, game.event.copy())


def play(games: int, seed: int, board: tuple[int, int], policy: Policy) -> np.ndarray:
    """Play whole games and return the scores (food eaten), (games,) int.

    The arguments are those of ``play_results``.
    """
    return play_results(games, seed, board, policy).scores
