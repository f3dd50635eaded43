"""The store in a local file passes the kit, in memory and on disk, and keeps what was committed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cfdb.errors import CorruptChunkError, ReadOnlyError
from cfdb.storage.booklet_store import BookletStore
from ebooklet.local.working_copy import WorkingCopy
from tests.kits.chunk_store_kit import ChunkStoreKit, write


class TestBookletStoreInMemory(ChunkStoreKit):
    @pytest.fixture
    def store(self) -> Iterator[BookletStore]:
        store = BookletStore(WorkingCopy.open(None, "n"))
        yield store
        store.close()


class TestBookletStoreOnDisk(ChunkStoreKit):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[BookletStore]:
        store = BookletStore(WorkingCopy.open(tmp_path / "kit.cfdb", "n"))
        yield store
        store.close()


def test_what_was_committed_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "a.cfdb"
    store = BookletStore(WorkingCopy.open(path, "n"))
    store.set_many([write("abcdefgh/0", b"kept", note=b"n", tail=b"t" * 32)])
    store.commit()
    store.set_many([write("abcdefgh/1", b"dropped")])
    store.close()
    again = BookletStore(WorkingCopy.open(path, "r"))
    assert (list(again.keys()), again.get("abcdefgh/0"), again.notes(["abcdefgh/0"])) == (
        ["abcdefgh/0"],
        b"kept",
        [b"n"],
    )
    with pytest.raises(ReadOnlyError):
        again.set_many([write("abcdefgh/2", b"x")])
    again.close()


def test_a_damaged_value_is_an_error_that_names_key_and_file(tmp_path: Path) -> None:
    path = tmp_path / "a.cfdb"
    store = BookletStore(WorkingCopy.open(path, "n"))
    store.set_many([write("abcdefgh/0", b"precious payload")])
    store.commit()
    store.close()
    data = path.read_bytes()
    path.write_bytes(data.replace(b"precious payload", b"precious_payload"))
    store = BookletStore(WorkingCopy.open(path, "r"))
    with pytest.raises(CorruptChunkError, match=r"a\.cfdb.*abcdefgh/0"):
        store.get("abcdefgh/0")
    with pytest.raises(CorruptChunkError):
        store.get_many(["abcdefgh/0"])
    store.close()


def test_a_reader_moves_on_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.cfdb"
    writer = BookletStore(WorkingCopy.open(path, "n"))
    writer.set_many([write("v/0", b"one")])
    writer.commit()
    reader = BookletStore(WorkingCopy.open(path, "r"))
    writer.set_many([write("v/0", b"two")])
    writer.commit()
    assert reader.get("v/0") == b"one"
    assert reader.refresh()
    assert reader.get("v/0") == b"two"
    assert not reader.refresh()
    reader.close()
    writer.close()
