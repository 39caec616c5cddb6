from __future__ import annotations

import json
from pathlib import Path

import pytest

from sjs.errors import BadRequest, UsageError
from sjs.values import replace
from sjs.worker import bringing
from sjs.worker.order import ONCE, Order, from_json, stage_of, to_json

ORDER = Order("https://h", "p", "s", ("x", "{}"), slots=2, until=ONCE, idle=3.0, farewell=5.0, cwd="sub")


def laid(folder: Path, order: Order) -> None:
    for name, data in bringing.files(order, "the-token").items():
        (folder / name).write_bytes(data)


def test_an_order_arrives_as_it_was_given(tmp_path: Path) -> None:
    laid(tmp_path, ORDER)
    assert bringing.read(str(tmp_path)) == (ORDER, "the-token")


def test_the_token_is_read_once(tmp_path: Path) -> None:
    laid(tmp_path, ORDER)
    bringing.read(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["order"]
    with pytest.raises(UsageError, match="the token was read before"):
        bringing.read(str(tmp_path))


def test_authorities_go_along(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("who signs")
    (tmp_path / "there").mkdir()
    laid(tmp_path / "there", replace(ORDER, authorities=str(tmp_path / "ca.pem")))
    order, _ = bringing.read(str(tmp_path / "there"))
    assert Path(order.authorities).read_text() == "who signs"
    assert str(tmp_path / "ca.pem") not in (tmp_path / "there" / "order").read_text()


def test_what_a_newer_one_says_more_is_nothing() -> None:
    said = {**json.loads(to_json(ORDER)), "newer": 1}
    assert from_json(json.dumps(said).encode()) == ORDER


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'"x"', b"{}", b'{"argv": ["x"]}', b'{"argv": 1}'])
def test_what_is_no_order_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest, match="this is no order for a worker"):
        from_json(data)


@pytest.mark.parametrize(("said", "meant"), [("2", 2), ("02", 2), ("encode", "encode"), ("²", "²"), ("-1", "-1")])
def test_a_stage_is_told_by_its_number_or_its_name(said: str, meant: object) -> None:
    assert stage_of(said) == meant


def test_a_worker_is_called_by_its_machine_and_job() -> None:
    name = bringing.name_of({"SJS_JOB_ID": "17"})
    assert name.endswith(":17") and bringing.name_of({}) != name
