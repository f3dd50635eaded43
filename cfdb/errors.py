"""Which errors can cfdb raise?

::

    CFDBError
    ├── VariableNotFoundError (KeyError, ValueError)   no variable of this name; names the nearest
    ├── InvalidNameError (ValueError)                 a name netCDF does not allow, or already in use
    ├── SelectionError (IndexError)                    an index out of bounds or of the wrong kind
    │   └── DimensionNotFoundError (KeyError, ValueError)  no dimension of this name to select along
    ├── LabelNotFoundError (KeyError)                  a label that is not in a coordinate
    ├── CheckFailedError (ValueError)                  a push of a dataset that breaks the rules it is to follow
    ├── ShapeError (ValueError)                        values that do not fit the selection
    ├── CoordinateError (ValueError)                   duplicates, NaN, wrong step ...
    │   └── CoordinateTypeError (TypeError)        a coordinate that the type of the dataset excludes
    ├── GroupingError (ValueError)                     labels that cannot be grouped as asked
    ├── EncodingError (ValueError)                     a value the encoding cannot hold
    │   └── UnitsError                                 values in other units than those beside them
    ├── DataTypeError (TypeError)                      a type cfdb does not store
    │   └── NoFlagsError (AttributeError)              values that have no meanings
    ├── ReadOnlyError (ValueError)                     write through a handle opened for reading
    ├── ClosedError (ValueError)                       use of a closed dataset
    ├── NotPicklableError (TypeError)              a handle another process could not open again
    ├── MemoryLimitError (MemoryError)                 an implicit load over `max_load`
    ├── TransferLimitError (RuntimeError)              a load that would fetch more than `max_fetch`
    ├── WorkerError (RuntimeError)                     a process of `map` that ended by itself
    └── FormatError (ValueError)
        ├── UnsupportedFormatError                     a required feature this release does not know
        ├── NotACFDBFileError (TypeError)              a file of another kind
        └── CorruptChunkError (OSError)                a written chunk is damaged or gone

Errors of the file and of the remote come from `ebooklet.errors`.
"""

from typing import Any


class CFDBError(Exception):
    """Root of every error raised by cfdb."""


class VariableNotFoundError(CFDBError, KeyError, ValueError):
    """No variable of this name."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class InvalidNameError(CFDBError, ValueError):
    """A name that is not allowed, or already taken."""


class SelectionError(CFDBError, IndexError):
    """An index out of bounds or of a kind that cannot select."""


class DimensionNotFoundError(SelectionError, KeyError, ValueError):
    """No dimension of this name to select along."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class LabelNotFoundError(CFDBError, KeyError):
    """A label that is not in the coordinate."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class ShapeError(CFDBError, ValueError):
    """Values whose shape does not fit where they should go."""


class CoordinateError(CFDBError, ValueError):
    """Values a coordinate cannot take."""


class CoordinateTypeError(CoordinateError, TypeError):
    """A coordinate that the type of the dataset excludes: geometries in a grid, x and y among stations."""


class GroupingError(CFDBError, ValueError):
    """Labels that cannot be grouped in the way that was asked for."""


class EncodingError(CFDBError, ValueError):
    """A value that the declared encoding cannot hold."""


class UnitsError(EncodingError):
    """Values in other units than those they would lie beside."""


class DataTypeError(CFDBError, TypeError):
    """A data type that cfdb does not store."""


class NoFlagsError(DataTypeError, AttributeError):
    """The values of a variable have no meanings."""


class CheckFailedError(CFDBError, ValueError):
    """A push of a dataset that breaks the rules it is to follow; nothing was sent, `findings` are what is wrong."""

    def __init__(self, message: str, findings: tuple[Any, ...] = ()) -> None:
        super().__init__(message, findings)
        self.findings = findings

    def __str__(self) -> str:
        return str(self.args[0])


class ReadOnlyError(CFDBError, ValueError):
    """A write through a dataset, variable or view that is read-only."""


class ClosedError(CFDBError, ValueError):
    """Use of a dataset that was closed."""


class NotPicklableError(CFDBError, TypeError):
    """A handle that another process could not open again: open for writing, or in memory."""


class TransferLimitError(CFDBError, RuntimeError):
    """A load that would fetch more than `max_fetch` bytes; nothing was requested."""


class MemoryLimitError(CFDBError, MemoryError):
    """An implicit load of more than `max_load` bytes."""


class SumOverflowError(CFDBError, OverflowError):
    """A sum of integers that its type cannot hold."""


class WorkerError(CFDBError, RuntimeError):
    """A process that worked for `map` ended by itself."""


class FormatError(CFDBError, ValueError):
    """A file whose content cfdb cannot use."""


class UnsupportedFormatError(FormatError):
    """Written with a feature this release does not know; the message names it."""


class NotACFDBFileError(FormatError, TypeError):
    """A readable file that holds no cfdb dataset."""


class CorruptChunkError(FormatError, OSError):
    """A chunk that was written is damaged or gone."""


class PartialDataWarning(UserWarning):
    """A local copy holds only a part of its remote."""
