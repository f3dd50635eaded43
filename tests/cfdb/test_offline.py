"""Work without a network: what is here is read and changed, what is not is named, and changes wait for a push."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

import cfdb
from cfdb.model.edataset import EDataset
from ebooklet.errors import OfflineError, RemoteConnectionError
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import StoreWrapper, Verb

T = TypeVar("T")
VALUES = np.random.default_rng(0).normal(size=(10, 3000))


class Cable(StoreWrapper):
    """A server that can be plugged out."""

    plugged = True
    asked = 0

    def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        self.asked += 1
        if not self.plugged:
            raise RemoteConnectionError("no route to host")
        return thunk()


@pytest.fixture
def cable(tmp_path: Path) -> Cable:
    """Nothing but the first four chunks of the remote is here, and the network is gone."""
    found = Cable(MemoryStore())
    with cfdb.open_edataset(StoreConnection("x", found), flag="n", cache=None) as ds:
        ds.create.data_var.generic("t", ("time", "cell"), data=VALUES, chunk_shape=(1, 3000))
    with opened(found, tmp_path, offline=False) as ds:
        ds["t"][:4].load()
    found.plugged = False
    found.asked = 0
    return found


def opened(cable: Cable, folder: Path, flag: str = "r", **options: Any) -> EDataset:
    return cfdb.open_edataset(StoreConnection("x", cable), folder / "x", flag, **options)


def test_what_is_here_is_read_and_nobody_is_asked(cable: Cable, tmp_path: Path) -> None:
    with opened(cable, tmp_path, offline=True) as ds:
        np.testing.assert_array_equal(ds["t"][:4].values, VALUES[:4])
        assert ds["t"].load(dry_run=True).n_remote == 6
        assert not ds.refresh()
        assert float(ds["t"][:4].mean().item()) == pytest.approx(VALUES[:4].mean())
        assert float(ds["t"][:4].max().item()) == VALUES[:4].max()
        assert "x" in str(ds)
        assert "t" in str(ds["t"])
    assert cable.asked == 0


READS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "values": (lambda ds: ds["t"].values, 6),
    "one cell": (lambda ds: ds["t"][7, 1].values, 1),
    "load": (lambda ds: ds.load(), 6),
    "load in the background": (lambda ds: ds["t"].load(background=True).result(20), 6),
    "iter_chunks": (lambda ds: list(ds["t"].iter_chunks()), 6),
    "points": (lambda ds: ds["t"].vindex[[0, 7], [1, 1]], 1),
    "mean": (lambda ds: ds["t"][5].mean().item(), 1),
}


@pytest.mark.parametrize("read", list(READS))
def test_what_is_not_here_is_named(cable: Cable, tmp_path: Path, read: str) -> None:
    work, number = READS[read]
    with opened(cable, tmp_path, offline=True) as ds:
        with pytest.raises(OfflineError, match=r"chunk \(\d, 0\) of 't'.*offline=False") as caught:
            work(ds)
        assert len(caught.value.keys) == number
        assert ("and 1 more" in str(caught.value)) == (number == 6), "not every one of many"


def test_changes_made_offline_wait(cable: Cable, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with opened(cable, tmp_path, "w", offline=True) as ds:
            ds["t"][0] = 1.0
            with pytest.raises(OfflineError, match=r"cannot be pushed to memory://store/x.*offline=False"):
                ds.push()
    assert cable.asked == 0
    cable.plugged = True
    with opened(cable, tmp_path, "w") as ds:
        assert len(ds.changes()) >= 1
        assert ds["t"][0].values.tolist() == [1.0] * 3000
    with cfdb.open_edataset(StoreConnection("x", cable), cache=None) as ds:
        assert ds["t"][0].values.tolist() == [1.0] * 3000, "the next clean end pushed them"


def test_auto_is_offline_only_while_it_must_be(cable: Cable, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="working offline"):
        ds = opened(cable, tmp_path, "w", offline="auto")
    ds["t"][1] = 2.0
    with pytest.warns(UserWarning, match=r"cannot be reached: \d changes wait"):
        ds.close()
    cable.plugged = True
    with opened(cable, tmp_path, "w", offline="auto") as ds:
        np.testing.assert_array_equal(ds["t"][5].values, VALUES[5])
    with cfdb.open_edataset(StoreConnection("x", cable), cache=None) as ds:
        assert ds["t"][1].values.tolist() == [2.0] * 3000


def test_nothing_at_all_here_is_said(cable: Cable, tmp_path: Path) -> None:
    with pytest.raises(OfflineError, match="does not exist"):
        cfdb.open_edataset(StoreConnection("x", cable), tmp_path / "none", offline=True)
    assert not (tmp_path / "none").exists()
    with pytest.raises(ValueError, match="offline='perhaps'"):
        opened(cable, tmp_path, offline="perhaps")
