"""Upload and drawing pad, with the events a browser would send."""

import io
import sys
from datetime import datetime, timezone

import ipywidgets
import numpy as np
import pytest
from PIL import Image

from torchcourse.capstones import digits
from torchcourse.capstones.digits import own_picture
from torchcourse.capstones.digits.own_picture import Sheet, make_pad, make_upload


def name_of(picture) -> str:
    """The answer of a notebook."""
    return f"a {digits.classify(picture).digit}"


def seven(send) -> None:
    """Draw a 7 in 200 × 200 pixels."""
    send("start", 60, 50)
    for x, y in [(100, 50), (140, 50), (120, 100), (100, 160)]:
        send("move", x, y)
    send("stop", 100, 160)


def png(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, format="PNG")
    return stream.getvalue()


def test_sheet_draws_only_while_the_pen_is_down():
    sheet = Sheet(200, 100, 10)
    assert sheet.move(50, 50) == [] and not sheet.stop()
    assert sheet.picture().shape == (100, 200) and sheet.picture().min() == 255
    sheet.start(20, 50)
    assert sheet.move(80, 50) == [(20, 50, 80, 50)] and sheet.stop()
    picture = sheet.picture()
    assert picture[50, 50] == 0 and picture[50, 100] == 255
    sheet.clear()
    assert sheet.picture().min() == 255


def test_a_dot_is_ink():
    sheet = Sheet(40, 40, 10)
    sheet.start(20, 20)
    assert sheet.picture()[20, 20] == 0


@pytest.mark.parametrize("by", ["mouse", "touch"])
def test_pad_answers_after_every_stroke(by):
    pytest.importorskip("ipycanvas")
    pad = make_pad(name_of, 200, 200, 16)
    canvas, clear, words = pad.children
    names = {"mouse": ("down", "move", "up"), "touch": ("start", "move", "end")}[by]
    names = dict(zip(("start", "move", "stop"), names, strict=True))

    def send(kind: str, x: float, y: float) -> None:
        content = {"event": f"{by}_{names[kind]}", "x": x, "y": y}
        content["touches"] = [] if kind == "stop" else [{"x": x, "y": y}]
        canvas._handle_frontend_event(canvas, content, [])

    seven(send)
    assert words.value == "a 7"
    clear.click()
    assert words.value == "Draw above."


def test_upload_answers_in_both_versions_of_ipywidgets():
    sheet = Sheet(200, 200, 16)
    seven(lambda kind, x, y: getattr(sheet, kind)(*(() if kind == "stop" else (x, y))))
    box = make_upload(name_of)
    button, words = box.children
    files = {"name": "7.png", "type": "image/png", "content": memoryview(png(sheet.picture()))}
    if int(ipywidgets.__version__.split(".")[0]) >= 8:
        button.value = ({**files, "size": 1, "last_modified": datetime.now(timezone.utc)},)
    else:
        button.value = {"7.png": {**files, "content": bytes(files["content"])}}
    assert words.value == "a 7"


def test_a_picture_without_an_answer_gives_words():
    assert "no ink" in own_picture._reply(name_of, np.full((50, 50), 255, np.uint8))
    assert "cannot be read" in own_picture._reply(name_of, b"no picture")


def test_the_static_page_gets_words_and_no_widget(monkeypatch, capsys):
    monkeypatch.setenv("TORCHCOURSE_STATIC", "1")
    own_picture.offer_upload(name_of)
    own_picture.offer_pad(name_of)
    assert capsys.readouterr().out.count("appears here") == 2


def test_without_ipycanvas_a_sentence_says_what_to_do(monkeypatch, capsys):
    monkeypatch.delenv("TORCHCOURSE_STATIC", raising=False)
    monkeypatch.setitem(sys.modules, "ipycanvas", None)
    own_picture.offer_pad(name_of)
    assert "pip install ipycanvas" in capsys.readouterr().out
