"""How often is a remote asked whether a local copy of it is up to date?"""

import struct
import time
from dataclasses import dataclass

from ebooklet.local.working_copy import WorkingCopy
from ebooklet.sizes import parse_duration

CHECKED_STATE = "checked"
_TIME = struct.Struct("<Q")  # microseconds since the epoch


@dataclass(frozen=True, slots=True)
class Validation:
    """When a reader asks.

    Attributes
    ----------
    always : bool
        Whether to fetch the version anew even if the server says that it has not changed.
    seconds : float
        How long an answer is taken as true; infinity: for ever.

    Examples
    --------
    >>> Validation.of("24h").seconds, Validation.of("etag").seconds, Validation.of("never").seconds
    (86400.0, 0.0, inf)
    """

    always: bool = False
    seconds: float = 0.0

    @classmethod
    def of(cls, validate: "Validation | str | float") -> "Validation":
        """Read ``validate=``.

        Raises
        ------
        ValueError
            If it is none of ``'etag'``, ``'always'``, ``'never'`` and durations.
        """
        if isinstance(validate, cls):
            return validate
        known = {"etag": cls(), "always": cls(always=True), "never": cls(seconds=float("inf"))}
        if isinstance(validate, str) and validate in known:
            return known[validate]
        try:
            return cls(seconds=parse_duration(validate))  # type: ignore[arg-type]
        except ValueError:
            raise ValueError(
                f"validate={validate!r}: choose 'etag' (ask at every opening), 'always' (and fetch what it says anew), "
                "'never' (ask once), or a duration such as '24h'"
            ) from None

    def trusts(self, local: WorkingCopy) -> bool:
        """Whether what a local file knows of its remote need not be asked about."""
        if self.seconds == float("inf"):
            return True
        data = local.state(CHECKED_STATE) if self.seconds else None
        if data is None or len(data) != _TIME.size:
            return False
        (checked,) = _TIME.unpack(data)
        age: float = time.time() - checked / 1e6
        return 0 <= age <= self.seconds

    @property
    def remembers(self) -> bool:
        """Whether the moment of an answer has to be kept in the local file."""
        return 0 < self.seconds < float("inf")

    def remember(self, local: WorkingCopy) -> None:
        """Keep the moment of an answer in a file, with its next commit."""
        if self.remembers:
            local.set_state(CHECKED_STATE, _TIME.pack(time.time_ns() // 1000))


ASKING = Validation()
