from cli.lab.timeline import Record, Row, render

DAEMONS = [
    {"event": "peer.down", "mono": 11.0, "peer": "a"},
    {"event": "action.ordered", "mono": 5.0, "key": "old"},
    {"event": "action.ordered", "mono": 11.02, "key": "fs_start_0"},
    {"event": "action.ordered", "mono": 11.06, "key": "ip_start_0"},
    {"event": "agent.end", "mono": 11.05, "rsc": "fs", "action": "start", "rc": 0},
    {"event": "agent.end", "mono": 11.07, "rsc": "ip_x", "action": "start", "rc": 1},
    {"event": "agent.end", "mono": 11.09, "rsc": "ip_x", "action": "start", "rc": 0},
    {"event": "agent.end", "mono": 11.2, "rsc": "ip_x", "action": "monitor", "rc": 0},
]
CLIENT = [
    {"event": "client.outage", "address": "v", "last_answer": 3.0, "outage_ms": 70.0,
     "node_index": 1},
    {"event": "client.outage", "address": "w", "last_answer": 9.99, "outage_ms": 80.0,
     "node_index": 1},
    {"event": "client.outage", "address": "v", "last_answer": 9.99, "outage_ms": 1100.0,
     "node_index": 2},
]  # fmt: skip
RECORD = Record(DAEMONS, CLIENT, {1: "a", 2: "b"})


def test_a_failover_is_split_into_detection_decision_and_agents():
    row = RECORD.row("kill a", 10.0, "v", "ip_x_start_0", victim="a")
    assert row == Row("kill a", 1000.0, 20.0, 70.0, 1100.0, "b")


def test_a_move_has_no_detection():
    row = RECORD.row("move", 11.01, "nobody", "ip_x_start_0")
    assert row == Row("move", None, 10.0, 70.0, None, "")


def test_what_was_not_seen_is_not_invented():
    assert Record([], [], {}).row("x", 1.0, "v", "ip_x_start_0", "a") == Row(
        "x", None, None, None, None, ""
    )


def test_the_executed_order_is_that_of_the_agents_ends():
    assert RECORD.executed(0.0) == [("start", "fs"), ("start", "ip_x")]


def test_the_table_is_readable():
    assert render([Row("kill a", 1000.4, 20.0, None, 1100.0, "b")]) == (
        "event   detection  decision  agents  client outage  answers from\n"
        "------  ---------  --------  ------  -------------  ------------\n"
        "kill a    1000 ms     20 ms       -        1100 ms  b\n"
    )
