"""The storage report counts what is stored, from the table alone."""

import os
from pathlib import Path

import numpy as np
import pytest

import cfdb
from cfdb.testing import s3_server
from tests.cfdb.analysis.counting import counted


def test_it_counts_chunks_bytes_and_values_of_every_variable() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("y", data=np.arange(50.0))
        ds.create.coord.generic("x", data=np.arange(70.0))
        packed = cfdb.dtypes.dtype("float32", precision=1, min_value=0, max_value=100)
        t = ds.create.data_var.generic("t", ("y", "x"), packed, (20, 30))
        t[:20, :] = np.linspace(0, 99, 1400).reshape(20, 70)
        t[45:, 65:] = 3.0
        with counted(ds) as counts:
            report = ds.storage_report()
        assert counts.keys == [], "no chunk is read"
        found = report["t"]
        store = ds._structure.store
        sizes = [size or 0 for size in store.sizes(list(store.keys(f"{t.id}/")))]
        assert (found.chunks, found.written, found.missing) == (9, 4, 5)
        assert (found.stored, found.local, found.local_bytes) == (sum(sizes), 4, sum(sizes))
        assert found.values == 20 * 70 + 10 * 10, "edge chunks count the cells that belong to the array"
        assert found.decoded == found.values * 4
        assert found.ratio == found.decoded / found.stored
        assert found.bytes_per_value == found.stored / found.values
        assert (found.dtype, found.codec, found.role) == ("float32 as uint16", "auto 1", "data")
        assert report.stored == sum(variable.stored for variable in report.variables)
        assert report.decoded == found.decoded + (50 + 70) * 8
        assert report.chunks == 6
        assert "4 of 9 written, (20, 30)" in str(report)


def test_what_prune_gives_back_is_known_before(tmp_path: Path) -> None:
    path = tmp_path / "x.cfdb"
    random = np.random.default_rng(0)
    with cfdb.open_dataset(path, "n") as ds:
        ds["t"] = (("y", "x"), random.normal(size=(200, 200)))
        for _ in range(3):
            ds["t"][:] = random.normal(size=(200, 200))
            ds.sync()
        ds["gone"] = ("z", random.normal(size=30000))
        ds.sync()
        del ds["gone"]
    with cfdb.open_dataset(path, "w") as ds:
        report = ds.storage_report()
        assert report.file_size == os.path.getsize(path)
        assert "ds.prune()" in str(report)
        won = ds.prune()
        assert report.reclaimable == pytest.approx(won, rel=0.05, abs=5000)
        after = ds.storage_report()
        assert after.file_size == os.path.getsize(path)
        assert after.suggestions == ()
        assert after.stored == report.stored


def test_a_dimension_in_pieces_is_told() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        x = ds.create.coord.generic("x", data=np.arange(1000.0), chunk_shape=(500,))
        for place in range(100, 900, 100):
            x.insert(place, np.array([place - 0.5]))
        (found,) = ds.storage_report().dimensions
        assert (found.size, found.least) == (1008, 3)
        assert found.runs > 8
        text = str(ds.storage_report())
        assert "dimension x: 1,008 positions in" in text
        ds["y"] = ("y", np.arange(3.0))
        assert [dim.runs for dim in ds.storage_report().dimensions][1] == 1


def test_many_small_chunks_portable_codecs_and_noise_are_told(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(1600, 1600)).astype("float32")
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.data_var.generic("small", ("y", "x"), data=noise[:64, :64], chunk_shape=(2, 2))
        ds.create.data_var.generic("far", ("v", "w"), data=noise[:600], encoding="portable")
        text = str(ds.storage_report())
        assert "'small' has 1,024 chunks of few values" in text
        assert "'far' is stored with bytes + zstd" in text
        assert "hardly compresses" not in text
        ds.create.data_var.generic("more", ("m", "n"), data=np.tile(noise, (2, 1)) + noise[0, 0])
        assert "'more' hardly compresses" in " ".join(str(ds.storage_report()).split())


def test_parts_and_groups_report_the_chunks_they_touch() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("y", data=np.arange(50.0))
        ocean = ds.create.group("ocean")
        ocean.create.data_var.generic("t", ("y", "x"), data=np.ones((50, 40)), chunk_shape=(10, 40))
        part = ds.isel(y=slice(5, 15)).storage_report()
        found = part["ocean/t"]
        assert (found.chunks, found.written, found.values) == (2, 2, 800)
        inner = ocean.storage_report()
        assert inner["t"].chunks == 5
        assert inner["t"].stored == ds.storage_report()["ocean/t"].stored


def test_an_empty_dataset_has_a_report() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        report = ds.storage_report()
        assert (report.stored, report.decoded, report.ratio) == (0, 0, 1.0)
        assert "0 B in 0 chunks" in str(report)


def test_of_a_remote_it_tells_what_is_here_and_explain_what_is_to_be_fetched(tmp_path: Path) -> None:
    values = np.round(np.random.default_rng(0).normal(size=(60, 40)), 2).astype("float32")
    with s3_server() as server:
        remote = server.connection("x.cfdb")
        with cfdb.open_edataset(remote, tmp_path / "mine.cfdb", flag="n") as ds:
            ds.create.data_var.generic("t", ("y", "x"), data=values, chunk_shape=(10, 40))
            ds.push()
        with cfdb.open_edataset(remote, tmp_path / "yours.cfdb") as ds:
            before = ds.stats.total
            told = ds["t"][5:25].explain()
            report = ds.storage_report()
            assert ds.stats.total == before, "nothing is fetched to tell it"
            assert (told.written, told.local, told.to_fetch) == (3, 0, 3)
            assert told.bytes_to_fetch == told.bytes_stored > 0
            assert "to fetch (3 of 3 chunks)" in str(told)
            assert (report["t"].local, report["t"].local_bytes, report.file_size) == (0, 0, None)
            ds["t"][5:15].load()
            told = ds["t"][5:25].explain()
            assert (told.local, told.to_fetch) == (2, 1)
            assert ds.storage_report()["t"].local == 2
            assert "2 of 6 chunks" in str(ds.storage_report())
