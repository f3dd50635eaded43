"""Where does a remote database live, and how is it reached?"""

import threading
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from inspect import signature
from os import PathLike
from typing import TYPE_CHECKING, Any

from ebooklet.aliases import spelled
from ebooklet.checking import ConnectionReport, check_store
from ebooklet.configuration import parameters_of_config, parameters_of_environment
from ebooklet.description import Described, Description, described, open_proxies
from ebooklet.metering import Metered
from ebooklet.places import Connection, FolderConnection, StoreConnection
from ebooklet.stores.access import (
    AddressingStyle,
    Credentials,
    Lender,
    Secrets,
    TransportName,
    keep_secrets,
    kept_secrets,
)
from ebooklet.stores.http import HttpStore
from ebooklet.stores.limits import MIB
from ebooklet.stores.mirrors import MirrorStore
from ebooklet.stores.protocol import ObjectStore
from ebooklet.stores.s3 import S3Store
from ebooklet.stores.sessions import credentials_of
from ebooklet.uri import parse_uri

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Connection", "FolderConnection", "S3Connection", "StoreConnection", "as_connection"]


class S3Connection(Described, Metered):
    """The place of a database in an S3 bucket, or at a public URL.

    Either `bucket` and `db_key` are needed, or `db_url`. Keys given here come first, then those of `session`, then what
    boto3 finds (environment, profile, SSO, role), then unsigned requests. Making one sends nothing.

    Parameters
    ----------
    access_key_id, access_key : str, optional
        Keys; also spelled `aws_access_key_id` and `secret_access_key` or `aws_secret_access_key`.
    db_key : str, optional
        Key of the database in the bucket, below `prefix`; also spelled `object_key`.
    bucket : str, optional
        Name of the bucket.
    endpoint_url : str, optional
        The server, if it is not AWS.
    db_url : str or list of str, optional
        Public URL of the database, or mirrors of it, which are tried in turn when one cannot be reached; readers use it
        and need no keys. ``s3://bucket/key`` stands for bucket and key.
    threads : int
        Requests in flight; also spelled `max_workers`.
    read_timeout : float
        Seconds between two pieces of an answer.
    retries : int
        Attempts after the first one.
    session_token : str, optional
        Belongs to temporary keys; also spelled `aws_session_token`.
    region : str, optional
        Region of the bucket; also spelled `region_name`.
    profile : str, optional
        Section of boto3's configuration files.
    anonymous : bool, optional
        True: never sign, False: never without keys; None: unsigned when no keys are found.
    addressing_style : {'auto', 'path', 'virtual'}, optional
        How the bucket is named in URLs; 'path' at an endpoint of one's own unless given or configured.
    transport : {'auto', 'urllib3', 'boto3'}
        Who sends requests: 'urllib3' takes a fraction of the processor time of 'boto3', which knows more kinds of
        buckets of AWS; 'auto' uses the former wherever it can.
    connect_timeout : float
        Seconds for a connection.
    deadline : float
        Seconds after which nothing is tried again.
    verify : bool or str
        Whether TLS certificates are checked, or the file of the authorities.
    single_writer : bool
        Vouches that nobody else writes; needed where a server has no conditional writes.
    pickle_credentials : bool
        Let keys travel when the connection is pickled; only for a trusted cluster.
    prefix : str, optional
        Folder of the bucket that this connection stays in: `db_key` is below it, and no request leaves it.
    storage_class, sse, sse_kms_key_id, acl : str, optional
        What objects are written with: their storage class ('STANDARD_IA'), encryption ('AES256', 'aws:kms') and the key
        for it, and canned access control list.
    tags : dict of str, optional
        Tags that objects are written with, at most 10.
    request_payer : bool
        Agree to pay for requests to a bucket whose requester pays.
    multipart_threshold, multipart_chunksize : int or str
        Bytes from which on an object is written in parts, and bytes of a part: a number or '64MB'.
    create_bucket : bool
        Make the bucket when something is written and there is none.
    session : boto3.Session or client, optional
        Its credentials, region, endpoint and configuration are used.
    config : botocore.config.Config or dict, optional
        Its timeouts, attempts, number of connections, addressing, proxies and further options are used; what is given
        here and not the default comes first.

    Raises
    ------
    ValueError
        If something is missing, malformed, or given twice with different values.

    Examples
    --------
    >>> conn = S3Connection("my-key", "my-secret", "datasets/x.cfdb", "my-bucket")
    >>> conn
    S3Connection('s3://my-bucket/datasets/x.cfdb', keys given)
    >>> conn.to_dict()
    {'db_key': 'datasets/x.cfdb', 'bucket': 'my-bucket'}
    """

    def __init__(
        self,
        access_key_id: str | None = None,
        access_key: str | None = None,
        db_key: str | None = None,
        bucket: str | None = None,
        endpoint_url: str | None = None,
        db_url: str | Iterable[str] | None = None,
        threads: int = 10,
        read_timeout: float = 60,
        retries: int = 3,
        *,
        object_key: str | None = None,
        aws_access_key_id: str | None = None,
        secret_access_key: str | None = None,
        aws_secret_access_key: str | None = None,
        session_token: str | None = None,
        aws_session_token: str | None = None,
        region: str | None = None,
        region_name: str | None = None,
        profile: str | None = None,
        anonymous: bool | None = None,
        addressing_style: AddressingStyle | None = None,
        transport: TransportName = "auto",
        connect_timeout: float = 10,
        deadline: float = 300,
        verify: bool | str = True,
        max_workers: int | None = None,
        single_writer: bool = False,
        pickle_credentials: bool = False,
        prefix: str | None = None,
        storage_class: str | None = None,
        sse: str | None = None,
        sse_kms_key_id: str | None = None,
        acl: str | None = None,
        tags: Mapping[str, str] | None = None,
        request_payer: bool = False,
        multipart_threshold: int | str = 32 * MIB,
        multipart_chunksize: int | str = 16 * MIB,
        create_bucket: bool = False,
        session: Any = None,
        config: Any = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name != "self"}
        self._id = uuid.uuid4().hex
        self._is = described({name: value for name, value in given.items() if value != _defaults()[name]})
        self._remember()
        self._begin()

    def _remember(self) -> None:
        if self._is.keys is not None or self._is.access.proxies:
            keep_secrets(self._id, Secrets(self._is.keys, self._is.access.proxies))

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._stores: dict[bool, ObjectStore] = {}

    # ------------------------------------------------------------------ made from something else

    @classmethod
    def from_env(cls, db_key: str | None = None, bucket: str | None = None, **options: Any) -> "Self":
        """Make a connection from environment variables.

        ``CFDB_BUCKET``, ``CFDB_DB_KEY``, ``CFDB_ENDPOINT_URL`` and so on stand for the parameters of `S3Connection`.
        Keys and region come from the variables of AWS unless there are such for them; without keys, whatever else
        boto3 finds is used.

        Parameters
        ----------
        db_key, bucket, **options
            Parameters of `S3Connection`; they come first.

        Raises
        ------
        ValueError
            If something is missing, or a variable has no value that its parameter may have.

        Examples
        --------
        >>> import os
        >>> os.environ["CFDB_BUCKET"] = "lab"
        >>> S3Connection.from_env("x.cfdb", anonymous=True)
        S3Connection('s3://lab/x.cfdb')
        >>> del os.environ["CFDB_BUCKET"]
        """
        given = {"db_key": db_key, "bucket": bucket} | options
        return cls(**parameters_of_environment(_known(given), _defaults()))

    @classmethod
    def from_config(
        cls, source: Mapping[str, Any] | str | PathLike[str] | None = None, section: str | None = None, **options: Any
    ) -> Connection:
        """Make a connection from a dict or a configuration file.

        Values may have ``${VARIABLE}`` and ``${VARIABLE:default}`` in them.

        Parameters
        ----------
        source : dict or path, optional
            Parameters of `S3Connection`, or a file of them: ``.toml``, ``.json`` or ``.yaml`` (which needs PyYAML).
            Without it, the file that ``CFDB_CONFIG`` names, else ``config.toml`` in the folder ``cfdb`` of the user's
            configuration (``~/.config/cfdb/config.toml`` on Linux).
        section : str, optional
            Which part of the file: ``'europe'`` is the table ``[europe]`` or ``[connections.europe]``.
        **options
            Parameters of `S3Connection`; they come first.

        Returns
        -------
        Connection
            An `S3Connection`, or another one if the file has a ``db_url`` of a folder.

        Raises
        ------
        ValueError
            If a variable without default is not set, the section is missing, or the file cannot be read as what its
            name says.

        Examples
        --------
        >>> S3Connection.from_config({"bucket": "${LAB_BUCKET:lab}", "db_key": "x.cfdb", "threads": "${THREADS:4}"})
        S3Connection('s3://lab/x.cfdb')
        """
        found = parameters_of_config(source, section)
        by_hand = {name: value for name, value in options.items() if value is not None}
        return as_connection(spelled(_known(found)) | spelled(_known(by_hand)))

    @classmethod
    def from_uri(cls, uri: str, **options: Any) -> Connection:
        """Make a connection from a URL.

        Parameters
        ----------
        uri : str
            ``s3://bucket/key``, ``https://host/path/key`` (read-only) or ``file:///folder/key``.
        **options
            Further parameters of `S3Connection`.

        Raises
        ------
        InvalidURLError
            If the text is no such address, or has a query string, a fragment or credentials.

        Examples
        --------
        >>> S3Connection.from_uri("s3://lab/rain/x.cfdb", region="eu-west-1").region
        'eu-west-1'
        """
        parse_uri(uri)
        return as_connection({"db_url": uri} | options)

    # ------------------------------------------------------------------ what works

    def check(self, write: bool = False) -> ConnectionReport:
        """Try what can be done with this connection, in two requests, or five with `write`.

        Parameters
        ----------
        write : bool
            Also write, overwrite on a condition and delete a small object beside the database.

        Returns
        -------
        ConnectionReport
            Prints as a text; nothing is raised for what does not work.
        """
        if write and not self.bucket:
            raise ValueError(f"{self.uri} is read-only: check() without write=True")
        return check_store(
            self._new_store(writable=write, retries=0, create_bucket=False), self.uri, self.db_key, write=write
        )

    def __repr__(self) -> str:
        at = f", endpoint_url={self.endpoint_url!r}" if self.endpoint_url else ""
        keys = self._is.keys
        whose = "" if keys is None else ", keys of session=" if isinstance(keys, Lender) else ", keys given"
        return f"S3Connection({self.uri!r}{at}{whose})"

    def __eq__(self, other: object) -> bool:
        return self._is == other._is if isinstance(other, S3Connection) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.bucket, self.db_key, self.db_url, self.endpoint_url))

    # ------------------------------------------------------------------ pickling

    def __getstate__(self) -> dict[str, Any]:
        found, access = self._is, self._is.access
        had_keys = found.keys is not None or access.expects_keys
        bare = replace(access, proxies=open_proxies(access.proxies))
        travels = {"id": self._id, "is": replace(found, access=bare, keys=None), "had_keys": had_keys}
        if found.pickle_credentials:
            keys = _frozen(found.keys)
            travels["is"] = replace(found, keys=None)
            travels["keys"] = None if keys is None else (keys.access_key_id, keys.access_key, keys.session_token)
        return travels

    def __setstate__(self, travels: dict[str, Any]) -> None:
        self._id = travels["id"]
        kept: Secrets = kept_secrets(self._id)
        found: Description = travels["is"]
        keys = Credentials(*travels["keys"]) if travels.get("keys") else kept.keys
        lost = travels["had_keys"] and keys is None
        access = replace(found.access, expects_keys=lost, proxies=kept.proxies or found.access.proxies)
        self._is = replace(found, access=access, keys=keys)
        self._remember()
        self._begin()

    # ------------------------------------------------------------------ the store

    def store(self, writable: bool = False) -> ObjectStore:
        """The store that holds the database.

        Parameters
        ----------
        writable : bool
            Readers use `db_url` if there is one; writers need the bucket.

        Returns
        -------
        ObjectStore
            The same one for every call, with its connections kept open.

        Raises
        ------
        ValueError
            If it shall be written and there is only a URL.
        """
        if writable and not self.bucket:
            raise ValueError(f"{self.uri} is read-only; to write, give S3Connection bucket=, db_key= and keys")
        public = self._is_public(writable)
        with self._lock:
            if public not in self._stores:
                self._stores[public] = self._new_store(writable)
            return self._stores[public]

    def _is_public(self, writable: bool) -> bool:
        return bool(self._is.db_urls) and not writable and (not self.bucket or self.anonymous is not False)

    def _new_store(self, writable: bool, **changed: Any) -> ObjectStore:
        access = replace(self._is.access, **changed)
        if not self._is_public(writable):
            return S3Store(access, self._is.keys, ledger=self.ledger)
        names = ("threads", "connect_timeout", "read_timeout", "retries", "deadline", "verify", "proxies")
        options = {name: getattr(access, name) for name in names}
        mirrors = [HttpStore(url, self.db_key, **options, ledger=self.ledger) for url in self._is.db_urls]
        return mirrors[0] if len(mirrors) == 1 else MirrorStore(mirrors)


