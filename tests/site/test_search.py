"""Search finds words of lessons and of code."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from bs4 import BeautifulSoup


def words_of(path: Path) -> tuple[str, str]:
    """A word of the lesson's prose and a function its code calls, both of this page."""
    soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").find("article")
    code = " ".join(block.get_text() for block in soup.select(".cell_input pre"))
    called = re.search(r"torch\.([a-z]{5,})\(", code)
    title = re.findall(r"[A-Za-z]{6,}", soup.find("h1").get_text())
    assert called and title, f"{path} has no words to look for"
    return title[0], called[1]


@pytest.mark.parametrize("kind", ["prose", "code"])
def test_search_finds_the_lesson(visit: Callable, site: Path, kinds: dict, kind: str) -> None:
    prose, code = words_of(site / kinds["lesson"])
    word = prose if kind == "prose" else code
    page = visit(f"search.html?q={word}").page
    page.wait_for_selector("#search-results ul.search li a")
    found = page.eval_on_selector_all("#search-results ul.search a", "all => all.map(a => a.href)")
    assert any(kinds["lesson"] in address for address in found), (word, found)


@pytest.mark.parametrize("word", ["剧", "拖沓", "一点也不拖沓"])
def test_search_finds_chinese_inside_a_sentence(visit: Callable, word: str) -> None:
    page = visit(f"search.html?q={word}").page
    page.wait_for_selector("#search-results ul.search li a")
    found = page.eval_on_selector_all("#search-results ul.search a", "all => all.map(a => a.href)")
    assert any("cap3_sentiment" in address for address in found), (word, found)


def test_search_says_so_when_nothing_is_found(visit: Callable) -> None:
    page = visit("search.html?q=xyzzyplugh").page
    page.wait_for_function("/did not match/.test(document.body.innerText)")


def test_search_by_keyboard_from_a_lesson(visit: Callable, kinds: dict) -> None:
    page = visit(kinds["lesson"]).page
    page.keyboard.press("Control+k")
    page.keyboard.type("tensor")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert "search.html?q=tensor" in page.url
    page.wait_for_selector("#search-results ul.search li a")
