"""Checkers of chapter 4's lab 1: fit, gradients and first weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from torchcourse.checks.compare import agrees, has_values, kind
from torchcourse.checks.core import Attempt, Slip, exercise


def _filled(layer: nn.Module, *numbers: float) -> nn.Module:
    """The layer with these numbers in its weight, in order, and 10 in every bias."""
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(numbers).view_as(layer.weight))
        if layer.bias is not None:
            layer.bias.fill_(10.0)
    return layer


@exercise(
    "Half the decay times the sum of squares: its slope is decay · w, which is what `weight_decay` "
    "adds to each gradient. Biases and gains stay free."
)
def l2_penalty(attempt: Attempt) -> None:
    """l2_penalty(model, decay): → (), half of decay times the sum of squared weights."""
    attempt.expect(
        _bare(attempt(_filled(nn.Linear(2, 1), 3.0, 4.0), 0.1)),
        torch.tensor(1.25),
        Slip(
            torch.tensor(2.5),
            "The half is missing, so each weight would decay twice as fast as `decay` says.",
            "Multiply by `decay / 2`: the slope of w² is 2w, and the 2 cancels.",
        ),
        Slip(
            torch.tensor(6.25),
            "The bias is in your sum. It shifts, it does not bend; decaying it only hurts.",
            "Take parameters with at least two dimensions: `p.ndim >= 2`.",
        ),
        Slip(
            torch.tensor(0.25),
            "That is the length of the weights; the penalty needs its square.",
            "Add up `p.square().sum()`, without a root.",
        ),
        Slip(
            torch.tensor(0.625),
            "You averaged the squares: then a larger layer would decay less.",
            "`sum()`, not `mean()`.",
        ),
        Slip(
            torch.tensor(0.35),
            "Those are absolute values (L1), which pull small weights to exactly 0.",
            "Square each weight.",
        ),
        Slip(
            torch.tensor(12.5),
            "`decay` is not in your result.",
            "Multiply the sum by `decay / 2`.",
        ),
        case="weights 3 and 4, bias 10, decay 0.1",
    )
    norm = nn.BatchNorm2d(2)
    body = nn.Sequential(_filled(nn.Conv2d(1, 2, 1), 1.0, 2.0), norm)
    model = nn.Sequential(body, nn.Flatten(), _filled(nn.Linear(2, 1), 3.0, 4.0))
    attempt.expect(
        _bare(attempt(model, 0.1)),
        torch.tensor(1.5),
        Slip(
            torch.tensor(1.6),
            "The gains of the batch norm are in your sum, because their name is `weight`, too.",
            "They have one dimension. Ask for `p.ndim >= 2`, not for the name.",
        ),
        Slip(
            torch.tensor(1.25),
            "Only linear layers are in your sum; kernels of convolutions are weights as well.",
            "Go through `model.parameters()` and look at `p.ndim`, not at the kind of layer.",
        ),
        Slip(
            torch.tensor(0.0),
            "You found no weights: they lie in a model within the model.",
            "`model.parameters()` goes all the way down.",
        ),
        case="a convolution and a batch norm inside, then a linear layer",
    )
    penalty = attempt(model, 0.5)
    if not penalty.requires_grad:
        attempt.stop(
            "The number is right, but no gradient can flow from it to the weights.",
            "Stay with tensors: no `.item()`, `.detach()`, `.data` or `torch.no_grad()`.",
        )
    if any(p.grad is not None for p in model.parameters()):
        attempt.stop(
            "You called `backward()` yourself, or wrote gradients into the model.",
            "Return the penalty only; the loop adds it to the loss.",
        )
    attempt.run(penalty.backward, may_change=True)
    attempt.expect(
        model[2].weight.grad,
        torch.tensor([[1.5, 2.0]]),
        name="the gradient of the linear weights, decay 0.5",
    )


def _bare(got: object) -> object:
    """A tensor without its graph, to be shown; anything else as it is."""
    return got.detach() if isinstance(got, Tensor) else got


@exercise(
    "Dropped in training, with survivors scaled up so that the mean stays; untouched in eval. "
    "That is `nn.Dropout`.",
    takes=type,
)
def Dropout(attempt: Attempt) -> None:
    """Dropout(p): a module; each number is dropped with probability p while training."""
    ones = torch.ones(300, 40)
    layer = attempt(0.2)
    if not isinstance(layer, nn.Module):
        attempt.stop(
            f"`Dropout(0.2)` made {kind(layer)}, not a module.",
            "Write `class Dropout(nn.Module)`, and call `super().__init__()` first.",
            gave=layer,
        )
    out = attempt.run(layer.train(), ones)
    _check_dropped(attempt, out)
    if agrees(attempt.run(layer, ones), out):
        attempt.stop(
            "Two calls dropped the same numbers: your mask was drawn once and kept.",
            "Draw it in `forward`, anew at each call.",
        )
    rested = attempt.run(layer.eval(), ones)
    if isinstance(rested, Tensor) and rested.shape == ones.shape and not rested.all():
        attempt.stop(
            "You drop in eval mode, too, so the network answers at random when it is used.",
            "Drop only if `self.training`; else return x as it is.",
            gave=rested[0],
        )
    attempt.expect(
        rested,
        ones,
        Slip(
            0.8 * ones,
            "You scale by 1 − p in eval mode. With survivors scaled up in training already, the "
            "correction is made twice.",
            "In eval mode return x as it is.",
        ),
        Slip(
            1.25 * ones,
            "You scale up in eval mode, though nothing is dropped there.",
            "In eval mode return x as it is.",
        ),
        case="eval mode",
    )
    for p, want in ((0.0, ones), (1.0, torch.zeros_like(ones))):
        spoilt = torch.full_like(ones, torch.nan)
        attempt.expect(
            attempt.run(attempt(p).train(), ones),
            want,
            Slip(
                spoilt,
                "With p = 1 you compute 0 / 0, which is not a number.",
                "Treat p = 1 apart: everything is dropped.",
            ),
            case=f"p = {p:g}",
        )
    x = torch.randn(7, 3, 5, generator=attempt.random).requires_grad_()
    out = attempt.run(attempt(0.5).train(), x)
    if not isinstance(out, Tensor) or out.shape != x.shape:
        attempt.expect(out, x.detach(), case="an input of shape (7, 3, 5)")
    attempt.expect(
        _bare(out),
        torch.where(_bare(out) == 0, 0.0, 2 * x.detach()),
        case="p = 0.5 and random numbers of shape (7, 3, 5)",
    )
    if not out.requires_grad:
        attempt.stop("No gradient can flow back through your layer.", "Multiply, do not rebuild.")


def _check_dropped(attempt: Attempt, out: object) -> None:
    """Stop unless `out` is what p = 0.2 makes of ones, (300, 40), while training."""
    ones = torch.ones(300, 40)
    if not isinstance(out, Tensor) or not has_values(out) or out.shape != ones.shape:
        attempt.expect(out, ones)
    if agrees(out, ones):
        attempt.stop(
            "Nothing was dropped in training mode.",
            "`self.training` is True then; drop where it is True.",
            gave=out,
        )
    if (out == out[0]).all():
        attempt.stop(
            "Every row lost the same units: one mask for the whole batch.",
            "Draw one random number for each element: `torch.rand_like(x)`.",
            gave=out[:2],
        )
    survivors = out[out != 0]
    size = survivors.median().item() if len(survivors) else 0.0
    dropped = (out == 0).float().mean().item()
    if abs(dropped - 0.8) < 0.05:
        attempt.stop(
            f"{dropped:.0%} of the numbers were dropped with p = 0.2: you kept the share p.",
            "Keep an element where `torch.rand_like(x) >= p`.",
        )
    scales = {
        1.0: "The survivors are as they were, so the mean sinks from 1 to 0.8.",
        5.0: "The survivors were divided by p.",
        0.8: "The survivors were multiplied by 1 − p; that makes the mean still smaller.",
    }
    for wrong_size, why in scales.items():
        if abs(size - wrong_size) < 1e-4:
            attempt.stop(why, "Divide by 1 − p: then the mean stays what it was.", gave=out[0])
    if not (abs(dropped - 0.2) < 0.03 and agrees(survivors, torch.full_like(survivors, 1.25))):
        attempt.stop(
            f"With p = 0.2, ones should become 0 (20 %) or 1.25. Yours: {dropped:.0%} are 0, and "
            f"a usual survivor is {size:.3g}.",
            "x · mask / (1 − p), with a mask of zeros and ones.",
            gave=out[0],
        )


class _Counter(nn.Module):
    """A "network" whose weight and buffer count the epochs it was trained for."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.register_buffer("seen", torch.zeros(1))
        self.loaded = False

    def load_state_dict(self, *args, **kwargs):
        self.loaded = True
        return super().load_state_dict(*args, **kwargs)


