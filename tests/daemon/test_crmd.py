from crmd.controller.events import ExecutorState
from crmd.daemon.crmd import executor_state
from crmd.daemon.execd_wire import call_to_json, result_to_json
from ocf.calls import AgentCall, AgentRef, AgentResult, ExecStatus

DUMMY = AgentRef("ocf", "Dummy", "heartbeat")


def test_a_recurring_call_that_was_reported_is_not_one_whose_result_will_still_come():
    seen = AgentCall(1, "a", DUMMY, "monitor", interval_ms=1000)
    first = AgentCall(2, "b", DUMMY, "monitor", interval_ms=1000)
    start = AgentCall(3, "c", DUMMY, "start")
    waits = AgentCall(4, "d", DUMMY, "stop")
    result = AgentResult(1, "a", "monitor", 1000, 0, ExecStatus.DONE)
    listing = {
        "instance": "x",
        "history": [result_to_json(result)],
        "running": [call_to_json(c) for c in (seen, first, start)],
        "waiting": [call_to_json(waits)],
        "recurring": [call_to_json(c) for c in (seen, first)],
    }
    assert executor_state(listing) == ExecutorState(
        "x", (result,), (first, start, waits), (seen, first)
    )
