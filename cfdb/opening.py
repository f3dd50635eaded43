"""How is a dataset in a local file opened? One of the two places that put files, stores and datasets together."""

import os
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cfdb.errors import NotACFDBFileError, PartialDataWarning
from cfdb.format.codecs import check_compression
from cfdb.format.metadata import DATASET_TYPES, DatasetRecord
from cfdb.format.names import DATASET_KEY
from cfdb.model.dataset import Dataset, check_on_error
from cfdb.model.history import check_history, history_of
from cfdb.model.structure import Structure
from cfdb.storage.booklet_store import BookletStore, translated
from ebooklet import errors as foreign
from ebooklet.format.booklet_layout import HEADER_SIZE, parse_pointer
from ebooklet.local.working_copy import WorkingCopy

FLAGS = ("r", "w", "c", "n")
FLAG_TABLE = """
    flag   like mode   means
    'r'    'r'         read an existing dataset (the default)
    'w'    'r+', 'a'   change an existing dataset
    'c'    'a'         change a dataset, create it if it does not exist
    'n'    'w'         always start a new dataset, in place of an existing one"""

#: The state that only a file in step with a remote has; what handles such a file is loaded when one is opened.
REMOTE_STATE = "root"
#: Names of upstream's options of the file format that mean nothing here.
_IGNORED = ("n_buckets", "buffer_size", "push_packers")
_MAGICS = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 or netCDF-4 file", "cfdb.from_netcdf imports it"),
    (b"CDF", "a netCDF-3 file", "convert it to netCDF-4, which cfdb.from_netcdf imports"),
    (b"PK\x03\x04", "a zip archive", "unpack it first"),
    (b"GRIB", "a GRIB file", "convert it to netCDF-4, which cfdb.from_netcdf imports"),
)


def open_dataset(
    file_path: str | os.PathLike[str] | None,
    flag: str = "r",
    dataset_type: str = "grid",
    compression: str = "zstd",
    compression_level: int | None = None,
    allow_partial: bool = False,
    *,
    lock_timeout: float = 300,
    locking: bool = True,
    on_error: str = "rollback",
    masked: bool = True,
    track_history: bool | None = None,
    **options: Any,
) -> Dataset:
    """Open a dataset in a local file.

    Parameters
    ----------
    file_path : str, path or None
        The file; None keeps a new dataset in memory.
    flag : {'r', 'w', 'c', 'n'}
        Read; change; change, creating it if missing; always new.
    dataset_type : str
        Of a new dataset: ``'grid'``, ``'ts_ortho'``, ``'grid_forecast'`` or ``'ts_forecast'``.
    compression : {'zstd', 'none', 'lz4'}
        Of the variables of a new dataset.
    compression_level : int, optional
        Its level.
    allow_partial : bool
        Whether what was not fetched into the local copy of a remote reads as missing. Otherwise it is an error to read
        it, and opening such a copy warns.
    lock_timeout : float
        Seconds to wait for another writer of the same file.
    locking : bool
        False on file systems without working locks, when nobody else uses the file.
    on_error : {'rollback', 'keep'}
        What becomes of changes since the last `sync` when an exception leaves the ``with`` block.
    masked : bool
        Whether cells that hold a declared fill value read as masked.
    track_history : bool, optional
        Whether every commit that changes something notes it in the attributes ``history`` and ``date_modified``, and a
        new dataset ``date_created``. The choice is kept with the dataset; None is what was chosen before.
    **options
        ``timeout`` is `lock_timeout`; ``n_buckets`` and ``buffer_size`` are accepted and not needed.

    Returns
    -------
    Dataset

    Raises
    ------
    FileNotFoundError
        If there is no such file (flags 'r' and 'w').
    NotACFDBFileError
        If the file is of another kind; the message says which.
    ValueError
        If an argument is unknown; nothing is created then.

    Examples
    --------
    >>> import numpy as np
    >>> import cfdb
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     ds["rain"] = ("day", np.array([0.0, 2.5, 1.0]))
    ...     float(ds["rain"].values.max())
    2.5
    """
    check_flag(flag, options)
    lock_timeout = checked_options(options, lock_timeout, "open_dataset")
    check_on_error(on_error)
    check_history(track_history)
    record = new_record(dataset_type, compression, compression_level)
    if isinstance(file_path, str) and "://" in file_path:
        raise ValueError(f"{file_path!r} is a remote: open it with cfdb.open_edataset({file_path!r}, ...)")
    if not isinstance(file_path, str | os.PathLike | None):
        raise TypeError(f"open_dataset opens files, not {file_path!r}: a remote is opened with cfdb.open_edataset(...)")
    if file_path is None and flag in ("r", "w"):
        raise ValueError(f"file_path=None is a new dataset in memory: open it with flag='n', not {flag!r}")
    path = None if file_path is None else _checked_path(Path(file_path), flag)
    with _foreign_files_named(path):
        copy = WorkingCopy.open(path, flag, lock_timeout=lock_timeout, locking=locking)  # type: ignore[arg-type]
    try:
        store = _local_store(copy, allow_partial)
        is_new = is_created(store, flag)
        structure = open_structure(store, flag, record)
        history = history_of(structure, track_history, is_new=is_new)
    except BaseException:
        copy.close()
        raise
    reopen = (_open_for_reading, (str(path.absolute()), locking, masked)) if path is not None else None
    return Dataset(structure, file_path=path, on_error=on_error, masked=masked, reopen=reopen, history=history)


