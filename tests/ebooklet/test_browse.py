"""Buckets seen as trees: what is there, at what price, and how it is tidied up."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfdb
import ebooklet
from cfdb.testing import S3Server, s3_server
from ebooklet.browser import Browser
from ebooklet.connection import Connection, FolderConnection, StoreConnection
from ebooklet.folders import Folders
from ebooklet.nodes import DatabaseNode
from ebooklet.stores.memory import MemoryStore


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


Fill = Callable[[Connection], None]


def fill(conn: Connection) -> None:
    if isinstance(conn, FolderConnection):
        Path(conn.folder, "data/rain").mkdir(parents=True)
    for year in (2023, 2024):
        with cfdb.open_edataset(conn.at(f"data/rain/{year}.cfdb"), cache=None, flag="n") as ds:
            ds.create.coord.time(data=np.array([f"{year}-01-01", f"{year}-12-31"], "M8[D]"))
            ds["rain"] = ("time", [1.5, 2.5], {"units": "mm"})
            ds["snow"] = ("time", [0.5, 0.0])
            ds.attrs["title"] = f"Rain of {year}"
    with ebooklet.open(conn.at("data/notes.blt"), cache=None, flag="n", value_serializer="json") as db:
        db["a"] = [1, 2]
        db.push()
    conn.store(writable=True).put("data/readme.txt", b"hello")


@pytest.fixture(params=["memory", "folder", "s3"])
def conn(request: pytest.FixtureRequest, server: S3Server, tmp_path: Path) -> Connection:
    made: Connection
    if request.param == "memory":
        made = StoreConnection("any")
    elif request.param == "folder":
        made = FolderConnection(str(tmp_path / "store"), "any")
    else:
        server.reset()
        made = server.connection("any")
    fill(made)
    return made


def requests(conn: Connection) -> int:
    found: int = conn.stats.requests  # type: ignore[attr-defined]
    return found


def test_a_tree_is_walked_by_name_and_by_path(conn: Connection) -> None:
    there = cfdb.browse(conn)
    assert [node.name for node in there] == ["data"]
    assert [(node.name, node.kind) for node in there.data] == [
        ("notes.blt", "key-value"),
        ("rain", "folder"),
        ("readme.txt", "object"),
    ]
    assert there["data/rain/2024.cfdb"].path == there.data.rain["2024.cfdb"].path == "data/rain/2024.cfdb"
    assert there.data.notes.kind == "key-value"
    assert {"notes", "rain", "readme", "ls", "glob"} <= set(dir(there.data))
    assert there.data._ipython_key_completions_() == ["notes.blt", "rain/", "readme.txt"]
    assert there["data/rain/2024.cfdb"]._ipython_key_completions_() == ["time", "rain", "snow"]
    with pytest.raises(KeyError, match=r"2024\.cfdb"):
        there["data/rain/2025.cfdb"]
    with pytest.raises(AttributeError, match="rain"):
        _ = there.data.snow
    with pytest.raises(NotADirectoryError):
        there.ls("data/readme.txt")


def test_nodes_tell_what_is_in_them_for_one_request(conn: Connection) -> None:
    there = cfdb.browse(conn)
    before = requests(conn)
    node = there["data/rain/2024.cfdb"]
    assert requests(conn) - before == 3  # a listing for each folder on the way
    assert node.kind == "dataset"
    assert node.dims == {"time": 2}
    assert node.attrs["title"] == "Rain of 2024"
    assert node.size > 500
    assert node["rain"].shape == (2,)
    assert node["rain"].dtype == "float64"
    assert node["rain"].attrs == {"units": "mm"}
    assert there["data/rain/2024.cfdb::snow"].dims == {"time": 2}
    assert requests(conn) - before == 4  # the root object
    assert "dataset data/rain/2024.cfdb (time: 2)" in repr(node)
    assert node.last_push == there["data/rain/2024.cfdb::snow"].last_push
    assert there.data.readme.size == 5
    with pytest.raises(KeyError, match="rain"):
        node["hail"]


def test_what_is_found_is_opened_and_loaded(conn: Connection) -> None:
    there = cfdb.browse(conn)
    assert there["data/rain/2024.cfdb"].load("rain").tolist() == [1.5, 2.5]
    assert there["data/rain/2024.cfdb::snow"].load().tolist() == [0.5, 0.0]
    assert there.data.notes.load("a") == [1, 2]
    assert there.data.readme.load() == b"hello"
    with there["data/rain/2024.cfdb"].open(cache=None, flag="w") as ds:
        ds["hail"] = ("time", [1, 2])
    assert len(there["data/rain/2024.cfdb"].versions()) == 2
    with pytest.raises(TypeError, match=r"cfdb\.browse"):
        ebooklet.browse(conn)["data/rain/2024.cfdb"].open()


def test_listings_are_kept_for_a_while(conn: Connection) -> None:
    there = cfdb.browse(conn)
    assert "2025" not in str(there.tree())
    before = requests(conn)
    there.tree()
    there.ls("data/rain")
    there.ls("data/rain")
    assert requests(conn) - before == 2  # two root objects, once
    with cfdb.open_edataset(conn.at("data/rain/2025.cfdb"), cache=None, flag="n") as ds:
        ds["x"] = ("x", [1])
    assert "2025" not in str(there.tree())
    there.refresh()
    assert "2025" in str(there.tree())
    fresh = cfdb.browse(conn, cache_ttl=0)
    fresh.tree()
    before = requests(conn)
    fresh.tree()
    assert requests(conn) - before == 3


def test_a_listing_ends_with_its_time() -> None:
    now = [0.0]
    store = MemoryStore()
    folders = Folders(store, 60.0, clock=lambda: now[0])
    assert folders.level("") == []
    store.put("x", b"1")
    now[0] = 59.0
    assert folders.level("") == []
    now[0] = 60.0
    assert [listed.key for listed in folders.level("")] == ["x"]


def test_patterns_find_databases_and_variables(conn: Connection) -> None:
    before = requests(conn)
    assert [node.path for node in cfdb.glob(conn, "data/*/202?.cfdb")] == [
        "data/rain/2023.cfdb",
        "data/rain/2024.cfdb",
    ]
    assert requests(conn) - before == 3
    assert [node.path for node in cfdb.glob(conn, "**/*.cfdb::s*")] == [
        "data/rain/2023.cfdb::snow",
        "data/rain/2024.cfdb::snow",
    ]
    assert [node.load().tolist() for node in cfdb.glob(conn, "data/*/2023.cfdb::rain")] == [[1.5, 2.5]]
    assert [node.path for node in cfdb.glob(conn, "data/*")] == ["data/notes.blt", "data/rain/", "data/readme.txt"]
    assert cfdb.glob(conn, "nothing/*") == cfdb.glob(conn, "") == []
    assert cfdb.glob(conn, "data/readme.txt::x") == []


def test_names_are_searched_at_any_depth(conn: Connection) -> None:
    there = cfdb.browse(conn)
    assert [node.path for node in there.search("RAIN")] == ["data/rain/"]
    found = there.search("*.cfdb")
    assert [node.path for node in found] == ["data/rain/2023.cfdb", "data/rain/2024.cfdb"]
    assert "time: 2" in str(found)
    assert str(there.search("nobody")) == "nothing found"


def test_what_only_databases_see_is_hidden(conn: Connection) -> None:
    assert ".objects" not in str(cfdb.browse(conn).tree())
    assert ".ebooklet" not in str(cfdb.browse(conn).tree())
    assert str(cfdb.browse(conn, "data").tree(depth=1)).split("\n")[1:] == ["  notes.blt", "  rain/", "  readme.txt"]


def test_room_is_counted(conn: Connection) -> None:
    usage = cfdb.browse(conn).du("data")
    sizes = {part.name: part.nbytes for part in usage.parts}
    assert set(sizes) == {"notes.blt", "rain/", "readme.txt"}
    objects = [meta for meta in conn.store().list("data/rain/") if "/.ebooklet/" not in meta.key]
    assert sizes["rain/"] == sum(meta.size for meta in objects)
    assert sizes["readme.txt"] == 5
    assert usage.nbytes == sum(sizes.values())
    assert "total" in str(usage)


def test_a_database_is_copied_and_moved_with_its_versions(conn: Connection) -> None:
    there = cfdb.browse(conn)
    with there["data/rain/2024.cfdb"].open(cache=None, flag="w") as ds:
        ds.attrs["title"] = "New"
    assert not there.cp("data/rain/2024.cfdb", "old/2024.cfdb", dry_run=True)
    with pytest.raises(KeyError):
        there["old/2024.cfdb"]
    plan = there.cp("data/rain/2024.cfdb", "old/2024.cfdb")
    assert plan
    assert "data/rain/2024.cfdb -> old/2024.cfdb" in str(plan)
    assert there["old/2024.cfdb"].load("rain").tolist() == [1.5, 2.5]
    assert len(there["old/2024.cfdb"].versions()) == 2
    assert there.mv("old/2024.cfdb", "new/2024.cfdb")
    assert there["new/2024.cfdb"].attrs["title"] == "New"
    assert not list(conn.store().list("old/2024"))
    with pytest.raises(ebooklet.RemoteExistsError):
        there.cp("data/rain/2023.cfdb", "new/2024.cfdb")
    with pytest.raises(ValueError, match="into itself"):
        there.cp("data", "data/again")


def test_a_folder_is_copied_moved_and_deleted(conn: Connection) -> None:
    there = cfdb.browse(conn)
    assert there.cp("data", "copy")
    assert there["copy/rain/2023.cfdb"].load("snow").tolist() == [0.5, 0.0]
    assert there.copy.readme.load() == b"hello"
    assert there.mv("copy", "moved")
    assert [node.name for node in there] == ["data", "moved"]
    with pytest.raises(IsADirectoryError, match="recursive"):
        there.rm("moved")
    plan = there.rm("moved", recursive=True)
    assert not plan
    assert "moved/rain/2023.cfdb (database)" in str(plan)
    assert there["moved/rain/2023.cfdb"].kind == "dataset"
    assert there.rm("moved", recursive=True, dry_run=False)
    assert [node.name for node in there] == ["data"]
    left = [meta.key for meta in conn.store().list("moved/") if "/.ebooklet/" not in meta.key]
    assert left == []
    assert there.rm("data/readme.txt", dry_run=False).done == ("data/readme.txt",)
    assert [node.name for node in there.data] == ["notes.blt", "rain"]


def test_what_was_pushed_to_while_it_moved_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conn = StoreConnection("any")
    fill(conn)
    there = cfdb.browse(conn)
    node = there["data/notes.blt"]
    copy = ebooklet.tidying.copy_remote

    def meanwhile(*args: object, **options: object) -> object:
        done = copy(*args, **options)
        with node.open(cache=None, flag="w", value_serializer="json") as db:
            db["late"] = 1
            db.push()
        return done

    monkeypatch.setattr("ebooklet.tidying.copy_remote", meanwhile)
    plan = there.mv("data/notes.blt", "data/moved.blt")
    assert not plan.ok
    assert "pushed to" in str(plan)
    there.refresh()
    assert isinstance(there["data/notes.blt"], DatabaseNode)
    assert there["data/notes.blt"].load("late") == 1


def test_what_was_named_while_it_moved_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    conn = StoreConnection("any")
    fill(conn)
    there = cfdb.browse(conn)
    node = there["data/notes.blt"]
    copy = ebooklet.tidying.copy_remote

    def meanwhile(*args: object, **options: object) -> object:
        done = copy(*args, **options)
        with node.open(cache=None, flag="w", value_serializer="json") as db:
            db.tag("late")
        return done

    monkeypatch.setattr("ebooklet.tidying.copy_remote", meanwhile)
    assert not there.mv("data/notes.blt", "data/moved.blt").ok
    with node.open(cache=None, value_serializer="json") as db:
        assert list(db.tags()) == ["late"]


def test_a_damaged_database_hides_no_other(conn: Connection) -> None:
    conn.store(writable=True).put("data/rain/2023.cfdb", b"no database")
    there = cfdb.browse(conn)
    assert [row["kind"] for row in there.ls("data/rain").rows] == ["unreadable", "dataset"]
    assert [node.path for node in there.glob("**/*::rain")] == ["data/rain/2024.cfdb::rain"]
    assert repr(there["data/rain/2023.cfdb"]).startswith("<unreadable data/rain/2023.cfdb")
    with pytest.raises(ebooklet.RemoteIntegrityError):
        _ = there["data/rain/2023.cfdb"].dims
    with pytest.raises(ebooklet.RemoteIntegrityError):
        cfdb.Catalog.from_prefix(conn)
    with pytest.warns(UserWarning, match=r"2023\.cfdb is left out"):
        assert "data/rain/2024.cfdb" in cfdb.Catalog.from_prefix(conn, on_error="warn")


def test_pages_of_a_listing_are_requests(server: S3Server) -> None:
    server.reset()
    conn = server.connection("any")
    store = conn.store(writable=True)
    for number in range(25):
        store.put(f"many/{number:02}/x", b"")
    store.page_size = 10  # type: ignore[attr-defined]
    there = ebooklet.browse(conn, "many")
    before = requests(conn)
    assert len(list(there)) == 25
    assert requests(conn) - before == 3


def test_urls_and_parameters_say_where_to_begin(server: S3Server, tmp_path: Path) -> None:
    folder = FolderConnection(str(tmp_path / "my store"), "any")
    fill(folder)
    assert cfdb.browse(f"{(tmp_path / 'my store').as_uri()}/data")["rain/2023.cfdb"].kind == "dataset"
    assert [node.name for node in cfdb.browse(folder, "data/rain")] == ["2023.cfdb", "2024.cfdb"]
    server.reset()
    fill(server.connection("any"))
    given: dict[str, Any] = {
        "bucket": server.bucket,
        "endpoint_url": server.endpoint_url,
        "access_key_id": server.access_key_id,
        "access_key": server.access_key,
    }
    assert [node.name for node in cfdb.browse(given, "data")] == ["notes.blt", "rain", "readme.txt"]
    inside = ebooklet.S3Connection(**given, db_key="any", prefix="data/")
    assert [node.name for node in cfdb.browse(inside)] == ["notes.blt", "rain", "readme.txt"]
    assert cfdb.browse(inside)["rain/2024.cfdb"].load("rain").tolist() == [1.5, 2.5]
    assert server.access_key not in repr(cfdb.browse(inside)) + str(vars(cfdb.browse(inside)))


def test_a_bucket_without_anything_is_empty() -> None:
    there = ebooklet.browse(StoreConnection("any"))
    assert isinstance(there, Browser)
    assert list(there) == list(there.ls()) == list(there.glob("**")) == []
    assert there.du().nbytes == 0
