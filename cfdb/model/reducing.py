"""Which numbers sum a variable up, and where do values fulfil a condition?"""

from cfdb.model.part import Part


class Reducing(Part):
    """A part of a variable that can be reduced."""

    __slots__ = ()
