"""What a load or a push takes is told before, and is what it then takes: counted at a store."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfdb
from cfdb.errors import MemoryLimitError, TransferLimitError
from cfdb.model.edataset import EDataset
from cfdb.testing import s3_server
from ebooklet.places import StoreConnection
from ebooklet.prices import Prices
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore

KEY = "x/t.cfdb"
SHAPE = (40, 30_000)
VALUES = np.random.default_rng(0).normal(size=SHAPE).astype("float32")


@pytest.fixture(scope="module")
def published() -> CountingStore:
    store = CountingStore(MemoryStore())
    with cfdb.open_edataset(StoreConnection(KEY, store), flag="n", cache=None) as ds:
        ds.create.coord.generic("time", data=np.arange(SHAPE[0]), step=False)
        ds.create.coord.generic("cell", data=np.arange(SHAPE[1]), step=False)
        for name in ("t", "p"):
            ds.create.data_var.generic(name, ("time", "cell"), dtype="float32", chunk_shape=(1, SHAPE[1]))
            ds[name][...] = VALUES
    return store


@pytest.fixture
def store(published: CountingStore) -> CountingStore:
    published.reset()
    return published


def opened(store: CountingStore, path: Path | None = None, flag: str = "r") -> EDataset:
    return cfdb.open_edataset(StoreConnection(KEY, store), path, flag, cache=None, push_on_close=False)


PARTS = {
    "everything": lambda ds: ds,
    "a variable": lambda ds: ds["t"],
    "a few chunks far apart": lambda ds: ds["t"][::13],
    "one cell": lambda ds: ds["p"][3, 5],
    "a part of all": lambda ds: ds.isel(time=slice(5, 22)),
    "nothing": lambda ds: ds["t"][3:3],
}


@pytest.mark.parametrize("order", [None, "C", "F", lambda index: -index[0]], ids=["free", "C", "F", "function"])
@pytest.mark.parametrize("part", list(PARTS))
def test_a_load_sends_the_requests_and_brings_the_bytes_it_announced(
    store: CountingStore, part: str, order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ebooklet.bringing.ORDERED_BYTES", 500_000)
    with opened(store) as ds:
        ds["t"][7].load()
        some = PARTS[part](ds)
        store.reset()
        estimate = some.load(dry_run=True, order=order)
        assert store.counts.total == 0, "planning asks nobody"
        result = some.load(order=order)
        assert (store.counts.total, store.counts.received) == (estimate.n_requests, estimate.nbytes)
        assert (result.fetched, result.n_requests) == (estimate.n_remote, estimate.n_requests)
        assert result.present == estimate.n_local
        assert not some.load(dry_run=True)
        assert not some.load(dry_run=True).n_requests


def test_an_order_is_kept_about(store: CountingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ebooklet.bringing.ORDERED_BYTES", 500_000)
    with opened(store) as ds:
        seen: list[set[int]] = []

        def look(done: int, total: int) -> None:
            seen.append({number for number in range(SHAPE[0]) if not ds["t"][number].load(dry_run=True)})

        ds["t"].load(look, order=lambda index: -index[0])
    for here in seen:
        assert here == set(range(SHAPE[0] - len(here), SHAPE[0])), "the last chunks come first"
    assert len(seen) > 4


def test_an_order_that_is_none_is_refused(store: CountingStore) -> None:
    with opened(store) as ds, pytest.raises(ValueError, match="order='backwards'"):
        ds["t"].load(order="backwards")


def test_what_is_here_is_told(store: CountingStore) -> None:
    with opened(store) as ds:
        ds["t"][:10].load()
        found = ds["t"].load(dry_run=True)
        assert (found.n_keys, found.n_local, found.n_remote) == (40, 10, 30)
        assert found.local_bytes == ds["t"].stored().local_bytes
        assert "load 30 of 40 chunks" in str(found)


def test_time_is_told_once_something_was_measured() -> None:
    store = CountingStore(MemoryStore("unmeasured"))
    with cfdb.open_edataset(StoreConnection(KEY, store), flag="n", cache=None) as ds:
        ds["t"] = ("x", np.random.default_rng(1).normal(size=200_000))
        ds["u"] = ("x", np.random.default_rng(2).normal(size=200_000))
    with opened(store) as ds:
        assert ds["t"].load(dry_run=True).seconds is None
        ds["t"].load()
        assert (ds["u"].load(dry_run=True).seconds or 0) > 0


def test_prices_are_the_users(store: CountingStore, tmp_path: Path) -> None:
    table = tmp_path / "prices.toml"
    table.write_text('[prices]\nget = 0.5\negress_gb = 2000.0\ncurrency = "EUR"\n')
    with opened(store) as ds:
        assert ds.load(dry_run=True).cost is None, "no price is built in"
        with cfdb.set_options(prices=table):
            found = ds.load(dry_run=True)
        assert found.cost == pytest.approx(found.n_requests * 0.5 + found.nbytes * 2e-6)
        assert f"{found.cost:.2g} EUR" in str(found)
        assert ds.load(dry_run=True).cost is None


@pytest.mark.parametrize(
    "table", [{"gets": 1}, {"get": -1}, {"get": "dear"}, {"get": True}, {"get": float("nan")}, 3, {"currency": 2}]
)
def test_what_is_no_price_table_is_refused(table: Any) -> None:
    with pytest.raises(ValueError, match="price"):
        cfdb.set_options(prices=table)
    assert cfdb.get_options().prices is None


def test_a_push_is_estimated_before_it(tmp_path: Path) -> None:
    store = CountingStore(MemoryStore())
    with opened(store, flag="n") as ds:
        ds["t"] = ("x", np.arange(3.0))
        ds.push()  # has asked whether the server honours conditional writes
        ds["u"] = ("x", np.random.default_rng(1).normal(size=3))
        ds.create.data_var.generic("w", ("x2",), data=np.random.default_rng(1).normal(size=3_000_000), chunk_shape=5000)
        store.reset()
        prices = Prices(put=1.0, storage_gb_month=1000.0)
        with cfdb.set_options(prices=prices):
            found = ds.changes().estimate()
        assert store.counts.total == 0
        ds.push()
        sent = store.counts
    assert sent.total == found.n_requests
    assert found.nbytes <= sent.sent <= found.nbytes * 1.05 + 5000
    assert found.cost == found.n_requests
    assert found.monthly_cost == pytest.approx(found.nbytes * 1e-6)
    assert "a month to keep" in str(found)


def test_a_push_of_nothing_takes_nothing(store: CountingStore, tmp_path: Path) -> None:
    with opened(store, tmp_path / "t.cfdb", "w") as ds:
        found = ds.changes().estimate()
        assert (found.n_requests, found.nbytes, found.n_keys, bool(found)) == (0, 0, 0, False)
        assert str(found).startswith("nothing to push")


def test_a_surprise_is_refused_before_the_first_request(store: CountingStore) -> None:
    with opened(store) as ds, cfdb.set_options(max_fetch="1MB"):
        store.reset()
        for work in (ds.load, ds["t"].load, lambda: ds["t"].values, lambda: ds["t"] + 1):
            with pytest.raises(TransferLimitError, match="max_fetch=1,000,000"):
                work()
        assert store.counts.total == 0
        ds["t"][:5].load()
        assert ds["t"][:5].values.shape == (5, SHAPE[1])
        assert ds["t"].load(dry_run=True).nbytes > 10**6, "asking is always allowed"
    with opened(store) as ds:
        ds["t"].load()
        with cfdb.set_options(max_fetch=1):
            np.testing.assert_array_equal(ds["t"].values, VALUES)


def test_sizes_of_options_are_read_as_people_write_them() -> None:
    with cfdb.set_options(max_load="1kB", max_fetch="2 GiB"):
        options = cfdb.get_options()
        assert (options.max_load, options.max_fetch) == (1000, 2 * 2**30)
        with cfdb.open_dataset(None, "n") as ds:
            ds["t"] = ("x", np.arange(1000.0))
            with pytest.raises(MemoryLimitError, match="max_load=1,000"):
                ds["t"].values  # noqa: B018
    assert cfdb.get_options().max_fetch is None


@pytest.mark.parametrize("value", ["much", "0", 0, -1, True, 1.5, "5XB"])
def test_what_is_no_size_is_refused_by_options(value: Any) -> None:
    before = cfdb.get_options()
    with pytest.raises(ValueError, match=r"max_load=|is not a size"):
        cfdb.set_options(threads=1, max_load=value)
    assert cfdb.get_options() is before


def test_a_local_dataset_has_everything(tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "t.cfdb", "n") as ds:
        ds["t"] = ("x", np.arange(1000.0))
        found = ds.load(dry_run=True)
        assert (found.n_requests, found.n_keys - found.n_local) == (0, 0)
        assert ds["t"].load(background=True).result(10).fetched == 0
        with pytest.raises(ValueError, match="is not a rate"):
            ds["t"].load(max_rate="fast")


@pytest.mark.parametrize("transport", ["urllib3", "boto3"])
def test_estimates_hold_over_http(transport: str, tmp_path: Path) -> None:
    with s3_server() as server:
        place = server.connection("t.cfdb", transport=transport)
        with cfdb.open_edataset(place, flag="n", cache=None) as ds:
            ds.create.data_var.generic("t", ("time", "cell"), data=VALUES, chunk_shape=(1, SHAPE[1]))
        with cfdb.open_edataset(place, tmp_path / "t.cfdb") as ds:
            for part in (ds["t"][3:9], ds["t"][::11], ds):
                before = (ds.stats.total, ds.stats.received)
                found = part.load(dry_run=True)
                assert (ds.stats.total, ds.stats.received) == before
                part.load()
                assert ds.stats.total - before[0] == found.n_requests
                assert ds.stats.received - before[1] == found.nbytes
