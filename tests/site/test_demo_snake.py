"""Snake in the page: Python's games step by step, PyTorch's values, and hands on the controls."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
import torch
from conftest import SITE
from demo_page import run_in_page, serious_problems, start_demo, wait_for_words, words
from playwright.sync_api import Page
from test_phone import STICKING_OUT

from torchcourse.capstones.snake.baselines import CycleFollower, FoodChaser, RandomPlayer
from torchcourse.capstones.snake.engine import Event, Random32, Snake, turn
from torchcourse.capstones.snake.export import DEMO_PLAYERS
from torchcourse.capstones.snake.observe import make_observer, snapshot_of
from torchcourse.capstones.snake.players import make_player
from torchcourse.capstones.snake.transcript import transcripts
from torchcourse.capstones.snake.vector import VectorSnake

SNAKE = "book/demos/snake.html"
SEES = ("features", "classic", "view")

# The demo's modules, and a checksum that Python computes in the same way.
PREPARE = """
    const folder = new URL("../../_static/demos/", location.href);
    const { Snake, Random32, OBSERVERS, turn } =
        await import(new URL("snake_engine.mjs", folder).href);
    const { Rival, listRivals, loadRival } = await import(new URL("snake_rival.mjs", folder).href);
    const random = new Random32(1);
    const weights = Int32Array.from({ length: 20_000 }, () => random.next());
    const checksum = (values) => {
        const bits = values instanceof Float32Array ? new Uint32Array(values.buffer) : values;
        let sum = 0;
        for (let i = 0; i < bits.length; i++) sum = (sum + Math.imul(bits[i], weights[i])) | 0;
        return sum >>> 0;
    };
"""


in_page = partial(run_in_page, PREPARE)


def weights_of_checksum() -> np.ndarray:
    random = Random32(1)
    return np.array([random.next() for _ in range(20_000)], np.uint64)


WEIGHTS = weights_of_checksum()


def checksum(values: np.ndarray) -> np.ndarray:
    """One number below 2**32 for each row of (B, N): a weighted sum of the elements' bits."""
    bits = values.view(np.uint32) if values.dtype == np.float32 else values
    return (bits.astype(np.uint64) * WEIGHTS[: bits.shape[1]]).sum(1) & 0xFFFFFFFF


# ---- the same game ---------------------------------------------------------------------------

Directions = Callable[[object], np.ndarray]


def turning(policy: Callable) -> Directions:
    """A policy, answering with directions instead of turns."""
    return lambda snapshot: turn(snapshot.heading, policy(snapshot))


def anywhere(seed: int) -> Directions:
    """Random directions, also back into the neck, which the rules have to ignore."""
    generator = np.random.default_rng(seed)
    return lambda snapshot: generator.integers(0, 4, len(snapshot.head))


def played(board: tuple[int, int], games: int, seed: int, directions: Directions) -> list[dict]:
    """Games by Python: for each the moves, and before and after each of them the whole state.

    A row is event, head, food, hunger, length and the checksums of the body and of what the
    three observers see.
    """
    seeds = seed * 1_000 + np.arange(games)
    game, patience = VectorSnake(games, *board, seeds), board[0] * board[1]
    observers = [make_observer(name, *board) for name in SEES]
    written = [{"board": board, "seed": int(s), "moves": [], "rows": []} for s in seeds]
    live = np.arange(games)
    while len(live):
        snapshot = game.snapshot(live)
        seen = [observer(snapshot).reshape(len(live), -1) for observer in observers]
        sums = [checksum(values) for values in (snapshot.time_left.reshape(len(live), -1), *seen)]
        plain = [getattr(game, n)[live] for n in ("event", "head", "food", "hunger", "length")]
        moves = np.zeros(games, np.int64)
        moves[live] = directions(snapshot)
        stopped = game.over[live] | (game.hunger[live] >= patience)
        for i, row, stop in zip(live, np.stack([*plain, *sums], 1).tolist(), stopped, strict=True):
            written[i]["rows"].append(row)
            if not stop:
                written[i]["moves"].append(int(moves[i]))
        live = live[~stopped]
        game.step(moves, np.isin(np.arange(games), live))
    return written


REPLAY = """
    const differences = [];
    let steps = 0;
    for (const { board, seed, moves, rows } of given) {
        const game = new Snake(...board, seed);
        rows.every((row, step) => {
            if (step) game.step(moves[step - 1]);
            steps += step > 0;
            // On a full board there is no food to look for, and nobody has to look.
            const seen = row[2] < 0 ? row.slice(6)
                : ["features", "classic", "view"].map((name) => checksum(OBSERVERS[name](game)));
            const found = [game.event, game.head, game.food, game.hunger, game.body.length,
                           checksum(game.timeLeft()), ...seen];
            const same = found.every((value, i) => value === row[i]);
            if (!same) differences.push({ board, seed, step, found, expected: row });
            return same;
        });
    }
    return { differences: differences.slice(0, 3), steps };
"""


