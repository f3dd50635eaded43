"""What does a person see who prints a report on storage, or on conventions?"""

import textwrap
from collections.abc import Iterable

from cfdb.analysis.check import CheckReport
from cfdb.analysis.rules import Finding
from cfdb.display.units import count, terminal_width

#: So many findings of one kind are written out.
MOST_ALIKE = 5


def print_check(found: CheckReport) -> str:
    """Write what rules found in a dataset.

    Examples
    --------
    >>> import cfdb
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     print(ds.check(rules=["cf-conventions"]))
    <memory>: 1 error, 0 warnings, 0 remarks (1 rule)
    Errors
      cf-conventions (CF 2.6.1)
        the attribute Conventions names no version of CF
          -> ds.attrs['Conventions'] = 'CF-1.11'
    """
    numbers = [
        count(len(found.errors), "error"),
        count(len(found.warnings), "warning"),
        count(len(found.infos), "remark"),
    ]
    lines = [f"{found.name}: {', '.join(numbers)} ({count(len(found.rules), 'rule')})"]
    for title, findings in (("Errors", found.errors), ("Warnings", found.warnings), ("Remarks", found.infos)):
        if findings:
            lines += [title, *_by_rule(findings)]
    return "\n".join(lines)


def _by_rule(findings: Iterable[Finding]) -> list[str]:
    rules: dict[str, list[Finding]] = {}
    for finding in findings:
        rules.setdefault(finding.rule, []).append(finding)
    lines = []
    for rule, alike in rules.items():
        section = f" ({alike[0].section})" if alike[0].section else ""
        lines.append(f"  {rule}{section}")
        for finding in alike[:MOST_ALIKE]:
            where = f"{finding.variable}: " if finding.variable else ""
            lines += _wrapped(where + finding.message, "    ", "      ")
            lines += _wrapped(finding.mend, "      -> ", "         ") if finding.mend else []
        if len(alike) > MOST_ALIKE:
            lines.append(f"    ... and {len(alike) - MOST_ALIKE:,} more")
    return lines


def _wrapped(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(text, terminal_width(), initial_indent=first, subsequent_indent=others, break_on_hyphens=False)
