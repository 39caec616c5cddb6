"""JSON without blanks, in ASCII, as it goes over every line of ours.

The standard library makes its encoder anew for each text, which takes longer than to encode a short one; a manager
writes half a dozen for each job. So it is made once, where this Python has it in C.
"""

from __future__ import annotations

import json
from json import encoder
from typing import Any, Callable


def _refuse(value: object) -> None:
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")


def _fast() -> Callable[[Any], str]:
    make: Any = getattr(encoder, "c_make_encoder", None)
    if make is None:
        return json.JSONEncoder(separators=(",", ":")).encode
    # No table of what is being encoded (so a circle is a RecursionError), no indent, keys as they come, NaN as it is.
    pieces = make(None, _refuse, encoder.encode_basestring_ascii, None, ":", ",", False, False, True)
    return lambda value: "".join(pieces(value, 0))


to_json = _fast()
"""The text of a value."""
