"""Answers to lab 2 of chapter 5: blocks, frozen layers, parameter groups, attention, two looks."""

import copy

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import Conv2dNormActivation, SqueezeExcitation

from torchcourse.train.mode import in_eval_mode
from wrong_answers import right, wrong


class _Inception(nn.Module):
    """A right block in pieces, for the others to spoil."""

    between = after = staticmethod(F.relu)

    def __init__(self, in_channels, one, three, five, pooled):
        super().__init__()
        self.one = nn.Conv2d(in_channels, one, 1)
        self.reduce3 = nn.Conv2d(in_channels, three[0], 1)
        self.three = nn.Conv2d(three[0], three[1], 3, padding=1)
        self.reduce5 = nn.Conv2d(in_channels, five[0], 1)
        self.five = nn.Conv2d(five[0], five[1], 5, padding=2)
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.pooled = nn.Conv2d(in_channels, pooled, 1)

    def last(self, x):
        return self.after(self.pooled(self.pool(x)))

    def branches(self, x):
        return [
            self.after(self.one(x)),
            self.after(self.three(self.between(self.reduce3(x)))),
            self.after(self.five(self.between(self.reduce5(x)))),
            self.last(x),
        ]

    def forward(self, x):
        return torch.cat(self.branches(x), dim=1)


class Inception:
    @wrong("no ReLU between a 1×1 convolution")
    class LinearInside(_Inception):
        between = staticmethod(lambda x: x)

    @wrong("The last ReLU is missing")
    class LinearOutside(_Inception):
        after = staticmethod(lambda x: x)

    @wrong("no ReLU at all")
    class Linear(_Inception):
        between = after = staticmethod(lambda x: x)

    @wrong("averages its window")
    class Averages(_Inception):
        def __init__(self, *sizes):
            super().__init__(*sizes)
            self.pool = nn.AvgPool2d(3, stride=1, padding=1)

    @wrong("does not pool")
    class NoPool(_Inception):
        def __init__(self, *sizes):
            super().__init__(*sizes)
            self.pool = nn.Identity()

    @wrong("pools after its convolution")
    class PoolsLate(_Inception):
        def last(self, x):
            return self.pool(self.after(self.pooled(x)))

    @wrong("not one tensor")
    class FourTensors(_Inception):
        def forward(self, x):
            return tuple(self.branches(x))

    @wrong("Your 5×5 convolution works on all 3 channels")
    class WideFive(_Inception):
        def __init__(self, in_channels, one, three, five, pooled):
            super().__init__(in_channels, one, three, five, pooled)
            self.reduce5 = nn.Identity()
            self.five = nn.Conv2d(in_channels, five[1], 5, padding=2)

    @wrong("There is no 1×1 convolution from 3 to 8")
    class ForgetsTheLast(_Inception):
        def __init__(self, *sizes):
            super().__init__(*sizes)
            self.pooled = nn.Identity()

    @wrong("another order")
    class SwapsTwo(_Inception):
        def branches(self, x):
            one, three, five, pooled = super().branches(x)
            return [one, five, three, pooled]

    @wrong("no bias")
    class WithoutBiases(_Inception):
        def __init__(self, *sizes):
            super().__init__(*sizes)
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    module.bias = None

    @wrong("the graph is cut")
    class CutsTheGraph(_Inception):
        def forward(self, x):
            return super().forward(x).detach()

    @wrong("no parameters")
    class PlainList(_Inception):
        def __init__(self, *sizes):
            super().__init__(*sizes)
            self.parts = [self._modules.pop(name) for name in list(self._modules)]

    @right
    class AsSequentials(nn.Module):
        def __init__(self, in_channels, one, three, five, pooled):
            super().__init__()

            def conv(a, b, size):
                return Conv2dNormActivation(a, b, size, norm_layer=None)

            self.parts = nn.ModuleList(
                [
                    conv(in_channels, one, 1),
                    nn.Sequential(conv(in_channels, three[0], 1), conv(*three, 3)),
                    nn.Sequential(conv(in_channels, five[0], 1), conv(*five, 5)),
                    nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(in_channels, pooled, 1)),
                ]
            )

        def forward(self, x):
            return torch.cat([part(x) for part in self.parts], dim=1)

    plain = right(_Inception)


