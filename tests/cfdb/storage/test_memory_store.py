"""The store in memory passes the kit."""

from collections.abc import Iterator

import pytest

from cfdb.errors import ReadOnlyError
from cfdb.storage.memory_store import MemoryStore
from tests.kits.chunk_store_kit import ChunkStoreKit, write


class TestMemoryStore(ChunkStoreKit):
    @pytest.fixture
    def store(self) -> Iterator[MemoryStore]:
        store = MemoryStore()
        yield store
        store.close()


def test_a_read_only_store_refuses_every_change() -> None:
    store = MemoryStore(writable=False)
    for change in (
        lambda: store.set_many([write("v/0", b"x")]),
        lambda: store.delete(["v/0"]),
        lambda: store.set_notes({}),
        store.commit,
    ):
        with pytest.raises(ReadOnlyError, match="flag='w'"):
            change()