def recorded_games(names: list[str]) -> Iterator[list[dict]]:
    """Groups of games: several boards, several kinds of players, every way to end."""
    for seed, board in enumerate([(4, 4), (5, 9), (10, 10), (20, 15)]):
        yield played(board, 140, 10 + seed, anywhere(seed))
        yield played(board, 60, 20 + seed, turning(RandomPlayer(seed)))
        yield played(board, 60, 30 + seed, turning(FoodChaser()))
    yield played((4, 6), 40, 40, turning(CycleFollower(4, 6)))
    for seed, name in enumerate(names):
        # Few and small: agents play long games, hundreds of turns and more.
        for board in [(10, 10)] if name == "board" else [(8, 8), (5, 9)]:
            yield played(board, 10, 50 + seed, turning(make_player(name, board)))


def rivals() -> list[dict]:
    """The agents that the built page offers."""
    return json.loads((SITE / "_static" / "demos" / "snake_players.json").read_text())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_games_of_python_are_the_same_here(visit: Callable) -> None:
    page = visit(SNAKE).page
    games = steps = 0
    endings = set()
    for group in recorded_games([rival["name"] for rival in rivals()]):
        found = in_page(page, REPLAY, group)
        assert found["differences"] == []
        games, steps = games + len(group), steps + found["steps"]
        endings |= {game["rows"][-1][0] for game in group}
    print(f"{games} games, {steps} steps")
    assert games >= 1_000
    assert endings == set(Event) - {Event.ATE}  # MOVED: stopped because it starved


def test_the_replay_notices_one_wrong_cell(visit: Callable) -> None:
    page, game = visit(SNAKE).page, played((6, 6), 1, 0, turning(FoodChaser()))
    for column in range(9):
        broken = json.loads(json.dumps(game))
        broken[0]["rows"][-1][column] += 1
        assert len(in_page(page, REPLAY, broken)["differences"]) == 1


def test_the_engines_own_transcripts_agree(visit: Callable) -> None:
    """Not the vectorised game: the reference itself."""
    replay = """
        return given.filter(({ width, height, seed, food, steps }) => {
            const game = new Snake(width, height, seed);
            return game.food !== food || steps.some((row) => {
                const event = game.step(row[0]);
                const tail = game.body[game.body.length - 1];
                const found = [row[0], event, game.head, tail, game.food, game.body.length];
                return `${found}` !== `${row}`;
            });
        }).length;
    """
    assert in_page(visit(SNAKE).page, replay, transcripts(200, seed=3, max_steps=300)) == 0


# ---- the same agent --------------------------------------------------------------------------


@pytest.fixture(params=DEMO_PLAYERS)
def rival(request: pytest.FixtureRequest, site: object) -> dict:
    """An agent of the page, and PyTorch's player of the same name."""
    about = next((about for about in rivals() if about["name"] == request.param), None)
    if about is None:
        pytest.skip(f"no run of {request.param!r} has been recorded")
    return about | {"player": make_player(request.param, tuple(about["board"]))}


OWN_GAMES = """
    const rival = await loadRival((await listRivals()).find(({ name }) => name === given));
    const games = [];
    for (let seed = 1; seed <= 3; seed++) {
        const game = rival.begin(seed);
        const [moves, values] = [[], []];
        while (!game.over && game.hunger < rival.patience && moves.length < 400) {
            const look = await rival.look(game);
            values.push(Array.from(look.values));
            moves.push(turn(game.heading, look.best));
            game.step(moves[moves.length - 1]);
        }
        games.push({ seed, moves, values, score: game.score });
    }
    return games;
"""


def test_its_values_and_moves_are_those_of_pytorch(visit: Callable, rival: dict) -> None:
    for game in in_page(visit(SNAKE).page, OWN_GAMES, rival["name"]):
        same = Snake(*rival["board"], seed=game["seed"])
        for move, values in zip(game["moves"], game["values"], strict=True):
            expected = rival["player"].q_values(snapshot_of(same))[0]
            torch.testing.assert_close(torch.tensor(values), expected, rtol=1e-4, atol=1e-4)
            chosen = expected[(move - same.heading + 1) % 4]
            assert chosen >= expected.max() - 1e-3  # equal but for rounding
            same.step(move)
        assert same.score == game["score"]


