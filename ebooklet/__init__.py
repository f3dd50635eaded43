"""ebooklet: a key-value file that syncs with S3."""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ebooklet.batches import BatchResult
    from ebooklet.browser import Browser, browse
    from ebooklet.cache_manager import CacheManager
    from ebooklet.catalog import Catalog
    from ebooklet.changes import ChangeRecord, Changes
    from ebooklet.checking import ConnectionReport
    from ebooklet.comparing import ComparisonReport
    from ebooklet.connection import S3Connection
    from ebooklet.copying import CopyResult, copy_remote
    from ebooklet.errors import (
        AccessDeniedError,
        BucketMissingError,
        BudgetExceededError,
        ClockSkewError,
        ClosedError,
        CommitModeError,
        CommitUncertainError,
        ConcurrentCompactionError,
        ConflictError,
        CorruptFileError,
        CorruptValueError,
        CredentialsExpiredError,
        EBookletError,
        FileFormatError,
        ForkedHandleError,
        ForkError,
        GroupTooLargeError,
        InvalidURLError,
        LockLostError,
        LockTimeoutError,
        LockUnavailableError,
        NoCredentialsError,
        NotABookletError,
        ObjectArchivedError,
        ObjectNotFoundError,
        OfflineError,
        OverlapError,
        PreconditionFailedError,
        PushError,
        PushInProgressError,
        ReadOnlyError,
        RemoteConnectionError,
        RemoteExistsError,
        RemoteIntegrityError,
        RemoteMissingError,
        StorageFullError,
        StoreError,
        UncertainOutcomeError,
        UnsupportedFormatError,
        UnsupportedOperationError,
        UntrustedFileError,
        UploadsTooOldError,
        UUIDMismatchError,
        VersionExpiredError,
        VersionNotFoundError,
    )
    from ebooklet.estimate import Estimate
    from ebooklet.forking import Fork, ForkResult
    from ebooklet.groups import RemoteConnGroup
    from ebooklet.history import Log, Version
    from ebooklet.lease import break_lock, lock_info
    from ebooklet.local.salvage import SalvageReport, salvage
    from ebooklet.local.verify import VerifyReport, verify
    from ebooklet.mapping import EBooklet
    from ebooklet.opening import open, open_ebooklet, open_rcg  # noqa: A004
    from ebooklet.plan.push import GROUP_BYTES
    from ebooklet.prices import Prices
    from ebooklet.query import Q
    from ebooklet.release import VERSION as __version__
    from ebooklet.repairing import RebuildResult, fsck, rebuild
    from ebooklet.restoring import RestoreResult, restore
    from ebooklet.results import MergeResult, PushResult
    from ebooklet.stores.ledger import Budget, RequestStats, budget
    from ebooklet.sync.delete import DeleteResult
    from ebooklet.sync.fsck import FsckReport
    from ebooklet.sync.lease import LockInfo

    # names of the released package: see `ebooklet.compat`
    DEFAULT_GROUP_BYTES = GROUP_BYTES
    Change = Changes
    EVariableLengthValue = EBooklet
    Error = EBookletError

