"""A Transformer that reads a review: characters and their neighbours in, praise or blame out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from torchcourse.files import written_whole
from torchcourse.recording import half_weights

from .tokens import PAD, WordPiece

CLASSES = ("blame", "praise")
WEIGHTS = files("torchcourse") / "weights" / "cap3_sentiment"
# Two numbers become one: a · FACTOR + b. A prime, so that neighbours in the vocabulary spread.
FACTOR = 7_919


@dataclass(frozen=True)
class Config:
    """The shape of a `TransformerClassifier`.

    Attributes:
        vocabulary: number of tokens, the special ones included.
        width: D, length of a token's vector.
        heads: of attention; they divide the width.
        layers: encoder layers.
        hidden: width inside an encoder layer's two linear layers.
        max_tokens: T at most.
        buckets: rows of each table of token pairs and triples; 0 leaves both out.
        pair_width: length of their vectors.
        pair_std: spread of these tables at the start. Beginning at 0, a pair that training never
            meets says nothing; a random vector would be noise.
        dropout: share set to zero in training, in the layers and after the embedding.
        pair_dropout: share of pairs and triples left out in training, whole vectors at a time.
    """

    vocabulary: int
    width: int = 128
    heads: int = 4
    layers: int = 2
    hidden: int = 256
    max_tokens: int = 256
    buckets: int = 131_071
    pair_width: int = 8
    pair_std: float = 0.0
    dropout: float = 0.3
    pair_dropout: float = 0.3


class EncoderLayer(nn.Module):
    """Attention, then two linear layers; each is added to what came in (pre-norm).

    In eval mode the same function as ``nn.TransformerEncoderLayer(…, activation="gelu",
    norm_first=True, batch_first=True)``, written out so that one can look at the weights of
    attention.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm1, self.norm2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.projections = nn.Linear(config.width, 3 * config.width)  # queries, keys, values
        self.out = nn.Linear(config.width, config.width)
        self.linear1 = nn.Linear(config.width, config.hidden)
        self.linear2 = nn.Linear(config.hidden, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D); `real` (B, T) bool is True for tokens, False for padding."""
        queries, keys, values = self.split(x)  # (B, H, T, D / H) each
        # By hand: F.scaled_dot_product_attention took five times as long in bfloat16 on a CPU.
        mixed = attention(queries, keys, real) @ values
        mixed = mixed.transpose(1, 2).flatten(2)  # (B, H, T, D / H) → (B, T, H, D / H) → (B, T, D)
        x = x + self.dropout(self.out(mixed))
        change = self.linear2(F.gelu(self.linear1(self.norm2(x))))
        return x + self.dropout(change)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of each head: (B, T, D) to three of (B, H, T, D / H)."""
        parts = self.projections(self.norm1(x)).chunk(3, dim=-1)  # three of (B, T, D)
        # (B, T, D) → (B, T, H, D / H) → (B, H, T, D / H)
        queries, keys, values = (p.unflatten(2, (self.heads, -1)).transpose(1, 2) for p in parts)
        return queries, keys, values


def attention(queries: Tensor, keys: Tensor, real: Tensor) -> Tensor:
    """Who looks at whom, (B, H, T, T): each row belongs to a query and adds up to 1.

    Args:
        queries: (B, H, T, D / H).
        keys: likewise.
        real: (B, T) bool; where it is False nobody looks.
    """
    scores = queries @ keys.transpose(2, 3) / queries.shape[3] ** 0.5  # (B, H, T, T)
    return scores.masked_fill(~real[:, None, None, :], -torch.inf).softmax(3)


