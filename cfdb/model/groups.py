"""What is a group of a dataset?"""

from typing import Any

from cfdb.model.changing import Changing
from cfdb.model.labels import Labels
from cfdb.model.listing import Chosen
from cfdb.model.scope import group_labels
from cfdb.model.structure import Member
from cfdb.model.view import View


class Group(Changing):
    """A group of a dataset: variables, dimensions, attributes and groups of its own, as in netCDF-4.

    It is read and changed like a dataset. What lies in it has a name relative to it; dimensions of the groups around it
    are seen by their name, with the coordinates that label them and the variables that those in the group refer to.
    What is created is created in the group. Changes become permanent with those of the dataset.

    Examples
    --------
    >>> import cfdb
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     day = ds.create.coord.generic("day", data=[1, 2, 3])
    ...     ocean = ds.create.group("ocean")
    ...     ocean["temperature"] = (("day", "depth"), [[4.0, 3.0], [4.5, 3.5], [5.0, 4.0]])
    ...     print(ocean["temperature"].sel(day=2).values, ocean.sizes, ds["ocean/temperature"].dims)
    [4.5 3.5] {'day': 3, 'depth': 2} ('day', 'ocean/depth')
    """

    def __init__(self, labels: Labels, path: str) -> None:
        scoped = group_labels(labels, path)
        super().__init__(scoped)
        self._path = scoped.scope.group

    @property
    def name(self) -> str:
        """Name of the group, without those around it."""
        return self._path.rpartition("/")[2]

    @property
    def path(self) -> str:
        """Name of the group with those around it, as in ``'ocean/deep'``."""
        return self._path

    @property
    def dataset_type(self) -> str:
        """Kind of the dataset."""
        return self._structure.dataset.dataset_type

    def _selected(self) -> Chosen:
        return {}

    def _object(self, member: Member) -> View:
        found: View = self._labels.variable(member)
        return found

    def _group(self, path: str) -> "Group":
        return Group(self._labels, path)

    def __bool__(self) -> bool:
        return self.is_open and bool(len(self))

    def __reduce__(self) -> Any:
        return self._labels.reopening()
