"""The photographs of the record: which, in which folds, and what needs no network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from torchcourse.data import pets
from torchcourse.data.split_folder import NEAR
from torchcourse.recording import data_hash

FOLDS = 5
SPLIT_SEED = 0  # never change it, or a shipped network's held-out fold becomes another one
INNER = 0.2  # of fold 0's training pictures, for choices
LINEAR_SIDE = 32  # pixels: more only gives a linear model more to learn by heart


@dataclass(frozen=True)
class Photographs:
    """What the record is made on.

    Attributes:
        images: (N, 3, 100, 100) uint8.
        labels: (N,) int64, 0 cat, 1 dog.
        names: paths below the data folder.
        near_copies: how many were left out because they look like another one.
    """

    images: Tensor
    labels: Tensor
    names: list[str]
    near_copies: int

    @property
    def sha256(self) -> str:
        """Of all decoded pixels and labels, in order."""
        return data_hash(self.images, self.labels)

    def fold(self, number: int) -> tuple[Tensor, Tensor]:
        """Rows to train on, and rows that fold `number` holds out; each class in its share."""
        from sklearn.model_selection import StratifiedKFold

        cut = StratifiedKFold(FOLDS, shuffle=True, random_state=SPLIT_SEED)
        parts = list(cut.split(np.zeros(len(self.labels)), self.labels.numpy()))
        training, held = parts[number]
        return torch.from_numpy(training), torch.from_numpy(held)

    def inner(self) -> tuple[Tensor, Tensor]:
        """Fold 0's training rows, cut once more: to train short runs, and to compare them."""
        from sklearn.model_selection import train_test_split

        rows = self.fold(0)[0].numpy()
        parts = train_test_split(
            rows, test_size=INNER, random_state=SPLIT_SEED, stratify=self.labels[rows].numpy()
        )
        return torch.from_numpy(parts[0]), torch.from_numpy(parts[1])


@lru_cache(maxsize=1)
def load_photographs() -> Photographs:
    """All photographs, without copies and near copies.

    Raises:
        DownloadError: there are none.
    """
    import imagehash

    data = pets.load(photographs=True)
    pictures = (Image.fromarray(image.permute(1, 2, 0).numpy()) for image in data.images)
    hashes = np.stack([imagehash.phash(picture).hash.ravel() for picture in pictures])  # (N, 64)
    kept: list[int] = []
    for row in range(len(hashes)):
        if not kept or (hashes[kept] != hashes[row]).sum(1).min() > NEAR:
            kept.append(row)
    rows = torch.tensor(kept)
    names = [data.names[row] for row in kept]
    return Photographs(data.images[rows], data.labels[rows], names, len(hashes) - len(kept))


def linear_baseline(data: Photographs, training: Tensor, held: Tensor) -> float:
    """Share of a held-out fold that a linear model on pixels gets right."""
    from sklearn.linear_model import LogisticRegression

    small = F.interpolate(data.images.float() / 255, (LINEAR_SIDE,) * 2, mode="area").flatten(1)
    model = LogisticRegression(C=1e-3, max_iter=200)
    model.fit(small[training].numpy(), data.labels[training].numpy())
    return float(model.score(small[held].numpy(), data.labels[held].numpy()))
