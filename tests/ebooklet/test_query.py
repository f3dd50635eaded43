"""Conditions on records: what they find, and what a text may say."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ebooklet.query import Condition, Q, find_fields, parse_condition

RECORD = {
    "key": "rain-2024",
    "department": "Eng",
    "n": 3,
    "share": 0.5,
    "open": True,
    "nothing": None,
    "tags": ["rain", "daily"],
    "time": {"min": "1990-01-01T00:00:00", "max": "2020-06-01T12:00:00"},
    "attrs": {"my title": "Rainfall of Europe", "a.b": 1},
    "vars": {"t": {"units": "K", "dims": ["time"]}, "p": {"units": "Pa"}},
}


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (Q("department") == "Eng", "department == 'Eng'"),
        (Q("department") != "Ops", "department != 'Ops'"),
        (Q("n") >= 3, "n >= 3"),
        (Q("n") > -1, "n > -1"),
        (Q("n") < 3.5, "3.5 > n"),
        (Q("n").between(3, 4), "3 <= n <= 4"),
        (Q("n").between(1, 3), "n.between(1, 3)"),
        (Q("n").in_([1, 3]), "n in [1, 3]"),
        (Q("n").not_in([1, 2]), "n not in (1, 2)"),
        (Q("key").like("RAIN%4"), "key.like('RAIN%4')"),
        (Q("key").like("rain_2024"), "key.like('rain_2024')"),
        (Q("key").regex(r"\d{4}$"), r"key.regex('\\d{4}$')"),
        (Q("key").startswith("rain"), "key.startswith('rain')"),
        (Q("key").endswith("4"), "key.endswith('4')"),
        (Q("tags").contains("daily"), "'daily' in tags"),
        (~Q("tags").contains("hourly"), "'hourly' not in tags"),
        (Q("attrs.my title").contains("europe"), "attrs['my title'].contains('europe')"),
        (Q("attrs.a.b") == 1, "attrs['a.b'] == 1"),
        (Q("time.max") > "2020", "time.max > '2020'"),
        (Q("time.max") < date(2020, 6, 2), "time.max < '2020-06-02'"),
        (Q("time.max") == datetime(2020, 6, 1, 12, tzinfo=UTC), "time.max == '2020-06-01T14:00+02:00'"),
        (Q("vars.t.units") == "K", "vars.t.units == 'K'"),
        (Q("vars.*.units") == "Pa", "vars['*'].units == 'Pa'"),
        (Q("time.min").exists() & ~Q("lat").exists(), "time.min is not None and lat is None"),
        (Q("open") == True, "open == True"),  # noqa: E712
        ((Q("n") == 1) | (Q("n") == 3), "n == 1 or n == 3"),
        (~((Q("n") == 1) & (Q("n") == 3)), "not (n == 1 and n == 3)"),
        ((Q("n") == 3) & ~(Q("n") == 4), "(n == 3) & ~(n == 4)"),
    ],
)
def test_what_is_found_and_how_it_is_written(condition: Condition, text: str) -> None:
    read = parse_condition(text)
    assert condition.matches(RECORD)
    assert read.matches(RECORD)
    assert not (~condition).matches(RECORD)
    assert not (~read).matches(RECORD)


@pytest.mark.parametrize("text", ["nobody > 1", "nobody == 1", "nobody != 1", "not nobody == 1", "nothing != 1"])
def test_a_missing_field_never_matches(text: str) -> None:
    assert not parse_condition(text).matches(RECORD)
    assert not (~parse_condition(text)).matches(RECORD)


@pytest.mark.parametrize("text", ["n > 'a'", "department > 3", "time > 1", "open > 0", "tags > 1", "department < True"])
def test_what_has_no_order_does_not_match(text: str) -> None:
    assert not parse_condition(text).matches(RECORD)
    assert not (~parse_condition(text)).matches(RECORD)


def test_a_number_that_is_a_year_is_no_date_and_true_is_no_number() -> None:
    assert (Q("a") == "2020").matches({"a": "2020"})
    assert not (Q("a") == "2020").matches({"a": 2020})
    assert not (Q("a") == 1).matches({"a": True})
    assert (Q("a") < "2020-03-01").matches({"a": "2020-02"})
    assert (Q("a") > "b").matches({"a": "c"})
    assert not (Q("a") > 1).matches({"a": float("nan")})


def test_nanoseconds_are_seen() -> None:
    assert (Q("a") > "2020-01-01T00:00:00.000000001").matches({"a": "2020-01-01T00:00:00.000000002"})
    assert (Q("a") == "2020-01-01T00:00:00").matches({"a": "2020-01-01T00:00:00.000000000"})


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('ls')",
        "open('x')",
        "key.format('x')",
        "key.__class__ == 1",
        "(lambda: 1)() == 1",
        "[x for x in y] == 1",
        "a == b",
        "a == f'{b}'",
        "a",
        "1 == 1",
        "a = 1",
        "a +",
        "",
        "key.like(pattern='x')",
        "key.like(3)",
        "key.between(1)",
        "a == 1j",
        "a == b''",
        "not " * 3000 + "a == 1",
        "a == 1 or " * 3000 + "a == 1",
    ],
)
def test_a_text_that_is_no_condition_is_refused_and_never_run(text: str) -> None:
    with pytest.raises(ValueError, match=r"condition|Q\("):
        parse_condition(text)


def test_a_single_equals_sign_is_explained() -> None:
    with pytest.raises(ValueError, match="equality is written =="):
        parse_condition("department = 'Eng'")


def test_wrong_use_is_explained() -> None:
    with pytest.raises(TypeError, match="brackets"):
        Q("a") > 1 and Q("b") > 2
    with pytest.raises(TypeError, match="brackets"):
        (Q("a") > 1) & 2  # type: ignore[operator]
    with pytest.raises(ValueError, match="regular expression"):
        Q("a").regex("(")
    with pytest.raises(TypeError, match="pattern"):
        Q("a").like(3)  # type: ignore[arg-type]


@given(st.text("ab%_", max_size=8), st.text("ab", max_size=12))
@settings(max_examples=100, deadline=None)
def test_like_is_what_a_plain_expression_finds(pattern: str, text: str) -> None:
    plain = pattern.replace("%", ".*").replace("_", ".")
    assert Q("x").like(pattern).matches({"x": text}) == (re.fullmatch(plain, text) is not None)


def test_a_pattern_of_many_parts_ends() -> None:
    assert not Q("x").like("%a" * 200 + "%b").matches({"x": "a" * 3000})


def test_a_hostile_name_stays_harmless() -> None:
    assert find_fields({"a": {"b": 1}}, "a.b.c") == []
    assert find_fields({"a": 1}, "." * 50) == []
    assert find_fields({"a": {"b.c": {"d": 1}}}, "a.b.c.d") == [1]


# an oracle: the same question in plain Python, where negation has been pushed to the comparisons

VALUES = st.one_of(st.integers(-3, 3), st.sampled_from(["a", "b", "ab"]), st.none())
RECORDS = st.lists(st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3), max_size=6)
Predicate = Callable[[dict[str, Any]], bool]


def _same_kind(first: Any, second: Any) -> bool:
    return isinstance(first, str) == isinstance(second, str)


@st.composite
def leaves(draw: st.DrawFn) -> tuple[Condition, Predicate, Predicate]:
    name = draw(st.sampled_from("xyz"))
    wanted = draw(st.one_of(st.integers(-3, 3), st.sampled_from(["a", "b"])))
    how = draw(st.sampled_from(["==", "<", "<=", "in", "like", "exists"]))

    def there(record: dict[str, Any]) -> bool:
        return record.get(name) is not None

    if how == "exists":
        return Q(name).exists(), there, lambda r: not there(r)
    if how == "like":
        return (
            Q(name).like("%a%"),
            lambda r: isinstance(r.get(name), str) and re.search("a", r[name]) is not None,
            lambda r: isinstance(r.get(name), str) and "a" not in r[name],
        )
    if how == "==":
        return Q(name) == wanted, lambda r: there(r) and r[name] == wanted, lambda r: there(r) and r[name] != wanted
    if how == "in":
        several = [wanted, 0, "ab"]
        return (
            Q(name).in_(several),
            lambda r: there(r) and r[name] in several,
            lambda r: there(r) and r[name] not in several,
        )
    strict = how == "<"

    def fits(record: dict[str, Any]) -> bool:
        return there(record) and _same_kind(record[name], wanted)

    condition = Q(name) < wanted if strict else Q(name) <= wanted
    return (
        condition,
        lambda r: fits(r) and (r[name] < wanted or (not strict and r[name] == wanted)),
        lambda r: fits(r) and (r[name] > wanted or (strict and r[name] == wanted)),
    )


Asked = tuple[Condition, Predicate, Predicate]


def _both(first: Asked, second: Asked) -> Asked:
    (a, yes_a, no_a), (b, yes_b, no_b) = first, second
    return a & b, lambda r: yes_a(r) and yes_b(r), lambda r: no_a(r) or no_b(r)


def _either(first: Asked, second: Asked) -> Asked:
    (a, yes_a, no_a), (b, yes_b, no_b) = first, second
    return a | b, lambda r: yes_a(r) or yes_b(r), lambda r: no_a(r) and no_b(r)


QUESTIONS = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        st.builds(_both, inner, inner), st.builds(_either, inner, inner), inner.map(lambda q: (~q[0], q[2], q[1]))
    ),
    max_leaves=6,
)


@given(RECORDS, QUESTIONS)
@settings(max_examples=100, deadline=None)
def test_conditions_find_what_a_list_comprehension_finds(records: list[dict[str, Any]], asked: Asked) -> None:
    condition, yes, no = asked
    assert [r for r in records if condition.matches(r)] == [r for r in records if yes(r)]
    assert [r for r in records if (~condition).matches(r)] == [r for r in records if no(r)]
