"""Capstone 3, praise or blame: a small Transformer that reads Chinese reviews.

>>> from torchcourse.capstones import sentiment
>>> round(sentiment.score("虽然便宜，但是质量太差"), 2)  # doctest: +SKIP
0.07
>>> [(token, round(weight, 1)) for token, weight in sentiment.explain("服务很差")]  # doctest: +SKIP
[('服', -0.1), ('务', 0.0), ('很', 0.0), ('差', -5.7)]
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
