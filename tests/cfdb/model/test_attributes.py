"""Attributes behave as a dict whose values keep their type, also through a file."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.errors import DataTypeError, InvalidNameError

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
plain = st.one_of(
    texts, st.binary(max_size=5), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), st.none()
)
values = st.one_of(plain, st.lists(plain, max_size=3), st.dictionaries(texts, plain, max_size=2))


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(texts.filter(bool), values, max_size=4))
def test_every_value_comes_back(attributes: dict[str, Any]) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.attrs.update(attributes)
        ds["t"] = ((), 1, attributes)
        ds.sync()
        ds._structure.reload()
        for attrs in (ds.attrs, ds["t"].attrs):
            assert dict(attrs) == attributes
            assert list(attrs) == list(attributes)
            assert [type(value) for value in attrs.values()] == [type(value) for value in attributes.values()]


def test_numpy_values_keep_their_type(tmp_path: Path) -> None:
    given_ = {
        "scalar": np.float32(1.5),
        "array": np.array([1, 2], "int8"),
        "times": np.array(["2020-01-01"], "M8[D]"),
        "big": np.array([1.0], ">f8"),
        "nan": math.nan,
        "inf": -math.inf,
    }
    with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
        ds.attrs.update(given_)
    with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
        assert isinstance(ds.attrs["scalar"], np.float32)
        assert ds.attrs["array"].dtype == np.int8
        assert ds.attrs["times"].dtype == "M8[D]"
        assert ds.attrs["big"].dtype == "f8"
        assert math.isnan(ds.attrs["nan"])
        assert ds.attrs["inf"] == -math.inf


def test_the_dict_interface() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        attrs = ds.attrs
        attrs["a"] = 1
        attrs.set("b", [1, 2])
        assert (len(attrs), list(attrs), "a" in attrs, attrs.get("q"), attrs.get("q", 3)) == (
            2,
            ["a", "b"],
            True,
            None,
            3,
        )
        assert attrs == {"a": 1, "b": [1, 2]}
        attrs["b"].append(3)
        assert attrs["b"] == [1, 2]
        assert attrs.pop("a") == 1
        assert attrs.data == {"b": [1, 2]}
        assert repr(attrs) == "b: [1, 2]"
        with pytest.raises(KeyError, match="no attribute 'bb'; did you mean 'b'"):
            attrs["bb"]
        with pytest.raises(KeyError):
            del attrs["a"]
        attrs.clear()
        assert repr(attrs) == "<no attributes>"


def test_when_one_value_cannot_be_stored_none_is() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        for wrong, error in (({"good": 1, "bad": object()}, DataTypeError), ({"good": 1, "": 2}, InvalidNameError)):
            with pytest.raises(error):
                ds.attrs.update(wrong)
        assert dict(ds.attrs) == {}
