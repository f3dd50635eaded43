"""Scripts made for the released package find its names, parameters in their order, and defaults."""

import inspect
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

import ebooklet
from ebooklet import compat
from ebooklet.changes import Changes
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "upstream-ebooklet-names.md"
ROWS = re.findall(r"^\| `([\w.]+)` \| (\w[\w ]*) \|(.*)\|$", PAGE.read_text(), re.M)

OPENING = (
    "value_serializer=None, n_buckets=12007, buffer_size=4194304, num_groups=None, lock_timeout=300, force_lock=False,"
    " offline=False, push_packers=1"
)
#: The released package's signatures, without `self`.
SIGNATURES = {
    "S3Connection": "access_key_id=None, access_key=None, db_key=None, bucket=None, endpoint_url=None, db_url=None,"
    " threads=10, read_timeout=60, retries=3",
    "S3Connection.to_dict": "",
    "S3Connection.dumps": "",
    "open_ebooklet": f"remote_conn, file_path, flag='r', {OPENING}",
    "open_rcg": f"remote_conn, file_path, flag='r', {OPENING.removeprefix('value_serializer=None, ')}",
    "EVariableLengthValue.get": "key, default=None",
    "EVariableLengthValue.timestamps": "include_value=False",
    "EVariableLengthValue.get_items": "keys, default=None",
    "EVariableLengthValue.get_timestamp": "key, include_value=False, decode_value=True, default=None",
    "EVariableLengthValue.set": "key, value, timestamp=None, encode_value=True",
    "EVariableLengthValue.set_metadata": "data, timestamp=None",
    "EVariableLengthValue.get_metadata": "include_timestamp=False",
    "EVariableLengthValue.set_timestamp": "key, timestamp",
    "EVariableLengthValue.load_items": "keys=None",
    "EVariableLengthValue.map": "func, keys=None, n_workers=None",
    "EVariableLengthValue.prune": "timestamp=None",
    "EVariableLengthValue.clear": "",
    "EVariableLengthValue.sync": "",
    "EVariableLengthValue.close": "",
    "EVariableLengthValue.changes": "",
    "EVariableLengthValue.delete_remote": "",
    "EVariableLengthValue.copy_remote": "remote_conn",
    "Change.iter_changes": "",
    "Change.build_changelog": "",
    "Change.discard": "keys=None",
    "Change.pull": "",
    "Change.push": "force_push=False",
    "RemoteConnGroup.add": "remote_conn, key=None, user_meta=None",
    "PushResult": "updated, failures",
    "fsck": "remote_conn, delete_orphans=False, min_age=datetime.timedelta(days=1), check_objects=False,"
    " lock_timeout=60",
}
#: They mean nothing in files of this format, and None says so.
IGNORED = {"n_buckets", "buffer_size"}
ERRORS = {
    "ReadOnlyError": ValueError,
    "UUIDMismatchError": ValueError,
    "RemoteMissingError": ValueError,
    "UnsupportedFormatError": ValueError,
    "GroupTooLargeError": ValueError,
    "PushInProgressError": RuntimeError,
    "ConcurrentCompactionError": RuntimeError,
    "LockLostError": Exception,
    "OfflineError": Exception,
    "RemoteIntegrityError": Exception,
}


def parameters(text: str) -> list[tuple[str, str | None]]:
    pairs = [part.partition("=") for part in text.split(", ") if part]
    return [(name, default if equals else None) for name, equals, default in pairs]


@pytest.mark.parametrize(("name", "signature"), SIGNATURES.items())
def test_parameters_have_their_names_order_and_defaults(name: str, signature: str) -> None:
    own = list(inspect.signature(attrgetter(name)(ebooklet)).parameters.values())
    if "." in name:
        own = own[1:]
    wanted = parameters(signature)
    assert [one.name for one in own[: len(wanted)]] == [one for one, _ in wanted]
    for one, (parameter, default) in zip(own, wanted, strict=False):
        assert one.kind is one.POSITIONAL_OR_KEYWORD
        if default is not None and parameter not in IGNORED:
            assert repr(one.default) == default
    for further in own[len(wanted) :]:
        assert further.default is not further.empty or further.kind is further.VAR_KEYWORD


@pytest.mark.parametrize(("name", "base"), ERRORS.items())
def test_errors_are_caught_by_what_caught_them(name: str, base: type[Exception]) -> None:
    assert issubclass(getattr(ebooklet, name), base)
    assert issubclass(getattr(ebooklet, name), ebooklet.Error)


def exists(name: str) -> bool:
    owner, _, attribute = name.rpartition(".")
    if owner == "ebooklet":
        return hasattr(ebooklet, attribute)
    place = getattr(ebooklet, owner)
    return hasattr(place, attribute) or attribute in getattr(place, "__dataclass_fields__", {})


def test_the_table_is_read() -> None:
    assert len(ROWS) > 80
    assert {state for _, state, _ in ROWS} <= {"same", "extended", "changed", "left out"}
    assert not [name for name, state, why in ROWS if state in ("changed", "left out") and len(why) < 10]
    documented = {name.removeprefix("ebooklet.") for name, _, _ in ROWS}
    assert {name for name in SIGNATURES if name != "PushResult"} <= documented


