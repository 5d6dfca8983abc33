"""Answers to the exercises of chapter 3's lab 1: losses and optimizers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from wrong_answers import right, wrong


def _losses(logits, labels):
    """(B,) cross-entropies."""
    return F.cross_entropy(logits, labels, reduction="none")


class weighted_cross_entropy:
    @wrong("The weights have no effect")
    def ignores_the_weights(logits, labels, weight):
        return _losses(logits, labels).mean()

    @wrong("divided by the number of examples")
    def divides_by_the_batch(logits, labels, weight):
        return (weight[labels] * _losses(logits, labels)).mean()

    @wrong("the sum of all class weights")
    def divides_by_all_weights(logits, labels, weight):
        return (weight[labels] * _losses(logits, labels)).sum() / weight.sum()

    @wrong("did not divide")
    def sums(logits, labels, weight):
        return (weight[labels] * _losses(logits, labels)).sum()

    @wrong("The sign is wrong")
    def forgets_the_minus(logits, labels, weight):
        return -F.cross_entropy(logits, labels, weight)

    @wrong("one weighted loss for each example")
    def returns_each(logits, labels, weight):
        return weight[labels] * _losses(logits, labels)

    @wrong("A softmax was taken twice")
    def takes_softmax_twice(logits, labels, weight):
        return F.cross_entropy(logits.softmax(1), labels, weight)

    @wrong("on average, not by label")
    def weights_on_average(logits, labels, weight):
        return _losses(logits, labels).mean() * weight.mean()

    @wrong("the exponentials overflow")
    def builds_probabilities(logits, labels, weight):
        p = logits.exp() / logits.exp().sum(1, keepdim=True)
        w = weight[labels]
        return -(w * p.gather(1, labels[:, None])[:, 0].log()).sum() / w.sum()

    @wrong("You put a small number into the logarithm")
    def adds_a_small_number(logits, labels, weight):
        p = logits.softmax(1).gather(1, labels[:, None])[:, 0]
        return -(weight[labels] * (p + 1e-8).log()).sum() / weight[labels].sum()

    @wrong("a Python loop computes them")
    def loops(logits, labels, weight):
        total = sum(weight[y] * _losses(z[None], y[None])[0] for z, y in zip(logits, labels))  # noqa: B905
        return total / weight[labels].sum()

    @wrong("no gradient can flow")
    def cuts_the_graph(logits, labels, weight):
        return torch.tensor(F.cross_entropy(logits, labels, weight).item())

    @right
    def by_pytorch(logits, labels, weight):
        return F.cross_entropy(logits, labels, weight=weight)

    @right
    def by_logsumexp(logits, labels, weight):
        loss = logits.logsumexp(1) - logits[torch.arange(len(labels)), labels]
        return (weight[labels] * loss).sum() / weight[labels].sum()

    @right
    def by_shifting(logits, labels, weight):
        z = logits - logits.max(1, keepdim=True).values
        loss = z.exp().sum(1).log() - z.gather(1, labels[:, None]).squeeze(1)
        return weight[labels] @ loss / weight[labels].sum()


class digit_loss:
    @wrong("Softmax is taken twice")
    def softmax_before(model, images, labels):
        return F.cross_entropy(model(images.float() / 255).softmax(1), labels)

    @wrong("you fed it 0 to 255")
    def forgets_the_scale(model, images, labels):
        return F.cross_entropy(model(images.float()), labels)

    @wrong("added up the losses")
    def sums(model, images, labels):
        return F.cross_entropy(model(images.float() / 255), labels, reduction="sum")

    @wrong("a loss for each image")
    def returns_each(model, images, labels):
        return F.cross_entropy(model(images.float() / 255), labels, reduction="none")

    @wrong("got logits")
    def nll_of_logits(model, images, labels):
        return F.nll_loss(model(images.float() / 255), labels)

    @wrong("over the batch")
    def softmax_over_the_batch(model, images, labels):
        return F.cross_entropy(model(images.float() / 255).softmax(0), labels)

    @wrong("Your code stopped with an error")
    def one_hot_without_classes(model, images, labels):
        return F.cross_entropy(model(images.float() / 255), F.one_hot(labels).float())

    @wrong("no gradient can flow from it")
    def without_a_graph(model, images, labels):
        with torch.no_grad():
            return F.cross_entropy(model(images.float() / 255), labels)

    @wrong("does not reach the weights")
    def detaches_the_logits(model, images, labels):
        logits = model(images.float() / 255).detach().requires_grad_()
        return F.cross_entropy(logits, labels)

    @wrong("your code changed its input (model)")
    def leaves_eval_mode(model, images, labels):
        return F.cross_entropy(model.eval()(images.float() / 255), labels)

    @wrong("not a tensor")
    def returns_a_number(model, images, labels):
        return F.cross_entropy(model(images.float() / 255), labels).item()

    @right
    def by_logits(model, images, labels):
        return F.cross_entropy(model(images.float() / 255), labels)

    @right
    def by_two_steps(model, images, labels):
        return nn.NLLLoss()(model(images / 255).log_softmax(dim=1), labels)

    @right
    def with_one_hot(model, images, labels):
        logits = model(images.div(255))
        return nn.CrossEntropyLoss()(logits, F.one_hot(labels, logits.shape[1]).float())


class train_on_batches:
    @wrong("The gradients pile up")
    def never_clears(model, optimizer, batches):
        losses = []
        for x, y in batches:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    @wrong("have not moved at all")
    def clears_in_between(model, optimizer, batches):
        losses = []
        for x, y in batches:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.zero_grad()
            optimizer.step()
            losses.append(loss.item())
        return losses

    @wrong("you step before `backward()`")
    def steps_first(model, optimizer, batches):
        losses = []
        for x, y in batches:
            loss = F.cross_entropy(model(x), y)
            optimizer.step()
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            losses.append(loss.item())
        return losses

    @wrong("Only the first batch")
    def returns_in_the_loop(model, optimizer, batches):
        for x, y in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return [loss.item()]

    @wrong("went backward once")
    def adds_all_losses(model, optimizer, batches):
        optimizer.zero_grad()
        losses = [F.cross_entropy(model(x), y) for x, y in batches]
        sum(losses).backward()
        optimizer.step()
        return [loss.item() for loss in losses]

    @wrong("You clear after each step")
    def clears_last(model, optimizer, batches):
        losses = []
        for x, y in batches:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        return losses

    @wrong("your losses are tensors")
    def keeps_graphs(model, optimizer, batches):
        return _train(model, optimizer, batches, note=lambda loss: loss)

    @wrong("those after each step")
    def notes_too_late(model, optimizer, batches):
        losses = []
        for x, y in batches:
            _train(model, optimizer, [(x, y)])
            losses.append(F.cross_entropy(model(x), y).item())
        return losses

    @wrong("the mean of the losses")
    def averages(model, optimizer, batches):
        losses = _train(model, optimizer, batches)
        return sum(losses) / max(len(losses), 1)

    @wrong("Seen with an optimizer with momentum")
    def ignores_the_optimizer(model, optimizer, batches):
        losses = []
        for x, y in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            with torch.no_grad():
                for p in model.parameters():
                    p -= 0.5 * p.grad
            losses.append(loss.item())
        return losses

    @right
    def in_the_usual_order(model, optimizer, batches):
        return _train(model, optimizer, batches)

    @right
    def clears_the_model(model, optimizer, batches):
        losses = []
        for x, y in batches:
            loss = nn.CrossEntropyLoss()(model(x), y)
            model.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss))
        return losses

    @right
    def sets_gradients(model, optimizer, batches):
        losses = []
        for x, y in batches:
            loss = F.cross_entropy(model(x), y)
            params = list(model.parameters())
            for p, gradient in zip(params, torch.autograd.grad(loss, params), strict=True):
                p.grad = gradient
            optimizer.step()
            losses.append(loss.detach().item())
        return losses


def _train(model, optimizer, batches, note=float):
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(note(loss))
    return losses


def _backward(X, Y, W1, b1, W2, b2, scale=2.0, slope=lambda Z, H: 1 - H**2):
    """The gradients; `scale` and `slope` are what a misconception changes."""
    Z = X @ W1.T + b1
    H = Z.tanh()
    G = scale * (H @ W2.T + b2 - Y) / Y.numel()
    dZ = G @ W2 * slope(Z, H)
    return dZ.T @ X, dZ.sum(0), G.T @ H, G.sum(0)


class two_layer_gradients:
    @wrong("The slope of tanh is missing")
    def forgets_tanh(*arguments):
        return _backward(*arguments, slope=lambda Z, H: 1)

    @wrong("You took 1 - Z²")
    def squares_the_input(*arguments):
        return _backward(*arguments, slope=lambda Z, H: 1 - Z**2)

    @wrong("which already is tanh(Z)")
    def tanh_of_the_result(*arguments):
        return _backward(*arguments, slope=lambda Z, H: 1 - torch.tanh(H) ** 2)

    @wrong("The square is missing in the slope")
    def forgets_the_square(*arguments):
        return _backward(*arguments, slope=lambda Z, H: 1 - H)

    @wrong("the 2 of the square is missing")
    def forgets_the_two(*arguments):
        return _backward(*arguments, scale=1.0)

    @wrong("gradients of the sum")
    def forgets_the_mean(X, Y, *weights):
        return _backward(X, Y, *weights, scale=2.0 * Y.numel())

    @wrong("by the batch size only")
    def divides_by_the_batch(X, Y, *weights):
        return _backward(X, Y, *weights, scale=2.0 * Y.shape[1])

    @wrong("Every sign is wrong")
    def turns_the_error_round(*arguments):
        return _backward(*arguments, scale=-2.0)

    @wrong("the biases got the mean")
    def averages_for_biases(*arguments):
        dW1, db1, dW2, db2 = _backward(*arguments)
        return dW1, db1 / 3, dW2, db2 / 3  # a batch of three

    @wrong("has shape (2, 4)")
    def transposes(*arguments):
        dW1, db1, dW2, db2 = _backward(*arguments)
        return dW1.T, db1, dW2.T, db2

    @wrong("autograd has worked them out")
    def asks_autograd(X, Y, *weights):
        weights = [w.clone().requires_grad_() for w in weights]
        W1, b1, W2, b2 = weights
        loss = (((X @ W1.T + b1).tanh() @ W2.T + b2 - Y) ** 2).mean()
        return torch.autograd.grad(loss, weights)

    @right
    def by_hand(X, Y, W1, b1, W2, b2):
        return _backward(X, Y, W1, b1, W2, b2)

    @right
    def with_einsum(X, Y, W1, b1, W2, b2):
        H = torch.tanh(F.linear(X, W1, b1))
        G = (F.linear(H, W2, b2) - Y) * (2 / Y.numel())
        dZ = torch.einsum("bk,kh->bh", G, W2) / torch.cosh(F.linear(X, W1, b1)) ** 2
        return (
            torch.einsum("bh,bd->hd", dZ, X),
            dZ.sum(dim=0),
            torch.einsum("bk,bh->kh", G, H),
            G.sum(dim=0),
        )


class _Adam:
    """A right answer with places where a misconception can enter."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.params = self.collect(params)
        self.lr, self.betas, self.eps, self.t = lr, betas, eps, 0
        self.state = {}

    collect = staticmethod(list)

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    def step(self):
        self.t += 1
        with torch.no_grad():
            for p in self.params:
                if p.grad is not None:
                    p += self.move(p)

    def move(self, p):
        return -self.lr * self.direction(*self.means(p))

    def means(self, p):
        m, s = self.state.get(id(p), (torch.zeros_like(p), torch.zeros_like(p)))
        m = self.betas[0] * m + (1 - self.betas[0]) * p.grad
        s = self.betas[1] * s + (1 - self.betas[1]) * p.grad**2
        self.state[id(p)] = (m, s)
        return m, s

    def corrected(self, m, s):
        return m / (1 - self.betas[0] ** self.t), s / (1 - self.betas[1] ** self.t)

    def direction(self, m, s):
        m, s = self.corrected(m, s)
        return m / (s.sqrt() + self.eps)


