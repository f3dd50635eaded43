"""ebooklet: a key-value file that syncs with S3."""

import logging

from ebooklet.changes import ChangeRecord, Changes
from ebooklet.connection import S3Connection
from ebooklet.errors import (
    AccessDeniedError,
    BucketMissingError,
    ClosedError,
    ConflictError,
    CorruptFileError,
    CorruptValueError,
    EBookletError,
    FileFormatError,
    LockTimeoutError,
    NoCredentialsError,
    OfflineError,
    PushError,
    ReadOnlyError,
    RemoteConnectionError,
    RemoteExistsError,
    RemoteIntegrityError,
    RemoteMissingError,
    StoreError,
    UnsupportedFormatError,
    UntrustedFileError,
    UUIDMismatchError,
)
from ebooklet.groups import RemoteConnGroup
from ebooklet.local.salvage import SalvageReport, salvage
from ebooklet.local.verify import VerifyReport, verify
from ebooklet.mapping import EBooklet
from ebooklet.opening import open, open_ebooklet, open_rcg  # noqa: A004
from ebooklet.publishing import PushResult

# names of the released package
Change = Changes
EVariableLengthValue = EBooklet
Error = EBookletError

logging.getLogger("ebooklet").addHandler(logging.NullHandler())  # nothing is printed unless asked

__all__ = [
    "AccessDeniedError",
    "BucketMissingError",
    "Change",
    "ChangeRecord",
    "Changes",
    "ClosedError",
    "ConflictError",
    "CorruptFileError",
    "CorruptValueError",
    "EBooklet",
    "EBookletError",
    "EVariableLengthValue",
    "Error",
    "FileFormatError",
    "LockTimeoutError",
    "NoCredentialsError",
    "OfflineError",
    "PushError",
    "PushResult",
    "ReadOnlyError",
    "RemoteConnGroup",
    "RemoteConnectionError",
    "RemoteExistsError",
    "RemoteIntegrityError",
    "RemoteMissingError",
    "S3Connection",
    "SalvageReport",
    "StoreError",
    "UUIDMismatchError",
    "UnsupportedFormatError",
    "UntrustedFileError",
    "VerifyReport",
    "open",
    "open_ebooklet",
    "open_rcg",
    "salvage",
    "verify",
]