class _Residual(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.around = nn.Identity()
        if self.needs_projection(in_channels, out_channels, stride):
            self.around = self.projection(in_channels, out_channels, stride)

    def needs_projection(self, in_channels, out_channels, stride):
        return in_channels != out_channels or stride != 1

    def projection(self, in_channels, out_channels, stride):
        conv = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(out_channels))

    def body(self, x):
        return self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))

    def forward(self, x):
        return F.relu(self.body(x) + self.around(x))


class ResidualBlock:
    @wrong("comes before the addition")
    class EarlyReLU(_Residual):
        def forward(self, x):
            return F.relu(self.body(x)) + self.around(x)

    @wrong("no ReLU after the addition")
    class NoLastReLU(_Residual):
        def forward(self, x):
            return self.body(x) + self.around(x)

    @wrong("The input is not added")
    class Plain(_Residual):
        def forward(self, x):
            return F.relu(self.body(x))

    @wrong("`x` was overwritten")
    class Overwrites(_Residual):
        def forward(self, x):
            x = F.relu(self.norm1(self.conv1(x)))
            return F.relu(self.norm2(self.conv2(x)) + x)

    @wrong("no ReLU between the two convolutions")
    class Linear(_Residual):
        def body(self, x):
            return self.norm2(self.conv2(self.norm1(self.conv1(x))))

    @wrong("no batch norm behind it")
    class OneNorm(_Residual):
        def body(self, x):
            return self.conv2(F.relu(self.norm1(self.conv1(x))))

    @wrong("You normalised the sum")
    class NormsTheSum(_Residual):
        def forward(self, x):
            inner = self.conv2(F.relu(self.norm1(self.conv1(x))))
            return F.relu(self.norm2(inner + self.around(x)))

    @wrong("although the input fits as it is")
    class AlwaysProjects(_Residual):
        def needs_projection(self, *sizes):
            return True

    @wrong("even with 4 channels in and 4 out")
    class ProjectsForChannelsOnly(_Residual):
        def needs_projection(self, in_channels, out_channels, stride):
            return in_channels != out_channels

    @wrong("no batch norm of its own")
    class BareProjection(_Residual):
        def projection(self, in_channels, out_channels, stride):
            return nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    @wrong("mixes the running statistics")
    class SharesANorm(_Residual):
        def __init__(self, in_channels, out_channels, stride=1):
            super().__init__(in_channels, out_channels, stride)
            self.norm2 = self.norm1

    @wrong("mixes the running statistics")
    class SharesWithTheProjection(_Residual):
        def projection(self, in_channels, out_channels, stride):
            conv, _ = super().projection(in_channels, out_channels, stride)
            return nn.Sequential(conv, self.norm2)

    @wrong("The second convolution has the stride")
    class StrideTooLate(_Residual):
        def __init__(self, in_channels, out_channels, stride=1):
            super().__init__(in_channels, out_channels, stride)
            self.conv1.stride, self.conv2.stride = (1, 1), (stride, stride)

    @wrong("a ReLU on the way around")
    class BendsTheWayAround(_Residual):
        def projection(self, *sizes):
            return super().projection(*sizes).append(nn.ReLU())

    @wrong("the graph is cut")
    class DetachesTheBody(_Residual):
        def forward(self, x):
            return F.relu(self.body(x).detach() + self.around(x))

    @wrong("changed its input")
    class AddsInPlace(_Residual):
        def forward(self, x):
            body = self.body(x)
            if body.shape == x.shape:
                x += body
                return F.relu(x)
            return F.relu(body + self.around(x))

    plain = right(_Residual)

    @right
    class WithBiases(_Residual):  # batch norm takes them out again
        def __init__(self, in_channels, out_channels, stride=1):
            super().__init__(in_channels, out_channels, stride)
            self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1)
            self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)


def _learning(module):
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


