"""Checkpoints: written whole or not at all, read with suspicion, enough to go on bit for bit."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from torchcourse.files import written_whole

FORMAT = "torchcourse checkpoint 1"
LISTED = 3  # differences named in a message; more would bury the first


class CheckpointError(RuntimeError):
    """A checkpoint is damaged, or belongs to something else. The file is left as it is."""


class Stateful(Protocol):
    """What a checkpoint holds: a model, an optimizer, a scheduler."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> object: ...


def save_checkpoint(
    path: Path,
    parts: Mapping[str, Stateful],
    generators: Iterable[torch.Generator],
    rows: list[dict[str, float]],
) -> None:
    """Write a checkpoint, whole or not at all, whenever the process may die.

    Args:
        path: the file; an older one is replaced only once the new one is complete.
        parts: model, optimizer and, if there is one, scheduler, by these names.
        generators: of the loaders, see `loader_generators`.
        rows: of the history.
    """
    kinds = {name: type(part).__name__ for name, part in parts.items()}
    states = {name: part.state_dict() for name, part in parts.items()}
    states |= {"random": random_states(generators), "history": rows}
    write_whole(path, {"format": FORMAT, "kinds": kinds, **states})


def write_whole(path: Path, content: object) -> None:
    """`torch.save`, so that `path` holds either its old content or all of the new one.

    Raises:
        CheckpointError: the content could not be read back; the old file is still there.
    """
    with written_whole(path) as temporary:
        torch.save(content, temporary)
        _read_back(temporary, path)


def _read_back(temporary: Path, path: Path) -> None:
    """What could not be loaded (an unusual scheduler, say) must show now, not after a crash."""
    try:
        torch.load(temporary, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"{path} was not written: the state of this run holds something that torch.load with "
            f"weights_only=True refuses ({_first_line(error)}). Expected: tensors, numbers, texts, "
            "lists and dictionaries. Look at the state_dict() of your scheduler and optimizer."
        ) from error


def _first_line(error: Exception) -> str:
    """The start of an error's text; its type if it has none."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if "Unsupported" in line]  # says which type it was
    return (named or lines or [type(error).__name__])[0].strip()[:200]


def load_checkpoint(
    path: Path, parts: Mapping[str, Stateful], generators: Iterable[torch.Generator]
) -> list[dict[str, float]]:
    """Put everything back as it was when `save_checkpoint` wrote it.

    Returns:
        the history's rows; [] if there is no such file, as at a first start.

    Raises:
        CheckpointError: the file is damaged, no checkpoint, or of another model, optimizer,
            scheduler or loader. Then nothing has been changed.
    """
    if not path.exists():
        return []
    content, generators = read(path), list(generators)
    _check(path, content, parts, generators)
    for name, part in parts.items():
        part.load_state_dict(content[name])
    set_random_states(content["random"], generators)  # last: nothing random may come after it
    return content["history"]


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Give a model the weights of a checkpoint, such as ``best.pt``; nothing else is touched.

    The weights may come from any device; the model stays on its own.

    Raises:
        CheckpointError: the file is damaged, no checkpoint, or of another model.
    """
    content = read(Path(path))
    _check_model(Path(path), content["model"], model)
    model.load_state_dict(content["model"])


def read(path: Path, kind: str = FORMAT) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU. Code hidden in a file is never run.

    Args:
        path: the file.
        kind: what its entry "format" must say; runs that are no `fit` have checkpoints of a kind
            of their own.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is damaged, or no checkpoint of this package.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch.load itself compares no checksums
        if damaged is None:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except zipfile.BadZipFile as error:
        raise _refusal(path, f"is no file of torch.save, or cut short ({error})") from error
    except Exception as error:  # whatever a reader of binary files may stumble over
        raise _refusal(path, f"cannot be read ({_first_line(error)})") from error
    if damaged is not None:
        raise _refusal(path, f"is damaged: the checksum of {damaged} is wrong")
    if not isinstance(content, dict) or content.get("format") != kind:
        found = list(content)[:LISTED] if isinstance(content, dict) else type(content).__name__
        raise _refusal(path, f"holds something else ({found}), not a {kind}")
    return content


