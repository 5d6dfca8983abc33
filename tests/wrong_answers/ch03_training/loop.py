"""Answers to the exercises of chapter 3's lab 2: the training loop."""

from __future__ import annotations

import math
import os

import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset
from torchvision.transforms import v2

from wrong_answers import right, wrong


class _Set(Dataset):
    """A right PictureSet, for the others to spoil."""

    def __init__(self, images, labels, transform=None):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.images[index].float() / 255
        return self.transformed(image), self.labels[index].item()

    def transformed(self, image):
        return image if self.transform is None else self.transform(image)


class PictureSet:
    @wrong("length counts pixels")
    class CountsPixels(_Set):
        def __len__(self):
            return self.images.numel()

    @wrong("batch dimension of its own")
    class KeepsABatch(_Set):
        def __getitem__(self, index):
            image = self.images[index : index + 1].float() / 255
            return self.transformed(image), self.labels[index].item()

    @wrong("still holds bytes")
    class KeepsBytes(_Set):
        def __getitem__(self, index):
            return self.transformed(self.images[index]), self.labels[index].item()

    @wrong("still run from 0 to 255")
    class ForgetsToScale(_Set):
        def __getitem__(self, index):
            return self.transformed(self.images[index].float()), self.labels[index].item()

    @wrong("four times the memory")
    class KeepsFloats(_Set):
        def __init__(self, images, labels, transform=None):
            super().__init__(images.float() / 255, labels, transform)

        def __getitem__(self, index):
            return self.transformed(self.images[index]), self.labels[index].item()

    @wrong("own maximum")
    class DividesByItsMaximum(_Set):
        def __getitem__(self, index):
            image = self.images[index].float()
            return self.transformed(image / image.max()), self.labels[index].item()

    @wrong("The label is a tensor")
    class ReturnsATensorLabel(_Set):
        def __getitem__(self, index):
            return super().__getitem__(index)[0], self.labels[index]

    @wrong("when the data set was built")
    class TransformsOnce(_Set):
        def __init__(self, images, labels, transform=None):
            super().__init__(images, labels)
            floats = [image.float() / 255 for image in images]
            self.ready = floats if transform is None else [transform(image) for image in floats]

        def __getitem__(self, index):
            return self.ready[index], self.labels[index].item()

    @wrong("raw bytes")
    class TransformsBytes(_Set):
        def __getitem__(self, index):
            return self.transformed(self.images[index]).float() / 255, self.labels[index].item()

    @wrong("ignore the transform")
    class IgnoresTheTransform(_Set):
        def transformed(self, image):
            return image

    @wrong("you keep what the transform returned")
    class KeepsResults(_Set):
        def __getitem__(self, index):
            self.kept = getattr(self, "kept", {})
            if index not in self.kept:
                self.kept[index] = super().__getitem__(index)
            return self.kept[index]

    @wrong("never ends")
    class GoesRound(_Set):
        def __getitem__(self, index):
            return super().__getitem__(index % len(self))

    @wrong("stored pictures have changed")
    class EmptiesTheStore(_Set):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            if index == 2:
                self.images[index] = 0
            return sample

    plain = right(_Set)

    @right
    class WithTransforms(Dataset):
        def __init__(self, images, labels, transform=None):
            self.data = TensorDataset(images, labels)
            self.ready = v2.ToDtype(torch.float32, scale=True)
            self.transform = transform or v2.Identity()

        def __len__(self):
            return len(self.data)

        def __getitem__(self, index):
            image, label = self.data[index]
            return self.transform(self.ready(image)), int(label)


@torch.no_grad()
def _counted(model, loader):
    """Right answers and samples, in whatever mode the model is in."""
    correct = total = 0
    for x, y in loader:
        correct += (model(x).argmax(1) == y).sum().item()
        total += len(y)
    return correct, total


