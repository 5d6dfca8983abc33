"""What the tests of several pages do in a page."""

from __future__ import annotations

import json
from collections.abc import Callable

from conftest import ROOT, unavailable
from playwright.sync_api import Page

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = ("serious", "critical")


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


def start_demo(visit: Callable, name: str, **options: object) -> Page:
    """The demo's page once it is ready for its reader; options as of ``visit``."""
    page = visit(f"book/demos/{name}.html", **options).page
    page.get_by_role("button", name="Start the demo").click()
    page.wait_for_selector(f"[data-demo={name}][data-ready=true]")
    return page


def serious_problems(page: Page, where: str = "html") -> list[tuple[str, str, str]]:
    """What axe, a checker of accessibility, calls serious in a part of the page as it is now."""
    if not AXE.exists():
        unavailable(f"{AXE} is missing; run `python -m tools.assets`")
    page.add_script_tag(path=AXE)
    found = page.evaluate("where => axe.run(where, {resultTypes: ['violations']})", where)
    return [
        (rule["id"], node["html"][:160], node["failureSummary"])
        for rule in found["violations"]
        if rule["impact"] in SERIOUS
        for node in rule["nodes"]
    ]
