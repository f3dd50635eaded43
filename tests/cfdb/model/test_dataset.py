"""A dataset as a container, its creation, and how its changes become permanent."""

import gc
import multiprocessing
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfdb
from cfdb.errors import (
    ClosedError,
    CoordinateError,
    DataTypeError,
    EncodingError,
    InvalidNameError,
    NotPicklableError,
    ReadOnlyError,
    ShapeError,
    VariableNotFoundError,
)
from ebooklet.errors import ForkedHandleError
from tests.support.oracle import same

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def ds() -> Any:
    with cfdb.open_dataset(None, "n") as ds:
        yield ds


def fill(ds: Any) -> None:
    ds.create.coord.generic("y", data=[3.0, 2.0, 1.0])
    ds.create.coord.generic("x", data=[1, 2])
    ds["t"] = (("y", "x"), np.arange(6.0).reshape(3, 2), {"units": "K"})
    ds.attrs["title"] = "Test"


def records_and_chunks(ds: Any) -> set[str]:
    return set(ds._structure.store.keys())


class TestContainer:
    def test_names_and_objects(self, ds: Any) -> None:
        fill(ds)
        assert (list(ds), len(ds), ds.keys()) == (["y", "x", "t"], 3, ("y", "x", "t"))
        assert (ds.var_names, ds.coord_names, ds.data_var_names) == (("y", "x", "t"), ("y", "x"), ("t",))
        assert "t" in ds
        assert "nothing" not in ds
        assert [each.name for each in ds.coords] == ["y", "x"]
        assert ds.coords["x"].values.tolist() == [1, 2]
        assert ("x" in ds.coords, list(ds.coords.keys()), len(ds.data_vars)) == (True, ["y", "x"], 1)
        assert ds.data_vars[0].name == ds.data_vars["t"].name == "t"
        assert [name for name, _ in ds.variables.items()] == ["y", "x", "t"]
        assert (ds.sizes, ds.dims) == ({"y": 3, "x": 2}, ("y", "x"))
        assert [each.name for each in ds["t"].coords] == ["y", "x"]
        assert ds.get("t").name == "t"
        assert ds.get("nothing") is None
        assert ds.get("nothing", 5) == 5
        assert "2 coordinates: y, x" in repr(ds.coords)

    def test_an_unknown_name_is_key_and_value_error_with_the_nearest(self, ds: Any) -> None:
        fill(ds)
        ds["temperature"] = ((), 1.0)
        with pytest.raises(
            VariableNotFoundError, match="no variable 'temprature'; did you mean 'temperature'"
        ) as caught:
            ds["temprature"]
        assert isinstance(caught.value, KeyError)
        assert isinstance(caught.value, ValueError)
        with pytest.raises(KeyError, match="there are 'y', 'x'"):
            ds["qqq"]
        with pytest.raises(KeyError, match="not by int"):
            ds[3]
        with pytest.raises(KeyError, match="coordinate 'q'"):
            ds.coords["q"]

    def test_a_variable_knows_what_it_is(self, ds: Any) -> None:
        fill(ds)
        t = ds["t"]
        assert (t.shape, t.dims, t.coord_names, t.ndims, t.size, t.nbytes) == ((3, 2), ("y", "x"), ("y", "x"), 2, 6, 48)
        assert t.dtype == np.float64
        assert (t.units, t.writable, bool(t), t.role) == ("K", True, True, "data")
        t.update_units("degC")
        assert t.units == "degC"
        t.update_units(None)
        assert t.units == "K"
        with pytest.raises(TypeError, match="units=3"):
            t.update_units(3)


