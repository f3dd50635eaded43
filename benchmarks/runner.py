"""How are the measuring processes run? One for each peer, field and round; peers interleaved, their order rotated."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import peers
from benchmarks.data import FIELDS
from benchmarks.machine import load
from benchmarks.workloads import WORKLOADS

CHILD = Path(__file__).with_name("child.py")
TIMEOUT = 600
#: What takes longer than this is measured `slow_rounds` times only; a peer that writes so slowly, in all it does.
SLOW_SECONDS = 2.5
#: Variables of the environment that a peer needs before anything is imported.
VARIABLES = {"ours-numpy": {"CFDB_KERNEL": "numpy"}}


@dataclass(frozen=True, slots=True)
class Interpreters:
    """Python of the environment with this package, and of the one with the peers."""

    ours: Path
    peers: Path

    def of(self, environment: str) -> Path:
        return self.ours if environment == "ours" else self.peers


@dataclass(frozen=True, slots=True)
class Part:
    """Some peers on one field, in so many rounds."""

    field: str
    peers: tuple[str, ...]
    rounds: int
    slow_rounds: int = 2
    workloads: tuple[str, ...] = tuple(WORKLOADS)


@dataclass(slots=True)
class Results:
    """Samples of every cell, and what went wrong."""

    wall: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    cpu: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    size: dict[str, dict[str, int]] = field(default_factory=dict)
    raw: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    other: dict[str, Any] = field(default_factory=dict)

    def add(self, part: str, peer: str, answer: dict[str, Any]) -> None:
        """Take the answer of one process; what was repeated inside it counts as one sample, its median."""
        for name, samples in answer["samples"].items():
            for table, position in ((self.wall, 0), (self.cpu, 1)):
                cells = table.setdefault(part, {}).setdefault(peer, {}).setdefault(name, [])
                cells.append(median(sample[position] for sample in samples))
        self.size.setdefault(part, {})[peer] = answer["bytes"]
        self.raw[part] = answer["raw"]

    def median(self, part: str, peer: str, workload: str) -> float | None:
        """Give the median wall seconds of a cell."""
        samples = self.wall.get(part, {}).get(peer, {}).get(workload)
        return median(samples) if samples else None


@dataclass(slots=True)
class Runner:
    """Runs jobs in the environments."""

    interpreters: Interpreters
    folder: Path
    results: Results = field(default_factory=Results)
    quiet: bool = False
    deadline: float = float("inf")  # after it no part begins another round

    def run(self, job: dict[str, Any], environment: str, variables: dict[str, str] | None = None) -> dict[str, Any]:
        """Run one job in a process of its own."""
        done = subprocess.run(
            [str(self.interpreters.of(environment)), "-P", "-W", "ignore", str(CHILD)],
            input=json.dumps(job | {"folder": str(self.folder)}) + "\n",
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            cwd=self.folder,
            env=os.environ | (variables or {}),
        )
        if done.returncode:
            lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
            raise RuntimeError(lines[-1] if lines else f"exit code {done.returncode}")
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return answer

    def try_run(self, what: str, job: dict[str, Any], environment: str, variables: Any = None) -> dict[str, Any] | None:
        """Run a job; a failure is written down and shown in the report."""
        try:
            return self.run(job, environment, variables)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            self.results.errors.append(f"{what}: {str(error)[:300]}")
            self.say(f"  {what} failed: {str(error)[:300]}")
            return None

    def say(self, text: str) -> None:
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def prepare(self, fields: list[str], environment: str = "peers") -> None:
        """Make the data."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.run({"do": "prepare", "fields": fields}, environment)

    def measure(self, part: Part) -> None:
        """Measure one part."""
        started = time.perf_counter()
        done: dict[str, int] = {}
        for number in range(part.rounds):
            if number and time.perf_counter() > self.deadline:
                self.say(f"{part.field}: stopped after {number} rounds, time is up")
                break
            turn = number * 3 % len(part.peers)
            for peer in (*part.peers[turn:], *part.peers[:turn]):
                wanted = [name for name in part.workloads if not self._is_enough(part, peer, name, done.get(peer, 0))]
                if not wanted:
                    continue
                job = {
                    "do": "measure", "peer": peer, "field": part.field, "verify": number == 0, "workloads": wanted,
                }  # fmt: skip
                answer = self.try_run(f"{peer}, {part.field}", job, peers.environment(peer), VARIABLES.get(peer))
                if answer is not None and "samples" in answer:
                    self.results.add(part.field, peer, answer)
                    done[peer] = done.get(peer, 0) + 1
            self.results.loads.append(load())
        self.say(f"{part.field}: {time.perf_counter() - started:.0f} s")

    def _is_enough(self, part: Part, peer: str, workload: str, rounds: int) -> bool:
        if rounds < part.slow_rounds:
            return False
        middles = [self.results.median(part.field, peer, name) for name in ("write", workload)]
        return any(middle is None or middle > SLOW_SECONDS for middle in middles)

    def measure_memory(self, field_name: str, labels: list[str]) -> None:
        """Measure peak memory, each in a new process."""
        steps = ("read", "each_chunk", "each_series_block")
        for peer in labels:
            environment = peers.environment(peer)
            base = {"do": "memory", "peer": peer, "field": field_name}
            if self.try_run(f"{peer}, memory", base | {"step": "write"}, environment) is None:
                continue
            for step in steps:
                job = base | {"step": step, "last": step == steps[-1]}
                answer = self.try_run(f"{peer}, memory", job, environment)
                if answer is not None:
                    self.results.other.setdefault("memory", {}).setdefault(peer, {})[step] = answer["peak"]

    def measure_rest(self, field_names: list[str], rounds: int) -> None:
        """Measure imports, the empty dataset, and codecs."""
        other = self.results.other
        for name in field_names:
            for environment in ("peers", "ours"):
                job = {"do": "codecs", "field": name, "ours": environment == "ours"}
                answer = self.try_run(f"codecs, {environment}", job, environment)
                other.setdefault("codecs", {}).setdefault(name, {}).update(answer or {})
        for environment in ("ours", "peers"):
            answer = self.try_run("empty dataset", {"do": "empty"}, environment)
            other.setdefault("empty", {})[environment] = (answer or {}).get("bytes")
        imports = {
            "numpy": ("ours", "import numpy"), "ours": ("ours", "import cfdb"),
            "ours, and its first dataset": ("ours", "import cfdb; cfdb.open_dataset(None, 'n').close()"),
            "cfdb": ("peers", "import cfdb"), "zarr": ("peers", "import zarr"),
            "icechunk": ("peers", "import icechunk, zarr"), "tensorstore": ("peers", "import tensorstore"),
            "netCDF4": ("peers", "import netCDF4"), "h5netcdf": ("peers", "import h5netcdf"),
        }  # fmt: skip
        other["imports"] = {
            label: import_seconds(self.interpreters.of(where), statements, rounds)
            for label, (where, statements) in imports.items()
        }


def import_seconds(python: Path, statements: str, rounds: int) -> float:
    """CPU seconds of a fresh interpreter that imports something: the least of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        process = subprocess.Popen([str(python), "-P", "-W", "ignore", "-c", statements], cwd="/")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        best = min(best, usage.ru_utime + usage.ru_stime)
    return best


def fields_of(parts: list[Part]) -> list[str]:
    """Names of the fields of parts, once each."""
    return [name for name in FIELDS if any(part.field == name for part in parts)]
