"""One home folder on several hosts, by a network file system that is real: GlusterFS, which needs nothing of the kernel
but FUSE. Its server runs beside the client, each host mounts it over its own cable; both end with the lab.

As on NFS, all hosts see the same names, files and locks; and a pipe has one name, but on each host a life of its own.
"""

from __future__ import annotations

import os
import shutil

import pytest

from tests.rig.lab import CLIENT, PATH, USER, Lab

HOME = f"/home/{USER}"

SERVER = f"""\
volume disk
  type storage/posix
  option directory {{folder}}
end-volume
volume home
  type features/locks
  subvolumes disk
end-volume
volume server
  type protocol/server
  option transport-type tcp
  option transport.socket.bind-address {CLIENT}
  option transport.socket.listen-port 24009
  option auth.addr.home.allow *
  subvolumes home
end-volume
"""

MOUNT = f"""\
volume home
  type protocol/client
  option transport-type tcp
  option remote-host {CLIENT}
  option remote-port 24009
  option remote-subvolume home
end-volume
"""

needs_gluster = pytest.mark.skipif(
    shutil.which("glusterfs", path=PATH) is None and not os.environ.get("CI"),
    reason="needs glusterfs-client, which scripts/test installs",
)


def share_home(lab: Lab) -> None:
    """Let the hosts' user have one home on all of them: that of the first host."""
    (lab.folder / "server.vol").write_text(SERVER.format(folder=lab.hosts[0].home))
    lab.call("glusterfsd", "-f", str(lab.folder / "server.vol"), "-l", str(lab.folder / "server.log"))
    for host in lab.hosts:
        (host.folder / "mount.vol").write_text(MOUNT)
        host.call("glusterfs", "-f", "/run/host/mount.vol", "-l", "/run/host/mount.log", HOME, user="root")
