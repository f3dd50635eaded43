"""The parts stores are made of: retries, bodies, the table of errors, dialects, the probe."""

import errno
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebooklet.errors import (
    AccessDeniedError,
    BucketMissingError,
    ClockSkewError,
    CredentialsExpiredError,
    NotModifiedError,
    ObjectNotFoundError,
    PreconditionFailedError,
    RemoteConnectionError,
    ShortObjectError,
    StoreError,
    UncertainOutcomeError,
    UnsupportedOperationError,
)
from ebooklet.stores import retry
from ebooklet.stores.body import (
    LARGEST_PIECE,
    IncompleteBodyError,
    bare_etag,
    count_in,
    http_date,
    parse_content_range,
    quoted_etag,
    read_bounded,
    read_exactly,
    read_range,
)
from ebooklet.stores.dialect import Dialect, dialect_of
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.probe import probe_conditional_put
from ebooklet.stores.protocol import OVERWRITE, Body, ObjectMeta, ObjectStore, PutMode
from ebooklet.stores.retry import RetryBudget, RetryPolicy, TransientError, persist
from ebooklet.stores.translate import Answer, error_of, is_transient
from ebooklet.stores.wrappers import Fault, FaultyStore


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", taken.append)
    return taken


def failing(times: int) -> Callable[[], str]:
    left = [times]

    def action() -> str:
        if left[0]:
            left[0] -= 1
            raise TransientError(RemoteConnectionError("down")) from OSError(errno.EPIPE, "pipe")
        return "done"

    return action


class TestRetries:
    def test_it_goes_on_until_it_works(self, pauses: list[float]) -> None:
        assert persist(failing(3), RetryPolicy(retries=3), RetryBudget()) == "done"
        assert len(pauses) == 3

    def test_pauses_grow_and_are_bounded(self) -> None:
        policy = RetryPolicy(shortest=0.1, longest=1.0)
        for attempt in range(12):
            full = min(1.0, 0.1 * 2**attempt)
            assert all(full / 2 <= policy.pause(attempt) <= full for _ in range(20))

    def test_after_the_last_attempt_the_error_says_how_many(self, pauses: list[float]) -> None:
        with pytest.raises(RemoteConnectionError, match=r"down \(3 attempts\)") as caught:
            persist(failing(3), RetryPolicy(retries=2), RetryBudget())
        assert isinstance(caught.value.__cause__, OSError)

    def test_no_attempt_begins_after_the_deadline(self, pauses: list[float]) -> None:
        with pytest.raises(RemoteConnectionError):
            persist(failing(3), RetryPolicy(retries=9, deadline=0.01, shortest=0.5), RetryBudget())
        assert pauses == []

    def test_a_server_in_trouble_soon_sees_each_request_once(self, pauses: list[float]) -> None:
        budget = RetryBudget(tokens=20)
        attempts = []
        for _ in range(5):
            action = failing(9)
            count = [0]

            def counted(action: Callable[[], str] = action, count: list[int] = count) -> str:
                count[0] += 1
                return action()

            with pytest.raises(RemoteConnectionError):
                persist(counted, RetryPolicy(retries=2), budget)
            attempts.append(count[0])
        assert attempts == [3, 3, 1, 1, 1]
        for _ in range(RetryBudget.COST):
            persist(lambda: None, RetryPolicy(), budget)
        assert budget.take()

    def test_other_errors_pass_at_once(self, pauses: list[float]) -> None:
        with pytest.raises(AccessDeniedError):
            persist(_deny, RetryPolicy(), RetryBudget())
        assert pauses == []


def _deny() -> None:
    raise AccessDeniedError("no")


def source(body: bytes, step: int = 7) -> Callable[[int], bytes]:
    at = [0]

    def read(size: int) -> bytes:
        piece = body[at[0] : at[0] + min(size, step)]
        at[0] += len(piece)
        return piece

    return read


