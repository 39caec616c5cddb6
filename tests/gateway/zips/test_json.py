"""Requests in pieces: what they say, and in whose words they are refused."""

from __future__ import annotations

import base64
import io
import json
import re
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sjs.gateway.zips.json_object import CAP, ObjectReader
from sjs.gateway.zips.json_scan import BadJson, JsonTooLarge
from sjs.gateway.zips.sinks import Base64File
from tests.gateway.zips.test_base64 import cut, places

FIELDS = {"id": str, "slurml": bool}


class Kept:
    """A sink that keeps it."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.begun = 0

    def begin(self) -> None:
        self.begun += 1
        self.pieces.clear()

    def write(self, piece: bytes) -> None:
        self.pieces.append(piece)


def read(pieces: list[bytes], sink: Kept | None = None) -> dict[str, Any]:
    """All of it, the huge string too."""
    sink = sink or Kept()
    reader = ObjectReader(FIELDS, "input", sink)
    for piece in pieces:
        reader.feed(piece)
    found = reader.close()
    return {**found, "input": b"".join(sink.pieces).decode()} if sink.begun else found


def both(text: bytes) -> dict[str, Any]:
    """Read at once, and byte by byte: it must come to the same."""
    ends: list[Any] = []
    for pieces in ([text], [text[at : at + 1] for at in range(len(text))]):
        try:
            ends.append(read(pieces))
        except BadJson as error:
            ends.append(error)
    assert str(ends[0]) == str(ends[1])
    if isinstance(ends[0], BadJson):
        raise ends[0]
    found: dict[str, Any] = ends[0]
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"id": "a", "input": "QQ==", "slurml": false}', {"id": "a", "input": "QQ==", "slurml": False}),
        ('{"ID":"a","Input":"b","SLURML":true}', {"id": "a", "input": "b", "slurml": True}),
        ('{"\\u017flurml": true, "\\u0049d": "a"}', {"slurml": True, "id": "a"}),
        ('{"id":"a","file":"QQ=="}', {"id": "a"}),
        ('{"x": {"id": 5, "y": [1, {"input": []}, "z"]}, "id": "a"}', {"id": "a"}),
        ('{"id":"a","id":"b","input":"long","input":"x"}', {"id": "b", "input": "x"}),
        ('{"id":"a","id":null,"input":null,"slurml":null}', {"id": "a"}),
        ('{"input":"a\\/b\\u002bc\\nd\\r\\t\\"\\\\"}', {"input": 'a/b+c\nd\r\t"\\'}),
        ('{"input":"\\ud83d\\ude00\\ud83d"}', {"input": "\U0001f600\ufffd"}),
        ('{"id":"\\ude00\\ud83dx"}', {"id": "\ufffd\ufffdx"}),
        ('{"id":"gr\u00fc\u00dfe \U0001f600"}', {"id": "gr\u00fc\u00dfe \U0001f600"}),
        ('{"id":""}', {"id": ""}),
        ('{"":1,"id":"a"}', {"id": "a"}),
        ('{"id":"a"} and more', {"id": "a"}),
        ('{"id":"a"}}', {"id": "a"}),
        (" \t\r\n{ } ", {}),
        ("null", {}),
    ],
)
def test_what_it_says(text: str, found: dict[str, Any]) -> None:
    assert both(text.encode()) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [(b'{"id":"a\xff\xe2\x82"}', "a\ufffd\ufffd\ufffd"), (b'{"input":"\xe2\x82\\n\xe2"}', "\ufffd\ufffd\n\ufffd")],
)
def test_bytes_that_are_no_utf8_are_one_mark_each(text: bytes, found: str) -> None:
    assert list(both(text).values()) == [found]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "EOF"),
        (" \n", "EOF"),
        ("{", "unexpected EOF"),
        ('{"id"', "unexpected EOF"),
        ('{"id":"a', "unexpected EOF"),
        ('{"id":"a\\', "unexpected EOF"),
        ('{"id":"a\\u00', "unexpected EOF"),
        ('{"id":"a"', "unexpected EOF"),
        ('{"x":tr', "unexpected EOF"),
        ("-", "unexpected EOF"),
        ("1.", "unexpected EOF"),
        ("hello", "invalid character 'h' looking for beginning of value"),
        ("id=a", "invalid character 'i' looking for beginning of value"),
        ("\ufeff{}", "invalid character '\u00ef' looking for beginning of value"),
        ("\0", "invalid character '\\x00' looking for beginning of value"),
        ("\x7f", "invalid character '\\x7f' looking for beginning of value"),
        ("'", "invalid character '\\'' looking for beginning of value"),
        ("\\", "invalid character '\\\\' looking for beginning of value"),
        ("}", "invalid character '}' looking for beginning of value"),
        ("{id:1}", "invalid character 'i' looking for beginning of object key string"),
        ('{"id":"a",}', "invalid character '}' looking for beginning of object key string"),
        ('{"id" "a"}', "invalid character '\"' after object key"),
        ('{"id":"a" "b"}', "invalid character '\"' after object key:value pair"),
        ('{"x":[1 2]}', "invalid character '2' after array element"),
        ('{"x":[1,]}', "invalid character ']' looking for beginning of value"),
        ('{"x":[}', "invalid character '}' looking for beginning of value"),
        ('{"x":]}', "invalid character ']' looking for beginning of value"),
        ('{"x":01}', "invalid character '1' after object key:value pair"),
        ('{"x":-a}', "invalid character 'a' in numeric literal"),
        ('{"x":1.a}', "invalid character 'a' after decimal point in numeric literal"),
        ('{"x":1e}', "invalid character '}' in exponent of numeric literal"),
        ('{"x":1e+}', "invalid character '}' in exponent of numeric literal"),
        ('{"x":trve}', "invalid character 'v' in literal true (expecting 'u')"),
        ('{"x":nul}', "invalid character '}' in literal null (expecting 'l')"),
        ('{"id":"a\nb"}', "invalid character '\\n' in string literal"),
        ('{"id":"\x80\n"}', "invalid character '\\n' in string literal"),
        ('{"id":"a\x0bb"}', "invalid character '\\v' in string literal"),
        ('{"id":"a\\qb"}', "invalid character 'q' in string escape code"),
        ('{"id":"\\u00g0"}', "invalid character 'g' in \\u hexadecimal character escape"),
        ('{"id":"\\u"}', "invalid character '\"' in \\u hexadecimal character escape"),
        ('{"id":5}', "json: cannot unmarshal number into Go struct field Upload.id of type string"),
        ('{"Id":{"a":1}}', "json: cannot unmarshal object into Go struct field Upload.id of type string"),
        ('{"input":[1]}', "json: cannot unmarshal array into Go struct field Upload.input of type string"),
        ('{"input":true}', "json: cannot unmarshal bool into Go struct field Upload.input of type string"),
        ('{"slurml":"x"}', "json: cannot unmarshal string into Go struct field Upload.slurml of type bool"),
        ('{"slurml":0,"id":5}', "json: cannot unmarshal number into Go struct field Upload.slurml of type bool"),
        ('{"id":5,', "unexpected EOF"),
        ('{"id":5 x', "invalid character 'x' after object key:value pair"),
        ("[]", "json: cannot unmarshal array into Go value of type jobs.Upload"),
        ('[{"id":5}]', "json: cannot unmarshal array into Go value of type jobs.Upload"),
        ('"x"', "json: cannot unmarshal string into Go value of type jobs.Upload"),
        ("17", "json: cannot unmarshal number into Go value of type jobs.Upload"),
        ("17 ", "json: cannot unmarshal number into Go value of type jobs.Upload"),
        ("true", "json: cannot unmarshal bool into Go value of type jobs.Upload"),
    ],
)
def test_what_is_refused_and_how(text: str, said: str) -> None:
    with pytest.raises(BadJson) as told:
        both(text.encode())
    assert str(told.value) == said


def test_brackets_may_be_as_deep_as_with_go() -> None:
    assert read([b'{"x":' + b"[" * 9_999 + b"]" * 9_999 + b',"id":"a"}']) == {"id": "a"}
    with pytest.raises(BadJson, match="exceeded max depth"):
        read([b'{"x":' + b"[" * 10_000])


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
texts = st.text(st.characters(codec=None))  # halves of pairs, too
objects = st.fixed_dictionaries(
    {}, optional={"id": texts | st.none(), "input": texts | st.none(), "slurml": st.booleans() | st.none()}
).flatmap(lambda known: st.dictionaries(st.text(), values, max_size=4).map(lambda others: {**others, **known}))


@given(objects, st.booleans(), st.sampled_from([None, 1]), places)
@settings(max_examples=60)
def test_it_agrees_with_python(said: dict[str, Any], is_ascii: bool, indent: int | None, places: list[int]) -> None:
    said = {
        key: value for key, value in said.items() if key in ("id", "input", "slurml") or key.casefold() not in FIELDS
    }
    text = json.dumps(said, ensure_ascii=is_ascii, indent=indent).encode(
        "utf-8", "replace" if is_ascii else "surrogatepass"
    )
    expected = json.loads(text.decode("utf-8", "surrogatepass"))
    known = {key: value for key, value in expected.items() if key in ("id", "input", "slurml") and value is not None}
    if not is_ascii and re.search("[\ud800-\udfff]", text.decode("utf-8", "surrogatepass")):
        return  # bytes that are no UTF-8: three marks, not one
    clean = {
        key: re.sub("[\ud800-\udfff]", "\ufffd", one) if isinstance(one, str) else one for key, one in known.items()
    }
    assert read(cut(text, places)) == clean


@given(values, st.integers(0, 10_000), st.sampled_from([*'{}[]":,\\ u0a1-.etn\n', ""]), places)
@settings(max_examples=100)
def test_it_takes_what_python_takes(value: Any, at: int, letter: str, places: list[int]) -> None:
    """With one letter changed. What comes behind a value is nobody's concern here."""
    text = json.dumps({"x": value})
    at %= len(text)
    text = text[:at] + letter + text[at + 1 :]
    try:
        json.JSONDecoder().raw_decode(text.lstrip(" \n"))
        is_json = True
    except ValueError:
        is_json = False
    try:
        read(cut(text.encode(), places))
        taken = True
    except BadJson as error:
        taken = "cannot unmarshal" in str(error)
    assert taken == is_json or _is_number_cut(text)


