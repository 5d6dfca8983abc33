"""axe-core finds nothing serious, and the keyboard gets around."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from demo_page import serious_problems


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["index", "lesson", "lab", "demo", "solution", "status"])
def test_axe_finds_nothing_serious(visit: Callable, kinds: dict, kind: str, scheme: str) -> None:
    # Without motion: an answer that is still fading in would be measured half transparent.
    page = visit(kinds[kind], scheme=scheme, reduced_motion="reduce").page
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    # Answers count too: what is folded away has to be readable when it is opened.
    page.evaluate("document.querySelectorAll('details').forEach((box) => (box.open = true))")
    assert not serious_problems(page)


def test_first_tab_stop_skips_to_the_text_and_focus_is_visible(
    visit: Callable, kinds: dict
) -> None:
    page = visit(kinds["lesson"]).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main-content"
    for _ in range(8):
        page.keyboard.press("Tab")
        style = page.evaluate(
            """(() => { const style = getComputedStyle(document.activeElement);
                        return [style.outlineStyle, style.outlineWidth, style.boxShadow]; })()"""
        )
        assert style[0] != "none" or style[2] != "none", page.evaluate(
            "document.activeElement.outerHTML"
        )


def test_reduced_motion_is_respected(visit: Callable, kinds: dict) -> None:
    page = visit(kinds["index"], reduced_motion="reduce").page
    slow = page.evaluate(
        """[...document.querySelectorAll("*")].filter((element) => {
             const style = getComputedStyle(element);
             const seconds = (text) => Math.max(...text.split(",").map(parseFloat));
             return seconds(`${style.transitionDuration},${style.animationDuration}`) > 0.05;
           }).map((element) => element.outerHTML.slice(0, 100))"""
    )
    assert not slow