class set_frozen:
    @wrong("only gives the module a new attribute")
    def sets_an_attribute(module, frozen):
        module.requires_grad = not frozen
        return _learning(module)

    @wrong("Only the kernels changed")
    def kernels_only(module, frozen):
        for p in module.parameters():
            if p.ndim > 1:
                p.requires_grad_(not frozen)
        return _learning(module)

    @wrong("Only the layers at the top changed")
    def top_only(module, frozen):
        for layer in module.children():
            for p in layer.parameters(recurse=False):
                p.requires_grad_(not frozen)
        return _learning(module)

    @wrong("That is the size of the body")
    def counts_all(module, frozen):
        for p in module.parameters():
            p.requires_grad_(not frozen)
        return sum(p.numel() for p in module.parameters())

    @wrong("Thawing does not work")
    def never_thaws(module, frozen):
        for p in module.parameters():
            p.requires_grad_(False)
        return _learning(module)

    @wrong("You counted tensors")
    def counts_tensors(module, frozen):
        for p in module.parameters():
            p.requires_grad_(not frozen)
        return sum(p.requires_grad for p in module.parameters())

    @wrong("are missing in your count")
    def counts_kernels(module, frozen):
        module.requires_grad_(not frozen)
        return sum(p.numel() for p in module.parameters() if p.requires_grad and p.ndim > 1)

    @wrong("each parameter's flag is as it was")
    def detaches(module, frozen):
        for p in module.parameters():
            p = p.detach()
        return _learning(module)

    @wrong("You changed the mode")
    def changes_the_mode(module, frozen):
        return _learning(module.requires_grad_(not frozen).train(not frozen))

    @right
    def one_call(module, frozen):
        return _learning(module.requires_grad_(not frozen))

    @right
    def one_by_one(module, frozen):
        count = 0
        for p in module.parameters():
            p.requires_grad = not frozen
            count += 0 if frozen else p.numel()
        return count


NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class train_mode:
    @wrong("`model.train()` alone")
    def plain_train(model):
        return model.train()

    @wrong("dropout sleeps")
    def all_asleep(model):
        return model.eval()

    @wrong("also the new one in the head")
    def every_norm(model):
        model.train()
        for m in model.modules():
            if isinstance(m, NORMS):
                m.eval()
        return model

    @wrong("there is more than one kind")
    def maps_only(model):
        model.train()
        for m in model.modules():
            if isinstance(m, nn.BatchNorm2d) and not m.weight.requires_grad:
                m.eval()
        return model

    @wrong("inside a module of the body stayed awake")
    def not_deep(model):
        model.train()
        for m in model.body:
            if isinstance(m, NORMS) and not m.weight.requires_grad:
                m.eval()
        return model

    @wrong("the whole frozen body")
    def whole_body(model):
        model.train()
        model.body.eval()
        return model

    @wrong("not the model itself")
    def returns_true(model):
        train_mode.walks.value(model)
        return True

    @wrong("by the name or the place")
    def by_name(model):
        model.train()
        for m in model.get_submodule("body").modules():
            if isinstance(m, NORMS):
                m.eval()
        return model

    @wrong("froze or thawed parameters")
    def freezes_more(model):
        train_mode.walks.value(model)
        for m in model.modules():
            if isinstance(m, NORMS):
                m.requires_grad_(False)
        return model

    @right
    def walks(model):
        model.train()
        for m in model.modules():
            if isinstance(m, NORMS) and not m.weight.requires_grad:
                m.eval()
        return model

    @right
    def each_by_itself(model):
        for m in model.modules():
            m.training = not (isinstance(m, NORMS) and not m.weight.requires_grad)
        return model


