"""Answers to the exercises of capstone 3."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

from torchcourse.train.mode import in_eval_mode
from wrong_answers import right, wrong

NOISE = re.compile(r"https?://[!-~]+|@\S+", re.IGNORECASE)
PAD, UNK = 0, 1
FACTOR = 7_919


def _form(text, name="NFKC"):
    return unicodedata.normalize(name, text)


def _quiet(text):
    return NOISE.sub(" ", text)


def _runs(text, sign=".", more=3):
    return re.sub(rf"({sign})\1{{{more},}}", r"\1\1\1", text)


def _gaps(text):
    return " ".join(text.split())


def _chain(*steps):
    def clean(text):
        for step in steps:
            text = step(text)
        return text

    return clean


class clean_review:
    keeps_runs = wrong("Six exclamation marks")(_chain(_form, _quiet, str.lower, _gaps))
    keeps_capitals = wrong("Capital letters")(_chain(_form, _quiet, _runs, _gaps))
    keeps_noise = wrong("still there")(_chain(_form, str.lower, _runs, _gaps))
    keeps_gaps = wrong("gap of several")(_chain(_form, _quiet, str.lower, _runs))
    keeps_wide_signs = wrong("＠lin is no name")(_chain(_quiet, str.lower, _runs, _gaps))
    form_last = wrong("Runs were shortened before ！")(
        _chain(lambda text: text.replace("＠", "@"), _quiet, str.lower, _runs, _gaps, _form)
    )
    noise_first = wrong("name was looked for before")(
        _chain(_quiet, _form, str.lower, _runs, _gaps)
    )
    runs_before_case = wrong("before A and a")(_chain(_form, _quiet, _runs, str.lower, _gaps))

    takes_signs_apart = wrong("that is NFKD")(
        _chain(lambda text: _form(text, "NFKD"), _quiet, str.lower, _runs, _gaps)
    )
    from_five_on = wrong("A run of four")(
        _chain(_form, _quiet, str.lower, lambda text: _runs(text, more=4), _gaps)
    )
    letters_only = wrong("Only letters are shortened")(
        _chain(_form, _quiet, str.lower, lambda text: _runs(text, sign=r"\w"), _gaps)
    )
    keeps_tabs = wrong("A tab is left")(
        _chain(_form, _quiet, str.lower, _runs, lambda text: re.sub(" +", " ", text).strip())
    )
    keeps_the_ends = wrong("left at the end")(
        _chain(_form, _quiet, str.lower, _runs, lambda text: re.sub(r"\s+", " ", text))
    )
    glues_all = wrong("All spaces are gone")(
        _chain(_form, _quiet, str.lower, _runs, lambda text: "".join(text.split()))
    )

    @wrong("keep one sign")
    def keeps_one(text):
        return _gaps(re.sub(r"(.)\1+", r"\1", _quiet(_form(text)).lower()))

    @wrong("*set* to three")
    def sets_to_three(text):
        return _gaps(re.sub(r"(.)\1+", r"\1\1\1", _quiet(_form(text)).lower()))

    @wrong("glued together")
    def glues(text):
        return _gaps(_runs(NOISE.sub("", _form(text)).lower()))

    @wrong("Marks and emoji are gone")
    def drops_marks(text):
        text = _quiet(_form(text)).lower()
        return _gaps(_runs("".join(sign for sign in text if sign.isalnum() or sign.isspace())))

    by_steps = right(_chain(_form, _quiet, str.lower, _runs, _gaps))

    @right
    def sign_by_sign(text):
        kept = []
        for sign in re.sub(r"@\S+", " ", re.sub(r"https?://[!-~]+", " ", _form(text))).lower():
            if kept[-3:] != [sign] * 3:
                kept.append(sign)
        return re.sub(r"\s+", " ", "".join(kept)).strip()


def _key(text):
    return "".join(sign for sign in text.lower() if sign.isalnum())


def _percent(key):
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) % 100


def _part(percent, test=10, validation=19):
    return "test" if percent < test else "validation" if percent < validation else "train"


class parts_of:
    @wrong("salted anew")
    def pythons_hash(texts):
        return [_part(hash(_key(text)) % 100) for text in texts]

    @wrong("number of 19")
    def validation_too_large(texts):
        return [_part(_percent(_key(text)), 10, 20) for text in texts]

    @wrong("number of 10")
    def test_too_large(texts):
        return [_part(_percent(_key(text)), 11) for text in texts]

    @wrong("number of 18")
    def validation_too_small(texts):
        return [_part(_percent(_key(text)), 10, 18) for text in texts]

    @wrong("number of 9 ")
    def test_too_small(texts):
        return [_part(_percent(_key(text)), 9) for text in texts]

    @wrong("Digits are left out")
    def letters_only(texts):
        return [_part(_percent("".join(filter(str.isalpha, text.lower())))) for text in texts]

    @wrong("The underscore is left in")
    def words_by_pattern(texts):
        return [_part(_percent(re.sub(r"\W+", "", text.lower()))) for text in texts]

    @wrong("are swapped")
    def swapped(texts):
        swap = {"test": "validation", "validation": "test", "train": "train"}
        return [swap[_part(_percent(_key(text)))] for text in texts]

    @wrong("in a mark or a space")
    def hashes_the_text(texts):
        return [_part(_percent(text)) for text in texts]

    @wrong("GOOD MOVIE and good movie")
    def keeps_capitals(texts):
        return [_part(_percent("".join(filter(str.isalnum, text)))) for text in texts]

    @wrong("other marks at its end")
    def drops_spaces_only(texts):
        return [_part(_percent(text.lower().replace(" ", ""))) for text in texts]

    @right
    def by_comprehension(texts):
        return [_part(_percent(_key(text))) for text in texts]

    @right
    def by_bytes(texts):
        found = []
        for text in texts:
            key = re.sub(r"[\W_]+", "", text.lower())
            digest = hashlib.sha256(key.encode("utf-8")).digest()
            found.append(_part(int.from_bytes(digest, "big") % 100))
        return found


def _row(text, numbers):
    return [numbers.get(sign, UNK) for sign in text if not sign.isspace()]


def _ends(row, most):
    last = most // 2
    return row if len(row) <= most else row[: most - last] + row[len(row) - last :]


class encode:
    @wrong("without a trace")
    def drops_unknown(text, numbers, max_tokens):
        return _ends([numbers[sign] for sign in text if sign in numbers], max_tokens)

    @wrong("number 0")
    def unknown_is_padding(text, numbers, max_tokens):
        row = [numbers.get(sign, PAD) for sign in text if not sign.isspace()]
        return _ends(row, max_tokens)

    @wrong("no row")
    def grows(text, numbers, max_tokens):
        signs = [sign for sign in text if not sign.isspace()]
        return _ends([numbers.setdefault(sign, len(numbers) + 3) for sign in signs], max_tokens)

    @wrong("only once")
    def each_sign_once(text, numbers, max_tokens):
        return _ends(list(dict.fromkeys(_row(text, numbers))), max_tokens)

    @wrong("space became")
    def keeps_spaces(text, numbers, max_tokens):
        return _ends([numbers.get(sign, UNK) for sign in text], max_tokens)

    @wrong("middle stands there twice")
    def always_cuts(text, numbers, max_tokens):
        row, last = _row(text, numbers), max_tokens // 2
        return row[: max_tokens - last] + row[-last:]

    @wrong("they are a tensor")
    def gives_a_tensor(text, numbers, max_tokens):
        return torch.tensor(_ends(_row(text, numbers), max_tokens))

    @wrong("The end is cut off")
    def keeps_the_beginning(text, numbers, max_tokens):
        return _row(text, numbers)[:max_tokens]

    @wrong("The beginning is cut off")
    def keeps_the_end(text, numbers, max_tokens):
        return _row(text, numbers)[-max_tokens:]

    @wrong("smaller half")
    def larger_end(text, numbers, max_tokens):
        row, first = _row(text, numbers), max_tokens // 2
        if len(row) <= max_tokens:
            return row
        return row[:first] + row[first - max_tokens :]

    @wrong("Four tokens are left")
    def cuts_the_text(text, numbers, max_tokens):
        return _row(_ends(text, max_tokens), numbers)

    @wrong("Nothing was cut")
    def never_cuts(text, numbers, max_tokens):
        return _row(text, numbers)

    @wrong("*whole* row")
    def minus_zero(text, numbers, max_tokens):
        row, last = _row(text, numbers), max_tokens // 2
        return row if len(row) <= max_tokens else row[: max_tokens - last] + row[-last:]

    @right
    def by_slices(text, numbers, max_tokens):
        return _ends(_row(text, numbers), max_tokens)

    @right
    def by_deleting(text, numbers, max_tokens):
        row = []
        for sign in "".join(text.split()):
            row.append(numbers.get(sign, UNK))
        while len(row) > max_tokens:
            del row[(max_tokens + 1) // 2]
        return row


def _batches(order, lengths, fits):
    """Batches of these places in this order; a batch grows while it fits."""
    found = []
    for place in order:
        if found and fits([*found[-1], place]):
            found[-1].append(place)
        else:
            found.append([place])
    return found


def _sorted(lengths, **how):
    return sorted(range(len(lengths)), key=lengths.__getitem__, **how)


def _places(lengths, tokens):
    return lambda batch: len(batch) * max(lengths[i] for i in batch) <= tokens


class batches_by_length:
    @wrong("long beside short")
    def unsorted(lengths, tokens):
        return _batches(range(len(lengths)), lengths, _places(lengths, tokens))

    @wrong("begin with the longest")
    def longest_first(lengths, tokens):
        order = _sorted(lengths, reverse=True)
        return _batches(order, lengths, _places(lengths, tokens))

    @wrong("right batches, but the longest")
    def upside_down(lengths, tokens):
        return _batches(_sorted(lengths), lengths, _places(lengths, tokens))[::-1]

    @wrong("counted real tokens")
    def counts_real_tokens(lengths, tokens):
        return _batches(
            _sorted(lengths), lengths, lambda batch: sum(lengths[i] for i in batch) <= tokens
        )

    @wrong("5 × 5 places")
    def limits_the_texts(lengths, tokens):
        return _batches(_sorted(lengths), lengths, lambda batch: len(batch) <= tokens)

    @wrong("without the new text")
    def asks_too_late(lengths, tokens):
        batches = []
        for place in _sorted(lengths):
            if not batches or len(batches[-1]) * lengths[place] > tokens:
                batches.append([])
            batches[-1].append(place)
        return batches

    @wrong("finds only the first")
    def looks_lengths_up(lengths, tokens):
        batches = _batches(_sorted(lengths), lengths, _places(lengths, tokens))
        return [[lengths.index(lengths[place]) for place in batch] for batch in batches]

    @wrong("fit exactly")
    def refuses_a_full_batch(lengths, tokens):
        return _batches(_sorted(lengths), lengths, _places(lengths, tokens - 1))

    @wrong("last batch is missing")
    def forgets_the_last(lengths, tokens):
        return _batches(_sorted(lengths), lengths, _places(lengths, tokens))[:-1]

    @wrong("not their places")
    def gives_lengths(lengths, tokens):
        batches = _batches(_sorted(lengths), lengths, _places(lengths, tokens))
        return [[lengths[i] for i in batch] for batch in batches]

    @wrong("later one comes first")
    def ties_backwards(lengths, tokens):
        order = _sorted(lengths, reverse=True)[::-1]
        return _batches(order, lengths, _places(lengths, tokens))

    @wrong("got lost")
    def drops_long_ones(lengths, tokens):
        order = [place for place in _sorted(lengths) if lengths[place] <= tokens]
        return _batches(order, lengths, _places(lengths, tokens))

    @wrong("first batch is empty")
    def opens_one_too_early(lengths, tokens):
        batches = [[]] if lengths else []
        for place in _sorted(lengths):
            if (len(batches[-1]) + 1) * lengths[place] > tokens:
                batches.append([])
            batches[-1].append(place)
        return batches

    @wrong("there is no batch")
    def empty_batch(lengths, tokens):
        return _batches(_sorted(lengths), lengths, _places(lengths, tokens)) or [[]]

    @right
    def by_helper(lengths, tokens):
        return _batches(_sorted(lengths), lengths, _places(lengths, tokens))

    @right
    def by_tensor(lengths, tokens):
        batches, batch = [], []
        for place in torch.tensor(lengths).argsort(stable=True).tolist():
            if batch and (len(batch) + 1) * lengths[place] > tokens:
                batches.append(batch)
                batch = []
            batch.append(place)
        return [*batches, batch] if batch else batches


def _behind(tokens):
    return F.pad(tokens, (0, 1), value=PAD)[:, 1:]


class pair_rows:
    @wrong("first* of the text")
    def rolls(tokens, buckets):
        return (tokens * FACTOR + tokens.roll(-1, dims=1)) % buckets

    @wrong("not brought below `buckets`")
    def as_given(tokens, buckets):
        return tokens * FACTOR + torch.roll(tokens, -1, dims=1)

    @wrong("next text*")
    def rolls_flat(tokens, buckets):
        return (tokens * FACTOR + tokens.roll(-1)) % buckets

    @wrong("beyond the table")
    def forgets_the_remainder(tokens, buckets):
        return tokens * FACTOR + _behind(tokens)

    @wrong("paired with itself")
    def repeats_the_last(tokens, buckets):
        behind = torch.cat([tokens[:, 1:], tokens[:, -1:]], dim=1)
        return (tokens * FACTOR + behind) % buckets

    @wrong("only added")
    def adds(tokens, buckets):
        return (tokens + _behind(tokens)) % buckets

    @wrong("second number is multiplied")
    def multiplies_the_second(tokens, buckets):
        return (tokens + _behind(tokens) * FACTOR) % buckets

    @wrong("the one before it")
    def looks_back(tokens, buckets):
        return (tokens * FACTOR + F.pad(tokens, (1, 0))[:, :-1]) % buckets

    @wrong("has no pair")
    def one_less(tokens, buckets):
        return (tokens[:, :-1] * FACTOR + tokens[:, 1:]) % buckets

    @wrong("Python loop")
    def loops(tokens, buckets):
        rows = [
            [(a * FACTOR + b) % buckets for a, b in zip(row, [*row[1:], PAD], strict=True)]
            for row in tokens.tolist()
        ]
        return torch.tensor(rows)

    @wrong("changed its input")
    def in_place(tokens, buckets):
        behind = _behind(tokens)
        tokens *= FACTOR
        return (tokens + behind) % buckets

    @right
    def by_pad(tokens, buckets):
        return (tokens * FACTOR + _behind(tokens)) % buckets

    @right
    def by_cat(tokens, buckets):
        last = torch.full_like(tokens[:, :1], PAD)
        return torch.remainder(tokens * FACTOR + torch.cat([tokens[:, 1:], last], 1), buckets)


def _pad(rows):
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True)


def _logits(model, rows, batches):
    """In the order of the batches."""
    return torch.cat([model(_pad([rows[i] for i in places])) for places in batches])


def _in_place(model, rows, batches):
    logits = torch.zeros(len(rows), 2)
    for places in batches:
        logits[places] = model(_pad([rows[i] for i in places]))
    return logits


def _evaluated(function, model, *rest):
    with in_eval_mode(model), torch.no_grad():
        return function(model, *rest)


class predict:
    @wrong("and the answers stand in the order of the batches")
    def as_given(model, rows, batches):
        return _logits(model, rows, batches)

    @wrong("the first belongs to the third text")
    def in_order_of_batches(model, rows, batches):
        return _evaluated(_logits, model, rows, batches)

    @wrong("a second time")
    def sorts_again(model, rows, batches):
        order = [place for places in batches for place in places]
        return _evaluated(_logits, model, rows, batches)[order]

    @wrong("so dropout answers as well")
    def in_train_mode(model, rows, batches):
        with torch.no_grad():
            return _in_place(model, rows, batches)

    @wrong("These are probabilities")
    def gives_probabilities(model, rows, batches):
        return _evaluated(_in_place, model, rows, batches).softmax(1)

    @wrong("Only the answers")
    def gives_answers(model, rows, batches):
        return _evaluated(_in_place, model, rows, batches).argmax(1)

    @wrong("hold on to the graph")
    def keeps_the_graph(model, rows, batches):
        with in_eval_mode(model):
            return _in_place(model, rows, batches)

    @wrong("was called 3 times")
    def one_by_one(model, rows, batches):
        return _evaluated(_in_place, model, rows, [[place] for place in range(len(rows))])

    @wrong("was called once")
    def all_at_once(model, rows, batches):
        return _evaluated(lambda *_: model(_pad(rows)), model, rows, batches)

    @wrong("gradients stay switched off")
    def switches_gradients_off(model, rows, batches):
        torch.set_grad_enabled(False)
        with in_eval_mode(model):
            return _in_place(model, rows, batches)

    @wrong("in the mode it was in")
    def sets_one_mode(model, rows, batches):
        training = model.training
        model.eval()
        with torch.no_grad():
            logits = _in_place(model, rows, batches)
        model.train(training)
        return logits

    @wrong("and the network stays in eval mode")
    def stays_in_eval_mode(model, rows, batches):
        model.eval()
        with torch.no_grad():
            return _in_place(model, rows, batches)

    @right
    def by_places(model, rows, batches):
        return _evaluated(_in_place, model, rows, batches)

    @right
    def by_the_inverse_order(model, rows, batches):
        order = torch.tensor([place for places in batches for place in places])
        return _evaluated(_logits, model, rows, batches)[order.argsort()]


def _table(correct, domains):
    """Name, count and hits of each kind, in the order in which they occur."""
    hits = defaultdict(int)
    for name, one in zip(domains, correct.tolist(), strict=True):
        hits[name] += one
    return [(name, count, hits[name]) for name, count in Counter(domains).items()]


def _rows(correct, domains):
    return [(name, count, hits / count) for name, count, hits in _table(correct, domains)]


def _hardest(rows):
    return sorted(rows, key=lambda row: (row[-1], row[0]))


class by_domain:
    @wrong("easiest kind")
    def easiest_first(correct, domains):
        return sorted(_rows(correct, domains), key=lambda row: (-row[2], row[0]))

    @wrong("Equal shares")
    def ties_as_they_come(correct, domains):
        return sorted(_rows(correct, domains), key=lambda row: row[2])

    @wrong("order of their counts")
    def ties_by_count(correct, domains):
        return sorted(_rows(correct, domains), key=lambda row: (row[2], -row[1]))

    @wrong("shares are rounded")
    def rounds(correct, domains):
        return _hardest([(name, n, round(share, 2)) for name, n, share in _rows(correct, domains)])

    @wrong("divided by all")
    def divides_by_all(correct, domains):
        rows = [
            (name, count, hits / len(domains)) for name, count, hits in _table(correct, domains)
        ]
        return _hardest(rows)

    @wrong("shares of errors")
    def counts_errors(correct, domains):
        return _hardest(_rows(~correct, domains))

    @wrong("how many were right")
    def counts_hits(correct, domains):
        rows = [(name, hits, hits / count) for name, count, hits in _table(correct, domains)]
        return _hardest(rows)

    @wrong("order in which they occur.")
    def as_they_come(correct, domains):
        return _rows(correct, domains)

    @wrong("order of the alphabet")
    def by_name(correct, domains):
        return sorted(_rows(correct, domains))

    @wrong("counts are missing")
    def without_counts(correct, domains):
        return _hardest([(name, share) for name, _, share in _rows(correct, domains)])

    @wrong("not a plain Python number")
    def with_tensors(correct, domains):
        names = sorted(set(domains))
        parts = [correct[torch.tensor([d == name for d in domains])] for name in names]
        rows = [(n, len(p), p.float().mean()) for n, p in zip(names, parts, strict=True)]
        return _hardest(rows)

    @right
    def by_counting(correct, domains):
        return _hardest(_rows(correct, domains))

    @right
    def by_masks(correct, domains):
        rows = []
        for name in sorted(set(domains)):
            own = correct[[place for place, domain in enumerate(domains) if domain == name]]
            rows.append((name, own.numel(), own.double().mean().item()))
        return sorted(rows, key=lambda row: row[2])


def _holes(tokens, mask):
    """(T, T): row t has a hole at place t."""
    return tokens.repeat(len(tokens), 1).fill_diagonal_(mask)


class occlusion:
    @wrong("signs are turned")
    def turned(margin_of, tokens, mask):
        return margin_of(_holes(tokens, mask)) - margin_of(tokens[None])

    @wrong("nothing is compared")
    def without_difference(margin_of, tokens, mask):
        return margin_of(_holes(tokens, mask))

    @wrong("took the token out")
    def removes(margin_of, tokens, mask):
        if len(tokens) == 1:
            return margin_of(tokens[None])
        rest = [torch.cat([tokens[:t], tokens[t + 1 :]]) for t in range(len(tokens))]
        return margin_of(tokens[None]) - margin_of(torch.stack(rest))

    @wrong("which is padding")
    def pads(margin_of, tokens, mask):
        return margin_of(tokens[None]) - margin_of(_holes(tokens, PAD))

    @wrong("holes add up")
    def cumulates(margin_of, tokens, mask):
        hidden, found = tokens.clone(), []
        for place in range(len(tokens)):
            hidden[place] = mask
            found.append(margin_of(tokens[None])[0] - margin_of(hidden[None])[0])
        return torch.stack(found)

    @wrong("signs are lost")
    def absolute(margin_of, tokens, mask):
        return (margin_of(tokens[None]) - margin_of(_holes(tokens, mask))).abs()

    @wrong("stopped with an error")
    def forgets_the_batch(margin_of, tokens, mask):
        return margin_of(tokens) - margin_of(_holes(tokens, mask))

    @wrong("changed its input")
    def in_place(margin_of, tokens, mask):
        whole, found = margin_of(tokens[None]), []
        for place in range(len(tokens)):
            old = tokens[place].item()
            tokens[place] = mask
            found.append(whole - margin_of(tokens[None]))
            if place + 1 < len(tokens):
                tokens[place] = old
        return torch.cat(found)

    @right
    def in_one_batch(margin_of, tokens, mask):
        return margin_of(tokens[None]) - margin_of(_holes(tokens, mask))

    @right
    def one_by_one(margin_of, tokens, mask):
        whole, found = margin_of(tokens[None])[0], []
        for place in range(len(tokens)):
            hidden = tokens.clone()
            hidden[place] = mask
            found.append(whole - margin_of(hidden[None])[0])
        return torch.stack(found)


def _gradient(margin_at, x):
    own = x.detach().clone().requires_grad_()
    return torch.autograd.grad(margin_at(own), own)[0]


class gradient_times_input:
    @wrong("how steep the margin is")
    def gradient_only(margin_at, x):
        return _gradient(margin_at, x)

    @wrong("each number of each vector")
    def without_the_sum(margin_at, x):
        return _gradient(margin_at, x) * x

    @wrong("the gradient alone")
    def sums_the_gradient(margin_at, x):
        return _gradient(margin_at, x).sum(1)

    @wrong("length of the gradient")
    def takes_the_norm(margin_at, x):
        return _gradient(margin_at, x).norm(dim=1)

    @wrong("absolute values")
    def absolute(margin_at, x):
        return (_gradient(margin_at, x) * x).abs().sum(1)

    @wrong("over the tokens")
    def over_tokens(margin_at, x):
        return (_gradient(margin_at, x) * x).sum(0)

    @wrong("mean over D")
    def takes_the_mean(margin_at, x):
        return (_gradient(margin_at, x) * x).mean(1)

    @wrong("hang on to a graph")
    def keeps_the_graph(margin_at, x):
        own = x.detach().clone().requires_grad_()
        return (torch.autograd.grad(margin_at(own), own)[0] * own).sum(1)

    @wrong("caller's `x` now requires")
    def marks_the_caller(margin_at, x):
        x.requires_grad_()
        return (torch.autograd.grad(margin_at(x), x)[0] * x).sum(1).detach()

    @wrong("left on the caller's `x`")
    def leaves_a_gradient(margin_at, x):
        x.requires_grad_()
        margin_at(x).backward(inputs=[x])
        return (x.grad * x.requires_grad_(False)).sum(1)

    @wrong("left gradients on the network")
    def goes_backward(margin_at, x):
        own = x.detach().clone().requires_grad_()
        margin_at(own).backward()
        return (own.grad * x).sum(1)

    @right
    def by_autograd(margin_at, x):
        return (_gradient(margin_at, x) * x).sum(1)

    @right
    def by_einsum(margin_at, x):
        return torch.einsum("td,td->t", _gradient(margin_at, x), x.detach())


def _curve(margin_of, tokens, order, mask):
    """The margins after 0, 1, … holes in this order."""
    hidden, found = tokens.clone(), [margin_of(tokens[None])[0]]
    for place in order.tolist():
        hidden[place] = mask
        found.append(margin_of(hidden[None])[0])
    return torch.stack(found)


def _sign(margin_of, tokens):
    return margin_of(tokens[None]).sign()


class deletion_curve:
    @wrong("least important token")
    def least_first(margin_of, tokens, weights, mask):
        sign = _sign(margin_of, tokens)
        return sign * _curve(margin_of, tokens, (weights * sign).argsort(), mask)

    @wrong("in the order of the text")
    def in_text_order(margin_of, tokens, weights, mask):
        order = torch.arange(len(tokens))
        return _sign(margin_of, tokens) * _curve(margin_of, tokens, order, mask)

    @wrong("sorted by absolute weight")
    def absolute_weights(margin_of, tokens, weights, mask):
        order = weights.abs().argsort(descending=True)
        return _sign(margin_of, tokens) * _curve(margin_of, tokens, order, mask)

    @wrong("came back")
    def one_at_a_time(margin_of, tokens, weights, mask):
        sign = _sign(margin_of, tokens)
        holes = _holes(tokens, mask)[(weights * sign).argsort(descending=True)]
        return sign * margin_of(torch.cat([tokens[None], holes]))

    @wrong("which is padding")
    def hides_behind_padding(margin_of, tokens, weights, mask):
        sign = _sign(margin_of, tokens)
        return sign * _curve(margin_of, tokens, (weights * sign).argsort(descending=True), PAD)

    @wrong("You took the tokens out")
    def removes(margin_of, tokens, weights, mask):
        sign = _sign(margin_of, tokens)
        order = (weights * sign).argsort(descending=True)
        left = [order[count:].sort().values for count in range(len(tokens) + 1)]
        return sign * torch.cat([margin_of(tokens[places][None]) for places in left])

    @wrong("not the right values")
    def mask_of_its_own(margin_of, tokens, weights, mask):
        return deletion_curve.step_by_step.value(margin_of, tokens, weights, 2)

    @wrong("the sign of the weights for the answer")
    def trusts_the_weights(margin_of, tokens, weights, mask):
        sign = weights.sum().sign()
        return sign * _curve(margin_of, tokens, (weights * sign).argsort(descending=True), mask)

    @wrong("shares of the first margin")
    def gives_shares(margin_of, tokens, weights, mask):
        curve = deletion_curve.step_by_step.value(margin_of, tokens, weights, mask)
        return curve / curve[0]

    @wrong("start is missing")
    def without_the_start(margin_of, tokens, weights, mask):
        sign = _sign(margin_of, tokens)
        order = (weights * sign).argsort(descending=True)
        return (sign * _curve(margin_of, tokens, order, mask))[1:]

    @wrong("last value is missing")
    def without_the_end(margin_of, tokens, weights, mask):
        sign = _sign(margin_of, tokens)
        order = (weights * sign).argsort(descending=True)[:-1]
        return sign * _curve(margin_of, tokens, order, mask)

    @wrong("These are changes")
    def gives_changes(margin_of, tokens, weights, mask):
        sign = _sign(margin_of, tokens)
        curve = sign * _curve(margin_of, tokens, (weights * sign).argsort(descending=True), mask)
        return curve - curve[0]

    @wrong("absolute margins")
    def absolute_margins(margin_of, tokens, weights, mask):
        sign = _sign(margin_of, tokens)
        return _curve(margin_of, tokens, (weights * sign).argsort(descending=True), mask).abs()

    @wrong("treat it as praise")
    def always_praise(margin_of, tokens, weights, mask):
        return _curve(margin_of, tokens, weights.argsort(descending=True), mask)

    @wrong("hide first what speaks for praise")
    def sign_of_margins_only(margin_of, tokens, weights, mask):
        order = weights.argsort(descending=True)
        return _sign(margin_of, tokens) * _curve(margin_of, tokens, order, mask)

    @wrong("the margins are those for praise")
    def sign_of_weights_only(margin_of, tokens, weights, mask):
        order = (weights * _sign(margin_of, tokens)).argsort(descending=True)
        return _curve(margin_of, tokens, order, mask)

    @right
    def step_by_step(margin_of, tokens, weights, mask):
        sign = _sign(margin_of, tokens)
        return sign * _curve(margin_of, tokens, (weights * sign).argsort(descending=True), mask)

    @right
    def in_one_batch(margin_of, tokens, weights, mask):
        sign = _sign(margin_of, tokens)
        rank = (-sign * weights).argsort().argsort()  # (T,): when each token is hidden
        gone = rank < torch.arange(len(tokens) + 1)[:, None]  # (T + 1, T)
        return sign * margin_of(tokens.masked_fill(gone, mask))
