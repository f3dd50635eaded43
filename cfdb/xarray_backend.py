"""How does ``xr.open_dataset(..., engine='cfdb')`` open a dataset?"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from xarray import Dataset, DataTree
from xarray.backends import BackendEntrypoint

from cfdb.opening import is_dataset_file, open_dataset
from cfdb.opening_remote import open_edataset


class CfdbBackendEntrypoint(BackendEntrypoint):
    """Opens ``.cfdb`` files, and remotes by their URL; variables are read when their values are needed.

    Examples
    --------
    >>> import cfdb, xarray
    >>> path = getfixture("tmp_path") / "t.cfdb"
    >>> with cfdb.open_dataset(path, "n") as ds:
    ...     ds["t"] = ("x", [1.0, 2.0])
    >>> with xarray.open_dataset(path, engine="cfdb") as read:
    ...     float(read["t"].mean())
    1.5
    """

    description = "Open cfdb datasets: .cfdb files, s3://, https:// and file:// remotes"
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "group", "lock", "masked")
    supports_groups = True

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        group: str | None = None,
        lock: Any = None,
        masked: bool = True,
    ) -> Dataset:
        """Open a dataset or one of its groups.

        Parameters
        ----------
        filename_or_obj : str or path
            A file, or the URL of a remote.
        drop_variables : str or iterable of str, optional
            Variables to leave out.
        group : str, optional
            A group instead of the root.
        lock : optional
            Accepted and not needed: reading is thread-safe.
        masked : bool
            Whether cells that hold a declared fill value become NaN.
        """
        dataset = _open(filename_or_obj, masked)
        try:
            part: Any = dataset
            if group is not None and group.strip("/"):
                part = dataset.groups[group.strip("/")]
            found = part.to_xarray()
        except BaseException:
            dataset.close()
            raise
        names = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        kept: Dataset = found.drop_vars(names, errors="ignore")
        kept.set_close(dataset.close)
        return kept

    def open_datatree(self, filename_or_obj: Any, *, masked: bool = True, **_: Any) -> DataTree:
        """Open a dataset with all its groups."""
        dataset = _open(filename_or_obj, masked)
        try:
            found: DataTree = dataset.to_datatree()
        except BaseException:
            dataset.close()
            raise
        found.set_close(dataset.close)
        return found

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Tell whether this is a dataset, by the name or by the content of a file."""
        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        name = os.fspath(filename_or_obj)
        if str(name).rstrip("/").endswith(".cfdb"):
            return True
        with suppress(OSError):
            return "://" not in str(name) and is_dataset_file(Path(name))
        return False


def _open(place: Any, masked: bool) -> Any:
    if isinstance(place, str) and "://" in place:
        return open_edataset(place, cache=None, masked=masked)
    return open_dataset(place, masked=masked)
