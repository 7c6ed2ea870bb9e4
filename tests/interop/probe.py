"""A client that asks an address every 50 ms, and the gaps in the answers."""

from __future__ import annotations

import itertools
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.heartbeat.interop_rig import Space

EVERY_S = 0.05
_ANSWER = re.compile(r"^\[(\d+\.\d+)\] \d+ bytes from .* icmp_seq=")


@dataclass(frozen=True)
class Gap:
    """No answer from `begin` (epoch seconds) for `seconds`."""

    address: str
    begin: float
    seconds: float


@dataclass
class Probe:
    """One ping per address, in the client's namespace."""

    address: str
    file: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def begin(cls, client: Space, address: str, folder: Path) -> Probe:
        path = folder / f"ping-{address}"
        command = client.enter("ping", "-n", "-D", "-i", str(EVERY_S), address, pid_namespace=False)
        with path.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        return cls(address, path, process)

    def end(self) -> None:
        self.process.kill()
        self.process.wait(5)

    def gaps(self, longer_than_s: float = 0.2) -> list[Gap]:
        """Pauses between two answers."""
        lines = self.file.read_text(errors="replace").splitlines()
        times = [float(match[1]) for line in lines if (match := _ANSWER.match(line))]
        pairs = itertools.pairwise(times)
        return [Gap(self.address, a, b - a) for a, b in pairs if b - a > longer_than_s]
