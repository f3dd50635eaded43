"""How does one go through several variables of a dataset in step?"""

from cfdb.model.listing import Listing


class Lockstep(Listing):
    """A dataset, or a part of one, that can be gone through."""
