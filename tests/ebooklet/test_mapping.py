"""The dictionary: values, serializers, timestamps, transactions, threads."""

import gc
import pickle
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import booklet
import pytest

import ebooklet
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore


@pytest.fixture
def store() -> CountingStore:
    return CountingStore(MemoryStore())


@pytest.fixture
def conn(store: CountingStore) -> StoreConnection:
    return StoreConnection("db.blt", store)


@pytest.fixture
def db(conn: StoreConnection, tmp_path: Path) -> Iterator[ebooklet.EBooklet]:
    with ebooklet.open(conn, tmp_path / "db.blt", "c", value_serializer="json") as db:
        yield db


def published(conn: StoreConnection, folder: Path, data: dict[str, object], serializer: str = "json") -> None:
    with ebooklet.open(conn, folder / "publisher.blt", "c", value_serializer=serializer) as db:
        db.update(data)
        db.push()


def test_it_is_a_dictionary(db: ebooklet.EBooklet) -> None:
    db["a"] = [1, 2]
    db.update({"b": "two"}, c=None)
    db.update([("d", 4)])
    assert dict(db) == {"a": [1, 2], "b": "two", "c": None, "d": 4}
    assert db.setdefault("a", 9) == [1, 2]
    assert db.pop("d") == 4
    assert db.get("d") is None
    assert db.get("d", 7) == 7
    assert "a" in db
    assert 5 not in db
    assert sorted(db.keys()) == ["a", "b", "c"]
    assert len(db.items()) == len(db.values()) == len(db) == 3
    assert ("b", "two") in db.items()
    assert list(db.get_items(["c", "nope", "a"], default=0)) == [("c", None), ("nope", 0), ("a", [1, 2])]
    with pytest.raises(KeyError, match="nope"):
        db["nope"]
    with pytest.raises(KeyError):
        del db["nope"]
    db.clear()
    assert len(db) == 0
    assert list(db) == []


@pytest.mark.parametrize(("key", "error"), [(1, TypeError), (b"bytes", TypeError), ("", ValueError)])
def test_keys_are_texts(db: ebooklet.EBooklet, key: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="key"):
        db[key] = 1  # type: ignore[index]


def test_values_without_a_serializer_are_bytes(conn: StoreConnection, tmp_path: Path) -> None:
    with ebooklet.open(conn, tmp_path / "db", "c") as db:
        db["a"] = b"bytes"
        for value in ([1], 5, "text", None):
            with pytest.raises(TypeError, match=r"'b'.*value_serializer"):
                db["b"] = value
        assert dict(db.items()) == {"a": b"bytes"}


@pytest.mark.parametrize("name", ["json", "str", "msgpack", "pickle", "orjson", "msgpack_zstd"])
def test_serializers_are_those_of_booklet(name: str, conn: StoreConnection, tmp_path: Path) -> None:
    value = "text" if name == "str" else {"a": [1, "two"]}
    with ebooklet.open(conn, tmp_path / "db", "c", value_serializer=name) as db:
        db["k"] = value
        db.push()
    with booklet.open(tmp_path / "db") as plain:
        assert plain["k"] == value
    with ebooklet.open(conn, tmp_path / "other") as other:
        assert other["k"] == value


class Upper:
    @staticmethod
    def dumps(value: str) -> bytes:
        return value.upper().encode()

    @staticmethod
    def loads(data: bytes) -> str:
        return data.decode()


def test_an_object_with_dumps_and_loads_is_a_serializer(conn: StoreConnection, tmp_path: Path) -> None:
    with ebooklet.open(conn, tmp_path / "db", "c", value_serializer=Upper) as db:
        db["k"] = "abc"
        assert db["k"] == "ABC"
        db.push()
    with ebooklet.open(conn, tmp_path / "other") as other:
        assert other["k"] == b"ABC"
    with pytest.raises(TypeError, match="dumps and loads"):
        ebooklet.open(conn, tmp_path / "third", "c", value_serializer=object())


class Exploding:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("executed",))


