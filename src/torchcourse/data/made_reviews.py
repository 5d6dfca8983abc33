"""Chinese film reviews from a small grammar: no licence, no download, always the same.

A review says what somebody thinks of a film. What makes it harder than counting good and bad
words is built in on purpose:

- negation: 剧情一点也不拖沓 praises with a bad word, 演技谈不上自然 blames with a good one;
- contrast: of 虽然甲，但是乙 the second half decides, and so it does after 不过, 可惜, 没想到;
- intensity: a fault that is only 稍微 or 有点 there does not turn praise into blame;
- mixed opinions, where most of what is said decides.

What it lacks, real reviews have: irony, allusions, slips of the pen, other topics than films.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["NEGATIVE", "POSITIVE", "Review", "make", "write"]

NEGATIVE, POSITIVE = 0, 1


class Review(NamedTuple):
    """A review.

    Attributes:
        text: simplified Chinese, about 10 to 60 characters.
        label: 1 for praise, 0 for blame.
    """

    text: str
    label: int


# What can be good or bad about a film: words of praise, words of blame. All of them take 很 and 不.
ASPECTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "剧情": (("精彩", "紧凑", "感人", "动人"), ("拖沓", "老套", "混乱", "无聊")),
    "故事": (("温暖", "动人", "新颖", "完整"), ("俗套", "牵强", "无聊", "老套")),
    "演技": (("自然", "细腻", "精湛", "扎实"), ("生硬", "浮夸", "做作", "尴尬")),
    "画面": (("精美", "漂亮", "震撼", "细腻"), ("粗糙", "昏暗", "廉价", "单调")),
    "配乐": (("动听", "好听", "贴切", "大气"), ("嘈杂", "突兀", "难听", "刺耳")),
    "台词": (("幽默", "有力", "真实", "巧妙"), ("尴尬", "啰嗦", "空洞", "做作")),
    "结局": (("感人", "圆满", "巧妙", "合理"), ("仓促", "牵强", "莫名其妙", "潦草")),
    "节奏": (("明快", "流畅", "紧凑", "舒服"), ("拖沓", "混乱", "沉闷", "缓慢")),
    "人物": (("鲜活", "立体", "可爱", "丰满"), ("单薄", "讨厌", "虚假", "苍白")),
    "特效": (("逼真", "震撼", "华丽", "出色"), ("廉价", "粗糙", "虚假", "敷衍")),
    "剪辑": (("流畅", "利落", "出色", "巧妙"), ("凌乱", "生硬", "粗糙", "混乱")),
    "笑点": (("密集", "巧妙", "新颖", "自然"), ("尴尬", "老套", "低俗", "生硬")),
}
BEFORE = ("", "", "", "影片的", "这部电影的", "整部片子的", "片子的")
STRONG = ("很", "非常", "特别", "相当", "十分", "真的很", "实在", "格外")
WEAK = ("有点", "稍微有点", "略显", "偶尔有些")
NOT = ("不", "一点也不", "并不", "根本不", "丝毫不", "谈不上", "算不上", "不怎么", "没那么")
OPENINGS = (
    "周末和朋友一起看的，",
    "昨天刚看完，",
    "陪家人去看的，",
    "在家看的，",
    "冲着导演去的，",
    "看了点映，",
    "没看过原著，",
    "第二次看了，",
    "两个小时，",
    "朋友推荐的，",
    "提前看了预告，",
    "深夜看完，",
)
VERDICTS: tuple[tuple[str, ...], tuple[str, ...]] = (
    (  # blame
        "浪费时间",
        "不推荐",
        "看得想睡",
        "不值这个票价",
        "看完很后悔",
        "大失所望",
        "没有一点惊喜",
        "毫无诚意",
        "中途就想离场",
        "不会再看第二遍",
        "对不起观众",
        "评分虚高",
    ),
    (  # praise
        "值得一看",
        "强烈推荐",
        "看得很过瘾",
        "不看会后悔",
        "意犹未尽",
        "没有让人失望",
        "诚意十足",
        "全程没有看手机",
        "还想再看一遍",
        "对得起票价",
        "眼泪没停过",
        "不愧是高分",
    ),
)
THE_REST = (
    ("其他都很差", "别的一无是处", "其余没法看"),  # blame
    ("其他都很好", "别的都很满意", "其余无可挑剔"),  # praise
)
ENDS = ("。", "。", "。", "！", "！", "～", "…", "")


class _Writer:
    """Draws words; every review uses an aspect only once."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        self.aspects = list(random.permutation(list(ASPECTS)))

    def one(self, words: tuple) -> str:
        return words[self.random.integers(len(words))]

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def clause(self, label: int, plain: bool = False) -> str:
        """A statement about one aspect that praises or blames it.

        Args:
            label: 1 praises, 0 blames.
            plain: without negation, and without "the film's" in front.
        """
        aspect = self.aspects.pop()
        praise, blame = ASPECTS[aspect]
        negated = not plain and self.chance(0.4)
        word = self.one(praise if (label == POSITIVE) != negated else blame)
        before = "" if plain else self.one(BEFORE)
        if negated:
            return f"{before}{aspect}{self.one(NOT)}{word}"
        if self.chance(0.25):
            return f"{before}{aspect}太{word}了"
        return f"{before}{aspect}{self.one(STRONG)}{word}"

    def weak(self, label: int) -> str:
        """A small fault, or a small merit: not enough to turn the whole."""
        aspect = self.aspects.pop()
        praise, blame = ASPECTS[aspect]
        if label == NEGATIVE:
            return f"{aspect}{self.one(WEAK)}{self.one(blame)}"
        return f"{aspect}{self.one(('还算', '勉强算', '倒是'))}{self.one(praise)}"

    def several(self, label: int, count: int) -> str:
        return "，".join(self.clause(label) for _ in range(count))

    def verdict(self, label: int) -> str:
        return self.one(VERDICTS[label])

    def opening(self) -> str:
        return self.one(OPENINGS) if self.chance(0.35) else ""


