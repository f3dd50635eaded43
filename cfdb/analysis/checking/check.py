"""Does a dataset follow the conventions, and the rules of its user?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cfdb.analysis.checking import (
    rules_acdd,
    rules_cf_attributes,
    rules_cf_coordinates,
    rules_cf_links,
    rules_cf_values,
)
from cfdb.analysis.checking.facts import remembering
from cfdb.analysis.checking.rules import SEVERITIES, Finding, all_rules, check_rule, find_rules
from cfdb.model.doors import door
from cfdb.model.reading import Reading

__all__ = ["CheckReport", "all_rules", "check", "check_rule"]

#: Importing them registers their rules.
BUILT_IN = (rules_cf_attributes, rules_cf_coordinates, rules_cf_links, rules_cf_values, rules_acdd)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What rules found in a dataset; true when there is no error.

    Attributes
    ----------
    name : str
        The dataset.
    rules : tuple of str
        Names of the rules that were applied.
    findings : tuple of Finding
        What they found, errors first.
    """

    name: str
    rules: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What must be mended."""
        return self._of("error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What should be mended."""
        return self._of("warning")

    @property
    def infos(self) -> tuple[Finding, ...]:
        """What could be better."""
        return self._of("info")

    def _of(self, severity: str) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == severity)

    def to_dict(self) -> dict[str, Any]:
        """Give everything as plain lists and dicts, as for JSON."""
        return {"name": self.name, "rules": list(self.rules), "findings": [each.to_dict() for each in self.findings]}

    def __bool__(self) -> bool:
        return not self.errors

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __str__(self) -> str:
        text: str = door("print_check")(self)
        return text

    __repr__ = __str__


def check(dataset: Reading, rules: Any = None) -> CheckReport:
    """Apply rules to a dataset.

    Parameters
    ----------
    dataset : Dataset, Group or DatasetView
        What is checked.
    rules : sequence, optional
        Names of rules or of groups of them, or functions that are rules; None is all.

    Returns
    -------
    CheckReport

    Raises
    ------
    ValueError
        If there is no such rule or group.
    """
    chosen = find_rules(rules)
    with remembering():
        found = [finding for rule in chosen for finding in rule.findings(dataset)]
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    name = dataset._labels.structure.store.name
    return CheckReport(name, tuple(rule.name for rule in chosen), tuple(found))
