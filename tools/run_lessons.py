"""Run lessons as a Colab learner would: each file alone, in an empty folder.

`python -m tools.run_lessons [FILE …]` runs the given notebooks, or all lessons, one after the
other and exits 1 if one fails. Needs nbclient, not the packages that build the site.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from tools.notebooks import ROOT, notebooks

CELL_TIMEOUT = 600  # seconds; a whole lesson takes less than 60
# Characters a cell may print. Nobody reads more, and a megabyte keeps the site's builder busy
# for a quarter of an hour.
MOST_PRINTED = 20_000
# Errors only: else every kernel warns that it listens on the loopback address.
KERNEL_LOG = ["--IPKernelApp.log_level=40"]


@dataclass
class Run:
    """An executed notebook, the seconds it took, and the error that ended it, if any."""

    notebook: nbformat.NotebookNode
    seconds: float
    error: str | None


def run_alone(path: Path) -> Run:
    """Run one notebook in an empty temporary folder."""
    notebook = nbformat.read(path, as_version=4)
    start, error = time.monotonic(), None
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=CELL_TIMEOUT,
            resources={"metadata": {"path": folder}},
            record_timing=False,  # it would change the cells, which the cache compares
            extra_arguments=KERNEL_LOG,
        )
        try:
            client.execute()
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as problem:
            error = str(problem)
    return Run(notebook, time.monotonic() - start, error or _too_much(notebook))


def _too_much(notebook: nbformat.NotebookNode) -> str | None:
    """What is wrong if a cell prints more than anybody reads."""
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            if len(text) > MOST_PRINTED:
                return (
                    f"Cell {number} prints {len(text):,} characters, more than {MOST_PRINTED:,}. "
                    "Print a part, or a summary."
                )
    return None


def main() -> int:
    paths = [Path(name).resolve() for name in sys.argv[1:]] or notebooks("lessons")
    failed = 0
    for number, path in enumerate(paths, start=1):
        run = run_alone(path)
        verdict = "ok" if run.error is None else f"FAILED\n{run.error}"
        name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        print(f"[{number}/{len(paths)}] {name}  {run.seconds:.1f} s  {verdict}", flush=True)
        failed += run.error is not None
    print(f"{len(paths) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
