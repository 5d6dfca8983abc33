"""Ask every external link of the built site whether it still answers.

`python -m tools.check_links [_build/html]`: exits 1 and lists the dead ones with their pages.
Only a clear "gone" counts (404, 410, or no such host): a server that refuses robots is not dead.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from bs4 import BeautifulSoup
from tqdm import tqdm

TIMEOUT = 20  # seconds
GONE = {404, 410}


def external_links(site: Path) -> dict[str, set[str]]:
    """Every http(s) link of the site, with the pages it stands on."""
    links = defaultdict(set)
    for page in site.rglob("*.html"):
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        for anchor in soup.find_all("a", href=True):
            if anchor["href"].startswith("http"):
                links[anchor["href"].split("#")[0]].add(str(page.relative_to(site)))
    return links


def problem(url: str) -> str | None:
    """Why a link is dead, or None."""
    headers = {"User-Agent": "Mozilla/5.0 (link check of an open course)"}
    try:
        answer = requests.get(url, timeout=TIMEOUT, headers=headers, stream=True)
    except requests.ConnectionError as error:
        return f"no connection ({type(error).__name__})"
    except requests.RequestException:
        return None  # slow, or odd: not clearly gone
    answer.close()
    return f"HTTP {answer.status_code}" if answer.status_code in GONE else None


def main() -> int:
    site = Path(sys.argv[1] if len(sys.argv) > 1 else "_build/html")
    links = external_links(site)
    if not links:
        raise SystemExit(f"no external links found below {site}; was the site built?")
    with ThreadPoolExecutor(8) as pool:
        found = dict(zip(links, tqdm(pool.map(problem, links), total=len(links)), strict=True))
    dead = {url: reason for url, reason in found.items() if reason}
    for url, reason in dead.items():
        print(f"{url}: {reason}\n  on {', '.join(sorted(links[url]))}")
    print(f"{len(links) - len(dead)} of {len(links)} external links answer")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())
