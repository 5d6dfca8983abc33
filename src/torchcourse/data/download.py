"""Fetch a file over HTTP so that a damaged or half-finished file is never used.

`requests` does the HTTP, `filelock` keeps two processes apart, `tqdm` draws the bar. What none of
them does is here: continue a partial file, change to the next mirror, notice a stall, and compare
the SHA-256 before a file gets its final name and each time it is used again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import queue
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import filelock
import requests
import urllib3
from tqdm import tqdm

__all__ = ["CorruptFileError", "DownloadError", "fetch", "sha256_of", "verify"]

CHUNK = 64 * 1024  # bytes per read
BAR_FROM = 4_000_000  # bytes; smaller downloads end before a bar could be read
MIN_SPEED = 1024  # bytes per second; a server slower than this counts as stalled
# Answers that may be different in a moment: time-out, too many requests, server trouble.
TEMPORARY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})

T = TypeVar("T")


class DownloadError(RuntimeError):
    """A file could not be had. The message is one line: what, why, and what to do."""


class CorruptFileError(DownloadError):
    """A file that is already on the disk is not the file it should be."""


class _MirrorFailed(Exception):
    """This mirror will not give us the file; asking again is pointless."""


class _Interrupted(Exception):
    """This mirror failed for now; asking again may help."""


@dataclass(frozen=True)
class _Job:
    """One file on its way: where it goes, how it is recognised, how long we wait for it."""

    path: Path
    sha256: str
    size: int | None
    open_timeout: float
    stall_timeout: float

    @property
    def part(self) -> Path:
        return self.path.with_name(self.path.name + ".part")


def fetch(
    urls: str | Sequence[str],
    path: str | Path,
    sha256: str,
    *,
    size: int | None = None,
    attempts: int = 3,
    open_timeout: float = 8.0,
    stall_timeout: float = 15.0,
    backoff: float = 0.5,
    lock_timeout: float = 600.0,
) -> Path:
    """Return `path`, downloaded if it is not there yet; its content always has this SHA-256.

    What has arrived is kept in ``<path>.part``, and the next call continues there. Several
    processes may call this at once for the same path: one downloads, the others wait for it.

    Args:
        urls: one address or several mirrors of the same file, tried in this order.
        path: where the file goes; missing folders are made.
        sha256: expected hash, 64 hexadecimal digits.
        size: expected length in bytes. Worth giving: a mirror that serves something else is
            then left at once, and a full disk is noticed before the download.
        attempts: rounds over the mirrors. A mirror that cannot be reached, does not have the
            file or sends a wrong one is not asked again, so without a network this is quick.
        open_timeout: seconds a mirror has to begin its answer.
        stall_timeout: seconds of (almost) no data after which a mirror is left.
        backoff: seconds before the second round; doubled for each one after it.
        lock_timeout: seconds to wait for another process that downloads the same file.

    Raises:
        CorruptFileError: `path` exists with another content. It is left as it is.
        DownloadError: no mirror gave the file, or it could not be written.
        ValueError: no address, or `sha256` is no SHA-256.
    """
    mirrors = [urls] if isinstance(urls, str) else list(urls)
    if not mirrors:
        raise ValueError("urls is empty: give at least one address")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise ValueError(f"sha256 must be 64 hexadecimal digits, got {sha256!r}")
    job = _Job(Path(path), sha256.lower(), size, open_timeout, stall_timeout)

    if verify(job.path, job.sha256):  # before the lock: a read-only folder is fine
        return job.path
    with _saying_what_to_do(job.path):
        job.path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(job.path, lock_timeout):
        if not verify(job.path, job.sha256):  # another process may have been quicker
            _download(mirrors, job, attempts, backoff)
            with _saying_what_to_do(job.path):
                os.replace(job.part, job.path)  # atomic: nobody ever sees half a file
    return job.path


def verify(path: str | Path, sha256: str) -> bool:
    """True if `path` exists with this SHA-256, False if there is nothing.

    Raises:
        CorruptFileError: if something else stands there. It is neither used nor deleted.
        DownloadError: if the file cannot be read.
    """
    path = Path(path)
    with _saying_what_to_do(path):
        if not path.exists():
            return False
        found = sha256_of(path)
    if found == sha256.lower():
        return True
    raise CorruptFileError(
        f"{path} is damaged or is another file: expected SHA-256 {sha256.lower()}, found {found}. "
        "Delete or move that one file and run again; it is then fetched afresh"
    )


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file as 64 lower-case hexadecimal digits, read in pieces.

    Raises:
        OSError: if the file cannot be read.
    """
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _download(mirrors: list[str], job: _Job, attempts: int, backoff: float) -> None:
    """Fill ``job.part`` with the verified file, or raise DownloadError."""
    _check_space(job)
    problems: dict[str, str] = {}  # the latest one of each mirror
    waiting = list(mirrors)
    for attempt in range(attempts):
        if attempt:
            time.sleep(backoff * 2 ** (attempt - 1))
        for url in tuple(waiting):
            try:
                _transfer(url, job)
                return
            except _MirrorFailed as error:
                waiting.remove(url)
                problems[url] = str(error)
            except _Interrupted as error:
                problems[url] = str(error)
        if not waiting:
            break
    reasons = "; ".join(f"{url}: {problem}" for url, problem in problems.items())
    raise DownloadError(
        f"{job.path.name} could not be downloaded ({reasons}). "
        "Check the network and run again; what has arrived is kept"
    )


