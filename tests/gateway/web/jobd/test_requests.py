"""What the original's clients send, and what they look at in the answers, byte by byte."""

from __future__ import annotations

import base64
import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from sjs.gateway.desk import Desk
from tests.gateway.web.conftest import bearer
from tests.gateway.web.jobd.speaking import JSON, KEYS, TEXT, Answer, Client, archive
from tests.live.machine import until

NANOSECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


def refused(answer: Answer, text: str, media: str = JSON) -> None:
    """It is jobd's answer to a bad request, letter for letter."""
    said = json.dumps({"error": "bad_request", "message": text, "status": 400}, separators=(",", ":"))
    assert (answer.status, answer.media, answer.body.decode()) == (400, media, said)


def test_an_upload_is_answered_with_all_that_is_known(jobd: Client) -> None:
    lines = base64.encodebytes(archive("exit 0" + "#" * 100)).decode()
    assert "\n" in lines[:-1]
    answer = jobd.post(json.dumps({"id": "a b", "input": lines}))
    assert (answer.status, answer.media) == (201, JSON)
    assert list(answer.said) == KEYS
    assert NANOSECONDS.fullmatch(answer.said["LastUpdated"])
    del answer.said["LastUpdated"]
    rest = {"ID": "a b", "Status": "QUEUED", "Path": "data/a b", "Input": lines, "Output": "", "Message": ""}
    text = json.dumps({**rest, "SlurmID": 0, "Slurml": False}, separators=(",", ":"))
    assert answer.body.decode().endswith(text[1:])


def test_a_script_runs_and_all_that_it_leaves_comes_back(jobd: Client) -> None:
    script = "cat in.txt; ls > out/list; echo oops >&2; mkdir empty; ln -s out link; echo more >> in.txt; exit 0"
    answer = jobd.run("one", script, **{"in.txt": b"data\n", "out/old": b"old"})
    assert (answer.status, answer.media) == (200, JSON)
    assert list(answer.said) == KEYS
    said = {key: answer.said[key] for key in KEYS if key not in ("LastUpdated", "Output")}
    assert said == {
        "ID": "one",
        "Status": "SUCCESS",
        "Path": "",
        "Input": "",
        "Message": "job finished successfully",
        "SlurmID": 0,
        "Slurml": False,
    }
    assert NANOSECONDS.fullmatch(answer.said["LastUpdated"])
    assert "\n" not in answer.said["Output"]
    files = answer.files
    assert sorted(files) == ["in.txt", "out/list", "out/old", "run.sh"]
    assert files["in.txt"] == b"data\nmore\n"
    assert files["out/list"].split() == [b"in.txt", b"out", b"run.sh"]
    assert jobd.get("one").body == answer.body


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo left > it; exit 7", "exit status 7"),
        ("echo left > it; kill -9 $$", "signal: killed"),
        ("echo left > it; kill -TERM $$", "signal: terminated"),
    ],
)
def test_what_a_script_leaves_that_fails_comes_back_too(jobd: Client, script: str, message: str) -> None:
    answer = jobd.run("bad", script)
    assert (answer.status, answer.said["Status"]) == (200, "FAILED")
    assert answer.said["Message"] == f"could not finish the job, error: {message}"
    assert answer.files["it"] == b"left\n"


def test_a_script_sees_its_folder_the_managers_environment_and_no_input(jobd: Client) -> None:
    files = jobd.run("seen", "pwd > pwd; env > env; cat > read; ls -l run.sh > mode").files
    assert files["read"] == b""
    assert files["mode"].startswith(b"-rwx")
    seen = dict(line.split(b"=", 1) for line in files["env"].splitlines() if b"=" in line)
    assert seen[b"PWD"] == files["pwd"].strip()
    assert {b"PATH", b"HOME"} <= seen.keys()


def test_a_script_without_a_first_line_that_says_how_does_not_run(jobd: Client) -> None:
    assert jobd.upload("bare", archive(None, **{"run.sh": b"true\n"})).status == 201
    answer = jobd.ended("bare")
    assert (answer.status, answer.said["Status"]) == (200, "FAILED")
    assert answer.files == {"run.sh": b"true\n"}


def test_what_a_job_prints_is_kept_for_others(jobd: Client) -> None:
    jobd.run("printing", "echo out; echo err >&2; exit 3")
    native = Client(jobd.port, "/api/v1", jobd.headers)
    (job,) = native.ask("GET", "/jobs?name=printing").said["jobs"]
    assert (job["state"], job["exit"]) == ("failed", 3)
    streams = [native.ask("GET", f"/jobs/{job['id']}/logs?stream={name}").body for name in ("out", "err")]
    assert streams == [b"out\n", b"err\n"]


def test_who_asks_too_early_is_told_to_wait(jobd: Client, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    assert jobd.upload("slow", archive(f"while [ ! -e {gate} ]; do sleep 0.05; done")).status == 201
    answer = jobd.get("slow")
    assert (answer.status, answer.media) == (202, JSON)
    assert answer.body == b'{"error":"no_content","message":"job not ready","status":202}'
    gate.touch()
    assert jobd.ended("slow").said["Status"] == "SUCCESS"


def test_who_asks_for_nothing_known_is_told_so(jobd: Client) -> None:
    answer = jobd.get("nobody")
    assert (answer.status, answer.media) == (404, JSON)
    assert answer.body == b'{"error":"not_found","message":"job not found","status":404}'


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/api"),
        ("GET", "/api/upload"),
        ("PUT", "/api/upload"),
        ("POST", "/api/get/a"),
        ("DELETE", "/api/get/a"),
        ("GET", "/api/get"),
        ("GET", "/api/get/"),
        ("GET", "/api/get/a/b"),
        ("GET", "/api/get/a/"),
        ("POST", "/api/upload/"),
        ("GET", "/API/GET/a"),
        ("GET", "/swagger/other"),
        ("PATCH", "/swagger/doc.json"),
    ],
)
def test_any_other_path_or_method_is_not_found(jobd: Client, method: str, path: str) -> None:
    answer = jobd.ask(method, path)
    assert (answer.status, answer.media, answer.body) == (404, "text/plain", b"404 page not found")


