"""How are connections to a web server opened, kept and checked? The only module that imports urllib3.

A request is sent once, as it is: no redirect is followed and nothing is repeated unless that is asked for.
"""

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ebooklet.errors import RemoteConnectionError, StoreError
from ebooklet.stores.body import IncompleteBodyError
from ebooklet.stores.retry import TransientError

if TYPE_CHECKING:
    import ssl

    from urllib3 import BaseHTTPResponse, HTTPConnectionPool, PoolManager

# Beyond this it is cheaper to open a connection than to read what nobody wants.
LONGEST_REST = 1 << 16


class Pool:
    """Connections to servers, kept open.

    Parameters
    ----------
    url : str
        A server; its proxy is that of `proxies`, or of the environment (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`).
    threads : int
        Connections to a server that are kept.
    connect_timeout, read_timeout : float
        Seconds for a connection, and between two pieces of an answer.
    verify : bool or str
        Whether TLS certificates are checked, or the file or folder of the authorities.
    proxies : tuple of (str, str)
        Proxies by the scheme of the server; any of them, and the environment is not asked.

    Raises
    ------
    ImportError
        If urllib3 is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        threads: int,
        connect_timeout: float,
        read_timeout: float,
        verify: bool | str = True,
        proxies: tuple[tuple[str, str], ...] = (),
    ) -> None:
        try:
            import urllib3
        except ImportError as error:
            raise ImportError(f"{url} needs urllib3: pip install 'cfdb[ebooklet]'") from error
        options: dict[str, Any] = {
            "maxsize": max(10, threads + 2),
            "timeout": urllib3.Timeout(connect=connect_timeout, read=read_timeout),
            "blocksize": 1 << 17,
        }
        proxy = dict(proxies).get(urlsplit(url).scheme) if proxies else proxy_for(url)
        if urlsplit(url).scheme == "https" or (proxy or "").startswith("https:"):
            options["ssl_context"] = _tls_context(verify)
        else:  # a redirection may still lead to https
            options |= {"cert_reqs": "CERT_NONE" if verify is False else "CERT_REQUIRED"}
            options |= {"ca_certs": verify} if isinstance(verify, str) else {}
        self._hosts: dict[str, HTTPConnectionPool] = {}
        self._forwarded = proxy is not None and urlsplit(url).scheme == "http"
        self._manager: PoolManager = _through(proxy, options) if proxy else urllib3.PoolManager(**options)

    def send(
        self,
        method: str,
        url: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        redirects: int = 0,
    ) -> "BaseHTTPResponse":
        """Send a request and return the head of the answer, the body unread.

        Parameters
        ----------
        method : str
            HTTP method.
        url : str
            The server, ``https://host:port``.
        target : str
            Path and query, encoded.
        headers : mapping
            Headers of the request.
        body : bytes, optional
            Body of the request.
        redirects : int
            Redirections to follow.
        """
        from urllib3 import Retry
        from urllib3.exceptions import HTTPError, LocationParseError

        options: dict[str, Any] = {"preload_content": False, "decode_content": False}
        sent = {"accept-encoding": "identity", "user-agent": "ebooklet", **headers}
        if redirects:
            again = Retry(total=None, connect=0, read=0, status=0, other=0, redirect=redirects)
            try:
                return self._manager.urlopen(method, url + target, headers=sent, retries=again, **options)
            except ValueError as error:
                if isinstance(error, HTTPError):
                    raise
                raise LocationParseError(f"a redirection ({error})") from error
        pool = self._hosts.get(url)
        if pool is None:
            pool = self._hosts[url] = self._manager.connection_from_url(url)
        whole = url + target if self._forwarded else target
        return pool.urlopen(
            method, whole, body=body, headers=sent, retries=False, redirect=False, assert_same_host=False, **options
        )

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._hosts.clear()
        self._manager.clear()


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for a URL.

    Examples
    --------
    >>> proxy_for("nowhere://example.org") is None
    True
    """
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return None if proxy_bypass(host) else getproxies().get(parts.scheme)


