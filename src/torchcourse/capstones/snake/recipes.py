"""The settings of the recorded runs. Chosen on validation games of seeds that are not reported."""

from __future__ import annotations

from dataclasses import replace

from torchcourse.capstones.snake.agent import Config

FEATURES = Config(
    board=(40, 30),
    observation="features",
    steps=200_000,
    games=32,
    batch=256,
    gamma=0.95,  # the features tell what is far; the network need not look far ahead
    buffer=100_000,
    checks=5,  # long games: each check takes as long as 20,000 steps of training
    check_games=20,
)

RECIPES: dict[str, Config] = {
    # 12 features that look ahead, on the board of the older tutorial.
    "features": FEATURES,
    # The same agent with that tutorial's kind of features, which see one cell far.
    "classic": replace(FEATURES, observation="classic"),
    # Sees the board and nothing else.
    "board": Config(
        board=(10, 10),
        observation="view",
        steps=600_000,
        batch=256,
        mirror=True,
        final_learning_rate=1e-5,  # the last weights are steadier than those on the way
        checks=12,
    ),
    # For a notebook: a minute and a half at most.
    "quick": Config(
        board=(6, 6),
        observation="view",
        steps=150_000,
        batch=256,
        mirror=True,
        final_learning_rate=1e-5,
        checks=10,
    ),
}


def recipe(name: str) -> Config:
    """The settings with this name."""
    if name not in RECIPES:
        raise ValueError(f"There is no recipe {name!r}; choose one of {', '.join(RECIPES)}.")
    return RECIPES[name]
