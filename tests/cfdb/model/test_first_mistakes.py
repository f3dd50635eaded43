"""Do the messages for what goes wrong on a first day say what to do?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfdb
from cfdb import errors
from cfdb.model import hints


@pytest.fixture
def ds() -> Iterator[Any]:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("time", data=np.array(["2024-01-01", "2024-01-02"], "M8[D]"))
        ds["t"] = (("time", "x"), np.arange(6.0).reshape(2, 3))
        yield ds


def test_attributes_assigned_as_a_whole_are_refused_and_not_forgotten(ds: Any) -> None:
    for owner in (ds, ds["t"], ds["t"][0], ds.create.group("g")):
        with pytest.raises(AttributeError, match=r"attrs\.update"):
            owner.attrs = {"units": "K"}
    assert not ds["t"].attrs


def test_attributes_behind_a_dot_are_refused_and_not_forgotten(ds: Any) -> None:
    with pytest.raises(AttributeError, match=r"attrs\['units'\]"):
        _ = ds.attrs.units
    with pytest.raises(AttributeError):
        ds["t"].attrs.units = "K"


@pytest.mark.parametrize("given", [0, 2024, "2024-01-01", slice(None)])
def test_a_label_or_position_without_a_dimension_is_refused(ds: Any, given: Any) -> None:
    for part in (ds, ds["t"], ds["t"][:1]):
        for select in (part.sel, part.isel):
            with pytest.raises(TypeError, match="along which dimension"):
                select(given)
    assert ds["t"].isel({}).shape == ds["t"].isel(None).shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("vales", "did you mean 'values'"),
        ("advise", "ds.advise"),
        ("copy", "ds.sel"),
        ("weighted", "weights="),
        ("resample", "to_xarray"),
    ],
)
def test_a_name_a_variable_lacks_is_answered_with_the_way(ds: Any, name: str, way: str) -> None:
    with pytest.raises(AttributeError, match=way):
        getattr(ds["t"], name)


@pytest.mark.parametrize(
    ("name", "way"),
    [("crate", "did you mean 'create'"), ("mean", r"ds\['\.\.\.'\]\.mean"), ("save", "ds.sync"), ("undo", "rollback")],
)
def test_a_name_a_dataset_lacks_is_answered_with_the_way(ds: Any, name: str, way: str) -> None:
    with pytest.raises(AttributeError, match=way):
        getattr(ds, name)


def test_no_name_that_is_offered_is_answered_with_a_hint(ds: Any) -> None:
    assert not [name for name in {**hints.HINTS, **hints.OF_DATASETS} if hasattr(ds, name)]
    assert not [name for name in {**hints.HINTS, **hints.OF_VARIABLES} if hasattr(ds["t"], name)]


def test_nat_in_texts_is_no_label(ds: Any) -> None:
    with pytest.raises(errors.CoordinateError, match="cannot hold NaT"):
        ds["time"].append(["NaT"])
    assert ds["time"].size == 2


def test_labels_in_place_of_a_position_are_named(ds: Any) -> None:
    with pytest.raises(errors.SelectionError, match="data=labels"):
        ds["time"].insert(["2023-12-31"])
    ds["time"].insert(np.int64(0), ["2023-12-31"])
    assert ds["time"].size == 3


def test_weights_that_are_no_numbers_say_what_is_taken(ds: Any) -> None:
    for weights in ({"x": [1, 2, 3]}, "x", ("x", [1, 2, 3])):
        with pytest.raises(TypeError, match=r"xarray\.DataArray"):
            ds["t"].mean("x", weights=weights)


def test_chunks_of_an_import_are_named_by_dimension(ds: Any, tmp_path: Path) -> None:
    ds.to_netcdf4(tmp_path / "a.nc")
    with pytest.raises(TypeError, match="chunks=12"):
        cfdb.from_netcdf(tmp_path / "a.nc", tmp_path / "a.cfdb", chunks=12)
    assert not (tmp_path / "a.cfdb").exists()


def of_units(units: str | None, label: int = 0) -> Any:
    ds = cfdb.open_dataset(None, "n")
    ds.create.coord.generic("x", data=[label, label + 1])
    ds["t"] = ("x", np.array([1.0, 2.0]), {} if units is None else {"units": units})
    return ds


def test_values_in_other_units_are_not_combined() -> None:
    with of_units("degC") as one, of_units(None, 2) as without, of_units("K", 4) as other:
        for datasets in ([one, other], [without, one, other]):
            with pytest.raises(errors.UnitsError, match=r"'t' has the units 'degC' .* 'K' .*convert"):
                cfdb.combine(datasets, None)
        with pytest.raises(errors.UnitsError, match=r"'degC' .*'K'"):
            cfdb.merge_into([other], one)
        assert one["t"].values.tolist() == [1.0, 2.0]


def test_values_in_other_units_are_not_written_over() -> None:
    xr = pytest.importorskip("xarray")
    with of_units("degC") as ds, of_units("K") as other:
        array = xr.DataArray([5.0], dims="x", coords={"x": [9]}, name="t", attrs={"units": "K"})
        for given in (other, other["t"], array, array.to_dataset(), {"t": ("x", [5.0, 6.0], {"units": "K"})}):
            with pytest.raises(errors.UnitsError, match=r"'t' has the units 'degC' .*'K'"):
                ds.write(given)
        assert (ds["t"].values.tolist(), ds["x"].size) == ([1.0, 2.0], 2)


def test_the_same_units_are_the_same_however_they_are_spaced_and_times_are_moments() -> None:
    with of_units("kg  m-2") as one, of_units(" kg m-2", 2) as other, of_units(None, 4) as without:
        both = cfdb.combine([one, other, without], None)
        assert both["t"].values.tolist() == [1.0, 2.0] * 3
        both.close()
    with cfdb.open_dataset(None, "n") as ds:
        ds["time"] = ("time", np.array(["2024-01-01"], "M8[D]"), {"units": "days since 2000-01-01"})
        ds.write({"time": ("time", np.array(["2024-01-02"], "M8[D]"), {"units": "days since 1970-01-01"})})
        assert ds["time"].size == 2


def test_attributes_of_units_may_still_be_overwritten(ds: Any) -> None:
    ds["t"].attrs["units"] = "degC"
    ds["t"].attrs["units"] = "K"
    assert ds["t"].units == "K"


def test_a_pattern_stands_for_its_files_in_order(tmp_path: Path) -> None:
    for number in (1, 0):
        with of_units("K", 2 * number) as part:
            part.copy(tmp_path / f"part{number}.cfdb").close()
    for pattern in (str(tmp_path / "*.cfdb"), tmp_path / "part?.cfdb", [tmp_path / "part[01].cfdb"]):
        with cfdb.combine(pattern, None) as both:
            assert both["x"].values.tolist() == [0, 1, 2, 3]
    with pytest.raises(FileNotFoundError, match=r"pattern .*\*\.nc"):
        cfdb.combine(str(tmp_path / "*.nc"), None)


def test_a_dataset_to_combine_that_is_not_there_is_named_without_talk_of_flags(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no dataset .*none\.cfdb'$"):
        cfdb.combine([tmp_path / "none.cfdb"], None)


def test_a_copy_names_the_parameters_it_takes(ds: Any, tmp_path: Path) -> None:
    for word in ("include", "exclude"):
        with pytest.raises(TypeError, match=f"{word}_data_vars"):
            ds.copy(tmp_path / "a.cfdb", **{word: ["t"]})
    assert not (tmp_path / "a.cfdb").exists()


def test_a_number_of_many_cells_is_refused_with_name_and_shape(ds: Any) -> None:
    for number in (float, int, lambda part: part.item()):
        with pytest.raises(ValueError, match=r"'t' of shape \(2, 3\) .*mean"):
            number(ds["t"])
    assert (float(ds["t"][1, 2]), ds["t"].item(4), float(ds["t"][:1, :1])) == (5.0, 4.0, 0.0)


def test_the_truth_of_a_variable_is_that_it_can_be_used_and_of_a_part_that_of_its_cell(ds: Any) -> None:
    assert bool(ds["t"]) is ds["t"].is_open is True
    assert (bool(ds["t"][0, 0]), bool(ds["t"][0, 1])) == (False, True)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(ds["t"][0])


def test_what_is_assigned_to_a_dataset_behind_a_dot_is_refused_and_not_forgotten(ds: Any) -> None:
    for owner in (ds, ds.isel(x=0), ds.create.group("g")):
        for name, value in (("title", "x"), ("encoding", {})):
            with pytest.raises(AttributeError, match=rf"ds\.attrs\['{name}'\].*ds\['{name}'\]"):
                setattr(owner, name, value)
        with pytest.raises(AttributeError):
            owner.sizes = {}


@pytest.fixture
def sky() -> Iterator[Any]:
    with cfdb.open_dataset(None, "n") as ds:
        yield ds.create.data_var.generic("sky", "x", "enum", data=["clear", "rain", None])


def test_meanings_are_compared_with_text(sky: Any) -> None:
    assert (sky == "rain").tolist() == sky.flags.is_("rain").tolist()
    assert (sky[:2] != "rain").tolist() == [True, False]
    assert (sky[:2] == 1).tolist() == [False, True]
    assert "rain" in sky
    with pytest.raises(KeyError, match="'clear', 'rain'"):
        _ = sky == "xyz"
    with pytest.raises(TypeError, match=r"flags\.is_"):
        _ = sky == ["rain", "clear", "clear"]


def test_flags_of_attributes_are_compared_with_text_and_numbers_without_meanings_are_not(ds: Any) -> None:
    ds["f"] = ("x", np.array([1, 2, 1], "i1"), {"flag_values": np.array([1, 2], "i1"), "flag_meanings": "dry wet"})
    ds["n"] = ("x", np.array([1, 2, 1]))
    assert (ds["f"] == "wet").tolist() == [False, True, False]
    with pytest.raises(TypeError, match="no meanings"):
        _ = ds["n"] == "wet"


def test_a_category_that_is_not_there_names_the_way_to_more(sky: Any) -> None:
    with pytest.raises(
        errors.EncodingError, match=r"'snow'.*new variable, with dtype=cfdb\.dtypes\.enum_dtype\('uint8'"
    ):
        sky[0] = "snow"
    assert sky.flags.decode().tolist() == ["clear", "rain", None]


@pytest.mark.parametrize(
    ("name", "way"), [("open", "open_edataset"), ("Dataset", r"cfdb\.open_dataset"), ("concat", "combine")]
)
def test_a_name_the_package_lacks_is_answered_with_the_way(name: str, way: str) -> None:
    with pytest.raises(AttributeError, match=way):
        getattr(cfdb, name)


def test_one_of_a_kind_is_written_in_the_singular(ds: Any) -> None:
    assert "1 match in 't': 1 chunk read" in repr(ds["t"].where(gt=4))
    assert str(ds.write({"one": ("y", [1.0])})).endswith("one 1 cell; created one")


def merge_copy(ds: Any, **options: Any) -> None:
    other = ds.copy(None)
    try:
        cfdb.merge_into([other], ds, **options)
    finally:
        other.close()


@pytest.mark.parametrize(
    "job",
    [
        lambda ds, size: list(ds["t"].iter_chunks({"x": 1}, max_mem=size)),
        lambda ds, size: list(ds.iter_chunks({"x": 1}, "t", max_mem=size)),
        lambda ds, size: list(ds["t"].groupby("time", max_mem=size)),
        lambda ds, size: list(ds["t"].map(lambda where, block: block.sum(), {"x": 1}, max_mem=size, n_workers=0)),
        lambda ds, size: list(ds["t"].rechunker().rechunk((1, 3), max_mem=size)),
        lambda ds, size: ds["t"].mean("x", max_mem=size),
        lambda ds, size: ds["t"].quantile(0.5, max_mem=size),
        lambda ds, size: ds["t"].where(gt=1, max_mem=size),
        lambda ds, size: ds["g"].interp(max_mem=size).to_grid(1.0).write(ds, "h", max_mem=size),
        lambda ds, size: ds["g"].interp().to_grid(1.0).write(ds, "h", max_mem=size),
        lambda ds, size: ds.write({"t": (("time", "x"), np.ones((2, 3)))}, max_mem=size),
        lambda ds, size: ds.defragment("time", max_mem=size),
        lambda ds, size: ds.copy(None, max_mem=size).close(),
        lambda ds, size: cfdb.combine([ds], None, max_mem=size).close(),
        lambda ds, size: merge_copy(ds, max_mem=size),
    ],
)
def test_memory_may_be_given_as_text(ds: Any, job: Any) -> None:
    ds.create.coord.generic("lat", data=[0.0, 1.0, 2.0], axis="y")
    ds.create.coord.generic("lon", data=[0.0, 1.0, 2.0], axis="x")
    ds["g"] = (("lat", "lon"), np.arange(9.0).reshape(3, 3))
    before = ds.var_names
    for wrong in ("20 cows", "0MB", -1):
        with pytest.raises(ValueError, match=f"max_mem='?{wrong}.*as '500"):
            job(ds, wrong)
    assert ds.var_names == before
    job(ds, "20MB")
