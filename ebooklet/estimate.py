"""What will a transfer take: requests, bytes, time, money?"""

from dataclasses import dataclass, replace
from typing import Literal

from ebooklet.prices import Prices
from ebooklet.sizes import byte_size, duration_text


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a load or a push will take; prints as text.

    Attributes
    ----------
    action : {'load', 'push'}
        What was asked about.
    n_keys : int
        Values (of a dataset: chunks) that it is about.
    n_local : int
        How many of them need no transfer: a load has them, or their absence is known.
    n_requests : int
        Requests that will be sent.
    nbytes : int
        Bytes that will be transferred; of a push those of its packed objects, without the object that names them.
    local_bytes : int
        Bytes of the values that are here.
    seconds : float or None
        How long it takes at the rate of earlier transfers with the same server; None when there were none.
    cost : float or None
        What requests and transfer cost by the price table; None without one.
    monthly_cost : float or None
        What keeping the bytes of a push costs in a month; None without a price table.
    currency : str
        Of the price table.
    unit : str
        What is counted, for the text.

    Examples
    --------
    >>> found = Estimate("load", 300, 60, 12, 1_740_000, 400_000, unit="chunk")
    >>> print(found.priced(Prices(get=0.001, currency="USD")))
    load 240 of 300 chunks: 12 requests, 1.74 MB
      60 chunks (400 kB) need no transfer
      costs about 0.012 USD
    """

    action: Literal["load", "push"]
    n_keys: int
    n_local: int = 0
    n_requests: int = 0
    nbytes: int = 0
    local_bytes: int = 0
    seconds: float | None = None
    cost: float | None = None
    monthly_cost: float | None = None
    currency: str = ""
    unit: str = "value"

    @property
    def n_remote(self) -> int:
        """Values that will be transferred."""
        return self.n_keys - self.n_local

    def priced(self, prices: Prices | None) -> "Estimate":
        """Give the same with the costs by a price table."""
        if prices is None:
            return self
        push = self.action == "push"
        cost = (prices.writing if push else prices.reading)(self.n_requests, self.nbytes)
        monthly = prices.keeping(self.nbytes) if push else None
        return replace(self, cost=cost, monthly_cost=monthly, currency=prices.currency)

    def counted_as(self, unit: str) -> "Estimate":
        """Give the same, counting something else in its text."""
        return replace(self, unit=unit)

    def __bool__(self) -> bool:
        """Whether anything has to be sent or fetched."""
        return bool(self.n_requests or self.nbytes)

    def __str__(self) -> str:
        if not self:
            return f"nothing to {self.action}: all {_count(self.n_keys, self.unit)} here, {byte_size(self.local_bytes)}"
        of = "" if not self.n_local else f"of {self.n_keys:,} "
        what = f"{self.n_remote:,} {of}{self.unit}{'s' * ((self.n_keys if of else self.n_remote) != 1)}"
        requests = f"{self.n_requests:,} request{'s' * (self.n_requests != 1)}"
        lines = [f"{self.action} {what}: {requests}, {byte_size(self.nbytes)}"]
        if self.n_local:
            lines.append(f"  {_count(self.n_local, self.unit)} ({byte_size(self.local_bytes)}) need no transfer")
        if self.seconds is not None:
            lines.append(f"  takes about {duration_text(self.seconds)}")
        if self.cost is not None:
            month = f", and {self._money(self.monthly_cost)} a month to keep" if self.monthly_cost else ""
            lines.append(f"  costs about {self._money(self.cost)}{month}")
        return "\n".join(lines)

    def _money(self, amount: float) -> str:
        return f"{amount:.2g} {self.currency}".rstrip()


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'s' * (number != 1)}"
