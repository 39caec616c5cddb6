from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.config import Config, Manager, load, parse
from sjs.errors import ConfigError
from sjs.targets import kinds
from sjs.values import fields
from tests.texts import texts

WHOLE = """\
managers:
  gpu1:
    host: gpu1.example.org
    port: 2222
    user: me
    project_root: ~/project
    pipe: my.pipe
    default_max_jobs: 0
    state_dir: ~/state
    datadir: /data
  here:
    transport: local
    root: ~/here
    state_dir: state
deployment:
  project_url: https://example.org/project.git
  datasets:
    digits: ~/digits
"""

ENTRY = "managers:\n  NAME:\n    transport: local\n    project_root: /x\n"
ONE = ENTRY.replace("NAME", "m")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, in which we are."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def loaded(home: Path, given: str | None = None, **environ: str) -> Config:
    return load(given, {"HOME": str(home), **environ})


def complaint(text: str, home: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text.encode(), "config.yaml", {"HOME": str(home)})
    return str(caught.value)


def test_all_keys_are_read(home: Path) -> None:
    write(home / "config.yaml", WHOLE)
    config = loaded(home)
    gpu1 = Manager(
        name="gpu1",
        transport="ssh",
        project_root="~/project",
        pipe="my.pipe",
        host="gpu1.example.org",
        port=2222,
        user="me",
        default_max_jobs=0,
        state_dir="~/state",
        datadir="/data",
    )
    assert config.managers == (gpu1, Manager("here", "local", f"{home}/here", state_dir=f"{home}/state"))
    assert config.deployment.project_url == "https://example.org/project.git"
    assert config.deployment.datasets == {"digits": f"{home}/digits"}


def test_without_a_config_there_is_local(home: Path) -> None:
    config = loaded(home)
    assert config.everyone == (Manager("local", "local", f"{home}/.local/state/sjs/local", builtin=True),)
    assert loaded(home, XDG_STATE_HOME="/state").local.project_root == "/state/sjs/local"


def test_local_is_there_beside_a_config_but_not_meant_by_all(home: Path) -> None:
    write(home / "config.yaml", ONE)
    config = loaded(home)
    assert (config.names, [one.name for one in config.everyone]) == (["m", "local"], ["m"])
    assert config.find("local") == config.local


def test_a_configured_local_replaces_the_built_in_one(home: Path) -> None:
    write(home / "config.yaml", ENTRY.replace("NAME", "local"))
    config = loaded(home)
    assert (config.names, config.find("local")) == (["local"], Manager("local", "local", "/x"))


def test_later_layers_replace_whole_entries(home: Path) -> None:
    write(
        home / ".config/sjs/config.yaml",
        "managers:\n  a: {host: old, password: x, project_root: p}\n  b: {host: b, root: p}\n",
    )
    write(home / "config.yaml", "managers:\n  a: {host: new, project_root: q}\n")
    config = loaded(home)
    assert [(one.name, one.host, one.password) for one in config.managers] == [("a", "new", ""), ("b", "b", "")]
    assert config.sources == (f"{home}/.config/sjs/config.yaml", "config.yaml")


def test_a_given_file_stands_instead_of_the_one_here(home: Path) -> None:
    write(home / "config.yaml", ONE)
    write(home / "other.yaml", ENTRY.replace("NAME", "other"))
    assert [one.name for one in loaded(home, "other.yaml").managers] == ["other"]


HOOKED = ONE + "    on_finish: ./told.sh --all\n"


def test_commands_for_jobs_count_in_files_that_somebody_chose(home: Path) -> None:
    """And not in one that came with a folder: who goes there may not know what it says."""
    write(home / ".config/sjs/config.yaml", HOOKED)
    assert loaded(home).managers[0].hooks == {"on_finish": "./told.sh --all"}
    write(home / "config.yaml", HOOKED)
    assert loaded(home, "config.yaml").managers[0].hooks == {"on_finish": "./told.sh --all"}
    with pytest.raises(
        ConfigError, match="config.yaml: managers.m.on_finish: runs commands.*configure --on-finish CMD"
    ):
        loaded(home)


