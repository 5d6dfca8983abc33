"""Mark what every lesson has, so that it can be styled and found.

The paragraphs that begin with `**Predict.**`, `**Takeaway.**` and so on get a class. A solution
is the source its lab is made from and bears the lab's title; its page says what it is.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

MARKS = {
    "Objectives.": "mark-objectives",
    "You need:": "mark-need",
    "Predict.": "mark-predict",
    "Takeaway.": "mark-takeaway",
}


class Marks(SphinxTransform):
    """Classes for the paragraphs a lesson's pattern asks for."""

    default_priority = 800

    def apply(self, **_: object) -> None:
        for paragraph in self.document.findall(nodes.paragraph):
            # The parser may put an empty text in front.
            first = next((child for child in paragraph.children if child.astext()), None)
            if isinstance(first, nodes.strong) and first.astext() in MARKS:
                paragraph["classes"].append(MARKS[first.astext()])


class SolutionTitle(SphinxTransform):
    """`Lab: tensors` becomes `Solution: tensors`, in the title and so in all contents."""

    default_priority = 800

    def apply(self, **_: object) -> None:
        title = next(iter(self.document.findall(nodes.title)), None)
        if title is None or not self.env.docname.startswith("solutions/"):
            return
        for text in title.findall(nodes.Text):
            if text.startswith("Lab: "):
                text.parent.replace(text, nodes.Text("Solution: " + text.removeprefix("Lab: ")))
                return


def setup(app: Sphinx) -> dict:
    app.add_transform(Marks)
    app.add_transform(SolutionTitle)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