class TestCreation:
    def test_from_tuples_scalars_lists_and_masked_arrays(self, ds: Any) -> None:
        ds["a"] = ("n", [1, 2, 3])
        ds["b"] = (("n", "m"), np.zeros((3, 2)), {"units": "m", "levels": np.array([1, 2], "i2")})
        ds["c"] = 5.5
        ds["d"] = ("n", np.ma.masked_equal([1.0, 2.0, 3.0], 2.0))
        assert ds["a"].dtype == np.int64
        assert ds["b"].attrs["levels"].dtype == np.int16
        assert ds["c"].item() == 5.5
        assert same(ds["d"].values, np.array([1, np.nan, 3]))
        ds["a"] = ("n", [4, 5, 6], {"note": "again"})
        ds["c"] = 6.5
        assert (ds["a"].values.tolist(), ds["a"].attrs["note"], ds["c"].item()) == ([4, 5, 6], "again", 6.5)
        with pytest.raises(ShapeError, match="delete it first"):
            ds["a"] = ("m", [1, 2])
        with pytest.raises(ShapeError, match="name the dimensions"):
            ds["e"] = [1, 2]
        with pytest.raises(ShapeError, match="dimension 'n' has length 3; the data of 'e' has 2"):
            ds["e"] = ("n", [1, 2])

    def test_from_a_labelled_array(self, ds: Any) -> None:
        xarray = pytest.importorskip("xarray")
        array = xarray.DataArray(
            np.arange(4.0).reshape(2, 2), dims=("y", "x"), coords={"x": [10, 20]}, attrs={"units": "K"}
        )
        ds["t"] = array
        assert (ds["t"].dims, ds["x"].values.tolist(), ds["t"].units) == (("y", "x"), [10, 20], "K")
        ds["u"] = array + 1
        assert ds["u"].sel(x=20).values.tolist() == [2, 4]
        ds["w"] = array.assign_coords(height=2.0, area=("y", ["a", "b"]))
        assert (ds["height"].item(), ds["area"].values.tolist()) == (2.0, ["a", "b"])
        assert ds["w"].links == {"coordinates": ("height", "area")}
        assert (ds["area"].role, ds.data_var_names) == ("auxiliary", ("t", "u", "w"))
        with pytest.raises(CoordinateError, match="labels of dimension 'x' differ"):
            ds["v"] = array.assign_coords(x=[1, 2], depth=7)
        assert "depth" not in ds
        assert "v" not in ds

    def test_from_a_variable_of_another_dataset(self, ds: Any) -> None:
        with cfdb.open_dataset(None, "n") as other:
            fill(other)
            other.create.data_var.generic("i", ("x",), data=np.array([1, -1]), fill_value=-1)
            for name in ("t", "i"):
                ds[name] = other[name][..., ::-1]
        assert (ds["x"].values.tolist(), ds["t"].values[0].tolist(), ds["t"].units) == ([2, 1], [1, 0], "K")
        assert ds["i"].values.mask.tolist() == [True, False]

    def test_like_copies_the_description(self, ds: Any) -> None:
        ds.create.coord.generic("x", data=[1.0, 2.0], step=True, axis="x", attrs={"units": "m"})
        t = ds.create.data_var.generic("t", "x", "int16", 5, fill_value=-1, attrs={"units": "K"})
        u = ds.create.data_var.like("u", t)
        assert (u.dtype, u.chunk_shape, u.fill_value, dict(u.attrs)) == (t.dtype, (5,), -1, {"units": "K"})
        y = ds.create.coord.like("y", ds["x"], copy_data=True)
        assert (y.values.tolist(), y.step, y.attrs["units"], y.axis) == ([1, 2], 1.0, "m", None)
        assert ds.create.coord.like("z", ds["x"]).shape == (0,)

    def test_templates(self, ds: Any) -> None:
        lat = ds.create.coord.lat(data=[50.0, 40.0])
        assert (lat.name, lat.axis, lat.units, lat.values.tolist()) == ("latitude", "y", "degrees_north", [50, 40])
        t = ds.create.data_var.air_temp(("latitude",), chunk_shape=(2,), attrs={"source": "test"})
        t[...] = [280.25, np.nan]
        assert (t.name, t.units, t.attrs["source"]) == ("air_temperature", "K", "test")
        with pytest.raises(AttributeError, match="did you mean 'lat'"):
            ds.create.coord.latt(data=[1])
        with pytest.raises(AttributeError):
            getattr(ds.create.data_var, "nonsense")  # noqa: B009
        assert "lon" in dir(ds.create.coord)
        assert "precip" in dir(ds.create.data_var)

    def test_scalars_auxiliary_coordinates_and_helpers(self, ds: Any) -> None:
        ds.create.dimension("y", 2)
        ds.create.dimension("x", 3)
        ds.create.dimension("time", 0, unlimited=True)
        lat = ds.create.coord.generic("lat", data=np.ones((2, 3)), dims=("y", "x"))
        crs = ds.create.variable(
            "crs", (), "int32", role="grid_mapping", attrs={"grid_mapping_name": "latitude_longitude"}
        )
        ds.create.variable("y_bnds", ("y", "nv"), data=np.zeros((2, 2)), role="bounds")
        t = ds.create.variable("t", ("y", "x"), "float32", links={"grid_mapping": "crs", "coordinates": ("lat",)})
        assert (lat.role, crs.shape, ds.coord_names, ds.data_var_names) == ("auxiliary", (), ("lat",), ("t",))
        assert t.links == {"grid_mapping": ("crs",), "coordinates": ("lat",)}
        t.update_links({"coordinates": None, "bounds": "y_bnds"})
        assert t.links == {"grid_mapping": ("crs",), "bounds": ("y_bnds",)}
        assert ds.unlimited_dims == ("time",)
        assert crs.values == 0
        crs[...] = 7
        assert crs.item() == 7

    def test_chunk_shapes(self, ds: Any) -> None:
        ds.create.dimension("time", 0, unlimited=True)
        ds.create.dimension("y", 300)
        assert ds.create.data_var.generic("a", ("time", "y"), "f8").chunk_shape[0] * 1 <= 2**18
        assert ds.create.data_var.generic("b", ("time", "y"), "f8", {"time": 1, "y": -1}).chunk_shape == (1, 300)
        assert ds.create.data_var.generic("c", dims=("y",), dtype="f8", chunk_shape=-1).chunk_shape == (300,)
        with pytest.raises(ShapeError, match="chunk_shape"):
            ds.create.data_var.generic("d", ("time", "y"), "f8", (0, 1))

    @pytest.mark.parametrize(
        ("create", "error", "message"),
        [
            (lambda ds: ds.create.data_var.generic("t", ("n",), "int8", data=[1, 2, 1000]), EncodingError, "1000"),
            (lambda ds: ds.create.data_var.generic("t", ("lon",), "int8"), ShapeError, "no dimension 'lon'"),
            (lambda ds: ds.create.data_var.generic("t", ("n",)), DataTypeError, "data= or dtype="),
            (lambda ds: ds.create.data_var.generic("t", ("n",), "object"), DataTypeError, "does not store 'object'"),
            (lambda ds: ds.create.data_var.generic("t", ("k", "k"), data=np.ones((2, 2))), ShapeError, "'k' twice"),
            (lambda ds: ds.create.data_var.generic("t", dtype="f4"), ShapeError, "needs coords="),
            (lambda ds: ds.create.data_var.generic("a/", "n", "f4", attrs={"x": object()}), DataTypeError, "'x'"),
            (lambda ds: ds.create.data_var.generic("bad\n", "n", "f4"), InvalidNameError, "control character"),
            (lambda ds: ds.create.variable("t", "k", data=[1], role="king"), InvalidNameError, "role='king'"),
            (lambda ds: ds.create.variable("t", "k", data=[1], links={"bounds": "b"}), VariableNotFoundError, "'b'"),
            (lambda ds: ds.create.coord.generic("c"), DataTypeError, "data= or dtype="),
            (lambda ds: ds.create.coord.generic("c", data=[1, 1]), CoordinateError, "twice"),
            (lambda ds: ds.create.coord.generic("c", data=[1], axis="q"), CoordinateError, "axis='q'"),
            (lambda ds: ds.create.coord.generic("n", data=[1]), ShapeError, "dimension 'n' has length 3"),
            (lambda ds: ds.create.data_var.generic("t", "n", "f4", compression="rar"), ValueError, "choose 'zstd'"),
            (lambda ds: ds.__setitem__("t", ("n", [1, 2, 3], {"": 1})), InvalidNameError, "non-empty"),
            (lambda ds: ds.__setitem__("t", ()), ShapeError, "(dims, array)"),
            (lambda ds: ds.create.dimension("n", 2), InvalidNameError, "dimension 'n' already"),
            (lambda ds: ds.create.dimension("q", -2), ValueError, "size=-2"),
            (lambda ds: ds.create.data_var.generic("t", "n", "i4", fill_value=2**40), EncodingError, str(2**40)),
        ],
    )
    def test_a_failed_creation_leaves_nothing_behind(
        self, ds: Any, create: Any, error: type[Exception], message: str
    ) -> None:
        ds.create.dimension("n", 3)
        keys = records_and_chunks(ds)
        with pytest.raises(error) as caught:
            create(ds)
        assert message in str(caught.value)
        assert (len(ds), ds.sizes) == (0, {"n": 3})
        assert records_and_chunks(ds) == keys
        ds.sync()
        assert {key[:2] for key in records_and_chunks(ds)} == {"ds", "d/"}

    def test_names_are_taken_once(self, ds: Any) -> None:
        fill(ds)
        with pytest.raises(InvalidNameError, match="variable 't' already"):
            ds.create.data_var.generic("t", ("x",), "f4")
        ds.create.coord.generic("a", data=[1], axis="z")
        with pytest.raises(CoordinateError, match="axis of 'a' already"):
            ds.create.coord.generic("b", data=[1], axis="Z")

    def test_any_netcdf_name_will_do(self, ds: Any) -> None:
        name = "température 2 m [K] (é)"
        ds[name] = ("n", [1])
        assert ds[name].values.tolist() == [1]

    def test_numbers_are_stored_little_endian(self, ds: Any) -> None:
        ds["t"] = ("n", np.array([1, 2], ">i4"))
        assert ds["t"].values.tolist() == [1, 2]
        assert ds["t"].values.dtype.isnative


