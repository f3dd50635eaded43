"""Fixtures of the tests that look at single requests."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ebooklet.stores import addressing
from ebooklet.stores.access import Credentials, S3Access
from ebooklet.stores.s3 import S3Store
from tests.support.scripted import (
    Authority,
    Scripted,
    WebProxy,
    make_authority,
    scripted_server,
    web_proxy,
)

KEYS = Credentials("the-id", "hush-secret")

Stores = Callable[..., S3Store]


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy") or name == "REQUESTS_CA_BUNDLE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setattr(addressing.LEARNED, "_known", {})


@pytest.fixture
def web() -> Iterator[Scripted]:
    with scripted_server() as script:
        yield script


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    names = (
        "*.s3.us-east-1.amazonaws.com",
        "*.s3.eu-west-1.amazonaws.com",
        "*.s3.dualstack.eu-west-1.amazonaws.com",
        "s3.us-east-1.amazonaws.com",
        "*.example.org",
    )
    return make_authority(tmp_path_factory.mktemp("tls"), *names)


@pytest.fixture
def secure(authority: Authority) -> Iterator[Scripted]:
    with scripted_server(authority.context) as script:
        yield script


@pytest.fixture
def company() -> Iterator[WebProxy]:
    with web_proxy() as proxy:
        yield proxy


@pytest.fixture
def aws(secure: Scripted, company: WebProxy, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """All of AWS: whatever host is asked for, the scripted server answers."""
    company.lead_to = secure.port
    monkeypatch.setenv("HTTPS_PROXY", company.url)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    return secure


@pytest.fixture
def stores() -> Iterator[Callable[..., S3Store]]:
    """Makes stores, and closes them."""
    made = []

    def make(endpoint: str | None = None, credentials: Credentials | None = KEYS, **options: Any) -> S3Store:
        values = {"bucket": "lab", "endpoint_url": endpoint, "retries": 0, "transport": "urllib3"} | options
        made.append(S3Store(S3Access(**values), credentials))
        return made[-1]

    yield make
    for store in made:
        store.close()