def _train_counter(model: _Counter) -> None:
    with torch.no_grad():
        model.weight += 1
        model.seen += 1


def _run_counter(attempt: Attempt, losses: list[float], patience: int, most: int):
    """The learner's result and the model, if epoch n has the loss `losses[n - 1]`."""
    model = _Counter()
    weight = model.weight

    def validate(guest: _Counter) -> float:
        return losses[int(guest.weight[0].item()) - 1]

    got = attempt.run(
        attempt.answer, model, _train_counter, validate, patience, most, may_change=True
    )
    if model.weight is not weight:
        attempt.stop(
            "You put new parameters into the model; its optimizer still holds the old ones.",
            "`model.load_state_dict(...)` fills those that are there.",
        )
    return got, model


@exercise(
    "A copy at every new best, a patience that counts since the best, and the best weights put "
    "back, buffers included: stopping early now costs nothing."
)
def fit_until_best(attempt: Attempt) -> None:
    """fit_until_best(model, train_epoch, validate, patience, max_epochs) → (best epoch, losses)."""
    losses = [0.9, 0.5, 0.6, 0.7, 0.8, 0.4]
    got, model = _run_counter(attempt, losses, 2, 6)
    attempt.expect(
        got,
        (2, losses[:4]),
        Slip(
            (6, losses),
            "You trained all the epochs; the patience of 2 ran out after epoch 4.",
            "Stop as soon as `epoch - best_epoch` reaches the patience.",
        ),
        Slip(
            (1, losses[:4]),
            "You count epochs from 0; the first one is number 1.",
            "`range(1, max_epochs + 1)`.",
        ),
        Slip(
            (2, losses[:3]),
            "You gave up after the first epoch that was no better.",
            "Two epochs in a row may be no better, with a patience of 2.",
        ),
        Slip(
            (2, losses[:5]),
            "You stopped one epoch late.",
            "After epoch 4, two epochs were no better than the best. That is patience 2.",
        ),
        Slip(
            (4, losses[:4]),
            "You return the last epoch, not the best one.",
            "Remember the number of the epoch with the lowest loss.",
        ),
        case="losses 0.9, 0.5, 0.6, 0.7, 0.8, 0.4 and a patience of 2",
    )
    _check_restored(attempt, model)
    zigzag = [0.5, 0.9, 0.8, 0.7, 0.6]
    attempt.expect(
        _run_counter(attempt, zigzag, 2, 5)[0],
        (1, zigzag[:3]),
        Slip(
            (1, zigzag),
            "You compare with the epoch before, not with the best so far: this run falls from "
            "0.9 to 0.6 and is never better than 0.5.",
            "Remember the lowest loss of all.",
        ),
        Slip(
            (5, zigzag),
            "You compare with the epoch before, not with the best so far: 0.6 is no new best.",
            "Remember the lowest loss of all.",
        ),
        case="losses 0.5, 0.9, 0.8, 0.7, 0.6 and a patience of 2",
    )
    level = [0.5, 0.5, 0.5, 0.5]
    attempt.expect(
        _run_counter(attempt, level, 2, 4)[0],
        (1, level[:3]),
        Slip(
            (4, level),
            "An equal loss counts as better for you, so a run that stands still goes on for ever.",
            "Better means lower: `<`, not `<=`.",
        ),
        case="a loss that stands still",
    )
    stairs = [0.9, 0.95, 0.8, 0.85, 0.7, 0.75, 0.76]
    attempt.expect(
        _run_counter(attempt, stairs, 2, 7)[0],
        (5, stairs),
        Slip(
            (3, stairs[:4]),
            "You count all the epochs that were no better. A new best between them must set the "
            "count back to 0.",
            "The patience is for epochs in a row: `epoch - best_epoch` is that count.",
        ),
        case="every second loss a new best, and a patience of 2",
    )
    falling = [0.5, 0.4, 0.3, 0.2]
    attempt.expect(
        _run_counter(attempt, falling, 1, 3)[0],
        (3, falling[:3]),
        case="a loss that always falls, 3 epochs at most",
    )
    _, model = _run_counter(attempt, [0.5, 0.4, 0.6], 5, 3)
    attempt.expect(
        model.weight.detach(),
        torch.full((2,), 2.0),
        Slip(
            torch.full((2,), 3.0),
            "When `max_epochs` ends the run, the model keeps its last weights.",
            "Put the best ones back at the very end, whatever ended the loop.",
        ),
        name="the weight at the end",
        case="a run that the patience does not end",
    )


