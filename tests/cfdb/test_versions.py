"""Versions of a dataset: listed, named, opened, compared by variable and value, brought back."""

import pickle
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
import ebooklet
from cfdb.analysis.comparing import diff_values
from cfdb.analysis.comparing.diff import same
from cfdb.analysis.comparing.difference import EDGES
from cfdb.analysis.comparing.picture import difference_field
from cfdb.errors import VariableNotFoundError
from cfdb.model.edataset import EDataset

SHAPE, CHUNKS = (6, 20, 30), (2, 10, 10)


@pytest.fixture
def remote(tmp_path: Path) -> str:
    return f"file://{tmp_path}/store/t.cfdb"


@pytest.fixture
def ds(remote: str, tmp_path: Path) -> Iterator[EDataset]:
    """A dataset that was pushed once, tagged v1."""
    with cfdb.open_edataset(remote, tmp_path / "mine.cfdb", "n", push_on_close=False) as ds:
        ds.create.coord.time(data=np.arange("2020-01-01", "2020-01-07", dtype="M8[D]"))
        ds.create.coord.lat(data=np.arange(20.0), step=False)
        ds.create.coord.lon(data=np.arange(30.0))
        t = ds.create.data_var.generic("t", ("time", "latitude", "longitude"), "float64", CHUNKS)
        t[...] = field()
        t.attrs["units"] = "K"
        ds["station"] = ("station", np.array(["a", "b", "c"]))
        ds.push(message="as measured", tag="v1")
        yield ds


def field() -> Any:
    return np.random.default_rng(0).normal(size=SHAPE)


def used(folder: Path) -> int:
    """Bytes in the bucket."""
    return sum(path.stat().st_size for path in (folder / "store").rglob("*") if path.is_file())


def test_versions_are_listed_named_and_opened(ds: EDataset, remote: str) -> None:
    ds["t"][0, 0, 0] = 5.0
    ds.push(message="corrected")
    assert [version.message for version in ds.log()] == ["corrected", "as measured"]
    ds.tag("best", 1)
    assert ds.tags()["best"].tags == ("best", "v1")
    ds.delete_tag("best")
    assert set(ds.tags()) == {"v1"}
    assert ds.version == ds.log()[0].id
    for wanted in ("v1", 1, ds.log()[1], ds.log()[1].time, ds.log()[1].id[:8]):
        with cfdb.open_edataset(remote, cache=None, version=wanted) as old:
            np.testing.assert_array_equal(old["t"].values, field())
            assert old.version == ds.log()[1].id
    now = datetime.now(UTC)
    assert cfdb.open_edataset(remote, cache=None, version=now).version == ds.version


def test_a_version_of_a_small_dataset_opens_with_two_requests_and_few_more(ds: EDataset, remote: str) -> None:
    ds["t"][0, 0, 0] = 5.0
    ds.push()
    with cfdb.open_edataset(remote, cache=None, version="v1") as old:
        assert old.stats.total == 2
        assert old["t"].attrs["units"] == "K"
        old["latitude"].values  # noqa: B018
        assert old.stats.total == 2
        old["t"][0, 0, 0].values  # noqa: B018
        assert old.stats.total == 3


def test_an_old_version_and_the_newest_on_one_file_do_not_exchange_chunks(ds: EDataset, remote: str) -> None:
    path = ds.file_path
    ds["t"][...] = 1.0
    ds.push()
    ds["t"][0] = 2.0
    ds.sync()
    with cfdb.open_edataset(remote, path, version="v1") as old:
        np.testing.assert_array_equal(old["t"].values, field())
        with pytest.raises(ValueError, match="read"):
            old["t"][0] = 1.0
        assert not old.pull()
    assert float(ds["t"][0, 0, 0]) == 2.0
    assert float(ds["t"][2, 0, 0]) == 1.0


def test_an_old_version_can_be_handed_to_workers(ds: EDataset, remote: str) -> None:
    ds["t"][...] = 1.0
    ds.push()
    with cfdb.open_edataset(remote, cache=None, version="v1") as old:
        again = pickle.loads(pickle.dumps(old))
        np.testing.assert_array_equal(again["t"].values, field())
        assert again.version == old.version


