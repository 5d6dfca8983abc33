"""Every solution runs, and gives again what is stored in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools.notebooks import ROOT, notebooks

SOLUTIONS = notebooks("solutions")
NAMES = [path.relative_to(ROOT).as_posix() for path in SOLUTIONS]
CONFIG = Path(__file__).with_name("nbval_sanitize.cfg")


def code_cells(name):
    notebook = nbformat.read(ROOT / name, as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_was_executed_in_order(name):
    """nbval passes over a cell that never ran, so this must not happen unseen."""
    counts = [cell.execution_count for cell in code_cells(name)]
    assert counts == list(range(1, len(counts) + 1)), f"run `python -m tools.labs --execute {name}`"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_ignored_and_nothing_warned(name):
    for cell in code_cells(name):
        assert "NBVAL_IGNORE_OUTPUT" not in cell.source or "# because" in cell.source, (
            "give the reason behind the marker: `# NBVAL_IGNORE_OUTPUT # because …`"
        )
        assert "NBVAL_SKIP" not in cell.source
        kinds = [(output.output_type, output.get("name")) for output in cell.outputs]
        assert ("stream", "stderr") not in kinds and ("error", None) not in kinds, cell.source


def nbval(*paths, cwd):
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-cell-timeout=120", "-q"]
    command += [f"--nbval-sanitize-with={CONFIG}", "-p", "no:cacheprovider", "-p", "no:timeout"]
    command += ["-c", os.devnull, "--rootdir", str(cwd), *map(str, paths)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_outputs_come_out_as_stored(name, tmp_path):
    done = nbval(ROOT / name, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-8000:]
    assert f"{len(code_cells(name))} passed" in done.stdout


@pytest.mark.slow
def test_a_changed_output_is_noticed(tmp_path):
    """The test above can fail."""
    notebook = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        }
    )
    cell = nbformat.v4.new_code_cell("print(6 * 7)", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="41\n")]
    notebook.cells = [cell]
    nbformat.write(notebook, tmp_path / "changed.ipynb")
    done = nbval(tmp_path / "changed.ipynb", cwd=tmp_path)
    assert done.returncode != 0 and "1 failed" in done.stdout
