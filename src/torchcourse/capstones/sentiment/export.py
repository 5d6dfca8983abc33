"""The review reader for the live demo: token numbers to logits, and to each token's weight.

The page splits the text itself (``book/_static/demos/sentiment_tokens.mjs``) and hides one token
after the other for `occlusion`: a batch of T + 1 rows through one and the same graph. The weights
of `gradient_times_input` are a second graph, which holds the backward pass as well; the page
fetches it when they are asked for, or when a text is too long to be hidden piece by piece at once.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim

from torchcourse.export import to_onnx

from .inference import UNDECIDED, margin
from .model import CLASSES, TransformerClassifier, load_model, load_words
from .tokens import MASK, PAD, UNK, WordPiece

EXAMPLE = (3, 17)  # rows and tokens to trace with; the graph takes others


class GradientTimesInput(nn.Module):
    """What each token's vector contributes to the margin of a network, to first order."""

    def __init__(self, model: TransformerClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        """Weights (B, T) of tokens (B, T) int64, padded with `PAD`."""
        real = self.model.real(tokens)  # (B, T)
        x = self.model.embed(tokens)  # (B, T, D)
        gradient = torch.func.grad(lambda x: margin(self.model.classify(x, real)).sum())(x)
        return (gradient * x).sum(2)  # (B, T, D) → (B, T)


class HalfTable(nn.Module):
    """An embedding that is stored in 16 bits, as the record is, and answers in 32.

    The tables are nine tenths of the network; this halves what a reader downloads, and changes no
    number.
    """

    def __init__(self, table: nn.Embedding) -> None:
        super().__init__()
        self.register_buffer("weight", table.weight.detach().half())

    def forward(self, numbers: Tensor) -> Tensor:
        """Rows (…, D) float32 of numbers (…) int64."""
        return nn.functional.embedding(numbers, self.weight).float()


def with_half_tables(model: TransformerClassifier) -> TransformerClassifier:
    """A copy of a network whose embeddings are `HalfTable`."""
    model = copy.deepcopy(model)
    for name, part in list(model.named_children()):
        if isinstance(part, nn.Embedding):
            setattr(model, name, HalfTable(part))
    return model


def export(folder: Path) -> None:
    """Write the two graphs and ``sentiment.json`` of the recorded network."""
    export_reader(load_model(), load_words(), folder)


def export_reader(model: TransformerClassifier, words: WordPiece, folder: Path) -> None:
    """Write two graphs and what the page must know.

    ``sentiment.onnx`` takes ``tokens`` (B, T) int64, padded with 0, to ``logits`` (B, 2).
    ``sentiment_gradient.onnx`` takes ``tokens`` (1, max_tokens) to ``weights`` of the same shape:
    tracing a gradient fixes all shapes, and padding changes no weight.

    Args:
        model: the network, its embeddings rounded to 16 bits as in the record; others are rounded
            here.
        words: its tokenizer.
        folder: to write to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = with_half_tables(model)
    generator = torch.Generator().manual_seed(0)
    example = torch.randint(1, len(words), EXAMPLE, generator=generator)
    example[1, 9:] = PAD
    to_onnx(
        model,
        (example,),
        folder / "sentiment.onnx",
        input_names=["tokens"],
        output_names=["logits"],
        dynamic_shapes=({0: Dim("texts"), 1: Dim("tokens", max=model.config.max_tokens)},),
        tolerance=1e-4,
    )
    longest = torch.randint(1, len(words), (1, model.config.max_tokens), generator=generator)
    longest[0, model.config.max_tokens // 2 :] = PAD
    to_onnx(
        GradientTimesInput(model),
        (longest,),
        folder / "sentiment_gradient.onnx",
        input_names=["tokens"],
        output_names=["weights"],
        tolerance=1e-4,
    )
    about = {
        "classes": CLASSES,
        "maxTokens": model.config.max_tokens,
        "pad": PAD,
        "unknown": UNK,
        "mask": MASK,
        "undecided": UNDECIDED,
        "vocabulary": words.vocabulary,
    }
    content = json.dumps(about, ensure_ascii=False) + "\n"
    (folder / "sentiment.json").write_text(content, encoding="utf-8")
