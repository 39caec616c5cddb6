from __future__ import annotations

from pathlib import Path

import pytest

from sjs.environment import captured, digest, gathered
from sjs.errors import UsageError

HERE = {
    "PATH": "/bin",
    "CUDA_HOME": "/cuda",
    "CUDA_ARCH": "9",
    "PWD": "/here",
    "SJS_JOB_ID": "3",
    "BASH_FUNC_x%%": "() { :; }",
    "API_TOKEN": "t",
    "DB_PASSWORD": "p",
    "MY_SECRET": "s",
    "GPG_KEY": "k",
    "AWS_PROFILE": "a",
    "SSH_AUTH_SOCK": "/s",
}


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        ("", "PATH CUDA_HOME CUDA_ARCH"),
        ("*", "PATH CUDA_HOME CUDA_ARCH"),
        ("CUDA_*", "CUDA_HOME CUDA_ARCH"),
        ("!CUDA_*", "PATH"),
        ("CUDA_*, PATH, !CUDA_ARCH", "PATH CUDA_HOME"),
        ("*_TOKEN,AWS_*", ""),
        ("PATH,API_TOKEN", "PATH API_TOKEN"),
        ("PWD,SJS_JOB_ID", ""),
        ("NOT_SET", ""),
    ],
)
def test_secrets_go_only_by_name_and_what_belongs_here_never(patterns: str, wanted: str) -> None:
    assert list(captured(HERE, patterns)) == wanted.split()


def test_the_file_says_more_than_what_is_set_here(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("# all\n\nPATH=/usr/bin\nexport A='b c'\nB=\"=\nC=x \n")
    assert gathered(HERE, "PATH,CUDA_*", str(path)) == {
        "A": "b c",
        "B": '"=',
        "C": "x",
        "CUDA_ARCH": "9",
        "CUDA_HOME": "/cuda",
        "PATH": "/usr/bin",
    }
    assert gathered(HERE, None, None) == {}


@pytest.mark.parametrize(
    ("text", "why"), [("A=1\nB", "env:2: 'B' is not NAME=VALUE"), ("1A=x", "'1A' can not be set"), ("SJS_X=1", "SJS_X")]
)
def test_what_is_no_variable_is_told(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "env").write_text(text)
    with pytest.raises(UsageError, match=why):
        gathered({}, None, str(tmp_path / "env"))


def test_what_cannot_be_read_or_is_too_much_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        gathered({}, None, str(tmp_path / "none"))
    with pytest.raises(UsageError, match="MiB"):
        gathered({f"V{number}": "x" * 100_000 for number in range(11)}, "", None)


def test_the_same_variables_have_the_same_name() -> None:
    assert digest(gathered({"A": "1", "B": "2"}, "", None)) == digest(gathered({"B": "2", "A": "1"}, "", None))
