"""Record the full run of the capstone: train, evaluate once on the test part, write the weights.

    python -m torchcourse.capstones.digits.record                    everything
    python -m torchcourse.capstones.digits.record digit --seed 1     one stage of it
    python -m torchcourse.capstones.digits.record again --seed 1
    python -m torchcourse.capstones.digits.record minute
    python -m torchcourse.capstones.digits.record quick
    python -m torchcourse.capstones.digits.record reader
    python -m torchcourse.capstones.digits.record symbols            where they are at hand
    python -m torchcourse.capstones.digits.record fresh
    python -m torchcourse.capstones.digits.record test
    python -m torchcourse.capstones.digits.record numbers
    python -m torchcourse.capstones.digits.record sums
    python -m torchcourse.capstones.digits.record finish

The stages leave their results in ``--work``; what does not build on another may run side by side,
about two hours of processor time together. Only ``test``, ``numbers`` and ``sums`` look
at the test part. ``finish`` writes `weights/cap1_digits/{model,reader}.safetensors`,
`metrics.json` and `history.csv`. MNIST must be there: see `torchcourse.data.digits.load`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from . import symbols
from .record_files import SEEDS
from .record_readers import record_fresh, record_reader, record_symbols
from .record_results import finish, record_numbers, record_sums, record_test
from .record_stages import record_again, record_digit, record_minute, record_quick

# In the order in which they build on each other.
BY_SEED = {"digit": record_digit, "again": record_again}
STAGES = {
    "minute": record_minute,
    "quick": record_quick,
    "reader": record_reader,
    "symbols": record_symbols,
    "fresh": record_fresh,
    "test": record_test,
    "numbers": record_numbers,
    "sums": record_sums,
    "finish": finish,
}
DEFAULT_WORK = Path("runs/cap1_digits")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stage", nargs="?", choices=[*BY_SEED, *STAGES])
    parser.add_argument("--seed", type=int, choices=SEEDS, help="of 'digit' and 'again'; else all")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    for name, stage in BY_SEED.items():
        if args.stage in (None, name):
            for seed in SEEDS if args.seed is None else [args.seed]:
                stage(seed, args.work)
    for name, stage in STAGES.items():
        missing = name == "symbols" and symbols.load_symbols() is None
        if args.stage == name or (args.stage is None and not missing):
            stage(args.work)


if __name__ == "__main__":
    main()
