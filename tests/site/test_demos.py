"""What holds for every live demo: it starts on a click, and says so if it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from demo_page import wait_for_words
from playwright.sync_api import Route

DEMOS = sorted(path.stem for path in Path("book/demos").glob("*.md"))
NOT_FOUND = "Failed to load resource: the server responded with a status of 404 (Not Found)"
HEAVY = re.compile(r"onnx|_example_|(gan|sentiment)\.json")


@pytest.mark.parametrize("name", DEMOS)
def test_nothing_heavy_is_loaded_before_the_click(visit: Callable, name: str) -> None:
    opened = visit(f"book/demos/{name}.html")
    assert not [r.url for r in opened.responses if HEAVY.search(r.url)]


@pytest.mark.parametrize("name", DEMOS)
def test_without_the_model_the_reader_is_told_and_can_try_again(visit: Callable, name: str) -> None:
    opened, refused = visit(f"book/demos/{name}.html"), []

    def refuse(route: Route) -> None:
        refused.append(route.request.url)
        route.fulfill(status=404)

    opened.page.route("**/*.onnx", refuse)
    button = opened.page.get_by_role("button", name="Start the demo")
    button.click()
    wait_for_words(opened.page, "HTTP 404")
    assert button.is_enabled()
    opened.page.unroute("**/*.onnx")
    button.click()
    opened.page.wait_for_selector(f"[data-demo={name}][data-ready=true]")
    for address in refused:  # these were planted; a demo of two networks has two of each
        opened.complaints.remove(f"404 {address}")
        opened.complaints.remove(NOT_FOUND)
