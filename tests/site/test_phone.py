"""On a phone nothing sticks out of the page; what is wide scrolls in its own box."""

from __future__ import annotations

from collections.abc import Callable

import pytest

# Elements that reach over the right edge without a scrolling box around them.
STICKING_OUT = """
[...document.querySelectorAll("main *")].filter((element) => {
  if (element.getBoundingClientRect().right <= innerWidth + 1) return false;
  if (element.closest(".katex-mathml, .visually-hidden, .sr-only")) return false;
  for (let box = element; box; box = box.parentElement) {
    const style = getComputedStyle(box);
    if (style.overflowX !== "visible" || style.position === "fixed") return false;
  }
  return true;
}).map((element) => element.outerHTML.slice(0, 120))
"""


@pytest.mark.timeout(900)  # every page of the course
def test_no_page_scrolls_sideways(visit: Callable, pages: list[str]) -> None:
    wide = {}
    for address in [*pages, "search.html"]:
        page = visit(address, width=360, wait="load").page
        width = page.evaluate("document.documentElement.scrollWidth")
        sticking_out = page.evaluate(STICKING_OUT)
        if width > 360 or sticking_out:
            wide[address] = (width, sticking_out[:3])
        page.context.close()
    assert not wide


def test_figures_keep_their_shape(visit: Callable, kinds: dict) -> None:
    page = visit(kinds["lesson"], width=360).page
    squeezed = page.evaluate(
        """[...document.querySelectorAll("article img")].filter((image) => {
             const right = image.naturalWidth / image.naturalHeight;
             return image.naturalWidth && Math.abs(image.width / image.height / right - 1) > 0.03;
           }).map((image) => image.src)"""
    )
    assert not squeezed


def test_contents_open_and_close_by_touch(visit: Callable, kinds: dict) -> None:
    page = visit(kinds["lesson"], width=390, has_touch=True).page
    sidebar = page.locator("#pst-primary-sidebar-modal")
    assert not sidebar.is_visible()
    page.locator(".primary-toggle").first.tap()
    assert sidebar.locator("nav a").first.is_visible()
    page.keyboard.press("Escape")
    assert not sidebar.is_visible()
