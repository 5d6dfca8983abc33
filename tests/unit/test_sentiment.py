"""Capstone 3: tokens, the network, its training, and what it answers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from torchcourse.capstones.sentiment import (
    data,
    faithful,
    inference,
    measure,
    show,
    tokens,
    training,
)
from torchcourse.capstones.sentiment import model as model_module
from torchcourse.capstones.sentiment.model import (
    Config,
    EncoderLayer,
    TransformerClassifier,
    pad,
    read_model,
    save_model,
)
from torchcourse.data import made_reviews
from torchcourse.data.reviews import Reviews

TINY = Config(
    vocabulary=60, width=16, heads=2, layers=2, hidden=24, max_tokens=12, buckets=31, pair_width=4
)


@pytest.fixture(scope="module")
def reviews():
    texts, labels = zip(*made_reviews.make(300), strict=True)
    return Reviews(list(texts), torch.tensor(labels), ["films"] * 300, "generated")


@pytest.fixture(scope="module")
def words(reviews):
    return tokens.build(reviews.texts, tokens.learn(reviews.texts))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TransformerClassifier(TINY).eval()


# ---- tokens ------------------------------------------------------------------------------------


def test_tokens_cover_their_places(words):
    text = "剧情 很精彩, abc!"
    found = words.pieces(text)
    assert [piece.token for piece in found[:5]] == ["剧", "情", "很", "精", "彩"]
    for piece in found:
        assert piece.token in (text[piece.start : piece.end], "[UNK]")
    assert words.encode([text])[0] == [words.vocabulary.index(piece.token) for piece in found]


def test_of_a_long_text_beginning_and_end_are_kept(words):
    text = "好" * 30 + "差" * 30
    whole, cut = words.encode([text])[0], words.encode([text], 11)[0]
    assert len(whole) == 60 and cut == whole[:6] + whole[-5:]
    places = [piece.start for piece in words.pieces(text, 11)]
    assert places == [*range(6), *range(55, 60)]
    assert words.encode(["", " "]) == [[], []]


def test_a_vocabulary_comes_from_its_texts_and_knows_emoji(tmp_path):
    texts = ["好看😂😂", "好吃 Phone", "不好😂"]
    found = tokens.build(texts, [*tokens.SPECIAL, "好", "看", "phone", "##s", "宋"], min_count=1)
    assert {"好", "看", "😂", "##😂", "phone", "不"} <= set(found.vocabulary)
    assert "宋" not in found.vocabulary and "##s" not in found.vocabulary
    assert tokens.UNK not in [number for row in found.encode(texts) for number in row]
    rare = tokens.build(texts, found.vocabulary, min_count=3)
    assert set(rare.vocabulary) == {*tokens.SPECIAL, "好"}
    found.save(tmp_path / "vocab.txt")
    assert tokens.WordPiece.load(tmp_path / "vocab.txt").vocabulary == found.vocabulary
    with pytest.raises(ValueError, match="begins with"):
        tokens.WordPiece(["好"])
    with pytest.raises(ValueError, match="at least one text"):
        tokens.build([], found.vocabulary)


# ---- the network -------------------------------------------------------------------------------


def test_padding_changes_nothing(model):
    rows = [[3, 4, 5], [7, 3, 9, 4, 5, 6], [8]]
    alone = torch.cat([model(pad([row])) for row in rows])
    together = model(torch.nn.functional.pad(pad(rows), (0, 5)))
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    assert torch.isfinite(model(pad([[], [3]]))).all()


def test_order_and_neighbours_matter(model):
    logits = model(torch.tensor([[3, 4, 5], [5, 4, 3]]))
    assert not torch.allclose(logits[0], logits[1])


def test_a_layer_is_pytorchs_encoder_layer():
    torch.manual_seed(1)
    ours = EncoderLayer(TINY).eval()
    theirs = nn.TransformerEncoderLayer(
        16, 2, 24, activation="gelu", batch_first=True, norm_first=True
    ).eval()
    names = {"projections": "self_attn.in_proj_", "out": "self_attn.out_proj."}
    state = {}
    for name, tensor in ours.state_dict().items():
        part, kind = name.rsplit(".", 1)
        state[names.get(part, f"{part}.") + kind] = tensor
    theirs.load_state_dict(state)
    x, real = torch.randn(3, 7, 16), torch.ones(3, 7, dtype=torch.bool)
    real[0, 4:] = False
    expected = theirs(x, src_key_padding_mask=~real)
    torch.testing.assert_close(ours(x, real)[real], expected[real], rtol=1e-4, atol=1e-5)


def test_attention_adds_up_to_one_and_skips_padding(model):
    batch = pad([[3, 4, 5, 6], [7, 8]])
    for weights in model.attention(batch):
        assert weights.shape == (2, 2, 4, 4)
        torch.testing.assert_close(weights.sum(3), torch.ones(2, 2, 4))
        assert (weights[1, :, :, 2:] == 0).all()


def test_wrong_shapes_are_refused(model):
    with pytest.raises(ValueError, match="T ≤ 12"):
        model(torch.ones(1, 13, dtype=torch.long))
    with pytest.raises(ValueError, match=r"\(B, T\)"):
        model(torch.ones(3, dtype=torch.long))


def test_a_saved_network_answers_the_same(model, tmp_path):
    save_model(model, tmp_path / "model.safetensors")
    again = read_model(tmp_path / "model.safetensors")
    assert again.config == TINY and not again.training
    batch = pad([[3, 4, 5]])
    torch.testing.assert_close(again(batch), model(batch), rtol=1e-2, atol=1e-2)


# ---- data and measures ---------------------------------------------------------------------------


def test_no_text_stands_in_two_parts(reviews):
    doubled = Reviews(
        reviews.texts + [f"{text} !" for text in reviews.texts],
        reviews.labels.repeat(2),
        reviews.domains * 2,
        "",
    )
    parts = data.prepare(doubled)
    texts = [set(part.texts) for part in parts]
    assert sum(map(len, texts)) == len(set.union(*texts)) == 300
    assert len(parts.train.texts) > 200 and len(parts.test.texts) > 10
    fewer = data.split(reviews.take(range(0, 300, 2)))
    assert set(fewer.test.texts) <= set(data.split(reviews).test.texts)


def test_batches_hold_each_text_once_and_little_padding():
    lengths = torch.randint(1, 60, (500,), generator=torch.Generator().manual_seed(0)).tolist()
    batches = data.batches_by_length(lengths, 256, torch.Generator().manual_seed(1))
    assert sorted(place for batch in batches for place in batch) == list(range(500))
    padded = [len(batch) * max(lengths[i] for i in batch) for batch in batches]
    assert max(padded) <= 256
    assert sum(padded) < 1.25 * sum(lengths)
    again = data.batches_by_length(lengths, 256, torch.Generator().manual_seed(1))
    other = data.batches_by_length(lengths, 256, torch.Generator().manual_seed(2))
    assert batches == again != other
    assert data.batches_by_length([300], 256) == [[0]]


def test_macro_f1_sees_what_accuracy_hides():
    labels = torch.tensor([1] * 9 + [0])
    always = measure.scores(torch.ones(10, dtype=torch.long), labels)
    assert always["share"] == 0.9 and always["macro_f1"] == pytest.approx(0.4737, abs=1e-4)
    assert measure.macro_f1(labels, labels) == 1
    tables = measure.by_domain(labels, labels, ["a"] * 4 + ["b"] * 6)
    assert list(tables) == ["b", "a"] and tables["a"]["count"] == 4


def test_mcnemar_counts_only_where_the_two_differ():
    labels = torch.ones(100, dtype=torch.long)
    good, bad = labels.clone(), labels.clone()
    bad[:30] = 0
    good[30:40] = 0
    found = measure.mcnemar(good, bad, labels)
    assert found["first_only"] == 30 and found["second_only"] == 10
    assert found["p"] == pytest.approx(math.erfc(19 / 40**0.5 / 2**0.5), abs=1e-5)
    assert measure.mcnemar(good, good, labels)["p"] == 1


# ---- training ------------------------------------------------------------------------------------


def test_the_rate_rises_and_falls():
    recipe = training.Recipe(warm_up=0.1)
    rates = [training.learning_rate(step, 100, recipe) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == rates[9] == 1
    assert rates[9:] == sorted(rates[9:], reverse=True) and rates[-1] < 0.01


def test_hiding_spares_padding():
    batch = pad([[5] * 400, [6] * 200])
    hidden = training.hide(batch, 0.3, torch.Generator().manual_seed(0))
    assert ((hidden == tokens.PAD) == (batch == tokens.PAD)).all()
    assert 120 < (hidden == tokens.MASK).sum() < 240
    assert (batch != tokens.MASK).all()


def test_tokens_do_not_decay_and_pairs_do(model):
    recipe = training.Recipe()
    groups = training.make_optimizer(model, recipe).param_groups
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert len(decay) == len(list(model.parameters()))
    assert decay[id(model.token.weight)] == decay[id(model.position.weight)] == 0
    assert decay[id(model.pair.weight)] == decay[id(model.triple.weight)] == recipe.pair_decay
    assert decay[id(model.head.weight)] == recipe.weight_decay and decay[id(model.head.bias)] == 0


def test_pairs_say_nothing_at_first_and_fall_silent_in_training():
    row = torch.arange(3, 23)[None]  # (1, T)
    config = Config(40, 8, 2, 1, 8, 24, 31, 4)
    assert (TransformerClassifier(config).neighbours(row) == 0).all()
    model = TransformerClassifier(replace(config, pair_std=1.0, pair_dropout=0.5))
    heard = model.eval().neighbours(row).view(20, 2, 4)
    drawn = model.train().neighbours(row).view(20, 2, 4)
    silent = (drawn == 0).all(2)
    assert 5 < silent.sum() < 35
    assert torch.allclose(drawn[~silent], 2 * heard[~silent])


def test_an_interrupted_run_ends_with_the_same_weights(words, reviews, tmp_path):
    config = Config(len(words), 8, 2, 1, 8, 24, 31, 4)
    few = data.encode(words, reviews.take(range(40)), 24)
    recipe = training.Recipe(epochs=3, batch_tokens=256)
    whole, history = training.train(few, config, recipe, seed=3)
    keep, calls = tmp_path / "run.checkpoint", []

    def die(_):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        training.train(few, config, recipe, seed=3, evaluate=die, keep=keep)
    resumed, rows = training.train(few, config, recipe, seed=3, evaluate=die, keep=keep)
    assert [row["loss"] for row in rows] == [row["loss"] for row in history]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_a_few_reviews_are_learnt_by_heart(words, reviews):
    config = Config(len(words), 32, 2, 1, 32, 40, 101, 8, dropout=0.0)
    few = data.encode(words, reviews.take(range(32)), 40)
    recipe = training.Recipe(
        epochs=40, batch_tokens=512, max_lr=5e-3, word_dropout=0, label_smoothing=0
    )
    model, history = training.train(few, config, recipe, seed=0)
    assert history[-1]["loss"] < 0.1 < history[0]["loss"]
    assert (training.predict(model, few.rows).argmax(1) == few.labels).all()
    with pytest.raises(ValueError, match="no review"):
        training.train(data.Encoded([], torch.zeros(0)), config, recipe, seed=0)


def test_gaps_are_learnt_without_labels(words, reviews):
    config = Config(len(words), 32, 2, 1, 32, 40, 101, 8, dropout=0.0)
    blind = data.encode(words, reviews.take(range(64)), 40)._replace(labels=torch.full((64,), -1))
    recipe = training.Recipe(epochs=24, batch_tokens=512, max_lr=1e-2)
    _, history = training.train(blind, config, recipe, seed=0, objective="gaps")
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    with pytest.raises(ValueError, match="labels, gaps"):
        training.train(blind, config, recipe, seed=0, objective="words")


def test_a_run_starts_from_the_weights_it_is_given(words, reviews):
    config = Config(len(words), 8, 2, 1, 8, 24, 31, 4)
    few = data.encode(words, reviews.take(range(20)), 24)
    recipe = training.Recipe(epochs=1, batch_tokens=256, max_lr=0.0)
    torch.manual_seed(7)
    given = TransformerClassifier(config).state_dict()
    model, _ = training.train(few, config, recipe, seed=3, start=given)
    assert all(torch.equal(tensor, given[name]) for name, tensor in model.state_dict().items())


# ---- answers -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reader(words):
    torch.manual_seed(0)
    config = Config(len(words), 16, 2, 1, 16, 24, 31, 4)
    return {"model": TransformerClassifier(config), "words": words}


def test_odd_texts_are_undecided(reader):
    for text in ("", " \n", "\u200b", "Привет", "🦑🦑"):
        assert inference.score(text, **reader) == inference.UNDECIDED
    assert inference.explain("", **reader) == []
    assert 0 < inference.score("很好看" * 100, **reader) < 1
    for text in (None, 3, b"x"):
        with pytest.raises(TypeError, match="string"):
            inference.score(text, **reader)
    with pytest.raises(ValueError, match="both or neither"):
        inference.score("好", model=reader["model"])


def test_without_a_record_the_message_says_how_to_make_one(monkeypatch, tmp_path):
    monkeypatch.setattr(model_module, "WEIGHTS", tmp_path)
    for load in (model_module.load_model, model_module.load_words):
        with pytest.raises(FileNotFoundError, match=r"sentiment\.record"):
            load.__wrapped__()


def test_many_scores_are_those_of_each(reader):
    texts = ["剧情很精彩", "", "无聊", "剧情很精彩，虽然演技生硬，但是还值得一看"]
    single = [inference.score(text, **reader) for text in texts]
    assert inference.scores(texts, **reader) == pytest.approx(single, abs=1e-5)
    assert inference.scores([], **reader) == []
    assert reader["model"].training  # left as it was


@pytest.mark.parametrize("method", inference.METHODS)
def test_an_explanation_has_a_weight_for_each_token(reader, method):
    found = inference.explain("剧情 很好!", method, **reader)
    assert "".join(token for token, _ in found) == "剧情很好!"
    assert any(weight for _, weight in found)
    if method == "attention":
        assert sum(weight for _, weight in found) == pytest.approx(1, abs=1e-5)


def test_occlusion_is_the_change_of_the_margin(reader):
    model, row = reader["model"].eval(), [5, 6, 7]
    weights = inference.occlusion(model, row)
    whole = inference.margin(model(pad([row])))
    hidden = inference.margin(model(pad([[5, tokens.MASK, 7]])))
    torch.testing.assert_close(weights[1], (whole - hidden)[0], rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="occlusion, gradient, attention"):
        inference.explain("好", "guess", **reader)


# ---- explanations ----------------------------------------------------------------------------


class Counter(TransformerClassifier):
    """A network whose answer is known: token 5 praises twice as much as token 6 blames."""

    def forward(self, batch):
        margins = 2.0 * (batch == 5).sum(1) - (batch == 6).sum(1)
        return torch.stack([-margins / 2, margins / 2], dim=1)


def test_the_faithful_explanation_falls_fastest():
    known, rows = Counter(TINY), [[5, 7, 8, 9], [7, 6, 8, 9, 9]]
    curve = faithful.deletion_curve(known, rows, "occlusion", most=2)
    assert curve.tolist() == [1.5, 0, 0]  # the first token hidden is the one that counts
    chance = faithful.deletion_curve(known, rows * 20, "random", most=2)
    assert chance[0] == 1.5 and 0.2 < chance[2] < 1.3
    for wrong in ((rows, "guess"), ([[]], "occlusion"), ([], "random")):
        with pytest.raises(ValueError):
            faithful.deletion_curve(known, *wrong)


def test_keywords_are_those_that_count():
    letters = tokens.WordPiece([*tokens.SPECIAL, "三", "四", "好", "差", "七"])
    found = faithful.keywords(Counter(TINY), letters, [[5, 7], [6, 7], []] * 5)
    assert found == {"praise": [("好", 2.0)], "blame": [("差", 1.0)]}
    assert faithful.keywords(Counter(TINY), letters, [[5]], at_least=2)["praise"] == []


def test_shaded_text_says_more_than_colours():
    page = show.shaded([("<好>", 2.0), ("不", -1.5), ("的", 0.01)], "a & b").data
    assert "&lt;好&gt;" in page and "a &amp; b" in page and 'lang="zh"' in page
    assert page.count("underline") == 1 and page.count("overline") == 1 and "-1.50" in page
    assert show.shaded([]).data and show.shaded([("好", 0.0)]).data
    assert "精彩" in show.cloud({"praise": [("精彩", 2.0)], "blame": []}).data