@pytest.mark.parametrize(("name", "state"), [(name, state) for name, state, _ in ROWS])
def test_a_name_is_there_unless_it_is_left_out(name: str, state: str) -> None:
    assert exists(name) is (state != "left out")


@pytest.mark.parametrize(("name", "alias"), compat.NAMES.items())
def test_an_alias_is_what_it_stands_for(name: str, alias: compat.Alias) -> None:
    assert attrgetter(name)(ebooklet) is attrgetter(alias.path)(import_module(alias.module))
    assert len(alias.why) > 10


def test_no_alias_is_kept_anywhere_else() -> None:
    homes = list(ebooklet._HOMES.values())
    assert len(homes) == len(set(homes))
    assert not set(compat.NAMES) & set(ebooklet._HOMES)
    assert {name for name in compat.NAMES if "." not in name} <= set(ebooklet.__all__)


def test_the_release_is_that_of_cfdb() -> None:
    cfdb = import_module("cfdb")
    assert ebooklet.__version__ == cfdb.__version__


# ---- what they do ------------------------------------------------------------------------------------------------


@pytest.fixture
def conn() -> StoreConnection:
    return StoreConnection("db.blt", MemoryStore())


@pytest.fixture
def db(conn: StoreConnection, tmp_path: Path) -> Iterator[ebooklet.EBooklet]:
    with ebooklet.open(conn, tmp_path / "db.blt", "c", value_serializer="json") as db:
        yield db


def test_changes_answer_like_dicts_and_are_built_again(db: ebooklet.EBooklet) -> None:
    db.set("a", 1, timestamp=datetime(2024, 5, 1, tzinfo=UTC))
    db.push()
    db.set("a", 2, timestamp=datetime(2024, 5, 2, tzinfo=UTC))
    changes = db.changes()
    (record,) = changes.iter_changes()
    assert record["key"] == "a"
    assert record["remote_timestamp"] == datetime(2024, 5, 1, tzinfo=UTC)
    assert record["local_timestamp"] == datetime(2024, 5, 2, tzinfo=UTC)
    db["b"] = 3
    assert len(changes) == 1
    changes.build_changelog()
    assert [each["key"] for each in changes.iter_changes()] == ["a", "b"]
    assert changes.push(True).updated
    assert isinstance(changes, Changes)


def test_timestamps_clearing_and_pruning_are_parts_of_the_transaction(db: ebooklet.EBooklet) -> None:
    db.update(a=1, b=2)
    db.sync()
    before = dict(db.timestamps())
    db.set_timestamp("a", "2024-05-01T00:00:00+00:00")
    assert db.get_timestamp("a", include_value=True) == (1_714_521_600_000_000, 1)
    db.clear()
    assert len(db) == 0
    db.rollback()
    assert dict(db.timestamps()) == before
    db["big"] = "x" * 100_000
    db.sync()
    del db["big"]
    assert db.prune() > 90_000
    assert dict(db) == {"a": 1, "b": 2}


def test_who_holds_no_lease_has_no_lock(conn: StoreConnection, db: ebooklet.EBooklet, tmp_path: Path) -> None:
    assert db.lock is None
    assert db.group_bytes == ebooklet.DEFAULT_GROUP_BYTES
    with ebooklet.open(conn, tmp_path / "other.blt", "c", lock=True, group_bytes=1 << 20) as other:
        assert other.lock is not None
        assert other.group_bytes == 1 << 20


def test_batches_are_known_by_other_names(db: ebooklet.EBooklet) -> None:
    assert db.batch_create({"a": 1, "b": 2, "c": 3}).ok
    assert db.batch_read(["c", "x", "a"], default=0) == [3, 0, 1]
    assert db.batch_delete(["a", "b"]).ok
    assert list(db) == ["c"]


def tenfold(key: str, value: int) -> tuple[str, int] | None:
    return (key.upper(), value * 10) if value % 2 else None


def test_values_are_mapped_in_processes_and_without(db: ebooklet.EBooklet) -> None:
    db.update({f"k{number}": number for number in range(30)})
    expected = {f"K{number}": number * 10 for number in range(1, 30, 2)}
    assert list(db.map(tenfold, n_workers=0)) == [tenfold(*pair) for pair in db.items() if pair[1] % 2]
    assert dict(db.map(tenfold, n_workers=2)) == expected
    assert dict(db.map(tenfold, ["k3", "k4"], 0)) == {"K3": 30}


def test_a_map_that_cannot_work_says_why(db: ebooklet.EBooklet) -> None:
    db["a"] = 1
    with pytest.raises(TypeError, match="n_workers=0"):
        db.map(lambda key, value: None, n_workers=1)
    with pytest.raises(ValueError, match="n_workers=-1"):
        db.map(tenfold, n_workers=-1)
    wrong: Any = lambda key, value: value  # noqa: E731
    with pytest.raises(TypeError, match="a pair of key and value"):
        list(db.map(wrong, n_workers=0))


def test_a_map_takes_values_as_workers_can(db: ebooklet.EBooklet) -> None:
    taken = []

    def items() -> Iterator[tuple[str, int]]:
        for number in range(100):
            taken.append(number)
            yield str(number), 1

    found = import_module("ebooklet.mapped").map_items(tenfold, items(), 1)
    next(found)
    assert len(taken) <= 4
    found.close()
