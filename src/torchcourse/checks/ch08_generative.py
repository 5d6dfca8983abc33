"""Checkers of chapter 8's lab."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from torchcourse.checks.core import Attempt, Slip, exercise


@exercise(
    "The chance comes from outside, so the code knows how it depends on mean and variance, and "
    "gradients pass. σ is exp(log_var / 2)."
)
def reparameterise(attempt: Attempt) -> None:
    """reparameterise(mean, log_var, noise): (B, Z) three times → (B, Z)."""
    mean = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
    variance = torch.tensor([[4.0, 9.0], [0.25, 16.0]])
    noise = torch.tensor([[1.0, 2.0], [-1.0, 0.5]])
    attempt.expect(
        attempt(mean.clone(), variance.log(), noise.clone()),
        torch.tensor([[3.0, 4.0], [0.0, 5.0]]),
        Slip(
            mean + variance * noise,
            "You used the variance where the standard deviation belongs.",
            "σ is the root of the variance: exp of *half* the log variance.",
        ),
        Slip(
            mean + variance.log() * noise,
            "You multiplied the noise by the logarithm itself.",
            "Undo the logarithm with `exp`; half of it gives σ.",
        ),
        Slip(
            mean + variance.log().sqrt() * noise,
            "You took the root of the logarithm, which may be negative.",
            "First `exp`, then the root; or `exp` of the half.",
        ),
        Slip(
            torch.tensor([[2.0, 6.0], [-0.5, 2.0]]),
            "The mean is missing: every code is drawn around 0.",
            "Shift the stretched noise by the mean.",
        ),
        Slip(
            torch.tensor([[1.5, -4 / 3], [-1.5, 3.125]]),
            "You divided the noise by σ, which turns a standardised number further the wrong way.",
            "Stretch: multiply the noise by σ.",
        ),
        Slip(
            mean,
            "That is the mean alone: nothing is drawn, as in a plain autoencoder.",
            "Add σ times the noise you were given.",
        ),
    )
    for batch, latent in ((5, 3), (1, 4)):
        draws = [torch.randn(batch, latent, generator=attempt.random) for _ in range(3)]
        want = torch.addcmul(draws[0], torch.exp(0.5 * draws[1]), draws[2])
        case = "a batch of one" if batch == 1 else f"{batch} codes of {latent} numbers"
        attempt.expect(attempt(*draws), want, case=case)
    attempt.expect_gradient(*draws, wrt=0)
    attempt.expect_gradient(*draws, wrt=1)


@exercise(
    "The KL to N(0, 1) is summed over the numbers of a code, one value for each picture. It is 0 "
    "only for the prior itself, and grows when σ shrinks."
)
def kl_to_standard(attempt: Attempt) -> None:
    """kl_to_standard(mean, log_var): (B, Z), (B, Z) → (B,)."""
    mean = torch.tensor([[1.0, 0.0], [3.0, -1.0], [0.0, 2.0]])
    log_var = torch.tensor([[0.0, 0.0], [0.0, 0.0], [2.0, -2.0]])
    spread = log_var.exp() - log_var - 1  # (3, 2)
    want = torch.tensor([0.5, 5.0, 2 + torch.tensor(2.0).cosh().item() - 1])
    each = 0.5 * (mean.square() + spread)
    attempt.expect(
        attempt(mean.clone(), log_var.clone()),
        want,
        Slip(
            -want,
            "The sign is turned: a KL divergence is never negative.",
            "Each bracket is μ² + σ² - log σ² - 1.",
        ),
        Slip(
            2 * want,
            "Everything is twice too large: the ½ before the sum is missing.",
            "Multiply the sum by one half.",
        ),
        Slip(
            each.mean(dim=1),
            "You averaged over the numbers of the code; that makes the KL lighter, the longer the "
            "code is.",
            "Sum over the second axis.",
        ),
        Slip(
            want.sum(),
            "You added up the pictures as well, and one number is left.",
            "Sum over `dim=1` only; the batch stays.",
        ),
        Slip(
            want.mean(),
            "You averaged over the batch as well. That is done outside, with the other loss.",
            "One value for each picture: (B,).",
        ),
        Slip(
            each,
            "The numbers of a code are not added up: one value for each number is left.",
            "Sum over `dim=1`.",
        ),
        Slip(
            want - torch.tensor([-1.0, -1.0, -1.0]),
            "The 1 in the bracket is missing, so even N(0, 1) is at a distance from itself.",
            "Subtract 1 for each number of the code.",
        ),
        Slip(
            0.5 * (mean.square() + (2 * log_var).exp() - 2 * log_var - 1).sum(1),
            "You took `log_var` for the logarithm of σ; it is that of σ².",
            "σ² is `log_var.exp()`, and log σ² is `log_var` itself.",
        ),
    )
    for batch, latent in ((5, 3), (1, 6)):
        mean = torch.randn(batch, latent, generator=attempt.random)
        std = torch.rand(batch, latent, generator=attempt.random) + 0.3
        normal = torch.distributions.Normal
        want = torch.distributions.kl_divergence(normal(mean, std), normal(0.0, 1.0))
        case = "a batch of one" if batch == 1 else f"{batch} codes of {latent} numbers"
        want = torch.einsum("bz->b", want)
        attempt.expect(attempt(mean, 2 * std.log()), want, case=case)
    attempt.expect_gradient(mean, 2 * std.log(), wrt=1)


@exercise(
    "Minus the estimate of the distance: minimising it pushes real scores up and made ones down. "
    "No sigmoid, no logarithm; a score may be any number."
)
def critic_loss(attempt: Attempt) -> None:
    """critic_loss(real_scores, fake_scores): (B,), (N,) → ()."""
    real, fake = torch.tensor([5.0, 7.0]), torch.tensor([1.0, 2.0, 3.0, -2.0])
    softplus = F.softplus
    attempt.expect(
        attempt(real.clone(), fake.clone()),
        torch.tensor(-5.0),
        Slip(
            torch.tensor(5.0),
            "The sign is turned: minimising this makes the critic prefer what is made.",
            "A loss is minimised; the distance should grow. Put a minus before it.",
        ),
        Slip(
            torch.tensor(-8.0),
            "You added the scores up, so the loss depends on how many there are.",
            "Take the mean of each kind.",
        ),
        Slip(
            softplus(-real).mean() + softplus(fake).mean(),
            "That is the classic GAN's cross-entropy, which goes flat where the critic is sure.",
            "A Wasserstein critic needs no logarithm: only the two means.",
        ),
        Slip(
            fake.sigmoid().mean() - real.sigmoid().mean(),
            "A sigmoid squeezes the scores into 0 to 1, and with them the distance.",
            "Use the scores as they are.",
        ),
        Slip(
            torch.tensor(-1.0),
            "That is the loss of the generator: real scores play no part in it.",
            "The critic compares both kinds.",
        ),
        Slip(
            torch.tensor(-4.0) / 3,
            "You averaged over all scores together, so the more numerous kind counts more.",
            "One mean for real, one for made, then the difference.",
        ),
        case="two real scores and four made ones",
    )
    attempt.expect(
        attempt(real - 100, fake.clone()),
        torch.tensor(95.0),
        Slip(
            torch.tensor(-95.0),
            "You took the size of the difference: a critic that has everything the wrong way "
            "round would look perfect.",
            "No `abs`: the loss is positive while the critic is wrong.",
        ),
        case="a critic that scores real data lower",
    )
    for batch in (6, 1):
        fake = torch.randn(batch, generator=attempt.random)
        want = torch.randn((), generator=attempt.random)
        case = "one score of each kind" if batch == 1 else f"{batch} scores of each kind"
        attempt.expect(attempt(fake.flip(0) - want, fake), want, case=case)
    attempt.expect_gradient(real, fake, wrt=0)
    attempt.expect_gradient(real, fake, wrt=1)


@exercise(
    "A label is a name, not a size: one column for each class, beside the noise. The number of "
    "classes is given, because a batch need not hold them all."
)
def conditional_input(attempt: Attempt) -> None:
    """conditional_input(noise, labels, num_classes): (B, Z), (B,) int64, int → (B, Z + K)."""
    noise, labels = torch.tensor([[0.5, -1.0], [2.0, 3.0], [4.0, 6.0]]), torch.tensor([2, 0, 1])
    hot = torch.tensor([[0.0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]])
    wanted = torch.tensor([[0.5, -1, 0, 0, 1, 0], [2, 3, 1, 0, 0, 0], [4, 6, 0, 1, 0, 0]])
    attempt.expect(
        attempt(noise.clone(), labels.clone(), 4),
        wanted,
        Slip(
            torch.hstack([noise, labels[:, None].float()]),
            "The label goes in as a number, as if class 2 were twice class 1.",
            "Give each class a column of its own.",
        ),
        Slip(
            wanted[:, :-1],
            "The width depends on the labels that happen to be in this batch: class 3 is not.",
            "Use `num_classes`.",
        ),
        Slip(
            torch.hstack([hot, noise]),
            "The classes come first; asked for is noise first.",
            "Change the order in `torch.cat`.",
        ),
        Slip(
            torch.hstack([noise, hot.flip(0)]),
            "Noise and labels are out of step: a row got the label of another.",
            "Keep the order of the batch.",
        ),
        Slip(
            torch.hstack([noise, hot.roll(-1, dims=1)]),
            "The columns are off by one: classes are counted from 0.",
            "Class k belongs in column k.",
        ),
        Slip(
            torch.hstack([torch.zeros(3, 2), hot]),
            "The noise is gone: every picture of a class would be the same.",
            "Keep the noise as it is, beside the one-hot columns.",
        ),
        case="four classes, of which three are in the batch",
    )
    for batch, latent, classes in ((5, 3, 7), (1, 4, 10)):
        noise = torch.randn(batch, latent, generator=attempt.random)
        labels = torch.randint(classes, (batch,), generator=attempt.random)
        columns = (torch.arange(classes) == labels[:, None]).float()
        case = "a batch of one" if batch == 1 else f"{classes} classes"
        want = torch.hstack([noise, columns])
        attempt.expect(attempt(noise, labels, classes), want, case=case)
    attempt.expect_gradient(noise, labels, classes)


def _half_square(x: Tensor) -> Tensor:
    """A critic whose slope at x is x itself: (B, ...) → (B,)."""
    return x.square().flatten(1).sum(dim=1) / 2


@exercise(
    "One share and one length for each picture, the length over all its numbers. For a linear "
    "critic the penalty is (‖w‖ - 1)², whatever the pictures are: a test you can always make."
)
def gradient_penalty(attempt: Attempt) -> None:
    """gradient_penalty(critic, real, fake, share): …, (B, C, H, W) twice, (B,) → ()."""
    picture = torch.tensor([[[3.0, 0.0]], [[0.0, 4.0]]])  # (C, H, W) of length 5
    real, fake = picture.expand(2, 2, 1, 2).clone(), torch.zeros(2, 2, 1, 2)
    attempt.expect(
        attempt(_half_square, real, fake, torch.tensor([0.6, 0.1])),
        torch.tensor((4 + 0.25) / 2),
        Slip(
            torch.tensor((0.64 + 1.96 + 0.49 + 0.36) / 4),
            "The norm runs over the channels only: each pixel is asked for a slope of 1.",
            "A picture is one point with C · H · W numbers: `flatten(1)` before the norm.",
        ),
        Slip(
            torch.tensor((9.25**0.5 - 1) ** 2),
            "The norm runs over the whole batch, so the pictures share one length.",
            "Flatten from axis 1, and take the norm over `dim=1`.",
        ),
        Slip(
            torch.tensor(4.0),
            "You used one share for the whole batch, that of the first picture.",
            "Each picture has a share of its own: give `share` the shape (B, 1, 1, 1).",
        ),
        Slip(
            torch.tensor(0.75**2),
            "You mixed the whole batch with the mean of the shares.",
            "Each picture has a share of its own: give `share` the shape (B, 1, 1, 1).",
        ),
        Slip(
            torch.tensor((1 + 12.25) / 2),
            "Real and made are exchanged in the mixture.",
            "`share` is the share of the real picture, 1 - share that of the made one.",
        ),
        Slip(
            torch.tensor(16.0),
            "The slope is taken at the real pictures; nothing is mixed.",
            "Take it at share · real + (1 - share) · fake.",
        ),
        Slip(
            torch.tensor(2.0),
            "You punish only slopes above 1. That is another variant; asked for is both sides.",
            "No `relu` and no `clamp` before the square.",
        ),
        Slip(
            torch.tensor(4.25),
            "You added the penalties up; the weight would grow with the batch.",
            "Take the mean over the pictures.",
        ),
        Slip(
            torch.tensor(9.25 / 2),
            "You punish every slope: the 1 is missing.",
            "The slope should be 1, not 0: subtract it before the square.",
        ),
        Slip(
            torch.tensor((64 + 0.75**2) / 2),
            "You compare the *squared* length with 1.",
            "Take the root, or use `norm`, before you subtract 1.",
        ),
        case="a critic whose slope is the picture itself",
    )
    for shape in ((4, 3, 5, 2), (1, 1, 3, 4)):
        weight = torch.randn(shape[1:], generator=attempt.random).requires_grad_()
        pictures = [torch.rand(shape, generator=attempt.random) for _ in range(2)]
        share = torch.rand(shape[0], generator=attempt.random)
        want = (torch.linalg.vector_norm(weight.detach()) - 1) ** 2
        case = "a linear critic" + (" and a batch of one" if shape[0] == 1 else "")
        got = attempt(lambda x, w=weight: torch.einsum("bchw,chw->b", x, w), *pictures, share)
        attempt.expect(got, want, case=case)
    _expect_slope_for_critic(attempt, got, weight)


def _expect_slope_for_critic(attempt: Attempt, got: Tensor, weight: Tensor) -> None:
    """Stop unless the penalty's gradient reaches the critic, 2 (‖w‖ - 1) w / ‖w‖."""
    if got.requires_grad:
        attempt.run(got.backward, may_change=True)
    if weight.grad is None:
        attempt.stop(
            "The value is right, but no gradient of it reaches the critic: the penalty would "
            "change nothing.",
            "`torch.autograd.grad(..., create_graph=True)` keeps the record of how the slope "
            "was computed.",
        )
    norm = torch.linalg.vector_norm(weight.detach())
    want = 2 * (norm - 1) * F.normalize(weight.detach().flatten(), dim=0).view_as(weight)
    attempt.expect(weight.grad, want, name="the penalty's gradient for the critic")


