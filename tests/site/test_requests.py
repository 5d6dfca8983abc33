"""No request to a third party, and pages that do not weigh much."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

LIMIT = 400_000  # bytes after gzip, figures not counted
LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "link": "href",
}
# Of <link>, those a browser fetches by itself.
FETCHED = {
    "stylesheet",
    "preload",
    "modulepreload",
    "icon",
    "manifest",
    "preconnect",
    "dns-prefetch",
}


def test_no_page_names_a_third_party(site: Path, pages: list[str]) -> None:
    """Also what a browser would load only later, or only without this test's settings."""
    strangers = []
    for page in [*pages, "search.html", "genindex.html"]:
        soup = BeautifulSoup((site / page).read_text(encoding="utf-8"), "html.parser")
        for name, attribute in LOADED.items():
            for tag in soup.find_all(name):
                address = tag.get(attribute, "")
                fetched = name != "link" or FETCHED & set(tag.get("rel", []))
                if fetched and (address.startswith("//") or "://" in address):
                    strangers.append((page, address))
    assert not strangers


def test_style_sheets_name_no_third_party(site: Path) -> None:
    named = [
        (path.name, line[:120])
        for path in (site / "_static").rglob("*.css")
        for line in path.read_text(encoding="utf-8").replace("}", "}\n").splitlines()
        if "url(http" in line.replace('"', "").replace("'", "") or "@import url(http" in line
    ]
    assert not named


@pytest.mark.timeout(900)  # every page of the course
def test_all_pages_ask_only_the_site_and_are_light(visit: Callable, pages: list[str]) -> None:
    heavy = {}
    for page in [*pages, "search.html"]:
        opened = visit(page, wait="load")
        opened.check()
        weight = opened.weight()
        has_widgets = any("widgets/embed" in address for address in weight)
        if sum(weight.values()) > LIMIT and not has_widgets:
            largest = sorted(weight.items(), key=lambda item: -item[1])[:5]
            heavy[page] = (sum(weight.values()), largest)
        opened.page.context.close()
    assert not heavy
    print("checked", len(pages), "pages")


def test_index_and_a_lesson_stay_well_below_the_limit(visit: Callable, kinds: dict) -> None:
    for kind in ("index", "lesson"):
        weight = sum(visit(kinds[kind]).weight().values())
        print(f"{kind}: {weight / 1000:.0f} KB")
        assert weight <= 300_000


def test_a_page_without_formulas_loads_no_math_and_no_page_loads_the_index_of_all(
    visit: Callable, kinds: dict
) -> None:
    addresses = visit(kinds["index"]).weight()
    assert not [address for address in addresses if "katex" in address.lower()]
    assert not [address for address in addresses if "searchindex" in address]
