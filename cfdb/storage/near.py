"""What does a load take where everything is near?"""

from collections.abc import Sequence

from cfdb.storage.protocol import Brought, ChunkStore, HowToLoad
from ebooklet.estimate import Estimate
from ebooklet.sizes import parse_rate


def load_near(keys: Sequence[str], how: HowToLoad) -> Brought:
    """Report that everything is here."""
    if how.max_rate is not None:
        parse_rate(how.max_rate)
    if how.report is not None:
        how.report(len(keys), len(keys))
    return Brought()


def estimate_near(store: ChunkStore, keys: Sequence[str]) -> Estimate:
    """Tell that nothing has to be fetched."""
    nbytes = sum(size or 0 for size in store.sizes(keys))
    return Estimate("load", len(keys), len(keys), local_bytes=nbytes, unit="chunk")
