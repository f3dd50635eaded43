"""How is a Ceph of one monitor, one disk in memory and one S3 gateway run?"""

import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path

# Without tcp_nodelay every GET takes 40 ms; rgw would otherwise want keys for the monitor; deleted data is freed at
# once, as it lies in memory; the grace keeps the only disk in office when the machine is busy.
CONFIGURATION = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_v2},v1:127.0.0.1:{mon_v1}]
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
auth_allow_insecure_global_id_reclaim = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd_pool_default_pg_autoscale_mode = off
osd crush chooseleaf type = 0
mon_warn_on_pool_no_redundancy = false
mon_allow_pool_size_one = true
mon_data_avail_crit = 1
mon_cluster_log_to_file = false
run dir = {folder}
admin socket = {folder}/$name.asok
log file = {folder}/$name.log
pid file =
mon data = {folder}/mon
osd data = {folder}/osd
osd journal = {folder}/osd/journal
osd objectstore = memstore
memstore device bytes = 4294967296
osd heartbeat grace = 150
osd_pool_default_read_lease_ratio = 0.8
ms bind ipv6 = false
ms_mon_client_mode = crc
public addr = 127.0.0.1
cluster addr = 127.0.0.1
public network = 127.0.0.0/8
debug ms = 0/0
debug osd = 0/0
debug mon = 0/0
debug rgw = 0/0

[client.rgw.a]
ms_mon_client_mode = crc
auth_client_required = none
rgw_frontends = beast endpoint=127.0.0.1:{rgw} tcp_nodelay=1
rgw data = {folder}/rgw
rgw_dns_name = localhost
rgw_enable_apis = s3, admin
rgw_thread_pool_size = 64
rgw_enable_usage_log = false
rgw_gc_obj_min_wait = 2
rgw_gc_processor_period = 5
rgw_gc_processor_max_time = 5
rgw_override_bucket_index_max_shards = 1
rgw_dynamic_resharding = false
"""


class ClusterError(Exception):
    """The server did not come up."""


@dataclass(frozen=True, slots=True)
class User:
    """A user of the gateway."""

    name: str
    key: str
    secret: str


@dataclass(slots=True)
class Cluster:
    """A Ceph with its data in a temporary folder."""

    users: tuple[User, ...]
    port: int = 0
    folder: Path | None = None
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Bring up a new, empty server, at the same address as before if there was one.

        A second and third attempt are made if it does not answer.
        """
        known = self.port
        for attempt in range(3):
            self.port = known or _free_ports(1)[0]
            try:
                self._start()
            except (ClusterError, subprocess.SubprocessError, OSError) as error:
                self.stop()
                if attempt == 2:
                    raise ClusterError(f"no answer after three attempts: {error}") from error
            else:
                return

    def stop(self) -> None:
        """Stop the daemons by their ids and remove their data."""
        for daemon in reversed(self.daemons):
            daemon.kill()  # nothing in it is worth an orderly end, which takes seconds
        for daemon in self.daemons:
            daemon.wait()
        self.daemons.clear()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    def alive(self) -> bool:
        """Whether all daemons run."""
        return bool(self.daemons) and all(daemon.poll() is None for daemon in self.daemons)

    def _start(self) -> None:
        self.folder = folder = Path(tempfile.mkdtemp(prefix="cfdb-s3-"))
        for name in ("mon", "osd", "rgw"):
            (folder / name).mkdir()
        fsid, disk = str(uuid.uuid4()), str(uuid.uuid4())
        mon_v2, mon_v1 = _free_ports(2)
        text = CONFIGURATION.format(fsid=fsid, folder=folder, mon_v2=mon_v2, mon_v1=mon_v1, rgw=self.port)
        (folder / "ceph.conf").write_text(text)
        address = f"[v2:127.0.0.1:{mon_v2},v1:127.0.0.1:{mon_v1}]"
        self._run("monmaptool", "--create", "--clobber", "--addv", "a", address, "--fsid", fsid, f"{folder}/monmap")
        self._run("ceph-mon", "-i", "a", "--mkfs", "--monmap", f"{folder}/monmap")
        self._daemon("ceph-mon", "-f", "-i", "a")
        self._run("ceph", "--connect-timeout", "30", "osd", "new", disk, "0")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        self._daemon("ceph-osd", "-f", "-i", "0")
        self._run("ceph", "osd", "crush", "add-bucket", "host", "host", "root=default")
        self._run("ceph", "osd", "crush", "set", "osd.0", "1.0", "root=default", "host=host")
        self._daemon("radosgw", "-f", "-n", "client.rgw.a")
        self._wait_for_answer()
        for user in self.users:
            self._make(user)

    def _make(self, user: User) -> None:
        keys = (f"--access-key={user.key}", f"--secret-key={user.secret}")
        self._run("radosgw-admin", "user", "create", f"--uid={user.name}", f"--display-name={user.name}", *keys)

    def _run(self, program: str, *arguments: str) -> None:
        command = [program, "-c", f"{self.folder}/ceph.conf", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, cwd=self.folder)
        if done.returncode:
            raise ClusterError(f"{program} {arguments[0]}: {done.stderr.strip()[-500:]}")

    def _daemon(self, program: str, *arguments: str) -> None:
        # The kernel ends the daemon with this process, however that ends.
        command = ["setpriv", "--pdeathsig", "KILL", program, "-c", f"{self.folder}/ceph.conf", *arguments]
        quiet = subprocess.DEVNULL
        self.daemons.append(subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, cwd=self.folder))

    def _wait_for_answer(self, patience: float = 90) -> None:
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if not self.alive():
                raise ClusterError("a daemon ended by itself")
            try:
                with urllib.request.urlopen(self.endpoint, timeout=2):
                    return
            except OSError:
                time.sleep(0.2)
        raise ClusterError(f"nobody answers at {self.endpoint}")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
