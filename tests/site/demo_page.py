"""What the tests of all live demos do in a page."""

from __future__ import annotations

import json

from playwright.sync_api import Page


def run_in_page(prepare: str, page: Page, code: str, argument: object = None) -> object:
    """Run JavaScript after `prepare` has imported the demo's modules; `given` is the argument."""
    text = json.dumps(argument)  # Playwright itself would wrap every single number
    return page.evaluate(
        f"async (text) => {{ const given = JSON.parse(text); {prepare} {code} }}", text
    )


def words(page: Page) -> str:
    """What the demo says in words."""
    return page.locator("[data-words]").inner_text()


def wait_for_words(page: Page, text: str) -> None:
    page.wait_for_function(
        "text => document.querySelector('[data-words]').innerText.includes(text)", arg=text
    )
