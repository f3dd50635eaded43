"""What has been learned about the way a server speaks S3?

Servers differ in two things that matter to a commit: whether a conditional PUT is honoured at all, and whether the ETag
of `If-Match` stands in quotes (RFC 9110, AWS) or without (Ceph RGW). Both are learned in passing, kept per endpoint
and bucket for the whole process, and can be written down with `to_dict` for the next one.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(slots=True)
class Dialect:
    """Facts about one bucket on one server; None = not learned yet.

    Attributes
    ----------
    conditional_put : bool or None
        Whether `If-Match` and `If-None-Match` on a PUT are honoured.
    quoted_if_match : bool or None
        Whether the ETag of `If-Match` stands in quotes.

    Examples
    --------
    >>> learned = Dialect()
    >>> learned.update({"conditional_put": True, "quoted_if_match": False})
    >>> learned.to_dict()
    {'conditional_put': True, 'quoted_if_match': False}
    """

    conditional_put: bool | None = None
    quoted_if_match: bool | None = None

    def to_dict(self) -> dict[str, bool]:
        """What is known, as plain values."""
        facts = {"conditional_put": self.conditional_put, "quoted_if_match": self.quoted_if_match}
        return {name: value for name, value in facts.items() if value is not None}

    def update(self, facts: Mapping[str, object]) -> None:
        """Take over facts remembered from an earlier process; what was learned in this one stays."""
        conditional, quoted = facts.get("conditional_put"), facts.get("quoted_if_match")
        if self.conditional_put is None and isinstance(conditional, bool):
            self.conditional_put = conditional
        if self.quoted_if_match is None and isinstance(quoted, bool):
            self.quoted_if_match = quoted


_known: dict[tuple[str, str], Dialect] = {}
_lock = threading.Lock()


def dialect_of(endpoint: str, bucket: str) -> Dialect:
    """The dialect of a bucket, the same object for every caller of this process."""
    with _lock:
        return _known.setdefault((endpoint, bucket), Dialect())
