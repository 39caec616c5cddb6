"""A call, where its job runs: any Python 3.8 or newer, and nothing but this text and what the environment holds.

What is here is taken out of the environment before the function runs, so that what that starts does not inherit it.
The answer is a file in the job's own folder, there as a whole or not at all: a line that says what it is, then

    result       a pickle
    exception    a pickle of it, and its traceback
    trouble      a text: the call could not be made, or its answer not be told
"""

from __future__ import annotations

import base64
import os
import pickle
import sys
import traceback
import types
import zlib

TYPE_CHECKING = False  # typing would have to be imported
if TYPE_CHECKING:
    from typing import Any

ANSWER = "answer"
PROTOCOL = 5
BY_VALUE = b"cloudpickle.cloudpickle"


class Trouble(Exception):
    """Why there is no answer of the function's own."""


def main() -> int:
    """Make the call; the exit status of the job."""
    said = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("_SJS_")}
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    kind, body = answer(said)
    path = os.path.join(os.environ["SJS_JOB_DIR"], ANSWER)
    with open(path + ".part", "wb") as target:
        target.write(kind.encode() + b"\n" + body)
    os.rename(path + ".part", path)
    return kind != "result"


def answer(said: dict[str, str]) -> tuple[str, bytes]:
    """What the call comes to: which kind of answer, and the answer."""
    try:
        function, arguments, more = understood(said)
        try:
            value = [function(*some) for some in arguments] if "_SJS_EACH" in said else function(*arguments, **more)
        except BaseException as error:  # noqa: BLE001 (it is told to whoever has called)
            traceback.print_exc()
            return raised(error, said)
        try:
            return "result", dumped(value, said)
        except BaseException as error:  # noqa: BLE001 (it is told to whoever has called)
            traceback.print_exc()
            return raised(error, said)
    except Trouble as error:
        sys.stderr.write(f"{error}\n")
        return "trouble", str(error).encode()


def understood(said: dict[str, str]) -> tuple[Any, Any, Any]:
    """The function and its arguments."""
    parts = [part(said, name) for name in ("function", "arguments")]
    if "_SJS_CWD" in said:
        os.chdir(os.path.join(os.path.dirname(os.environ["SJS_MANAGER"]), said["_SJS_CWD"]))
    here = ".".join(map(str, sys.version_info[:2]))
    if any(BY_VALUE in one for one in parts):
        if here != said["_SJS_PYTHON"]:
            raise Trouble(
                f"the function is of Python {said['_SJS_PYTHON']}, and {sys.executable} here is {here}:"
                " Executor(python=…) names another one, or let it come from a module that both can import"
            )
        load_pickling(said)
    try:
        return (pickle.loads(parts[0]), *pickle.loads(parts[1]))
    except ModuleNotFoundError as error:
        raise Trouble(
            f"{error} there: bring your code with snapshot=True, or have it travel with the function:"
            " cloudpickle.register_pickle_by_value(module)"
        ) from None
    except Exception as error:  # noqa: BLE001 (somebody's own code reads it)
        traceback.print_exc()
        raise Trouble(f"the call cannot be read there: {error!r}") from None


def part(said: dict[str, str], name: str) -> bytes:
    """One part of the call: in the environment where it is small, else in the files that came with the job."""
    text = said.get("_SJS_" + name.upper())
    if text is not None:
        return zlib.decompress(base64.b85decode(text))
    with open(os.path.join(said["_SJS_PARTS"], name), "rb") as source:
        return source.read()


def load_pickling(said: dict[str, str]) -> None:
    """Have the cloudpickle of whoever calls: the same version, if it is installed here, else the source that came."""
    version, _, source = said["_SJS_PICKLING"].partition(":")
    try:
        import cloudpickle

        if cloudpickle.__version__ == version:
            return
    except ImportError:
        pass
    package, module = types.ModuleType("cloudpickle"), types.ModuleType("cloudpickle.cloudpickle")
    sys.modules.update({"cloudpickle": package, "cloudpickle.cloudpickle": module})
    package.cloudpickle = module  # type: ignore[attr-defined]
    exec(compile(zlib.decompress(base64.b85decode(source)), "cloudpickle.py", "exec"), module.__dict__)
    package.__dict__.update({name: value for name, value in vars(module).items() if not name.startswith("__")})


def dumped(value: object, said: dict[str, str]) -> bytes:
    """The value as a pickle: a plain one if that can be."""
    try:
        return pickle.dumps(value, PROTOCOL)
    except Exception:  # noqa: BLE001 (somebody's own code makes it)
        load_pickling(said)
        found: bytes = sys.modules["cloudpickle.cloudpickle"].dumps(value, PROTOCOL)
        return found


def raised(error: BaseException, said: dict[str, str]) -> tuple[str, bytes]:
    """The exception; where it cannot travel, what is known of it."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        body = dumped((error, text), said)
        pickle.loads(body)
    except BaseException:  # noqa: BLE001 (likewise)
        raise Trouble(f"{type(error).__name__}, which cannot be sent as it is:\n{text}") from None
    return "exception", body


if __name__ == "__main__":
    sys.exit(main())
