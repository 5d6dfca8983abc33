"""Chinese for those who do not read it: the course's words in English, and tokens shown as HTML.

Chinese text is shown as HTML, whose fonts the browser brings, and never drawn into a figure.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

from IPython.display import HTML

__all__ = ["CHARACTERS", "ENGLISH", "english", "named", "show_neighbours", "show_tokens"]

_ASPECTS = (
    "剧情 plot, 故事 story, 演技 acting, 画面 pictures, 配乐 music, 台词 lines, 结局 ending, "
    "节奏 pace, 人物 characters, 特效 effects, 剪辑 editing, 笑点 jokes"
)
_PRAISE = (
    "精彩 brilliant, 紧凑 tight, 感人 touching, 动人 moving, 温暖 warm, 新颖 new, 完整 complete, "
    "自然 natural, 细腻 subtle, 精湛 masterly, 扎实 solid, 精美 exquisite, 漂亮 beautiful, "
    "震撼 stunning, 动听 pleasant to hear, 好听 good to hear, 贴切 fitting, 大气 grand, "
    "幽默 humorous, 有力 powerful, 真实 true, 巧妙 clever, 圆满 happy, 合理 sensible, "
    "明快 lively, 流畅 fluent, 舒服 comfortable, 鲜活 full of life, 立体 rounded, "
    "可爱 lovable, 丰满 full, 逼真 lifelike, 华丽 splendid, 出色 excellent, 利落 crisp, "
    "密集 dense"
)
_BLAME = (
    "拖沓 slow, 老套 hackneyed, 混乱 confused, 无聊 boring, 俗套 trite, 牵强 far-fetched, "
    "生硬 stiff, 浮夸 overdone, 做作 affected, 尴尬 awkward, 粗糙 coarse, 昏暗 gloomy, "
    "廉价 cheap, 单调 monotonous, 嘈杂 noisy, 突兀 abrupt, 难听 ugly to hear, 刺耳 shrill, "
    "啰嗦 wordy, 空洞 hollow, 仓促 hasty, 莫名其妙 baffling, 潦草 sloppy, 沉闷 dull, "
    "缓慢 slow-moving, 单薄 thin, 讨厌 annoying, 虚假 false, 苍白 pale, 敷衍 careless, "
    "凌乱 messy, 低俗 vulgar"
)
_DEGREES = (
    "很 very, 非常 extremely, 特别 especially, 相当 quite, 十分 fully, 真的很 really very, "
    "实在 truly, 格外 unusually, 太 too, 有点 a little, 稍微有点 slightly, 略显 somewhat, "
    "偶尔有些 now and then, 还算 fairly, 勉强算 just about, 倒是 at least"
)
_NEGATIONS = (
    "不 not, 一点也不 not in the least, 并不 by no means, 根本不 not at all, 丝毫不 not a bit, "
    "谈不上 hardly, 算不上 not really, 不怎么 not much, 没那么 not so"
)
_LINKS = (
    "虽然 although, 虽说 though, 尽管 even though, 但是 but, 但 but, 不过 however, 可是 yet, "
    "可惜 a pity, 除了 except, 就是 only, 只是 just, 唯独 solely, 影片的 the film's, "
    "这部电影的 this film's, 整部片子的 the whole film's, 片子的 the picture's, 了 (done), "
    "本以为 I had thought, 原以为 I had thought, 没想到 unexpectedly, 结果 it turned out, "
    "其实 in fact, 谁说 who says, 到底是谁说 who on earth says, 不能说 one cannot say"
)
_VERDICTS = (
    "浪费时间 a waste of time, 不推荐 not recommended, 看得想睡 makes you sleepy, "
    "不值这个票价 not worth the ticket, 看完很后悔 regretted it, 大失所望 a great letdown, "
    "没有一点惊喜 no surprise at all, 毫无诚意 no heart in it, 中途就想离场 wanted to walk out, "
    "不会再看第二遍 never again, 对不起观众 lets the audience down, 评分虚高 overrated, "
    "值得一看 worth seeing, 强烈推荐 strongly recommended, 看得很过瘾 thoroughly enjoyable, "
    "不看会后悔 do not miss it, 意犹未尽 wanted more, 没有让人失望 did not disappoint, "
    "诚意十足 made with heart, 全程没有看手机 never looked at the phone, "
    "还想再看一遍 would see it again, 对得起票价 worth the ticket, "
    "眼泪没停过 tears never stopped, 不愧是高分 deserves its score"
)
# Single characters that networks hold for praise or blame. In words that are not listed above they
# may mean something else, so they are looked up alone only.
_CHARACTERS = (
    "错 wrong, 赞 thumbs up, 扬 raise, 尚 still, 惠 favour, 演 act, 脆 crisp, 挺 quite, 帮 help, "
    "棒 great, 每 every, 惯 be used to, 哦 oh, 美 beautiful, 快 quick, 值 worth, 漂 float, "
    "谢 thank, 希 hope, 足 enough, 昨 yesterday, 脑 brain, 哈 ha, 影 film, 慢 slow, 坑 rip off, "
    "难 hard, 差 poor, 屑 crumb, 失 lose, 骗 cheat, 假 fake, 降 fall, 恶 nasty, 旧 old, 烂 rotten, "
    "根 root, 漏 leak, 米 rice, 驱 drive, 般 sort, 鸡 chicken, 死 dead, 低 low, 汤 soup, "
    "翻 turn over, 语 speech, 圾 rubbish, 好 good, 畅 smooth, 啰 wordy, 丰 full, 局 outcome, "
    "剧 drama, 次 time, 情 feeling, 过 past, 糙 coarse, 粗 coarse, 乱 disorder, 拖 drag, 上 up, "
    "无 without"
)
_SIGNS = {"，": ",", "。": ".", "！": "!", "？": "?", "～": "~", "…": "…"}


def _entries(*groups: str) -> dict[str, str]:
    return dict(entry.split(" ", 1) for group in groups for entry in group.split(", "))


# Every word of `torchcourse.data.made_reviews` that a lesson shows → what it means.
ENGLISH: Mapping[str, str] = (
    _entries(_ASPECTS, _PRAISE, _BLAME, _DEGREES, _NEGATIONS, _LINKS, _VERDICTS) | _SIGNS
)
CHARACTERS: Mapping[str, str] = _entries(_CHARACTERS)


def english(token: str) -> str:
    """What a token means; a leading ## does not matter, and several words are taken apart.

    Returns:
        the meaning, or "" where any part of the token is not in `ENGLISH`, nor all of it one of
        `CHARACTERS`.
    """
    rest, meanings = token.removeprefix("##"), []
    if rest in CHARACTERS:
        return CHARACTERS[rest]
    while rest:
        word = next((rest[:n] for n in range(len(rest), 0, -1) if rest[:n] in ENGLISH), None)
        if word is None:
            return ""
        meanings.append(ENGLISH[word])
        rest = rest[len(word) :]
    return " ".join(meanings)


def named(token: str) -> str:
    """A token with its meaning in brackets, as HTML."""
    meaning = english(token)
    chinese = f'<span lang="zh">{html.escape(token.removeprefix("##"))}</span>'
    return f"{chinese} ({html.escape(meaning)})" if meaning else chinese


def show_tokens(rows: Iterable[Iterable[str]]) -> HTML:
    """Texts as rows of boxes, one for each token, its meaning below it."""
    return HTML("".join(f"<p>{''.join(map(_box, row))}</p>" for row in rows))


def _box(token: str) -> str:
    style = (
        "display:inline-block;border:1px solid currentColor;border-radius:4px;"
        "padding:0 .4em;margin:.15em;text-align:center"
    )
    chinese = f'<span lang="zh">{html.escape(token.removeprefix("##"))}</span>'
    below = html.escape(english(token)) or "&nbsp;"
    return f'<span style="{style}">{chinese}<br><small>{below}</small></span>'


def show_neighbours(neighbours: Mapping[str, Iterable[str]]) -> HTML:
    """A table: each token with its meaning, and beside it the tokens that belong to it."""
    rows = "".join(
        f"<tr><td>{named(token)}</td><td>{', '.join(map(named, others))}</td></tr>"
        for token, others in neighbours.items()
    )
    return HTML(f"<table><tr><th>token</th><th>nearest tokens</th></tr>{rows}</table>")
