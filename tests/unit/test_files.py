"""A file appears whole or not at all."""

from __future__ import annotations

import pytest
import torch

from torchcourse.files import written_whole


@pytest.mark.parametrize("name", ["run", "run.pt", "a.b.csv", ".hidden"])
def test_a_file_takes_its_place_once_it_is_complete(tmp_path, name):
    path = tmp_path / "new folder" / name
    with written_whole(path) as temporary:
        torch.save({"x": torch.ones(2)}, temporary)  # particular about names
        assert not path.exists()
    assert torch.equal(torch.load(path)["x"], torch.ones(2))
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path):
    path = tmp_path / "run.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError, match="stop"), written_whole(path) as temporary:
        temporary.write_text("new", encoding="utf-8")
        raise RuntimeError("stop")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]
