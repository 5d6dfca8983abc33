"""Answers to lab 1 of chapter 7: tokens and attention."""

import math
import random
import re

import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score
from torch.nn.utils.rnn import pad_sequence

from wrong_answers import right, wrong


def _padded(rows, pad, batch_first=True):
    tensors = [torch.tensor(row, dtype=torch.int64) for row in rows]
    return pad_sequence(tensors, batch_first=batch_first, padding_value=pad)


def _real(rows):
    longest = max(map(len, rows))
    return torch.tensor([[place < len(row) for place in range(longest)] for row in rows])


class pad_batch:
    @wrong("filled with 0")
    def fills_with_zero(rows, pad):
        return _padded(rows, 0), _real(rows)

    @wrong("upside down")
    def marks_padding(rows, pad):
        return _padded(rows, pad), ~_real(rows)

    @wrong("holds 0 and 1")
    def integer_mask(rows, pad):
        return _padded(rows, pad), _real(rows).long()

    @wrong("stands on the left")
    def pads_left(rows, pad):
        longest = max(map(len, rows))
        ids = torch.tensor([[pad] * (longest - len(row)) + row for row in rows])
        return ids, _real(rows).flip(1)

    @wrong("cut to the shortest")
    def cuts(rows, pad):
        shortest = min(map(len, rows))
        ids = torch.tensor([row[:shortest] for row in rows])
        return ids, torch.ones_like(ids, dtype=torch.bool)

    @wrong("time first")
    def time_first(rows, pad):
        return _padded(rows, pad, batch_first=False), _real(rows).T

    @wrong("are floats")
    def floats(rows, pad):
        return _padded(rows, pad).float(), _real(rows)

    @wrong("without the mask")
    def numbers_alone(rows, pad):
        return _padded(rows, pad)

    @wrong("Did you compare with 0?")
    def compares_with_zero(rows, pad):
        ids = _padded(rows, pad)
        return ids, ids != 0

    @wrong("not the right values")
    def compares_by_size(rows, pad):
        ids = _padded(rows, pad)
        return ids, ids > pad

    @wrong("sorted by length")
    def sorts(rows, pad):
        rows = sorted(rows, key=len, reverse=True)
        return _padded(rows, pad), _real(rows)

    @wrong("swapped")
    def mask_first(rows, pad):
        return _real(rows), _padded(rows, pad)

    @wrong("stopped with an error")
    def does_not_pad(rows, pad):
        ids = torch.tensor(rows)
        return ids, ids != pad

    @right
    def with_lists(rows, pad):
        longest = max(map(len, rows))
        return torch.tensor([row + [pad] * (longest - len(row)) for row in rows]), _real(rows)

    @right
    def with_pad_sequence(rows, pad):
        ids = _padded(rows, pad)
        lengths = torch.tensor([len(row) for row in rows])
        return ids, torch.arange(ids.shape[1]) < lengths[:, None]


def _mean(x, mask):
    weight = mask.unsqueeze(-1).to(x.dtype)
    return (x * weight).sum(1) / weight.sum(1).clamp(min=1)


def _top(x, mask):
    top = x.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(1)
    return top.masked_fill(~mask.any(1, keepdim=True), 0.0)


