"""Pictures of a game with Pillow: for notebooks, GIFs and the Gymnasium environment."""

from __future__ import annotations

from PIL import Image, ImageDraw

from torchcourse.capstones.snake.engine import MOVES, Snake, turn

CELL = 16  # pixels
COLOURS = {
    "ground": (30, 33, 41),
    "grid": (40, 44, 54),
    "head": (240, 228, 66),  # Okabe–Ito yellow, green, vermillion: readable without colour vision
    "body": (0, 158, 115),
    "dead": (128, 128, 128),
    "food": (213, 94, 0),
}


def body_colour(i: int, length: int, dead: bool) -> tuple[int, int, int]:
    """Cell i of the body, 0 = head. Towards the tail it fades, so one sees which way it goes."""
    if i == 0:
        return COLOURS["head"]
    base = COLOURS["dead"] if dead else COLOURS["body"]
    light = 1.0 - 0.55 * i / length
    return tuple(round(channel * light) for channel in base)


def picture(game: Snake, cell: int = CELL) -> Image.Image:
    """The board as an RGB image of width·cell × height·cell pixels."""
    image = Image.new("RGB", (game.width * cell, game.height * cell), COLOURS["ground"])
    draw = ImageDraw.Draw(image)
    for x in range(1, game.width):
        draw.line([(x * cell, 0), (x * cell, image.height)], COLOURS["grid"])
    for y in range(1, game.height):
        draw.line([(0, y * cell), (image.width, y * cell)], COLOURS["grid"])
    if game.food is not None:
        x, y = game.food
        draw.ellipse(_box(x, y, cell, 2), COLOURS["food"])
    body = list(game.body)
    for i in reversed(range(len(body))):  # head last, on top
        colour = body_colour(i, len(body), game.over and game.food is not None)
        draw.rectangle(_box(*body[i], cell, 1), colour)
        if i:  # bridge the gap to the next cell: the order of the body stays visible
            (x, y), (px, py) = body[i], body[i - 1]
            start = (min(x, px) * cell + 2, min(y, py) * cell + 2)
            end = (max(x, px) * cell + cell - 3, max(y, py) * cell + cell - 3)
            draw.rectangle([start, end], colour)
    _eyes(draw, game, cell)
    return image


def _box(x: int, y: int, cell: int, margin: int) -> list[int]:
    return [
        x * cell + margin,
        y * cell + margin,
        (x + 1) * cell - 1 - margin,
        (y + 1) * cell - 1 - margin,
    ]


def _eyes(draw: ImageDraw.ImageDraw, game: Snake, cell: int) -> None:
    x, y = game.head
    dx, dy = MOVES[game.heading]
    sx, sy = MOVES[turn(game.heading, 2)]
    r = max(1, cell // 10)
    for side in (-1, 1):
        cx = (x + 0.5 + 0.22 * dx + 0.22 * side * sx) * cell
        cy = (y + 0.5 + 0.22 * dy + 0.22 * side * sy) * cell
        draw.ellipse([cx - r, cy - r, cx + r, cy + r], COLOURS["ground"])
