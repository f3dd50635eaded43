"""How do several bundles of variables come together in one dataset?

Labels first, then the variables that do not exist, then the values, block by block. An error undoes all of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cfdb.analysis.moving.growing import (
    Grown,
    add_missing_dimensions,
    dimension_of,
    grow,
    plan_growth,
    settle_steps,
    type_of,
)
from cfdb.analysis.moving.incoming import Bundle, Incoming
from cfdb.analysis.moving.placing import Coverage, Placing
from cfdb.analysis.moving.replica import chain_of
from cfdb.conventions.flags import table_of_attributes
from cfdb.errors import DataTypeError, ShapeError
from cfdb.format.metadata import VariableRecord
from cfdb.format.names import new_id
from cfdb.format.wording import count
from cfdb.model.changing import Changing
from cfdb.model.flags import means_the_same
from cfdb.model.making import Request, create_variable
from cfdb.model.structure import Member
from cfdb.model.undo import all_or_nothing

Report = Callable[[int, int], None] | None


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of values that were written by label.

    Attributes
    ----------
    added : dict of str to int
        Labels that were added, by dimension.
    written : dict of str to int
        Cells that got a value, by variable.
    created : tuple of str
        Variables that did not exist.
    """

    added: dict[str, int]
    written: dict[str, int]
    created: tuple[str, ...]

    def __str__(self) -> str:
        added = ", ".join(f"{dim} {number:,}" for dim, number in self.added.items()) or "no labels"
        written = ", ".join(f"{name} {count(number, 'cell')}" for name, number in self.written.items()) or "nothing"
        created = f"; created {', '.join(self.created)}" if self.created else ""
        return f"added {added}; written {written}{created}"

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class Assembly:
    """How bundles come together.

    Attributes
    ----------
    rule : str
        As of `Placing`.
    check : callable
        Refuses growth that is not wanted; called before anything is written.
    recode : bool
        Whether new variables get the compression of the dataset, not the one they come with.
    """

    rule: str
    check: Callable[[Sequence[Grown], Changing], None] = lambda grown, target: None
    recode: bool = False

    def run(self, target: Changing, bundles: Sequence[Bundle], max_mem: int, report: Report) -> WriteResult:
        """Write bundles into a dataset."""
        structure = target._structure
        with all_or_nothing(structure):
            self._check_dims(target, bundles)
            known = set(structure.members)
            new_dims = add_missing_dimensions(target, bundles)
            dims = dict.fromkeys(dim for bundle in bundles for dim in bundle.sizes)
            grown = {dim: plan_growth(target, bundles, dim) for dim in dims}
            self.check([each for each in grown.values() if each.dim not in new_dims], target)
            for each in grown.values():
                grow(target, each)
            settle_steps(target, bundles, new_dims)
            self._create(target, bundles)
            placings = self._placings(target, bundles, grown, known)
            written = _write(placings, max_mem, report)
        created = tuple(name for name in structure.members if name not in known)
        return WriteResult({dim: each.added for dim, each in grown.items() if each.added}, written, created)

    def _check_dims(self, target: Changing, bundles: Sequence[Bundle]) -> None:
        """Refuse variables whose dimensions are not those that the same variable has."""
        first: dict[str, tuple[str, ...]] = {name: target[name].dims for name in target}
        for bundle in bundles:
            for name, item in bundle.variables.items():
                dims = first.setdefault(name, item.dims)
                if set(dims) != set(item.dims):
                    raise ShapeError(
                        f"{name!r} lies along {_listed(dims)}, and along {_listed(item.dims)} in {bundle.name}: select "
                        "with lists or slices to keep a dimension"
                    )
                member = target._structure.members.get(name)
                if member is not None and member.is_index != item.is_labels:
                    raise ShapeError(f"{name!r} labels a dimension on one side only")

    def _create(self, target: Changing, bundles: Sequence[Bundle]) -> None:
        structure, made = target._structure, []
        for bundle in bundles:
            for name, item in bundle.variables.items():
                if name in structure.members or item.is_labels:
                    continue
                if item.part is None:
                    request = Request(name, item.dims, type_of(item), role=item.role, attrs=item.attrs)
                    create_variable(target._labels, request)
                else:
                    made.append((self._add_member(target, item), item))
                    structure.attributes(made[-1][0].id).update(item.attrs)
                    structure.touch_attributes(made[-1][0].id)
        for member, item in made:  # links may point anywhere: when everything is there
            assert item.part is not None
            links = _links(target, item.part._labels.structure, item.part._member)
            if links:
                structure.set_member(member, replace(member.record, links=links))

    def _add_member(self, target: Changing, item: Incoming) -> Member:
        assert item.part is not None
        structure, record = target._structure, item.part._member.record
        axes = item.part._selected().dims
        made: VariableRecord = replace(
            record,
            id=new_id(),
            path=item.name,
            dims=tuple(dimension_of(target, dim).id for dim in item.dims),
            chunk_shape=tuple(record.chunk_shape[axis] for axis in axes),
            role=item.role,
            links={},
            step=None,
        )
        if self.recode or made.chunk_shape != record.chunk_shape:
            made = replace(made, codecs=chain_of(record, made.chunk_shape, structure.dataset if self.recode else None))
        return structure.add_member(made)

    def _placings(
        self, target: Changing, bundles: Sequence[Bundle], grown: Mapping[str, Grown], known: set[str]
    ) -> list[Placing]:
        coverage: dict[str, Coverage] = {}
        placings = []
        for number, bundle in enumerate(bundles):
            for name, item in bundle.variables.items():
                if item.is_labels:
                    continue
                view = target[name]
                if name not in coverage:
                    coverage[name] = Coverage()
                    if name in known:
                        coverage[name].add([grown[dim].old for dim in view.dims], view.shape)
                found = tuple(grown[dim].positions_of(number) for dim in view.dims)
                static = all(grown[dim].is_same for dim in view.dims)
                rule = "equal" if self.rule == "error" and (static or view.role != "data") else self.rule
                placings.append(Placing(item, view, found, rule, coverage[name]))
        return placings


