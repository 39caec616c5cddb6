"""Man pages: each verb has one, and groff has nothing to say against any."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pytest

from sjs.cli import verbs
from sjs.cli.shell import man_pages
from sjs.cli.shell.man_pages import manager_page, pages, program_page, submit_page, verb_page, write
from tests.live.machine import DEADLINE


def shown(page: str) -> str:
    """A page as somebody reads it, in lines of any length; groff warns of nothing."""
    command = ["groff", "-ww", "-man", "-Tutf8", "-P-c", "-rLL=500n", "-rHY=0"]
    done = subprocess.run(command, input=page, capture_output=True, text=True, timeout=DEADLINE)
    assert (done.returncode, done.stderr) == (0, "")
    return re.sub(".\b", "", done.stdout)


def test_there_is_a_page_for_each_verb_and_each_program(tmp_path: Path) -> None:
    written = write(tmp_path / "new/folder")
    assert sorted(written) == sorted(str(path) for path in (tmp_path / "new/folder").iterdir())
    assert {Path(path).name for path in written} == set(pages())
    known = {f"submit-{name}.1" for name in (*verbs.VERBS, *verbs.PROGRAMS)}
    assert set(pages()) == known | {"submit.1", "sjs.1", "job_manager.1"}
    assert (tmp_path / "new/folder/sjs.1").read_text() == ".so man1/submit.1\n"


@pytest.mark.parametrize("verb", verbs.VERBS)
def test_a_page_has_all_that_help_has(verb: str) -> None:
    text = shown(verb_page(verb))
    command = verbs.command(verb)
    options = [name for one in command.params if isinstance(one, click.Option) for name in one.opts]
    assert [name for name in options if name not in text] == []
    assert f"submit-{verb} - {verbs.VERBS[verb].summary}" in text
    first = " ".join((command.help or "").partition("\n\n")[0].split())
    assert first in " ".join(text.split())


@pytest.mark.parametrize("name", verbs.PROGRAMS)
def test_a_page_of_a_program_has_what_help_has_of_each_thing_that_it_does(name: str) -> None:
    text = shown(program_page(name))
    program = verbs.command(name)
    parts = [program, *(program.commands.values() if isinstance(program, click.Group) else ())]
    options = [name for part in parts for one in part.params if isinstance(one, click.Option) for name in one.opts]
    assert options and [name for name in options if name not in text] == []
    assert f"submit-{name} - {verbs.PROGRAMS[name].summary}" in text
    assert f"submit {name} [OPTIONS]" in text and f"TARGET {name}" not in text
    for part in parts:
        assert " ".join((part.help or "").partition("\n\n")[0].split()) in " ".join(text.split())


def test_the_whole_and_the_manager_have_theirs() -> None:
    text = shown(submit_page())
    assert re.findall(r"^[A-Z ]+$", text, re.MULTILINE) == [
        *(
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "VERBS",
            "PROGRAMS",
            "EXAMPLES",
            "OPTIONS",
            "EXIT STATUS",
            "COMPLETION",
            "SEE ALSO",
        )
    ]
    assert [name for name in (*verbs.VERBS, *verbs.PROGRAMS) if f"submit-{name}(1)" not in text] == []
    assert "node[1-3,7]' @GROUP" in " ".join(text.split())
    manager = shown(manager_page())
    assert all(word in manager for word in ("--max-jobs-running N", "Own the job queue of a folder", "EXAMPLES"))


def test_text_says_nothing_to_roff(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = ".so /etc/passwd 'quoted' \\fB back ~ ^ ` -- ≥ \"x\""
    monkeypatch.setattr(verbs, "VERBS", {"top": verbs.VERBS["top"]._replace(example=hostile)})
    assert hostile in shown(verb_page("top"))
    assert shown(f".TH X 1\n.SH X\n{man_pages._text(hostile)}\n").count(hostile) == 1
