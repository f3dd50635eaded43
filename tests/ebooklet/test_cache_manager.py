"""A cache folder: what is in it, what leaves it, and what never does."""

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ebooklet
from ebooklet.cache_manager import CacheManager
from ebooklet.mapping import EBooklet

SIZE = 50_000
DAY = 86_400


@pytest.fixture
def remotes(tmp_path: Path) -> list[str]:
    """Three databases of ten values."""
    found = []
    for number in range(3):
        uri = (tmp_path / "store" / f"db{number}.blt").as_uri()
        with ebooklet.open(uri, None, "n", "bytes", cache=None, num_groups=10) as db:
            for key in range(10):
                db[f"t/{key}"] = np.random.default_rng(key).bytes(SIZE)
            db.push()
        found.append(uri)
    return found


@pytest.fixture
def cache(tmp_path: Path) -> CacheManager:
    return CacheManager(tmp_path / "cache")


@pytest.fixture
def filled(cache: CacheManager, remotes: list[str]) -> CacheManager:
    """Everything was loaded, a day apart, the first longest ago."""
    for number, uri in enumerate(remotes):
        with ebooklet.open(uri, cache=cache) as db:
            db.load()
            path = db.file_path
            assert path is not None
        aged(path, 30 - number)
    return cache


def aged(path: Path, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(path, (then, then))


def names(entries: Any) -> list[str]:
    return sorted(entry.source.rpartition("/")[2] for entry in entries)


def test_what_is_in_a_folder_is_told(filled: CacheManager, remotes: list[str]) -> None:
    with ebooklet.open(remotes[1], flag="w", cache=filled) as db:
        db["t/1"] = b"mine"
        del db["t/2"]
    (filled.folder / "notes.txt").write_text("not of the cache")
    (filled.folder / f"strange-{'0' * 16}").write_text("neither")
    found = filled.info()
    assert [entry.source for entry in found] == [remotes[1], remotes[2], remotes[0]], "used last first"
    assert [entry.pending for entry in found] == [2, 0, 0]
    assert [entry.n_keys for entry in found] == [9, 10, 10]
    assert found.nbytes == sum(entry.path.stat().st_size for entry in found)
    assert len(found) == 3
    assert "2 edits wait for a push" in str(found)
    assert remotes[0] in str(found)


def test_an_empty_or_missing_folder_holds_nothing(tmp_path: Path) -> None:
    cache = CacheManager(tmp_path / "none")
    assert len(cache.info()) == 0
    assert not cache.clean(max_age=0, max_size=0)
    assert not cache.folder.exists()


def test_what_is_old_is_deleted(filled: CacheManager, remotes: list[str]) -> None:
    before = {entry.source: entry.size for entry in filled.info()}
    planned = filled.clean(max_age="28.5d", dry_run=True)
    assert planned.dry_run
    assert "would be" in str(planned)
    assert len(filled.info()) == 3, "a dry run deletes nothing"
    done = filled.clean(max_age="28.5d")
    assert names(done.deleted) == names(planned.deleted) == ["db0.blt", "db1.blt"]
    assert done.freed == planned.freed == before[remotes[0]] + before[remotes[1]]
    assert names(filled.info()) == ["db2.blt"]
    assert len(list(filled.folder.iterdir())) == 1, "nothing is left of those"
    with ebooklet.open(remotes[0], cache=filled) as db:
        assert len(db["t/3"]) == SIZE, "it is fetched again"


@pytest.mark.parametrize("files", [0, 0.3, 1, 1.5, 2.9, 5])
def test_what_does_not_fit_leaves_the_least_recently_used_first(filled: CacheManager, files: float) -> None:
    sizes = {entry.source: entry.size for entry in filled.info()}
    limit = int(files * max(sizes.values()))
    done = filled.clean(max_size=limit)
    found = filled.info()
    assert found.nbytes <= limit
    assert sum(sizes.values()) - done.freed == found.nbytes, "what was freed is what is missing"
    assert names(found) == ["db0.blt", "db1.blt", "db2.blt"][3 - min(3, len(found)) :]
    if files >= 1:
        assert len(found) == min(3, int(np.ceil(files)))
        assert limit - found.nbytes < 3 * SIZE or files == 5, "no more than needed"


def test_edits_that_wait_for_a_push_are_never_deleted(filled: CacheManager, remotes: list[str]) -> None:
    with ebooklet.open(remotes[0], flag="w", cache=filled) as db:
        db["t/1"] = b"mine"
        del db["t/2"]
        db["new"] = b"new"
        db.set_metadata({"title": "waiting"})
        path = db.file_path
        assert path is not None
    aged(path, 400)
    done = filled.clean(max_age=0, max_size=0)
    assert names(done.reduced) == ["db0.blt"], "only copies of the remote left it"
    assert names(done.deleted) == ["db1.blt", "db2.blt"]
    (left,) = filled.info()
    assert left.size < SIZE
    with ebooklet.open(remotes[0], flag="w", cache=filled) as db:
        assert sorted(change.key for change in db.changes()) == ["new", "t/1", "t/2"]
        db.push()
    with ebooklet.open(remotes[0], cache=None) as db:
        assert (db["t/1"], db["new"], "t/2" in db) == (b"mine", b"new", False)
        assert db.get_metadata() == {"title": "waiting"}


@pytest.mark.parametrize("flag", ["r", "w"])
def test_a_file_that_is_open_is_left_alone(filled: CacheManager, remotes: list[str], flag: Any) -> None:
    with ebooklet.open(remotes[0], flag=flag, cache=filled) as db:
        for dry_run in (True, False):
            done = filled.clean(max_age=0, max_size=0, dry_run=dry_run)
            assert names(done.kept) == ["db0.blt"]
            assert not done.ok
            assert "in use" in str(done)
        assert names(filled.info()) == ["db0.blt"]
        assert db.is_local(["t/1"]) == [True]
    assert names(filled.clean(max_age=0).deleted) == ["db0.blt"]


HOLDER = """
import sys, ebooklet
db = ebooklet.open(sys.argv[1], cache=sys.argv[2])
print("open", flush=True)
sys.stdin.readline()
db.close()
"""


def test_a_file_that_another_process_reads_is_left_alone(filled: CacheManager, remotes: list[str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, remotes[0], str(filled.folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "open\n"
        assert names(filled.clean(max_age=0).kept) == ["db0.blt"]
        other.stdin.write("\n")
        other.stdin.close()
        assert other.wait(20) == 0
    assert names(filled.clean(max_age=0).deleted) == ["db0.blt"]


def test_an_opening_that_fails_holds_nothing(filled: CacheManager, remotes: list[str]) -> None:
    with pytest.raises(ValueError, match="validate="):
        ebooklet.open(remotes[0], cache=filled, validate="sometimes")
    with pytest.raises(TypeError, match="database of kind"):
        ebooklet.open_rcg(remotes[0], cache=filled)
    gc.collect()
    assert not filled.clean(max_age=0).kept


def test_a_manager_keeps_to_its_own_limits(filled: CacheManager, remotes: list[str]) -> None:
    sizes = [entry.size for entry in filled.info()]
    cache = CacheManager(filled.folder, max_size=max(sizes) * 2, max_age="20d")
    assert "max_size=" in repr(cache)
    with ebooklet.open(remotes[2], cache=cache):
        pass
    assert names(filled.info()) == ["db2.blt"], "what was used longer ago left when the next one was opened"
    with CacheManager(filled.folder, max_size=SIZE) as small, ebooklet.open(remotes[0]) as db:
        for key in range(10):
            assert len(db[f"t/{key}"]) == SIZE
        assert small.folder == filled.folder
    assert filled.info().nbytes <= SIZE


def test_the_block_of_a_manager_is_where_databases_are_opened(
    tmp_path: Path, remotes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CFDB_CACHE", str(tmp_path / "usual"))
    outer, inner = CacheManager(tmp_path / "outer"), CacheManager(tmp_path / "inner")
    with outer:
        with inner, ebooklet.open(remotes[0]) as db:
            assert db.file_path is not None
            assert db.file_path.parent == inner.folder
        with ebooklet.open(remotes[1]) as db, ebooklet.open(remotes[1], cache=inner) as other:
            assert db.file_path is not None
            assert db.file_path.parent == outer.folder
            assert other.file_path is not None
            assert other.file_path.parent == inner.folder
        with ebooklet.open(remotes[1], cache=None) as db, ebooklet.open(remotes[1], tmp_path / "named") as named:
            assert db.file_path is None
            assert named.file_path == tmp_path / "named"
    with ebooklet.open(remotes[0]) as db:
        assert db.file_path is not None
        assert db.file_path.parent == tmp_path / "usual"
    assert CacheManager().folder == tmp_path / "usual"


def test_a_temporary_cache_is_gone_at_its_end(tmp_path: Path, remotes: list[str]) -> None:
    with CacheManager(tmp_path / "scratch", persistent=False) as cache:
        with ebooklet.open(remotes[0]) as db:
            db.load()
        assert len(cache.info()) == 1
        assert cache.folder.parent == tmp_path / "scratch"
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_temporary_cache_stays_while_it_is_used(tmp_path: Path, remotes: list[str]) -> None:
    cache = CacheManager(tmp_path, persistent=False)
    db: EBooklet = ebooklet.open(remotes[0], cache=cache)
    cache.close()
    assert cache.folder.exists()
    assert len(db["t/1"]) == SIZE
    db.close()
    cache.close()
    assert not cache.folder.exists()
    cache.close()


def test_a_temporary_cache_keeps_what_waits_for_a_push(tmp_path: Path, remotes: list[str]) -> None:
    cache = CacheManager(tmp_path / "scratch", persistent=False)
    for uri in remotes[:2]:
        with ebooklet.open(uri, flag="w", cache=cache) as db:
            db.load()
            if uri == remotes[0]:
                db["t/1"] = b"mine"
    with pytest.warns(UserWarning, match=r"stays: 1 edits wait in it for a push, of .*db0\.blt"):
        cache.close()
    assert names(CacheManager(cache.folder).info()) == ["db0.blt"]


PROGRAMS: dict[str, Callable[[str], str]] = {
    "ends": lambda uri: f"db = ebooklet.open({uri!r}, cache=cache); db.load(); db.close()",
    "ends with an open file": lambda uri: f"db = ebooklet.open({uri!r}, cache=cache); db.load()",
    "fails": lambda uri: f"ebooklet.open({uri!r}, cache=cache).close(); 1 / 0",
    "forgets it": lambda uri: f"ebooklet.open({uri!r}, cache=cache).close(); cache = None",
}


@pytest.mark.parametrize("how", list(PROGRAMS))
def test_a_temporary_cache_is_gone_when_the_program(how: str, tmp_path: Path, remotes: list[str]) -> None:
    code = f"import ebooklet\ncache = ebooklet.CacheManager({str(tmp_path / 'scratch')!r}, persistent=False)\n"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code + PROGRAMS[how](remotes[0])], capture_output=True)
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("options", [{"max_size": "much"}, {"max_size": 0}, {"max_age": "old"}, {"max_age": -1}])
def test_limits_that_are_none_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is not a|needs room"):
        CacheManager(tmp_path, **options)


def test_a_forked_process_gives_nothing_free(filled: CacheManager, remotes: list[str]) -> None:
    code = (
        "import os, sys, ebooklet, gc\n"
        "db = ebooklet.open(sys.argv[1], cache=sys.argv[2])\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    db = None\n"
        "    gc.collect()\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "print(len(ebooklet.CacheManager(sys.argv[2]).clean(max_age=0).kept))\n"
        "db.close()\n"
    )
    arguments = [sys.executable, "-W", "ignore", "-c", code, remotes[0], str(filled.folder)]
    found = subprocess.run(arguments, capture_output=True, text=True)
    assert found.stdout == "1\n", found.stderr
