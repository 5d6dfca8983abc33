"""What every data set module does first: look in the cache, then perhaps download.

A new data set is a short module: a `FileSet` with mirrors, hashes and sizes, a reader for its
files, and, where there is one, something bundled to fall back on. See `digits` for the pattern.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from torchcourse import runtime
from torchcourse.data.download import DownloadError, fetch, verify

__all__ = ["FileSet", "Found", "RemoteFile"]

# After a failed download, seconds without a new attempt: load(train=True) followed by
# load(train=False) must not end with one half real and the other bundled, nor wait twice.
PAUSE_AFTER_FAILURE = 60.0
_failures: dict[str, tuple[float, str]] = {}  # folder of the set -> when (monotonic), why


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set as its mirrors offer it.

    Attributes:
        name: file name, the same on each mirror and on the disk.
        sha256: hash of the file, 64 hexadecimal digits.
        size: length in bytes.
        unpacked_sha256: hash of the content of a ``.gz``; with it, the unpacked file
            (as torchvision leaves it) is accepted as well.
    """

    name: str
    sha256: str
    size: int
    unpacked_sha256: str | None = None

    def present_in(self, folder: Path) -> Path | None:
        """The verified file in `folder`, unpacked or as it is, or None.

        Raises:
            CorruptFileError: it is there, but with another content.
        """
        unpacked = folder / self.name.removesuffix(".gz")
        if self.unpacked_sha256 and verify(unpacked, self.unpacked_sha256):
            return unpacked
        packed = folder / self.name
        return packed if verify(packed, self.sha256) else None


@dataclass(frozen=True)
class Found:
    """Answer of `FileSet.find`: the paths by file name, or None and one sentence why not."""

    paths: dict[str, Path] | None
    why_not: str = ""


@dataclass(frozen=True)
class FileSet:
    """A data set made of a few files: all of them are used, or none.

    Attributes:
        title: its name in messages.
        folder: where it lives below `runtime.data_dir()`, as torchvision names it.
        mirrors: addresses of folders, each ending in "/", that hold all the files.
        files: the files.
    """

    title: str
    folder: str
    mirrors: tuple[str, ...]
    files: tuple[RemoteFile, ...]

    def find(self, download: bool | None = None) -> Found:
        """Look in the cache, then download what is missing if that is wanted.

        Args:
            download: True or False; None means only with ``TORCHCOURSE_PRESET=full``, so
                that a quick run never touches the network.

        Raises:
            CorruptFileError: a file in the cache is not the official one.
        """
        folder = runtime.data_dir() / self.folder
        paths = {file.name: file.present_in(folder) for file in self.files}
        missing = [file for file in self.files if paths[file.name] is None]
        if missing:
            if download is None:
                download = runtime.preset() == "full"
            why_not = self._download(missing, folder) if download else self._how_to_get(missing)
            if why_not:
                return Found(None, why_not)
        return Found({name: path or folder / name for name, path in paths.items()})

    def _download(self, missing: list[RemoteFile], folder: Path) -> str:
        """Fetch the missing files; return why that failed, or an empty string."""
        failed_at, why = _failures.get(str(folder), (float("-inf"), ""))
        if time.monotonic() - failed_at < PAUSE_AFTER_FAILURE:
            return f"{why} (no new attempt for {PAUSE_AFTER_FAILURE:.0f} s)"
        megabytes = sum(file.size for file in missing) / 1e6
        print(f"{self.title}: downloading {megabytes:.1f} MB to {folder}")
        try:
            for file in missing:
                urls = [mirror + file.name for mirror in self.mirrors]
                fetch(urls, folder / file.name, file.sha256, size=file.size)
        except DownloadError as error:
            _failures[str(folder)] = (time.monotonic(), str(error))
            return str(error)
        return ""

    def _how_to_get(self, missing: list[RemoteFile]) -> str:
        megabytes = sum(file.size for file in missing) / 1e6
        size = f"{megabytes:.0f}" if megabytes >= 1 else f"{megabytes:.1f}"
        state = "" if len(missing) == len(self.files) else " (a part is there)"
        return (
            f"For {self.title}, a download of {size} MB{state}, call load(download=True) "
            "or set TORCHCOURSE_PRESET=full"
        )
