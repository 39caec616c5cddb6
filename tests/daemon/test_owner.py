"""Whose a folder is, and who could put another in its place."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from sjs.daemon.ground import owner, places
from sjs.daemon.ground.places import Places

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to somebody else")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_what_is_made_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        Places(str(tmp_path), "p").make()
    finally:
        assert os.umask(before) == umask
    folders = [tmp_path / ".sjs", tmp_path / ".sjs/p", tmp_path / ".sjs/p/jobs", tmp_path / ".sjs/p/sessions"]
    assert [oct(folder.stat().st_mode & 0o777) for folder in folders] == ["0o700"] * 4
    assert (tmp_path / ".sjs/.gitignore").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    (tmp_path / ".sjs").mkdir()
    (tmp_path / ".sjs").chmod(0o777)
    Places(str(tmp_path), "p").make()
    assert (tmp_path / ".sjs").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("inside", [".sjs", ".sjs/p"])
def test_a_link_is_not_followed(tmp_path: Path, inside: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "p").mkdir(parents=True)
    (tmp_path / inside).parent.mkdir(exist_ok=True)
    (tmp_path / inside).symlink_to(elsewhere)
    for attempt in (Places(str(tmp_path), "p").check, Places(str(tmp_path), "p").make):
        with pytest.raises(NotADirectoryError, match="is no folder"):
            attempt()
    assert [path.name for path in elsewhere.rglob("*")] == ["p"]


@as_root
@pytest.mark.parametrize("inside", [".sjs", ".sjs/p"])
def test_somebody_elses_folder_is_refused(tmp_path: Path, inside: str) -> None:
    (tmp_path / ".sjs/p").mkdir(parents=True)
    os.chown(tmp_path / inside, NOBODY, NOBODY)
    with pytest.raises(PermissionError, match="belongs to somebody else .user id 65534."):
        Places(str(tmp_path), "p").check()


@as_root
def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".sjs").write_text("mine")
    with pytest.raises(NotADirectoryError):
        Places(str(tmp_path), "p").make()


# Who could put another in its place


@pytest.mark.parametrize(
    ("mode", "guarded"), [(0o700, True), (0o755, True), (0o1777, True), (0o777, False), (0o757, False), (0o775, False)]
)
def test_who_else_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, guarded: bool) -> None:
    monkeypatch.setattr(owner, "_is_only_mine", lambda group: False)
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(mode)
    below = folder / "a" / "b"
    assert owner.is_guarded(str(folder)) is owner.is_guarded(str(below)) is guarded
    below.mkdir(parents=True)
    assert owner.is_guarded(str(below)) is guarded, "who can write above it can replace all that is below"


@as_root
@pytest.mark.parametrize("mode", [0o700, 0o1777])
def test_a_folder_of_somebody_else_guards_nothing(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    os.chown(tmp_path, NOBODY, NOBODY)
    assert not owner.is_guarded(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "members", "mine"),
    [("me", [], True), ("me", ["me"], True), ("me", ["me", "you"], False), ("users", [], False)],
)
def test_a_group_of_one(monkeypatch: pytest.MonkeyPatch, name: str, members: list[str], mine: bool) -> None:
    import grp
    import pwd

    monkeypatch.setattr(grp, "getgrgid", lambda group: SimpleNamespace(gr_name=name, gr_mem=members))
    monkeypatch.setattr(pwd, "getpwuid", lambda user: SimpleNamespace(pw_name="me"))
    assert owner._is_only_mine(1000) is mine


def test_a_group_without_a_name_is_not_mine() -> None:
    assert not owner._is_only_mine(2**31 - 5)


def test_where_others_can_write_the_state_is_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    root = tmp_path / "root"
    root.mkdir()
    root.chmod(0o777)
    where = Places(str(root), "p")
    assert where.state.startswith(str(tmp_path / "home/.local/state/sjs/"))
    where.make()
    assert os.listdir(root) == []
    root.chmod(0o1777)
    assert Places(str(root), "p").is_inside, "others can add, and not replace"


def test_a_queue_in_a_folder_that_others_were_let_into_is_refused_and_not_forgotten(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    Places(str(root), "p").make()
    root.chmod(0o777)
    with pytest.raises(PermissionError, match="others can replace it, .*chmod go-w"):
        Places(str(root), "p").check()
    root.chmod(0o755)
    Places(str(root), "p").check()


def test_a_state_folder_that_was_chosen_is_the_persons_choice(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    where = Places(str(tmp_path / "root"), "p", str(tmp_path / "state"))
    where.make()
    assert not where.is_inside
    assert places.Places(str(tmp_path / "root"), "p", str(tmp_path / "root/.sjs/p")).is_inside
