"""Groups: places of their own for variables, dimensions and attributes, as in netCDF-4."""

import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfdb
from cfdb.errors import (
    CoordinateError,
    InvalidNameError,
    NotPicklableError,
    ReadOnlyError,
    ShapeError,
    VariableNotFoundError,
)


@pytest.fixture
def ds() -> Any:
    with cfdb.open_dataset(None, "n") as ds:
        yield ds


def fill(ds: Any) -> Any:
    """Time around, depth and temperature in the ocean, a still deeper group."""
    ds.create.coord.generic("time", data=np.arange("2020-01", "2020-04", dtype="datetime64[M]"))
    ocean = ds.create.group("ocean", {"title": "Ocean"})
    ocean.create.coord.generic("depth", data=[0.0, 10.0])
    ocean["temperature"] = (("time", "depth"), np.arange(6.0).reshape(3, 2), {"units": "K"})
    ocean.create.group("deep")["vents"] = (("time", "vent"), np.ones((3, 4)))
    ds["pressure"] = ("time", [1.0, 2.0, 3.0])
    return ocean


class TestLooking:
    def test_groups_are_a_mapping_and_nest(self, ds: Any) -> None:
        fill(ds)
        assert (list(ds.groups), len(ds.groups), "ocean" in ds.groups) == (["ocean"], 1, True)
        assert list(ds.groups["ocean"].groups) == ["deep"]
        assert ds.groups["ocean/deep"].path == ds["ocean"]["deep"].path == ds["ocean/deep"].path == "ocean/deep"
        assert (ds["ocean/deep"].name, [group.path for group in ds.groups.values()]) == ("deep", ["ocean"])
        with pytest.raises(KeyError, match="no group 'ocen'; did you mean 'ocean'"):
            ds.groups["ocen"]
        with pytest.raises(KeyError, match="did you mean"):
            ds["ocean/temprature"]
        assert "1 groups: ocean" in repr(ds.groups)
        assert (ds.get("ocean").path, ds.get("sea"), "ocean" in ds, "sea" in ds) == ("ocean", None, True, False)

    def test_names_are_relative_and_dimensions_around_are_seen(self, ds: Any) -> None:
        ocean = fill(ds)
        assert list(ocean) == ["time", "depth", "temperature", "deep/vents"]
        assert ocean.sizes == {"time": 3, "depth": 2, "deep/vent": 4}
        temperature = ocean["temperature"]
        assert (temperature.name, temperature.dims, temperature.coord_names) == (
            "temperature", ("time", "depth"), ("time", "depth"),
        )  # fmt: skip
        assert ds["ocean/temperature"].dims == ("time", "ocean/depth")
        assert ocean["deep"]["vents"].dims == ("time", "vent")
        assert ocean["deep"].sizes == {"time": 3, "vent": 4}
        assert ocean.data_var_names == ("temperature", "deep/vents")
        assert ds.var_names == ("time", "ocean/depth", "ocean/temperature", "ocean/deep/vents", "pressure")

    def test_axes_are_those_of_the_dataset_before_those_of_its_groups(self, ds: Any) -> None:
        ocean = fill(ds)
        ocean["depth"].update_axis("z")
        ocean.create.coord.generic("t", data=[1], axis="t")
        assert ds.axes == {"z": "ocean/depth", "t": "ocean/t"}
        ds.rename({"ocean/t": "ocean/deep/t"})
        ds["time"].update_axis(None)
        assert ocean.axes == {"z": "depth", "t": "deep/t"}

    def test_a_nearer_dimension_hides_one_around(self, ds: Any) -> None:
        ocean = fill(ds)
        ocean.create.coord.generic("time", data=[1, 2])
        ocean["salt"] = ("time", [35.0, 36.0])
        assert (ocean["salt"].shape, ds.sizes["ocean/time"], ds["ocean/salt"].dims) == ((2,), 2, ("ocean/time",))
        assert ocean["temperature"].dims == ("/time", "depth")
        assert ocean["temperature"].isel({"/time": 0}).values.tolist() == [0, 1]
        far = ocean.create.data_var.generic("far", ("/time",), "f4")
        assert (far.shape, ds["ocean/far"].dims) == ((3,), ("time",))
        with pytest.raises(ShapeError, match="no dimension 'nothing'"):
            ocean.create.data_var.generic("t", ("/nothing",), data=[1.0])

    def test_selecting_in_a_group(self, ds: Any) -> None:
        ocean = fill(ds)
        part = ocean.sel(time="2020-02", depth=10.0)
        assert float(part["temperature"]) == 3.0
        assert ocean.isel(time=slice(0, 2)).sizes["time"] == 2
        assert float(ds.isel(time=1).groups["ocean"].isel(depth=1)["temperature"]) == 3.0
        assert ds.isel(time=1)["ocean/deep"]["vents"].shape == (4,)
        assert ocean["temperature"].sel(depth=10.0).values.tolist() == [1, 3, 5]
        assert [each.name for each in part["temperature"].coords if each.ndim] == []
        assert ocean["temperature"].coords["time"].values.dtype == "datetime64[M]"

    def test_printing_says_which_groups_there_are(self, ds: Any) -> None:
        ocean = fill(ds)
        text = repr(ds)
        assert "Groups" in text
        assert "ocean/deep" in text
        assert "<cfdb group 'ocean'>" in repr(ocean)
        assert "temperature" in repr(ocean)
        assert "title: Ocean" in repr(ocean)


