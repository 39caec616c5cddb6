"""Man pages of what --help shows. A build writes them for its wheel: python -m sjs.cli.shell.man_pages FOLDER."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import click

import sjs
from sjs import __version__
from sjs.cli import main, verbs
from sjs.cli.common import Call
from sjs.cli.native import section

SIGNS = str.maketrans({"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "~": "\\(ti", "^": "\\(ha"})
"""Signs that a page would show otherwise, or take for an order."""

BARE = "\b"
"""The line by which click is told to leave a paragraph's lines as they are."""


def pages() -> Mapping[str, str]:
    """All pages by their file names."""
    found = {f"submit-{name}.1": verb_page(name) for name in verbs.VERBS}
    found |= {f"submit-{name}.1": program_page(name) for name in verbs.PROGRAMS}
    return {**found, "submit.1": submit_page(), "sjs.1": ".so man1/submit.1\n", "job_manager.1": manager_page()}


def verb_page(name: str) -> str:
    """The page of one verb."""
    return _page(name, [(f"submit TARGET {name}", verbs.command(name))])


def program_page(name: str) -> str:
    """The page of a program, with all that it can be told to do."""
    program = verbs.command(name)
    parts = program.commands if isinstance(program, click.Group) else {}
    return _page(name, [(f"submit {name}", program), *((f"submit {name} {word}", parts[word]) for word in parts)])


def _page(name: str, parts: Sequence[tuple[str, click.Command]]) -> str:
    """What the first is for, and of each of the others what it does."""
    contexts = [one.make_context(typed, [], obj=Call("submit", ""), resilient_parsing=True) for typed, one in parts]
    (_, first), *others = parts
    lines = [
        *_head(f"submit-{name}", verbs.find(name).summary),
        ".SH SYNOPSIS",
        *_as_it_stands(
            "\n".join(
                " ".join([typed, *one.collect_usage_pieces(context)])
                for (typed, one), context in zip(parts, contexts, strict=True)
            )
        ),
        ".SH DESCRIPTION",
        *_paragraphs(first.help or ""),
        *_all_options(first, contexts[0]),
    ]
    for (typed, one), context in zip(others, contexts[1:], strict=True):
        lines += [f".SH {_text(typed.removeprefix(f'submit {name} ').upper())}", *_paragraphs(one.help or "")]
        lines += _all_options(one, context)[1:]
    lines += [".SH EXAMPLE", *_as_it_stands(verbs.find(name).example), ".SH SEE ALSO", r".BR submit (1)"]
    return "\n".join(lines) + "\n"


def _all_options(command: click.Command, context: click.Context) -> list[str]:
    options = [one for one in command.get_params(context) if isinstance(one, click.Option)]
    records = [(section(one), record) for one in options if (record := one.get_help_record(context))]
    sections = dict.fromkeys(title for title, _ in sorted(records, key=lambda one: one[0] != "Options"))
    return [line for title in sections for line in _options(title, [one for of, one in records if of == title])]


def _options(title: str, records: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield f".SH {_text(title.upper())}"
    for names, about in records:
        yield from (".TP", f"\\fB{_text(names)}\\fR", _text(about))


def submit_page() -> str:
    """The page of the whole: what `submit --help` says."""
    parts = main.HELP.split("{verbs}")
    about = parts[1].split("{programs}")[0].format(prog="submit")
    usage, *before = parts[0].format(prog="submit").removeprefix("usage: ").split("\n\n")
    after = parts[1].split("{examples}")[1].format(prog="submit")
    lines = [
        *_head("submit", "one job queue over the machines that you can reach"),
        ".SH SYNOPSIS",
        *_as_it_stands(re.sub(r"^ +", "", usage, flags=re.MULTILINE)),
        ".SH DESCRIPTION",
        *(line for block in before[:-1] for line in _block(block)),
        ".SH VERBS",
        *_named(verbs.VERBS),
        ".SH PROGRAMS",
        _text(f"{about.strip().removeprefix('programs, ').rstrip(':').capitalize()}."),
        *_named(verbs.PROGRAMS),
        ".SH EXAMPLES",
        *_as_it_stands("\n".join(one.example for one in (*verbs.VERBS.values(), *verbs.PROGRAMS.values()))),
        *(line for block in after.strip().split("\n\n") for line in _section(block)),
        ".SH SEE ALSO",
        *_references(f"submit-{name}" for name in (*verbs.VERBS, *verbs.PROGRAMS)),
    ]
    return "\n".join(lines) + "\n"


def manager_page() -> str:
    """The page of job_manager, which is asked for what it shows, for nothing here knows its code."""
    program = [sys.executable, "-I", "-S", str(Path(sjs.__file__).parent / "daemon"), "job_manager", "--help"]
    told = subprocess.run(program, env={"COLUMNS": "80"}, stdout=subprocess.PIPE, text=True, check=True).stdout
    usage, about, *sections = told.strip().split("\n\n")
    lines = [
        *_head("job_manager", "the manager of one job queue"),
        ".SH SYNOPSIS",
        *_as_it_stands(re.sub(r"^ +", "", usage.removeprefix("usage: "), flags=re.MULTILINE)),
        ".SH DESCRIPTION",
        _text(about),
        *(line for block in sections for line in _section(block)),
        ".SH SEE ALSO",
        r".BR submit (1)",
    ]
    return "\n".join(lines) + "\n"


def _named(known: Mapping[str, verbs.Verb]) -> Iterator[str]:
    for name, verb in known.items():
        yield from (".TP", f"\\fB{_text(name)}\\fR", _text(f"{verb.summary}; see submit-{name}(1)"))


def _references(names: Iterable[str]) -> Iterator[str]:
    *names, last = names
    yield from (f".BR {_text(name)} (1)," for name in names)
    yield f".BR {_text(last)} (1)"


def _head(name: str, about: str) -> list[str]:
    title = _text(name.upper())
    return [f'.TH "{title}" 1 "" "sjs {__version__}" "sjs"', ".SH NAME", f"{_text(name)} \\- {_text(about)}"]


def _section(block: str) -> list[str]:
    """A block of the help that says before a colon what it is about."""
    title, _, text = block.partition(":")
    plain = textwrap.dedent(text.strip("\n")).strip()
    return [f".SH {_text(title.upper())}", *(_as_it_stands(plain) if "\n" in plain else [_text(plain)])]


def _block(block: str) -> list[str]:
    is_table = any(re.search(r"\S {3,}\S", line) for line in block.splitlines())
    return [".PP", *(_as_it_stands(block) if is_table else [_text(block)])]


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        first, _, rest = paragraph.strip().partition("\n")
        yield ".PP"
        yield from _as_it_stands(rest) if first.strip() == BARE else [_text(paragraph)]


def _as_it_stands(text: str) -> list[str]:
    """Lines that are not filled."""
    return [".nf", *(_text(line, is_filled=False) for line in text.splitlines()), ".fi"]


def _text(text: str, is_filled: bool = True) -> str:
    """Text that means nothing else to roff."""
    words = " ".join(text.split()) if is_filled else text.rstrip()
    plain = words.translate(SIGNS)
    plain = "".join(letter if letter.isascii() else f"\\[u{ord(letter):04X}]" for letter in plain)
    return f"\\&{plain}" if plain[:1] in (".", " ") else plain


def write(folder: Path) -> list[str]:
    """Write all of them there; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    found = pages()
    for name, page in found.items():
        (folder / name).write_text(page, encoding="utf-8")
    return [str(folder / name) for name in found]


if __name__ == "__main__":
    write(Path(sys.argv[1]))
