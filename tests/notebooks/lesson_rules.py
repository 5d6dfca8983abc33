"""The rules of a lesson. Each takes a lesson and returns what is wrong, in words; [] is clean."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nbformat import NotebookNode

from tools.build import _files, table_of_contents
from tools.notebooks import ROOT, SETUP_TAG, rewrite

MAX_CELL_LINES = 15
# Lessons that need as many cells as a capstone, though no more words; each with its reason.
MANY_CELLS = {
    "06_autograd": "a 60-line autograd, written in cells of at most 15 lines",
    "07_gradient_descent": "five experiments and an explorer, each with its picture",
    "03_from_tables_to_dqn": "an agent, its probes and two ablations, at most 15 lines a cell",
}
# What PyTorch and NumPy have dropped, or what hides a trap: pattern → what to write instead.
OUTDATED = {
    r"\bpretrained\s*=": "weights=…",
    r"\bautograd\.Variable\b|\bimport Variable\b": "a tensor with requires_grad=True",
    r"\bnp\.(float|int|bool|object|str|complex)\b": "the Python type, or np.float64 and so on",
    r"\bcuda\.amp\b": "torch.amp",
    r"\b(F|functional)\.(sigmoid|tanh)\b": "torch.sigmoid or torch.tanh",
    r"\btorch\.(symeig|lstsq|solve|qr|svd|eig|ger|matrix_rank|chain_matmul)\b": "torch.linalg.…",
    r"\bsize_average\b": "reduction=…",
}
RESHAPES = {
    *("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose")
}
DRAWING = {"show_images", "subplots", "figure", "imshow", "hist", "plot", "scatter", "bar"}
# Names that lessons give to tensors, never to a data set with an attribute `data`.
TENSORS = {"loss", "output", "outputs", "logits", "param", "p", "w", "b", "weight", "bias", "grad"}
SENTENCE = re.compile(r"[A-Z0-9].*[.!?]", re.DOTALL)


@dataclass
class Lesson:
    """A lesson's file, and what came out when the build ran it (None: it has not)."""

    path: Path
    notebook: NotebookNode
    executed: NotebookNode | None

    def cells(self, kind: str) -> Iterator[tuple[int, NotebookNode]]:
        for number, cell in enumerate(self.notebook.cells):
            if cell.cell_type == kind:
                yield number, cell

    @cached_property
    def text(self) -> str:
        """All prose."""
        return "\n\n".join(cell.source for _, cell in self.cells("markdown"))

    @property
    def code(self) -> Iterator[tuple[int, NotebookNode, ast.Module]]:
        for number, cell in self.cells("code"):
            yield number, cell, ast.parse(cell.source)

    def section(self, title: str) -> str:
        """The text below a heading of the second level."""
        parts = re.split(r"^## +(.+)$", self.text, flags=re.MULTILINE)
        return dict(zip(parts[1::2], parts[2::2], strict=True)).get(title, "")

    @property
    def is_capstone(self) -> bool:
        return self.path.parent.name.startswith("cap")


Rule = Callable[[Lesson], list[str]]


def opens_with_promise(lesson: Lesson) -> list[str]:
    """Title, one sentence, 3 or 4 objectives, what is needed."""
    first = lesson.notebook.cells[0]
    pattern = (
        r"# (?P<title>\S.*)\n\n(?P<promise>.+)\n\n"
        r"\*\*Objectives\.\*\* .+:\n\n(?P<bullets>(?:- .+\n)+)\n\*\*You need:\*\* \S.*"
    )
    match = first.cell_type == "markdown" and re.match(pattern, first.source)
    if not match:
        return ["cell 0 is not: # Title, promise, **Objectives.** …: a list, **You need:** …"]
    faults = []
    if not re.fullmatch(r"[^.!?]*[.!?]", re.sub(r"`[^`]*`|\d\.\d|…", "", match["promise"])):
        faults.append(f"the promise is not one sentence: {match['promise']!r}")
    if match["bullets"].count("\n") not in (3, 4):
        faults.append("there are not 3 or 4 objectives")
    if len(re.findall(r"^# ", lesson.text, flags=re.MULTILINE)) > 1:
        faults.append("there is more than one title")
    return faults


def asks_to_predict(lesson: Lesson) -> list[str]:
    """At least one prediction, and each is made before the cell that answers it."""
    asks = [number for number, cell in lesson.cells("markdown") if "**Predict.**" in cell.source]
    kinds = [cell.cell_type for cell in lesson.notebook.cells] + ["end"]
    faults = [] if asks else ["nowhere a **Predict.**"]
    return faults + [
        f"cell {number}: no code follows **Predict.**"
        for number in asks
        if kinds[number + 1] != "code"
    ]


