"""Packs are made while others are on their way, and only a few are held at a time."""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from ebooklet.format.table import Row
from ebooklet.plan.push import UPLOADS
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import StoreWrapper, Verb
from tests.ebooklet.sync.local_side import Client, filled, remote

T = TypeVar("T")


class Watched(StoreWrapper):
    """Counts the packs that were begun and have not arrived; every upload but the last few waits for the next pack."""

    def __init__(self, inner: MemoryStore, packs: int) -> None:
        super().__init__(inner)
        self.packs = packs
        self.begun = self.arrived = self.most = 0
        self.overlapped = 0
        self.changed = threading.Condition()

    def begin(self) -> None:
        with self.changed:
            self.begun += 1
            self.most = max(self.most, self.begun - self.arrived)
            self.changed.notify_all()

    def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        if verb != "put":
            return thunk()
        with self.changed:
            wanted = min(self.arrived + 2, self.packs)
            overlapped = self.changed.wait_for(lambda: self.begun >= wanted, timeout=20)
            self.overlapped += overlapped
        result = thunk()
        with self.changed:
            self.arrived += 1
            self.changed.notify_all()
        return result


class Reading(Client):
    def read(self, rows: Sequence[Row]) -> Iterable[bytes]:
        if rows:
            self.store.begin()  # type: ignore[attr-defined]
        return super().read(rows)


def test_the_next_packs_are_made_while_the_first_ones_are_sent_and_few_are_held() -> None:
    store = Watched(MemoryStore(), packs=12)
    client = Reading(store)
    made = filled(client, 120, 500)
    assert client.push(num_groups=12).objects == 13
    assert store.begun == 12
    assert store.overlapped == 12, "an upload waited in vain for the next pack to be made"
    assert store.most <= UPLOADS
    assert remote(store.inner) == made


def test_no_more_are_held_than_threads_send_them() -> None:
    store = Watched(MemoryStore(), packs=12)
    client = Reading(store)
    filled(client, 120, 500)
    client.push(num_groups=12, threads=2)
    assert store.most <= 2
