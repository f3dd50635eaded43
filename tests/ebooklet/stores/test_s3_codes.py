"""Every code of S3 has its error, whoever sends the request."""

from collections.abc import Callable

import pytest

from ebooklet import errors
from ebooklet.stores.access import Credentials
from ebooklet.stores.retry import RetryPolicy
from ebooklet.stores.s3 import S3Store
from ebooklet.stores.translate import BY_CODE, TRANSIENT_CODES
from tests.ebooklet.stores.scripted_fixtures import Stores, nothing_configured, stores, web
from tests.ebooklet.stores.test_s3 import TRANSPORTS
from tests.support.scripted import Reply, Scripted

__all__ = ["nothing_configured", "stores", "web"]

# What a user has to see, written down once more: status, code, error, built-in class that catches it, words.
CODES: list[tuple[int, str, type[Exception], type[Exception], str]] = [
    (404, "NoSuchKey", errors.ObjectNotFoundError, FileNotFoundError, "no such object"),
    (404, "NoSuchVersion", errors.ObjectNotFoundError, FileNotFoundError, "no such object"),
    (404, "NoSuchUpload", errors.ObjectNotFoundError, FileNotFoundError, "upload"),
    (400, "InvalidPart", errors.StoreError, Exception, "push again"),
    (404, "NoSuchBucket", errors.BucketMissingError, FileNotFoundError, "check bucket="),
    (400, "InvalidBucketName", errors.BucketMissingError, FileNotFoundError, "check bucket="),
    (409, "BucketAlreadyExists", errors.AccessDeniedError, PermissionError, "another name"),
    (409, "BucketAlreadyOwnedByYou", errors.PreconditionFailedError, Exception, "there already"),
    (403, "AccessDenied", errors.AccessDeniedError, PermissionError, "access denied"),
    (403, "Forbidden", errors.AccessDeniedError, PermissionError, "access denied"),
    (403, "UnauthorizedAccess", errors.AccessDeniedError, PermissionError, "access denied"),
    (403, "AllAccessDisabled", errors.AccessDeniedError, PermissionError, "account"),
    (403, "AccountProblem", errors.AccessDeniedError, PermissionError, "account"),
    (403, "UserSuspended", errors.AccessDeniedError, PermissionError, "account"),
    (403, "InvalidAccessKeyId", errors.AccessDeniedError, PermissionError, "access key id"),
    (403, "SignatureDoesNotMatch", errors.AccessDeniedError, PermissionError, "secret access key"),
    (400, "ExpiredToken", errors.CredentialsExpiredError, PermissionError, "expired"),
    (400, "ExpiredTokenException", errors.CredentialsExpiredError, PermissionError, "expired"),
    (400, "TokenRefreshRequired", errors.CredentialsExpiredError, PermissionError, "expired"),
    (400, "InvalidToken", errors.AccessDeniedError, PermissionError, "session token"),
    (403, "RequestTimeTooSkewed", errors.ClockSkewError, PermissionError, "clock"),
    (403, "RequestExpired", errors.ClockSkewError, PermissionError, "clock"),
    (400, "KMS.AccessDeniedException", errors.AccessDeniedError, PermissionError, "sse_kms_key_id="),
    (400, "KMS.DisabledException", errors.AccessDeniedError, PermissionError, "sse_kms_key_id="),
    (400, "KMS.KMSInvalidStateException", errors.AccessDeniedError, PermissionError, "sse_kms_key_id="),
    (400, "KMS.NotFoundException", errors.AccessDeniedError, PermissionError, "sse_kms_key_id="),
    (412, "PreconditionFailed", errors.PreconditionFailedError, Exception, "expected state"),
    (409, "ConditionalRequestConflict", errors.PreconditionFailedError, Exception, "same time"),
    (304, "NotModified", errors.NotModifiedError, Exception, "not changed"),
    (416, "InvalidRange", errors.ShortObjectError, OSError, "ends before"),
    (501, "NotImplemented", errors.UnsupportedOperationError, NotImplementedError, "not offer"),
    (405, "MethodNotAllowed", errors.UnsupportedOperationError, NotImplementedError, "not allow"),
    (301, "PermanentRedirect", errors.StoreError, Exception, "region="),
    (307, "TemporaryRedirect", errors.StoreError, Exception, "region="),
    (400, "IllegalLocationConstraintException", errors.StoreError, Exception, "region="),
    (400, "AuthorizationHeaderMalformed", errors.StoreError, Exception, "region="),
    (403, "QuotaExceeded", errors.StorageFullError, OSError, "quota"),
    (507, "XMinioStorageFull", errors.StorageFullError, OSError, "full"),
    (400, "XMinioAdminBucketQuotaExceeded", errors.StorageFullError, OSError, "quota"),
    (507, "InsufficientStorage", errors.StorageFullError, OSError, "full"),
    (400, "EntityTooLarge", errors.GroupTooLargeError, ValueError, "group_bytes="),
    (400, "MaxMessageLengthExceeded", errors.GroupTooLargeError, ValueError, "group_bytes="),
    (400, "KeyTooLongError", errors.StoreError, Exception, "db_key="),
    (400, "InvalidStorageClass", errors.StoreError, Exception, "option"),
    (400, "InvalidTag", errors.StoreError, Exception, "option"),
    (400, "InvalidEncryptionAlgorithmError", errors.StoreError, Exception, "option"),
    (400, "AccessControlListNotSupported", errors.UnsupportedOperationError, NotImplementedError, "acl="),
    (403, "InvalidObjectState", errors.ObjectArchivedError, OSError, r"DEEP_ARCHIVE.*ebooklet\.restore"),
    (409, "RestoreAlreadyInProgress", errors.ObjectArchivedError, OSError, "being restored"),
]
PASSING = [
    "BadDigest",
    "BandwidthLimitExceeded",
    "IncompleteBody",
    "InternalError",
    "OperationAborted",
    "RequestLimitExceeded",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottledException",
    "ThrottlingException",
    "TooManyRequests",
    "TooManyRequestsException",
    "XAmzContentSHA256Mismatch",
]
KEYS = Credentials("the-id", "hush-secret", "hush-token")