class TestBodies:
    @given(st.binary(max_size=60), st.integers(0, 80), st.integers(1, 9))
    def test_exactly_as_much_as_announced(self, body: bytes, length: int, step: int) -> None:
        read = source(body, step)
        if length <= len(body):
            assert read_exactly(read, length) == body[:length]
        else:
            with pytest.raises(IncompleteBodyError):
                read_exactly(read, length)

    def test_a_false_length_asks_for_bounded_memory(self) -> None:
        asked: list[int] = []

        def read(size: int) -> bytes:
            asked.append(size)
            return b""

        with pytest.raises(IncompleteBodyError):
            read_exactly(read, 1 << 60)
        assert asked == [LARGEST_PIECE]

    @given(st.binary(max_size=60), st.integers(0, 60))
    def test_a_limit_holds_with_and_without_a_length(self, body: bytes, limit: int) -> None:
        expected = body if len(body) <= limit else None
        assert read_bounded(source(body), len(body), limit) == expected
        assert read_bounded(source(body), None, limit) == expected
        assert read_bounded(source(body), None, None) == body

    @given(st.binary(min_size=1, max_size=60), st.data())
    def test_a_range_is_found_in_every_kind_of_answer(self, body: bytes, data: st.DataObject) -> None:
        start = data.draw(st.integers(0, len(body) - 1))
        length = data.draw(st.integers(1, len(body) - start))
        part = body[start : start + length]
        where = f"bytes {start}-{start + length - 1}/{len(body)}"
        answers = [
            (part, 206, where, length),
            (part, 206, None, length),
            (part, 206, where.rpartition("/")[0] + "/*", None),
            (body, 200, None, len(body)),
            (body, 200, None, None),
        ]
        for sent, status, content_range, size in answers:
            found = read_range(
                source(sent),
                start=start,
                length=length,
                status=status,
                content_range=content_range,
                size=size,
                place="x",
            )
            assert found == part

    @pytest.mark.parametrize(
        ("status", "content_range", "size", "error"),
        [
            (206, "bytes 5-9/10", 5, ShortObjectError),
            (206, None, 5, ShortObjectError),
            (200, None, 10, ShortObjectError),
            (206, "bytes 0-9/100", 10, StoreError),
        ],
    )
    def test_the_wrong_range_is_an_error(
        self, status: int, content_range: str | None, size: int, error: type[Exception]
    ) -> None:
        with pytest.raises(error, match="place"):
            read_range(
                source(bytes(100)),
                start=5,
                length=10,
                status=status,
                content_range=content_range,
                size=size,
                place="place",
            )

    def test_headers_that_make_no_sense_are_passed_over(self) -> None:
        assert parse_content_range("items 1-2/3") is None
        assert parse_content_range(None) is None
        assert http_date({"date": "yesterday"}, "date") is None
        assert http_date({}, "date") is None

    @given(st.text() | st.from_regex(r"Mon, [0-9]{1,30} Jan [0-9]{1,30} [0-9:]{1,30} [+-][0-9]{1,30}", fullmatch=True))
    def test_times_are_read_or_not(self, text: str) -> None:
        found = http_date({"date": text}, "date")
        assert found is None or found.tzinfo is not None

    @given(st.text() | st.from_regex(r"bytes [0-9]{1,30}-[0-9]{1,30}/[0-9]{1,5000}", fullmatch=True))
    def test_counts_are_read_or_not(self, text: str) -> None:
        found, count = parse_content_range(text), count_in(text)
        assert found is None or text.startswith("bytes ")
        assert count is None or int(text) == count

    def test_etags_lose_and_get_quotes(self) -> None:
        for etag in ("abc", 'W/"abc"'):
            assert bare_etag(quoted_etag(etag)) == etag
        assert bare_etag(None) == ""


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (Answer(404, "NoSuchKey"), ObjectNotFoundError, "no such object"),
        (Answer(404), ObjectNotFoundError, "no such object"),
        (Answer(404, "NoSuchBucket"), BucketMissingError, "check bucket="),
        (Answer(403, "AccessDenied"), AccessDeniedError, "denied"),
        (Answer(403), AccessDeniedError, "denied"),
        (Answer(401), AccessDeniedError, "denied"),
        (Answer(400, "ExpiredToken"), CredentialsExpiredError, "expired"),
        (Answer(403, "RequestTimeTooSkewed"), ClockSkewError, "clock"),
        (Answer(304), NotModifiedError, "not changed"),
        (Answer(412), PreconditionFailedError, "expected state"),
        (Answer(409, "ConditionalRequestConflict"), PreconditionFailedError, "same time"),
        (Answer(416), ShortObjectError, "ends before"),
        (Answer(501), UnsupportedOperationError, "not offer"),
        (Answer(400, "InvalidArgument", "A header is Not Implemented"), UnsupportedOperationError, "not offer"),
        (Answer(301), StoreError, "region="),
        (Answer(400, "AuthorizationHeaderMalformed"), StoreError, "region="),
        (Answer(503, "SlowDown", "wait"), RemoteConnectionError, "503 SlowDown: wait"),
        (Answer(418, "Teapot", "short and stout"), StoreError, "short and stout"),
    ],
)
def test_answers_have_their_errors(answer: Answer, error: type[StoreError], says: str) -> None:
    found = error_of(answer, "s3://bucket/key")
    assert type(found) is error
    assert says in str(found)
    assert str(found).startswith("s3://bucket/key: ")
    assert is_transient(answer) is (error is RemoteConnectionError)


