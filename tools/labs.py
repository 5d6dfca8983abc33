"""Write `labs/` from `solutions/`.

`python -m tools.labs` marks the cells of every solution for nbgrader, then generates the labs.
`--execute FILE…` first runs these solutions and stores their outputs, which is how one is written
or updated. With `--into FOLDER` the labs go elsewhere and nothing in the checkout changes.

A solution cell starts with its card and holds the solution's borders; the check cell follows:

    # Exercise 3 · Difficulty ●●○ · Importance ●●● · about 10 min · 3 points
    def masked_mean(x, mask): …          ### BEGIN SOLUTION … ### END SOLUTION

    from torchcourse.checks import ch01_tensors

    ch01_tensors.masked_mean(masked_mean)

A cell with the tag `model-answer` stays out of the lab. A cell that draws ends in an assignment,
`figure = …`: nbval runs cells without a history, and there a closing `;` hides nothing.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from tools.notebooks import ROOT, notebooks, rewrite

CARD = re.compile(
    r"# Exercise \d+ · Difficulty [●○]{3} · Importance [●○]{3} · about \d+ min · (\d+) points?"
)
CHECK = re.compile(r"^(?:ch\d\d|cap\d)_?\w*\.(\w+)\(", re.MULTILINE)


class LabError(Exception):
    """A solution notebook that cannot become a lab; the message says which cell and why."""


def mark(notebook: NotebookNode, name: str) -> None:
    """Write nbgrader's metadata in place: solution cells and check cells, with points.

    Raises:
        LabError: for a solution without card or definition, or one without its check.
    """
    points: dict[str, int] = {}
    seen: set[str] = set()
    for cell in notebook.cells:
        cell.metadata.pop("nbgrader", None)
        if cell.cell_type != "code":
            continue
        if "### BEGIN SOLUTION" in cell.source:
            exercise = _exercise(cell.source, name)
            if exercise in seen:
                raise LabError(f"{name}: {exercise!r} is defined twice")
            seen.add(exercise)
            points[exercise] = int(CARD.match(cell.source)[1])
            cell.metadata["nbgrader"] = _metadata(exercise, solution=True)
        elif found := CHECK.search(cell.source):
            exercise = found[1]
            if exercise not in points:
                raise LabError(f"{name}: the check of {exercise!r} comes before its solution")
            cell.metadata["nbgrader"] = _metadata(
                f"check_{exercise}", grade=True, points=points.pop(exercise)
            )
    if points:
        raise LabError(f"{name}: no check cell for {', '.join(points)}")


def _exercise(source: str, name: str) -> str:
    """The exercise a solution cell defines: its first function or class."""
    if not CARD.match(source):
        raise LabError(f"{name}: a solution cell must start with a card, not {source[:60]!r}")
    defined = [n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    if not defined:
        raise LabError(f"{name}: no function or class in the cell that starts {source[:60]!r}")
    return defined[0].name


def _metadata(grade_id: str, **kind: bool | int) -> NotebookNode:
    metadata = {"grade": False, "solution": False, "task": False, "schema_version": 3} | kind
    metadata |= {"grade_id": grade_id, "locked": metadata["grade"], "cell_type": "code"}
    return nbformat.from_dict(dict(sorted(metadata.items())))


def execute(path: Path) -> None:
    """Run a solution from an empty folder and store its outputs in it.

    Raises:
        nbclient.exceptions.CellExecutionError: with the failing cell and its error.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as empty:
        client = NotebookClient(notebook, kernel_name="python3", timeout=120, record_timing=False)
        client.execute(cwd=empty)
    path.write_text(_text(notebook), encoding="utf-8")


def prepare(path: Path) -> None:
    """Bring a solution into its committed form, cells marked."""
    rewrite(path, keep_outputs=True, check=False)
    notebook = nbformat.read(path, as_version=4)
    mark(notebook, path.name)
    path.write_text(_text(notebook), encoding="utf-8")


def generate(into: Path) -> list[Path]:
    """Write the labs of all chapters below `into`; returns the files.

    nbgrader runs in a folder of its own, so that neither its database nor its logs land in the
    checkout, and only what it finished is copied.
    """
    written = []
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder)
        shutil.copytree(
            ROOT / "solutions", course / "solutions", ignore=shutil.ignore_patterns(".*")
        )
        for chapter in sorted(p.name for p in (course / "solutions").iterdir() if p.is_dir()):
            _generate_chapter(course, chapter)
            shutil.rmtree(into / chapter, ignore_errors=True)
            for made in sorted((course / "labs" / chapter).rglob("*.ipynb")):
                target = into / made.relative_to(course / "labs")
                target.parent.mkdir(parents=True, exist_ok=True)
                lab = nbformat.read(made, as_version=4)
                target.write_text(_text(lab), encoding="utf-8")
                written.append(target)
    return written


def _generate_chapter(course: Path, chapter: str) -> None:
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    # nbgrader calls `alembic` by name: find the one installed beside this Python.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    config.CourseDirectory.root = str(course)
    config.CourseDirectory.db_url = f"sqlite:///{course / 'gradebook.db'}"
    result = NbGraderAPI(config=config).generate_assignment(chapter, force=True, create=True)
    if not result["success"]:
        raise LabError(f"{chapter}: {result.get('error', '')}\n{result.get('log', '')}")


def _text(notebook: NotebookNode) -> str:
    return nbformat.writes(notebook, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--execute", nargs="+", type=Path, default=[], metavar="FILE")
    parser.add_argument("--into", type=Path, default=None, metavar="FOLDER")
    arguments = parser.parse_args()
    try:
        for path in arguments.execute:
            prepare(path)
            execute(path)
            prepare(path)  # running left its versions in the metadata
        if arguments.into is None:
            for path in notebooks("solutions"):
                prepare(path)
        for path in generate(arguments.into or ROOT / "labs"):
            print(f"written: {path}")
    except LabError as error:
        print(f"labs: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
