"""Catalogues: what is known of many databases, searched without a request."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
import ebooklet
from cfdb import Q
from cfdb.testing import S3Server, s3_server
from ebooklet.connection import StoreConnection
from ebooklet.facts import DatabaseFacts


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def bucket(server: S3Server) -> ebooklet.S3Connection:
    """Three datasets, a key-value database and a file."""
    server.reset()
    conn = server.connection("any")
    for year, department in [(2022, "Eng"), (2023, "Ops"), (2024, "Eng")]:
        with cfdb.open_edataset(conn.at(f"data/{year}/rain.cfdb"), cache=None, flag="n") as ds:
            ds.create.coord.time(data=np.array([f"{year}-01-01", f"{year}-12-31"], "M8[D]"))
            ds["rain"] = ("time", [1.5, 2.5], {"units": "mm", "standard_name": "rainfall_amount"})
            ds.attrs.update(title=f"Rain of {year}", department=department)
    with ebooklet.open(conn.at("data/notes.blt"), cache=None, flag="n", value_serializer="json") as db:
        db["a"] = 1
        db.set_metadata({"owner": "me"})
        db.push()
    conn.store(writable=True).put("data/readme.txt", b"hello")
    return conn


def test_a_catalogue_is_made_by_listing(bucket: ebooklet.S3Connection) -> None:
    before = bucket.stats
    catalog = cfdb.Catalog.from_prefix(bucket, "data/")
    used = bucket.stats - before
    assert used.requests == 4 + 4  # a listing for each folder, a root object for each database
    assert sorted(catalog) == ["2022/rain.cfdb", "2023/rain.cfdb", "2024/rain.cfdb", "notes.blt"]
    assert {entry.kind for entry in catalog.values()} == {"cfdb", "ebooklet"}
    assert list(cfdb.Catalog.from_prefix(bucket, f"s3://{bucket.bucket}/data/2023")) == ["rain.cfdb"]
    assert list(cfdb.Catalog.from_prefix(bucket, "data", "*/rain*", kind="cfdb")) == sorted(catalog)[:3]
    assert list(cfdb.Catalog.from_prefix(bucket, "data", kind="ebooklet")) == ["notes.blt"]
    assert len(cfdb.Catalog.from_prefix(bucket, "nothing")) == 0


def test_searching_sends_nothing(bucket: ebooklet.S3Connection) -> None:
    catalog = cfdb.Catalog.from_prefix(bucket, "data/")
    before = bucket.stats
    found = catalog.search("department == 'Eng' and time.max > '2023'")
    assert [entry.key for entry in found] == ["2024/rain.cfdb"]
    found = catalog.search((Q("department") == "Eng") & (Q("time.max") < "2023-06"))
    assert [entry.key for entry in found] == ["2022/rain.cfdb"]
    assert len(catalog.search(Q("vars.*.standard_name") == "rainfall_amount")) == 3
    assert len(catalog.search("vars.rain.units == 'mm' and dims.time == 2")) == 3
    assert [entry.key for entry in catalog.search(Q("owner") == "me")] == ["notes.blt"]
    assert [entry.key for entry in catalog.search(~Q("time").exists())] == ["notes.blt"]
    assert len(catalog.search("attrs.title.like('rain of 202_')")) == 3
    assert len(catalog.search(Q("nbytes").between(1, 100_000))) == 4
    assert len(catalog.search(Q("last_push") > "2020-01-01")) == 4
    assert (bucket.stats - before).requests == 0


def test_a_field_that_no_entry_has_is_told(bucket: ebooklet.S3Connection) -> None:
    catalog = cfdb.Catalog.from_prefix(bucket, "data/")
    found = catalog.search(~(Q("tittle") == "Rain of 2022"))
    assert str(found) == "nothing found\nno entry has the field 'tittle'; did you mean 'title'?"
    assert "did you mean 'vars.rain.units'" in str(catalog.search("kind == 'cfdb' or vars.rain.unit == 'mm'"))
    assert "did you mean" in catalog.search("tittle == 'x'")._repr_html_()
    assert not catalog.search("not tittle.exists() and department == 'Eng'").notes
    assert not catalog.search(Q("owner") == "you").notes, "one has it"
    with pytest.raises(KeyError, match=r"sort='-tittle'.*did you mean 'title'"):
        catalog.search("kind == 'rcg'", sort=["kind", "-tittle"])
    assert not cfdb.Catalog().search("a == 1", sort="a").notes


def test_results_are_ordered_cut_and_shown(bucket: ebooklet.S3Connection) -> None:
    catalog = cfdb.Catalog.from_prefix(bucket, "data/")
    found = catalog.search(sort="-time.max", limit=2, offset=1, fields=["title", "time.max"])
    assert found.total == 4
    assert found.rows == (
        {"title": "Rain of 2023", "time.max": "2023-12-31T00:00:00"},
        {"title": "Rain of 2022", "time.max": "2022-12-31T00:00:00"},
    )
    assert [entry.key for entry in catalog.search(sort=["department", "-key"])] == [
        "2024/rain.cfdb",
        "2022/rain.cfdb",
        "2023/rain.cfdb",
        "notes.blt",  # without a department: last
    ]
    text = str(catalog.search(sort="key"))
    assert "Rain of 2022" in text
    assert "key-value" not in text
    assert str(catalog.search("nbytes == 1")) == "nothing found"
    assert list(catalog.search(sort="key").to_dataframe()["key"]) == sorted(catalog)
    assert "<td>Rain of 2023</td>" in catalog.search()._repr_html_()
    with pytest.raises(ValueError, match="limit"):
        catalog.search(limit=-1)
    with pytest.raises(TypeError, match="where"):
        catalog.search(5)  # type: ignore[arg-type]


def test_what_was_found_is_opened(bucket: ebooklet.S3Connection) -> None:
    catalog = cfdb.Catalog.from_prefix(bucket, "data/")
    with catalog.search("time.max > '2024'").open(cache=None) as ds:
        assert list(ds["rain"].values) == [1.5, 2.5]
    with catalog["notes.blt"].open(cache=None) as db:
        assert db["a"] == 1
    with pytest.raises(ValueError, match="4 were found"):
        catalog.search().open()
    with pytest.raises(KeyError, match="notes"):
        catalog["nobody"]
    with pytest.raises(TypeError, match=r"cfdb\.Catalog"):
        ebooklet.Catalog.from_prefix(bucket, "data/")["2022/rain.cfdb"].open()


def test_a_catalogue_in_a_bucket_is_shared(bucket: ebooklet.S3Connection, server: S3Server, tmp_path: Path) -> None:
    place = bucket.at("catalogue.rcg")
    with cfdb.Catalog.open(place, tmp_path / "mine", "c") as catalog:
        for year in (2022, 2023):
            catalog.add(bucket.at(f"data/{year}/rain.cfdb"), key=f"rain-{year}", quality=year - 2020)
        catalog.add(bucket.at("data/notes.blt"))
        assert catalog.push()
    reader = server.connection("catalogue.rcg")
    with cfdb.Catalog.open(reader, cache=None) as catalog:
        before = reader.stats
        found = catalog.search("quality >= 3 and time.min < '2024'")
        assert [entry.key for entry in found] == ["rain-2023"]
        assert (reader.stats - before).requests == 0
        assert found[0].connection == reader.at("data/2023/rain.cfdb")  # in the same bucket: with the same keys
        with found.open(cache=None) as ds:
            assert ds.attrs["title"] == "Rain of 2023"
        assert server.access_key not in repr(catalog) + str(catalog["rain-2022"])
        with pytest.raises(ebooklet.ReadOnlyError):
            catalog.add(bucket.at("data/2024/rain.cfdb"))
    with cfdb.Catalog.open(place, tmp_path / "mine", "w") as catalog:
        catalog.remove("rain-2022")
        catalog.push()
    with cfdb.Catalog.open(reader, cache=None) as catalog:
        assert len(catalog) == 2
        assert len(catalog.search("key == 'rain-2022'")) == 0


def test_entries_are_renewed(bucket: ebooklet.S3Connection) -> None:
    catalog = cfdb.Catalog.from_prefix(bucket, "data/", kind="cfdb")
    with cfdb.open_edataset(bucket.at("data/2022/rain.cfdb"), cache=None, flag="w") as ds:
        ds.attrs["title"] = "New"
    bucket.store(writable=True).delete("data/2024/rain.cfdb")
    assert len(catalog.search("title == 'New'")) == 0
    before = bucket.stats
    result = catalog.refresh()
    assert (bucket.stats - before).requests == result.n_requests == 3
    assert result.updated == ("2022/rain.cfdb",)
    assert list(result.failures) == ["2024/rain.cfdb"]
    assert not result.ok
    assert "2024/rain.cfdb" in str(result)
    assert len(catalog.search("title == 'New'")) == 1
    assert catalog["2024/rain.cfdb"].facts.summary["attrs"]["title"] == "Rain of 2024"


def test_versions_of_a_dataset_are_listed(bucket: ebooklet.S3Connection) -> None:
    with cfdb.open_edataset(bucket.at("data/2022/rain.cfdb"), cache=None, flag="w") as ds:
        ds["rain"][0] = 3.0
        ds.push(message="a correction", tag="v2")
    log = cfdb.Catalog.from_prefix(bucket, "data/2022").versions("rain.cfdb")
    assert [version.message for version in log] == ["a correction", ""]
    assert log[0].tags == ("v2",)
    catalog = cfdb.Catalog.from_prefix(bucket, "data/")
    assert [entry.key for entry in catalog.search(Q("tags").contains("v2"))] == ["2022/rain.cfdb"]


def test_a_catalogue_here_alone(bucket: ebooklet.S3Connection) -> None:
    catalog = cfdb.Catalog()
    by_uuid = catalog.add(bucket.at("data/2022/rain.cfdb"))
    assert list(catalog) == [by_uuid.facts.uuid]
    catalog.add(bucket.at("data/2022/rain.cfdb"), key="rain", quality=1)
    assert list(catalog) == ["rain"]
    assert catalog.search("meta.quality == 1")[0].uri == bucket.at("data/2022/rain.cfdb").uri
    with pytest.raises(ValueError, match=r"Catalog\.open"):
        catalog.push()
    with pytest.raises(ebooklet.RemoteMissingError):
        catalog.add(bucket.at("nobody.cfdb"))
    with pytest.raises(TypeError, match="JSON"):
        catalog.add(bucket.at("data/2022/rain.cfdb"), key="rain", odd=object())
    assert list(catalog) == ["rain"]


def test_a_folder_elsewhere_is_refused(bucket: ebooklet.S3Connection) -> None:
    with pytest.raises(ebooklet.InvalidURLError, match="does not lie in"):
        cfdb.Catalog.from_prefix(bucket, "s3://elsewhere/data")
    with pytest.raises(ebooklet.InvalidURLError):
        cfdb.Catalog.from_prefix(bucket, "data/x.objects/")
    with pytest.raises(ebooklet.UnsupportedOperationError, match="list"):
        cfdb.Catalog.from_prefix("https://example.org/data/x.cfdb")


# an oracle: the same search over plain dicts

NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.one_of(st.integers(-5, 5), st.sampled_from(["x", "y", "2020-01-01T00:00:00"]))


def _catalog(records: list[dict[str, Any]]) -> cfdb.Catalog:
    catalog = cfdb.Catalog()
    for number, attrs in enumerate(records):
        facts = DatabaseFacts(f"{number:032x}", "cfdb", number, "", number, 1, None, {"attrs": attrs})
        catalog._entries[str(number)] = catalog._entry(str(number), StoreConnection("x"), facts, None)
    return catalog


@given(
    st.lists(st.dictionaries(NAMES, VALUES), max_size=8), NAMES, st.integers(-5, 5), st.integers(0, 3), st.booleans()
)
@settings(max_examples=100, deadline=None)
def test_searches_are_list_comprehensions(
    records: list[dict[str, Any]], name: str, wanted: int, limit: int, down: bool
) -> None:
    sort = (f"-{name}" if down else name) if any(name in record for record in records) else ()
    found = _catalog(records).search(Q(name) >= wanted, sort=sort, limit=limit, offset=1)
    hits = [r | {"n": n} for n, r in enumerate(records) if isinstance(r.get(name), int) and r[name] >= wanted]
    hits.sort(key=lambda r: r[name], reverse=down)
    assert [int(entry.key) for entry in found] == [r["n"] for r in hits][1:][:limit]
    assert found.total == len(hits)
