"""A real HTTP server on 127.0.0.1 that misbehaves on request: the path says how.

``http://127.0.0.1:PORT/drop/file.bin`` serves ``file.bin`` and drops the connection halfway.
"""

from __future__ import annotations

import gzip
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class HostileServer(ThreadingHTTPServer):
    """`files` maps names to bytes; `log` records (mode, name, first byte asked for)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.log: list[tuple[str, str, int]] = []
        self.ending = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, mode: str, name: str = "file.bin") -> str:
        return f"http://127.0.0.1:{self.server_port}/{mode}/{name}"

    def starts(self, mode: str) -> list[int]:
        """First byte of each request in this mode."""
        return [start for asked, _, start in self.log if asked == mode]

    def stop(self) -> None:
        self.ending.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address) -> None:
        """Clients that leave early are part of the game: no traceback."""


class _Handler(BaseHTTPRequestHandler):
    server: HostileServer

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        _, mode, name = self.path.split("/", 2)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        self.start = int(asked[1]) if asked else 0
        self.ranged = asked is not None
        self.server.log.append((mode, name, self.start))
        self.body = self.server.files[name]
        self.close_connection = True
        getattr(self, mode)()

    # What a good server does, and its parts.

    def ok(self) -> None:
        if self.ranged and self.start >= len(self.body):
            return self.answer(416, b"", {"Content-Range": f"bytes */{len(self.body)}"})
        self.head()
        self.wfile.write(self.rest())

    def rest(self) -> bytes:
        return self.body[self.start :]

    def head(self, **more: str) -> None:
        """Status and headers for the rest of the file."""
        self.send_response(206 if self.ranged else 200)
        if self.ranged:
            last, total = len(self.body) - 1, len(self.body)
            self.send_header("Content-Range", f"bytes {self.start}-{last}/{total}")
        self.send_header("Content-Length", str(len(self.rest())))
        for key, value in more.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    # Harmless peculiarities: the file must arrive.

    def norange(self) -> None:
        self.ranged, self.start = False, 0
        self.ok()

    def nolength(self) -> None:
        self.ranged, self.start = False, 0
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.body)

    def chunked(self) -> None:
        self.ranged, self.start = False, 0
        self.protocol_version = "HTTP/1.1"
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for i in range(0, len(self.body), 50_000):
            piece = self.body[i : i + 50_000]
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def labelled_gzip(self) -> None:
        self.head(Content_Encoding="gzip")
        self.wfile.write(self.rest())

    def compresses(self) -> None:
        """Compress on the way, as servers do for those who say they understand it."""
        if "gzip" not in self.headers.get("Accept-Encoding", ""):
            return self.ok()
        self.answer(200, gzip.compress(self.body), {"Content-Encoding": "gzip"})

    def redirect(self) -> None:
        self.answer(302, b"", {"Location": self.path.replace("/redirect/", "/ok/")})

    def slow(self) -> None:
        """The whole file, in about a second."""
        self.head()
        rest = self.rest()
        step = max(1, len(rest) // 20)
        for i in range(0, len(rest), step):
            self.wfile.write(rest[i : i + step])
            time.sleep(0.05)

    # Faults: alone, each must end in a clear error.

    def drop(self) -> None:
        self.head()
        self.wfile.write(self.rest()[: len(self.rest()) // 2])

    def reset(self) -> None:
        """Close without a word."""

    def short(self) -> None:
        """A cut file, and a length that agrees with the cut."""
        self.answer(200, self.body[: len(self.body) // 2])

    def cut_without_length(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.body[: len(self.body) // 2])

    def corrupt(self) -> None:
        rest = bytearray(self.rest())
        rest[len(rest) // 2] ^= 1  # a single bit
        self.head()
        self.wfile.write(rest)

    def longer(self) -> None:
        self.answer(200, self.body + b"more")

    def portal(self) -> None:
        """What the login page of a hotel's network answers to everything."""
        self.answer(200, b"<html>Please log in</html>", {"Content-Type": "text/html"})

    def wrong_range(self) -> None:
        total = len(self.body)
        self.answer(206, self.body[1:], {"Content-Range": f"bytes 1-{total - 1}/{total}"})

    def error404(self) -> None:
        self.answer(404, b"nothing here")

    def error500(self) -> None:
        self.answer(500, b"out of order")

    def stall(self) -> None:
        self.head()
        self.wfile.write(self.rest()[: len(self.rest()) // 2])
        self.server.ending.wait(30)

    def trickle(self) -> None:
        """Never silent, never done."""
        self.head()
        for i in range(len(self.rest())):
            self.wfile.write(self.rest()[i : i + 1])
            if self.server.ending.wait(0.05):
                return

    def silent(self) -> None:
        """Accept the connection and say nothing."""
        self.server.ending.wait(30)

    def endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.server.ending.is_set():
            self.wfile.write(b"x" * 65536)

    def loop(self) -> None:
        self.answer(302, b"", {"Location": self.path})

    # Faults that pass.

    def first(self, fault: str) -> None:
        """The fault on the first request, a good answer afterwards."""
        mode = self.path.split("/", 2)[1]
        getattr(self, fault if len(self.server.starts(mode)) == 1 else "ok")()

    def drop_once(self) -> None:
        self.first("drop")

    def error500_once(self) -> None:
        self.first("error500")

    def stall_once(self) -> None:
        self.first("stall")

    def reset_once(self) -> None:
        self.first("reset")


HARMLESS = ("ok", "norange", "nolength", "chunked", "labelled_gzip", "compresses", "redirect")
PASSING = ("drop_once", "error500_once", "stall_once", "reset_once")
FAULTS = tuple(
    [
        "drop",
        "reset",
        "short",
        "cut_without_length",
        "corrupt",
        "longer",
        "portal",
        "wrong_range",
        "error404",
        "error500",
        "stall",
        "trickle",
        "silent",
        "endless",
        "loop",
    ]
)
