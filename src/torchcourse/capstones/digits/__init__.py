"""Capstone 1: handwritten digits, one, many, and sums.

>>> from torchcourse.capstones import digits
>>> digits.classify("seven.png").digit  # doctest: +SKIP
7
>>> digits.read_number("page.jpg").text  # doctest: +SKIP
'31415\\n92653'
>>> digits.read_expression("sum.png")  # doctest: +SKIP
Expression(text='12÷(4−1)', value=Fraction(4, 1), ...)
"""

from .pictures import NoInkError, PictureError
from .reading import (
    Expression,
    Prediction,
    Reading,
    classify,
    load_model,
    load_reader,
    read_expression,
    read_number,
)

__all__ = [
    "Expression",
    "NoInkError",
    "PictureError",
    "Prediction",
    "Reading",
    "classify",
    "load_model",
    "load_reader",
    "read_expression",
    "read_number",
]
