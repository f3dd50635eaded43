"""Variables and views follow NumPy's rules when read and written."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.errors import MemoryLimitError, SelectionError, ShapeError
from cfdb.format.codecs import CodecPipeline
from cfdb.format.dtypes import dtype
from tests.support.oracle import DTYPES, random_values, same

SHAPE = (4, 5, 3)


def part(size: int) -> st.SearchStrategy[Any]:
    ends = st.one_of(st.none(), st.integers(-size - 2, size + 2))
    return st.one_of(
        st.builds(slice, ends, ends, st.sampled_from([None, 1, 2, -1, -3])),
        st.integers(-size, size - 1),
        st.integers(-size, size - 1).map(np.int32),
    )


@st.composite
def numpy_keys(draw: st.DrawFn) -> Any:
    """Keys on which orthogonal and NumPy's indexing agree: at most one list or mask, not mixed with integers."""
    count = draw(st.integers(0, 3))
    if draw(st.booleans()):
        parts = [draw(part(size)) for size in SHAPE[:count]]
    else:
        parts = [draw(part(size).filter(lambda key: isinstance(key, slice))) for size in SHAPE[:count]]
        if parts:
            place = draw(st.integers(0, count - 1))
            size = SHAPE[place]
            parts[place] = draw(
                st.one_of(
                    st.lists(st.integers(-size, size - 1), max_size=4),
                    st.lists(st.booleans(), min_size=size, max_size=size).map(np.array),
                )
            )
    if draw(st.booleans()) and count < 3:
        parts.append(...)
    for _ in range(draw(st.integers(0, 1))):
        parts.insert(draw(st.integers(0, len(parts))), None)
    return tuple(parts)


@pytest.fixture(scope="module")
def filled() -> Any:
    with cfdb.open_dataset(None, "n") as ds:
        values = np.arange(60.0).reshape(SHAPE)
        yield ds.create.data_var.generic("t", ("x", "y", "z"), chunk_shape=(3, 2, 2), data=values), values


@settings(max_examples=250, deadline=None)
@given(numpy_keys())
def test_reading_agrees_with_numpy(filled: Any, key: Any) -> None:
    variable, values = filled
    key = tuple(np.array(each, int) if isinstance(each, list) else each for each in key)
    expected = values[key]
    view = variable[key]
    assert view.shape == expected.shape
    assert same(view.values, np.asarray(expected))
    assert (view.ndim, view.size, view.nbytes) == (expected.ndim, expected.size, expected.nbytes)
    assert len(view.dims) == expected.ndim


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_views_compose(filled: Any, data: st.DataObject) -> None:
    variable, expected = filled
    view = variable
    for _ in range(3):
        key = tuple(data.draw(part(size)) for size in view.shape if size)
        if len(key) < view.ndim:
            break
        view, expected = view[key], expected[key]
    assert same(view.values, np.asarray(expected))


@settings(max_examples=150, deadline=None)
@given(key=numpy_keys(), data=st.data())
def test_assignment_broadcasts_as_in_numpy(key: Any, data: st.DataObject) -> None:
    key = tuple(np.array(each, int) if isinstance(each, list) else each for each in key)
    if any(isinstance(each, np.ndarray) and each.dtype != bool and len({*(each % 3)}) < each.size for each in key):
        return
    with cfdb.open_dataset(None, "n") as ds:
        variable = ds.create.data_var.generic("t", ("x", "y", "z"), "int32", (3, 2, 2), data=np.zeros(SHAPE, "i4"))
        expected = np.zeros(SHAPE, "i4")
        target = expected[key].shape
        keep = data.draw(st.integers(0, len(target)))
        shape = tuple(1 if data.draw(st.booleans()) else size for size in target[keep:])
        values = np.arange(1, 1 + int(np.prod(shape))).reshape(shape)
        expected[key] = values
        variable[key] = values
        assert (variable.values == expected).all()


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("fill", [False, True])
def test_every_type_survives_a_file(name: str, fill: bool, tmp_path: Path) -> None:
    described = dtype(name)
    values = random_values(described, (7, 5), 1)
    fill_value = values[0, 0] if fill and described.kind not in "T" else None
    if fill_value is not None and fill_value != fill_value:
        fill_value = described.dtype_decoded.type(1)
    with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
        ds["plain"] = (("y", "x"), values)
        ds.create.data_var.generic("t", ("y", "x"), described, (3, 2), fill_value=fill_value)[2:5] = values[2:5]
    with cfdb.open_dataset(tmp_path / "a.cfdb", masked=False) as ds:
        assert same(ds["plain"].values, values)
        assert ds["plain"].dtype == described
        expected = np.full((7, 5), described.missing if fill_value is None else fill_value, described.dtype_decoded)
        expected[2:5] = values[2:5]
        assert same(ds["t"].values, expected)
        assert np.dtype(ds["t"].dtype) == described.dtype_decoded


