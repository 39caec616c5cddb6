"""What a client says: fields of a query and of a form, numbers, and parameters as JSON. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from email.parser import HeaderParser
from urllib.parse import parse_qsl

from sjs.gateway.web.jobmgr.wire import INVALID, MISSING

MOST_NAME = 255
"""Letters of a name that are kept."""

_NUMBER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_LARGEST = 2**63


class Unfit(Exception):
    """What was said is wrong: an error's code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def fields(query: bytes, kind: str, body: bytes) -> Mapping[str, str]:
    """What is said by name: the first of several, the body before the query. `kind`: the body's Content-Type."""
    found: dict[str, str] = {}
    for name, value in [*_form(kind, body), *_pairs(query)]:
        found.setdefault(name, value)
    return found


def text(found: Mapping[str, str], name: str) -> str:
    """A field that has to be there."""
    value = found.get(name, "")
    if not value:
        raise Unfit(MISSING)
    return value


def job_name(found: Mapping[str, str]) -> str:
    """Any name, whether there is such a job or not, that the records take."""
    name = text(found, "name")
    if len(name) > MOST_NAME or "\0" in name:
        raise Unfit(INVALID)
    return name


def number(found: Mapping[str, str], name: str) -> int:
    """A field that is a whole number of 64 bits."""
    value = text(found, name)
    if len(value) > 100 or not _NUMBER.fullmatch(value) or not -_LARGEST <= int(value) < _LARGEST:
        raise Unfit(INVALID)
    return int(value)


def parameters(found: Mapping[str, str]) -> Mapping[str, str] | None:
    """An object whose values are texts, or null."""
    try:
        read = json.loads(text(found, "parameters"))
    except (ValueError, RecursionError):
        raise Unfit(INVALID) from None
    if read is None:
        return None
    if not isinstance(read, dict) or not all(isinstance(value, str) for value in read.values()):
        raise Unfit(INVALID)
    return {_letters(name): _letters(value) for name, value in read.items()}


def _letters(value: str) -> str:
    """Without halves of letters, which JSON can say, and nobody can be handed."""
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _form(kind: str, body: bytes) -> list[tuple[str, str]]:
    head = HeaderParser().parsestr(f"Content-Type: {kind.replace(chr(10), ' ').replace(chr(13), ' ')}\n\n")
    if head.get_content_type() == "application/x-www-form-urlencoded":
        return _pairs(body)
    boundary = head.get_param("boundary")
    if head.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        return []
    return _parts(b"\r\n--" + boundary.encode("latin-1", "replace"), body)


def _parts(line: bytes, body: bytes) -> list[tuple[str, str]]:
    """The fields of a multipart form; files are none."""
    found = []
    for part in (b"\r\n" + body).split(line)[1:]:
        if part.startswith(b"--"):
            break
        head, _, value = part.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = HeaderParser().parsestr(head.decode("utf-8", "replace").replace("\r\n", "\n"))
        name = headers.get_param("name", header="content-disposition")
        is_file = headers.get_param("filename", header="content-disposition") is not None
        if isinstance(name, str) and not is_file:
            found.append((name, value.decode("utf-8", "replace")))
    return found


def _pairs(query: bytes) -> list[tuple[str, str]]:
    return parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True, errors="replace")
