"""The six networks of chapter 5 under their names, in the order in which they appeared."""

from __future__ import annotations

from .alexnet import alexnet
from .googlenet import googlenet
from .lenet import lenet
from .nin import nin
from .resnet import resnet
from .vgg import vgg

__all__ = ["NETWORKS"]

#: Called as ``NETWORKS[name](in_channels, num_classes, width)``; each has its own usual width.
NETWORKS = {
    "LeNet": lenet,
    "AlexNet": alexnet,
    "NiN": nin,
    "VGG": vgg,
    "GoogLeNet": googlenet,
    "ResNet": resnet,
}