class TestStructure:
    def test_deleting(self, ds: Any) -> None:
        fill(ds)
        ds["u"] = (("y", "n"), np.zeros((3, 2)))
        with pytest.raises(CoordinateError, match="labels a dimension of 't', 'u'"):
            del ds["y"]
        held, identity = ds["t"], ds["t"].id
        del ds["t"]
        assert list(ds._structure.store.keys(f"{identity}/")) == []
        with pytest.raises(VariableNotFoundError, match="'t' was deleted"):
            held.read()
        del ds["u"]
        assert ds.sizes == {"y": 3, "x": 2}
        del ds["x"], ds["y"]
        assert (len(ds), ds.sizes) == (0, {})
        with pytest.raises(KeyError, match="no variable 't'"):
            del ds["t"]

    def test_renaming_touches_no_chunk(self, tmp_path: Path) -> None:
        with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
            fill(ds)
            ds.sync()
            chunks = {key for key in records_and_chunks(ds) if key[1] != "/" and key != "ds"}
            held = ds["t"]
            ds.rename(t="temperature", y="lat")
            assert (held.name, held.dims, ds.sizes) == ("temperature", ("lat", "x"), {"lat": 3, "x": 2})
            with pytest.raises(InvalidNameError, match="taken"):
                ds.rename(x="lat")
            with pytest.raises(VariableNotFoundError):
                ds.rename(nothing="n")
        with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
            assert list(ds) == ["lat", "x", "temperature"]
            assert ds["temperature"].sel(lat=2).values.tolist() == [2, 3]
            assert {key for key in records_and_chunks(ds) if key[1] != "/" and key != "ds"} == chunks


