"""What builds the pages: formulas, facts, frames of explorers, the cut style sheet."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document
from sphinx.errors import ExtensionError

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "book" / "_ext"))

import explorer  # noqa: E402
import lesson_facts  # noqa: E402
import math_katex  # noqa: E402

from tools import assets  # noqa: E402

needs_katex = pytest.mark.skipif(
    not math_katex.KATEX.exists(), reason="KaTeX is missing; run `python -m tools.assets`"
)


@needs_katex
def test_formulas_become_html_and_mathml() -> None:
    answer = math_katex.render(r"\nabla_w L = \frac{2}{n} X^\top (Xw - y)", display=False)
    assert "<math" in answer and "katex-html" in answer and "\\frac" in answer


@needs_katex
def test_equations_are_not_numbered_twice() -> None:
    answer = math_katex.render(r"\begin{align} a &= b \\ c &= d \end{align}", display=True)
    assert "eqn-num" not in answer


@needs_katex
def test_an_unreadable_formula_is_quoted_and_the_next_one_works() -> None:
    with pytest.raises(ExtensionError, match=r"frax\{1\}"):
        math_katex.render(r"\frax{1}{2}", display=False)
    assert "katex" in math_katex.render("x", display=False)


@pytest.mark.parametrize(
    ("time", "words"),
    [(0.4, "under a second"), (7.6, "8 s"), (59.7, "1 min 0 s"), (80.2, "1 min 20 s")],
)
def test_run_times_in_words(time: float, words: str) -> None:
    assert lesson_facts.seconds(time) == words


def test_reading_time_counts_prose_and_code_but_no_output() -> None:
    document = new_document("lesson")
    document += nodes.paragraph(text="word " * lesson_facts.WORDS_PER_MINUTE)
    code = "line\n\n" * lesson_facts.CODE_LINES_PER_MINUTE
    document += nodes.container("", nodes.literal_block(text=code), classes=["cell_input"])
    document += nodes.container("", nodes.literal_block(text="x\n" * 999), classes=["cell_output"])
    assert lesson_facts.reading_minutes(document) == 2


def test_colab_wants_github() -> None:
    options = {"repository_url": "https://gitlab.com/a/b", "repository_branch": "main"}
    app = SimpleNamespace(config=SimpleNamespace(html_theme_options=options))
    with pytest.raises(ExtensionError, match="GitHub"):
        lesson_facts.colab_url(app, "lessons/ch/a")
    options["repository_url"] = "https://github.com/a/b/"
    assert lesson_facts.colab_url(app, "lessons/ch/a") == (
        "https://colab.research.google.com/github/a/b/blob/main/lessons/ch/a.ipynb"
    )


def test_frames_of_an_explorer_become_files(tmp_path: Path) -> None:
    first, second = (base64.b64encode(data).decode() for data in (b"first", b"second"))
    figure = (
        f'<figure class="explorer"><img src="data:image/webp;base64,{first}">'
        f'<script type="application/json">["data:image/webp;base64,{first}",'
        f'"data:image/webp;base64,{second}"]</script></figure>'
    )
    document = new_document("lesson")
    document += nodes.raw("", figure, format="html")
    builder = SimpleNamespace(format="html", get_target_uri=lambda name: name + ".html")
    explorer.move_frames(SimpleNamespace(builder=builder, outdir=tmp_path), document, "a/b/c")
    html = "".join(raw.astext() for raw in document.findall(nodes.raw))
    assert "base64" not in html and html.count("../../_images/explorer-") == 3
    assert "../../_static/explorer.mjs" in html
    files = {path.read_bytes() for path in (tmp_path / "_images").iterdir()}
    assert files == {b"first", b"second"}


def test_style_sheet_keeps_what_is_written_and_drops_unused_parts() -> None:
    css = (
        ".fa-sun:before{content:'a'}.fa-bomb:before{content:'b'}.mt-5,.mine{margin:1px}"
        "@media (min-width:1px){.carousel-item{color:red}}@media print{.mine{color:red}}"
    )
    cut = assets.without_unused(css, {"fa-sun"})
    assert "fa-sun" in cut and cut.count(".mine") == 2
    assert not any(name in cut for name in ("fa-bomb", "mt-5", "carousel", "min-width"))
