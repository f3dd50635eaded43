"""Where does a remote database live, and how is it reached?"""

import threading
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ebooklet.places import Connection, FolderConnection, StoreConnection
from ebooklet.stores.access import (
    AddressingStyle,
    Credentials,
    S3Access,
    TransportName,
    check_endpoint,
    credentials_from,
    keep_credentials,
    kept_credentials,
    one_of,
)
from ebooklet.stores.http import HttpStore, warn_if_plain
from ebooklet.stores.protocol import ObjectStore
from ebooklet.stores.s3 import S3Store
from ebooklet.uri import check_db_key, parse_uri

__all__ = ["Connection", "FolderConnection", "S3Connection", "StoreConnection", "as_connection"]


class S3Connection:
    """The place of a database in an S3 bucket, or at a public URL.

    Either `bucket` and `db_key` are needed, or `db_url`. Keys given here come first, then what boto3 finds
    (environment, profile, SSO, role), then unsigned requests.

    Parameters
    ----------
    access_key_id, access_key : str, optional
        Keys; also spelled `aws_access_key_id` and `secret_access_key` or `aws_secret_access_key`.
    db_key : str, optional
        Key of the database in the bucket; also spelled `object_key`.
    bucket : str, optional
        Name of the bucket.
    endpoint_url : str, optional
        The server, if it is not AWS.
    db_url : str, optional
        Public URL of the database; readers use it and need no keys. ``s3://bucket/key`` stands for bucket and key.
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
        db_url: str | None = None,
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
    ) -> None:
        self._id = uuid.uuid4().hex
        self._credentials = credentials_from(
            one_of(access_key_id=access_key_id, aws_access_key_id=aws_access_key_id),
            one_of(
                access_key=access_key, secret_access_key=secret_access_key, aws_secret_access_key=aws_secret_access_key
            ),
            one_of(session_token=session_token, aws_session_token=aws_session_token),
        )
        if self._credentials is not None:
            if anonymous:
                raise ValueError("anonymous=True, and keys are given: leave out one of them")
            keep_credentials(self._id, self._credentials)
        bucket, key, url = _place(bucket, one_of(db_key=db_key, object_key=object_key), db_url)
        if endpoint_url is not None:
            check_endpoint(endpoint_url)
        self.db_key = key
        self.db_url = url
        self.single_writer = single_writer
        self.pickle_credentials = pickle_credentials
        self._access = S3Access(
            bucket=bucket or "",
            endpoint_url=endpoint_url,
            region=one_of(region=region, region_name=region_name),
            profile=profile,
            anonymous=anonymous,
            addressing_style=addressing_style,
            transport=transport,
            threads=threads if max_workers is None else max_workers,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            retries=retries,
            deadline=deadline,
            verify=verify,
        )
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._stores: dict[bool, ObjectStore] = {}

    # ------------------------------------------------------------------ what it says about itself

    @property
    def bucket(self) -> str | None:
        """Name of the bucket, or None for a public URL alone."""
        return self._access.bucket or None

    @property
    def endpoint_url(self) -> str | None:
        """The server, or None for AWS."""
        return self._access.endpoint_url

    @property
    def region(self) -> str | None:
        """Region of the bucket, if it was given."""
        return self._access.region

    @property
    def threads(self) -> int:
        """Requests that may be in flight."""
        return self._access.threads

    @property
    def read_timeout(self) -> float:
        """Seconds between two pieces of an answer."""
        return self._access.read_timeout

    @property
    def retries(self) -> int:
        """Attempts after the first one."""
        return self._access.retries

    @property
    def anonymous(self) -> bool | None:
        """Whether requests are unsigned; None: when no keys are found."""
        return self._access.anonymous

    @property
    def uri(self) -> str:
        """Where the database is, for messages."""
        return f"s3://{self.bucket}/{self.db_key}" if self.bucket else str(self.db_url)

    def to_dict(self) -> dict[str, Any]:
        """What makes this connection, without credentials and only where it differs from the default.

        Returns
        -------
        dict
            Parameters of `S3Connection`.
        """
        access = self._access
        every = {
            "db_key": self.db_key if self.bucket else None,
            "bucket": self.bucket,
            "endpoint_url": access.endpoint_url,
            "db_url": self.db_url,
            "region": access.region,
            "profile": access.profile,
            "anonymous": access.anonymous,
            "addressing_style": access.addressing_style,
        }
        plain: dict[str, Any] = {name: value for name, value in every.items() if value is not None}
        defaults = S3Access(bucket="")
        for name in ("transport", "threads", "read_timeout", "retries", "connect_timeout", "deadline", "verify"):
            if getattr(access, name) != getattr(defaults, name):
                plain[name] = getattr(access, name)
        if self.single_writer:
            plain["single_writer"] = True
        return plain

    def __repr__(self) -> str:
        at = f", endpoint_url={self.endpoint_url!r}" if self.endpoint_url else ""
        keys = ", keys given" if self._credentials else ""
        return f"S3Connection({self.uri!r}{at}{keys})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, S3Connection):
            return NotImplemented
        return self.to_dict() == other.to_dict() and self._credentials == other._credentials

    def __hash__(self) -> int:
        return hash((self.bucket, self.db_key, self.db_url, self.endpoint_url))

    # ------------------------------------------------------------------ pickling

    def __getstate__(self) -> dict[str, Any]:
        travels = self.__dict__.copy()
        for name in ("_lock", "_stores", "_credentials"):
            del travels[name]
        travels["had_keys"] = self._credentials is not None or self._access.expects_keys
        if self.pickle_credentials and self._credentials is not None:
            found = self._credentials
            travels["keys"] = (found.access_key_id, found.access_key, found.session_token)
        return travels

    def __setstate__(self, travels: dict[str, Any]) -> None:
        state = dict(travels)
        had_keys = state.pop("had_keys")
        keys = state.pop("keys", None)
        self.__dict__.update(state)
        self._credentials = Credentials(*keys) if keys else kept_credentials(self._id)
        if self._credentials is not None:
            keep_credentials(self._id, self._credentials)
        lost = had_keys and self._credentials is None
        self._access = replace(self._access, expects_keys=lost)
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
        public = self.db_url is not None and not writable and (not self.bucket or self.anonymous is not False)
        with self._lock:
            if public not in self._stores:
                self._stores[public] = self._url_store() if public else S3Store(self._access, self._credentials)
            return self._stores[public]

    def _url_store(self) -> ObjectStore:
        access = self._access
        return HttpStore(
            str(self.db_url),
            self.db_key,
            threads=access.threads,
            connect_timeout=access.connect_timeout,
            read_timeout=access.read_timeout,
            retries=access.retries,
            deadline=access.deadline,
            verify=access.verify,
        )


def _place(bucket: str | None, db_key: str | None, db_url: str | None) -> tuple[str | None, str, str | None]:
    """Bucket, key and public URL from what was given of them."""
    if db_url is not None:
        uri = parse_uri(db_url)
        if uri.scheme == "file":
            raise ValueError(f"{db_url!r} is a folder: pass the URL itself instead of an S3Connection")
        if uri.scheme == "s3":
            bucket, db_key, db_url = (
                one_of(bucket=bucket, db_url=uri.place),
                one_of(db_key=db_key, db_url=uri.key),
                None,
            )
        else:
            warn_if_plain(db_url)
            if not bucket:
                return None, check_db_key(db_key or uri.key), db_url
    missing = [name for name, value in {"bucket=": bucket, "db_key=": db_key}.items() if not value]
    if not bucket or not db_key:
        raise ValueError(f"S3Connection needs bucket= and db_key=, or db_url= alone; missing: {', '.join(missing)}")
    if "/" in bucket:
        raise ValueError(f"bucket={bucket!r} has a '/': give the part after it to db_key=")
    return bucket, check_db_key(db_key), db_url


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
        if set(value) == {"db_url"}:
            return _from_url(value["db_url"])
        return _from_parameters(value)
    if isinstance(value, Connection):
        return value
    raise TypeError(
        f"a remote is an S3Connection, a URL or a dict of S3Connection's parameters, not {type(value).__name__}"
    )


def _from_url(text: str) -> Connection:
    uri = parse_uri(text)
    if uri.scheme == "file":
        return FolderConnection(uri.place, uri.key)
    if uri.scheme == "s3":
        return S3Connection(bucket=uri.place, db_key=uri.key)
    return S3Connection(db_url=text)


def _from_parameters(parameters: Mapping[str, Any]) -> S3Connection:
    known = set(S3Connection.__init__.__annotations__) - {"return"}
    unknown = sorted(set(parameters) - known)
    if unknown:
        raise TypeError(f"S3Connection has no parameters {unknown}; it has {sorted(known)}")
    return S3Connection(**parameters)