class TestChanging:
    def test_what_is_created_in_a_group_lies_in_it(self, ds: Any) -> None:
        ocean = fill(ds)
        ocean["salt"] = (("time", "depth"), np.zeros((3, 2)))
        ocean.create.dimension("n", 3)
        ocean.create.data_var.generic("flat", ("n",), "i2")
        ocean.create.variable("crs", (), "int32", role="grid_mapping")
        ocean["temperature"].update_links({"grid_mapping": "crs"})
        assert ds["ocean/temperature"].links == {"grid_mapping": ("ocean/crs",)}
        assert ocean["temperature"].links == {"grid_mapping": ("crs",)}
        assert (ds.sizes["ocean/n"], ds["ocean/flat"].shape) == (3, (3,))

    def test_links_find_variables_around(self, ds: Any) -> None:
        ocean = fill(ds)
        ds.create.variable("crs", (), "int32", role="grid_mapping")
        assert "crs" not in ocean
        ocean.create.data_var.generic("u", ("time",), "f4", links={"grid_mapping": "crs"})
        assert ocean["u"].links == {"grid_mapping": ("crs",)}
        assert ocean["crs"].role == "grid_mapping"

    def test_growing_a_dimension_around_reaches_every_group(self, ds: Any) -> None:
        ocean = fill(ds)
        ocean["time"].append(np.array(["2020-04"], "datetime64[M]"))
        assert (ds["time"].shape, ds["pressure"].shape, ocean["temperature"].shape) == ((4,), (4,), (4, 2))
        ds["time"].drop(np.datetime64("2020-01"))
        assert ocean["temperature"].values[:, 0].tolist()[:2] == [2, 4]
        assert ocean["time"].values[0] == np.datetime64("2020-02")

    def test_writing_through_group_and_dataset_meets(self, ds: Any) -> None:
        ocean = fill(ds)
        ocean["temperature"][0] = 7
        assert ds["ocean/temperature"][0].values.tolist() == [7, 7]
        ds["ocean/temperature"][1] = 8
        assert ocean["temperature"].values[1].tolist() == [8, 8]

    def test_threads_write_the_same_chunk_through_group_and_dataset(self, ds: Any) -> None:
        ocean = ds.create.group("ocean")
        ocean.create.data_var.generic("t", ("x",), data=np.zeros(400), chunk_shape=(400,))

        def write(variable: Any, first: int) -> None:
            for place in range(first, 400, 4):
                variable[place] = place

        variables = [ds["ocean/t"], ocean["t"], ds["ocean"]["t"], ds.groups["ocean"]["t"]]
        threads = [threading.Thread(target=write, args=each) for each in zip(variables, range(4), strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ocean["t"].values.tolist() == list(range(400))

    def test_a_name_from_around_is_a_new_variable_in_the_group(self, ds: Any) -> None:
        ocean = fill(ds)
        ds["level"] = 1
        ocean.create.variable("uses", ("time",), "f4", links={"coordinates": "level"})
        assert ocean["level"].item() == 1
        ocean["level"] = 2
        assert (ds["level"].item(), ds["ocean/level"].item(), ocean["level"].item()) == (1, 2, 2)
        assert ocean["uses"].links == {"coordinates": ("/level",)}

    def test_names_are_taken_once(self, ds: Any) -> None:
        ocean = fill(ds)
        with pytest.raises(InvalidNameError, match="group 'ocean' already"):
            ds["ocean"] = ("time", [1, 2, 3])
        with pytest.raises(InvalidNameError, match="group 'ocean' already"):
            ds.create.group("ocean")
        with pytest.raises(InvalidNameError, match="variable 'ocean/temperature' already"):
            ocean.create.group("temperature")
        with pytest.raises(InvalidNameError, match="'pressure' is a variable, so it cannot be a group"):
            ds["pressure/t"] = 1
        with pytest.raises(InvalidNameError, match="variable 'ocean/temperature' already"):
            ocean.create.data_var.generic("temperature", ("time",), "f4")

    def test_deleting_a_group_takes_everything_in_it(self, ds: Any) -> None:
        ocean = fill(ds)
        del ds["ocean"]
        assert (ds.var_names, ds.sizes, list(ds.groups)) == (("time", "pressure"), {"time": 3}, [])
        with pytest.raises(VariableNotFoundError, match="group 'ocean' was deleted or renamed"):
            list(ocean)
        ds.sync()
        keys = list(ds._structure.store.keys(""))
        assert {key for key in keys if key[1] == "/"} == {"d/time", "v/time", "v/pressure"}

    def test_a_group_in_use_from_outside_stays(self, ds: Any) -> None:
        fill(ds)
        ds["outside"] = (("ocean/depth",), [1.0, 2.0])
        names, sizes = ds.var_names, ds.sizes
        with pytest.raises(CoordinateError, match="'ocean/depth' labels a dimension of 'outside'"):
            del ds["ocean"]
        assert (ds.var_names, ds.sizes) == (names, sizes)

    def test_deleting_in_a_group_leaves_what_lies_around(self, ds: Any) -> None:
        ocean = fill(ds)
        del ocean["temperature"]
        assert (list(ocean), ds.sizes["time"]) == (["time", "depth", "deep/vents"], 3)
        with pytest.raises(VariableNotFoundError, match="'ocean/time'"):
            del ocean["time"]
        with pytest.raises(VariableNotFoundError, match="'ocean/time'"):
            ocean.rename(time="t")
        del ocean["deep"]
        assert (list(ocean.groups), ocean.sizes) == ([], {"depth": 2})
        assert list(ocean) == ["depth"]

    def test_renaming_a_group_takes_everything_along(self, ds: Any) -> None:
        fill(ds)
        ds.rename(ocean="sea")
        assert list(ds.groups) == ["sea"]
        assert ds["sea"].attrs["title"] == "Ocean"
        assert ds["sea"]["temperature"].values.tolist() == [[0, 1], [2, 3], [4, 5]]
        assert ds["sea/deep/vents"].dims == ("time", "sea/deep/vent")
        ds["sea"].rename(deep="below", temperature="t")
        assert ds.var_names == ("time", "sea/depth", "sea/t", "sea/below/vents", "pressure")
        with pytest.raises(InvalidNameError, match="taken"):
            ds["sea"].rename(below="t")

    def test_groups_swap_names(self, ds: Any) -> None:
        for name, value in (("a", 1), ("b", 2)):
            ds.create.group(name, {"number": value})["x"] = value
        ds.rename(a="b", b="a")
        assert (ds["a/x"].item(), ds["b/x"].item(), ds["a"].attrs["number"]) == (2, 1, 2)

    def test_a_dataset_open_for_reading_has_groups_that_refuse(self, tmp_path: Path) -> None:
        with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
            fill(ds)
        with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
            ocean = ds.groups["ocean"]
            for change in (
                lambda: ocean.create, lambda: ocean.__setitem__("a", 1), lambda: ocean.__delitem__("temperature"),
                lambda: ocean.attrs.update(a=1), lambda: ocean.rename(temperature="t"), lambda: ocean.resize(n=1),
            ):  # fmt: skip
                with pytest.raises(ReadOnlyError):
                    change()
            assert not ocean.writable


class TestKeeping:
    def test_groups_and_their_attributes_are_durable(self, tmp_path: Path) -> None:
        with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
            fill(ds)
            ds.create.group("empty")
            ds.create.group("noted/inner", {"levels": np.array([1, 2], "i2")})
        with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
            assert list(ds.groups) == ["ocean", "empty", "noted"]
            assert (dict(ds["ocean"].attrs), len(ds["empty"]), bool(ds["empty"])) == ({"title": "Ocean"}, 0, False)
            assert ds["noted"].groups["inner"].attrs["levels"].dtype == np.int16
            assert dict(ds.attrs) == {}

    def test_groups_are_pushed_and_pulled(self, tmp_path: Path) -> None:
        remote = f"file://{tmp_path}/remote/t.cfdb"
        with cfdb.open_edataset(remote, tmp_path / "a.cfdb", "n") as ds:
            fill(ds)
        with cfdb.open_edataset(remote, tmp_path / "b.cfdb", "w") as other:
            assert (other["ocean"].attrs["title"], list(other["ocean"].groups)) == ("Ocean", ["deep"])
            assert other["ocean"]["temperature"].sel(depth=10.0).values.tolist() == [1, 3, 5]
            other["ocean"].attrs["title"] = "Sea"
            other.rename(ocean="sea")
            assert len(other.changes()) > 0
        with cfdb.open_edataset(remote, tmp_path / "a.cfdb") as ds:
            assert (list(ds.groups), ds["sea"].attrs["title"], ds["sea/deep/vents"].shape) == (["sea"], "Sea", (3, 4))
            sea = pickle.loads(pickle.dumps(ds["sea"]))
            assert sea["temperature"].values.tolist() == [[0, 1], [2, 3], [4, 5]]

    def test_attributes_declare_a_group_and_empty_ones_stay_until_deleted(self, ds: Any) -> None:
        ds["a/x"] = 1
        ds["b/x"] = 1
        assert list(ds["a"].attrs) == []
        ds["b"].attrs["note"] = "kept"
        del ds["a/x"], ds["b/x"]
        assert list(ds.groups) == ["b"]
        del ds["b"]
        assert list(ds.groups) == []

    def test_a_rollback_brings_groups_back(self, ds: Any) -> None:
        fill(ds)
        ds.sync()
        ds.rename(ocean="sea")
        ds["sea"].attrs["title"] = "Sea"
        ds.create.group("new")
        ds.rollback()
        assert (list(ds.groups), ds["ocean"].attrs["title"]) == (["ocean"], "Ocean")

    def test_groups_parts_and_their_variables_are_pickled(self, tmp_path: Path) -> None:
        with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
            fill(ds)
            with pytest.raises(NotPicklableError):
                pickle.dumps(ds["ocean"])
        with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
            ocean = ds["ocean"]
            things = (
                ocean, ocean.isel(time=1), ocean["temperature"], ocean["temperature"][1:, 0],
                ds.isel(time=1)["ocean"]["temperature"], ds["ocean/temperature"][0],
            )  # fmt: skip
            group, part, variable, view, inner, plain = pickle.loads(pickle.dumps(things))
            assert list(group) == list(ocean)
            assert part["temperature"].values.tolist() == [2, 3]
            assert variable.dims == ("time", "depth")
            assert view.values.tolist() == [2, 4]
            assert inner.values.tolist() == [2, 3]
            assert plain.values.tolist() == [0, 1]

    def test_a_group_of_a_netcdf_file_has_its_attributes(self, tmp_path: Path) -> None:
        h5netcdf = pytest.importorskip("h5netcdf")
        with h5netcdf.File(tmp_path / "a.nc", "w") as file:
            file.attrs["title"] = "All"
            file.dimensions = {"time": 2}
            file.create_variable("time", ("time",), data=np.array([1, 2]))
            ocean = file.create_group("ocean")
            ocean.attrs["title"] = "Ocean"
            ocean.create_variable("t", ("time",), data=np.array([1.0, 2.0]))
        with cfdb.from_netcdf(tmp_path / "a.nc", tmp_path / "a.cfdb") as ds:
            assert dict(ds.attrs) == {"title": "All"}
            assert dict(ds["ocean"].attrs) == {"title": "Ocean"}
            assert ds["ocean"]["t"].sel(time=2).item() == 2.0
        with cfdb.open_dataset(tmp_path / "a.cfdb", "w") as ds:
            ds.create.group("ocean/deep", {"title": "Deep"})
            ds.to_netcdf4(tmp_path / "b.nc")
        with h5netcdf.File(tmp_path / "b.nc") as file:
            assert (file["ocean"].attrs["title"], file["ocean/deep"].attrs["title"]) == ("Ocean", "Deep")

    def test_a_copy_has_the_groups_with_their_attributes(self, ds: Any, tmp_path: Path) -> None:
        ocean = fill(ds)
        with ds.copy(tmp_path / "a.cfdb") as copy:
            assert (list(copy.groups), dict(copy["ocean"].attrs)) == (["ocean"], {"title": "Ocean"})
        with ocean.copy(tmp_path / "b.cfdb") as copy:
            assert copy.var_names == ("time", "depth", "temperature", "deep/vents")
            assert (copy.attrs["title"], list(copy.groups)) == ("Ocean", ["deep"])
            assert copy["temperature"].values.tolist() == ocean["temperature"].values.tolist()

    def test_a_group_is_an_xarray_dataset(self, ds: Any) -> None:
        pytest.importorskip("xarray")
        ocean = fill(ds)
        found = ocean.to_xarray()
        assert set(found["temperature"].coords) == {"time", "depth"}
        assert found["temperature"].sel(depth=10.0).values.tolist() == [1, 3, 5]
