"""Whatever a server or a disk does: the right file, or a clear error and nothing lost."""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import filelock
import pytest
from hostile_server import FAULTS, HARMLESS, PASSING, HostileServer

from torchcourse.data import download
from torchcourse.data.download import CorruptFileError, DownloadError, fetch, verify

BODY = random.Random(0).randbytes(200_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
SIZE = len(BODY)
SIZES = pytest.mark.parametrize("size", [SIZE, None], ids=["size known", "size unknown"])
WAITS = {"open_timeout": 20, "stall_timeout": 20, "backoff": 0.01}  # a busy machine is no fault


def waits(mode):
    """Short waiting times where the fault is to keep us waiting, else patient ones."""
    if mode == "silent":
        return WAITS | {"open_timeout": 1.0}
    return WAITS | {"stall_timeout": 0.3} if "stall" in mode or mode == "trickle" else WAITS


@pytest.fixture
def server():
    server = HostileServer()
    server.files["file.bin"] = BODY
    yield server
    server.stop()


@pytest.fixture
def path(tmp_path):
    """Where the file shall go, with a neighbour that must survive everything."""
    (tmp_path / "neighbour.bin").write_bytes(b"precious")
    yield tmp_path / "file.bin"
    assert (tmp_path / "neighbour.bin").read_bytes() == b"precious"


def part_of(path):
    return path.with_name(path.name + ".part")


def assert_arrived(path):
    assert path.read_bytes() == BODY
    assert not part_of(path).exists()


# Servers


@SIZES
@pytest.mark.parametrize("mode", HARMLESS + PASSING)
def test_the_file_arrives_from_an_odd_or_briefly_failing_server(server, path, mode, size):
    assert fetch(server.url(mode), path, SHA256, size=size, **waits(mode)) == path
    assert_arrived(path)


@pytest.mark.parametrize("mode", FAULTS)
def test_a_faulty_server_alone_is_a_clear_error(server, path, mode):
    with pytest.raises(DownloadError, match=r"file\.bin could not be downloaded") as caught:
        fetch(server.url(mode), path, SHA256, size=SIZE, **waits(mode))
    assert server.url(mode) in str(caught.value)
    assert "run again" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not path.exists()


@pytest.mark.parametrize("mode", FAULTS)
def test_the_next_mirror_helps_out(server, path, mode):
    fetch([server.url(mode), server.url("ok")], path, SHA256, size=SIZE, **waits(mode))
    assert_arrived(path)


@pytest.mark.parametrize("mode", [mode for mode in FAULTS if mode != "endless"])
def test_the_next_mirror_helps_out_when_the_size_is_unknown(server, path, mode):
    fetch([server.url(mode), server.url("ok")], path, SHA256, **waits(mode))
    assert_arrived(path)


def test_mirrors_are_tried_in_order_and_only_as_far_as_needed(server, path):
    fetch([server.url("error404"), server.url("ok"), server.url("slow")], path, SHA256, **WAITS)
    assert [mode for mode, _, _ in server.log] == ["error404", "ok"]


@pytest.mark.parametrize(
    ("mode", "times"), [("error404", 1), ("portal", 1), ("corrupt", 1), ("error500", 4)]
)
def test_only_what_may_pass_is_asked_again(server, path, mode, times):
    with pytest.raises(DownloadError):
        fetch(server.url(mode), path, SHA256, size=SIZE, attempts=4, **waits(mode))
    assert server.starts(mode) == [0] * times


def test_an_endless_answer_does_not_fill_the_disk(server, path, monkeypatch):
    largest = 0
    hash_file = download.sha256_of

    def spy(file):
        nonlocal largest
        largest = max(largest, os.path.getsize(file))
        return hash_file(file)

    monkeypatch.setattr(download, "sha256_of", spy)
    with pytest.raises(DownloadError):
        fetch(server.url("endless"), path, SHA256, size=SIZE, **WAITS)
    assert SIZE < largest <= SIZE + download.CHUNK
    assert not part_of(path).exists()


# No network


def test_a_refused_connection_and_an_unknown_host_are_noticed_at_once(path):
    urls = ["http://127.0.0.1:9/file.bin", "https://mirror.invalid/file.bin"]
    began = time.monotonic()
    with pytest.raises(DownloadError, match="cannot be reached"):
        fetch(urls, path, SHA256)  # with the waiting times everybody gets
    assert time.monotonic() - began < 10


def test_a_look_up_that_hangs_is_given_up(path, monkeypatch):
    """`requests` has no timeout for the name look-up, so a dead resolver could take a minute."""
    released = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **kwargs: released.wait(60))
    began = time.monotonic()
    with pytest.raises(DownloadError, match=r"no answer within 0\.3 s"):
        fetch("http://mirror.invalid/file.bin", path, SHA256, open_timeout=0.3)
    assert time.monotonic() - began < 10
    released.set()


def test_a_server_without_a_valid_certificate_is_not_used(server, path):
    url = server.url("ok").replace("http:", "https:")
    with pytest.raises(DownloadError, match=r"cannot be reached \(SSLError\)"):
        fetch(url, path, SHA256, **WAITS)


