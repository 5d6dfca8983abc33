"""Chinese reviews, praise or blame: hotels, takeaways, shops and films; else generated ones.

What `load` gives is raw, as people wrote it, duplicates included: to clean it and to drop what
stands there twice *before* splitting (`without_duplicates`) is a lesson of its own.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from torchcourse import runtime
from torchcourse.data import made_reviews
from torchcourse.data.download import CorruptFileError
from torchcourse.data.fileset import FileSet, RemoteFile

__all__ = ["CLEANING", "Reviews", "clean", "load", "read_labelled", "read_stars", "same_text"]

FOLDER = "zh_sentiment"
_CORPUS = "https://raw.githubusercontent.com/SophonPlus/ChineseNlpCorpus/master/datasets/"


def _one_file(title: str, folder: str, name: str, sha256: str, size: int) -> FileSet:
    return FileSet(title, FOLDER, (f"{_CORPUS}{folder}/",), (RemoteFile(name, sha256, size),))


# Each with the domain its reviews are of; None where the file itself says it.
LABELLED: dict[FileSet, str | None] = {
    _one_file(
        "ChnSentiCorp hotel reviews",
        "ChnSentiCorp_htl_all",
        "ChnSentiCorp_htl_all.csv",
        "1d414b9c65caf3a836abdb4efded621968502ad3338e1a9d885ae131c86083f0",
        2_904_858,
    ): "hotels",
    _one_file(
        "takeaway reviews",
        "waimai_10k",
        "waimai_10k.csv",
        "b8b5c11c00b51578d35937fca56e03a126b45381f1ea4b22893237cb377a26fe",
        919_380,
    ): "takeaways",
    _one_file(
        "shopping reviews",
        "online_shopping_10_cats",
        "online_shopping_10_cats.zip",
        "6816ded66fde9d0927ecbd370b5e12d0174d1abac35192ec014ac2a0a8d25858",
        4_084_428,
    ): None,
}
# Film comments with stars are offered in many selections, so there is no official hash: whatever
# lies under this name is read, and its columns are checked.
FILMS = "douban_short_comments.csv"
SHOPPING = {  # names in the file → names here
    "书籍": "books",
    "平板": "tablets",
    "手机": "phones",
    "水果": "fruit",
    "洗发水": "shampoo",
    "热水器": "water heaters",
    "蒙牛": "milk",
    "衣服": "clothes",
    "计算机": "computers",
    "酒店": "hotels (shopping)",
}


class Reviews(NamedTuple):
    """Texts with their labels.

    Attributes:
        texts: N texts, as they were written.
        labels: (N,) int64, 1 = praise, 0 = blame.
        domains: N names of what is reviewed, such as "hotels".
        source: what they are, for a caption or a record.
    """

    texts: list[str]
    labels: Tensor
    domains: list[str]
    source: str

    def take(self, places: Iterable[int]) -> Reviews:
        """The reviews at these places, in this order."""
        places = list(places)
        return Reviews(
            [self.texts[i] for i in places],
            self.labels[places],
            [self.domains[i] for i in places],
            self.source,
        )


def load(download: bool | None = None) -> Reviews:
    """Reviews of many kinds; prints which ones they are.

    The three labelled sets of ChineseNlpCorpus (82,527 reviews) are used if they are in
    ``zh_sentiment/`` of `runtime.data_dir()` or can be downloaded, with them the film comments of
    ``zh_sentiment/douban_short_comments.csv`` if that file is there, see `read_stars`. Otherwise
    come 8,000 generated film reviews, see `made_reviews`, the same on every machine.

    Args:
        download: whether missing files (8 MB) may be downloaded; None means only with
            ``TORCHCOURSE_PRESET=full``. If that fails, the generated reviews are used.

    Raises:
        torchcourse.data.CorruptFileError: a file is damaged or another one. It is named, and
            neither used nor deleted.
    """
    parts = []
    for file, domain in LABELLED.items():
        found = file.find(download)
        if not found.paths:
            texts, labels = zip(*made_reviews.make(), strict=True)
            print(f"Reviews: {len(texts):,} generated film reviews. {found.why_not}.")
            domains = ["generated films"] * len(texts)
            return Reviews(list(texts), torch.tensor(labels), domains, "generated film reviews")
        parts.append(read_labelled(*found.paths.values(), domain=domain))
    films = runtime.data_dir() / FOLDER / FILMS
    if films.exists():
        parts.append(read_stars(films))
    source = ", ".join(part.source for part in parts)
    texts = [text for part in parts for text in part.texts]
    domains = [domain for part in parts for domain in part.domains]
    print(f"Reviews: {len(texts):,} of {len(set(domains))} kinds: {source}.")
    return Reviews(texts, torch.cat([part.labels for part in parts]), domains, source)


def read_labelled(path: str | Path, domain: str | None = None) -> Reviews:
    """A CSV file, or a zip with one, of the columns label (0 or 1), review and perhaps cat.

    Args:
        path: the file, UTF-8.
        domain: name of what is reviewed; None takes the column "cat".

    Raises:
        FileNotFoundError: there is no such file.
        CorruptFileError: a column is missing, a label is neither 0 nor 1, or it is no such file.
    """
    path = Path(path)
    texts, labels, domains = [], [], []
    wanted = ["label", "review"] + (["cat"] if domain is None else [])
    for line, row in _rows(path, wanted):
        if row["label"] not in ("0", "1"):
            raise CorruptFileError(f"{path}, row {line}: a label is 0 or 1, not {row['label']!r}.")
        if row["review"].strip():
            texts.append(row["review"])
            labels.append(int(row["label"]))
            domains.append(SHOPPING.get(row["cat"], row["cat"]) if domain is None else domain)
    return Reviews(texts, torch.tensor(labels), domains, path.name)


def read_stars(path: str | Path, text: str = "comments", stars: str = "rating") -> Reviews:
    """Film comments with one to five stars: 4 and 5 praise, 1 and 2 blame, 3 is left out.

    Args:
        path: a CSV file, UTF-8, such as the Douban short comments (DMSC) on Kaggle.
        text: name of the column of texts; DMSC itself calls it Comment.
        stars: name of the column of ratings; DMSC itself calls it Star.

    Raises:
        FileNotFoundError: there is no such file.
        CorruptFileError: a column is missing, or a rating is not 1 to 5.
    """
    path = Path(path)
    texts, labels = [], []
    for line, row in _rows(path, [text, stars]):
        if row[stars] not in ("1", "2", "3", "4", "5"):
            raise CorruptFileError(f"{path}, row {line}: stars are 1 to 5, not {row[stars]!r}.")
        if row[stars] != "3" and row[text].strip():
            texts.append(row[text])
            labels.append(int(row[stars] in "45"))
    return Reviews(texts, torch.tensor(labels), ["films"] * len(texts), path.name)


def _rows(path: Path, wanted: list[str]) -> Iterable[tuple[int, dict[str, str]]]:
    """The rows of a table as dictionaries, counted from 1."""
    try:
        content = _only_member(path) if path.suffix == ".zip" else path.read_bytes()
        table = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        missing = [name for name in wanted if name not in (table.fieldnames or [])]
    except (UnicodeDecodeError, zipfile.BadZipFile, csv.Error) as error:
        raise CorruptFileError(
            f"{path} is no table of UTF-8 text ({error}); get it again."
        ) from None
    if missing:
        raise CorruptFileError(
            f"{path} has no column {missing[0]!r}; expected {', '.join(wanted)}, and found "
            f"{', '.join(table.fieldnames or ['nothing'])}."
        )
    for line, row in enumerate(table, start=1):
        if any(row[name] is None for name in wanted):
            raise CorruptFileError(f"{path}, row {line}: cells are missing.")
        yield line, row


def _only_member(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".csv")]
        if len(names) != 1:
            raise CorruptFileError(f"{path} should hold one CSV file, and holds {len(names)}.")
        return archive.read(names[0])


# ---- cleaning ----------------------------------------------------------------------------------


def one_form(text: str) -> str:
    """Each character in one form: ＡＢＣ becomes abc, and ！ becomes !."""
    # Once more after lowering: a small letter may have a shorter form of its own.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())


def without_links(text: str) -> str:
    """Addresses of pages and names after an @ say nothing about the thing reviewed."""
    # Letters of ASCII only: Chinese goes on right behind an address, without a space.
    return re.sub(r"https?://[a-z0-9_./?=&%#-]+|@\S+", " ", text)


def without_controls(text: str) -> str:
    """Neither control characters nor byte order marks, and every gap one space."""
    visible = (" " if unicodedata.category(sign)[0] == "C" else sign for sign in text)
    return " ".join("".join(visible).split())


def shortened_runs(text: str) -> str:
    """好好好好好好 and !!!!!!: three of a kind say as much as thirty."""
    return re.sub(r"(.)\1{3,}", r"\1\1\1", text)


# The steps of `clean`, in order. Emoji stay: they are opinions.
CLEANING: tuple[Callable[[str], str], ...] = (
    one_form,
    without_links,
    without_controls,
    shortened_runs,
)


def clean(text: str) -> str:
    """A review as the models read it, by the steps of `CLEANING`; once more changes nothing."""
    for step in CLEANING:
        text = step(text)
    return text.strip()


def same_text(text: str) -> str:
    """What two reviews share that count as the same: only letters and digits, of the clean text.

    A text without any, such as one of emoji, stands for itself.
    """
    cleaned = clean(text)
    return re.sub(r"[\W_]+", "", cleaned) or cleaned


def without_duplicates(reviews: Reviews) -> Reviews:
    """Every text once: the first of its kind, and none at all if its labels contradict each other.

    To be called *before* the reviews are split: a text in two parts is a question whose answer
    has been learnt by heart. Empty texts go, too.
    """
    first: dict[str, int] = {}
    contradictory = set()
    labels = reviews.labels.tolist()
    for place, text in enumerate(reviews.texts):
        key = same_text(text)
        if key and labels[place] != labels[first.setdefault(key, place)]:
            contradictory.add(key)
    return reviews.take(place for key, place in first.items() if key not in contradictory)