class accuracy:
    @wrong("measured in train mode")
    def forgets_eval(model, loader):
        correct, total = _counted(model, loader)
        return correct / total

    @wrong("averaged the batches' accuracies")
    @torch.no_grad()
    def averages_batches(model, loader):
        model.eval()
        shares = [(model(x).argmax(1) == y).float().mean().item() for x, y in loader]
        model.train()
        return sum(shares) / len(shares)

    @wrong("divided by batches times batch size")
    def assumes_full_batches(model, loader):
        model.eval()
        correct, _ = _counted(model, loader)
        model.train()
        return correct / (len(loader) * loader.batch_size)

    @wrong("accuracy of the last batch")
    @torch.no_grad()
    def keeps_the_last(model, loader):
        model.eval()
        for x, y in loader:
            share = (model(x).argmax(1) == y).float().mean().item()
        return share

    @wrong("That is a percentage")
    def gives_percent(model, loader):
        model.eval()
        correct, total = _counted(model, loader)
        return 100 * correct / total

    @wrong("it is a tensor")
    def gives_a_tensor(model, loader):
        model.eval()
        correct, total = _counted(model, loader)
        return torch.tensor(correct / total)

    @wrong("left the model in eval mode")
    def leaves_eval(model, loader):
        model.eval()
        correct, total = _counted(model, loader)
        return correct / total

    @wrong("recorded a graph")
    def records(model, loader):
        was = model.training
        model.eval()
        hits = [(model(x).argmax(1) == y) for x, y in loader]
        model.train(was)
        return torch.cat(hits).double().mean().item()

    @wrong("came in eval mode and went out in train mode")
    def always_trains_again(model, loader):
        model.eval()
        correct, total = _counted(model, loader)
        model.train()
        return correct / total

    @right
    def counts(model, loader):
        was = model.training
        model.eval()
        correct, total = _counted(model, loader)
        model.train(was)
        return correct / total

    @right
    @torch.inference_mode()
    def joins(model, loader):
        was = model.training
        hits = torch.cat([model.eval()(x).argmax(1) == y for x, y in loader])
        model.train(was)
        return hits.double().mean().item()

    @right
    def by_length_of_the_set(model, loader):
        was = model.training
        model.eval()
        correct, _ = _counted(model, loader)
        model.train(was)
        return correct / len(loader.dataset)


def _epoch(model, loader, optimizer, loss_fn, clear=True):
    for x, y in loader:
        if clear:
            optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()


class train_and_validate:
    @wrong("From the second epoch on")
    def trains_once(model, loader, optimizer, loss_fn, epochs, validate):
        model.train()
        results = []
        for _ in range(epochs):
            _epoch(model, loader, optimizer, loss_fn)
            results.append(validate(model))
        return results

    @wrong("never switch the model to train mode")
    def never_trains(model, loader, optimizer, loss_fn, epochs, validate):
        results = []
        for _ in range(epochs):
            _epoch(model, loader, optimizer, loss_fn)
            results.append(validate(model))
        return results

    @wrong("validate before")
    def validates_first(model, loader, optimizer, loss_fn, epochs, validate):
        results = []
        for _ in range(epochs):
            results.append(validate(model))
            model.train()
            _epoch(model, loader, optimizer, loss_fn)
        return results

    @wrong("validated once")
    def validates_at_the_end(model, loader, optimizer, loss_fn, epochs, validate):
        for _ in range(epochs):
            model.train()
            _epoch(model, loader, optimizer, loss_fn)
        return [validate(model)]

    @wrong("after every batch")
    def validates_each_batch(model, loader, optimizer, loss_fn, epochs, validate):
        results = []
        for _ in range(epochs):
            for batch in loader:
                model.train()
                _epoch(model, [batch], optimizer, loss_fn)
                results.append(validate(model))
        return results

    @wrong("gradients of earlier steps")
    def never_clears(model, loader, optimizer, loss_fn, epochs, validate):
        results = []
        for _ in range(epochs):
            model.train()
            _epoch(model, loader, optimizer, loss_fn, clear=False)
            results.append(validate(model))
        return results

    @wrong("once per epoch")
    def clears_per_epoch(model, loader, optimizer, loss_fn, epochs, validate):
        results = []
        for _ in range(epochs):
            model.train()
            optimizer.zero_grad()
            _epoch(model, loader, optimizer, loss_fn, clear=False)
            results.append(validate(model))
        return results

    @wrong("weights never change")
    def never_steps(model, loader, optimizer, loss_fn, epochs, validate):
        results = []
        for _ in range(epochs):
            model.train()
            for x, y in loader:
                optimizer.zero_grad()
                loss_fn(model(x), y).backward()
            results.append(validate(model))
        return results

    @wrong("the last result alone")
    def returns_one(model, loader, optimizer, loss_fn, epochs, validate):
        for _ in range(epochs):
            model.train()
            _epoch(model, loader, optimizer, loss_fn)
            result = validate(model)
        return result

    @wrong("not called with the model")
    def validates_a_copy(model, loader, optimizer, loss_fn, epochs, validate):
        import copy

        results = []
        for _ in range(epochs):
            model.train()
            _epoch(model, loader, optimizer, loss_fn)
            results.append(validate(copy.deepcopy(model)))
        return results

    @right
    def by_the_book(model, loader, optimizer, loss_fn, epochs, validate):
        results = []
        for _ in range(epochs):
            model.train()
            _epoch(model, loader, optimizer, loss_fn)
            results.append(validate(model))
        return results

    @right
    def in_every_batch(model, loader, optimizer, loss_fn, epochs, validate):
        results = []
        while len(results) < epochs:
            for x, y in loader:
                loss = loss_fn(model.train()(x), y)
                optimizer.zero_grad(set_to_none=False)
                loss.backward()
                optimizer.step()
            results += [validate(model)]
        return results


