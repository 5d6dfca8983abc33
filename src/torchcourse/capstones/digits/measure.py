"""How well pages and sums are read: exact whole strings, with intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from torchcourse.recording import share

from .ctc import ALPHABET, LineReader
from .expressions import ExpressionError, evaluate, random_expression
from .model import DigitNet
from .pages import STYLES, Glyphs, Page, Style, make_page, random_digits
from .preprocess import ink_map
from .reading import DIGITS, line_reading, log_probabilities, segment_reading
from .segment import read_by_old_recipe

#: What pages are measured under: the style, and how many lines of five digits.
CONDITIONS = {style: (style, 1) for style in STYLES} | {"two lines": ("clean", 2)}
MAIN_CONDITIONS = ("clean", "touching", "slanted", "uneven light and noise")
FAILURES = 6  # kept of every condition, to look at: their pages come again from the same seed
#: Sums are measured on tidy paper and on paper as it comes: a slope, a slant, a shadow, some grain.
SUM_STYLES = {
    "clean": STYLES["clean"],
    "everyday": Style(
        gap=(2, 8), slant=(0.0, 0.3), slope=2, shadow=0.4, noise=(0.0, 0.04), contrast=(0.5, 0.95)
    ),
}


def exact_share(pairs: list[tuple[str, str]]) -> dict:
    """Share of (written, read) that agree, and the first failures with the page's number."""
    failures = [
        {"page": number, "written": written, "read": read}
        for number, (written, read) in enumerate(pairs)
        if written != read
    ]
    return share(len(pairs) - len(failures), len(pairs)) | {"failures": failures[:FAILURES]}


def page_ink(page: Page) -> Tensor:
    """The ink map (H, W) of a generated page."""
    return ink_map(torch.from_numpy(page.picture)[None, None].float() / 255)[0, 0]


def make_number_pages(style: str, count: int, glyphs: Glyphs, seed: int, lines: int = 1):
    """`count` pages with strings of five digits; lazily, they are large."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield make_page([random_digits(5, rng) for _ in range(lines)], glyphs, STYLES[style], rng)


def routes(model: DigitNet, reader: LineReader) -> dict[str, Callable[[Page, Tensor], str]]:
    """The ways to read a page that are compared; all use the same two networks."""
    classify = log_probabilities(model)
    return {
        "both": lambda page, ink: line_reading(ink, DIGITS, reader, model, True).text,
        "reader": lambda page, ink: line_reading(ink, DIGITS, reader).text,
        "segments": lambda page, ink: segment_reading(ink, model).text,
        "old recipe": lambda page, ink: read_by_old_recipe(page.picture, classify)[0],
    }


def measure_numbers(
    model: DigitNet, reader: LineReader, glyphs: Glyphs, condition: str, count: int, seed: int
) -> dict[str, dict]:
    """Share of pages read without any mistake, by each route on the same pages, and failures.

    Args:
        model: for the routes that cut.
        reader: for the route that does not.
        glyphs: digits of the test part.
        condition: one of `CONDITIONS`.
        count: how many pages.
        seed: the same seed gives the same pages.
    """
    ways = routes(model, reader)
    style, lines = CONDITIONS[condition]
    texts: dict[str, list[tuple[str, str]]] = {way: [] for way in ways}
    for page in make_number_pages(style, count, glyphs, seed, lines):
        ink = page_ink(page)
        for way, read in ways.items():
            texts[way].append((page.text, read(page, ink)))
    return {way: exact_share(pairs) for way, pairs in texts.items()}


def measure_sums(
    model: DigitNet, reader: LineReader, glyphs: Glyphs, count: int, seed: int
) -> dict[str, dict]:
    """Share of sums of up to eight tokens read exactly, and worked out to the right answer."""
    results = {}
    for name, style in SUM_STYLES.items():
        rng, pairs = np.random.default_rng(seed), []
        for _ in range(count):
            text = random_expression(rng, max_tokens=8)
            page = make_page([text], glyphs, style, rng)
            read = line_reading(page_ink(page), ALPHABET, reader, model, True).text
            pairs.append((text, read))
        right = sum(_answer(text) == _answer(read) for text, read in pairs)
        results[name] = {"exact text": exact_share(pairs), "right answer": share(right, count)}
    return results


def _answer(text: str):
    """The value, or why there is none."""
    try:
        return evaluate(text)
    except ExpressionError as error:
        return "division by zero" if "zero" in str(error) else f"unreadable: {text}"
