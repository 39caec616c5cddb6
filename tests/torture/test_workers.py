"""kill -9 of workers, and of their gateway, while items go through two stages: each is finished once at each, and no
two commands are ever at one."""

from __future__ import annotations

import random
import signal
from collections import Counter
from pathlib import Path

from tests.torture import effort
from tests.worker.rig import Gateway, Rig, Worker, until

ITEMS, KILLS, OUTAGES = (2_000, 100, 5) if effort.LONG else (60, 4, 1)
STAGES = ({"name": "cut", "tries": 1_000}, {"name": "paste", "tries": 1_000}, {"name": "done"})

# The lock of an item is its command's for as long as that lives, whoever has started it.
COMMAND = """
exec 9> "lock.$SJS_ITEM"
flock -n 9 || echo "$SJS_ITEM" >> doubles
sleep 0.0{#}
echo "\\"$SJS_STAGE of $SJS_ITEM\\"" > "$SJS_RESULT_FILE"
"""


class Crowd:
    """As many workers as ever, whoever is killed."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.workers = [self._start(stage) for stage in ("cut", "cut", "paste", "paste")]

    def kill(self, which: int) -> None:
        stage = ("cut", "cut", "paste", "paste")[which]
        self.workers[which].signal(signal.SIGKILL)
        self.workers[which] = self._start(stage)

    def _start(self, stage: str) -> Worker:
        return self._rig.worker("-j", "3", "--lease", "3", "-q", "--", "sh", "-c", COMMAND, stage=stage)


def test_each_item_is_finished_once_whoever_is_killed(tmp_path: Path) -> None:
    dice = random.Random(effort.SEED)
    (tmp_path / "gateway").mkdir()
    (tmp_path / "work").mkdir()
    gateway = Gateway(tmp_path / "gateway")
    rig = Rig(gateway, tmp_path / "work")
    try:
        gateway.serve()
        rig.define(*STAGES)
        rig.add(*range(ITEMS))
        crowd = Crowd(rig)
        steps = 2 * ITEMS
        moments = sorted(dice.sample(range(1, steps - 10), KILLS + OUTAGES))
        outages = set(dice.sample(moments, OUTAGES))
        for moment in moments:
            until_done(rig, moment)
            if moment in outages:
                gateway.kill()
                gateway.serve()
            else:
                crowd.kill(dice.randrange(4))
        until_done(rig, steps)
        ends = [one.told_to_end() for one in crowd.workers]
        # 1: the gateway was away for longer than a lease, or somebody else was given an item after that
        assert {status for status, _ in ends} <= {0, 1}, ends
        done = verdict(rig)
        print(f"\n{KILLS} kills of workers, {OUTAGES} of the gateway, {ITEMS} items: {dict(done)}, seed {effort.SEED}")
    finally:
        rig.close()
        gateway.close()


def until_done(rig: Rig, steps: int) -> None:
    """Until so many are done. The deadline is that of each: a busy machine has many of them to do."""
    done = rig.done()
    while done < steps:
        done = _more_than(done, rig)


def _more_than(done: int, rig: Rig) -> int:
    until(lambda: rig.done() > done, f"step {done + 1}")
    return rig.done()


def verdict(rig: Rig) -> Counter[str]:
    """Of each item, by what the gateway has noted and by what the commands have left; how often what was done."""
    done: Counter[str] = Counter()
    assert not (rig.folder / "doubles").exists(), (rig.folder / "doubles").read_text()
    for number in range(ITEMS):
        item = rig.item(number)
        assert (item["stage"], item["state"], item["result"]) == (2, "free", f"paste of {number}"), item
        finished = [(one["stage"], one["target"]) for one in item["history"] if one["what"] == "finished"]
        assert finished == [(0, 1), (1, 2)], item
        assert _are_apart(item["history"]), item
        done.update(one["what"] for one in item["history"])
    return done


def _are_apart(history: list[dict[str, object]]) -> bool:
    """Whether each claim ended before the next one began."""
    is_claimed = False
    for one in history:
        if one["what"] == "claimed" and is_claimed:
            return False
        is_claimed = one["what"] == "claimed" or (is_claimed and one["what"] == "expired")
    return True
