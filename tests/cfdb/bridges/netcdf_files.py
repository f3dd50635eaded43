"""What does h5netcdf read of a file, and does a dataset hold the same?"""

import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cftime
import h5netcdf
import iris_sample_data
import numpy as np

from cfdb.model.dataset import Dataset
from cfdb.storage.boxes import cut

FOLDER = os.path.join(os.path.dirname(iris_sample_data.__file__), "sample_data")
HELD = ("_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned")


def sample(name: str) -> str:
    return os.path.join(FOLDER, name)


def all_samples() -> list[str]:
    return sorted(os.path.relpath(path, FOLDER) for path in glob.glob(f"{FOLDER}/**/*.nc", recursive=True))


def variables_of(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, variable in group.variables.items():
        yield prefix + name, variable
    for name, inner in group.groups.items():
        yield from variables_of(inner, f"{prefix}{name}/")


def attributes_of(owner: Any) -> dict[str, Any]:
    """Attributes as h5netcdf gives them; it leaves single characters as bytes, netCDF means text."""
    found = dict(owner.attrs)
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}


def same(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, np.ndarray | np.generic):
        return left.dtype == right.dtype and np.array_equal(left, right, equal_nan=left.dtype.kind in "fc")
    return bool(left == right)


def stored_numbers(variable: Any) -> np.ndarray:
    """Cells as they lie in the dataset."""
    array = variable._array
    cells = np.empty(array.shape, array.pipeline.dtype.dtype_encoded)
    for box in cut(array.grid.plan()):
        payload = array.store.get(box.key)
        cells[box.slices] = array.pipeline.decode_cells(payload)[box.places]
    return cells


def assert_holds(ds: Dataset, path: str | Path) -> None:
    """Every dimension, variable and attribute of a file, compared with h5netcdf."""
    with h5netcdf.File(path, "r", decode_vlen_strings=True, phony_dims="sort") as file:
        assert ds.sizes == {name: dim.size for name, dim in file.dimensions.items()}
        assert set(ds.unlimited_dims) == {name for name, dim in file.dimensions.items() if dim.isunlimited()}
        assert_same_attributes(ds.attrs, attributes_of(file), "the dataset")
        expected = dict(variables_of(file))
        assert set(ds.var_names) == set(expected)
        for name, variable in expected.items():
            assert_same_variable(ds[name], variable)


def assert_same_variable(variable: Any, expected: Any) -> None:
    name = variable.name
    attributes = attributes_of(expected)
    kept = {key: value for key, value in attributes.items() if key not in HELD}
    assert_same_attributes(variable.attrs, kept, name)
    assert tuple(part.rpartition("/")[2] for part in variable.dims) == expected.dimensions, name
    assert variable.shape == expected.shape, name
    raw = expected[...]
    if variable.dtype.kind == "t":
        assert_same_times(variable, raw)
    else:
        assert np.dtype(variable.dtype) == _type(expected), name
        values = variable.read(masked=False)
        if values.dtype.kind == "T":
            assert values.tolist() == np.asarray(raw).tolist(), name
        else:
            assert values.tobytes() == np.asarray(raw, values.dtype).tobytes(), name  # bit for bit
    if "_FillValue" in attributes and variable.dtype.kind in "iuf":
        assert same(variable.fill_value, attributes["_FillValue"]) or np.isnan(attributes["_FillValue"]), name
        masked = np.ma.masked_equal(raw, attributes["_FillValue"])
        assert np.array_equal(np.ma.getmaskarray(variable.values), np.ma.getmaskarray(masked)), name
    if "missing_value" in attributes:
        assert same(variable._member.record.missing_value, attributes["missing_value"]), name


def assert_same_attributes(found: Any, expected: dict[str, Any], name: str) -> None:
    assert list(found) == list(expected), name
    for key, value in expected.items():
        assert same(found[key], value), (name, key, found[key], value)


def assert_same_times(variable: Any, raw: Any) -> None:
    """Numbers bit for bit, dates as cftime decodes them."""
    numbers = stored_numbers(variable)
    assert numbers.dtype == np.asarray(raw).dtype.newbyteorder("<"), variable.name
    assert numbers.tobytes() == np.asarray(raw, numbers.dtype).tobytes(), variable.name
    dates = np.asarray(cftime.num2date(np.asarray(raw), variable.dtype.units, variable.dtype.calendar))
    for found, wanted in zip(np.ravel(variable.values), np.ravel(dates), strict=True):
        if isinstance(found, np.datetime64):
            assert found == np.datetime64(wanted.isoformat()), variable.name
        else:
            assert found == wanted, variable.name


def _type(expected: Any) -> Any:
    kind = np.dtype(expected.dtype)
    return np.dtypes.StringDType() if kind.kind == "O" else kind.newbyteorder("=")
