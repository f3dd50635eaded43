"""Opening: flags, wrong arguments, files of other kinds, damaged files, and how little is read."""

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import booklet
import numpy as np
import pytest

import cfdb
from cfdb.errors import CorruptChunkError, NotACFDBFileError, ReadOnlyError, UnsupportedFormatError
from cfdb.format.framing import Features
from ebooklet.errors import CorruptFileError, LockTimeoutError
from tests.support import make_golden
from tests.support.oracle import same


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.cfdb"
    with cfdb.open_dataset(path, "n") as ds:
        ds["t"] = (("y", "x"), np.arange(6.0).reshape(2, 3))
    return path


class TestFlags:
    def test_what_each_flag_does(self, tmp_path: Path) -> None:
        path = tmp_path / "a.cfdb"
        for flag in "rw":
            with pytest.raises(FileNotFoundError, match=r"there is no file .*a\.cfdb; flag='c' creates it"):
                cfdb.open_dataset(path, flag)
        with cfdb.open_dataset(path, "c") as ds:
            ds["t"] = ((), 1)
        for flag, kept in (("c", True), ("w", True), ("r", True), ("n", False)):
            with cfdb.open_dataset(str(path), flag) as ds:
                assert ("t" in ds, ds.writable, ds.file_path) == (kept, flag != "r", path)

    @pytest.mark.parametrize(("wrong", "named"), [({"flag": "a"}, "flag='a'"), ({"mode": "a"}, "mode='a'")])
    def test_other_spellings_get_the_table(self, path: Path, wrong: dict[str, str], named: str) -> None:
        with pytest.raises(ValueError, match=f"(?s){named}.*'r\\+', 'a'   change an existing dataset"):
            cfdb.open_dataset(path, **wrong)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"compression": "rar"}, "compression='rar': choose 'zstd'"),
            ({"compression_level": "high"}, "compression_level='high'"),
            ({"compression_level": 99}, "compression_level=99"),
            ({"dataset_type": "cube"}, "dataset_type='cube': choose one of 'grid'"),
            ({"on_error": "hide"}, "on_error='hide'"),
        ],
    )
    def test_wrong_arguments_create_nothing(self, tmp_path: Path, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            cfdb.open_dataset(tmp_path / "a.cfdb", "n", **options)
        with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
            cfdb.open_dataset(tmp_path / "a.cfdb", "n", colour="red")
        assert list(tmp_path.iterdir()) == []

    def test_upstreams_options_are_accepted(self, path: Path) -> None:
        with cfdb.open_dataset(path, n_buckets=100, buffer_size=5, timeout=1) as ds:
            assert "t" in ds

    def test_what_a_new_dataset_is_made_of(self, tmp_path: Path) -> None:
        with cfdb.open_dataset(tmp_path / "a.cfdb", "n", "ts_ortho", "zstd_shuffle", 3) as ds:
            assert (ds.dataset_type, ds.compression, ds.compression_level) == ("ts_ortho", "zstd", 3)
            assert ds.attrs["featureType"] == "timeSeries"
        with cfdb.open_dataset(tmp_path / "a.cfdb", compression="none") as ds:
            assert ds.compression == "zstd"
        with cfdb.open_dataset(None, "n", compression="none") as ds:
            ds["t"] = ("n", np.zeros(100))
            assert ds["t"].stored().nbytes == 800
        with pytest.raises(ValueError, match="flag='n'"):
            cfdb.open_dataset(None)

    def test_a_missing_folder_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere"):
            cfdb.open_dataset(tmp_path / "nowhere" / "a.cfdb", "n")

    def test_a_second_writer_hears_who_holds_the_file(self, path: Path) -> None:
        with cfdb.open_dataset(path, "w"):
            with pytest.raises(LockTimeoutError, match=r"a\.cfdb"):
                cfdb.open_dataset(path, "w", lock_timeout=0)
            with cfdb.open_dataset(path) as reader:
                assert reader["t"].values.max() == 5


class TestOtherFiles:
    @pytest.mark.parametrize(
        ("head", "kind"),
        [
            (b"\x89HDF\r\n\x1a\n", "an HDF5 or netCDF-4 file"),
            (b"CDF\x01", "a netCDF-3 file"),
            (b"GRIB", "a GRIB file"),
            (b"hello, world, this is text", "not a cfdb file"),
        ],
    )
    @pytest.mark.parametrize("flag", ["r", "w", "c"])
    def test_files_of_other_kinds_are_named_and_left_alone(
        self, tmp_path: Path, head: bytes, kind: str, flag: str
    ) -> None:
        path = tmp_path / "a.cfdb"
        content = head + bytes(500)
        path.write_bytes(content)
        with pytest.raises(ValueError, match=kind):
            cfdb.open_dataset(path, flag)
        assert path.read_bytes() == content

    def test_a_netcdf_file_is_not_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "a.nc"
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
        with pytest.raises(NotACFDBFileError, match="from_netcdf imports it"):
            cfdb.open_dataset(path, "n")
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
            file.writestr("zarr.json", "{}")
        with pytest.raises(NotACFDBFileError, match="zip archive"):
            cfdb.open_dataset(tmp_path / "a.zip")

    def test_folders(self, tmp_path: Path) -> None:
        with pytest.raises(NotACFDBFileError, match="is a folder"):
            cfdb.open_dataset(tmp_path)
        (tmp_path / "zarr.json").write_text("{}")
        with pytest.raises(NotACFDBFileError, match="is a zarr store"):
            cfdb.open_dataset(tmp_path, "n")

    def test_a_plain_booklet_and_upstreams_format(self, tmp_path: Path) -> None:
        path = tmp_path / "a.blt"
        with booklet.open(str(path), "n", key_serializer="str", value_serializer="bytes") as file:
            file["a"] = b"1"
        for flag in "rwc":
            with pytest.raises(NotACFDBFileError, match=r"a\.blt is a Booklet that holds no cfdb dataset"):
                cfdb.open_dataset(path, flag)
        with booklet.open(str(path), "w") as file:
            file.set_metadata({"dataset_type": "grid", "compression": "zstd", "variables": {}})
        with pytest.raises(NotACFDBFileError, match="upstream's format"):
            cfdb.open_dataset(path)

    def test_an_empty_file_is_no_dataset_yet(self, tmp_path: Path) -> None:
        path = tmp_path / "a.cfdb"
        path.touch()
        with pytest.raises(FileNotFoundError, match="the file is empty"):
            cfdb.open_dataset(path)
        with cfdb.open_dataset(path, "c") as ds:
            assert len(ds) == 0

    def test_a_truncated_file_is_damaged(self, path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(CorruptFileError, match=r"a\.cfdb"):
            cfdb.open_dataset(path)


class TestDamage:
    def test_a_damaged_chunk_is_an_error_wherever_it_is_needed(self, path: Path) -> None:
        with cfdb.open_dataset(path) as ds:
            key = ds["t"]._array.grid.key((0, 0))
            row = ds._structure.store.copy.row(key)
        with path.open("r+b") as file:
            file.seek(row.offset + row.length // 2)
            byte = file.read(1)
            file.seek(-1, 1)
            file.write(bytes((byte[0] ^ 1,)))
        with cfdb.open_dataset(path) as ds:
            for use in (
                lambda: ds["t"].values,
                lambda: list(ds["t"].iter_chunks()),
                lambda: float(ds["t"][0, 0]),
                lambda: ds["t"].vindex[[0], [0]],
            ):
                with pytest.raises(CorruptChunkError, match=r"chunk 0\.0 of variable 't' in .*a\.cfdb was written"):
                    use()
        with cfdb.open_dataset(path, "w") as ds:
            with pytest.raises(CorruptChunkError):
                ds["t"][0, 0] = 1
            ds["t"][...] = 7  # covers the chunk: nothing has to be read
            assert (ds["t"].values == 7).all()

    def test_a_chunk_that_vanished_is_an_error(self, path: Path) -> None:
        with cfdb.open_dataset(path) as ds:
            key = ds["t"]._array.grid.key((0, 0))
            copy = ds._structure.store.copy
            row = copy.row(key)
            copy._rows = lambda keys, cold=True: [replace(row, offset=10**9) for _ in keys]
            with pytest.raises(CorruptChunkError, match="variable 't'"):
                ds["t"].read()


class TestFeatures:
    def change(self, path: Path, features: Features) -> None:
        with cfdb.open_dataset(path, "w") as ds:
            member = ds._structure.members["t"]
            ds._structure.set_member(member, replace(member.record, features=features))

    def test_an_unknown_requirement_refuses_to_open(self, path: Path) -> None:
        self.change(path, Features(requires=("telepathy",)))
        with pytest.raises(UnsupportedFormatError, match=r"v/t.*a\.cfdb needs the feature 'telepathy'"):
            cfdb.open_dataset(path)

    def test_an_unknown_use_opens_for_reading_only(self, path: Path) -> None:
        self.change(path, Features(uses=("telepathy",)))
        with cfdb.open_dataset(path, "w") as ds:
            assert ds["t"].values.max() == 5
            assert not ds.writable
            with pytest.raises(ReadOnlyError, match=r"feature 'telepathy'.*upgrade cfdb"):
                ds["t"][...] = 0


def test_opening_reads_no_chunk(tmp_path: Path) -> None:
    path = tmp_path / "a.cfdb"
    with cfdb.open_dataset(path, "n") as ds:
        ds.create.coord.generic("x", data=np.arange(1000.0))
        ds.create.data_var.generic("t", ("x",), chunk_shape=(10,), data=np.random.default_rng(0).normal(size=1000))
    with cfdb.open_dataset(path) as ds:
        stats = ds._structure.store.copy.stats
        opened = stats.bytes_read
        assert opened < path.stat().st_size / 2
        assert (ds["t"].shape, ds["t"][5:7].shape, ds["t"].dtype, ds.sizes) == ((1000,), (2,), np.float64, {"x": 1000})
        assert stats.bytes_read == opened
        ds["t"][5].item()
        assert stats.bytes_read - opened < 1000


def test_an_empty_dataset_is_small(tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "a.cfdb", "n"):
        pass
    assert (tmp_path / "a.cfdb").stat().st_size < 8192


def test_the_golden_file_of_every_format_is_read() -> None:
    with cfdb.open_dataset(make_golden.PATH) as ds:
        for name, values in make_golden.expected().items():
            found = ds[name].values
            if isinstance(values, np.ma.MaskedArray) or values.dtype.kind in "OU":
                assert found.tolist() == values.tolist()
            else:
                assert same(found, values), name
        assert dict(ds.attrs) | {"numbers": None} == {
            "title": "Golden", "numbers": None, "nested": {"a": [1, None, True]}, "pi": 3.5,
        }  # fmt: skip
        assert ds.attrs["numbers"].dtype == np.int16
        assert ds["x"].units == "m"
        assert ds["f4"].links == {"grid_mapping": ("crs",)}
        assert ds["f4"].sel(latitude=50, x=25).item() == make_golden.expected()["f4"][1, 4]


def test_the_golden_file_is_what_we_write_now(tmp_path: Path) -> None:
    make_golden.write(tmp_path / "now.cfdb")
    with cfdb.open_dataset(tmp_path / "now.cfdb") as now, cfdb.open_dataset(make_golden.PATH) as golden:
        assert list(now) == list(golden)
        for name in now:
            assert repr(now[name].values) == repr(golden[name].values)
            assert now[name].chunk_shape == golden[name].chunk_shape
            assert now[name].dtype == golden[name].dtype
