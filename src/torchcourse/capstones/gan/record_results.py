"""The recorder's stages that measure, and the one that writes the record."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor

from torchcourse.capstones.digits.training import count_errors, train
from torchcourse.capstones.gan.measures import (
    Look,
    diversity,
    frechet_distance,
    look,
    nearest,
    taught,
)
from torchcourse.capstones.gan.model import Critic, Generator
from torchcourse.capstones.gan.sampling import generate, load_generator, save_generator
from torchcourse.capstones.gan.training import Config, Trainer
from torchcourse.data import digits, images
from torchcourse.recording import (
    load_mnist,
    runs,
    share,
    spread,
    versions,
    without_history,
    write_history,
    write_json,
)

WEIGHTS = Path(__file__).parents[2] / "weights" / "cap4_gan"
EACH = 1_000  # pictures of each class that the main run is measured on
TAUGHT = 1_000  # of each class that the student is taught with
TAUGHT_EPOCHS = 3
SEED = 1_000  # of the noise everything is measured with: no training seed
PARTS = ("main", "seeds", "taught", "lag", "precision", "ablation", "fashion")
TRUNCATIONS = (0.25, 0.5, 1.0, 1.5, 2.0, None)


def measure_main(run: str, pictures: Tensor, work: Path) -> None:
    """Everything page 3 asks about one generator; opens the test part, once.

    Args:
        run: name of the run.
        pictures: (N, 1, 28, 28), what it was trained on.
        work: the recorder's folder.
    """
    model, test = load_generator(work / f"{run}.safetensors"), load_mnist(train=False)
    labels = torch.arange(10).repeat_interleave(EACH)  # (10,000,)
    made = generate(labels, SEED, model=model)
    seen, real, trained = look(made), look(test.images), look(pictures[:: len(pictures) // 10_000])
    hits = (seen.answers == labels).int()
    result = {
        "run": run,
        "judge": share(int(hits.sum()), len(labels)),
        "judge_on_real": share(int((real.answers == test.labels).sum()), len(test.labels)),
        "judge_by_digit": [hits[labels == digit].float().mean().item() for digit in range(10)],
        "frechet": {
            "generated": frechet_distance(seen.features, real.features),
            "real": frechet_distance(trained.features, real.features),
        },
        "diversity": {
            "generated": diversity(made, labels).tolist(),
            "real": diversity(test.images, test.labels).tolist(),
        },
        "nearest": _neighbours(made, test.images, pictures),
        "truncation": [_truncated(model, limit, real) for limit in TRUNCATIONS],
    }
    write_json(work / "measured_main.json", _rounded(result))


def _neighbours(made: Tensor, test: Tensor, album: Tensor, each: int = 1_000) -> dict:
    """How near 1,000 pictures of either kind are to their nearest training picture."""
    step = len(made) // each
    found = {"generated": nearest(made[::step], album)[0], "real": nearest(test[::step], album)[0]}
    return {
        name: {"mean": distances.mean().item(), "closest": distances.min().item()}
        for name, distances in found.items()
    }


def measure_taught(run: str, work: Path) -> None:
    """A classifier that has seen generated digits only, on the real ones of the test part."""
    model, test = load_generator(work / f"{run}.safetensors"), load_mnist(train=False)
    hits = round(_pupil(model, test) * len(test.labels))
    result = {"run": run, "pictures": 10 * TAUGHT, "epochs": TAUGHT_EPOCHS}
    write_json(work / "measured_taught.json", _rounded(result | share(hits, len(test.labels))))


def _pupil(model: Generator, test: digits.Digits) -> float:
    """Accuracy on real digits of a classifier that was taught with this generator's."""
    labels = torch.arange(10).repeat_interleave(TAUGHT)
    made = generate(labels, SEED + 1, model=model)
    return taught(made, labels, test.images, test.labels, TAUGHT_EPOCHS)


def _truncated(model: Generator, limit: float | None, real: Look) -> dict:
    labels = torch.arange(10).repeat_interleave(100)  # (1,000,)
    made = generate(labels, SEED, limit, model)
    seen = look(made)
    return {
        "truncation": limit,
        "judge": (seen.answers == labels).float().mean().item(),
        "diversity": diversity(made, labels).mean().item(),
        "frechet": frechet_distance(seen.features, real.features),
    }


def measure_lag(trainer: Trainer, work: Path, steps: int = 150) -> None:
    """Let the critic of a finished run go on alone: how much more does it find?

    A critic that keeps up finds nothing new when the generator stands still.
    """
    alone = Trainer(trainer.pictures, trainer.labels, replace(trainer.config, lr_critic=1e-3))
    alone.take_over(trainer)
    found = torch.stack([alone._critic_step()[0] for _ in range(steps)])
    result = {
        "run_ended_at": trainer.history[-1]["wasserstein"],
        "alone": found.view(-1, 25).mean(1).tolist(),  # (steps / 25,)
        "steps_each": 25,
    }
    write_json(work / "measured_lag.json", _rounded(result))


