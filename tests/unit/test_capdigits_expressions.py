"""The parser agrees with a tree whose value is computed another way, and names every fault."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchcourse.capstones.digits.expressions import (
    ExpressionError,
    evaluate,
    format_value,
    random_expression,
    tokenize,
)

# A tree is an int, ("−", tree), or (sign, tree, tree).
trees = st.recursive(
    st.integers(0, 99),
    lambda inner: st.one_of(
        st.tuples(st.just("−"), inner),
        st.tuples(st.sampled_from("+−×÷"), inner, inner),
    ),
    max_leaves=12,
)
BINDING = {"+": 1, "−": 1, "×": 2, "÷": 2}


def value(tree) -> Fraction:
    if isinstance(tree, int):
        return Fraction(tree)
    sign, *parts = tree
    numbers = [value(part) for part in parts]
    if len(numbers) == 1:
        return -numbers[0]
    a, b = numbers
    return {"+": lambda: a + b, "−": lambda: a - b, "×": lambda: a * b, "÷": lambda: a / b}[sign]()


def write(tree, outer: int = 0, right: bool = False) -> str:
    """Write a tree with as few parentheses as its meaning allows."""
    if isinstance(tree, int):
        return str(tree)
    if len(tree) == 2:
        return "−" + write(tree[1], 3)
    sign, a, b = tree
    strength = BINDING[sign]
    text = write(a, strength) + sign + write(b, strength, right=True)
    needs = strength < outer or (right and strength == outer)
    return f"({text})" if needs else text


@given(trees)
def test_precedence_and_order_follow_the_tree(tree):
    try:
        expected = value(tree)
    except ZeroDivisionError:
        with pytest.raises(ExpressionError, match="division by zero"):
            evaluate(write(tree))
    else:
        assert evaluate(write(tree)) == expected


@given(st.text(alphabet="0123456789+−×÷() ", max_size=14))
def test_any_string_of_signs_has_a_value_or_a_reason(text):
    try:
        assert isinstance(evaluate(text), Fraction)
    except ExpressionError as error:
        assert len(str(error)) > 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12÷(4−1)×2", 8),
        ("7−3−2", 2),
        ("8÷4÷2", 1),
        ("2+3×4", 14),
        ("−2×−3", 6),
        ("1÷3", Fraction(1, 3)),
        ("007", 7),
        ("2 * (3 - 4) / 5", Fraction(-2, 5)),
    ],
)
def test_examples(text, expected):
    assert evaluate(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing to calculate"),
        ("5÷(3−3)", "division by zero"),
        ("0÷0", "division by zero"),
        ("(1+2", "not closed"),
        ("1+2)", "does not fit"),
        ("3(4)", "does not fit"),
        ("12 34", "does not fit"),
        ("1+", "missing"),
        ("×3", "number was expected"),
        ("()", "number was expected"),
        ("2^10", "neither a digit"),
        ("__import__('os')", "neither a digit"),
        ("(" * 400 + "1" + ")" * 400, "deep"),
        ("−" * 400 + "1", "deep"),
        ("9" * 1001, "digits"),
    ],
)
def test_faults_are_named(text, message):
    with pytest.raises(ExpressionError, match=message):
        evaluate(text)


def test_values_are_written_as_people_write_them():
    assert format_value(Fraction(8)) == "8"
    assert format_value(Fraction(-7, 3)) == "−7/3"


def test_random_expressions_are_well_formed_and_varied():
    rng = np.random.default_rng(0)
    texts = [random_expression(rng, max_tokens=8) for _ in range(300)]
    assert len(set(texts)) > 250
    assert {3, 5, 7, 8} <= {len(tokenize(text)) for text in texts}
    assert max(len(tokenize(text)) for text in texts) == 8
    assert set("+−×÷()") <= set("".join(texts))
    for text in texts:
        try:
            evaluate(text)
        except ExpressionError as error:
            assert "division by zero" in str(error)
    with pytest.raises(ValueError, match="at least 3"):
        random_expression(rng, max_tokens=2)
