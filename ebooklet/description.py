"""What has been said of a connection to S3, in the names of its parameters, and what does it come to?"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from ebooklet.aliases import spelled
from ebooklet.errors import InvalidURLError
from ebooklet.metering import Metered
from ebooklet.sizes import parse_size
from ebooklet.stores.access import (
    Credentials,
    Keys,
    Lender,
    S3Access,
    check_endpoint,
    credentials_from,
)
from ebooklet.stores.http import warn_if_plain
from ebooklet.stores.limits import prefix_from, tags_from
from ebooklet.stores.sessions import needs_boto3, options_of_config, options_of_session
from ebooklet.uri import check_db_key, parse_uri

if TYPE_CHECKING:
    from typing import Self

_SIZES = ("multipart_threshold", "multipart_chunksize")
_OPTIONS = tuple(one.name for one in fields(S3Access) if one.name not in {"bucket", "expects_keys"})


@dataclass(frozen=True, slots=True)
class Description:
    """A connection as a value.

    Attributes
    ----------
    access : S3Access
        Bucket, server and options; the bucket is empty for public URLs alone.
    db_key : str
        Key of the database, prefix included.
    db_urls : tuple of str
        Public URLs of the database, in the order they are tried.
    keys : Credentials, Lender or None
        Who signs; None = whoever boto3 finds.
    single_writer, pickle_credentials : bool
        As in `S3Connection`.
    """

    access: S3Access
    db_key: str
    db_urls: tuple[str, ...] = ()
    keys: Keys | None = field(default=None, repr=False)
    single_writer: bool = False
    pickle_credentials: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The parameters of this connection that are not secret and not their default, as plain values."""
        access, defaults = self.access, S3Access(bucket="")
        plain: dict[str, Any] = {}
        if access.bucket:
            plain = {"db_key": self.db_key.removeprefix(access.prefix), "bucket": access.bucket}
        if self.db_urls:
            plain["db_url"] = self.db_urls[0] if len(self.db_urls) == 1 else list(self.db_urls)
        for name in _OPTIONS:
            value = getattr(access, name)
            if value != getattr(defaults, name) and name not in {"proxies", "boto_options"}:
                plain[name] = dict(value) if name == "tags" else value
        config = dict(access.boto_options)
        if access.proxies:
            config["proxies"] = dict(open_proxies(access.proxies))
        if config:
            plain["config"] = config
        if self.single_writer:
            plain["single_writer"] = True
        return plain


class Described(Metered):
    """What a connection to S3 says about itself."""

    _is: Description

    @property
    def access(self) -> S3Access:
        """Bucket, server and every option, without keys."""
        return self._is.access

    @property
    def db_key(self) -> str:
        """Key of the database in its store, prefix included."""
        return self._is.db_key

    @property
    def db_url(self) -> str | tuple[str, ...] | None:
        """Public URL of the database, or its mirrors."""
        urls = self._is.db_urls
        return (urls[0] if len(urls) == 1 else urls) if urls else None

    @property
    def single_writer(self) -> bool:
        """Whether the user vouches for being the only writer."""
        return self._is.single_writer

    @property
    def bucket(self) -> str | None:
        """Name of the bucket, or None for a public URL alone."""
        return self._is.access.bucket or None

    @property
    def endpoint_url(self) -> str | None:
        """The server, or None for AWS."""
        return self._is.access.endpoint_url

    @property
    def region(self) -> str | None:
        """Region of the bucket, if it was given."""
        return self._is.access.region

    @property
    def threads(self) -> int:
        """Requests that may be in flight."""
        return self._is.access.threads

    @property
    def read_timeout(self) -> float:
        """Seconds between two pieces of an answer."""
        return self._is.access.read_timeout

    @property
    def retries(self) -> int:
        """Attempts after the first one."""
        return self._is.access.retries

    @property
    def anonymous(self) -> bool | None:
        """Whether requests are unsigned; None: when no keys are found."""
        return self._is.access.anonymous

    @property
    def uri(self) -> str:
        """Where the database is, for messages."""
        return f"s3://{self.bucket}/{self.db_key}" if self.bucket else self._is.db_urls[0]

    def at(self, db_key: str) -> "Self":
        """The place of another database in the bucket, reached with the same keys and connections to the server.

        Parameters
        ----------
        db_key : str
            Its whole key, prefix included.

        Raises
        ------
        ValueError
            If only a URL is known, or the key does not lie below the prefix.
        """
        access = self._is.access
        if not access.bucket:
            raise ValueError(f"{self.uri} is one database at a URL: to reach others, give S3Connection the bucket")
        if not check_db_key(db_key).startswith(access.prefix):
            raise InvalidURLError(f"{db_key!r} does not lie below prefix={access.prefix!r}")
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, _is=replace(self._is, db_key=db_key, db_urls=()), _ledger=self.ledger)
        return other

    def to_dict(self) -> dict[str, Any]:
        """What makes this connection, without credentials and only where it differs from the default.

        Returns
        -------
        dict
            Parameters of `S3Connection`; :meth:`from_config` takes them back.
        """
        return self._is.to_dict()

    def dumps(self) -> bytes:
        """What :meth:`to_dict` says, as JSON."""
        return json.dumps(self.to_dict()).encode()


