"""Capstone 4, digits from noise: a conditional WGAN-GP.

    model, losses, training    the networks, the formulas, the run
    sampling                   pictures from labels, walks and morphs
    measures                   is it right, is it varied, is it new
    record                     the recorded runs

>>> from torchcourse.capstones import gan
>>> gan.generate([3, 1, 4], seed=0).shape
torch.Size([3, 1, 28, 28])
"""

from .sampling import generate, interpolate, load_generator, save_generator

__all__ = ["generate", "interpolate", "load_generator", "save_generator"]
