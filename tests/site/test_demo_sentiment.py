"""The reader of reviews in the page: Python's tokens, scores and weights, and its controls."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from demo_page import run_in_page, serious_problems, start_demo, wait_for_words, words
from playwright.sync_api import Browser, Page, expect
from test_phone import STICKING_OUT

from torchcourse.capstones import sentiment
from torchcourse.capstones.sentiment import tokens
from torchcourse.data import made_reviews
from torchcourse.data.reviews import clean

SENTIMENT = "book/demos/sentiment.html"
PREPARE = """
    const folder = new URL("../../_static/demos/", location.href);
    const load = (name) => import(new URL(name, folder).href);
    const { clean, WordPiece } = await load("sentiment_tokens.mjs");
    const { loadReader } = await load("sentiment_reader.mjs");
    const reader = (window.reader ??= await loadReader());
"""
in_page = partial(run_in_page, PREPARE)
LIMIT = sentiment.load_model().config.max_tokens  # of a longer text: its beginning and its end

# What people paste, and what splits in surprising ways: one item, or several joined, is a text.
ODD = (
    *("好", "不", "很", "看", "剧情", "太差了", "喜欢", "。", "！", "，", "…", "～", "「", "》"),
    *("ＷｉＦｉ", "OK", "café", "İstanbul", "ΣΑΣ", "ﬁn", "Straße", "über", "ñandú", "x" * 101),
    *("한국어", "ありがとう", "カ\u3099", "Привет", "й", "ไทย", "हिन्दी", "עברית", "ẹ\u0301", "ｶﾞ"),
    *(
        "😂",
        "👍🏽",
        "👨\u200d👩\u200d👧",
        "❤\ufe0f",
        "🇨🇳",
        "①",
        "½",
        "㎏",
        "２０２４",
        "3.5",
        "#5",
        "$",
    ),
    *("哈哈哈哈哈哈", "!!!!!!", "zzzz", "𠀀", "𫠠", "豈", "龍", "〇", "々", "ー", "･", "·", ":-)"),
    *("https://a.cn/b?c=1好", "http://例子.cn", "@某人 ", "a@b.cn", "don't", "re-do", "_a_", "^_^"),
    *(" ", "  ", "\t", "\n", "\u3000", "\u200b", "\ufeff", "\x00", "\x1c", "\x85", "\u2028"),
    "\ufffd",
)


def odd_texts(count: int, seed: int = 0) -> list[str]:
    """Texts of 0 to 25 odd items each, the first of them each item alone."""
    draw = random.Random(seed)
    mixed = ("".join(draw.choices(ODD, k=draw.randrange(26))) for _ in range(count))
    return [*ODD, *mixed][:count]


def sentences() -> list[str]:
    """1,200 generated reviews and 1,000 odd texts."""
    return [*(review.text for review in made_reviews.make(1_200)), *odd_texts(1_000)]


@pytest.fixture(scope="module")
def desk(browser: Browser, server: str) -> Iterator[Page]:
    """One page for all tests that only call its modules: loading the runtime takes a second."""
    page = browser.new_page()
    page.goto(f"{server}/{SENTIMENT}")
    yield page
    page.close()


# ---- the same answers ------------------------------------------------------------------------


@pytest.mark.parametrize("vocabulary", ["recorded", "learnt"])
def test_tokens_and_their_places_are_pythons(desk: Page, vocabulary: str) -> None:
    """The learnt vocabulary has pieces of all scripts, so that words split in many ways."""
    texts = sentences()
    cleaned = [clean(text) for text in texts]
    words = (
        sentiment.load_words()
        if vocabulary == "recorded"
        else tokens.build(cleaned, tokens.learn(cleaned))
    )
    found = in_page(
        desk,
        """const words = new WordPiece(given.vocabulary, 1);
        return given.texts.map((text) => {
            const cleaned = clean(text);
            const pieces = words.pieces([...cleaned]);
            return [cleaned, pieces.map(({ number, start, end }) => [number, start, end])];
        });""",
        {"vocabulary": words.vocabulary, "texts": texts},
    )
    numbers = words.encode(cleaned)
    for text, clear, row, (theirs, pieces) in zip(texts, cleaned, numbers, found, strict=True):
        assert theirs == clear, repr(text)
        places = [[piece.start, piece.end] for piece in words.pieces(clear)]
        assert pieces == [[n, *at] for n, at in zip(row, places, strict=True)], repr(text)


def test_scores_are_pythons(desk: Page) -> None:
    texts = [*sentences(), "很好" * 500, "差" * (LIMIT + 1), ""]
    found = in_page(
        desk,
        """const found = [];
        for (const text of given) found.push(await reader.score(reader.take(text).row));
        return found;""",
        texts,
    )
    worst = (torch.tensor(found) - torch.tensor(sentiment.scores(texts))).abs().max().item()
    print(f"{len(texts)} scores within {worst:.1e}")
    assert worst < 1e-4


@pytest.mark.parametrize("method", ["occlusion", "gradient"])
def test_weights_are_those_that_explain_documents(desk: Page, method: str) -> None:
    texts = [*(review.text for review in made_reviews.make(30)), "很好不" * 60, "好", ""]
    found = in_page(
        desk,
        """const found = [];
        for (const text of given.texts) {
            const { signs, pieces, row } = reader.take(text);
            const weights = await reader.explain(row, given.method);
            const names = pieces.map(({ start, end }) => signs.slice(start, end).join(""));
            found.push(names.map((name, n) => [name, weights[n]]));
        }
        return found;""",
        {"texts": texts, "method": method},
    )
    for text, pairs in zip(texts, found, strict=True):
        expected = sentiment.explain(text, method)
        assert [name for name, _ in pairs] == [name for name, _ in expected]
        theirs, ours = (torch.tensor([weight for _, weight in one]) for one in (pairs, expected))
        torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=1e-4)


# ---- the page --------------------------------------------------------------------------------


def start(visit: Callable, **options: object) -> Page:
    page = start_demo(visit, "sentiment", **options)
    wait_for_words(page, " with ")
    return page


def wait_for_text(page: Page, text: str) -> None:
    """Until the shaded text is this one, shades and all."""
    expect(page.locator("[data-shaded]")).to_have_text(clean(text))


def share_of_praise(page: Page) -> float:
    return page.locator("[data-bars] td + td").evaluate_all(
        "cells => parseFloat(cells[1].style.getPropertyValue('--share')) / 100"
    )


def shades(page: Page) -> list[tuple[str, float]]:
    """(token, weight) as the page shows them to those who rest the pointer there."""
    spans = page.locator("[data-shaded] .praise, [data-shaded] .blame").evaluate_all(
        "spans => spans.map((span) => [span.textContent, span.title, span.className])"
    )
    assert all((title[0] == "+") == (kind == "praise") for _, title, kind in spans)
    return [(name, float(title.replace("−", "-"))) for name, title, _ in spans]


def same(pairs: list[tuple[str, float]], text: str, method: str) -> None:
    expected = sentiment.explain(text, method)
    assert [name for name, _ in pairs] == [name for name, _ in expected]
    assert [w for _, w in pairs] == pytest.approx([w for _, w in expected], abs=0.006)


def choose_gradient(page: Page, text: str) -> None:
    """By the keyboard, and wait until the first token's weight is that of the gradient."""
    page.get_by_role("radio", name="Gradient").focus()
    page.keyboard.press("Space")
    weight = sentiment.explain(text, "gradient")[0][1]
    title = f"{'−' if weight < 0 else '+'}{abs(weight):.2f}"
    expect(page.locator("[data-shaded] span").first).to_have_attribute("title", title)


