"""What clients of job_manager ask for, and what they are answered: each call, its words and its shapes."""

from __future__ import annotations

import gzip
import http.client
import json
import zlib
from typing import Any
from urllib.parse import urlsplit

import pytest

from sjs.values import replace
from tests.gateway.web.job_manager.client import HTML, PACKED, Client

CHECK = "Are all simulations within time frame?"
DEGRADED = "n_bad_jobs were degraded:"


def packed(document: Any) -> bytes:
    return zlib.compress(json.dumps(document).encode())


def test_a_master_and_a_worker(mine: Client) -> None:
    """As call.py goes: a greeting, lifetimes, eighty jobs without a command, each updated, and a look at them."""
    assert mine.get("/") == "Hello World!"
    assert mine.get("/init/0/1/1") == '{"0": 0, "1": 1, "2": 1}'
    assert mine.post("/set", {str(one): {"jobstage": 1} for one in range(80)}) == f"Accepted to {mine.jobix}!"
    for one in range(80):
        assert mine.get(f"/update_job/{one}/2") == f"Success, job {one} was updated to stage 2!"
    assert mine.get("/get/2") == f'{{"jobid": 0, "jobcmd": null, "jobstage": 2, "jobix": {mine.jobix}}}'
    assert mine.post("/update_job/0/4", {"filename": "a/b", "jobcmd": 1}) == "Success, job 0 was updated to stage 4!"
    assert mine.get("/check_stages") == json.dumps({CHECK: 101})
    assert '<span id="progress_total">79/80</span>' in mine.get("/get")
    assert "<li>Job stage: 1; lifetime: 1 minutes</li>" in mine.get("/lifetime")


def test_a_worker_works_until_there_is_no_more(mine: Client) -> None:
    """As call2.py goes: it asks at a stage, works on what it is given at the next, and moves that to the one behind."""
    mine.get("/init/0/10/0")
    commands = {"3": ["echo", "<b>&"], "1": {"a": None}, "2": "ü\u2028\0"}
    mine.post("/set", {number: {"jobstage": 0, "jobcmd": command} for number, command in commands.items()})
    done = []
    while (found := json.loads(mine.get("/get/0"))) != "nada":
        assert list(found) == ["jobid", "jobcmd", "jobstage", "jobix"]
        assert found == {
            "jobid": found["jobid"],
            "jobcmd": commands[str(found["jobid"])],
            "jobstage": 0,
            "jobix": mine.jobix,
        }
        mine.get(f"/update_job/{found['jobid']}/2")
        done.append(found["jobid"])
    assert done == [1, 2, 3]
    assert mine.get("/get/0") == '"nada"'


def test_init_says_what_is_stored_and_stores_once(mine: Client) -> None:
    assert mine.get("/init") == "{}"
    assert mine.get("/init/5/0") == '{"0": 5, "1": 0}'
    assert mine.get("/init/7/7/7") == '{"0": 5, "1": 0}'
    assert mine.get("/init") == '{"0": 5, "1": 0}'


def test_init_may_come_first_or_after_jobs(mine: Client) -> None:
    """The first call of all was an error."""
    assert mine.post("/set", {"1": {"jobstage": 4}}) == f"Accepted to {mine.jobix}!"
    assert mine.get("/init") == "{}"
    assert mine.get("/init/3") == '{"0": 3}'
    assert json.loads(mine.get("/get/4"))["jobid"] == 1


def test_set_takes_what_is_new(mine: Client) -> None:
    mine.post("/set", {"1": {"jobstage": 0, "jobcmd": "first"}})
    mine.post("/set", {"1": {"jobstage": 0, "jobcmd": "second"}, "2": {"jobstage": 0, "jobcmd": "third"}})
    assert [json.loads(mine.get("/get/0"))["jobcmd"] for _ in range(2)] == ["first", "third"]
    assert mine.get("/get/0") == '"nada"'
    assert mine.post("/set", {}) == f"Accepted to {mine.jobix}!"


def test_a_job_that_is_got_is_one_stage_further(mine: Client) -> None:
    mine.post("/set", {"1": {"jobstage": 0}})
    assert json.loads(mine.get("/get/0"))["jobstage"] == 0
    assert json.loads(mine.get("/get/1"))["jobstage"] == 1
    assert json.loads(mine.get("/get/2/9"))["jobstage"] == 2
    assert json.loads(mine.get("/get/9/0"))["jobstage"] == 9
    assert json.loads(mine.get("/get/10"))["jobid"] == 1
    assert mine.get("/get/10") == '"nada"'


