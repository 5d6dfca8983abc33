"""The built site in a real browser: served locally, every request recorded, nothing let out.

Needs `make book` and Debian's Chromium. `TORCHCOURSE_SITE` points the tests at another build.
"""

from __future__ import annotations

import gzip
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, Response, Route, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("TORCHCOURSE_SITE", ROOT / "_build" / "html"))
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.site)


def unavailable(reason: str) -> None:
    """Skip on somebody's laptop; on the build server a test that did not run is a failure."""
    if os.environ.get("CI", "").lower() in ("", "0", "false"):
        pytest.skip(reason)
    pytest.fail(reason)


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site."""
    if not (SITE / "index.html").exists():
        unavailable(f"{SITE} holds no site; run `make book` first")
    return SITE


@pytest.fixture(scope="session")
def pages(site: Path) -> list[str]:
    """Addresses of all pages people read, relative to the site's root."""
    folders = ("book", "lessons", "labs", "solutions")
    found = sorted(path for folder in folders for path in (site / folder).rglob("*.html"))
    assert found, f"{site} has no pages"
    return [path.relative_to(site).as_posix() for path in found]


@pytest.fixture(scope="session")
def kinds(pages: list[str]) -> dict[str, str]:
    """One page of each kind: its first."""
    prefixes = {
        "lesson": "lessons/ch",
        "lab": "labs/",
        "demo": "book/demos/",
        "solution": "solutions/",
    }
    chosen = {"index": "book/index.html", "status": "book/status.html"}
    for kind, prefix in prefixes.items():
        matching = [page for page in pages if page.startswith(prefix)]
        assert matching, f"the site has no {kind}"
        chosen[kind] = matching[0]
    return chosen


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing: requests are recorded in the browser."""


@pytest.fixture(scope="session")
def server(site: Path) -> Iterator[str]:
    """The site's address, without a slash at the end."""
    handler = partial(QuietHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    binary = next(filter(None, map(shutil.which, names)), None)
    if binary is None:
        unavailable("no Chromium on this machine; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page in the browser, and everything it asked for."""

    page: Page
    home: str
    responses: list[Response] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def gate(self, route: Route, request: Request) -> None:
        """Let a request to the site through; stop and remember all others."""
        scheme = urlsplit(request.url).scheme
        if request.url.startswith(self.home) or scheme in ("data", "blob"):
            route.continue_()
        else:
            self.strangers.append(request.url)
            route.abort()

    def received(self, response: Response) -> None:
        self.responses.append(response)
        if response.status >= 400:
            self.complaints.append(f"{response.status} {response.url}")

    def weight(self) -> dict[str, int]:
        """Bytes gzip has to send for each file that is no figure, by address."""
        sizes = {}
        for response in self.responses:
            kind = response.request.resource_type
            if kind not in ("image", "media") and response.url.startswith(self.home):
                body = response.body()
                sizes[response.url] = len(body if kind == "font" else gzip.compress(body, 6))
        return sizes

    def check(self) -> None:
        """Fail if anything went to a third party, was missing, or was logged as an error."""
        assert not self.strangers, f"{self.page.url} asked third parties: {self.strangers}"
        assert not self.complaints, f"{self.page.url}: {self.complaints}"


@pytest.fixture
def visit(browser: Browser, server: str) -> Iterator[Callable[..., Visit]]:
    """Open a page: `visit("book/index.html", width=390, scheme="dark")`; checked at the end."""
    visits = []

    def open_page(
        address: str,
        width: int = 1280,
        scheme: str = "light",
        wait: str = "networkidle",  # half a second longer than "load", to see what comes late
        **context: object,
    ) -> Visit:
        size = {"width": width, "height": 900}
        page = browser.new_context(viewport=size, color_scheme=scheme, **context).new_page()
        visit = Visit(page, server)
        visits.append(visit)
        page.on("response", visit.received)
        page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        page.on(
            "console",
            lambda line: visit.complaints.append(line.text) if line.type == "error" else None,
        )
        page.route("**/*", visit.gate)
        page.goto(f"{server}/{address}", wait_until=wait)
        if context.get("java_script_enabled", True):
            page.evaluate("document.fonts.ready.then(() => true)")
        return visit

    yield open_page
    for visit in visits:
        visit.page.context.close()
    for visit in visits:
        visit.check()
