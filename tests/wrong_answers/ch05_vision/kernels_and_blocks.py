"""Answers to the exercises of chapter 5's lab 1: kernels, fields and blocks."""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import nn

from wrong_answers import right, wrong

KERNEL = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])


def _slopes(image, mode="reflect", kernel=KERNEL):
    """Slopes to the right and down, with the border to spoil."""
    x = image[None, None] if mode is None else F.pad(image[None, None], [1] * 4, mode=mode)
    return F.conv2d(x, torch.stack([kernel, kernel.T])[:, None])[0]


class sobel:
    @wrong("The border is missing")
    def pads_nothing(image):
        return torch.hypot(*_slopes(image, None))

    @wrong("your kernel saw zeros")
    def pads_zeros(image):
        return torch.hypot(*_slopes(image, "constant"))

    @wrong("you repeat the last pixel")
    def repeats_the_edge(image):
        return torch.hypot(*_slopes(image, "replicate"))

    @wrong("slope to the right only")
    def takes_one_slope(image):
        return _slopes(image)[0]

    @wrong("added the sizes")
    def adds_sizes(image):
        return _slopes(image).abs().sum(0)

    @wrong("with their signs")
    def adds_slopes(image):
        return _slopes(image).sum(0)

    @wrong("The root is missing")
    def forgets_the_root(image):
        return _slopes(image).square().sum(0)

    @wrong("takes the three rows alike")
    def takes_prewitt(image):
        return torch.hypot(*_slopes(image, kernel=torch.tensor([[-1.0, 0, 1]] * 3)))

    @wrong("Slopes below 0 were cut off")
    def clamps(image):
        return torch.hypot(*_slopes(image).clamp(min=0))

    @wrong("axes are left over")
    def keeps_four_axes(image):
        return torch.hypot(*_slopes(image))[None, None]

    @wrong("slope down only")
    def takes_the_other_slope(image):
        return _slopes(image)[1]

    @wrong("the larger of the two slopes")
    def takes_the_larger(image):
        return _slopes(image).abs().amax(0)

    @wrong("changed its input")
    def spoils_the_picture(image):
        edges = torch.hypot(*_slopes(image))
        image.zero_()
        return edges

    @wrong("no gradient can flow")
    def detaches(image):
        return torch.hypot(*_slopes(image.detach()))

    @right
    def by_conv2d(image):
        return torch.hypot(*_slopes(image))

    @right
    def with_a_flipped_kernel(image):
        return _slopes(image, kernel=-KERNEL).norm(dim=0)

    @right
    def by_slices(image):
        x = F.pad(image[None, None], [1] * 4, mode="reflect")[0, 0]
        right_, down = x[:, 2:] - x[:, :-2], x[2:] - x[:-2]
        gx = right_[:-2] + 2 * right_[1:-1] + right_[2:]
        gy = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
        return torch.hypot(gx, gy)


def _walk(layers, field=1, jump=1):
    for kernel, stride in layers:
        field, jump = field + (kernel - 1) * jump, jump * stride
    return field, jump


class receptive_field:
    @wrong("The strides have no effect")
    def ignores_strides(layers):
        return 1 + sum(kernel - 1 for kernel, _ in layers)

    @wrong("own stride first")
    def strides_first(layers):
        field, jump = 1, 1
        for kernel, stride in layers:
            jump *= stride
            field += (kernel - 1) * jump
        return field

    @wrong("added the kernels themselves")
    def adds_kernels(layers):
        return sum(kernel for kernel, _ in layers)

    @wrong("walking backwards, used forwards")
    def walks_the_wrong_way(layers):
        field = 1
        for kernel, stride in layers:
            field = (field - 1) * stride + kernel
        return field

    @wrong("You started at 0")
    def starts_at_0(layers):
        return _walk(layers, field=0)[0]

    @wrong("That is the jump")
    def returns_the_jump(layers):
        return _walk(layers)[1]

    @wrong("grows by addition")
    def adds_strides(layers):
        field, jump = 1, 1
        for kernel, stride in layers:
            field, jump = field + (kernel - 1) * jump, jump + stride - 1
        return field

    @wrong("strides multiply")
    def keeps_one_stride(layers):
        field, jump = 1, 1
        for kernel, stride in layers:
            field, jump = field + (kernel - 1) * jump, stride
        return field

    @wrong("The last layer is left out")
    def stops_early(layers):
        return _walk(layers[:-1])[0]

    @wrong("A layer of 5 adds 4")
    def adds_kernels_times_jump(layers):
        field, jump = 1, 1
        for kernel, stride in layers:
            field, jump = field + kernel * jump, jump * stride
        return field

    @wrong("changed its input")
    def turns_the_list_round(layers):
        layers.reverse()
        return receptive_field.backwards.value(layers[::-1])

    @wrong("You return a float")
    def gives_a_float(layers):
        return float(_walk(layers)[0])

    @right
    def forwards(layers):
        return _walk(layers)[0]

    @right
    def backwards(layers):
        field = 1
        for kernel, stride in reversed(layers):
            field = (field - 1) * stride + kernel
        return field

    @right
    def as_one_sum(layers):
        strides = [stride for _, stride in layers]
        return 1 + sum((k - 1) * math.prod(strides[:i]) for i, (k, _) in enumerate(layers))


