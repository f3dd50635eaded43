"""Small files travel with a dataset."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from ebooklet.errors import ConflictError
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def conn() -> StoreConnection:
    return StoreConnection("t.cfdb", CountingStore(MemoryStore()))


@pytest.fixture
def ds(conn: StoreConnection, tmp_path: Path) -> Iterator[Any]:
    with cfdb.open_edataset(conn, tmp_path / "t.cfdb", "n", push_on_close=False) as ds:
        ds["t"] = ("x", [1, 2, 3])
        yield ds


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=50) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | JSON)
def test_bytes_texts_and_json_come_back_as_they_were(value: Any) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.files["any"] = value
        found = ds.files["any"]
    assert found == value
    assert type(found) is type(value)


def test_files_are_a_dict(ds: Any) -> None:
    ds.files.update({"b.txt": "two", "a/b.json": [1, 2]})
    assert list(ds.files) == ["a/b.json", "b.txt"]
    assert len(ds.files) == 2
    assert "b.txt" in ds.files
    assert "c" not in ds.files
    assert 3 not in ds.files
    assert ds.files.sizes == {"a/b.json": 6, "b.txt": 3}
    assert repr(ds.files) == "<2 files: a/b.json (6 B), b.txt (3 B)>"
    del ds.files["b.txt"]
    assert dict(ds.files) == {"a/b.json": [1, 2]}
    with pytest.raises(KeyError, match=r"a/b\.json"):
        ds.files["a/c.json"]
    with pytest.raises(KeyError, match=r"b\.txt"):
        del ds.files["b.txt"]


def test_they_are_no_variables_and_stay_through_pruning(ds: Any) -> None:
    ds.files["t"] = "of the same name as a variable"
    assert list(ds) == ["t"]
    del ds["t"]
    ds.prune()
    assert ds.files["t"].startswith("of the same")


def test_they_are_pushed_fetched_and_kept_in_versions(ds: Any, conn: StoreConnection) -> None:
    ds.files["notes.txt"] = "first"
    first = ds.push().version
    ds.files["notes.txt"] = "second"
    ds.files["n.json"] = {"a": 1}
    assert ds.push().n_keys == 2
    with cfdb.open_edataset(conn, cache=None) as there:
        before = there.stats.total
        assert list(there.files) == ["n.json", "notes.txt"]
        assert there.stats.total == before
        assert there.files["notes.txt"] == "second"
        assert there.stats.total == before + 1
    with cfdb.open_edataset(conn, cache=None, version=first) as old:
        assert dict(old.files) == {"notes.txt": "first"}


def test_they_are_listed_in_print_and_changes(ds: Any) -> None:
    ds.push()
    ds.files["notes.txt"] = "hello"
    assert "Files:      notes.txt (5 B)" in str(ds).splitlines()
    assert "file notes.txt" in str(ds.changes())
    assert list(ds.changes().by_variable()) == ["file notes.txt"]
    assert ds.discard(["notes.txt"]) == 1
    assert not ds.files
    assert "Files" not in str(ds)


def test_what_is_not_committed_is_rolled_back(ds: Any) -> None:
    ds.sync()
    ds.files["notes.txt"] = "hello"
    ds.rollback()
    assert not ds.files


def test_writers_of_one_file_are_told(ds: Any, conn: StoreConnection, tmp_path: Path) -> None:
    ds.push()
    with cfdb.open_edataset(conn, tmp_path / "other.cfdb", "w") as other:
        other.files["notes.txt"] = "theirs"
    ds.files["notes.txt"] = "ours"
    with pytest.raises(ConflictError, match=r"the file 'notes\.txt'"):
        ds.push()
    assert ds.push(on_conflict="ours")


def test_copies_have_them(ds: Any, tmp_path: Path) -> None:
    ds.files["a.bin"] = bytes(1000)
    ds.files["b.json"] = {"k": [1, 2]}
    with ds.copy(tmp_path / "copy.cfdb") as copy:
        assert dict(copy.files) == dict(ds.files)
    with cfdb.open_dataset(tmp_path / "copy.cfdb") as copy:
        assert copy.files["b.json"] == {"k": [1, 2]}
        with pytest.raises(ValueError, match="flag"):
            copy.files["x"] = "reading only"
    with ds.isel(x=[0]).copy(None) as part:
        assert not part.files


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), object(), [b"x"], [{1: 2}]])
def test_what_json_cannot_hold_is_refused(ds: Any, value: Any) -> None:
    with pytest.raises(TypeError, match=r"'n\.json'"):
        ds.files["n.json"] = value
    assert not ds.files


def test_names_and_sizes_are_bounded(ds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("", "a//b", "x" * 300, "a\nb"):
        with pytest.raises(ValueError, match="cannot be a name"):
            ds.files[name] = b"1"
    monkeypatch.setattr("cfdb.model.files.MAX_BYTES", 100)
    with pytest.raises(ValueError, match="'big' has 101 bytes; at most 100"):
        ds.files["big"] = bytes(101)
    ds.files["fits"] = bytes(100)
    assert list(ds.files) == ["fits"]
