"""ha.cf: the handbook's file is read, every mistake is named with its line and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmd.heartbeat.config import Config, local_node_problem, parse_ha_cf
from crmd.heartbeat.directives import DIRECTIVES
from crmd.heartbeat.media import Bcast, Mcast, Ping, Serial, Ucast

BASE = "node a b\nbcast eth0\nauto_failback on\n"


def good(text: str, **kwargs: set[str]) -> Config:
    config, problems = parse_ha_cf(text, **kwargs)
    assert config is not None, [str(p) for p in problems]
    return config


def errors(text: str, **kwargs: set[str]) -> list[str]:
    config, problems = parse_ha_cf(text, **kwargs)
    found = [str(p) for p in problems if p.is_error]
    assert (config is None) == bool(found)
    return found


def test_the_handbook_file_is_read_unchanged() -> None:
    config = good(
        "# handbook\nuse_logd yes\nlogfacility local0\nkeepalive 2\ndeadtime 30\nwarntime 10\n"
        "initdead 60\nudpport 694\nbcast eth1 eth2\nmcast eth0 225.0.0.64 694 1 0\n"
        "ucast eth0 10.0.10.65\nauto_failback off # stay\n"
        "node MySQL-Master\nnode mysql-backup\nping 172.16.1.254\n"
        "respawn hacluster /usr/lib/heartbeat/ipfail\napiauth ipfail gid=haclient uid=hacluster\n"
    )
    assert config.nodes == ("mysql-master", "mysql-backup")
    assert (config.keepalive_s, config.deadtime_s, config.warntime_s) == (2.0, 30.0, 10.0)
    assert config.initdead_s == 60.0 and config.deadping_s == 30.0
    assert config.media == (
        Bcast("eth1", 694),
        Bcast("eth2", 694),
        Mcast("eth0", "225.0.0.64", 694, 1, False),
        Ucast("eth0", "10.0.10.65", 694),
        Ping("172.16.1.254", ("172.16.1.254",)),
    )
    assert config.auto_failback == "off" and config.ttl == 4
    assert config.children[0].argv == ("/usr/lib/heartbeat/ipfail",)
    assert dict(config.as_written)["keepalive"] == "2"


def test_defaults_depend_on_deadtime_as_in_heartbeat() -> None:
    assert good(BASE).initdead_s == 30.0 and good(BASE).warntime_s == 15.0
    assert good(BASE + "deadtime 5\n").initdead_s == 12.0
    assert good(BASE + "deadtime 8\n").initdead_s == 16.0
    assert good(BASE + "deadtime 20\n").initdead_s == 20.0
    assert good(BASE).max_rexmit_delay_s == 0.25 and good(BASE).msgfmt == "classic"


def test_commas_separate_words_and_the_last_scalar_wins() -> None:
    config = good("node a,b,c\nbcast eth0\nkeepalive 2\nkeepalive 500ms\n")
    assert config.nodes == ("a", "b", "c") and config.keepalive_s == 0.5


def test_udpport_counts_for_the_lines_below_it() -> None:
    config = good("node a\nbcast eth0\nudpport 6940\nbcast eth1\nucast6 eth1 fe80::1\n")
    assert [getattr(m, "port", 0) for m in config.media] == [694, 6940, 6940]


def test_the_other_media_are_read() -> None:
    config = good(
        "node a\nbaud 9600\nserial /dev/ttyS0\nmcast6 eth0 ff12::1 694 1 0\n"
        "ping_group outside 10.0.0.1 10.0.0.2\nping6 2001:db8::1\n"
    )
    assert config.media[0] == Serial("/dev/ttyS0", 9600)
    assert config.media[1] == Mcast("eth0", "ff12::1", 694, 1, False)
    assert config.media[2] == Ping("outside", ("10.0.0.1", "10.0.0.2"), is_group=True)
    assert config.ping_nodes == ("outside", "2001:db8::1")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("deadtme 3", "line 4: directive 'deadtme' is not known"),
        ("Keepalive 1", "line 4: directive 'Keepalive' is not known; did you mean keepalive?"),
        ("deadtime 1s", "line 4: deadtime: '1s' is no time: write seconds"),
        ("deadtime 1500 ms", "line 4: deadtime: 'ms' is no time"),
        ("keepalive 0", "line 4: keepalive: '0' must be more than zero"),
        ("deadtime 2", "line 4: deadtime 2 s must be more than twice keepalive 1 s"),
        ("initdead 3", "line 4: initdead 3 s is smaller than deadtime 30 s; raise it to 30"),
        ("auto_failback maybe", "line 4: auto_failback: 'maybe' is neither on, off nor legacy"),
        ("msgfmt json", "line 4: msgfmt: 'json' is not one of: classic netstring"),
        ("mcast eth2 10.1.1.1 694 1 0", "line 4: mcast: 10.1.1.1 is no multicast group"),
        ("mcast eth2 225.0.0.1 694 x 0", "line 4: mcast: ttl 'x' is not within 0 to 255"),
        ("mcast eth2 225.0.0.1 694", "line 4: mcast: mcast: missing ttl"),
        ("mcast eth2 ff02::1 694 1 0", "line 4: mcast: ff02::1 is an IPv6 address; use mcast6"),
        ("ucast eth0 10.0.0.1 10.0.0.2", "line 4: ucast: ucast takes one interface and one"),
        ("udpport 0", "line 4: udpport: port '0' is not within 1 to 65535"),
        ("rtprio 200", "line 4: rtprio: '200' is not a whole number within 1 to 99"),
        ("respawn root ipfail", "line 4: respawn: program 'ipfail' is not an absolute path"),
        ("compression lz4", "line 4: compression: 'lz4' is not one of: bz2 zlib"),
        ("apiauth x", "line 4: apiauth: client 'x' is given neither uid= nor gid="),
        ("hbaping fc0 1", "line 4: hbaping is refused: fibre channel ping"),
        ("quorum_server q", "line 4: quorum_server is refused: there is no"),
        ("use_apphbd on", "line 4: use_apphbd is refused: the application heartbeat"),
        ("watchdog", "line 4: watchdog stands without a value"),
        ("node bad/name", "line 4: node: 'bad/name' cannot be a node name"),
        ("serial ttyS0", "line 4: serial: serial 'ttyS0' is not an absolute path"),
        ("crm ccm-only", "line 4: crm: 'ccm-only' is for developers"),
        ("logfacility moon", "line 4: logfacility: 'moon' is not one of:"),
        ("auth_downgrade allow", "line 4: auth_downgrade: 'allow' must be: allow TIME"),
        ("ping router", "line 4: ping: 'router' is no IP address"),
    ],
)
def test_a_bad_line_is_named_with_value_and_remedy(line: str, said: str) -> None:
    found = errors(BASE + line + "\n")
    assert any(text.startswith("ha.cf " + said) for text in found), found


def test_all_problems_are_reported_at_once_with_their_lines() -> None:
    found = errors("nod a\nkeepalive x\nbcast\nbcast eth9\n", interfaces={"eth0", "lo"})
    assert [text.split(":")[0] for text in found[:4]] == [
        "ha.cf line 1",
        "ha.cf line 2",
        "ha.cf line 3",
        "ha.cf line 4",
    ]
    assert "interface eth9 does not exist here (there are: eth0 lo)" in found[3]
    assert any("no node line" in text for text in found)
    assert any("no heartbeat media" in text for text in found)


def test_watchdog_and_baud_may_stand_once() -> None:
    assert errors(BASE + "watchdog /dev/watchdog\nwatchdog /dev/watchdog\n")
    assert errors(BASE + "baud 9600\nbaud 9600\n")
    assert errors(BASE + "crm on\npacemaker respawn\n")


REFUSED = [
    ("hbaping fc0", "use ping"),
    ("quorum_server host", "third node"),
    ("use_apphbd yes", "monitor actions"),
    ("normalpoll true", "remove the line"),
    ("crm_daemon_dir /usr/lib", "Pacekeeper's own"),
    ("crmd_spawns_pengine off", "pacekeeperd"),
    ("record_config_changes off", "always logged"),
    ("record_pengine_inputs off", "pe-input-series-max=0"),
    ("enable_config_writes off", "always on disk"),
    ("respawn hacluster /usr/lib/heartbeat/ccm", "write crm on"),
    ("respawn hacluster /usr/lib/heartbeat/dopd", "fence-peer"),
    ("failfast root /usr/lib/heartbeat/pingd -m 100", "ping line"),
]


@pytest.mark.parametrize(("line", "instead"), REFUSED)
def test_what_cannot_be_honoured_is_refused_by_name_with_what_to_use_instead(
    line: str, instead: str
) -> None:
    (text,) = errors(BASE + line + "\n")
    name = line.split()[0]
    assert name in text and "is refused: " in text and instead in text


ORIGINAL = """
node keepalive deadtime warntime initdead deadping hopfudge auto_failback nice_failback
bcast mcast mcast6 ucast ucast6 serial ping ping6 ping_group hbaping udpport baud
cluster quorum_server logfile debugfile logfacility use_logd conn_logd_time syslogmsgfmt
debug watchdog realtime rtprio memreserve hbgenmethod uuidfrom autojoin respawn failfast
apiauth stonith stonith_host msgfmt compression compression_threshold
traditional_compression max_rexmit_delay log_badpack coredumps coreroot use_apphbd env
crm pacemaker crm_daemon_dir crmd_spawns_pengine record_config_changes
record_pengine_inputs enable_config_writes normalpoll udp
"""


def test_every_directive_of_the_original_works_or_is_refused_and_none_is_passed_over() -> None:
    """The list of heartbeat-v1.md section 12.2."""
    words = ORIGINAL.split()
    assert set(words) <= set(DIRECTIVES)
    told = (Path(__file__).parents[2] / "docs/ha.cf.md").read_text()
    missing = [word for word in sorted(DIRECTIVES) if f"`{word}`" not in told]
    assert missing == []


def test_switches_of_which_one_position_is_what_we_do_accept_it_silently() -> None:
    for line in ("crmd_spawns_pengine on", "record_config_changes on", "enable_config_writes yes"):
        config, problems = parse_ha_cf(BASE + line + "\n")
        assert config is not None and problems == [], line


def test_logs_that_would_go_nowhere_are_an_error_and_logd_beats_files() -> None:
    assert "nothing would be logged" in errors(BASE + "use_logd off\n")[0]
    good(BASE + "use_logd off\nlogfile /var/log/ha\n")
    config, problems = parse_ha_cf(BASE + "use_logd on\nlogfile /var/log/ha\n")
    assert config is not None and "logfile do not count" in str(problems[0])


def test_stonith_lines_with_a_cib_are_said_not_to_count() -> None:
    config, problems = parse_ha_cf(BASE + "crm on\nstonith_host * fence_x a=1\n")
    assert config is not None and "the CIB rules" in str(problems[0])


def test_the_own_node_must_be_listed_unless_anyone_may_join() -> None:
    config = good(BASE)
    assert local_node_problem(config, "A") is None
    assert "this node is 'c', but the node lines name only: a b" in str(
        local_node_problem(config, "c")
    )
    assert local_node_problem(good(BASE + "autojoin any\n"), "c") is None


def test_crc_window_of_a_key_change_is_bounded() -> None:
    assert good(BASE + "auth_downgrade allow 10min\n").auth_downgrade_s == 600.0
    assert errors(BASE + "auth_downgrade allow 2000min\n")


def test_every_directive_of_the_specification_is_known() -> None:
    named = (
        "node keepalive deadtime warntime initdead deadping hopfudge auto_failback nice_failback "
        "bcast mcast mcast6 ucast ucast6 serial ping ping6 ping_group hbaping udpport baud cluster "
        "quorum_server logfile debugfile logfacility use_logd conn_logd_time syslogmsgfmt debug "
        "watchdog realtime rtprio memreserve hbgenmethod uuidfrom autojoin respawn failfast "
        "apiauth stonith stonith_host msgfmt compression compression_threshold "
        "traditional_compression max_rexmit_delay log_badpack coredumps coreroot use_apphbd env "
        "crm pacemaker crm_daemon_dir crmd_spawns_pengine record_config_changes "
        "record_pengine_inputs enable_config_writes normalpoll udp"
    )
    assert set(named.split()) <= set(DIRECTIVES)


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(DIRECTIVES)), st.text(max_size=30)).map(" ".join)
        | st.text(max_size=40),
        max_size=8,
    )
)
def test_any_text_is_a_configuration_or_a_list_of_problems(lines: list[str]) -> None:
    config, problems = parse_ha_cf("\n".join(lines))
    assert (config is None) == any(p.is_error for p in problems)
    assert all("\n" not in str(p) for p in problems)
