"""What does a process do that measures one remote peer? One step for each line it reads: then the proxy can count."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import FIELDS, MAKERS, Array, Field, coordinates, load
from benchmarks.peers.base import Box, Handle, chunk_boxes
from benchmarks.peers.remote_base import Place, make
from benchmarks.workloads import WrongResultError

MARK = "ANSWER "


class Session:
    """One process of one peer: what it opened stays open between the steps."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.peer = make(job["peer"])
        self.field: Field = FIELDS[job["field"]]
        self.values: Array = load(self.field, Path(job["folder"]))
        place = {name: job[name] for name in ("access_key_id", "access_key", "bucket", "key")}
        local = Path(job["local"])
        self.place = Place(job["endpoint"], folder=local, **place)
        self.handle: Handle | None = None
        tiny = FIELDS["tiny"]
        direct = Place(job["direct"], folder=local, **place)
        self.tiny = direct.at(job["key"] + "-tiny"), tiny, MAKERS[tiny.kind](tiny.shape)
        for name in job["steps"]:
            self._warm(name)

    def _warm(self, name: str) -> None:
        """Do a step with tiny data at another address: then nothing is imported later, and no connection is kept."""
        place, field, values = self.tiny
        match name:
            case "write":
                self.peer.write(place, values, field.chunks, coordinates(field.shape))
            case "open" | "reopen":
                handle = self.peer.open(place, again=name == "reopen")
                handle.coordinates()
                handle.read()
                handle.close()
            case "edit":
                self.peer.edit(place, [(slice(0, 1), slice(0, 1), slice(0, 1))], [values[:1, :1, :1]])
            case "copy":
                self.peer.copy(place, place.at(place.key + "-copy"))
            case "delete":
                self.peer.delete(place)

    def step(self, name: str, options: dict[str, Any]) -> dict[str, Any]:
        """Do one step and time it; what it gave is compared with NumPy afterwards."""
        job: Callable[[], Callable[[], None] | None] = getattr(self, f"_{name}")
        cpu, started = time.process_time(), time.perf_counter()
        check = job(**options)
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        if check is not None:
            check()
        return {"wall": wall, "cpu": cpu}

    def _write(self) -> None:
        self.peer.write(self.place, self.values, self.field.chunks, coordinates(self.field.shape))

    def _open(self) -> Callable[[], None]:
        self.handle = self.peer.open(self.place)
        found = self.handle.coordinates()

        def check() -> None:
            for name, labels in coordinates(self.field.shape).items():
                _same(found[name], labels)

        return check

    def _one_chunk(self) -> Callable[[], None]:
        assert self.handle is not None
        box = self._chunks()[len(self._chunks()) // 2]
        found = self.handle.box(box)
        return lambda: _same(found, self.values[box])

    def _read(self, edited: int = 0, seed: int = 0) -> Callable[[], None]:
        assert self.handle is not None
        found = self.handle.read()
        return lambda: _same(found, self._after(seed, edited))

    def _after(self, seed: int, edits: int) -> Array:
        """What should be there after so many edits."""
        if not edits:
            return self.values
        values = self.values.copy()
        for number in range(edits):
            for box in self._some_chunks(seed + number):
                values[box] = self._edited(box)
        return values

    def _edit(self, seed: int) -> None:
        boxes = self._some_chunks(seed)
        self.peer.edit(self.place, boxes, [self._edited(box) for box in boxes])

    def _edits(self, seed: int, count: int) -> None:
        for number in range(count):
            self._edit(seed + number)

    def _check_edit(self, seed: int) -> None:
        """Read what was edited, from the bucket."""
        handle = self.peer.open(self.place)
        for box in self._some_chunks(seed):
            _same(handle.box(box), self._edited(box))
        handle.close()

    def _reopen(self) -> None:
        self.peer.open(self.place, again=True).close()

    def _copy(self) -> None:
        self.peer.copy(self.place, self.place.at(self.place.key + "-copy"))

    def _check_copy(self) -> None:
        """Read a chunk that no edit touched, and one that was edited, from the copy."""
        handle = self.peer.open(self.place.at(self.place.key + "-copy"))
        edited = self._some_chunks(1)[0]
        other = next(box for box in self._chunks() if box not in self._some_chunks(1))
        _same(handle.box(edited), self._edited(edited))
        _same(handle.box(other), self.values[other])
        handle.close()

    def _delete(self) -> None:
        self.peer.delete(self.place)

    def _compact(self) -> None:
        if not self.peer.compact(self.place):  # type: ignore[attr-defined]
            raise NotImplementedError("no compact")

    def _chunks(self) -> list[Box]:
        return list(chunk_boxes(self.field.shape, self.field.chunks))

    def _edited(self, box: Box) -> Array:
        """Other values that compress as well."""
        return np.ascontiguousarray(self.values[box][::-1, ::-1])

    def _some_chunks(self, seed: int) -> list[Box]:
        every = self._chunks()
        chosen = np.random.default_rng(seed).choice(len(every), max(1, len(every) // 100), replace=False)
        return [every[number] for number in sorted(chosen)]


def _same(found: Any, expected: Array) -> None:
    if not np.array_equal(np.asarray(found).reshape(expected.shape), expected):
        raise WrongResultError("other values than were written")


def serve(job: dict[str, Any]) -> None:
    """Answer one line for each line: the name of a step and its options."""
    session = Session(job)
    _say({"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        try:
            _say(session.step(order["step"], order.get("options", {})))
        except Exception as error:  # whatever a peer raises belongs into the report
            _say({"error": f"{type(error).__name__}: {error}"[:300]})


def _say(answer: dict[str, Any]) -> None:
    print(f"\n{MARK}{json.dumps(answer)}", flush=True)
