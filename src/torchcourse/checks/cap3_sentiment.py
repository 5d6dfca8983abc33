"""Checkers of capstone 3's lab."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torchcourse.checks.core import Attempt, Slip, exercise


@exercise(
    "Cleaning is a chain, and its order counts: only in one form, and in one case, can equal signs "
    "be seen to be equal. Done right, cleaning a clean text changes nothing."
)
def clean_review(attempt: Attempt) -> None:
    """clean_review(text): str → str."""
    attempt.expect(
        attempt("慢!!!!!! 好好好好 见https://a.cn/x?b=1好 @lin  GOOD\t😂"),
        "慢!!! 好好好 见 好 good 😂",
        Slip(
            "慢!!!!!! 好好好好 见 好 good 😂",
            "Six exclamation marks are left.",
            "Step 4: a sign that stands four times or more in a row is left three times.",
        ),
        Slip(
            "慢!!!!!! 好好好 见 好 good 😂",
            "Only letters are shortened; six exclamation marks are left.",
            r"Step 4 is for any sign: the pattern `(.)\1{3,}`, with a dot.",
        ),
        Slip(
            "慢!!! 好好好好 见 好 good 😂",
            "A run of four, 好好好好, is left as it is.",
            r"Any sign, and four are enough: one, and three or more of it, `(.)\1{3,}`.",
        ),
        Slip(
            "慢!!! 好好好 见 好 good\t😂",
            "A tab is left, which is a gap, too.",
            "Step 5: `' '.join(text.split())` finds tabs and line ends as well.",
        ),
        Slip(
            "慢!!!好好好见好good😂",
            "All spaces are gone, so words that stood apart are one.",
            "Step 5 joins with one space: `' '.join(...)`.",
        ),
        Slip(
            "慢! 好 见 好 god 😂",
            "Of every run you keep one sign, so `good` has become another word.",
            "Shorten only runs of four or more, and leave three of them.",
        ),
        Slip(
            "慢!!! 好好好 见 好 goood 😂",
            "Runs are *set* to three: `good` has got longer.",
            r"Shorten only runs of four or more: `(.)\1{3,}`.",
        ),
        Slip(
            "慢!!! 好好好 见 好 GOOD 😂",
            "Capital letters are left.",
            "Step 3: lower case.",
        ),
        Slip(
            "慢!!! 好好好 见好 good 😂",
            "The address is gone, and what stood around it is glued together: 见好 is a new pair.",
            "Put a space in its place.",
        ),
        Slip(
            "慢!!! 好好好 见https://a.cn/x?b=1好 @lin good 😂",
            "Address and name are still there.",
            "Step 2: `NOISE.sub(' ', text)`.",
        ),
        Slip(
            "慢!!! 好好好 见 好   good\t😂",
            "A gap of several spaces is left where a name stood.",
            "Step 5: `' '.join(text.split())` makes every gap one space.",
        ),
        Slip(
            "慢 好好好 见 好 good",
            "Marks and emoji are gone. They are opinions, too.",
            "Leave out only what the five steps name.",
        ),
        case="an address, a name and a run of marks",
    )
    attempt.expect(
        attempt("ＧＯＯＤ！!！! ＠lin"),
        "good!!!",
        Slip(
            "ｇｏｏｄ！!！!",
            "Full-width signs are left as they are, so ！ and ! are strangers.",
            'Step 1: `unicodedata.normalize("NFKC", text)`.',
        ),
        Slip(
            "ｇｏｏｄ！!！! ＠lin",
            "Full-width signs are left as they are, so ＠lin is no name, and ！ is no !.",
            'Step 1: `unicodedata.normalize("NFKC", text)`.',
        ),
        Slip(
            "good!!!!",
            "Runs were shortened before ！ and ! had become the same sign.",
            "Bring the text into one form first.",
        ),
        Slip(
            "good!!! @lin",
            "The name was looked for before ＠ had become @.",
            "Bring the text into one form first.",
        ),
        Slip(
            "good!!! ",
            "A space is left at the end, where the name stood.",
            "Step 5: `' '.join(text.split())` leaves none at the ends.",
        ),
        case="full-width signs among narrow ones",
    )
    attempt.expect(
        attempt("Café"),
        "café",
        Slip(
            "cafe\u0301",
            "The é became two signs, e and an accent: that is NFKD, which takes signs apart.",
            'NFKC puts them together again: `unicodedata.normalize("NFKC", text)`.',
        ),
        case="a letter with an accent",
    )
    attempt.expect(
        attempt("AaAaAa"),
        "aaa",
        Slip(
            "aaaaaa",
            "Runs were shortened before A and a had become the same letter. Cleaned once more, "
            "the text would change again.",
            "Lower case comes before the runs.",
        ),
        case="a run of capital and small letters",
    )
    for plain in ("not bad?", "a4 paper, 3 stars!", "ok", ""):
        wide = "".join(chr(ord(sign) + 0xFEE0) if sign > " " else "　" for sign in plain.upper())
        attempt.expect(attempt(f" {wide}　"), plain, case=f"{plain!r} in full-width capitals")


PART_OF = {  # the number that decides: 1, 18, 75, 10, 19, 0, 14, 59, 5, 50, 9
    "精彩": "test",
    "太慢": "validation",
    "好看": "train",
    "房间": "validation",
    "床单": "train",
    "早餐": "test",
    "位置": "validation",
    "无聊": "train",
    "划算": "test",
    "味道": "train",
    "真吵": "test",
}


@exercise(
    "What a text says decides where it goes: the same on every machine, tomorrow as well, and for "
    "each of its copies. A split that is drawn can promise none of that."
)
def parts_of(attempt: Attempt) -> None:
    """parts_of(texts): N str → N of "train", "validation", "test"."""
    texts, want = list(PART_OF), list(PART_OF.values())
    swap = {"test": "validation", "validation": "test", "train": "train"}
    percents = [hash(text) % 100 for text in texts]
    attempt.expect(
        attempt(texts),
        want,
        Slip(
            ["test" if p < 10 else "validation" if p < 19 else "train" for p in percents],
            "That is Python's `hash`, which is salted anew in every process: after a restart the "
            "test texts are training texts.",
            "`hashlib.sha256(key.encode()).hexdigest()` is the same everywhere.",
        ),
        Slip(
            ["validation" if text == "床单" else part for text, part in PART_OF.items()],
            "A number of 19 went to validation, which then has ten in a hundred.",
            "Validation is 10 to 18: a tenth of what the test leaves.",
        ),
        Slip(
            ["test" if text == "房间" else part for text, part in PART_OF.items()],
            "A number of 10 went to the test, which then has eleven in a hundred.",
            "The test is 0 to 9.",
        ),
        Slip(
            ["train" if text == "太慢" else part for text, part in PART_OF.items()],
            "A number of 18 went to the training, so validation has only eight in a hundred.",
            "Validation is 10 to 18, both included.",
        ),
        Slip(
            ["validation" if text == "真吵" else part for text, part in PART_OF.items()],
            "A number of 9 went to validation, so the test has only nine in a hundred.",
            "The test is 0 to 9, both included.",
        ),
        Slip(
            [swap[part] for part in want],
            "Test and validation are swapped.",
            "The test is 0 to 9, validation 10 to 18.",
        ),
        case="eleven texts of letters alone",
    )
    texts = [
        *("GOOD MOVIE", "good movie", "5星好评", "5 星好评"),
        *("早餐", "早餐！！", "太慢", "太 慢。。"),
    ]
    attempt.expect(
        attempt(texts),
        ["validation", "validation", "test", "test", "test", "test", "validation", "validation"],
        Slip(
            ["train", "train", "test", "train", "test", "train", "validation", "test"],
            "Copies that differ in a mark or a space fall into different parts: a leak.",
            "Number the *key* of a text: its letters and digits, in lower case.",
        ),
        Slip(
            ["train", "validation", "test", "test", "test", "test", "validation", "validation"],
            "GOOD MOVIE and good movie fall into different parts: a leak.",
            "The key is in lower case.",
        ),
        Slip(
            ["validation", "validation", "test", "test", "test", "train", "validation", "train"],
            "A copy with other marks at its end falls into another part: a leak.",
            "The key holds letters and digits alone: `sign.isalnum()`.",
        ),
        case="copies of four texts",
    )
    attempt.expect(
        attempt(["4星", "4-星", "早餐", "早_餐"]),
        ["test"] * 4,
        Slip(
            ["train", "train", "test", "test"],
            "Digits are left out, so 4星 and 1星, four stars and one, are taken for one text.",
            "`sign.isalnum()` is True for letters and digits.",
        ),
        Slip(
            ["test", "test", "test", "train"],
            r"The underscore is left in: `\w` takes it for a letter.",
            "`sign.isalnum()` does not.",
        ),
        case="two texts with other signs within",
    )
    attempt.expect(attempt([]), [], case="no text at all")
    attempt.expect(
        [attempt([text]) for text in texts[:4]],
        [["validation"], ["validation"], ["test"], ["test"]],
        name="the parts of four texts, asked one by one",
        case="texts asked for one by one: no other text may matter",
    )


@exercise(
    "Every sign gets a number, the unknown ones all the same, and a long review keeps its two "
    "ends: people say what they think when they begin, or when they close."
)
def encode(attempt: Attempt) -> None:
    """encode(text, numbers, max_tokens): str, dict of str to int, int → list of int."""
    numbers = {"好": 3, "看": 4, "不": 5, "太": 6, "长": 7}
    text = "好看 不ᠮ长太"
    attempt.expect(
        attempt(text, dict(numbers), 10),
        [3, 4, 5, 1, 7, 6],
        Slip(
            [3, 4, 5, 7, 6],
            "The unknown sign is gone without a trace: the network cannot know that something "
            "stood there.",
            "`numbers.get(sign, UNK)`.",
        ),
        Slip(
            [3, 4, 5, 0, 7, 6],
            "The unknown sign has number 0. That is padding, so the network will not look at it.",
            "Unknown signs have number `UNK`, 1.",
        ),
        Slip(
            [3, 4, 5, 8, 7, 6],
            "The unknown sign got a new number, for which the embedding has no row.",
            "The vocabulary is closed after the training: `UNK` for everything else.",
        ),
        Slip(
            [3, 4, 1, 5, 1, 7, 6],
            "The space became an unknown token.",
            "Skip what `sign.isspace()`.",
        ),
        Slip(
            [3, 4, 5, 1, 7, 4, 5, 1, 7, 6],
            "A short text was cut in two all the same, and its middle stands there twice.",
            "Cut only what is longer than `max_tokens`.",
        ),
        Slip(
            torch.tensor([3, 4, 5, 1, 7, 6]),
            "The numbers are right, but they are a tensor.",
            "Return a list: texts differ in length, and only a batch becomes a tensor.",
        ),
        case="six tokens, one of them unknown, at most ten",
    )
    ends = "Of five tokens the first three and the last two stay."
    attempt.expect(
        attempt(text, dict(numbers), 5),
        [3, 4, 5, 7, 6],
        Slip(
            [3, 4, 5, 1, 7],
            "The end is cut off, and with it what a reviewer says in closing.",
            ends,
        ),
        Slip(
            [4, 5, 1, 7, 6],
            "The beginning is cut off, and with it what a reviewer says first.",
            ends,
        ),
        Slip(
            [3, 4, 1, 7, 6],
            "The beginning has got the smaller half.",
            "The last `max_tokens // 2` stay, and the first of what is left.",
        ),
        Slip(
            [3, 4, 7, 6],
            "Four tokens are left, although five may stay.",
            "Cut tokens, not the text with its spaces; and of an odd number the beginning gets the "
            "larger half.",
        ),
        Slip(
            [3, 4, 5, 1, 7, 6],
            "Nothing was cut: the table of positions has no row for what is beyond.",
            ends,
        ),
        case="six tokens, at most five",
    )
    attempt.expect(
        attempt(text, dict(numbers), 1),
        [3],
        Slip(
            [3, 3, 4, 5, 1, 7, 6],
            "`row[-0:]` is the *whole* row, not an empty one.",
            "Count from the front: `row[len(row) - last :]`.",
        ),
        case="at most one token",
    )
    attempt.expect(
        attempt("好好看", dict(numbers), 4),
        [3, 3, 4],
        Slip(
            [3, 4],
            "Each sign is there only once. A text is a sequence: 好好 says more than 好.",
            "Go through the text sign by sign, without a set.",
        ),
        case="a sign that stands there twice",
    )
    attempt.expect(attempt("", dict(numbers), 4), [], case="an empty text")
    signs = [chr(0x4E00 + place) for place in range(200)]
    known = {sign: place + 3 for place, sign in enumerate(signs)}
    for most, middle in ((8, 5), (7, 1), (2, 30), (6, 0)):
        want = torch.randint(3, 203, (most,), generator=attempt.random).tolist()
        first = most - most // 2
        row = want[:first] + [5] * middle + want[first:]
        text = " ".join(signs[number - 3] for number in row)
        case = f"{len(row)} tokens, at most {most}"
        attempt.expect(attempt(text, known, most), want, case=case)


@exercise(
    "A batch costs its longest text times its number of texts. Neighbours in length waste little, "
    "and a limit in *tokens* keeps memory the same for short and long ones."
)
def batches_by_length(attempt: Attempt) -> None:
    """batches_by_length(lengths, tokens): list of int, int → list of lists of places."""
    attempt.expect(
        attempt([5, 1, 4, 1, 3], 8),
        [[1, 3], [4, 2], [0]],
        Slip(
            [[0], [1, 2], [3, 4]],
            "The texts come as they stand, long beside short, so much is padding.",
            "Go through the places in the order of their lengths.",
        ),
        Slip(
            [[0], [2, 4], [1, 3]],
            "You begin with the longest. Here the shortest come first.",
            "`sorted` goes up by itself.",
        ),
        Slip(
            [[0], [4, 2], [1, 3]],
            "These are the right batches, but the longest texts come first.",
            "Return the batches in the order in which they were filled.",
        ),
        Slip(
            [[1, 3, 4], [2], [0]],
            "You counted real tokens. In memory a batch is a rectangle: the first one here takes "
            "3 × 3 places.",
            "Multiply the number of texts by the longest length.",
        ),
        Slip(
            [[1, 3, 4, 2, 0]],
            "Everything is in one batch of 5 × 5 places.",
            "Ask before each text whether the batch *with* it still fits: `tokens` limits the "
            "places, not the texts.",
        ),
        Slip(
            [[1, 3, 4], [2, 0]],
            "The first batch takes 3 × 3 places, and the last 2 × 5: you asked without the new "
            "text, or with the length of an older one.",
            "Before a text goes in: `(len(batch) + 1) * lengths[place]`.",
        ),
        Slip(
            [[1, 1], [4, 2], [0]],
            "Place 1 stands there twice and place 3 never: `lengths.index` finds only the first.",
            "Sort the places themselves: `sorted(range(n), key=...)`.",
        ),
        Slip(
            [[1, 3], [4], [2], [0]],
            "Places 4 and 2 fit exactly into one batch: 2 × 4 is not more than 8.",
            "At most `tokens`, whether the lengths are equal or not.",
        ),
        Slip(
            [[1, 3], [4, 2]],
            "The last batch is missing, and with it the longest texts.",
            "After the loop one batch is still open.",
        ),
        Slip(
            [[1, 1], [3, 4], [5]],
            "These are the lengths of the texts, not their places.",
            "Sort places, by their lengths: `sorted(range(n), key=...)`.",
        ),
        Slip(
            [[3, 1], [4, 2], [0]],
            "Of equally long texts the later one comes first.",
            "`sorted` keeps their order if the key is the length alone.",
        ),
        case="lengths 5, 1, 4, 1 and 3, at most 8 places for a batch",
    )
    attempt.expect(
        attempt([20, 3], 8),
        [[1], [0]],
        Slip(
            [[1]],
            "The text that is longer than the limit got lost.",
            "It makes a batch of its own.",
        ),
        case="a text longer than the limit",
    )
    attempt.expect(
        attempt([20], 8),
        [[0]],
        Slip(
            [[], [0]],
            "The first batch is empty; a network cannot read no text.",
            "Close a batch only if something is in it.",
        ),
        case="one text, longer than the limit",
    )
    attempt.expect(
        attempt([], 8),
        [],
        Slip([[]], "Without any text there is no batch.", "Close a batch only if it holds one."),
        case="no text",
    )
    for tokens, longest in ((24, 24), (12, 4), (6, 1)):
        # Each length occurs just as often as fills a batch.
        every = [n for n in range(1, longest + 1) if tokens % n == 0]
        lengths = torch.tensor([n for n in every for _ in range(tokens // n)])
        order = torch.randperm(len(lengths), generator=attempt.random)
        places = order.argsort().split([tokens // n for n in every])
        want = [part.sort().values.tolist() for part in places]
        attempt.expect(attempt(lengths[order].tolist(), tokens), want, case="batches that are full")


@exercise(
    "A pair of tokens gets a row of its own, by arithmetic alone, for a whole batch at once. And "
    "behind the last token stands padding, never the beginning of a text."
)
def pair_rows(attempt: Attempt) -> None:
    """pair_rows(tokens, buckets): (B, T) int64, int → (B, T) int64."""
    tokens = torch.tensor([[3, 5, 2], [4, 0, 0]])
    attempt.expect(
        attempt(tokens, 100),
        torch.tensor([[62, 97, 38], [76, 0, 0]]),
        *(
            Slip(
                torch.tensor(rows),
                "Behind the last token you take the *first* of the text: `roll` turns in a circle. "
                "So a text without padding and the same text with it get different rows."
                + (" And the rows are not brought below `buckets`." if rows[0][0] > 99 else ""),
                "Append a column of PAD with `F.pad(tokens, (0, 1))`, and leave out the first.",
            )
            for rows in ([[62, 97, 41], [76, 0, 4]], [[23762, 39597, 15841], [31676, 0, 4]])
        ),
        Slip(
            torch.tensor([[62, 97, 42], [76, 0, 3]]),
            "Behind the last token of a text you take the first of the *next text*.",
            "Shift along `dim=1` only, with PAD behind each row.",
        ),
        Slip(
            torch.tensor([[23762, 39597, 15838], [31676, 0, 0]]),
            "These numbers are far beyond the table; the embedding would stop with an error.",
            "Take the remainder of the whole sum, with brackets: `(...) % buckets`.",
        ),
        Slip(
            torch.tensor([[62, 97, 40], [76, 0, 0]]),
            "The last token is paired with itself.",
            "Behind the last token stands PAD, 0.",
        ),
        Slip(
            torch.tensor([[8, 7, 2], [4, 0, 0]]),
            "The two numbers are only added, so 不好 and 好不 share a row.",
            "Multiply the first by `FACTOR`.",
        ),
        Slip(
            torch.tensor([[98, 43, 2], [4, 0, 0]]),
            "The second number is multiplied, not the first.",
            "`a * FACTOR + b`, with b the token behind a.",
        ),
        Slip(
            torch.tensor([[57, 98, 43], [76, 4, 0]]),
            "Each token is paired with the one before it.",
            "b is the token *behind* a.",
        ),
        Slip(
            torch.tensor([[62, 97], [76, 0]]),
            "The last token has no pair, so the vectors cannot be added to those of the tokens.",
            "Its neighbour is PAD, 0: every token gets a row.",
        ),
        case="two texts of three places, 100 rows",
    )
    kernel = torch.tensor([[[7919.0, 1.0]]], dtype=torch.double)
    for batch, places, buckets in ((4, 6, 16_381), (1, 5, 97), (3, 1, 50)):
        tokens = torch.randint(1, 21_128, (batch, places), generator=attempt.random)
        tokens[:, places // 2 + 1 :] *= torch.arange(batch)[:, None] % 2  # some end early
        # A convolution in 64 bits: exact up to 2^53.
        wide = F.conv1d(tokens.double()[:, None], kernel, padding=1)[:, 0, 1:]
        want = wide.long() % buckets
        attempt.expect(attempt(tokens, buckets), want, case=f"{batch} texts, {buckets} rows")
    attempt.expect_no_loop()


class _Noise(nn.Module):
    """Stands for dropout: in train mode it adds 100."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 100.0 if self.training else x


