"""What config.yaml says of the gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from sjs.config import load, parse
from sjs.errors import ConfigError
from sjs.gateway.identity.limits import Limits
from sjs.gateway.identity.startup import Listener
from sjs.gateway.records.retention import Keep
from sjs.gateway.section import KEYS, OF_A_DIALECT, listener_of, settings_of
from sjs.gateway.settings import Jobd, Settings, usual
from sjs.values import fields, replace

WHOLE = """\
managers:
  hpc: {transport: local, root: /h}
  one: {transport: local, root: /o}
groups: {farm: one}
gateway:
  folder: /var/lib/sjs
  database: {env: DATABASE}
  specs: specs
  listen: ['0.0.0.0:443', '[::1]:80', /run/sjs/gateway]
  certificate: gate.pem
  key: /etc/sjs/gate.key
  hosts: gate.example.org
  origins: [https://portal.example.org, 'http://localhost:3000']
  dialects:
    jobmgr: {owner: web}
    jobd: {listen: '192.0.2.7:8081', owner: lab, beyond_loopback: true}
  artifacts: {store: s3, bucket: results}
  most_body: 2M
  most_upload: 4G
  most_requests: 50
  limits: {rate: 2.5, queued: 10}
  patience: 5s
  farewell: 1m
  heartbeat: 9s
  links: 1d
  link_keys: ~/keys
  keep: {days: 30, jobs: 0, output_bytes: 1G, artifact_bytes: 0, event_days: 0.5, dry: true}
  jobd: {target: 'any:@farm', slurml_target: hpc, most_unpacked: 1G, most_output: 2G}
"""

ENVIRON = {"HOME": "/home/you", "DATABASE": "postgresql://sjs:secret@db/sjs"}


def read(text: str, environ: dict[str, str] = ENVIRON) -> Settings:
    layer = parse(text.encode(), "/etc/sjs/config.yaml", environ)
    nothing = load(None, {"HOME": "/nowhere"})
    managers = tuple(layer.managers.values())
    config = replace(nothing, managers=managers, groups=layer.groups, gateway=layer.gateway)
    return settings_of(config, environ)


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_all_that_can_be_said() -> None:
    files = "/etc/sjs/gate.pem", "/etc/sjs/gate.key"
    assert read(WHOLE) == Settings(
        folder="/var/lib/sjs",
        database="postgresql://sjs:secret@db/sjs",
        specs="/etc/sjs/specs",
        listeners=[
            Listener("0.0.0.0", 443, "", *files),
            Listener("::1", 80, "", *files),
            Listener("", socket="/run/sjs/gateway"),
            Listener("127.0.0.1", 9845, dialect="jobmgr", owner="web"),
            Listener("192.0.2.7", 8081, dialect="jobd", owner="lab", beyond=True),
        ],
        artifacts={"store": "s3", "bucket": "results"},
        hosts=("gate.example.org",),
        origins=("https://portal.example.org", "http://localhost:3000"),
        most_body=2 << 20,
        most_upload=4 << 30,
        most_requests=50,
        limits=Limits(rate=2.5, queued=10),
        patience=5.0,
        farewell=60.0,
        heartbeat=9.0,
        links=86_400,
        link_keys="/home/you/keys",
        keep=Keep(days=30.0, jobs=0, output_bytes=1 << 30, artifact_bytes=0, event_days=0.5, dry=True),
        jobd=Jobd("any:@farm", "hpc", 1 << 30, 2 << 30),
    )


def test_a_word_is_enough_and_none_is() -> None:
    assert read("managers: {}") == usual("/home/you/.local/state/sjs/gateway")
    assert read("gateway:") == read("managers: {}")
    moved = read("gateway: {folder: /srv/sjs}")
    assert (moved.database, moved.specs) == ("sqlite:////srv/sjs/gateway.db", "/srv/sjs/jobspecs")
    assert moved.link_key_file == "/srv/sjs/link.keys"


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(read(WHOLE))


WRONG = {
    "lisen: x": "gateway.lisen: unknown key; did you mean listen?",
    "listen: here": "gateway.listen: 'here' is no HOST:PORT, and no path of a socket, which begins with a /",
    "listen: '127.0.0.1:99999'": "gateway.listen: '127.0.0.1:99999' is no HOST:PORT",
    "listen: 8765": "gateway.listen: must be text (put it in quotes)",
    "hosts: [a, 7]": "gateway.hosts: must be text",
    "origins: gate.example": "gateway.origins: 'gate.example' is no origin (as https://gate.example.org)",
    "origins: https://a/b": "gateway.origins: 'https://a/b' is no origin",
    "database: g.db": "gateway.database: is no URL of a database",
    "database: {path: x}": "gateway.database.path: unknown key",
    "database: {env: A, file: b}": "gateway.database: is one of env and file",
    "database: {env: NOTHING}": "gateway.database: the variable NOTHING is not set",
    "database: {file: /nowhere}": "gateway.database: /nowhere: No such file or directory",
    "dialects: {slurm: {}}": "gateway.dialects.slurm: unknown key",
    'dialects: {jobd: {owner: "a\\tb"}}': "gateway.dialects.jobd.owner: has 1 to 100 printable characters",
    "dialects: {jobd: {port: 1}}": "gateway.dialects.jobd.port: unknown key",
    "dialects: {jobd: {beyond_loopback: 1}}": "gateway.dialects.jobd.beyond_loopback: must be true or false",
    "jobd: {targets: a}": "gateway.jobd.targets: unknown key; did you mean target?",
    "jobd: {slurml_target: 7}": "gateway.jobd.slurml_target: must be text",
    "jobd: {target: gpu}": "gateway.jobd.target: unknown target 'gpu'",
    "jobd: {slurml_target: 'any:@farm'}": "gateway.jobd.slurml_target: unknown group",
    "jobd: {most_output: much}": "gateway.jobd.most_output: 'much' is no size",
    "artifacts: {store: tape}": "gateway.artifacts.store: is folder or s3, not 'tape'",
    "artifacts: {store: folder, path: here}": "gateway.artifacts.path: begins with a /: 'here'",
    "artifacts: {store: s3, bucket: abc, secret_access_key: x}": "gateway.artifacts.access_key_id: is missing",
    "artifacts: !!python/none x": "gateway.artifacts: holds something that is no plain value",
    "most_body: much": "gateway.most_body: 'much' is no size",
    "most_requests: 0": "gateway.most_requests: must be from 1 to 1000000, not 0",
    "limits: {speed: 1}": "gateway.limits.speed: unknown key",
    "limits: {burst: -1}": "gateway.limits.burst: must be from 0",
    "limits: {rate: 0}": "gateway.limits.rate: is above 0",
    "limits: {burst: 0}": "gateway.limits.burst: is from 1",
    "patience: soon": "gateway.patience: 'soon' is no duration",
    "keep: {weeks: 1}": "gateway.keep.weeks: unknown key",
    "keep: {days: long}": "gateway.keep.days: must be a number, as 12 or 0.5",
    "keep: {artifact_bytes: many}": "gateway.keep.artifact_bytes: 'many' is no size",
    "links: 0": "gateway.links: '0' is no duration",
}


@pytest.mark.parametrize("said", WRONG)
def test_what_is_wrong_is_named_with_its_line_and_key(said: str) -> None:
    with pytest.raises(ConfigError) as found:
        read(f"gateway:\n  folder: /x\n  {said}\n")
    assert str(found.value).startswith(f"/etc/sjs/config.yaml:3: {WRONG[said]}")


def test_the_line_of_what_is_wrong_within_artifacts() -> None:
    with pytest.raises(ConfigError, match=r"^/etc/sjs/config\.yaml:5: gateway\.artifacts\.region: "):
        read("gateway:\n  artifacts:\n    store: s3\n    bucket: abc\n    region: a b\n")


def test_a_password_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text("gateway: {database: 'mariadb://sjs:hunter2@db/sjs'}\n")
    path.chmod(0o644)
    with pytest.raises(ConfigError) as found:
        settings_of(load(str(path), ENVIRON), ENVIRON)
    assert "has a password, and others can read this file (chmod go-r" in str(found.value)
    assert "hunter2" not in str(found.value)
    path.chmod(0o600)
    assert settings_of(load(str(path), ENVIRON), ENVIRON).database == "mariadb://sjs:hunter2@db/sjs"
    path.write_text("gateway: {database: 'mariadb://sjs@db/sjs'}\n")
    path.chmod(0o644)
    assert settings_of(load(str(path), ENVIRON), ENVIRON).database == "mariadb://sjs@db/sjs"


def test_a_file_that_only_lies_there_says_nothing_of_it(tmp_path: Path) -> None:
    """But what it says else counts, and the other verbs go on."""
    path = tmp_path / "config.yaml"
    path.write_text("managers: {}\ngateway: {listen: '0.0.0.0:80'}\n")
    path.chmod(0o600)
    config = load(None, ENVIRON)
    with pytest.raises(ConfigError, match=r"^config\.yaml:2: gateway: says who may ask, and this file was not named"):
        settings_of(config, ENVIRON)
    assert settings_of(load("config.yaml", ENVIRON), ENVIRON).listeners == [Listener("0.0.0.0", 80)]


@pytest.mark.parametrize("text", ["", "host", ":", "a b:1", "host:", "host:x", "::1:80", "[::1]", "host:65536"])
def test_what_is_no_place_to_listen(text: str) -> None:
    with pytest.raises(ValueError, match="is no HOST:PORT"):
        listener_of(text)


def test_places_to_listen() -> None:
    assert listener_of("*:80") == listener_of(":80") == Listener("", 80)
    assert listener_of("localhost:0") == Listener("localhost", 0)
    assert listener_of("[2001:db8::1]:443") == Listener("2001:db8::1", 443)
    assert listener_of("/run/a:80") == Listener("", socket="/run/a:80")


def test_the_example_shows_every_key_and_what_is_usual(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    (tmp_path / "gateway.url").write_text("mariadb://sjs:secret@db/sjs\n")
    (tmp_path / "gateway.url").chmod(0o600)
    text = (Path(__file__).parents[3] / "config.yaml.example").read_text()
    lines = text.partition("# gateway:\n")[2].split("\n\n")[0].splitlines()
    shown = "gateway:\n" + "".join(f"{line[2:]}\n" for line in lines if line.startswith("#   "))
    shown += "managers: {cluster: {transport: local, root: /c}}\n"
    layer = parse(shown.encode(), "/etc/sjs/config.yaml", environ)
    assert layer.gateway
    place, node = layer.gateway.place, layer.gateway.node
    said = place.pairs(node, "", ())
    assert set(said) == set(KEYS)
    for key, known in (("limits", fields(Limits)), ("keep", fields(Keep)), ("jobd", fields(Jobd))):
        assert set(place.pairs(said[key], "", ())) == set(known)
    for entry in place.pairs(said["dialects"], "", ()).values():
        assert set(place.pairs(entry, "", ())) <= set(OF_A_DIALECT)
    found = read(shown, environ)
    found = replace(found, jobd=replace(found.jobd, slurml_target=""))
    assert replace(found, **{name: getattr(usual(found.folder), name) for name in _SHOWN}) == usual(found.folder)


_SHOWN = ("database", "listeners", "hosts", "origins", "artifacts", "link_keys", "hooks_allow", "path")
"""What is shown with something that is not usual."""