def test_what_differs_is_told_by_variable(ds: EDataset) -> None:
    t = ds["t"]
    t[0, 0:3, 0:3] = 9.0
    t[5, 19, 29] = np.nan
    t.attrs["units"] = "degC"
    t.attrs["note"] = "x"
    ds.attrs["title"] = "T"
    del ds["station"]
    ds["new"] = ("z", [1, 2])
    ds["time"].append(np.array(["2020-01-07"], "M8[D]"))
    ds.push()
    before = ds.stats.total
    found = ds.diff("v1")
    assert ds.stats.total - before <= 6, "keys and structure, no values"
    assert (found.added, found.deleted) == (("new",), ("station",))
    assert found["t"].changed == ((0, 0, 0), (2, 1, 2))
    assert found["t"].values is None
    assert {(one.owner, one.name, one.old, one.new) for one in (*found["t"].fields, *found.fields)} == {
        ("t", "attrs['units']", "K", "degC"),
        ("t", "attrs['note']", None, "x"),
        (None, "attrs['title']", None, "T"),
        (None, "dimension time", 6, 7),
        (None, "dimension station", 3, None),
        (None, "dimension z", None, 2),
    }
    text = str(found)
    assert "station  deleted" in text
    assert "t: attrs['units']: 'K' -> 'degC'" in text
    with pytest.raises(VariableNotFoundError, match="'latitude' does not differ"):
        found["latitude"]


def test_two_versions_that_are_the_same_do_not_differ(ds: EDataset) -> None:
    found = ds.diff("v1", 0, values=True)
    assert not found
    assert str(found).startswith("Nothing differs between")


def test_values_are_compared_in_the_chunks_that_differ_only(ds: EDataset, remote: str) -> None:
    t = ds["t"]
    new = field()
    new[0, 0:3, 0:3] += 1.5
    new[1, 0, 0] -= 0.25
    new[5, 19, 29] = np.nan
    t[...] = new
    ds.push()
    with cfdb.open_edataset(remote, cache=None) as reader:
        before = reader.stats.total
        values = reader.diff("v1", values=True)["t"].values
        assert reader.stats.total - before <= 8
    assert values is not None
    changed = new != field()
    gone = np.isnan(new)
    distance = np.abs(new - field())[changed & ~gone]
    assert (values.cells, values.changed) == (2 * 200, int(changed.sum()))
    assert (values.appeared, values.disappeared) == (0, 1)
    np.testing.assert_allclose([values.max_abs, values.mean_abs], [distance.max(), distance.mean()])
    counts, _ = np.histogram(distance, [0, *EDGES, np.inf])
    assert values.histogram == tuple(counts)
    assert len(values.edges) == len(values.histogram) - 1


def test_what_is_pending_is_compared_when_no_second_version_is_named(ds: EDataset) -> None:
    assert not ds.diff(0)
    ds["t"][0, 0, 0] = field()[0, 0, 0] + 1
    ds["t"].attrs["units"] = "degC"
    found = ds.diff(0, values=True)
    assert found.new == "pending changes"
    assert found["t"].values.changed == 1
    assert found["t"].values.max_abs == pytest.approx(1.0)
    assert [one.name for one in found["t"].fields] == ["attrs['units']"]
    assert len(ds.changes()) > 0, "they are still pending"
    ds["t"][0, 0, 0] = field()[0, 0, 0]
    assert ds.diff("v1", values=True)["t"].values is None, "the chunk is as it was"


def test_cells_are_known_by_where_they_are_stored_not_by_their_position(ds: EDataset) -> None:
    """A line inserted before others does not make all of them differ."""
    ds["latitude"].insert(5, [4.5])
    ds["t"][:, 5, :] = 7.0
    ds["t"][0, 8, 0] = 9.0
    ds.push()
    values = ds.diff("v1", values=True)["t"].values
    assert (values.changed, values.cells_added) == (1, 6 * 30)
    assert values.max_abs == pytest.approx(abs(9.0 - field()[0, 7, 0]))


def test_dropped_and_renamed_things_are_told_as_such(ds: EDataset) -> None:
    ds["latitude"].drop(3.0)
    ds.rename({"t": "temperature"})
    ds.push()
    found = ds.diff("v1", values=True)
    assert found.changed == ("temperature",)
    assert ("name", "t", "temperature") in {(one.name, one.old, one.new) for one in found["temperature"].fields}
    assert {one.name: (one.old, one.new) for one in found.fields} == {"dimension latitude": (20, 19)}


