"""The table of the released package's names says what is here: each name exists, or is said to be left out and why."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import cfdb
from cfdb.analysis.interpolating.grid_interp import GridInterp
from cfdb.analysis.interpolating.point_interp import PointInterp
from cfdb.compute.rechunker import DatasetRechunker, Rechunker
from cfdb.format.dtypes import DataType
from cfdb.model.attributes import Attributes
from cfdb.model.coordinate import Coordinate
from cfdb.model.creation import CoordinateCreator, Creator, DataVariableCreator
from cfdb.model.data_variable import DataVariable
from cfdb.model.dataset import Dataset
from cfdb.model.edataset import EDataset
from cfdb.model.reading import DatasetView

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "upstream-names.md"
ROWS = re.findall(r"^\| `([\w.]+)` \| (\w[\w ]*) \|(.*)\|$", PAGE.read_text(), re.M)
CLASSES = {
    each.__name__: each
    for each in (
        Attributes, Coordinate, CoordinateCreator, Creator, DataType, DataVariable, DataVariableCreator, Dataset,
        DatasetRechunker, DatasetView, EDataset, GridInterp, PointInterp, Rechunker,
    )
}  # fmt: skip
#: Created by attribute access or in `__init__`, so that the class does not have them.
DYNAMIC = {"CoordinateCreator.lat", "DataVariableCreator.air_temp"}


def exists(name: str) -> bool:
    owner, _, attribute = name.rpartition(".")
    if owner in CLASSES:
        known = {*dir(CLASSES[owner]), *getattr(CLASSES[owner], "__annotations__", {})}
        return attribute in known or name in DYNAMIC or attribute in _set_at_birth(CLASSES[owner])
    place: Any = cfdb if owner in ("cfdb", "dtypes") else import_module(owner)
    return hasattr(cfdb.dtypes if owner == "dtypes" else place, attribute)


def _set_at_birth(owner: type) -> set[str]:
    with cfdb.open_dataset(None, "n") as ds:
        ds["x"] = ("x", [1, 2])
        ds["t"] = ("x", [1.0, 2.0])
        objects = [ds, ds["x"], ds["t"], ds.create, ds.create.coord, ds.create.data_var, ds.attrs]
        return {name for each in objects if isinstance(each, owner) for name in vars_of(each)}


def vars_of(each: Any) -> list[str]:
    return [*getattr(each, "__dict__", {}), *dir(each)]


def test_the_table_is_read() -> None:
    assert len(ROWS) > 120
    assert {state for _, state, _ in ROWS} <= {"same", "extended", "changed", "left out"}
    assert not [name for name, state, why in ROWS if state in ("changed", "left out") and len(why) < 10]


@pytest.mark.parametrize(("name", "state"), [(name, state) for name, state, _ in ROWS])
def test_a_name_is_there_unless_it_is_left_out(name: str, state: str) -> None:
    assert exists(name) is (state != "left out")


def test_every_capability_has_tests_or_a_reason() -> None:
    page = PAGE.with_name("capabilities.md").read_text()
    rows = [
        row for row in re.findall(r"^\| (.+?) \| (.*?) ?\| (.+) \|$", page, re.M) if row[0] not in ("capability", "---")
    ]
    assert len(rows) >= 60
    known = {path.name for path in (PAGE.parents[2] / "tests").rglob("test_*.py")}
    for capability, call, shown in rows:
        named = re.findall(r"`(test_\w+\.py)`", shown)
        assert named or "not offered" in call, capability
        assert set(named) <= known, capability
