"""xarray opens datasets by name: files, remotes, groups; what the released engine got wrong is right here."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import cfdb

VALUES = np.arange(60.0).reshape(10, 6)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with cfdb.open_dataset(tmp_path / "t.cfdb", "n") as ds:
        ds["lat"] = ("lat", np.linspace(90, 0, 10))
        ds["lon"] = ("lon", np.arange(6.0))
        ds.create.data_var.generic("t", ("lat", "lon"), chunk_shape=(4, 4), data=VALUES)
        ds.create.data_var.generic("n", ("lat",), "int16", data=np.arange(10), fill_value=3)
        ds["ocean/s"] = ("lat", np.arange(10.0))
    return tmp_path / "t.cfdb"


def test_the_engine_is_found_by_name_and_by_file(path: Path, tmp_path: Path) -> None:
    assert "cfdb" in xr.backends.list_engines()
    renamed = tmp_path / "data.bin"
    path.rename(renamed)
    for place, options in ((renamed, {"engine": "cfdb"}), (renamed, {}), (str(renamed), {})):
        with xr.open_dataset(place, **options) as read:
            assert read["t"].equals(xr.DataArray(VALUES, {"lat": np.linspace(90, 0, 10), "lon": np.arange(6.0)}))
    renamed.unlink()  # nothing holds it


def test_integers_drop_the_dimension_steps_are_steps_and_the_nearest_is_found(path: Path) -> None:
    with xr.open_dataset(path, engine="cfdb") as read:
        assert read["t"].isel(lat=3).dims == ("lon",)
        assert read["t"].isel(lat=slice(0, 10, 3)).values.tolist() == VALUES[::3].tolist()
        assert read["t"].isel(lat=slice(None, None, -1)).values.tolist() == VALUES[::-1].tolist()
        assert float(read["t"].sel(lat=44.0, lon=3.2, method="nearest")) == VALUES[5, 3]


def test_groups_dropped_variables_and_fill_values(path: Path) -> None:
    with xr.open_dataset(path, engine="cfdb", group="ocean", drop_variables="lon") as ocean:
        assert ocean["s"].sel(lat=0).item() == 9
        assert "lon" not in ocean.variables
    with xr.open_dataset(path, engine="cfdb") as read:
        assert np.isnan(read["n"].values).tolist() == [False] * 3 + [True] + [False] * 6
    with xr.open_datatree(path, engine="cfdb") as tree:
        assert tree["ocean/s"].shape == (10,)
    with pytest.raises(KeyError, match="ozean"):
        xr.open_dataset(path, engine="cfdb", group="ozean")


def test_a_remote_opens_by_its_url(path: Path, tmp_path: Path) -> None:
    remote = f"file://{tmp_path}/store/t.cfdb"
    with cfdb.open_edataset(remote, tmp_path / "mine.cfdb", "n") as ds:
        ds["t"] = ("x", np.arange(3.0))
    with xr.open_dataset(remote, engine="cfdb") as read:
        assert read["t"].values.tolist() == [0, 1, 2]


def test_other_files_are_not_taken(tmp_path: Path) -> None:
    from cfdb.xarray_backend import CfdbBackendEntrypoint

    (tmp_path / "x.txt").write_bytes(b"0" * 300)
    engine = CfdbBackendEntrypoint()
    assert not engine.guess_can_open(tmp_path / "x.txt")
    assert not engine.guess_can_open(tmp_path / "missing")
    assert not engine.guess_can_open(b"bytes")
    assert engine.guess_can_open("s3://bucket/x.cfdb")
