"""Names, keys, types, headers, links: by plain values."""

from __future__ import annotations

import email
import json
import uuid
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.errors import BadRequest
from sjs.gateway.artifacts import links, media, names
from sjs.gateway.artifacts.links import BadLink, ExpiredLink, Grant
from sjs.gateway.artifacts.store import below, checked_key, is_key_of, key_of, uuid_of

ANY_TEXT = st.text(st.characters(exclude_categories=()))

# Names


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("plot.png", "plot.png"),
        ("sub/plot 1.png", "sub/plot 1.png"),
        ("...", "..."),
        ("caf\u0065\u0301", "caf\u00e9"),
        ("a\nb\x00\x7f", "a%0Ab%00%7F"),
        ("caf\udce9", "caf%E9"),
        ("..\\..\\evil.exe", "..%5C..%5Cevil.exe"),
        ("\u202egnp.exe", "%E2%80%AEgnp.exe"),
        ("line\u2028end", "line%E2%80%A8end"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("a" * 255, "a" * 255),
    ],
)
def test_a_name_is_made_harmless(path: str, name: str) -> None:
    assert names.cleaned(path) == name


@pytest.mark.parametrize("path", ["", "/", "/etc/passwd", "..", "a/../b", "a//b", "./a", "a/", "a/.", "../" * 9 + "x"])
def test_no_name_leads_elsewhere(path: str) -> None:
    with pytest.raises(BadRequest, match="leads elsewhere"):
        names.cleaned(path)


@pytest.mark.parametrize("path", ["a" * 256, "é" * 128, "\n" * 86, "/".join(["a" * 200] * 6)])
def test_no_name_is_too_long(path: str) -> None:
    with pytest.raises(BadRequest, match="too long"):
        names.cleaned(path)


@given(ANY_TEXT)
def test_every_name_can_be_shown_and_kept(path: str) -> None:
    try:
        name = names.cleaned(path)
    except (BadRequest, UnicodeEncodeError):
        return
    assert name.encode().decode() == name
    assert {"\n", "\r", "\0", "\\", "\x1b"}.isdisjoint(name)
    assert not {"", ".", ".."} & set(name.split("/"))
    assert names.cleaned(name) == name


# Keys


def test_a_key_follows_from_whose_it_is_and_its_name() -> None:
    assert key_of(7, 1, "a/b.png") == f"7/1/{uuid_of(7, 1, 'a/b.png')}" == key_of("7", 1, "a/b.png")
    others = {key_of(7, 1, "a"), key_of(7, 2, "a"), key_of(71, 1, "a"), key_of(7, 11, "a"), key_of(7, 1, "b")}
    assert len(others) == 5
    found = uuid.UUID(uuid_of(7, 1, "a"))
    assert (found.version, found.variant) == (5, uuid.RFC_4122)


@given(ANY_TEXT.filter(lambda text: text.isprintable()))
def test_of_every_name_there_is_a_key(name: str) -> None:
    key = key_of("job-1", 3, name)
    assert checked_key(key) == key
    assert is_key_of(key)


@pytest.mark.parametrize("job", ["", "..", "a/b", "a.b", -1.5, "é", "a\n"])
def test_no_job_leads_elsewhere(job: str) -> None:
    with pytest.raises(BadRequest):
        below(job)


UUID = "6f1dc8cd-7a5f-5f53-9d0c-2f4f7c1a0b11"


@pytest.mark.parametrize("key", ["7/1", "7/1/x", f"7/x/{UUID}", f"x/7/1/{UUID}", f"7/1/{UUID}\n", f"7/1/{UUID}.x"])
def test_others_keys(key: str) -> None:
    assert not is_key_of(key)


# Types

JOBMGR = {
    "a.pdf": "application/pdf",
    "a.zip": "application/zip",
    "a.mp3": "audio/mpeg",
    "a.ogg": "audio/ogg",
    "a.oga": "audio/ogg",
    "a.wav": "audio/wav",
    "a.gif": "image/gif",
    "a.jpg": "image/jpeg",
    "A.JPEG": "image/jpeg",
    "sub.d/a.png": "image/png",
    "a.webp": "image/webp",
    "a.csv": "text/csv",
    "a.txt": "text/plain",
    "a.mp4": "video/mp4",
    "a.ogv": "video/ogg",
    "a.tar.webm": "video/webm",
    ".png": "image/png",
    "png": "application/octet-stream",
    "sub.png/a": "application/octet-stream",
    "a.": "application/octet-stream",
    "": "application/octet-stream",
    "a.html": "application/octet-stream",
    "a.svg": "application/octet-stream",
}


@pytest.mark.parametrize(("name", "mime"), JOBMGR.items())
def test_types_as_jobmgr_has_them(name: str, mime: str) -> None:
    assert media.jobmgr_mime_of(name) == mime


def test_ours_are_jobmgrs_and_more() -> None:
    assert media.JOBMGR_TYPES.items() <= media.TYPES.items()
    assert [media.mime_of(name) for name in ("a.svg", "x/index.HTML", "log.json", "noext", "a.unknown")] == [
        "image/svg+xml",
        "text/html",
        "application/json",
        "application/octet-stream",
        "application/octet-stream",
    ]


def test_jobmgrs_types_are_all_shown_but_archives() -> None:
    """It says inline of all; of what could run there is none among them."""
    assert [mime for mime in media.JOBMGR_TYPES.values() if not media.is_shown(mime)] == ["application/zip"]


def test_what_a_browser_runs_is_not_shown() -> None:
    shown = {extension for extension, mime in media.TYPES.items() if media.is_shown(mime)}
    assert shown.isdisjoint({"html", "htm", "xhtml", "svg", "xml", "js", "mjs", "wasm", "css", "ps", "json"})
    assert shown >= {"png", "jpg", "webp", "pdf", "mp3", "mp4", "txt", "log", "csv"}


