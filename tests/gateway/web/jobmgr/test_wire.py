"""Paths, methods and what is said, to the byte."""

from __future__ import annotations

import json
import re

import pytest

from tests.gateway.web.jobmgr.client import FORM, Client, query
from tests.gateway.web.jobmgr.conftest import Specs

MISSING = b'{"status":"error","error":"missing_params"}\n'
INVALID = b'{"status":"error","error":"invalid_params"}\n'
INTERNAL = b'{"status":"error","error":"internal_server_error"}\n'


def test_the_root_says_what_it_is(jobmgr: Client) -> None:
    answer = jobmgr.ask("GET", "/")
    assert (answer.status, answer.body) == (200, b"Beep boop blop I am a jobmgr API server")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["/jobs", "/jobs/list", "/jobs/get/1", "/JOBS/get", "//", "/jobs/get//", "/nope/"])
def test_other_paths_are_not_there(jobmgr: Client, path: str) -> None:
    answer = jobmgr.ask("GET", path)
    assert (answer.status, answer.body) == (404, b"404 page not found\n")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("path", "methods", "allowed"),
    [
        ("/", ["POST", "HEAD"], "GET, OPTIONS"),
        ("/jobs/start", ["GET", "PUT", "HEAD"], "OPTIONS, POST"),
        ("/jobs/get", ["POST", "DELETE"], "GET, OPTIONS"),
        ("/artifacts/download", ["POST", "PATCH"], "GET, OPTIONS"),
    ],
)
def test_each_path_has_one_method(jobmgr: Client, path: str, methods: list[str], allowed: str) -> None:
    for method in methods:
        answer = jobmgr.ask(method, path)
        assert (answer.status, answer.headers["allow"]) == (405, allowed)
        assert answer.body == (b"" if method == "HEAD" else b"Method Not Allowed\n")
        assert answer.headers["content-type"].startswith("text/plain")
    answer = jobmgr.ask("OPTIONS", path)
    assert (answer.status, answer.headers["allow"], answer.body) == (200, allowed, b"")


def test_a_stroke_too_many_is_taken_away(jobmgr: Client) -> None:
    answer = jobmgr.ask("GET", "/jobs/get/?id=7")
    assert (answer.status, answer.headers["location"]) == (301, "/jobs/get?id=7")
    assert answer.body == b'<a href="/jobs/get?id=7">Moved Permanently</a>.\n\n'
    answer = jobmgr.ask("POST", "/jobs/start/", b"name=a", FORM)
    assert (answer.status, answer.headers["location"]) == (308, "/jobs/start")


def test_whoever_asks_from_anywhere_is_told_no_more_than_that(jobmgr: Client) -> None:
    answer = jobmgr.ask("GET", "/jobs/get?id=1")
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert jobmgr.ask("GET", "/", headers={"Origin": "https://elsewhere.example"}).status == 403


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({}, MISSING),
        ({"name": "a"}, MISSING),
        ({"parameters": "{}"}, MISSING),
        ({"name": "", "parameters": "{}"}, MISSING),
        ({"name": "a", "parameters": ""}, MISSING),
        *(
            ({"name": "a", "parameters": text}, INVALID)
            for text in ("x", "7", "[]", '"a"', '{"a":1}', '{"a":[]}', '{"a":"b"} x', "{'a':'b'}", "[" * 50_000, " ")
        ),
        ({"name": "a", "parameters": '{"n":7}'}, INVALID),
        ({"name": "n" * 256, "parameters": "{}"}, INVALID),
    ],
)
def test_what_is_wrong_with_a_start_is_said_with_status_200(
    jobmgr: Client, fields: dict[str, str], body: bytes
) -> None:
    answer = jobmgr.post(**fields)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "application/json", body)


@pytest.mark.parametrize("path", ["/jobs/get", "/artifacts/download"])
@pytest.mark.parametrize(
    ("said", "body"),
    [
        ("", MISSING),
        ("?id=", MISSING),
        *((f"?id={text}", INVALID) for text in ("x", "1.5", "0x1", "1_0", "%201", "9223372036854775808", "9" * 5_000)),
        *((f"?id={text}", INTERNAL) for text in ("987654", "-1", "0", "%2B987654", "9223372036854775807")),
    ],
)
def test_what_is_wrong_with_an_id_is_said_with_status_200(jobmgr: Client, path: str, said: str, body: bytes) -> None:
    answer = jobmgr.ask("GET", f"{path}{said}")
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "application/json", body)


def created(jobmgr: Client, path: str, body: bytes | None, kind: str = "") -> tuple[str, object]:
    """The name and the parameters under which a job was taken."""
    answer = jobmgr.ask("POST", path, body, {"Content-Type": kind} if kind else {})
    match = re.fullmatch(rb'\{"status":"ok","created":([0-9]+)\}\n', answer.body)
    assert match and (answer.status, answer.headers["content-type"]) == (200, "application/json"), answer
    job = jobmgr.get(int(match[1]))["job"]
    return job["name"], job["parameters"]


