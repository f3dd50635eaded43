"""Rounding moves no float further than it says, and keeps what it cannot round."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import cfdb
from cfdb.format.dtypes import DataType, dtype
from cfdb.format.rounding import MOST_DECIMALS, keep_bits, mantissa_bits, round_bits, round_decimals
from cfdb.model.encodings import describe_rounding

FLOATS = ["f2", "f4", "f8"]
floats = st.sampled_from(FLOATS).flatmap(lambda code: hnp.arrays(code, st.integers(1, 30)))
ordinary = st.tuples(st.sampled_from(FLOATS), st.lists(st.floats(-1000, 1000), min_size=1, max_size=20)).map(
    lambda pair: np.array(pair[1], pair[0])
)


def ulp(value: Any) -> Fraction:
    """One unit in the last place, or a little more."""
    found = np.finfo(value.dtype)
    return abs(Fraction(float(value))) / 2**found.nmant + Fraction(float(found.smallest_subnormal))


@settings(max_examples=200, deadline=None)
@given(st.one_of(floats, ordinary), st.integers(-3, 8))
def test_decimals_move_a_value_by_half_a_unit_at_most(values: np.ndarray, decimals: int) -> None:
    rounded = round_decimals(values, decimals)
    assert (rounded.dtype, rounded.shape) == (values.dtype, values.shape)
    for before, after in zip(values, rounded, strict=True):
        if not math.isfinite(before):
            assert before.tobytes() == after.tobytes()
            continue
        unit = Fraction(10) ** -decimals
        assert abs(Fraction(float(after)) - Fraction(float(before))) <= unit / 2 + ulp(before)
    assert round_decimals(rounded, decimals).tobytes() == rounded.tobytes()


@pytest.mark.parametrize(("code", "largest"), [("f2", 2.0**11), ("f4", 2.0**24), ("f8", 2.0**53)])
def test_what_has_no_decimals_left_is_not_touched(code: str, largest: float) -> None:
    values = (np.random.default_rng(0).uniform(1.01, 2, 500) * largest / 100).astype(code)
    assert round_decimals(values, 2).tobytes() == values.tobytes()


@settings(max_examples=100, deadline=None)
@given(ordinary, st.integers(0, 4))
def test_rounded_decimals_are_the_nearest_float(values: np.ndarray, decimals: int) -> None:
    values = values[np.abs(values.astype("f8")) * 10**decimals < 2 ** mantissa_bits(values.dtype)]
    for after in round_decimals(values, decimals):
        text = f"{float(after):.{decimals}f}"
        assert after == values.dtype.type(text)
        assert not (after == 0 and np.signbit(after))


@settings(max_examples=200, deadline=None)
@given(st.one_of(floats, ordinary), st.data())
def test_bits_move_a_value_by_half_the_last_one_at_most(values: np.ndarray, data: Any) -> None:
    most, smallest = mantissa_bits(values.dtype), Fraction(float(np.finfo(values.dtype).smallest_normal))
    kept = data.draw(st.integers(0, most))
    rounded = round_bits(values, kept)
    assert (rounded.dtype, rounded.shape) == (values.dtype, values.shape)
    bits = rounded.view(f"u{values.itemsize}")
    for before, after, word in zip(values, rounded, bits, strict=True):
        if not math.isfinite(before):
            assert before.tobytes() == after.tobytes()
            continue
        exact = Fraction(float(before))
        assert abs(Fraction(float(after)) - exact) <= Fraction(1, 2 ** (kept + 1)) * max(abs(exact), smallest)
        assert after == before or int(word) % 2 ** (most - kept) == 0
    assert round_bits(rounded, kept).tobytes() == rounded.tobytes()


def test_ties_go_to_even_bits() -> None:
    assert round_bits(np.array([1.125, 1.375, 1.625, -1.125]), 2).tolist() == [1.0, 1.5, 1.5, -1.0]
    assert round_bits(np.array([[1.3, 2.6]], "f4"), 23).tolist() == np.array([[1.3, 2.6]], "f4").tolist()
    largest = np.finfo("f4").max
    assert round_bits(np.array([largest]), 3)[0] == largest


@pytest.mark.parametrize("code", ["f4", "f8"])
@pytest.mark.parametrize("noise", [1e-2, 1e-3, 1e-4])
def test_the_bits_above_the_noise_are_kept(code: str, noise: float) -> None:
    rng = np.random.default_rng(0)
    signal = np.sin(np.linspace(0, 12, 200_000)) * 0.3 + 1.5
    values = (signal + rng.normal(0, noise, signal.size)).astype(code)
    kept = keep_bits(values)
    assert abs(kept + math.log2(noise)) <= 2.5
    assert keep_bits(values, 0.5) <= kept <= keep_bits(values, 1.0)
    gaps = values.copy()
    gaps[::10] = np.nan
    assert abs(keep_bits(gaps) - kept) <= 1
    assert keep_bits(
        np.ma.masked_array(np.where(np.isnan(gaps), 1e30, gaps).astype(code), np.isnan(gaps))
    ) == keep_bits(gaps)
    assert keep_bits(np.stack([values] * 2, axis=1), axis=0) == kept


def test_a_part_of_large_arrays_tells_as_much() -> None:
    rng = np.random.default_rng(0)
    values = (np.sin(np.linspace(0, 900, 2**22 + 4097)) * 0.3 + 1.5 + rng.normal(0, 1e-3, 2**22 + 4097)).astype("f4")
    kept = keep_bits(values[: 2**20])
    assert keep_bits(values) == kept
    assert keep_bits(values[: 2**22 + 4096].reshape(-1, 64), axis=1) == kept
    gaps = np.ma.masked_array(values, rng.random(values.size) < 0.1)
    gaps.data[gaps.mask] = np.nan
    assert keep_bits(gaps) == kept


@pytest.mark.parametrize("seed", range(5))
def test_what_few_values_seem_to_tell_is_no_information(seed: int) -> None:
    values = np.sin(np.linspace(0, 3, 300)) + 3 + np.random.default_rng(seed).normal(0, 1e-2, 300)
    assert keep_bits(values.astype("f4"), 0.999) <= 10


def test_values_that_tell_nothing_keep_all_bits() -> None:
    for values in (np.zeros(1000, "f4"), np.array([1.5], "f4"), np.full(10, np.nan, "f4"), np.empty((0, 3), "f4")):
        assert keep_bits(values) == 23


def test_bits_are_of_floats_and_information_is_a_share() -> None:
    for wrong in (np.arange(3), np.array(["a"]), np.zeros(3, "c8")):
        with pytest.raises(ValueError, match="float"):
            keep_bits(wrong)
    for share in (0, 1.5, -1, math.nan):
        with pytest.raises(ValueError, match="information"):
            keep_bits(np.zeros(3), share)
    for word in ("0.99", "a", True, None):
        with pytest.raises(TypeError, match=r"information=.*as in 0.99"):
            keep_bits(np.zeros(3), word)
    for axis in ("x", 1.0, True):
        with pytest.raises(TypeError, match=r"axis=.*number of an axis"):
            keep_bits(np.zeros(3), axis=axis)
    with pytest.raises(ValueError, match="axis"):
        keep_bits(np.zeros(3), axis=1)
    with pytest.raises(ValueError, match="axis"):
        keep_bits(np.float64(1))


def test_types_say_how_they_round() -> None:
    kind = dtype("float32", keep_bits=7)
    assert DataType.from_record(kind.to_record()) == kind != dtype("float32")
    assert kind.encode([math.pi]).tolist() == [3.140625]
    for options in ({"keep_bits": 24}, {"keep_bits": -1}, {"keep_bits": True}, {"keep_bits": 3, "precision": 1}):
        with pytest.raises(ValueError, match="keep_bits"):
            dtype("float32", **options)
    with pytest.raises(ValueError, match="keep_bits"):
        dtype("int16", keep_bits=3)


# in a dataset


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(FLOATS), st.booleans())
def test_no_value_moves_further_than_the_encoding_states(data: Any, code: str, bits: bool) -> None:
    kind = np.dtype(code)
    values = data.draw(
        st.one_of(
            hnp.arrays(kind, st.integers(1, 30), elements=st.floats(width=8 * kind.itemsize, allow_nan=False)),
            st.lists(st.floats(-6e4, 6e4) if code == "f2" else st.floats(-2e5, 2e5), min_size=1, max_size=30).map(
                lambda given: np.array(given, kind)
            ),
        )
    )
    values = values[np.isfinite(values)]
    most = mantissa_bits(kind) if bits else MOST_DECIMALS[kind.itemsize]
    wanted = dtype(kind.name, **{"keep_bits" if bits else "precision": data.draw(st.integers(0, most))})
    said = {name: Fraction(number) for name, number in describe_rounding(wanted).items()}
    for before, after in zip(values.tolist(), wanted.encode(values).tolist(), strict=True):
        exact = abs(Fraction(before))
        if bits:
            allowed = said["maximum_relative_error"] * max(exact, Fraction(float(np.finfo(kind).smallest_normal)))
        else:
            allowed = said["maximum_error"] + said["plus_relative_error"] * exact
        assert abs(Fraction(after) - Fraction(before)) <= allowed


def test_the_place_of_the_type_is_part_of_the_stated_error() -> None:
    values = np.random.default_rng(0).uniform(1e5, 1.6e5, 1000).astype("f4")
    said = describe_rounding(dtype("float32", 2))
    moved = np.abs(dtype("float32", 2).encode(values).astype("f8") - values)
    assert moved.max() <= said["maximum_error"] + said["plus_relative_error"] * 1.6e5
    values = np.arange(0, 2000, 0.125, dtype="f4")
    moved = np.abs(dtype("float32", 2).encode(values).astype("f8") - values)
    assert said["maximum_error"] < moved.max() <= said["maximum_error"] + said["plus_relative_error"] * 2000


def test_nothing_is_rounded_unless_it_is_asked_for() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    with cfdb.open_dataset(None, "n") as ds:
        made = ds.create.data_var.generic("t", ("x",), data=values)
        assert made.values.tobytes() == values.tobytes()
        assert made.encoding == {}


@pytest.mark.parametrize(
    ("options", "rounded", "said"),
    [
        (
            {"precision": 1},
            lambda v: round_decimals(v, 1),
            {"precision": 1, "maximum_error": 0.05, "plus_relative_error": 2**-23},
        ),
        ({"keep_bits": 6}, lambda v: round_bits(v, 6), {"keep_bits": 6, "maximum_relative_error": 2**-7}),
    ],
)
def test_every_later_write_rounds_alike(options: Any, rounded: Any, said: Any, tmp_path: Any) -> None:
    first, second = np.random.default_rng(0).normal(size=(2, 50)).astype("f4")
    second[4] = np.nan
    path = tmp_path / "rounded.cfdb"
    with cfdb.open_dataset(path, "n") as ds:
        made = ds.create.data_var.generic("t", ("x",), "float32", (20,), data=first, **options)
        assert made.encoding == said
    with cfdb.open_dataset(path, "w") as ds:
        assert ds["t"].values.tobytes() == rounded(first).tobytes()
        ds["t"][10:25] = second[10:25]
        ds.create.data_var.like("u", ds["t"])
        ds["u"][...] = second
    with cfdb.open_dataset(path) as ds:
        expected = first.copy()
        expected[10:25] = second[10:25]
        assert ds["t"].values.tobytes() == rounded(expected).tobytes()
        assert ds["u"].values.tobytes() == rounded(second).tobytes()
        assert ("to 1 decimals" if "precision" in options else "to 6 bits") in str(ds)


@pytest.mark.parametrize("options", [{"precision": 1}, {"keep_bits": 5}])
@pytest.mark.parametrize("fill_value", [-9999.0, 9.969209968386869e36, 0.0, 0.125, -99.99, math.nan])
def test_the_fill_value_is_exact_and_nothing_is_rounded_to_it(fill_value: float, options: Any) -> None:
    fill = np.float32(fill_value)
    near = [fill, *(fill * np.float32(factor) for factor in (0.999, 1.0005, 1.02)), 0.04, -0.01, 0.13, 3.14159]
    values = np.array(near, "f4")
    with cfdb.open_dataset(None, "n") as ds:
        made = ds.create.data_var.generic("t", ("x",), data=values, fill_value=fill_value, **options)
        ds.create.data_var.like("u", made)
        np.testing.assert_array_equal([made.fill_value, ds["u"].fill_value], [fill, fill])
        missing = np.isnan(values) | (values == fill)
        np.testing.assert_array_equal(np.isnan(np.asarray(made)), missing)
        assert np.isnan(np.asarray(ds["u"])).all()
        rounded = np.asarray(made)[~missing].astype("f8")
        bound = 0.05 if "precision" in options else np.abs(values[~missing]) * 2**-6
        assert (np.abs(rounded - values[~missing]) <= bound + 1e-5 * np.abs(values[~missing])).all()


def test_bits_are_found_from_the_data() -> None:
    rng = np.random.default_rng(0)
    values = (np.sin(np.linspace(0, 12, 50_000)) + 3 + rng.normal(0, 1e-3, 50_000)).astype("f4")
    values[np.repeat(rng.random(50) < 0.3, 1000)] = -1e30
    with cfdb.open_dataset(None, "n") as ds:
        made = ds.create.data_var.generic("t", ("x",), data=values, bit_information=0.99, fill_value=-1e30)
        kept = made.dtype.keep_bits
        assert kept == cfdb.keep_bits(np.ma.masked_equal(values, np.float32(-1e30)))
        assert 5 <= kept <= 12
        assert kept < cfdb.keep_bits(values)
        found = np.ma.filled(made.values, np.nan)
        there = values > -1e29
        assert np.isnan(found[~there]).all()
        assert np.max(np.abs(found[there] / values[there] - 1)) <= 2.0 ** -(kept + 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": 1, "keep_bits": 3}, "one way"),
        ({"dtype": "int16", "precision": 1}, "only floats"),
        ({"dtype": dtype("float32", 2), "precision": 1}, "its dtype says"),
        ({"dtype": "float32", "precision": 1.5}, "whole number"),
        ({"dtype": "float32", "keep_bits": 40}, "mantissa"),
        ({"dtype": "float32", "precision": 11}, "precision=11: float32 is rounded to -10 to 10 decimals"),
        ({"dtype": "float64", "precision": 16}, "precision=16"),
        ({"dtype": "float32", "bit_information": 2.0, "data": [1.0, 2.0]}, "bit_information=2.0"),
        ({"dtype": dtype("float32", 2, -60, 60), "precision": 1}, "packs float32 into uint16 .* dtype='float32'"),
        ({"dtype": "float32", "bit_information": 0.99}, "needs data="),
    ],
)
def test_what_cannot_be_meant_is_refused(options: Any, message: str) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.dimension("x", 2)
        with pytest.raises(ValueError, match=message):
            ds.create.data_var.generic("t", ("x",), **{"dtype": "float64", **options})
        assert list(ds) == []
