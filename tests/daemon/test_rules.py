"""What the owner of a key may ask, in values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.daemon.asking.rules import CHANGES, ERRANDS, FIELDS, OPS, OWN, Rules, admitted, decode, parse
from sjs.errand.session import NARROWED
from sjs.errors import BadRequest, Refused, SjsError, UsageError
from tests.daemon.queues import make
from tests.texts import texts

PLACE = ("--root", "/r", "--pipe", "p")


def rules(*words: str) -> Rules:
    return parse(["alice", *PLACE, *words])


def ask(mine: Rules, op: str, **fields: Any) -> dict[str, Any]:
    return admitted(mine, {"op": op, "id": 1, **fields})


def job(mine: Rules, **spec: Any) -> dict[str, Any]:
    return dict(ask(mine, "submit", jobs=[spec])["jobs"][0])


TRAIN = rules("--only", "python train.py", "--only", '["make", "all of it"]', "--env", "LR,SEED")


def test_what_is_said_is_what_counts() -> None:
    mine = rules("--allow", "job, logs", "--max-queued", "7", "--all-jobs", "--state", "/s")
    assert (mine.name, mine.root, mine.pipe, mine.state) == ("alice", "/r", "p", "/s")
    assert (sorted(mine.verbs), mine.most, mine.all_jobs) == (["job", "logs"], 7, True)
    assert mine.ops == {"submit", "lookup", "report", "read"}
    assert (TRAIN.only, TRAIN.env) == ((("python", "train.py"), ("make", "all of it")), ("LR", "SEED"))


@pytest.mark.parametrize("mine", [rules(), TRAIN, rules("--allow", "job", "--state", "/s t", "--all-jobs")])
def test_the_words_that_are_noted_down_say_the_same(mine: Rules) -> None:
    assert parse(mine.words()) == mine


@pytest.mark.parametrize(
    "words",
    [
        [],
        [""],
        ["--allow"],
        ["a b"],
        ["a\n"],
        ["-a"],
        ["a" * 65],
        ["a", "--allow"],
        ["a", "--allow", "everything"],
        ["a", "--allow", ""],
        ["a", "--only", ""],
        ["a", "--only", "[1]"],
        ["a", "--only", "["],
        ["a", "--only", '[""]'],
        ["a", "--max-queued", "0"],
        ["a", "--max-queued", "1e3"],
        ["a", "--max-queued", "9" * 5000],
        ["a", "--shell", "yes"],
        ["a", "b"],
    ],
)
def test_a_line_that_is_wrong_lets_nobody_in(words: list[str]) -> None:
    with pytest.raises(UsageError):
        parse(words)


def test_every_request_that_a_key_can_make_is_one_that_managers_know() -> None:
    known = {*make().handlers._table, "read"}
    assert {op for ops in OPS.values() for op in ops} == set(FIELDS)
    assert set(FIELDS) <= known
    assert {*OWN, *CHANGES} <= set(FIELDS)
    assert set(ERRANDS) <= set(OPS)


def test_by_itself_a_key_steers_nothing_but_its_jobs() -> None:
    mine = rules()
    assert not mine.ops & {"configure", "drain", "undrain", "stop", "environment", "clean"}
    assert mine.errands == ["checks", "discard", "facts", "get", "outputs", "time", "tree"]
    assert {*ERRANDS["artifacts"]} == NARROWED
    assert rules("--allow", "job,snapshots").errands == ["keep", "lacking", "seal"]
    for op in sorted(set(FIELDS) - mine.ops):
        with pytest.raises(Refused, match=f"may not '{op}'"):
            ask(mine, op)


@pytest.mark.parametrize("op", sorted(OWN))
def test_what_changes_jobs_is_asked_in_its_name(op: str) -> None:
    fields = dict.fromkeys(FIELDS[op], 7)
    mine = rules("--allow", ",".join(OPS))
    assert ask(mine, op, submitter="bob", **fields) == {"op": op, "id": 1, "submitter": "alice", **fields}
    every = rules("--allow", ",".join(OPS), "--all-jobs")
    assert ask(every, op, submitter="bob", **fields) == {"op": op, "id": 1, **fields}


def test_jobs_are_brought_in_its_name_and_under_keys_of_its_own() -> None:
    for mine in (rules(), rules("--all-jobs")):
        asked = ask(mine, "submit", key="k/0", jobs=[{"command": "a"}], submitter="bob", most=9**9, hook="x")
        told = {"submitter": "alice", "most": 1000, "key": "alice:k/0", "jobs": [{"command": "a"}]}
        assert asked == {"op": "submit", "id": 1, **told}
        assert ask(mine, "lookup", key="k", after="0") == {"op": "lookup", "id": 1, "key": "alice:k", "after": "0"}


@pytest.mark.parametrize("key", ["", 7, ["k"]])
def test_what_is_no_key_is_refused(key: Any) -> None:
    with pytest.raises(BadRequest):
        ask(rules(), "submit", key=key, jobs=[{"command": "a"}])


@pytest.mark.parametrize("jobs", [None, {}, [7], [{"argv": "ls"}], [{"command": "a"}] * 1001])
def test_what_is_no_job_is_refused(jobs: Any) -> None:
    with pytest.raises(BadRequest):
        ask(rules(), "submit", jobs=jobs)


def test_only_what_begins_so_is_run() -> None:
    for argv in (["python", "train.py"], ["python", "train.py", "--lr", "$(reboot)"], ["make", "all of it", "-n"]):
        assert job(TRAIN, argv=argv) == {"argv": argv}
    for argv in (["python"], ["python", "train.py2"], ["python train.py"], ["/usr/bin/python", "train.py"], ["make"]):
        with pytest.raises(Refused, match="begin in another way"):
            job(TRAIN, argv=argv)
    with pytest.raises(Refused, match="are no text for a shell"):
        job(TRAIN, command="python train.py")


@pytest.mark.parametrize(
    "more",
    [
        {"cwd": "/tmp/mine"},
        {"cwd": "."},
        {"stdin": "/home/owner/.ssh/id_ed25519"},
        {"env_base": "0" * 64},
        {"snapshot": {"id": "0" * 64}},
        *({"env": {name: "x"}} for name in ("PATH", "LD_PRELOAD", "PYTHONSTARTUP", "BASH_ENV", "lr", "LR_")),
        {"env": {"LR": "1", "PATH": "/tmp"}},
    ],
)
def test_nothing_makes_the_same_words_run_something_else(more: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="jobs of the key alice"):
        job(TRAIN, argv=["python", "train.py"], **more)


def test_what_changes_nothing_of_what_is_run_may_be_said() -> None:
    told = {"argv": ["python", "train.py"], "env": {"LR": "1", "SEED": "2"}, "cpus": 2, "timeout": 60.0, "name": "n"}
    assert job(TRAIN, **told) == told
    with pytest.raises(Refused, match="are given no environment"):
        ask(TRAIN, "submit", jobs=[{"argv": ["python", "train.py"]}], envs={"0" * 64: {"PATH": "/tmp"}})


def test_nobody_goes_before_others() -> None:
    assert job(rules(), command="a", priority=-1)["priority"] == -1
    assert job(rules("--all-jobs"), command="a", priority=1)["priority"] == 1
    with pytest.raises(Refused, match="go before nobody's"):
        job(rules(), command="a", priority=1)


def test_commands_for_starts_and_ends_are_more_than_settings() -> None:
    mine = rules("--allow", "configure")
    assert ask(mine, "configure", max_jobs=2)["max_jobs"] == 2
    for hook in ("on_start", "on_finish", "hook_timeout"):
        with pytest.raises(Refused, match="may set no commands"):
            ask(mine, "configure", max_jobs=2, **{hook: "reboot"})
    assert ask(rules("--allow", "configure,hooks"), "configure", on_start="true")["on_start"] == "true"


def test_a_pattern_cannot_keep_a_queue_busy() -> None:
    assert ask(rules(), "list", name="*lr-*")["name"] == "*lr-*"
    with pytest.raises(Refused, match="more than 3"):
        ask(rules(), "list", name="*a" * 20)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"op":"report"}',
        b'{"op":"report","id":"ask.1"}',
        b'{"op":"report","id":true}',
        b'{"op":"report","id":1.0}',
        b'{"op":"report","id":1,"head":' + b"9" * 100_000 + b"}",
        b'{"op":"report","id":NaN}',
        b'{"op":"report","id":Infinity}',
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_no_request_is_told(line: bytes) -> None:
    with pytest.raises(BadRequest):
        decode(line)


def test_of_two_fields_of_one_name_the_one_that_is_judged_is_the_one_that_is_sent() -> None:
    with pytest.raises(Refused, match="may not 'stop'"):
        admitted(rules(), decode(b'{"op":"report","op":"stop","id":1}'))
    assert admitted(rules(), decode(b'{"op":"stop","op":"report","id":1}')) == {"op": "report", "id": 1}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts(20) | st.sampled_from(sorted(FIELDS)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(8), inner, max_size=3),
    max_leaves=8,
)
JOBS = st.fixed_dictionaries(
    {},
    optional={
        "command": VALUES,
        "argv": st.lists(st.sampled_from(["python", "train.py", "sh", "-c", "reboot"]), max_size=4) | VALUES,
        **dict.fromkeys(("cwd", "stdin", "env_base", "priority", "hold", "after", "submitter"), VALUES),
        "env": st.dictionaries(st.sampled_from(["LR", "PATH", "LD_PRELOAD"]), texts(5)) | VALUES,
    },
)
REQUESTS = st.fixed_dictionaries(
    {"op": st.sampled_from([*sorted(FIELDS), "output", "handover"]) | VALUES, "id": st.integers(0, 99)},
    optional={
        "jobs": st.lists(JOBS, max_size=3) | st.just([[0, 9]]) | VALUES,
        **dict.fromkeys(("key", "submitter", "most", "job", "kill", "on_start", "name", "envs", "states"), VALUES),
    },
)


@given(request=REQUESTS)
def test_whatever_is_asked_only_what_is_allowed_comes_through(request: dict[str, Any]) -> None:
    try:
        told = admitted(TRAIN, decode(json.dumps(request).encode()))
    except SjsError:
        return
    assert told["op"] in TRAIN.ops
    assert set(told) <= {"op", "id", "submitter", "most", *FIELDS[told["op"]]}
    assert (told.get("submitter") == "alice") == (told["op"] in ("submit", *OWN))
    for spec in told["jobs"] if told["op"] == "submit" else ():
        assert tuple(spec["argv"][:2]) in TRAIN.only
        assert not {"command", "cwd", "stdin", "env_base"} & set(spec)
        assert set(spec.get("env", ())) <= {"LR", "SEED"}
        assert spec.get("priority", 0) <= 0


def test_handlers_and_rules_name_the_submitter_alike() -> None:
    """What a gate says is what a queue understands: a word that only one of them knew would let everybody in."""
    queue = make()
    sent = ask(rules(), "submit", jobs=[{"command": "true"}])
    first = queue.ask(**sent)["first"]
    assert queue.job(first).submitter == "alice"
    with pytest.raises(Refused, match="brought by bob"):
        queue.ask(**admitted(parse(["bob", *PLACE]), {"op": "cancel", "id": 1, "jobs": [[first, first]]}))
