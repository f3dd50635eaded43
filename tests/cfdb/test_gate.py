"""What breaks the rules of its owner is not published."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfdb
from cfdb.errors import CheckFailedError
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore


@pytest.fixture
def store() -> CountingStore:
    return CountingStore(MemoryStore())


@pytest.fixture
def conn(store: CountingStore) -> StoreConnection:
    return StoreConnection("t.cfdb", store)


@pytest.fixture
def ds(conn: StoreConnection, tmp_path: Path) -> Iterator[Any]:
    with cfdb.open_edataset(conn, tmp_path / "t.cfdb", "n", push_on_close=False) as ds:
        ds.attrs["Conventions"] = "CF-1.11"
        ds["lat"] = ("lat", np.array([95.0, 10.0]), {"standard_name": "latitude", "units": "degrees_north"})
        yield ds


def test_a_push_is_refused_with_a_list_before_anything_is_sent(ds: Any, store: CountingStore, tmp_path: Path) -> None:
    before = store.counts.total
    with pytest.raises(CheckFailedError, match="cf-latitude-range") as caught:
        ds.push(check="cf")
    assert store.counts.total == before
    assert [(finding.rule, finding.variable) for finding in caught.value.findings] == [("cf-latitude-range", "lat")]
    text = str(caught.value)
    assert text.startswith("1 finding of the check: nothing was sent, every change is kept")
    assert str(tmp_path / "t.cfdb") in text.splitlines()[0]
    assert isinstance(caught.value, ValueError)
    assert ds.changes()
    del ds["lat"]
    ds["lat"] = ("lat", np.array([85.0, 10.0]), {"standard_name": "latitude", "units": "degrees_north"})
    assert ds.push(check="cf")


def test_what_is_chosen_decides(ds: Any) -> None:
    with pytest.raises(CheckFailedError):
        ds.push(check=True)
    with pytest.raises(CheckFailedError):
        ds.push(check=["data-finite", "cf-latitude-range"])
    assert ds.push(check=["data-finite", "cf-units"])


def test_milder_findings_stop_a_push_only_when_told(ds: Any) -> None:
    ds["lat"][...] = [80.0, 10.0]
    with pytest.raises(CheckFailedError) as caught:
        ds.push(check="acdd", severity="info")
    severities = {finding.severity for finding in caught.value.findings}
    assert severities & {"warning", "info"}
    with pytest.raises(CheckFailedError) as stricter:
        ds.push(check="acdd", severity="warning")
    assert len(stricter.value.findings) < len(caught.value.findings)
    assert {finding.severity for finding in stricter.value.findings} <= {"error", "warning"}


def test_more_findings_than_can_be_read_are_counted(ds: Any) -> None:
    with pytest.raises(CheckFailedError, match=r"^30 findings .*\n(.*\n)+  \.\.\. and 10 more$") as caught:
        ds.push(check=lambda ds: [(None, f"wrong {number}") for number in range(30)])
    assert len(caught.value.findings) == 30


@pytest.mark.parametrize(
    ("said", "stops"),
    [(None, False), (True, False), ([], False), (False, True), ("a text", True), ([("lat", "odd")], True)],
)
def test_a_function_says_what_is_wrong_in_any_way(ds: Any, said: Any, stops: bool) -> None:
    def own(dataset: Any) -> Any:
        assert dataset is ds
        return said

    if stops:
        with pytest.raises(CheckFailedError, match=r"error \[own\]") as caught:
            ds.push(check=own)
        assert len(caught.value.findings) == 1
    else:
        assert ds.push(check=own)


def test_a_rule_that_fails_stops_the_push(ds: Any) -> None:
    with pytest.raises(CheckFailedError, match="ZeroDivisionError"):
        ds.push(check=lambda ds: 1 / 0)


@pytest.mark.parametrize("said", [{"check": "cff"}, {"check": ["no-rule"]}, {"check": "cf", "severity": "bad"}])
def test_rules_that_do_not_exist_are_an_error(ds: Any, store: CountingStore, said: dict[str, Any]) -> None:
    before = store.counts.total
    with pytest.raises(ValueError, match=r"rule|severity"):
        ds.push(**said)
    assert store.counts.total == before
    if "severity" not in said:
        with pytest.raises(ValueError, match="rule"):
            cfdb.open_edataset(StoreConnection("x"), cache=None, flag="n", **said)


def test_a_dataset_opened_with_rules_is_held_to_them_and_keeps_everything(
    conn: StoreConnection, store: CountingStore, tmp_path: Path
) -> None:
    path = tmp_path / "t.cfdb"
    ds = cfdb.open_edataset(conn, path, "n", check="cf")
    ds["lat"] = ("lat", [95.0], {"standard_name": "latitude", "units": "degrees_north"})
    with pytest.raises(CheckFailedError, match="cf-latitude-range"):
        ds.push()
    with pytest.raises(CheckFailedError, match="cf-latitude-range"):
        ds.close()
    assert not ds.is_open
    assert list(store.list("")) == []
    with cfdb.open_edataset(conn, path, "c", check="cf") as ds:
        assert ds["lat"].values == [95.0]
        assert ds.changes()
        ds.push(check=False)
    with cfdb.open_edataset(conn, cache=None) as there:
        assert there["lat"].values == [95.0]


def test_where_nothing_waits_nothing_is_checked(conn: StoreConnection) -> None:
    calls = []
    with cfdb.open_edataset(conn, cache=None, flag="n", check=calls.append) as ds:
        ds["t"] = ("x", [1])
        ds.push()
        assert not ds.push()
    assert len(calls) == 1


def test_the_error_can_be_handed_over(ds: Any) -> None:
    with pytest.raises(CheckFailedError) as caught:
        ds.push(check="cf")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.findings == caught.value.findings