def _is_number_cut(text: str) -> bool:
    """Python takes the begin of a broken number, as 1 of 1.x, for a number with something behind it."""
    return re.match(r"[ \n]*-?(0|[1-9]\d*)", text) is not None


def test_the_huge_string_comes_while_it_comes() -> None:
    sink = Kept()
    reader = ObjectReader(FIELDS, "input", sink)
    reader.feed(b'{"input":"AAAA')
    assert sink.pieces == [b"AAAA"]
    reader.feed(b"BBBB")
    assert sink.pieces == [b"AAAA", b"BBBB"]
    assert not reader.is_done
    reader.feed(b'"}')
    assert reader.is_done


MUCH = 2_000


@pytest.mark.parametrize(
    "text",
    [
        b'{"id":"' + b"x" * (MUCH + 1),
        b'{"' + b"x" * (MUCH + 1),
        b" " * (MUCH + 1),
        b'{"x":[' + b"1," * MUCH,
        b'{"x":' + b"1" * (MUCH + 1),
        b'{"x":[' + b'"a",' * MUCH,
    ],
)
def test_besides_the_huge_string_there_is_not_much(text: bytes) -> None:
    with pytest.raises(JsonTooLarge):
        ObjectReader(FIELDS, "input", Kept(), cap=MUCH).feed(text)


