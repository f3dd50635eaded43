"""Every rule finds what it is for, and nothing else."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfdb
from cfdb.analysis.checking.check import all_rules
from cfdb.analysis.checking.rules import _RULES
from cfdb.model.dataset import Dataset
from tests.cfdb.bridges.netcdf_files import sample

GLOBAL = {
    "Conventions": "CF-1.11, ACDD-1.3",
    "title": "Air",
    "summary": "Air temperature of a month.",
    "keywords": "air, temperature",
    "id": "air",
    "naming_authority": "org.example",
    "history": "made",
    "source": "model",
    "institution": "Institute",
    "license": "CC-BY-4.0",
    "creator_name": "The institute",
    "creator_email": "data@example.org",
    "standard_name_vocabulary": "CF Standard Name Table v85",
    "date_created": "2024-01-31",
    "geospatial_lat_min": -60.0,
    "geospatial_lat_max": 60.0,
    "geospatial_lon_min": 0.0,
    "geospatial_lon_max": 270.0,
    "geospatial_vertical_min": 2.0,
    "geospatial_vertical_max": 2.0,
    "time_coverage_start": "2020-01-01",
    "time_coverage_end": "2020-01-31T00:00:00Z",
    "time_coverage_resolution": "P1D",
}


def clean() -> Dataset:
    """A dataset in which no rule finds anything, with one of everything that rules look at."""
    ds = cfdb.open_dataset(None, "n")
    ds.attrs.update(GLOBAL)
    time = ds.create.coord.time(data=np.arange("2020-01-01", "2020-02-01", dtype="M8[D]"))
    lat = ds.create.coord.lat(data=np.arange(-60.0, 61.0, 30.0))
    ds.create.coord.lon(data=np.arange(0.0, 271.0, 90.0))
    days = time.values
    ds["time_bnds"] = (("time", "bnds"), np.stack([days - np.timedelta64(12, "h"), days + np.timedelta64(12, "h")], 1))
    ds.create.variable("height", (), data=2.0, role="auxiliary", attrs={"units": "m", "positive": "up", "axis": "Z"})
    ds["height"].attrs["standard_name"] = "height"
    ds.create.variable("crs", (), "int32", data=0, role="grid_mapping")
    ds["crs"].attrs["grid_mapping_name"] = "latitude_longitude"
    ds.create.variable(
        "cell_area", ("latitude", "longitude"), data=np.ones((5, 4)), role="cell_measure", attrs={"units": "m2"}
    )
    del ds["time_bnds"]
    ds.create.variable(
        "time_bnds", ("time", "bnds"), role="bounds",
        data=np.stack([days.astype("M8[h]") - 12, days.astype("M8[h]") + 12], 1),
    )  # fmt: skip
    time.attrs["bounds"] = "time_bnds"
    shape = (31, 5, 4)
    values = np.linspace(250, 300, 620, dtype="float32").reshape(shape)
    ds["tas"] = (("time", "latitude", "longitude"), values)
    ds["tas"].attrs.update(
        units="K", standard_name="air_temperature", cell_methods="time: mean (interval: 1 hour)",
        coordinates="height", grid_mapping="crs", cell_measures="area: cell_area", ancillary_variables="quality",
        valid_range=np.array([200, 320], "float32"), actual_range=np.array([250, 300], "float32"),
    )  # fmt: skip
    ds["quality"] = (("time", "latitude", "longitude"), np.ones(shape, "int8"))
    ds["quality"].attrs.update(
        long_name="quality", flag_values=np.array([0, 1, 2], "int8"), flag_meanings="good doubtful bad"
    )
    assert lat.axis == "y"
    return ds


def attr(owner: str | None, **values: Any) -> Callable[[Dataset], None]:
    """Set attributes; None deletes one."""

    def change(ds: Dataset) -> None:
        attrs = ds.attrs if owner is None else ds[owner].attrs
        for name, value in values.items():
            if value is None:
                del attrs[name]
            else:
                attrs[name] = value

    return change


def add(name: str, dims: Any, data: Any, role: str = "data", **attrs: Any) -> Callable[[Dataset], None]:
    """Add a variable with attributes."""

    def change(ds: Dataset) -> None:
        ds.create.variable(name, dims, data=data, role=role, attrs=attrs)

    return change


def _rows(ds: Dataset) -> None:
    ds.create.coord.generic("row", data=[1.0, 2.0], attrs={**MORE, "axis": "Y"})
    ds.create.variable("rows", ("row", "latitude"), data=np.ones((2, 5)), attrs=MORE)


def _beyond(kind: str, value: float, units: str) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        add("far", "time", np.full(31, value), "auxiliary", long_name="x", units=units)(ds)
        ds.attrs[f"geospatial_{kind}_max"] = value

    return change


MORE = {"long_name": "x", "units": "1"}
BROKEN: list[tuple[str, Callable[[Dataset], None]]] = [
    ("cf-conventions", attr(None, Conventions="ACDD-1.3")),
    ("cf-names", attr("tas", **{"my attribute": 1})),
    ("cf-names", add("air-2", "time", np.ones(31), **MORE)),
    ("cf-names-case", add("TAS", "time", np.ones(31), **MORE)),
    ("cf-attribute-types", attr("tas", comment=5)),
    ("cf-attribute-types", attr(None, references=np.array([1, 2]))),
    ("cf-description", attr("quality", long_name=None)),
    ("cf-standard-name", attr("quality", standard_name="Air Quality")),
    ("cf-standard-name", attr("quality", standard_name="air_temperature good")),
    ("cf-standard-name-units", add("rain", "time", np.ones(31), standard_name="air_temperature", units="mm")),
    ("cf-units", add("number", "time", np.ones(31), long_name="x")),
    ("cf-units-known", add("number", "time", np.ones(31), long_name="x", units="furlongs")),
    ("cf-units-deprecated", add("number", "time", np.ones(31), long_name="x", units="level")),
    ("cf-flag-meanings", attr("quality", flag_meanings="good bad")),
    ("cf-flag-meanings", attr("tas", flag_meanings="good bad")),
    ("cf-flag-types", attr("quality", flag_values=np.array([0, 1, 2], "int16"))),
    ("cf-flag-masks", attr("quality", flag_values=np.array([0, 1, 1], "int8"))),
    ("cf-flag-masks", attr("quality", flag_values=None, flag_masks=np.array([1, 2, 0], "int8"))),
    ("cf-flag-masks", attr("quality", flag_masks=np.array([1, 1, 4], "int8"))),
    ("cf-cell-methods", attr("tas", cell_methods="time mean")),
    ("cf-cell-methods", attr("tas", cell_methods="time: average")),
    ("cf-cell-methods", attr("tas", cell_methods="time: mean where")),
    ("cf-cell-methods-names", attr("tas", cell_methods="depth: mean")),
    ("cf-packing-attributes", attr("tas", scale_factor=0.1)),
    ("cf-axis", attr("latitude", axis="north")),
    ("cf-axis", attr("latitude", axis="Z")),
    ("cf-axis-unique", _rows),
    ("cf-latitude-units", attr("latitude", units="degrees")),
    ("cf-longitude-units", attr("longitude", units="degrees")),
    ("cf-latitude-range", _beyond("lat", 95.0, "degrees_north")),
    ("cf-longitude-range", _beyond("lon", 361.0, "degrees_east")),
    ("cf-positive", attr("height", positive="north")),
    ("cf-positive", attr("height", positive=None)),
    ("cf-time-units", add("t2", "time", np.ones(31), "auxiliary", standard_name="time", units="days")),
    ("cf-time-units", add("t2", "time", np.ones(31), "auxiliary", long_name="x", units="years since 2000-01-01")),
    ("cf-calendar", attr("time", calendar="mayan")),
    ("cf-monotonic", add("level", "level", [1.0, 3.0, 2.0], "coordinate", **MORE)),
    ("cf-dimension-order", add("turned", ("latitude", "time"), np.ones((5, 31)), **MORE)),
    ("cf-dimension-coordinate", add("column", "n", np.ones(3), **MORE)),
    ("cf-feature-type", attr(None, featureType="station")),
    ("cf-role", add("station", "time", np.arange(31), "auxiliary", long_name="x", cf_role="station_id")),
    ("cf-coordinates", attr("tas", coordinates="height depth")),
    ("cf-ancillary-variables", attr("tas", ancillary_variables="error")),
    ("cf-grid-mapping", attr("tas", grid_mapping="utm")),
    ("cf-grid-mapping-name", attr("crs", grid_mapping_name="flat")),
    ("cf-grid-mapping-name", attr("crs", grid_mapping_name=None)),
    ("cf-bounds", attr("latitude", bounds="lat_bnds")),
    ("cf-bounds-shape", attr("latitude", bounds="time_bnds")),
    ("cf-cell-measures", attr("tas", cell_measures="area: cells")),
    ("cf-cell-measures", attr("tas", cell_measures="cell_area")),
    ("cf-formula-terms", attr("height", formula_terms="a: height")),
    ("cf-missing-value", attr("tas", missing_value=-9999)),
    ("cf-valid-range", attr("tas", valid_range=np.array([320, 200], "float32"))),
    ("cf-valid-range", attr("tas", valid_range=np.float32(200))),
    ("cf-valid-range", attr("tas", valid_min=np.float32(200))),
    ("cf-valid-values", attr("tas", valid_range=np.array([260, 320], "float32"))),
    ("cf-valid-values", attr("tas", valid_range=None, valid_max=np.float32(290))),
    ("cf-actual-range", attr("tas", actual_range=np.array([250, 299], "float32"))),
    ("cf-flag-values", attr("quality", flag_values=np.array([2, 3, 4], "int8"))),
    ("data-finite", add("number", "time", np.full(31, np.inf), **MORE)),
    ("data-empty", add("number", "time", np.full(31, np.nan), **MORE)),
    ("data-sparse", add("number", "time", np.r_[1.0, np.full(30, np.nan)], **MORE)),
    ("acdd-conventions", attr(None, Conventions="CF-1.11")),
    ("acdd-title", attr(None, title=None)),
    ("acdd-summary", attr(None, summary=" ")),
    ("acdd-keywords", attr(None, keywords=None)),
    ("acdd-identity", attr(None, naming_authority=None)),
    ("acdd-origin", attr(None, source=None)),
    ("acdd-license", attr(None, license=None)),
    ("acdd-creator", attr(None, creator_email=None)),
    ("acdd-contacts", attr(None, publisher_email="nobody")),
    ("acdd-contacts", attr(None, publisher_url="example.org")),
    ("acdd-vocabulary", attr(None, standard_name_vocabulary=None)),
    ("acdd-date-created", attr(None, date_created=None)),
    ("acdd-dates", attr(None, date_modified="31.1.2024")),
    ("acdd-dates", attr(None, time_coverage_duration="a month")),
    ("acdd-geospatial", attr(None, geospatial_lat_min=None)),
    ("acdd-geospatial-extent", attr(None, geospatial_lat_min=-90.0)),
    ("acdd-geospatial-extent", attr(None, geospatial_lon_max="270 E")),
    ("acdd-time-coverage", attr(None, time_coverage_end=None)),
    ("acdd-time-extent", attr(None, time_coverage_start="2019-12-31")),
]  # fmt: skip


def test_a_clean_dataset_has_no_finding() -> None:
    with clean() as ds:
        report = ds.check()
        assert report.findings == (), str(report)
        assert report
        assert "0 errors, 0 warnings, 0 remarks" in str(report)


@pytest.mark.parametrize(("rule", "breaks"), BROKEN, ids=[f"{n}-{rule}" for n, (rule, _) in enumerate(BROKEN)])
def test_each_rule_finds_what_it_is_for_and_no_other_does(rule: str, breaks: Callable[[Dataset], None]) -> None:
    with clean() as ds:
        breaks(ds)
        report = ds.check()
        assert {finding.rule for finding in report} == {rule}, str(report)
        assert [finding.severity for finding in report] == [_RULES[rule].severity]
        assert bool(report) == (_RULES[rule].severity != "error")
        assert ds.check(rules=[rule]).findings == report.findings


def test_every_rule_is_shown_to_find_something() -> None:
    elsewhere = {
        "cf-coordinates-dimensions",
        "cf-bounds-values",
        "cf-bounds-contiguous",
        "cf-bounds-attributes",
    }  # below: they need another dataset
    own = {rule.name for rule in all_rules() if rule.group in ("cf", "acdd", "data")}
    assert own == {rule for rule, _ in BROKEN} | elsewhere
    assert all(rule.text.endswith(".") and rule.section for rule in all_rules() if rule.group in ("cf", "acdd"))


def _found(ds: Dataset, rule: str) -> list[tuple[str | None, str]]:
    return [(finding.variable, finding.message) for finding in ds.check(rules=rule)]


def _bounded(values: Any, bounds: Any, **attrs: Any) -> Dataset:
    """A coordinate with bounds."""
    ds = cfdb.open_dataset(None, "n")
    ds.create.coord.generic("depth", data=values, attrs={"units": "m", "bounds": "edges"})
    bounds = np.asarray(bounds, float)
    ds.create.variable("edges", ("depth", "two"), data=bounds, role="bounds", attrs=attrs)
    return ds


@pytest.mark.parametrize(
    ("rule", "bounds", "attrs", "finds"),
    [
        ("cf-bounds-values", [[0, 2], [2, 4], [4, 6]], {}, None),
        ("cf-bounds-values", [[2, 0], [4, 2], [6, 4]], {}, None),
        ("cf-bounds-values", [[0, 2], [2, 4], [6, 8]], {}, "5.0 of 'depth' does not lie between 6.0 and 8.0"),
        ("cf-bounds-contiguous", [[0, 2], [2, 4], [4, 6]], {}, None),
        ("cf-bounds-contiguous", [[2, 0], [4, 2], [6, 4]], {}, None),
        ("cf-bounds-contiguous", [[0, 2], [2, 4], [4.5, 6]], {}, "cell 2 of 'depth'"),
        ("cf-bounds-shape", [[0, 1, 2], [2, 3, 4], [4, 5, 6]], {}, "have 3 corners"),
        ("cf-bounds-attributes", [[0, 2], [2, 4], [4, 6]], {"units": "m"}, None),
        ("cf-bounds-attributes", [[0, 2], [2, 4], [4, 6]], {"units": "km"}, "units is 'km'"),
    ],
)
def test_bounds_hold_their_values_and_meet(rule: str, bounds: Any, attrs: Any, finds: str | None) -> None:
    with _bounded([1.0, 3.0, 5.0], bounds, **attrs) as ds:
        found = _found(ds, rule)
        assert [name for name, _ in found] == ([] if finds is None else ["edges"])
        assert all(finds in message for _, message in found if finds)


def test_bounds_of_falling_coordinates_meet_too() -> None:
    with _bounded([5.0, 3.0, 1.0], [[6, 4], [4, 2], [2, 0]]) as ds:
        assert ds.check(rules=["cf-bounds-values", "cf-bounds-contiguous", "cf-bounds-shape"]).findings == ()
    with _bounded([5.0, 3.0, 1.0], [[6, 4], [4, 2], [1.5, 0]]) as ds:
        assert len(_found(ds, "cf-bounds-contiguous")) == 1


def test_an_auxiliary_coordinate_of_another_dimension_is_found() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["t"] = ("x", np.ones(3), {"coordinates": "y_of"})
        ds.create.variable("y_of", ("y",), data=np.ones(2), role="auxiliary")
        assert "lies along 'y'" in _found(ds, "cf-coordinates-dimensions")[0][1]


def test_a_dataset_of_stations_says_so() -> None:
    with cfdb.open_dataset(None, "n", dataset_type="ts_ortho") as ds:
        ds.attrs.pop("featureType", None)
        assert len(_found(ds, "cf-feature-type")) == 1
        ds.attrs["featureType"] = "timeSeries"
        assert _found(ds, "cf-feature-type") == []


def test_data_are_not_read() -> None:
    from tests.cfdb.analysis.counting import counted

    with clean() as ds:
        with counted(ds) as counts:
            ds.check()
        data = [f"{ds[name].id}/" for name in ("tas", "quality", "cell_area")]
        assert not [key for key in counts.keys if key.startswith(tuple(data))]


def test_each_variable_is_asked_for_once_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    plain = Dataset._object
    monkeypatch.setattr(Dataset, "_object", lambda self, member: made.append(member) or plain(self, member))
    with cfdb.open_dataset(None, "n") as ds:
        for number in range(40):
            ds[f"v{number}"] = ("x", np.ones(3), {"ancillary_variables": "v0 v1", "units": "1", "long_name": "v"})
        made.clear()
        ds.check()
        assert len(made) <= 2 * len(ds)


# rules of users


@pytest.fixture
def rules() -> Any:
    """Take the rules that a test registers away again."""
    before = dict(_RULES)
    yield cfdb.check_rule
    _RULES.clear()
    _RULES.update(before)


def test_rules_of_ones_own_are_applied_by_name_group_and_function(rules: Any) -> None:
    @rules("station-id", severity="error", group="mine", section="house rules")
    def station_id(ds: Any) -> Any:
        """The dataset names its station."""
        if "station_id" not in ds.attrs:
            yield "the attribute station_id is missing"
        for variable in ds.data_vars:
            yield variable, "seen", "close your eyes"

    with clean() as ds:
        for chosen in ("mine", ["station-id"], station_id, ["mine", "acdd-title"]):
            report = ds.check(rules=chosen)
            assert [(f.variable, f.message, f.mend) for f in report.errors] == [
                (None, "the attribute station_id is missing", ""),
                ("tas", "seen", "close your eyes"),
                ("quality", "seen", "close your eyes"),
            ]
        assert not report
        assert "station-id (house rules)" in str(report)
        assert "station-id" in ds.check().rules, "all rules include one's own"
        assert "station-id" not in ds.check(rules=["cf"]).rules


def test_a_rule_that_raises_is_a_finding_and_the_others_go_on(rules: Any) -> None:
    @rules("broken", group="mine")
    def broken(ds: Any) -> Any:
        yield "first"
        raise ZeroDivisionError("no way")

    @rules("wordless", group="mine")
    def wordless(ds: Any) -> Any:
        yield 5, 6

    @rules("silent", group="mine")
    def silent(ds: Any) -> None:
        return None

    with clean() as ds:
        report = ds.check(rules="mine")
        found = [(finding.rule, finding.severity) for finding in report]
        assert found == [("broken", "error"), ("wordless", "error"), ("broken", "warning")]
        assert "the rule failed: ZeroDivisionError: no way" in str(report)


def test_names_of_rules_are_taken_once(rules: Any) -> None:
    def again(ds: Any) -> Any:
        yield "x"

    rules("mine", group="house")(again)
    rules("mine", group="house", severity="info")(again)  # as when a cell of a notebook runs again
    with pytest.raises(ValueError, match="there is a rule 'acdd-title' already"):
        rules("acdd-title")(again)
    with pytest.raises(ValueError, match="cannot have the same name"):
        rules("cf")(again)
    with pytest.raises(ValueError, match="choose 'error', 'warning', 'info'"):
        rules("other", severity="bad")
    with pytest.raises(ValueError, match="named by texts"):
        rules("")


def test_an_unknown_rule_is_named_with_the_nearest() -> None:
    with clean() as ds, pytest.raises(ValueError, match="did you mean 'acdd-title'"):
        ds.check(rules=["acdd-titel"])


def test_a_report_becomes_plain_data() -> None:
    with clean() as ds:
        attr(None, title=None)(ds)
        report = ds.check()
        plain = json.loads(json.dumps(report.to_dict()))
        assert plain["findings"][0]["rule"] == "acdd-title"
        assert (len(report), report.errors, len(report.warnings), report.infos) == (1, (), 1, ())


# parts, groups, files


def test_parts_and_groups_are_checked() -> None:
    with clean() as ds:
        part = ds.isel(time=slice(0, 5))
        assert {f.rule for f in part.check()} <= {"cf-actual-range", "acdd-time-extent"}
        attr("tas", units="furlongs")(ds)
        assert "cf-units-known" in {f.rule for f in part.check()}
        ocean = ds.create.group("ocean")
        ocean["salt"] = (("time", "depth"), np.ones((31, 2)), {"units": "furlongs", "long_name": "salt"})
        found = {(f.rule, f.variable) for f in ocean.check()}
        assert ("cf-units-known", "salt") in found
        assert not [f for f in ocean.check() if f.group == "acdd"], "a group is no file"


PLAUSIBLE = {
    "A1B_north_america.nc": {"cf-names"},
    "hybrid_height.nc": set(),
    "rotated_pole.nc": set(),
    "toa_brightness_stereographic.nc": set(),
    "SOI_Darwin.nc": {"cf-units"},
    "atlantic_profiles.nc": {"cf-latitude-units", "cf-longitude-units"},
    "orca2_votemper.nc": {"cf-latitude-units", "cf-longitude-units"},
    "ostia_monthly.nc": {"cf-cell-methods-names", "cf-bounds-contiguous"},
    "vlstr_type.nc": {"cf-conventions"},
    "NEMO/nemo_1m_20150101-20150201_grid-T.nc": {"cf-time-units", "cf-cell-measures", "cf-description"},
}


@pytest.mark.parametrize("name", sorted(PLAUSIBLE))
def test_real_files_have_plausible_findings(name: str, tmp_path: Path) -> None:
    with cfdb.from_netcdf(sample(name), tmp_path / "x.cfdb") as ds:
        assert {finding.rule for finding in ds.check(rules=["cf", "data"])} == PLAUSIBLE[name]
        assert "acdd-title" in {finding.rule for finding in ds.check()} or "title" in ds.attrs


def test_the_documentation_lists_every_rule() -> None:
    page = Path(__file__).parents[3] / "docs" / "how-to" / "check-and-advise.md"
    listed = re.findall(r"^\| `([^`]+)` \| (\w+) \| ([^|]*) \| (.+) \|$", page.read_text(), re.MULTILINE)
    own = [rule for rule in all_rules() if rule.group in ("cf", "acdd", "data")]
    assert listed == [(rule.name, rule.severity, rule.section, rule.text) for rule in own]
