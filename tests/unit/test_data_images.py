"""Image sets keep one contract in every form they come in, and nothing damaged gets through."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pickle
import struct
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile_server import HostileServer
from PIL import Image

from torchcourse import runtime
from torchcourse.data import CorruptFileError, DownloadError, class_folders, images
from torchcourse.data.cifar_batches import read_batch
from torchcourse.data.fileset import RemoteFile

REAL = Path(os.environ.get("TORCHCOURSE_DATA") or "nowhere").absolute()


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch, only_this_machine):
    """An empty data folder and cache, a quick preset, and no network but this machine."""
    monkeypatch.setenv("TORCHCOURSE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TORCHCOURSE_PRESET", "quick")
    monkeypatch.setattr(runtime, "cache_dir", lambda: tmp_path / "cache")
    return tmp_path / "data"


def assert_contract(found: images.Images, count: int, shape: tuple[int, ...]) -> None:
    assert found.images.shape == (count, *shape)
    assert found.images.dtype == torch.uint8
    assert found.images.is_contiguous()
    assert found.labels.shape == (count,)
    assert found.labels.dtype == torch.int64
    assert found.labels.unique().tolist() == list(range(10))
    assert len(found.classes) == len(set(found.classes)) == 10
    assert found.source


# Tiny data sets in each form


def made_up(count: int, shape: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, *shape), np.uint8), np.arange(count) % 10


def idx(values: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    return header + values.astype(np.uint8).tobytes()


def write_idx(folder: Path, prefix: str, count: int, labels: np.ndarray | None = None) -> None:
    pixels, right = made_up(count, (28, 28), seed=count)
    labels = right if labels is None else labels
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pixels)))
    (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))


def picture(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def cifar_pictures(parts: dict[str, int]) -> dict[str, bytes]:
    """Name → content of small colour pictures in class folders."""
    files = {}
    for part, count in parts.items():
        pixels, labels = made_up(count, (32, 32, 3), seed=count)
        for number, label in enumerate(labels):
            name = f"{part}/{images.CIFAR_CLASSES[label]}/{number:04}.png"
            files[name] = picture(pixels[number])
    return files


def write_folders(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)


def batch(count: int, seed: int = 0, **changes: object) -> bytes:
    pixels, labels = made_up(count, (3072,), seed)
    return pickle.dumps({"data": pixels, "labels": labels.tolist(), **changes}, protocol=2)


def tiny_batches(monkeypatch) -> dict[str, bytes]:
    """Six batches of 20 images instead of torchvision's list of the official ones."""
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    contents = {name: batch(20, seed) for seed, name in enumerate(names)}
    listed = [[name, hashlib.md5(content).hexdigest()] for name, content in contents.items()]
    monkeypatch.setattr(images.CIFAR10, "train_list", listed[:5])
    monkeypatch.setattr(images.CIFAR10, "test_list", listed[5:])
    return contents