def _check_restored(attempt: Attempt, model: _Counter) -> None:
    """Stop unless the model is as it was after epoch 2 of 4."""
    reached = int(model.weight[0].item())
    if reached == 4 and model.loaded:
        attempt.stop(
            "You put something back, and the weights are still those of the last epoch: a "
            "`state_dict()` shares memory with the model, so it moved along.",
            "Copy it at the best epoch: `copy.deepcopy(model.state_dict())`.",
        )
    if reached == 4:
        attempt.stop(
            "Epoch and losses are right, but the model still has the weights of the last epoch.",
            "Copy the weights at every new best, and put them back at the end.",
        )
    attempt.expect(model.weight.detach(), torch.full((2,), 2.0), name="the weight at the end")
    attempt.expect(
        model.seen,
        torch.full((1,), 2.0),
        Slip(
            torch.full((1,), 4.0),
            "The parameters are those of the best epoch, the buffers those of the last. A batch "
            "norm would use the wrong statistics.",
            "`state_dict()` holds both, `parameters()` only the first.",
        ),
        name="the buffer at the end",
    )


def _with_gradients(*gradients: Tensor | None) -> list[nn.Parameter]:
    """Parameters of ones with these gradients."""
    parameters = []
    for gradient in gradients:
        parameter = nn.Parameter(torch.ones(2 if gradient is None else gradient.shape))
        parameter.grad = None if gradient is None else gradient.clone()
        parameters.append(parameter)
    return parameters