def body_of(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>so</Message><StorageClass>DEEP_ARCHIVE</StorageClass></Error>".encode()


@pytest.fixture(params=TRANSPORTS)
def store(web: Scripted, stores: Stores, request: pytest.FixtureRequest) -> S3Store:
    return stores(web.url, KEYS, transport=request.param)


def test_no_code_is_left_out() -> None:
    assert [code for _, code, *_ in CODES] == list(BY_CODE)
    assert set(PASSING) == TRANSIENT_CODES


@pytest.mark.parametrize(("status", "code", "error", "built_in", "says"), CODES, ids=[row[1] for row in CODES])
def test_a_code(
    web: Scripted,
    store: S3Store,
    status: int,
    code: str,
    error: type[Exception],
    built_in: type[Exception],
    says: str,
) -> None:
    # boto3 asks for the region by a HEAD of its own when it is redirected.
    reply = Reply(status, b"" if status == 304 else body_of(code))
    web.answer = lambda seen: Reply() if seen.method == "HEAD" else reply
    with pytest.raises(error, match=says) as caught:
        store.get("root")
    found = caught.value
    assert isinstance(found, built_in)
    if code not in {"NoSuchUpload", "PermanentRedirect", "TemporaryRedirect"}:
        assert type(found).__mro__.index(error) <= 1
    assert "s3://lab/root" in str(found)
    assert "hush" not in str(found) + repr(found)
    if isinstance(found, errors.AccessDeniedError):
        assert "signed with the keys of access_key_id= and access_key=" in str(found)


@pytest.mark.parametrize("code", PASSING)
def test_what_may_pass_is_sent_again(web: Scripted, store: S3Store, code: str) -> None:
    replies = iter([Reply(400, body_of(code)), Reply(200, b"hello", {"ETag": '"e"'})])
    web.answer = lambda _: next(replies)
    store._policy = RetryPolicy(retries=1, shortest=0.001)
    assert store.get("root").body == b"hello"
    assert len(web.seen) == 2


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, errors.AccessDeniedError),
        (403, errors.AccessDeniedError),
        (404, errors.ObjectNotFoundError),
        (405, errors.UnsupportedOperationError),
        (410, errors.ObjectNotFoundError),
        (412, errors.PreconditionFailedError),
        (413, errors.GroupTooLargeError),
        (501, errors.UnsupportedOperationError),
        (507, errors.StorageFullError),
    ],
)
@pytest.mark.parametrize(
    "use", [lambda store: store.head("root"), lambda store: store.get("root")], ids=["head", "get"]
)
def test_an_answer_without_words_is_understood_by_its_status(
    web: Scripted, store: S3Store, status: int, error: type[Exception], use: Callable[[S3Store], object]
) -> None:
    web.answer = lambda _: Reply(status)
    with pytest.raises(error, match=str(status)):
        use(store)


def test_a_refusal_names_that_nothing_was_signed(web: Scripted, stores: Stores) -> None:
    web.answer = lambda _: Reply(403)
    with pytest.raises(errors.AccessDeniedError, match="as anonymous=True says"):
        stores(web.url, None, anonymous=True).get("root")


def test_a_server_that_says_when_is_asked_then(web: Scripted, store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("ebooklet.stores.retry.time.sleep", waited.append)
    replies = iter([Reply(503, headers={"Retry-After": "7"}), Reply(200, b"hello", {"ETag": '"e"'})])
    web.answer = lambda _: next(replies)
    store._policy = RetryPolicy(retries=1)
    assert store.get("root").body == b"hello"
    assert waited == [7.0]


def test_nobody_waits_longer_than_the_deadline(web: Scripted, store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("ebooklet.stores.retry.time.sleep", waited.append)
    web.answer = lambda _: Reply(503, headers={"Retry-After": "3600"})
    store._policy = RetryPolicy(retries=3)
    with pytest.raises(errors.RemoteConnectionError, match="1 attempts"):
        store.get("root")
    assert waited == []


def test_a_server_in_trouble_soon_sees_each_request_once(web: Scripted, store: S3Store) -> None:
    web.answer = lambda _: Reply(503)
    store._policy = RetryPolicy(retries=9, shortest=0.0)
    for _ in range(20):
        with pytest.raises(ConnectionError):
            store.get("root")
    assert len(web.seen) == 20 + 100  # a hundred retries are all that one connection has in reserve
    assert store.ledger.stats().retries == 100
