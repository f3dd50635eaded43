"""What a read really does: chunks asked for, their bytes, and cells that are decoded."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any
from unittest import mock

from cfdb.format.codecs import pipeline
from cfdb.kernel import numpy_kernel
from cfdb.model.dataset import Dataset


@dataclass
class Counts:
    """What was counted."""

    keys: list[str] = field(default_factory=list)
    nbytes: int = 0
    cells: int = 0

    @property
    def chunks(self) -> set[str]:
        return {key for key in self.keys if not key.startswith("_")}


@contextmanager
def counted(ds: Dataset) -> Iterator[Counts]:
    """Count while the block lasts; chunks are decoded by NumPy's kernel, which can be watched."""
    counts = Counts()
    store = ds._structure.store
    plain_get, plain_many, plain_block = store.get, store.get_many, numpy_kernel._decode_block

    def note(key: str, payload: Any) -> None:
        counts.keys.append(key)
        counts.nbytes += len(payload or b"")

    def get(key: str) -> Any:
        payload = plain_get(key)
        note(key, payload)
        return payload

    def get_many(keys: Sequence[str]) -> Any:
        payloads = plain_many(keys)
        for key, payload in zip(keys, payloads, strict=True):
            note(key, payload)
        return payloads

    def block(codec: Any, data: memoryview, shape: tuple[int, ...]) -> Any:
        counts.cells += prod(shape)
        return plain_block(codec, data, shape)

    with (
        mock.patch.object(store, "get", get),
        mock.patch.object(store, "get_many", get_many),
        mock.patch.object(pipeline, "decode_boxes", numpy_kernel.decode_boxes),
        mock.patch.object(numpy_kernel, "_decode_block", block),
    ):
        yield counts
