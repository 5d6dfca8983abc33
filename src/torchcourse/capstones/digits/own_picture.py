"""Your own picture in a notebook: upload or photograph one, or draw on a pad.

Both ways call a function with the picture and show the text it returns. While the site is built
there is nobody to answer, so both say in a sentence where they will appear.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Callable

import ipywidgets
import numpy as np
from IPython.display import display
from PIL import Image, ImageDraw

from torchcourse.runtime import is_static_build

from .pictures import PictureError

Answer = Callable[[object], str]  # from a picture, as `read_grey` takes it, to a text


def offer_upload(answer: Answer) -> None:
    """Let the user choose a picture, or take one with a phone's camera, and show the answer.

    In Jupyter a button appears and the notebook goes on; on Colab the cell waits until a picture
    has been chosen or the dialogue cancelled (Colab's own button fails above 1 MB, as most
    photographs are).
    """
    if is_static_build():
        print("In Jupyter or Colab, a button to choose or take a picture appears here.")
    elif "google.colab" in sys.modules:
        from google.colab import files

        for name, content in files.upload().items():
            print(f"{name}: {_reply(answer, content)}")
    else:
        display(make_upload(answer))


def make_upload(answer: Answer) -> ipywidgets.VBox:
    """The button of :func:`offer_upload` in Jupyter, with the answer below it."""
    button = ipywidgets.FileUpload(accept="image/*", multiple=False, description="Your picture")
    words = ipywidgets.HTML()

    def read(_) -> None:
        # ipywidgets 7 keeps a dictionary from names to files, ipywidgets 8 a tuple of files.
        files = button.value.values() if isinstance(button.value, dict) else button.value
        for file in files:
            words.value = html.escape(_reply(answer, bytes(file["content"])))

    button.observe(read, names="value")
    return ipywidgets.VBox([button, words])


def offer_pad(answer: Answer, width: int = 560, height: int = 200, pen: int = 14) -> None:
    """Show a sheet to draw on with mouse or finger; the answer follows every stroke.

    Args:
        answer: called with the drawing, (height, width) uint8, dark ink on white.
        width: of the sheet, in pixels.
        height: of the sheet, in pixels.
        pen: width of its line, in pixels.

    It needs ipycanvas, which draws in Jupyter but not on Colab; where it is missing, a sentence
    says what to do instead.
    """
    if is_static_build():
        print("In Jupyter, a pad to draw on appears here.")
    elif "google.colab" in sys.modules:
        print("Colab shows no drawing pad. Draw on paper or in a paint program, and upload that.")
    else:
        try:
            display(make_pad(answer, width, height, pen))
        except ImportError:
            print(
                "The drawing pad needs ipycanvas: `pip install ipycanvas`, then reload the page. "
                "Or draw on paper, and upload a photograph."
            )


def make_pad(answer: Answer, width: int, height: int, pen: int) -> ipywidgets.VBox:
    """The sheet of :func:`offer_pad`, a button that clears it, and the answer."""
    from ipycanvas import Canvas

    sheet = Sheet(width, height, pen)
    canvas = Canvas(width=width, height=height)
    canvas.line_width, canvas.line_cap = pen, "round"
    clear, words = ipywidgets.Button(description="Clear"), ipywidgets.HTML("Draw above.")

    def wipe(_=None) -> None:
        sheet.clear()
        canvas.fill_style = "white"
        canvas.fill_rect(0, 0, width, height)
        words.value = "Draw above."

    def draw(x: float, y: float) -> None:
        for line in sheet.move(x, y):
            canvas.stroke_line(*line)

    def stop(*_) -> None:
        if sheet.stop():
            words.value = html.escape(_reply(answer, sheet.picture()))

    canvas.on_mouse_down(sheet.start)
    canvas.on_mouse_move(draw)
    canvas.on_mouse_up(stop)
    canvas.on_mouse_out(stop)
    canvas.on_touch_start(lambda fingers: sheet.start(*fingers[0]) if fingers else None)
    canvas.on_touch_move(lambda fingers: draw(*fingers[0]) if fingers else None)
    canvas.on_touch_end(stop)
    canvas.on_touch_cancel(stop)
    clear.on_click(wipe)
    wipe()
    return ipywidgets.VBox([canvas, clear, words])


class Sheet:
    """What a pen has drawn: the strokes, and the picture they make."""

    def __init__(self, width: int, height: int, pen: int) -> None:
        self.size, self.pen = (width, height), pen
        self.clear()

    def clear(self) -> None:
        """Take a new sheet."""
        self.strokes: list[list[tuple[float, float]]] = []
        self.is_down = False

    def start(self, x: float, y: float) -> None:
        """Put the pen down."""
        self.strokes.append([(x, y)])
        self.is_down = True

    def move(self, x: float, y: float) -> list[tuple[float, float, float, float]]:
        """Move the pen; the lines that this adds, none while the pen is up."""
        if not self.is_down:
            return []
        stroke = self.strokes[-1]
        stroke.append((x, y))
        return [(*stroke[-2], *stroke[-1])]

    def stop(self) -> bool:
        """Lift the pen; True if it was down."""
        was_down, self.is_down = self.is_down, False
        return was_down

    def picture(self) -> np.ndarray:
        """(height, width) uint8, dark ink on white."""
        image = Image.new("L", self.size, 255)
        pencil, radius = ImageDraw.Draw(image), self.pen / 2
        for stroke in self.strokes:
            pencil.line(stroke, fill=0, width=self.pen, joint="curve")
            for x, y in stroke:  # round ends, and a dot where the pen did not move
                pencil.ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
        return np.array(image)


def _reply(answer: Answer, picture: object) -> str:
    """The answer, or in words why there is none."""
    try:
        return answer(picture)
    except PictureError as error:
        return f"No answer: {error}."