class _NoCorrection(_Adam):
    def corrected(self, m, s):
        return m, s


class _CorrectsM(_Adam):
    def corrected(self, m, s):
        return m / (1 - self.betas[0] ** self.t), s


class _CorrectsS(_Adam):
    def corrected(self, m, s):
        return m, s / (1 - self.betas[1] ** self.t)


class _NoRoot(_Adam):
    def direction(self, m, s):
        m, s = self.corrected(m, s)
        return m / (s + self.eps)


class _Uphill(_Adam):
    def move(self, p):
        return -super().move(p)


class _Plain(_Adam):
    def move(self, p):
        return -self.lr * p.grad


class _StartsAtZero(_Adam):
    def step(self):
        with torch.no_grad():
            for p in self.params:
                p += self.move(p)
        self.t += 1


class _StuckAtOne(_Adam):
    def step(self):
        self.t = 0
        super().step()


class _Forgets(_Adam):
    def step(self):
        self.t, self.state = 0, {}
        super().step()


class _StoresCorrected(_Adam):
    def means(self, p):
        m, s = super().means(p)
        self.state[id(p)] = self.corrected(m, s)
        return m, s


class _EpsInside(_Adam):
    def direction(self, m, s):
        m, s = self.corrected(m, s)
        return m / (s + self.eps).sqrt()


