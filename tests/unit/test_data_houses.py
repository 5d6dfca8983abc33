"""House sales: one contract for the real table and the generated town, and clear errors."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from torchcourse.data import CorruptFileError, houses, made_houses
from torchcourse.data.fileset import RemoteFile

REAL = Path(os.environ.get("TORCHCOURSE_DATA", "/nowhere"))
SMALL = """Id,MSSubClass,LotFrontage,MasVnrType,Neighborhood,SalePrice
1,60,65,BrkFace,Works,200000
2,20,NA,None,Works,150000
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHCOURSE_DATA", str(tmp_path))
    monkeypatch.delenv("TORCHCOURSE_PRESET", raising=False)
    (tmp_path / houses.AMES.folder).mkdir()
    return tmp_path / houses.AMES.folder


@pytest.fixture
def small(folder, monkeypatch):
    """A table of two sales takes the place of the official one."""
    [official] = houses.AMES.files
    content = SMALL.encode()
    file = RemoteFile(official.name, hashlib.sha256(content).hexdigest(), len(content))
    monkeypatch.setattr(houses, "AMES", dataclasses.replace(houses.AMES, files=(file,)))
    (folder / file.name).write_bytes(content)
    return folder / file.name


def assert_contract(table: pd.DataFrame) -> None:
    price = table[houses.TARGET]
    assert len(table) == 1460
    assert price.dtype == np.int64
    assert price.min() > 0
    assert "Id" not in table
    numbers = table.select_dtypes("number")
    assert set(map(str, numbers.dtypes)) <= {"int64", "float64"}
    for name in table.columns.difference(numbers.columns):
        assert table[name].dropna().map(type).eq(str).all(), name
    assert table.isna().any().sum() >= 5
    assert 0.35 < np.log(price).std() < 0.5


def test_the_generated_town_keeps_the_contract(folder, capsys):
    table, source = houses.load()
    assert_contract(table)
    assert source == "generated town"
    assert "download" in capsys.readouterr().out


@pytest.mark.skipif(not (REAL / "house_prices").is_dir(), reason="no houses in $TORCHCOURSE_DATA")
def test_the_real_table_keeps_the_contract():
    table, source = houses.load()
    assert_contract(table)
    assert source == houses.AMES.title
    assert set(made_houses.make(2).columns) <= set(table.columns)


def test_the_table_on_the_disk_is_read_as_it_is_meant(small, capsys):
    table, source = houses.load()
    assert source == houses.AMES.title
    assert table["MasVnrType"].tolist() == ["BrkFace", "None"]  # a kind of veneer, not empty
    assert table["LotFrontage"].isna().tolist() == [False, True]
    assert table["MSSubClass"].tolist() == ["class 60", "class 20"]  # a code, not a quantity
    assert "2 sales in Ames, 4 features" in capsys.readouterr().out


def test_a_damaged_table_is_named_and_left_alone(small):
    small.write_text(SMALL.replace("200000", "2"))
    with pytest.raises(CorruptFileError, match=small.name):
        houses.load()
    assert small.exists()


def test_a_table_without_a_price_is_refused(small):
    with pytest.raises(CorruptFileError, match="without a price"):
        small.write_text(SMALL.replace("150000", "NA"))
        houses._read(small)


def test_the_town_is_the_same_everywhere_and_another_for_another_seed():
    first, second, other = made_houses.make(50), made_houses.make(50), made_houses.make(50, seed=1)
    pd.testing.assert_frame_equal(first, second)
    assert not first["SalePrice"].equals(other["SalePrice"])
    assert len(made_houses.make(1)) == 1
    with pytest.raises(ValueError, match="at least 1"):
        made_houses.make(0)


def test_empty_cells_of_the_town_have_their_reasons():
    town = made_houses.make(1000, seed=3)
    no_garage = town["GarageType"].isna()
    assert (town.loc[no_garage, "GarageCars"] == 0).all()
    assert town.loc[no_garage, "GarageYrBlt"].isna().all()
    assert (town["TotalBsmtSF"] == 0).equals(town["BsmtQual"].isna())
    assert town["LotFrontage"].isna().mean() > 0.1
    assert (town["YearBuilt"] <= town["YearRemodAdd"]).all()
    assert (town["YearRemodAdd"] <= town["YrSold"]).all()


def test_the_town_holds_more_than_a_straight_line_can_say():
    town = made_houses.make(3000)
    y = np.log(town.pop("SalePrice"))
    x = pd.get_dummies(town).astype(float).fillna(0)
    line, trees = LinearRegression(), HistGradientBoostingRegressor(random_state=0)
    errors = [
        np.std(model.fit(x[:2000], y[:2000]).predict(x[2000:]) - y[2000:])
        for model in (line, trees)
    ]
    assert made_houses.NOISE < errors[1] < 0.92 * errors[0] < 0.4 * y.std()