#: Where the public names live; each is loaded when it is first used.
_HOMES = {
    "AccessDeniedError": "ebooklet.errors:AccessDeniedError",
    "BatchResult": "ebooklet.batches:BatchResult",
    "BucketMissingError": "ebooklet.errors:BucketMissingError",
    "Browser": "ebooklet.browser:Browser",
    "Budget": "ebooklet.stores.ledger:Budget",
    "BudgetExceededError": "ebooklet.errors:BudgetExceededError",
    "CacheManager": "ebooklet.cache_manager:CacheManager",
    "ChangeRecord": "ebooklet.changes:ChangeRecord",
    "Changes": "ebooklet.changes:Changes",
    "ClockSkewError": "ebooklet.errors:ClockSkewError",
    "ClosedError": "ebooklet.errors:ClosedError",
    "CommitModeError": "ebooklet.errors:CommitModeError",
    "CommitUncertainError": "ebooklet.errors:CommitUncertainError",
    "ComparisonReport": "ebooklet.comparing:ComparisonReport",
    "ConcurrentCompactionError": "ebooklet.errors:ConcurrentCompactionError",
    "Catalog": "ebooklet.catalog:Catalog",
    "ConflictError": "ebooklet.errors:ConflictError",
    "ConnectionReport": "ebooklet.checking:ConnectionReport",
    "CopyResult": "ebooklet.copying:CopyResult",
    "CorruptFileError": "ebooklet.errors:CorruptFileError",
    "CorruptValueError": "ebooklet.errors:CorruptValueError",
    "CredentialsExpiredError": "ebooklet.errors:CredentialsExpiredError",
    "DeleteResult": "ebooklet.sync.delete:DeleteResult",
    "EBooklet": "ebooklet.mapping:EBooklet",
    "EBookletError": "ebooklet.errors:EBookletError",
    "Estimate": "ebooklet.estimate:Estimate",
    "FileFormatError": "ebooklet.errors:FileFormatError",
    "Fork": "ebooklet.forking:Fork",
    "ForkError": "ebooklet.errors:ForkError",
    "ForkResult": "ebooklet.forking:ForkResult",
    "ForkedHandleError": "ebooklet.errors:ForkedHandleError",
    "FsckReport": "ebooklet.sync.fsck:FsckReport",
    "GroupTooLargeError": "ebooklet.errors:GroupTooLargeError",
    "InvalidURLError": "ebooklet.errors:InvalidURLError",
    "LockInfo": "ebooklet.sync.lease:LockInfo",
    "LockLostError": "ebooklet.errors:LockLostError",
    "LockTimeoutError": "ebooklet.errors:LockTimeoutError",
    "LockUnavailableError": "ebooklet.errors:LockUnavailableError",
    "Log": "ebooklet.history:Log",
    "MergeResult": "ebooklet.results:MergeResult",
    "NoCredentialsError": "ebooklet.errors:NoCredentialsError",
    "NotABookletError": "ebooklet.errors:NotABookletError",
    "ObjectArchivedError": "ebooklet.errors:ObjectArchivedError",
    "ObjectNotFoundError": "ebooklet.errors:ObjectNotFoundError",
    "OfflineError": "ebooklet.errors:OfflineError",
    "OverlapError": "ebooklet.errors:OverlapError",
    "PreconditionFailedError": "ebooklet.errors:PreconditionFailedError",
    "Prices": "ebooklet.prices:Prices",
    "PushError": "ebooklet.errors:PushError",
    "PushInProgressError": "ebooklet.errors:PushInProgressError",
    "PushResult": "ebooklet.results:PushResult",
    "Q": "ebooklet.query:Q",
    "ReadOnlyError": "ebooklet.errors:ReadOnlyError",
    "RebuildResult": "ebooklet.repairing:RebuildResult",
    "RemoteConnGroup": "ebooklet.groups:RemoteConnGroup",
    "RemoteConnectionError": "ebooklet.errors:RemoteConnectionError",
    "RemoteExistsError": "ebooklet.errors:RemoteExistsError",
    "RemoteIntegrityError": "ebooklet.errors:RemoteIntegrityError",
    "RemoteMissingError": "ebooklet.errors:RemoteMissingError",
    "RequestStats": "ebooklet.stores.ledger:RequestStats",
    "RestoreResult": "ebooklet.restoring:RestoreResult",
    "S3Connection": "ebooklet.connection:S3Connection",
    "SalvageReport": "ebooklet.local.salvage:SalvageReport",
    "StorageFullError": "ebooklet.errors:StorageFullError",
    "StoreError": "ebooklet.errors:StoreError",
    "UUIDMismatchError": "ebooklet.errors:UUIDMismatchError",
    "UncertainOutcomeError": "ebooklet.errors:UncertainOutcomeError",
    "UnsupportedFormatError": "ebooklet.errors:UnsupportedFormatError",
    "UnsupportedOperationError": "ebooklet.errors:UnsupportedOperationError",
    "UntrustedFileError": "ebooklet.errors:UntrustedFileError",
    "UploadsTooOldError": "ebooklet.errors:UploadsTooOldError",
    "VerifyReport": "ebooklet.local.verify:VerifyReport",
    "Version": "ebooklet.history:Version",
    "VersionExpiredError": "ebooklet.errors:VersionExpiredError",
    "VersionNotFoundError": "ebooklet.errors:VersionNotFoundError",
    "__version__": "ebooklet.release:VERSION",
    "break_lock": "ebooklet.lease:break_lock",
    "browse": "ebooklet.browser:browse",
    "budget": "ebooklet.stores.ledger:budget",
    "copy_remote": "ebooklet.copying:copy_remote",
    "fsck": "ebooklet.repairing:fsck",
    "lock_info": "ebooklet.lease:lock_info",
    "open": "ebooklet.opening:open",
    "open_ebooklet": "ebooklet.opening:open_ebooklet",
    "open_rcg": "ebooklet.opening:open_rcg",
    "rebuild": "ebooklet.repairing:rebuild",
    "restore": "ebooklet.restoring:restore",
    "salvage": "ebooklet.local.salvage:salvage",
    "verify": "ebooklet.local.verify:verify",
}

