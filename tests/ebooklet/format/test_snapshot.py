"""Root and snapshot: what they say comes back, and nothing else is believed."""

import random
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import msgpack
import pytest

from ebooklet.errors import CorruptFileError, EBookletError, UnsupportedFormatError
from ebooklet.format.checksum import digest
from ebooklet.format.columns import compress
from ebooklet.format.frame import seal, unseal
from ebooklet.format.names import check_database_key, object_text, objects_prefix
from ebooklet.format.snapshot import INLINE, ROOT_MAGIC, Pack, Root, Snapshot, SnapshotRef
from ebooklet.format.table import NO_PAGE, PageRef, Row, Table

DATA = Path(__file__).parents[2] / "data" / "remote-1"


def example() -> tuple[Root, Snapshot]:
    pages: dict[bytes, bytes] = {}

    def write(blob: bytes) -> PageRef:
        pages[digest(blob)] = blob
        return PageRef(INLINE, 0, len(blob), digest(blob))

    rows = [Row(f"abcdefgh/{n}", 100 * n, 90, n) for n in range(50)]
    _, directory = Table.empty(4096, single_rows=8192).updated(rows).flushed(write, lambda blob: NO_PAGE)
    snapshot = Snapshot(
        id=bytes(range(16)),
        parent=SnapshotRef(b"p" * 16, 10, 20, b"d" * 16),
        parent_id=b"q" * 16,
        time=1_700_000_000_000_000,
        message="first light",
        metadata=b'{"a": 1}',
        metadata_time=5,
        packs=(Pack(b"n" * 16, 5000, 4900, 100, b"c" * 16, 50, 4500), None),
        directory=directory,
        pages=pages,
    )
    data = snapshot.encode()
    root = Root(
        uuid=UUID(int=7),
        kind="cfdb",
        serializer="bytes",
        snapshot=data,
        ref=SnapshotRef(b"n" * 16, 5000, len(data), digest(data)),
        commits=(bytes(range(16)), b"q" * 16),
        tags={"v1": SnapshotRef(b"p" * 16, 10, 20, b"d" * 16)},
        inline={"ds": b"structure"},
        copied_from=UUID(int=8),
    )
    return root, snapshot


def plain(root: Root) -> dict[str, object]:
    """The fields of a root, to be changed."""
    return dict(unseal(ROOT_MAGIC, "the root", root.encode())._fields)


def test_root_and_snapshot_come_back() -> None:
    root, snapshot = example()
    assert Root.decode(root.encode()) == root
    assert Snapshot.decode(root.snapshot) == snapshot
    assert Root.decode(replace(root, ref=None, copied_from=None).encode()).ref is None


def test_an_unknown_required_feature_refuses_by_name() -> None:
    root, snapshot = example()
    with pytest.raises(UnsupportedFormatError, match="time-travel"):
        Root.decode(replace(root, requires=("time-travel",)).encode())
    with pytest.raises(UnsupportedFormatError, match="time-travel"):
        Snapshot.decode(replace(snapshot, requires=("time-travel",)).encode())


def test_an_unknown_used_feature_is_named() -> None:
    root, snapshot = example()
    data = replace(snapshot, uses=("colours",)).encode()
    ref = SnapshotRef(b"n" * 16, 5000, len(data), digest(data))
    found = Root.decode(replace(root, snapshot=data, ref=ref, uses=("smells",)).encode())
    assert found.unknown_uses == ("colours", "smells")
    assert root.unknown_uses == ()


def test_a_newer_format_is_named() -> None:
    data = bytearray(example()[0].encode())
    data[4] = 9
    with pytest.raises(UnsupportedFormatError, match="format 9"):
        Root.decode(data)


def test_mutated_records_are_refused() -> None:
    root, _ = example()
    chance = random.Random(5)
    for whole, decode in [(root.encode(), Root.decode), (root.snapshot, Snapshot.decode)]:
        for _ in range(1500):
            data = bytearray(whole)
            match chance.randrange(3):
                case 0:
                    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
                case 1:
                    del data[chance.randrange(len(data)) :]
                case _:
                    data[chance.randrange(len(data)) : chance.randrange(len(data))] = chance.randbytes(5)
            if data != whole:
                with pytest.raises(EBookletError):
                    decode(bytes(data))


