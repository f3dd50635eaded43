"""What is a rule, and which rules are there?

A rule is a function that takes a dataset and yields what it finds wrong. Those of CF and ACDD are registered by the
modules beside this one, others by their users.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from inspect import getdoc
from typing import Any, TypeVar

SEVERITIES = ("error", "warning", "info")

Function = TypeVar("Function", bound=Callable[[Any], Any])


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a rule found.

    Attributes
    ----------
    rule : str
        Name of the rule.
    severity : str
        ``'error'``, ``'warning'`` or ``'info'``.
    variable : str or None
        The variable it is about; None is the dataset.
    message : str
        What is wrong.
    mend : str
        How to mend it.
    group : str
        Group of the rule.
    section : str
        Where the convention says so.
    """

    rule: str
    severity: str
    variable: str | None
    message: str
    mend: str = ""
    group: str = ""
    section: str = ""

    def to_dict(self) -> dict[str, str | None]:
        """Give the fields by name."""
        return asdict(self)

    def __str__(self) -> str:
        where = f"{self.variable}: " if self.variable else ""
        mend = f" -> {self.mend}" if self.mend else ""
        return f"{self.severity} [{self.rule}] {where}{self.message}{mend}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule.

    Attributes
    ----------
    name : str
        Its name.
    function : callable
        Takes the dataset, yields what is wrong.
    severity, group, section : str
        As of what it finds.
    """

    name: str
    function: Callable[[Any], Any]
    severity: str
    group: str
    section: str

    @property
    def text(self) -> str:
        """What the rule asks for: the first line of its function's docstring."""
        return (getdoc(self.function) or "").partition("\n")[0]

    def findings(self, dataset: Any) -> Iterator[Finding]:
        """Apply the rule; one that raises is itself a finding."""
        try:
            for found in self.function(dataset) or ():
                yield self._finding(found)
        except Exception as error:  # a rule of somebody else's must not spoil the others
            message = f"the rule failed: {type(error).__name__}: {error}"
            yield Finding(self.name, "error", None, message, "mend the rule, or leave it out", self.group, self.section)

    def _finding(self, found: Any) -> Finding:
        parts = (None, found) if isinstance(found, str) else tuple(found)
        if not 2 <= len(parts) <= 3 or not all(isinstance(part, str) for part in parts[1:]):
            raise TypeError(f"it yields {found!r}; yield a text, or (variable, text), or (variable, text, how to mend)")
        variable = parts[0] if parts[0] is None or isinstance(parts[0], str) else parts[0].name
        message, mend = (*parts[1:], "")[:2]
        return Finding(self.name, self.severity, variable, message, mend, self.group, self.section)


_RULES: dict[str, Rule] = {}


def check_rule(
    name: str, *, severity: str = "warning", group: str = "own", section: str = ""
) -> Callable[[Function], Function]:
    """Register a function as a rule of `ds.check()`.

    Parameters
    ----------
    name : str
        Name of the rule, as in ``'station-id'``. A function of the same module and name may be registered again.
    severity : {'error', 'warning', 'info'}
        Of what it finds.
    group : str
        Group of the rule, as in ``ds.check(rules=['cf', 'own'])``.
    section : str
        Where it is written down, for people.

    Returns
    -------
    callable
        Decorator that gives the function back. The function takes the dataset (or group, or part of one) and yields
        texts about the dataset, ``(variable, text)`` or ``(variable, text, how to mend it)``.

    Raises
    ------
    ValueError
        If the name is taken, or a parameter means nothing.

    Examples
    --------
    >>> import cfdb
    >>> @cfdb.check_rule("station-id", severity="error", group="example")
    ... def has_station_id(ds):
    ...     "The dataset names its station."
    ...     if "station_id" not in ds.attrs:
    ...         yield None, "the attribute station_id is missing", "ds.attrs['station_id'] = ..."
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     bool(ds.check(rules=["example"]))
    False
    """
    if severity not in SEVERITIES:
        raise ValueError(f"severity={severity!r} of rule {name!r}: choose {', '.join(map(repr, SEVERITIES))}")
    if not isinstance(name, str) or not name or not isinstance(group, str) or not group:
        raise ValueError(f"name={name!r}, group={group!r}: a rule and its group are named by texts")

    def register(function: Function) -> Function:
        known = _RULES.get(name)
        if known is not None and _origin(known.function) != _origin(function):
            raise ValueError(f"there is a rule {name!r} already, of group {known.group!r}; choose another name")
        if any(name == rule.group for rule in _RULES.values()) or group in _RULES:
            raise ValueError(f"rule {name!r} of group {group!r}: a rule and a group cannot have the same name")
        _RULES[name] = Rule(name, function, severity, group, section)
        return function

    return register


def _origin(function: Any) -> tuple[Any, Any]:
    return getattr(function, "__module__", None), getattr(function, "__qualname__", None)


def all_rules() -> tuple[Rule, ...]:
    """Give all rules, in the order of their registration."""
    return tuple(_RULES.values())


def find_rules(wanted: Any) -> tuple[Rule, ...]:
    """Give rules by name, group or function; None is all of them.

    Raises
    ------
    ValueError
        If there is no such rule or group.
    """
    if wanted is None:
        return all_rules()
    listed: Iterable[Any] = [wanted] if isinstance(wanted, str) or callable(wanted) else wanted
    found: dict[str, Rule] = {}
    for each in listed:
        found |= {rule.name: rule for rule in _named(each)}
    return tuple(found.values())


def _named(wanted: Any) -> list[Rule]:
    if isinstance(wanted, Rule):
        return [wanted]
    rules = all_rules()
    found = [rule for rule in rules if wanted in (rule.name, rule.group) or wanted is rule.function]
    if found:
        return found
    names = [*dict.fromkeys(rule.group for rule in rules), *(rule.name for rule in rules)]
    near = difflib.get_close_matches(str(wanted), names, n=3, cutoff=0.5) or names[:3]
    raise ValueError(
        f"rules={wanted!r}: there is no such rule or group; did you mean {' or '.join(map(repr, near))}? Functions "
        "become rules by @cfdb.check_rule(...)"
    )
