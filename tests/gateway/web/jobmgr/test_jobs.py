"""What jobs see, and what is said of them when they are over."""

from __future__ import annotations

import hashlib
import os
import time

import pytest

from sjs.gateway.desk import Desk
from tests.gateway.web.jobmgr.client import Client
from tests.gateway.web.jobmgr.conftest import PARAMETER, Specs
from tests.live.machine import until


def test_a_job_is_queued_started_and_completed_and_its_times_are_known(
    jobmgr: Client, specs: Specs, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two places on each machine: who comes last waits."""
    go = tmp_path_factory.mktemp("go") / "go"
    specs.shell("waiter", f"mkfifo $SJS_JOB_DIR/f; while [ ! -e {go} ]; do sleep 0.05; done")
    specs.shell("quick", "true")
    before = int(time.time())
    first = [jobmgr.start("waiter") for _ in range(4)]
    until(lambda: all(jobmgr.get(number)["job"]["status"] == "started" for number in first), "their starts")
    last = jobmgr.start("quick")
    waits, runs = jobmgr.get(last), jobmgr.get(first[0])
    assert [waits["job"][key] for key in ("status", "started", "completed")] == ["queued", None, None]
    assert (waits["result"], waits["artifacts"]) == (None, None)
    assert (runs["job"]["status"], runs["job"]["completed"]) == ("started", None)
    assert (runs["result"], runs["artifacts"]) == (None, None)
    go.touch()
    ended = jobmgr.ended(last)
    job = ended["job"]
    assert (job["status"], ended["result"], ended["artifacts"]) == ("completed", "", [])
    assert before <= job["created"] <= job["started"] <= job["completed"] <= time.time()
    for number in first:
        jobmgr.ended(number)


def test_a_job_sees_its_parameters_in_both_spellings_and_no_stdin(jobmgr: Client, specs: Specs) -> None:
    """dash drops variables with a hyphen in their names, so they are looked at where nobody has dropped them."""
    specs.write(
        "seer",
        'Command = "env"\nPreserveEnvVars = ["PATH", "NOT_THERE"]\n'
        + PARAMETER.format(name="other-option", type="int")
        + PARAMETER.format(name="a b", type="string"),
    )
    found = jobmgr.run("seer", **{"other-option": "+007", "a b": "x\ny", "undeclared": "z"})
    told = found["result"].splitlines()
    for name in ("JOBMGR_PARAMETER_OTHER-OPTION", "JOBMGR_PARAMETER_OTHER_OPTION"):
        assert f"{name}=7" in told
    assert "JOBMGR_PARAMETER_A_B=x\ny" in found["result"]
    assert {"PATH=/usr/bin:/bin", "NOT_THERE="} <= set(told)
    assert "undeclared" not in found["result"].lower()
    assert found["job"]["parameters"] == {"a b": "x\ny", "other-option": "+007", "undeclared": "z"}
    specs.shell(
        "reader", 'wc -c; case "$JOBMGR_ARTIFACTS_DIR" in /*) [ -d "$JOBMGR_ARTIFACTS_DIR" ] && echo there;; esac'
    )
    assert jobmgr.run("reader")["result"].split() == ["0", "there"]


def test_a_relative_folder_is_where_the_queue_is_and_a_file_says_when_it_changes(jobmgr: Client, specs: Specs) -> None:
    specs.write("mine", 'Command = "pwd"\nWorkingDirectory = "/tmp"\n')
    assert jobmgr.run("mine")["result"] == "/tmp\n"
    specs.write("mine", 'Command = "echo"\nArguments = ["$HOME", "{x}", "; id"]\n')
    assert jobmgr.run("mine")["result"] == "$HOME {x} ; id\n"


def test_the_result_is_stdout_as_it_is_and_stderr_is_not_in_it(jobmgr: Client, specs: Specs) -> None:
    specs.shell("both", r"echo lost >&2; printf 'a\377\000\n\303\244'")
    assert jobmgr.run("both")["result"] == "a\ufffd\0\n\u00e4"


def test_first_lines_of_failures_are_gos(jobmgr: Client, specs: Specs) -> None:
    specs.shell("three", "echo so far; exit 3")
    specs.shell("killed", "kill -9 $$")
    specs.shell("ended", "kill -15 $$")
    specs.shell("late", "sleep 60", timeout="200ms")
    specs.shell("typed", "true", n="int")
    specs.shell("strange", "true", n="float")
    specs.shell("own127", 'echo "sh: x: not found" >&2; exit 127', s="string")
    specs.write("nothing", 'Command = "nosuchcmd"\n')
    specs.write("nothing-set", 'Command = "nosuchcmd"\n' + PARAMETER.format(name="s", type="string"))
    specs.write("nothing-here", 'Command = "./nosuchcmd"\n' + PARAMETER.format(name="s", type="string"))
    specs.write("nowhere", 'Command = "true"\nWorkingDirectory = "/no/such"\n')
    specs.write("broken", 'Command = "true"\nTimeout = 7\n')
    said = {
        "three": "exit status 3",
        "killed": "signal: killed",
        "ended": "signal: terminated",
        "late": "signal: killed",
        "a.b": "invalid job name",
        "../three": "invalid job name",
        "a b": "invalid job name",
        "a\\b": "invalid job name",
        "n" * 255: "invalid job name",
        "nosuch": "job does not exist",
        "typed": "parameter 'n' is required but not set",
        "nothing": 'exec: "nosuchcmd": executable file not found in $PATH',
        "nowhere": "chdir /no/such: no such file or directory",
    }
    numbers = {name: jobmgr.start(name) for name in said}
    with_values = {
        ("typed", "n", ""): "parameter 'n' has invalid value ''",
        ("typed", "n", "7x"): "parameter 'n' has invalid value ''",
        ("strange", "n", "1.5"): "type 'float' of parameter 'n' is not valid",
        ("nothing-set", "s", "x"): 'exec: "nosuchcmd": executable file not found in $PATH',
        ("nothing-here", "s", "x"): "fork/exec ./nosuchcmd: no such file or directory",
        ("own127", "s", "x"): "exit status 127",
    }
    found = {name: jobmgr.ended(number) for name, number in numbers.items()}
    assert {name: one["result"].split("\n")[0] for name, one in found.items()} == said
    assert {key: jobmgr.first_line(key[0], **{key[1]: key[2]}) for key in with_values} == with_values
    assert jobmgr.first_line("broken").endswith("broken.toml:2: Timeout: must be text")
    for one in found.values():
        assert one["job"]["started"] is not None and one["job"]["completed"] >= one["job"]["started"]


def test_a_failure_tells_where_what_it_left_is_and_that_stays(jobmgr: Client, specs: Specs, at_desk: Desk) -> None:
    specs.shell("leaver", 'echo so far; echo x > "$JOBMGR_ARTIFACTS_DIR/x.txt"; exit 1')
    found = jobmgr.run("leaver")
    assert found["artifacts"] is None
    first, blank, last = found["result"].split("\n")
    assert (first, blank) == ("exit status 1", "")
    target, _, path = last.removeprefix("Job directory: ").partition(":")
    assert target in ("a", "b")
    with open(f"{path}/artifacts/x.txt") as left:
        assert left.read() == "x\n"
    specs.shell("tidy", "exit 1")
    assert jobmgr.run("tidy")["result"] == "exit status 1\n\nJob directory: "


def test_artifacts_are_there_once_the_job_is_completed(jobmgr: Client, specs: Specs) -> None:
    """With their types, by jobmgr's rule; names in folders; and one without an extension, over which it crashed."""
    names = "a.pdf b.zip c.mp3 d.ogg e.oga f.wav g.gif h.jpg i.jpeg j.png k.csv l.txt m.mp4 n.ogv o.webm P.PNG q.html"
    specs.shell(
        "maker",
        f'cd "$JOBMGR_ARTIFACTS_DIR"; mkdir -p sub/deep; touch {names} r.webp plain .hidden sub/x.png sub/deep/y.t.txt',
    )
    number = jobmgr.start("maker")
    found = jobmgr.ended(number)
    types = {one["name"]: one["mime"] for one in found["artifacts"]}
    expected = {
        "a.pdf": "application/pdf",
        "b.zip": "application/zip",
        "c.mp3": "audio/mpeg",
        "d.ogg": "audio/ogg",
        "e.oga": "audio/ogg",
        "f.wav": "audio/wav",
        "g.gif": "image/gif",
        "h.jpg": "image/jpeg",
        "i.jpeg": "image/jpeg",
        "j.png": "image/png",
        "P.PNG": "image/png",
        "r.webp": "image/webp",
        "k.csv": "text/csv",
        "l.txt": "text/plain",
        "m.mp4": "video/mp4",
        "n.ogv": "video/ogg",
        "o.webm": "video/webm",
        "sub/x.png": "image/png",
        "sub/deep/y.t.txt": "text/plain",
        **dict.fromkeys(("plain", ".hidden", "q.html"), "application/octet-stream"),
    }
    assert types == expected
    assert {one["jobID"] for one in found["artifacts"]} == {number}
    assert len({one["uuid"] for one in found["artifacts"]} | {one["id"] for one in found["artifacts"]}) == 2 * len(
        types
    )
    assert {tuple(one) for one in found["artifacts"]} == {("id", "name", "mime", "size", "uuid", "created", "jobID")}


def test_an_artifact_is_had_by_its_link_with_both_headers(jobmgr: Client, specs: Specs) -> None:
    specs.shell("giver", r"""printf '\001\377x' > "$JOBMGR_ARTIFACTS_DIR/,a&b!?@:%\".png" """)
    artifact = jobmgr.run("giver")["artifacts"][0]
    answer = jobmgr.ask("GET", f"/artifacts/download?id={artifact['id']}")
    link = answer.headers["location"]
    assert (answer.status, answer.headers["content-type"]) == (307, "text/html; charset=utf-8")
    assert answer.body == f'<a href="{link}">Temporary Redirect</a>.\n\n'.encode()
    came = jobmgr.ask("GET", link)
    assert (came.status, came.body, came.headers["content-length"]) == (200, b"\x01\xffx", "3")
    assert came.headers["content-type"] == "image/png"
    assert came.headers["content-disposition"] == 'inline; filename="-a-b-----\\".png"'
    head = jobmgr.ask("HEAD", link)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "3")
    assert jobmgr.ask("POST", link).status == 405