class masked_pool:
    @wrong("run over all T places")
    def ignores_the_mask(x, mask):
        return torch.cat([x.mean(1), x.amax(1)], dim=1)

    @wrong("padding counts as 0")
    def zeros_in_the_maximum(x, mask):
        return torch.cat([_mean(x, mask), (x * mask.unsqueeze(-1)).amax(1)], dim=1)

    @wrong("the maximum still sees the padding")
    def plain_maximum(x, mask):
        return torch.cat([_mean(x, mask), x.amax(1)], dim=1)

    @wrong("divided by T")
    def divides_by_t(x, mask):
        return torch.cat([(x * mask.unsqueeze(-1)).mean(1), _top(x, mask)], dim=1)

    @wrong("in the whole batch")
    def divides_by_all(x, mask):
        return torch.cat([(x * mask.unsqueeze(-1)).sum(1) / mask.sum(), _top(x, mask)], dim=1)

    @wrong("not their mean")
    def adds_up(x, mask):
        return torch.cat([(x * mask.unsqueeze(-1)).sum(1), _top(x, mask)], dim=1)

    @wrong("you pooled the padding")
    def upside_down(x, mask):
        return torch.cat([_mean(x, ~mask), _top(x, ~mask)], dim=1)

    @wrong("A mask may have gaps")
    def first_places(x, mask):
        places = torch.arange(mask.shape[1]) < mask.sum(1, keepdim=True)
        return torch.cat([_mean(x, places), _top(x, places)], dim=1)

    @wrong("the number you filled in")
    def fills_with_a_large_number(x, mask):
        top = x.masked_fill(~mask.unsqueeze(-1), -1e9).amax(1)
        return torch.cat([_mean(x, mask), top], dim=1)

    @wrong("the gradient is NaN")
    def repairs_too_late(x, mask):
        weight = mask.unsqueeze(-1).float()
        mean = (x * weight).sum(1) / weight.sum(1)
        return torch.cat([mean.nan_to_num(0), _top(x, mask)], dim=1)

    @wrong("swapped")
    def swapped(x, mask):
        return torch.cat([_top(x, mask), _mean(x, mask)], dim=1)

    @wrong("an axis of their own")
    def stacked(x, mask):
        return torch.stack([_mean(x, mask), _top(x, mask)], dim=1)

    @wrong("Only the mean")
    def mean_alone(x, mask):
        return _mean(x, mask)

    @wrong("without any token gives 0/0")
    def forgets_empty_texts(x, mask):
        weight = mask.unsqueeze(-1).float()
        top = x.masked_fill(weight == 0, -torch.inf).amax(1)
        return torch.cat([(x * weight).sum(1) / weight.sum(1), top], dim=1)

    @wrong("The empty text has disappeared")
    def drops_empty_texts(x, mask):
        keep = mask.any(1)
        return torch.cat([_mean(x, mask)[keep], _top(x, mask)[keep]], dim=1)

    @right
    def in_halves(x, mask):
        return torch.cat([_mean(x, mask), _top(x, mask)], dim=1)

    @right
    def text_by_text(x, mask):
        pooled = []
        for row, keep in zip(x, mask, strict=True):
            real = row[keep] if keep.any() else torch.zeros_like(row[:1])
            pooled.append(torch.cat([real.mean(0), real.max(0).values]))
        return torch.stack(pooled)


def _look(q, k, v, mask, scale=None, dim=-1, fill=-torch.inf):
    scores = q @ k.transpose(-2, -1) / (scale or math.sqrt(q.shape[-1]))
    if mask is not None:
        scores = scores.masked_fill(~mask, fill)
    return scores.softmax(dim) @ v


