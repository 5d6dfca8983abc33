"""The facts under a title are true: measured, linked, and giving no solution away."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup, Tag
from conftest import ROOT


@pytest.fixture(scope="module")
def facts(site: Path, pages: list[str]) -> dict[str, Tag]:
    """The line of facts of every lesson, lab and solution."""
    found = {}
    for page in pages:
        if page.split("/")[0] in ("lessons", "labs", "solutions"):
            soup = BeautifulSoup((site / page).read_text(encoding="utf-8"), "html.parser")
            line = soup.select_one("h1 + ul.lesson-facts")
            assert line, f"{page} has no facts under its title"
            found[page] = line
    assert found
    return found


def links(line: Tag) -> dict[str, str]:
    return {link.get_text(strip=True): link["href"] for link in line.find_all("a")}


def test_lessons_tell_reading_and_run_time(facts: dict[str, Tag]) -> None:
    for page, line in facts.items():
        words = line.get_text(" ", strip=True)
        if page.startswith("lessons/"):
            minutes = re.search(r"(\d+) min to read", words)
            assert minutes and 2 <= int(minutes[1]) <= 60, (page, words)
            assert re.search(r"(\d+ s|under a second) to run", words), (page, words)
        else:
            assert "to run" not in words


def test_run_times_on_the_status_page_are_those_of_the_lessons(
    site: Path, facts: dict[str, Tag]
) -> None:
    soup = BeautifulSoup((site / "book/status.html").read_text(encoding="utf-8"), "html.parser")
    rows = soup.find("table").select("tbody tr")
    listed = {
        row.find("a")["href"].removeprefix("../"): row.find_all("td")[-1].get_text(strip=True)
        for row in rows
        if row.find("a")
    }
    lessons = {page: line for page, line in facts.items() if page.startswith("lessons/")}
    assert set(listed) == set(lessons)
    for page, line in lessons.items():
        assert f"{listed[page]} to run" in line.get_text(" ", strip=True)


def test_colab_opens_this_notebook_from_the_configured_repository(facts: dict[str, Tag]) -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]
    slug = config["url"].removeprefix("https://github.com/").rstrip("/")
    base = f"https://colab.research.google.com/github/{slug}/blob/{config['branch']}/"
    for page, line in facts.items():
        path = page.removesuffix(".html") + ".ipynb"
        assert links(line)["Open in Colab"] == base + path


def test_download_is_the_notebook_itself(site: Path, facts: dict[str, Tag]) -> None:
    for page, line in facts.items():
        path = (site / page).parent / links(line)["Download notebook"]
        notebook = nbformat.read(path, as_version=4)
        assert any(cell.cell_type == "code" for cell in notebook.cells)


def test_lessons_link_their_labs_and_labs_their_solution(facts: dict[str, Tag]) -> None:
    for page, line in facts.items():
        kind, chapter, name = page.split("/")
        targets = [link["href"] for link in line.find_all("a")]
        labs = [other for other in facts if other.startswith(f"labs/{chapter}/")]
        if kind == "lessons":  # its own lab, and no lab of another chapter
            linked = [target for target in targets if "/labs/" in target]
            assert linked, f"{page} links no lab"
            assert set(linked) <= {f"../../{lab}" for lab in labs}
        elif kind == "labs" and f"solutions/{chapter}/{name}" in facts:
            assert f"../../solutions/{chapter}/{name}" in targets


def test_a_lab_page_shows_nothing_of_its_solution(site: Path, pages: list[str]) -> None:
    secrets = 0
    for page in (page for page in pages if page.startswith("solutions/")):
        lab = site / page.replace("solutions/", "labs/", 1)
        source = site / "_sources" / page.replace(".html", ".ipynb")
        shown = BeautifulSoup(lab.read_text(encoding="utf-8"), "html.parser").get_text()
        handed_out = (
            (site / "_sources" / lab.relative_to(site))
            .with_suffix(".ipynb")
            .read_text(encoding="utf-8")
        )
        for cell in nbformat.read(source, as_version=4).cells:
            for block in re.findall(
                r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", cell.source, re.S
            ):
                secrets += 1
                assert block.strip() not in shown, (page, block)
                assert repr(block.strip())[1:-1] not in handed_out, (page, block)
    assert secrets, "no solution cell was found to look for"


def test_next_of_a_lab_is_not_its_solution(site: Path, pages: list[str]) -> None:
    for page in (page for page in pages if page.startswith("labs/")):
        soup = BeautifulSoup((site / page).read_text(encoding="utf-8"), "html.parser")
        for link in soup.select(".prev-next-footer a, .prev-next-area a"):
            assert "solutions/" not in link["href"], page
