"""Build the site: run what changed, in parallel and each in an empty folder, then render.

`python -m tools.build [--only CHAPTER]`. Outputs are kept in a jupyter-cache, from which
Sphinx takes them; a notebook runs again when its code, the package or the requirements change.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat
import yaml
from jupyter_book.sphinx import build_sphinx
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract

from tools.run_lessons import run_alone

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
CACHE = BUILD / ".jupyter_cache"
STATIC = BUILD / "static"  # files made for the site; `html_static_path` names it too


def fingerprint(*patterns: str) -> str:
    """One hash over all files of the checkout that match."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in patterns for path in ROOT.glob(pattern)):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def forget_if_changed(folder: Path, key: str) -> None:
    """Empty a folder of derived files unless it was made under the same key."""
    stamp = folder / ".key"
    if not stamp.exists() or stamp.read_text() != key:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        stamp.write_text(key)


def table_of_contents(only: str | None) -> dict:
    """`_toc.yml`, whole or cut down to one chapter."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    if only is None:
        return toc
    parts = [
        part
        for part in toc["parts"]
        if any(f"/{only}/" in f"/{file}/" for file in _files(part) if file.startswith("lessons/"))
    ]
    if not parts:
        chapters = sorted({file.split("/")[1] for file in _files(toc) if "lessons/" in file})
        raise SystemExit(f"ONLY={only}: no such chapter; there are: {', '.join(chapters)}")
    return toc | {"parts": parts}


def _files(node: object) -> list[str]:
    """Every `file:` below a node of the table of contents."""
    if isinstance(node, list):
        return [file for item in node for file in _files(item)]
    if isinstance(node, dict):
        own = [node["file"]] if "file" in node else []
        return own + [file for value in node.values() for file in _files(value)]
    return []


def lesson_files(toc: dict) -> list[Path]:
    """The lessons of a table of contents; every file it names must be there."""
    named = [toc["root"], *_files(toc)]
    missing = [file for file in named if not list(ROOT.glob(f"{file}.*"))]
    if missing:
        raise SystemExit(f"_toc.yml names files that are not there: {', '.join(missing)}")
    return [ROOT / f"{file}.ipynb" for file in named if file.startswith("lessons/")]


def execute(paths: list[Path]) -> dict[Path, float]:
    """Run the notebooks that are not in the cache; returns the seconds each took.

    Every notebook runs in an empty temporary folder: it must need nothing but itself.
    """
    cache = get_cache(CACHE)
    pending = [path for path in paths if not _cached(cache, path)]
    if not pending:
        print(f"execute: all {len(paths)} notebooks are up to date")
        return {}
    workers = min(os.cpu_count() or 1, len(pending))
    _prepare_environment(workers)
    print(f"execute: {len(pending)} of {len(paths)} notebooks, {workers} at a time", flush=True)
    seconds, failed = {}, []
    with ThreadPoolExecutor(workers) as pool:
        jobs = {pool.submit(run_alone, path): path for path in pending}
        for number, job in enumerate(as_completed(jobs), start=1):
            path, run = jobs[job], job.result()
            name = path.relative_to(ROOT)
            verdict = "FAILED" if run.error else "ok"
            print(f"  [{number}/{len(pending)}] {name}  {run.seconds:.1f} s  {verdict}", flush=True)
            if run.error:
                failed.append((name, run.error))
                continue
            seconds[path] = run.seconds
            bundle = CacheBundleIn(run.notebook, str(path), data={"execution_seconds": run.seconds})
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    for name, message in failed:
        print(f"\n{name} failed:\n{message}", file=sys.stderr)
    if failed:
        raise SystemExit(f"{len(failed)} notebook(s) failed; the site was not built")
    return seconds


def _cached(cache: JupyterCacheAbstract, path: Path) -> bool:
    try:
        cache.match_cache_notebook(nbformat.read(path, as_version=4))
    except KeyError:
        return False
    return True


def _prepare_environment(workers: int) -> None:
    """What the kernels inherit."""
    os.environ["TORCHCOURSE_STATIC"] = "1"
    # A build must not depend on what happens to lie in the user's cache.
    os.environ.setdefault("TORCHCOURSE_DATA", str(BUILD / "data"))
    # Kernels side by side would otherwise fight for the same cores.
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // workers))


def export_demos() -> None:
    """Write the live demos' ONNX files, unless those there come from the same package."""
    forget_if_changed(STATIC, fingerprint("src/torchcourse/**/*", "requirements.txt"))
    if (STATIC / "demos").exists():
        return
    from torchcourse.export import write_demos  # takes seconds to import

    print("export: the models of the live demos", flush=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        write_demos(Path(folder) / "demos")
        (Path(folder) / "demos").rename(STATIC / "demos")  # all of them or none


def render(toc: dict, output: Path, stale: dict[Path, float], strict: bool) -> None:
    """Run Sphinx into `output`/html."""
    output.mkdir(parents=True, exist_ok=True)
    toc_file = output / ".toc.yml"
    text = yaml.safe_dump(toc, sort_keys=False, allow_unicode=True)
    if not toc_file.exists() or toc_file.read_text(encoding="utf-8") != text:
        toc_file.write_text(text, encoding="utf-8")
    doctrees = output / ".doctrees"
    forget_if_changed(
        doctrees,
        fingerprint("_config.yml", "book/_ext/*", "book/_templates/**/*", "requirements.txt"),
    )
    for path in stale:  # new outputs, same source: make Sphinx read the page again
        doctree = doctrees / path.relative_to(ROOT).with_suffix(".doctree")
        doctree.unlink(missing_ok=True)
    result = build_sphinx(
        str(ROOT),
        str(output / "html"),
        path_config=str(ROOT / "_config.yml"),
        noconfig=True,  # there is no conf.py; everything is in _config.yml
        confoverrides={
            "latex_individualpages": False,
            "external_toc_path": str(toc_file),
            "nb_execution_cache_path": str(CACHE),
        },
        doctreedir=str(doctrees),
        jobs=os.cpu_count() or 1,
        warningiserror=strict,
        keep_going=True,
    )
    if result:
        raise SystemExit(f"Sphinx failed: {result}")


def slowest(paths: list[Path], count: int = 5) -> list[tuple[float, Path]]:
    """The pages that took longest when they last ran."""
    cache = get_cache(CACHE)
    times = [
        (record.data.get("execution_seconds", 0.0), path)
        for path in paths
        for record in [cache.match_cache_notebook(nbformat.read(path, as_version=4))]
    ]
    return sorted(times, reverse=True)[:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="CHAPTER", help="build this chapter alone")
    only = parser.parse_args().only or None
    start = time.monotonic()
    toc = table_of_contents(only)
    lessons = lesson_files(toc)
    preset, data = (os.environ.get(f"TORCHCOURSE_{name}", "") for name in ("PRESET", "DATA"))
    source = fingerprint("src/torchcourse/**/*", "requirements.txt")
    forget_if_changed(CACHE, f"{source} {preset} {data}")
    ran = execute(lessons)
    export_demos()
    output = BUILD / "only" if only else BUILD
    render(toc, output, ran, strict=only is None)
    print(f"\nThe site is in {output / 'html' / 'index.html'}")
    print(f"Total {time.monotonic() - start:.0f} s. Slowest pages:")
    for seconds, path in slowest(lessons):
        print(f"  {seconds:6.1f} s  {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
