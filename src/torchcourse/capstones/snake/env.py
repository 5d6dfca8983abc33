"""Snake as a Gymnasium environment, for one game and for any library that speaks Gymnasium."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from torchcourse.capstones.snake.engine import Event, Snake, turn
from torchcourse.capstones.snake.observe import Observer, make_observer, snapshot_of
from torchcourse.capstones.snake.rewards import Rewards, distance

ID = "torchcourse/Snake-v0"


class SnakeEnv(gym.Env):
    """One game of Snake.

    Action: 0 turn left, 1 straight on, 2 turn right. Turning back is not an action at all, so
    none is wasted on it.

    ``terminated`` means the game itself ended: dead, or the board is full. ``truncated`` means
    that we stopped it, because the snake had eaten nothing for ``patience`` steps. A learner must
    not treat the second like the first: a stopped game would have gone on.

    Args:
        width, height: board in cells, each at least 4.
        observation: "features" (12), "classic" (12), "board" (3, H, W), "view" (3, V, V): see
            ``observe``. Or a function (width, height) → observer of your own.
        rewards: what events are worth.
        patience: steps without food until truncation; None means width·height.
        render_mode: "ansi" (text), "rgb_array" (picture, 16 pixels a cell) or None.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(
        self,
        width: int = 10,
        height: int = 10,
        observation: str | Callable[[int, int], Observer] = "features",
        rewards: Rewards | None = None,
        patience: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode is {render_mode!r}; expected 'ansi', 'rgb_array', None.")
        self.game = Snake(width, height)
        named = isinstance(observation, str)
        self.observer = (
            make_observer(observation, width, height) if named else observation(width, height)
        )
        self.rewards = rewards or Rewards()
        self.patience = patience or width * height
        self.render_mode = render_mode
        self.action_space = spaces.Discrete(3)
        o = self.observer
        self.observation_space = spaces.Box(o.low, o.high, o.shape, o.dtype)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start a new game. Without a seed, the next one of the random stream."""
        super().reset(seed=seed)
        self.game.reset(int(self.np_random.integers(2**32)))
        return self._observe(), self._info()

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move one cell: observation, reward, terminated, truncated, info."""
        if not self.action_space.contains(action):
            raise ValueError(f"action is {action!r}; expected 0 left, 1 straight on or 2 right.")
        food = self._flat(self.game.food)
        before = distance(self._flat(self.game.head), food, self.game.width)
        event = self.game.step(turn(self.game.heading, int(action)))
        approach = before - distance(self._flat(self.game.head), food, self.game.width)
        reward = float(self.rewards.of(np.array([event]), approach)[0])
        terminated = self.game.over
        truncated = not terminated and self.game.hunger >= self.patience
        return self._observe(), reward, terminated, truncated, self._info()

    def render(self) -> str | np.ndarray | None:
        """The board as text or as a picture (H·16, W·16, 3) uint8, depending on render_mode."""
        if self.render_mode == "ansi":
            return text(self.game)
        if self.render_mode == "rgb_array":
            from torchcourse.capstones.snake.drawing import picture

            return np.asarray(picture(self.game))
        return None

    def _flat(self, cell: tuple[int, int]) -> np.ndarray:
        return np.array([cell[1] * self.game.width + cell[0]])

    def _observe(self) -> np.ndarray:
        return self.observer(snapshot_of(self.game))[0]

    def _info(self) -> dict[str, Any]:
        return {"score": self.game.score, "event": Event(self.game.event).name}


def text(game: Snake) -> str:
    """The board in letters: ``H`` head, ``o`` body, ``*`` food, ``.`` free."""
    body = set(game.body)
    marks = {game.food: "*", game.head: "H"}
    rows = (
        "".join(marks.get((x, y), "o" if (x, y) in body else ".") for x in range(game.width))
        for y in range(game.height)
    )
    return "\n".join(rows)


if ID not in gym.registry:
    gym.register(ID, entry_point=SnakeEnv)  # so that gym.make(ID, width=6, height=6) works
