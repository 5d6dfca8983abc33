"""The network that tells cats from dogs, and says where in the picture it saw them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import as_file, files

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

CLASSES = ("cat", "dog")
SIZE = 80  # pixels a side: what the network is measured with
WIDTHS = (32, 64, 128, 192)  # channels of the four stages
BLOCKS = (1, 1, 2, 1)  # residual blocks of each stage
# The small network of the quick run, for drawn animals.
DRAWN_SIZE, DRAWN_WIDTHS, DRAWN_BLOCKS = 48, (16, 32, 48, 64), (1, 1, 1, 1)
POOLED = (True, True, True, False)  # the last stage keeps its 10 × 10 places: a finer map


class Residual(nn.Module):
    """Two convolutions whose result is added to what came in.

    Args:
        in_channels, out_channels: of the maps that come in and go out.
        drop: in training, the share of pictures whose convolutions are skipped (stochastic
            depth; Huang et al., "Deep networks with stochastic depth", 2016).
    """

    def __init__(self, in_channels: int, out_channels: int, drop: float = 0.0) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            # BatchNorm subtracts the mean, so a bias before it would have no effect.
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = nn.Identity()
        if in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, H, W)."""
        change = self.convolutions(x)
        if self.training and self.drop:
            kept = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.drop
            change = change * kept.to(change.dtype) / (1 - self.drop)
        return torch.relu(self.shortcut(x) + change)


class PetNet(nn.Module):
    """A small residual network: pictures in [0, 1] to one logit for "cat" and one for "dog".

    The end is an average over all places and one linear layer. So each place's share in a logit
    can be told apart afterwards: see `activation_map`.

    Args:
        mean, std: of the training pictures' pixels, for each of red, green and blue. They are
            buffers, saved with the weights, so that no caller can normalise differently from the
            training; attacks on the network can work on pixels in [0, 1].
        widths, blocks: channels, and number of residual blocks, of each of the four stages.
        drop_path: stochastic depth of the last block; earlier blocks get less.
        dropout: share of the averaged features that training sets to zero.
        size: side of the pictures it is meant for, in pixels; it accepts others.

    Raises:
        ValueError: `widths` or `blocks` has not four entries.
    """

    def __init__(
        self,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.25, 0.25, 0.25),
        widths: Sequence[int] = WIDTHS,
        blocks: Sequence[int] = BLOCKS,
        drop_path: float = 0.1,
        dropout: float = 0.1,
        size: int = SIZE,
    ) -> None:
        super().__init__()
        self.size = size
        if not len(widths) == len(blocks) == len(POOLED):
            raise ValueError(f"give {len(POOLED)} widths and blocks, got {widths} and {blocks}")
        # The first convolution sees every pixel, and max-pooling keeps the strongest answer of
        # four: whiskers and the tips of ears are one or two pixels wide.
        channels = widths[0]
        layers: list[nn.Module] = [
            nn.Conv2d(3, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        ]
        drops = torch.linspace(0, drop_path, sum(blocks)).tolist()
        for width, count, pooled in zip(widths, blocks, POOLED, strict=True):
            if pooled:
                layers.append(nn.MaxPool2d(2))
            for _ in range(count):
                layers.append(Residual(channels, width, drops.pop(0)))
                channels = width
        self.body = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, len(CLASSES))
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))

    def features(self, images: Tensor) -> Tensor:
        """Maps (B, C, H / 8, W / 8), none below 0, of images (B, 3, H, W) in ``[0, 1]``."""
        return self.body((images - self.mean) / self.std)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 2), cat and dog, of images (B, 3, H, W) in ``[0, 1]``."""
        averaged = self.features(images).mean((2, 3))  # (B, C, h, w) → (B, C)
        return self.head(self.dropout(averaged))


@lru_cache(maxsize=1)
def load_model() -> PetNet:
    """The recorded network, trained on photographs, in eval mode, on the CPU.

    The same object each time: whoever changes it works on ``copy.deepcopy`` of it. It never saw
    the photographs of fold 0, see `metrics.json`.
    """
    return _load(PetNet(), "model.safetensors")


@lru_cache(maxsize=1)
def load_drawn_model() -> PetNet:
    """The small network trained on drawn animals, in eval mode, on the CPU: 48 × 48 pixels."""
    model = PetNet(widths=DRAWN_WIDTHS, blocks=DRAWN_BLOCKS, size=DRAWN_SIZE)
    return _load(model, "drawn.safetensors")


def _load(model: PetNet, name: str) -> PetNet:
    with as_file(files("torchcourse") / "weights" / "cap2_pets" / name) as path:
        model.load_state_dict(load_file(path))
    return model.eval()
