"""The weekly link check calls a link dead when its server says so, not when it is unfriendly."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tools import check_links


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(self.path.strip("/")))
        self.end_headers()

    def log_message(self, *_):
        """Keep the test quiet."""


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def site(folder, *links: str) -> None:
    anchors = "".join(f'<a href="{link}">x</a>' for link in links)
    (folder / "page.html").write_text(f'{anchors}<a href="other.html#a">inner</a>')


def check(folder, monkeypatch) -> int:
    monkeypatch.setattr("sys.argv", ["check_links", str(folder)])
    return check_links.main()


@pytest.mark.parametrize("status", [404, 410])
def test_a_page_that_is_gone_fails_the_check_and_names_where_it_stands(
    server, tmp_path, monkeypatch, capsys, status
):
    site(tmp_path, f"{server}/200", f"{server}/{status}#part")
    assert check(tmp_path, monkeypatch) == 1
    out = capsys.readouterr().out
    assert f"{server}/{status}: HTTP {status}" in out
    assert "page.html" in out
    assert "1 of 2 external links answer" in out


def test_a_server_that_refuses_robots_is_not_dead(server, tmp_path, monkeypatch):
    site(tmp_path, f"{server}/403", f"{server}/500")
    assert check(tmp_path, monkeypatch) == 0


def test_no_such_server_is_dead(tmp_path, monkeypatch):
    site(tmp_path, "http://127.0.0.1:9/")
    assert check(tmp_path, monkeypatch) == 1


def test_a_folder_without_links_is_no_built_site(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="was the site built"):
        check(tmp_path, monkeypatch)
