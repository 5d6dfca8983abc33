"""Digits keep one contract, whether they come from the cache, a download or scikit-learn."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import struct
from pathlib import Path

import pytest
import torch
from hostile_server import HostileServer

from torchcourse.data import CorruptFileError, digits, fileset
from torchcourse.data.fileset import RemoteFile

pytestmark = pytest.mark.usefixtures("only_this_machine")
REAL = Path(os.environ.get("TORCHCOURSE_DATA") or "nowhere").absolute()


def idx(tensor: torch.Tensor) -> bytes:
    header = struct.pack(f">BBBB{tensor.ndim}I", 0, 0, 8, tensor.ndim, *tensor.shape)
    return header + tensor.to(torch.uint8).numpy().tobytes()


def small_mnist() -> dict[str, bytes]:
    """The four files of a tiny MNIST, unpacked, by name: the bundled digits in its format."""
    images, labels = digits._bundled()
    parts = {"train": slice(0, 200), "t10k": slice(1415, 1465)}
    contents = {}
    for part, rows in parts.items():
        contents[f"{part}-images-idx3-ubyte"] = idx(images[rows, 0])
        contents[f"{part}-labels-idx1-ubyte"] = idx(labels[rows])
    return contents


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHCOURSE_DATA", str(tmp_path))
    monkeypatch.setenv("TORCHCOURSE_PRESET", "quick")
    return tmp_path / "MNIST" / "raw"


@pytest.fixture
def server():
    server = HostileServer()
    yield server
    server.stop()


@pytest.fixture
def tiny(cache, server, monkeypatch):
    """A tiny MNIST takes the place of the official one: on the server, not yet in the cache."""
    files = []
    for file in digits.MNIST.files:
        content = small_mnist()[file.name.removesuffix(".gz")]
        packed = gzip.compress(content, mtime=0)
        server.files[file.name] = packed
        hashes = [hashlib.sha256(data).hexdigest() for data in (packed, content)]
        files.append(RemoteFile(file.name, hashes[0], len(packed), hashes[1]))
    tiny = dataclasses.replace(digits.MNIST, mirrors=(server.url("ok", ""),), files=tuple(files))
    monkeypatch.setattr(digits, "MNIST", tiny)
    return server.files


def fill(cache, files: dict[str, bytes], unpacked: bool = False) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if unpacked:
            name, content = name.removesuffix(".gz"), gzip.decompress(content)
        (cache / name).write_bytes(content)


# The contract


def assert_contract(train: digits.Digits, test: digits.Digits) -> None:
    for images, labels, source in (train, test):
        count = len(labels)
        assert images.shape == (count, 1, 28, 28)
        assert images.dtype == torch.uint8
        assert images.is_contiguous()
        assert labels.shape == (count,)
        assert labels.dtype == torch.int64
        assert labels.unique().tolist() == list(range(10))
        assert isinstance(source, str)
        ink = images.float() / 255
        assert images.min() == 0
        assert images.max() == 255
        frame = torch.cat([ink[..., 0, :], ink[..., -1, :], ink[..., 0], ink[..., -1]], dim=-1)
        assert frame.mean() < 0.005  # paper is 0, so ink is bright
        assert 0.1 < ink.mean() < 0.2
        assert 0.25 < ink.std() < 0.35
        # The centre of mass of the ink is in the middle: (28 - 1) / 2 = 13.5, ± a pixel or so.
        places = torch.arange(28.0)
        mass = ink.sum(dim=(1, 2, 3))
        row = (ink.sum(dim=(1, 3)) @ places) / mass
        column = (ink.sum(dim=(1, 2)) @ places) / mass
        assert (row - 13.5).abs().max() < 2
        assert (column - 13.5).abs().max() < 2
        assert abs(row.mean() - 13.5) < 0.6
        assert abs(column.mean() - 13.5) < 0.6
        # Each digit is about 20 pixels high.
        inked = (ink.amax(dim=(1, 3)) > 0.2).sum(dim=1).float()
        assert 16 < inked.mean() < 21
    assert train.source == test.source
    shares = [part.labels.bincount() / len(part.labels) for part in (train, test)]
    assert (shares[0] - shares[1]).abs().max() < 0.015  # stratified
    both = {image.numpy().tobytes() for image in train.images}
    assert not any(image.numpy().tobytes() in both for image in test.images)


def test_the_bundled_digits_keep_the_contract(cache):
    train, test = digits.load(train=True), digits.load(train=False)
    assert_contract(train, test)
    assert len(train.labels) + len(test.labels) == 1797
    assert 0.18 < len(test.labels) / 1797 < 0.22
    assert train.source == "scikit-learn digits"


@pytest.mark.skipif(not (REAL / "MNIST/raw").is_dir(), reason="no MNIST in $TORCHCOURSE_DATA")
def test_the_real_mnist_keeps_the_contract(capsys):
    train, test = digits.load(train=True), digits.load(train=False)
    assert_contract(train, test)
    assert (len(train.labels), len(test.labels)) == (60_000, 10_000)
    assert train.source == "MNIST"
    assert "MNIST, 60,000 training images" in capsys.readouterr().out


def test_labels_belong_to_their_images(cache):
    """Nearest class mean, learnt on one part, knows the other: a shuffled label would not."""
    train, test = digits.load(train=True), digits.load(train=False)
    flat = [part.images.flatten(1).float() for part in (train, test)]
    means = torch.stack([flat[0][train.labels == digit].mean(dim=0) for digit in range(10)])
    nearest = torch.cdist(flat[1], means).argmin(dim=1)
    assert (nearest == test.labels).float().mean() > 0.8


def test_the_bundled_digits_are_the_same_every_time(cache):
    """Down to the byte, here and on every machine: lessons quote numbers made from them."""
    train, test = digits.load(train=True), digits.load(train=False)
    together = torch.cat([train.images, test.images]).numpy().tobytes()
    assert hashlib.sha256(together).hexdigest() == (
        "4666ee29f8ee254fd1f15b1f62297c13e5ed04f469ab66aa3bf751507a172210"
    )


def test_no_form_is_cut_by_the_split(cache):
    """A form's first twenty labels are 0 to 9 twice; one begins where the test part begins."""
    labels = digits.load(train=False).labels
    assert labels[:20].tolist() == [*range(10), *range(10)]


