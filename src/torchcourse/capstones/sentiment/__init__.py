"""Capstone 3, praise or blame: a small Transformer that reads Chinese reviews.

>>> from torchcourse.capstones import sentiment
>>> sentiment.score("虽然画面漂亮，但是剧情很无聊")  # doctest: +SKIP
0.04
>>> sentiment.explain("不好看")  # doctest: +SKIP
[('不', -1.9), ('好', 0.2), ('看', -0.1)]
"""

from .inference import explain, score, scores
from .model import CLASSES, Config, TransformerClassifier, load_model, load_words

__all__ = [
    "CLASSES",
    "Config",
    "TransformerClassifier",
    "explain",
    "load_model",
    "load_words",
    "score",
    "scores",
]
