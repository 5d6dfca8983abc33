"""Environments and observations: the vectorised copy equals the engine, endings are told apart."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from torchcourse.capstones.snake.engine import RIGHT, UP, Event, Snake, turn
from torchcourse.capstones.snake.env import ID, SnakeEnv, text
from torchcourse.capstones.snake.observe import (
    OBSERVATIONS,
    BoardPlanes,
    ClassicFeatures,
    HeadView,
    MoveFeatures,
    Snapshot,
    make_observer,
    snapshot_of,
)
from torchcourse.capstones.snake.rewards import Rewards
from torchcourse.capstones.snake.vector import VectorEnv, VectorSnake


def position(rows, body, heading, food):
    """A game from the number of rows and columns and cells (x, y), head first."""
    game = Snake(*rows)
    game.body.clear()
    game.body.extend(body)
    game.heading, game.food = heading, food
    return game


def by_name(observer, game):
    return dict(zip(observer.names, observer(snapshot_of(game))[0], strict=True))


@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("render_mode", ["ansi", "rgb_array"])
def test_gymnasium_accepts_the_environment(observation, render_mode):
    env = gym.make(ID, width=7, height=5, observation=observation, render_mode=render_mode)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)


@pytest.mark.parametrize("board", [(4, 4), (5, 7), (8, 6)])
def test_the_vectorised_games_are_the_engines_games(board):
    count, generator = 24, np.random.default_rng(1)
    many = VectorSnake(count, *board, np.arange(count))
    single = [Snake(*board, seed) for seed in range(count)]
    features, seen = MoveFeatures(), set()
    for step in range(300):
        snapshot = many.snapshot()
        seeing = features(snapshot)
        wish = 3 * seeing[:, :3] + 2 * seeing[:, 3:6] + generator.random((count, 3))
        sensible = turn(many.heading, wish.argmax(1))
        wild = generator.integers(0, 4, count)  # reversals among them
        directions = wild if step % 7 == 0 else sensible
        events = many.step(directions)
        after = many.snapshot()
        for i, game in enumerate(single):
            assert game.step(int(directions[i])) == events[i]
            expected = snapshot_of(game)
            for name, values in vars(expected).items():
                np.testing.assert_array_equal(getattr(after, name)[i : i + 1], values)
            assert (game.score, game.hunger) == (many.score[i], many.hunger[i])
            assert game.random.state == many.random[i]
            seen.add(events[i])
            if game.over:
                game.reset()
        many.reset(np.flatnonzero(many.over))
    assert {Event.MOVED, Event.ATE, Event.HIT_WALL, Event.HIT_SELF} <= seen


def test_finished_games_stand_still():
    many = VectorSnake(2, 4, 4, np.array([0, 1]))
    before = many.leaves.copy()
    for _ in range(3):
        many.step(np.array([RIGHT, RIGHT]))
    assert many.over.all()
    stopped = many.snapshot().head
    many.step(np.array([UP, UP]))
    np.testing.assert_array_equal(many.snapshot().head, stopped)
    assert before.shape == many.leaves.shape


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_vector_environment_equals_gymnasium_environment(observation):
    rewards = Rewards(food=2.0, death=-3.0, step=-0.1, closer=0.25)
    env = SnakeEnv(6, 5, observation, rewards, patience=9)
    env.reset(seed=3)
    many = VectorSnake(1, 6, 5, np.array([0]))
    many.random[0] = 77
    many.reset(np.array([0]))
    env.game.reset(77)
    vector = VectorEnv(many, env.observer, rewards, patience=9)
    generator = np.random.default_rng(0)
    endings = set()
    for _ in range(300):
        action = int(generator.choice(3, p=[0.2, 0.6, 0.2]))
        observed, reward, terminated, truncated, info = env.step(action)
        after, *rest, scores = vector.step(np.array([action]))
        np.testing.assert_array_equal(after[0], observed)
        assert [values[0] for values in rest] == [np.float32(reward), terminated, truncated]
        assert scores[0] == info["score"]
        endings.add((terminated, truncated))
        if terminated or truncated:
            env.game.reset()  # the vector environment has done so already
            np.testing.assert_array_equal(vector.observation[0], env._observe())
    assert endings >= {(False, False), (True, False), (False, True)}


def test_death_terminates_and_starvation_truncates():
    env = SnakeEnv(8, 8, patience=20)
    env.reset(seed=0)
    env.game.food = (0, 0)
    flags = [env.step(0)[2:4] for _ in range(20)]  # always left: round and round
    assert flags[:-1] == [(False, False)] * 19
    assert flags[-1] == (False, True)
    env.reset(seed=0)
    env.game.food = (0, 0)
    flags = [env.step(1)[2:4] for _ in range(4)]
    assert flags[-1] == (True, False)


def test_dying_while_starving_counts_as_death():
    env = SnakeEnv(8, 8, patience=4)
    env.reset(seed=0)
    env.game.food = (0, 0)
    assert [env.step(1)[2:4] for _ in range(4)][-1] == (True, False)  # wall in the fourth step


def test_rewards_by_hand():
    events = np.array([Event.MOVED, Event.ATE, Event.HIT_WALL, Event.HIT_SELF, Event.WON])
    approach = np.array([1, 1, 0, 0, -1])
    rewards = Rewards(food=10, death=-5, step=-1, closer=0.5).of(events, approach)
    np.testing.assert_array_equal(rewards, np.array([-0.5, 9.5, -6, -6, 8.5], np.float32))


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="Unknown observation 'pixels'"):
        SnakeEnv(observation="pixels")
    with pytest.raises(ValueError, match="render_mode"):
        SnakeEnv(render_mode="human")
    env = SnakeEnv()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action is 3"):
        env.step(3)
    with pytest.raises(ValueError, match="seeds has shape"):
        VectorSnake(3, 5, 5, np.arange(2))


def test_own_observer_can_be_passed():
    class Length:
        shape, dtype, low, high = (1,), np.float32, 0.0, 100.0

        def __call__(self, snapshot: Snapshot):
            return snapshot.time_left.max((1, 2), keepdims=True)[:, 0].astype(np.float32)

    env = SnakeEnv(observation=lambda width, height: Length())
    assert env.reset(seed=0)[0] == [3.0]


def test_classic_features_by_hand():
    game = position((5, 5), [(4, 2), (3, 2), (2, 2)], RIGHT, (4, 0))
    features = dict(
        zip(ClassicFeatures.names, ClassicFeatures()(snapshot_of(game))[0], strict=True)
    )
    assert {name for name, value in features.items() if value} == {
        "food_u",
        "danger_r",  # the wall
        "danger_l",  # its own neck
        "heading_r",
    }


def test_move_features_by_hand():
    # The body cuts the board in two: left of the head there are 4 cells and the food, right of it
    # the tail and the rest.  ●: head (2, 1), looking up.
    #   . . ● t .        t: tail (3, 1) is just beside
    body = [(2, 1), (2, 2), (2, 3), (2, 4), (3, 4), (3, 3), (3, 2), (3, 1)]
    game = position((5, 5), body, UP, (0, 3))
    features = by_name(MoveFeatures(), game)
    assert [features[f"safe_{m}"] for m in "lsr"] == [1, 1, 1]  # right: the tail moves away
    assert [features[f"closer_{m}"] for m in "lsr"] == [1, 0, 0]
    assert [features[f"space_{m}"] for m in "lsr"] == [1, 1, 1]  # joined by the row at the top
    assert [features[f"tail_{m}"] for m in "lsr"] == [1, 1, 1]


def test_move_features_see_a_trap():
    # The head stands between a pocket of 2 cells (left) and the rest of the board (right).
    body = [(1, 0), (1, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3), (3, 3)]
    game = position((5, 5), body, UP, (0, 0))
    features = by_name(MoveFeatures(), game)
    free = 25 - len(body) + 1  # the tail's cell counts as free
    assert [features[f"safe_{m}"] for m in "lsr"] == [1, 0, 1]  # straight on is the wall
    assert features["closer_l"] == 1
    assert features["space_l"] == pytest.approx(2 / free)
    assert features["space_r"] == pytest.approx((free - 2) / free)
    assert [features[f"tail_{m}"] for m in "lsr"] == [0, 0, 1]


def test_regions_do_not_leak_between_games():
    games = [position((4, 4), [(x, 0) for x in range(3)], UP, (3, 3)), Snake(4, 4)]
    both = Snapshot(
        *(
            np.concatenate(v)
            for v in zip(*(vars(snapshot_of(g)).values() for g in games), strict=True)
        )
    )
    alone = np.concatenate([MoveFeatures()(snapshot_of(g)) for g in games])
    np.testing.assert_array_equal(MoveFeatures()(both), alone)


def test_board_planes_by_hand():
    game = position((5, 4), [(2, 1), (1, 1), (0, 1)], RIGHT, (4, 3))
    planes = BoardPlanes(5, 4)(snapshot_of(game))[0]
    assert planes.shape == (3, 4, 5)
    np.testing.assert_array_equal(planes[0, 1], [13, 26, 39, 0, 0])  # 255 · (1, 2, 3) / 20, up
    assert planes[0].sum() == 13 + 26 + 39
    assert [tuple(np.argwhere(p)[0]) for p in planes[1:]] == [(1, 2), (3, 4)]  # row, column


def test_head_view_by_hand():
    game = position((4, 4), [(2, 1), (1, 1), (0, 1)], RIGHT, (3, 1))
    deadly, stays, food = HeadView(4, 4)(snapshot_of(game))[0]  # each (7, 7), head at (3, 3)
    assert np.argwhere(food).tolist() == [[2, 3]]  # one cell ahead is one row up
    assert deadly[3, 3] == deadly[4, 3] == 255  # head and neck, behind
    assert deadly[5, 3] == 0  # the tail moves away
    assert stays[5, 3] == 16  # but it is still there: 255 / 16, rounded up
    assert deadly[1, 3] == 255  # the right wall, two cells ahead
    np.testing.assert_array_equal(deadly[3], [255, 255, 0, 255, 0, 0, 255])  # left wall is nearer


def test_head_view_does_not_change_when_the_board_is_turned():
    body, food = [(2, 1), (1, 1), (1, 2), (1, 3)], (4, 3)
    views = []
    for quarter in range(4):
        game = position((5, 5), body, (RIGHT + quarter) % 4, food)
        views.append(HeadView(5, 5)(snapshot_of(game)))
        body = [(4 - y, x) for x, y in body]  # a quarter turn clockwise
        food = (4 - food[1], food[0])
    for view in views[1:]:
        np.testing.assert_array_equal(view, views[0])


def test_text_shows_the_board():
    game = position((4, 4), [(2, 1), (1, 1), (0, 1)], RIGHT, (3, 3))
    assert text(game).split("\n") == ["....", "ooH.", "....", "...*"]


def test_every_observer_keeps_its_word():
    for name in OBSERVATIONS:
        observer = make_observer(name, 7, 5)
        many = VectorSnake(3, 7, 5, np.arange(3))
        seen = observer(many.snapshot())
        assert seen.shape == (3, *observer.shape)
        assert seen.dtype == observer.dtype
        assert observer.low <= seen.min() <= seen.max() <= observer.high