def test_changing_what_was_loaded_changes_nothing_for_the_next_one(cache):
    first = digits.load(train=True)
    before = first.images.clone()
    first.images.zero_()
    first.labels.zero_()
    again = digits.load(train=True)
    assert torch.equal(again.images, before)
    assert again.labels.max() == 9


# Where they come from


@pytest.mark.parametrize("unpacked", [False, True], ids=["gz", "plain"])
def test_the_cache_comes_first_and_needs_no_network(cache, tiny, server, capsys, unpacked):
    fill(cache, tiny, unpacked)
    train, test = digits.load(train=True), digits.load(train=False)
    assert (len(train.labels), len(test.labels)) == (200, 50)
    images, labels = digits._bundled()
    assert torch.equal(train.images, images[:200])
    assert torch.equal(test.labels, labels[1415:1465])
    assert train.source == "MNIST"
    assert not server.log
    assert capsys.readouterr().out.splitlines() == [
        "Digits: MNIST, 200 training images.",
        "Digits: MNIST, 50 test images.",
    ]


def test_quick_never_asks_the_network_and_says_how_to_get_more(cache, tiny, server, capsys):
    assert digits.load().source == "scikit-learn digits"
    assert not server.log
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    for word in ("1,415 training images", "MNIST", "download=True", "TORCHCOURSE_PRESET=full"):
        assert word in line
    assert not cache.exists()


def test_full_downloads_once(cache, tiny, server, capsys, monkeypatch):
    monkeypatch.setenv("TORCHCOURSE_PRESET", "full")
    assert digits.load(train=True).source == digits.load(train=False).source == "MNIST"
    assert len(server.log) == 4
    assert capsys.readouterr().out.count("downloading") == 1
    assert {name: (cache / name).read_bytes() for name in tiny} == tiny