class _Changed(Dataset):
    def __init__(self, data, change):
        self.data, self.change = data, change

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        image, label = self.data[index]
        return self.change(image), label


def _pair(train_set, validation_set, size, seed, train=None, validation=None):
    generator = torch.Generator().manual_seed(seed)
    given = {"batch_size": size, "shuffle": True, "generator": generator}
    return (
        DataLoader(train_set, **given | (train or {})),
        DataLoader(validation_set, **{"batch_size": size} | (validation or {})),
    )


class make_loaders:
    @wrong("validation pictures are augmented")
    def augments_both(train_set, validation_set, augment, size, seed):
        both = _Changed(train_set, augment), _Changed(validation_set, augment)
        return _pair(*both, size, seed)

    @wrong("while building the loaders")
    def augments_once(train_set, validation_set, augment, size, seed):
        ready = [(augment(image), label) for image, label in train_set]
        return _pair(ready, validation_set, size, seed)

    @wrong("The validation loader gives 4 of 5")
    def drops_validation(train_set, validation_set, augment, size, seed):
        drop = {"drop_last": True, "batch_size": 4}
        return _pair(_Changed(train_set, augment), validation_set, size, seed, validation=drop)

    @wrong("The validation loader shuffles")
    def shuffles_validation(train_set, validation_set, augment, size, seed):
        generator = torch.Generator().manual_seed(3)
        shuffle = {"shuffle": True, "generator": generator}
        return _pair(_Changed(train_set, augment), validation_set, size, seed, validation=shuffle)

    @wrong("gives 10 of 12")
    def drops_training(train_set, validation_set, augment, size, seed):
        drop = {"drop_last": True}
        return _pair(_Changed(train_set, augment), validation_set, size, seed, train=drop)

    @wrong("are not augmented")
    def never_augments(train_set, validation_set, augment, size, seed):
        return _pair(train_set, validation_set, size, seed)

    @wrong("in batches of [1,")
    def forgets_the_batch_size(train_set, validation_set, augment, size, seed):
        return _pair(_Changed(train_set, augment), validation_set, 1, seed)

    @wrong("training loader does not shuffle")
    def keeps_the_order(train_set, validation_set, augment, size, seed):
        plain = {"shuffle": False}
        return _pair(_Changed(train_set, augment), validation_set, size, seed, train=plain)

    @wrong("Both epochs have the same order")
    def shuffles_once(train_set, validation_set, augment, size, seed):
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(train_set), generator=generator).tolist()
        mixed = Subset(_Changed(train_set, augment), order)
        return _pair(mixed, validation_set, size, seed, train={"shuffle": False})

    @wrong("The same seed gives two different orders")
    def never_seeds(train_set, validation_set, augment, size, seed):
        free = {"generator": None}
        return _pair(_Changed(train_set, augment), validation_set, size, seed, train=free)

    @wrong("seeded the global generator")
    def seeds_the_global_one(train_set, validation_set, augment, size, seed):
        torch.manual_seed(seed)
        free = {"generator": None}
        return _pair(_Changed(train_set, augment), validation_set, size, seed, train=free)

    @wrong("Seeds 4 and 5")
    def ignores_the_seed(train_set, validation_set, augment, size, seed):
        return _pair(_Changed(train_set, augment), validation_set, size, 0)

    @wrong("not a pair of DataLoaders")
    def returns_sets(train_set, validation_set, augment, size, seed):
        return _Changed(train_set, augment), validation_set

    @right
    def by_a_wrapper(train_set, validation_set, augment, size, seed):
        return _pair(_Changed(train_set, augment), validation_set, size, seed)

    @right
    def by_a_sampler(train_set, validation_set, augment, size, seed):
        data = ConcatDataset([_Changed(train_set, augment)])
        generator = torch.Generator().manual_seed(seed)
        sampler = torch.utils.data.RandomSampler(data, generator=generator)
        return [
            DataLoader(data, batch_size=size, sampler=sampler),
            DataLoader(validation_set, batch_size=2 * size),
        ]


