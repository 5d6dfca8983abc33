"""Record the full run of a lesson that compares models on real data.

`python -m tools.record_lesson lessons/ch04_stability/06_house_prices.ipynb` runs the lesson with
TORCHCOURSE_PRESET=full up to the cell with the tag `measured`, which must leave a dictionary
`measured`, and writes it, with versions, device and time, to
`src/torchcourse/weights/ch04_house_prices/metrics.json`. So the record comes from the very cells
that readers see.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import nbformat
import torch
from nbclient import NotebookClient

from tools.notebooks import ROOT
from torchcourse.recording import versions, write_json

TAG = "measured"
LONGEST = 3600  # seconds for one cell


def target(lesson: Path) -> Path:
    """Where the record of a lesson belongs: ch04_stability/06_house_prices → ch04_house_prices."""
    chapter, name = lesson.parent.name.split("_")[0], lesson.stem.split("_", 1)[1]
    return ROOT / f"src/torchcourse/weights/{chapter}_{name}/metrics.json"


def measure(lesson: Path, threads: int) -> dict:
    """Run the lesson in full and return its dictionary `measured`.

    Raises:
        SystemExit: no cell has the tag, or the run was not made on real data.
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(lesson, as_version=4)
    tagged = [i for i, cell in enumerate(notebook.cells) if TAG in cell.metadata.get("tags", [])]
    if not tagged:
        raise SystemExit(f"{lesson} has no cell with the tag {TAG!r}, so nothing to record")
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "measured.json"
        keep = (
            f"import json, pathlib\npathlib.Path({str(result)!r}).write_text(json.dumps(measured))"
        )
        notebook.cells = [*notebook.cells[: tagged[-1] + 1], nbformat.v4.new_code_cell(keep)]
        limits = {"TORCHCOURSE_PRESET": "full", "OMP_NUM_THREADS": str(threads)}
        client = NotebookClient(notebook, kernel_name="python3", timeout=LONGEST)
        client.execute(cwd=folder, env=os.environ | limits)
        measured = json.loads(result.read_text(encoding="utf-8"))
    if not measured["data"].get("sha256"):
        raise SystemExit(
            f"{lesson.name} ran on {measured['data']['name']}, no data set with a hash. Set "
            "TORCHCOURSE_DATA to a folder that holds the real one; nothing was written"
        )
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lesson", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    lesson = arguments.lesson.resolve()
    started = time.perf_counter()
    record = measure(lesson, arguments.threads) | {
        "written_by": f"python -m tools.record_lesson {lesson.relative_to(ROOT)}",
        "wall_seconds": round(time.perf_counter() - started),
        "device": "cpu" if not torch.cuda.is_available() else torch.cuda.get_device_name(),
        "threads": arguments.threads,
        "versions": versions("scikit-learn"),
    }
    path = target(lesson)
    write_json(path, record)
    print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
