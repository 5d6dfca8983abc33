"""Take the pictures of explorers (figures with sliders) and films out of the page into files.

`torchcourse.plot.explore` writes, while the site is built, an HTML figure whose frames are
`data:` pictures inside a JSON script. Sixty of them in a page would be loaded by everybody at
once; as files they are loaded when a slider asks for them, by `_static/explorer.mjs`. A film
(`<details class="film">`) holds its pictures in the same way.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

EXPLORER = '<figure class="explorer"'
HOLDER = re.compile(EXPLORER + r'.*?</figure>|<details open class="film">.*?</details>', re.DOTALL)
FRAME = re.compile(r"data:image/(webp|gif|png);base64,([A-Za-z0-9+/=]+)")


def move_frames(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Write each frame below `_images/` and put its address where its bytes were."""
    if app.builder.format != "html":
        return
    page = app.builder.get_target_uri(docname)
    up = "../" * page.count("/")

    def file_of(match: re.Match) -> str:
        data = base64.b64decode(match[2])
        # Named by content: equal frames are stored once, changed ones are never cached stale.
        kind = "explorer" if match[1] == "webp" else "film"
        name = f"{kind}-{hashlib.sha256(data).hexdigest()[:16]}.{match[1]}"
        target = Path(app.outdir, "_images", name)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return f"{up}_images/{name}"

    found = False
    for raw in doctree.findall(nodes.raw):
        if "html" in raw.get("format", "") and HOLDER.search(raw.astext()):
            found = found or EXPLORER in raw.astext()
            text = HOLDER.sub(lambda holder: FRAME.sub(file_of, holder[0]), raw.astext())
            raw.children = []
            raw.append(nodes.Text(text))
            raw.rawsource = text
    if found:
        script = f'<script type="module" src="{up}_static/explorer.mjs"></script>'
        doctree.append(nodes.raw("", script, format="html"))


def setup(app: Sphinx) -> dict:
    app.connect("doctree-resolved", move_frames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
