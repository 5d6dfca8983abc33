"""Answers to lab 2 of chapter 4: one scale for inputs, hidden values and steps."""

import math

import torch
import torch.nn.functional as F
from sklearn.preprocessing import StandardScaler
from torch import nn

from wrong_answers import right, wrong


def _with(part, source, correction=0, dim=0):
    std, mean = torch.std_mean(source, dim=dim, correction=correction, keepdim=True)
    return (part - mean) / torch.where(std == 0, 1, std)


class zscore:
    @wrong("over both parts")
    def leaks(train, other):
        both = torch.cat([train, other])
        return _with(train, both), _with(other, both)

    @wrong("with their own statistics")
    def each_its_own(train, other):
        return _with(train, train), _with(other, other)

    @wrong("divides by N - 1")
    def sample_deviation(train, other):
        return _with(train, train, 1), _with(other, train, 1)

    @wrong("for the whole table")
    def one_scale(train, other):
        std, mean = torch.std_mean(train, correction=0)
        return (train - mean) / std, (other - mean) / std

    @wrong("within each row")
    def by_rows(train, other):
        return _with(train, train, dim=1), _with(other, other, dim=1)

    @wrong("by the variance")
    def variance(train, other):
        var, mean = torch.var_mean(train, dim=0, correction=0)
        return (train - mean) / var, (other - mean) / var

    @wrong("still have their old spread")
    def centres(train, other):
        return train - train.mean(dim=0), other - train.mean(dim=0)

    @wrong("the training part only")
    def forgets_other(train, other):
        return _with(train, train)

    @wrong("that never changes has the standard deviation 0")
    def divides_by_zero(train, other):
        std, mean = torch.std_mean(train, dim=0, correction=0)
        return (train - mean) / std, (other - mean) / std

    @wrong("a new value is lost")
    def drops_constants(train, other):
        std, mean = torch.std_mean(train, dim=0, correction=0)
        scale = torch.where(std == 0, torch.inf, std)
        return (train - mean) / scale, (other - mean) / scale

    @right
    def plain(train, other):
        return _with(train, train), _with(other, train)

    @right
    def by_sklearn(train, other):
        scaler = StandardScaler().fit(train.numpy())
        return tuple(torch.from_numpy(scaler.transform(part.numpy())) for part in (train, other))


class _Norm(nn.Module):
    """A right BatchNorm in pieces, for the others to spoil."""

    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def statistics(self, x):
        var, mean = torch.var_mean(x, dim=(0, 2, 3), correction=0, keepdim=True)
        return mean, var

    def new_var(self, x):
        return x.var(dim=(0, 2, 3), correction=1)

    @torch.no_grad()
    def remember(self, x):
        self.running_mean.lerp_(x.mean(dim=(0, 2, 3)), self.momentum)
        self.running_var.lerp_(self.new_var(x), self.momentum)

    def memory(self):
        return self.running_mean.view(1, -1, 1, 1), self.running_var.view(1, -1, 1, 1)

    def scaled(self, x_hat):
        return self.weight.view(1, -1, 1, 1) * x_hat + self.bias.view(1, -1, 1, 1)

    def forward(self, x):
        if self.training:
            mean, var = self.statistics(x)
            self.remember(x)
        else:
            mean, var = self.memory()
        return self.scaled((x - mean) / (var + self.eps).sqrt())


def _over(axes, correction=0):
    def statistics(self, x):
        var, mean = torch.var_mean(x, dim=axes, correction=correction, keepdim=True)
        return mean, var

    return statistics