# ---- the shapes of a review; each must mean `label` ----------------------------------------------


def _all_agree(w: _Writer, label: int) -> str:
    return w.several(label, int(w.random.integers(1, 4)))


def _with_verdict(w: _Writer, label: int) -> str:
    return f"{w.several(label, int(w.random.integers(1, 3)))}，{w.verdict(label)}"


def _although(w: _Writer, label: int) -> str:
    first, second = w.one((("虽然", "但是"), ("虽然", "但"), ("尽管", "不过"), ("虽说", "可是")))
    return f"{first}{w.clause(1 - label)}，{second}{w.clause(label)}"


def _turns(w: _Writer, label: int) -> str:
    turn = w.one(("不过", "但是", "但", "可是") if label == POSITIVE else ("可惜", "但是", "可是"))
    end = w.verdict(label) if w.chance(0.4) else w.clause(label)
    return f"{w.several(1 - label, int(w.random.integers(1, 3)))}，{turn}{end}"


def _expected_otherwise(w: _Writer, label: int) -> str:
    first, second = w.one((("本以为", "没想到"), ("原以为", "结果"), ("开场前担心", "其实")))
    if label == NEGATIVE and first == "开场前担心":
        first, second = "预告片里", "正片"
    return f"{first}{w.clause(1 - label, plain=True)}，{second}{w.clause(label, plain=True)}"


def _except_one(w: _Writer, label: int) -> str:
    aspect = w.aspects.pop()
    word = w.one(ASPECTS[aspect][0 if label == NEGATIVE else 1])
    return f"除了{aspect}{word}，{w.one(THE_REST[label])}"


def _small_exception(w: _Writer, label: int) -> str:
    turn = w.one(("就是", "只是", "唯独"))
    return f"{w.several(label, 2)}，{turn}{w.weak(1 - label)}"


def _small_exception_first(w: _Writer, label: int) -> str:
    return f"{w.weak(1 - label)}，{w.several(label, 2)}"


def _question(w: _Writer, label: int) -> str:
    """A question that means its opposite: 谁说剧情老套？"""
    doubt = w.one(("谁说", "怎么会有人觉得", "到底是谁说"))
    return f"{doubt}{w.clause(1 - label, plain=True)}？{w.clause(label)}"


def _twice_negated(w: _Writer, label: int) -> str:
    aspect = w.aspects.pop()
    word = w.one(ASPECTS[aspect][0 if label == POSITIVE else 1])
    return f"不能说{aspect}不{word}，{w.clause(label)}"


SHAPES: tuple[tuple[float, Callable[[_Writer, int], str]], ...] = (
    (0.20, _all_agree),
    (0.18, _with_verdict),
    (0.14, _although),
    (0.13, _turns),
    (0.08, _expected_otherwise),
    (0.06, _except_one),
    (0.08, _small_exception),
    (0.05, _small_exception_first),
    (0.04, _question),
    (0.04, _twice_negated),
)


def write(label: int, seed: int) -> str:
    """One review.

    Args:
        label: 1 for praise, 0 for blame.
        seed: of every choice in it, at least 0; the same arguments give the same text.

    Raises:
        ValueError: another label.
    """
    if label not in (NEGATIVE, POSITIVE):
        raise ValueError(f"label is 0 (blame) or 1 (praise), not {label!r}.")
    random = np.random.default_rng([seed, label])
    writer = _Writer(random)
    shares, shapes = zip(*SHAPES, strict=True)
    shape = shapes[random.choice(len(shapes), p=shares)]
    return f"{writer.opening()}{shape(writer, label)}{writer.one(ENDS)}"


def make(count: int = 8_000, first_seed: int = 0) -> list[Review]:
    """Many reviews, no text twice, praise and blame in turn.

    Args:
        count: how many, at least 1.
        first_seed: where the seeds begin. A text that was drawn before is drawn anew with the
            next seed, so only *one* call gives reviews that all differ.

    Raises:
        ValueError: a count below 1.
    """
    if count < 1:
        raise ValueError(f"count is at least 1, not {count}.")
    found: dict[str, Review] = {}
    seed = first_seed
    while len(found) < count:
        label = len(found) % 2
        text = write(label, seed)
        found.setdefault(text, Review(text, label))
        seed += 1
    return list(found.values())