class TestPermanence:
    def test_everything_commits_together(self, tmp_path: Path) -> None:
        path = tmp_path / "a.cfdb"
        with cfdb.open_dataset(path, "n") as ds:
            fill(ds)
            with cfdb.open_dataset(path) as early:
                assert len(early) == 0
            ds.sync()
            with cfdb.open_dataset(path) as reader:
                assert list(reader) == ["y", "x", "t"]
                ds["t"][0] = 9
                ds["x"].append([3])
                ds.attrs["title"] = "Changed"
                assert reader["t"].values[0].tolist() == [0, 1]
                assert not reader.refresh()
                ds.sync()
                held = reader["t"]
                assert reader.refresh()
                assert same(held.values[0], np.array([9, 9, np.nan]))
                assert (reader.attrs["title"], reader["x"].values.tolist()) == ("Changed", [1, 2, 3])

    def test_an_exception_drops_what_was_not_synced_and_says_so(self, tmp_path: Path) -> None:
        path = tmp_path / "a.cfdb"
        with (
            pytest.warns(
                UserWarning,
                match=r"VariableNotFoundError.*a\.cfdb: 2 changes since the last sync\(\) are dropped.*on_error",
            ),
            pytest.raises(KeyError),
            cfdb.open_dataset(path, "n") as ds,
        ):
            fill(ds)
            ds.sync()
            ds["t"][...] = 0
            ds.attrs["title"] = "lost"
            ds["nothing"]
        assert not ds.is_open
        with cfdb.open_dataset(path) as ds:
            assert ds["t"].values.tolist() == [[0, 1], [2, 3], [4, 5]]
            assert ds.attrs["title"] == "Test"

    def test_an_exception_keeps_changes_when_asked(self, tmp_path: Path) -> None:
        path = tmp_path / "a.cfdb"
        with pytest.raises(ZeroDivisionError), cfdb.open_dataset(path, "n", on_error="keep") as ds:
            fill(ds)
            1 / 0  # noqa: B018
        with cfdb.open_dataset(path) as ds:
            assert list(ds) == ["y", "x", "t"]
        with pytest.raises(ValueError, match="on_error='ignore'"):
            cfdb.open_dataset(None, "n", on_error="ignore")

    def test_an_exception_caught_inside_changes_nothing(self, tmp_path: Path) -> None:
        with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
            fill(ds)
            with pytest.raises(KeyError):
                ds["nothing"]
        with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
            assert "t" in ds

    def test_a_handle_nobody_closed_is_rolled_back(self, tmp_path: Path) -> None:
        path = tmp_path / "a.cfdb"
        ds = cfdb.open_dataset(path, "n")
        fill(ds)
        handles = [ds]
        del ds
        with pytest.warns(ResourceWarning, match=r"never closed: \d+ changes since the last sync\(\) are dropped"):
            handles.clear()
        with cfdb.open_dataset(path) as ds:
            assert len(ds) == 0

    def test_readers_may_be_left_to_the_collector(self, tmp_path: Path) -> None:
        path = tmp_path / "a.cfdb"
        with cfdb.open_dataset(path, "n") as ds:
            fill(ds)
        variable = cfdb.open_dataset(path)["t"]
        assert variable.values[0].tolist() == [0, 1]
        del variable
        gc.collect()

    def test_closing_twice_and_using_a_closed_handle(self, tmp_path: Path) -> None:
        ds = cfdb.open_dataset(tmp_path / "a.cfdb", "n")
        fill(ds)
        t, attrs = ds["t"], ds.attrs
        ds.close()
        ds.close()
        uses = (
            lambda: ds["t"], lambda: len(ds), lambda: t.values, lambda: t[0], lambda: t.shape, lambda: attrs["title"],
            lambda: ds.sizes, lambda: ds.create, ds.sync, lambda: ds.isel(x=0), lambda: ds.__enter__(),
            lambda: t.__setitem__(0, 1), lambda: ds.rename(t="u"),
        )  # fmt: skip
        for use in uses:
            with pytest.raises(ClosedError, match=r"a\.cfdb is closed; open it again"):
                use()
        assert (ds.is_open, t.is_open, ds.writable, bool(t), bool(ds)) == (False, False, False, False, False)

    def test_a_reader_refuses_every_change(self, tmp_path: Path) -> None:
        with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
            fill(ds)
        with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
            changes = (
                lambda: ds.create, lambda: ds["t"].__setitem__(0, 1), lambda: ds["t"][0].__setitem__(0, 1),
                lambda: ds.attrs.update(a=1), lambda: ds["t"].attrs.clear(), lambda: ds["x"].append([5]),
                lambda: ds["x"].drop(1), lambda: ds.__delitem__("t"), lambda: ds.rename(t="u"), lambda: ds.resize(n=1),
                lambda: ds["t"].update_units("m"), ds.sync, ds.rollback, lambda: ds.__setitem__("u", 1),
                lambda: ds["t"].loc.__setitem__(3.0, 1), lambda: ds["t"].vindex.__setitem__(([0], [0]), 1),
            )  # fmt: skip
            for change in changes:
                with pytest.raises(ReadOnlyError, match="flag='w'"):
                    change()
            assert not ds.writable
            assert not ds["t"].writable

    def test_rolling_back_by_hand(self, ds: Any) -> None:
        fill(ds)
        ds.sync()
        ds["t"][...] = 0
        ds["x"].append([7])
        ds["new"] = ((), 1)
        new = ds["new"]
        assert ds.rollback() >= 4
        assert (ds["t"].shape, ds["t"].values.max(), list(ds)) == ((3, 2), 5, ["y", "x", "t"])
        assert not new.is_open


