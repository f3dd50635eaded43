"""A dataset that tracks its history notes what every commit changed, and nothing else."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfdb
from cfdb.model.undo import all_or_nothing

MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def lines(ds: Any) -> list[str]:
    """What each line says, after its moment."""
    found = str(ds.attrs.get("history", "")).splitlines()
    assert all(re.match(rf"{MOMENT}: cfdb: ", line) for line in found)
    return [line.partition(": cfdb: ")[2] for line in found]


def test_each_commit_that_changes_something_adds_a_line(tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "a.cfdb", "n", track_history=True) as ds:
        ds.create.coord.generic("x", data=[1, 2, 3])
        ds["t"] = ("x", [1.0, 2.0, 3.0])
        ds.sync()
        assert lines(ds) == ["created the dataset; created x, t"]
        ds.sync()
        ds.sync()
        assert len(lines(ds)) == 1
        ds["t"][0] = 5.0
        ds["t"].attrs["units"] = "K"
        ds.sync()
        ds["x"].append([4])
        ds.rename(t="temperature")
        ds.create.group("notes")
        ds.sync()
        ds.attrs["title"] = "A title"
        ds["temperature"].update_units("K")
        ds.sync()
        del ds["temperature"]
        ds.create.dimension("n", 2)
    with cfdb.open_dataset(tmp_path / "a.cfdb", "w") as ds:
        assert lines(ds) == [
            "created the dataset; created x, t",
            "wrote t; set attributes of t",
            "renamed t to temperature; resized x to 4; wrote x; created the group notes",
            "described anew temperature; set attributes of the dataset",
            "deleted temperature; created the dimension n",
        ]
        assert re.fullmatch(MOMENT, ds.attrs["date_created"])
        assert ds.attrs["date_modified"] == ds.attrs["history"].splitlines()[-1].partition(": cfdb")[0]
        before = ds.attrs.data
    with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
        assert ds.attrs.data == before


def test_it_is_opt_in_and_the_choice_stays_with_the_dataset(tmp_path: Path) -> None:
    path = tmp_path / "a.cfdb"
    with cfdb.open_dataset(path, "n") as ds:
        ds["t"] = ("x", [1.0])
    with cfdb.open_dataset(path, "w") as ds:
        assert dict(ds.attrs) == {}
        ds["t"][0] = 2.0
    with cfdb.open_dataset(path, "w", track_history=True) as ds:
        assert dict(ds.attrs) == {}
        ds["t"][0] = 3.0
    with cfdb.open_dataset(path, "w") as ds:
        assert lines(ds) == ["wrote t"]
        assert "date_created" not in ds.attrs  # nobody knows
        ds["t"][0] = 4.0
    with cfdb.open_dataset(path, "w", track_history=False) as ds:
        assert lines(ds)[1:] == ["wrote t"]
        ds["t"][0] = 5.0
    with cfdb.open_dataset(path, "w") as ds:
        assert len(lines(ds)) == 2
        ds["t"][0] = 6.0
    with cfdb.open_dataset(path) as ds:
        assert len(lines(ds)) == 2
    with pytest.raises(TypeError, match="track_history='yes'"):
        cfdb.open_dataset(path, "w", track_history="yes")
    cfdb.open_dataset(path, "w").close()


def test_what_was_there_before_is_kept_and_many_names_are_cut(tmp_path: Path) -> None:
    with cfdb.open_dataset(None, "n", track_history=True) as ds:
        ds.attrs["history"] = "1999: made by hand"
        for number in range(9):
            ds[f"v{number}"] = number
        ds.sync()
        first, second = ds.attrs["history"].splitlines()
        assert first == "1999: made by hand"
        assert second.endswith("created v0, v1, v2, v3, v4 and 4 more; set attributes of the dataset")


def test_what_failed_or_was_rolled_back_is_not_history() -> None:
    with cfdb.open_dataset(None, "n", track_history=True) as ds:
        ds.create.coord.generic("x", data=[1, 2, 3])
        ds["t"] = ("x", [1.0, 2.0, 3.0])
        ds.sync()
        ds["t"][0] = 9.0
        ds["u"] = 1
        ds.rollback()
        with pytest.raises(ValueError, match="length"):
            ds["v"] = ("x", [1, 2])
        with pytest.raises(ValueError, match="twice"):
            ds["x"].append([3])
        ds.sync()
        assert len(lines(ds)) == 1


def test_steps_that_were_taken_back_are_not_history() -> None:
    with cfdb.open_dataset(None, "n", track_history=True) as ds:
        ds["t"] = ("x", [1.0, 2.0, 3.0])
        ds["u"] = 1
        ds.sync()
        with pytest.raises(ZeroDivisionError), all_or_nothing(ds._structure):
            ds["made"] = 1
            1 / 0  # noqa: B018
        ds["u"][...] = 2
        ds.sync()
        assert lines(ds)[1:] == ["wrote u"]


def test_a_push_tells_readers_what_changed(tmp_path: Path) -> None:
    remote = f"file://{tmp_path}/remote/t.cfdb"
    with cfdb.open_edataset(remote, tmp_path / "a.cfdb", "n", track_history=True) as ds:
        ds["t"] = ("x", np.zeros(3))
        assert ds.push()
        assert not ds.push()
        ds["t"][0] = 1.0
    with cfdb.open_edataset(remote, tmp_path / "a.cfdb", "w") as ds:
        assert lines(ds) == ["created the dataset; created t; created the dimension x", "wrote t"]
        assert not ds.changes()
    with cfdb.open_edataset(remote, cache=None) as ds:
        assert len(lines(ds)) == 2
