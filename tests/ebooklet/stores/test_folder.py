import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ebooklet.errors import (
    AccessDeniedError,
    BucketMissingError,
    LockUnavailableError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StoreError,
    UnsupportedOperationError,
)
from ebooklet.stores.folder import ABANDONED_AFTER, FolderStore
from ebooklet.stores.key_paths import displaced, key_of_path, path_of_key
from ebooklet.stores.protocol import CREATE
from tests.kits.object_store_kit import ObjectStoreKit


class TestFolderStore(ObjectStoreKit):
    @pytest.fixture
    def store(self, tmp_path: Path) -> FolderStore:
        return FolderStore(tmp_path / "objects")


def test_objects_lie_where_their_keys_say(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("x.cfdb", b"root")
    store.put("x.cfdb.objects/0a/pack", b"pack")
    assert (tmp_path / "x.cfdb").read_bytes() == b"root"
    assert (tmp_path / "x.cfdb.objects/0a/pack").read_bytes() == b"pack"


@pytest.mark.parametrize(
    "key",
    [
        "../outside",
        "a/../../outside",
        "/etc/passwd",
        "..",
        ".",
        "a//b",
        "a/",
        "/",
        ".ebooklet/lock",
        "a%",
        "%_",
        "nul\0",
    ],
)
def test_no_key_leads_out_of_the_folder(tmp_path: Path, key: str) -> None:
    folder = tmp_path / "inner" / "objects"
    folder.mkdir(parents=True)
    store = FolderStore(folder)
    store.put(key, b"here")
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_relative_to(folder)]
    assert outside == []
    assert store.get(key).body == b"here"
    assert [meta.key for meta in store.list("")] == [key]
    store.delete(key)
    assert list(store.list("")) == []


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), min_size=1, unique=True))
@settings(max_examples=150, deadline=None)
def test_every_key_has_a_path_of_its_own(keys: list[str]) -> None:
    paths = [path_of_key(key) for key in keys]
    both = paths + [displaced(path) for path in paths]
    assert len(set(both)) == len(both)
    assert [key_of_path(path) for path in both] == keys + keys
    assert not any(".." in path.parts or path.is_absolute() for path in paths)


@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "delete"]), st.sampled_from(["a", "a/b", "a/b/c", "a/b/d", "a%", "b"])),
        max_size=12,
    )
)
@settings(max_examples=40, deadline=None)
def test_files_and_folders_of_one_name_never_meet(steps: list[tuple[str, str]]) -> None:
    with TemporaryDirectory() as folder:
        store, expected = FolderStore(folder), dict[str, bytes]()
        for number, (verb, key) in enumerate(steps):
            if verb == "put":
                expected[key] = str(number).encode()
                store.put(key, expected[key])
            else:
                expected.pop(key, None)
                store.delete(key)
            assert {meta.key: store.get(meta.key).body for meta in store.list("")} == expected


def test_a_file_moved_aside_is_still_read(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("a", b"file")
    stop = threading.Event()
    failures: list[Exception] = []

    def read() -> None:
        while not stop.is_set():
            try:
                assert store.get("a").body == b"file"
            except Exception as error:
                failures.append(error)
                return

    thread = threading.Thread(target=read)
    thread.start()
    for _ in range(60):
        store.put("a/b", b"below")
        store.delete("a/b")
    stop.set()
    thread.join()
    assert failures == []


def test_a_missing_folder_is_made_but_not_the_one_above_it(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "new")
    with pytest.raises(ObjectNotFoundError):
        store.get("a")
    assert list(store.list("")) == []
    store.delete("a")
    assert not (tmp_path / "new").exists()
    store.put("a", b"x")
    assert store.get("a").body == b"x"
    with pytest.raises(BucketMissingError, match="nowhere"):
        FolderStore(tmp_path / "nowhere" / "deep").put("a", b"x")


def test_unfinished_files_are_never_objects_and_go_away(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("a", b"x")
    staged = tmp_path / ".ebooklet" / "staged"
    for name, age in (("old", 2 * ABANDONED_AFTER), ("young", 0)):
        (staged / name).write_bytes(b"unfinished")
        os.utime(staged / name, (time.time() - age,) * 2)
    other = FolderStore(tmp_path)
    assert [meta.key for meta in other.list("")] == ["a"]
    other.put("b", b"y")
    assert {path.name for path in staged.iterdir()} == {"young"}


def test_a_refused_write_leaves_nothing_behind(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("a", b"x")
    with pytest.raises(PreconditionFailedError):
        store.put("a", b"y", CREATE)
    assert list((tmp_path / ".ebooklet" / "staged").iterdir()) == []


INCREMENT = """
import sys
from ebooklet.errors import PreconditionFailedError
from ebooklet.stores.folder import FolderStore
from ebooklet.stores.protocol import Update
store = FolderStore(sys.argv[1])
for _ in range(20):
    while True:
        found = store.get("counter")
        try:
            store.put("counter", str(int(found.body) + 1).encode(), Update(found.meta.etag))
            break
        except PreconditionFailedError:
            pass
"""


def test_processes_do_not_lose_updates(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("counter", b"0")
    running = [subprocess.Popen([sys.executable, "-c", INCREMENT, str(tmp_path)]) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert store.get("counter").body == b"60"


def test_every_write_is_on_the_disk_before_it_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("replace"), replace(a, b))[1])
    FolderStore(tmp_path).put("a", b"x")
    assert done == ["fsync", "replace", "fsync"]


def test_a_copy_goes_to_another_folder(tmp_path: Path) -> None:
    one, two = FolderStore(tmp_path / "one"), FolderStore(tmp_path / "two")
    one.put("a", b"x")
    assert one.copy("a", "b", target=two) is True
    assert two.get("b").body == b"x"


def test_errors_of_the_system_are_translated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def forbid(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    store = FolderStore(tmp_path)
    store.put("a", b"x")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StoreError, match=r"file://.*b: No space left"):
        store.put("b", b"y")
    monkeypatch.setattr(os, "replace", forbid)
    with pytest.raises(AccessDeniedError, match=r"file://.*b: Permission denied"):
        store.put("b", b"y")
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(LockUnavailableError, match="offers no locks"):
        store.put("b", b"y")


def test_parts_too_long_for_a_file_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperationError, match="254 bytes"):
        FolderStore(tmp_path).put("x" * 300, b"")


def test_windows_is_refused_clearly() -> None:
    with pytest.raises(UnsupportedOperationError, match="Windows"):
        FolderStore("C:\\data")
