"""Answers to the exercises of chapter 3's lab 3: speed."""

from __future__ import annotations

import statistics

import torch
from torch import nn
from torch.utils.data import Dataset

from wrong_answers import right, wrong


def timed(function, runs, warm_up, synchronize, clock):
    """All times in seconds, measured as they should be."""
    for _ in range(warm_up):
        function()
    times = []
    for _ in range(runs):
        synchronize()
        start = clock()
        function()
        synchronize()
        times.append(clock() - start)
    return times


class median_ms:
    @wrong("in seconds")
    def in_seconds(*args):
        return statistics.median(timed(*args))

    @wrong("You took the mean")
    def mean(*args):
        return 1000 * statistics.mean(timed(*args))

    @wrong("timed all runs together")
    def never_waits_in_between(function, runs, warm_up, synchronize, clock):
        for _ in range(warm_up):
            function()
        synchronize()
        start = clock()
        for _ in range(runs):
            function()
        synchronize()
        return 1000 * (clock() - start) / runs

    @wrong("the fastest run")
    def fastest(*args):
        return 1000 * min(timed(*args))

    @wrong("hand over")
    def never_waits(function, runs, warm_up, synchronize, clock):
        return 1000 * statistics.median(timed(function, runs, warm_up, lambda: None, clock))

    @wrong("warm-up runs are among")
    def no_warm_up(function, runs, warm_up, synchronize, clock):
        return 1000 * statistics.median(timed(function, warm_up + runs, 0, synchronize, clock))

    @wrong("pays for the warm-up")
    def never_waits_before(function, runs, warm_up, synchronize, clock):
        for _ in range(warm_up):
            function()
        times = []
        for _ in range(runs):
            start = clock()
            function()
            synchronize()
            times.append(clock() - start)
        return 1000 * statistics.median(times)

    @wrong("You called the function 8 times")
    def calls_once_more(function, runs, warm_up, synchronize, clock):
        result = 1000 * statistics.median(timed(function, runs, warm_up, synchronize, clock))
        function()
        return result

    @wrong("still going on before it")
    def waits_only_afterwards(function, runs, warm_up, synchronize, clock):
        for _ in range(warm_up):
            function()
            synchronize()
        times = []
        for _ in range(runs):
            start = clock()
            function()
            synchronize()
            times.append(clock() - start)
        return 1000 * statistics.median(times)

    @wrong("the upper one")
    def upper_of_two(*args):
        times = sorted(timed(*args))
        return 1000 * times[len(times) // 2]

    @wrong("the lower one")
    def with_torch_median(*args):
        return 1000 * torch.tensor(timed(*args), dtype=torch.float64).median().item()

    @wrong("is a tensor")
    def as_a_tensor(*args):
        return 1000 * torch.tensor(timed(*args)).quantile(0.5)

    @right
    def with_statistics(*args):
        return 1000 * statistics.median(timed(*args))

    @right
    def by_quantile(function, runs, warm_up, synchronize, clock):
        times = []
        for number in range(warm_up + runs):
            synchronize()
            start = clock()
            function()
            synchronize()
            if number >= warm_up:
                times.append(clock() - start)
        return torch.tensor(times, dtype=torch.float64).quantile(0.5).item() * 1000


class Base(Dataset):
    """What the answers share: items read at the start."""

    def __init__(self, source, transform=None):
        self.items = [source[row] for row in range(len(source))]
        self.transform = transform

    def __len__(self):
        return len(self.items)

    def __getitem__(self, row):
        image, label = self.items[row]
        image = image.clone()
        return (self.transform(image) if self.transform else image), label


class CachedDataset:
    @wrong("were read 2 times")
    class no_cache(Base):
        def __init__(self, source, transform=None):
            self.items, self.transform = source, transform

    @wrong("is already transformed")
    class too_late(Base):
        def __init__(self, source, transform=None):
            super().__init__(source, transform)
            self.items = [super(type(self), self).__getitem__(row) for row in range(5)]
            self.transform = None

    @wrong("changed what you keep")
    class hands_out_what_it_keeps(Base):
        def __getitem__(self, row):
            image, label = self.items[row]
            return (self.transform(image) if self.transform else image), label

    @wrong("changes add up")
    class writes_back(Base):
        def __getitem__(self, row):
            item = super().__getitem__(row)
            self.items[row] = item
            return item

    @wrong("The label is lost")
    class without_labels(Base):
        def __getitem__(self, row):
            return super().__getitem__(row)[0]

    @wrong("never calls the transform")
    class forgets_the_transform(Base):
        def __getitem__(self, row):
            return self.items[row]

    @wrong("The length")
    class wrong_length(Base):
        def __len__(self):
            return len(self.items) - 1

    @wrong("Your code stopped with an error")
    class needs_a_transform(Base):
        def __getitem__(self, row):
            image, label = self.items[row]
            return self.transform(image), label

    @wrong("not the right values")
    class remembers_one_item_only(Base):
        def __init__(self, source, transform=None):
            super().__init__(source, transform)
            self.last = None

        def __getitem__(self, row):
            if self.last is None:
                self.last = super().__getitem__(row)
            return self.last

    @right
    class eager(Base):
        pass

    @right
    class lazy(Dataset):
        def __init__(self, source, transform=None):
            self.source, self.transform, self.kept = source, transform, {}

        def __len__(self):
            return len(self.source)

        def __getitem__(self, row):
            if row not in self.kept:
                self.kept[row] = self.source[row]
            image, label = self.kept[row]
            if self.transform is None:
                return image, label
            return self.transform(image.clone()), label

    @right
    class no_dataset_by_name:
        def __init__(self, source, transform=None):
            pairs = [source[row] for row in range(len(source))]
            self.images = torch.stack([image for image, _ in pairs])
            self.labels = [label for _, label in pairs]
            self.transform = transform or nn.Identity()

        def __len__(self):
            return len(self.labels)

        def __getitem__(self, row):
            return self.transform(self.images[row].clone()), self.labels[row]


def parts(x, y, size):
    return list(zip(x.split(size), y.split(size), strict=True))


class accumulate_step:
    @wrong("as if each were the whole batch")
    def no_shares(model, loss_fn, optimizer, x, y, size):
        optimizer.zero_grad()
        total = 0.0
        for a, b in parts(x, y, size):
            loss = loss_fn(model(a), b)
            loss.backward()
            total += loss.item() * len(a) / len(x)
        optimizer.step()
        return total

    @wrong("divided by the number of parts")
    def equal_shares(model, loss_fn, optimizer, x, y, size):
        optimizer.zero_grad()
        pieces = parts(x, y, size)
        total = 0.0
        for a, b in pieces:
            loss = loss_fn(model(a), b) / len(pieces)
            loss.backward()
            total += loss.item()
        optimizer.step()
        return total

    @wrong("for the number of rows in each part")
    def full_shares(model, loss_fn, optimizer, x, y, size):
        optimizer.zero_grad()
        total = 0.0
        for a, b in parts(x, y, size):
            loss = loss_fn(model(a), b) * size / len(x)
            loss.backward()
            total += loss.item()
        optimizer.step()
        return total

    @wrong("You stepped after each part")
    def steps_often(model, loss_fn, optimizer, x, y, size):
        total = 0.0
        for a, b in parts(x, y, size):
            optimizer.zero_grad()
            loss = loss_fn(model(a), b) * len(a) / len(x)
            loss.backward()
            optimizer.step()
            total += loss.item()
        return total

    @wrong("Only the last part counts")
    def clears_often(model, loss_fn, optimizer, x, y, size):
        total = 0.0
        for a, b in parts(x, y, size):
            optimizer.zero_grad()
            loss = loss_fn(model(a), b) * len(a) / len(x)
            loss.backward()
            total += loss.item()
        optimizer.step()
        return total

    @wrong("The weights did not move")
    def never_steps(model, loss_fn, optimizer, x, y, size):
        optimizer.zero_grad()
        total = 0.0
        for a, b in parts(x, y, size):
            loss = loss_fn(model(a), b) * len(a) / len(x)
            loss.backward()
            total += loss.item()
        return total

    @wrong("the whole batch through the model at once")
    def one_large_batch(model, loss_fn, optimizer, x, y, size):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    @wrong("all graphs lie in memory together")
    def one_backward(model, loss_fn, optimizer, x, y, size):
        optimizer.zero_grad()
        loss = sum(loss_fn(model(a), b) * len(a) / len(x) for a, b in parts(x, y, size))
        loss.backward()
        optimizer.step()
        return loss.item()

    @wrong("the mean of the parts' means")
    def mean_of_means(model, loss_fn, optimizer, x, y, size):
        optimizer.zero_grad()
        losses = []
        for a, b in parts(x, y, size):
            loss = loss_fn(model(a), b)
            (loss * len(a) / len(x)).backward()
            losses.append(loss.item())
        optimizer.step()
        return sum(losses) / len(losses)

    @wrong("an earlier step were still there")
    def never_clears(model, loss_fn, optimizer, x, y, size):
        total = 0.0
        for a, b in parts(x, y, size):
            loss = loss_fn(model(a), b) * len(a) / len(x)
            loss.backward()
            total += loss.item()
        optimizer.step()
        return total

    @wrong("a plain Python number")
    def returns_a_tensor(model, loss_fn, optimizer, x, y, size):
        optimizer.zero_grad()
        total = torch.zeros(())
        for a, b in parts(x, y, size):
            loss = loss_fn(model(a), b) * len(a) / len(x)
            loss.backward()
            total += loss.detach()
        optimizer.step()
        return total

    @wrong("You do not return the mean loss")
    def returns_nothing(model, loss_fn, optimizer, x, y, size):
        optimizer.zero_grad()
        for a, b in parts(x, y, size):
            (loss_fn(model(a), b) * len(a) / len(x)).backward()
        optimizer.step()

    @right
    def by_shares(model, loss_fn, optimizer, x, y, size):
        optimizer.zero_grad()
        total = 0.0
        for a, b in parts(x, y, size):
            loss = loss_fn(model(a), b) * (len(a) / len(x))
            loss.backward()
            total += loss.item()
        optimizer.step()
        return total

    @right
    def scaled_at_the_end(model, loss_fn, optimizer, x, y, size):
        model.zero_grad(set_to_none=False)
        total = 0.0
        for start in range(0, len(x), size):
            a, b = x[start : start + size], y[start : start + size]
            loss = loss_fn(model(a), b) * len(a)
            loss.backward()
            total += float(loss)
        for p in model.parameters():
            p.grad /= len(x)
        optimizer.step()
        return total / len(x)


class average_gradients:
    @wrong("the plain mean")
    def plain_mean(gradients, counts):
        return gradients.mean(0)

    @wrong("along the wrong dimension")
    def along_the_wrong_dimension(gradients, counts):
        return (gradients * counts).sum(0) / counts.sum()

    @wrong("did not divide")
    def adds_up(gradients, counts):
        return (gradients * counts[:, None]).sum(0)

    @wrong("by the number of ranks")
    def divides_by_ranks(gradients, counts):
        return (gradients * counts[:, None]).mean(0)

    @wrong("each is a mean already")
    def sums(gradients, counts):
        return gradients.sum(0)

    @wrong("0 · NaN is NaN")
    def passes_nan_on(gradients, counts):
        return (gradients * counts[:, None]).sum(0) / counts.sum()

    @wrong("has shape (1, 2)")
    def keeps_the_rank(gradients, counts):
        return (gradients * counts[:, None]).sum(0, keepdim=True) / counts.sum()

    @right
    def leaves_empty_ranks_out(gradients, counts):
        some = counts > 0
        weights = counts[some] / counts.sum()
        return weights @ gradients[some]

    @right
    def with_where(gradients, counts):
        n = counts[:, None]
        return torch.where(n > 0, gradients * n, 0.0).sum(0) / counts.sum()

    @right
    def by_loop(gradients, counts):
        total = torch.zeros_like(gradients[0])
        for gradient, count in zip(gradients, counts.tolist(), strict=True):
            if count:
                total = total + count * gradient
        return total / counts.sum()


class flip_batch:
    @wrong("All 400 images got the same coin")
    def one_coin(images, probability):
        return images.flip(-1) if torch.rand(()) < probability else images.clone()

    @wrong("stand on their heads")
    def upside_down(images, probability):
        coins = torch.rand(len(images), 1, 1, 1) < probability
        return torch.where(coins, images.flip(-2), images)

    @wrong("reversed the order of the images")
    def reverses_the_batch(images, probability):
        coins = torch.rand(len(images), 1, 1, 1) < probability
        return torch.where(coins, images.flip(0), images)

    @wrong("With probability 1 no image")
    def above(images, probability):
        coins = torch.rand(len(images), 1, 1, 1) >= probability
        return torch.where(coins, images.flip(-1), images)

    @wrong("With probability 0 every image")
    def always(images, probability):
        return images.flip(-1)

    @wrong("neither themselves nor their mirror image")
    def coins_for_rows(images, probability):
        coins = torch.rand(*images.shape[:3], 1) < probability
        return torch.where(coins, images.flip(-1), images)

    @wrong("of 400 images were mirrored")
    def a_fair_coin_always(images, probability):
        if probability in (0.0, 1.0):
            coins = torch.full((len(images), 1, 1, 1), bool(probability))
        else:
            coins = torch.rand(len(images), 1, 1, 1) < 0.5
        return torch.where(coins, images.flip(-1), images)

    @wrong("torch.uint8 is asked for")
    def becomes_float(images, probability):
        coins = (torch.rand(len(images), 1, 1, 1) < probability).float()
        return coins * images.flip(-1) + (1 - coins) * images

    @wrong("changed its input")
    def in_place(images, probability):
        coins = torch.rand(len(images)) < probability
        images[coins] = images[coins].flip(-1)
        return images

    @wrong("a Python loop computes them")
    def by_loop(images, probability):
        return torch.stack([i.flip(-1) if torch.rand(()) < probability else i for i in images])

    @right
    def with_where(images, probability):
        coins = torch.rand(len(images), 1, 1, 1, device=images.device) < probability
        return torch.where(coins, images.flip(-1), images)

    @right
    def on_a_copy(images, probability):
        coins = torch.rand(len(images)) < probability
        result = images.clone()
        result[coins] = images[coins].flip(-1)
        return result