def has_sections_in_order(lesson: Lesson) -> list[str]:
    """Numbered sections, then the fixed ones."""
    found = re.findall(r"^## +(.+)$", lesson.text, flags=re.MULTILINE)
    numbered = [title for title in found if re.match(r"\d+\. ", title)]
    wanted = ["Break it", "Common mistakes", "Check yourself", "Summary", "Practise"]
    wanted += ["Further reading"]
    faults = []
    if not numbered or [int(title.split(".")[0]) for title in numbered] != [
        *range(1, len(numbered) + 1)
    ]:
        faults.append(f"sections are not numbered 1, 2, 3 …: {numbered}")
    if found != numbered + wanted:
        faults.append(f"after the numbered sections come {wanted}, found {found}")
    return faults


def has_five_questions(lesson: Lesson) -> list[str]:
    """Five questions, each with a folded answer."""
    text = lesson.section("Check yourself")
    folded = re.findall(
        r"<details>\s*<summary>Answer</summary>\s*\n\s*\n(.*?\S.*?)\n\s*\n\s*</details>",
        text,
        flags=re.DOTALL,
    )
    if len(folded) == 5 == text.count("<details>"):
        return []
    return [f"{len(folded)} well-formed answers of {text.count('<details>')}, not 5"]


def leads_to_a_lab(lesson: Lesson) -> list[str]:
    """'Practise' links to a lab that exists."""
    targets = re.findall(r"\]\(([^)]*labs/[^)]+\.ipynb)\)", lesson.section("Practise"))
    if any((lesson.path.parent / target).exists() for target in targets):
        return []
    return [f"'Practise' links to no lab that exists: {targets}"]


def reads_on(lesson: Lesson) -> list[str]:
    """One to four further readings, each with a reason."""
    items = re.findall(r"^- (.+)$", lesson.section("Further reading"), flags=re.MULTILINE)
    faults = [] if 1 <= len(items) <= 4 else [f"{len(items)} further readings, not 1 to 4"]
    reason = re.compile(r".*\]\(\S+\).*[:,–(].*\w+ \w+ \w+")
    return faults + [f"no link with a reason: {item}" for item in items if not reason.match(item)]


def has_its_length(lesson: Lesson) -> list[str]:
    """Words, cells, and lines in a cell."""
    words, cells = len(lesson.text.split()), len(lesson.notebook.cells)
    most_words = 3500 if lesson.is_capstone else 2000
    most_cells = 60 if lesson.is_capstone or lesson.path.stem in MANY_CELLS else 40
    faults = []
    if not 1200 <= words <= most_words:
        faults.append(f"{words} words, not 1200 to {most_words}")
    if not 25 <= cells <= most_cells:
        faults.append(f"{cells} cells, not 25 to {most_cells}")
    return faults + [
        f"cell {number}: {len(cell.source.splitlines())} lines, not ≤ {MAX_CELL_LINES}"
        for number, cell in lesson.cells("code")
        if len(cell.source.splitlines()) > MAX_CELL_LINES
    ]


def stores_no_output(lesson: Lesson) -> list[str]:
    """The build makes the outputs; none lies in the file, and no cell is allowed to fail."""
    return [
        f"cell {number}: stored output, or allowed to fail"
        for number, cell in lesson.cells("code")
        if cell.outputs
        or cell.execution_count is not None
        or {"raises-exception", "skip-execution"} & set(cell.metadata.get("tags", []))
    ]


def describes_its_figures(lesson: Lesson) -> list[str]:
    """Every figure has a sentence for those who cannot see it, and a takeaway after it."""
    drawing = _drawing_cells(lesson)
    faults, cells = [], [*lesson.notebook.cells, None]
    for number, is_picture in drawing.items():
        alt = cells[number].metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if is_picture and not (SENTENCE.fullmatch(alt) and len(alt.split()) >= 5):
            faults.append(f"cell {number}: alt text is no sentence: {alt!r}")
        after = cells[number + 1]
        if after is None or not after.source.startswith("**Takeaway.**"):
            faults.append(f"cell {number}: no **Takeaway.** directly after the figure")
    return faults


def _drawing_cells(lesson: Lesson) -> dict[int, bool]:
    """Number of each cell that shows a figure → is it a plain picture (else an explorer).

    What the build executed decides; before that, the calls that stand outside functions.
    """
    found = {}
    if lesson.executed is not None:
        for number, cell in enumerate(lesson.executed.cells):
            data = [output.get("data", {}) for output in cell.get("outputs", [])]
            if any(kind.startswith("image/") for item in data for kind in item):
                found[number] = True
            elif any('class="explorer"' in item.get("text/html", "") for item in data):
                found[number] = False
        return found
    for number, _, tree in lesson.code:
        names = {
            name
            for statement in tree.body
            if not isinstance(statement, (ast.FunctionDef, ast.ClassDef))
            for node in ast.walk(statement)
            for name in [_called(node)]
        }
        if names & DRAWING:
            found[number] = True
        elif "explore" in names:
            found[number] = False
    return found


