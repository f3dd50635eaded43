"""Where do requests to a bucket go, and who signs them?

What is given by hand or in variables is understood here. boto3, which takes long to import, is asked where its rules
are needed: configuration files and profiles, logins, roles and keys that expire, and servers of AWS with special names.
"""

import os
import re
from pathlib import Path

from ebooklet.stores.access import (
    Credentials,
    Keys,
    Lender,
    S3Access,
    Settings,
    check_endpoint,
    region_of_environment,
    verify_of,
)
from ebooklet.stores.addressing import is_aws
from ebooklet.stores.boto import OF_ENVIRONMENT, OF_PARAMETERS, PROFILES, settings_of

_FILE = "AWS_CONFIG_FILE"
_USUAL_REGION = re.compile(r"(?:us|eu|ap|sa|ca|me|af|il|mx)-(?:north|south|east|west|central){1,2}-\d{1,2}")
# Variables that choose other servers of AWS.
_SPECIAL = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")


def settings_for(access: S3Access, credentials: Keys | None) -> Settings:
    """Everything that a request needs to know.

    Parameters
    ----------
    access : S3Access
        Bucket and options.
    credentials : Credentials or Lender, optional
        Who signs, given by hand.

    Returns
    -------
    Settings

    Raises
    ------
    NoCredentialsError
        If keys are needed and there are none.
    InvalidURLError
        If a variable gives something else than the URL of a server.

    Examples
    --------
    >>> access = S3Access("lab", endpoint_url="http://127.0.0.1:9000", region="nowhere-1")
    >>> settings_for(access, Credentials("id", "secret")).region
    'nowhere-1'
    """
    if not access.endpoint_url:
        _endpoint_of_environment()  # boto3's own error would not name the variable
    by_hand = not isinstance(credentials, Lender) and not access.boto_options
    plain = _plain_settings(access, credentials) if by_hand and not _needs_profile(access) else None
    return settings_of(access, credentials) if plain is None else plain


def _plain_settings(access: S3Access, credentials: Keys | None) -> Settings | None:
    """Settings from parameters and variables; None where they do not suffice."""
    given = credentials if isinstance(credentials, Credentials) else None
    found = given or (None if access.anonymous else _keys_of_environment())
    if found is None and not access.anonymous:
        return None
    region = access.region or region_of_environment() or "us-east-1"
    endpoint = access.endpoint_url or _endpoint_of_environment()
    if endpoint is None:
        if not _USUAL_REGION.fullmatch(region) or any(os.environ.get(name) for name in _SPECIAL):
            return None
        endpoint = f"https://s3.{region}.amazonaws.com"
    style = access.addressing_style
    virtual = style != "path" if is_aws(endpoint) else style == "virtual"
    keys = None if found is None else lambda: found
    source = "" if found is None else OF_PARAMETERS if given else OF_ENVIRONMENT
    return Settings(endpoint, region, virtual, keys, verify_of(access.verify), source)


def _needs_profile(access: S3Access) -> bool:
    """Whether a configuration file may say something that has not been said by hand."""
    if access.profile or any(os.environ.get(name) for name in PROFILES):
        return True
    try:
        text = Path(os.environ.get(_FILE) or "~/.aws/config").expanduser().read_text()
    except (OSError, RuntimeError):
        return False
    words = ["ca_bundle", "s3"]
    if not access.region:
        words.append("region")
    if not access.endpoint_url:
        words += ["endpoint", "services"]
    return any(word in text for word in words)


def _keys_of_environment() -> Credentials | None:
    key_id, key = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not key_id or not key or os.environ.get("AWS_CREDENTIAL_EXPIRATION"):
        return None
    return Credentials(key_id, key, os.environ.get("AWS_SESSION_TOKEN") or os.environ.get("AWS_SECURITY_TOKEN") or None)


def _endpoint_of_environment() -> str | None:
    if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    name = next((name for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") if os.environ.get(name)), None)
    return None if name is None else check_endpoint(os.environ[name], name)