class parameter_groups:
    @wrong("The head is in both groups")
    def head_twice(model, head, body_lr, head_lr):
        body = [p for p in model.parameters() if p.requires_grad]
        return [{"params": body, "lr": body_lr}, {"params": list(head.parameters()), "lr": head_lr}]

    @wrong("The frozen kernel is in a group")
    def frozen_too(model, head, body_lr, head_lr):
        mine = {id(p) for p in head.parameters()}
        body = [p for p in model.parameters() if id(p) not in mine]
        return [{"params": body, "lr": body_lr}, {"params": list(head.parameters()), "lr": head_lr}]

    @wrong("the wrong way round")
    def swapped(model, head, body_lr, head_lr):
        return parameter_groups.by_id.value(model, head, head_lr, body_lr)

    @wrong("another order")
    def head_first(model, head, body_lr, head_lr):
        return parameter_groups.by_id.value(model, head, body_lr, head_lr)[::-1]

    @wrong("one group only")
    def one_group(model, head, body_lr, head_lr):
        return [{"params": [p for p in model.parameters() if p.requires_grad], "lr": body_lr}]

    @wrong("Biases are in no group")
    def weights_only(model, head, body_lr, head_lr):
        groups = {"body": [], "head": []}
        for name, p in model.named_parameters():
            if name.endswith("weight") and p.requires_grad:
                groups[name.split(".")[0]].append(p)
        rates = {"body": body_lr, "head": head_lr}
        return [{"params": groups[name], "lr": lr} for name, lr in rates.items()]

    @wrong("A group has no `lr`")
    def without_a_rate(model, head, body_lr, head_lr):
        return [{"params": list(model.body.parameters())}, {"params": list(head.parameters())}]

    @wrong("by its name")
    def by_name(model, head, body_lr, head_lr):
        groups = {"body": [], "head": []}
        for name, p in model.named_parameters():
            if p.requires_grad:
                groups["head" if name.startswith("head") else "body"].append(p)
        rates = {"body": body_lr, "head": head_lr}
        return [{"params": groups[name], "lr": lr} for name, lr in rates.items()]

    @wrong("A frozen parameter of the head")
    def frozen_in_the_head(model, head, body_lr, head_lr):
        body = parameter_groups.by_id.value(model, head, body_lr, head_lr)[0]
        return [body, {"params": head.parameters(), "lr": head_lr}]

    @wrong("equal numbers are not the same parameter")
    def by_value(model, head, body_lr, head_lr):
        def is_mine(p):
            return any(p.shape == q.shape and torch.equal(p, q) for q in head.parameters())

        learning = [p for p in model.parameters() if p.requires_grad]
        return [
            {"params": [p for p in learning if not is_mine(p)], "lr": body_lr},
            {"params": [p for p in learning if is_mine(p)], "lr": head_lr},
        ]

    @wrong("The rates are typed in")
    def types_the_rates(model, head, body_lr, head_lr):
        return parameter_groups.by_id.value(model, head, 0.001, 0.1)

    @right
    def by_id(model, head, body_lr, head_lr):
        mine = {id(p) for p in head.parameters()}
        learning = [p for p in model.parameters() if p.requires_grad]
        return [
            {"params": [p for p in learning if id(p) not in mine], "lr": body_lr},
            {"params": [p for p in learning if id(p) in mine], "lr": head_lr},
        ]

    @right
    def by_identity(model, head, body_lr, head_lr):
        def is_mine(p):
            return any(p is q for q in head.parameters())

        learning = [p for p in model.parameters() if p.requires_grad]
        return [
            {"params": (p for p in learning if not is_mine(p)), "lr": body_lr},
            {"params": filter(is_mine, learning), "lr": head_lr},
        ]