def described(given: Mapping[str, Any]) -> Description:
    """Understand the parameters of `S3Connection`, of which `given` has those that are not their default.

    What is given by hand comes before `config=`, and that before the settings of `session=`.

    Raises
    ------
    ValueError
        If something is missing, malformed, or contradicts something else.
    """
    by_hand = spelled({name: value for name, value in given.items() if value is not None})
    session, config = by_hand.pop("session", None), by_hand.pop("config", None)
    keys = _keys(by_hand, session)
    of_session = options_of_session(session) if session is not None else {}
    said = of_session | options_of_config(config) | by_hand
    if isinstance(keys, Credentials) and said.get("anonymous"):
        raise ValueError("anonymous=True, and keys are given: leave out one of them")
    prefix = prefix_from(said.pop("prefix", None))
    bucket, key, urls = _place(said, prefix)
    if said.get("endpoint_url") is not None:
        check_endpoint(said["endpoint_url"])
    options = {name: said[name] for name in _OPTIONS if name in said}
    options |= {name: parse_size(said[name]) for name in _SIZES if name in said}
    options |= {"tags": tags_from(said["tags"])} if "tags" in said else {}
    access = S3Access(bucket=bucket or "", prefix=prefix, **options)
    _check_sender(access)
    return Description(access, key, urls, keys, bool(said.get("single_writer")), bool(said.get("pickle_credentials")))


def open_proxies(proxies: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Proxies without the credentials for them.

    Examples
    --------
    >>> open_proxies((("https", "http://me:hush@proxy.example.org:3128"),))
    (('https', 'http://proxy.example.org:3128'),)
    """
    return tuple((scheme, _without_credentials(url)) for scheme, url in proxies)


def _without_credentials(url: str) -> str:
    scheme, separator, rest = url.rpartition("//")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _keys(said: Mapping[str, Any], session: Any) -> Keys | None:
    found = credentials_from(said.get("access_key_id"), said.get("access_key"), said.get("session_token"))
    if session is None:
        return found
    for name in ("access_key_id", "profile"):
        if said.get(name):
            raise ValueError(f"session= has credentials of its own, and {name}= is given: leave out one of them")
    return None if said.get("anonymous") else Lender(session)


def _check_sender(access: S3Access) -> None:
    if access.transport == "urllib3":
        foreign = needs_boto3(access.boto_options)
        if foreign:
            raise ValueError(f"config= has {foreign}, which only transport='boto3' honours")


def _place(said: Mapping[str, Any], prefix: str) -> tuple[str | None, str, tuple[str, ...]]:
    """Bucket, whole key and public URLs from what was given of them."""
    bucket, db_key, db_url = said.get("bucket"), said.get("db_key"), said.get("db_url")
    whole = None if db_key is None else prefix + _text("db_key", db_key)
    urls: tuple[str, ...] = ()
    if db_url is not None:
        urls = (db_url,) if isinstance(db_url, str) else tuple(db_url)
        parsed = [parse_uri(url) for url in urls]
        if not urls:
            raise ValueError("db_url=[] names no URL")
        if any(uri.scheme == "file" for uri in parsed):
            raise ValueError(f"{db_url!r} is a folder: pass the URL itself instead of an S3Connection")
        if any(uri.scheme == "s3" for uri in parsed):
            if len(urls) > 1:
                raise ValueError(f"db_url={db_url!r}: mirrors are https URLs; give the bucket as bucket= and db_key=")
            bucket = _agreed("bucket", bucket, parsed[0].place)
            whole, urls = _agreed("db_key", whole, parsed[0].key), ()
            if not whole.startswith(prefix):
                raise ValueError(f"{db_url!r} does not lie below prefix={prefix!r}")
        else:
            for url in urls:
                warn_if_plain(url)
            if not bucket and prefix:
                raise ValueError(f"prefix={prefix!r} belongs to bucket=, and there is db_url= alone: leave it out")
            if not bucket:
                return None, check_db_key(db_key or parsed[0].key), urls
    missing = [name for name, value in {"bucket=": bucket, "db_key=": whole}.items() if not value]
    if not bucket or not whole:
        raise ValueError(f"S3Connection needs bucket= and db_key=, or db_url= alone; missing: {', '.join(missing)}")
    if "/" in _text("bucket", bucket):
        raise ValueError(f"bucket={bucket!r} has a '/': give the part after it to db_key= or prefix=")
    return bucket, check_db_key(whole), urls


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name}= is a str, not {type(value).__name__}")
    return value


def _agreed(name: str, given: str | None, of_url: str) -> str:
    if given not in {None, of_url}:
        raise ValueError(f"{name}= and db_url= mean the same and differ: give one of them")
    return of_url