def test_two_hundred_moves_run_without_waiting(visit: Callable, rival: dict) -> None:
    moves_a_second = in_page(
        visit(SNAKE).page,
        """const rival = await loadRival((await listRivals()).find(({ name }) => name === given));
        let game = rival.begin(1);
        await rival.look(game); // the first run of a network is slower
        const start = performance.now();
        for (let move = 0; move < 200; move++) {
            if (game.over) game = rival.begin(move);
            game.step(turn(game.heading, (await rival.look(game)).best));
        }
        return 200_000 / (performance.now() - start);""",
        rival["name"],
    )
    print(f"{rival['name']}: {moves_a_second:.0f} moves a second")
    assert moves_a_second > 10  # measured: hundreds and more; a busy machine may be slow


# ---- the page --------------------------------------------------------------------------------


def status(page: Page) -> str:
    return page.locator("[data-status]").inner_text()


def moves(page: Page) -> int:
    return int(re.search(r"move (\d+)", status(page))[1])


def wait_for_moves(page: Page, count: int) -> None:
    page.wait_for_function(
        "count => document.querySelector('[data-status]').innerText.endsWith(`move ${count}`)",
        arg=count,
    )


def heard(page: Page) -> str:
    """What only those hear who do not look."""
    return page.locator("[data-heard]").text_content()


def set_speed(page: Page, place: str) -> None:
    page.locator("[name=speed]").evaluate(
        "(s, place) => { s.value = s[place]; s.dispatchEvent(new Event('input')); }", place
    )


def test_the_agent_plays_by_itself_and_is_not_announced_at_every_move(visit: Callable) -> None:
    page = start_demo(visit, "snake")
    page.evaluate(
        """window.announced = 0;
        for (const region of document.querySelectorAll("[data-demo=snake] [aria-live]"))
            new MutationObserver(() => window.announced++).observe(region, { childList: true });"""
    )
    set_speed(page, "max")
    page.wait_for_function(
        "Number(/move (\\d+)/.exec(document.querySelector('[data-status]').innerText)[1]) > 100"
    )
    assert page.evaluate("window.announced") < 10


def test_keyboard_alone_plays_it(visit: Callable) -> None:
    page = visit(SNAKE).page
    page.get_by_role("button", name="Start the demo").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-demo=snake][data-ready=true]")
    page.keyboard.press("Space")  # the board has the focus
    wait_for_words(page, "Paused")
    before = moves(page)
    page.keyboard.press("Enter")
    wait_for_moves(page, before + 1)
    assert "The agent would go" in heard(page)
    assert "agent" in status(page)
    page.keyboard.press("ArrowUp")  # takes over; paused, so it is one move
    wait_for_moves(page, before + 2)
    assert " you " in status(page)


def test_who_runs_into_the_wall_is_told_so_and_what_the_agent_made(visit: Callable) -> None:
    page = start_demo(visit, "snake")
    page.get_by_role("button", name="Race it").click()
    wait_for_words(page, "Your first turn starts it")
    assert "to beat" in status(page)
    assert moves(page) == 0
    set_speed(page, "max")
    page.keyboard.press("ArrowDown")
    wait_for_words(page, "you hit the wall")
    assert "The agent made" in words(page)
    assert "you 0" in page.locator("[data-best]").inner_text()


def test_with_reduced_motion_it_waits_for_the_reader(visit: Callable) -> None:
    page = start_demo(visit, "snake", reduced_motion="reduce")
    page.wait_for_timeout(400)
    assert moves(page) == 0
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("!document.querySelector('[data-status]').innerText.endsWith('move 0')")


def test_a_phone_steers_by_buttons_and_swipes(visit: Callable) -> None:
    page = start_demo(visit, "snake", width=360, has_touch=True, reduced_motion="reduce")
    for button in page.locator("[data-steer]").all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 44
    page.get_by_role("button", name="up", exact=True).tap()
    wait_for_moves(page, 1)
    assert "heading up" in heard(page)
    box = page.locator("[data-board]").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 40, y, steps=4)
    page.mouse.up()
    wait_for_moves(page, 2)
    assert "heading left" in heard(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert not page.evaluate(STICKING_OUT)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_a_running_game(visit: Callable, scheme: str) -> None:
    page = start_demo(visit, "snake", scheme=scheme)
    assert not serious_problems(page, "[data-demo=snake]")


def test_every_agent_can_be_chosen(visit: Callable) -> None:
    page = start_demo(visit, "snake")
    for about in rivals():
        page.select_option("[name=rival]", about["name"])
        width, height = about["board"]
        page.wait_for_function(
            "shape => { const c = document.querySelector('[data-board]'); "
            "return Math.abs(c.width / c.height - shape) < 0.01; }",
            arg=width / height,
        )
        page.wait_for_function("document.querySelector('[data-worth]').innerText.length > 2")
