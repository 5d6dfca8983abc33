"""Snake from the command line.

python -m torchcourse.capstones.snake play                     play yourself
python -m torchcourse.capstones.snake watch --player board     watch a player
python -m torchcourse.capstones.snake record --out snake.gif   film a game, no screen needed
python -m torchcourse.capstones.snake train --recipe quick     train an agent
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from torchcourse.capstones.snake.engine import Snake
from torchcourse.capstones.snake.film import Film, film_game
from torchcourse.capstones.snake.players import make_player, player_file, trained_board
from torchcourse.capstones.snake.playing import game_seeds
from torchcourse.capstones.snake.recipes import RECIPES, recipe
from torchcourse.capstones.snake.recorded import RUNS, train_and_save
from torchcourse.runtime import preset


def board_size(text: str) -> tuple[int, int]:
    """10x10 → (10, 10)."""
    try:
        width, height = map(int, text.lower().replace("×", "x").split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a board; write it as 10x10") from None
    return width, height


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m torchcourse.capstones.snake",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    game = argparse.ArgumentParser(add_help=False)
    game.add_argument("--board", type=board_size, help="cells, e.g. 10x10")
    game.add_argument("--seed", type=int, default=0, help="decides where food appears")
    speed = argparse.ArgumentParser(add_help=False)
    speed.add_argument("--speed", type=int, default=7, help="steps a second (+ and - change it)")
    speed.add_argument("--save", type=Path, help="also record to this .gif or .mp4")
    player = argparse.ArgumentParser(add_help=False)
    player.add_argument(
        "--player",
        default="board",
        help="random, greedy, cycle, features, classic, board, quick or a .safetensors file",
    )
    verbs.add_parser("play", parents=[game, speed], help="play yourself")
    verbs.add_parser("watch", parents=[game, speed, player], help="watch a player")
    record = verbs.add_parser("record", parents=[game, player], help="film a game")
    record.add_argument("--out", type=Path, default=Path("snake.gif"), help=".gif or .mp4")
    record.add_argument("--fps", type=int, default=12, help="frames a second, 1 … 50")
    record.add_argument("--max-steps", type=int, default=2_000, help="longest game to film")
    train = verbs.add_parser("train", help="train an agent")
    train.add_argument("--preset", choices=("quick", "full"), help="full trains the board reader")
    train.add_argument("--recipe", choices=RECIPES, help="instead of a preset: which agent")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--out", type=Path, default=RUNS, help="folder for weights and checkpoints")
    return parser.parse_args(arguments)


def make_game(args: argparse.Namespace, otherwise: tuple[int, int] = (10, 10)) -> Snake:
    """The first of the games that ``play(…, seed=…)`` would play."""
    board = args.board or otherwise
    return Snake(*board, seed=int(game_seeds(1, args.seed)[0]))


def players_board(name: str) -> tuple[int, int]:
    """The board a player was trained on; scripted ones play on any."""
    path = player_file(name)
    return trained_board(path) if path.exists() else (10, 10)


def show(args: argparse.Namespace) -> None:
    """play and watch: the game in a window."""
    from torchcourse.capstones.snake.view import Window  # pygame is wanted only here

    watched = getattr(args, "player", None)
    game = make_game(args, players_board(watched)) if watched else make_game(args)
    player = make_player(watched, (game.width, game.height), args.seed) if watched else None
    film = Film(args.save, min(args.speed, 50)) if args.save else None
    try:
        scores = Window(game, player, args.speed, film).run()
    except KeyboardInterrupt:
        scores = []
    print(f"Scores: {', '.join(map(str, scores)) or 'no game was finished'}")
    if film:
        print(f"Saved {film.save()}")


def record(args: argparse.Namespace) -> None:
    """Film one game."""
    film = Film(args.out, args.fps)
    game = make_game(args, players_board(args.player))
    player = make_player(args.player, (game.width, game.height), args.seed)
    score = film_game(film, game, player, args.max_steps)
    print(f"Score {score} after {len(film.frames) - 1} steps. Saved {film.save()}")


def train(args: argparse.Namespace) -> None:
    """Train one agent with one seed; going on where an interrupted run stopped."""
    name = args.recipe or {"quick": "quick", "full": "board"}[args.preset or preset()]

    def report(row: dict[str, float]) -> None:
        print(
            f"{row['steps']:>9,} steps  {row['seconds']:7.1f} s  "
            f"greedy score {row['validation_score']:6.2f}  ε {row['epsilon']:.3f}",
            flush=True,
        )

    path = train_and_save(name, recipe(name), args.seed, args.out, report)
    print(f"Saved {path}. Watch it: python -m torchcourse.capstones.snake watch --player {path}")


def main(arguments: list[str] | None = None) -> int:
    """Run one verb. Returns the exit status."""
    args = parse(arguments)
    verb = {"play": show, "watch": show, "record": record, "train": train}[args.verb]
    try:
        verb(args)
    except (ValueError, RuntimeError, FileNotFoundError) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"{error}. Install it: pip install {error.name}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
