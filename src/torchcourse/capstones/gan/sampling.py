"""Pictures on demand: from labels and a seed, and on the way from one picture to another."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from torchcourse.capstones.gan.model import Generator
from torchcourse.train.mode import in_eval_mode

BATCH = 500  # pictures made at once: more would need memory, and be no faster


def load_generator(path: str | Path | None = None) -> Generator:
    """A trained generator, in eval mode, on the CPU.

    Args:
        path: a file of `save_generator`; None is the recorded one that comes with the course,
            which draws the digits 0 to 9.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds something else.
    """
    return _recorded() if path is None else _load(Path(path))


@lru_cache(maxsize=1)
def _recorded() -> Generator:
    with as_file(files("torchcourse") / "weights" / "cap4_gan" / "model.safetensors") as path:
        return _load(path)


def save_generator(model: Generator, path: str | Path) -> None:
    """Write the weights in 16 bits, which halves the file and moves no pixel by 1 of 255."""
    weights = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in model.state_dict().items()
    }
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")  # nobody shall read half a file
    save_file(weights, temporary)
    temporary.replace(path)


def _load(path: Path) -> Generator:
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; train a generator and save it there.")
    try:
        weights = load_file(path)
        latent = weights["start.weight"].shape[1]
        width = weights["to_picture.weight"].shape[1]
        model = Generator(len(weights["norms.0.scale_and_shift.weight"]), width, latent)
        model.load_state_dict(weights)
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise ValueError(
            f"{path} holds no generator of this capstone ({error}). Expected a file written by "
            "save_generator."
        ) from error
    return model.eval()


def generate(
    labels: int | Sequence[int] | Tensor,
    seed: int = 0,
    truncation: float | None = None,
    model: Generator | None = None,
) -> Tensor:
    """Pictures of these labels.

    The same labels, seed and truncation give the same pictures; another seed gives other ones.

    Args:
        labels: what to draw: one label or N of them, whole numbers from 0 to 9.
        seed: of the noise.
        truncation: keep every number of the noise within ± this many standard deviations: less
            variety, fewer failures. None leaves it as it is.
        model: another generator than the recorded one. Its mode is left as it was.

    Returns:
        (N, 1, 28, 28) float32 in [0, 1], 1 is ink.

    Raises:
        TypeError: labels that are no whole numbers.
        ValueError: labels the generator does not know, or none; a truncation that is not positive.
    """
    model = load_generator() if model is None else model
    labels = check_labels(labels, model.num_classes)
    return draw(model, make_noise(len(labels), seed, truncation, model.latent), labels)


def interpolate(
    start: int,
    end: int,
    steps: int = 8,
    seed: int = 0,
    end_seed: int | None = None,
    model: Generator | None = None,
) -> Tensor:
    """The way from one picture to another, both ends included.

    Args:
        start: the label at the start.
        end: the label at the end. Another one than `start` makes a morph: on the way, the share of
            the first class goes down and that of the last class up.
        steps: how many pictures, at least 2.
        seed: of the noise at the start.
        end_seed: of the noise at the end; None keeps the noise, so that only the label changes.
        model: another generator than the recorded one.

    Returns:
        (steps, 1, 28, 28) in [0, 1]: the first equals ``generate(start, seed)``.

    Raises:
        TypeError, ValueError: as `generate`; fewer than 2 steps.
    """
    model = load_generator() if model is None else model
    if not isinstance(steps, int) or steps < 2:
        raise ValueError(f"steps must be a whole number from 2, to show both ends, not {steps!r}.")
    ends = check_labels([start, end], model.num_classes)  # (2,)
    way = torch.linspace(0, 1, steps)[:, None]  # (S, 1)
    first, last = F.one_hot(ends, model.num_classes).float()  # (classes,) each
    noise = make_noise(1, seed, None, model.latent).expand(steps, -1)  # (S, latent)
    if end_seed is not None:
        noise = slerp(noise, make_noise(1, end_seed, None, model.latent).expand(steps, -1), way)
    return draw(model, noise, first + way * (last - first))


def slerp(start: Tensor, end: Tensor, way: Tensor) -> Tensor:
    """Go from one noise vector to another along an arc, not along the chord.

    In many dimensions nearly all normal vectors are about equally long; the middle of a chord
    would be much shorter, and the generator has hardly seen such noise.
    (Shoemake, "Animating rotation with quaternion curves", 1985.)

    Args:
        start: (S, D).
        end: (S, D).
        way: (S, 1), 0 at the start, 1 at the end.
    """
    cosine = F.cosine_similarity(start, end, dim=1)[:, None].clamp(-1, 1)  # (S, 1)
    angle = cosine.arccos()
    if bool((angle.sin() < 1e-4).any()):  # the same direction: arc and chord agree
        return start + way * (end - start)
    return (((1 - way) * angle).sin() * start + (way * angle).sin() * end) / angle.sin()


def make_noise(count: int, seed: int, truncation: float | None = None, latent: int = 64) -> Tensor:
    """Standard normal noise of a seed, (count, latent); the first rows do not depend on `count`.

    Raises:
        ValueError: a truncation that is not positive.
    """
    noise = torch.randn(count, latent, generator=torch.Generator().manual_seed(seed))
    if truncation is None:
        return noise
    if not truncation > 0:
        raise ValueError(f"truncation must be positive (0.5 is strong, 2 weak), not {truncation}.")
    # Each number keeps its rank but is taken from the normal distribution cut off on both sides:
    # so the pictures change smoothly with the truncation.
    kept = 2 * torch.special.ndtr(torch.tensor(float(truncation))) - 1
    return torch.special.ndtri(0.5 + kept * (torch.special.ndtr(noise) - 0.5))


@torch.no_grad()
def draw(model: Generator, noise: Tensor, labels: Tensor) -> Tensor:
    """Pictures (N, 1, 28, 28) of noise (N, latent) and labels (N,) or shares (N, classes).

    In eval mode, so that no picture depends on the others; the model's mode is restored.
    """
    batches = zip(noise.split(BATCH), labels.split(BATCH), strict=True)
    with in_eval_mode(model):
        return torch.cat([model(*batch) for batch in batches])


def check_labels(labels: int | Sequence[int] | Tensor, num_classes: int) -> Tensor:
    """Labels as an int64 tensor (N,).

    Raises:
        TypeError: they are no whole numbers.
        ValueError: none, of another shape, or outside 0 … num_classes - 1.
    """
    try:
        found = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(_wanted(num_classes, f"not {labels!r}")) from None
    if found.numel() == 0:
        raise ValueError(_wanted(num_classes, "but there are none"))
    if found.is_floating_point() or found.is_complex() or found.dtype == torch.bool:
        raise TypeError(_wanted(num_classes, f"not {found.dtype}; use labels.long()"))
    if found.ndim > 1:
        raise ValueError(_wanted(num_classes, f"not a tensor of shape {tuple(found.shape)}"))
    found = found.long().reshape(-1)
    wrong = found[(found < 0) | (found >= num_classes)]
    if len(wrong):
        raise ValueError(_wanted(num_classes, f"not {wrong[0].item()}"))
    return found


def _wanted(num_classes: int, but: str) -> str:
    return f"labels must be whole numbers from 0 to {num_classes - 1}, one or a list, {but}."
