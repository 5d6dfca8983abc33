"""Links lead somewhere, and figures say what they show."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup


@pytest.fixture(scope="module")
def soups(site: Path, pages: list[str]) -> dict[str, BeautifulSoup]:
    """Every page, parsed once."""
    names = [*pages, "genindex.html", "search.html"]
    return {
        name: BeautifulSoup((site / name).read_text(encoding="utf-8"), "html.parser")
        for name in names
    }


def test_internal_links_and_anchors(site: Path, soups: dict[str, BeautifulSoup]) -> None:
    @cache
    def anchors(path: Path) -> set[str]:
        soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        return {tag["id"] for tag in soup.find_all(id=True)}

    broken = []
    for name, soup in soups.items():
        for link in soup.find_all("a", href=True):
            address = urlsplit(link["href"])
            if address.scheme or address.netloc:
                continue
            target = (site / name).parent / unquote(address.path) if address.path else site / name
            if not target.is_file():
                broken.append((name, link["href"], "no such page"))
                continue
            places = anchors(target.resolve()) if target.suffix == ".html" else set()
            if address.fragment and unquote(address.fragment) not in places:
                broken.append((name, link["href"], "no such place on the page"))
    assert not broken


def test_files_that_pages_load_exist(site: Path, soups: dict[str, BeautifulSoup]) -> None:
    missing = []
    for name, soup in soups.items():
        for tag in soup.find_all(["img", "script", "link"]):
            address = tag.get("src") or (tag.get("href") if tag.name == "link" else None)
            if not address or address.startswith(("data:", "http")):
                continue
            path = unquote(urlsplit(address).path)
            if path and not ((site / name).parent / path).is_file():
                missing.append((name, address))
    assert not missing


def test_every_figure_has_words(soups: dict[str, BeautifulSoup]) -> None:
    silent = []
    for name, soup in soups.items():
        for image in soup.find_all("img"):
            alt = image.get("alt", "").strip()
            is_path = re.search(r"\.(png|svg|webp|jpe?g|gif)$|^[\w.-]*/[\w./-]+$", alt)
            if not alt or is_path or (image.find_parent("article") and len(alt.split()) < 3):
                silent.append((name, image.get("src", "")[-60:], alt))
    assert not silent


def test_links_say_where_they_lead(soups: dict[str, BeautifulSoup]) -> None:
    vague = [
        (name, link.get("href"))
        for name, soup in soups.items()
        for link in (soup.find("article") or soup).find_all("a", href=True)
        if link.get_text(" ", strip=True).lower() in ("here", "click here", "this", "link", "")
        and not link.get("title")
        and not link.find("img")
    ]
    assert not vague
