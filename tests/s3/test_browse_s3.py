"""Browsing and catalogues on the real S3 server: its listings by folder and in pages, and copies it makes itself."""

from pathlib import Path

import numpy as np
import pytest

import cfdb
from ebooklet.connection import S3Connection
from tests.support.s3 import RealS3, real_s3

__all__ = ["real_s3"]
pytestmark = [pytest.mark.s3, pytest.mark.timeout(300)]


@pytest.fixture
def conn(real_s3: RealS3) -> S3Connection:
    conn = real_s3.connection("any")
    for year in (2022, 2023, 2024):
        with cfdb.open_edataset(conn.at(f"tree/{year}/näme +%.cfdb"), cache=None, flag="n") as ds:
            ds.create.coord.time(data=np.array([f"{year}-01-01", f"{year}-12-31"], "M8[D]"))
            ds["rain"] = ("time", [1.5, 2.5], {"units": "mm"})
    conn.store(writable=True).put("tree/readme.txt", b"hello")
    return conn


def test_a_tree_is_listed_folder_by_folder(conn: S3Connection) -> None:
    there = cfdb.browse(conn, "tree")
    before = conn.stats
    assert [node.name for node in there] == ["2022", "2023", "2024", "readme.txt"]
    assert there["2023"]["näme +%.cfdb"].dims == {"time": 2}
    assert (conn.stats - before).requests == 3
    assert len(there.glob("*/*.cfdb::rain")) == 3
    assert there["2022/näme +%.cfdb"].load("rain").tolist() == [1.5, 2.5]
    conn.store().page_size = 2  # type: ignore[attr-defined]
    there.refresh()
    before = conn.stats
    assert [node.name for node in there] == ["2022", "2023", "2024", "readme.txt"]
    assert (conn.stats - before).requests == 2
    conn.store().page_size = 1000  # type: ignore[attr-defined]


def test_a_catalogue_is_made_by_listing_and_kept(conn: S3Connection, tmp_path: Path) -> None:
    before = conn.stats
    catalog = cfdb.Catalog.from_prefix(conn, "tree")
    assert (conn.stats - before).requests == 4 + 3
    before = conn.stats
    assert [entry.key for entry in catalog.search("time.max > '2024'")] == ["2024/näme +%.cfdb"]
    assert (conn.stats - before).requests == 0
    place = conn.at("shared.rcg")
    with cfdb.Catalog.open(place, tmp_path / "shared", "c") as shared:
        for entry in catalog.values():
            shared.add(entry.connection, year=int(entry.key[:4]))
        shared.push()
    with cfdb.Catalog.open(place, cache=None) as shared, shared.search("year == 2023").open(cache=None) as ds:
        assert ds["rain"].values.tolist() == [1.5, 2.5]


def test_a_tree_is_tidied_up(conn: S3Connection) -> None:
    there = cfdb.browse(conn)
    assert there.cp("tree", "copy")
    assert there["copy/2022/näme +%.cfdb"].load("rain").tolist() == [1.5, 2.5]
    assert there.mv("copy", "moved")
    assert there.rm("moved", recursive=True, dry_run=False)
    assert not list(conn.store().list("copy")) + list(conn.store().list("moved"))
    assert there.du("tree").n_objects == 7
