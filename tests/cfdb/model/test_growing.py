"""Coordinates grow and shrink: at the cost of what is new, and nothing that was dropped comes back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfdb
from cfdb.errors import CFDBError, CoordinateError, SelectionError
from tests.support.oracle import same


class Counted:
    """Counts what a store is asked to write."""

    def __init__(self, ds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys: list[str] = []
        store = ds._structure.store
        set_many, delete, set_notes = store.set_many, store.delete, store.set_notes
        monkeypatch.setattr(store, "set_many", lambda items: set_many(self._seen(item, item.key) for item in items))
        monkeypatch.setattr(store, "delete", lambda keys: delete([self._seen(key, key) for key in keys]))
        monkeypatch.setattr(store, "set_notes", lambda notes: (self.keys.extend(notes), set_notes(notes)))

    def _seen(self, item: Any, key: str) -> Any:
        self.keys.append(key)
        return item


def times(count: int) -> Any:
    return np.arange(count) + np.datetime64("1900-01-01", "h")


OPERATIONS = {
    "append": lambda ds, n: ds["time"].append([np.datetime64("2100-01-01", "h")]),
    "append text": lambda ds, n: ds["time"].append(["2100-01-01", "2100-01-02"]),
    "prepend": lambda ds, n: ds["time"].prepend(["1800-01-01"]),
    "insert": lambda ds, n: ds["time"].insert(n // 2, ["2100-01-01"]),
    "drop": lambda ds, n: ds["time"].drop(ds["time"].values[n // 2]),
    "truncate": lambda ds, n: ds["time"].truncate(stop=ds["time"].values[-3]),
    "resize": lambda ds, n: ds.resize(n=n + 5),
    "write": lambda ds, n: ds.write({"t": ("time", [1.0]), "time": np.array(["2100-01-01"], "M8[h]")}),
    "cell": lambda ds, n: ds["t"].__setitem__(n // 2, 5.0),
}


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_what_is_written_does_not_depend_on_the_length(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for size in (1_000, 100_000):
        with cfdb.open_dataset(None, "n") as ds:
            ds.create.coord.generic("time", data=times(size), chunk_shape=(500,))
            ds.create.data_var.generic("t", ("time",), "float32", (500,))
            ds["t"][:] = np.arange(size)
            ds.create.dimension("n", size)
            ds.create.data_var.generic("u", ("n",), "float32", (500,), data=np.zeros(size))
            ds.sync()
            counted = Counted(ds, monkeypatch)
            OPERATIONS[name](ds, size)
            ds.sync()
            counts.append(len(counted.keys))
    assert counts[0] == counts[1] <= 6, counts


def test_dates_of_other_calendars_are_appended_without_decoding_those_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calendar = cfdb.dtypes.time_dtype("hours since 2000-01-01", "360_day")
    with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
        ds.create.coord.generic("time", data=np.arange(5000), dtype=calendar)
    with cfdb.open_dataset(tmp_path / "a.cfdb", "w") as ds:
        from cfdb.model import values

        handled: list[int] = []
        for name in ("decode_times", "encode_times"):
            before = getattr(values, name)
            monkeypatch.setattr(
                values, name, lambda dates, *args, _b=before: (handled.append(np.size(dates)), _b(dates, *args))[1]
            )
        first = ds["time"]._array.read()
        ds["time"].append([5000, 5001])
        ds["time"].prepend([-1])
        assert sum(handled) < 10
        monkeypatch.undo()
        assert ds["time"]._array.read().tolist() == [-1, *first.tolist(), 5000, 5001]
        assert str(ds["time"].values[-1]) == "2000-07-29 09:00:00"
        with pytest.raises(CoordinateError, match="twice"):
            ds["time"].append(ds["time"].values[-1:])


def test_what_was_cut_off_does_not_come_back() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        x = ds.create.coord.generic("x", data=np.arange(10), chunk_shape=(4,))
        ds.create.data_var.generic("t", ("x",), "float64", (4,), data=np.arange(10.0) + 1)
        ds.create.data_var.generic("i", ("x",), "int16", (4,), data=np.arange(10) + 1)
        x.truncate(2, 5)
        x.append([6, 7])
        x.prepend([0, 1])
        x.insert(3, [100])
        assert x.values.tolist() == [0, 1, 2, 100, 3, 4, 5, 6, 7]
        nan = np.nan
        assert same(ds["t"].values, np.array([nan, nan, 3.0, nan, 4.0, 5.0, 6.0, nan, nan]))
        assert ds["i"].values.tolist() == [0, 0, 3, 0, 4, 5, 6, 0, 0]
        x.drop([6, 7])
        x.append([6, 7])
        assert np.isnan(ds["t"].values[-2:]).all()
        ds["t"][-1] = 9.0
        found = ds["t"]._array.statistics()
        assert sum(each.valid for each in found.values()) == 5
        assert sum(each.sum for each in found.values()) == 27.0


@pytest.mark.parametrize("data", [[3, 3], [2, 3], np.array([4, 5, 4]), [1.0, 1.0]])
def test_labels_that_occur_twice_are_refused(data: Any) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        x = ds.create.coord.generic("x", data=[0, 1, 2])
        for grow in (x.append, x.prepend, lambda labels: x.insert(1, labels)):
            with pytest.raises(CoordinateError, match="twice"):
                grow(data)
        assert x.values.tolist() == [0, 1, 2]
        assert ds.sizes == {"x": 3}


def test_lists_and_iso_strings_are_taken() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        time = ds.create.coord.generic("time", data=np.array(["2020-01-01"], "M8[D]"))
        time.append(["2020-01-02", "2020-01-03"])
        time.append("2020-01-05")
        time.prepend([np.datetime64("2019-12-31")])
        time.insert(4, ["2020-01-04"])
        assert time.values.tolist() == np.arange("2019-12-31", "2020-01-06", dtype="M8[D]").tolist()
        with pytest.raises(CFDBError, match="2020-13"):
            time.append(["2020-13-01"])
        assert time.size == 6


def test_labels_are_inserted_before_and_after_others() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        x = ds.create.coord.generic("x", data=["a", "d"])
        x.insert(data=["c"], before="d")
        x.insert(data=["b"], after="a")
        x.insert(data=["e", "f"], after="d")
        x.insert(-1, ["ef"])
        assert x.values.tolist() == ["a", "b", "c", "d", "e", "ef", "f"]
        with pytest.raises(KeyError, match="'z'"):
            x.insert(data=["y"], before="z")
        with pytest.raises(SelectionError, match="one of"):
            x.insert(1, ["y"], before="a")
        with pytest.raises(SelectionError, match="one of"):
            x.insert(data=["y"])
        assert x.size == 7


def test_a_plain_dimension_grows_and_shrinks_without_bringing_values_back() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.dimension("n", 5)
        ds.create.data_var.generic("t", ("n",), "float64", (2,), data=np.arange(5.0))
        ds.resize(n=2)
        ds.resize({"n": 4})
        assert same(ds["t"].values, np.array([0.0, 1.0, np.nan, np.nan]))
        with pytest.raises(ValueError, match="append"):
            ds["x"] = ("x", [1, 2])
            ds.resize(x=3)


def test_a_failing_append_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        x = ds.create.coord.generic("x", data=[1, 2])
        ds["t"] = ("x", [1.0, 2.0])
        with monkeypatch.context() as patch:
            patch.setattr(type(x._array), "write", lambda *args, **options: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                x.append([3])
        assert (x.values.tolist(), ds["t"].shape) == ([1, 2], (2,))
        x.append([3])
        assert x.values.tolist() == [1, 2, 3]


def test_descending_coordinates_grow_at_both_ends() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        lat = ds.create.coord.generic("lat", data=[50.0, 40.0], step=True)
        lat.append([10.0])
        lat.prepend([70.0])
        assert lat.values.tolist() == [70.0, 60.0, 50.0, 40.0, 30.0, 20.0, 10.0]
        for labels in ([15.0], [20.0], [45.0]):
            with pytest.raises(CoordinateError):
                lat.append(labels)
        with pytest.raises(CoordinateError, match="cannot be inserted"):
            lat.insert(1, [65.0])


def test_many_places_are_filled_at_once_as_one_by_one() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["x"] = ("x", np.arange(0, 2000, 2))
        ds["t"] = ("x", np.arange(0, 2000, 2.0))
        odd = np.arange(-1, 2001, 2)
        ds.write({"t": ("x", odd * 1.0), "x": odd[::-1], "u": ("x", odd)} | {"t": ("x", odd[::-1] * 1.0)})
        assert ds["x"].values.tolist() == list(range(-1, 2000))
        assert ds["t"].values.tolist() == list(range(-1, 2000))
        assert len(ds["x"]._array.written()) <= 5


def test_no_label_becomes_another_one() -> None:
    """A part that the type cannot hold is an error, not another label."""
    with cfdb.open_dataset(None, "n") as ds:
        x = ds.create.coord.generic("x", data=[1, 2])
        day = ds.create.coord.generic("day", data=np.array(["2020-01-01"], "M8[D]"))
        ds["t"] = ("x", [1.0, 2.0])
        with pytest.raises(CoordinateError, match=r"3\.5 would become 3"):
            x.append([3.5])
        with pytest.raises(CoordinateError, match="would become"):
            day.append(["2020-01-02T12:00"])
        with pytest.raises(CoordinateError, match=r"1\.5 would become 1"):
            ds.write({"t": ("x", [7.0]), "x": [1.5]})
        with pytest.raises(CFDBError, match="too fine"):
            ds.write({"day": np.array(["2020-01-02T12"], "M8[h]")})
        x.append([3.0])
        assert (x.values.tolist(), ds["t"].values[:2].tolist(), day.size) == ([1, 2, 3], [1.0, 2.0], 1)


def test_masked_labels_are_refused() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        x = ds.create.coord.generic("x", data=[1, 2], fill_value=-1)
        for change in (x.append, x.prepend, lambda labels: x.insert(1, labels)):
            with pytest.raises(CoordinateError, match="missing"):
                change(np.ma.MaskedArray([3], [True]))
        assert x.values.tolist() == [1, 2]