def test_a_long_name_of_any_letters_has_a_link_too(jobmgr: Client, specs: Specs) -> None:
    name = "/".join(["\U0001f600" * 60] * 4) + ".txt"
    specs.shell(
        "far", f'mkdir -p "$JOBMGR_ARTIFACTS_DIR/{os.path.dirname(name)}"; echo x > "$JOBMGR_ARTIFACTS_DIR/{name}"'
    )
    [artifact] = jobmgr.run("far")["artifacts"]
    assert artifact["name"] == name
    came = jobmgr.fetch(artifact["id"])
    assert (came.body, came.headers["content-type"]) == (b"x\n", "text/plain")
    assert came.headers["content-disposition"].endswith(".txt")


def test_a_link_leads_to_some_bytes_too(jobmgr: Client, specs: Specs) -> None:
    specs.shell("parted", 'printf 0123456789 > "$JOBMGR_ARTIFACTS_DIR/it"')
    [artifact] = jobmgr.run("parted")["artifacts"]
    link = jobmgr.ask("GET", f"/artifacts/download?id={artifact['id']}").headers["location"]
    whole, head = jobmgr.ask("GET", link), jobmgr.ask("HEAD", link)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "10")
    assert whole.headers["etag"] == head.headers["etag"] == f'"{hashlib.sha256(b"0123456789").hexdigest()}"'
    part = jobmgr.ask("GET", link, headers={"Range": "bytes=2-4", "If-Range": head.headers["etag"]})
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    none = jobmgr.ask("GET", link, headers={"Range": "bytes=10-"})
    assert (none.status, none.headers["content-range"]) == (416, "bytes */10")


@pytest.mark.parametrize("word", ["x", "a.b", "..", "%2e%2e/x", "x" * 5_000])
def test_a_link_that_was_not_made_here_leads_nowhere(jobmgr: Client, word: str) -> None:
    answer = jobmgr.ask("GET", f"/artifacts/kept/{word}")
    assert (answer.status, answer.headers["content-type"]) == (403, "text/plain; charset=utf-8")