def test_a_given_file_must_be_there(home: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere.yaml: no such file"):
        loaded(home, "nowhere.yaml")


def test_a_relative_root_starts_where_the_file_lies(home: Path) -> None:
    write(home / "deep/config.yaml", "managers: {m: {transport: local, root: work}}")
    assert loaded(home, "deep/config.yaml").managers[0].project_root == f"{home}/deep/work"


@pytest.mark.parametrize("text", ["", "# nothing\n", "managers:\n", "managers: {}\n", "deployment:\n"])
def test_an_empty_config_is_none(home: Path, text: str) -> None:
    write(home / "config.yaml", text)
    assert loaded(home).managers == ()


def test_groups_name_sets_also_of_what_another_file_has(home: Path) -> None:
    write(
        home / ".config/sjs/config.yaml", "groups:\n  one: m\n  two: [m, '@one', other]\n" + ENTRY.replace("NAME", "m")
    )
    write(home / "config.yaml", "groups:\n  one: [other]\n" + ENTRY.replace("NAME", "other"))
    groups = loaded(home).known.groups
    assert groups == {"one": "other", "two": "m,@one,other"}


@pytest.mark.parametrize(
    ("groups", "line", "wanted"),
    [
        ("  g: [m]\n  h: [m, nobody]\n", 3, "groups.h: unknown target 'nobody'"),
        ("  g: ['@h']\n", 2, "groups.g: unknown group '@h' (the groups are g)"),
        ("  g: '@h'\n  h: '@g'\n", 2, "groups.g: a group that is made of itself: @g -> @h -> @g"),
        ("  g: ['!m']\n", 2, "groups.g: '!m' leaves nobody"),
    ],
)
def test_groups_that_mean_nobody_are_named_with_their_line(home: Path, groups: str, line: int, wanted: str) -> None:
    write(home / "config.yaml", "groups:\n" + groups + ONE)
    with pytest.raises(ConfigError) as caught:
        loaded(home)
    assert str(caught.value).startswith(f"config.yaml:{line}: {wanted}")


WRONG = [
    ("groups: [a]\n", 1, "groups: must be a mapping"),
    ("groups:\n  'a b': [m]\n", 2, "groups.a b: a name is made of"),
    ("groups:\n  g:\n", 2, "groups.g: must be text"),
    ("groups:\n  g: []\n", 2, "groups.g: has no targets"),
    ("groups:\n  g:\n    - m\n    - 5\n", 4, "groups.g: must be text"),
    ("groups:\n  g: [m]\n  g: [m]\n", 3, "groups.g: stands here twice"),
    ("manager: {}\n", 1, "manager: unknown key; did you mean managers?"),
    ("managers: [a]\n", 1, "managers: must be a mapping, key: value"),
    ("- a\n", 1, "the file: must be a mapping, key: value"),
    ("managers:\n  m: 5\n", 2, "managers.m: must be a mapping, key: value"),
    ("managers:\n  any: {host: h}\n", 2, "managers.any: this name means a choice"),
    ("managers:\n  '*': {host: h}\n", 2, "managers.*: this name means a choice"),
    ("managers:\n  a,b: {host: h}\n", 2, "managers.a,b: a name is made of letters"),
    ("managers:\n  -x: {host: h}\n", 2, "managers.-x: a name is made of letters"),
    ("managers:\n  m: {host: h, root: a, project_root: b}\n", 2, "managers.m.root: is the same as project_root"),
    ("managers:\n  m: {host: h}\n", 2, "managers.m: has no project_root"),
    ("managers:\n  m: {root: /x}\n", 2, "managers.m: has no host ('transport: local' means this machine)"),
    ("managers:\n  m: {root: /x, transport: ssh}\n", 2, "managers.m: has no host to reach by ssh"),
    ("managers:\n  m: {root: /x, transport: local,\n    host: h}\n", 3, "managers.m.host: has no meaning with"),
    ("managers:\n  m: {host: h, root: r}\n  m: {host: h, root: r}\n", 3, "managers.m: stands here twice"),
    ("managers: {}\nmanagers: {}\n", 2, "managers: stands here twice"),
    ("managers:\n  ? [a]\n  : b\n", 2, "managers.…: a key must be a plain word"),
    ("deployment:\n  datasets:\n    d: 5\n", 3, "deployment.datasets.d: must be text"),
    ("deployment:\n  url: x\n", 2, "deployment.url: unknown key"),
    ("managers:\n  m: {\n", 3, ""),
    ("managers:\n\tm: x\n", 2, ""),
    ("a: b\n---\nc: d\n", 2, ""),
    ("a: &x [*y]\n", 1, "found undefined alias"),
]

WRONG_KEYS = [
    ("prot: 5", "prot: unknown key; did you mean port?"),
    ("transport: lokal", "transport: must be one of local, ssh, openssh; did you mean local?"),
    ("port: '22'", "port: must be a whole number"),
    ("port: 1:30", "port: must be a whole number"),
    ("port: true", "port: must be a whole number"),
    ("port: 70000", "port: must be from 1 to 65535, not 70000"),
    ("default_max_jobs: -1", "default_max_jobs: must be from 0"),
    ("default_max_jobs: 2.5", "default_max_jobs: must be a whole number"),
    ("user: 1000", "user: must be text (put it in quotes)"),
    ("user:", "user: must be text"),
    ("user: ''", "user: must be one line"),
    ("password: no", "password: must be text (put it in quotes)"),
    ("pipe: a/b", "pipe: must be a plain file name"),
    ("pipe: ..", "pipe: must be a plain file name"),
    ("host: twice", "host: stands here twice"),
]


@pytest.mark.parametrize(("text", "line", "wanted"), WRONG)
def test_what_is_wrong_is_named_with_its_line(home: Path, text: str, line: int, wanted: str) -> None:
    found = complaint(text, home)
    assert found.startswith(f"config.yaml:{line}: {wanted}")
    assert "\n" not in found


@pytest.mark.parametrize(("entry", "wanted"), WRONG_KEYS)
def test_a_wrong_key_is_named_with_its_line(home: Path, entry: str, wanted: str) -> None:
    text = f"managers:\n  m:\n    host: h\n    root: r\n    {entry}\n"
    assert complaint(text, home).startswith(f"config.yaml:5: managers.m.{wanted}")


def test_characters_that_no_config_has_are_refused(home: Path) -> None:
    assert complaint("a: \x01\n", home).startswith("config.yaml: is no YAML")


def test_lines_are_counted_as_yaml_does(home: Path) -> None:
    assert complaint("\x85@", home).startswith("config.yaml:2: ")


def test_tabs_are_named(home: Path) -> None:
    assert complaint("managers:\n\tm: {host: x}\n", home).endswith("(YAML is indented with spaces, not with tabs)")


def test_bytes_that_are_no_text_are_named_with_their_line(home: Path) -> None:
    with pytest.raises(ConfigError, match="^config.yaml:2: is not UTF-8"):
        parse(b"# ok\n# \xff\n", "config.yaml", {})


def test_aliases_of_yaml_work(home: Path) -> None:
    text = "managers:\n  a: &a {host: h, root: r}\n  b: *a\n"
    assert [*parse(text.encode(), "c", {}).managers] == ["a", "b"]


@given(texts(200) | st.lists(st.sampled_from(WHOLE.splitlines(keepends=True))).map("".join))
def test_any_text_is_a_config_or_named_wrong(text: str) -> None:
    try:
        parse(text.encode("utf-8", "surrogatepass"), "c", {"HOME": "/h"})
    except ConfigError as error:
        assert str(error).startswith("c:")


@pytest.mark.parametrize(("mode", "mend"), [(0o620, "chmod go-w"), (0o602, "chmod go-w"), (0o666, "chmod go-w")])
def test_a_file_that_others_can_write_is_refused(home: Path, mode: int, mend: str) -> None:
    write(home / "config.yaml", ONE, mode)
    with pytest.raises(ConfigError, match=mend):
        loaded(home)


def test_a_file_that_others_can_read_may_hold_no_password(home: Path) -> None:
    text = "managers:\n  m: {host: h, root: r, password: secret}\n"
    path = write(home / "config.yaml", text, 0o640)
    with pytest.raises(ConfigError, match="chmod go-r"):
        loaded(home)
    path.chmod(0o600)
    assert loaded(home).managers[0].password == "secret"


def test_a_file_of_another_user_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(home / "config.yaml", ONE)
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(ConfigError, match="belongs to another user"):
        loaded(home)


def test_a_folder_is_no_config(home: Path) -> None:
    (home / "config.yaml").mkdir()
    with pytest.raises(ConfigError, match="config.yaml: Is a directory"):
        loaded(home)


def test_an_endless_file_is_not_read_to_its_end(home: Path) -> None:
    with pytest.raises(ConfigError, match="larger than 4 MiB|others can write"):
        loaded(home, "/dev/zero")


def test_no_secret_shows_in_a_repr(home: Path) -> None:
    assert "secret" not in repr(Manager("m", "ssh", "r", password="secret"))


def test_what_the_config_says_of_ssh(home: Path) -> None:
    write(
        home / "config.yaml",
        """\
managers:
  m:
    host: fd88::7
    root: ~/p
    identity_file: ~/.ssh/key
    identities_only: yes
    proxy_jump: me@gate:24,inner
    connect_timeout: 5
    accept_new: true
    python: ~/bin/python3.12
    deploy: never
""",
    )
    (found,) = loaded(home).managers
    assert (found.host, found.identity_file, found.identities_only) == ("fd88::7", "~/.ssh/key", True)
    assert (found.proxy_jump, found.connect_timeout, found.accept_new) == ("me@gate:24,inner", 5, True)
    assert (found.python, found.deploy) == ("~/bin/python3.12", "never")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("host: -oProxyCommand=x", "host: cannot be"),
        ("host: a;b", "host: cannot be"),
        ("host: 'a b'", "host: cannot be"),
        ("user: $(id)", "user: cannot be"),
        ("user: -l", "user: cannot be"),
        ("proxy_jump: 'a b'", "proxy_jump: cannot be"),
        ("proxy_jump: -J", "proxy_jump: cannot be"),
        ("python: python3; rm", "python: cannot be"),
        ("python: -c", "python: cannot be"),
        ("accept_new: maybe", "accept_new: must be true or false"),
        ("identities_only: 1", "identities_only: must be true or false"),
        ("connect_timeout: 0", "connect_timeout: must be from 1"),
        ("deploy: nver", "deploy: must be one of auto, never; did you mean never?"),
        ("transport: openssh\n    password: x", "password: ssh takes none from us"),
    ],
)
def test_what_ssh_could_take_for_something_else_is_refused(home: Path, line: str, said: str) -> None:
    host = "" if line.startswith("host") else "    host: h\n"
    assert said in complaint(f"managers:\n  m:\n{host}    root: p\n    {line}\n", home)


def test_the_example_shows_every_key(home: Path) -> None:
    text = (Path(__file__).parents[1] / "config.yaml.example").read_text()
    shown = (
        text.replace("  # manager-4", "  manager-4")
        .replace("  # k8s:", "  k8s:")
        .replace("  # cluster", "  cluster")
        .replace("\n  #   ", "\n    ")
        .replace("transport: ssh  ", "transport: ssh")
    )
    layer = parse(shown.encode(), "config.yaml", {"HOME": str(home)})
    example = layer.managers["manager-4"]
    unset = {name for name in fields(Manager) if getattr(example, name) in ("", None)}
    assert unset == set()
    assert layer.managers["cluster"].settings.keys() == kinds.find("slurm").keys.keys()
