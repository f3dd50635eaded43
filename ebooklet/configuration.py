"""Which connection do a configuration file, a dict or the environment describe?

Values may have ``${VARIABLE}`` or ``${VARIABLE:default}`` in them; ``$${`` stands for ``${``. What is written as a text
becomes what its parameter needs: a number, yes or no, tags.
"""

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ebooklet.aliases import ALIASES, spelled

VARIABLE = "CFDB_CONFIG"
PREFIX = "CFDB_"
_PLACEHOLDER = re.compile(r"\$\$\{|\$\{([^}:]*)(?::([^}]*))?\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_YES, _NO = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})
#: Parameters of `S3Connection` by the variables of AWS that say them; the first that is set counts.
_OF_AWS = {
    "access_key_id": ("AWS_ACCESS_KEY_ID",),
    "access_key": ("AWS_SECRET_ACCESS_KEY",),
    "session_token": ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"),
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
}
_KEYS = ("access_key_id", "access_key", "session_token")
# They hold values that no text can.
_NO_TEXT = frozenset({"session", "config"})


def parameters_of_config(source: Any, section: str | None = None) -> dict[str, Any]:
    """The parameters that a dict or file gives, with variables replaced.

    Parameters
    ----------
    source : mapping, path or None
        A dict, a file, or None for the user's own file.
    section : str, optional
        Which table of it.

    Raises
    ------
    ValueError
        If a variable is not set, or the section or file is not as it should be.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> parameters_of_config({"europe": {"bucket": "${BUCKET_OF_EUROPE:lab}", "threads": "4"}}, "europe")
    {'bucket': 'lab', 'threads': 4}
    """
    if isinstance(source, Mapping):
        tree, place = source, "the dict"
    elif source is None or isinstance(source, str | os.PathLike):
        path = default_file() if source is None else Path(source).expanduser()
        tree, place = _read(path), str(path)
    else:
        raise TypeError(f"a configuration is a dict or the path of a file, not {type(source).__name__}")
    chosen = _section(tree, section, place)
    found = {name: _filled(value, f"{place}: {name}", os.environ) for name, value in chosen.items()}
    return {name: typed(name, value) for name, value in found.items() if value not in (None, "")}


def default_file() -> Path:
    """The user's file: what `CFDB_CONFIG` names, else ``config.toml`` in the folder of the user's configuration."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given).expanduser()
    try:
        import platformdirs
    except ImportError as error:
        raise ImportError(
            f"finding the configuration of the user needs platformdirs: pip install 'cfdb[ebooklet]', or set {VARIABLE}"
        ) from error
    return Path(platformdirs.user_config_dir("cfdb", appauthor=False)) / "config.toml"


def parameters_of_environment(given: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The parameters that variables give, under those given by hand.

    Parameters
    ----------
    given : mapping
        Parameters given by hand; None = not given.
    names : iterable of str
        All parameters there are.
    """
    found = spelled({name: value for name, value in given.items() if value is not None})
    keys_given = any(found.get(name) for name in (*_KEYS, "session", "profile")) or found.get("anonymous")
    for name in names:
        text = "" if name in _NO_TEXT or name in ALIASES else os.environ.get(f"{PREFIX}{name.upper()}", "")
        if name not in found and text and not (keys_given and name in _KEYS):
            found[name] = typed(name, text, f"{PREFIX}{name.upper()}")
    keys_given = keys_given or any(found.get(name) for name in (*_KEYS, "profile")) or found.get("anonymous")
    for name, variables in _OF_AWS.items():
        text = next((os.environ[one] for one in variables if os.environ.get(one)), "")
        if name not in found and text and not (keys_given and name in _KEYS):
            found[name] = text
    if bool(found.get("access_key_id")) != bool(found.get("access_key")) and not keys_given:
        missing = "AWS_SECRET_ACCESS_KEY" if found.get("access_key_id") else "AWS_ACCESS_KEY_ID"
        raise ValueError(f"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together; set {missing}")
    if not found.get("db_url") and not (found.get("bucket") and found.get("db_key")):
        raise ValueError(
            f"from_env() needs a place: give bucket= and db_key=, or set {PREFIX}BUCKET and {PREFIX}DB_KEY"
        )
    return found


def typed(name: str, value: Any, place: str | None = None) -> Any:
    """A value as the parameter of this name needs it, if it is written as a text.

    Examples
    --------
    >>> typed("threads", "4"), typed("anonymous", "yes"), typed("tags", "team=rain,stage=raw")
    (4, True, {'team': 'rain', 'stage': 'raw'})
    """
    kind = _KINDS.get(name)
    if kind is None or not isinstance(value, str):
        return value
    said, convert = kind
    try:
        return convert(value)
    except ValueError as error:
        raise ValueError(f"{place or name}={value!r} is not {said}") from error


def _truth(text: str) -> bool:
    if text.lower() not in _YES | _NO:
        raise ValueError(text)
    return text.lower() in _YES


def _truth_or_text(text: str) -> bool | str:
    return _truth(text) if text.lower() in _YES | _NO else text


def _tags(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(sign for _, sign, _ in pairs):
        raise ValueError(text)
    return {name.strip(): value.strip() for name, _, value in pairs}


_WHOLE: tuple[str, Callable[[str], Any]] = ("a whole number", int)
_NUMBER: tuple[str, Callable[[str], Any]] = ("a number of seconds", float)
_BOOLEAN: tuple[str, Callable[[str], Any]] = ("true or false", _truth)
_KINDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    **dict.fromkeys(("threads", "max_workers", "retries"), _WHOLE),
    **dict.fromkeys(("read_timeout", "connect_timeout", "deadline"), _NUMBER),
    **dict.fromkeys(("anonymous", "single_writer", "pickle_credentials", "request_payer", "create_bucket"), _BOOLEAN),
    "verify": ("true, false or a file", _truth_or_text),
    "tags": ("tags as 'name=value,name=value'", _tags),
}


def _read(path: Path) -> Mapping[str, Any]:
    """What a file says, by the ending of its name."""
    readers: dict[str, Callable[[str], Any]] = {
        ".toml": tomllib.loads,
        ".json": json.loads,
        ".yaml": _yaml,
        ".yml": _yaml,
    }
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path}: a configuration is a .toml, .json or .yaml file")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no configuration file {path}; {VARIABLE} may name another one") from error
    try:
        found = readers[path.suffix.lower()](text)
    except ValueError as error:
        # The message of a reader may show a line of the file, and the line a key.
        raise ValueError(f"{path} cannot be read as {path.suffix[1:].upper()}{_line_of(error)}") from None
    if not isinstance(found, Mapping):
        raise ValueError(f"{path} holds no table of names and values")
    return found


