"""On which machine was it measured? Without names and paths."""

import os
import platform
from pathlib import Path


def describe() -> dict[str, str]:
    """Describe processor, memory, system and Python."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}",
        "python": platform.python_version(),
    }


def load() -> float:
    """How busy the machine was in the last minute: tasks that ran or wanted to."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        return f"{int(meminfo.read_text().split()[1]) / 2**20:.0f} GiB"
    return "unknown"
