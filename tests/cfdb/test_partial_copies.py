"""The local file of a remote dataset, opened as a local dataset: never fill where something was not fetched."""

from pathlib import Path

import numpy as np
import pytest

import cfdb
from cfdb import PartialDataWarning
from cfdb.errors import CorruptChunkError


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    """A local copy that holds the first of two chunks; the third was never written by anybody."""
    uri = (tmp_path / "store" / "x.cfdb").as_uri()
    with cfdb.open_edataset(uri, flag="n", cache=None) as ds:
        ds.create.coord.generic("x", data=np.arange(15), step=False)
        ds.create.variable("t", ("x",), "float64", chunk_shape=(5,))
        ds["t"][:10] = np.arange(10.0)
    path = tmp_path / "copy.cfdb"
    with cfdb.open_edataset(uri, path) as ds:
        assert ds["t"][0].item() == 0.0
    return path


def test_what_was_not_fetched_is_an_error_and_what_was_never_written_is_missing(partial: Path) -> None:
    with pytest.warns(PartialDataWarning, match=r"copy\.cfdb is the local copy of a remote"):
        ds = cfdb.open_dataset(partial)
    with ds:
        np.testing.assert_array_equal(ds["t"][:5].values, np.arange(5.0))
        with pytest.raises(CorruptChunkError, match="open_edataset"):
            _ = ds["t"].values
        assert np.isnan(ds["t"][10:].values).all()


def test_it_reads_as_missing_only_when_asked(partial: Path) -> None:
    with cfdb.open_dataset(partial, allow_partial=True) as ds:
        np.testing.assert_array_equal(ds["t"].values, [0, 1, 2, 3, 4] + [np.nan] * 10)


@pytest.mark.parametrize("flag", ["w", "c"])
def test_it_is_changed_through_the_remote_only(partial: Path, flag: str) -> None:
    """Or a partly written chunk would be pushed with holes where the remote has values."""
    with pytest.raises(ValueError, match=r"open_edataset.*offline=True"):
        cfdb.open_dataset(partial, flag)
