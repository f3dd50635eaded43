"""What is in a copy of a dataset: which variables, along which dimensions, with which records?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cfdb.errors import VariableNotFoundError
from cfdb.format.codecs import Chain, check_compression
from cfdb.format.dimension import Slots
from cfdb.format.metadata import DatasetRecord, DimensionRecord, VariableRecord
from cfdb.format.names import group_owner
from cfdb.model.coordinate import stored_labels
from cfdb.model.dataset import Dataset
from cfdb.model.encodings import choose_chain
from cfdb.model.growth import check_labels, find_step
from cfdb.model.listing import COORDINATES, HELPERS
from cfdb.model.part import Part
from cfdb.model.reading import Reading
from cfdb.model.structure import Member, unknown_name
from cfdb.plan.chunks import choose_chunk_shape
from cfdb.plan.indexing import Range, Selection

Names = Sequence[str] | str | None


@dataclass(frozen=True, slots=True)
class Planned:
    """A variable of the copy.

    Attributes
    ----------
    record : VariableRecord
        Its record; the identity is the one it has in the source.
    part : Part
        Its values.
    whole : bool
        Whether its chunks are copied as they are stored.
    attrs : dict
        Its attributes.
    """

    record: VariableRecord
    part: Part
    whole: bool
    attrs: dict[str, Any]

    @property
    def chunks(self) -> int:
        """Number of chunks to copy, for reports of progress."""
        return self.part.n_chunks


@dataclass(frozen=True, slots=True)
class Replica:
    """Records of a copy, in their order.

    Attributes
    ----------
    dataset : DatasetRecord
        The dataset's.
    attrs : dict
        Attributes of the dataset.
    groups : dict
        Attributes of its groups, by path.
    dims : tuple of DimensionRecord
        Its dimensions.
    variables : tuple of Planned
        Its variables.
    """

    dataset: DatasetRecord
    attrs: dict[str, Any]
    groups: dict[str, dict[str, Any]]
    dims: tuple[DimensionRecord, ...]
    variables: tuple[Planned, ...]

    @property
    def options(self) -> dict[str, Any]:
        """Options to open the file of the copy with."""
        record = self.dataset
        return {
            "dataset_type": record.dataset_type,
            "compression": record.compression,
            "compression_level": record.compression_level,
        }

    def build(self, target: Dataset) -> None:
        """Put the records into a new dataset."""
        structure = target._structure
        structure.set_dataset(self.dataset)
        structure.attributes(None).clear()
        structure.attributes(None).update(self.attrs)
        structure.touch_attributes(None)
        for path, attrs in self.groups.items():
            structure.attributes(group_owner(path)).update(attrs)
            structure.add_group(path)
        for dim in self.dims:
            structure.add_dimension(dim)
        for item in self.variables:
            member = structure.add_member(item.record)
            if item.attrs:
                structure.attributes(member.id).update(item.attrs)
                structure.touch_attributes(member.id)


def plan_replica(
    source: Reading,
    include: Names,
    exclude: Names,
    chunk_shape: Mapping[str, int] | None = None,
    compression: str | None = None,
    compression_level: int | None = None,
) -> Replica:
    """Plan a copy.

    Parameters
    ----------
    source : Dataset or DatasetView
        What is to be copied.
    include, exclude : names, optional
        Data variables to copy, or to leave out.
    chunk_shape : mapping, optional
        Chunk lengths of data variables by dimension; what is not named keeps its length.
    compression, compression_level : optional
        Of the copy, when another one is wanted.
    """
    structure = source._labels.structure
    structure.check_open()
    members = chosen_members(source, include, exclude)
    record = _dataset_record(structure.dataset, compression, compression_level)
    selected = source._selected()
    used = {dim.id for member in members for dim in member.dims}
    idle = {dim.id for dim in structure.dims.values() if not structure.users_of(dim)}
    dims = tuple(
        dim.record if dim.id not in selected else replace(dim.record, slots=Slots.of_size(selected[dim.id].size))
        for dim in structure.dims.values()
        if dim.id in used | idle and (dim.id not in selected or selected[dim.id].shape)
    )
    kept = {member.id for member in members}
    recode = record.compression != structure.dataset.compression or compression_level is not None
    planned = []
    for member in members:
        whole = not recode and not any(dim.id in selected for dim in member.dims)
        if chunk_shape and member.record.role not in COORDINATES:
            whole = whole and not any(dim.path in chunk_shape for dim in member.dims)
        part: Part = source._object(member)
        made = member.record if whole else _record(member, part, selected, chunk_shape, record, recode)
        links = {relation: tuple(i for i in ids if i in kept) for relation, ids in made.links.items()}
        made = replace(made, links={relation: ids for relation, ids in links.items() if ids})
        planned.append(Planned(made, part, whole, dict(structure.attributes(member.id))))
    groups = {path: dict(structure.attributes(group_owner(path))) for path in structure.declared_groups}
    return Replica(record, dict(structure.attributes(None)), groups, dims, tuple(planned))


def chosen_members(source: Reading, include: Names, exclude: Names) -> list[Member]:
    """Choose the variables of a copy: data variables by name, and everything that is not left without its purpose."""
    structure, mine = source._labels.structure, source._members()
    names = list(source.data_var_names)
    wanted = {mine[name].id for name in chosen_names(names, include, exclude)}
    others = {mine[name].id for name in names} - wanted
    linked_by: dict[str, set[str]] = {}
    for member in structure.members.values():
        for ids in member.record.links.values():
            for identity in ids:
                linked_by.setdefault(identity, set()).add(member.id)
    for member in mine.values():
        users = linked_by.get(member.id, set())
        helper = member.record.role in HELPERS
        if member.record.role in COORDINATES or (helper and not (users and users <= others)):
            wanted.add(member.id)
    pending = list(wanted)
    while pending:  # what they refer to comes along, and the labels of their dimensions
        found = structure.member_of(pending.pop())
        if found is not None:
            labels = [index.id for dim in found.dims if (index := structure.index_of(dim)) is not None]
            related = [*labels, *(identity for ids in found.record.links.values() for identity in ids)]
            pending += [identity for identity in related if identity not in wanted]
            wanted.update(related)
    return [member for member in structure.members.values() if member.id in wanted]


def chosen_names(names: Sequence[str], include: Names, exclude: Names) -> list[str]:
    """Choose data variables by name."""
    if include is not None and exclude is not None:
        raise ValueError("include_data_vars= and exclude_data_vars= are both given: choose one of them")
    given = include if include is not None else exclude
    listed = [given] if isinstance(given, str) else list(given or ())
    for name in listed:
        if name not in names:
            raise VariableNotFoundError(unknown_name("data variable", name, dict.fromkeys(names)))
    if include is not None:
        return [name for name in names if name in listed]
    return [name for name in names if name not in listed]


def _dataset_record(record: DatasetRecord, compression: str | None, level: int | None) -> DatasetRecord:
    if compression is not None and check_compression(compression) != record.compression:
        return replace(record, compression=check_compression(compression), compression_level=level)
    return record if level is None else replace(record, compression_level=level)


def _record(
    member: Member,
    part: Part,
    selected: Mapping[str, Selection],
    chunk_shape: Mapping[str, int] | None,
    dataset: DatasetRecord,
    recode: bool,
) -> VariableRecord:
    """Give the record of a variable that is copied in part, or with other chunks."""
    record = member.record
    left = [number for number, dim in enumerate(member.dims) if dim.id not in selected or selected[dim.id].shape]
    dims = [member.dims[number] for number in left]
    chunks = tuple(
        record.chunk_shape[number]
        if dim.id not in selected or dim.record.unlimited or record.role == "coordinate"
        else max(1, min(record.chunk_shape[number], selected[dim.id].size))
        for number, dim in zip(left, dims, strict=True)
    )
    if chunk_shape and record.role not in COORDINATES:
        wanted = {dim.path: length for dim, length in zip(dims, chunks, strict=True)}
        wanted.update((name, length) for name, length in chunk_shape.items() if name in wanted)
        growing = [dim.record.unlimited for dim in dims]
        chunks = choose_chunk_shape(part.shape, record.dtype.itemsize, growing, wanted, part.dims)
    codecs = record.codecs
    if chunks != record.chunk_shape or recode:
        codecs = chain_of(record, chunks, dataset if recode else None)
    role = "auxiliary" if member.is_index and not left else record.role
    made = replace(record, dims=tuple(dim.id for dim in dims), chunk_shape=chunks, codecs=codecs, role=role)
    if member.is_index and member.dims[0].id in selected:
        made = replace(made, step=_step(member, part, selected[member.dims[0].id]))
        labels = part.read()
        if labels.ndim:
            check_labels(record.path, stored_labels(part, labels))  # type: ignore[arg-type]
    return made


def _step(member: Member, part: Part, selection: Selection) -> int | float | None:
    step, axis = member.record.step, selection.axes[0]
    if step is None or not selection.shape:
        return None
    if isinstance(axis, Range):
        return step * axis.step
    return find_step(part.read())


def chain_of(record: VariableRecord, chunks: tuple[int, ...], dataset: DatasetRecord | None) -> Chain:
    """Give the codecs of a variable with other chunks; with a dataset's record in its compression."""
    names = [codec.name for codec in record.codecs]
    if dataset is not None:
        compression, level = dataset.compression, dataset.compression_level
    else:
        compression = next((name for name in ("lz4", "none", "zstd") if name in names), "zstd")
        if names[0] != "cfdb.auto" and not {"zstd", "lz4"} & set(names):
            compression = "none"
        levels = [option for codec in record.codecs if isinstance(option := codec.option("level"), int)]
        level = levels[0] if levels else None
    portable = names[0] == "bytes" and "shuffle" not in names and compression == "zstd"
    return choose_chain(record.path, record.dtype, chunks, compression, level, "portable" if portable else None)
