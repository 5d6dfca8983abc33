"""What the capstone can do: recognise a digit, read numbers, work out sums."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from importlib.resources import as_file, files

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from .ctc import ALPHABET, LineReader, decode, make_strip, sign_boxes
from .expressions import ExpressionError, evaluate
from .lattice import read_both
from .model import DigitNet
from .pages import Box
from .pictures import Picture
from .preprocess import prepare, read_ink
from .segment import find_lines, read_by_segments

ROUTES = ("both", "reader", "segments")
DIGITS = "0123456789"


@dataclass(frozen=True)
class Prediction:
    """One digit: `digit` is 0 to 9, `probabilities` are those of 0 to 9 and sum to 1."""

    digit: int
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Reading:
    """What stands on a page.

    Attributes:
        text: lines from top to bottom, separated by a newline; empty if nothing is written.
        boxes: of every sign (without the newlines), in pixels of the picture given:
            left, top, width, height.
        confidences: the network's probability of every sign, in ``[0, 1]``.
    """

    text: str = ""
    boxes: tuple[Box, ...] = ()
    confidences: tuple[float, ...] = ()


@dataclass(frozen=True)
class Expression:
    """A sum and its value.

    Attributes:
        text: what was read, in digits and ``+ − × ÷ ( )``.
        value: exact, or None if the text has no value.
        problem: why there is no value, else empty.
        reading: boxes and confidences of the signs.
    """

    text: str
    value: Fraction | None
    problem: str = ""
    reading: Reading = Reading()


@lru_cache(maxsize=1)
def load_model() -> DigitNet:
    """The recorded digit network, in eval mode, on the CPU."""
    return _load(DigitNet(), "model.safetensors")


@lru_cache(maxsize=1)
def load_reader() -> LineReader:
    """The recorded line reader, in eval mode, on the CPU."""
    return _load(LineReader(), "reader.safetensors")


def _load(model: nn.Module, name: str) -> nn.Module:
    with as_file(files("torchcourse") / "weights" / "cap1_digits" / name) as path:
        model.load_state_dict(load_file(path))
    return model.eval()


@torch.no_grad()
def classify(image: Picture, model: DigitNet | None = None) -> Prediction:
    """Recognise one handwritten digit.

    Args:
        image: a path, a PIL image or an array, of any size and either polarity.
        model: another network than the recorded one.

    Raises:
        PictureError: if the picture cannot be read.
        NoInkError: if nothing is written on it.
    """
    ink = prepare(image)  # (1, 1, 28, 28)
    probabilities = (model or load_model())(ink).softmax(1)[0]
    return Prediction(int(probabilities.argmax()), tuple(probabilities.tolist()))


def read_number(image: Picture, route: str = "both") -> Reading:
    """Read handwritten digits, in one line or several.

    Args:
        image: as for :func:`classify`.
        route: ``"reader"`` reads each line as a whole (CTC); ``"segments"`` cuts it into digits
            first; ``"both"`` weighs one against the other: the best on tidy pages, level with the
            reader where digits touch or lean, see `metrics.json`.

    Returns:
        the reading; an empty one if the page is blank.

    Raises:
        PictureError: if the picture cannot be read.
        ValueError: for an unknown route.
    """
    if route not in ROUTES:
        raise ValueError(f"route is {route!r}; expected one of {', '.join(ROUTES)}")
    ink, scale = read_ink(image)
    if route == "segments":
        return _to_picture(segment_reading(ink), scale)
    return _to_picture(line_reading(ink, DIGITS, second_opinion=route == "both"), scale)


def read_expression(image: Picture) -> Expression:
    """Read a handwritten sum and work it out exactly.

    Args:
        image: as for :func:`classify`; one line with digits and ``+ − × ÷ ( )``.

    Returns:
        the expression; its value is None and `problem` says why if nothing is written, if it is
        no sum, or if it divides by zero.

    Raises:
        PictureError: if the picture cannot be read.
    """
    ink, scale = read_ink(image)
    reading = _to_picture(line_reading(ink, ALPHABET, second_opinion=True), scale)
    if "\n" in reading.text:
        problem = "there is more than one line; write one sum on one line"
        return Expression(reading.text, None, problem, reading)
    try:
        return Expression(reading.text, evaluate(reading.text), "", reading)
    except ExpressionError as error:
        return Expression(reading.text, None, str(error), reading)


@torch.no_grad()
def line_reading(
    ink: Tensor,
    allowed: str,
    reader: LineReader | None = None,
    model: DigitNet | None = None,
    second_opinion: bool = False,
) -> Reading:
    """Read an ink map (H, W) line by line with the CTC reader; boxes in its pixels.

    Args:
        ink: as `read_ink` returns it.
        allowed: the signs that may occur.
        reader: another line reader than the recorded one.
        model: another digit network than the recorded one.
        second_opinion: whether the digit network is heard too.
    """
    texts, boxes, confidences = [], [], []
    for line in find_lines(ink.numpy()):
        strip, scale = make_strip(line)  # (1, 24, W)
        logits = (reader or load_reader())(strip[None])[0]  # (T, 17)
        signs = decode(logits, allowed)
        if not signs:
            continue
        if second_opinion:
            found = read_both(line, logits, scale, signs, log_probabilities(model), allowed)
            found = [(text, piece.box, sure) for piece, text, sure in found]
        else:
            found = [
                (sign.text, box, sign.confidence)
                for sign, box in zip(signs, sign_boxes(signs, line, scale), strict=True)
            ]
        texts.append("".join(text for text, _, _ in found))
        boxes += [box for _, box, _ in found]
        confidences += [sure for _, _, sure in found]
    return Reading("\n".join(texts), tuple(boxes), tuple(confidences))


def segment_reading(ink: Tensor, model: DigitNet | None = None) -> Reading:
    """Read an ink map (H, W) digit by digit; boxes in its pixels."""
    lines = read_by_segments(ink.numpy(), log_probabilities(model))
    parts = [part for line in lines for part in line]
    return Reading(
        "\n".join("".join(str(digit) for _, digit, _ in line) for line in lines),
        tuple(piece.box for piece, _, _ in parts),
        tuple(probability for _, _, probability in parts),
    )


def log_probabilities(model: DigitNet | None = None):
    """A function from prepared digits (N, 1, 28, 28) to log-probabilities (N, 10)."""
    network = model or load_model()

    @torch.no_grad()
    def classify_batch(batch: Tensor) -> Tensor:
        return network(batch).log_softmax(1)

    return classify_batch


def _to_picture(reading: Reading, scale: float) -> Reading:
    """Boxes in pixels of the picture that was given, before it was shrunk."""
    if scale == 1:
        return reading
    boxes = tuple(tuple(round(side / scale) for side in box) for box in reading.boxes)
    return Reading(reading.text, boxes, reading.confidences)