@exercise(
    "One length for all gradients together and one factor for all: the direction stays. "
    "`nn.utils.clip_grad_norm_` does the same."
)
def clip_by_norm_(attempt: Attempt) -> None:
    """clip_by_norm_(parameters, max_norm): shorten `.grad` in place; → length before, a float."""
    parameters = _with_gradients(torch.tensor([3.0, -4.0]), torch.tensor([[12.0]]))
    got = attempt.run(attempt.answer, parameters, 2.6)
    gradients = [p.grad for p in parameters]
    case = "gradients (3, -4) and (12), length 13, limit 2.6"
    if any(not agrees(p.detach(), torch.ones_like(p)) for p in parameters):
        attempt.stop(
            "You changed the parameters themselves.",
            "Only their gradients, `p.grad`, are to be scaled.",
        )
    attempt.expect(
        gradients,
        [torch.tensor([0.6, -0.8]), torch.tensor([[2.4]])],
        Slip(
            [torch.tensor([3.0, -4.0]), torch.tensor([[12.0]])],
            "The gradients are as they were.",
            "Multiply in place, `p.grad.mul_(factor)`, or assign `p.grad = ...`.",
        ),
        Slip(
            [torch.tensor([1.56, -2.08]), torch.tensor([[2.6]])],
            "You clipped each tensor by its own length: layers with long gradients lose their "
            "lead, and the direction changes.",
            "First the length of all gradients together, then one factor for all.",
        ),
        Slip(
            [torch.tensor([2.6, -2.6]), torch.tensor([[2.6]])],
            "That is clipping by value: (3, -4) became (2.6, -2.6), which points elsewhere.",
            "Multiply everything by one factor, max_norm divided by the length.",
        ),
        Slip(
            [torch.tensor([3.0, -4.0]) * 2.6 / 17, torch.tensor([[12.0]]) * 2.6 / 17],
            "You added the lengths 5 and 12. Lengths add like the sides of a right triangle: 13.",
            "The root of the sum of all squares.",
        ),
        Slip(
            [torch.tensor([3.0, -4.0]) * 2.6 / 169, torch.tensor([[12.0]]) * 2.6 / 169],
            "You divided by the squared length, 169.",
            "Take the root of the sum of squares.",
        ),
        case=case,
        name="the gradients afterwards",
    )
    attempt.expect(
        got,
        13.0,
        Slip(2.6, "You returned the length after clipping.", "Return the one before: log that."),
        Slip(
            torch.tensor(13.0),
            "The length is right, but it is a tensor.",
            "`.item()` takes the number out of it.",
        ),
        case=case,
    )
    _check_rare_gradients(attempt)