def test_texts_times_flags_and_whole_numbers_are_compared(remote: str) -> None:
    big = np.iinfo("i8")
    with cfdb.open_edataset(remote, cache=None, flag="n", push_on_close=False) as ds:
        ds["text"] = ("x", np.array(["a", "b", ""]))
        ds["when"] = ("x", np.array(["2020-01-01", "NaT", "2020-01-03"], "M8[s]"))
        ds["flag"] = ("x", [True, False, True])
        ds["wide"] = ("x", np.array([big.min, 0, 5], "i8"))
        ds["unsigned"] = ("x", np.array([5, 0, 250], "u1"))
        ds["complex"] = ("x", np.array([1 + 1j, 0, 0]))
        ds["s"] = ((), 1.0)
        ds.push()
        ds["text"][1] = "c"
        ds["when"][...] = np.array(["2020-01-02", "2020-01-01", "NaT"], "M8[s]")
        ds["flag"][0] = False
        ds["wide"][0] = big.max
        ds["unsigned"][...] = [0, 5, 255]
        ds["complex"][0] = 1 + 3j
        ds["s"][...] = np.float64(4.0)
        found = ds.diff(0, values=True)
    values = {name: one.values for name, one in found.variables.items()}
    assert {name: one.changed for name, one in values.items() if one} == {
        "text": 1, "when": 3, "flag": 1, "wide": 1, "unsigned": 3, "complex": 1, "s": 1,
    }  # fmt: skip
    assert (values["when"].appeared, values["when"].disappeared, values["when"].max_abs) == (1, 1, 86_400)
    assert np.isnan(values["text"].max_abs)
    assert values["wide"].max_abs == float(2**64 - 1)
    assert (values["unsigned"].max_abs, values["unsigned"].mean_abs) == (5, 5)
    assert (values["complex"].max_abs, values["s"].max_abs) == (2, 3)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_differences_are_those_of_numpy(data: Any) -> None:
    import tempfile

    number = st.sampled_from([0.0, 1.0, -2.5, np.nan, np.inf, 1e-9])
    old = np.array(data.draw(st.lists(number, min_size=12, max_size=12))).reshape(3, 4)
    new = old.copy()
    for _ in range(data.draw(st.integers(1, 6))):
        new[data.draw(st.integers(0, 2)), data.draw(st.integers(0, 3))] = data.draw(number)
    with cfdb.open_edataset(f"file://{tempfile.mkdtemp()}/t", cache=None, flag="n", push_on_close=False) as ds:
        ds.create.data_var.generic("t", ("y", "x"), "float64", (2, 2), data=old)
        ds.push()
        ds["t"][...] = new
        found = ds.diff(0, values=True)
        values = found["t"].values if "t" in found.variables else None
    differs = ~((old == new) | (np.isnan(old) & np.isnan(new)))
    assert (values.changed if values else 0) == differs.sum()
    with np.errstate(invalid="ignore"):
        distance = np.abs(new - old)[differs & np.isfinite(old) & np.isfinite(new)]
    if values is not None and distance.size:
        np.testing.assert_allclose([values.max_abs, values.mean_abs], [distance.max(), distance.mean()])
        assert sum(values.histogram) == distance.size


