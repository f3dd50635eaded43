"""What the S3 store makes of a bad network and a server in trouble: the right bytes or the right error."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cfdb.testing import S3Server
from ebooklet.errors import (
    AccessDeniedError,
    PreconditionFailedError,
    RemoteConnectionError,
    StoreError,
    UncertainOutcomeError,
    UnsupportedOperationError,
)
from ebooklet.stores import dialect as dialects
from ebooklet.stores.protocol import CREATE, Overwrite, PutMode, Update
from ebooklet.stores.s3 import S3Store
from tests.ebooklet.stores.test_s3 import TRANSPORTS, s3_store
from tests.support.proxy import Proxy, Rule

BODY = bytes(range(256)) * 40

PASSING = [
    Rule("status", status=503),
    Rule("status", status=500),
    Rule("status", status=429),
    Rule("status", status=503, times=2),
    Rule("reset"),
    Rule("reset_mid"),
    Rule("truncate"),
    Rule("truncate", after=0),
    Rule("lost_ack"),
    Rule("stall", seconds=1.0),
]


def _id(rule: Any) -> str:
    return f"{rule.action}-{rule.status}x{rule.times}-{rule.after}" if isinstance(rule, Rule) else str(rule)


def again(rule: Rule, **changes: Any) -> Rule:
    values = {name: getattr(rule, name) for name in Rule.__slots__}
    return Rule(**(values | changes))


@pytest.fixture(autouse=True)
def new_dialects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialects, "_known", {})


@pytest.fixture(params=TRANSPORTS, autouse=True)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def patience(request: pytest.FixtureRequest) -> float:
    """Seconds a store waits for an answer: few where the server keeps silent, many where a busy machine may be slow."""
    rule = getattr(request.node, "callspec", None) and request.node.callspec.params.get("rule")
    return 0.4 if rule and rule.action == "stall" else 20.0


@pytest.fixture
def store(server: S3Server, proxy: Proxy, transport: str, patience: float) -> Iterator[S3Store]:
    s3_store(server).put("root", BODY)
    store = s3_store(server, endpoint_url=proxy.endpoint_url, read_timeout=patience, transport=transport)
    yield store
    store.close()


@pytest.mark.parametrize("rule", PASSING, ids=_id)
def test_reading_outlasts_what_passes(store: S3Store, proxy: Proxy, rule: Rule) -> None:
    proxy.rules = [again(rule, op="GET|RANGE")]
    assert store.get("root").body == BODY
    assert proxy.traffic.faults == rule.times
    proxy.rules = [again(rule, op="GET|RANGE")]
    assert store.get_range("root", 100, 5000) == BODY[100:5100]


@pytest.mark.parametrize("rule", PASSING, ids=_id)
def test_other_requests_outlast_it_too(store: S3Store, proxy: Proxy, rule: Rule) -> None:
    def broken(op: str) -> None:
        proxy.rules = [again(rule, op=op)]

    broken("HEAD")
    if rule.action not in {"reset_mid", "truncate"}:
        assert store.head("root").size == len(BODY)
    broken("LIST")
    assert [meta.key for meta in store.list("")] == ["root"]
    broken("PUT")
    store.put("other", b"x")
    broken("COPY")
    assert store.copy("other", "third") is True
    broken("BATCHDELETE")
    assert store.delete_many(["other"]) == {}
    broken("DELETE")
    store.delete("third")
    proxy.reset()
    assert [meta.key for meta in store.list("")] == ["root"]
    assert store.get("root").body == BODY


@pytest.mark.parametrize("rule", PASSING, ids=_id)
def test_what_does_not_pass_is_an_error_that_says_so(
    server: S3Server, proxy: Proxy, store: S3Store, transport: str, rule: Rule, patience: float
) -> None:
    store = s3_store(server, endpoint_url=proxy.endpoint_url, read_timeout=patience, retries=1, transport=transport)
    proxy.rules = [again(rule, op="GET|RANGE|PUT", times=100)]
    for use in (lambda: store.get("root"), lambda: store.get_range("root", 0, 5000)):
        with pytest.raises(RemoteConnectionError, match=r"root.*2 attempts"):
            use()
    assert proxy.traffic.faults == 4
    if rule.action not in {"reset_mid", "truncate"}:
        with pytest.raises(ConnectionError):
            store.put("root", BODY)


def test_a_wrong_byte_is_left_to_the_digests_above(store: S3Store, proxy: Proxy) -> None:
    # A store promises lengths; every object and entry is verified by digest where its meaning is known.
    proxy.rules = [Rule("corrupt", op="GET")]
    assert len(store.get("root").body) == len(BODY)


@pytest.mark.parametrize("mode", [CREATE, Update("?")], ids=["create", "update"])
@pytest.mark.parametrize(
    "rule",
    [
        Rule("status", status=500),
        Rule("status", status=503),
        Rule("reset"),
        Rule("lost_ack"),
        Rule("stall", seconds=1.0),
    ],
    ids=_id,
)
def test_a_conditional_write_without_an_answer_is_uncertain_and_never_repeated(
    store: S3Store, proxy: Proxy, rule: Rule, mode: PutMode
) -> None:
    if mode == CREATE:
        key, before = "new", None
    else:
        key, before = "root", store.head("root").etag
        mode = Update(before)
    proxy.reset()
    proxy.rules = [again(rule, op="CPUT", times=100)]
    with pytest.raises(UncertainOutcomeError, match=key):
        store.put(key, b"written", mode)
    assert proxy.reset().requests == {"CPUT": 1}
    applied = rule.action == "lost_ack"
    if applied:
        assert store.get(key).body == b"written"
    else:
        store.put(key, b"written", mode)


@pytest.mark.parametrize(
    ("status", "error"),
    [(412, PreconditionFailedError), (409, PreconditionFailedError), (501, UnsupportedOperationError)],
)
def test_refusals_of_a_conditional_write_are_told_apart(
    store: S3Store, proxy: Proxy, status: int, error: type[Exception]
) -> None:
    proxy.rules = [Rule("status", op="CPUT", status=status)]
    with pytest.raises(error, match="new"):
        store.put("new", b"", CREATE)
    assert proxy.traffic.requests["CPUT"] == 1
    assert store.supports_conditional_put is (status != 501)


def test_a_connection_that_was_never_made_is_tried_again_and_certain(server: S3Server, transport: str) -> None:
    store = s3_store(server, endpoint_url="http://127.0.0.1:9", retries=1, transport=transport)
    for mode in (Overwrite(), CREATE, Update("x")):
        with pytest.raises(RemoteConnectionError, match=r"check endpoint_url=.*2 attempts"):
            store.put("root", b"", mode)


def test_the_spelling_of_if_match_is_learned_when_a_refusal_makes_no_sense(
    store: S3Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ceph refuses the quoted ETag although it is the right one.
    proxy.rules = [Rule("status", op="CPUT", status=412)]
    etag = store.head("root").etag
    proxy.traffic.requests.clear()
    etag = store.put("root", b"second", Update(etag)).etag
    assert proxy.traffic.requests == {"CPUT": 2, "HEAD": 1}
    assert store.dialect.to_dict() == {"conditional_put": True, "quoted_if_match": False}
    proxy.traffic.requests.clear()
    store.put("root", b"third", Update(etag))
    assert proxy.traffic.requests == {"CPUT": 1}


def test_a_lost_race_is_not_mistaken_for_a_dialect(store: S3Store, proxy: Proxy) -> None:
    with pytest.raises(PreconditionFailedError):
        store.put("root", b"second", Update("0" * 32))
    assert store.dialect.quoted_if_match is None
    assert store.get("root").body == BODY


def test_a_refusal_is_not_repeated(store: S3Store, proxy: Proxy) -> None:
    proxy.rules = [Rule("status", op="GET", status=403, times=9)]
    with pytest.raises(AccessDeniedError, match="root"):
        store.get("root")
    assert proxy.traffic.requests["GET"] == 1


def test_bodies_beyond_the_limit_are_not_read(server: S3Server, store: S3Store, proxy: Proxy) -> None:
    s3_store(server).put("large", bytes(20_000_000))
    with pytest.raises(StoreError, match="large"):
        store.get("large", limit=1000)
    assert proxy.traffic.received < 10_000_000


def test_a_deadline_ends_the_patience(server: S3Server, proxy: Proxy, transport: str) -> None:
    store = s3_store(server, endpoint_url=proxy.endpoint_url, retries=50, deadline=0.3, transport=transport)
    proxy.rules = [Rule("status", op="GET", times=100)]
    with pytest.raises(RemoteConnectionError):
        store.get("root")
    assert proxy.traffic.requests["GET"] < 40


def test_nothing_waits_for_100_continue(store: S3Store, proxy: Proxy) -> None:
    proxy.reset()
    store.put("large", bytes(3_000_000))
    store.put("large2", bytes(3_000_000), CREATE)
    assert set(proxy.traffic.statuses) == {200}
    assert proxy.traffic.total == 2


def test_one_transport_serves_all_threads(store: S3Store, proxy: Proxy) -> None:
    made = set()
    threads = [threading.Thread(target=lambda: made.add(id(store._transport()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
