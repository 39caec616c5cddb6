"""Makes the environment that scripts/submit and scripts/test run in: `environment.py FOLDER [EXTRA…]`.

It is built in a temporary folder beside FOLDER, under a lock, and put in place in one step, so that callers at the same
time all get a whole one, and those who run in the old one are not disturbed. It holds what setup.cfg asks for, a
path to this tree, a list of its extras, which the next one has, too, and last, as the stamp, a copy of that setup.cfg.
"""

from __future__ import annotations

import configparser
import contextlib
import ctypes
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urljoin
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
AT_FDCWD = -100
RENAME_EXCHANGE = 2


def main(folder: Path, extras: list[str]) -> int:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting: another call is making {folder}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        extras = sorted({*extras, *those_of(folder)})
        if is_fresh(folder, extras):
            return 0
        say(f"making {folder} with Python {sys.version.split()[0]}, once; this takes some seconds")
        return make(folder, extras)


def is_fresh(folder: Path, extras: list[str]) -> bool:
    """What `ready` in scripts/submit asks too."""
    with contextlib.suppress(FileNotFoundError):
        stamp = (folder / "setup.cfg").read_bytes()
        is_current = os.access(folder / "bin/python", os.X_OK) and stamp == (ROOT / "setup.cfg").read_bytes()
        return is_current and extras == those_of(folder)
    return False


def those_of(folder: Path) -> list[str]:
    """The extras that an environment has, as far as there still are such ones."""
    with contextlib.suppress(FileNotFoundError):
        listed = (folder / "extras").read_text(encoding="utf-8").split()
        return sorted(set(listed).intersection(read_config()["options.extras_require"]))
    return []


def make(folder: Path, extras: list[str]) -> int:
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)  # left by a call that was killed; we have the lock
    try:
        build(fresh, folder, extras)
        put_in_place(fresh, folder)
    except subprocess.CalledProcessError as error:
        say(f"cannot make {folder}: {' '.join(map(str, error.cmd))} failed")
        sys.stderr.write(error.output)
        return 1
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return 0


def build(fresh: Path, folder: Path, extras: list[str]) -> None:
    interpreter = os.path.realpath(sys.executable)
    wanted = requirements(extras)
    run(interpreter, "-I", "-m", "venv", "--without-pip", fresh)
    python = fresh / "bin/python"
    if wanted:
        pip = [python, "-I", *pip_for(python), "--disable-pip-version-check", "--no-input", "install", "--quiet"]
        if "dev" in extras:  # which are many: the newest pip finds out what fits in a fraction of the time
            run(*pip, "--upgrade", "pip")
        run(*pip, *wanted)
    site = Path(run(python, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    inside = folder / site.relative_to(fresh)
    (site / "sjs.pth").write_text(f"{path_to_tree(inside)}\n", encoding="utf-8")
    (fresh / "extras").write_text("".join(f"{extra}\n" for extra in extras), encoding="utf-8")
    shutil.copyfile(ROOT / "setup.cfg", fresh / "setup.cfg")


def pip_for(python: Path) -> list[str | Path]:
    """Arguments that make the python run pip: its own one, or, as Debian keeps that in a package apart, PyPI's."""
    if importlib.util.find_spec("ensurepip"):
        run(python, "-I", "-m", "ensurepip")
        return ["-m", "pip"]
    say("this Python comes without pip: fetching that, too")
    try:
        with urlopen("https://pypi.org/pypi/pip/json", timeout=30) as page:
            wheel = next(one for one in json.load(page)["urls"] if one["packagetype"] == "bdist_wheel")
        with urlopen(urljoin(page.url, wheel["url"]), timeout=60) as source:  # mirrors give relative ones
            content = source.read()
    except (OSError, ValueError) as error:
        raise OSError(f"{error}; if PyPI is out of reach, on Debian: apt-get install python3-venv") from error
    if hashlib.sha256(content).hexdigest() != wheel["digests"]["sha256"]:
        raise OSError(f"{wheel['url']} is not what PyPI says it is")
    fetched = python.parent.parent / wheel["filename"]
    fetched.write_bytes(content)
    return [fetched / "pip"]


def path_to_tree(site: Path) -> str:
    """Relative when the environment lies in the tree, so that the tree can be moved."""
    return os.path.relpath(ROOT, site) if ROOT in site.parents else str(ROOT)


def requirements(extras: list[str]) -> list[str]:
    config = read_config()
    there = config["options.extras_require"]
    if lacking := [extra for extra in extras if extra not in there]:
        raise OSError(f"there is no extra {lacking[0]}, only {', '.join(there)}")
    texts = [config["options"].get("install_requires", ""), *(there[extra] for extra in extras)]
    return [line for text in texts for line in text.split("\n") if line]


def read_config() -> configparser.ConfigParser:
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def put_in_place(fresh: Path, folder: Path) -> None:
    """Swap in one step when there is an old one, so that there is never none; it is then removed as `fresh`."""
    if not folder.exists():
        os.rename(fresh, folder)
        return
    exchange = getattr(ctypes.CDLL(None), "renameat2", None)
    if exchange and exchange(AT_FDCWD, os.fsencode(fresh), AT_FDCWD, os.fsencode(folder), RENAME_EXCHANGE) == 0:
        return
    old = folder.with_name(f"{folder.name}.old")  # NFS cannot exchange: for a moment there is none
    os.rename(folder, old)
    os.rename(fresh, folder)
    shutil.rmtree(old)


def run(*argv: str | Path) -> str:
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def say(text: str) -> None:
    sys.stderr.write(f"sjs: {text}\n")


if __name__ == "__main__":
    try:
        status = main(Path(os.path.abspath(sys.argv[1])), sys.argv[2:])
    except OSError as error:
        say(f"cannot make {sys.argv[1]}: {error}")
        status = 1
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)
