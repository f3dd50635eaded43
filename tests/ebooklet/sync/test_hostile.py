"""A remote made by somebody else: typed errors, nothing executed, memory and time within bounds."""

import _thread
import random
import resource
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from ebooklet.errors import (
    EBookletError,
    ReadOnlyError,
    RemoteIntegrityError,
    RemoteMissingError,
    UnsupportedFormatError,
)
from ebooklet.format.checksum import digest
from ebooklet.format.snapshot import INLINE, Root, SnapshotRef
from ebooklet.format.table import NO_PAGE, PageRef, Row, Table
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import StoreWrapper, Verb
from ebooklet.sync.version import CachedRoot, RemoteVersion, open_version
from ebooklet.sync.workers import completed
from tests.ebooklet.sync.local_side import KEY, Client, contents, filled

T = TypeVar("T")


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    client = Client(made)
    filled(client, 30, 200)
    client.push(num_groups=2, inline=["abcdefgh/0.2"])
    return made


def forged(store: MemoryStore, rows: list[Row], **changes: object) -> RemoteVersion:
    """The database with a key table of the attacker's choice."""
    version = open_version(store, KEY)
    pages: dict[bytes, bytes] = {}

    def write(blob: bytes) -> PageRef:
        pages[digest(blob)] = blob
        return PageRef(INLINE, 0, len(blob), digest(blob))

    _, directory = Table.empty(4096, single_rows=8192).updated(rows).flushed(write, lambda blob: NO_PAGE)
    data = replace(version.snapshot, directory=directory, pages=pages, **changes).encode()  # type: ignore[arg-type]
    ref = SnapshotRef(b"n" * 16, 0, len(data), digest(data))
    store.put(KEY, replace(version.root, snapshot=data, ref=ref).encode())
    return open_version(store, KEY)


def test_rows_that_promise_too_much_fail_alone(store: MemoryStore) -> None:
    good = next(open_version(store, KEY).iter_rows("abcdefgh/0.7"))
    rows = [
        good,
        Row("huge", 0, (1 << 63) - 1, 0),
        Row("far", (1 << 62), 10, 0),
        Row("no pack", 0, 10, 0, pack=4_000_000_000),
        Row("another's", good.offset, good.length, good.crc, good.tail, good.pack),
    ]
    found = {row.key: value for row, value in forged(store, rows).fetch(rows)}
    assert not isinstance(found.pop(good.key), Exception)
    assert all(isinstance(value, RemoteIntegrityError) for value in found.values())
    assert len(found) == 4


def test_a_huge_pack_is_believed_no_further_than_its_bytes(store: MemoryStore) -> None:
    version = open_version(store, KEY)
    packs = tuple(replace(pack, size=1 << 61) if pack else None for pack in version.snapshot.packs)
    row = Row("huge", 100, 1 << 60, 0)
    lying = forged(store, [row], packs=packs)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = list(lying.fetch([Row("long", 100, 1 << 30, 0)]))
    assert all(isinstance(value, RemoteIntegrityError) for _, value in found)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_mutated_roots_are_refused(store: MemoryStore) -> None:
    body = store.get(KEY).body
    chance = random.Random(11)
    for _ in range(400):
        data = bytearray(body)
        if chance.random() < 0.6:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        else:
            del data[chance.randrange(len(data)) :]
        store.put(KEY, bytes(data))
        with pytest.raises(EBookletError):
            open_version(store, KEY)


def test_mutated_packs_give_true_values_or_errors(store: MemoryStore) -> None:
    version = open_version(store, KEY)
    true = contents(version)
    names = [version.object_key(pack.name) for pack in version.snapshot.packs if pack]
    whole = {name: store.get(name).body for name in names}
    chance = random.Random(12)
    for turn in range(150):
        name = chance.choice(names)
        data = bytearray(whole[name])
        if turn % 3:
            for _ in range(chance.randrange(1, 30)):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        else:
            del data[chance.randrange(len(data)) :]
        store.put(name, bytes(data))
        for row, value in open_version(store, KEY).fetch(list(version.iter_rows())):
            assert isinstance(value, EBookletError) or value[: row.length] == true[row.key]
        store.put(name, whole[name])


