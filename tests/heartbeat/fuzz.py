"""Mutated packets against one node: nothing but counters may change.

In process: `mutants` against a Node between two beats.  Live (`python -m tests.heartbeat.fuzz
--count 200000`): two heartbeatd on loopback, the packets on their multicast group at full speed,
while both must stay members, answer in time, and keep their memory.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import resource
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from crmd.heartbeat import events as ev
from crmd.heartbeat.authkeys import Key, Keyring, Method
from crmd.heartbeat.message import encode, encode_classic, message, sealed
from crmd.heartbeat.node import Node
from tests.heartbeat import vectors
from tests.heartbeat.daemons import Cluster, wait_for
from tests.heartbeat.pcap import datagrams

CRC = Keyring(Key(2, Method.CRC), {2: Key(2, Method.CRC)})
STRANGE = Keyring(Key(1, Method.SHA1, b"not the key"), {})


def corpus() -> list[bytes]:
    """Packets of real nodes where there are recordings, and hand-made ones."""
    made = [
        encode(
            message("status", st="dead", dt="1", src="b", seq="ffff", hg="7fffffff"),
            ring,
            inner=True,
        )
        for ring in (CRC, STRANGE)
    ]
    made += [encode_classic(message("status", st="dead", src="b", seq="1", hg="1"), STRANGE)]
    made += [b"", b"\0", b"###\n", b"###\n%%%\n", b">>>\n<<<\n", b"%%%\n42:1 " + b"0" * 40 + b","]
    for name in ("start-both", "auth-crc", "forged-drop")[: len(vectors.names())]:
        made += [d.payload for d in list(datagrams(vectors.path(name)))[:40]]
    return made


def mutate(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """One damaged packet: bits, cuts, lengths, types, repeats, splices."""
    blob = bytearray(data)
    kind = rng.randrange(9)
    if not blob or kind == 0:
        return rng.randbytes(rng.randrange(400))
    at = rng.randrange(len(blob))
    if kind == 1:
        blob[at] ^= 1 << rng.randrange(8)
    elif kind == 2:
        del blob[at:]
    elif kind == 3:
        del blob[at : at + rng.randrange(1, 40)]
    elif kind == 4:
        blob[at:at] = rng.randbytes(rng.randrange(1, 40))
    elif kind == 5:
        return _lie_about_length(bytes(blob), rng)
    elif kind == 6:
        place = blob.find(b":(0)")
        blob[place + 2 : place + 3] = bytes([rng.choice(b"12345678x")])
    elif kind == 7:
        blob[at:] = other[at:]
    else:
        blob *= rng.randrange(2, 30)
    return bytes(blob[:66_000])


def _lie_about_length(data: bytes, rng: random.Random) -> bytes:
    head, colon, rest = data.partition(b":")
    start = head.rfind(b"\n") + 1
    lie = rng.choice([b"0", b"-1", b"00011", b"99999999999", b"4294967295", b"", b" 11", b"1e3"])
    return head[:start] + lie + colon + rest


def mutants(count: int, seed: int, base: list[bytes]) -> Iterator[bytes]:
    """`count` damaged packets."""
    rng = random.Random(seed)
    for _ in range(count):
        yield mutate(rng.choice(base), rng, rng.choice(base))


def signed_nonsense(count: int, seed: int, ring: Keyring, base: list[bytes]) -> Iterator[bytes]:
    """Damaged bodies under a correct digest: what a broken peer with the key could send."""
    rng = random.Random(seed)
    for _ in range(count):
        packet = mutate(rng.choice(base), rng, rng.choice(base))
        end = packet.rfind(b"%%%\n")
        yield sealed(packet[: end + 4] if end >= 0 else b"###\n" + packet + b"%%%\n", ring)


def attack(node: Node, packets: Iterator[bytes], now: float) -> tuple[int, float]:
    """Feed the packets; returns how many and the slowest one's seconds.

    Raises AssertionError if one of them changes what the node knows or tells.
    """
    before = (node.memory(), {n: p.is_member for n, p in node.peers.items()}, node.deadline())
    fed, slowest = 0, 0.0
    for packet in packets:
        start = time.perf_counter()
        outputs = node.step(ev.Received("eth0", packet), now)
        slowest = max(slowest, time.perf_counter() - start)
        assert all(isinstance(o, ev.Note) for o in outputs), (packet, outputs)
        fed += 1
    after = (node.memory(), {n: p.is_member for n, p in node.peers.items()}, node.deadline())
    assert before == after
    return fed, slowest


# --- live ---------------------------------------------------------------------------------------


def _rss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def _cpu_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / 100


def live(count: int, seed: int, rate: float) -> int:
    """The attack on two running daemons; prints figures, returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder), ("a", "b"), keepalive="200ms", deadtime="1", initdead="3")
        try:
            return _live(cluster, count, seed, rate)
        finally:
            cluster.close()


def _live(cluster: Cluster, count: int, seed: int, rate: float) -> int:
    for node in cluster.nodes:
        cluster.start(node)
    port = int(
        (cluster.folder / "a/etc/ha.d/ha.cf").read_text().split("239.255.7.1 ")[1].split()[0]
    )
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
    with cluster.client("a") as client:
        if not client.receive()["nodes"][0]["member"]:
            wait_for(client, event="peer_up", node="b")
        time.sleep(1)
        pids = {n: p.pid for n, p in cluster.processes.items()}
        before = {n: (_rss_kb(pid), _cpu_s(pid)) for n, pid in pids.items()}
        packets = list(mutants(min(count, 20_000), seed, corpus()))
        begin = time.monotonic()
        for number in range(count):
            with contextlib.suppress(OSError):  # a mutant longer than a datagram may be
                sock.sendto(packets[number % len(packets)], ("239.255.7.1", port))
            if rate and number % 5 == 0:
                time.sleep(max(0.0, begin + number / rate - time.monotonic()))
        took = time.monotonic() - begin
        time.sleep(2)
        client.send({"op": "counters"})
        frames = [client.receive(5)]
        while frames[-1].get("event") != "counters":
            frames.append(client.receive(5))
        dropped = sum(n for w, n in frames[-1]["counters"].items() if w.startswith("dropped"))
        bad = [f for f in frames if f.get("event") in ("peer_down", "stalled")]
        print(f"sent {count} in {took:.1f} s ({count / took:.0f}/s), a dropped {dropped}")
        for name, pid in pids.items():
            rss, cpu = before[name]
            load = 100 * (_cpu_s(pid) - cpu) / took
            state = "running" if cluster.processes[name].poll() is None else "DEAD"
            print(f"{name}: {state}, rss {rss} -> {_rss_kb(pid)} kB, {load:.0f} % of one core")
        late = [x for n in pids for x in cluster.log(n).splitlines() if "beat.late" in x]
        print(f"false deaths and stalls: {len(bad)}, late beats: {len(late)}")
        alive = all(p.poll() is None for p in cluster.processes.values())
        return 0 if alive and not bad else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.0, help="packets per second, 0: full speed")
    parser.add_argument("--in-process", action="store_true", help="against the machine alone")
    options = parser.parse_args()
    if not options.in_process:
        return live(options.count, options.seed, options.rate)
    from tests.heartbeat.test_fuzz import settled_node

    node, now = settled_node()
    base = corpus()
    begin = time.monotonic()
    fed, slowest = attack(node, mutants(options.count, options.seed, base), now)
    took = time.monotonic() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{fed} packets in {took:.1f} s, slowest {slowest * 1e3:.2f} ms, peak rss {peak} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