class BatchNorm:
    @wrong("not in the layer's `state_dict()`")
    class PlainAttributes(_Norm):
        def __init__(self, channels):
            super().__init__(channels)
            del self.running_mean
            self.running_mean = torch.zeros(channels)

    @wrong("`running_mean` is a parameter")
    class LearnsTheMemory(_Norm):
        def __init__(self, channels):
            super().__init__(channels)
            del self.running_mean
            self.running_mean = nn.Parameter(torch.zeros(channels))

    @wrong("the spread over N - 1. That one is for the memory")
    class Unbiased(_Norm):
        statistics = _over((0, 2, 3), correction=1)

    @wrong("over the batch only")
    class PixelByPixel(_Norm):
        statistics = _over((0,))

    @wrong("instance norm")
    class Instance(_Norm):
        statistics = _over((2, 3))

    @wrong("layer norm")
    class Layer(_Norm):
        statistics = _over((1, 2, 3))

    @wrong("In train mode, too, you used the running statistics")
    class AlwaysMemory(_Norm):
        def statistics(self, x):
            return self.memory()

    @wrong("have not moved")
    class Forgets(_Norm):
        def remember(self, x):
            pass

    @wrong("the wrong way round")
    class Reversed(_Norm):
        def __init__(self, channels):
            super().__init__(channels, momentum=0.9)

    @wrong("was fed with the variance over N.")
    class BiasedMemory(_Norm):
        def new_var(self, x):
            return x.var(dim=(0, 2, 3), correction=0)

    @wrong("holds the last batch only")
    class LastBatch(_Norm):
        def __init__(self, channels):
            super().__init__(channels, momentum=1.0)

    @wrong("holds standard deviations")
    class KeepsDeviations(_Norm):
        def new_var(self, x):
            return x.std(dim=(0, 2, 3))

    @wrong("carry a graph")
    class KeepsTheGraph(_Norm):
        def remember(self, x):
            self.running_mean = 0.9 * self.running_mean + 0.1 * x.mean((0, 2, 3))
            self.running_var = 0.9 * self.running_var + 0.1 * x.var((0, 2, 3))

    @wrong("You added eps behind the root")
    class EpsBehindTheRoot(_Norm):
        def forward(self, x):
            if not self.training:
                return super().forward(x)
            mean, var = self.statistics(x)
            self.remember(x)
            return self.scaled((x - mean) / (var.sqrt() + self.eps))

    @wrong("`eps` is missing")
    class NoEps(_Norm):
        def __init__(self, channels):
            super().__init__(channels, eps=0.0)

    @wrong("In eval mode you still used the statistics of the batch")
    class AlwaysBatch(_Norm):
        def forward(self, x):
            mean, var = self.statistics(x)
            if self.training:
                self.remember(x)
            return self.scaled((x - mean) / (var + self.eps).sqrt())

    @wrong("moved in eval mode")
    class AlwaysRemembers(_Norm):
        def forward(self, x):
            mean, var = self.statistics(x) if self.training else self.memory()
            output = self.scaled((x - mean) / (var + self.eps).sqrt())
            self.remember(x)
            return output

    @wrong("they have no effect")
    class NoAffine(_Norm):
        def scaled(self, x_hat):
            return x_hat

    @wrong("no gradient flows through mean and variance")
    class Detached(_Norm):
        @torch.no_grad()
        def statistics(self, x):
            return super().statistics(x)

    pieces = right(_Norm)
    pytorchs = right(nn.BatchNorm2d)

    @right
    class Functional(_Norm):
        def forward(self, x):
            memory = self.running_mean, self.running_var
            return F.batch_norm(x, *memory, self.weight, self.bias, self.training)


def _norm(x, shape, axes, correction=0, eps=1e-5):
    folded = x.reshape(shape)
    var, mean = torch.var_mean(folded, dim=axes, correction=correction, keepdim=True)
    return ((folded - mean) / (var + eps).sqrt()).reshape(x.shape)


def _affine(x_hat, weight, bias):
    return weight[:, None, None] * x_hat + bias[:, None, None]


def _five(x, groups):
    b, c, h, w = x.shape
    return b, groups, c // groups, h, w


