"""Re-pointing the course at a fork: one command changes every place, and only those."""

from __future__ import annotations

import shutil

import nbformat
import pytest

from tools import notebooks as tool

FORK = "https://github.com/ada/my-course"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of what the command may touch."""
    for name in ("_config.yml", "README.md", "CONTRIBUTING.md", "CITATION.cff"):
        shutil.copy(tool.ROOT / name, tmp_path)
    for name in ("lessons", "solutions"):
        shutil.copytree(tool.ROOT / name, tmp_path / name)
    shutil.copytree(
        tool.ROOT / "book", tmp_path / "book", ignore=shutil.ignore_patterns("vendor", "_static")
    )
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    return tmp_path


def text_of(folder) -> str:
    files = [path for path in folder.rglob("*") if path.suffix in {".md", ".yml", ".cff", ".ipynb"}]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def run(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["notebooks", *arguments])
    return tool.main()


def test_a_fork_is_named_everywhere_and_the_original_nowhere(checkout, monkeypatch):
    old, _ = tool.repository()
    assert old in text_of(checkout)
    run(monkeypatch, "--repository", FORK + ".git")
    assert tool.repository()[0] == FORK
    text = text_of(checkout)
    assert old not in text
    assert "/".join(old.split("/")[-2:]) not in text
    assert FORK in text
    assert run(monkeypatch, "--check") == 0


@pytest.mark.parametrize(
    "url", ["", "my-course", "git@github.com:ada/my-course", "https://x.org/a"]
)
def test_a_url_colab_cannot_open_changes_nothing(checkout, monkeypatch, url):
    before = text_of(checkout)
    message = "nothing was changed" if url else "needs URL="
    with pytest.raises(SystemExit, match=message):
        run(monkeypatch, "--repository", url)
    assert text_of(checkout) == before


def test_every_notebook_has_the_set_up_cell_of_the_configured_repository():
    for folder in ("lessons", "solutions"):
        for path in tool.notebooks(folder):
            cells = nbformat.read(path, as_version=4).cells
            first = next(cell for cell in cells if cell.cell_type == "code")
            assert first.source == tool.setup_source(), path