logging.getLogger("ebooklet").addHandler(logging.NullHandler())  # nothing is printed unless asked

__all__ = [
    "DEFAULT_GROUP_BYTES",
    "AccessDeniedError",
    "BatchResult",
    "BucketMissingError",
    "Browser",
    "Budget",
    "BudgetExceededError",
    "CacheManager",
    "Change",
    "ChangeRecord",
    "Changes",
    "ClockSkewError",
    "ClosedError",
    "CommitModeError",
    "CommitUncertainError",
    "ComparisonReport",
    "ConcurrentCompactionError",
    "Catalog",
    "ConflictError",
    "ConnectionReport",
    "CopyResult",
    "CorruptFileError",
    "CorruptValueError",
    "CredentialsExpiredError",
    "DeleteResult",
    "EBooklet",
    "EBookletError",
    "EVariableLengthValue",
    "Error",
    "Estimate",
    "FileFormatError",
    "Fork",
    "ForkError",
    "ForkResult",
    "ForkedHandleError",
    "FsckReport",
    "GroupTooLargeError",
    "InvalidURLError",
    "LockInfo",
    "LockLostError",
    "LockTimeoutError",
    "LockUnavailableError",
    "Log",
    "MergeResult",
    "NoCredentialsError",
    "NotABookletError",
    "ObjectArchivedError",
    "ObjectNotFoundError",
    "OfflineError",
    "OverlapError",
    "PreconditionFailedError",
    "Prices",
    "PushError",
    "PushInProgressError",
    "PushResult",
    "Q",
    "ReadOnlyError",
    "RebuildResult",
    "RemoteConnGroup",
    "RemoteConnectionError",
    "RemoteExistsError",
    "RemoteIntegrityError",
    "RemoteMissingError",
    "RequestStats",
    "RestoreResult",
    "S3Connection",
    "SalvageReport",
    "StorageFullError",
    "StoreError",
    "UUIDMismatchError",
    "UncertainOutcomeError",
    "UnsupportedFormatError",
    "UnsupportedOperationError",
    "UntrustedFileError",
    "UploadsTooOldError",
    "VerifyReport",
    "Version",
    "VersionExpiredError",
    "VersionNotFoundError",
    "__version__",
    "break_lock",
    "browse",
    "budget",
    "copy_remote",
    "fsck",
    "lock_info",
    "open",
    "open_ebooklet",
    "open_rcg",
    "rebuild",
    "restore",
    "salvage",
    "verify",
]


def _load(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        alias = import_module("ebooklet.compat").NAMES.get(name)
        if alias is None:
            raise AttributeError(f"module 'ebooklet' has no attribute {name!r}")
        home = alias.target
    module, _, attribute = home.partition(":")
    found = globals()[name] = getattr(import_module(module), attribute)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:
    __getattr__ = _load  # a type checker shall know the names above and no others
