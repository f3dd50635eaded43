"""Which small files travel with a dataset?"""

import json
from collections.abc import Iterator, MutableMapping
from typing import Any

from cfdb.format.names import FILE_PREFIX, check_path, file_key
from cfdb.model.structure import Structure, unknown_name
from cfdb.storage.protocol import ChunkWrite

#: What is larger belongs into an object of its own, or into a variable.
MAX_BYTES = 64 << 20
#: The first byte of what is stored, by kind.
KINDS = {"bytes": b"b", "text": b"t", "json": b"j"}
_NAMES = {mark: name for name, mark in KINDS.items()}


class Files(MutableMapping[str, Any]):
    """Small files kept in a dataset, by name: bytes, texts, or what JSON can hold.

    They are part of its commits and versions, and are fetched when they are read. Nothing in them is ever executed.

    Examples
    --------
    >>> import cfdb
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     ds.files["notes.txt"] = "Sensor 3 was moved in May."
    ...     ds.files["run/settings.json"] = {"seed": 7, "levels": [1, 2]}
    ...     ds.files["logo.png"] = bytes(100)
    ...     ds.files["run/settings.json"]["seed"], ds.files
    (7, <3 files: logo.png (100 B), notes.txt (26 B), run/settings.json (29 B)>)
    """

    def __init__(self, structure: Structure) -> None:
        self._structure = structure

    def __getitem__(self, name: str) -> Any:
        self._structure.check_open()
        payload = self._structure.store.get(file_key(name)) if isinstance(name, str) else None
        if payload is None:
            raise KeyError(unknown_name("file", name, self.sizes))
        data = bytes(payload[1:])
        kind = _NAMES[bytes(payload[:1])]
        return data if kind == "bytes" else data.decode() if kind == "text" else json.loads(data)

    def __setitem__(self, name: str, value: Any) -> None:
        self._structure.check_writable()
        path = check_path(name)
        kind, data = _encoded(path, value)
        if len(data) > MAX_BYTES:
            raise ValueError(
                f"the file {path!r} has {len(data):,} bytes; at most {MAX_BYTES:,} are kept in a dataset: put arrays "
                "into variables, and others beside it"
            )
        with self._structure.lock:
            self._structure.store.set_many([ChunkWrite(file_key(path), KINDS[kind] + data)])

    def __delitem__(self, name: str) -> None:
        self._structure.check_writable()
        if name not in self:
            raise KeyError(unknown_name("file", name, self.sizes))
        with self._structure.lock:
            self._structure.store.delete([file_key(name)])

    def __contains__(self, name: object) -> bool:
        self._structure.check_open()
        return isinstance(name, str) and self._structure.store.has([file_key(name)])[0]

    def __iter__(self) -> Iterator[str]:
        self._structure.check_open()
        return iter(sorted(key.removeprefix(FILE_PREFIX) for key in self._structure.store.keys(FILE_PREFIX)))

    def __len__(self) -> int:
        return sum(1 for _ in self)  # `list` would ask for the length

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of the files, by name; no file is read."""
        names = list(self)
        found = self._structure.store.sizes([file_key(name) for name in names])
        return {name: (size or 1) - 1 for name, size in zip(names, found, strict=True)}

    def __repr__(self) -> str:
        if self._structure.closed:
            return "<files of a closed dataset>"
        listed = [f"{name} ({size:,} B)" for name, size in self.sizes.items()]
        return f"<{len(listed)} file{'s' * (len(listed) != 1)}{': ' if listed else ''}{', '.join(listed)}>"


def copy_files(source: Structure, target: Structure) -> None:
    """Copy the files of a dataset as they are stored, one at a time."""
    for key in list(source.store.keys(FILE_PREFIX)):
        payload = source.store.get(key)
        if payload is not None:
            target.store.set_many([ChunkWrite(key, bytes(payload))])


def _encoded(name: str, value: Any) -> tuple[str, bytes]:
    if isinstance(value, bytes | bytearray | memoryview):
        return "bytes", bytes(value)
    if isinstance(value, str):
        return "text", value.encode()
    try:
        _refuse_odd_names(value)
        return "json", json.dumps(value, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        kind = type(value).__name__
        raise TypeError(
            f"the file {name!r} is to hold a {kind}: give bytes, a text, or what JSON can hold ({error})"
        ) from None


def _refuse_odd_names(value: Any) -> None:
    """Refuse dicts whose names JSON would change into texts."""
    if isinstance(value, dict):
        odd = [name for name in value if not isinstance(name, str)]
        if odd:
            raise TypeError(f"{odd[0]!r} would become a text")
        for inner in value.values():
            _refuse_odd_names(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _refuse_odd_names(inner)
