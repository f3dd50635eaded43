"""What every chunk store must do; derive from `ChunkStoreKit` and give a `store` fixture."""

import threading
from typing import Any

import pytest

from cfdb.errors import ClosedError
from cfdb.storage.protocol import ChunkStore, ChunkWrite, Stored


def write(key: str, payload: bytes, note: bytes = b"", tail: bytes = b"") -> ChunkWrite:
    return ChunkWrite(key, payload, tail=tail, note=note)


class ChunkStoreKit:
    """The conformance tests; `store` is a new, empty, writable store."""

    @pytest.fixture
    def store(self) -> Any:
        raise NotImplementedError

    def test_a_key_never_written_is_none(self, store: ChunkStore) -> None:
        assert store.get("abcdefgh/0.0") is None
        assert store.get_many(["abcdefgh/0.0", "abcdefgh/0.1"]) == [None, None]
        assert store.has(["abcdefgh/0.0"]) == [False]
        assert store.sizes(["abcdefgh/0.0"]) == [None]
        assert store.notes(["abcdefgh/0.0"]) == [None]

    def test_a_value_comes_back_without_its_tail(self, store: ChunkStore) -> None:
        store.set_many([write("v/0", b"payload", note=b"note", tail=b"T" * 32)])
        assert store.get("v/0") == b"payload"
        assert store.sizes(["v/0"]) == [7]
        assert store.notes(["v/0"]) == [b"note"]
        assert store.has(["v/0", "v/1"]) == [True, False]

    def test_buffers_of_every_kind_are_accepted(self, store: ChunkStore) -> None:
        store.set_many([ChunkWrite("a", bytearray(b"one")), ChunkWrite("b", memoryview(b"two"))])
        assert store.get_many(["a", "b"]) == [b"one", b"two"]

    def test_an_empty_payload_is_a_value(self, store: ChunkStore) -> None:
        store.set_many([write("v/0", b"")])
        assert store.get("v/0") == b""
        assert store.has(["v/0"]) == [True]

    def test_values_come_in_the_order_asked_and_may_repeat(self, store: ChunkStore) -> None:
        store.set_many([write(f"v/{i}", str(i).encode()) for i in range(20)])
        asked = [f"v/{i}" for i in (7, 3, 3, 19, 99, 0)]
        assert store.get_many(asked) == [b"7", b"3", b"3", b"19", None, b"0"]

    def test_the_last_write_wins(self, store: ChunkStore) -> None:
        store.set_many([write("v/0", b"old", note=b"1")])
        store.set_many([write("v/0", b"newer", note=b"2")])
        assert store.get("v/0") == b"newer"
        assert store.notes(["v/0"]) == [b"2"]

    def test_deleted_keys_are_gone_and_missing_ones_are_passed_over(self, store: ChunkStore) -> None:
        store.set_many([write("v/0", b"x"), write("v/1", b"y")])
        store.delete(["v/0", "v/nothing"])
        assert store.get_many(["v/0", "v/1"]) == [None, b"y"]
        assert list(store.keys("v/")) == ["v/1"]

    def test_a_deleted_key_can_be_written_again(self, store: ChunkStore) -> None:
        store.set_many([write("v/0", b"x")])
        store.commit()
        store.delete(["v/0"])
        store.set_many([write("v/0", b"again")])
        assert store.get("v/0") == b"again"

    def test_keys_are_found_by_prefix(self, store: ChunkStore) -> None:
        store.set_many([write(key, b"x") for key in ("a/0.0", "a/0.1", "ab/0", "b/0")])
        assert sorted(store.keys("a/")) == ["a/0.0", "a/0.1"]
        assert sorted(store.keys()) == ["a/0.0", "a/0.1", "ab/0", "b/0"]

    def test_notes_change_without_touching_values(self, store: ChunkStore) -> None:
        store.set_many([write("v/0", b"x", note=b"old")])
        store.set_notes({"v/0": b"new", "v/absent": b"n"})
        assert store.notes(["v/0", "v/absent"]) == [b"new", None]
        assert store.get("v/0") == b"x"

    def test_rollback_returns_to_the_last_commit_and_counts(self, store: ChunkStore) -> None:
        store.set_many([write("v/0", b"kept", note=b"n"), write("v/1", b"kept too")])
        store.commit()
        store.set_many([write("v/0", b"dropped"), write("v/2", b"dropped")])
        store.delete(["v/1"])
        assert store.rollback() == 3
        assert store.get_many(["v/0", "v/1", "v/2"]) == [b"kept", b"kept too", None]
        assert store.notes(["v/0"]) == [b"n"]
        assert store.rollback() == 0

    def test_restoring_drops_what_came_after_a_savepoint(self, store: ChunkStore) -> None:
        store.set_many([write("a/0", b"committed"), write("a/1", b"committed")])
        store.commit()
        store.set_many([write("a/2", b"before")])
        store.delete(["a/1"])
        point = store.savepoint()
        store.set_many([write("a/0", b"after"), write("a/1", b"after"), write("a/2", b"after"), write("a/3", b"after")])
        store.delete(["a/2"])
        for _ in range(2):
            store.restore(point)
            assert [store.get(f"a/{n}") for n in range(4)] == [b"committed", None, b"before", None]
            store.set_many([write("a/3", b"once more")])
        store.restore(point)
        store.commit()
        assert sorted(store.keys("a/")) == ["a/0", "a/2"]
        store.set_many([write("a/0", b"new")])
        assert store.rollback() == 1
        assert store.get("a/0") == b"committed"

    def test_a_store_stays_usable_after_rollback(self, store: ChunkStore) -> None:
        store.set_many([write("v/0", b"dropped")])
        store.rollback()
        store.set_many([write("v/0", b"kept")])
        store.commit()
        assert store.rollback() == 0
        assert store.get("v/0") == b"kept"

    def test_prefetched_keys_are_local(self, store: ChunkStore) -> None:
        store.set_many([write("v/0", b"x")])
        store.prefetch(["v/0", "v/1"])
        assert store.local(["v/0"]) == [True]

    def test_what_arrives_is_what_was_asked_for_or_all_is_near(self, store: ChunkStore) -> None:
        keys = ["v/1", "v/missing", "v/0", "v/1"]
        store.set_many([ChunkWrite("v/0", b"zero"), ChunkWrite("v/1", b"one")])
        arriving = store.stream(iter(keys))
        if arriving is None:
            assert all(store.local(keys))
            return
        found = dict(pair for numbers, values in arriving for pair in zip(numbers, values, strict=True))
        assert [found[number] for number in range(4)] == [b"one", None, b"zero", b"one"]

    def test_what_is_stored_under_a_prefix_is_counted(self, store: ChunkStore) -> None:
        store.set_many([ChunkWrite(key, key.encode() * 3, tail=b"tail") for key in ("v/0", "v/1", "v/10", "vv/0")])
        store.commit()
        store.set_many([ChunkWrite("v/1", b"longer than before"), ChunkWrite("v/2", b"new")])
        store.delete(["v/10"])
        assert store.stored("v/") == Stored(3, 9 + 18 + 3, 3, 9 + 18 + 3)
        assert store.stored("missing/") == Stored(0, 0, 0, 0)

    def test_pruning_keeps_every_value_and_loses_what_is_gone(self, store: ChunkStore) -> None:
        store.set_many([write(f"v/{number}", bytes([number]) * 50_000, note=b"n") for number in range(8)])
        store.commit()
        store.set_many([write("v/0", b"new", note=b"m", tail=b"T" * 32), write("w/0", b"not committed yet")])
        store.delete([f"v/{number}" for number in range(1, 6)])
        freed = store.prune()
        assert freed == 0 or freed > 6 * 49_000
        assert sorted(store.keys("")) == ["v/0", "v/6", "v/7", "w/0"]
        assert store.get_many(["v/0", "v/6", "v/1", "w/0"]) == [b"new", bytes([6]) * 50_000, None, b"not committed yet"]
        assert store.notes(["v/0", "v/7"]) == [b"m", b"n"]
        assert store.rollback() == 0
        store.set_many([write("v/1", b"again")])
        store.commit()
        assert store.get("v/1") == b"again"
        assert 0 <= store.prune() < 10_000

    def test_guards_are_accepted(self, store: ChunkStore) -> None:
        store.guard("abcdefgh/", ["v/temperature", "d/time"])

    def test_threads_read_and_write_side_by_side(self, store: ChunkStore) -> None:
        store.set_many([write("shared/0", b"a" * 1000)])
        wrong: list[object] = []

        def work(number: int) -> None:
            try:
                for i in range(30):
                    store.set_many([write("shared/0", bytes([97 + number]) * 1000), write(f"own/{number}.{i}", b"x")])
                    value = store.get("shared/0")
                    if value is None or len(value) != 1000 or len(set(value)) != 1:
                        wrong.append(value)
            except Exception as error:
                wrong.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert len(list(store.keys("own/"))) == 120

    def test_a_closed_store_says_so(self, store: ChunkStore) -> None:
        store.close()
        with pytest.raises(ClosedError):
            store.get("v/0")
        with pytest.raises(ClosedError):
            store.set_many([write("v/0", b"x")])
        store.close()
