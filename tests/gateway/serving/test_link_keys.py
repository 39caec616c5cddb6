from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sjs.errors import SjsError
from sjs.gateway.artifacts.link_keys import kept, renewed
from sjs.gateway.artifacts.links import MIN_KEY, Grant, check, sign

DAY = 86_400.0
GRANT = Grant("1/1/x", "x.txt", "ann", 2_000_000_000, "0" * 64)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "kept" / "link.keys")


def test_the_first_start_makes_a_key_for_nobody_else(path: str) -> None:
    (key,) = kept(path, 1.0)
    assert len(key) >= MIN_KEY
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
    assert kept(path, 2.0) == [key]


def test_a_new_key_signs_and_old_links_stay_good(path: str) -> None:
    word = sign(GRANT, kept(path, 0.0))
    assert renewed(path, DAY, DAY) == 1
    new = kept(path, DAY)
    assert check(word, new, DAY) == GRANT
    with pytest.raises(Exception, match="not made here"):
        check(sign(GRANT, new), new[1:], DAY)


def test_a_key_goes_when_all_that_it_has_signed_has_expired(path: str) -> None:
    (first,) = kept(path, 0.0)
    assert renewed(path, 10 * DAY, DAY) == 1, "it signed until now"
    assert renewed(path, 10.5 * DAY, DAY) == 2
    assert first in kept(path, 0.0)
    assert renewed(path, 11 * DAY, DAY) == 2
    assert first not in kept(path, 0.0)


def test_keys_that_others_can_read_are_none(path: str) -> None:
    kept(path, 0.0)
    Path(path).chmod(0o640)
    with pytest.raises(SjsError, match=r"others can read these keys \(chmod 600 "):
        kept(path, 0.0)


@pytest.mark.parametrize("line", ["", "1 ab", f"x {'a' * 64}", f"1 {'A' * 64}", "a" * 64])
def test_what_is_no_key_is_named_with_its_line_and_not_repeated(path: str, line: str) -> None:
    kept(path, 0.0)
    with open(path, "a") as target:
        target.write(f"{line}\n")
    with pytest.raises(SjsError, match=r"link\.keys:2: is no key") as found:
        kept(path, 0.0)
    assert "a" * 64 not in str(found.value)
