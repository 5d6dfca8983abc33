"""Data sets of the course: one module each, with a `load` function.

    from torchcourse.data import digits, images, photos

    images, labels, source = digits.load(train=True)  # (N, 1, 28, 28) uint8, (N,) int64
    photo = photos.load("china")                      # (3, 427, 640) uint8
    cifar = images.load("cifar10")                    # (50000, 3, 32, 32) uint8, labels, classes

`load` looks, in this order,

1. in `torchcourse.runtime.data_dir()`: ``$TORCHCOURSE_DATA``, or the user's cache folder;
2. at the official address and its mirrors, only with ``TORCHCOURSE_PRESET=full`` or
   ``load(download=True)``;
3. at what is bundled, that is shipped by a library the course needs anyway;

and prints one line that says which it was. Whatever it returns has the same shapes, types and
ranges. Files are compared with their SHA-256 after the download and whenever they are used: a
damaged one raises `CorruptFileError`, which names it and says what to do. No network, a full disk
or a broken mirror lead to step 3, with the reason in that line. Where nothing is bundled (`images`:
Fashion-MNIST, CIFAR-10), step 3 is a `DownloadError` that says what to do.

A new data set is a short module: describe its files in a `fileset.FileSet`, ask `find()` for their
paths, read them, and provide the fallback; `digits` shows the pattern.
"""

from torchcourse.data.download import CorruptFileError, DownloadError

__all__ = ["CorruptFileError", "DownloadError"]
