"""May a dataset be published, by the rules of whoever publishes it?"""

from collections.abc import Callable, Iterator
from typing import Any

from cfdb.analysis.checking.check import check
from cfdb.analysis.checking.rules import SEVERITIES, Rule, find_rules
from cfdb.errors import CheckFailedError
from cfdb.model.reading import Reading

SHOWN = 20


def find_gate(wanted: Any, severity: str = "error") -> tuple[Rule, ...]:
    """Give the rules that are meant, or an error when there is no such rule.

    Parameters
    ----------
    wanted : bool, str, callable or sequence of these
        Names of rules or of groups; True is all of them, False or None no rule. A function that is no rule takes the
        dataset and yields what is wrong as rules do, or gives False.
    severity : {'error', 'warning', 'info'}
        The mildest finding that is to count.
    """
    if severity not in SEVERITIES:
        raise ValueError(f"severity={severity!r}: choose {', '.join(map(repr, SEVERITIES))}")
    if wanted is None or wanted is False:
        return ()
    if wanted is True:
        return find_rules(None)
    listed = [wanted] if isinstance(wanted, str) or callable(wanted) else list(wanted)
    found: dict[str, Rule] = {}
    for each in listed:
        rules = find_rules(None) if each is True else _rules_of(each)
        found |= {rule.name: rule for rule in rules}
    return tuple(found.values())


def _rules_of(wanted: Any) -> tuple[Rule, ...]:
    if not callable(wanted) or any(wanted is rule.function for rule in find_rules(None)):
        return find_rules([wanted])
    name = getattr(wanted, "__name__", type(wanted).__name__)
    return (Rule(name, _as_rule(wanted), "error", "own", ""),)


def _as_rule(function: Callable[[Any], Any]) -> Callable[[Any], Iterator[Any]]:
    def rule(dataset: Any) -> Iterator[Any]:
        said = function(dataset)
        if said is False:
            yield "it is not as it should be"
        elif isinstance(said, str):
            yield said
        elif said is not None and said is not True:
            yield from said

    return rule


def refuse_unless(dataset: Reading, rules: tuple[Rule, ...], severity: str, where: str) -> None:
    """Raise `CheckFailedError` when rules find something of this severity or worse.

    Parameters
    ----------
    dataset : Dataset
        What is checked.
    rules : tuple of Rule
        As `find_gate` gives them.
    severity : str
        The mildest finding that counts.
    where : str
        What becomes of the changes, for the message.
    """
    report = check(dataset, rules)
    counted = SEVERITIES[: SEVERITIES.index(severity) + 1]
    found = tuple(finding for finding in report if finding.severity in counted)
    if not found:
        return
    lines = [f"  {finding}" for finding in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(f"  ... and {len(found) - SHOWN} more")
    head = f"{len(found)} finding{'s' * (len(found) != 1)} of the check: nothing was sent, {where}."
    raise CheckFailedError("\n".join([f"{head} Mend them and push() again, or push(check=False)", *lines]), found)
