"""Numbers with meanings: enumerations, bits, and what CF's flag attributes describe."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.errors import DataTypeError, EncodingError, NoFlagsError
from tests.support.records import records_of

enum_dtype = cfdb.dtypes.enum_dtype
SKY = {"clear": 0, "rain": 1, "snow": 5}


@pytest.fixture
def ds() -> Any:
    with cfdb.open_dataset(None, "n") as ds:
        yield ds


class TestEnumerations:
    def test_text_becomes_an_enumeration_and_reads_as_numbers(self, tmp_path: Path) -> None:
        with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
            ds.create.coord.generic("x", data=[10, 20, 30, 40])
            ds.create.data_var.generic("cover", "x", "enum", data=["water", "forest", None, "water"])
        with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
            cover = ds["cover"]
            assert cover.dtype == np.uint8
            assert (cover.values.tolist(), cover.fill_value) == ([1, 0, None, 1], 255)
            assert dict(cover.flags) == {"forest": 0, "water": 1}
            assert cover.flags.decode().tolist() == ["water", "forest", None, "water"]
            assert cover.flags.is_("water").tolist() == [True, False, False, True]
            assert cover.sel(x=[40, 20]).flags.decode().tolist() == ["water", "forest"]
            assert cover[1].flags.decode().tolist() == "forest"
            assert cover.flags.is_("water", "forest").tolist() == [True, True, False, True]

    def test_members_are_named_and_text_is_assigned(self, ds: Any) -> None:
        sky = ds.create.data_var.generic("sky", ("y", "x"), enum_dtype("uint8", SKY), data=np.full((2, 2), "rain"))
        sky[0] = "snow"
        sky[1, 1] = 0
        assert sky.values.tolist() == [[5, 5], [1, 0]]
        sky[1] = ["clear", "snow"]
        assert sky.flags.decode().tolist() == [["snow", "snow"], ["clear", "snow"]]
        before = records_of(ds)
        with pytest.raises(EncodingError, match="no meaning 'snou'; did you mean 'snow'"):
            sky[0] = ["rain", "snou"]
        with pytest.raises(EncodingError, match="declare a fill_value"):
            sky[0] = [None, "rain"]
        assert records_of(ds) == before
        assert sky.flags.encode(["rain", "snow"]).dtype == np.uint8
        assert sky.flags["snow"] == 5
        with pytest.raises(KeyError, match="no meaning 'hail'"):
            sky.flags.is_("hail")

    def test_a_categorical_of_pandas_keeps_its_order(self, ds: Any) -> None:
        pandas = pytest.importorskip("pandas")
        values = pandas.Categorical(["low", "high", None], categories=["low", "middle", "high"])
        ds["a"] = ("x", values)
        ds.create.data_var.generic("b", ("x",), data=pandas.Series(values))
        for name in ("a", "b"):
            assert dict(ds[name].flags) == {"low": 0, "middle": 1, "high": 2}
            assert ds[name].values.tolist() == [0, 2, None]

    def test_without_a_declared_fill_every_number_counts(self, ds: Any) -> None:
        ds.create.data_var.generic("sky", ("x",), enum_dtype("int16", SKY), data=[0, 1, 7])
        assert ds["sky"].flags.decode().tolist() == ["clear", "rain", None]

    @pytest.mark.parametrize("data", [[1, 2], None, ["a", 3]])
    def test_an_enumeration_needs_text(self, ds: Any, data: Any) -> None:
        before = records_of(ds)
        with pytest.raises(DataTypeError, match="enum_dtype"):
            ds.create.data_var.generic("sky", ("x",), "enum", data=data)
        assert records_of(ds) == before

    @settings(deadline=None, max_examples=50)
    @given(st.lists(st.one_of(st.none(), st.text("abc ", max_size=3)), min_size=1, max_size=12))
    def test_any_text_comes_back(self, texts: list[str | None]) -> None:
        with cfdb.open_dataset(None, "n") as ds:
            found = ds.create.data_var.generic("t", ("x",), "enum", data=texts, chunk_shape=(5,))
            assert found.flags.decode().tolist() == texts


def test_printing_says_what_the_numbers_mean(ds: Any) -> None:
    ds.create.data_var.generic("sky", ("x",), enum_dtype("uint8", SKY), data=["rain"])
    assert "Meanings:   clear 0, rain 1, snow 5" in repr(ds["sky"])
    assert "Values:     enum" in repr(ds["sky"])


class TestAttributes:
    def test_values_of_cf(self, ds: Any) -> None:
        attrs = {"flag_values": np.array([1, 2, 3], "i1"), "flag_meanings": "good suspect bad"}
        ds["quality"] = ("x", np.array([1, 3, 2, 9], "i1"), attrs)
        flags = ds["quality"].flags
        assert flags.meanings == ("good", "suspect", "bad")
        assert flags.decode().tolist() == ["good", "bad", "suspect", None]
        assert flags.is_("bad").tolist() == [False, True, False, False]
        assert {name: np.asarray(value).tolist() for name, value in flags.attrs.items()} == {
            "flag_values": [1, 2, 3],
            "flag_meanings": "good suspect bad",
        }

    def test_masks_of_cf_and_masks_with_values(self, ds: Any) -> None:
        attrs = {"flag_masks": [1, 2, 12, 12], "flag_values": [1, 2, 4, 8], "flag_meanings": "ice fog low high"}
        ds["both"] = ("x", np.array([0, 1, 5, 11, 12], "u1"), attrs)
        assert ds["both"].flags.decode().tolist() == ["", "ice", "ice low", "ice fog high", ""]
        assert ds["both"].flags["low"] == (12, 4)
        ds["bits"] = ("x", np.array([0, 1, 2, 3, 8], "u1"), {"flag_masks": [1, 2], "flag_meanings": "ice fog"})
        assert ds["bits"].flags.is_("fog").tolist() == [False, False, True, True, False]
        assert ds["bits"][1:4].flags.decode().tolist() == ["ice", "fog", "ice fog"]

    def test_bits_as_a_type(self, ds: Any) -> None:
        state = enum_dtype("uint16", {"ice": 1, "fog": 2, "wind": 256}, flags=True)
        bits = ds.create.data_var.generic("bits", ("x",), state, data=["ice wind", "", "fog"])
        assert (bits.values.tolist(), bits.flags["wind"]) == ([257, 0, 2], 256)
        assert bits.flags.decode().tolist() == ["ice wind", "", "fog"]
        assert bits.flags.is_("ice", "fog").tolist() == [True, False, True]
        with pytest.raises(EncodingError, match="'hail'"):
            bits[0] = "ice hail"

    def test_text_of_older_files_and_what_does_not_fit(self, ds: Any) -> None:
        ds["a"] = ("x", np.array([1, 0], "i1"), {"flag_values": "0b, 1b", "flag_meanings": "off on"})
        assert ds["a"].flags.decode().tolist() == ["on", "off"]
        ds["b"] = ("x", np.array([1, 0], "i1"), {"flag_values": [0, 1, 2], "flag_meanings": "off on"})
        with pytest.raises(DataTypeError, match="3 flag_values and 2 flag_meanings"):
            ds["b"].flags  # noqa: B018
        ds["c"] = ("x", [1.0, 2.0])
        assert not hasattr(ds["c"], "flags")
        with pytest.raises(NoFlagsError, match="have no meanings: create it with dtype='enum'"):
            ds["c"].flags  # noqa: B018


class TestElsewhere:
    def test_xarray_and_netcdf_know_the_meanings(self, ds: Any, tmp_path: Path) -> None:
        pytest.importorskip("xarray")
        ds.create.data_var.generic("sky", ("x",), "enum", data=["rain", "clear", None])
        bits = enum_dtype("uint8", {"ice": 1, "fog": 2}, flags=True)
        ds.create.data_var.generic("bits", ("x",), bits, data=["ice fog", "", "fog"])
        found = ds.to_xarray()
        assert found["sky"].attrs["flag_meanings"] == "clear rain"
        assert found["bits"].attrs["flag_masks"].tolist() == [1, 2]
        ds.to_netcdf4(tmp_path / "a.nc")
        with cfdb.from_netcdf(tmp_path / "a.nc", tmp_path / "a.cfdb") as again:
            assert again["sky"].flags.decode().tolist() == ["rain", "clear", None]
            assert again["bits"].flags.decode().tolist() == ["ice fog", "", "fog"]


def test_names_stay_when_a_variable_is_assigned() -> None:
    other_way = {name: 9 - number for name, number in SKY.items()}
    with cfdb.open_dataset(None, "n") as ds, cfdb.open_dataset(None, "n") as other:
        ds.create.data_var.generic("sky", ("x",), enum_dtype("uint8", SKY), data=["rain", "clear"])
        other.create.data_var.generic("sky", ("x",), enum_dtype("uint8", other_way), data=["clear", "clear"])
        other["new"] = ds["sky"]
        assert other["new"].dtype == ds["sky"].dtype
        other["sky"][:1] = ds["sky"][:1]
        assert other["sky"].flags.decode().tolist() == ["rain", "clear"]
        other["sky"] = ds["sky"]
        assert other["sky"].flags.decode().tolist() == ["rain", "clear"]
