from __future__ import annotations

import builtins
import os
from pathlib import Path

import pytest

from sjs.errors import ConfigError
from sjs.gateway.specs import folder
from sjs.gateway.specs.folder import BadName, NoSpec, SpecFolder
from sjs.gateway.specs.spec import JobSpec, is_name

LATER = 10.0
"""After any write of a test, by more than a file system's coarsest clock."""


class Reads:
    """How often files were read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths: list[str] = []
        read = folder._contents

        def counted(path: str) -> tuple[bytes, os.stat_result]:
            self.paths.append(os.path.basename(path))
            return read(path)

        monkeypatch.setattr(folder, "_contents", counted)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


def specs(path: Path, age: float = LATER) -> SpecFolder:
    """As it is seen so long after now."""
    import time

    return SpecFolder(str(path), lambda: time.time() + age)


def test_both_formats_are_found_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("Command = 'true'")
    (tmp_path / "b-1.yaml").write_text("command: [true, x]")
    found = specs(tmp_path)
    assert found.find("a").command == (("true",),)
    assert found.find("b-1").command == (("true",), ("x",))
    assert found.find("a").path == str(tmp_path / "a.toml")
    assert found.names() == ["a", "b-1"]


def test_it_is_read_again_only_when_it_has_changed(tmp_path: Path, reads: Reads) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("command: [one]")
    found = specs(tmp_path)
    first = found.find("a")
    assert all(found.find("a") is first for _ in range(100))
    assert reads.paths == ["a.yaml"]
    file.write_text("command: [two]")
    assert found.find("a").command == (("two",),)
    assert found.find("a").digest != first.digest
    assert reads.paths == ["a.yaml"] * 2


def test_a_change_within_the_clock_of_the_file_system_is_seen(tmp_path: Path, reads: Reads) -> None:
    """Same size, same times, same file: nothing shows from outside that it was written twice in a moment."""
    file = tmp_path / "a.yaml"
    file.write_text("command: [one]")
    found = specs(tmp_path, age=0)
    first = found.find("a")
    assert found.find("a") is first, "the same text is not made a spec again"
    os.utime(file, ns=(1, file.stat().st_mtime_ns))
    file.write_text("command: [two]")
    assert found.find("a").command == (("two",),)
    assert reads.paths == ["a.yaml"] * 3, "while it is that young, it is looked into each time"


def test_a_wrong_one_is_told_with_its_line_while_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("command: [true]")
    (tmp_path / "bad.yaml").write_text("command: [true]\ntimeout: 3")
    (tmp_path / "odd.toml").write_text("Command = 'true'\n[[Parameter]]\nName = 'a'\nType = 'float'")
    found = specs(tmp_path)
    with pytest.raises(ConfigError, match="bad.yaml:2: timeout: unknown key"):
        found.find("bad")
    listed = dict(found.listing())
    assert isinstance(listed["good"], JobSpec)
    assert str(listed["bad"]).startswith(f"{tmp_path}/bad.yaml:2: timeout: unknown key")
    assert isinstance(listed["odd"], JobSpec)
    assert "'float' is none" in listed["odd"].notes[0]


def test_what_a_file_said_before_it_was_wrong_is_not_used(tmp_path: Path, reads: Reads) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("command: [one]")
    found = specs(tmp_path)
    assert found.find("a").command == (("one",),)
    file.write_text("command: [one")
    for _ in range(3):
        with pytest.raises(ConfigError):
            found.find("a")
    assert reads.paths == ["a.yaml"] * 2, "nor is a wrong one read again and again"
    file.write_text("command: [one]")
    assert found.find("a").command == (("one",),)


def test_one_that_goes_is_gone_and_can_come_again(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("command: [one]")
    found = specs(tmp_path)
    found.find("a")
    (tmp_path / "a.yaml").unlink()
    with pytest.raises(NoSpec, match="there is no spec 'a'"):
        found.find("a")
    assert found._kept == {}
    (tmp_path / "a.toml").write_text("Command = 'two'")
    assert found.find("a").command == (("two",),)


def test_two_files_of_one_name_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("command: [one]")
    (tmp_path / "a.toml").write_text("Command = 'two'")
    found = specs(tmp_path)
    with pytest.raises(ConfigError, match=r"a.toml: there is a.yaml, too \(remove one of them\)"):
        found.find("a")
    assert found.names() == ["a"]


NO_NAMES = [
    "",
    ".",
    "..",
    "a.b",
    "a/b",
    "../a",
    "/etc/passwd",
    "a\\b",
    "a b",
    "a\0",
    "a\n",
    "a" * 101,
    "\ud800",
    "a\u202eb",
]


@pytest.mark.parametrize("name", NO_NAMES)
def test_no_file_is_looked_for_by_what_is_no_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*given: object) -> None:
        raise AssertionError("no file was to be looked for")

    monkeypatch.setattr(folder, "_seen", never)
    monkeypatch.setattr(builtins, "open", never)
    assert not is_name(name)
    with pytest.raises(BadName, match="no spec can be called"):
        specs(tmp_path).find(name)


def test_other_files_are_no_specs(tmp_path: Path) -> None:
    for name in (".hidden.yaml", "a.yaml~", "a.yml", "b c.yaml", "a.b.toml", "README", ".toml", "#a.toml#"):
        (tmp_path / name).write_text("command: [true]")
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    found = specs(tmp_path)
    assert found.names() == ["folder", "pipe"]
    assert [str(error) for _, error in found.listing()] == [
        f"{tmp_path}/folder.yaml: Is a directory",
        f"{tmp_path}/pipe.yaml: is no file",
    ]


def test_who_else_may_write_it_could_choose_what_is_run(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("command: [true]")
    file.chmod(0o664)
    found = specs(tmp_path)
    with pytest.raises(ConfigError, match="a.yaml: others can write to it"):
        found.find("a")
    file.chmod(0o600)
    assert found.find("a")
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigError, match="others can write to it, and so change what is run"):
        specs(tmp_path).find("a")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("command: [true]")
    os.chown(tmp_path / "a.yaml", 12345, -1)
    with pytest.raises(ConfigError, match="belongs to another user"):
        specs(tmp_path).find("a")


def test_too_large_ones_and_folders_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("command: [true]\n#" + "x" * folder.MOST_BYTES)
    with pytest.raises(ConfigError, match="has more than 262144 bytes"):
        specs(tmp_path).find("a")
    with pytest.raises(ConfigError, match="none: No such file or directory"):
        specs(tmp_path / "none").names()
    with pytest.raises(NoSpec):
        specs(tmp_path / "none").find("a")


def test_a_link_to_a_file_is_as_good(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("command: [true]")
    (tmp_path / "a.yaml").symlink_to("real")
    assert specs(tmp_path).find("a").command == (("true",),)
