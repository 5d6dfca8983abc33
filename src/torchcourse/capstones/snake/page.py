"""Films in a notebook and its page. The film can be folded away, and who asks for less motion
sees its last picture instead."""

from __future__ import annotations

import base64
import html
import io

from IPython.display import HTML, display

from torchcourse.capstones.snake.film import Film


def film_html(film: Film, alt: str) -> str:
    """The saved GIF and its last picture, both inside the HTML, so that no file is needed.

    Args:
        film: with at least one picture; its path ends in .gif.
        alt: a sentence that says what the film shows, for those who cannot see it.
    """
    if film.path.suffix != ".gif":
        raise ValueError(f"{film.path}: a page shows .gif films; give the Film a path in .gif.")
    still = io.BytesIO()
    film.frames[-1].save(still, format="PNG")
    width, height = film.frames[-1].size
    moving, last = _data("gif", film.save().read_bytes()), _data("png", still.getvalue())
    return (
        '<details open class="film"><summary>Film (fold it away to stop it)</summary><picture>'
        f'<source srcset="{last}" media="(prefers-reduced-motion: reduce)">'
        f'<img src="{moving}" alt="{html.escape(alt)}" width="{width}" height="{height}">'
        "</picture></details>"
    )


def show_film(film: Film, alt: str) -> None:
    """Save the film and show it below the cell; the arguments are those of ``film_html``."""
    display(HTML(film_html(film, alt)))


def _data(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
