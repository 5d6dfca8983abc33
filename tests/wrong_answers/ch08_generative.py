"""Answers to the exercises of chapter 8."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch.distributions import Normal, kl_divergence

from wrong_answers import right, wrong


class reparameterise:
    @wrong("used the variance")
    def forgets_the_half(mean, log_var, noise):
        return mean + log_var.exp() * noise

    @wrong("the logarithm itself")
    def forgets_exp(mean, log_var, noise):
        return mean + log_var * noise

    @wrong("root of the logarithm")
    def takes_the_root_first(mean, log_var, noise):
        return mean + log_var.sqrt() * noise

    @wrong("mean is missing")
    def forgets_the_mean(mean, log_var, noise):
        return (log_var / 2).exp() * noise

    @wrong("divided the noise")
    def divides(mean, log_var, noise):
        return mean + noise / (log_var / 2).exp()

    @wrong("nothing is drawn")
    def draws_nothing(mean, log_var, noise):
        return mean + 0 * noise

    @wrong("no gradient can flow back")
    def cuts_the_graph(mean, log_var, noise):
        with torch.no_grad():
            return mean + (log_var / 2).exp() * noise

    @wrong("changed its input")
    def stretches_in_place(mean, log_var, noise):
        std = (log_var / 2).exp()
        noise *= std
        return mean + noise

    @right
    def by_the_half(mean, log_var, noise):
        return mean + (log_var / 2).exp() * noise

    @right
    def by_the_root(mean, log_var, noise):
        return torch.exp(log_var).sqrt() * noise + mean


class kl_to_standard:
    @wrong("sign is turned")
    def turns_the_sign(mean, log_var):
        return 0.5 * (1 + log_var - mean**2 - log_var.exp()).sum(1)

    @wrong("twice too large")
    def forgets_the_half(mean, log_var):
        return (mean**2 + log_var.exp() - log_var - 1).sum(1)

    @wrong("averaged over the numbers")
    def averages_the_code(mean, log_var):
        return 0.5 * (mean**2 + log_var.exp() - log_var - 1).mean(1)

    @wrong("added up the pictures")
    def sums_everything(mean, log_var):
        return 0.5 * (mean**2 + log_var.exp() - log_var - 1).sum()

    @wrong("averaged over the batch as well")
    def averages_the_batch(mean, log_var):
        return 0.5 * (mean**2 + log_var.exp() - log_var - 1).sum(1).mean()

    @wrong("one value for each number is left")
    def forgets_to_sum(mean, log_var):
        return 0.5 * (mean**2 + log_var.exp() - log_var - 1)

    @wrong("The 1 in the bracket")
    def forgets_the_one(mean, log_var):
        return 0.5 * (mean**2 + log_var.exp() - log_var).sum(1)

    @wrong("logarithm of σ")
    def takes_it_for_log_sigma(mean, log_var):
        return 0.5 * (mean**2 + (2 * log_var).exp() - 2 * log_var - 1).sum(1)

    @right
    def by_formula(mean, log_var):
        return 0.5 * (mean.square() + log_var.exp() - log_var - 1).sum(dim=1)

    @right
    def by_pytorch(mean, log_var):
        return kl_divergence(Normal(mean, (log_var / 2).exp()), Normal(0.0, 1.0)).sum(-1)


class critic_loss:
    @wrong("makes the critic prefer what is made")
    def turns_the_sign(real, fake):
        return real.mean() - fake.mean()

    @wrong("depends on how many")
    def sums(real, fake):
        return fake.sum() - real.sum()

    @wrong("classic GAN")
    def plays_the_classic_game(real, fake):
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    @wrong("squeezes the scores")
    def squeezes(real, fake):
        return fake.sigmoid().mean() - real.sigmoid().mean()

    @wrong("loss of the generator")
    def is_the_other_player(real, fake):
        return -fake.mean() + 0 * real.sum()

    @wrong("the more numerous kind")
    def averages_together(real, fake):
        return torch.cat([fake, -real]).mean()

    @wrong("size of the difference")
    def takes_the_size(real, fake):
        return -(real.mean() - fake.mean()).abs()

    @right
    def by_means(real, fake):
        return fake.mean() - real.mean()

    @right
    def as_minus_the_distance(real, fake):
        distance = real.sum() / len(real) - fake.sum() / len(fake)
        return -distance


class conditional_input:
    @wrong("as a number")
    def appends_the_number(noise, labels, num_classes):
        return torch.cat([noise, labels[:, None].float()], dim=1)

    @wrong("happen to be in this batch")
    def infers_the_width(noise, labels, num_classes):
        return torch.cat([noise, F.one_hot(labels)], dim=1)

    @wrong("classes come first")
    def puts_classes_first(noise, labels, num_classes):
        return torch.cat([F.one_hot(labels, num_classes), noise], dim=1)

    @wrong("label of another")
    def turns_the_labels(noise, labels, num_classes):
        return torch.cat([noise, F.one_hot(labels.flip(0), num_classes)], dim=1)

    @wrong("off by one")
    def counts_from_one(noise, labels, num_classes):
        return torch.cat([noise, F.one_hot((labels - 1) % num_classes, num_classes)], dim=1)

    @wrong("The noise is gone")
    def drops_the_noise(noise, labels, num_classes):
        return torch.cat([0 * noise, F.one_hot(labels, num_classes)], dim=1)

    @right
    def by_one_hot(noise, labels, num_classes):
        return torch.cat([noise, F.one_hot(labels, num_classes)], dim=1)

    @right
    def by_embedding(noise, labels, num_classes):
        return torch.hstack([noise, F.embedding(labels, torch.eye(num_classes))])

    @right
    def by_scatter(noise, labels, num_classes):
        columns = torch.zeros(len(noise), num_classes)
        return torch.cat([noise, columns.scatter(1, labels[:, None], 1.0)], dim=1)


def _slope(critic, real, fake, share, create_graph=True):
    mixed = (share * real + (1 - share) * fake).detach().requires_grad_()
    return torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=create_graph)[0]


class gradient_penalty:
    @wrong("over the channels only")
    def norm_over_channels(critic, real, fake, share):
        slope = _slope(critic, real, fake, share.view(-1, 1, 1, 1))
        return (slope.norm(dim=1) - 1).square().mean()

    @wrong("over the whole batch")
    def norm_over_everything(critic, real, fake, share):
        return (_slope(critic, real, fake, share.view(-1, 1, 1, 1)).norm() - 1) ** 2

    @wrong("one share for the whole batch")
    def one_share(critic, real, fake, share):
        slope = _slope(critic, real, fake, share[0])
        return (slope.flatten(1).norm(dim=1) - 1).square().mean()

    @wrong("mean of the shares")
    def mean_share(critic, real, fake, share):
        slope = _slope(critic, real, fake, share.mean())
        return (slope.flatten(1).norm(dim=1) - 1).square().mean()

    @wrong("exchanged in the mixture")
    def exchanges_the_two(critic, real, fake, share):
        slope = _slope(critic, fake, real, share.view(-1, 1, 1, 1))
        return (slope.flatten(1).norm(dim=1) - 1).square().mean()

    @wrong("nothing is mixed")
    def at_the_real_pictures(critic, real, fake, share):
        slope = _slope(critic, real, fake, torch.ones(1))
        return (slope.flatten(1).norm(dim=1) - 1).square().mean()

    @wrong("only slopes above 1")
    def one_sided(critic, real, fake, share):
        slope = _slope(critic, real, fake, share.view(-1, 1, 1, 1))
        return (slope.flatten(1).norm(dim=1) - 1).relu().square().mean()

    @wrong("added the penalties up")
    def sums(critic, real, fake, share):
        slope = _slope(critic, real, fake, share.view(-1, 1, 1, 1))
        return (slope.flatten(1).norm(dim=1) - 1).square().sum()

    @wrong("the 1 is missing")
    def wants_no_slope(critic, real, fake, share):
        slope = _slope(critic, real, fake, share.view(-1, 1, 1, 1))
        return slope.flatten(1).norm(dim=1).square().mean()

    @wrong("*squared* length")
    def forgets_the_root(critic, real, fake, share):
        slope = _slope(critic, real, fake, share.view(-1, 1, 1, 1))
        return (slope.square().flatten(1).sum(dim=1) - 1).square().mean()

    @wrong("no gradient of it reaches the critic")
    def forgets_create_graph(critic, real, fake, share):
        slope = _slope(critic, real, fake, share.view(-1, 1, 1, 1), create_graph=False)
        return (slope.flatten(1).norm(dim=1) - 1).square().mean()

    @right
    def by_flatten(critic, real, fake, share):
        slope = _slope(critic, real, fake, share.view(-1, 1, 1, 1))
        return (slope.flatten(1).norm(dim=1) - 1).square().mean()

    @right
    def by_axes(critic, real, fake, share):
        mixed = torch.lerp(fake, real, share[:, None, None, None]).requires_grad_(True)
        scores = critic(mixed)
        (slope,) = torch.autograd.grad(
            scores, mixed, grad_outputs=torch.ones_like(scores), create_graph=True
        )
        return ((slope.square().sum(dim=(1, 2, 3)).sqrt() - 1) ** 2).mean()


class largest_stretch:
    @wrong("never turned")
    def only_measures(weight, v, rounds):
        return (weight @ v).norm(), v

    @wrong("the other side, u")
    def returns_u(weight, v, rounds):
        for _ in range(rounds):
            u = F.normalize(weight @ v, dim=0)
            v = F.normalize(weight.T @ u, dim=0)
        return u @ weight @ v, u

    @wrong("begin anew")
    def returns_the_start(weight, v, rounds):
        turned = v
        for _ in range(rounds):
            u = F.normalize(weight @ turned, dim=0)
            turned = F.normalize(weight.T @ u, dim=0)
        return u @ weight @ turned, v

    @wrong("square of the stretch")
    def stretches_twice(weight, v, rounds):
        for _ in range(rounds):
            u = F.normalize(weight @ v, dim=0)
            v = F.normalize(weight.T @ u, dim=0)
        return (u @ weight @ v) ** 2, v

    @wrong("Frobenius")
    def adds_all_squares(weight, v, rounds):
        for _ in range(rounds):
            v = F.normalize(weight.T @ (weight @ v), dim=0)
        return weight.norm(), v

    @wrong("not made units")
    def lets_them_grow(weight, v, rounds):
        for _ in range(rounds):
            u = weight @ v
            v = weight.T @ u
        return u @ weight @ v, v

    @wrong("one round, whatever")
    def goes_once(weight, v, rounds):
        u = F.normalize(weight @ v, dim=0)
        v = F.normalize(weight.T @ u, dim=0)
        return u @ weight @ v, v

    @right
    def by_both_vectors(weight, v, rounds):
        for _ in range(rounds):
            u = F.normalize(weight @ v, dim=0)
            v = F.normalize(weight.T @ u, dim=0)
        return u @ weight @ v, v

    @right
    def by_the_length_on_the_way_back(weight, v, rounds):
        for _ in range(rounds):
            there = weight.mv(v)
            back = weight.t().mv(there / there.norm())
            stretch = back.norm()
            v = back / stretch
        return stretch, v
