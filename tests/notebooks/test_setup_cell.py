"""The set-up cell: on a stubbed Colab, offline, and where the package is there already."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.notebooks import ROOT, setup_source

# Run by Python at start-up: takes the checkout away, as on a machine that has all but the course.
HIDE_PACKAGE = """
import sys
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in str(f)]
sys.path[:] = [p for p in sys.path if not p.rstrip("/").endswith("src")]
"""
STUB_COLAB = "\nimport google.colab\n"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The package as pip gets it from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    source = folder / "source"  # a copy: building leaves folders behind
    subprocess.run(["git", "-C", ROOT, "checkout-index", "-a", f"--prefix={source}/"], check=True)
    subprocess.run([*pip, "--wheel-dir", folder, source], check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture
def learner(tmp_path):
    """An environment in which the course is not installed; `target` is where pip puts it."""
    start, target = tmp_path / "start", tmp_path / "target"
    (start / "google" / "colab").mkdir(parents=True)
    (start / "google" / "colab" / "__init__.py").touch()
    target.mkdir()

    def environment(colab: bool, **more: str) -> dict[str, str]:
        hide = HIDE_PACKAGE + (STUB_COLAB if colab else "")
        (start / "sitecustomize.py").write_text(hide)
        own = {
            "PYTHONPATH": f"{start}{os.pathsep}{target}",
            "PIP_TARGET": str(target),
            "PIP_NO_BUILD_ISOLATION": "1",
        }
        return os.environ | own | more

    environment.target = target
    return environment


def run(code: str, environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def test_installs_the_package_alone_and_leaves_torch(learner, wheel, tmp_path):
    code = (
        setup_source() + "\nimport torch, torchcourse; print(torchcourse.__file__, torch.__file__)"
    )
    done = run(code, learner(colab=True, TORCHCOURSE_SOURCE=str(wheel)), tmp_path)
    assert done.returncode == 0, done.stderr
    course, torch = done.stdout.split()
    assert course.startswith(str(learner.target))
    assert not torch.startswith(str(learner.target))
    installed = {path.name for path in learner.target.iterdir() if path.suffix != ".dist-info"}
    assert installed == {"torchcourse"}


def test_a_lesson_runs_from_its_file_alone_with_the_installed_package(learner, wheel, tmp_path):
    lesson = ROOT / "lessons/ch01_tensors/01_create.ipynb"
    out = tmp_path / "executed.ipynb"
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", lesson]
    done = subprocess.run(
        [*command, "--output", out, "--ExecutePreprocessor.cwd", str(tmp_path)],
        cwd=tmp_path,
        env=learner(colab=True, TORCHCOURSE_SOURCE=str(wheel)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (learner.target / "torchcourse").is_dir(), "the lesson used another copy of the package"


def test_says_so_when_the_network_is_down_and_installs_nothing(learner, tmp_path):
    offline = {"HTTPS_PROXY": "http://127.0.0.1:9", "PIP_RETRIES": "0", "PIP_DEFAULT_TIMEOUT": "2"}
    done = run(setup_source(), learner(colab=True, **offline), tmp_path)
    assert done.returncode != 0
    assert "Nothing was installed. Check the connection" in done.stderr
    assert list(learner.target.iterdir()) == []


def test_a_download_cut_short_installs_nothing(learner, wheel, tmp_path):
    half = tmp_path / wheel.name
    half.write_bytes(wheel.read_bytes()[: wheel.stat().st_size // 2])
    done = run(setup_source(), learner(colab=True, TORCHCOURSE_SOURCE=str(half)), tmp_path)
    assert done.returncode != 0
    assert "Nothing was installed" in done.stderr
    assert list(learner.target.iterdir()) == []


def test_off_colab_it_says_what_to_type(learner, tmp_path):
    done = run(setup_source(), learner(colab=False), tmp_path)
    assert done.returncode != 0
    assert "torchcourse is not installed" in done.stderr
    assert "pip install" in done.stderr


def test_does_nothing_where_the_package_is_there(tmp_path):
    code = "import subprocess\nsubprocess.run = None\n" + setup_source() + "\nprint('fine')"
    done = run(code, dict(os.environ), tmp_path)
    assert done.stdout == "fine\n", done.stderr


def test_the_wheel_holds_every_file_of_the_package(wheel):
    import zipfile

    tracked = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "src/torchcourse"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert [name for name in tracked if name.removeprefix("src/") not in inside] == []
