"""How is the XML of S3 read and written?

Documents come from a server and are untrusted: those with a document type are refused, so that no entity is ever
expanded, and length and depth are bounded.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus
from xml.parsers import expat

from ebooklet.stores.body import bare_etag, count_in
from ebooklet.stores.protocol import ObjectMeta
from ebooklet.stores.transport import Page, Refusal

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LONGEST = 16 << 20
DEEPEST = 16


class NotXMLError(Exception):
    """Not a document this package reads."""


def parsed(text: bytes) -> "Element":
    """The root of a document, names without namespaces.

    Raises
    ------
    NotXMLError
        If it is not well-formed, too long, too deep, or has a document type.

    Examples
    --------
    >>> parsed(b"<a xmlns='urn:x'><b>1</b></a>").findtext("b")
    '1'
    """
    if len(text) > LONGEST:
        raise NotXMLError(f"a document of {len(text)} bytes")
    from xml.etree.ElementTree import TreeBuilder

    builder = TreeBuilder()
    depth = 0

    def start(name: str, _: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise NotXMLError("a document with too many levels")
        builder.start(name.rpartition(":")[2], {})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name.rpartition(":")[2])

    def refuse(*_: object) -> None:
        raise NotXMLError("a document with a document type")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text, True)
        return builder.close()
    except (expat.ExpatError, ValueError, AssertionError) as error:
        raise NotXMLError(str(error)) from error


def listing(root: "Element", now: datetime | None) -> Page:
    """A page of `ListObjectsV2`."""
    if root.tag != "ListBucketResult":
        raise NotXMLError(f"a {root.tag} instead of a ListBucketResult")
    encoded = _text(root, "EncodingType") == "url"
    entries = tuple(_entry(found, encoded, now) for found in root.findall("Contents"))
    folders = tuple(_decoded(_text(found, "Prefix"), encoded) for found in root.findall("CommonPrefixes"))
    return Page(entries, _text(root, "IsTruncated") == "true", _text(root, "NextContinuationToken"), folders)


def refusals(root: "Element") -> Iterator[Refusal]:
    """What a `DeleteObjects` did not delete."""
    for fault in root.findall("Error"):
        yield Refusal(_text(fault, "Key"), _text(fault, "Code"), _text(fault, "Message"))


def deletion(keys: Sequence[str]) -> bytes:
    """The body of a `DeleteObjects`.

    Examples
    --------
    >>> deletion(["a&b"])
    b'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet><Object><Key>a&amp;b</Key></Object></Delete>'
    """
    objects = "".join(f"<Object><Key>{key.translate(_WRITTEN)}</Key></Object>" for key in keys)
    return f'<Delete xmlns="{_NAMESPACE}"><Quiet>true</Quiet>{objects}</Delete>'.encode()


def creation(region: str) -> bytes:
    """The body of a `CreateBucket` in a region.

    Examples
    --------
    >>> b"<LocationConstraint>eu-west-1<" in creation("eu-west-1")
    True
    """
    where = f"<LocationConstraint>{region}</LocationConstraint>"
    return f'<CreateBucketConfiguration xmlns="{_NAMESPACE}">{where}</CreateBucketConfiguration>'.encode()


def completion(etags: Sequence[str]) -> bytes:
    """The body of a `CompleteMultipartUpload`: the parts from 1 on.

    Examples
    --------
    >>> b"<Part><PartNumber>1</PartNumber><ETag>&quot;e&quot;</ETag></Part>" in completion(['"e"'])
    True
    """
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{etag.translate(_WRITTEN)}</ETag></Part>"
        for number, etag in enumerate(etags, 1)
    )
    return f'<CompleteMultipartUpload xmlns="{_NAMESPACE}">{parts}</CompleteMultipartUpload>'.encode()


def restoration(days: int, tier: str) -> bytes:
    """The body of a `RestoreObject`.

    Examples
    --------
    >>> b"<Days>3</Days>" in restoration(3, "Bulk")
    True
    """
    how = f"<GlacierJobParameters><Tier>{tier}</Tier></GlacierJobParameters>"
    return f'<RestoreRequest xmlns="{_NAMESPACE}"><Days>{days}</Days>{how}</RestoreRequest>'.encode()


def can_be_written(key: str) -> bool:
    """Whether XML can hold a key; it has no way to write most control characters."""
    return all(char >= " " or char in "\t\n\r" for char in key) and not {"\ufffe", "\uffff"} & set(key)


_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_WRITTEN = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)


def _entry(found: "Element", encoded: bool, now: datetime | None) -> ObjectMeta:
    key = _text(found, "Key")
    try:
        time = datetime.fromisoformat(_text(found, "LastModified"))
    except ValueError as error:
        raise NotXMLError(f"an entry of a listing that cannot be read: {error}") from error
    size = count_in(_text(found, "Size"))
    if size is None:
        raise NotXMLError("an entry of a listing without a length")
    written = time if time.tzinfo else time.replace(tzinfo=UTC)
    etag, kind = bare_etag(_text(found, "ETag")), _text(found, "StorageClass")
    return ObjectMeta(_decoded(key, encoded), size, etag, written, now, kind)


def _decoded(key: str, encoded: bool) -> str:
    return unquote_plus(key) if encoded else key


def _text(element: "Element", name: str) -> str:
    return element.findtext(name) or ""
