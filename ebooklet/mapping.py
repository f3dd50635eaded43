"""What does a user of a synced key-value file touch?"""

from collections.abc import ItemsView, Iterable, Iterator, Mapping, MutableMapping, Sequence, ValuesView
from datetime import datetime
from itertools import islice
from typing import Any

from ebooklet.batches import (
    BATCH_SIZE,
    BatchResult,
    OnItemError,
    Pair,
    checked_pair,
    collected,
    delete_together,
    pairs_of,
    write_stream,
)
from ebooklet.changes import Changes
from ebooklet.errors import UntrustedFileError
from ebooklet.forking import ForkableFile
from ebooklet.format.booklet_layout import check_key
from ebooklet.format.checksum import Buffer
from ebooklet.local.serializers import Serializer
from ebooklet.mapped import Function, map_items
from ebooklet.progress import Progress
from ebooklet.synced import Write
from ebooklet.times import microseconds

# The names the released package gives to the kinds of databases.
TYPES = {"ebooklet": "EVariableLengthValue", "rcg": "RemoteConnGroup"}
# While iterating, as many values are read together:
BATCH_KEYS = 4096
BATCH_BYTES = 32 << 20

_MISSING = object()


class EBooklet(ForkableFile, MutableMapping[str, Any]):
    """A persistent dictionary with str keys, in one local file and in step with S3.

    Made by :func:`ebooklet.open`. Values come from the remote when they are first touched; what is written stays local
    until ``push()``. Leaving ``with`` commits to the local file, an exception rolls back to the last ``sync()``.

    Examples
    --------
    >>> import ebooklet, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> remote = f"file://{folder}/store/db.blt"
    >>> with ebooklet.open(remote, f"{folder}/mine.blt", "c", value_serializer="json") as db:
    ...     db["stations"] = ["north", "south"]
    ...     result = db.push()
    >>> with ebooklet.open(remote, f"{folder}/yours.blt") as db:
    ...     db["stations"], len(db), "west" in db
    (['north', 'south'], 1, False)
    """

    def __init__(self, serializer: Serializer, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._serializer = serializer

    # ---- reading -----------------------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of `key`, or `default` when there is none."""
        data = self.get_payload(_checked(key))
        return default if data is None else self._decode(key, data)

    def get_items(self, keys: Iterable[str], default: Any = None) -> Iterator[tuple[str, Any]]:
        """Iterate over ``(key, value)`` of `keys`, fetching together what is not here.

        Parameters
        ----------
        keys
            The keys, in the order wanted.
        default
            The value of keys that do not exist.
        """
        for some in self._batches(map(_checked, collected(keys))):
            for key, data in zip(some, self.get_payloads(some), strict=True):
                yield key, default if data is None else self._decode(key, data)

    def load_items(self, keys: Iterable[str] | None = None, *, progress: Any = None) -> dict[str, Exception]:
        """Bring values into the local file without returning them.

        Parameters
        ----------
        keys
            Which; all of them by default.
        progress
            True for a bar, or a function called with the bytes done and in all.

        Returns
        -------
        dict
            Failures by key; empty when everything is here.
        """
        return self.load([_checked(key) for key in collected(keys)] if keys is not None else None, progress=progress)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.has([key])[0]

    def __len__(self) -> int:
        return self.count()

    def __iter__(self) -> Iterator[str]:
        return self.iter_keys()

    def items(self) -> ItemsView[str, Any]:
        """Return a view of ``(key, value)``; iterating fetches what is not here in large requests."""
        return _Items(self)

    def values(self) -> ValuesView[Any]:
        """Return a view of the values; iterating fetches what is not here in large requests."""
        return _Values(self)

    def timestamps(self, include_value: bool = False) -> Iterator[tuple[Any, ...]]:
        """Iterate over ``(key, timestamp)``, with `include_value` over ``(key, timestamp, value)``.

        Timestamps are integers, microseconds since the epoch.
        """
        keys = list(self.iter_keys())
        stamps = zip(keys, self.payload_timestamps(keys), strict=True)
        if not include_value:
            return iter(stamps)
        return ((*pair, value) for pair, (_, value) in zip(stamps, self.get_items(keys), strict=True))

    def get_timestamp(
        self, key: str, include_value: bool = False, decode_value: bool = True, default: Any = None
    ) -> Any:
        """Return when the value of `key` was written, as microseconds since the epoch.

        Parameters
        ----------
        key
            The key.
        include_value
            Return ``(timestamp, value)``.
        decode_value
            Decode the value; otherwise its bytes are returned.
        default
            Returned when there is no such key.
        """
        (stamp,) = self.payload_timestamps([_checked(key)])
        if stamp is None:
            return default
        if not include_value:
            return stamp
        data = self.get_payload(key)
        if data is None:
            return default
        return stamp, self._decode(key, data) if decode_value else data

    # ---- writing -----------------------------------------------------------------------------------------------

    def __setitem__(self, key: str, value: Any) -> None:
        self.set(key, value)

    def set(
        self, key: str, value: Any, timestamp: int | str | datetime | None = None, encode_value: bool = True
    ) -> None:
        """Write a value.

        Parameters
        ----------
        key
            The key, any non-empty str.
        value
            What the serializer of the file can encode, or bytes with ``encode_value=False``.
        timestamp
            When it was made: microseconds since the epoch, an ISO string with a time zone, or an aware datetime.
        encode_value
            False to store the bytes as they are.
        """
        data = self._encode(_checked(key), value) if encode_value else _bytes_of(key, value)
        self.set_payloads([Write(key, data, timestamp=microseconds(timestamp))])

    def update(self, other: Any = (), /, **kwargs: Any) -> None:
        """Write all values of a mapping, of pairs, or of keywords."""
        self._put([*pairs_of(other), *kwargs.items()])

    def set_items(
        self, items: Mapping[str, Any] | Iterable[Pair], *, on_error: OnItemError = "raise", progress: Progress = None
    ) -> BatchResult:
        """Write many values: all or none, or with ``on_error='collect'`` all that can be written.

        Parameters
        ----------
        items
            A mapping, or pairs of key and value, all of which are held in memory; see `set_stream`.
        on_error
            ``'raise'``: nothing is written when one of them cannot be; ``'collect'``: the result tells which.
        progress
            True for a bar, or a function called with the items done and in all.

        Returns
        -------
        BatchResult
            True when nothing failed; prints as text.

        Examples
        --------
        >>> import ebooklet, tempfile
        >>> remote = f"file://{tempfile.mkdtemp()}/db.blt"
        >>> with ebooklet.open(remote, flag="c", value_serializer="json", cache=None) as db:
        ...     result = db.set_items({"a": 1, "b": {2}, "c": 3}, on_error="collect")
        ...     result.successful, result.failed_keys, sorted(db)
        (2, ('b',), ['a', 'c'])
        """
        pairs = list(pairs_of(items))
        size = max(len(pairs), 1) if on_error == "raise" else BATCH_SIZE
        return write_stream(self._put, pairs, batch_size=size, on_error=on_error, progress=progress, name=self.name)

    def set_stream(
        self,
        items: Iterable[Pair],
        batch_size: int = BATCH_SIZE,
        on_error: OnItemError = "raise",
        *,
        progress: Progress = None,
    ) -> BatchResult:
        """Write values as an iterator gives them, holding no more than a batch in memory.

        Parameters
        ----------
        items
            Pairs of key and value.
        batch_size
            How many are written together.
        on_error
            ``'raise'``: the first item that cannot be written is an error; earlier batches stay written, to be made
            permanent with `sync` or given up with `rollback`. ``'collect'``: the result tells which could not be.
        progress
            True for a bar, or a function called with the items done and in all (0 when that is not known).

        Returns
        -------
        BatchResult
            True when nothing failed; prints as text.
        """
        return write_stream(
            self._put, pairs_of(items), batch_size=batch_size, on_error=on_error, progress=progress, name=self.name
        )

    def delete_items(self, keys: Iterable[str], missing_ok: bool = False) -> BatchResult:
        """Delete many keys.

        Parameters
        ----------
        keys
            The keys; one that occurs twice counts once.
        missing_ok
            Pass over keys that do not exist, which otherwise are an error, and nothing is deleted.

        Raises
        ------
        KeyError
            If some do not exist and `missing_ok` is false.
        """
        self._check_writable()
        return delete_together(self.has, self.delete_payloads, map(_checked, collected(keys)), missing_ok)

    def set_timestamp(self, key: str, timestamp: int | str | datetime) -> None:
        """Change when the value of `key` was written."""
        data = self.get_payload(_checked(key))
        if data is None:
            raise KeyError(key)
        self.set_payloads([Write(key, data, timestamp=microseconds(timestamp))])

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        self.delete_payloads([key])

    def clear(self) -> None:
        """Delete every key; until a push, ``changes().discard()`` brings them back."""
        self.delete_payloads(list(self.iter_keys()))

    batch_create = set_items
    batch_delete = delete_items

    def batch_read(self, keys: Iterable[str], default: Any = None) -> list[Any]:
        """Return the values of `keys`, in their order; `get_items` gives the same without holding all of them."""
        return [value for _, value in self.get_items(keys, default)]

    def map(self, func: Function, keys: Iterable[str] | None = None, n_workers: int | None = None) -> Iterator[Pair]:
        """Call a function on values, in several processes.

        Parameters
        ----------
        func
            Called with key and value; gives another pair of key and value, or None for nothing. Other processes must
            be able to import it.
        keys
            Which; all of them by default.
        n_workers
            Processes; one for each processor by default. 0 calls the function in this process, in order.

        Yields
        ------
        tuple
            What `func` gives, in the order it is done.

        Examples
        --------
        >>> import ebooklet, tempfile
        >>> remote = f"file://{tempfile.mkdtemp()}/db.blt"
        >>> with ebooklet.open(remote, flag="c", value_serializer="json", cache=None) as db:
        ...     db.update({"a": 1, "b": 2})
        ...     dict(db.map(lambda key, value: (key.upper(), value * 10) if value > 1 else None, n_workers=0))
        {'B': 20}
        """
        self._check_open()
        return map_items(func, self.get_items(self.iter_keys() if keys is None else keys), n_workers)

    def changes(self) -> Changes:
        """Return everything that is not yet pushed, edits of earlier handles included."""
        return Changes(self)

    @property
    def type(self) -> str:
        """What kind of database this is, by the names of the released package."""
        return TYPES.get(self.kind, self.kind)

    # ---- one value ---------------------------------------------------------------------------------------------

    def _batches(self, keys: Iterable[str]) -> Iterator[list[str]]:
        """Cut `keys` so that the values of one part fit in memory and travel together."""
        remaining = iter(keys)
        while some := list(islice(remaining, BATCH_KEYS)):
            first, nbytes = 0, 0
            for number, size in enumerate(self.sizes(some)):
                nbytes += size or 0
                if nbytes >= BATCH_BYTES:
                    yield some[first : number + 1]
                    first, nbytes = number + 1, 0
            if first < len(some):
                yield some[first:]

    def _put(self, pairs: Sequence[Pair]) -> int:
        """Write values together, all or none, and give their bytes."""
        writes = [self._write_of(pair) for pair in pairs]
        self.set_payloads(writes)
        return sum(len(write.payload) for write in writes)

    def _write_of(self, pair: Pair) -> Write:
        key, value = checked_pair(pair)
        try:
            return Write(_storable(key), self._encode(key, value))
        except Exception as error:
            if type(error) in (TypeError, ValueError, OverflowError):
                raise type(error)(f"the value of {key!r} cannot be written to {self.name}: {error}") from error
            error.add_note(f"at key {key!r} of {self.name}")
            raise

    def _encode(self, key: str, value: Any) -> Buffer:
        if self._serializer.dumps is bytes:  # which would make zeros of an int
            return _bytes_of(key, value)
        return _bytes_of(key, self._serializer.dumps(value))

    def _decode(self, key: str, data: bytes) -> Any:
        try:
            return self._serializer.loads(data)
        except UntrustedFileError as error:
            raise UntrustedFileError(f"key {key!r} of {self.name}: {error}") from None

    def __repr__(self) -> str:
        state = "closed" if self.closed else ("writing" if self.writable else "reading")
        return f"<{type(self).__name__} {self.name} with {self.remote_uri}, {state}>"


class _Items(ItemsView[str, Any]):
    _mapping: EBooklet

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return self._mapping.get_items(self._mapping.iter_keys())


class _Values(ValuesView[Any]):
    _mapping: EBooklet

    def __iter__(self) -> Iterator[Any]:
        return (value for _, value in self._mapping.get_items(self._mapping.iter_keys()))


def _checked(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"key {key!r} is a {type(key).__name__}: keys are str")
    if not key:
        raise ValueError("a key needs at least one character")
    return key


def _storable(key: object) -> str:
    """Check a key before anything of its batch is written."""
    text = _checked(key)
    check_key(text.encode())
    return text


def _bytes_of(key: str, data: object) -> Buffer:
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(
            f"value of {key!r} is a {type(data).__name__}, the file stores bytes: "
            "choose value_serializer= ('json', 'msgpack', 'pickle', ...) when creating it"
        )
    return data
