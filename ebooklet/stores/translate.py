"""What does an answer of an S3 or HTTP server mean, in our errors?"""

from dataclasses import dataclass

from ebooklet.errors import (
    AccessDeniedError,
    BucketMissingError,
    CredentialsExpiredError,
    NotModifiedError,
    ObjectNotFoundError,
    PreconditionFailedError,
    RemoteConnectionError,
    ShortObjectError,
    StoreError,
    UnsupportedOperationError,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said instead of doing what was asked.

    Attributes
    ----------
    status : int
        HTTP status.
    code, message : str
        S3's code and text; empty for plain HTTP and for answers without a body.
    """

    status: int
    code: str = ""
    message: str = ""


TRANSIENT_CODES = frozenset(
    {
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
    }
)
TRANSIENT_STATUS = frozenset({429, 500, 502, 503, 504})

_BY_CODE: dict[str, tuple[type[StoreError], str]] = {
    "NoSuchKey": (ObjectNotFoundError, "there is no such object"),
    "NoSuchBucket": (BucketMissingError, "there is no such bucket; check bucket= and endpoint_url="),
    "AccessDenied": (AccessDeniedError, "access denied"),
    "InvalidAccessKeyId": (AccessDeniedError, "the server does not know this access key id"),
    "SignatureDoesNotMatch": (AccessDeniedError, "the secret access key does not fit the access key id"),
    "ExpiredToken": (CredentialsExpiredError, "the session token has expired; get new credentials"),
    "TokenRefreshRequired": (CredentialsExpiredError, "the session token has expired; get new credentials"),
    "InvalidToken": (AccessDeniedError, "the session token is not valid; get new credentials"),
    "RequestTimeTooSkewed": (AccessDeniedError, "the clock of this computer differs too much from the server's"),
    "PreconditionFailed": (PreconditionFailedError, "the object is not in the expected state"),
    "ConditionalRequestConflict": (PreconditionFailedError, "another write came at the same time"),
    "NotModified": (NotModifiedError, "the object has not changed"),
    "InvalidRange": (ShortObjectError, "the object ends before the range that was asked for"),
    "NotImplemented": (UnsupportedOperationError, "the server does not offer this operation"),
    "MethodNotAllowed": (UnsupportedOperationError, "the server does not allow this operation"),
    "PermanentRedirect": (StoreError, "the bucket is in another region or at another endpoint; give region="),
    "AuthorizationHeaderMalformed": (StoreError, "the bucket is in another region; give region="),
}
_BY_STATUS: dict[int, str] = {
    301: "PermanentRedirect",
    304: "NotModified",
    307: "PermanentRedirect",
    401: "AccessDenied",
    403: "AccessDenied",
    404: "NoSuchKey",
    405: "MethodNotAllowed",
    409: "ConditionalRequestConflict",
    410: "NoSuchKey",
    412: "PreconditionFailed",
    416: "InvalidRange",
    501: "NotImplemented",
}


def is_transient(answer: Answer) -> bool:
    """Whether the same request may succeed later."""
    return answer.status in TRANSIENT_STATUS or answer.code in TRANSIENT_CODES


def error_of(answer: Answer, place: str) -> StoreError:
    """The error for an answer; `place` names bucket, key and endpoint.

    Examples
    --------
    >>> error_of(Answer(403, "InvalidAccessKeyId"), "s3://bucket/key")
    AccessDeniedError('s3://bucket/key: the server does not know this access key id (403 InvalidAccessKeyId)')
    """
    said = f"{answer.status} {answer.code}".strip()
    if is_transient(answer):
        detail = f": {answer.message}" if answer.message else ""
        return RemoteConnectionError(f"{place}: the server is not able to answer now ({said}{detail})")
    if answer.status in {400, 501} and "not implemented" in answer.message.lower():
        return UnsupportedOperationError(f"{place}: the server does not offer this operation ({said})")
    code = answer.code if answer.code in _BY_CODE else _BY_STATUS.get(answer.status, "")
    if code in _BY_CODE:
        kind, meaning = _BY_CODE[code]
        return kind(f"{place}: {meaning} ({said})")
    return StoreError(f"{place}: {answer.message or 'the server refused the request'} ({said})")