def _count(channels, size, bias):
    return sum(size**2 * a * b + b * bias for a, b in itertools.pairwise(channels))


class stack_parameters:
    @wrong("The biases are missing")
    def forgets_biases(channels, kernel_size, bias=True):
        return _count(channels, kernel_size, 0)

    @wrong("bias for each channel going in")
    def counts_biases_of_inputs(channels, kernel_size, bias=True):
        return _count(channels, kernel_size, 0) + bias * sum(channels[:-1])

    @wrong("One bias per layer")
    def counts_one_bias(channels, kernel_size, bias=True):
        return _count(channels, kernel_size, 0) + bias * (len(channels) - 1)

    @wrong("The kernel counts once")
    def forgets_the_square(channels, kernel_size, bias=True):
        return sum(kernel_size * a * b + b * bias for a, b in itertools.pairwise(channels))

    @wrong("a kernel for *each* input channel")
    def forgets_the_inputs(channels, kernel_size, bias=True):
        return sum(kernel_size**2 * b + b * bias for b in channels[1:])

    @wrong("that is the picture")
    def counts_the_picture(channels, kernel_size, bias=True):
        return _count([1, *channels], kernel_size, bias)

    @wrong("Only the first layer")
    def stops_after_one(channels, kernel_size, bias=True):
        return _count(channels[:2], kernel_size, bias)

    @wrong("Only the last layer")
    def keeps_the_last(channels, kernel_size, bias=True):
        return _count(channels[-2:], kernel_size, bias)

    @wrong("You return a float")
    def gives_a_float(channels, kernel_size, bias=True):
        return float(_count(channels, kernel_size, bias))

    @wrong("`bias=False` has no effect")
    def always_has_a_bias(channels, kernel_size, bias=True):
        return _count(channels, kernel_size, 1)

    @right
    def by_the_formula(channels, kernel_size, bias=True):
        return _count(channels, kernel_size, bias)

    @right
    def by_building(channels, kernel_size, bias=True):
        total = 0
        for a, b in itertools.pairwise(channels):
            layer = nn.Conv2d(a, b, kernel_size, bias=bias, device="meta")
            total += sum(p.numel() for p in layer.parameters())
        return total


def _vgg(a, b, n, act=nn.ReLU, pool=lambda: nn.MaxPool2d(2)):
    channels = [a] + [b] * n
    layers = []
    for c in channels[:-1]:
        layers += [nn.Conv2d(c, b, 3, padding=1), act()]
    return nn.Sequential(*layers, pool())


class vgg_block:
    @wrong("not a module")
    def gives_a_list(a, b, n):
        return list(_vgg(a, b, n))

    @wrong("shares its weights")
    def repeats_a_layer(a, b, n):
        same = nn.Conv2d(b, b, 3, padding=1)
        first = nn.Conv2d(a, b, 3, padding=1) if a != b else same
        return nn.Sequential(*[first] * n, nn.MaxPool2d(2))

    @wrong("expect the channels of the picture")
    def forgets_to_change_channels(a, b, n):
        layers = [nn.Conv2d(a, b, 3, padding=1) for _ in range(n)]
        return nn.Sequential(*layers, nn.MaxPool2d(2))

    @wrong("grows in the last convolution")
    def grows_last(a, b, n):
        channels = [a] * n + [b]
        layers = [nn.Conv2d(c, d, 3, padding=1) for c, d in itertools.pairwise(channels)]
        return nn.Sequential(*layers, nn.MaxPool2d(2))

    @wrong("one convolution too many")
    def counts_one_more(a, b, n):
        return _vgg(a, b, n + 1)

    @wrong("The pool is missing")
    def forgets_the_pool(a, b, n):
        return _vgg(a, b, n, pool=nn.Identity)

    @wrong("There is no ReLU")
    def forgets_relu(a, b, n):
        return _vgg(a, b, n, act=nn.Identity)

    @wrong("The ReLU between the convolutions")
    def has_one_relu(a, b, n):
        block = _vgg(a, b, n)
        block[1] = nn.Identity()
        return block

    @wrong("The ReLU after the last")
    def drops_the_last_relu(a, b, n):
        block = _vgg(a, b, n)
        block[-2] = nn.Identity()
        return block

    @wrong("mean of each window")
    def averages(a, b, n):
        return _vgg(a, b, n, pool=lambda: nn.AvgPool2d(2))

    @wrong("windows overlap")
    def overlaps(a, b, n):
        return _vgg(a, b, n, pool=lambda: nn.MaxPool2d(3, 2, padding=1))

    @wrong("a pool after every convolution")
    def pools_always(a, b, n):
        return nn.Sequential(*[_vgg(a if i == 0 else b, b, 1) for i in range(n)])

    @wrong("shape (3, 4, 2, 4)")
    def pads_nothing(a, b, n):
        block = _vgg(a, b, n)
        for layer in block:
            if isinstance(layer, nn.Conv2d):
                layer.padding = (0, 0)
        return block

    @wrong("besides those of the convolutions")
    def adds_batch_norm(a, b, n):
        return _vgg(a, b, n).insert(1, nn.BatchNorm2d(b))

    @wrong("no bias")
    def drops_the_biases(a, b, n):
        block = _vgg(a, b, n)
        for layer in block:
            if isinstance(layer, nn.Conv2d):
                layer.bias = None
        return block

    @wrong("plain Python list are hidden")
    class HidesItsLayers(nn.Module):
        def __init__(self, a, b, n):
            super().__init__()
            self.layers = list(_vgg(a, b, n))

        def forward(self, x):
            return nn.Sequential(*self.layers)(x)

    @wrong("the graph is cut")
    class CutsTheGraph(nn.Module):
        def __init__(self, a, b, n):
            super().__init__()
            self.block = _vgg(a, b, n)

        def forward(self, x):
            return self.block(x).detach()

    @right
    def plain(a, b, n):
        return _vgg(a, b, n)

    @right
    class AsModule(nn.Module):
        def __init__(self, a, b, n):
            super().__init__()
            channels = [a] + [b] * n
            self.layers = nn.ModuleList(nn.Conv2d(c, b, 3, padding="same") for c in channels[:-1])

        def forward(self, x):
            for layer in self.layers:
                x = layer(x).relu()
            return F.max_pool2d(x, 2)


