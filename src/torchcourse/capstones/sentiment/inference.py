"""From any text to a score, and to what each token contributed to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from torchcourse.data.reviews import clean
from torchcourse.train.mode import in_eval_mode

from .model import TransformerClassifier, load_model, load_words, pad
from .tokens import MASK, UNK, WordPiece
from .training import predict

__all__ = ["METHODS", "explain", "margin", "score", "scores"]

UNDECIDED = 0.5  # the score of a text that says nothing the network could know


def score(
    text: str, model: TransformerClassifier | None = None, words: WordPiece | None = None
) -> float:
    """The probability that a review praises, from 0 to 1.

    Args:
        text: a Chinese review. It is cleaned like those of the training. Of one that is
            longer than the network's `max_tokens` (256), the first and the last half of so many
            tokens are read. A text without a single known token (empty, blank, in an unknown
            script, of emoji that no review had) scores 0.5.
        model: another network than the recorded one.
        words: its tokenizer.

    Raises:
        TypeError: it is no string.

    >>> round(score("剧情很精彩，强烈推荐"), 2)  # doctest: +SKIP
    0.9
    """
    return scores([text], model, words)[0]


def scores(
    texts: Iterable[str],
    model: TransformerClassifier | None = None,
    words: WordPiece | None = None,
) -> list[float]:
    """`score` of many texts at once, much faster than one by one."""
    model, words = _recorded(model, words)
    rows = words.encode([_checked(text) for text in texts], model.config.max_tokens)
    praise = predict(model, rows).softmax(1)[:, 1].tolist() if rows else []
    return [
        one if any(token != UNK for token in row) else UNDECIDED
        for one, row in zip(praise, rows, strict=True)
    ]


def explain(
    text: str,
    method: str = "occlusion",
    model: TransformerClassifier | None = None,
    words: WordPiece | None = None,
) -> list[tuple[str, float]]:
    """What each token speaks for: above 0 for praise, below 0 for blame.

    Args:
        text: as for `score`.
        method: "occlusion" hides one token after the other behind [MASK] and takes the change of
            the difference of the logits; "gradient" multiplies that difference's gradient by the
            token's vector; "attention" is how much all others look at it in the last layer, never
            below 0. The lesson "What it looks at" measures which to trust.
        model: another network than the recorded one.
        words: its tokenizer.

    Returns:
        (token, weight) in the order of the text; [] for a text without tokens. Tokens stand as the
        text has them, cleaned.

    Raises:
        TypeError: it is no string.
        ValueError: another method.
    """
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}, not {method!r}")
    model, words = _recorded(model, words)
    cleaned = _checked(text)
    pieces = words.pieces(cleaned, model.config.max_tokens)
    if not pieces:
        return []
    row = words.encode([cleaned], model.config.max_tokens)[0]
    with in_eval_mode(model):
        weights = METHODS[method](model, row)
    shown = (cleaned[piece.start : piece.end] for piece in pieces)
    return list(zip(shown, weights.tolist(), strict=True))


def margin(logits: Tensor) -> Tensor:
    """Praise minus blame: (N, 2) logits to (N,). Its sigmoid is the probability of praise."""
    return logits[:, 1] - logits[:, 0]


def occlusion(model: TransformerClassifier, row: list[int]) -> Tensor:
    """(T,) how much the margin falls when each token is hidden."""
    hidden = [[*row[:place], MASK, *row[place + 1 :]] for place in range(len(row))]
    found = margin(predict(model, [row, *hidden]))
    return found[0] - found[1:]


def gradient_times_input(model: TransformerClassifier, row: list[int]) -> Tensor:
    """(T,) gradient of the margin by each token's vector, times that vector."""
    device = next(model.parameters()).device
    tokens = pad([row], device)  # (1, T)
    with torch.enable_grad():
        x = model.embed(tokens).detach().requires_grad_()  # (1, T, D)
        total = margin(model.classify(x, model.real(tokens))).sum()
        (gradient,) = torch.autograd.grad(total, x)
    return (gradient * x).sum(2)[0].detach().cpu()  # (1, T, D) → (1, T) → (T,)


@torch.no_grad()
def received_attention(model: TransformerClassifier, row: list[int]) -> Tensor:
    """(T,) mean weight that all tokens and heads give to each token in the last layer."""
    last = model.attention(pad([row], next(model.parameters()).device))[-1]  # (1, H, T, T)
    return last.mean((0, 1, 2)).cpu()


METHODS: dict[str, Callable[[TransformerClassifier, list[int]], Tensor]] = {
    "occlusion": occlusion,
    "gradient": gradient_times_input,
    "attention": received_attention,
}


def _recorded(
    model: TransformerClassifier | None, words: WordPiece | None
) -> tuple[TransformerClassifier, WordPiece]:
    if (model is None) != (words is None):
        raise ValueError("a network and its tokenizer belong together; give both or neither")
    if model is None or words is None:
        return load_model(), load_words()
    return model, words


def _checked(text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"text is a string, not {type(text).__name__}")
    return clean(text)
