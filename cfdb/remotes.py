"""Which datasets are there in a bucket, and which of them have what somebody looks for?"""

from collections.abc import Mapping
from typing import Any, ClassVar

import ebooklet.browser
import ebooklet.catalog
from cfdb.opening_remote import open_edataset
from ebooklet.browser import Browser
from ebooklet.entries import Opener
from ebooklet.nodes import Node
from ebooklet.opening import open_ebooklet, open_rcg
from ebooklet.query import Q

__all__ = ["Catalog", "Q", "browse", "glob"]

OPENERS: Mapping[str, Opener] = {"cfdb": open_edataset, "ebooklet": open_ebooklet, "rcg": open_rcg}


class Catalog(ebooklet.catalog.Catalog):
    """Datasets by key, searched by what they hold; nothing of them is downloaded.

    Made empty, by :meth:`open` over a connection group that others share, or by :meth:`from_prefix` from all databases
    below a folder of a bucket. What is known of a dataset is as of when it was added; :meth:`refresh` asks again.

    Examples
    --------
    >>> import tempfile
    >>> import cfdb
    >>> folder = f"file://{tempfile.mkdtemp()}"
    >>> for year in (2023, 2024):
    ...     with cfdb.open_edataset(f"{folder}/{year}.cfdb", cache=None, flag="n") as ds:
    ...         ds["rain"] = ("x", [1.5, 2.5], {"units": "mm"})
    ...         ds.attrs["year"] = year
    >>> catalog = cfdb.Catalog.from_prefix(folder)
    >>> found = catalog.search((cfdb.Q("year") > 2023) & (cfdb.Q("vars.rain.units") == "mm"))
    >>> [entry.key for entry in found]
    ['2024.cfdb']
    >>> with found.open(cache=None) as ds:
    ...     print(ds["rain"].values)
    [1.5 2.5]
    """

    openers: ClassVar[Mapping[str, Opener]] = OPENERS


def browse(remote_conn: Any, prefix: str | None = None, *, cache_ttl: float = 60.0) -> Browser:
    """Look into a bucket or folder as into a tree, without downloading what lies there.

    Parameters
    ----------
    remote_conn : S3Connection, str or dict
        The bucket (the key of a connection does not matter), or a URL: ``s3://bucket/folder``, ``file:///folder``.
    prefix : str, optional
        Where to begin.
    cache_ttl : float
        Seconds for which a listing is good.

    Returns
    -------
    Browser
        Folders and databases are attributes and items of it, with completion by the tab key.

    Examples
    --------
    >>> import tempfile
    >>> import cfdb
    >>> folder = f"file://{tempfile.mkdtemp()}"
    >>> with cfdb.open_edataset(f"{folder}/rain/2024.cfdb", cache=None, flag="n") as ds:
    ...     ds["rain"] = ("x", [1.5, 2.5])
    >>> there = cfdb.browse(folder)
    >>> there.rain["2024.cfdb"].dims
    {'x': 2}
    >>> there["rain/2024.cfdb"].load("rain")
    array([1.5, 2.5])
    """
    return ebooklet.browser.browse(remote_conn, prefix, cache_ttl=cache_ttl, openers=OPENERS)


def glob(remote_conn: Any, pattern: str) -> list[Node]:
    """Find databases, or variables in them, by a pattern.

    Parameters
    ----------
    remote_conn : S3Connection, str or dict
        The bucket or folder, as for `browse`.
    pattern : str
        ``'path/*/file01*.cfdb'``; what follows ``::`` is a pattern of variables: ``'**/*.cfdb::temp*'``. ``*`` stays
        within one part of a path, ``**`` is any number of parts.

    Returns
    -------
    list of Node
        Listing a folder is one request, looking for variables one for each dataset.

    Examples
    --------
    >>> import tempfile
    >>> import cfdb
    >>> folder = f"file://{tempfile.mkdtemp()}"
    >>> with cfdb.open_edataset(f"{folder}/rain/2024.cfdb", cache=None, flag="n") as ds:
    ...     ds["rain"] = ("x", [1.5, 2.5])
    ...     ds["snow"] = ("x", [0.5, 0.0])
    >>> [node.path for node in cfdb.glob(folder, "*/*.cfdb::s*")]
    ['rain/2024.cfdb::snow']
    """
    return browse(remote_conn).glob(pattern)
