"""What do a session, a client or a configuration of boto3 say about a connection? Nothing is imported for it."""

from collections.abc import Mapping
from typing import Any

from ebooklet.stores.access import check_endpoint
from ebooklet.stores.addressing import is_aws

#: Options of botocore's `Config` that only change where requests go.
_OF_THE_PLACE = {"use_dualstack_endpoint", "use_fips_endpoint", "ignore_configured_endpoint_urls"}
_OF_S3 = {"use_accelerate_endpoint", "use_dualstack_endpoint", "us_east_1_regional_endpoint", "use_arn_region"}
_UNDERSTOOD = {
    "region_name": "region",
    "connect_timeout": "connect_timeout",
    "read_timeout": "read_timeout",
    "max_pool_connections": "threads",
}
_FURTHER = _OF_THE_PLACE | {
    "account_id_endpoint_mode",
    "auth_scheme_preference",
    "client_cert",
    "client_context_params",
    "defaults_mode",
    "disable_request_compression",
    "endpoint_discovery_enabled",
    "inject_host_prefix",
    "parameter_validation",
    "proxies",
    "proxies_config",
    "request_checksum_calculation",
    "request_min_compression_size_bytes",
    "response_checksum_validation",
    "retries",
    "s3",
    "s3_disable_express_session_auth",
    "sigv4a_signing_region_set",
    "signature_version",
    "tcp_keepalive",
    "user_agent",
    "user_agent_appid",
    "user_agent_extra",
}


def is_client(session: Any) -> bool:
    """Whether a client of boto3 was given; else it is a session of boto3 or botocore.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if hasattr(session, "meta") and hasattr(session, "_request_signer"):
        return True
    if callable(getattr(session, "get_credentials", None)):
        return False
    raise TypeError(f"session= is a session or client of boto3, not {type(session).__name__}")


def credentials_of(session: Any) -> Any:
    """The credentials that a session or client has, as an object of botocore; None if it has none."""
    return session._request_signer._credentials if is_client(session) else session.get_credentials()


def options_of_session(session: Any) -> dict[str, Any]:
    """Parameters of `S3Connection` that a session or client stands for, besides its credentials."""
    if not is_client(session):
        core = getattr(session, "_session", session)
        region = getattr(session, "region_name", None) or core.get_config_variable("region")
        profile = core.get_config_variable("profile")
        own = {"region": region, "profile": None if profile == "default" else profile}
        default = options_of_config(core.get_default_client_config())
        return default | {name: value for name, value in own.items() if value is not None}
    meta, config = session.meta, session.meta.config
    wanted = {name: getattr(config, name, None) for name in (*_UNDERSTOOD, "proxies", "retries", "signature_version")}
    s3 = {name: value for name, value in (config.s3 or {}).items() if name in {*_OF_S3, "addressing_style"}}
    found = options_of_config({name: value for name, value in wanted.items() if value is not None} | {"s3": s3})
    if not is_aws(meta.endpoint_url):
        found["endpoint_url"] = check_endpoint(meta.endpoint_url)
    return found | {"region": meta.region_name}


def options_of_config(config: Any) -> dict[str, Any]:
    """Parameters of `S3Connection` that a `Config` of botocore, or a dict of its options, stands for.

    `proxies` and `boto_options`, which only a configuration can say, are those of `S3Access`.

    Raises
    ------
    TypeError
        If it is neither, or has an option that botocore does not have.
    ValueError
        If a timeout is None.

    Examples
    --------
    >>> options_of_config({"read_timeout": 20, "retries": {"total_max_attempts": 5}})
    {'read_timeout': 20, 'retries': 4}
    """
    if config is None:
        return {}
    said = config if isinstance(config, Mapping) else getattr(config, "_user_provided_options", None)
    if said is None:
        raise TypeError(f"config= is a Config of botocore or a dict of its options, not {type(config).__name__}")
    unknown = sorted(set(said) - {*_UNDERSTOOD, *_FURTHER})
    if unknown:
        raise TypeError(f"config= has {unknown}, which botocore's Config has not")
    for name in ("connect_timeout", "read_timeout"):
        if name in said and said[name] is None:
            raise ValueError(f"config= has {name}=None, for ever; give seconds")
    found = {own: said[name] for name, own in _UNDERSTOOD.items() if said.get(name) is not None}
    rest = {name: value for name, value in said.items() if name not in _UNDERSTOOD and value is not None}
    found |= _attempts(rest.pop("retries", None) or {})
    s3 = dict(rest.pop("s3", None) or {})
    if s3.get("addressing_style"):
        found["addressing_style"] = s3.pop("addressing_style")
    if s3:
        rest["s3"] = s3
    if _is_unsigned(rest.get("signature_version")):
        found["anonymous"] = True
    if "signature_version" in rest and (found.get("anonymous") or rest["signature_version"] in {"s3v4", "v4"}):
        del rest["signature_version"]  # what is done anyhow
    proxies = rest.pop("proxies", None) or {}
    if proxies:
        found["proxies"] = tuple(proxies.items())
    if rest:
        found["boto_options"] = tuple(rest.items())
    return found


def needs_boto3(options: tuple[tuple[str, Any], ...]) -> list[str]:
    """Those of the further options that only boto3's own way of sending requests honours."""
    names = [name for name, _ in options if name not in _OF_THE_PLACE | {"s3"}]
    return names + [f"s3.{name}" for name in dict(options).get("s3", {}) if name not in _OF_S3]


def _attempts(retries: Mapping[str, Any]) -> dict[str, int]:
    if retries.get("total_max_attempts") is not None:
        return {"retries": retries["total_max_attempts"] - 1}
    return {} if retries.get("max_attempts") is None else {"retries": retries["max_attempts"]}


def _is_unsigned(version: Any) -> bool:
    """Whether this is botocore's `UNSIGNED`, which is an object of its own."""
    return version is not None and not isinstance(version, str)
