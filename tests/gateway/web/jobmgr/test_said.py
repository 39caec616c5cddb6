"""Whatever comes is understood, or refused with one of the two codes."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from sjs.gateway.web.jobmgr import said
from sjs.gateway.web.jobmgr.wire import INVALID, MISSING, text_of

KINDS = st.sampled_from(
    [
        "",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary",
        "multipart/form-data; boundary=x",
        "multipart/form-data; boundary*=utf-8''x",
        'multipart/form-data; boundary="\\',
    ]
)
NAME = b'Content-Disposition: form-data; name="id"'
PIECES = st.sampled_from([b"--x", b"\r\n", b"\r\n\r\n", NAME, b"name*=q''%ff", b"id=", b"%", b"&", b"7"])


@given(st.binary(max_size=80), KINDS | st.text(max_size=40), st.lists(PIECES | st.binary(max_size=6)).map(b"".join))
def test_any_bytes_are_fields_or_none(query: bytes, kind: str, body: bytes) -> None:
    found = said.fields(query, kind, body)
    for read in (said.number, said.text):
        try:
            read(found, "id")
        except said.Unfit as error:
            assert error.code in (MISSING, INVALID)


@given(st.text())
def test_any_text_is_parameters_or_not(text: str) -> None:
    try:
        found = said.parameters({"parameters": text})
    except said.Unfit as error:
        assert error.code == (INVALID if text else MISSING)
    else:
        assert found is None or all(isinstance(one, str) for one in found.values())


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20), min_size=1))
def test_parameters_come_through_a_form_and_go_out_as_json(given_: dict[str, str]) -> None:
    """Halves of letters, which only JSON can say, are none."""
    form = urlencode({"name": "a", "parameters": json.dumps(given_)}).encode()
    found = said.parameters(said.fields(b"", "application/x-www-form-urlencoded", form))
    assert found == given_
    sent = text_of({"parameters": found})
    assert json.loads(sent) == {"parameters": given_}
    assert not set(sent) & set(b"<>&") and sent.endswith(b"}\n") and sent.count(b"\n") == 1


@given(st.lists(st.characters(categories=["Cs"]), min_size=1))
def test_halves_of_letters_are_none(halves: list[str]) -> None:
    found = said.parameters({"parameters": json.dumps({"a": "".join(halves)})})
    assert found is not None
    found["a"].encode()
