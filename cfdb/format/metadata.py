"""Which records describe a dataset?

One record for the dataset, one for every dimension and one for every variable, so that unrelated edits stay disjoint.
Records refer to each other by identity: a rename touches one record and no chunk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cfdb.errors import FormatError
from cfdb.format.attributes import decode_value, encode_value
from cfdb.format.codecs import Chain, CodecPipeline, chain_from_record, chain_to_record
from cfdb.format.dimension import Slots
from cfdb.format.dtypes import DataType
from cfdb.format.framing import NO_FEATURES, Features, frame, unframe
from cfdb.format.names import check_path, is_id

DATASET_TYPES = ("grid", "ts_ortho", "grid_forecast", "ts_forecast")
ROLES = ("data", "coordinate", "auxiliary", "bounds", "grid_mapping", "ancillary", "cell_measure", "formula_term")

_DATASET_KIND, _DIMENSION_KIND, _VARIABLE_KIND = 1, 2, 3


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """What holds for a whole dataset.

    Attributes
    ----------
    dataset_type : str
        One of `DATASET_TYPES`.
    compression : str
        Of new variables: ``'zstd'``, ``'none'`` or ``'lz4'``.
    compression_level : int or None
        Of new variables; None is the default of the compression.
    crs : str or None
        Coordinate reference system, as ``'EPSG:4326'`` or WKT.
    options : mapping
        Further options that hold for new variables.
    features : Features
        What a reader must know.
    """

    dataset_type: str = "grid"
    compression: str = "zstd"
    compression_level: int | None = None
    crs: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    features: Features = NO_FEATURES

    def encode(self) -> bytes:
        """Write the record."""
        body = {
            "dataset_type": self.dataset_type,
            "compression": self.compression,
            "compression_level": self.compression_level,
            "crs": self.crs,
            "options": encode_value(dict(self.options), "options"),
        }
        return frame(_DATASET_KIND, body, self.features)

    @classmethod
    def decode(cls, data: bytes) -> "DatasetRecord":
        """Read the record."""
        body, features = unframe(_DATASET_KIND, data, "the dataset's record")
        fields = _Fields(body, "the dataset's record")
        return cls(
            fields.text("dataset_type"),
            fields.text("compression"),
            fields.maybe("compression_level", int),
            fields.maybe("crs", str),
            fields.values("options"),
            features,
        )


@dataclass(frozen=True, slots=True)
class DimensionRecord:
    """A dimension.

    Attributes
    ----------
    id : str
        Identity, never used again.
    path : str
        Name with its groups.
    order : int
        Place in the order of creation.
    slots : Slots
        Positions and where they are stored.
    unlimited : bool
        Whether it is declared to grow.
    features : Features
        What a reader must know.
    """

    id: str
    path: str
    order: int = 0
    slots: Slots = field(default_factory=Slots)
    unlimited: bool = False
    features: Features = NO_FEATURES

    @property
    def name(self) -> str:
        """Name without groups."""
        return self.path.rpartition("/")[2]

    @property
    def size(self) -> int:
        """Number of positions."""
        return self.slots.size

    def encode(self) -> bytes:
        """Write the record."""
        body = {"id": self.id, "path": self.path, "order": self.order, "unlimited": self.unlimited}
        return frame(_DIMENSION_KIND, {**body, **self.slots.to_record()}, self.features)

    @classmethod
    def decode(cls, data: bytes, what: str = "a dimension's record") -> "DimensionRecord":
        """Read the record."""
        body, features = unframe(_DIMENSION_KIND, data, what)
        fields = _Fields(body, what)
        return cls(
            fields.identity("id"),
            fields.path("path"),
            fields.whole("order"),
            Slots.from_record(body),
            fields.flag("unlimited"),
            features,
        )


@dataclass(frozen=True, slots=True)
class VariableRecord:
    """A variable.

    Attributes
    ----------
    id : str
        Identity, never used again; chunks lie under it.
    path : str
        Name with its groups.
    dims : tuple of str
        Identities of its dimensions.
    dtype : DataType
        Type of its values.
    chunk_shape : tuple of int
        One length per dimension.
    codecs : Chain
        How chunks are encoded.
    order : int
        Place in the order of creation.
    role : str
        One of `ROLES`.
    fill_value : optional
        What cells never written read as (masked); None when not declared.
    missing_value : optional
        Further value(s) that mean missing, as in CF's ``missing_value``; not interpreted when reading.
    links : mapping of str to tuple of str
        Identities of related variables, by what they are: ``bounds``, ``grid_mapping``, ``coordinates``,
        ``ancillary_variables``, ``cell_measures`` ...
    axis : str or None
        ``'x'``, ``'y'``, ``'z'``, ``'t'``, ``'xy'`` or ``'xyz'``.
    step : int or float or None
        Enforced distance of a coordinate's values.
    units : str or None
        Units kept beside the attributes, as upstream does.
    encoding : mapping
        How the variable was or should be encoded elsewhere (netCDF's storage options ...).
    features : Features
        What a reader must know.
    """

    id: str
    path: str
    dims: tuple[str, ...]
    dtype: DataType
    chunk_shape: tuple[int, ...]
    codecs: Chain
    order: int = 0
    role: str = "data"
    fill_value: Any = None
    missing_value: Any = None
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    axis: str | None = None
    step: int | float | None = None
    units: str | None = None
    encoding: Mapping[str, Any] = field(default_factory=dict)
    features: Features = NO_FEATURES

    @property
    def name(self) -> str:
        """Name without groups."""
        return self.path.rpartition("/")[2]

    def pipeline(self) -> CodecPipeline:
        """Give the encoder and decoder of its chunks."""
        return CodecPipeline(self.dtype, self.chunk_shape, self.codecs, self.fill_value)

    def encode(self) -> bytes:
        """Write the record."""
        body = {
            "id": self.id,
            "path": self.path,
            "dims": list(self.dims),
            "dtype": self.dtype.to_record(),
            "chunk_shape": list(self.chunk_shape),
            "codecs": chain_to_record(self.codecs),
            "order": self.order,
            "role": self.role,
            "fill_value": encode_value(self.fill_value, "fill_value"),
            "missing_value": encode_value(self.missing_value, "missing_value"),
            "links": {name: list(ids) for name, ids in self.links.items()},
            "axis": self.axis,
            "step": self.step,
            "units": self.units,
            "encoding": encode_value(dict(self.encoding), "encoding"),
        }
        return frame(_VARIABLE_KIND, body, self.features)

    @classmethod
    def decode(cls, data: bytes, what: str = "a variable's record") -> "VariableRecord":
        """Read the record."""
        body, features = unframe(_VARIABLE_KIND, data, what)
        fields = _Fields(body, what)
        dims = fields.identities("dims")
        chunk_shape = tuple(fields.wholes("chunk_shape"))
        if len(chunk_shape) != len(dims) or min(chunk_shape, default=1) < 1:
            raise FormatError(f"{what} is damaged: chunks of shape {chunk_shape} for {len(dims)} dimensions")
        return cls(
            id=fields.identity("id"),
            path=fields.path("path"),
            dims=dims,
            dtype=DataType.from_record(fields.mapping("dtype")),
            chunk_shape=chunk_shape,
            codecs=chain_from_record(body.get("codecs")),
            order=fields.whole("order"),
            role=fields.text("role"),
            fill_value=decode_value(body.get("fill_value"), what),
            missing_value=decode_value(body.get("missing_value"), what),
            links={name: _ids(ids, what) for name, ids in fields.mapping("links").items()},
            axis=fields.maybe("axis", str),
            step=fields.number("step"),
            units=fields.maybe("units", str),
            encoding=fields.values("encoding"),
            features=features,
        )


class _Fields:
    """Typed access to an unpacked record."""

    def __init__(self, body: dict[str, Any], what: str) -> None:
        self._body = body
        self._what = what

    def text(self, name: str) -> str:
        value: str = self._typed(name, str)
        return value

    def whole(self, name: str) -> int:
        value: int = self._typed(name, int)
        return value

    def flag(self, name: str) -> bool:
        value = self._body.get(name)
        if not isinstance(value, bool):
            raise self._damaged(name)
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        value: dict[str, Any] = self._typed(name, dict)
        return value

    def values(self, name: str) -> dict[str, Any]:
        value: dict[str, Any] = decode_value(self.mapping(name), self._what)
        return value

    def maybe(self, name: str, kind: type) -> Any:
        return None if self._body.get(name) is None else self._typed(name, kind)

    def number(self, name: str) -> int | float | None:
        value = self._body.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise self._damaged(name)
        return value

    def wholes(self, name: str) -> list[int]:
        values = self._typed(name, list)
        if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            raise self._damaged(name)
        return list(values)

    def identity(self, name: str) -> str:
        value: str = self.text(name)
        if not is_id(value):
            raise self._damaged(name)
        return value

    def identities(self, name: str) -> tuple[str, ...]:
        return _ids(self._body.get(name), self._what)

    def path(self, name: str) -> str:
        value: str = self.text(name)
        try:
            check_path(value)
        except ValueError as error:
            raise self._damaged(name) from error
        return value

    def _typed(self, name: str, kind: type) -> Any:
        value = self._body.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self._damaged(name)
        return value

    def _damaged(self, name: str) -> FormatError:
        return FormatError(f"{self._what} is damaged: its field {name!r} is {self._body.get(name)!r}")


def _ids(value: Any, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and is_id(item) for item in value):
        raise FormatError(f"{what} is damaged: {value!r} is no list of identities")
    return tuple(value)
