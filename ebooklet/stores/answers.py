"""What does an answer of S3, received through urllib3, say?"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ebooklet.stores.body import count_in, http_date, read_bounded
from ebooklet.stores.s3_xml import LONGEST, NotXMLError, parsed
from ebooklet.stores.translate import Answer

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from urllib3 import BaseHTTPResponse

LONGEST_FAULT = 1 << 16


@dataclass(frozen=True, slots=True)
class Fault:
    """What a server said instead of doing what was asked.

    Attributes
    ----------
    answer : Answer
        Status, code and text.
    region : str
        Region of the bucket, if it tells.
    date : float or None
        The server's clock, in seconds since 1970.
    wait : float
        Seconds after which it wants to be asked again, if it tells.
    """

    answer: Answer
    region: str = ""
    date: float | None = None
    wait: float = 0.0


class RefusedError(Exception):
    """An answer that is a `Fault`."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.answer.code)
        self.fault = fault


def length_of(reply: "BaseHTTPResponse") -> int | None:
    """Length of the body, if the server tells."""
    return count_in(reply.headers.get("content-length"))


def document_of(reply: "BaseHTTPResponse", kind: str | None = None, longest: int = LONGEST) -> "Element":
    """The XML of an answer; of a `kind`, as others than the server may answer too, and never did what was asked.

    Raises
    ------
    RefusedError
        If it is an error, which S3 may find after it has begun to answer with 200.
    NotXMLError
        If it cannot be read.
    """
    body = read_bounded(reply.read, length_of(reply), longest)
    if body is None:
        raise NotXMLError(f"more than {longest} bytes")
    root = parsed(body)
    if root.tag == "Error":
        raise RefusedError(_fault(reply, root, 500 if reply.status < 300 else reply.status))
    if kind is not None and root.tag != kind:
        raise NotXMLError(f"a {root.tag} instead of a {kind}")
    return root


def fault_of(reply: "BaseHTTPResponse") -> Fault:
    """What an answer with an error status says; its body may be anything."""
    try:
        if reply.length_remaining != 0:  # an answer to HEAD tells the length of a body that does not come
            document_of(reply, longest=LONGEST_FAULT)
    except RefusedError as error:
        return error.fault
    except NotXMLError:
        pass
    return _fault(reply, None, reply.status)


def _fault(reply: "BaseHTTPResponse", root: "Element | None", status: int) -> Fault:
    names = ("Code", "Message", "Region", "StorageClass")
    code, message, region, kept = ((root is not None and root.findtext(name)) or "" for name in names)
    now = http_date(reply.headers, "date")
    told = reply.headers.get("x-amz-bucket-region") or region
    wait = count_in(reply.headers.get("retry-after")) or 0
    return Fault(Answer(status, code, message, kept), told, None if now is None else now.timestamp(), float(wait))