@cache
def _defaults() -> dict[str, Any]:
    parameters = signature(S3Connection).parameters
    return {name: one.default for name, one in parameters.items()}


def _known(parameters: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(parameters) - set(_defaults()))
    if unknown:
        raise TypeError(f"S3Connection has no parameters {unknown}; it has {sorted(_defaults())}")
    return dict(parameters)


def _frozen(keys: Credentials | Lender | None) -> Credentials | None:
    """Keys as they are now."""
    if not isinstance(keys, Lender):
        return keys
    found = credentials_of(keys.session)
    if found is None:
        return None
    now = found.get_frozen_credentials()
    return Credentials(now.access_key, now.secret_key, now.token)


def as_connection(value: object) -> Connection:
    """Make a connection from whatever a user may pass as `remote_conn`.

    Parameters
    ----------
    value : Connection, str or mapping
        A connection, a URL (``s3://bucket/key``, ``https://...``, ``file:///folder/key``), the parameters of
        `S3Connection`, or a mapping that has them under ``'remote_conn'`` (an entry of a connection group).

    Returns
    -------
    Connection

    Raises
    ------
    TypeError
        If the value is none of these.

    Examples
    --------
    >>> as_connection("file:///scratch/data/x.cfdb")
    FolderConnection('file:///scratch/data/x.cfdb')
    >>> as_connection({"bucket": "data", "object_key": "x.cfdb"})
    S3Connection('s3://data/x.cfdb')
    """
    if isinstance(value, str):
        return _from_url(value)
    if isinstance(value, Mapping):
        inner = value.get("remote_conn")
        if inner is not None:
            return as_connection(inner)
        url = value.get("db_url")
        if isinstance(url, str) and url.lower().startswith("file:"):
            return _folder(url, value)
        return S3Connection(**_known(value))
    if isinstance(value, Connection):
        return value
    raise TypeError(
        f"a remote is an S3Connection, a URL or a dict of S3Connection's parameters, not {type(value).__name__}"
    )


def _from_url(text: str) -> Connection:
    uri = parse_uri(text)
    if uri.scheme == "file":
        return FolderConnection(uri.place, uri.key)
    return S3Connection(db_url=text)


def _folder(url: str, parameters: Mapping[str, Any]) -> FolderConnection:
    uri = parse_uri(url)
    further = sorted(set(_known(parameters)) - {"db_url", "threads"})
    if further:
        raise ValueError(f"{url!r} is a folder, and {further} are for buckets: leave out one of them")
    return FolderConnection(uri.place, uri.key, threads=parameters.get("threads", 10))
