"""What does a person see who compares two versions of a dataset?"""

from typing import Any

from cfdb.analysis.comparing.difference import DatasetDifference, FieldDifference, VariableDifference
from cfdb.display.units import byte_size, columns, count, cut, terminal_width

SHOWN = 20
_ID = 32


def print_difference(found: DatasetDifference) -> str:
    """Write the difference of two versions as a table."""
    names = [name[:8] if len(name) == _ID else name for name in (found.old, found.new)]
    if not found:
        return f"Nothing differs between {names[0]} and {names[1]}"
    width = terminal_width()
    lines = [cut(f"From {names[0]} to {names[1]}", width)]
    variables = list(found.variables.items())
    if variables:
        lines += _table(variables[:SHOWN])
        if len(variables) > SHOWN:
            lines.append(f"  ... and {count(len(variables) - SHOWN, 'more variable')}")
    fields = [*found.fields, *(field for _, one in variables for field in one.fields)]
    lines += [cut(_field(field), width) for field in fields[:SHOWN]]
    if len(fields) > SHOWN:
        lines.append(f"  ... and {len(fields) - SHOWN} more")
    return "\n".join(lines)


def _table(variables: list[tuple[str, VariableDifference]]) -> list[str]:
    with_values = any(one.values is not None for _, one in variables)
    head = ["", "", "added", "changed", "deleted", "size"]
    if with_values:
        head += ["cells", "max", "mean"]
    rows = [tuple(head)]
    for name, one in variables:
        cells = [
            cut(name, 32),
            one.kind if one.kind != "changed" else "",
            *(f"{len(some):,}" for some in (one.added, one.changed, one.deleted)),
            byte_size(one.nbytes),
        ]
        rows.append((*cells, *(_values(one) if with_values else ())))
    return columns(rows, right=tuple(range(2, len(head))))


def _values(one: VariableDifference) -> list[str]:
    if one.values is None:
        return ["", "", ""]
    found = one.values
    numbers = ["" if number != number else f"{number:.3g}" for number in (found.max_abs, found.mean_abs)]
    return [f"{found.changed:,}", *numbers]


def _field(one: FieldDifference) -> str:
    name = one.name if one.owner is None else f"{one.owner}: {one.name}"
    if one.old is None:
        return f"  + {name} = {_short(one.new)}"
    if one.new is None:
        return f"  - {name} was {_short(one.old)}"
    return f"  {name}: {_short(one.old)} -> {_short(one.new)}"


def _short(value: Any) -> str:
    return cut(repr(value), 40)
