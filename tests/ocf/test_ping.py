"""The ping agent on a host with one living and one missing neighbour."""

import subprocess
import sys
import time

import pytest

from ocf.agents.ping import Ping, Pingd
from ocf.codes import AgentError
from ocf.echo import checksum, is_reply, request
from tests.ocf.hosts import REPO, TwoHosts, why_not

needs_hosts = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")
ALIVE, ALIVE6, MISSING = "10.99.0.2", "fd99::2", "10.99.0.77"
TELL = """
import os, sys
from ocf.agents.ping import Ping
class Told(Ping):
    def _tell(self, *words):
        print(*words)
        return True
sys.exit(Told(os.environ, sys.argv[1]).run())
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with TwoHosts(tmp_path_factory.mktemp("ping")).up() as pair:
        yield pair


def call(hosts, action, **params):
    """Exit code, and what attrd_updater would be told."""
    given = {"pidfile": str(hosts.state / "ping"), "attempts": "1", "timeout": "1", **params}
    env = {f"OCF_RESKEY_{k}": v for k, v in given.items()}
    done = subprocess.run(
        hosts.inside(hosts.a, [sys.executable, "-c", TELL, action]),
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "PYTHONPATH": str(REPO), **env},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout.strip()


@needs_hosts
def test_it_counts_who_answers_and_forgets_on_stop(hosts):
    given = {"host_list": f"{ALIVE} {MISSING} {ALIVE6}", "multiplier": "100"}
    assert call(hosts, "monitor", **given) == (7, "")
    assert call(hosts, "start", **given) == (0, "-B 200")
    assert call(hosts, "monitor", **given) == (0, "-U 200")
    assert call(hosts, "stop", **given) == (0, "-D")
    assert call(hosts, "monitor", **given) == (7, "")


@needs_hosts
def test_many_dead_hosts_cost_one_timeout(hosts):
    dead = " ".join(f"10.99.0.{n}" for n in range(80, 100))
    began = time.monotonic()
    assert call(hosts, "start", host_list=f"{dead} {ALIVE}") == (0, "-B 1")
    assert time.monotonic() - began < 2.5
    call(hosts, "stop", host_list=ALIVE)


@needs_hosts
def test_a_value_below_the_failure_score_fails_and_is_published_all_the_same(hosts):
    given = {"host_list": MISSING, "failure_score": "1"}
    assert call(hosts, "start", **given) == (1, "-B 0")
    assert call(hosts, "monitor", **given) == (1, "-U 0")
    call(hosts, "stop", **given)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({}, "host_list"),
        ({"host_list": "a", "attempts": "many"}, "attempts"),
        ({"host_list": "a", "timeout": "soon"}, "timeout"),
    ],
)
def test_senseless_parameters_are_named(params, text):
    agent = Ping({f"OCF_RESKEY_{k}": v for k, v in params.items()}, "validate-all")
    with pytest.raises(AgentError, match=text):
        agent.validate()


@pytest.mark.parametrize(
    ("text", "seconds"), [("2", 2.0), ("3s", 3.0), ("500ms", 5.0), ("1m", 60.0), ("2000", 300.0)]
)
def test_the_timeout_has_a_unit_and_limits(text, seconds):
    assert Ping({"OCF_RESKEY_timeout": text}).wait_s() == seconds


def test_pingd_is_ping_under_its_old_name():
    agent = Pingd({"OCF_RESKEY_host_list": "a,b c"})
    agent.validate()
    assert agent.hosts == ["a", "b", "c"] and agent.pid_file.endswith("ping-default")


def test_only_answers_to_our_own_question_count():
    token = b"t" * 16
    asked = request(6, 7, 0, token)
    reply = bytes([129]) + asked[1:]
    assert is_reply(reply, 6, 7, token)
    for other in (asked, bytes([129]) + request(6, 8, 0, token)[1:], reply[:-1], b"", reply[:5]):
        assert not is_reply(other, 6, 7, token)
    assert checksum(request(4, 7, 0, token)) == 0, "the sum over a packet with its checksum"
