"""Which handles are open in this process, and what happens to them in a forked child?

A child shares the parent's descriptors and with them its lock: it closes its copies, and its handles refuse.
"""

import os
import weakref

from ebooklet.errors import ClosedError, ForkedHandleError


class Handle:
    """Something that is open until it is closed, in the process that opened it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._closed = False
        self._forked = False
        _open_handles.add(self)

    @property
    def closed(self) -> bool:
        """Whether the handle was closed."""
        return self._closed

    def _check_open(self) -> None:
        if self._forked:
            raise ForkedHandleError(
                f"{self.name} was opened by the parent of this process; open it again here (or use spawn, not fork)"
            )
        if self._closed:
            raise ClosedError(f"{self.name} is closed; open it again")

    def _abandon(self) -> None:
        """Let go of descriptors in a forked child; locks stay with the parent."""
        raise NotImplementedError


_open_handles: "weakref.WeakSet[Handle]" = weakref.WeakSet()


def _after_fork() -> None:
    for handle in list(_open_handles):
        if not handle.closed:
            handle._forked = True
            handle._abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
