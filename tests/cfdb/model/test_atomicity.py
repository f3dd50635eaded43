"""Whatever fails changes nothing: neither records, attributes and values, nor what is written at the next commit."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from tests.support.records import records_of

Call = Callable[[Any], Any]


def fill(ds: Any) -> None:
    ds.create.coord.generic("x", data=[1.0, 2.0, 3.0], axis="x", step=True)
    ds.create.coord.generic("y", data=[10, 20], axis="y")
    ds.create.data_var.generic("t", ("y", "x"), data=np.arange(6, dtype="i2").reshape(2, 3), chunk_shape=(1, 2))
    ds.create.dimension("n", 4)
    ds.create.variable("crs", (), "int32", role="grid_mapping", attrs={"a": 1})
    ds["t"].update_links({"grid_mapping": "crs"})
    ds.create.group("g", {"title": "group"})["v"] = ("k", ["a", "b"])
    ds.attrs.update(title="T", number=np.int16(3))


@pytest.fixture
def ds() -> Iterator[Any]:
    with cfdb.open_dataset(None, "n") as ds:
        fill(ds)
        yield ds


def everything(ds: Any) -> tuple[Any, dict[str, bytes]]:
    """Give what is known of a dataset, and every payload that is stored once it is synced."""
    found = records_of(ds)
    ds.sync()
    store = ds._structure.store
    keys = sorted(store.keys(""))
    return found, {key: bytes(value) for key, value in zip(keys, store.get_many(keys), strict=True)}


def generic(name: Any, dims: Any = ("x",), **options: Any) -> Call:
    return lambda ds: ds.create.data_var.generic(name, dims, **options)


def coord(name: Any, **options: Any) -> Call:
    return lambda ds: ds.create.coord.generic(name, **options)


CALLS: dict[str, Call] = {
    "a dtype that is none": generic("a", dtype="float31"),
    "no dtype": generic("a"),
    "a name that is none": generic(3, dtype="f4"),
    "a name that ends in a group that is a variable": generic("t/a", dtype="f4"),
    "a name that is taken": generic("t", dtype="f4"),
    "the name of a group": generic("g", dtype="f4"),
    "data of a wrong length": generic("a", data=[1.0, 2.0]),
    "data of a wrong shape": generic("a", data=np.ones((3, 2))),
    "data that do not fit the type": generic("a", dtype="i1", data=[1, 2, 1000]),
    "data that do not fit in the last chunk": generic("a", ("new",), dtype="i1", data=[*range(9), 1000], chunk_shape=3),
    "text for numbers": generic("a", dtype="f4", data=["a", "b", "c"]),
    "a ragged list": generic("a", ("p", "q"), data=[[1, 2], [3]]),
    "dimensions that do not exist": generic("a", ("new", "x"), dtype="f4"),
    "a dimension twice": generic("a", ("p", "p"), data=np.ones((2, 2))),
    "a new dimension and a wrong old one": generic("a", ("p", "x"), data=np.ones((2, 2))),
    "dimensions that are no names": generic("a", (1, 2), dtype="f4"),
    "a chunk shape of another length": generic("a", dtype="f4", chunk_shape=(1, 2)),
    "a chunk shape of nothing": generic("a", dtype="f4", chunk_shape=(0,)),
    "a chunk shape of text": generic("a", dtype="f4", chunk_shape="big"),
    "a chunk shape of another dimension": generic("a", dtype="f4", chunk_shape={"q": 1}),
    "attributes that cannot be stored": generic("a", dtype="f4", attrs={"good": 1, "bad": object()}),
    "attributes that are no dict": generic("a", dtype="f4", attrs=[1, 2]),
    "attributes of an empty name": generic("a", dtype="f4", attrs={"": 1}),
    "links to nothing": generic("a", dtype="f4", links={"bounds": "nothing"}),
    "links that are no dict": generic("a", dtype="f4", links="crs"),
    "links to themselves": generic("a", dtype="f4", links={"bounds": "a"}),
    "a fill value out of range": generic("a", dtype="i1", fill_value=1000),
    "a fill value of text": generic("a", dtype="i4", fill_value="none"),
    "two fill values": generic("a", dtype="i4", fill_value=[1, 2]),
    "a missing value that cannot be stored": generic("a", dtype="i4", missing_value=object()),
    "units that are no text": generic("a", dtype="i4", units=3),
    "a role that is none": lambda ds: ds.create.variable("a", "x", "f4", role="king"),
    "an axis that is none": lambda ds: ds.create.variable("a", "x", "f4", axis="q"),
    "an axis that is taken": lambda ds: ds.create.variable("a", "x", "f4", axis="y"),
    "unlimited that is no bool": lambda ds: ds.create.variable("a", "x", "f4", unlimited="yes"),
    "how it was stored that cannot be stored": generic("a", dtype="f4", source_encoding={"a": object()}),
    "a compression that is none": generic("a", dtype="f4", compression="rar"),
    "a level that is none": generic("a", dtype="f4", compression_level="high"),
    "an encoding that is none": generic("a", dtype="f4", encoding="best"),
    "a precision of text": generic("a", dtype="f4", precision="two"),
    "an unknown option": generic("a", dtype="f4", fill=3),
    "a coordinate with labels twice": coord("c", data=[1, 1]),
    "a coordinate without some labels": coord("c", data=[1.0, np.nan]),
    "a coordinate of an axis that is taken": coord("c", data=[1], axis="x"),
    "a coordinate of a wrong step": coord("c", data=[1, 2, 4], step=1),
    "a coordinate in two dimensions": coord("c", data=np.ones((2, 2))),
    "a coordinate of another length than its dimension": coord("n", data=[1, 2]),
    "an auxiliary coordinate of a wrong shape": coord("c", data=np.ones((2, 2)), dims=("y", "x")),
    "an enumeration of numbers": generic("a", dtype="enum", data=[1, 2, 3]),
    "bounds of a wrong shape": lambda ds: ds.create.bounds("x", np.ones((2, 2))),
    "bounds under a name that is taken": lambda ds: ds.create.bounds("x", np.ones((3, 2)), name="t"),
    "a dimension that is there": lambda ds: ds.create.dimension("n", 3),
    "a dimension of text": lambda ds: ds.create.dimension("m", "three"),
    "a group that is there": lambda ds: ds.create.group("g"),
    "a group with wrong attributes": lambda ds: ds.create.group("h/i", {"good": 1, "bad": object()}),
    "a group in a variable": lambda ds: ds.create.group("t/h"),
    "wrong values in a group": lambda ds: ds["g"].create.data_var.generic("a", ("new",), "i1", data=[1, 1000]),
    "assigning another shape": lambda ds: ds.__setitem__("t", (("y", "x"), np.ones((3, 3)))),
    "assigning other dimensions": lambda ds: ds.__setitem__("t", (("x", "y"), np.ones((3, 2)))),
    "assigning wrong attributes": lambda ds: ds.__setitem__("t", (("y", "x"), np.ones((2, 3)), {"bad": object()})),
    "assigning attributes that are no dict": lambda ds: ds.__setitem__("t", (("y", "x"), np.ones((2, 3)), 7)),
    "assigning too little": lambda ds: ds.__setitem__("a", ()),
    "assigning without dimensions": lambda ds: ds.__setitem__("a", [1, 2]),
    "assigning under a name that is none": lambda ds: ds.__setitem__(3, 1),
    "values that do not fit": lambda ds: ds["t"].__setitem__(slice(None), 10**9),
    "a value that does not fit in the last chunk": lambda ds: ds["t"].__setitem__(..., [[0, 0, 0], [0, 0, 10**9]]),
    "a wrong shape of values": lambda ds: ds["t"].__setitem__(slice(None), np.ones((5, 5))),
    "an update of attributes with one wrong": lambda ds: ds.attrs.update(good=1, bad=object()),
    "attributes of a variable with one wrong": lambda ds: ds["t"].attrs.update({"good": 1, "bad": {1: 2}}),
    "a missing attribute": lambda ds: ds["t"].attrs.__delitem__("nothing"),
    "renaming attributes to nothing": lambda ds: ds.attrs.rename(title="", number="n"),
    "renaming to what is taken": lambda ds: ds.rename(t="u", x="y"),
    "renaming to nothing": lambda ds: ds.rename(t=""),
    "renaming what is not there": lambda ds: ds.rename(t="u", q="r"),
    "renaming a group into a variable": lambda ds: ds.rename(g="t/g"),
    "deleting a coordinate in use": lambda ds: ds.__delitem__("x"),
    "deleting what is not there": lambda ds: ds.__delitem__("q"),
    "dropping a dimension in use": lambda ds: ds.drop_dim("x"),
    "dropping a dimension that is not there": lambda ds: ds.drop_dim("q"),
    "labels that are there": lambda ds: ds["y"].append([30, 20]),
    "labels that do not fit the step": lambda ds: ds["x"].append([4.0, 4.7]),
    "labels of another type": lambda ds: ds["y"].append(["a"]),
    "labels before that do not fit": lambda ds: ds["x"].prepend([1.5]),
    "dropping labels that are not there": lambda ds: ds["y"].drop([10, 99]),
    "truncating to nothing": lambda ds: ds["y"].truncate(100, 200),
    "inserting far outside": lambda ds: ds["y"].insert(9, [15]),
    "writing a label twice": lambda ds: ds["y"].__setitem__(0, 20),
    "an axis of another coordinate": lambda ds: ds["x"].update_axis("y"),
    "an axis that means nothing": lambda ds: ds["x"].update_axis("w"),
    "a step the labels do not have": lambda ds: ds["y"].update_step(3),
    "units of a number": lambda ds: ds["t"].update_units(3),
    "links of nothing": lambda ds: ds["t"].update_links({"grid_mapping": None, "bounds": "q"}),
    "resizing a labelled dimension with another": lambda ds: ds.resize(n=9, x=5),
    "resizing to less than nothing": lambda ds: ds.resize(n=-1),
    "a file of age without a remote": lambda ds: ds.prune(timestamp=5),
}


@pytest.mark.parametrize("what", CALLS)
def test_a_failing_call_changes_nothing(ds: Any, what: str) -> None:
    before = everything(ds)
    with pytest.raises((ValueError, TypeError, KeyError, IndexError)):
        CALLS[what](ds)
    assert everything(ds) == before


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from([*CALLS]), max_size=6), st.booleans())
def test_failing_calls_in_any_order_leave_pending_changes_alone(names: list[str], synced: bool) -> None:
    with cfdb.open_dataset(None, "n") as ds, cfdb.open_dataset(None, "n") as twin:
        for each in (ds, twin):
            fill(each)
        if synced:
            ds.sync()
        ds["t"][0, 0] = 7
        ds["extra"] = ("n", [1, 2, 3, 4])
        before = records_of(ds)
        for name in names:
            with pytest.raises((ValueError, TypeError, KeyError, IndexError)):
                CALLS[name](ds)
        assert records_of(ds) == before
        ds.sync()
        ds.rollback()
        assert records_of(ds) == before


def test_an_interrupt_while_creating_leaves_nothing(ds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(ds)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(ds._structure.store), "set_many", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ds["a"] = (("x", "new"), np.ones((3, 2)))
    monkeypatch.undo()
    assert everything(ds) == before


def cut(ds: Any) -> None:
    ds["y"].drop(10)


def delete(ds: Any) -> None:
    del ds["t"]


@pytest.mark.parametrize("verb", ["delete", "set_notes", "notes", "has"])
@pytest.mark.parametrize(
    "change", [cut, delete, lambda ds: ds["x"].truncate(2.0), lambda ds: ds.resize(n=1), lambda ds: ds.drop_dim("free")]
)
def test_an_interrupt_while_removing_changes_nothing(change: Call, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        fill(ds)
        ds["along"] = (("n", "y"), np.arange(8.0).reshape(4, 2))
        ds.create.coord.generic("free", data=[1, 2])
        before = everything(ds)

        def interrupted(*_: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(type(ds._structure.store), verb, interrupted)
        try:
            change(ds)
        except KeyboardInterrupt:
            monkeypatch.undo()
            assert everything(ds) == before
            assert (ds["t"].max(), ds["along"].max()) == (5, 7.0)


def test_an_opening_that_fails_leaves_nothing_to_warn_of(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    unraisable: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", unraisable.append)
    monkeypatch.setattr("cfdb.opening.history_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cfdb.open_dataset(tmp_path / "a.cfdb", "n")
    gc.collect()
    assert not unraisable