def test_an_update_stores_what_it_says(mine: Client) -> None:
    mine.post("/set", {"1": {"jobstage": 0, "jobcmd": "old"}})
    mine.post("/update_job/1/2", {"jobcmd": "new"})
    assert json.loads(mine.get("/get/2"))["jobcmd"] == "new"
    mine.post("/update_job/1/4", {"filename": "out/<i>.dat"})
    assert json.loads(mine.get("/get/4"))["jobcmd"] == "new"
    assert '<td id="filename 1" class="wide"><bdi>out/&lt;i&gt;.dat</bdi></td>' in mine.get("/get")
    mine.post("/update_job/1/6", {})
    assert "out/&lt;i&gt;.dat" in mine.get("/get")


def test_an_update_of_no_job_is_a_success_and_says_so_besides(mine: Client) -> None:
    mine.post("/set", {"1": {"jobstage": 0}})
    for number, told in ((1, "1"), (2, "0"), (10**17, "0")):
        answer = mine.ask(f"/update_job/{number}/3")
        assert (answer.status, answer.text) == (200, f"Success, job {number} was updated to stage 3!")
        assert answer.headers["sjs-updated"] == told
    assert replace(mine, jobix=f"-{mine.jobix}").ask("/update_job/1/3").headers["sjs-updated"] == "0"


def test_the_check_counts_jobs_that_never_expire(mine: Client) -> None:
    assert json.loads(mine.get("/check_stages")) == {CHECK: 1}
    mine.get("/init/0/60")
    mine.post("/set", {"1": {"jobstage": 0}, "2": {"jobstage": 1}, "3": {"jobstage": 7}})
    assert json.loads(mine.get("/check_stages")) == {CHECK: 201}
    assert json.loads(mine.get("/check_stages/1/0")) == json.loads(mine.get("/check_stages/0/1")) == {CHECK: 201}
    assert mine.get("/check_stages/1/3") == json.dumps({CHECK: 201, DEGRADED: 0})


def test_lifetimes_can_be_changed(mine: Client) -> None:
    """That was an error each time."""
    assert mine.get("/lifetime/1/5") == "Job stage: 1; lifetime: 5 minutes"
    assert mine.get("/init") == '{"0": 0, "1": 5}'
    assert mine.get("/lifetime/1/0") == "Job stage: 1; lifetime: 0 minutes"
    page = mine.get("/lifetime")
    assert page.index("Job stage: 0; lifetime: 0 minutes") < page.index("Job stage: 1; lifetime: 0 minutes")
    assert "Job stage: 1" in mine.get("/lifetime/1") and "Job stage: 0" not in mine.get("/lifetime/1")


@pytest.mark.parametrize(
    "path",
    ["/init", "/init/1", "/get/0", "/get/0/2", "/update_job/1/2", "/check_stages", "/check_stages/1/2"]
    + ["/lifetime/1/2", "/set"],
)
@pytest.mark.parametrize("jobix", [None, "", "x", "1.5", "9" * 30])
def test_without_a_number_it_is_forbidden(mine: Client, path: str, jobix: Any) -> None:
    body = packed({}) if path == "/set" else None
    answer = replace(mine, jobix=jobix).ask(path, body)
    assert (answer.status, answer.headers["content-type"]) == (403, HTML)
    assert answer.text.startswith("<!doctype html>\n<html lang=en>\n<title>403 Forbidden</title>\n")


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/get/", "/get/x", "/get/-1", "/get/1/2/3", "/set/1", "/update_job", "/update_job/1"]
    + ["/check_stages/1", "/lifetime/1/2/3", "/init/", "/init/1/", "/init/x", "/events/1", "//", "/get/1.0"],
)
def test_other_paths_are_not_found(mine: Client, path: str) -> None:
    answer = mine.ask(path)
    assert (answer.status, answer.headers["content-type"]) == (404, HTML)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/get/0", "GET, OPTIONS"),
        ("HEAD", "/get/0", "GET, OPTIONS"),
        ("HEAD", "/update_job/1/2", "GET, OPTIONS, POST"),
        ("GET", "/set", "OPTIONS, POST"),
        ("PUT", "/", "GET, HEAD, OPTIONS"),
        ("DELETE", "/get", "GET, HEAD, OPTIONS"),
    ],
)
def test_other_methods_are_told_which_there_are(mine: Client, method: str, path: str, allowed: str) -> None:
    mine.post("/set", {"1": {"jobstage": 0}})
    answer = mine.ask(path, method=method)
    assert (answer.status, answer.headers["allow"], answer.headers["content-type"]) == (405, allowed, HTML)
    assert mine.ask(path, method="OPTIONS").headers["allow"] == allowed
    assert json.loads(mine.get("/get/0"))["jobid"] == 1


