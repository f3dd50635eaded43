"""How do we speak to boto3, and what do its errors mean? The only module that imports boto3 and botocore."""

import os
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from ebooklet.errors import NoCredentialsError, RemoteConnectionError, StoreError
from ebooklet.stores.access import Credentials, Keys, Lender, S3Access, Settings, region_of_environment
from ebooklet.stores.body import IncompleteBodyError, count_in
from ebooklet.stores.pool import is_untrusted, untrusted, was_never_sent
from ebooklet.stores.retry import TransientError
from ebooklet.stores.sessions import credentials_of, is_client
from ebooklet.stores.translate import Answer, error_of, is_transient
from ebooklet.stores.transport import refused

_PROBE = "any"
WAYS_OUT = (
    "give access_key_id= and access_key=, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose profile=, "
    "or read public data with anonymous=True"
)

OF_PARAMETERS = "access_key_id= and access_key="
OF_ENVIRONMENT = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
PROFILES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
_WITHOUT_PROFILE = frozenset({"env", "container-role", "iam-role"})
_SOURCES = {
    "env": OF_ENVIRONMENT,
    "shared-credentials-file": "the credentials file",
    "config-file": "the configuration file",
    "custom-process": "credential_process",
    "sso": "SSO",
    "login": "a login",
    "assume-role": "an assumed role",
    "assume-role-with-web-identity": "the role of a web identity",
    "container-role": "the role of this container",
    "iam-role": "the role of this machine",
}


def make_client(access: S3Access, credentials: Keys | None) -> Any:
    """A boto3 client for one bucket: keys by hand, else boto3's chain, else unsigned. Sends nothing but what boto3's
    chain itself needs.

    Raises
    ------
    ImportError
        If boto3 is not installed.
    NoCredentialsError
        If keys are needed and there are none.
    """
    try:
        from botocore import UNSIGNED
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise ImportError(f"s3://{access.bucket} needs boto3: pip install 'cfdb[ebooklet]'") from error
    options = _options_of(access)
    keys: dict[str, Any] = {}
    try:
        session = _session_for(access, credentials)
        if isinstance(credentials, Credentials):
            keys["aws_access_key_id"] = credentials.access_key_id
            keys["aws_secret_access_key"] = credentials.access_key
            keys["aws_session_token"] = credentials.session_token
        elif access.anonymous or not _chain_has_keys(session, access):
            options["signature_version"] = UNSIGNED
        client = session.client(
            "s3",
            endpoint_url=access.endpoint_url,
            region_name=access.region or session.region_name or region_of_environment() or "us-east-1",
            # True would be taken for an order to ignore the variables for authorities.
            verify=None if access.verify is True else access.verify,
            config=Config(**options),
            **keys,
        )
    except (BotoCoreError, ClientError) as error:
        failure = failure_of(error, f"s3://{access.bucket}")
        raise (failure.error if isinstance(failure, TransientError) else failure) from error
    client.meta.events.register("before-sign.s3.PutObject", _no_expect)
    client.meta.events.register("before-parse.s3.*", _whole_or_nothing)
    return client


def _options_of(access: S3Access) -> dict[str, Any]:
    """What botocore's `Config` is made of."""
    # Newer checksums are unknown to many servers.
    options: dict[str, Any] = {
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        **dict(access.boto_options),
        "connect_timeout": access.connect_timeout,
        "read_timeout": access.read_timeout,
        "max_pool_connections": max(10, access.threads + 2),
        "retries": {"total_max_attempts": 1, "mode": "standard"},
    }
    if access.addressing_style is not None:
        options["s3"] = options.get("s3", {}) | {"addressing_style": access.addressing_style}
    if access.proxies:
        options["proxies"] = dict(access.proxies)
    return options


