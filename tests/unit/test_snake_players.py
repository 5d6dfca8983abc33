"""Players, how they are measured, and how trained ones are kept."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from torchcourse.capstones.snake import play
from torchcourse.capstones.snake.agent import Config, GreedyPlayer, Trainer
from torchcourse.capstones.snake.baselines import (
    CycleFollower,
    FoodChaser,
    RandomPlayer,
    hamiltonian_cycle,
)
from torchcourse.capstones.snake.engine import DOWN, RIGHT, UP, Event, Snake
from torchcourse.capstones.snake.observe import snapshot_of
from torchcourse.capstones.snake.players import load_player, make_player, save_player
from torchcourse.capstones.snake.playing import play_results
from torchcourse.capstones.snake.recipes import RECIPES, recipe
from torchcourse.capstones.snake.recorded import COLUMNS, assemble, train_and_save

TINY = Config(
    board=(4, 4), observation="view", steps=200, games=4, batch=8, buffer=100, warm_up=40,
    checks=2, check_games=3,
)  # fmt: skip


@pytest.mark.parametrize("board", [(4, 4), (4, 7), (7, 4), (10, 6), (5, 6)])
def test_cycle_visits_every_cell_once_and_closes(board):
    width, height = board
    cycle = hamiltonian_cycle(width, height)
    assert sorted(cycle) == sorted((x, y) for x in range(width) for y in range(height))
    for (x, y), (nx, ny) in zip(cycle, cycle[1:] + cycle[:1], strict=True):
        assert abs(x - nx) + abs(y - ny) == 1


@pytest.mark.parametrize("board", [(4, 4), (7, 4), (4, 7), (6, 6)])
def test_cycle_follower_always_wins(board):
    results = play_results(20, 0, board, CycleFollower(*board))
    assert (results.scores == board[0] * board[1] - 3).all()
    assert results.endings() == {"hit_wall": 0, "hit_self": 0, "starved": 0, "won": 20}


def test_odd_boards_have_no_cycle():
    with pytest.raises(ValueError, match="both sides are odd"):
        hamiltonian_cycle(5, 7)


def test_food_chaser_turns_towards_food_and_away_from_death():
    game = Snake(6, 6)
    game.body.clear()
    game.body.extend([(5, 2), (4, 2), (3, 2)])
    game.heading, game.food = RIGHT, (5, 5)
    chaser = FoodChaser()
    assert chaser(snapshot_of(game)).tolist() == [2]  # down, to the food
    game.food = (0, 0)
    assert chaser(snapshot_of(game)).tolist() == [0]  # up
    game.food = (0, 2)  # behind: nothing comes nearer, straight on is the wall
    assert chaser(snapshot_of(game))[0] in (0, 2)


def test_random_player_uses_all_actions_equally():
    snapshot = snapshot_of(Snake())
    many = replace(snapshot, head=np.zeros(3000, np.int64))
    counts = np.bincount(RandomPlayer(0)(many), minlength=3)
    assert (abs(counts - 1000) < 130).all()  # 5 standard deviations


def test_play_is_decided_by_its_arguments():
    first = play(30, 1, (8, 6), FoodChaser())
    assert first.shape == (30,)
    np.testing.assert_array_equal(first, play(30, 1, (8, 6), FoodChaser()))
    assert (first != play(30, 2, (8, 6), FoodChaser())).any()
    np.testing.assert_array_equal(first[:10], play(10, 1, (8, 6), FoodChaser()))


def test_play_counts_what_the_engine_counts():
    results = play_results(5, 2, (6, 5), FoodChaser())
    for number in range(5):
        game, chaser, steps = Snake(6, 5, 2_000 + number), FoodChaser(), 0
        while not game.over and game.hunger < 30:
            game.step((game.heading + int(chaser(snapshot_of(game))[0]) - 1) % 4)
            steps += 1
        assert (game.score, steps) == (results.scores[number], results.steps[number])
        assert game.event == results.events[number] or game.hunger >= 30


def test_games_that_starve_are_stopped():
    def circle(snapshot):
        return np.zeros(len(snapshot.head), np.int64)

    results = play_results(3, 0, (9, 9), circle, patience=12)
    starved = results.events == Event.MOVED
    assert starved.any()
    assert (results.steps[starved & (results.scores == 0)] == 12).all()


@pytest.mark.parametrize("games", [0, 1001])
def test_too_few_or_too_many_games(games):
    with pytest.raises(ValueError, match="expected 1 … 1000"):
        play(games, 0, (6, 6), FoodChaser())


def test_players_survive_saving(tmp_path):
    trainer = Trainer(TINY, 0)
    trainer.run()
    path = tmp_path / "player.safetensors"
    save_player(trainer.online, TINY, path)
    before = play(20, 0, (4, 4), GreedyPlayer(trainer.online, trainer.observer))
    np.testing.assert_array_equal(before, play(20, 0, (4, 4), load_player(path)))
    with pytest.raises(ValueError, match="trained on 4×4 cells"):
        load_player(path, (8, 8))


def test_a_feature_player_plays_on_any_board(tmp_path):
    config = replace(TINY, observation="features")
    path = tmp_path / "player.safetensors"
    save_player(Trainer(config, 0).online, config, path)
    assert play(3, 0, (9, 7), make_player(str(path), (9, 7))).shape == (3,)


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="Train one"):
        load_player(tmp_path / "none.safetensors")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"not weights")
    with pytest.raises(ValueError, match="not a readable"):
        load_player(damaged)
    with pytest.raises(ValueError, match="no player 'nobody'"):
        make_player("nobody", (6, 6))
    with pytest.raises(ValueError, match="no recipe 'large'"):
        recipe("large")


def test_recorded_runs_are_assembled_by_command(tmp_path, monkeypatch):
    monkeypatch.setattr("torchcourse.capstones.snake.recorded.TEST_GAMES", 4)
    for seed in (0, 1):
        weights = train_and_save("quick", TINY, seed, tmp_path / "runs")
        assert not weights.with_suffix(".checkpoint").exists()
    metrics = assemble(tmp_path / "runs", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == json.loads(
        json.dumps(metrics)
    )
    quick = metrics["recipes"]["quick"]
    means = [seed["mean_score"] for seed in quick["seeds"]]
    assert quick["summary"]["mean"] == pytest.approx(np.mean(means), abs=0.01)
    published = quick["seeds"][quick["published_seed"]]
    player = load_player(tmp_path / "out" / "quick.safetensors")
    again = play(4, published["seed"], (4, 4), player).mean()
    assert again == pytest.approx(published["mean_score"], abs=1e-3)
    assert metrics["baselines"]["4x4"]["cycle"]["summary"]["mean"] == 13
    with (tmp_path / "out" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {"recipe", "seed", *COLUMNS}
    assert {row["seed"] for row in rows} == {"0", "1"}


def test_runs_with_different_settings_are_not_mixed(tmp_path):
    train_and_save("quick", TINY, 0, tmp_path)
    train_and_save("quick", replace(TINY, gamma=0.5), 1, tmp_path)
    with pytest.raises(ValueError, match="other settings"):
        assemble(tmp_path, tmp_path / "out")


def test_recipes_are_for_the_boards_they_are_measured_on():
    boards = {name: config.board for name, config in RECIPES.items()}
    assert boards == {
        "features": (40, 30),
        "classic": (40, 30),
        "board": (10, 10),
        "quick": (6, 6),
    }


def test_directions_of_the_cycle_are_reached_by_turns():
    game = Snake(4, 4)
    cycle = CycleFollower(4, 4)
    action = int(cycle(snapshot_of(game))[0])
    assert action in (0, 1, 2)
    assert cycle.direction[2 * 4 + 2] in (UP, RIGHT, DOWN)
