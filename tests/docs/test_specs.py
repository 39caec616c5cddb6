"""docs/specs.md against the readers of specs."""

from __future__ import annotations

import re

import pytest

from sjs.gateway.specs import toml_file, yaml_file, yaml_parameters
from sjs.gateway.specs.binding import Bound, bind
from sjs.gateway.specs.spec import MOST_LETTERS, MOST_LETTERS_WITH_PATTERN, TYPES, USUAL_LETTERS_WITH_PATTERN
from tests.docs.readme import ROOT

PAGE = (ROOT / "docs" / "specs.md").read_text(encoding="utf-8")


def example(kind: str) -> bytes:
    [found] = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found).encode()


def rows(head: str) -> list[str]:
    """What stands in the first column of a table."""
    lines = PAGE[PAGE.index(head) :].split("\n\n", 1)[0].splitlines()[2:]
    return [word for line in lines for word in re.findall(r"`([^`]+)`", line.split(" | ")[0])]


def test_the_spec_in_yaml_can_be_used() -> None:
    spec = yaml_file.read_yaml(example("yaml"), "render.yaml", "render")
    found = bind(spec, {"scene": "a_1"})
    assert isinstance(found, Bound)
    assert found.argv == ("render", "--frames=10", "--", "a_1.blend"), "the word without a value is left out"


def test_the_spec_in_toml_can_be_used_and_has_all_keys() -> None:
    spec = toml_file.read_toml(example("toml"), "convert.toml", "convert")
    assert isinstance(bind(spec, {"width": "007"}), Bound)
    assert spec.notes == ()
    for key in (*toml_file.KEYS, *toml_file.PARAMETER_KEYS):
        assert re.search(rf"^(\[\[)?{key}\b", example("toml").decode(), re.MULTILINE)


@pytest.mark.parametrize(
    ("head", "keys"),
    [("| key | what it is |", yaml_file.KEYS), ("| of a parameter | what it is |", yaml_parameters.KEYS)],
)
def test_each_key_has_its_row(head: str, keys: tuple[str, ...]) -> None:
    assert sorted(rows(head)) == sorted(keys)


def test_numbers_and_types_are_those_of_the_readers() -> None:
    for number in (MOST_LETTERS, MOST_LETTERS_WITH_PATTERN, USUAL_LETTERS_WITH_PATTERN):
        assert f"{number:,}" in PAGE
    assert all(f"`{kind}`" in PAGE for kind in TYPES)
    assert f"`Timeout` is {toml_file.USUAL_TIMEOUT:g} s" in PAGE
