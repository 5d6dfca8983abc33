"""The one preprocessing of the capstone: any picture to the ink the network was trained on.

Training images, photographs and the live demo all pass the same two steps:

1. :func:`ink_map`: find out whether the ink is dark or light, take the light of the paper
   away, and leave a map that is 0 on paper and 1 on ink;
2. :func:`centre`: scale the ink into a box of 20 × 20 pixels, its shape kept, and put its centre
   of mass into the middle of 28 × 28 pixels, as the makers of MNIST did
   (LeCun, Cortes, Burges: "The MNIST database of handwritten digits").

Both work on batches with plain tensor operations whose windows may depend on the size of the
picture, so that ONNX can hold them for pictures of any size: the live demo runs this very code.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .pictures import NoInkError, Picture, enlarging, read_grey, shrink

SIZE = 28  # pixels a side of what the network sees
BOX = 20  # pixels of the longer side of the digit inside it
OVERSAMPLE = 4  # sample points per pixel and axis: without them, shrinking would skip thin strokes
MAX_PIXELS = 1_500_000  # a page needs no more; shrinking keeps large photographs quick
DEEPEST = 0.15  # shade darker than this is not lightened further: it would be all grain
MIN_CONTRAST = 0.08  # ink must differ from paper by this share of the range from black to white
MIN_SEPARATION = 4.0  # and by this many standard deviations of the paper's grain


def prepare(image: Picture) -> Tensor:
    """Turn a picture of one digit into the network's input.

    Args:
        image: see :func:`torchcourse.capstones.digits.pictures.read_grey`.

    Returns:
        (1, 1, 28, 28) float32 in ``[0, 1]``, 1 is ink.

    Raises:
        PictureError: if the picture cannot be read.
        NoInkError: if nothing is written on it.
    """
    ink, _ = read_ink(image)  # (H, W)
    if not ink.any():
        raise NoInkError("the picture is blank: no ink stands out from the paper")
    return centre(crop(ink)[None, None])


def read_ink(image: Picture) -> tuple[Tensor, float]:
    """The ink map (H, W) of a picture, and its size in pixels per pixel of the picture (≤ 1)."""
    grey = read_grey(image)
    scale = min(1.0, (MAX_PIXELS / grey.numel()) ** 0.5)
    return ink_map(shrink(grey, scale)[None, None])[0, 0], scale


def prepare_batch(images: Tensor) -> Tensor:
    """The same for a batch of equal size, as a data set gives it.

    Args:
        images: (N, 1, H, W), uint8 in ``[0, 255]`` or floating in ``[0, 1]``.

    Returns:
        (N, 1, 28, 28) float32 in ``[0, 1]``.
    """
    if not images.is_floating_point():
        images = images.float() / 255
    return torch.cat([centre(ink_map(part)) for part in images.split(2_000)])


def ink_map(grey: Tensor) -> Tensor:
    """Separate ink from paper under any light, for dark ink and for light ink.

    Args:
        grey: (N, 1, H, W) float in ``[0, 1]``.

    Returns:
        (N, 1, H, W): 0 on paper, up to 1 on ink, soft at the edges; all 0 where a picture of
        the batch is blank.
    """
    dark = has_dark_ink(grey)
    light = torch.where(dark, 1 - grey, grey)  # ink is bright from here on
    if min(grey.shape[-2:]) > 2 * SIZE:  # in larger pictures grain can be told from strokes
        light = _smooth(light)
    ground = paper(light)
    raised = (light - ground).clamp(min=0)
    # Dark ink swallows a share of the light that falls on it: in the shade it differs less.
    return _stretch(torch.where(dark, raised / (1 - ground).clamp(min=DEEPEST), raised))


def has_dark_ink(grey: Tensor) -> Tensor:
    """Decide for each picture whether ink is darker than paper: (N, 1, H, W) → (N, 1, 1, 1) bool.

    Ink covers less than paper, so the pixels that differ most from their surroundings are ink:
    the sign of the third moment tells which side they are on. Shadows are wide and vanish when
    the surroundings are subtracted, all the more in logarithms: there a shadow is a sum.
    """
    brightness = (grey + 0.3).log()  # 0.3: the darkest pixels must not outweigh all others
    detail = brightness - _surroundings(brightness)
    return detail.pow(3).mean(dim=(1, 2, 3), keepdim=True) < 0


def paper(light: Tensor) -> Tensor:
    """What the picture would look like without its (bright) ink: a grey opening.

    A minimum over a window wider than any stroke removes the strokes, a maximum over the same
    window puts shadows and edges of the paper back in their places.
    """
    height, width = light.shape[-2:]
    if min(height, width) <= 2 * SIZE:  # the small pictures of data sets have even light
        return _opening(light)
    # At the bright end of a slope the window falls short. Without the slope it does not; but then
    # it falls short beside sharp shadows. Either is too low at worst, so take the higher.
    slope = _plane(light)
    both = torch.cat([light, light - slope])
    # The light needs no full resolution. (sym_min and sym_max are min and max that an exported
    # graph works out anew for each picture.)
    step = torch.sym_max(1, torch.sym_min(height, width) // 64)
    small = _opening(_darkest(_darkest(both, 2, step), 3, step))
    rows, columns = enlarging(small.shape[2], height), enlarging(small.shape[3], width)
    ground, level = torch.minimum(rows.to(light) @ small @ columns.to(light).T, both).chunk(2)
    return torch.maximum(ground, level + slope)


def _opening(light: Tensor) -> Tensor:
    """Maximum of the minimum over a window of a third of the shorter side."""
    reach = torch.sym_max(15, torch.sym_min(*light.shape[-2:]) // 3) // 2
    return _maximum(-_maximum(-light, reach), reach)


def _stretch(raised: Tensor) -> Tensor:
    """Clip grain to 0 and ink to 1, both levels found in each picture by :func:`threshold`."""
    level, low, high = threshold(raised)
    grain = ((raised - low).square() * (raised <= level)).sum((1, 2, 3), keepdim=True)
    grain = (grain / (raised <= level).sum((1, 2, 3), keepdim=True).clamp(min=1)).sqrt()
    written = (high - low > MIN_CONTRAST) & (high - low > MIN_SEPARATION * grain)
    floor = (low + level) / 2
    ink = ((raised - floor) / (high - floor).clamp(min=1e-6)).clamp(0, 1)
    return ink * written


def threshold(raised: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The level halfway between the mean of what is below it and the mean of what is above.

    Ridler and Calvard, "Picture thresholding using an iterative selection method" (1978).

    Args:
        raised: (N, 1, H, W).

    Returns:
        level, mean below, mean above: each (N, 1, 1, 1).
    """
    level = raised.amax((1, 2, 3), keepdim=True) / 2
    for _ in range(12):  # it settles in about six
        above = (raised > level).float()
        high = (raised * above).sum((1, 2, 3), keepdim=True) / above.sum(
            (1, 2, 3), keepdim=True
        ).clamp(min=1)
        low = (raised * (1 - above)).sum((1, 2, 3), keepdim=True) / (1 - above).sum(
            (1, 2, 3), keepdim=True
        ).clamp(min=1)
        level = (low + high) / 2
    return level, low, high


