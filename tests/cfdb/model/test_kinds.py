"""Values of every kind, missing ones too, are created, grown, selected, assigned and kept like NumPy's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from tests.support.oracle import same

N = 11
RANDOM = np.random.default_rng(5)
COMPLEX = (RANDOM.normal(size=(4, N)) + 1j * RANDOM.normal(size=(4, N))).astype("c8")
WORDS = np.array([["", "a", "längere", None][i % 4] for i in range(4 * N)], object).reshape(4, N)

VALUES: dict[str, Any] = {
    "bool": RANDOM.random((4, N)) > 0.5,
    "int8": np.arange(4 * N, dtype="i1").reshape(4, N) - 20,
    "uint64": np.arange(4 * N, dtype="u8").reshape(4, N) + 2**63,
    "masked integers": np.ma.masked_equal(np.arange(4 * N, dtype="i4").reshape(4, N) % 7, 3),
    "float16": RANDOM.normal(size=(4, N)).astype("f2"),
    "float64": np.where(RANDOM.random((4, N)) > 0.8, np.nan, 1.5),
    "complex64": COMPLEX,
    "complex128": COMPLEX.astype("c16"),
    "strings": np.where(WORDS == None, "", WORDS),  # noqa: E711
    "strings and None": WORDS,
    "bytes": np.array([b"ab", b"", b"abc", b"\xff"] * N).reshape(4, N),
    "timedelta": RANDOM.integers(-5, 5, (4, N)).astype("timedelta64[m]"),
    "datetime": RANDOM.integers(-5, 5, (4, N)).astype("datetime64[h]"),
    "missing times": np.where(RANDOM.random((4, N)) > 0.5, np.datetime64("NaT"), np.datetime64("2020-01-01T00", "ns")),
}
FILL = {"masked integers": -9}
KEYS = st.tuples(
    st.one_of(st.integers(-4, 3), st.slices(4), st.lists(st.integers(-4, 3), max_size=3).map(sorted)),
    st.one_of(st.integers(-N, N - 1), st.slices(N)),
)


def alike(found: Any, expected: Any) -> bool:
    """Tell whether values, shapes and masks are the same, whatever holds them."""
    if np.shape(found) != np.shape(expected):
        return False
    masks = [np.ma.getmaskarray(each).tolist() for each in (found, expected)]
    if masks[0] != masks[1]:
        return False
    if np.asarray(found).dtype.kind in "fcmM":
        return same(np.asarray(found), np.asarray(expected))
    return bool(np.ma.MaskedArray(found).tolist() == np.ma.MaskedArray(expected).tolist())


def create(ds: Any, kind: str, **options: Any) -> Any:
    return ds.create.data_var.generic(
        "v", ("y", "x"), data=VALUES[kind], chunk_shape=(2, 3), fill_value=FILL.get(kind), **options
    )


@pytest.mark.parametrize("kind", VALUES)
def test_values_come_back_from_the_file(kind: str, tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
        create(ds, kind)
        ds.create.data_var.generic("s", (), data=VALUES[kind][0, 0], fill_value=FILL.get(kind))
    with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
        assert alike(ds["v"].values, VALUES[kind])
        assert alike(ds["v"][1:, ::-2].values, VALUES[kind][1:, ::-2])
        assert alike(ds["s"].values, VALUES[kind][0, 0])


@pytest.mark.parametrize("kind", VALUES)
@settings(deadline=None, max_examples=8)
@given(KEYS, KEYS)
def test_views_and_assignment_do_what_numpy_does(kind: str, first: Any, second: Any) -> None:
    expected = VALUES[kind].copy()
    with cfdb.open_dataset(None, "n") as ds:
        v = create(ds, kind)
        assert alike(v[first].values, expected[first])
        source = np.ma.copy(expected)[second]
        v[second] = source
        if np.size(source):
            v[second] = expected[second] = np.ma.MaskedArray(source).ravel()[0]
        assert alike(v.values, expected)


def test_cells_never_written_are_missing_where_the_kind_can_say_so(tmp_path: Path) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        x = ds.create.coord.generic("x", data=[1, 2])
        for name, dtype, fill in (
            ("i", "i4", -9),
            ("plain", "i4", None),
            ("c", "c16", None),
            ("s", cfdb.dtypes.dtype("str", nullable=True), None),
            ("m", "timedelta64[s]", None),
            ("b", "bytes4", None),
        ):
            ds.create.data_var.generic(name, ("x",), dtype, fill_value=fill)
        ds["i"][0] = 5
        x.append([3])
        assert ds["i"].values.tolist() == [5, None, None]
        assert ds["plain"].values.tolist() == [0, 0, 0]  # no fill was declared
        assert np.isnan(ds["c"].values).all()
        assert ds["s"].values.tolist() == [None] * 3
        assert np.isnat(ds["m"].values).all()
        assert ds["b"].values.tolist() == [b""] * 3
        ds["i"][1:] = np.ma.masked_array([7, 8], [True, False])
        assert ds["i"].values.tolist() == [5, None, 8]
        assert np.array(ds["i"])[[0, 2]].tolist() == [5, 8]


def test_units_and_axes_are_changed_when_data_are_there(tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
        ds.create.coord.generic("x", data=[1, 2], axis="x")
        ds.create.coord.generic("y", data=[1, 2, 3])
        ds["t"] = (("y", "x"), np.ones((3, 2)), {"units": "K"})
        ds["y"].update_axis("y")
        ds["x"].update_axis(None)
        ds["x"].update_axis("z")
        ds["t"].update_units("degC")
        ds["y"].update_units("m")
    with cfdb.open_dataset(tmp_path / "a.cfdb", "w") as ds:
        assert (ds.axes, ds["t"].units, ds["y"].units) == ({"z": "x", "y": "y"}, "degC", "m")
        with pytest.raises(ValueError, match="axis of 'y' already"):
            ds["x"].update_axis("y")
        ds["t"].update_units(None)
        assert (ds["t"].units, ds["x"].axis) == ("K", "z")
