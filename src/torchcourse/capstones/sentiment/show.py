"""Explanations as HTML: Chinese text in the reader's own fonts, readable without colours, too."""

from __future__ import annotations

import html
from collections.abc import Sequence

from IPython.display import HTML

from torchcourse.chinese import english
from torchcourse.plot import COLORS

STRONGEST = 0.65  # opacity of the ground of the token with the largest weight
LARGEST, SMALLEST = 2.0, 0.9  # of a cloud's words, in em


def shaded(pairs: Sequence[tuple[str, float]], caption: str = "") -> HTML:
    """A text whose tokens are shaded by their weights, as `explain` gives them.

    Blue speaks for praise, orange for blame; a line below (praise) or above (blame) says the same
    without colours, and a token's number appears when the pointer rests on it.

    Args:
        pairs: (token, weight).
        caption: a line above the text.
    """
    largest = max((abs(weight) for _, weight in pairs), default=0.0) or 1.0
    tokens = "".join(_token(token, weight, abs(weight) / largest) for token, weight in pairs)
    title = f"<small>{html.escape(caption)}</small><br>" if caption else ""
    return HTML(f'<p>{title}<span lang="zh" style="font-size:1.15em">{tokens}</span></p>')


def _token(token: str, weight: float, share: float) -> str:
    colour = COLORS["blue" if weight > 0 else "orange"]
    ground = f"{colour}{round(255 * STRONGEST * share):02x}"  # the last two digits are the opacity
    line = ""
    if share > 0.3:  # a line under every sign would say nothing
        line = f"text-decoration:{'underline' if weight > 0 else 'overline'};"
    style = f"background:{ground};{line}padding:.1em .05em"
    return f'<span style="{style}" title="{weight:+.2f}">{html.escape(token)}</span>'


def cloud(keywords: dict[str, list[tuple[str, float]]]) -> HTML:
    """Keywords of each class, the larger the stronger, with what they mean where it is known.

    Args:
        keywords: class → (token, weight above 0), as `faithful.keywords` gives them.
    """
    parts = []
    for name, pairs in keywords.items():
        largest = max((weight for _, weight in pairs), default=1.0)
        shown = " ".join(_sized(token, weight / largest) for token, weight in pairs)
        parts.append(f"<p><strong>{html.escape(name)}</strong><br>{shown}</p>")
    return HTML("".join(parts))


def _sized(token: str, share: float) -> str:
    size = SMALLEST + (LARGEST - SMALLEST) * share
    meaning = english(token)
    below = f" <small>{html.escape(meaning)}</small>" if meaning else ""
    text = html.escape(token.removeprefix("##"))
    return f'<span lang="zh" style="font-size:{size:.2f}em">{text}</span>{below}'
