"""What the agent sees. Each observer turns a Snapshot of B games into an array (B, …).

An observer is any callable with the attributes ``shape``, ``dtype``, ``low`` and ``high``; write
your own and pass it to the environment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import ndimage

from torchcourse.capstones.snake.engine import MOVES, Snake, turn

_DX, _DY = np.array(MOVES).T
_ACTIONS = np.arange(3)


@dataclass(frozen=True)
class Snapshot:
    """B positions on boards of H×W cells.

    Attributes:
        time_left: (B, H, W) int. 0: free. The tail is 1, because it leaves in the next step; the
            head is the snake's length.
        head, food: (B,) flat cell numbers y·W + x; food is -1 on a full board.
        heading: (B,) 0 up, 1 right, 2 down, 3 left.
    """

    time_left: np.ndarray
    head: np.ndarray
    heading: np.ndarray
    food: np.ndarray

    @property
    def xy(self) -> tuple[np.ndarray, np.ndarray]:
        width = self.time_left.shape[2]
        return self.head % width, self.head // width

    @property
    def food_xy(self) -> tuple[np.ndarray, np.ndarray]:
        width = self.time_left.shape[2]
        return self.food % width, self.food // width


def snapshot_of(game: Snake) -> Snapshot:
    """The Snapshot (B = 1) of one game of the engine."""
    time_left = np.zeros((1, game.height, game.width), np.int32)
    for i, (x, y) in enumerate(game.body):
        time_left[0, y, x] = len(game.body) - i

    def flat(cell: tuple[int, int] | None) -> np.ndarray:
        return np.array([-1 if cell is None else cell[1] * game.width + cell[0]])

    return Snapshot(time_left, flat(game.head), np.array([game.heading]), flat(game.food))


class Observer(Protocol):
    """Anything that can look at B games."""

    shape: tuple[int, ...]
    dtype: type
    low: float
    high: float

    def __call__(self, snapshot: Snapshot) -> np.ndarray:
        """The observations, (B, *shape)."""
        ...


def neighbours(s: Snapshot, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cells next to each head. directions (B, K) → x, y and ``safe``, each (B, K).

    A cell is safe if it lies on the board and is free after the coming step (the tail's cell is).
    Coordinates of cells off the board are clipped onto it, so they can be used as an index.
    """
    _, height, width = s.time_left.shape
    x, y = s.xy
    x, y = x[:, None] + _DX[directions], y[:, None] + _DY[directions]  # (B, K)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    rows = np.arange(len(s.head))[:, None]
    return x, y, inside & (s.time_left[rows, y, x] <= 1)


class ClassicFeatures:
    """The 12 features of many tutorials, in compass directions: food, danger, heading.

    For up, right, down, left: is the food on that side? would a step that way be deadly? is the
    snake heading that way? The agent sees one cell far: it cannot tell a way out from a trap.
    """

    shape, dtype, low, high = (12,), np.float32, 0.0, 1.0
    names = tuple(f"{q}_{d}" for q in ("food", "danger", "heading") for d in "urdl")

    def __call__(self, snapshot: Snapshot) -> np.ndarray:
        (x, y), (fx, fy) = snapshot.xy, snapshot.food_xy
        food = np.stack([fy < y, fx > x, fy > y, fx < x], 1)  # (B, 4)
        directions = np.tile(np.arange(4), (len(x), 1))
        danger = ~neighbours(snapshot, directions)[2]
        heading = directions == snapshot.heading[:, None]
        return np.concatenate([food, danger, heading], 1).astype(np.float32)


