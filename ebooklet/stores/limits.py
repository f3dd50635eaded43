"""Which values may be sent to S3 with an object?"""

import re
from collections.abc import Iterable, Mapping

MIB = 1 << 20
SMALLEST_PART, LARGEST_PART = 5 * MIB, 5 << 30
MOST_TAGS, LONGEST_TAG, LONGEST_TAG_VALUE = 10, 128, 256
ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
ACLS = (
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
)
_STORAGE_CLASS = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_OF_TAGS = re.compile(r"[\w +\-=.:/@]*")


def check_storage_class(name: str | None) -> None:
    """Refuse what cannot be the name of a storage class; servers have their own besides those of AWS."""
    if name is not None and not _STORAGE_CLASS.fullmatch(name):
        raise ValueError(f"storage_class={name!r}: use a name as 'STANDARD_IA' or 'INTELLIGENT_TIERING'")


def check_acl(name: str | None) -> None:
    """Refuse what is no canned access control list."""
    if name is not None and name not in ACLS:
        raise ValueError(f"acl={name!r}: use one of {ACLS}")


def check_encryption(sse: str | None, key_id: str | None) -> None:
    """Refuse an unknown encryption, or a key where none is used."""
    if sse is not None and sse not in ENCRYPTIONS:
        raise ValueError(f"sse={sse!r}: use one of {ENCRYPTIONS}")
    if key_id is None:
        return
    if sse in {None, "AES256"}:
        raise ValueError(f"sse_kms_key_id= belongs to sse='aws:kms', and sse={sse!r}")
    if not _PRINTABLE.fullmatch(key_id):
        raise ValueError(f"sse_kms_key_id={key_id!r}: use the id, alias or ARN of a key")


def check_part_sizes(threshold: int, chunksize: int) -> None:
    """Refuse sizes of parts that S3 does not take."""
    if threshold <= 0:
        raise ValueError(f"multipart_threshold={threshold!r}: it has to be more than 0")
    if not SMALLEST_PART <= chunksize <= LARGEST_PART:
        raise ValueError(f"multipart_chunksize={chunksize!r}: S3 takes parts of 5 MiB to 5 GiB")


def tags_from(tags: "Mapping[str, str] | Iterable[tuple[str, str]] | None") -> tuple[tuple[str, str], ...]:
    """The tags of objects as pairs, or what is wrong with them.

    Examples
    --------
    >>> tags_from({"project": "rain", "team": "hydrology"})
    (('project', 'rain'), ('team', 'hydrology'))
    """
    pairs = tuple(tags.items() if isinstance(tags, Mapping) else tags or ())
    if len(pairs) > MOST_TAGS:
        raise ValueError(f"tags= has {len(pairs)} tags; an object may have {MOST_TAGS}")
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError(f"tags= names a tag twice: {[name for name, _ in pairs]}")
    for name, value in pairs:
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"tags={{{name!r}: {value!r}}}: names and values of tags are str")
        if not 1 <= len(name) <= LONGEST_TAG or not _OF_TAGS.fullmatch(name):
            raise ValueError(f"tags= has {name!r}: 1 to {LONGEST_TAG} letters, digits, blanks and + - = . _ : / @")
        if name.startswith("aws:"):
            raise ValueError(f"tags= has {name!r}: names that begin with 'aws:' belong to AWS")
        if len(value) > LONGEST_TAG_VALUE or not _OF_TAGS.fullmatch(value):
            raise ValueError(
                f"tags={{{name!r}: {value!r}}}: up to {LONGEST_TAG_VALUE} letters, digits, blanks and + - = . _ : / @"
            )
    return pairs


def prefix_from(prefix: str | None) -> str:
    """The prefix of keys with its last slash, or what is wrong with it.

    Examples
    --------
    >>> prefix_from("projects/rain"), prefix_from("projects/rain/"), prefix_from(None)
    ('projects/rain/', 'projects/rain/', '')
    """
    if not prefix:
        return ""
    if not isinstance(prefix, str):
        raise TypeError(f"prefix= is a str, not {type(prefix).__name__}")
    bare = prefix.removesuffix("/")
    if any(part in {"", ".", ".."} for part in bare.split("/")):
        raise ValueError(f"prefix={prefix!r} has an empty, '.' or '..' part; use 'folder/subfolder'")
    return f"{bare}/"
