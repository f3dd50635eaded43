"""What a working copy promises its users: values, rows, versions, tombstones, state, readers, threads, forks."""

import gc
import json
import os
import random
import threading
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import booklet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ebooklet.errors import (
    ClosedError,
    CorruptValueError,
    ForkedHandleError,
    NotABookletError,
    ReadOnlyError,
    UnsupportedFormatError,
    UntrustedFileError,
)
from ebooklet.local import committing, record
from ebooklet.local.appending import Appender
from ebooklet.local.working_copy import WorkingCopy, Write
from tests.support.crash import scratch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a folder" / "data.cfdb" if (tmp_path / "a folder").mkdir() is None else tmp_path


def test_values_rows_and_tails_come_back(path: Path) -> None:
    with WorkingCopy.open(path, "n") as copy:
        copy.set("t/0.1", memoryview(b"payload"), b"tail", note=b"note", timestamp=5)
        row = copy.row("t/0.1")
        assert row is not None
        assert (row.length, row.tail, row.note, row.timestamp, row.version) == (7, 4, b"note", 5, 0)
        assert copy.get("t/0.1") == b"payloadtail"
        assert copy.payload("t/0.1") == copy.payload_of(row) == b"payload"
        copy.commit()
    with WorkingCopy.open(path, "r") as copy:
        assert copy.row("t/0.1") == row
        assert copy.get_many(["t/0.1", "none"]) == [b"payloadtail", None]
        assert "t/0.1" in copy
        assert "none" not in copy
        assert not copy.writable


def test_changes_are_the_writers_until_it_commits(path: Path) -> None:
    with WorkingCopy.open(path, "n") as writer, WorkingCopy.open(path, "r") as reader:
        writer.set("a", b"1")
        assert writer.get("a") == b"1"
        assert reader.refresh() is False
        assert list(reader.keys()) == []
        writer.commit()
        assert list(reader.keys()) == []
        assert reader.refresh() is True
        assert reader.get("a") == b"1"
        assert reader.refresh() is False


def test_rollback_and_close_without_commit_drop_changes(path: Path) -> None:
    with WorkingCopy.open(path, "n") as copy:
        copy.set("kept", b"1")
        copy.commit()
        size = path.stat().st_size
        copy.set_many([Write("a", b"2"), Write("b", b"3"), Write("kept", b"4")])
        copy.set_state("s", b"5")
        assert copy.changes == 4
        assert copy.rollback() == 4
        assert path.stat().st_size == size
        assert dict.fromkeys(copy.keys()) == {"kept": None}
        assert copy.get("kept") == b"1"
        copy.delete_many(["kept"])
    with WorkingCopy.open(path, "r") as copy:
        assert copy.get("kept") == b"1"


def test_versions_tombstones_eviction_and_pending_rows(path: Path) -> None:
    with WorkingCopy.open(path, "n") as copy:
        copy.set_many([Write("own", b"1"), Write("cached", b"2", version=11), Write("gone", b"3", version=12)])
        copy.commit()
        assert [row.key for row in copy.pending()] == ["own"]
        assert copy.delete_many(["gone", "own", "none"], tombstone=lambda key: key == "gone") == 2
        assert sorted(copy.keys()) == ["cached"]
        assert len(copy) == 1
        assert [(row.key, row.deleted, row.version) for row in copy.pending()] == [("gone", True, 12)]
        copy.commit()
        assert copy.delete_many(["gone"], tombstone=True) == 0
        assert copy.delete_many(["remote"], tombstone=True) == 1
        assert copy.delete_many(["remote"]) == 1
        copy.set("edit", b"4")
        assert copy.evict(["cached", "gone", "edit", "none"]) == 1
        copy.commit()
        assert sorted(copy.keys()) == ["edit"]
        row = copy.row("edit")
        assert row is not None
        copy.update_rows([replace(row, version=99, note=b"pushed", timestamp=123)])
        with pytest.raises(ValueError, match="out of date"):
            copy.update_rows([replace(row, offset=row.offset + 1)])
        copy.commit()
    with WorkingCopy.open(path, "r") as copy:
        changed = copy.row("edit")
        assert changed == replace(row, version=99, note=b"pushed", timestamp=123)
        assert copy.get("edit") == b"4"
        assert [row.key for row in copy.pending()] == ["gone"]
    book = booklet.open(path, "r")
    assert (list(book), book.get_timestamp("edit")) == (["edit"], 123)
    book.close()


