"""What each event is worth. Change the numbers and train again: the notebook does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from torchcourse.capstones.snake.engine import Event


@dataclass(frozen=True)
class Rewards:
    """Rewards for one step.

    Attributes:
        food: for eating (and for winning, which is eating the last free cell).
        death: for hitting a wall or the body.
        step: for every step, whatever happens. A small cost makes the agent hurry.
        closer: for every cell that the head came nearer to the food, taken back for every cell
            it moves away. Guides the first minutes of training.
    """

    food: float = 1.0
    death: float = -1.0
    step: float = 0.0
    closer: float = 0.0

    def of(self, events: np.ndarray, approach: np.ndarray) -> np.ndarray:
        """Rewards (B,) float32 for events (B,) and cells gained on the food, approach (B,)."""
        ate = (events == Event.ATE) | (events == Event.WON)
        died = (events == Event.HIT_WALL) | (events == Event.HIT_SELF)
        reward = self.step + self.food * ate + self.death * died + self.closer * approach
        return reward.astype(np.float32)


def distance(a: np.ndarray, b: np.ndarray, width: int) -> np.ndarray:
    """Steps between the flat cells a and b on an empty board (Manhattan distance), (B,)."""
    return abs(a % width - b % width) + abs(a // width - b // width)