def _check_rare_gradients(attempt: Attempt) -> None:
    """Short, missing and zero gradients, and a generator of parameters."""
    parameters = _with_gradients(torch.tensor([3.0, -4.0]))
    attempt.run(attempt.answer, parameters, 20.0)
    attempt.expect(
        parameters[0].grad,
        torch.tensor([3.0, -4.0]),
        Slip(
            torch.tensor([12.0, -16.0]),
            "A short gradient was made longer, up to the limit.",
            "The factor is never above 1: `min(1, max_norm / length)`.",
        ),
        case="a gradient of length 5 and a limit of 20",
        name="the gradient afterwards",
    )
    frozen = _with_gradients(None, torch.tensor([3.0, -4.0]), torch.zeros(3))
    attempt.expect(
        attempt.run(attempt.answer, frozen, 1.0), 5.0, case="a parameter without a gradient"
    )
    still = _with_gradients(torch.zeros(3))
    attempt.run(attempt.answer, still, 1.0)
    attempt.expect(still[0].grad, torch.zeros(3), case="a gradient of zeros", name="the gradient")
    model = nn.Linear(2, 1)
    for p in model.parameters():
        p.grad = torch.full_like(p, 10.0)
    attempt.run(attempt.answer, model.parameters(), 1.0, may_change=True)
    length = math.sqrt(300)
    attempt.expect(
        model.weight.grad,
        torch.full((1, 2), 10 / length),
        Slip(
            torch.full((1, 2), 10.0),
            "Nothing is clipped when the parameters come as `model.parameters()`: that is a "
            "generator, and your first loop has used it up.",
            "Make a list of them first.",
        ),
        case="model.parameters()",
        name="the gradient of the weight",
    )


@exercise(
    "Dead means 0 for every sample, at every place. A unit that answers rarely is alive, and often "
    "the most useful one."
)
def dead_share(attempt: Attempt) -> None:
    """dead_share(hidden): (N, D) or (N, C, H, W) after a ReLU → share of dead units, a float."""
    hidden = torch.tensor(
        [[0.0, 0.0, 2.0, 1.0, 1.0], [0.0, 1.0, 0.0, 3.0, 1.0], [0.0, 0.0, 0.0, 2.0, 1.0]]
    )
    attempt.expect(
        attempt(hidden),
        0.2,
        Slip(
            7 / 15,
            "That is the share of zeros. Most of these units answer to some sample.",
            "A unit is dead if it is 0 for *all* samples: `(hidden == 0).all(dim=0)`.",
        ),
        Slip(
            0.6,
            "You count units that are 0 for at least one sample; that is most of them.",
            "`all(dim=0)`, not `any(dim=0)`.",
        ),
        Slip(0.8, "That is the share of the living.", "Count those that are 0 everywhere."),
        Slip(
            0.0,
            "You looked for samples that make no unit answer, not for units.",
            "The samples are dimension 0: reduce that one.",
        ),
        Slip(1, "That is their number.", "Divide by the number of units."),
        Slip(
            torch.tensor(0.2),
            "The share is right, but it is a tensor.",
            "`.item()` takes the number out of it.",
        ),
        case="3 samples, 5 units, of which the first is always 0",
    )
    maps = torch.zeros(2, 4, 1, 2)
    maps[0, 0, 0, 0] = maps[1, 1, 0, 1] = maps[1, 2] = 1.0
    attempt.expect(
        attempt(maps),
        0.25,
        Slip(
            0.5,
            "You count each place of a map as a unit of its own: 4 of 8 are always 0. A "
            "convolution has one unit per channel.",
            "Reduce all dimensions but 1: `(hidden == 0).transpose(0, 1).flatten(1).all(dim=1)`.",
        ),
        case="feature maps (2, 4, 1, 2), one channel always 0",
    )
    for shape in ((1, 6), (9, 4), (3, 5, 2, 4)):
        maps = torch.randn(shape, generator=attempt.random).relu()
        dead = torch.rand(shape[1], generator=attempt.random) < 0.4
        maps[:, dead] = 0.0
        silent = maps.transpose(0, 1).reshape(shape[1], -1).amax(dim=1) == 0
        attempt.expect(attempt(maps), silent.float().mean().item(), case=f"the shape {shape}")


