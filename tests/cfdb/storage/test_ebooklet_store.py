"""The store in step with a remote does what every chunk store must do, and hands over what arrives."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import cfdb
from cfdb.errors import CorruptChunkError
from cfdb.storage.ebooklet_store import EBookletStore
from cfdb.storage.protocol import ChunkStore, Stored
from ebooklet.opening import open_ebooklet
from tests.kits.chunk_store_kit import ChunkStoreKit, write


class TestEBookletStore(ChunkStoreKit):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ChunkStore]:
        store = EBookletStore(open_ebooklet(f"file://{tmp_path}/remote/d", tmp_path / "local", "n", kind="cfdb"))
        yield store
        store.close()


def test_what_is_far_arrives_and_is_counted(tmp_path: Path) -> None:
    remote = f"file://{tmp_path}/remote/d"
    writer = EBookletStore(open_ebooklet(remote, tmp_path / "one", "n", kind="cfdb"))
    writer.set_many([write(f"v/{number}", b"%d" % number * 3000) for number in range(8)])
    writer.push(repr)
    writer.close()
    reader = EBookletStore(open_ebooklet(remote, tmp_path / "two", "r", kind="cfdb"))
    assert reader.stored("v/") == Stored(8, 24_000, 0, 0)
    arriving = reader.stream(["v/3", "v/missing", "v/1", "v/3"])
    assert arriving is not None
    found = {
        number: None if value is None else bytes(value)
        for numbers, values in arriving
        for number, value in zip(numbers, values, strict=True)
    }
    assert found == {0: b"3" * 3000, 1: None, 2: b"1" * 3000, 3: b"3" * 3000}
    reader.prefetch(iter(["v/1", "v/3"]))
    assert reader.stream(["v/1", "v/3"]) is None
    reader.close()


def test_a_chunk_that_cannot_be_decoded_is_named_and_keeps_no_other_waiting(tmp_path: Path) -> None:
    remote = f"file://{tmp_path}/remote/d"
    values = np.random.default_rng(1).random((60, 1000))
    with cfdb.open_edataset(remote, tmp_path / "one", "n", num_groups=60) as ds:
        ds.create.data_var.generic("t", ("a", "b"), data=values, chunk_shape=(1, 1000))
        for key in [key for key in ds._store.db.iter_keys() if (ds._store.sizes([key])[0] or 0) > 5000][::2]:
            ds._store.set_many([write(key, b"no chunk")])
    errors: list[BaseException] = []

    def read() -> None:
        for _ in range(2):
            try:
                ds["t"].values  # noqa: B018
            except CorruptChunkError as error:
                errors.append(error)  # with its traceback, which keeps what was going on

    with cfdb.open_edataset(remote, cache=None) as ds:
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        reader.join(60)
        assert not reader.is_alive(), "it waits for what nobody fetches"
        assert len(errors) == 2
        assert "was written and cannot be read" in str(errors[0])
