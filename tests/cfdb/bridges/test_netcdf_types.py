"""Files made for one purpose each: types, packing, times, groups, and what is refused."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.bridges import netcdf
from cfdb.bridges.netcdf_plan import block_shape

from .netcdf_files import assert_holds, stored_numbers

Make = Callable[[h5netcdf.File], None]


def made(path: Path, make: Make) -> Path:
    with h5netcdf.File(path, "w") as file:
        make(file)
    return path


def imported(tmp_path: Path, make: Make, **options: Any) -> Any:
    return cfdb.from_netcdf(made(tmp_path / "x.nc", make), tmp_path / "x.cfdb", **options)


def variable(file: Any, name: str, dims: tuple[str, ...], data: Any, fill: Any = None, **attrs: Any) -> Any:
    data = np.asarray(data)
    for dim, size in zip(dims, data.shape, strict=True):
        if dim not in file.dimensions:
            file.dimensions[dim] = size
    created = file.create_variable(name, dims, data.dtype, fillvalue=fill)
    created[...] = data
    created.attrs.update(attrs)
    return created


@pytest.mark.parametrize(
    "kind", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", ">i2", ">u8", ">f4", ">f8"]
)
def test_numbers_of_every_type_and_byte_order_stay(kind: str, tmp_path: Path) -> None:
    limits = np.iinfo(kind) if np.dtype(kind).kind in "iu" else np.finfo(kind)
    values = np.array([[limits.min, 0, 1], [limits.max, 7, 100]], kind)

    def make(file: h5netcdf.File) -> None:
        variable(file, "v", ("y", "x"), values)

    with imported(tmp_path, make) as ds:
        assert_holds(ds, tmp_path / "x.nc")
        assert ds["v"].dtype == np.dtype(kind).newbyteorder("=")


def test_nan_payloads_and_signed_zeros_stay_bit_for_bit(tmp_path: Path) -> None:
    bits = np.array([0x7FF8000000000001, 0xFFF0000000000000, 0x8000000000000000, 0x0000000000000001], "u8")

    def make(file: h5netcdf.File) -> None:
        variable(file, "v", ("x",), bits.view("f8"))

    with imported(tmp_path, make) as ds:
        assert ds["v"].values.view("u8").tolist() == bits.tolist()


@pytest.mark.parametrize(
    ("scale", "offset"), [(0.01, 0.0), (0.1, 273.15), (1.0, 20.0), (np.float32(0.001), np.float32(5))]
)
def test_decimal_packing_keeps_its_codes(scale: Any, offset: Any, tmp_path: Path) -> None:
    codes = np.array([[-32768, -1, 0], [32767, 5, 1234]], "i2")

    def make(file: h5netcdf.File) -> None:
        variable(file, "v", ("y", "x"), codes, np.int16(-32768), scale_factor=scale, add_offset=offset, units="K")

    with imported(tmp_path, make) as ds:
        found = ds["v"]
        assert found.dtype.is_packed
        assert np.array_equal(stored_numbers(found), codes)
        expected = np.where(codes == -32768, np.nan, codes * np.float64(scale) + np.float64(offset))
        assert np.allclose(found.values, expected, rtol=1e-6, equal_nan=True)
        assert dict(found.attrs) == {"units": "K"}
        assert found.encoding["scale_factor"] == scale


@pytest.mark.parametrize(
    "attrs",
    [
        {"scale_factor": 0.00123, "add_offset": 250.0},
        {"scale_factor": 0.01, "missing_value": np.int16(-999)},
        {"scale_factor": 100.0},
    ],
)
def test_other_packing_is_decoded_as_cf_says(attrs: dict[str, Any], tmp_path: Path) -> None:
    codes = np.array([-32768, -999, 0, 12], "i2")

    def make(file: h5netcdf.File) -> None:
        variable(file, "v", ("x",), codes, np.int16(-32768), **attrs)

    with imported(tmp_path, make) as ds:
        found = ds["v"]
        assert found.dtype == np.float64
        expected = codes * attrs["scale_factor"] + attrs.get("add_offset", 0.0)
        expected[[True, "missing_value" in attrs, False, False]] = np.nan
        assert np.allclose(found.values, expected, rtol=0, atol=1e-12, equal_nan=True)
        assert found.encoding["dtype"] == "int16"
        assert found.encoding["_FillValue"] == -32768


def test_unsigned_bytes_of_netcdf3_become_unsigned(tmp_path: Path) -> None:
    def make(file: h5netcdf.File) -> None:
        variable(file, "v", ("x",), np.array([-1, 0, 1], "i1"), np.int8(-1), _Unsigned="true")
        variable(file, "p", ("x",), np.array([-1, 0, 1], "i1"), _Unsigned="true", scale_factor=0.1)

    with imported(tmp_path, make) as ds:
        assert ds["v"].dtype == np.uint8
        assert ds["v"].read(masked=False).tolist() == [255, 0, 1]
        assert ds["v"].values.mask.tolist() == [True, False, False]
        assert np.allclose(ds["p"].values, [25.5, 0, 0.1])


def test_fill_and_missing_values_are_kept_apart(tmp_path: Path) -> None:
    def make(file: h5netcdf.File) -> None:
        variable(file, "both", ("x",), np.array([1, -1, -2], "i4"), np.int32(-1), missing_value=np.int32(-2))
        variable(file, "one", ("x",), np.array([1, -1, -2], "f4"), missing_value=np.float32(-2))
        variable(file, "several", ("x",), np.array([1, -1, -2], "i4"), missing_value=np.array([-1, -2], "i4"))

    with imported(tmp_path, make) as ds:
        assert (ds["both"].fill_value, ds["both"]._member.record.missing_value) == (-1, -2)
        assert ds["one"].values.mask.tolist() == [False, False, True]
        assert ds["several"].fill_value is None
        assert ds["several"]._member.record.missing_value.tolist() == [-1, -2]


@pytest.mark.parametrize("calendar", ["standard", "proleptic_gregorian", None])
def test_standard_times_read_as_datetime64_and_stay_numbers(calendar: str | None, tmp_path: Path) -> None:
    hours = np.array([0.0, 1.5, 1e6, 876543.25])
    attrs = {"units": "hours since 1900-01-01 00:00:0.0"} | ({"calendar": calendar} if calendar else {})

    def make(file: h5netcdf.File) -> None:
        variable(file, "time", ("time",), hours, **attrs)

    with imported(tmp_path, make) as ds:
        expected = np.datetime64("1900-01-01", "s") + (hours * 3600).astype("timedelta64[s]")
        assert ds["time"].values.tolist() == expected.tolist()
        assert stored_numbers(ds["time"]).tobytes() == hours.tobytes()
        assert dict(ds["time"].attrs) == attrs
        assert ds["time"].sel(time="1900-01-01T01:30").values == np.datetime64("1900-01-01T01:30")


def test_missing_times_are_nat(tmp_path: Path) -> None:
    def make(file: h5netcdf.File) -> None:
        variable(file, "t", ("x",), np.array([0, -999, 2], "i4"), np.int32(-999), units="days since 2000-01-01")

    with imported(tmp_path, make) as ds:
        assert np.isnat(ds["t"].values).tolist() == [False, True, False]
        assert ds["t"].encoding["_FillValue"] == -999


@pytest.mark.parametrize("units", ["months since 2000-01-01", "hours", "days since the flood"])
def test_units_that_say_no_date_leave_plain_numbers(units: str, tmp_path: Path) -> None:
    def make(file: h5netcdf.File) -> None:
        variable(file, "time", ("time",), np.arange(3), units=units)

    with imported(tmp_path, make) as ds:
        assert_holds(ds, tmp_path / "x.nc")
        assert ds["time"].values.tolist() == [0, 1, 2]


def test_unlimited_dimensions_stay_unlimited_and_grow(tmp_path: Path) -> None:
    def make(file: h5netcdf.File) -> None:
        file.dimensions = {"time": None, "x": 3, "unused": 7}
        file.resize_dimension("time", 4)
        written = file.create_variable("v", ("time", "x"), "f4", fillvalue=np.float32(-9))
        written[:2] = np.arange(6).reshape(2, 3)
        file.create_variable("bare", ("time",), "i2")

    with imported(tmp_path, make) as ds:
        assert ds.sizes == {"time": 4, "x": 3, "unused": 7}
        assert ds.unlimited_dims == ("time",)
        assert_holds(ds, tmp_path / "x.nc")
    with cfdb.open_dataset(tmp_path / "x.cfdb", "w") as ds:
        ds.resize(time=5)
        assert ds["v"].shape == (5, 3)


def test_what_an_unlimited_dimension_has_beyond_the_written_part_is_the_fill_of_the_file(tmp_path: Path) -> None:
    with h5netcdf.File(tmp_path / "x.nc", "w") as file:
        file.dimensions = {"time": None, "x": 2}
        file.create_variable("long", ("time",), "i4")
        short = file.create_variable("short", ("time", "x"), "f8", fillvalue=-1.5)
        words = file.create_variable("words", ("time",), h5py.string_dtype())
        file.resize_dimension("time", 3)
        short[...] = 1.0
        words[...] = ["a", "b", "c"]
    with h5py.File(tmp_path / "x.nc", "r+") as raw:
        raw["short"].resize((2, 2))
        raw["words"].resize((1,))
    with cfdb.from_netcdf(tmp_path / "x.nc", tmp_path / "x.cfdb") as ds:
        assert ds["short"].read(masked=False).tolist() == [[1, 1], [1, 1], [-1.5, -1.5]]
        assert ds["words"].values.tolist() == ["a", "", ""]


def test_strings_characters_and_enumerations(tmp_path: Path) -> None:
    text = np.array([["a", "ü°C"], ["", "a longer one"]], object)

    def make(file: h5netcdf.File) -> None:
        file.dimensions = {"y": 2, "x": 2, "strlen": 4}
        file.create_variable("text", ("y", "x"), h5py.string_dtype())[...] = text
        file.create_variable("chars", ("y", "strlen"), "S1")[...] = np.array([list("spam"), list("egg_")], "S1")
        weather = file.create_enumtype(np.uint8, "weather_t", {"sun": 0, "rain": 1, "none": 9})
        file.create_variable("weather", ("x",), weather, fillvalue=9)[...] = np.array([9, 1], "u1")

    with imported(tmp_path, make) as ds:
        assert ds["text"].values.tolist() == text.tolist()
        assert ds["chars"].values.tolist() == [[b"s", b"p", b"a", b"m"], [b"e", b"g", b"g", b"_"]]
        assert ds["weather"].values.tolist() == [None, 1]
        assert dict(ds["weather"].dtype.members) == {"sun": 0, "rain": 1, "none": 9}


@pytest.mark.filterwarnings("ignore:You are writing invalid netcdf features")
def test_bools_and_complex_numbers_of_hdf5_come_along(tmp_path: Path) -> None:
    with h5netcdf.File(tmp_path / "x.h5", "w", invalid_netcdf=True) as file:
        variable(file, "b", ("x",), [True, False])
        variable(file, "c", ("x",), [1 + 2j, 3j])
    with cfdb.from_netcdf(tmp_path / "x.h5", tmp_path / "x.cfdb") as ds:
        assert ds["b"].values.tolist() == [True, False]
        assert ds["c"].values.tolist() == [1 + 2j, 3j]


def test_text_in_latin_1_is_read_as_what_it_was(tmp_path: Path) -> None:
    def make(file: h5netcdf.File) -> None:
        variable(file, "v", ("x",), [1.0])

    path = made(tmp_path / "x.nc", make)
    with h5py.File(path, "r+") as raw:
        raw["v"].attrs.create("units", np.bytes_("°C".encode("latin-1")))
        raw["v"].attrs.create("note", np.bytes_("°C, ü".encode()))
        raw["v"].attrs.create("one", np.bytes_(b"K"))
    with cfdb.from_netcdf(path, tmp_path / "x.cfdb") as ds:
        assert dict(ds["v"].attrs) == {"units": "°C", "note": "°C, ü", "one": "K"}


def test_attributes_keep_their_types(tmp_path: Path) -> None:
    attrs = {
        "i2": np.int16(3),
        "f4": np.float32(0.1),
        "range": np.array([0, 5], "u1"),
        "text": "déjà vu",
        "words": ["a", "b"],
        "nan": np.float64("nan"),
    }

    def make(file: h5netcdf.File) -> None:
        variable(file, "v", ("x",), [1.0], **attrs)
        file.attrs.update(attrs)

    with imported(tmp_path, make) as ds:
        assert_holds(ds, tmp_path / "x.nc")
        assert ds.attrs["range"].dtype == np.uint8


def test_groups_become_paths_and_find_dimensions_around_them(tmp_path: Path) -> None:
    def make(file: h5netcdf.File) -> None:
        variable(file, "time", ("time",), np.arange(3))
        inner = file.create_group("model").create_group("run1")
        inner.dimensions["level"] = 2
        inner.create_variable("level", ("level",), "f4")[...] = [10, 20]
        inner.create_variable("t", ("time", "level"), "f4")[...] = np.arange(6).reshape(3, 2)
        inner["t"].attrs["coordinates"] = "height /time"
        file["model"].create_variable("height", ("time",), "f4")[...] = [1, 2, 3]
        inner.attrs["title"] = "first run"

    with imported(tmp_path, make) as ds:
        assert set(ds.var_names) == {"time", "model/height", "model/run1/level", "model/run1/t"}
        found = ds["model/run1/t"]
        assert found.dims == ("time", "model/run1/level")
        assert found.values.tolist() == [[0, 1], [2, 3], [4, 5]]
        assert found.links == {"coordinates": ("model/height", "time")}
        assert {name: ds[name].role for name in ds.var_names} == {
            "time": "coordinate",  # although `coordinates` names it
            "model/height": "auxiliary",
            "model/run1/level": "coordinate",
            "model/run1/t": "data",
        }
        assert ds["model/run1"].attrs["title"] == "first run"
        assert dict(ds.attrs) == {}


def test_values_that_repeat_or_are_missing_are_no_labels(tmp_path: Path) -> None:
    def make(file: h5netcdf.File) -> None:
        variable(file, "x", ("x",), [1.0, 1.0, 2.0])
        variable(file, "y", ("y",), [1.0, np.nan])
        variable(file, "z", ("z",), [3.0, 1.0, 2.0])

    with imported(tmp_path, make) as ds:
        assert {v.name: v.role for v in ds.variables} == {"x": "auxiliary", "y": "auxiliary", "z": "coordinate"}
        assert_holds(ds, tmp_path / "x.nc")


def _compound(file: h5netcdf.File) -> None:
    kind = file.create_cmptype(np.dtype([("a", "f4"), ("b", "i4")]), "pair_t")
    file.dimensions["x"] = 2
    file.create_variable("odd", ("x",), kind)


def _sequence(file: h5netcdf.File) -> None:
    kind = file.create_vltype(np.dtype("i4"), "list_t")
    file.dimensions["x"] = 2
    file.create_variable("odd", ("x",), kind)


def _twice(file: h5netcdf.File) -> None:
    file.dimensions["x"] = 2
    file.create_variable("odd", ("x", "x"), "f4")


@pytest.mark.parametrize(
    ("make", "reason"),
    [(_compound, "compound"), (_sequence, "varying length"), (_twice, "twice")],
    ids=["compound", "sequence", "twice"],
)
def test_what_cannot_be_kept_is_refused_by_name_before_anything_is_written(
    make: Make, reason: str, tmp_path: Path
) -> None:
    def both(file: h5netcdf.File) -> None:
        variable(file, "fine", ("f",), [1.0])
        make(file)

    path = made(tmp_path / "x.nc", both)
    with cfdb.open_dataset(tmp_path / "x.cfdb", "n") as ds:
        with pytest.raises((cfdb.errors.CFDBError, ValueError), match=f"'odd'.*{reason}"):
            cfdb.from_netcdf(path, ds)
        assert ds.var_names == ()
        assert ds.sizes == {}
    with cfdb.from_netcdf(path, tmp_path / "x.cfdb", exclude="odd") as ds:
        assert ds.var_names == ("fine",)


def test_include_brings_what_belongs_to_it(tmp_path: Path) -> None:
    def make(file: h5netcdf.File) -> None:
        variable(file, "time", ("time",), np.arange(2), bounds="time_bnds", units="days since 2000-01-01")
        variable(file, "time_bnds", ("time", "bnds"), [[0, 1], [1, 2]])
        variable(file, "t", ("time",), [1.0, 2.0], grid_mapping="crs")
        variable(file, "crs", (), np.int32(0), grid_mapping_name="latitude_longitude")
        variable(file, "other", ("z",), [1.0])

    with imported(tmp_path, make, include="t") as ds:
        assert set(ds.var_names) == {"t", "time", "time_bnds", "crs"}
        assert set(ds.sizes) == {"time", "bnds"}
    with pytest.raises(cfdb.errors.VariableNotFoundError, match=r"no variable 'tt'.*time, time_bnds"):
        imported(tmp_path, make, include=["tt"])


def test_chunks_are_given_by_dimension_or_by_variable(tmp_path: Path) -> None:
    def make(file: h5netcdf.File) -> None:
        variable(file, "a", ("time", "x"), np.arange(60.0).reshape(10, 6))
        variable(file, "b", ("time", "x"), np.arange(60.0).reshape(10, 6))
        variable(file, "c", ("x",), np.arange(6.0))
        variable(file, "time", ("time",), np.arange(10))

    chunks = {"time": 4, "b": (5, -1), "c": {"x": 2}}
    with imported(tmp_path, make, chunks=chunks) as ds:
        assert [ds[name].chunk_shape for name in "abc"] == [(4, 6), (5, 6), (2,)]
        assert ds["time"].chunk_shape != (4,)  # labels stay together
        assert_holds(ds, tmp_path / "x.nc")
    for wrong, message in (({"z": 4}, "dimension 'z'"), ({"a": (1, 2, 3)}, "3 lengths"), ({"time": 0}, "not 0")):
        with pytest.raises(ValueError, match=message):
            imported(tmp_path, make, chunks=wrong)


def test_an_open_dataset_takes_more_and_refuses_what_it_has(tmp_path: Path) -> None:
    def make(file: h5netcdf.File) -> None:
        variable(file, "x", ("x",), [1.0, 2.0])
        variable(file, "v", ("x",), [3.0, 4.0])

    path = made(tmp_path / "x.nc", make)
    with cfdb.open_dataset(tmp_path / "x.cfdb", "n") as ds:
        ds["mine"] = ("y", np.arange(3))
        assert cfdb.from_netcdf(path, ds) is ds
        assert set(ds.var_names) == {"mine", "x", "v"}
        with pytest.raises(cfdb.errors.InvalidNameError, match=r"'x', 'v' already.*exclude"):
            cfdb.from_netcdf(path, ds)


def test_an_error_on_the_way_takes_back_what_was_made(tmp_path: Path) -> None:
    def make(file: h5netcdf.File) -> None:
        variable(file, "x", ("x",), [1.0, 2.0])
        variable(file, "v", ("x",), [3.0, 4.0])

    path = made(tmp_path / "x.nc", make)
    calls = []

    def stop(done: int, total: int) -> None:
        calls.append(done)
        if len(calls) > 1:
            raise KeyboardInterrupt

    with cfdb.open_dataset(tmp_path / "x.cfdb", "n") as ds:
        ds["mine"] = ("y", np.arange(3))
        with pytest.raises(KeyboardInterrupt):
            cfdb.from_netcdf(path, ds, progress=stop)
        assert ds.var_names == ("mine",)


def test_progress_counts_every_byte_once(tmp_path: Path) -> None:
    def make(file: h5netcdf.File) -> None:
        variable(file, "v", ("y", "x"), np.zeros((100, 200), "f4"))

    seen: list[tuple[int, int]] = []
    imported(tmp_path, make, chunks={"y": 10}, progress=lambda *each: seen.append(each)).close()
    assert seen[-1] == (80_000, 80_000)
    assert seen == sorted(seen)


def test_a_large_variable_is_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netcdf, "BLOCK_BYTES", 5000)
    sizes: list[int] = []
    read = netcdf._read

    def watched(*arguments: Any) -> Any:
        values = read(*arguments)
        sizes.append(values.nbytes)
        return values

    monkeypatch.setattr(netcdf, "_read", watched)

    def make(file: h5netcdf.File) -> None:
        variable(file, "v", ("y", "x"), np.arange(20_000, dtype="f4").reshape(100, 200))

    with imported(tmp_path, make, chunks={"y": 5, "x": 50}) as ds:
        assert_holds(ds, tmp_path / "x.nc")
    assert max(sizes) <= 5000
    assert sum(sizes) == 80_000


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_blocks_are_whole_target_chunks_within_the_budget(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(1, 3))
    lengths = st.lists(st.integers(1, 40), min_size=ndim, max_size=ndim)
    shape, target, source = data.draw(lengths), data.draw(lengths), data.draw(st.none() | lengths)
    budget = data.draw(st.integers(1, 20_000))
    block = block_shape(shape, target, source, 4, budget)
    clipped = [min(t, s) for t, s in zip(target, shape, strict=True)]
    assert all(b % t == 0 or b == s for b, t, s in zip(block, target, shape, strict=True))
    assert 4 * np.prod(block) <= max(budget, 4 * np.prod(clipped))


def test_a_missing_h5netcdf_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5netcdf", None)
    with pytest.raises(ImportError, match=r"pip install cfdb\[netcdf4\]"):
        cfdb.from_netcdf(tmp_path / "x.nc", tmp_path / "x.cfdb")


def test_wrong_sources_and_flags_say_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.nc"):
        cfdb.from_netcdf(tmp_path / "gone.nc", tmp_path / "x.cfdb")
    (tmp_path / "text.nc").write_text("hello")
    with pytest.raises(cfdb.errors.FormatError, match="cannot be read as netCDF-4"):
        cfdb.from_netcdf(tmp_path / "text.nc", tmp_path / "x.cfdb")
    with pytest.raises(ValueError, match="flag='r'"):
        cfdb.from_netcdf(tmp_path / "x.nc", tmp_path / "x.cfdb", flag="r")