class TransformerClassifier(nn.Module):
    """Token numbers to one logit for blame and one for praise.

    A token's vector is the sum of three: of the token, of its place, and of what it forms with its
    neighbours. For the last, pairs and triples of tokens are hashed into a table each: 不 and 好
    are known apart from 不好 before any layer has looked.

    Padding changes nothing: it is masked in attention and in both poolings. A text of padding
    alone is read as one padding token, so that nothing is divided by zero.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocabulary, config.width, padding_idx=PAD)
        self.position = nn.Embedding(config.max_tokens, config.width)
        if config.buckets:
            self.pair = nn.Embedding(config.buckets, config.pair_width)
            self.triple = nn.Embedding(config.buckets, config.pair_width)
            self.widen = nn.Linear(2 * config.pair_width, config.width, bias=False)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(2 * config.width, len(CLASSES))
        for name, parameter in self.named_parameters():
            if name.startswith(("token", "position")):
                nn.init.normal_(parameter, std=0.1)  # 1 would drown what the layers add
            if name.startswith(("pair", "triple")):
                nn.init.normal_(parameter, std=config.pair_std)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, 2) of tokens (B, T) int64, padded with `PAD`."""
        return self.classify(self.embed(tokens), self.real(tokens))

    def real(self, tokens: Tensor) -> Tensor:
        """(B, T) bool: True for tokens, and always for the first; False for padding."""
        first = torch.arange(tokens.shape[1], device=tokens.device) == 0  # (T,)
        return (tokens != PAD) | first

    def embed(self, tokens: Tensor) -> Tensor:
        """Vectors (B, T, D) of tokens (B, T).

        Raises:
            ValueError: T exceeds `max_tokens`, or the shape is not (B, T).
        """
        if tokens.ndim != 2 or tokens.shape[1] > self.config.max_tokens:
            raise ValueError(
                f"tokens must be (B, T) with T ≤ {self.config.max_tokens}, got "
                f"{tuple(tokens.shape)}; encode(…, max_tokens={self.config.max_tokens}) cuts"
            )
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.token(tokens) + self.position(places)  # (B, T, D) + (T, D)
        if self.config.buckets:
            x = x + self.widen(self.neighbours(tokens))
        return self.dropout(x)

    def neighbours(self, tokens: Tensor) -> Tensor:
        """Vectors (B, T, 2 · pair_width) of each token with the one and the two after it."""
        padded = F.pad(tokens, (0, 2), value=PAD)  # (B, T + 2)
        pairs = tokens * FACTOR + padded[:, 1:-1]  # (B, T)
        triples = pairs * FACTOR + padded[:, 2:]
        size = self.config.buckets
        found = torch.stack([self.pair(pairs % size), self.triple(triples % size)], dim=2)
        if self.training:  # (B, T, 2, pair_width), of which some rows become 0
            shares = found.new_full((*found.shape[:3], 1), 1.0)
            found = found * F.dropout(shares, self.config.pair_dropout)
        return found.flatten(2)

    def encode(self, x: Tensor, real: Tensor) -> Tensor:
        """Vectors (B, T, D) through all layers."""
        for layer in self.layers:
            x = layer(x, real)
        return self.norm(x)

    def classify(self, x: Tensor, real: Tensor) -> Tensor:
        """Logits (B, 2) of embedded tokens (B, T, D)."""
        x = self.encode(x, real)
        pooled = torch.cat([masked_mean(x, real), masked_max(x, real)], dim=1)  # (B, 2D)
        return self.head(self.dropout(pooled))

    def attention(self, tokens: Tensor) -> list[Tensor]:
        """The weights of attention (B, H, T, T) of each layer."""
        x, real, found = self.embed(tokens), self.real(tokens), []
        for layer in self.layers:
            queries, keys, _ = layer.split(x)
            found.append(attention(queries, keys, real))
            x = layer(x, real)
        return found


def masked_mean(x: Tensor, real: Tensor) -> Tensor:
    """Mean over the real tokens: (B, T, D) and (B, T) bool to (B, D)."""
    weights = real[:, :, None].to(x.dtype)  # (B, T, 1)
    return (x * weights).sum(1) / weights.sum(1).clamp(min=1)


def masked_max(x: Tensor, real: Tensor) -> Tensor:
    """Largest value of each feature among the real tokens: (B, T, D) and (B, T) to (B, D)."""
    lowest = torch.finfo(x.dtype).min
    return x.masked_fill(~real[:, :, None], lowest).amax(1)


def pad(rows: list[list[int]], device: torch.device | str = "cpu") -> Tensor:
    """Token numbers of several texts as one tensor (B, T), T the longest, filled up with `PAD`."""
    longest = max(1, max(map(len, rows)))
    return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows], device=device)


def save_model(model: TransformerClassifier, path: Path) -> None:
    """Write weights in 16 bits, and the shape of the network with them."""
    about = {"config": json.dumps(asdict(model.config))}
    with written_whole(path) as temporary:
        save_file(half_weights(model), temporary, metadata=about)


def read_model(path: Path) -> TransformerClassifier:
    """Read what `save_model` wrote, in 32 bits and eval mode, on the CPU."""
    with safe_open(path, "pt") as file:
        model = TransformerClassifier(Config(**json.loads(file.metadata()["config"])))
        model.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    return model.eval()


@lru_cache(maxsize=1)
def load_model() -> TransformerClassifier:
    """The recorded network, trained on real reviews, in eval mode, on the CPU.

    The same object each time: whoever changes it works on ``copy.deepcopy`` of it.

    Raises:
        FileNotFoundError: none has been recorded.
    """
    with _recorded("model.safetensors") as path:
        return read_model(path)


@lru_cache(maxsize=1)
def load_words() -> WordPiece:
    """The recorded network's tokenizer."""
    with _recorded("vocab.txt") as path:
        return WordPiece.load(path)


@contextmanager
def _recorded(name: str) -> Iterator[Path]:
    """A file of the record, on the disk."""
    with as_file(WEIGHTS / name) as path:
        if not path.exists():
            raise FileNotFoundError(
                f"{path} is missing: no network has been recorded. Record one with "
                "`python -m torchcourse.capstones.sentiment.record`, or give a network and its "
                "tokenizer of your own"
            )
        yield path
