"""What a run measured, epoch by epoch; from it follow the best epoch and when to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class History:
    """The figures of a run.

    Attributes:
        rows: one dictionary per epoch: ``epoch`` (from 1), ``lr``, ``seconds`` (training alone),
            ``train_loss``, ``validation_loss`` and the metrics, such as ``train_accuracy``. The
            training figures are averages *during* the epoch, with dropout and augmentation on.
        monitor: the column that decides which epoch is best.
        mode: "min" if lower is better there, "max" if higher is.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    monitor: str = "validation_loss"
    mode: str = "min"

    def __len__(self) -> int:
        """How many epochs are done."""
        return len(self.rows)

    def __getitem__(self, column: str) -> list[float]:
        """One column, a number per epoch; NaN where an epoch has none."""
        columns = {name: None for row in self.rows for name in row}
        if column not in columns:
            raise KeyError(f"the history has no column {column!r}, only {', '.join(columns)}")
        return [row.get(column, math.nan) for row in self.rows]

    @property
    def best_epoch(self) -> int:
        """The first of the best epochs, counted from 1; 0 before the first epoch.

        A NaN is never best, unless there is nothing else.
        """
        if not self.rows:
            return 0
        sign = 1 if self.mode == "min" else -1
        values = [sign * row.get(self.monitor, math.nan) for row in self.rows]
        return 1 + min(range(len(values)), key=lambda i: (math.isnan(values[i]), values[i], i))

    @property
    def best(self) -> dict[str, float]:
        """The row of the best epoch."""
        if not self.rows:
            raise ValueError("no epoch is done yet, so none is best")
        return self.rows[self.best_epoch - 1]

    def stalled(self, patience: int | None) -> bool:
        """True once the last `patience` epochs brought nothing better; never for None."""
        return patience is not None and len(self) - self.best_epoch >= patience

    def __str__(self) -> str:
        if not self.rows:
            return "no epoch yet"
        figures = ", ".join(
            f"{name} {value:.4f}"
            for name, value in self.best.items()
            if name.startswith(("train_", "validation_"))
        )
        return f"{len(self)} epochs, the best was {self.best_epoch}: {figures}"
