"""The recorded runs: train one seed, and put all seeds together into what the site shows.

    python -m torchcourse.capstones.snake train --recipe board --seed 0     (seeds 0 … 4)
    python -m torchcourse.capstones.snake.recorded

The second command plays 100 greedy games with the player of each seed and with the scripted
players, and writes ``weights/cap5_snake``: ``<recipe>.safetensors``, ``metrics.json``,
``history.csv``.

Games are kept apart: training games, validation games (they choose the best weights within a run
and the seed that is published) and test games (played here, once) have seeds that never meet.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from torchcourse.capstones.snake.agent import TEST, Config, Trainer, describe
from torchcourse.capstones.snake.engine import START_LENGTH
from torchcourse.capstones.snake.players import WEIGHTS, load_player, make_player, save_player
from torchcourse.capstones.snake.playing import Policy, play_results
from torchcourse.capstones.snake.recipes import RECIPES
from torchcourse.recording import versions, write_json

RUNS = Path("runs") / "cap5_snake"
TEST_GAMES = 100
# Columns of history.csv with their decimals, and what metrics.json keeps of a run.
COLUMNS = {
    "steps": 0,
    "seconds": 1,
    "cpu_seconds": 1,
    "validation_score": 2,
    "training_score": 2,
    "epsilon": 3,
    "loss": 5,
}
KEPT = (
    "seed",
    "environment_steps",
    "gradient_steps",
    "seconds",
    "cpu_seconds",
    "best_validation_score",
)


def train_and_save(
    name: str,
    config: Config,
    seed: int,
    folder: Path,
    report: Callable[[dict[str, float]], None] | None = None,
) -> Path:
    """Train one seed; write ``<folder>/<name>/seed<N>.{safetensors,json}``, return the first.

    An interrupted run goes on from its checkpoint; a finished one's checkpoint is deleted.
    """
    target = folder / name / f"seed{seed}"
    checkpoint = target.with_suffix(".checkpoint")
    trainer = Trainer(config, seed, checkpoint)
    model = trainer.run(report)
    weights = target.with_suffix(".safetensors")
    save_player(model, config, weights)
    result = {
        "recipe": name,
        "seed": seed,
        "config": describe(config),
        "environment_steps": trainer.steps,
        "gradient_steps": trainer.gradient_steps,
        "seconds": round(trainer.seconds, 1),
        "cpu_seconds": round(trainer.cpu_seconds, 1),
        "best_validation_score": trainer.best_score,
        "parameters": sum(p.numel() for p in model.parameters()),
        "machine": machine(),
        "history": trainer.history,
    }
    write_json(target.with_suffix(".json"), result)
    checkpoint.unlink(missing_ok=True)
    return weights


def machine() -> dict[str, str | int]:
    """What the run ran on."""
    return {
        "device": "cpu",
        "threads": torch.get_num_threads(),
        **versions("gymnasium"),
    }


def assemble(folder: Path, destination: Path) -> dict:
    """Test every trained seed, write weights, metrics.json and history.csv, return the metrics."""
    destination.mkdir(parents=True, exist_ok=True)
    recipes, rows = {}, []
    for name in RECIPES:
        runs = [json.loads(p.read_text()) for p in sorted((folder / name).glob("seed*.json"))]
        if not runs:
            print(f"{name}: no runs in {folder / name}, left out")
            continue
        recipes[name] = measure(name, runs, folder, destination)
        rows += [
            [name, run["seed"], *(f"{row[k]:.{digits}f}" for k, digits in COLUMNS.items())]
            for run in runs
            for row in run["history"]
        ]
    boards = {tuple(r["board"]) for r in recipes.values()}
    metrics = {
        "command": "python -m torchcourse.capstones.snake.recorded",
        "date": time.strftime("%Y-%m-%d"),
        "score": f"food eaten in a game, which is the snake's length less {START_LENGTH}",
        "test_games_per_seed": TEST_GAMES,
        "baselines": {f"{w}x{h}": measure_baselines((w, h)) for w, h in sorted(boards)},
        "recipes": recipes,
    }
    write_json(destination / "metrics.json", metrics)
    with (destination / "history.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["recipe", "seed", *COLUMNS])
        writer.writerows(rows)
    return metrics


def measure(name: str, runs: list[dict], folder: Path, destination: Path) -> dict:
    """Play the test games with the player of each seed, and publish the one validation chose."""
    board = tuple(runs[0]["config"]["board"])
    seeds = []
    for run in runs:
        if run["config"] != runs[0]["config"]:
            raise ValueError(
                f"{folder / name}: seed {run['seed']} was trained with other settings than seed "
                f"{runs[0]['seed']}. Delete the older files and train them again."
            )
        player = load_player(folder / name / f"seed{run['seed']}.safetensors")
        seeds.append({k: run[k] for k in KEPT} | play_test_games(player, board, TEST + run["seed"]))
        print(name, seeds[-1], flush=True)
    chosen = max(runs, key=lambda run: run["best_validation_score"])["seed"]
    weights = folder / name / f"seed{chosen}.safetensors"
    shutil.copyfile(weights, destination / f"{name}.safetensors")
    return {
        "command": f"python -m torchcourse.capstones.snake train --recipe {name} --seed SEED",
        "board": board,
        "summary": summary([s["mean_score"] for s in seeds]),
        "mean_seconds": round(float(np.mean([s["seconds"] for s in seeds])), 1),
        "mean_cpu_seconds": round(float(np.mean([s["cpu_seconds"] for s in seeds])), 1),
        "published_seed": chosen,
        "seeds": seeds,
        "parameters": runs[0]["parameters"],
        "config": runs[0]["config"],
        "machine": runs[0]["machine"],
    }


def measure_baselines(board: tuple[int, int]) -> dict:
    """The scripted players, on the same test games as the agents."""
    found = {}
    for name in ("random", "greedy", "cycle"):
        seeds = []
        for seed in range(5):
            seeds.append(
                {"seed": seed} | play_test_games(make_player(name, board, seed), board, TEST + seed)
            )
        found[name] = {"summary": summary([s["mean_score"] for s in seeds]), "seeds": seeds}
        print(board, name, found[name]["summary"], flush=True)
    return found


def play_test_games(player: Policy, board: tuple[int, int], seed: int) -> dict:
    """100 games: mean score, its spread over games, how they ended, how long they took."""
    results = play_results(TEST_GAMES, seed, board, player)
    return {
        "mean_score": round(float(results.scores.mean()), 3),
        "std_over_games": round(float(results.scores.std(ddof=1)), 3),
        "lowest": int(results.scores.min()),
        "highest": int(results.scores.max()),
        "mean_steps": round(float(results.steps.mean()), 1),
        "endings": results.endings(),
    }


def summary(means: list[float]) -> dict[str, float]:
    """Mean and standard deviation over the means of the seeds."""
    std = float(np.std(means, ddof=1)) if len(means) > 1 else 0.0
    return {"mean": round(float(np.mean(means)), 2), "std_over_seeds": round(std, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder that `train` wrote to")
    parser.add_argument("--to", type=Path, default=WEIGHTS, help="folder to write to")
    args = parser.parse_args()
    assemble(args.runs, args.to)


if __name__ == "__main__":
    main()