def settings_of(access: S3Access, credentials: Keys | None) -> Settings:
    """What boto3 makes of configuration, profile, chain and AWS's rules: it prepares a request, which is not sent."""
    place = f"s3://{access.bucket}"
    client = make_client(access, credentials)
    try:
        url, region = _prepared(client, access.bucket, place)
        found = _signer_of(client)
        source = source_of(client, access, credentials)
        verify = client._endpoint.http_session._verify
    finally:
        client.close()
    parts = urlsplit(url)
    virtual = parts.netloc.startswith(f"{access.bucket}.")
    host = parts.netloc.removeprefix(f"{access.bucket}.") if virtual else parts.netloc
    path = parts.path.removesuffix(f"/{_PROBE}")
    path = path if virtual else path.removesuffix(f"/{access.bucket}")
    return Settings(
        endpoint=f"{parts.scheme}://{host}{path}",
        region=region,
        virtual=virtual,
        keys=None if found is None else _keys_of(found, place),
        verify=verify,
        source=source,
    )


def source_of(client: Any, access: S3Access, credentials: Keys | None) -> str:
    """Where the keys of a client come from; empty if it does not sign."""
    found = _signer_of(client)
    if found is None:
        return ""
    if isinstance(credentials, Credentials):
        return OF_PARAMETERS
    method = str(getattr(found, "method", None) or "")
    name = _SOURCES.get(method, method)
    if isinstance(credentials, Lender):
        return f"session= ({name})" if name and method != "explicit" else "session="
    profile = access.profile or next((os.environ[one] for one in PROFILES if os.environ.get(one)), None)
    return f"{name} (profile {profile!r})" if profile and method not in _WITHOUT_PROFILE else name


def _signer_of(client: Any) -> Any:
    return None if client.meta.config.signature_version is _unsigned() else client._request_signer._credentials


class _PreparedError(Exception):
    """Carries a request of botocore that is not to be sent."""

    def __init__(self, request: Any) -> None:
        super().__init__("prepared")
        self.request = request


def _prepared(client: Any, bucket: str, place: str) -> tuple[str, str]:
    """Where botocore would send a request for an object, and the region it would sign for."""

    def stop(request: Any, **_: Any) -> None:
        raise _PreparedError(request)

    client.meta.events.register("before-send.s3.HeadObject", stop)
    try:
        client.head_object(Bucket=bucket, Key=_PROBE)
    except _PreparedError as prepared:
        request = prepared.request
    except foreign_errors() as error:
        failure = failure_of(error, place)
        raise (failure.error if isinstance(failure, TransientError) else failure) from error
    signed = str(request.headers.get("Authorization", b"")).partition("Credential=")[2].split("/")
    return str(request.url), signed[2] if len(signed) > 2 else str(client.meta.region_name)


def _unsigned() -> Any:
    from botocore import UNSIGNED

    return UNSIGNED


def _keys_of(found: Any, place: str) -> Callable[[], Credentials]:
    """The credentials of the moment; those that expire are renewed by botocore when their time comes."""

    def now() -> Credentials:
        try:
            frozen = found.get_frozen_credentials()
        except foreign_errors() as error:
            failure = failure_of(error, place)
            if isinstance(failure, TransientError):
                failure.unsent = True  # nothing was sent to the bucket
            raise failure from error
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    return now


def _session_for(access: S3Access, credentials: Keys | None) -> Any:
    """The session that is asked for keys and configuration: the one that was given, else one of our own."""
    if not isinstance(credentials, Lender):
        return _session(None if credentials else access.profile, access.region)
    import boto3

    lender = credentials.session
    if isinstance(lender, boto3.Session):
        return lender
    if not is_client(lender):
        return boto3.Session(botocore_session=lender, region_name=access.region)
    session = _session(None, access.region)
    session._session._credentials = credentials_of(lender)
    return session


def _session(profile: str | None, region: str | None) -> Any:
    import boto3
    from botocore.session import get_session

    core = get_session()
    core.register_component("data_loader", _loader())
    return boto3.Session(botocore_session=core, profile_name=profile, region_name=region)


@cache
def _loader() -> Any:
    # botocore's description of S3: reading it takes 0.1 s, which every connection would spend again.
    from botocore.session import get_session

    return get_session().get_component("data_loader")


