"""A conditional generator and critic for pictures of 28 × 28, in the field's small standard form.

Both are told the label in a way of its own: the generator by conditional normalisation, the critic
by a projection. The critic has no BatchNorm: the gradient penalty asks for the gradient at *one*
picture, and BatchNorm would make every picture's score depend on the whole batch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

LATENT = 64


class ConditionalNorm(nn.Module):
    """BatchNorm whose scale and shift come from the label.

    De Vries et al., `Modulating early visual processing by language
    <https://arxiv.org/abs/1707.00683>`_, section 3.2.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale_and_shift = nn.Embedding(num_classes, 2 * channels)
        nn.init.zeros_(self.scale_and_shift.weight)  # starts as plain BatchNorm

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """x (B, C, H, W), labels (B,) or shares (B, num_classes) → (B, C, H, W)."""
        table = self.scale_and_shift
        both = table(labels) if labels.ndim == 1 else labels @ table.weight  # (B, 2C)
        scale, shift = both[:, :, None, None].chunk(2, dim=1)  # (B, C, 1, 1) each
        return self.norm(x) * (1 + scale) + shift


class Generator(nn.Module):
    """Noise and a label to a picture.

    Args:
        num_classes: how many labels there are.
        width: channels of the last hidden layer; the first has four times as many.
        latent: length of the noise vector.
    """

    def __init__(self, num_classes: int = 10, width: int = 24, latent: int = LATENT) -> None:
        super().__init__()
        self.num_classes, self.latent, self.width = num_classes, latent, width
        self.start = nn.Linear(latent, 4 * width * 7 * 7)
        self.norms = nn.ModuleList(
            ConditionalNorm(channels, num_classes) for channels in (4 * width, 2 * width, width)
        )
        # No bias: the normalisation behind it would subtract it again.
        self.convolutions = nn.ModuleList(
            nn.Conv2d(2 * channels, channels, 3, padding=1, bias=False)
            for channels in (2 * width, width)
        )
        self.to_picture = nn.Conv2d(width, 1, 3, padding=1)
        nn.init.constant_(self.to_picture.bias, -2.0)  # begins dark: most pixels are paper

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Noise to pictures.

        Args:
            noise: (B, latent), standard normal.
            labels: (B,) int64; or (B, num_classes) floating point, the share of each class, for
                pictures between classes. A share of 1 for one class is that label.

        Returns:
            pictures (B, 1, 28, 28) in [0, 1], 1 is ink.
        """
        x = self.start(noise).unflatten(1, (4 * self.width, 7, 7))  # (B, 4W, 7, 7)
        x = F.relu(self.norms[0](x, labels))
        for convolution, norm in zip(self.convolutions, self.norms[1:], strict=True):
            x = F.interpolate(x, scale_factor=2)  # enlarge, then convolve: no chequerboard
            x = F.relu(norm(convolution(x), labels))
        return torch.sigmoid(self.to_picture(x))


class Critic(nn.Module):
    """A picture and a label to a score: higher means more like a real picture of that label.

    The label enters as the projection of Miyato and Koyama, `cGANs with projection discriminator
    <https://arxiv.org/abs/1802.05637>`_, section 3: one vector for each class, compared with what
    the convolutions found.

    Args:
        num_classes: how many labels there are.
        width: channels of the first layer.
        spectral: give every layer a spectral norm of 1.
    """

    def __init__(self, num_classes: int = 10, width: int = 24, spectral: bool = False) -> None:
        super().__init__()
        norm = spectral_norm if spectral else nn.Identity()
        self.features = nn.Sequential(
            norm(nn.Conv2d(1, width, 4, stride=2, padding=1)),  # (B, W, 14, 14)
            nn.LeakyReLU(0.2),
            norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)),  # (B, 2W, 7, 7)
            nn.LeakyReLU(0.2),
            norm(nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1)),  # (B, 4W, 4, 4)
            nn.LeakyReLU(0.2),
            nn.Flatten(),  # (B, 64W)
        )
        self.score = norm(nn.Linear(64 * width, 1))
        self.of_class = norm(nn.Embedding(num_classes, 64 * width))

    def forward(self, pictures: Tensor, labels: Tensor) -> Tensor:
        """pictures (B, 1, 28, 28) in [0, 1], labels (B,) int64 → scores (B,)."""
        found = self.features(pictures)  # (B, 64W)
        return self.score(found).squeeze(1) + (self.of_class(labels) * found).sum(dim=1)
