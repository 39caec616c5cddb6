"""What a spec's parameters may be, as JSON Schema: for the API's own document, and for forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sjs.gateway.specs.spec import JobSpec, Parameter, could_be_option
from sjs.gateway.specs.values import LEAST_INT, MOST_INT

NO_NUL = "^[^\\u0000]*$"
NO_DASH = "^(?!-)"


def schema(spec: JobSpec) -> dict[str, Any]:
    """An object of all parameters. It says what the values of JSON may be; texts are taken for numbers, too."""
    return {
        "type": "object",
        "title": spec.name,
        **({"description": spec.description} if spec.description else {}),
        "properties": {one.name: _property(spec, one) for one in spec.parameters},
        "required": [one.name for one in spec.parameters if one.required],
        "additionalProperties": False,
    }


def _property(spec: JobSpec, parameter: Parameter) -> dict[str, Any]:
    found = _KINDS[parameter.type](spec, parameter) if parameter.is_usable else {"not": {}}
    if parameter.choices:
        found["enum"] = list(parameter.choices)
    if parameter.default is not None:
        found["default"] = parameter.default
    if parameter.description:
        found["description"] = parameter.description
    return found


def _text(spec: JobSpec, parameter: Parameter) -> dict[str, Any]:
    wanted = [NO_NUL]
    if parameter.pattern is not None:
        # `$` is also before a last line's end to Python's readers
        wanted.append(f"^(?:{parameter.pattern.portable})$(?!\\n)")
    if could_be_option(spec, parameter):
        wanted.append(NO_DASH)
    found: dict[str, Any] = {"type": "string", "maxLength": parameter.max_length, "pattern": wanted[0]}
    if len(wanted) > 1:
        found["allOf"] = [{"pattern": one} for one in wanted[1:]]
    return found


def _int(spec: JobSpec, parameter: Parameter) -> dict[str, Any]:
    low, high = parameter.low, parameter.high
    return {
        "type": "integer",
        "minimum": LEAST_INT if low is None else low,
        "maximum": MOST_INT if high is None else high,
    }


def _float(spec: JobSpec, parameter: Parameter) -> dict[str, Any]:
    bounds = {"minimum": parameter.low, "maximum": parameter.high}
    return {"type": "number", **{key: value for key, value in bounds.items() if value is not None}}


def _flag(spec: JobSpec, parameter: Parameter) -> dict[str, Any]:
    return {"type": "boolean"}


_KINDS: Mapping[str, Callable[[JobSpec, Parameter], dict[str, Any]]] = {
    "string": _text,
    "int": _int,
    "float": _float,
    "bool": _flag,
}