@exercise(
    "Two over fan-in, and a convolution's fan-in counts the window, too. Your function works with "
    "`model.apply`, as PyTorch's own do."
)
def kaiming_(attempt: Attempt) -> None:
    """kaiming_(module): fill a linear or convolutional layer in place; leave others alone."""
    linear = nn.Linear(400, 100)
    _check_kaiming(attempt, linear, fan_in=400, what="nn.Linear(400, 100)")
    conv = nn.Conv2d(16, 120, 5)
    _check_kaiming(attempt, conv, fan_in=400, what="nn.Conv2d(16, 120, 5)")
    _check_kaiming(attempt, nn.Linear(300, 200, bias=False), 300, "nn.Linear(…, bias=False)")
    norm = nn.BatchNorm1d(4)
    for module in (norm, nn.Sequential(norm), nn.ReLU()):
        attempt.run(attempt.answer, module, may_change=True)
    attempt.expect(
        norm.weight.detach(),
        torch.ones(4),
        name="the gain of a batch norm",
        case="nn.BatchNorm1d(4), which is not to be touched",
    )
    table = nn.Embedding(4, 3)
    before = table.weight.detach().clone()
    attempt.run(attempt.answer, table, may_change=True)
    if not agrees(table.weight.detach(), before):
        attempt.stop(
            "You also changed an `nn.Embedding`, whose weight has two dimensions, too.",
            "Ask for the kind of layer: `isinstance(module, (nn.Linear, nn.Conv2d))`.",
        )


def _check_kaiming(attempt: Attempt, layer: nn.Module, fan_in: int, what: str) -> None:
    """Stop unless the layer's weight is normal of variance 2 / fan_in, and its bias 0."""
    weight, bias = layer.weight, layer.bias
    with torch.no_grad():
        weight.fill_(7.0)
        if bias is not None:
            bias.fill_(7.0)
    attempt.run(attempt.answer, layer, may_change=True)
    case = f" (Seen with {what}.)"
    if layer.weight is not weight or not weight.requires_grad:
        attempt.stop(
            "You replaced the weight; an optimizer would still hold the old one." + case,
            "Fill it: `weight.normal_(0, std)` under `torch.no_grad()`.",
        )
    if agrees(weight.detach(), torch.full_like(weight, 7.0)):
        attempt.stop(
            "The weight is as it was." + case,
            "Fill `module.weight` in place; ask `isinstance(module, (nn.Linear, nn.Conv2d))`.",
        )
    deviation, wanted = weight.std().item(), math.sqrt(2 / fan_in)
    if abs(weight.mean().item()) > 0.1 * wanted:
        attempt.stop(
            "The weights are not drawn around 0." + case,
            "`normal_(0, std)` or `torch.randn`; `torch.rand` runs from 0 to 1.",
        )
    out, window = len(weight), weight[0, 0].numel()
    slips = {
        2 / fan_in: (
            "You used the variance 2 / fan-in as the standard deviation.",
            "Take its root.",
        ),
        math.sqrt(1 / fan_in): (
            "The variance is 1 / fan-in. ReLU throws half of the mean square away; that needs 2.",
            "The variance is 2 / fan-in.",
        ),
        math.sqrt(2 / (out * window)): (
            "That is fan-out: you took the number of outputs.",
            "A linear weight is (out, in): its fan-in is `weight.shape[1]`.",
        ),
        math.sqrt(2 / (fan_in + out * window)): (
            "That is Xavier, made for tanh.",
            "For ReLU: 2 / fan-in, without fan-out.",
        ),
        math.sqrt(2 * window / fan_in): (
            "You counted the channels only. Each output adds up a whole window of them.",
            "fan-in = channels · kernel height · kernel width, or `weight[0].numel()`.",
        ),
        math.sqrt(2 / fan_in / 3): (
            "The deviation is too small by √3, as if a uniform draw from −σ to σ had deviation σ.",
            "Draw from a normal distribution: `normal_(0, std)`.",
        ),
    }
    if abs(deviation / wanted - 1) > 0.03:
        for size, (why, next_step) in slips.items():
            if abs(deviation / size - 1) < 0.03:
                attempt.stop(why + case, next_step, expected=wanted, gave=deviation)
        attempt.stop(
            f"The standard deviation is {deviation:.3g}, and should be {wanted:.3g}." + case,
            "Print fan-in first, then √(2 / fan-in).",
            expected=wanted,
            gave=deviation,
        )
    if weight.abs().max().item() < 2 * wanted:
        attempt.stop(
            "The deviation is right, but the draw is uniform; a normal one is asked for." + case,
            "`normal_(0, std)`.",
        )
    if bias is not None and bool((layer.bias != 0).any()):
        attempt.stop(
            "The weight is right, but the bias is not 0." + case,
            "`nn.init.zeros_(module.bias)`, if there is one.",
        )