def test_state_blobs_and_metadata_are_committed_with_the_data(path: Path) -> None:
    with WorkingCopy.open(path, "n") as copy:
        copy.set_state("journal", b"j" * 1000)
        copy.set_metadata({"title": "x", "n": [1, None, 2.5]}, timestamp=7)
        assert copy.state("journal") == b"j" * 1000
        assert copy.get_metadata() == {"title": "x", "n": [1, None, 2.5]}
        copy.rollback()
        assert copy.state("journal") is None
        assert copy.get_metadata() is None
        copy.set_state("journal", b"k")
        copy.set_metadata({"title": "y"}, timestamp=8)
        copy.set_state("other", b"")
        copy.commit()
        with pytest.raises(TypeError):
            copy.set_metadata({"x": object()})
        with pytest.raises(ValueError):
            copy.set_metadata(float("nan"))
        copy.set_state("other", None)
        copy.commit()
        copy.compact()
        assert (copy.state("journal"), copy.state("other")) == (b"k", None)
        assert (copy.get_metadata(), copy.metadata_timestamp) == ({"title": "y"}, 8)
        assert len(copy) == 0
    book = booklet.open(path, "r")
    assert book.get_metadata(include_timestamp=True) == ({"title": "y"}, 8)
    assert (list(book), len(book)) == ([], 0)
    book.close()


def test_write_back_adds_remote_copies_and_touches_no_own_edit(path: Path) -> None:
    with WorkingCopy.open(path, "n") as copy:
        copy.set_many([Write("own", b"mine"), Write("old", b"1", version=1), Write("dead", b"2", version=2)])
        copy.delete_many(["dead"], tombstone=True)
        copy.commit()
    fetched = [Write(key, b"remote", version=5) for key in ("own", "old", "dead", "new")] + [Write("none", b"x")]
    with WorkingCopy.open(path, "r") as reader:
        assert reader.write_back(fetched) is True
        assert {key: reader.get(key) for key in reader} == {"own": b"mine", "old": b"remote", "new": b"remote"}
        number = reader.commit_number
        assert reader.write_back(fetched) is True
        assert reader.commit_number == number
        with WorkingCopy.open(path, "w") as writer:
            assert reader.write_back([Write("late", b"1", version=1)]) is False
            assert writer.write_back([Write("late", b"1", version=1)]) is True
        path.unlink()
        assert reader.write_back([Write("later", b"1", version=1)]) is False
        assert reader.get("own") == b"mine"


def test_everything_works_in_memory_too() -> None:
    with WorkingCopy.open(None, "n", expected_keys=10) as copy:
        copy.set_many(Write(f"k/{n}", bytes([n % 256]) * n) for n in range(600))
        copy.delete_many(["k/5"])
        copy.set_metadata({"a": 1})
        copy.commit()
        assert (copy.path, copy.writable, len(copy)) == (None, True, 599)
        assert copy.get("k/7") == b"\x07" * 7
        assert copy.compact() > 0
        assert copy.get("k/599") == bytes([599 % 256]) * 599
        assert copy.get_metadata() == {"a": 1}
        assert "memory" in repr(copy)


def test_compaction_saves_space_and_leaves_open_readers_alone(path: Path, tmp_path: Path) -> None:
    with WorkingCopy.open(path, "n") as copy:
        for stamp in range(5):
            copy.set_many(Write(f"k/{n}", bytes([stamp]) * 500) for n in range(50))
            copy.commit()
        with WorkingCopy.open(path, "r") as reader:
            size = path.stat().st_size
            copy.set("pending", b"1")
            with pytest.raises(ValueError, match="1 changes are pending"):
                copy.compact()
            copy.rollback()
            elsewhere = tmp_path / "copy.cfdb"
            assert copy.compact(elsewhere) > 0
            assert copy.compact() == size - path.stat().st_size > 3 * 50 * 500
            copy.set("k/0", b"after")
            copy.commit()
            assert reader.get("k/0") == b"\4" * 500
            assert reader.refresh() is True
            assert reader.get("k/0") == b"after"
            assert reader.get("k/1") == b"\4" * 500
    with WorkingCopy.open(elsewhere, "r") as copied:
        assert {copied.get(key) for key in copied} == {b"\4" * 500}
        assert copied.uuid == reader.uuid


