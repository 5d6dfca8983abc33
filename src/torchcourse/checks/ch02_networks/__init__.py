"""Checkers of chapter 2's labs, one module a lab."""

from torchcourse.checks.ch02_networks.building import (
    cifar_net,
    class_scores,
    max_pool,
    merge_linear,
    mish,
    new_head,
)
from torchcourse.checks.ch02_networks.convolution import (
    conv2d,
    correlate,
    grey_tiles,
    output_size,
)
from torchcourse.checks.ch02_networks.layers import (
    MovingCentre,
    deep_network,
    log_softmax,
    mlp_forward,
    softmax_regression,
)