def multipart(**fields: str) -> bytes:
    parts = [f'--xX\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{one}\r\n' for key, one in fields.items()]
    return ("".join(parts) + "--xX--\r\n").encode()


def test_parameters_come_in_a_query_a_form_or_parts_and_the_body_wins(jobmgr: Client) -> None:
    said = query(name="in query", parameters='{"at":"query"}')
    form = query(name="in form", parameters='{"at":"form"}').encode()
    parts = multipart(name="in parts", parameters='{"at":"p\\n\u00e4"}')
    kind = "multipart/form-data; boundary=xX"
    of_parts = ("in parts", {"at": "p\n\u00e4"})
    urlencoded = FORM["Content-Type"]
    assert created(jobmgr, f"/jobs/start?{said}", None) == ("in query", {"at": "query"})
    assert created(jobmgr, "/jobs/start", form, urlencoded) == ("in form", {"at": "form"})
    assert created(jobmgr, "/jobs/start", form, f"{urlencoded}; charset=UTF-8") == ("in form", {"at": "form"})
    assert created(jobmgr, f"/jobs/start?{said}", form, urlencoded) == ("in form", {"at": "form"})
    assert created(jobmgr, f"/jobs/start?{said}", b"name=half", urlencoded) == ("half", {"at": "query"})
    assert created(jobmgr, "/jobs/start", parts, kind) == of_parts
    assert created(jobmgr, f"/jobs/start?{said}", parts, 'multipart/form-data; boundary="xX"') == of_parts
    assert created(jobmgr, f"/jobs/start?{said}", b'{"name":"json"}', "application/json") == (
        "in query",
        {"at": "query"},
    )
    assert jobmgr.ask("POST", "/jobs/start", form, {"Content-Type": "text/plain"}).body == MISSING
    file = parts.replace(b'name="name"', b'name="name"; filename="n"')
    assert jobmgr.ask("POST", "/jobs/start", file, {"Content-Type": kind}).body == MISSING


def test_null_is_taken_for_parameters_and_shown(jobmgr: Client) -> None:
    answer = jobmgr.post(name="no-such", parameters="null")
    assert b'"parameters":null,"created":' in jobmgr.ask("GET", f"/jobs/get?id={answer.json['created']}").body


def test_texts_are_written_as_go_writes_them(jobmgr: Client) -> None:
    """Keys are sorted, all parameters are there, and what HTML could be is escaped."""
    text = '<b>&"\\\n\t\u2028\u00e4\U0001f600'
    number = jobmgr.post(name="<&>", parameters=json.dumps({"z": text, "\u00e4": "", "Z": "x"})).json["created"]
    body = jobmgr.ask("GET", f"/jobs/get?id={number}").body
    assert b'"name":"\\u003c\\u0026\\u003e"' in body
    expected = '{"Z":"x","z":"\\u003cb\\u003e\\u0026\\"\\\\\\n\\t\\u2028\u00e4\U0001f600","\u00e4":""}'
    assert f'"parameters":{expected},'.encode() in body


def test_a_document_has_its_keys_in_order_and_nothing_else(jobmgr: Client, specs: Specs) -> None:
    specs.shell("printer", 'printf "a<b"; printf x > "$JOBMGR_ARTIFACTS_DIR/x.TXT"', b="string")
    number = jobmgr.start("printer", b="1", a="2")
    jobmgr.ended(number)
    body = jobmgr.ask("GET", f"/jobs/get?id={number}").body.decode()
    times = r'"created":(?P<created>[0-9]+),"started":(?P<started>[0-9]+),"completed":(?P<completed>[0-9]+)'
    pattern = (
        rf'\{{"status":"ok","job":\{{"id":{number},"status":"completed","priority":50,"name":"printer",'
        rf'"parameters":\{{"a":"2","b":"1"\}},{times},"userID":1\}},"result":"a\\u003cb","artifacts":\[\{{'
        r'"id":[0-9]+,"name":"x\.TXT","mime":"text/plain","size":1,"uuid":"[0-9a-f-]{36}","created":[0-9]+,'
        rf'"jobID":{number}\}}\]\}}\n'
    )
    match = re.fullmatch(pattern, body)
    assert match, body
    assert int(match["created"]) <= int(match["started"]) <= int(match["completed"])


def test_of_a_failure_the_list_is_null(jobmgr: Client) -> None:
    number = jobmgr.start("no-such")
    body = jobmgr.ask("GET", f"/jobs/get?id={number}").body.decode()
    assert re.fullmatch(
        rf'\{{"status":"ok","job":\{{"id":{number},"status":"failed","priority":50,"name":"no-such","parameters":\{{\}},'
        r'"created":[0-9]+,"started":[0-9]+,"completed":[0-9]+,"userID":1\},'
        r'"result":"job does not exist\\n\\nJob directory: ","artifacts":null\}\n',
        body,
    )