class _Whole:
    """A right Checkpoint; subclasses leave something out."""

    leave_out = ()
    strict = True

    def __init__(self, model, optimizer, generator):
        self.model, self.optimizer, self.generator = model, optimizer, generator

    def content(self, epoch):
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "random": torch.get_rng_state(),
            "epoch": epoch,
        }

    def save(self, path, epoch):
        torch.save(self.content(epoch), str(path) + ".tmp")
        os.replace(str(path) + ".tmp", path)

    def load(self, path):
        state = torch.load(path, weights_only=True)
        if "model" not in self.leave_out:
            self.model.load_state_dict(state["model"], strict=self.strict)
        if "optimizer" not in self.leave_out:
            self.optimizer.load_state_dict(state["optimizer"])
        if "generator" not in self.leave_out:
            self.generator.set_state(state["generator"])
        if "random" not in self.leave_out:
            torch.set_rng_state(state["random"])
        return state["epoch"]


class Checkpoint:
    @wrong("does not have the saved weights")
    class ForgetsTheModel(_Whole):
        leave_out = ("model",)

    @wrong("AdamW starts from nothing")
    class ForgetsTheOptimizer(_Whole):
        leave_out = ("optimizer",)

    @wrong("The loader's generator")
    class ForgetsTheGenerator(_Whole):
        leave_out = ("generator",)

    @wrong("The global generator")
    class ForgetsTheGlobalGenerator(_Whole):
        leave_out = ("random",)

    @wrong("does not say which epoch")
    class ForgetsTheEpoch(_Whole):
        def load(self, path):
            super().load(path)

    @wrong("remove the old checkpoint before")
    class RemovesFirst(_Whole):
        def save(self, path, epoch):
            torch.save(self.content(epoch), str(path) + ".tmp")
            path.unlink(missing_ok=True)
            os.rename(str(path) + ".tmp", path)

    @wrong("holds whole objects")
    class SavesTheModule(_Whole):
        def content(self, epoch):
            return super().content(epoch) | {"model": self.model}

    @wrong("left no file")
    class SavesElsewhere(_Whole):
        def save(self, path, epoch):
            torch.save(self.content(epoch), str(path) + ".tmp")

    @wrong("accepts the checkpoint of a model with other layer names")
    class IsNotStrict(_Whole):
        strict = False

    @wrong("died half way")
    class WritesInPlace(_Whole):
        def save(self, path, epoch):
            torch.save(self.content(epoch), path)

    @wrong("What load returns")
    class CountsOn(_Whole):
        def load(self, path):
            return super().load(path) + 1

    whole = right(_Whole)

    @right
    class WithFsync(_Whole):
        def save(self, path, epoch):
            temporary = path.with_suffix(".new")
            with open(temporary, "wb") as file:
                torch.save(self.content(epoch), file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)

    @right
    class InTwoParts:
        def __init__(self, *parts):
            self.parts = parts

        def save(self, path, epoch):
            model, optimizer, generator = self.parts
            states = [model.state_dict(), optimizer.state_dict(), generator.get_state()]
            torch.save([epoch, torch.get_rng_state(), *states], f"{path}~")
            os.rename(f"{path}~", path)

        def load(self, path):
            model, optimizer, generator = self.parts
            epoch, random, weights, memory, state = torch.load(
                path, map_location="cpu", weights_only=True
            )
            model.load_state_dict(weights)
            optimizer.load_state_dict(memory)
            generator.set_state(state)
            torch.set_rng_state(random)
            return epoch


