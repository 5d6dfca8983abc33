"""Answers to the exercises of chapter 2's lab 3: building networks."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import nn

from wrong_answers import right, wrong

INF = torch.inf


class max_pool:
    @wrong("You averaged each window")
    def averages(x, window, stride, padding):
        x = F.pad(x, (padding,) * 4, value=-INF)
        return x.unfold(2, window, stride).unfold(3, window, stride).mean((-2, -1))

    @wrong("advance by the window size")
    def ignores_stride(x, window, stride, padding):
        x = F.pad(x, (padding,) * 4, value=-INF)
        return x.unfold(2, window, window).unfold(3, window, window).amax((-2, -1))

    @wrong("advance by 1")
    def always_steps_by_one(x, window, stride, padding):
        x = F.pad(x, (padding,) * 4, value=-INF)
        return x.unfold(2, window, 1).unfold(3, window, 1).amax((-2, -1))

    @wrong("Window and stride are swapped")
    def swaps_size_and_step(x, window, stride, padding):
        x = F.pad(x, (padding,) * 4, value=-INF)
        return x.unfold(2, stride, window).unfold(3, stride, window).amax((-2, -1))

    @wrong("One dimension of the window is still there")
    def takes_rows_only(x, window, stride, padding):
        x = F.pad(x, (padding,) * 4, value=-INF)
        return x.unfold(2, window, stride).unfold(3, window, stride).amax(-1)

    @wrong("two dimensions of size 1 are left over")
    def keeps_dimensions(x, window, stride, padding):
        x = F.pad(x, (padding,) * 4, value=-INF)
        return x.unfold(2, window, stride).unfold(3, window, stride).amax((-2, -1), keepdim=True)

    @wrong("a zero beats every negative number")
    def pads_with_zeros(x, window, stride, padding):
        x = F.pad(x, (padding,) * 4)
        return x.unfold(2, window, stride).unfold(3, window, stride).amax((-2, -1))

    @wrong("The padding is missing")
    def forgets_padding(x, window, stride, padding):
        return x.unfold(2, window, stride).unfold(3, window, stride).amax((-2, -1))

    @wrong("left and right only")
    def pads_two_sides(x, window, stride, padding):
        x = F.pad(x, (padding, padding), value=-INF)
        return x.unfold(2, window, stride).unfold(3, window, stride).amax((-2, -1))

    @wrong("over the channels, too")
    def joins_channels(x, window, stride, padding):
        x = F.pad(x, (padding,) * 4, value=-INF)
        x = x.unfold(2, window, stride).unfold(3, window, stride).amax((-2, -1))
        return x.amax(1, keepdim=True)

    @wrong("PyTorch's own `max_pool2d`")
    def calls_pytorch(x, window, stride, padding):
        return nn.MaxPool2d(window, stride, padding)(x)

    @wrong("a Python loop computes them")
    def loops(x, window, stride, padding):
        x = F.pad(x, (padding,) * 4, value=-INF)
        rows = range(0, x.shape[2] - window + 1, stride)
        columns = range(0, x.shape[3] - window + 1, stride)
        cells = [
            x[:, :, i : i + window, j : j + window].amax((-2, -1)) for i in rows for j in columns
        ]
        return torch.stack(cells, -1).unflatten(-1, (len(rows), len(columns)))

    @right
    def by_two_unfolds(x, window, stride, padding):
        x = F.pad(x, (padding, padding, padding, padding), value=-INF)
        return x.unfold(2, window, stride).unfold(3, window, stride).amax(dim=(-2, -1))

    @right
    def rows_then_columns(x, window, stride, padding):
        x = F.pad(x, (padding,) * 4, value=float("-inf"))
        x = x.unfold(-1, window, stride).max(dim=-1).values
        return x.unfold(-2, window, stride).max(dim=-1).values

    @right
    def by_function_unfold(x, window, stride, padding):
        B, C, H = x.shape[:3]
        x = F.pad(x, (padding,) * 4, value=torch.finfo(x.dtype).min)
        columns = F.unfold(x, window, stride=stride).view(B, C, window * window, -1)
        height = (H + 2 * padding - window) // stride + 1
        return columns.amax(2).view(B, C, height, -1)


class mish:
    @wrong("the value and the slope are asked for")
    def returns_the_value(x):
        return x * torch.tanh(F.softplus(x))

    @wrong("Your value is SiLU")
    def takes_silu(x):
        s = torch.sigmoid(x)
        return x * s, s + x * s * (1 - s)

    @wrong("You squashed x itself")
    def forgets_softplus(x):
        t = torch.tanh(x)
        return x * t, t + x * (1 - t**2)

    @wrong("this is the gate alone")
    def forgets_x(x):
        t = torch.tanh(F.softplus(x))
        return t, (1 - t**2) * torch.sigmoid(x)

    @wrong("You multiplied softplus(x) by tanh(x)")
    def sets_side_by_side(x):
        t = torch.tanh(x)
        return t * F.softplus(x), t * torch.sigmoid(x) + (1 - t**2) * F.softplus(x)

    @wrong("The slope came first")
    def swaps(x):
        t = torch.tanh(F.softplus(x))
        return t + x * (1 - t**2) * torch.sigmoid(x), x * t

    @wrong("treats the gate as a constant")
    def keeps_first_half(x):
        t = torch.tanh(F.softplus(x))
        return x * t, t

    @wrong("treats the factor x as a constant")
    def keeps_second_half(x):
        t = torch.tanh(F.softplus(x))
        return x * t, x * (1 - t**2) * torch.sigmoid(x)

    @wrong("The inner derivative is missing")
    def forgets_the_chain(x):
        t = torch.tanh(F.softplus(x))
        return x * t, t + x * (1 - t**2)

    @wrong("The derivative of tanh is missing")
    def forgets_tanh(x):
        t = torch.tanh(F.softplus(x))
        return x * t, t + x * torch.sigmoid(x)

    @wrong("The factor x is missing in front")
    def forgets_x_in_slope(x):
        t = torch.tanh(F.softplus(x))
        return x * t, t + (1 - t**2) * torch.sigmoid(x)

    @wrong("You added the slopes up")
    def adds_up(x):
        t = torch.tanh(F.softplus(x))
        return x * t, (t + x * (1 - t**2) * torch.sigmoid(x)).sum()

    @wrong("Did you nudge x and divide?")
    def nudges(x):
        def f(x):
            return x * torch.tanh(F.softplus(x))

        return f(x), (f(x + 1e-3) - f(x)) / 1e-3

    @wrong("At x = 200 your result is not finite")
    def overflows(x):
        e = torch.exp(x)
        t = torch.tanh(torch.log(1 + e))
        return x * t, t + x * (1 - t**2) * e / (1 + e)

    @wrong("PyTorch's own `mish`")
    def calls_pytorch(x):
        t = torch.tanh(F.softplus(x))
        return F.mish(x), t + x * (1 - t**2) * torch.sigmoid(x)

    @wrong("PyTorch's own `grad`")
    def asks_autograd(x):
        marked = x.clone().requires_grad_()
        value = marked * torch.tanh(F.softplus(marked))
        return value.detach(), torch.autograd.grad(value.sum(), marked)[0]

    @right
    def by_formula(x):
        t = torch.tanh(F.softplus(x))
        return x * t, t + x * (1 - t**2) * torch.sigmoid(x)

    @right
    def with_modules(x):
        t = nn.Tanh()(nn.Softplus()(x))
        return t * x, t + x / torch.cosh(F.softplus(x)).square() * nn.Sigmoid()(x)


class class_scores:
    @wrong("without its batch dimension")
    def flattens_the_batch(maps, head):
        return head(torch.flatten(maps))

    @wrong("did not object")
    def cuts_to_fit(maps, head):
        return head(maps.reshape(-1, head.in_features))

    @wrong("channels last")
    def takes_channels_last(maps, head):
        return head(maps.permute(0, 2, 3, 1).flatten(1))

    @wrong("Height and width are swapped")
    def swaps_height_and_width(maps, head):
        return head(maps.transpose(2, 3).flatten(1))

    @wrong("You averaged the pictures")
    def averages_the_batch(maps, head):
        return head(maps.mean(0, keepdim=True).flatten(1))

    @wrong("Only the first picture")
    def scores_the_first(maps, head):
        return head(maps[0].flatten()[None])

    @wrong("Batch and channels are mixed")
    def mixes_batch_and_channels(maps, head):
        return head(maps.transpose(0, 1).reshape(len(maps), -1))

    @wrong("Your code stopped with an error")
    def forgets_to_flatten(maps, head):
        return head(maps)

    @wrong("no gradient can flow back")
    def detaches(maps, head):
        return head(maps.flatten(1)).detach()

    @right
    def by_flatten(maps, head):
        return head(torch.flatten(maps, 1))

    @right
    def by_layer(maps, head):
        return nn.Sequential(nn.Flatten(), head)(maps)

    @right
    def by_hand(maps, head):
        return maps.reshape(len(maps), -1) @ head.weight.T + head.bias


def _filled(weight, bias):
    layer = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer


class merge_linear:
    @wrong("wrong order")
    def multiplies_in_order_of_layers(first, second):
        return _filled(first.weight @ second.weight, second(first.bias))

    @wrong("element by element")
    def multiplies_elements(first, second):
        return _filled(first.weight * second.weight, second(first.bias))

    @wrong("Your weight is transposed")
    def transposes(first, second):
        return _filled((second.weight @ first.weight).T, second(first.bias))

    @wrong("You added the weights")
    def adds_weights(first, second):
        return _filled(first.weight + second.weight, second(first.bias))

    @wrong("You added the two biases")
    def adds_biases(first, second):
        return _filled(second.weight @ first.weight, first.bias + second.bias)

    @wrong("The first bias is lost")
    def loses_first_bias(first, second):
        return _filled(second.weight @ first.weight, second.bias)

    @wrong("The second bias is lost")
    def loses_second_bias(first, second):
        return _filled(second.weight @ first.weight, second.weight @ first.bias)

    @wrong("through the transposed second weight")
    def multiplies_bias_from_the_left(first, second):
        return _filled(second.weight @ first.weight, first.bias @ second.weight + second.bias)

    @wrong("not a single `nn.Linear`")
    def returns_both(first, second):
        return nn.Sequential(first, second)

    @wrong("has no bias")
    def leaves_out_the_bias(first, second):
        layer = nn.Linear(first.in_features, second.out_features, bias=False)
        layer.weight = nn.Parameter(second.weight @ first.weight)
        return layer

    @wrong("cannot be trained")
    def freezes(first, second):
        return _filled(second.weight @ first.weight, second(first.bias)).requires_grad_(False)

    @wrong("you changed one of the two layers")
    def writes_into_the_second(first, second):
        layer = _filled(second.weight @ first.weight, second(first.bias))
        with torch.no_grad():
            second.bias += 1
        return layer

    @wrong("Your code stopped with an error")
    def trusts_in_a_bias(first, second):
        return _filled(second.weight @ first.weight, second.weight @ first.bias + second.bias)

    @right
    def by_the_layers_themselves(first, second):
        zeros = torch.zeros(first.in_features, dtype=first.weight.dtype)
        return _filled(second.weight @ first.weight, second(first(zeros)))

    @right
    def by_probing(first, second):
        eye = torch.eye(first.in_features, dtype=first.weight.dtype)
        offset = second(first(torch.zeros_like(eye[0])))
        return _filled((second(first(eye)) - offset).T, offset)

    @right
    def by_formula(first, second):
        weight = second.weight @ first.weight
        merged = nn.Linear(first.in_features, second.out_features, dtype=weight.dtype)
        bias = torch.zeros_like(weight[:, 0])
        if first.bias is not None:
            bias = bias + second.weight @ first.bias
        if second.bias is not None:
            bias = bias + second.bias
        merged.weight, merged.bias = nn.Parameter(weight.detach()), nn.Parameter(bias.detach())
        return merged


def _layers(num_classes):
    return [
        nn.Conv2d(3, 16, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(1024, 64),
        nn.ReLU(),
        nn.Linear(64, num_classes),
    ]


def _with(num_classes, **changes):
    layers = _layers(num_classes)
    for place, layer in changes.items():
        layers[int(place[1:])] = layer
    return nn.Sequential(*layers)


class cifar_net:
    @wrong("There is no activation")
    def forgets_activations(num_classes):
        return nn.Sequential(*(x for x in _layers(num_classes) if not isinstance(x, nn.ReLU)))

    @wrong("ends in Softmax")
    def ends_in_softmax(num_classes):
        return nn.Sequential(*_layers(num_classes), nn.Softmax(dim=1))

    @wrong("ends in a ReLU")
    def ends_in_relu(num_classes):
        return nn.Sequential(*_layers(num_classes), nn.ReLU())

    @wrong("The batch was flattened, too")
    def flattens_the_batch(num_classes):
        return _with(num_classes, _8=nn.Flatten(0))

    @wrong("padding or stride is not")
    def forgets_padding(num_classes):
        return _with(num_classes, _0=nn.Conv2d(3, 16, 5))

    @wrong("Layer 7 (Conv2d) gives (2, 64, 8, 8)")
    def forgets_stride(num_classes):
        return _with(num_classes, _6=nn.Conv2d(32, 64, 3, padding=1))

    @wrong("the table says MaxPool2d")
    def pools_by_average(num_classes):
        return _with(num_classes, _2=nn.AvgPool2d(2))

    @wrong("has 448 parameters, not 1,216")
    def takes_another_kernel(num_classes):
        return _with(num_classes, _0=nn.Conv2d(3, 16, 3, padding=1))

    @wrong("its bias is switched off")
    def leaves_out_a_bias(num_classes):
        return _with(num_classes, _3=nn.Conv2d(16, 32, 3, padding=1, bias=False))

    @wrong("the table says ReLU")
    def takes_sigmoid(num_classes):
        return _with(num_classes, _1=nn.Sigmoid())

    @wrong("Asked for 7 classes")
    def fixes_ten_classes(num_classes):
        return nn.Sequential(*_layers(10))

    @wrong("a ModuleList, not an `nn.Sequential`")
    def returns_a_module_list(num_classes):
        return nn.ModuleList(_layers(num_classes))

    @wrong("a list, not an `nn.Sequential`")
    def returns_a_list(num_classes):
        return _layers(num_classes)

    @wrong("Layer 1 (Sequential) gives (2, 1024)")
    def nests(num_classes):
        layers = _layers(num_classes)
        return nn.Sequential(nn.Sequential(*layers[:9]), nn.Sequential(*layers[9:]))

    @wrong("13 layers, the table has 12")
    def adds_a_layer(num_classes):
        return nn.Sequential(*_layers(num_classes), nn.Identity())

    @right
    def as_the_table_says(num_classes):
        return nn.Sequential(*_layers(num_classes))

    @right
    def in_place_and_lazy(num_classes):
        return _with(num_classes, _1=nn.ReLU(inplace=True), _9=nn.LazyLinear(64))

    @right
    def one_relu_for_all(num_classes):
        relu = nn.ReLU()
        return _with(num_classes, _1=relu, _4=relu, _7=relu, _10=relu)


class new_head:
    @wrong("Nothing trains")
    def freezes_last(model, num_classes):
        model.classifier[6] = nn.Linear(model.classifier[6].in_features, num_classes)
        return model.requires_grad_(False)

    @wrong("Nothing is frozen")
    def freezes_nothing(model, num_classes):
        model.classifier[6] = nn.Linear(model.classifier[6].in_features, num_classes)
        return model

    @wrong("it is an attribute nobody reads")
    def sets_an_attribute(model, num_classes):
        model.requires_grad = False
        model.classifier[6] = nn.Linear(model.classifier[6].in_features, num_classes)
        return model

    @wrong("The hidden layers of the classifier still train")
    def freezes_features_only(model, num_classes):
        model.features.requires_grad_(False)
        model.classifier[6] = nn.Linear(model.classifier[6].in_features, num_classes)
        return model

    @wrong("Part of `features` is not frozen")
    def freezes_classifier_only(model, num_classes):
        model.classifier.requires_grad_(False)
        model.classifier[6] = nn.Linear(model.classifier[6].in_features, num_classes)
        return model

    @wrong("only what is printed")
    def renames_the_size(model, num_classes):
        model.requires_grad_(False)
        model.classifier[6].out_features = num_classes
        return model

    @wrong("You appended a layer")
    def appends(model, num_classes):
        model.requires_grad_(False)
        old = model.classifier[6].out_features
        model.classifier.add_module("head", nn.Linear(old, num_classes))
        return model

    @wrong("`forward` never calls it")
    def adds_beside(model, num_classes):
        model.requires_grad_(False)
        model.add_module("head", nn.Linear(model.classifier[6].out_features, num_classes))
        return model

    @wrong("wants 4096 inputs")
    def remembers_the_size(model, num_classes):
        model.requires_grad_(False)
        model.classifier[6] = nn.Linear(4096, num_classes)
        return model

    @wrong("gives 10 scores")
    def fixes_ten_classes(model, num_classes):
        model.requires_grad_(False)
        model.classifier[6] = nn.Linear(model.classifier[6].in_features, 10)
        return model

    @wrong("The whole classifier is gone")
    def replaces_the_classifier(model, num_classes):
        model.requires_grad_(False)
        model.classifier = nn.Linear(model.classifier[0].in_features, num_classes)
        return model

    @wrong("not the model that was given")
    def changes_a_copy(model, num_classes):
        model = copy.deepcopy(model).requires_grad_(False)
        model.classifier[6] = nn.Linear(model.classifier[6].in_features, num_classes)
        return model

    @wrong("The pretrained numbers in")
    def starts_from_scratch(model, num_classes):
        model.requires_grad_(False)
        model.classifier[6] = nn.Linear(model.classifier[6].in_features, num_classes)
        model.features[0].reset_parameters()
        return model

    @wrong("Of the head, only classifier.6.bias trains")
    def trains_the_bias_only(model, num_classes):
        model.requires_grad_(False)
        model.classifier[6] = nn.Linear(model.classifier[6].in_features, num_classes)
        model.classifier[6].weight.requires_grad_(False)
        return model

    @wrong("is a Softmax, not an `nn.Linear`")
    def puts_a_softmax(model, num_classes):
        model.requires_grad_(False)
        model.classifier[6] = nn.Softmax(dim=1)
        return model

    @right
    def freezes_first(model, num_classes):
        model.requires_grad_(False)
        model.classifier[6] = nn.Linear(model.classifier[6].in_features, num_classes)
        return model

    @right
    def one_by_one(model, num_classes):
        for parameter in model.parameters():
            parameter.requires_grad = False
        head = model.classifier[-1]
        model.classifier[-1] = nn.Linear(head.in_features, num_classes)
        return model

    @right
    def thaws_the_head(model, num_classes):
        model.classifier[6] = nn.Linear(model.classifier[6].in_features, num_classes)
        model.requires_grad_(False)
        model.classifier[6].requires_grad_(True)
        return model