def test_head_is_no_method_of_it(jobd: Client) -> None:
    assert jobd.ask("HEAD", "/api/get/a").status == 404


@pytest.mark.parametrize(
    ("body", "parser"),
    [
        (b"", "EOF"),
        (b"{", "unexpected EOF"),
        (b"no", "invalid character 'o' in literal null (expecting 'u')"),
        (b"<x>", "invalid character '\\u003c' looking for beginning of value"),
        (b'{"id": 5}', "json: cannot unmarshal number into Go struct field"),
        (b'{"id": "a", "input": []}', "json: cannot unmarshal array into Go struct field"),
        (b'{"id": "a", "slurml": "yes"}', "json: cannot unmarshal string into Go struct field"),
        (b'["a"]', "json: cannot unmarshal array into Go value"),
    ],
)
def test_what_is_not_read_is_told_in_the_parsers_words_as_text(jobd: Client, body: bytes, parser: str) -> None:
    answer = jobd.post(body)
    begin = f'{{"error":"bad_request","message":"error reading job from request {parser}'
    assert (answer.status, answer.media) == (400, TEXT)
    assert answer.body.decode().startswith(begin)
    assert list(answer.said) == ["error", "message", "status"]


@pytest.mark.parametrize("sent", [{}, {"id": ""}, {"id": None}, {"name": "a"}])
def test_a_job_needs_an_id(jobd: Client, sent: dict[str, Any]) -> None:
    refused(jobd.post(json.dumps(sent)), "error validating job job id is required")


def test_an_id_is_taken_once(jobd: Client, desk: Desk) -> None:
    assert jobd.upload("twice", archive("echo first > it")).status == 201
    refused(jobd.upload("twice", archive("echo second > it")), "job already exists")
    assert jobd.ended("twice").files["it"] == b"first\n"
    refused(jobd.upload("twice"), "job already exists")
    other = Client(jobd.port, jobd.base, bearer(desk, "ben"))
    assert other.get("twice").status == 404
    assert other.run("twice", "echo third > it").files["it"] == b"third\n"


def test_of_several_who_bring_an_id_at_once_one_has_it(jobd: Client, tmp_path: Path) -> None:
    statuses: list[int] = []

    def bring() -> None:
        statuses.append(jobd.upload("one", archive(f"echo >> {tmp_path}/ran")).status)

    threads = [threading.Thread(target=bring) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201, 400, 400, 400, 400, 400]
    assert jobd.ended("one").said["Status"] == "SUCCESS"
    assert (tmp_path / "ran").read_text() == "\n"


def test_keys_may_be_in_capitals_others_are_ignored_and_no_content_type_is_looked_at(jobd: Client) -> None:
    text = base64.b64encode(archive("exit 0")).decode()
    answer = jobd.post(json.dumps({"ID": "caps", "INPUT": text, "who": [1]}), **{"content-type": "text/html"})
    assert (answer.status, answer.said["Input"]) == (201, text)
    assert jobd.ended("caps").said["Status"] == "SUCCESS"
    assert jobd.post(json.dumps({"id": "file", "file": text})).status == 201
    assert jobd.ended("file").said["Status"] == "FAILED"


def test_letters_of_html_are_escaped_as_by_go(jobd: Client) -> None:
    answer = jobd.post(json.dumps({"id": "<&>", "input": "<"}))
    assert b'"ID":"\\u003c\\u0026\\u003e"' in answer.body
    assert b'"Input":"\\u003c"' in answer.body
    assert jobd.ended("<&>").said["ID"] == "<&>"


def test_for_slurm_without_one_it_fails_at_once_without_a_word(jobd: Client) -> None:
    answer = jobd.upload("hpc", archive("exit 0"), slurml=True)
    assert (answer.status, answer.said["Status"], answer.said["Slurml"]) == (201, "QUEUED", True)
    answer = jobd.get("hpc")
    assert answer.status == 200
    said = {key: answer.said[key] for key in ("Status", "Output", "Message", "SlurmID", "Slurml")}
    assert said == {"Status": "FAILED", "Output": "", "Message": "", "SlurmID": 0, "Slurml": True}


def test_who_may_not_is_told_so_and_nothing_runs(jobd: Client, desk: Desk, owner: str) -> None:
    reader = Client(jobd.port, jobd.base, bearer(desk, owner, ["read"]))
    answer = reader.upload("mine", archive("exit 0"))
    assert (answer.status, answer.said["error"]) == (403, "forbidden")
    assert reader.get("mine").status == 404
    writer = Client(jobd.port, jobd.base, bearer(desk, owner, ["submit", "raw"]))
    assert writer.upload("mine", archive("exit 0")).status == 201
    assert writer.get("mine").status == 403
    until(lambda: reader.get("mine").status == 200, "its end")
    assert Client(jobd.port, jobd.base, {}).get("mine").status == 401
