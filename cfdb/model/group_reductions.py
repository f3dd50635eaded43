"""Which numbers sum every group of a variable up?"""


class GroupReductions:
    """Reductions group by group."""

    __slots__ = ()