class _NoEps(_Adam):
    def direction(self, m, s):
        m, s = self.corrected(m, s)
        return m / s.sqrt()


class _EpsEarly(_Adam):
    def direction(self, m, s):
        correction = (1 - self.betas[1] ** self.t) ** 0.5 / (1 - self.betas[0] ** self.t)
        return correction * m / (s.sqrt() + self.eps)


class _KeepsGenerator(_Adam):
    collect = staticmethod(lambda params: params if not isinstance(params, list) else list(params))


class _CountsPerParameter(_Adam):
    def step(self):
        with torch.no_grad():
            for p in self.params:
                if p.grad is not None:
                    self.t += 1
                    p += self.move(p)


class _SharedMemory(_Adam):
    def means(self, p):
        m, s = self.state.get(p.shape, (0, 0))
        m = self.betas[0] * m + (1 - self.betas[0]) * p.grad
        s = self.betas[1] * s + (1 - self.betas[1]) * p.grad**2
        self.state[p.shape] = (m, s)
        return m, s


class _Rebinds(_Adam):
    def step(self):
        self.t += 1
        with torch.no_grad():
            self.params = [p + self.move(p) for p in self.params]


class _Records(_Adam):
    def step(self):
        self.t += 1
        for p in self.params:
            p -= self.lr * self.direction(*self.means(p))


