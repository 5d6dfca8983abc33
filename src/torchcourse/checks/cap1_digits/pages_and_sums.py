"""Checkers of capstone 1's lab 2: pages and sums."""

from __future__ import annotations

import itertools
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor

from torchcourse.checks.core import Attempt, Slip, exercise


def _draw(attempt: Attempt, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    return int(torch.randint(low, high + 1, (), generator=attempt.random))


# ---------------------------------------------------------------------------- pages


@exercise(
    "Lines first, then x: sort by the top edge, open a new line where a row is empty, and only "
    "within a line does left decide."
)
def reading_order(attempt: Attempt) -> None:
    """reading_order(boxes): (N, 4) int64, left, top, width, height → list of N indices."""
    #  0 and 2 stand in the first line, 3, 1 and 4 in the second, which climbs to the right.
    boxes = torch.tensor(
        [[50, 12, 8, 20], [30, 48, 9, 24], [5, 8, 9, 22], [4, 60, 8, 20], [60, 40, 9, 20]]
    )
    want = [2, 0, 3, 1, 4]
    attempt.expect(
        attempt(boxes),
        want,
        Slip(
            [3, 2, 1, 0, 4],
            "You sorted by x alone: the two lines are shuffled into each other.",
            "Find the lines first; left decides only within a line.",
        ),
        Slip(
            [2, 0, 4, 1, 3],
            "You sorted by the top edge alone, or by top, then left. A climbing line is read from "
            "right to left that way.",
            "Boxes whose rows overlap are in one line, whatever their tops: sort each line by x.",
        ),
        Slip(
            [3, 1, 4, 2, 0],
            "You read the lower line first: y grows downwards.",
            "The line with the smallest top comes first.",
        ),
        Slip(
            [0, 2, 4, 1, 3],
            "You read from right to left.",
            "Within a line the smallest left comes first.",
        ),
        Slip(
            [[2, 0], [3, 1, 4]],
            "The lines are right, but they are lists within a list.",
            "Return one list: the indices of the first line, then those of the second.",
        ),
        Slip(
            boxes[torch.tensor(want)],
            "You returned the boxes themselves in order. Their indices are asked for.",
            "Sort the numbers 0 … N − 1, not the boxes.",
        ),
        Slip(
            torch.tensor(want),
            "The order is right, but it is a tensor: a list of integers is asked for.",
            "`.tolist()` makes one.",
        ),
        case="two lines, the second one climbs",
    )
    # A low box ends before the tall one beside it: the next box still belongs to the line.
    boxes = torch.tensor([[0, 0, 5, 40], [10, 2, 5, 6], [5, 30, 4, 8], [3, 50, 5, 9]])
    attempt.expect(
        attempt(boxes),
        [0, 2, 1, 3],
        Slip(
            [0, 1, 2, 3],
            "You compared with the bottom of the box before, which may be a low one; the tall one "
            "before it reaches further down.",
            "Keep the lowest bottom seen so far in the line, with `max`.",
        ),
        case="a tall box beside low ones",
    )
    attempt.expect(attempt(torch.tensor([[3, 4, 5, 6]])), [0], case="a single box")
    for lines in (2, 3, 1):
        boxes, order = _written(attempt, lines)
        attempt.expect(attempt(boxes), order, case=f"{lines} random lines")


def _written(attempt: Attempt, lines: int) -> tuple[Tensor, list[int]]:
    """Boxes of so many lines, shuffled, and the order in which they were written."""
    rows, top = [], 10
    for _ in range(lines):
        left = _draw(attempt, 0, 30)
        line = []
        for _ in range(_draw(attempt, 2, 5)):
            box = [left, top + _draw(attempt, 0, 12), _draw(attempt, 6, 12), _draw(attempt, 14, 30)]
            line.append(box)
            left += box[2] + _draw(attempt, 1, 9)
        rows += line
        top = max(y + h for _, y, _, h in line) + _draw(attempt, 2, 9)
    shuffled = torch.randperm(len(rows), generator=attempt.random)
    boxes = torch.tensor(rows)[shuffled]  # box k of the page is row shuffled[k] as written
    return boxes, shuffled.argsort().tolist()


@exercise(
    "The ink of each column is a sum over rows; the thinnest column that leaves a digit's width on "
    "either side is the first guess for a cut. Slicing shifts indices, so add the start back."
)
def cut_column(attempt: Attempt) -> None:
    """cut_column(ink, margin): (H, W) ≥ 0, int → int, a column from margin to W − margin − 1."""
    ink = torch.tensor(
        [[0.1, 2, 3, 3, 1, 2, 2, 0.3], [0.0, 1, 3, 1, 1, 2, 0, 0.1], [0.1, 0, 3, 3, 0, 2, 3, 0.2]]
    )  # columns 0.2 3 9 7 2 6 5 0.6
    attempt.expect(
        attempt(ink, 2),
        4,
        Slip(
            0,
            "You cut at the edge, where there is hardly any ink: one part would be empty.",
            "Look at columns from `margin` to W − margin − 1 only.",
        ),
        Slip(
            2,
            "The column is right, but counted from `margin`: slicing shifts the indices.",
            "Add `margin` to the position in the slice. (Or you found the fullest column.)",
        ),
        Slip(
            1,
            "You added up each row and chose one: (H,) instead of (W,).",
            "The ink of a column is the sum over its rows, `ink.sum(dim=0)`.",
        ),
        Slip(
            7,
            "The margin on the right is missing.",
            "The last column allowed is W − margin − 1.",
        ),
        Slip(
            torch.tensor(4),
            "The column is right, but it is a tensor: a plain integer is asked for.",
            "`int(...)` or `.item()`.",
        ),
        case="two digits that touch in column 4",
    )
    ink = torch.tensor([[5.0, 1, 4, 3, 4, 0, 5]])
    attempt.expect(
        attempt(ink, 1),
        5,
        Slip(
            1,
            "You stopped one column too early, and left the last one allowed out.",
            "`margin : W - margin` as a slice ends with column W − margin − 1.",
        ),
        case="the thinnest column is the last one allowed",
    )
    ink = torch.tensor(
        [[9, 9, 2, 0.9, 0.6, 9, 9], [0, 0, 0, 0.1, 0.6, 0, 0], [0, 0, 0, 0, 0.6, 0, 0]]
    )  # columns 2, 3, 4: sums 2, 1, 1.8; inked pixels 1, 2, 3; largest values 2, 0.9, 0.6
    attempt.expect(
        attempt(ink, 2),
        3,
        Slip(
            2,
            "You counted inked pixels instead of adding up their ink.",
            "A faint pixel holds little ink: sum the values.",
        ),
        Slip(
            4,
            "You took the largest value of each column instead of its sum.",
            "Ink of a column: `ink.sum(dim=0)`.",
        ),
        case="a faint column",
    )
    for height, width, margin in ((9, 20, 4), (5, 31, 7), (12, 9, 1)):
        ink = 1 + torch.rand(height, width, generator=attempt.random)
        ink[:, :margin] = ink[:, width - margin :] = 0.1
        want = _draw(attempt, margin, width - margin - 1)
        ink[:, want] = 0.5
        attempt.expect(attempt(ink, margin), want, case=f"{height} × {width} pixels")


@exercise(
    "Dynamic programming: the best chain up to a cut is the best chain up to an earlier one plus a "
    "single part. K cuts need K²/2 sums, although there are 2^(K − 2) chains."
)
def best_chain(attempt: Attempt) -> None:
    """best_chain(scores): (K, K) log-probabilities of parts i → j → list of cuts, 0 … K − 1."""
    low = -torch.inf
    scores = torch.tensor(
        [[low, -0.1, -0.9, -2.5], [low, low, -3.0, -2.0], [low, low, low, -0.2], [low] * 4]
    )
    attempt.expect(
        attempt(scores),
        [0, 2, 3],
        Slip(
            [0, 1, 3],
            "You were greedy: from each cut you took the best next part, and the part after it "
            "was bad.",
            "Keep the best *sum* up to every cut, and decide at the end.",
        ),
        Slip(
            [0, 3],
            "You took the whole as one part. It scores -2.5; two parts score -0.9 - 0.2 = -1.1.",
            "Compare the sums of all chains, also of those with more parts.",
        ),
        Slip(
            [0, 1, 2, 3],
            "You cut everywhere.",
            "A chain may leave cuts out: part i → j may skip those in between.",
        ),
        Slip(
            [3, 2, 0],
            "The chain is right, but it runs backwards.",
            "You followed it from the end: reverse it before you return it.",
        ),
        Slip(
            [2, 3],
            "The chain is right, but its beginning is missing.",
            "It begins with cut 0 and ends with cut K − 1.",
        ),
        Slip(
            [0, 2],
            "The chain is right, but its end is missing.",
            "It begins with cut 0 and ends with cut K − 1.",
        ),
        case="four cuts",
    )
    scores = torch.tensor([[low, -1.0, -1.9], [low, low, -1.0], [low] * 3])
    attempt.expect(
        attempt(scores),
        [0, 2],
        Slip(
            [0, 1, 2],
            "You compared means: parts of -1 and -1 average to -1, but the chain's probability is "
            "the product, so its logarithm is the sum, -2.",
            "Compare sums of log-probabilities.",
        ),
        case="a whole that beats its halves, but not their mean",
    )
    attempt.expect(attempt(torch.tensor([[low, -0.7], [low, low]])), [0, 1], case="nothing to cut")
    for cuts in (5, 7, 8):
        scores, want = _chain(attempt, cuts)
        attempt.expect(attempt(scores), want, case=f"{cuts} cuts")


def _chain(attempt: Attempt, cuts: int) -> tuple[Tensor, list[int]]:
    """Scores built round a chain that must be the best one."""
    inner = [c for c in range(1, cuts - 1) if _draw(attempt, 0, 1)]
    want = [0, *inner, cuts - 1]
    scores = -9 - torch.rand(cuts, cuts, generator=attempt.random)
    for i, j in itertools.pairwise(want):
        scores[i, j] = -torch.rand((), generator=attempt.random)
    # Adding v[j] - v[i] changes every chain by the same amount, but leads greedy choices astray.
    v = 6 * torch.rand(cuts, generator=attempt.random)
    scores = scores + v[None, :] - v[:, None]
    upper = torch.ones(cuts, cuts, dtype=torch.bool).triu(1)
    return scores.masked_fill(~upper, -torch.inf), want


# ---------------------------------------------------------------------------- CTC


@exercise(
    "Runs first, then blanks. In the other order 7 _ 7 would become one 7, and no number could "
    "hold the same digit twice in a row."
)
def collapse(attempt: Attempt) -> None:
    """collapse(path, blank): list of class numbers → list without repetitions and blanks."""
    attempt.expect(
        attempt([0, 7, 7, 0, 7, 3, 3, 0, 3], 0),
        [7, 7, 3, 3],
        Slip(
            [7, 3],
            "You threw the blanks away first, so equal neighbours melted into one (or you kept "
            "every class once).",
            "First count each run once, blanks included; then drop the blanks.",
        ),
        Slip(
            [0, 7, 0, 7, 3, 0, 3],
            "Runs are counted once, but the blanks are still there.",
            "Drop every `blank` at the end.",
        ),
        Slip(
            [7, 7, 7, 3, 3, 3],
            "The blanks are gone, but a sign that lasts several steps was counted at each of them.",
            "A run of equal classes is one sign.",
        ),
        Slip(
            torch.tensor([7, 7, 3, 3]),
            "The signs are right, but they are a tensor: a list is asked for.",
            "`.tolist()` makes one.",
        ),
        Slip(
            "7733",
            "The signs are right, but they are a text: a list of class numbers is asked for.",
            "Collect the numbers; making text of them is another step.",
        ),
        case="_ 7 7 _ 7 3 3 _ 3",
    )
    attempt.expect(
        attempt([5, 2, 5, 5, 9], 9),
        [5, 2, 5],
        Slip(
            [2, 5],
            "The first step is never looked at: a sign that stands there is lost.",
            "Before the first step comes nothing, so its sign always begins a run.",
        ),
        Slip(
            [5, 2, 5, 9],
            "You dropped 0 instead of `blank`, which is 9 here.",
            "Use the argument `blank`.",
        ),
        case="blank is 9",
    )
    for path, case in (([], "no step at all"), ([4, 4, 4], "blanks alone")):
        attempt.expect(attempt(path, 4), [], case=case)
    for length in (1, 4, 9):
        text = [_draw(attempt, 1, 3) for _ in range(length)]
        attempt.expect(attempt(_spread(attempt, text), 0), text, case=f"a text of {length}")


def _spread(attempt: Attempt, text: list[int]) -> list[int]:
    """A path that reads as `text`: signs last, blanks lie between."""
    path = [0] * _draw(attempt, 0, 2)
    for before, sign in zip([0, *text], text, strict=False):
        path += [0] * _draw(attempt, int(before == sign), 2)
        path += [sign] * _draw(attempt, 1, 3)
    return path + [0] * _draw(attempt, 0, 2)


@exercise(
    "All alignments of a text count, each with the product of its steps. That sum is what "
    "`F.ctc_loss` takes the logarithm of, only faster than by listing them."
)
def ctc_probability(attempt: Attempt) -> None:
    """ctc_probability(p, text): (T, C) probabilities, blank is class 0; classes → scalar."""
    p = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.7, 0.2], [0.6, 0.3, 0.1]])
    attempt.expect(
        attempt(p, [1]),
        torch.tensor(0.537),
        Slip(
            torch.tensor(0.21),
            "You took the best alignment only.",
            "Several paths read as this text; their probabilities add up.",
        ),
        Slip(
            torch.tensor(0.063),
            "You counted only the path that names the sign at every step, without blanks.",
            "Blanks may stand before, after and between: try every path of T classes.",
        ),
        Slip(
            torch.tensor(0.546),
            "You counted `1 _ 1` as well: it reads as two signs.",
            "Merge runs first, then drop blanks.",
        ),
        Slip(
            torch.tensor(0.243),
            "You counted only paths that name the sign at a single step.",
            "A sign may last several steps: merge runs before you compare with the text.",
        ),
        Slip(
            torch.tensor(0.537).log(),
            "That is the logarithm of the probability.",
            "Return the probability itself; the loss is another step.",
        ),
        Slip(
            -torch.tensor(0.537).log(),
            "That is the loss, minus the logarithm.",
            "Return the probability itself.",
        ),
        Slip(
            torch.tensor(0.0895),
            "You averaged the probabilities of the paths.",
            "Different paths exclude each other: add them.",
        ),
        Slip(
            torch.tensor([0.537]),
            "The value is right, but its shape is (1,): a scalar tensor, shape (), is asked for.",
            "Add numbers up with `.sum()`, which leaves no axis.",
        ),
        Slip(
            0.537,
            "The value is right, but it is a plain number, so no gradient could flow.",
            "Multiply and add tensors; leave out `.item()` and `float()`.",
        ),
        case="three steps, the text `1`",
    )
    for steps, text in ((4, [1, 1]), (5, [2, 1]), (3, [2, 1, 2]), (2, [])):
        p = torch.rand(steps, 3, generator=attempt.random).softmax(1)
        attempt.expect(attempt(p, list(text)), _by_torch(p, text), case=f"the text {text}")
    p = torch.rand(2, 3, generator=attempt.random).softmax(1)
    attempt.expect(
        _as_tensor(attempt(p, [1, 1])),
        torch.tensor(0.0),
        case="a text that does not fit: 1 1 needs three steps",
    )
    p = torch.rand(4, 3, generator=attempt.random).softmax(1)
    attempt.expect_gradient(p, [1, 2])


