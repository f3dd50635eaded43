"""Which fixtures does cfdb give to the tests of its users?

In a ``conftest.py``: ``pytest_plugins = ["cfdb.pytest_plugin"]``.
"""

from collections.abc import Iterator

import pytest

from cfdb.testing import S3Server, s3_server


@pytest.fixture
def cfdb_s3_server() -> Iterator[S3Server]:
    """An S3 server of its own for every test: see `cfdb.testing.s3_server`."""
    with s3_server() as server:
        yield server
