"""The recorder's stages that look at the test part, and the one that writes the record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from torchcourse.capstones import digits
from torchcourse.capstones.digits.model import DigitNet
from torchcourse.capstones.digits.preprocess import prepare_batch
from torchcourse.capstones.digits.training import predict
from torchcourse.data import images as image_data
from torchcourse.recording import (
    as_shipped,
    data_hash,
    half_weights,
    load_mnist,
    runs,
    save_weights,
    share,
    spread,
    versions,
    without_history,
    write_history,
    write_json,
)

from .defend import as_pixels
from .measure import still_right
from .model import PhotoNet
from .perturb import fgsm, pgd
from .record_stages import EPS, FAMILIES, KINDS, SEEDS
from .recorded import FOLDER

STEPS, RESTARTS = 20, 3  # of the attack that counts
WATCHED_BY = "validation_robust"  # column of the history that chooses what is shipped
EVERY = 20  # the attack that counts sees each 20th test picture, all classes alike
CURVE_PICTURES, CURVE_STEPS = 250, 10  # one seed, a shorter attack: to see the shape
CURVES = {
    "photo": [n / 255 for n in (0, 1, 2, 4, 8, 16, 32)],
    "digit": [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5],
}


def test_part(family: str) -> tuple[Tensor, Tensor]:
    """Pictures (N, C, H, W) in ``[0, 1]`` and labels (N,) that no training has seen."""
    if family == "photo":
        data = image_data.load("cifar10", train=False)
        return as_pixels(data.images), data.labels
    data = load_mnist(train=False)
    return prepare_batch(data.images), data.labels


def record_test(family: str, kind: str, seed: int, work: Path) -> None:
    """Attack one network on the test part; the first seed at several ε, too."""
    x, y = test_part(family)
    model, eps = load(work, f"{family}_{kind}_{seed}"), EPS[family]
    result = {"attacked": _attacked(model, x, y, eps)}
    if seed == SEEDS[0]:
        result["curve"] = _curve(model, x, y, CURVES[family])
    write_json(work / f"test_{family}_{kind}_{seed}.json", result)


def record_transfer(work: Path) -> None:
    """Carry pictures over from plain to defended networks, and attack that of capstone 1."""
    result: dict = {}
    for family in FAMILIES:
        x, y = test_part(family)
        first = [load(work, f"{family}_{kind}_{SEEDS[0]}") for kind in KINDS]
        result[family] = _transfer(*first, x, y, EPS[family])
    result["capstone 1"] = _attacked(digits.load_model(), x, y, EPS["digit"])
    write_json(work / "transfer.json", result)


def _results(family: str, found: dict) -> dict:
    """What the plain and the defended networks of one family reach."""
    result: dict = {"eps": EPS[family], "steps": STEPS, "restarts": RESTARTS, "networks": {}}
    for kind in KINDS:
        names = {seed: f"test_{family}_{kind}_{seed}" for seed in SEEDS}
        tests = {str(seed): found[name] for seed, name in names.items() if name in found}
        if str(SEEDS[0]) not in tests:
            raise SystemExit(f"run 'test_{family}' with --kind {kind} --seed {SEEDS[0]} first")
        seeds = {seed: test["attacked"] for seed, test in tests.items()}
        summary = {
            what: spread([row[what]["share"] for row in seeds.values()])
            for what in ("clean", "fgsm", "pgd")
        }
        curve = tests[str(SEEDS[0])]["curve"]
        result["networks"][kind] = {"seeds": seeds, **summary, "curve": curve}
    return result | {"transfer": found["transfer"][family]}


def _attacked(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> dict:
    """Accuracy on all pictures, and on each 20th under FGSM and PGD."""
    torch.manual_seed(0)
    clean = int((predict(model, x).argmax(1) == y).sum())
    few, labels = x[::EVERY], y[::EVERY]
    fast = int((predict(model, fgsm(model, few, labels, eps)).argmax(1) == labels).sum())
    slow = int(still_right(model, few, labels, eps, STEPS, RESTARTS).sum())
    return {
        "clean": share(clean, len(y)),
        "fgsm": share(fast, len(few)),
        "pgd": share(slow, len(few)),
    }


def _curve(model: nn.Module, x: Tensor, y: Tensor, curve: Sequence[float]) -> list[dict]:
    """Accuracy against ε, FGSM and a short PGD, on the same few pictures."""
    torch.manual_seed(0)
    rows = torch.arange(0, len(y), len(y) // CURVE_PICTURES)[:CURVE_PICTURES]
    x, y, points = x[rows], y[rows], []
    for eps in curve:
        fast = (predict(model, fgsm(model, x, y, eps)).argmax(1) == y).sum()
        slow = still_right(model, x, y, eps, CURVE_STEPS, restarts=1).sum()
        points.append({"eps": eps, "fgsm": int(fast), "pgd": int(slow), "count": len(y)})
    return points


def _transfer(plain: nn.Module, defended: nn.Module, x: Tensor, y: Tensor, eps: float) -> dict:
    """The defended network on pictures made to fool the plain one.

    If these hurt more than an attack with its own gradients, its gradients would be hiding.
    """
    torch.manual_seed(0)
    x, y = x[::EVERY], y[::EVERY]
    adversarial = torch.cat(
        [pgd(plain, *pair, eps, STEPS) for pair in zip(x.split(250), y.split(250), strict=True)]
    )
    return share(int((predict(defended, adversarial).argmax(1) == y).sum()), len(y))


def load(work: Path, name: str) -> nn.Module:
    """A network as it was kept, its weights rounded as they are shipped."""
    model = PhotoNet() if name.startswith("photo") else DigitNet()
    model.load_state_dict(load_file(work / f"{name}.safetensors"))
    return as_shipped(model).eval()


def finish(work: Path) -> None:
    """Write the record, and ship the defended digit network that validated best.

    Seeds that were not trained, or not tested, are left out of it.
    """
    found = runs(work)
    trained = {name: run for name, run in found.items() if "history" in run}
    names = [name for name in trained if name.startswith("digit_defended")]
    best = max(names, key=lambda name: trained[name]["history"][-1][WATCHED_BY])
    save_weights(FOLDER / "model.safetensors", half_weights(load(work, best)))
    write_json(FOLDER / "metrics.json", _metrics(found, trained, trained[best]["seed"]))
    write_history(trained, FOLDER / "history.csv")


def _metrics(found: dict, trained: dict, best: int) -> dict:
    photo = trained["photo_plain_0"]["source"]
    parts = {
        "CIFAR-10": image_data.load("cifar10", train=True),
        "MNIST": load_mnist(train=True),
    }
    return {
        "about": "Recorded full run of capstone 6, adversarial attacks and defence.",
        "written_by": "python -m torchcourse.capstones.attacks.record",
        "data": {
            "photographs": f"CIFAR-10, {photo}"
            + (", recompressed as JPEG" if "jpeg" in photo.lower() else ""),
            "digits": "MNIST, prepared as in capstone 1",
            "sha256": {name: data_hash(part.images, part.labels) for name, part in parts.items()},
            "attacked": f"each {EVERY}th picture of the test part",
        },
        "versions": versions(),
        "precision": "trained in bfloat16 where the processor has it, attacked in float32",
        "shipped": {"network": "digit, defended", "seed": best, "dtype": "float16"},
        **{family: _results(family, found) for family in FAMILIES},
        "capstone 1": found["transfer"]["capstone 1"],
        "runs": {name: without_history(run) for name, run in trained.items()},
    }