def is_dataset_file(path: Path) -> bool:
    """Tell by its first bytes whether a file is one of ours, whatever its name; `OSError` if it cannot be read."""
    with path.open("rb") as file:
        return parse_pointer(file.read(HEADER_SIZE)) is not None


def _open_for_reading(path: str, locking: bool, masked: bool) -> Dataset:
    """Open a dataset again that was handed over by pickle."""
    return open_dataset(path, allow_partial=True, locking=locking, masked=masked)


def new_record(dataset_type: str, compression: str, compression_level: int | None) -> DatasetRecord:
    """Check what a new dataset is to be, and give its record."""
    if dataset_type not in DATASET_TYPES:
        raise ValueError(f"dataset_type={dataset_type!r}: choose one of {', '.join(map(repr, DATASET_TYPES))}")
    name = check_compression(compression)
    if name == "lz4" and find_spec("lz4") is None:
        raise ImportError("compression='lz4' needs the package lz4: pip install cfdb[lz4]")
    level = 0 if compression_level is None else compression_level
    if isinstance(level, bool) or not isinstance(level, int) or not -50 <= level <= 22:
        raise ValueError(f"compression_level={compression_level!r}: give a whole number up to 22, or None")
    return DatasetRecord(dataset_type, name, compression_level)


def is_created(store: Any, flag: str) -> bool:
    """Tell whether opening with this flag makes a new dataset."""
    return flag == "n" or not store.has([DATASET_KEY])[0]


def open_structure(store: Any, flag: str, record: DatasetRecord) -> Structure:
    """Read the records of a dataset, or start a new one and make that permanent."""
    exists = store.has([DATASET_KEY])[0]
    if exists and flag != "n":
        return Structure.load(store)
    if flag not in ("c", "n") or (flag == "c" and next(store.keys(), None) is not None):
        raise NotACFDBFileError(_what_it_is(store))
    structure = Structure.create(store, record)
    if record.dataset_type == "ts_ortho":
        structure.attributes(None)["featureType"] = "timeSeries"
        structure.touch_attributes(None)
    structure.flush()
    store.commit()
    return structure


def check_flag(flag: str, options: dict[str, Any]) -> None:
    """Refuse flags and modes that do not exist."""
    if "mode" in options:
        raise ValueError(f"mode={options['mode']!r}: datasets are opened with flag=\n{FLAG_TABLE}")
    if flag not in FLAGS:
        raise ValueError(f"flag={flag!r}: choose 'r', 'w', 'c' or 'n'\n{FLAG_TABLE}")


def checked_options(options: dict[str, Any], lock_timeout: float, function: str) -> float:
    """Refuse unknown options, and give the lock's timeout."""
    unknown = [name for name in options if name not in (*_IGNORED, "timeout")]
    if unknown:
        raise TypeError(f"{function}() got an unexpected keyword argument {unknown[0]!r}")
    timeout = options.get("timeout")
    return lock_timeout if timeout is None else timeout


def _checked_path(path: Path, flag: str) -> Path:
    """Refuse what is not a dataset's file before anything is touched."""
    if path.is_dir():
        zarr = any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zarray", ".zmetadata"))
        raise NotACFDBFileError(f"{path} is a {'zarr store' if zarr else 'folder'}, not a cfdb file")
    if not path.exists():
        if flag in ("r", "w"):
            raise FileNotFoundError(f"there is no file {path}; flag='c' creates it, flag='r' and 'w' need it")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"cannot create {path}: there is no folder {path.parent}")
        return path
    with path.open("rb") as file:
        head = file.read(16)
    for magic, kind, way_out in _MAGICS:
        if head.startswith(magic):
            raise NotACFDBFileError(f"{path} is {kind}, not a cfdb file; {way_out}")
    return path


class _foreign_files_named:
    """Say of a file of another kind that it is no cfdb file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, foreign.NotABookletError):
            raise NotACFDBFileError(f"{self._path} is not a cfdb file: {error}") from error


def _what_it_is(store: Any) -> str:
    """Describe a Booklet without a dataset of ours."""
    copy = getattr(store, "copy", None)
    with translated():
        metadata = copy.get_metadata() if copy is not None else None
    if isinstance(metadata, dict) and "dataset_type" in metadata and "variables" in metadata:
        return (
            f"{store.name} was written by the released package cfdb (upstream's format): this package has its own "
            "format and cannot read it yet; export it with upstream's to_netcdf4 and import that with cfdb.from_netcdf"
        )
    return f"{store.name} is a Booklet that holds no cfdb dataset; open it with ebooklet, or flag='n' replaces it"


def _local_store(copy: WorkingCopy, allow_partial: bool) -> BookletStore:
    """Give the store of a local file; one that is the copy of a remote is not changed behind its back."""
    if copy.state(REMOTE_STATE) is None:
        return BookletStore(copy)
    partial = import_module("cfdb.storage.partial_store")
    remote = partial.remote_of(copy)
    if remote is None:
        return BookletStore(copy)
    if copy.writable:
        raise ValueError(
            f"{copy.name} is the local copy of a remote and may hold only a part of it: change it with "
            "cfdb.open_edataset(..., flag='w'), which works with offline=True as well"
        )
    if allow_partial:
        return BookletStore(copy)
    warnings.warn(
        f"{copy.name} is the local copy of a remote and may hold only a part of it: reading what was not fetched is an "
        "error. Open it with cfdb.open_edataset, or read that as missing with allow_partial=True",
        PartialDataWarning,
        stacklevel=3,
    )
    store: BookletStore = partial.PartialStore(copy, remote)
    return store
