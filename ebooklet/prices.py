"""What do requests, transferred bytes and stored bytes cost?

There is no built-in price: what a provider charges depends on contract, region and year. The user writes the table.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Prices:
    """A price table; what is not given costs nothing.

    Attributes
    ----------
    get, put : float
        Price of one reading request, and of one writing request.
    egress_gb, ingress_gb : float
        Price of a gigabyte (10**9 bytes) that leaves the server, and of one that is sent there.
    storage_gb_month : float
        Price of keeping a gigabyte for a month.
    currency : str
        Written behind amounts.

    Examples
    --------
    >>> prices = Prices.of({"get": 0.0004 / 1000, "egress_gb": 0.09, "currency": "USD"})
    >>> round(prices.reading(1000, 2 * 10**9), 6)
    0.1804
    """

    get: float = 0.0
    put: float = 0.0
    egress_gb: float = 0.0
    ingress_gb: float = 0.0
    storage_gb_month: float = 0.0
    currency: str = ""

    def __post_init__(self) -> None:
        for name in _NUMBERS:
            price = getattr(self, name)
            if isinstance(price, bool) or not isinstance(price, int | float) or not isfinite(price) or price < 0:
                raise ValueError(f"prices: {name}={price!r} is no price; give a number that is not negative")
        if not isinstance(self.currency, str):
            raise ValueError(f"prices: currency={self.currency!r} is no text")

    @classmethod
    def of(cls, given: "Prices | Mapping[str, Any] | str | os.PathLike[str] | None") -> "Prices | None":
        """Read a price table: a mapping, the path of a TOML file (or its table ``[prices]``), or None for none.

        Raises
        ------
        ValueError
            If there is no such price, or one is no number.
        """
        if given is None or isinstance(given, cls):
            return given
        if isinstance(given, str | os.PathLike):
            import tomllib

            table = tomllib.loads(Path(given).expanduser().read_text(encoding="utf-8"))
            given = table.get("prices", table)
        if not isinstance(given, Mapping):
            raise ValueError(f"prices={given!r}: give a dict such as {{'get': 0.0004 / 1000, 'egress_gb': 0.09}}")
        unknown = sorted(set(given).difference(cls.__slots__))
        if unknown:
            raise ValueError(f"prices: there is no {unknown[0]!r}; a table has {', '.join(cls.__slots__)}")
        return cls(**given)

    def reading(self, requests: int, nbytes: int) -> float:
        """Price of so many requests that bring so many bytes."""
        return requests * self.get + nbytes / 1e9 * self.egress_gb

    def writing(self, requests: int, nbytes: int) -> float:
        """Price of so many requests that send so many bytes."""
        return requests * self.put + nbytes / 1e9 * self.ingress_gb

    def keeping(self, nbytes: int) -> float:
        """Price of keeping so many bytes for a month."""
        return nbytes / 1e9 * self.storage_gb_month


_NUMBERS = [field.name for field in fields(Prices) if field.name != "currency"]
