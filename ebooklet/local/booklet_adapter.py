"""What do we ask of Booklet itself? Its serializers; only this module imports it, when one is first needed."""

from typing import Any


def codec_of(name: str) -> Any:
    """Return Booklet's serializer class of this name (``dumps`` and ``loads``).

    Raises
    ------
    ValueError
        If Booklet has none of this name; the message lists them.
    """
    from booklet import serializers

    try:
        return serializers.serial_dict[name]
    except KeyError:
        names = ", ".join(sorted(filter(None, serializers.serial_dict)))
        raise ValueError(f"there is no serializer {name!r}; choose one of {names}") from None