@torch.no_grad()
def _level(trainer: Trainer) -> float:
    """The mean score of 500 real pictures: how far from 0 the critic counts."""
    pictures = trainer.pictures[:500].float() / 255
    labels = trainer.labels[:500].to(trainer.device)
    return trainer.critic(pictures.to(trainer.device), labels).mean().item()


def measure_precision(start: Trainer, config: Config, work: Path, steps: int = 200) -> None:
    """Does the leash hold in both precisions? The second part's first steps, once in each."""
    result = {}
    for name, mixed in (("bfloat16", True), ("float32", False)):
        trainer = Trainer(start.pictures, start.labels, replace(config, mixed=mixed))
        trainer.take_over(start)
        found = torch.stack([trainer.step() for _ in range(steps)])  # (steps, 2)
        penalties = found[:, 1].view(-1, 25).mean(1).tolist()  # (steps / 25,)
        result[name] = {"penalties": penalties, "mean_score": _level(trainer)}
    write_json(work / "measured_precision.json", _rounded(result | {"steps_each": 25}))


def measure_fashion(run: str, work: Path) -> None:
    """Generated clothes, read by a judge that was trained on the real ones of the same set."""
    data, test = (images.load("fashion_mnist", train=part, cut=0.2) for part in (True, False))
    judge, _ = train(data.images / 255, data.labels, epochs=3, seed=0, batch_size=24)
    labels = torch.arange(10).repeat_interleave(100)
    made = generate(labels, SEED, model=load_generator(work / f"{run}.safetensors"))
    result = {
        "run": run,
        "judge": 1 - count_errors(judge, made, labels) / len(labels),
        "real": 1 - count_errors(judge, test.images / 255, test.labels) / len(test.labels),
        "held_out": test.source,
    }
    write_json(work / "measured_fashion.json", _rounded(result))


def measure_ablation(names: list[str], seeds: tuple[int, ...], work: Path) -> None:
    """Conditional accuracy of the short runs' generators, on 1,000 pictures each."""
    labels, found = torch.arange(10).repeat_interleave(100), runs(work)
    result = {}
    for name in names:
        shares = []
        for seed in seeds:
            model = load_generator(work / f"{name}_{seed}.safetensors")
            answers = look(generate(labels, SEED, model=model)).answers
            shares.append((answers == labels).float().mean().item())
        spent = [found[f"{name}_{seed}"]["processor_seconds"] for seed in seeds]
        result[name] = {"judge": shares, **spread(shares), "processor_seconds": mean(spent)}
    write_json(work / "measured_ablation.json", _rounded(result))


def measure_seeds(seeds: tuple[str, ...], work: Path) -> None:
    """What counts most, for the last run of every seed: judge, Fréchet distance, pupil."""
    test, labels = load_mnist(train=False), torch.arange(10).repeat_interleave(EACH)
    real, by_run = look(test.images), {}
    for run in seeds:
        model = load_generator(work / f"{run}.safetensors")
        seen = look(generate(labels, SEED, model=model))
        by_run[run] = {
            "judge": (seen.answers == labels).double().mean().item(),
            "frechet": frechet_distance(seen.features, real.features),
            "taught": _pupil(model, test),
        }
    whole = {key: spread([row[key] for row in by_run.values()]) for key in by_run[seeds[0]]}
    write_json(work / "measured_seeds.json", _rounded({"runs": by_run, **whole}))


def finish(main: str, fashion: str, work: Path) -> None:
    """Put together what the stages left, beside the weights."""
    found = runs(work)
    measured = {name: found.pop(f"measured_{name}", None) for name in PARTS}
    if measured["main"] is None:
        raise SystemExit("run the stages 'train' and 'measure' first")
    width = found[main]["config"]["width"]
    metrics = {
        "about": "Recorded runs of capstone 4, digits from noise.",
        "written_by": "python -m torchcourse.capstones.gan.record",
        "date": time.strftime("%Y-%m-%d"),
        "data": {"MNIST": {file.name: file.sha256 for file in digits.MNIST.files}},
        "versions": versions(),
        "parameters": {
            name: sum(p.numel() for p in network(width=width).parameters())
            for name, network in {"generator": Generator, "critic": Critic}.items()
        },
        "shipped": {"run": main, "dtype": "float16"},
        **measured,
        "runs": {name: without_history(run) for name, run in found.items()},
    }
    if measured["fashion"]:
        metrics["fashion"] |= without_history(found[fashion])
        save_generator(
            load_generator(work / f"{fashion}.safetensors"), WEIGHTS / "fashion.safetensors"
        )
    save_generator(load_generator(work / f"{main}.safetensors"), WEIGHTS / "model.safetensors")
    write_json(WEIGHTS / "metrics.json", metrics)
    write_history(found, WEIGHTS / "history.csv")


def _rounded(value: object) -> object:
    """The same with floats that can be read."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 5) if isinstance(value, float) else value
