"""What every recorded run is made of: shares with intervals, times, versions, files.

The recorders of the capstones train in stages. Each stage leaves ``<name>.json`` and
``<name>.safetensors`` in a work folder; the last one puts `metrics.json`, `history.csv` and the
weights together, beside the package.
"""

from __future__ import annotations

import csv
import hashlib
import json
import platform
import statistics
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import save_file
from scipy.stats import binomtest
from torch import Tensor, nn

from torchcourse.data import digits
from torchcourse.files import written_whole

Network = TypeVar("Network", bound=nn.Module)


class Clock:
    """Time since it was made.

    Processor time stands beside wall time, so that other work on the machine does not count.
    """

    def __init__(self) -> None:
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def times(self) -> dict[str, float]:
        return {
            "wall_seconds": round(time.perf_counter() - self.wall, 1),
            "processor_seconds": round(time.process_time() - self.processor, 1),
        }


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share, also right near 0 and 1 (Wilson, 1927).

    >>> [round(end, 3) for end in wilson(98, 100)]
    [0.93, 0.994]

    Raises:
        ValueError: more hits than there were tries, or no tries at all.
    """
    if not 0 <= hits <= count or count == 0:
        raise ValueError(f"expected 0 <= hits <= count and count > 0, got {hits} and {count}")
    low, high = binomtest(hits, count).proportion_ci(0.95, "wilson")
    return float(low), float(high)


def share(hits: int, count: int) -> dict:
    """A share with its interval, as `metrics.json` holds it."""
    low, high = wilson(hits, count)
    return {
        "hits": hits,
        "count": count,
        "share": round(hits / count, 5),
        "interval": [round(low, 5), round(high, 5)],
    }


def spread(shares: Sequence[float]) -> dict:
    """Mean over seeds, and the standard deviation where there are several."""
    return {
        "mean": round(statistics.mean(shares), 5),
        "std": round(statistics.stdev(shares), 5) if len(shares) > 1 else None,
    }


def versions(*packages: str) -> dict[str, str]:
    """What a run was made with: Python, PyTorch, NumPy, more ``packages``, the processor."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # not in every PyTorch
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,  # with its build, "+cu132", say
        **{package: version(package) for package in ("numpy", *packages)},
        "processor": capabilities.get("cpu_name", platform.machine()),
    }


def load_mnist(train: bool) -> digits.Digits:
    """MNIST, or a sentence that says how to get it: no record is made on other digits."""
    data = digits.load(train=train)
    if data.source != "MNIST":
        raise SystemExit(
            "the record is made on MNIST, which was not found; "
            "set TORCHCOURSE_DATA to its folder or TORCHCOURSE_PRESET=full to download it"
        )
    return data


def data_hash(images: Tensor, labels: Tensor) -> str:
    """SHA-256 of all decoded pixels, then all labels, in order: the same for every file format."""
    digest = hashlib.sha256(images.numpy().tobytes())
    digest.update(labels.numpy().tobytes())
    return digest.hexdigest()


def half_weights(model: nn.Module) -> dict[str, Tensor]:
    """The weights as they are shipped: in 16 bits, which halves the files."""
    return {
        key: (tensor.half() if tensor.is_floating_point() else tensor).cpu().contiguous()
        for key, tensor in model.state_dict().items()
    }


def as_shipped(model: Network) -> Network:
    """The same network with its weights rounded as in the shipped file."""
    model.load_state_dict(half_weights(model))
    return model


def keep(
    model: nn.Module,
    history: list[dict],
    name: str,
    work: Path,
    clock: Clock,
    device: torch.device,
    **more: object,
) -> None:
    """Leave the weights and what is known about the run in `work`."""
    weights = {key: tensor.cpu().contiguous() for key, tensor in model.state_dict().items()}
    save_weights(work / f"{name}.safetensors", weights)
    result = more | {
        **clock.times(),
        "device": str(device),
        "threads": torch.get_num_threads(),
        "history": history,
    }
    write_json(work / f"{name}.json", result)


def runs(work: Path) -> dict[str, dict]:
    """What the stages that have run left behind."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(work.glob("*.json"))}


def without_history(run: dict) -> dict:
    """What `metrics.json` says of a run; its history goes to `history.csv`."""
    return {key: value for key, value in run.items() if key != "history"}


def save_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """A safetensors file, written whole."""
    with written_whole(path) as temporary:
        save_file(weights, temporary)


def write_json(path: Path, content: dict) -> None:
    """A JSON file that a person can read, written whole."""
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_history(found: dict[str, dict], path: Path) -> None:
    """One row per run and epoch: a table of what the runs' histories hold."""
    rows = [{"run": name} | row for name, run in found.items() for row in run["history"]]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with written_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(_rounded_row, rows))


def _rounded_row(row: dict) -> dict:
    return {k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()}