class _MindsNone(_Adam):
    def step(self):
        self.t += 1
        with torch.no_grad():
            for p in self.params:
                p += self.move(p)


class _NeverClears(_Adam):
    def zero_grad(self):
        pass


class _NoZeroGrad(_Adam):
    zero_grad = None


class _ByData(_Adam):
    def step(self):
        self.t += 1
        for p in self.params:
            if p.grad is not None:
                p.data.add_(self.move(p))


class Adam:
    no_correction = wrong("The bias correction is missing")(_NoCorrection)
    corrects_m_only = wrong("but not that of their squares")(_CorrectsM)
    corrects_s_only = wrong("but not that of the gradients")(_CorrectsS)
    no_root = wrong("You divided by ŝ itself")(_NoRoot)
    uphill = wrong("uphill")(_Uphill)
    plain = wrong("That is plain descent")(_Plain)
    starts_at_zero = wrong("with t = 0 the corrections")(_StartsAtZero)
    stuck_at_one = wrong("t is still 1")(_StuckAtOne)
    forgets = wrong("Your optimizer forgets")(_Forgets)
    stores_corrected = wrong("You stored the corrected means")(_StoresCorrected)
    eps_inside = wrong("`eps` stands inside the root")(_EpsInside)
    no_eps = wrong("`eps` is missing")(_NoEps)
    eps_early = wrong("before the correction of s")(_EpsEarly)
    keeps_the_generator = wrong("a generator can be walked through only once")(_KeepsGenerator)
    counts_per_parameter = wrong("You raise t for each parameter")(_CountsPerParameter)
    shared_memory = wrong("Seen with 3 parameters, step 1")(_SharedMemory)
    rebinds = wrong("leaves the model's parameter where it was")(_Rebinds)
    records = wrong("Your code stopped with an error")(_Records)
    minds_none = wrong("Your code stopped with an error")(_MindsNone)
    never_clears = wrong("the old gradient is still there")(_NeverClears)
    no_zero_grad = wrong("no method 'zero_grad'")(_NoZeroGrad)
    by_hand = right(_Adam)
    by_data = right(_ByData)
    pytorch = right(torch.optim.Adam)