class attend:
    @wrong("not scaled")
    def no_scale(q, k, v, mask):
        return _look(q, k, v, mask, scale=1.0)

    @wrong("divided by D")
    def by_d(q, k, v, mask):
        return _look(q, k, v, mask, scale=q.shape[-1])

    @wrong("root of the number of keys")
    def by_keys(q, k, v, mask):
        return _look(q, k, v, mask, scale=math.sqrt(k.shape[-2]))

    @wrong("root of the number of queries")
    def by_queries(q, k, v, mask):
        return _look(q, k, v, mask, scale=math.sqrt(q.shape[1]))

    @wrong("You multiplied")
    def multiplies(q, k, v, mask):
        return _look(q, k, v, mask, scale=q.shape[-1] ** -0.5)

    @wrong("runs over the queries")
    def over_queries(q, k, v, mask):
        return _look(q, k, v, mask, dim=-2)

    @wrong("2 is not the last axis")
    def third_axis(q, k, v, mask):
        return _look(q, k, v, mask, dim=2)

    @wrong("The softmax is missing")
    def no_softmax(q, k, v, mask):
        return q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]) @ v

    @wrong("You returned the weights")
    def weights(q, k, v, mask):
        return (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1)

    @wrong("the weights as well")
    def result_and_weights(q, k, v, mask):
        return _look(q, k, v, mask), attend.weights.value(q, k, v, mask)

    @wrong("The mask has no effect")
    def forgets_the_mask(q, k, v, mask):
        return _look(q, k, v, None)

    @wrong("upside down")
    def inverted(q, k, v, mask):
        return _look(q, k, v, None if mask is None else ~mask)

    @wrong("after the softmax")
    def masks_late(q, k, v, mask):
        weights = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1)
        return (weights if mask is None else weights * mask) @ v

    @wrong("get the score 0")
    def fills_with_zero(q, k, v, mask):
        return _look(q, k, v, mask, fill=0.0)

    @wrong("A hidden key gets the weight")
    def fills_with_a_small_number(q, k, v, mask):
        return _look(q, k, v, mask, fill=-100.0)

    @wrong("your weights are NaN")
    def bare_exponentials(q, k, v, mask):
        powers = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).exp()
        powers = powers if mask is None else powers * mask
        return powers / powers.sum(-1, keepdim=True) @ v

    @wrong("stopped with an error")
    def mask_as_an_index(q, k, v, mask):
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        if mask is not None:
            scores[~mask] = -torch.inf
        return scores.softmax(-1) @ v

    @wrong("comes from PyTorch's")
    def calls_it(q, k, v, mask):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    @right
    def plain(q, k, v, mask):
        return _look(q, k, v, mask)

    @right
    def with_einsum(q, k, v, mask):
        scores = torch.einsum("...td,...sd->...ts", q, k) * q.shape[-1] ** -0.5
        if mask is not None:
            scores = torch.where(mask, scores, torch.tensor(-1e9))
        powers = (scores - scores.amax(-1, keepdim=True)).exp()
        return torch.einsum("...ts,...sd->...td", powers / powers.sum(-1, keepdim=True), v)


def _keys(real):
    return real[:, None, None, :].expand(-1, 1, real.shape[1], -1)


def _past(real, diagonal=0):
    length = real.shape[1]
    return torch.ones(length, length, dtype=torch.bool).tril(diagonal)


class may_look:
    @wrong("those are the queries")
    def hides_queries(real, causal):
        mask = real[:, None, :, None].expand(-1, 1, -1, real.shape[1])
        return mask & _past(real) if causal else mask

    @wrong("forbade padded queries to look anywhere")
    def hides_both(real, causal):
        return _keys(real) & real[:, None, :, None]

    @wrong("The future is hidden although")
    def always_causal(real, causal):
        return _keys(real) & _past(real)

    @wrong("upside down")
    def inverted(real, causal):
        return ~_keys(real)

    @wrong("(B, 1, 1, T)")
    def not_expanded(real, causal):
        mask = real[:, None, None, :]
        return mask & _past(real) if causal else mask

    @wrong("The axis for the heads is missing")
    def no_heads(real, causal):
        return _keys(real)[:, 0]

    @wrong("`causal` has no effect")
    def never_causal(real, causal):
        return _keys(real)

    @wrong("the past is hidden")
    def sees_the_future(real, causal):
        return _keys(real) & _past(real).T if causal else _keys(real)

    @wrong("No place sees itself")
    def strictly(real, causal):
        return _keys(real) & _past(real, -1) if causal else _keys(real)

    @wrong("sees only the future")
    def hides_what_may_be_seen(real, causal):
        return _keys(real) & ~_past(real) if causal else _keys(real)

    @wrong("padded queries see nothing")
    def hides_queries_if_causal(real, causal):
        return _keys(real) & real[:, None, :, None] & _past(real) if causal else _keys(real)

    @wrong("may look at itself")
    def keeps_the_diagonal(real, causal):
        mask = _keys(real) | torch.eye(real.shape[1], dtype=torch.bool)
        return mask & _past(real) if causal else mask

    @wrong("One reason is enough")
    def joins_with_or(real, causal):
        return _keys(real) | _past(real) if causal else _keys(real)

    @wrong("the padding is forgotten")
    def only_the_triangle(real, causal):
        batch, length = real.shape
        return _past(real).expand(batch, 1, length, length) if causal else _keys(real)

    @right
    def joins_with_and(real, causal):
        return _keys(real) & _past(real) if causal else _keys(real)

    @right
    def by_places(real, causal):
        batch, length = real.shape
        place = torch.arange(length)
        seen = (place <= place[:, None]) if causal else torch.full((length, length), True)
        return torch.logical_and(real.view(batch, 1, 1, length), seen)


