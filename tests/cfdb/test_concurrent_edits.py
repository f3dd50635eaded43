"""Two clients change the same version: what does not touch each other is put together, the rest is a conflict."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import cfdb
from cfdb.format.statistics import merge
from cfdb.model.edataset import EDataset
from ebooklet import ConflictError

Edit = Callable[[EDataset, str, str, int], None]  # of a variable along a dimension, by the first or second client


def write_chunk(ds: EDataset, name: str, dim: str, who: int) -> None:
    ds[name][0:5] = 100.0 + who


def append(ds: EDataset, name: str, dim: str, who: int) -> None:
    ds[dim].append([20 + who, 30 + who])


def drop(ds: EDataset, name: str, dim: str, who: int) -> None:
    ds[dim].drop([12 + who, 13 + who])


def rename(ds: EDataset, name: str, dim: str, who: int) -> None:
    ds.rename({name: f"renamed_{name}_{who}"})


def delete(ds: EDataset, name: str, dim: str, who: int) -> None:
    del ds[name]


def set_attribute(ds: EDataset, name: str, dim: str, who: int) -> None:
    ds[name].attrs["units"] = f"unit {who}"


EDITS: dict[str, Edit] = {edit.__name__: edit for edit in (write_chunk, append, drop, rename, delete, set_attribute)}
# Whether my edit of a variable goes on top of theirs of the same one. A chunk relies on the records of its variable and
# of the dimensions, attributes on the variable's, a variable on its dimensions, a deletion on all it deletes; a
# dimension relies on nothing but itself.
ON_TOP = {
    "write_chunk": {"set_attribute"},
    "append": {"write_chunk", "rename", "delete", "set_attribute"},
    "drop": {"write_chunk", "set_attribute"},
    "rename": {"write_chunk", "set_attribute"},
    "delete": {"append", "drop"},
    "set_attribute": {"write_chunk", "append", "drop"},
}


@pytest.fixture
def remote(tmp_path: Path) -> str:
    """A published dataset: `t` along time in chunks of 5, and the same once more under other names."""
    uri = (tmp_path / "store" / "x.cfdb").as_uri()
    with cfdb.open_edataset(uri, flag="n", cache=None) as ds:
        for dim, name in (("time", "t"), ("day", "u")):
            ds.create.coord.generic(dim, data=np.arange(20), step=False)
            ds.create.data_var.generic(name, (dim,), dtype="float32", chunk_shape=(5,))
            ds[name][...] = np.arange(20)
    return uri


def open_both(remote: str) -> tuple[EDataset, EDataset]:
    first = cfdb.open_edataset(remote, flag="w", cache=None, push_on_close=False)
    second = cfdb.open_edataset(remote, flag="w", cache=None, push_on_close=False)
    return first, second


def contents(ds: EDataset) -> dict[str, object]:
    """Everything a reader sees, comparable."""
    return {name: (ds[name].dims, str(ds[name].values.tolist()), dict(ds[name].attrs)) for name in sorted(ds.var_names)}


def on_top(remote: str, edits: list[Callable[[EDataset], None]]) -> dict[str, object]:
    """The same edits of the first version, made one after the other by one client."""
    with cfdb.open_edataset(remote, flag="w", cache=None, push_on_close=False) as ds:
        for edit in edits:
            edit(ds)
        return contents(ds)


def published(remote: str) -> dict[str, object]:
    with cfdb.open_edataset(remote, cache=None) as ds:
        return contents(ds)


@pytest.mark.parametrize(("mine", "theirs"), list(product(EDITS, EDITS)))
def test_edits_of_the_same_variable(mine: str, theirs: str, remote: str) -> None:
    def by_them(ds: EDataset) -> None:
        EDITS[theirs](ds, "t", "time", 0)

    def by_me(ds: EDataset) -> None:
        EDITS[mine](ds, "t", "time", 1)

    together = theirs in ON_TOP[mine]
    expected = on_top(remote, [by_them, by_me]) if together else None
    first, second = open_both(remote)
    with first, second:
        by_them(first)
        by_me(second)
        assert first.push()
        if together:
            second.push()
            assert contents(second) == expected
        else:
            expected = contents(first)
            with pytest.raises(ConflictError) as caught:
                second.push()
            assert caught.value.keys or caught.value.guards
            assert second.changes(), "nothing of mine is lost"
    assert published(remote) == expected


@pytest.mark.parametrize(("mine", "theirs"), list(product(EDITS, EDITS)))
def test_edits_of_different_variables_are_put_together(mine: str, theirs: str, remote: str) -> None:
    def by_them(ds: EDataset) -> None:
        EDITS[theirs](ds, "u", "day", 0)

    def by_me(ds: EDataset) -> None:
        EDITS[mine](ds, "t", "time", 1)

    expected = on_top(remote, [by_them, by_me])
    first, second = open_both(remote)
    with first, second:
        by_them(first)
        by_me(second)
        assert first.push()
        assert second.push()
        assert contents(second) == expected
    assert published(remote) == expected


def test_chunks_of_one_variable_written_by_two_are_put_together(remote: str) -> None:
    first, second = open_both(remote)
    with first, second:
        first["t"][0:5] = 1.0
        second["t"][5:10] = 2.0
        first.push()
        second.push()
        np.testing.assert_array_equal(second["t"][:12].values, [1] * 5 + [2] * 5 + [10, 11])


def test_two_variables_of_the_same_name_conflict(remote: str) -> None:
    first, second = open_both(remote)
    with first, second:
        first["new"] = ("time", np.zeros(20))
        second["new"] = ("day", np.ones(20))
        first.push()
        with pytest.raises(ConflictError):
            second.push()


def test_a_variable_created_along_a_dimension_that_grew_meanwhile_conflicts(remote: str) -> None:
    first, second = open_both(remote)
    with first, second:
        first["time"].append([20, 21])
        second["new"] = ("time", np.zeros(20))
        first.push()
        with pytest.raises(ConflictError):
            second.push()


@pytest.mark.parametrize(("on_conflict", "value"), [("ours", 2.0), ("theirs", 1.0)])
def test_a_conflict_can_be_decided(on_conflict: str, value: float, remote: str) -> None:
    first, second = open_both(remote)
    with first, second:
        first["t"][0:5] = 1.0
        second["t"][0:5] = 2.0
        first.push()
        second.push(on_conflict=on_conflict)
        assert (second["t"][0:5].values == value).all()
    with cfdb.open_edataset(remote, cache=None) as ds:
        assert (ds["t"][0:5].values == value).all()


def test_a_pull_brings_the_new_version_and_keeps_own_changes_on_top(remote: str) -> None:
    first, second = open_both(remote)
    with first, second:
        first["t"][0:5] = 1.0
        first.rename(u="pressure")
        second["t"][5:10] = 2.0
        first.push()
        assert second.pull()
        assert "pressure" in second
        np.testing.assert_array_equal(second["t"][:12].values, [1] * 5 + [2] * 5 + [10, 11])
        assert len(second.changes()) == 1
        assert not second.pull()


def test_statistics_of_a_chunk_that_lost_cells_are_not_used_by_anybody(remote: str) -> None:
    first, _second = open_both(remote)
    _second.close()
    with first:
        first["time"].drop([12, 13])
        first["time"].append([20, 21])
        first.push()
    with cfdb.open_edataset(remote, cache=None) as ds:
        values = ds["t"].values
        array = ds["t"]._labels.array(ds["t"]._member)
        found = merge(array.statistics().values())
        assert found is not None
        assert found.valid == np.count_nonzero(~np.isnan(values))
        assert (found.minimum, found.maximum) == (np.nanmin(values), np.nanmax(values))