def _transfer(url: str, job: _Job) -> None:
    """Get what is still missing of the file from one mirror, and check the whole of it."""
    with _saying_what_to_do(job.path):
        have = job.part.stat().st_size if job.part.exists() else 0
        if have and (job.size is None or have >= job.size):
            if sha256_of(job.part) == job.sha256:
                return  # an earlier run stopped between the last byte and the final name
            if job.size is not None:
                job.part.unlink()
                have = 0
    with closing(_open(url, have, job)) as response:
        start, total = _position(response, have, job)
        _receive(response, start, total, job)
    with _saying_what_to_do(job.path):
        arrived, found = job.part.stat().st_size, sha256_of(job.part)
        if found == job.sha256:
            return
        if total is not None and arrived < total:
            raise _Interrupted(f"the connection ended after {arrived:,} of {total:,} bytes")
        job.part.unlink()
    if start:  # perhaps it was the old beginning that was wrong: once more, from zero
        raise _Interrupted(f"the continued file has a wrong SHA-256, {found}")
    raise _MirrorFailed(f"sent a damaged or another file, SHA-256 {found}")


def _open(url: str, have: int, job: _Job) -> requests.Response:
    """Ask for the file from byte `have` on; return the answer once its status is known good."""
    # Identity: a compressed transfer would have other byte positions and another length.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"

    def ask() -> requests.Response:
        timeout = (job.open_timeout, job.stall_timeout)
        return requests.get(url, headers=headers, stream=True, timeout=timeout)

    try:
        response = _within(job.open_timeout, ask)
    except TimeoutError:
        raise _MirrorFailed(f"no answer within {job.open_timeout:g} s") from None
    except requests.RequestException as error:
        if isinstance(error, requests.ConnectionError) and not _never_connected(error):
            raise _Interrupted("the connection was dropped before the answer") from error
        raise _MirrorFailed(f"cannot be reached ({type(error).__name__})") from error

    if response.status_code in (200, 206, 416):
        return response
    response.close()
    kind = _Interrupted if response.status_code in TEMPORARY_STATUS else _MirrorFailed
    raise kind(f"the server answered {response.status_code} {response.reason}")


def _within(seconds: float, call: Callable[[], T]) -> T:
    """Run `call` and give up after `seconds`, even while it looks up a host name.

    A timeout of `requests` holds for each address of a host and not for the DNS look-up, so a
    dead network could take a minute. Hence a thread, left behind if it is too slow.
    """
    results: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            results.put((call(), None))
        except BaseException as error:
            results.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        result, error = results.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


def _never_connected(error: requests.ConnectionError) -> bool:
    """True for refused, no such host, no route, bad certificate: no second try will help."""
    if isinstance(error, requests.exceptions.SSLError):
        return True
    cause = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(
        cause, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
    )


