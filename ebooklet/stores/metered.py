"""How are requests of a store counted that sends none, as one in memory or in a folder?"""

from collections.abc import Callable

from ebooklet.stores.ledger import Ledger
from ebooklet.stores.protocol import OVERWRITE, Body, Object, ObjectMeta, ObjectStore, Overwrite, PutMode, nbytes_of
from ebooklet.stores.wrappers import StoreWrapper, T, Verb


class MeteredStore(StoreWrapper):
    """Enters in a ledger the requests that another store would send.

    Parameters
    ----------
    inner : ObjectStore
        The other store.
    ledger : Ledger
        Where they are entered.

    Examples
    --------
    >>> from ebooklet.stores.memory import MemoryStore
    >>> store = MeteredStore(MemoryStore(), Ledger())
    >>> meta = store.put("a", b"1234")
    >>> store.ledger.stats().sent
    4
    """

    def __init__(self, inner: ObjectStore, ledger: Ledger) -> None:
        super().__init__(inner)
        self.ledger = ledger

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read exactly `length` bytes at `start`."""
        with self.ledger.request("get_range", expected=length) as receipt:
            body = self.inner.get_range(key, start, length)
            receipt.received(len(body))
            return body

    def put(self, key: str, body: Body, mode: PutMode = OVERWRITE) -> ObjectMeta:
        """Write an object, its parts as they are."""
        verb: Verb = "put" if isinstance(mode, Overwrite) else "conditional_put"
        return self._call(verb, key, lambda: self.inner.put(key, body, mode), nbytes_of(body))

    def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        with self.ledger.request(verb, sent=size) as receipt:
            result = thunk()
            if isinstance(result, Object):
                receipt.expect(len(result.body))
                receipt.received(len(result.body))
            return result