def centre(ink: Tensor) -> Tensor:
    """Scale ink into the 20 × 20 box, aspect ratio kept, centre of mass in the middle.

    Args:
        ink: (N, 1, H, W) in ``[0, 1]``. A blank one stays blank.

    Returns:
        (N, 1, 28, 28) in ``[0, 1]``.
    """
    height, width = ink.shape[-2:]
    top, bottom = _extent(ink.amax(3))  # each (N,): first and last row with ink
    left, right = _extent(ink.amax(2))
    longer = torch.maximum(bottom - top, right - left) + 1
    scale = longer / BOX  # source pixels per pixel of the result
    y, x = _centre_of_mass(ink)
    # Sample points in pixels of the result, measured from its middle.
    points = (torch.arange(SIZE * OVERSAMPLE) + 0.5) / OVERSAMPLE - SIZE / 2
    rows = (y[:, None] + scale[:, None] * points.to(ink)) / height * 2 - 1  # (N, 112) in [-1, 1]
    columns = (x[:, None] + scale[:, None] * points.to(ink)) / width * 2 - 1
    side = len(points)
    grid = torch.stack(
        [columns[:, None, :].expand(-1, side, -1), rows[:, :, None].expand(-1, -1, side)], dim=-1
    )  # (N, 112, 112, 2), x before y as grid_sample wants it
    fine = F.grid_sample(ink, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return F.avg_pool2d(fine, OVERSAMPLE).clamp(0, 1)


def crop(ink: Tensor) -> Tensor:
    """Cut (H, W) ink to its bounding box and shrink it to what :func:`centre` can sample."""
    rows, columns = ink.amax(1).nonzero(), ink.amax(0).nonzero()
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return shrink(ink, BOX * OVERSAMPLE / max(ink.shape))


def _extent(profile: Tensor) -> tuple[Tensor, Tensor]:
    """First and last position with ink of (N, 1, L), each (N,) float; 0 and L - 1 if blank."""
    inked = (profile[:, 0] > 0.2).float()  # fainter than that is the soft edge of a stroke
    length = inked.shape[1]
    return inked.argmax(1).to(profile), length - 1 - inked.flip(1).argmax(1).to(profile)


def _centre_of_mass(ink: Tensor) -> tuple[Tensor, Tensor]:
    """Centre of mass in pixels, the first pixel's middle being 0.5: (N,), (N,)."""
    height, width = ink.shape[-2:]
    mass = ink.sum((1, 2, 3)).clamp(min=1e-6)
    y = (ink.sum((1, 3)) * (torch.arange(height) + 0.5).to(ink)).sum(1) / mass
    x = (ink.sum((1, 2)) * (torch.arange(width) + 0.5).to(ink)).sum(1) / mass
    return y, x


def _surroundings(grey: Tensor) -> Tensor:
    """Mean over a window of half the shorter side, cut off where the picture ends."""
    reach = torch.sym_max(3, torch.sym_min(*grey.shape[-2:]) // 2) // 2
    for dim in (3, 2):  # one axis after the other: far fewer additions
        first, last = _around(grey.shape[dim], reach)
        sums = grey.cumsum(dim)
        total = sums.index_select(dim, last) - sums.index_select(dim, first)
        count = (last - first + 1).to(grey)
        total = total + grey.index_select(dim, first)
        grey = total / (count if dim == 3 else count[:, None])
    return grey


def _plane(values: Tensor) -> Tensor:
    """The plane that fits (N, 1, H, W) best, its mean left out."""
    height, width = values.shape[-2:]
    v = (torch.arange(height).to(values) - (height - 1) / 2)[:, None]
    u = (torch.arange(width).to(values) - (width - 1) / 2)[None, :]
    # u and v are orthogonal on the grid, so each slope is found on its own.
    return sum(
        (values * axis).mean((2, 3), keepdim=True) / axis.square().mean() * axis for axis in (u, v)
    )


def _maximum(values: Tensor, reach: int) -> Tensor:
    """Maximum over the square of pixels up to `reach` away, at most 40, one axis after the other.

    Maxima over 3 pixels, three of them side by side, make those over 9, and so on.
    """
    for dim in (2, 3):
        done = 0
        for _ in range(4):
            step = torch.sym_min(2 * done + 1, reach - done)
            first, last = _around(values.shape[dim], step)
            sides = torch.maximum(values.index_select(dim, first), values.index_select(dim, last))
            values = torch.maximum(values, sides)
            done = done + step
    return values


def _darkest(light: Tensor, dim: int, step: int) -> Tensor:
    """Minimum of every `step` neighbours along an axis; the last of them may be fewer."""
    length = light.shape[dim]
    count = (length + step - 1) // step
    at = torch.arange(count * step).clamp(max=length - 1)  # the last pixel stands in for none
    return light.index_select(dim, at).unflatten(dim, (count, step)).amin(dim + 1)


def _around(length: int, reach: int) -> tuple[Tensor, Tensor]:
    """Indices of the first and the last pixel up to `reach` away from each of `length`."""
    at = torch.arange(length)
    return (at - reach).clamp(min=0), (at + reach).clamp(max=length - 1)


def _smooth(light: Tensor) -> Tensor:
    """Mean over 3 × 3 pixels: takes the grain of paper and camera off."""
    return F.avg_pool2d(light, 3, stride=1, padding=1, count_include_pad=False)
