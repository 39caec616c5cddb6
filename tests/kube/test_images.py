"""What Harbor says of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from sjs.answers import Image
from sjs.errors import ConfigError, LinkLost, NotReached, Refused, SjsError
from sjs.targets.kubernetes import settings
from sjs.targets.kubernetes.harbor import Images
from sjs.values import replace
from tests.kube.harbor import Artifact, Harbor, Repository

BASE = Repository("base", (Artifact(("1", "latest")), Artifact(()), Artifact(("0.9",))), "# Base\n\nFor *all*.")
TORCH = Repository("team/torch", tuple(Artifact((str(number),)) for number in range(120)))
MANY = [Repository(f"many-{number:03}", ()) for number in range(150)]


@pytest.fixture(scope="module")
def harbor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbor]:
    with Harbor(tmp_path_factory.mktemp("harbor")) as made:
        made.add("lab", BASE, TORCH, *MANY)
        made.add_robot("lab+reader", "secret")
        yield made


@pytest.fixture
def entry(harbor: Harbor) -> settings.Harbor:
    harbor.registry.seen.clear()
    return settings.Harbor(harbor.url, "lab", "robot$lab+reader", "secret", str(harbor.ca_file))


def lists(harbor: Harbor) -> list[str]:
    """The pages of images that were asked for."""
    return [path for path in harbor.registry.seen if "/repositories?" in path]


def test_all_images_with_all_tags_however_many_pages_they_are(harbor: Harbor, entry: settings.Harbor) -> None:
    found = {one.name: one for one in Images(entry).all()}
    assert list(found) == sorted(one.name for one in (BASE, TORCH, *MANY))
    assert found["base"] == Image("base", ("1", "latest", "0.9"), "# Base\n\nFor *all*.")
    assert (len(found["team/torch"].tags), found["many-000"].tags) == (120, ())
    assert len(lists(harbor)) == 2


def test_one_image_and_no_list_of_all(harbor: Harbor, entry: settings.Harbor) -> None:
    assert Images(entry).one("lab/base").tags == ("1", "latest", "0.9")
    assert Images(entry).one("team/torch").description == ""
    assert not lists(harbor)


def test_an_image_that_is_not_there(entry: settings.Harbor) -> None:
    with pytest.raises(Refused, match=r"no image 'bose' in project 'lab'.*did you mean base"):
        Images(entry).one("bose")


@pytest.mark.parametrize(
    ("change", "kind", "complaint"),
    [
        (lambda one: replace(one, user="", password=""), Refused, "refuses who does not log in"),
        (lambda one: replace(one, password="wrong"), Refused, "refuses 'robot"),
        (lambda one: replace(one, project="nope"), Refused, "no project 'nope' that 'robot$lab+reader' may see"),
        (lambda one: replace(one, ca_file=""), NotReached, "'harbor.ca_file' names the certificate"),
        (lambda one: replace(one, ca_file="/nowhere"), ConfigError, "harbor.ca_file /nowhere"),
        (lambda one: replace(one, url="https://127.0.0.1:1"), NotReached, "Connection refused"),
    ],
)
def test_what_goes_wrong_is_one_line(
    entry: settings.Harbor, change: Callable[[settings.Harbor], settings.Harbor], kind: type[SjsError], complaint: str
) -> None:
    with pytest.raises(kind) as caught:
        Images(change(entry)).all()
    assert complaint in str(caught.value)


def test_a_certificate_need_not_be_looked_at(entry: settings.Harbor) -> None:
    assert Images(replace(entry, ca_file="", insecure=True)).one("base").tags


def test_who_it_sends_us_on_to_is_not_told_the_password(entry: settings.Harbor) -> None:
    told: list[tuple[str, str | None]] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.append((self.path, self.headers["Authorization"]))
            self.send_response(200 if self.path == "/login" else 302)
            self.send_header("Location", "/login")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        asked = replace(entry, url=f"http://127.0.0.1:{server.server_port}", ca_file="")
        with pytest.raises(LinkLost, match="is not what Harbor would"):
            Images(asked).one("base")
        server.shutdown()
    assert [(path, login is not None) for path, login in told[-2:]] == [(told[0][0], True), ("/login", False)]
    assert "secret" not in repr(entry)


def test_a_registry_in_trouble(harbor: Harbor, entry: settings.Harbor, tmp_path: Path) -> None:
    harbor.registry.faults.answer(503)
    with pytest.raises(LinkLost, match="answers 503"):
        Images(entry).all()
    harbor.registry.faults.reset()
    with pytest.raises(SjsError, match="is not reached|broke"):
        Images(entry).all()
