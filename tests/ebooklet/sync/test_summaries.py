"""What a database says about itself for catalogues: it comes with a push, and is never older than the values."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import ebooklet
from ebooklet.connection import StoreConnection
from ebooklet.errors import CorruptFileError
from ebooklet.facts import read_facts
from ebooklet.format.frame import seal, unseal
from ebooklet.format.snapshot import MAX_SUMMARY, SNAPSHOT_MAGIC, Snapshot
from ebooklet.sync.version import open_version
from tests.ebooklet.format.test_snapshot import example

DATA = Path(__file__).parents[2] / "data" / "remote-1"


def _summary(conn: StoreConnection) -> bytes:
    return open_version(conn.store(), conn.db_key).snapshot.summary


def test_a_summary_is_in_the_version_it_came_with_and_in_no_later_one(tmp_path: Path) -> None:
    conn = StoreConnection("x.blt")
    with ebooklet.open(conn, tmp_path / "x", "c", "json") as db:
        db["a"] = 1
        db.push(summary=lambda: b'{"n": 1}')
        assert _summary(conn) == b'{"n": 1}'
        assert not db.push(summary=lambda: b'{"n": "not called"}')
        db.push(tag="first")
        db.compact()
        assert _summary(conn) == b'{"n": 1}'
        db["b"] = 2
        db.push()
        assert _summary(conn) == b""


def test_summaries_of_two_writers_are_joined(tmp_path: Path) -> None:
    conn = StoreConnection("x.blt")
    with ebooklet.open(conn, tmp_path / "one", "c", "json") as one:
        one["a"] = 1
        one.push(summary=lambda: b'{"a": 1}')
        with ebooklet.open(conn, tmp_path / "two", "w") as two:
            two["b"] = 2
            two.push(summary=lambda: b'{"a": 1, "b": 2}')
        one["c"] = 3
        assert one.push(summary=lambda: b'{"a": 1, "c": 3}')
    assert json.loads(_summary(conn)) == {"a": 1, "b": 2, "c": 3}


def test_a_copy_has_the_summary_of_its_source(tmp_path: Path) -> None:
    conn = StoreConnection("x.blt")
    copy = StoreConnection("y.blt", conn.store())
    with ebooklet.open(conn, tmp_path / "x", "c", "json") as db:
        db["a"] = 1
        db.push(summary=lambda: b'{"n": 1}')
        db.copy_remote(copy)
    assert _summary(copy) == b'{"n": 1}'


def test_no_summary_is_empty_and_a_long_one_is_refused() -> None:
    plain = Snapshot(bytes(16), None, b"", 1)
    assert Snapshot.decode(plain.encode()).summary == b""
    with pytest.raises(ValueError, match="summary"):
        Snapshot(bytes(16), None, b"", 1, summary=bytes(MAX_SUMMARY + 1)).encode()


def described() -> Snapshot:
    """As of the golden file."""
    return replace(example()[1], summary='{"attrs":{"title":"Räin"},"dims":{"x":2}}'.encode())


def test_a_snapshot_of_format_1_with_a_summary_stays_readable() -> None:
    assert Snapshot.decode((DATA / "snapshot-with-summary").read_bytes()) == described()
    assert Snapshot.decode(described().encode()) == described()


@pytest.mark.parametrize("wrong", ["text", 3, bytes(MAX_SUMMARY + 1)])
def test_an_impossible_summary_is_refused(wrong: object) -> None:
    fields = dict(unseal(SNAPSHOT_MAGIC, "the snapshot", described().encode())._fields)
    with pytest.raises(CorruptFileError, match="summary"):
        Snapshot.decode(seal(SNAPSHOT_MAGIC, fields | {"summary": wrong}))


HOSTILE = [
    b"\xff\xfe",
    b"[1, 2]",
    b"{",
    b'"text"',
    b'{"vars": 3, "dims": [], "attrs": "x", "extents": 1}',
    b'{"vars": 3, "dims": {"x": "far"}}',
    b"[" * 50_000,
]


@pytest.mark.parametrize("said", HOSTILE)
def test_a_summary_that_is_no_description_is_passed_over(said: bytes) -> None:
    conn = StoreConnection("x.blt")
    with ebooklet.open(conn, cache=None, flag="n", value_serializer="json") as db:
        db["a"] = 1
        db.push(summary=lambda: said)
    assert not any(read_facts(conn).summary.values())
    assert ebooklet.browse(conn)["x.blt"].dims == {}


@pytest.mark.parametrize("said", [b"[1, 2]", b"{", b'{"extents": {"x": 3}, "attrs": 5}'])
def test_a_summary_that_is_no_description_stops_no_push(said: bytes, tmp_path: Path) -> None:
    conn = StoreConnection("x.blt")
    with ebooklet.open(conn, tmp_path / "one", "c", "json") as one:
        one["a"] = 1
        one.push(summary=lambda: b'{"a": 1}')
        with ebooklet.open(conn, tmp_path / "two", "w") as two:
            two["b"] = 2
            two.push(summary=lambda: said)
        one["c"] = 3
        assert one.push(summary=lambda: b'{"a": 1, "extents": {"x": {"min": 0, "max": 1}}}')
    with ebooklet.open(conn, cache=None) as db:
        assert dict(db.items()) == {"a": 1, "b": 2, "c": 3}


def test_variables_of_a_strange_description_have_no_dimensions() -> None:
    conn = StoreConnection("x.blt")
    with ebooklet.open(conn, cache=None, flag="n", value_serializer="json") as db:
        db["a"] = 1
        db.push(summary=lambda: b'{"dims": {"x": 2}, "vars": {"a": {"dims": 3}, "b": {"dims": [["x"]]}, "c": 1}}')
    there = ebooklet.browse(conn)["x.blt"]
    assert [(name, node.dims) for name, node in there.variables.items()] == [("a", {}), ("b", {})]