def test_mutated_pages_and_notes_are_refused() -> None:
    store = MemoryStore()
    client = Client(store)
    for number in range(9000):
        client.write(f"t/{number}", b"%d" % number, note=b"n")
    client.push()
    version = open_version(store, KEY)
    entry, (pack,) = version.table.pages[0], version.snapshot.packs
    assert pack is not None
    name = version.object_key(pack.name)
    data = bytearray(store.get(name).body)
    data[entry.hot.offset + 50] ^= 4
    data[pack.cold_offset + 50] ^= 4
    store.put(name, bytes(data))
    broken = open_version(store, KEY)
    with pytest.raises(RemoteIntegrityError, match="damaged"):
        broken.row("t/3")
    with pytest.raises(RemoteIntegrityError, match="damaged"):
        list(broken.iter_rows())
    row = broken.row("t/8999")
    assert row is not None
    with pytest.raises(RemoteIntegrityError, match="damaged"):
        broken.times_and_notes([row])


def test_what_is_no_database_says_so() -> None:
    store = MemoryStore()
    with pytest.raises(RemoteMissingError, match="no database at memory://store/folder"):
        open_version(store, KEY)
    for body in [b"", b"\x80\x04cposix\nsystem\n.", b"<html></html>", bytes(5 << 20)]:
        store.put(KEY, body)
        with pytest.raises(RemoteIntegrityError, match=r"root of the database|is no database"):
            open_version(store, KEY)
    with pytest.raises(ValueError, match="cannot be the key"):
        open_version(store, "../../etc/passwd")


def test_features_of_a_newer_release(store: MemoryStore) -> None:
    client = Client.opened(store)
    root = Root.decode(store.get(KEY).body)
    store.put(KEY, replace(root, uses=("colours",)).encode())
    reader = open_version(store, KEY)
    assert len(contents(reader)) == 30
    with pytest.raises(ReadOnlyError, match="colours"):
        reader.check_writable()
    client["a"] = b"1"
    with pytest.raises(ReadOnlyError, match="colours"):
        client.push()
    client.version = reader
    with pytest.raises(ReadOnlyError, match="colours"):
        client.push()
    store.put(KEY, replace(root, requires=("time-travel",)).encode())
    with pytest.raises(UnsupportedFormatError, match="time-travel"):
        open_version(store, KEY)


def test_a_cached_root_needs_no_request(store: MemoryStore) -> None:
    cached = open_version(store, KEY).cached
    assert len(RemoteVersion(MemoryStore("empty"), KEY, CachedRoot.decode(cached.encode()))) == 30


class Stalling(StoreWrapper):
    """Answers ranged reads only when told to."""

    def __init__(self, inner: MemoryStore) -> None:
        super().__init__(inner)
        self.go = threading.Event()
        self.begun = 0

    def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        if verb == "get_range":
            self.begun += 1
            self.go.wait()
        return thunk()


@pytest.mark.timeout(60)
def test_giving_up_waits_for_no_request() -> None:
    inner = MemoryStore()
    client = Client(inner)
    for number in range(8):
        client[f"t/{number}"] = bytes(100)
    client.push(num_groups=8)
    store = Stalling(inner)
    version = open_version(store, KEY)
    rows = list(version.iter_rows())

    def interrupt() -> None:
        while store.begun < 3:
            time.sleep(0.01)
        _thread.interrupt_main()

    waker = threading.Thread(target=interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits that it is ignored
    try:
        waker.start()
        with pytest.raises(KeyboardInterrupt):  # while every request stalls for ever
            list(version.fetch(rows, threads=3))
    finally:
        signal.signal(signal.SIGINT, before)
        store.go.set()
        waker.join()
    for thread in threading.enumerate():
        if thread.name == "ebooklet-request":
            thread.join()
    assert store.begun == 3  # no further one was sent


def test_results_do_not_pile_up_when_nobody_takes_them() -> None:
    made = []
    lock = threading.Lock()

    def job() -> int:
        with lock:
            made.append(1)
        return len(made)

    stream = completed([job] * 200, threads=3)
    next(stream)
    time.sleep(0.3)
    assert len(made) <= 12
    assert sum(1 for _ in stream) == 199


def test_an_exception_of_a_job_is_a_result() -> None:
    def fails() -> int:
        raise ValueError("no")

    found = dict(completed([fails, lambda: 2, fails], threads=2))
    assert found[1] == 2
    assert isinstance(found[0], ValueError)
    assert isinstance(found[2], ValueError)
