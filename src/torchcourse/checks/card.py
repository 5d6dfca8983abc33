"""The answer of a check: an HTML card in a notebook, the same as plain text in a terminal."""

from __future__ import annotations

import base64
import html
import io
import textwrap
from dataclasses import dataclass

import numpy as np
import torch
from IPython.display import display
from PIL import Image
from torch import Tensor

from torchcourse.checks.compare import has_values, is_close, kind

PASSED, NOT_YET, TO_DO, BROKEN = "passed", "not yet", "still to do", "the check itself failed"
# Sign and colour (Okabe–Ito); the words carry the meaning, so no card depends on colour alone.
LOOKS = {
    PASSED: ("✓", "#009E73"),
    NOT_YET: ("✗", "#D55E00"),
    TO_DO: ("…", "#56B4E9"),
    BROKEN: ("!", "#CC79A7"),
}
FEW = 32  # numbers that are shown below a picture as well
MOST_PICTURES = 24
MOST_CELLS = 120  # of a table: more numbers than that are no help side by side
PLAIN = "style='background:transparent;color:inherit;border:0;margin:.2em 0;padding:0"
MOST_LINES, MOST_COLUMNS = 14, 78


class Absent:
    """Stands for "nothing to show": None is something a learner may well return."""


ABSENT = Absent()


@dataclass(frozen=True)
class Card:
    """One answer. `expected` and `gave` are shown side by side; `called` says how to repeat it."""

    exercise: str
    state: str
    headline: str
    next_step: str = ""
    called: str = ""
    error: str = ""  # the message of an exception in the learner's code
    expected: object = ABSENT
    gave: object = ABSENT
    picture: bool = False  # expected and gave are images (…, C, H, W) or (H, W)
    printed: str = ""

    @property
    def passed(self) -> bool:
        return self.state == PASSED

    def show(self) -> None:
        """Display in a notebook, print in a terminal."""
        display(self)

    def _sides(self) -> list[tuple[str, object, object]]:
        pairs = [("expected", self.expected, self.gave), ("you gave", self.gave, self.expected)]
        return [(label, one, other) for label, one, other in pairs if one is not ABSENT]

    def __repr__(self) -> str:
        sign, _ = LOOKS[self.state]
        parts = [f"{sign} {self.exercise}: {self.state}. {self.headline}"]
        if self.called:
            parts.append(_indent(self.called))
        if self.error:
            lines = [textwrap.fill(line, MOST_COLUMNS) for line in self.error.splitlines()]
            parts.append(_indent("\n".join(lines)))
        parts += [f"  {label}:\n{_indent(as_text(value))}" for label, value, _ in self._sides()]
        if self.next_step:
            parts.append(f"  Next step: {self.next_step}")
        if self.printed:
            parts.append(f"  Your code printed:\n{_indent(self.printed)}")
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        sign, colour = LOOKS[self.state]
        body = f"<p style='margin:.3em 0'>{_prose(self.headline)}</p>"
        if self.called:
            body += _pre(self.called)
        if self.error:
            body += f"<pre {PLAIN};white-space:pre-wrap'><b>{html.escape(self.error)}</b></pre>"
        if sides := self._sides():
            panels = "".join(
                f"<div style='margin-right:2em'><small><b>{label}</b></small>"
                f"{_panel(value, other, self.picture)}</div>"
                for label, value, other in sides
            )
            body += f"<div style='display:flex;flex-wrap:wrap'>{panels}</div>"
        if self.next_step:
            body += f"<p style='margin:.3em 0'><b>Next step.</b> {_prose(self.next_step)}</p>"
        if self.printed:
            body += f"<small>Your code printed:</small>{_pre(self.printed)}"
        # `inherit` and a see-through ground: readable on light and on dark, in every notebook.
        return (
            f"<div role='status' style='border-left:.4em solid {colour};background:{colour}1a;"
            "color:inherit;padding:.5em 1em;margin:.3em 0;max-width:60em;overflow-x:auto'>"
            f"<b><span style='color:{colour}' aria-hidden='true'>{sign}</span> "
            f"{html.escape(self.exercise)}: {self.state}</b>{body}</div>"
        )


class NotYet(Exception):
    """Makes a cell fail (for nbgrader and nbval) while the reader sees only the card."""

    def _render_traceback_(self, *ignored: object) -> list[str]:
        """IPython, from 7 on, shows these lines in place of a traceback."""
        return [str(self)]


def as_text(value: object) -> str:
    """A short text for any value; never runs code of a class we do not know."""
    if isinstance(value, Tensor):
        head = f"shape {tuple(value.shape)}, {value.dtype}"
        return _clip(f"{head}\n{_numbers(value)}")
    if isinstance(value, np.ndarray):
        return _clip(f"NumPy array, shape {value.shape}, {value.dtype}\n{value}")
    if isinstance(value, (list, tuple)) and value:
        return _clip("\n".join(f"{i}: {as_text(part)}" for i, part in enumerate(value[:6])))
    if value is None or value is ... or isinstance(value, (bool, int, float, complex, str, bytes)):
        return _clip(repr(value))
    if isinstance(value, (list, tuple, dict, set)):
        return f"{kind(value)} of length {len(value)}"
    return kind(value)