def tiny_archive(monkeypatch, contents: dict[str, bytes]) -> bytes:
    """The batches as cifar-10-python.tar.gz, which then takes the official one's place."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in contents.items():
            entry = tarfile.TarInfo(f"{images.BATCHES}/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    packed = packed.getvalue()
    file = RemoteFile("cifar-10-python.tar.gz", hashlib.sha256(packed).hexdigest(), len(packed))
    monkeypatch.setattr(images, "CIFAR", replace(images.CIFAR, files=(file,)))
    return packed


# Every form keeps the contract


def test_digits_are_always_there():
    train, test = images.load("digits"), images.load("digits", train=False)
    assert_contract(train, 1415, (1, 28, 28))
    assert_contract(test, 382, (1, 28, 28))
    assert train.classes == [str(digit) for digit in range(10)]
    assert train.source == "scikit-learn digits"


def test_official_idx_files(data, monkeypatch, capsys):
    folder = data / "FashionMNIST/raw"
    write_idx(folder, "train", 60)
    write_idx(folder, "t10k", 20)
    files = [
        RemoteFile(file.name, hashlib.sha256(content).hexdigest(), len(content))
        for file in images.FASHION.files
        for content in [(folder / file.name).read_bytes()]
    ]
    monkeypatch.setattr(images, "FASHION", replace(images.FASHION, files=tuple(files)))
    train, test = (images.load("fashion_mnist", train) for train in (True, False))
    assert_contract(train, 60, (1, 28, 28))
    assert_contract(test, 20, (1, 28, 28))
    assert torch.equal(train.images[:, 0], torch.from_numpy(made_up(60, (28, 28), 60)[0]))
    assert train.classes[0] == "T-shirt/top"
    assert train.source == "the official files"
    assert "Fashion-MNIST: 60 training images, the official files." in capsys.readouterr().out
    assert torch.equal(images.load("fashion_mnist", cut=0.5).images, train.images)


def test_batches_of_torchvision(data, monkeypatch):
    write_folders(data / images.BATCHES, tiny_batches(monkeypatch))
    train, test = (images.load("cifar10", train) for train in (True, False))
    assert_contract(train, 100, (3, 32, 32))
    assert_contract(test, 20, (3, 32, 32))
    pixels, labels = made_up(20, (3, 32, 32), seed=5)
    assert torch.equal(test.images, torch.from_numpy(pixels))
    assert test.labels.tolist() == labels.tolist()
    assert not (runtime.cache_dir() / "decoded").exists()


def test_the_archive_is_read_in_place(data, monkeypatch):
    packed = tiny_archive(monkeypatch, tiny_batches(monkeypatch))
    write_folders(data / "cifar10", {"cifar-10-python.tar.gz": packed})
    assert_contract(images.load("cifar10"), 100, (3, 32, 32))
    assert [path.name for path in data.rglob("*") if path.is_file()] == ["cifar-10-python.tar.gz"]


@pytest.mark.parametrize("form", ["folders", "zip", "zip in a folder"])
def test_class_folders(data, form):
    files = cifar_pictures({"train": 40, "test": 20})
    if form == "folders":
        write_folders(data / "cifar10", files)
    else:
        around = "CIFAR/" if form == "zip in a folder" else ""
        write_zip(data / "cifar10/any.zip", {around + name: files[name] for name in files})
    train, test = (images.load("cifar10", train) for train in (True, False))
    assert_contract(train, 40, (3, 32, 32))
    assert_contract(test, 20, (3, 32, 32))
    pixels, labels = made_up(20, (32, 32, 3), seed=20)
    order = np.argsort(labels, kind="stable")
    assert torch.equal(test.images.permute(0, 2, 3, 1), torch.from_numpy(pixels[order]))


def test_grey_class_folders_with_numbers_or_plain_names(data):
    pixels, labels = made_up(20, (28, 28), seed=1)
    names = ["tshirt_top", "TROUSER", *map(str, range(2, 9)), "Ankle boot"]
    files = {
        f"train/{names[label]}/{number}.png": picture(pixels[number])
        for number, label in enumerate(labels)
    }
    write_folders(data / "fashion_mnist", files)
    assert_contract(images.load("fashion_mnist"), 20, (1, 28, 28))


def test_jpeg_in_grey_becomes_three_channels(data):
    files = cifar_pictures({"train": 20})
    files["train/cat/grey.jpg"] = picture(np.full((32, 32), 7, np.uint8), "JPEG")
    write_folders(data / "cifar10", files)
    found = images.load("cifar10", cut=0.5)
    assert found.images.shape[1] == 3


@pytest.mark.skipif(not (REAL / "cifar10").is_dir(), reason="no CIFAR-10 in $TORCHCOURSE_DATA")
def test_real_cifar(monkeypatch):
    monkeypatch.setenv("TORCHCOURSE_DATA", str(REAL))
    test = images.load("cifar10", train=False)
    assert_contract(test, 10_000, (3, 32, 32))
    assert test.labels.bincount().tolist() == [1000] * 10
    # Ships and aeroplanes are bluer than frogs.
    blueness = [
        (pixels[:, 2].float().mean() - pixels[:, 0].float().mean()).item()
        for pixels in (test.images[test.labels == label] for label in range(10))
    ]
    assert min(blueness[0], blueness[8]) > blueness[6]


# A sample without a test part


def test_a_sample_says_what_is_missing(data, capsys):
    write_idx(data / "fashion_mnist", "subset10k", 100)
    train = images.load("fashion_mnist")
    assert_contract(train, 100, (1, 28, 28))
    assert "without a test part" in capsys.readouterr().out
    with pytest.raises(DownloadError, match=r"no test part.*cut=0\.2.*download=True"):
        images.load("fashion_mnist", train=False)


def test_a_sample_can_be_cut(data):
    write_idx(data / "fashion_mnist", "subset10k", 100)
    whole = images.load("fashion_mnist")
    train, test = (images.load("fashion_mnist", part, cut=0.2) for part in (True, False))
    assert train.labels.bincount().tolist() == [8] * 10
    assert test.labels.bincount().tolist() == [2] * 10
    assert "cut off" in train.source
    assert "cut off" in test.source
    parts = [{image.numpy().tobytes() for image in part.images} for part in (train, test)]
    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] == {image.numpy().tobytes() for image in whole.images}
    again = images.load("fashion_mnist", False, cut=0.2)
    assert torch.equal(again.images, test.images)


@pytest.mark.parametrize("cut", [0, 1, -0.2, 20, True])
def test_a_cut_is_a_share(cut):
    with pytest.raises(ValueError, match="cut must be a share"):
        images.load("fashion_mnist", cut=cut)


# What is not there


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="digits, fashion_mnist, cifar10"):
        images.load("cifar100")


@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10"])
def test_offline_the_error_says_what_to_do(name, data):
    with pytest.raises(DownloadError, match=r"download=True.*TORCHCOURSE_PRESET=full") as caught:
        images.load(name)
    assert "TORCHCOURSE_DATA" in str(caught.value)
    assert str(data) in str(caught.value)
    assert not data.exists()  # nothing was tried
    with pytest.raises(DownloadError, match="cannot be reached"):
        images.load(name, download=True)


def test_download(data, monkeypatch, capsys):
    packed = tiny_archive(monkeypatch, tiny_batches(monkeypatch))
    write_folders(data / "cifar10", cifar_pictures({"train": 40, "test": 20}))
    server = HostileServer()
    try:
        server.files["cifar-10-python.tar.gz"] = packed
        here = replace(images.CIFAR, mirrors=(server.url("ok", ""),))
        monkeypatch.setattr(images, "CIFAR", here)
        assert images.load("cifar10").source == "class folders"
        assert images.load("cifar10", download=True).source == "the official archive"
        assert len(images.load("cifar10", train=False).labels) == 20
    finally:
        server.stop()
    assert capsys.readouterr().out.count("downloading") == 1


# What is damaged


def test_official_names_demand_official_content(data):
    write_idx(data / "FashionMNIST/raw", "train", 60)
    with pytest.raises(CorruptFileError, match="damaged or is another file"):
        images.load("fashion_mnist")
    write_folders(data / "cifar10", {"cifar-10-python.tar.gz": b"nonsense"})
    with pytest.raises(CorruptFileError, match="damaged or is another file"):
        images.load("cifar10")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.arange(99) % 10, r"\(99,\) for 100 images"),
        (np.arange(100) % 11, "the label 10, not only 0 to 9"),
        (np.zeros((100, 1)), r"\(100, 1\) for 100 images"),
    ],
)
def test_labels_that_do_not_fit(data, labels, words):
    write_idx(data / "fashion_mnist", "subset", 100, labels)
    with pytest.raises(CorruptFileError, match=words):
        images.load("fashion_mnist")


def test_idx_files_that_are_cut_short_alone_or_double(data):
    folder = data / "fashion_mnist"
    write_idx(folder, "subset", 100)
    path = folder / "subset-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(CorruptFileError, match=r"damaged \.gz"):
        images.load("fashion_mnist")
    path.write_bytes(whole)
    write_idx(folder, "other", 50)
    with pytest.raises(CorruptFileError, match="two sets of train images"):
        images.load("fashion_mnist")
    (folder / "other-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(CorruptFileError, match="without its labels"):
        images.load("fashion_mnist")


def test_batches_are_compared_with_their_hash(data, monkeypatch):
    contents = tiny_batches(monkeypatch)
    write_folders(data / images.BATCHES, contents)
    path = data / images.BATCHES / "data_batch_3"
    path.write_bytes(contents["data_batch_3"][:-1])
    with pytest.raises(CorruptFileError, match=r"data_batch_3 is damaged.*Unpack"):
        images.load("cifar10")
    path.unlink()
    with pytest.raises(CorruptFileError, match="data_batch_3 is missing"):
        images.load("cifar10")
    assert len(images.load("cifar10", train=False).labels) == 20


class Evil:
    """Unpickled as it asks to be, it would make a folder."""

    def __reduce__(self):
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pickle.dumps(Evil()), "refused"),
        (batch(4, labels=Evil()), "refused"),
        (pickle.dumps({"data": torch.zeros(1), "labels": [0]}), "refused"),
        (batch(4)[:-40], "no batch"),
        (b"", "no batch"),
        (b"<html>404</html>", "no batch"),
        (pickle.dumps([1, 2]), "no batch"),
        (batch(4, data=np.zeros((4, 3072), np.float64)), "not bytes"),
        (batch(4, data=np.zeros((4, 3071), np.uint8)), r"\(4, 3071\)"),
        (batch(4, labels=[0, 1, 2]), "4 images and 3 labels"),
        (batch(4, labels=[0, 1, 2, 10]), "no class from 0 to 9"),
        (batch(4, labels=[0, 1, 2, "3"]), "no class from 0 to 9"),
        (batch(4, labels=None), "no list of labels"),
    ],
)
def test_a_hostile_pickle_runs_nothing(tmp_path, monkeypatch, content, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=words) as caught:
        read_batch(content, "data_batch_1")
    assert "data_batch_1" in str(caught.value)
    assert not (tmp_path / "pwned").exists()


def test_a_batch_written_by_python_2_or_by_columns():
    pixels, labels = made_up(4, (3072,), seed=3)
    python_2 = batch(4, 3).replace(b"numpy._core", b"numpy.core")
    by_columns = batch(4, 3, data=np.asfortranarray(pixels))
    for content in (python_2, by_columns):
        found, found_labels = read_batch(content, "x")
        assert torch.equal(found.reshape(4, 3072), torch.from_numpy(pixels))
        assert found_labels.tolist() == labels.tolist()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("../train/cat/evil.png", b"", "leaves its folder"),
        ("train/cat/../../../evil.png", b"", "leaves its folder"),
        ("/train/cat/evil.png", b"", "leaves its folder"),
        ("C:/train/cat/evil.png", b"", "leaves its folder"),
        ("train/unicorn/1.png", b"", "no class 'unicorn'"),
        ("train/cat/1.png", b"", "no usable picture"),
        ("train/cat/1.png", b"GIF89a", "no usable picture"),
        ("train/cat/1.png", picture(np.zeros((33, 32, 3), np.uint8)), r"\(32, 33\) pixels"),
        ("train/cat/1.png", picture(np.zeros((32, 32, 3), np.uint8))[:-30], "no usable picture"),
        ("train/cat/1.png", bytes(2_000_000), "more than 1,000,000 bytes"),
    ],
)
@pytest.mark.parametrize("form", ["zip", "folder"])
def test_hostile_pictures(data, tmp_path, form, name, content, words):
    files = cifar_pictures({"train": 20, "test": 20}) | {name: content}
    if form == "zip":
        write_zip(data / "cifar10/x.zip", files)
    elif "leaves" in words:
        pytest.skip("only an archive can name such a file")
    else:
        write_folders(data / "cifar10", files)
    with pytest.raises(CorruptFileError, match=words):
        images.load("cifar10")
    assert not list(tmp_path.rglob("evil*"))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_zips_that_are_cut_short_damaged_or_several(data):
    path = data / "cifar10/x.zip"
    write_zip(path, cifar_pictures({"train": 20, "test": 20}))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptFileError, match="damaged zip"):
        images.load("cifar10")
    spoilt = bytearray(whole)
    spoilt[len(whole) // 4] ^= 0xFF
    path.write_bytes(spoilt)
    with pytest.raises(CorruptFileError, match="no usable picture"):
        for train in (True, False):  # the byte lies in one of the two
            images.load("cifar10", train)
    path.write_bytes(whole)
    write_zip(data / "cifar10/y.zip", {})
    with pytest.raises(CorruptFileError, match="several zips"):
        images.load("cifar10")


def test_a_class_without_pictures_is_missed(data):
    files = cifar_pictures({"train": 20, "test": 20})
    write_folders(data / "cifar10", {n: c for n, c in files.items() if "dog" not in n})
    with pytest.raises(CorruptFileError, match="no picture of dog"):
        images.load("cifar10")


def test_what_belongs_to_no_class_is_passed_over(data):
    files = cifar_pictures({"train": 20, "test": 20})
    files |= {"README.txt": b"hello", "train/cat/.DS_Store": b"", "overview.png": b""}
    files |= {"__MACOSX/train/cat/._0001.png": b"", "train/cat/notes.txt": b""}
    write_zip(data / "cifar10/x.zip", files)
    assert_contract(images.load("cifar10"), 20, (3, 32, 32))


# The cache


def test_decoded_pictures_are_kept(data, monkeypatch):
    write_folders(data / "cifar10", cifar_pictures({"train": 20, "test": 20}))
    first = images.load("cifar10")
    monkeypatch.setattr(class_folders.ClassFolders, "_decode", None)
    assert torch.equal(images.load("cifar10").images, first.images)
    with pytest.raises(TypeError):  # the other part was not decoded yet
        images.load("cifar10", train=False)


def test_the_cache_follows_the_files_and_survives_damage(data):
    folder = data / "cifar10"
    write_folders(folder, cifar_pictures({"train": 20, "test": 20}))
    images.load("cifar10")
    (folder / "train/cat/new.png").write_bytes(picture(np.zeros((32, 32, 3), np.uint8)))
    found = images.load("cifar10")
    assert len(found.labels) == 21
    for kept in (runtime.cache_dir() / "decoded").iterdir():
        content = bytearray(kept.read_bytes())
        content[-5] ^= 0xFF
        kept.write_bytes(content)
    assert torch.equal(images.load("cifar10").images, found.images)
    for kept in (runtime.cache_dir() / "decoded").iterdir():
        kept.write_bytes(kept.read_bytes()[:100])
    assert torch.equal(images.load("cifar10").images, found.images)


def test_the_cache_is_whole_or_absent(data, monkeypatch, capsys):
    write_folders(data / "cifar10", cifar_pictures({"train": 20, "test": 20}))

    def full_disk(tensors, path, metadata):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(class_folders, "save_file", full_disk)
    assert_contract(images.load("cifar10"), 20, (3, 32, 32))
    assert "not kept for next time" in capsys.readouterr().out
    assert not list((runtime.cache_dir() / "decoded").iterdir())


def test_a_cache_folder_that_cannot_be_written_costs_only_time(data, tmp_path, monkeypatch):
    write_folders(data / "cifar10", cifar_pictures({"train": 20, "test": 20}))
    (tmp_path / "a file").touch()
    monkeypatch.setattr(runtime, "cache_dir", lambda: tmp_path / "a file")
    assert_contract(images.load("cifar10"), 20, (3, 32, 32))
