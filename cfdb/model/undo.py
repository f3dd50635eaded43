"""How does a change that takes many steps happen completely or, after an error, not at all?"""

from collections.abc import Iterator
from contextlib import contextmanager

from cfdb.model.structure import Structure


@contextmanager
def all_or_nothing(structure: Structure) -> Iterator[None]:
    """Undo everything that was done to a dataset inside of the block when an exception leaves it.

    What was changed before the block, and not synced yet, stays as it was.
    """
    structure.check_writable()
    with structure.lock:
        structure.flush()
        point = structure.store.savepoint()
        try:
            yield
        except BaseException:
            structure.store.restore(point)
            structure.reload()
            raise
