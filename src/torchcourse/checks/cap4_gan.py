"""Checkers of capstone 4's lab: the parts of a conditional GAN, and what measures one."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torchcourse.capstones.gan import measures
from torchcourse.checks.core import Attempt, Slip, exercise

PARAMETERS = ("0.weight", "0.bias", "1.weight", "1.bias")  # of the network in `update_average`

# ---------------------------------------------------------------------------- told the label


@exercise(
    "Normalise over the batch and all pixels, then let the label choose the scale and the shift. "
    "Tables of zeros leave plain BatchNorm: a good start."
)
def conditional_norm(attempt: Attempt) -> None:
    """conditional_norm(x, scale, shift, labels): (B, C, H, W), (K, C) twice, (B,) → like x."""
    # The channels have means 5 and 15, and variance 9.
    x = torch.tensor([[[[0.0, 6.0]], [[18.0, 16.0]]], [[[6.0, 8.0]], [[16.0, 10.0]]]])
    scale = torch.tensor([[0.5, -1.0], [9.0, 9.0], [0.0, 2.0]])
    shift = torch.tensor([[1.0, 0.0], [7.0, 7.0], [-1.0, 0.5]])
    labels = torch.tensor([2, 0])
    centred = x - torch.tensor([5.0, 15.0])[:, None, None]
    normal = centred / 3
    by_label = [table[labels][:, :, None, None] for table in (scale, shift)]
    by_place = [table[:2][:, :, None, None] for table in (scale, shift)]
    attempt.expect(
        attempt(x.clone(), scale.clone(), shift.clone(), labels.clone()),
        torch.tensor([[[[-8 / 3, -2 / 3]], [[3.5, 1.5]]], [[[1.5, 2.5]], [[0.0, 0.0]]]]),
        Slip(
            _modulate(normal, by_label[0] - 1, by_label[1]),
            "You multiply by the scale itself, so a table of zeros would wipe out the picture.",
            "Multiply by 1 + scale.",
        ),
        Slip(
            _modulate(x, *by_label),
            "Nothing is normalised: scale and shift meet the raw values.",
            "First subtract the mean and divide by the standard deviation of each channel.",
        ),
        Slip(
            _modulate(F.instance_norm(x), *by_label),
            "Each picture is normalised on its own, so what tells pictures apart is lost.",
            "Mean and variance run over the batch, too: axes 0, 2 and 3.",
        ),
        Slip(
            _modulate((x - x.mean(0)) / x.std(0, correction=0), *by_label),
            "Each pixel is normalised on its own, over the batch alone.",
            "Mean and variance run over the pixels, too: axes 0, 2 and 3.",
        ),
        Slip(
            _modulate(F.layer_norm(x, x.shape[1:]), *by_label),
            "You normalise over the channels as well, all of a picture together.",
            "Each channel has its own mean: leave axis 1 out.",
        ),
        Slip(
            (normal + by_label[1]) * (1 + by_label[0]),
            "You shift first and scale afterwards, so the shift is scaled, too.",
            "Scale, then shift.",
        ),
        Slip(
            _modulate(normal, *by_place),
            "Each picture takes the row of its place in the batch: the labels are not used.",
            "Pick rows with `scale[labels]`.",
        ),
        Slip(
            _modulate(centred / 12**0.5, *by_label),
            "You divided by the *sample* standard deviation, with N - 1.",
            "BatchNorm divides by N: `correction=0`, or `unbiased=False`.",
        ),
        Slip(
            _modulate(centred / 9, *by_label),
            "You divided by the variance.",
            "Divide by its root.",
        ),
        case="two pictures of one row, two channels, three classes",
    )
    for shape, classes in (((5, 3, 4, 2), 4), ((1, 2, 3, 5), 10)):
        x = 3 * torch.randn(shape, generator=attempt.random) + 1
        scale, shift = torch.randn(2, classes, shape[1], generator=attempt.random)
        labels = torch.randint(classes, shape[:1], generator=attempt.random)
        # One class at a time, by PyTorch's own function.
        want = torch.empty_like(x)
        for label in range(classes):
            want[labels == label] = F.batch_norm(
                x, None, None, 1 + scale[label], shift[label], training=True
            )[labels == label]
        case = "a batch of one" if shape[0] == 1 else f"{shape[0]} pictures, {classes} classes"
        attempt.expect(attempt(x, scale, shift, labels), want, case=case)
    for argument in (0, 1, 2):
        attempt.expect_gradient(x, scale, shift, labels, wrt=argument)


def _modulate(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return x * (1 + scale) + shift


@exercise(
    "Two questions in one score: is it real at all, and is it what was asked for? Without the "
    "second, a perfect 7 would please the critic whatever the label says."
)
def projection_score(attempt: Attempt) -> None:
    """projection_score(found, labels, weight, bias, classes): (B, D), (B,), … → (B,)."""
    found, labels = torch.tensor([[1.0, 2.0], [3.0, -1.0]]), torch.tensor([2, 0])
    weight, bias = torch.tensor([2.0, -1.0]), torch.tensor(0.5)
    classes = torch.tensor([[1.0, 0.0], [5.0, 5.0], [0.0, 3.0]])
    real, fits = torch.tensor([0.5, 7.5]), torch.tensor([6.0, 3.0])
    attempt.expect(
        attempt(found.clone(), labels.clone(), weight.clone(), bias.clone(), classes.clone()),
        torch.tensor([6.5, 10.5]),
        Slip(
            real,
            "The label plays no part: the critic cannot tell a good 3 from a good 7.",
            "Add the product with the row of `classes` that belongs to the label.",
        ),
        Slip(
            fits,
            "Only the class is asked for; whether the picture looks real at all is missing.",
            "Add found · weight + bias.",
        ),
        Slip(
            torch.tensor([6.0, 10.0]),
            "The bias is missing.",
            "Add `bias` once for each picture.",
        ),
        Slip(
            real + torch.tensor([1.0, 10.0]),
            "Each picture meets the row of its place in the batch: the labels are not used.",
            "Pick rows with `classes[labels]`.",
        ),
        Slip(
            real + torch.tensor([3.0, 1.0]),
            "You added the class's numbers up without comparing them with the picture.",
            "Multiply them with `found`, element by element, before you sum.",
        ),
        Slip(
            real[:, None] + found @ classes.T,
            "You scored each picture against every class.",
            "One number for each picture: only the row of its own label counts.",
        ),
        Slip(
            real[:, None] + found @ classes[labels].T,
            "You compared each picture with the label of every other: B × B scores.",
            "Multiply element by element and sum over `dim=1`; `@` pairs all with all.",
        ),
        Slip(
            torch.tensor([[6.5], [10.5]]),
            "The scores are right, but a stray axis is left: (B, 1) meets (B,) as B × B later on.",
            "`squeeze(1)` at the end.",
        ),
        case="two pictures, three classes",
    )
    for batch, width, count in ((4, 3, 5), (1, 6, 10)):
        found, weight = (torch.randn(n, width, generator=attempt.random) for n in (batch, 1))
        classes = torch.randn(count, width, generator=attempt.random)
        labels = torch.randint(count, (batch,), generator=attempt.random)
        bias = torch.randn((), generator=attempt.random)
        want = F.linear(found, classes + weight, bias.expand(count))  # (batch, count)
        want = torch.stack([row[label] for row, label in zip(want, labels, strict=True)])
        arguments = (found, labels, weight[0], bias, classes)
        case = "a batch of one" if batch == 1 else f"{batch} pictures, {count} classes"
        attempt.expect(attempt(*arguments), want, case=case)
    attempt.expect_gradient(*arguments, wrt=0)
    attempt.expect_gradient(*arguments, wrt=4)


# ---------------------------------------------------------------------------- training


class PictureTable(nn.Module):
    """A generator with a picture for each class, brightened by the noise: (B, 1) → (B, 1, 1, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures = nn.Parameter(torch.tensor([[1.0, 2.0], [0.0, -1.0]]))

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        return (noise * self.pictures[labels])[:, None, None]


class WeightTable(nn.Module):
    """A linear critic with weights of its own for each class."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[2.0, 0.0], [-1.0, 3.0]]))

    def forward(self, pictures: Tensor, labels: Tensor) -> Tensor:
        return (pictures.flatten(1) * self.weight[labels]).sum(1)


@exercise(
    "A step of the critic: fresh gradients, made pictures cut off from their maker, and minus the "
    "distance plus the penalty, to be minimised."
)
def critic_step(attempt: Attempt) -> None:
    """critic_step(critic, generator, real, labels, noise, penalty, optimizer) → float."""
    generator, critic = PictureTable(), WeightTable()
    start = critic.weight.detach().clone()
    real = torch.tensor([[3.0, 1.0], [-2.0, 4.0]]).view(2, 1, 1, 2)
    labels, noise = torch.tensor([0, 1]), torch.tensor([[1.0], [2.0]])
    # Real scores 6 and 14, made ones 2 and -6.
    uphill = torch.tensor([[1.0, -0.5], [-1.0, 3.0]])  # the distance's gradient for the weights
    pull = torch.tensor([[0.2, 0.0], [-0.1, 0.3]])  # the penalty's gradient: a tenth of the weights

    def penalty(critic: nn.Module, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor:
        return 0.05 * critic.weight.square().sum() + 0 * (real - fake.detach()).sum()

    for dirty in (False, True):
        critic.load_state_dict({"weight": start})
        critic.weight.grad = torch.full_like(start, 7.0) if dirty else None
        optimizer = torch.optim.SGD(critic.parameters(), lr=1.0)
        answer = attempt(critic, generator, real, labels, noise, penalty, optimizer)
        after = critic.weight.detach().clone()
        attempt.expect(
            after,
            start + uphill - pull,
            *_slips_of_critic_step(start, uphill, pull),
            name="the critic's weight after the step",
            case="gradients left over from another step" if dirty else "a critic that is linear",
        )
        _expect_generator_untouched(attempt, generator)
        attempt.expect(
            answer,
            12.0,
            Slip(
                -12.0 + 0.7,
                "You return the loss. The number to watch is the distance, without penalty.",
                "Return the mean real score minus the mean made score.",
            ),
            Slip(
                -12.0,
                "You return minus the distance.",
                "Return the mean real score minus the mean made score.",
            ),
            name="what you return",
        )


def _slips_of_critic_step(start: Tensor, uphill: Tensor, pull: Tensor) -> list[Slip]:
    return [
        Slip(
            start,
            "The critic's weights did not change.",
            "`backward()` computes gradients; `optimizer.step()` uses them. A `zero_grad()` "
            "between the two wipes them out.",
        ),
        Slip(
            start - uphill - pull,
            "The step makes the distance smaller: the critic learns to prefer what is made.",
            "An optimizer minimises. Put a minus before the distance.",
        ),
        Slip(
            start + uphill + pull,
            "The penalty is rewarded: the critic is driven to steeper slopes.",
            "The loss is minus the distance *plus* the penalty.",
        ),
        Slip(
            start + uphill,
            "The penalty is not in the loss, so nothing holds the critic's slope.",
            "Add `penalty(critic, real, fake, labels)` to the loss.",
        ),
        Slip(
            start + uphill - pull - 7,
            "Gradients of an earlier step are still in it.",
            "`optimizer.zero_grad()` before `backward()`.",
        ),
    ]


def _expect_generator_untouched(attempt: Attempt, generator: PictureTable) -> None:
    if generator.pictures.grad is not None:
        attempt.stop(
            "The critic's step is right, but gradients reached the generator as well: work for "
            "nothing, and the generator's next step would begin with them.",
            "Make the pictures under `torch.no_grad()`, or `detach()` them.",
        )
    if not generator.pictures.requires_grad:
        attempt.stop(
            "The critic's step is right, but the generator is frozen afterwards: its own next step "
            "would move nothing, without an error.",
            "Leave its `requires_grad` alone: `torch.no_grad()` ends with its block.",
        )


@exercise(
    "The average follows the training at a distance and shakes less. It is the average that makes "
    "the pictures, complete with BatchNorm's running statistics."
)
def update_average(attempt: Attempt) -> None:
    """update_average(average, model, keep): changes average in place."""
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    average = copy.deepcopy(model).requires_grad_(False)
    with torch.no_grad():
        for values in model.state_dict().values():
            values += torch.randint(1, 9, values.shape, generator=attempt.random)
    old, new = (copy.deepcopy(network.state_dict()) for network in (average, model))
    attempt(average, model, 0.9)
    _judge_average(attempt, average, model, old, new)
    with torch.no_grad():
        for values in model.state_dict().values():
            values += 1
    if _same(average, _mixed(old, new, 0.9)):
        old, new = (copy.deepcopy(network.state_dict()) for network in (average, model))
        attempt(average, model, 0.5)
        for name, want in _mixed(old, new, 0.5).items():
            attempt.expect(average.state_dict()[name], want, name=name, case="a second update")
        return
    attempt.stop(
        "The average follows every later step of the model: the two share memory.",
        "Write numbers into the average's own tensors: `copy_`, `lerp_` or `mul_` and `add_`.",
    )


def _judge_average(
    attempt: Attempt, average: nn.Module, model: nn.Module, old: dict, new: dict
) -> None:
    """Compare the average after one update with `keep` 0.9."""
    if not _same(model, new):
        attempt.stop(
            "You changed the model that is being trained.",
            "Read from `model`, write into `average`.",
        )
    state = average.state_dict()
    before, fresh = old["0.weight"], new["0.weight"]
    slips = [
        Slip(
            before,
            "The average did not move. Giving its parameters new names changes nothing outside.",
            "Change the tensors themselves, for example with `lerp_`.",
        ),
        Slip(
            torch.lerp(before, fresh, 0.9),
            "The shares are exchanged: only a tenth of the average is kept.",
            "`keep` is the share of the old average.",
        ),
        Slip(
            fresh,
            "That is a copy of the model, which shakes as much as the model does.",
            "Keep the share `keep` of the average, and add the rest of the model.",
        ),
        Slip(
            0.9 * before + fresh,
            "The shares do not add up to 1, so the average would grow and grow.",
            "The model's share is 1 - keep.",
        ),
    ]
    want = _mixed(old, new, 0.9)
    for name in PARAMETERS:
        known = slips if name == "0.weight" else []
        attempt.expect(state[name], want[name], *known, name=name, case="keep = 0.9")
    if any(values.requires_grad for values in average.parameters()):
        attempt.stop(
            "The values are right, but autograd recorded the update: the average would drag the "
            "history of the whole training behind it.",
            "Update under `torch.no_grad()`.",
        )
    for name in ("1.running_mean", "1.running_var", "1.num_batches_tracked"):
        attempt.expect(
            state[name],
            want[name],
            Slip(
                old[name],
                "The buffers stayed behind: BatchNorm would normalise with statistics of a network "
                "that never was.",
                "`model.buffers()` lists them; copy each one.",
            ),
            Slip(
                torch.lerp(old[name].float(), new[name].float(), 0.1).to(old[name].dtype),
                "You averaged the buffers. They are averages already; asked for is a copy.",
                "`copy_` for buffers.",
            ),
            name=name,
        )


def _mixed(old: dict[str, Tensor], new: dict[str, Tensor], keep: float) -> dict[str, Tensor]:
    """What the average should be: parameters mixed, buffers copied."""
    return {
        name: torch.lerp(new[name], old[name], keep) if name in PARAMETERS else new[name]
        for name in new
    }


def _same(network: nn.Module, state: dict[str, Tensor]) -> bool:
    found = network.state_dict()
    return all(torch.allclose(found[name], state[name]) for name in state)


# ---------------------------------------------------------------------------- walks and morphs


@exercise(
    "On the arc every step is a vector of a length that the generator knows. On the chord the "
    "middle is too short, by a factor of √2 for noise in many dimensions."
)
def slerp(attempt: Attempt) -> None:
    """slerp(start, end, way): (B, D), (B, D), float from 0 to 1 → (B, D)."""
    half = 3**0.5 / 2  # the sine of 60°
    start = torch.tensor([[2.0, 0.0], [0.0, 2.0], [1.0, 0.0]])
    end = torch.tensor([[0.0, 2.0], [2 * half, 1.0], [0.0, 4.0]])  # 90°, 60° and 90° away
    turn = torch.deg2rad(torch.tensor(20.0))
    want = torch.tensor([[2 * half, 1.0], [2 * turn.sin(), 2 * turn.cos()], [half, 2.0]])
    nan = want.clone()
    nan[1] = torch.nan
    units = [F.normalize(vector, dim=1) for vector in (start, end)]
    attempt.expect(
        attempt(start.clone(), end.clone(), 1 / 3),
        want,
        Slip(
            torch.lerp(start, end, 1 / 3),
            "That is the straight line, on which vectors get too short.",
            "Weigh with sines of the angle, as in the formula.",
        ),
        Slip(
            _on_arc(start, end, 2 / 3),
            "Start and end are exchanged: way 0 has to give the start.",
            "The share (1 - way) belongs to the start.",
        ),
        Slip(
            nan,
            "NaN where the vectors are longer than 1: you took their product for the cosine.",
            "Divide the product by both lengths, or use `F.cosine_similarity`.",
        ),
        Slip(
            _on_arc(*units, 1 / 3),
            "The directions are right, but every vector comes out with length 1.",
            "Take only the angle from the unit vectors; weigh the vectors as they are.",
        ),
        Slip(
            _on_arc(start, end, 1 / 3) * torch.tensor([[1.0], [half], [1.0]]),
            "The division by the sine of the whole angle is missing.",
            "Both shares are divided by sin(angle).",
        ),
        case="vectors 90°, 60° and 90° apart, a third of the way",
    )
    same = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    attempt.expect(
        attempt(same, same.clone(), 0.25),
        same,
        Slip(
            torch.full_like(same, torch.nan),
            "Start and end are the same, the angle is 0, and you divide by its sine.",
            "Where the sine is almost 0, the straight line will do: `torch.where`.",
        ),
        case="the same noise twice",
    )
    for batch, length, way in ((4, 6, 0.7), (1, 9, 0.25)):
        matrices = torch.randn(batch, length, 2, generator=attempt.random)
        one, other = torch.linalg.qr(matrices).Q.unbind(2)  # (B, D) each, at right angles
        angle = 0.3 + torch.rand(batch, 1, generator=attempt.random)
        size = 1 + torch.rand(batch, 1, generator=attempt.random)
        arc = [size * (one * (w * angle).cos() + other * (w * angle).sin()) for w in (0, way, 1)]
        case = "a batch of one" if batch == 1 else f"{batch} vectors of {length} numbers"
        attempt.expect(attempt(arc[0], arc[2], way), arc[1], case=case)


def _on_arc(start: Tensor, end: Tensor, way: float) -> Tensor:
    """The formula for vectors of the first case, whose angles are known."""
    angle = torch.deg2rad(torch.tensor([[90.0], [60.0], [90.0]]))
    return (((1 - way) * angle).sin() * start + (way * angle).sin() * end) / angle.sin()


@exercise(
    "A label has no middle, but its row in the table has: mixing rows makes pictures between "
    "two classes, with one share for each picture."
)
def mix_classes(attempt: Attempt) -> None:
    """mix_classes(table, first, second, share): (K, D), (B,), (B,), (B,) → (B, D)."""
    table = torch.tensor([[0.0, 1.0], [2.0, 3.0], [10.0, 20.0]])
    first, second = torch.tensor([0, 2]), torch.tensor([2, 1])
    share = torch.tensor([0.25, 1.0])
    one, other = table[first], table[second]
    attempt.expect(
        attempt(table.clone(), first.clone(), second.clone(), share.clone()),
        torch.tensor([[2.5, 5.75], [2.0, 3.0]]),
        Slip(
            torch.tensor([[7.5, 15.25], [10.0, 20.0]]),
            "The shares are exchanged: share 0 has to give the first class.",
            "The second class gets `share`, the first one 1 - share.",
        ),
        Slip(
            torch.tensor([[0.0, 1.0], [2.0, 3.0]]),
            "You mixed the labels, and looked up the class that lies between the two *numbers*.",
            "Look up both rows first, then mix the rows.",
        ),
        Slip(
            torch.lerp(one, other, share),
            "The shares met the columns instead of the pictures. It ran only because there are as "
            "many of one as of the other.",
            "Give `share` the shape (B, 1).",
        ),
        Slip(
            torch.lerp(one, other, 0.25),
            "You used one share for the whole batch, that of the first picture.",
            "Each picture has a share of its own: shape (B, 1).",
        ),
        Slip(
            one + other,
            "You added the rows up; the shares are not used.",
            "Weigh them with 1 - share and share.",
        ),
        Slip(
            one + share[:, None] * other,
            "The first class stays in full, however far the way has gone.",
            "Its share is 1 - share.",
        ),
        case="two pictures on the way, three classes",
    )
    for batch, width, count in ((5, 3, 4), (1, 4, 10)):
        table = torch.randn(count, width, generator=attempt.random)
        first, second = torch.randint(count, (2, batch), generator=attempt.random)
        share = torch.rand(batch, generator=attempt.random)
        shares = torch.zeros(batch, count)  # a row of class shares for each picture
        rows = torch.arange(batch)
        shares.index_put_((rows, first), 1 - share, accumulate=True)
        shares.index_put_((rows, second), share, accumulate=True)
        case = "a batch of one" if batch == 1 else f"{batch} pictures, {count} classes"
        attempt.expect(attempt(table, first, second, share), shares @ table, case=case)
    attempt.expect_gradient(table, first, second, share)


# ---------------------------------------------------------------------------- measures


@exercise(
    "Each class is divided by how often it was *asked for*. One number for all would hide the "
    "class that fails, and a class nobody asked for has no accuracy at all."
)
def class_accuracy(attempt: Attempt) -> None:
    """class_accuracy(read, asked, num_classes): (N,), (N,) int64, int → (K,) float."""
    asked, read = torch.tensor([0, 0, 0, 0, 2, 2]), torch.tensor([0, 0, 0, 2, 2, 1])
    nan = torch.nan
    attempt.expect(
        attempt(read.clone(), asked.clone(), 4),
        torch.tensor([0.75, nan, 0.5, nan]),
        Slip(
            torch.tensor([1.0, 0.0, 0.5, nan]),
            "You divided by how often a class was *read*. That is precision: how far to trust the "
            "judge's answer.",
            "Divide by how often the class was asked for.",
        ),
        Slip(
            torch.tensor([0.75, 0.0, 0.5, 0.0]),
            "A class that was never asked for got 0, as if it had failed.",
            "Leave it at NaN: 0 right out of 0 is not a number.",
        ),
        Slip(
            torch.tensor([3 / 6, 0, 1 / 6, 0]),
            "You divided by all pictures, so that ten perfect classes would each have 10 %.",
            "Divide by the number of pictures of that class.",
        ),
        Slip(
            torch.tensor(4 / 6),
            "That is one number for all classes; a class that always fails would hide in it.",
            "Count right answers and questions for each class: shape (K,).",
        ),
        Slip(
            torch.tensor([0.75, nan, 0.5]),
            "The length depends on the labels that happen to occur.",
            "Use `num_classes`, for example as `minlength` of `torch.bincount`.",
        ),
        Slip(
            torch.tensor([3, 0, 1, 0]),
            "These are the numbers of right pictures, not shares.",
            "Divide by how often each class was asked for.",
        ),
        case="four classes, of which two were asked for",
    )
    for most, classes in ((9, 5), (1, 3)):
        count = torch.randint(1, most + 1, (classes,), generator=attempt.random)
        right = (torch.rand(classes, generator=attempt.random) * (count + 1)).long()
        asked = torch.arange(classes).repeat_interleave(count)  # (N,)
        place = torch.cat([torch.arange(n) for n in count.tolist()])
        read = torch.where(place < right[asked], asked, (asked + 1) % classes)
        order = torch.randperm(len(asked), generator=attempt.random)
        case = "one picture of each class" if most == 1 else f"{classes} classes in any order"
        attempt.expect(attempt(read[order], asked[order], classes), right / count, case=case)


@exercise(
    "Two clouds agree if centre *and* spread agree. The product of the covariances needs a matrix "
    "root; the trace of that root is the sum of the roots of the eigenvalues."
)
def frechet_distance(attempt: Attempt) -> None:
    """frechet_distance(real, fake): (N, D), (M, D) float64 → ()."""
    cross = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]], dtype=torch.float64) * 1.5**0.5
    real = cross * torch.tensor([1.0, 3.0])  # variances 1 and 9
    fake = cross * torch.tensor([2.0, 1.0]) + torch.tensor([3.0, 4.0])  # variances 4 and 1
    attempt.expect(
        attempt(real, fake),
        _number(30.0),
        Slip(
            _number(25.0),
            "Only the centres are compared: a generator with a single picture, the mean, would "
            "be perfect.",
            "Add the trace of Σ₁ + Σ₂ - 2 (Σ₁Σ₂)^½.",
        ),
        Slip(
            _number(5.0),
            "Only the distance of the centres is there, and not squared.",
            "Square it, and add the trace of Σ₁ + Σ₂ - 2 (Σ₁Σ₂)^½.",
        ),
        Slip(
            _number(10.0),
            "The distance of the centres is not squared.",
            "Take the sum of the squared differences, without a root.",
        ),
        Slip(
            _number(30**0.5),
            "You took the root of it all. The Fréchet distance is quoted squared.",
            "No root at the end.",
        ),
        Slip(
            _number(35.0),
            "The root of the product is subtracted once; it belongs there twice.",
            "Two times the trace of the root, as in (a - b)² = a² + b² - 2ab.",
        ),
        Slip(
            _number(14.0),
            "The product of the covariances is subtracted without its root.",
            "Take roots of the eigenvalues of Σ₁Σ₂ before you sum them.",
        ),
        Slip(
            _number(40.0),
            "The term with the product is missing, so even a cloud and its copy are apart.",
            "Subtract two times the trace of (Σ₁Σ₂)^½.",
        ),
        Slip(
            _number(28.75),
            "Your covariance divides by N, not by N - 1.",
            "`torch.cov` divides by N - 1; it wants one column for each picture: `real.T.cov()`.",
        ),
        case="centres 5 apart, variances 1 and 9 against 4 and 1",
    )
    _expect_correlated_clouds(attempt)
    few = torch.randn(5, 8, generator=attempt.random, dtype=torch.float64)
    attempt.expect(
        attempt(few, few.clone()), _number(0.0), case="a cloud and its copy, rows < columns"
    )


def _expect_correlated_clouds(attempt: Attempt) -> None:
    """Covariances that do not commute, where shortcuts through single entries go wrong."""
    for rows, others, width in ((40, 25, 3), (30, 90, 6)):
        clouds = []
        for count in (rows, others):
            stretch = torch.randn(width, width, generator=attempt.random, dtype=torch.float64)
            noise = torch.randn(count, width, generator=attempt.random, dtype=torch.float64)
            clouds.append(noise @ stretch + 0.3 * count / rows)
        first, second = (cloud.T.cov() for cloud in clouds)
        gap = (clouds[0].mean(0) - clouds[1].mean(0)).square().sum()
        apart = gap + first.trace() + second.trace()
        attempt.expect(
            attempt(*clouds),
            _number(measures.frechet_distance(*clouds)),
            Slip(
                apart - 2 * (first.diag() * second.diag()).sqrt().sum(),
                "You use the variances alone, as if no two features went together.",
                "The product is a matrix product of whole covariances: `@`.",
            ),
            Slip(
                apart - 2 * (first @ second).diag().sqrt().sum(),
                "You took the root of each entry. A matrix root is another thing: R with R·R = Σ.",
                "Its trace is the sum of the roots of the *eigenvalues*: `torch.linalg.eigvals`.",
            ),
            Slip(
                apart - 2 * (_root(first) * _root(second)).sum(),
                "You took the roots one by one and multiplied them. They do not commute.",
                "First the product Σ₁Σ₂, then the roots of its eigenvalues.",
            ),
            Slip(
                apart - 2 * torch.linalg.eigvalsh(first @ second).clamp(min=0).sqrt().sum(),
                "`eigvalsh` believes that the matrix is symmetric, and Σ₁Σ₂ is not.",
                "Use `torch.linalg.eigvals`, and the real part.",
            ),
            case=f"{rows} and {others} pictures with {width} correlated features",
        )


def _root(matrix: Tensor) -> Tensor:
    """The symmetric root, for the hint."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.sqrt() @ vectors.T


def _number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)