class _Block(nn.Module):
    """Adds a layer's answer to its input and uses one ReLU twice."""

    def __init__(self, recorded: list[bool]) -> None:
        super().__init__()
        self.act, self.scale, self.recorded = nn.ReLU(), nn.Tanh(), recorded

    def forward(self, x: Tensor) -> Tensor:
        self.recorded.append(torch.is_grad_enabled())
        return self.act(x + self.act(self.scale(x)) - 0.5)


@exercise(
    "Hooks look into any model, nested or not, without a change to its code. Taken off again, they "
    "leave no trace."
)
def deviations(attempt: Attempt) -> None:
    """deviations(model, x, kind): → [standard deviation after each layer of that kind], floats."""
    x = torch.tensor([[1.0, -1.0], [3.0, 2.0]])
    model = nn.Sequential(_filled(nn.Linear(2, 2, bias=False), 1.0, 0.0, 0.0, 2.0), nn.ReLU())
    after = torch.tensor([1.0, 0.0, 3.0, 4.0])  # what the ReLU lets through
    before = torch.tensor([1.0, -2.0, 3.0, 4.0])
    attempt.expect(
        attempt(model, x, nn.ReLU),
        [after.std().item()],
        Slip(
            [before.std().item()],
            "You measured what goes into the layer, not what comes out.",
            "A forward hook gets `(module, inputs, output)`: take the last.",
        ),
        Slip(
            [after.var().item()],
            "That is the variance, not the standard deviation.",
            "`output.std()`.",
        ),
        *(
            Slip(
                [before.std().item(), after.std().item(), *whole],
                "You measured every layer, whatever its kind.",
                "Only modules with `isinstance(module, kind)` get a hook.",
            )
            for whole in ([], [after.std().item()])
        ),
        Slip(
            [after.std()],
            "The number is right, but it is a tensor.",
            "`.item()` takes the number out of it, and lets go of the graph.",
        ),
        case="one linear layer and one ReLU",
    )
    if any(module._forward_hooks or module._forward_pre_hooks for module in model.modules()):
        attempt.stop(
            "Your hooks are still on the model: every later pass would go on measuring.",
            "`register_forward_hook` returns a handle; call its `remove()` at the end.",
        )
    _check_nested(attempt)


def _check_nested(attempt: Attempt) -> None:
    """A model that is no chain: a skip, and one module that runs twice."""
    recorded: list[bool] = []
    block = _Block(recorded)
    model = nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), block, nn.Linear(4, 2)).eval()
    x = torch.randn(9, 3, generator=attempt.random)
    with torch.no_grad():
        h = model[0](x)
        first = torch.tanh(h).relu()
        want = [h, first, (h + first - 0.5).relu()]
    got = attempt(model, x, nn.ReLU)
    if isinstance(got, list) and len(got) == 0:
        attempt.stop(
            "You found no ReLU: they lie in a model within the model.",
            "`model.modules()` goes all the way down, `model.children()` one step.",
        )
    attempt.expect(
        got,
        [part.std().item() for part in want],
        Slip(
            [h.std().item(), h.relu().std().item()],
            "You ran the layers one after another. This model has its own `forward`, with a sum "
            "in it, and uses one ReLU twice.",
            "Call the model itself, `model(x)`, and let hooks listen.",
        ),
        Slip(
            [h.std().item(), want[2].std().item()],
            "One ReLU runs twice here, and you kept its last answer only.",
            "Append to a list in the hook, instead of writing under the layer's name.",
        ),
        case="a model with a skip, a model within it, and one ReLU that runs twice",
    )
    if recorded and any(recorded):
        attempt.stop(
            "The numbers are right, but the pass recorded a graph nobody needs.",
            "`torch.no_grad()` around the pass.",
        )
    if any(module.training for module in model.modules()):
        attempt.stop(
            "The model came in eval mode and went out in train mode.",
            "Leave the mode alone.",
        )
