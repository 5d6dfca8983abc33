"""The labs are what the solutions give, and each exercise is told and counted alike everywhere."""

from __future__ import annotations

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import labs
from tools.notebooks import ROOT, notebooks
from torchcourse.checks.core import exercises

SOLUTIONS = notebooks("solutions")
NAMES = [path.relative_to(ROOT / "solutions").as_posix() for path in SOLUTIONS]


def read(folder, name):
    return nbformat.read(ROOT / folder / name, as_version=4)


def graded(notebook):
    return [cell for cell in notebook.cells if "nbgrader" in cell.metadata]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """All labs, generated anew."""
    folder = tmp_path_factory.mktemp("labs")
    before = {path.name for path in ROOT.iterdir()}
    labs.generate(folder)
    new = {path.name for path in ROOT.iterdir()} - before
    assert new <= {".hypothesis", ".pytest_cache"}  # other tests'; no database, no log is left
    return folder


def test_labs_have_not_drifted(fresh):
    committed = {p.relative_to(ROOT / "labs").as_posix() for p in notebooks("labs")}
    assert committed == set(NAMES)
    for name in NAMES:
        generated = (fresh / name).read_text(encoding="utf-8")
        stored = (ROOT / "labs" / name).read_text(encoding="utf-8")
        assert generated == stored, f"labs/{name} is out of date: run `make labs`"


@pytest.mark.parametrize("name", NAMES)
def test_solution_is_marked(name):
    """What `tools.labs` would write is what is committed."""
    notebook = read("solutions", name)
    before = nbformat.writes(notebook)
    labs.mark(notebook, name)
    assert nbformat.writes(notebook) == before, f"solutions/{name}: run `make labs`"


def test_grade_ids_and_exercises_are_unique_within_a_chapter():
    seen = {}
    for name in NAMES:
        for cell in graded(read("solutions", name)):
            key = (name.split("/")[0], cell.metadata.nbgrader.grade_id)
            assert key not in seen, f"{key} is in {seen.get(key)} and in {name}"
            seen[key] = name


def test_every_checker_is_used_in_a_lab_of_its_chapter():
    used = {
        (name.split("/")[0], cell.metadata.nbgrader.grade_id)
        for name in NAMES
        for cell in graded(read("solutions", name))
    }
    for one in exercises():
        assert {(one.chapter, one.name), (one.chapter, f"check_{one.name}")} <= used, one.name


@pytest.mark.parametrize("name", NAMES)
def test_lab_holds_no_solution(name):
    lab, solution = read("labs", name), read("solutions", name)
    text = "\n".join(cell.source for cell in lab.cells)
    assert "SOLUTION" not in text and "Model answer" not in text
    assert not any(cell.get("outputs") for cell in lab.cells)
    for cell in solution.cells:
        if "### BEGIN SOLUTION" in cell.source:
            body = re.search(r"BEGIN SOLUTION\n(.*?)\n *### END", cell.source, re.DOTALL)[1]
            assert body.strip() and body.strip() not in text


@pytest.mark.parametrize("name", NAMES)
def test_each_exercise_has_card_check_hints_and_help(name):
    cells = read("labs", name).cells
    for number, cell in enumerate(cells):
        meta = cell.metadata.get("nbgrader", {})
        if not meta.get("solution"):
            continue
        assert labs.CARD.match(cell.source), meta.grade_id
        check, hints = cells[number + 1], cells[number + 2]
        assert check.metadata.nbgrader.grade_id == f"check_{meta.grade_id}"
        assert hints.cell_type == "markdown"
        for hint in ("Hint 1", "Hint 2", "Hint 3"):
            assert f"<details><summary>{hint}" in hints.source, f"{meta.grade_id}: {hint}"
        assert "<details><summary>Help, I get <code>" in hints.source, meta.grade_id
        assert hints.source.count("<details>") == hints.source.count("</details>")


@pytest.mark.parametrize("name", NAMES)
def test_table_of_exercises_tells_the_cards_minutes_and_points(name):
    notebook = read("labs", name)
    rows = re.findall(
        r"^\| (\d+) `(\w+)` \| [^|]+ \| (\d+) \| (\d+) \|$", notebook.cells[0].source, re.M
    )
    cards = []
    for cell in graded(notebook):
        if cell.metadata.nbgrader.solution:
            found = re.match(r"# Exercise (\d+) .* about (\d+) min · (\d+) point", cell.source)
            cards.append((found[1], cell.metadata.nbgrader.grade_id, found[2], found[3]))
    assert rows == cards and len(rows) >= 4


def notebook_of(*sources):
    return new_notebook(cells=[new_code_cell(source) for source in sources])


CARD = "# Exercise 1 · Difficulty ●○○ · Importance ●○○ · about 5 min · 2 points\n"
BODY = "def f(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION"


def test_marking():
    notebook = notebook_of("import torch", CARD + BODY, "ch09_x.f(f)")
    notebook.cells.append(new_markdown_cell("### BEGIN SOLUTION in prose"))
    labs.mark(notebook, "x")
    assert [cell.metadata.nbgrader.grade_id for cell in graded(notebook)] == ["f", "check_f"]
    assert graded(notebook)[1].metadata.nbgrader.points == 2


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([BODY, "ch09_x.f(f)"], "must start with a card"),
        ([CARD + "### BEGIN SOLUTION\nx = 1\n### END SOLUTION"], "no function or class"),
        ([CARD + BODY], "no check cell for f"),
        (["ch09_x.f(f)", CARD + BODY], "comes before its solution"),
        ([CARD + BODY, "ch09_x.f(f)", CARD + BODY, "ch09_x.f(f)"], "twice"),
    ],
)
def test_marking_refuses(sources, message):
    with pytest.raises(labs.LabError, match=message):
        labs.mark(notebook_of(*sources), "x")
