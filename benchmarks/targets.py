"""What was promised? Every number is time (or size) of ours divided by that of the best compressed peer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """At most these ratios to the best compressed peer, for any float32 and for decimal data."""

    any_float: float
    decimal: float

    def of(self, kind: str) -> float:
        return self.decimal if kind == "decimal" else self.any_float


TARGETS = {
    "write": Target(0.40, 0.30),
    "read": Target(0.42, 0.28),
    "each_chunk": Target(0.45, 0.30),
    "maps3": Target(0.45, 0.30),
    "series10": Target(0.57, 0.30),
    "windows100": Target(0.20, 0.20),
    "append": Target(0.38, 0.38),
    "each_map": Target(0.40, 0.40),
    "each_series_block": Target(0.40, 0.40),
    "open": Target(0.35, 0.35),
    "overwrite": Target(0.50, 0.50),
    "bytes": Target(0.97, 0.35),
}
#: 10,000 chunks of 16 kB.
SMALL_TARGETS = TARGETS | {"read": Target(0.5, 0.5), "each_chunk": Target(0.5, 0.5)}

IMPORT_RATIO = 1.6  # import cfdb / import numpy
EMPTY_BYTES = 8_000
READ_MEMORY = 5 * 2**20  # above the array
CODEC_RATIO = 6.0  # of the default pipeline on the decimal field

#: Kinds of fields the targets speak of; other rows are there to be seen.
FIELDS_WITH_TARGETS = ("medium", "large", "small", "medium-float", "large-float")


def target(field: str, kind: str, workload: str) -> float | None:
    """Give the target of a cell, if it has one."""
    if field not in FIELDS_WITH_TARGETS:
        return None
    table = SMALL_TARGETS if field == "small" else TARGETS
    return table[workload].of(kind) if workload in table else None


@dataclass(frozen=True, slots=True)
class RemoteTarget:
    """At most this many requests, given the packs a push of everything makes; and wall time to the better peer's."""

    requests: str
    wall: float | None = None


REMOTE_TARGETS = {
    "write": RemoteTarget("packs + 2, 1 to open", 1 / 3),
    "open": RemoteTarget("1"),
    "one_chunk": RemoteTarget("1"),
    "read": RemoteTarget("MB / 4, rounded up", 1 / 3),
    "edit": RemoteTarget("3", 1 / 5),
    "reopen": RemoteTarget("1"),
    "copy": RemoteTarget("packs + 2, 1 to open"),
    "delete": RemoteTarget("3, 1 to open"),
}
