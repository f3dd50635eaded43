"""A dataset's file gives back the room of what was overwritten or deleted."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfdb
from cfdb.errors import ReadOnlyError
from cfdb.format.metadata import DatasetRecord
from cfdb.model.dataset import Dataset
from cfdb.opening import open_structure
from cfdb.storage.booklet_store import BookletStore
from cfdb.storage.protocol import ChunkWrite
from ebooklet.local.verify import verify
from ebooklet.local.working_copy import WorkingCopy
from tests.support.crash import PowerLoss, RecordingFiles, prefixes
from tests.support.records import records_of

RANDOM = np.random.default_rng(1)


def fill(ds: Any, size: int = 20_000, chunk: int = 1000) -> None:
    ds.create.coord.generic("x", data=np.arange(size), chunk_shape=(chunk,))
    for name in ("a", "b"):
        ds.create.data_var.generic(name, ("x",), data=RANDOM.random(size), chunk_shape=(chunk,))
    ds.create.group("g", {"title": "kept"})


def test_overwritten_deleted_and_dropped_values_give_their_room_back(tmp_path: Path) -> None:
    path = tmp_path / "a.cfdb"
    with cfdb.open_dataset(path, "n") as ds:
        fill(ds)
        ds.sync()
        ds["a"][...] = 0
        del ds["b"]
        ds["x"].truncate(0, 9_999)
        ds.attrs["title"] = "not synced yet"
        before, size = records_of(ds), path.stat().st_size
        freed = ds.prune()
        assert freed > 250_000
        assert records_of(ds) == before
        ds["a"][0] = 7.0
        assert 0 <= ds.compact() < 10_000
    assert path.stat().st_size < size - 250_000
    assert verify(path).ok
    with cfdb.open_dataset(path) as ds:
        assert ds["a"][:2].values.tolist() == [7, 0]
        assert (ds.attrs["title"], ds["g"].attrs["title"]) == ("not synced yet", "kept")
        with pytest.raises(ReadOnlyError):
            ds.prune()


def test_a_crash_while_pruning_leaves_the_old_or_the_new_file_whole(tmp_path: Path) -> None:
    files, path = RecordingFiles(), tmp_path / "work" / "a.cfdb"
    path.parent.mkdir()
    store = BookletStore(WorkingCopy.open(path, "n", files=files))
    with Dataset(open_structure(store, "n", DatasetRecord()), file_path=path) as ds:
        fill(ds, 400, 50)
        ds.sync()
        ds["a"][...] = 0
        del ds["b"]
        ds.sync()
        before, start = records_of(ds), len(files.log)
        assert ds.prune() > 3000
        log = list(files.log)
    assert any(op[0] == "replace" for op in log[start:])
    rng, found = random.Random(3), tmp_path / "found"
    images = [image.copy() for done, image in prefixes(log, 2, rng) if done >= start]
    loss = PowerLoss(rng)
    for number, op in enumerate(log):
        loss.step(op)
        if number >= start:
            images += [loss.image() for _ in range(3)]
    for image in images:
        image.put(found)
        with cfdb.open_dataset(found / "a.cfdb", "w") as ds:
            assert records_of(ds) == before
            assert verify(found / "a.cfdb", locking=False).ok


def test_readers_keep_the_file_they_opened_and_move_on_when_they_refresh(tmp_path: Path) -> None:
    path = tmp_path / "a.cfdb"
    with cfdb.open_dataset(path, "n") as ds:
        fill(ds)
        ds.sync()
        with cfdb.open_dataset(path) as reader:
            first = reader["a"].values
            ds["a"][...] = 1
            ds.prune()
            assert reader["a"].values.tolist() == first.tolist()
            assert reader.refresh()
            assert set(reader["a"].values.tolist()) == {1.0}


def test_what_belongs_to_no_variable_goes(tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
        fill(ds)
        store = ds._structure.store
        store.set_many([ChunkWrite("zzzzzzzz/0", b"orphan"), ChunkWrite("a/zzzzzzzz", b"orphan")])
        before = records_of(ds)
        ds.prune()
        assert store.has(["zzzzzzzz/0", "a/zzzzzzzz"]) == [False, False]
        assert records_of(ds) == before


def test_a_file_without_a_remote_never_forgets_values_by_their_age(tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
        fill(ds)
        with cfdb.open_dataset(tmp_path / "a.cfdb") as reader:
            with pytest.raises(ValueError, match="no remote to fetch older values from"):
                ds.prune(timestamp="2100-01-01")
            assert not reader.refresh()
        assert not np.isnan(ds["a"].values).any()


def test_copies_of_a_remote_are_fetched_again(tmp_path: Path) -> None:
    remote = f"file://{tmp_path}/remote/t.cfdb"
    with cfdb.open_edataset(remote, tmp_path / "a.cfdb", "n") as ds:
        fill(ds)
        expected = ds["a"].values
        ds.push()
        assert ds.prune(timestamp="2100-01-01T00:00:00+00:00") > 100_000
        assert ds["a"].stored().local == 0
        assert ds["a"].values.tolist() == expected.tolist()
        ds["b"][0] = 3.0
        ds.prune(timestamp="2100-01-01T00:00:00+00:00")
        assert ds["b"][0].item() == 3.0
        assert ds.changes()
