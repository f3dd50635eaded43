"""How much memory does reading take?"""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def _status(name: str) -> int:
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def peak_of(job: Callable[[], Any]) -> int:
    """Bytes of memory at the highest point of a job, above what there was before; pages of mapped files left out.

    Those are the page cache's, which the system takes back when it wants to. 0 where there is no `/proc`.
    """
    if not CLEAR.exists():
        return 0
    gc.collect()
    CLEAR.write_text("5")  # the peak starts again from what is held now
    before, mapped = _status("VmRSS"), _status("RssFile")
    job()
    return max(0, _status("VmHWM") - before - max(0, _status("RssFile") - mapped))
