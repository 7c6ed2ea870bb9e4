"""Where a node keeps its things: one class names every directory, socket and file.

A lab node, a test node and a real node differ in the root only: `--root DIR`, or the environment
variable PACEKEEPER_ROOT.  This module creates directories with the owners and modes they must
have; it opens no file and reads no content.  It imports nothing heavy (heartbeatd uses it).
Facts: reliability.md section 7 (table of owners and modes), docs/interfaces.md.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

CLUSTER_USER = "hacluster"
CLUSTER_GROUP = "haclient"
ROOT_VARIABLE = "PACEKEEPER_ROOT"

RUN_MODE = 0o750
SOCKET_MODE = 0o660
STATE_MODE = 0o755
CIB_MODE = 0o750
PENGINE_MODE = 0o750
LOG_MODE = 0o770


class PathError(Exception):
    """A directory is not what it must be; the text names it, what it is, and the remedy."""


@dataclass(frozen=True, slots=True)
class Paths:
    """All places of one node, below `root`."""

    root: Path = Path("/")

    @classmethod
    def from_environment(cls, root: str | os.PathLike[str] | None = None) -> Paths:
        """Places below `root`, else below $PACEKEEPER_ROOT, else below /."""
        return cls(Path(root or os.environ.get(ROOT_VARIABLE) or "/"))

    @property
    def run(self) -> Path:
        """Sockets and pid files; gone after a reboot."""
        return self.root / "run/pacekeeper"

    @property
    def state(self) -> Path:
        """What must survive a reboot."""
        return self.root / "var/lib/pacekeeper"

    @property
    def config(self) -> Path:
        """ha.cf, authkeys, haresources, resource.d: where Heartbeat keeps them."""
        return self.root / "etc/ha.d"

    @property
    def log(self) -> Path:
        return self.root / "var/log/pacekeeper"

    @property
    def cib(self) -> Path:
        return self.state / "cib"

    @property
    def pengine(self) -> Path:
        """Stored inputs of the scheduler."""
        return self.state / "pengine"

    @property
    def secrets(self) -> Path:
        return self.state / "lrm/secrets"

    @property
    def ha_cf(self) -> Path:
        return self.config / "ha.cf"

    @property
    def authkeys(self) -> Path:
        return self.config / "authkeys"

    @property
    def haresources(self) -> Path:
        return self.config / "haresources"

    @property
    def resource_d(self) -> Path:
        """Scripts of class `heartbeat`."""
        return self.config / "resource.d"

    @property
    def init_d(self) -> Path:
        """Scripts of class `lsb`."""
        return self.root / "etc/init.d"

    @property
    def ocf_root(self) -> Path:
        return self.root / "usr/lib/ocf"

    @property
    def hb_generation(self) -> Path:
        return self.state / "hb_generation"

    @property
    def replay_memory(self) -> Path:
        """Newest (generation, sequence) of each peer, so that old packets stay old."""
        return self.state / "hb_seen"

    @property
    def hostcache(self) -> Path:
        """Nodes that were added or joined while the cluster ran."""
        return self.state / "hostcache"

    @property
    def delhostcache(self) -> Path:
        """Nodes that were deleted while the cluster ran."""
        return self.state / "delhostcache"

    @property
    def heartbeat_socket(self) -> Path:
        return self.run / "heartbeat.sock"

    @property
    def execd_socket(self) -> Path:
        return self.run / "execd.sock"

    @property
    def schedulerd_socket(self) -> Path:
        return self.run / "schedulerd.sock"

    @property
    def crmd_socket(self) -> Path:
        return self.run / "crmd.sock"

    @property
    def haresources_socket(self) -> Path:
        return self.run / "haresources.sock"

    @property
    def supervisor_socket(self) -> Path:
        return self.run / "pacekeeperd.sock"

    @property
    def pid_file(self) -> Path:
        return self.run / "pacekeeperd.pid"

    def log_file(self, daemon: str) -> Path:
        """JSON log of one daemon."""
        return self.log / f"{daemon}.log"

    def prepare(self) -> None:
        """Create the directories of a node with their owners and modes.

        Raises PathError where something else stands in their place, or others may write there.
        """
        _directory(self.state, STATE_MODE, "root", "root")
        _directory(self.run, RUN_MODE, CLUSTER_USER, CLUSTER_GROUP)
        _directory(self.cib, CIB_MODE, CLUSTER_USER, CLUSTER_GROUP)
        _directory(self.pengine, PENGINE_MODE, CLUSTER_USER, CLUSTER_GROUP)
        _directory(self.log, LOG_MODE, CLUSTER_USER, CLUSTER_GROUP)


def _directory(path: Path, mode: int, user: str | None, group: str | None) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=mode, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise PathError(f"{path}: not a directory (a symbolic link is refused); remove it")
        if os.geteuid() in {0, found.st_uid}:
            path.chmod(mode)
        elif found.st_mode & stat.S_IWOTH:
            raise PathError(
                f"{path}: mode {found.st_mode & 0o7777:04o} lets everybody write; "
                f"chmod {mode:04o} {path}"
            )
        give_to_cluster(path, user, group)
    except FileExistsError as e:
        raise PathError(f"{path}: a file stands where a directory must be; remove it") from e
    except OSError as e:
        raise PathError(f"{path}: cannot be prepared ({e.strerror}); check its owner") from e


def give_to_cluster(path: Path, user: str | None, group: str | None) -> None:
    """Hand `path` to the cluster's user and group, as far as they exist and we may.

    Without such accounts (or in a user namespace that does not map them) the owner stays: that
    is stricter than the table, never looser.
    """
    if os.geteuid() != 0 or (user is None and group is None):
        return
    import grp
    import pwd

    try:
        uid = pwd.getpwnam(user).pw_uid if user else -1
        gid = grp.getgrnam(group).gr_gid if group else -1
        os.chown(path, uid, gid, follow_symlinks=False)
    except (KeyError, OSError):
        return
