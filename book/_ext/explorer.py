"""Take the frames of explorers (figures with sliders) out of the page into files of their own.

`torchcourse.plot.explore` writes, while the site is built, an HTML figure whose frames are
`data:` pictures inside a JSON script. Sixty of them in a page would be loaded by everybody at
once; as files they are loaded when a slider asks for them, by `_static/explorer.mjs`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

FIGURE = re.compile(r'<figure class="explorer".*?</figure>', re.DOTALL)
FRAME = re.compile(r"data:image/webp;base64,([A-Za-z0-9+/=]+)")


def move_frames(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Write each frame below `_images/` and put its address where its bytes were."""
    if app.builder.format != "html":
        return
    page = app.builder.get_target_uri(docname)
    up = "../" * page.count("/")

    def file_of(match: re.Match) -> str:
        data = base64.b64decode(match[1])
        # Named by content: equal frames are stored once, changed ones are never cached stale.
        name = f"explorer-{hashlib.sha256(data).hexdigest()[:16]}.webp"
        target = Path(app.outdir, "_images", name)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return f"{up}_images/{name}"

    found = False
    for raw in doctree.findall(nodes.raw):
        if "html" in raw.get("format", "") and FIGURE.search(raw.astext()):
            found = True
            text = FIGURE.sub(lambda figure: FRAME.sub(file_of, figure[0]), raw.astext())
            raw.children = []
            raw.append(nodes.Text(text))
            raw.rawsource = text
    if found:
        script = f'<script type="module" src="{up}_static/explorer.mjs"></script>'
        doctree.append(nodes.raw("", script, format="html"))


def setup(app: Sphinx) -> dict:
    app.connect("doctree-resolved", move_frames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
