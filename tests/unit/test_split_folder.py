"""The splitter, on a folder of really broken files."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from torchcourse.data.split_folder import SplitError, read_list, split_folder


def picture(seed: int, size: int = 64) -> Image.Image:
    """A smooth coloured pattern, unlike that of any other seed."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC)


def saved(image: Image.Image, kind: str = "JPEG", **options) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


@pytest.fixture
def source(tmp_path):
    """20 good pictures in each of two classes."""
    for number, label in enumerate(("cats", "dogs")):
        folder = tmp_path / "source" / label
        folder.mkdir(parents=True)
        for i in range(20):
            (folder / f"{i:02}.jpg").write_bytes(saved(picture(100 * number + i)))
    return tmp_path / "source"


def everything(folder):
    return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def paths(split):
    return [one.path for rows in split.parts.values() for one in rows]


def reason(split, path):
    return {one.path: one.reason for one in split.excluded}[path]


def test_every_picture_is_in_one_part_and_classes_are_shared_alike(source):
    split = split_folder(source)
    assert sorted(paths(split)) == sorted(
        p.relative_to(source).as_posix() for p in everything(source)
    )
    for name, size in (("train", 14), ("validation", 3), ("test", 3)):
        labels = [one.label for one in split.parts[name]]
        assert labels.count("cats") == labels.count("dogs") == size
    assert split.excluded == split.noted == [] and split.classes == ["cats", "dogs"]


def test_twice_changes_nothing_and_the_source_is_only_read(source, tmp_path):
    before = everything(source)
    one = split_folder(source, tmp_path / "lists", seed=3)
    written = everything(tmp_path / "lists")
    two = split_folder(source, tmp_path / "lists", seed=3)
    assert one == two and everything(tmp_path / "lists") == written
    assert everything(source) == before
    assert sorted(p.name for p in written) == [
        "report.json",
        "test.csv",
        "train.csv",
        "validation.csv",
    ]
    assert read_list(tmp_path / "lists" / "test.csv") == one.parts["test"]


def test_names_dates_and_order_do_not_matter(source):
    before = split_folder(source)
    digest = {p.relative_to(source).as_posix(): p.read_bytes() for p in everything(source)}
    wanted = {name: {digest[one.path] for one in rows} for name, rows in before.parts.items()}
    for i, path in enumerate(sorted(everything(source))):
        path.rename(path.with_name(f"z{(i * 7) % 40:02}{'.jpeg' if i % 2 else '.JPG'}"))
    after = split_folder(source)
    found = {
        name: {(source / one.path).read_bytes() for one in rows}
        for name, rows in after.parts.items()
    }
    assert found == wanted


def test_seeds_differ(source):
    assert split_folder(source, seed=0).parts["test"] != split_folder(source, seed=1).parts["test"]


