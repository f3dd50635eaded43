"""When is a request sent again?"""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ebooklet.errors import StoreError

T = TypeVar("T")

logger = logging.getLogger("ebooklet.stores")


class TransientError(Exception):
    """A failure that may pass.

    Attributes
    ----------
    error : StoreError
        What to raise when it does not.
    unsent : bool
        Whether nothing of the request can have reached the server.
    operation : str
        Kind of the request.
    wait : float
        Seconds after which the server wants to be asked again, if it said so.
    """

    def __init__(self, error: StoreError, *, unsent: bool = False, operation: str = "", wait: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.unsent = unsent
        self.operation = operation
        self.wait = wait


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long.

    Attributes
    ----------
    retries : int
        Attempts after the first one.
    deadline : float
        Seconds after which no further attempt begins.
    shortest, longest : float
        Seconds between attempts: doubled each time, up to `longest`, half of it random.
    """

    retries: int = 3
    deadline: float = 300.0
    shortest: float = 0.1
    longest: float = 5.0

    def pause(self, attempt: int) -> float:
        """Seconds to wait after the failed attempt number `attempt` (from 0)."""
        full = min(self.longest, self.shortest * 2.0**attempt)
        return full * random.uniform(0.5, 1.0)


class RetryBudget:
    """Bounds how much all requests of a store together may be repeated.

    A retry costs five tokens and a success gives one back, so that a server in trouble soon sees each request once.

    Examples
    --------
    >>> budget = RetryBudget(tokens=5)
    >>> budget.take(), budget.take()
    (True, False)
    """

    COST = 5

    def __init__(self, tokens: int = 500) -> None:
        self._full = self._tokens = tokens
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether one more retry is allowed."""
        with self._lock:
            if self._tokens < self.COST:
                return False
            self._tokens -= self.COST
            return True

    def give_back(self) -> None:
        """Count a success."""
        with self._lock:
            self._tokens = min(self._full, self._tokens + 1)


def persist(
    action: Callable[[], T],
    policy: RetryPolicy,
    budget: RetryBudget,
    repeated: Callable[[str], None] = lambda _: None,
) -> T:
    """Carry out `action` again while it raises `TransientError`, within policy and budget.

    Parameters
    ----------
    action : callable
        Sends a request.
    policy, budget
        How often, for this action and for all of a store.
    repeated : callable
        Told the kind of a request before it is sent again.

    Raises
    ------
    StoreError
        The error carried by the last `TransientError`.
    """
    begun = time.monotonic()
    attempt = 0
    while True:
        try:
            result = action()
        except TransientError as failure:
            pause = max(policy.pause(attempt), failure.wait)
            late = time.monotonic() + pause - begun > policy.deadline
            if attempt >= policy.retries or late or not budget.take():
                failure.error.args = (f"{failure.error} ({attempt + 1} attempts)",)
                raise failure.error from failure.__cause__
            logger.debug("attempt %d failed: %s; the next one follows in %.2f s", attempt + 1, failure, pause)
            attempt += 1
            time.sleep(pause)
            repeated(failure.operation)
        else:
            budget.give_back()
            return result
