"""Record the full run of the capstone: train, evaluate once on the test part, write the weights.

    python -m torchcourse.capstones.digits.record              everything, about 90 minutes
    python -m torchcourse.capstones.digits.record digit --seed 1     one stage
    python -m torchcourse.capstones.digits.record reader
    python -m torchcourse.capstones.digits.record finish

The stages leave their results in ``--work`` and may run side by side. Only ``finish`` looks at
the test part; it writes `weights/cap1_digits/{model,reader}.safetensors`, `metrics.json` and
`history.csv`.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from torchcourse.data import digits as digit_data
from torchcourse.runtime import get_device

from .ctc import LineReader
from .pages import TRAINING, Glyphs
from .preprocess import prepare_batch
from .reader_training import make_strips, read_strips, train_reader
from .symbols import load_symbols
from .training import VALIDATION, count_errors, split, train

SEEDS = (0, 1, 2)
EPOCHS = 14
READER_SEED = 0
READER_STRIPS, READER_EPOCHS = 16_000, 8
REAL_STRIPS, REAL_EPOCHS = 3_000, 2  # continuation with real symbols, where they are at hand
DEFAULT_WORK = Path("runs/cap1_digits")


def record_digit(seed: int, work: Path) -> None:
    """Train the digit network once; the test part stays closed."""
    data = digit_data.load(train=True)
    images, labels = prepare_batch(data.images), data.labels
    training, held = split(labels, VALIDATION)

    def evaluate(model: torch.nn.Module) -> dict:
        errors = count_errors(model, images[held], labels[held])
        return {"validation_accuracy": 1 - errors / len(held)}

    start = time.perf_counter()
    device = get_device()
    model, history = train(
        images[training],
        labels[training],
        epochs=EPOCHS,
        seed=seed,
        device=device,
        evaluate=evaluate,
    )
    _save(model, work / f"digit_{seed}.safetensors")
    result = {
        "seed": seed,
        "epochs": EPOCHS,
        "wall_seconds": round(time.perf_counter() - start, 1),
        "training_images": len(training),
        "validation_images": len(held),
        "threads": torch.get_num_threads(),
        "device": str(device),
        "history": history,
    }
    (work / f"digit_{seed}.json").write_text(json.dumps(result, indent=1))


def record_reader(work: Path) -> None:
    """Train the line reader on drawn symbols, then go on with real ones; test part closed."""
    data = digit_data.load(train=True)
    training, held = split(data.labels, VALIDATION)
    digits, held_digits = ((data.images[i], data.labels[i]) for i in (training, held))
    device = get_device()
    held_strips, held_texts = make_strips(400, Glyphs(*held_digits), TRAINING, seed=10_001)

    def evaluate(model: torch.nn.Module) -> dict:
        read = read_strips(model, held_strips)
        right = sum(a == b for a, b in zip(read, held_texts, strict=True))
        return {"validation_exact": right / len(read)}

    def run(model: LineReader | None, name: str, symbols: dict | None, count: int, epochs: int):
        start = time.perf_counter()
        strips, texts = make_strips(count, Glyphs(*digits, symbols), TRAINING, READER_SEED + epochs)
        if symbols:  # half and half: the reader must not forget drawn symbols and parentheses
            more = make_strips(count, Glyphs(*digits), TRAINING, READER_SEED + epochs + 1)
            strips, texts = strips + more[0], texts + more[1]
        model, history = train_reader(
            strips,
            texts,
            epochs=epochs,
            seed=READER_SEED,
            device=device,
            start=model,
            evaluate=evaluate,
        )
        _save(model, work / f"{name}.safetensors")
        result = {
            "seed": READER_SEED,
            "epochs": epochs,
            "strips": len(strips),
            "symbols": "real and drawn" if symbols else "drawn",
            "wall_seconds": round(time.perf_counter() - start, 1),
            "device": str(device),
            "threads": torch.get_num_threads(),
            "history": history,
        }
        (work / f"{name}.json").write_text(json.dumps(result, indent=1))
        return model

    model = run(None, "reader_drawn", None, READER_STRIPS, READER_EPOCHS)
    real = load_symbols(train=True)
    if real:
        run(model, "reader_real", real, REAL_STRIPS, REAL_EPOCHS)


def _save(model: torch.nn.Module, path: Path) -> None:
    weights = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stage", nargs="?", choices=["digit", "reader", "finish"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.stage == "digit":
        record_digit(args.seed, args.work)
    elif args.stage == "reader":
        record_reader(args.work)


if __name__ == "__main__":
    main()
