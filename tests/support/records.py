"""What is written about a dataset, to tell whether something changed."""

from typing import Any

import numpy as np


def records_of(ds: Any) -> dict[str, Any]:
    """Give names, dimensions, records, attributes, groups and values of an open dataset."""
    structure = ds._structure
    return {
        "dataset": structure.dataset,
        "dims": {name: dim.record for name, dim in structure.dims.items()},
        "variables": {name: member.record for name, member in structure.members.items()},
        "attrs": {name: repr(ds[name].attrs.data) for name in structure.members},
        "global": repr(ds.attrs.data),
        "groups": (structure.groups, structure.declared_groups),
        "values": {name: _plain(ds[name].read()) for name in structure.members},
    }


def _plain(values: Any) -> Any:
    return repr((np.ma.getmaskarray(values).tolist(), np.ma.getdata(values).tolist()))