def _by_torch(p: Tensor, text: list[int]) -> Tensor:
    target = torch.tensor([text], dtype=torch.long).reshape(1, -1)
    steps, size = torch.tensor([len(p)]), torch.tensor([len(text)])
    return (-F.ctc_loss(p.log()[:, None], target, steps, size, reduction="sum")).exp()


def _as_tensor(value: object) -> object:
    """A sum over no path is Python's 0, which is right here."""
    return torch.tensor(float(value)) if type(value) in (int, float) else value


# ---------------------------------------------------------------------------- sums

BINDS = {"+": 1, "−": 1, "×": 2, "÷": 2}


@exercise(
    "A waiting sign is sent off by one that binds no tighter: precedence and reading from the left "
    "in one comparison. Parentheses only hold signs back, and leave no trace."
)
def to_postfix(attempt: Attempt) -> None:
    """to_postfix(tokens): infix tokens → the same sum in postfix order."""
    _postfix_by_hand(attempt)
    for size in (2, 4, 6, 6):
        infix, postfix, _, _ = _tree(attempt, size)
        attempt.expect(attempt(list(infix)), postfix, case="".join(infix))


def _postfix_by_hand(attempt: Attempt) -> None:
    attempt.expect(attempt(["7"]), ["7"], case="a single number")
    attempt.expect(
        attempt(["12", "+", "3", "×", "4"]),
        ["12", "3", "4", "×", "+"],
        Slip(
            ["12", "3", "+", "4", "×"],
            "You went from left to right: + was done before ×.",
            "Before you send + off, see whether the next sign binds tighter.",
        ),
        Slip(
            ["+", "12", "×", "3", "4"],
            "That is prefix order: signs before their numbers.",
            "A sign comes *after* the two it joins.",
        ),
        Slip(
            ["12", "3", "4", "+", "×"],
            "The waiting signs came out in the order they went in.",
            "The sign that went in last comes out first: `stack.pop()`.",
        ),
        Slip(
            ["12", "3", "4"],
            "The numbers are there, but the signs that still waited at the end are lost.",
            "After the last token, empty the stack.",
        ),
        Slip(
            ["1", "2", "3", "4", "×", "+"],
            "You cut numbers into digits: 12 is one token.",
            "Go through the tokens, not through their characters.",
        ),
        case="12+3×4",
    )
    attempt.expect(
        attempt(["8", "−", "3", "−", "2"]),
        ["8", "3", "−", "2", "−"],
        Slip(
            ["8", "3", "2", "−", "−"],
            "That is 8−(3−2): signs of equal strength must be worked out from the left.",
            "Send a waiting sign off if it binds as tightly as the new one, or tighter: `>=`.",
        ),
        case="8−3−2",
    )
    attempt.expect(
        attempt(["(", "2", "+", "3", ")", "×", "4"]),
        ["2", "3", "+", "4", "×"],
        Slip(
            ["2", "3", "4", "×", "+"],
            "The parentheses had no effect.",
            "At `)`, send off all signs back to the matching `(`.",
        ),
        Slip(
            ["(", "2", "3", "+", ")", "4", "×"],
            "The order is right, but parentheses are still in it.",
            "Postfix needs none: throw both away.",
        ),
        Slip(
            ["2", "3", "+", "(", "4", "×"],
            "The opening parenthesis came out as if it were a sign.",
            "Pop it at `)`, and do not pass it on.",
        ),
        Slip(
            ["2", "3", "+", "4", "×", "("],
            "The opening parenthesis stayed on the stack and came out at the end.",
            "Pop it at `)`, and do not pass it on.",
        ),
        case="(2+3)×4",
    )


