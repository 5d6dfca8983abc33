"""Pages are what they say they are, and come out the same for the same seed."""

import itertools

import numpy as np
import pytest

from torchcourse.capstones.digits.pages import STYLES, TRAINING, Glyphs, make_page, random_digits
from torchcourse.capstones.digits.strokes import SYMBOLS, draw_symbol
from torchcourse.data import digits


@pytest.fixture(scope="module")
def glyphs(tmp_path_factory) -> Glyphs:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHCOURSE_DATA", str(tmp_path_factory.mktemp("no_data")))
        data = digits.load(train=False, download=False)
    return Glyphs(data.images, data.labels)


@pytest.mark.parametrize("style", [*STYLES, "training"])
def test_boxes_hold_the_ink_of_every_sign(glyphs, style):
    look = TRAINING if style == "training" else STYLES[style]
    for seed in range(5):
        page = make_page(["31415", "9×(2−6)"], glyphs, look, np.random.default_rng(seed))
        height, width = page.picture.shape
        assert page.picture.dtype == np.uint8 and page.text == "31415\n9×(2−6)"
        assert [len(line) for line in page.boxes] == [5, 7]
        for line in page.boxes:
            for x, y, w, h in line:
                assert x >= 0 and y >= 0 and x + w <= width and y + h <= height
                assert np.ptp(page.picture[y : y + h, x : x + w]) > 40  # paper and ink
        assert max(y + h for _, y, _, h in page.boxes[0]) <= height
        assert np.mean([y for _, y, _, _ in page.boxes[0]]) < min(y for _, y, _, _ in page.boxes[1])


def test_the_seed_decides(glyphs):
    pages = [
        make_page(["2718"], glyphs, TRAINING, np.random.default_rng(seed)).picture
        for seed in (3, 3, 4)
    ]
    assert np.array_equal(pages[0], pages[1])
    assert not np.array_equal(pages[0], pages[2])


def columns_between(page) -> list[int]:
    boxes = page.boxes[0]
    return [b[0] - (a[0] + a[2]) for a, b in itertools.pairwise(boxes)]


def test_clean_digits_stand_apart_and_touching_ones_touch(glyphs):
    clean, touching = [], []
    for seed in range(20):
        clean += columns_between(
            make_page(["80808"], glyphs, STYLES["clean"], np.random.default_rng(seed))
        )
        touching += columns_between(
            make_page(["80808"], glyphs, STYLES["touching"], np.random.default_rng(seed))
        )
    assert min(clean) >= 3
    assert np.mean(np.array(touching) <= 0) > 0.4


def test_styles_look_as_they_are_called(glyphs):
    def picture(style: str) -> np.ndarray:
        return make_page(["12345"], glyphs, STYLES[style], np.random.default_rng(1)).picture

    assert np.median(picture("clean")) > 150 > np.median(picture("inverted ink"))
    corners = picture("uneven light and noise").astype(float)
    levels = [corners[:8, :8], corners[:8, -8:], corners[-8:, :8], corners[-8:, -8:]]
    assert np.ptp([corner.mean() for corner in levels]) > 20


def test_real_symbols_are_used_where_given(glyphs):
    data = digits.load(train=False, download=False)
    block = np.zeros((1, 28, 28), np.uint8)
    block[0, 8:20, 8:20] = 255
    own = Glyphs(data.images, data.labels, {"+": block})
    rng = np.random.default_rng(0)
    assert np.array_equal(own.draw("+", rng), block[0] / 255)
    assert 0 < own.draw("−", rng).mean() < 0.2


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_drawn_symbols_vary_and_stay_inside(symbol):
    rng = np.random.default_rng(0)
    drawings = [draw_symbol(symbol, rng) for _ in range(30)]
    assert all(d.shape == (28, 28) and d.dtype == np.float32 for d in drawings)
    assert all(d.min() >= 0 and 0.9 < d.max() <= 1 for d in drawings)
    assert len({d.tobytes() for d in drawings}) == 30
    assert 0.01 < np.mean(drawings) < 0.25


def test_unknown_signs_are_refused(glyphs):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="no image of 'x'"):
        make_page(["1x2"], glyphs, STYLES["clean"], rng)
    with pytest.raises(ValueError, match="cannot draw '-'"):
        draw_symbol("-", rng)


def test_random_digits_cover_all_ten():
    text = random_digits(500, np.random.default_rng(0))
    assert len(text) == 500 and set(text) == set("0123456789")