WRONG = [
    ("uuid", b"short"),
    ("uuid", None),
    ("kind", "../../etc"),
    ("kind", 7),
    ("serializer", "pickle; rm"),
    ("mode", "anarchy"),
    ("grace", -1),
    ("grace", 1 << 62),
    ("commits", [b"short"]),
    ("commits", [b"x" * 16] * 65),
    ("snapshot", "text"),
    ("ref", ["../../x", 0, 10, b"d" * 16]),
    ("ref", [b"n" * 16, -5, 10, b"d" * 16]),
    ("ref", [b"n" * 16, 0, 1 << 60, b"d" * 16]),
    ("ref", [b"n" * 16, 0, 10, b"d" * 16]),
    ("tags", {"a\nb": [b"n" * 16, 0, 10, b"d" * 16]}),
    ("tags", {1: [b"n" * 16, 0, 10, b"d" * 16]}),
    ("tags", {"a": None}),
    ("inline", {"a": 5}),
    ("inline", {5: b""}),
    ("requires", "text"),
    ("uses", [{}]),
    ("copied_from", b"x"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_well_sealed_root_with_a_wrong_field_is_refused(name: str, value: object) -> None:
    fields = plain(example()[0])
    with pytest.raises(CorruptFileError):
        Root.decode(seal(ROOT_MAGIC, {**fields, name: value}))


@pytest.mark.parametrize(
    "packs",
    [
        [["/etc/passwd", 1, 0, 0, b"", 0, 0]],
        [[b"n" * 16, 1 << 62, 0, 0, b"", 0, 0]],
        [[b"n" * 16, 5, 4, 4, b"", 0, 0]],
        [3],
    ],
)
def test_a_snapshot_with_impossible_packs_is_refused(packs: object) -> None:
    fields = dict(unseal(b"EBSN", "the snapshot", example()[1].encode())._fields)
    with pytest.raises(CorruptFileError):
        Snapshot.decode(seal(b"EBSN", {**fields, "packs": packs}))


def sealed(body: bytes) -> bytes:
    return ROOT_MAGIC + b"\x01" + digest(body) + body


def test_bombs_are_refused_before_memory_is_taken() -> None:
    bodies = [
        compress(bytes(64 << 20)),
        compress(b"\xdf\xff\xff\xff\xff"),  # a map of 2^32 entries
        compress(b"\xc6\xff\xff\xff\xff"),  # 2^32 bytes
        compress(b"\x91" * 100_000),  # lists in lists in lists
        compress(msgpack.packb([1, 2])),
        compress(b""),
        b"",
        b"no zstd at all",
    ]
    for body in bodies:
        with pytest.raises(CorruptFileError):
            Root.decode(sealed(body))


def test_nothing_but_an_object_of_the_database_can_be_named() -> None:
    assert object_text(bytes(range(16))) == "aaaqeayeaudaocajbifqydiob4"
    assert objects_prefix("a/b", UUID(int=1)).startswith("a/b.objects/0000")
    with pytest.raises(CorruptFileError):
        object_text(b"../../etc/passwd/")
    for key in ["", "/abs", "a/../b", "..", "a//b", "a/", "x.objects", "x.objects/y", "a\nb", "./a"]:
        with pytest.raises(ValueError, match="cannot be the key"):
            check_database_key(key)


def test_what_cannot_be_said_is_refused_when_written() -> None:
    root, _ = example()
    with pytest.raises(ValueError, match="kind"):
        replace(root, kind="a b").encode()
    with pytest.raises(ValueError, match="tag"):
        replace(root, tags={"": root.ref}).encode()  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="metadata has"):
        replace(example()[1], metadata=bytes(2 << 20)).encode()
    with pytest.raises(ValueError, match="message has"):
        replace(example()[1], message="x" * (1 << 17)).encode()


def test_the_root_of_format_1_stays_readable() -> None:
    assert Root.decode((DATA / "root").read_bytes()) == example()[0]
