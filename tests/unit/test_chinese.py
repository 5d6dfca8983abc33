"""Glosses of the made reviews' words, and tokens as HTML."""

import json
from importlib.resources import files

from bs4 import BeautifulSoup

from torchcourse.chinese import CHARACTERS, ENGLISH, english, named, show_neighbours, show_tokens
from torchcourse.data import made_reviews


def words_of_the_grammar():
    for aspect, (praise, blame) in made_reviews.ASPECTS.items():
        yield from (aspect, *praise, *blame)
    yield from made_reviews.STRONG + made_reviews.WEAK + made_reviews.NOT
    yield from made_reviews.VERDICTS[0] + made_reviews.VERDICTS[1]
    yield from filter(None, made_reviews.BEFORE + made_reviews.ENDS)


def test_every_word_of_the_grammar_has_a_meaning():
    assert [word for word in words_of_the_grammar() if not ENGLISH.get(word)] == []
    assert all(meaning.isascii() or meaning == "…" for meaning in ENGLISH.values())


def test_a_token_of_several_words_is_taken_apart():
    assert english("##不拖沓") == "not slow"
    assert english("一点也不") == "not in the least"  # the longest word wins over 不
    assert english("不X") == english("[UNK]") == english("") == ""


def test_a_character_is_looked_up_alone_only():
    assert english("错") == "wrong" and english("不错") == ""  # "not wrong" would be wrong
    assert english("##影") == "film" and all(len(character) == 1 for character in CHARACTERS)


def test_keywords_of_the_record_have_meanings():
    path = files("torchcourse") / "weights/cap3_sentiment/metrics.json"
    for pairs in json.loads(path.read_text("utf-8"))["looks"]["keywords"].values():
        assert all(english(token) for token, _ in pairs)


def test_what_is_shown_is_escaped_and_has_its_meaning():
    page = BeautifulSoup(show_tokens([["剧情", "##很"], ["<b>"]]).data, "html.parser")
    assert [row.get_text("|") for row in page.find_all("p")] == ["剧情|plot|很|very", "<b>|\xa0"]
    assert named("##拖沓") == '<span lang="zh">拖沓</span> (slow)'
    table = BeautifulSoup(show_neighbours({"非常": ["##很", "?"]}).data, "html.parser")
    assert table.find_all("tr")[1].get_text() == "非常 (extremely)很 (very), ?"