def _chain_has_keys(session: Any, access: S3Access) -> bool:
    from botocore.credentials import Credentials as Fixed

    found = session.get_credentials()
    if found is not None:
        if type(found) is Fixed:
            Credentials(found.access_key, found.secret_key, found.token)  # refuses what an error would show
        return True
    if access.expects_keys:
        raise NoCredentialsError(
            f"the connection to s3://{access.bucket} was made with keys in another process, and keys do not travel: "
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY on the workers, or make the connection with "
            "pickle_credentials=True if the cluster is trusted"
        )
    if access.anonymous is False:
        raise NoCredentialsError(f"s3://{access.bucket}: no credentials were found; {WAYS_OUT}")
    return False


def _no_expect(request: Any, **_: Any) -> None:
    # `Expect: 100-continue` makes every PUT two round trips.
    del request.headers["Expect"]


def _whole_or_nothing(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    # botocore takes a listing that was cut short for the whole one.
    body = response_dict["body"]
    announced = count_in(response_dict["headers"].get("content-length"))
    if operation_model.http["method"] == "HEAD" or not isinstance(body, bytes) or announced is None:
        return
    if response_dict["status_code"] not in {204, 304} and len(body) < announced:
        raise IncompleteBodyError(f"the answer ended after {len(body)} of {announced} bytes")


def foreign_errors() -> tuple[type[Exception], ...]:
    """What boto3, botocore and a body raise."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    return (BotoCoreError, ClientError, ResponseParserError, IncompleteBodyError, ConnectionError, TimeoutError)


def _was_never_sent(error: Exception) -> bool:
    """Whether a request failed before any of it can have reached the server."""
    from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError

    if isinstance(error, ProxyConnectionError):
        return was_never_sent(error.kwargs["error"])
    return isinstance(error, EndpointConnectionError | ConnectTimeoutError)


def failure_of(error: Exception, place: str) -> Exception:
    """What a foreign error is in ours: `TransientError` for what may pass, else a `StoreError`."""
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        answer = _answer_of(error)
        if is_transient(answer):
            return TransientError(error_of(answer, place), wait=_wait_of(error))
        return refused(answer, place)
    if isinstance(error, _without_keys()):
        return NoCredentialsError(f"{place}: {error}; {WAYS_OUT}")
    if isinstance(error, boto.SSOError | boto.TokenRetrievalError):
        return NoCredentialsError(f"{place}: {error}; log in again")
    if is_untrusted(error):
        return untrusted(error, place)
    if isinstance(error, _network_errors()):
        failure = RemoteConnectionError(f"{place}: {_network_trouble(error)}")
        return TransientError(failure, unsent=_was_never_sent(error))
    return StoreError(f"{place}: {error}")


def _without_keys() -> tuple[type[Exception], ...]:
    from botocore import exceptions as boto

    return (
        boto.NoCredentialsError,
        boto.PartialCredentialsError,
        boto.CredentialRetrievalError,
        boto.ProfileNotFound,
    )


def _network_errors() -> tuple[type[Exception], ...]:
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    unreadable = (boto.IncompleteReadError, ResponseParserError, IncompleteBodyError)
    return (boto.HTTPClientError, boto.ConnectionError, OSError, *unreadable)


def _network_trouble(error: Exception) -> str:
    from botocore import exceptions as boto

    if isinstance(error, boto.EndpointConnectionError):
        return f"could not connect; check endpoint_url= and the network ({error})"
    if isinstance(error, boto.ConnectTimeoutError | boto.ReadTimeoutError):
        return f"the server did not answer in time ({error})"
    return f"the connection was lost ({error})"


def _answer_of(error: Any) -> Answer:
    said = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = str(said.get("Code", ""))
    kept = str(said.get("StorageClass") or "")
    return Answer(status, "" if code.isdigit() else code, str(said.get("Message") or ""), kept)


def _wait_of(error: Any) -> float:
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return float(count_in(headers.get("retry-after")) or 0)