class _SE(nn.Module):
    middle, last = staticmethod(F.relu), staticmethod(torch.sigmoid)

    def __init__(self, channels, reduction):
        super().__init__()
        self.down = nn.Linear(channels, channels // reduction, bias=False)
        self.up = nn.Linear(channels // reduction, channels, bias=False)

    def squeeze(self, x):
        return x.mean((2, 3))

    def weights(self, x):
        return self.last(self.up(self.middle(self.down(self.squeeze(x)))))[:, :, None, None]

    def forward(self, x):
        return x * self.weights(x)


class SqueezeExcite:
    @wrong("There is no sigmoid")
    class NoSigmoid(_SE):
        last = staticmethod(lambda x: x)

    @wrong("no ReLU between the two layers")
    class NoReLU(_SE):
        middle = staticmethod(lambda x: x)

    @wrong("the channels compete")
    class Softmax(_SE):
        last = staticmethod(lambda x: x.softmax(1))

    @wrong("squeezed by the maximum")
    class Maximum(_SE):
        def squeeze(self, x):
            return x.amax((2, 3))

    @wrong("squeezed by the sum")
    class Sum(_SE):
        def squeeze(self, x):
            return x.sum((2, 3))

    @wrong("runs over the batch as well")
    class OverTheBatch(_SE):
        def squeeze(self, x):
            return x.mean((0, 2, 3))[None]

    @wrong("return the weights alone.")
    class WeightsAlone(_SE):
        def forward(self, x):
            return self.weights(x)

    @wrong("alone, as a table")
    class Table(_SE):
        def forward(self, x):
            return self.weights(x)[:, :, 0, 0]

    @wrong("You added the weights")
    class Adds(_SE):
        def forward(self, x):
            return x + self.weights(x)

    @wrong("the graph is cut")
    class DetachesTheWeights(_SE):
        def weights(self, x):
            return super().weights(x).detach()

    @wrong("cut out of the graph")
    class CopiesTheMeans(_SE):
        def squeeze(self, x):
            return torch.tensor(x.mean((2, 3)).tolist())

    @wrong("the bottleneck is missing")
    class NoBottleneck(_SE):
        def __init__(self, channels, reduction):
            super().__init__(channels, 1)

    @wrong("have biases")
    class Biased(_SE):
        def __init__(self, channels, reduction):
            super().__init__(channels, reduction)
            self.up = nn.Linear(channels // reduction, channels)

    plain = right(_SE)

    @right
    class ByConvolutions(nn.Module):
        def __init__(self, channels, reduction):
            super().__init__()
            self.gate = SqueezeExcitation(channels, channels // reduction)
            self.gate.fc1.bias = self.gate.fc2.bias = None

        def forward(self, x):
            return self.gate(x)


def _two_looks(model, images, turn=lambda x: x.flip(-1)):
    with in_eval_mode(model), torch.no_grad():
        return (model(images) + model(turn(images))) / 2


class flip_predict:
    @wrong("one look only")
    def once(model, images):
        return _two_looks(model, images, turn=lambda x: x)

    @wrong("Only the mirror image")
    def only_mirrored(model, images):
        return _two_looks(model, images.flip(-1), turn=lambda x: x)

    @wrong("The answers are added")
    def adds(model, images):
        return 2 * _two_looks(model, images)

    @wrong("upside down")
    def upside_down(model, images):
        return _two_looks(model, images, turn=lambda x: x.flip(-2))

    @wrong("reversed the channels")
    def channels(model, images):
        return _two_looks(model, images, turn=lambda x: x.flip(1))

    @wrong("turned the batch round")
    def batch(model, images):
        return _two_looks(model, images, turn=lambda x: x.flip(0))

    @wrong("Those are classes")
    def classes(model, images):
        return _two_looks(model, images).argmax(1)

    @wrong("Those are probabilities")
    def probabilities(model, images):
        with in_eval_mode(model), torch.no_grad():
            return (model(images).softmax(1) + model(images.flip(-1)).softmax(1)) / 2

    @wrong("asked the network in train mode")
    def forgets_eval(model, images):
        with torch.no_grad():
            return (model(images) + model(images.flip(-1))) / 2

    @wrong("Two things at once")
    def adds_upside_down(model, images):
        return 2 * _two_looks(model, images, turn=lambda x: x.flip(-2))

    @wrong("thrown away afterwards")
    def detaches_at_the_end(model, images):
        with in_eval_mode(model):
            return ((model(images) + model(images.flip(-1))) / 2).detach()

    @wrong("with a graph behind them")
    def keeps_the_graph(model, images):
        with in_eval_mode(model):
            return (model(images) + model(images.flip(-1))) / 2

    @wrong("changed its input (model)")
    def leaves_eval(model, images):
        model.eval()
        with torch.no_grad():
            return (model(images) + model(images.flip(-1))) / 2

    @right
    def plain(model, images):
        return _two_looks(model, images)

    @right
    def in_one_batch(model, images):
        modes = {m: m.training for m in model.modules()}
        model.eval()
        with torch.no_grad():
            both = model(torch.cat([images, images.flip(3)]))
        for m, mode in modes.items():
            m.training = mode
        return both.view(2, len(images), -1).mean(0)

    @right
    def with_a_copy(model, images):
        copied = copy.deepcopy(model).eval()
        with torch.inference_mode():
            return torch.stack([copied(images), copied(images.flip(-1))]).mean(0)
