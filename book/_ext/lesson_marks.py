"""Give the paragraphs every lesson has (`**Predict.**`, `**Takeaway.**`, …) a class to style."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx

MARKS = {
    "Objectives.": "mark-objectives",
    "You need:": "mark-need",
    "Predict.": "mark-predict",
    "Takeaway.": "mark-takeaway",
}


def add_marks(app: Sphinx, doctree: nodes.document) -> None:
    for paragraph in doctree.findall(nodes.paragraph):
        # The parser may put an empty text in front.
        first = next((child for child in paragraph.children if child.astext()), None)
        if isinstance(first, nodes.strong) and first.astext() in MARKS:
            paragraph["classes"].append(MARKS[first.astext()])


def setup(app: Sphinx) -> dict:
    app.connect("doctree-read", add_marks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
