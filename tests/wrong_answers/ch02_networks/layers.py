"""Answers to the exercises of chapter 2's lab 1: layers."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from wrong_answers import right, wrong


class log_softmax:
    @wrong("the logarithm is missing")
    def stops_at_softmax(logits):
        e = (logits - logits.amax(-1, keepdim=True)).exp()
        return e / e.sum(-1, keepdim=True)

    @wrong("log-sum-exp itself")
    def returns_log_sum_exp(logits):
        return logits.exp().sum(-1).log()

    @wrong("The sign is turned round")
    def turns_the_sign(logits):
        return logits.exp().sum(-1, keepdim=True).log() - logits

    @wrong("over the batch, not over the classes")
    def sums_over_the_batch(logits):
        return logits - logits.exp().sum(0).log()

    @wrong("lined up with C")
    def forgets_keepdim(logits):
        return logits - logits.exp().sum(-1).log()

    @wrong("its logarithm is missing")
    def forgets_the_log_of_the_sum(logits):
        return logits - logits.exp().sum(-1, keepdim=True)

    @wrong("never put it back")
    def forgets_to_add_the_maximum(logits):
        rest = logits - logits.amax(-1, keepdim=True)
        return logits - rest.exp().sum(-1, keepdim=True).log()

    @wrong("base 2")
    def takes_log2(logits):
        rest = logits - logits.amax(-1, keepdim=True)
        return (rest - rest.exp().sum(-1, keepdim=True).log()) / math.log(2)

    @wrong("`inf / inf` is NaN")
    def divides_infinities(logits):
        return (logits.exp() / logits.exp().sum(-1, keepdim=True)).log()

    @wrong("log-sum-exp became infinite")
    def overflows(logits):
        return logits - logits.exp().sum(-1, keepdim=True).log()

    @wrong("the same maximum out of every row")
    def takes_one_maximum_for_all(logits):
        rest = logits - logits.max()
        return rest - rest.exp().sum(-1, keepdim=True).log()

    @wrong("rounded to 0")
    def takes_the_log_of_softmax(logits):
        return torch.softmax(logits, -1).log()

    @wrong("small number inside the logarithm")
    def adds_an_epsilon(logits):
        return (torch.softmax(logits, -1) + 1e-12).log()

    @wrong("`log_softmax` computed them")
    def lets_pytorch_do_it(logits):
        return F.log_softmax(logits, dim=-1)

    @wrong("`logsumexp` computed them")
    def lets_pytorch_do_half_of_it(logits):
        return logits - torch.logsumexp(logits, dim=-1, keepdim=True)

    @right
    def by_the_formula(logits):
        largest = logits.amax(dim=-1, keepdim=True)
        return logits - largest - (logits - largest).exp().sum(dim=-1, keepdim=True).log()

    @right
    def with_max_and_new_axes(logits):
        largest = logits.max(dim=1).values[:, None]
        rest = logits - largest
        return rest - torch.log(torch.exp(rest).sum(1))[:, None]


def _regress(x, labels, num_classes, lr, steps, loss_of=F.cross_entropy, clear=True, sign=-1):
    layer = nn.Linear(x.shape[1], num_classes)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    for _ in range(steps):
        if clear:
            layer.zero_grad()
        loss_of(layer(x), labels).backward()
        with torch.no_grad():
            for p in layer.parameters():
                p += sign * lr * p.grad
    return layer.weight.detach(), layer.bias.detach()


def _pick(log_p, labels):
    return -log_p.gather(1, labels[:, None])[:, 0].mean()


class softmax_regression:
    @wrong("summed the losses")
    def sums_the_loss(x, labels, num_classes, lr, steps):
        def loss(scores, labels):
            return F.cross_entropy(scores, labels, reduction="sum")

        return _regress(x, labels, num_classes, lr, steps, loss)

    @wrong("goes uphill")
    def goes_uphill(x, labels, num_classes, lr, steps):
        return _regress(x, labels, num_classes, lr, steps, sign=1)

    @wrong("The bias never moved")
    def leaves_the_bias(x, labels, num_classes, lr, steps):
        weight = torch.zeros(num_classes, x.shape[1], requires_grad=True)
        for _ in range(steps):
            (slope,) = torch.autograd.grad(F.cross_entropy(x @ weight.T, labels), weight)
            weight = (weight - lr * slope).detach().requires_grad_()
        return weight.detach(), torch.zeros(num_classes)

    @wrong("(D, C)")
    def transposes_the_weight(x, labels, num_classes, lr, steps):
        weight, bias = _regress(x, labels, num_classes, lr, steps)
        return weight.T, bias

    @wrong("Nothing moved")
    def never_steps(x, labels, num_classes, lr, steps):
        return torch.zeros(num_classes, x.shape[1]), torch.zeros(num_classes)

    @wrong("averaged over B · C numbers")
    def averages_over_classes(x, labels, num_classes, lr, steps):
        def loss(scores, labels):
            return -(F.one_hot(labels, num_classes) * F.log_softmax(scores, 1)).mean()

        return _regress(x, labels, num_classes, lr, steps, loss)

    @wrong("gradients of earlier steps")
    def never_clears(x, labels, num_classes, lr, steps):
        return _regress(x, labels, num_classes, lr, steps, clear=False)

    @wrong("applied twice")
    def applies_softmax_twice(x, labels, num_classes, lr, steps):
        def loss(scores, labels):
            return F.cross_entropy(scores.softmax(1), labels)

        return _regress(x, labels, num_classes, lr, steps, loss)

    @wrong("begin with random numbers")
    def starts_at_random(x, labels, num_classes, lr, steps):
        layer = nn.Linear(x.shape[1], num_classes)
        weight, bias = _regress(x, labels, num_classes, lr, steps)
        return layer.weight.detach() + weight, layer.bias.detach() + bias

    @wrong("labels of all rows")
    def takes_the_columns_of_all_labels(x, labels, num_classes, lr, steps):
        def loss(scores, labels):
            return -F.log_softmax(scores, 1)[:, labels].mean()

        return _regress(x, labels, num_classes, lr, steps, loss)

    @wrong("Only the first step counts")
    def computes_the_loss_once(x, labels, num_classes, lr, steps):
        return _regress(x, labels, num_classes, lr, min(steps, 1))

    @wrong("still asks for gradients")
    def returns_parameters(x, labels, num_classes, lr, steps):
        return tuple(p.requires_grad_() for p in _regress(x, labels, num_classes, lr, steps))

    @wrong("exponentials overflow")
    def uses_the_naive_softmax(x, labels, num_classes, lr, steps):
        def loss(scores, labels):
            return _pick((scores.exp() / scores.exp().sum(1, keepdim=True)).log(), labels)

        return _regress(x, labels, num_classes, lr, steps, loss)

    @right
    def with_own_log_softmax(x, labels, num_classes, lr, steps):
        def loss(scores, labels):
            return _pick(log_softmax.by_the_formula.value(scores), labels)

        return _regress(x, labels, num_classes, lr, steps, loss)

    @right
    def with_the_slope_by_hand(x, labels, num_classes, lr, steps):
        weight, bias = torch.zeros(num_classes, x.shape[1]), torch.zeros(num_classes)
        for _ in range(steps):
            slope = torch.softmax(x @ weight.T + bias, 1) - F.one_hot(labels, num_classes)
            weight = weight - lr * slope.T @ x / len(x)
            bias = bias - lr * slope.mean(0)
        return weight, bias


class mlp_forward:
    @wrong("single linear map")
    def forgets_the_activation(x, layers):
        for weight, bias in layers:
            x = x @ weight.T + bias
        return x

    @wrong("behind the last layer as well")
    def bends_the_last_layer(x, layers):
        for weight, bias in layers:
            x = (x @ weight.T + bias).relu()
        return x

    @wrong("was not transposed")
    def transposes_nothing_that_fits(x, layers):
        for number, (weight, bias) in enumerate(layers):
            square = weight.shape[0] == weight.shape[1]
            x = x @ (weight if square else weight.T) + bias
            x = x.relu() if number < len(layers) - 1 else x
        return x

    @wrong("before adding the bias")
    def bends_before_the_bias(x, layers):
        for number, (weight, bias) in enumerate(layers):
            x = x @ weight.T
            x = (x.relu() if number < len(layers) - 1 else x) + bias
        return x

    @wrong("The biases were left out")
    def forgets_the_bias(x, layers):
        for number, (weight, _) in enumerate(layers):
            x = x @ weight.T
            x = x.relu() if number < len(layers) - 1 else x
        return x

    @wrong("output axis of length 1")
    def squeezes(x, layers):
        return mlp_forward.by_loop.value(x, layers).squeeze()

    @wrong("into probabilities")
    def ends_in_a_sigmoid(x, layers):
        return mlp_forward.by_loop.value(x, layers).sigmoid()

    @wrong("Only the first layer is followed")
    def bends_once(x, layers):
        for number, (weight, bias) in enumerate(layers):
            x = x @ weight.T + bias
            x = x.relu() if number == 0 and len(layers) > 1 else x
        return x

    @wrong("ReLU to the input")
    def bends_the_input(x, layers):
        for weight, bias in layers:
            x = x.relu() @ weight.T + bias
        return x

    @wrong("changed its input")
    def writes_into_x(x, layers):
        result = mlp_forward.by_loop.value(x, layers)
        x *= 0
        return result

    @wrong("no gradient can flow")
    def leaves_autograd(x, layers):
        return mlp_forward.by_loop.value(x.detach(), layers)

    @right
    def by_loop(x, layers):
        for weight, bias in layers[:-1]:
            x = (x @ weight.T + bias).clamp(min=0)
        weight, bias = layers[-1]
        return x @ weight.T + bias

    @right
    def with_functional(x, layers):
        for number, (weight, bias) in enumerate(layers):
            x = F.linear(x if number == 0 else F.relu(x), weight, bias)
        return x


class _Centre(nn.Module):
    """A right answer; the wrong ones change one thing."""

    def __init__(self, features, momentum):
        super().__init__()
        self.momentum = momentum
        self.shift = nn.Parameter(torch.zeros(features))
        self.register_buffer("mean", torch.zeros(features))

    def target(self, x):
        return x.detach().mean(dim=0)

    def follow(self, x):
        self.mean = (1 - self.momentum) * self.mean + self.momentum * self.target(x)

    def forward(self, x):
        if self.training:
            self.follow(x)
        return x - self.mean + self.shift


class _NoModule:
    def __init__(self, features, momentum):
        self.mean = torch.zeros(features)

    def __call__(self, x):
        return x - self.mean


class _MeanIsParameter(_Centre):
    def __init__(self, features, momentum):
        super().__init__(features, momentum)
        del self.mean
        self.mean = nn.Parameter(torch.zeros(features))


class _MeanIsPlain(_Centre):
    def __init__(self, features, momentum):
        super().__init__(features, momentum)
        del self.mean
        self.mean = torch.zeros(features)


class _MeanIsNotSaved(_Centre):
    def __init__(self, features, momentum):
        super().__init__(features, momentum)
        del self.mean
        self.register_buffer("mean", torch.zeros(features), persistent=False)


class _ShiftIsBuffer(_Centre):
    def __init__(self, features, momentum):
        super().__init__(features, momentum)
        del self.shift
        self.register_buffer("shift", torch.zeros(features))


class _ShiftIsPlain(_Centre):
    def __init__(self, features, momentum):
        super().__init__(features, momentum)
        del self.shift
        self.shift = torch.zeros(features, requires_grad=True)


class _MomentumIsBuffer(_Centre):
    def __init__(self, features, momentum):
        super().__init__(features, momentum)
        del self.momentum
        self.register_buffer("momentum", torch.tensor(momentum))


class _BatchMean(_Centre):
    def forward(self, x):
        if self.training:
            self.follow(x)
            return x - x.mean(0) + self.shift
        return x - self.mean + self.shift


class _Reversed(_Centre):
    def follow(self, x):
        self.mean = self.momentum * self.mean + (1 - self.momentum) * x.detach().mean(0)


class _UpdatesTooLate(_Centre):
    def forward(self, x):
        out = x - self.mean + self.shift
        if self.training:
            self.follow(x)
        return out


class _AlwaysFollows(_Centre):
    def forward(self, x):
        self.follow(x)
        return x - self.mean + self.shift


class _KeepsTheGraph(_Centre):
    def target(self, x):
        return x.mean(dim=0)


class _IgnoresShift(_Centre):
    def forward(self, x):
        return super().forward(x) - self.shift + 0 * self.shift


class _SubtractsShift(_Centre):
    def forward(self, x):
        return super().forward(x) - 2 * self.shift


class _OverFeatures(_Centre):
    def forward(self, x):
        return x - self.momentum * x.mean(1, keepdim=True) + self.shift


class _InPlace(nn.Module):
    def __init__(self, features, momentum):
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.shift = nn.Parameter(torch.zeros(features))
        self.momentum = momentum

    @torch.no_grad()
    def update(self, x):
        self.mean.lerp_(x.mean(0), self.momentum)

    def forward(self, x):
        if self.training:
            self.update(x)
        return x + (self.shift - self.mean)


class _OverEverything(_Centre):
    def target(self, x):
        return x.detach().mean()


class _LearnsNothing(_Centre):
    def forward(self, x):
        with torch.no_grad():
            return super().forward(x)


class MovingCentre:
    is_no_module = wrong("not an `nn.Module`")(_NoModule)
    trains_the_mean = wrong("`mean` is a parameter")(_MeanIsParameter)
    keeps_a_plain_mean = wrong("`mean` is no buffer")(_MeanIsPlain)
    does_not_save_the_mean = wrong("not saved with the model")(_MeanIsNotSaved)
    buffers_the_shift = wrong("`shift` is a buffer")(_ShiftIsBuffer)
    keeps_a_plain_shift = wrong("`shift` is no parameter")(_ShiftIsPlain)
    holds_too_much = wrong("holds more than it needs: momentum")(_MomentumIsBuffer)
    subtracts_the_batch_mean = wrong("the mean of this batch")(_BatchMean)
    reverses_momentum = wrong("share of the *new*")(_Reversed)
    updates_too_late = wrong("it moves first")(_UpdatesTooLate)
    averages_over_features = wrong("averaged over the features")(_OverFeatures)
    averages_over_everything = wrong("into a single number")(_OverEverything)
    follows_in_evaluation = wrong("still moves")(_AlwaysFollows)
    keeps_the_graph = wrong("hangs on the graph")(_KeepsTheGraph)
    records_nothing = wrong("no gradient can reach `shift`")(_LearnsNothing)
    ignores_the_shift = wrong("is not used")(_IgnoresShift)
    subtracts_the_shift = wrong("shift is subtracted")(_SubtractsShift)
    by_assignment = right(_Centre)
    in_place = right(_InPlace)


def _pairs(sizes):
    return [nn.Linear(a, b) for a, b in pairwise(sizes)]


class _InAList(nn.Module):
    def __init__(self, layers, keep=list):
        super().__init__()
        self.layers = keep(layers)

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)


class deep_network:
    @wrong("one linear map")
    def forgets_the_activation(sizes):
        return nn.Sequential(*_pairs(sizes))

    @wrong("behind the last layer as well, so no output")
    def bends_the_end_too(sizes):
        return nn.Sequential(*(part for layer in _pairs(sizes) for part in (layer, nn.ReLU())))

    @wrong("The only ReLU stands at the end")
    def bends_only_the_end(sizes):
        return nn.Sequential(*_pairs(sizes), *([nn.ReLU()] if len(sizes) > 2 else []))

    @wrong("softmax behind the last layer")
    def ends_in_softmax(sizes):
        return nn.Sequential(deep_network.by_sequential.value(sizes), nn.Softmax(dim=1))

    @wrong("Only the first layer is followed")
    def bends_once(sizes):
        first, *rest = _pairs(sizes)
        return nn.Sequential(first, *([nn.ReLU()] if rest else []), *rest)

    @wrong("no parameters at all")
    def hides_layers_in_a_list(sizes):
        return _InAList(_pairs(sizes))

    @wrong("Some layers are missing")
    def uses_one_layer_twice(sizes):
        layers = {(a, b): nn.Linear(a, b) for a, b in pairwise(sizes)}
        parts = [part for pair in pairwise(sizes) for part in (layers[pair], nn.ReLU())]
        return nn.Sequential(*parts[:-1])

    @wrong("Those of its linear layers are others")
    def adds_normalisation(sizes):
        parts = [part for n in _pairs(sizes) for part in (n, nn.LayerNorm(n.out_features))]
        return nn.Sequential(*parts)

    @wrong("not a module")
    def returns_the_list(sizes):
        return _pairs(sizes)

    @right
    def by_sequential(sizes):
        parts = []
        for layer in _pairs(sizes):
            parts += [layer, nn.ReLU()]
        return nn.Sequential(*parts[:-1])

    @right
    def by_module_list(sizes):
        return _InAList(_pairs(sizes), nn.ModuleList)