def test_the_identity_and_the_serializer_of_a_file_stay(path: Path) -> None:
    from uuid import uuid4

    uuid = uuid4()
    with WorkingCopy.open(path, "c", uuid=uuid, value_serializer="msgpack") as copy:
        copy.set("a", copy.serializer.dumps([1, 2]))
        copy.commit()
    with WorkingCopy.open(path, "c", value_serializer="json") as copy:
        assert (copy.uuid, copy.value_serializer) == (uuid, "msgpack")
        assert copy.serializer.loads(copy.get("a") or b"") == [1, 2]
        copy.compact()
        assert (copy.uuid, copy.value_serializer) == (uuid, "msgpack")
    book = booklet.open(path, "r")
    assert (book["a"], book.uuid.bytes) == ([1, 2], uuid.bytes)
    book.close()


def test_opening_says_what_is_wrong(path: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        WorkingCopy.open(path, "r")
    with pytest.raises(FileNotFoundError):
        WorkingCopy.open(path, "w")
    with pytest.raises(FileNotFoundError):
        WorkingCopy.open(tmp_path / "no such folder" / "x", "c")
    with pytest.raises(ValueError, match="'a'"):
        WorkingCopy.open(path, "a")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no_such"):
        WorkingCopy.open(path, "n", value_serializer="no_such")
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    for flag in ("r", "w", "c"):
        with pytest.raises(NotABookletError, match="not a Booklet"):
            WorkingCopy.open(path, flag)  # type: ignore[arg-type]
    path.write_bytes(b"")
    for flag in ("r", "w"):
        with pytest.raises(FileNotFoundError, match="empty"):
            WorkingCopy.open(path, flag)  # type: ignore[arg-type]
    with WorkingCopy.open(path, "c") as copy:
        copy.set("a", b"1")
        copy.commit()
    with WorkingCopy.open(path, "n") as copy:
        assert len(copy) == 0


def test_a_failed_opening_leaves_no_file_behind(path: Path) -> None:
    with pytest.raises(ValueError):
        WorkingCopy.open(path, "n", value_serializer="no_such")
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("kind", ["pickle", "bytes", "json"])
def test_other_key_types_are_refused_by_name(path: Path, kind: str) -> None:
    book = booklet.open(path, "n", key_serializer=kind, value_serializer="str")
    book[b"a" if kind == "bytes" else "a"] = "1"
    book.close()
    error = UntrustedFileError if kind == "pickle" else UnsupportedFormatError
    for flag in ("r", "w"):
        with pytest.raises(error, match=kind):
            WorkingCopy.open(path, flag)  # type: ignore[arg-type]


def test_a_fixed_length_booklet_is_refused_by_name(path: Path) -> None:
    book = booklet.FixedLengthValue(path, "n", key_serializer="str", value_len=3)
    book["a"] = b"123"
    book.close()
    with pytest.raises(UnsupportedFormatError, match="fixed-length"):
        WorkingCopy.open(path, "r")


def test_a_handle_says_what_it_cannot_do(path: Path) -> None:
    with WorkingCopy.open(path, "n") as copy:
        pass
    assert copy.closed
    copy.close()
    for use in (lambda: copy.get("a"), lambda: copy.set("a", b""), lambda: len(copy), lambda: list(copy.keys())):
        with pytest.raises(ClosedError, match=r"data\.cfdb is closed"):
            use()
    with WorkingCopy.open(path, "r") as reader:
        for change in (
            lambda: reader.set("a", b""),
            lambda: reader.delete_many(["a"]),
            lambda: reader.set_state("a", b""),
            reader.commit,
            reader.rollback,
            reader.compact,
        ):
            with pytest.raises(ReadOnlyError, match="flag 'r'"):
                change()


def test_a_value_too_long_for_booklet_is_refused_by_name(path: Path) -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return 2**32

    with WorkingCopy.open(path, "n") as copy:
        with pytest.raises(ValueError, match="'big' has 4294967296 bytes"):
            copy.set("big", Huge())
        with pytest.raises(ValueError, match="70000 bytes"):
            copy.set("k" * 70000, b"")
        copy.set("fine", b"1")
        copy.commit()
        assert list(copy.keys()) == ["fine"]


def test_a_damaged_value_is_an_error_that_names_it(path: Path) -> None:
    with WorkingCopy.open(path, "n") as copy:
        copy.set_many([Write("good", b"1" * 50), Write("bad", b"2" * 50)])
        copy.commit()
        row = copy.row("bad")
        assert row is not None
        with path.open("r+b") as file:
            file.seek(row.offset + 20)
            file.write(b"x")
        for read in (copy.get, copy.payload):
            with pytest.raises(CorruptValueError, match=r"'bad'.*damaged"):
                read("bad")
        assert copy.get("good") == b"1" * 50
        with pytest.raises(Exception, match="'bad'"):
            copy.compact()
        assert copy.get("good") == b"1" * 50
        copy.set("bad", b"again")
        copy.commit()
        assert copy.get("bad") == b"again"


def test_garbage_collection_without_close_rolls_back_and_warns(path: Path) -> None:
    copy = WorkingCopy.open(path, "n")
    copy.set("lost", b"1")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del copy
        gc.collect()
    messages = [str(warning.message) for warning in caught if warning.category is ResourceWarning]
    assert any("was not closed, 1 changes were dropped" in message for message in messages)
    with WorkingCopy.open(path, "w", lock_timeout=0) as copy:
        assert list(copy.keys()) == []


def test_a_forked_child_refuses_and_leaves_the_parents_lock_alone(path: Path) -> None:
    with WorkingCopy.open(path, "n") as copy, WorkingCopy.open(path, "r") as reader:
        copy.set("a", b"1")
        copy.commit()
        copy.set("b", b"2")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            status = 1
            try:
                for use in (lambda: copy.get("a"), copy.commit, lambda: reader.get("a")):
                    with pytest.raises(ForkedHandleError, match="parent"):
                        use()
                copy.close()
                with WorkingCopy.open(path, "r") as own:
                    assert own.get("a") == b"1"
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        copy.commit()
        with pytest.raises(TimeoutError):
            WorkingCopy.open(path, "w", lock_timeout=0)
    with WorkingCopy.open(path, "r") as copy:
        assert copy.get("b") == b"2"


def test_a_commit_right_after_a_value_was_written_takes_it_in(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append = Appender.append

    def then_commit(self: Appender, *args: Any) -> None:
        append(self, *args)
        copy.commit()  # as another thread may, before the writing one goes on

    with WorkingCopy.open(path, "n") as copy:
        monkeypatch.setattr(Appender, "append", then_commit)
        copy.set("a", b"first")
        copy.set("b", b"second")
        monkeypatch.undo()
        copy.set("c", b"third")
        copy.commit()
    with booklet.open(path, "r") as book:
        assert set(book) == {"a", "b", "c"}


def test_threads_write_read_and_commit_at_once(path: Path) -> None:
    errors: list[BaseException] = []
    stop = threading.Event()

    def write(copy: WorkingCopy, name: int) -> None:
        try:
            for step in range(60):
                copy.set_many(Write(f"{name}/{step}.{n}", f"{name} {step} {n}".encode() * 50) for n in range(5))
                copy.delete_many([f"{name}/{step}.4"])
        except BaseException as error:
            errors.append(error)

    def read(copy: WorkingCopy) -> None:
        try:
            while not stop.is_set():
                for key in list(copy.keys())[:50]:
                    value = copy.get(key)
                    assert value is None or value == key.replace("/", " ").replace(".", " ").encode() * 50
                copy.get_metadata()
                len(copy)
        except BaseException as error:
            errors.append(error)

    with WorkingCopy.open(path, "n") as copy:
        writers = [threading.Thread(target=write, args=(copy, n)) for n in range(4)]
        readers = [threading.Thread(target=read, args=(copy,)) for _ in range(3)]
        for thread in writers + readers:
            thread.start()
        while any(thread.is_alive() for thread in writers):
            copy.set_metadata({"commits": copy.commit_number})
            copy.commit()
        stop.set()
        for thread in writers + readers:
            thread.join()
        copy.commit()
        assert not errors, errors[:3]
        expected = {f"{n}/{step}.{k}" for n in range(4) for step in range(60) for k in range(4)}
        assert set(copy.keys()) == expected
    book = booklet.open(path, "r")
    assert set(book) == expected
    assert len(book) == len(expected)
    book.close()


def test_features_of_a_newer_release_are_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with WorkingCopy.open(path, "n") as copy:
        copy.set("a", b"1")
        original = committing.encode_record
        monkeypatch.setattr(committing, "encode_record", lambda r: original(replace(r, uses=("sharding",))))
        copy.commit()
    with WorkingCopy.open(path, "r") as copy:
        assert copy.get("a") == b"1"
    with pytest.raises(UnsupportedFormatError, match=r"sharding.*flag 'r'"):
        WorkingCopy.open(path, "w")
    monkeypatch.setattr(committing, "encode_record", lambda r: original(replace(r, requires=("encryption",))))
    with WorkingCopy.open(path, "n") as copy:
        copy.set("a", b"1")
        copy.commit()
    for flag in ("r", "w"):
        with pytest.raises(UnsupportedFormatError, match="encryption"):
            WorkingCopy.open(path, flag)  # type: ignore[arg-type]
    assert frozenset() == record.KNOWN_FEATURES


_KEYS = st.sampled_from([f"{v}/{i}.{j}" for v in "ab" for i in range(6) for j in range(4)] + ["ds", "ä", "v/x"])
_STEP = st.one_of(
    st.tuples(st.just("set"), _KEYS, st.binary(max_size=40)),
    st.tuples(st.just("delete"), _KEYS),
    st.tuples(st.just("commit")),
    st.tuples(st.just("rollback")),
    st.tuples(st.just("reopen")),
    st.tuples(st.just("compact")),
    st.tuples(st.just("plain set"), _KEYS, st.binary(max_size=40)),
    st.tuples(st.just("plain delete"), _KEYS),
    st.tuples(st.just("plain prune")),
    st.tuples(st.just("plain metadata"), st.integers()),
)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(_STEP, max_size=25), few=st.booleans())
def test_any_history_of_us_and_plain_booklet_agrees_with_a_dict(steps: list[tuple], few: bool) -> None:
    from ebooklet.local import growth

    original = growth.MIN_BUCKETS
    growth.MIN_BUCKETS = 8 if few else 256
    folder = scratch()
    try:
        history(folder / "x.cfdb", steps)
    finally:
        growth.MIN_BUCKETS = original
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def history(path: Path, steps: list[tuple]) -> None:
    committed: dict[str, bytes] = {}
    metadata = None
    copy = WorkingCopy.open(path, "n")
    current = dict(committed)
    for step, *arguments in steps:
        if step == "set":
            copy.set(*arguments)
            current[arguments[0]] = arguments[1]
        elif step == "delete":
            assert copy.delete_many(arguments) == (arguments[0] in current)
            current.pop(arguments[0], None)
        elif step == "rollback":
            copy.rollback()
            current = dict(committed)
        else:
            copy.commit()
            committed = dict(current)
            if step == "compact":
                copy.compact()
            elif step == "reopen":
                copy.close()
                copy = WorkingCopy.open(path, random.Random(len(current)).choice("wc"))  # type: ignore[arg-type]
            elif step.startswith("plain"):
                copy.close()
                metadata = plain(path, step, arguments, committed, metadata)
                current = dict(committed)
                copy = WorkingCopy.open(path, "w")
        assert {key: copy.get(key) for key in copy} == current
        assert len(copy) == len(current)
        assert copy.get_metadata() == metadata
    copy.close()
    book = booklet.open(path, "r")
    assert dict(book.items()) == committed == {key: book[key] for key in committed}
    assert len(book) == len(committed)
    book.close()


def plain(path: Path, step: str, arguments: list, expected: dict[str, bytes], metadata: object) -> object:
    book = booklet.open(path, "w")
    if step == "plain set":
        book[arguments[0]] = arguments[1]
        expected[arguments[0]] = arguments[1]
    elif step == "plain delete" and arguments[0] in expected:
        del book[arguments[0]]
        del expected[arguments[0]]
    elif step == "plain prune":
        book.prune()
    elif step == "plain metadata":
        metadata = {"n": arguments[0] % 2**50}
        book.set_metadata(metadata)
    book.close()
    return json.loads(json.dumps(metadata))


def test_rows_edited_by_plain_booklet_become_own_edits_and_vanished_ones_tombstones(path: Path) -> None:
    with WorkingCopy.open(path, "n") as copy:
        copy.set_many(Write(f"k/{n}", b"remote" * n, version=100 + n, note=b"n") for n in range(1, 6))
        copy.set("own", b"1")
        copy.commit()
    book = booklet.open(path, "w")
    book["k/1"] = b"edited"
    book["k/2"] = b"remote" * 2
    del book["k/3"]
    del book["own"]
    book["added"] = b"new"
    book.close()
    for flag in ("r", "w", "r"):
        with WorkingCopy.open(path, flag) as copy:  # type: ignore[arg-type]
            rows = {row.key: (row.version, row.deleted, row.note) for row in copy.iter_rows()}
            assert rows == {
                "k/1": (0, False, b""),
                "k/2": (102, False, b"n"),
                "k/3": (103, True, b"n"),
                "k/4": (104, False, b"n"),
                "k/5": (105, False, b"n"),
                "added": (0, False, b""),
            }
            assert sorted(row.key for row in copy.pending()) == ["added", "k/1", "k/3"]
