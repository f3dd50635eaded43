import logging
import subprocess
import sys
import threading
import urllib.request
from textwrap import dedent

import pytest

from cfdb.testing import s3_server
from ebooklet.connection import S3Connection
from ebooklet.errors import BucketMissingError, RemoteConnectionError


def test_a_server_has_an_empty_bucket_of_its_own() -> None:
    with s3_server() as one, s3_server(bucket="by-name") as two:
        for server, body in ((one, b"one"), (two, b"two")):
            store = server.connection("x").store(writable=True)
            assert list(store.list("")) == []
            store.put("x", body)
        assert one.bucket != two.bucket == "by-name"
        assert one.connection("x").store().get("x").body == b"one"
        one.reset()
        assert list(one.connection("x").store().list("")) == []
        assert two.connection("x").store().get("x").body == b"two"


def test_connections_take_further_parameters() -> None:
    with s3_server() as server:
        conn = server.connection("x", threads=3, access_key_id="other")
        assert isinstance(conn, S3Connection)
        assert (conn.bucket, conn.endpoint_url, conn.threads) == (server.bucket, server.endpoint_url, 3)


def test_objects_have_public_urls() -> None:
    with s3_server() as server:
        server.connection("a b").store(writable=True).put("a b", b"hello")
        with urllib.request.urlopen(server.url("a b"), timeout=10) as answer:
            assert answer.read() == b"hello"
        assert server.connection("a b", db_url=server.url("a b")).store().head("a b").size == 5


def test_nothing_is_left_behind_also_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    level, threads = logging.getLogger("werkzeug").level, set(threading.enumerate())
    made: list[S3Connection] = []

    def fail() -> None:
        with s3_server(bucket="left-behind") as server:
            made.append(server.connection("x", retries=0))
            made[0].store(writable=True).put("x", b"x")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert logging.getLogger("werkzeug").level == level
    assert set(threading.enumerate()) <= threads
    with pytest.raises(RemoteConnectionError):
        made[0].store().get("x")
    with s3_server() as other, pytest.raises(BucketMissingError):
        other.connection("x", bucket="left-behind").store().get("x")
    assert capfd.readouterr() == ("", "")


def test_a_server_left_open_until_the_end_of_the_process_prints_nothing() -> None:
    script = """
        import cfdb
        from cfdb.testing import s3_server
        block = s3_server()
        ds = cfdb.open_edataset(block.__enter__().connection("x.cfdb"), cache=None, flag="n")
        ds["a"] = ("x", [1.0])
        ds.push()
    """
    done = subprocess.run([sys.executable, "-c", dedent(script)], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
