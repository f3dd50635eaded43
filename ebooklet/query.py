"""Does a record fulfil a condition, and how is one written?

A condition is true, false or, where a field is missing or cannot be compared, neither. What is neither does not match,
and its opposite does not either: a dataset without a title is found by ``~Q('title').exists()`` alone.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from ebooklet.moments import moment_of

Record = Mapping[str, Any]
Finder = Callable[[Any, str], list[Any]]

_LONGEST_TEXT = 10_000


def find_fields(record: Any, path: str) -> list[Any]:
    """Values at a path of names with dots; ``*`` stands for every name, so that there may be several.

    Examples
    --------
    >>> record = {"vars": {"t": {"units": "K"}, "p": {"units": "Pa"}}, "attrs": {"my.title": "x"}}
    >>> find_fields(record, "vars.t.units"), find_fields(record, "vars.*.units"), find_fields(record, "attrs.my.title")
    (['K'], ['K', 'Pa'], ['x'])
    """
    if not isinstance(record, Mapping):
        return []
    if path in record:
        return [record[path]]
    found: list[Any] = []
    name, dot, rest = path.partition(".")
    if name == "*":
        values = list(record.values())
        return [inner for value in values for inner in find_fields(value, rest)] if dot else values
    while dot:
        if name in record:
            found += find_fields(record[name], rest)
        more, dot, rest = rest.partition(".")
        name = f"{name}.{more}"
    return found


class Condition:
    """A condition on a record; combined by ``&``, ``|`` and ``~``."""

    def test(self, record: Record, find: Finder = find_fields) -> bool | None:
        """Tell whether a record fulfils it; None when that cannot be said."""
        raise NotImplementedError

    def matches(self, record: Record, find: Finder = find_fields) -> bool:
        """Tell whether a record is found by it."""
        return self.test(record, find) is True

    def __and__(self, other: "Condition") -> "Condition":
        return Both(self, _condition(other))

    def __or__(self, other: "Condition") -> "Condition":
        return Not(Both(Not(self), Not(_condition(other))))

    def __invert__(self) -> "Condition":
        return self.inner if isinstance(self, Not) else Not(self)

    def __bool__(self) -> bool:
        raise TypeError(
            "a condition is neither true nor false by itself: combine conditions by &, | and ~, in brackets"
        )


@dataclass(frozen=True, slots=True)
class Both(Condition):
    """Two conditions at once."""

    first: Condition
    second: Condition

    def test(self, record: Record, find: Finder = find_fields) -> bool | None:
        """True if both are, false if one is."""
        found = {self.first.test(record, find), self.second.test(record, find)}
        return False if False in found else None if None in found else True


@dataclass(frozen=True, slots=True)
class Not(Condition):
    """The opposite of a condition."""

    inner: Condition

    def test(self, record: Record, find: Finder = find_fields) -> bool | None:
        """Turned round; what cannot be said stays so."""
        found = self.inner.test(record, find)
        return None if found is None else not found


@dataclass(frozen=True, slots=True)
class Asked(Condition):
    """A question about one field; of several values that it has, one suffices."""

    path: str
    how: str
    wanted: tuple[Any, ...] = ()
    check: Callable[[Any], bool | None] = field(default=bool, compare=False, repr=False)

    def test(self, record: Record, find: Finder = find_fields) -> bool | None:
        """Ask."""
        values = [value for value in find(record, self.path) if value is not None]
        if self.how == "exists":
            return bool(values)
        answers = {self.check(value) for value in values}
        return True if True in answers else False if False in answers else None


def fields_of(condition: Condition) -> Iterator[str]:
    """Paths of the fields that a condition compares; whether one is there at all may be asked of any.

    Examples
    --------
    >>> list(fields_of((Q("a") > 1) & ~((Q("b.c") == 2) | Q("d").exists())))
    ['a', 'b.c']
    """
    if isinstance(condition, Both):
        yield from fields_of(condition.first)
        yield from fields_of(condition.second)
    elif isinstance(condition, Not):
        yield from fields_of(condition.inner)
    elif isinstance(condition, Asked) and condition.how != "exists":
        yield condition.path


class Q:
    """A field of a record, to be compared with something.

    Parameters
    ----------
    path : str
        Its name; fields in fields have dots (``'time.max'``), ``*`` is any (``'vars.*.units'``).

    Examples
    --------
    >>> found = (Q("department") == "Eng") & (Q("time.max") > "2020")
    >>> found.matches({"department": "Eng", "time": {"max": "2021-05-01"}})
    True
    >>> (~found).matches({"department": "Eng"})
    False
    """

    __slots__ = ("path",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, path: str) -> None:
        if not isinstance(path, str) or not path:
            raise TypeError(f"Q({path!r}): the name of a field is a str that is not empty")
        self.path = path

    def __repr__(self) -> str:
        return f"Q({self.path!r})"

    def __eq__(self, other: object) -> Condition:  # type: ignore[override]
        return self._asked("==", lambda value: equal(value, other), other)

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]
        return Not(self == other)

    def __lt__(self, other: Any) -> Condition:
        return self._asked("<", lambda value: _ordered(value, other, lambda sign: sign < 0), other)

    def __le__(self, other: Any) -> Condition:
        return self._asked("<=", lambda value: _ordered(value, other, lambda sign: sign <= 0), other)

    def __gt__(self, other: Any) -> Condition:
        return self._asked(">", lambda value: _ordered(value, other, lambda sign: sign > 0), other)

    def __ge__(self, other: Any) -> Condition:
        return self._asked(">=", lambda value: _ordered(value, other, lambda sign: sign >= 0), other)

    def between(self, low: Any, high: Any) -> Condition:
        """From `low` to `high`, both included."""
        return self.__ge__(low) & self.__le__(high)

    def in_(self, values: Iterable[Any]) -> Condition:
        """One of several values."""
        wanted = tuple(values)
        return self._asked("in", lambda value: any(equal(value, one) for one in wanted), *wanted)

    def not_in(self, values: Iterable[Any]) -> Condition:
        """None of several values."""
        return Not(self.in_(values))

    def like(self, pattern: str) -> Condition:
        """A text in which ``%`` stands for anything and ``_`` for one character, whatever its case."""
        return self._text("like", _like(_pattern(pattern)), whole=True)

    def regex(self, pattern: str) -> Condition:
        """A text in which a regular expression is found."""
        return self._text("regex", _pattern(pattern), whole=False)

    def contains(self, value: Any) -> Condition:
        """A text that has this part (whatever its case), or a list that has this item."""
        return self._asked("contains", lambda found: _holds(found, value), value)

    def startswith(self, text: str) -> Condition:
        """A text that begins so."""
        return self._asked("startswith", lambda found: found.startswith(text) if isinstance(found, str) else None, text)

    def endswith(self, text: str) -> Condition:
        """A text that ends so."""
        return self._asked("endswith", lambda found: found.endswith(text) if isinstance(found, str) else None, text)

    def exists(self) -> Condition:
        """The field is there."""
        return self._asked("exists", bool)

    def _asked(self, how: str, check: Callable[[Any], bool | None], *wanted: Any) -> Condition:
        return Asked(self.path, how, wanted, check)

    def _text(self, how: str, pattern: str, *, whole: bool) -> Condition:
        try:
            compiled = re.compile(pattern, re.IGNORECASE | re.DOTALL if whole else 0)
        except re.error as error:
            raise ValueError(f"Q({self.path!r}).{how}(): {pattern!r} is no regular expression: {error}") from error
        find = compiled.fullmatch if whole else compiled.search
        return self._asked(how, lambda found: find(found) is not None if isinstance(found, str) else None, pattern)


def _like(pattern: str) -> str:
    """The regular expression for a pattern of ``%`` and ``_``; its time grows with the text, whatever the pattern."""
    first, *rest = ("".join("." if one == "_" else re.escape(one) for one in part) for part in pattern.split("%"))
    if not rest:
        return first
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1] if part)  # the first place that fits is as good as any
    return f"{first}{middle}.*{rest[-1]}"


def _condition(value: object) -> Condition:
    if not isinstance(value, Condition):
        raise TypeError(f"{value!r} is no condition: write (Q('a') > 1) & (Q('b') < 2), with the brackets")
    return value


def _pattern(pattern: object) -> str:
    if not isinstance(pattern, str):
        raise TypeError(f"{pattern!r} is a {type(pattern).__name__}: a pattern is a str")
    return pattern


# ---- values ----------------------------------------------------------------------------------------------------------


def equal(first: Any, second: Any) -> bool:
    """Whether two values are the same; those of different kinds are not.

    Examples
    --------
    >>> equal(1, 1.0), equal(True, 1), equal("2020-01-01", date(2020, 1, 1)), equal("a", 1)
    (True, False, True, False)
    """
    pair = comparable(first, second)
    if pair is None:
        return isinstance(first, list | dict) and bool(first == second)
    return bool(pair[0] == pair[1])


def comparable(first: Any, second: Any) -> tuple[Any, Any] | None:
    """Two values as such that have an order: numbers, moments or texts; None if they have none together."""
    if isinstance(first, bool) or isinstance(second, bool):
        return (first, second) if isinstance(first, bool) and isinstance(second, bool) else None
    if isinstance(first, int | float) and isinstance(second, int | float):
        return first, second
    moments = moment_of(first), moment_of(second)
    if moments[0] is not None and moments[1] is not None and (_is_full(first) or _is_full(second)):
        return moments
    return (first, second) if isinstance(first, str) and isinstance(second, str) else None


def _is_full(value: Any) -> bool:
    """Whether a value is surely a moment: no year that may be a number, no month."""
    return isinstance(value, date | datetime) or (isinstance(value, str) and len(value) >= 10)


def _ordered(first: Any, second: Any, holds: Callable[[int], bool]) -> bool | None:
    pair = comparable(first, second)
    if pair is None or pair[0] != pair[0] or pair[1] != pair[1]:
        return None
    return holds((pair[0] > pair[1]) - (pair[0] < pair[1]))


def _holds(found: Any, value: Any) -> bool | None:
    if isinstance(found, str):
        return value.lower() in found.lower() if isinstance(value, str) else None
    if isinstance(found, list | tuple):
        return any(equal(one, value) for one in found)
    return value in found if isinstance(found, Mapping) else None


# ---- as text ---------------------------------------------------------------------------------------------------------


def parse_condition(text: str) -> Condition:
    """Read a condition from a text in the syntax of Python; nothing of it is ever executed.

    Parameters
    ----------
    text : str
        Comparisons of fields with constants (``== != < <= > >= in, not in, is None``), methods of `Q`
        (``title.like('rain%')``), ``and``, ``or``, ``not`` and brackets. A field with an odd name is written
        ``attrs['my title']``.

    Raises
    ------
    ValueError
        If the text is something else.

    Examples
    --------
    >>> parse_condition("department == 'Eng' and time.max > '2020'").matches(
    ...     {"department": "Eng", "time": {"max": "2021-05-01"}}
    ... )
    True
    >>> parse_condition("__import__('os')")
    Traceback (most recent call last):
    ValueError: "__import__('os')" in a condition: write comparisons such as department == 'Eng' and time.max > '2020'
    """
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"a condition of {len(text)} characters: at most {_LONGEST_TEXT}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        return _read(tree)
    except (SyntaxError, RecursionError, MemoryError) as error:
        hint = "; equality is written ==" if re.search(r"[^=!<>]=[^=]", text) else ""
        raise ValueError(f"{text!r} is no condition: {error}{hint}") from error


def as_condition(where: Condition | str | None) -> Condition | None:
    """A condition from whatever a user may pass as `where`."""
    if where is None or isinstance(where, Condition):
        return where
    if isinstance(where, str):
        return parse_condition(where)
    raise TypeError(f"where={where!r}: give a condition, as Q('time.max') > '2020', or the same as a text")


def _read(node: ast.expr) -> Condition:
    match node:
        case ast.BoolOp(op=ast.And() | ast.Or() as op, values=values):
            return _joined(isinstance(op, ast.And), [_read(value) for value in values])
        case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr() as op, right=right):
            return _joined(isinstance(op, ast.BitAnd), [_read(left), _read(right)])
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
            return ~_read(operand)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            sides = [left, *comparators]
            return _joined(True, [_compared(*each) for each in zip(sides, ops, sides[1:], strict=False)])
        case ast.Call(func=ast.Attribute(value=owner, attr=name), args=args, keywords=[]) if name in _METHODS:
            try:
                asked: Condition = getattr(Q(_path(owner)), name)(*(_constant(one) for one in args))
            except TypeError as error:
                raise ValueError(f"{ast.unparse(node)!r} in a condition: {error}") from error
            return asked
    raise _unreadable(node)


_METHODS = {"between", "in_", "not_in", "like", "regex", "contains", "startswith", "endswith", "exists"}
_TURNED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE, ast.Eq: ast.Eq, ast.NotEq: ast.NotEq}
_SIGNS: dict[type[ast.cmpop], Callable[[Q, Any], Condition]] = {
    ast.Eq: Q.__eq__,
    ast.NotEq: Q.__ne__,
    ast.Lt: Q.__lt__,
    ast.LtE: Q.__le__,
    ast.Gt: Q.__gt__,
    ast.GtE: Q.__ge__,
    ast.In: Q.in_,
    ast.NotIn: Q.not_in,
}


def _joined(both: bool, parts: Sequence[Condition]) -> Condition:
    whole = parts[0]
    for part in parts[1:]:
        whole = whole & part if both else whole | part
    return whole


def _compared(left: ast.expr, op: ast.cmpop, right: ast.expr) -> Condition:
    kind = type(op)
    if isinstance(op, ast.Is | ast.IsNot) and _is_none(right):
        there = Q(_path(left)).exists()
        return there if isinstance(op, ast.IsNot) else ~there
    if _is_constant(right):
        if kind in _SIGNS:
            return _SIGNS[kind](Q(_path(left)), _constant(right))
    elif isinstance(op, ast.In | ast.NotIn):
        holds = Q(_path(right)).contains(_constant(left))
        return holds if isinstance(op, ast.In) else ~holds
    elif kind in _TURNED:
        return _SIGNS[_TURNED[kind]](Q(_path(right)), _constant(left))
    raise _unreadable(right)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_constant(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant | ast.List | ast.Tuple | ast.UnaryOp)


def _constant(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_constant(item) for item in items]
    raise _unreadable(node)


def _path(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) if not name.startswith("__"):
            return name
        case ast.Attribute(value=owner, attr=name) if not name.startswith("__"):
            return f"{_path(owner)}.{name}"
        case ast.Subscript(value=owner, slice=ast.Constant(value=str() as name)):
            return f"{_path(owner)}.{name}"
    raise _unreadable(node)


def _unreadable(node: ast.expr) -> ValueError:
    return ValueError(
        f"\"{ast.unparse(node)}\" in a condition: write comparisons such as department == 'Eng' and time.max > '2020'"
    )
