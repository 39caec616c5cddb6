"""A rule that ends who is behind, over a real queue."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

from sjs.core import stopping
from sjs.core.job import Spec, Task
from sjs.reach import here, local_ask
from sjs.results.judge import Judge, Named, Stopped
from sjs.targets.daemon_client import DaemonTarget
from sjs.targets.session import Door
from sjs.transport.local import LocalTransport
from tests.live.machine import DEADLINE, Machine


def target_of(machine: Machine) -> DaemonTarget:
    ask, errand = (Door(argv, str(machine.root), "jobs.pipe") for argv in (local_ask(), here("errand")))
    return DaemonTarget("m", LocalTransport(), ask, errand, print)


def job(number: int, command: str) -> Spec:
    return Spec(command, task=Task("s", number, (("x", str(number)),)))


def test_who_is_clearly_behind_is_ended_and_its_record_says_why(machine: Machine, tmp_path: Path) -> None:
    steps = "for step in 1 2 3 4 5; do echo loss=$(({} + step)) step $step; done"
    others = [job(number, steps.format(number)) for number in range(1, 5)]
    worst = job(5, f"{steps.format(90)}; exec sleep 60")
    person, watched = target_of(machine), target_of(machine)
    stopped: queue.Queue[Stopped] = queue.Queue()
    judge = Judge(Named("s"), stopping.parse("median:loss"))

    def watch() -> None:
        for one in judge.watch(watched):
            stopped.put(one)
            judge.stop()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    person.post("k1", [Spec("echo loss=1000"), *others])
    person.collect()
    person.wait([(0, 4)])
    person.post("k2", [worst])
    person.collect()
    assert stopped.get(timeout=DEADLINE).job == 5
    thread.join(DEADLINE)
    assert not thread.is_alive()
    person.wait([(5, 5)])
    (ended,) = person.list([(5, 5)])
    assert ended.end is not None
    assert (ended.state, ended.end.detail) == ("cancelled", "behind: loss 91 at step 5, median 6")
    assert {one.state for one in person.list([(0, 4)])} == {"succeeded"}
    person.close()
    watched.close()
