"""Record the full run of the capstone: train, defend, attack the test part, write the weights.

    python -m torchcourse.capstones.attacks.record                       everything
    python -m torchcourse.capstones.attacks.record photo --kind defended --seed 1
    python -m torchcourse.capstones.attacks.record digit --kind plain --seed 0
    python -m torchcourse.capstones.attacks.record test_photo --kind defended --seed 1
    python -m torchcourse.capstones.attacks.record test_digit --kind plain --seed 0
    python -m torchcourse.capstones.attacks.record transfer
    python -m torchcourse.capstones.attacks.record finish

The stages leave their results in ``--work``; trainings may run side by side. CIFAR-10 and MNIST
must be there: see `torchcourse.data.images.load`. ``finish`` writes
`weights/cap6_attacks/{model.safetensors, metrics.json, history.csv}`.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from .record_results import finish, record_test, record_transfer
from .record_stages import KINDS, SEEDS, record_digit, record_photo

# In the order in which they build on each other.
BY_NETWORK = {
    "photo": record_photo,
    "digit": record_digit,
    "test_photo": partial(record_test, "photo"),
    "test_digit": partial(record_test, "digit"),
}
STAGES = {"transfer": record_transfer, "finish": finish}
DEFAULT_WORK = Path("runs/cap6_attacks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stage", nargs="?", choices=[*BY_NETWORK, *STAGES])
    parser.add_argument("--kind", choices=KINDS, help="of network; else both")
    parser.add_argument("--seed", type=int, choices=SEEDS, help="of the network; else all")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    for name, stage in BY_NETWORK.items():
        if args.stage in (None, name):
            for kind in KINDS if args.kind is None else [args.kind]:
                for seed in SEEDS if args.seed is None else [args.seed]:
                    stage(kind, seed, args.work)
    for name, stage in STAGES.items():
        if args.stage in (None, name):
            stage(args.work)


if __name__ == "__main__":
    main()
