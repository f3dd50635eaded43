from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cftime
import numpy as np
import pytest

import cfdb
from cfdb.display import summary
from cfdb.display.summary import summarize_dataset
from cfdb.errors import CorruptChunkError
from cfdb.model.dataset import Dataset
from cfdb.storage.engine import ChunkedArray
from cfdb.storage.memory_store import MemoryStore


def filled(ds: Dataset) -> Dataset:
    lat = np.linspace(60, 40, 21, dtype="float32")
    ds.create.coord.generic("lat", data=lat, chunk_shape=(2,), attrs={"units": "degrees_north"})
    ds.create.coord.generic("time", data=np.arange("2024-01-01", "2024-01-31", dtype="M8[D]"), unlimited=True)
    ds.create.data_var.generic("t", ("time", "lat"), "float32", (10, 21), attrs={"units": "K", "long_name": "x" * 300})
    ds["t"][:20] = 1.0
    ds.create.variable("crs", (), "int32", role="grid_mapping")
    ds.attrs.update({f"attribute_{number}": number for number in range(20)})
    return ds


@pytest.fixture
def ds(tmp_path: Path) -> Iterator[Dataset]:
    with cfdb.open_dataset(tmp_path / "small.cfdb", "n") as opened:
        yield filled(opened)


def line_of(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.strip().startswith(start))


def test_a_dataset_shows_what_matters(ds: Dataset) -> None:
    text = str(ds)
    assert "small.cfdb" in text.splitlines()[0]
    assert "open for writing" in text.splitlines()[0]
    assert "Dimensions: lat 21, time 30 (unlimited)" in text
    assert line_of(text, "lat ").split() == ["lat", "float32", "60", "...", "40", "degrees_north"]
    assert "2024-01-01 ... 2024-01-30" in line_of(text, "time ")
    data = line_of(text, "t ")
    assert "(time, lat)  float32  K" in data
    assert "2 of 3 chunks written of (10, 21)" in data
    assert "grid_mapping" not in data
    assert line_of(text, "crs").split()[:3] == ["crs", "()", "int32"]
    assert "attribute_0: 0" in text
    assert "... and 8 more" in text


def test_a_variable_shows_what_matters(ds: Dataset) -> None:
    text = str(ds["t"])
    assert text.startswith("<cfdb data variable 't'>\nDimensions: time 30, lat 21\n")
    assert "float32, K, 2.52 kB" in line_of(text, "Values")
    assert "3 of shape (10, 21), 2 written," in line_of(text, "Chunks")
    assert "units: K" in text


def test_a_part_says_how_much_it_selects(ds: Dataset) -> None:
    text = str(ds["t"][5:15])
    assert text.startswith("<cfdb view 't'>\nDimensions: time 10, lat 21\n")
    assert "840 B selected" in text
    assert "2 chunks selected" in text
    assert "2024-01-06 ... 2024-01-15" in line_of(text, "time ")
    assert "part of a dataset" in str(ds.isel(time=slice(3, 5)))


@pytest.mark.parametrize("width", [60, 80, 100])
def test_every_line_fits_the_terminal(ds: Dataset, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    ds["a variable with a name" * 5] = (
        ("a dimension with a name" * 4, "time"),
        np.zeros((4, 30)),
        {"units": "m" * 90},
    )
    for text in (str(ds), str(ds["t"]), str(ds["a variable with a name" * 5])):
        assert max(map(len, text.splitlines())) <= width


def test_closed_and_deleted_things_still_print(ds: Dataset) -> None:
    variable, doomed = ds["t"], ds["crs"]
    del ds["crs"]
    assert "deleted" in str(doomed)
    ds.close()
    assert str(ds).startswith(f"<cfdb Dataset, closed> {ds.file_path.anchor if ds.file_path else None}")
    assert "closed" in str(variable)


def test_an_empty_dataset_prints() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        assert str(ds) == "<cfdb Dataset> in memory, open for writing\nDimensions: none"


def test_dates_of_other_calendars_and_text_labels_are_written_as_such() -> None:
    dates = np.array([cftime.datetime(2000, 2, day, calendar="360_day") for day in (1, 30)])
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("time", data=dates)
        ds.create.coord.generic("name", data=np.array(["Grüße", "b"]))
        ds.create.coord.generic("empty", dtype="float32")
        text = str(ds)
    assert "time (360_day)" in text
    assert "2000-02-01 ... 2000-02-30" in text
    assert "'Grüße' ... 'b'" in text
    assert line_of(text, "empty").split() == ["empty", "float32", "empty"]


class _Watched(MemoryStore):
    """Counts chunks that are read, and pretends that some are elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []
        self.away: set[str] = set()
        self.broken = self.sizing = False

    def get(self, key: str) -> bytes | None:
        if not self.sizing:
            self.read.append(key)
            if self.broken:
                raise CorruptChunkError(f"{key} is damaged")
        return super().get(key)

    def sizes(self, keys: Sequence[str]) -> list[int | None]:
        self.sizing = True
        try:
            return super().sizes(keys)
        finally:
            self.sizing = False

    def local(self, keys: Sequence[str]) -> list[bool]:
        return [key not in self.away for key in keys]


@pytest.fixture
def watched() -> Iterator[tuple[Any, _Watched]]:
    from cfdb.format.metadata import DatasetRecord
    from cfdb.model.structure import Structure

    store = _Watched()
    with Dataset(Structure.create(store, DatasetRecord())) as ds:
        yield filled(ds), store


def test_printing_reads_no_data_chunk(watched: tuple[Any, _Watched], monkeypatch: pytest.MonkeyPatch) -> None:
    ds, store = watched
    monkeypatch.setattr(summary, "SMALL_COORDINATE", 10)  # also long coordinates are read at their ends only
    for part in (ds, ds["t"], ds["t"][3:5], ds.isel(time=2)):
        store.read.clear()
        ds._labels._values.clear()
        str(part)
        data = [key for key in store.read if key.startswith(ds["t"].id)]
        assert data == []
        assert len(store.read) <= 4


def test_what_is_not_here_is_counted(watched: tuple[Any, _Watched]) -> None:
    ds, store = watched
    store.away = set(store.keys(f"{ds['t'].id}/")) - {f"{ds['t'].id}/0.0"}
    assert "1 of 2 chunks local" in line_of(str(ds), "t ")
    assert "1 of 2 chunks local" in str(ds["t"])


def test_printing_works_where_reading_does_not(watched: tuple[Any, _Watched]) -> None:
    ds, store = watched
    ds.sync()
    store.broken = True
    ds._labels._values.clear()
    assert "unreadable (CorruptChunkError)" in line_of(summarize_dataset(ds), "lat ")
    store.broken = False


def test_every_variable_is_asked_once_what_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    plain = ChunkedArray.stored
    monkeypatch.setattr(ChunkedArray, "stored", lambda self: asked.append(self._id) or plain(self))
    with cfdb.open_edataset(f"file://{tmp_path}/store/t.cfdb", tmp_path / "t.cfdb", "n") as remote:
        filled(remote)
        assert "chunks local" in str(remote)
        assert len(asked) == len(set(asked)) == len(remote)