def test_pages_have_heads(mine: Client) -> None:
    for path in ("/", "/get", "/lifetime"):
        answer = mine.ask(path, method="HEAD")
        assert (answer.status, answer.text, answer.headers["content-type"]) == (200, "", HTML)


@pytest.mark.parametrize("kind", ["plain", "zlib", "gzip", "deflate"])
@pytest.mark.parametrize("encoding", [None, "gzip", "deflate", "identity", "br"])
@pytest.mark.parametrize("form", ["application/json", "application/x-www-form-urlencoded"])
def test_no_header_is_believed_of_a_body(mine: Client, kind: str, encoding: str | None, form: str) -> None:
    text = json.dumps({"7": {"jobstage": 0, "jobcmd": kind}}).encode()
    raw = zlib.compressobj(wbits=-15)
    bodies = {"plain": text, "zlib": zlib.compress(text), "gzip": gzip.compress(text)}
    body = bodies.get(kind) or raw.compress(text) + raw.flush()
    headers = {"content-type": form, **({"content-encoding": encoding} if encoding else {})}
    assert mine.ask("/set", body, headers).text == f"Accepted to {mine.jobix}!"
    assert json.loads(mine.get("/get/0"))["jobcmd"] == kind


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nothing",
        packed({"1": {"jobstage": 0}})[:-3],
        packed([1]),
        packed({"x": {"jobstage": 0}}),
        packed({"1": {}}),
        packed({"1": {"jobstage": "0"}}),
        packed({str(2**53): {"jobstage": 0}}),
        packed({"1": {"jobstage": 1_000}}),
        b'{"1": {"jobstage": 0, "jobcmd": NaN}}',
    ],
)
def test_of_a_wrong_batch_nothing_is_stored(mine: Client, body: bytes) -> None:
    answer = mine.ask("/set", body, PACKED)
    assert (answer.status, answer.headers["content-type"]) == (400, HTML)
    assert mine.get("/get/0") == '"nada"'


def test_of_a_batch_that_fails_half_way_nothing_is_stored(mine: Client) -> None:
    """One job after the other was committed: a batch could be half there."""
    batch: dict[str, Any] = {str(one): {"jobstage": 0} for one in range(50)}
    batch["50"] = {"jobstage": 2**40}
    assert mine.ask("/set", packed(batch), PACKED).status == 400
    assert mine.get("/get/0") == '"nada"'
    batch["50"] = {"jobstage": 1}
    mine.post("/set", batch)
    assert json.loads(mine.get("/get/0"))["jobid"] == 0


def test_a_bomb_is_refused(mine: Client) -> None:
    answer = mine.ask("/set", zlib.compress(b" " * (64 << 20)), PACKED)
    assert (answer.status, answer.headers["content-type"]) == (413, HTML)


def test_a_body_without_a_length_is_read(mine: Client) -> None:
    link = http.client.HTTPConnection(urlsplit(mine.url).netloc, timeout=60)
    headers = {"jobix": str(mine.jobix), "content-encoding": "gzip"}
    pieces = (packed({"1": {"jobstage": 0}})[at : at + 5] for at in range(0, 200, 5))
    link.request("POST", "/set", pieces, headers, encode_chunked=True)
    assert link.getresponse().read() == f"Accepted to {mine.jobix}!".encode()
    link.close()
    assert json.loads(mine.get("/get/0"))["jobid"] == 1


def test_what_jobs_bring_is_no_page(mine: Client) -> None:
    """JSON that is called HTML must be nothing to a browser that believes it."""
    evil = "</p><script>alert(1)</script><!--"
    mine.post("/set", {"1": {"jobstage": 0, "jobcmd": evil}})
    answer = mine.ask("/get/0")
    assert answer.json["jobcmd"] == evil
    assert "<" not in answer.text and ">" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