def _groups(model, decay, is_heavy=lambda name, p: p.ndim > 1, is_in=lambda p: p.requires_grad):
    """The groups; `is_heavy` and `is_in` are what a misconception changes."""
    groups = [{"params": [], "weight_decay": decay}, {"params": [], "weight_decay": 0.0}]
    for name, p in model.named_parameters():
        if is_in(p):
            groups[0 if is_heavy(name, p) else 1]["params"].append(p)
    return groups


class decay_groups:
    @wrong("is called `weight` too")
    def goes_by_name(model, decay):
        return _groups(model, decay, is_heavy=lambda name, p: name.endswith("weight"))

    @wrong("The kernel of a convolution")
    def matrices_only(model, decay):
        return _groups(model, decay, is_heavy=lambda name, p: p.ndim == 2)

    @wrong("in the wrong order")
    def turns_them_round(model, decay):
        return _groups(model, decay, is_heavy=lambda name, p: p.ndim <= 1)

    @wrong("is frozen, and still in a group")
    def takes_frozen_ones(model, decay):
        return _groups(model, decay, is_in=lambda p: True)

    @wrong("is in no group")
    def forgets_the_vectors(model, decay):
        return _groups(model, decay, is_in=lambda p: p.requires_grad and p.ndim > 1)

    @wrong("Both groups have the same decay")
    def same_decay(model, decay):
        return [{**group, "weight_decay": decay} for group in _groups(model, decay)]

    @wrong("The decay is on the wrong group")
    def decay_on_the_wrong_one(model, decay):
        first, second = _groups(model, decay)
        return [{**first, "weight_decay": 0.0}, {**second, "weight_decay": decay}]

    @wrong("the optimizer's default would apply")
    def leaves_the_default(model, decay):
        first, second = _groups(model, decay)
        return [first, {"params": second["params"]}]

    @wrong("no parameter of the model")
    def gives_names(model, decay):
        names = [name for name, _ in model.named_parameters()]
        return [{"params": names, "weight_decay": decay}, {"params": [], "weight_decay": 0.0}]

    @wrong("A parameter is listed twice")
    def walks_through_layers(model, decay):
        params = [p for layer in model for p in layer.parameters() if p.requires_grad]
        return [
            {"params": [p for p in params if p.ndim > 1], "weight_decay": decay},
            {"params": [p for p in params if p.ndim < 2], "weight_decay": 0.0},
        ]

    @wrong("not a list of two dictionaries")
    def gives_plain_lists(model, decay):
        return [group["params"] for group in _groups(model, decay)]

    @wrong("is a generator, not a list")
    def gives_a_generator(model, decay):
        return [
            {"params": (p for p in model.parameters() if p.ndim > 1), "weight_decay": decay},
            {"params": (p for p in model.parameters() if p.ndim < 2), "weight_decay": 0.0},
        ]

    @right
    def by_dimensions(model, decay):
        return _groups(model, decay)

    @right
    def by_comprehension(model, decay):
        params = [p for p in model.parameters() if p.requires_grad]
        return (
            {"params": [p for p in params if p.dim() >= 2], "weight_decay": decay},
            {"weight_decay": 0.0, "params": [p for p in params if p.dim() < 2]},
        )
