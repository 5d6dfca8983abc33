"""An instructor's day: hand out, collect, autograde (with a crash), feedback, export.

The commands are those of `book/instructors.md`; the course folder is a temporary one.
"""

from __future__ import annotations

import copy
import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tools import labs
from tools.notebooks import KERNEL, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CHAPTER, LAB, SECOND_LAB = "ch01_tensors", "01_tensors.ipynb", "02_second.ipynb"
ENVIRONMENT = os.environ | {
    # As in an activated environment: nbgrader calls `alembic` by name.
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    "OMP_NUM_THREADS": "1",
    "TORCHCOURSE_CELL_SECONDS": "20",
}

WRONG_MEAN = "def masked_mean(x, mask):\n    return x.mean(dim=1)"
STUBBORN = """\
def to_tiles(image, size):
    while True:
        try:
            image.sum()
        except:
            pass"""
NOISY = """\
import sys
import warnings

def one_hot(labels, num_classes):
    print("working", file=sys.stderr)
    warnings.warn("this is only a warning")
    return torch.eye(num_classes)[labels]"""


def grade_id(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def second_lab():
    """A lab of one exercise and one point, which only Ada hands in."""
    card = "# Exercise 1 · Difficulty ●○○ · Importance ●○○ · about 1 min · 1 point\n"
    body = "def one_hot(labels, num_classes):\n    ### BEGIN SOLUTION\n"
    body += "    return torch.eye(num_classes)[labels]\n    ### END SOLUTION"
    check = "from torchcourse.checks import ch01_tensors\n\nch01_tensors.one_hot(one_hot)"
    notebook = new_notebook(
        metadata={"kernelspec": KERNEL},
        cells=[new_code_cell(source) for source in ("import torch", card + body, check)],
    )
    labs.mark(notebook, SECOND_LAB)
    return notebook


class Course:
    """A course folder with one lab, and its students."""

    def __init__(self, root: Path) -> None:
        self.root, self.commands = root, []
        (root / "solutions" / CHAPTER).mkdir(parents=True)
        shutil.copy(ROOT / "nbgrader_config.py", root)
        shutil.copy(ROOT / "solutions" / CHAPTER / LAB, root / "solutions" / CHAPTER)
        nbformat.write(second_lab(), root / "solutions" / CHAPTER / SECOND_LAB)
        self.nbgrader("generate_assignment", CHAPTER, "--force")
        self.lab = nbformat.read(root / "labs" / CHAPTER / LAB, as_version=4)
        solution = nbformat.read(root / "solutions" / CHAPTER / LAB, as_version=4)
        marked = [cell for cell in solution.cells if grade_id(cell)]
        self.answers = {grade_id(c): c.source for c in marked if c.metadata.nbgrader.solution}
        self.points = {
            grade_id(c).removeprefix("check_"): c.metadata.nbgrader.points
            for c in marked
            if c.metadata.nbgrader.grade
        }

    def start(self, *arguments: str) -> subprocess.Popen:
        self.commands.append(" ".join(["nbgrader", *arguments]))
        return subprocess.Popen(
            [sys.executable, "-m", "nbgrader", *arguments],
            cwd=self.root,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def nbgrader(self, *arguments: str, succeeds: bool = True) -> None:
        process = self.start(*arguments)
        log, _ = process.communicate(timeout=600)
        assert (process.returncode == 0) == succeeds, log

    def submit(self, student: str, answers: dict[str, str], edit=None) -> None:
        """What a learner hands in: the lab with their code in place of the stubs."""
        notebook = copy.deepcopy(self.lab)
        for cell in notebook.cells:
            cell.source = answers.get(grade_id(cell), cell.source)
        if edit is not None:
            edit(notebook)
        folder = self.root / "submitted" / student / CHAPTER
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / LAB)

    def submit_second(self, student: str) -> None:
        source = self.root / "solutions" / CHAPTER / SECOND_LAB
        shutil.copy(source, self.root / "submitted" / student / CHAPTER)

    def scores(self) -> dict[str, float]:
        self.nbgrader("export")
        with open(self.root / "grades.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert {float(row["max_score"]) for row in rows} == {sum(self.points.values()) + 1.0}
        return {row["student_id"]: float(row["score"]) for row in rows}


def tamper(notebook):
    for cell in notebook.cells:
        if (grade_id(cell) or "").startswith("check_"):
            cell.source = "print('all is well')"
            cell.metadata.nbgrader.points = 100


def delete(notebook):
    """The check of one exercise; solution and check of another, the first of the lab."""
    gone = {"check_masked_mean", "one_hot", "check_one_hot"}
    notebook.cells = [cell for cell in notebook.cells if grade_id(cell) not in gone]


def loop_at_top_level(notebook):
    place = [grade_id(cell) for cell in notebook.cells].index("check_one_hot")
    notebook.cells.insert(place, new_code_cell("while True:\n    pass"))


def kill_during_second_student(course: Course) -> None:
    """SIGKILL to nbgrader and its kernel, once the second submission is being graded."""
    process = course.start("autograde", CHAPTER)
    for line in process.stdout:
        if "Autograding" in line and "/ben/" in line:
            break
    else:
        pytest.fail("autograde ended before it came to the second student")
    time.sleep(1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    course = Course(tmp_path_factory.mktemp("course"))
    right = course.answers
    some = {name: right[name] for name in ("one_hot", "pairwise_distances")}
    course.submit("ada", right)
    course.submit_second("ada")
    course.submit("ben", some | {"masked_mean": WRONG_MEAN})
    course.submit("cleo", {})
    course.submit("dan", some, tamper)
    course.submit("eve", right, delete)
    course.submit("finn", right | {"to_tiles": STUBBORN}, loop_at_top_level)
    course.submit("gus", right | {"one_hot": NOISY})

    kill_during_second_student(course)
    course.after_the_crash = course.scores()
    graded = course.root / "autograded" / "ada" / CHAPTER / LAB
    course.untouched = graded.read_bytes()
    course.nbgrader("autograde", CHAPTER, "--student=ben", "--force")
    course.nbgrader("autograde", CHAPTER)
    course.nbgrader("generate_feedback", CHAPTER)
    course.final = course.scores()

    course.submit("hal", right)
    damaged = course.root / "submitted" / "hal" / CHAPTER / LAB
    sound = damaged.read_bytes()
    damaged.write_bytes(sound[: len(sound) // 2])
    course.nbgrader("autograde", CHAPTER, succeeds=False)
    course.with_a_damaged_file = course.scores()
    damaged.write_bytes(sound)
    course.nbgrader("autograde", CHAPTER)
    course.mended = course.scores()
    return course


def feedback(course, student):
    page = course.root / "feedback" / student / CHAPTER / LAB.replace(".ipynb", ".html")
    return re.sub(r"\s+", " ", page.read_text(encoding="utf-8"))


def test_generated_lab_is_the_committed_one(course):
    made = (course.root / "labs" / CHAPTER / LAB).read_bytes()
    assert made == (ROOT / "labs" / CHAPTER / LAB).read_bytes()


def test_crash_loses_no_grade_already_written(course):
    assert course.after_the_crash["ada"] == course.final["ada"]
    graded = course.root / "autograded" / "ada" / CHAPTER / LAB
    assert graded.read_bytes() == course.untouched


def test_right_gets_all_points(course):
    assert course.final["ada"] == sum(course.points.values()) + 1 > 1


def test_a_missing_notebook_costs_only_its_own_points(course):
    """Only Ada handed in the second lab; Gus has all the points of the first."""
    assert course.final["gus"] == course.final["ada"] - 1


def test_a_damaged_notebook_harms_nobody_else_and_can_be_mended(course):
    assert course.with_a_damaged_file == course.final | {"hal": 0.0}
    assert course.mended == course.final | {"hal": float(sum(course.points.values()))}


def test_half_right_gets_the_points_of_its_exercises(course):
    assert course.final["ben"] == course.points["one_hot"] + course.points["pairwise_distances"]
    assert "averaged over all T positions, padding included" in feedback(course, "ben")


def test_unanswered_gets_nothing_and_is_told_so(course):
    assert course.final["cleo"] == 0
    assert feedback(course, "cleo").count("still to do") >= len(course.points)


def test_tampered_checks_are_restored(course):
    assert course.final["dan"] == course.points["one_hot"] + course.points["pairwise_distances"]
    assert "all is well" not in feedback(course, "dan")


def test_deleted_cells_cost_only_their_own_points(course):
    assert course.final["eve"] == sum(course.points.values()) - course.points["one_hot"]


def test_endless_loops_cost_only_their_own_points(course):
    assert course.final["finn"] == sum(course.points.values()) - course.points["to_tiles"]
    assert "still running after 3 seconds" in feedback(course, "finn")


def test_output_on_stderr_costs_nothing(course):
    assert course.final["gus"] == sum(course.points.values())


def test_feedback_shows_no_checker_internals(course):
    for student in course.final:
        page = feedback(course, student)
        assert "checks/core.py" not in page and "_Stop" not in page


def test_the_instructors_page_names_exactly_the_commands_run_here(course):
    page = (ROOT / "book" / "instructors.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    told = re.findall(r"^nbgrader .*$", "".join(blocks), re.MULTILINE)
    assert set(told) == set(course.commands)
