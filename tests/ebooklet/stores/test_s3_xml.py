"""Documents of a server are read without trusting it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebooklet.stores.protocol import ObjectMeta
from ebooklet.stores.s3_xml import LONGEST, NotXMLError, can_be_written, deletion, listing, parsed, refusals
from ebooklet.stores.transport import Page, Refusal

LISTING = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>lab</Name><Prefix>a</Prefix>
<EncodingType>%b</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>t+/=</NextContinuationToken>
<Contents><Key>a+b%%2Bc</Key><Size>5</Size><ETag>&quot;e&quot;</ETag><LastModified>2024-01-02T03:04:05.678Z</LastModified>
<Owner><ID>x</ID></Owner></Contents></ListBucketResult>"""


@pytest.mark.parametrize(("encoding", "key"), [(b"url", "a b+c"), (b"", "a+b%2Bc")])
def test_a_listing(encoding: bytes, key: str) -> None:
    written = datetime(2024, 1, 2, 3, 4, 5, 678000, UTC)
    assert listing(parsed(LISTING % encoding), None) == Page((ObjectMeta(key, 5, "e", written),), True, "t+/=")


def test_what_was_not_deleted() -> None:
    fault = b"<Error><Key>a</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
    assert list(refusals(parsed(b"<DeleteResult>%b<Deleted/></DeleteResult>" % fault))) == [
        Refusal("a", "AccessDenied", "no")
    ]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])).filter(can_be_written), max_size=5))
def test_keys_of_a_deletion_are_read_as_they_were_written(keys: list[str]) -> None:
    assert [found.findtext("Key") or "" for found in parsed(deletion(keys)).findall("Object")] == keys


def test_keys_that_cannot_be_written_are_known() -> None:
    assert not any(map(can_be_written, ["\x00", "a\x1f", "\ufffe", "\uffff"]))


BOMB = b'<!DOCTYPE a [<!ENTITY b "%b">]><a>&b;&b;</a>' % (b"x" * 1000)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"\xff\xfe",
        b"<a>\x00</a>",
        b"<a>&unknown;</a>",
        BOMB,
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b"<a>" * 10_000,
        b"<a>" + b" " * LONGEST + b"</a>",
    ],
    ids=lambda text: text[:30].decode("latin-1"),
)
def test_documents_that_are_none_or_want_more_than_to_be_read(text: bytes) -> None:
    with pytest.raises(NotXMLError):
        parsed(text)


@pytest.mark.parametrize("entry", [b"<Size>x</Size>", b"<Size>1</Size><LastModified>soon</LastModified>", b""])
def test_entries_that_make_no_sense(entry: bytes) -> None:
    with pytest.raises(NotXMLError):
        listing(parsed(b"<ListBucketResult><Contents>%b</Contents></ListBucketResult>" % entry), None)


def test_a_document_of_another_kind() -> None:
    with pytest.raises(NotXMLError, match="Other"):
        listing(parsed(b"<Other/>"), None)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    try:
        parsed(text)
    except NotXMLError:
        pass