def test_download_may_be_asked_for_and_refused(cache, tiny, server, monkeypatch):
    assert digits.load(download=True).source == "MNIST"
    monkeypatch.setenv("TORCHCOURSE_PRESET", "full")
    monkeypatch.setenv("TORCHCOURSE_DATA", str(cache / "elsewhere"))
    assert digits.load(download=False).source == "scikit-learn digits"
    assert len(server.log) == 4


def test_only_what_is_missing_is_downloaded(cache, tiny, server):
    kept = dict(list(tiny.items())[:3])
    fill(cache, kept, unpacked=True)
    assert digits.load(download=True).source == "MNIST"
    assert [name for _, name, _ in server.log] == list(tiny)[3:]


@pytest.mark.parametrize("mode", ["error404", "corrupt", "portal", "short"])
def test_a_failed_download_falls_back_with_the_reason(cache, tiny, server, capsys, mode):
    mirrors = (server.url(mode, ""),)
    digits.MNIST = dataclasses.replace(digits.MNIST, mirrors=mirrors)  # undone with `tiny`
    assert_contract(digits.load(True, download=True), digits.load(False, download=True))
    lines = capsys.readouterr().out.splitlines()
    assert "downloading" in lines[0]
    assert "scikit-learn" in lines[1]
    assert "could not be downloaded" in lines[1]
    assert "no new attempt" in lines[2]
    assert len(lines) == 3
    assert not [path for path in cache.iterdir() if path.suffix == ".gz"]


def test_without_a_network_the_official_addresses_fail_fast(cache, capsys):
    assert digits.load(download=True).source == "scikit-learn digits"
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.count("cannot be reached") == len(digits.MNIST.mirrors)


def test_both_parts_come_from_the_same_set(cache, tiny, server):
    """A network that comes back between two calls must not give MNIST to test on and the bundled
    digits to train on."""
    good = digits.MNIST
    digits.MNIST = dataclasses.replace(good, mirrors=(server.url("error404", ""),))
    train = digits.load(train=True, download=True)
    digits.MNIST = good
    assert digits.load(train=False, download=True).source == train.source


def test_after_a_pause_the_download_is_tried_again(cache, tiny, server, monkeypatch):
    good = digits.MNIST
    digits.MNIST = dataclasses.replace(good, mirrors=(server.url("error404", ""),))
    digits.load(download=True)
    digits.MNIST = good
    monkeypatch.setattr(fileset, "PAUSE_AFTER_FAILURE", 0.0)
    assert digits.load(download=True).source == "MNIST"


def test_an_incomplete_set_is_not_used(cache, tiny, capsys):
    fill(cache, dict(list(tiny.items())[:2]))  # the training part alone
    assert digits.load(train=True).source == "scikit-learn digits"
    assert "a part is there" in capsys.readouterr().out


@pytest.mark.parametrize("unpacked", [False, True], ids=["gz", "plain"])
@pytest.mark.parametrize("download", [False, True])
def test_a_damaged_cache_is_an_error_and_loses_nothing(cache, tiny, server, unpacked, download):
    fill(cache, tiny, unpacked)
    victim = sorted(cache.iterdir())[-1]
    content = victim.read_bytes()
    victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    before = {path: path.read_bytes() for path in cache.iterdir()}
    with pytest.raises(CorruptFileError, match=victim.name):
        digits.load(train=False, download=download)
    assert {path: path.read_bytes() for path in cache.iterdir()} == before
    assert not server.log


def test_the_official_hashes_are_those_torchvision_knows():
    """Same names and mirrors; and where the real files are, the MD5 of torchvision as well."""
    mnist = pytest.importorskip("torchvision.datasets").MNIST
    md5s = dict(mnist.resources)
    assert {file.name for file in digits.MNIST.files} == set(md5s)
    assert digits.MNIST.mirrors[0] in mnist.mirrors
    for file in digits.MNIST.files:
        path = REAL / "MNIST/raw" / file.name
        if path.exists():
            content = path.read_bytes()
            assert hashlib.md5(content).hexdigest() == md5s[file.name]
            assert hashlib.sha256(content).hexdigest() == file.sha256
            assert len(content) == file.size
            unpacked = gzip.decompress(content)
            assert hashlib.sha256(unpacked).hexdigest() == file.unpacked_sha256
