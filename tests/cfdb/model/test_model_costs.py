"""What it takes to work with many variables: counted, never timed."""

from typing import Any

import numpy as np
import pytest

import cfdb
from cfdb.model.records import Records
from cfdb.model.scope import Scope


def _noting(original: Any, name: str, listed: list[str]) -> Any:
    return lambda self: listed.append(name) or original(self)


@pytest.mark.parametrize("place", ["", "group/"])
def test_a_new_variable_costs_the_same_however_many_there_are(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[str] = []
    with cfdb.open_dataset(None, "n") as ds:
        home = ds.create.group("group") if place else ds
        home["x"] = ("x", np.arange(3))
        for number in range(200):
            home[f"v{number}"] = ("x", [1, 2, 3])
        if place:
            ds["new"] = 1
        for of, name in ((Scope, "members"), (Scope, "dims"), (Records, "unknown_uses")):
            original = getattr(of, name).fget
            monkeypatch.setattr(of, name, property(_noting(original, name, listed)))
        ds.attrs["note"] = "a change, so that nothing is answered from before it"
        home["new"] = ("x", [1, 2, 3])
        assert ds[f"{place}new"].shape == (3,)
        assert set(listed) <= {"unknown_uses"}
        assert ds._structure._unknown == ()  # found once, not anew for each


def test_renaming_and_deleting_touch_no_chunk_and_few_records(monkeypatch: pytest.MonkeyPatch) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        for number in range(50):
            ds[f"v{number}"] = ("x", np.arange(100.0))
        ds.sync()
        written: list[str] = []
        store = type(ds._structure.store)
        original = store.set_many

        def noted(self: Any, items: Any) -> None:
            listed = list(items)
            written.extend(item.key for item in listed)
            original(self, listed)

        monkeypatch.setattr(store, "set_many", noted)
        ds.rename(v1="v2", v2="v1", x="y")
        ds.sync()
        assert sorted(written) == ["d/y", "v/v1", "v/v2"]
        written.clear()
        del ds["v3"]
        ds.sync()
        assert written == []
