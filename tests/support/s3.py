"""The real S3 server, for tests marked `s3`; import the fixture `real_s3` into a conftest or a test module."""

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from cfdb.testing import S3Server
from ebooklet.stores.access import Credentials, S3Access
from ebooklet.stores.s3 import S3Store

VARIABLES = ("CFDB_S3_ENDPOINT", "CFDB_S3_KEY", "CFDB_S3_SECRET", "CFDB_S3_BUCKET")


class RealS3(S3Server):
    """A bucket on a real server.

    Attributes
    ----------
    stranger : Credentials or None
        Keys of a user without rights in the bucket.
    """

    def __init__(self) -> None:
        endpoint, key, secret, bucket = (os.environ[name] for name in VARIABLES)
        parts = urlsplit(endpoint)
        super().__init__(parts.hostname or "", parts.port or 80, bucket, access_key_id=key, access_key=secret)
        stranger = (os.environ.get("CFDB_S3_STRANGER_KEY"), os.environ.get("CFDB_S3_STRANGER_SECRET"))
        self.stranger = Credentials(stranger[0], stranger[1]) if stranger[0] and stranger[1] else None

    def store(self, credentials: Credentials | None = None, *, page_size: int = 1000, **options: Any) -> S3Store:
        """A store of the bucket, with the owner's keys unless others are given."""
        own = Credentials(self.access_key_id, self.access_key)
        access = S3Access(**({"bucket": self.bucket, "endpoint_url": self.endpoint_url} | options))
        return S3Store(access, None if access.anonymous else credentials or own, page_size=page_size)

    def client(self) -> Any:
        """boto3's own client, for what our stores do not do."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.access_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )


@pytest.fixture
def real_s3() -> Iterator[RealS3]:
    """The real server with an empty bucket."""
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    if missing:
        reason = f"no real S3 server: {', '.join(missing)} not set; run `make test-s3`"
        if os.environ.get("CFDB_REQUIRE_S3") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    server = RealS3()
    server.reset()
    yield server
    server.reset()
