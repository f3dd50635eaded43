"""Write the golden file of the present format: ``python -m tests.support.make_golden`` (once per format version)."""

from pathlib import Path
from typing import Any

import cftime
import numpy as np

import cfdb

FOLDER = Path(__file__).resolve().parent.parent / "data"
PATH = FOLDER / "golden-1.cfdb"

DATES = [cftime.datetime(1999, month, 30, calendar="360_day") for month in (1, 2, 12)]


def expected() -> dict[str, Any]:
    """Give the values of every variable, by name."""
    random = np.random.default_rng(1)
    return {
        "latitude": np.array([60.0, 50.0, 40.0, 30.0]),
        "x": np.array([-2, -1, 10, 20, 25, 30]),
        "time": np.array(DATES, object),
        "station": np.array(["b", "a", "Zürich"]),
        "f4": random.normal(size=(4, 6)).astype("f4"),
        "packed": np.array([[1.5, np.nan, -3.0]], "f4"),
        "i8": np.array([np.iinfo("i8").min, 0, np.iinfo("i8").max]),
        "c16": np.array([1 + 2j, np.nan, -1j]),
        "flag": np.array([True, False, True]),
        "when": np.array(["2020-01-01T00:00:01", "NaT"], "M8[s]"),
        "lag": np.array([5, -7], "m8[ms]"),
        "bytes": np.array([b"ab", b"\xff\x00c"], "S4"),
        "names": np.array(["", "ö", "x" * 300]),
        "scalar": np.array(42, "u1"),
        "filled": np.ma.masked_equal(np.array([1, -9, 3], "i2"), -9),
        "empty": np.full((3, 2), np.nan),
    }


def write(path: Path) -> None:
    """Write the file."""
    values = expected()
    with cfdb.open_dataset(path, "n") as ds:
        ds.attrs.update(
            title="Golden", numbers=np.array([1, 2], "i2"), nested={"a": [1, None, True]}, pi=np.float32(3.5)
        )
        ds.create.coord.lat(data=values["latitude"])
        x = ds.create.coord.generic("x", data=[10, 20, 30, 99], chunk_shape=(4,), attrs={"units": "m"})
        ds.create.coord.time(data=DATES, step=False)
        ds["station"] = ("station", values["station"])
        f4 = ds.create.data_var.generic("f4", ("latitude", "x"), "float32", (3, 2))
        x.prepend([-2, -1])
        x.insert(4, [25])
        x.drop(99)
        f4[...] = values["f4"]
        packed = cfdb.dtypes.dtype("float32", precision=1, min_value=-10, max_value=10)
        ds.create.data_var.generic("packed", ("one", "three"), packed, data=values["packed"])
        for name in ("i8", "c16", "flag", "names"):
            ds[name] = ("three", values[name])
        for name in ("when", "lag", "bytes"):
            ds[name] = ("two", values[name])
        ds["scalar"] = ((), values["scalar"])
        ds.create.data_var.generic("filled", ("three",), "int16", data=[1, -9, 3], fill_value=-9)
        ds.create.data_var.generic("empty", ("time", "two"), "float64")
        crs = ds.create.variable(
            "crs", (), "int32", role="grid_mapping", attrs={"grid_mapping_name": "latitude_longitude"}
        )
        f4.update_links({"grid_mapping": crs.name})


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    if PATH.exists():
        raise SystemExit(f"{PATH} exists: a golden file is written once and kept for ever")
    write(PATH)
