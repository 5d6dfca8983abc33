"""Lines, reading order, touching digits, CTC: on drawings small enough to know the answer."""

import numpy as np
import pytest
import torch

from torchcourse.capstones.digits.ctc import (
    ALPHABET,
    BLANK,
    HEIGHT,
    MARGIN,
    STRIDE,
    LineReader,
    collapse,
    decode,
    encode,
    make_strip,
    sign_boxes,
    stack_strips,
)
from torchcourse.capstones.digits.reader_training import ctc_loss
from torchcourse.capstones.digits.segment import (
    Piece,
    cut_candidates,
    find_lines,
    find_pieces,
    merge_pieces,
    split_sign,
)


def page(*boxes: tuple[int, int, int, int], size=(100, 200)) -> np.ndarray:
    """An ink map with full rectangles (left, top, width, height)."""
    ink = np.zeros(size, np.float32)
    for x, y, w, h in boxes:
        ink[y : y + h, x : x + w] = 1
    return ink


def line_boxes(ink: np.ndarray) -> list[list[tuple]]:
    return [[piece.box for piece in line.pieces] for line in find_lines(ink)]


def test_reading_order_is_by_lines_and_then_from_left_to_right():
    # The lower line begins further left: sorting by x alone would mix the two.
    upper = [(30, 10, 10, 20), (60, 12, 10, 20), (90, 9, 10, 20)]
    lower = [(20, 60, 10, 20), (50, 58, 10, 20)]
    assert line_boxes(page(*lower, *upper)) == [upper, lower]


def test_a_line_may_climb():
    climbing = [(20 + 30 * i, 70 - 10 * i, 10, 20) for i in range(6)]
    assert line_boxes(page(*climbing)) == [climbing]


def test_a_broken_digit_stays_in_its_line():
    broken = [(20, 10, 10, 20), (50, 10, 12, 9), (51, 21, 12, 11), (80, 10, 10, 20)]
    (line,) = find_lines(page(*broken))
    assert [sign.box for sign in merge_pieces(line)] == [
        (20, 10, 10, 20),
        (50, 10, 13, 22),
        (80, 10, 10, 20),
    ]


def test_low_signs_join_the_line_they_stand_in():
    minus = (50, 20, 12, 3)
    upper = [(30, 10, 10, 20), minus, (70, 10, 10, 20)]
    lower = [(30, 60, 10, 20), (70, 60, 10, 20)]
    assert line_boxes(page(*upper, *lower)) == [upper, lower]


def test_specks_are_dropped_and_blank_pages_have_no_lines():
    digit = (30, 10, 10, 20)
    assert [p.box for p in find_pieces(page(digit, (100, 50, 1, 1)))] == [digit]
    assert find_lines(page()) == []


def test_pieces_of_one_sign_are_joined():
    bar, dots = (50, 19, 14, 3), [(56, 12, 4, 4), (56, 26, 4, 4)]
    (line,) = find_lines(page((20, 10, 10, 20), bar, *dots, (80, 10, 10, 20)))
    boxes = sorted(sign.box for sign in merge_pieces(line))
    assert boxes == [(20, 10, 10, 20), (50, 12, 14, 18), (80, 10, 10, 20)]


def test_touching_digits_are_cut_at_the_thin_place():
    # Two blocks joined by a bridge; a judge that knows only single blocks.
    ink = page((0, 0, 14, 20), (14, 9, 4, 2), (18, 0, 14, 20), size=(20, 32))

    def judge(batch: torch.Tensor) -> torch.Tensor:
        columns = (batch > 0.5).any(2).sum(2)[:, 0]  # (N,): width of the ink
        single = ((columns > 11) & (columns < 18)).float()
        return (0.05 + 0.9 * single)[:, None].log().expand(-1, 10)

    cuts = cut_candidates(ink, height=20)
    assert any(14 <= cut <= 18 for cut in cuts)
    parts = split_sign(Piece((100, 50, 32, 20), ink), 20, judge)
    assert len(parts) == 2
    (left, _, _), (right, _, _) = parts
    assert left.box[0] == 100 and right.box[0] + right.box[2] == 132
    assert 114 <= right.box[0] <= 118


