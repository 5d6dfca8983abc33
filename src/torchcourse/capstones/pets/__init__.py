"""Capstone 2, cats and dogs: from a folder of photographs to a network that says where it looks.

>>> from torchcourse.capstones import pets
>>> pets.classify("my_cat.jpg")  # doctest: +SKIP
{'cat': 0.98, 'dog': 0.02}
>>> pets.activation_map("my_cat.jpg").shape  # doctest: +SKIP
torch.Size([10, 10])
"""

from torchcourse.data.pictures import PictureError

from .inference import activation_map, classify, prepare
from .model import CLASSES, SIZE, PetNet, load_drawn_model, load_model

__all__ = [
    "CLASSES",
    "SIZE",
    "PetNet",
    "PictureError",
    "activation_map",
    "classify",
    "load_drawn_model",
    "load_model",
    "prepare",
]