@exercise(
    "Postfix needs a stack and nothing else: numbers wait, a sign takes the last two. The later "
    "one is the right-hand side. With fractions, a third of three thirds is exactly one."
)
def evaluate_postfix(attempt: Attempt) -> None:
    """evaluate_postfix(tokens): postfix tokens → Fraction."""
    attempt.expect(
        attempt(["8", "3", "−", "2", "−"]),
        Fraction(3),
        Slip(
            Fraction(7),
            "The two sides are exchanged: you computed 3−8, then 2−(−5).",
            "`right = stack.pop()` first, then `left = stack.pop()`.",
        ),
        Slip(
            [Fraction(3)],
            "You returned the whole stack.",
            "At the end one number is left on it: return that one.",
        ),
        Slip(
            "3",
            "You returned a text.",
            "Turn each number into a `Fraction` as it comes.",
        ),
        case="8 3 − 2 −",
    )
    attempt.expect(
        attempt(["1", "3", "÷", "3", "×"]),
        Fraction(1),
        Slip(
            Fraction(0),
            "You divided whole numbers and rounded down.",
            "`Fraction(1) / Fraction(3)` is exactly a third.",
        ),
        case="1 3 ÷ 3 ×",
    )
    value = attempt(["7", "2", "÷"])
    if type(value) is float:
        attempt.stop(
            "You computed with floats: most fractions are only nearly right that way.",
            "Make every number a `Fraction` when it comes, and stay with fractions.",
            expected="Fraction(7, 2)",
            gave=value,
        )
    attempt.expect(value, Fraction(7, 2), case="7 2 ÷")
    attempt.expect(
        attempt(["12", "3", "4", "×", "+"]),
        Fraction(24),
        Slip(
            Fraction(40),
            "A sign took the two numbers that waited longest, 12 and 3.",
            "It takes the *last two*, here 3 and 4: pop from the end.",
        ),
        case="12 3 4 × +",
    )
    attempt.expect(attempt(["42"]), Fraction(42), case="a single number")
    for size in (2, 4, 6, 6):
        _, postfix, value, _ = _tree(attempt, size)
        attempt.expect(attempt(list(postfix)), value, case=" ".join(postfix))


def _tree(attempt: Attempt, size: int) -> tuple[list[str], list[str], Fraction, int]:
    """A random sum of `size` numbers: infix with the parentheses it needs, postfix, value, and how
    tightly its top sign binds."""
    if size == 1:
        number = str(_draw(attempt, 1, 30))
        return [number], [number], Fraction(int(number)), 3
    split = _draw(attempt, 1, size - 1)
    left, right = _tree(attempt, split), _tree(attempt, size - split)
    sign = "+−×÷"[_draw(attempt, 0, 3 if right[2] else 2)]
    here = BINDS[sign]
    infix = [
        *(left[0] if left[3] >= here else ["(", *left[0], ")"]),
        sign,
        *(right[0] if right[3] > here else ["(", *right[0], ")"]),
    ]
    value = {
        "+": left[2] + right[2],
        "−": left[2] - right[2],
        "×": left[2] * right[2],
        "÷": left[2] / right[2] if right[2] else Fraction(0),
    }[sign]
    return infix, [*left[1], *right[1], sign], value, here