class TestManyHands:
    def test_threads_read_and_write(self, tmp_path: Path) -> None:
        with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
            t = ds.create.data_var.generic("t", ("y", "x"), chunk_shape=(5, 7), data=np.zeros((20, 20)))
            wrong: list[Any] = []

            def work(number: int) -> None:
                try:
                    for step in range(10):
                        t[number * 5 : number * 5 + 5] = step
                        found = np.unique(t[number * 5 : number * 5 + 5].values)
                        if found.tolist() != [step]:
                            wrong.append(found)
                        ds.attrs[f"thread {number}"] = step
                except Exception as error:
                    wrong.append(error)

            threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert wrong == []
            assert (t.values == 9).all()
            assert len(ds.attrs) == 4

    def test_readers_are_pickled_by_path(self, tmp_path: Path) -> None:
        with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
            fill(ds)
            for handle in (ds, ds["t"], ds["t"][0]):
                with pytest.raises(NotPicklableError, match="open for writing"):
                    pickle.dumps(handle)
        with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
            again = pickle.loads(pickle.dumps(ds))
            assert again["t"].values.tolist() == ds["t"].values.tolist()
            again.close()
            part = pickle.loads(pickle.dumps(ds["t"][::-1, 1]))
            assert part.values.tolist() == [5, 3, 1]
            assert pickle.loads(pickle.dumps(ds["y"])).values.tolist() == [3, 2, 1]
        with cfdb.open_dataset(None, "n") as memory, pytest.raises(NotPicklableError):
            pickle.dumps(memory)
        del part, again
        gc.collect()

    def test_ctrl_c_during_a_long_write_leaves_the_last_sync(self, tmp_path: Path) -> None:
        code = f"""
import signal, numpy as np, cfdb
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits that it is ignored
with cfdb.open_dataset({str(tmp_path / "a.cfdb")!r}, "n") as ds:
    t = ds.create.data_var.generic("t", ("y", "x"), chunk_shape=(20, 200), data=np.zeros((2000, 2000)))
    ds.sync()
    noise = np.random.default_rng(0).normal(size=t.shape)
    print("writing", flush=True)
    while True:
        t[...] = noise
"""
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        ) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == "writing\n"
                process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=30)
            finally:
                process.kill()
        assert "KeyboardInterrupt" in errors
        with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
            assert (ds["t"].values == 0).all()

    @pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
    def test_a_forked_child_is_refused(self, tmp_path: Path) -> None:
        with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
            fill(ds)
            receiver, sender = multiprocessing.Pipe(duplex=False)

            def child() -> None:
                try:
                    sender.send(ds["t"].values)
                except ForkedHandleError as error:
                    sender.send(str(error))

            process = multiprocessing.get_context("fork").Process(target=child)
            process.start()
            assert receiver.poll(20)
            assert "open it again here" in receiver.recv()
            process.join()
            process.close()
            receiver.close()
            sender.close()
            assert ds["t"].values.max() == 5


def test_what_is_selected_from_a_dataset_loads(ds: Any) -> None:
    fill(ds)
    seen: list[Any] = []
    result = ds.load(progress=lambda done, total: seen.append((done, total)))
    assert (result.fetched, result.present) == (0, 3)
    assert ds["t"][0].load().present == 1
    assert seen[-1] == (3, 3)
