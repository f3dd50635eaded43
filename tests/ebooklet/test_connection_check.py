"""What `check()` finds out, in how many requests, and that it leaves nothing behind."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from cfdb.testing import S3Server, s3_server
from ebooklet.checking import ConnectionReport
from ebooklet.connection import FolderConnection, S3Connection
from tests.ebooklet.stores.scripted_fixtures import nothing_configured, web
from tests.support.proxy import proxy_to
from tests.support.scripted import Reply, Scripted, Seen

__all__ = ["nothing_configured", "web"]

TRANSPORTS = ["urllib3", "boto3"]
LISTING = b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></ListBucketResult>'
DENIED = Reply(403, b"<Error><Code>AccessDenied</Code></Error>")


@pytest.fixture(scope="module")
def server() -> Any:
    with s3_server() as one:
        yield one


def connect(web: Scripted, **options: Any) -> S3Connection:
    given: dict[str, Any] = {"bucket": "lab", "db_key": "x.cfdb", "endpoint_url": web.url, "region": "us-east-1"}
    return S3Connection(**(given | {"access_key_id": "the-id", "access_key": "hush"} | options))


@pytest.mark.parametrize("transport", TRANSPORTS)
class TestAtAServer:
    def test_reading_takes_two_requests(self, server: S3Server, transport: Any) -> None:
        server.reset()
        with proxy_to(server.host, server.port) as proxy:
            found = server.connection("x.cfdb", endpoint_url=proxy.endpoint_url, transport=transport).check()
            assert proxy.traffic.requests.total() == found.n_requests == 2
        assert found.ok
        assert (found.reachable, found.bucket_exists, found.database_exists) == (True, True, False)
        assert (found.may_list, found.may_read, found.may_write, found.conditional_put) == (True, True, None, None)
        assert found.credentials == "access_key_id= and access_key="
        assert found.latency is not None
        assert 0 < found.latency < 60

    def test_writing_takes_three_more_and_leaves_nothing(self, server: S3Server, transport: Any) -> None:
        server.reset()
        conn = server.connection("x.cfdb", transport=transport)
        found = conn.check(write=True)
        assert (found.ok, found.may_write, found.conditional_put, found.n_requests) == (True, True, True, 5)
        assert list(conn.store(writable=True).list("")) == []

    def test_a_missing_bucket_is_told_and_not_made(self, server: S3Server, transport: Any) -> None:
        conn = server.connection("x.cfdb", bucket="nowhere-at-all", transport=transport, create_bucket=True)
        found = conn.check(write=True)
        assert (found.ok, found.reachable, found.bucket_exists, found.may_write) == (False, True, False, None)
        assert "there is no such bucket" in str(found)
        assert not conn.check().bucket_exists


@pytest.mark.parametrize("transport", TRANSPORTS)
class TestTrouble:
    def test_nobody_answers(self, transport: Any) -> None:
        found = S3Connection(
            bucket="lab", db_key="x", endpoint_url="http://127.0.0.1:1", anonymous=True, transport=transport
        ).check()
        assert (found.ok, found.reachable, found.bucket_exists, found.n_requests) == (False, False, None, 1)
        assert "could not connect" in found.problems[0]

    def test_no_keys(self, web: Scripted, transport: Any) -> None:
        found = connect(web, access_key_id=None, access_key=None, anonymous=False, transport=transport).check()
        assert not found.ok
        assert "set AWS_ACCESS_KEY_ID" in found.problems[0]
        assert web.seen == []
        assert (found.credentials, found.n_requests, found.latency) == ("not known", 0, None)

    def test_everything_is_denied(self, web: Scripted, transport: Any) -> None:
        web.answer = lambda _: DENIED
        found = connect(web, transport=transport).check(write=True)
        assert (found.ok, found.reachable, found.may_list, found.may_read, found.may_write) == (
            False,
            True,
            False,
            False,
            False,
        )
        assert "keys of access_key_id= and access_key=" in found.problems[0]
        assert "hush" not in str(found) + repr(found)
        assert "the-id" not in str(found) + repr(found)

    def test_listing_is_not_needed(self, web: Scripted, transport: Any) -> None:
        web.answer = lambda seen: DENIED if seen.method == "GET" else Reply(headers={"ETag": '"e"'})
        found = connect(web, transport=transport).check()
        assert (found.ok, found.may_list, found.may_read, found.database_exists) == (True, False, True, True)

    def test_a_server_that_ignores_conditions(self, web: Scripted, transport: Any) -> None:
        web.answer = lambda seen: Reply(200, LISTING if seen.method == "GET" else b"", {"ETag": '"e"'})
        found = connect(web, transport=transport).check(write=True)
        assert (found.ok, found.may_write, found.conditional_put) == (False, True, False)
        assert "single_writer=True" in found.problems[0]
        assert [seen.method for seen in web.seen] == ["GET", "HEAD", "PUT", "PUT", "DELETE"]

    def test_a_refused_second_write_does_not_tell_about_conditions(self, web: Scripted, transport: Any) -> None:
        def answer(seen: Seen) -> Reply:
            again = seen.method == "PUT" and [one.method for one in web.seen].count("PUT") > 1
            return DENIED if again else Reply(200, LISTING if seen.method == "GET" else b"", {"ETag": '"e"'})

        web.answer = answer
        found = connect(web, transport=transport).check(write=True)
        assert (found.ok, found.may_write, found.conditional_put) == (False, True, None)
        assert "not known" in found.problems[0]
        assert "single_writer" not in str(found)

    def test_a_server_without_conditions(self, web: Scripted, transport: Any) -> None:
        def answer(seen: Seen) -> Reply:
            if "if-none-match" in seen.headers:
                return Reply(501, b"<Error><Code>NotImplemented</Code></Error>")
            return Reply(200, LISTING if seen.method == "GET" else b"", {"ETag": '"e"'})

        web.answer = answer
        found = connect(web, transport=transport).check(write=True)
        assert (found.ok, found.may_write, found.conditional_put, found.n_requests) == (False, True, False, 5)

    def test_clocks_are_compared(self, web: Scripted, transport: Any) -> None:
        date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
        web.answer = lambda seen: Reply(200, LISTING if seen.method == "GET" else b"", {"ETag": '"e"', "Date": date})
        found = connect(web, transport=transport).check()
        assert found.clock_skew is not None
        assert 3590 < found.clock_skew < 3610
        assert not found.ok
        assert "clock" in found.problems[0]


def test_a_public_url_is_checked_without_listing(web: Scripted) -> None:
    found = S3Connection(db_url=f"{web.url}/x.cfdb").check()
    assert (found.ok, found.database_exists, found.may_read, found.credentials) == (True, True, True, "")
    assert [seen.method for seen in web.seen] == ["HEAD"]
    assert found.n_requests == 1
    with pytest.raises(ValueError, match="read-only"):
        S3Connection(db_url=f"{web.url}/x.cfdb").check(write=True)


def test_a_folder_is_checked_and_left_as_it_was(tmp_path: Path) -> None:
    conn = FolderConnection(str(tmp_path), "x.cfdb")
    found = conn.check(write=True)
    assert (found.ok, found.may_write, found.conditional_put, found.database_exists) == (True, True, True, False)
    assert list(conn.store().list("")) == []


def test_a_folder_that_cannot_be_there_is_told(tmp_path: Path) -> None:
    found = FolderConnection(str(tmp_path / "no" / "such"), "x.cfdb").check(write=True)
    assert (found.ok, found.may_write) == (False, False)


def test_a_report_is_a_text() -> None:
    found = ConnectionReport("s3://lab/x", reachable=True, may_read=True, credentials="SSO", latency=0.02, n_requests=2)
    assert str(found).splitlines() == [
        "s3://lab/x: works",
        "  server answers:      yes",
        "  bucket exists:       not known",
        "  database exists:     not known",
        "  may list:            not known",
        "  may read:            yes",
        "  may write:           not known",
        "  conditional writes:  not known",
        "  credentials:         SSO",
        "  clock of the server: not known",
        "  latency:             20 ms",
        "  requests:            2",
    ]
