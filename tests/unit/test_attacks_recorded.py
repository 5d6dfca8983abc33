"""Capstone 6: the record keeps its promise, and the shipped networks are those it speaks of."""

from __future__ import annotations

import csv

import pytest
import torch
from torch import nn

from torchcourse.capstones import digits
from torchcourse.capstones.attacks import measure, pgd
from torchcourse.capstones.attacks.defend import flip_and_shift, train
from torchcourse.capstones.attacks.model import PhotoNet
from torchcourse.capstones.attacks.recorded import FOLDER, load_defended, metrics
from torchcourse.capstones.digits.preprocess import prepare_batch
from torchcourse.data.digits import load_bundled

WORD = {"photo": 8 / 255, "digit": 0.2}  # ε that the defence was trained for


@pytest.fixture(scope="module")
def record() -> dict:
    return metrics()


@pytest.fixture(scope="module")
def digits_to_attack() -> tuple[torch.Tensor, torch.Tensor]:
    data = load_bundled(train=False)
    return prepare_batch(data.images[:60]), data.labels[:60]


@pytest.mark.parametrize("family", WORD)
def test_defended_networks_are_thirty_points_more_robust_where_they_were_trained(record, family):
    part = record[family]
    assert part["eps"] == pytest.approx(WORD[family])
    assert part["steps"] >= 20 and part["restarts"] >= 3
    plain, defended = (part["networks"][kind] for kind in ("plain", "defended"))
    assert len(plain["seeds"]) >= 3 and len(defended["seeds"]) >= 3
    assert max(row["pgd"]["share"] for row in plain["seeds"].values()) < 0.10
    assert min(row["pgd"]["share"] for row in defended["seeds"].values()) > (
        0.30 + plain["pgd"]["mean"]
    )


@pytest.mark.parametrize("family", WORD)
def test_the_attack_behind_the_figures_passes_the_checks_it_asks_of_others(record, family):
    part = record[family]
    for kind in part["networks"].values():
        for row in kind["seeds"].values():
            assert row["pgd"]["share"] <= row["fgsm"]["share"] <= row["clean"]["share"]
            low, high = row["pgd"]["interval"]
            assert low <= row["pgd"]["share"] <= high
        hits = [point["pgd"] for point in kind["curve"]]
        assert hits == sorted(hits, reverse=True) and hits[-1] <= 0.05 * kind["curve"][-1]["count"]
    defended = part["networks"]["defended"]["seeds"]["0"]["pgd"]["share"]
    assert part["transfer"]["share"] > defended  # else its gradients would be hiding


def test_the_record_says_what_was_run(record):
    assert all(len(digest) == 64 for digest in record["data"]["sha256"].values())
    assert "JPEG" in record["data"]["photographs"]  # or the official files: then drop this line
    with (FOLDER / "history.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for name, run in record["runs"].items():
        epochs = [row for row in rows if row["run"] == name]
        assert len(epochs) == run["epochs"]
        assert float(epochs[-1]["loss"]) < float(epochs[0]["loss"])


def test_the_shipped_digit_network_withstands_what_fells_that_of_capstone_1(digits_to_attack):
    x, y = digits_to_attack
    torch.manual_seed(0)
    shares = [
        measure.still_right(model, x, y, 0.15, steps=10, restarts=1).float().mean().item()
        for model in (digits.load_model(), load_defended())
    ]
    assert shares[0] < 0.2 and shares[1] > shares[0] + 0.3


def test_a_picture_is_robust_only_if_every_start_fails(digits_to_attack):
    x, y = digits_to_attack
    model = digits.load_model()
    counts = []
    for restarts in (0, 1, 3):
        torch.manual_seed(0)
        counts.append(measure.still_right(model, x, y, 0.06, 5, restarts))
    clean, one, three = counts
    assert (clean >= one).all() and (one >= three).all()
    torch.manual_seed(0)
    adversarial = pgd(model, x[clean], y[clean], 0.06, 5)
    with torch.no_grad():
        assert torch.equal(one[clean], model(adversarial).argmax(1) == y[clean])


def test_training_on_attacked_pictures_defends():
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(2, (2_000,), generator=generator)
    side = 2 * y[:, None].float() - 1  # (N, 1)
    # One strong input, and fifty weak ones, each of which ε can turn around.
    mean = torch.tensor([0.1] + [0.01, -0.01] * 25)
    noise = torch.tensor([0.06] + [0.03] * 50) * torch.randn(2_000, 51, generator=generator)
    x = (0.5 + side * mean + noise).clamp(0, 1)[:, :, None, None]  # (N, 51, 1, 1)
    robust = {}
    for eps in (0.0, 0.02):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(51, 2))
        history = train(model, x, y, epochs=10, seed=0, eps=eps, batch_size=50, max_lr=1.0)
        assert len(history) == 10 and not model.training
        robust[eps] = measure.still_right(model, x, y, 0.02, 5, 1).float().mean()
    assert robust[0.02] > robust[0.0] + 0.15


def test_flip_and_shift_keeps_shape_and_range_and_repeats_with_its_seed():
    images = torch.rand(6, 3, 12, 10)
    first, again = (flip_and_shift(images, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again) and first.shape == images.shape
    assert first.min() >= images.min() and first.max() <= images.max()


def test_photo_net_normalises_inside():
    model = PhotoNet(mean=(0.1, 0.2, 0.3), std=(0.5, 0.5, 0.5)).eval()
    plain = PhotoNet(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)).eval()
    weights = {k: v for k, v in model.state_dict().items() if k not in ("mean", "std")}
    plain.load_state_dict(weights, strict=False)
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        outside = plain((x - model.mean) / model.std)
        assert torch.allclose(model(x), outside, atol=1e-5)
