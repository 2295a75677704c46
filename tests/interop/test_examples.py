"""The example programs, against Crossbar.io."""

import signal
import sys

from programs import BINDING

COUNT = 100


def test_caller_and_callee(start, example):
    callee = start(example("callee"), str(COUNT))
    callee.wait_for("ready")
    output = start(example("caller"), str(COUNT)).good()
    assert [line for line in output.splitlines() if "=" in line] == [
        f"{n} + {n + 1} = {2 * n + 1}" for n in range(COUNT)
    ]
    callee.good()


def test_publisher_and_subscriber(start, example):
    subscriber = start(example("subscriber"), str(COUNT))
    subscriber.wait_for("ready")
    assert f"published {COUNT}" in start(example("publisher"), str(COUNT)).good()
    events = [line for line in subscriber.good().splitlines() if line.startswith("got event")]
    assert events == [f"got event {n}: Hello, world!" for n in range(1, COUNT + 1)]


def test_servers_end_well_when_asked_to(start, example):
    for name in ("callee", "subscriber"):
        program = start(example(name))
        program.wait_for("ready")
        program.process.send_signal(signal.SIGTERM)
        program.good()


def test_a_caller_without_callee_says_so(start, example):
    caller = start(example("caller"))
    assert caller.process.wait(60) != 0
    caller.end()
    assert "wamp.error.no_such_procedure" in "".join(caller.output)


def test_eventloop(start, example):
    output = start(example("eventloop")).good()
    assert "2 + 3 = 5" in output
    assert "got event" in output


def test_progress(start, example):
    lines = start(example("progress")).good().splitlines()
    assert "caller: 100 %" in lines
    assert "caller: got a cake" in lines
    assert "caller: ended by wamp.error.canceled" in lines
    assert "callee: nobody waits any more, so I stop" in lines


def test_reconnect_runs_until_it_is_asked_to_end(start, example):
    program = start(example("reconnect"))
    program.wait_for("the procedure is in service")
    program.process.send_signal(signal.SIGTERM)
    assert "the procedure is out of service" in program.good()


def test_python_quickstart(start):
    output = start(BINDING / "examples" / "quickstart.py", interpreter=(sys.executable,)).good()
    assert "2 + 3 = 5" in output
    assert "com.myapp.error.division_by_zero" in output
    assert "Hello, world! 1" in output
