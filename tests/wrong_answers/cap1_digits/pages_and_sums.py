"""Answers to the exercises of capstone 1's lab 2: pages and sums."""

from __future__ import annotations

import itertools
from fractions import Fraction

import torch

from wrong_answers import right, wrong


def _lines(boxes, bottom=max):
    """Indices of each line; `bottom` says which bottom counts."""
    lines, lowest = [], -1
    for i in sorted(range(len(boxes)), key=lambda i: int(boxes[i, 1])):
        top, end = int(boxes[i, 1]), int(boxes[i, 1] + boxes[i, 3])
        if not lines or top >= lowest:
            lines.append([])
            lowest = -1
        lines[-1].append(i)
        lowest = bottom(lowest, end)
    return lines


def _by_x(boxes, line, sign=1):
    return sorted(line, key=lambda i: sign * int(boxes[i, 0]))


class reading_order:
    @wrong("sorted by x alone")
    def x_only(boxes):
        return boxes[:, 0].argsort().tolist()

    @wrong("sorted by the top edge alone")
    def top_then_left(boxes):
        return sorted(range(len(boxes)), key=lambda i: (int(boxes[i, 1]), int(boxes[i, 0])))

    @wrong("lower line first")
    def upside_down(boxes):
        return [i for line in _lines(boxes)[::-1] for i in _by_x(boxes, line)]

    @wrong("from right to left")
    def mirrored(boxes):
        return [i for line in _lines(boxes) for i in _by_x(boxes, line, -1)]

    @wrong("lists within a list")
    def nested(boxes):
        return [_by_x(boxes, line) for line in _lines(boxes)]

    @wrong("the boxes themselves")
    def sorted_boxes(boxes):
        return boxes[torch.tensor([i for line in _lines(boxes) for i in _by_x(boxes, line)])]

    @wrong("it is a tensor")
    def as_tensor(boxes):
        return torch.tensor([i for line in _lines(boxes) for i in _by_x(boxes, line)])

    @wrong("bottom of the box before")
    def last_bottom(boxes):
        lines = _lines(boxes, bottom=lambda _, end: end)
        return [i for line in lines for i in _by_x(boxes, line)]

    @right
    def by_lines(boxes):
        return [i for line in _lines(boxes) for i in _by_x(boxes, line)]

    @right
    def by_empty_rows(boxes):
        covered = torch.zeros(int((boxes[:, 1] + boxes[:, 3]).max()) + 1, dtype=torch.bool)
        for _, y, _, h in boxes.tolist():
            covered[y : y + h] = True
        starts = covered & ~covered.roll(1)
        number = starts.cumsum(0)[boxes[:, 1]]  # the line of each box
        keys = [(int(n), int(x)) for n, x in zip(number, boxes[:, 0], strict=True)]
        return sorted(range(len(keys)), key=keys.__getitem__)


class cut_column:
    @wrong("cut at the edge")
    def without_margin(ink, margin):
        return int(ink.sum(0).argmin())

    @wrong("counted from `margin`")
    def within_the_slice(ink, margin):
        return int(ink.sum(0)[margin : ink.shape[1] - margin].argmin())

    @wrong("added up each row")
    def by_rows(ink, margin):
        return int(ink.sum(1).argmin())

    @wrong("margin on the right is missing")
    def left_margin_only(ink, margin):
        return margin + int(ink.sum(0)[margin:].argmin())

    @wrong("plain integer is asked for")
    def as_tensor(ink, margin):
        return margin + ink.sum(0)[margin : ink.shape[1] - margin].argmin()

    @wrong("one column too early")
    def stops_early(ink, margin):
        return margin + int(ink.sum(0)[margin : ink.shape[1] - margin - 1].argmin())

    @wrong("counted inked pixels")
    def by_pixels(ink, margin):
        return margin + int((ink > 0).sum(0)[margin : ink.shape[1] - margin].argmin())

    @wrong("largest value of each column")
    def by_maximum(ink, margin):
        return margin + int(ink.amax(0)[margin : ink.shape[1] - margin].argmin())

    @right
    def by_slice(ink, margin):
        return margin + int(ink.sum(0)[margin : ink.shape[1] - margin].argmin())

    @right
    def by_infinity(ink, margin):
        profile = ink.sum(0)
        profile[:margin] = profile[len(profile) - margin :] = torch.inf
        return profile.argmin().item()

    @right
    def by_min(ink, margin):
        columns = range(margin, ink.shape[1] - margin)
        return min(columns, key=lambda c: float(ink[:, c].sum()))


def _chains(count):
    inner = range(1, count - 1)
    for size in range(count - 1):
        for cuts in itertools.combinations(inner, size):
            yield [0, *cuts, count - 1]


def _total(scores, chain):
    return sum(float(scores[i, j]) for i, j in itertools.pairwise(chain))


