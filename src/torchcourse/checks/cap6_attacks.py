"""Checkers of capstone 6's lab."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torchcourse.checks.core import Attempt, Slip, exercise


def _signs(attempt: Attempt, *shape: int) -> Tensor:
    """Random -1 and 1."""
    return torch.randint(0, 2, shape, generator=attempt.random) * 2.0 - 1


@exercise(
    "Only the sign of the gradient counts: every pixel goes the whole ε, however small its slope. "
    "Then back into what a picture can be."
)
def fgsm_step(attempt: Attempt) -> None:
    """fgsm_step(x, gradient, eps): (B, ...), (B, ...), float → (B, ...)."""
    x = torch.tensor([[0.5, 0.98, 0.02, 0.3]])
    gradient = torch.tensor([[2.0, 0.01, -3.0, 0.0]])
    attempt.expect(
        attempt(x.clone(), gradient.clone(), 0.1),
        torch.tensor([[0.6, 1.0, 0.0, 0.3]]),
        Slip(
            torch.tensor([[0.6, 1.08, -0.08, 0.3]]),
            "No picture has such pixels: two of them left the range from 0 to 1.",
            "Clamp the result to [0, 1].",
        ),
        Slip(
            torch.tensor([[0.7, 0.981, 0.0, 0.3]]),
            "You multiplied by the gradient itself: one pixel goes too far, another hardly moves.",
            "Take the sign of the gradient first.",
        ),
        Slip(
            torch.tensor([[0.7, 0.981, -0.28, 0.3]]),
            "You multiplied by the gradient itself, and left the range of pixels.",
            "Take the sign of the gradient, and clamp the result.",
        ),
        Slip(
            torch.tensor([[0.4, 0.88, 0.12, 0.3]]),
            "You walked down: the loss falls, and the network gets surer of the right answer.",
            "An attack climbs: add, do not subtract.",
        ),
        Slip(
            torch.tensor([[0.1, 0.1, 0.0, 0.0]]),
            "That is the change alone; the picture is gone.",
            "Add the change to `x`.",
        ),
        Slip(
            (x + 0.1 * F.normalize(gradient, dim=1)).clamp(0, 1),
            "You made the gradient a unit vector: one pixel takes most of the change.",
            "ε bounds every pixel for itself, so take the sign of each.",
        ),
        case="four pixels, one of them without slope",
    )
    for shape in ((3, 2, 4, 5), (1, 3, 2, 2)):
        want = 0.1 + 0.8 * torch.rand(*shape, generator=attempt.random)
        sign = _signs(attempt, *shape)
        slope = sign * (torch.rand(*shape, generator=attempt.random) + 1e-6)
        case = "a batch of one" if shape[0] == 1 else "three colour pictures"
        attempt.expect(attempt(want - 0.05 * sign, slope, 0.05), want, case=case)


@exercise(
    "Two limits hold at once: no pixel further than ε from the picture, and none outside of 0 to "
    "1. Both are boxes, so two clamps do it."
)
def project(attempt: Attempt) -> None:
    """project(adversarial, x, eps): (B, ...), (B, ...), float → (B, ...)."""
    x = torch.tensor([[0.5, 0.05, 0.97, 0.4]])
    adversarial = torch.tensor([[0.9, -0.2, 1.3, 0.45]])
    change = adversarial - x
    attempt.expect(
        attempt(adversarial.clone(), x.clone(), 0.1),
        torch.tensor([[0.6, 0.0, 1.0, 0.45]]),
        Slip(
            adversarial.clamp(0, 1),
            "The pixels are pixels again, but the first is 0.4 away from the picture.",
            "Limit the *change* to [-ε, ε] as well.",
        ),
        Slip(
            x + change.clamp(-0.1, 0.1),
            "Each pixel is within ε, but two left the range from 0 to 1.",
            "Clamp the picture to [0, 1] at the end.",
        ),
        Slip(
            adversarial.clamp(-0.1, 0.1),
            "You limited the pixels themselves to ε, not their change.",
            "Subtract `x`, limit the difference, add `x` again.",
        ),
        Slip(
            change.clamp(-0.1, 0.1),
            "That is the change alone.",
            "Add the limited change to `x`.",
        ),
        Slip(
            (x + 0.1 * change.sign()).clamp(0, 1),
            "Every pixel is pushed out to the border of the box; the last one was inside.",
            "What is inside stays where it is: `clamp`, not `sign`.",
        ),
        Slip(
            (x + change * (0.1 / change.norm())).clamp(0, 1),
            "You scaled the whole change to length ε: that is a ball, not a box.",
            "Each pixel has its own limit: clamp the change.",
        ),
        case="four pixels, one of them already inside",
    )
    for shape in ((3, 2, 4, 5), (1, 3, 2, 2)):
        x = torch.rand(*shape, generator=attempt.random)
        low, high = (x - 0.08).relu(), 1 - (0.92 - x).relu()  # the box of each pixel
        kind = torch.randint(0, 3, shape, generator=attempt.random)
        beyond = torch.rand(*shape, generator=attempt.random)
        want = torch.stack([low, x, high]).gather(0, kind[None])[0]
        case = "a batch of one" if shape[0] == 1 else "three colour pictures"
        attempt.expect(attempt(want + (kind - 1) * beyond, x, 0.08), want, case=case)


@exercise(
    "The gradient of the *sum* of the losses: no picture's share depends on how many others came "
    "along. And the parameters are left as they were."
)
def input_gradient(attempt: Attempt) -> None:
    """input_gradient(model, x, y): model, (B, N), (B,) int64 → (B, N)."""
    model = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    x, y = torch.zeros(2, 2), torch.tensor([0, 1])
    want = torch.tensor([[-0.5, 1.0], [0.5, -1.0]])
    attempt.expect(
        attempt(model, x, y),
        want,
        Slip(
            want / 2,
            "Every gradient is too small by the size of the batch: you took the mean loss.",
            'Use `reduction="sum"`.',
        ),
        Slip(
            -want,
            "The sign is turned: that is the gradient of minus the loss.",
            "`F.cross_entropy` is the loss already; do not negate it.",
        ),
        Slip(
            torch.tensor([[1.0, 0.0], [0.0, 2.0]]),
            "That is the gradient of the logits, not of the loss.",
            "Put the logits and `y` into `F.cross_entropy` first.",
        ),
        Slip(
            torch.tensor([[1.0, 2.0], [1.0, 2.0]]),
            "That is the gradient of all logits added up; the labels play no part.",
            "Put the logits and `y` into `F.cross_entropy` first.",
        ),
        Slip(
            torch.tensor([[0.0, 0.0], [0.0, 0.0]]),
            "No gradient came out. Here the weights see a picture of zeros, but the pixels do "
            "have a slope.",
            "Differentiate with respect to `x`, not to the parameters.",
        ),
        case="two pictures and a linear model",
    )
    if any(p.grad is not None for p in model.parameters()):
        attempt.stop(
            "The values are right, but `loss.backward()` has left gradients on the model's "
            "parameters; the next training step would add them up.",
            "Ask for the one gradient you need: `torch.autograd.grad(loss, x)`.",
        )
    if x.requires_grad:
        attempt.stop(
            "The values are right, but the caller's `x` now requires a gradient.",
            "Start with `x = x.detach().clone().requires_grad_()`, a tensor of your own.",
        )
    for batch in (4, 1):
        model = nn.Linear(6, 3)
        x = torch.rand(batch, 6, generator=attempt.random)
        y = torch.randint(3, (batch,), generator=attempt.random)
        with torch.no_grad():
            excess = model(x).softmax(1) - F.one_hot(y, 3)  # (B, 3): what theory says
            want = excess @ model.weight
        case = "a batch of one" if batch == 1 else "four pictures, three classes"
        attempt.expect(attempt(model, x, y), want, case=case)
    before = torch.ones_like(model.weight)
    model.weight.grad = before.clone()
    attempt(model, x, y)
    if model.weight.grad is None or not torch.equal(model.weight.grad, before):
        attempt.stop(
            "The model had gradients of its own, and your function changed or deleted them. A "
            "training loop that adds up several batches would lose them.",
            "No `backward()` and no `zero_grad()`: `torch.autograd.grad(loss, x)` touches neither.",
        )


def _towards(goal: Tensor):
    """The gradient of a loss that is highest at `goal`."""
    return lambda z: goal - z


@exercise(
    "Step, project, clamp, and again with a *new* gradient. The box is always around the picture, "
    "wherever the walk began."
)
def pgd_loop(attempt: Attempt) -> None:
    """pgd_loop(gradient_at, x, start, eps, step_size, steps): …, (B, ...) twice, … → (B, ...)."""
    x = torch.tensor([[0.5, 0.5, 0.95, 0.5]])
    goal = torch.tensor([[2.0, -1.0, 3.0, 0.55]])
    attempt.expect(
        attempt(_towards(goal), x.clone(), x.clone(), 0.1, 0.04, 4),
        torch.tensor([[0.6, 0.4, 1.0, 0.58]]),
        Slip(
            torch.tensor([[0.66, 0.34, 1.0, 0.58]]),
            "There are pixels further than ε from the picture: nothing is projected, or onto a "
            "box around the last point instead of the picture.",
            "After each step limit the difference to `x` to [-ε, ε].",
        ),
        Slip(
            torch.tensor([[0.66, 0.34, 1.11, 0.58]]),
            "Nothing is projected: pixels leave the ε-box and the range from 0 to 1.",
            "After each step limit the difference to `x`, then clamp to [0, 1].",
        ),
        Slip(
            torch.tensor([[0.6, 0.4, 1.05, 0.58]]),
            "One pixel is brighter than white.",
            "Clamp to [0, 1] after the projection.",
        ),
        Slip(
            torch.tensor([[0.6, 0.4, 1.0, 0.6]]),
            "The last pixel walked on although the slope had turned: the gradient is taken only "
            "once.",
            "Ask `gradient_at` anew in every step, at the point reached.",
        ),
        Slip(
            torch.tensor([[0.4, 0.6, 0.85, 0.4]]),
            "You walked down: the loss falls.",
            "An attack climbs: add the step.",
        ),
        Slip(
            torch.tensor([[0.54, 0.46, 0.99, 0.54]]),
            "There was one step only.",
            "Repeat `steps` times, and return after the loop.",
        ),
        Slip(
            torch.tensor([[0.6, 0.4, 1.0, 0.54]]),
            "The number of steps is off by one.",
            "`range(steps)` gives exactly `steps` rounds.",
        ),
        case="four steps of 0.04 in a box of 0.1",
    )
    x, start = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.58, 0.42]])
    attempt.expect(
        attempt(_towards(torch.full((1, 2), 2.0)), x.clone(), start.clone(), 0.1, 0.04, 2),
        torch.tensor([[0.6, 0.5]]),
        Slip(
            torch.tensor([[0.66, 0.5]]),
            "The box is around the start, so the first pixel is 0.16 from the picture.",
            "Measure the change from `x`; `start` is only where the walk begins.",
        ),
        Slip(
            torch.tensor([[0.58, 0.58]]),
            "The walk began at the picture, not at `start`.",
            "Begin with `start`: in PGD it is a random point of the box.",
        ),
        case="a start that is not the picture",
    )
    x = torch.tensor([[0.5]])
    attempt.expect(
        attempt(_towards(torch.tensor([[0.64]])), x.clone(), x.clone(), 0.1, 0.08, 5),
        torch.tensor([[0.6]]),
        Slip(
            torch.tensor([[0.58]]),
            "You projected only at the end: on the way the walk left the box, and was sent back "
            "by a slope that no picture within ε has.",
            "Project inside the loop, after every step.",
        ),
        case="a slope that turns outside of the box",
    )
    for shape in ((3, 2, 4, 5), (1, 3, 2, 2)):
        x = torch.rand(*shape, generator=attempt.random)
        sign = _signs(attempt, *shape)
        start = x.clone()
        want = torch.where(sign > 0, 1 - (0.92 - x).relu(), (x - 0.08).relu())
        got = attempt(_towards(100 * sign), x, start, 0.08, 0.03, 6)
        case = "a batch of one" if shape[0] == 1 else "three colour pictures"
        attempt.expect(got, want, case=case)


@exercise(
    "One climb serves both attacks: away from the true label the loss goes up, towards a wanted "
    "label *minus* its loss does."
)
def attack_loss(attempt: Attempt) -> None:
    """attack_loss(logits, labels, targeted): (B, C), (B,) int64, bool → ()."""
    share = torch.tensor([[0.8, 0.2], [0.25, 0.75]])
    logits, labels = share.log() + 3, torch.tensor([0, 1])
    loss = -torch.tensor(0.8 * 0.75).log()
    slips = (
        Slip(
            torch.tensor(0.8 + 0.75),
            "Those are probabilities, without the logarithm: where the network is sure, they are "
            "flat.",
            "Use `F.cross_entropy`.",
        ),
        Slip(
            F.cross_entropy(share, labels, reduction="sum"),
            "Softmax was applied twice: `cross_entropy` wants logits.",
            "Leave the softmax out.",
        ),
    )
    attempt.expect(
        attempt(logits.clone(), labels.clone(), False),
        loss,
        Slip(
            -loss,
            "Climbing this makes the network surer of the right label.",
            "Untargeted: climb the loss of the true label itself.",
        ),
        Slip(
            loss / 2,
            "You took the mean: each picture's gradient would shrink with the batch.",
            'Use `reduction="sum"`.',
        ),
        Slip(
            -loss * torch.log(torch.tensor([0.8, 0.75])) / loss,
            "One loss for each picture is left; the climb needs a single number.",
            'Use `reduction="sum"`.',
        ),
        *slips,
        case="an untargeted attack",
    )
    attempt.expect(
        attempt(logits.clone(), labels.clone(), True),
        -loss,
        Slip(
            loss,
            "You climb the loss of the label that you *want*: the picture runs away from it, and "
            "the old answer gets stronger.",
            "Targeted: return minus the loss.",
        ),
        Slip(
            1 / loss,
            "The reciprocal also grows as the loss falls, but without bound near 0, and its "
            "slope is another one.",
            "Return minus the loss.",
        ),
        case="a targeted attack",
    )
    for batch in (5, 1):
        odds = torch.rand(batch, 4, generator=attempt.random) + 0.1
        labels = torch.randint(4, (batch,), generator=attempt.random)
        chosen = odds[range(batch), labels] / odds.sum(1)  # (B,)
        want = -chosen.prod().log()
        case = "a batch of one" if batch == 1 else "five pictures, four classes"
        attempt.expect(attempt(odds.log(), labels, False), want, case=case)
        attempt.expect(attempt(odds.log(), labels, True), -want, case=case)
    attempt.expect_gradient(odds.log(), labels, True)


@exercise(
    "A picture is robust only if *every* attempt failed on it. So each restart can only lower the "
    "number, and it stays an upper bound."
)
def robust_accuracy(attempt: Attempt) -> None:
    """robust_accuracy(still_right): (R, N) bool → () float."""
    still_right = torch.tensor(
        [
            [1, 1, 0, 1, 0, 0, 0, 0],
            [1, 1, 1, 1, 0, 0, 1, 0],
            [1, 1, 0, 0, 1, 1, 1, 0],
        ],
        dtype=torch.bool,
    )
    attempt.expect(
        attempt(still_right.clone()),
        torch.tensor(2 / 8),
        Slip(
            torch.tensor(13 / 24),
            "You averaged over the attempts, as if the attacker had one try and no choice.",
            "First ask of each picture whether *all* attempts failed; then take the mean.",
        ),
        Slip(
            torch.tensor(7 / 8),
            "A picture counts for you if *any* attempt failed; that is the defender's luckiest "
            "case.",
            "One success of the attacker is enough: use `all` over the attempts.",
        ),
        Slip(
            torch.tensor(3 / 8),
            "You took the worst single attempt. The attacker may choose another one for every "
            "picture.",
            "Combine the attempts picture by picture, over `dim=0`.",
        ),
        Slip(
            torch.tensor(5 / 8),
            "You looked at the last attempt only.",
            "Use all rows.",
        ),
        Slip(
            torch.tensor(6 / 8),
            "That is the share of pictures that fell.",
            "Accuracy counts those that did not.",
        ),
        Slip(
            torch.tensor(0.0),
            "You asked whether an attempt failed on all pictures; none did.",
            "Attempts are rows: combine over `dim=0`, then average over the pictures.",
        ),
        Slip(
            torch.tensor(2.0),
            "That is how many pictures are left, not their share.",
            "Take the mean.",
        ),
        case="three attempts on eight pictures",
    )
    for attempts, count in ((4, 30), (1, 9)):
        firm = torch.rand(count, generator=attempt.random) < 0.5  # (N,)
        firm[0] = True
        fell_in = torch.randint(attempts, (count,), generator=attempt.random)
        rows = firm | (torch.arange(attempts)[:, None] != fell_in)  # (R, N)
        want = torch.tensor(float(firm.sum()) / count)
        case = "a single attempt" if attempts == 1 else f"{attempts} attempts"
        attempt.expect(attempt(rows), want, case=case)


@exercise(
    "Normalising divides by σ, so the same change of a pixel is another number in every colour. "
    "State ε in pixels, and let the network normalise."
)
def eps_after_normalising(attempt: Attempt) -> None:
    """eps_after_normalising(eps, mean, std): float, (C,), (C,) → (C,)."""
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.25, 0.5, 0.2])
    attempt.expect(
        attempt(51.0, mean.clone(), std.clone()),
        torch.tensor([0.8, 0.4, 1.0]),
        Slip(
            0.2 * std,
            "You multiplied by σ; normalising divides by it.",
            "A small σ stretches: divide.",
        ),
        Slip(
            51 / std,
            "ε is in steps of 255, but the mean and σ are those of pixels from 0 to 1.",
            "Divide ε by 255 first.",
        ),
        Slip(
            torch.full((3,), 0.2),
            "That is ε in pixels from 0 to 1; nothing is normalised yet.",
            "Divide by σ.",
        ),
        Slip(
            (0.2 - mean) / std,
            "You normalised ε like a pixel. But ε is a *difference* of pixels, and there the mean "
            "cancels.",
            "Only σ remains.",
        ),
        Slip(
            torch.full((3,), 0.2) / std.mean(),
            "You used one σ for all colours.",
            "Each colour has its own.",
        ),
        Slip(
            0.2 / std.square(),
            "You divided by the variance.",
            "Normalising divides by the standard deviation.",
        ),
        case="51 of 255, three colours",
    )
    for colours in (4, 1):
        want = torch.rand(colours, generator=attempt.random) + 0.1
        mean = torch.rand(colours, generator=attempt.random)
        case = "a single colour" if colours == 1 else "four colours"
        attempt.expect(attempt(8.0, mean, 8 / 255 / want), want, case=case)


@exercise(
    "The margin says how far the right answer is ahead, in logits: negative means already wrong. "
    "An attack must bring it below 0."
)
def margin(attempt: Attempt) -> None:
    """margin(logits, labels): (B, C), (B,) int64 → (B,)."""
    logits = torch.tensor([[2.0, 5.0, 1.0], [4.0, -1.0, 3.0], [1.0, 1.0, 0.0], [9.0, 2.0, 4.0]])
    labels = torch.tensor([0, 0, 0, 2])
    ahead = torch.tensor([-3.0, 1.0, 0.0, -5.0])
    best = logits.max(dim=1).values
    others = (logits.sum(1) - logits[range(4), labels]) / 2
    attempt.expect(
        attempt(logits.clone(), labels.clone()),
        ahead,
        Slip(
            -ahead,
            "The sign is turned: a right answer has a positive margin.",
            "The label's logit comes first, then minus the best of the others.",
        ),
        Slip(
            torch.tensor([3.0, 1.0, 0.0, 5.0]),
            "You subtracted the second largest from the largest: wrong answers get a positive "
            "margin, too.",
            "Start with the logit of the *label*.",
        ),
        Slip(
            logits[range(4), labels] - best,
            "The label takes part in the maximum, so a right answer has the margin 0.",
            "Leave the label's own logit out of the maximum.",
        ),
        Slip(
            logits[range(4), labels] - others,
            "You subtracted the mean of the others; it takes only one to win.",
            "Subtract their maximum.",
        ),
        Slip(
            logits[range(4), labels],
            "That is the logit of the label alone; only differences of logits mean something.",
            "Subtract the largest of the others.",
        ),
        case="four pictures: wrong, right, a tie, wrong",
    )
    for batch, classes in ((5, 4), (1, 2)):
        want = torch.randn(batch, generator=attempt.random)
        labels = torch.randint(classes, (batch,), generator=attempt.random)
        lower = torch.rand(batch, classes, generator=attempt.random) + 0.1  # below the rival
        rival = (labels + 1) % classes
        rows = torch.arange(batch)
        logits = -lower
        logits[rows, rival] = 0.0
        logits[rows, labels] = want
        case = "a batch of one" if batch == 1 else "five pictures, four classes"
        attempt.expect(attempt(logits - 7, labels), want, case=case)
    attempt.expect_gradient(logits, labels)
