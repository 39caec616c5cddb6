"""A job's whole life over real ssh: each verb and each of its options is typed here, and does what its help says."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
from click.core import ParameterSource

from sjs import __version__
from sjs.cli import ids, verbs
from sjs.cli.common import Call
from tests.live import sweeps
from tests.live.machine import until
from tests.rig.lab import PATH, PROJECT, USER, Host, Plan, rig
from tests.rig.typist import Typed, Typist, typist
from tests.terminal.pane import pane

COMMON = {"config", "json", "help"}
"""What each verb has."""

SMI = """#!/bin/sh
case "$1" in *query-gpu*) printf '0, GPU-a, 8192\\n1, GPU-b, 8192\\n' ;; esac
"""


class Life:
    """A person, a host with a manager of four slots and two GPUs, and all that was typed."""

    def __init__(self, host: Host, person: Typist) -> None:
        self.host = host
        self.client = host.lab.home
        self.typed: set[tuple[str, str]] = set()
        self._person = person

    def types(self, line: str, leave_after: str = "", **environ: str) -> Typed:
        verb, *rest = shlex.split(line)
        done = self._person.types(f"h {line}", leave_after, **environ)
        self.typed |= {(verb, ""), *((verb, name) for name in options_in(verb, rest))}
        return done

    def at(self, target: str, line: str) -> None:
        """The same of another target."""
        done = self._person.types(f"{target} {line}", "")
        assert done.status == 0, (line, done)

    def well(self, line: str, **environ: str) -> str:
        """What it prints, when all goes well."""
        done = self.types(line, **environ)
        assert done.status == 0, (line, done)
        return done.out

    def ids(self, line: str) -> list[int]:
        """Hand jobs in."""
        return [int(word) for word in self.well(f"job -p {line}").split()]

    def table(self, line: str) -> list[dict[str, Any]]:
        return [json.loads(row) for row in self.well(f"{line} --json").splitlines()]

    def states(self, jobs: list[int]) -> list[tuple[str, str]]:
        """How each of them stands, and why."""
        found = {one["id"]: one for one in self.table(f"list {ids.text((job, job) for job in jobs)}")}
        return [(found[job]["state"], found[job]["reason"] or "") for job in jobs]

    def ends(self, jobs: list[int]) -> list[tuple[str, str]]:
        """The same, once all have ended."""
        self.types(f"wait {','.join(map(str, jobs))}")
        return self.states(jobs)


def options_in(verb: str, words: list[str]) -> list[str]:
    """The options that were given, as click reads them."""
    with verbs.command(verb).make_context(verb, words, obj=Call("submit", "h")) as context:
        return [
            one.name
            for one in options_of(verb)
            if context.get_parameter_source(str(one.name)) is ParameterSource.COMMANDLINE and one.name
        ]


def options_of(verb: str) -> list[click.Parameter]:
    return [one for one in verbs.command(verb).params if isinstance(one, click.Option) and one.name not in COMMON]


@pytest.fixture(scope="module")
def life() -> Iterator[Life]:
    with rig([Plan(files={"bin/nvidia-smi": SMI})]) as lab, typist(lab) as person:
        (host,) = lab.hosts
        (host.home / "bin/nvidia-smi").chmod(0o755)
        lab.trust("")
        entry = {"host": host.address, "user": USER, "project_root": f"/home/{USER}/project", "transport": "openssh"}
        entry["datadir"] = "data"
        data = "deployment: {datasets: {digits: set}}"
        (lab.home / "config.yaml").write_text(f"managers: {{h: {json.dumps(entry)}}}\n{data}\n")
        (lab.home / "config.yaml").chmod(0o600)
        host.call("env", f"PATH=/home/{USER}/bin:{PATH}", "/mnt/job_manager", "--root", "project", "--background")
        yield Life(host, person)


def test_a_machine_is_trusted_before_anything_else(life: Life) -> None:
    assert life.types("check-running").status == 255
    key = life.host.folder / "key.pub"
    fingerprint = life.host.lab.call("ssh-keygen", "-lf", str(key)).stdout.split()[1]
    life.well(f"trust --fingerprint {fingerprint}")
    assert life.well("check-running") == "[h] I am running\n"
    assert json.loads(life.well("configure --max-jobs-running 4"))["new_max_jobs_running"] == 4
    assert json.loads(life.well("status"))["max_jobs_running"] == 4


def test_a_queue_is_told_what_there_is(life: Life) -> None:
    life.well(
        "configure --cpus 8 --mem 4G --resource licence=1 --gpus found --keep-days 9 --keep-jobs 1000 --low-water 1M"
    )
    (found,) = life.table("status")
    assert (found["keep_days"], found["keep_jobs"]) == (9, 1000)
    assert life.types("job -c 9 --command true").status == 1


def test_a_queue_tells_of_each_start_and_end(life: Life) -> None:
    life.well("configure --gpu-policy ignore --hook-timeout 20 --on-start 'cat >> starts' --on-finish 'cat >> ends'")
    (job,) = life.ids("--command true")
    life.well(f"wait {job}")
    told = [life.host.root / name for name in ("starts", "ends")]
    until(lambda: all(path.exists() and path.read_text().endswith("\n") for path in told), "both")
    records = [json.loads(path.read_text()) for path in told]
    assert [(one["event"], one["id"]) for one in records] == [("on_start", job), ("on_finish", job)]
    life.well("configure --on-start '' --on-finish ''")


def test_a_job_is_what_it_was_told(life: Life) -> None:
    (life.client / "env").write_text("MORE=file\n")
    (life.host.root / "given").write_text("given\n")
    (life.host.root / "sub").mkdir()
    command = (
        "echo $OWN $MORE $FOR_JOBS $MY_TOKEN $SJS_JOB_NAME $SJS_ATTEMPT ${CUDA_VISIBLE_DEVICES:-none};"
        " pwd; cat; nice; echo err >&2; [ $SJS_ATTEMPT = 2 ] || exit 9"
    )
    told = (
        "-n lr-1 --tag kind=a --cwd sub --env OWN=1 --env-file env --capture-env=FOR_*,MY_* --nice 3 --merge-output"
        f" --stdin /home/{USER}/project/given --priority 2 -j 2 -c 1 --mem 512M -G 0.5 --gpu-mem 2G"
        " --resource licence=1 -t 1h --grace 2 --on-lost requeue --retries 1 --backoff 0.1:2x --retry-on exit:9"
    )
    done = life.types(f"job {told} --follow --command '{command}'", FOR_JOBS="here", MY_TOKEN="secret")
    lines = "1 file here lr-1 2 0\n/home/worker/project/sub\ngiven\n3\nerr\n"
    assert (done.status, done.out.endswith(lines)) == (0, True), done
    (found,) = life.table("details last")
    assert (found["attempt"], found["tags"], found["grace"], found["on_lost"]) == (2, {"kind": "a"}, 2, "requeue")
    assert (found["cpus"], found["mem"], found["slots"], found["timeout"]) == (1, 512 << 20, 2, 3600)


def test_what_is_for_clusters_no_machine_takes(life: Life) -> None:
    (life.client / "flavor.json").write_text('{"name": "small", "resources": {"requests": {"cpu": 1}}}')
    told = (
        '-i alpine -r flavor.json --entrypoint --job-name lr -a \'{"example.org/a": "b"}\' --label team=a'
        " --volume pvc:data:/data --priority-class low --security-context '{\"runAsUser\": 1}' --ttl 1h"
    )
    worker = "https://gateway.example p --stage 0 --token-file token"
    (life.client / "token").touch(0o600)
    (life.client / "token").write_text("no token of anybody\n".replace(" ", "-"))
    for line in (
        f"job {told} -- true",
        f"sweep {told} -p lr 0.1 -- ./train {{lr}}",
        f"workers {worker} {told} -- true",
    ):
        done = life.types(line)
        assert done.status == 2 and "is for kubernetes targets; h is none" in done.err, done
    flags = "--partition main --account lab --qos low --slurm=--constraint=big"
    for line in (
        f"job {flags} -- true",
        f"sweep {flags} -p lr 0.1 -- ./train {{lr}}",
        f"workers {worker} {flags} -- true",
    ):
        done = life.types(line)
        assert done.status == 2 and "--slurm is for slurm targets; h is none" in done.err, done


def test_a_machine_is_asked_as_a_machine(life: Life) -> None:
    for line in ("flavors", "images", "image-details -i base"):
        done = life.types(line)
        assert done.status == 1 and f"h: no cluster, and `{line.split()[0]}` is of clusters" in done.err, done
    life.ids("--hold --command 'sleep 600'")
    assert "held" in life.well("queue") and life.well("queue --json") == life.well("list --json")
    life.well("cancel all")


def test_each_end_has_its_state_and_reason(life: Life) -> None:
    hold = "/usr/bin/python3 -I -S -c 'held = b\"x\" * (64 << 20); import time; time.sleep(60)'"
    (life.client / "jobs").write_text(
        "true\n"
        "exit 3\n"
        "kill -9 $$\n"
        "trap '' TERM; (setsid sleep 61 &); sleep 60 #SJS -t 0.2 --grace 0.1\n"
        f"exec {hold} #SJS --mem 32M\n"
        "true #SJS --cwd nowhere\n"
        "true #SJS --stdin nothing\n"
    )
    jobs = life.ids("--command-file jobs") + life.ids("-- no-such-program")
    assert life.ends(jobs) == [
        ("succeeded", "exit"),
        ("failed", "exit"),
        ("failed", "signal"),
        ("timeout", "timeout"),
        ("failed", "oom"),
        *[("failed", "spawn-error")] * 3,
    ]
    assert life.types("job --wait --command 'exit 7'").status == 7


def test_a_job_for_which_there_is_no_shell(life: Life) -> None:
    """What waits for it is told by a job that needs none."""
    (parent,) = life.ids("-- /usr/bin/python3 -c 'import time, os\nwhile not os.path.exists(\"go\"): time.sleep(0.02)'")
    (victim,) = life.ids(f"-d {parent} --command true")
    (witness,) = life.ids(f"-d afterany:{victim} -- /usr/bin/touch seen")
    life.host.call("mount", "--bind", "/run/host/passwd", "/bin/sh", user="root")
    try:
        (life.host.root / "go").touch()
        until((life.host.root / "seen").exists, "the job after the one without a shell")
    finally:
        life.host.call("umount", "/bin/sh", user="root")
    assert life.ends([parent, victim, witness]) == [
        ("succeeded", "exit"),
        ("failed", "spawn-error"),
        ("succeeded", "exit"),
    ]
    (found,) = life.table(f"details {victim}")
    assert found["detail"] == "cannot run /bin/sh: Permission denied"


def test_jobs_wait_for_others(life: Life) -> None:
    (parent,) = life.ids("--hold --command false")
    children = [*life.ids(f"-d afternotok:{parent} --command true"), *life.ids(f"-d afterok:{parent} --command true")]
    grandchild = life.ids("-d last --command true")
    assert life.states([parent, *children]) == [("held", ""), ("waiting", ""), ("waiting", "")]
    assert str(parent) in life.well(f"why {children[0]}")
    for unknown in (99_999, grandchild[0] + 1):  # the second would wait for itself
        refused = life.types(f"job -d afterok:{unknown} --command true")
        assert (refused.status, f"no job {unknown}" in refused.err) == (1, True)
    assert life.well(f"release {parent}").startswith("1 released")
    ends = life.ends([parent, *children, *grandchild])
    assert ends[:2] == [("failed", "exit"), ("succeeded", "exit")]
    assert ends[2:] == [("cancelled", "dependency")] * 2


def diamond(life: Life, top: str) -> list[int]:
    """Hand in a job, 998 that wait for it, and one that waits for all of them; their ids, once all have ended. Each
    writes down where it stands, in its turn."""
    (life.client / "sides").write_text("echo side >> order\n" * 998)
    jobs = life.ids(f"--hold --command 'echo top >> order; {top}'")
    jobs += life.ids("-d last --command-file sides")
    jobs += life.ids(f"-d afterok:{jobs[1]}-{jobs[-1]} --command 'echo bottom >> order'")
    assert len(jobs) == 1000
    life.well(f"release {jobs[0]}")
    life.types(f"wait {jobs[0]}-{jobs[-1]}")
    return jobs


def test_a_diamond_of_a_thousand_jobs_ends_in_order(life: Life) -> None:
    jobs = diamond(life, "true")
    assert (life.host.root / "order").read_text().split() == ["top", *["side"] * 998, "bottom"]
    assert Counter(life.states(jobs)) == {("succeeded", "exit"): 1000}


def test_who_waits_for_what_failed_is_cancelled_as_are_those_behind_it(life: Life) -> None:
    (life.host.root / "order").unlink()
    states = life.states(diamond(life, "false"))
    assert (life.host.root / "order").read_text() == "top\n"
    assert (states[0], Counter(states[1:])) == (("failed", "exit"), {("cancelled", "dependency"): 999})


def test_a_job_is_cancelled_in_each_state(life: Life) -> None:
    (held,) = life.ids("--hold --command true")
    (waiting,) = life.ids("--in 1h --command true")
    (child,) = life.ids(f"-d {waiting} --command true")
    go = life.host.root / "trapped"
    command = f"trap 'echo told >> told' USR1; trap '' TERM; touch {go.name}; while :; do sleep 0.05; done"
    (running,) = life.ids(f"-j 4 --command {shlex.quote(command)}")
    (queued,) = life.ids("-j 4 --command true")
    until(go.exists, "the trap")
    every = [held, waiting, child, running, queued]
    states = ["held", "waiting", "waiting", "running", "queued"]
    assert [state for state, _ in life.states(every)] == states
    assert life.well(f"cancel {running} --signal USR1") == f"1 signalled ({running})\n"
    until((life.host.root / "told").exists, "the signal")
    assert life.types(f"wait {running} --timeout 0.05").status == 124
    done = life.well(f"cancel {held},{queued} --jid {waiting} --jid {running} --grace 0.1 --note 'no more'")
    assert (done.count("3 cancelled"), done.count("1 being ended")) == (1, 1)
    ended = life.ends(every)
    assert [one["detail"] for one in life.table(f"list {held},{running}")] == ["no more"] * 2
    assert ended == [("cancelled", "cancelled")] * 2 + [("cancelled", "dependency")] + [("cancelled", "cancelled")] * 2


def test_all_of_it_is_seen_live(life: Life, tmp_path: Path) -> None:
    (job,) = life.ids("-n seen --command 'echo one; until [ -e seen ]; do sleep 0.02; done; echo two; sleep 60'")
    assert "top is for somebody at a terminal" in life.types("top --name x --tag k=v --since 1h --sweep lr").err
    with pane(tmp_path, {}) as screen:
        screen.types(shlex.join(life.host.lab.command(sys.executable, "-m", "sjs.cli", "h", "top", TERM="xterm")))
        screen.until("one")
        (life.host.root / "seen").touch()
        screen.until("two")
        screen.presses("c", "y")
        screen.until(f"h:{job} is being ended")
        screen.presses("q")
        screen.until(lambda seen: seen.endswith("$"))
    assert life.ends([job]) == [("cancelled", "cancelled")]


def test_jobs_are_held_paused_drained_and_go_on(life: Life) -> None:
    life.well("drain")
    (job,) = life.ids("--command 'touch begun; while [ ! -e on ]; do sleep 0.02; done'")
    assert "drain" in life.well(f"why {job}")
    life.well(f"hold {job}")
    life.well("undrain")
    assert life.states([job]) == [("held", "")]
    life.well(f"release {job}")
    until((life.host.root / "begun").exists, "the start")
    assert life.well(f"pause {job}") == f"1 paused ({job})\n"
    assert life.well(f"resume {job}") == f"1 resumed ({job})\n"
    assert life.well("pause") == f"all stands still until `resume`; 1 paused ({job})\n"
    (life.host.root / "on").touch()
    assert life.well("resume").startswith("goes on")
    assert life.ends([job]) == [("succeeded", "exit")]


HOSTILE = [
    *(
        "a b",
        "it's",
        '"',
        "$(date)",
        "`id`",
        "\\",
        "\\\\",
        "-x",
        "--lr=1",
        "*",
        "~",
        "#",
        ";",
        "&",
        "{v}",
        "$HOME",
        "${x}",
    ),
    *("line\nend", "\n", "\t", "\r", "\x1b[2J", "é", "\udcff", "", " ", "'\"'", "!!", ">x", "2>&1", "a\\", "=", "--"),
]


def test_whatever_is_in_the_values_of_a_sweep_each_is_one_argument(life: Life) -> None:
    (life.client / "values.jsonl").write_text("".join(json.dumps({"v": value}) + "\n" for value in HOSTILE))
    keep = 'printf "%s\\0" "$@" >'
    (life.client / "sweep.yaml").write_text(
        f"name: words\ncommand: [sh, -c, '{keep} words.$SJS_TASK_INDEX', sh, '{{v}}', 'a{{v}}b']\njob: {{nice: 1}}\n"
    )
    text = f'set -- {{v}} "a{{v}}"\'b\'; set -- "$1" "$2"; {keep} text.{{#}}; test {{%}} -gt 0'
    for line in (
        "sweep --file sweep.yaml --from values.jsonl",
        f"sweep -n texts --from values.jsonl --command {shlex.quote(text)}",
    ):
        said = life.well(f"{line} --json")
        assert json.loads(said)["jobs"] == len(HOSTILE)
        again = life.types(line)
        assert (again.status, "--resume" in again.err) == (1, True), "the same again is the same sweep"
    assert life.types("wait words,texts").err == f"{2 * len(HOSTILE)} succeeded\n"
    for name in ("words", "text"):
        found = [(life.host.root / f"{name}.{number}").read_bytes() for number in range(1, len(HOSTILE) + 1)]
        assert found == [os.fsencode(f"{value}\0a{value}b\0") for value in HOSTILE]


def test_a_sweep_is_seen_through_and_gone_on_with(life: Life) -> None:
    limits = "--max-running 2 --stop-after-failures 50% --stop-rule median:loss"
    words = f"sweep -n seen -p n 1 2 3 4 5 --wait {limits} -- sh -c 'test $1 != 3' sh {{n}}"
    done = life.types(words.replace("--wait", "--wait --json"))
    assert done.status == 1, done
    assert json.loads(done.out)["succeeded"] == 4
    again = life.types(words.replace("--wait", "--wait --resume"))
    assert (again.status, len(life.table("list --sweep seen"))) == (1, 6)
    assert life.types("retry --failed seen").out.startswith("2 waiting again")
    life.well("sweep -n later -p n 1 --after-sweep afterany:seen -- true {n}")
    assert life.ends(life.ids("--after-sweep later --command true")) == [("succeeded", "exit")]
    assert life.ends(life.ids("--after-sweep seen --command true")) == [("cancelled", "dependency")]


def test_each_job_of_a_sweep_is_what_all_were_told(life: Life) -> None:
    told = (
        "-n drawn --tag kind=a --cwd sub --env OWN=1 --env-file env --capture-env=FOR_* --nice 3 --merge-output"
        f" --stdin /home/{USER}/project/given --priority 2 -j 2 -c 1 --mem 512M -G 0.5 --gpu-mem 2G -d afterany:0"
        " --resource licence=1 -t 1h --grace 2 --on-lost requeue --retries 1 --backoff 0.1:2x --retry-on exit:9 --hold"
    )
    values = "-p n int:1..9 -p u uniform:0..1 --samples 3 --seed 4"
    command = "-- sh -c 'cat; pwd; echo $OWN $MORE $FOR_JOBS $1' sh {n}/{u}"
    lines = life.well(f"sweep {values} --dry-run {command}").splitlines()
    assert (len(set(lines)), life.well(f"sweep {values} {told} --at @1 {command}", FOR_JOBS="here")[:6]) == (
        3,
        "3 jobs",
    )
    life.well("release drawn")
    life.well("wait drawn")
    jobs = life.table("list --all --sweep drawn")
    assert [one["id"] for one in life.table("history --sweep drawn")] == [one["id"] for one in jobs]
    assert {(one["nice"], one["slots"], one["gpus"], one["tags"]["kind"], one["name"]) for one in jobs} == {
        (3, 2, 500, "a", "drawn")
    }
    for one, line in zip(jobs, lines, strict=True):
        assert life.well(f"logs {one['id']}") == (
            f"given\n/home/{USER}/project/sub\n1 file here {shlex.split(line)[-1]}\n"
        )
    (life.client / "swept").mkdir()
    later = life.well("sweep -p n 1 --in 1h --snapshot swept --snapshot-limit 1M --command 'echo {n}'")
    assert life.well(f"cancel {later.split()[4]}").startswith("1 cancelled")


def test_workers_are_jobs_like_others(life: Life) -> None:
    (life.client / "token").touch(0o600)
    (life.client / "token").write_text("no-token-of-anybody\n")
    (life.client / "ca").write_text("who signs\n")
    (life.client / "env").write_text("MORE=file\n")
    (life.client / "brought/sub").mkdir(parents=True)
    (life.client / "brought/sub/words").write_text("brought\n")
    (before,) = life.ids("--command true")
    told = (
        "-n w --tag kind=a --cwd sub --env OWN=1 --env-file env --capture-env=FOR_* --nice 3 --priority 2 -j 2 -c 1"
        " --mem 512M -G 0.5 --gpu-mem 2G --resource licence=1 -t 1h --grace 2 --on-lost requeue --retries 1"
        f" -d afterany:{before} --backoff 0.1:2x --retry-on exit:9 --hold --snapshot brought"
        " --snapshot-limit 1M -p --key workers"
    )
    order = "https://gateway.example p --stage cut --lease 1m --idle 1h --on-failure bad --token-file token --ca ca -q"
    first, second = map(int, life.well(f"workers {order} -N 2 {told} --at @1 -- sh -c 'cat words'").split())
    found, _ = life.table(f"list {first},{second}")
    assert (found["name"], found["slots"], found["gpus"], found["tags"]["kind"]) == ("w", 2, 500, "a")
    assert found["command"].endswith("-S ../.sjs-worker/sjs/worker  # w: sh -c 'cat words'")
    assert life.well(f"cancel {first},{second}").startswith("2 cancelled")
    plain = "http://gateway.example p --stage 0 --token-file token --plain"
    for ends in ("--until-empty", "--once"):
        later = life.well(f"workers {plain} {ends} --in 1h -p -- true").strip()
        assert life.well(f"cancel {later}").startswith("1 cancelled")
    for line in ("--stdin words", "--merge-output"):
        assert "are for jobs" in life.types(f"workers {plain} {line} -- true").err
    life.well("sweep -n before -p n 1 -- true {n}")
    later = life.well(f"workers {plain} --after-sweep afterany:before --hold -p -- true").strip()
    assert life.well(f"cancel {later}").startswith("1 cancelled")


def test_what_failed_is_tried_again(life: Life) -> None:
    jobs = life.ids("-n again --command 'echo $SJS_ATTEMPT; test -e better' --command true")
    assert life.ends(jobs) == [("failed", "exit"), ("succeeded", "exit")]
    (life.host.root / "better").touch()
    assert life.well(f"retry --failed {jobs[0]}-{jobs[1]}") == f"1 waiting again ({jobs[0]})\n"
    assert life.ends(jobs) == [("succeeded", "exit")] * 2
    assert [one["attempt"] for one in life.table("list --name again")] == [2, 1]
    assert [life.well(f"logs {jobs[0]}{which}") for which in ("", " --attempt 2", " --attempt 1")] == [
        "2\n",
        "2\n",
        "1\n",
    ]
    assert "has had 2 attempt(s)" in life.types(f"logs {jobs[0]} --attempt 3").err


def test_a_job_runs_in_what_was_there_and_so_does_another(life: Life) -> None:
    code = life.client / "code"
    code.mkdir()
    (code / "words").write_text("one\n")
    (job,) = life.ids("--snapshot code --snapshot-limit 1M --hold -- cat words")
    (code / "words").write_text("two\n")
    life.well(f"release {job}")
    assert int(life.well(f"rerun -p {job}")) == job + 1
    assert life.ends([job, job + 1]) == [("succeeded", "exit")] * 2
    assert [life.well(f"logs {one}") for one in (job, job + 1)] == ["one\n"] * 2


def test_a_command_gets_the_record_of_each_end(life: Life) -> None:
    life.well("configure --gpu-policy ignore --on-start 'cat >> began' --on-finish 'cat >> ended' --hook-timeout 9")
    (job,) = life.ids("--command 'exit 6'")
    assert life.ends([job]) == [("failed", "exit")]
    ended, began = (life.host.root / name for name in ("ended", "began"))
    until(lambda: ended.exists() and began.exists() and bool(ended.read_text() and began.read_text()), "the records")
    told = json.loads(ended.read_text())
    assert [told[name] for name in ("event", "id", "state", "exit")] == ["on_finish", job, "failed", 6]
    life.well("configure --on-start '' --on-finish '' --gpu-policy avoid")
    (found,) = life.table("configure")
    assert [found[name] for name in ("on_start", "on_finish", "gpu_policy")] == ["", "", "avoid"]


def test_what_waits_goes_through_a_file(life: Life) -> None:
    (job,) = life.ids("--hold -n moves --command true")
    (life.client / "queue.jsonl").write_text(life.well("export --all --hold"))
    assert life.well("import queue.jsonl --dry-run") == "1 would be imported: 1 held\n"
    assert life.well("import queue.jsonl") == f"1 imported ({job + 1})\n"
    assert life.well(f"release {job}-{job + 1}").startswith("2 released")
    assert life.ends([job, job + 1]) == [("succeeded", "exit")] * 2
    assert {one["name"] for one in life.table(f"list {job}-{job + 1}")} == {"moves"}


def test_what_waits_moves_to_another_queue(life: Life) -> None:
    (job, other) = life.ids("--hold -n away --tag when=moved --command true --command true")
    chosen = "--name away --tag when=moved --since 1h --to local"
    life.at("local", "start --max-jobs-running 1")
    assert f"[h] 2 would go to local ({job}-{other})" in life.well(f"rebalance {chosen} --dry-run")
    life.well("sweep -n far -p n 1 --hold -- test {n}")
    assert "[h] 1 would go to local" in life.well("rebalance --sweep far --to local --dry-run")
    life.well("cancel far")
    assert life.well(f"rebalance {job} --to local") == f"[h] 1 moved to local ({job}, there 0)\n"
    assert life.well("rebalance --all-jobs --to local") == f"[h] 1 moved to local ({other}, there 1)\n"
    assert life.states([job, other]) == [("moved", "moved")] * 2
    for line in ("rebalance --finish", "rebalance --take-back --force"):
        assert life.well(line) == "[h] nothing is on its way\n"
    life.at("local", "stop --force")


def test_outputs_are_shown(life: Life) -> None:
    go = life.host.root / "more"
    (job,) = life.ids(
        f"--command 'seq 3; echo bad >&2; printf \"\\033[2J\"; until [ -e {go.name} ]; do sleep 0.02; done; echo 4'"
    )
    assert life.types(f"logs {job} -f", leave_after="3\n").status == 130
    go.touch()
    assert life.well(f"logs {job} --follow") == "1\n2\n3\n\x1b[2J4\n"
    assert life.well(f"logs {job} -n 1 --raw") == "\x1b[2J4\n"
    assert life.well(f"logs {job} --stderr") == "bad\n"
    both = life.types(f"logs {job} --merged --since 1h")
    assert (both.out, both.err.count("\n")) == ("1\n2\n3\n\x1b[2J4\nbad\n", 1)
    assert life.well(f"logs {job} --since @99999999999") == ""


def test_jobs_are_handed_in_once_where_there_is_room_and_when_it_is_time(life: Life) -> None:
    assert life.ids("--key once --command true") == life.ids("--key once --command true")
    assert "could start at once" in life.well("job --dry-run --command true")
    (late,) = life.ids("--at @99999999999 -j 4 --command true")
    assert life.states([late]) == [("waiting", "")]
    (full,) = life.ids("-j 4 --command 'sleep 60'")
    assert life.types("job --if-free --command true").status == 1
    life.well(f"cancel {late},{full}")
    assert life.ends([late, full]) == [("cancelled", "cancelled")] * 2


def test_what_has_ended_is_found_and_cleaned_away(life: Life) -> None:
    (kept, gone) = life.ids("-n kept-1 --tag when=now --command 'exit 4' --command true")
    life.types(f"wait {kept},{gone}")
    for line in ("list --all --name 'kept-*' --state failed", "history --tag when=now --state failed --since 1h"):
        assert [one["id"] for one in life.table(line)] == [kept]
    assert life.table("list --tag when=now --since @99999999999") == []
    log = life.well(f"history {kept} --name 'kept-*' --format joblog").splitlines()
    assert log[1].split("\t")[6:] == ["4", "0", "exit 4"]
    assert life.well(f"clean {gone}") == f"1 cleaned away ({gone})\n"
    assert life.types(f"details {gone}").status == 1
    assert life.types("list --watch", leave_after="exit 4").status == 130


def test_jobs_are_meant_by_their_names(life: Life) -> None:
    (job,) = life.ids("-n called --command 'echo so; sleep 60'")
    until(lambda: life.well("logs -j called") == "so\n", "the output of the job of this name")
    assert life.table("details -j called")[0]["id"] == job
    assert life.well("why -j called") == "it is running\n"
    life.well("cancel -j called")
    assert life.types("wait -j called").status == 128 + 15
    assert life.well("delete -j called") == f"1 deleted ({job})\n"
    (job,) = life.ids("--command 'sleep 60'")
    assert life.well(f"delete {job}") == f"1 deleted ({job})\n"
    assert life.types("logs -j called").status == 1


def test_what_came_out_of_a_sweep(life: Life) -> None:
    jobs = [(f"echo it is {lr} at {loss}; echo loss={loss}", {"lr": lr}) for lr, loss in (("1", "0.5"), ("2", "0.25"))]
    sweeps.write(life.client / "sweep", "lr-1", [*jobs, ("exit 1", {"lr": "3"})])
    first, *_ = (int(word) for word in re.findall(r"\d+", life.well("import sweep"))[1:])
    life.types(f"wait {first}-{first + 2}")
    chosen = "--best min:loss --sort -lr --top 2 --state succeeded --columns loss"
    done = life.types(f"results lr-1 {chosen} --csv --plot loss.png")
    assert [line.split(",")[0] for line in done.out.splitlines()] == ["number", "2", "1"]
    assert f"the best: h:{first + 1}  lr=2  loss=0.25" in done.err
    assert done.status == 0 if find_spec("matplotlib") else "it was not made" in done.err
    (found, *_) = life.table("results lr-1 --metric 'it is [0-9]+ at (?P<at>[0-9.]+)'")
    assert found["metrics"] == {"at": 0.5}


def test_a_machine_is_asked_besides_its_queue(life: Life) -> None:
    (found,) = life.table("hosts")
    assert (found["state"], found["host"], found["user"]) == ("up", life.host.name, USER)
    assert {one["verdict"] for one in life.table("doctor")} == {"ok"}
    assert len(life.table("doctor --offline")) == 1
    assert life.well("run -- pwd") == f"/home/{USER}/{PROJECT}\n"
    assert life.types("run --command 'exit 7'").status == 7
    (job,) = life.ids("--command 'sleep 60'")
    until(lambda: life.states([job]) == [("running", "")], "the start")
    (life.host.root / "Makefile").write_text("all:\n\techo made\n")
    assert life.well("deploy --make").startswith("echo made\nmade\nrunning on ")
    assert "git pull in" in life.types("deploy --git").err, "it is no repository"
    assert life.types("run --when-idle -- true").status == 1
    life.well(f"cancel {job}")
    assert life.well("boot").startswith("cron starts the manager when its machine starts (sjs-")
    assert life.well("boot --remove") == "cron does not start it any more\n"


def test_data_go_there_and_results_come_back(life: Life) -> None:
    (life.client / "set/sub").mkdir(parents=True)
    (life.client / "set/sub/one").write_text("1\n")
    (there,) = life.table("upload --from set --to data")
    assert (there["files"], there["bytes"], there["to"]) == (1, 2, "data/set")
    (life.host.root / "data/set/old").touch()
    assert "1 would be removed" in life.well("upload digits --delete --dry-run")
    assert "1 as they were, 1 removed" in life.well("upload --dataset digits --delete")
    (job,) = life.ids("--command 'cat data/set/sub/one; mkdir made; cp data/set/sub/one made/copy'")
    life.well(f"wait {job}")
    assert life.well(f"fetch {job} made --dry-run --to new") == "new: 2 files would be fetched (4), 0 as they were\n"
    assert life.well(f"fetch {job} made") == "results/h: 2 files fetched (4), 0 as they were\n"
    assert (life.client / f"results/h/{job}/made/copy").read_text() == "1\n"
    assert life.types(f"fetch {job} 'nothing*'").status == 1


def test_a_queue_is_opened_to_others(life: Life) -> None:
    (life.client / "ci.pub").write_text(f"{life.host.public_key} ci\n")
    narrow = "--allow job,logs --only 'python train.py' --env LR --max-queued 5"
    shown = life.well(f"gate ci --key ci.pub {narrow}")
    assert "--max-queued 5 --only 'python train.py' --env LR\",restrict ssh-ed25519 " in shown
    authorized = life.host.home / ".ssh/authorized_keys"
    assert life.types("gate ci --key ci.pub --all-jobs --install").status == 0
    assert authorized.read_text().count("sjs-gate:ci") == 1
    assert life.types("gate ci --remove").status == 0
    assert "sjs-gate" not in authorized.read_text()


def test_the_link_is_of_this_machine(life: Life) -> None:
    assert (life.types("link --stop").status, life.well("link")) == (0, "no link runs\n")


def test_a_manager_stops_and_starts(life: Life) -> None:
    (job,) = life.ids("--command 'touch last; sleep 60'")
    until((life.host.root / "last").exists, "the start")
    assert life.types("stop").status == 1
    assert life.well("stop --kill").startswith("stopped; 1 running are ended")
    assert life.types("check-running").status == 1
    assert life.well("start --max-jobs-running 3").endswith("at most 3 jobs at once\n")
    assert life.states([job]) == [("cancelled", "cancelled")]
    (short,) = life.ids("--command 'sleep 0.5'")
    (late,) = life.ids("--hold --command true")
    assert life.well("stop --drain") == "stopped; 0 running go on, 1 waiting are kept\n"
    assert life.well("start").endswith("at most 3 jobs at once\n")
    life.well(f"release {late}")
    assert life.ends([short, late]) == [("succeeded", "exit")] * 2
    (job,) = life.ids("--command 'sleep 60'")
    life.well("restart")
    assert life.well("upgrade") == f"sjs {__version__} manages it already\n"
    assert life.well("stop --force") == "stopped; 1 running go on, 0 waiting are kept\n"
    life.well("start")
    assert life.well("delete --all").endswith(f"{job})\n")


def test_nothing_was_left_out(life: Life, request: pytest.FixtureRequest) -> None:
    """Of what there is to type: whoever adds a verb or an option adds its line here."""
    here = [one for one in request.session.items if one.path == request.path]
    if len(here) < sum(name.startswith("test_") for name in globals()):
        pytest.skip("only some of the tests here were asked for")
    there = {(verb, "") for verb in verbs.VERBS}
    there |= {(verb, str(option.name)) for verb in verbs.VERBS for option in options_of(verb)}
    assert there - life.typed == set()
