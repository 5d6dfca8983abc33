"""Answers to the exercises of capstone 4, a conditional GAN."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from wrong_answers import right, wrong


def _rows(table, labels):
    return table[labels][:, :, None, None]


def _normal(x, axes=(0, 2, 3), **kwargs):
    kwargs = {"correction": 0} | kwargs
    mean, variance = x.mean(axes, keepdim=True), x.var(axes, keepdim=True, **kwargs)
    return (x - mean) / (variance + 1e-5).sqrt()


class conditional_norm:
    @wrong("multiply by the scale itself")
    def forgets_the_one(x, scale, shift, labels):
        return _normal(x) * _rows(scale, labels) + _rows(shift, labels)

    @wrong("Nothing is normalised")
    def modulates_raw_values(x, scale, shift, labels):
        return x * (1 + _rows(scale, labels)) + _rows(shift, labels)

    @wrong("Each picture is normalised on its own")
    def normalises_like_instance_norm(x, scale, shift, labels):
        return _normal(x, (2, 3)) * (1 + _rows(scale, labels)) + _rows(shift, labels)

    @wrong("over the batch alone")
    def normalises_each_pixel(x, scale, shift, labels):
        return _normal(x, (0,)) * (1 + _rows(scale, labels)) + _rows(shift, labels)

    @wrong("over the channels as well")
    def normalises_like_layer_norm(x, scale, shift, labels):
        return _normal(x, (1, 2, 3)) * (1 + _rows(scale, labels)) + _rows(shift, labels)

    @wrong("shift first")
    def shifts_first(x, scale, shift, labels):
        return (_normal(x) + _rows(shift, labels)) * (1 + _rows(scale, labels))

    @wrong("row of its place in the batch")
    def ignores_labels(x, scale, shift, labels):
        places = torch.arange(len(x))
        return _normal(x) * (1 + _rows(scale, places)) + _rows(shift, places)

    @wrong("*sample* standard deviation")
    def divides_by_n_minus_one(x, scale, shift, labels):
        return _normal(x, correction=1) * (1 + _rows(scale, labels)) + _rows(shift, labels)

    @wrong("divided by the variance")
    def forgets_the_root(x, scale, shift, labels):
        axes = (0, 2, 3)
        variance = x.var(axes, keepdim=True, correction=0)
        normal = (x - x.mean(axes, keepdim=True)) / variance
        return normal * (1 + _rows(scale, labels)) + _rows(shift, labels)

    @wrong("no gradient can flow back")
    def detaches(x, scale, shift, labels):
        return (_normal(x) * (1 + _rows(scale, labels)) + _rows(shift, labels)).detach()

    @right
    def by_hand(x, scale, shift, labels):
        return _normal(x) * (1 + _rows(scale, labels)) + _rows(shift, labels)

    @right
    def by_batch_norm(x, scale, shift, labels):
        normal = F.batch_norm(x, None, None, training=True)
        both = F.embedding(labels, torch.cat([1 + scale, shift], dim=1))
        gain, bias = both.unflatten(1, (2, -1)).unbind(1)
        return torch.einsum("bchw,bc->bchw", normal, gain) + bias[..., None, None]


class projection_score:
    @wrong("The label plays no part")
    def ignores_the_label(found, labels, weight, bias, classes):
        return found @ weight + bias

    @wrong("Only the class is asked for")
    def forgets_reality(found, labels, weight, bias, classes):
        return (found * classes[labels]).sum(1)

    @wrong("bias is missing")
    def forgets_the_bias(found, labels, weight, bias, classes):
        return found @ weight + (found * classes[labels]).sum(1)

    @wrong("row of its place in the batch")
    def takes_rows_by_place(found, labels, weight, bias, classes):
        rows = classes.repeat(len(found), 1)[: len(found)]
        return found @ weight + bias + (found * rows).sum(1)

    @wrong("without comparing them with the picture")
    def sums_the_row(found, labels, weight, bias, classes):
        return found @ weight + bias + classes[labels].sum(1)

    @wrong("against every class")
    def scores_all_classes(found, labels, weight, bias, classes):
        return (found @ weight + bias)[:, None] + found @ classes.T

    @wrong("B × B scores")
    def pairs_all_with_all(found, labels, weight, bias, classes):
        return (found @ weight + bias)[:, None] + found @ classes[labels].T

    @wrong("stray axis")
    def keeps_an_axis(found, labels, weight, bias, classes):
        return F.linear(found, weight[None], bias[None]) + (found * classes[labels]).sum(1, True)

    @right
    def by_sum(found, labels, weight, bias, classes):
        return found @ weight + bias + (found * classes[labels]).sum(dim=1)

    @right
    def by_one_product(found, labels, weight, bias, classes):
        return torch.einsum("bd,bd->b", found, weight + classes[labels]) + bias


class critic_step:
    @wrong("weights did not change")
    def never_steps(critic, generator, real, labels, noise, penalty, optimizer):
        fake = generator(noise, labels).detach()
        distance = critic(real, labels).mean() - critic(fake, labels).mean()
        return distance.item()

    @wrong("prefer what is made")
    def forgets_the_minus(critic, generator, real, labels, noise, penalty, optimizer):
        fake = generator(noise, labels).detach()
        distance = critic(real, labels).mean() - critic(fake, labels).mean()
        optimizer.zero_grad()
        (distance + penalty(critic, real, fake, labels)).backward()
        optimizer.step()
        return distance.item()

    @wrong("penalty is rewarded")
    def turns_the_penalty(critic, generator, real, labels, noise, penalty, optimizer):
        fake = generator(noise, labels).detach()
        distance = critic(real, labels).mean() - critic(fake, labels).mean()
        optimizer.zero_grad()
        (-distance - penalty(critic, real, fake, labels)).backward()
        optimizer.step()
        return distance.item()

    @wrong("penalty is not in the loss")
    def forgets_the_penalty(critic, generator, real, labels, noise, penalty, optimizer):
        fake = generator(noise, labels).detach()
        distance = critic(real, labels).mean() - critic(fake, labels).mean()
        optimizer.zero_grad()
        (-distance).backward()
        optimizer.step()
        return distance.item()

    @wrong("Gradients of an earlier step")
    def forgets_zero_grad(critic, generator, real, labels, noise, penalty, optimizer):
        fake = generator(noise, labels).detach()
        distance = critic(real, labels).mean() - critic(fake, labels).mean()
        (-distance + penalty(critic, real, fake, labels)).backward()
        optimizer.step()
        return distance.item()

    @wrong("gradients reached the generator")
    def forgets_to_detach(critic, generator, real, labels, noise, penalty, optimizer):
        fake = generator(noise, labels)
        distance = critic(real, labels).mean() - critic(fake, labels).mean()
        optimizer.zero_grad()
        (-distance + penalty(critic, real, fake, labels)).backward()
        optimizer.step()
        return distance.item()

    @wrong("generator is frozen")
    def freezes_the_generator(critic, generator, real, labels, noise, penalty, optimizer):
        fake = generator.requires_grad_(False)(noise, labels)
        distance = critic(real, labels).mean() - critic(fake, labels).mean()
        optimizer.zero_grad()
        (-distance + penalty(critic, real, fake, labels)).backward()
        optimizer.step()
        return distance.item()

    @wrong("You return the loss")
    def returns_the_loss(critic, generator, real, labels, noise, penalty, optimizer):
        fake = generator(noise, labels).detach()
        loss = critic(fake, labels).mean() - critic(real, labels).mean()
        loss = loss + penalty(critic, real, fake, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    @wrong("minus the distance")
    def returns_minus_the_distance(critic, generator, real, labels, noise, penalty, optimizer):
        fake = generator(noise, labels).detach()
        loss = critic(fake, labels).mean() - critic(real, labels).mean()
        optimizer.zero_grad()
        (loss + penalty(critic, real, fake, labels)).backward()
        optimizer.step()
        return loss.item()

    @wrong("not a plain Python number")
    def returns_a_tensor(critic, generator, real, labels, noise, penalty, optimizer):
        fake = generator(noise, labels).detach()
        distance = critic(real, labels).mean() - critic(fake, labels).mean()
        optimizer.zero_grad()
        (-distance + penalty(critic, real, fake, labels)).backward()
        optimizer.step()
        return distance.detach()

    @right
    def without_grad(critic, generator, real, labels, noise, penalty, optimizer):
        with torch.no_grad():
            fake = generator(noise, labels)
        distance = critic(real, labels).mean() - critic(fake, labels).mean()
        loss = -distance + penalty(critic, real, fake, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return distance.item()

    @right
    def in_one_batch(critic, generator, real, labels, noise, penalty, optimizer):
        optimizer.zero_grad(set_to_none=False)
        fake = generator(noise, labels).detach()
        scores = critic(torch.cat([real, fake]), labels.repeat(2))
        on_real, on_fake = scores.chunk(2)
        (on_fake.mean() - on_real.mean()).backward()
        penalty(critic, real, fake, labels).backward()
        optimizer.step()
        return float(on_real.mean() - on_fake.mean())


class update_average:
    @wrong("did not move")
    def gives_new_names(average, model, keep):
        for old, new in zip(average.parameters(), model.parameters(), strict=True):
            old = keep * old + (1 - keep) * new

    @wrong("shares are exchanged")
    def exchanges_shares(average, model, keep):
        with torch.no_grad():
            for old, new in zip(average.parameters(), model.parameters(), strict=True):
                old.lerp_(new, keep)
            for old, new in zip(average.buffers(), model.buffers(), strict=True):
                old.copy_(new)

    @wrong("copy of the model")
    def copies(average, model, keep):
        average.load_state_dict(model.state_dict())

    @wrong("do not add up to 1")
    def adds_all_of_the_model(average, model, keep):
        with torch.no_grad():
            for old, new in zip(average.parameters(), model.parameters(), strict=True):
                old.mul_(keep).add_(new)
            for old, new in zip(average.buffers(), model.buffers(), strict=True):
                old.copy_(new)

    @wrong("buffers stayed behind")
    def forgets_buffers(average, model, keep):
        with torch.no_grad():
            for old, new in zip(average.parameters(), model.parameters(), strict=True):
                old.lerp_(new, 1 - keep)

    @wrong("You averaged the buffers")
    def averages_buffers(average, model, keep):
        with torch.no_grad():
            for old, new in zip(average.parameters(), model.parameters(), strict=True):
                old.lerp_(new, 1 - keep)
            for old, new in zip(average.buffers(), model.buffers(), strict=True):
                old.copy_(keep * old + (1 - keep) * new)

    @wrong("autograd recorded the update")
    def records_history(average, model, keep):
        for old, new in zip(average.parameters(), model.parameters(), strict=True):
            old.mul_(keep).add_((1 - keep) * new)
        for old, new in zip(average.buffers(), model.buffers(), strict=True):
            old.copy_(new)

    @wrong("changed the model that is being trained")
    def writes_into_the_model(average, model, keep):
        with torch.no_grad():
            for old, new in zip(average.parameters(), model.parameters(), strict=True):
                new.lerp_(old, keep)

    @wrong("the two share memory")
    def shares_buffers(average, model, keep):
        with torch.no_grad():
            for old, new in zip(average.parameters(), model.parameters(), strict=True):
                old.lerp_(new, 1 - keep)
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            setattr(average[1], name, getattr(model[1], name))

    @right
    def by_lerp(average, model, keep):
        with torch.no_grad():
            for old, new in zip(average.parameters(), model.parameters(), strict=True):
                old.lerp_(new, 1 - keep)
            for old, new in zip(average.buffers(), model.buffers(), strict=True):
                old.copy_(new)

    @right
    @torch.no_grad()
    def by_state_dict(average, model, keep):
        state = model.state_dict()
        for name, old in average.named_parameters():
            state[name] = keep * old + (1 - keep) * state[name]
        average.load_state_dict(state)


def _angle(start, end):
    return F.cosine_similarity(start, end, dim=1)[:, None].clamp(-1, 1).arccos()


class slerp:
    @wrong("straight line")
    def goes_straight(start, end, way):
        return start + way * (end - start)

    @wrong("exchanged")
    def exchanges_the_ends(start, end, way):
        angle = _angle(start, end)
        return ((way * angle).sin() * start + ((1 - way) * angle).sin() * end) / angle.sin()

    @wrong("took their product for the cosine")
    def forgets_the_lengths(start, end, way):
        angle = (start * end).sum(1, keepdim=True).arccos()
        return (((1 - way) * angle).sin() * start + (way * angle).sin() * end) / angle.sin()

    @wrong("comes out with length 1")
    def weighs_unit_vectors(start, end, way):
        start, end = F.normalize(start, dim=1), F.normalize(end, dim=1)
        angle = _angle(start, end)
        return (((1 - way) * angle).sin() * start + (way * angle).sin() * end) / angle.sin()

    @wrong("division by the sine of the whole angle")
    def forgets_to_divide(start, end, way):
        angle = _angle(start, end)
        return ((1 - way) * angle).sin() * start + (way * angle).sin() * end

    @wrong("the angle is 0, and you divide by its sine")
    def divides_by_zero(start, end, way):
        cosine = (start * end).sum(1) / (start.norm(dim=1) * end.norm(dim=1))
        angle = cosine.clamp(-1, 1).arccos()[:, None]
        return (((1 - way) * angle).sin() * start + (way * angle).sin() * end) / angle.sin()

    @right
    def by_formula(start, end, way):
        angle = _angle(start, end)
        arc = ((1 - way) * angle).sin() * start + (way * angle).sin() * end
        return torch.where(angle.sin() < 1e-4, torch.lerp(start, end, way), arc / angle.sin())

    @right
    def by_shares(start, end, way):
        angle = _angle(start, end).double().clamp(min=1e-9)
        shares = torch.cat([(1 - way) * angle, way * angle], dim=1).sin() / angle.sin()
        both = torch.stack([start, end], dim=1).double()
        return torch.einsum("bk,bkd->bd", shares, both).float()


class mix_classes:
    @wrong("shares are exchanged")
    def exchanges_shares(table, first, second, share):
        return torch.lerp(table[second], table[first], share[:, None])

    @wrong("You mixed the labels")
    def mixes_labels(table, first, second, share):
        return table[((1 - share) * first + share * second).long()]

    @wrong("met the columns")
    def lets_shares_meet_columns(table, first, second, share):
        return (1 - share) * table[first] + share * table[second]

    @wrong("one share for the whole batch")
    def takes_the_first_share(table, first, second, share):
        return (1 - share[0]) * table[first] + share[0] * table[second]

    @wrong("the shares are not used")
    def adds(table, first, second, share):
        return table[first] + table[second]

    @wrong("first class stays in full")
    def keeps_all_of_the_first(table, first, second, share):
        return table[first] + share[:, None] * table[second]

    @wrong("no gradient can flow back")
    def detaches(table, first, second, share):
        return torch.lerp(table[first], table[second], share[:, None]).detach()

    @right
    def by_lerp(table, first, second, share):
        return torch.lerp(table[first], table[second], share[:, None])

    @right
    def by_shares_of_all_classes(table, first, second, share):
        one, other = (F.one_hot(labels, len(table)).float() for labels in (first, second))
        return (one + share[:, None] * (other - one)) @ table


class class_accuracy:
    @wrong("That is precision")
    def divides_by_read(read, asked, num_classes):
        hits = torch.bincount(asked[read == asked], minlength=num_classes)
        return hits / torch.bincount(read, minlength=num_classes)

    @wrong("as if it had failed")
    def calls_it_zero(read, asked, num_classes):
        hits = torch.bincount(asked[read == asked], minlength=num_classes)
        return hits / torch.bincount(asked, minlength=num_classes).clamp(min=1)

    @wrong("divided by all pictures")
    def divides_by_all(read, asked, num_classes):
        return torch.bincount(asked[read == asked], minlength=num_classes) / len(asked)

    @wrong("one number for all classes")
    def takes_the_mean(read, asked, num_classes):
        return (read == asked).float().mean()

    @wrong("labels that happen to occur")
    def forgets_num_classes(read, asked, num_classes):
        hits = torch.bincount(asked[read == asked])
        return hits / torch.bincount(asked)

    @wrong("numbers of right pictures")
    def counts(read, asked, num_classes):
        return torch.bincount(asked[read == asked], minlength=num_classes)

    @right
    def by_counts(read, asked, num_classes):
        hits = torch.bincount(asked[read == asked], minlength=num_classes)
        return hits / torch.bincount(asked, minlength=num_classes)

    @right
    def class_by_class(read, asked, num_classes):
        shares = [(read[asked == k] == k).float().mean() for k in range(num_classes)]
        return torch.stack(shares)


def _parts(real, fake):
    gap = (real.mean(0) - fake.mean(0)).square().sum()
    return gap, real.T.cov(), fake.T.cov()


def _traced(first, second):
    return torch.linalg.eigvals(first @ second).real.clamp(min=0).sqrt().sum()


class frechet_distance:
    @wrong("Only the centres are compared")
    def compares_centres(real, fake):
        return _parts(real, fake)[0]

    @wrong("Only the distance of the centres is there")
    def compares_centres_by_length(real, fake):
        return _parts(real, fake)[0].sqrt()

    @wrong("centres is not squared")
    def forgets_the_square(real, fake):
        gap, first, second = _parts(real, fake)
        return gap.sqrt() + first.trace() + second.trace() - 2 * _traced(first, second)

    @wrong("root of it all")
    def takes_a_root_at_the_end(real, fake):
        gap, first, second = _parts(real, fake)
        return (gap + first.trace() + second.trace() - 2 * _traced(first, second)).sqrt()

    @wrong("subtracted once")
    def forgets_the_two(real, fake):
        gap, first, second = _parts(real, fake)
        return gap + first.trace() + second.trace() - _traced(first, second)

    @wrong("without its root")
    def forgets_the_matrix_root(real, fake):
        gap, first, second = _parts(real, fake)
        return gap + first.trace() + second.trace() - 2 * (first @ second).trace()

    @wrong("term with the product is missing")
    def forgets_the_product(real, fake):
        gap, first, second = _parts(real, fake)
        return gap + first.trace() + second.trace()

    @wrong("divides by N, not by N - 1")
    def divides_by_n(real, fake):
        gap = _parts(real, fake)[0]
        first, second = real.T.cov(correction=0), fake.T.cov(correction=0)
        return gap + first.trace() + second.trace() - 2 * _traced(first, second)

    @wrong("variances alone")
    def uses_variances(real, fake):
        gap, first, second = _parts(real, fake)
        return gap + (first.diag().sqrt() - second.diag().sqrt()).square().sum()

    @wrong("root of each entry")
    def takes_roots_of_entries(real, fake):
        gap, first, second = _parts(real, fake)
        return gap + first.trace() + second.trace() - 2 * (first @ second).sqrt().trace()

    @wrong("They do not commute")
    def multiplies_roots(real, fake):
        gap, first, second = _parts(real, fake)
        roots = []
        for matrix in (first, second):
            values, vectors = torch.linalg.eigh(matrix)
            roots.append(vectors @ values.clamp(min=0).sqrt().diag() @ vectors.T)
        return gap + first.trace() + second.trace() - 2 * (roots[0] @ roots[1]).trace()

    @wrong("believes that the matrix is symmetric")
    def takes_it_for_symmetric(real, fake):
        gap, first, second = _parts(real, fake)
        root = torch.linalg.eigvalsh(first @ second).clamp(min=0).sqrt().sum()
        return gap + first.trace() + second.trace() - 2 * root

    @right
    def by_eigenvalues(real, fake):
        gap, first, second = _parts(real, fake)
        return gap + first.trace() + second.trace() - 2 * _traced(first, second)

    @right
    def by_singular_values(real, fake):
        """The root of Σ₁Σ₂ has the trace of the singular values of the centred product."""
        one, other = real - real.mean(0), fake - fake.mean(0)
        shared = torch.linalg.svdvals(one @ other.T).sum()
        shared = shared / math.sqrt((len(real) - 1) * (len(fake) - 1))
        return _parts(real, fake)[0] + real.var(0).sum() + fake.var(0).sum() - 2 * shared
