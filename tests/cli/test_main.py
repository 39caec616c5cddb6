from __future__ import annotations

import pytest

from sjs.cli import verbs
from sjs.cli.main import Typed, parse
from sjs.errors import UsageError
from sjs.link.thin import ALONE
from tests.cli.conftest import CommandLine


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("gpu1 status", Typed(None, "gpu1", "status", ())),
        ("status gpu1", Typed(None, "gpu1", "status", ())),
        ("stat all", Typed(None, "all", "status", ())),
        (
            "submit gpu1 --command x",
            Typed(
                None,
                "gpu1",
                "job",
                (
                    "--command",
                    "x",
                ),
            ),
        ),
        ("gpu1 submit", Typed(None, "gpu1", "job", ())),
        ("shutdown gpu1", Typed(None, "gpu1", "stop", ())),
        ("gpu1 ps", Typed(None, "gpu1", "list", ())),
        ("gpu1 kill 5", Typed(None, "gpu1", "cancel", ("5",))),
        ("status list", Typed(None, "status", "list", ())),
        ("--config c gpu1 job", Typed("c", "gpu1", "job", ())),
        ("gpu1 --config c job", Typed("c", "gpu1", "job", ())),
        ("job --config=c gpu1 --wait", Typed("c", "gpu1", "job", ("--wait",))),
        (
            "gpu1 job --config c",
            Typed(
                None,
                "gpu1",
                "job",
                (
                    "--config",
                    "c",
                ),
            ),
        ),
        ("", Typed()),
        ("--help", Typed()),
        ("-h", Typed()),
        ("gpu1 --help", Typed()),
        ("job --help", Typed(verb="job", rest=("--help",))),
        ("gpu1 job --help", Typed(None, "gpu1", "job", ("--help",))),
        ("--version", Typed(version=True)),
        ("gateway", Typed(None, "", "gateway", ())),
        ("--config c gateway --listen x", Typed("c", "", "gateway", ("--listen", "x"))),
        ("--no-link token list --json", Typed(None, "", "token", ("list", "--json"))),
        ("gateway --help", Typed(None, "", "gateway", ("--help",))),
        ("status gateway", Typed(None, "gateway", "status", ())),
        ("list token", Typed(None, "token", "list", ())),
        ("gpu1 status gateway", Typed(None, "gpu1", "status", ("gateway",))),
    ],
)
def test_target_and_verb_are_found_in_both_orders(words: str, wanted: Typed) -> None:
    assert parse(words.split()) == wanted


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("gpu1", "what shall gpu1 do"),
        ("status", "status where"),
        ("gpu1 stauts", "unknown verb 'stauts'; did you mean status?"),
        ("gpu1 --wait job", "--wait comes too early"),
        ("--config", "--config needs a file"),
        ("gateway status", "gateway is a program of its own (a target of that name: submit status gateway)"),
        ("token stat", "token is a program of its own (a target of that name: submit stat token)"),
        ("gpu1 gateway", "gateway is a program of its own, and comes first (submit gateway)"),
    ],
)
def test_what_cannot_be_meant_is_said(words: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(words.split())
    assert message in str(caught.value)


def test_bare_submit_lists_verbs_with_examples(cli: CommandLine) -> None:
    outcome = cli.submit()
    assert outcome.status == 0
    for verb in (*verbs.VERBS.values(), *verbs.PROGRAMS.values()):
        assert verb.summary in outcome.out
        assert verb.example in outcome.out
    assert cli.submit("--help") == outcome


@pytest.mark.parametrize("verb", verbs.VERBS)
def test_every_verb_has_help_with_an_example(cli: CommandLine, verb: str) -> None:
    outcome = cli.submit("gpu1", verb, "--help")
    assert outcome.status == 0
    assert verbs.VERBS[verb].example in outcome.out
    assert f"submit TARGET {verb}" in cli.submit(verb, "--help").out


@pytest.mark.parametrize("name", verbs.PROGRAMS)
def test_every_program_has_help_with_an_example(cli: CommandLine, name: str) -> None:
    outcome = cli.submit(name, "--help")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith(f"Usage: submit {name} [OPTIONS]")
    assert verbs.PROGRAMS[name].example in outcome.out


def test_no_name_is_both_and_the_link_carries_no_program_out() -> None:
    assert verbs.PROGRAMS.keys() & {*verbs.VERBS, *verbs.ALIASES} == set()
    assert set(ALONE) == set(verbs.PROGRAMS)


def test_the_version_is_said(cli: CommandLine) -> None:
    from sjs import __version__

    assert cli.submit("--version").out == f"submit {__version__}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nobody status", "submit: unknown target 'nobody' (the targets are local)"),
        ("local nothing", "submit: unknown verb 'nothing'"),
        ("local configure --max-jobs-running -1", "submit: Invalid value for '--max-jobs-running'"),
        ("local configure --max-jobs-running x", "submit: Invalid value for '--max-jobs-running'"),
        ("local status --nope", "submit: No such option"),
        ("local status extra", "submit: Got unexpected extra argument"),
        ("any status", "submit: `any` is for jobs"),
        ("any cancel all", "submit: `any` is for jobs"),
        ("any logs 1", "submit: `any` is for jobs"),
        ("all logs 1", "submit: job ids are each manager's own"),
        ("local logs 1-3", "submit: '1-3' is more than one job"),
        ("local logs x", "submit: 'x' is no job id"),
        ("local cancel", "submit: cancel which jobs?"),
        ("local list 3-1", "submit: '3-1' is no range"),
        ("local list --state good", "submit: Invalid value for '--state'"),
        ("local job", "submit: which job?"),
        ("local job echo hi", "submit: what is 'echo'?"),
        ("local job --command x -- y", "submit: a command after -- goes alone"),
        ("local job --command-file nowhere", "submit: nowhere: No such file or directory"),
        ("local job --command-file .", "submit: .: Is a directory"),
        ("all job --command x --follow", "submit: --follow is for one job"),
        ("local status --config nowhere", "submit: nowhere: no such file"),
        ("gateway extra", "submit: Got unexpected extra argument (extra) (see submit gateway --help)"),
        ("token burn", "submit: No such command 'burn'. (see submit token --help)"),
    ],
)
def test_wrong_words_are_one_clear_line_and_exit_2(cli: CommandLine, words: str, message: str) -> None:
    outcome = cli.submit(*words.split())
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith(message)
    assert outcome.err.count("\n") == 1


def test_a_wrong_config_is_one_clear_line_and_exit_2(cli: CommandLine) -> None:
    (cli.folder / "config.yaml").write_text("managers:\n  m: {hots: x}\n")
    (cli.folder / "config.yaml").chmod(0o600)
    outcome = cli.submit("all", "status")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert outcome.err.startswith("submit: config.yaml:2: managers.m.hots: unknown key; did you mean host?")
