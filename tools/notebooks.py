"""Bring every lesson and solution into the one form they are committed in.

`python -m tools.notebooks` writes the set-up cell (from `repository` in `_config.yml`) as the
first code cell, sets plain metadata, numbers the cell ids and strips the outputs of lessons.
With `--check` it changes nothing and exits 1 if anything would change.
`--repository URL` first re-points `_config.yml` and the documents at a fork.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).resolve().parent.parent
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
SETUP_TAG = "set-up"
# Files besides notebooks that name the repository.
DOCUMENTS = ("_config.yml", "README.md", "CONTRIBUTING.md", "CITATION.cff", "book/**/*.md")


def repository() -> tuple[str, str]:
    """URL and branch of the course's repository, from `_config.yml`."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    return config["repository"]["url"].rstrip("/"), config["repository"]["branch"]


def setup_source() -> str:
    """The first code cell of every notebook; on a machine that has the package it does nothing.

    `--no-deps` because Colab already has every dependency: so pip installs one package or none,
    and can never replace torch.
    """
    url, branch = repository()
    return f'''\
# Set-up. On Google Colab this installs the course's helper package; it never touches torch.
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("torchcourse") is None:
    archive = "{url}/archive/{branch}.zip"
    source = os.environ.get("TORCHCOURSE_SOURCE", archive)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", source]
    if "google.colab" not in sys.modules:
        raise RuntimeError(f"torchcourse is not installed. In a terminal: {{' '.join(pip[1:])}}")
    if subprocess.run(pip).returncode != 0:
        raise RuntimeError("Nothing was installed. Check the connection, run this cell again.")
    importlib.invalidate_caches()'''


def notebooks(folder: str) -> list[Path]:
    """All notebooks below a top-level folder, in order."""
    found = (ROOT / folder).rglob("*.ipynb")
    return sorted(path for path in found if ".ipynb_checkpoints" not in path.parts)


def normalise(notebook: nbformat.NotebookNode, keep_outputs: bool) -> None:
    """Change the notebook in place to the committed form."""
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    _write_setup_cell(notebook)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02}"
        for noise in (
            "execution",
            "ExecuteTime",
            "collapsed",
            "lines_to_next_cell",
            "lines_to_end_of_cell_marker",
        ):
            cell.metadata.pop(noise, None)
        if cell.cell_type == "code" and not keep_outputs:
            cell.outputs, cell.execution_count = [], None


def _write_setup_cell(notebook: nbformat.NotebookNode) -> None:
    first = next(
        (index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"),
        len(notebook.cells),
    )
    if first == len(notebook.cells) or SETUP_TAG not in notebook.cells[first].metadata.get(
        "tags", []
    ):
        notebook.cells.insert(first, nbformat.v4.new_code_cell())
    cell = notebook.cells[first]
    cell.source = setup_source()
    cell.metadata["tags"] = [SETUP_TAG, "hide-input"]


def rewrite(path: Path, keep_outputs: bool, check: bool) -> bool:
    """Normalise one file; True if it differed."""
    before = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(before, as_version=4)
    normalise(notebook, keep_outputs)
    after = nbformat.writes(notebook, indent=1, ensure_ascii=False) + "\n"
    if after != before and not check:
        path.write_text(after, encoding="utf-8")
    return after != before


def repoint(url: str) -> None:
    """Replace the repository's URL in every document that names it."""
    if not url:
        raise SystemExit("repository: needs URL=https://github.com/<owner>/<name>")
    url = url.rstrip("/").removesuffix(".git")
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", url):
        raise SystemExit(
            f"repository: {url!r} is not of the form https://github.com/<owner>/<name>, "
            "which Colab needs; nothing was changed"
        )
    old, _ = repository()
    slug = "/".join(old.split("/")[-2:]), "/".join(url.split("/")[-2:])
    for pattern in DOCUMENTS:
        for path in ROOT.glob(pattern):
            text = path.read_text(encoding="utf-8")
            # Colab links name the repository as /github/<owner>/<name>/
            new = text.replace(old, url).replace(f"/github/{slug[0]}/", f"/github/{slug[1]}/")
            if new != text:
                path.write_text(new, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="change nothing, exit 1 on a difference"
    )
    parser.add_argument("--repository", metavar="URL", help="re-point the course at a fork first")
    arguments = parser.parse_args()
    if arguments.repository is not None:
        repoint(arguments.repository)
    changed = [
        path
        for folder, keep in (("lessons", False), ("solutions", True))
        for path in notebooks(folder)
        if rewrite(path, keep, arguments.check)
    ]
    for path in changed:
        print(("differs: " if arguments.check else "written: ") + str(path.relative_to(ROOT)))
    return 1 if arguments.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
