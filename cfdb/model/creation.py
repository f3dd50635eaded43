"""What can be created in a dataset?"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cfdb.conventions.templates import Template, find_template, template_names
from cfdb.errors import CoordinateError, DataTypeError, EncodingError, ShapeError
from cfdb.format.casting import from_cells, to_cells
from cfdb.format.dtypes import DataType
from cfdb.format.dtypes import dtype as as_data_type
from cfdb.model.axes import check_axis, owner_of_axis, refuse_taken_axis
from cfdb.model.crs import CRSCreator
from cfdb.model.labels import Labels
from cfdb.model.likeness import likeness
from cfdb.model.making import add_dimension, add_group, create_bounds, create_variable
from cfdb.model.requests import ChunkShape, as_names, check_options, request_of
from cfdb.model.structure import unknown_name
from cfdb.model.view import View


class Creator:
    """What can be created in a dataset: ``ds.create``.

    Attributes
    ----------
    coord : CoordinateCreator
        Coordinates: ``generic``, ``like``, and templates such as ``lat``, ``lon``, ``time``.
    data_var : DataVariableCreator
        Data variables: ``generic``, ``like``, and templates such as ``air_temp``.
    crs : CRSCreator
        The coordinate reference system: ``from_user_input``, ``remove``.
    """

    def __init__(self, labels: Labels, find_group: Callable[[str], Any]) -> None:
        self._labels = labels
        self._find_group = find_group
        self.coord = CoordinateCreator(labels)
        self.data_var = DataVariableCreator(labels)
        self.crs = CRSCreator(labels)

    def dimension(self, name: str, size: int = 0, *, unlimited: bool = False) -> None:
        """Create a dimension without a coordinate.

        Parameters
        ----------
        name : str
            Its name.
        size : int
            Its length.
        unlimited : bool
            Whether it is declared to grow.
        """
        self._labels.structure.check_writable()
        with self._labels.structure.lock:
            add_dimension(self._labels, name, size, unlimited)

    def bounds(self, coord: str, data: Any, name: str | None = None) -> Any:
        """Create the bounds of a coordinate's cells, linked to it: ``ds[coord].bounds``.

        Parameters
        ----------
        coord : str
            Name of the coordinate.
        data : array-like
            Of its shape, with a last dimension for the two ends (or more corners) of every cell.
        name : str, optional
            Name of the new variable; ``<coord>_bnds`` by default.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     lat = ds.create.coord.generic("lat", data=[45.0, 15.0])
        ...     made = ds.create.bounds("lat", [[60, 30], [30, 0]])
        ...     print(lat.bounds.name, lat.bounds[0].values, ds.data_var_names)
        lat_bnds [60. 30.] ()
        """
        return create_bounds(self._labels, coord, data, name)

    def group(self, name: str, attrs: Mapping[str, Any] | None = None) -> Any:
        """Create a group: a place for variables and dimensions of its own, as in netCDF-4.

        Parameters
        ----------
        name : str
            Its name; with those around it, as in ``'ocean/deep'``, these are created as well.
        attrs : mapping, optional
            Attributes.

        Returns
        -------
        Group

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ocean = ds.create.group("ocean", attrs={"title": "Ocean"})
        ...     ocean["temperature"] = ("depth", [4.0, 3.5])
        ...     print(ds.var_names, ds.dims, list(ds.groups))
        ('ocean/temperature',) ('ocean/depth',) ['ocean']
        """
        self._labels.structure.check_writable()
        with self._labels.structure.lock:
            return self._find_group(add_group(self._labels, name, attrs or {}))

    def variable(self, name: str, dims: str | Sequence[str], dtype: Any = None, **options: Any) -> Any:
        """Create a variable of any role, along any dimensions (none: a scalar).

        Parameters
        ----------
        name : str
            Its name.
        dims : str or sequence of str
            Names of its dimensions; those that do not exist are created with the lengths of `data`.
        dtype : str, np.dtype or DataType, optional
            Type of the values; of `data` when left out.
        **options
            The fields of `Request`: ``data``, ``role``, ``chunk_shape``, ``attrs``, ``fill_value``,
            ``missing_value``, ``links``, ``axis``, ``step``, ``units``, ``encoding``, ``compression``,
            ``compression_level``, ``source_encoding``, ``precision``, ``keep_bits``, ``bit_information``.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     crs = ds.create.variable("crs", (), "int32", role="grid_mapping", attrs={"epsg_code": 4326})
        ...     print(ds["crs"].shape, ds.data_var_names)
        () ()
        """
        return create_variable(self._labels, request_of("create.variable", options, name, as_names(dims), dtype))


class CoordinateCreator:
    """Creates coordinates; templates are methods named after them (`lat`, `lon`, `time`, ...).

    A template gives its axis to the first coordinate of a dataset that is created by it or another of the same axis;
    those that follow (soil `depth` beside `pressure`) and auxiliary ones have none, unless ``axis=`` says so.
    """

    def __init__(self, labels: Labels) -> None:
        self._labels = labels

    def generic(
        self,
        name: str,
        data: Any = None,
        dtype: Any = None,
        chunk_shape: ChunkShape = None,
        step: bool | float | None = False,
        axis: str | None = None,
        *,
        dims: str | Sequence[str] | None = None,
        attrs: Mapping[str, Any] | None = None,
        unlimited: bool = False,
        **options: Any,
    ) -> Any:
        """Create the coordinate of a dimension, with the dimension when it does not exist.

        Parameters
        ----------
        name : str
            Name of coordinate and dimension.
        data : array-like, optional
            Labels, kept in this order; unique, none missing.
        dtype : str, np.dtype or DataType, optional
            Their type; of `data` when left out. ``'point'``, ``'line'`` and ``'polygon'`` take geometries, WKT strings
            or (points) coordinates of shape (n, 2) or (n, 3), and keep `precision` decimals, 5 by default.
        chunk_shape : tuple, dict or int, optional
            Shape of a chunk.
        step : bool, number, timedelta or str
            Distance to be enforced; True finds it in the data (none without data, or where they are irregular). Times
            take a number of their own unit, a timedelta, or text as in ``'6h'``.
        axis : str, optional
            x, y, z, t, xy or xyz; one coordinate each.
        dims : str or sequence of str, optional
            Other dimensions than the one of its own name: then it is an auxiliary coordinate.
        attrs : mapping, optional
            Attributes.
        unlimited : bool
            Whether the dimension is declared to grow.
        **options
            Further fields of `Request`.

        Returns
        -------
        Coordinate
        """
        if data is None and dtype is None:
            raise DataTypeError(f"coordinate {name!r} needs data= or dtype=")
        labels = self._labels
        labels.structure.check_writable()
        names = (name,) if dims is None else as_names(dims)
        role = "coordinate" if names == (name,) else "auxiliary"
        if role == "auxiliary" and not isinstance(step, bool | None):
            raise CoordinateError(f"step={step!r} of {name!r}: only the coordinate of a dimension has a step")
        axis = check_axis(axis)
        refuse_taken_axis(labels.structure, name, axis)
        request = request_of(
            "create.coord.generic", options, name, names, dtype, data=data, role=role, chunk_shape=chunk_shape,
            attrs=attrs, step=step, axis=axis, unlimited=unlimited,
        )  # fmt: skip
        return create_variable(labels, request)

    def like(self, name: str, coord: View, copy_data: bool = False, **options: Any) -> Any:
        """Create a coordinate like another: its type, rounding, chunks, compression, step, axis, units and attributes.

        Parameters
        ----------
        name : str
            Its name.
        coord : Coordinate
            The other one, of this dataset or of another one.
        copy_data : bool
            Whether its labels are taken as well.
        **options
            What is to be different, as of `generic`. The axis is left out where another coordinate has it already.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds, cfdb.open_dataset(None, "n") as other:
        ...     lat = ds.create.coord.lat([60.0, 50.0])
        ...     made = other.create.coord.like("lat", lat, copy_data=True)
        ...     print(made.values, made.axis, made.step, made.attrs["units"])
        [60. 50.] y -10.0 degrees_north
        """
        structure, record = self._labels.structure, coord._member.record
        said = likeness(structure, coord)
        axis = record.axis if owner_of_axis(structure, record.axis) is None else None
        if axis is None:
            said["attrs"] = {key: value for key, value in said["attrs"].items() if key != "axis"}
        step = record.step if not copy_data or coord._selection is None else record.step is not None
        said |= {"axis": axis, "step": step, "unlimited": any(dim.record.unlimited for dim in coord._member.dims)}
        return self.generic(name, coord.values if copy_data else None, **{**said, **options})

    def __getattr__(self, name: str) -> Callable[..., Any]:
        template = _template(name, "coord")

        def create(data: Any = None, step: bool | float | None = True, **options: Any) -> Any:
            check_options(f"create.coord.{name}", options)
            called = options.pop("name", template.name)
            options.setdefault("dtype", _type_for(template, data, options))
            own = options.get("dims") is None or as_names(options["dims"]) == (called,)
            free = own and owner_of_axis(self._labels.structure, template.axis) is None
            axis = check_axis(options.pop("axis", template.axis if free else None))
            attrs = {**template.attrs, "axis": axis.upper()} if axis else dict(template.attrs)
            if axis is None:
                attrs.pop("axis", None)
            attrs |= options.pop("attrs", None) or {}
            return self.generic(called, data=data, step=step, axis=axis, attrs=attrs, **options)

        create.__doc__ = f"Create the coordinate {template.name!r}: {template.attrs.get('long_name', name)}."
        return create

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *template_names("coord")]


class DataVariableCreator:
    """Creates data variables; templates are methods named after them (`air_temp`, `precip`, ...)."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels

    def generic(
        self,
        name: str,
        coords: str | Sequence[str] | None = None,
        dtype: Any = None,
        chunk_shape: ChunkShape = None,
        *,
        dims: str | Sequence[str] | None = None,
        data: Any = None,
        attrs: Mapping[str, Any] | None = None,
        fill_value: Any = None,
        precision: int | None = None,
        keep_bits: int | None = None,
        bit_information: float | None = None,
        **options: Any,
    ) -> Any:
        """Create a data variable.

        Parameters
        ----------
        name : str
            Its name.
        coords, dims : str or sequence of str
            Names of its dimensions (either spelling).
        dtype : str, np.dtype or DataType, optional
            Type of the values; of `data` when left out.
        chunk_shape : tuple, dict or int, optional
            Shape of a chunk; -1 is a whole dimension. By default at most 2^18 elements and 2 MiB.
        data : array-like, optional
            Values.
        attrs : mapping, optional
            Attributes.
        fill_value : optional
            What cells never written hold; such cells read as masked.
        precision : int, optional
            Decimals to keep of floats, rounded at every write. The error is at most half a unit of the last decimal
            plus one unit in the last place of the type (``maximum_error + plus_relative_error * abs(value)``).
        keep_bits : int, optional
            Bits of the mantissa to keep of floats, rounded at every write. The error is at most
            ``2**-(keep_bits + 1)`` of the number. `cfdb.keep_bits` finds out how many.
        bit_information : float, optional
            Share of the information in `data` to be kept, as in 0.99: chooses `keep_bits` by it.
        **options
            Further fields of `Request`; ``encoding='portable'`` writes chunks with codecs that every zarr reader knows,
            a dict is what ``encoding`` of another variable says.

        Returns
        -------
        DataVariable

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     made = ds.create.data_var.generic("t", ("x",), "float32", data=[1.2345, -7.001], precision=2)
        ...     print(made.values, made.encoding)
        [ 1.23 -7.  ] {'precision': 2, 'maximum_error': 0.005, 'plus_relative_error': 1.1920928955078125e-07}
        """
        if coords is not None and dims is not None and as_names(coords) != as_names(dims):
            raise ShapeError(f"{name!r}: coords={coords!r} and dims={dims!r} name different dimensions; give one")
        names = coords if coords is not None else dims
        if names is None:
            raise ShapeError(f"data variable {name!r} needs coords=, the names of its dimensions")
        request = request_of(
            "create.data_var.generic", options, name, as_names(names), dtype, data=data, chunk_shape=chunk_shape,
            attrs=attrs, fill_value=fill_value, precision=precision, keep_bits=keep_bits,
            bit_information=bit_information,
        )  # fmt: skip
        return create_variable(self._labels, request)

    def like(self, name: str, data_var: View, **options: Any) -> Any:
        """Create a variable like another, without its values.

        Dimensions, type, rounding, chunks, compression, fill value, units, attributes and shared links (grid mapping,
        coordinates, cell measures) are taken over; `options`, as of `generic`, say what is to be different.
        """
        said = {**likeness(self._labels.structure, data_var), "fill_value": data_var.fill_value, **options}
        dims = tuple(dim.path for dim in data_var._member.dims)
        return self.generic(name, **{"coords": None if "dims" in options else dims, **said})

    def __getattr__(self, name: str) -> Callable[..., Any]:
        template = _template(name, "data_var")

        def create(coords: str | Sequence[str] | None = None, **options: Any) -> Any:
            check_options(f"create.data_var.{name}", options)
            options.setdefault("dtype", template.dtype)
            return self.generic(
                options.pop("name", template.name),
                coords,
                attrs={**template.attrs, **(options.pop("attrs", None) or {})},
                **options,
            )

        create.__doc__ = f"Create the data variable {template.name!r}: {template.attrs.get('long_name', name)}."
        return create

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *template_names("data_var")]


def _type_for(template: Template, data: Any, options: dict[str, Any]) -> DataType | None:
    """Give the type of a coordinate made by a template; None where its labels need one of their own."""
    if template.dtype.kind == "G":
        precision = options.pop("precision", None)
        return template.dtype if precision is None else as_data_type(template.dtype.name, precision)
    return template.dtype if data is None or _holds(template.dtype, np.asarray(data)) else None


def _template(name: str, kind: str) -> Template:
    found = None if name.startswith("_") else find_template(name, kind)
    if found is None:
        known = dict.fromkeys(template_names(kind))
        raise AttributeError(unknown_name(f"{kind} template", name, known))
    return found


def _holds(dtype: DataType, values: np.ndarray[Any, Any]) -> bool:
    """Whether a template's type gives labels back as they are; otherwise they keep a type of their own."""
    if values.dtype.kind in "MO":
        return False
    if values.dtype.kind not in "fiu" or dtype.kind not in "fiu":
        return True
    try:
        kept = from_cells(to_cells(values, dtype, None), dtype, None, None)
    except EncodingError:
        return False
    return bool(np.allclose(kept, values, rtol=1e-12, atol=0))
