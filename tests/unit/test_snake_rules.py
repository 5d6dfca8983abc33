"""The rules of Snake, for every board and every sequence of moves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchcourse.capstones.snake.baselines import hamiltonian_cycle
from torchcourse.capstones.snake.engine import (
    DOWN,
    LEFT,
    MOVES,
    RIGHT,
    START_LENGTH,
    UP,
    Event,
    Random32,
    Snake,
    turn,
)
from torchcourse.capstones.snake.transcript import transcripts

sides = st.integers(4, 9)
untimed = settings(deadline=None)  # behaviour, not speed: a busy machine is no reason to fail
directions = st.lists(st.integers(0, 3), max_size=150)
seeds = st.integers(0, 2**32 - 1)


def snake_on(cells, heading, food, width=6, height=6):
    """A game in a given position; cells from head to tail."""
    game = Snake(width, height)
    game.body.clear()
    game.body.extend(cells)
    game.heading, game.food = heading, food
    return game


@untimed
@given(sides, sides, seeds, directions)
def test_every_step_keeps_the_rules(width, height, seed, moves):
    game = Snake(width, height, seed)
    for direction in moves:
        body, food, heading, hunger = list(game.body), game.food, game.heading, game.hunger
        event = game.step(direction)
        taken = heading if direction == turn(heading, 3) else direction
        target = (body[0][0] + MOVES[taken][0], body[0][1] + MOVES[taken][1])
        inside = 0 <= target[0] < width and 0 <= target[1] < height
        if not inside:
            assert event == Event.HIT_WALL
        elif target in body[:-1]:
            assert event == Event.HIT_SELF
        elif target == food:
            assert event in (Event.ATE, Event.WON)
            assert list(game.body) == [target, *body]
        else:
            assert event == Event.MOVED
            assert list(game.body) == [target, *body[:-1]]
        assert game.hunger == (0 if event in (Event.ATE, Event.WON) else hunger + 1)
        if game.over:
            break
    assert len(set(game.body)) == len(game.body)
    assert all(0 <= x < width and 0 <= y < height for x, y in game.body)
    assert game.food not in game.body
    assert (game.food is None) == (len(game.body) == width * height)
    assert game.score == len(game.body) - START_LENGTH


@untimed
@given(sides, sides, seeds, directions)
def test_same_seed_and_moves_give_the_same_game(width, height, seed, moves):
    games = Snake(width, height, seed), Snake(width, height, seed)
    for direction in moves:
        assert games[0].step(direction) == games[1].step(direction)
        assert games[0].body == games[1].body
        assert games[0].food == games[1].food
        if games[0].over:
            break


def test_collision_is_noticed_in_the_step_that_causes_it():
    game = snake_on([(5, 2), (4, 2), (3, 2)], RIGHT, (0, 0))
    assert game.step(RIGHT) == Event.HIT_WALL
    assert game.over
    assert list(game.body) == [(5, 2), (4, 2), (3, 2)]  # it died where it was
    game = snake_on([(2, 2), (2, 3), (3, 3), (3, 2), (3, 1)], UP, (0, 0))
    assert game.step(RIGHT) == Event.HIT_SELF


def test_the_tails_cell_is_free_because_it_moves():
    ring = [(2, 2), (2, 3), (3, 3), (3, 2)]
    game = snake_on(ring, UP, (0, 0))
    assert game.step(RIGHT) == Event.MOVED
    assert list(game.body) == [(3, 2), (2, 2), (2, 3), (3, 3)]
    for _ in range(3):  # following one's tail for ever is legal
        for direction in (DOWN, LEFT, UP, RIGHT):
            assert game.step(direction) == Event.MOVED


@pytest.mark.parametrize("heading", range(4))
def test_turning_back_means_straight_on(heading):
    dx, dy = MOVES[heading]
    game = snake_on([(3 - i * dx, 3 - i * dy) for i in range(3)], heading, (0, 0))
    assert game.step((heading + 2) % 4) == Event.MOVED
    assert game.head == (3 + dx, 3 + dy)
    assert game.heading == heading


def test_the_first_move_can_go_anywhere_but_back():
    for direction in range(4):
        assert Snake(4, 4).step(direction) in (Event.MOVED, Event.ATE)


@untimed
@given(st.integers(2, 4), sides, st.booleans(), seeds)
def test_a_full_board_wins(half, other, swap, seed):
    width, height = (other, 2 * half) if swap else (2 * half, other)
    cycle = hamiltonian_cycle(width, height)
    following = dict(zip(cycle, cycle[1:] + cycle[:1], strict=True))
    game = Snake(width, height, seed)
    while not game.over:
        (x, y), (nx, ny) = game.head, following[game.head]
        game.step(MOVES.index((nx - x, ny - y)))
    assert game.event == Event.WON
    assert game.food is None
    assert set(game.body) == set(cycle)
    assert game.score == width * height - START_LENGTH


def test_growth_happens_in_the_step_that_eats():
    game = snake_on([(2, 2), (1, 2), (0, 2)], RIGHT, (3, 2))
    assert game.step(RIGHT) == Event.ATE
    assert list(game.body) == [(3, 2), (2, 2), (1, 2), (0, 2)]
    assert game.score == 1


def test_food_falls_on_every_free_cell_equally_often():
    cells = 16 - START_LENGTH
    counts = {}
    for seed in range(200 * cells):
        food = Snake(4, 4, seed).food
        counts[food] = counts.get(food, 0) + 1
    assert len(counts) == cells
    assert all(130 < count < 270 for count in counts.values())  # 5 standard deviations about 200


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (0, [1144304738, 1416247, 958946056]),
        (12345, [4207900869, 1317490944, 2079646450]),
        (2**32 - 1, [3850105811, 813802916, 3073704848]),
    ],
)
def test_random_numbers_are_those_of_javascript(seed, expected):
    generator = Random32(seed)  # expected: mulberry32 with Math.imul, run in Node
    assert [generator.next() for _ in range(3)] == expected


@untimed
@given(seeds, st.integers(1, 2000))
def test_random_numbers_stay_below_the_limit(seed, limit):
    generator = Random32(seed)
    assert all(0 <= generator.below(limit) < limit for _ in range(20))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="3×8"):
        Snake(3, 8)
    with pytest.raises(ValueError, match="direction is 4"):
        Snake().step(4)
    game = snake_on([(5, 2), (4, 2), (3, 2)], RIGHT, (0, 0))
    game.step(RIGHT)
    with pytest.raises(RuntimeError, match="over"):
        game.step(UP)


def test_transcripts_replay_and_contain_every_event():
    written = transcripts(60, seed=1)
    events = set()
    for game in written:
        snake = Snake(game["width"], game["height"], game["seed"])
        for direction, event, _, _, food, length in game["steps"]:
            assert snake.step(direction) == event
            assert len(snake.body) == length
            expected = -1 if snake.food is None else snake.food[1] * snake.width + snake.food[0]
            assert food == expected
            events.add(event)
    assert events == {int(event) for event in Event}