def _position(response: requests.Response, have: int, job: _Job) -> tuple[int, int | None]:
    """First byte of the answer, and the length of the whole file if the server says it."""
    start, total = 0, None  # status 200: the server ignored our Range and begins at zero
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
    else:
        content_range = response.headers.get("Content-Range", "")
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content_range)
        if span is None or int(span[1]) != have:
            with _saying_what_to_do(job.path):
                job.part.unlink(missing_ok=True)
            raise _Interrupted("the partial file does not fit the server's; starting again")
        start, total = have, None if span[2] == "*" else int(span[2])
    if None not in (total, job.size) and total != job.size:
        raise _MirrorFailed(f"offers {total:,} bytes where the file has {job.size:,}")
    return start, job.size if total is None else total


def _receive(response: requests.Response, start: int, total: int | None, job: _Job) -> None:
    """Write the answer to ``job.part`` from byte `start` on, with a bar if it is long."""
    expected = None if total is None else total - start
    bar = tqdm(
        desc=job.path.name,
        total=total,
        initial=start,
        unit="B",
        unit_scale=True,
        file=sys.stdout,  # stderr would show as an error in a notebook
        disable=expected is not None and expected < BAR_FROM,
    )
    # _blocks turns network errors into _Interrupted, so an OSError here is one of the disk.
    with bar, _saying_what_to_do(job.path), open(job.part, "ab" if start else "wb") as file:
        for block in _blocks(response, job.stall_timeout):
            file.write(block)
            bar.update(len(block))
            if expected is not None:
                expected -= len(block)
                if expected < 0:  # also stops an answer that never ends
                    break


def _blocks(response: requests.Response, stall_timeout: float) -> Iterator[bytes]:
    """The bytes of an answer as they come, or _Interrupted when they stop coming.

    Read below `requests`' decoding, since a server may label a .gz file as compressed transfer
    and it would be unpacked on the way.
    """
    since, arrived = time.monotonic(), 0
    try:
        while block := response.raw.read1(CHUNK, decode_content=False):
            yield block
            arrived += len(block)
            passed = time.monotonic() - since
            if passed >= stall_timeout:
                if arrived < MIN_SPEED * passed:
                    raise _Interrupted(f"the download stalled (below {MIN_SPEED:,} bytes/s)")
                since, arrived = time.monotonic(), 0
    except urllib3.exceptions.ReadTimeoutError as error:
        raise _Interrupted(f"the download stalled for {stall_timeout:g} s") from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _Interrupted(f"the connection broke ({type(error).__name__})") from error


@contextmanager
def _locked(path: Path, timeout: float) -> Iterator[None]:
    """Keep other processes off `path`; the system frees the lock if this one is killed."""
    lock = filelock.FileLock(path.with_name(path.name + ".lock"))
    try:
        try:
            lock.acquire(timeout=1)
        except filelock.Timeout:
            print(f"{path.name} is being downloaded by another process; waiting for it")
            lock.acquire(timeout=timeout)
    except filelock.Timeout:
        raise DownloadError(
            f"{path.name} has been locked by another process for {timeout:g} s. "
            "Stop the other notebook or process that downloads it and run again"
        ) from None
    except (OSError, NotImplementedError) as error:
        raise _local_error(path, error) from error
    try:
        yield
    finally:
        lock.release()


def _check_space(job: _Job) -> None:
    """Notice a full disk before the download rather than at its end."""
    if job.size is None:
        return
    with _saying_what_to_do(job.path):
        have = job.part.stat().st_size if job.part.exists() else 0
        if shutil.disk_usage(job.path.parent).free < job.size - have:
            raise OSError(errno.ENOSPC, "too little space left")


@contextmanager
def _saying_what_to_do(path: Path) -> Iterator[None]:
    """Turn an error of the disk into a DownloadError that names the file and the remedy."""
    try:
        yield
    except OSError as error:
        raise _local_error(path, error) from error


def _local_error(path: Path, error: Exception) -> DownloadError:
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT):
        what = "the disk is full. Free some space and run again; what has arrived is kept"
    elif number in (errno.EACCES, errno.EPERM, errno.EROFS):
        what = (
            "no permission to read or write there. "
            "Set TORCHCOURSE_DATA to a folder you may write to and run again"
        )
    else:
        what = f"{error}. Check that the folder is usable, or set TORCHCOURSE_DATA to another one"
    return DownloadError(f"{path}: {what}")
