"""The game in a window (pygame): play yourself, or watch a player.

Keys: arrows or WASD steer · space pauses · + and - change the speed · R starts anew · Esc ends.
"""

from __future__ import annotations

import os
import sys
from collections import deque

from torchcourse.capstones.snake.drawing import picture
from torchcourse.capstones.snake.engine import DOWN, LEFT, RIGHT, UP, Event, Snake
from torchcourse.capstones.snake.film import Film, choose
from torchcourse.capstones.snake.observe import snapshot_of
from torchcourse.capstones.snake.playing import Policy

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
import pygame

BAR = 44  # pixels below the board for two lines of text
LONGEST_SIDE = 800  # pixels the board may take
SPEEDS = (1, 2, 4, 7, 12, 20, 35, 60, 120)  # steps a second
PAUSE_AT_END = 1.5  # seconds until the next game, when watching
INK, PAPER = (235, 235, 235), (30, 33, 41)
STEER = {
    pygame.K_UP: UP, pygame.K_w: UP, pygame.K_RIGHT: RIGHT, pygame.K_d: RIGHT,
    pygame.K_DOWN: DOWN, pygame.K_s: DOWN, pygame.K_LEFT: LEFT, pygame.K_a: LEFT,
}  # fmt: skip
ENDINGS = {
    Event.HIT_WALL: "hit the wall",
    Event.HIT_SELF: "ran into itself",
    Event.WON: "filled the board!",
}


class NoDisplayError(RuntimeError):
    """There is no screen to open a window on."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"No window can be opened here ({reason}). On a machine with a screen this just works. "
            "Without one you can still make a film: python -m torchcourse.capstones.snake record "
            "--out snake.gif. To run the window unseen (for a test or with --save), set "
            "SDL_VIDEODRIVER=dummy."
        )


def open_display(size: tuple[int, int]) -> pygame.Surface:
    """A window of this size in pixels.

    Raises:
        NoDisplayError: if there is no screen; the message says what to do.
    """
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    if sys.platform.startswith("linux") and not any(map(os.environ.get, screens)):
        raise NoDisplayError("neither DISPLAY nor WAYLAND_DISPLAY is set")
    try:
        pygame.display.init()
        pygame.font.init()
        return pygame.display.set_mode(size)
    except pygame.error as error:
        raise NoDisplayError(str(error)) from None


class Window:
    """A game on the screen. Use it once: ``Window(game).run()``.

    Args:
        game: the game to show; it is changed by playing.
        player: who steers; None means you.
        speed: steps a second, rounded to the nearest of SPEEDS.
        film: if given, every picture is added to it.
        patience: a watched game is stopped after so many steps without food; None: width·height.
    """

    def __init__(
        self,
        game: Snake,
        player: Policy | None = None,
        speed: int = 7,
        film: Film | None = None,
        patience: int | None = None,
    ) -> None:
        self.game, self.player, self.film = game, player, film
        self.patience = patience or game.width * game.height
        self.level = min(range(len(SPEEDS)), key=lambda i: abs(SPEEDS[i] - speed))
        self.cell = max(4, min(32, LONGEST_SIDE // max(game.width, game.height)))
        self.paused, self.closed, self.waited = False, False, 0.0
        self.wanted: deque[int] = deque(maxlen=2)  # two quick key strokes make a U-turn
        self.scores: list[int] = []  # of finished games
        width = max(game.width * self.cell, 320)  # the text needs some room
        self.screen = open_display((width, game.height * self.cell + BAR))
        self.font = pygame.font.Font(None, 22)
        self.clock = pygame.time.Clock()
        pygame.display.set_caption("Snake")

    @property
    def speed(self) -> int:
        """Steps a second."""
        return SPEEDS[self.level]

    @property
    def finished(self) -> bool:
        """The game is over, or a watched snake goes round in circles."""
        starved = self.player is not None and self.game.hunger >= self.patience
        return self.game.over or starved

    def run(self, max_steps: int | None = None) -> list[int]:
        """Show the window until it is closed (or for so many pictures). Returns the scores."""
        shown = 0
        self.draw()
        while not self.closed and (max_steps is None or shown < max_steps):
            self.handle_events()
            self.advance()
            self.draw()
            self.clock.tick(self.speed)
            shown += 1
        pygame.display.quit()
        return self.scores

    def handle_events(self) -> None:
        """Answer keys and the window's close button."""
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                self.closed = True
            elif event.type == pygame.KEYDOWN:
                self.press(event.key)

    def press(self, key: int) -> None:
        """What a key does."""
        if key == pygame.K_ESCAPE:
            self.closed = True
        elif key == pygame.K_SPACE:
            self.paused = not self.paused
        elif key in (pygame.K_PLUS, pygame.K_EQUALS, pygame.K_KP_PLUS):
            self.level = min(self.level + 1, len(SPEEDS) - 1)
        elif key in (pygame.K_MINUS, pygame.K_KP_MINUS):
            self.level = max(self.level - 1, 0)
        elif key == pygame.K_r:
            self.restart()
        elif key in STEER:
            self.wanted.append(STEER[key])

    def advance(self) -> None:
        """One step of the game, unless it is paused or over."""
        if self.paused:
            return
        if self.finished:
            self.waited += 1 / self.speed
            if self.player is not None and self.waited >= PAUSE_AT_END:
                self.restart()
            return
        self.game.step(self._direction())
        if self.finished:
            self.scores.append(self.game.score)

    def _direction(self) -> int:
        if self.player is not None:
            return choose(self.player, self.game)
        return self.wanted.popleft() if self.wanted else self.game.heading

    def restart(self) -> None:
        """A new game; its food goes on from the same random stream."""
        self.game.reset()
        self.wanted.clear()
        self.waited = 0.0

    def draw(self) -> None:
        """Board and text."""
        image = picture(self.game, self.cell)
        self.screen.fill(PAPER)
        self.screen.blit(pygame.image.frombytes(image.tobytes(), image.size, "RGB"), (0, 0))
        for i, line in enumerate(self.status()):
            at = (8, image.height + 4 + 20 * i)
            self.screen.blit(self.font.render(line, True, INK), at)
        pygame.display.flip()
        if self.film is not None:
            self.film.add(image)

    def status(self) -> tuple[str, str]:
        """The two lines of text below the board."""
        state = "paused" if self.paused else self._ending() if self.finished else ""
        first = f"score {self.game.score}   speed {self.speed}/s   {state}"
        if self.player is None:
            return first, "arrows steer · space pause · +/- speed · R again · Esc end"
        return first, self._values()

    def _ending(self) -> str:
        return ENDINGS.get(self.game.event, "went in circles")

    def _values(self) -> str:
        if self.finished or not hasattr(self.player, "q_values"):
            return ""
        values = self.player.q_values(snapshot_of(self.game))[0].tolist()
        return "Q  " + "   ".join(
            f"{name} {value:+.2f}"
            for name, value in zip(("left", "straight", "right"), values, strict=True)
        )
