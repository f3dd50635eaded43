"""Which errors there are, and what else catches them."""

import inspect
import re

import pytest

import ebooklet
from ebooklet import errors

# Names of the released package, and the built-in classes that its users catch.
RELEASED = {
    "Error": (Exception,),
    "ReadOnlyError": (ValueError,),
    "UUIDMismatchError": (ValueError,),
    "RemoteMissingError": (ValueError, FileNotFoundError),
    "UnsupportedFormatError": (ValueError,),
    "GroupTooLargeError": (ValueError,),
    "RemoteIntegrityError": (OSError,),
    "LockLostError": (Exception,),
    "OfflineError": (ConnectionError,),
    "PushInProgressError": (RuntimeError,),
    "ConcurrentCompactionError": (RuntimeError,),
}


@pytest.mark.parametrize("name", RELEASED)
def test_names_of_the_released_package_are_kept(name: str) -> None:
    error = getattr(ebooklet, name)
    assert issubclass(error, errors.EBookletError)
    assert all(issubclass(error, base) for base in RELEASED[name])
    assert str(error("said")) == "said"


INTERNAL = {"NotModifiedError", "ObjectTooLargeError", "ShortObjectError", "RemoteError"}


def test_every_error_that_a_user_meets_is_public_and_in_the_tree() -> None:
    tree = errors.__doc__ or ""
    for name, found in inspect.getmembers(errors, inspect.isclass):
        if not issubclass(found, Exception):
            continue
        assert f" {name}" in f" {tree}".replace("\n", " "), f"{name} is missing in the tree of errors"
        if name not in INTERNAL:
            assert getattr(ebooklet, name) is found


def test_the_tree_tells_the_true_bases() -> None:
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"[^A-Z]*(\w+)(?: \(([\w, ]+)\))?(?: {2}|$)", line)
        if match is None or "── " not in line:
            continue
        name = match[1]
        shown = {base.strip() for base in (match[2] or "Exception").split(",")}
        real = {base.__name__ for base in getattr(errors, name).__mro__}
        assert shown <= real, name


def test_a_budget_is_no_failure_of_the_store() -> None:
    # Whoever goes on after an error of the store must not go on after this one.
    assert not issubclass(ebooklet.BudgetExceededError, errors.StoreError | OSError)
