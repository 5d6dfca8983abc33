"""The attacks: what must hold for each of them, and agreement with a reference library."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

from torchcourse.capstones.attacks import fgsm, pgd


class Normalise(nn.Module):
    def forward(self, x):
        return (x - 0.3) / 0.35


@pytest.fixture(scope="module")
def data():
    """Real digits, (N, 1, 8, 8) in [0, 1], and their labels."""
    x, y = load_digits(return_X_y=True)
    x = torch.from_numpy(x / 16).float().view(-1, 1, 8, 8)
    return x, torch.from_numpy(y).long()


@pytest.fixture(scope="module")
def model(data):
    """A network with BatchNorm and dropout that reads most digits it has not seen."""
    x, y = data[0][:1200], data[1][:1200]
    torch.manual_seed(0)
    network = nn.Sequential(
        Normalise(),
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(16 * 64, 10),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(15):
        for rows in torch.randperm(len(x)).split(100):
            loss = F.cross_entropy(network(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    optimizer.zero_grad()
    return network.eval()


@pytest.fixture
def batch(data):
    return data[0][1400:1600], data[1][1400:1600]


def accuracy(model, x, y):
    return (model(x).argmax(1) == y).float().mean().item()


ATTACKS = {
    "fgsm": fgsm,
    "pgd": lambda *args: pgd(*args, steps=5),
    "pgd with restarts": lambda *args: pgd(*args, steps=5, restarts=3),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("eps", [0.01, 0.1, 1.0])
def test_change_stays_in_the_box_and_in_the_picture(attack, eps, model, batch):
    x, y = batch
    before = x.clone()
    adversarial = attack(model, x, y, eps)
    assert (adversarial - x).abs().max() <= eps + 1e-6
    assert adversarial.min() >= 0 and adversarial.max() <= 1
    assert torch.equal(x, before) and not adversarial.requires_grad


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_no_room_means_no_change(attack, model, batch):
    assert torch.equal(attack(model, *batch, 0.0), batch[0])


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_loss_rises(attack, model, batch):
    """Also for the pictures the model gets wrong already: a wrong sign would lower it."""
    x, y = batch
    clean = F.cross_entropy(model(x), y)
    assert F.cross_entropy(model(attack(model, x, y, 0.05)), y) > 1.5 * clean
    assert accuracy(model, attack(model, x, y, 0.1), y) < accuracy(model, x, y) - 0.3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("eps", [0.05, 0.1, 0.15])
def test_many_steps_are_at_least_as_strong_as_one(eps, seed, model, batch):
    x, y = batch
    torch.manual_seed(seed)
    by_pgd = accuracy(model, pgd(model, x, y, eps, steps=20), y)
    assert by_pgd <= accuracy(model, fgsm(model, x, y, eps), y) + 1e-6


def test_restarts_never_weaken(model, batch):
    x, y = batch
    torch.manual_seed(0)
    once = accuracy(model, pgd(model, x, y, 0.07, steps=3), y)
    torch.manual_seed(0)  # the same first attempt
    assert accuracy(model, pgd(model, x, y, 0.07, steps=3, restarts=4), y) <= once


def test_targeted_reaches_the_target(model, batch):
    x, y = batch
    target = (y + 1) % 10
    one = model(fgsm(model, x, target, 0.1, targeted=True))
    many = model(pgd(model, x, target, 0.4, steps=20, targeted=True))
    assert F.cross_entropy(one, target) < F.cross_entropy(model(x), target)
    assert (many.argmax(1) == target).float().mean() > 0.9


def test_fgsm_agrees_with_torchattacks(model, batch):
    torchattacks = pytest.importorskip("torchattacks")  # `make test` installs it
    x, y = batch
    theirs = torchattacks.FGSM(model, eps=0.08)(x, y)
    torch.testing.assert_close(fgsm(model, x, y, 0.08), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("random_start", [False, True])
def test_pgd_agrees_with_torchattacks(random_start, model, batch):
    torchattacks = pytest.importorskip("torchattacks")
    x, y = batch
    attack = torchattacks.PGD(model, eps=0.08, alpha=0.02, steps=8, random_start=random_start)
    torch.manual_seed(5)
    theirs = attack(x, y)
    torch.manual_seed(5)
    ours = pgd(model, x, y, 0.08, steps=8, step_size=0.02, random_start=random_start)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_modes_gradients_and_statistics_are_left_as_they_were(model, batch):
    model.train()
    model[2].eval()  # a frozen BatchNorm inside a model in training
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        pgd(model, *batch, 0.1, steps=2)
        assert [module.training for module in model] == [True, True, False, True, True, True, True]
        assert all(parameter.grad is None for parameter in model.parameters())
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        with pytest.raises(ValueError):
            fgsm(model, batch[0], batch[1] + 90, 0.1)
        assert model.training and not model[2].training  # after an error as well
    finally:
        model.eval()


def test_pictures_do_not_influence_each_other(model, batch):
    x, y = batch
    model.train()  # in which BatchNorm would mix them
    try:
        together = fgsm(model, x, y, 0.1)
        alone = fgsm(model, x[:1], y[:1], 0.1)
    finally:
        model.eval()
    assert (together[:1] - alone).abs().max() < 1e-6


def test_works_without_gradients_switched_on(model, batch):
    with torch.no_grad():
        one = fgsm(model, *batch, 0.1)
    assert torch.equal(one, fgsm(model, *batch, 0.1))


def test_an_empty_batch(model):
    x, y = torch.zeros(0, 1, 8, 8), torch.zeros(0, dtype=torch.int64)
    assert pgd(model, x, y, 0.1, restarts=2).shape == x.shape


BAD = {
    "bytes": (lambda x, y: (x.mul(255).byte(), y, 0.1), TypeError, "divide bytes by 255"),
    "normalised": (lambda x, y: (x - 0.5, y, 0.1), ValueError, "make normalisation the model's"),
    "not a number": (lambda x, y: (x * torch.nan, y, 0.1), ValueError, "nan"),
    "eps in bytes": (lambda x, y: (x, y, 8), ValueError, "8 / 255"),
    "negative eps": (lambda x, y: (x, y, -0.1), ValueError, "is -0.1"),
    "eps not a number": (lambda x, y: (x, y, float("nan")), ValueError, "nan"),
    "float labels": (lambda x, y: (x, y.float(), 0.1), TypeError, "float32"),
    "one-hot labels": (lambda x, y: (x, F.one_hot(y), 0.1), TypeError, r"\(200, 10\)"),
    "too few labels": (lambda x, y: (x, y[:3], 0.1), TypeError, r"\(3,\)"),
    "label 10": (lambda x, y: (x, y + 1, 0.1), ValueError, "Label 10 .* 0 to 9"),
    "label -1": (lambda x, y: (x, y - 1, 0.1), ValueError, "contains -1"),
}


@pytest.mark.parametrize(("make", "error", "says"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("attack", [fgsm, pgd])
def test_bad_input_is_told(attack, make, error, says, model, batch):
    with pytest.raises(error, match=says):
        attack(model, *make(*batch))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"steps": 0}, "at least 1"),
        ({"restarts": 0}, "at least 1"),
        ({"step_size": 2}, "step_size"),
        ({"step_size": -0.1}, "step_size"),
        ({"restarts": 2, "random_start": False}, "every restart would be the same"),
    ],
)
def test_bad_options_are_told(options, says, model, batch):
    with pytest.raises(ValueError, match=says):
        pgd(model, *batch, 0.1, **options)


def test_a_model_without_gradient_or_logits_is_told(batch):
    x, y = batch
    deaf = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    deaf.register_forward_pre_hook(lambda module, args: (args[0].detach(),))
    with pytest.raises(ValueError, match="Does the model detach"):
        fgsm(deaf, x, y, 0.1)
    with pytest.raises(ValueError, match="Does the model detach"):
        fgsm(deaf.requires_grad_(False), x, y, 0.1)
    with pytest.raises(ValueError, match=r"shape \(200, C\), and gave \(200, 1, 8, 8\)"):
        fgsm(nn.Identity(), x, y, 0.1)
