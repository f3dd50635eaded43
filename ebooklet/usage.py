"""How much room does what lies in a folder of a bucket take?"""

from dataclasses import dataclass

from ebooklet.found import table
from ebooklet.stores.key_paths import CONTROL_FOLDER
from ebooklet.stores.protocol import ObjectStore
from ebooklet.uri import OBJECTS_SUFFIX


@dataclass(frozen=True, slots=True)
class Used:
    """Room of one thing in a folder: bytes and number of its objects."""

    name: str
    nbytes: int
    n_objects: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Room of everything in a folder, the largest first; prints as a table.

    Attributes
    ----------
    parts : tuple of Used
        Folders, databases (all their versions, and what nobody refers to any more), and other objects.
    """

    parts: tuple[Used, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of all."""
        return sum(part.nbytes for part in self.parts)

    @property
    def n_objects(self) -> int:
        """Objects of all."""
        return sum(part.n_objects for part in self.parts)

    def __str__(self) -> str:
        total = Used("total", self.nbytes, self.n_objects)
        rows = [(part.nbytes, part.n_objects, part.name) for part in (*self.parts, total)]
        return "\n".join(table(("size", "objects", "name"), rows))

    __repr__ = __str__


def usage_of(store: ObjectStore, prefix: str) -> Usage:
    """Count everything below a folder, a request for each thousand objects."""
    found: dict[str, list[int]] = {}
    for meta in store.list(prefix):
        name, slash, rest = meta.key[len(prefix) :].partition("/")
        if CONTROL_FOLDER in (name, *rest.split("/")[:-1]):
            continue
        shown = name.removesuffix(OBJECTS_SUFFIX) if slash and name.endswith(OBJECTS_SUFFIX) else name + slash
        sizes = found.setdefault(shown, [0, 0])
        sizes[0] += meta.size
        sizes[1] += 1
    parts = (Used(name, nbytes, number) for name, (nbytes, number) in found.items())
    return Usage(tuple(sorted(parts, key=lambda part: (-part.nbytes, part.name))))