def test_a_declared_fill_value_reads_as_masked() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        t = ds.create.data_var.generic("t", ("x",), "int16", data=np.array([1, -9, 3]), fill_value=-9)
        assert isinstance(t.values, np.ma.MaskedArray)
        assert t.values.mask.tolist() == [False, True, False]
        assert t.read(masked=False).tolist() == [1, -9, 3]
        np.testing.assert_array_equal(np.asarray(t), [1, np.nan, 3])
        assert (t + 1).tolist() == [2, None, 4]
        t[:] = np.ma.masked_equal([5, 6, 7], 6)
        assert t.read(masked=False).tolist() == [5, -9, 7]
        ((_, chunk),) = t.iter_chunks()
        assert chunk.mask.tolist() == [False, True, False]


def test_numpy_functions_and_operators_load(filled: Any) -> None:
    variable, values = filled
    view = variable[1:3]
    assert isinstance(view + 1, np.ndarray)
    assert (np.sqrt(view) == np.sqrt(values[1:3])).all()
    assert (2 * variable - variable == values).all()
    assert np.mean(variable) == values.mean()
    assert (view > 30).sum() == (values[1:3] > 30).sum()
    assert float(variable[1, 2, 0]) == values[1, 2, 0]
    assert int(variable[1, 2, 0]) == int(values[1, 2, 0])
    assert variable[-1, -1, -1].item() == 59.0
    assert np.asarray(view, dtype="f4").dtype == np.float32
    with pytest.raises(ValueError, match="always a copy"):
        np.array(view, copy=False)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(view)
    out = np.empty_like(values)
    assert np.add(variable, 1, out=out) is out
    assert 59.0 in variable


def test_what_is_broadcast_is_encoded_while_it_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.dimension("x", 10_000)
        t = ds.create.data_var.generic("t", "x", "int16", chunk_shape=100)
        converted: list[int] = []
        plain = CodecPipeline.to_cells
        monkeypatch.setattr(
            CodecPipeline, "to_cells", lambda self, values: converted.append(np.size(values)) or plain(self, values)
        )
        t[...] = 7
        assert converted == [1]
        assert (t.values == 7).all()


def test_in_place_operators_write_through() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["t"] = (("y", "x"), np.arange(6.0).reshape(2, 3))
        t = ds["t"]
        t[0] += 10
        assert t.values.tolist() == [[10, 11, 12], [3, 4, 5]]
        t[1, ::2][...] = t[0, ::2]
        assert t.values.tolist() == [[10, 11, 12], [10, 4, 12]]


def test_len_and_iteration() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["t"] = (("y", "x"), np.zeros((2, 3)))
        ds["s"] = ((), 1.5)
        assert len(ds["t"]) == 2
        assert len(ds["t"][1]) == 3
        with pytest.raises(TypeError, match="iter_chunks"):
            iter(ds["t"])
        with pytest.raises(TypeError, match="no dimensions"):
            len(ds["s"])
        assert float(ds["s"]) == 1.5
        assert ds["s"][()].values == 1.5


