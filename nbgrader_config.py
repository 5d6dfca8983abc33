"""nbgrader: solutions → labs → submitted → autograded → feedback. See book/instructors.md."""

import os

from nbconvert.preprocessors import TagRemovePreprocessor
from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.preprocessors import OverwriteCells

c = get_config()  # noqa: F821 - nbgrader defines it

# One folder is one chapter is one assignment.
c.CourseDirectory.course_id = "torchcourse"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "labs"

# What a learner finds in place of a solution. The bare error is what a check reads as "to do".
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError  # your code takes this line"}

# Model answers to the explain questions stay in the solutions.
c.GenerateAssignment.preprocessors = [
    TagRemovePreprocessor,
    *GenerateAssignment.preprocessors.default(),
]
c.TagRemovePreprocessor.enabled = True
c.TagRemovePreprocessor.remove_cell_tags = {"model-answer"}


class RestoreCells(OverwriteCells):
    """Put back test cells somebody deleted, at the end of the notebook.

    nbgrader's own way looks for the cell before the missing one, and gives up on the whole
    submission if that is missing too. Our checks need no place: they import what they use.
    """

    def add_missing_grade_cells(self, nb, resources):
        present = {cell.metadata.get("nbgrader", {}).get("grade_id") for cell in nb.cells}
        notebook = self.gradebook.find_notebook(self.notebook_id, self.assignment_id)
        sources = {cell.name: cell for cell in notebook.source_cells}
        for missing in notebook.grade_cells:
            if missing.name not in present:
                self.log.warning("Test cell %s is missing: put back", missing.name)
                cell = self.missing_cell_transform(sources[missing.name], missing.max_score)
                nb.cells.append(cell)
        return nb, resources


c.RestoreCells.add_missing_cells = True
c.Autograde.sanitize_preprocessors = [
    RestoreCells if step is OverwriteCells else step
    for step in Autograde.sanitize_preprocessors.default()
]

# A check stops a learner's function after three seconds by itself. This bounds every other cell,
# such as a loop at its top level; the cells after it still run. nbgrader's own limit comes last.
SECONDS = float(os.environ.get("TORCHCOURSE_CELL_SECONDS", "30"))
# `core` comes along so that PyTorch is fully loaded before the first clock runs.
LIMIT = f"from torchcourse.checks import core, sandbox; sandbox.limit_cells({SECONDS})"
c.Execute.extra_arguments = [f"--IPKernelApp.exec_lines={LIMIT}; del core, sandbox"]
c.Execute.timeout = round(2 * SECONDS)
