"""The agent: targets by hand, what must not happen to gradients, and resuming bit for bit."""

from collections import deque
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from torchcourse.capstones.snake.agent import (
    Batch,
    Config,
    FeatureNet,
    Replay,
    Step,
    Trainer,
    ViewNet,
    double_dqn_target,
    dqn_loss,
    epsilon_at,
    make_model,
    mirrored,
    n_step_batch,
)
from torchcourse.capstones.snake.observe import HeadView, make_observer
from torchcourse.capstones.snake.vector import VectorSnake

TINY = Config(
    board=(5, 4),
    observation="features",
    steps=480,
    games=4,
    batch=16,
    buffer=150,  # smaller than the run, so that the oldest transitions are overwritten
    warm_up=40,
    sync=10,
    n_step=3,
    patience=6,
    checks=4,
    check_games=3,
)


class Table(nn.Module):
    """Q-values looked up by state number: everything can be worked out by hand."""

    def __init__(self, rows):
        super().__init__()
        self.q = nn.Parameter(torch.tensor(rows))

    def forward(self, state):
        return self.q[state]


def batch_of(discount, action=(0,), state=(0,), reward=(1.0,), after=(1,)):
    return Batch(
        torch.tensor(state),
        torch.tensor(action),
        torch.tensor(reward),
        torch.tensor(discount),
        torch.tensor(after),
    )


def test_double_dqn_target_by_hand():
    online = Table([[0.0, 0.0, 0.0], [1.0, 5.0, 2.0]])  # prefers action 1 in state 1 …
    target = Table([[0.0, 0.0, 0.0], [9.0, 3.0, 7.0]])  # … which the target network values at 3
    assert double_dqn_target(online, target, batch_of([0.9])).tolist() == [pytest.approx(3.7)]


def test_nothing_comes_after_the_end():
    network = Table([[0.0] * 3, [100.0] * 3])
    assert double_dqn_target(network, network, batch_of([0.0])).tolist() == [1.0]


def test_no_gradient_flows_through_the_target():
    online, target = Table([[0.5] * 3, [2.0] * 3]), Table([[0.5] * 3, [2.0] * 3])
    dqn_loss(online, target, batch_of([0.9], action=(2,))).backward()
    assert target.q.grad is None
    assert online.q.grad[1].abs().sum() == 0  # the next state is only looked at
    assert (online.q.grad[0] != 0).tolist() == [False, False, True]  # only the action taken


def step(number, reward=0.0, terminated=False, truncated=False):
    """One move of one game; observations are numbers so that one sees where they come from."""
    return Step(
        torch.tensor([[float(number)]]),
        torch.tensor([number]),
        torch.tensor([reward]),
        torch.tensor([[number + 0.5]]),
        torch.tensor([terminated]),
        torch.tensor([truncated]),
    )


def transition(*steps, gamma=0.5):
    batch = n_step_batch(deque(steps), gamma)
    values = batch.observation, batch.action, batch.reward, batch.discount, batch.next_observation
    return [value.item() for value in values]


def test_n_step_return_by_hand():
    steps = step(1, 1.0), step(2, 2.0), step(3, 4.0)
    assert transition(*steps) == [1.0, 1, 1.0 + 0.5 * 2 + 0.25 * 4, 0.125, 3.5]


def test_n_step_return_stops_at_death_and_keeps_no_future():
    steps = step(1, 1.0), step(2, -1.0, terminated=True), step(3, 100.0)
    assert transition(*steps) == [1.0, 1, 0.5, 0.0, 2.5]


def test_n_step_return_stops_at_truncation_but_keeps_the_future():
    steps = step(1, 1.0), step(2, -1.0, truncated=True), step(3, 100.0)
    assert transition(*steps) == [1.0, 1, 0.5, 0.25, 2.5]


def test_the_first_ending_counts():
    steps = step(1, 1.0, truncated=True), step(2, 5.0, terminated=True), step(3, 7.0)
    assert transition(*steps) == [1.0, 1, 1.0, 0.5, 1.5]


def test_one_step_return_is_the_plain_transition():
    assert transition(step(1, 3.0)) == [1.0, 1, 3.0, 0.5, 1.5]
    assert transition(step(1, 3.0, terminated=True)) == [1.0, 1, 3.0, 0.0, 1.5]


def test_n_step_batch_does_not_change_the_steps():
    window = deque([step(1, truncated=True), step(2)])
    n_step_batch(window, 0.5)
    assert window[-1].next_observation.item() == 2.5


def test_replay_forgets_the_oldest_and_samples_whole_rows():
    replay = Replay(5, (1,), torch.float32)
    for i in range(0, 8, 2):
        numbers = torch.tensor([i, i + 1])
        as_rows = numbers.float()[:, None]
        replay.add(Batch(as_rows, numbers, numbers / 10, numbers / 100, as_rows + 1000))
    assert len(replay) == 5
    assert sorted(replay.action.tolist()) == [3, 4, 5, 6, 7]
    sample = replay.sample(200, torch.Generator().manual_seed(0))
    assert set(sample.action.tolist()) == {3, 4, 5, 6, 7}
    torch.testing.assert_close(sample.observation[:, 0], sample.action.float())
    torch.testing.assert_close(sample.next_observation, sample.observation + 1000)
    torch.testing.assert_close(sample.reward, sample.action / 10)


