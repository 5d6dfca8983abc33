"""Every lesson keeps the rules, and every rule can fail."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import lesson_rules as rules
import nbformat
import pytest
from jupyter_cache import get_cache
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tools.build import CACHE
from tools.notebooks import ROOT, notebooks

LESSONS = {path.relative_to(ROOT).as_posix(): path for path in notebooks("lessons")}


def read(path):
    return rules.Lesson(path, nbformat.read(path, as_version=4), executed=None)


def outputs_of(notebook):
    """The notebook as the build executed it; None if it has not, or only an older version."""
    if not (CACHE / "global.db").exists():
        return None
    try:
        return get_cache(CACHE).merge_match_into_notebook(notebook)[1]
    except KeyError:
        return None


@pytest.mark.parametrize("name", LESSONS)
@pytest.mark.parametrize("rule", rules.STATIC, ids=lambda rule: rule.__name__)
def test_lesson(rule, name):
    assert rule(read(LESSONS[name])) == [], rule.__doc__


@pytest.mark.parametrize("name", LESSONS)
@pytest.mark.parametrize("rule", rules.EXECUTED, ids=lambda rule: rule.__name__)
def test_executed_lesson(rule, name):
    lesson = read(LESSONS[name])
    lesson.executed = outputs_of(lesson.notebook)
    if lesson.executed is None:
        if os.environ.get("CI") == "true":
            pytest.fail("the build has not executed this lesson: `make book` comes first")
        pytest.skip("not executed yet: run `make book`")
    assert rule(lesson) == [], rule.__doc__


# The rooms of a chapter: one name in lessons, solutions, labs, checks and wrong answers.


def unpaired_rooms(root: Path) -> list[str]:
    """What is missing so that every chapter has all its rooms."""

    def names(folder):
        paths = (root / folder).glob("*/*.ipynb")
        return {path.relative_to(root / folder).as_posix() for path in paths}

    faults = [f"only in one of labs, solutions: {n}" for n in names("labs") ^ names("solutions")]
    chapters, with_labs = ({n.split("/")[0] for n in names(f)} for f in ("lessons", "solutions"))
    faults += [f"no lessons for {chapter}" for chapter in with_labs - chapters]
    faults += [f"no lab for {chapter}" for chapter in chapters - with_labs]
    for folder in ("src/torchcourse/checks", "tests/wrong_answers"):
        faults += [
            f"no {folder}/{chapter}"
            for chapter in with_labs
            if not any((root / folder / name).exists() for name in (chapter, f"{chapter}.py"))
        ]
    return sorted(faults)


def test_chapters_have_all_their_rooms():
    assert unpaired_rooms(ROOT) == []


def test_the_syllabus_leads_to_every_chapter_that_is_there():
    syllabus = (ROOT / "book/syllabus.md").read_text(encoding="utf-8")
    chapters = sorted({path.parent.name for path in (ROOT / "lessons").glob("*/*.ipynb")})
    assert [name for name in chapters if f"({name}.md)" not in syllabus] == []


def test_a_missing_room_is_noticed(tmp_path):
    rooms = [f"{folder}/ch09/01.ipynb" for folder in ("lessons", "solutions", "labs")]
    rooms += ["src/torchcourse/checks/ch09.py", "tests/wrong_answers/ch09.py"]
    for room in rooms:
        (tmp_path / room).parent.mkdir(parents=True)
        (tmp_path / room).touch()
    assert unpaired_rooms(tmp_path) == []
    for room in rooms:
        (tmp_path / room).unlink()
        assert unpaired_rooms(tmp_path), f"{room} was not missed"
        (tmp_path / room).touch()


# Planted faults. The specimen is a real lesson; each plant breaks one rule in one place.

SPECIMEN = ROOT / "lessons/ch01_tensors/01_create.ipynb"
ALT = "A red line that falls from left to right."
PNG = {"image/png": "iVBORw0KGgo="}
EXPLORER = {"text/html": '<figure class="explorer"></figure>'}


def specimen():
    """A copy of the lesson, with pictures as if the build had run it."""
    lesson = read(SPECIMEN)
    lesson.executed = copy.deepcopy(lesson.notebook)
    for number in rules._drawing_cells(read(SPECIMEN)):
        lesson.executed.cells[number].outputs = [new_output("display_data", PNG)]
    return lesson


def swap(old, new, count=1):
    """Replace text somewhere in the lesson."""

    def plant(lesson):
        cells = [cell for cell in lesson.notebook.cells if old in cell.source]
        assert cells, f"the specimen has no {old!r}"
        for cell in cells:
            cell.source = cell.source.replace(old, new, count)

    return plant


def add(source, kind=new_code_cell, at=-1, **extra):
    """Insert a cell, as the build would have run it."""

    def plant(lesson):
        lesson.notebook.cells.insert(at, kind(source))
        lesson.executed.cells.insert(at, kind(source, **extra))

    return plant


def described(alt, takeaway="**Takeaway.** It falls."):
    """A picture with this alt text and this text after it."""

    def plant(lesson):
        metadata = {"mystnb": {"image": {"alt": alt}}}
        for notebook in (lesson.notebook, lesson.executed):
            picture = new_code_cell("plt.plot([1, 0])", metadata=metadata)
            notebook.cells[-1:-1] = [picture, new_markdown_cell(takeaway)]
        lesson.executed.cells[-3].outputs = [new_output("display_data", PNG)]

    return plant


def not_executed(plant):
    """The same fault, to be found before the build has run the lesson."""

    def planted(lesson):
        plant(lesson)
        lesson.executed = None

    return planted


def output(*args, **values):
    return add("1", outputs=[new_output(*args, **values)])


def elsewhere(lesson):
    lesson.path = lesson.path.with_name("99_elsewhere.ipynb")


def executed_before(lesson):
    lesson.notebook.cells[4].execution_count = 1


def may_fail(lesson):
    lesson.notebook.cells[4].metadata.tags = ["raises-exception"]


def cut(lesson):
    del lesson.notebook.cells[20:]


def many_cells(lesson):
    lesson.notebook.cells += [new_markdown_cell("x")] * 10


FAULTS = [
    (rules.opens_with_promise, swap("**Objectives.**", "Objectives")),
    (rules.opens_with_promise, swap("**You need:**", "Needs:")),
    (rules.opens_with_promise, swap("\n- predict which dtype", ";\n  which dtype", 1)),
    (rules.opens_with_promise, swap("your first ones.", "your first ones. And more. And")),
    (rules.opens_with_promise, add("# Another title", new_markdown_cell)),
    (rules.asks_to_predict, swap("**Predict.**", "Predict:", 9)),
    (rules.asks_to_predict, add("**Predict.** What now?", new_markdown_cell)),
    (rules.has_sections_in_order, swap("## Break it", "## Break")),
    (rules.has_sections_in_order, swap("## 3. ", "## 4. ")),
    (rules.has_sections_in_order, add("## 7. Late", new_markdown_cell)),
    (rules.has_five_questions, swap("<details>", "<div>")),
    (rules.has_five_questions, swap("<summary>Answer", "<summary>Look")),
    (rules.has_five_questions, swap("</summary>\n\n", "</summary>\n")),
    (rules.leads_to_a_lab, swap("01_tensors.ipynb", "99_nothing.ipynb")),
    (rules.leads_to_a_lab, swap("labs/", "solutions/")),
    (rules.reads_on, swap("## Further reading", "## Further reading\n\n- [x](https://x.org)")),
    (rules.reads_on, swap("## Further reading\n", "## Further reading\n" + "\n- x" * 5)),
    (rules.has_its_length, add("word " * 2000, new_markdown_cell)),
    (rules.has_its_length, add("\n" * 15 + "1")),
    (rules.has_its_length, cut),
    (rules.has_its_length, many_cells),
    (rules.stores_no_output, executed_before),
    (rules.stores_no_output, may_fail),
    (rules.describes_its_figures, described("")),
    (rules.describes_its_figures, not_executed(described(""))),
    (rules.describes_its_figures, described("figure")),
    (rules.describes_its_figures, described("a line without a full stop or capital")),
    (rules.describes_its_figures, described(ALT, takeaway="It falls.")),
    (rules.describes_its_figures, output("display_data", EXPLORER)),
    (rules.describes_its_figures, not_executed(add("plot.explore(draw, lr=[1])"))),
    (rules.is_seeded, swap("seed_everything(0)", "pass")),
    (rules.writes_shapes, add("x.permute(1, 0)  # turned")),
    (rules.writes_shapes, add("x.view(6)  # turned (by hand: see above)")),
    (rules.is_up_to_date, add("from math import *")),
    *[
        (rules.is_up_to_date, add(source))
        for source in ("v.data.fill_(0)", "v.data -= 1", "v.data[0] = 1", "max(outputs.data)")
    ],
    (rules.is_up_to_date, add("models.vgg16(pretrained=True)")),
    (rules.is_up_to_date, add("torch.autograd.Variable(x)")),
    (rules.is_up_to_date, add("np.float(3)")),
    (rules.is_up_to_date, add("torch.load('model.pt')")),
    (rules.is_up_to_date, add("torch.load('m.pt', weights_only=False)\nf(weights_only=True)")),
    (rules.links_exist, add("[gone](02_gone.ipynb)", new_markdown_cell)),
    (rules.links_exist, add("[gone](/lessons/ch01_tensors/01_create.ipynb)", new_markdown_cell)),
    (rules.is_in_the_contents, elsewhere),
    (rules.runs_clean, output(output_type="stream", name="stderr", text="UserWarning: old")),
    (rules.runs_clean, output(output_type="error", ename="E", evalue="no", traceback=[])),
]


@pytest.mark.parametrize("rule, plant", FAULTS)
def test_rule_finds_the_planted_fault(rule, plant):
    lesson = specimen()
    plant(lesson)
    assert rule(lesson), f"{rule.__name__} did not notice"


def test_every_rule_has_a_planted_fault():
    tested = {rule for rule, _ in FAULTS} | {rules.is_normal}
    assert tested == {*rules.STATIC, *rules.EXECUTED}


def test_a_notebook_in_another_form_is_noticed(tmp_path):
    lesson = specimen()
    lesson.path = tmp_path / "lesson.ipynb"
    lesson.notebook.metadata["author"] = "me"
    nbformat.write(lesson.notebook, lesson.path)
    assert rules.is_normal(lesson)


# Right things that look like wrong ones.
INNOCENT = [
    add("x.permute(1, 0)  # (3, 2)"),
    add("x.view(-1)  # (B, C, H, W) -> (B, C*H*W)"),
    add("x.mean(0).reshape(())  # ()"),
    add("from torch.utils.data import DataLoader\nimport torchcourse.data\ntorchcourse.data.x"),
    add("torch.tensor(diabetes.data)\nself.data = 3"),
    add("np.float32(1), model.half(), weights_data"),
    add("torch.load('model.pt', map_location='cpu', weights_only=True)"),
    add("[x](#summary) [y](https://pytorch.org) `z[0](gone.ipynb)`", new_markdown_cell),
    add("def draw(lr):\n    return plt.figure()"),
    described(ALT),
    not_executed(described(ALT)),
    output("stream", name="stdout", text="UserWarning: shown on purpose"),
]


@pytest.mark.parametrize("plant", [lambda lesson: None, *INNOCENT])
def test_rules_raise_no_false_alarm(plant):
    lesson = specimen()
    plant(lesson)
    counted = rules.has_its_length  # the specimen may be at its limit
    for rule in {*rules.STATIC, *rules.EXECUTED} - {counted}:
        assert rule(lesson) == [], rule.__name__
