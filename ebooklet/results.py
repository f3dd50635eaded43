"""What did a push, a compaction or a merge do?"""

from dataclasses import dataclass, field

from ebooklet.plan.compact import CompactPlan
from ebooklet.sizes import byte_size, counted


@dataclass(frozen=True, slots=True)
class PushResult:
    """What a push did; true when it published something and nothing failed.

    Attributes
    ----------
    updated : bool
        Whether there is a new version of the remote.
    failures : dict
        Always empty: a push succeeds as a whole or raises. Kept for scripts that look at it.
    n_keys : int
        Keys that were set or removed.
    n_objects, nbytes : int
        Objects written and their bytes.
    n_requests : int
        Requests sent.
    seconds : float
        How long it took.
    version : str
        Id of the current version.
    n_dropped : int
        Own changes that were given up for those of others (``on_conflict='theirs'``).
    said : str
        What was done, where no changes were pushed.
    """

    updated: bool
    failures: dict[str, str] = field(default_factory=dict)
    n_keys: int = 0
    n_objects: int = 0
    nbytes: int = 0
    n_requests: int = 0
    seconds: float = 0.0
    version: str = ""
    n_dropped: int = 0
    said: str = ""

    def __bool__(self) -> bool:
        return self.updated and not self.failures

    def __str__(self) -> str:
        dropped = f"{counted(self.n_dropped, 'own change')} given up for those of others" if self.n_dropped else ""
        if not self.updated:
            return self.said or (f"nothing left to push: {dropped}" if dropped else "nothing to push")
        sent = f"{counted(self.n_objects, 'object')}, {byte_size(self.nbytes)}, {counted(self.n_requests, 'request')}"
        text = f"{self.said or 'pushed ' + counted(self.n_keys, 'key')}: {sent}"
        return f"{text}; {dropped}" if dropped else text


@dataclass(frozen=True, slots=True)
class CompactResult:
    """What a compaction did; true when it published a version.

    Attributes
    ----------
    plan : CompactPlan
        What was to be done.
    updated : bool
        Whether there is a new version of the remote.
    n_keys : int
        Values that were moved; fewer than planned when others changed some meanwhile.
    nbytes : int
        Bytes sent.
    n_requests : int
        Requests in all.
    """

    plan: CompactPlan
    updated: bool = False
    n_keys: int = 0
    nbytes: int = 0
    n_requests: int = 0

    def __bool__(self) -> bool:
        return self.updated

    def __str__(self) -> str:
        if not self.updated:
            return str(self.plan) if not self.plan else "nothing was moved: everything was changed by others meanwhile"
        return f"{self.plan}; {self.n_keys} were moved with {self.n_requests} requests"


@dataclass(frozen=True, slots=True)
class MergeResult:
    """What a merge of results of workers did; true when something waits for the next push because of it.

    Attributes
    ----------
    n_results : int
        Results that were merged.
    n_known : int
        Results that had been merged before, and were passed over.
    n_keys : int
        Keys they set or removed.
    nbytes : int
        Bytes of the objects the workers have sent.
    """

    n_results: int
    n_known: int = 0
    n_keys: int = 0
    nbytes: int = 0

    @property
    def ok(self) -> bool:
        """Always: a merge succeeds as a whole or raises."""
        return True

    def __bool__(self) -> bool:
        return self.n_keys > 0

    def __str__(self) -> str:
        known = f", {self.n_known} were merged before" if self.n_known else ""
        done = f"merged {counted(self.n_results, 'result')}: {counted(self.n_keys, 'key')}, {byte_size(self.nbytes)}"
        return f"{done}{known}; push() publishes"
