"""Where does the request for a bucket go?"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_AWS = re.compile(r"https?://s3[.-](?:dualstack\.|fips[.-])?(?:[a-z0-9-]+\.)*amazonaws\.com(?:\.cn)?/?")
_REGION = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?")
_LABELS = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class Address:
    """A server and the path of a bucket there.

    Attributes
    ----------
    scheme : {'http', 'https'}
        How it is spoken to.
    authority : str
        What the `Host` header says.
    path : str
        What stands before a key, with its last slash; `root` is the bucket itself.
    root : str
        Path of the bucket.
    """

    scheme: str
    authority: str
    path: str
    root: str

    @property
    def url(self) -> str:
        """The server."""
        return f"{self.scheme}://{self.authority}"


def is_aws(endpoint: str) -> bool:
    """Whether a URL is one of AWS's for all buckets of a region.

    Examples
    --------
    >>> is_aws("https://s3.eu-west-1.amazonaws.com"), is_aws("https://s3.example.org")
    (True, False)
    """
    return _AWS.fullmatch(endpoint) is not None


def address_of(endpoint: str, bucket: str, *, virtual: bool) -> Address:
    """Where a bucket is, in the path or, where its name allows it, in the name of the host.

    Examples
    --------
    >>> address_of("https://s3.eu-west-1.amazonaws.com", "lab", virtual=True).authority
    'lab.s3.eu-west-1.amazonaws.com'
    >>> address_of("http://127.0.0.1:9000/s3/", "lab", virtual=True).path
    '/s3/lab/'
    """
    parts = urlsplit(endpoint)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    base = parts.path.rstrip("/")
    if virtual and _fits_host(bucket, host, parts.scheme):
        host, path, root = f"{bucket}.{host}", f"{base}/", f"{base}/"
    else:
        path, root = f"{base}/{bucket}/", f"{base}/{bucket}"
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port == _PORTS[parts.scheme] else f"{shown}:{port}"
    return Address(parts.scheme, authority, path, root)


def _fits_host(bucket: str, host: str, scheme: str) -> bool:
    """Whether a bucket may stand in a host name: certificates cover one level, and an IP address has none."""
    if not 3 <= len(bucket) <= 63 or not _LABELS.fullmatch(bucket) or ("." in bucket and scheme == "https"):
        return False
    try:
        ip_address(host)
    except ValueError:
        return True
    return False


def in_region(endpoint: str, old: str, new: str) -> str:
    """The endpoint of AWS in another region; any other endpoint as it is.

    Examples
    --------
    >>> in_region("https://s3.us-east-1.amazonaws.com", "us-east-1", "eu-west-1")
    'https://s3.eu-west-1.amazonaws.com'
    >>> in_region("https://s3.example.org", "us-east-1", "eu-west-1")
    'https://s3.example.org'
    """
    if not is_aws(endpoint):
        return endpoint
    if f".{old}." in endpoint:
        return endpoint.replace(f".{old}.", f".{new}.", 1)
    return endpoint.replace("s3.amazonaws.com", f"s3.{new}.amazonaws.com", 1)


def is_region(text: str) -> bool:
    """Whether a text may name a region; servers tell it, and it becomes part of a host name."""
    return _REGION.fullmatch(text) is not None


class LearnedRegions:
    """Regions of buckets that were looked for in another one.

    Examples
    --------
    >>> learned = LearnedRegions()
    >>> learned.add("https://s3.us-east-1.amazonaws.com", "lab", "eu-west-1")
    >>> learned.get("https://s3.us-east-1.amazonaws.com", "lab")
    'eu-west-1'
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}

    def add(self, endpoint: str, bucket: str, region: str) -> None:
        """Remember a region for all later stores of the process."""
        self._known[endpoint, bucket] = region

    def get(self, endpoint: str, bucket: str) -> str | None:
        """The region, if it is known."""
        return self._known.get((endpoint, bucket))


LEARNED = LearnedRegions()
