"""Reviews: real ones from files, generated ones otherwise; cleaned, and no text twice."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from torchcourse.data import CorruptFileError, made_reviews, reviews
from torchcourse.data.reviews import clean, read_labelled, read_stars, same_text

pytestmark = pytest.mark.usefixtures("only_this_machine")
REAL = Path(os.environ.get("TORCHCOURSE_DATA") or "nowhere").absolute()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHCOURSE_DATA", str(tmp_path))
    monkeypatch.setenv("TORCHCOURSE_PRESET", "quick")
    (tmp_path / reviews.FOLDER).mkdir()
    return tmp_path / reviews.FOLDER


@pytest.fixture(scope="module")
def made():
    return made_reviews.make(4_000)


def test_without_files_come_generated_reviews(folder, capsys):
    found = reviews.load()
    assert len(found.texts) == len(found.domains) == len(found.labels) == 8_000
    assert found.labels.dtype == torch.int64 and found.labels.float().mean() == 0.5
    assert "generated" in found.source and "load(download=True)" in capsys.readouterr().out


def test_a_damaged_file_is_named_and_kept(folder):
    file = folder / "waimai_10k.csv"
    file.write_text("label,review\n1,好\n", encoding="utf-8")
    for name in ("ChnSentiCorp_htl_all.csv", "online_shopping_10_cats.zip"):
        (folder / name).write_bytes(b"")
    with pytest.raises(CorruptFileError, match="ChnSentiCorp"):
        reviews.load()
    assert file.read_text(encoding="utf-8") == "label,review\n1,好\n"


def test_the_same_reviews_every_time(made):
    assert made_reviews.make(50) == made[:50] == made_reviews.make(50)
    assert len({review.text for review in made}) == len(made)
    assert made_reviews.make(50, first_seed=10_000) != made[:50]
    with pytest.raises(ValueError, match="at least 1"):
        made_reviews.make(0)
    with pytest.raises(ValueError, match="label is 0"):
        made_reviews.write(2, 0)


def test_counting_characters_is_not_enough(made):
    """Negation and contrast: the order of words decides, which a bag of characters cannot see."""
    texts, labels = zip(*made, strict=True)
    counts = TfidfVectorizer(analyzer="char", ngram_range=(1, 1))
    model = make_pipeline(counts, LogisticRegression(C=10, max_iter=300))
    score = model.fit(texts[:3_000], labels[:3_000]).score(texts[3_000:], labels[3_000:])
    assert 0.6 < score < 0.85


def test_reading_a_table_and_an_archive(tmp_path):
    table = tmp_path / "some.csv"
    table.write_text('﻿label,cat,review\n1,书籍,"好，""真""好"\n0,酒店,差\n1,酒店, \n', "utf-8")
    found = read_labelled(table)
    assert found.texts == ['好，"真"好', "差"] and found.labels.tolist() == [1, 0]
    assert found.domains == ["books", "hotels (shopping)"]
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.write(table, "inside.csv")
    assert read_labelled(tmp_path / "some.zip", domain="x").domains == ["x", "x"]


def test_stars(tmp_path):
    table = tmp_path / "films.csv"
    table.write_text("ID,Star,Comment\n1,5,好\n2,3,一般\n3,1,差\n4,2,烂\n5,4,赞\n", "utf-8")
    found = read_stars(table, text="Comment", stars="Star")
    assert found.texts == ["好", "差", "烂", "赞"] and found.labels.tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"text,stars\n", "no column 'label'"),
        (b"label,review\n2,x\n", "row 1: a label is 0 or 1, not '2'"),
        (b"label,review\n1,x\n1\n", "row 2: cells are missing"),
        ("label,review\n1,好\n".encode("gb18030"), "no table of UTF-8 text"),
        (b"", "no column 'label'"),
    ],
)
def test_no_such_table(tmp_path, content, complaint):
    (tmp_path / "some.csv").write_bytes(content)
    with pytest.raises(CorruptFileError, match=complaint):
        read_labelled(tmp_path / "some.csv", domain="x")


def test_cleaning():
    assert clean(" ＡＢＣ！！！！！\t好好好好好 \x00\ufeff") == "abc!!! 好好好"
    assert clean("看 https://example.com/a?b=c 吧 @某人 好😀") == "看 吧 好😀"
    assert clean("见HTTPS://a.cn/x好看") == "见 好看"  # no space behind the address
    assert clean("") == "" and clean(" \n") == ""
    for text in (
        "ﬁ",
        "İ",
        "㍿！！",
        "①②③",
        "a\u0301",
        *(made_reviews.write(1, i) for i in range(99)),
    ):
        assert clean(clean(text)) == clean(text)


@given(st.one_of(st.text(), st.text("aA@:/htps. \x00！好İﬁ")))
def test_cleaning_once_more_changes_nothing(text):
    assert clean(clean(text)) == clean(text)


def test_what_counts_as_the_same_text():
    assert same_text("很好，推荐！") == same_text(" 很好 推荐。") != same_text("很好，不推荐")
    assert same_text("😀") != same_text("😡")


def test_duplicates_go_and_contradictions_with_them():
    texts = ["很好!", "差", "很好", "一般", "一般。", "  ", "😀"]
    labels = torch.tensor([1, 0, 1, 0, 1, 1, 1])
    found = reviews.without_duplicates(reviews.Reviews(texts, labels, ["x"] * 7, "by hand"))
    assert found.texts == ["很好!", "差", "😀"] and found.labels.tolist() == [1, 0, 1]


@pytest.mark.skipif(not (REAL / reviews.FOLDER).exists(), reason="no reviews in $TORCHCOURSE_DATA")
def test_the_real_sets(monkeypatch):
    monkeypatch.setenv("TORCHCOURSE_DATA", str(REAL))
    found = reviews.load()
    assert len(found.texts) > 82_000 and set(found.labels.tolist()) == {0, 1}
    assert len(reviews.without_duplicates(found).texts) < 0.9 * len(found.texts)
