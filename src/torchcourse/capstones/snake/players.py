"""Players by name, and trained players to and from files."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from torchcourse.capstones.snake.agent import Config, GreedyPlayer, make_model
from torchcourse.capstones.snake.baselines import CycleFollower, FoodChaser, RandomPlayer
from torchcourse.capstones.snake.observe import make_observer
from torchcourse.capstones.snake.playing import Policy

WEIGHTS = Path(str(files("torchcourse") / "weights" / "cap5_snake"))
SCRIPTED = ("random", "greedy", "cycle")


def save_player(model: nn.Module, config: Config, path: Path) -> None:
    """Write the weights, and beside them what is needed to use them: observation and board."""
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"observation": config.observation, "board": json.dumps(config.board)}
    save_file({name: t.contiguous() for name, t in model.state_dict().items()}, path, about)


def trained_board(path: Path) -> tuple[int, int]:
    """(width, height) of the board the player in this file was trained on."""
    width, height = json.loads(_about(path)["board"])
    return width, height


def load_player(path: Path, board: tuple[int, int] | None = None) -> GreedyPlayer:
    """The trained player in a .safetensors file.

    Args:
        path: written by ``save_player``.
        board: (width, height) to play on; None means the one it was trained on. A player that
            sees the board itself knows one size only; one that sees features can play on any.
    """
    about = _about(path)
    trained = trained_board(path)
    board = board or trained
    observer = make_observer(about["observation"], *board)
    model = make_model(observer)
    with safe_open(path, framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    wrong = [n for n, t in model.state_dict().items() if weights[n].shape != t.shape]
    if wrong:
        raise ValueError(
            f"The player in {path.name} was trained on {trained[0]}×{trained[1]} cells and sees "
            f"the whole board, so it cannot play on {board[0]}×{board[1]}. Leave the board out."
        )
    model.load_state_dict(weights)
    return GreedyPlayer(model, observer)


def _about(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
    except FileNotFoundError:
        raise FileNotFoundError(
            f"There is no player at {path}. Train one: python -m torchcourse.capstones.snake train"
        ) from None
    except SafetensorError as error:
        raise ValueError(f"{path} is not a readable .safetensors file: {error}") from None
    if not {"observation", "board"} <= about.keys():
        raise ValueError(f"{path} holds weights, but not those of a snake player.")
    return about


def player_file(name: str) -> Path:
    """Where the player of this name lies: a recorded one ("board"), or a path of your own."""
    return Path(name) if name.endswith(".safetensors") else WEIGHTS / f"{name}.safetensors"


def make_player(name: str, board: tuple[int, int], seed: int = 0) -> Policy:
    """A player by name: random, greedy, cycle, a recorded agent, or a path to a .safetensors."""
    if name == "random":
        return RandomPlayer(seed)
    if name == "greedy":
        return FoodChaser()
    if name == "cycle":
        return CycleFollower(*board)
    path = player_file(name)
    if not path.exists():
        recorded = sorted(p.stem for p in WEIGHTS.glob("*.safetensors"))
        known = ", ".join([*SCRIPTED, *recorded])
        raise ValueError(f"There is no player {name!r}; choose {known} or a .safetensors file.")
    return load_player(path, board)