def _angles(length, dim, step=2):
    places = torch.arange(length)[:, None]
    return places / 10_000 ** (torch.arange(0, dim, 2) * (step / 2) / dim)


def _in_turn(first, second):
    return torch.stack([first, second], dim=-1).flatten(1)


class sinusoidal_positions:
    @wrong("stand before all cosines")
    def halves(length, dim):
        angles = _angles(length, dim)
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    @wrong("swapped")
    def swapped(length, dim):
        angles = _angles(length, dim)
        return _in_turn(angles.cos(), angles.sin())

    @wrong("places count from 0")
    def from_one(length, dim):
        angles = _angles(length + 1, dim)[1:]
        return _in_turn(angles.sin(), angles.cos())

    @wrong("The exponent is i / D")
    def too_fast(length, dim):
        angles = _angles(length, dim, step=1)
        return _in_turn(angles.sin(), angles.cos())

    @wrong("different wavelengths")
    def each_its_own(length, dim):
        columns = torch.arange(dim)
        angles = torch.arange(length)[:, None] / 10_000 ** (columns / dim)
        return torch.where(columns % 2 == 0, angles.sin(), angles.cos())

    @wrong("number of the column")
    def by_column(length, dim):
        columns = torch.arange(dim)
        angles = torch.arange(length)[:, None] / 10_000 ** (2 * columns / dim)
        return torch.where(columns % 2 == 0, angles.sin(), angles.cos())

    @wrong("The exponent is 4i / D")
    def doubled(length, dim):
        angles = _angles(length, dim, step=4)
        return _in_turn(angles.sin(), angles.cos())

    @wrong("You multiplied")
    def multiplied(length, dim):
        angles = torch.arange(length)[:, None] * 10_000 ** (torch.arange(0, dim, 2) / dim)
        return _in_turn(angles.sin(), angles.cos())

    @wrong("The result is (D, T)")
    def lying(length, dim):
        angles = _angles(length, dim)
        return _in_turn(angles.sin(), angles.cos()).T.contiguous()

    @right
    def in_turn(length, dim):
        angles = _angles(length, dim)
        return _in_turn(angles.sin(), angles.cos())

    @right
    def written_into(length, dim):
        result = torch.zeros(length, dim)
        rates = torch.exp(torch.arange(0, dim, 2) * (-math.log(10_000) / dim))
        result[:, 0::2] = torch.sin(torch.arange(length)[:, None] * rates)
        result[:, 1::2] = torch.cos(torch.arange(length)[:, None] * rates)
        return result


