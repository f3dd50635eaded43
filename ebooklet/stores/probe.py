"""Does a store honour conditional writes?"""

from ebooklet.errors import PreconditionFailedError, UnsupportedOperationError
from ebooklet.stores.protocol import NO_ETAG, ObjectStore, Update


def probe_conditional_put(store: ObjectStore, key: str) -> bool:
    """Ask a store to update an object that does not exist, and see whether it refuses.

    Once an answer is known it is kept in the store's dialect, and no further request is sent.

    Parameters
    ----------
    store : ObjectStore
        The store to try.
    key : str
        A random key that nothing else uses; if the store ignores the condition, the object is deleted again.

    Returns
    -------
    bool
        Whether conditional writes are honoured.

    Examples
    --------
    >>> from ebooklet.stores.memory import MemoryStore
    >>> probe_conditional_put(MemoryStore(), "probe-3f9a")
    True
    """
    known = store.supports_conditional_put
    if known is not None:
        return known
    try:
        store.put(key, b"", Update(NO_ETAG))
    except PreconditionFailedError:
        honoured = True
    except UnsupportedOperationError:
        honoured = False
    else:
        store.delete(key)
        honoured = False
    store.dialect.conditional_put = honoured
    return honoured