def _write(placings: Sequence[Placing], max_mem: int, report: Report) -> dict[str, int]:
    """Write the values of all variables."""
    blocks = [placing.blocks(max_mem) for placing in placings]
    total, done = sum(map(len, blocks)), 0

    def advance(blocks: int) -> None:
        nonlocal done
        done += blocks
        if report is not None:
            report(done, total)

    written: dict[str, int] = {}
    for placing, parts in zip(placings, blocks, strict=True):
        name = placing.target.name
        written[name] = written.get(name, 0) + placing.run(parts, advance)
    return written


def _links(target: Changing, source: Any, member: Member) -> dict[str, tuple[str, ...]]:
    """Give the links of a variable by the identities of the same names in the target."""
    found = {}
    for relation, ids in member.record.links.items():
        linked = [source.member_of(identity) for identity in ids]
        here = [target._structure.members.get(other.path) for other in linked if other is not None]
        kept = tuple(other.id for other in here if other is not None)
        if kept:
            found[relation] = kept
    return found


def _listed(dims: Sequence[str]) -> str:
    return ", ".join(map(repr, dims)) if dims else "no dimension"


def check_types(target: Changing, bundles: Sequence[Bundle]) -> None:
    """Refuse values of a kind that a variable cannot take, before anything is read."""
    for bundle in bundles:
        for name, item in bundle.variables.items():
            view = target.get(name)
            if view is None or 0 in item.shape:
                continue
            kinds = (item.dtype.kind, np_kind(view))
            theirs = view.dtype if item.part is None else item.part.dtype
            if not means_the_same(theirs, view.dtype) or _contradicts(item, view):
                raise DataTypeError(
                    f"the numbers of {name!r} mean other things in {bundle.name}: write the names (flags.decode())"
                )
            if not _fits(*kinds):
                raise DataTypeError(f"{name!r} is {view.dtype}, and {item.dtype} in {bundle.name}: it cannot take that")


def _contradicts(item: Incoming, view: Any) -> bool:
    """Tell whether attributes give numbers other meanings than the enumeration that is to take them."""
    theirs = table_of_attributes(item.attrs, item.name) if view.dtype.kind == "e" else None
    ours = None if theirs is None else table_of_attributes(view.flags.attrs, item.name)
    if theirs is None or ours is None or item.dtype.kind not in "iuf":
        return False
    names = {(each.mask, each.value): each.name for each in ours.meanings}
    return any(names.get((each.mask, each.value), each.name) != each.name for each in theirs.meanings)


def np_kind(view: Any) -> str:
    """Give the letter of NumPy for the values of a variable."""
    return str(view.dtype.kind)


def _fits(given: str, wanted: str) -> bool:
    numbers = "biufc"
    if given in numbers:
        return wanted in numbers or wanted in "te"
    if given in "mM":
        return wanted in (given, "t")
    return wanted in "TGMSte" if given in "UTSO" else True