def test_points() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        values = np.arange(42).reshape(6, 7)
        t = ds.create.data_var.generic("t", ("y", "x"), chunk_shape=(2, 3), data=values)
        rows, columns = np.array([[0, 5], [-1, 2]]), np.array([[6, 0], [1, -7]])
        assert (t.vindex[rows, columns] == values[rows, columns]).all()
        assert (t[::-1, 2:].vindex[[0, 1], [0, -1]] == values[::-1, 2:][[0, 1], [0, -1]]).all()
        assert t[3].vindex[[0, 6]].tolist() == values[3][[0, 6]].tolist()
        t.vindex[rows, columns] = -1
        values[rows, columns] = -1
        assert (t.values == values).all()
        for wrong in (([0],), ([0.5], [0]), ([0], [9]), ([0, 1], [0, 1, 2])):
            with pytest.raises(SelectionError, match=r"vindex|out of bounds"):
                t.vindex[wrong]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (9, "index 9 is out of bounds for axis 0 with size 4"),
        ((0, 0, 0, 0), "too many indices"),
        ("north", "labels go through .loc"),
        ((..., ...), "single ellipsis"),
        ([[0]], "vindex"),
        ([True, False], "the mask has 2 entries"),
    ],
)
def test_wrong_keys_are_index_errors(filled: Any, key: Any, message: str) -> None:
    with pytest.raises(IndexError, match=message):
        filled[0][key]


def test_values_that_do_not_fit_are_shape_errors(filled: Any) -> None:
    with pytest.raises(ShapeError, match=r"values of shape \(7,\) do not fit the selection of shape \(4, 5, 3\)"):
        filled[0][...] = np.zeros(7)


def test_an_implicit_load_has_a_limit(filled: Any) -> None:
    variable, values = filled
    with cfdb.set_options(max_load=100):
        for load in (lambda: variable.values, lambda: np.asarray(variable), lambda: variable + 1):
            with pytest.raises(
                MemoryLimitError, match=r"'t' of shape .* 480 bytes, more than max_load=100.*iter_chunks"
            ):
                load()
        assert variable[0, 0].values.tolist() == values[0, 0].tolist()
        out = np.empty(SHAPE)
        assert (variable.read(out=out) == values).all()
    with pytest.raises(ValueError, match="out="):
        variable.read(out=np.empty(3))
    for wrong in (np.broadcast_to(0.0, SHAPE), np.zeros(SHAPE).tolist()):
        with pytest.raises(ValueError, match=r"out=.*writable"):
            variable.read(out=wrong)


def test_chunks_come_in_order_and_know_whether_they_were_written() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.dimension("x", 7)
        t = ds.create.data_var.generic("t", "x", "float32", 3)
        t[4] = 1.0
        assert list(t.iter_chunks(include_data=False)) == [(slice(0, 3, 1),), (slice(3, 6, 1),), (slice(6, 7, 1),)]
        assert list(t.written_chunks()) == [(slice(3, 6, 1),)]
        assert list(t[::-1].written_chunks()) == [(slice(1, 4, 1),)]
        first, second = (values for _, values in t[4:].iter_chunks())
        assert same(first, np.array([1.0, np.nan], "f4"))
        assert same(second, np.array([np.nan], "f4"))
        assert t.get_chunk(missing_none=True) is None
        assert np.isnan(t.get_chunk()).all()
        assert t.get_chunk(slice(4, None)).tolist()[0] == 1.0
        assert t.stored().chunks == 1
        assert t.chunks == t.chunk_shape == (3,)


def test_codes_can_be_written_as_they_are() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        packed = cfdb.dtypes.dtype("float32", precision=1, min_value=0, max_value=20)
        t = ds.create.data_var.generic("t", "x", packed, data=np.array([1.0, 2.0]))
        t.set(slice(None), np.array([11, 0], "uint8"), decoded=False)
        assert packed.offset == -1
        assert same(t.values, np.array([0.1, np.nan], "f4"))
