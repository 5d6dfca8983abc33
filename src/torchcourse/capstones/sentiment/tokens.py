"""From text to numbers: WordPiece as BERT uses it, with a vocabulary cut to what the texts need.

A Chinese character is a token of its own; a Latin word is one token, or a few pieces of which all
but the first begin with ``##``. The vocabulary comes from ``bert-base-chinese`` if that can be
had, else it is learnt from the texts; both go the same way from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from torchcourse import runtime
from torchcourse.files import written_whole

__all__ = ["MASK", "PAD", "UNK", "Piece", "WordPiece", "base_vocabulary", "build"]

SPECIAL = ("[PAD]", "[UNK]", "[MASK]")
PAD, UNK, MASK = range(len(SPECIAL))
BERT = "google-bert/bert-base-chinese"  # on Hugging Face
BERT_FOLDER = "bert_base_chinese"  # below `runtime.data_dir()`, with its vocab.txt
LEARNT_SIZE = 2_000  # pieces of a vocabulary that is learnt from the texts


class Piece(NamedTuple):
    """A token of a text.

    Attributes:
        token: as it stands in the vocabulary, ``[UNK]`` if it does not.
        start, end: which characters of the text it covers.
    """

    token: str
    start: int
    end: int


class WordPiece:
    """Texts to token numbers.

    Args:
        vocabulary: the pieces in the order of their numbers; the first are `SPECIAL`.

    Raises:
        ValueError: the vocabulary does not begin with `SPECIAL`, or holds a piece twice.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        if tuple(vocabulary[: len(SPECIAL)]) != SPECIAL:
            raise ValueError(f"a vocabulary begins with {', '.join(SPECIAL)}; got {vocabulary[:3]}")
        numbers = {piece: number for number, piece in enumerate(vocabulary)}
        if len(numbers) < len(vocabulary):
            raise ValueError("the vocabulary holds a piece twice")
        self.vocabulary = list(vocabulary)
        self._tokenizer = _like_bert(models.WordPiece(numbers, unk_token=SPECIAL[UNK]))

    def __len__(self) -> int:
        return len(self.vocabulary)

    def encode(self, texts: Sequence[str], max_tokens: int | None = None) -> list[list[int]]:
        """The token numbers of each text; of a long one, the beginning and the end.

        Args:
            texts: any strings. Case and accents make no difference.
            max_tokens: longer ones lose their middle: reviewers open with what they think, or
                close with it. None keeps all.

        >>> words = WordPiece([*SPECIAL, "好", "看", "不"])
        >>> words.encode(["好看", "不好看!"])
        [[3, 4], [5, 3, 4, 1]]
        >>> words.encode(["好看不好看"], max_tokens=3)
        [[3, 3, 4]]
        """
        found = [one.ids for one in self._tokenizer.encode_batch(list(texts))]
        return [[one[place] for place in _kept(len(one), max_tokens)] for one in found]

    def pieces(self, text: str, max_tokens: int | None = None) -> list[Piece]:
        """The tokens of a text as `encode` numbers them, with their places in the text."""
        found = self._tokenizer.encode(text)
        everything = [Piece(*one) for one in _rows(found.tokens, found.offsets)]
        return [everything[place] for place in _kept(len(everything), max_tokens)]

    def save(self, path: Path) -> None:
        """Write ``vocab.txt``: one piece a line, in order."""
        with written_whole(path) as temporary:
            temporary.write_text("\n".join(self.vocabulary) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> WordPiece:
        """Read what `save` wrote."""
        return cls(path.read_text(encoding="utf-8").splitlines())


def base_vocabulary(texts: Iterable[str]) -> tuple[list[str], str]:
    """Pieces to choose from, and where they come from.

    BERT's 21,128 are used if ``bert_base_chinese/vocab.txt`` lies in `runtime.data_dir()`, or, with
    ``TORCHCOURSE_PRESET=full``, if they are in the cache of ``transformers`` or can be downloaded.
    Otherwise `LEARNT_SIZE` pieces are learnt from the texts.
    """
    file = runtime.data_dir() / BERT_FOLDER / "vocab.txt"
    if file.exists():
        return file.read_text(encoding="utf-8").splitlines(), "bert-base-chinese"
    if runtime.preset() == "full":
        try:
            from transformers import AutoTokenizer  # takes seconds to import

            return list(AutoTokenizer.from_pretrained(BERT).get_vocab()), "bert-base-chinese"
        except OSError as error:  # neither in the cache nor online
            print(f"{BERT} could not be had ({str(error).splitlines()[0]})")
    return learn(texts), "learnt from the texts"


def learn(texts: Iterable[str], size: int = LEARNT_SIZE) -> list[str]:
    """A WordPiece vocabulary of at most `size` pieces, learnt by merging frequent neighbours."""
    tokenizer = _like_bert(models.WordPiece(unk_token=SPECIAL[UNK]))
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=list(SPECIAL), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    vocabulary = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.__getitem__)


def build(texts: Sequence[str], base: Sequence[str], min_count: int = 1) -> WordPiece:
    """A tokenizer whose vocabulary holds the pieces that the texts need, frequent ones first.

    Args:
        texts: the *training* texts, and no others.
        base: pieces to choose from, see `base_vocabulary`.
        min_count: how often a piece must occur. Single signs that `base` lacks and that occur as
            often are added: BERT knows no 😂.

    Raises:
        ValueError: there is no text.
    """
    if not texts:
        raise ValueError("a vocabulary needs at least one text")
    signs = Counter(sign for text in texts for sign in text.lower() if not sign.isspace())
    known = set(base)
    added = [sign for sign, count in signs.items() if count >= min_count and sign not in known]
    added += [f"##{sign}" for sign in added]  # a run of emoji counts as one word
    whole = WordPiece(list(dict.fromkeys([*SPECIAL, *base, *added])))
    counts = Counter(number for one in whole.encode(texts) for number in one)
    chosen = [
        number
        for number, count in counts.most_common()
        if count >= min_count and number >= len(SPECIAL)
    ]
    return WordPiece([*SPECIAL, *(whole.vocabulary[number] for number in chosen)])


def _kept(count: int, most: int | None) -> list[int]:
    """Places that are kept of so many: all, or the first and the last."""
    if most is None or count <= most:
        return list(range(count))
    last = most // 2
    return [*range(most - last), *range(count - last, count)]


def _rows(tokens: list[str], offsets: list[tuple[int, int]]) -> list[tuple[str, int, int]]:
    return [(token, *places) for token, places in zip(tokens, offsets, strict=True)]


def _like_bert(model: models.WordPiece) -> Tokenizer:
    """The steps before the vocabulary is asked: lower case, and Chinese characters set apart."""
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer
