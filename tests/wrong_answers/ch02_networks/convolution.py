"""Answers to the exercises of chapter 2's lab 2: convolution."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from wrong_answers import right, wrong


class output_size:
    @wrong("float")
    def divides_with_a_slash(size, kernel_size, stride=1, padding=0, dilation=1):
        return (size + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1

    @wrong("One place is missing")
    def forgets_the_one(size, kernel_size, stride=1, padding=0, dilation=1):
        return (size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride

    @wrong("as if there were padding")
    def thinks_same(size, kernel_size, stride=1, padding=0, dilation=1):
        return size // stride

    @wrong("before dividing by the stride")
    def divides_last(size, kernel_size, stride=1, padding=0, dilation=1):
        return (size + 2 * padding - dilation * (kernel_size - 1)) // stride

    @wrong("The stride has no effect")
    def ignores_stride(size, kernel_size, stride=1, padding=0, dilation=1):
        return size + 2 * padding - dilation * (kernel_size - 1)

    @wrong("rounded up")
    def rounds_up(size, kernel_size, stride=1, padding=0, dilation=1):
        return math.ceil((size + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1

    @wrong("padding once")
    def pads_one_side(size, kernel_size, stride=1, padding=0, dilation=1):
        return (size + padding - dilation * (kernel_size - 1) - 1) // stride + 1

    @wrong("The padding has no effect")
    def ignores_padding(size, kernel_size, stride=1, padding=0, dilation=1):
        return (size - dilation * (kernel_size - 1) - 1) // stride + 1

    @wrong("dilation · kernel for the reach")
    def dilates_too_far(size, kernel_size, stride=1, padding=0, dilation=1):
        return (size + 2 * padding - dilation * kernel_size) // stride + 1

    @wrong("The dilation has no effect")
    def ignores_dilation(size, kernel_size, stride=1, padding=0, dilation=1):
        return (size + 2 * padding - kernel_size) // stride + 1

    @right
    def by_the_formula(size, kernel_size, stride=1, padding=0, dilation=1):
        return (size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1

    @right
    def by_counting(size, kernel_size, stride=1, padding=0, dilation=1):
        reach = dilation * (kernel_size - 1) + 1
        return len(range(0, size + 2 * padding - reach + 1, stride))


def _slide(image, kernel, value):
    h, w = kernel.shape
    rows, columns = image.shape[0] - h + 1, image.shape[1] - w + 1
    out = [[value(image[i : i + h, j : j + w]) for j in range(columns)] for i in range(rows)]
    return torch.stack([torch.stack(row) for row in out])


class correlate:
    @wrong("flipped the kernel")
    def flips(image, kernel):
        return _slide(image, kernel, lambda window: (window * kernel.flip(0, 1)).sum())

    @wrong("matrix product")
    def multiplies_matrices(image, kernel):
        return _slide(image, kernel, lambda window: (window @ kernel).sum())

    @wrong("mean of the products")
    def averages(image, kernel):
        return _slide(image, kernel, lambda window: (window * kernel).mean())

    @wrong("largest product")
    def takes_the_largest(image, kernel):
        return _slide(image, kernel, lambda window: (window * kernel).max())

    @wrong("last row and column of places")
    def stops_too_early(image, kernel):
        return correlate.by_loops.value(image, kernel)[:-1, :-1]

    @wrong("as large as the image")
    def keeps_the_size(image, kernel):
        h, w = kernel.shape
        return F.pad(correlate.by_loops.value(image, kernel), (0, w - 1, 0, h - 1))

    @wrong("four axes")
    def keeps_four_axes(image, kernel):
        return F.conv2d(image[None, None], kernel[None, None])

    @wrong("Rows and columns are exchanged")
    def exchanges_rows_and_columns(image, kernel):
        return correlate.by_loops.value(image, kernel).T

    @wrong("`conv2d` did the sliding")
    def lets_pytorch_slide(image, kernel):
        return F.conv2d(image[None, None], kernel[None, None])[0, 0]

    @wrong("no gradient can flow")
    def takes_numbers_out(image, kernel):
        return _slide(image, kernel, lambda window: torch.tensor((window * kernel).sum().item()))

    @wrong("changed its input")
    def multiplies_in_place(image, kernel):
        out = correlate.by_loops.value(image, kernel)
        image.zero_()
        return out

    @right
    def by_loops(image, kernel):
        return _slide(image, kernel, lambda window: (window * kernel).sum())

    @right
    def by_filling_a_tensor(image, kernel):
        h, w = kernel.shape
        out = torch.zeros(image.shape[0] - h + 1, image.shape[1] - w + 1)
        for i in range(out.shape[0]):
            for j in range(out.shape[1]):
                out[i, j] = (image[i : i + h, j : j + w] * kernel).sum()
        return out

    @right
    def by_loops_over_the_kernel(image, kernel):
        (height, width), (h, w) = image.shape, kernel.shape
        out = 0
        for u in range(h):
            for v in range(w):
                out = out + kernel[u, v] * image[u : height - h + 1 + u, v : width - w + 1 + v]
        return out


def _pad(images, padding):
    return F.pad(images, [padding] * 4)


class conv2d:
    @wrong("The bias is missing")
    def forgets_the_bias(images, weight, bias, stride=1, padding=0):
        return conv2d.by_einsum.value(images, weight, 0 * bias, stride, padding)

    @wrong("once for each input channel")
    def adds_the_bias_for_each_channel(images, weight, bias, stride=1, padding=0):
        return conv2d.by_einsum.value(images, weight, bias * images.shape[1], stride, padding)

    @wrong("eight products' places")
    def adds_the_bias_before_the_sum(images, weight, bias, stride=1, padding=0):
        return conv2d.by_einsum.value(images, weight, bias * weight[0].numel(), stride, padding)

    @wrong("Only the first input channel")
    def uses_one_channel(images, weight, bias, stride=1, padding=0):
        return conv2d.by_einsum.value(images[:, :1], weight[:, :1], bias, stride, padding)

    @wrong("averaged over the input channels")
    def averages_over_channels(images, weight, bias, stride=1, padding=0):
        return conv2d.by_einsum.value(images, weight / images.shape[1], bias, stride, padding)

    @wrong("the sum over channels is missing")
    def keeps_channels_apart(images, weight, bias, stride=1, padding=0):
        channels = zip(images.split(1, dim=1), weight.split(1, dim=1), strict=True)
        parts = [conv2d.by_einsum.value(x, w, bias, stride, padding) for x, w in channels]
        return torch.cat(parts, 1)

    @wrong("the batch axis disappeared")
    def squeezes(images, weight, bias, stride=1, padding=0):
        return conv2d.by_einsum.value(images, weight, bias, stride, padding).squeeze(0)

    @wrong("The stride has no effect")
    def ignores_the_stride(images, weight, bias, stride=1, padding=0):
        return conv2d.by_einsum.value(images, weight, bias, 1, padding)

    @wrong("windows begin at each pixel")
    def strides_in_size_only(images, weight, bias, stride=1, padding=0):
        rows, columns = conv2d.by_einsum.value(images, weight, bias, stride, padding).shape[2:]
        return conv2d.by_einsum.value(images, weight, bias, 1, padding)[:, :, :rows, :columns]

    @wrong("The padding has no effect")
    def ignores_the_padding(images, weight, bias, stride=1, padding=0):
        return conv2d.by_einsum.value(images, weight, bias, stride)

    @wrong("on one side only")
    def pads_one_side(images, weight, bias, stride=1, padding=0):
        images = F.pad(images, (0, padding, 0, padding))
        return conv2d.by_einsum.value(images, weight, bias, stride)

    @wrong("left and right only")
    def pads_the_width_only(images, weight, bias, stride=1, padding=0):
        return conv2d.by_einsum.value(F.pad(images, (padding, padding)), weight, bias, stride)

    @wrong("filled with ones")
    def pads_with_ones(images, weight, bias, stride=1, padding=0):
        images = F.pad(images, [padding] * 4, value=1.0)
        return conv2d.by_einsum.value(images, weight, bias, stride)

    @wrong("repeats the edge")
    def repeats_the_edge(images, weight, bias, stride=1, padding=0):
        images = F.pad(images, [padding] * 4, mode="replicate")
        return conv2d.by_einsum.value(images, weight, bias, stride)

    @wrong("`conv2d` computed them")
    def lets_pytorch_do_it(images, weight, bias, stride=1, padding=0):
        return F.conv2d(images, weight, bias, stride, padding)

    @right
    def by_einsum(images, weight, bias, stride=1, padding=0):
        x, (h, w) = _pad(images, padding), weight.shape[2:]
        windows = x.unfold(2, h, stride).unfold(3, w, stride)  # (N, C, H', W', h, w)
        return torch.einsum("ncijhw,ochw->noij", windows, weight) + bias[:, None, None]

    @right
    def by_unfold(images, weight, bias, stride=1, padding=0):
        h, w = weight.shape[2:]
        windows = F.unfold(images, (h, w), stride=stride, padding=padding)  # (N, C · h · w, L)
        rows = (images.shape[2] + 2 * padding - h) // stride + 1
        out = weight.flatten(1) @ windows + bias[:, None]
        return out.unflatten(2, (rows, -1))

    @right
    def by_filling_a_tensor(images, weight, bias, stride=1, padding=0):
        x, (o, _, h, w) = _pad(images, padding), weight.shape
        rows, columns = (x.shape[2] - h) // stride + 1, (x.shape[3] - w) // stride + 1
        out = torch.zeros(len(x), o, rows, columns)
        for i in range(rows):
            for j in range(columns):
                top, left = i * stride, j * stride
                window = x[:, None, :, top : top + h, left : left + w]
                out[:, :, i, j] = (window * weight).sum((2, 3, 4)) + bias
        return out


class grey_tiles:
    @wrong("values are as before")
    def only_adds_an_axis(maps):
        return maps.unsqueeze(1)

    @wrong("became one picture, to be shown in false colours")
    def adds_a_batch_axis(maps):
        return maps.unsqueeze(0)

    @wrong("axis of length 1 is missing")
    def forgets_the_axis(maps):
        return grey_tiles.by_amin.value(maps)[:, 0]

    @wrong("one picture of C channels")
    def puts_the_axis_in_front(maps):
        return grey_tiles.by_amin.value(maps).transpose(0, 1)

    @wrong("one range for all channels")
    def stretches_all_alike(maps):
        return ((maps - maps.min()) / (maps.max() - maps.min()))[:, None]

    @wrong("divided by the maximum only")
    def divides_by_the_maximum(maps):
        return (maps / maps.amax((1, 2), keepdim=True))[:, None]

    @wrong("maximum of before the subtraction")
    def divides_by_the_old_maximum(maps):
        low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
        return ((maps - low) / high)[:, None]

    @wrong("You cut at 0 and 1")
    def clamps(maps):
        return maps.clamp(0, 1)[:, None]

    @wrong("sigmoid")
    def squeezes_the_numbers(maps):
        return maps.sigmoid()[:, None]

    @wrong("folded six channels into two colour pictures")
    def folds_multiples_of_three(maps):
        out = grey_tiles.by_amin.value(maps)
        return out.view(-1, 3, *maps.shape[1:]) if len(maps) == 6 else out

    @wrong("0/0 is NaN")
    def divides_zero_by_zero(maps):
        low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
        return ((maps - low) / (high - low))[:, None]

    @wrong("changed its input")
    def works_in_place(maps):
        maps -= maps.amin((1, 2), keepdim=True)
        return (maps / maps.amax((1, 2), keepdim=True).clamp(min=1e-8))[:, None]

    @right
    def by_amin(maps):
        low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
        return ((maps - low) / (high - low).clamp(min=1e-8)).unsqueeze(1)

    @right
    def one_by_one(maps):
        tiles = []
        for one in maps:
            spread = one.max() - one.min()
            tiles.append((one - one.min()) / spread if spread > 0 else torch.zeros_like(one))
        return torch.stack(tiles)[:, None]
