"""Which methods of the model do their work upstairs?

The model stands below the bridges and the display. A method whose work lives there is a *door*: one line in this table,
loaded when it is first used. There is no other way up.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

DOORS = {
    "summarize_dataset": "cfdb.display.summary:summarize_dataset",
    "summarize_variable": "cfdb.display.summary:summarize_variable",
    "summarize_pending": "cfdb.display.changes:summarize_pending",
    "reporting": "cfdb.display.progress:reporting",
}


def door(name: str) -> Callable[..., Any]:
    """Load the function behind a door.

    Examples
    --------
    >>> door("summarize_dataset").__module__
    'cfdb.display.summary'
    """
    module, _, function = DOORS[name].partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
