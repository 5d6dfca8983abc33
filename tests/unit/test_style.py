"""What pre-commit asks of every commit holds for the whole tree."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tools.notebooks import ROOT

FOLDERS = ("src", "tests", "tools", "book/_ext", "lessons", "solutions")


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_ruff_finds_nothing(command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, *FOLDERS],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_notebooks_are_in_their_committed_form():
    done = subprocess.run(
        [sys.executable, "-m", "tools.notebooks", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
