"""What does an answer of an S3 or HTTP server mean, in our errors?"""

from dataclasses import dataclass

from ebooklet.errors import (
    AccessDeniedError,
    BucketMissingError,
    ClockSkewError,
    CredentialsExpiredError,
    GroupTooLargeError,
    NotModifiedError,
    ObjectArchivedError,
    ObjectNotFoundError,
    PreconditionFailedError,
    RemoteConnectionError,
    ShortObjectError,
    StorageFullError,
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
    storage_class : str
        Where the object is, if that is the reason.
    """

    status: int
    code: str = ""
    message: str = ""
    storage_class: str = ""


TRANSIENT_CODES = frozenset(
    {
        "BadDigest",  # damaged on the way
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
    }
)
TRANSIENT_STATUS = frozenset({429, 500, 502, 503, 504})

_GONE = (ObjectNotFoundError, "there is no such object")
_DENIED = (AccessDeniedError, "access denied")
_EXPIRED = (CredentialsExpiredError, "the session token has expired; get new credentials")
_SKEWED = (ClockSkewError, "the clock of this computer differs too much from the server's; set it")
_ACCOUNT = (AccessDeniedError, "the account is closed or suspended; ask who pays for it")
_KEY_OF_SSE = (
    AccessDeniedError,
    "the key of the encryption is of no use; check sse_kms_key_id= and its rights",
)
_FULL = (StorageFullError, "the storage is full, or its quota is used up; make room or have it raised")
_LARGE = (GroupTooLargeError, "the object is larger than the server takes; choose smaller group_bytes=")
_REFUSED = (UnsupportedOperationError, "the server does not offer this operation")
_NO_BUCKET = (BucketMissingError, "there is no such bucket; check bucket= and endpoint_url=")
_ELSEWHERE = (StoreError, "the bucket is in another region or at another endpoint; give region=")
_OPTION = (StoreError, "the server does not know this value of an option of the connection")
_OVERTAKEN = (PreconditionFailedError, "another write came at the same time")

#: What the codes of S3 and of the servers that speak it mean.
BY_CODE: dict[str, tuple[type[StoreError], str]] = {
    "NoSuchKey": _GONE,
    "NoSuchVersion": _GONE,
    "NoSuchUpload": (ObjectNotFoundError, "the upload in parts is over, or was dropped by the server"),
    "InvalidPart": (StoreError, "a part of an upload has got lost; push again"),
    "NoSuchBucket": _NO_BUCKET,
    "InvalidBucketName": (BucketMissingError, "no bucket can have this name; check bucket="),
    "BucketAlreadyExists": (AccessDeniedError, "the bucket belongs to somebody else; choose another name"),
    "BucketAlreadyOwnedByYou": (PreconditionFailedError, "the bucket is there already"),
    "AccessDenied": _DENIED,
    "Forbidden": _DENIED,
    "UnauthorizedAccess": _DENIED,
    "AllAccessDisabled": _ACCOUNT,
    "AccountProblem": _ACCOUNT,
    "UserSuspended": _ACCOUNT,
    "InvalidAccessKeyId": (AccessDeniedError, "the server does not know this access key id"),
    "SignatureDoesNotMatch": (AccessDeniedError, "the secret access key does not fit the access key id"),
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "InvalidToken": (AccessDeniedError, "the session token is not valid; get new credentials"),
    "RequestTimeTooSkewed": _SKEWED,
    "RequestExpired": _SKEWED,
    "KMS.AccessDeniedException": _KEY_OF_SSE,
    "KMS.DisabledException": _KEY_OF_SSE,
    "KMS.KMSInvalidStateException": _KEY_OF_SSE,
    "KMS.NotFoundException": _KEY_OF_SSE,
    "PreconditionFailed": (PreconditionFailedError, "the object is not in the expected state"),
    "ConditionalRequestConflict": _OVERTAKEN,
    "NotModified": (NotModifiedError, "the object has not changed"),
    "InvalidRange": (ShortObjectError, "the object ends before the range that was asked for"),
    "NotImplemented": _REFUSED,
    "MethodNotAllowed": (UnsupportedOperationError, "the server does not allow this operation"),
    "PermanentRedirect": _ELSEWHERE,
    "TemporaryRedirect": _ELSEWHERE,
    "IllegalLocationConstraintException": _ELSEWHERE,
    "AuthorizationHeaderMalformed": (StoreError, "the bucket is in another region; give region="),
    "QuotaExceeded": _FULL,
    "XMinioStorageFull": _FULL,
    "XMinioAdminBucketQuotaExceeded": _FULL,
    "InsufficientStorage": _FULL,
    "EntityTooLarge": _LARGE,
    "MaxMessageLengthExceeded": _LARGE,
    "KeyTooLongError": (StoreError, "the key is longer than the server takes; choose a shorter db_key="),
    "InvalidStorageClass": _OPTION,
    "InvalidTag": _OPTION,
    "InvalidEncryptionAlgorithmError": _OPTION,
    "AccessControlListNotSupported": (UnsupportedOperationError, "the bucket takes no access control lists; omit acl="),
    "InvalidObjectState": (ObjectArchivedError, "the object is in an archive"),
    "RestoreAlreadyInProgress": (ObjectArchivedError, "the object is being restored from its archive"),
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
    413: "EntityTooLarge",
    416: "InvalidRange",
    501: "NotImplemented",
    507: "InsufficientStorage",
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
    code = answer.code if answer.code in BY_CODE else _BY_STATUS.get(answer.status, "")
    if code in BY_CODE:
        kind, meaning = BY_CODE[code]
        if code == "InvalidObjectState":
            meaning += f"{_named(answer)}; ebooklet.restore(connection) asks for it, which takes minutes to hours"
        return kind(f"{place}: {meaning} ({said})")
    return StoreError(f"{place}: {answer.message or 'the server refused the request'} ({said})")


def _named(answer: Answer) -> str:
    return f" (storage class {answer.storage_class})" if answer.storage_class else ""
