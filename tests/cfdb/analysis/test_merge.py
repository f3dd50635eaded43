"""Datasets are merged into one that exists: completely, or it stays as it was."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.errors import CoordinateError
from tests.support.oracle import same


def make(path: Any, x: Any, values: Any, *, dtype: Any = "float64", name: str = "t", attrs: Any = None) -> Any:
    ds = cfdb.open_dataset(path, "n")
    ds.attrs.update(attrs or {})
    ds.create.coord.generic("x", data=np.asarray(x), chunk_shape=(2,))
    ds.create.data_var.generic(name, ("x",), dtype, (2,), data=np.asarray(values, dtype))
    ds.sync()
    return ds


LABELS = st.lists(st.integers(0, 9), unique=True, min_size=1, max_size=5)


@settings(max_examples=50, deadline=None)
@given(LABELS, st.lists(LABELS, min_size=1, max_size=2), st.sampled_from(["last", "first"]), st.integers(0, 9))
def test_merging_does_what_combine_first_does(x: Any, others: Any, overlap: str, seed: int) -> None:
    random = np.random.default_rng(seed)

    def values(labels: Any) -> Any:
        return np.where(random.random(len(labels)) < 0.3, np.nan, random.random(len(labels)))

    arrays = [(labels, values(labels)) for labels in [x, *others]]
    oracle, *rest = [xr.Dataset({"t": ("x", data)}, {"x": labels}) for labels, data in arrays]
    for other in rest:
        oracle = other.combine_first(oracle) if overlap == "last" else oracle.combine_first(other)
    target, *parts = [make(None, labels, data) for labels, data in arrays]
    with cfdb.merge_into(parts, target, overlap=overlap) as merged:
        assert merged is target
        assert same(merged["t"].values, oracle["t"].sel(x=merged["x"].values).values)
        assert sorted(merged["x"].values.tolist()) == sorted(oracle["x"].values.tolist())
    for part in parts:
        part.close()


@pytest.mark.parametrize("dtype", ["float64", "int32", "str", "datetime64[s]"])
def test_pure_appends_prepends_and_inserts_along_every_kind_of_label(dtype: str, tmp_path: Path) -> None:
    labels: Any = {
        "float64": np.array([1.5, 3.5, 2.5, 0.5, 4.5]),
        "int32": np.array([1, 3, 2, 0, 4], "int32"),
        "str": np.array(["b", "d", "c", "a", "e"]),
        "datetime64[s]": np.array([1, 3, 2, 0, 4]).astype("M8[s]"),
    }[dtype]
    make(tmp_path / "a.cfdb", labels[:2], [1.0, 3.0]).close()
    make(tmp_path / "b.cfdb", labels[2:], [2.0, 0.0, 4.0]).close()
    with cfdb.merge_into([tmp_path / "b.cfdb"], tmp_path / "a.cfdb") as merged:
        assert merged.writable
        expected = [1.0, 3.0, 2.0, 0.0, 4.0] if dtype == "str" else [0.0, 1.0, 2.0, 3.0, 4.0]
        assert merged["t"].values.tolist() == expected
    with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
        assert ds["t"].values.tolist() == expected


def test_overlaps_count_cell_by_cell() -> None:
    """A cell without a value in a chunk with values is filled, one with a value is kept or refused."""
    for dtype in ("float64", "int64"):
        target, part = make(None, [1, 3], [1, 3], dtype=dtype), make(None, [2, 3], [20, 30], dtype=dtype)
        cfdb.merge_into([part], target, overlap="first")
        assert target["t"].values.tolist() == [1, 20, 3]
        with pytest.raises(CoordinateError, match="x=2"):
            cfdb.merge_into([part], target, overlap="error")
        cfdb.merge_into([part], target)
        assert target["t"].values.tolist() == [1, 20, 30]
        part.close()
        target.close()


def test_growth_is_allowed_by_name_or_not_at_all(tmp_path: Path) -> None:
    make(tmp_path / "a.cfdb", [1, 2], [1.0, 2.0]).close()
    with make(None, [2, 3], [9.0, 3.0]) as part, make(None, [2], [5.0], name="u") as other:
        for allowed in (False, ["y"], []):
            with pytest.raises(ValueError, match="x=3 is not in the target"):
                cfdb.merge_into([part], tmp_path / "a.cfdb", allow_expansion=allowed)
        with pytest.raises(ValueError, match="no variable 'u'"):
            cfdb.merge_into([other], tmp_path / "a.cfdb", allow_expansion=False)
        with cfdb.merge_into([part.isel(x=slice(0, 1))], tmp_path / "a.cfdb", allow_expansion=False) as merged:
            assert merged["t"].values.tolist() == [1.0, 9.0]
        with cfdb.merge_into([part, other], tmp_path / "a.cfdb", allow_expansion=["x"]) as merged:
            assert merged["t"].values.tolist() == [1.0, 9.0, 3.0]
            assert same(merged["u"].values, np.array([np.nan, 5.0, np.nan]))


def test_an_error_leaves_the_target_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.cfdb"
    make(path, [1, 2], [1.0, 2.0], attrs={"title": "a"}).close()
    before = path.read_bytes()
    bad = cfdb.open_dataset(None, "n")
    bad["t"] = (("x", "y"), np.ones((1, 1)))
    good = make(None, [0, 3], [0.0, 3.0], attrs={"title": "b"})
    with pytest.raises(ValueError, match="lies along"):
        cfdb.merge_into([good, bad], path)
    with monkeypatch.context() as patch:
        patch.setattr("cfdb.analysis.moving.placing.Placing._write", lambda self, block: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            cfdb.merge_into([good], path)
        with cfdb.open_dataset(path, "w") as target:
            target["t"][0] = 7.0
            with pytest.raises(ZeroDivisionError):
                cfdb.merge_into([good], target)
            assert target["t"].values.tolist() == [7.0, 2.0]
            assert (target["x"].values.tolist(), target.attrs["title"]) == ([1, 2], "a")
            target.rollback()
    assert path.read_bytes() == before
    with pytest.raises(FileNotFoundError):
        cfdb.merge_into([good], tmp_path / "no.cfdb")
    with cfdb.open_dataset(path, "w", lock_timeout=0) as target, pytest.raises(ValueError, match="itself"):
        cfdb.merge_into([target], target)
    good.close()
    bad.close()


def test_attributes_of_inputs_override_those_of_the_target_unless_the_first_wins() -> None:
    for overlap, title in (("last", "c"), ("first", "b")):
        target = make(None, [1], [1.0], attrs={"title": "a", "kept": 1})
        parts = [make(None, [2], [1.0], attrs={"title": letter}) for letter in "bc"]
        with cfdb.merge_into(parts, target, overlap=overlap) as merged:
            assert dict(merged.attrs) == {"title": title, "kept": 1}
        for part in parts:
            part.close()


def test_untouched_chunks_are_not_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    target, part = make(None, np.arange(1000), np.zeros(1000)), make(None, [1000, 1001], [1.0, 2.0])
    keys: list[str] = []
    before = target._structure.store.set_many
    monkeypatch.setattr(
        target._structure.store, "set_many", lambda items: before(keys.append(item.key) or item for item in items)
    )
    with cfdb.merge_into([part], target):
        assert len([key for key in keys if "/" in key[3:]]) == 2
    part.close()


def test_steps_of_the_target_are_respected() -> None:
    with cfdb.open_dataset(None, "n") as target, make(None, [8], [8.0]) as part, make(None, [5], [5.0]) as wrong:
        target.create.coord.generic("x", data=[0, 2, 4], step=True)
        target["t"] = ("x", [0.0, 2.0, 4.0])
        cfdb.merge_into([part], target)
        assert target["x"].values.tolist() == [0, 2, 4, 6, 8]
        assert same(target["t"].values, np.array([0.0, 2.0, 4.0, np.nan, 8.0]))
        with pytest.raises(ValueError, match="no whole number of steps"):
            cfdb.merge_into([wrong], target)