def test_mirror_image_is_what_the_mirrored_game_shows():
    many = VectorSnake(1, 5, 5, np.array([0]))
    view = HeadView(5, 5)
    snapshot = many.snapshot()
    before = torch.from_numpy(view(snapshot))
    flipped = replace(  # the same position, reflected at the line the snake moves along (y → 4 - y)
        snapshot,
        time_left=snapshot.time_left[:, ::-1],
        head=(4 - snapshot.head // 5) * 5 + snapshot.head % 5,
        food=(4 - snapshot.food // 5) * 5 + snapshot.food % 5,
    )
    after = torch.from_numpy(view(flipped))
    twice = Batch(before.repeat(2, 1, 1, 1), torch.tensor([0, 0]), *torch.zeros(2, 2), before)
    result = mirrored(twice)
    torch.testing.assert_close(result.observation[:1], after)
    torch.testing.assert_close(result.observation[1:], before)
    assert result.action.tolist() == [2, 0]  # left became right in the first half


def test_epsilon_falls_and_stays():
    config = Config(steps=1000, epsilon=1.0, final_epsilon=0.1, explore=0.5)
    assert epsilon_at(config, 0) == 1.0
    assert epsilon_at(config, 250) == pytest.approx(0.55)
    assert epsilon_at(config, 500) == epsilon_at(config, 1000) == pytest.approx(0.1)


def test_a_board_too_small_to_convolve_is_told():
    with pytest.raises(ValueError, match="at least 7 by 7 cells, and sees 6 by 6"):
        make_model(make_observer("board", 6, 6))
    assert make_model(make_observer("view", 6, 6))


@pytest.mark.parametrize(
    ("model", "shape"), [(FeatureNet(), (12,)), (ViewNet((3, 7, 7)), (3, 7, 7))]
)
def test_networks_give_three_values_for_any_batch(model, shape):
    for count in (1, 5):
        assert model(torch.zeros(count, *shape)).shape == (count, 3)


def flat(model):
    return torch.cat([p.detach().ravel() for p in model.parameters()])


def weights(trainer):
    return flat(trainer.online)


@pytest.mark.parametrize("observation", ["features", "view"])
def test_killed_and_resumed_equals_uninterrupted(tmp_path, observation):
    config = replace(TINY, observation=observation, mirror=observation == "view")
    whole = Trainer(config, seed=3)
    best = whole.run()
    checkpoint = tmp_path / "run.checkpoint"
    Trainer(config, 3, checkpoint).run(stop_at=300)  # checkpoint written at 240: 60 steps are lost
    resumed = Trainer(config, 3, checkpoint)
    assert resumed.steps == 240
    best_resumed = resumed.run()
    assert torch.equal(weights(whole), weights(resumed))
    for a, b in zip(best.parameters(), best_resumed.parameters(), strict=True):
        assert torch.equal(a, b)
    timeless = [{k: v for k, v in row.items() if "seconds" not in k} for row in whole.history]
    again = [{k: v for k, v in row.items() if "seconds" not in k} for row in resumed.history]
    assert timeless == again
    assert whole.replay.added > config.buffer  # the ring was written round and round
    assert torch.equal(whole.replay.reward, resumed.replay.reward)
    assert whole.gradient_steps > 0


def test_seeds_decide_the_run():
    first, same, other = (Trainer(TINY, seed) for seed in (1, 1, 2))
    for trainer in (first, same, other):
        trainer.run(stop_at=120)
    assert torch.equal(weights(first), weights(same))
    assert not torch.equal(weights(first), weights(other))


def test_a_trainer_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    Trainer(TINY, 0).run(stop_at=80)
    assert torch.equal(torch.rand(3), expected)


def test_an_interrupted_save_keeps_the_former_checkpoint(tmp_path, monkeypatch):
    checkpoint = tmp_path / "run.checkpoint"
    trainer = Trainer(TINY, 0)
    trainer.run(stop_at=80)
    trainer.save(checkpoint)
    former = checkpoint.read_bytes()

    def broken(state, path):
        path.write_bytes(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(OSError, match="No space"):
        trainer.save(checkpoint)
    assert checkpoint.read_bytes() == former


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    checkpoint = tmp_path / "run.checkpoint"
    Trainer(TINY, 0).save(checkpoint)
    with pytest.raises(ValueError, match="belongs to another run"):
        Trainer(TINY, 1, checkpoint)
    with pytest.raises(ValueError, match="belongs to another run"):
        Trainer(replace(TINY, gamma=0.5), 0, checkpoint)


def test_the_target_network_follows_only_when_synchronised():
    trainer = Trainer(replace(TINY, sync=5), seed=0)
    trainer.run(stop_at=TINY.warm_up)
    trainer.learn()
    start = flat(trainer.target)
    while trainer.gradient_steps % 5:
        assert torch.equal(flat(trainer.target), start)
        trainer.learn()
    assert torch.equal(flat(trainer.target), weights(trainer))


def test_the_agent_learns():
    """A few seconds suffice to eat far more than before; a broken agent does not get there."""
    config = replace(
        TINY, board=(6, 6), steps=16_000, games=32, batch=128, buffer=20_000, warm_up=1_000,
        sync=50, n_step=3, gamma=0.9, patience=36, checks=2, check_games=50, explore=0.3,
    )  # fmt: skip
    trainer = Trainer(config, seed=0)
    trainer.run()
    assert trainer.best_score > 5  # random play: 0.2