def test_broken_files_are_left_out_with_the_reason(source):
    cats = source / "cats"
    whole = saved(picture(500))
    (cats / "empty.jpg").write_bytes(b"")
    (cats / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (cats / "cut.png").write_bytes(saved(picture(501), "PNG")[:-60])
    (cats / "text.jpg").write_text("<html>404 not found</html>")
    frames = [picture(seed) for seed in (510, 511, 512)]
    (cats / "moving.gif").write_bytes(
        saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    )
    (cats / "notes.txt").write_text("these are my cats")
    (cats / ".hidden").write_bytes(b"of the system, not a picture")
    split = split_folder(source)
    assert reason(split, "cats/empty.jpg") == "empty file"
    assert reason(split, "cats/truncated.jpg").startswith("damaged")
    assert reason(split, "cats/cut.png").startswith("damaged")
    assert reason(split, "cats/text.jpg") == reason(split, "cats/notes.txt") == "not a picture"
    assert reason(split, "cats/moving.gif") == "animated: 3 frames"
    assert len(split.excluded) == 6 and len(paths(split)) == 40


def test_odd_but_usable_files_are_noted(source):
    dogs = source / "dogs"
    (dogs / "png.jpg").write_bytes(saved(picture(520), "PNG"))
    (dogs / "print.jpg").write_bytes(saved(picture(521).convert("CMYK")))
    exif = Image.Exif()
    exif[0x0112] = 6
    (dogs / "rotated.jpg").write_bytes(saved(picture(522), exif=exif))
    with_preview = saved(picture(523), "MPO", save_all=True, append_images=[picture(524, 16)])
    (dogs / "telephone.jpg").write_bytes(with_preview)
    split = split_folder(source)
    notes = {one.path: one.reason for one in split.noted}
    assert notes["dogs/png.jpg"].startswith("wrong extension: .jpg, the file is PNG")
    assert notes["dogs/print.jpg"].startswith("not RGB: CMYK")
    assert notes["dogs/rotated.jpg"].startswith("rotated by EXIF")
    assert len(notes) == 3 and set(notes) < set(paths(split)) and not split.excluded


@pytest.mark.parametrize(
    "change",
    [
        lambda image: saved(image),  # the same file again
        lambda image: saved(image, quality=40),
        lambda image: saved(image.resize((48, 48)), "PNG"),
        lambda image: saved(image.point(lambda value: min(255, value + 12))),
    ],
    ids=["copy", "worse quality", "smaller", "brighter"],
)
def test_a_picture_does_not_come_twice(source, change):
    (source / "cats" / "again.jpg").write_bytes(change(picture(5)))
    split = split_folder(source)
    found = {"cats/again.jpg", "cats/05.jpg"}
    assert len(found & set(paths(split))) == 1 and len(split.excluded) == 1
    assert split.excluded[0].reason.endswith((found & set(paths(split))).pop())


def test_files_alone_can_be_compared(source):
    (source / "cats" / "again.jpg").write_bytes(saved(picture(5), quality=40))
    (source / "cats" / "copy.jpg").write_bytes(saved(picture(5)))
    split = split_folder(source, near=None)
    assert [one.reason.split(":")[0] for one in split.excluded] == ["copy of"]


def test_a_picture_in_two_classes_is_in_none(source):
    (source / "dogs" / "cat.jpg").write_bytes(saved(picture(5)))
    split = split_folder(source)
    assert not {"dogs/cat.jpg", "cats/05.jpg"} & set(paths(split))
    assert reason(split, "cats/05.jpg") == "in several classes: cats, dogs"


def test_another_split_is_not_overwritten(source, tmp_path):
    split_folder(source, tmp_path / "lists")
    before = everything(tmp_path / "lists")
    with pytest.raises(SplitError, match="holds another split"):
        split_folder(source, tmp_path / "lists", seed=1)
    assert everything(tmp_path / "lists") == before


def test_a_full_disk_leaves_no_half_list(source, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        split_folder(source, tmp_path / "lists")
    assert list((tmp_path / "lists").iterdir()) == []


def test_report_says_what_was_left_out(source, tmp_path):
    (source / "cats" / 'a, "b".jpg').write_bytes(saved(picture(700)))
    (source / "cats" / "空.jpg").write_bytes(b"")
    split = split_folder(source, tmp_path / "lists")
    report = json.loads((tmp_path / "lists" / "report.json").read_text(encoding="utf-8"))
    assert report["excluded"] == [{"path": "cats/空.jpg", "reason": "empty file"}]
    assert report["seed"] == 0 and report["sizes"]["train"] == len(split.parts["train"])
    rows = [row for name in split.parts for row in read_list(tmp_path / "lists" / f"{name}.csv")]
    assert 'cats/a, "b".jpg' in [row.path for row in rows]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fractions": (0.5, 0.5)}, "three shares"),
        ({"fractions": (0.8, 0.3, -0.1)}, "add up to 1"),
        ({"fractions": (0.98, 0.01, 0.01)}, "Class 'cats' has 20 usable pictures"),
        ({"seed": -1}, "seed"),
        ({"near": 40}, "near 0 to 31"),
    ],
)
def test_bad_options_are_told(source, options, says):
    with pytest.raises(SplitError, match=says):
        split_folder(source, **options)


def test_bad_folders_are_told(source, tmp_path):
    with pytest.raises(SplitError, match="not a folder"):
        split_folder(tmp_path / "nowhere")
    with pytest.raises(SplitError, match="holds 0 sub-folders"):
        split_folder(source / "cats")
    with pytest.raises(SplitError, match="lies inside the source"):
        split_folder(source, source / "lists")
    shutil.rmtree(source / "dogs")
    (source / "dogs").mkdir()
    with pytest.raises(SplitError, match="Class 'dogs' has 0 usable"):
        split_folder(source)


@pytest.mark.parametrize("content", ["", "path;label\n", "path,label\na,b,c\n"])
def test_a_list_that_is_none_is_told(tmp_path, content):
    (tmp_path / "train.csv").write_text(content)
    with pytest.raises(SplitError, match="not a list"):
        read_list(tmp_path / "train.csv")
    with pytest.raises(SplitError, match="Cannot read"):
        read_list(tmp_path / "validation.csv")


def test_the_command(source, tmp_path):
    command = [sys.executable, "-m", "torchcourse.data.split_folder"]
    done = subprocess.run([*command, source, tmp_path / "lists"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("train 28, validation 6, test 6")
    with open(tmp_path / "lists" / "train.csv", newline="") as file:
        assert len(list(csv.reader(file))) == 29
    done = subprocess.run([*command, tmp_path / "x", tmp_path], capture_output=True, text=True)
    assert done.returncode == 2 and "not a folder" in done.stderr and "Traceback" not in done.stderr
