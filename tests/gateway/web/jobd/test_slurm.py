"""What says `slurml`, where a target is named for that."""

from __future__ import annotations

import pytest

from sjs.gateway.desk import Desk
from sjs.gateway.settings import Jobd, Settings, usual
from sjs.values import replace
from tests.gateway.web.jobd.speaking import Client, archive


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return replace(usual(str(tmp_path_factory.mktemp("gateway"))), jobd=Jobd("a", slurml_target="b"))


def test_it_goes_there_and_all_else_where_all_goes(jobd: Client, desk: Desk) -> None:
    assert jobd.upload("here", archive("exit 0")).status == 201
    assert jobd.upload("there", archive("echo hpc > it"), slurml=True).status == 201
    assert jobd.ended("here").said["SlurmID"] == 0
    answer = jobd.ended("there")
    assert answer.files["it"] == b"hpc\n"
    assert (answer.said["Slurml"], answer.said["Status"]) == (True, "SUCCESS")
    here, there = desk.shelf.get(1), desk.shelf.get(2)
    assert here is not None
    assert there is not None
    assert (here.target, there.target) == ("a", "b")
    assert answer.said["SlurmID"] == there.number


def test_what_is_no_archive_fails_with_its_message_there_too(jobd: Client) -> None:
    assert jobd.upload("bad", b"no zip", slurml=True).status == 201
    said = jobd.get("bad").said
    assert (said["Status"], said["Slurml"], said["SlurmID"]) == ("FAILED", True, 0)
    assert said["Message"].startswith("could not unzip file, is it base64 encoded? error: ")