def test_the_answer_follows_every_key_and_the_words_follow_the_pause(visit: Callable) -> None:
    page = start(visit)
    field = page.get_by_label("Your review")
    expect(field).to_be_focused()
    page.get_by_role("button", name="Clear").click()
    wait_for_words(page, "Nothing to read yet")
    text = "剧情不精彩，很无聊"
    for place in range(1, len(text) + 1):
        page.keyboard.insert_text(text[place - 1])
        wait_for_text(page, text[:place])
        assert share_of_praise(page) == pytest.approx(sentiment.score(text[:place]), abs=1e-4)
        same(shades(page), text[:place], "occlusion")
    page.wait_for_timeout(800)  # longer than the pause after which it speaks
    assert words(page).startswith(("Praise", "Blame")[sentiment.score(text) < 0.5])
    strongest = max(sentiment.explain(text), key=lambda pair: abs(pair[1]))[0]
    assert strongest in words(page)


def test_examples_have_their_english_and_both_kinds_of_shades(visit: Callable) -> None:
    page = start(visit)
    for button in page.locator("[data-example]").all():
        text, english = button.locator("span").all_inner_texts()
        button.click()
        wait_for_text(page, text)
        assert page.locator("[data-meaning]").inner_text() == f"“{english}”"
        same(shades(page), text, "occlusion")
    choose_gradient(page, text)
    same(shades(page), text, "gradient")
    # More than the network reads; the gradient shades it first, and then every token is hidden.
    longer = "很好，不" * (LIMIT // 4 + 8)
    page.get_by_label("Your review").fill(longer)
    page.get_by_role("radio", name="Hide each").check()
    wait_for_words(page, f"The text has {len(longer)} tokens")
    same(shades(page), longer, "occlusion")
    page.get_by_text("Every token with its weight").click()
    expect(page.locator("[data-weights] li")).to_have_count(LIMIT)
    listed = page.locator("[data-weights] li").all_inner_texts()
    assert [line.split()[0] for line in listed] == [name for name, _ in shades(page)]
    page.get_by_label("Your review").press("End")
    page.keyboard.insert_text("好")
    expect(page.locator("[data-meaning]")).to_be_empty()


ODD_ANSWERS = {
    "  \n": "Nothing to read yet",
    "https://a.cn": "Nothing in this can be read",
    "Приветствую": "No word of this stood in the Chinese reviews",
    "🦤🛖": "Only emoji",
    "很好" * 300: f"The text has 600 tokens; only its first and its last {LIMIT // 2}",
    "龘很好": "does not know, dotted: 1",
}


def test_odd_texts_get_clear_words_and_pythons_score(visit: Callable) -> None:
    page = start(visit)
    known = sentiment.load_words().vocabulary
    for text, answer in ODD_ANSWERS.items():
        page.get_by_label("Your review").fill(text)
        wait_for_words(page, answer)
        tokens_read = [token for token, _ in sentiment.explain(text)]
        if tokens_read:
            assert share_of_praise(page) == pytest.approx(sentiment.score(text), abs=1e-4)
        else:
            assert page.locator("[data-bars] td").first.inner_text() == "–"
        assert ("no opinion" in words(page)) == (bool(tokens_read) and not shades(page))
        strangers = page.locator("[data-shaded] [data-unknown]")
        assert strangers.count() == sum(token not in known for token in tokens_read)


def test_what_is_composed_is_read_when_it_is_done(visit: Callable) -> None:
    """An input method writes "hao" into the field before it becomes 好."""
    page = start(visit)
    before = page.locator("[data-shaded]").inner_text()
    page.evaluate(
        """() => {
            const field = document.querySelector("[name=review]");
            field.value = "hao";
            field.dispatchEvent(new InputEvent("input", { isComposing: true, bubbles: true }));
        }"""
    )
    page.wait_for_timeout(150)
    assert page.locator("[data-shaded]").inner_text() == before
    page.evaluate(
        """() => {
            const field = document.querySelector("[name=review]");
            field.value = "好";
            field.dispatchEvent(new CompositionEvent("compositionend", { bubbles: true }));
        }"""
    )
    wait_for_text(page, "好")


def test_a_missing_gradient_is_said_and_may_be_tried_again(visit: Callable) -> None:
    opened = visit(SENTIMENT)
    page = opened.page
    page.get_by_role("button", name="Start the demo").focus()
    page.keyboard.press("Enter")
    wait_for_words(page, " with ")
    page.route("**/sentiment_gradient.onnx", lambda route: route.fulfill(status=404))
    gradient = page.get_by_role("radio", name="Gradient")
    gradient.focus()
    page.keyboard.press("Space")
    wait_for_words(page, "HTTP 404")
    assert page.get_by_role("radio", name="Hide each").is_checked()
    text = page.get_by_label("Your review").input_value()
    same(shades(page), text, "occlusion")
    opened.complaints.clear()  # the planted 404
    page.unroute("**/sentiment_gradient.onnx")
    choose_gradient(page, text)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_room_and_axe_finds_nothing_serious(visit: Callable, scheme: str) -> None:
    page = start(visit, width=360, scheme=scheme, has_touch=True, is_mobile=True)
    page.locator("[data-example]").last.click()
    expect(page.get_by_label("Your review")).to_be_in_viewport()
    page.get_by_text("Every token with its weight").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert not page.evaluate(STICKING_OUT)
    for button in page.locator("[data-demo=sentiment] button:visible").all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 38
    assert not serious_problems(page, "[data-demo=sentiment]")
