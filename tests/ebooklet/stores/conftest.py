from collections.abc import Iterator

import pytest

from cfdb.testing import S3Server, s3_server
from tests.support.proxy import Proxy, proxy_to


@pytest.fixture(scope="package")
def moto_server() -> Iterator[S3Server]:
    """One server for all tests of this folder."""
    with s3_server() as server:
        yield server


@pytest.fixture
def server(moto_server: S3Server) -> Iterator[S3Server]:
    """The server with an empty bucket."""
    yield moto_server
    moto_server.reset()


@pytest.fixture
def proxy(server: S3Server) -> Iterator[Proxy]:
    """A proxy in front of the server."""
    with proxy_to(server.host, server.port) as proxy:
        yield proxy
