"""The build runs what changed, keeps what did not, and fails when a cell fails."""

from __future__ import annotations

import nbformat
import pytest
import yaml

from tools import build
from tools.notebooks import KERNEL


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A small checkout with one chapter of two lessons, and a file each run leaves a mark in."""
    for name, value in {"ROOT": tmp_path, "BUILD": tmp_path / "_build"}.items():
        monkeypatch.setattr(build, name, value)
    monkeypatch.setattr(build, "CACHE", tmp_path / "_build" / ".jupyter_cache")
    marks = tmp_path / "marks"
    monkeypatch.setenv("MARKS", str(marks))
    for name in ("TORCHCOURSE_STATIC", "TORCHCOURSE_DATA", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "")  # so that what the build sets does not outlive the test
    (tmp_path / "src" / "torchcourse").mkdir(parents=True)
    (tmp_path / "lessons" / "ch01").mkdir(parents=True)
    return tmp_path


def lesson(house, name: str, code: str = "") -> None:
    mark = f"import os\nprint('{name}', file=open(os.environ['MARKS'], 'a'))\n"
    cells = [nbformat.v4.new_code_cell(mark + code)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    nbformat.write(notebook, house / "lessons" / "ch01" / f"{name}.ipynb")


def executed(house) -> list[str]:
    """Which lessons ran in this build."""
    marks = house / "marks"
    marks.unlink(missing_ok=True)
    build.forget_if_changed(build.CACHE, build.fingerprint("src/torchcourse/**/*"))
    build.execute(sorted((house / "lessons").rglob("*.ipynb")))
    return sorted(marks.read_text().split()) if marks.exists() else []


def test_only_what_changed_runs_again(house):
    lesson(house, "a")
    lesson(house, "b")
    assert executed(house) == ["a", "b"]
    assert executed(house) == []
    lesson(house, "b", "x = 1")
    assert executed(house) == ["b"]


def test_a_change_in_the_package_runs_everything_again(house):
    lesson(house, "a")
    assert executed(house) == ["a"]
    (house / "src" / "torchcourse" / "helper.py").write_text("answer = 42")
    assert executed(house) == ["a"]


def test_a_failing_cell_fails_the_build_and_names_the_lesson(house, capsys):
    lesson(house, "a")
    lesson(house, "b", "raise ValueError('shapes do not match')")
    with pytest.raises(SystemExit, match="the site was not built"):
        executed(house)
    assert "shapes do not match" in capsys.readouterr().err
    lesson(house, "b")
    assert executed(house) == ["b"], "the lesson that passed was kept"


def test_a_cell_that_prints_without_end_fails_the_build(house, capsys):
    lesson(house, "loud", "print('many words ' * 10_000)")
    with pytest.raises(SystemExit):
        executed(house)
    assert "Cell 0 prints 110,001 characters, more than 20,000" in capsys.readouterr().err


def test_each_lesson_runs_in_an_empty_folder(house):
    lesson(house, "a", "assert os.listdir() == []\nopen('left-over', 'w').close()")
    assert executed(house) == ["a"]
    assert not list(house.rglob("left-over"))


def test_one_chapter_can_be_built_alone(house):
    chapters = [
        {"caption": name, "chapters": [{"file": f"book/{name}", "sections": [{"file": file}]}]}
        for name, file in (("one", "lessons/ch01/a"), ("two", "lessons/ch02/b"))
    ]
    toc = {"format": "jb-book", "root": "book/index", "parts": chapters}
    (house / "_toc.yml").write_text(yaml.safe_dump(toc))
    part = build.table_of_contents("ch02")["parts"]
    assert [entry["caption"] for entry in part] == ["two"]
    assert build.table_of_contents(None) == toc
    with pytest.raises(SystemExit, match=r"no such chapter; there are: ch01, ch02"):
        build.table_of_contents("ch99")