class MoveFeatures:
    """12 features: four questions about each of the three moves left, straight on, right.

    - ``safe``: 1 if the move does not end the game at once.
    - ``closer``: 1 if it brings the head nearer to the food.
    - ``space``: share of the free cells that can be reached from there, 0 … 1; 0 if deadly.
    - ``tail``: 1 if the tail can be reached from there. Whoever can follow his tail is not shut in.
    """

    shape, dtype, low, high = (12,), np.float32, 0.0, 1.0
    names = tuple(f"{q}_{m}" for q in ("safe", "closer", "space", "tail") for m in "lsr")

    def __call__(self, snapshot: Snapshot) -> np.ndarray:
        rows = np.arange(len(snapshot.head))[:, None]
        directions = turn(snapshot.heading[:, None], _ACTIONS)  # (B, 3)
        x, y, safe = neighbours(snapshot, directions)
        region, size = free_regions(snapshot)
        here = np.where(safe, region[rows, y, x], 0)  # (B, 3), 0 = no region
        tail = (snapshot.time_left == 1).reshape(len(rows), -1).argmax(1)
        tail_region = region.reshape(len(rows), -1)[rows[:, 0], tail]
        features = (
            safe,
            safe & self.closer(snapshot, x, y),
            size[here] / size_of_free(snapshot),
            here == tail_region[:, None],
        )
        return np.concatenate(features, 1).astype(np.float32)

    @staticmethod
    def closer(s: Snapshot, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Whether the cells x, y, each (B, K), are nearer to the food than the head is."""
        (hx, hy), (fx, fy) = s.xy, s.food_xy
        now = abs(hx - fx) + abs(hy - fy)
        then = abs(x - fx[:, None]) + abs(y - fy[:, None])
        return then < now[:, None]


def free_regions(s: Snapshot) -> tuple[np.ndarray, np.ndarray]:
    """Connected free cells, the tail's cell counted as free.

    Returns the number of the region of each cell (B, H, W), 0 where the snake lies, and the size
    in cells of each region, so that ``size[region]`` answers "how much room is there?".
    """
    structure = np.zeros((3, 3, 3), int)  # games are stacked: connect within a board only
    structure[1] = ndimage.generate_binary_structure(2, 1)
    region, count = ndimage.label(s.time_left <= 1, structure)
    size = np.bincount(region.ravel(), minlength=count + 1)
    size[0] = 0
    return region, size


def size_of_free(s: Snapshot) -> np.ndarray:
    """Number of free cells of each game, the tail's cell counted as free, (B, 1)."""
    return (s.time_left <= 1).sum((1, 2))[:, None]


class BoardPlanes:
    """The board as a picture with three planes, (3, H, W) in 0 … 255.

    - plane 0, body: how long the snake will still lie on this cell, in steps, scaled so that
      H·W steps are 255 (at least 1 where there is body).
    - plane 1: 255 at the head.
    - plane 2: 255 at the food.
    """

    dtype, low, high = np.uint8, 0, 255

    def __init__(self, width: int, height: int) -> None:
        self.shape = (3, height, width)

    def __call__(self, snapshot: Snapshot) -> np.ndarray:
        count = len(snapshot.head)
        planes = np.zeros((count, 3, self.shape[1] * self.shape[2]), np.uint8)
        planes[:, 0] = _ages(snapshot).reshape(count, -1)
        rows = np.arange(count)
        planes[rows, 1, snapshot.head] = 255
        fed = np.flatnonzero(snapshot.food >= 0)
        planes[fed, 2, snapshot.food[fed]] = 255
        return planes.reshape(count, *self.shape)


def _ages(s: Snapshot) -> np.ndarray:
    """time_left scaled to 0 … 255 (uint8), rounded up so that body is never 0."""
    cells = s.time_left.shape[1] * s.time_left.shape[2]
    return (-(-s.time_left * 255 // cells)).astype(np.uint8)


class HeadView:
    """The same board as the snake sees it: head in the middle, turned so that it looks up.

    The view is wide enough to hold the whole board from every position. Four boards that differ
    by a rotation become one, and what matters (the cells round the head) is always at the same
    place. (3, V, V) in 0 … 255 with V = 2·max(W, H) - 1:

    - plane 0: 255 where a step would be deadly: wall, or body that will still be there.
    - plane 1: how long the body stays there, scaled so that H·W steps are 255; walls 255.
    - plane 2: 255 at the food.
    """

    dtype, low, high = np.uint8, 0, 255

    def __init__(self, width: int, height: int) -> None:
        self.side = 2 * max(width, height) - 1
        self.shape = (3, self.side, self.side)
        self._table = self._cells_seen(width, height)  # (H·W·4, V·V)

    def _cells_seen(self, width: int, height: int) -> np.ndarray:
        """For each head cell and heading: which cell lies at each place of the view.

        Places off the board get the number H·W, where the callers keep the value of "wall".
        """
        far = self.side // 2
        across, ahead = np.meshgrid(np.arange(-far, far + 1), np.arange(far, -far - 1, -1))
        cells = np.arange(width * height)
        hx, hy = (cells % width)[:, None, None, None], (cells // width)[:, None, None, None]
        up, right = np.arange(4)[:, None, None], turn(np.arange(4), 2)[:, None, None]
        x = hx + ahead * _DX[up] + across * _DX[right]  # (H·W, 4, V, V)
        y = hy + ahead * _DY[up] + across * _DY[right]
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        table = np.where(inside, y * width + x, width * height)
        return table.reshape(width * height * 4, -1).astype(np.int64)

    def __call__(self, snapshot: Snapshot) -> np.ndarray:
        count = len(snapshot.head)
        seen = self._table[snapshot.head * 4 + snapshot.heading]  # (B, V·V)
        deadly = np.where(snapshot.time_left > 1, 255, 0).astype(np.uint8)
        view = np.empty((count, 3, seen.shape[1]), np.uint8)
        for plane, board in enumerate((deadly, _ages(snapshot))):
            with_wall = np.pad(board.reshape(count, -1), ((0, 0), (0, 1)), constant_values=255)
            view[:, plane] = np.take_along_axis(with_wall, seen, 1)
        view[:, 2] = np.where(seen == snapshot.food[:, None], 255, 0)
        return view.reshape(count, *self.shape)


OBSERVATIONS = {
    "features": lambda width, height: MoveFeatures(),
    "classic": lambda width, height: ClassicFeatures(),
    "board": BoardPlanes,
    "view": HeadView,
}


def make_observer(name: str, width: int, height: int) -> Observer:
    """The observer with this name for boards of this size."""
    if name not in OBSERVATIONS:
        raise ValueError(f"Unknown observation {name!r}; choose one of {', '.join(OBSERVATIONS)}.")
    return OBSERVATIONS[name](width, height)