class Heedless(MemoryStore):
    """A store that ignores conditions, as some servers do."""

    def __init__(self) -> None:
        super().__init__()
        self.dialect = Dialect()

    def put(self, key: str, body: Body, mode: PutMode = OVERWRITE) -> ObjectMeta:
        return super().put(key, body)


class Curious(MemoryStore):
    """A store of which nothing is known yet."""

    def __init__(self) -> None:
        super().__init__()
        self.dialect = Dialect()


class TestDialects:
    def test_a_bucket_has_one_dialect_per_process(self) -> None:
        assert dialect_of("https://a.org", "b") is dialect_of("https://a.org", "b")
        assert dialect_of("https://a.org", "b") is not dialect_of("https://a.org", "c")

    def test_what_was_learned_here_is_not_overwritten_by_memories(self) -> None:
        dialect = Dialect(quoted_if_match=False)
        dialect.update({"quoted_if_match": True, "conditional_put": False, "unknown": 1})
        assert dialect.to_dict() == {"conditional_put": False, "quoted_if_match": False}
        dialect.update({"conditional_put": "nonsense"})
        assert dialect.conditional_put is False

    def test_the_probe_tells_a_store_that_ignores_conditions(self) -> None:
        store = Heedless()
        assert probe_conditional_put(store, "probe") is False
        assert store.supports_conditional_put is False
        assert list(store.list("")) == []

    def test_the_probe_asks_once(self) -> None:
        store: ObjectStore = FaultyStore(Curious())
        assert probe_conditional_put(store, "probe") is True
        assert isinstance(store, FaultyStore)
        store.faults = [Fault("conditional_put", UnsupportedOperationError("asked again"))]
        assert probe_conditional_put(store, "probe") is True

    def test_a_store_without_conditions_says_so(self) -> None:
        store = FaultyStore(Curious(), Fault("conditional_put", UnsupportedOperationError("501")))
        assert probe_conditional_put(store, "probe") is False

    def test_without_an_answer_nothing_is_learned(self) -> None:
        store = FaultyStore(Curious(), Fault("conditional_put", UncertainOutcomeError("lost")))
        with pytest.raises(UncertainOutcomeError):
            probe_conditional_put(store, "probe")
        assert store.supports_conditional_put is None
