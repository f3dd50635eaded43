"""Datasets in a cache folder, within a size, and asked about as often as wanted."""

from pathlib import Path

import numpy as np
import pytest

import cfdb
from cfdb.model.edataset import EDataset
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore

VALUES = np.random.default_rng(0).normal(size=(60, 5000))
CHUNK = 5000 * 8


@pytest.fixture(scope="module")
def published() -> CountingStore:
    store = CountingStore(MemoryStore())
    with cfdb.open_edataset(StoreConnection("x.cfdb", store), flag="n", cache=None) as ds:
        ds.create.data_var.generic("t", ("time", "cell"), data=VALUES, chunk_shape=(1, 5000))
    return store


@pytest.fixture
def store(published: CountingStore, monkeypatch: pytest.MonkeyPatch) -> CountingStore:
    monkeypatch.setattr("ebooklet.loading.BATCH_BYTES", CHUNK)
    monkeypatch.setattr("ebooklet.loading.READERS_BATCH_BYTES", CHUNK)
    published.reset()
    return published


def test_a_dataset_in_little_memory_reads_right_and_fetches_nothing_twice(store: CountingStore) -> None:
    with cfdb.open_edataset(StoreConnection("x.cfdb", store), cache=None, cache_bytes="500kB") as ds:
        everything = ds["t"].load(dry_run=True).nbytes
        store.reset()
        np.testing.assert_array_equal(ds["t"].values, VALUES)
        assert store.counts.received <= everything
        store.reset()
        for where, block in ds["t"].iter_chunks():
            np.testing.assert_array_equal(block, VALUES[where])
        assert store.counts.received <= everything * 1.01
        assert ds.cache_info().size < 1_500_000
        assert float(ds["t"].max().item()) == VALUES.max()


def test_a_folder_is_chosen_by_option_manager_and_argument(
    store: CountingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CFDB_CACHE", str(tmp_path / "usual"))
    place = StoreConnection("x.cfdb", store)

    def folder_of(ds: EDataset) -> str:
        with ds:
            assert ds.file_path is not None
            return ds.file_path.parent.name

    assert folder_of(cfdb.open_edataset(place)) == "usual"
    with cfdb.set_options(cache_dir=tmp_path / "fast"):
        assert folder_of(cfdb.open_edataset(place)) == "fast"
        assert folder_of(cfdb.open_edataset(place, cache=tmp_path / "given")) == "given"
        with cfdb.CacheManager(tmp_path / "managed"):
            assert folder_of(cfdb.open_edataset(place)) == "managed"
        assert folder_of(cfdb.open_edataset(place)) == "fast"
    assert folder_of(cfdb.open_edataset(place)) == "usual"
    with pytest.raises(ValueError, match="cache_dir=3"):
        cfdb.set_options(cache_dir=3)


def test_what_came_from_where_is_told(store: CountingStore, tmp_path: Path) -> None:
    place = StoreConnection("x.cfdb", store)
    with cfdb.CacheManager(tmp_path) as cache:
        with cfdb.open_edataset(place) as ds:
            records = ds.cache_info().hits
            ds["t"][:7].load()
            np.testing.assert_array_equal(ds["t"][:10].values, VALUES[:10])
            info = ds.cache_info()
            assert (info.hits - records, info.misses, info.from_cache) == (7, 10, False)
        store.reset()
        with cfdb.open_edataset(place, validate="never") as ds:
            np.testing.assert_array_equal(ds["t"][:10].values, VALUES[:10])
            info = ds.cache_info()
            assert (info.misses, info.from_cache, info.validated) == (0, True, False)
            assert info.hits >= 10
            assert info.source == ds.remote_uri
        assert store.counts.total == 0
        (entry,) = cache.info()
        assert entry.source == ds.remote_uri
        assert entry.n_keys >= 10
