"""Which names of the released package stand for something that is called otherwise here, and why?

This is the only place that says so. Names of the package and of its classes are in `NAMES`, spellings of the
parameters of a connection in `ebooklet.aliases`. Names that are the same need no entry.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name.

    Attributes
    ----------
    target : str
        What it stands for: ``module:name``, or ``module:Class.name``.
    why : str
        Why there are two.
    """

    target: str
    why: str

    @property
    def module(self) -> str:
        """Where the target lives."""
        return self.target.partition(":")[0]

    @property
    def path(self) -> str:
        """What the target is called there."""
        return self.target.partition(":")[2]


#: Other names of the package, and of its classes (``Class.name``).
NAMES = {
    "Change": Alias("ebooklet.changes:Changes", "it holds all changes, and `changes()` gives it"),
    "EVariableLengthValue": Alias("ebooklet.mapping:EBooklet", "the length of values is not what distinguishes it"),
    "Error": Alias("ebooklet.errors:EBookletError", "a name that tells whose error it is"),
    "DEFAULT_GROUP_BYTES": Alias("ebooklet.plan.push:GROUP_BYTES", "it is a number of the plan of a push"),
    "EBooklet.batch_create": Alias("ebooklet.mapping:EBooklet.set_items", "named as `get_items`"),
    "EBooklet.batch_delete": Alias("ebooklet.mapping:EBooklet.delete_items", "named as `get_items`"),
}
