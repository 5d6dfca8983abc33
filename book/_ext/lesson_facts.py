"""The line of facts under the title of a lesson, a lab and a solution.

Reading time is computed from the page, run time is what the build measured, links are built
from `repository` in `_config.yml`: nothing of it is typed into a notebook.
"""

from __future__ import annotations

import html
import math

from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

# An adult reads 200 to 250 words of prose a minute; code that is new is read line by line.
WORDS_PER_MINUTE = 220
CODE_LINES_PER_MINUTE = 12
KINDS = ("lessons", "labs", "solutions")


def reading_minutes(doctree: nodes.document) -> int:
    """Minutes to read the page: its prose and its code, not its outputs."""
    words = lines = 0
    for text in doctree.findall(nodes.Text):
        if not _inside(text, nodes.literal_block):
            words += len(text.split())
    for block in doctree.findall(nodes.literal_block):
        if _in_class(block, "cell_input") and not _in_class(block, "tag_set-up"):
            lines += sum(bool(line.strip()) for line in block.astext().splitlines())
    return max(1, math.ceil(words / WORDS_PER_MINUTE + lines / CODE_LINES_PER_MINUTE))


def _inside(node: nodes.Node, kind: type[nodes.Node]) -> bool:
    while node is not None and not isinstance(node, kind):
        node = node.parent
    return node is not None


def _in_class(node: nodes.Node, name: str) -> bool:
    while node is not None and not (
        isinstance(node, nodes.Element) and name in node.get("classes", ())
    ):
        node = node.parent
    return node is not None


def colab_url(app: Sphinx, docname: str) -> str:
    """Where Colab opens this notebook from the course's repository."""
    options = app.config.html_theme_options
    url, branch = options["repository_url"].rstrip("/"), options["repository_branch"]
    if not url.startswith("https://github.com/"):
        raise ExtensionError(f"Colab opens notebooks from GitHub only; repository.url is {url}")
    slug = url.removeprefix("https://github.com/")
    return f"https://colab.research.google.com/github/{slug}/blob/{branch}/{docname}.ipynb"


def facts(app: Sphinx, doctree: nodes.document, docname: str) -> list[str]:
    """The facts of one page as HTML, in the order they are shown."""
    kind, chapter, name = docname.split("/")
    items = []
    if kind == "lessons":
        items.append(f"<span>{reading_minutes(doctree)} min to read</span>")
        record = NbMetadataCollector.get_exec_data(app.env, docname)
        if record and record["runtime"]:
            items.append(f"<span>{seconds(record['runtime'])} to run</span>")
    source = f"{'../' * docname.count('/')}_sources/{docname}.ipynb"
    items.append(
        f'<a class="facts-button" href="{html.escape(colab_url(app, docname))}">Open in Colab</a>'
    )
    items.append(f'<a href="{source}" download="{name}.ipynb">Download notebook</a>')
    if kind == "lessons":
        items += _links(app, docname, f"labs/{chapter}/", "", _linked(doctree))
    elif kind == "labs":
        items += _links(app, docname, f"solutions/{chapter}/{name}", "Solution")
    else:
        items += _links(app, docname, f"labs/{chapter}/{name}", "The lab this solves")
    return items


def _linked(doctree: nodes.document) -> set[str]:
    """Where the links of a page lead, without the part behind a `#`."""
    return {
        node["refuri"].partition("#")[0]
        for node in doctree.findall(nodes.reference)
        if "refuri" in node
    }


def _links(
    app: Sphinx, docname: str, prefix: str, text: str, among: set[str] | None = None
) -> list[str]:
    """A link to each page whose name begins with `prefix`; its text is `text` or the title.

    `among`: only pages at one of these addresses. A lesson names its own lab, not all labs.
    """
    targets = sorted(name for name in app.env.all_docs if name.startswith(prefix))
    addresses = {app.builder.get_relative_uri(docname, target): target for target in targets}
    return [
        f'<a href="{address}">{html.escape(text or app.env.titles[target].astext())}</a>'
        for address, target in addresses.items()
        if among is None or address in among
    ]


def seconds(time: float) -> str:
    """A run time as people say it: `under a second`, `8 s`, `1 min 20 s`."""
    if time < 1:
        return "under a second"
    minutes, rest = divmod(round(time), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def add_facts(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    parts = docname.split("/")
    title = next(iter(doctree.findall(nodes.title)), None)
    if app.builder.format != "html" or len(parts) != 3 or parts[0] not in KINDS or not title:
        return
    items = "".join(f"<li>{item}</li>" for item in facts(app, doctree, docname))
    block = f'<ul class="lesson-facts" aria-label="About this page">{items}</ul>'
    title.parent.insert(title.parent.index(title) + 1, nodes.raw("", block, format="html"))


def setup(app: Sphinx) -> dict:
    app.connect("doctree-resolved", add_facts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
