from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sjs.errors import UsageError
from sjs.gateway.identity.startup import Listener
from sjs.gateway.serving.running import with_inherited
from sjs.gateway.serving.sockets import inherited, listening, seen
from sjs.gateway.settings import usual
from sjs.values import replace


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sjs-gate-") as folder:
        yield Path(folder) / "new" / "gateway"


def at(path: Path) -> Listener:
    return Listener("", socket=str(path))


def test_a_socket_is_for_nobody_else_and_goes_with_who_listens(place: Path) -> None:
    with listening(at(place)):
        found = place.lstat()
        assert stat.S_ISSOCK(found.st_mode)
        assert stat.S_IMODE(found.st_mode) == 0o600
        assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
        assert os.listdir(place.parent) == ["gateway"]
    assert os.listdir(place.parent) == []


def test_what_a_killed_one_has_left_is_replaced(place: Path) -> None:
    place.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(place))
    with listening(at(place)), socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(place))


def test_where_somebody_listens_is_left_alone(place: Path) -> None:
    with listening(at(place)):
        with pytest.raises(UsageError, match=f"cannot listen at {place}: somebody listens there"), listening(at(place)):
            pass
        assert place.is_socket()


def test_what_is_no_socket_is_left_alone(place: Path) -> None:
    place.parent.mkdir()
    place.write_text("mine")
    with pytest.raises(UsageError, match="something else, which is no socket"), listening(at(place)):
        pass
    assert place.read_text() == "mine"


def test_no_socket_where_others_could_put_theirs(place: Path) -> None:
    place.parent.mkdir()
    place.parent.chmod(0o777)
    with (
        pytest.raises(UsageError, match=r"others could put a socket of theirs there \(chmod go-w "),
        listening(at(place)),
    ):
        pass
    place.parent.chmod(0o1777)
    with listening(at(place)):
        pass


def test_a_name_that_is_too_long_is_said(place: Path) -> None:
    with pytest.raises(UsageError, match="cannot listen at .*too long"), listening(at(place / ("x" * 200))):
        pass


def test_somebody_elses_socket_is_not_removed(place: Path) -> None:
    with listening(at(place)):
        place.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(place))
    assert place.is_socket()


def test_a_port_that_is_taken_is_said_in_a_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError) as found, listening(Listener("127.0.0.1", port)):
            pass
    assert str(found.value) == (
        f"cannot listen at 127.0.0.1:{port}: Address already in use"
        " (stop what listens there, or choose another --listen)"
    )


def test_a_name_that_nobody_has_is_said() -> None:
    with (
        pytest.raises(UsageError, match="cannot listen at nobody.invalid:80: "),
        listening(Listener("nobody.invalid", 80)),
    ):
        pass


def test_what_systemd_has_opened_takes_the_place_of_what_is_said(place: Path) -> None:
    """Under the name of a dialect it is that one's; what is said beside the place stays."""
    said = replace(
        usual("/x"),
        listeners=[
            Listener("0.0.0.0", 443, certificate="c", key="k"),
            Listener("127.0.0.1", 9845, dialect="jobmgr", owner="web"),
        ],
    )
    with listening(Listener("127.0.0.1", 0)) as (port,), listening(Listener("127.0.0.1", 0)) as (other,):
        numbers = [one.getsockname()[1] for one in (port, other)]
        found = with_inherited(said, [("sjs-gateway.socket", port), ("jobmgr", other)])
    assert set(found.listeners) == {
        Listener("127.0.0.1", numbers[0], certificate="c", key="k"),
        Listener("127.0.0.1", numbers[1], dialect="jobmgr", owner="web"),
    }
    with listening(at(place)) as (path,):
        assert seen(said.listeners[0], path).certificate == ""
    assert with_inherited(said, []) == said


def test_what_was_opened_for_another_process_is_not_ours() -> None:
    assert inherited({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) == []
    assert inherited({}) == []