def _called(node: ast.AST) -> str | None:
    """The last part of a called name: `imshow` in `axis.imshow(x)`."""
    if not isinstance(node, ast.Call):
        return None
    return getattr(node.func, "attr", None) or getattr(node.func, "id", None)


def is_seeded(lesson: Lesson) -> list[str]:
    """A seed is set before anything is random."""
    for _, cell, tree in lesson.code:
        if SETUP_TAG in cell.metadata.get("tags", []):
            continue
        if any(_called(node) == "seed_everything" for node in ast.walk(tree)):
            return []
        break
    return ["the first cell after the set-up does not call seed_everything"]


def writes_shapes(lesson: Lesson) -> list[str]:
    """Where a shape changes, a comment of the cell says into what: `# (B, C, H, W)`."""
    shape = re.compile(r"\((\s*|[\w *·+\-//]+(,[\w *·+\-//]*)*)\)")
    faults = []
    for number, cell, tree in lesson.code:
        calls = {_called(node) for node in ast.walk(tree)} & RESHAPES
        if calls and not any(shape.search(comment) for comment in _comments(cell.source)):
            faults.append(f"cell {number}: {', '.join(sorted(calls))} without a `# (shape)`")
    return faults


def _comments(source: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]


def is_up_to_date(lesson: Lesson) -> list[str]:
    """No dropped names, no `.data` of a tensor, no star import."""
    faults = []
    for number, _, tree in lesson.code:
        code = ast.unparse(tree)  # without comments
        for pattern, instead in OUTDATED.items():
            for match in re.finditer(pattern, code):
                faults.append(f"cell {number}: {match.group()} is outdated, write {instead}")
        for node in ast.walk(tree):
            if _is_tensor_data(node):
                faults.append(f"cell {number}: .data, write .detach() or torch.no_grad()")
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                given = {key.arg: ast.unparse(key.value) for key in node.keywords}
                if given.get("weights_only") != "True":
                    faults.append(f"cell {number}: torch.load without weights_only=True")
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                faults.append(f"cell {number}: star import from {node.module}")
    return faults


def _is_tensor_data(node: ast.AST) -> bool:
    """`w.data -= …`, `w.data.fill_(0)`, `w.data[0] = 1`, `loss.data`; not `dataset.data`."""
    inplace = isinstance(node, ast.Attribute) and node.attr.endswith("_")
    written = isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)
    if inplace or written:
        return isinstance(node.value, ast.Attribute) and node.value.attr == "data"
    if not isinstance(node, ast.Attribute) or node.attr != "data":
        return False
    owner = getattr(node.value, "attr", getattr(node.value, "id", ""))
    return owner in TENSORS or (isinstance(node.ctx, ast.Store) and owner != "self")


def links_exist(lesson: Lesson) -> list[str]:
    """Internal links are relative to the notebook and lead somewhere."""
    prose = re.sub(r"```.*?```|`[^`\n]*`|\$[^$\n]*\$", "", lesson.text, flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", prose)
    inside = [t for t in targets if not re.match(r"https?://|mailto:|#", t)]
    return [
        f"broken link: {target}"
        for target in inside
        if target.startswith("/") or not (lesson.path.parent / target.split("#")[0]).is_file()
    ]


def is_in_the_contents(lesson: Lesson) -> list[str]:
    """The page is in `_toc.yml`."""
    name = lesson.path.relative_to(ROOT).with_suffix("").as_posix()
    return [] if name in _files(table_of_contents(None)) else [f"{name} is not in _toc.yml"]


def is_normal(lesson: Lesson) -> list[str]:
    """What `python -m tools.notebooks` would write is what is there."""
    if rewrite(lesson.path, keep_outputs=False, check=True):
        return ["not in its committed form: run `make notebooks`"]
    return []


def runs_clean(lesson: Lesson) -> list[str]:
    """Nothing on stderr (that is where warnings go), no error, every cell executed."""
    faults = []
    for number, cell in enumerate(lesson.executed.cells if lesson.executed else []):
        for output in cell.get("outputs", []):
            if output.output_type == "error" or output.get("name") == "stderr":
                message = output.get("text") or output.get("evalue")
                faults.append(f"cell {number}: {output.output_type}: {message[:200]}")
    return faults


STATIC: tuple[Rule, ...] = (
    opens_with_promise,
    asks_to_predict,
    has_sections_in_order,
    has_five_questions,
    leads_to_a_lab,
    reads_on,
    has_its_length,
    stores_no_output,
    describes_its_figures,
    is_seeded,
    writes_shapes,
    is_up_to_date,
    links_exist,
    is_in_the_contents,
    is_normal,
)
EXECUTED: tuple[Rule, ...] = (describes_its_figures, runs_clean)
