"""The WGAN-GP: its formulas against closed forms, and a run that survives an interruption."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from torchcourse.capstones.gan.losses import critic_loss, generator_loss, gradient_penalty
from torchcourse.capstones.gan.model import Critic, Generator
from torchcourse.capstones.gan.training import Config, Trainer
from torchcourse.train.checkpoint import CheckpointError

TINY = Config(steps=12, batch=8, width=4, report_every=3)


@pytest.fixture
def data():
    torch.manual_seed(0)
    return torch.rand(40, 1, 28, 28), torch.arange(40) % 10


# ---- formulas ------------------------------------------------------------------------------------


def linear_critic(slope):
    return lambda pictures, labels: (pictures * slope).flatten(1).sum(1)


@pytest.mark.parametrize("shape", [(5, 1, 28, 28), (1, 3, 4, 4), (7, 2)])
def test_penalty_of_a_linear_critic_is_its_closed_form(shape):
    slope = torch.randn(shape[1:])
    penalty = gradient_penalty(
        linear_critic(slope), torch.rand(shape), torch.rand(shape), torch.zeros(shape[0]).long()
    )
    torch.testing.assert_close(penalty, (slope.norm() - 1) ** 2)


def test_penalty_reaches_the_critic_and_nothing_else(data):
    real, labels = data[0][:6], data[1][:6]
    fake = torch.rand_like(real).requires_grad_()
    critic = Critic(width=4)
    gradient_penalty(critic, real, fake, labels).backward()
    assert critic.features[0].weight.grad.abs().sum() > 0
    assert fake.grad is None


def test_every_picture_is_mixed_by_a_share_of_its_own():
    seen = []

    def critic(pictures, labels):
        seen.append(pictures.detach())
        return pictures.flatten(1).sum(1)

    real, fake = torch.ones(50, 1, 4, 4), torch.zeros(50, 1, 4, 4)
    gradient_penalty(critic, real, fake, torch.zeros(50).long())
    shares = seen[0].flatten(1)  # (50, 16)
    assert torch.equal(shares.amin(1), shares.amax(1))  # one share within a picture
    assert shares[:, 0].unique().numel() == 50 and 0.3 < shares.mean() < 0.7


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match="same shape"):
        gradient_penalty(
            linear_critic(1.0), torch.rand(4, 1, 8, 8), torch.rand(1, 1, 8, 8), torch.zeros(4)
        )


def test_signs():
    good, bad = torch.tensor([3.0, 5.0]), torch.tensor([-1.0, 1.0])
    assert critic_loss(good, bad) == -4.0  # low when real pictures score higher
    assert generator_loss(good) < generator_loss(bad)


# ---- networks ------------------------------------------------------------------------------------


def test_critic_judges_each_picture_by_itself(data):
    critic = Critic(width=4).train()
    together = critic(*data)
    alone = torch.cat([critic(data[0][i : i + 1], data[1][i : i + 1]) for i in range(5)])
    torch.testing.assert_close(together[:5], alone)
    kinds = {type(module) for module in critic.modules()}
    assert not kinds & {nn.BatchNorm1d, nn.BatchNorm2d, nn.Dropout}


def test_both_networks_look_at_the_label(data):
    critic, generator = Critic(width=4), Generator(width=4).eval()
    pictures, labels = data
    assert not torch.allclose(critic(pictures, labels), critic(pictures, (labels + 1) % 10))
    for norm in generator.norms:  # at the start it has not learnt to
        nn.init.normal_(norm.scale_and_shift.weight)
    noise = torch.randn(4, generator.latent)
    zeros, ones = (generator(noise, torch.full((4,), label)) for label in (0, 1))
    assert not torch.allclose(zeros, ones)
    assert torch.equal(zeros, generator(noise, torch.zeros(4).long()))  # and nothing else moves


def test_spectral_norm_bounds_every_layer(data):
    critic = Critic(width=4, spectral=True)
    for _ in range(200):  # power iteration takes a step with each call in train mode
        critic(*data)
    critic.eval()
    for layer in (critic.features[0], critic.features[4], critic.score, critic.of_class):
        top = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2)
        torch.testing.assert_close(top, torch.ones(()), rtol=0.02, atol=0)


def test_pictures_are_pictures():
    pictures = Generator(width=4)(torch.randn(3, 64), torch.tensor([0, 5, 9]))
    assert pictures.shape == (3, 1, 28, 28)
    assert pictures.min() >= 0 and pictures.max() <= 1


# ---- runs ----------------------------------------------------------------------------------------


def weights(trainer):
    return torch.cat([value.flatten() for value in trainer.average.state_dict().values()])


def test_a_seed_gives_a_run(data):
    one, two, other = (Trainer(*data, Config(**vars(TINY) | {"seed": s})) for s in (1, 1, 2))
    for trainer in (one, two, other):
        trainer.run(progress=False)
    assert torch.equal(weights(one), weights(two)) and not torch.equal(weights(one), weights(other))
    assert [row["step"] for row in one.history] == [3, 6, 9, 12]


def test_wrong_labels_teach_the_critic_what_a_label_means(data):
    labels = data[1]
    pictures = torch.zeros(40, 1, 28, 28)
    pictures[torch.arange(40), 0, :, 2 * labels] = 1.0  # each class has a bright column of its own
    gaps = []
    for mismatch in (0.0, 1.0):
        trainer = Trainer(pictures, labels, Config(**vars(TINY) | {"mismatch": mismatch}))
        wrong = (labels + 1) % 10
        for _ in range(40):
            trainer._critic_step()
        gaps.append((trainer.critic(pictures, labels) - trainer.critic(pictures, wrong)).mean())
    assert gaps[1] > 1 and gaps[1] > gaps[0] + 0.5


def test_a_run_can_take_over_the_networks_of_another(data):
    first = Trainer(*data, TINY)
    first.run(progress=False)
    second = Trainer(*data, Config(**vars(TINY) | {"seed": 5, "lr_generator": 1e-4}))
    second.take_over(first)
    assert torch.equal(weights(first), weights(second)) and second.done == 0
    second.run(progress=False)
    assert not torch.equal(weights(first), weights(second))  # and they share no memory
    with pytest.raises(RuntimeError, match="size mismatch"):
        Trainer(*data, Config(**vars(TINY) | {"width": 6})).take_over(first)


@pytest.mark.parametrize("when", [3, 6])
def test_interrupted_and_resumed_equals_uninterrupted(data, tmp_path, when):
    whole = Trainer(*data, TINY)
    whole.run(progress=False)

    def interrupt(trainer):
        if trainer.done == when:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Trainer(*data, TINY).run(tmp_path, on_report=interrupt, progress=False)
    torch.manual_seed(99)  # another process
    resumed = Trainer(*data, TINY)
    resumed.run(tmp_path, progress=False)
    assert torch.equal(weights(whole), weights(resumed))
    figures = [[row["wasserstein"] for row in trainer.history] for trainer in (whole, resumed)]
    assert figures[0] == figures[1]


def test_a_foreign_or_damaged_checkpoint_is_refused_and_kept(data, tmp_path):
    Trainer(*data, TINY).run(tmp_path, progress=False)
    path = tmp_path / "last.pt"
    with pytest.raises(ValueError, match="other settings"):
        Trainer(*data, Config(**vars(TINY) | {"penalty": 1.0})).run(tmp_path, progress=False)
    path.write_bytes(path.read_bytes()[:-500])
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="left in place"):
        Trainer(*data, TINY).run(tmp_path, progress=False)
    assert path.read_bytes() == before


def test_bytes_and_fractions_train_alike(data):
    bytes_ = (data[0] * 255).round().to(torch.uint8)
    one, two = Trainer(bytes_, data[1], TINY), Trainer(bytes_ / 255, data[1], TINY)
    one.run(progress=False), two.run(progress=False)
    assert torch.equal(weights(one), weights(two))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x, y: (x[:, 0], y), r"\(N, 1, 28, 28\)"),
        (lambda x, y: (x * 2 - 1, y), r"\[0, 1\]"),
        (lambda x, y: (x, y.float()), "int64"),
        (lambda x, y: (x, y[:5]), r"\(40,\)"),
        (lambda x, y: (x[:5], y[:5]), "fewer than a batch"),
    ],
)
def test_bad_data_is_told(data, change, says):
    with pytest.raises(ValueError, match=says):
        Trainer(*change(*data), TINY)
