"""How is a number written with its noun?"""


def count(number: int, noun: str, plural: str = "") -> str:
    """Write a number with its noun.

    Examples
    --------
    >>> count(1, "chunk"), count(1200, "chunk"), count(0, "entry", "entries")
    ('1 chunk', '1,200 chunks', '0 entries')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
