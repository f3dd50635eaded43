"""Names change and things go, at once and without leaving anything behind."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.errors import CoordinateError, InvalidNameError, VariableNotFoundError
from tests.support.records import records_of


@pytest.fixture
def ds() -> Any:
    with cfdb.open_dataset(None, "n") as ds:
        yield ds


def fill(ds: Any) -> None:
    """A grid with bounds, a grid mapping and a 2-D coordinate that attributes and links name."""
    ds.create.coord.generic("y", data=[3.0, 2.0, 1.0], axis="y")
    ds.create.coord.generic("x", data=[1, 2], axis="x")
    ds.create.coord.generic("lat", data=np.ones((3, 2)), dims=("y", "x"))
    ds.create.variable("y_bnds", ("y", "nv"), data=np.zeros((3, 2)), role="bounds")
    ds["y"].update_links({"bounds": "y_bnds"})
    ds["y"].attrs["bounds"] = "y_bnds"
    ds.create.variable("crs", (), "int32", role="grid_mapping")
    attrs = {"coordinates": "lat height", "grid_mapping": "crs", "cell_methods": "y: x: mean (interval: 1 y)"}
    links = {"grid_mapping": "crs", "coordinates": ("lat",)}
    ds.create.data_var.generic("t", ("y", "x"), data=np.arange(6.0).reshape(3, 2), attrs=attrs, links=links)
    ds.create.dimension("n", 3)


class TestRenaming:
    def test_two_variables_swap_names(self, ds: Any) -> None:
        ds["a"], ds["b"] = ("n", [1, 2, 3]), ("n", [4, 5, 6])
        held = ds["a"]
        ds.rename(a="b", b="a")
        assert (held.name, ds["a"].values.tolist(), ds["b"].values.tolist()) == ("b", [4, 5, 6], [1, 2, 3])
        ds.sync()
        ds.rollback()
        assert (list(ds), ds["b"].values.tolist()) == (["b", "a"], [1, 2, 3])

    def test_two_coordinates_swap_names_with_their_dimensions(self, tmp_path: Path) -> None:
        with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
            fill(ds)
            ds.rename({"x": "y", "y": "x"})
            assert (ds["t"].dims, ds.sizes["x"], ds["x"].values.tolist()) == (("x", "y"), 3, [3, 2, 1])
            assert ds.axes == {"y": "x", "x": "y"}
        with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
            assert ds["t"].sel(x=2.0, y=2).item() == 3
            assert ds["t"].attrs["cell_methods"] == "x: y: mean (interval: 1 y)"

    def test_a_chain_of_names_moves_on(self, ds: Any) -> None:
        for name in "abc":
            ds[name] = ord(name)
        ds.rename(a="b", b="c", c="d")
        assert [ds[name].item() for name in "bcd"] == [97, 98, 99]

    def test_links_and_the_attributes_that_name_others_follow(self, ds: Any) -> None:
        fill(ds)
        ds.rename(lat="latitude", crs="mapping", y_bnds="edges", y="north")
        assert ds["t"].links == {"grid_mapping": ("mapping",), "coordinates": ("latitude",)}
        assert ds["north"].links == {"bounds": ("edges",)}
        assert ds["t"].attrs.data == {
            "coordinates": "latitude height",
            "grid_mapping": "mapping",
            "cell_methods": "north: x: mean (interval: 1 y)",
        }
        assert ds["north"].attrs["bounds"] == "edges"

    def test_moving_into_a_group_is_renaming(self, ds: Any) -> None:
        fill(ds)
        ds.rename({"crs": "maps/crs", "t": "out/t"})
        assert list(ds.groups) == ["maps", "out"]
        assert ds["out/t"].attrs["grid_mapping"] == "/maps/crs"
        assert ds["out/t"].attrs["coordinates"] == "lat height"
        ds.rename({"out/t": "t", "maps": "m"})
        assert (ds["t"].attrs["grid_mapping"], list(ds.groups)) == ("/m/crs", ["m"])

    def test_long_forms_of_attributes_keep_their_form(self, ds: Any) -> None:
        ds["x"] = ("x", [1, 2])
        for name in ("crs", "area", "a", "b"):
            ds[name] = 1
        attrs = {"grid_mapping": "crs: x other: y", "cell_measures": "area: area", "formula_terms": "a: a b: b"}
        ds["t"] = ("x", [1, 2], attrs)
        ds.rename(crs="wgs", area="cells", b="c", x="lon")
        assert ds["t"].attrs.data == {
            "grid_mapping": "wgs: lon other: y",
            "cell_measures": "area: cells",
            "formula_terms": "a: a b: c",
        }
        del ds["a"], ds["cells"]
        assert ds["t"].attrs.data == {"grid_mapping": "wgs: lon other: y", "formula_terms": "b: c"}

    @pytest.mark.parametrize(
        ("names", "error", "message"),
        [
            ({"t": "t2", "nothing": "n2"}, VariableNotFoundError, "no variable, dimension or group 'nothing'"),
            ({"t": "t2", "x": "y"}, InvalidNameError, "'y' is taken"),
            ({"t": "same", "lat": "same"}, InvalidNameError, "'same' is taken"),
            ({"t": "t2", "x": "bad\n"}, InvalidNameError, "control character"),
            ({"t": "t2", "x": "lat/x"}, InvalidNameError, "'lat' is a variable, no group"),
            ({"n": "t", "x": "u"}, InvalidNameError, "'t' is taken"),
            ({3: "t2"}, VariableNotFoundError, "not by int"),
        ],
    )
    def test_a_failing_call_changes_nothing(self, ds: Any, names: Any, error: type[Exception], message: str) -> None:
        fill(ds)
        before = records_of(ds)
        with pytest.raises(error) as caught:
            ds.rename(names)
        assert message in str(caught.value)
        assert records_of(ds) == before

    @settings(deadline=None, max_examples=60)
    @given(st.dictionaries(st.sampled_from("abcdeq"), st.sampled_from([*"abcdefg", "g/a", "a/b"]), max_size=4))
    def test_any_renaming_is_done_whole_or_not_at_all(self, names: dict[str, str]) -> None:
        with cfdb.open_dataset(None, "n") as ds:
            for number, name in enumerate("abcde"):
                ds[name] = number
            before = records_of(ds)
            final = {name: names.get(name, name) for name in "abcde"}
            fits = "q" not in names and len(set(final.values())) == 5
            fits = fits and not any({group, path} <= {*final.values()} for group, path in (("a", "a/b"), ("g", "g/a")))
            if not fits:
                with pytest.raises((InvalidNameError, VariableNotFoundError)):
                    ds.rename(names)
                assert records_of(ds) == before
                return
            ds.rename(names)
            assert {ds[new].item(): new for new in ds} == {n: final[old] for n, old in enumerate("abcde")}
            ds.sync()
            ds.rollback()
            assert {ds[new].item(): new for new in ds} == {n: final[old] for n, old in enumerate("abcde")}


class TestDeleting:
    def test_links_to_what_is_deleted_vanish_in_records_and_attributes(self, ds: Any) -> None:
        fill(ds)
        del ds["crs"], ds["lat"], ds["y_bnds"]
        assert (ds["t"].links, ds["y"].links) == ({}, {})
        assert ds["t"].attrs.data == {"coordinates": "height", "cell_methods": "y: x: mean (interval: 1 y)"}
        assert dict(ds["y"].attrs) == {}
        ds.sync()
        ds.rollback()
        assert (ds["t"].links, dict(ds["y"].attrs), ds["t"].grid_mapping) == ({}, {}, None)

    def test_a_coordinate_in_use_stays(self, ds: Any) -> None:
        fill(ds)
        before = records_of(ds)
        with pytest.raises(CoordinateError, match="'x' labels a dimension of 'lat', 't'; delete these first"):
            del ds["x"]
        with pytest.raises(CoordinateError, match="'y' is a dimension of 'lat', 'y_bnds', 't'"):
            ds.drop_dim("y")
        assert records_of(ds) == before

    def test_unused_dimensions_are_dropped(self, ds: Any) -> None:
        fill(ds)
        ds.create.dimension("m", 2)
        ds.drop_dim("n")
        del ds["m"]
        assert ds.dims == ("y", "x", "nv")
        del ds["t"], ds["lat"]
        ds.drop_dim("x")
        assert ("x" in ds, ds.dims) == (False, ("y", "nv"))
        with pytest.raises(VariableNotFoundError, match="no dimension 'n'"):
            ds.drop_dim("n")

    def test_attributes_of_a_deleted_variable_say_so(self, ds: Any) -> None:
        fill(ds)
        attrs = ds["t"].attrs
        del ds["t"]
        for use in (lambda: attrs["units"], lambda: attrs.update(a=1), lambda: len(attrs), attrs.clear):
            with pytest.raises(VariableNotFoundError, match="deleted"):
                use()
        assert "deleted" in repr(attrs)


class TestAttributes:
    def test_attributes_are_renamed_in_place(self, ds: Any) -> None:
        ds.attrs.update(a=1, b=2, c=3)
        ds.attrs.rename(a="b", b="a")
        assert list(ds.attrs.items()) == [("b", 1), ("a", 2), ("c", 3)]
        for wrong, error in (({"b": "a"}, InvalidNameError), ({"q": "r"}, KeyError), ({"a": ""}, InvalidNameError)):
            with pytest.raises(error):
                ds.attrs.rename({"c": "z", **wrong})
            assert list(ds.attrs) == ["b", "a", "c"]

    def test_they_iterate_count_and_miss_like_a_dict(self, ds: Any) -> None:
        ds.attrs.update(a=1, b=2)
        assert (list(ds.attrs), len(ds.attrs), dict(ds.attrs), ds.attrs.get("c", 3)) == (
            ["a", "b"],
            2,
            {"a": 1, "b": 2},
            3,
        )
        with pytest.raises(KeyError, match="no attribute 'c'"):
            ds.attrs["c"]
        with pytest.raises(KeyError):
            del ds.attrs["c"]
        assert (ds.attrs.pop("a"), ds.attrs.pop("a", None), list(ds.attrs)) == (1, None, ["b"])