def test_a_remote_cannot_make_us_execute_anything(
    conn: StoreConnection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ebooklet.open(conn, tmp_path / "db", "c", value_serializer="pickle") as db:
        db["plain"] = ["one", 2, {"three": None}]
        db["evil"] = Exploding()
        db.push()
    with ebooklet.open(conn, tmp_path / "other") as db:
        assert db["plain"] == ["one", 2, {"three": None}]
        with pytest.raises(ebooklet.UntrustedFileError, match=r"'evil'.*print.*value_serializer='pickle'"):
            db["evil"]
    assert capsys.readouterr().out == ""
    with ebooklet.open(conn, tmp_path / "other", value_serializer="pickle") as db:
        assert db["evil"] is None
    assert capsys.readouterr().out == "executed\n"


def test_another_serializer_than_the_file_has_is_refused(conn: StoreConnection, tmp_path: Path) -> None:
    published(conn, tmp_path, {"a": 1})
    for path in ("publisher.blt", "fresh"):
        with pytest.raises(ValueError, match=r"'json'.*'pickle'"):
            ebooklet.open(conn, tmp_path / path, "w", value_serializer="pickle")
    assert pickle.dumps  # the name is data, asking for it is not enough


def test_timestamps(db: ebooklet.EBooklet, conn: StoreConnection, tmp_path: Path) -> None:
    before = datetime.now(UTC).timestamp() * 1e6
    db["now"] = 1
    db.set("then", 2, timestamp="2020-01-01T00:00:00+00:00")
    assert db.get_timestamp("now") >= before
    assert db.get_timestamp("then", include_value=True) == (1577836800000000, 2)
    assert db.get_timestamp("then", include_value=True, decode_value=False) == (1577836800000000, b"2")
    assert db.get_timestamp("never", default="?") == "?"
    db.set_timestamp("now", datetime(2021, 1, 1, tzinfo=UTC))
    expected = {"now": 1609459200000000, "then": 1577836800000000}
    assert dict(db.timestamps()) == expected
    db.push()
    with ebooklet.open(conn, tmp_path / "other") as other:
        assert dict(other.timestamps()) == expected
        assert sorted(other.timestamps(include_value=True)) == [
            ("now", expected["now"], 1),
            ("then", expected["then"], 2),
        ]
    with pytest.raises(ValueError, match="time zone"):
        db.set("naive", 1, timestamp="2020-01-01")


def test_metadata_travel_with_the_push(db: ebooklet.EBooklet, conn: StoreConnection, tmp_path: Path) -> None:
    assert db.get_metadata() is None
    db.set_metadata({"title": "x"}, timestamp=5)
    assert db.get_metadata() == {"title": "x"}
    assert db.changes()
    assert "metadata changed" in str(db.changes())
    db.push()
    assert not db.changes()
    with ebooklet.open(conn, tmp_path / "other") as other:
        value, when = other.get_metadata(include_timestamp=True)
    assert value == {"title": "x"}
    assert when > 0
    db.set_metadata([1])
    db.changes().discard()
    assert db.get_metadata() == {"title": "x"}
    with booklet.open(tmp_path / "other") as plain:
        assert plain.get_metadata() is None


# ---- transactions ------------------------------------------------------------------------------------------------


def test_an_exception_rolls_back_to_the_last_sync(conn: StoreConnection, tmp_path: Path) -> None:
    with (
        pytest.warns(UserWarning, match=r"ZeroDivisionError.*2 changes.*sync\(\)"),
        pytest.raises(ZeroDivisionError),
        ebooklet.open(conn, tmp_path / "db", "c", value_serializer="json") as db,
    ):
        db["kept"] = 1
        db.sync()
        db["a"] = 2
        del db["kept"]
        1 / 0  # noqa: B018
    with ebooklet.open(conn, tmp_path / "db") as db:
        assert dict(db.items()) == {"kept": 1}


def test_on_error_keep_commits_locally(conn: StoreConnection, tmp_path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        ebooklet.open(conn, tmp_path / "db", "c", value_serializer="json", on_error="keep") as db,
    ):
        db["a"] = 2
        1 / 0  # noqa: B018
    with ebooklet.open(conn, tmp_path / "db") as db:
        assert dict(db.items()) == {"a": 2}
    with pytest.raises(ValueError, match="on_error"):
        ebooklet.open(conn, tmp_path / "db", "c", on_error="ignore")


def test_an_exception_caught_inside_changes_nothing(db: ebooklet.EBooklet) -> None:
    db["a"] = 1
    with pytest.raises(KeyError):
        db["b"]
    assert db["a"] == 1


def test_an_exception_with_nothing_written_warns_of_nothing(conn: StoreConnection, tmp_path: Path) -> None:
    with warnings.catch_warnings(), pytest.raises(KeyError), ebooklet.open(conn, tmp_path / "db", "c") as db:
        warnings.simplefilter("error")
        db["missing"]


def test_forgetting_to_close_rolls_back_and_says_so(conn: StoreConnection, tmp_path: Path) -> None:
    db = ebooklet.open(conn, tmp_path / "db", "c", value_serializer="json")
    db["a"] = 1
    with pytest.warns(ResourceWarning, match="1 changes were dropped"):
        del db
        gc.collect()
    with ebooklet.open(conn, tmp_path / "db") as db:
        assert len(db) == 0


def test_close_commits_and_never_pushes(conn: StoreConnection, store: CountingStore, tmp_path: Path) -> None:
    db = ebooklet.open(conn, tmp_path / "db", "c", value_serializer="json")
    db["a"] = 1
    db.close()
    db.close()
    assert store.counts.requests == {"get": 1}
    for use in (lambda: db["a"], lambda: len(db), lambda: list(db), lambda: db.push(), lambda: db.set("a", 1), db.pull):
        with pytest.raises(ebooklet.ClosedError, match="closed"):
            use()
    assert "closed" in repr(db)


def test_a_reader_refuses_to_write(conn: StoreConnection, tmp_path: Path) -> None:
    published(conn, tmp_path, {"a": 1})
    with ebooklet.open(conn, tmp_path / "db") as db:
        assert not db.writable
        for use in (
            lambda: db.set("a", 1), lambda: db.update(a=1), lambda: db.__delitem__("a"), db.clear, db.push, db.prune,
            db.delete_remote, db.changes().discard, lambda: db.set_metadata(1), db.changes().push,
        ):  # fmt: skip
            with pytest.raises(ebooklet.ReadOnlyError, match="flag 'r'"):
                use()


def test_prune_frees_space_and_keeps_own_edits(conn: StoreConnection, tmp_path: Path) -> None:
    published(conn, tmp_path, {f"k{n}": "x" * 5000 for n in range(40)})
    with ebooklet.open(conn, tmp_path / "db", "w") as db:
        db.load_items()
        for n in range(5):
            db["own"] = str(n) * 100_000
        db.sync()
        size = (tmp_path / "db").stat().st_size
        freed = db.prune()
        assert freed > 300_000
        assert (tmp_path / "db").stat().st_size == size - freed
        assert all(db.is_local(list(db)))
        db.prune(timestamp="2100-01-01T00:00:00+00:00")
        assert (tmp_path / "db").stat().st_size < 130_000
        assert db.is_local(["own", "k1"]) == [True, False]
        assert db["own"] == "4" * 100_000
        assert db["k1"] == "x" * 5000
        assert len(db.changes()) == 1


# ---- threads -----------------------------------------------------------------------------------------------------


def test_a_value_is_fetched_once_however_many_ask(tmp_path: Path) -> None:
    gate, asked = threading.Barrier(8), []

    class Slow(MemoryStore):
        def get_range(self, key: str, start: int, length: int) -> bytes:
            asked.append(key)
            threading.Event().wait(0.05)
            return super().get_range(key, start, length)

    conn = StoreConnection("db.blt", Slow())
    published(conn, tmp_path, {"a": "x" * 1000})

    with ebooklet.open(conn, tmp_path / "db") as db, ThreadPoolExecutor(8) as pool:

        def read(_: int) -> object:
            gate.wait()
            return db["a"]

        assert set(pool.map(read, range(8))) == {"x" * 1000}
    assert len(asked) == 1


def test_threads_read_and_write_one_handle(conn: StoreConnection, tmp_path: Path) -> None:
    data = {f"k{n}": "x" * n for n in range(300)}
    published(conn, tmp_path, data)
    with ebooklet.open(conn, tmp_path / "db", "w") as db, ThreadPoolExecutor(6) as pool:

        def work(part: int) -> None:
            for n in range(part, 300, 6):
                assert db[f"k{n}"] == data[f"k{n}"]
                db[f"k{n}"] = db[f"k{n}"] + "!"
                assert db[f"k{299 - n}"].rstrip("!") == data[f"k{299 - n}"]

        list(pool.map(work, range(6)))
        assert dict(db.items()) == {k: v + "!" for k, v in data.items()}
        assert len(db.changes()) == 300
        db.push()
    with ebooklet.open(conn, cache=None) as db:
        assert dict(db.items()) == {k: v + "!" for k, v in data.items()}


# ---- how a person sees it ----------------------------------------------------------------------------------------


def test_load_items_reports_progress_and_failures(conn: StoreConnection, store: CountingStore, tmp_path: Path) -> None:
    published(conn, tmp_path, {f"k{n}": "x" * 1000 for n in range(100)})
    seen: list[tuple[int, int]] = []
    with ebooklet.open(conn, tmp_path / "db") as db:
        assert db.load_items(["k1", "nope"]) == {}
        assert db.load_items(progress=lambda done, total: seen.append((done, total))) == {}
        assert seen[-1][0] == seen[-1][1] > 90_000
        before = store.counts.total
        assert db.load_items() == {}
        assert store.counts.total == before
    with ebooklet.open(conn, tmp_path / "other") as db:
        for meta in list(store.list("db.blt.objects/")):
            store.delete(meta.key)
        failures = db.load_items(["k1", "k2"])
        assert set(failures) == {"k1", "k2"}
        with pytest.raises(ebooklet.RemoteIntegrityError):
            db["k1"]