class best_chain:
    @wrong("You were greedy")
    def greedy(scores):
        chain = [0]
        while chain[-1] != len(scores) - 1:
            chain.append(int(scores[chain[-1]].argmax()))
        return chain

    @wrong("the whole as one part")
    def whole(scores):
        return [0, len(scores) - 1]

    @wrong("cut everywhere")
    def everywhere(scores):
        return list(range(len(scores)))

    @wrong("runs backwards")
    def backwards(scores):
        return max(_chains(len(scores)), key=lambda c: _total(scores, c))[::-1]

    @wrong("its beginning is missing")
    def without_start(scores):
        return max(_chains(len(scores)), key=lambda c: _total(scores, c))[1:]

    @wrong("its end is missing")
    def without_end(scores):
        return max(_chains(len(scores)), key=lambda c: _total(scores, c))[:-1]

    @wrong("You compared means")
    def by_mean(scores):
        return max(_chains(len(scores)), key=lambda c: _total(scores, c) / (len(c) - 1))

    @right
    def dynamic_programming(scores):
        best = [(0.0, [0])]
        for j in range(1, len(scores)):
            ways = [(best[i][0] + float(scores[i, j]), [*best[i][1], j]) for i in range(j)]
            best.append(max(ways))
        return best[-1][1]

    @right
    def by_trying(scores):
        return max(_chains(len(scores)), key=lambda c: _total(scores, c))

    @right
    def with_pointers(scores):
        count = len(scores)
        total, back = torch.full((count,), -torch.inf), [0] * count
        total[0] = 0
        for j in range(1, count):
            value, i = (total[:j] + scores[:j, j]).max(0)
            total[j], back[j] = value, int(i)
        chain = [count - 1]
        while chain[-1]:
            chain.append(back[chain[-1]])
        return chain[::-1]


class collapse:
    @wrong("threw the blanks away first")
    def blanks_first(path, blank):
        return [c for c, _ in itertools.groupby(c for c in path if c != blank)]

    @wrong("blanks are still there")
    def keeps_blanks(path, blank):
        return [c for c, _ in itertools.groupby(path)]

    @wrong("counted at each of them")
    def keeps_runs(path, blank):
        return [c for c in path if c != blank]

    @wrong("they are a tensor")
    def as_tensor(path, blank):
        return torch.tensor([c for c, _ in itertools.groupby(path) if c != blank])

    @wrong("they are a text")
    def as_text(path, blank):
        return "".join(str(c) for c, _ in itertools.groupby(path) if c != blank)

    @wrong("dropped 0 instead of `blank`")
    def always_zero(path, blank):
        return [c for c, _ in itertools.groupby(path) if c != 0]

    @wrong("first step is never looked at")
    def starts_at_one(path, blank):
        return [b for a, b in itertools.pairwise(path) if a != b and b != blank]

    @right
    def by_groups(path, blank):
        return [c for c, _ in itertools.groupby(path) if c != blank]

    @right
    def by_loop(path, blank):
        signs, before = [], blank
        for c in path:
            if c != before and c != blank:
                signs.append(c)
            before = c
        return signs

    @right
    def by_torch(path, blank):
        if not path:
            return []
        runs = torch.unique_consecutive(torch.tensor(path))
        return runs[runs != blank].tolist()


def _collapse(path):
    return [c for c, _ in itertools.groupby(path) if c != 0]


def _path_probabilities(p, text, reads=_collapse):
    steps, classes = p.shape
    return [
        torch.stack([p[t, c] for t, c in enumerate(path)]).prod()
        for path in itertools.product(range(classes), repeat=steps)
        if list(reads(path)) == list(text)
    ]


class ctc_probability:
    @wrong("best alignment only")
    def viterbi(p, text):
        return max(_path_probabilities(p, text))

    @wrong("names the sign at every step")
    def no_blanks(p, text):
        return p[:, text[0]].prod()

    @wrong("counted `1 _ 1` as well")
    def wrong_order(p, text):
        def reads(path):
            return [c for c, _ in itertools.groupby(c for c in path if c != 0)]

        return sum(_path_probabilities(p, text, reads))

    @wrong("at a single step")
    def no_merging(p, text):
        return sum(_path_probabilities(p, text, lambda path: [c for c in path if c != 0]))

    @wrong("the logarithm of the probability")
    def log_probability(p, text):
        return sum(_path_probabilities(p, text)).log()

    @wrong("That is the loss")
    def loss(p, text):
        return -sum(_path_probabilities(p, text)).log()

    @wrong("You averaged")
    def mean(p, text):
        return torch.stack(_path_probabilities(p, text)).mean()

    @wrong("its shape is (1,)")
    def keeps_an_axis(p, text):
        return sum(_path_probabilities(p, text)).reshape(1)

    @wrong("plain number")
    def as_float(p, text):
        return float(sum(_path_probabilities(p, text)))

    @right
    def by_listing(p, text):
        return sum(_path_probabilities(p, text), torch.tensor(0.0))

    @right
    def plain_sum(p, text):
        return sum(_path_probabilities(p, text))

    @right
    def forward(p, text):
        places = [0]
        for c in text:
            places += [c, 0]
        alpha = [p[0, c] if s < 2 else 0 * p[0, 0] for s, c in enumerate(places)]
        for t in range(1, len(p)):
            new = []
            for s, c in enumerate(places):
                total = alpha[s] + (alpha[s - 1] if s else 0)
                if s > 1 and c != 0 and c != places[s - 2]:
                    total = total + alpha[s - 2]
                new.append(total * p[t, c])
            alpha = new
        return alpha[-1] + alpha[-2] if len(alpha) > 1 else alpha[-1]