@pytest.mark.parametrize("mime", ["text/HTML", "image/SVG+xml", "image/svg+xml;x", "", "text", "image/", "TEXT/PLAIN2"])
def test_of_types_that_are_written_otherwise_neither(mime: str) -> None:
    assert not media.is_shown(mime)


def test_text_says_how_its_letters_are_written() -> None:
    assert media.content_type("text/plain") == "text/plain; charset=utf-8"
    assert media.content_type("image/png") == "image/png"


# Headers


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("plot.png", 'inline; filename="plot.png"'),
        ("sub/plot.png", 'inline; filename="plot.png"'),
        ("..\\..\\plot.png", 'inline; filename="plot.png"'),
        ("a.html", 'attachment; filename="a.html"'),
        ("a.svg", 'attachment; filename="a.svg"'),
        ('a"; filename="b.exe', 'attachment; filename="a\\"; filename=\\"b.exe"'),
        ("a\r\nSet-Cookie: x.txt", 'inline; filename="aSet-Cookie: x.txt"'),
        ("é.txt", "inline; filename=\"?.txt\"; filename*=UTF-8''%C3%A9.txt"),
        ("..", 'attachment; filename="artifact"'),
        ("", 'attachment; filename="artifact"'),
        ("a" * 300 + ".txt", f'inline; filename="{"a" * 176}.txt"'),
    ],
)
def test_dispositions(name: str, header: str) -> None:
    assert media.disposition(name, media.mime_of(name)) == header


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("plot.png", 'inline; filename="plot.png"'),
        ("sub/x.png", 'inline; filename="sub-x.png"'),
        (" a,&!?/\\@:%b ", 'inline; filename="a---------b"'),
        ('a "b".txt', 'inline; filename="a \\"b\\".txt"'),
        ("a.html", 'inline; filename="a.html"'),
        ("a\r\nb", 'inline; filename="ab"'),
        ("é", "inline; filename=\"?\"; filename*=UTF-8''%C3%A9"),
    ],
)
def test_dispositions_as_jobmgr_has_them(name: str, header: str) -> None:
    assert media.jobmgr_disposition(name) == header


@given(ANY_TEXT)
def test_every_header_is_one_line_with_one_name(name: str) -> None:
    for header in (media.disposition(name, "text/plain"), media.jobmgr_disposition(name)):
        assert header.isascii()
        assert header.isprintable()
        assert len(header) < 8000
        message = email.message_from_string(f"Content-Disposition: {header}\n\n")
        assert message.get_content_disposition() == "inline"
        found = message.get_filename()
        assert found
        assert not {"/", "\\"} & set(found.replace('\\"', ""))
        if "filename*=" in header:
            letters = set(unquote(header.rpartition("''")[2]))
            assert letters <= {*name, "-", *"artifact"}


# Links

KEYS = [bytes([number]) * 32 for number in range(3)]
GRANT = Grant("/api/v1/artifacts/5", "a b\n\u00e9\udce9.txt", "anna", 2_000, "0" * 64)


def test_what_was_signed_is_allowed_until_its_time() -> None:
    word = links.sign(GRANT, KEYS)
    assert links.check(word, KEYS, 1_999.9) == GRANT
    assert set(word) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    with pytest.raises(ExpiredLink):
        links.check(word, KEYS, 2_000.0)


def test_the_first_key_signs_and_all_are_accepted() -> None:
    word = links.sign(GRANT, KEYS[:1])
    assert links.check(word, [KEYS[1], KEYS[2], KEYS[0]], 0) == GRANT
    with pytest.raises(BadLink):
        links.check(word, KEYS[1:], 0)
    assert links.sign(GRANT, KEYS) == word != links.sign(GRANT, KEYS[1:])


def test_no_letter_can_be_changed() -> None:
    word = links.sign(GRANT, KEYS)
    for at in range(len(word)):
        for other in {"A", "_", ".", "=", "é"} - {word[at]}:
            with pytest.raises(BadLink):
                links.check(word[:at] + other + word[at + 1 :], KEYS, 0)


NO_LINKS = ["", ".", "x", "{}.", ".{}", "{}=", "{}\n", " {}", "{}.{}", "{}" * 99, "\udce9.\udce9"]


@pytest.mark.parametrize("change", NO_LINKS)
def test_no_other_word_is_a_link(change: str) -> None:
    with pytest.raises(BadLink):
        links.check(change.replace("{}", links.sign(GRANT, KEYS)), KEYS, 0)


@given(ANY_TEXT)
def test_no_text_is_a_link(text: str) -> None:
    with pytest.raises(BadLink):
        links.check(text, KEYS, 0)


def test_words_of_another_version_are_refused() -> None:
    body = links._encoded(json.dumps(["only", "three", 1]).encode())
    with pytest.raises(BadLink, match="another version"):
        links.check(f"{body}.{links._mac(KEYS[0], body)}", KEYS, 0)


@pytest.mark.parametrize("keys", [[], [b""], [b"short"], [KEYS[0], b"x" * 31]])
def test_keys_are_long(keys: list[bytes]) -> None:
    with pytest.raises(BadRequest, match="32 bytes"):
        links.sign(GRANT, keys)
    with pytest.raises(BadRequest, match="32 bytes"):
        links.check("x.y", keys, 0)


def test_no_link_is_too_long_for_a_url() -> None:
    with pytest.raises(BadRequest, match="so long a name"):
        links.sign(Grant("/x", "é" * 5000, "anna", 1, "0" * 64), KEYS)