class group_norm:
    @wrong("that is batch norm")
    def batch(x, groups, weight, bias):
        return _affine(_norm(x, x.shape, (0, 2, 3)), weight, bias)

    @wrong("whatever the number of groups")
    def layer(x, groups, weight, bias):
        return _affine(_norm(x, x.shape, (1, 2, 3)), weight, bias)

    @wrong("that is instance norm")
    def instance(x, groups, weight, bias):
        return _affine(_norm(x, x.shape, (2, 3)), weight, bias)

    @wrong("Channels 0 and 2 share a group")
    def interleaves(x, groups, weight, bias):
        b, c, h, w = x.shape
        return _affine(_norm(x, (b, c // groups, groups, h, w), (1, 3, 4)), weight, bias)

    @wrong("across the batch")
    def mixes_examples(x, groups, weight, bias):
        return _affine(_norm(x, _five(x, groups), (0, 2, 3, 4)), weight, bias)

    @wrong("over N - 1")
    def unbiased(x, groups, weight, bias):
        return _affine(_norm(x, _five(x, groups), (2, 3, 4), correction=1), weight, bias)

    @wrong("`eps` is missing")
    def no_eps(x, groups, weight, bias):
        return _affine(_norm(x, _five(x, groups), (2, 3, 4), eps=0.0), weight, bias)

    @wrong("Weight and bias have no effect")
    def no_affine(x, groups, weight, bias):
        return _norm(x, _five(x, groups), (2, 3, 4))

    @wrong("You called PyTorch's own")
    def calls_it(x, groups, weight, bias):
        return F.group_norm(x, groups, weight, bias)

    @right
    def reshapes(x, groups, weight, bias):
        return _affine(_norm(x, _five(x, groups), (2, 3, 4)), weight, bias)

    @right
    def flattens(x, groups, weight, bias):
        flat = x.reshape(len(x), groups, -1)
        flat = flat - flat.mean(dim=-1, keepdim=True)
        flat = flat / (flat.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
        return flat.reshape(x.shape) * weight.view(-1, 1, 1) + bias.view(-1, 1, 1)


def _average(losses, start=None, keep=0.8):
    smooth = []
    for loss in losses:
        before = smooth[-1] if smooth else (loss if start is None else start)
        smooth.append(keep * before + (1 - keep) * loss)
    return torch.stack(smooth)


def _before(rates, losses):
    bad = (~losses.isfinite()).nonzero()
    end = bad[0].item() if len(bad) else len(losses)
    return rates[:end], losses[:end]


class pick_rate:
    @wrong("the next larger one ruins the run")
    def no_margin(rates, losses):
        rates, losses = _before(rates, losses)
        return rates[_average(losses).argmin()].item()

    @wrong("it is a tensor")
    def tensor(rates, losses):
        rates, losses = _before(rates, losses)
        return rates[_average(losses).argmin()] / 3

    @wrong("You returned a loss")
    def returns_a_loss(rates, losses):
        return losses.min().item() / 3

    @wrong("You took the largest rate")
    def largest(rates, losses):
        return rates[-1].item() / 3

    @wrong("One lucky batch decided")
    def raw(rates, losses):
        rates, losses = _before(rates, losses)
        return rates[losses.argmin()].item() / 3

    @wrong("The average starts at 0")
    def from_zero(rates, losses):
        rates, losses = _before(rates, losses)
        return rates[_average(losses, start=torch.tensor(0.0)).argmin()].item() / 3

    @wrong("NaN counts as the smallest")
    def takes_the_nan(rates, losses):
        return rates[_average(losses).argmin()].item() / 3

    @wrong("You also looked behind the explosion")
    def looks_behind(rates, losses):
        return rates[_average(losses.nan_to_num(5.0, posinf=5.0)).argmin()].item() / 3

    @right
    def loops(rates, losses):
        rates, losses = _before(rates, losses)
        return rates[_average(losses).argmin()].item() / 3

    @right
    def remembers_the_best(rates, losses):
        smooth, best, chosen = None, math.inf, math.nan
        for rate, loss in zip(rates.tolist(), losses.tolist(), strict=True):
            if not math.isfinite(loss):
                break
            smooth = loss if smooth is None else 0.8 * smooth + 0.2 * loss
            if smooth < best:
                best, chosen = smooth, rate
        return chosen / 3


def _cosine(share):
    return (1 + math.cos(math.pi * min(share, 1.0))) / 2


def _after(rate):
    """A schedule with a right warm-up and a floor behind the end, and `rate` in between."""

    def schedule(step, total, warmup, peak, floor):
        if step < warmup:
            return peak * (step + 1) / warmup
        if step >= total:
            return floor
        return rate(step, total, warmup, peak, floor)

    return schedule


def _right(step, total, warmup, peak, floor):
    return floor + (peak - floor) * _cosine((step - warmup) / (total - warmup))


class warmup_cosine:
    @wrong("The first step has the rate 0")
    def starts_at_zero(step, total, warmup, peak, floor):
        if step < warmup:
            return peak * step / warmup
        return _right(step, total, warmup, peak, floor)

    @wrong("already counts the steps of the warm-up")
    @_after
    def counts_from_zero(step, total, warmup, peak, floor):
        return floor + (peak - floor) * _cosine(step / total)

    @wrong("The floor has no effect")
    def no_floor(step, total, warmup, peak, floor):
        if step < warmup:
            return peak * (step + 1) / warmup
        return peak * _cosine((step - warmup) / (total - warmup))

    @wrong("added on top")
    def floor_on_top(step, total, warmup, peak, floor):
        if step < warmup:
            return peak * (step + 1) / warmup
        return floor + peak * _cosine((step - warmup) / (total - warmup))

    @wrong("1 + cos runs from 2 to 0")
    @_after
    def not_halved(step, total, warmup, peak, floor):
        return floor + 2 * (peak - floor) * _cosine((step - warmup) / (total - warmup))

    @wrong("on a straight line")
    @_after
    def linear(step, total, warmup, peak, floor):
        return peak - (peak - floor) * (step - warmup) / (total - warmup)

    @wrong("the rate rises again")
    def rises_again(step, total, warmup, peak, floor):
        if step < warmup:
            return peak * (step + 1) / warmup
        share = (step - warmup) / (total - warmup)
        return floor + (peak - floor) * (1 + math.cos(math.pi * share)) / 2

    plain = right(_after(_right))

    @right
    def by_min(step, total, warmup, peak, floor):
        if step < warmup:
            return (step + 1) / warmup * peak
        return _right(min(step, total), total, warmup, peak, floor)


def _folds(x, y, folds):
    for held_out in torch.arange(len(x)).tensor_split(folds):
        rest = torch.ones(len(x), dtype=torch.bool)
        rest[held_out] = False
        yield rest, ~rest


def _error(model, x, y):
    return (model.predict(x) - y).square().mean().sqrt().item()


class cross_validate:
    @wrong("One model was fitted in several folds")
    def reuses(x, y, folds, new_model):
        model, errors = new_model(), []
        for rest, out in _folds(x, y, folds):
            model.fit(_with(x[rest], x[rest]), y[rest])
            errors.append(_error(model, _with(x[out], x[rest]), y[out]))
        return errors

    @wrong("z-scored once, with the statistics of all rows")
    def scales_first(x, y, folds, new_model):
        z, errors = _with(x, x), []
        for rest, out in _folds(x, y, folds):
            model = new_model()
            model.fit(z[rest], y[rest])
            errors.append(_error(model, z[out], y[out]))
        return errors

    @wrong("held-out rows were z-scored with their own")
    def own_scale(x, y, folds, new_model):
        errors = []
        for rest, out in _folds(x, y, folds):
            model = new_model()
            model.fit(_with(x[rest], x[rest]), y[rest])
            errors.append(_error(model, _with(x[out], x[out]), y[out]))
        return errors

    @wrong("fitted on all rows")
    def fits_all(x, y, folds, new_model):
        errors = []
        for rest, out in _folds(x, y, folds):
            model = new_model()
            model.fit(_with(x, x), y)
            errors.append(_error(model, _with(x[out], x[rest]), y[out]))
        return errors

    @wrong("Fitted and tested are swapped")
    def swaps(x, y, folds, new_model):
        errors = []
        for out, rest in _folds(x, y, folds):
            model = new_model()
            model.fit(_with(x[rest], x[rest]), y[rest])
            errors.append(_error(model, _with(x[out], x[rest]), y[out]))
        return errors

    @wrong("were not z-scored.")
    def raw(x, y, folds, new_model):
        errors = []
        for rest, out in _folds(x, y, folds):
            model = new_model()
            model.fit(x[rest], y[rest])
            errors.append(_error(model, x[out], y[out]))
        return errors

    @wrong("held-out ones came raw")
    def half_raw(x, y, folds, new_model):
        errors = []
        for rest, out in _folds(x, y, folds):
            model = new_model()
            model.fit(_with(x[rest], x[rest]), y[rest])
            errors.append(_error(model, x[out], y[out]))
        return errors

    @wrong("tested on its own training rows")
    def tests_on_training_rows(x, y, folds, new_model):
        errors = []
        for rest, _ in _folds(x, y, folds):
            model, z = new_model(), _with(x[rest], x[rest])
            model.fit(z, y[rest])
            errors.append(_error(model, z, y[rest]))
        return errors

    @wrong("You made 1.")
    def one_fold_only(x, y, folds, new_model):
        return _errors(x, y, folds, new_model, stop=1)

    @wrong("No model was ever fitted")
    def never_fits(x, y, folds, new_model):
        return [0.0] * folds

    @wrong("You returned the mean")
    def averages(x, y, folds, new_model):
        return sum(_errors(x, y, folds, new_model)) / folds

    @wrong("without the root")
    def squares(x, y, folds, new_model):
        return [error**2 for error in _errors(x, y, folds, new_model)]

    @wrong("The errors are tensors")
    def tensors(x, y, folds, new_model):
        return [torch.tensor(error) for error in _errors(x, y, folds, new_model)]

    @right
    def plain(x, y, folds, new_model):
        return _errors(x, y, folds, new_model)

    @right
    def by_concatenation(x, y, folds, new_model):
        xs, ys, errors = x.tensor_split(folds), y.tensor_split(folds), []
        for i in range(folds):
            train_x = torch.cat([part for j, part in enumerate(xs) if j != i])
            train_y = torch.cat([part for j, part in enumerate(ys) if j != i])
            model = new_model()
            model.fit(_with(train_x, train_x), train_y)
            errors.append(_error(model, _with(xs[i], train_x), ys[i]))
        return errors


def _errors(x, y, folds, new_model, stop=None):
    errors = []
    for rest, out in list(_folds(x, y, folds))[:stop]:
        model = new_model()
        model.fit(_with(x[rest], x[rest]), y[rest])
        errors.append(_error(model, _with(x[out], x[rest]), y[out]))
    return errors


def _difference(predicted, price):
    return predicted.clamp(min=1).log() - price.log()


class log_rmse:
    @wrong("the error in dollars")
    def dollars(predicted, price):
        return (predicted - price).square().mean().sqrt()

    @wrong("the logarithm of the error")
    def log_of_error(predicted, price):
        return (predicted - price).square().mean().sqrt().log()

    @wrong("The root is missing")
    def no_root(predicted, price):
        return _difference(predicted, price).square().mean()

    @wrong("mean absolute difference")
    def absolute(predicted, price):
        return _difference(predicted, price).abs().mean()

    @wrong("base 10")
    def base_ten(predicted, price):
        return _difference(predicted, price).square().mean().sqrt() / math.log(10)

    @wrong("summed instead of averaging")
    def summed(predicted, price):
        return _difference(predicted, price).square().sum().sqrt()

    @wrong("of a price of 0 or less is no number")
    def no_clamp(predicted, price):
        return (predicted.log() - price.log()).square().mean().sqrt()

    @wrong("A silly prediction was left out")
    def leaves_out(predicted, price):
        good = predicted > 0
        return (predicted[good].log() - price[good].log()).square().mean().sqrt()

    @right
    def by_mse(predicted, price):
        return F.mse_loss(predicted.clamp(min=1).log(), price.log()).sqrt()

    @right
    def by_norm(predicted, price):
        return _difference(predicted, price).norm() / math.sqrt(len(price))
