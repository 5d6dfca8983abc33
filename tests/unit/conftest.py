"""What several files of tests need."""

from __future__ import annotations

import socket

import pytest

from torchcourse.data import fileset


@pytest.fixture
def only_this_machine(monkeypatch):
    """Names are not looked up: only 127.0.0.1 can be reached, and no earlier failure is known."""
    look_up = socket.getaddrinfo

    def local_only(host, *args, **kwargs):
        if host != "127.0.0.1":
            raise socket.gaierror(f"tried to look up {host}")
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", local_only)
    monkeypatch.setattr(fileset, "_failures", {})
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
