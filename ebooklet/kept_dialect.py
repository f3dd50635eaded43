"""What does the local file remember of the server?

Whether it honours conditional writes and how it wants them spelled (as state ``dialect``), so that only the first
process that writes to a bucket spends requests on it. What is damaged, of another bucket or of another server is
learned anew.
"""

from contextlib import suppress

from ebooklet.errors import FileFormatError
from ebooklet.format.frame import Fields, seal, unseal
from ebooklet.local.working_copy import WorkingCopy
from ebooklet.stores.dialect import Dialect

DIALECT_STATE = "dialect"
_MAGIC = b"EBKD"


def recall_dialect(local: WorkingCopy, dialect: Dialect) -> None:
    """Let a dialect have what an earlier process learned, if the local file tells."""
    data = local.state(DIALECT_STATE)
    if data is not None:
        with suppress(FileFormatError):
            dialect.recall(_decode(data))


def keep_dialect(local: WorkingCopy, dialect: Dialect) -> None:
    """Keep what was learned in the local file with its next commit; forget there what has turned out wrong."""
    memory = dialect.memory()
    if not memory and dialect.conditional_put is not False:
        return
    data = seal(_MAGIC, {"requires": [], **memory}) if memory else None
    if data != local.state(DIALECT_STATE):
        local.set_state(DIALECT_STATE, data)


def _decode(data: bytes) -> dict[str, object]:
    fields: Fields = unseal(_MAGIC, "the kept dialect", data)
    known: dict[str, object] = {"place": fields.text("place"), "server": fields.text("server")}
    return known | {name: fields.flag(name) for name in ("conditional_put", "quoted_if_match") if fields.has(name)}
