"""What harmed the original, or was never ended by it: none of it harms anybody here."""

from __future__ import annotations

import base64
import json
import os
import socket
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from sjs.gateway.desk import Desk
from sjs.gateway.web.jobd import uploads
from sjs.gateway.zips.limits import Limits
from sjs.gateway.zips.unpacking import Unpacked, unpack
from tests.gateway.web.jobd.speaking import Answer, Client, archive
from tests.gateway.zips.archives import Item, build
from tests.gateway.zips.corpus import quoted
from tests.live.machine import DEADLINE, open_files, until

NO_ZIP = "could not unzip file, is it base64 encoded? error: "


def failed(answer: Answer, message: str) -> None:
    said = answer.said
    assert (answer.status, said["Status"], said["Output"]) == (200, "FAILED", "")
    assert said["Message"].startswith(message), said["Message"]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({}, f"{NO_ZIP}this is no zip archive"),
        ({"input": ""}, f"{NO_ZIP}this is no zip archive"),
        ({"input": None}, f"{NO_ZIP}this is no zip archive"),
        ({"input": "bm8gemlw"}, f"{NO_ZIP}this is no zip archive"),
        ({"input": "*"}, f"{NO_ZIP}illegal base64 data at input byte 0"),
        ({"input": "QUJD\nRA"}, f"{NO_ZIP}illegal base64 data at input byte "),
        ({"input": base64.b64encode(archive("exit 0")[:-30]).decode()}, NO_ZIP),
        ({"input": base64.b64encode(archive(None, x=b"")).decode()}, "run.sh does not exist in the input file"),
        ({"input": base64.b64encode(archive(None, **{"a/run.sh": b""})).decode()}, "run.sh does not exist in the"),
        ({"input": base64.b64encode(archive(None, **{"run.sh/a": b""})).decode()}, "run.sh does not exist in the"),
    ],
)
def test_what_can_not_run_fails_and_harms_nobody(jobd: Client, sent: dict[str, str], message: str) -> None:
    answer = jobd.post(json.dumps({"id": "bad", **sent}))
    assert (answer.status, answer.said["Status"]) == (201, "QUEUED")
    failed(jobd.get("bad"), message)
    failed(jobd.get("bad"), message)
    assert jobd.run("good", "exit 0").said["Status"] == "SUCCESS"


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "a\\..\\evil", "..", "c:evil"])
def test_no_entry_leads_out_of_its_folder(jobd: Client, desk: Desk, name: str) -> None:
    content = build(Item(b"run.sh", b"#!/bin/sh\n"), Item(name.encode(), b"evil"))
    assert jobd.upload("slip", content).status == 201
    failed(jobd.get("slip"), NO_ZIP)
    assert list(Path(desk.settings.folder).rglob("*evil*")) == []


def test_a_bomb_is_refused_and_leaves_nothing(jobd: Client, desk: Desk) -> None:
    for name, content in (("ratio", archive("exit 0", big=bytes(20 << 20))), ("overlap", quoted())):
        assert jobd.upload(name, content).status == 201
        failed(jobd.get(name), NO_ZIP)
    assert os.listdir(f"{desk.settings.folder}/staging") == []


@pytest.mark.parametrize("name", ["..", "../../../tmp/evil", "/etc/passwd", "a/b", "a%2Fb", "a?b#c", "\u00fc "])
def test_an_id_is_a_name_and_no_path(jobd: Client, desk: Desk, name: str) -> None:
    before = sorted(os.listdir(desk.settings.folder))
    answer = jobd.run(name, "echo ok > it")
    assert (answer.said["ID"], answer.said["Status"], answer.files["it"]) == (name, "SUCCESS", b"ok\n")
    assert sorted(os.listdir(desk.settings.folder)) == before
    assert not os.path.exists("/tmp/evil")


@pytest.mark.parametrize("name", ["", "x" * 256, "a\0b", "a\nb"])
def test_what_is_no_name_is_refused(jobd: Client, name: str) -> None:
    answer = jobd.upload(name, archive("exit 0"))
    assert (answer.status, answer.said["error"]) == (400, "bad_request")
    assert answer.said["message"].startswith("error validating job job id ")


def test_an_upload_that_is_cut_off_leaves_nothing(jobd: Client, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    def staged() -> list[str]:
        return [path for path in open_files(os.getpid()) if f"{desk.settings.folder}/staging/" in path]

    with socket.create_connection(("127.0.0.1", jobd.port), DEADLINE) as connection:
        head = f"POST /jobd/api/upload HTTP/1.1\r\nHost: 127.0.0.1:{jobd.port}\r\nContent-Length: 9999999\r\n"
        token = jobd.headers["authorization"]
        connection.sendall(f'{head}Authorization: {token}\r\n\r\n{{"id": "cut", "input": "'.encode() + b"A" * 5_000_000)
        until(lambda: staged() != [], "some of it")
    until(lambda: staged() == [], "its end")
    assert jobd.get("cut").status == 404
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_no_more_run_than_there_are_slots(jobd: Client, tmp_path: Path) -> None:
    """Each notes how many run beside it, and ends when all others have been handed in."""
    (tmp_path / "now").mkdir()
    script = f"cd {tmp_path}; mkdir now/$$; ls now | wc -l >> seen; until [ -e all ]; do sleep 0.02; done; rmdir now/$$"
    for number in range(10):
        assert jobd.upload(f"j{number}", archive(script)).status == 201
    until(lambda: len((tmp_path / "seen").read_text().split()) == 4 if (tmp_path / "seen").exists() else False, "four")
    (tmp_path / "all").touch()
    assert {jobd.ended(f"j{number}").said["Status"] for number in range(10)} == {"SUCCESS"}
    seen = [int(word) for word in (tmp_path / "seen").read_text().split()]
    assert len(seen) == 10
    assert max(seen) <= 4, "two queues of two slots"


def test_an_archive_that_takes_long_to_unpack_runs_once(
    jobd: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile nobody is told that there is such a job, and others are answered, be it who brings the same id."""
    begun, go_on = threading.Event(), threading.Event()

    def slowly(source: BinaryIO, folder: str, limits: Limits) -> Unpacked:
        if not begun.is_set():
            begun.set()
            assert go_on.wait(DEADLINE)
        return unpack(source, folder, limits)

    monkeypatch.setattr(uploads, "unpack", slowly)
    answers: list[Answer] = []
    content = archive(f"echo ran >> {tmp_path}/ran")
    first = threading.Thread(target=lambda: answers.append(jobd.upload("long", content)))
    first.start()
    assert begun.wait(DEADLINE)
    assert jobd.get("long").status == 404
    assert jobd.upload("long", content).status == 201
    assert jobd.ended("long").said["Status"] == "SUCCESS"
    go_on.set()
    first.join()
    assert [answer.status for answer in answers] == [400]
    assert jobd.run("other", "exit 0").said["Status"] == "SUCCESS"
    assert (tmp_path / "ran").read_text() == "ran\n"


def test_a_file_that_can_not_be_had_makes_the_output_partial(jobd: Client, desk: Desk) -> None:
    most = desk.settings.jobd.most_output
    answer = jobd.run("part", f"truncate -s {most + 1} large; echo small > small")
    assert (answer.status, answer.said["Status"]) == (206, "PARTIAL")
    assert answer.said["Message"].startswith("job finished successfully, but not all that it has left is here: large: ")
    assert answer.files.keys() == {"run.sh", "small"}
