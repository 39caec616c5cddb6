"""What belongs to a snapshot, asked of the real git."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sjs.capture.listing import listed
from sjs.errors import UsageError
from tests.capture.conftest import Git, write

FILES = dict.fromkeys(("a__py", "sub__b", "build__out", "x__dat", "sub__keep__dat"), "")


def paths(folder: Path) -> set[str]:
    return {os.fsdecode(path) for path in listed(str(folder)).paths}


def repository(folder: Path, git: Git) -> None:
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "first")


def test_a_plain_folder_has_all_that_git_would_not_ignore(folder: Path) -> None:
    write(folder, a="", sub__b="", build__out="", sub__x="")
    (folder / ".gitignore").write_text("build/\n")
    (folder / "sub/.gitignore").write_text("x\n")
    os.mkfifo(folder / "jobs.pipe")
    (folder / "link").symlink_to("nowhere")
    assert paths(folder) == {".gitignore", "a", "sub/.gitignore", "sub/b", "link"}
    assert listed(str(folder)).commit == ""


def test_a_repository_has_what_is_tracked_and_what_is_new(folder: Path, git: Git) -> None:
    write(folder, kept="", gone="", changed="1", sub__ignored="but tracked")
    repository(folder, git)
    write(folder, changed="2", new="", sub__other="")
    (folder / ".gitignore").write_text("sub/\n")
    (folder / "gone").unlink()
    found = listed(str(folder))
    assert found.paths == {b".gitignore", b"kept", b"gone", b"changed", b"new", b"sub/ignored"}
    assert found.changed == {b".gitignore", b"gone", b"changed", b"new"}
    assert len(found.commit) == 40


def test_a_folder_of_a_repository_has_only_its_own(folder: Path, git: Git) -> None:
    write(folder, a="", sub__b="")
    repository(folder, git)
    write(folder, sub__b="2", a="2")
    found = listed(str(folder / "sub"))
    assert (found.paths, found.changed, len(found.commit)) == ({b"b"}, {b"b"}, 40)


def test_without_a_commit_there_is_none(folder: Path, git: Git) -> None:
    write(folder, a="")
    git("init", "-q")
    found = listed(str(folder))
    assert (found.paths, found.commit, found.changed) == ({b"a"}, "", set())


@pytest.mark.parametrize("is_repository", [True, False])
def test_what_sjsignore_names_stays_out_though_it_is_tracked(folder: Path, git: Git, is_repository: bool) -> None:
    write(folder, a="", data__x="", data__keep="", deep__data__x="", x__log="", sub__y__log="", sub__build="")
    if is_repository:
        repository(folder, git)
    (folder / ".sjsignore").write_text("# a comment\n/data/*\n!/data/keep\n*.log\nbuild/\nlog\n")
    assert paths(folder) == {".sjsignore", "a", "data/keep", "deep/data/x", "sub/build"}
    assert listed(str(folder)).changed == ({b".sjsignore"} if is_repository else set())


def test_what_belongs_to_git_or_sjs_is_never_in_it(folder: Path) -> None:
    write(folder, a="")
    for name in (".sjs", "sub/.sjs", ".sjs/jobs.pipe"):
        (folder / name).mkdir(parents=True)
        (folder / name / "jobs.db").touch()
    assert paths(folder) == {"a"}


def test_repositories_below_come_along(folder: Path, git: Git, tmp_path: Path) -> None:
    """A submodule, one in that, a clone that nobody told of, and a submodule that is not there."""
    for name in ("inner", "middle", "away"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, **{name: "", "ignored": ""})
        (tmp_path / name / ".gitignore").write_text("ignored\n")
        git("init", "-q", at=tmp_path / name)
        git("add", "-A", at=tmp_path / name)
        if name == "middle":
            git("submodule", "add", "-q", str(tmp_path / "inner"), "inner", at=tmp_path / name)
        git("commit", "-qm", "x", at=tmp_path / name)
    write(folder, a="")
    git("init", "-q")
    for name in ("middle", "away"):
        git("submodule", "add", "-q", str(tmp_path / name), name)
    git("add", "-A")
    git("commit", "-qm", "x")
    git("submodule", "update", "-q", "--init", "--recursive")
    git("submodule", "deinit", "-q", "-f", "away")
    git("clone", "-q", str(tmp_path / "inner"), "clone")
    write(folder, middle__inner__new="", middle__inner__ignored="")
    found = listed(str(folder))
    inner = {b"inner/" + name for name in (b".gitignore", b"inner", b"new")}
    middle = {b".gitignore", b".gitmodules", b"middle", *inner}
    assert found.paths == {
        b".gitmodules",
        b"a",
        *(b"middle/" + name for name in middle),
        b"clone/.gitignore",
        b"clone/inner",
    }
    assert b"middle/inner/new" in found.changed and b"clone/inner" in found.changed and b"a" not in found.changed


def test_names_that_are_no_text(folder: Path, git: Git) -> None:
    names = [b"\xff", b"new\nline", b"space ", b'"quote', "é".encode()]
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).touch()
    (folder / ".sjsignore").write_bytes(b"\xff\n")
    assert listed(str(folder)).paths == {b".sjsignore", *names[1:]}
    repository(folder, git)
    assert listed(str(folder)).paths == {b".sjsignore", *names[1:]}


def test_an_empty_folder(folder: Path) -> None:
    assert paths(folder) == set()


def test_what_a_hook_was_told_counts_for_nothing(
    folder: Path, git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, a="")
    repository(folder, git)
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    assert paths(folder) == {"a"}


def test_without_git_it_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(UsageError, match="needs git"):
        listed(str(folder))


def test_what_git_will_not_read_is_told_in_its_words(folder: Path, git: Git) -> None:
    write(folder, a="")
    repository(folder, git)
    (folder / ".git/config").write_text("[broken")
    with pytest.raises(UsageError, match="git: fatal: bad config line"):
        listed(str(folder))


def test_rules_that_cannot_be_read_are_told(folder: Path, git: Git) -> None:
    write(folder, a="")
    repository(folder, git)
    (folder / ".git/index").write_bytes(b"broken")
    with pytest.raises(UsageError, match="git: fatal: "):
        listed(str(folder))
