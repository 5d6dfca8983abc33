"""The agents' networks as the live demo loads them."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from torchcourse.capstones.snake.agent import make_model
from torchcourse.capstones.snake.baselines import FoodChaser
from torchcourse.capstones.snake.engine import turn
from torchcourse.capstones.snake.export import export
from torchcourse.capstones.snake.observe import make_observer
from torchcourse.capstones.snake.players import load_player, save_player
from torchcourse.capstones.snake.recipes import RECIPES
from torchcourse.capstones.snake.vector import VectorSnake


def test_without_recorded_agents_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"features\.safetensors.*Record runs first"):
        export(tmp_path / "demos", weights=tmp_path)


@pytest.mark.parametrize("name", ["features", "board"])
def test_exported_networks_answer_as_pytorch_does(tmp_path: Path, name: str) -> None:
    config = RECIPES[name]
    torch.manual_seed(0)
    model = make_model(make_observer(config.observation, *config.board))
    save_player(model, config, tmp_path / f"{name}.safetensors")
    export(tmp_path / "demos", weights=tmp_path)

    (about,) = json.loads((tmp_path / "demos" / "snake_players.json").read_text())
    assert (about["name"], about["observation"]) == (name, config.observation)
    board = tuple(about["board"])
    player = load_player(tmp_path / f"{name}.safetensors", board)
    session = onnxruntime.InferenceSession(tmp_path / "demos" / f"snake_{name}.onnx")
    game, chaser = VectorSnake(9, *board, seeds=np.arange(9)), FoodChaser()
    for _ in range(20):  # another number of positions than it was exported with
        snapshot = game.snapshot()
        (found,) = session.run(None, {"observation": player.observer(snapshot)})
        np.testing.assert_allclose(found, player.q_values(snapshot), rtol=1e-4, atol=1e-5)
        game.step(turn(snapshot.heading, chaser(snapshot)))