def _refusal(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"{path} {why}. Expected: a checkpoint that this very run has written. It was left in "
        "place and nothing was loaded. To begin anew, choose another folder or move the file away; "
        "else put back a good copy."
    )


def _check(
    path: Path, content: dict, parts: Mapping[str, Stateful], generators: list[torch.Generator]
) -> None:
    """Refuse a foreign checkpoint before anything of it is loaded."""
    _check_model(path, content["model"], parts["model"])
    for name in ("optimizer", "scheduler"):
        part = parts.get(name)
        mine = type(part).__name__ if part is not None else None
        theirs = content["kinds"].get(name)
        if mine != theirs:
            raise _refusal(path, f"has the {name} {theirs}, but this run has {mine}")
    groups = content["optimizer"]["param_groups"]
    sizes = [len(group["params"]) for group in groups]
    wanted = [len(group["params"]) for group in parts["optimizer"].param_groups]
    if sizes != wanted:
        raise _refusal(
            path, f"has an optimizer of groups of {sizes} parameters, but this run's has {wanted}"
        )
    theirs = len(content["random"]["generators"])
    if theirs != len(generators):
        raise _refusal(
            path, f"has {theirs} generators of loaders, but this run has {len(generators)}"
        )


def _check_model(path: Path, weights: Mapping[str, Tensor], model: nn.Module) -> None:
    mine = {name: _describe(value) for name, value in model.state_dict().items()}
    theirs = {name: _describe(value) for name, value in weights.items()}
    if mine == theirs:
        return
    faults = [
        f"{name}: {theirs.get(name, 'missing')} in the file, {mine.get(name, 'missing')} here"
        for name in [*mine, *(theirs.keys() - mine.keys())]
        if mine.get(name) != theirs.get(name)
    ]
    more = f" and {len(faults) - LISTED} more" if len(faults) > LISTED else ""
    raise _refusal(path, f"is of another model ({'; '.join(faults[:LISTED])}{more})")


def _describe(value: object) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{tuple(value.shape)} {value.dtype}".replace("torch.", "")


def loader_generators(*loaders: object) -> list[torch.Generator]:
    """The random generators the loaders own, each once: shuffling and worker seeds come of them.

    A loader without one draws from PyTorch's global generator, which is saved anyway.
    """
    found: dict[int, torch.Generator] = {}
    for loader in loaders:
        batch_sampler = getattr(loader, "batch_sampler", None)
        owners = [loader, getattr(loader, "dataset", None), getattr(loader, "sampler", None)]
        for owner in [*owners, batch_sampler, getattr(batch_sampler, "sampler", None)]:
            generator = getattr(owner, "generator", None)
            if isinstance(generator, torch.Generator):
                found[id(generator)] = generator
    return list(found.values())


def random_states(generators: Iterable[torch.Generator]) -> dict[str, Any]:
    """Where every random generator stands, in types `weights_only` lets through."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global one is what libraries use
    return {
        "python": random.getstate(),
        "numpy": [name, keys.tolist(), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
        "generators": [generator.get_state() for generator in generators],
    }


def set_random_states(states: Mapping[str, Any], generators: Iterable[torch.Generator]) -> None:
    """Put every random generator back to where it stood.

    On a machine with other GPUs theirs are left alone: there the run goes on, not bit for bit.
    """
    random.setstate(states["python"])
    np.random.set_state(tuple(states["numpy"]))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if states["cuda"] and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    if states["mps"] is not None and torch.backends.mps.is_available():
        torch.mps.set_rng_state(states["mps"])
    for generator, state in zip(generators, states["generators"], strict=True):
        generator.set_state(state)
