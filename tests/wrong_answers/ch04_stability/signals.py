"""Answers to the exercises of chapter 4's lab 1: fit, gradients and first weights."""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from torch import nn

from wrong_answers import right, wrong


def _matrices(model):
    return [p for p in model.parameters() if p.ndim >= 2]


class l2_penalty:
    @wrong("half is missing")
    def forgets_the_half(model, decay):
        return decay * sum(p.square().sum() for p in _matrices(model))

    @wrong("The bias is in your sum")
    def decays_biases(model, decay):
        return decay / 2 * sum(p.square().sum() for p in model.parameters())

    @wrong("length of the weights")
    def takes_the_norm(model, decay):
        return decay / 2 * torch.cat([p.flatten() for p in _matrices(model)]).norm()

    @wrong("averaged the squares")
    def averages(model, decay):
        return decay / 2 * torch.cat([p.flatten() for p in _matrices(model)]).square().mean()

    @wrong("absolute values")
    def takes_l1(model, decay):
        return decay / 2 * sum(p.abs().sum() for p in _matrices(model))

    @wrong("not in your result")
    def forgets_decay(model, decay):
        return sum(p.square().sum() for p in _matrices(model)) / 2

    @wrong("gains of the batch norm")
    def goes_by_name(model, decay):
        named = model.named_parameters()
        return decay / 2 * sum(p.square().sum() for n, p in named if n.endswith("weight"))

    @wrong("Only linear layers")
    def knows_linear_only(model, decay):
        layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
        return decay / 2 * sum(layer.weight.square().sum() for layer in layers)

    @wrong("no gradient can flow")
    def detaches(model, decay):
        return decay / 2 * sum(p.detach().square().sum() for p in _matrices(model))

    @wrong("called `backward()` yourself")
    def goes_back(model, decay):
        penalty = decay / 2 * sum(p.square().sum() for p in _matrices(model))
        penalty.backward(retain_graph=True)
        return penalty

    @right
    def plain(model, decay):
        return decay / 2 * sum(p.square().sum() for p in _matrices(model))

    @right
    def in_one_row(model, decay):
        weights = torch.cat([p.flatten() for p in _matrices(model)])
        return decay * weights.dot(weights) / 2