@pytest.mark.parametrize("url", ["no address", "http://", "ftp://127.0.0.1/x", "http://[bad/x"])
def test_an_address_that_is_none_is_a_clear_error(path, url):
    with pytest.raises(DownloadError, match="cannot be reached"):
        fetch(url, path, SHA256, **WAITS)


# Partial files


@SIZES
def test_a_partial_file_is_continued(server, path, size):
    part_of(path).write_bytes(BODY[:150_000])
    fetch(server.url("ok"), path, SHA256, size=size, **WAITS)
    assert server.starts("ok") == [150_000]
    assert_arrived(path)


def test_a_dropped_download_continues_where_it_stopped(server, path):
    fetch(server.url("drop_once"), path, SHA256, **WAITS)
    assert server.starts("drop_once") == [0, SIZE // 2]


def test_another_mirror_continues_what_one_began(server, path):
    fetch([server.url("drop"), server.url("ok")], path, SHA256, size=SIZE, **WAITS)
    assert server.starts("ok") == [SIZE // 2]


def test_a_cut_without_a_word_is_noticed_by_the_size_and_continued(server, path):
    urls = [server.url("cut_without_length"), server.url("ok")]
    fetch(urls, path, SHA256, size=SIZE, **WAITS)
    assert server.starts("ok") == [SIZE // 2]


def test_the_next_call_continues_what_a_failed_one_left(server, path):
    with pytest.raises(DownloadError, match="what has arrived is kept"):
        fetch(server.url("drop"), path, SHA256, attempts=1, **WAITS)
    fetch(server.url("ok"), path, SHA256, **WAITS)
    assert server.starts("ok") == [SIZE // 2]
    assert_arrived(path)


@SIZES
@pytest.mark.parametrize("mode", ["ok", "norange", "nolength", "chunked"])
@pytest.mark.parametrize(
    "part",
    [b"", b"wrong", bytes(SIZE - 1), bytes(SIZE), BODY + b"more", BODY[:1000]],
    ids=["empty", "wrong", "wrong but one", "wrong and full", "longer", "right"],
)
def test_no_partial_file_can_spoil_the_result(server, path, part, mode, size):
    part_of(path).write_bytes(part)
    fetch(server.url(mode), path, SHA256, size=size, **waits(mode))
    assert_arrived(path)


@SIZES
def test_a_complete_partial_file_needs_no_request(server, path, size):
    part_of(path).write_bytes(BODY)
    fetch(server.url("ok"), path, SHA256, size=size, **WAITS)
    assert not server.log
    assert_arrived(path)


@pytest.mark.parametrize("mode", ["portal", "error404", "error500", "reset", "silent", "short"])
def test_a_failing_server_does_not_cost_what_has_arrived(server, path, mode):
    part_of(path).write_bytes(BODY[:150_000])
    with pytest.raises(DownloadError):
        fetch(server.url(mode), path, SHA256, size=SIZE, **waits(mode))
    assert part_of(path).read_bytes() == BODY[:150_000]


def test_any_mixture_of_faults_ends_well(server, path):
    """A hundred random pairs of mirrors and partial files: right file or DownloadError."""
    rng = random.Random(1)
    waiting = {"stall", "trickle", "silent", "stall_once"}  # slow, and tested above
    modes = sorted({*HARMLESS, *PASSING, *FAULTS} - waiting)
    outcomes = set()
    for _ in range(100):
        server.log.clear()
        path.unlink(missing_ok=True)
        part = rng.choice([b"", BODY[: rng.randrange(SIZE)], rng.randbytes(rng.randrange(SIZE))])
        part_of(path).write_bytes(part)
        urls = [server.url(rng.choice(modes)) for _ in range(2)]
        try:
            fetch(urls, path, SHA256, size=SIZE, **WAITS)
            assert_arrived(path)
            outcomes.add("arrived")
        except DownloadError:
            assert not path.exists()
            outcomes.add("error")
    assert outcomes == {"arrived", "error"}


# What is already on the disk


def test_a_file_that_is_there_needs_no_request_and_no_lock(server, path):
    path.write_bytes(BODY)
    before = sorted(path.parent.iterdir())
    fetch(server.url("ok"), path, SHA256.upper(), **WAITS)
    assert not server.log
    assert sorted(path.parent.iterdir()) == before


@pytest.mark.parametrize("content", [b"", BODY[:-1], BODY + b"x", b"\0" + BODY[1:]])
def test_a_damaged_file_is_named_and_left_alone(server, path, content):
    path.write_bytes(content)
    with pytest.raises(CorruptFileError) as caught:
        fetch(server.url("ok"), path, SHA256, **WAITS)
    found = hashlib.sha256(content).hexdigest()
    for word in (str(path), f"expected SHA-256 {SHA256}", f"found {found}", "Delete or move"):
        assert word in str(caught.value)
    assert path.read_bytes() == content
    assert not server.log


def test_verify_tells_right_from_missing_from_wrong(path):
    assert verify(path, SHA256) is False
    path.write_bytes(BODY)
    assert verify(path, SHA256) is True
    with pytest.raises(CorruptFileError):
        verify(path, "0" * 64)


def test_missing_folders_are_made(server, path):
    deep = path.parent / "a" / "b" / "file.bin"
    fetch(server.url("ok"), str(deep), SHA256, **WAITS)
    assert_arrived(deep)


# Disks


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's always-full device")
def test_a_disk_that_fills_up_is_a_clear_error(server, path):
    part_of(path).symlink_to("/dev/full")
    with pytest.raises(DownloadError, match="the disk is full"):
        fetch(server.url("ok"), path, SHA256, size=SIZE, **WAITS)
    assert not path.exists()


def test_too_little_space_is_noticed_before_the_download(server, path):
    with pytest.raises(DownloadError, match="the disk is full"):
        fetch(server.url("ok"), path, SHA256, size=10**18, **WAITS)
    assert not server.log


@contextmanager
def as_nobody():
    """Give up root's right to write everywhere, for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs POSIX permissions")
@pytest.mark.parametrize("name", ["file.bin", "new/file.bin"])
def test_a_folder_one_may_not_write_to_is_a_clear_error(server, tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("locked")
    folder.chmod(0o555)
    with pytest.raises(DownloadError, match=r"no permission.*TORCHCOURSE_DATA"), as_nobody():
        fetch(server.url("ok"), folder / name, SHA256, **WAITS)
    assert not server.log


def test_a_folder_that_is_a_file_is_a_clear_error(server, path):
    with pytest.raises(DownloadError, match=r"neighbour\.bin"):
        fetch(server.url("ok"), path.parent / "neighbour.bin" / "file.bin", SHA256, **WAITS)


def test_a_folder_in_place_of_the_file_is_a_clear_error(server, path):
    path.mkdir()
    with pytest.raises(DownloadError, match=r"file\.bin"):
        fetch(server.url("ok"), path, SHA256, **WAITS)


# Several at once

CHILD = """
import sys
from torchcourse.data.download import fetch
print("ready", flush=True)
sys.stdin.readline()
fetch(sys.argv[1], sys.argv[2], sys.argv[3], stall_timeout=5)
"""


def start_child(url, path):
    command = [sys.executable, "-c", CHILD, url, str(path), SHA256]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, **pipes)


def go(children):
    """Let all children fetch at the same moment: once the imports of all are done."""
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()


def test_two_processes_at_once_share_one_download(server, path):
    children = [start_child(server.url("slow"), path) for _ in range(2)]
    go(children)
    for child in children:
        _, errors = child.communicate(timeout=60)
        assert child.returncode == 0, errors
    assert server.starts("slow") == [0]
    assert_arrived(path)


def test_two_processes_on_a_failing_server_both_arrive(server, path):
    children = [start_child(server.url("drop_once"), path) for _ in range(2)]
    go(children)
    for child in children:
        _, errors = child.communicate(timeout=60)
        assert child.returncode == 0, errors
    assert_arrived(path)


def test_a_killed_process_leaves_no_lock_and_no_loss(server, path):
    child = start_child(server.url("slow"), path)
    go([child])
    deadline = time.monotonic() + 30
    while not (part_of(path).exists() and part_of(path).stat().st_size):
        assert time.monotonic() < deadline, "the download never began"
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    child.communicate(timeout=30)
    assert not path.exists()
    kept = part_of(path).stat().st_size
    fetch(server.url("ok"), path, SHA256, lock_timeout=5, **WAITS)
    assert server.starts("ok") == [kept]
    assert 0 < kept < SIZE
    assert_arrived(path)


def test_threads_of_one_process_share_one_download(server, path):
    def work():
        fetch(server.url("slow"), path, SHA256)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert server.starts("slow") == [0]
    assert_arrived(path)


def test_a_lock_held_too_long_is_a_clear_error(server, path, capsys):
    with (
        filelock.FileLock(path.with_name("file.bin.lock")),
        pytest.raises(DownloadError, match="locked by another process"),
    ):
        fetch(server.url("ok"), path, SHA256, lock_timeout=0.1, **WAITS)
    assert "waiting" in capsys.readouterr().out
    assert not server.log


# What one sees


def test_a_long_download_shows_a_bar_in_plain_text(server, path, capfd, monkeypatch):
    monkeypatch.setattr(download, "BAR_FROM", 1000)
    fetch(server.url("ok"), path, SHA256, **WAITS)
    out, err = capfd.readouterr()
    assert re.search(r"file\.bin: 100%", out)
    assert err == ""  # stderr is a red box in a notebook and costs points in nbgrader


def test_a_short_download_shows_nothing(server, path, capfd):
    fetch(server.url("ok"), path, SHA256, **WAITS)
    assert capfd.readouterr() == ("", "")


# Wrong use


@pytest.mark.parametrize("sha256", ["", "abc", SHA256[:-1], "g" * 64])
def test_a_hash_that_is_none_is_refused(path, sha256):
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        fetch("http://127.0.0.1:9/x", path, sha256)


def test_no_address_is_refused(path):
    with pytest.raises(ValueError, match="at least one address"):
        fetch([], path, SHA256)
