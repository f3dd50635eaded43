"""Can the server run on this machine?"""

import os
import shutil
import subprocess
from pathlib import Path

PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
PACKAGES = ("ceph-mon", "ceph-osd", "radosgw")


def provide() -> str | None:
    """Install what is missing, on Debian as root; returns what stands in the way, or None."""
    missing = _missing()
    if not missing:
        return None
    if not Path("/etc/debian_version").exists() or shutil.which("apt-get") is None:
        return f"{', '.join(missing)} not found, and this is not Debian"
    if os.geteuid() != 0:
        return f"{', '.join(missing)} not found; as root: apt-get install {' '.join(PACKAGES)}"
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(["apt-get", "-qq", *command], env=environment, capture_output=True, text=True)
        if done.returncode:
            return f"apt-get {command[0]} failed: {done.stderr.strip().splitlines()[-1:]}"
    missing = _missing()
    return f"{', '.join(missing)} not found after installing {', '.join(PACKAGES)}" if missing else None


def _missing() -> list[str]:
    return [program for program in PROGRAMS if shutil.which(program) is None]
