"""Files that appear whole or not at all, whenever the process may die."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READABLE = 0o644  # mkstemp's files are private; a site and other users must be able to read them


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary file that takes the place of `path` once the block has ended well.

    After an error it is removed, and an older file at `path` is as it was. The folder is made if
    it is missing.

    Args:
        path: the file to write.

    Yields:
        the empty temporary file, beside `path`: a rename is atomic only within one disk. It ends
        as `path` does, for those who choose a format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # No name that begins with a dot: torch.save calls its archive by what stands before the last.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix="writing-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # on the disk, before the name points to it
        os.chmod(temporary, READABLE)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