def _nin(a, b, size, acts=(nn.ReLU,) * 3, ones=1, padding=0):
    return nn.Sequential(
        *(nn.Conv2d(a, b, size, padding=size // 2), acts[0]()),
        *(nn.Conv2d(b, b, ones, padding=padding), acts[1]()),
        *(nn.Conv2d(b, b, ones, padding=padding), acts[2]()),
    )


class nin_block:
    @wrong("width of the picture")
    def uses_linear(a, b, size):
        return nn.Sequential(nn.Conv2d(a, b, size, padding=size // 2), nn.ReLU(), nn.Linear(b, b))

    @wrong("All three kernels are large")
    def keeps_the_kernel(a, b, size):
        return _nin(a, b, size, ones=size, padding=size // 2)

    @wrong("3×3, as in VGG")
    def takes_vgg(a, b, size):
        return _nin(a, b, size, ones=3, padding=1)

    @wrong("the block has two")
    def has_a_single_1x1(a, b, size):
        return _nin(a, b, size)[:4]

    @wrong("The large kernel comes last")
    def turns_it_round(a, b, size):
        layers = nn.Conv2d(a, b, 1), nn.ReLU(), nn.Conv2d(b, b, 1), nn.ReLU()
        return nn.Sequential(*layers, nn.Conv2d(b, b, size, padding=size // 2), nn.ReLU())

    @wrong("your 1×1 convolutions are padded")
    def pads_1x1(a, b, size):
        return _nin(a, b, size, padding=1)

    @wrong("lost 4 pixels")
    def pads_nothing(a, b, size):
        block = _nin(a, b, size)
        block[0].padding = (0, 0)
        return block

    @wrong("There is no ReLU")
    def has_no_relu(a, b, size):
        return _nin(a, b, size, (nn.Identity,) * 3)

    @wrong("No ReLU follows the 1×1")
    def bends_the_first_only(a, b, size):
        return _nin(a, b, size, (nn.ReLU, nn.Identity, nn.Identity))

    @wrong("The last ReLU is missing")
    def stays_bare(a, b, size):
        return _nin(a, b, size, (nn.ReLU, nn.ReLU, nn.Identity))

    @wrong("between the two 1×1 convolutions")
    def skips_the_middle(a, b, size):
        return _nin(a, b, size, (nn.ReLU, nn.Identity, nn.ReLU))

    @wrong("No ReLU follows the large kernel")
    def skips_the_first(a, b, size):
        return _nin(a, b, size, (nn.Identity, nn.ReLU, nn.ReLU))

    @wrong("the graph is cut")
    class CutsTheGraph(nn.Module):
        def __init__(self, a, b, size):
            super().__init__()
            self.block = _nin(a, b, size)

        @torch.no_grad()
        def forward(self, x):
            return self.block(x)

    @wrong("There is one ReLU, at the end")
    def bends_at_the_end(a, b, size):
        return _nin(a, b, size, (nn.Identity, nn.Identity, nn.ReLU))

    @right
    def plain(a, b, size):
        return _nin(a, b, size)

    @right
    class AsModule(nn.Module):
        def __init__(self, a, b, size):
            super().__init__()
            self.wide = nn.Conv2d(a, b, size, padding="same")
            self.one, self.two = nn.Conv2d(b, b, 1), nn.Conv2d(b, b, 1)

        def forward(self, x):
            return self.two(self.one(self.wide(x).relu()).relu()).relu()


class _Head(nn.Module):
    """A right GlobalHead, for the others to spoil."""

    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.maps = nn.Conv2d(in_channels, num_classes, 1)

    def forward(self, x):
        return self.pool(self.maps(x))

    def pool(self, maps):
        return maps.mean(dim=(2, 3))


class GlobalHead:
    @wrong("not a module")
    class IsNoModule:
        def __init__(self, in_channels, num_classes):
            self.layer = nn.Conv2d(in_channels, num_classes, 1)

    @wrong("and should have 16")
    class HasAWideKernel(_Head):
        def __init__(self, in_channels, num_classes):
            super().__init__(in_channels, num_classes)
            self.maps = nn.Conv2d(in_channels, num_classes, 3, padding=1)

    @wrong("the graph is cut")
    class AveragesInNumPy(_Head):
        def pool(self, maps):
            return torch.from_numpy(maps.detach().numpy().mean((2, 3)))

    @wrong("took the maximum")
    class TakesTheMaximum(_Head):
        def pool(self, maps):
            return maps.amax(dim=(2, 3))

    @wrong("A ReLU on the class maps")
    class BendsTheMaps(_Head):
        def pool(self, maps):
            return maps.relu().mean(dim=(2, 3))

    @wrong("A ReLU on the logits")
    class BendsTheLogits(_Head):
        def pool(self, maps):
            return maps.mean(dim=(2, 3)).relu()

    @wrong("added up the places")
    class AddsUp(_Head):
        def pool(self, maps):
            return maps.sum(dim=(2, 3))

    @wrong("two axes of length 1")
    class KeepsAxes(_Head):
        def pool(self, maps):
            return F.adaptive_avg_pool2d(maps, 1)

    @wrong("You return probabilities")
    class EndsInSoftmax(_Head):
        def pool(self, maps):
            return maps.mean(dim=(2, 3)).softmax(dim=1)

    @wrong("log-probabilities")
    class EndsInLogSoftmax(_Head):
        def pool(self, maps):
            return maps.mean(dim=(2, 3)).log_softmax(dim=1)

    @wrong("You flattened the class maps")
    class Flattens(_Head):
        def pool(self, maps):
            return maps.flatten(1)

    @wrong("along one axis only")
    class AveragesRows(_Head):
        def pool(self, maps):
            return maps.mean(dim=3)

    @wrong("lost its batch axis")
    class Squeezes(_Head):
        def pool(self, maps):
            return F.adaptive_avg_pool2d(maps, 1).squeeze()

    @wrong("(Seen with a batch (2, 3, 9, 3).)")
    class KnowsOneSize(_Head):
        def pool(self, maps):
            return maps[:, :, :4, :6].sum(dim=(2, 3)) / 24

    plain = right(_Head)

    @right
    class AveragesFirst(nn.Module):
        def __init__(self, in_channels, num_classes):
            super().__init__()
            self.linear = nn.Linear(in_channels, num_classes)

        def forward(self, x):
            return self.linear(x.mean(dim=(2, 3)))

    @right
    class MultipliesByHand(nn.Module):
        def __init__(self, in_channels, num_classes):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(in_channels, num_classes))
            self.bias = nn.Parameter(torch.zeros(num_classes))

        def forward(self, x):
            return x.mean(dim=(2, 3)) @ self.weight + self.bias