class _Reader(nn.Module):
    """Mean and sum of a text's tokens, then noise. Its part `frozen` is in eval mode on purpose."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.noise, self.frozen = _Noise(), nn.Identity().eval()
        self.calls = 0

    def forward(self, tokens: Tensor) -> Tensor:
        self.calls += 1
        total, real = tokens.sum(1), (tokens != 0).sum(1)
        return self.noise(torch.stack([total / real, total], dim=1) * self.scale)


@exercise(
    "Batches may be formed in any order, as long as each answer goes back to its own text. Eval "
    "mode while it lasts, no graph, and the network comes back as it was."
)
def predict(attempt: Attempt) -> None:
    """predict(model, rows, batches): model, lists of int, lists of places → (N, 2)."""
    rows, batches = [[4], [2, 6], [3]], [[2, 0], [1]]
    want = torch.tensor([[4.0, 4.0], [4.0, 8.0], [3.0, 3.0]])
    model = _Reader()
    result = attempt(model, rows, batches)
    attempt.expect(
        result,
        want,
        Slip(
            want[[2, 0, 1]],
            "The answers stand in the order of the batches: the first belongs to the third text. "
            "Accuracy would fall to chance.",
            "Write each batch's logits to the places of its texts: `logits[places] = ...`.",
        ),
        Slip(
            want[[1, 2, 0]],
            "You sorted by the order of the batches a second time, instead of undoing it.",
            "`logits[places] = ...` puts each answer where it belongs.",
        ),
        Slip(
            want + 100,
            "The network was in train mode, so dropout answers as well.",
            "Use `in_eval_mode(model)`.",
        ),
        Slip(
            want[[2, 0, 1]] + 100,
            "The network was in train mode, and the answers stand in the order of the batches.",
            "`in_eval_mode(model)`, then `logits[places] = ...`.",
        ),
        Slip(
            want.softmax(1),
            "These are probabilities; logits are asked for.",
            "Leave the softmax to the caller.",
        ),
        Slip(
            want.argmax(1),
            "Only the answers are left; how sure the network is, is gone.",
            "Return the logits (N, 2).",
        ),
        case="three texts in two batches, a model in train mode",
    )
    if isinstance(result, Tensor) and result.requires_grad:
        attempt.stop(
            "The values are right, but all logits still hold on to the graph that made them. Over "
            "a test set that fills the memory.",
            "Run the network under `torch.no_grad()`.",
        )
    if model.calls != len(batches):
        calls = "once" if model.calls == 1 else f"{model.calls} times"
        attempt.stop(
            f"The network was called {calls} for {len(batches)} batches.",
            "One call of this network for each batch: `model(pad([rows[i] for i in places]))`.",
        )
    if not (model.scale.requires_grad and torch.is_grad_enabled()):
        attempt.stop(
            "The values are right, but gradients stay switched off: the next training step would "
            "stop, or learn nothing.",
            "`with torch.no_grad():` switches them on again at its end.",
        )
    if not (model.training and model.noise.training):
        attempt.stop(
            "The values are right, and the network stays in eval mode: the next epoch would be "
            "trained without dropout.",
            "`with in_eval_mode(model):` puts it back.",
        )
    if model.frozen.training:
        attempt.stop(
            "Not every part of the network came back in the mode it was in: here `frozen` was in "
            "eval mode, the rest in train mode. `model.train(...)` sets all parts alike.",
            "`with in_eval_mode(model):` remembers the mode of each part.",
        )
    for count, sizes in ((7, (3, 4)), (1, (1,)), (6, (1, 3, 2))):
        numbers = torch.randint(1, 50, (count, 4), generator=attempt.random)
        ends = torch.randint(1, 5, (count,), generator=attempt.random)
        numbers = numbers * (torch.arange(4) < ends[:, None])
        want = torch.stack([numbers.sum(1) / ends, numbers.sum(1).float()], dim=1)
        rows = [row[:end] for row, end in zip(numbers.tolist(), ends.tolist(), strict=True)]
        order = torch.randperm(count, generator=attempt.random)
        batches = [part.tolist() for part in order.split(sizes)]
        case = "a single text" if count == 1 else f"{count} texts in {len(sizes)} batches"
        attempt.expect(attempt(_Reader().eval(), rows, batches), want, case=case)


@exercise(
    "One average hides the kinds it is made of. With the number of reviews beside each share, you "
    "also see which of them may be luck."
)
def by_domain(attempt: Attempt) -> None:
    """by_domain(correct, domains): (N,) bool, N str → list of (name, count, share)."""
    domains = ["milk", "hotels", "films", "hotels", "films", "hotels"]
    correct = torch.tensor([True, False, True, True, True, False])
    attempt.expect(
        attempt(correct, domains),
        [("hotels", 3, 1 / 3), ("films", 2, 1.0), ("milk", 1, 1.0)],
        Slip(
            [("films", 2, 1.0), ("milk", 1, 1.0), ("hotels", 3, 1 / 3)],
            "The easiest kind comes first. One reads such a table for the failures.",
            "Sort by the share, lowest first.",
        ),
        Slip(
            [("hotels", 3, 1 / 3), ("milk", 1, 1.0), ("films", 2, 1.0)],
            "Equal shares stand in the order in which the kinds occur, which may differ in the "
            "next file.",
            "Sort by (share, name).",
        ),
        *(
            Slip(
                [("hotels", 3, round(1 / 3, digits)), ("films", 2, 1.0), ("milk", 1, 1.0)],
                "The shares are rounded. That is for the page, not for the table.",
                "Leave `round` out.",
            )
            for digits in (1, 2, 3)
        ),
        Slip(
            [("hotels", 3, 1 / 6), ("milk", 1, 1 / 6), ("films", 2, 1 / 3)],
            "You divided by all reviews, so a rare kind can never look easy.",
            "Divide by the number of reviews of that kind.",
        ),
        Slip(
            [("films", 2, 0.0), ("milk", 1, 0.0), ("hotels", 3, 2 / 3)],
            "These are shares of errors.",
            "`correct` is True where the answer was right.",
        ),
        Slip(
            [("hotels", 1, 1 / 3), ("films", 2, 1.0), ("milk", 1, 1.0)],
            "The second number is how many were right, not how many there are.",
            "Count all reviews of that kind.",
        ),
        Slip(
            [("milk", 1, 1.0), ("hotels", 3, 1 / 3), ("films", 2, 1.0)],
            "The kinds stand in the order in which they occur.",
            "Sort by the share, lowest first; equal ones by name.",
        ),
        Slip(
            [("films", 2, 1.0), ("hotels", 3, 1 / 3), ("milk", 1, 1.0)],
            "The kinds stand in the order of the alphabet.",
            "Sort by the share, lowest first; equal ones by name.",
        ),
        Slip(
            [("hotels", 1 / 3), ("films", 1.0), ("milk", 1.0)],
            "The counts are missing: 1 of 1 and 900 of 900 look the same.",
            "Three parts for each kind: name, count, share.",
        ),
        case="three kinds, two of them equally easy",
    )
    want = [("b", 40, 0.25), ("c", 4, 0.5), ("d", 8, 0.5), ("e", 6, 0.5), ("f", 2, 0.5)]
    want += [("a", 16, 0.75)]
    pairs = [(name, place < n * share) for name, n, share in want for place in range(n)]
    order = torch.randperm(len(pairs), generator=attempt.random).tolist()
    names, right = zip(*(pairs[place] for place in order), strict=True)
    by_count = (
        Slip(
            sorted(want, key=lambda row: (row[2], way * row[1])),
            "Equal shares stand in the order of their counts.",
            "Equal ones by name: sort by (share, name).",
        )
        for way in (-1, 1)
    )
    case = "76 reviews of six kinds, four of them equally hard"
    attempt.expect(attempt(torch.tensor(right), list(names)), want, *by_count, case=case)
    attempt.expect(attempt(torch.tensor([False]), ["x"]), [("x", 1, 0.0)], case="one review")


VALUES = (-1.0, 9.0, 0.0, 2.0, 1.0, -0.5)  # of [PAD], [UNK], [MASK], 好, 看, 不


def _margins(tokens: Tensor) -> Tensor:
    """Praise minus blame, as a network might: 不 turns its neighbour round, and length counts."""
    if not (isinstance(tokens, Tensor) and tokens.ndim == 2 and not tokens.is_floating_point()):
        raise ValueError("margin_of takes a tensor of token numbers of shape (B, T)")
    values = torch.tensor(VALUES)[tokens]  # (B, T)
    turned = F.pad(tokens == 5, (1, 0))[:, :-1]
    return torch.where(turned, -values, values).sum(1) + 0.3 * tokens.shape[1]


def _adding(values: Tensor) -> Callable[[Tensor], Tensor]:
    """A network that adds up what each token is worth."""
    return lambda tokens: values[tokens].sum(1)


@exercise(
    "Hide a token, and what the answer loses is what the token was worth, in this sentence: after "
    "不 even 好 speaks for blame."
)
def occlusion(attempt: Attempt) -> None:
    """occlusion(margin_of, tokens, mask): function, (T,) int64, int → (T,)."""
    attempt.expect(
        attempt(_margins, torch.tensor([5, 3, 4]), 2),
        torch.tensor([-4.5, -2.0, 1.0]),
        Slip(
            torch.tensor([4.5, 2.0, -1.0]),
            "The signs are turned: what the margin *loses* counts, so that praise is above 0.",
            "The margin of the whole text minus the margin with the hole.",
        ),
        Slip(
            torch.tensor([3.9, 1.4, -1.6]),
            "These are the margins with a hole; nothing is compared.",
            "Subtract each from the margin of the whole text.",
        ),
        Slip(
            torch.tensor([-4.2, 0.3, 1.3]),
            "You took the token out. All later ones moved, and new neighbours met: 不看 stands "
            "where 不好看 stood.",
            "Put `mask` in its place.",
        ),
        Slip(
            torch.tensor([-3.5, -3.0, 2.0]),
            "You put 0 in the place, which is padding, and nothing the network knows inside a "
            "text.",
            "Put `mask` in its place.",
        ),
        Slip(
            torch.tensor([-4.5, -2.5, -1.5]),
            "The holes add up: the last margin is that of a text of holes alone.",
            "Start each time from the whole text: `.clone()`, or one row of a batch for each hole.",
        ),
        Slip(
            torch.tensor([4.5, 2.0, 1.0]),
            "The signs are lost, so praise and blame look alike.",
            "No `abs`.",
        ),
        case="不好看, for which 不 decides",
    )
    for count, mask in ((7, 2), (1, 2), (4, 9)):
        values = torch.randn(12, generator=attempt.random)
        tokens = torch.randint(3, 12, (count,), generator=attempt.random)
        case = "a text of one token" if count == 1 else f"{count} tokens, mask = {mask}"
        want = values[tokens] - values[mask]
        attempt.expect(attempt(_adding(values), tokens, mask), want, case=case)


@exercise(
    "The gradient says how steep each number is, the product what it contributes, the sum over D "
    "what its token does. And nobody notices that you asked."
)
def gradient_times_input(attempt: Attempt) -> None:
    """gradient_times_input(margin_at, x): function, (T, D) → (T,)."""
    x = torch.tensor([[2.0, 5.0], [4.0, -1.0]])
    want = torch.tensor([8.0, 5.0])
    layer = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(2))

    def margin_at(z: Tensor) -> Tensor:
        z = layer(z)
        return z[0, 0] * z[1, 0] + 3 * z[1, 1]

    result = attempt(margin_at, x)
    attempt.expect(
        result,
        want,
        Slip(
            torch.tensor([[4.0, 0.0], [2.0, 3.0]]),
            "That is the gradient: how steep the margin is, not what the vector contributes.",
            "Multiply it by `x`, then add up over D.",
        ),
        Slip(
            torch.tensor([[8.0, 0.0], [8.0, -3.0]]),
            "There is a weight for each number of each vector; one for each token is asked for.",
            "Add up over D: `.sum(1)`.",
        ),
        Slip(
            torch.tensor([4.0, 5.0]),
            "You added up the gradient alone, without `x`.",
            "Multiply by `x` before you add up.",
        ),
        Slip(
            torch.tensor([[4.0, 0.0], [2.0, 3.0]]).norm(dim=1),
            "That is the length of the gradient. It has no sign, so praise and blame look alike.",
            "Multiply by `x` and add up over D.",
        ),
        Slip(
            torch.tensor([8.0, 11.0]),
            "You added absolute values, so what a vector says against cannot make up for what it "
            "says for.",
            "No `abs`.",
        ),
        Slip(
            torch.tensor([16.0, -3.0]),
            "You added up over the tokens: one weight for each feature.",
            "The tokens are `dim=0`, so add up over `dim=1`.",
        ),
        Slip(
            torch.tensor([4.0, 2.5]),
            "You took the mean over D, so weights shrink as vectors grow.",
            "`sum`, not `mean`: then all weights together are the first-order change.",
        ),
        case="two tokens, two features",
    )
    if isinstance(result, Tensor) and result.requires_grad:
        attempt.stop(
            "The values are right, but the weights themselves still hang on to a graph.",
            "Multiply the gradient by the caller's `x`, or `.detach()` the result.",
        )
    if x.requires_grad:
        attempt.stop(
            "The values are right, but the caller's `x` now requires a gradient.",
            "Start with a tensor of your own: `x.detach().clone().requires_grad_()`.",
        )
    if x.grad is not None:
        attempt.stop(
            "The values are right, but a gradient is left on the caller's `x`; the next one would "
            "be added to it.",
            "Start with a tensor of your own: `x.detach().clone().requires_grad_()`.",
        )
    if layer.weight.grad is not None:
        attempt.stop(
            "The values are right, but `backward()` has left gradients on the network; the next "
            "training step would add them up.",
            "Ask for the one gradient you need: `torch.autograd.grad(margin, x)`.",
        )
    for count, dim in ((5, 3), (1, 4), (2, 6)):
        layer = nn.Linear(dim, 1)
        x = torch.randn(count, dim, generator=attempt.random)
        want = F.linear(x, layer.weight).squeeze(1).detach()
        case = "a text of one token" if count == 1 else f"{count} tokens, {dim} features"
        attempt.expect(attempt(lambda z, layer=layer: layer(z).sum(), x), want, case=case)


@exercise(
    "A faithful explanation knows what to take away: the faster the answer falls, the more it "
    "knows. For a text of blame, that answer is blame."
)
def deletion_curve(attempt: Attempt) -> None:
    """deletion_curve(margin_of, tokens, weights, mask): …, (T,) int64, (T,), int → (T + 1,)."""
    # What [PAD], [UNK], [MASK] are worth, then six tokens, 3 to 8.
    margin_of = _adding(torch.tensor([4.0, 9.0, 0.25, 2.0, -1.0, 0.5, -2.0, 1.0, -0.5]))
    want = torch.tensor([1.5, -0.25, -0.5, 0.75])
    attempt.expect(
        attempt(margin_of, torch.tensor([4, 3, 5]), torch.tensor([-1.0, 2.0, 0.5]), 2),
        want,
        Slip(
            torch.tensor([1.5, 2.75, 2.5, 0.75]),
            "The least important token is hidden first, so the answer gets *surer*.",
            "`argsort(descending=True)`.",
        ),
        Slip(
            torch.tensor([1.5, 2.75, 1.0, 0.75]),
            "The tokens are hidden in the order of the text; the weights play no part.",
            "Hide them in the order of `weights.argsort(descending=True)`.",
        ),
        Slip(
            torch.tensor([1.5, -0.25, 1.0, 0.75]),
            "You sorted by absolute weight, so a token that speaks *against* the answer is hidden "
            "early.",
            "What speaks for the answer counts as important: no `abs`.",
        ),
        Slip(
            torch.tensor([1.5, -0.25, 1.25, 2.75]),
            "Each token came back when the next was hidden.",
            "After k steps k tokens are hidden.",
        ),
        Slip(
            torch.tensor([1.5, 3.5, 7.0, 12.0]),
            "You hide with 0, which is padding, and nothing the network knows inside a text.",
            "Put `mask` in the place.",
        ),
        Slip(
            torch.tensor([1.5, -0.5, -1.0, 0.0]),
            "You took the tokens out, so the text gets shorter and the others move.",
            "Put `mask` in the place.",
        ),
        Slip(
            want[1:],
            "The start is missing: nobody can see how far the answer fell.",
            "The first value is that of the whole text.",
        ),
        Slip(
            want[:-1],
            "The last value is missing: all tokens hidden.",
            "T tokens, so T + 1 values.",
        ),
        Slip(
            want - 1.5,
            "These are changes; the margins themselves are asked for.",
            "Do not subtract the first value.",
        ),
        Slip(
            want / 1.5,
            "These are shares of the first margin; the margins themselves are asked for.",
            "Do not divide by the first value.",
        ),
        Slip(
            want.abs(),
            "You took absolute margins: an answer that has turned round looks sure again.",
            "Multiply by the sign of the *first* margin.",
        ),
        case="a text of praise",
    )
    attempt.expect(
        attempt(margin_of, torch.tensor([7, 6, 8]), torch.tensor([1.0, -2.0, -0.5]), 2),
        torch.tensor([1.5, -0.75, -1.5, -0.75]),
        Slip(
            torch.tensor([-1.5, -2.25, -1.5, 0.75]),
            "The network's answer is blame, and you treat it as praise: the curve should fall "
            "from above 0.",
            "Multiply weights and margins by the sign of the first margin.",
        ),
        Slip(
            torch.tensor([1.5, 2.25, 1.5, -0.75]),
            "The answer is blame, but you hide first what speaks for praise.",
            "Multiply the *weights* by the sign of the first margin as well, before you sort.",
        ),
        Slip(
            torch.tensor([-1.5, 0.75, 1.5, 0.75]),
            "The order is right, but the margins are those for praise, and the answer is blame.",
            "Multiply the *margins* by the sign of the first one as well.",
        ),
        case="a text of blame",
    )
    for count, sign, mask in ((6, 1, 1), (5, -1, 2), (1, -1, 0)):
        steps = torch.rand(count, generator=attempt.random) + 0.1  # what each hidden token takes
        order = torch.randperm(count, generator=attempt.random)
        values = torch.full((count + 3,), 7.0)
        values[mask] = 0
        values[order + 3] = sign * steps
        weights = torch.empty(count)
        weights[order] = sign * torch.linspace(
            1, -2, count
        )  # its sum says nothing about the answer
        left = steps.flip(0).cumsum(0).flip(0)
        want = torch.cat([left, torch.zeros(1)])
        tokens = torch.arange(3, count + 3)
        case = f"{count} tokens, mask = {mask}"
        against = torch.cat([-steps.cumsum(0).flip(0), torch.zeros(1)])
        slip = Slip(
            against,
            "You took the sign of the weights for the answer. But an explanation may be wrong.",
            "Ask the network: the sign of its first margin is the answer.",
        )
        attempt.expect(attempt(_adding(values), tokens, weights, mask), want, slip, case=case)