class split_heads:
    @wrong("tokens and heads are mixed up")
    def views_at_once(x, heads):
        batch, tokens, dim = x.shape
        return x.reshape(batch, heads, tokens, dim // heads)

    @wrong("still stand behind the tokens")
    def not_moved(x, heads):
        return x.unflatten(-1, (heads, -1))

    @wrong("takes every second number")
    def strided(x, heads):
        return x.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2)

    @wrong("stand before the batch")
    def heads_first(x, heads):
        return x.unflatten(-1, (heads, -1)).permute(2, 0, 1, 3)

    @right
    def view_and_transpose(x, heads):
        batch, tokens, dim = x.shape
        return x.view(batch, tokens, heads, dim // heads).transpose(1, 2)

    @right
    def chunks(x, heads):
        return torch.stack(x.chunk(heads, dim=-1), dim=1)


class merge_heads:
    @wrong("parts of two tokens of one head")
    def reshapes_at_once(x):
        batch, heads, tokens, size = x.shape
        return x.reshape(batch, tokens, heads * size)

    @wrong("take turns")
    def interleaves(x):
        return x.permute(0, 2, 3, 1).flatten(2)

    @wrong("not merged yet")
    def only_moves(x):
        return x.transpose(1, 2)

    @wrong("You averaged the heads")
    def averages(x):
        return x.mean(1)

    @wrong("You added the heads up")
    def adds(x):
        return x.sum(1)

    @wrong("one after the other in time")
    def in_time(x):
        return x.flatten(1, 2)

    @wrong("stopped with an error")
    def views(x):
        batch, heads, tokens, size = x.shape
        return x.transpose(1, 2).view(batch, tokens, heads * size)

    @right
    def transpose_and_flatten(x):
        return x.transpose(1, 2).flatten(2)

    @right
    def side_by_side(x):
        return torch.cat(list(x.unbind(1)), dim=-1)


def _pieces(word, vocabulary, ends, mark="##", unknown=lambda pieces: ["[UNK]"]):
    pieces, start = [], 0
    while start < len(word):
        for end in ends(start, len(word)):
            piece = (mark if start else "") + word[start:end]
            if piece in vocabulary:
                break
        else:
            return unknown(pieces)
        pieces.append(piece)
        start = end
    return pieces


def _from_the_right(start, length):
    return range(length, start, -1)


class wordpiece:
    @wrong("the shortest piece")
    def shortest(word, vocabulary):
        return _pieces(word, vocabulary, lambda start, length: range(start + 1, length + 1))

    @wrong("looked up without ##")
    def no_marks(word, vocabulary):
        return _pieces(word, vocabulary, _from_the_right, mark="")

    @wrong("the ## is lost")
    def strips_marks(word, vocabulary):
        pieces = _pieces(word, vocabulary, _from_the_right)
        return [piece.removeprefix("##") for piece in pieces]

    @wrong("The last piece could be longer")
    def stops_early(word, vocabulary):
        return _pieces(word, vocabulary, lambda start, n: range(max(n - 1, start + 1), start, -1))

    @wrong("Only the rest is marked")
    def marks_the_rest(word, vocabulary):
        return _pieces(word, vocabulary, _from_the_right, unknown=lambda found: [*found, "[UNK]"])

    @wrong("dropped without a trace")
    def drops_the_rest(word, vocabulary):
        return _pieces(word, vocabulary, _from_the_right, unknown=lambda found: found)

    @wrong("An unknown word disappears")
    def drops_the_word(word, vocabulary):
        return _pieces(word, vocabulary, _from_the_right, unknown=lambda found: [])

    @wrong("at the beginning of a word")
    def takes_any_start(word, vocabulary):
        either = vocabulary | {piece.removeprefix("##") for piece in vocabulary}
        pieces = _pieces(word, either, _from_the_right)
        if pieces[0] not in vocabulary and pieces != ["[UNK]"]:
            pieces[0] = f"##{pieces[0]}"
        return pieces

    @wrong("never looks back")
    def looks_back(word, vocabulary, mark=""):
        for end in range(len(word), 0, -1):
            if mark + word[:end] in vocabulary:
                rest = wordpiece.looks_back.value(word[end:], vocabulary, "##")
                if rest != ["[UNK]"]:
                    return [mark + word[:end], *rest]
        return ["[UNK]"] if word else []

    @wrong("was used inside one")
    def begins_anywhere(word, vocabulary):
        marked = {f"##{piece}" for piece in vocabulary if not piece.startswith("##")}
        return _pieces(word, vocabulary | marked, _from_the_right)

    @wrong("changed the vocabulary")
    def adds_the_unknown(word, vocabulary):
        vocabulary.add("[UNK]")
        return _pieces(word, vocabulary, _from_the_right)

    @right
    def greedy(word, vocabulary):
        return _pieces(word, vocabulary, _from_the_right)

    @right
    def by_pattern(word, vocabulary):
        ordered = sorted(map(re.escape, vocabulary), key=len, reverse=True)
        pieces, rest = [], word
        while rest:
            found = re.match("|".join(ordered), ("##" if pieces else "") + rest)
            if not found:
                return ["[UNK]"]
            pieces.append(found[0])
            rest = rest[len(found[0].removeprefix("##")) :]
        return pieces


def _table(predicted, labels, classes):
    """Pairs of label and answer, (C, C)."""
    return torch.bincount(labels * classes + predicted, minlength=classes**2).view(classes, classes)


def _f1(predicted, labels, classes):
    table = _table(predicted, labels, classes).float()
    return 2 * table.diag() / (table.sum(0) + table.sum(1))


def _sklearn(average, **settings):
    def score(predicted, labels, num_classes):
        names = list(range(num_classes))
        return float(f1_score(labels, predicted, labels=names, average=average, **settings))

    return score


class macro_f1:
    accuracy = wrong("That is accuracy")(_sklearn("micro", zero_division=0))
    weighted = wrong("weighted by their size")(_sklearn("weighted", zero_division=0))

    @wrong("it is a tensor")
    def tensor(predicted, labels, num_classes):
        return _f1(predicted, labels, num_classes).nan_to_num(0).mean()

    @wrong("intersection over the union")
    def jaccard(predicted, labels, num_classes):
        table = _table(predicted, labels, num_classes).float()
        union = table.sum(0) + table.sum(1) - table.diag()
        return (table.diag() / union).nan_to_num(0).mean().item()

    @wrong("the plain mean of precision and recall")
    def arithmetic(predicted, labels, num_classes):
        table = _table(predicted, labels, num_classes).float()
        both = [(table.diag() / table.sum(axis)).nan_to_num(0) for axis in (0, 1)]
        return (sum(both) / 2).mean().item()

    @wrong("class 1 alone")
    def of_one_class(predicted, labels, num_classes):
        return _f1(predicted, labels, num_classes)[1].item()

    @wrong("count as 1")
    def absent_is_perfect(predicted, labels, num_classes):
        return _f1(predicted, labels, num_classes).nan_to_num(1).mean().item()

    @wrong("drops out")
    def skips_zeros(predicted, labels, num_classes):
        scores = _f1(predicted, labels, num_classes)
        return scores[scores > 0].mean().item()

    @wrong("mean recall")
    def recall(predicted, labels, num_classes):
        table = _table(predicted, labels, num_classes).float()
        return (table.diag() / table.sum(1)).nan_to_num(0).mean().item()

    @wrong("mean precision")
    def precision(predicted, labels, num_classes):
        table = _table(predicted, labels, num_classes).float()
        return (table.diag() / table.sum(0)).nan_to_num(0).mean().item()

    @wrong("combined mean precision and mean recall")
    def of_means(predicted, labels, num_classes):
        p = macro_f1.precision.value(predicted, labels, num_classes)
        r = macro_f1.recall.value(predicted, labels, num_classes)
        return 2 * p * r / (p + r)

    @wrong("is NaN")
    def absent_class(predicted, labels, num_classes):
        return _f1(predicted, labels, num_classes).mean().item()

    @wrong("Classes that do not occur are left out")
    def only_those_that_occur(predicted, labels, num_classes):
        return float(f1_score(labels, predicted, average="macro", zero_division=0))

    sklearns = right(_sklearn("macro", zero_division=0))

    @right
    def by_table(predicted, labels, num_classes):
        return _f1(predicted, labels, num_classes).nan_to_num(0).mean().item()

    @right
    def class_by_class(predicted, labels, num_classes):
        total = 0.0
        for number in range(num_classes):
            named, meant = predicted == number, labels == number
            hits, all_ = (named & meant).sum().item(), (named.sum() + meant.sum()).item()
            total += 2 * hits / all_ if all_ else 0.0
        return total / num_classes


def _spaced(text):
    return " ".join(text.split())


def _kept(texts, labels, form=_spaced, contradictions=False):
    first, both = {}, set()
    for place, text in enumerate(texts):
        if labels[first.setdefault(form(text), place)] != labels[place]:
            both.add(form(text))
    return [place for text, place in first.items() if contradictions or text not in both]


def _cut(places, share, seed, count=None, whole=round):
    order = torch.randperm(len(places), generator=torch.Generator().manual_seed(seed)).tolist()
    places = [places[i] for i in order]
    number = whole(share * (count or len(places)))
    return places[number:], places[:number]


class split_without_duplicates:
    @wrong("stands in both parts: that is a leak.")
    def splits_only(texts, labels, test_share, seed):
        return _cut(list(range(len(texts))), test_share, seed + 1)

    @wrong("stands twice in one part, so it counts twice.")
    def keeps_copies_together(texts, labels, test_share, seed):
        return list(range(len(texts))), []

    @wrong("Only their spaces differ")
    def compares_exactly(texts, labels, test_share, seed):
        return _cut(_kept(texts, labels, form=str), test_share, seed)

    @wrong("contradict each other")
    def keeps_contradictions(texts, labels, test_share, seed):
        return _cut(_kept(texts, labels, contradictions=True), test_share, seed)

    @wrong("you kept the last")
    def keeps_the_last(texts, labels, test_share, seed):
        last = {_spaced(text): place for place, text in enumerate(texts)}
        return _cut(sorted({*last.values()} - {10, 12}), test_share, seed)

    @wrong("came back with its third copy")
    def forgets_what_was_thrown_out(texts, labels, test_share, seed):
        first = {}
        for place, text in enumerate(map(_spaced, texts)):
            if labels[first.setdefault(text, place)] != labels[place]:
                del first[text]
        return _cut(list(first.values()), test_share, seed)

    @wrong("differ only in spaces and have both labels")
    def compares_labels_exactly(texts, labels, test_share, seed):
        exact = set(_kept(texts, labels, form=str))
        kept = _kept(texts, labels, contradictions=True)
        return _cut([place for place in kept if place in exact], test_share, seed)

    @wrong("took away all spaces")
    def removes_all_spaces(texts, labels, test_share, seed):
        return _cut(_kept(texts, labels, form=lambda t: "".join(t.split())), test_share, seed)

    @wrong("a tab or a line end")
    def forgets_tabs(texts, labels, test_share, seed):
        form = lambda text: re.sub(" +", " ", text).strip()  # noqa: E731
        return _cut(_kept(texts, labels, form), test_share, seed)

    @wrong("cut off, not rounded")
    def cuts_the_size_off(texts, labels, test_share, seed):
        return _cut(_kept(texts, labels), test_share, seed, whole=int)

    @wrong("is rounded up")
    def rounds_up(texts, labels, test_share, seed):
        return _cut(_kept(texts, labels), test_share, seed, whole=math.ceil)

    @wrong("the seed of the whole program")
    def seeds_everything(texts, labels, test_share, seed):
        random.seed(seed)
        places = _kept(texts, labels)
        random.shuffle(places)
        number = round(test_share * len(places))
        return places[number:], places[:number]

    @wrong("thrown away altogether")
    def drops_all_copies(texts, labels, test_share, seed):
        forms = [_spaced(text) for text in texts]
        return _cut([i for i, form in enumerate(forms) if forms.count(form) == 1], test_share, seed)

    @wrong("The two parts are swapped")
    def swapped(texts, labels, test_share, seed):
        return _cut(_kept(texts, labels), test_share, seed)[::-1]

    @wrong("a share of all texts")
    def share_of_all(texts, labels, test_share, seed):
        return _cut(_kept(texts, labels), test_share, seed, count=len(texts))

    @wrong("no result can be repeated")
    def ignores_the_seed(texts, labels, test_share, seed):
        places = _kept(texts, labels)
        random.SystemRandom().shuffle(places)
        number = round(test_share * len(places))
        return places[number:], places[:number]

    @wrong("it is not drawn at random")
    def takes_the_end(texts, labels, test_share, seed):
        places = _kept(texts, labels)
        number = len(places) - round(test_share * len(places))
        return places[:number], places[number:]

    @wrong("not a pair of lists of places")
    def returns_texts(texts, labels, test_share, seed):
        train, test = _cut(_kept(texts, labels), test_share, seed)
        return [texts[i] for i in train], [texts[i] for i in test]

    @right
    def by_torch(texts, labels, test_share, seed):
        return _cut(_kept(texts, labels), test_share, seed)

    @right
    def by_random(texts, labels, test_share, seed):
        meanings = {}
        for text, label in zip(texts, labels, strict=True):
            meanings.setdefault(_spaced(text), set()).add(label)
        seen, places = set(), []
        for place, text in enumerate(map(_spaced, texts)):
            if text not in seen and len(meanings[text]) == 1:
                places.append(place)
            seen.add(text)
        test = random.Random(seed).sample(places, round(test_share * len(places)))
        return [place for place in places if place not in test], test
