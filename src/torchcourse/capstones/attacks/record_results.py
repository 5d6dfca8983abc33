"""The recorder's stages that look at the test part, and the one that writes the record."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from torchcourse.capstones import digits
from torchcourse.capstones.digits.measure import share
from torchcourse.capstones.digits.model import DigitNet
from torchcourse.capstones.digits.preprocess import prepare_batch
from torchcourse.capstones.digits.record_files import as_shipped, half_weights, load_mnist, runs
from torchcourse.capstones.digits.record_results import versions, write_history, write_json
from torchcourse.capstones.digits.training import predict
from torchcourse.data import images as image_data

from .defend import as_pixels
from .measure import still_right
from .model import PhotoNet
from .perturb import fgsm, pgd
from .record_stages import DIGIT_EPS, KINDS, PHOTO_EPS, SEEDS
from .recorded import FOLDER

STEPS, RESTARTS = 20, 3  # of the attack that counts
WATCHED_BY = "validation_robust"  # column of the history that chooses what is shipped
EVERY = 10  # the attack that counts sees each tenth test picture, all classes alike
CURVE_PICTURES, CURVE_STEPS = 400, 10  # one seed, a shorter attack: to see the shape
PHOTO_CURVE = [n / 255 for n in (0, 1, 2, 4, 8, 16, 32)]
DIGIT_CURVE = [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5]


def record_test_photo(work: Path) -> None:
    """Attack the photo networks of all seeds on CIFAR-10's test part."""
    data = image_data.load("cifar10", train=False)
    x, y = as_pixels(data.images), data.labels
    write_json(work / "test_photo.json", _measure("photo", work, x, y, PHOTO_EPS, PHOTO_CURVE))


def record_test_digit(work: Path) -> None:
    """Attack the digit networks of all seeds, and that of capstone 1, on MNIST's test part."""
    data = load_mnist(train=False)
    x, y = prepare_batch(data.images), data.labels
    result = _measure("digit", work, x, y, DIGIT_EPS, DIGIT_CURVE)
    result["capstone 1"] = _attacked(digits.load_model(), x, y, DIGIT_EPS)
    write_json(work / "test_digit.json", result)


def _measure(
    family: str, work: Path, x: Tensor, y: Tensor, eps: float, curve: Sequence[float]
) -> dict:
    """What the plain and the defended networks of one family reach."""
    result: dict = {"eps": eps, "steps": STEPS, "restarts": RESTARTS, "networks": {}}
    for kind in KINDS:
        seeds = {
            seed: load(work, f"{family}_{kind}_{seed}") for seed in recorded(work, family, kind)
        }
        measured = {str(seed): _attacked(model, x, y, eps) for seed, model in seeds.items()}
        summary = {
            what: _spread([row[what]["share"] for row in measured.values()])
            for what in ("clean", "fgsm", "pgd")
        }
        result["networks"][kind] = {"seeds": measured, **summary}
        result["networks"][kind]["curve"] = _curve(seeds[0], x, y, curve)
    first = [load(work, f"{family}_{kind}_0") for kind in KINDS]
    result["transfer"] = _transfer(*first, x, y, eps)
    return result


def _attacked(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> dict:
    """Accuracy on all pictures, and on each tenth under FGSM and PGD."""
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


def _spread(shares: Sequence[float]) -> dict:
    return {
        "mean": round(statistics.mean(shares), 5),
        "std": round(statistics.stdev(shares), 5) if len(shares) > 1 else None,
    }


def load(work: Path, name: str) -> nn.Module:
    """A network as it was kept, its weights rounded as they are shipped."""
    model = PhotoNet() if name.startswith("photo") else DigitNet()
    model.load_state_dict(load_file(work / f"{name}.safetensors"))
    return as_shipped(model).eval()


def recorded(work: Path, family: str, kind: str) -> list[int]:
    """Seeds that were trained: each is some minutes, and the record says how many there are."""
    found = [seed for seed in SEEDS if (work / f"{family}_{kind}_{seed}.safetensors").exists()]
    if 0 not in found:
        raise SystemExit(f"run the stage {family!r} with --kind {kind} --seed 0 first")
    return found


def finish(work: Path) -> None:
    """Write the record, and ship the defended digit network that validated best."""
    found = runs(work)
    trained = {name: run for name, run in found.items() if "history" in run}
    seeds = recorded(work, "digit", "defended")
    best = max(seeds, key=lambda s: trained[f"digit_defended_{s}"]["history"][-1][WATCHED_BY])
    FOLDER.mkdir(parents=True, exist_ok=True)
    save_file(half_weights(load(work, f"digit_defended_{best}")), FOLDER / "model.safetensors")
    write_json(FOLDER / "metrics.json", _metrics(found, trained, best))
    write_history(trained, FOLDER / "history.csv")


def _metrics(found: dict, trained: dict, best: int) -> dict:
    photo = trained["photo_plain_0"]["source"]
    return {
        "about": "Recorded full run of capstone 6, adversarial attacks and defence.",
        "written_by": "python -m torchcourse.capstones.attacks.record",
        "data": {
            "photographs": f"CIFAR-10, {photo}"
            + (", recompressed as JPEG" if "jpeg" in photo.lower() else ""),
            "digits": "MNIST, prepared as in capstone 1",
            "attacked": f"each {EVERY}th picture of the test part",
        },
        "versions": versions(),
        "precision": "trained in bfloat16 where the processor has it, attacked in float32",
        "shipped": {"network": "digit, defended", "seed": best, "dtype": "float16"},
        "photo": found["test_photo"],
        "digit": found["test_digit"],
        "pets": found.get("test_pets"),
        "runs": {
            name: {key: value for key, value in run.items() if key != "history"}
            for name, run in trained.items()
        },
    }