def _stop(losses, patience, better=lambda loss, best: loss < best):
    best, best_epoch = math.inf, 0
    for epoch, loss in enumerate(losses, start=1):
        if better(loss, best):
            best, best_epoch = loss, epoch
        elif epoch - best_epoch >= patience:
            return best_epoch, epoch
    return best_epoch, len(losses)


class early_stop:
    @wrong("losses behind the stop")
    def takes_the_lowest(losses, patience):
        best = losses.index(min(losses)) + 1
        return best, min(best + patience, len(losses))

    @wrong("one epoch too late")
    def stops_late(losses, patience):
        return _stop(losses[:-1], patience + 1)[0], _stop(losses, patience + 1)[1]

    @wrong("one epoch too early")
    def stops_early(losses, patience):
        return _stop(losses, patience - 1)

    @wrong("count epochs from 0")
    def counts_from_zero(losses, patience):
        best, last = _stop(losses, patience)
        return best - 1, last - 1

    @wrong("wrong way round")
    def swaps(losses, patience):
        return _stop(losses, patience)[::-1]

    @wrong("compare with the epoch before")
    def counts_rises(losses, patience):
        best, best_epoch, bad = math.inf, 0, 0
        for epoch, loss in enumerate(losses, start=1):
            if loss < best:
                best, best_epoch = loss, epoch
            bad = bad + 1 if epoch > 1 and loss >= losses[epoch - 2] else 0
            if bad >= patience:
                return best_epoch, epoch
        return best_epoch, len(losses)

    @wrong("a new best must start the count again")
    def never_forgives(losses, patience):
        best, best_epoch, bad = math.inf, 0, 0
        for epoch, loss in enumerate(losses, start=1):
            if loss < best:
                best, best_epoch = loss, epoch
            else:
                bad += 1
            if bad >= patience:
                return best_epoch, epoch
        return best_epoch, len(losses)

    @wrong("was never trained")
    def takes_the_best_of_all(losses, patience):
        return losses.index(min(losses)) + 1, _stop(losses, patience)[1]

    @wrong("take a tie for progress")
    def takes_ties(losses, patience):
        return _stop(losses, patience, better=lambda loss, best: loss <= best)

    @wrong("A NaN became your best loss")
    def begins_with_the_first(losses, patience):
        best, best_epoch = losses[0], 1
        for epoch, loss in enumerate(losses, start=1):
            if loss < best:
                best, best_epoch = loss, epoch
            elif epoch - best_epoch >= patience:
                return best_epoch, epoch
        return best_epoch, len(losses)

    by_loop = right(_stop)

    @right
    def by_waiting(losses, patience):
        best, best_epoch, waited = float("inf"), 0, 0
        for last, loss in enumerate(losses, start=1):
            waited += 1
            if loss < best:
                best, best_epoch, waited = loss, last, 0
            if waited == patience:
                break
        return best_epoch, last
