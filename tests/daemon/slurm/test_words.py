"""What Slurm's programs say, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from sjs.daemon.slurm import node, signals, words
from sjs.daemon.slurm.nodes import largest
from sjs.daemon.slurm.trial import verdict
from sjs.errand.slurm import occupied

QUEUE = """\
2|4-9%2|PENDING|Resources|main||2027-11-22T02:55:42|sjs:ab:c1
2|0|RUNNING|None|main|h1|2026-11-22T02:55:42|sjs:ab:c1
3|N/A|CANCELLED|None|main||N/A|sjs:ab:c2
4|0|RUNNING|None|main|h1|N/A|sjs:other:c1
5|N/A|RUNNING|None|main|h1|N/A|a | comment | of somebody's
6|0
"""


def test_a_queue_is_read_by_the_keys_of_ours() -> None:
    found = {(one.key, one.number): one for one in words.queue(QUEUE, "sjs:ab:")}
    assert sorted(found) == [("sjs:ab:c1", number) for number in (0, 4, 5, 6, 7, 8, 9)] + [("sjs:ab:c2", words.REST)]
    waiting, running = found["sjs:ab:c1", 5], found["sjs:ab:c1", 0]
    assert (waiting.is_alive, waiting.reason, waiting.start) == (True, "Resources", "2027-11-22T02:55:42")
    assert (running.node, running.place) == ("h1", {"id": "2_0", "partition": "main", "node": "h1"})
    assert not found["sjs:ab:c2", words.REST].is_alive


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("5", [5]), ("0-3", [0, 1, 2, 3]), ("[1,4-6%2]", [1, 4, 5, 6]), ("0-8:4", [0, 4, 8]), ("N/A", []), ("", [])],
)
def test_numbers_of_an_array(text: str, numbers: list[int]) -> None:
    assert words.indexes(text) == numbers


def test_numbers_for_an_option() -> None:
    assert words.expression([7, 0, 1, 2, 9, 8, 4]) == "0-2,4,7-9"


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("sbatch: error: Batch job submission failed: Invalid partition name specified", words.NOW),
        ("sbatch: unrecognized option '--bogus'", words.NOW),
        ("sbatch: error: Batch job submission failed: Requested node configuration is not available", words.NOW),
        (
            "sbatch: error: Requested time limit is invalid (missing or exceeds some limit)",
            words.NOW,
        ),
        ("sbatch: error: Batch job submission failed: Invalid authentication credential", words.LATER),
        ("sbatch: error: QOSMaxWallDurationPerJobLimit\nsbatch: error: Job violates accounting/QOS policy", words.NOW),
        ("sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Job violates accounting/QOS policy", words.LATER),
        ("sbatch: error: Required partition not available (inactive or drain)", words.LATER),
        ("sbatch: error: Memory specification can not be satisfied", words.NOW),
        (
            "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
            words.LATER,
        ),
        ("sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying", words.LATER),
        (
            "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit)",
            words.LATER,
        ),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", words.UNSURE),
        ("sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received", words.UNSURE),
    ],
)
def test_what_a_refusal_means(said: str, meaning: str) -> None:
    assert words.refusal(said) == meaning


@pytest.mark.parametrize(
    ("status", "said", "known", "refused"),
    [
        (0, "sbatch: Job 1 to start at 2026-11-22T06:19:43 using 1 processors on nodes h2 in partition main", True, ""),
        (
            1,
            "sbatch: error: invalid partition specified: no\nallocation failure: Invalid partition name specified",
            *(True, "invalid partition specified: no"),
        ),
        (1, "allocation failure: Invalid qos specification", True, "Invalid qos specification"),
        (
            1,
            "allocation failure: User's group not permitted to use this partition",
            *(True, "User's group not permitted to use this partition"),
        ),
        (255, "/usr/bin/sbatch: unrecognized option '--no'\nTry \"sbatch --help\"", True, "unrecognized option '--no'"),
        (1, "allocation failure: Requested node configuration is not available", True, ""),  # its nodes are down
        (1, "allocation failure: Unable to contact slurm controller (connect failure)", False, ""),
        (1, "allocation failure: Invalid authentication credential", False, ""),
        (1, "allocation failure: Job violates accounting/QOS policy (job submit limit)", False, ""),
    ],
)
def test_what_a_trial_says(status: int, said: str, known: bool, refused: str) -> None:
    assert verdict(status, said) == {"known": known, "refused": refused}


def test_who_has_what_in_slurm() -> None:
    said = """\