@exercise(
    "Back and forth through the matrix, the vector turns towards the largest stretch. Dividing by "
    "that stretch makes the layer 1-Lipschitz."
)
def largest_stretch(attempt: Attempt) -> None:
    """largest_stretch(weight, v, rounds): (M, N), (N,), int → ((), (N,))."""
    weight, v = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0.6, 0.8])
    turned = torch.tensor([3.0, 1.0]) / 10**0.5  # v after a round: (2.4, 0.8), made a unit
    u = torch.tensor([1.5, 1.0]) / 3.25**0.5  # (1.2, 0.8), made a unit
    stretch = torch.tensor((10 / 3.25) ** 0.5)  # u · (W v) = (9 + 1) / √(3.25 · 10)
    attempt.expect(
        attempt(weight.clone(), v.clone(), 1),
        (stretch, turned),
        Slip(
            (torch.tensor(2.08**0.5), v),
            "That is how far the vector you were given is stretched; it was never turned.",
            "A round goes forth with `weight` and back with `weight.T`.",
        ),
        Slip(
            (stretch, u),
            "You return the vector of the other side, u.",
            "Return v, so that the next call can begin with it.",
        ),
        Slip(
            (stretch, v),
            "You return the vector you were given; the next call would begin anew.",
            "Return v as the last round left it.",
        ),
        Slip(
            (torch.tensor(10 / 3.25), turned),
            "You return the square of the stretch: WᵀW stretches twice.",
            "Use u · (W v), with u and v of length 1.",
        ),
        Slip(
            (torch.tensor(5**0.5), turned),
            "That is the Frobenius norm, the root of the sum of all squares; a layer would be "
            "bounded too tightly.",
            "Ask how far one direction is stretched: u · (W v).",
        ),
        Slip(
            (weight.mv(torch.tensor([1.2, 0.8])).norm(), torch.tensor([2.4, 0.8])),
            "The vectors are not made units, so they grow with every round.",
            "`F.normalize(x, dim=0)` after each product.",
        ),
        Slip(
            (
                torch.tensor([1.2, 0.8]).dot(weight @ torch.tensor([2.4, 0.8])),
                torch.tensor([2.4, 0.8]),
            ),
            "The vectors are not made units, so they grow with every round.",
            "`F.normalize(x, dim=0)` after each product.",
        ),
        case="one round",
    )
    for rows, columns in ((5, 3), (2, 6), (1, 4)):
        few = min(rows, columns)
        left = torch.linalg.qr(torch.randn(rows, few, generator=attempt.random)).Q
        right = torch.linalg.qr(torch.randn(columns, few, generator=attempt.random)).Q
        top = torch.tensor(4.0)
        stretches = torch.cat([top[None], torch.rand(few - 1, generator=attempt.random) + 0.5])
        weight, start = left * stretches @ right.mT, F.normalize(right.sum(dim=1), dim=0)
        case = f"a {rows} × {columns} matrix and 30 rounds"
        got = attempt(weight, start, 30)
        sign = torch.sign(right[:, 0] @ start)
        attempt.expect(
            got,
            (top, sign * right[:, 0]),
            Slip(
                _one_round(weight, start),
                "You make one round, whatever `rounds` says.",
                "Repeat both products `rounds` times.",
            ),
            case=case,
        )


def _one_round(weight: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """What one round alone leads to, for the hint."""
    there = F.normalize(torch.mv(weight, v), dim=0)
    back = F.normalize(torch.mv(weight.mT, there), dim=0)
    return there @ weight @ back, back
