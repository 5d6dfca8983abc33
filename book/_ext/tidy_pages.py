"""Put right what Jupyter Book's other extensions leave on each page.

sphinx-thebe is always loaded and its script knows the address of a CDN; the course starts no
kernel from its pages. MyST-NB names every folded cell alike, whatever its visible words are.
The extension that numbers several tables of contents as one, which the course does not use, forgot
to say that it can work in parallel.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx

INLINE = ('<script type="text/x-thebe-config">', "<script>kernelName")

MISNOMER = '<summary aria-label="Toggle hidden content">'


def keep(file: object) -> bool:
    """Whether a style sheet or script stays, judged by its name or by its inline text."""
    body = getattr(file, "attributes", {}).get("body") or ""
    return "thebe" not in f"{getattr(file, 'filename', file)} {body}".lower()


def tidy_page(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None
) -> None:
    for kind in ("css_files", "script_files"):
        context[kind] = [file for file in context.get(kind, []) if keep(file)]
    if "body" in context:
        context["body"] = context["body"].replace(MISNOMER, "<summary>")


def drop_inline(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for raw in list(doctree.findall(nodes.raw)):
        if raw.astext().lstrip().startswith(INLINE):
            raw.parent.remove(raw)


def allow_parallel_reading(app: Sphinx) -> None:
    app.extensions["sphinx_multitoc_numbering"].parallel_read_safe = True


def setup(app: Sphinx) -> dict:
    app.connect("builder-inited", allow_parallel_reading)
    # Late, when the others have added theirs.
    app.connect("html-page-context", tidy_page, priority=900)
    app.connect("doctree-resolved", drop_inline, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
