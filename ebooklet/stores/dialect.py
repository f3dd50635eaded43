"""What has been learned about the way a server speaks S3?

Servers differ in two things that matter to a commit: whether a conditional PUT is honoured at all, and whether the ETag
of `If-Match` stands in quotes (RFC 9110, AWS) or without (Ceph RGW). Both are learned in passing and kept per endpoint
and bucket for the whole process. What would spare the next process requests can be written down with `memory`;
`recall` takes it up again once the server has answered under the name it had then.
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

RGW = "rgw"
_REQUEST_OF_RGW = re.compile(r"tx[0-9a-f]{16,40}-[0-9a-f]{6,16}-[0-9a-f]+-.+")
_LONGEST_NAME = 64


@dataclass(slots=True)
class Dialect:
    """Facts about one bucket on one server; None = not learned yet.

    Attributes
    ----------
    conditional_put : bool or None
        Whether `If-Match` and `If-None-Match` on a PUT are honoured.
    quoted_if_match : bool or None
        Whether the ETag of `If-Match` stands in quotes.
    place : str
        Endpoint and bucket; empty where nothing need be remembered.
    server : str
        What the server calls itself; empty before its first answer.

    Examples
    --------
    >>> learned = Dialect()
    >>> learned.update({"conditional_put": True, "quoted_if_match": False})
    >>> learned.to_dict()
    {'conditional_put': True, 'quoted_if_match': False}
    """

    conditional_put: bool | None = None
    quoted_if_match: bool | None = None
    place: str = ""
    server: str = ""
    _recalled: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)

    @property
    def quotes_first(self) -> bool:
        """Whether `If-Match` is tried in quotes first: as learned, else as servers of this name want it."""
        return self.server != RGW if self.quoted_if_match is None else self.quoted_if_match

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

    def heed(self, headers: Mapping[str, str]) -> None:
        """See in the headers of an answer who the server is."""
        name = server_name(headers)
        if name != self.server:
            self.server = name
            self._take_over()

    def memory(self) -> dict[str, object]:
        """What the next process may know: nothing unless conditional writes are honoured, as that alone spares it
        requests, and a refusal remembered would outlast the server that refused.
        """
        if not self.place or not self.server or self.conditional_put is not True:
            return {}
        return {"place": self.place, "server": self.server, **self.to_dict()}

    def recall(self, memory: Mapping[str, object]) -> None:
        """Take over what an earlier process wrote down of this bucket, if the same kind of server answers here."""
        if self.place and memory.get("place") == self.place and memory.get("conditional_put") is True:
            self._recalled = dict(memory)
            self._take_over()

    def _take_over(self) -> None:
        if self.server and self._recalled.get("server") == self.server:
            self.update(self._recalled)


def server_name(headers: Mapping[str, str]) -> str:
    """What a server calls itself, without its release; Ceph RGW gives no name, but its requests a shape of their own.

    Examples
    --------
    >>> server_name({"server": "MinIO/RELEASE.2025"}), server_name({})
    ('minio', '?')
    >>> server_name({"x-amz-request-id": "tx0000062379cb0d9434981-006b01b5bf-100c-default"})
    'rgw'
    """
    if _REQUEST_OF_RGW.fullmatch(headers.get("x-amz-request-id") or ""):
        return RGW
    named = (headers.get("server") or "").replace("/", " ").lower().split()
    return named[0][:_LONGEST_NAME] if named else "?"


_known: dict[tuple[str, str], Dialect] = {}
_lock = threading.Lock()


def dialect_of(endpoint: str, bucket: str) -> Dialect:
    """The dialect of a bucket, the same object for every caller of this process."""
    with _lock:
        return _known.setdefault((endpoint, bucket), Dialect(place=f"{endpoint} {bucket}"))


def forget_all() -> None:
    """Know as little as a new process does; stores made before keep what they have learned."""
    with _lock:
        _known.clear()
