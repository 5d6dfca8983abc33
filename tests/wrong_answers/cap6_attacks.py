"""Answers to the exercises of capstone 6."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from wrong_answers import right, wrong


class fgsm_step:
    @wrong("left the range from 0 to 1")
    def forgets_the_clamp(x, gradient, eps):
        return x + eps * gradient.sign()

    @wrong("gradient itself: one pixel")
    def forgets_the_sign(x, gradient, eps):
        return (x + eps * gradient).clamp(0, 1)

    @wrong("gradient itself, and left")
    def forgets_both(x, gradient, eps):
        return x + eps * gradient

    @wrong("walked down")
    def descends(x, gradient, eps):
        return (x - eps * gradient.sign()).clamp(0, 1)

    @wrong("the change alone")
    def returns_the_change(x, gradient, eps):
        return (eps * gradient.sign()).clamp(0, 1)

    @wrong("unit vector")
    def normalises(x, gradient, eps):
        return (x + eps * F.normalize(gradient.flatten(1), dim=1).view_as(x)).clamp(0, 1)

    @wrong("changed its input")
    def in_place(x, gradient, eps):
        x += eps * gradient.sign()
        return x.clamp_(0, 1)

    @right
    def by_sign(x, gradient, eps):
        return torch.clamp(x + eps * torch.sign(gradient), 0, 1)

    @right
    def by_where(x, gradient, eps):
        up, down = (x + eps).clamp(max=1), (x - eps).clamp(min=0)
        return torch.where(gradient > 0, up, torch.where(gradient < 0, down, x))


class project:
    @wrong("0.4 away")
    def only_pixels(adversarial, x, eps):
        return adversarial.clamp(0, 1)

    @wrong("two left the range")
    def only_eps(adversarial, x, eps):
        return x + (adversarial - x).clamp(-eps, eps)

    @wrong("pixels themselves to ε")
    def clamps_the_picture(adversarial, x, eps):
        return adversarial.clamp(-eps, eps)

    @wrong("the change alone")
    def returns_the_change(adversarial, x, eps):
        return (adversarial - x).clamp(-eps, eps)

    @wrong("pushed out to the border")
    def takes_the_sign(adversarial, x, eps):
        return (x + eps * (adversarial - x).sign()).clamp(0, 1)

    @wrong("a ball, not a box")
    def scales(adversarial, x, eps):
        change = adversarial - x
        return (x + eps * change / change.norm()).clamp(0, 1)

    @right
    def by_clamps(adversarial, x, eps):
        return (x + (adversarial - x).clamp(-eps, eps)).clamp(0, 1)

    @right
    def by_the_borders(adversarial, x, eps):
        low, high = (x - eps).clamp(min=0), (x + eps).clamp(max=1)
        return torch.minimum(torch.maximum(adversarial, low), high)

    @right
    def in_the_other_order(adversarial, x, eps):
        return x + torch.clamp(adversarial.clamp(0, 1) - x, -eps, eps)


def _gradient(model, x, y, loss_fn):
    x = x.detach().clone().requires_grad_()
    return torch.autograd.grad(loss_fn(model(x), y), x)[0]


class input_gradient:
    @wrong("size of the batch")
    def takes_the_mean(model, x, y):
        return _gradient(model, x, y, F.cross_entropy)

    @wrong("sign is turned")
    def negates(model, x, y):
        return _gradient(model, x, y, lambda a, b: -F.cross_entropy(a, b, reduction="sum"))

    @wrong("gradient of the logits")
    def takes_the_logit(model, x, y):
        return _gradient(model, x, y, lambda a, b: a[range(len(b)), b].sum())

    @wrong("all logits added up")
    def sums_the_logits(model, x, y):
        return _gradient(model, x, y, lambda a, b: a.sum())

    @wrong("No gradient came out")
    def returns_zeros(model, x, y):
        return torch.zeros_like(x)

    @wrong("left gradients on the model")
    def goes_backward(model, x, y):
        x = x.detach().clone().requires_grad_()
        F.cross_entropy(model(x), y, reduction="sum").backward()
        return x.grad

    @wrong("changed or deleted them")
    def cleans_up_too_much(model, x, y):
        x = x.detach().clone().requires_grad_()
        F.cross_entropy(model(x), y, reduction="sum").backward()
        model.zero_grad()
        return x.grad

    @wrong("caller's `x` now requires")
    def marks_the_caller(model, x, y):
        x.requires_grad_()
        loss = F.cross_entropy(model(x), y, reduction="sum")
        return torch.autograd.grad(loss, x)[0]

    @right
    def by_autograd(model, x, y):
        return _gradient(model, x, y, lambda a, b: F.cross_entropy(a, b, reduction="sum"))

    @right
    def by_func(model, x, y):
        def loss(z):
            return -model(z).log_softmax(1)[range(len(y)), y].sum()

        return torch.func.grad(loss)(x).detach()


class pgd_loop:
    @wrong("nothing is projected, or")
    def only_pixels(gradient_at, x, start, eps, step_size, steps):
        z = start
        for _ in range(steps):
            z = (z + step_size * gradient_at(z).sign()).clamp(0, 1)
        return z

    @wrong("leave the ε-box and")
    def never_projects(gradient_at, x, start, eps, step_size, steps):
        z = start
        for _ in range(steps):
            z = z + step_size * gradient_at(z).sign()
        return z

    @wrong("brighter than white")
    def forgets_the_clamp(gradient_at, x, start, eps, step_size, steps):
        z = start
        for _ in range(steps):
            z = x + (z + step_size * gradient_at(z).sign() - x).clamp(-eps, eps)
        return z

    @wrong("only once")
    def one_gradient(gradient_at, x, start, eps, step_size, steps):
        z, sign = start, gradient_at(start).sign()
        for _ in range(steps):
            z = (x + (z + step_size * sign - x).clamp(-eps, eps)).clamp(0, 1)
        return z

    @wrong("walked down")
    def descends(gradient_at, x, start, eps, step_size, steps):
        z = start
        for _ in range(steps):
            z = (x + (z - step_size * gradient_at(z).sign() - x).clamp(-eps, eps)).clamp(0, 1)
        return z

    @wrong("one step only")
    def returns_in_the_loop(gradient_at, x, start, eps, step_size, steps):
        z = start
        for _ in range(steps):
            z = (x + (z + step_size * gradient_at(z).sign() - x).clamp(-eps, eps)).clamp(0, 1)
            return z

    @wrong("off by one")
    def starts_at_one(gradient_at, x, start, eps, step_size, steps):
        z = start
        for _ in range(1, steps):
            z = (x + (z + step_size * gradient_at(z).sign() - x).clamp(-eps, eps)).clamp(0, 1)
        return z

    @wrong("projected only at the end")
    def projects_once(gradient_at, x, start, eps, step_size, steps):
        z = start
        for _ in range(steps):
            z = z + step_size * gradient_at(z).sign()
        return (x + (z - x).clamp(-eps, eps)).clamp(0, 1)

    @wrong("box is around the start")
    def projects_around_the_start(gradient_at, x, start, eps, step_size, steps):
        z = start
        for _ in range(steps):
            change = (z + step_size * gradient_at(z).sign() - start).clamp(-eps, eps)
            z = (start + change).clamp(0, 1)
        return z

    @wrong("not at `start`")
    def ignores_the_start(gradient_at, x, start, eps, step_size, steps):
        z = x
        for _ in range(steps):
            z = (x + (z + step_size * gradient_at(z).sign() - x).clamp(-eps, eps)).clamp(0, 1)
        return z

    @right
    def by_clamps(gradient_at, x, start, eps, step_size, steps):
        z = start
        for _ in range(steps):
            z = (x + (z + step_size * gradient_at(z).sign() - x).clamp(-eps, eps)).clamp(0, 1)
        return z

    @right
    def by_the_borders(gradient_at, x, start, eps, step_size, steps):
        low, high = (x - eps).clamp(min=0), (x + eps).clamp(max=1)
        z = start.clone()
        for _ in range(steps):
            z += step_size * torch.sign(gradient_at(z))
            z = z.clamp(low, high)
        return z


class attack_loss:
    @wrong("the old answer gets stronger")
    def same_for_both(logits, labels, targeted):
        return F.cross_entropy(logits, labels, reduction="sum")

    @wrong("surer of the right label")
    def signs_exchanged(logits, labels, targeted):
        loss = F.cross_entropy(logits, labels, reduction="sum")
        return loss if targeted else -loss

    @wrong("took the mean")
    def takes_the_mean(logits, labels, targeted):
        loss = F.cross_entropy(logits, labels)
        return -loss if targeted else loss

    @wrong("One loss for each picture")
    def no_reduction(logits, labels, targeted):
        loss = F.cross_entropy(logits, labels, reduction="none")
        return -loss if targeted else loss

    @wrong("Softmax was applied twice")
    def softmax_first(logits, labels, targeted):
        loss = F.cross_entropy(logits.softmax(1), labels, reduction="sum")
        return -loss if targeted else loss

    @wrong("without the logarithm")
    def probabilities(logits, labels, targeted):
        return logits.softmax(1)[range(len(labels)), labels].sum()

    @wrong("reciprocal")
    def reciprocal(logits, labels, targeted):
        loss = F.cross_entropy(logits, labels, reduction="sum")
        return 1 / loss if targeted else loss

    @right
    def by_a_sign(logits, labels, targeted):
        loss = F.cross_entropy(logits, labels, reduction="sum")
        return -loss if targeted else loss

    @right
    def by_log_softmax(logits, labels, targeted):
        chosen = logits.log_softmax(1).gather(1, labels[:, None]).sum()
        return chosen if targeted else -chosen


class robust_accuracy:
    @wrong("averaged over the attempts")
    def averages(still_right):
        return still_right.float().mean()

    @wrong("*any* attempt failed")
    def any_attempt(still_right):
        return still_right.any(dim=0).float().mean()

    @wrong("worst single attempt")
    def worst_attempt(still_right):
        return still_right.float().mean(dim=1).min()

    @wrong("last attempt only")
    def last_attempt(still_right):
        return still_right[-1].float().mean()

    @wrong("pictures that fell")
    def counts_the_fallen(still_right):
        return 1 - still_right.all(dim=0).float().mean()

    @wrong("failed on all pictures")
    def over_pictures(still_right):
        return still_right.all(dim=1).float().mean()

    @wrong("not their share")
    def counts(still_right):
        return still_right.all(dim=0).float().sum()

    @right
    def by_all(still_right):
        return still_right.all(dim=0).float().mean()

    @right
    def by_product(still_right):
        return still_right.float().prod(dim=0).mean()


class eps_after_normalising:
    @wrong("multiplied by σ")
    def multiplies(eps, mean, std):
        return eps / 255 * std

    @wrong("steps of 255")
    def forgets_255(eps, mean, std):
        return eps / std

    @wrong("nothing is normalised yet")
    def forgets_std(eps, mean, std):
        return torch.full_like(std, eps / 255)

    @wrong("the mean cancels")
    def normalises_a_pixel(eps, mean, std):
        return (eps / 255 - mean) / std

    @wrong("one σ for all")
    def one_for_all(eps, mean, std):
        return eps / 255 / std.mean().expand(len(std))

    @wrong("divided by the variance")
    def by_variance(eps, mean, std):
        return eps / 255 / std**2

    @right
    def divides(eps, mean, std):
        return eps / 255 / std

    @right
    def as_a_difference(eps, mean, std):
        return (eps / 255 - mean) / std - (0 - mean) / std


class margin:
    @wrong("sign is turned")
    def negative(logits, labels):
        others = logits.scatter(1, labels[:, None], -torch.inf)
        return others.max(1).values - logits[range(len(labels)), labels]

    @wrong("second largest from the largest")
    def first_minus_second(logits, labels):
        best = logits.topk(2, dim=1).values
        return best[:, 0] - best[:, 1]

    @wrong("takes part in the maximum")
    def maximum_of_all(logits, labels):
        return logits[range(len(labels)), labels] - logits.max(1).values

    @wrong("mean of the others")
    def mean_of_the_others(logits, labels):
        own = logits[range(len(labels)), labels]
        return own - (logits.sum(1) - own) / (logits.shape[1] - 1)

    @wrong("logit of the label alone")
    def label_alone(logits, labels):
        return logits[range(len(labels)), labels]

    @wrong("changed its input")
    def writes_into_the_logits(logits, labels):
        rows = range(len(labels))
        own = logits[rows, labels].clone()
        logits[rows, labels] = -torch.inf
        return own - logits.max(1).values

    @right
    def by_scatter(logits, labels):
        others = logits.scatter(1, labels[:, None], -torch.inf)
        return logits.gather(1, labels[:, None])[:, 0] - others.max(1).values

    @right
    def by_a_mask(logits, labels):
        mask = F.one_hot(labels, logits.shape[1]).bool()
        return logits[mask] - logits.masked_fill(mask, -1e9).amax(1)
