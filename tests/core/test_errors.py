from __future__ import annotations

import pytest

from sjs import errors


def family(root: type[errors.SjsError]) -> list[type[errors.SjsError]]:
    """All that are defined beside it: other modules' own are never sent."""
    children = [child for child in root.__subclasses__() if child.__module__ == root.__module__]
    return [root, *(kin for child in children for kin in family(child))]


KINDS = family(errors.SjsError)


def test_no_code_means_two_errors() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hint", ["", "do this"])
def test_an_error_arrives_as_it_was_sent(kind: type[errors.SjsError], hint: str) -> None:
    sent = kind("what happened", hint)
    arrived = errors.from_wire(errors.to_wire(sent))
    assert (type(arrived), arrived.message, arrived.hint) == (kind, "what happened", hint)


def test_the_hint_is_shown_with_the_message() -> None:
    assert str(errors.NoManager("nobody there", "start one")) == "nobody there (start one)"
    assert str(errors.NoManager("nobody there")) == "nobody there"


@pytest.mark.parametrize("body", [{}, {"code": "from_the_future"}, {"code": 7}, {"code": ["usage"]}])
def test_what_a_newer_version_says_is_a_refusal(body: dict[str, object]) -> None:
    assert type(errors.from_wire(body)) is errors.Refused


def test_the_tree_is_drawn_in_the_docstring() -> None:
    drawn = [line.split()[0] for line in (errors.__doc__ or "").splitlines() if line.startswith("    ")]
    assert drawn == [kind.__name__ for kind in KINDS]
