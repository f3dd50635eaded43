"""How do costs grow with the number of chunks?"""

from pathlib import Path
from typing import Any


def measure_growth(python: Path, folder: Path) -> dict[str, Any]:
    return {}