def _numbers(value: Tensor) -> str:
    if not has_values(value):
        return f"({'meta' if value.is_meta else value.layout}, no plain values)"
    value = value.detach().cpu()
    if value.dtype in (torch.bfloat16, torch.float16):
        value = value.float()
    text = np.array2string(
        value.numpy(), precision=4, suppress_small=True, threshold=60, max_line_width=MOST_COLUMNS
    )
    return "\n".join(line for line in text.splitlines() if line.strip())


def _clip(text: str) -> str:
    lines = [
        line if len(line) <= MOST_COLUMNS else line[: MOST_COLUMNS - 1] + "…"
        for line in text.splitlines()
    ]
    return "\n".join(lines if len(lines) <= MOST_LINES else [*lines[:MOST_LINES], "…"])


def _indent(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())


def _prose(text: str) -> str:
    """Escaped text in which `code` becomes code."""
    pieces = html.escape(text, quote=False).split("`")
    return "".join(
        f"<code>{piece}</code>" if number % 2 else piece for number, piece in enumerate(pieces)
    )


def _pre(text: str) -> str:
    return f"<pre {PLAIN}'>{html.escape(text, quote=False)}</pre>"


def _panel(value: object, other: object, picture: bool) -> str:
    if isinstance(value, Tensor) and has_values(value):
        if picture and 2 <= value.ndim <= 4 and _real(value):
            text = as_text(value)
            few = value.numel() <= FEW
            return _pictures(value, other) + _pre(text if few else text.splitlines()[0])
        if 1 <= value.ndim <= 2 and 0 < value.numel() <= MOST_CELLS:
            return _table(value, other)
    return _pre(as_text(value))


def _table(value: Tensor, other: object) -> str:
    """Numbers in a grid; cells that differ from the other side are framed."""
    if isinstance(other, Tensor) and has_values(other) and other.shape == value.shape:
        differs = ~is_close(value, other)
    else:
        differs = torch.zeros(value.shape, dtype=torch.bool)
    rows, marks = (
        value.detach().cpu().reshape(-1, value.shape[-1]),
        differs.reshape(-1, value.shape[-1]),
    )
    cell = "<td style='padding:.1em .5em;text-align:right;border:1px solid {}'>{}</td>"
    lines = "".join(
        "<tr style='background:transparent'>"
        + "".join(
            cell.format(LOOKS[NOT_YET][1] if mark else "transparent", _number(number))
            for number, mark in zip(row.tolist(), flags.tolist(), strict=True)
        )
        + "</tr>"
        for row, flags in zip(rows, marks, strict=True)
    )
    head = _pre(as_text(value).splitlines()[0])
    return f"{head}<table style='color:inherit;border-collapse:collapse'>{lines}</table>"


def _real(value: object) -> bool:
    """A tensor with numbers that can be drawn."""
    if not isinstance(value, Tensor) or not has_values(value):
        return False
    return value.numel() > 0 and not value.is_complex()


def _number(number: object) -> str:
    return f"{number:.4g}" if isinstance(number, float) else str(number)


def _pictures(value: Tensor, other: object) -> str:
    """(H, W), (C, H, W) or (N, C, H, W) as small pictures, enlarged without blurring.

    Black and white are the extremes of both sides together, so that they can be compared.
    """
    both = [side.detach().cpu().float().nan_to_num() for side in (value, other) if _real(side)]
    low, high = min(side.min() for side in both), max(side.max() for side in both)
    batch = both[0].reshape(-1, *([1] if value.ndim == 2 else []), *value.shape[-3:])
    if batch.shape[1] not in (1, 3):
        batch = batch.mean(1, keepdim=True)
    batch = (batch - low) / (high - low).clamp(min=1e-9) * 255
    shown = "".join(_png(picture) for picture in batch[:MOST_PICTURES].round().byte())
    return f"<div style='display:flex;flex-wrap:wrap;max-width:32em'>{shown}</div>"


def _png(picture: Tensor) -> str:
    """One (C, H, W) uint8 picture, C 1 or 3, as an HTML image."""
    file = io.BytesIO()
    pixels = picture.expand(3, -1, -1).permute(1, 2, 0).contiguous()  # (H, W, 3)
    Image.fromarray(pixels.numpy()).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    height, width = picture.shape[-2:]
    return (
        f"<img alt='picture of {height} × {width} pixels' src='data:image/png;base64,{data}'"
        " style='image-rendering:pixelated;height:4em;margin:.2em'>"
    )
