"""What is taken of a job's files, and what is said of the rest."""

from __future__ import annotations

import pytest

from sjs.errors import BadRequest
from sjs.gateway.artifacts.collecting import MAX_TOLD, Rules, choose
from sjs.trees.entries import FILE, FOLDER, LINK, Entry


def file(path: str, size: int = 1) -> Entry:
    return Entry(path, FILE, 0o644, size)


def taken(entries: list[Entry], rules: Rules) -> list[str]:
    return [one.name for one in choose(entries, rules).taken]


TREE = [
    Entry("logs", FOLDER, 0o755),
    file("logs/a.log", 10),
    file("logs/deep/b.log", 20),
    file("model.bin", 500),
    file("plots/1.png", 30),
    file("plots/2.png", 40),
    file(".cache/x"),
]


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        (Rules(), ["logs/a.log", "logs/deep/b.log", "model.bin", "plots/1.png", "plots/2.png", ".cache/x"]),
        (Rules(include=("plots",)), ["plots/1.png", "plots/2.png"]),
        (Rules(include=("**/*.log",)), ["logs/a.log", "logs/deep/b.log"]),
        (Rules(include=("*.bin", "plots/1*")), ["model.bin", "plots/1.png"]),
        (Rules(include=("*.txt",)), []),
        (Rules(exclude=("logs", ".cache")), ["model.bin", "plots/1.png", "plots/2.png"]),
        (Rules(include=("logs",), exclude=("**/b.*",)), ["logs/a.log"]),
        (Rules(most_files=2), ["logs/a.log", "logs/deep/b.log"]),
        (Rules(most_files=0), []),
        (Rules(most_bytes_each=30), ["logs/a.log", "logs/deep/b.log", "plots/1.png", ".cache/x"]),
        (Rules(most_bytes=60), ["logs/a.log", "logs/deep/b.log", "plots/1.png"]),
    ],
)
def test_which_are_taken(rules: Rules, names: list[str]) -> None:
    assert taken(TREE, rules) == names


def test_what_is_taken_is_counted() -> None:
    choice = choose(TREE, Rules(include=("plots",)))
    assert (choice.bytes, sum(choice.left_out.values())) == (70, 4)
    assert [one.file for one in choice.taken] == TREE[4:6]


def test_why_not_in_words() -> None:
    entries = [
        Entry("key", LINK, leads_to="/home/anna/.ssh/id_ed25519"),
        Entry("queer", "p"),
        file(".sjs-0123456789abcdef-0-.part"),
        file("a.tmp"),
        file("big.bin", 11),
        file("caf\udce9.bin", 4),
        file("caf%E9.bin", 4),
        file("x" * 256),
        file("../up"),
        file("last.bin", 7),
    ]
    choice = choose(entries, Rules(include=("*", "..*/*"), exclude=("*.tmp",), most_bytes_each=10, most_bytes=10))
    assert [one.name for one in choice.taken] == ["caf%E9.bin"]
    assert choice.words() == [
        "key: a link, and links are not followed",
        "queer: neither a file nor a folder",
        ".sjs-0123456789abcdef-0-.part: not whole",
        "a.tmp: not to be taken",
        "big.bin: larger than the 10 bytes that one may have",
        "caf%E9.bin: another file has the same name, once that is made harmless",
        f"{'x' * 200}: its name is too long",
        "../up: its path leads elsewhere",
        "last.bin: with it, there would be more than the 10 bytes that one job may have",
    ]


def test_names_are_told_in_one_line() -> None:
    choice = choose([Entry("a\n\x1b[31mb", LINK, leads_to="x")], Rules())
    assert choice.words() == ["a\\n\\x1b[31mb: a link, and links are not followed"]


def test_of_many_it_is_told_how_many() -> None:
    entries = [file(f"{number:07}") for number in range(20_000)]
    choice = choose([*entries, Entry("l", LINK, leads_to="x")], Rules(most_files=10))
    assert len(choice.taken) == 10
    assert len(choice.told) == MAX_TOLD
    assert choice.words() == [
        "19990 files: more than the 10 that one job may have",
        "1 file: a link, and links are not followed",
    ]


@pytest.mark.parametrize("word", ["/etc", "../x", ""])
def test_rules_that_lead_elsewhere_are_refused(word: str) -> None:
    for rules in (Rules(include=(word,)), Rules(exclude=(word,))):
        with pytest.raises(BadRequest):
            choose([], rules)
