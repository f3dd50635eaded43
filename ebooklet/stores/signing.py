"""How is a request to S3 signed? Signature Version 4, in headers.

The hash of the body is signed over `http` and `https` alike. Servers verify it, so that it is the checksum of an upload
as well, and the only one that every server knows; it costs 0.8 ms a MiB, outside the lock of the interpreter.
"""

import hmac
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from urllib.parse import quote

from ebooklet.stores.access import Credentials

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_HASH = sha256(b"").hexdigest()
# Changed or added on the way by proxies and by the HTTP client itself.
UNSIGNED_HEADERS = frozenset(
    {"accept-encoding", "authorization", "connection", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"}
)

Query = Sequence[tuple[str, str]]


def encoded_path(key: str) -> str:
    """A key as it stands in a URL, encoded once, with its slashes.

    Examples
    --------
    >>> encoded_path("root.objects/a b+ü")
    'root.objects/a%20b%2B%C3%BC'
    """
    return quote(key, safe="/")


def encoded_query(query: Query) -> str:
    """A query string in the order and spelling that is signed.

    Examples
    --------
    >>> encoded_query([("prefix", "a/b c"), ("delete", "")])
    'delete=&prefix=a%2Fb%20c'
    """
    pairs = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in query)
    return "&".join(f"{name}={value}" for name, value in pairs)


class Signer:
    """Signs requests of one service; the key of a day is derived once.

    Parameters
    ----------
    service : str
        Name of the service.

    Examples
    --------
    >>> signed = Signer().sign(
    ...     "GET",
    ...     "/key",
    ...     "",
    ...     {"host": "lab.s3.amazonaws.com", "x-amz-content-sha256": EMPTY_HASH},
    ...     Credentials("id", "secret"),
    ...     region="us-east-1",
    ...     moment=1369353600,
    ... )
    >>> signed["authorization"].partition(", ")[0]
    'AWS4-HMAC-SHA256 Credential=id/20130524/us-east-1/s3/aws4_request'
    """

    __slots__ = ("_derived", "_service")

    def __init__(self, service: str = "s3") -> None:
        self._service = service
        self._derived: tuple[str, str, str, bytes] | None = None

    def __repr__(self) -> str:
        return f"Signer({self._service!r})"

    def __reduce__(self) -> str:
        raise TypeError(f"{self!r} cannot be pickled, it holds a key")

    def sign(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        credentials: Credentials,
        *,
        region: str,
        moment: float,
    ) -> dict[str, str]:
        """The headers to send: those given, the time, the session token and the signature.

        Parameters
        ----------
        method : str
            HTTP method.
        path, query : str
            As `encoded_path` and `encoded_query` make them; the path begins with '/'.
        headers : mapping
            By lower-case name, ``host`` and ``x-amz-content-sha256`` among them.
        credentials : Credentials
            Whose signature it is.
        region : str
            Region of the bucket.
        moment : float
            Time of the request by the server's clock, in seconds since 1970.
        """
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment))
        signed = {**headers, "x-amz-date": now}
        if credentials.session_token:
            signed["x-amz-security-token"] = credentials.session_token
        names = sorted(name for name in signed if name not in UNSIGNED_HEADERS)
        lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in names)
        listed = ";".join(names)
        request = f"{method}\n{path}\n{query}\n{lines}\n{listed}\n{headers['x-amz-content-sha256']}"
        scope = f"{now[:8]}/{region}/{self._service}/aws4_request"
        text = f"{ALGORITHM}\n{now}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        key = self._key_of_day(credentials.access_key, now[:8], region)
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        signed["authorization"] = (
            f"{ALGORITHM} Credential={credentials.access_key_id}/{scope}, SignedHeaders={listed}, Signature={signature}"
        )
        return signed

    def _key_of_day(self, secret: str, day: str, region: str) -> bytes:
        known = self._derived
        if known is not None and known[:3] == (secret, day, region):
            return known[3]
        key = f"AWS4{secret}".encode()
        for part in (day, region, self._service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._derived = (secret, day, region, key)
        return key
