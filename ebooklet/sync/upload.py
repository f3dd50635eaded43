"""How do packs get to the store?"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from ebooklet.format.checksum import Buffer
from ebooklet.format.names import object_text
from ebooklet.format.packing import HEADER_SIZE, Layout, pack_parts
from ebooklet.format.table import Row
from ebooklet.stores.protocol import ObjectStore
from ebooklet.sync.assemble import Carrier, NextVersion
from ebooklet.sync.fetch import Progress
from ebooklet.sync.workers import completed

NOTHING = Layout((), HEADER_SIZE, b"")


@dataclass(frozen=True, slots=True)
class Sent:
    """An object that arrived: its bytes, and when by the server's clock."""

    name: bytes
    nbytes: int
    when: datetime | None


@dataclass(frozen=True, slots=True)
class Uploader:
    """Sends packs of one database.

    Attributes
    ----------
    store, prefix, uuid
        Where to, and whose.
    read : callable
        Gives payload and tail of rows.
    threads : int
        Uploads at the same time.
    progress : callable, optional
        Called with the bytes of values sent and in all.
    """

    store: ObjectStore
    prefix: str
    uuid: UUID
    read: Callable[[Sequence[Row]], Iterable[Buffer]]
    threads: int
    progress: Progress | None = None

    def send(
        self,
        packs: Sequence[tuple[bytes, Layout]],
        carrier: Carrier,
        following: NextVersion,
        arrived: Callable[[Sent], None],
    ) -> int:
        """Send packs, and with the carrier the tail of the next version; returns the bytes sent.

        Parameters
        ----------
        packs : sequence of (name, layout)
            What to send. The carrier is the last of them, or an object of its own.
        carrier, following
            Who carries the tail, and the tail.
        arrived : callable
            Told of each object as it arrives.
        """
        todo = [*packs] if carrier.upload is not None else [*packs, (carrier.name, NOTHING)]
        jobs = [partial(self.put, name, layout) for name, layout in todo[:-1]]
        jobs.append(partial(self.put, *todo[-1], following.tail, following.snapshot))
        total, done, sent = sum(layout.size for _, layout in packs), 0, 0
        for number, found in completed(jobs, self.threads):
            if isinstance(found, Exception):
                raise found
            sent += found.nbytes
            arrived(found)
            if number < len(packs):
                done += packs[number][1].size
                if self.progress is not None:
                    self.progress(done, total)
        return sent

    def put(self, name: bytes, layout: Layout, tail: Sequence[bytes] = (), snapshot: tuple[int, int] = (0, 0)) -> Sent:
        """Send one pack, with the tail of the next version if it carries that."""
        parts = list(pack_parts(self.uuid, name, layout, self.read, tail, snapshot))
        meta = self.store.put(self.prefix + object_text(name), parts)
        return Sent(name, sum(map(len, parts)), meta.last_modified or meta.server_date)
