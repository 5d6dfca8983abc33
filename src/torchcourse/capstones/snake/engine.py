"""The rules of Snake, and nothing else: no drawing, no learning, no NumPy.

Everything here is integer arithmetic on plain Python numbers, so that the same few lines can be
written in JavaScript and play the same games cell for cell.

Coordinates are ``(x, y)`` with ``(0, 0)`` in the top left corner; y grows downwards.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum

UP, RIGHT, DOWN, LEFT = range(4)  # clockwise, so that +1 is a right turn and -1 a left turn
MOVES = ((0, -1), (1, 0), (0, 1), (-1, 0))  # (dx, dy) of each direction
TURN_LEFT, STRAIGHT, TURN_RIGHT = range(3)  # the three actions an agent chooses from
START_LENGTH = 3
SMALLEST_SIDE = 4  # a snake of three cells needs room to turn

Cell = tuple[int, int]


class Event(IntEnum):
    """What a step led to. Everything from HIT_WALL on ends the game."""

    MOVED = 0
    ATE = 1
    HIT_WALL = 2
    HIT_SELF = 3
    WON = 4  # ate, and no free cell is left


def turn(heading, action):
    """The direction after a relative action (0 = left, 1 = straight on, 2 = right).

    Works on single integers and on whole arrays of them.
    """
    return (heading + action - 1) % 4


class Random32:
    """Mulberry32, a tiny random generator that fits in one 32-bit integer.

    Python's ``random`` and JavaScript's ``Math.random`` cannot be made to agree. This can: it
    only adds, multiplies, shifts and xors 32-bit numbers. Algorithm by Tommy Ettinger, public
    domain.
    """

    def __init__(self, seed: int) -> None:
        self.state = seed & 0xFFFFFFFF

    def next(self) -> int:
        """The next number, uniform in 0 … 2**32 - 1."""
        self.state = (self.state + 0x6D2B79F5) & 0xFFFFFFFF
        t = self.state
        t = ((t ^ (t >> 15)) * (t | 1)) & 0xFFFFFFFF
        t ^= (t + (t ^ (t >> 7)) * (t | 61)) & 0xFFFFFFFF
        return t ^ (t >> 14)

    def below(self, n: int) -> int:
        """A number in 0 … n - 1. The product stays below 2**53, so JavaScript is exact too."""
        return (self.next() * n) >> 32


def check_board(width: int, height: int) -> None:
    """Raise ValueError unless a game fits on a board of this size."""
    if min(width, height) < SMALLEST_SIDE:
        raise ValueError(
            f"The board is {width}×{height} cells, but each side needs at least {SMALLEST_SIDE}: "
            f"a snake of {START_LENGTH} cells could not turn round. Choose a larger board."
        )


class Snake:
    """One game of Snake.

    Args:
        width, height: size of the board in cells, each at least 4.
        seed: decides where food appears. Same seed and same moves, same game.
    """

    def __init__(self, width: int = 10, height: int = 10, seed: int = 0) -> None:
        check_board(width, height)
        self.width, self.height = width, height
        self.random = Random32(seed)
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Start a new game. Without a seed the stream of food positions goes on."""
        if seed is not None:
            self.random = Random32(seed)
        x, y = self.width // 2, self.height // 2
        self.body: deque[Cell] = deque((x - i, y) for i in range(START_LENGTH))  # head first
        self.heading = RIGHT  # away from the body, so that no first move is lost
        self.hunger = 0  # steps since the last meal
        self.event = Event.MOVED
        self.food: Cell | None = self._place_food()

    @property
    def head(self) -> Cell:
        return self.body[0]

    @property
    def score(self) -> int:
        """Food eaten, which is exactly by how much the snake has grown."""
        return len(self.body) - START_LENGTH

    @property
    def over(self) -> bool:
        return self.event >= Event.HIT_WALL

    def step(self, direction: int) -> Event:
        """Move one cell. Returns what happened; a snake that dies stays where it was.

        A snake cannot turn back into its own neck: the opposite of its heading means straight on.
        """
        if self.over:
            raise RuntimeError("This game is over. Call reset() to start a new one.")
        if direction not in range(4):
            raise ValueError(f"direction is {direction!r}; expected 0 up, 1 right, 2 down, 3 left.")
        if direction != (self.heading + 2) % 4:
            self.heading = direction
        self.hunger += 1
        self.event = self._advance()
        return self.event

    def _advance(self) -> Event:
        dx, dy = MOVES[self.heading]
        target = (self.head[0] + dx, self.head[1] + dy)
        if not (0 <= target[0] < self.width and 0 <= target[1] < self.height):
            return Event.HIT_WALL
        # The tail leaves its cell in this very step, so moving there is legal. A meal would keep
        # the tail in place, but food never lies on the snake, so the two cannot meet.
        if target in self.body and target != self.body[-1]:
            return Event.HIT_SELF
        self.body.appendleft(target)
        if target != self.food:
            self.body.pop()
            return Event.MOVED
        self.hunger = 0
        self.food = self._place_food()
        return Event.WON if self.food is None else Event.ATE

    def _place_food(self) -> Cell | None:
        """A free cell, each equally likely, or None when the snake fills the board."""
        taken = set(self.body)
        cells = ((x, y) for y in range(self.height) for x in range(self.width))  # row by row
        free = [cell for cell in cells if cell not in taken]
        return free[self.random.below(len(free))] if free else None
