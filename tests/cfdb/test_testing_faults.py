"""A server for tests that is slow and fails when told to, and counts what it is asked."""

import http.client
import time
from typing import Any

import pytest

import cfdb
from cfdb.testing import Fault, S3Server, s3_server
from ebooklet.errors import AccessDeniedError, PushError, RemoteConnectionError, StoreError

pytest_plugins = ["cfdb.pytest_plugin"]


@pytest.fixture(scope="module")
def shared() -> Any:
    with s3_server() as server:
        yield server


@pytest.fixture
def server(shared: S3Server) -> Any:
    shared.reset()
    shared.reset_traffic()
    yield shared
    shared.inject()


def store_of(server: S3Server, **parameters: Any) -> Any:
    return server.connection("x", **parameters).store(writable=True)


@pytest.mark.parametrize("kind", ["error", "slow_down", "reset", "cut"])
def test_what_passes_is_tried_again(server: S3Server, kind: Any) -> None:
    store = store_of(server)
    store.put("x", b"a" * 10_000)
    server.reset_traffic()
    server.inject(Fault(kind, "GET", times=2))
    assert store.get("x").body == b"a" * 10_000
    assert server.traffic.requests == {"GET": 3}
    assert server.traffic.faults == {kind: 2}


def test_an_answer_that_is_lost_was_carried_out(server: S3Server) -> None:
    server.inject(Fault("lost", "PUT"))
    with pytest.raises(StoreError):
        store_of(server, retries=0).put("x", b"hello")
    assert server.list_keys() == ["x"]


def test_a_connection_that_breaks_before_leaves_nothing(server: S3Server) -> None:
    server.inject(Fault("reset", "PUT"))
    with pytest.raises(StoreError):
        store_of(server, retries=0).put("x", b"hello")
    assert server.list_keys() == []


def test_no_answer_in_time_is_an_error_of_the_client(server: S3Server) -> None:
    server.inject(Fault("timeout", "GET", seconds=2, times=None))
    with pytest.raises(RemoteConnectionError):
        store_of(server, retries=0, read_timeout=0.2).get("x")


def test_a_refusal_is_final(server: S3Server) -> None:
    server.inject(Fault("denied", times=None))
    with pytest.raises(AccessDeniedError):
        store_of(server).get("x")
    assert server.traffic.total == 1
    assert server.traffic.statuses == {403: 1}


def test_faults_are_chosen_by_operation_key_and_number(server: S3Server) -> None:
    store = store_of(server, retries=0)
    for key in ("a", "b"):
        store.put(key, key.encode())
    server.inject(Fault("error", "GET", key="/b$", skip=1, times=1))
    outcomes: list[Any] = []
    for key in ("a", "b", "b", "b"):
        try:
            outcomes.append(store.get(key).body)
        except StoreError:
            outcomes.append("failed")
    assert outcomes == [b"a", b"b", "failed", b"b"]
    assert list(store.list(""))


def test_rates_are_shares_and_always_the_same(server: S3Server) -> None:
    def run() -> int:
        server.reset_traffic()
        server.inject(Fault("slow_down", "HEAD", rate=0.3, times=None))
        for _ in range(60):
            connection = http.client.HTTPConnection(server.host, server.port)
            connection.request("HEAD", f"/{server.bucket}/none")
            connection.getresponse().read()
            connection.close()
        return server.traffic.faults["slow_down"]

    first = run()
    assert 8 <= first <= 30
    assert run() == first


def test_what_the_server_asks_itself_is_neither_counted_nor_hit(server: S3Server) -> None:
    store_of(server).put("x", b"1")
    server.reset_traffic()
    server.inject(Fault("denied", times=None))
    assert server.list_keys() == ["x"]
    server.reset()
    assert server.list_keys() == []
    assert server.traffic.total == 0


def test_latency_delays_every_request(server: S3Server) -> None:
    store = store_of(server)
    store.put("x", b"1")
    server.latency = 0.15
    before = time.monotonic()
    store.get("x")
    store.get("x")
    server.latency = 0
    assert time.monotonic() - before >= 0.3  # it sleeps at least that long: no upper bound is claimed
    with pytest.raises(ValueError, match="latency"), s3_server(latency=-1):
        pass


def test_a_push_that_fails_keeps_everything_and_can_be_repeated(server: S3Server, tmp_path: Any) -> None:
    conn = server.connection("t.cfdb", retries=0)
    with cfdb.open_edataset(conn, tmp_path / "t.cfdb", "n", push_on_close=False) as ds:
        ds["t"] = ("x", [1, 2, 3])
        server.inject(Fault("error", "PUT", times=None))
        with pytest.raises(PushError):
            ds.push()
        server.inject()
        assert ds.push()
    with cfdb.open_edataset(conn, cache=None) as ds:
        assert ds["t"].values.tolist() == [1, 2, 3]
    assert server.traffic.requests["LIST"] == 0


@pytest.mark.parametrize("wrong", [{"kind": "bad"}, {"kind": "cut", "operation": "FETCH"}, {"kind": "cut", "rate": 2}])
def test_faults_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"of a fault: (choose|give)"):
        Fault(**wrong)
    with pytest.raises(TypeError, match=r"no cfdb\.testing\.Fault"), s3_server(faults=["cut"]):
        pass


def test_the_fixture_gives_a_server(cfdb_s3_server: S3Server) -> None:
    assert cfdb_s3_server.list_keys() == []


def test_rates_by_kind(server: S3Server) -> None:
    with s3_server(faults={"slow_down": 1.0}) as other:
        with pytest.raises(StoreError):
            store_of(other, retries=1).get("x")
        assert other.traffic.faults == {"slow_down": 2}