BINDS = {"+": 1, "−": 1, "×": 2, "÷": 2, "(": 0}


def _shunt(tokens, binds=None, equal=True, pop_open=True, pass_open=False):
    """Shunting-yard with switches for what can go wrong."""
    binds = binds or BINDS
    out, waiting = [], []
    for token in tokens:
        if token == "(":
            waiting.append(token)
        elif token == ")":
            while waiting[-1] != "(":
                out.append(waiting.pop())
            if pass_open:
                out.append(waiting.pop())
            elif pop_open:
                waiting.pop()
        elif token in binds:
            while waiting and binds[waiting[-1]] + equal > binds[token]:
                out.append(waiting.pop())
            waiting.append(token)
        else:
            out.append(token)
    return out + waiting[::-1]


class to_postfix:
    @wrong("went from left to right")
    def no_precedence(tokens):
        return _shunt(tokens, dict.fromkeys("+−×÷", 1) | {"(": 0})

    @wrong("prefix order")
    def prefix(tokens):
        swapped = [{"(": ")", ")": "("}.get(token, token) for token in reversed(tokens)]
        return _shunt(swapped, equal=False)[::-1]

    @wrong("in the order they went in")
    def first_in_first_out(tokens):
        signs = [token for token in tokens if token in "+−×÷"]
        return [token for token in tokens if token.isdigit()] + signs

    @wrong("are lost")
    def forgets_the_stack(tokens):
        return [token for token in tokens if token.isdigit()]

    @wrong("cut numbers into digits")
    def by_characters(tokens):
        return _shunt("".join(tokens))

    @wrong("worked out from the left")
    def right_associative(tokens):
        return _shunt(tokens, equal=False)

    @wrong("parentheses had no effect")
    def ignores_parentheses(tokens):
        return _shunt([token for token in tokens if token not in "()"])

    @wrong("came out as if it were a sign")
    def passes_the_parenthesis_on(tokens):
        return _shunt(tokens, pass_open=True)

    @wrong("stayed on the stack")
    def never_pops_the_parenthesis(tokens):
        return _shunt(tokens, pop_open=False)

    @right
    def shunting_yard(tokens):
        return _shunt(tokens)

    @right
    def recursive(tokens):
        rest = list(tokens)

        def level(signs, deeper):
            out = deeper()
            while rest and rest[0] in signs:
                sign = rest.pop(0)
                out = [*out, *deeper(), sign]
            return out

        def factor():
            token = rest.pop(0)
            if token != "(":
                return [token]
            out = total()
            rest.pop(0)
            return out

        def total():
            return level("+−", lambda: level("×÷", factor))

        return total()


def _apply(sign, left, right):
    return {
        "+": lambda: left + right,
        "−": lambda: left - right,
        "×": lambda: left * right,
        "÷": lambda: left / right,
    }[sign]()


def _run(tokens, number=Fraction, apply=_apply):
    stack = []
    for token in tokens:
        if token in "+−×÷":
            right_side, left_side = stack.pop(), stack.pop()
            stack.append(apply(token, left_side, right_side))
        else:
            stack.append(number(token))
    return stack


class evaluate_postfix:
    @wrong("two sides are exchanged")
    def swapped(tokens):
        return _run(tokens, apply=lambda sign, a, b: _apply(sign, b, a))[0]

    @wrong("whole stack")
    def returns_the_stack(tokens):
        return _run(tokens)

    @wrong("returned a text")
    def as_text(tokens):
        return str(_run(tokens)[0])

    @wrong("rounded down")
    def floor_division(tokens):
        def apply(sign, a, b):
            return a // b if sign == "÷" else _apply(sign, a, b)

        return Fraction(_run(tokens, int, apply)[0])

    @wrong("computed with floats")
    def floats(tokens):
        return _run(tokens, float)[0]

    @wrong("waited longest")
    def queue(tokens):
        waiting = []
        for token in tokens:
            if token in "+−×÷":
                left_side, right_side = waiting.pop(0), waiting.pop(0)
                waiting.append(_apply(token, left_side, right_side))
            else:
                waiting.append(Fraction(token))
        return waiting[0]

    @right
    def by_stack(tokens):
        return _run(tokens)[-1]

    @right
    def recursive(tokens):
        rest = list(tokens)

        def value():
            token = rest.pop()
            if token not in "+−×÷":
                return Fraction(int(token))
            right_side = value()
            return _apply(token, value(), right_side)

        return value()
