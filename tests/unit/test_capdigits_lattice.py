"""Two networks heard together: probabilities against brute force, and who decides what."""

import itertools

import numpy as np
import pytest
import torch

from torchcourse.capstones.digits.ctc import ALPHABET, STRIDE, collapse, decode, make_strip
from torchcourse.capstones.digits.lattice import (
    _best_chain,
    _name,
    _one_sign,
    _stands_alone,
    find_atoms,
    read_both,
)
from torchcourse.capstones.digits.segment import find_lines

DIGITS = "0123456789"


def drawing(*boxes: tuple[int, int, int, int]):
    """One written line of full rectangles (left, top, width, height)."""
    ink = np.zeros((100, 240), np.float32)
    for x, y, w, h in boxes:
        ink[y : y + h, x : x + w] = 1
    (line,) = find_lines(ink)
    return line


def reader_says(line, text: str, sure: float = 4.0) -> tuple[torch.Tensor, float]:
    """Logits of a reader that sees the signs of `text` evenly spread along the line."""
    strip, scale = make_strip(line)
    steps = strip.shape[-1] // STRIDE
    logits = torch.zeros(steps, 1 + len(ALPHABET))
    logits[:, 0] = sure
    for n, sign in enumerate(text):
        middle = int((n + 0.5) * steps / len(text))
        logits[middle, [0, ALPHABET.index(sign) + 1]] = torch.tensor([0.0, sure])
    return logits, scale


def judge(digit: int, probability: float = 0.9):
    """A digit network that reads everything as `digit`."""

    def classify(batch: torch.Tensor) -> torch.Tensor:
        verdict = torch.full((len(batch), 10), (1 - probability) / 9)
        verdict[:, digit] = probability
        return verdict.log()

    return classify


def read(line, text: str, classify, allowed: str = DIGITS, sure: float = 4.0) -> str:
    logits, scale = reader_says(line, text, sure)
    found = read_both(line, logits, scale, decode(logits, allowed), classify, allowed)
    assert all(0 < probability <= 1 for _, _, probability in found)
    lefts = [piece.box[0] for piece, _, _ in found]
    assert lefts == sorted(lefts)
    return "".join(sign for _, sign, _ in found)


THREE = [(20, 30, 20, 40), (60, 30, 20, 40), (100, 30, 20, 40)]


def test_one_sign_is_the_sum_over_all_alignments():
    generator = torch.Generator().manual_seed(0)
    log_p = torch.randn(5, 4, generator=generator).log_softmax(1).double().numpy()
    expected = np.zeros(3)
    for path in itertools.product(range(4), repeat=5):
        signs = collapse(path)
        if len(signs) == 1:
            expected[signs[0] - 1] += np.exp(sum(log_p[t, c] for t, c in enumerate(path)))
    assert np.exp(_one_sign(log_p)) == pytest.approx(expected)


def test_a_sign_without_steps_is_unlikely_but_possible():
    nothing = _one_sign(np.zeros((0, 4)))
    assert nothing.shape == (3,) and np.isfinite(nothing).all() and (nothing < -20).all()


def test_the_best_chain_is_the_best_of_all():
    rng = np.random.default_rng(0)
    spans = [(i, j) for i in range(5) for j in range(i + 1, 6)]
    score = rng.normal(size=len(spans))
    value = dict(zip(spans, score, strict=True))
    chains = [
        list(itertools.pairwise([0, *cuts, 5]))
        for count in range(5)
        for cuts in itertools.combinations(range(1, 5), count)
    ]
    best = max(chains, key=lambda chain: sum(value[span] for span in chain))
    assert [spans[k] for k in _best_chain(spans, score, 5)] == best


def test_where_both_agree_nothing_changes():
    assert read(drawing(*THREE), "777", judge(7)) == "777"


def test_the_digit_network_decides_where_the_reader_wavers():
    line = drawing(*THREE)
    assert read(line, "333", judge(8), sure=1.0) == "888"
    assert read(line, "333", judge(8, probability=0.2), sure=8.0) == "333"


def test_a_digit_that_stands_alone_is_named_by_who_sees_it_whole():
    """The reader is sure of 3, the digit network a little less of 8: on a cut piece 3 wins."""
    heard, seen = np.full(10, -9.0), np.full(10, -9.0)
    heard[3], heard[8], seen[3], seen[8] = -0.01, -5.0, -3.0, -0.1
    assert _name(heard, seen, DIGITS, alone=False)[0] == "3"
    sign, sure = _name(heard, seen, DIGITS, alone=True)
    assert sign == "8" and 0.5 < sure < 1
    with_plus = [np.append(values, value) for values, value in ((heard, 0.0), (seen, -0.5))]
    assert _name(*with_plus, DIGITS + "+", alone=True)[0] == "+"


def test_a_cut_makes_neighbours_of_which_neither_stands_alone():
    line = drawing((20, 30, 26, 40), (46, 45, 4, 6), (50, 30, 26, 40), (110, 30, 20, 40))
    logits, scale = reader_says(line, "227")
    atoms = find_atoms(line, scale, decode(logits, DIGITS))
    last = len(atoms) - 1  # the digit on the right; all others are parts of the wide piece
    assert last >= 2
    spans = [(0, last), (0, 1), (last - 1, last), (last, last + 1)]
    assert _stands_alone(atoms, spans).tolist() == [True, False, False, True]


def test_the_reader_counts_in_connected_ink():
    line = drawing((20, 30, 26, 40), (46, 45, 4, 6), (50, 30, 26, 40))
    logits, scale = reader_says(line, "22")
    assert len(find_atoms(line, scale, decode(logits, DIGITS))) >= 2
    assert read(line, "22", judge(2)) == "22"


def test_a_broken_digit_is_put_together():
    halves = [(60, 30, 9, 40), (72, 30, 9, 40)]
    line = drawing((20, 30, 20, 40), *halves, (100, 30, 20, 40))
    assert read(line, "444", judge(4)) == "444"


def test_symbols_are_the_readers_word():
    line = drawing((20, 30, 20, 40), (60, 48, 20, 5), (100, 30, 20, 40))
    assert read(line, "3−3", judge(3), allowed=ALPHABET) == "3−3"
    assert "−" not in read(line, "3−3", judge(3), allowed=DIGITS)


def test_the_upper_half_of_a_broken_digit_stays_in_its_line():
    halves = [(24, 30, 18, 19), (20, 51, 18, 19)]  # no row in common
    line = drawing(*halves, (60, 30, 20, 40), (100, 30, 20, 40))
    assert [piece.box for piece in line.pieces] == [halves[1], halves[0], *line_boxes(line)[2:]]
    assert len(line.pieces) == 4


def line_boxes(line) -> list[tuple]:
    return [piece.box for piece in line.pieces]


def test_a_lonely_digit_below_is_a_line_of_its_own():
    ink = np.zeros((120, 200), np.float32)
    for x, y in ((20, 10), (60, 10), (100, 10), (60, 70)):
        ink[y : y + 40, x : x + 20] = 1
    assert [len(line.pieces) for line in find_lines(ink)] == [3, 1]