def _through(proxy: str, options: dict[str, Any]) -> "PoolManager":
    """A pool behind a proxy; the credentials in its URL go into a header, so that no error can show them."""
    from urllib3 import ProxyManager, make_headers
    from urllib3.exceptions import HTTPError

    parts = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    keys = None
    if parts.username:
        keys = make_headers(proxy_basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}")
    try:
        return ProxyManager(shown, proxy_headers=keys, proxy_ssl_context=options.get("ssl_context"), **options)
    except (HTTPError, ValueError) as error:
        raise StoreError(
            f"the proxy {shown} (of config= or of HTTP_PROXY or HTTPS_PROXY) cannot be used: {error}"
        ) from error


def _tls_context(verify: bool | str) -> "ssl.SSLContext":
    """Made once for a pool: reading the authorities takes as long as some requests."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    place = verify if isinstance(verify, str) else _usual_authorities()
    try:
        if place is None:
            context.load_default_certs()
        elif Path(place).is_dir():
            context.load_verify_locations(capath=place)
        else:
            context.load_verify_locations(cafile=place)
    except OSError as error:
        raise StoreError(f"{place!r}, the file of TLS authorities, cannot be read: {error}") from error
    return context


@cache
def _usual_authorities() -> str | None:
    """What boto3 uses: the file of certifi, else its own; None = those of the system."""
    for package in ("certifi", "botocore"):
        found = find_spec(package)
        file = Path(found.origin).with_name("cacert.pem") if found is not None and found.origin else None
        if file is not None and file.is_file():
            return str(file)
    return None


def finish(reply: "BaseHTTPResponse") -> None:
    """Give the connection of an answer back, or close it if much of the body is unread."""
    try:
        left = reply.length_remaining
        if left is not None and left <= LONGEST_REST:
            reply.drain_conn()
    finally:
        reply.close()


def foreign_errors() -> tuple[type[Exception], ...]:
    """What urllib3 and a body raise."""
    from urllib3.exceptions import HTTPError

    return (HTTPError, IncompleteBodyError, OSError)


def failure_of(error: Exception, place: str) -> Exception:
    """What a foreign error is in ours: `TransientError` for what may pass, else a `StoreError`."""
    from urllib3 import exceptions as http

    if is_untrusted(error):
        return untrusted(error, place)
    if was_never_sent(error):
        checked = "the proxy in HTTP_PROXY or HTTPS_PROXY" if isinstance(error, http.ProxyError) else "endpoint_url="
        what = f"could not connect; check {checked} and the network ({error})"
        return TransientError(RemoteConnectionError(f"{place}: {what}"), unsent=True)
    if isinstance(error, http.TimeoutError | TimeoutError):
        return TransientError(RemoteConnectionError(f"{place}: the server did not answer in time ({error})"))
    return TransientError(RemoteConnectionError(f"{place}: the connection was lost ({error})"))


def was_never_sent(error: Exception) -> bool:
    """Whether a request failed before any of it can have reached the server.

    urllib3 has a `ProxyError` also for a connection through a proxy that is lost when the request is on its way.
    """
    from urllib3 import exceptions as http

    if isinstance(error, http.ProxyError):
        cause = error.original_error
        return was_never_sent(cause) or str(cause).startswith("Tunnel connection failed")
    return isinstance(error, http.NewConnectionError | http.ConnectTimeoutError)


def is_untrusted(error: Exception) -> bool:
    """Whether a TLS connection failed for the certificate; other failures of TLS may pass."""
    said = str(error)
    return "CERTIFICATE_VERIFY_FAILED" in said or "doesn't match" in said


def untrusted(error: Exception, place: str) -> RemoteConnectionError:
    """The error for a certificate that was refused."""
    return RemoteConnectionError(
        f"{place}: the certificate of the server is not trusted; if it is your own, give verify= or set AWS_CA_BUNDLE "
        f"to the file of its authority ({error})"
    )
