"""nbgrader: solutions → labs → submitted → autograded → feedback. See book/instructors.md."""

from nbconvert.preprocessors import TagRemovePreprocessor
from nbgrader.converters import GenerateAssignment

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

# A check stops a learner's function after three seconds by itself; this bounds everything else in
# a cell, such as a loop at its top level. The cells after it still run.
c.Execute.timeout = 60

# A test cell somebody deleted comes back and is run.
c.OverwriteCells.add_missing_cells = True