def test_a_sign_that_reads_well_is_left_whole():
    ink = np.ones((20, 12), np.float32)
    parts = split_sign(Piece((0, 0, 12, 20), ink), 20, lambda batch: torch.zeros(len(batch), 10))
    assert [part.box for part, _, _ in parts] == [(0, 0, 12, 20)]


@pytest.mark.parametrize(
    ("path", "signs"),
    [
        ([], []),
        ([0, 0], []),
        ([5], [5]),
        ([5, 5, 5], [5]),
        ([5, 0, 5], [5, 5]),
        ([0, 5, 5, 0, 0, 5, 3, 3], [5, 5, 3]),
        ([1, 2, 1], [1, 2, 1]),
    ],
)
def test_collapse(path, signs):
    assert collapse(path) == signs


def logits_for(path: list[int]) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(path), 1 + len(ALPHABET)).float() * 9


def test_decode_agrees_with_collapse_and_says_where():
    path = [0, *encode("77").tolist()[:1] * 2, 0, *encode("7").tolist(), *encode("3").tolist() * 3]
    signs = decode(logits_for(path))
    assert "".join(s.text for s in signs) == "773"
    assert [ALPHABET[c - 1] for c in collapse(path)] == [s.text for s in signs]
    assert [(s.start, s.stop) for s in signs] == [(1, 3), (4, 5), (5, 8)]
    assert all(0.9 < s.confidence <= 1 for s in signs)


def test_decode_uses_allowed_signs_only():
    logits = torch.zeros(1, 1 + len(ALPHABET))
    logits[0, encode("×")] = 5
    logits[0, encode("4")] = 3
    assert decode(logits)[0].text == "×"
    assert decode(logits, "0123456789")[0].text == "4"


def test_strips_have_the_readers_height_and_map_back_to_the_page():
    (line,) = find_lines(page((40, 30, 30, 60), (100, 30, 30, 60)))
    strip, scale = make_strip(line)
    assert strip.shape[:2] == (1, HEIGHT) and strip.shape[2] % STRIDE == 0
    columns = (strip[0] > 0.5).any(0).nonzero()
    assert abs(columns[0].item() - MARGIN) <= 1
    steps = [strip.shape[2] // STRIDE * i // 6 for i in (1, 2, 4, 5)]
    path = [BLANK] * (strip.shape[2] // STRIDE)
    path[steps[0] : steps[1]] = [3] * (steps[1] - steps[0])
    path[steps[2] : steps[3]] = [4] * (steps[3] - steps[2])
    boxes = sign_boxes(decode(logits_for(path)), line, scale)
    assert boxes == [(40, 30, 30, 60), (100, 30, 30, 60)]


def test_a_line_of_minus_signs_is_not_blown_up():
    (line,) = find_lines(page((40, 30, 40, 4)))
    assert make_strip(line)[0].shape[-1] < 60


def test_padding_on_the_right_does_not_change_what_is_read():
    torch.manual_seed(0)
    model = LineReader().eval()
    short, long = torch.rand(1, HEIGHT, 60), torch.rand(1, HEIGHT, 90)
    batch, steps = stack_strips([short, long])
    assert steps.tolist() == [30, 45] and batch.shape == (2, 1, HEIGHT, 90)
    with torch.no_grad():
        alone = model(short[None])[0]
        together = model(batch)[0, : steps[0]]
    # The strip ends in empty columns; beyond the convolutions' reach nothing may differ.
    assert torch.allclose(alone[:20], together[:20], atol=1e-4)


def test_ctc_loss_equals_the_sum_over_all_alignments():
    torch.manual_seed(0)
    steps, text = 4, "11"
    logits = torch.randn(1, steps, 1 + len(ALPHABET))
    log_p, one = logits[0].log_softmax(-1), int(encode("1"))
    # By hand: every path over {blank, "1"} of four steps that collapses to "11".
    total = torch.tensor(0.0)
    for code in range(2**steps):
        path = [one if code >> t & 1 else BLANK for t in range(steps)]
        if collapse(path) == [one, one]:
            total += torch.stack([log_p[t, c] for t, c in enumerate(path)]).sum().exp()
    # F.ctc_loss divides by the length of the text.
    expected = -total.log() / len(text)
    assert torch.allclose(ctc_loss(logits, torch.tensor([steps]), [text]), expected, atol=1e-5)
