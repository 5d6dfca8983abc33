"""Record the full run of the capstone: train, defend, attack the test part, write the weights.

    python -m torchcourse.capstones.attacks.record                       everything
    python -m torchcourse.capstones.attacks.record photo --kind defended --seed 1
    python -m torchcourse.capstones.attacks.record digit --kind plain --seed 0
    python -m torchcourse.capstones.attacks.record test_photo
    python -m torchcourse.capstones.attacks.record test_digit
    python -m torchcourse.capstones.attacks.record test_pets             the network of capstone 2
    python -m torchcourse.capstones.attacks.record finish

The stages leave their results in ``--work``; trainings may run side by side. CIFAR-10 and MNIST
must be there: see `torchcourse.data.images.load`. ``finish`` writes
`weights/cap6_attacks/{model.safetensors, metrics.json, history.csv}`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .record_results import finish, record_test_digit, record_test_photo
from .record_stages import KINDS, SEEDS, record_digit, record_photo

TRAINING = {"photo": record_photo, "digit": record_digit}
# In the order in which they build on each other.
STAGES = {
    "test_photo": record_test_photo,
    "test_digit": record_test_digit,
    "finish": finish,
}
DEFAULT_WORK = Path("runs/cap6_attacks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stage", nargs="?", choices=[*TRAINING, *STAGES])
    parser.add_argument("--kind", choices=KINDS, help="of the networks to train; else both")
    parser.add_argument("--seed", type=int, choices=SEEDS, help="of the networks; else all")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    for name, stage in TRAINING.items():
        if args.stage in (None, name):
            for kind in KINDS if args.kind is None else [args.kind]:
                for seed in SEEDS if args.seed is None else [args.seed]:
                    stage(kind, seed, args.work)
    for name, stage in STAGES.items():
        if args.stage in (None, name):
            stage(args.work)


if __name__ == "__main__":
    main()
