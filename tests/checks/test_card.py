"""How a card looks: in a kernel, in a terminal, and for values of all kinds."""

from __future__ import annotations

import re

import nbformat
import pytest
import torch
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from torchcourse.checks.card import NOT_YET, PASSED, Card, as_text
from torchcourse.checks.core import Slip, exercise

CELLS = [
    "from torchcourse.checks import ch01_tensors",
    "ch01_tensors.masked_mean(lambda x, mask: x.mean(1))",
    "ch01_tensors.masked_mean(lambda x, mask: (x * mask[..., None]).sum(1) / mask.sum(1)[:, None])",
    "ch01_tensors.masked_mean(None)",
]


@pytest.fixture(scope="module")
def outputs():
    """What a kernel answers, the channel that nbgrader and nbval read."""
    notebook = new_notebook(cells=[new_code_cell(source) for source in CELLS])
    NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=120).execute()
    nbformat.validate(notebook)
    return [cell.outputs for cell in notebook.cells]


def test_a_failed_check_is_a_card_and_an_error_without_traceback(outputs):
    card, error = outputs[1]
    assert "padding included" in card.data["text/html"]
    assert "padding included" in card.data["text/plain"]
    assert error.output_type == "error" and error.ename == "NotYet"
    assert len(error.traceback) == 1 and "File" not in error.traceback[0]


def test_a_passed_check_is_a_card_alone(outputs):
    assert [output.output_type for output in outputs[2]] == ["display_data"]
    assert "passed" in outputs[2][0].data["text/html"]


def test_still_to_do_is_an_error_too(outputs):
    assert [output.output_type for output in outputs[3]] == ["display_data", "error"]
    assert "still to do" in outputs[3][0].data["text/html"]


def test_html_names_no_ground_or_text_colour():
    """Readable on light and on dark: text and ground are those of the page around."""
    page = Card("f", NOT_YET, "headline", "step", expected=torch.eye(3), gave=1)._repr_html_()
    for style in re.findall(r"style='([^']*)'", page):
        for declaration in style.split(";"):
            name, _, value = declaration.partition(":")
            if name == "background":
                assert value == "transparent" or re.fullmatch(r"#\w{6}1a", value)
            if name == "color":
                assert value == "inherit" or value == "#D55E00"


def test_text_and_html_tell_the_same():
    card = Card("f", NOT_YET, "why", "what next", "f(x) with", expected=3, gave=4, printed="out")
    for text in ("why", "what next", "f(x) with", "expected", "you gave", "3", "4", "out"):
        assert text in repr(card) and text in card._repr_html_()


def test_markup_of_the_learner_is_escaped():
    card = Card("f", NOT_YET, "`<b>` & co", gave="<script>", printed="<i>", error="<u>")
    page = card._repr_html_()
    assert "<script>" not in page and "<i>" not in page and "<u>" not in page
    assert "<code>&lt;b&gt;</code>" in page


def test_cells_that_differ_are_framed():
    card = Card("f", NOT_YET, "", expected=torch.zeros(2, 2), gave=torch.tensor([[0.0, 0], [0, 1]]))
    assert card._repr_html_().count("1px solid #D55E00") == 2  # once on each side


@pytest.mark.parametrize("shape", [(4, 6), (1, 4, 6), (3, 4, 6), (5, 3, 4, 6), (2, 7, 4, 6)])
def test_pictures(shape):
    image = torch.rand(shape)
    page = Card("f", NOT_YET, "", expected=image, gave=1 - image, picture=True)._repr_html_()
    count = 2 * (shape[0] if len(shape) == 4 else 1)
    assert page.count("data:image/png;base64,") == count == page.count("alt='")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (torch.ones(2, dtype=torch.bfloat16), "shape (2,), torch.bfloat16"),
        (torch.arange(10_000), "..."),
        (None, "None"),
        ((torch.ones(1), 2), "0: shape (1,)"),
        ([], "a list of length 0"),
        ("x" * 500, "…"),
        (object(), "an object"),
    ],
)
def test_short_text_for_any_value(value, text):
    shown = as_text(value)
    assert text in shown and len(shown) < 1500


def check(body, answer, **options):
    body.__name__ = "f"
    return exercise("learnt", **options)(body).review(answer)


@pytest.mark.parametrize(
    ("want", "got", "words"),
    [
        (2.5, torch.tensor(2.5), "not a plain Python number"),
        (2.5, 2.5000001, None),
        (2.5, float("nan"), "NaN"),
        (3, True, "a bool"),
        (True, 1, "not a bool"),
        (True, True, None),
        ("sum", "Sum", "right values"),
        ((1, 2), [1, 2], "not a tuple of 2"),
        ((1, 2), (1, 2, 3), "3 parts"),
        ((1, torch.ones(2)), (1, torch.ones(1, 2)), "art 1 of the result has shape (1, 2)"),
        (torch.ones(2), torch.ones(2).double(), "dtype torch.float64"),
        (torch.ones(2, 1), torch.ones(1, 2), "shape (1, 2)"),
        (torch.ones(2), torch.tensor([1.0, torch.nan]), "NaN"),
        (torch.ones(2), torch.ones(2, requires_grad=True), None),
        (torch.ones(2).numpy(), torch.ones(2), "not a NumPy array"),
        (torch.ones(2).numpy(), torch.ones(2).numpy(), None),
    ],
)
def test_comparison(want, got, words):
    card = check(lambda attempt: attempt.expect(attempt.answer, want), got, takes=None)
    assert card.state == (PASSED if words is None else NOT_YET), repr(card)
    assert words is None or words in card.headline


def test_slips_come_before_the_general_words():
    def body(attempt):
        attempt.expect(attempt(), torch.ones(2, 1), Slip(torch.ones(1, 2), "turned", "turn back"))

    card = check(body, lambda: torch.ones(1, 2))
    assert card.headline == "Turned." and card.next_step == "turn back"


def test_a_model_must_come_back_in_its_mode():
    def body(attempt):
        attempt.expect(attempt(torch.nn.Linear(2, 2)), 1)

    assert "changed its input (model)" in check(body, lambda model: model.eval() and 1).headline
    assert check(body, lambda model: 1).passed


def test_a_class_is_asked_for():
    def body(attempt):
        attempt.expect(attempt(3).value, 3)

    class Right:
        def __init__(self, value):
            self.value = value

    assert check(body, Right, takes=type).passed
    assert "needs the class" in check(body, Right(3), takes=type).headline
    assert "needs a function" in check(body, 3).headline


def test_a_broken_checker_says_so():
    card = check(lambda attempt: 1 / 0, lambda: None)
    assert not card.passed and "ZeroDivisionError" in card.headline


def test_an_unknown_chapter():
    from torchcourse import checks

    with pytest.raises(AttributeError, match="no chapter 'ch99_dreams'"):
        _ = checks.ch99_dreams
