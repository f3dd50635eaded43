"""Edits of a dataset in step with a remote are neither lost to other threads nor dear in requests."""

import threading
from pathlib import Path

import numpy as np
import pytest

import cfdb
from ebooklet import ConflictError


@pytest.fixture
def remote(tmp_path: Path) -> str:
    uri = f"file://{tmp_path}/store/t.cfdb"
    with cfdb.open_edataset(uri, tmp_path / "first.cfdb", "n") as ds:
        ds.create.variable("t", ("y", "x"), data=np.zeros((60, 10)), chunk_shape=(1, 10))
    return uri


def test_attributes_set_while_another_thread_pushes_are_kept(remote: str, tmp_path: Path) -> None:
    done = threading.Event()
    with cfdb.open_edataset(remote, tmp_path / "a.cfdb", "w") as ds:
        written: list[str] = []

        def edit() -> None:
            while not done.is_set():
                name = f"k{len(written)}"
                ds.attrs[name] = 1
                written.append(name)

        thread = threading.Thread(target=edit)
        thread.start()
        for number in range(5):
            ds["t"][number] = 1.0
            ds.push()
        done.set()
        thread.join()
        assert set(ds.attrs) == set(written)
    with cfdb.open_edataset(remote, cache=None) as other:
        assert set(other.attrs) == set(written)


def test_a_refresh_keeps_what_is_not_written_down_yet(remote: str, tmp_path: Path) -> None:
    with cfdb.open_edataset(remote, tmp_path / "a.cfdb", "w") as ds:
        with cfdb.open_edataset(remote, tmp_path / "b.cfdb", "w") as other:
            other["u"] = ("y", np.ones(60))
        ds.attrs["mine"] = 1
        assert ds.refresh()
        assert dict(ds.attrs) == {"mine": 1}
        assert "u" in ds


def test_changing_a_part_of_many_chunks_fetches_them_together(remote: str, tmp_path: Path) -> None:
    with cfdb.open_edataset(remote, tmp_path / "a.cfdb", "w") as ds:
        before = ds.stats.total
        ds["t"][:30, 3] = 1.0
        assert ds.stats.total - before == 1
        ds["t"].vindex[np.arange(30, 60), np.arange(30) % 10] = 1.0
        assert ds.stats.total - before == 2
        assert ds["t"].values.sum() == 60


@pytest.mark.parametrize("size", [0, -1, "x"])
def test_a_compaction_with_an_impossible_size_is_refused(size: object, tmp_path: Path) -> None:
    with cfdb.open_edataset(f"file://{tmp_path}/t.cfdb", flag="n", cache=None) as ds:
        ds["t"] = ("x", [1.5, 2.5])
        ds.push()
        for method in (ds.plan_compaction, ds.compact):
            with pytest.raises((TypeError, ValueError), match=f"^group_bytes={size!r}"):
                method(group_bytes=size)  # type: ignore[arg-type]


def test_own_changes_are_put_on_top_of_those_of_others_or_given_up(remote: str) -> None:
    for choice, value in [("ours", 7.0), ("theirs", 9.0)]:
        with cfdb.open_edataset(remote, None, "w", cache=None, push_on_close=False) as mine:
            mine["t"][0, 0] = 7.0
            with cfdb.open_edataset(remote, None, "w", cache=None, push_on_close=False) as other:
                other["t"][0] = [9.0, *range(1, 10)] if choice == "ours" else [9.0, *range(2, 11)]
                assert other.push()
            with pytest.raises(ConflictError):
                mine.pull()
            assert mine.pull(on_conflict=choice)
            assert mine["t"].values[0, 0] == value
            mine.push()
        with cfdb.open_edataset(remote, cache=None) as reader:
            assert reader["t"].values[0, 0] == value
