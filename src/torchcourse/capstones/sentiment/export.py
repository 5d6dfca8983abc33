"""The review reader for a live demo: token numbers to logits, and the vocabulary.

The page splits the text itself and hides one token after the other for `occlusion`: a batch of
T + 1 rows through one and the same graph. No gradient is needed there.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch.export import Dim

from torchcourse.export import to_onnx

from .inference import UNDECIDED
from .model import CLASSES, TransformerClassifier, load_model, load_words
from .tokens import MASK, PAD, UNK, WordPiece

EXAMPLE = (3, 17)  # rows and tokens to trace with; the graph takes others


def export(folder: Path) -> None:
    """Write ``sentiment.onnx`` and ``sentiment.json`` of the recorded network."""
    export_reader(load_model(), load_words(), folder)


def export_reader(model: TransformerClassifier, words: WordPiece, folder: Path) -> None:
    """``tokens`` (B, T) int64, padded with 0, to ``logits`` (B, 2), and what the page must know.

    Args:
        model: the network.
        words: its tokenizer.
        folder: to write to.
    """
    folder.mkdir(parents=True, exist_ok=True)
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
