"""The network that recognises one digit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CHANNELS = (24, 48, 96)


def conv(in_channels: int, out_channels: int, kernel_size: int = 3) -> nn.Sequential:
    """Convolution that keeps the size, batch normalisation, ReLU."""
    return nn.Sequential(
        # BatchNorm subtracts the mean, so a bias before it would have no effect.
        nn.Conv2d(in_channels, out_channels, kernel_size, padding="same", bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class DigitNet(nn.Module):
    """Five convolutions and one linear layer: 28 × 28 pixels to ten logits.

    Args:
        num_classes: how many logits come out.
        mean, std: of the pixels of the prepared training images. They are buffers, saved with
            the weights, so that no caller can normalise differently from the training.
    """

    def __init__(self, num_classes: int = 10, mean: float = 0.13, std: float = 0.30) -> None:
        super().__init__()
        a, b, c = CHANNELS
        self.features = nn.Sequential(
            conv(1, a, kernel_size=5),  # (B, 24, 28, 28)
            nn.MaxPool2d(2),  # (B, 24, 14, 14)
            conv(a, b),  # (B, 48, 14, 14)
            conv(b, b),
            nn.MaxPool2d(2),  # (B, 48, 7, 7)
            conv(b, c),  # (B, 96, 7, 7)
            conv(c, c),
            nn.MaxPool2d(2),  # (B, 96, 3, 3)
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),  # (B, 864)
            nn.Dropout(0.3),
            nn.Linear(c * 3 * 3, num_classes),
        )
        self.register_buffer("mean", torch.tensor(float(mean)))
        self.register_buffer("std", torch.tensor(float(std)))

    def forward(self, ink: Tensor) -> Tensor:
        """Logits (B, num_classes) of prepared images (B, 1, 28, 28) in ``[0, 1]``, 1 is ink."""
        return self.classifier(self.features((ink - self.mean) / self.std))
