"""Kinds of targets that somebody else's package brings."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sjs import reach
from sjs.config import load
from sjs.dealing import identity
from sjs.errors import ConfigError, Refused, UsageError
from sjs.targets import kinds

MODULE = """\
from sjs.nodes import Checks
from sjs.targets.kinds import Kind

class Moon:
    def __init__(self, entry):
        self.name, self.entry = entry.name, entry

MOON = Kind("moon", {"phase": Checks.text, "token": Checks.text, "key": Checks.path_of}, Moon, ("phase",), ("token",))
STONE = "no kind"
"""

POINTS = """\
[sjs.targets]
moon = sjs_moon:MOON
stone = sjs_moon:STONE
gone = sjs_moon:GONE
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which we are, and a package that brings kinds."""
    info = tmp_path / "lib" / "sjs_moon-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: sjs-moon\nVersion: 1\n")
    (info / "entry_points.txt").write_text(POINTS)
    (tmp_path / "lib" / "sjs_moon.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("sjs_moon", None)


def written(home: Path, entry: str, mode: int = 0o600) -> str:
    path = home / "config.yaml"
    path.write_text(f"managers:\n  m:\n    {entry}\n")
    path.chmod(mode)
    return str(path)


def test_an_entry_of_another_kind_becomes_its_target(home: Path) -> None:
    given = written(home, "type: moon\n    phase: full\n    token: secret\n    key: k.pem")
    manager = load(given, {"HOME": str(home)}).managers[0]
    said: list[str] = []
    target = reach.target(manager, "-", {"A": "b"}, said.append)
    entry = vars(target)["entry"]
    assert (target.name, entry.environ) == ("m", {"A": "b"})
    assert entry.settings == {"phase": "full", "token": "secret", "key": str(home / "k.pem")}
    assert "secret" not in repr(manager)
    assert identity(manager)["kind"] == {"moon": {"phase": "full"}}
    with pytest.raises(Refused, match="m is a moon target: it has no machine"):
        reach.transport(manager, {}, said.append)


def test_what_is_secret_there_is_not_for_others_to_read(home: Path) -> None:
    given = written(home, "type: moon\n    token: secret", mode=0o644)
    with pytest.raises(ConfigError, match="holds a password and others can read it"):
        load(given, {"HOME": str(home)})


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("type: mon", "managers.m.type: mon is no kind of target, but gone, kubernetes, manager, moon"),
        ("type: stone", "managers.m.type: stone is brought by sjs_moon:STONE, which is no "),
        ("type: gone", "managers.m.type: gone is brought by sjs_moon:GONE, which cannot be loaded"),
        ("type: [moon]", "managers.m.type: must be text"),
        ("type: moon\n    host: h", "managers.m.host: unknown key"),
        ("type: moon\n    phase: 3", "managers.m.phase: must be text"),
        ("phase: full\n    host: h", "managers.m.phase: unknown key"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(home: Path, entry: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(home, entry), {"HOME": str(home)})
    assert complaint in str(caught.value)
    assert "config.yaml:" in str(caught.value)


def test_a_kind_that_nobody_brings_is_named(home: Path) -> None:
    with pytest.raises(UsageError, match="did you mean moon"):
        kinds.find("moom")
