"""What a pushed dataset says about itself for catalogues."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.model.cataloguing import MAX_BYTES
from ebooklet.connection import StoreConnection
from ebooklet.sync.version import open_version


def _said(conn: StoreConnection) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(open_version(conn.store(), conn.db_key).snapshot.summary)
    return found


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[StoreConnection]:
    conn = StoreConnection("x.cfdb")
    with cfdb.open_edataset(conn, tmp_path / "first", "n") as ds:
        ds.create.coord.lat(data=[60.0, 50.0, 40.0], step=None)
        ds.create.coord.time(data=np.array(["2020-01-01", "2020-01-03"], "M8[D]"), step=None)
        ds.rename({"latitude": "y"})
        ds["t"] = (("y", "time"), np.ones((3, 2), "f4"), {"units": "K", "standard_name": "air_temperature"})
        ds["deep/s"] = ("x", [1, 2])
        ds.attrs.update(title="Rain", levels=np.arange(3), ratio=np.float32(0.5), nothing=np.nan)
    return conn


def test_attributes_dimensions_variables_and_extents_are_told(conn: StoreConnection) -> None:
    said = _said(conn)
    assert said["dataset_type"] == "grid"
    assert said["attrs"] == {"title": "Rain", "levels": [0, 1, 2], "ratio": 0.5}
    assert said["dims"]["y"] == 3
    assert said["dims"]["time"] == 2
    assert said["vars"]["t"] == {
        "dims": ["y", "time"],
        "dtype": "float32",
        "role": "data",
        "units": "K",
        "standard_name": "air_temperature",
    }
    assert said["extents"]["y"] == said["extents"]["lat"] == {"min": 40.0, "max": 60.0}
    assert said["extents"]["time"] == {"min": "2020-01-01T00:00:00", "max": "2020-01-03T00:00:00"}


def test_telling_costs_no_request(conn: StoreConnection) -> None:
    with cfdb.open_edataset(conn, cache=None, flag="w") as ds:
        ds["t"].attrs["note"] = "x"
        ds.push()
        assert ds.stats.total == 3  # the root to open; the tail and the root to push
    assert _said(conn)["extents"]["lat"] == {"min": 40.0, "max": 60.0}


def test_extents_follow_what_grows_and_shrinks(conn: StoreConnection, tmp_path: Path) -> None:
    with cfdb.open_edataset(conn, tmp_path / "other", "w") as ds:
        ds["time"].append(np.array(["2021-05-01"], "M8[D]"))
        ds["y"].append([90.0])
    assert _said(conn)["extents"]["time"]["max"] == "2021-05-01T00:00:00"
    assert _said(conn)["extents"]["lat"] == {"min": 40.0, "max": 90.0}
    with cfdb.open_edataset(conn, tmp_path / "other", "w") as ds:
        ds["y"].drop([90.0, 40.0])
    assert _said(conn)["extents"]["lat"] == {"min": 50.0, "max": 60.0}
    assert _said(conn)["extents"]["time"]["max"] == "2021-05-01T00:00:00"


def test_writers_who_meet_describe_what_both_did(conn: StoreConnection, tmp_path: Path) -> None:
    with cfdb.open_edataset(conn, tmp_path / "one", "w") as one, cfdb.open_edataset(conn, tmp_path / "two", "w") as two:
        one["time"].append(np.array(["2022-01-01"], "M8[D]"))
        two["y"].append([-10.0])
        two["y"].attrs["note"] = "south"
        one.push()
        two.push()
    assert _said(conn)["extents"]["lat"] == {"min": -10.0, "max": 60.0}
    assert _said(conn)["extents"]["time"]["max"] == "2022-01-01T00:00:00"


def test_points_are_told_by_their_coordinates() -> None:
    conn = StoreConnection("x.cfdb")
    with cfdb.open_edataset(conn, cache=None, flag="n", dataset_type="ts_ortho") as ds:
        ds.create.coord.point(data=[(5.0, 52.0), (7.0, 50.0)])
        ds.create.crs.from_user_input(4326, xy_coord="point")
    extents = _said(conn)["extents"]
    assert extents["point.x"] == extents["lon"] == {"min": 5.0, "max": 7.0}
    assert extents["point.y"] == extents["lat"] == {"min": 50.0, "max": 52.0}


def test_a_description_stays_small_whatever_there_is() -> None:
    conn = StoreConnection("x.cfdb")
    with cfdb.open_edataset(conn, cache=None, flag="n") as ds:
        for number in range(300):
            ds[f"a_variable_with_a_long_name_{number}"] = ("x", [1.0, 2.0], {"long_name": "words " * 40})
        ds.attrs.update({f"comment{n}": "words " * 100 for n in range(30)} | {"title": "Rain"})
    assert len(open_version(conn.store(), conn.db_key).snapshot.summary) <= MAX_BYTES
    assert _said(conn)["attrs"]["title"] == "Rain"
    assert _said(conn)["dims"] == {"x": 2}


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=8, unique=True))
@settings(max_examples=20, deadline=None)
def test_extents_are_those_of_numpy(labels: list[float]) -> None:
    conn = StoreConnection("x.cfdb")
    with cfdb.open_edataset(conn, cache=None, flag="n") as ds:
        ds.create.coord.generic("x", data=np.array(labels))
    assert _said(conn)["extents"]["x"] == {"min": min(labels), "max": max(labels)}


def test_what_workers_wrote_is_described_by_the_owner(tmp_path: Path) -> None:
    conn = StoreConnection("x.cfdb")
    with cfdb.open_edataset(conn, tmp_path / "x", "n") as ds:
        ds["x"] = ("x", [1.0, 2.0])
        ds["y"] = ("y", [5.0])
        ds["t"] = ("x", [0.0, 0.0])
        ds.attrs["title"] = "Rain"
        ds.push()
        with ds.fork().open() as part:
            part["t"][...] = 1.0
        ds.merge(part.result())
        ds.push()
    assert _said(conn)["attrs"] == {"title": "Rain"}
    assert _said(conn)["extents"]["x"] == {"min": 1.0, "max": 2.0}


def test_what_came_back_is_described_as_it_was(conn: StoreConnection, tmp_path: Path) -> None:
    before = _said(conn)
    with cfdb.open_edataset(conn, tmp_path / "x", "w") as ds:
        ds.attrs["title"] = "Snow"
        ds["y"].append([0.0])
        ds.push()
        assert _said(conn) != before
        ds.rollback(1)
    assert _said(conn) == before
