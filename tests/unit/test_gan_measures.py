"""The measures of generated digits against closed forms, and against cheats they must catch."""

from __future__ import annotations

import pytest
import torch

from torchcourse.capstones.gan.measures import (
    agreement,
    diversity,
    frechet_distance,
    look,
    nearest,
    taught,
)
from torchcourse.data import digits


@pytest.fixture(scope="module")
def data():
    bundled = digits.load_bundled(train=True)
    return bundled.images[:600], bundled.labels[:600]


def with_moments(mean, covariance, count=400):
    """A cloud with exactly this mean and covariance, (count, D)."""
    torch.manual_seed(0)
    cloud = torch.randn(count, len(mean), dtype=torch.float64)
    cloud -= cloud.mean(0)
    white = cloud @ torch.linalg.inv(torch.linalg.cholesky(cloud.T.cov())).T
    return white @ torch.linalg.cholesky(covariance).T + mean


def test_frechet_distance_is_its_closed_form():
    zero, eye = torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    one = with_moments(zero, eye)
    other = with_moments(zero + 2, eye * torch.tensor([1.0, 4.0, 9.0]))
    # 3 · 2² for the means, (1 − 1)² + (2 − 1)² + (3 − 1)² for the deviations
    assert frechet_distance(one, other) == pytest.approx(17, abs=1e-6)
    assert frechet_distance(other, one) == pytest.approx(17, abs=1e-6)
    assert frechet_distance(other, other) == pytest.approx(0, abs=1e-6)
    # one feature: (2 − 0)² for the means, and equal deviations
    assert frechet_distance(one[:, :1], other[:, :1]) == pytest.approx(4, abs=1e-6)


def test_frechet_distance_does_not_care_how_the_axes_lie():
    """Covariances that do not commute: the matrix root matters, not the diagonal."""
    eye = torch.eye(2, dtype=torch.float64)
    turned = torch.tensor([[2.5, 1.5], [1.5, 2.5]], dtype=torch.float64)  # eigenvalues 4 and 1
    one, other = with_moments(eye[0], 3 * eye), with_moments(eye[0], turned)
    expected = (3**0.5 - 2) ** 2 + (3**0.5 - 1) ** 2
    assert frechet_distance(one, other) == pytest.approx(expected, abs=1e-6)


def test_too_few_pictures_are_told():
    with pytest.raises(ValueError, match="take more pictures"):
        frechet_distance(torch.randn(96, 96), torch.randn(500, 96))
    with pytest.raises(ValueError, match=r"\(N, D\) and \(M, D\)"):
        frechet_distance(torch.randn(20, 3), torch.randn(20, 4))


def test_judge_reads_real_digits_and_sees_a_wrong_label(data):
    images, labels = data
    seen = look(images)
    assert seen.features.shape == (600, 96)
    assert agreement(images, labels) > 0.9
    assert agreement(images, (labels + 1) % 10) < 0.1
    torch.testing.assert_close(look(images[:30] / 255).features, seen.features[:30])


def test_frechet_distance_catches_the_mean_picture():
    images, labels = digits.load_bundled(train=True)[:2]
    means = torch.stack([images[labels == d].float().mean(0) for d in range(10)])[labels] / 255
    real, rest, cheat = look(images[:700]), look(images[700:]), look(means[:700])
    floor = frechet_distance(real.features, rest.features)
    assert frechet_distance(real.features, cheat.features) > 2 * floor
    assert agreement(means[:700], labels[:700]) > 0.9  # accuracy alone does not


def test_diversity():
    pictures = torch.zeros(20, 1, 28, 28)
    labels = torch.arange(10).repeat(2)
    pictures[10:, :, 0, :4] = 1.0  # the second of each class has four bright pixels more
    torch.testing.assert_close(diversity(pictures, labels), torch.full((10,), 2.0))
    torch.testing.assert_close(
        diversity((255 * pictures).to(torch.uint8), labels), torch.full((10,), 2.0)
    )


def test_nearest_finds_copies_wherever_they_are(data):
    images, _ = data
    album = images.repeat(10, 1, 1, 1)[:5500]  # more than one piece of the work
    album[:5400] = 255 - album[:5400]
    distances, rows = nearest(album[5450:5460], album)
    assert rows.tolist() == list(range(5450, 5460)) and distances.max() < 1e-2
    far, _ = nearest(torch.ones(2, 1, 28, 28), torch.zeros(3, 1, 28, 28, dtype=torch.uint8))
    torch.testing.assert_close(far, torch.full((2,), 28.0))


def test_a_student_learns_what_it_is_taught(data):
    images, labels = data
    renamed = (labels + 1) % 10  # a teacher with names of its own
    accuracy = taught(images[:300], renamed[:300], images[500:], renamed[500:], epochs=30)
    assert accuracy > 0.6
