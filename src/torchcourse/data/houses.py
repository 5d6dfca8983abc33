"""House sales: Ames (Iowa) if the table is there or wanted, else a generated town.

Both keep one contract: a row is a sale, `SalePrice` (dollars) is what is to be predicted, the
columns of the generated town are among those of Ames and mean the same, and an empty cell is NaN.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from torchcourse.data import made_houses
from torchcourse.data.download import CorruptFileError
from torchcourse.data.fileset import FileSet, RemoteFile

__all__ = ["AMES", "TARGET", "Houses", "load"]

TARGET = "SalePrice"
# The 1,460 sales with prices of Kaggle's "House Prices" competition (its train.csv), as d2l.ai
# offers them. The SHA-256 was taken of a copy with the SHA-1 that d2l.ai lists, 585e9cc9…219ce.
AMES = FileSet(
    title="Ames house prices",
    folder="house_prices",
    mirrors=(
        "http://d2l-data.s3-accelerate.amazonaws.com/",
        "https://d2l-data.s3.amazonaws.com/",
    ),
    files=(
        RemoteFile(
            "kaggle_house_pred_train.csv",
            "1e18addf81e5e4d347cc17ee6075bbe4a42b7fa26b9e5b063e8f692a5f929d41",
            460_676,
        ),
    ),
)


class Houses(NamedTuple):
    """A table of sales.

    Attributes:
        table: one row a sale. Numbers are int64 or float64, categories are text, an empty cell
            is NaN. `SalePrice` is in dollars, above 0 and never empty.
        source: what the sales are, for a caption or a record.
    """

    table: pd.DataFrame
    source: str


def load(download: bool | None = None) -> Houses:
    """Sales of houses with their prices; prints which ones they are.

    The Ames table is used if ``house_prices/kaggle_house_pred_train.csv`` is in
    `runtime.data_dir()` or can be downloaded: 1,460 sales, 79 features. Otherwise comes a
    generated town of as many sales and 29 of these features, the same on every machine.

    Args:
        download: whether the missing table (0.5 MB) may be downloaded; None means only with
            ``TORCHCOURSE_PRESET=full``. If that fails, the generated town is used.

    Raises:
        torchcourse.data.CorruptFileError: the file is damaged or another one. It is named, and
            neither used nor deleted.

    Source: De Cock, "Ames, Iowa: Alternative to the Boston Housing Data", Journal of Statistics
    Education 19 (3), 2011.
    """
    found = AMES.find(download)
    if found.paths:
        table = _read(*found.paths.values())
        print(f"Houses: {len(table):,} sales in Ames, {table.shape[1] - 1} features.")
        return Houses(table, AMES.title)
    table = made_houses.make()
    print(f"Houses: {len(table):,} sales in a generated town. {found.why_not}.")
    return Houses(table, "generated town")


def _read(path: Path) -> pd.DataFrame:
    # In this table "None" is a kind of veneer, and only "NA" means empty; pandas would take both.
    table = pd.read_csv(path, keep_default_na=False, na_values=["NA", ""]).drop(columns="Id")
    if table[TARGET].isna().any() or table[TARGET].min() <= 0:
        raise CorruptFileError(f"{path} holds a sale without a price; get the file again")
    # A code of the building's kind (20, 60, …), no quantity.
    return table.assign(MSSubClass="class " + table["MSSubClass"].astype(str))
