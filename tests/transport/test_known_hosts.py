"""Each file of the corpus against the verdicts written beside it; then garbage, size, and what ssh-keygen thinks."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.errors import UsageError
from sjs.transport import host_keys, known_hosts
from sjs.transport.host_keys import HostKeys
from sjs.transport.known_hosts import HostKey, Verdict
from tests.texts import texts

CORPUS = Path(__file__).parents[1] / "data/known_hosts"
ROWS = [row.split() for row in (CORPUS / "expected.txt").read_text().splitlines() if not row.startswith("#")]


def keys() -> dict[str, HostKey]:
    rows = (row.split() for row in (CORPUS / "keys.txt").read_text().splitlines())
    return {name: HostKey(kind, base64.b64decode(text)) for name, kind, text in rows}


KEYS = keys()


def judged(data: bytes, name: str, key: HostKey) -> Verdict:
    return known_hosts.judge(known_hosts.entries(data.splitlines(True), "f"), name, key)


@pytest.mark.parametrize(("file", "name", "key", "expected"), ROWS)
def test_the_corpus(file: str, name: str, key: str, expected: str) -> None:
    with open(CORPUS / file, "rb") as source:
        verdict = known_hosts.judge(known_hosts.entries(source, "f"), name, KEYS[key])
    state, _, where = expected.partition(":")
    if where.startswith("authority"):
        assert verdict == Verdict(state, "", where.replace("authority", "f"))
    else:
        assert (verdict.state, verdict.where) == (state, f"f:{where}" if where else "")


def test_the_corpus_is_complete() -> None:
    files = {path.name for path in CORPUS.iterdir()} - {"expected.txt", "keys.txt"}
    assert {row[0] for row in ROWS} == files
    assert len(files) >= 40


@given(st.binary(max_size=300), texts(30))
def test_no_bytes_make_a_stranger_known_or_raise(data: bytes, name: str) -> None:
    assert judged(data, name, KEYS["a"]).state == "unknown"


LINE = st.lists(
    st.sampled_from(
        ["node", "*", "?", "!", ",", " ", "@revoked", "@cert-authority", "|1|", "|", "ssh-ed25519", "AAAA", "#"]
    )
).map("".join)


@given(st.lists(LINE, max_size=8))
def test_no_words_do_either(lines: list[str]) -> None:
    assert judged("\n".join(lines).encode(), "node", KEYS["a"]).state == "unknown"


@given(st.lists(LINE, max_size=8), st.lists(LINE, max_size=8))
def test_a_revoked_key_stays_so_whatever_stands_around(before: list[str], after: list[str]) -> None:
    revoked = b"@revoked " + known_hosts.line("node", KEYS["a"])
    data = b"\n".join(
        ["\n".join(before).encode(), revoked, known_hosts.line("*", KEYS["a"]), "\n".join(after).encode()]
    )
    assert judged(data, "node", KEYS["a"]).state == "revoked"


@given(st.text("ab", max_size=9), st.text("ab*?", max_size=9))
def test_wildcards_mean_what_they_do_in_a_shell(name: str, pattern: str) -> None:
    import fnmatch

    assert known_hosts._matches(pattern, name) == fnmatch.fnmatchcase(name, pattern)


def test_a_megabyte_takes_no_time_worth_a_word() -> None:
    filler = (CORPUS / "hashed_many").read_bytes()
    data = filler * (1_000_000 // len(filler)) + known_hosts.line("node", KEYS["a"])
    began = time.process_time()
    assert judged(data, "node", KEYS["a"]).state == "known"
    assert time.process_time() - began < 2


def test_ssh_keygen_finds_the_same_lines() -> None:
    """Only where ours is meant to agree: plain lines of one key each."""
    for file in ("plain", "comma_list", "hashed", "port", "star", "negated", "question_mark", "crlf"):
        for _, name, _, expected in (row for row in ROWS if row[0] == file):
            call = subprocess.run(["ssh-keygen", "-F", name.lower(), "-f", str(CORPUS / file)], capture_output=True)
            assert (call.returncode == 0) == (expected != "unknown"), (file, name)


def test_fingerprints_are_those_of_ssh_keygen(tmp_path: Path) -> None:
    for key in KEYS.values():
        path = tmp_path / "key.pub"
        path.write_bytes(known_hosts.line("x", key).partition(b" ")[2])
        said = subprocess.run(["ssh-keygen", "-lf", str(path)], capture_output=True, text=True).stdout.split()
        assert (said[1], said[-1]) == (key.fingerprint, f"({key.short_kind})")


def test_a_pinned_key_is_known_from_then_on(tmp_path: Path) -> None:
    own = tmp_path / "new/known_hosts"
    HostKeys([], str(own)).pin("[node]:2222", KEYS["a"])
    HostKeys([], str(own)).pin("other", KEYS["r"])
    later = HostKeys([str(tmp_path / "none")], str(own))
    assert later.judge("[node]:2222", KEYS["a"]) == Verdict("known", f"{own}:1")
    assert later.judge("other", KEYS["r"]) == Verdict("known", f"{own}:2")
    assert later.kinds("other") == ["ssh-rsa"]
    assert stat.S_IMODE(own.stat().st_mode) == 0o600


def test_a_pin_never_joins_a_line_that_has_no_end(tmp_path: Path) -> None:
    own = tmp_path / "known_hosts"
    own.write_bytes(known_hosts.line("a", KEYS["a"]).rstrip())
    HostKeys([], str(own)).pin("b", KEYS["b"])
    later = HostKeys([], str(own))
    assert [later.judge("a", KEYS["a"]).state, later.judge("b", KEYS["b"]).state] == ["known", "known"]


def test_a_revocation_in_any_file_counts(tmp_path: Path) -> None:
    system, own = tmp_path / "system", tmp_path / "own"
    system.write_bytes(b"@revoked * " + known_hosts.line("", KEYS["a"]).lstrip())
    own.write_bytes(known_hosts.line("node", KEYS["a"]))
    assert HostKeys([str(system)], str(own)).judge("node", KEYS["a"]) == Verdict("revoked", f"{system}:1")


def test_a_file_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Is a directory"):
        HostKeys([str(tmp_path)], str(tmp_path / "own"))


def test_our_own_file_lies_with_our_config() -> None:
    assert host_keys.own_file({"HOME": "/h"}) == "/h/.config/sjs/known_hosts"
    assert host_keys.own_file({"HOME": "/h", "XDG_CONFIG_HOME": "/c"}) == "/c/sjs/known_hosts"
    assert host_keys.own_file({"HOME": "/h", "XDG_CONFIG_HOME": "c"}) == "/h/.config/sjs/known_hosts"
    assert os.path.basename(host_keys.SYSTEM[0]) == "ssh_known_hosts"
