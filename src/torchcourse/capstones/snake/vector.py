"""Many games of Snake at once, in NumPy: the same rules as ``engine.Snake``, game by game.

A test steps both side by side and compares every cell.
"""

from __future__ import annotations

import numpy as np

from torchcourse.capstones.snake.engine import (
    MOVES,
    RIGHT,
    START_LENGTH,
    Event,
    check_board,
    turn,
)
from torchcourse.capstones.snake.observe import Observer, Snapshot
from torchcourse.capstones.snake.rewards import Rewards, distance

_DX, _DY = np.array(MOVES, dtype=np.int32).T


def random_below(state: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``engine.Random32.below`` for many generators: (new states, numbers in 0 … n - 1)."""
    state = (state + 0x6D2B79F5) & 0xFFFFFFFF  # uint64, masked to 32 bits after each product
    t = ((state ^ (state >> 15)) * (state | 1)) & 0xFFFFFFFF
    t ^= (t + (t ^ (t >> 7)) * (t | 61)) & 0xFFFFFFFF
    t ^= t >> 14
    return state, ((t * n) >> 32).astype(np.int64)


class VectorSnake:
    """B games on boards of the same size.

    The body is not kept as a list of cells. Each cell stores the tick of the game's clock at
    which the snake will have left it (``leaves``), so a move writes one number and the tail
    vanishes by itself. The clock stands still in a step that eats: that is growing.

    Args:
        games: number of games B.
        width, height: size of each board in cells.
        seeds: (B,) one seed for each game, as for ``engine.Snake``.
    """

    def __init__(self, games: int, width: int, height: int, seeds: np.ndarray) -> None:
        check_board(width, height)
        seeds = np.asarray(seeds)
        if seeds.shape != (games,):
            raise ValueError(f"seeds has shape {seeds.shape}; expected {(games,)}, one a game.")
        self.games, self.width, self.height = games, width, height
        self.random = (seeds.astype(np.int64) & 0xFFFFFFFF).astype(np.uint64)  # (B,)
        self.leaves = np.zeros((games, height * width), np.int32)  # (B, H·W)
        self.clock = np.zeros(games, np.int32)
        self.head = np.zeros(games, np.int64)  # flat cell numbers y·W + x, as is food
        self.food = np.full(games, -1, np.int64)  # -1: the board is full
        self.heading = np.zeros(games, np.int64)
        self.length = np.zeros(games, np.int32)
        self.hunger = np.zeros(games, np.int32)
        self.event = np.zeros(games, np.int8)
        self.reset(np.arange(games))

    @property
    def score(self) -> np.ndarray:
        return self.length - START_LENGTH

    @property
    def over(self) -> np.ndarray:
        return self.event >= Event.HIT_WALL

    def reset(self, which: np.ndarray) -> None:
        """Start new games at these indices; their streams of food positions go on."""
        self.leaves[which] = 0
        self.clock[which] = 0
        self.head[which] = (self.height // 2) * self.width + self.width // 2
        for i in range(START_LENGTH):
            self.leaves[which, self.head[which] - i] = START_LENGTH - i
        self.heading[which] = RIGHT
        self.length[which] = START_LENGTH
        self.hunger[which] = 0
        self.event[which] = Event.MOVED
        self._place_food(which)

    def step(self, directions: np.ndarray, chosen: np.ndarray | None = None) -> np.ndarray:
        """Move every game that is not over (and is chosen, (B,) bool) by one cell.

        Returns the events of all games, (B,); one that stands still repeats its last.
        """
        going = ~self.over if chosen is None else ~self.over & chosen
        reverse = directions == (self.heading + 2) % 4
        self.heading = np.where(going & ~reverse, directions, self.heading)
        self.hunger += going
        x = self.head % self.width + _DX[self.heading]
        y = self.head // self.width + _DY[self.heading]
        inside = (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)
        target = np.where(inside, y * self.width + x, 0)
        ate = going & inside & (target == self.food)
        rows = np.arange(self.games)
        # Occupied after this tick; the tail's cell has leaves == clock + 1 and is free again.
        body = self.leaves[rows, target] > self.clock + 1
        moved = going & inside & ~body
        self.event[going & ~inside] = Event.HIT_WALL
        self.event[going & inside & body] = Event.HIT_SELF
        self.event[moved] = Event.MOVED
        self._move(moved, ate, target)
        return self.event.copy()

    def _move(self, moved: np.ndarray, ate: np.ndarray, target: np.ndarray) -> None:
        self.clock += moved & ~ate
        self.length += ate
        self.head = np.where(moved, target, self.head)
        rows = np.flatnonzero(moved)
        self.leaves[rows, self.head[rows]] = self.clock[rows] + self.length[rows]
        fed = np.flatnonzero(ate)
        if len(fed):
            self.hunger[fed] = 0
            self._place_food(fed)
            self.event[fed] = np.where(self.food[fed] < 0, Event.WON, Event.ATE)

    def _place_food(self, which: np.ndarray) -> None:
        free = self.leaves[which] <= self.clock[which, None]  # (n, H·W)
        count = free.sum(1)
        some = which[count > 0]
        self.food[which[count == 0]] = -1
        if not len(some):
            return
        free, count = free[count > 0], count[count > 0]
        self.random[some], pick = random_below(self.random[some], count.astype(np.uint64))
        # The pick-th free cell: the first place where the running count exceeds pick.
        self.food[some] = (np.cumsum(free, 1) > pick[:, None]).argmax(1)

    def snapshot(self, which: np.ndarray | None = None) -> Snapshot:
        """What observers may look at, of all games or of the chosen ones."""
        rows = slice(None) if which is None else which
        left = np.maximum(self.leaves[rows] - self.clock[rows, None], 0)
        return Snapshot(
            time_left=left.reshape(-1, self.height, self.width),
            head=self.head[rows],
            heading=self.heading[rows],
            food=self.food[rows],
        )


class VectorEnv:
    """B games with observations, rewards and endings: what a training loop talks to.

    After ``step`` the games that ended have already begun anew: ``observation`` shows the new
    game, the returned ``next_observation`` still the old one's last position.

    Args:
        game: the games to play.
        observer: turns a Snapshot into an array (B, …).
        rewards: what each event is worth.
        patience: steps without food after which a game is truncated.
    """

    def __init__(
        self, game: VectorSnake, observer: Observer, rewards: Rewards, patience: int
    ) -> None:
        self.game, self.observer, self.rewards, self.patience = game, observer, rewards, patience
        self.observation = observer(game.snapshot())

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Returns next_observation (B, …), rewards, terminated, truncated and scores, each (B,)."""
        game = self.game
        before = distance(game.head, game.food, game.width)
        food = game.food.copy()
        events = game.step(turn(game.heading, actions))
        approach = before - distance(game.head, food, game.width)
        reward = self.rewards.of(events, approach)
        terminated = game.over
        truncated = ~terminated & (game.hunger >= self.patience)
        scores = game.score.copy()
        next_observation = self.observer(game.snapshot())
        self.observation = next_observation
        ended = np.flatnonzero(terminated | truncated)
        if len(ended):
            game.reset(ended)
            self.observation = next_observation.copy()
            self.observation[ended] = self.observer(game.snapshot(ended))
        return next_observation, reward, terminated, truncated, scores