def _yaml(text: str) -> Any:
    try:
        yaml = import_module("yaml")
    except ImportError as error:
        raise ImportError("reading a .yaml configuration needs PyYAML: pip install pyyaml") from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ValueError(f"line {mark.line + 1}" if mark is not None else "yaml") from None


def _line_of(error: ValueError) -> str:
    found = re.search(r"line (\d+)", str(error))
    return f": see line {found[1]}" if found else ""


def _section(tree: Mapping[str, Any], section: str | None, place: str) -> Mapping[str, Any]:
    """The table of a connection, and a clear word on what there is if it is not there."""
    tables = tree.get("connections")
    named = {name: one for name, one in (tables if isinstance(tables, Mapping) else tree).items() if _is_table(one)}
    if section is None:
        if "bucket" in tree or "db_url" in tree or not named:
            return tree
        raise ValueError(f"{place} has named connections, {sorted(named)}: choose one with section=")
    for path in (section.split("."), ["connections", *section.split(".")], [section]):
        found: Any = tree
        for part in path:
            found = found.get(part) if isinstance(found, Mapping) else None
        if isinstance(found, Mapping):
            return found
    raise ValueError(f"{place} has no connection {section!r}; it has {sorted(named)}")


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) and bool({"bucket", "db_url", "db_key", "object_key"} & set(value))


def _filled(value: Any, place: str, variables: Mapping[str, str]) -> Any:
    """A value with its variables replaced, in tables and lists too."""
    if isinstance(value, Mapping):
        return {name: _filled(one, f"{place}.{name}", variables) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(one, place, variables) for one in value]
    if not isinstance(value, str):
        return value

    def replaced(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        name, default = found[1], found[2]
        if not _NAME.fullmatch(name):
            raise ValueError(f"{place} has ${{{name}}}: a variable is named with letters, digits and '_'")
        if name in variables:
            return variables[name]
        if default is None:
            raise ValueError(
                f"{place} needs the environment variable {name}, which is not set; ${{{name}:default}} "
                "would give it a default"
            )
        return default

    return _PLACEHOLDER.sub(replaced, value)
