"""A real nginx before a gateway."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gateway.web.conftest import HOST
from tests.live.machine import DEADLINE

CONFIG = """daemon off;
{user}
pid {folder}/pid;
error_log {folder}/log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {listen};
{locations}
    }}
}}
"""

USER = "user root;" if os.geteuid() == 0 else ""
"""Its folders are root's, too, then."""


@contextmanager
def before(locations: str, folder: Path) -> Iterator[str]:
    """Where it is, with these locations. It listens before it has begun, so nobody has to wait for it."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        pytest.skip("needs nginx, which scripts/test installs")
    with socket.create_server((HOST, 0)) as door:
        listen = f"{HOST}:{door.getsockname()[1]}"
        (folder / "conf").write_text(CONFIG.format(user=USER, folder=folder, listen=listen, locations=locations))
        argv = [nginx, "-c", str(folder / "conf"), "-p", str(folder)]
        inherited = {**os.environ, "NGINX": f"{door.fileno()};"}
        process = subprocess.Popen(argv, env=inherited, pass_fds=[door.fileno()])
    try:
        yield f"http://{listen}"
    finally:
        process.terminate()
        assert process.wait(DEADLINE) == 0, (folder / "log").read_text()
