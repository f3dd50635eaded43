"""Decimals become small integers and come back; nothing is ever wrapped into another value."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfdb.errors import DataTypeError, EncodingError, FormatError
from cfdb.format.casting import blank_cell, from_cells, to_cells
from cfdb.format.dtypes import DataType, compute_scale_and_offset, data_type_of, dtype, enum_dtype, time_dtype


def roundtrip(values: Any, kind: DataType, fill_value: Any = None) -> np.ndarray:
    cells = to_cells(values, kind, fill_value)
    assert cells.dtype == kind.dtype_encoded
    found = from_cells(cells, kind, None, fill_value)
    assert found.dtype == kind.dtype_decoded
    return found


PACKED = st.tuples(st.integers(0, 4), st.integers(-1000, 1000), st.integers(0, 2000), st.sampled_from(["f4", "f8"]))


@settings(max_examples=100, deadline=None)
@given(PACKED, st.lists(st.floats(0, 1), max_size=30))
def test_values_in_range_come_back_within_the_precision(spec: tuple[int, int, int, str], places: list[float]) -> None:
    precision, low, span, name = spec
    kind = dtype(np.dtype(name), precision, low, low + span)
    values = (low + np.array(places) * span).astype(name)
    found = roundtrip(values, kind)
    noise = 2 * np.spacing(np.maximum(np.abs(values), 1).astype(name))
    assert bool(np.all(np.abs(found - values) <= 0.5000001 * 10.0**-precision + noise))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 4), st.lists(st.integers(0, 10**6), max_size=30), st.sampled_from(["f4", "f8"]))
def test_decimals_come_back_exactly(precision: int, digits: list[int], name: str) -> None:
    kind = dtype(np.dtype(name), precision, -50, 10**6)
    values = (np.array(digits, "f8") / 10**precision).astype(name)
    assert np.array_equal(roundtrip(values, kind), values)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_what_has_no_code_becomes_missing_and_never_another_value(values: list[float]) -> None:
    kind = dtype("float32", 1, -100, 100)
    array = np.array(values, "f4")
    found = roundtrip(array, kind)
    kept = ~np.isnan(found)
    assert bool(np.all(np.abs(found[kept] - array[kept]) <= 0.0501))
    inside = (array >= -100) & (array <= 100)
    assert not np.isnan(found[inside]).any()


def test_the_rule_for_the_size_of_codes_is_upstreams() -> None:
    assert dtype("float32", 2, -60, 60).dtype_encoded == np.uint16
    assert dtype("float64", 6, -180, 180).dtype_encoded == np.uint32
    assert dtype("int32", min_value=0, max_value=250).dtype_encoded == np.uint8
    assert dtype("int32", min_value=0, max_value=255).dtype_encoded == np.uint16
    assert dtype("float32", 2, -60, 60).offset == -61
    assert dtype("float32", 2, -60, 60).fillvalue == 0
    assert dtype("datetime64[m]", min_value="1970-01-01", max_value="2020-01-01").dtype_encoded == np.uint32
    with pytest.raises(ValueError, match="no integer holds"):
        dtype("float64", 18, 0, 1000)


def test_an_offset_that_is_no_whole_code_still_packs() -> None:
    kind = dtype("float32", precision=5, dtype_encoded="uint16", offset=-0.300001, fillvalue=0)
    values = np.array([-0.29, 0.0, 0.1, 0.35], "f4")
    assert np.allclose(roundtrip(values, kind), values, rtol=0, atol=0.51e-5)


def test_integers_are_packed_exactly_or_refused() -> None:
    kind = dtype("int64", min_value=10**15, max_value=10**15 + 200)
    values = np.array([10**15, 10**15 + 200])
    assert roundtrip(values, kind).tolist() == values.tolist()
    for wrong in (10**15 - 2, 10**15 + 10**6, -(2**63), 10**15 - 1):
        with pytest.raises(EncodingError, match=str(wrong)):
            to_cells(np.array([wrong]), kind)
    with pytest.raises(EncodingError, match="nan"):
        to_cells(np.array([np.nan]), kind)


@settings(max_examples=100, deadline=None)
@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**31))
def test_integers_at_the_ends_of_their_type_pack(low: int, span: int) -> None:
    high = min(low + span, 2**63 - 1)
    kind = dtype("int64", min_value=low, max_value=high)
    assert roundtrip(np.array([low, high]), kind).tolist() == [low, high]


def test_blank_integers_read_as_the_declared_fill_value_or_zero() -> None:
    kind = dtype("int32", min_value=100, max_value=200)
    blank = np.array([blank_cell(kind)])
    assert from_cells(blank, kind).tolist() == [0]
    assert from_cells(blank, kind, None, -1).tolist() == [-1]
    assert roundtrip(np.array([-1, 150]), kind, -1).tolist() == [-1, 150]


def test_times_out_of_range_become_missing() -> None:
    kind = dtype("datetime64[D]", min_value="2000-01-01", max_value="2000-04-01")
    values = np.array(["2000-01-01", "2000-04-01", "NaT", "1900-01-01", "2900-01-01"], "M8[D]")
    found = roundtrip(values, kind)
    assert found[:2].tolist() == values[:2].tolist()
    assert np.isnat(found[2:]).all()


def test_without_a_reserved_code_missing_values_are_refused() -> None:
    kind = dtype("float32", precision=1, dtype_encoded="uint8", offset=0)
    assert roundtrip(np.array([0.0, 25.5], "f4"), kind).tolist() == [0.0, 25.5]
    for wrong in (np.nan, np.inf, 25.6, -0.1):
        with pytest.raises(EncodingError, match="fillvalue"):
            to_cells(np.array([wrong], "f4"), kind)


def test_large_floats_do_not_reach_the_largest_code_by_rounding() -> None:
    kind = dtype("float64", precision=0, dtype_encoded="uint64", offset=0, fillvalue=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = roundtrip(np.array([2.0**64, 2.0**64 - 2048, 1.0, np.inf, -np.inf]), kind)
    assert np.isnan(found[[0, 3, 4]]).all()
    assert found[1:3].tolist() == [2.0**64 - 2048, 1.0]


def test_floats_with_a_precision_alone_are_rounded() -> None:
    assert roundtrip(np.array([1.2345, np.nan, 1e300]), dtype("float64", 2)).tolist()[:1] == [1.23]


def test_a_type_equals_the_type_of_its_values() -> None:
    kind = dtype("float32", 2, -60, 60)
    assert kind == np.float32
    assert kind == "float32"
    assert np.dtype("float32") == kind
    assert np.dtype(kind) == np.float32
    assert kind != dtype("float32")
    assert kind != np.float64
    assert kind != object()
    assert hash(kind) == hash(np.dtype("float32"))
    assert (kind.name, kind.kind, kind.itemsize, repr(kind)) == ("float32", "f", 2, "float32")


def test_a_type_encodes_and_decodes_by_itself() -> None:
    kind = dtype("float32", 1, 0, 10)
    assert kind.decode(kind.encode([0.5, 7.25, 99])).tolist()[:2] == [0.5, np.float32(7.2)]
    assert np.isnan(kind.decode(kind.encode([99]))[0])
    assert kind.to_dict()["precision"] == 1


@pytest.mark.parametrize(
    ("name", "kind", "decoded"),
    [
        ("bool", "b", "?"),
        ("float16", "f", "f2"),
        (">i4", "i", "i4"),
        ("datetime64[ms]", "M", "M8[ms]"),
        ("timedelta64[h]", "m", "m8[h]"),
        ("S5", "S", "S5"),
        ("bytes5", "S", "S5"),
        ("complex64", "c", "c8"),
        (np.int8, "i", "i1"),
    ],
)
def test_numpy_types_are_taken_by_any_name(name: Any, kind: str, decoded: str) -> None:
    found = dtype(name)
    assert (found.kind, np.dtype(found)) == (kind, np.dtype(decoded))
    assert DataType.from_record(found.to_record()) == found


def test_strings_geometries_enums_and_cf_times_have_types() -> None:
    assert dtype("str").kind == dtype("U7").kind == dtype(np.dtypes.StringDType()).kind == "T"
    assert dtype("Point", 5).kind == "G"
    assert dtype("linestring", 5).name == "line"
    flags = enum_dtype("uint8", {"clear": 0, "cloudy": 1})
    assert (flags.kind, np.dtype(flags), flags.members) == ("e", np.uint8, (("clear", 0), ("cloudy", 1)))
    times = time_dtype("days since 1850-01-01", "360_day")
    assert (times.kind, times.dtype_decoded, times.dtype_encoded) == ("t", np.dtype(object), np.dtype("int64"))
    for kind in (dtype("str", nullable=True), dtype("point", 5), flags, times, dtype("float32", 2, -60, 60)):
        assert DataType.from_record(kind.to_record()) == kind


def test_types_of_arrays_are_found() -> None:
    assert data_type_of(np.array(["a", None], object)) == dtype("str", nullable=True)
    assert data_type_of(np.array(["a", "b"], object)) == dtype("str")
    assert data_type_of(np.array([b"a", b"bcd"], object)) == dtype("bytes3")
    assert data_type_of(np.array(["a"], np.dtypes.StringDType(na_object=None))) == dtype("str", nullable=True)
    for wrong in (np.array([1, "a"], object), np.array([None], object), np.zeros(2, "f8,i4")):
        with pytest.raises(DataTypeError):
            data_type_of(wrong)


@pytest.mark.parametrize(
    "make",
    [
        lambda: dtype("float128x"),
        lambda: dtype("datetime64"),
        lambda: dtype(object),
        lambda: dtype("point"),
        lambda: dtype(3),
        lambda: dtype("V8"),
    ],
)
def test_types_that_are_not_stored_are_refused(make: Any) -> None:
    with pytest.raises(TypeError) as caught:
        make()
    assert isinstance(caught.value, DataTypeError)


@pytest.mark.parametrize(
    "make",
    [
        lambda: dtype("float32", min_value=0, max_value=1),
        lambda: dtype("float32", 2, 0),
        lambda: dtype("float32", 2, 5, 1),
        lambda: dtype("int8", min_value=0.5, max_value=1),
        lambda: dtype("bool", min_value=0, max_value=1),
        lambda: dtype("float32", 2.5),
        lambda: dtype("float32", 2, dtype_encoded="float32"),
        lambda: dtype("float32", dtype_encoded="int8"),
        lambda: dtype("float32", 2, dtype_encoded="uint8", fillvalue=300),
    ],
)
def test_packings_that_make_no_sense_are_refused(make: Any) -> None:
    with pytest.raises(ValueError):
        make()


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"name": "object"},
        {"name": "float32", "encoded": "object", "offset": 0},
        {"name": 3},
        {"name": "cftime"},
        {"name": "enum"},
        {"name": "float32", "members": [1]},
        {"name": "str; import os"},
        {"name": "bytes0"},
    ],
)
def test_damaged_type_records_are_refused(record: Any) -> None:
    with pytest.raises(FormatError, match="damaged"):
        DataType.from_record(record)


def test_scale_and_offset_leave_the_lowest_code_free() -> None:
    scale, offset = compute_scale_and_offset(-10, 40, "int16")
    assert np.isclose(-32767 * scale + offset, -10)
    assert np.isclose(32767 * scale + offset, 40)
    for wrong in ((0, 1, "float32"), (1, 1, "uint8")):
        with pytest.raises(ValueError):
            compute_scale_and_offset(*wrong)


# casting without packing


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (np.array([300]), "uint8"),
        (np.array([-1]), "uint64"),
        (np.array([np.nan]), "int16"),
        (np.array([np.inf]), "int64"),
        (np.array([2.0**63]), "int64"),
        (np.array([1e39]), "float32"),
        (np.array([2]), "bool"),
        (np.array([b"toolong"]), "bytes3"),
        (np.array(["2000-01-01T12"], "M8[h]"), "datetime64[D]"),
        (np.array(["300000-01-01"], "M8[D]"), "datetime64[ns]"),
        (np.array([1, None], object), "str"),
    ],
)
def test_values_a_type_cannot_hold_are_refused(values: np.ndarray, name: str) -> None:
    with pytest.raises(EncodingError):
        to_cells(values, dtype(name))


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (np.array(["a"]), "float32"),
        (np.array([1j]), "float64"),
        (np.array([1]), "datetime64[s]"),
        (np.array(["monday"]), "datetime64[s]"),
        (np.array([1.0]), "str"),
        (np.array(["a"]), "bytes3"),
        (np.array(["a"]), "int8"),
    ],
)
def test_values_of_another_kind_are_refused(values: np.ndarray, name: str) -> None:
    with pytest.raises(TypeError):
        to_cells(values, dtype(name))


def test_values_are_cast_as_numpy_casts_them() -> None:
    assert to_cells([1.9, -1.9], dtype("int8")).tolist() == [1, -1]
    assert to_cells([True, False], dtype("float32")).tolist() == [1.0, 0.0]
    assert to_cells(["2000-01-01"], dtype("datetime64[D]")).tolist() == [np.datetime64("2000-01-01").item()]
    assert to_cells(np.array([1, 0]), dtype("bool")).tolist() == [True, False]
    assert to_cells([b"ab"], dtype("bytes3")).tolist() == [b"ab"]
    assert to_cells([1, 2], dtype("complex64")).tolist() == [1, 2]
    assert to_cells(np.array([1, 2], object), dtype("int8")).tolist() == [1, 2]
    assert to_cells(np.array([np.inf]), dtype("float32")).tolist() == [np.inf]
    assert np.isnan(to_cells(np.array([None], object), dtype("float32"))[0])
    assert to_cells([5], time_dtype("days since 2000-01-01", "noleap")).tolist() == [5]


def test_blank_cells_are_what_unwritten_cells_are() -> None:
    unreserved = dtype("float32", precision=1, dtype_encoded="uint8", offset=-10)
    assert blank_cell(unreserved) == 100
    assert blank_cell(unreserved, 2.0) == 120
    assert np.isnan(blank_cell(time_dtype("days since 2000-01-01", "noleap", "float64")))
    assert blank_cell(time_dtype("days since 2000-01-01", "noleap", "int32")) == np.iinfo("i4").min
    assert blank_cell(dtype("str", nullable=True)) is None
    assert blank_cell(dtype("bytes3")) == b""
    assert blank_cell(dtype("int16"), -7) == -7
    assert blank_cell(enum_dtype("uint8", {"clear": 0})) == 0
    assert not blank_cell(dtype("bool"))


@pytest.mark.parametrize(
    ("value", "kind", "fill_value"),
    [
        (1.5, dtype("float32", 1), None),
        (1.5, dtype("float32", 1, 0, 9), None),
        (np.nan, dtype("float32", 1, 0, 9), None),
        (3, dtype("int32", min_value=0, max_value=9), 3),
        (np.datetime64("2000-01-05"), dtype("datetime64[D]", min_value="2000-01-01", max_value="2000-02-01"), None),
        ("text", dtype("str"), None),
        (b"ab", dtype("bytes3"), None),
        (True, dtype("bool"), None),
        (np.ma.masked, dtype("float64"), None),
    ],
)
def test_single_values_are_arrays_without_dimensions(value: Any, kind: DataType, fill_value: Any) -> None:
    cells = to_cells(value, kind, fill_value)
    found = from_cells(cells, kind, None, fill_value)
    assert isinstance(cells, np.ndarray)
    assert isinstance(found, np.ndarray)
    assert cells.shape == found.shape == ()
    assert found == value or found != found


def test_values_go_into_a_given_destination() -> None:
    for kind in (dtype("float32"), dtype("float32", 1, 0, 9), dtype("int64", min_value=0, max_value=9)):
        cells = to_cells(np.arange(4), kind)
        out = np.zeros((4, 2), kind.dtype_decoded)
        from_cells(cells, kind, out[:, 1])
        assert out.tolist() == [[0, 0], [0, 1], [0, 2], [0, 3]]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([object()]), dtype("float64")),
        (np.array(["x"], object), dtype("int8")),
        (np.array([1]), dtype("point", 5)),
        (np.array(["a"]), time_dtype("days since 2000-01-01", "noleap")),
        (np.array(["a"]), dtype("float32", 1, 0, 9)),
    ],
)
def test_values_without_a_meaning_are_refused(values: np.ndarray, kind: DataType) -> None:
    with pytest.raises(TypeError) as caught:
        to_cells(values, kind)
    assert isinstance(caught.value, DataTypeError)


def test_strings_of_any_array_are_taken() -> None:
    fixed, own = np.array(["a", "ü"]), np.array(["a", "ü"], np.dtypes.StringDType(na_object=None))
    for values in (fixed, own, fixed.astype(object), np.array([], "U1")):
        assert to_cells(values, dtype("str")).tolist() == values.tolist()
    with pytest.raises(EncodingError, match="3 is no string"):
        to_cells(np.array(["a", 3], object), dtype("str", nullable=True))


def test_masked_cells_become_missing() -> None:
    values = np.ma.MaskedArray([1, 2], [False, True])
    assert np.isnan(to_cells(values.astype("f4"), dtype("float32"))[1])
    assert to_cells(values, dtype("int16"), -9).tolist() == [1, -9]
    assert to_cells(np.ma.MaskedArray([1, 2]), dtype("int16")).tolist() == [1, 2]
    with pytest.raises(EncodingError, match="fill_value"):
        to_cells(values, dtype("int16"))
