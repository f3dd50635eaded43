"""How is a database read that several web servers have?"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from ebooklet.errors import RemoteConnectionError, StoreError
from ebooklet.stores.dialect import Dialect
from ebooklet.stores.protocol import OVERWRITE, Body, Object, ObjectMeta, ObjectStore, PutMode

T = TypeVar("T")


class MirrorStore:
    """The same objects at several places; when one cannot be reached, the next one is asked and kept to.

    An answer is an answer: what a mirror refuses or does not have is not looked for elsewhere.

    Parameters
    ----------
    mirrors : sequence of ObjectStore
        The places, the one to be asked first in front.
    """

    def __init__(self, mirrors: Sequence[ObjectStore]) -> None:
        self.mirrors = tuple(mirrors)
        self.dialect = Dialect(conditional_put=False)
        self._first = 0

    def __repr__(self) -> str:
        return f"MirrorStore({[mirror.uri for mirror in self.mirrors]!r})"

    @property
    def uri(self) -> str:
        """The place that is asked first now."""
        return self.mirrors[self._first].uri

    @property
    def supports_conditional_put(self) -> bool | None:
        """Never: there is no writing here."""
        return self.dialect.conditional_put

    def get(self, key: str, *, if_none_match: str | None = None, limit: int | None = None) -> Object:
        """Read an object in full."""
        return self._ask(lambda mirror: mirror.get(key, if_none_match=if_none_match, limit=limit))

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read exactly `length` bytes at `start`."""
        return self._ask(lambda mirror: mirror.get_range(key, start, length))

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges of one object."""
        return self._ask(lambda mirror: mirror.get_ranges(key, ranges))

    def head(self, key: str) -> ObjectMeta:
        """Describe an object."""
        return self._ask(lambda mirror: mirror.head(key))

    def put(self, key: str, body: Body, mode: PutMode = OVERWRITE) -> ObjectMeta:
        """Refuse, as each mirror does."""
        return self.mirrors[0].put(key, body, mode)

    def copy(self, source_key: str, target_key: str, *, target: ObjectStore | None = None) -> bool:
        """Refuse to write here; elsewhere the bytes have to pass through this process."""
        return self.mirrors[0].copy(source_key, target_key, target=self.mirrors[0] if target is self else target)

    def delete(self, key: str) -> None:
        """Refuse, as each mirror does."""
        self.mirrors[0].delete(key)

    def delete_many(self, keys: Sequence[str]) -> dict[str, StoreError]:
        """Refuse, as each mirror does."""
        return self.mirrors[0].delete_many(keys)

    def list(self, prefix: str) -> Iterator[ObjectMeta]:
        """What the first mirror lists."""
        return self.mirrors[0].list(prefix)

    def list_folder(self, prefix: str) -> Iterator[ObjectMeta | str]:
        """What the first mirror lists."""
        return self.mirrors[0].list_folder(prefix)

    def _ask(self, request: Callable[[ObjectStore], T]) -> T:
        first, failed = self._first, []
        for step in range(len(self.mirrors)):
            number = (first + step) % len(self.mirrors)
            try:
                found = request(self.mirrors[number])
            except RemoteConnectionError as error:
                failed.append(error)
                continue
            self._first = number
            return found
        said = "; ".join(str(error) for error in failed)
        raise RemoteConnectionError(f"none of {len(failed)} mirrors answers: {said}") from failed[-1]