def test_strings_that_are_skipped_may_be_long() -> None:
    assert read([b'{"file":"', *[b"x" * CAP] * 8, b'","id":"a"}']) == {"id": "a"}


@pytest.mark.parametrize("end", [b"", b"\\n", b"\\r\\n", b"\\u000a"])
def test_memory_is_bounded(end: bytes) -> None:
    line = b"QUJD" * 19 + end
    piece = line * 800
    count = (8 << 20) // len(piece)

    class Nowhere(io.BytesIO):
        size = 0

        def write(self, data: Any, /) -> int:
            self.size += len(data)
            return len(data)

    file = Nowhere()
    sink = Base64File(file, cap=1 << 30)
    reader = ObjectReader(FIELDS, "input", sink)
    tracemalloc.start()
    try:
        reader.feed(b'{"id":"a","input":"')
        for _ in range(count):
            reader.feed(piece)
        reader.feed(b'"}')
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()
    sink.close()
    assert (reader.close(), sink.trouble, file.size) == ({"id": "a"}, None, count * 800 * 57)


def test_a_request_in_one_piece_takes_no_more_than_itself() -> None:
    body = b'{"id":"a","input":"' + base64.b64encode(bytes(6 << 20)) + b'"}'
    file = io.BytesIO(bytes(6 << 20))
    sink = Base64File(file, cap=1 << 30)
    tracemalloc.start()
    try:
        reader = ObjectReader(FIELDS, "input", sink)
        reader.feed(body)
        assert tracemalloc.get_traced_memory()[1] < 13 << 20  # of which the file is more than half
    finally:
        tracemalloc.stop()
    assert file.getvalue() == bytes(6 << 20)
