"""What do a dataset and a part of one have in common?"""

from collections.abc import Mapping, Sequence
from typing import Any

from cfdb.errors import ShapeError
from cfdb.model.crs import crs_of
from cfdb.model.hints import not_offered
from cfdb.model.labels import Labels, NamedLoc, by_dimension, known_dims, refuse_pointwise
from cfdb.model.listing import Chosen
from cfdb.model.loading import Order, Wish
from cfdb.model.lockstep import Lockstep
from cfdb.model.scope import group_labels
from cfdb.model.structure import Member
from cfdb.model.surveying import Surveying
from cfdb.model.view import View
from cfdb.plan.indexing import Axis, Selection, select_all


class Reading(Lockstep, Surveying):
    """Variables by name, with their coordinates and attributes, and parts of them."""

    @property
    def crs(self) -> Any:
        """Coordinate reference system, a `pyproj.CRS`; None when there is none.

        It is the one that was set (``ds.create.crs.from_user_input``), or else the one that the dataset's grid mapping
        variables name, as in files that came from netCDF; where these name several, it is None.
        """
        self._labels.structure.check_open()
        return crs_of(self._labels.structure)

    # selecting

    @property
    def loc(self) -> "NamedLoc[DatasetView]":
        """Select by label: ``ds.loc[{'lat': slice(60, 40)}]``; both ends of a slice are inclusive."""
        whole = self._labels.structure.dims.values()
        return NamedLoc(self._labels, self.dims, self._label_axis, self._loc, _refuse_assignment, self._what, whole)

    def _loc(self, positions: tuple[Any, ...]) -> "DatasetView":
        return self._taken(dict(zip(self.dims, positions, strict=True)))

    def isel(
        self, positions: Mapping[str, Any] | None = None, *, missing_dims: str = "raise", **named: Any
    ) -> "DatasetView":
        """Select by position along named dimensions, in every variable that has them.

        Parameters
        ----------
        positions : dict, optional
            Integers (which drop the dimension), slices, lists or masks by dimension; also as keywords.
        missing_dims : {'raise', 'warn', 'ignore'}
            What to do about dimensions that the dataset does not have.

        Returns
        -------
        DatasetView
            Not read yet.
        """
        chosen = self._known(by_dimension(positions, named), missing_dims)
        refuse_pointwise(chosen)
        return self._taken(chosen)

    def _taken(self, positions: Mapping[str, Any]) -> "DatasetView":
        selected = dict(self._selected())
        for name, key in positions.items():
            if not (isinstance(key, slice) and key == slice(None)):
                selected[self._labels.structure.dims[name].id] = self._along(name).take(key)
        return DatasetView(self._labels, selected)

    def sel(
        self, labels: Mapping[str, Any] | None = None, *, method: str | None = None, tolerance: Any = None, **named: Any
    ) -> "DatasetView":
        """Select by label along named dimensions; both ends of a slice are inclusive.

        Parameters
        ----------
        labels : dict, optional
            Labels (which drop the dimension), slices, lists or masks by dimension; also as keywords. A date that leaves
            something open (``'2020-01'``) is a period.
        method : {None, 'nearest', 'pad', 'ffill', 'backfill', 'bfill'}
            What to take when a label is not there: the nearest, the one before, or the one behind.
        tolerance : number or timedelta, optional
            Largest distance accepted with a method.

        Returns
        -------
        DatasetView
            Not read yet; variables without these dimensions are whole in it.
        """
        chosen = self._known(by_dimension(labels, named), "raise")
        refuse_pointwise(chosen)
        locate = self._labels.locate
        return self._taken(
            {name: locate(name, label, method, tolerance, self._label_axis(name)) for name, label in chosen.items()}
        )

    select = isel
    select_loc = sel

    def squeeze(self, dim: str | Sequence[str] | None = None) -> "DatasetView":
        """Drop dimensions of length 1: all of them, or those named."""
        sizes = self.sizes
        wanted = [dim] if isinstance(dim, str) else [name for name in sizes if sizes[name] == 1] if dim is None else dim
        self._known(dict.fromkeys(wanted), "raise")
        long = [name for name in wanted if sizes[name] != 1]
        if long:
            raise ShapeError(f"cannot squeeze {long[0]!r}: it has {sizes[long[0]]} positions")
        return self._taken(dict.fromkeys(wanted, 0))

    def _known(self, chosen: dict[str, Any], missing_dims: str) -> dict[str, Any]:
        whole = self._labels.structure.dims.values()
        return known_dims(self._labels, chosen, self.dims, self._what(), whole, missing_dims)

    def _what(self) -> str:
        return "the dataset"

    def _label_axis(self, name: str) -> Axis | None:
        """Give what is selected of one dimension; None is all of it."""
        found = self._selected().get(self._labels.structure.dims[name].id)
        return None if found is None else found.axes[0]

    def _along(self, name: str) -> Selection:
        dim = self._labels.structure.dims[name]
        return self._selected().get(dim.id, select_all((dim.size,)))

    def __getattr__(self, name: str) -> Any:
        if hasattr(type(self), name):
            return object.__getattribute__(self, name)  # raises again what the property raised
        labels = self.__dict__.get("_labels")
        if labels is not None and name in labels.structure.members:
            raise AttributeError(f"a dataset has no attribute {name!r}; its variable is ds[{name!r}]")
        raise not_offered(name, type(self), "dataset")

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            raise AttributeError(
                f"a dataset keeps no attribute {name!r} of its own: ds.attrs[{name!r}] = ... describes it, "
                f"ds[{name!r}] = (dims, values) is a variable"
            )
        super().__setattr__(name, value)

    def load(
        self,
        progress: Any = None,
        *,
        variables: Sequence[str] | str | None = None,
        order: Order = None,
        max_rate: Any = None,
        background: bool = False,
        dry_run: bool = False,
    ) -> Any:
        """Bring the chunks of all variables near, in as few requests as possible.

        Parameters
        ----------
        variables : sequence of str, optional
            Names of those to load; all by default.
        progress, order, max_rate, background, dry_run
            As of a variable's `load`.

        Returns
        -------
        LoadResult, LoadJob or Estimate
        """
        names = self.variables.keys() if variables is None else [variables] if isinstance(variables, str) else variables
        plans = [self.variables[name]._chunk_plan() for name in names]
        wish = Wish(progress, order, max_rate, background, dry_run)
        return wish.carry_out(self._what(), self._labels.structure, plans)


