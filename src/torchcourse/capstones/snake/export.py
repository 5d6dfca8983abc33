"""The recorded agents for the live demo: their Q-networks as ONNX, and a list of who there is.

Only the network is exported. The rules and what an agent sees are written in JavaScript, in
``book/_static/demos/snake_engine.mjs``, and compared with Python's step by step by the tests.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from torchcourse.capstones.snake.agent import GreedyPlayer
from torchcourse.capstones.snake.players import WEIGHTS, load_player, trained_board
from torchcourse.capstones.snake.recipes import RECIPES
from torchcourse.capstones.snake.vector import VectorSnake
from torchcourse.export import to_onnx

# Who plays in the page, and on which board. None: the one it was trained on, which an agent that
# reads the whole board cannot leave; 20×15 cells fit a phone and are still large enough to watch.
DEMO_PLAYERS: dict[str, tuple[int, int] | None] = {
    "features": (20, 15),
    "board": None,
    "classic": (20, 15),
}


def export(folder: Path, weights: Path = WEIGHTS) -> None:
    """Write ``snake_<name>.onnx`` for each recorded agent, and ``snake_players.json``.

    Args:
        folder: to write to.
        weights: where the recorded ``<name>.safetensors`` lie.

    Raises:
        FileNotFoundError: if no agent has been recorded.
    """
    listed = []
    for name, board in DEMO_PLAYERS.items():
        path = weights / f"{name}.safetensors"
        if not path.exists():
            continue
        board = board or trained_board(path)
        player = load_player(path, board)
        export_network(player, board, folder / f"snake_{name}.onnx")
        listed.append({"name": name, "observation": RECIPES[name].observation, "board": board})
    if not listed:
        raise FileNotFoundError(
            f"No agent for the Snake demo in {weights}: expected one of "
            f"{', '.join(f'{name}.safetensors' for name in DEMO_PLAYERS)}. Record runs first: "
            "see torchcourse/capstones/snake/recorded.py"
        )
    (folder / "snake_players.json").write_text(json.dumps(listed) + "\n")


def export_network(player: GreedyPlayer, board: tuple[int, int], path: Path) -> None:
    """``observation`` (N, …) → ``q_values`` (N, 3): left, straight on, right."""
    # Compared on positions of real games, not on noise that the network never sees.
    game = VectorSnake(4, *board, seeds=np.arange(4))
    to_onnx(
        player.model,
        (torch.from_numpy(player.observer(game.snapshot())),),
        path,
        input_names=["observation"],
        output_names=["q_values"],
        dynamic_shapes=({0: torch.export.Dim("positions")},),
    )
