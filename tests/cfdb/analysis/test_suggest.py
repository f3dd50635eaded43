"""Advice on encodings: what it promises of error and size is kept by a variable made with it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.analysis.advising import suggest
from cfdb.analysis.advising.encodings import Facts, proposals
from cfdb.analysis.advising.suggest import EncodingAdvice
from cfdb.format.rounding import MOST_DECIMALS
from cfdb.model.dataset import Dataset
from tests.cfdb.analysis.counting import counted

SHAPE = (120, 150)


def field(seed: int = 0) -> np.ndarray:
    y, x = np.mgrid[0:120, 0:150]
    noise = np.random.default_rng(seed).normal(0, 0.2, SHAPE)
    return np.asarray(280 + 10 * np.sin(y / 20) * np.cos(x / 30) + noise)


VALUES: dict[str, Any] = {
    "float64": field(),
    "float32": field().astype("float32"),
    "decimals": np.round(field(), 2),
    "with NaN": np.where(field() > 285, np.nan, field()),
    "around zero": (field() - 280).astype("float32"),
    "tiny": field() * 1e-9,
    "huge": field() * 1e30,
    "int64": np.rint(field()).astype("int64"),
    "int16": (np.rint(field() * 100) - 28000).astype("int16"),
    "uint64": np.rint(field()).astype("uint64") + np.uint64(2**63),
    "days": (np.datetime64("2000-01-01", "ns") + np.arange(18000).reshape(SHAPE) * np.timedelta64(1, "D")),
    "spans": np.arange(18000).reshape(SHAPE) * np.timedelta64(3, "h").astype("m8[s]"),
    "bools": field() > 280,
    "complex": field() + 1j,
    "constant": np.full(SHAPE, 3.5),
    "all missing": np.full(SHAPE, np.nan),
}


def kept(ds: Dataset, advice: EncodingAdvice, values: Any, allowed: float) -> int:
    """Make a variable as advised and compare; give its size."""
    made = ds.create.data_var.generic("made", ("y", "x"), **advice.options)
    made[:] = values
    back = made.read(masked=False)
    if values.dtype.kind == "f":
        assert np.array_equal(np.isnan(values), np.isnan(back))
        worst = np.nanmax(np.abs(back.astype("f8") - values.astype("f8")), initial=0)
        assert worst <= allowed
        assert worst <= advice.best.max_error
    else:
        assert np.array_equal(back.astype(values.dtype), values)
    return made.stored().nbytes


@pytest.mark.parametrize("max_error", [None, 0, 1e-3, 0.04, 0.5, 20])
@pytest.mark.parametrize("name", list(VALUES))
def test_a_variable_made_as_advised_keeps_the_error_and_has_the_size(name: str, max_error: float | None) -> None:
    values = VALUES[name]
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.data_var.generic("t", ("y", "x"), data=values, chunk_shape=(50, 60))
        advice = ds["t"].suggest_encoding(max_error=max_error)
        assert advice.best.accepted
        assert advice.sampled == advice.chunks == 9
        stored = kept(ds, advice, values, max_error or 0)
        assert stored == pytest.approx(advice.best.predicted_nbytes, rel=0.01)
        assert stored <= ds["t"].stored().nbytes * 1.01
        assert all(each.measured_error <= each.max_error for each in advice.candidates)


@pytest.mark.parametrize("max_error", [None, 0.04])
@pytest.mark.parametrize("name", ["float64", "float32", "with NaN", "int64", "days", "decimals"])
def test_a_sample_promises_what_holds_for_all_chunks(
    name: str, max_error: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suggest, "SAMPLE_BYTES", 2 * 50 * 60 * 8)
    values = VALUES[name].copy()
    values[-1, -1] = values[0, 0] if values.dtype.kind == "M" else 12345.678
    with cfdb.open_dataset(None, "n") as ds:
        t = ds.create.data_var.generic("t", ("y", "x"), data=values, chunk_shape=(50, 60))
        with counted(ds) as counts:
            advice = t.suggest_encoding(max_error=max_error)
        assert advice.sampled == len(counts.chunks) <= 4, "no more than the sample is read"
        kept(ds, advice, values, max_error or 0)
        assert advice == t.suggest_encoding(max_error=max_error), "the same sample each time"


def test_what_is_exact_in_the_sample_only_is_not_recommended(monkeypatch: pytest.MonkeyPatch) -> None:
    days = VALUES["days"].copy()
    days[-1, -1] += np.timedelta64(1, "ns")
    with cfdb.open_dataset(None, "n") as ds:
        t = ds.create.data_var.generic("t", ("y", "x"), data=days, chunk_shape=(50, 60))
        assert "datetime64[D]" not in [each.label for each in t.suggest_encoding().candidates], "tried, and ruled out"
        monkeypatch.setattr(suggest, "SAMPLE_BYTES", 1)
        advice = t.suggest_encoding()
        coarse = next(each for each in advice.candidates if each.label == "datetime64[D]")
        assert (coarse.measured_error, coarse.accepted) == (0, False)
        assert "in the sample only" in str(advice)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60),
    st.sampled_from(["float32", "float64"]),
    st.floats(1e-4, 1e3),
    st.sampled_from([None, -9999.0, float("nan")]),
)
def test_the_bound_of_every_way_holds(numbers: list[float], dtype: str, max_error: float, fill: float | None) -> None:
    values = np.array(numbers, dtype)
    with cfdb.open_dataset(None, "n") as ds:
        t = ds.create.data_var.generic("t", ("x",), data=values, fill_value=fill)
        for number, candidate in enumerate(t.suggest_encoding(max_error=max_error).candidates):
            made = ds.create.data_var.generic(f"t{number}", ("x",), data=t.values, **candidate.options)
            assert np.array_equal(np.ma.getmaskarray(made.values), np.ma.getmaskarray(t.values))
            error = np.max(np.abs(made.read(masked=False).astype("f8") - values.astype("f8")))
            assert error <= candidate.max_error
            assert not candidate.accepted or error <= max_error


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-1e5, 1e5),
    st.floats(0, 1e5),
    st.sampled_from(["float32", "float64"]),
    st.integers(-3, 3).map(lambda digits: 10.0**digits * 0.7),
)
@example(0.0, 5e-324, "float32", 7.0)
@example(0.0, 5e-324, "float64", 0.7)
def test_rounding_is_the_coarsest_whose_bound_is_within_the_error(
    low: float, span: float, name: str, max_error: float
) -> None:
    facts = Facts(cfdb.dtypes.dtype(name), low, low + span)
    values = np.linspace(low, low + span, 2000)
    for found in proposals(facts, max_error):
        target = found.dtype.dtype_decoded
        cast = values.astype(name)
        moved = np.abs(found.dtype.decode(found.dtype.encode(cast)).astype("f8") - cast.astype("f8"))
        assert np.max(moved) <= found.bound
        if found.dtype.precision is None and found.dtype.keep_bits is None:
            continue
        assert found.bound <= max_error
        if found.dtype.precision is not None:
            assert found.bound * 10 > max_error * 0.99 or found.dtype.precision == -MOST_DECIMALS[target.itemsize]
        elif found.dtype.keep_bits:
            assert found.bound * 2.001 > max_error * 0.99


def test_declared_fill_values_stay_masked() -> None:
    values = np.ma.masked_greater(field(), 285)
    with cfdb.open_dataset(None, "n") as ds:
        t = ds.create.data_var.generic("t", ("y", "x"), data=values, fill_value=-9999.0)
        advice = t.suggest_encoding(max_error=0.1)
        assert advice.options["fill_value"] == -9999.0
        made = ds.create.data_var.generic("made", ("y", "x"), data=t.values, **advice.options)
        assert np.array_equal(made.values.mask, values.mask)
        assert np.max(np.abs(made.values - values)) <= 0.1
        counts = np.ma.masked_equal(np.arange(18000).reshape(SHAPE) % 100, 7)
        n = ds.create.data_var.generic("n", ("y", "x"), data=counts, fill_value=-1)
        again = ds.create.data_var.generic("n2", ("y", "x"), data=n.values, **n.suggest_encoding().options)
        assert np.array_equal(again.values.mask, counts.mask)
        assert np.array_equal(again.values.compressed(), counts.compressed())


def test_the_automatic_codec_is_found_again() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        for number, options in enumerate([{"encoding": "portable"}, {"compression": "none"}]):
            t = ds.create.data_var.generic(f"t{number}", ("y", "x"), data=np.round(field(), 1), **options)
            advice = t.suggest_encoding()
            assert advice.best.label == "automatic codec"
            assert advice.candidates[0].options.items() >= options.items()
            assert "encoding" not in advice.options


def test_a_packing_gets_a_range_of_its_own() -> None:
    wide = cfdb.dtypes.dtype("float32", precision=1, min_value=-1e6, max_value=1e6)
    with cfdb.open_dataset(None, "n") as ds:
        t = ds.create.data_var.generic("t", ("y", "x"), wide, data=field())
        found = next(each for each in t.suggest_encoding().candidates if each.label.startswith("uint8, precision=1"))
        assert found.accepted
        assert found.max_error == 0
        made = ds.create.data_var.generic("made", ("y", "x"), data=t.values, **found.options)
        assert np.array_equal(made.values, t.values)


def test_texts_scalars_and_unwritten_variables_have_an_answer() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["names"] = ("n", np.array(["a", "b", "a"], np.dtypes.StringDType()))
        ds["one"] = 3.0
        ds.create.dimension("m", 5)
        ds.create.data_var.generic("nothing", ("m",), "float64")
        for name in ("names", "one", "nothing"):
            advice = ds[name].suggest_encoding(max_error=0.1)
            assert advice.best.label == "as it is" or advice.best.accepted
            assert f"{name}: " in repr(advice)


def test_a_part_is_judged_by_its_chunks() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.data_var.generic("t", ("y", "x"), data=field(), chunk_shape=(50, 60))
        advice = ds["t"][:10].suggest_encoding(max_error=0.1)
        assert (advice.sampled, advice.chunks) == (3, 9)
        assert advice.best.predicted_nbytes == pytest.approx(3 * advice.best.sampled_nbytes, rel=0.5)


@pytest.mark.parametrize("max_error", [-1, float("nan"), float("inf"), "much"])
def test_an_error_that_means_nothing_is_refused(max_error: Any) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["t"] = ("x", np.ones(3))
        with pytest.raises(ValueError, match="max_error="):
            ds["t"].suggest_encoding(max_error=max_error)


@pytest.mark.parametrize("max_error", [None, 0.05])
def test_the_size_of_all_chunks_is_predicted_from_some(
    max_error: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suggest, "SAMPLE_BYTES", 6 * 40 * 50 * 4)
    values = np.concatenate([field(seed) for seed in range(6)]).astype("float32")
    with cfdb.open_dataset(None, "n") as ds:
        t = ds.create.data_var.generic("t", ("y", "x"), data=values, chunk_shape=(40, 50))
        advice = t.suggest_encoding(max_error=max_error)
        assert (advice.sampled, advice.chunks) == (6, 54)
        assert kept(ds, advice, values, max_error or 0) == pytest.approx(advice.best.predicted_nbytes, rel=0.1)


def test_many_tiny_chunks_are_sampled_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggest, "SAMPLE_CHUNKS", 5)
    with cfdb.open_dataset(None, "n") as ds:
        t = ds.create.data_var.generic("t", ("x",), data=np.arange(200), chunk_shape=(2,))
        with counted(ds) as counts:
            advice = t.suggest_encoding()
        assert advice.sampled == len(counts.chunks) == 5
        assert advice.best.accepted


def test_chunks_that_lost_cells_do_not_mislead() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        x = ds.create.coord.generic("x", data=np.arange(10.0))
        t = ds.create.data_var.generic("t", ("x",), data=np.r_[np.arange(9), 70000])
        assert "int32" in [each.label for each in t.suggest_encoding().candidates]
        x.truncate(stop=8.0)
        advice = t.suggest_encoding()
        assert "int8" in [each.label for each in advice.candidates]
        made = ds.create.data_var.generic("made", ("x",), data=t.values, **advice.options)
        assert np.array_equal(made.values, t.values)
