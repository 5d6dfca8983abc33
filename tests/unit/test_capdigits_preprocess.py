"""One preprocessing: what must not matter does not matter."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from torchcourse.capstones.digits.pictures import NoInkError
from torchcourse.capstones.digits.preprocess import (
    centre,
    has_dark_ink,
    ink_map,
    paper,
    prepare,
    prepare_batch,
    threshold,
)
from torchcourse.data import digits


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> torch.Tensor:
    """(60, 1, 28, 28) uint8 bundled digits, six of each class."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHCOURSE_DATA", str(tmp_path_factory.mktemp("no_data")))
        data = digits.load(train=False, download=False)
    return torch.cat([data.images[data.labels == d][:6] for d in range(10)])


def mass_centre(ink: torch.Tensor) -> tuple[float, float]:
    pixel = torch.arange(28) + 0.5
    return (
        float((ink.sum(1) * pixel).sum() / ink.sum()),
        float((ink.sum(0) * pixel).sum() / ink.sum()),
    )


def test_a_prepared_digit_is_centred_and_fills_the_box(images):
    for ink in prepare_batch(images)[:, 0]:
        y, x = mass_centre(ink)
        assert abs(y - 14) < 0.35 and abs(x - 14) < 0.35
        rows, columns = (ink > 0.3).any(1).sum(), (ink > 0.3).any(0).sum()
        assert 18 <= max(rows, columns) <= 22


def test_batch_and_single_pictures_agree(images):
    batch = prepare_batch(images[:20])
    for image, expected in zip(images[:20], batch, strict=True):
        assert (prepare(image) - expected).abs().mean() < 0.01


def test_polarity_does_not_matter(images):
    assert not has_dark_ink(images / 255).any()
    assert has_dark_ink(1 - images / 255).all()
    assert torch.allclose(prepare_batch(images), prepare_batch(255 - images), atol=1e-4)


def test_place_and_margin_do_not_matter(images):
    image = images[7, 0].numpy()
    page = np.zeros((90, 140), np.uint8)
    page[50:78, 8:36] = image
    assert (prepare(page) - prepare(image)).abs().mean() < 0.03


@pytest.mark.parametrize("scale", [2, 5, 12])
def test_size_does_not_matter(images, scale):
    big = F.interpolate(images[:10] / 255, scale_factor=scale, mode="bicubic").clamp(0, 1)
    for large, small in zip(big, images[:10], strict=True):
        assert (prepare(large) - prepare(small)).abs().mean() < 0.05


def test_the_aspect_ratio_is_kept():
    page = np.full((200, 300), 255, np.uint8)
    page[40:160, 140:152] = 20  # a "1", ten times as high as wide
    ink = prepare(page)[0, 0] > 0.5
    assert ink.any(1).sum() == 20
    assert ink.any(0).sum() == 2


def test_light_does_not_matter(images):
    large = F.interpolate(images[:12] / 255, scale_factor=4, mode="bilinear")
    flat = 0.9 - 0.6 * large
    x = torch.linspace(0, 1, flat.shape[-1])
    for light in (1 - 0.6 * x, 0.45 + 0.55 * (x > 0.4)):  # falling off; a sharp shadow
        shadowed = prepare_batch(flat * light)
        assert (shadowed - prepare_batch(flat)).abs().mean() < 0.02


def test_grain_does_not_matter(images):
    large = 0.9 - 0.6 * F.interpolate(images[:12] / 255, scale_factor=4, mode="bilinear")
    grain = torch.randn(large.shape, generator=torch.Generator().manual_seed(0))
    noisy = prepare_batch((large + 0.04 * grain).clamp(0, 1))
    assert (noisy - prepare_batch(large)).abs().mean() < 0.05


def test_a_page_without_ink_is_blank():
    grain = torch.randn(1, 1, 120, 160, generator=torch.Generator().manual_seed(0))
    ramp = torch.linspace(0.3, 0.9, 160).expand(1, 1, 120, 160)
    for page in (torch.ones(1, 1, 40, 40), torch.zeros(1, 1, 1, 1), ramp, 0.8 + 0.03 * grain):
        assert not ink_map(page.clamp(0, 1)).any()
    with pytest.raises(NoInkError, match="blank"):
        prepare(np.full((50, 50), 255, np.uint8))
    assert not centre(torch.zeros(2, 1, 28, 28)).any()


def test_paper_keeps_shadows_and_drops_strokes():
    light = torch.full((1, 1, 60, 60), 0.2)
    light[..., 30:] = 0.5  # two halves of the page in different light
    page = light.clone()
    page[..., 10:50, 14:17] = 0.9  # a stroke in either
    page[..., 10:50, 44:47] = 0.9
    error = (paper(page) - light).abs()
    assert error.mean() < 0.02 and error.max() < 0.2  # the strokes stood out by 0.4 and 0.7


def test_threshold_lies_between_the_two_means():
    values = torch.tensor([0.1, 0.1, 0.2, 0.8, 1.0]).reshape(1, 1, 1, 5)
    level, low, high = (v.item() for v in threshold(values))
    assert low == pytest.approx(0.4 / 3) and high == pytest.approx(0.9)
    assert level == pytest.approx((low + high) / 2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (3, 3), (29, 31)])
def test_odd_shapes_are_read(shape):
    page = np.full(shape, 250, np.uint8)
    page.flat[page.size // 2] = 0
    try:
        assert prepare(page).shape == (1, 1, 28, 28)
    except NoInkError:
        assert page.size < 30  # one pixel of ink in next to nothing


def test_a_very_wide_page_stays_quick_and_readable():
    page = np.full((300, 20_000), 255, np.uint8)
    page[100:200, 9_000:9_015] = 0
    ink = prepare(page)[0, 0] > 0.5
    assert ink.any(1).sum() > 15 and ink.any(0).sum() < 8
