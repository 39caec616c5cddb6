"""The program token, beside a gateway or before there is one."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import click
import pytest

from sjs.cli import verbs
from sjs.extras import how_to_get
from sjs.gateway.access import reached
from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.owning import owned
from tests.gateway.serving.program import AS_ROOT, Gateway


def database(gateway: Gateway) -> Path:
    return gateway.folder / "kept" / "gateway.db"


def test_a_secret_is_shown_once_and_kept_nowhere(gateway: Gateway) -> None:
    done = gateway.runs("token", "make", "ann", "--label", "portal")
    secret = done.out.strip()
    assert (done.status, len(done.out.splitlines())) == (0, 1)
    assert done.err == [f"token {secret.split('_')[1]} of ann, for submit,read,cancel: it is shown this once"]
    assert stat.S_IMODE(database(gateway).stat().st_mode) == 0o600
    kept = b"".join(path.read_bytes() for path in (gateway.folder / "kept").iterdir())
    assert secret.split("_")[1].encode() in kept
    assert secret.split("_")[2].encode() not in kept
    listed = gateway.types("token", "list").out
    assert secret.split("_")[1] in listed and secret.split("_")[2] not in listed


def test_what_is_said_of_a_token_is_kept(gateway: Gateway) -> None:
    gateway.tell({"folder": str(gateway.folder / "kept"), "limits": {"rate": 7, "queued": 70}})
    words = "--scope submit,read --scope cancel --spec train --spec test --target gpu1 --expires 30d --queued 5 --json"
    (made,) = map(json.loads, gateway.types("token", "make", "ann", *words.split()).out.splitlines())
    assert made.pop("token").split("_")[1] == made["id"]
    assert (made["scopes"], made["specs"], made["targets"]) == (
        ["submit", "read", "cancel"],
        ["test", "train"],
        ["gpu1"],
    )
    assert made["expires"] - made["created"] == 30 * 86_400
    assert (made["limits"]["rate"], made["limits"]["queued"], made["limits"]["burst"]) == (7, 5, 100)
    assert [json.loads(line) for line in gateway.types("token", "list", "--json").out.splitlines()] == [made]


def test_tokens_are_listed_by_owner_and_those_that_are_none_when_asked_for(gateway: Gateway) -> None:
    ann, bob = gateway.token(), gateway.token(owner="bob")
    names = {owner: secret.split("_")[1] for owner, secret in (("ann", ann), ("bob", bob))}
    assert [line.split()[:2] for line in gateway.types("token", "list", "--owner", "bob").out.splitlines()[1:]] == [
        [names["bob"], "bob"]
    ]
    assert gateway.types("token", "revoke", names["ann"]).status == 0
    again = gateway.types("token", "revoke", names["ann"], "ffff", names["bob"])
    assert (again.status, again.err) == (
        1,
        [f"submit: no token {name} that could be revoked" for name in (names["ann"], "ffff")],
    )
    assert gateway.types("token", "list").out.count("\n") == 1
    assert gateway.types("token", "list", "--all").out.count("revoked") == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("make", "Missing argument 'OWNER'"),
        ("make ann --scope all", "all is no scope; there are submit, read, cancel, "),
        ("make ann --scope raw", "raw goes with submit"),
        ("make ann --rate 0", "rate: is above 0"),
        ("make ann --rate nan", "rate: is above 0"),
        ("make ann --requests 0", "requests: is from 1 to "),
        (f"make ann --label {'x' * 256}", "a label has at most 255 letters"),
        ("make ann --expires never", "Invalid value for '--expires'"),
        ("revoke", "Missing argument 'ID...'"),
        ("burn", "No such command 'burn'"),
        ("", "Missing command"),
    ],
)
def test_wrong_words_are_one_line(gateway: Gateway, words: str, message: str) -> None:
    done = gateway.types("token", *words.split())
    assert (done.status, done.out, len(done.err)) == (2, "", 1), done
    assert done.err[0].startswith(f"submit: {message}"), done
    assert not database(gateway).exists()


def test_records_of_another_version_are_left_to_who_works_with_them(gateway: Gateway) -> None:
    url = f"sqlite:///{database(gateway)}"
    engine = engine_of(url)
    with owned(engine):
        done = gateway.types("token", "make", "ann")
        assert (done.status, done.out) == (255, "")
        assert "another gateway works with this database, and its records are of another version" in done.err[0]
    engine.dispose()
    assert gateway.token()
    with reached(url) as records:
        assert records.read(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM tokens").scalar()) == 1


def test_all_that_can_be_typed_is_typed_here() -> None:
    """Of options of programs: whoever adds one adds its test."""
    here = Path(__file__).parent
    text = "".join(path.read_text() for folder in (here, here.parents[1] / "worker") for path in folder.glob("*.py"))
    known = [verbs.command(name) for name in verbs.PROGRAMS]
    parts = [*known, *(one for each in known if isinstance(each, click.Group) for one in each.commands.values())]
    options = {name for part in parts for one in part.params if isinstance(one, click.Option) for name in one.opts}
    assert {name for name in options if f"{name} " not in text and f'{name}"' not in text} == set()


def test_what_is_not_installed_is_said_with_what_brings_it(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sjs.cli.gateway.NEEDED", ("no_such_package",))
    for words in (["gateway"], ["token", "list"]):
        done = gateway.types(*words)
        assert (done.status, done.err) == (
            2,
            [f"submit: the gateway needs no_such_package, which is not here ({how_to_get('gateway')})"],
        )


def test_limits_are_those_that_were_typed(gateway: Gateway) -> None:
    words = "--rate 2.5 --burst 3 --requests 4 --streams 5 --queued 6 --items 7 --label x --json"
    made = json.loads(gateway.types("token", "make", "ann", *words.split()).out)
    assert made["limits"] == {"rate": 2.5, "burst": 3, "requests": 4, "streams": 5, "queued": 6, "items": 7}


def test_another_key_signs_links_from_the_next_start_on(gateway: Gateway) -> None:
    for left in (0, 1):
        done = gateway.types("gateway", "--new-link-key")
        assert (done.status, done.out) == (0, "")
        assert f"has a new key, and {left} for links that were made before" in done.err[0]
    assert len((gateway.folder / "kept" / "link.keys").read_text().splitlines()) == 2


def test_beyond_this_machine_by_an_explicit_word_only(gateway: Gateway) -> None:
    """Where nobody can listen: so it comes as far as that."""
    gateway.token()
    words = ["gateway", *AS_ROOT, "--listen", "192.0.2.7:80"]
    assert "could be reached from elsewhere without TLS" in gateway.types(*words).err[0]
    done = gateway.types(*words, "--insecure-behind-proxy")
    assert (done.status, len(done.err)) == (2, 1)
    assert done.err[0].startswith("submit: cannot listen at 192.0.2.7:80: Cannot assign requested address")
