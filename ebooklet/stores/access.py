"""How is a bucket reached, and as whom?"""

import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ebooklet.errors import InvalidURLError
from ebooklet.stores.limits import MIB, check_acl, check_encryption, check_part_sizes, check_storage_class
from ebooklet.uri import is_url, split_http

AddressingStyle = Literal["auto", "path", "virtual"]
TransportName = Literal["auto", "urllib3", "boto3"]
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys given by hand; never shown.

    Raises
    ------
    ValueError
        If one has a control character: it cannot stand in a header, and who refuses the header would show it.
    """

    access_key_id: str = field(repr=False)
    access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("access_key_id", "access_key", "session_token"):
            if _CONTROL.search(getattr(self, name) or ""):
                raise ValueError(
                    f"{name} has a line end or another control character in it; was it copied with the end of its "
                    "line, or read from a file without strip()?"
                )


@dataclass(frozen=True, slots=True)
class Lender:
    """A session or client of boto3, whose credentials of the moment are used."""

    session: Any = field(repr=False)


Keys = Credentials | Lender


@dataclass(frozen=True, slots=True)
class S3Access:
    """Everything but the keys that a connection to a bucket needs.

    Attributes
    ----------
    bucket : str
        Name of the bucket.
    endpoint_url : str or None
        Server; None = AWS, or what the configuration of boto3 says.
    region, profile : str or None
        Override the configuration of boto3.
    anonymous : bool or None
        True: unsigned requests, False: credentials are needed, None: unsigned when none are found.
    expects_keys : bool
        The connection was made with keys of its own, which were lost on the way to this process.
    addressing_style : {'auto', 'path', 'virtual'} or None
        None = what the configuration of boto3 says, else path-style at an endpoint of one's own and virtual at AWS.
    transport : {'auto', 'urllib3', 'boto3'}
        Who sends the requests.
    threads : int
        Requests that may be in flight.
    connect_timeout, read_timeout : float
        Seconds for a connection, and between two pieces of an answer.
    retries : int
        Attempts after the first one.
    deadline : float
        Seconds after which an operation is not tried again.
    verify : bool or str
        Whether TLS certificates are checked, or the file of the authorities.
    prefix : str
        What every key of a request begins with, ending in '/'; a request for another key is refused.
    storage_class, sse, sse_kms_key_id, acl : str or None
        What objects are written with: `x-amz-storage-class`, `x-amz-server-side-encryption`, the key of the latter,
        and `x-amz-acl`; None = what the bucket does by itself.
    tags : tuple of (str, str)
        Tags that objects are written with.
    request_payer : bool
        Agree to pay for requests to buckets whose requester pays.
    multipart_threshold, multipart_chunksize : int
        Bytes from which on an object is written in parts, and bytes of a part.
    create_bucket : bool
        Make the bucket when the first object is to be written and there is none.
    proxies : tuple of (str, str)
        Proxies by scheme; without any, those of the environment.
    boto_options : tuple of (str, object)
        Further options of botocore's `Config`.
    """

    bucket: str
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    anonymous: bool | None = None
    expects_keys: bool = False
    addressing_style: AddressingStyle | None = None
    transport: TransportName = "auto"
    threads: int = 10
    connect_timeout: float = 10
    read_timeout: float = 60
    retries: int = 3
    deadline: float = 300
    verify: bool | str = True
    prefix: str = ""
    storage_class: str | None = None
    sse: str | None = None
    sse_kms_key_id: str | None = None
    acl: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    request_payer: bool = False
    multipart_threshold: int = 32 * MIB
    multipart_chunksize: int = 16 * MIB
    create_bucket: bool = False
    proxies: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    boto_options: tuple[tuple[str, Any], ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for name in ("threads", "connect_timeout", "read_timeout", "deadline"):
            value = getattr(self, name)
            if not value > 0:
                raise ValueError(f"{name}={value!r}: it has to be more than 0")
        if self.retries < 0:
            raise ValueError(f"retries={self.retries!r}: it has to be 0 or more")
        if self.addressing_style is not None and self.addressing_style not in get_args(AddressingStyle):
            raise ValueError(f"addressing_style={self.addressing_style!r}: use one of {get_args(AddressingStyle)}")
        if self.transport not in get_args(TransportName):
            raise ValueError(f"transport={self.transport!r}: use one of {get_args(TransportName)}")
        check_storage_class(self.storage_class)
        check_encryption(self.sse, self.sse_kms_key_id)
        check_acl(self.acl)
        check_part_sizes(self.multipart_threshold, self.multipart_chunksize)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where requests go and how they are signed, after everything that may be configured has been asked.

    Attributes
    ----------
    endpoint : str
        URL of the server.
    region : str
        What requests are signed for.
    virtual : bool
        Whether the bucket is named by the host, where its name allows it.
    keys : callable or None
        The credentials of the moment; None = requests are unsigned.
    verify : bool or str
        Whether TLS certificates are checked, or the file of the authorities.
    source : str
        Where the keys come from, for messages; empty when requests are unsigned.
    """

    endpoint: str
    region: str
    virtual: bool
    keys: Callable[[], Credentials] | None = field(default=None, repr=False)
    verify: bool | str = True
    source: str = ""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What of a connection never leaves the process: whose keys sign, and proxies with the credentials for them."""

    keys: Keys | None = field(default=None, repr=False)
    proxies: tuple[tuple[str, str], ...] = field(default=(), repr=False)


_kept: dict[str, Secrets] = {}
_lock = threading.Lock()


def keep_secrets(connection_id: str, secrets: Secrets) -> None:
    """Remember the secrets of a connection in this process and the processes forked from it."""
    with _lock:
        _kept[connection_id] = secrets


def kept_secrets(connection_id: str) -> Secrets:
    """The secrets of a connection, if it was made in this process or the one it was forked from; else none."""
    with _lock:
        return _kept.get(connection_id, Secrets())


def credentials_from(access_key_id: str | None, access_key: str | None, token: str | None) -> Credentials | None:
    """Keys from what was given of them; they are needed together."""
    if access_key_id and access_key:
        return Credentials(access_key_id, access_key, token or None)
    if access_key_id or access_key:
        missing = "access_key=" if access_key_id else "access_key_id="
        raise ValueError(f"access_key_id= and access_key= belong together; missing: {missing}")
    if token:
        raise ValueError("session_token= belongs to access_key_id= and access_key=, which are missing")
    return None


def region_of_environment() -> str | None:
    """The region that variables name; boto3 itself knows only the first."""
    return os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION") or None


def verify_of(verify: bool | str) -> bool | str:
    """How certificates are checked: True gives way to the variables that name a file of authorities."""
    if verify is not True:
        return verify
    return os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE") or True


def check_endpoint(url: str, name: str = "endpoint_url") -> str:
    """Return the URL of a server, or say what is wrong with what the parameter or variable of this name holds."""
    if not isinstance(url, str):
        raise TypeError(f"{name} is a str, not {type(url).__name__}")
    if "@" in url:
        raise InvalidURLError(f"{name} has credentials in it; give them as access_key_id= and access_key=")
    if not is_url(url):
        raise InvalidURLError(f"{name}={url!r} is not the URL of a server, as https://s3.example.org")
    try:
        parts = split_http(url)
    except InvalidURLError as error:
        raise InvalidURLError(f"{name}: {error}") from error
    if parts.query or parts.fragment:
        raise InvalidURLError(f"{name}={url!r} has a query string or fragment; give the address of the server")
    return url
