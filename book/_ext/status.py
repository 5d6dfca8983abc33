"""The status page: how long each page ran in this build, and with which versions."""

from __future__ import annotations

import platform
import re
from importlib.metadata import version
from pathlib import Path

from docutils import nodes
from lesson_facts import reading_minutes, seconds
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective


class RunTimes(nodes.General, nodes.Element):
    """Stands for the table until every page has been read."""


class RunTimesDirective(SphinxDirective):
    """`{run-times}`: a table of the executed pages."""

    def run(self) -> list[nodes.Node]:
        self.env.metadata[self.env.docname]["run-times"] = True
        return [RunTimes()]


class VersionsDirective(SphinxDirective):
    """`{versions}`: a table of Python and the packages of `requirements.txt`."""

    def run(self) -> list[nodes.Node]:
        file = Path(self.env.srcdir, "requirements.txt")
        self.env.note_dependency(str(file))
        names = re.findall(r"^[A-Za-z][\w.-]*", file.read_text(encoding="utf-8"), re.MULTILINE)
        rows = [[text("Python"), text(platform.python_version())]]
        rows += [[text(name), text(version(name))] for name in sorted(names, key=str.lower)]
        return [table(["Package", "Version"], rows)]


def text(content: str) -> nodes.paragraph:
    return nodes.paragraph(text=content)


def table(head: list[str], rows: list[list[nodes.Node]]) -> nodes.table:
    """A plain table from its header and its rows of paragraphs."""
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    for section, lines in ((nodes.thead(), [[text(name) for name in head]]), (nodes.tbody(), rows)):
        for line in lines:
            section += nodes.row("", *(nodes.entry("", cell) for cell in line))
        group += section
    return nodes.table("", group, classes=["colwidths-auto"])


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Replace the placeholder by the table, in the order of the contents."""
    for placeholder in list(doctree.findall(RunTimes)):
        rows, minutes, total = [], 0, 0.0
        for name in app.env.toctree_includes_order:
            record = NbMetadataCollector.get_exec_data(app.env, name)
            if not record or not record["runtime"]:
                continue
            total += record["runtime"]
            link = nodes.reference(
                "",
                app.env.titles[name].astext(),
                internal=True,
                refuri=app.builder.get_relative_uri(docname, name),
            )
            reading = reading_minutes(app.env.get_doctree(name))
            minutes += reading
            times = text(f"{reading} min"), text(seconds(record["runtime"]))
            rows.append([nodes.paragraph("", "", link), *times])
        every = text(f"All {len(rows)} pages, one after the other")
        rows.append([every, text(f"{minutes} min"), text(seconds(total))])
        placeholder.replace_self(table(["Page", "To read", "To run"], rows))


def pages_in_order(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Remember the order of the contents; have the pages with a table written again."""
    order, todo = [], [app.config.root_doc]
    while todo:
        name = todo.pop(0)
        order.append(name)
        todo = env.toctree_includes.get(name, []) + todo
    env.toctree_includes_order = order
    return [name for name, data in env.metadata.items() if data.get("run-times")]


def setup(app: Sphinx) -> dict:
    app.add_node(RunTimes)
    app.add_directive("run-times", RunTimesDirective)
    app.add_directive("versions", VersionsDirective)
    app.connect("env-updated", pages_in_order)
    app.connect("doctree-resolved", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