gpu|8|4000M|gres:gpu:a100:2|PENDING|7|0-4,7%2
gpu|8|4000M|gres:gpu:a100:2|RUNNING|8|N/A
gpu|8|4000M|gres/gpu:1|COMPLETING|8|3
cpu|1|1.50G|N/A|SUSPENDED|7|N/A
cpu|1|0|(null)|PENDING|7|N/A
slurm_load_jobs error
"""
    assert occupied(said, 7) == [
        ["gpu", 8, 4000 << 20, {"a100": 2}, 7, 6, 1],
        ["gpu", 8, 4000 << 20, {"gpu": 1}, 1, 0, 1],
        ["cpu", 1, 3 << 29, {}, 1, 1, 1],
        ["cpu", 1, 0, {}, 1, 1, 0],
    ]


def test_the_last_complaint_is_told() -> None:
    said = "sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job submission failed: Invalid one\n"
    assert words.complaint(said) == "Invalid one (invalid partition specified: nope)"
    said = "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: It violates policy\n"
    assert words.complaint(said) == "It violates policy (AssocMaxSubmitJobLimit)"
    assert words.complaint("\n") == "it said nothing"
    usage = "/usr/bin/sbatch: unrecognized option '--nope'\nTry \"sbatch --help\" for more information\n"
    assert words.complaint(usage) == "unrecognized option '--nope'"


@pytest.mark.parametrize(
    ("own", "state", "status", "cancelled", "end"),
    [
        ({"reason": "exit", "exit": 3}, "", None, False, {"reason": "exit", "exit": 3}),
        ({"reason": "exit", "exit": 3}, "", None, True, {"reason": "cancelled", "exit": 3}),
        ({"reason": "spawn-error"}, "", None, True, {"reason": "spawn-error"}),
        ({"reason": "timeout", "signal": 9}, "TIMEOUT", None, False, {"reason": "timeout", "signal": 9}),
        ({"reason": "signal", "signal": 9}, "FAILED", "0:9", False, {"reason": "signal", "signal": 9}),
        (None, "FAILED", "2:0", False, {"reason": "exit", "exit": 2}),
        (None, "FAILED", "75:0", False, {"reason": "host-lost"}),
        (None, "FAILED", "137:0", False, {"reason": "signal", "signal": 9}),
        (None, "FAILED", "0:11", False, {"reason": "signal", "signal": 11}),
        (None, "FAILED", None, False, {"reason": "spawn-error"}),
        (None, "COMPLETED", "0:0", False, {"reason": "exit", "exit": 0}),
        (None, "NODE_FAIL", "0:0", False, {"reason": "host-lost"}),
        (None, "PREEMPTED", "0:15", False, {"reason": "host-lost"}),
        (None, "CANCELLED by 2001", "0:15", False, {"reason": "cancelled"}),
        (None, "", None, False, {"reason": "host-lost"}),
        (None, "", None, True, {"reason": "cancelled"}),
    ],
)
def test_how_an_attempt_has_ended(
    own: dict[str, Any] | None, state: str, status: str | None, cancelled: bool, end: dict[str, Any]
) -> None:
    found = words.end(own, state, status, cancelled)
    found.pop("detail", None)
    assert found == end


@pytest.mark.parametrize(
    ("own", "state", "reason"),
    [
        ({"reason": "signal", "signal": 15, "told": True}, "TIMEOUT", "timeout"),
        ({"reason": "exit", "exit": 0, "told": True}, "PREEMPTED", "host-lost"),
        ({"reason": "signal", "signal": 9}, "OUT_OF_MEMORY", "oom"),
        ({"reason": "exit", "exit": 137}, "OUT_OF_MEMORY", "oom"),
        ({"reason": "signal", "signal": 15}, "CANCELLED by 0", "cancelled"),
        ({"reason": "exit", "exit": 143}, "TIMEOUT", "timeout"),
        ({"reason": "exit", "exit": 1, "told": True}, "CANCELLED", "cancelled"),
    ],
)
def test_slurm_says_who_wanted_an_end(own: dict[str, Any], state: str, reason: str) -> None:
    assert not words.is_telling(own)
    found = words.end(own, state, None, False)
    assert (found["reason"], "told" in found, bool(found["detail"])) == (reason, False, True)


def test_whom_slurm_took_back_and_began_again_is_lost() -> None:
    told = {"reason": "signal", "signal": 15, "told": True}
    assert words.end(told, "FAILED", "75:0", False)["reason"] == "host-lost"
    assert words.end(told, "FAILED", "143:0", False)["reason"] == "signal"
    assert words.end({"reason": "exit", "exit": 75, "told": True}, "FAILED", "75:0", False)["exit"] == 75


def test_the_largest_nodes_of_all() -> None:
    text = "4|8000|(null)\n64+|2000|gpu:a100:4(S:0-1),gpu:2\n8|64000|gpu:8\n"
    found = largest(text)
    assert (found["cpus"], found["mem"], len(found["gpus"])) == (64, 64000 << 20, 8)
    assert largest("") == {"cpus": 0, "mem": 0, "gpus": []}


def test_the_program_on_the_nodes_means_the_same() -> None:
    """It knows nothing else of ours, so what both say stands twice."""
    assert (node.AGAIN, node.CUT) == (words.AGAIN, signals.CUT)
