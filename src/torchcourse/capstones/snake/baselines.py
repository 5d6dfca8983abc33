"""Players that learn nothing. A learning agent has to be better than the second of them."""

from __future__ import annotations

import numpy as np

from torchcourse.capstones.snake.engine import DOWN, LEFT, RIGHT, UP, turn
from torchcourse.capstones.snake.observe import MoveFeatures, Snapshot, neighbours

_ACTIONS = np.arange(3)


class RandomPlayer:
    """Left, straight on or right, each with probability 1/3."""

    def __init__(self, seed: int = 0) -> None:
        self.generator = np.random.default_rng(seed)

    def __call__(self, snapshot: Snapshot) -> np.ndarray:
        return self.generator.integers(0, 3, len(snapshot.head))


class FoodChaser:
    """Of the moves that do not kill at once, one that comes nearer to the food.

    Straight on is preferred to turning. It never looks further than one cell, so it ends in a
    trap of its own body.
    """

    def __call__(self, snapshot: Snapshot) -> np.ndarray:
        directions = turn(snapshot.heading[:, None], _ACTIONS)  # (B, 3)
        x, y, safe = neighbours(snapshot, directions)
        closer = MoveFeatures.closer(snapshot, x, y)
        return (4 * safe + 2 * (safe & closer) + (_ACTIONS == 1)).argmax(1)


class CycleFollower:
    """Walks round a Hamiltonian cycle: visits every cell, always wins, and takes for ever.

    Boards with two odd sides have no such cycle (colour the cells like a chessboard: the cycle
    would have to change colour an odd number of times).
    """

    def __init__(self, width: int, height: int) -> None:
        self.direction = np.empty(width * height, np.int64)  # which way to go from each cell
        path = hamiltonian_cycle(width, height)
        for (x, y), (nx, ny) in zip(path, path[1:] + path[:1], strict=True):
            step = {(0, -1): UP, (1, 0): RIGHT, (0, 1): DOWN, (-1, 0): LEFT}[(nx - x, ny - y)]
            self.direction[y * width + x] = step

    def __call__(self, snapshot: Snapshot) -> np.ndarray:
        wanted = self.direction[snapshot.head]
        return (wanted - snapshot.heading + 1) % 4  # inverse of engine.turn


def hamiltonian_cycle(width: int, height: int) -> list[tuple[int, int]]:
    """All cells (x, y) in an order in which each is a neighbour of the next, and the last of
    the first.

    Up and down the board in hairpins, then home along a lane at the edge. The direction is
    chosen so that the cycle passes through the starting snake from tail to head.
    """
    if height % 2 == 0:
        row = range(width - 1)  # the last column is the lane home
        cycle = [(x, y) for y in range(height) for x in (row if y % 2 else reversed(row))]
        cycle += [(width - 1, y) for y in reversed(range(height))]
        head, neck = (width // 2, height // 2), (width // 2 - 1, height // 2)
        at = cycle.index(head)
        return cycle if cycle[at - 1] == neck else cycle[::-1]
    if width % 2 == 0:
        column = range(1, height)  # the first row is the lane home
        cycle = [(x, y) for x in range(width) for y in (reversed(column) if x % 2 else column)]
        return cycle + [(x, 0) for x in reversed(range(width))]
    raise ValueError(
        f"A {width}×{height} board has no Hamiltonian cycle, because both sides are odd. "
        "Choose a board with at least one even side."
    )