class DatasetView(Reading):
    """A part of a dataset, selected along its dimensions and not read yet."""

    def __init__(self, labels: Labels, chosen: Chosen) -> None:
        super().__init__(labels)
        self._chosen = chosen

    @property
    def writable(self) -> bool:
        """Whether values can be assigned to its variables, which goes through to the dataset."""
        return self._labels.writable

    def _selected(self) -> Chosen:
        return self._chosen

    def _object(self, member: Member) -> View:
        variable: View = self._labels.variable(member)
        keys = [self._chosen.get(dim.id) for dim in member.dims]
        if all(key is None for key in keys):
            return variable
        return variable[tuple(slice(None) if key is None else _as_key(key) for key in keys)]

    def _group(self, path: str) -> "DatasetView":
        return DatasetView(group_labels(self._labels, path), self._chosen)

    def __reduce__(self) -> Any:
        reopen, arguments = self._labels.reopening()
        return _reopened, (reopen, arguments, dict(self._chosen))


def _reopened(reopen: Any, arguments: tuple[Any, ...], chosen: Chosen) -> DatasetView:
    """Open the dataset of an unpickled part, and select the same part."""
    return DatasetView(reopen(*arguments)._labels, chosen)


def _refuse_assignment(positions: Any, value: Any) -> None:
    raise TypeError("assign to the variables: ds['t'].loc[{...}] = values")


def _as_key(selection: Selection) -> Any:
    axis = selection.axes[0]
    return axis if selection.shape else int(axis.positions()[0])