class _Dropout(nn.Module):
    """A right Dropout, for the others to spoil."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        return self.dropped(x) if self.training else x

    def mask(self, x):
        return torch.rand_like(x) >= self.p

    def dropped(self, x):
        return x * self.mask(x) / (1 - self.p) if self.p < 1 else torch.zeros_like(x)


class Dropout:
    @wrong("not a module")
    class IsNoModule:
        def __init__(self, p):
            self.p = p

    @wrong("Nothing was dropped")
    class DropsInEval(_Dropout):
        def forward(self, x):
            return x if self.training else self.dropped(x)

    @wrong("You drop in eval mode, too")
    class DropsAlways(_Dropout):
        def forward(self, x):
            return self.dropped(x)

    @wrong("you kept the share p")
    class KeepsP(_Dropout):
        def mask(self, x):
            return torch.rand_like(x) < self.p

    @wrong("mean sinks from 1 to 0.8")
    class ForgetsToScale(_Dropout):
        def dropped(self, x):
            return x * self.mask(x)

    @wrong("divided by p")
    class DividesByP(_Dropout):
        def dropped(self, x):
            return x * self.mask(x) / self.p

    @wrong("multiplied by 1 − p")
    class Multiplies(_Dropout):
        def dropped(self, x):
            return x * self.mask(x) * (1 - self.p)

    @wrong("one mask for the whole batch")
    class OneMask(_Dropout):
        def mask(self, x):
            return torch.rand(x.shape[-1]) >= self.p

    @wrong("mask was drawn once")
    class DrawsOnce(_Dropout):
        def mask(self, x):
            if not hasattr(self, "kept"):
                self.kept = super().mask(x)
            return self.kept

    @wrong("correction is made twice")
    class ScalesInEval(_Dropout):
        def forward(self, x):
            return self.dropped(x) if self.training else x * (1 - self.p)

    @wrong("scale up in eval mode")
    class ScalesUpInEval(_Dropout):
        def forward(self, x):
            return self.dropped(x) if self.training else x / (1 - self.p)

    @wrong("0 / 0")
    class DividesByZero(_Dropout):
        def dropped(self, x):
            return x * self.mask(x) / (1 - self.p)

    @wrong("No gradient can flow")
    class Detaches(_Dropout):
        def dropped(self, x):
            return super().dropped(x.detach())

    plain = right(_Dropout)

    @right
    class Functional(nn.Module):
        def __init__(self, p):
            super().__init__()
            self.p = p

        def forward(self, x):
            return F.dropout(x, self.p, self.training)


def _fit(
    *parts,
    keep=lambda model: copy.deepcopy(model.state_dict()),
    restore=lambda model, kept: model.load_state_dict(kept),
    better=lambda loss, best: loss < best,
    late=0,
):
    """A right fit_until_best, with parts to spoil."""
    model, train_epoch, validate, patience, max_epochs = parts
    best, best_epoch, kept, losses = math.inf, 0, None, []
    for epoch in range(1, max_epochs + 1):
        train_epoch(model)
        losses.append(validate(model))
        if better(losses[-1], best):
            best, best_epoch, kept = losses[-1], epoch, keep(model)
        elif epoch - best_epoch >= patience + late:
            break
    restore(model, kept)
    return best_epoch, losses


class fit_until_best:
    @wrong("trained all the epochs")
    def never_stops(*parts):
        return _fit(*parts, late=99)

    @wrong("gave up after the first")
    def is_impatient(*parts):
        return _fit(*parts, late=-1)

    @wrong("one epoch late")
    def stops_late(*parts):
        return _fit(*parts, late=1)

    @wrong("count epochs from 0")
    def counts_from_0(*parts):
        epoch, losses = _fit(*parts)
        return epoch - 1, losses

    @wrong("return the last epoch")
    def returns_the_last(*parts):
        _, losses = _fit(*parts)
        return len(losses), losses

    @wrong("shares memory with the model")
    def keeps_no_copy(*parts):
        return _fit(*parts, keep=lambda model: model.state_dict())

    @wrong("still has the weights of the last epoch")
    def restores_nothing(*parts):
        return _fit(*parts, restore=lambda model, kept: None)

    @wrong("the buffers those of the last")
    def forgets_buffers(*parts):
        def restore(model, kept):
            with torch.no_grad():
                for name, p in model.named_parameters():
                    p.copy_(kept[name])

        return _fit(*parts, restore=restore)

    @wrong("put new parameters into the model")
    def replaces_parameters(*parts):
        def restore(model, kept):
            model.weight = nn.Parameter(kept["weight"])
            model.seen = kept["seen"]

        return _fit(*parts, restore=restore)

    @wrong("compare with the epoch before")
    def compares_with_the_last(model, train_epoch, validate, patience, max_epochs):
        losses, bad, best_epoch, kept = [], 0, 0, None
        for epoch in range(1, max_epochs + 1):
            train_epoch(model)
            losses.append(validate(model))
            if len(losses) == 1 or losses[-1] < losses[-2]:
                bad, best_epoch, kept = 0, epoch, copy.deepcopy(model.state_dict())
            else:
                bad += 1
            if bad >= patience:
                break
        model.load_state_dict(kept)
        return best_epoch, losses

    @wrong("You count all the epochs that were no better")
    def never_counts_anew(model, train_epoch, validate, patience, max_epochs):
        best, best_epoch, kept, losses, bad = math.inf, 0, None, [], 0
        for epoch in range(1, max_epochs + 1):
            train_epoch(model)
            losses.append(validate(model))
            if losses[-1] < best:
                best, best_epoch, kept = losses[-1], epoch, copy.deepcopy(model.state_dict())
            else:
                bad += 1
            if bad >= patience:
                break
        model.load_state_dict(kept)
        return best_epoch, losses

    @wrong("An equal loss counts as better")
    def takes_equal_for_better(*parts):
        return _fit(*parts, better=lambda loss, best: loss <= best)

    @wrong("When `max_epochs` ends the run")
    def restores_only_when_patience_ends(model, train_epoch, validate, patience, max_epochs):
        def restore(guest, kept):
            if guest.weight[0] < max_epochs:
                guest.load_state_dict(kept)

        return _fit(model, train_epoch, validate, patience, max_epochs, restore=restore)

    @right
    def plain(*parts):
        return _fit(*parts)

    @right
    def with_clones(*parts):
        return _fit(*parts, keep=lambda m: {k: v.clone() for k, v in m.state_dict().items()})


def _length(parameters):
    return math.sqrt(sum(p.grad.square().sum().item() for p in parameters if p.grad is not None))


def _scale(parameters, factor):
    for p in parameters:
        if p.grad is not None:
            p.grad.mul_(factor)


class clip_by_norm_:
    @wrong("gradients are as they were")
    def computes_only(parameters, max_norm):
        return _length(list(parameters))

    @wrong("each tensor by its own length")
    def clips_each(parameters, max_norm):
        parameters = list(parameters)
        length = _length(parameters)
        for p in parameters:
            _scale([p], min(1, max_norm / (_length([p]) + 1e-12)))
        return length

    @wrong("clipping by value")
    def clips_values(parameters, max_norm):
        parameters = list(parameters)
        length = _length(parameters)
        nn.utils.clip_grad_value_(parameters, max_norm)
        return length

    @wrong("You added the lengths")
    def adds_lengths(parameters, max_norm):
        parameters = list(parameters)
        length = sum(_length([p]) for p in parameters)
        _scale(parameters, min(1, max_norm / (length + 1e-12)))
        return length

    @wrong("squared length")
    def forgets_the_root(parameters, max_norm):
        parameters = list(parameters)
        _scale(parameters, min(1, max_norm / (_length(parameters) ** 2 + 1e-12)))
        return _length(parameters)

    @wrong("length after clipping")
    def returns_the_new_length(parameters, max_norm):
        parameters = list(parameters)
        _scale(parameters, min(1, max_norm / (_length(parameters) + 1e-12)))
        return _length(parameters)

    @wrong("it is a tensor")
    def returns_a_tensor(parameters, max_norm):
        return nn.utils.clip_grad_norm_(parameters, max_norm)

    @wrong("changed the parameters themselves")
    def clips_weights(parameters, max_norm):
        parameters = list(parameters)
        length = _length(parameters)
        with torch.no_grad():
            for p in parameters:
                p.mul_(min(1, max_norm / (length + 1e-12)))
        return length

    @wrong("made longer")
    def stretches(parameters, max_norm):
        parameters = list(parameters)
        length = _length(parameters)
        _scale(parameters, max_norm / (length + 1e-12))
        return length

    @wrong("stopped with an error")
    def trips_over_none(parameters, max_norm):
        parameters = list(parameters)
        length = math.sqrt(sum(p.grad.square().sum().item() for p in parameters))
        _scale(parameters, min(1, max_norm / length))
        return length

    @wrong("(Seen with a gradient of zeros.)")
    def divides_zero_by_zero(parameters, max_norm):
        parameters = list(parameters)
        length = torch.tensor(_length(parameters), dtype=torch.float64)
        for p in parameters:
            if p.grad is not None and not length > max_norm > 0 and length > 0:
                continue
            if p.grad is not None:
                p.grad = p.grad / length.float() * min(length.item(), max_norm)
        return length.item()

    @wrong("used it up")
    def loops_twice(parameters, max_norm):
        length = _length(parameters)
        _scale(parameters, min(1, max_norm / (length + 1e-12)))
        return length

    @right
    def plain(parameters, max_norm):
        parameters = list(parameters)
        length = _length(parameters)
        _scale(parameters, min(1, max_norm / (length + 1e-12)))
        return length

    @right
    def with_pytorch(parameters, max_norm):
        return nn.utils.clip_grad_norm_(parameters, max_norm).item()


class dead_share:
    @wrong("share of zeros")
    def counts_zeros(hidden):
        return (hidden == 0).float().mean().item()

    @wrong("0 for at least one sample")
    def uses_any(hidden):
        return (hidden == 0).any(dim=0).float().mean().item()

    @wrong("share of the living")
    def counts_the_living(hidden):
        return (hidden > 0).any(dim=0).float().mean().item()

    @wrong("looked for samples")
    def reduces_units(hidden):
        return (hidden == 0).all(dim=1).float().mean().item()

    @wrong("That is their number")
    def counts(hidden):
        return int((hidden == 0).all(dim=0).sum())

    @wrong("it is a tensor")
    def gives_a_tensor(hidden):
        return (hidden == 0).all(dim=0).float().mean()

    @wrong("each place of a map")
    def forgets_places(hidden):
        return (hidden == 0).all(dim=0).float().mean().item()

    @right
    def plain(hidden):
        silent = (hidden == 0).transpose(0, 1).flatten(1)
        return silent.all(dim=1).float().mean().item()

    @right
    def with_sums(hidden):
        others = [d for d in range(hidden.ndim) if d != 1]
        return (hidden.sum(dim=others) == 0).double().mean().item()


@torch.no_grad()
def _start(module, deviation, kinds=(nn.Linear, nn.Conv2d), bias=0.0):
    if isinstance(module, kinds):
        module.weight.normal_(0, deviation(module.weight))
        if getattr(module, "bias", None) is not None:
            module.bias.fill_(bias)


def _right_deviation(weight):
    return math.sqrt(2 / weight[0].numel())


class kaiming_:
    @wrong("variance 2 / fan-in as the standard deviation")
    def forgets_the_root(module):
        _start(module, lambda w: 2 / w[0].numel())

    @wrong("The variance is 1 / fan-in")
    def forgets_relu(module):
        _start(module, lambda w: math.sqrt(1 / w[0].numel()))

    @wrong("That is fan-out")
    def takes_fan_out(module):
        _start(module, lambda w: math.sqrt(2 / (len(w) * w[0, 0].numel())))

    @wrong("That is Xavier")
    def takes_xavier(module):
        _start(module, lambda w: math.sqrt(2 / (w[0].numel() + len(w) * w[0, 0].numel())))

    @wrong("counted the channels only")
    def forgets_the_window(module):
        _start(module, lambda w: math.sqrt(2 / w.shape[1]))

    @wrong("too small by √3")
    @torch.no_grad()
    def draws_uniformly(module):
        _start(module, _right_deviation)
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            bound = _right_deviation(module.weight)
            module.weight.uniform_(-bound, bound)

    @wrong("the draw is uniform")
    @torch.no_grad()
    def is_uniform(module):
        _start(module, _right_deviation)
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            bound = math.sqrt(3) * _right_deviation(module.weight)
            module.weight.uniform_(-bound, bound)

    @wrong("not drawn around 0")
    @torch.no_grad()
    def draws_from_0_to_1(module):
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            module.weight.copy_(torch.rand_like(module.weight) * _right_deviation(module.weight))

    @wrong("the bias is not 0")
    def forgets_the_bias(module):
        _start(module, _right_deviation, bias=1.0)

    @wrong("You replaced the weight")
    def replaces(module):
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            std = _right_deviation(module.weight)
            module.weight = nn.Parameter(std * torch.randn_like(module.weight))

    @wrong("Seen with nn.Conv2d(16, 120, 5)")
    def knows_linear_only(module):
        _start(module, _right_deviation, kinds=nn.Linear)

    @wrong("the right values. (Seen with nn.BatchNorm1d(4)")
    @torch.no_grad()
    def spares_nobody(module):
        _start(module, _right_deviation)
        if isinstance(module, nn.BatchNorm1d):
            module.weight.normal_()

    @wrong("You also changed an `nn.Embedding`")
    def takes_any_matrix(module):
        weight = getattr(module, "weight", None)
        if weight is not None and weight.ndim >= 2:
            _start(module, _right_deviation, kinds=type(module))

    @right
    def plain(module):
        _start(module, _right_deviation)

    @right
    def with_init(module):
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _listen(model, x, kind, measure, layers=None, clean=True, record=None):
    """Deviations by hooks, with parts to spoil."""
    found = []
    note = record or (lambda module, inputs, output: found.append(measure(inputs[0], output)))
    layers = model.modules() if layers is None else layers
    handles = [m.register_forward_hook(note) for m in layers if isinstance(m, kind)]
    with torch.no_grad():
        model(x)
    for handle in handles if clean else []:
        handle.remove()
    return found


def _std(before, after):
    return after.std().item()


class deviations:
    @wrong("what goes into the layer")
    def measures_inputs(model, x, kind):
        return _listen(model, x, kind, lambda before, after: before.std().item())

    @wrong("That is the variance")
    def measures_variance(model, x, kind):
        return _listen(model, x, kind, lambda before, after: after.var().item())

    @wrong("You measured every layer")
    def ignores_the_kind(model, x, kind):
        return _listen(model, x, nn.Module, _std)

    @wrong("it is a tensor")
    def keeps_tensors(model, x, kind):
        return _listen(model, x, kind, lambda before, after: after.std())

    @wrong("Your hooks are still on the model")
    def leaves_hooks(model, x, kind):
        return _listen(model, x, kind, _std, clean=False)

    @wrong("You found no ReLU")
    def looks_one_step_down(model, x, kind):
        return _listen(model, x, kind, _std, layers=model.children())

    @wrong("ran the layers one after another")
    @torch.no_grad()
    def runs_a_chain(model, x, kind):
        found = []
        for layer in model.modules():
            if not list(layer.children()):
                x = layer(x) if not (isinstance(layer, nn.Linear) and found[1:]) else x
                if isinstance(layer, kind):
                    found.append(x.std().item())
        return found

    @wrong("kept its last answer only")
    def keeps_one_each(model, x, kind):
        found = {}

        def record(module, inputs, output):
            found[module] = output.std().item()

        _listen(model, x, kind, _std, record=record)
        return list(found.values())

    @wrong("recorded a graph")
    def records(model, x, kind):
        found = []
        layers = [m for m in model.modules() if isinstance(m, kind)]
        handles = [m.register_forward_hook(lambda m, i, o: found.append(o.std())) for m in layers]
        model(x)
        for handle in handles:
            handle.remove()
        return [value.item() for value in found]

    @right
    def plain(model, x, kind):
        return _listen(model, x, kind, _std)

    @right
    def with_pre_made_list(model, x, kind):
        return _listen(model, x, kind, _std, layers=list(model.modules()))
