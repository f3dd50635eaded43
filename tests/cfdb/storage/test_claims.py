"""Claims: whoever wants a key that another thread holds waits; nobody else does."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from cfdb.storage.claims import Claims


def test_only_those_who_want_the_same_keys_wait() -> None:
    claims, order, inside = Claims(), [], threading.Event()

    def second() -> None:
        with claims.hold(["b"]):
            order.append("apart")
        inside.set()
        with claims.hold(["b", "a"]):
            order.append("second")

    thread = threading.Thread(target=second)
    with claims.hold(["a"]):
        thread.start()
        assert inside.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["apart", "first", "second"]


def test_an_error_lets_go() -> None:
    claims = Claims()
    with pytest.raises(ValueError, match="inside"), claims.hold(["a"]):
        raise ValueError("inside")
    with claims.hold(["a"]):
        pass


def test_an_interrupt_before_the_keys_are_held_leaves_those_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    claims, others = Claims(), ExitStack()

    class Interrupted(list[str]):
        turns = 0

        def __iter__(self) -> Iterator[str]:
            self.turns += 1
            if self.turns == 2:  # looked at, and about to be held
                raise KeyboardInterrupt
            return super().__iter__()

    class Condition(threading.Condition):
        def __exit__(self, *error: Any) -> None:
            super().__exit__(*error)
            if error[0] is KeyboardInterrupt:
                others.enter_context(claims.hold(["a"]))

    monkeypatch.setattr(claims, "_changed", Condition(threading.Lock()))
    with others:
        with pytest.raises(KeyboardInterrupt), claims.hold(Interrupted(["a"])):
            pytest.fail("nothing is held")
        order: list[str] = []

        def wait() -> None:
            with claims.hold(["a"]):
                order.append("after")

        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(0.1)
        order.append("held")
    thread.join(10)
    assert order == ["held", "after"]


def test_no_update_is_lost() -> None:
    claims, values = Claims(), dict.fromkeys("abcd", 0)

    def add(first: int) -> None:
        for round_ in range(300):
            keys = ["abcd"[(first + round_) % 4], "abcd"[(first + 2 * round_ + 1) % 4]]
            with claims.hold(keys):
                before = {key: values[key] for key in keys}
                values.update({key: value + 1 for key, value in before.items()})

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = sum(
        len({"abcd"[(first + round_) % 4], "abcd"[(first + 2 * round_ + 1) % 4]})
        for first in range(4)
        for round_ in range(300)
    )
    assert sum(values.values()) == expected