def test_large_differences_are_compared_in_bounded_memory(remote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from ebooklet import loading

    monkeypatch.setattr(loading, "KEPT_BYTES", 1 << 20)
    monkeypatch.setattr(loading, "BATCH_BYTES", 1 << 20)
    monkeypatch.setattr(diff_values, "TOGETHER", 1 << 20)
    rng = np.random.default_rng(1)
    with cfdb.open_edataset(remote, cache=None, flag="n", push_on_close=False) as ds:
        ds.create.coord.generic("y", data=np.arange(2000))
        ds.create.coord.generic("x", data=np.arange(1000))
        t = ds.create.data_var.generic("t", ("y", "x"), "float64", (100, 100))
        for start in range(0, 2000, 500):
            t[start : start + 500] = rng.normal(size=(500, 1000))
        ds.push()
        for start in range(0, 2000, 500):
            t[start : start + 500] = rng.normal(size=(500, 1000))
        ds.push()
    with cfdb.open_edataset(remote, cache=None, version=0) as reader:
        reader.diff(1)  # what is imported and kept for good
        tracemalloc.start()
        values = reader.diff(1, values=True)["t"].values
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert values.changed == 2_000_000
    assert peak < 15 << 20, "16 MB in each of the two versions"


def test_rolling_back_a_dataset_brings_structure_and_values_back(ds: EDataset, remote: str) -> None:
    ds["t"][...] = 0.0
    ds["time"].append(np.array(["2020-01-07"], "M8[D]"))
    del ds["station"]
    ds.attrs["title"] = "T"
    ds.push()
    ds["t"][0] = 1.0
    with pytest.raises(ValueError, match="pending changes"):
        ds.rollback(to="v1")
    ds.changes().discard()
    held = ds["t"]
    result = ds.rollback(to="v1")
    assert result.n_objects == 2
    assert result.nbytes < 20_000
    np.testing.assert_array_equal(held.values, field())
    assert ds["t"].shape == SHAPE
    assert list(ds["station"].values) == ["a", "b", "c"]
    assert "title" not in ds.attrs
    assert not ds.diff("v1", values=True)
    ds["t"][0, 0, 0] = 3.0
    ds.push()
    with cfdb.open_edataset(remote, cache=None) as reader:
        assert float(reader["t"][0, 0, 0]) == 3.0
        np.testing.assert_array_equal(reader["t"][1:].values, field()[1:])


def test_without_a_version_rollback_drops_what_was_not_synced(ds: EDataset) -> None:
    ds["t"][0, 0, 0] = 5.0
    assert ds.rollback() > 0
    assert float(ds["t"][0, 0, 0]) == field()[0, 0, 0]


def test_old_versions_expire_and_the_bucket_becomes_smaller(ds: EDataset, remote: str, tmp_path: Path) -> None:
    for number in range(4):
        ds["t"][...] = np.random.default_rng(number).normal(size=SHAPE)
        ds.push()
    before = used(tmp_path)
    ds.compact()
    ds.expire(keep=1)
    assert [version.tags for version in ds.log()][1:] == [("v1",)]
    assert not ds.collect()
    assert ds.collect(grace=0, alone=True).ok
    assert used(tmp_path) < 0.55 * before
    with cfdb.open_edataset(remote, cache=None, version="v1") as old:
        np.testing.assert_array_equal(old["t"].values, field())


def test_a_difference_is_drawn(ds: EDataset, tmp_path: Path) -> None:
    ds["t"][3, 2:5, 2:5] = 9.0
    found = ds.diff("v1")
    path = found.plot(path=tmp_path / "difference.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    figure = found.plot("t", at=(3,))
    chunks, difference = (axes.images[0].get_array() for axes in figure.axes[:2])
    assert np.ma.count(chunks) == 1
    expected = np.zeros(SHAPE[1:])
    expected[2:5, 2:5] = 9.0 - field()[3, 2:5, 2:5]
    np.testing.assert_allclose(difference, expected)
    with pytest.raises(VariableNotFoundError):
        found.plot("latitude")
    with pytest.raises(ValueError, match="1 dimensions beside"):
        found.plot("t", at=(1, 2))


def test_pictures_of_lines_and_of_what_was_inserted_stay_small(ds: EDataset) -> None:
    ds["latitude"].insert(5, [4.5])
    ds["t"][:, 5, :] = 7.0
    ds["latitude"].attrs["note"] = "x"
    found = ds.diff("v1")
    figure = found.plot("t")
    assert figure.axes[0].images[0].get_array().shape == (3, 3)
    old = cfdb.open_edataset(ds.remote_uri, cache=None, version="v1")
    drawn, _ = difference_field(old, ds, found["t"], (0,))
    assert drawn.shape == (20, 30)
    assert not drawn.any(), "what is new is nothing to compare"
    figure = found.plot("latitude")
    assert len(figure.axes[1].lines) == 1


def test_a_picture_without_matplotlib_says_what_to_install(ds: EDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    ds["t"][0, 0, 0] = 9.0
    found = ds.diff("v1")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install cfdb\[demo\]"):
        found.plot()


def test_a_version_that_does_not_exist_is_an_error_of_the_package(ds: EDataset, remote: str) -> None:
    with pytest.raises(ebooklet.VersionNotFoundError, match="'v1'"):
        cfdb.open_edataset(remote, cache=None, version="v2")
    with pytest.raises(ebooklet.VersionNotFoundError):
        ds.diff("v2")
    with pytest.raises(ValueError, match="flag"):
        cfdb.open_edataset(remote, cache=None, flag="w", version="v1")


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, False),
        (np.nan, np.nan, True),
        ([1, [2]], [1, [2]], True),
        (np.array([1, 2], "i2"), np.array([1, 2], "i4"), False),
        ({"a": None}, {"a": None}, True),
        ({"a": 1}, {"b": 1}, False),
        (True, 1, False),
    ],
)
def test_attributes_are_the_same_only_with_their_type(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal
