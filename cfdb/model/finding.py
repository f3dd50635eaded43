"""Where do values fulfil a condition?"""

from cfdb.model.part import Part


class Finding(Part):
    """A part of a variable in which values can be found."""

    __slots__ = ()
