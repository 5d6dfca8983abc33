"""A generated town: house sales for those without the Ames table, and no two machines differ.

The columns are named and scaled as in Ames. What makes such data hard is built in: skewed sizes,
cells that are empty for a reason (no garage, so no year of its building) or by neglect, rare
categories, a few freak values, and effects that depend on each other. The price per square foot
grows with quality, age costs most where nobody renovated and is worth something in the old town,
and a large garden counts only where land is dear. A straight line cannot say this, so models with
hidden layers or trees have something to find.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["make"]

# name: share of the sales, worth (log dollars), centre of the years of building, log of the
# typical garden in square feet
DISTRICTS = {
    "Harbour": (0.05, 0.38, 1996, 8.3),
    "Hilltop": (0.07, 0.30, 1999, 9.5),
    "Lakeside": (0.06, 0.22, 1988, 9.4),
    "Meadow": (0.13, 0.05, 2002, 9.1),
    "Millrace": (0.08, 0.00, 1976, 9.2),
    "Northend": (0.15, -0.04, 1962, 9.1),
    "OldTown": (0.09, -0.02, 1915, 8.9),
    "Orchard": (0.11, 0.02, 1990, 9.2),
    "Railyard": (0.06, -0.26, 1938, 8.7),
    "Southgate": (0.12, -0.10, 1955, 9.1),
    "Terraces": (0.05, -0.14, 1973, 7.6),
    "Works": (0.03, -0.32, 1946, 8.6),
}
GRADES = ("Po", "Fa", "TA", "Gd", "Ex")  # poor to excellent, as appraisers write
NOISE = 0.09  # standard deviation of the log price given all columns: no model gets below


def make(count: int = 1460, seed: int = 0) -> pd.DataFrame:
    """A table of sales, `count` rows and 30 columns, `SalePrice` the last.

    Args:
        count: number of sales, at least 1.
        seed: of everything random, at least 0; the same seed gives the same table.

    Returns:
        numbers as int64 or float64, categories as text, NaN where a cell is empty; prices in
        whole hundreds of dollars.

    Raises:
        ValueError: if `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"count is the number of sales, at least 1, not {count}")
    town = _Town(np.random.default_rng(seed), count)
    table = pd.DataFrame(town.place() | town.house() | town.extras() | town.sale())
    table = table.where(table.notna())  # older pandas keep None, which counts as a category
    prices = np.exp(town.log_price())
    return _with_neglected_cells(table, town.random).assign(
        SalePrice=(prices / 100).round().astype(np.int64) * 100
    )


@dataclass
class _Town:
    """The sales as arrays of length `count`; each method draws some columns of the table."""

    random: np.random.Generator
    count: int

    def __post_init__(self) -> None:
        shares, worth, years, gardens = np.array(list(DISTRICTS.values())).T
        self.district = self.random.choice(len(DISTRICTS), self.count, p=shares / shares.sum())
        self.worth, self.land = worth[self.district], gardens[self.district]
        self.sold = self.random.integers(2006, 2011, self.count)
        built = self._normal(years[self.district], 11)
        self.built = np.minimum(built.round().astype(np.int64), self.sold)

    def _normal(self, mean: float | np.ndarray, std: float) -> np.ndarray:
        return self.random.normal(mean, std, self.count)

    def _chance(self, share: float | np.ndarray) -> np.ndarray:
        return self.random.random(self.count) < share

    def place(self) -> dict[str, np.ndarray]:
        """Where the house stands: district, garden, street."""
        self.lot = np.exp(self._normal(self.land, 0.32))
        self.lot *= np.where(self._chance(0.01), 6, 1)  # a few farms
        front = np.sqrt(self.lot) * self.random.uniform(0.55, 0.85, self.count)
        self.alley = self._chance(np.where(self.built < 1945, 0.35, 0.02))
        self.noisy = self._chance(0.08)
        corner = self._chance(0.18)
        return {
            "Neighborhood": np.array(list(DISTRICTS))[self.district],
            "MSZoning": np.where(self.land < 8.5, "RM", "RL"),
            "LotArea": self.lot.round().astype(np.int64),
            "LotFrontage": front.round(),
            "LotConfig": np.where(corner, "Corner", "Inside"),
            "Alley": np.where(self.alley, "Grvl", None),
            "Condition1": np.where(self.noisy, "Artery", "Norm"),
        }

    def house(self) -> dict[str, np.ndarray]:
        """The house itself: style, size, quality, age."""
        quality = 5.9 + 2.2 * self.worth + (self.built - 1975) / 28 + self._normal(0, 1.1)
        self.quality = quality.round().clip(1, 10).astype(np.int64)
        self.condition = self._normal(5.6, 1.1).round().clip(1, 9).astype(np.int64)
        renewed = self._chance(np.where(self.built < 1970, 0.5, 0.2))
        later = self.random.integers(self.built, self.sold + 1)
        self.renewed = np.where(renewed, later, self.built)
        self.area = np.exp(self._normal(7.0 + 0.07 * (self.quality - 5), 0.25))
        self.storeys = np.where(self._chance(0.15 + 0.5 * (self.area > 1500)), 2, 1)
        self.kitchen = self._grade(0.62 * (self.quality - 5.5) + (self.renewed - 1985) / 25)
        rooms = (self.area / 480 + self._normal(0, 0.6)).round().clip(1, 6)
        baths = (self.area / 900 + self._normal(0, 0.4)).round().clip(1, 4)
        return {
            "HouseStyle": np.where(self.storeys == 2, "2Story", "1Story"),
            "OverallQual": self.quality,
            "OverallCond": self.condition,
            "YearBuilt": self.built,
            "YearRemodAdd": self.renewed,
            "GrLivArea": self.area.round().astype(np.int64),
            "BedroomAbvGr": rooms.astype(np.int64),
            "FullBath": baths.astype(np.int64),
            "KitchenQual": np.array(GRADES)[self.kitchen],
        }

    def _grade(self, score: np.ndarray) -> np.ndarray:
        """Numbers 0 to 4 for the grades; TA, typical, is the most frequent."""
        return (2 + 0.6 * score + self._normal(0, 0.5)).round().clip(0, 4).astype(np.int64)

    def extras(self) -> dict[str, np.ndarray]:
        """Cellar, garage, fireplace, pool: many houses have none, and then more cells are empty."""
        cellar = self._chance(0.96)
        self.cellar = np.where(cellar, self.area / self.storeys * self._normal(0.95, 0.1), 0)
        dry = self._grade((self.built - 1970) / 20)
        garage = self._chance(np.where(self.built < 1930, 0.75, 0.97))
        cars = (1 + 0.25 * (self.quality - 4) + self._normal(0, 0.5)).round().clip(1, 4)
        self.cars = np.where(garage, cars, 0).astype(np.int64)
        self.fires = self.random.poisson(0.15 + 0.12 * (self.quality - 3).clip(0))
        self.deck = np.where(self._chance(0.5), self.random.gamma(2, 90, self.count), 0)
        self.pool = self._chance(0.006)
        fenced = self._chance(0.2)
        built_with_house = np.where(self._chance(0.8), self.built, self.renewed)
        return {
            "TotalBsmtSF": self.cellar.round().astype(np.int64),
            "BsmtQual": np.where(cellar, np.array(GRADES)[dry], None),
            "GarageType": np.where(garage, np.where(self.built < 1950, "Detchd", "Attchd"), None),
            "GarageCars": self.cars,
            "GarageYrBlt": np.where(garage, built_with_house, np.nan),
            "Fireplaces": self.fires,
            "WoodDeckSF": self.deck.round().astype(np.int64),
            "PoolQC": np.where(self.pool, "Gd", None),
            "Fence": np.where(fenced, "MnPrv", None),
        }

    def sale(self) -> dict[str, np.ndarray]:
        """How it was sold."""
        self.forced = self._chance(0.07)
        self.shed = self._chance(0.03)
        worth = np.exp(self._normal(6.5, 0.8))  # a shed costs little, and one in a while a fortune
        return {
            "CentralAir": np.where(self._chance(np.where(self.built < 1950, 0.7, 0.98)), "Y", "N"),
            "MiscVal": np.where(self.shed, worth, 0).round().astype(np.int64),
            "YrSold": self.sold,
            "SaleCondition": np.where(self.forced, "Abnorml", "Normal"),
        }

    def log_price(self) -> np.ndarray:
        """Natural logarithm of the price in dollars, noise included."""
        age = (self.sold - self.renewed).clip(0) / 50
        old_town = self.district == list(DISTRICTS).index("OldTown")
        good = (self.quality - 5.5) / 2
        neglect = (5.5 - self.condition).clip(0)
        size = np.log(self.area / 1200)
        price = 11.85 + 0.8 * self.worth + 0.10 * good + (0.40 + 0.2 * good) * size
        price += 0.06 * good * (self.kitchen - 2) + 0.02 * (self.kitchen - 2)
        price += np.where(old_town & (self.built < 1920), 0.22, -0.16 * age - 0.10 * age * neglect)
        price += (0.05 + 0.35 * self.worth.clip(0)) * (np.log(self.lot) - 9)
        price += 0.10 * np.log1p(self.cellar / 400) * (1 + 0.5 * good)
        price += 0.06 * np.minimum(self.cars, 2) + 0.03 * np.minimum(self.fires, 2)
        price += 0.00015 * self.deck.clip(0, 400) + 0.10 * self.pool
        price -= 0.05 * self.noisy + np.where(self.forced, 0.13, 0)
        spread = np.where(self.forced, 2.2, 1.0)  # nobody knows what a forced sale brings
        return price + NOISE * spread * self._normal(0, 1)


def _with_neglected_cells(table: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Empty some cells nobody filled in: the front more often on corners, some kitchens."""
    share = np.where(table["LotConfig"] == "Corner", 0.35, 0.14)
    front = table["LotFrontage"].mask(random.random(len(table)) < share)
    kitchen = table["KitchenQual"].mask(random.random(len(table)) < 0.01)
    return table.assign(LotFrontage=front, KitchenQual=kitchen)
