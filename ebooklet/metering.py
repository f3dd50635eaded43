"""What has a connection sent so far, and how much may it send?"""

from contextlib import AbstractContextManager

from ebooklet.stores.ledger import Budget, Ledger, RequestStats


class Metered:
    """A connection whose requests are counted; the process it is sent to begins to count anew."""

    @property
    def ledger(self) -> Ledger:
        """Where its stores enter their requests."""
        found: Ledger = self.__dict__.setdefault("_ledger", Ledger())
        return found

    def share(self, other: "Metered") -> None:
        """Be counted together with another connection from now on."""
        self.__dict__["_ledger"] = other.ledger

    @property
    def stats(self) -> RequestStats:
        """The requests sent so far through this connection, of all handles and threads; prints as a table.

        Returns
        -------
        RequestStats
            As of now; the difference of two of them is what happened in between.

        Examples
        --------
        >>> from ebooklet.connection import StoreConnection
        >>> conn = StoreConnection("x.cfdb")
        >>> before = conn.stats
        >>> meta = conn.store().put("x.cfdb", bytes(1000))
        >>> used = conn.stats - before
        >>> used.requests, used.sent
        (1, 1000)
        """
        return self.ledger.stats()

    def budget(self, *, requests: int | None = None, bytes: int | str | None = None) -> AbstractContextManager[Budget]:
        """Hold this connection to so many requests and bytes while the block lasts.

        Parameters
        ----------
        requests : int, optional
            The most requests, repeated ones included.
        bytes : int or str, optional
            The most bytes of bodies, sent and received: a number or '2GB'.

        Raises
        ------
        BudgetExceededError
            From whatever needs the request that would exceed it; the request is not sent.

        Examples
        --------
        >>> from ebooklet.connection import StoreConnection
        >>> conn = StoreConnection("x.cfdb")
        >>> with conn.budget(requests=1):
        ...     meta = conn.store().put("x.cfdb", b"1")
        ...     conn.store().head("x.cfdb")
        Traceback (most recent call last):
        ebooklet.errors.BudgetExceededError: a head request would exceed the budget (1 of 1 requests used) and ...
        """
        return self.ledger.budget(Budget.of(requests, bytes))
