"""Claims: whoever wants a key that another thread holds waits; nobody else does."""

import threading

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
