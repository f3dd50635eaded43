"""Many values in one go: what is written, what is told of failures, what memory it takes."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ebooklet
from ebooklet.batches import BatchResult, write_stream
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore


@pytest.fixture
def store() -> CountingStore:
    return CountingStore(MemoryStore())


@pytest.fixture
def db(store: CountingStore, tmp_path: Path) -> Iterator[ebooklet.EBooklet]:
    with ebooklet.open(StoreConnection("db.blt", store), tmp_path / "db.blt", "c", value_serializer="json") as db:
        yield db


BAD = object()


def test_all_items_are_written_and_counted(db: ebooklet.EBooklet) -> None:
    result = db.set_items({"a": 1, "b": [2]})
    assert dict(db) == {"a": 1, "b": [2]}
    assert (result.total, result.successful, result.failed, result.nbytes) == (2, 2, 0, len(b"1") + len(b"[2]"))
    assert result
    assert result.ok
    assert result.failures == {}
    assert result.failed_keys == ()
    assert str(result) == "set 2 of 2 items, 4 B"


def test_pairs_are_as_good_as_a_mapping_and_the_last_of_a_key_counts(db: ebooklet.EBooklet) -> None:
    assert db.set_items([("a", 1), ("a", 2)]).total == 2
    assert dict(db) == {"a": 2}


@pytest.mark.parametrize("bad", [("x", BAD), ("", 1), (3, 1), ("k" * 70_000, 1), ("\ud800", 1), "xy", ("x",), None])
def test_of_items_with_a_bad_one_nothing_is_written_or_all_others(db: ebooklet.EBooklet, bad: Any) -> None:
    items = [("a", 1), ("b", 2), bad, ("c", 3)]
    with pytest.raises((TypeError, ValueError)):
        db.set_items(items)
    assert len(db) == 0
    result = db.set_items(items, on_error="collect")
    assert dict(db) == {"a": 1, "b": 2, "c": 3}
    assert (result.total, result.successful, result.failed, result.failed_indices) == (4, 3, 1, (2,))
    assert not result
    assert len(result.failed_keys) == 1
    assert isinstance(next(iter(result.errors.values())), TypeError | ValueError)


def test_an_error_names_the_key_and_the_file(db: ebooklet.EBooklet) -> None:
    with pytest.raises(TypeError, match="the value of 'odd'") as caught:
        db.batch_create({"fine": 1, "odd": BAD})
    assert db.name in str(caught.value)


def test_what_failed_is_printed(db: ebooklet.EBooklet) -> None:
    result = db.set_items({f"k{number}": BAD for number in range(8)}, on_error="collect")
    lines = str(result).splitlines()
    assert lines[0] == "set 0 of 8 items, 0 B"
    assert lines[1].startswith("  k0: ")
    assert lines[-1] == "  ... and 3 more"


def test_only_a_batch_with_a_bad_item_is_written_one_by_one() -> None:
    calls: list[int] = []

    def put(pairs: Any) -> int:
        calls.append(len(pairs))
        if any(value is BAD for _, value in pairs):
            raise ValueError("bad")
        return len(pairs)

    items = [(str(number), BAD if number == 4 else number) for number in range(9)]
    result = write_stream(put, iter(items), batch_size=3, on_error="collect")
    assert calls == [3, 3, 1, 1, 1, 3]
    assert (result.successful, result.failed_keys, result.failed_indices, result.nbytes) == (8, ("4",), (4,), 8)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=3), st.sampled_from([1, 2, BAD]))), st.integers(1, 5))
def test_a_stream_writes_what_a_loop_over_its_items_would(items: list[tuple[str, Any]], batch_size: int) -> None:
    expected: dict[str, Any] = {}
    wrong = []
    for number, (key, value) in enumerate(items):
        if key and value is not BAD:
            expected[key] = value
        else:
            wrong.append(number)
    with ebooklet.open(StoreConnection("x", MemoryStore()), None, "c", "json", cache=None) as db:
        result = db.set_stream(iter(items), batch_size=batch_size, on_error="collect")
        assert dict(db) == expected
        assert result.failed_indices == tuple(wrong)
        assert result.total == len(items)


def test_a_stream_that_breaks_off_leaves_its_earlier_batches_to_be_kept_or_given_up(db: ebooklet.EBooklet) -> None:
    def items() -> Iterator[tuple[str, int]]:
        yield from ((str(number), number) for number in range(5))
        raise RuntimeError("the source is gone")

    with pytest.raises(RuntimeError, match="the source is gone"):
        db.set_stream(items(), batch_size=2)
    assert sorted(db) == ["0", "1", "2", "3"]
    assert db.rollback() == 4
    assert len(db) == 0


def test_a_stream_holds_no_more_than_a_batch(store: CountingStore, tmp_path: Path) -> None:
    with ebooklet.open(StoreConnection("db.blt", store), tmp_path / "db.blt", "c") as db:
        db.set_stream([("first", b"")])
        tracemalloc.start()
        result = db.set_stream(((str(number), bytes(1 << 20)) for number in range(64)), batch_size=4)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert result.nbytes == 64 << 20
    assert peak < 16 << 20


def test_no_item_is_blamed_for_a_file_that_cannot_be_written(store: CountingStore, tmp_path: Path) -> None:
    conn = StoreConnection("db.blt", store)
    with ebooklet.open(conn, tmp_path / "db.blt", "c", "json") as db:
        db.push()
    with ebooklet.open(conn, tmp_path / "db.blt") as db:
        for call in (db.set_items, db.set_stream):
            with pytest.raises(ebooklet.ReadOnlyError):
                call({"a": 1}, on_error="collect")
        with pytest.raises(ebooklet.ReadOnlyError):
            db.delete_items([])
    with pytest.raises(ebooklet.ClosedError):
        db.set_items({"a": 1}, on_error="collect")


@pytest.mark.parametrize("said", [{"on_error": "ignore"}, {"batch_size": 0}, {"batch_size": 2.5}])
def test_nonsense_is_refused(db: ebooklet.EBooklet, said: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(said))):
        db.set_stream({"a": 1}, **said)
    assert len(db) == 0


def test_keys_are_deleted_together_or_not_at_all(db: ebooklet.EBooklet) -> None:
    db.set_items({"a": 1, "b": 2, "c": 3})
    with pytest.raises(KeyError, match="'x', 'y': nothing was deleted; missing_ok=True"):
        db.delete_items(["a", "x", "y"])
    assert sorted(db) == ["a", "b", "c"]
    result = db.delete_items(["a", "x", "b", "a"], missing_ok=True)
    assert (result.total, result.successful, result.ok) == (2, 2, True), "what was there is counted"
    assert sorted(db) == ["c"]


def test_a_str_is_no_list_of_keys(db: ebooklet.EBooklet) -> None:
    db.set_items({"a": 1, "b": 2})
    for call in (db.delete_items, db.load_items, lambda keys: list(db.get_items(keys))):
        with pytest.raises(TypeError, match="give a list of keys"):
            call("ab")
    assert len(db) == 2


def test_batches_are_pushed_and_read_with_few_requests(store: CountingStore, tmp_path: Path) -> None:
    conn = StoreConnection("db.blt", store)
    with ebooklet.open(conn, tmp_path / "a.blt", "c", "bytes") as db:
        before = store.counts.total
        assert db.set_items({str(number): bytes(4000) for number in range(500)}).n_requests == 0
        assert store.counts.total == before
        assert db.push().n_objects == 2
    with ebooklet.open(conn, cache=None) as db:
        before = store.counts.total
        found = dict(db.get_items([*map(str, range(500)), "none"], default=b"?"))
        assert store.counts.total - before == 1
    assert len(found) == 501
    assert found["none"] == b"?"
    assert found["7"] == bytes(4000)


def test_progress_is_told_by_item(db: ebooklet.EBooklet) -> None:
    seen: list[tuple[int, int]] = []
    db.set_stream([("a", 1), ("b", 2), ("c", 3)], batch_size=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 3), (3, 3)]


def test_groups_of_connections_take_batches(tmp_path: Path) -> None:
    member = f"file://{tmp_path}/store/db.blt"
    with ebooklet.open(member, tmp_path / "db.blt", "c", "str") as db:
        db["a"] = "1"
        db.push()
    with ebooklet.open_rcg(f"file://{tmp_path}/store/g.rcg", tmp_path / "g.rcg", "c") as group:
        result = group.set_items({"one": member, "none": f"file://{tmp_path}/store/none"}, on_error="collect")
        assert list(group) == ["one"]
        assert group["one"]["remote_conn"]["db_url"] == member
        assert result.failed_keys == ("none",)
        assert isinstance(result.errors["none"], ebooklet.RemoteMissingError)


def test_a_result_cannot_be_changed() -> None:
    result = BatchResult("set", 1, 1, {}, (), 3, 0.1)
    with pytest.raises(AttributeError):
        result.total = 2  # type: ignore[misc]
